//! What happens at servers: turns, disks, and what arrives over their connections.

use std::time::Duration;

use bytes::BytesMut;
use node::{
    Admission, Chunk as Out, ClientBatch, Connection, Effect, Event, Hello, Inbound, Load, Next,
    Told,
};
use wire::quorum::Packets;
use zab::{ServerState, Sid};

use crate::pipe::{Chunk, End, Kind, PipeId};
use crate::process::{DiskState, Process, QuorumEnd, Served};
use crate::world::{What, World};

/// Bytes of the packet that says who a learner is.
const HELLO_BYTES_MAX: usize = 1024;

/// A leader that is not there is dialled again after this, for so long.
const DIAL_PAUSE: Duration = Duration::from_millis(20);
const DIAL_PATIENCE: Duration = Duration::from_millis(500);

/// Batches of clients' requests taken in one turn.
const BATCHES_MAX: usize = 64;

impl World {
    pub(crate) fn process(&mut self, sid: Sid) -> Option<&mut Process> {
        self.machines.get_mut(&sid)?.process.as_mut()
    }

    fn process_of_run(&mut self, sid: Sid, run: u64) -> Option<&mut Process> {
        self.process(sid).filter(|process| process.run == run)
    }

    /// If the server stands still: until when.
    fn paused(&self, sid: Sid) -> Option<Duration> {
        let until = self.machines.get(&sid)?.paused_until;
        (until > self.now).then_some(until)
    }

    pub(crate) fn start(&mut self, sid: Sid) {
        let (now, plan) = (self.now, self.plan.clone());
        let Some(machine) = self.machines.get_mut(&sid) else { return };
        if machine.process.is_some() {
            return;
        }
        let started = machine.start(now, &plan, &mut self.rng);
        self.tell(|| format!("server {} starts", sid.0));
        match started {
            Ok(()) => self.wake(sid, Duration::ZERO),
            Err(why) => self.fail(format!("server {} refuses to start: {why}", sid.0)),
        }
    }

    /// It has a turn soon.
    pub(crate) fn wake(&mut self, sid: Sid, after: Duration) {
        let at = self.now + after;
        let Some(process) = self.process(sid) else { return };
        if process.turn_at.is_none_or(|before| before > at) {
            process.turn_at = Some(at);
            let run = process.run;
            self.at(at, What::Turn(sid, run));
        }
    }

    /// Something happened to it.
    pub(crate) fn inform(&mut self, sid: Sid, event: Event) {
        let turn = self.rng.around(self.plan.turn);
        if let Some(process) = self.process(sid) {
            process.inbox.push(event);
        }
        self.wake(sid, turn);
    }

    // ---- turns

    pub(crate) fn turn(&mut self, sid: Sid, run: u64) {
        let now = self.now;
        if let Some(until) = self.paused(sid) {
            return self.at(until, What::Turn(sid, run));
        }
        let Some(machine) = self.machines.get_mut(&sid) else { return };
        let clock = machine.now(now);
        let Some(process) = machine.process.as_mut().filter(|process| process.run == run) else {
            return;
        };
        if process.turn_at.is_none_or(|at| at > now) {
            return;
        }
        process.turn_at = None;
        let node = &mut process.node;
        node.begin_turn(clock);
        for event in process.inbox.drain(..) {
            node.handle(clock, event);
        }
        let load = Load { disk_records: process.disk_records, leader_is_behind: false };
        if node.takes_requests(load) {
            let batches = process.batches.len().min(BATCHES_MAX);
            for batch in process.batches.drain(..batches) {
                node.handle(clock, Event::Asked(batch));
            }
        }
        node.work(clock);
        for connection in process.gone.drain(..) {
            node.handle(clock, Event::Gone(connection));
        }
        node.tick(clock);
        let mut effects = Vec::new();
        node.flush(clock, &mut effects);
        self.carry_out(sid, effects);
        self.look_at(sid);
        let turn = self.plan.turn;
        let Some(process) = self.process(sid) else { return };
        if process.node.has_ended() {
            return self.ended(sid);
        }
        let served: Vec<_> = process.clients.keys().copied().collect();
        for pipe in served {
            self.serve_on(sid, pipe);
        }
        let Some(process) = self.process(sid) else { return };
        let has_left = process.node.has_left() || !process.batches.is_empty();
        let deadline = process.node.next_deadline();
        if has_left || !process.inbox.is_empty() || !process.gone.is_empty() {
            self.wake(sid, turn);
        } else if let Some(deadline) = deadline {
            self.wake(sid, deadline.saturating_sub(now).max(Duration::from_micros(1)));
        }
    }

    /// What its host was seen to do.
    fn look_at(&mut self, sid: Sid) {
        let Some(process) = self.process(sid) else { return };
        let seen = process.heard.take();
        self.count(&seen.steps);
        self.marks.extend(seen.marks);
        for txn in seen.delivered {
            match self.log.get(&txn.zxid) {
                None => {
                    self.log.insert(txn.zxid, txn.payload);
                }
                Some(payload) if *payload == txn.payload => {}
                Some(_) => {
                    let (sid, zxid) = (sid.0, txn.zxid);
                    return self.fail(format!(
                        "server {sid} delivers another transaction {zxid} than others"
                    ));
                }
            }
        }
    }

    fn carry_out(&mut self, sid: Sid, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Disk(jobs) => self.disk(sid, jobs),
                Effect::Greet { number, bytes } => {
                    let pipe = self.process(sid).and_then(|p| p.greetings.remove(&number));
                    self.say(sid, pipe, bytes);
                }
                Effect::Frames { link, bytes } => {
                    let pipe = self.process(sid).and_then(|p| p.links.get(&link).copied());
                    self.say(sid, pipe, bytes);
                }
                Effect::State { link, snapshot } => {
                    let pipe = self.process(sid).and_then(|p| p.links.get(&link).copied());
                    let mut bytes = Vec::new();
                    match node::snapshots::stream(&snapshot, &mut bytes) {
                        Ok(()) => self.say(sid, pipe, bytes),
                        Err(error) => self.fail(format!("a snapshot cannot be sent: {error}")),
                    }
                }
                Effect::Close(link) => {
                    let Some(process) = self.process(sid) else { return };
                    if let Some(pipe) = process.links.remove(&link) {
                        process.quorum_ends.remove(&pipe);
                        self.close_end(sid, pipe);
                    }
                }
                Effect::Dial(leader) => {
                    let Some(process) = self.process(sid) else { return };
                    let attempt = process.next_number();
                    process.dialling.insert(leader, attempt);
                    let (run, now) = (process.run, self.now);
                    let delay = self.rng.around(self.plan.delay);
                    self.after(delay, What::Dial(sid, run, leader, attempt, now));
                }
                Effect::StopDialling(leader) => {
                    if let Some(process) = self.process(sid) {
                        process.dialling.remove(&leader);
                    }
                }
                Effect::Follows(_) | Effect::Wake(_) => {}
                Effect::Notify { to, bytes, looks: _ } => {
                    let pipe = self.process(sid).and_then(|p| p.election.get(&to).copied());
                    if pipe.is_some() {
                        self.say(sid, pipe, bytes);
                    } else {
                        let delay = self.rng.around(self.plan.delay);
                        self.after(delay, What::Meet(sid, to));
                    }
                }
                Effect::Tell(told) => self.told(&told),
            }
        }
    }

    fn told(&mut self, told: &Told) {
        match told {
            Told::RoleChange { sid, role, epoch, reason } => {
                let role = match role {
                    ServerState::Leading => "leads",
                    ServerState::Following => "follows",
                    ServerState::Observing => "observes",
                    ServerState::Looking => "looks",
                };
                self.tell(|| format!("server {} {role}, epoch {}: {reason}", sid.0, epoch.0));
            }
            Told::Serving { sid, epoch, .. } => {
                self.tell(|| format!("server {} serves in epoch {}", sid.0, epoch.0));
            }
            Told::Stopped { sid, reason } => {
                self.tell(|| format!("server {} stops: {reason}", sid.0));
            }
        }
    }

    /// A server that is not told to stop, and whose disk does not fail, has no reason to end.
    fn ended(&mut self, sid: Sid) {
        let Some(machine) = self.machines.get_mut(&sid) else { return };
        let clock = machine.now(self.now);
        let Some(process) = &mut machine.process else { return };
        let end = process.node.finish(clock, &mut Vec::new());
        self.fail(format!("server {} ends by itself: {end}", sid.0));
    }

    // ---- disks

    fn disk_time(&mut self, sid: Sid) -> Duration {
        let slow = self.machines.get(&sid).is_some_and(|machine| machine.slow_until > self.now);
        self.rng.around(self.plan.disk) * if slow { 50 } else { 1 }
    }

    fn disk(&mut self, sid: Sid, jobs: Vec<node::disk::Job>) {
        let time = self.disk_time(sid);
        let Some(process) = self.process(sid) else { return };
        process.disk_records += jobs.len();
        process.jobs.extend(jobs);
        if process.disk_state == DiskState::Idle {
            process.disk_state = DiskState::Writing;
            let run = process.run;
            self.after(time, What::DiskWrite(sid, run));
        }
    }

    pub(crate) fn disk_write(&mut self, sid: Sid, run: u64) {
        if let Some(until) = self.paused(sid) {
            return self.at(until, What::DiskWrite(sid, run));
        }
        let time = self.disk_time(sid);
        let Some(process) = self.process_of_run(sid, run) else { return };
        process.taken = process.jobs.len();
        let mut begun = Vec::new();
        while let Some(job) = process.jobs.pop_front() {
            match process.writer.write(job) {
                Ok(None) => {}
                Ok(Some(background)) => {
                    let number = process.next_number();
                    process.background.insert(number, background);
                    begun.push(number);
                }
                Err(error) => return self.inform(sid, Event::DiskFailed(error)),
            }
        }
        process.disk_state = DiskState::Syncing;
        self.after(time, What::DiskSync(sid, run));
        for number in begun {
            let time = self.disk_time(sid) * 20;
            self.after(time, What::SnapshotOut(sid, run, number));
        }
    }

    pub(crate) fn disk_sync(&mut self, sid: Sid, run: u64) {
        if let Some(until) = self.paused(sid) {
            return self.at(until, What::DiskSync(sid, run));
        }
        let time = self.disk_time(sid);
        let Some(process) = self.process_of_run(sid, run) else { return };
        let durable = match process.writer.sync() {
            Ok(durable) => durable,
            Err(error) => return self.inform(sid, Event::DiskFailed(error)),
        };
        process.disk_records -= std::mem::take(&mut process.taken);
        if process.jobs.is_empty() {
            process.disk_state = DiskState::Idle;
        } else {
            process.disk_state = DiskState::Writing;
            self.after(time, What::DiskWrite(sid, run));
        }
        if let Some(upto) = durable {
            self.inform(sid, Event::Durable { upto });
        }
    }

    pub(crate) fn snapshot_out(&mut self, sid: Sid, run: u64, number: u64) {
        let Some(process) = self.process_of_run(sid, run) else { return };
        let Some(background) = process.background.remove(&number) else { return };
        match node::snapshots::write_out(background) {
            Ok(_) => {
                self.marks.insert("a snapshot is written while the server goes on");
            }
            Err(error) => self.fail(format!("server {}: a snapshot failed: {error}", sid.0)),
        }
    }

    // ---- connections between servers

    fn side(&self, sid: Sid, pipe: PipeId) -> Option<usize> {
        let ends = self.pipes.get(&pipe)?.ends;
        ends.iter().position(|end| matches!(end, End::Server(other, _) if *other == sid))
    }

    fn say(&mut self, sid: Sid, pipe: Option<PipeId>, bytes: Vec<u8>) {
        if let Some(pipe) = pipe
            && let Some(side) = self.side(sid, pipe)
        {
            self.send(pipe, side, Chunk::Bytes(bytes));
        }
    }

    fn close_end(&mut self, sid: Sid, pipe: PipeId) {
        if let Some(side) = self.side(sid, pipe) {
            self.close(pipe, side);
        }
    }

    fn is_up(&self, sid: Sid) -> bool {
        self.machines.get(&sid).is_some_and(|machine| machine.process.is_some())
    }

    fn reaches(&self, a: Sid, b: Sid) -> bool {
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
        let Some(process) = self.process(sid) else { return };
        let Some(mut end) = process.quorum_ends.remove(&pipe) else { return };
        let events = match chunk {
            Chunk::Fin => Err("the other end closed it".to_owned()),
            Chunk::Bytes(bytes) => {
                end.buffer.extend_from_slice(&bytes);
                read_quorum(process, pipe, &mut end)
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

    // ---- connections of clients

    /// A client connects; false: it is not admitted.
    pub(crate) fn serve(&mut self, sid: Sid, pipe: PipeId, client: usize) -> bool {
        let now = self.now;
        let Some(machine) = self.machines.get_mut(&sid) else { return false };
        let clock = machine.now(now);
        let Some(process) = &mut machine.process else { return false };
        let shared = process.node.shared();
        let port = 10_000 + u16::try_from(client).unwrap_or(0);
        let connection = Connection::new(([10, 0, 0, 1], port).into(), shared, clock, (), ());
        if shared.admit(&connection) != Admission::Admitted {
            return false;
        }
        let inbound = Inbound::new(connection.clone(), shared.clone());
        process.clients.insert(pipe, Served { connection, inbound, has_greeted: false });
        true
    }

    pub(crate) fn served_arrives(&mut self, sid: Sid, pipe: PipeId, chunk: Chunk) {
        let now = self.now;
        let Some(process) = self.process(sid) else { return };
        let Some(served) = process.clients.get_mut(&pipe) else { return };
        match chunk {
            Chunk::Fin => return self.served_gone(sid, pipe),
            Chunk::Bytes(bytes) => {
                served.inbound.room().extend_from_slice(&bytes);
                served.inbound.hold_back();
                if served.connection.session() != 0 {
                    served.connection.touch(now);
                }
            }
        }
        self.serve_on(sid, pipe);
    }

    fn served_gone(&mut self, sid: Sid, pipe: PipeId) {
        let turn = self.rng.around(self.plan.turn);
        let Some(process) = self.process(sid) else { return };
        if let Some(served) = process.clients.remove(&pipe) {
            process.node.shared().remove(&served.connection);
            process.gone.push(served.connection);
            self.close_end(sid, pipe);
            self.wake(sid, turn);
        }
    }

    /// Does what the task of a client's connection does, until it would wait.
    fn serve_on(&mut self, sid: Sid, pipe: PipeId) {
        let (now, turn) = (self.now, self.rng.around(self.plan.turn));
        let Some(process) = self.process(sid) else { return };
        let Some(served) = process.clients.get_mut(&pipe) else { return };
        let asked = serve_client(served, &process.node.shared().clone(), now);
        let (out, ends) = drained(&served.connection);
        let connection = served.connection.clone();
        let is_over = ends || asked.is_err() || connection.is_cut();
        let requests = asked.unwrap_or_default();
        let asks = !requests.is_empty();
        if asks {
            process.batches.push_back(ClientBatch { connection, requests });
        }
        for bytes in out {
            self.say(sid, Some(pipe), bytes);
        }
        if asks {
            self.wake(sid, turn);
        }
        if is_over {
            self.served_gone(sid, pipe);
        }
    }
}

/// What a client asks for. An error: its connection has to be closed.
fn serve_client(
    served: &mut Served,
    shared: &node::Shared,
    at: Duration,
) -> Result<Vec<node::ClientRequest>, String> {
    let Served { connection, inbound, has_greeted } = served;
    let mut asked = Vec::new();
    loop {
        if connection.is_cut() {
            return Err("it was closed".to_owned());
        }
        if !*has_greeted {
            match inbound.hello()? {
                Some(Hello::Session(request)) => {
                    *has_greeted = true;
                    asked.push(request);
                    inbound.hold_back();
                }
                Some(Hello::Word(_)) => return Err("a word".to_owned()),
                None => {}
            }
            return Ok(asked);
        }
        if connection.is_held_back() {
            connection.go_on(shared, at);
        }
        let listens = connection.session() != 0 && connection.wants_input();
        connection.listens(listens);
        if !listens || !inbound.is_held_back() {
            return Ok(asked);
        }
        asked.extend(inbound.requests(at)?);
    }
}

/// What leaves for a client, and whether the connection ends behind it.
fn drained(connection: &Connection) -> (Vec<Vec<u8>>, bool) {
    let mut out = Vec::new();
    loop {
        match connection.outbox().next() {
            Some(Next::Write(Out::Bytes(bytes))) => out.push(bytes),
            Some(Next::Write(Out::Large(never))) => match never {},
            Some(Next::End) => return (out, true),
            None => return (out, false),
        }
    }
}

/// What has arrived whole over a connection of the quorum port.
fn read_quorum(
    process: &mut Process,
    pipe: PipeId,
    end: &mut QuorumEnd,
) -> Result<Vec<Event>, String> {
    let mut events = Vec::new();
    if end.inlet.is_none() {
        let packet = end.packets.next(&mut end.buffer).map_err(|error| error.to_string())?;
        let Some(packet) = packet else { return Ok(events) };
        let peer = host::learner_of(&packet)?;
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
