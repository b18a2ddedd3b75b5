//! The alphabet, traces and what they show.

use std::collections::BTreeSet;

use serde_json::Value;
use zab::{Decision, Epoch, Message, MessageKind, Sid, Txn, Zxid};

use super::checkable::models;
use super::event::{Event, alphabet};
use super::limits::{KINDS, KINDS_OF_EVENTS, Limits};
use checker::{CheckableModel, Tier, TraceFile};

fn limits(name: &str) -> Limits {
    let kind = KINDS.iter().find(|kind| kind.name == name).expect("there is one");
    Limits::of(kind.subject, model(name).info().tier(Tier::Quick).expect("it is quick"))
}

fn model(name: &str) -> Box<dyn CheckableModel> {
    models().into_iter().find(|model| model.info().name == name).expect("there is one")
}

#[test]
fn every_kind_of_message_and_event_is_tried_once_in_each_form() {
    for kind in &KINDS {
        let events = alphabet(&limits(kind.name));
        let distinct: BTreeSet<String> = events.iter().map(|event| format!("{event:?}")).collect();
        assert_eq!(distinct.len(), events.len(), "{}", kind.name);
        let kinds: BTreeSet<usize> = events.iter().map(Event::kind).collect();
        assert_eq!(kinds.len(), KINDS_OF_EVENTS.len(), "{}", kind.name);
        for &peer in kind.subject.peers() {
            let said = events.iter().filter_map(|event| {
                let Event::Recv(from, message) = event else { return None };
                (*from == peer).then(|| message.kind())
            });
            let said: BTreeSet<MessageKind> = said.collect();
            assert_eq!(said.len(), 15, "{} {peer}", kind.name);
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

const LEADER: Sid = Sid(2);

/// A follower is brought up to date by a leader that holds one transaction, and is then told of a
/// hole.
fn run() -> Vec<Event> {
    let zxid = |counter| Zxid::new(Epoch(1), counter);
    let txn = |counter| Message::Proposal(Txn { zxid: zxid(counter), payload: 0 });
    let epoch = Epoch(1);
    let words = [
        Message::LeaderInfo { epoch },
        Message::Diff { committed: zxid(1) },
        txn(1),
        Message::NewLeader { epoch },
        Message::UpToDate,
    ];
    let mut events = vec![Event::Elected(Decision::Follow(LEADER)), Event::Link(LEADER, true)];
    for word in words {
        let writes = matches!(word, Message::LeaderInfo { .. } | Message::Proposal(_));
        events.push(Event::Recv(LEADER, word));
        if writes {
            events.push(Event::Disk);
        }
    }
    events.push(Event::Recv(
        LEADER,
        Message::Proposal(Txn { zxid: Zxid::new(Epoch(2), 1), payload: 0 }),
    ));
    events
}

fn trace(events: &[Event]) -> TraceFile {
    let bounds = model("one-server-1").info().tier(Tier::Quick).expect("it is quick").clone();
    let events = events.iter().map(|event| serde_json::to_value(event).expect("plain data"));
    TraceFile::new("one-server-1", bounds, [Value::from(0)].into_iter().chain(events).collect())
}

#[test]
fn a_trace_is_told() {
    let events = run();
    let outcome = model("one-server-1").replay(&trace(&events)).expect("it can be walked");
    assert_eq!((outcome.steps, outcome.violated), (events.len(), vec![]));
    let story = outcome.story.expect("told");
    let said = |step: usize| story.steps[step].sent.iter().map(|arrow| &arrow.label[..]);
    assert!(said(1).eq(["FOLLOWERINFO 0"]));
    assert!(said(2).eq(["ACKEPOCH 0, <0,0>, when durable"]));
    assert!(said(7).eq(["ACK of NEWLEADER 1, when durable", "ACK <1,1>, when durable"]));
    // A transaction of another epoch is refused: the leader is left, and nothing is written.
    let last = &story.steps[9];
    assert_eq!(last.text, "s2 says PROPOSAL <2,1>");
    assert!(last.sent.is_empty() && last.disk.is_empty());
    assert!(last.memory[0].starts_with("Looking; issued promised 1, accepted 1, <0,0> [<1,1>]"));
}

#[test]
fn a_trace_is_refused_by_the_step() {
    let refusal =
        |events: &[Event]| model("one-server-1").replay(&trace(events)).expect_err("refused");
    assert_eq!(refusal(&[Event::Disk]), "step 1: one more record is durable is not possible here");
    let stranger = Event::Link(Sid(7), true);
    assert_eq!(refusal(&[stranger]), "step 1: the link to s7 comes up is not in the alphabet");
    let mut nowhere = trace(&[]);
    nowhere.actions[0] = Value::from(2);
    let refused = model("one-server-1").replay(&nowhere).expect_err("there is no such disk");
    assert_eq!(refused, "step 0: the beginnings are 0 to 1");
    nowhere.actions.clear();
    let refused = model("one-server-1").replay(&nowhere).expect_err("nothing is named");
    assert_eq!(refused, "step 0: no beginning is named");
}
