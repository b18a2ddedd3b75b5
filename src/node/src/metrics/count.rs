//! What counts: numbers that many threads write to, without a lock.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Kind, Value};

/// A number that only grows.
#[derive(Default, Debug)]
pub struct Counter(AtomicU64);

impl Counter {
    pub(super) const KIND: Kind = Kind::Counter;

    /// One more.
    pub fn one(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, more: u64) {
        if more > 0 {
            self.0.fetch_add(more, Ordering::Relaxed);
        }
    }

    /// How many there were.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn value(&self) -> Value {
        Value::Integer(i64::try_from(self.get()).unwrap_or(i64::MAX))
    }

    pub(super) fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// Count, sum and bounds of values. (ZooKeeper: `AvgMinMaxCounter`.)
#[derive(Debug)]
pub struct Summary {
    count: AtomicU64,
    sum: AtomicU64,
    min: AtomicU64,
    max: AtomicU64,
}

impl Default for Summary {
    fn default() -> Self {
        let zero = AtomicU64::default;
        Self { count: zero(), sum: zero(), min: AtomicU64::new(u64::MAX), max: zero() }
    }
}

impl Summary {
    pub(super) const KIND: Kind = Kind::Summary;

    /// One value more.
    pub fn add(&self, value: u64) {
        self.add_many(value, 1);
    }

    /// A time more, which counts in whole milliseconds.
    pub fn add_ms(&self, time: Duration) {
        self.add(ms(time));
    }

    /// The same value so many times. What does not change is not written to.
    fn add_many(&self, value: u64, times: u64) {
        if times == 0 {
            return;
        }
        self.count.fetch_add(times, Ordering::Relaxed);
        self.bound(value, times);
    }

    fn bound(&self, value: u64, times: u64) {
        if value > 0 {
            self.sum.fetch_add(value.saturating_mul(times), Ordering::Relaxed);
            if value > self.max.load(Ordering::Relaxed) {
                self.max.fetch_max(value, Ordering::Relaxed);
            }
        }
        if value < self.min.load(Ordering::Relaxed) {
            self.min.fetch_min(value, Ordering::Relaxed);
        }
    }

    fn distribution(&self) -> Distribution {
        self.counted(self.count.load(Ordering::Relaxed))
    }

    fn counted(&self, count: u64) -> Distribution {
        let min = self.min.load(Ordering::Relaxed);
        Distribution {
            count,
            sum: self.sum.load(Ordering::Relaxed),
            min: if count == 0 || min == u64::MAX { 0 } else { min },
            max: self.max.load(Ordering::Relaxed),
            percentiles: None,
        }
    }

    pub(super) fn value(&self) -> Value {
        Value::Distribution(self.distribution())
    }

    pub(super) fn reset(&self) {
        for number in [&self.count, &self.sum, &self.max] {
            number.store(0, Ordering::Relaxed);
        }
        self.min.store(u64::MAX, Ordering::Relaxed);
    }
}

/// A [`Summary`] with percentiles, of all values since it was reset. (ZooKeeper:
/// `AvgMinMaxPercentileCounter`, which keeps a sample of 4096 of them.)
#[derive(Debug)]
pub struct Percentiles {
    /// Its count is not used: it is the sum of the buckets.
    bounds: Summary,
    buckets: Box<[AtomicU64]>,
}

impl Default for Percentiles {
    fn default() -> Self {
        let buckets = (0..BUCKETS).map(|_| AtomicU64::default()).collect();
        Self { bounds: Summary::default(), buckets }
    }
}

/// Buckets of one power of two: a percentile is at most a sixteenth larger than the value.
const STEPS: usize = 16;

/// Values up to here have a bucket each.
const EXACT: usize = 2 * STEPS;

/// Powers of two above [`EXACT`]: 2^40 milliseconds are thirty years.
const POWERS: usize = 35;

const BUCKETS: usize = EXACT + POWERS * STEPS;

fn bucket(value: u64) -> usize {
    let Ok(small) = usize::try_from(value) else { return BUCKETS - 1 };
    if small < EXACT {
        return small;
    }
    let shift = value.ilog2() - STEPS.ilog2();
    let step = usize::try_from(value >> shift).unwrap_or(0) - STEPS;
    (EXACT + (shift as usize - 1) * STEPS + step).min(BUCKETS - 1)
}

/// The largest value in a bucket.
fn largest(bucket: usize) -> u64 {
    if bucket < EXACT {
        return bucket as u64;
    }
    let (power, step) = ((bucket - EXACT) / STEPS + 1, (bucket - EXACT) % STEPS);
    (((STEPS + step + 1) as u64) << power) - 1
}

impl Percentiles {
    pub(super) const KIND: Kind = Kind::Percentiles;

    /// One value more.
    pub fn add(&self, value: u64) {
        self.add_many(value, 1);
    }

    /// A time more, which counts in whole milliseconds.
    pub fn add_ms(&self, time: Duration) {
        self.add(ms(time));
    }

    /// The same value so many times.
    pub fn add_many(&self, value: u64, times: u64) {
        if times > 0 {
            self.buckets[bucket(value)].fetch_add(times, Ordering::Relaxed);
            self.bounds.bound(value, times);
        }
    }

    fn distribution(&self) -> Distribution {
        let counts: Vec<u64> =
            self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let count = counts.iter().sum();
        let distribution = self.bounds.counted(count);
        let percentiles = PERCENTILES.map(|(_, _, per_mille)| {
            let mut left = count.saturating_mul(per_mille).div_ceil(1000).max(1);
            let found = counts.iter().position(|in_it| {
                let is_here = *in_it >= left;
                left = left.saturating_sub(*in_it);
                is_here
            });
            found.map_or(0, largest).clamp(distribution.min, distribution.max.max(distribution.min))
        });
        Distribution { percentiles: Some(percentiles), ..distribution }
    }

    pub(super) fn value(&self) -> Value {
        Value::Distribution(self.distribution())
    }

    pub(super) fn reset(&self) {
        self.buckets.iter().for_each(|bucket| bucket.store(0, Ordering::Relaxed));
        self.bounds.reset();
    }
}

/// What `mntr` puts before the name of a percentile, its quantile, and how many of a thousand
/// values are not larger.
pub(super) const PERCENTILES: [(&str, &str, u64); 4] =
    [("p50", "0.5", 500), ("p95", "0.95", 950), ("p99", "0.99", 990), ("p999", "0.999", 999)];

/// What a [`Summary`] or [`Percentiles`] shows. Its parts are read one after the other while others
/// count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Distribution {
    /// How many values.
    pub count: u64,
    /// Of all values.
    pub sum: u64,
    /// 0 if there is none.
    pub min: u64,
    /// 0 if there is none.
    pub max: u64,
    /// Of a half, 95, 99 and 99.9 per cent of the values, where they are kept.
    pub percentiles: Option<[u64; 4]>,
}

impl Distribution {
    /// The mean; 0 if there is no value.
    #[allow(clippy::cast_precision_loss, reason = "a mean to be read by people")]
    pub fn mean(&self) -> f64 {
        self.sum as f64 / self.count.max(1) as f64
    }
}

/// Counters by name, for what is rare. (ZooKeeper: `SimpleCounterSet`.)
#[derive(Default, Debug)]
pub struct CounterSet(Mutex<BTreeMap<String, u64>>);

/// Names that a set keeps. What is counted of others is counted as [`OTHERS`].
const NAMES_MAX: usize = 256;

/// Not the name of a node.
const OTHERS: &str = "(others)";

impl CounterSet {
    pub(super) const KIND: Kind = Kind::CounterSet;

    /// One more of this name.
    pub fn one(&self, name: &str) {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = counters.contains_key(name) || counters.len() < NAMES_MAX;
        let name = if is_known { name } else { OTHERS };
        *counters.entry(name.to_owned()).or_default() += 1;
    }

    pub(super) fn value(&self) -> Value {
        let counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = |count: &u64| i64::try_from(*count).unwrap_or(i64::MAX);
        Value::Set(counters.iter().map(|(name, count)| (name.clone(), number(count))).collect())
    }

    pub(super) fn reset(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bucket_ends_where_the_next_begins() {
        for value in 0..100_000 {
            let found = bucket(value);
            assert!(value <= largest(found), "{value} in {found}");
            assert!(found == 0 || value > largest(found - 1), "{value} in {found}");
        }
        for value in [u64::MAX, 1 << 40, (1 << 39) + 1] {
            assert!(bucket(value) < BUCKETS);
        }
    }

    #[test]
    fn percentiles_are_of_all_values_and_none_is_outside_of_them() {
        let times = Percentiles::default();
        let none = Distribution { count: 0, sum: 0, min: 0, max: 0, percentiles: Some([0; 4]) };
        assert_eq!(times.distribution(), none);
        times.add_many(0, 900);
        (1..=100).for_each(|value| times.add(10 * value));
        let Distribution { count, sum, min, max, percentiles } = times.distribution();
        assert_eq!((count, sum, min, max), (1000, 50_500, 0, 1000));
        let [half, most, nearly, all] = percentiles.expect("kept");
        assert_eq!(half, 0);
        for (found, exact) in [(most, 500), (nearly, 900), (all, 990)] {
            assert!((exact..=exact + exact / 16 + 1).contains(&found), "{found}, not {exact}");
        }
        times.reset();
        assert_eq!(times.distribution(), none);
    }

    #[test]
    fn a_summary_is_of_all_values_since_it_was_reset() {
        let summary = Summary::default();
        let show = |of: &Summary| {
            let Distribution { count, sum, min, max, .. } = of.distribution();
            [count, sum, min, max]
        };
        assert_eq!(show(&summary), [0; 4]);
        [7, 3, 8].into_iter().for_each(|value| summary.add(value));
        assert_eq!(show(&summary), [3, 18, 3, 8]);
        summary.add_ms(Duration::from_micros(900));
        assert_eq!(show(&summary), [4, 18, 0, 8]);
        summary.reset();
        summary.add(5);
        assert_eq!(show(&summary), [1, 5, 5, 5]);
    }

    #[test]
    fn a_set_has_a_bounded_number_of_names() {
        let set = CounterSet::default();
        (0..2 * NAMES_MAX).for_each(|name| set.one(&name.to_string()));
        let Value::Set(counters) = set.value() else { panic!("a set") };
        assert_eq!(counters.len(), NAMES_MAX + 1);
        let others = counters.iter().find(|(name, _)| name == OTHERS);
        assert_eq!(others.map(|(_, count)| *count), Some(NAMES_MAX as i64));
    }
}
