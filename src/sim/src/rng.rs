//! Random numbers of a seed.

use std::time::Duration;

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators): the same
/// numbers for a seed on every machine and in every version.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A stream of its own, so that who takes more numbers does not change what others get.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }

    /// Below `n`, which is at least 1.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        let n = n.max(1) as u128;
        usize::try_from((u128::from(self.next()) * n) >> 64).unwrap_or(0)
    }

    /// True so many times of a thousand.
    pub(crate) fn chance(&mut self, per_mille: u32) -> bool {
        self.below(1000) < per_mille as usize
    }

    /// One of them; `None` of none.
    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        if of.is_empty() { None } else { of.get(self.below(of.len())) }
    }

    /// From `from` on, and before `to`, in microseconds.
    pub(crate) fn between(&mut self, from: Duration, to: Duration) -> Duration {
        let span = to.saturating_sub(from).as_micros();
        from + Duration::from_micros(self.below(usize::try_from(span).unwrap_or(0)) as u64)
    }

    /// Around `mean`: mostly less, seldom many times as much, as delays are.
    pub(crate) fn around(&mut self, mean: Duration) -> Duration {
        let times = match self.below(100) {
            0..80 => 100,
            80..97 => 300,
            _ => 2000,
        };
        let us = usize::try_from(mean.as_micros()).unwrap_or(usize::MAX / 4000);
        Duration::from_micros(self.below(us.saturating_mul(times) / 100 + 1) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_and_another_one_others() {
        let numbers = |seed| {
            let mut rng = Rng::new(seed);
            (0..5).map(|_| rng.next()).collect::<Vec<_>>()
        };
        assert_eq!(numbers(1), numbers(1));
        assert_ne!(numbers(1), numbers(2));
        // The first of the reference implementation.
        assert_eq!(Rng::new(0).next(), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn numbers_are_within_their_bounds_and_reach_them() {
        let mut rng = Rng::new(7);
        let seen: std::collections::BTreeSet<_> = (0..1000).map(|_| rng.below(3)).collect();
        assert_eq!(seen, [0, 1, 2].into());
        let (from, to) = (Duration::from_millis(2), Duration::from_millis(4));
        assert!((0..1000).map(|_| rng.between(from, to)).all(|at| from <= at && at < to));
        assert!(!rng.chance(0) && rng.chance(1000));
        assert_eq!(rng.pick::<u8>(&[]), None);
    }
}
