//! Counterexamples as people read them.

use zab::{DiskImage, Sid};

use super::book::Book;
use super::event::{Event, label};
use super::limits::{KINDS_OF_EVENTS, ME};
use super::machine::{Machine, TakenBy};
use super::server::{Server, Taken};
use checker::{Arrow, Bounds, Fate, PropertyInfo, Step, StepKind, Story};

/// Tells a run: what the server begins with, and each event with the step that it caused.
pub(super) fn story<M: Machine>(
    machine: &M,
    model: &str,
    bounds: &Bounds,
    property: &PropertyInfo,
    first: &M::Server,
    run: &[(M::Event, TakenBy<M>)],
) -> Story {
    let mut before = first;
    let mut steps = Vec::new();
    for (at, (event, taken)) in run.iter().enumerate() {
        steps.push(M::tell(at + 1, event, before, taken));
        before = &taken.server;
    }
    let complaints = run.last().map(|(_, taken)| taken.complaints.join("; "));
    let complaints = complaints.filter(|said| !said.is_empty());
    Story {
        model: model.to_owned(),
        bounds: bounds.clone(),
        property: property.name.to_owned(),
        property_sentence: property.sentence.to_owned(),
        property_source: property.source.to_owned(),
        facts: [
            complaints.unwrap_or_else(|| "see the last step".to_owned()),
            format!("the server: {}", M::standing(before)),
        ],
        servers: machine.cast().iter().map(Sid::to_string).collect(),
        steps,
        faults_stop_after: None,
        loop_after: None,
    }
}

/// A step of Zab proper.
pub(super) fn tell(number: usize, event: &Event, before: &Server, taken: &Taken) -> Step {
    let after = &taken.server;
    let received = match event {
        Event::Recv(conn, message) => Some(Arrow {
            from: conn.peer.to_string(),
            to: ME.to_string(),
            label: label(message),
            fate: Fate::Delivered,
            until: Some(number),
        }),
        Event::Elected(_)
        | Event::Opened(..)
        | Event::Closed(_)
        | Event::Unreachable(_)
        | Event::Bare(..)
        | Event::Timer(_)
        | Event::Unanswered(_)
        | Event::WaitedTooLong(_)
        | Event::Disk(_)
        | Event::DurableAgain
        | Event::DurableBeyond
        | Event::Propose
        | Event::Sync
        | Event::SyncFor(_)
        | Event::Session(..)
        | Event::Resign
        | Event::Notify(_)
        | Event::StartAgain
        | Event::Crash => None,
    };
    let sent = taken.sends.iter().map(|(conn, message)| Arrow {
        from: ME.to_string(),
        to: conn.peer.to_string(),
        label: label(message),
        fate: Fate::InFlight,
        until: None,
    });
    let mut memory = taken.complaints.clone();
    if before.book != after.book {
        memory.push(standing(&after.book));
    }
    let mut on_disk = Vec::new();
    if before.disk != after.disk {
        on_disk.push(format!("durable: {}", image(&after.disk)));
    }
    if before.pending != after.pending {
        on_disk.push(format!("on their way: {:?}", after.pending));
    }
    Step {
        number,
        actor: ME.to_string(),
        kind: match event {
            Event::Crash => StepKind::Crash,
            Event::StartAgain => StepKind::Restart,
            Event::Disk(_) | Event::DurableAgain | Event::DurableBeyond => StepKind::Disk,
            Event::Timer(_) | Event::Unanswered(_) | Event::WaitedTooLong(_) => StepKind::Timeout,
            Event::Opened(..) | Event::Closed(_) | Event::Unreachable(_) => StepKind::Link,
            Event::Elected(_)
            | Event::Recv(..)
            | Event::Bare(..)
            | Event::Propose
            | Event::Sync
            | Event::SyncFor(_)
            | Event::Session(..)
            | Event::Resign
            | Event::Notify(_) => StepKind::Protocol,
        },
        action: KINDS_OF_EVENTS[event.kind()].to_owned(),
        text: event.tell(),
        received,
        sent: sent.collect(),
        memory,
        disk: on_disk,
    }
}

/// What is known of a server.
pub(super) fn standing(book: &Book) -> String {
    let Book { issued, delivered, standing, .. } = book;
    format!("{standing:?}; issued {}; delivered {delivered:?}", image(issued))
}

fn image(image: &DiskImage<u8>) -> String {
    let DiskImage { accepted, current, snapshot, log, history_lost } = image;
    let log: Vec<_> = log.iter().map(|txn| format!("{:?}", txn.zxid)).collect();
    let lost = if *history_lost { ", its history lost" } else { "" };
    format!("promised {accepted}, accepted {current}, {snapshot:?} [{}]{lost}", log.join(" "))
}
