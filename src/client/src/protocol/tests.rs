//! What a client says and hears, without a network.

use wire::client::{
    EventType, PathRequest, PathWatchRequest, SetWatches2, encode_event, encode_reply,
    encode_reply_error,
};

use super::*;

fn client(root: &str) -> Protocol {
    Protocol::new(Options { root: root.to_owned(), ..Options::new() })
}

/// Lets a server say something.
fn hear(client: &mut Protocol, bytes: &[u8]) -> (Vec<Heard>, Vec<u8>) {
    let (mut heard, mut out) = (Vec::new(), Vec::new());
    client.hear(bytes, &mut heard, &mut out).expect("a server says that");
    (heard, out)
}

fn establish(client: &mut Protocol, session: i64) -> (Vec<Heard>, Vec<u8>) {
    client.hello();
    let mut bytes = Vec::new();
    let response = ConnectResponse::established(session, 4_000, Some(false));
    frame(&mut bytes, |out| response.encode(out));
    hear(client, &bytes)
}

fn watched(path: &str) -> PathWatchRequest {
    PathWatchRequest { path: path.to_owned(), watch: true }
}

#[test]
fn a_session_begins_and_goes_on_with_who_it_is_and_what_it_watches() {
    let mut client = client("/r");
    let (heard, said) = establish(&mut client, 7);
    let timeout = Duration::from_secs(4);
    let connected = |resumed| Heard::Connected { session: 7, timeout, read_only: false, resumed };
    assert_eq!((heard, said.len()), (vec![connected(false)], 0));
    let mut out = Vec::new();
    let auth = AuthPacket { kind: 0, scheme: "digest".to_owned(), auth: None };
    client.ask(Request::Auth(auth), &mut out);
    let number = client.ask(Request::GetChildren(watched("/a")), &mut out);
    let mut bytes = Vec::new();
    encode_reply_error(&mut bytes, xid::AUTH, 0, ErrorCode::Ok);
    encode_reply(&mut bytes, number, 9, |out| wire::client::encode_names([].into_iter(), out));
    let (heard, _) = hear(&mut client, &bytes);
    let result = Ok(Response::Names(Vec::new()));
    assert_eq!(heard[1], Heard::Answer { number, result });
    let number = client.ask(Request::Exists(watched("/b")), &mut out);
    assert_eq!(client.lost(), [number]);

    let (heard, said) = establish(&mut client, 7);
    assert_eq!(heard, [connected(true)]);
    let mut buffer = BytesMut::from(&said[..]);
    let mut requests = Vec::new();
    while let Some(payload) = Frames::of_client(1 << 20).next(&mut buffer).expect("its own") {
        let mut reader = Reader::with_limit(&payload, payload.len());
        let header = wire::client::RequestHeader::decode(&mut reader).expect("its own");
        let op = OpCode::from_code(header.op).expect("one");
        requests.push(Request::decode(op, &mut reader).expect("its own"));
    }
    let watches = SetWatches2 {
        relative_zxid: 9,
        child_watches: vec!["/r/a".to_owned()],
        ..SetWatches2::default()
    };
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1], Request::SetWatches2(watches));
}

#[test]
fn an_event_uses_up_a_watch_and_its_path_is_the_clients_own() {
    let mut client = client("/r");
    establish(&mut client, 7);
    let number = client.ask(Request::Exists(watched("/a")), &mut Vec::new());
    let mut bytes = Vec::new();
    encode_reply_error(&mut bytes, number, 3, ErrorCode::NoNode);
    encode_event(&mut bytes, 4, &WatcherEvent::new(EventType::NodeCreated, "/r/a"));
    let (heard, _) = hear(&mut client, &bytes);
    let event = WatcherEvent::new(EventType::NodeCreated, "/a");
    let answer = Heard::Answer { number, result: Err(ErrorCode::NoNode.code()) };
    assert_eq!(heard, [answer, Heard::Event(event)]);
    client.lost();
    assert!(establish(&mut client, 7).1.is_empty(), "nothing is watched any more");
}

#[test]
fn what_arrives_in_pieces_is_understood_when_it_is_whole() {
    let mut client = client("");
    establish(&mut client, 7);
    let number = client.ask(Request::Sync(PathRequest { path: "/".to_owned() }), &mut Vec::new());
    let mut bytes = Vec::new();
    encode_reply(&mut bytes, number, 3, |out| wire::jute::Writer::str(out, "/"));
    let (last, first) = bytes.split_last().expect("some");
    for byte in first {
        assert!(hear(&mut client, &[*byte]).0.is_empty());
    }
    let result = Ok(Response::Path("/".to_owned()));
    assert_eq!(hear(&mut client, &[*last]).0, [Heard::Answer { number, result }]);
}

#[test]
fn a_session_that_is_over_is_forgotten_and_another_one_asked_for() {
    let mut client = client("");
    establish(&mut client, 7);
    client.hello();
    let mut bytes = Vec::new();
    frame(&mut bytes, |out| ConnectResponse::expired(Some(false)).encode(out));
    assert_eq!(hear(&mut client, &bytes).0, [Heard::Expired]);
    assert_eq!(client.session(), 0);
}

#[test]
fn what_no_server_says_breaks_the_connection() {
    let mut client = client("");
    establish(&mut client, 7);
    let mut answer = Vec::new();
    encode_reply_error(&mut answer, 5, 0, ErrorCode::Ok);
    for bytes in [&answer[..], &[0xff; 4], &[0, 0, 0, 2, 1, 1]] {
        let broken = client.hear(bytes, &mut Vec::new(), &mut Vec::new());
        assert!(broken.is_err(), "{bytes:?}");
        establish(&mut client, 7);
    }
}
