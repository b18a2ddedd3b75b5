//! The specification: what the tool that reads TLA+ says, and the same states counted in Rust.

use super::child::{self, Trouble};
use super::part::{Done, Run, rounded};
use checker::{Bounds, CheckOptions, CheckableModel, Completion, Engine};
use evidence::{Count, Specification};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) const COMMAND: &str = "spec/check.sh; cargo test -p model counts";
/// One to three minutes, and two to build tla-checker if it is missing.
const LIMIT: Duration = Duration::from_secs(600);
const COUNTS: &str = "spec/counts.tsv";

pub(super) fn check(
    registry: &[Box<dyn CheckableModel>],
    run: &mut Run<'_>,
) -> Done<Specification> {
    for program in ["bash", "cargo"] {
        if child::find(program).is_none() {
            return Done::not_run(format!(
                "{program} is not installed, and spec/check.sh needs it"
            ));
        }
    }
    let mut counts = match read_counts(&run.tree.root.join(COUNTS)) {
        Ok(counts) => counts,
        Err(why) => return Done::failed(why, None),
    };
    let begin = Instant::now();
    for (count, bounds) in &mut counts {
        if run.stopped() {
            return Done::not_run("interrupted");
        }
        count.rust = bounds.as_ref().and_then(|bounds| in_rust(registry, count, bounds, run));
    }
    let rust_seconds = rounded(begin.elapsed());
    let mut counts: Vec<Count> = counts.into_iter().map(|(count, _)| count).collect();
    let mut command = Command::new("bash");
    command.arg(run.tree.root.join("spec/check.sh"));
    let stop = Arc::clone(&run.stop);
    let said = child::run(&mut command, LIMIT, &stop, &mut |line| run.say(&format!("  {line}")));
    let said = match said {
        Ok(said) => said,
        Err(Trouble::Absent(why)) => return Done::not_run(why),
        Err(Trouble::TimedOut(why)) => return Done::failed(why, None),
        Err(Trouble::Interrupted) => return Done::not_run("interrupted"),
    };
    if said.stderr.iter().any(|line| line.starts_with("check.sh: no tla-checker")) {
        let why = said.stderr.iter().rev().find(|line| line.starts_with("error"));
        let why = why.map(|line| format!(" ({line})")).unwrap_or_default();
        return Done::not_run(format!("tla-checker is not here and could not be fetched{why}"));
    }
    for count in &mut counts {
        count.tla = said.stdout.iter().find_map(|line| found_in_tla(line, &count.name));
    }
    let different: Vec<&str> =
        counts.iter().filter(|count| count.rust == Some(false)).map(|count| &*count.name).collect();
    let different = (!different.is_empty())
        .then(|| format!("states in Rust are not as many as on record: {}", different.join(", ")));
    let closing = said.stdout.last().cloned().unwrap_or_default();
    let last_words = said.last_words();
    let facts = Specification { counts, lines: said.stdout, closing, rust_seconds };
    match (said.status.success(), different) {
        (true, None) => Done::holds(facts),
        (true, Some(different)) => Done::failed(different, Some(facts)),
        (false, _) => {
            let failed: Vec<&str> = facts
                .lines
                .iter()
                .filter(|line| line.starts_with("FAIL"))
                .map(|line| line.trim())
                .collect();
            let why = if failed.is_empty() { last_words } else { failed.join("; ") };
            Done::failed(why, Some(facts))
        }
    }
}

/// The configurations on record, each with the bounds of its Rust text if there is one.
fn read_counts(path: &Path) -> Result<Vec<(Count, Option<Bounds>)>, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let lines = text.lines().skip(1);
    lines
        .map(|line| {
            count(line)
                .ok_or_else(|| format!("{}: eight columns are due in `{line}`", path.display()))
        })
        .collect()
}

fn count(line: &str) -> Option<(Count, Option<Bounds>)> {
    let columns: Vec<&str> = line.split('\t').collect();
    let [name, servers, epochs, txns, delivered, states, depth, levels] = columns[..] else {
        return None;
    };
    let number = |text: &str| text.parse::<u64>().ok();
    let bounds = match name.starts_with("Zab-") {
        true => Some(Bounds::new([
            ("servers", number(servers)?),
            ("epochs", number(epochs)?),
            ("txns", number(txns)?),
            ("delivered", number(delivered)?),
        ])),
        false => None,
    };
    let count = Count {
        name: name.to_owned(),
        states: number(states)?,
        depth: number(depth)?,
        levels: levels.split(' ').map(number).collect::<Option<_>>()?,
        tla: None,
        rust: None,
    };
    Some((count, bounds))
}

/// Whether the Rust text of abstract Zab has as many states at each depth as are on record; `None`
/// if it was stopped.
fn in_rust(
    registry: &[Box<dyn CheckableModel>],
    count: &Count,
    bounds: &Bounds,
    run: &Run<'_>,
) -> Option<bool> {
    let model = registry.iter().find(|model| model.info().family == "abstract")?;
    let options = CheckOptions {
        threads: run.threads,
        max_states: None,
        engine: Engine::Own,
        stop: Arc::clone(&run.stop),
    };
    let verdict = model.check(bounds, &options, &|_| ());
    if verdict.completion != Completion::Complete {
        return (!run.stopped()).then_some(false);
    }
    // TLA+ tools count the states on the longest shortest path, not its steps.
    let depth = verdict.depth + 1;
    let same =
        (verdict.distinct, depth, &verdict.levels) == (count.states, count.depth, &count.levels);
    Some(same && verdict.violations.is_empty())
}

/// `46 states, depth 13` of a line that says so of this configuration.
fn found_in_tla(line: &str, name: &str) -> Option<String> {
    let rest = line.strip_prefix("ok")?.trim_start().strip_prefix(name)?;
    let rest = rest.strip_prefix(" (checker)")?.trim();
    Some(rest.rsplit_once(" (").map_or(rest, |(found, _)| found).to_owned())
}

#[cfg(test)]
mod tests {
    use super::{count, found_in_tla};

    #[test]
    fn lines_of_the_script_are_read_for_their_own_configuration() {
        let line =
            "ok    Zab-2n-1e-1t-1d (checker)                        113 states, depth 14 (1 s)";
        assert_eq!(found_in_tla(line, "Zab-2n-1e-1t-1d").as_deref(), Some("113 states, depth 14"));
        assert_eq!(found_in_tla(line, "Zab-2n-1e-1t"), None);
        assert_eq!(found_in_tla(&line.replace("ok  ", "FAIL"), "Zab-2n-1e-1t-1d"), None);
    }

    #[test]
    fn the_table_has_eight_columns() {
        let (read, bounds) = count("Zab-1n-1e-2t-3d\t1\t1\t2\t3\t46\t13\t1 1 1").expect("whole");
        assert_eq!((read.states, read.depth, read.levels), (46, 13, vec![1, 1, 1]));
        assert_eq!(
            bounds.expect("a text in Rust").to_string(),
            "servers=1 epochs=1 txns=2 delivered=3"
        );
        let (_, bounds) =
            count("AtomicBroadcast-2n-2e-2c\t2\t2\t2\t-\t5184\t19\t1 6").expect("whole");
        assert_eq!(bounds, None);
        assert_eq!(count("Zab-1n-1e-2t-3d\t1\t1\t2\t3\t46\t13"), None);
    }
}
