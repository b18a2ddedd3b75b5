//! What a run has shown, as text and as JSON.

use super::stats::Stats;
use super::subtree::error_name;
use super::{OpArg, Plan};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// The record of a run. Its JSON form is what `--json` writes.
#[derive(Serialize, Clone, PartialEq, Debug)]
pub(in crate::cli) struct Report {
    pub(super) op: &'static str,
    connect: String,
    /// Of a mix, the share of reads in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    reads_percent: Option<u8>,
    connections: usize,
    depth: usize,
    bytes: usize,
    keys: usize,
    threads: usize,
    warmup_seconds: f64,
    /// Measured; less than asked for if interrupted.
    seconds: f64,
    /// Operations that succeeded.
    pub(in crate::cli) operations: u64,
    pub(super) operations_per_second: f64,
    latency_us: Latency,
    /// Operations that failed, by ZooKeeper's name of the error.
    pub(in crate::cli) errors: BTreeMap<String, u64>,
    reconnects: u64,
    /// The longest time without an acknowledged write; absent where nothing is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    write_gap: Option<WriteGap>,
    /// Operations that succeeded in each second.
    per_second: Vec<u64>,
}

#[derive(Serialize, Clone, Copy, PartialEq, Debug)]
struct Latency {
    mean: f64,
    p50: u64,
    p99: u64,
    p999: u64,
    max: u64,
}

#[derive(Serialize, Clone, Copy, PartialEq, Debug)]
struct WriteGap {
    ms: f64,
    /// When it ended, in seconds from the beginning of the measurement.
    until_s: f64,
}

impl Report {
    pub(super) fn new(plan: &Plan, connect: &str, stats: &Stats, seconds: f64) -> Self {
        let latency = &stats.latency;
        let operations = latency.len();
        let rate = if seconds > 0.0 { operations as f64 / seconds } else { 0.0 };
        let gap = WriteGap {
            ms: round(stats.gap.length.as_secs_f64() * 1e3),
            until_s: round(stats.gap.end.as_secs_f64()),
        };
        Self {
            op: plan.op.name(),
            connect: connect.to_owned(),
            reads_percent: (plan.op == OpArg::Mix).then_some(plan.reads),
            connections: plan.connections,
            depth: plan.depth,
            bytes: plan.data.len(),
            keys: plan.keys,
            threads: plan.threads,
            warmup_seconds: plan.warmup.as_secs_f64(),
            seconds: round(seconds),
            operations,
            operations_per_second: round(rate),
            latency_us: Latency {
                mean: round(latency.mean()),
                p50: latency.value_at_quantile(0.5),
                p99: latency.value_at_quantile(0.99),
                p999: latency.value_at_quantile(0.999),
                max: latency.max(),
            },
            errors: stats.errors.iter().map(|(code, count)| (error_name(*code), *count)).collect(),
            reconnects: stats.reconnects,
            write_gap: (plan.op != OpArg::Get).then_some(gap),
            per_second: stats.per_second.clone(),
        }
    }
}

/// To three digits behind the point, which is what the measurement is good for.
fn round(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

/// With a comma between thousands.
fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { op, connect, connections, depth, bytes, keys, .. } = self;
        let mix = self.reads_percent.map(|reads| format!(" ({reads} % reads)")).unwrap_or_default();
        writeln!(
            f,
            "{op}{mix} at {connect}: {connections} connections, {depth} in flight each, {bytes} bytes, {keys} nodes, \
             {:.1} s after {:.1} s of warm-up",
            self.seconds, self.warmup_seconds
        )?;
        writeln!(f, "  rate      {} a second", thousands(self.operations_per_second))?;
        let ms = |us: u64| format!("{:.2} ms", us as f64 / 1e3);
        let Latency { p50, p99, p999, max, .. } = self.latency_us;
        writeln!(
            f,
            "  latency   p50 {}  p99 {}  p999 {}  max {}",
            ms(p50),
            ms(p99),
            ms(p999),
            ms(max)
        )?;
        if let Some(WriteGap { ms, until_s }) = self.write_gap {
            writeln!(
                f,
                "  gap       {ms:.1} ms without an acknowledged write, until {until_s:.1} s"
            )?;
        }
        let errors: Vec<String> = self
            .errors
            .iter()
            .map(|(name, count)| format!("{name} {}", thousands(*count as f64)))
            .collect();
        let errors = if errors.is_empty() { "none".to_owned() } else { errors.join(", ") };
        writeln!(f, "  errors    {errors}")?;
        if self.reconnects > 0 {
            writeln!(f, "  reconnects {}", self.reconnects)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        for (number, text) in
            [(0.0, "0"), (999.4, "999"), (1_000.0, "1,000"), (36_012_345.0, "36,012,345")]
        {
            assert_eq!(thousands(number), text);
        }
    }
}
