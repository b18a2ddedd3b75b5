//! `vivarium data`: looking at the files of a server, and copying them.

mod check;
mod compare;
mod copy;
mod dump;
mod show;

use std::path::PathBuf;

use clap::{Args, Subcommand};

const EXAMPLES: &str = "\
Examples:
  vivarium data dump /var/lib/zookeeper/version-2/log.100000001
  vivarium data dump --json snapshot.1a > nodes.jsonl
  vivarium data check /etc/zookeeper/zoo.cfg
  vivarium data compare before/version-2/snapshot.1a after/version-2/snapshot.2f
  vivarium data backup /var/lib/zookeeper --to /backup/monday
  vivarium data restore /backup/monday --to /var/lib/restored --to-zxid 0x10000002a

Nothing here writes into a directory that a server has: copies go to a directory that is made for
them. dump, compare and backup read files that are in use, check wants the server to be stopped.

A restored directory is for all members of an ensemble, each with its own myid, and none of them
may run: a member that has lost transactions which the others have acknowledged must not vote.

Exit status:
  0    as asked; compare: the two hold the same
  1    damaged, or not as asked; compare: they differ
  2    usage error: no such file or directory";

/// Look at the files of a server (logs, snapshots), check them, copy them, restore an earlier state
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Subcommand)]
enum DataCommand {
    /// What logs and snapshots hold, as text or JSON lines
    Dump(dump::DumpArgs),
    /// What a server would find at its start, without changing anything
    Check(check::CheckArgs),
    /// Which sessions and nodes differ between two snapshots
    Compare(compare::CompareArgs),
    /// A copy of a server's data, which may be in use
    Backup(copy::BackupArgs),
    /// A copy without the transactions behind one
    Restore(copy::RestoreArgs),
}

/// Where a server's files are.
#[derive(Args)]
struct Place {
    /// The dataDir of a server, or its zoo.cfg
    #[arg(value_name = "DIR|ZOO.CFG")]
    place: PathBuf,
    /// Its dataLogDir, if that is another directory
    #[arg(long, value_name = "DIR")]
    log_dir: Option<PathBuf>,
}

impl Place {
    /// dataDir, dataLogDir, and what a server knows of its configuration.
    fn open(&self) -> Result<(PathBuf, PathBuf, node::Settings), Failure> {
        if self.place.is_file() {
            let config = server::Config::from_file(&self.place)
                .map_err(|error| Failure::Usage(format!("{}: {error}", self.place.display())))?;
            let settings = config.settings();
            let log_dir = self.log_dir.clone().unwrap_or(config.data_log_dir);
            return Ok((config.data_dir, log_dir, settings));
        }
        if !self.place.join("version-2").is_dir() {
            let place = self.place.display();
            return Err(Failure::Usage(format!("{place}: there is no version-2 in it")));
        }
        let mut settings = node::Settings::alone(zab::Sid(1));
        // An id of a session begins with a server's, which is 255 nowhere where this is not on.
        settings.tree.extended_types = true;
        let log_dir = self.log_dir.clone().unwrap_or_else(|| self.place.clone());
        Ok((self.place.clone(), log_dir, settings))
    }
}

/// Why something was not done.
enum Failure {
    /// What was asked cannot be.
    Usage(String),
    /// The files are not in order, or differ.
    Found(String),
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        Self::Found(error.to_string())
    }
}

/// Runs `data`.
pub(crate) fn run(arguments: DataArgs) -> u8 {
    let done = match arguments.command {
        DataCommand::Dump(arguments) => dump::run(&arguments),
        DataCommand::Check(arguments) => check::run(&arguments),
        DataCommand::Compare(arguments) => compare::run(&arguments),
        DataCommand::Backup(arguments) => copy::backup(&arguments),
        DataCommand::Restore(arguments) => copy::restore(&arguments),
    };
    match done {
        Ok(()) => 0,
        Err(Failure::Found(why)) => {
            eprintln!("error: {why}");
            1
        }
        Err(Failure::Usage(why)) => {
            eprintln!("error: {why}");
            2
        }
    }
}

/// A zxid as people write it: hexadecimal, with or without 0x.
fn zxid(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u64::from_str_radix(digits, 16)
        .map_err(|_| format!("found `{text}`, allowed: a zxid in hexadecimal, as in 0x10000002a"))
}
