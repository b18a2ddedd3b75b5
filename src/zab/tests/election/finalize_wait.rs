//! How long a server waits for a better vote once a quorum agrees with its own.

use zab::{Action, Decision, Epoch, Ignored, Note, Sid, Timer, Zxid};

use crate::ensemble::*;
use crate::{EMPTY, hear, ignored};

/// Server 1 of five, waiting: 2 and 3 are for the same as it is, which is 3.
pub(crate) fn finalizing() -> zab::Election {
    let mut one = looking(1, &[1, 2, 3, 4, 5], 0, (0, 0));
    hear(&mut one, 3, says(LOOKING, vote(3, 0, (0, 0)), 1));
    let (_, out) = hear(&mut one, 2, says(LOOKING, vote(3, 0, (0, 0)), 1));
    assert!(out.notes.contains(&Note::Action(Action::ElectionFinalize)));
    one
}

#[test]
fn the_wait_ends_with_the_agreed_leader() {
    let mut one = finalizing();
    let mut out = Out::new();
    assert_eq!(one.timer(Timer::Finalize, &mut out), Some(Decision::Follow(Sid(3))));
    assert_eq!(one.vote(), Some(vote(3, 0, (0, 0))));
    assert_eq!(one.timer(Timer::Finalize, &mut out), None);
}

#[test]
fn a_better_vote_ends_the_wait() {
    let mut one = finalizing();
    let (_, out) = hear(&mut one, 4, says(LOOKING, vote(4, 0, (0, 0)), 1));
    assert_eq!(one.vote(), Some(vote(4, 0, (0, 0))));
    assert!(out.timers.contains(&zab::TimerCmd::Disarm(Timer::Finalize)));
    assert_eq!(one.timer(Timer::Finalize, &mut Out::new()), None);
}

#[test]
fn h5_a_higher_round_is_heard_during_the_wait_even_if_its_vote_is_worse() {
    let mut one = finalizing();
    let (_, out) = hear(&mut one, 2, says(LOOKING, vote(1, 0, (0, 0)), 2));
    assert_eq!(one.round(), 2);
    assert_eq!(one.vote(), Some(vote(1, 0, (0, 0))));
    assert_eq!(out.notifications.len(), 4);
    assert_eq!(one.timer(Timer::Finalize, &mut Out::new()), None);
}

#[test]
fn h5_settled_servers_are_heard_during_the_wait() {
    let mut one = finalizing();
    hear(&mut one, 2, says(FOLLOWING, vote(4, 2, (0, 0)), 6));
    hear(&mut one, 5, says(FOLLOWING, vote(4, 2, (0, 0)), 6));
    let (decision, out) = hear(&mut one, 4, says(LEADING, vote(4, 2, (0, 0)), 6));
    assert_eq!(decision, Some(Decision::Follow(Sid(4))));
    assert_eq!(out.timers, [zab::TimerCmd::Disarm(Timer::Resend)]);
}

#[test]
fn h5_a_voter_that_changes_its_mind_ends_the_wait() {
    // Server 2 crashed and is back in the same round, with its own vote.
    let mut one = finalizing();
    hear(&mut one, 2, says(LOOKING, vote(2, 0, (0, 0)), 1));
    assert_eq!(one.timer(Timer::Finalize, &mut Out::new()), None);
    hear(&mut one, 2, says(LOOKING, vote(3, 0, (0, 0)), 1));
    assert_eq!(one.timer(Timer::Finalize, &mut Out::new()), Some(Decision::Follow(Sid(3))));
}

#[test]
fn a_better_vote_with_a_quorum_of_its_own_begins_the_wait_again() {
    let mut one = looking(1, &[1, 2, 3], 0, (0, 0));
    let (_, out) = hear(&mut one, 2, says(LOOKING, vote(2, 0, (0, 0)), 1));
    assert!(out.timers.contains(&zab::TimerCmd::Arm(Timer::Finalize)));
    let (_, out) = hear(&mut one, 3, says(LOOKING, vote(3, 0, (0, 0)), 1));
    assert!(out.timers.contains(&zab::TimerCmd::Arm(Timer::Finalize)));
    assert_eq!(one.timer(Timer::Finalize, &mut Out::new()), Some(Decision::Follow(Sid(3))));
}

#[test]
fn looking_anew_ends_the_wait() {
    let mut one = finalizing();
    let mut out = Out::new();
    one.look(Epoch(0), Zxid::ZERO, &mut out);
    assert!(out.timers.contains(&zab::TimerCmd::Disarm(Timer::Finalize)));
    assert_eq!((one.round(), one.vote()), (2, Some(vote(1, 0, (0, 0)))));
}

#[test]
fn what_is_no_better_is_recorded_and_does_not_prolong_the_wait() {
    let mut one = finalizing();
    let (_, out) = hear(&mut one, 4, says(LOOKING, vote(2, 0, (0, 0)), 1));
    assert_eq!(out.timers, []);
    assert_eq!(out.notifications, []);
    let (_, out) = hear(&mut one, 4, says(LOOKING, vote(2, 0, (0, 0)), 1));
    assert_eq!(ignored(&out), Some(Ignored::NoNews));
}

/// 1 and 2 agree on 2, and 2 has settled: what 3 says is late. 1 is the first to hear it, and
/// changes its mind.
fn voter_changes_its_mind() -> Ensemble {
    let mut ensemble = Ensemble::new(1, &[EMPTY; 3]);
    ensemble.start(&[1, 2, 3]);
    ensemble.hold(3, 1);
    ensemble.hold(3, 2);
    ensemble.drain();
    ensemble.fire(2, Timer::Finalize);
    assert_eq!(ensemble.decisions(), [(2, Decision::Lead)]);
    assert!(ensemble.deliver(3, 1));
    assert_eq!(ensemble.server(1).election.vote(), Some(vote(3, 0, (0, 0))));
    ensemble
}

#[test]
fn zookeeper_3109_a_delayed_vote_that_splits_the_decision_costs_one_more_round() {
    let mut ensemble = voter_changes_its_mind();
    assert!(ensemble.deliver(1, 3));
    ensemble.fire(1, Timer::Finalize);
    ensemble.fire(3, Timer::Finalize);
    ensemble.release_all();
    ensemble.settle();
    assert_eq!(
        ensemble.decisions(),
        [(1, Decision::Follow(Sid(3))), (2, Decision::Lead), (3, Decision::Lead)]
    );
    // 2 waits for followers in vain, and then finds those who have a leader.
    ensemble.established(&[1, 3], 1);
    assert!(!ensemble.give_up_hopeless());
    ensemble.settle();
    ensemble.assert_all_follow(3);
}

#[test]
fn zookeeper_3109_the_voter_comes_back_if_the_leader_is_heard_in_time() {
    // 3 hears the leader before it hears of the change: with the vote that 1 cast, 2 has its
    // quorum.
    let mut ensemble = voter_changes_its_mind();
    assert!(ensemble.deliver(3, 2));
    assert!(ensemble.deliver(2, 3));
    assert_eq!(ensemble.server(3).decision, Some(Decision::Follow(Sid(2))));
    ensemble.release_all();
    ensemble.settle();
    ensemble.assert_all_follow(2);
}
