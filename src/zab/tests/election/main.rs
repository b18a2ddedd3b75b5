//! Stories of elections: what went wrong in the history of ZooKeeper, and comes out right here.

mod ensemble;
mod finalize_wait;
mod hostile;
mod without_vote;

use ensemble::*;
use finalize_wait::finalizing;
use zab::{Action, Decision, Epoch, Ignored, Note, Notification, Outputs, Sid, Timer, Zxid};

const EMPTY: (u32, (u32, u32)) = (0, (0, 0));

fn hear(election: &mut zab::Election, from: u8, n: Notification) -> (Option<Decision>, Out) {
    let mut out = Outputs::new();
    let decision = election.notify(Sid(from), &n, &mut out);
    (decision, out)
}

fn ignored(out: &Out) -> Option<Ignored> {
    out.notes.iter().find_map(|note| match note {
        Note::Ignored(why) => Some(*why),
        Note::Action(_) | Note::Role(..) | Note::Established(_) | Note::Refused(..) => None,
    })
}

// Who wins

#[test]
fn three_servers_elect_the_best_by_epoch_then_zxid_then_sid() {
    let cases = [
        ([(2, (1, 1)), (1, (1, 9)), (1, (1, 9))], 1),
        ([(1, (1, 2)), (1, (1, 3)), (1, (1, 1))], 2),
        ([(1, (1, 2)), (1, (2, 1)), (1, (1, 9))], 2),
        ([EMPTY, EMPTY, EMPTY], 3),
    ];
    for (own, best) in cases {
        for seed in 1..200 {
            let mut ensemble = Ensemble::new(seed * 7919, &own);
            ensemble.start(&[1, 2, 3]);
            ensemble.settle();
            ensemble.assert_all_follow(best);
        }
    }
}

#[test]
fn five_servers_of_which_two_are_down_elect_the_best_that_is_up() {
    let own = [(1, (1, 7)), (1, (1, 8)), (1, (1, 6)), (1, (1, 9)), EMPTY];
    for seed in 1..200 {
        let mut ensemble = Ensemble::new(seed * 7919, &own);
        ensemble.start(&[1, 3, 2]);
        ensemble.settle();
        ensemble.assert_all_follow(2);
    }
}

#[test]
fn a_single_voter_elects_itself_when_the_finalize_wait_ends() {
    let mut ensemble = Ensemble::new(1, &[EMPTY]);
    ensemble.start(&[1]);
    assert!(ensemble.server(1).election.is_looking());
    ensemble.fire(1, Timer::Finalize);
    ensemble.assert_all_follow(1);
}

#[test]
fn a_minority_never_decides() {
    for seed in 1..50 {
        let mut ensemble = Ensemble::new(seed * 7919, &[EMPTY; 4]);
        ensemble.start(&[1, 2]);
        ensemble.race(500);
        assert_eq!(ensemble.decisions(), []);
    }
}

#[test]
fn whatever_the_order_of_messages_and_timers_all_agree_in_the_end() {
    let own = [(1, (1, 2)), (2, (1, 1)), (1, (1, 9)), EMPTY, (2, (1, 1))];
    for seed in 1..400_u64 {
        let servers = 3 + (seed % 3) as usize;
        let mut ensemble = Ensemble::new(seed * 7919, &own[..servers]);
        let all: Vec<u8> = (1..).take(servers).collect();
        ensemble.start(&all);
        for _ in 0..6 {
            ensemble.race(60);
            ensemble.give_up_hopeless();
            let sid = all[ensemble.pick(servers)];
            if ensemble.pick(3) == 0 {
                if ensemble.server(sid).up {
                    ensemble.crash(sid);
                } else {
                    ensemble.start(&[sid]);
                }
            }
        }
        // No more faults; a majority at least is up.
        for sid in &all {
            if !ensemble.server(*sid).up && ensemble.pick(2) == 0
                || ensemble.servers.values().filter(|s| s.up).count() * 2 <= servers
                    && !ensemble.server(*sid).up
            {
                ensemble.start(&[*sid]);
            }
        }
        let mut attempts = 0;
        while !{
            ensemble.settle();
            ensemble.give_up_hopeless()
        } {
            attempts += 1;
            assert!(attempts < 20, "seed {seed}: {:?}", ensemble.decisions());
            for sid in ensemble.armed(Timer::Resend) {
                ensemble.fire(sid, Timer::Resend);
            }
        }
    }
}

// Rounds

#[test]
fn a_peer_of_a_higher_round_restarts_the_tables() {
    let mut three = looking(3, &[1, 2, 3, 4, 5], 0, (0, 0));
    hear(&mut three, 1, says(LOOKING, vote(3, 0, (0, 0)), 1));
    hear(&mut three, 4, says(LOOKING, vote(4, 0, (0, 0)), 1));
    assert_eq!(three.vote(), Some(vote(4, 0, (0, 0))));

    // The vote of round 1 is forgotten, server 4's with it: the round begins with the better of the
    // newcomer's vote and one's own.
    let (_, out) = hear(&mut three, 2, says(LOOKING, vote(2, 0, (0, 0)), 5));
    assert_eq!(three.round(), 5);
    assert_eq!(three.vote(), Some(vote(3, 0, (0, 0))));
    assert_eq!(out.notifications.len(), 4);

    // Votes of round 1 would have made a quorum for 3 by now.
    let (_, out) = hear(&mut three, 5, says(LOOKING, vote(3, 0, (0, 0)), 5));
    assert!(!out.notes.contains(&Note::Action(Action::ElectionFinalize)));
    let (_, out) = hear(&mut three, 1, says(LOOKING, vote(3, 0, (0, 0)), 5));
    assert!(out.notes.contains(&Note::Action(Action::ElectionFinalize)));
}

#[test]
fn a_peer_of_a_lower_round_is_answered_and_not_counted() {
    let mut ensemble = Ensemble::new(1, &[EMPTY; 3]);
    ensemble.start(&[3]);
    ensemble.look(3);
    ensemble.look(3);
    ensemble.start(&[2]);
    assert!(ensemble.deliver(2, 3));
    assert!(ensemble.armed(Timer::Finalize).is_empty());
    assert!(ensemble.deliver(3, 2));
    assert_eq!(ensemble.round(2), 3);
    ensemble.settle();
    ensemble.assert_all_follow(3);
}

#[test]
fn a_peer_of_a_lower_round_is_told_the_proposal() {
    let mut one = finalizing();
    let mine = says(LOOKING, vote(3, 0, (0, 0)), 1);
    let (_, out) = hear(&mut one, 4, says(LOOKING, vote(4, 9, (9, 9)), 0));
    assert_eq!(out.notifications, [(Sid(4), mine)]);
    assert_eq!(one, finalizing());
}

#[test]
fn the_ensemble_elects_again_in_a_later_round_when_the_leader_crashes() {
    for seed in 1..100 {
        let mut ensemble = Ensemble::new(seed * 7919, &[EMPTY; 3]);
        ensemble.start(&[1, 2, 3]);
        ensemble.settle();
        ensemble.assert_all_follow(3);
        ensemble.established(&[1, 2, 3], 1);

        ensemble.crash(3);
        ensemble.look(1);
        ensemble.look(2);
        ensemble.settle();
        ensemble.assert_all_follow(2);
        assert_eq!((ensemble.round(1), ensemble.round(2)), (2, 2));
        ensemble.established(&[1, 2], 2);

        // The old leader is back in round 1, and joins them in theirs.
        ensemble.start(&[3]);
        ensemble.settle();
        ensemble.assert_all_follow(2);
        assert_eq!(ensemble.round(3), 2);
    }
}

#[test]
fn zookeeper_1514_followers_of_an_earlier_round_do_not_make_a_leader() {
    // Server 3 looks in round 2; the others still follow it in round 1 and have not noticed.
    let mut three = looking(3, &[1, 2, 3], 0, (0, 0));
    three.look(Epoch(0), Zxid::ZERO, &mut Out::new());
    let old = says(FOLLOWING, vote(3, 0, (0, 0)), 1);
    assert_eq!(hear(&mut three, 1, old).0, None);
    assert_eq!(hear(&mut three, 2, old).0, None);
    assert!(three.is_looking());

    // They look in turn: the later round is heeded, and the vote for 3 is now one of this round.
    let (_, out) = hear(&mut three, 1, says(LOOKING, vote(1, 0, (0, 0)), 3));
    assert_eq!(three.round(), 3);
    assert!(out.notifications.iter().all(|(_, n)| n.round == 3));
    assert_eq!(hear(&mut three, 1, says(FOLLOWING, vote(3, 0, (0, 0)), 3)).0, Some(Decision::Lead));
}

#[test]
fn a_round_beyond_the_limit_is_refused_and_the_limit_is_not_passed() {
    let max = zab::Election::ROUND_MAX;
    let mut one = looking(1, &[1, 2, 3], 0, (0, 0));
    for (state, round) in
        [(LOOKING, u64::MAX), (LOOKING, max + 1), (FOLLOWING, u64::MAX), (LEADING, max + 1)]
    {
        let (_, out) = hear(&mut one, 2, says(state, vote(2, 0, (0, 0)), round));
        assert_eq!(ignored(&out), Some(Ignored::RoundTooHigh));
        assert_eq!(one.round(), 1);
    }

    // Somebody brings all to the limit: they still elect, and elect again.
    let mut ensemble = Ensemble::new(1, &[EMPTY; 3]);
    ensemble.start(&[1, 2, 3]);
    ensemble.drain();
    let server = ensemble.servers.get_mut(&Sid(1)).unwrap();
    hear(&mut server.election, 2, says(LOOKING, vote(2, 0, (0, 0)), max));
    for _ in 0..3 {
        for sid in ensemble.armed(Timer::Resend) {
            ensemble.fire(sid, Timer::Resend);
        }
        ensemble.settle();
        ensemble.assert_all_follow(3);
        assert_eq!((1..=3).map(|s| ensemble.round(s)).min(), Some(max));
        ensemble.look(1);
        ensemble.look(2);
        ensemble.look(3);
    }
}

#[test]
fn a_vote_that_no_server_can_have_is_refused() {
    // Among them -1 for a zxid, which says that an empty database is not to be trusted.
    for (epoch, zxid) in [(0, (u32::MAX, u32::MAX)), (0, (0x8000_0000, 0)), (0x8000_0000, (0, 1))] {
        for state in [LOOKING, FOLLOWING, LEADING] {
            let mut one = looking(1, &[1, 2, 3], 0, (0, 0));
            let before = one.clone();
            let (_, out) = hear(&mut one, 2, says(state, vote(2, epoch, zxid), 1));
            assert_eq!(ignored(&out), Some(Ignored::ImpossibleVote));
            assert_eq!(one, before);
        }
    }
}

// Joining those who have a leader

#[test]
fn a_newcomer_of_a_lower_round_joins_a_running_ensemble() {
    let mut ensemble = Ensemble::new(1, &[EMPTY, EMPTY, (0, (0, 9))]);
    ensemble.start(&[1, 2]);
    ensemble.look(1);
    ensemble.look(1);
    ensemble.settle();
    ensemble.assert_all_follow(2);
    ensemble.established(&[1, 2], 1);

    // Its vote is better than the leader's was. That counts for nothing now.
    ensemble.start(&[3]);
    ensemble.settle();
    ensemble.assert_all_follow(2);
    assert_eq!(ensemble.round(3), 3);
}

#[test]
fn a_newcomer_of_a_higher_round_joins_a_running_ensemble() {
    let mut ensemble = Ensemble::new(1, &[EMPTY; 3]);
    ensemble.start(&[1, 2]);
    ensemble.settle();
    ensemble.established(&[1, 2], 1);
    ensemble.start(&[3]);
    for _ in 0..7 {
        ensemble.look(3);
    }
    ensemble.settle();
    ensemble.assert_all_follow(2);
    assert_eq!(ensemble.round(3), 1);
}

#[test]
fn zookeeper_975_a_quorum_of_followers_is_not_enough_without_the_leaders_own_word() {
    let voters = [1, 2, 3, 4, 5];
    let following = |round| says(FOLLOWING, vote(5, 1, (0, 0)), round);
    for round in [1, 4] {
        let mut one = looking(1, &voters, 0, (0, 0));
        for from in [2, 3, 4] {
            assert_eq!(hear(&mut one, from, following(round)).0, None);
        }
        // Not even if the leader itself says that it follows itself, or looks.
        assert_eq!(hear(&mut one, 5, following(round)).0, None);
        hear(&mut one, 5, says(LOOKING, vote(5, 1, (0, 0)), 1));
        assert_eq!(hear(&mut one, 2, following(round)).0, None);

        let leading = says(LEADING, vote(5, 1, (0, 0)), round);
        let (decision, out) = hear(&mut one, 5, leading);
        assert_eq!(decision, Some(Decision::Follow(Sid(5))));
        assert!(out.notes.contains(&Note::Action(Action::ElectionJoinEstablished)));
        assert_eq!(one.round(), round);
    }
}

#[test]
fn zookeeper_975_the_leaders_own_word_is_not_enough_without_a_quorum() {
    let mut one = looking(1, &[1, 2, 3], 0, (0, 0));
    for round in [1, 4] {
        let leading = says(LEADING, vote(3, 1, (0, 0)), round);
        assert_eq!(hear(&mut one, 3, leading).0, None);
        assert_eq!(hear(&mut one, 3, leading).0, None);
    }
}

#[test]
fn zookeeper_3537_the_leaders_word_counts_in_the_table_of_the_votes() {
    // Server 3 leads, says so in round 5, and the newcomer is in round 1. Its followers of round 1
    // are those of an older leadership of 3, with another vote: they are a quorum in the table of
    // round 1 only, and there 3 is silent.
    let mut one = looking(1, &[1, 2, 3, 4, 5], 0, (0, 0));
    hear(&mut one, 3, says(LEADING, vote(3, 2, (1, 7)), 5));
    hear(&mut one, 2, says(FOLLOWING, vote(3, 2, (1, 7)), 1));
    hear(&mut one, 5, says(LOOKING, vote(3, 0, (0, 0)), 1));
    assert_eq!(one.vote(), Some(vote(3, 0, (0, 0))));
    let (decision, _) = hear(&mut one, 4, says(FOLLOWING, vote(3, 0, (0, 0)), 1));
    assert_eq!(decision, None);
    // With another follower in the epoch that it leads now, it is joined, in that one.
    let (decision, _) = hear(&mut one, 4, says(FOLLOWING, vote(3, 2, (1, 9)), 6));
    assert_eq!(decision, Some(Decision::Follow(Sid(3))));
}

#[test]
fn zookeeper_1732_a_restarted_server_joins_members_that_came_by_different_ways() {
    // Leader 3 was elected in round 2; server 2 joined it later, in a round of its own, by a vote
    // with another zxid. Both tell the epoch that was established since.
    for first in [2, 3] {
        let mut one = looking(1, &[1, 2, 3], 4, (4, 9));
        let follower = says(FOLLOWING, vote(3, 7, (4, 2)), 9);
        let leader = says(LEADING, vote(3, 7, (4, 5)), 2);
        let order =
            if first == 2 { [(2, follower), (3, leader)] } else { [(3, leader), (2, follower)] };
        assert_eq!(hear(&mut one, order[0].0, order[0].1).0, None);
        assert_eq!(hear(&mut one, order[1].0, order[1].1).0, Some(Decision::Follow(Sid(3))));
    }
}

#[test]
fn zookeeper_1732_settled_votes_of_one_round_need_not_agree_on_the_zxid() {
    // This server and the leader make two of five, and the third is a follower that came by another
    // way.
    let mut one = looking(1, &[1, 2, 3, 4, 5], 0, (0, 0));
    hear(&mut one, 3, says(LOOKING, vote(3, 0, (0, 0)), 1));
    hear(&mut one, 2, says(FOLLOWING, vote(3, 0, (0, 7)), 1));
    assert_eq!(
        hear(&mut one, 3, says(LEADING, vote(3, 0, (0, 0)), 1)).0,
        Some(Decision::Follow(Sid(3)))
    );
}

#[test]
fn votes_that_may_still_change_must_agree_in_all_parts() {
    let mut one = looking(1, &[1, 2, 3], 0, (0, 5));
    for state in [LOOKING, FOLLOWING] {
        let (_, out) = hear(&mut one, 2, says(state, vote(1, 0, (0, 4)), 1));
        assert_eq!(out.timers, []);
    }
    let (_, out) = hear(&mut one, 2, says(LOOKING, vote(1, 0, (0, 5)), 1));
    assert_eq!(out.timers, [zab::TimerCmd::Arm(Timer::Finalize)]);
}

#[test]
fn zookeeper_1732_members_tell_the_established_epoch_however_they_came_in() {
    let mut ensemble = Ensemble::new(1, &[(1, (1, 1)); 3]);
    ensemble.start(&[2, 3]);
    ensemble.settle();
    // 3 is established, 2 is not up to date yet: a newcomer hears two opinions and waits.
    // (It has been looking for a while, so what is late from round 1 does not help it.)
    ensemble.established(&[3], 2);
    ensemble.start(&[1]);
    ensemble.look(1);
    ensemble.settle();
    assert!(ensemble.server(1).election.is_looking());
    ensemble.established(&[2], 2);
    ensemble.fire(1, Timer::Resend);
    ensemble.settle();
    ensemble.assert_all_follow(3);
    assert_eq!(ensemble.server(1).election.vote(), Some(vote(3, 2, (1, 1))));
}

#[test]
fn epochs_of_settled_votes_must_agree() {
    for round in [1, 3] {
        let mut one = looking(1, &[1, 2, 3], 0, (0, 0));
        hear(&mut one, 2, says(FOLLOWING, vote(3, 6, (4, 2)), round));
        let leading = says(LEADING, vote(3, 7, (4, 2)), round);
        assert_eq!(hear(&mut one, 3, leading).0, None);
    }
}

#[test]
fn a_server_that_looks_again_no_longer_counts_as_following() {
    let mut one = looking(1, &[1, 2, 3], 0, (0, 0));
    hear(&mut one, 2, says(FOLLOWING, vote(3, 1, (0, 0)), 4));
    // Server 2 lost its leader; a late word of that leader must not call up a quorum.
    hear(&mut one, 2, says(LOOKING, vote(2, 1, (0, 0)), 5));
    let late = says(LEADING, vote(3, 1, (0, 0)), 4);
    assert_eq!(hear(&mut one, 3, late).0, None);
}

#[test]
fn a_server_that_looks_again_in_a_lower_round_no_longer_counts_as_following() {
    // It crashed: its rounds begin at 1. A voter answers it, an observer does not, and both forget
    // whom it followed.
    for me in [1, 9] {
        let mut one = looking(me, &[1, 2, 3], 0, (0, 0));
        one.look(Epoch(0), Zxid::ZERO, &mut Out::new());
        hear(&mut one, 2, says(FOLLOWING, vote(3, 1, (0, 0)), 4));
        let (_, out) = hear(&mut one, 2, says(LOOKING, vote(2, 1, (0, 0)), 1));
        assert_eq!(out.notifications.len(), usize::from(me == 1));
        let (decision, _) = hear(&mut one, 3, says(LEADING, vote(3, 1, (0, 0)), 4));
        assert_eq!(decision, None);
    }
}

#[test]
fn a_server_that_settled_in_another_round_no_longer_counts_in_this_one() {
    let mut one = looking(1, &[1, 2, 3, 4, 5], 0, (0, 0));
    hear(&mut one, 2, says(LOOKING, vote(1, 0, (0, 0)), 1));
    hear(&mut one, 3, says(LOOKING, vote(1, 0, (0, 0)), 1));
    let (_, out) = hear(&mut one, 3, says(FOLLOWING, vote(5, 1, (0, 0)), 7));
    assert!(out.timers.contains(&zab::TimerCmd::Disarm(Timer::Finalize)));
    assert_eq!(one.timer(Timer::Finalize, &mut Out::new()), None);
}

// Answers

#[test]
fn a_settled_server_answers_those_who_look_with_its_decision() {
    let mut one = finalizing();
    one.timer(Timer::Finalize, &mut Out::new());
    one.established(Epoch(8));
    let told = says(FOLLOWING, vote(3, 8, (0, 0)), 1);
    for (from, round) in [(2, 1), (4, 99), (9, 0)] {
        let (_, out) = hear(&mut one, from, says(LOOKING, vote(2, 9, (9, 9)), round));
        assert_eq!(out.notifications, [(Sid(from), told)]);
    }
    for state in [FOLLOWING, LEADING, zab::ServerState::Observing] {
        let (_, out) = hear(&mut one, 4, says(state, vote(4, 9, (9, 9)), 99));
        assert_eq!(ignored(&out), Some(Ignored::NoNews));
        assert_eq!(out.notifications, []);
    }
}

#[test]
fn the_leader_answers_that_it_leads() {
    let mut ensemble = Ensemble::new(1, &[EMPTY]);
    ensemble.start(&[1]);
    ensemble.settle();
    let server = ensemble.servers.get_mut(&Sid(1)).unwrap();
    let (_, out) =
        hear(&mut server.election, 7, Notification { state: LOOKING, vote: None, round: 1 });
    assert_eq!(out.notifications, [(Sid(7), says(LEADING, vote(1, 0, (0, 0)), 1))]);
}

#[test]
fn before_the_first_look_nothing_is_said() {
    let mut one = machine(1, &[1, 2]);
    let (decision, out) = hear(&mut one, 2, says(LOOKING, vote(2, 0, (0, 0)), 1));
    assert_eq!((decision, out.notifications.len()), (None, 0));
    assert_eq!(ignored(&out), Some(Ignored::NotNow));
    assert_eq!((one.round(), one.vote()), (0, None));
}

// The state

#[test]
fn a_settled_server_forgets_how_it_came_to_its_decision() {
    let mut one = finalizing();
    one.timer(Timer::Finalize, &mut Out::new());

    let mut other = looking(1, &[1, 2, 3, 4, 5], 0, (0, 0));
    hear(&mut other, 5, says(FOLLOWING, vote(4, 2, (0, 0)), 6));
    for from in [2, 4, 3] {
        hear(&mut other, from, says(LOOKING, vote(3, 0, (0, 0)), 1));
    }
    other.timer(Timer::Finalize, &mut Out::new());
    assert_eq!(one, other);
}

#[test]
fn establishing_an_epoch_concerns_a_settled_vote_only() {
    let mut one = finalizing();
    let before = one.clone();
    one.established(Epoch(5));
    assert_eq!(one, before);
}
