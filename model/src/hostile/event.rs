//! Everything that can happen to a server whose peers may say anything.

use serde::{Deserialize, Serialize};
use zab::{Decision, Epoch, LearnerKind, Message, SessionMessage, Sid, Timer, Txn, Zxid};

use super::limits::{Limits, ME, STRANGER, Subject};

/// One input.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub(super) enum Event {
    /// The election has decided, rightly or wrongly.
    Elected(Decision),
    /// A link came up, or broke.
    Link(Sid, bool),
    /// A peer says something, with a link or without.
    Recv(Sid, Message<u8>),
    /// A timer runs out, or one that was stopped does so all the same.
    Timer(Timer),
    /// One more record is durable.
    Disk,
    /// The disk says what it has said before.
    DurableAgain,
    /// The disk says that a record is durable which was never issued.
    DurableBeyond,
    /// The session layer proposes a transaction.
    Propose,
    /// The session layer asks for a confirmed sync, for itself or for a learner.
    Sync(Sid),
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
    /// What a sync is answered with.
    pub(super) const SYNC_BODY: u8 = 3;

    /// For people.
    pub(super) fn tell(&self) -> String {
        match self {
            Self::Elected(Decision::Lead) => "the election decides: lead".to_owned(),
            Self::Elected(Decision::Follow(leader)) => {
                format!("the election decides: follow {leader}")
            }
            Self::Link(peer, true) => format!("the link to {peer} comes up"),
            Self::Link(peer, false) => format!("the link to {peer} breaks"),
            Self::Recv(peer, message) => format!("{peer} says {}", label(message)),
            Self::Timer(timer) => format!("{timer:?} runs out"),
            Self::Disk => "one more record is durable".to_owned(),
            Self::DurableAgain => "the disk repeats itself".to_owned(),
            Self::DurableBeyond => "the disk speaks of a record that was never issued".to_owned(),
            Self::Propose => "a transaction is to be proposed".to_owned(),
            Self::Sync(origin) => format!("{origin} asks for a sync"),
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
            Self::Link(..) => 1,
            Self::Recv(..) => 2,
            Self::Timer(_) => 3,
            Self::Disk => 4,
            Self::DurableAgain | Self::DurableBeyond => 5,
            Self::Propose => 6,
            Self::Sync(_) => 7,
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
        Event::Disk,
        Event::Crash,
        Event::Propose,
        Event::Resign,
        Event::DurableAgain,
        Event::DurableBeyond,
        Event::StartAgain,
        Event::Notify(peers[0]),
    ];
    events.push(Event::Elected(match limits.subject {
        Subject::Follower | Subject::Observer => Decision::Follow(peers[0]),
        Subject::Leader | Subject::LeaderOfObserver => Decision::Lead,
    }));
    // A link of a leader to itself, or of a learner to somebody else, means nothing.
    let strangers = match limits.subject {
        Subject::Follower | Subject::Observer => vec![ME, STRANGER],
        Subject::Leader | Subject::LeaderOfObserver => vec![ME],
    };
    for &peer in peers.iter().chain(&strangers) {
        events.extend([Event::Link(peer, true), Event::Link(peer, false)]);
    }
    let timers = [
        Timer::Resend,
        Timer::Finalize,
        Timer::InitLimit,
        Timer::SyncLimit,
        Timer::QuorumLoss,
        Timer::Ping,
    ];
    events.extend(timers.map(Event::Timer));
    for &peer in &all {
        events.push(Event::Timer(Timer::LearnerInitLimit(peer)));
        events.push(Event::Timer(Timer::LearnerSyncLimit(peer)));
        events.push(Event::Sync(peer));
        events.push(Event::Session(peer, SessionMessage::Revalidate(6)));
    }
    events.push(Event::Sync(ME));
    for &peer in peers {
        let messages = match limits.subject {
            Subject::Follower | Subject::Observer => to_learners(limits),
            Subject::Leader | Subject::LeaderOfObserver => to_leaders(limits),
        };
        events.extend(messages.into_iter().map(|message| Event::Recv(peer, message)));
    }
    // Of somebody without a link one word is enough that a leader may say, and one that a learner
    // may.
    events.push(Event::Recv(STRANGER, Message::LeaderInfo { epoch: Epoch(limits.epochs) }));
    let (kind, accepted) = (LearnerKind::Follower, Epoch(0));
    events.push(Event::Recv(STRANGER, Message::LearnerInfo { kind, accepted }));
    events
}

fn sessions() -> [SessionMessage<u8>; 3] {
    [SessionMessage::Request(1), SessionMessage::Revalidate(2), SessionMessage::Sync(4)]
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

fn txn(zxid: Zxid) -> Txn<u8> {
    Txn { zxid, payload: 0 }
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
