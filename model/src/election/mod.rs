//! Family F: the real election alone, from every initial vector of epochs and zxids.
//!
//! The servers are deployed hosts with the deployed [`zab::Election`] alone in them; the model adds
//! no election logic. What it needs of the rest of a server is a stand-in, which is all there is
//! here of Zab proper:
//!
//! - A leader that a quorum of voters, itself included, has decided to follow may be *established*:
//!   the quorum accepts the leader's history and a new epoch at once, as it does durably before the
//!   leader is established, and the leader's election learns the epoch. It is above every epoch
//!   that any server has accepted: each of these was promised by a quorum, and two quorums meet.
//!   Whoever follows with a history more recent than the leader's is not counted: Zab proper sends
//!   it away.
//! - Each of those who follow learns the epoch later, in a step of its own, when it is told
//!   UPTODATE. So does one that decides to follow an established leader.
//! - Who has decided may give up and look again: for a unit of the budget, rightly or wrongly.
//!
//! Rounds live in memory: a crash loses them. Election messages are packets of the deployed host,
//! in which each election is ([`host::Alone`]); they travel over lines ([`Line`]), so one that is
//! stale may still arrive. A line may break, and comes anew at any later time: its first packet is
//! that with which the sender's host begins a connection. In election-5 the lines to a server that
//! crashes break too. Elsewhere (`greetings=0`) the others have new ones at once, over which they
//! repeat nothing: words that are said again late multiply the states of election-3 by 22, so they
//! are tried at the smaller bounds of election-5.
//!
//! What a host remembers for that is forgotten once no line is down and none can end any more:
//! nothing asks for it then.
//!
//! The property Z15 of this family, that elections end, is in [`calm`].

pub mod action;
pub mod calm;
mod checkable;
mod heard;
mod kinds;
pub mod limits;
pub mod line;
pub mod node;
pub mod property;
mod reference;
mod steps;
mod story;
pub mod tables;
#[cfg(test)]
mod tests;

use zab::{Config, Quorum, Sid, SidSet, Timer};

use action::Act;
pub use checkable::models;
use limits::{Budget, Limits, Own};
use line::{Line, LineOp};
use node::{Event, Node, Standing};
use property::Property;
use search::{Judgement, Space, Successors};
use tables::{Cache, Info, Tables};

/// The ids of the events and operations that need no look-up.
struct Ids {
    start: u32,
    look: u32,
    resend: u32,
    finalize: u32,
    forget: u32,
    read: u32,
    opens: u32,
    breaks: u32,
    sender_crashed: u32,
    receiver_crashed: u32,
}

/// An ensemble that elects, under some limits: a [`Space`].
///
/// A state is a row of words: the servers, the lines of every ordered pair of servers, and what is
/// left of the budgets.
pub struct Ensemble {
    limits: Limits,
    servers: Vec<Config>,
    quorum: Quorum,
    tables: Tables,
    ids: Ids,
}

impl Ensemble {
    /// An ensemble under these limits.
    pub fn new(limits: Limits) -> Self {
        let servers = limits.configs();
        let quorum = servers[0].quorum;
        let tables = Tables::default();
        let event = |event| tables.events.intern(event);
        let line = |op| tables.line_ops.intern(op);
        let ids = Ids {
            start: event(Event::Start),
            look: event(Event::Look),
            resend: event(Event::Timer(Timer::Resend)),
            finalize: event(Event::Timer(Timer::Finalize)),
            forget: event(Event::Forget),
            read: line(LineOp::Read),
            opens: line(LineOp::Opens),
            breaks: line(LineOp::Breaks),
            sender_crashed: line(LineOp::SenderCrashed),
            receiver_crashed: match limits.greetings {
                true => line(LineOp::Breaks),
                false => line(LineOp::ReceiverCrashed),
            },
        };
        Self { limits, servers, quorum, tables, ids }
    }

    /// The limits of this ensemble.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The servers' constants, in the order in which states hold them.
    pub fn servers(&self) -> &[Config] {
        &self.servers
    }

    /// The components that the words of states name.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// A server of a state.
    pub fn node(&self, state: &[u32], server: usize) -> &Node {
        self.tables.nodes.get(state[server])
    }

    /// The line from one server to another.
    pub fn line(&self, state: &[u32], from: usize, to: usize) -> &Line {
        self.tables.lines.get(state[self.line_at(from, to)])
    }

    /// What is left of the budgets.
    pub fn budgets(&self, state: &[u32]) -> u32 {
        state[self.servers.len() * self.servers.len()]
    }

    fn line_at(&self, from: usize, to: usize) -> usize {
        let n = self.servers.len();
        n + from * (n - 1) + if to > from { to - 1 } else { to }
    }

    fn index(&self, sid: Sid) -> usize {
        usize::from(sid.0) - 1
    }

    fn infos(&self, cache: &mut Cache, state: &[u32]) -> Vec<Info> {
        (0..self.servers.len()).map(|at| *self.tables.info(cache, state[at])).collect()
    }

    /// The voters attached to each established leader are a quorum for at most one of them; that
    /// one.
    fn served(&self, infos: &[Info]) -> Option<Sid> {
        let leaders = infos.iter().zip(&self.servers).filter_map(|(info, config)| {
            matches!(info.standing, Standing::Leading(Some(_))).then_some(config.me)
        });
        leaders.into_iter().find(|&leader| {
            let attached: SidSet = self
                .servers
                .iter()
                .map(|config| config.me)
                .filter(|&sid| sid == leader || self.is_attached(infos, sid, leader))
                .collect();
            self.quorum.is_quorum(&attached)
        })
    }

    /// Whether a server is up to date with an established leader.
    fn is_attached(&self, infos: &[Info], sid: Sid, leader: Sid) -> bool {
        match (infos[self.index(sid)].standing, infos[self.index(leader)].standing) {
            (Standing::Following(to, epoch @ Some(_)), Standing::Leading(of)) => {
                to == leader && epoch == of
            }
            (
                Standing::Down
                | Standing::Looking
                | Standing::Leading(_)
                | Standing::Following(_, None | Some(_)),
                Standing::Down | Standing::Looking | Standing::Leading(_) | Standing::Following(..),
            ) => false,
        }
    }
}

impl Space for Ensemble {
    type Worker = Cache;

    fn worker(&self) -> Cache {
        self.tables.cache()
    }

    fn words(&self) -> usize {
        self.servers.len() * self.servers.len() + 1
    }

    fn initial(&self, cache: &mut Cache, out: &mut Successors) {
        let n = self.servers.len();
        for beginning in self.limits.beginnings() {
            let quiet = self.tables.lines.intern(Line::QUIET);
            let mut state = vec![quiet; self.words()];
            state[n * n] = Budget::all(&self.limits);
            for (at, (own, _)) in beginning.iter().enumerate() {
                state[at] = self.tables.nodes.intern(Node::down(&self.servers[at], *own));
            }
            let (mut marks, mut violated) = (0, 0);
            // All are listening before the first one speaks.
            let late = |(_, (_, late)): &(usize, &(Own, bool))| *late && self.limits.greetings;
            for (at, _) in beginning.iter().enumerate().filter(late) {
                for from in (0..n).filter(|&from| from != at) {
                    state[self.line_at(from, at)] = self.tables.lines.intern(Line::default());
                }
            }
            let starting: Vec<usize> = (0..n).filter(|&at| !beginning[at].1).collect();
            for &at in &starting {
                let step = self.tables.step(cache, &self.servers[at], state[at], self.ids.start);
                if let Some((node, _)) = step {
                    state[at] = node;
                }
            }
            for &at in &starting {
                let down = self.tables.nodes.intern(Node::down(&self.servers[at], beginning[at].0));
                let step = self.tables.step(cache, &self.servers[at], down, self.ids.start);
                if let Some((_, effects)) = step {
                    self.deliver(cache, &mut state, at, &effects.notifications);
                    marks |= effects.marks;
                    violated |= effects.violated;
                }
            }
            self.forget(cache, &mut state);
            out.push(0, marks, violated, &state);
        }
    }

    fn expand(&self, cache: &mut Cache, state: &[u32], out: &mut Successors) {
        for act in self.acts(cache, state) {
            if let Some((marks, violated)) = self.take(cache, state, act) {
                out.push(act.label(), marks | act.mark(), violated, &cache.scratch);
            }
        }
    }

    fn judge(&self, cache: &mut Cache, state: &[u32]) -> Judgement {
        let n = self.servers.len();
        let infos = self.infos(cache, state);
        let mut votes = infos.iter().fold(0, |votes, info| votes | info.votes);
        for &line in &state[n..n * n] {
            votes |= self.tables.line_votes(cache, line);
        }
        let mut violated = self.tables.order(cache, votes);
        let circle = |link: &dyn Fn(&Info, &Info) -> bool| {
            (0..n).any(|at| self.is_in_circle(&infos, at, link))
        };
        if circle(&|a, b| a.waited && b.waited && a.round == b.round) {
            violated |= Property::NoVoteCircle.bit();
        }
        let mut leaders: Vec<Sid> = infos
            .iter()
            .zip(&self.servers)
            .filter_map(|(info, config)| info.standing.leader(config.me))
            .collect();
        leaders.dedup();
        let mut reached = u64::from(leaders.len() >= 2);
        reached |= u64::from(self.served(&infos).is_some()) << 1;
        reached |= u64::from(circle(&|_, _| true)) << 2;
        Judgement { violated, reached }
    }

    fn digest(&self, place: usize, word: u32) -> u128 {
        let n = self.servers.len();
        if place < n {
            self.tables.nodes.digest(word)
        } else if place < n * n {
            self.tables.lines.digest(word)
        } else {
            u128::from(word)
        }
    }

    fn bytes(&self) -> u64 {
        self.tables.bytes()
    }
}

impl Ensemble {
    /// Whether following leads from a server back to it, by steps from one server to its leader
    /// that satisfy `link`.
    fn is_in_circle(
        &self,
        infos: &[Info],
        start: usize,
        link: &dyn Fn(&Info, &Info) -> bool,
    ) -> bool {
        let mut at = start;
        for _ in 0..infos.len() {
            let Standing::Following(leader, _) = infos[at].standing else {
                return false;
            };
            let next = self.index(leader);
            if !link(&infos[at], &infos[next]) {
                return false;
            }
            if next == start {
                return true;
            }
            at = next;
        }
        false
    }

    /// The actions that an [`Act`] of a trace may name in this state.
    pub(crate) fn acts(&self, cache: &mut Cache, state: &[u32]) -> Vec<Act> {
        let mut acts = Vec::new();
        self.each_act(cache, state, &mut |act| acts.push(act));
        acts
    }
}
