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
  vivarium replay runs --strict                   of servers that all stopped in good order
  vivarium replay vivarium-check/broadcast-1-prefix-consistency.json   a counterexample

A directory, or a file named *.vtrace, is recordings of servers. All that are given are checked together,
as one run of one ensemble: each step of each is run through the core of this build and must give the
recorded outputs byte for byte; then the properties are looked for in what all servers recorded. The
servers need not have stopped: a killed one has recorded all that had an effect. What a loss of power
took from a recording is counted as not decidable where it would be needed, and is no failure. With
--strict everything has to be decided: no recording may be missing, or end without an orderly stop.

Any other file is a trace as `check` writes it. Every step of it is run through the deployed core, and
every property is checked after it. A counterexample that still occurs is a violated property, so its
status is 1.

Exit status:
  0    every recording and trace is accepted and violates no property
  1    an output differs, a property is violated, a recording is damaged, or a trace is refused: what it
       records is not possible
  2    usage error: a file cannot be read, or is no recording of the same run
  3    with --strict: nothing is wrong, but not everything is decided";

/// Run recordings of servers, and recorded traces, against the core and the properties
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReplayArgs {
    /// Recordings, directories of them, or trace files as `check` writes them
    #[arg(required = true, value_name = "TRACE")]
    traces: Vec<PathBuf>,
    /// Everything has to be decided
    #[arg(long)]
    strict: bool,
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
        let asked = Asked { json: arguments.json.as_deref(), run, strict: arguments.strict };
        status = replay_recordings(&recordings, &asked, &mut context);
    }
    if !traces.is_empty() {
        let traces = checker::replay(&context.registry, &traces, &mut context.console);
        status = worse(status, traces.code());
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

/// The exit status of both together: what could not be done goes before what is wrong, and that
/// before what is undecided.
fn worse(one: u8, other: u8) -> u8 {
    let rank = |status: &u8| [0, 3, 1, 2].iter().position(|known| known == status);
    std::cmp::max_by_key(one, other, rank)
}

/// What is wanted of the recordings.
struct Asked<'a> {
    json: Option<&'a Path>,
    /// Where the run of abstract Zab goes.
    run: Option<&'a Path>,
    strict: bool,
}

fn replay_recordings(paths: &[&PathBuf], asked: &Asked<'_>, context: &mut Context<'_>) -> u8 {
    let begin = Instant::now();
    let report = match conformance::check(paths, asked.run) {
        Ok(report) => report,
        Err(misuse) => return usage(context, &misuse.to_string()),
    };
    let seconds = (begin.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
    let _ = write!(context.console.out, "{report}");
    if let Some(path) = asked.json {
        let record = Record { report: &report, commit: &context.build.commit, seconds };
        let text = serde_json::to_string_pretty(&[record]).map_err(std::io::Error::from);
        if let Err(error) = text.and_then(|text| std::fs::write(path, text + "\n")) {
            return usage(context, &format!("cannot write {}: {error}", path.display()));
        }
    }
    match (report.passes(), asked.strict && !report.decides_everything()) {
        (false, _) => 1,
        (true, true) => {
            let _ =
                writeln!(context.console.out, "UNDECIDED: --strict, and not everything is decided");
            3
        }
        (true, false) => 0,
    }
}

fn usage(context: &mut Context<'_>, error: &str) -> u8 {
    let _ = writeln!(context.console.err, "error: {error}");
    2
}

#[cfg(test)]
mod tests {
    use super::worse;
    use conformance::Property;

    #[test]
    fn what_is_wrong_is_not_hidden_by_what_is_undecided() {
        let both = |one, other| [worse(one, other), worse(other, one)];
        assert_eq!(
            [both(0, 3), both(3, 1), both(1, 2), both(0, 1)],
            [[3; 2], [1; 2], [2; 2], [1; 2]]
        );
    }

    #[test]
    fn properties_of_recordings_have_the_names_of_the_model() {
        use model::cluster::property::Property as OfModel;
        // Recordings say neither what is under way nor what clients saw, so what begins with Z16 is
        // not asked of them.
        let are_asked = |property: &OfModel| *property < OfModel::Z16;
        let model: Vec<_> = OfModel::ALL.into_iter().filter(are_asked).map(OfModel::name).collect();
        let names = Property::ALL.map(Property::name);
        assert_eq!(names[..model.len()], model);
    }
}
