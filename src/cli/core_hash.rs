//! The identity of what is checked: one hash of the sources of the core and its host. The build
//! script computes it too.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Where the sources of the core and of its host are. (At commits before the host was a crate there
/// is the core alone.)
pub(crate) const CHECKED: [&str; 2] = ["src/zab/src", "src/host/src"];

/// SHA-256 of sources, in hexadecimal: for each file in the order of their paths, the path from the
/// root of the tree with `/` between, a zero byte, the length in 8 bytes, big-endian, and the
/// content.
pub(crate) fn of_files(mut files: Vec<(String, Vec<u8>)>) -> String {
    files.sort();
    let mut hash = Sha256::new();
    for (name, content) in files {
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update((content.len() as u64).to_be_bytes());
        hash.update(&content);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// [`of_files`] of all files in [`CHECKED`] of a source tree.
pub(crate) fn of_tree(root: &Path) -> io::Result<String> {
    let mut paths = Vec::new();
    for checked in CHECKED {
        collect(&root.join(checked), &mut paths)?;
    }
    let name = |path: &Path| -> String {
        let below = path.strip_prefix(root).unwrap_or(path);
        let parts = below.iter().map(|part| part.to_string_lossy().into_owned());
        parts.collect::<Vec<_>>().join("/")
    };
    let files = paths.iter().map(|path| Ok((name(path), fs::read(path)?)));
    Ok(of_files(files.collect::<io::Result<_>>()?))
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() { collect(&path, files)? } else { files.push(path) }
    }
    Ok(())
}
