//! Build script: tells the binary which commit and compiler it was built from, and what its
//! consensus core is.
//!
//! Never fails: outside a git checkout, or in a copy of the sources that lies in the checkout of
//! something else, the commit is `unknown`.

use std::path::Path;
use std::process::Command;

mod core_hash;

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
    let core = core_hash::of_tree(Path::new(""));
    println!("cargo::rustc-env=VIVARIUM_COMMIT={}", commit().unwrap_or("unknown".to_owned()));
    println!("cargo::rustc-env=VIVARIUM_DATE={}", date().unwrap_or(NO_DATE.to_owned()));
    println!("cargo::rustc-env=VIVARIUM_CORE={}", core.unwrap_or("unknown".to_owned()));
    println!("cargo::rustc-env=VIVARIUM_RUSTC={}", rustc.unwrap_or("unknown".to_owned()));
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

/// Where no commit is known.
const NO_DATE: &str = "1970-01-01 00:00 UTC";

/// When the commit was made, as ZooKeeper's versions say when they were built: two builds of one
/// commit are the same.
fn date() -> Option<String> {
    commit()?;
    git(&["show", "-s", "--date=format-local:%Y-%m-%d %H:%M UTC", "--format=%cd", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    command.arg("--no-optional-locks").args(arguments).env("TZ", "UTC");
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
