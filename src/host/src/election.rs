//! Election messages: what each peer was told last, and bytes.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use wire::frame::frame;
use zab::{Epoch, Notification, ServerState, Sid, Vote};

use crate::packets::zxid;

/// What was said to each peer last. A newer message replaces one that has not left; every new
/// connection begins with the latest.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Said {
    latest: BTreeMap<Sid, Notification>,
    /// To whom the latest has still to be said.
    unsaid: BTreeSet<Sid>,
}

impl Said {
    pub(crate) fn say(&mut self, to: Sid, notification: Notification) {
        self.latest.insert(to, notification);
        self.unsaid.insert(to);
    }

    /// What a new connection to the peer begins with.
    pub(crate) fn latest_to(&self, peer: Sid) -> Option<Notification> {
        self.latest.get(&peer).copied()
    }

    /// The same in an ensemble with other names, in which votes are the same.
    pub(crate) fn renamed(&self, name: &dyn Fn(Sid) -> Sid) -> Self {
        let latest = self.latest.iter().map(|(&peer, &word)| (name(peer), word));
        Self { latest: latest.collect(), unsaid: self.unsaid.iter().map(|&to| name(to)).collect() }
    }

    /// What each peer was told last.
    pub(crate) fn latest(&self) -> impl Iterator<Item = (Sid, Notification)> {
        self.latest.iter().map(|(&peer, &notification)| (peer, notification))
    }

    /// The next message to let leave.
    pub(crate) fn take(&mut self) -> Option<(Sid, Notification)> {
        let to = self.unsaid.pop_first()?;
        self.latest.get(&to).map(|&notification| (to, notification))
    }
}

/// Appends an election message: length, and payload.
pub fn encode_notification(message: &Notification, config_text: &Bytes, out: &mut Vec<u8>) {
    let (leader, zxid, peer_epoch) = match message.vote {
        None => (i64::MIN, i64::MIN, i64::MIN),
        Some(Vote { leader, zxid, peer_epoch }) => {
            (i64::from(leader.0), zxid.0.cast_signed(), i64::from(peer_epoch.0))
        }
    };
    let state = match message.state {
        ServerState::Looking => wire::election::ServerState::Looking,
        ServerState::Following => wire::election::ServerState::Following,
        ServerState::Leading => wire::election::ServerState::Leading,
        ServerState::Observing => wire::election::ServerState::Observing,
    };
    let notification = wire::election::Notification {
        state,
        leader,
        zxid,
        election_epoch: i64::try_from(message.round).unwrap_or(i64::MAX),
        peer_epoch,
        version: wire::election::Notification::VERSION,
        config: config_text.clone(),
    };
    frame(out, |out| notification.encode(out));
}

/// Reads the payload of an election message, without its length.
///
/// # Errors
/// The payload is no notification, or a number in it is none that can be.
pub fn decode_notification(payload: &Bytes) -> Result<Notification, String> {
    let message =
        wire::election::Notification::decode(payload).map_err(|error| error.to_string())?;
    let state = match message.state {
        wire::election::ServerState::Looking => ServerState::Looking,
        wire::election::ServerState::Following => ServerState::Following,
        wire::election::ServerState::Leading => ServerState::Leading,
        wire::election::ServerState::Observing => ServerState::Observing,
    };
    let vote = if message.leader == i64::MIN {
        None
    } else {
        let leader = u8::try_from(message.leader).map(Sid);
        let leader = leader.map_err(|_| format!("leader {} is not in 0..=255", message.leader))?;
        let peer_epoch = u32::try_from(message.peer_epoch).map(Epoch);
        let peer_epoch =
            peer_epoch.map_err(|_| format!("peerEpoch {} is no epoch", message.peer_epoch))?;
        Some(Vote { peer_epoch, zxid: zxid(message.zxid)?, leader })
    };
    let round = u64::try_from(message.election_epoch);
    let round =
        round.map_err(|_| format!("electionEpoch {} is negative", message.election_epoch))?;
    Ok(Notification { state, vote, round })
}

#[cfg(test)]
mod tests {
    use zab::Zxid;

    use super::*;

    fn notification(round: u64) -> Notification {
        Notification { state: ServerState::Looking, vote: None, round }
    }

    #[test]
    fn a_peer_is_told_the_latest_once_and_again_over_a_new_connection() {
        let mut said = Said::default();
        assert_eq!(said.latest_to(Sid(2)), None, "nothing was said yet");
        said.say(Sid(2), notification(1));
        said.say(Sid(2), notification(2));
        assert_eq!(said.take(), Some((Sid(2), notification(2))));
        assert_eq!(said.take(), None);
        assert_eq!(said.latest_to(Sid(2)), Some(notification(2)));
        assert_eq!(said.latest_to(Sid(3)), None);
    }

    #[test]
    fn votes_arrive_as_they_were_cast() {
        let vote = Vote { peer_epoch: Epoch(2), zxid: Zxid::new(Epoch(2), 5), leader: Sid(3) };
        for state in [
            ServerState::Looking,
            ServerState::Following,
            ServerState::Leading,
            ServerState::Observing,
        ] {
            for vote in [Some(vote), None] {
                let cast = Notification { state, vote, round: 7 };
                let mut bytes = Vec::new();
                encode_notification(&cast, &Bytes::from_static(b"version=0"), &mut bytes);
                let payload = Bytes::from(bytes).slice(4..);
                assert_eq!(decode_notification(&payload), Ok(cast));
            }
        }
    }

    #[test]
    fn votes_that_cannot_be_are_refused_by_name() {
        let good = wire::election::Notification {
            state: wire::election::ServerState::Looking,
            leader: 3,
            zxid: 0,
            election_epoch: 1,
            peer_epoch: 0,
            version: 2,
            config: Bytes::new(),
        };
        let refused = |change: &dyn Fn(&mut wire::election::Notification)| {
            let mut vote = good.clone();
            change(&mut vote);
            let mut payload = Vec::new();
            vote.encode(&mut payload);
            decode_notification(&payload.into()).expect_err("refused")
        };
        assert_eq!(refused(&|vote| vote.leader = 256), "leader 256 is not in 0..=255");
        assert_eq!(refused(&|vote| vote.zxid = -1), "zxid -1 is negative");
        assert_eq!(refused(&|vote| vote.peer_epoch = 1 << 32), "peerEpoch 4294967296 is no epoch");
        assert_eq!(refused(&|vote| vote.election_epoch = -1), "electionEpoch -1 is negative");
    }
}
