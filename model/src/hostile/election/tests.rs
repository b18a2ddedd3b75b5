//! The alphabet, what is due in situations of which people have told, and traces.

use std::collections::BTreeSet;

use serde_json::Value;
use zab::{Decision, Election, Epoch, Notification, ServerState, Sid, Timer, Vote, Zxid};

use super::book::Book;
use super::event::{Event, alphabet};
use super::limits::{HIGH, KINDS, KINDS_OF_EVENTS, Limits, ME, zxid};
use crate::hostile::models;
use checker::{CheckableModel, Tier, TraceFile};

const LOOKING: ServerState = ServerState::Looking;
const FOLLOWING: ServerState = ServerState::Following;
const LEADING: ServerState = ServerState::Leading;

fn model(name: &str) -> Box<dyn CheckableModel> {
    models().into_iter().find(|model| model.info().name == name).expect("there is one")
}

fn limits(name: &str) -> Limits {
    let kind = KINDS.iter().find(|kind| kind.name == name).expect("there is one");
    Limits::of(kind.subject, model(name).info().tier(Tier::Quick).expect("it is quick"))
}

fn vote(leader: u8) -> Vote {
    Vote { peer_epoch: Epoch(1), zxid: zxid(1, 1), leader: Sid(leader) }
}

fn says(from: u8, state: ServerState, vote: Vote, round: u64) -> Event {
    Event::Notify(Sid(from), Notification { state, vote: Some(vote), round })
}

const LOOK: Event = Event::Look(Epoch(1), Zxid::new(Epoch(1), 1));

#[test]
fn every_event_is_tried_once_and_each_peer_says_every_state_in_every_round() {
    for kind in &KINDS {
        let limits = limits(kind.name);
        let events = alphabet(&limits);
        let distinct: BTreeSet<String> = events.iter().map(|event| format!("{event:?}")).collect();
        assert_eq!(distinct.len(), events.len(), "{}", kind.name);
        let kinds: BTreeSet<usize> = events.iter().map(Event::kind).collect();
        assert_eq!(kinds.len(), KINDS_OF_EVENTS.len(), "{}", kind.name);
        for peer in limits.peers() {
            let said = events.iter().filter_map(|event| match event {
                Event::Notify(from, word) if *from == peer => Some((word.state, word.round)),
                Event::Notify(..)
                | Event::Look(..)
                | Event::Timer(_)
                | Event::Established(_)
                | Event::Connects(_) => None,
            });
            let said: BTreeSet<(ServerState, u64)> = said.collect();
            let beyond = Election::ROUND_MAX + 1;
            for state in [LOOKING, FOLLOWING, LEADING] {
                for round in limits.rounds().chain([beyond]) {
                    assert!(said.contains(&(state, round)), "{}: {state:?} {round}", kind.name);
                }
            }
        }
    }
}

#[test]
fn events_are_read_back_from_traces() {
    for event in KINDS.iter().flat_map(|kind| alphabet(&limits(kind.name))) {
        let value = serde_json::to_value(&event).expect("plain data");
        assert_eq!(serde_json::from_value::<Event>(value).expect("as written"), event);
    }
}

/// What a server among three voters decides, if anything, when it looks and then hears this.
fn decides(words: &[Event]) -> Option<Decision> {
    let mut book = Book::new(BTreeSet::from([Sid(1), ME, HIGH]));
    book.on(&LOOK);
    words.iter().find_map(|word| book.on(word).decision)
}

#[test]
fn zookeeper_975_one_word_of_a_leader_is_no_quorum() {
    assert_eq!(decides(&[says(HIGH.0, LEADING, vote(HIGH.0), 7)]), None);
    let with_another =
        [says(HIGH.0, LEADING, vote(HIGH.0), 7), says(1, FOLLOWING, vote(HIGH.0), 6)];
    assert_eq!(decides(&with_another), Some(Decision::Follow(HIGH)));
    // In its own round the server itself makes up the quorum, if it is for the same.
    let here = [says(HIGH.0, LOOKING, vote(HIGH.0), 1), says(HIGH.0, LEADING, vote(HIGH.0), 1)];
    assert_eq!(decides(&here), Some(Decision::Follow(HIGH)));
}

#[test]
fn zookeeper_3537_a_quorum_of_followers_makes_no_leader() {
    let gone = [says(1, FOLLOWING, vote(HIGH.0), 7), says(HIGH.0, FOLLOWING, vote(HIGH.0), 7)];
    assert_eq!(decides(&gone), None);
    // That it led in another round is not said in this one, where the server is for it.
    let another = [
        says(1, LOOKING, vote(HIGH.0), 1),
        says(HIGH.0, LEADING, vote(HIGH.0), 7),
        says(1, FOLLOWING, vote(1), 1),
    ];
    assert_eq!(decides(&another), None);
}

#[test]
fn zookeeper_1514_a_server_leads_in_its_own_round_only() {
    let me = vote(ME.0);
    let of_another = [says(1, FOLLOWING, me, 7), says(HIGH.0, FOLLOWING, me, 7)];
    assert_eq!(decides(&of_another), None);
    let of_this = [says(1, FOLLOWING, me, 7), says(HIGH.0, FOLLOWING, me, 1)];
    assert_eq!(decides(&of_this), Some(Decision::Lead));
}

#[test]
fn zookeeper_1732_members_that_came_by_different_ways_are_for_the_same() {
    let longer = Vote { zxid: zxid(1, 2), ..vote(HIGH.0) };
    let joined = [says(1, FOLLOWING, longer, 4), says(HIGH.0, LEADING, vote(HIGH.0), 7)];
    assert_eq!(decides(&joined), Some(Decision::Follow(HIGH)));
    let newer = Vote { peer_epoch: Epoch(2), ..vote(HIGH.0) };
    assert_eq!(
        decides(&[says(1, FOLLOWING, newer, 4), says(HIGH.0, LEADING, vote(HIGH.0), 7)]),
        None
    );
}

fn trace(events: &[Event]) -> TraceFile {
    let bounds = model("one-server-6").info().tier(Tier::Quick).expect("it is quick").clone();
    let events = events.iter().map(|event| serde_json::to_value(event).expect("plain data"));
    TraceFile::new("one-server-6", bounds, [Value::from(0)].into_iter().chain(events).collect())
}

#[test]
fn a_trace_is_told() {
    let events = [
        LOOK,
        says(HIGH.0, LOOKING, vote(HIGH.0), 2),
        says(1, ServerState::Observing, vote(2), 1),
        Event::Timer(Timer::Finalize),
        says(1, LOOKING, vote(2), 0),
    ];
    let outcome = model("one-server-6").replay(&trace(&events)).expect("it can be walked");
    assert_eq!((outcome.steps, outcome.violated), (events.len(), vec![]));
    let story = outcome.story.expect("told");
    let said = |step: usize| {
        let sent = story.steps[step].sent.iter();
        sent.map(|arrow| format!("{}: {}", arrow.to, arrow.label)).collect::<Vec<_>>().join("; ")
    };
    let to_all = |word: &str| format!("s1: {word}; s73: {word}");
    assert_eq!(said(0), to_all("LOOKING for (1, <1,1>, s2) in round 1"));
    assert_eq!(said(1), to_all("LOOKING for (1, <1,1>, s73) in round 2"));
    assert_eq!(said(2), "");
    assert_eq!(story.steps[2].text, "s1 says OBSERVING for (1, <1,1>, s2) in round 1");
    assert_eq!(story.steps[3].memory, ["has settled on (1, <1,1>, s73) in round 2"]);
    assert_eq!(said(4), "s1: FOLLOWING for (1, <1,1>, s73) in round 2");
    assert_eq!(story.servers, ["s1", "s2", "s4", "s9", "s73"]);
}

#[test]
fn a_trace_is_refused_by_the_step() {
    let refusal =
        |events: &[Event]| model("one-server-6").replay(&trace(events)).expect_err("refused");
    let beyond = [LOOK, LOOK, LOOK];
    let refused = "step 3: the server looks, with 1 and <1,1> is not possible here";
    assert_eq!(refusal(&beyond), refused);
    let refused = "step 1: s73 says LEADING for (1, <1,1>, s7) in round 1 is not in the alphabet";
    assert_eq!(refusal(&[says(HIGH.0, LEADING, vote(7), 1)]), refused);
}
