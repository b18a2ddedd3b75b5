//! Counts, pinned and compared with stateright's; what the properties catch; what the liveness pass
//! catches.

use std::sync::Arc;

use stateright::{Checker, Model as _};
use zab::{Epoch, Sid, Vote, Zxid};

use super::Ensemble;
use super::action::Act;
use super::limits::Limits;
use super::models;
use super::reference::Reference;
use super::tables::is_strict_total_order;
use crate::liveness::tests::Without;
use checker::{CheckOptions, Completion, Engine, Tier, TraceFile, Verdict};
use checker::{Entry, walk};
use search::calm::{Calms, Found, find};
use search::{Options, Outcome, explore};

const ALONE: Limits = Limits {
    servers: 3,
    observers: 0,
    joiners: 0,
    epochs: 1,
    zxids: 1,
    up_to_order: false,
    crashes: 0,
    timeouts: 0,
    faults: 0,
    resends: 0,
    breaks: 0,
    greetings: false,
};

fn run(limits: Limits) -> Outcome {
    let outcome = explore(&Ensemble::new(limits), &Options::default(), &mut |_| {});
    assert!(outcome.complete && outcome.violations.is_empty(), "{:?}", outcome.violations);
    outcome
}

fn live<S: Calms>(space: &S) -> Found {
    find(space, &Options::default(), &mut |_, _| {})
}

#[test]
fn counts_are_those_of_stateright() {
    for (limits, distinct, generated) in [
        (ALONE, 24_814, 97_937),
        (Limits { servers: 2, epochs: 2, zxids: 2, crashes: 1, faults: 1, ..ALONE }, 587, 996),
        (Limits { servers: 2, observers: 1, timeouts: 1, faults: 1, ..ALONE }, 58_904, 188_658),
        (Limits { joiners: 1, epochs: 2, crashes: 1, faults: 1, ..ALONE }, 6_586, 16_813),
    ] {
        let outcome = run(limits);
        let reference = Reference(Arc::new(Ensemble::new(limits)));
        let checker = reference.checker().spawn_bfs().join();
        assert_eq!(outcome.distinct, checker.unique_state_count() as u64, "{limits:?}");
        assert_eq!(outcome.generated, checker.state_count() as u64, "{limits:?}");
        assert_eq!((outcome.distinct, outcome.generated), (distinct, generated), "{limits:?}");
        for property in super::property::Property::ALL {
            assert!(checker.discovery(property.name()).is_none());
        }
    }
}

#[test]
fn beginnings_that_compare_the_same_way_count_the_same() {
    // 13 weak orders of three servers; each vector of two epochs and two zxids is like one of them.
    let all = Limits { epochs: 2, zxids: 2, ..ALONE };
    let some = Limits { up_to_order: true, ..all };
    assert_eq!((all.beginnings().len(), some.beginnings().len()), (64, 13));
    // Of 13, with their multiplicity: 4 vectors are all equal, 6 for each of the 6 orders with two
    // levels, and 4 for each of the 6 with three. Runs from different beginnings have no state in
    // common: servers remember theirs, or the leader's.
    let levels = |zxids| run(Limits { zxids, up_to_order: true, ..ALONE }).levels;
    let (one, two, three) = (levels(1), levels(2), levels(3));
    let whole = run(all).levels;
    for level in 0..6 {
        let (a, b, c) = (one[level], two[level] - one[level], three[level] - two[level]);
        assert_eq!(whole[level], 4 * a + 6 * b + 4 * c, "level {level}");
    }
}

/// The order of votes with the parenthesis missing, as it was before ZOOKEEPER-1419.
fn order_of_1419(new: &Vote, old: &Vote) -> bool {
    new.peer_epoch > old.peer_epoch
        || new.peer_epoch == old.peer_epoch && new.zxid > old.zxid
        || new.zxid == old.zxid && new.leader > old.leader
}

#[test]
fn an_order_that_goes_round_is_no_order() {
    let vote = |epoch, counter, sid| Vote {
        peer_epoch: Epoch(epoch),
        zxid: Zxid::new(Epoch(1), counter),
        leader: Sid(sid),
    };
    let votes: Vec<Vote> =
        (1..3).flat_map(|e| (1..3).flat_map(move |c| (1..4).map(move |s| vote(e, c, s)))).collect();
    assert!(is_strict_total_order(&votes, |a, b| a > b));
    assert!(!is_strict_total_order(&votes, order_of_1419));
    assert!(!is_strict_total_order(&votes, |a, b| a >= b));
    assert!(!is_strict_total_order(&votes, |a, b| a.zxid > b.zxid));
}

#[test]
fn elections_end() {
    let limits = Limits { servers: 2, epochs: 2, crashes: 1, timeouts: 1, faults: 2, ..ALONE };
    let found = live(&Ensemble::new(limits));
    assert!(found.fair.expect("both halves ran").holds());
}

/// What is taken away.
type Missing = (&'static str, fn(Act) -> bool);

#[test]
fn what_elections_need_to_end_is_missed_if_it_is_not_there() {
    let limits = Limits { servers: 2, crashes: 1, faults: 1, ..ALONE };
    let missing: [Missing; 4] = [
        ("Resend", |act| matches!(act, Act::Resend(_))),
        ("GiveUp", |act| matches!(act, Act::GiveUp(_))),
        ("Finalize", |act| matches!(act, Act::Finalize(_))),
        ("answers to s1", |act| act == Act::ReadNotification(Sid(1), Sid(2))),
    ];
    for (what, is_missing) in missing {
        let ensemble = Ensemble::new(limits);
        let space = Without(ensemble, |label| Act::from_label(label).is_some_and(is_missing));
        let found = live(&space);
        assert!(!found.fair.expect("both halves ran").holds(), "without {what}");
        let lasso = found.lasso.expect("a run that shows it");
        let entries = Entry::lasso(&lasso, Act::from_label);
        let parsed = Entry::parse(&Entry::values(&entries)).expect("what was written");
        assert_eq!(parsed, entries);
        assert!(walk(&space, &parsed, Act::label).expect("it can be walked").never_ends);
        // With all steps the same run either goes on, or is not fair.
        let whole = walk(&Ensemble::new(limits), &parsed, Act::label).expect("it can be walked");
        assert!(!whole.never_ends, "{what}");
    }
}

#[test]
fn the_quick_tier_of_every_small_model_holds() {
    let options =
        CheckOptions { threads: 1, max_states: None, engine: Engine::Own, stop: Arc::default() };
    for (name, distinct) in [
        ("election-2", 292_624),
        ("election-3", 184_135),
        ("election-4", 84_029),
        ("liveness-2", 184_135),
    ] {
        let models = models();
        let model = models.iter().find(|model| model.info().name == name).expect("known");
        let info = model.info();
        let bounds = info.tier(Tier::Quick).expect("each model has a quick tier");
        let verdict: Verdict = model.check(bounds, &options, &|_| {});
        assert_eq!((verdict.distinct, verdict.completion), (distinct, Completion::Complete));
        for property in &verdict.properties {
            assert_eq!(property.holds, Some(true), "{name}: {}", property.name);
        }
        assert!(model.admits(bounds).is_ok());
    }
}

#[test]
fn a_trace_is_told_and_refused_by_the_step() {
    let models = models();
    let model = &models[0];
    let bounds = model.info().tier(Tier::Quick).expect("there is one").clone();
    let (s1, s2, s3) = (Sid(1), Sid(2), Sid(3));
    let mut entries = Entry::path(
        0,
        [
            Act::ReadNotification(s2, s3),
            Act::ReadNotification(s3, s2),
            Act::ReadNotification(s3, s2),
            Act::Finalize(s3),
            Act::Finalize(s2),
            Act::Establish(s3),
            Act::UpToDate(s2),
            Act::Crash(s3),
        ],
    );
    let trace = |entries: &[Entry<Act>]| {
        let mut trace = TraceFile::new("election-1", bounds.clone(), Entry::values(entries));
        trace.property = Some("no-vote-circle".to_owned());
        trace
    };
    let outcome = model.replay(&trace(&entries)).expect("it can be walked");
    assert_eq!((outcome.steps, outcome.violated), (8, vec![]));
    let story = outcome.story.expect("told");
    assert_eq!(story.steps[0].text, "s2 reads what s3 says");
    assert_eq!(story.steps[5].disk.len(), 2);
    assert_eq!(story.steps[7].memory[0], "role: leads epoch 2 -> looks");
    assert!(story.flights().iter().any(|flight| flight.until.is_some()));
    entries.push(Entry::Act(Act::Finalize(s1)));
    let refusal = model.replay(&trace(&entries)).expect_err("s1 waits for nothing");
    assert_eq!(refusal, "step 9: Finalize(s1) is not possible here");
}
