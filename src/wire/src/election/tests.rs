use bytes::{Bytes, BytesMut};
use quickcheck::Gen;

use super::{Address, InitialMessage, MESSAGE_BYTES_MAX, Notification, ServerState, frames};
use crate::jute::Error;
use crate::sample::{Sample, check};

impl Sample for Notification {
    fn sample(g: &mut Gen) -> Self {
        let states = [
            ServerState::Looking,
            ServerState::Following,
            ServerState::Leading,
            ServerState::Observing,
        ];
        Self {
            state: *g.choose(&states).expect("there are states"),
            leader: Sample::sample(g),
            zxid: Sample::sample(g),
            election_epoch: Sample::sample(g),
            peer_epoch: Sample::sample(g),
            version: Self::VERSION,
            config: Sample::sample(g),
        }
    }
}

impl Sample for Address {
    fn sample(g: &mut Gen) -> Self {
        let hosts = ["h1", "zk-2.example.org", "10.0.0.7", "::1", "2001:db8::7"];
        let host = g.choose(&hosts).expect("there are hosts").to_string();
        Self { host, port: Sample::sample(g) }
    }
}

impl Sample for InitialMessage {
    fn sample(g: &mut Gen) -> Self {
        let sid = i64::sample(g);
        match u8::sample(g) % 3 {
            0 => Self::Old { sid: sid & i64::MAX },
            1 => Self::V1 { sid, address: Sample::sample(g) },
            _ => {
                let mut addresses = Vec::sample(g);
                addresses.push(Sample::sample(g));
                Self::V2 { sid, addresses }
            }
        }
    }
}

fn decode(bytes: &[u8]) -> Result<Option<InitialMessage>, Error> {
    InitialMessage::decode(&mut BytesMut::from(bytes))
}

fn initial(version: i64, text: &str) -> Vec<u8> {
    let mut bytes = version.to_be_bytes().to_vec();
    bytes.extend_from_slice(&1_i64.to_be_bytes());
    bytes.extend_from_slice(&(text.len() as i32).to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

#[test]
fn the_opening_message_has_the_bytes_of_zookeepers() {
    let message = InitialMessage::V1 { sid: 1, address: Address { host: "h1".into(), port: 3888 } };
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    assert_eq!(bytes, b"\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\x01\0\0\0\x07h1:3888");
    assert_eq!(decode(&bytes), Ok(Some(message)));
}

#[test]
fn an_opening_message_waits_for_its_last_byte_and_takes_no_more() {
    check::<InitialMessage>(|message| {
        let mut bytes = Vec::new();
        message.0.encode(&mut bytes);
        let waits = (0..bytes.len()).all(|end| decode(&bytes[..end]) == Ok(None));
        let mut buffer = BytesMut::from(&bytes[..]);
        buffer.extend_from_slice(b"next");
        waits
            && InitialMessage::decode(&mut buffer) == Ok(Some(message.0))
            && &buffer[..] == b"next"
    });
}

#[test]
fn an_old_opening_message_is_the_sid_alone() {
    assert_eq!(decode(&7_i64.to_be_bytes()), Ok(Some(InitialMessage::Old { sid: 7 })));
}

#[test]
fn opening_messages_that_zookeeper_refuses_are_refused() {
    let refused = |bytes: &[u8]| decode(bytes).unwrap_err().to_string();
    assert_eq!(
        refused(&(-1_i64).to_be_bytes()),
        "InitialMessage.protocolVersion: -1 found, allowed: -65536, -65535, or a sid of at least 0"
    );
    let length = "InitialMessage.addrLen: unreasonable length ";
    assert_eq!(refused(&initial(-65_536, "")), format!("{length}0, allowed are 1 to 2048"));
    let long = initial(-65_536, &"h".repeat(2049));
    assert_eq!(refused(&long[..20]), format!("{length}2049, allowed are 1 to 2048"));
    for text in ["h1", "h1:", "h1:x", "h1:65536", ":3888", "::1:3888", "[::1:3888", "a:1|b:2"] {
        let allowed = "allowed: host:port, [IPv6]:port";
        let expected = format!("InitialMessage.addr: {text:?} found, {allowed}");
        assert_eq!(refused(&initial(-65_536, text)), expected);
    }
    assert!(decode(&initial(-65_535, "a:1|b:2")).unwrap().unwrap().addresses().len() == 2);
    assert!(decode(&initial(-65_535, "a:1|b")).is_err());
}

/// The head of a notification of server 1 for itself, round 1, and its older forms by length.
const HEAD: [u8; 44] = *b"\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\x07\0\0\0\x09\
    \0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\x02\0\0\0\x38";

fn vote() -> Notification {
    Notification {
        state: ServerState::Looking,
        leader: 1,
        zxid: 0x7_0000_0009,
        election_epoch: 1,
        peer_epoch: 0,
        version: 2,
        config: Bytes::from(vec![b'c'; 56]),
    }
}

#[test]
fn a_notification_has_the_bytes_of_zookeepers() {
    let mut expected = HEAD.to_vec();
    expected.extend_from_slice(&[b'c'; 56]);
    let mut bytes = Vec::new();
    vote().encode(&mut bytes);
    assert_eq!(bytes, expected);
    assert_eq!(Notification::decode(&bytes.into()), Ok(vote()));
}

#[test]
fn older_notifications_are_told_by_their_size() {
    let decode = |length| Notification::decode(&Bytes::copy_from_slice(&HEAD[..length]));
    let old = Notification { version: 0, config: Bytes::new(), ..vote() };
    assert_eq!(decode(40), Ok(old.clone()));
    assert_eq!(decode(28), Ok(Notification { peer_epoch: 7, ..old }), "the epoch of the zxid");
    let version = Error::Short { field: "Notification.version", needed: 4, left: 0 };
    assert_eq!(decode(36), Err(version), "as ZooKeeper drops it");
    assert_eq!(
        decode(44),
        Err(Error::Length { field: "Notification.config", found: 56, min: -1, max: 44 })
    );
}

#[test]
fn a_notification_of_an_unknown_state_is_refused() {
    let mut bytes = HEAD;
    bytes[3] = 4;
    assert_eq!(
        Notification::decode(&Bytes::copy_from_slice(&bytes[..40])).unwrap_err().to_string(),
        "Notification.state: 4 found, allowed: 0 LOOKING, 1 FOLLOWING, 2 LEADING, 3 OBSERVING"
    );
}

#[test]
fn an_election_message_has_between_one_byte_and_half_a_mebibyte() {
    let next = |length: usize| {
        let mut buffer = BytesMut::from(&(length as i32).to_be_bytes()[..]);
        frames().next(&mut buffer)
    };
    assert_eq!((next(1), next(MESSAGE_BYTES_MAX)), (Ok(None), Ok(None)));
    for length in [0, MESSAGE_BYTES_MAX + 1] {
        let field = "election message";
        let found = length as i64;
        assert_eq!(next(length), Err(Error::Length { field, found, min: 1, max: 524_288 }));
    }
}
