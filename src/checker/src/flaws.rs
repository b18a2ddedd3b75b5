//! Front end of the seeded flaws: which to run, and the table of what was found.
//!
//! Running them (copy of the sources, patch, build, check) is behind [`FlawRunner`].

use super::number::grouped;
use super::{Console, Exit};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A seeded flaw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlawInfo {
    /// Name, unique (`ZOOKEEPER-2845`, `ack-before-durable`).
    pub name: String,
    /// What is broken, in one sentence.
    pub about: String,
    /// The model and bounds in which it shows (`Q1 servers=3 …`).
    pub configuration: String,
    /// The property expected to fail.
    pub expected: String,
}

/// Which flaws to run, and how.
#[derive(Clone, Debug)]
pub struct FlawRequest {
    /// Names from [`FlawRunner::list`], checked; empty means all.
    pub names: Vec<String>,
    /// Worker threads of each check.
    pub threads: usize,
    /// The source tree that is copied, patched and built.
    pub repo: PathBuf,
    /// Directory for counterexamples.
    pub out: PathBuf,
    /// Set by Ctrl-C.
    pub stop: Arc<AtomicBool>,
}

/// What the checker found of a flaw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlawFound {
    /// A property was violated.
    Violated {
        /// The first property violated.
        property: String,
        /// Length of the counterexample.
        depth: u64,
        /// Distinct states when it was found.
        states: u64,
    },
    /// The run ended without a violation.
    Nothing,
    /// The flaw could not be run: the patch does not apply, or the build fails.
    Failed(String),
    /// The flaw cannot be expressed: which structure of the core excludes it.
    Impossible(String),
}

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlawRow {
    /// The flaw.
    pub flaw: FlawInfo,
    /// What came of it.
    pub found: FlawFound,
}

impl FlawRow {
    /// Whether the flaw was caught by the property expected, or cannot exist; `None` if it could
    /// not be run.
    pub fn caught(&self) -> Option<bool> {
        match &self.found {
            FlawFound::Violated { property, .. } => Some(*property == self.flaw.expected),
            FlawFound::Impossible(_) => Some(true),
            FlawFound::Nothing => Some(false),
            FlawFound::Failed(_) => None,
        }
    }

    /// What came of it, in a word.
    pub fn answer(&self) -> &'static str {
        match self.caught() {
            Some(true) => "ok",
            Some(false) => "FAILED",
            None => "UNDECIDED",
        }
    }
}

/// Runs seeded flaws.
pub trait FlawRunner {
    /// All flaws, in the order in which they are shown.
    fn list(&self) -> Vec<FlawInfo>;

    /// Runs the flaws asked for, one row each in the order of [`FlawRunner::list`]. `progress`
    /// takes one line of text at a time. `Err` is a reason why they could not all be run.
    fn run(
        &self,
        request: &FlawRequest,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Vec<FlawRow>, String>;
}

/// Runs `check --flaws`: checks the names, runs, prints the table. All must be caught.
pub fn run_flaws(
    runner: &dyn FlawRunner,
    request: &FlawRequest,
    console: &mut Console<'_>,
) -> Exit {
    let known: Vec<String> = runner.list().into_iter().map(|flaw| flaw.name).collect();
    for name in &request.names {
        if !known.contains(name) {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let error = super::select::unknown("flaw", name, &known);
            return console.usage(&error);
        }
    }
    let result = runner.run(request, &mut |line| console.note(line));
    match result {
        Ok(rows) => {
            console.print(&flaw_table(&rows));
            let any = |answer| rows.iter().any(|row| row.caught() == answer);
            match (any(Some(false)), any(None)) {
                (true, _) => Exit::Fails,
                (false, true) => Exit::Undecided,
                (false, false) => Exit::Holds,
            }
        }
        Err(error) => {
            console.error(&error);
            Exit::Undecided
        }
    }
}

/// The table of expected against found.
pub fn flaw_table(rows: &[FlawRow]) -> String {
    let head = ["flaw", "expected", "found", "depth", "states", "", "configuration"];
    let mut cells = vec![head.map(str::to_owned)];
    cells.extend(rows.iter().map(row_cells));
    let width = |column: usize| {
        let lengths = cells.iter().map(|row| row[column].chars().count());
        lengths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut text = String::new();
    for row in &cells {
        let padded = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if column == 3 || column == 4 {
                format!("{cell:>width$}")
            } else {
                format!("{cell:<width$}")
            }
        });
        let line: Vec<String> = padded.collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    let caught = rows.iter().filter(|row| row.caught() == Some(true)).count();
    text.push_str(&format!("\n{caught} of {} flaws as expected\n", rows.len()));
    text
}

fn row_cells(row: &FlawRow) -> [String; 7] {
    let none = || "-".to_owned();
    let (found, depth, states) = match &row.found {
        FlawFound::Violated { property, depth, states } => {
            (property.clone(), grouped(*depth), grouped(*states))
        }
        FlawFound::Nothing => ("nothing".to_owned(), none(), none()),
        FlawFound::Failed(why) => (format!("not run: {why}"), none(), none()),
        FlawFound::Impossible(why) => (format!("impossible: {why}"), none(), none()),
    };
    let flaw = &row.flaw;
    [
        flaw.name.clone(),
        flaw.expected.clone(),
        found,
        depth,
        states,
        row.answer().to_owned(),
        flaw.configuration.clone(),
    ]
}
