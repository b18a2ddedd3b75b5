//! `vivarium history`.

use super::context::Context;
use ::history::{History, Verdict};
use clap::Args;
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  vivarium history run.jsonl                      a history with the log as part of it
  vivarium history client-*.jsonl log.jsonl       the same, each client and the log in a file of its own
  vivarium history run.jsonl --json report.json

A history says what the clients of an ensemble, of any ZooKeeper, asked and were told, which events
their watches brought, and how their sessions began, moved and ended; one JSON object a line. It may
hold the log of what was committed, too, by which requests of unknown outcome are decided. The format is
described in src/history/src/format.rs. All files that are given are one history.

Checked is what ZooKeeper promises: writes are linearizable, and so are reads behind a sync; a session
reads its own writes and never goes back; a read is the tree at its zxid; a watch fires once, for the
right change, before anything newer is read; ephemeral nodes live as long as their session; sequential
numbers grow; a multi is done as a whole or not at all; nothing acknowledged is lost.

Exit status:
  0    the history keeps every rule
  1    a rule is broken: each place is named, with the operations and zxids
  2    usage error: a file cannot be read, or is no history
  3    no rule is broken as far as can be said, but without a log something is undecided";

/// Check what clients saw against what ZooKeeper promises
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct HistoryArgs {
    /// The history, in one file or several
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write the report as JSON, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs `history`.
pub(crate) fn run(arguments: &HistoryArgs, context: Context<'_>) -> u8 {
    match checked(arguments, &context) {
        Ok((text, verdict)) => {
            let _ = write!(context.console.out, "{text}");
            match verdict {
                Verdict::Holds => 0,
                Verdict::Violated => 1,
                Verdict::Undecided => 3,
            }
        }
        Err(error) => {
            let _ = writeln!(context.console.err, "error: {error}");
            2
        }
    }
}

fn checked(arguments: &HistoryArgs, context: &Context<'_>) -> Result<(String, Verdict), String> {
    let mut history = History::new();
    for path in &arguments.files {
        let within = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let file = File::open(path).map_err(|error| within(&error))?;
        history.read(BufReader::new(file)).map_err(|error| within(&error))?;
    }
    let report = history.check().map_err(|error| format!("not a history: {error}"))?;
    if let Some(path) = &arguments.json {
        let verdict = report.verdict();
        let commit = &context.build.commit;
        let record = serde_json::json!({ "report": report, "verdict": verdict, "commit": commit });
        let text = serde_json::to_string_pretty(&record).map_err(|error| error.to_string())?;
        std::fs::write(path, text + "\n")
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok((report.to_string(), report.verdict()))
}
