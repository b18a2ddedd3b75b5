//! Runs of the simulated world.

use std::collections::BTreeSet;

use sim::{Fault, Line, Options, Outcome, run};

fn right(seed: u64) -> Outcome {
    let outcome = run(&Options::new(seed), false);
    assert_eq!(outcome.failure, None, "seed {seed}: {}", outcome.plan);
    outcome
}

#[test]
fn runs_of_forty_seeds_are_right_and_reach_most_situations() {
    let mut marks = BTreeSet::new();
    let (mut answers, mut transactions) = (0, 0);
    for seed in 1..=40 {
        let outcome = right(seed);
        marks.extend(outcome.marks);
        answers += outcome.answers;
        transactions += outcome.transactions;
    }
    assert!(answers > 10_000 && transactions > 5_000, "{answers} answers, {transactions}");
    let known: BTreeSet<_> = sim::marks::ALL.into_iter().collect();
    let missing: Vec<_> = known.difference(&marks).collect();
    assert!(missing.len() < 4, "not reached: {missing:?}");
}

#[test]
fn the_same_options_make_the_same_run() {
    for seed in [3, 9, 58] {
        let [first, second] = [false, true].map(|tells| run(&Options::new(seed), tells));
        assert_eq!(first.digest, second.digest, "seed {seed}");
        assert_eq!(first.events, second.events);
        assert!(first.story.is_empty() && !second.story.is_empty());
    }
    assert_ne!(run(&Options::new(3), false).digest, run(&Options::new(4), false).digest);
}

#[test]
fn a_run_without_faults_has_none() {
    let options = Options { without: Fault::ALL.to_vec(), ..Options::new(5) };
    let outcome = run(&options, true);
    assert_eq!(outcome.failure, None);
    let is_fault = |line: &&Line| {
        ["killed", "stopped", "loses power", "stands still", "breaks", "are cut"]
            .iter()
            .any(|fault| line.text.contains(fault))
    };
    assert_eq!(outcome.story.iter().find(is_fault), None);
    assert!(outcome.marks.contains("a sync is confirmed"), "{:?}", outcome.marks);
}
