//! What happens at servers: their turns, and what these lead to.

use std::sync::atomic::Ordering;
use std::time::Duration;

use node::{Effect, End, Event, Load, Told};
use zab::{ServerState, Sid};

use crate::process::{Damage, Process};
use crate::story::{Kind, Who};
use crate::world::{What, World};

/// Batches of clients' requests taken in one turn.
const BATCHES_MAX: usize = 64;

/// How long it takes a server to read what its clients have sent.
const LISTENS: Duration = Duration::from_millis(20);

impl World {
    pub(crate) fn process(&mut self, sid: Sid) -> Option<&mut Process> {
        self.machines.get_mut(&sid)?.process.as_mut()
    }

    pub(crate) fn process_of_run(&mut self, sid: Sid, run: u64) -> Option<&mut Process> {
        self.process(sid).filter(|process| process.run == run)
    }

    /// If the server stands still: until when.
    pub(crate) fn paused(&self, sid: Sid) -> Option<Duration> {
        let until = self.machines.get(&sid)?.paused_until;
        (until > self.now).then_some(until)
    }

    pub(crate) fn start(&mut self, sid: Sid) {
        let (now, plan) = (self.now, self.plan.clone());
        let Some(machine) = self.machines.get_mut(&sid) else { return };
        if machine.process.is_some() {
            return;
        }
        let was_damaged = machine.damage == Damage::Done;
        let started = machine.start(now, &plan, &mut self.rng);
        self.tell(Who::Server(sid), Kind::Start, || format!("server {} starts", sid.0));
        match started {
            Ok(()) => {
                if was_damaged {
                    let waits = self.machines.get(&sid).is_some_and(|m| m.damage == Damage::Waits);
                    self.marks.insert(match waits {
                        true => "a damaged server starts without its history",
                        false => "a damaged server starts, and is right",
                    });
                }
                self.wake(sid, Duration::ZERO);
            }
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

    /// How long it takes until it has a turn.
    pub(crate) fn turn_time(&mut self, sid: Sid) -> Duration {
        let starves = self.machines.get(&sid).is_some_and(|m| m.starves_until > self.now);
        if let Some(process) = self.process(sid) {
            process.starves.store(starves, Ordering::Relaxed);
        }
        if starves { self.plan.tick / 16 } else { self.rng.around(self.plan.turn) }
    }

    /// Something happened to it.
    pub(crate) fn inform(&mut self, sid: Sid, event: Event) {
        let turn = self.turn_time(sid);
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
        let turn = self.turn_time(sid);
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
            let at = self.machines.get(&sid).map_or(deadline, |machine| machine.at_local(deadline));
            self.wake(sid, at.saturating_sub(now).max(Duration::from_micros(1)));
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
                Effect::Listen(round) => {
                    let Some(process) = self.process(sid) else { return };
                    let run = process.run;
                    self.after(LISTENS, What::Listened(sid, run, round));
                }
                Effect::Tell(told) => self.told(&told),
            }
        }
    }

    pub(crate) fn listened(&mut self, sid: Sid, run: u64, round: u64) {
        if let Some(until) = self.paused(sid) {
            return self.at(until + LISTENS, What::Listened(sid, run, round));
        }
        if self.process(sid).is_some_and(|process| process.run == run) {
            self.inform(sid, Event::Listened(round));
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
                self.tell(Who::Server(*sid), Kind::Step, || {
                    format!("server {} {role}, epoch {}: {reason}", sid.0, epoch.0)
                });
            }
            Told::Serving { sid, epoch, .. } => {
                if sid.0 > self.plan.servers {
                    self.marks.insert("an observer serves");
                }
                if let Some(machine) = self.machines.get_mut(sid)
                    && machine.damage == Damage::Waits
                {
                    machine.damage = Damage::None;
                    self.marks.insert("a damaged server gets a history from a leader");
                }
                self.tell(Who::Server(*sid), Kind::Step, || {
                    format!("server {} serves in epoch {}", sid.0, epoch.0)
                });
            }
            Told::Stopped { sid, reason } => {
                self.tell(Who::Server(*sid), Kind::Step, || {
                    format!("server {} stops: {reason}", sid.0)
                });
            }
        }
    }

    /// A server that is not told to stop, and whose disk does not fail, has no reason to end. One
    /// whose disk has failed is started again, with a disk that works.
    fn ended(&mut self, sid: Sid) {
        let Some(machine) = self.machines.get_mut(&sid) else { return };
        let clock = machine.now(self.now);
        let Some(process) = &mut machine.process else { return };
        let end = process.node.finish(clock, &mut Vec::new());
        let (run, reason) = (process.run, end.to_string());
        let is_disk = matches!(end, End::Disk(_)) && std::mem::take(&mut machine.has_error);
        if !is_disk {
            return self.fail(format!("server {} ends by itself: {reason}", sid.0));
        }
        machine.disk = process.disk.after_a_kill();
        machine.process = None;
        self.hang_up(sid, run);
        self.tell(Who::Server(sid), Kind::End, || {
            format!("server {} ends by itself: {reason}", sid.0)
        });
        self.marks.insert("a disk fails, and its server ends");
        let down = self.rng.around(self.plan.tick * 2);
        self.after(down, What::Start(sid));
    }
}
