//! Whatever happens, in whatever order, from whomever: no panic, the same answer to the same words,
//! and the invariants of one server hold after each step.
//!
//! Random walks through a cluster of three, most of whose moves are what may happen by itself, so
//! that they go deep; among them faults, and things that no correct server would say. What a
//! failing walk was made of is printed, made as short as it can be, with the seed. `ZAB_SEED=n`
//! takes other walks, `QUICKCHECK_TESTS=n` more of them (default 100).

mod audit;
#[path = "../cluster/mod.rs"]
mod cluster;
mod lies;
mod walk;

use std::collections::BTreeSet;

use quickcheck::{Gen, QuickCheck, TestResult, Testable};
use zab::{Action, Note};

use walk::{Walk, Walked};

const SEED: u64 = 20_260_101;

fn check(property: impl Testable) {
    let seed = std::env::var("ZAB_SEED").map_or(SEED, |seed| seed.parse().expect("a number"));
    println!("ZAB_SEED={seed}");
    QuickCheck::new().rng(Gen::from_size_and_seed(400, seed)).quickcheck(property);
}

/// The same inputs, twice: the same outputs and the same states, byte for byte.
#[test]
fn the_same_walk_comes_out_the_same() {
    fn property(walk: Walk) -> TestResult {
        let (one, other) = (
            walk.run(|walked, stepped| walked.write(stepped)),
            walk.run(|walked, stepped| walked.write(stepped)),
        );
        match (one, other) {
            (Ok(one), Ok(other)) if one.text == other.text => TestResult::passed(),
            (Ok(_), Ok(_)) => TestResult::error("two runs of it differ"),
            (Err(why), _) | (_, Err(why)) => TestResult::error(why),
        }
    }
    check(property as fn(Walk) -> TestResult);
}

/// Epochs, deliveries, numbers of writes, links and timers, and that nothing stops a server that a
/// crash left behind.
#[test]
fn invariants_hold_after_each_step() {
    fn property(walk: Walk) -> TestResult {
        walk.run(audit::step).map_or_else(TestResult::error, |_| TestResult::passed())
    }
    check(property as fn(Walk) -> TestResult);
}

/// Without lies: what was promised, or shown to clients, holds for ever, whatever fails.
#[test]
fn promises_are_kept() {
    fn property(walk: Walk) -> TestResult {
        let outcome = walk.honest().run(|_, _| Ok(()));
        outcome.map_or_else(TestResult::error, |_| TestResult::passed())
    }
    check(property as fn(Walk) -> TestResult);
}

/// A server does the same if its writes are counted from elsewhere.
#[test]
fn numbers_of_writes_mean_nothing() {
    fn property(walk: Walk) -> TestResult {
        walk.run(|_, stepped| audit::renumbered(stepped))
            .map_or_else(TestResult::error, |_| TestResult::passed())
    }
    check(property as fn(Walk) -> TestResult);
}

/// A shell hands in what the last step left, cleared.
#[test]
fn what_is_cleared_is_as_new() {
    fn property(walk: Walk) -> TestResult {
        walk.run(|_, stepped| audit::cleared(stepped))
            .map_or_else(TestResult::error, |_| TestResult::passed())
    }
    check(property as fn(Walk) -> TestResult);
}

/// Of several acknowledgements, or commits, the last says all.
#[test]
fn the_last_of_several_acks_or_commits_says_all() {
    fn property(walk: Walk) -> TestResult {
        walk.run(|_, stepped| audit::superseded(stepped))
            .map_or_else(TestResult::error, |_| TestResult::passed())
    }
    check(property as fn(Walk) -> TestResult);
}

/// Zab proper does the same under other names.
#[test]
fn names_of_servers_mean_nothing_to_zab_proper() {
    fn property(walk: Walk) -> TestResult {
        walk.run(|_, stepped| audit::renamed(stepped))
            .map_or_else(TestResult::error, |_| TestResult::passed())
    }
    check(property as fn(Walk) -> TestResult);
}

/// The walks above would show nothing if they went nowhere.
#[test]
fn walks_go_deep() {
    let mut seen: BTreeSet<Action> = BTreeSet::new();
    let mut g = Gen::from_size_and_seed(400, SEED);
    for _ in 0..60 {
        let walk = <Walk as quickcheck::Arbitrary>::arbitrary(&mut g);
        let walked = walk.run(|walked: &mut Walked, stepped| {
            for note in &stepped.out.notes {
                if let Note::Action(action) = note {
                    walked.actions.insert(*action);
                }
            }
            Ok(())
        });
        seen.extend(walked.expect("the walk is possible").actions);
    }
    let missing: Vec<Action> = ACTIONS.iter().copied().filter(|a| !seen.contains(a)).collect();
    assert!(missing.is_empty(), "no walk takes {missing:?}");
}

/// All of them.
const ACTIONS: &[Action] = &[
    Action::Start,
    Action::ElectionStartRound,
    Action::ElectionJoinRound,
    Action::ElectionAdoptVote,
    Action::ElectionCountVote,
    Action::ElectionResend,
    Action::ElectionAnswer,
    Action::ElectionFinalize,
    Action::ElectionElectSelf,
    Action::ElectionElectOther,
    Action::ElectionJoinEstablished,
    Action::BecomeLeading,
    Action::BecomeLearner,
    Action::LeaderAcceptLink,
    Action::LeaderProcessLearnerInfo,
    Action::LeaderChooseEpoch,
    Action::LeaderProcessAckEpoch,
    Action::LeaderElected,
    Action::LeaderSyncDiff,
    Action::LeaderSyncTrunc,
    Action::LeaderSyncTruncDiff,
    Action::LeaderSyncSnap,
    Action::LeaderProcessAckNewLeader,
    Action::LeaderEstablished,
    Action::LeaderUpToDate,
    Action::LeaderPropose,
    Action::LeaderRollOver,
    Action::LeaderProcessAck,
    Action::LeaderCommit,
    Action::LeaderPing,
    Action::LeaderProcessPing,
    Action::LeaderSyncRequest,
    Action::LeaderSyncConfirmed,
    Action::LeaderLearnerGone,
    Action::LeaderStepDown,
    Action::LearnerSendInfo,
    Action::LearnerPromise,
    Action::LearnerPromiseAgain,
    Action::LearnerProcessDiff,
    Action::LearnerProcessTrunc,
    Action::LearnerProcessSnap,
    Action::LearnerProcessNewLeader,
    Action::LearnerProcessUpToDate,
    Action::LearnerProcessProposal,
    Action::LearnerProcessCommit,
    Action::LearnerProcessInform,
    Action::LearnerProcessPing,
    Action::LearnerLeave,
    Action::SessionForward,
    Action::SessionDeliver,
    Action::Durable,
];
