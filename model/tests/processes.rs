//! Two processes that find the same set of states say so: fingerprints are of content.

use std::process::Command;

use checker::{CheckOptions, Completion, Engine};
use model::registry;

/// A small run of each kind of model.
const RUNS: [(&str, &[(&str, u64)]); 6] = [
    ("broadcast-1", &[("servers", 3), ("txns", 1), ("leaderships", 1), ("timeouts", 0)]),
    ("sync-reads-2", &[("ops", 2), ("moves", 1)]),
    ("whole-0", &[("txns", 0), ("leaderships", 1), ("timeouts", 0), ("elections", 1)]),
    ("election-4", &[("crashes", 0), ("faults", 1)]),
    ("abstract-3", &[]),
    ("one-server-1", &[("epochs", 1), ("lag", 1), ("crashes", 0), ("disks", 1)]),
];

fn digest(name: &str, changes: &[(&str, u64)], threads: usize) -> String {
    let mut known = registry().into_iter();
    let model = known.find(|model| model.info().name == name).expect("a registered model");
    let mut bounds = model.info().cheapest().bounds.clone();
    for &(bound, value) in changes {
        bounds.set(bound, value);
    }
    let opts =
        CheckOptions { threads, max_states: None, engine: Engine::Own, stop: Default::default() };
    let verdict = model.check(&bounds, &opts, &|_| {});
    assert_eq!(verdict.completion, Completion::Complete, "{name}");
    let digest = verdict.digest.expect("the own search has one");
    format!("digest of {name}: {digest:032x}")
}

/// Not a test of its own: what the other process does.
#[test]
#[ignore = "called by two_processes_agree_on_every_set_of_states"]
fn tell_the_digests() {
    for (name, changes) in RUNS {
        println!("{}", digest(name, changes, 2));
    }
}

#[test]
fn two_processes_agree_on_every_set_of_states() {
    let this = std::env::current_exe().expect("a test is a program");
    let other = Command::new(this)
        .args(["--exact", "tell_the_digests", "--ignored", "--nocapture"])
        .output()
        .expect("it starts again");
    let said = String::from_utf8_lossy(&other.stdout);
    let said: Vec<&str> = said.lines().filter(|line| line.starts_with("digest of")).collect();
    assert_eq!(said, RUNS.map(|(name, changes)| digest(name, changes, 1)));
}
