//! The tables of a run: every component of a state once, and every step between components once.

use zab::{Config, Sid, Vote};

use super::limits::Own;
use super::line::{Line, LineOp};
use super::node::{Effects, Event, Node, Standing};
use super::property::Property;
use search::intern::Interner;
use search::memo::{Memo, MemoCache};

/// The effects of a step, in ids.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Compiled {
    /// Election messages, as operations on lines.
    pub notifications: Vec<(Sid, u32)>,
    /// Coverage.
    pub marks: u128,
    /// Properties violated.
    pub violated: u64,
}

/// What the search asks of a server again and again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Info {
    /// What it is.
    pub standing: Standing,
    /// What is on disk.
    pub own: Own,
    /// [`zab::Timer::Resend`] runs.
    pub resend: bool,
    /// [`zab::Timer::Finalize`] runs.
    pub finalize: bool,
    /// Round of the election.
    pub round: u64,
    /// See [`Node::waited`].
    pub waited: bool,
    /// The vote that it tells, as a set of ids.
    pub votes: u128,
}

/// All tables. Shared by the threads of a run.
#[derive(Default)]
pub struct Tables {
    /// Servers.
    pub nodes: Interner<Node>,
    /// Lines.
    pub lines: Interner<Line>,
    /// What happens to servers.
    pub events: Interner<Event>,
    /// What happens to lines.
    pub line_ops: Interner<LineOp>,
    /// Every vote that occurred.
    pub votes: Interner<Vote>,
    compiled: Interner<Compiled>,
    infos: Interner<Info>,
    steps: Memo<u64, u64>,
    pairs: Memo<u128, u64>,
    line_votes: Interner<u128>,
    orders: Memo<u128, u64>,
}

/// One thread's first look.
#[derive(Debug)]
pub struct Cache {
    steps: MemoCache<u64, u64>,
    pairs: MemoCache<u128, u64>,
    orders: MemoCache<u128, u64>,
    /// The state that is being built.
    pub scratch: Vec<u32>,
    /// A state as the calm steps see it.
    pub calm: Vec<u32>,
}

/// No such step.
pub const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
enum Pair {
    Line,
    Info,
    LineVotes,
    Reading,
}

impl Tables {
    /// A thread's cache.
    pub fn cache(&self) -> Cache {
        self.cache_of(17)
    }

    /// A cache of so many bits.
    pub fn cache_of(&self, bits: u32) -> Cache {
        Cache {
            steps: MemoCache::new(bits),
            pairs: MemoCache::new(bits),
            orders: MemoCache::new(bits.min(10)),
            scratch: Vec::new(),
            calm: Vec::new(),
        }
    }

    /// Bytes of the tables themselves; what the values own on the heap is estimated by their
    /// number.
    pub fn bytes(&self) -> u64 {
        self.nodes.bytes()
            + self.lines.bytes()
            + self.infos.bytes()
            + self.compiled.bytes()
            + self.steps.bytes()
            + self.pairs.bytes()
            + 400 * self.nodes.len() as u64
    }

    /// A server's step: the server afterwards and its effects; `None` if the event cannot happen
    /// now.
    pub fn step(
        &self,
        cache: &mut Cache,
        config: &Config,
        node: u32,
        event: u32,
    ) -> Option<(u32, &Compiled)> {
        let key = u64::from(node) << 32 | u64::from(event);
        let packed = cache.steps.get_or(&self.steps, key, || {
            match self.nodes.get(node).on(config, *self.events.get(event)) {
                Some((after, effects)) => {
                    let compiled = self.compile(effects);
                    u64::from(self.nodes.intern(after)) << 32 | u64::from(compiled)
                }
                None => u64::MAX,
            }
        });
        let (after, compiled) = ((packed >> 32) as u32, packed as u32);
        (after != NONE).then(|| (after, self.compiled.get(compiled)))
    }

    fn compile(&self, effects: Effects) -> u32 {
        let Effects { notifications, marks, violated } = effects;
        let notifications = notifications
            .into_iter()
            .map(|(to, n)| (to, self.line_ops.intern(LineOp::Send(n))))
            .collect();
        self.compiled.intern(Compiled { notifications, marks, violated })
    }

    /// A line after an operation.
    pub fn line_after(&self, cache: &mut Cache, line: u32, op: u32) -> u32 {
        pair(cache, &self.pairs, Pair::Line, line, op, || {
            u64::from(self.lines.intern(self.lines.get(line).after(self.line_ops.get(op))))
        }) as u32
    }

    /// The event of reading the line's next message, sent by `from`; `None` if there is none.
    pub fn reading(&self, cache: &mut Cache, line: u32, from: Sid) -> Option<u32> {
        let id = pair(cache, &self.pairs, Pair::Reading, line, u32::from(from.0), || {
            let wire = self.lines.get(line).wire;
            u64::from(wire.map_or(NONE, |n| self.events.intern(Event::Notify(from, n))))
        }) as u32;
        (id != NONE).then_some(id)
    }

    /// A server's digest.
    pub fn info(&self, cache: &mut Cache, node: u32) -> &Info {
        let id = pair(cache, &self.pairs, Pair::Info, node, 0, || {
            let node = self.nodes.get(node);
            u64::from(self.infos.intern(Info {
                standing: node.standing,
                own: node.own,
                resend: node.resend,
                finalize: node.finalize,
                round: node.election().round(),
                waited: node.waited,
                votes: node.election().vote().map_or(0, |vote| self.vote(vote)),
            }))
        });
        self.infos.get(id as u32)
    }

    /// The votes on their way in a line, as a set of ids.
    pub fn line_votes(&self, cache: &mut Cache, line: u32) -> u128 {
        let id = pair(cache, &self.pairs, Pair::LineVotes, line, 0, || {
            let Line { wire, next, .. } = self.lines.get(line);
            let votes = [wire, next].into_iter().flatten().filter_map(|n| n.vote);
            let set = votes.fold(0, |set, vote| set | self.vote(vote));
            u64::from(self.line_votes.intern(set))
        });
        *self.line_votes.get(id as u32)
    }

    fn vote(&self, vote: Vote) -> u128 {
        let id = self.votes.intern(vote);
        assert!(id < 128, "a run has at most 128 different votes");
        1 << id
    }

    /// Z14 for these votes, over all triples of them: [`Property::Z14`] if it is violated.
    pub fn order(&self, cache: &mut Cache, set: u128) -> u64 {
        cache.orders.get_or(&self.orders, set, || {
            let votes: Vec<Vote> =
                (0..128u32).filter(|id| set & 1 << id != 0).map(|id| *self.votes.get(id)).collect();
            if is_strict_total_order(&votes, |a, b| a > b) { 0 } else { Property::Z14.bit() }
        })
    }
}

/// Whether `above` orders the elements strictly and totally: irreflexive, asymmetric and total,
/// transitive.
pub fn is_strict_total_order<T: PartialEq>(all: &[T], above: impl Fn(&T, &T) -> bool) -> bool {
    all.iter().all(|a| {
        !above(a, a)
            && all.iter().all(|b| {
                (a == b || above(a, b) != above(b, a))
                    && all.iter().all(|c| !(above(a, b) && above(b, c)) || above(a, c))
            })
    })
}

fn pair(
    cache: &mut Cache,
    memo: &Memo<u128, u64>,
    kind: Pair,
    a: u32,
    b: u32,
    compute: impl FnOnce() -> u64,
) -> u64 {
    let key = (kind as u128) << 64 | u128::from(a) << 32 | u128::from(b);
    cache.pairs.get_or(memo, key, compute)
}
