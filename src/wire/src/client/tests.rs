use bytes::{Bytes, BytesMut};
use quickcheck::Gen;

use super::*;
use crate::frame::frame;
use crate::jute::{Error, MAX_BUFFER_BYTES_DEFAULT, Reader, Record};
use crate::sample::Sample;
use crate::{Acl, ErrorCode, Stat, StatPersisted};

impl Sample for MultiOp {
    fn sample(g: &mut Gen) -> Self {
        let mut mode = |modes: &[CreateMode]| g.choose(modes).map_or(0, |mode| mode.flags());
        let plain = mode(&[CreateMode::Persistent, CreateMode::EphemeralSequential]);
        let ttl = mode(&[CreateMode::PersistentWithTtl]);
        let mut op = match u8::sample(g) % 7 {
            0 => Self::Create(Sample::sample(g)),
            1 => Self::Delete(Sample::sample(g)),
            2 => Self::SetData(Sample::sample(g)),
            3 => Self::Check(Sample::sample(g)),
            4 => Self::Create2(Sample::sample(g)),
            5 => Self::CreateContainer(Sample::sample(g)),
            _ => Self::CreateTtl(Sample::sample(g)),
        };
        match &mut op {
            Self::Create(create) | Self::Create2(create) => create.flags = plain,
            Self::CreateContainer(create) => create.flags = CreateMode::Container.flags(),
            Self::CreateTtl(create) => create.flags = ttl,
            Self::Delete(_) | Self::SetData(_) | Self::Check(_) => {}
        }
        op
    }
}

impl Sample for MultiReadOp {
    fn sample(g: &mut Gen) -> Self {
        if bool::sample(g) {
            Self::GetData(Sample::sample(g))
        } else {
            Self::GetChildren(Sample::sample(g))
        }
    }
}

impl Sample for MultiResult {
    fn sample(g: &mut Gen) -> Self {
        match u8::sample(g) % 8 {
            0 => Self::Create(Sample::sample(g)),
            1 => Self::Create2(Sample::sample(g)),
            2 => Self::Delete,
            3 => Self::SetData(Sample::sample(g)),
            4 => Self::Check,
            5 => Self::GetData(Sample::sample(g)),
            6 => Self::GetChildren(Sample::sample(g)),
            _ => Self::Error(Sample::sample(g)),
        }
    }
}

impl Sample for ConnectRequest {
    fn sample(g: &mut Gen) -> Self {
        Self {
            protocol_version: Sample::sample(g),
            last_zxid_seen: Sample::sample(g),
            timeout_ms: Sample::sample(g),
            session_id: Sample::sample(g),
            passwd: Sample::sample(g),
            read_only: bool::sample(g).then(|| bool::sample(g)),
        }
    }
}

impl Sample for ConnectResponse {
    fn sample(g: &mut Gen) -> Self {
        Self {
            protocol_version: Sample::sample(g),
            timeout_ms: Sample::sample(g),
            session_id: Sample::sample(g),
            passwd: Sample::sample(g),
            read_only: bool::sample(g).then(|| bool::sample(g)),
        }
    }
}

/// An operation, and a response that it can have.
impl Sample for (OpCode, Response) {
    fn sample(g: &mut Gen) -> Self {
        let op = *g.choose(OpCode::ALL).expect("there are operations");
        let response = match op {
            OpCode::Notification => Response::Notification(Sample::sample(g)),
            OpCode::Create | OpCode::Sync => Response::Path(Sample::sample(g)),
            OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => {
                Response::Create2(Sample::sample(g))
            }
            OpCode::Exists | OpCode::SetData | OpCode::SetAcl => Response::Stat(Sample::sample(g)),
            OpCode::GetData | OpCode::Reconfig => Response::GetData(Sample::sample(g)),
            OpCode::GetAcl => Response::GetAcl(Sample::sample(g)),
            OpCode::GetChildren | OpCode::GetEphemerals => Response::Names(Sample::sample(g)),
            OpCode::GetChildren2 => Response::GetChildren2(Sample::sample(g)),
            OpCode::Multi | OpCode::MultiRead => Response::Multi(Sample::sample(g)),
            OpCode::Sasl => Response::Sasl(Sample::sample(g)),
            OpCode::GetAllChildrenNumber => Response::Count(Sample::sample(g)),
            OpCode::AddWatch => Response::Error(Sample::sample(g)),
            OpCode::WhoAmI => Response::WhoAmI(Sample::sample(g)),
            OpCode::Delete
            | OpCode::DeleteContainer
            | OpCode::Ping
            | OpCode::CheckWatches
            | OpCode::RemoveWatches
            | OpCode::Auth
            | OpCode::SetWatches
            | OpCode::SetWatches2
            | OpCode::CloseSession => Response::Empty,
            // Never answered with a reply: draw again.
            OpCode::Error | OpCode::Check | OpCode::CreateSession => return Self::sample(g),
        };
        (op, response)
    }
}

/// Hexadecimal to bytes; blanks only separate.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let pair = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

fn message(body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    frame(&mut out, body);
    out
}

#[test]
fn a_new_session_is_asked_for_as_zookeepers_client_does() {
    let request = ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: 0,
        timeout_ms: 30_000,
        session_id: 0,
        passwd: Some(Bytes::from_static(&[0; 16])),
        read_only: Some(false),
    };
    let expected = hex("0000002d 00000000 0000000000000000 00007530 0000000000000000
         00000010 00000000000000000000000000000000 00");
    assert_eq!(message(|out| request.encode(out)), expected);
    assert_eq!(ConnectRequest::from_bytes(&without_length(&expected)), Ok(request));
}

#[test]
fn the_response_has_read_only_exactly_if_the_request_had_it() {
    for (read_only, length) in [(Some(false), 37), (Some(true), 37), (None, 36)] {
        let response = ConnectResponse::established(0x0100_0000_0000_0001, 30_000, read_only);
        let bytes = Bytes::from(response.to_vec());
        assert_eq!(bytes.len(), length);
        assert_eq!(bytes[20..36], hex("054cc74a37327db215e702e20c73f005"));
        assert_eq!(ConnectResponse::from_bytes(&bytes), Ok(response));
        assert_eq!(ConnectResponse::expired(read_only).to_vec().len(), length);
    }
    let request = Bytes::from(hex("00000000 0000000000000000 00007530 0000000000000000 ffffffff"));
    let request = ConnectRequest::from_bytes(&request).unwrap();
    assert_eq!((request.passwd, request.read_only), (None, None));
}

#[test]
fn passwords_and_credentials_stay_out_of_logs() {
    let secret = Some(Bytes::from_static(b"alice:secret"));
    let auth = AuthPacket { kind: 0, scheme: "digest".into(), auth: secret };
    assert_eq!(format!("{auth:?}"), r#"AuthPacket { scheme: "digest", auth: <12 bytes>, .. }"#);
    let response = ConnectResponse::established(1, 30_000, None);
    assert!(format!("{response:?}").contains("passwd: <16 bytes>"), "{response:?}");
}

#[test]
fn messages_have_the_bytes_of_zookeepers() {
    let mut ping = Vec::new();
    encode_request(&mut ping, xid::PING, &Request::Ping);
    assert_eq!(ping, hex("00000008 fffffffe 0000000b"));

    let mut pong = Vec::new();
    encode_reply(&mut pong, xid::PING, 0x1_0000_0005, |_| {});
    assert_eq!(pong, hex("00000010 fffffffe 0000000100000005 00000000"));

    let mut event = Vec::new();
    encode_event(&mut event, 0x1_0000_0006, &WatcherEvent::new(EventType::NodeDataChanged, "/a"));
    assert_eq!(
        event,
        hex("0000001e ffffffff 0000000100000006 00000000 00000003 00000003 00000002 2f61")
    );

    let mut failure = Vec::new();
    encode_reply_error(&mut failure, 7, 5, ErrorCode::BadVersion);
    assert_eq!(failure, hex("00000010 00000007 0000000000000005 ffffff99"));
}

#[test]
fn a_create_request_has_the_bytes_of_zookeepers() {
    let request = Request::Create(CreateRequest {
        path: "/a".into(),
        data: Some(Bytes::from_static(b"x")),
        acl: Acl::open_unsafe(),
        flags: CreateMode::Persistent.flags(),
    });
    let expected = hex("00000032 00000001 00000001 00000002 2f61 00000001 78
         00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65 00000000");
    let mut bytes = Vec::new();
    encode_request(&mut bytes, 1, &request);
    assert_eq!(bytes, expected);

    let message = without_length(&expected);
    let mut reader = Reader::new(&message);
    let header = RequestHeader::decode(&mut reader).unwrap();
    assert_eq!(header, RequestHeader { xid: 1, op: 1 });
    assert_eq!(Request::decode(OpCode::try_from(header.op).unwrap(), &mut reader), Ok(request));
}

#[test]
fn the_answer_to_get_data_is_data_and_a_stat_of_68_bytes() {
    let stat = Stat {
        czxid: 1,
        mzxid: 2,
        ctime: 3,
        mtime: 4,
        version: 5,
        cversion: 6,
        aversion: 7,
        ephemeral_owner: 8,
        data_length: 9,
        num_children: 10,
        pzxid: 11,
    };
    let response = GetDataResponse { data: None, stat };
    assert_eq!(
        response.to_vec(),
        hex("ffffffff 0000000000000001 0000000000000002 0000000000000003 0000000000000004
             00000005 00000006 00000007 0000000000000008 00000009 0000000a 000000000000000b")
    );
    assert_eq!(stat.to_vec().len(), Stat::BYTES);
    assert_eq!(StatPersisted::default().to_vec().len(), StatPersisted::BYTES);
}

#[test]
fn names_can_be_written_without_owning_them() {
    let mut borrowed = Vec::new();
    encode_names(["a", "b"].into_iter(), &mut borrowed);
    let mut owned = Vec::new();
    Response::Names(vec!["a".into(), "b".into()]).encode(&mut owned);
    assert_eq!(borrowed, owned);
}

#[test]
fn a_multi_is_a_list_of_headers_and_records_with_an_end() {
    let ops = vec![
        MultiOp::Check(CheckVersionRequest { path: "/a".into(), version: 3 }),
        MultiOp::Delete(DeleteRequest { path: "/b".into(), version: -1 }),
    ];
    let mut bytes = Vec::new();
    Request::Multi(ops.clone()).encode(&mut bytes);
    let expected = hex("0000000d 00 ffffffff 00000002 2f61 00000003
         00000002 00 ffffffff 00000002 2f62 ffffffff
         ffffffff 01 ffffffff");
    assert_eq!(bytes, expected);
    let decoded = Request::decode(OpCode::Multi, &mut Reader::new(&expected.into()));
    assert_eq!(decoded, Ok(Request::Multi(ops)));
}

#[test]
fn a_failed_multi_is_answered_with_errors_only() {
    let results = vec![MultiResult::Error(0), MultiResult::Error(-101), MultiResult::Error(-2)];
    let mut bytes = Vec::new();
    Response::Multi(results).encode(&mut bytes);
    let expected = hex("ffffffff 00 00000000 00000000
         ffffffff 00 ffffff9b ffffff9b
         ffffffff 00 fffffffe fffffffe
         ffffffff 01 ffffffff");
    assert_eq!(bytes, expected);
}

/// A multi of one create of `op` with these flags, as a client might write it.
fn multi_of_create(op: OpCode, flags: i32) -> Result<Request, Error> {
    let mut bytes = Vec::new();
    MultiHeader { op: op.code(), done: false, err: -1 }.encode(&mut bytes);
    CreateRequest { path: "/a".into(), data: None, acl: Vec::new(), flags }.encode(&mut bytes);
    if op == OpCode::CreateTtl {
        bytes.extend(5000_i64.to_be_bytes());
    }
    MultiHeader::END.encode(&mut bytes);
    Request::decode(OpCode::Multi, &mut Reader::new(&bytes.into()))
}

#[test]
fn a_create_in_a_multi_is_typed_by_its_flags() {
    let op = |op, flags| match multi_of_create(op, flags) {
        Ok(Request::Multi(ops)) => ops.iter().map(MultiOp::op).collect::<Vec<_>>(),
        other => panic!("not a multi: {other:?}"),
    };
    assert_eq!(op(OpCode::Create, 0), [OpCode::Create]);
    assert_eq!(op(OpCode::Create2, 3), [OpCode::Create2]);
    assert_eq!(op(OpCode::Create, 4), [OpCode::CreateContainer]);
    assert_eq!(op(OpCode::CreateContainer, 0), [OpCode::CreateContainer]);
    let refused = multi_of_create(OpCode::Create, 7).unwrap_err();
    assert_eq!(refused.to_string(), "CreateRequest.flags: 7 found, allowed: 0 to 6");
    for plain in [OpCode::Create, OpCode::Create2, OpCode::CreateContainer] {
        let refused = multi_of_create(plain, 5).unwrap_err();
        assert_eq!(refused.to_string(), "CreateRequest.flags: 5 found, allowed: in a multi 0 to 4");
    }
    // Asked of ZooKeeper 3.9.5.
    assert_eq!(op(OpCode::CreateTtl, 6), [OpCode::CreateTtl]);
    assert_eq!(op(OpCode::CreateTtl, 1), [OpCode::Create]);
    assert_eq!(op(OpCode::CreateTtl, 4), [OpCode::CreateContainer]);
    assert_eq!(op(OpCode::CreateTtl, 7), [OpCode::CreateTtl], "that part alone is refused");
}

#[test]
fn reads_and_writes_do_not_mix_in_a_multi() {
    let read = Request::MultiRead(vec![MultiReadOp::GetData(PathWatchRequest {
        path: "/a".into(),
        watch: false,
    })]);
    let mut bytes = Vec::new();
    read.encode(&mut bytes);
    let bytes = Bytes::from(bytes);
    assert_eq!(Request::decode(OpCode::MultiRead, &mut Reader::new(&bytes)), Ok(read));
    assert_eq!(
        Request::decode(OpCode::Multi, &mut Reader::new(&bytes)).unwrap_err().to_string(),
        "MultiHeader.type: 4 found, allowed: in a multi 1, 2, 5, 13, 15, 19, 21"
    );
}

#[test]
fn every_number_of_an_operation_and_a_mode_is_its_own() {
    for op in OpCode::ALL {
        assert_eq!(OpCode::try_from(op.code()), Ok(*op), "{op}");
    }
    assert!(OpCode::try_from(10).is_err());
    for flags in 0..=6 {
        assert_eq!(CreateMode::try_from(flags).map(CreateMode::flags), Ok(flags));
    }
}

#[test]
fn a_word_is_recognised_only_at_the_beginning() {
    let mut frames = Frames::new(MAX_BUFFER_BYTES_DEFAULT);
    let mut buffer = BytesMut::from("ru");
    assert_eq!(frames.next(&mut buffer), Ok(None));
    buffer.extend_from_slice(b"ok\n");
    assert_eq!(frames.next(&mut buffer), Ok(Some(Incoming::Word(FourLetterWord::Ruok))));
    assert_eq!(&buffer[..], b"\n");

    let mut frames = Frames::new(MAX_BUFFER_BYTES_DEFAULT);
    let mut buffer = BytesMut::from(&b"\0\0\0\x02hiruok"[..]);
    assert_eq!(frames.next(&mut buffer), Ok(Some(Incoming::Frame(Bytes::from_static(b"hi")))));
    let error = frames.next(&mut buffer).unwrap_err();
    assert_eq!(
        error.to_string(),
        "client message: unreasonable length 1920298859, allowed are 0 to 1048575"
    );
}

#[test]
fn every_word_is_known_and_none_is_a_length() {
    for word in FourLetterWord::ALL {
        assert_eq!(FourLetterWord::from_bytes(word.bytes()), Some(*word));
        let length = i32::from_be_bytes(*word.bytes());
        assert!(!(0..0x636f_6e66).contains(&length), "{}", word.name());
    }
    assert_eq!(FourLetterWord::Mntr.name(), "mntr");
    assert_eq!(FourLetterWord::from_bytes(b"RUOK"), None);
}

#[test]
fn messages_are_taken_as_they_arrive() {
    let mut stream = Vec::new();
    for text in ["first", "", "third"] {
        frame(&mut stream, |out| out.extend_from_slice(text.as_bytes()));
    }
    let mut frames = Frames::new(MAX_BUFFER_BYTES_DEFAULT);
    let mut buffer = BytesMut::new();
    let mut taken = Vec::new();
    for byte in stream {
        buffer.extend_from_slice(&[byte]);
        while let Some(incoming) = frames.next(&mut buffer).unwrap() {
            taken.push(incoming);
        }
    }
    let expected = ["first", "", "third"].map(|text| Incoming::Frame(text.into()));
    assert_eq!(taken, expected);
}

#[test]
fn the_first_message_is_short_and_a_longer_one_is_refused_as_soon_as_it_is_announced() {
    let announced = |length: i32| BytesMut::from(&length.to_be_bytes()[..]);
    let first = |length| Frames::new(MAX_BUFFER_BYTES_DEFAULT).next(&mut announced(length));
    assert_eq!(first(1024), Ok(None));
    assert_eq!(
        first(1025).unwrap_err().to_string(),
        "first client message: unreasonable length 1025, allowed are 0 to 1024"
    );
    let mut frames = Frames::new(MAX_BUFFER_BYTES_DEFAULT);
    let mut buffer = BytesMut::from(&b"\0\0\0\x02hi"[..]);
    assert_eq!(frames.next(&mut buffer), Ok(Some(Incoming::Frame(Bytes::from_static(b"hi")))));
    assert_eq!(frames.next(&mut announced(1_048_575)), Ok(None), "later ones may be long");
}

/// A message without the length in front of it.
fn without_length(message: &[u8]) -> Bytes {
    Bytes::copy_from_slice(&message[4..])
}
