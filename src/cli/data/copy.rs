//! `vivarium data backup` and `restore`.

use std::path::{Path, PathBuf};

use clap::Args;
use store::Copied;

use super::{Failure, Place, check, zxid};

#[derive(Args)]
pub(super) struct BackupArgs {
    #[command(flatten)]
    place: Place,
    /// A directory that is made, or is empty
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

#[derive(Args)]
pub(super) struct RestoreArgs {
    #[command(flatten)]
    place: Place,
    /// A directory that is made, or is empty
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// The last transaction that the copy has, in hexadecimal
    #[arg(long, value_name = "ZXID", value_parser = zxid)]
    to_zxid: u64,
}

pub(super) fn backup(arguments: &BackupArgs) -> Result<(), Failure> {
    let copied = copied(&arguments.place, &arguments.to, None)?;
    println!("copied up to 0x{:x}", copied.last);
    Ok(())
}

pub(super) fn restore(arguments: &RestoreArgs) -> Result<(), Failure> {
    let copied = copied(&arguments.place, &arguments.to, Some(arguments.to_zxid))?;
    if copied.last < arguments.to_zxid {
        println!("the last transaction before 0x{:x} is 0x{:x}", arguments.to_zxid, copied.last);
    }
    println!("restored up to 0x{:x}", copied.last);
    Ok(())
}

/// Copies, and opens the copy as a server would. One that is not in order is left for whoever wants
/// to look at it.
fn copied(place: &Place, to: &Path, until: Option<u64>) -> Result<Copied, Failure> {
    let (data_dir, log_dir, settings) = place.open()?;
    let is_empty = std::fs::read_dir(to).map_or(true, |mut entries| entries.next().is_none());
    if !is_empty {
        return Err(Failure::Usage(format!("{}: it is not empty", to.display())));
    }
    let copied = store::copy(&data_dir, &log_dir, to, until)?;
    println!("{}", check::checked(to, to, &settings)?);
    Ok(copied)
}
