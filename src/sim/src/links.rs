//! Connections between servers.

use std::time::Duration;

use bytes::BytesMut;
use node::Event;
use wire::quorum::Packets;
use zab::Sid;

use crate::pipe::{Chunk, End, Kind, PipeId};
use crate::process::{Process, QuorumEnd};
use crate::world::{What, World};

/// Bytes of the packet that says who a learner is.
pub(crate) const HELLO_BYTES_MAX: usize = 1024;

/// A leader that is not there is dialled again after this, for so long.
const DIAL_PAUSE: Duration = Duration::from_millis(20);
const DIAL_PATIENCE: Duration = Duration::from_millis(500);

impl World {
    pub(crate) fn side(&self, sid: Sid, pipe: PipeId) -> Option<usize> {
        let ends = self.pipes.get(&pipe)?.ends;
        ends.iter().position(|end| matches!(end, End::Server(other, _) if *other == sid))
    }

    pub(crate) fn say(&mut self, sid: Sid, pipe: Option<PipeId>, bytes: Vec<u8>) {
        if let Some(pipe) = pipe
            && let Some(side) = self.side(sid, pipe)
        {
            self.send(pipe, side, Chunk::Bytes(bytes));
        }
    }

    pub(crate) fn close_end(&mut self, sid: Sid, pipe: PipeId) {
        if let Some(side) = self.side(sid, pipe) {
            self.close(pipe, side);
        }
    }

    pub(crate) fn is_up(&self, sid: Sid) -> bool {
        self.machines.get(&sid).is_some_and(|machine| machine.process.is_some())
    }

    pub(crate) fn reaches(&self, a: Sid, b: Sid) -> bool {
        self.is_up(b) && !self.cuts.contains(&(a, b)) && !self.cuts.contains(&(b, a))
    }

    pub(crate) fn dial(&mut self, sid: Sid, run: u64, leader: Sid, attempt: u64, since: Duration) {
        let (now, reaches) = (self.now, self.reaches(sid, leader));
        let Some(process) = self.process_of_run(sid, run) else { return };
        if process.dialling.get(&leader) != Some(&attempt) {
            return;
        }
        if !reaches {
            if now - since < DIAL_PATIENCE {
                return self.after(DIAL_PAUSE, What::Dial(sid, run, leader, attempt, since));
            }
            process.dialling.remove(&leader);
            let reason = "nobody is there".to_owned();
            return self.inform(sid, Event::Unreachable { leader, reason });
        }
        let Some(leader_run) = self.process(leader).map(|process| process.run) else { return };
        let ends = [End::Server(sid, run), End::Server(leader, leader_run)];
        let pipe = self.connect(Kind::Quorum, ends);
        let packets = Packets::new(HELLO_BYTES_MAX);
        if let Some(process) = self.process(leader) {
            let end = QuorumEnd { buffer: BytesMut::new(), packets: packets.clone(), inlet: None };
            process.quorum_ends.insert(pipe, end);
        }
        let Some(process) = self.process(sid) else { return };
        let link = process.next_link(leader);
        let inlet = Some((link, process.inlet(link, true)));
        process.quorum_ends.insert(pipe, QuorumEnd { buffer: BytesMut::new(), packets, inlet });
        process.links.insert(link, pipe);
        self.inform(sid, Event::LinkUp { link, dialled: true, over: None });
    }

    pub(crate) fn quorum_arrives(&mut self, sid: Sid, pipe: PipeId, chunk: Chunk) {
        let members: Vec<_> = self.machines.keys().copied().collect();
        let Some(process) = self.process(sid) else { return };
        let Some(mut end) = process.quorum_ends.remove(&pipe) else { return };
        let events = match chunk {
            Chunk::Fin => Err("the other end closed it".to_owned()),
            Chunk::Bytes(bytes) => {
                end.buffer.extend_from_slice(&bytes);
                read_quorum(process, sid, &members, pipe, &mut end)
            }
        };
        match events {
            Ok(events) => {
                process.quorum_ends.insert(pipe, end);
                for event in events {
                    self.inform(sid, event);
                }
            }
            Err(reason) => {
                if let Some((link, _)) = end.inlet {
                    process.links.remove(&link);
                    self.inform(sid, Event::LinkDown { link, reason });
                }
                self.close_end(sid, pipe);
            }
        }
    }

    /// Two servers get a connection for their election messages, if they have none.
    pub(crate) fn meet(&mut self, a: Sid, b: Sid) {
        if !self.is_up(a) || !self.reaches(a, b) {
            return;
        }
        let has_one = self.process(a).is_some_and(|process| process.election.contains_key(&b));
        let runs = [a, b].map(|sid| self.process(sid).map(|process| process.run));
        let [Some(run_a), Some(run_b)] = runs else { return };
        if has_one {
            return;
        }
        let pipe = self.connect(Kind::Election, [End::Server(a, run_a), End::Server(b, run_b)]);
        for (sid, peer) in [(a, b), (b, a)] {
            let Some(process) = self.process(sid) else { return };
            let number = process.next_number();
            process.election.insert(peer, pipe);
            process.election_buffers.insert(pipe, BytesMut::new());
            process.greetings.insert(number, pipe);
            self.inform(sid, Event::ElectionOpened { peer, over: None, number });
        }
    }

    pub(crate) fn election_arrives(&mut self, sid: Sid, pipe: PipeId, chunk: Chunk) {
        let Some(side) = self.side(sid, pipe) else { return };
        let Some(End::Server(from, _)) = self.pipes.get(&pipe).map(|pipe| pipe.ends[1 - side])
        else {
            return;
        };
        let Some(process) = self.process(sid) else { return };
        let Chunk::Bytes(bytes) = chunk else {
            process.election_buffers.remove(&pipe);
            if process.election.get(&from) == Some(&pipe) {
                process.election.remove(&from);
            }
            return;
        };
        let Some(buffer) = process.election_buffers.get_mut(&pipe) else { return };
        buffer.extend_from_slice(&bytes);
        let frames = wire::frame::Frames::new("notification", 0, wire::election::MESSAGE_BYTES_MAX);
        let mut heard = Vec::new();
        while let Ok(Some(frame)) = frames.next(buffer) {
            heard.extend(host::decode_notification(&frame).ok());
        }
        for notification in heard {
            self.inform(sid, Event::Notification { from, notification, over: None });
        }
    }
}

/// What has arrived whole over a connection of the quorum port.
fn read_quorum(
    process: &mut Process,
    me: Sid,
    members: &[Sid],
    pipe: PipeId,
    end: &mut QuorumEnd,
) -> Result<Vec<Event>, String> {
    let mut events = Vec::new();
    if end.inlet.is_none() {
        let packet = end.packets.next(&mut end.buffer).map_err(|error| error.to_string())?;
        let Some(packet) = packet else { return Ok(events) };
        let peer = host::learner_of(&packet)?;
        if peer == me || !members.contains(&peer) {
            return Err(format!("{peer} is not another member"));
        }
        let link = process.next_link(peer);
        let mut inlet = process.inlet(link, false);
        inlet.begin(packet)?;
        process.links.insert(link, pipe);
        events.push(Event::LinkUp { link, dialled: false, over: None });
        end.inlet = Some((link, inlet));
    }
    if let Some((_, inlet)) = &mut end.inlet {
        while let Some(event) = inlet.next(&mut end.buffer)? {
            events.push(event);
        }
    }
    Ok(events)
}
