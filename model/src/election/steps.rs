//! Which actions are possible in a state, and what each of them does to it.

use zab::{Epoch, Sid, SidSet};

use super::Ensemble;
use super::action::Act;
use super::limits::{Budget, Own};
use super::node::{Event, Standing};
use super::tables::{Cache, Info};
use crate::cluster::limits::votes;

/// Coverage and violations of a step.
pub(super) type Taken = (u128, u64);

impl Ensemble {
    /// Calls `f` with every action that may be possible, in a fixed order; [`Ensemble::take`] tells
    /// whether it is.
    pub(super) fn each_act(&self, cache: &mut Cache, state: &[u32], f: &mut impl FnMut(Act)) {
        let n = self.servers.len();
        for i in 0..n {
            let info = *self.tables.info(cache, state[i]);
            let me = self.servers[i].me;
            match info.standing {
                Standing::Down => {
                    f(Act::Start(me));
                    continue;
                }
                Standing::Looking => {
                    if info.finalize {
                        f(Act::Finalize(me));
                    }
                    if info.resend {
                        f(Act::Resend(me));
                    }
                }
                Standing::Leading(established) => {
                    if established.is_none() {
                        f(Act::Establish(me));
                    }
                    f(Act::GiveUp(me));
                }
                Standing::Following(_, established) => {
                    if established.is_none() {
                        f(Act::UpToDate(me));
                    }
                    f(Act::GiveUp(me));
                }
            }
            f(Act::Crash(me));
            for j in (0..n).filter(|&j| j != i) {
                let peer = self.servers[j].me;
                if self.line(state, j, i).wire.is_some() {
                    f(Act::ReadNotification(me, peer));
                }
                f(if self.line(state, i, j).up {
                    Act::Break(me, peer)
                } else {
                    Act::Connect(me, peer)
                });
            }
        }
    }

    /// Takes an action: the state afterwards is left in the cache's scratch. `None` if it is not
    /// possible: its guard fails, its budget is spent, or it would change nothing but the budget.
    pub(super) fn take(&self, cache: &mut Cache, state: &[u32], act: Act) -> Option<Taken> {
        let mut words = std::mem::take(&mut cache.scratch);
        words.clear();
        words.extend_from_slice(state);
        let taken = self.take_in(cache, &mut words, act);
        if taken.is_some() {
            self.forget(cache, &mut words);
        }
        cache.scratch = words;
        taken
    }

    /// What hosts remember for new connections is forgotten once there can be none.
    pub(super) fn forget(&self, cache: &mut Cache, words: &mut [u32]) {
        let n = self.servers.len();
        let left = |budget: Budget| budget.left(words[n * n]);
        let may_end =
            left(Budget::Breaks) > 0 || self.limits.greetings && left(Budget::Crashes) > 0;
        let is_up = |&line: &u32| self.tables.lines.get(line).up;
        if !may_end && words[n..n * n].iter().all(is_up) {
            for (i, word) in words.iter_mut().enumerate().take(n) {
                if let Some((node, _)) =
                    self.tables.step(cache, &self.servers[i], *word, self.ids.forget)
                {
                    *word = node;
                }
            }
        }
    }

    fn take_in(&self, cache: &mut Cache, words: &mut [u32], act: Act) -> Option<Taken> {
        let i = self.index(act.actor());
        match act {
            Act::ReadNotification(_, from) => {
                let j = self.index(from);
                let at = self.line_at(j, i);
                let reading = self.tables.reading(cache, words[at], from)?;
                words[at] = self.tables.line_after(cache, words[at], self.ids.read);
                self.on(cache, words, i, reading)
            }
            Act::Resend(_) => {
                self.spend(words, Budget::Resends)?;
                self.on(cache, words, i, self.ids.resend)
            }
            Act::Finalize(_) => self.on(cache, words, i, self.ids.finalize),
            Act::GiveUp(_) => {
                self.spend(words, Budget::Timeouts)?;
                self.spend(words, Budget::Faults)?;
                self.on(cache, words, i, self.ids.look)
            }
            Act::Crash(_) => {
                let before = words.to_vec();
                let infos = self.infos(cache, words);
                let is_there = |&j: &usize| j != i && infos[j].standing != Standing::Down;
                for j in (0..self.servers.len()).filter(is_there) {
                    for (at, op) in [
                        (self.line_at(i, j), self.ids.sender_crashed),
                        (self.line_at(j, i), self.ids.receiver_crashed),
                    ] {
                        words[at] = self.tables.line_after(cache, words[at], op);
                    }
                }
                let taken = self.on(cache, words, i, self.ids.start)?;
                self.forget(cache, words);
                let changed = words != before;
                self.spend(words, Budget::Crashes).filter(|()| changed)?;
                self.spend(words, Budget::Faults)?;
                Some(taken)
            }
            Act::Start(_) => {
                let infos = self.infos(cache, words);
                let Standing::Down = infos[i].standing else {
                    return None;
                };
                self.served(&infos)?;
                self.on(cache, words, i, self.ids.start)
            }
            Act::Establish(_) => self.establish(cache, words, i),
            Act::UpToDate(_) => {
                let infos = self.infos(cache, words);
                let Standing::Following(leader, None) = infos[i].standing else {
                    return None;
                };
                let leader = infos[self.index(leader)];
                let Standing::Leading(Some(_)) = leader.standing else {
                    return None;
                };
                self.event(cache, words, i, Event::UpToDate(leader.own))
            }
            Act::Connect(_, peer) => {
                let j = self.index(peer);
                if self.tables.info(cache, words[j]).standing == Standing::Down {
                    return None;
                }
                let at = self.line_at(i, j);
                words[at] = self.tables.line_after(cache, words[at], self.ids.opens);
                self.event(cache, words, i, Event::Opens(peer))
            }
            Act::Break(_, peer) => {
                let at = self.line_at(i, self.index(peer));
                words[at] = self.tables.line_after(cache, words[at], self.ids.breaks);
                self.spend(words, Budget::Breaks)?;
                Some((0, 0))
            }
        }
    }

    /// The voters that a leader which is not yet established may count.
    pub(super) fn quorum_of(&self, infos: &[Info], i: usize) -> Option<SidSet> {
        let me = self.servers[i].me;
        let counted: SidSet = self
            .servers
            .iter()
            .zip(infos)
            .filter(|(config, info)| {
                config.me == me
                    || votes(config)
                        && info.standing == Standing::Following(me, None)
                        && info.own <= infos[i].own
            })
            .map(|(config, _)| config.me)
            .collect();
        self.quorum.is_quorum(&counted).then_some(counted)
    }

    fn establish(&self, cache: &mut Cache, words: &mut [u32], i: usize) -> Option<Taken> {
        let infos = self.infos(cache, words);
        let Standing::Leading(None) = infos[i].standing else {
            return None;
        };
        let counted = self.quorum_of(&infos, i)?;
        let indices = || counted.iter().map(|sid: Sid| self.index(sid));
        let highest = infos.iter().map(|info| info.own.current.0).max()?;
        let own = Own { current: Epoch(highest + 1), last: infos[i].own.last };
        for at in indices().filter(|&at| at != i) {
            self.event(cache, words, at, Event::Accept(own))?;
        }
        self.event(cache, words, i, Event::Established(own))
    }

    pub(super) fn spend(&self, words: &mut [u32], budget: Budget) -> Option<()> {
        let at = words.len() - 1;
        words[at] = budget.spend(words[at])?;
        Some(())
    }

    fn event(&self, cache: &mut Cache, words: &mut [u32], i: usize, event: Event) -> Option<Taken> {
        let event = self.tables.events.intern(event);
        self.on(cache, words, i, event)
    }

    /// Lets something happen to a server, and carries out the effects.
    fn on(&self, cache: &mut Cache, words: &mut [u32], i: usize, event: u32) -> Option<Taken> {
        let (node, effects) = self.tables.step(cache, &self.servers[i], words[i], event)?;
        words[i] = node;
        self.deliver(cache, words, i, &effects.notifications);
        Some((effects.marks, effects.violated))
    }

    /// Puts messages on their way, as far as there are connections. Nobody listens at a server that
    /// is down.
    pub(super) fn deliver(
        &self,
        cache: &mut Cache,
        words: &mut [u32],
        i: usize,
        notifications: &[(Sid, u32)],
    ) {
        for &(to, op) in notifications {
            let j = self.index(to);
            if self.tables.info(cache, words[j]).standing != Standing::Down {
                let at = self.line_at(i, j);
                words[at] = self.tables.line_after(cache, words[at], op);
            }
        }
    }
}
