//! Seeded flaws: the table on record, and some of them built and run again.

use super::part::{Done, Run, rounded};
use checker::{FlawFound, FlawRequest, FlawRow, FlawRunner};
use evidence::{FlawHere, FlawRun, Flaws};
use model::flaws::{Case, Flaw, flaws};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

const TABLE: &str = "model/flaws/flaws.json";
/// After so long no further flaw of a sample is begun: the first one builds everything.
const LIMIT: Duration = Duration::from_secs(240);

/// Which flaws to run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sample {
    All,
    /// So many, those of different properties first.
    Some(usize),
}

impl FromStr for Sample {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            "none" => Ok(Self::Some(0)),
            text => text
                .parse()
                .map(Self::Some)
                .map_err(|_| format!("found `{text}`, allowed: a number, `all` or `none`")),
        }
    }
}

impl Sample {
    pub(super) fn command(self) -> String {
        match self {
            Self::All => "vivarium check --flaws".to_owned(),
            Self::Some(0) => format!("{TABLE}, as recorded"),
            Self::Some(count) => {
                format!("vivarium check --flaws, {count} of them; {TABLE}, as recorded")
            }
        }
    }

    /// The names of those to run: the first flaw of each property in the order of the list, then
    /// the second of each, and so on.
    fn choose(self, list: &[Flaw]) -> Vec<String> {
        let mut ranked: Vec<(usize, &str)> = Vec::new();
        let mut seen: Vec<&str> = Vec::new();
        for flaw in list {
            if let Case::Expressed { expected, .. } = &flaw.case {
                ranked.push((seen.iter().filter(|name| *name == expected).count(), &flaw.name));
                seen.push(expected);
            }
        }
        ranked.sort_by_key(|(rank, _)| *rank);
        let count = match self {
            Self::All => ranked.len(),
            Self::Some(count) => count,
        };
        ranked.into_iter().take(count).map(|(_, name)| name.to_owned()).collect()
    }
}

pub(super) fn gather(
    runner: Option<&dyn FlawRunner>,
    sample: Sample,
    run: &mut Run<'_>,
) -> Done<Flaws> {
    let list = match flaws() {
        Ok(list) => list,
        Err(why) => return Done::failed(why, None),
    };
    let chosen = sample.choose(&list);
    let runs = list.into_iter().map(|recorded| FlawRun { recorded, here: None }).collect();
    let mut facts = Flaws { recorded_at: run.tree.last_change(TABLE), flaws: runs };
    let mut failures = Vec::new();
    let begin = Instant::now();
    for name in &chosen {
        if run.stopped() || (sample != Sample::All && begin.elapsed() > LIMIT) {
            break;
        }
        let Some(runner) = runner else {
            return Done::failed("this build has no runner of seeded flaws", Some(facts));
        };
        let here = match run_one(runner, name, run) {
            Ok(here) => here,
            Err(_) if run.stopped() => break,
            Err(why) => return Done::failed(why, Some(facts)),
        };
        if !here.caught {
            failures.push(format!("{name}: {}", here.found));
        }
        if let Some(flaw) = facts.flaws.iter_mut().find(|flaw| flaw.recorded.name == *name) {
            flaw.here = Some(here);
        }
    }
    let some_here = facts.flaws.iter().any(|flaw| flaw.here.is_some());
    match (failures.is_empty(), some_here) {
        (true, true) => Done::holds(facts),
        (true, false) => Done::recorded(facts),
        (false, _) => Done::failed(failures.join("; "), Some(facts)),
    }
}

fn run_one(runner: &dyn FlawRunner, name: &str, run: &mut Run<'_>) -> Result<FlawHere, String> {
    let request = FlawRequest {
        names: vec![name.to_owned()],
        repo: run.tree.root.clone(),
        threads: run.threads,
        out: run.tree.root.join("target/evidence-flaws"),
        stop: Arc::clone(&run.stop),
    };
    let begin = Instant::now();
    let mut rows = runner.run(&request, &mut |line| run.say(&format!("  {line}")))?;
    let row = rows.pop().ok_or_else(|| format!("no flaw is called {name}"))?;
    Ok(here(&row, begin.elapsed()))
}

fn here(row: &FlawRow, took: Duration) -> FlawHere {
    let (found, depth, states) = match &row.found {
        FlawFound::Violated { property, depth, states } => {
            (format!("{property} at depth {depth}, {states} states"), Some(*depth), Some(*states))
        }
        FlawFound::Nothing => ("no property is violated".to_owned(), None, None),
        FlawFound::Failed(why) => (format!("it could not be run: {why}"), None, None),
        FlawFound::Impossible(why) => (format!("it cannot be expressed: {why}"), None, None),
    };
    FlawHere { caught: row.caught() == Some(true), found, depth, states, seconds: rounded(took) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_different_properties_first() {
        let list = flaws().expect("it parses");
        let chosen = Sample::Some(5).choose(&list);
        let expected = chosen.iter().map(|name| {
            let flaw = list.iter().find(|flaw| flaw.name == *name).expect("of the list");
            flaw.info().expected
        });
        let expected: std::collections::BTreeSet<String> = expected.collect();
        assert_eq!((chosen.len(), expected.len()), (5, 5));
        assert_eq!(Sample::All.choose(&list).len(), list.len());
        assert!(Sample::Some(0).choose(&list).is_empty());
    }

    #[test]
    fn samples_are_numbers_or_words() {
        assert_eq!(
            ["all", "none", "7"].map(str::parse),
            [Ok(Sample::All), Ok(Sample::Some(0)), Ok(Sample::Some(7))]
        );
        let error = "some".parse::<Sample>().expect_err("no number");
        assert_eq!(error, "found `some`, allowed: a number, `all` or `none`");
    }
}
