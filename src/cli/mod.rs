//! The command line: arguments in, exit status out.

mod bench;
#[cfg(feature = "checker")]
mod bounds;
#[cfg(feature = "checker")]
mod check;
#[cfg(feature = "checker")]
mod checkout;
#[cfg(feature = "checker")]
mod context;
#[cfg(feature = "checker")]
mod core_hash;
mod data;
mod ensemble;
#[cfg(feature = "checker")]
mod evidence;
#[cfg(feature = "checker")]
mod explore;
#[cfg(feature = "checker")]
mod history;
#[cfg(feature = "checker")]
mod replay;
mod server;
mod shell;
#[cfg(feature = "checker")]
mod simulate;
mod stop;

use clap::{Parser, Subcommand};
#[cfg(feature = "checker")]
pub(crate) use context::Context;
use std::ffi::OsString;

#[cfg(feature = "checker")]
const AFTER_HELP: &str = "\
Exit status: 0 only when what was asked for holds; 1 when a property is violated or not reached, or a
trace is refused; 2 for a usage error; 3 when it is undecided: a run is incomplete, or was interrupted.";

#[cfg(not(feature = "checker"))]
const AFTER_HELP: &str = "\
This build leaves the model checker out (it was built without the cargo feature `checker`), so the
commands `check`, `explore`, `replay`, `history`, `simulate` and `evidence` are absent.";

/// A ZooKeeper-compatible coordination service whose consensus core is exhaustively model-checked.
#[derive(Parser)]
#[command(name = "vivarium", version = VERSION, after_help = AFTER_HELP, max_term_width = 100)]
#[command(arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Ensemble(ensemble::EnsembleArgs),
    Server(server::ServerArgs),
    Bench(bench::BenchArgs),
    Cli(shell::ShellArgs),
    Data(data::DataArgs),
    #[cfg(feature = "checker")]
    Check(check::CheckArgs),
    #[cfg(feature = "checker")]
    Explore(explore::ExploreArgs),
    #[cfg(feature = "checker")]
    Replay(replay::ReplayArgs),
    #[cfg(feature = "checker")]
    History(history::HistoryArgs),
    #[cfg(feature = "checker")]
    Simulate(simulate::SimulateArgs),
    #[cfg(feature = "checker")]
    Evidence(evidence::EvidenceArgs),
}

const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (commit ",
    env!("VIVARIUM_COMMIT"),
    ", core ",
    env!("VIVARIUM_CORE"),
    ")"
);

/// Runs the command line of this process with everything in this build; answers the exit status.
pub(crate) fn main() -> u8 {
    #[cfg(feature = "checker")]
    return Context::of_this_build(|context| run(std::env::args_os(), context));
    #[cfg(not(feature = "checker"))]
    return run(std::env::args_os(), ());
}

#[cfg(not(feature = "checker"))]
type Context = ();

/// Runs a command line. The context holds what a test replaces: models and outputs.
pub(crate) fn run(
    arguments: impl IntoIterator<Item = OsString>,
    #[cfg(feature = "checker")] context: Context<'_>,
    #[cfg(not(feature = "checker"))] _context: Context,
) -> u8 {
    let arguments = shell::with_two_dashes(arguments.into_iter().collect());
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers (0, standard output), anything else is an error (2).
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(2);
        }
    };
    match cli.command {
        Command::Ensemble(arguments) => ensemble::run(&arguments),
        Command::Server(arguments) => server::run(arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Cli(arguments) => shell::run(arguments),
        Command::Data(arguments) => data::run(arguments),
        #[cfg(feature = "checker")]
        Command::Check(arguments) => check::run(arguments, context),
        #[cfg(feature = "checker")]
        Command::Explore(arguments) => explore::run(&arguments, context),
        #[cfg(feature = "checker")]
        Command::Replay(arguments) => replay::run(&arguments, context),
        #[cfg(feature = "checker")]
        Command::History(arguments) => history::run(&arguments, context),
        #[cfg(feature = "checker")]
        Command::Simulate(arguments) => simulate::run(&arguments, context),
        #[cfg(feature = "checker")]
        Command::Evidence(arguments) => evidence::run(&arguments, context),
    }
}
