use bytes::{Bytes, BytesMut};
use quickcheck::Gen;

use super::*;
use crate::Id;
use crate::jute::{Error, Record};
use crate::sample::{Sample, check};

impl Sample for Packet {
    fn sample(g: &mut Gen) -> Self {
        Self {
            kind: *g.choose(PacketType::ALL).expect("there are types"),
            zxid: Sample::sample(g),
            data: Sample::sample(g),
            auth: Sample::sample(g),
        }
    }
}

impl Sample for LearnerInfo {
    fn sample(g: &mut Gen) -> Self {
        Self {
            server_id: Sample::sample(g),
            protocol_version: Sample::sample(g),
            config_version: bool::sample(g).then(|| Sample::sample(g)),
        }
    }
}

impl Sample for Revalidated {
    fn sample(g: &mut Gen) -> Self {
        let session_id = i64::sample(g).max(1);
        if bool::sample(g) {
            Self::Answer { session_id, valid: Sample::sample(g) }
        } else {
            Self::Moved { session_id }
        }
    }
}

impl Sample for ForwardedRequest {
    fn sample(g: &mut Gen) -> Self {
        Self {
            session_id: Sample::sample(g),
            cxid: Sample::sample(g),
            op: Sample::sample(g),
            body: Sample::sample(g),
        }
    }
}

impl Sample for ProposalWithLeader {
    fn sample(g: &mut Gen) -> Self {
        Self { leader: Sample::sample(g), blob: Sample::sample(g) }
    }
}

const MAX: usize = 1 << 16;

#[test]
fn packets_have_the_bytes_of_zookeepers() {
    let info =
        LearnerInfo { server_id: 1, protocol_version: PROTOCOL_VERSION, config_version: Some(0) };
    let hello = Packet::with_data(PacketType::FollowerInfo, 0, info.to_vec());
    let expected: &[u8] = b"\0\0\0\x0b\0\0\0\0\0\0\0\0\0\0\0\x14\
        \0\0\0\0\0\0\0\x01\0\x01\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff";
    assert_eq!(hello.to_vec(), expected);

    let ack = Packet::new(PacketType::Ack, 1 << 32);
    let expected: &[u8] = b"\0\0\0\x03\0\0\0\x01\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff";
    assert_eq!(ack.to_vec(), expected);
    assert_eq!(expected.len(), Packet::BYTES_MIN);
}

#[test]
fn packets_are_taken_as_they_arrive() {
    check::<Vec<Packet>>(|sent| {
        let mut stream = Vec::new();
        sent.0.iter().for_each(|packet| packet.encode(&mut stream));
        let mut packets = Packets::new(MAX);
        let mut buffer = BytesMut::new();
        let mut taken = Vec::new();
        for byte in stream {
            buffer.extend_from_slice(&[byte]);
            while let Some(packet) = packets.next(&mut buffer).unwrap() {
                taken.push(packet);
            }
        }
        taken == sent.0 && buffer.is_empty()
    });
}

#[test]
fn packets_that_arrive_together_are_taken_one_by_one() {
    let (commit, sync) = (Packet::new(PacketType::Commit, 5), Packet::new(PacketType::Sync, 0));
    let mut stream = commit.to_vec();
    sync.encode(&mut stream);
    stream.extend_from_slice(b"\0\0");
    let mut buffer = BytesMut::from(&stream[..]);
    let mut packets = Packets::new(MAX);
    assert_eq!(packets.next(&mut buffer), Ok(Some(commit)));
    assert_eq!(packets.next(&mut buffer), Ok(Some(sync)));
    assert_eq!((packets.next(&mut buffer), &buffer[..]), (Ok(None), &b"\0\0"[..]));
}

fn refused(bytes: &[u8]) -> String {
    Packets::new(100).next(&mut BytesMut::from(bytes)).unwrap_err().to_string()
}

#[test]
fn an_unknown_type_is_refused_before_the_rest_of_the_packet_arrives() {
    for (bytes, found) in [(b"\0\0\0\0", 0), (b"\0\0\0\x14", 20), (b"\xff\xff\xff\xff", -1)] {
        let allowed = "allowed: 1 (REQUEST) to 19 (INFORMANDACTIVATE)";
        assert_eq!(refused(bytes), format!("QuorumPacket.type: {found} found, {allowed}"));
    }
}

#[test]
fn a_packet_longer_than_the_maximum_is_refused_before_it_arrives() {
    let mut bytes = Packet::new(PacketType::Proposal, 1).to_vec();
    bytes[12..16].copy_from_slice(&85_i32.to_be_bytes());
    assert_eq!(
        refused(&bytes[..16]),
        "QuorumPacket.data: unreasonable length 85, allowed are -1 to 84"
    );
    // 84 bytes of data would fit, but then there is no room for the count of identities.
    bytes[12..16].copy_from_slice(&84_i32.to_be_bytes());
    bytes.truncate(16);
    bytes.resize(104, 0);
    assert_eq!(refused(&bytes), "QuorumPacket: unreasonable length 104, allowed are 20 to 100");
}

#[test]
fn identities_are_counted_against_the_maximum_one_by_one() {
    let mut bytes = Packet::new(PacketType::Request, -1).to_vec();
    bytes[16..20].copy_from_slice(&i32::MAX.to_be_bytes());
    bytes.resize(200, 0);
    assert_eq!(refused(&bytes), "QuorumPacket: unreasonable length 104, allowed are 20 to 100");
    bytes[20..24].copy_from_slice(&(-2_i32).to_be_bytes());
    assert_eq!(
        refused(&bytes),
        "QuorumPacket.authinfo: unreasonable length -2, allowed are -1 to 76"
    );
}

#[test]
fn a_forwarded_request_carries_the_callers_identities() {
    let request = ForwardedRequest {
        session_id: 0x0100_0000_0000_0001,
        cxid: 3,
        op: 2,
        body: Bytes::from_static(b"\0\0\0\x02/a\xff\xff\xff\xff"),
    };
    let packet = Packet {
        auth: Some(vec![Id::new("ip", "10.0.0.7")]),
        ..Packet::with_data(PacketType::Request, -1, request.to_vec())
    };
    let mut buffer = BytesMut::from(&packet.to_vec()[..]);
    let received = Packets::new(MAX).next(&mut buffer).unwrap().unwrap();
    assert_eq!(received, packet);
    let data = received.data.unwrap();
    assert_eq!(data[8..16], *b"\0\0\0\x03\0\0\0\x02");
    assert_eq!(ForwardedRequest::from_bytes(&data), Ok(request));
}

#[test]
fn learners_of_any_age_are_understood() {
    let bytes = b"\0\0\0\0\0\0\0\x03\0\x01\0\0\0\0\0\0\0\0\0\x09";
    let decode = |length| LearnerInfo::from_bytes(&Bytes::copy_from_slice(&bytes[..length]));
    let info = |protocol_version, config_version| {
        Ok(LearnerInfo { server_id: 3, protocol_version, config_version })
    };
    assert_eq!(decode(8), info(1, None));
    assert_eq!(decode(12), info(PROTOCOL_VERSION, None));
    assert_eq!(decode(20), info(PROTOCOL_VERSION, Some(9)));
    assert!(matches!(decode(7), Err(Error::Short { field: "LearnerInfo.serverid", .. })));
}

#[test]
fn a_ping_names_the_sessions_that_were_heard_from() {
    check::<Vec<TouchedSession>>(|sessions| {
        let mut data = Vec::new();
        encode_touched(sessions.0.iter().copied(), &mut data);
        data.len() == 12 * sessions.0.len() && decode_touched(&data) == Ok(sessions.0)
    });
    assert!(matches!(decode_touched(&[0; 13]), Err(Error::Short { left: 1, .. })));
}

#[test]
fn the_end_of_a_streamed_snapshot_is_the_string_ben_was_here() {
    assert_eq!(&crate::snapshot::STREAM_END[4..], BEN_WAS_HERE.as_bytes());
    assert_eq!(crate::snapshot::STREAM_END[..4], (BEN_WAS_HERE.len() as i32).to_be_bytes());
}

#[test]
fn a_session_that_moved_is_told_in_a_form_that_zookeeper_ignores() {
    let mut bytes = Vec::new();
    Revalidated::Moved { session_id: 0x0102_0304_0506_0708 }.encode(&mut bytes);
    assert_eq!(bytes, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    let seen_by_zookeeper = Revalidated::from_bytes(&bytes[..9].to_vec().into());
    assert_eq!(seen_by_zookeeper, Ok(Revalidated::Answer { session_id: 0, valid: false }));
}
