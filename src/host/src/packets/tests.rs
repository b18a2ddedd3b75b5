//! Single messages and packets.

use bytes::BytesMut;
use wire::quorum::Packets;
use wire::txn::TxnHeader;

use super::*;

const TEXT: &[u8] = b"server.1=a:2888:3888:participant\nversion=0";

fn zxid(epoch: u32, counter: u32) -> Zxid {
    Zxid::new(Epoch(epoch), counter)
}

fn proposal(epoch: u32, counter: u32) -> Message<Bytes> {
    let zxid = zxid(epoch, counter);
    Message::Proposal(Txn { zxid, payload: transaction(zxid) })
}

fn transaction(zxid: Zxid) -> Bytes {
    let header = TxnHeader { client_id: 7, cxid: 1, zxid: zxid.0.cast_signed(), time: 0, kind: 0 };
    let mut blob = Vec::new();
    TxnBlob::new(header, wire::txn::Txn::Error { err: -4 }, None).encode(&mut blob);
    blob.into()
}

/// Why a packet with these bytes is refused.
fn refused(kind: PacketType, at: Zxid, data: Option<Bytes>) -> Option<String> {
    message::<Bytes>(Packet { data, ..Packet::new(kind, at.0.cast_signed()) }).err()
}

#[test]
fn what_a_follower_could_not_read_at_its_next_start_never_reaches_its_log() {
    let (here, elsewhere) = (zxid(2, 1), zxid(2, 6));
    let whole = transaction(here);
    let mut unknown = whole.to_vec();
    unknown[28..32].copy_from_slice(&77_i32.to_be_bytes());
    for kind in [PacketType::Proposal, PacketType::Inform] {
        let refused = |data| refused(kind, here, data);
        assert_eq!(refused(Some(whole.clone())), None);
        let behind = [&whole[..], b"and more"].concat();
        assert_eq!(refused(Some(behind.into())), None, "as at a start");
        for bad in [None, Some(Bytes::new()), Some(unknown.clone().into()), Some(whole.slice(..33))]
        {
            assert!(
                refused(bad.clone()).is_some_and(|why| why.contains("cannot be read")),
                "{bad:?}"
            );
        }
        let why = refused(Some(transaction(elsewhere)));
        assert!(why.is_some_and(|why| why.contains("says of itself")));
    }
}

/// What a learner reads of what a leader says.
fn said(messages: &[Message<Bytes>]) -> Vec<Packet> {
    let (mut encoder, mut bytes) = (Encoder::new(Sid(1), Bytes::from_static(TEXT)), Vec::new());
    for message in messages {
        encoder.encode(message, &mut bytes);
    }
    let (mut buffer, mut packets) = (BytesMut::from(&bytes[..]), Packets::new(1 << 20));
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
    decoder.take().expect("our own")
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
    assert_eq!(message(theirs), Ok::<Message<Bytes>, _>(heard));
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
        Message::Inform(Txn { zxid: zxid(3, 1), payload: transaction(zxid(3, 1)) }),
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
    assert!(read.iter().all(|packet| packet.zxid == -1), "as ZooKeeper says it");
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
    let refused = |packet: Packet| message::<Bytes>(packet).expect_err("refused");
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
