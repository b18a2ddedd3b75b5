//! `vivarium check`.

use super::bounds::BoundArgs;
use super::checkout;
use super::context::Context;
use super::stop::stop_flag;
use checker::{AbstractRuns, CheckOptions, CheckRequest, Engine, FlawRequest, Tier};
use clap::{Args, ValueEnum};
use std::num::NonZeroUsize;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  vivarium check                                  every model of the quick tier, about a minute
  vivarium check --list                           models, properties and their sources, bounds
  vivarium check broadcast-1 --tier standard               one model with the bounds of a tier
  vivarium check broadcast-1 --servers 3 --txns 2 --crashes 1 --json q1.json
  vivarium check all --tier standard --json runs.json --threads 8
  vivarium check broadcast-1 --abstract-runs runs && proofs/build/check_trace runs/*.trace
                                                  some of its runs through the proved trace checker
  vivarium check --flaws                          every seeded flaw must be caught; needs a clone of Vivarium

A run is complete when every state within its bounds was visited; nothing is pruned. A violated
property is told as a story and written to the directory given by --out: MODEL-PROPERTY.json for
`vivarium replay`, .html for a browser, .txt as printed.

Ctrl-C ends a run and prints what it covered; pressed twice, it ends at once.

A property whose precondition never occurred within the bounds is vacuous: it does not count as one that
holds, and is no failure.

Exit status:
  0    every model ran to completion, and no property is violated (every `sometimes` is reached)
  1    a property is violated or not reached, or a seeded flaw not caught
  2    usage error: unknown model, bound, a value out of range, no source tree, a file that cannot be written
  3    undecided: a run is incomplete, or was interrupted";

/// Check models exhaustively within bounds
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CheckArgs {
    /// The model to check, or `all` for every model of the tier
    #[arg(default_value = "all", hide_default_value = true)]
    model: String,
    /// Which bounds to use [default: quick for `all`, else the cheapest in which the model runs]
    #[arg(long)]
    tier: Option<TierArg>,
    /// Write one JSON record per model, as an array, to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Directory for counterexamples
    #[arg(long, value_name = "DIR", default_value = "vivarium-check")]
    out: PathBuf,
    /// Write runs of each model that is compared with abstract Zab, for `proofs/build/check_trace`
    #[arg(long, value_name = "DIR")]
    abstract_runs: Option<PathBuf>,
    /// How many runs of each model
    #[arg(long, value_name = "N", default_value_t = 100, requires = "abstract_runs")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=100_000))]
    runs: u64,
    /// Worker threads [default: one per processor]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Stop, as incomplete, after this many distinct states
    #[arg(long, value_name = "N")]
    max_states: Option<u64>,
    /// Which search to use
    #[arg(long, default_value = "own")]
    engine: EngineArg,
    /// List the models with their properties and bounds, and check nothing
    #[arg(long, exclusive = true)]
    list: bool,
    /// Check that the seeded flaws are caught: those named, or all
    #[arg(long, value_name = "NAME", num_args = 0..)]
    #[arg(conflicts_with_all = ["model", "tier", "json", "max_states", "engine", "abstract_runs", "BoundArgs"])]
    flaws: Option<Vec<String>>,
    /// The source tree to build seeded flaws from
    /// [default: the current directory, or the nearest above it that is one]
    #[arg(long, value_name = "DIR", requires = "flaws")]
    repo: Option<PathBuf>,
    #[command(flatten)]
    bounds: BoundArgs,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum TierArg {
    /// All models in a minute
    Quick,
    /// All models in a quarter of an hour
    Standard,
    /// Hours
    Deep,
}

impl From<TierArg> for Tier {
    fn from(tier: TierArg) -> Self {
        match tier {
            TierArg::Quick => Self::Quick,
            TierArg::Standard => Self::Standard,
            TierArg::Deep => Self::Deep,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum EngineArg {
    /// The search of this repository
    Own,
    /// Stateright's, the reference that must agree on counts
    Stateright,
}

impl From<EngineArg> for Engine {
    fn from(engine: EngineArg) -> Self {
        match engine {
            EngineArg::Own => Self::Own,
            EngineArg::Stateright => Self::Stateright,
        }
    }
}

/// Runs `check`.
pub(crate) fn run(arguments: CheckArgs, mut context: Context<'_>) -> u8 {
    if arguments.list {
        let list = checker::list_text(&context.registry);
        let _ = context.console.out.write_all(list.as_bytes());
        return 0;
    }
    let processors = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = arguments.threads.map_or_else(processors, NonZeroUsize::get);
    let stop = stop_flag();
    if let Some(names) = arguments.flaws {
        let Some(runner) = &context.flaws else {
            let _ =
                writeln!(context.console.err, "error: this build has no runner of seeded flaws");
            return 2;
        };
        let found = checkout::find(arguments.repo.as_deref(), "seeded flaws are built");
        let repo = match found {
            Ok(repo) => repo,
            Err(error) => {
                let _ = writeln!(context.console.err, "error: {error}");
                return 2;
            }
        };
        let request = FlawRequest { names, threads, repo, out: arguments.out, stop };
        return checker::run_flaws(runner.as_ref(), &request, &mut context.console).code();
    }
    let request = CheckRequest {
        model: arguments.model,
        tier: arguments.tier.map(Tier::from),
        overrides: arguments.bounds.given(),
        json: arguments.json,
        out: arguments.out,
        abstract_runs: arguments
            .abstract_runs
            .map(|directory| AbstractRuns { directory, number: arguments.runs }),
        options: CheckOptions {
            threads,
            max_states: arguments.max_states,
            engine: arguments.engine.into(),
            stop,
        },
    };
    let console = &mut context.console;
    checker::check(&context.registry, &request, &context.build, console).code()
}
