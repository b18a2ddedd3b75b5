//! Small spaces whose counts are known in closed form.

use super::super::{Judgement, Space, Successors};

/// `counters` counters from 0 to `max`; a step increments one. `(max + 1)^counters` states,
/// `counters * max` deep, and level k has as many states as there are ways to write k as an ordered
/// sum of `counters` numbers up to `max`.
#[derive(Clone)]
pub(super) struct Grid {
    pub(super) counters: usize,
    pub(super) max: u32,
    /// Words of padding, to have states as long as a model's.
    pub(super) padding: usize,
    /// States whose sum of counters is at least this violate property 0; all of them satisfy
    /// `reached` property 5.
    pub(super) violated_from: u32,
    /// Marks every edge.
    pub(super) marks: u128,
}

impl Grid {
    pub(super) fn new(counters: usize, max: u32) -> Self {
        Self { counters, max, padding: 0, violated_from: u32::MAX, marks: 0 }
    }

    pub(super) fn levels(&self) -> Vec<u64> {
        let mut levels = vec![1u64];
        for _ in 0..self.counters {
            let mut next = vec![0; levels.len() + self.max as usize];
            for (sum, count) in levels.iter().enumerate() {
                for step in 0..=self.max as usize {
                    next[sum + step] += count;
                }
            }
            levels = next;
        }
        levels
    }

    pub(super) fn states(&self) -> u64 {
        u64::from(self.max + 1).pow(self.counters as u32)
    }

    pub(super) fn edges(&self) -> u64 {
        self.counters as u64
            * u64::from(self.max)
            * u64::from(self.max + 1).pow(self.counters as u32 - 1)
    }
}

impl Space for Grid {
    type Worker = Vec<u32>;

    fn worker(&self) -> Vec<u32> {
        Vec::new()
    }

    fn words(&self) -> usize {
        self.counters + self.padding
    }

    fn initial(&self, next: &mut Vec<u32>, out: &mut Successors) {
        next.clear();
        next.resize(self.words(), 0);
        out.push(u32::MAX, 0, 0, next);
    }

    fn expand(&self, next: &mut Vec<u32>, state: &[u32], out: &mut Successors) {
        next.clear();
        next.extend_from_slice(state);
        for counter in 0..self.counters {
            if state[counter] < self.max {
                next[counter] += 1;
                out.push(counter as u32, self.marks | 1 << counter, 0, next);
                next[counter] -= 1;
            }
        }
    }

    fn digest(&self, _: usize, word: u32) -> u128 {
        u128::from(word)
    }

    fn judge(&self, _: &mut Vec<u32>, state: &[u32]) -> Judgement {
        let sum: u32 = state.iter().sum();
        let beyond = u64::from(sum >= self.violated_from);
        Judgement { violated: beyond, reached: beyond << 5 }
    }
}

/// A graph written by hand: edges `(from, label, to)`, in order; state 0 is initial, or those
/// listed.
pub(super) struct Drawn {
    pub(super) initial: Vec<u32>,
    pub(super) edges: Vec<(u32, u32, u32)>,
    /// Edges by position that violate a step property.
    pub(super) bad_edges: Vec<(usize, u64)>,
    /// States that violate a property.
    pub(super) bad_states: Vec<(u32, u64)>,
}

impl Drawn {
    pub(super) fn new(edges: &[(u32, u32, u32)]) -> Self {
        Self {
            initial: vec![0],
            edges: edges.to_vec(),
            bad_edges: Vec::new(),
            bad_states: Vec::new(),
        }
    }
}

impl Space for Drawn {
    type Worker = ();

    fn worker(&self) {}

    fn words(&self) -> usize {
        1
    }

    fn initial(&self, (): &mut (), out: &mut Successors) {
        for &state in &self.initial {
            out.push(1000 + state, 1 << 127, 0, &[state]);
        }
    }

    fn expand(&self, (): &mut (), state: &[u32], out: &mut Successors) {
        for (position, &(from, label, to)) in self.edges.iter().enumerate() {
            if from == state[0] {
                let bad = self.bad_edges.iter().filter(|bad| bad.0 == position);
                out.push(label, 0, bad.map(|bad| bad.1).sum(), &[to]);
            }
        }
    }

    fn digest(&self, _: usize, word: u32) -> u128 {
        u128::from(word)
    }

    fn judge(&self, (): &mut (), state: &[u32]) -> Judgement {
        let bad = self.bad_states.iter().filter(|bad| bad.0 == state[0]);
        Judgement { violated: bad.map(|bad| bad.1).sum(), reached: 0 }
    }
}

/// Random numbers, the same in every run (xorshift64*).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32) % bound
    }

    /// A graph of `states` states with `edges` edges, labelled with numbers below `labels`.
    pub(super) fn graph(&mut self, states: u32, edges: u32, labels: u32) -> Drawn {
        let edges =
            (0..edges).map(|_| (self.below(states), self.below(labels), self.below(states)));
        Drawn::new(&edges.collect::<Vec<_>>())
    }
}
