//! Replaying traces.

use super::select::{UsageError, find_model};
use super::{CheckableModel, Console, Exit, ReplayOutcome, TraceFile, story_text};
use std::path::Path;

/// Replays trace files one after another and says of each what came of it.
///
/// Holds only if every trace is accepted and violates nothing: a counterexample that reproduces is
/// a violated property, and one that the model refuses is a refused trace.
pub fn replay<P: AsRef<Path>>(
    registry: &[Box<dyn CheckableModel>],
    paths: &[P],
    console: &mut Console<'_>,
) -> Exit {
    let mut exit = Exit::Holds;
    for path in paths {
        let path = path.as_ref();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                let error = UsageError(format!("cannot read {}: {error}", path.display()));
                return console.usage(&error);
            }
        };
        let line = match replay_one(registry, &text, console) {
            Ok((line, true)) => line,
            Ok((line, false)) => {
                exit = Exit::Fails;
                line
            }
            Err(why) => {
                exit = Exit::Fails;
                format!("REFUSED: {why}")
            }
        };
        console.print(&format!("{}: {line}\n", path.display()));
    }
    exit
}

/// One line on the trace, and whether it shows nothing wrong; `Err` says why it was refused.
fn replay_one(
    registry: &[Box<dyn CheckableModel>],
    text: &str,
    console: &mut Console<'_>,
) -> Result<(String, bool), String> {
    let trace = TraceFile::parse(text)?;
    let model = find_model(registry, &trace.model).map_err(|error| error.to_string())?;
    let info = model.info();
    trace.bounds.check(info.name, &info.bounds).map_err(|error| error.to_string())?;
    model.admits(&trace.bounds)?;
    if let Some(property) = &trace.property
        && info.property(property).is_none()
    {
        return Err(format!("model {} has no property `{property}`", info.name));
    }
    let outcome = model.replay(&trace)?;
    if let Some(story) = outcome.story.as_ref().filter(|_| !outcome.violated.is_empty()) {
        console.print(&story_text(story));
        console.print("\n");
    }
    Ok((verdict(&trace, &outcome), outcome.violated.is_empty()))
}

fn verdict(trace: &TraceFile, outcome: &ReplayOutcome) -> String {
    let steps = outcome.steps;
    let violated: Vec<String> = outcome
        .violated
        .iter()
        .map(|violated| format!("{} at step {}", violated.property, violated.step))
        .collect();
    let expected = trace.property.as_deref();
    let reproduced = outcome.violated.iter().any(|one| Some(one.property.as_str()) == expected);
    let found = violated.join(", ");
    match (expected, violated.is_empty()) {
        (None, true) => format!("ok, {steps} steps accepted, no property is violated"),
        (None, false) => format!("VIOLATED: {found}"),
        (Some(property), true) => format!(
            "ok, {steps} steps accepted, no property is violated; the violation of {property} that \
             the trace records does not occur"
        ),
        (Some(_), false) if reproduced => format!("VIOLATED, as recorded: {found}"),
        (Some(property), false) => format!("VIOLATED: {found} (recorded: {property})"),
    }
}
