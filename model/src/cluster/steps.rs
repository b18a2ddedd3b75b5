//! Which actions are possible in a state, and what each of them does to it.

use zab::{Action, Role};

use super::Cluster;
use super::action::Act;
use super::limits::{Budget, votes};
use super::machine::Machine;
use super::tables::{Cache, Code, NONE};

/// Coverage and violations of a step.
type Taken = (u128, u64);

impl<M: Machine> Cluster<M> {
    /// Calls `f` with every action that may be possible, in a fixed order; [`Cluster::take`] tells whether it is.
    pub(crate) fn each_act(
        &self,
        cache: &mut Cache,
        state: &[u32],
        f: &mut impl FnMut(&mut Cache, Act),
    ) {
        let n = self.servers.len();
        let sid = |server: usize| self.servers[server].me;
        for i in 0..n {
            let info = *self.tables.info(cache, self.servers[i], state[i]);
            let me = sid(i);
            if info.writes {
                f(cache, Act::Disk(me));
            }
            if info.compactable {
                f(cache, Act::Compact(me));
            }
            f(cache, Act::Crash(me));
            match info.role {
                Role::Down => {}
                Role::Looking if M::REAL_ELECTION => {
                    if info.resend {
                        f(cache, Act::Resend(me));
                    }
                    if info.finalize {
                        f(cache, Act::Finalize(me));
                    }
                }
                Role::Looking => {
                    if votes(&self.servers[i]) {
                        f(cache, Act::Lead(me));
                    }
                    for m in (0..n).filter(|&m| m != i) {
                        f(cache, Act::Follow(me, sid(m)));
                    }
                }
                Role::Leading => {
                    f(cache, Act::Propose(me));
                    f(cache, Act::Sync(me));
                    if info.init_limit {
                        f(cache, Act::LeaderInitLimit(me));
                    }
                    if info.quorum_loss {
                        f(cache, Act::QuorumLoss(me));
                    }
                    for l in (0..n).filter(|&l| l != i) {
                        let conn = self.conn(state, l, i);
                        match (conn.leader_open, conn.learner_open) {
                            (true, true) => f(cache, Act::LeaderTimeout(me, sid(l))),
                            (true, false) => f(cache, Act::LeaderSeesBreak(me, sid(l))),
                            (false, true | false) => {}
                        }
                        if !conn.to_leader.is_empty() {
                            f(cache, Act::LeaderReads(me, sid(l)));
                        }
                    }
                }
                Role::Following(leader) | Role::Observing(leader) => {
                    let m = self.index(leader);
                    let conn = self.conn(state, i, m);
                    if info.dialling.is_some() {
                        f(cache, Act::Connect(me, leader));
                        f(cache, Act::LearnerTimeout(me));
                    } else {
                        match (conn.learner_open, conn.leader_open) {
                            (true, true) => f(cache, Act::LearnerTimeout(me)),
                            (true, false) => f(cache, Act::LearnerSeesBreak(me, leader)),
                            (false, true | false) => {}
                        }
                    }
                    if !conn.to_learner.is_empty() {
                        f(cache, Act::LearnerReads(me, leader));
                    }
                }
            }
            if M::REAL_ELECTION {
                for j in (0..n).filter(|&j| j != i) {
                    if self.slot(state, j, i).is_some_and(|slot| slot.wire.is_some()) {
                        f(cache, Act::ReadNotification(me, sid(j)));
                    }
                }
            }
        }
    }

    /// Takes an action: the state afterwards is left in the cache's scratch. `None` if it is not possible: its guard
    /// fails, its budget is spent, or it would change nothing but the budget.
    pub(crate) fn take(&self, cache: &mut Cache, state: &[u32], act: Act) -> Option<Taken> {
        let mut words = std::mem::take(&mut cache.scratch);
        words.clear();
        words.extend_from_slice(state);
        let taken = self.take_in(cache, state, &mut words, act).map(|taken| {
            let taken = both(taken, self.flush_for_good(cache, &mut words));
            let taken = both(taken, self.read_promptly(cache, &mut words));
            self.settle(cache, &mut words);
            taken
        });
        cache.scratch = words;
        taken
    }

    /// Servers that are not looking read what the election says to them at once, unless stale votes are asked for.
    fn read_promptly(&self, cache: &mut Cache, words: &mut [u32]) -> Taken {
        let mut taken = (0, 0);
        if !M::REAL_ELECTION || self.limits.stale_votes {
            return taken;
        }
        let n = self.servers.len();
        for i in 0..n {
            if self.tables.info(cache, self.servers[i], words[i]).role == Role::Looking {
                continue;
            }
            for j in (0..n).filter(|&j| j != i) {
                while self.slot(words, j, i).is_some_and(|slot| slot.wire.is_some()) {
                    let (at, slot) = (self.slot_at(j, i), words[self.slot_at(j, i)]);
                    words[at] = self.tables.slot_after(cache, slot, self.ids.slot_read);
                    match self.on(cache, words, i, Code::Notify(j, slot)) {
                        Some(read) => taken = both(taken, read),
                        None => break,
                    }
                }
            }
        }
        taken
    }

    /// When no crash is left, how far a disk lags can make no difference any more: what waits for it could as well be
    /// waiting to be read. So disks do not lag from then on. (A run in which they do is matched by one in which they
    /// do not and the other side reads later.)
    fn flush_for_good(&self, cache: &mut Cache, words: &mut [u32]) -> Taken {
        let mut taken = (0, 0);
        if self.limits.exact_disks || Budget::Crashes.left(words[words.len() - 1]) > 0 {
            return taken;
        }
        for i in 0..self.servers.len() {
            while self.tables.info(cache, self.servers[i], words[i]).writes {
                match self.event(cache, words, i, self.ids.disk) {
                    Some(flushed) => taken = both(taken, flushed),
                    None => break,
                }
            }
        }
        taken
    }

    fn settle(&self, cache: &mut Cache, words: &mut [u32]) {
        let mut servers = 0;
        for (i, &config) in self.servers.iter().enumerate() {
            let info = self.tables.info(cache, config, words[i]);
            let leader = match info.role {
                Role::Following(leader) | Role::Observing(leader) => leader.0,
                Role::Leading => config.me.0,
                Role::Down | Role::Looking => 0,
            };
            let busy =
                info.promised.0.min(15) | u32::from(leader) << 4 | u32::from(info.writes) << 7;
            servers |= u64::from(busy) << (8 * i);
        }
        let at = self.ghost_at();
        words[at] = self.tables.settled(cache, words[at], servers, &self.servers);
    }

    fn take_in(
        &self,
        cache: &mut Cache,
        state: &[u32],
        words: &mut [u32],
        act: Act,
    ) -> Option<Taken> {
        let ids = &self.ids;
        match act {
            Act::Lead(a) => {
                self.spend(words, Budget::Leaderships)?;
                self.event(cache, words, self.index(a), ids.lead)
            }
            Act::Follow(a, b) => {
                let (i, m) = (self.index(a), self.index(b));
                let info = self.tables.info(cache, self.servers[m], state[m]);
                if info.role != Role::Leading {
                    return None;
                }
                let decided = self.event(cache, words, i, ids.follow[m])?;
                Some(both(decided, self.connect(cache, words, i, m)?))
            }
            Act::Connect(a, b) => {
                let (i, m) = (self.index(a), self.index(b));
                let info = self.tables.info(cache, self.servers[m], state[m]);
                if info.role != Role::Leading {
                    return None;
                }
                self.connect(cache, words, i, m)
            }
            Act::LearnerReads(a, b) => {
                let (i, m) = (self.index(a), self.index(b));
                let at = self.conn_at(i, m);
                let envelope = *self.conn(state, i, m).to_learner.first()?;
                words[at] = self.tables.conn_after(cache, words[at], ids.learner_reads);
                self.on(cache, words, i, Code::Recv(m, envelope))
            }
            Act::LeaderReads(a, b) => {
                let (m, i) = (self.index(a), self.index(b));
                let at = self.conn_at(i, m);
                let envelope = *self.conn(state, i, m).to_leader.first()?;
                words[at] = self.tables.conn_after(cache, words[at], ids.leader_reads);
                self.on(cache, words, m, Code::Recv(i, envelope))
            }
            Act::LearnerSeesBreak(a, b) => {
                self.event(cache, words, self.index(a), ids.link_down[self.index(b)])
            }
            Act::LeaderSeesBreak(a, b) => {
                let (m, i) = (self.index(a), self.index(b));
                let at = self.conn_at(i, m);
                words[at] = self.tables.conn_after(cache, words[at], ids.leader_closes);
                self.event(cache, words, m, ids.link_down[i])
            }
            Act::LearnerTimeout(a) => {
                let i = self.index(a);
                let info = *self.tables.info(cache, self.servers[i], state[i]);
                if info.dialling.is_none() {
                    self.spend(words, Budget::Timeouts)?;
                }
                let timer = if info.init_limit { ids.init_limit } else { ids.sync_limit };
                self.event(cache, words, i, timer)
            }
            Act::LeaderTimeout(a, b) => {
                self.spend(words, Budget::Timeouts)?;
                let (m, i) = (self.index(a), self.index(b));
                self.event(cache, words, m, ids.learner_sync_limit[i])
                    .or_else(|| self.event(cache, words, m, ids.learner_init_limit[i]))
            }
            Act::LeaderInitLimit(a) => {
                let m = self.index(a);
                if self.has_quorum_of_links(state, m) {
                    self.spend(words, Budget::Timeouts)?;
                }
                self.event(cache, words, m, ids.init_limit)
            }
            Act::QuorumLoss(a) => self.event(cache, words, self.index(a), ids.quorum_loss),
            Act::Disk(a) => self.event(cache, words, self.index(a), ids.disk),
            Act::Propose(a) => {
                self.spend(words, Budget::Txns)?;
                let taken = self.event(cache, words, self.index(a), ids.propose)?;
                tells(taken, state, words)
            }
            Act::Sync(a) => {
                self.spend(words, Budget::Syncs)?;
                let taken = self.event(cache, words, self.index(a), ids.sync)?;
                tells(taken, state, words)
            }
            Act::Compact(a) => {
                self.spend(words, Budget::Snapshots)?;
                self.event(cache, words, self.index(a), ids.compact)
            }
            Act::Crash(a) => {
                self.spend(words, Budget::Crashes)?;
                let i = self.index(a);
                let taken = self.event(cache, words, i, ids.crash)?;
                self.drop_links(cache, words, i);
                tells(taken, state, words)
            }
            Act::ReadNotification(a, b) => {
                let (i, j) = (self.index(a), self.index(b));
                let at = self.slot_at(j, i);
                let slot = words[at];
                words[at] = self.tables.slot_after(cache, slot, ids.slot_read);
                self.on(cache, words, i, Code::Notify(j, slot))
            }
            Act::Resend(a) => {
                self.spend(words, Budget::Resends)?;
                self.event(cache, words, self.index(a), ids.resend)
            }
            Act::Finalize(a) => self.event(cache, words, self.index(a), ids.finalize),
        }
    }

    /// A learner's dialling succeeds. The leader closes the older connection of the same server first.
    fn connect(&self, cache: &mut Cache, words: &mut [u32], i: usize, m: usize) -> Option<Taken> {
        let at = self.conn_at(i, m);
        words[at] = self.tables.conn_after(cache, words[at], self.ids.open);
        let accepted = self.event(cache, words, m, self.ids.link_up[i])?;
        Some(both(accepted, self.event(cache, words, i, self.ids.link_up[m])?))
    }

    /// True if a leader has two-way links to a quorum.
    fn has_quorum_of_links(&self, state: &[u32], m: usize) -> bool {
        let linked = (0..self.servers.len()).filter(|&l| {
            l == m || {
                let conn = self.conn(state, l, m);
                conn.learner_open && conn.leader_open
            }
        });
        self.quorum.is_quorum(&linked.map(|l| self.servers[l].me).collect())
    }

    fn drop_links(&self, cache: &mut Cache, words: &mut [u32], i: usize) {
        for j in (0..self.servers.len()).filter(|&j| j != i) {
            for (at, op) in [
                (self.conn_at(i, j), self.ids.learner_closes),
                (self.conn_at(j, i), self.ids.leader_closes),
            ] {
                words[at] = self.tables.conn_after(cache, words[at], op);
            }
        }
    }

    fn spend(&self, words: &mut [u32], budget: Budget) -> Option<()> {
        let at = words.len() - 1;
        words[at] = budget.spend(words[at])?;
        Some(())
    }

    fn event(&self, cache: &mut Cache, words: &mut [u32], i: usize, event: u32) -> Option<Taken> {
        self.on(cache, words, i, Code::Event(event))
    }

    /// Lets something happen to a server, and carries out the effects.
    fn on(&self, cache: &mut Cache, words: &mut [u32], i: usize, code: Code) -> Option<Taken> {
        let info = self.tables.info(cache, self.servers[i], words[i]);
        let leads = info.role == Role::Leading;
        let (node, compiled) = self.tables.step(cache, &self.servers, i, words[i], code);
        if node == NONE {
            return None;
        }
        let crashes = code == Code::Event(self.ids.crash);
        if M::REAL_ELECTION && crashes {
            self.drop_slots(cache, words, i);
        }
        words[i] = node;
        let (marks, violated) = self.take_effects(cache, words, i, compiled, leads);
        if M::REAL_ELECTION {
            if marks & 1 << Action::BecomeLeading as u32 != 0 {
                self.spend(words, Budget::Leaderships)?;
            }
            if marks & 1 << Action::ElectionStartRound as u32 != 0 {
                self.spend(words, Budget::Elections)?;
            }
        }
        Some((marks, violated))
    }

    fn drop_slots(&self, cache: &mut Cache, words: &mut [u32], i: usize) {
        for j in (0..self.servers.len()).filter(|&j| j != i) {
            for (at, op) in [
                (self.slot_at(i, j), self.ids.slot_sender_crashed),
                (self.slot_at(j, i), self.ids.slot_receiver_crashed),
            ] {
                words[at] = self.tables.slot_after(cache, words[at], op);
            }
        }
    }

    /// Carries out the effects of a server's step on everything else.
    pub(super) fn take_effects(
        &self,
        cache: &mut Cache,
        words: &mut [u32],
        i: usize,
        compiled: u32,
        leads: bool,
    ) -> Taken {
        let compiled = self.tables.compiled.get(compiled);
        let mut violated = compiled.violated;
        for &(to, to_learner, to_leader) in &compiled.sends {
            let j = self.index(to);
            let (at, op) = match leads {
                true => (self.conn_at(j, i), to_learner),
                false => (self.conn_at(i, j), to_leader),
            };
            words[at] = self.tables.conn_after(cache, words[at], op);
        }
        for &peer in &compiled.closes {
            let j = self.index(peer);
            let (at, op) = match leads {
                true => (self.conn_at(j, i), self.ids.leader_closes),
                false => (self.conn_at(i, j), self.ids.learner_closes),
            };
            words[at] = self.tables.conn_after(cache, words[at], op);
        }
        for &(to, op) in &compiled.notifications {
            let at = self.slot_at(i, self.index(to));
            words[at] = self.tables.slot_after(cache, words[at], op);
        }
        if let Some(events) = compiled.ghost {
            let at = self.ghost_at();
            let (ghost, broken) = self.tables.ghost_after(cache, words[at], events, &self.quorum);
            words[at] = ghost;
            violated |= broken;
        }
        (compiled.marks, violated)
    }
}

/// A step counts if it changed more than the budgets, or violates a property: a server that panics stays as it was.
fn tells(taken: Taken, before: &[u32], after: &[u32]) -> Option<Taken> {
    let budgets = before.len() - 1;
    (before[..budgets] != after[..budgets] || taken.1 != 0).then_some(taken)
}

fn both(a: Taken, b: Taken) -> Taken {
    (a.0 | b.0, a.1 | b.1)
}
