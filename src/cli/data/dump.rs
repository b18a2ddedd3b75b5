//! `vivarium data dump`. (ZooKeeper: `LogFormatter`, `TxnLogToolkit`, `SnapshotFormatter`.)

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use store::{FileKind, LogEnd};
use wire::jute::{Reader, Record};
use wire::txn::TxnBlob;

use super::{Failure, show};

#[derive(Args)]
pub(super) struct DumpArgs {
    /// Logs and snapshots, compressed or not
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// One JSON object a line; data in base64
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &DumpArgs) -> Result<(), Failure> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut damage = None;
    for path in &arguments.files {
        if !path.is_file() {
            return Err(Failure::Usage(format!("{}: there is no such file", path.display())));
        }
        let dumped = match FileKind::of(path)? {
            FileKind::Log => log(path, arguments.json, &mut out),
            FileKind::Snapshot(compression) => {
                snapshot(path, compression, arguments.json, &mut out)
            }
        };
        // The other files are shown, too.
        match dumped {
            Ok(()) => {}
            Err(Stop::Damage(why)) => damage = damage.or(Some(why)),
            Err(Stop::NobodyReads) => return Ok(()),
        }
    }
    let _ = out.flush();
    damage.map_or(Ok(()), |why| Err(Failure::Found(why)))
}

/// Why a file was not shown to its end.
enum Stop {
    Damage(String),
    NobodyReads,
}

impl From<store::Error> for Stop {
    fn from(error: store::Error) -> Self {
        Self::Damage(error.to_string())
    }
}

fn say(value: &Value, as_json: bool, out: &mut impl Write) -> io::Result<()> {
    if as_json { writeln!(out, "{value}") } else { writeln!(out, "{}", show::line(value)) }
}

fn log(path: &Path, as_json: bool, out: &mut impl Write) -> Result<(), Stop> {
    let (mut is_read, mut records) = (true, 0_u64);
    let end = store::read_log(path, |record| {
        let limit = record.blob.len();
        let decoded = TxnBlob::decode(&mut Reader::with_limit(&record.blob, limit));
        let value = match decoded {
            Ok(txn) => show::transaction(&txn),
            Err(error) => json!({
                "zxid": format!("0x{:x}", record.zxid), "type": "unreadable",
                "offset": record.offset, "why": error.to_string()
            }),
        };
        records += 1;
        is_read = say(&value, as_json, out).is_ok();
        is_read
    })?;
    if !is_read {
        return Err(Stop::NobodyReads);
    }
    let name = path.display();
    match end {
        LogEnd::Clean => eprintln!("{name}: {records} transactions"),
        LogEnd::Torn { offset, why } => eprintln!(
            "{name}: {records} transactions, and the remains of one at offset {offset}, as a crash \
             leaves them ({why})"
        ),
        LogEnd::Damaged { offset, why } => {
            return Err(Stop::Damage(format!("{name}: offset {offset}: {why}")));
        }
    }
    Ok(())
}

fn snapshot(
    path: &Path,
    compression: store::Compression,
    as_json: bool,
    out: &mut impl Write,
) -> Result<(), Stop> {
    let mut items = store::read_snapshot(path, compression)?;
    let mut count = 0_u64;
    for item in &mut items {
        say(&show::item(&item?), as_json, out).map_err(|_| Stop::NobodyReads)?;
        count += 1;
    }
    let tail = items.tail();
    let digest = tail
        .digest
        .map(|digest| format!("; digest 0x{:x} of the tree at 0x{:x}", digest.tree, digest.zxid));
    let last = tail.last_zxid.map(|last| format!("; last transaction 0x{last:x}"));
    eprintln!(
        "{}: {count} sessions, ACLs and nodes, sealed{}{}",
        path.display(),
        digest.unwrap_or_default(),
        last.unwrap_or_default()
    );
    Ok(())
}
