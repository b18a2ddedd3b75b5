//! Counterexamples as stories: who did what, what changed in memory and on disk, which messages
//! went where.

use search::intern::Handle;
use std::collections::VecDeque;

use zab::{Action, DiskImage, Message, Record, Role, SessionMessage, Sid};

use super::Cluster;
use super::action::Act;
use super::client::Clients;
use super::facts;
use super::frame::Frame;
use super::machine::{Machine, Txn};
use super::node::Node;
use super::path::Taken;
use super::payload::Origin;
use super::property::Property;
use super::session::Asking;
use checker::{Arrow, Bounds, Fate, Step, StepKind, Story};

/// Tells a run.
pub fn tell<M: Machine>(
    cluster: &Cluster<M>,
    model: &str,
    bounds: &Bounds,
    start: &[u32],
    run: &[Taken],
    property: Property,
) -> Story {
    let mut teller = Teller { cluster, steps: Vec::new(), flights: VecDeque::new() };
    let mut before = start.to_vec();
    for taken in run {
        teller.step(&before, taken);
        before.clone_from(&taken.words);
    }
    let last = run.len().checked_sub(1);
    let previous = match last {
        None | Some(0) => start,
        Some(last) => &run[last - 1].words,
    };
    Story {
        model: model.to_owned(),
        bounds: bounds.clone(),
        property: property.name().to_owned(),
        property_sentence: property.sentence().to_owned(),
        property_source: property.source().to_owned(),
        facts: facts::facts(cluster, property, previous, run.last()),
        servers: cluster.servers().iter().map(|config| config.me.to_string()).collect(),
        steps: teller.steps,
        faults_stop_after: None,
        loop_after: None,
    }
}

/// A message under way: which step sent it, as which of its arrows, over which queue.
struct Flight {
    step: usize,
    arrow: usize,
    queue: (Sid, Sid),
    label: String,
}

struct Teller<'a, M: Machine> {
    cluster: &'a Cluster<M>,
    steps: Vec<Step>,
    flights: VecDeque<Flight>,
}

impl<M: Machine> Teller<'_, M> {
    fn step(&mut self, before: &[u32], taken: &Taken) {
        let cluster = self.cluster;
        let number = self.steps.len() + 1;
        let (act, after) = (taken.act, &taken.words);
        let mut step = Step {
            number,
            actor: act.actor().to_string(),
            kind: kind(act),
            action: actions(taken.marks),
            text: text(act),
            received: None,
            sent: Vec::new(),
            memory: Vec::new(),
            disk: Vec::new(),
        };
        let n = cluster.servers().len();
        for i in 0..n {
            let (old, new) = (cluster.node(before, i), cluster.node(after, i));
            let name = cluster.servers()[i].me;
            step.memory
                .extend(memory(old, new).into_iter().map(|change| format!("{name}: {change}")));
            step.disk.extend(
                disk(old, new, [Act::Crash(name), Act::Damage(name)].contains(&act))
                    .into_iter()
                    .map(|c| format!("{name}: {c}")),
            );
        }
        if let (Some(old), Some(new)) = (cluster.clients(before), cluster.clients(after)) {
            step.memory.extend(clients(old, new));
        }
        if let Some(complaint) = cluster.complaint(before, act) {
            step.memory.push(complaint);
        }
        self.steps.push(step);
        for (from, to) in (0..n).flat_map(|a| (0..n).filter(move |&b| a != b).map(move |b| (a, b)))
        {
            let mut old = labels(cluster, before, from, to);
            let new = labels(cluster, after, from, to);
            let queue = (cluster.servers()[from].me, cluster.servers()[to].me);
            while reads(act) == Some((queue.1, queue.0))
                && !old.is_empty()
                && (!new.starts_with(&old) || self.has_not_read())
            {
                let label = old.remove(0);
                self.end(queue, Fate::Delivered);
                let arrow = arrow(queue, label, Fate::Delivered);
                if let Some(step) = self.steps.last_mut() {
                    step.received = Some(arrow);
                }
            }
            let kept = if new.starts_with(&old) { old.len() } else { 0 };
            if kept == 0 {
                for _ in &old {
                    self.end(queue, Fate::Lost);
                }
            }
            for label in &new[kept..] {
                let at = self.steps.len() - 1;
                self.flights.push_back(Flight {
                    step: at,
                    arrow: self.steps[at].sent.len(),
                    queue,
                    label: label.clone(),
                });
                self.steps[at].sent.push(arrow(queue, label.clone(), Fate::InFlight));
            }
        }
    }

    /// The present step has read nothing yet.
    fn has_not_read(&self) -> bool {
        self.steps.last().is_some_and(|step| step.received.is_none())
    }

    /// The oldest message of a queue has come to its end.
    fn end(&mut self, queue: (Sid, Sid), fate: Fate) {
        let Some(at) = self.flights.iter().position(|flight| flight.queue == queue) else { return };
        let Some(flight) = self.flights.remove(at) else { return };
        let until = Some(self.steps.len());
        if let Some(arrow) = self.steps[flight.step].sent.get_mut(flight.arrow) {
            debug_assert_eq!(arrow.label, flight.label);
            arrow.fate = fate;
            arrow.until = until;
        }
    }
}

/// The server that reads, and from whom.
fn reads(act: Act) -> Option<(Sid, Sid)> {
    match act {
        Act::LearnerReads(reader, from, _)
        | Act::LeaderReads(reader, from, _)
        | Act::LearnerReadsRun(reader, from, _)
        | Act::LeaderReadsRun(reader, from, _)
        | Act::ReadNotification(reader, from) => Some((reader, from)),
        Act::Lead(_)
        | Act::Follow(..)
        | Act::Connect(..)
        | Act::Accept(..)
        | Act::LearnerSeesBreak(..)
        | Act::LeaderSeesBreak(..)
        | Act::LearnerTimeout(_)
        | Act::LeaderTimeout(..)
        | Act::Unanswered(..)
        | Act::ClaimExpires(..)
        | Act::LeaderInitLimit(_)
        | Act::QuorumLoss(_)
        | Act::Disk(_)
        | Act::Disks(_)
        | Act::Propose(_)
        | Act::Sync(_)
        | Act::Compact(_)
        | Act::Crash(_)
        | Act::Damage(_)
        | Act::Resend(_)
        | Act::Finalize(_)
        | Act::Apply(_)
        | Act::Attach(..)
        | Act::Ask(..) => None,
    }
}

fn arrow((from, to): (Sid, Sid), label: String, fate: Fate) -> Arrow {
    Arrow { from: from.to_string(), to: to.to_string(), label, fate, until: None }
}

/// What is under way from one server to another: over the connection in which it leads, the one in
/// which it learns, and the election's slot.
fn labels<M: Machine>(cluster: &Cluster<M>, words: &[u32], from: usize, to: usize) -> Vec<String> {
    let frame = |id: &Handle| label(cluster.tables().frames.get(*id));
    let led = cluster.conn(words, to, from).0.iter().flat_map(|wire| &wire.to_learner);
    let learnt = cluster.conn(words, from, to).0.iter().flat_map(|wire| &wire.to_leader);
    let (as_leader, as_learner) = (led.map(frame), learnt.map(frame));
    let slot = cluster.slot(words, from, to);
    let notifications = slot.into_iter().flat_map(|slot| [slot.wire, slot.next]).flatten();
    let vote = notifications.map(|n| {
        let vote = n
            .vote
            .map_or("-".to_owned(), |v| format!("{} ({},{:?})", v.leader, v.peer_epoch, v.zxid));
        format!("{:?} {vote} round {}", n.state, n.round)
    });
    as_leader.chain(as_learner).chain(vote).collect()
}

/// A message in a few words.
pub(super) fn label(frame: &Frame) -> String {
    match &frame.message() {
        Message::LearnerInfo { kind, accepted } => match kind {
            zab::LearnerKind::Follower => format!("FOLLOWERINFO {accepted}"),
            zab::LearnerKind::Observer => format!("OBSERVERINFO {accepted}"),
        },
        Message::LeaderInfo { epoch } => format!("LEADERINFO {epoch}"),
        Message::AckEpoch { current: Some(current), last } => {
            format!("ACKEPOCH {current} {last:?}")
        }
        Message::AckEpoch { current: None, last } => format!("ACKEPOCH -1 {last:?}"),
        Message::Diff { committed } => format!("DIFF committed {committed:?}"),
        Message::Trunc { to, committed } => format!("TRUNC {to:?} committed {committed:?}"),
        Message::Snap { zxid } => format!("SNAP {zxid:?} {}", history(&frame.content)),
        Message::NewLeader { epoch } => format!("NEWLEADER {epoch}"),
        Message::AckNewLeader { epoch } => format!("ACK of NEWLEADER {epoch}"),
        Message::UpToDate => "UPTODATE".to_owned(),
        Message::Proposal(txn) => format!("PROPOSAL {:?}", txn.zxid),
        Message::Ack { zxid } => format!("ACK {zxid:?}"),
        Message::Commit { zxid } => format!("COMMIT {zxid:?}"),
        Message::Inform(txn) => format!("INFORM {:?}", txn.zxid),
        Message::Ping { .. } => "PING".to_owned(),
        Message::Session(SessionMessage::Request(_)) => "REQUEST".to_owned(),
        Message::Session(SessionMessage::Revalidate(_)) => "REVALIDATE".to_owned(),
        Message::Session(SessionMessage::Sync(_)) => "SYNC".to_owned(),
    }
}

/// A history in a few words.
pub(super) fn history(txns: &[Txn]) -> String {
    let zxids: Vec<_> = txns.iter().map(|txn| format!("{:?}", txn.zxid)).collect();
    format!("[{}]", zxids.join(" "))
}

/// A role in a few words.
fn role(role: Role) -> String {
    match role {
        Role::Down => "down".to_owned(),
        Role::Looking => "looking".to_owned(),
        Role::Following(leader) => format!("following {leader}"),
        Role::Observing(leader) => format!("observing {leader}"),
        Role::Leading => "leading".to_owned(),
    }
}

fn memory<M: Machine>(old: &Node<M>, new: &Node<M>) -> Vec<String> {
    let (was, is) = (old.core().zab(), new.core().zab());
    let mut changes = Vec::new();
    let mut changed = |what: &str, from: String, to: String| {
        if from != to {
            changes.push(format!("{what} {from} -> {to}"));
        }
    };
    changed("", role(was.role()), role(is.role()));
    let epoch = |epoch: Option<zab::Epoch>| epoch.map_or("-".to_owned(), |epoch| epoch.to_string());
    changed("established in", epoch(was.established()), epoch(is.established()));
    changed("acceptedEpoch", epoch(was.accepted_epoch()), epoch(is.accepted_epoch()));
    changed("currentEpoch", epoch(was.current_epoch()), epoch(is.current_epoch()));
    changed("history", history(&old.disk.issued_history()), history(&new.disk.issued_history()));
    changed("delivered", history(&old.applied), history(&new.applied));
    changed(
        "messages that wait for the disk",
        old.waiting().to_string(),
        new.waiting().to_string(),
    );
    changes.into_iter().map(|change| change.trim().to_owned()).collect()
}

/// How clients have changed.
fn clients(old: &Clients, new: &Clients) -> Vec<String> {
    let each = old.each.iter().zip(&new.each).zip(0..);
    let changed = each.filter(|((old, new), _)| old != new);
    changed.map(|((_, new), client)| format!("client {client}: {new:?}")).collect()
}

fn disk<M: Machine>(old: &Node<M>, new: &Node<M>, crash: bool) -> Vec<String> {
    let image = |node: &Node<M>| {
        let DiskImage { accepted, current, .. } = &node.disk.image;
        format!("accepted {accepted} current {current} {}", history(&node.disk.durable_history()))
    };
    let records = |node: &Node<M>| -> Vec<String> {
        node.disk.pending.iter().map(|write| record(&write.record)).collect()
    };
    let mut changes = Vec::new();
    let (had, has) = (records(old), records(new));
    if crash {
        if !had.is_empty() {
            changes.push(format!("lost {}", had.join(", ")));
        }
    } else {
        let gone = (0..=had.len()).find(|&gone| has.starts_with(&had[gone..])).unwrap_or(0);
        let issued = &has[had.len() - gone..];
        if !issued.is_empty() {
            changes.push(format!("issued {}", issued.join(", ")));
        }
        if gone > 0 {
            changes.push(format!("durable {}", had[..gone].join(", ")));
        }
    }
    if image(old) != image(new) {
        changes.push(format!("holds {}", image(new)));
    }
    changes
}

fn record(record: &Record<Origin>) -> String {
    match record {
        Record::Txn(txn) => format!("txn {:?}", txn.zxid),
        Record::Truncate { to } => format!("truncate to {to:?}"),
        Record::Snapshot { zxid } => format!("snapshot {zxid:?}"),
        Record::AcceptedEpoch(epoch) => format!("acceptedEpoch {epoch}"),
        Record::CurrentEpoch(epoch) => format!("currentEpoch {epoch}"),
    }
}

/// The names of the core's actions in a set of marks.
fn actions(marks: u128) -> String {
    let taken = Action::ALL.iter().filter(|&&action| marks & 1 << action as u32 != 0);
    taken.map(|action| format!("{action:?}")).collect::<Vec<_>>().join(" + ")
}

fn kind(act: Act) -> StepKind {
    match act {
        Act::Crash(_) | Act::Damage(_) => StepKind::Crash,
        Act::Disk(_) | Act::Disks(_) | Act::Compact(_) => StepKind::Disk,
        Act::LearnerTimeout(_)
        | Act::LeaderTimeout(..)
        | Act::Unanswered(..)
        | Act::ClaimExpires(..)
        | Act::LeaderInitLimit(_)
        | Act::QuorumLoss(_)
        | Act::Resend(_)
        | Act::Finalize(_) => StepKind::Timeout,
        Act::LearnerSeesBreak(..)
        | Act::LeaderSeesBreak(..)
        | Act::Connect(..)
        | Act::Accept(..)
        | Act::Attach(..) => StepKind::Link,
        Act::Lead(_)
        | Act::Follow(..)
        | Act::LearnerReads(..)
        | Act::LeaderReads(..)
        | Act::LearnerReadsRun(..)
        | Act::LeaderReadsRun(..)
        | Act::Propose(_)
        | Act::Sync(_)
        | Act::Ask(..)
        | Act::Apply(_)
        | Act::ReadNotification(..) => StepKind::Protocol,
    }
}

fn text(act: Act) -> String {
    match act {
        Act::Lead(a) => format!("{a} begins to lead"),
        Act::Follow(a, b) => format!("{a} begins to follow {b}, and reaches it"),
        Act::Connect(a, b) => format!("{a} reaches {b}"),
        Act::Accept(a, b) => format!("{a} learns of the connection that {b} has made"),
        Act::LearnerReads(a, b, _) => format!("{a} reads from its leader {b}"),
        Act::LeaderReads(a, b, _) => format!("{a} reads from its learner {b}"),
        Act::LearnerReadsRun(a, b, _) => format!("{a} reads all COMMITs of {b} together"),
        Act::LeaderReadsRun(a, b, _) => format!("{a} reads all ACKs of {b} together"),
        Act::LearnerSeesBreak(a, b, _) => format!("{a} sees that its connection to {b} is broken"),
        Act::LeaderSeesBreak(a, b, _) => format!("{a} sees that a connection from {b} is broken"),
        Act::Unanswered(a, b) => {
            format!("{b} has not answered {a} for a tick, and another connection claims to be {b}")
        }
        Act::ClaimExpires(a, b, _) => format!("a connection from {b} has waited at {a} too long"),
        Act::LearnerTimeout(a) => format!("{a} has heard nothing from its leader for too long"),
        Act::LeaderTimeout(a, b) => format!("{a} has heard nothing from {b} for too long"),
        Act::LeaderInitLimit(a) => format!("{a} was not established in time"),
        Act::QuorumLoss(a) => format!("{a} has had no quorum of links for too long"),
        Act::Disk(a) => format!("one more record is durable at {a}"),
        Act::Disks(a) => format!("everything that {a} has issued is durable"),
        Act::Propose(a) => format!("a client writes at {a}"),
        Act::Sync(a) => format!("a client asks {a} for a sync"),
        Act::Compact(a) => format!("{a} writes a snapshot of itself and purges its log"),
        Act::Crash(a) => format!("{a} crashes, and starts again from its disk"),
        Act::Damage(a) => {
            format!("{a} crashes, finds its history damaged, and starts again without it")
        }
        Act::ReadNotification(a, b) => format!("{a} reads an election message of {b}"),
        Act::Resend(a) => format!("{a} says its vote again"),
        Act::Finalize(a) => format!("{a} has waited long enough for a better vote"),
        Act::Apply(a) => format!("{a} applies one more transaction"),
        Act::Attach(a, client) => format!("client {client} attaches to {a}"),
        Act::Ask(a, client, Asking::Write) => format!("client {client} writes at {a}"),
        Act::Ask(a, client, Asking::Sync) => format!("client {client} asks {a} for a sync"),
        Act::Ask(a, client, Asking::Read) => format!("client {client} reads at {a}"),
        Act::Ask(a, client, Asking::Watch) => {
            format!("client {client} reads at {a}, and watches what it reads")
        }
    }
}
