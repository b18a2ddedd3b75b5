//! Small spaces whose counts are known in closed form.

use super::super::{Judgement, Space, Successors};

/// `counters` counters from 0 to `max`; a step increments one. `(max + 1)^counters` states, `counters * max` deep, and
/// level k has as many states as there are ways to write k as an ordered sum of `counters` numbers up to `max`.
#[derive(Clone)]
pub(super) struct Grid {
    pub(super) counters: usize,
    pub(super) max: u32,
    /// Words of padding, to have states as long as a model's.
    pub(super) padding: usize,
    /// States whose sum of counters is at least this violate property 0; all of them satisfy `reached` property 5.
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
        self.counters as u64 * u64::from(self.max) * u64::from(self.max + 1).pow(self.counters as u32 - 1)
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

    fn judge(&self, _: &mut Vec<u32>, state: &[u32]) -> Judgement {
        let sum: u32 = state.iter().sum();
        let beyond = u64::from(sum >= self.violated_from);
        Judgement { violated: beyond, reached: beyond << 5 }
    }
}
