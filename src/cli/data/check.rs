//! `vivarium data check`: what a server would find at its start.

use std::path::Path;

use clap::Args;
use store::{Overlay, Store};

use super::{Failure, Place};

#[derive(Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(arguments: &CheckArgs) -> Result<(), Failure> {
    let (data_dir, log_dir, settings) = arguments.place.open()?;
    println!("{}", checked(&data_dir, &log_dir, &settings)?);
    Ok(())
}

/// Opens a directory as a server would, with all that it would repair in memory alone: snapshot,
/// log, epochs, and every digest on the way.
pub(super) fn checked(
    data_dir: &Path,
    log_dir: &Path,
    settings: &node::Settings,
) -> Result<String, Failure> {
    let found = Store::open_on(Overlay::default(), data_dir, log_dir, store::Options::default());
    let (store, recovered) = found?;
    let snapshot =
        recovered.snapshot.as_ref().map(|snapshot| snapshot.path().display().to_string());
    let mut said = vec![
        format!("snapshot      {}", snapshot.unwrap_or_else(|| "none".to_owned())),
        format!("behind it     {} transactions", recovered.log.len()),
        format!("last          0x{:x}", recovered.last()),
        format!("acceptedEpoch {}", recovered.accepted),
        format!("currentEpoch  {}", recovered.current),
    ];
    said.extend(recovered.repairs.iter().map(|repair| format!("would repair  {repair}")));
    let begun = node::begin(store, recovered, settings, 0);
    let (_, beginning) = begun.map_err(|error| Failure::Found(error.to_string()))?;
    let tree = &beginning.tree;
    said.push(format!(
        "snapshot has  {} nodes, {} sessions",
        tree.node_count(),
        tree.sessions().len()
    ));
    said.push("in order".to_owned());
    Ok(said.join("\n"))
}
