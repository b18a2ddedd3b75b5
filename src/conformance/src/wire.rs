//! What crossed each connection, as both ends recorded it.
//!
//! Both ends of a TCP connection know its two ports, so ([`recording::Ports`]) they name it alike.
//! A name may come again, after a restart or when the system has gone through its ports: then what
//! was received has to fit one of the connections with that name. And something between two servers
//! may translate addresses: if the other end has no connection of that name, what was received has
//! to fit one of all its connections to this server.
//!
//! *Quorum port.* Nothing is replaced or joined between the effect that lets packets leave and the
//! event that brings them: what was received is a prefix of what was sent, packet by packet. (A
//! host passes on to its core only the last of ACKs, or COMMITs, that arrive together; the event
//! has all of them.)
//!
//! *Election port.* A message that has not left is replaced by the next one to the same peer, and
//! every connection to a peer says what is said to it. So what was heard over a connection is the
//! message with which it was greeted, if there was one, and behind it some of those that were said
//! to that peer, in their order, beginning with the one before the connection was opened.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use host::{Host, Link};
use recording::{Effect, Event, Other, Packet, Ports};
use wire::quorum::PacketType;
use zab::{Notification, Peer, Sid, Zxid};

use crate::property::Property;
use crate::replay::Did;
use crate::verdict::{Place, Tallies, Witness};

/// One end of a connection of the quorum port.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) server: Sid,
    pub(crate) link: Link,
    dialled: bool,
    over: Option<Ports>,
    opened: Place,
    pub(crate) sent: Passed,
    pub(crate) got: Passed,
    /// Up to where the core said, and the packets say, that the history is committed.
    committed: (Zxid, Zxid),
}

/// Packets in their order.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    packets: Vec<Packet>,
    /// Behind how many packets those of a step begin.
    steps: Vec<(usize, Place)>,
}

impl Passed {
    fn extend(&mut self, packets: &[Packet], at: Place) {
        self.steps.push((self.packets.len(), at));
        self.packets.extend_from_slice(packets);
    }

    /// The step of a packet, or the last one.
    fn step_of(&self, packet: usize) -> Option<Place> {
        let behind = self.steps.partition_point(|(first, _)| *first <= packet);
        behind.checked_sub(1).map(|index| self.steps[index].1)
    }
}

/// What one server said to another in the election, in one recording, and heard of it.
#[derive(Debug, Default)]
struct Line {
    said: Vec<(Notification, Place)>,
    opened: Vec<Opened>,
}

/// One end of a connection of the election port.
#[derive(Debug)]
struct Opened {
    over: Option<Ports>,
    at: Place,
    /// How much was said before.
    before: usize,
    greeting: Option<Notification>,
    heard: Vec<(Notification, Place)>,
}

/// Everything that was recorded of connections.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    ends: Vec<End>,
    /// By server and peer, all of them (`None`), and by name.
    ends_of: HashMap<(Sid, Sid, Option<Ports>), Vec<usize>>,
    /// Those of the present recording.
    present: HashMap<Link, usize>,
    /// Those over which a core says COMMIT.
    committing: BTreeMap<Link, usize>,
    lines: BTreeMap<(Sid, usize, Sid), Line>,
    /// How many packets of each kind were sent and received.
    pub(crate) kinds: BTreeMap<PacketType, (u64, u64)>,
    /// The same of election messages.
    pub(crate) notifications: (u64, u64),
}

impl Wire {
    /// A recording begins.
    pub(crate) fn begin(&mut self) {
        self.present.clear();
        self.committing.clear();
    }

    /// A step, as it was recorded.
    pub(crate) fn step(
        &mut self,
        server: Sid,
        event: &Event,
        effects: &[Effect],
        tallies: &mut Tallies,
        at: Place,
    ) {
        match event {
            Event::Opened { link, dialled, over } => {
                let (sent, got) = (Passed::default(), Passed::default());
                let committed = (Zxid::ZERO, Zxid::ZERO);
                let (link, dialled, over) = (*link, *dialled, *over);
                self.present.insert(link, self.ends.len());
                for name in std::iter::once(None).chain(over.map(Some)) {
                    let ends = self.ends_of.entry((server, link.peer, name)).or_default();
                    ends.push(self.ends.len());
                }
                self.ends.push(End {
                    server,
                    link,
                    dialled,
                    over,
                    opened: at,
                    sent,
                    got,
                    committed,
                });
            }
            Event::Received { link, packets } => self.got(server, *link, packets, tallies, at),
            Event::State { link, zxid } => {
                let snap = [Packet::bare(PacketType::Snap, *zxid)];
                self.got(server, *link, &snap, tallies, at);
            }
            Event::ElectionOpened { peer, over } => {
                let greeting = effects.iter().find_map(greeting);
                self.notifications.0 += u64::from(greeting.is_some());
                let line = self.lines.entry((server, at.file(), *peer)).or_default();
                let (over, before, heard) = (*over, line.said.len(), Vec::new());
                line.opened.push(Opened { over, at, before, greeting, heard });
            }
            Event::Notified { from, notification, over } => {
                self.notifications.1 += 1;
                let line = self.lines.entry((server, at.file(), *from)).or_default();
                let opened = line.opened.iter_mut().rfind(|it| over.is_some() && it.over == *over);
                match opened {
                    Some(opened) => opened.heard.push((*notification, at)),
                    None => tallies.undecided(Property::R5, || {
                        format!("which connection {server} heard {from} over is not recorded")
                    }),
                }
            }
            Event::Closed(link) => {
                self.committing.remove(link);
            }
            Event::Start(_)
            | Event::Unreachable(_)
            | Event::Durable(_)
            | Event::Timer(_)
            | Event::Propose(_)
            | Event::Sync(_)
            | Event::SyncFor(_)
            | Event::Session { .. }
            | Event::Resign
            | Event::Flush => {}
        }
        for effect in effects {
            match effect {
                Effect::Frames { link, packets } => self.sent(*link, packets, at),
                Effect::Other(Other::Notify { to, said, .. }) => {
                    self.notifications.0 += 1;
                    let line = self.lines.entry((server, at.file(), *to)).or_default();
                    line.said.extend(said.notification.map(|notification| (notification, at)));
                }
                Effect::Other(Other::Close(link)) => {
                    self.committing.remove(link);
                }
                Effect::Write(..)
                | Effect::Deliver(_)
                | Effect::Session { .. }
                | Effect::Note(_)
                | Effect::Arm(_)
                | Effect::Disarm(_)
                | Effect::Other(_) => {}
            }
        }
        if let Event::Flush = event {
            self.flushed(tallies, at);
        }
    }

    fn got(
        &mut self,
        server: Sid,
        link: Link,
        packets: &[Packet],
        tallies: &mut Tallies,
        at: Place,
    ) {
        for packet in packets {
            self.kinds.entry(packet.kind).or_default().1 += 1;
        }
        match self.present.get(&link) {
            Some(&end) => self.ends[end].got.extend(packets, at),
            None => tallies.check(Property::R4, false, || {
                let from = link.peer;
                let says = format!(
                    "{server} receives {} over a connection of {from} that was never opened",
                    told(packets.first())
                );
                vec![Witness(at, says)]
            }),
        }
    }

    fn sent(&mut self, link: Link, packets: &[Packet], at: Place) {
        for packet in packets {
            self.kinds.entry(packet.kind).or_default().0 += 1;
        }
        // Over a connection that was never opened nothing leaves.
        if let Some(&end) = self.present.get(&link) {
            let End { sent, committed: (_, by_packets), .. } = &mut self.ends[end];
            sent.extend(packets, at);
            for packet in packets {
                let upto = match packet.kind {
                    PacketType::Commit | PacketType::Diff | PacketType::Snap => Some(packet.zxid),
                    PacketType::Trunc => {
                        packet.content.map(|content| Zxid(u64::from_be_bytes(content.0)))
                    }
                    PacketType::Request
                    | PacketType::Proposal
                    | PacketType::Ack
                    | PacketType::Ping
                    | PacketType::Revalidate
                    | PacketType::Sync
                    | PacketType::Inform
                    | PacketType::CommitAndActivate
                    | PacketType::NewLeader
                    | PacketType::FollowerInfo
                    | PacketType::UpToDate
                    | PacketType::ObserverInfo
                    | PacketType::LeaderInfo
                    | PacketType::AckEpoch
                    | PacketType::InformAndActivate => None,
                };
                *by_packets = upto.map_or(*by_packets, |upto| upto.max(*by_packets));
            }
        }
    }

    /// COMMITs that a core has said in a step, behind which the host has these links. What was said
    /// over a connection that the step has closed is not looked for.
    pub(crate) fn said(&mut self, did: &Did, host: &Host<Peer<Bytes>>) {
        let closes = |peer| {
            let is_close = |effect: &Effect| matches!(effect, Effect::Other(Other::Close(link)) if link.peer == peer);
            did.effects.iter().any(is_close)
        };
        for (peer, zxid) in &did.commits {
            let Some(link) = host.link_to(*peer).filter(|_| !closes(*peer)) else { continue };
            if let Some(&end) = self.present.get(&link) {
                let (said, _) = &mut self.ends[end].committed;
                *said = (*said).max(*zxid);
                self.committing.insert(link, end);
            }
        }
    }

    /// Everything that was said has left.
    pub(crate) fn flushed(&self, tallies: &mut Tallies, at: Place) {
        for &end in self.committing.values() {
            let End { server, link, committed: (said, by_packets), opened, .. } = &self.ends[end];
            tallies.check(Property::R6, by_packets >= said, || {
                let to = link.peer;
                let says = format!(
                    "the core of {server} has said COMMIT of {said:?} to {to}, and packets say so up to {by_packets:?}"
                );
                vec![Witness(*opened, "the connection is opened".to_owned()), Witness(at, says)]
            });
        }
    }

    /// Compares both ends of every connection. `missing`: what is not there of a recording, or,
    /// with none, of a server.
    pub(crate) fn conclude(
        &self,
        tallies: &mut Tallies,
        missing: &dyn Fn(Sid, Option<usize>) -> Option<String>,
    ) {
        for end in self.ends.iter().filter(|end| !end.got.packets.is_empty()) {
            self.prefix(end, tallies, missing);
        }
        for (&(server, _, peer), line) in &self.lines {
            for opened in line.opened.iter().filter(|opened| !opened.heard.is_empty()) {
                self.heard(server, peer, opened, tallies, missing);
            }
        }
    }

    fn prefix(
        &self,
        end: &End,
        tallies: &mut Tallies,
        missing: &dyn Fn(Sid, Option<usize>) -> Option<String>,
    ) {
        let (server, from, got) = (end.server, end.link.peer, &end.got);
        let Some(over) = end.over else {
            return tallies.undecided(Property::R4, || {
                format!("the ports of a connection of {server} to {from} are not known")
            });
        };
        let named = self.ends_of.get(&(from, server, Some(over.turned())));
        let others = named.or_else(|| self.ends_of.get(&(from, server, None)));
        let others = others.into_iter().flatten().map(|&index| &self.ends[index]);
        let others = others.filter(|other| other.dialled != end.dialled);
        let (mut best, mut lacking): (Option<(usize, &End)>, _) = (None, None);
        for other in others {
            let common = common(&got.packets, &other.sent.packets);
            if common == got.packets.len() {
                return tallies.held_times(Property::R4, common as u64);
            }
            // It may have sent more than is recorded.
            if common == other.sent.packets.len() {
                lacking = lacking.or_else(|| missing(from, Some(other.opened.file())));
            }
            if best.is_none_or(|(most, _)| common > most) {
                best = Some((common, other));
            }
        }
        if let Some(missing) = lacking {
            return tallies.undecided(Property::R4, || format!("missing: {missing}"));
        }
        let Some((common, other)) = best else {
            if let Some(missing) = missing(from, None) {
                return tallies.undecided(Property::R4, || format!("missing: {missing}"));
            }
            return tallies.check(Property::R4, false, || {
                let Ports { own, other } = over;
                let says = format!(
                    "{server} receives {} over a connection of {from} (port {own} to {other}) that {from} does not have",
                    told(got.packets.first())
                );
                got.step_of(0).map(|at| Witness(at, says)).into_iter().collect()
            });
        };
        tallies.check(Property::R4, false, || {
            let number = common + 1;
            let at = |passed: &Passed| passed.step_of(common);
            let received = format!(
                "packet {number} that {server} receives over this connection of {from} is {}",
                told(got.packets.get(common))
            );
            let sent = match other.sent.packets.get(common) {
                Some(packet) => {
                    format!("packet {number} that {from} sends over it is {}", told(Some(packet)))
                }
                None => format!("{from} sends {common} over it"),
            };
            let received = at(got).map(|at| Witness(at, received));
            let sent = Witness(at(&other.sent).unwrap_or(other.opened), sent);
            received.into_iter().chain([sent]).collect()
        });
    }

    fn heard(
        &self,
        server: Sid,
        from: Sid,
        opened: &Opened,
        tallies: &mut Tallies,
        missing: &dyn Fn(Sid, Option<usize>) -> Option<String>,
    ) {
        let Some(over) = opened.over else { return };
        let named = |other: &Opened| other.over == Some(over.turned());
        let lines = || {
            let lines = self.lines.range((from, 0, server)..=(from, usize::MAX, server));
            lines.filter(|((_, _, peer), _)| *peer == server)
        };
        let is_named = lines().any(|(_, line)| line.opened.iter().any(named));
        let (mut best, mut lacking): (Option<(usize, Place)>, _) = (None, None);
        for (&(_, file, _), line) in lines() {
            for other in line.opened.iter().filter(|other| !is_named || named(other)) {
                let understood = understood(&opened.heard, other, &line.said);
                if understood == opened.heard.len() {
                    return tallies.held_times(Property::R5, understood as u64);
                }
                // It may have said more than is recorded.
                lacking = lacking.or_else(|| missing(from, Some(file)));
                if best.is_none_or(|(most, _)| understood > most) {
                    best = Some((understood, other.at));
                }
            }
        }
        if best.is_none() {
            lacking = missing(from, None);
        }
        if let Some(missing) = lacking {
            return tallies.undecided(Property::R5, || format!("missing: {missing}"));
        }
        tallies.check(Property::R5, false, || {
            let (understood, at) = best.unzip();
            let opened_there = at.map(|at| Witness(at, format!("{from} opens the connection")));
            let heard = opened.heard.get(understood.unwrap_or(0)).map(|(notification, at)| {
                let says = format!(
                    "{server} hears {notification:?} of {from}, which {from} did not say over this connection, or not now"
                );
                Witness(*at, says)
            });
            opened_there.into_iter().chain(heard).collect()
        });
    }
}

fn greeting(effect: &Effect) -> Option<Notification> {
    if let Effect::Other(Other::Greet(said)) = effect { said.notification } else { None }
}

/// How many packets at the begin of both are the same.
fn common(one: &[Packet], other: &[Packet]) -> usize {
    let differ = one.iter().zip(other).position(|(one, other)| one != other);
    differ.unwrap_or_else(|| one.len().min(other.len()))
}

/// How many of the messages that were heard, from the first on, can come of what was said.
fn understood(
    heard: &[(Notification, Place)],
    opened: &Opened,
    said: &[(Notification, Place)],
) -> usize {
    let mut number = 0;
    if let (Some(greeting), Some((first, _))) = (opened.greeting, heard.first()) {
        if *first != greeting {
            return 0;
        }
        number = 1;
    }
    let mut said = said[opened.before.saturating_sub(1)..].iter().map(|(said, _)| said);
    while let Some((notification, _)) = heard.get(number)
        && said.any(|said| said == notification)
    {
        number += 1;
    }
    number
}

fn told(packet: Option<&Packet>) -> String {
    let Some(Packet { kind, zxid, content }) = packet else { return "nothing".to_owned() };
    let mut text = kind.name().to_owned();
    if *zxid != Zxid::ZERO {
        text.push_str(&format!(" {zxid:?}"));
    }
    if let Some(content) = content {
        text.push_str(&format!(" {content:?}"));
    }
    text
}
