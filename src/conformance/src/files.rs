//! Which recordings are meant.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use recording::parse_file_name;
use zab::Sid;

use crate::checker::Checker;
use crate::refinement::Source;
use crate::report::Report;

/// Why nothing was checked.
#[derive(thiserror::Error, Debug)]
pub enum Misuse {
    /// A directory or a file.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file for the abstract run.
    #[error("cannot write {path}: {source}")]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A directory with nothing to check.
    #[error("{path} has no recording: no file in it is named s<server>-<number>.vtrace")]
    None {
        /// Which.
        path: PathBuf,
    },
    /// A file that cannot be placed.
    #[error("{path} is not named as a recording is, s<server>-<number>.vtrace")]
    Name {
        /// Which.
        path: PathBuf,
    },
    /// Two runs at once.
    #[error(
        "{one} and {other} are both number {number} of {server}: recordings of one run of one ensemble are checked together"
    )]
    Twice {
        /// One.
        one: PathBuf,
        /// And another.
        other: PathBuf,
        /// The server.
        server: Sid,
        /// Its start.
        number: u64,
    },
}

/// True if the path is one that [`check`] takes: a directory, or a file named `*.vtrace`.
pub fn is_recording(path: &Path) -> bool {
    path.is_dir() || path.extension().is_some_and(|extension| extension == "vtrace")
}

/// Replays recordings, and those in directories, and checks them together. `run` is a file for the
/// run of abstract Zab that they make, in the language of the proved trace checker.
///
/// # Errors
/// Something cannot be read, or is no recording of one run of one ensemble.
pub fn check<P: AsRef<Path>>(paths: &[P], run: Option<&Path>) -> Result<Report, Misuse> {
    let mut found = Vec::new();
    for path in paths {
        collect(path.as_ref(), &mut found)?;
    }
    found.sort();
    found.dedup();
    for pair in found.windows(2) {
        if let [(server, number, one), (other_server, other_number, other)] = pair
            && (server, number) == (other_server, other_number)
        {
            let (one, other) = (one.clone(), other.clone());
            return Err(Misuse::Twice { one, other, server: *server, number: *number });
        }
    }
    let mut checker = Checker::new();
    let open = |path: &Path| {
        File::open(path).map_err(|source| Misuse::Read { path: path.to_owned(), source })
    };
    for (server, number, path) in &found {
        checker.add(&path.display().to_string(), *server, *number, open(path)?);
    }
    let sources = found.iter().map(|(server, number, path)| {
        let (name, bytes) = (path.display().to_string(), open(path)?);
        Ok(Source { name, server: *server, number: *number, bytes })
    });
    let sources = sources.collect::<Result<_, _>>()?;
    let Some(path) = run else {
        // Nothing is written, so nothing can fail.
        let _ = checker.follow(sources, None);
        return Ok(checker.finish());
    };
    let failed = |source| Misuse::Write { path: path.to_owned(), source };
    let mut out = BufWriter::new(File::create(path).map_err(failed)?);
    checker.follow(sources, Some(&mut out)).and_then(|()| out.flush()).map_err(failed)?;
    Ok(checker.finish())
}

fn collect(path: &Path, found: &mut Vec<(Sid, u64, PathBuf)>) -> Result<(), Misuse> {
    let failed = |source| Misuse::Read { path: path.to_owned(), source };
    if !path.is_dir() {
        let named = path.file_name().and_then(|name| name.to_str()).and_then(parse_file_name);
        let Some((server, number)) = named else {
            return Err(Misuse::Name { path: path.to_owned() });
        };
        found.push((server, number, path.to_owned()));
        return Ok(());
    }
    let before = found.len();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if let Some((server, number)) = entry.file_name().to_str().and_then(parse_file_name) {
            found.push((server, number, entry.path()));
        }
    }
    if found.len() == before {
        return Err(Misuse::None { path: path.to_owned() });
    }
    Ok(())
}
