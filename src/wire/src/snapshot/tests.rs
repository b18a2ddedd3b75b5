use std::io::{self, Read};

use bytes::{Bytes, BytesMut};
use quickcheck::Gen;

use super::*;
use crate::jute::LIMIT_BYTES_DEFAULT;
use crate::sample::{Sample, check};

impl Sample for Seal {
    fn sample(g: &mut Gen) -> Self {
        Self { checksum: Sample::sample(g) }
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Body {
    sessions: Vec<Session>,
    acls: Vec<AclEntry>,
    nodes: Vec<Node>,
}

impl Sample for Body {
    fn sample(g: &mut Gen) -> Self {
        let mut nodes: Vec<Node> = Sample::sample(g);
        // "/" ends the body.
        nodes.retain(|node| node.path != "/");
        Self { sessions: Sample::sample(g), acls: Sample::sample(g), nodes }
    }
}

impl Body {
    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.count(self.sessions.len());
        self.sessions.iter().for_each(|session| session.encode(&mut out));
        out.count(self.acls.len());
        self.acls.iter().for_each(|acl| acl.encode(&mut out));
        for Node { path, data, acl_id, stat } in &self.nodes {
            encode_node(path, data.as_deref(), *acl_id, stat, &mut out);
        }
        out.extend_from_slice(END_MARK);
        out
    }

    fn items(&self) -> Vec<Item> {
        let sessions = self.sessions.iter().cloned().map(Item::Session);
        let acls = self.acls.iter().cloned().map(Item::Acl);
        let nodes = self.nodes.iter().cloned().map(Item::Node);
        sessions.chain(acls).chain(nodes).collect()
    }
}

fn example() -> Body {
    Body {
        sessions: vec![Session { id: 0x0100_0000_0000_0001, timeout_ms: 30_000 }],
        acls: vec![AclEntry { id: 1, acl: Acl::read_unsafe() }],
        nodes: vec![
            Node {
                path: String::new(),
                data: Some(Bytes::new()),
                acl_id: OPEN_UNSAFE_ACL_ID,
                stat: StatPersisted::default(),
            },
            Node {
                path: "/a".into(),
                data: None,
                acl_id: 1,
                stat: StatPersisted { czxid: 2, pzxid: 2, ..StatPersisted::default() },
            },
        ],
    }
}

#[test]
fn a_body_has_the_layout_of_zookeepers() {
    let mut expected = Vec::new();
    expected.extend_from_slice(b"\0\0\0\x01\x01\0\0\0\0\0\0\x01\0\0\x75\x30");
    expected.extend_from_slice(b"\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\x01\0\0\0\x01");
    expected.extend_from_slice(b"\0\0\0\x05world\0\0\0\x06anyone");
    expected.extend_from_slice(b"\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff");
    expected.extend_from_slice(&[0; 60]);
    expected.extend_from_slice(b"\0\0\0\x02/a\xff\xff\xff\xff\0\0\0\0\0\0\0\x01");
    expected.extend_from_slice(b"\0\0\0\0\0\0\0\x02");
    expected.extend_from_slice(&[0; 44]);
    expected.extend_from_slice(b"\0\0\0\0\0\0\0\x02");
    expected.extend_from_slice(b"\0\0\0\x01/");
    assert_eq!(example().bytes(), expected);
}

#[test]
fn the_head_and_the_seals_have_the_bytes_of_zookeepers() {
    assert_eq!(FileHeader::CURRENT.to_vec(), b"ZKSN\0\0\0\x02\xff\xff\xff\xff\xff\xff\xff\xff");
    let seal = Seal { checksum: 0x1234_5678 };
    assert_eq!(seal.to_vec(), b"\0\0\0\0\x12\x34\x56\x78\0\0\0\x01/");
    let broken = Bytes::from_static(b"\0\0\0\0\x12\x34\x56\x78\0\0\0\x01?");
    assert_eq!(
        Seal::from_bytes(&broken).unwrap_err().to_string(),
        r#"Seal.mark: "?" found, allowed: "/""#
    );
}

#[test]
fn a_reader_takes_the_body_and_not_a_byte_more() {
    check::<Body>(|body| {
        let mut bytes = body.0.bytes();
        bytes.extend_from_slice(STREAM_END);
        let mut reader = BodyReader::new(&bytes[..], LIMIT_BYTES_DEFAULT);
        let items: Vec<Item> = reader.by_ref().map(Result::unwrap).collect();
        items == body.0.items() && reader.into_inner() == STREAM_END
    });
}

#[test]
fn a_decoder_takes_the_body_in_whatever_pieces_it_arrives() {
    check::<Body>(|body| {
        let bytes = body.0.bytes();
        for piece in [1, 7, bytes.len()] {
            let mut decoder = BodyDecoder::new(LIMIT_BYTES_DEFAULT);
            let mut buffer = BytesMut::new();
            let mut items = Vec::new();
            let mut ended = false;
            for piece in bytes.chunks(piece) {
                buffer.extend_from_slice(piece);
                loop {
                    match decoder.step(&mut buffer).unwrap() {
                        Step::Item(item) => items.push(item),
                        Step::End => {
                            ended = true;
                            break;
                        }
                        Step::Need { bytes, .. } => {
                            assert!(bytes > 0);
                            break;
                        }
                    }
                }
            }
            if !ended || !buffer.is_empty() || items != body.0.items() {
                return false;
            }
        }
        true
    });
}

#[test]
fn a_body_that_ends_early_is_refused_by_the_field_it_ends_in() {
    let bytes = example().bytes();
    for end in 0..bytes.len() {
        let mut reader = BodyReader::new(&bytes[..end], LIMIT_BYTES_DEFAULT);
        let error = reader.by_ref().find_map(Result::err).expect("a cut is an error");
        assert!(matches!(error, ReadError::Bytes(Error::Short { .. })), "{end}: {error}");
        assert!(reader.next().is_none(), "an error is the last");
    }
    let mut reader = BodyReader::new(&bytes[..bytes.len() - 30], LIMIT_BYTES_DEFAULT);
    let error = reader.find_map(Result::err).unwrap();
    assert_eq!(error.to_string(), "snapshot: Node.data: 68 bytes are needed, 43 are left");
}

#[test]
fn lengths_beyond_the_limit_are_refused_before_they_are_read() {
    let mut bytes = vec![0; 8];
    bytes.extend_from_slice(b"\x7f\xff\xff\xff");
    let error = BodyReader::new(&bytes[..], 1000).find_map(Result::err).unwrap();
    assert_eq!(
        error.to_string(),
        "snapshot: Node.path: unreasonable length 2147483647, allowed are -1 to 1000"
    );
}

#[test]
fn an_acl_that_is_null_is_refused() {
    let bytes = b"\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x07\xff\xff\xff\xff";
    let error = BodyReader::new(&bytes[..], 1000).find_map(Result::err).unwrap();
    assert!(matches!(error, ReadError::Bytes(Error::Null { field: "AclEntry.acl" })), "{error}");
}

#[test]
fn a_source_that_fails_is_told_from_bytes_that_are_wrong() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let error = BodyReader::new(Broken, 1000).find_map(Result::err).unwrap();
    assert!(matches!(error, ReadError::Io(_)), "{error}");
}
