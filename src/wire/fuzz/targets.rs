//! Every decoder of the crate, as a function of any bytes, with inputs to begin with.
//!
//! A target panics if something does not hold. Besides not panicking by itself, a decoder must
//! read its own writing: what it made of the bytes, written and read again, is the same value.
//! Decoders of streams must find the same in pieces as in the whole.

use std::fmt::Debug;

use bytes::{Bytes, BytesMut};
use wire::client::{
    self, ConnectRequest, ConnectResponse, CreateMode, CreateRequest, FourLetterWord, Frames,
    MultiOp, MultiReadOp, MultiResult, OpCode, PathWatchRequest, Request, Response, SetWatches2,
};
use wire::election::{Address, InitialMessage, Notification, ServerState};
use wire::jute::{LIMIT_BYTES_DEFAULT, Reader, Record, Writer};
use wire::quorum::{ForwardedRequest, LearnerInfo, Packet, PacketType, Packets};
use wire::snapshot::{self, AclEntry, BodyDecoder, BodyReader, Node, Seal, Session, Step};
use wire::txn::{CreateTxn, Txn, TxnBlob, TxnDigest, TxnHeader};
use wire::{Acl, Id, Stat, StatPersisted};

/// A decoder under test.
pub(crate) struct Target {
    /// Its name, and that of the directory of its inputs.
    pub(crate) name: &'static str,
    /// Decodes the bytes and checks what holds.
    pub(crate) run: fn(&[u8]),
    /// Inputs that it accepts, to be varied.
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub(crate) const TARGETS: &[Target] = &[
    Target { name: "connect_request", run: record::<ConnectRequest>, seeds: connect_requests },
    Target { name: "connect_response", run: record::<ConnectResponse>, seeds: connect_responses },
    Target { name: "request", run: request, seeds: requests },
    Target { name: "response", run: response, seeds: responses },
    Target { name: "client_stream", run: client_stream, seeds: client_streams },
    Target { name: "txn", run: record::<TxnBlob>, seeds: txns },
    Target { name: "initial_message", run: initial_message, seeds: initial_messages },
    Target { name: "notification", run: notification, seeds: notifications },
    Target { name: "quorum_stream", run: quorum_stream, seeds: quorum_streams },
    Target { name: "learner_info", run: record::<LearnerInfo>, seeds: learner_infos },
    Target { name: "forwarded", run: record::<ForwardedRequest>, seeds: forwarded },
    Target { name: "snapshot_body", run: snapshot_body, seeds: snapshot_bodies },
    Target { name: "seal", run: record::<Seal>, seeds: seals },
];

fn record<T: Record + PartialEq + Debug>(bytes: &[u8]) {
    reads_its_own_writing(bytes, T::decode, T::encode);
}

fn reads_its_own_writing<T: PartialEq + Debug>(
    bytes: &[u8],
    decode: impl Fn(&mut Reader<'_>) -> Result<T, wire::jute::Error>,
    encode: impl Fn(&T, &mut Vec<u8>),
) {
    let Ok(value) = decode(&mut Reader::copying(bytes, LIMIT_BYTES_DEFAULT)) else { return };
    let mut written = Vec::new();
    encode(&value, &mut written);
    let again = decode(&mut Reader::new(&written.into()));
    assert_eq!(again.as_ref(), Ok(&value));
}

/// The first byte picks the operation.
fn pick_op(bytes: &[u8]) -> Option<(OpCode, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    Some((OpCode::ALL[usize::from(*first) % OpCode::ALL.len()], rest))
}

fn with_op(op: OpCode, body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let index = OpCode::ALL.iter().position(|other| *other == op);
    let mut bytes = vec![u8::try_from(index.expect("every operation is listed")).unwrap()];
    body(&mut bytes);
    bytes
}

fn request(bytes: &[u8]) {
    let Some((op, body)) = pick_op(bytes) else { return };
    reads_its_own_writing(body, |reader| Request::decode(op, reader), Request::encode);
}

fn response(bytes: &[u8]) {
    let Some((op, body)) = pick_op(bytes) else { return };
    reads_its_own_writing(body, |reader| Response::decode(op, reader), Response::encode);
}

/// What `next` takes off the bytes when they arrive at once, and when they arrive in pieces whose
/// lengths the bytes themselves give, must be the same, an error at the end included.
fn same_in_pieces<T: PartialEq + Debug, D>(
    bytes: &[u8],
    new: impl Fn() -> D,
    mut next: impl FnMut(&mut D, &mut BytesMut) -> Result<Option<T>, wire::jute::Error>,
) {
    let mut take = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut decoder = new();
        let mut buffer = BytesMut::new();
        let mut taken = Vec::new();
        for piece in pieces {
            buffer.extend_from_slice(piece);
            loop {
                match next(&mut decoder, &mut buffer) {
                    Ok(Some(value)) => taken.push(value),
                    Ok(None) => break,
                    Err(error) => return (taken, Some(error.field())),
                }
            }
        }
        (taken, None)
    };
    let whole = take(&mut std::iter::once(bytes));
    let piece = 1 + bytes.first().map_or(0, |first| usize::from(*first) % 16);
    assert_eq!(take(&mut bytes.chunks(piece)), whole);
}

fn client_stream(bytes: &[u8]) {
    same_in_pieces(bytes, || Frames::new(1000), Frames::next);
}

fn quorum_stream(bytes: &[u8]) {
    same_in_pieces(bytes, || Packets::new(1000), Packets::next);
}

fn initial_message(bytes: &[u8]) {
    same_in_pieces(bytes, || (), |(), buffer| InitialMessage::decode(buffer));
    if let Ok(Some(message)) = InitialMessage::decode(&mut BytesMut::from(bytes)) {
        let mut written = Vec::new();
        message.encode(&mut written);
        // Text that was repaired may have grown beyond the limit.
        if written.len() <= bytes.len() {
            let again = InitialMessage::decode(&mut BytesMut::from(&written[..]));
            assert_eq!(again, Ok(Some(message)));
        }
    }
}

fn notification(bytes: &[u8]) {
    let Ok(value) = Notification::decode(&Bytes::copy_from_slice(bytes)) else { return };
    let mut written = Vec::new();
    value.encode(&mut written);
    let again = Notification::decode(&written.into());
    assert_eq!(again, Ok(Notification { version: Notification::VERSION, ..value }));
}

fn snapshot_body(bytes: &[u8]) {
    same_in_pieces(
        bytes,
        || BodyDecoder::new(LIMIT_BYTES_DEFAULT),
        |decoder, buffer| {
            Ok(match decoder.step(buffer)? {
                Step::Item(item) => Some(item),
                Step::End | Step::Need { .. } => None,
            })
        },
    );
    let mut rest = bytes;
    let _ = BodyReader::new(&mut rest, LIMIT_BYTES_DEFAULT).count();
}

fn connect_requests() -> Vec<Vec<u8>> {
    [None, Some(true)]
        .map(|read_only| {
            ConnectRequest {
                protocol_version: 0,
                last_zxid_seen: 1,
                timeout_ms: 30_000,
                session_id: 2,
                passwd: Some(Bytes::from_static(&[7; 16])),
                read_only,
            }
            .to_vec()
        })
        .to_vec()
}

fn connect_responses() -> Vec<Vec<u8>> {
    vec![ConnectResponse::established(1, 2, Some(true)).to_vec()]
}

fn create() -> CreateRequest {
    let acl = vec![Acl::new(31, Id::new("digest", "a:b")), Acl::new(1, Id::anyone())];
    CreateRequest { path: "/a\u{e9}".into(), data: None, acl, flags: CreateMode::Ephemeral.flags() }
}

fn requests() -> Vec<Vec<u8>> {
    let get = || PathWatchRequest { path: "/a".into(), watch: true };
    let names = || vec![String::from("/a"), String::from("/b/c")];
    let requests = [
        Request::Create(create()),
        Request::GetData(get()),
        Request::Multi(vec![MultiOp::Create2(create()), MultiOp::Create(create())]),
        Request::MultiRead(vec![MultiReadOp::GetData(get()), MultiReadOp::GetChildren(get())]),
        Request::SetWatches2(SetWatches2 {
            relative_zxid: 1,
            data_watches: names(),
            exist_watches: names(),
            child_watches: names(),
            persistent_watches: names(),
            persistent_recursive_watches: names(),
        }),
        Request::Sasl(Some(Bytes::from_static(b"token"))),
    ];
    requests.iter().map(|request| with_op(request.op(), |out| request.encode(out))).collect()
}

fn responses() -> Vec<Vec<u8>> {
    let data = client::GetDataResponse { data: None, stat: Stat::default() };
    let responses = [
        (OpCode::GetChildren, Response::Names(vec!["a".into(), "b".into()])),
        (OpCode::GetData, Response::GetData(data.clone())),
        (
            OpCode::Multi,
            Response::Multi(vec![
                MultiResult::Delete,
                MultiResult::GetData(data),
                MultiResult::Error(-101),
                MultiResult::GetChildren(vec!["a".into()]),
            ]),
        ),
    ];
    responses.iter().map(|(op, response)| with_op(*op, |out| response.encode(out))).collect()
}

fn client_streams() -> Vec<Vec<u8>> {
    let mut stream = Vec::new();
    client::encode_request(&mut stream, client::xid::PING, &Request::Ping);
    client::encode_request(&mut stream, 1, &Request::Create(create()));
    let mut word = FourLetterWord::Stmk.bytes().to_vec();
    word.extend_from_slice(&[0; 8]);
    vec![stream, word]
}

fn txns() -> Vec<Vec<u8>> {
    let CreateRequest { path, data, acl, .. } = create();
    let create = CreateTxn { path, data, acl, ephemeral: true, parent_cversion: 4 };
    let txns = [
        Txn::Create(create.clone()),
        Txn::Multi(vec![Txn::Create2(create), Txn::Error { err: -101 }]),
        Txn::CloseSession(Some(vec!["/a".into(), "/b".into()])),
        Txn::CloseSession(None),
    ];
    let header = TxnHeader { client_id: 1, cxid: 2, zxid: 3, time: 4, kind: 0 };
    let digest = Some(TxnDigest { version: TxnDigest::VERSION, tree_digest: 5 });
    txns.map(|txn| TxnBlob::new(header, txn, digest).to_vec()).to_vec()
}

fn initial_messages() -> Vec<Vec<u8>> {
    let address = |host: &str| Address { host: host.into(), port: 3888 };
    let messages = [
        InitialMessage::Old { sid: 1 },
        InitialMessage::V1 { sid: 1, address: address("h1") },
        InitialMessage::V2 { sid: 1, addresses: vec![address("h1"), address("::1")] },
    ];
    let encode = |message: InitialMessage| {
        let mut out = Vec::new();
        message.encode(&mut out);
        out
    };
    messages.map(encode).to_vec()
}

fn notifications() -> Vec<Vec<u8>> {
    let notification = Notification {
        state: ServerState::Leading,
        leader: 1,
        zxid: 2,
        election_epoch: 3,
        peer_epoch: 4,
        version: Notification::VERSION,
        config: Bytes::from_static(b"version=0"),
    };
    let mut out = Vec::new();
    notification.encode(&mut out);
    vec![out[..28].to_vec(), out[..40].to_vec(), out]
}

fn quorum_streams() -> Vec<Vec<u8>> {
    let mut stream = Packet::new(PacketType::Ack, 1).to_vec();
    Packet::with_data(PacketType::Proposal, 2, txns().remove(0)).encode(&mut stream);
    Packet {
        auth: Some(vec![Id::anyone(), Id::new("ip", "::1")]),
        ..Packet::with_data(PacketType::Request, -1, forwarded().remove(0))
    }
    .encode(&mut stream);
    vec![stream]
}

fn learner_infos() -> Vec<Vec<u8>> {
    let info = LearnerInfo { server_id: 1, protocol_version: 2, config_version: Some(3) };
    vec![info.to_vec()]
}

fn forwarded() -> Vec<Vec<u8>> {
    let body = Bytes::from(create().to_vec());
    vec![ForwardedRequest { session_id: 1, cxid: 2, op: 1, body }.to_vec()]
}

fn snapshot_bodies() -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    out.count(2);
    Session { id: 1, timeout_ms: 2 }.encode(&mut out);
    Session { id: 3, timeout_ms: 4 }.encode(&mut out);
    out.count(1);
    AclEntry { id: 1, acl: create().acl }.encode(&mut out);
    for path in ["", "/a", "/a/b"] {
        let (path, data) = (path.into(), Some(Bytes::from_static(b"data")));
        Node { path, data, acl_id: 1, stat: StatPersisted::default() }.encode(&mut out);
    }
    out.extend_from_slice(snapshot::END_MARK);
    vec![out]
}

fn seals() -> Vec<Vec<u8>> {
    vec![Seal { checksum: 1 }.to_vec()]
}
