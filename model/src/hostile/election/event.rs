//! Everything that can happen to a server in an election whose peers may say anything.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use zab::{Election, Epoch, Notification, ServerState, Sid, Timer, Vote, Zxid};

use super::limits::{HIGH, Limits, ME, STRANGER, Subject, THIRD, VOTELESS, zxid};

/// One input.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub(in super::super) enum Event {
    /// The server begins to look, with its currentEpoch and the end of its history.
    Look(Epoch, Zxid),
    /// A peer says something.
    Notify(Sid, Notification),
    /// A timer runs out, or one that was stopped does so all the same.
    Timer(Timer),
    /// The epoch of the leader on whom the server has settled is established.
    Established(Epoch),
    /// A connection to a peer comes up.
    Connects(Sid),
}

impl Event {
    /// For people.
    pub(super) fn tell(&self) -> String {
        match self {
            Self::Look(current, last) => format!("the server looks, with {current} and {last:?}"),
            Self::Notify(from, word) => format!("{from} says {}", label(word)),
            Self::Timer(timer) => format!("{timer:?} runs out"),
            Self::Established(epoch) => format!("epoch {epoch} is established"),
            Self::Connects(peer) => format!("a connection to {peer} comes up"),
        }
    }

    /// The kind, as a number of [`super::limits::KINDS_OF_EVENTS`].
    pub(super) fn kind(&self) -> usize {
        match self {
            Self::Look(..) => 0,
            Self::Notify(..) => 1,
            Self::Timer(_) => 2,
            Self::Established(_) => 3,
            Self::Connects(_) => 4,
        }
    }
}

/// A notification in a few words.
pub(super) fn label(word: &Notification) -> String {
    let Notification { state, vote, round } = word;
    let vote = vote.map_or("nobody".to_owned(), told);
    let round = match round.checked_sub(Election::ROUND_MAX) {
        None => format!("round {round}"),
        Some(0) => "the largest round".to_owned(),
        Some(beyond) => format!("{beyond} beyond the largest round"),
    };
    let state = match state {
        ServerState::Looking => "LOOKING",
        ServerState::Following => "FOLLOWING",
        ServerState::Leading => "LEADING",
        ServerState::Observing => "OBSERVING",
    };
    format!("{state} for {vote} in {round}")
}

/// A vote in a few words.
pub(super) fn told(vote: Vote) -> String {
    format!("({}, {:?}, {})", vote.peer_epoch, vote.zxid, vote.leader)
}

const SETTLED: [ServerState; 2] = [ServerState::Following, ServerState::Leading];

/// The alphabet of a run: every event that is tried in every state, in a fixed order.
pub(super) fn alphabet(limits: &Limits) -> Vec<Event> {
    let mut events: Vec<Event> =
        limits.owns().map(|(current, last)| Event::Look(current, last)).collect();
    let timers = [
        Timer::Resend,
        Timer::Finalize,
        Timer::InitLimit,
        Timer::SyncLimit,
        Timer::LearnerInitLimit(Sid(1)),
        Timer::LearnerSyncLimit(HIGH),
        Timer::QuorumLoss,
        Timer::Ping,
    ];
    events.extend(timers.map(Event::Timer));
    events.push(Event::Established(Epoch(2)));
    for peer in limits.peers() {
        events.extend(of_a_voter(limits).into_iter().map(|word| Event::Notify(peer, word)));
    }
    if limits.subject == Subject::Observer {
        // A round that is over, whatever the server's: that is where those settle who came before.
        let (state, vote, round) = (ServerState::Following, limits.votes().next(), 0);
        events.push(Event::Notify(THIRD, Notification { state, vote, round }));
    }
    for other in [VOTELESS, STRANGER, ME] {
        events.extend(of_others(limits).into_iter().map(|word| Event::Notify(other, word)));
    }
    events.extend(limits.peers().chain([VOTELESS, STRANGER]).map(Event::Connects));
    events.into_iter().filter_map(over_the_wire).collect()
}

/// The event with what a host makes of the packet in it; nothing if it cannot be read, as a zxid of
/// which the first bit is set: no host ever hears that.
fn over_the_wire(event: Event) -> Option<Event> {
    if let Event::Notify(from, word) = event {
        let mut bytes = Vec::new();
        host::encode_notification(&word, &Bytes::new(), &mut bytes);
        decoded(&bytes).ok().map(|word| Event::Notify(from, word))
    } else {
        Some(event)
    }
}

/// What a peer reads of an election message: its length, and what it says.
pub(super) fn decoded(bytes: &[u8]) -> Result<Notification, String> {
    let (length, payload) = bytes.split_first_chunk().ok_or("no length")?;
    if usize::try_from(i32::from_be_bytes(*length)) != Ok(payload.len()) {
        return Err(format!("{} bytes behind the length {length:?}", payload.len()));
    }
    host::decode_notification(&Bytes::copy_from_slice(payload))
}

/// What a server says that votes: everything possible, and a little of what is not, as that changes
/// nothing.
fn of_a_voter(limits: &Limits) -> Vec<Notification> {
    let mut words = Vec::new();
    let votes: Vec<_> = limits.votes().collect();
    let first = votes[0];
    let impossible = [
        None,
        Some(Vote { leader: VOTELESS, ..first }),
        Some(Vote { leader: STRANGER, ..first }),
        Some(Vote { peer_epoch: Epoch(Epoch::MAX.0 + 1), ..first }),
        Some(Vote { zxid: zxid(Epoch::MAX.0 + 1, 0), ..first }),
    ];
    for state in [ServerState::Looking].into_iter().chain(SETTLED) {
        for round in limits.rounds() {
            let told = if round == Election::ROUND_MAX { limits.high } else { votes.len() };
            for &vote in votes.iter().take(told) {
                words.push(Notification { state, vote: Some(vote), round });
            }
        }
        for round in [0, limits.rounds, Election::ROUND_MAX] {
            words.extend(impossible.map(|vote| Notification { state, vote, round }));
        }
        let round = Election::ROUND_MAX + 1;
        words.push(Notification { state, vote: Some(first), round });
        // One fault is named, the vote's leader before the round.
        words.push(Notification { state, vote: None, round });
        words.push(Notification { state, vote: impossible[3], round });
    }
    let (state, vote) = (ServerState::Observing, Some(first));
    words.extend(limits.rounds().map(|round| Notification { state, vote, round }));
    words
}

/// What somebody says whose vote counts for nothing, or this server itself.
fn of_others(limits: &Limits) -> Vec<Notification> {
    let vote = limits.votes().next();
    let rounds = || limits.rounds().chain([Election::ROUND_MAX + 1]);
    let mut words = Vec::new();
    for round in rounds() {
        let state = ServerState::Looking;
        words.push(Notification { state, vote, round });
        words.push(Notification { state, vote: None, round });
    }
    for state in SETTLED.into_iter().chain([ServerState::Observing]) {
        words.extend([0, limits.rounds].map(|round| Notification { state, vote, round }));
    }
    words
}
