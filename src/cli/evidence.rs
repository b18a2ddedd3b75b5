//! `vivarium evidence`.

mod checks;
mod child;
mod flaws;
mod gathered;
mod identity;
mod kills;
mod part;
mod proofs;
mod runs;
mod specification;
mod tree;

use super::check::TierArg;
use super::context::Context;
use super::stop::stop_flag;
use checker::{FlawRunner, Tier};
use clap::{Args, ValueEnum};
use evidence::{FORMAT, Identity, NotCovered, Part, Report, VERSION};
use flaws::Sample;
use part::Run;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tree::Tree;

const EXAMPLES: &str = "\
Examples:
  vivarium evidence                               all of it, into ./vivarium-evidence: some ten minutes
  vivarium evidence --out report --flaws all      every seeded flaw built and run: half an hour more
  vivarium evidence --only checks,conformance     two parts; the report says what was left out
  vivarium evidence --runs record                 recordings that are there, in the place of an ensemble started here

Runs or gathers everything that speaks for this system, and writes DIR/report.html, one page that needs
nothing else, and DIR/report.json, the same facts. Both begin with what is not covered.

  checks         `vivarium check` of every model of the tier, every step compared with abstract Zab
  proofs         `make -C proofs`, from nothing; needs coqc
  specification  `spec/check.sh`; fetches tla-checker if it is missing
  conformance    three servers on loopback, under load and killed, their recordings replayed
  flaws          the table of seeded flaws; some are built and run again
  mutants        the table of mutants of the core
  ledger         the records of long runs

What cannot be run here (no coqc, say) is left out, and the report begins with that. Ctrl-C ends the
run; what was found so far is written.

Exit status:
  0    nothing that was tried failed; parts may have been left out
  1    something failed: the report says what; or the report cannot be written
  2    usage error, or no source tree
  3    interrupted; the report says so";

/// Run or gather all the evidence, and write one report of it
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct EvidenceArgs {
    /// Where to write the report
    #[arg(long, value_name = "DIR", default_value = "./vivarium-evidence")]
    out: PathBuf,
    /// The source tree [default: the current directory, or the nearest above it that is one]
    #[arg(long, value_name = "DIR")]
    repo: Option<PathBuf>,
    /// Bounds of the models
    #[arg(long, default_value = "quick")]
    tier: TierArg,
    /// Check this model only
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// How many seeded flaws to build and run: a number, `all`, or `none`
    #[arg(long, value_name = "N", default_value = "5")]
    flaws: Sample,
    /// Recordings to replay, in the place of an ensemble started here
    #[arg(long, value_name = "DIR")]
    runs: Vec<PathBuf>,
    /// Leave these parts out
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    skip: Vec<PartArg>,
    /// Leave all other parts out
    #[arg(long, value_name = "PART", value_delimiter = ',', conflicts_with = "skip")]
    only: Vec<PartArg>,
    /// Worker threads of the checker [default: one per processor]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

/// What can be left out.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PartArg {
    Checks,
    Proofs,
    Specification,
    Conformance,
    Flaws,
    Mutants,
    Ledger,
}

/// Runs `evidence`.
pub(crate) fn run(arguments: &EvidenceArgs, context: Context<'_>) -> u8 {
    let begin = Instant::now();
    let started = part::now();
    let Context { registry, flaws, console, build } = context;
    let fail = |status: u8, error: &str| {
        eprintln!("error: {error}");
        status
    };
    let tier = Tier::from(arguments.tier);
    let name = arguments.model.as_deref().unwrap_or("all");
    if let Err(error) = checker::select(&registry, name, Some(tier), &[]) {
        return fail(2, &error.to_string());
    }
    let prepared = prepare(arguments);
    let (tree, out, recordings) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return fail(2, &error),
    };
    let processors = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let mut run = Run {
        tree,
        out,
        stop: stop_flag(),
        begin,
        threads: arguments.threads.map_or_else(processors, NonZeroUsize::get),
        err: console.err,
    };
    let identity = identity::identity(&run, &build);
    let wanted = |part: PartArg| match (arguments.only.is_empty(), &arguments.skip) {
        (false, _) if !arguments.only.contains(&part) => Err("left out by --only"),
        (true, skip) if skip.contains(&part) => Err("left out by --skip"),
        (true | false, _) => Ok(()),
    };
    let mut report = empty(identity, started);
    let asked = checks::Asked { registry: &registry, build: &build, tier, model: name };
    report.checks =
        run.part(wanted(PartArg::Checks), &format!("vivarium check {name} --tier {tier}"), |run| {
            checks::check(&asked, console.progress, run)
        });
    report.proofs = run.part(wanted(PartArg::Proofs), proofs::COMMAND, proofs::prove);
    report.specification =
        run.part(wanted(PartArg::Specification), specification::COMMAND, |run| {
            specification::check(&registry, run)
        });
    // It may have been fetched meanwhile.
    let checker = identity::tla_checker(&run);
    report.identity.tools.retain(|tool| tool.name != checker.name);
    report.identity.tools.push(checker);
    let proved_here = report.proofs.held().is_some();
    report.conformance =
        run.part(wanted(PartArg::Conformance), &runs::command(&recordings), |run| {
            runs::check(&recordings, proved_here, run)
        });
    let runner = flaws.as_deref().map(|runner| runner as &dyn FlawRunner);
    report.flaws = run.part(wanted(PartArg::Flaws), &arguments.flaws.command(), |run| {
        flaws::gather(runner, arguments.flaws, run)
    });
    report.mutants = run.part(wanted(PartArg::Mutants), gathered::MUTANTS, gathered::mutants);
    report.ledger = run.part(wanted(PartArg::Ledger), gathered::LEDGER, gathered::ledger);
    report.interrupted = run.stopped();
    report.seconds = part::rounded(begin.elapsed());
    report.chain = evidence::chain(&report);
    report.not_covered =
        NotCovered { this_run: evidence::gaps(&report), any_run: evidence::limits() };
    if let Err(error) = write(&report, &run.out) {
        return fail(1, &error);
    }
    let page = run.out.join("report.html");
    // A closed output is no failure.
    let _ = writeln!(console.out, "{}: {}", page.display(), report.closing());
    match (report.interrupted, report.fails()) {
        (_, true) => 1,
        (true, false) => 3,
        (false, false) => 0,
    }
}

/// The source tree, the directory of the report and the recordings, as absolute paths. From then on
/// the current directory is the root of the tree.
fn prepare(arguments: &EvidenceArgs) -> Result<(Tree, PathBuf, Vec<PathBuf>), String> {
    let absolute = |path: &PathBuf| {
        std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let tree = Tree::find(arguments.repo.as_deref())?;
    let out = absolute(&arguments.out)?;
    let runs = arguments.runs.iter().map(absolute).collect::<Result<Vec<_>, _>>()?;
    for path in &runs {
        if !conformance::is_recording(path) || !path.exists() {
            return Err(format!(
                "--runs: found `{}`, allowed: a directory of recordings, or a file *.vtrace",
                path.display()
            ));
        }
    }
    std::fs::create_dir_all(&out).map_err(|error| format!("--out {}: {error}", out.display()))?;
    std::env::set_current_dir(&tree.root)
        .map_err(|error| format!("{}: {error}", tree.root.display()))?;
    Ok((tree, out, runs))
}

fn empty(identity: Identity, started: String) -> Report {
    fn nothing<T>() -> Part<T> {
        Part::not_run("", "interrupted")
    }
    let arguments = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
    Report {
        format: FORMAT.to_owned(),
        version: VERSION,
        command: format!("vivarium {arguments}"),
        started,
        seconds: 0.0,
        interrupted: false,
        not_covered: NotCovered::default(),
        chain: Vec::new(),
        identity,
        checks: nothing(),
        proofs: nothing(),
        specification: nothing(),
        conformance: nothing(),
        flaws: nothing(),
        mutants: nothing(),
        ledger: nothing(),
    }
}

/// Writes both files beside their places, then moves them there: nobody sees half of one.
fn write(report: &Report, out: &Path) -> Result<(), String> {
    let json = serde_json::to_string_pretty(report).map_err(|error| error.to_string())?;
    for (name, text) in [("report.json", json + "\n"), ("report.html", evidence::page(report))] {
        let (path, aside) = (out.join(name), out.join(format!("{name}.tmp")));
        std::fs::write(&aside, text)
            .and_then(|()| std::fs::rename(&aside, &path))
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}
