//! Z15 of the election alone: once faults stop, every fair run ends with an established leader to
//! which every server is attached.
//!
//! Messages and the stand-in's steps are always possible. Timers run out when nothing else can
//! happen: the finalize wait, the wait to say a vote again, and the limits within which a decision
//! has to bear fruit. So at such a moment these give up: who follows and is not up to date, as
//! nobody is about to bring it up to date; who follows a leader whose leadership is over; and who
//! leads without a quorum.

use zab::{Sid, SidSet};

use super::Ensemble;
use super::action::Act;
use super::limits::{BUDGET_MAX, Budget, Limits};
use super::node::Standing;
use super::tables::{Cache, Info};
use crate::liveness::Overtaken;
use search::Successors;
use search::calm::{Calms, STRONG_FROM};

/// No server begins a round after this one in a calm run. The first phase of a run of the bounds
/// checked ends by round 4 at the latest.
pub const ROUND_MAX: u64 = 12;

impl Calms for Ensemble {
    fn calmed(&self, state: &mut [u32]) {
        let n = self.servers.len();
        state[n * n] = 0;
        self.forget(&mut self.tables.cache_of(2), state);
    }

    fn calm_steps(&self, cache: &mut Cache, state: &[u32], out: &mut Successors) {
        let mut acts = self.acts(cache, state);
        acts.retain(|act| !matches!(act, Act::Crash(_) | Act::Break(..)));
        let is_timer = |act: &Act| self.class(act.label()) >= STRONG_FROM;
        for &act in acts.iter().filter(|act| !is_timer(act)) {
            self.calm_step(cache, state, act, out, Overtaken(self.budgets(state)));
        }
        if !out.is_empty() {
            return;
        }
        let infos = self.infos(cache, state);
        let waits = infos.iter().any(|info| info.finalize);
        let due: SidSet = match waits {
            true => SidSet::EMPTY,
            false => self.sids().filter(|&sid| self.is_due(&infos, sid)).collect(),
        };
        let overtaken = Overtaken(self.budgets(state));
        for &act in acts.iter().filter(|act| is_timer(act)) {
            let after = match act {
                Act::GiveUp(sid) => {
                    let may = infos[self.index(sid)].round < ROUND_MAX;
                    (may && overtaken.allows(sid, due)).then(|| overtaken.after(sid, due))
                }
                Act::ReadNotification(..)
                | Act::Resend(_)
                | Act::Finalize(_)
                | Act::Crash(_)
                | Act::Start(_)
                | Act::Establish(_)
                | Act::UpToDate(_)
                | Act::Connect(..)
                | Act::Break(..) => Some(overtaken),
            };
            if let Some(after) = after {
                self.calm_step(cache, state, act, out, after);
            }
        }
    }

    fn is_goal(&self, cache: &mut Cache, state: &[u32]) -> bool {
        let infos = self.infos(cache, state);
        self.served(&infos).is_some_and(|leader| {
            let mut sids = self.servers.iter().map(|config| config.me);
            sids.all(|sid| sid == leader || self.is_attached(&infos, sid, leader))
        })
    }

    fn class(&self, label: u32) -> u8 {
        let servers = self.servers.len() as u8;
        let Some(act) = Act::from_label(label) else {
            return 0;
        };
        match act {
            Act::ReadNotification(a, b) => (a.0 - 1) * servers + (b.0 - 1),
            Act::Connect(a, b) => 32 + (a.0 - 1) * servers + (b.0 - 1),
            Act::Start(a) => 96 + a.0,
            Act::Establish(a) => 104 + a.0,
            Act::UpToDate(a) => 112 + a.0,
            Act::Finalize(a) => STRONG_FROM + a.0,
            Act::Resend(a) => STRONG_FROM + 16 + a.0,
            Act::GiveUp(a) => STRONG_FROM + 32 + a.0,
            Act::Crash(_) | Act::Break(..) => unreachable!("a calm run has no faults"),
        }
    }
}

impl Ensemble {
    fn sids(&self) -> impl Iterator<Item = Sid> {
        self.servers.iter().map(|config| config.me)
    }

    fn calm_step(
        &self,
        cache: &mut Cache,
        state: &[u32],
        act: Act,
        out: &mut Successors,
        overtaken: Overtaken,
    ) {
        let at = state.len() - 1;
        let mut plentiful = std::mem::take(&mut cache.calm);
        plentiful.clear();
        plentiful.extend_from_slice(state);
        plentiful[at] = plenty();
        if let Some((marks, violated)) = self.take(cache, &plentiful, act) {
            cache.scratch[at] = overtaken.0;
            out.push(act.label(), marks, violated, &cache.scratch);
        }
        cache.calm = plentiful;
    }

    /// Whether the time of a server that has decided is up, now that nothing else can happen.
    fn is_due(&self, infos: &[Info], sid: Sid) -> bool {
        match infos[self.index(sid)].standing {
            Standing::Down | Standing::Looking => false,
            Standing::Following(_, None) | Standing::Leading(None) => true,
            Standing::Following(leader, Some(_)) => !self.is_attached(infos, sid, leader),
            Standing::Leading(Some(epoch)) => {
                let present: SidSet = self
                    .servers
                    .iter()
                    .zip(infos)
                    .filter(|(config, other)| {
                        config.me == sid || other.standing == Standing::Following(sid, Some(epoch))
                    })
                    .map(|(config, _)| config.me)
                    .collect();
                !self.quorum.is_quorum(&present)
            }
        }
    }
}

/// Budgets that never run out, but for those of faults that are over.
fn plenty() -> u32 {
    Budget::all(&Limits {
        timeouts: BUDGET_MAX,
        faults: BUDGET_MAX,
        resends: BUDGET_MAX,
        ..Limits::default()
    })
}
