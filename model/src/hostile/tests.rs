//! The alphabet, traces and what they show.

use std::collections::BTreeSet;

use serde_json::Value;
use wire::quorum::PacketType;
use zab::{Decision, Epoch, Message, MessageKind, Sid, Zxid};

use super::checkable::models;
use super::connections::WAITING_MAX;
use super::event::{Conn, Event, alphabet, txn};
use super::limits::{KINDS, KINDS_OF_EVENTS, Limits, Subject};
use super::packet::{decode, packet};
use checker::{CheckOptions, CheckableModel, Completion, Engine, Tier, TraceFile};

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
                let Event::Recv(conn, message) = event else { return None };
                (conn.peer == peer).then(|| message.kind())
            });
            let said: BTreeSet<MessageKind> = said.collect();
            let all = if kind.subject == Subject::Crowded { 6 } else { 15 };
            assert_eq!(said.len(), all, "{} {peer}", kind.name);
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
const LINK: Conn = Conn { peer: LEADER, number: 0 };

/// A follower is brought up to date by a leader that holds one transaction, and is then told of a
/// hole.
fn run() -> Vec<Event> {
    let zxid = |counter| Zxid::new(Epoch(1), counter);
    let epoch = Epoch(1);
    let words = [
        Message::LeaderInfo { epoch },
        Message::Diff { committed: zxid(1) },
        Message::Proposal(txn(zxid(1))),
        Message::NewLeader { epoch },
        Message::UpToDate,
    ];
    let mut events = vec![Event::Elected(Decision::Follow(LEADER)), Event::Opened(LINK, true)];
    for word in words {
        let writes = matches!(word, Message::LeaderInfo { .. } | Message::Proposal(_));
        events.push(Event::Recv(LINK, word));
        if writes {
            events.push(Event::Disk(1));
        }
    }
    events.push(Event::Recv(LINK, Message::Proposal(txn(Zxid::new(Epoch(2), 1)))));
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
    // What waits for the disk leaves when the record is durable.
    assert!(said(2).eq(Vec::<&str>::new()));
    assert!(said(3).eq(["ACKEPOCH 0, <0,0>"]));
    assert!(said(7).eq(Vec::<&str>::new()));
    // A transaction of another epoch is refused: the leader is left, and nothing is written.
    let last = &story.steps[9];
    assert_eq!(last.text, "over the connection 0 of s2: PROPOSAL <2,1>");
    assert!(last.sent.is_empty() && last.disk.is_empty());
    assert!(last.memory[0].starts_with("Looking; issued promised 1, accepted 1, <0,0> [<1,1>]"));
}

#[test]
fn a_trace_is_refused_by_the_step() {
    let refusal =
        |events: &[Event]| model("one-server-1").replay(&trace(events)).expect_err("refused");
    assert_eq!(
        refusal(&[Event::Disk(1)]),
        "step 1: one more record is durable is not possible here"
    );
    let stranger = Event::Opened(Conn { peer: Sid(7), number: 0 }, true);
    let refused = "step 1: s7 answers: connection 0 of s7 is not in the alphabet";
    assert_eq!(refusal(&[stranger]), refused);
    let mut nowhere = trace(&[]);
    nowhere.actions[0] = Value::from(3);
    let refused = model("one-server-1").replay(&nowhere).expect_err("there is no such disk");
    assert_eq!(refused, "step 0: the beginnings are 0 to 2");
    nowhere.actions.clear();
    let refused = model("one-server-1").replay(&nowhere).expect_err("nothing is named");
    assert_eq!(refused, "step 0: no beginning is named");
}

/// The packets of an alphabet, each once.
fn packets(name: &str) -> BTreeSet<Vec<u8>> {
    let events = alphabet(&limits(name));
    let said = events.iter().filter_map(|event| {
        let Event::Recv(conn, message) = event else { return None };
        Some(packet(conn.peer, message))
    });
    said.collect()
}

#[test]
fn packets_that_are_cut_off_are_never_taken_for_others() {
    for name in ["one-server-1", "one-server-3"] {
        for packet in packets(name) {
            let whole = decode(&packet).expect("it can be read");
            for length in 1..packet.len() {
                assert!(decode(&packet[..length]).is_err(), "{whole:?}, the first {length} bytes");
            }
            // What is missing at the end of a packet is not made up from the next one.
            let twice = [&packet[..packet.len() - 1], &packet[..]].concat();
            assert!(decode(&twice).is_err(), "{whole:?}, without its last byte and again");
        }
    }
}

#[test]
fn what_is_no_packet_of_this_protocol_is_refused_by_name() {
    let mut unknown = packet(LEADER, &Message::UpToDate);
    for (kind, name) in [
        (PacketType::CommitAndActivate.code(), "COMMITANDACTIVATE"),
        (PacketType::InformAndActivate.code(), "INFORMANDACTIVATE"),
        (0, "QuorumPacket.type"),
        (20, "QuorumPacket.type"),
    ] {
        unknown[..4].copy_from_slice(&kind.to_be_bytes());
        let refused = decode(&unknown).expect_err("refused");
        assert!(refused.contains(name), "{kind}: {refused}");
    }
    let mut negative = packet(LEADER, &Message::Commit { zxid: Zxid::new(Epoch(1), 1) });
    negative[4] = 0x80;
    assert!(decode(&negative).expect_err("refused").contains("is negative"));
}

/// The properties that a run of these bounds finds violated.
fn violated(name: &str, changes: &[(&str, u64)]) -> Vec<String> {
    let model = model(name);
    let mut bounds = model.info().cheapest().bounds.clone();
    for &(bound, value) in changes {
        bounds.set(bound, value);
    }
    let (max_states, engine, stop) = (None, Engine::Own, Default::default());
    let opts = CheckOptions { threads: 2, max_states, engine, stop };
    let verdict = model.check(&bounds, &opts, &|_| {});
    assert_eq!(verdict.completion, Completion::Complete);
    let wrong = verdict.properties.iter().filter(|property| property.holds == Some(false));
    wrong.map(|property| property.name.to_string()).collect()
}

#[test]
fn where_as_many_wait_as_may_a_newcomer_takes_the_place_of_the_oldest() {
    for crowd in [WAITING_MAX - 1, WAITING_MAX] {
        let crowd = crowd as u64;
        let found = violated("one-server-8", &[("connections", 1), ("crowd", crowd)]);
        assert!(found.is_empty(), "{crowd} wait at the beginning: {found:?}");
    }
}
