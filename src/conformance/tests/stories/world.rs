//! A small ensemble in memory, every step of which is recorded: real cores, disks that keep what is
//! durable, links that keep order. It runs by itself until nothing is left to do.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::Cursor;

use conformance::{Checker, Report, Source};
use recording::{Buffer, Digest, Header, chunk, file_name, header};
use zab::{
    After, Config, DiskImage, Input, LinkCmd, Message, Notification, Outputs, Peer, Quorum, Record,
    Role, Send, Sid, Timer, TimerCmd, WriteNo,
};

pub(crate) type Step = (Input<Digest>, Outputs<Digest>);

/// A recording that can still be changed.
pub(crate) struct Tape {
    config: Config,
    pub(crate) number: u64,
    pub(crate) steps: Vec<Step>,
    pub(crate) closed: bool,
}

impl Tape {
    pub(crate) fn sid(&self) -> Sid {
        self.config.me
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.chunks().concat()
    }

    /// The header, and a chunk for each step.
    pub(crate) fn chunks(&self) -> Vec<Vec<u8>> {
        let mut chunks = vec![header(&Header {
            commit: "0123abc".to_owned(),
            number: self.number,
            config: self.config,
        })];
        let mut buffer = Buffer::new();
        for (number, (input, outputs)) in self.steps.iter().enumerate() {
            buffer.clear();
            buffer.begin(input);
            buffer.end(outputs);
            let mut bytes = Vec::new();
            chunk(number as u64, 1, buffer.bytes(), false, &mut bytes);
            chunks.push(bytes);
        }
        if self.closed {
            let mut bytes = Vec::new();
            chunk(self.steps.len() as u64, 0, &[], true, &mut bytes);
            chunks.push(bytes);
        }
        chunks
    }
}

/// Checks recordings together.
pub(crate) fn check(tapes: &[Tape]) -> Report {
    check_files(tapes.iter().map(|tape| (tape, tape.bytes())))
}

/// Checks files together that are said to be these recordings.
pub(crate) fn check_files<'a>(files: impl Iterator<Item = (&'a Tape, Vec<u8>)>) -> Report {
    let mut checker = Checker::new();
    let mut sources = Vec::new();
    for (tape, bytes) in files {
        let (name, server, number) = (file_name(tape.sid(), tape.number), tape.sid(), tape.number);
        checker.add(&name, server, number, Cursor::new(bytes.clone()));
        sources.push(Source { name, server, number, bytes: Cursor::new(bytes) });
    }
    checker.follow(sources, None).expect("nothing is written");
    checker.finish()
}

struct Server {
    peer: Peer<Digest>,
    tape: Tape,
    written: VecDeque<(WriteNo, Record<Digest>)>,
    durable: WriteNo,
    held: Vec<Send<Digest>>,
    dials: Option<Sid>,
    finalize: bool,
}

pub(crate) struct World {
    quorum: Quorum,
    up: BTreeMap<Sid, Server>,
    disks: BTreeMap<Sid, DiskImage<Digest>>,
    votes: VecDeque<(Sid, Sid, Notification)>,
    wire: VecDeque<(Sid, Sid, Message<Digest>)>,
    links: BTreeSet<(Sid, Sid)>,
    mute: Option<Sid>,
    pub(crate) tapes: Vec<Tape>,
}

impl World {
    pub(crate) fn new(voters: u8) -> Self {
        let voters = (1..=voters).map(Sid).collect();
        Self {
            quorum: Quorum::majority(voters),
            up: BTreeMap::new(),
            disks: BTreeMap::new(),
            votes: VecDeque::new(),
            wire: VecDeque::new(),
            links: BTreeSet::new(),
            mute: None,
            tapes: Vec::new(),
        }
    }

    /// Starts servers, and lets them elect, synchronise and whatever else they want.
    pub(crate) fn start(&mut self, sids: &[u8]) {
        for &sid in sids {
            let (me, config) = (Sid(sid), Config::new(Sid(sid), self.quorum));
            let number = 1 + self.tapes.iter().filter(|tape| tape.sid() == me).count() as u64;
            let server = Server {
                peer: Peer::new(config),
                tape: Tape { config, number, steps: Vec::new(), closed: false },
                written: VecDeque::new(),
                durable: WriteNo(0),
                held: Vec::new(),
                dials: None,
                finalize: false,
            };
            self.up.insert(me, server);
            let image = self.disks.entry(me).or_insert_with(DiskImage::empty).clone();
            self.step(me, Input::Start(image));
        }
        self.run();
    }

    /// The server is killed, and what was not durable is lost.
    pub(crate) fn kill(&mut self, sid: u8) {
        self.end(Sid(sid), false);
    }

    /// Every server stops in good order.
    pub(crate) fn stop(&mut self) {
        for sid in self.up.keys().copied().collect::<Vec<_>>() {
            self.end(sid, true);
        }
        self.tapes.sort_by_key(|tape| (tape.sid(), tape.number));
    }

    fn end(&mut self, sid: Sid, closed: bool) {
        let Some(mut server) = self.up.remove(&sid) else { panic!("{sid} is not up") };
        server.tape.closed = closed;
        self.mute = None;
        self.tapes.push(server.tape);
        for peer in self.up.keys().copied().collect::<Vec<_>>() {
            self.cut(sid, peer);
        }
        if !closed {
            self.run();
        }
    }

    /// The leader proposes.
    pub(crate) fn propose(&mut self, payload: &str) {
        let leads =
            |(&sid, server): (&Sid, &Server)| (server.peer.role() == Role::Leading).then_some(sid);
        let leader = self.up.iter().find_map(leads).expect("somebody leads");
        self.step(leader, Input::Propose(Digest::of(payload.as_bytes())));
        self.run();
    }

    /// Nothing that this server sends arrives any more.
    pub(crate) fn mute(&mut self, sid: u8) {
        self.mute = Some(Sid(sid));
    }

    fn cut(&mut self, one: Sid, other: Sid) {
        self.wire
            .retain(|(from, to, _)| (*from, *to) != (one, other) && (*from, *to) != (other, one));
        if self.links.remove(&(one, other)) | self.links.remove(&(other, one)) {
            self.step(other, Input::Link { peer: one, up: false });
        }
    }

    fn run(&mut self) {
        while self.one() {}
    }

    /// One more event; false if there is none.
    fn one(&mut self) -> bool {
        if let Some((from, to, notification)) = self.votes.pop_front() {
            self.step(to, Input::Notify { from, notification });
            return true;
        }
        if let Some((from, to, message)) = self.wire.pop_front() {
            self.step(to, Input::Recv { peer: from, message });
            return true;
        }
        for me in self.up.keys().copied().collect::<Vec<_>>() {
            let server = self.up.get_mut(&me).expect("it is up");
            if let Some((no, record)) = server.written.pop_front() {
                server.durable = no;
                let (due, held) = std::mem::take(&mut server.held)
                    .into_iter()
                    .partition(|send| send.after <= After::Durable(no));
                server.held = held;
                self.disks.get_mut(&me).expect("it has one").apply(&record);
                let due: Vec<Send<Digest>> = due;
                self.wire.extend(due.into_iter().map(|send| (me, send.to, send.message)));
                self.step(me, Input::Durable { upto: no });
                return true;
            }
            if let Some(leader) = server.dials
                && self.up.get(&leader).is_some_and(|server| server.peer.role() == Role::Leading)
            {
                self.up.get_mut(&me).expect("it is up").dials = None;
                self.links.insert((me, leader));
                self.step(leader, Input::Link { peer: me, up: true });
                self.step(me, Input::Link { peer: leader, up: true });
                return true;
            }
        }
        let due = self.up.iter().find_map(|(&sid, server)| server.finalize.then_some(sid));
        if let Some(sid) = due {
            self.step(sid, Input::Timer(Timer::Finalize));
            return true;
        }
        let lost = self.up.iter().find_map(|(&sid, server)| {
            let alone = !self.links.iter().any(|(one, other)| *one == sid || *other == sid);
            let leads = server.peer.role() == Role::Leading && server.peer.established().is_some();
            (alone && leads && self.up.len() > 1).then_some(sid)
        });
        if let Some(sid) = lost {
            self.step(sid, Input::Timer(Timer::QuorumLoss));
        }
        lost.is_some()
    }

    fn step(&mut self, me: Sid, input: Input<Digest>) {
        let Some(server) = self.up.get_mut(&me) else { return };
        if input == Input::Timer(Timer::Finalize) {
            server.finalize = false;
        }
        let mut out = Outputs::new();
        server.peer.step(input.clone(), &mut out);
        server.written.extend(out.writes.iter().cloned());
        for send in out.sends.iter().filter(|_| self.mute != Some(me)) {
            if send.after <= After::Durable(server.durable) {
                self.wire.push_back((me, send.to, send.message.clone()));
            } else {
                server.held.push(send.clone());
            }
        }
        for timer in &out.timers {
            match timer {
                TimerCmd::Arm(Timer::Finalize) => server.finalize = true,
                TimerCmd::Disarm(Timer::Finalize) => server.finalize = false,
                TimerCmd::Arm(_) | TimerCmd::Disarm(_) => {}
            }
        }
        let links = out.links.clone();
        for link in &links {
            match link {
                LinkCmd::Connect(leader) => server.dials = Some(*leader),
                LinkCmd::Close(_) => server.dials = None,
            }
        }
        self.votes.extend(out.notifications.iter().map(|(to, said)| (me, *to, *said)));
        server.tape.steps.push((input, out));
        for link in links {
            if let LinkCmd::Close(peer) = link {
                self.cut(me, peer);
            }
        }
    }
}
