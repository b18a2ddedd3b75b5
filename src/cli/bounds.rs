//! Bounds on the command line.

use clap::Args;

/// Bounds of a model. Only those given replace the tier's; which of them a model has, and in which
/// range, `vivarium check --list` says.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Bounds (default: those of the tier)")]
pub(crate) struct BoundArgs {
    /// Voting servers
    #[arg(long, value_name = "N")]
    servers: Option<u64>,
    /// Observers
    #[arg(long, value_name = "N")]
    observers: Option<u64>,
    /// Transactions proposed
    #[arg(long, value_name = "N")]
    txns: Option<u64>,
    /// Times that a server begins to lead
    #[arg(long, value_name = "N")]
    leaderships: Option<u64>,
    /// Crashes, each with a restart from what is durable
    #[arg(long, value_name = "N")]
    crashes: Option<u64>,
    /// Time-outs at one end of a link whose other end is well
    #[arg(long, value_name = "N")]
    timeouts: Option<u64>,
    /// Delivered transactions kept in memory for DIFF
    #[arg(long, value_name = "N")]
    window: Option<u64>,
    /// Snapshots that servers write of themselves
    #[arg(long, value_name = "N")]
    snapshots: Option<u64>,
    /// Syncs asked of leaders
    #[arg(long, value_name = "N")]
    syncs: Option<u64>,
    /// Largest counter of a zxid; the next proposal rolls over
    #[arg(long, value_name = "N")]
    counter_max: Option<u64>,
    /// Rounds of the real election after each server's first
    #[arg(long, value_name = "N")]
    elections: Option<u64>,
    /// Any bound by its name, as `--list` has it
    #[arg(long, value_name = "NAME=N", value_parser = name_and_value)]
    bound: Vec<(String, u64)>,
}

impl BoundArgs {
    /// The bounds given, by the names that models use.
    pub(crate) fn given(&self) -> Vec<(String, u64)> {
        let flags = [
            ("servers", self.servers),
            ("observers", self.observers),
            ("txns", self.txns),
            ("leaderships", self.leaderships),
            ("crashes", self.crashes),
            ("timeouts", self.timeouts),
            ("window", self.window),
            ("snapshots", self.snapshots),
            ("syncs", self.syncs),
            ("counter-max", self.counter_max),
            ("elections", self.elections),
        ];
        let flags = flags.into_iter();
        let given = flags.filter_map(|(name, value)| value.map(|value| (name.to_owned(), value)));
        given.chain(self.bound.iter().cloned()).collect()
    }
}

fn name_and_value(text: &str) -> Result<(String, u64), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=N")?;
    let value = value.parse().map_err(|error| format!("`{value}`: {error}"))?;
    Ok((name.to_owned(), value))
}
