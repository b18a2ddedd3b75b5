//! Calling the command line with a model made for tests.

use crate::{cli, ring};
use checker::{BuildInfo, CheckableModel, Console, FlawRunner, ProgressMode, Record};
use std::path::{Path, PathBuf};

/// Exit status, standard output, standard error.
pub(crate) type Answer = (u8, String, String);

/// Runs a command line with the ring as the only model.
pub(crate) fn vivarium(arguments: &[&str]) -> Answer {
    vivarium_with(arguments, None)
}

pub(crate) fn vivarium_with(arguments: &[&str], flaws: Option<Box<dyn FlawRunner>>) -> Answer {
    run(arguments, ring::registry(), flaws)
}

/// Runs a command line with the ring twice, to have several models.
pub(crate) fn vivarium_twice(arguments: &[&str]) -> Answer {
    let twice = ring::registry().into_iter().chain(ring::registry());
    run(arguments, twice.collect(), None)
}

fn run(
    arguments: &[&str],
    registry: Vec<Box<dyn CheckableModel>>,
    flaws: Option<Box<dyn FlawRunner>>,
) -> Answer {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let console = Console { out: &mut out, err: &mut err, progress: ProgressMode::Lines };
    let build = BuildInfo {
        commit: "0123abc-dirty".into(),
        rustc: "rustc 1.95.0".into(),
        version: "0.1.0".into(),
    };
    let context = cli::Context { registry, flaws, console, build };
    let words = std::iter::once("vivarium").chain(arguments.iter().copied());
    let status = cli::run(words.map(Into::into), context);
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status, text(out), text(err))
}

/// An empty directory of this test's own.
pub(crate) fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("checker_cli").join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).expect("build directory is writable");
    path
}

pub(crate) fn records(path: &Path) -> Vec<Record> {
    let text = std::fs::read_to_string(path).expect("records were written");
    serde_json::from_str(&text).expect("records can be read")
}
