//! `vivarium replay`.

use super::context::Context;
use clap::Args;
use conformance::Report;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;

const EXAMPLES: &str = "\
Examples:
  vivarium replay runs                            what `vivarium ensemble --record runs` recorded
  vivarium replay a/record b/record c/record --json replay.json
  vivarium replay vivarium-check/Q1-Z3.json       a counterexample

A directory, or a file named *.vtrace, is recordings of servers. All that are given are checked together,
as one run of one ensemble: each step of each is run through the core of this build and must give the
recorded outputs byte for byte; then the properties are looked for in what all servers recorded. The
servers need not have stopped: a killed one has recorded all that had an effect. What a loss of power
took from a recording is counted as not decidable where it would be needed, and is no failure.

Any other file is a trace as `check` writes it. Every step of it is run through the deployed core, and
every property is checked after it. A counterexample that still occurs is a violated property, so its
status is 1.

Exit status:
  0    every recording and trace is accepted and violates no property
  1    an output differs, a property is violated, a recording is damaged, or a trace is refused: what it
       records is not possible
  2    usage error: a file cannot be read, or is no recording of the same run";

/// Run recordings of servers, and recorded traces, against the core and the properties
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReplayArgs {
    /// Recordings, directories of them, or trace files as `check` writes them
    #[arg(required = true, value_name = "TRACE")]
    traces: Vec<PathBuf>,
    /// Write a record of what the recordings show
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the run of abstract Zab that the recordings make, for `proofs/build/check_trace`
    #[arg(long, value_name = "FILE")]
    abstract_run: Option<PathBuf>,
}

/// Runs `replay`.
pub(crate) fn run(arguments: &ReplayArgs, mut context: Context<'_>) -> u8 {
    let (recordings, traces): (Vec<&PathBuf>, Vec<&PathBuf>) =
        arguments.traces.iter().partition(|path| conformance::is_recording(path));
    if recordings.is_empty() {
        for (option, given) in
            [("--json", &arguments.json), ("--abstract-run", &arguments.abstract_run)]
        {
            if given.is_some() {
                let error = format!("{option} speaks of recordings, and no recording is given");
                return usage(&mut context, &error);
            }
        }
    }
    let mut status = 0;
    if !recordings.is_empty() {
        let run = arguments.abstract_run.as_deref();
        status = replay_recordings(&recordings, arguments.json.as_deref(), run, &mut context);
    }
    if !traces.is_empty() {
        let traces = model::report::replay(&context.registry, &traces, &mut context.console);
        status = status.max(traces.code());
    }
    status
}

/// The record of `--json`.
#[derive(Serialize)]
struct Record<'a> {
    #[serde(flatten)]
    report: &'a Report,
    commit: &'a str,
    seconds: f64,
}

fn replay_recordings(
    paths: &[&PathBuf],
    json: Option<&Path>,
    run: Option<&Path>,
    context: &mut Context<'_>,
) -> u8 {
    let begin = Instant::now();
    let report = match conformance::check(paths, run) {
        Ok(report) => report,
        Err(misuse) => return usage(context, &misuse.to_string()),
    };
    let seconds = (begin.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
    let _ = write!(context.console.out, "{report}");
    if let Some(path) = json {
        let record = Record { report: &report, commit: &context.build.commit, seconds };
        let text = serde_json::to_string_pretty(&[record]).map_err(std::io::Error::from);
        if let Err(error) = text.and_then(|text| std::fs::write(path, text + "\n")) {
            return usage(context, &format!("cannot write {}: {error}", path.display()));
        }
    }
    u8::from(!report.passes())
}

fn usage(context: &mut Context<'_>, error: &str) -> u8 {
    let _ = writeln!(context.console.err, "error: {error}");
    2
}

#[cfg(test)]
mod tests {
    use conformance::Property;

    #[test]
    fn properties_of_recordings_have_the_names_of_the_model() {
        let names = Property::ALL.map(Property::name);
        let model =
            model::cluster::property::Property::ALL.map(model::cluster::property::Property::name);
        assert_eq!(names[..model.len()], model);
    }
}
