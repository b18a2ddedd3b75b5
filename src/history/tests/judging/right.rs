//! Histories of a right ensemble are accepted.

use history::record::Record;
use history::{History, Verdict};

use crate::world::{Shape, right};

fn accepted(history: &History, seed: u64) -> history::Report {
    let report = history.check().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    assert_eq!(report.violations_total, 0, "seed {seed}:\n{report}");
    report
}

/// A hundred worlds of some thousand operations each; over all of them, everything that is
/// checked occurs.
#[test]
fn what_a_right_ensemble_does_is_accepted() {
    let mut total = std::collections::BTreeMap::new();
    for seed in 0..100 {
        let report = accepted(&right(Shape::of(seed)), seed);
        assert_eq!(report.verdict(), Verdict::Holds, "seed {seed}");
        for (name, count) in report.counts.all() {
            *total.entry(name).or_insert(0) += count;
        }
    }
    for (name, count) in &total {
        println!("{count:>10} {name}");
        let never = ["undecided", "refused"];
        assert_eq!(*count == 0, never.contains(name), "{name}: {count}");
    }
}

#[test]
fn what_it_does_under_any_seed_is_accepted() {
    fn holds(seed: u64) -> bool {
        accepted(&right(Shape::of(seed)), seed).verdict() == Verdict::Holds
    }
    quickcheck::QuickCheck::new().tests(20).quickcheck(holds as fn(u64) -> bool);
}

/// Without its log the same history breaks nothing either; what it leaves open is counted.
#[test]
fn without_the_log_it_is_accepted_as_far_as_it_can_be_decided() {
    let mut undecided = 0;
    for seed in 0..100 {
        let report = accepted(&without_log(right(Shape::of(seed))), seed);
        undecided += report.counts.undecided;
    }
    assert!(undecided > 0);
}

/// If no outcome is unknown, no log is needed, but to know how long the sessions live that are
/// there at the end.
#[test]
fn without_faults_most_is_decided_without_a_log() {
    let (mut reads, mut undecided) = (0, 0);
    for seed in 0..30 {
        let shape = Shape { faults: false, ..Shape::of(seed) };
        let report = accepted(&without_log(right(shape)), seed);
        reads += report.counts.reads;
        undecided += report.counts.undecided;
    }
    assert!(undecided * 5 < reads, "{undecided} undecided, {reads} reads");
}

/// A history is the same when it has been text.
#[test]
fn text_keeps_everything() {
    let history = right(Shape::of(5));
    let mut text = Vec::new();
    history.write(&mut text).unwrap();
    let mut again = History::new();
    again.read(text.as_slice()).unwrap();
    assert_eq!(history, again);
}

fn without_log(mut history: History) -> History {
    history.records.retain(|record| !matches!(record, Record::Transaction(_)));
    history
}
