//! Everything that can happen to a server whose peers may say anything.

use host::{Generation, Link};
use serde::{Deserialize, Serialize};
use zab::{Decision, Epoch, LearnerKind, Message, SessionMessage, Sid, Timer, Txn, Zxid};

use super::limits::{Limits, ME, STRANGER, Subject};
use super::packet::{decoded, packet};

/// A connection between this server and a peer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub(super) struct Conn {
    /// The other end.
    pub(super) peer: Sid,
    /// Its generation.
    pub(super) number: u64,
}

impl Conn {
    /// As the host knows it.
    pub(super) const fn link(self) -> Link {
        Link { peer: self.peer, generation: Generation(self.number) }
    }
}

/// The number of a connection that ended long ago.
pub(super) const GONE: u64 = 200;

/// What happens to the server.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub(super) enum Event {
    /// The election has decided, rightly or wrongly.
    Elected(Decision),
    /// A connection came up, which this server dialled, or the peer.
    Opened(Conn, bool),
    /// A connection broke, or the peer closed it.
    Closed(Conn),
    /// The leader that is dialled does not answer.
    Unreachable(Sid),
    /// A packet arrives; a SNAP with its state behind it.
    Recv(Conn, Message<u8>),
    /// A SNAP arrives without a state.
    Bare(Conn, Zxid),
    /// A timer of the core runs out, or one that was stopped does so all the same.
    Timer(Timer),
    /// A peer has left a question unanswered for a tick, or had it answered all the same.
    Unanswered(Sid),
    /// A connection has waited too long to become a link.
    WaitedTooLong(Conn),
    /// So many more records are durable, and the disk says so once.
    Disk(u8),
    /// The disk says what it has said before.
    DurableAgain,
    /// The disk says that a record is durable which was never issued.
    DurableBeyond,
    /// The session layer proposes a transaction.
    Propose,
    /// The session layer asks for a confirmed sync for itself.
    Sync,
    /// A learner asks for a confirmed sync over this connection.
    SyncFor(Conn),
    /// The session layer sends a message of its own.
    Session(Sid, SessionMessage<u8>),
    /// The role is to be given up.
    Resign,
    /// An election message, which is none of Zab proper's business.
    Notify(Sid),
    /// A start, though the server runs.
    StartAgain,
    /// The server crashes, and starts again from what is durable.
    Crash,
}

impl Event {
    /// The body of a sync of the server's own session layer.
    pub(super) const SYNC_BODY: u8 = 3;
    /// The sessions that the server reports to its leader.
    pub(super) const REPORT: u8 = 7;

    /// For people.
    pub(super) fn tell(&self) -> String {
        let name = |conn: &Conn| match conn.number {
            GONE => format!("connection of {} that is gone", conn.peer),
            number => format!("connection {number} of {}", conn.peer),
        };
        match self {
            Self::Elected(Decision::Lead) => "the election decides: lead".to_owned(),
            Self::Elected(Decision::Follow(leader)) => {
                format!("the election decides: follow {leader}")
            }
            Self::Opened(conn, true) => format!("{} answers: {}", conn.peer, name(conn)),
            Self::Opened(conn, false) => format!("{} dials: {}", conn.peer, name(conn)),
            Self::Closed(conn) => format!("the end of the {}", name(conn)),
            Self::Unreachable(peer) => format!("{peer} does not answer"),
            Self::Recv(conn, message) => format!("over the {}: {}", name(conn), label(message)),
            Self::Bare(conn, zxid) => {
                format!("over the {}: SNAP {zxid:?} without a state", name(conn))
            }
            Self::Timer(timer) => format!("{timer:?} runs out"),
            Self::Unanswered(peer) => format!("{peer} is said to owe an answer for a tick"),
            Self::WaitedTooLong(conn) => format!("too long waits the {}", name(conn)),
            Self::Disk(1) => "one more record is durable".to_owned(),
            Self::Disk(records) => format!("{records} more records are durable"),
            Self::DurableAgain => "the disk repeats itself".to_owned(),
            Self::DurableBeyond => "the disk speaks of a record that was never issued".to_owned(),
            Self::Propose => "a transaction is to be proposed".to_owned(),
            Self::Sync => "the session layer asks for a sync".to_owned(),
            Self::SyncFor(conn) => format!("over the {}: a sync is asked for", name(conn)),
            Self::Session(peer, message) => {
                format!("the session layer tells {peer} {message:?}")
            }
            Self::Resign => "the role is to be given up".to_owned(),
            Self::Notify(peer) => format!("{peer} sends an election message"),
            Self::StartAgain => "the server is started, though it runs".to_owned(),
            Self::Crash => "the server crashes and starts again".to_owned(),
        }
    }

    /// The kind, as a number of [`super::limits::KINDS_OF_EVENTS`].
    pub(super) fn kind(&self) -> usize {
        match self {
            Self::Elected(_) => 0,
            Self::Opened(..) | Self::Closed(_) | Self::Unreachable(_) => 1,
            Self::Recv(..) | Self::Bare(..) => 2,
            Self::Timer(_) | Self::Unanswered(_) | Self::WaitedTooLong(_) => 3,
            Self::Disk(_) => 4,
            Self::DurableAgain | Self::DurableBeyond => 5,
            Self::Propose => 6,
            Self::Sync | Self::SyncFor(_) => 7,
            Self::Session(..) => 8,
            Self::Resign => 9,
            Self::Notify(_) => 10,
            Self::StartAgain => 11,
            Self::Crash => 12,
        }
    }
}

/// A message in a word or two.
pub(super) fn label(message: &Message<u8>) -> String {
    match message {
        Message::LearnerInfo { kind: LearnerKind::Follower, accepted } => {
            format!("FOLLOWERINFO {accepted}")
        }
        Message::LearnerInfo { kind: LearnerKind::Observer, accepted } => {
            format!("OBSERVERINFO {accepted}")
        }
        Message::LeaderInfo { epoch } => format!("LEADERINFO {epoch}"),
        Message::AckEpoch { current, last } => {
            let current = current.map_or("no epoch".to_owned(), |epoch| epoch.to_string());
            format!("ACKEPOCH {current}, {last:?}")
        }
        Message::Diff { committed } => format!("DIFF, committed {committed:?}"),
        Message::Trunc { to, committed } => format!("TRUNC {to:?}, committed {committed:?}"),
        Message::Snap { zxid } => format!("SNAP {zxid:?}"),
        Message::NewLeader { epoch } => format!("NEWLEADER {epoch}"),
        Message::AckNewLeader { epoch } => format!("ACK of NEWLEADER {epoch}"),
        Message::UpToDate => "UPTODATE".to_owned(),
        Message::Proposal(txn) => format!("PROPOSAL {:?}", txn.zxid),
        Message::Ack { zxid } => format!("ACK {zxid:?}"),
        Message::Commit { zxid } => format!("COMMIT {zxid:?}"),
        Message::Inform(txn) => format!("INFORM {:?}", txn.zxid),
        Message::Ping { .. } => "PING".to_owned(),
        Message::Session(message) => format!("{message:?}"),
    }
}

/// The alphabet of a run: every event that is tried in every state, in a fixed order.
pub(super) fn alphabet(limits: &Limits) -> Vec<Event> {
    let peers = limits.subject.peers();
    let all: Vec<Sid> = peers.iter().copied().chain([STRANGER]).collect();
    let mut events = vec![
        Event::Crash,
        Event::Propose,
        Event::Resign,
        Event::DurableAgain,
        Event::DurableBeyond,
        Event::StartAgain,
        Event::Notify(peers[0]),
        Event::Sync,
    ];
    events.extend((1..=limits.lag).map(|records| Event::Disk(records as u8)));
    if limits.subject.learns() {
        events.push(Event::Elected(Decision::Follow(peers[0])));
    }
    if limits.subject.leads() {
        events.push(Event::Elected(Decision::Lead));
    }
    for &peer in &all {
        connections(limits, peer, &mut events);
        events.extend(
            [Timer::LearnerInitLimit(peer), Timer::LearnerSyncLimit(peer)].map(Event::Timer),
        );
        // What has been left unanswered for a tick matters to a newcomer, and to nobody else.
        if limits.connections > 1 {
            events.push(Event::Unanswered(peer));
        }
        events.push(Event::Session(peer, SessionMessage::Revalidate(6)));
    }
    // A late answer of this server itself, as the network may give it, is no leader's.
    events.push(Event::Opened(Conn { peer: ME, number: GONE }, true));
    let timers = [
        Timer::Resend,
        Timer::Finalize,
        Timer::InitLimit,
        Timer::SyncLimit,
        Timer::QuorumLoss,
        Timer::Ping,
    ];
    events.extend(timers.map(Event::Timer));
    // Some words are the same packet.
    let mut distinct = Vec::new();
    for event in events.into_iter().map(over_the_wire) {
        if !distinct.contains(&event) {
            distinct.push(event);
        }
    }
    distinct
}

/// What happens to the connections to a peer, and over them.
fn connections(limits: &Limits, peer: Sid, events: &mut Vec<Event>) {
    let conn = |number| Conn { peer, number };
    for number in limits.numbers(peer) {
        let conn = conn(number);
        let dialled = limits.subject.learns() && peer == limits.subject.peers()[0];
        if dialled {
            events.push(Event::Opened(conn, true));
        }
        if limits.subject.leads() {
            events.push(Event::Opened(conn, false));
            events.push(Event::WaitedTooLong(conn));
            events.push(Event::SyncFor(conn));
        }
        events.push(Event::Closed(conn));
        let messages = match limits.subject {
            Subject::Follower | Subject::Observer => to_learners(limits),
            Subject::Leader | Subject::LeaderOfObserver => to_leaders(limits),
            Subject::Crowded => few(),
        };
        events.extend(messages.into_iter().map(|message| Event::Recv(conn, message)));
        events.push(Event::Bare(conn, Zxid::ZERO));
    }
    // A connection that is gone: whatever was on its way, the host knows it by the number alone, so
    // one word is enough that a leader may say, and a few that a learner may.
    let gone = conn(GONE);
    let (kind, accepted) = (LearnerKind::Follower, Epoch(0));
    events.push(Event::Closed(gone));
    events.push(Event::WaitedTooLong(gone));
    events.push(Event::SyncFor(gone));
    events.push(Event::Opened(gone, true));
    events.push(Event::Unreachable(peer));
    events.push(Event::Bare(gone, Zxid::ZERO));
    let epoch = Epoch(1);
    events.extend(
        [
            Message::LeaderInfo { epoch },
            Message::Snap { zxid: Zxid::ZERO },
            Message::LearnerInfo { kind, accepted },
            Message::AckEpoch { current: Some(Epoch(0)), last: Zxid::ZERO },
            Message::AckNewLeader { epoch },
            Message::Ping { body: Some(5) },
        ]
        .map(|message| Event::Recv(gone, message)),
    );
}

/// The event with what the host's decoder makes of the packet in it.
fn over_the_wire(event: Event) -> Event {
    if let Event::Recv(conn, message) = event {
        Event::Recv(conn, decoded(&packet(conn.peer, &message)))
    } else {
        event
    }
}

/// A word of a request cannot be read back, for a transaction of a model is one byte.
fn sessions() -> [SessionMessage<u8>; 2] {
    [SessionMessage::Revalidate(2), SessionMessage::Sync(4)]
}

/// Epochs from "before any" up to one that is never promised.
fn epochs(limits: &Limits) -> impl Iterator<Item = Epoch> + use<> {
    (0..=limits.epochs + 1).map(Epoch)
}

/// Positions, names of epochs, and one beyond all of them.
fn zxids(limits: &Limits) -> Vec<Zxid> {
    let of = |epoch| move |counter| Zxid::new(Epoch(epoch), counter);
    let counters = limits.counters;
    let inside = (1..=limits.epochs).flat_map(|epoch| (0..=counters).map(of(epoch)));
    let first = [Zxid::ZERO, Zxid::new(Epoch(0), 1)];
    first.into_iter().chain(inside).chain([Zxid::new(Epoch(limits.epochs + 1), 1)]).collect()
}

/// Each transaction carries what no other one does.
pub(super) fn txn(zxid: Zxid) -> Txn<u8> {
    Txn { zxid, payload: (16 * zxid.epoch().0 + zxid.counter()) as u8 }
}

fn to_learners(limits: &Limits) -> Vec<Message<u8>> {
    let zxids = zxids(limits);
    let end = Zxid::new(Epoch(limits.epochs), limits.counters);
    let each = |make: fn(Zxid) -> Message<u8>| zxids.iter().copied().map(make).collect::<Vec<_>>();
    let mut messages: Vec<_> = epochs(limits).map(|epoch| Message::LeaderInfo { epoch }).collect();
    messages.extend(each(|committed| Message::Diff { committed }));
    // What is said to be committed is tried in full with DIFF.
    messages.extend(each(|to| Message::Trunc { to, committed: to }));
    let others = zxids.iter().filter(|to| **to != end);
    messages.extend(others.map(|&to| Message::Trunc { to, committed: end }));
    messages.extend(each(|zxid| Message::Snap { zxid }));
    messages.extend(epochs(limits).map(|epoch| Message::NewLeader { epoch }));
    messages.push(Message::UpToDate);
    messages.extend(each(|zxid| Message::Proposal(txn(zxid))));
    messages.extend(each(|zxid| Message::Commit { zxid }));
    messages.extend(each(|zxid| Message::Inform(txn(zxid))));
    messages.extend([None, Some(5)].map(|body| Message::Ping { body }));
    messages.extend(sessions().map(Message::Session));
    // What goes the other way.
    let (kind, accepted) = (LearnerKind::Follower, Epoch(1));
    messages.push(Message::LearnerInfo { kind, accepted });
    messages.push(Message::AckEpoch { current: None, last: Zxid::ZERO });
    messages.push(Message::AckNewLeader { epoch: Epoch(1) });
    messages.push(Message::Ack { zxid: Zxid::new(Epoch(1), 1) });
    messages
}

fn to_leaders(limits: &Limits) -> Vec<Message<u8>> {
    let zxids = zxids(limits);
    let mut messages = Vec::new();
    for kind in [LearnerKind::Follower, LearnerKind::Observer] {
        messages.extend(epochs(limits).map(|accepted| Message::LearnerInfo { kind, accepted }));
    }
    // Ends of histories: the positions that the leader may have, and one that is none.
    let is_end = |zxid: &&Zxid| match (zxid.epoch().0, zxid.counter()) {
        (0, counter) => counter == 0,
        (1, _) => true,
        (epoch, counter) => epoch <= limits.epochs && counter > 0,
    };
    for &last in zxids.iter().filter(is_end) {
        let currents = epochs(limits).filter(|epoch| epoch.0 <= limits.epochs).map(Some);
        messages.extend(
            [None].into_iter().chain(currents).map(|current| Message::AckEpoch { current, last }),
        );
    }
    messages.extend(epochs(limits).map(|epoch| Message::AckNewLeader { epoch }));
    messages.extend(zxids.iter().map(|&zxid| Message::Ack { zxid }));
    messages.push(Message::Ping { body: Some(5) });
    messages.extend(sessions().map(Message::Session));
    // What goes the other way.
    let (epoch, zxid) = (Epoch(1), Zxid::new(Epoch(1), 1));
    messages.extend([
        Message::LeaderInfo { epoch },
        Message::Diff { committed: zxid },
        Message::Trunc { to: zxid, committed: zxid },
        Message::Snap { zxid },
        Message::NewLeader { epoch },
        Message::UpToDate,
        Message::Proposal(txn(zxid)),
        Message::Commit { zxid },
        Message::Inform(txn(zxid)),
    ]);
    messages
}

/// Of a leader and of a learner, as far as it takes to become one's link and to be up to date, and
/// what is wrong in each phase.
fn few() -> Vec<Message<u8>> {
    let (kind, accepted, epoch) = (LearnerKind::Follower, Epoch(0), Epoch(1));
    vec![
        Message::LearnerInfo { kind, accepted },
        Message::AckEpoch { current: Some(accepted), last: Zxid::ZERO },
        Message::AckNewLeader { epoch },
        Message::Ping { body: Some(5) },
        Message::LeaderInfo { epoch },
    ]
}
