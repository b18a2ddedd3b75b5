//! Recorded runs of real servers, replayed.

use super::child::{self, Trouble};
use super::kills::kill_under_load;
use super::part::{Done, Run, rounded};
use checker::ActionCount;
use conformance::{End, FileReport};
use evidence::{Conformance, Part, Recording, RunProperty};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

const CHECK_TRACE: &str = "proofs/build/check_trace";
const CHECK_TRACE_LIMIT: Duration = Duration::from_secs(180);

/// What a person would type.
pub(super) fn command(recordings: &[PathBuf]) -> String {
    let places: Vec<String> = recordings.iter().map(|path| path.display().to_string()).collect();
    match &places[..] {
        [] => "vivarium ensemble --record DIR; kill -9 PID …; vivarium replay DIR".to_owned(),
        places => format!("vivarium replay {}", places.join(" ")),
    }
}

/// Replays the recordings that are given, or starts an ensemble to have some. `proved_here` says
/// that the trace checker was built by this run.
pub(super) fn check(
    recordings: &[PathBuf],
    proved_here: bool,
    run: &mut Run<'_>,
) -> Done<Conformance> {
    let work = run.out.join("servers");
    let trace = run.out.join("abstract-run.trace");
    let (ensemble, paths) = match recordings {
        [] => {
            // What an earlier run has left because it failed.
            let _ = std::fs::remove_dir_all(&work);
            let record = work.join("record");
            if let Err(error) = std::fs::create_dir_all(&record) {
                return Done::failed(format!("{}: {error}", record.display()), None);
            }
            match kill_under_load(&work, &record, run) {
                Ok(ensemble) => (Some(ensemble), vec![record]),
                Err(why) if run.stopped() => {
                    let _ = std::fs::remove_dir_all(&work);
                    return Done::not_run(why);
                }
                Err(why) => {
                    return Done::failed(format!("{why} (kept: {})", work.display()), None);
                }
            }
        }
        given => (None, given.to_vec()),
    };
    run.say("  replaying");
    let begin = Instant::now();
    let report = match conformance::check(&paths, Some(&trace)) {
        Ok(report) => report,
        Err(misuse) => return Done::failed(misuse.to_string(), None),
    };
    let replay_seconds = rounded(begin.elapsed());
    let trace_checker = check_trace(&trace, proved_here, run);
    let accepted = trace_checker.outcome != evidence::Outcome::Failed;
    let mut failures: Vec<String> = report
        .recordings
        .iter()
        .filter_map(|file| Some(format!("{}: {}", file.file, wrong(file)?)))
        .collect();
    let violated = report.properties.iter().filter(|property| property.violations > 0);
    failures.extend(violated.map(|property| {
        let facts: Vec<String> = property
            .facts
            .iter()
            .map(|fact| format!("{} step {}: {}", fact.file, fact.step, fact.fact))
            .collect();
        format!("{} is violated: {}", property.name, facts.join("; "))
    }));
    let facts = facts(&report, ensemble, replay_seconds, trace_checker);
    if !failures.is_empty() || !report.passes() {
        let kept = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        let why = format!("{} (recordings: {})", failures.join("; "), kept.join(", "));
        return Done::failed(why, Some(facts));
    }
    if accepted {
        let _ = std::fs::remove_file(&trace);
        let _ = std::fs::remove_dir_all(&work);
    }
    Done::holds(facts)
}

/// A recording that cannot be read to its end, or is not the host's.
fn wrong(file: &FileReport) -> Option<String> {
    if let Some(refusal) = &file.refusal {
        return Some(format!("refused: {refusal}"));
    }
    let difference = file.difference.as_ref()?;
    Some(format!(
        "differs from the host at step {}, {}: {} as recorded {}, by the host {}",
        difference.step,
        difference.event,
        difference.field,
        difference.recorded,
        difference.replayed
    ))
}

fn facts(
    report: &conformance::Report,
    ensemble: Option<evidence::Ensemble>,
    replay_seconds: f64,
    trace_checker: Part<String>,
) -> Conformance {
    let name = |path: &str| {
        let name = Path::new(path).file_name();
        name.map_or(path.to_owned(), |name| name.to_string_lossy().into_owned())
    };
    let end = |end: End| match end {
        End::Closed => "closed",
        End::Open => "open",
        End::Torn => "torn",
        End::Empty => "empty",
        End::Refused => "refused",
    };
    let recordings = report.recordings.iter().map(|file| Recording {
        file: name(&file.file),
        steps: file.steps,
        end: end(file.end).to_owned(),
        wrong: wrong(file),
    });
    // Files are named by their names: where they are is not part of what they show.
    let places: Vec<String> =
        report.recordings.iter().map(|file| file.file.replace(&name(&file.file), "")).collect();
    let without_places = |text: &String| {
        places.iter().fold(text.clone(), |text, place| match place.is_empty() {
            true => text,
            false => text.replace(place.as_str(), ""),
        })
    };
    let properties = report.properties.iter().map(|property| RunProperty {
        name: property.name.to_owned(),
        holds: property.holds,
        vacuous: property.vacuous,
        occurrences: property.occurrences,
        violations: property.violations,
        undecided: property.undecided,
        reason: property.reason.as_ref().map(without_places),
    });
    let actions = report
        .actions
        .iter()
        .map(|action| ActionCount { name: action.name.clone(), count: action.count });
    Conformance {
        ensemble,
        replay_seconds,
        recordings: recordings.collect(),
        steps: report.steps,
        actions: actions.collect(),
        properties: properties.collect(),
        trace_checker,
    }
}

/// The checker that is extracted from the proof, on the run of abstract Zab.
fn check_trace(trace: &Path, proved_here: bool, run: &mut Run<'_>) -> Part<String> {
    let named = format!("{CHECK_TRACE} FILE (vivarium replay --abstract-run FILE)");
    let program = run.tree.root.join(CHECK_TRACE);
    if !program.is_file() {
        let why = format!(
            "{CHECK_TRACE} is not built here: make -C proofs does, with coqc and ocamlfind"
        );
        return Part::not_run(&named, why);
    }
    run.say(&format!("  {CHECK_TRACE}"));
    let begin = Instant::now();
    let mut command = Command::new(&program);
    command.arg(trace);
    let stop = Arc::clone(&run.stop);
    let said = child::run(&mut command, CHECK_TRACE_LIMIT, &stop, &mut |_| ());
    let done = match said {
        Ok(said) if said.status.success() => {
            let name = format!("{}: ", trace.display());
            let line = said.stdout.last().map(String::as_str).unwrap_or_default();
            let line = line.strip_prefix(&name).unwrap_or(line);
            let built =
                if proved_here { "" } else { " (by a checker that was built before this run)" };
            Done::holds(format!("{line}{built}"))
        }
        Ok(said) => Done::failed(said.last_words(), None),
        Err(Trouble::Absent(why)) => Done::not_run(why),
        Err(Trouble::TimedOut(why)) => Done::not_run(format!("not decided: {why}")),
        Err(Trouble::Interrupted) => Done::not_run("interrupted"),
    };
    done.into_part(&named, begin.elapsed())
}
