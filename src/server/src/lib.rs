//! The shell around the core: sockets, timers, the disk thread, sessions.

mod config;
mod events;

pub use config::{
    ClientAddress, Config, ConfigError, DirSizes, FourLetterWords, Member, SnapshotCompression,
};
pub use events::{Event, Events};

/// What a server is started with beside its configuration.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where its events go.
    pub events: Events,
}

/// Why a server ended that was not asked to.
#[derive(thiserror::Error, Debug)]
#[error("the server is not part of this build")]
pub struct Error(());

/// Runs a server until SIGINT or SIGTERM.
///
/// # Errors
///
/// Always: the server is not part of this build.
pub fn run(_config: Config, _options: Options) -> Result<(), Error> {
    Err(Error(()))
}
