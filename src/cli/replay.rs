//! `vivarium replay`.

use super::context::Context;
use clap::Args;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  vivarium replay vivarium-check/Q1-Z3.json
  vivarium replay runs/*.json

Every step of a trace is run through the deployed core, and every property is checked after it. A
counterexample that still occurs is a violated property, so its status is 1.

Exit status:
  0    every trace is accepted and violates no property
  1    a property is violated, or a trace is refused: what it records is not possible
  2    usage error: a file cannot be read";

/// Run recorded traces against the core and the properties
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReplayArgs {
    /// Trace files, as `check` writes them
    #[arg(required = true, value_name = "TRACE")]
    traces: Vec<PathBuf>,
}

/// Runs `replay`.
pub(crate) fn run(arguments: &ReplayArgs, mut context: Context<'_>) -> u8 {
    model::report::replay(&context.registry, &arguments.traces, &mut context.console).code()
}
