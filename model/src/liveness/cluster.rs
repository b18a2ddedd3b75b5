//! Z15 of everything together: once faults stop, every fair run ends with an established leader
//! with whom all servers are up to date, and a write of its epoch that all have delivered.
//!
//! One exception is allowed if [`Limits::locked_out`] says so, as it is one of the protocol, of
//! ZooKeeper's servers as well: a server that promised an epoch in a discovery that came to nothing
//! takes no part in a lower one, which the others may have established meanwhile without it. It
//! waits for the election after that. A quorum has to be up to date all the same.
//!
//! Messages, disks, dialling a server that leads, and seeing that the other end of a link is gone
//! are always possible, and so is a client's first write of an epoch. At quiet moments the
//! election's timers run out; and if no server waits to finish an election, which takes much less
//! than any of the limits that follow, so do
//! - the limit of a learner that is not up to date, and of a leader for such a learner;
//! - the limit of a leader that is not established, and of one that has lost its quorum of links.
//!
//! A link whose two ends are well does not break any more, and a learner that is up to date hears
//! from its leader in time.

use zab::{Epoch, Peer, Role, Sid, SidSet};

use super::Overtaken;
use crate::cluster::Cluster;
use crate::cluster::action::Act;
use crate::cluster::info::Info;
use crate::cluster::limits::{BUDGET_MAX, Budget, ClientLimits, Limits};
use crate::cluster::payload::Origin;
use crate::cluster::tables::Cache;
use search::Successors;
use search::calm::{Calms, STRONG_FROM};

/// No server begins a round after this one in a calm run.
pub const ROUND_MAX: u64 = 16;

/// No leader chooses an epoch after this one in a calm run.
pub const EPOCH_MAX: Epoch = Epoch(12);

type Whole = Cluster<Peer<Origin>>;

impl Calms for Whole {
    fn calmed(&self, state: &mut [u32]) {
        let at = state.len() - 1;
        state[at] = Overtaken::default().0;
        state[at - 1] = self.tables().nothing;
    }

    fn calm_steps(&self, cache: &mut Cache, state: &[u32], out: &mut Successors) {
        let at = state.len() - 1;
        let overtaken = Overtaken(state[at]);
        let mut plentiful = state.to_vec();
        plentiful[at] = plenty();
        let infos = self.infos(state);
        let mut acts = Vec::new();
        self.each_act(cache, &plentiful, &mut |_, act| acts.push(act));
        if infos.iter().any(|info| info.writes) {
            // How long a disk takes matters to nobody now: see `Cluster::flush_for_good`.
            acts.retain(|act| matches!(act, Act::Disk(_)));
            acts.truncate(1);
        }
        for &act in &acts {
            if self.is_calm(&infos, act) {
                self.calm_step(cache, &plentiful, act, overtaken, out);
            }
        }
        if !out.is_empty() {
            return;
        }
        let waits = infos.iter().any(|info| info.finalize);
        let due: SidSet = match waits {
            true => SidSet::EMPTY,
            false => acts.iter().filter_map(|&act| self.gives_up(&infos, act)).collect(),
        };
        for &act in &acts {
            let after = match (act, self.gives_up(&infos, act)) {
                (Act::Finalize(_) | Act::Resend(_), _) => Some(overtaken),
                (_, Some(sid)) if overtaken.allows(sid, due) => Some(overtaken.after(sid, due)),
                (_, Some(_) | None) => None,
            };
            if let Some(after) = after {
                self.calm_step(cache, &plentiful, act, after, out);
            }
        }
    }

    fn is_goal(&self, _: &mut Cache, state: &[u32]) -> bool {
        let n = self.servers().len();
        let info = |at: usize| self.info(state, at);
        let mut leaders = (0..n).filter(|&at| info(at).role == Role::Leading);
        let (Some(leader), None) = (leaders.next(), leaders.next()) else {
            return false;
        };
        let Some(epoch) = info(leader).established else {
            return false;
        };
        let sid = self.servers()[leader].me;
        let applied = &self.node(state, leader).applied;
        if applied.last().is_none_or(|txn| txn.zxid.epoch() != epoch) {
            return false;
        }
        let serves = |at: usize| {
            let linked = || self.conn(state, at, leader).is_whole();
            let follows = match info(at).role {
                Role::Leading => true,
                Role::Following(to) | Role::Observing(to) => to == sid && linked(),
                Role::Down | Role::Looking => false,
            };
            let established = info(at).established == Some(epoch);
            follows && established && self.node(state, at).applied == *applied
        };
        let locked_out = |at: usize| self.limits().locked_out && info(at).promised > epoch;
        let those = |is: &dyn Fn(usize) -> bool| -> SidSet {
            (0..n).filter(|&at| is(at)).map(|at| self.servers()[at].me).collect()
        };
        let served = those(&serves);
        self.servers()[leader].quorum.is_quorum(&served)
            && (0..n).all(|at| !info(at).writes)
            && served.union(&those(&locked_out)) == those(&|_| true)
    }

    fn class(&self, label: u32) -> u8 {
        let n = self.servers().len() as u8;
        let Some(act) = Act::from_label(label) else {
            return 0;
        };
        let pair = |kind: u8, a: Sid, b: Sid| kind * n * n + (a.0 - 1) * n + (b.0 - 1);
        let timer = |kind: u8, a: Sid| STRONG_FROM + kind * n + (a.0 - 1);
        match act {
            Act::Connect(a, b) => pair(0, a, b),
            Act::Accept(a, b) => pair(1, a, b),
            Act::ReadNotification(a, b) => pair(2, a, b),
            Act::LearnerReads(a, b, number) => pair(3 + number, a, b),
            Act::LeaderReads(a, b, number) => pair(5 + number, a, b),
            Act::LearnerSeesBreak(a, b, number) => pair(7 + number, a, b),
            Act::LeaderSeesBreak(a, b, number) => pair(9 + number, a, b),
            Act::Disk(a) => 112 + a.0,
            Act::Propose(a) => 120 + a.0,
            Act::Finalize(a) => timer(0, a),
            Act::Resend(a) => timer(1, a),
            Act::LearnerTimeout(a) => timer(2, a),
            Act::LeaderInitLimit(a) => timer(3, a),
            Act::QuorumLoss(a) => timer(4, a),
            Act::LeaderTimeout(a, b) => STRONG_FROM + pair(5, a, b),
            Act::Lead(_)
            | Act::Follow(..)
            | Act::LearnerReadsRun(..)
            | Act::LeaderReadsRun(..)
            | Act::Unanswered(..)
            | Act::ClaimExpires(..)
            | Act::Disks(_)
            | Act::Sync(_)
            | Act::Compact(_)
            | Act::Crash(_)
            | Act::Damage(_)
            | Act::Apply(_)
            | Act::Attach(..)
            | Act::Ask(..) => {
                unreachable!("{act:?} is no calm step")
            }
        }
    }
}

impl Whole {
    fn infos(&self, state: &[u32]) -> Vec<Info> {
        (0..self.servers().len()).map(|at| *self.info(state, at)).collect()
    }

    fn info(&self, state: &[u32], at: usize) -> &Info {
        self.tables().info(self.servers()[at], state[at])
    }

    /// Whether a server is within the caps of calm runs.
    fn goes_on(&self, node: u32) -> bool {
        *self.tables().goes_on.get_or(node, || {
            let core = self.tables().nodes.get(node).core();
            let promised = core.zab().accepted_epoch().unwrap_or_default();
            core.election().round() <= ROUND_MAX && promised <= EPOCH_MAX
        })
    }

    /// Whether an action is no fault and no timer.
    fn is_calm(&self, infos: &[Info], act: Act) -> bool {
        match act {
            Act::Connect(..)
            | Act::Accept(..)
            | Act::LearnerReads(..)
            | Act::LeaderReads(..)
            | Act::LearnerSeesBreak(..)
            | Act::LeaderSeesBreak(..)
            | Act::ReadNotification(..)
            | Act::Disk(_) => true,
            Act::Propose(a) => {
                let info = &infos[usize::from(a.0) - 1];
                let history = self.tables().logs.get(info.issued);
                let last = history.last().map(|txn| txn.zxid.epoch());
                info.established.is_some() && last < info.established
            }
            Act::Lead(_)
            | Act::Follow(..)
            | Act::LearnerReadsRun(..)
            | Act::LeaderReadsRun(..)
            | Act::Disks(_)
            | Act::Unanswered(..)
            | Act::ClaimExpires(..)
            | Act::Sync(_)
            | Act::Compact(_)
            | Act::Crash(_)
            | Act::Damage(_)
            | Act::LearnerTimeout(_)
            | Act::LeaderTimeout(..)
            | Act::LeaderInitLimit(_)
            | Act::QuorumLoss(_)
            | Act::Resend(_)
            | Act::Finalize(_)
            | Act::Apply(_)
            | Act::Attach(..)
            | Act::Ask(..) => false,
        }
    }

    /// Who gives up by this timer, if its time is up at a quiet moment.
    fn gives_up(&self, infos: &[Info], act: Act) -> Option<Sid> {
        let established = |sid: Sid| infos[usize::from(sid.0) - 1].established.is_some();
        match act {
            Act::LearnerTimeout(a) => (!established(a)).then_some(a),
            Act::LeaderTimeout(_, b) => (!established(b)).then_some(b),
            Act::LeaderInitLimit(a) => (!established(a)).then_some(a),
            Act::QuorumLoss(a) => Some(a),
            Act::Connect(..)
            | Act::Accept(..)
            | Act::LearnerReads(..)
            | Act::LeaderReads(..)
            | Act::LearnerSeesBreak(..)
            | Act::LeaderSeesBreak(..)
            | Act::Unanswered(..)
            | Act::LearnerReadsRun(..)
            | Act::LeaderReadsRun(..)
            | Act::ClaimExpires(..)
            | Act::ReadNotification(..)
            | Act::Disk(_)
            | Act::Disks(_)
            | Act::Propose(_)
            | Act::Lead(_)
            | Act::Follow(..)
            | Act::Sync(_)
            | Act::Compact(_)
            | Act::Crash(_)
            | Act::Damage(_)
            | Act::Resend(_)
            | Act::Finalize(_)
            | Act::Apply(_)
            | Act::Attach(..)
            | Act::Ask(..) => None,
        }
    }

    /// Takes a step from a state with plenty of everything, unless it passes the caps.
    fn calm_step(
        &self,
        cache: &mut Cache,
        plentiful: &[u32],
        act: Act,
        overtaken: Overtaken,
        out: &mut Successors,
    ) {
        let Some((marks, violated)) = self.take(cache, plentiful, act) else {
            return;
        };
        let mut words = std::mem::take(&mut cache.scratch);
        let within = words[..self.servers().len()].iter().all(|&node| self.goes_on(node));
        if within {
            self.calmed(&mut words);
            words[plentiful.len() - 1] = overtaken.0;
            out.push(act.label(), marks, violated, &words);
        }
        cache.scratch = words;
    }
}

/// Budgets that never run out, and no crash.
fn plenty() -> u32 {
    Budget::all(&Limits {
        txns: BUDGET_MAX,
        leaderships: BUDGET_MAX,
        timeouts: BUDGET_MAX,
        elections: BUDGET_MAX,
        resends: BUDGET_MAX,
        crashes: 0,
        snapshots: 0,
        syncs: 0,
        servers: 1,
        observers: 0,
        connections: 1,
        early: false,
        window: 0,
        stale_votes: false,
        damage: false,
        exact_disks: false,
        refinement: false,
        locked_out: false,
        clients: ClientLimits::NONE,
        counter_max: 1,
        epoch_max: 1,
    })
}

const _: () = assert!(EPOCH_MAX.0 < 15, "ghosts see promises up to 15");
