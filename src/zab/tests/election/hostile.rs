//! Whatever anybody says: no panic, the same answer to the same words, and the invariants hold.

use std::collections::BTreeSet;

use quickcheck::{Arbitrary, Gen, QuickCheck, quickcheck};
use zab::{
    Action, Decision, Election, Epoch, Ignored, Note, Notification, ServerState, Sid, Timer,
    TimerCmd, Vote, Zxid,
};

use crate::ensemble::{LOOKING, Out, machine, says};

/// Mostly small numbers, so that they meet; sometimes the largest there are.
fn number(g: &mut Gen, largest: u64) -> u64 {
    match u8::arbitrary(g) % 8 {
        0 => largest,
        1 => u64::arbitrary(g) & largest,
        _ => u64::arbitrary(g) % 4,
    }
}

#[derive(Clone, Copy, Debug)]
struct AnyVote(Vote);

impl Arbitrary for AnyVote {
    fn arbitrary(g: &mut Gen) -> Self {
        Self(Vote {
            peer_epoch: Epoch(number(g, u64::from(u32::MAX)) as u32),
            zxid: Zxid(number(g, u64::MAX)),
            leader: Sid(number(g, 255) as u8),
        })
    }
}

#[derive(Clone, Debug)]
enum Event {
    Notify(u8, Notification),
    Timer(Timer),
    Look(u8),
    Established(u8),
}

impl Arbitrary for Event {
    fn arbitrary(g: &mut Gen) -> Self {
        let states = [
            ServerState::Looking,
            ServerState::Looking,
            ServerState::Following,
            ServerState::Leading,
            ServerState::Observing,
        ];
        match u8::arbitrary(g) % 16 {
            0 => Self::Timer(Timer::Resend),
            1 => Self::Timer(Timer::Finalize),
            2 => Self::Timer(Timer::LearnerSyncLimit(Sid(u8::arbitrary(g)))),
            3 => Self::Look(u8::arbitrary(g) % 3),
            4 => Self::Established(u8::arbitrary(g)),
            _ => {
                let vote = Option::<bool>::arbitrary(g).map(|_| AnyVote::arbitrary(g).0);
                let n = Notification {
                    state: *g.choose(&states).unwrap(),
                    vote,
                    round: match u8::arbitrary(g) % 8 {
                        0 => Election::ROUND_MAX,
                        _ => number(g, u64::MAX),
                    },
                };
                Self::Notify(number(g, 255) as u8, n)
            }
        }
    }
}

fn step(election: &mut Election, event: &Event, out: &mut Out) -> Option<Decision> {
    match event {
        Event::Notify(from, n) => election.notify(Sid(*from), n, out),
        Event::Timer(timer) => election.timer(*timer, out),
        Event::Look(counter) => {
            election.look(Epoch(0), Zxid(u64::from(*counter)), out);
            None
        }
        Event::Established(epoch) => {
            election.established(Epoch(u32::from(*epoch)));
            None
        }
    }
}

/// Runs `events` and checks each step; returns all outputs and the final state.
fn run(me: u8, voters: &[u8], events: &[Event]) -> (Vec<Out>, Vec<Option<Decision>>, Election) {
    let mut election = machine(me, voters);
    let mut armed = BTreeSet::new();
    let mut outs = Vec::new();
    let mut decisions = Vec::new();
    for event in events {
        let before = election.clone();
        let mut out = Out::new();
        let decision = step(&mut election, event, &mut out);
        if let Event::Timer(timer) = event {
            // Armed as far as the outside can tell, or refused: there is no third.
            let stale = Note::Ignored(Ignored::StaleTimer);
            assert_eq!(armed.remove(timer), !out.notes.contains(&stale));
        }
        for timer in &out.timers {
            match timer {
                TimerCmd::Arm(timer) => assert!(armed.insert(*timer) || election.is_looking()),
                TimerCmd::Disarm(timer) => {
                    armed.remove(timer);
                }
            }
        }
        check(me, voters, event, &before, &election, &out, decision);
        assert!(election.is_looking() || armed.is_empty());
        outs.push(out);
        decisions.push(decision);
    }
    (outs, decisions, election)
}

fn check(
    me: u8,
    voters: &[u8],
    event: &Event,
    before: &Election,
    after: &Election,
    out: &Out,
    decision: Option<Decision>,
) {
    assert!(after.round() <= Election::ROUND_MAX);
    for (to, n) in &out.notifications {
        assert_ne!(*to, Sid(me), "a message to oneself");
        assert_eq!(n.round, after.round());
        assert_eq!(n.vote, after.vote());
        assert_eq!(n.state == ServerState::Looking, after.is_looking());
    }
    let others = voters.iter().filter(|sid| **sid != me).count();
    assert!(out.notifications.len() <= others.max(1));
    if let Some(decision) = decision {
        let leader = match decision {
            Decision::Lead => me,
            Decision::Follow(leader) => leader.0,
        };
        assert!(before.is_looking() && !after.is_looking());
        assert!(voters.contains(&leader));
        assert_eq!(after.vote().map(|vote| vote.leader), Some(Sid(leader)));
        assert_eq!(decision == Decision::Lead, leader == me);
    }
    // "Ignored" means it, and everything else has a name.
    let ignored = |note: &Note| matches!(note, Note::Ignored(_));
    if out.notes.iter().any(ignored) {
        assert_eq!(out.notes.len(), 1);
        assert_eq!(before, after);
        assert_eq!((out.notifications.len(), out.timers.len()), (0, 0));
    }
    match event {
        Event::Notify(..) | Event::Timer(_) | Event::Look(_) => assert!(!out.notes.is_empty()),
        Event::Established(_) => assert_eq!(*out, Out::new()),
    }
    // The vote of a round only gets better.
    let round_began = [Action::ElectionStartRound, Action::ElectionJoinRound]
        .iter()
        .any(|action| out.notes.contains(&Note::Action(*action)));
    if before.is_looking() && after.is_looking() && !round_began {
        assert!(after.vote() >= before.vote());
        assert_eq!(after.round(), before.round());
    }
}

#[test]
fn anybody_may_say_anything() {
    fn same_words_same_answers(me: u8, voters: u8, events: Vec<Event>) -> bool {
        // Servers 0 to 3, of which 0 to n vote.
        let voters: Vec<u8> = (0..=voters % 4).collect();
        let me = me % 4;
        let mut events = events;
        events.insert(0, Event::Look(0));
        run(me, &voters, &events) == run(me, &voters, &events)
    }
    QuickCheck::new()
        .tests(5000)
        .quickcheck(same_words_same_answers as fn(u8, u8, Vec<Event>) -> bool);
}

quickcheck! {
    fn zookeeper_1419_the_order_of_votes_is_strict_and_total(a: AnyVote, b: AnyVote, c: AnyVote) -> bool {
        let (a, b, c) = (possible(a.0), possible(b.0), possible(c.0));
        let irreflexive = !better(a, a);
        let asymmetric = !(better(a, b) && better(b, a));
        let transitive = !(better(a, b) && better(b, c)) || better(a, c);
        let total = a == b || better(a, b) || better(b, a);
        irreflexive && asymmetric && transitive && total
    }

    fn the_order_of_votes_is_the_one_that_is_written_down(a: AnyVote, b: AnyVote) -> bool {
        let (a, b) = (possible(a.0), possible(b.0));
        let written = a.peer_epoch > b.peer_epoch
            || (a.peer_epoch == b.peer_epoch
                && (a.zxid > b.zxid || (a.zxid == b.zxid && a.leader > b.leader)));
        better(a, b) == written
    }
}

/// The vote with its numbers cut to what a server can have, for one of the servers 0 to 7.
fn possible(vote: Vote) -> Vote {
    Vote {
        peer_epoch: vote.peer_epoch.min(Epoch::MAX),
        zxid: Zxid(vote.zxid.0 & (u64::MAX >> 1)),
        leader: Sid(vote.leader.0 % 8),
    }
}

/// Whether the machine, when it is for `old`, gives that up for `new`. It has no vote of its own to
/// begin with.
fn better(new: Vote, old: Vote) -> bool {
    let mut observer = machine(9, &[0, 1, 2, 3, 4, 5, 6, 7]);
    observer.look(Epoch(0), Zxid::ZERO, &mut Out::new());
    observer.notify(Sid(0), &says(LOOKING, old, 1), &mut Out::new());
    assert_eq!(observer.vote(), Some(old));
    let mut out = Out::new();
    observer.notify(Sid(1), &says(LOOKING, new, 1), &mut out);
    let adopted = out.notes.contains(&Note::Action(Action::ElectionAdoptVote));
    assert_eq!(observer.vote(), Some(if adopted { new } else { old }));
    adopted
}
