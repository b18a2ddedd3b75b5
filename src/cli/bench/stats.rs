//! What a run counts.

use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::time::Duration;

/// Counts of one thread, or of a whole run. Times are nanoseconds since the run was set up.
pub(super) struct Stats {
    /// When the measured part begins and ends.
    window: (u64, u64),
    /// Latencies of operations that succeeded in the window, in microseconds.
    pub(super) latency: Histogram<u64>,
    /// Operations that did not, by the code of the error; a connection that broke counts once for
    /// each operation in flight.
    pub(super) errors: BTreeMap<i32, u64>,
    /// Operations that succeeded, by second of the window.
    pub(super) per_second: Vec<u64>,
    /// Connections that were made again.
    pub(super) reconnects: u64,
    /// The longest time without an acknowledged write, and when it ended.
    pub(super) gap: Gap,
}

/// A time in which no write was acknowledged.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Gap {
    pub(super) length: Duration,
    /// Its end, from the beginning of the window.
    pub(super) end: Duration,
}

/// Latencies above this are counted as this.
const LATENCY_MAX_US: u64 = 600_000_000;

impl Stats {
    pub(super) fn new(window: (u64, u64)) -> Self {
        let histogram = Histogram::new_with_bounds(1, LATENCY_MAX_US, 3);
        let seconds = (window.1 - window.0).div_ceil(1_000_000_000);
        Self {
            window,
            latency: histogram.expect("1 to 600,000,000 with 3 digits is a valid range"),
            errors: BTreeMap::new(),
            per_second: vec![0; usize::try_from(seconds).unwrap_or(0)],
            reconnects: 0,
            gap: Gap::default(),
        }
    }

    fn in_window(&self, now: u64) -> bool {
        (self.window.0..self.window.1).contains(&now)
    }

    /// An operation that was sent at `sent` succeeded at `now`.
    pub(super) fn success(&mut self, sent: u64, now: u64) {
        if self.in_window(now) {
            self.latency.saturating_record(now.saturating_sub(sent) / 1_000);
            let second = usize::try_from((now - self.window.0) / 1_000_000_000);
            if let Some(count) = second.ok().and_then(|second| self.per_second.get_mut(second)) {
                *count += 1;
            }
        }
    }

    /// Operations failed at `now`, also behind the window: what was begun within it ends there.
    pub(super) fn failure(&mut self, code: i32, count: u64, now: u64) {
        if count > 0 && now >= self.window.0 {
            *self.errors.entry(code).or_default() += count;
        }
    }

    /// A connection was made again at `now`.
    pub(super) fn reconnect(&mut self, now: u64) {
        self.reconnects += u64::from(self.in_window(now));
    }

    /// A write was acknowledged at `now`, the one before it at `before`.
    pub(super) fn write_acknowledged(&mut self, before: u64, now: u64) {
        let (from, to) = (before.max(self.window.0), now.min(self.window.1));
        if let Some(length) = to.checked_sub(from) {
            let end = Duration::from_nanos(to - self.window.0);
            self.gap = self.gap.max(Gap { length: Duration::from_nanos(length), end });
        }
    }

    /// Adds the counts of another thread.
    pub(super) fn add(&mut self, other: &Self) {
        // The two have the same bounds, so there is nothing that cannot be added.
        let _ = self.latency.add(&other.latency);
        for (code, count) in &other.errors {
            *self.errors.entry(*code).or_default() += count;
        }
        for (sum, count) in self.per_second.iter_mut().zip(&other.per_second) {
            *sum += count;
        }
        self.reconnects += other.reconnects;
        self.gap = self.gap.max(other.gap);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn only_what_ends_in_the_window_counts() {
        let mut stats = Stats::new((10 * S, 12 * S));
        for (sent, now) in [(9 * S, 9 * S), (9 * S, 10 * S), (11 * S, 11 * S), (11 * S, 12 * S)] {
            stats.success(sent, now);
        }
        assert_eq!((stats.latency.len(), stats.per_second.clone()), (2, vec![1, 1]));
        assert!(stats.latency.max().abs_diff(1_000_000) < 1_000);
        stats.failure(-4, 3, 9 * S);
        assert!(stats.errors.is_empty());
        stats.failure(-4, 3, 13 * S);
        let mut sum = Stats::new((10 * S, 12 * S));
        sum.add(&stats);
        sum.add(&stats);
        assert_eq!(sum.errors, BTreeMap::from([(-4, 6)]));
        assert_eq!((sum.latency.len(), sum.per_second), (4, vec![2, 2]));
    }

    #[test]
    fn the_gap_is_the_longest_time_without_an_acknowledged_write() {
        let mut stats = Stats::new((10 * S, 20 * S));
        for (before, now) in [(8, 9), (9, 11), (11, 14), (14, 15), (15, 30)] {
            stats.write_acknowledged(before * S, now * S);
        }
        let gap = Gap { length: Duration::from_secs(5), end: Duration::from_secs(10) };
        assert_eq!(stats.gap, gap, "it ends with the window");
    }
}
