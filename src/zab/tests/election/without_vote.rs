//! Servers without a vote: they find the leader, and are never counted.

use zab::{Decision, Epoch, Ignored, Sid, Timer, Zxid};

use crate::ensemble::*;
use crate::{EMPTY, hear, ignored};

#[test]
fn an_observer_finds_the_leader_and_is_never_counted() {
    for seed in 1..100 {
        let mut ensemble = Ensemble::with_observers(seed * 7919, &[EMPTY; 3], 2);
        ensemble.start(&[3, 4, 5]);
        ensemble.settle();
        assert_eq!(ensemble.decisions(), []);
        assert_eq!(ensemble.server(3).election.vote(), Some(vote(3, 0, (0, 0))));

        // The observers took up what voter 3 proposes, and say so to voters, who do not count it.
        assert_eq!(ensemble.server(4).election.vote(), Some(vote(3, 0, (0, 0))));
        ensemble.start(&[2]);
        ensemble.settle();
        for sid in [4, 5] {
            if ensemble.server(sid).election.is_looking() {
                ensemble.fire(sid, Timer::Resend);
            }
        }
        ensemble.settle();
        ensemble.assert_all_follow(3);
    }
}

#[test]
fn an_observer_of_a_higher_round_joins_and_does_not_keep_the_voters_busy() {
    let mut ensemble = Ensemble::with_observers(1, &[EMPTY; 3], 1);
    ensemble.start(&[3, 4]);
    for _ in 0..5 {
        ensemble.look(4);
    }
    // `drain` fails if they answer each other without end.
    ensemble.drain();
    assert_eq!(ensemble.round(3), 1);
    ensemble.start(&[2]);
    ensemble.settle();
    ensemble.fire(4, Timer::Resend);
    ensemble.settle();
    ensemble.assert_all_follow(3);
}

#[test]
fn votes_of_and_for_servers_without_a_vote_are_ignored() {
    for state in [LOOKING, FOLLOWING, LEADING] {
        for (from, leader) in [(9, 2), (2, 9)] {
            let mut one = looking(1, &[1, 2], 0, (0, 0));
            let before = one.clone();
            let n = says(state, vote(leader, 5, (5, 5)), 7);
            let (decision, out) = hear(&mut one, from, n);
            assert_eq!(decision, None);
            assert_eq!(ignored(&out), Some(Ignored::NotVoter));
            assert_eq!(one, before);
        }
    }
}

#[test]
fn an_observer_answers_nobody() {
    let mut four = machine(4, &[1, 2, 3]);
    for _ in 0..3 {
        four.look(Epoch(0), Zxid::ZERO, &mut Out::new());
    }
    let (_, out) = hear(&mut four, 1, says(LOOKING, vote(1, 0, (0, 0)), 2));
    assert_eq!(out.notifications, []);
    assert_eq!(ignored(&out), Some(Ignored::OldRound));

    hear(&mut four, 1, says(FOLLOWING, vote(2, 1, (0, 0)), 2));
    let (decision, _) = hear(&mut four, 2, says(LEADING, vote(2, 1, (0, 0)), 2));
    assert_eq!(decision, Some(Decision::Follow(Sid(2))));
    let (_, out) = hear(&mut four, 3, says(LOOKING, vote(3, 0, (0, 0)), 9));
    assert_eq!(out.notifications, []);
}

#[test]
fn a_voter_that_says_it_observes_is_not_counted() {
    let mut one = looking(1, &[1, 2, 3], 0, (0, 0));
    let before = one.clone();
    let observing = says(zab::ServerState::Observing, vote(3, 1, (0, 0)), 1);
    let (_, out) = hear(&mut one, 2, observing);
    assert_eq!(ignored(&out), Some(Ignored::NotVoter));
    assert_eq!(one, before);
}

#[test]
fn an_observer_that_has_heard_nothing_says_nothing_and_gets_an_answer() {
    let mut four = machine(4, &[1, 2, 3]);
    let mut out = Out::new();
    four.look(Epoch(9), Zxid::new(Epoch(9), 9), &mut out);
    assert_eq!(four.vote(), None);
    let (to, n) = out.notifications[0];
    assert_eq!((to, n.vote, out.notifications.len()), (Sid(1), None, 3));

    let mut one = looking(1, &[1, 2, 3], 0, (0, 0));
    let (_, out) = hear(&mut one, 4, n);
    assert_eq!(out.notifications, [(Sid(4), says(LOOKING, vote(1, 0, (0, 0)), 1))]);
}
