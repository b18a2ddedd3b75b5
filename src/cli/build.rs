//! Build script: tells the binary which commit and compiler it was built from, and what its consensus core is.
//!
//! Never fails: outside a git checkout, or in a copy of the sources that lies in the checkout of
//! something else, the commit is `unknown`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

/// What the binary is made of. A change elsewhere, in a document say, does not make a build dirty.
const SOURCES: [&str; 4] = ["Cargo.toml", "Cargo.lock", "src", "model"];

fn main() {
    for path in SOURCES {
        println!("cargo::rerun-if-changed={path}");
    }
    // Written on every commit, checkout and reset; absent where git keeps no log.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"])
        && Path::new(&log).exists()
    {
        println!("cargo::rerun-if-changed={log}");
    }
    let rustc = std::env::var("RUSTC").ok();
    let rustc = rustc.and_then(|rustc| output(Command::new(rustc).arg("--version")));
    println!("cargo::rustc-env=VIVARIUM_COMMIT={}", commit().unwrap_or("unknown".to_owned()));
    println!("cargo::rustc-env=VIVARIUM_CORE={}", core().unwrap_or("unknown".to_owned()));
    println!("cargo::rustc-env=VIVARIUM_RUSTC={}", rustc.unwrap_or("unknown".to_owned()));
}

/// SHA-256 of the sources of `zab`, in hexadecimal: for each file of `src/zab/src` in the order of their paths, the path below it
/// with `/` between, a zero byte, the length in 8 bytes, big-endian, and the content.
fn core() -> std::io::Result<String> {
    let root = Path::new("src/zab/src");
    let mut files = Vec::new();
    collect(root, &mut files)?;
    let name = |path: &Path| -> String {
        let below = path.strip_prefix(root).unwrap_or(path);
        let parts = below.iter().map(|part| part.to_string_lossy().into_owned());
        parts.collect::<Vec<_>>().join("/")
    };
    let mut files: Vec<_> = files.into_iter().map(|path| (name(&path), path)).collect();
    files.sort();
    let mut hash = Sha256::new();
    for (name, path) in files {
        let content = fs::read(path)?;
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update((content.len() as u64).to_be_bytes());
        hash.update(&content);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() { collect(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

/// The commit checked out here, with `-dirty` if a source differs from it.
fn commit() -> Option<String> {
    let top = git(&["rev-parse", "--show-toplevel"])?;
    let here = std::env::var("CARGO_MANIFEST_DIR").ok()?;
    if Path::new(&top).canonicalize().ok()? != Path::new(&here).canonicalize().ok()? {
        return None;
    }
    let hash = git(&["rev-parse", "HEAD"])?;
    let mut status = vec!["status", "--porcelain", "--"];
    status.extend(SOURCES);
    let dirty = if git(&status)?.is_empty() { "" } else { "-dirty" };
    Some(format!("{hash}{dirty}"))
}

fn git(arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    command.arg("--no-optional-locks").args(arguments);
    // A build started from a git hook must not look at the repository of the hook.
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(variable);
    }
    output(&mut command)
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
