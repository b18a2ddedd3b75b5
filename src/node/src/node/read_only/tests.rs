//! A member of three that hears of no other.

use bytes::{BufMut, Bytes};
use host::Host;
use wire::ErrorCode;
use wire::client::{
    ConnectRequest, ConnectResponse, DeleteRequest, FourLetterWord, PathRequest, PathWatchRequest,
    ReconfigRequest, ReplyHeader, Request, encode_request,
};
use wire::frame::frame;
use wire::jute::{Reader, Record};
use zab::{DiskImage, Epoch, Peer, Quorum, Sid};
use znode::{Options, SessionIds, Tree};

use super::*;
use crate::client::{ClientBatch, Hello, Inbound, Shared, answer};
use crate::io::{Event, Now, Turn};
use crate::node::Parts;
use crate::node::tests::Unrecorded;
use crate::outbox::{Chunk, Next};
use crate::settings::{Build, NoMachine, Settings};

const TICK: Duration = Duration::from_secs(3);

/// A turn in which there is time for everything.
struct Long;

impl Turn for Long {
    fn begin(&mut self, _: Duration) {}

    fn is_over(&self) -> bool {
        false
    }
}

fn looking(reads_without_leader: bool) -> Node {
    looking_from(reads_without_leader, DiskImage::empty())
}

fn looking_from(reads_without_leader: bool, image: DiskImage<Bytes>) -> Node {
    let sid = Sid(1);
    let settings =
        Settings { standalone: false, voters: 3, reads_without_leader, ..Settings::alone(sid) };
    let tree = Tree::new(Options::default());
    let shared = Shared::new(Arc::new(settings), Build::default(), NoMachine, tree);
    let quorum = Quorum::majority([1, 2, 3].map(Sid).into_iter().collect());
    let mut node = Node::new(Parts {
        host: Host::new(Peer::new(zab::Config::new(sid, quorum)), Bytes::new()),
        recorder: Box::new(Unrecorded),
        turn: Box::new(Long),
        shared: Arc::new(shared),
        session_ids: SessionIds::new(1, 1),
        seed: 1,
    });
    node.start(Now::default(), image);
    node
}

fn tick(node: &mut Node, at: Duration) {
    node.tick(Now { at, wall_ms: 0 });
}

struct Client {
    connection: Arc<Connection>,
    inbound: Inbound,
}

impl Client {
    fn new(node: &Node) -> Self {
        let shared = node.shared();
        let connection =
            Connection::new(([127, 0, 0, 1], 1).into(), shared, Now::default(), (), ());
        let admitted = shared.admit(&connection);
        assert_eq!(admitted, crate::Admission::Admitted);
        let inbound = Inbound::new(Arc::clone(&connection), Arc::clone(shared));
        Self { connection, inbound }
    }

    /// Asks for a session; what answers it.
    fn connect(
        &mut self,
        node: &mut Node,
        session_id: SessionId,
        read_only: Option<bool>,
    ) -> Result<ConnectResponse, String> {
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: 0,
            timeout_ms: 10_000,
            session_id,
            passwd: Some(Bytes::copy_from_slice(&wire::password(session_id))),
            read_only,
        };
        let mut bytes = Vec::new();
        frame(&mut bytes, |out| request.encode(out));
        self.inbound.room().put_slice(&bytes);
        match self.inbound.hello()? {
            Some(Hello::Session(request)) => self.serve(node, vec![request]),
            Some(Hello::Word(_)) | None => panic!("a whole request"),
        }
        if self.connection.is_cut() {
            return Err("cut".to_owned());
        }
        let said = self.said();
        Ok(ConnectResponse::decode(&mut Reader::new(&said)).expect("a response"))
    }

    fn serve(&self, node: &mut Node, requests: Vec<crate::ClientRequest>) {
        let connection = Arc::clone(&self.connection);
        let now = node.now;
        node.handle(now, Event::Asked(ClientBatch { connection, requests }));
        node.work(now);
        assert!(!node.has_left(), "there was time for everything");
    }

    /// The error that answers a request.
    fn ask(&mut self, node: &mut Node, request: &Request) -> Result<ErrorCode, String> {
        let mut bytes = Vec::new();
        encode_request(&mut bytes, 1, request);
        self.inbound.room().put_slice(&bytes);
        let requests = self.inbound.requests(node.now.at)?;
        self.serve(node, requests);
        let said = self.said();
        let header = ReplyHeader::decode(&mut Reader::new(&said)).expect("an answer");
        Ok(ErrorCode::from_code(header.err).expect("a known error"))
    }

    /// The next message, without its length.
    fn said(&self) -> Bytes {
        match self.connection.outbox().next() {
            Some(Next::Write(Chunk::Bytes(bytes))) => Bytes::from(bytes).slice(4..),
            Some(Next::Write(Chunk::Large(never))) => match never {},
            Some(Next::End) | None => panic!("nothing is said"),
        }
    }
}

fn word(node: &Node, word: FourLetterWord) -> String {
    answer(word, None, node.shared(), node.now)
}

#[test]
fn without_a_leader_reads_are_served_to_who_allows_it_and_nothing_is_written() {
    let mut node = looking(true);
    assert!(node.next_deadline().is_some_and(|at| at <= TICK), "it will be looked at in time");
    assert!(Client::new(&node).connect(&mut node, 0, Some(true)).is_err(), "too early");
    assert_eq!(word(&node, FourLetterWord::Isro), "null");
    tick(&mut node, TICK);
    assert_eq!(word(&node, FourLetterWord::Isro), "ro");
    let shown = word(&node, FourLetterWord::Srvr);
    assert!(shown.contains("\nREAD-ONLY mode; serving only read-only clients\n"), "{shown}");
    assert!(shown.contains("\nMode: read-only\n"), "{shown}");

    for not_allowed in [Some(false), None] {
        assert!(Client::new(&node).connect(&mut node, 0, not_allowed).is_err());
    }
    let mut client = Client::new(&node);
    let response = client.connect(&mut node, 0, Some(true)).expect("it allows it");
    assert_eq!((response.read_only, response.timeout_ms), (Some(true), 10_000));
    assert_ne!(response.session_id, 0);
    let path = || "/".to_owned();
    let read = Request::GetData(PathWatchRequest { path: path(), watch: true });
    assert_eq!(client.ask(&mut node, &read), Ok(ErrorCode::Ok));
    let delete = Request::Delete(DeleteRequest { path: "/a".to_owned(), version: -1 });
    let sync = Request::Sync(PathRequest { path: path() });
    let reconfig = Request::Reconfig(ReconfigRequest {
        joining: None,
        leaving: None,
        new_members: None,
        cur_config_id: -1,
    });
    for write in [delete, Request::Multi(Vec::new()), sync, reconfig] {
        assert_eq!(client.ask(&mut node, &write), Ok(ErrorCode::NotReadOnly), "{write:?}");
    }
    assert_eq!(client.ask(&mut node, &read), Ok(ErrorCode::Ok), "the connection goes on");
    assert_eq!(client.ask(&mut node, &Request::CloseSession), Ok(ErrorCode::Ok));
    assert!(matches!(client.connection.outbox().next(), Some(Next::End)));
    assert_eq!(node.shared().read_tree().sessions().len(), 0, "no transaction made a session");
}

#[test]
fn its_sessions_are_its_own_and_move_between_connections() {
    let mut node = looking(true);
    tick(&mut node, TICK);
    let mut first = Client::new(&node);
    let session = first.connect(&mut node, 0, Some(true)).expect("established").session_id;
    let mut second = Client::new(&node);
    let again = second.connect(&mut node, session, Some(true)).expect("its own session");
    assert_eq!((again.session_id, again.read_only), (session, Some(true)));
    assert!(first.connection.is_cut(), "it is superseded");
    let of_the_ensemble = Client::new(&node).connect(&mut node, session + 1, Some(true));
    assert!(of_the_ensemble.is_err(), "only a leader knows it");
}

#[test]
fn a_silent_client_is_given_up_and_another_one_is_not() {
    let mut node = looking(true);
    tick(&mut node, TICK);
    let mut clients = [Client::new(&node), Client::new(&node)];
    for client in &mut clients {
        client.connect(&mut node, 0, Some(true)).expect("established");
    }
    let mut at = TICK;
    for _ in 0..8 {
        at += TICK;
        clients[0].connection.touch(at);
        tick(&mut node, at);
    }
    let given_up = clients.map(|client| client.connection.is_cut());
    assert_eq!(given_up, [false, true]);
}

#[test]
fn a_server_that_sleeps_until_a_session_expires_was_not_absent() {
    let mut node = looking(true);
    tick(&mut node, TICK);
    let mut client = Client::new(&node);
    client.connect(&mut node, 0, Some(true)).expect("established");
    let mut ticks = 0;
    while !client.connection.is_cut() {
        let at = node.next_deadline().expect("a session expires") + Duration::from_millis(1);
        tick(&mut node, at);
        ticks += 1;
        assert!(ticks <= 10, "it is woken only to go on waiting");
    }
    assert!(node.now.at <= TICK * 6, "{:?}", node.now.at);
    // One that is paused could not hear of anybody.
    let mut client = Client::new(&node);
    client.connect(&mut node, 0, Some(true)).expect("established");
    let later = node.now.at + TICK * 20;
    tick(&mut node, later);
    assert!(!client.connection.is_cut(), "it has its whole time-out again");
}

#[test]
fn read_only_clients_go_when_there_may_be_a_leader() {
    let mut node = looking(true);
    tick(&mut node, TICK);
    let mut client = Client::new(&node);
    client.connect(&mut node, 0, Some(true)).expect("established");
    node.looks_for_leader(false);
    assert!(client.connection.is_cut());
    assert!(!node.shared().status().is_read_only);
    tick(&mut node, 9 * TICK);
    assert!(!node.shared().status().is_read_only, "it does not look for one");
}

#[test]
fn a_server_that_has_lost_its_history_does_not_show_what_is_left() {
    let mut node = looking_from(true, DiskImage::without_history(Epoch(3)));
    tick(&mut node, 9 * TICK);
    assert!(Client::new(&node).connect(&mut node, 0, Some(true)).is_err());
    assert_eq!(word(&node, FourLetterWord::Isro), "null");
}

#[test]
fn nobody_is_served_without_a_leader_unless_the_configuration_says_so() {
    let mut node = looking(false);
    tick(&mut node, 9 * TICK);
    assert!(Client::new(&node).connect(&mut node, 0, Some(true)).is_err());
}
