//! What crosses connections: lost on the way, in the host, or never said.

use recording::{Effect, Event, Packet, Ports};
use wire::quorum::PacketType;
use zab::Sid;

use super::world::{Loss, Tape, World, check};
use super::{calm, continued, received, says_violated, stormy, tape, zxid};

fn losing(how: Loss) -> Vec<Tape> {
    let mut world = World::new(3);
    world.start(&[1, 2, 3]);
    world.propose("a");
    world.lose_a_commit(how);
    world.propose("b");
    // COMMIT of what comes next says that of `b` too.
    world.propose("c");
    world.ping();
    world.stop();
    world.tapes
}

#[test]
fn a_commit_that_gets_lost_behind_the_host_is_told_with_what_came_in_its_place() {
    let tapes = losing(Loss::OnTheWay);
    let report = says_violated("received-is-prefix-of-sent", &tapes);
    let others =
        report.properties.iter().filter(|property| property.name != "received-is-prefix-of-sent");
    assert!(others.clone().all(|property| property.violations == 0), "{report}");
    assert!(report.recordings.iter().all(|file| file.difference.is_none()), "{report}");
    let facts = &report.property("received-is-prefix-of-sent").expect("one").facts;
    let facts: Vec<_> = facts.iter().map(|fact| (fact.file.as_str(), fact.fact.as_str())).collect();
    let [("s1-000001.vtrace", got), ("s3-000001.vtrace", sent)] = facts[..] else {
        panic!("{facts:?}")
    };
    assert!(got.contains("that s1 receives over this connection of s3 is PROPOSAL <1,3>"), "{got}");
    assert!(sent.ends_with("that s3 sends over it is COMMIT <1,2>"), "{sent}");
}

#[test]
fn a_commit_that_a_host_keeps_for_itself_is_told_by_the_host_that_is_run_again() {
    let tapes = losing(Loss::InTheHost);
    let report = says_violated("commit-reaches-the-wire", &tapes);
    let leader = report.recordings.last().expect("one");
    let difference = leader.difference.as_ref().expect("another host sends it");
    assert!(difference.field.contains("of those that leave for s1"), "{difference:?}");
    assert!(difference.replayed.contains("Commit") && difference.replayed.contains("<1,2>"));
    // What was sent arrived.
    assert_eq!(
        report.property("received-is-prefix-of-sent").expect("one").violations,
        0,
        "{report}"
    );
}

#[test]
fn packets_that_were_never_sent_are_refused() {
    let mut tapes = calm();
    let steps = &mut tape(&mut tapes, 3, 1).steps;
    let packets = steps.iter_mut().rev().find_map(|step| received(&mut step.event));
    // It says what it has said before.
    packets.expect("an ACK").push(Packet::bare(PacketType::Ack, zxid(1, 2)));
    let report = says_violated("received-is-prefix-of-sent", &tapes);
    let facts = &report.property("received-is-prefix-of-sent").expect("one").facts;
    assert!(facts.iter().any(|fact| fact.fact.contains(" sends ")), "{report}");
}

#[test]
fn a_connection_that_the_other_end_does_not_have_is_refused() {
    let mut tapes = calm();
    for step in &mut tape(&mut tapes, 3, 1).steps {
        if let Event::Opened { link, over, .. } = &mut step.event
            && link.peer == Sid(1)
        {
            *over = Some(Ports { own: 1, other: 2 });
        }
    }
    // Something may translate addresses: it fits what the other end sent.
    let report = check(&tapes);
    assert!(report.passes(), "{report}");
    for step in &mut tape(&mut tapes, 1, 1).steps {
        step.effects.retain(|effect| !matches!(effect, Effect::Frames { .. }));
    }
    let report = says_violated("received-is-prefix-of-sent", &tapes);
    // The recording of a killed server may lack what it sent.
    tape(&mut tapes, 1, 1).closed = false;
    let open = check(&tapes);
    let property = open.property("received-is-prefix-of-sent").expect("one");
    assert!(property.violations == 0 && property.undecided > 0, "{report}\n{open}");
}

#[test]
fn an_election_message_is_one_of_those_that_were_said_and_not_older_than_the_one_before() {
    let changed = |change: &dyn Fn(&mut zab::Notification)| {
        let mut tapes = calm();
        let steps = &mut tape(&mut tapes, 1, 1).steps;
        let heard = steps.iter_mut().rev().find_map(|step| {
            if let Event::Notified { notification, .. } = &mut step.event {
                Some(notification)
            } else {
                None
            }
        });
        change(heard.expect("it heard something"));
        tapes
    };
    says_violated("heard-was-said", &changed(&|notification| notification.round += 7));
    says_violated("heard-was-said", &changed(&|notification| notification.vote = None));
    // What it said last comes first.
    let mut tapes = calm();
    let said_two_things = (1..=3).flat_map(|me| (1..=3).map(move |from| (me, Sid(from))));
    let (steps, first, last) = said_two_things
        .filter_map(|(me, from)| {
            let steps = &tape(&mut tapes, me, 1).steps;
            let is_heard = |at: &usize| {
                matches!(steps[*at].event, Event::Notified { from: other, .. } if other == from)
            };
            let heard: Vec<_> = (0..steps.len()).filter(is_heard).collect();
            let (first, last) = (*heard.first()?, *heard.last()?);
            (steps[first].event != steps[last].event).then_some((me, first, last))
        })
        .next()
        .map(|(me, first, last)| (&mut tape(&mut tapes, me, 1).steps, first, last))
        .expect("somebody said two things");
    let (one, other) = (steps[first].event.clone(), steps[last].event.clone());
    (steps[first].event, steps[last].event) = (other, one);
    says_violated("heard-was-said", &tapes);
}

#[test]
fn a_report_says_what_crossed_connections_and_what_never_did() {
    let mut sum = std::collections::BTreeMap::<&str, (u64, u64)>::new();
    for tapes in [calm(), stormy(), continued()] {
        let report = check(&tapes);
        for packet in &report.packets {
            let count = sum.entry(packet.name).or_default();
            *count = (count.0 + packet.sent, count.1 + packet.received);
        }
        let proposals = report.packets.iter().find(|packet| packet.name == "PROPOSAL");
        let proposals = proposals.expect("every kind is there");
        assert!(proposals.sent >= proposals.received && proposals.received > 0, "{report}");
        let text = report.to_string();
        assert!(text.contains("\n  never: ") && text.contains("COMMITANDACTIVATE"), "{text}");
        assert!(text.contains("\nactions that were never taken: "), "{text}");
    }
    let never: Vec<_> =
        sum.into_iter().filter_map(|(name, count)| (count == (0, 0)).then_some(name)).collect();
    assert_eq!(
        never,
        [
            "COMMITANDACTIVATE",
            "INFORM",
            "INFORMANDACTIVATE",
            "OBSERVERINFO",
            "REQUEST",
            "REVALIDATE",
            "SNAP",
            "SYNC"
        ]
    );
}
