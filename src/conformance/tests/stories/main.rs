//! Runs that are sound, and runs that somebody has tampered with: each property notices.

mod connections;
mod mutations;
mod world;

use conformance::{End, Report};
use recording::{Digest, Effect, Event, Other, Packet};
use wire::quorum::PacketType;
use world::{Step, Tape, World, check};
use zab::{
    Action, DiskImage, Epoch, Halt, MessageKind, Note, Record, Refusal, Sid, Txn, WriteNo, Zxid,
};

fn zxid(epoch: u32, counter: u32) -> Zxid {
    Zxid::new(Epoch(epoch), counter)
}

/// Three servers, two transactions, and an orderly stop.
fn calm() -> Vec<Tape> {
    let mut world = World::new(3);
    world.start(&[1, 2, 3]);
    world.propose("a");
    world.ping();
    world.propose("b");
    world.stop();
    world.tapes
}

/// The leader of epoch 1 dies with a transaction that nobody else has, epoch 2 goes on without it,
/// and the leader comes back and cuts it off.
fn stormy() -> Vec<Tape> {
    let mut world = World::new(3);
    world.start(&[1, 2, 3]);
    world.propose("a");
    world.propose("b");
    world.mute(3);
    world.propose("lost");
    world.kill(3);
    world.propose("c");
    world.start(&[3]);
    world.propose("d");
    world.stop();
    world.tapes
}

/// As [`calm`], twice.
fn continued() -> Vec<Tape> {
    let mut world = World::new(3);
    for payload in ["a", "b"] {
        world.start(&[1, 2, 3]);
        world.propose(payload);
        world.stop();
    }
    world.tapes
}

fn tape(tapes: &mut [Tape], sid: u8, number: u64) -> &mut Tape {
    let found = tapes.iter_mut().find(|tape| (tape.sid(), tape.number) == (Sid(sid), number));
    found.unwrap_or_else(|| panic!("no recording {number} of {sid}"))
}

fn writes(effects: &mut [Effect]) -> impl Iterator<Item = (&mut WriteNo, &mut Record<Digest>)> {
    effects.iter_mut().filter_map(|effect| {
        if let Effect::Write(no, record) = effect { Some((no, record)) } else { None }
    })
}

fn deliveries(effects: &mut [Effect]) -> impl Iterator<Item = &mut Txn<Digest>> {
    effects.iter_mut().filter_map(
        |effect| {
            if let Effect::Deliver(txn) = effect { Some(txn) } else { None }
        },
    )
}

/// Packets that leave.
fn sent(effects: &mut [Effect]) -> impl Iterator<Item = &mut Packet> {
    let frames = effects.iter_mut().filter_map(|effect| {
        if let Effect::Frames { packets, .. } = effect { Some(packets) } else { None }
    });
    frames.flatten()
}

/// Packets that arrive.
fn received(event: &mut Event) -> Option<&mut Vec<Packet>> {
    if let Event::Received { packets, .. } = event { Some(packets) } else { None }
}

fn is_delivery_of(zxid: Zxid) -> impl Fn(&Effect) -> bool {
    move |effect| matches!(effect, Effect::Deliver(txn) if txn.zxid == zxid)
}

fn is_ack(packet: &Packet) -> bool {
    packet.kind == PacketType::Ack && packet.zxid.counter() > 0
}

/// The recordings with every step of one of them changed; it says that the property is violated,
/// and where.
fn violated(
    property: &str,
    mut tapes: Vec<Tape>,
    (sid, number): (u8, u64),
    change: impl FnMut(&mut Step),
) -> Report {
    tape(&mut tapes, sid, number).steps.iter_mut().for_each(change);
    says_violated(property, &tapes)
}

fn says_violated(property: &str, tapes: &[Tape]) -> Report {
    let report = check(tapes);
    let found = report.property(property).expect("a property");
    assert_eq!(found.holds, Some(false), "{property}\n{report}");
    assert!(!found.facts.is_empty(), "{report}");
    assert!(found.facts.iter().all(|fact| fact.file.ends_with(".vtrace")), "{report}");
    assert!(!report.passes());
    report
}

#[test]
fn what_the_core_did_holds() {
    for (name, tapes) in [("calm", calm()), ("stormy", stormy()), ("continued", continued())] {
        let report = check(&tapes);
        assert!(report.passes(), "{name}\n{report}");
        for property in &report.properties {
            // The last two need a second epoch, or a second start.
            let open = [
                "vote-order-is-total",
                "sync-is-linearizable",
                "chosen-in-later-initial-history",
                "durable-survives-restart",
            ];
            let open = open.contains(&property.name);
            assert!(property.holds == Some(true) || open, "{name}\n{report}");
        }
    }
    for tapes in [stormy(), continued()] {
        let report = check(&tapes);
        for property in [
            "chosen-in-later-initial-history",
            "chosen-stays-on-a-quorum",
            "durable-survives-restart",
        ] {
            assert_eq!(report.property(property).expect("one").holds, Some(true), "{report}");
        }
    }
}

#[test]
fn another_output_is_found_with_its_step_and_field() {
    let mut tapes = calm();
    let steps = &mut tape(&mut tapes, 1, 1).steps;
    let is_delivery = is_delivery_of(zxid(1, 1));
    let at = steps.iter().position(|step| step.effects.iter().any(&is_delivery));
    let at = at.expect("a delivery");
    let delivered = deliveries(&mut steps[at].effects).next().expect("one");
    delivered.zxid.0 += 7;
    let report = check(&tapes);
    let difference = report.recordings[0].difference.as_ref().expect("one");
    assert_eq!(difference.step, at as u64);
    assert!(difference.field.starts_with("effects["), "{difference:?}");
    assert!(difference.recorded.contains("<1,8>") && difference.replayed.contains("<1,1>"));
    assert!(report.to_string().contains(&format!("DIFFERS from the host at step {at}")));
    assert!(!report.passes());
    assert!(report.recordings[1..].iter().all(|file| file.difference.is_none()));
}

#[test]
fn an_output_too_many_is_found() {
    let mut tapes = calm();
    let steps = &mut tape(&mut tapes, 2, 1).steps;
    steps[0].effects.push(Effect::Note(Note::Action(Action::LeaderPing)));
    let report = check(&tapes);
    let difference = report.recordings[1].difference.as_ref().expect("one");
    assert!(difference.replayed.starts_with("nothing, there are"), "{difference:?}");
}

#[test]
fn z1_two_leaders_of_one_epoch() {
    let report = violated("one-leader-per-epoch", calm(), (1, 1), |step| {
        if step.effects.iter().any(is_delivery_of(zxid(1, 1))) {
            step.effects.push(Effect::Note(Note::Action(Action::LeaderElected)));
        }
    });
    let facts = &report.property("one-leader-per-epoch").expect("one").facts;
    let facts: Vec<_> = facts.iter().map(|fact| fact.fact.as_str()).collect();
    assert_eq!(facts, ["s3 is followed in epoch 1", "s1 is elected in epoch 1"], "{report}");
}

#[test]
fn z1_followers_of_two_leaders() {
    let mut tapes = calm();
    let leader = |effect: &mut Effect| {
        if let Effect::Note(Note::Role(zab::Role::Following(leader), _)) = effect {
            *leader = Sid(2);
        }
    };
    for step in &mut tape(&mut tapes, 1, 1).steps {
        step.effects.iter_mut().for_each(leader);
    }
    says_violated("one-leader-per-epoch", &tapes);
}

#[test]
fn z2_two_transactions_of_one_zxid() {
    let report = violated("one-txn-per-zxid", calm(), (1, 1), |step| {
        for packet in received(&mut step.event).into_iter().flatten() {
            if packet.kind == PacketType::Proposal {
                packet.content = Some(Digest::of(b"another"));
            }
        }
    });
    assert_ne!(
        report.property("prefix-consistency").expect("one").holds,
        Some(false),
        "nobody delivered it"
    );
}

#[test]
fn z3_another_content_is_delivered() {
    violated("prefix-consistency", calm(), (1, 1), |step| {
        for txn in deliveries(&mut step.effects) {
            txn.payload = Digest::of(b"another");
        }
    });
}

#[test]
fn z3_what_others_delivered_in_between_is_missing() {
    let report = violated("prefix-consistency", stormy(), (1, 1), |step| {
        step.effects.retain(|effect| !is_delivery_of(zxid(1, 2))(effect));
    });
    assert_ne!(
        report.property("primary-order").expect("one").holds,
        Some(false),
        "a new epoch may follow"
    );
}

#[test]
fn z4_an_initial_history_without_what_was_chosen() {
    violated("chosen-in-later-initial-history", stormy(), (2, 1), |step| {
        step.effects.retain(|effect| {
            !matches!(effect, Effect::Write(_, Record::Txn(txn)) if txn.zxid.epoch() == Epoch(1))
        });
    });
}

#[test]
fn z5_a_delivery_of_what_only_a_minority_has() {
    let mut tapes = calm();
    for sid in [1, 2] {
        tape(&mut tapes, sid, 1).steps.retain(|step| !matches!(step.event, Event::Durable(_)));
    }
    says_violated("chosen-stays-on-a-quorum", &tapes);
    // What a killed server did not get to record cannot be held against anybody.
    for sid in [1, 2] {
        tape(&mut tapes, sid, 1).closed = false;
    }
    let report = check(&tapes);
    let property = report.property("chosen-stays-on-a-quorum").expect("one");
    assert!(property.violations == 0 && property.undecided > 0, "{report}");
    assert!(property.reason.as_ref().is_some_and(|why| why.contains("s1-000001")), "{report}");
}

/// Changes what a start found.
fn found(tapes: &mut [Tape], sid: u8, number: u64, change: impl FnOnce(&mut DiskImage<Digest>)) {
    let Event::Start(image) = &mut tape(tapes, sid, number).steps[0].event else {
        panic!("a recording begins with a start")
    };
    change(image);
}

#[test]
fn z5_and_r2_a_start_without_what_was_chosen() {
    let mut tapes = stormy();
    found(&mut tapes, 3, 2, |image| image.log.truncate(1));
    says_violated("chosen-stays-on-a-quorum", &tapes);
    says_violated("durable-survives-restart", &tapes);
}

#[test]
fn r2_a_start_may_lose_what_was_not_durable_and_nothing_else() {
    let mut tapes = stormy();
    // The lost transaction was on the disk of the killed leader. It was never delivered, and steps
    // may be missing.
    found(&mut tapes, 3, 2, |image| {
        assert_eq!(image.log.pop().map(|txn| txn.zxid), Some(zxid(1, 3)))
    });
    assert_eq!(check(&tapes).property("durable-survives-restart").expect("one").holds, Some(true));
    // The last words of a server that stopped in good order are its last words.
    let mut tapes = continued();
    found(&mut tapes, 1, 2, |image| {
        image.log.push(Txn { zxid: zxid(1, 2), payload: Digest::of(b"never written") });
    });
    says_violated("durable-survives-restart", &tapes);
}

#[test]
fn z6_an_ack_that_does_not_wait_for_the_disk() {
    let mut tapes = calm();
    let steps = &mut tape(&mut tapes, 2, 1).steps;
    let at = steps.iter_mut().position(|step| sent(&mut step.effects).any(|it| is_ack(it)));
    let at = at.expect("it acknowledges");
    assert!(matches!(steps[at - 1].event, Event::Durable(_)), "{:?}", steps[at - 1]);
    steps.swap(at - 1, at);
    says_violated("ack-implies-durable", &tapes);
}

#[test]
fn z6_an_ack_is_received_of_what_its_sender_does_not_have() {
    let mut tapes = calm();
    let steps = &mut tape(&mut tapes, 1, 1).steps;
    let last = steps.iter().rposition(|step| matches!(step.event, Event::Durable(_)));
    let last = last.expect("one");
    assert!(sent(&mut steps[last + 1].effects).any(|packet| is_ack(packet)));
    // And the ACK that it let leave.
    steps.drain(last..last + 2);
    let report = says_violated("ack-implies-durable", &tapes);
    let files: Vec<_> = report
        .property("ack-implies-durable")
        .expect("one")
        .facts
        .iter()
        .map(|fact| fact.file.as_str())
        .collect();
    assert_eq!(files, ["s3-000001.vtrace", "s1-000001.vtrace"]);
}

#[test]
fn z7_a_hole_in_a_history() {
    violated("log-matching", calm(), (1, 1), |step| {
        step.effects.retain(|effect| {
            !matches!(effect, Effect::Write(_, Record::Txn(txn)) if txn.zxid == zxid(1, 1))
        });
    });
}

#[test]
fn z7_two_histories_that_meet_again() {
    // The leader that comes back does not cut off what nobody else has.
    let report = violated("log-matching", stormy(), (3, 2), |step| {
        let is_cut = |effect: &Effect| matches!(effect, Effect::Write(_, Record::Truncate { .. }));
        step.effects.retain(|effect| !is_cut(effect));
    });
    assert!(report.property("log-matching").expect("one").facts.len() == 2, "{report}");
}

#[test]
fn z8_a_promise_that_is_none() {
    violated("epochs-monotone", stormy(), (1, 1), |step| {
        for (_, record) in writes(&mut step.effects) {
            if let Record::AcceptedEpoch(epoch) = record {
                *epoch = Epoch(1);
            }
        }
    });
}

#[test]
fn z8_a_start_that_finds_an_older_promise() {
    let mut tapes = continued();
    found(&mut tapes, 1, 2, |image| (image.accepted, image.current) = (Epoch(0), Epoch(0)));
    says_violated("epochs-monotone", &tapes);
}

#[test]
fn z9_a_transaction_is_left_out() {
    violated("primary-order", calm(), (1, 1), |step| {
        step.effects.retain(|effect| !is_delivery_of(zxid(1, 1))(effect));
    });
}

#[test]
fn z10_a_primary_that_has_not_delivered_the_past() {
    violated("primary-integrity", stormy(), (2, 1), |step| {
        step.effects.retain(
            |effect| !matches!(effect, Effect::Deliver(txn) if txn.zxid.epoch() == Epoch(1)),
        );
    });
}

#[test]
fn z11_discovery_reports_another_history() {
    violated("memory-is-replay-of-disk", calm(), (1, 1), |step| {
        for packet in sent(&mut step.effects) {
            if packet.kind == PacketType::AckEpoch {
                packet.zxid = zxid(1, 9);
            }
        }
    });
}

#[test]
fn z11_records_have_their_numbers() {
    violated("memory-is-replay-of-disk", calm(), (1, 1), |step| {
        for (no, _) in writes(&mut step.effects) {
            *no = WriteNo(no.0 + 1);
        }
    });
}

#[test]
fn z12_a_disk_that_the_core_refuses() {
    let mut world = World::new(3);
    world.start(&[1, 2, 3]);
    world.stop();
    let mut tapes = world.tapes;
    let event = Event::Start(DiskImage { current: Epoch(9), ..DiskImage::empty() });
    let halt = Halt::CurrentEpochAhead { accepted: Epoch(0), current: Epoch(9) };
    let effects = vec![Effect::Other(Other::Halt(halt))];
    tape(&mut tapes, 1, 1).steps = vec![Step { event, reports: vec![], effects }];
    let report = says_violated("recovery-is-total", &tapes);
    assert!(report.recordings[0].difference.is_none(), "the core does refuse it");
}

#[test]
fn z13_a_server_that_breaks_the_protocol() {
    violated("no-abort", calm(), (1, 1), |step| {
        if step.effects.iter().any(is_delivery_of(zxid(1, 1))) {
            let refusal = Refusal::Unexpected(MessageKind::Diff);
            step.effects.push(Effect::Note(Note::Refused(Sid(3), refusal)));
        }
    });
}

#[test]
fn r1_a_delivery_that_nobody_proposed() {
    let unproposed = |tapes: &mut [Tape]| {
        tape(tapes, 3, 1).steps.retain(|step| !matches!(step.event, Event::Propose(_)));
    };
    let mut tapes = calm();
    unproposed(&mut tapes);
    says_violated("delivered-was-proposed", &tapes);
    // The leader was killed: its last steps may be missing, those among them.
    tape(&mut tapes, 3, 1).closed = false;
    let report = check(&tapes);
    let property = report.property("delivered-was-proposed").expect("one");
    assert_eq!((property.holds, property.undecided), (None, 2), "{report}");
    assert!(report.to_string().contains("delivered-was-proposed           not decidable"));
    // No recording of the leader at all.
    tapes.retain(|tape| tape.sid() != Sid(3));
    let report = check(&tapes);
    assert!(report.passes(), "{report}");
    let reason = report.property("delivered-was-proposed").expect("one").reason.clone();
    assert_eq!(reason.as_deref(), Some("missing: every recording of s3"));
}

#[test]
fn r3_a_message_that_nobody_sent() {
    let mut tapes = calm();
    let steps = &mut tape(&mut tapes, 1, 1).steps;
    let is_new_leader = |packet: &Packet| packet.kind == PacketType::NewLeader;
    let step = steps.iter_mut().find_map(|step| {
        received(&mut step.event)?.iter().any(is_new_leader).then(|| step.clone())
    });
    steps.push(step.expect("one"));
    says_violated("received-was-sent", &tapes);
}

#[test]
fn a_recording_that_begins_later_leaves_older_things_alone() {
    let mut tapes = continued();
    tapes.retain(|tape| tape.number == 2);
    let report = check(&tapes);
    assert!(report.passes(), "{report}");
    assert_eq!(report.property("delivered-was-proposed").expect("one").undecided, 0, "{report}");
}

#[test]
fn recordings_of_two_ensembles_are_refused() {
    let mut world = World::new(5);
    world.start(&[4, 5, 1]);
    world.stop();
    let mut tapes = calm();
    tapes.extend(world.tapes.into_iter().filter(|tape| tape.sid() == Sid(4)));
    let report = check(&tapes);
    let last = report.recordings.last().expect("one");
    assert_eq!(last.end, End::Refused);
    assert!(last.refusal.as_ref().is_some_and(|why| why.contains("its voters are")), "{report}");
    assert!(!report.passes());
}

#[test]
fn a_recording_that_does_not_begin_with_a_start_is_refused() {
    let mut tapes = calm();
    tape(&mut tapes, 1, 1).steps.remove(0);
    let report = check(&tapes);
    let refusal = report.recordings[0].refusal.clone().unwrap_or_default();
    assert!(refusal.ends_with("allowed: Start"), "{refusal}");
}

/// Changes of the events of one recording: what a host does with these has no place in any run of
/// abstract Zab.
fn refused_by_abstract_zab(mut tapes: Vec<Tape>, who: (u8, u64), change: impl FnMut(&mut Step)) {
    tape(&mut tapes, who.0, who.1).steps.iter_mut().for_each(change);
    let report = check(&tapes);
    let zab = report.property("every-step-is-abstract").expect("a property");
    assert_eq!((zab.holds, zab.undecided), (Some(false), 0), "{report}");
    assert!(!zab.facts.is_empty(), "{report}");
}

#[test]
fn a_run_is_a_run_of_abstract_zab_whatever_order_its_recordings_are_read_in() {
    for tapes in [calm(), stormy(), continued()] {
        let report = check(&tapes);
        let zab = report.property("every-step-is-abstract").expect("a property");
        assert_eq!((zab.holds, zab.violations), (Some(true), 0), "{report}");
    }
    let taken = |report: &Report, name: &str| {
        report.actions.iter().find(|action| action.name == name).expect("an action").count
    };
    let report = check(&stormy());
    for name in
        ["Promise", "Elect", "Sync", "SetEpoch", "Append", "Ack", "Propose", "Deliver", "Crash"]
    {
        assert!(taken(&report, &format!("Zab!{name}")) > 0, "{name}\n{report}");
    }
}

#[test]
fn a_leader_that_counts_on_a_promise_that_never_was_is_refused_by_abstract_zab() {
    // Neither of them gets as far as to promise, but the leader has their ACKEPOCHs.
    let mut tapes = calm();
    for sid in [1, 2] {
        for step in &mut tape(&mut tapes, sid, 1).steps {
            let packets = received(&mut step.event);
            packets.into_iter().for_each(|it| it.retain(|it| it.kind != PacketType::LeaderInfo));
        }
    }
    let report = check(&tapes);
    assert_eq!(
        report.property("every-step-is-abstract").expect("a property").holds,
        Some(false),
        "{report}"
    );
}

#[test]
fn a_transaction_that_nobody_proposed_is_refused_by_abstract_zab() {
    refused_by_abstract_zab(calm(), (2, 1), |step| {
        for packet in received(&mut step.event).into_iter().flatten() {
            if packet.kind == PacketType::Proposal {
                packet.content = Some(Digest::of(b"something else"));
            }
        }
    });
}

#[test]
fn a_disk_that_never_confirms_is_refused_by_abstract_zab_if_others_count_on_it() {
    let mut tapes = calm();
    for sid in [1, 2] {
        tape(&mut tapes, sid, 1).steps.retain(|step| !matches!(step.event, Event::Durable(_)));
    }
    let report = check(&tapes);
    assert_eq!(
        report.property("every-step-is-abstract").expect("a property").holds,
        Some(false),
        "{report}"
    );
}

#[test]
fn a_truncation_below_what_is_common_is_refused_by_abstract_zab() {
    refused_by_abstract_zab(stormy(), (3, 2), |step| {
        for packet in received(&mut step.event).into_iter().flatten() {
            if packet.kind == PacketType::Trunc {
                packet.zxid = Zxid::ZERO;
            }
        }
    });
}
