//! What a command works with.

use checker::{BuildInfo, CheckableModel, Console, FlawRunner, ProgressMode};
use std::io::IsTerminal;

/// Models, outputs, and the flag that Ctrl-C sets.
pub(crate) struct Context<'a> {
    /// Every model.
    pub(crate) registry: Vec<Box<dyn CheckableModel>>,
    /// The runner of seeded flaws, if there is one.
    pub(crate) flaws: Option<Box<dyn FlawRunner>>,
    /// Where results and progress go.
    pub(crate) console: Console<'a>,
    /// Which build this is.
    pub(crate) build: BuildInfo,
}

impl Context<'_> {
    /// Calls `run` with the models of this build and the outputs of this process.
    pub(crate) fn of_this_build(run: impl FnOnce(Context<'_>) -> u8) -> u8 {
        let live = std::io::stderr().is_terminal();
        let progress = if live { ProgressMode::Live } else { ProgressMode::Lines };
        // Not locked: a worker that panics must be able to say so.
        run(Context {
            registry: model::registry(),
            flaws: model::flaw_runner(),
            console: Console { out: &mut std::io::stdout(), err: &mut std::io::stderr(), progress },
            build: this_build(),
        })
    }
}

/// The identity of this binary.
pub(crate) fn this_build() -> BuildInfo {
    BuildInfo {
        commit: env!("VIVARIUM_COMMIT").to_owned(),
        rustc: env!("VIVARIUM_RUSTC").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}
