//! `vivarium server`.

use clap::{Args, ValueEnum};
use server::{Config, Events, Options, SystemProperty};
use std::io::Read;
use std::path::PathBuf;
use tracing::level_filters::LevelFilter;

const EXAMPLES: &str = "\
Examples:
  vivarium server /etc/zookeeper/conf/zoo.cfg
  vivarium server zoo.cfg --record /var/lib/vivarium/record --log debug
  vivarium server -Djava.security.auth.login.config=jaas.conf -Dzookeeper.skipACL=no zoo.cfg

CONFIG is ZooKeeper's zoo.cfg; which server of its server.N lines this is, the file myid in its dataDir says. Keys that
are not known or not acted upon are warnings by name; what would be unsafe to leave out (SASL
between servers, for example) is an error. One key is ours: vivarium.record=DIR, as --record.

The log goes to standard error. Ctrl-C (SIGINT) and SIGTERM stop the server in good order; kill -9 loses nothing
that was acknowledged.

Exit status:
  0    stopped as asked
  1    the server cannot go on: the reason is the last line of the log
  2    usage error: a wrong argument, a configuration that cannot be read or used";

/// Run one member of an ensemble, or a server alone, from a ZooKeeper configuration file
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServerArgs {
    /// ZooKeeper's configuration file
    config: PathBuf,
    /// Record what the host of the core is given and asks for into this directory, for `vivarium
    /// replay`
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Set a system property, as ZooKeeper's Java takes it; for a key of the file that ZooKeeper
    /// reads from there, `zookeeper.KEY`
    #[arg(short = 'D', value_name = "NAME=VALUE")]
    system: Vec<SystemProperty>,
    /// How much to log
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log: LogArg,
    /// Print events to standard output, one JSON object a line
    #[arg(long, hide = true)]
    events: bool,
    /// Stop when standard input is closed, as it is when the process that holds its other end dies
    #[arg(long, hide = true)]
    stop_with_stdin: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogArg {
    Error,
    Warn,
    /// Role changes, epochs, what learners are sent, refused connections: one line each
    Info,
    Debug,
    Trace,
}

impl From<LogArg> for LevelFilter {
    fn from(level: LogArg) -> Self {
        match level {
            LogArg::Error => Self::ERROR,
            LogArg::Warn => Self::WARN,
            LogArg::Info => Self::INFO,
            LogArg::Debug => Self::DEBUG,
            LogArg::Trace => Self::TRACE,
        }
    }
}

/// Runs `server`.
pub(crate) fn run(arguments: ServerArgs) -> u8 {
    let mut config = match Config::from_file_with(&arguments.config, &arguments.system) {
        Ok(config) => config,
        Err(error @ server::ConfigError::Read { .. }) => return fail(2, &error.to_string()),
        Err(error) => return fail(2, &format!("{}: {error}", arguments.config.display())),
    };
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(LevelFilter::from(arguments.log))
        .with_target(false)
        .init();
    for warning in &config.warnings {
        tracing::warn!("{}: {warning}", arguments.config.display());
    }
    config.record = arguments.record.or(config.record);
    let events = if arguments.events { Events::lines(std::io::stdout()) } else { Events::none() };
    if arguments.stop_with_stdin {
        std::thread::spawn(stop_when_stdin_closes);
    }
    let build = server::Build {
        commit: env!("VIVARIUM_COMMIT").to_owned(),
        date: env!("VIVARIUM_DATE").to_owned(),
        core: env!("VIVARIUM_CORE").to_owned(),
    };
    match server::run(config, Options { events, build }) {
        Ok(()) => 0,
        Err(error) => fail(1, &error.to_string()),
    }
}

fn stop_when_stdin_closes() {
    let mut ignored = [0; 64];
    while std::io::stdin().read(&mut ignored).is_ok_and(|read| read > 0) {}
    // The way out of a server is the same whoever wants it to stop.
    let _ = signal_hook::low_level::raise(signal_hook::consts::SIGTERM);
}

fn fail(status: u8, error: &str) -> u8 {
    eprintln!("error: {error}");
    status
}
