//! Which actions are possible in a state, and what each of them does to it.

use host::{Generation, Link};
use search::intern::Handle;
use zab::{Action, Role, Sid};

use super::Cluster;
use super::action::Act;
use super::info::Info;
use super::limits::{Budget, votes};
use super::link::{End, Wire, generation, number};
use super::machine::Machine;
use super::mark::Mark;
use super::node::Event;
use super::tables::{Cache, Code, NONE};

/// Coverage and violations of a step.
pub(super) type Taken = (u128, u64);

impl<M: Machine> Cluster<M> {
    /// Calls `f` with every action that may be possible, in a fixed order; [`Cluster::take`] tells
    /// whether it is.
    pub(crate) fn each_act(
        &self,
        cache: &mut Cache,
        state: &[u32],
        f: &mut impl FnMut(&mut Cache, Act),
    ) {
        let n = self.servers.len();
        let sid = |server: usize| self.servers[server].me;
        for i in 0..n {
            let info = *self.tables.info(self.servers[i], state[i]);
            let me = sid(i);
            if info.writes {
                f(cache, Act::Disk(me));
                f(cache, Act::Disks(me));
            }
            if info.compactable {
                f(cache, Act::Compact(me));
            }
            f(cache, Act::Crash(me));
            if self.limits.damage {
                f(cache, Act::Damage(me));
            }
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
                        if self.conn(state, l, i).is_whole() {
                            f(cache, Act::LeaderTimeout(me, sid(l)));
                        }
                        if info.unanswered & 1 << sid(l).0 != 0 {
                            f(cache, Act::Unanswered(me, sid(l)));
                        }
                    }
                }
                Role::Following(leader) | Role::Observing(leader) => {
                    if info.dialling.is_some() {
                        f(cache, Act::Connect(me, leader));
                    }
                    f(cache, Act::LearnerTimeout(me));
                }
            }
            for j in (0..n).filter(|&j| j != i) {
                self.each_read(cache, state, (i, j), &info, f);
            }
            if M::REAL_ELECTION {
                for j in (0..n).filter(|&j| j != i) {
                    if self.slot(state, j, i).is_some_and(|slot| slot.wire.is_some()) {
                        f(cache, Act::ReadNotification(me, sid(j)));
                    }
                }
            }
        }
        self.each_visit(cache, state, f);
    }

    /// The actions of the server `i` over its connections with `j`, whatever the role: as a
    /// learner, and as a leader.
    fn each_read(
        &self,
        cache: &mut Cache,
        state: &[u32],
        (i, j): (usize, usize),
        info: &Info,
        f: &mut impl FnMut(&mut Cache, Act),
    ) {
        let (me, peer) = (self.servers[i].me, self.servers[j].me);
        for wire in &self.conn(state, i, j).0 {
            if wire.is_half_open_at_learner() {
                f(cache, Act::LearnerSeesBreak(me, peer, wire.number));
            }
            if !wire.to_learner.is_empty() {
                f(cache, Act::LearnerReads(me, peer, wire.number));
            }
            if self.run(&wire.to_learner) > 1 {
                f(cache, Act::LearnerReadsRun(me, peer, wire.number));
            }
        }
        let wires = &self.conn(state, j, i).0;
        let learns = self.limits.early || info.role == Role::Leading;
        if learns && wires.iter().any(Wire::may_be_accepted) {
            f(cache, Act::Accept(me, peer));
        }
        for wire in wires.iter().filter(|wire| wire.leader == End::Open) {
            if wire.is_half_open_at_leader() {
                f(cache, Act::LeaderSeesBreak(me, peer, wire.number));
            } else if info.claimed {
                f(cache, Act::ClaimExpires(me, peer, wire.number));
            }
            if !wire.to_leader.is_empty() {
                f(cache, Act::LeaderReads(me, peer, wire.number));
            }
            if self.run(&wire.to_leader) > 1 {
                f(cache, Act::LeaderReadsRun(me, peer, wire.number));
            }
        }
    }

    /// Takes an action: the state afterwards is left in the cache's scratch. `None` if it is not
    /// possible: its guard fails, its budget is spent, or it would change nothing but the budget.
    pub(crate) fn take(&self, cache: &mut Cache, state: &[u32], act: Act) -> Option<Taken> {
        let mut words = std::mem::take(&mut cache.scratch);
        words.clear();
        words.extend_from_slice(state);
        let taken = self.take_in(cache, state, &mut words, act).map(|taken| {
            let taken = both(taken, self.flush_for_good(cache, &mut words));
            let taken = both(taken, self.read_promptly(cache, &mut words));
            let taken = both(taken, self.let_clients_leave(cache, &mut words));
            self.forget_forlorn(cache, &mut words);
            self.settle(cache, &mut words);
            taken
        });
        cache.scratch = words;
        taken
    }

    /// Servers that are not looking read what the election says to them at once, unless stale votes
    /// are asked for.
    fn read_promptly(&self, cache: &mut Cache, words: &mut [u32]) -> Taken {
        let mut taken = (0, 0);
        if !M::REAL_ELECTION || self.limits.stale_votes {
            return taken;
        }
        let n = self.servers.len();
        for i in 0..n {
            if self.tables.info(self.servers[i], words[i]).role == Role::Looking {
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

    /// When no crash is left, how far a disk lags can make no difference any more: what waits for
    /// it could as well be waiting to be read. So disks do not lag from then on. (A run in which
    /// they do is matched by one in which they do not and the other side reads later.)
    fn flush_for_good(&self, cache: &mut Cache, words: &mut [u32]) -> Taken {
        let mut taken = (0, 0);
        if self.limits.exact_disks || Budget::Crashes.left(words[words.len() - 1]) > 0 {
            return taken;
        }
        for i in 0..self.servers.len() {
            while self.tables.info(self.servers[i], words[i]).writes {
                match self.event(cache, words, i, self.ids.disk) {
                    Some(flushed) => taken = both(taken, flushed),
                    None => break,
                }
            }
        }
        taken
    }

    /// Of a connection that its learner gave up before the leader learnt of it, the leader never
    /// learns, unless early learners are asked for. (What it would hear is what it hears of one
    /// that it learnt of in time.)
    fn forget_forlorn(&self, cache: &mut Cache, words: &mut [u32]) {
        if self.limits.early {
            return;
        }
        let n = self.servers.len();
        for conn in &mut words[n..n * n] {
            if self.tables.conns.get(*conn).has_forlorn() {
                *conn = self.tables.conn_after(cache, *conn, self.ids.forget);
            }
        }
    }

    fn settle(&self, cache: &mut Cache, words: &mut [u32]) {
        let mut servers = 0;
        for (i, &config) in self.servers.iter().enumerate() {
            servers |= u64::from(self.tables.info(config, words[i]).busy) << (8 * i);
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
                let info = self.tables.info(self.servers[m], state[m]);
                if info.role != Role::Leading {
                    return None;
                }
                let decided = self.event(cache, words, i, ids.follow[m])?;
                let reached = self.connect(cache, words, i, m).unwrap_or_default();
                Some(both(decided, reached))
            }
            Act::Connect(a, b) => self.connect(cache, words, self.index(a), self.index(b)),
            Act::Accept(a, b) => {
                let (m, i) = (self.index(a), self.index(b));
                let at = self.conn_at(i, m);
                let wire = self.conn(state, i, m).0.iter().find(|wire| wire.may_be_accepted())?;
                let number = wire.number;
                words[at] =
                    self.tables.conn_after(cache, words[at], ids.accept[usize::from(number)]);
                self.event(cache, words, m, ids.accepted[usize::from(number)][i])
            }
            Act::LearnerReads(a, b, number) => {
                let (i, m) = (self.index(a), self.index(b));
                let at = self.conn_at(i, m);
                let frame = *self.conn(state, i, m).wire(number)?.to_learner.first()?;
                let op = ids.learner_reads[usize::from(number)];
                words[at] = self.tables.conn_after(cache, words[at], op);
                self.on(
                    cache,
                    words,
                    i,
                    Code::Recv(m, generation(number, true).0 as u8, frame.into()),
                )
            }
            Act::LeaderReads(a, b, number) => {
                let (m, i) = (self.index(a), self.index(b));
                let at = self.conn_at(i, m);
                let frame = *self.conn(state, i, m).wire(number)?.to_leader.first()?;
                let op = ids.leader_reads[usize::from(number)];
                words[at] = self.tables.conn_after(cache, words[at], op);
                self.on(
                    cache,
                    words,
                    m,
                    Code::Recv(i, generation(number, false).0 as u8, frame.into()),
                )
            }
            Act::LearnerReadsRun(a, b, number) => {
                let (i, m) = (self.index(a), self.index(b));
                let (at, op) = (self.conn_at(i, m), ids.learner_reads[usize::from(number)]);
                let frames = &self.conn(state, i, m).wire(number)?.to_learner;
                self.read_run(cache, words, i, (at, op), (b, generation(number, true)), frames)
            }
            Act::LeaderReadsRun(a, b, number) => {
                let (m, i) = (self.index(a), self.index(b));
                let (at, op) = (self.conn_at(i, m), ids.leader_reads[usize::from(number)]);
                let frames = &self.conn(state, i, m).wire(number)?.to_leader;
                self.read_run(cache, words, m, (at, op), (b, generation(number, false)), frames)
            }
            Act::LearnerSeesBreak(a, b, number) => {
                let (i, m) = (self.index(a), self.index(b));
                self.breaks(cache, words, i, m, number, true)
            }
            Act::LeaderSeesBreak(a, b, number) => {
                let (m, i) = (self.index(a), self.index(b));
                self.breaks(cache, words, m, i, number, false)
            }
            Act::Unanswered(a, b) => {
                let (m, i) = (self.index(a), self.index(b));
                let link = self.node(state, m).host.link_to(b)?;
                let wire = self.conn(state, i, m).wire(number(link.generation).0)?;
                if wire.learner == End::Open {
                    self.spend(words, Budget::Timeouts)?;
                }
                self.event(cache, words, m, ids.unanswered[i])
            }
            Act::ClaimExpires(a, b, number) => {
                self.spend(words, Budget::Timeouts)?;
                let (m, i) = (self.index(a), self.index(b));
                self.event(cache, words, m, ids.claim_expires[usize::from(number)][i])
            }
            Act::LearnerTimeout(a) => {
                let i = self.index(a);
                let info = *self.tables.info(self.servers[i], state[i]);
                if self.is_well(state, i, &info) {
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
            Act::Disks(a) => self.event(cache, words, self.index(a), ids.disks),
            Act::Propose(a) => {
                // What is left is the number of the transaction.
                let left = Budget::Txns.left(words[words.len() - 1]) as usize;
                self.spend(words, Budget::Txns)?;
                let taken = self.event(cache, words, self.index(a), ids.propose[left])?;
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
            Act::Damage(a) => {
                self.spend(words, Budget::Crashes)?;
                let i = self.index(a);
                let lost = |j: &usize| {
                    *j == i || self.tables.info(self.servers[*j], state[*j]).history_lost
                };
                let voters = usize::from(self.limits.servers);
                if 2 * (0..voters).filter(lost).count() >= voters {
                    return None;
                }
                let taken = self.event(cache, words, i, ids.damage)?;
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
            Act::Apply(a) => self.event(cache, words, self.index(a), ids.apply),
            Act::Attach(a, client) => self.attach(cache, words, a, client),
            Act::Ask(a, client, asking) => self.ask(cache, words, a, client, asking),
        }
    }

    /// A learner's dialling succeeds. Whom it has reached learns of it later.
    fn connect(&self, cache: &mut Cache, words: &mut [u32], i: usize, m: usize) -> Option<Taken> {
        let at = self.conn_at(i, m);
        let leads = self.tables.info(self.servers[m], words[m]).role == Role::Leading;
        if !leads && !self.limits.early {
            return None;
        }
        let number = self.tables.conns.get(words[at]).next(self.limits.connections)?;
        let op = self.ids.dial[usize::from(number)];
        words[at] = self.tables.conn_after(cache, words[at], op);
        self.event(cache, words, i, self.ids.reached[usize::from(number)][m])
    }

    /// How many of the next packets a host may take together.
    fn run(&self, frames: &[Handle]) -> usize {
        let Some(&first) = frames.first() else { return 0 };
        let first = self.tables.frames.get(first);
        frames.iter().take_while(|&&id| self.tables.frames.get(id).may_stand_for(first)).count()
    }

    /// The server `i` reads the run of packets that is next in this queue.
    fn read_run(
        &self,
        cache: &mut Cache,
        words: &mut [u32],
        i: usize,
        (at, op): (usize, u32),
        (peer, generation): (Sid, Generation),
        frames: &[Handle],
    ) -> Option<Taken> {
        let run = &frames[..self.run(frames)];
        for _ in run {
            words[at] = self.tables.conn_after(cache, words[at], op);
        }
        let frames = run.iter().map(|&id| self.tables.frames.get(id).clone()).collect();
        let event = Event::RecvRun(Link { peer, generation }, frames);
        self.event(cache, words, i, self.tables.events.intern(event))
    }

    /// The end of a connection at `i`, its learner or not, sees that the other one is closed.
    fn breaks(
        &self,
        cache: &mut Cache,
        words: &mut [u32],
        i: usize,
        j: usize,
        number: u8,
        learner: bool,
    ) -> Option<Taken> {
        let at = usize::from(number);
        let (conn, op) = match learner {
            true => (self.conn_at(i, j), self.ids.learner_closes[at]),
            false => (self.conn_at(j, i), self.ids.leader_closes[at]),
        };
        words[conn] = self.tables.conn_after(cache, words[conn], op);
        self.event(cache, words, i, self.ids.lost[usize::from(learner)][at][j])
    }

    /// Whether a learner's leader leads and knows of the connection to it, so that silence would be
    /// a fault.
    fn is_well(&self, state: &[u32], i: usize, info: &Info) -> bool {
        match info.role {
            Role::Following(leader) | Role::Observing(leader) => {
                let m = self.index(leader);
                let leads = self.tables.info(self.servers[m], state[m]).role == Role::Leading;
                leads && info.dialling.is_none() && self.conn(state, i, m).is_whole()
            }
            Role::Down | Role::Looking | Role::Leading => false,
        }
    }

    /// True if a leader has two-way links to a quorum.
    fn has_quorum_of_links(&self, state: &[u32], m: usize) -> bool {
        let linked =
            (0..self.servers.len()).filter(|&l| l == m || self.conn(state, l, m).is_whole());
        self.quorum.is_quorum(&linked.map(|l| self.servers[l].me).collect())
    }

    fn drop_links(&self, cache: &mut Cache, words: &mut [u32], i: usize) {
        for j in (0..self.servers.len()).filter(|&j| j != i) {
            for (at, op) in [
                (self.conn_at(i, j), self.ids.learner_crashes),
                (self.conn_at(j, i), self.ids.leader_crashes),
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

    pub(super) fn event(
        &self,
        cache: &mut Cache,
        words: &mut [u32],
        i: usize,
        event: u32,
    ) -> Option<Taken> {
        self.on(cache, words, i, Code::Event(event))
    }

    /// Lets something happen to a server, and carries out the effects.
    fn on(&self, cache: &mut Cache, words: &mut [u32], i: usize, code: Code) -> Option<Taken> {
        let (node, compiled) = self.tables.step(cache, &self.servers, i, words[i], code);
        if node == NONE {
            return None;
        }
        let crashes = [self.ids.crash, self.ids.damage].map(Code::Event).contains(&code);
        if M::REAL_ELECTION && crashes {
            self.drop_slots(cache, words, i);
        }
        words[i] = node;
        let (marks, violated) = self.take_effects(cache, words, i, compiled);
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
    ) -> Taken {
        let compiled = self.tables.compiled.get(compiled);
        let (mut marks, mut violated) = (compiled.marks, compiled.violated);
        // What was said leaves before a connection is closed.
        for &(link, op) in compiled.sends.iter().chain(&compiled.closes) {
            let j = self.index(link.peer);
            let at = match number(link.generation) {
                (_, true) => self.conn_at(i, j),
                (_, false) => self.conn_at(j, i),
            };
            words[at] = self.tables.conn_after(cache, words[at], op);
        }
        for &(to, op) in &compiled.notifications {
            let at = self.slot_at(i, self.index(to));
            words[at] = self.tables.slot_after(cache, words[at], op);
        }
        if let (Some(told), Some(at)) = (compiled.told, self.clients_at()) {
            let (clients, heard, broken) = self.tables.clients_after(cache, words[at], told);
            words[at] = clients;
            marks |= heard;
            violated |= broken;
        }
        if let Some(events) = compiled.ghost {
            let at = self.ghost_at();
            let (ghost, broken, kinds) =
                self.tables.ghost_after(cache, words[at], events, &self.quorum);
            words[at] = ghost;
            violated |= broken;
            marks |= Mark::of_kinds(kinds);
        }
        (marks, violated)
    }
}

/// A step counts if it changed more than the budgets, or violates a property: a server that panics
/// stays as it was.
fn tells(taken: Taken, before: &[u32], after: &[u32]) -> Option<Taken> {
    let budgets = before.len() - 1;
    (before[..budgets] != after[..budgets] || taken.1 != 0).then_some(taken)
}

pub(super) fn both(a: Taken, b: Taken) -> Taken {
    (a.0 | b.0, a.1 | b.1)
}
