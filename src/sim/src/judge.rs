//! Runs from beginning to end, and what is asked of them at the end.

use std::collections::BTreeSet;
use std::time::Duration;

use history::record::{Transaction, Txn};
use zab::{Epoch, ServerState, Sid};

use crate::plan::Options;
use crate::process::{Machine, Process};
use crate::world::{Outcome, UNHURRIED, World};
use crate::{moves, translate};

/// A run. `tells`: the outcome has the story of what happened.
pub fn run(options: &Options, tells: bool) -> Outcome {
    let mut world = World::new(options, tells);
    let wild = world.plan.wild;
    world.run_until(wild);
    if world.failure.is_none() {
        world.calm_down();
        world.recovers();
    }
    if world.failure.is_none() {
        world.judge();
    }
    world.outcome(options)
}

/// As [`is_locked_out`].
const LOCKED_OUT: &str = "a server is locked out by its own promise";

/// Whether a server has promised a later epoch than the one that the others have established: it
/// waits for the next election, as in ZooKeeper.
fn is_locked_out(machine: &Machine, epoch: Epoch) -> bool {
    let process = machine.process.as_ref();
    process.is_some_and(|process| process.node.host().core().zab().accepted_epoch() > Some(epoch))
}

impl World {
    /// How long everything may take to be well again: elections that fail once or twice, time-outs
    /// of sessions, and disks that have work queued.
    fn patience(&self) -> Duration {
        self.plan.tick * 120 + Duration::from_secs(20)
    }

    /// Waits until something is so; false: it is not.
    fn comes_to(&mut self, mut is_so: impl FnMut(&mut Self) -> bool) -> bool {
        let until = self.now + self.patience();
        while self.now < until && self.failure.is_none() {
            if is_so(self) {
                return true;
            }
            let next = self.now + self.plan.tick / 4;
            self.run_until(next);
        }
        self.failure.is_none() && is_so(self)
    }

    /// Liveness: once nothing goes wrong any more every server serves, every client gets answers,
    /// and in the end all servers hold the same.
    fn recovers(&mut self) {
        let calm = self.now;
        if !self.comes_to(|world| world.all_serve()) && self.failure.is_none() {
            let states = self.states();
            return self.fail(format!("not all servers serve again: {states}"));
        }
        let took = (self.now - calm).as_millis() / self.plan.tick.as_millis().max(1);
        self.recovery_ticks = u32::try_from(took).unwrap_or(u32::MAX);
        for client in &mut self.clients {
            client.written = 0;
        }
        let has_written = |world: &mut Self| world.clients.iter().all(|client| client.written > 0);
        if !self.comes_to(has_written) && self.failure.is_none() {
            let stuck: Vec<_> = (self.clients.iter())
                .filter(|client| client.written == 0)
                .map(|client| client.id)
                .collect();
            return self.fail(format!("clients {stuck:?} cannot write any more"));
        }
        self.sessions_end();
        if self.failure.is_some() {
            return;
        }
        self.stops = true;
        let is_over = |world: &mut Self| {
            world.clients.iter().all(crate::client::Client::is_idle) && world.all_hold_the_same()
        };
        if !self.comes_to(is_over) && self.failure.is_none() {
            let (states, idle) = (self.states(), self.clients.iter().all(|c| c.is_idle()));
            let what =
                if idle { "servers do not come to the same" } else { "a request is not answered" };
            self.fail(format!("{what}: {states}"));
        }
    }

    /// Some clients vanish now. Of all sessions that were ever left behind none is there after its
    /// time-out, and those whose clients are there and connected all the time are.
    fn sessions_end(&mut self) {
        let tick = self.plan.tick;
        // Whoever thinks has thought by then, and whoever is connected is heard of by the leader
        // within a tick.
        self.is_quiet = true;
        let until = self.now + self.plan.think.max(UNHURRIED) * 20 + tick * 2;
        self.run_until(until);
        for id in 0..self.clients.len() {
            if self.rng.chance(400) {
                self.vanish(id);
                self.clients[id].is_gone = true;
            }
        }
        let alive: Vec<_> = (self.clients.iter())
            .filter(|client| client.is_open && !client.closes)
            .filter_map(|client| Some((client.id, client.session?, client.hung_up)))
            .collect();
        // The longest time-out, rounded up to a tick, and the way of the last sign of life; a
        // transaction then reaches every disk.
        let bound = tick * 20 + tick * 4 + Duration::from_secs(5);
        let (began, until) = (self.now, self.now + bound);
        let mut dead = self.dead_sessions();
        while !dead.is_empty() && self.now < until && self.failure.is_none() {
            let next = self.now + tick / 4;
            self.run_until(next);
            dead = self.dead_sessions();
        }
        if self.failure.is_some() {
            return;
        }
        if let Some((sid, session)) = dead.first() {
            let (sid, count, states) = (sid.0, dead.len(), self.states());
            return self.fail(format!(
                "session 0x{session:x} is in the tree of server {sid} {bound:?} after its client \
                 has vanished ({count} such in all): {states}"
            ));
        }
        // The time-out is over for whoever was not heard of.
        let timeouts = self.clients.iter().filter(|client| !client.is_gone).map(|c| c.timeout);
        let until = began + timeouts.max().unwrap_or_default() + tick * 2;
        self.run_until(until);
        for (id, session, hung_up) in alive {
            let client = &self.clients[id];
            if client.session != Some(session) && client.hung_up == hung_up {
                return self.fail(format!(
                    "session 0x{session:x} has ended, although client {id} was there all the time"
                ));
            }
        }
    }

    /// Sessions in the tree of a server that no client has.
    fn dead_sessions(&self) -> Vec<(Sid, i64)> {
        let Some(epoch) = self.led_epoch() else { return Vec::new() };
        let living: BTreeSet<_> = self.clients.iter().filter_map(|client| client.session).collect();
        let mut dead = Vec::new();
        for machine in self.machines.values().filter(|machine| !is_locked_out(machine, epoch)) {
            let Some(process) = &machine.process else { continue };
            let tree = process.node.shared().read_tree();
            let sessions = tree.sessions().map(|(session, _)| session);
            let all = sessions.chain(tree.ephemeral_owners());
            dead.extend(all.filter(|id| !living.contains(id)).map(|id| (machine.sid, id)));
        }
        dead
    }

    fn all_serve(&mut self) -> bool {
        let Some(epoch) = self.led_epoch() else { return false };
        let has_locked_out = self.machines.values().any(|machine| is_locked_out(machine, epoch));
        if has_locked_out {
            self.marks.insert(LOCKED_OUT);
        }
        self.machines.values().all(|machine| {
            let process = machine.process.as_ref();
            let serves = |process: &Process| process.node.shared().status().serving.is_some();
            process.is_some_and(serves) || is_locked_out(machine, epoch)
        })
    }

    /// The epoch in which a leader serves.
    fn led_epoch(&self) -> Option<Epoch> {
        self.machines.values().find_map(|machine| {
            let status = machine.process.as_ref()?.node.shared().status();
            status.serving.filter(|_| status.role == ServerState::Leading)
        })
    }

    fn all_hold_the_same(&mut self) -> bool {
        let last = self.log.last_key_value().map_or(0, |(zxid, _)| zxid.0.cast_signed());
        let Some(epoch) = self.led_epoch() else { return false };
        self.machines.values().all(|machine| {
            let holds = |process: &Process| {
                process.node.shared().read_tree().last_zxid() == last && process.jobs.is_empty()
            };
            machine.process.as_ref().is_some_and(holds) || is_locked_out(machine, epoch)
        })
    }

    fn states(&self) -> String {
        let state = |machine: &Machine| match &machine.process {
            None => format!("{} is down", machine.sid.0),
            Some(process) => {
                let (shared, sid) = (process.node.shared(), machine.sid.0);
                let (status, zxid) = (shared.status(), shared.read_tree().last_zxid());
                format!("{sid} is {:?}, serving {:?}, at 0x{zxid:x}", status.role, status.serving)
            }
        };
        self.machines.values().map(state).collect::<Vec<_>>().join("; ")
    }

    /// A transaction with the number that its request has in the history: what a client that
    /// restarts has asked for is not told by session and xid, which several of its requests have.
    /// What the transaction does tells which one it is of; where it does not, it is nobody's (0).
    fn as_asked(&self, transaction: Transaction) -> Transaction {
        let session = transaction.session.0;
        let mut clients = self.clients.iter().filter(|client| client.restarts);
        let asked = clients.find_map(|client| {
            let closed = client.sessions.get(&session)?;
            let asked = match &transaction.txn {
                Txn::Create { data, .. } => client.request_of(data),
                Txn::Delete { path } => client.deleted.get(path).copied(),
                Txn::CloseSession { .. } if transaction.xid != 0 => *closed,
                Txn::CloseSession { .. }
                | Txn::CreateSession
                | Txn::Error(_)
                | Txn::SetData { .. }
                | Txn::SetAcl { .. }
                | Txn::Check { .. }
                | Txn::Multi(_) => None,
            };
            Some(asked.unwrap_or(0))
        });
        Transaction { xid: asked.unwrap_or(transaction.xid), ..transaction }
    }

    /// All trees are one, it is what the log makes, and the history is one that ZooKeeper may have.
    fn judge(&mut self) {
        let epoch = self.led_epoch().unwrap_or_default();
        let digests: BTreeSet<_> = (self.machines.values())
            .filter(|machine| !is_locked_out(machine, epoch))
            .filter_map(|machine| machine.process.as_ref())
            .map(|process| process.node.shared().read_tree().digest())
            .collect();
        if digests.len() > 1 {
            return self.fail(format!("the servers' trees differ: {digests:x?}"));
        }
        let mut recorder = std::mem::take(&mut self.recorder);
        for (zxid, payload) in &self.log {
            match translate::transaction(payload) {
                Ok(transaction) => recorder.transaction(self.as_asked(transaction)),
                Err(error) => {
                    let why = format!("transaction {zxid} cannot be read: {error}");
                    return self.fail(why);
                }
            }
        }
        let mut members = self.machines.values().filter(|machine| !is_locked_out(machine, epoch));
        let process = members.find_map(|machine| machine.process.as_ref());
        if let Some(process) = process {
            recorder.tree(translate::tree(&process.node.shared().read_tree()));
        }
        let history = recorder.finish();
        if let Some(why) = moves::done_afterwards(&history) {
            return self.fail(why);
        }
        match history.check() {
            Err(malformed) => self.fail(format!("the history makes no sense: {malformed}")),
            Ok(report) => {
                if let Some(violation) = report.violations.first() {
                    let count = report.violations.len();
                    self.fail(format!("{violation} ({count} violations in all)"));
                }
            }
        }
    }
}
