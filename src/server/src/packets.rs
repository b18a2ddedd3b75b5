//! Between the core's messages and ZooKeeper's packets.
//!
//! The core says some things once that ZooKeeper says in several packets: a COMMIT of everything up to a zxid is one
//! packet for every transaction, and what a TRUNC says of committed transactions is said by COMMITs behind it. And requests
//! that are forwarded together are one message to it, which does not look into them: their packets.

use std::collections::VecDeque;

use bytes::Bytes;
use wire::Id;
use wire::frame::frame;
use wire::jute::{Error, Field, Reader, Record, Writer};
use wire::quorum::{ForwardedRequest, LearnerInfo, PROTOCOL_VERSION, Packet, PacketType};
use zab::{
    Epoch, LearnerKind, Message, Notification, ServerState, SessionMessage, Sid, Txn, Vote, Zxid,
};

/// Turns the messages of one link into packets.
pub(crate) struct Encoder {
    me: Sid,
    config_text: Bytes,
    /// What the plan said is committed once the leader is established.
    planned: Zxid,
    /// Proposals sent, and not yet committed on this link.
    uncommitted: VecDeque<Zxid>,
}

impl Encoder {
    pub(crate) fn new(me: Sid, config_text: Bytes) -> Self {
        Self { me, config_text, planned: Zxid::ZERO, uncommitted: VecDeque::new() }
    }

    /// Appends the packets of a message. The state that belongs to a SNAP has to follow.
    pub(crate) fn encode(&mut self, message: &Message<Bytes>, out: &mut Vec<u8>) {
        let mut packet = |kind: PacketType, zxid: u64, data: Option<&[u8]>| {
            head(kind, zxid.cast_signed(), out);
            out.buffer(data);
            out.i32(NULL);
        };
        match message {
            Message::LearnerInfo { kind, accepted } => {
                let info = LearnerInfo {
                    server_id: i64::from(self.me.0),
                    protocol_version: PROTOCOL_VERSION,
                    config_version: Some(0),
                };
                let kind = match kind {
                    LearnerKind::Follower => PacketType::FollowerInfo,
                    LearnerKind::Observer => PacketType::ObserverInfo,
                };
                let mut data = Vec::new();
                info.encode(&mut data);
                packet(kind, beginning(*accepted), Some(&data));
            }
            Message::LeaderInfo { epoch } => {
                let version = PROTOCOL_VERSION.to_be_bytes();
                packet(PacketType::LeaderInfo, beginning(*epoch), Some(&version));
            }
            Message::AckEpoch { current, last } => {
                let current = current.map_or(-1, |epoch| epoch.0.cast_signed());
                packet(PacketType::AckEpoch, last.0, Some(&current.to_be_bytes()));
            }
            Message::Diff { committed } => {
                self.planned = *committed;
                packet(PacketType::Diff, committed.0, None);
            }
            Message::Trunc { to, committed } => {
                self.planned = *committed;
                // ZooKeeper carries nothing here, and reads nothing: there whatever stays is committed. Here it may be
                // a proposal that nobody has decided on yet.
                packet(PacketType::Trunc, to.0, Some(&committed.0.to_be_bytes()));
            }
            Message::Snap { zxid } => packet(PacketType::Snap, zxid.0, None),
            Message::NewLeader { epoch } => {
                packet(PacketType::NewLeader, beginning(*epoch), Some(&self.config_text));
            }
            Message::AckNewLeader { epoch } => packet(PacketType::Ack, beginning(*epoch), None),
            Message::UpToDate => packet(PacketType::UpToDate, u64::MAX, None),
            Message::Proposal(txn) => {
                packet(PacketType::Proposal, txn.zxid.0, Some(&txn.payload));
                if txn.zxid <= self.planned {
                    packet(PacketType::Commit, txn.zxid.0, None);
                } else {
                    self.uncommitted.push_back(txn.zxid);
                }
            }
            Message::Ack { zxid } => packet(PacketType::Ack, zxid.0, None),
            Message::Commit { zxid } => {
                while let Some(&next) = self.uncommitted.front()
                    && next <= *zxid
                {
                    self.uncommitted.pop_front();
                    packet(PacketType::Commit, next.0, None);
                }
            }
            Message::Inform(txn) => packet(PacketType::Inform, txn.zxid.0, Some(&txn.payload)),
            Message::Ping { body } => packet(PacketType::Ping, 0, body.as_deref()),
            Message::Session(SessionMessage::Request(packets)) => out.extend_from_slice(packets),
            Message::Session(SessionMessage::Revalidate(body)) => {
                packet(PacketType::Revalidate, u64::MAX, Some(body));
            }
            Message::Session(SessionMessage::Sync(_)) => packet(PacketType::Sync, 0, None),
        }
    }
}

/// Turns the packets of one link into messages.
#[derive(Default)]
pub(crate) struct Decoder {
    messages: Vec<Message<Bytes>>,
    /// The packets of requests behind the last message.
    requests: Vec<u8>,
}

impl Decoder {
    /// # Errors
    /// The peer broke the protocol: a number in it is none that can be, or it needs what this server does not support.
    pub(crate) fn decode(&mut self, packet: Packet) -> Result<(), String> {
        if packet.kind == PacketType::Request {
            write_request(
                packet.data.as_deref().unwrap_or_default(),
                packet.auth,
                &mut self.requests,
            );
        } else {
            self.end_requests();
            self.messages.push(message(packet)?);
        }
        Ok(())
    }

    /// The messages since the last time.
    pub(crate) fn take(&mut self) -> Vec<Message<Bytes>> {
        self.end_requests();
        std::mem::take(&mut self.messages)
    }

    fn end_requests(&mut self) {
        if !self.requests.is_empty() {
            let packets = take(&mut self.requests);
            self.messages.push(Message::Session(SessionMessage::Request(packets)));
        }
    }
}

/// The message that a packet is, REQUEST apart.
fn message(packet: Packet) -> Result<Message<Bytes>, String> {
    let number = packet.zxid;
    let data = packet.data.clone().unwrap_or_default();
    Ok(match packet.kind {
        PacketType::FollowerInfo => {
            Message::LearnerInfo { kind: LearnerKind::Follower, accepted: zxid(number)?.epoch() }
        }
        PacketType::ObserverInfo => {
            Message::LearnerInfo { kind: LearnerKind::Observer, accepted: zxid(number)?.epoch() }
        }
        PacketType::LeaderInfo => Message::LeaderInfo { epoch: zxid(number)?.epoch() },
        PacketType::AckEpoch => {
            let current = match data.first_chunk().copied().map(i32::from_be_bytes) {
                None => return Err(format!("ACKEPOCH carries {} bytes, not 4", data.len())),
                Some(-1) => None,
                Some(epoch) => Some(Epoch(u32::try_from(epoch).map_err(|_| {
                    format!("ACKEPOCH: currentEpoch is {epoch}; it must be -1 or more")
                })?)),
            };
            Message::AckEpoch { current, last: zxid(number)? }
        }
        PacketType::Diff => Message::Diff { committed: zxid(number)? },
        PacketType::Trunc => {
            let to = zxid(number)?;
            let committed = data.first_chunk().copied().map(u64::from_be_bytes);
            Message::Trunc { to, committed: committed.map_or(to, Zxid) }
        }
        PacketType::Snap => Message::Snap { zxid: zxid(number)? },
        PacketType::NewLeader => Message::NewLeader { epoch: zxid(number)?.epoch() },
        PacketType::Ack => match zxid(number)? {
            zxid if zxid.counter() == 0 => Message::AckNewLeader { epoch: zxid.epoch() },
            zxid => Message::Ack { zxid },
        },
        PacketType::UpToDate => Message::UpToDate,
        PacketType::Proposal => Message::Proposal(Txn { zxid: zxid(number)?, payload: data }),
        PacketType::Commit => Message::Commit { zxid: zxid(number)? },
        PacketType::Inform => Message::Inform(Txn { zxid: zxid(number)?, payload: data }),
        PacketType::Ping => Message::Ping { body: packet.data },
        PacketType::Request => {
            let mut bytes = Vec::new();
            write_request(&data, packet.auth, &mut bytes);
            Message::Session(SessionMessage::Request(bytes.into()))
        }
        PacketType::Revalidate => Message::Session(SessionMessage::Revalidate(data)),
        PacketType::Sync => Message::Session(SessionMessage::Sync(data)),
        PacketType::CommitAndActivate | PacketType::InformAndActivate => {
            return Err(format!("{}: reconfiguration is not supported", packet.kind.name()));
        }
    })
}

/// Takes packets out, and leaves room for as many: they come about as many at a time.
pub(crate) fn take(packets: &mut Vec<u8>) -> Bytes {
    let room = packets.len().min(ROOM_MAX);
    std::mem::replace(packets, Vec::with_capacity(room)).into()
}

const ROOM_MAX: usize = 1 << 16;

/// Appends the packet of a request that is forwarded, and who the client is.
pub(crate) fn encode_request(request: &ForwardedRequest, auth: Vec<Id>, packets: &mut Vec<u8>) {
    let mut data = Vec::with_capacity(request.body.len() + 16);
    request.encode(&mut data);
    write_request(&data, Some(auth), packets);
}

fn write_request(data: &[u8], auth: Option<Vec<Id>>, out: &mut Vec<u8>) {
    head(PacketType::Request, -1, out);
    out.buffer(Some(data));
    auth.write(out);
}

/// The requests that were forwarded together, each with who its client is, or why it is none.
pub(crate) fn requests(
    packets: &Bytes,
) -> impl Iterator<Item = Result<(ForwardedRequest, Vec<Id>), Error>> {
    let mut reader = Reader::with_limit(packets, packets.len());
    let mut whole = true;
    std::iter::from_fn(move || {
        (whole && reader.remaining() > 0).then(|| {
            // Where a packet that cannot be read ends is not known: nothing is read behind it.
            let Packet { data, auth, .. } =
                Packet::decode(&mut reader).inspect_err(|_| whole = false)?;
            let data = data.unwrap_or_default();
            let request = ForwardedRequest::decode(&mut Reader::with_limit(&data, data.len()))?;
            Ok((request, auth.unwrap_or_default()))
        })
    })
}

fn head(kind: PacketType, zxid: i64, out: &mut Vec<u8>) {
    out.i32(kind.code());
    out.i64(zxid);
}

/// The length of what is absent.
const NULL: i32 = -1;

/// The zxid that names an epoch on the wire.
fn beginning(epoch: Epoch) -> u64 {
    Zxid::new(epoch, 0).0
}

/// # Errors
/// The number is negative, which no zxid is.
pub(crate) fn zxid(number: i64) -> Result<Zxid, String> {
    u64::try_from(number).map(Zxid).map_err(|_| format!("zxid {number} is negative"))
}

/// Who sent this FOLLOWERINFO or OBSERVERINFO.
///
/// # Errors
/// It is another packet, or does not say.
pub(crate) fn learner_of(packet: &Packet) -> Result<Sid, String> {
    if !matches!(packet.kind, PacketType::FollowerInfo | PacketType::ObserverInfo) {
        let name = packet.kind.name();
        return Err(format!("the first packet is {name}, not FOLLOWERINFO or OBSERVERINFO"));
    }
    let data = packet.data.clone().unwrap_or_default();
    let info = LearnerInfo::decode(&mut Reader::new(&data)).map_err(|error| error.to_string())?;
    u8::try_from(info.server_id)
        .map(Sid)
        .map_err(|_| format!("server id {} is not in 0..=255", info.server_id))
}

/// Appends an election message: length, and payload.
pub(crate) fn encode_notification(message: &Notification, config: &Bytes, out: &mut Vec<u8>) {
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
        config: config.clone(),
    };
    frame(out, |out| notification.encode(out));
}

/// # Errors
/// The payload is no notification, or a number in it is none that can be.
pub(crate) fn decode_notification(payload: &Bytes) -> Result<Notification, String> {
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
    use bytes::BytesMut;
    use wire::limits::PACKET_BYTES_MAX;
    use wire::quorum::{Packets, TouchedSession, decode_touched, encode_touched};

    use super::*;

    const TEXT: &[u8] = b"server.1=a:2888:3888:participant\nversion=0";

    fn zxid(epoch: u32, counter: u32) -> Zxid {
        Zxid::new(Epoch(epoch), counter)
    }

    fn proposal(epoch: u32, counter: u32) -> Message<Bytes> {
        let payload = Bytes::from(format!("transaction {counter}"));
        Message::Proposal(Txn { zxid: zxid(epoch, counter), payload })
    }

    /// What a learner reads of what a leader says.
    fn said(messages: &[Message<Bytes>]) -> Vec<Packet> {
        let (mut encoder, mut bytes) = (Encoder::new(Sid(1), Bytes::from_static(TEXT)), Vec::new());
        for message in messages {
            encoder.encode(message, &mut bytes);
        }
        let (mut buffer, mut packets) =
            (BytesMut::from(&bytes[..]), Packets::new(PACKET_BYTES_MAX));
        let mut read = Vec::new();
        while let Some(packet) = packets.next(&mut buffer).expect("our own packets") {
            read.push(packet);
        }
        assert!(buffer.is_empty(), "every packet is whole");
        read
    }

    fn heard(messages: &[Message<Bytes>]) -> Vec<Message<Bytes>> {
        let mut decoder = Decoder::default();
        said(messages).into_iter().for_each(|packet| decoder.decode(packet).expect("our own"));
        decoder.take()
    }

    #[test]
    fn a_commit_of_many_is_a_packet_for_each_as_zookeeper_expects() {
        let messages =
            [proposal(1, 1), proposal(1, 2), proposal(1, 3), Message::Commit { zxid: zxid(1, 2) }];
        let commit = |counter| Message::Commit { zxid: zxid(1, counter) };
        assert_eq!(heard(&messages)[3..], [commit(1), commit(2)]);
        let again = [&messages[..], &[Message::Commit { zxid: zxid(1, 3) }]].concat();
        assert_eq!(heard(&again)[3..], [commit(1), commit(2), commit(3)]);
    }

    #[test]
    fn history_that_is_committed_comes_with_its_commits() {
        let plan = Message::Diff { committed: zxid(1, 2) };
        let end = Message::NewLeader { epoch: Epoch(2) };
        let read = heard(&[plan.clone(), proposal(1, 2), proposal(1, 3), end.clone()]);
        let commit = Message::Commit { zxid: zxid(1, 2) };
        assert_eq!(read, [plan, proposal(1, 2), commit, proposal(1, 3), end]);
    }

    #[test]
    fn a_truncation_says_what_is_committed_and_zookeeper_says_it_by_saying_nothing() {
        let ours = Message::Trunc { to: zxid(1, 7), committed: zxid(1, 5) };
        assert_eq!(heard(std::slice::from_ref(&ours)), [ours]);
        let theirs = Packet::new(PacketType::Trunc, zxid(1, 7).0.cast_signed());
        let heard = Message::Trunc { to: zxid(1, 7), committed: zxid(1, 7) };
        assert_eq!(message(theirs), Ok(heard));
    }

    #[test]
    fn a_ping_carries_every_session_that_a_server_can_have() {
        let sessions = (0..1_000_000_u32)
            .map(|number| TouchedSession { session_id: i64::from(number), timeout_ms: 4000 });
        let mut body = Vec::new();
        encode_touched(sessions.clone(), &mut body);
        let arrived = said(&[Message::Ping { body: Some(body.into()) }]);
        let data = arrived[0].data.as_ref().expect("sessions");
        assert!(sessions.eq(decode_touched(data).expect("whole sessions")));
    }

    #[test]
    fn every_other_message_arrives_as_it_was_sent() {
        let epoch = Epoch(3);
        let request = request(7);
        let mut packets = Vec::new();
        encode_request(&request, Vec::new(), &mut packets);
        let messages = [
            Message::LearnerInfo { kind: LearnerKind::Follower, accepted: epoch },
            Message::LearnerInfo { kind: LearnerKind::Observer, accepted: Epoch(0) },
            Message::LeaderInfo { epoch },
            Message::AckEpoch { current: Some(Epoch(0)), last: Zxid::ZERO },
            Message::AckEpoch { current: None, last: zxid(2, 9) },
            Message::Snap { zxid: zxid(2, 9) },
            Message::NewLeader { epoch },
            Message::AckNewLeader { epoch },
            Message::UpToDate,
            Message::Ack { zxid: zxid(3, 1) },
            Message::Inform(Txn { zxid: zxid(3, 1), payload: Bytes::from_static(b"t") }),
            Message::Ping { body: None },
            Message::Ping { body: Some(Bytes::from_static(b"sessions")) },
            Message::Session(SessionMessage::Request(packets.into())),
            Message::Session(SessionMessage::Revalidate(Bytes::from_static(b"session"))),
            Message::Session(SessionMessage::Sync(Bytes::new())),
        ];
        assert_eq!(heard(&messages), messages);
    }

    fn request(cxid: i32) -> ForwardedRequest {
        ForwardedRequest { session_id: -5, cxid, op: 1, body: Bytes::from_static(b"a request") }
    }

    #[test]
    fn requests_that_go_together_are_a_packet_each_and_arrive_together_in_order() {
        let (alice, bob) = (vec![Id::new("ip", "127.0.0.1")], vec![Id::new("digest", "b:b")]);
        let mut packets = Vec::new();
        encode_request(&request(1), alice.clone(), &mut packets);
        encode_request(&request(2), bob.clone(), &mut packets);
        let together = Message::Session(SessionMessage::Request(packets.into()));
        let read = said(std::slice::from_ref(&together));
        assert_eq!(
            read.iter().map(|packet| packet.kind).collect::<Vec<_>>(),
            [PacketType::Request, PacketType::Request]
        );
        let between = Message::Ping { body: None };
        let messages = [together.clone(), between, together];
        let arrived = heard(&messages);
        assert_eq!(arrived, messages);
        let Message::Session(SessionMessage::Request(packets)) = &arrived[0] else {
            panic!("no request: {arrived:?}");
        };
        let read: Vec<_> = requests(packets).map(|request| request.expect("our own")).collect();
        assert_eq!(read, [(request(1), alice), (request(2), bob)]);
    }

    #[test]
    fn a_packet_that_holds_no_request_does_not_take_the_others_with_it() {
        let mut packets = Vec::new();
        write_request(b"short", None, &mut packets);
        encode_request(&request(2), Vec::new(), &mut packets);
        let read: Vec<_> = requests(&packets.into()).map(Result::ok).collect();
        assert_eq!(read, [None, Some((request(2), Vec::new()))]);
    }

    #[test]
    fn nothing_is_read_behind_a_packet_that_has_no_end() {
        let mut packets = Vec::new();
        encode_request(&request(1), Vec::new(), &mut packets);
        packets.extend_from_slice(b"\xff\xff");
        let read: Vec<_> = requests(&packets.into()).map(Result::ok).take(9).collect();
        assert_eq!(read, [Some((request(1), Vec::new())), None]);
    }

    #[test]
    fn numbers_that_cannot_be_are_refused_by_name() {
        let refused = |packet: Packet| message(packet).expect_err("refused");
        let negative = Packet::new(PacketType::Commit, -2);
        assert_eq!(refused(negative), "zxid -2 is negative");
        let short = Packet::with_data(PacketType::AckEpoch, 0, Bytes::from_static(b"abc"));
        assert_eq!(refused(short), "ACKEPOCH carries 3 bytes, not 4");
        let data = Bytes::copy_from_slice(&(-2_i32).to_be_bytes());
        let epoch = Packet::with_data(PacketType::AckEpoch, 0, data);
        assert_eq!(refused(epoch), "ACKEPOCH: currentEpoch is -2; it must be -1 or more");
        let activate = Packet::new(PacketType::CommitAndActivate, 1);
        assert_eq!(refused(activate), "COMMITANDACTIVATE: reconfiguration is not supported");
        let first = learner_of(&Packet::new(PacketType::Ack, 1));
        let rule = "the first packet is ACK, not FOLLOWERINFO or OBSERVERINFO";
        assert_eq!(first, Err(rule.to_owned()));
    }

    #[test]
    fn votes_arrive_as_they_were_cast() {
        let vote = Vote { peer_epoch: Epoch(2), zxid: zxid(2, 5), leader: Sid(3) };
        for state in [
            ServerState::Looking,
            ServerState::Following,
            ServerState::Leading,
            ServerState::Observing,
        ] {
            for vote in [Some(vote), None] {
                let cast = Notification { state, vote, round: 7 };
                let mut bytes = Vec::new();
                encode_notification(&cast, &Bytes::from_static(TEXT), &mut bytes);
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
