//! Pipelines: what one client asks without waiting, and what becomes known in which order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use quickcheck::{Arbitrary, Gen, QuickCheck};
use wire::client::{GetDataResponse, OpCode, PathWatchRequest, ReplyHeader, Request};
use wire::frame::Frames;
use wire::jute::{Reader, Record};
use wire::txn::{CreateTxn, SetDataTxn, Txn, TxnHeader};
use wire::{Acl, ErrorCode, perms};
use znode::{Options, Tree};

use super::Connection;
use crate::client::Shared;
use crate::client::counters::Tally;
use crate::io::Now;
use crate::outbox::{Chunk, Next};
use crate::settings::{Build, NoMachine, Settings};

/// What may happen to a connection. A step that has nothing to act on does nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    AskWrite,
    AskFailingWrite,
    AskSync,
    AskRead,
    AskSomethingThatCannotBeRead,
    AskSomethingUnknown,
    AskClose,
    /// The oldest write that was asked for is applied.
    Apply,
    /// The oldest sync that was asked for is confirmed.
    Confirm,
    /// A transaction of the same session is applied that no request of this connection asked for.
    ApplyAnother,
}

#[derive(Clone, Debug)]
struct Script(Vec<Step>);

impl Arbitrary for Script {
    fn arbitrary(g: &mut Gen) -> Self {
        let usual = [
            Step::AskWrite,
            Step::AskFailingWrite,
            Step::AskSync,
            Step::AskRead,
            Step::AskSomethingThatCannotBeRead,
            Step::Apply,
            Step::Apply,
            Step::Confirm,
            Step::ApplyAnother,
        ];
        let rare = [Step::AskClose, Step::AskSomethingUnknown];
        let length = usize::arbitrary(g) % 60;
        let step = |g: &mut Gen| match u8::arbitrary(g) {
            0..4 => *g.choose(&rare).expect("not empty"),
            4.. => *g.choose(&usual).expect("not empty"),
        };
        Self((0..length).map(|_| step(g)).collect())
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        Box::new(self.0.shrink().map(Self))
    }
}

impl Arbitrary for Step {
    fn arbitrary(_: &mut Gen) -> Self {
        Self::Apply
    }
}

/// What a client is due for a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Due {
    /// The node's data is the xid of the latest write applied: the last one that the client asked
    /// for before.
    Read {
        written: i32,
    },
    Ok,
    Error(ErrorCode),
}

/// A server with one connection.
struct Server {
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    /// xid, and what is due for it.
    asked: Vec<(i32, Due)>,
    ends: bool,
    /// What ends the connection.
    last: Option<i32>,
    writes: VecDeque<(i32, Step)>,
    syncs: usize,
    /// Writes and syncs that were asked for, and those that were answered.
    taken: usize,
    answered: usize,
    last_write: i32,
}

const NODE: &str = "/node";

/// When everything happens.
const AT: Duration = Duration::ZERO;

impl Server {
    fn start() -> Self {
        let settings = Arc::new(Settings::alone(zab::Sid(1)));
        let mut tree = Tree::new(Options::default());
        let create = Txn::Create(CreateTxn {
            path: NODE.to_owned(),
            data: Some(Bytes::copy_from_slice(&0_i32.to_be_bytes())),
            acl: vec![Acl { perms: perms::ALL, id: wire::Id::new("world", "anyone") }],
            ephemeral: false,
            parent_cversion: 1,
        });
        tree.apply(&TxnHeader { zxid: 1, ..TxnHeader::default() }, &create);
        let shared = Arc::new(Shared::new(settings, Build::default(), NoMachine, tree));
        let connection =
            Connection::new(([127, 0, 0, 1], 1).into(), &shared, Now::default(), (), ());
        Self {
            shared,
            connection,
            asked: Vec::new(),
            ends: false,
            last: None,
            writes: VecDeque::new(),
            syncs: 0,
            taken: 0,
            answered: 0,
            last_write: 0,
        }
    }

    fn ask(&mut self, step: Step, due: Due) {
        let xid = i32::try_from(self.asked.len()).expect("few") + 1;
        self.asked.push((xid, due));
        let (connection, shared) = (&self.connection, &self.shared);
        match step {
            Step::AskWrite | Step::AskFailingWrite | Step::AskClose => {
                let op =
                    if step == Step::AskClose { OpCode::CloseSession } else { OpCode::SetData };
                connection.push_write(xid, op, AT);
                self.writes.push_back((xid, step));
                self.taken += 1;
                if step == Step::AskWrite {
                    self.last_write = xid;
                }
            }
            Step::AskSync => {
                connection.push_sync(xid, NODE.to_owned(), AT);
                self.syncs += 1;
                self.taken += 1;
            }
            Step::AskRead => {
                let read = PathWatchRequest { path: NODE.to_owned(), watch: false };
                let (tree, mut tally) = (shared.read_tree(), Tally::default());
                connection.read(xid, Request::GetData(read), &tree, shared, AT, &mut tally);
            }
            Step::AskSomethingThatCannotBeRead | Step::AskSomethingUnknown => {
                if step == Step::AskSomethingUnknown {
                    connection.unimplemented(xid, shared);
                } else {
                    let error = ErrorCode::MarshallingError;
                    connection.refuse(xid, error, &shared.read_tree(), shared, AT);
                }
            }
            Step::Apply | Step::Confirm | Step::ApplyAnother => panic!("nobody asks that"),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Apply => self.apply(),
            Step::Confirm => {
                if self.syncs > 0 {
                    self.syncs -= 1;
                    self.answered += self.connection.sync_done(&self.shared, AT);
                }
            }
            Step::ApplyAnother => {
                let shared = &self.shared;
                let done = self.connection.applied(
                    i32::MAX,
                    &Txn::Error { err: 0 },
                    &znode::Outcome::Deleted,
                    &shared.read_tree(),
                    shared,
                    AT,
                );
                assert_eq!(done, 0, "nobody asked for it");
            }
            Step::AskWrite
            | Step::AskFailingWrite
            | Step::AskSync
            | Step::AskRead
            | Step::AskSomethingThatCannotBeRead
            | Step::AskSomethingUnknown
            | Step::AskClose => {
                if self.ends || !self.connection.takes(step == Step::AskSync) {
                    return;
                }
                let due = match step {
                    Step::AskRead => Due::Read { written: self.last_write },
                    Step::AskFailingWrite => Due::Error(ErrorCode::BadVersion),
                    Step::AskSomethingThatCannotBeRead => Due::Error(ErrorCode::MarshallingError),
                    Step::AskSomethingUnknown => Due::Error(ErrorCode::Unimplemented),
                    Step::AskWrite
                    | Step::AskSync
                    | Step::AskClose
                    | Step::Apply
                    | Step::Confirm
                    | Step::ApplyAnother => Due::Ok,
                };
                self.ask(step, due);
                if step == Step::AskSomethingUnknown {
                    self.ends = true;
                    self.ends_with(i32::try_from(self.asked.len()).expect("few"));
                }
            }
        }
    }

    fn apply(&mut self) {
        let Some((xid, asked)) = self.writes.pop_front() else { return };
        let shared = Arc::clone(&self.shared);
        let mut tree = shared.write_tree();
        let header = TxnHeader { zxid: tree.last_zxid() + 1, ..TxnHeader::default() };
        let txn = match asked {
            Step::AskFailingWrite => Txn::Error { err: ErrorCode::BadVersion.code() },
            Step::AskClose => Txn::CloseSession(None),
            Step::AskWrite
            | Step::AskSync
            | Step::AskRead
            | Step::AskSomethingThatCannotBeRead
            | Step::AskSomethingUnknown
            | Step::Apply
            | Step::Confirm
            | Step::ApplyAnother => Txn::SetData(SetDataTxn {
                path: NODE.to_owned(),
                data: Some(Bytes::copy_from_slice(&xid.to_be_bytes())),
                version: xid,
            }),
        };
        let outcome = tree.apply(&header, &txn).outcome;
        self.answered += self.connection.applied(xid, &txn, &outcome, &tree, &shared, AT);
        if asked == Step::AskClose {
            self.connection.session_closed();
            self.ends_with(xid);
            assert!(!self.connection.wants_input(), "nothing is answered behind the end");
            self.ends = true;
        }
    }

    /// This request ends the connection, unless an older one does.
    fn ends_with(&mut self, xid: i32) {
        self.last = Some(self.last.map_or(xid, |last| last.min(xid)));
    }

    /// What the client has been sent, and whether the connection ends behind it.
    fn sent(&self) -> (Vec<(i32, Due)>, bool) {
        let mut bytes = BytesMut::new();
        let ended = loop {
            match self.connection.outbox.next() {
                None => break false,
                Some(Next::End) => break true,
                Some(Next::Write(Chunk::Bytes(more))) => bytes.extend_from_slice(&more),
                Some(Next::Write(Chunk::Large(never))) => match never {},
            }
        };
        let frames = Frames::new("answer", 0, 1 << 20);
        let (mut answers, mut newest) = (Vec::new(), 0);
        while let Some(frame) = frames.next(&mut bytes).expect("whole answers") {
            let mut reader = Reader::new(&frame);
            let ReplyHeader { xid, err, zxid } = Record::decode(&mut reader).expect("a header");
            // The refusal of what does not exist says -1.
            assert!(zxid >= newest || zxid == -1, "zxid {zxid} is answered behind {newest}");
            newest = newest.max(zxid);
            let error = ErrorCode::from_code(err).expect("a code");
            let due = if error != ErrorCode::Ok {
                Due::Error(error)
            } else if let Due::Read { .. } = self.asked[usize::try_from(xid - 1).expect("ours")].1 {
                let read = GetDataResponse::decode(&mut reader).expect("data");
                let data = read.data.as_deref().and_then(<[u8]>::first_chunk).copied();
                Due::Read { written: i32::from_be_bytes(data.expect("an xid")) }
            } else {
                Due::Ok
            };
            answers.push((xid, due));
        }
        assert!(bytes.is_empty(), "only whole answers leave");
        (answers, ended)
    }
}

fn answered_once_in_order(Script(steps): Script) {
    let mut server = Server::start();
    for &step in &steps {
        server.step(step);
    }
    while !server.writes.is_empty() || server.syncs > 0 {
        server.step(Step::Apply);
        server.step(Step::Confirm);
    }
    let (answers, ended) = server.sent();
    assert_eq!(ended, server.ends, "the connection ends if something in it asks for that");
    if !ended {
        assert_eq!(answers.len(), server.asked.len(), "every request is answered");
        assert_eq!(server.taken, server.answered, "and counted");
    }
    for ((xid, answer), (asked, due)) in answers.iter().zip(&server.asked) {
        assert_eq!(xid, asked, "answers leave in the order of the requests");
        assert_eq!(
            answer, due,
            "the answer to {asked}: a read sees what its session wrote before, and nothing else"
        );
    }
    if ended {
        let last = answers.last().map(|&(xid, _)| xid);
        assert_eq!(last, server.last, "what ends the connection is answered");
    }
}

#[test]
fn ten_thousand_pipelines_are_answered_once_and_in_order() {
    QuickCheck::new().tests(10_000).quickcheck(answered_once_in_order as fn(Script));
}

/// Behind a sync: a write would be applied before the sync is confirmed, and then the events and
/// answers of that time would come before the answer to the sync, which tells of an older one.
#[test]
fn what_stands_behind_a_sync_is_taken_once_it_is_confirmed() {
    let mut server = Server::start();
    for step in [Step::AskWrite, Step::AskSync, Step::AskWrite, Step::AskRead, Step::AskClose] {
        server.step(step);
    }
    assert_eq!(server.asked.len(), 2, "the rest stays in the socket");
    assert!(server.connection.takes(true), "but for another sync");
    server.step(Step::Apply);
    assert_eq!(server.sent(), (vec![(1, Due::Ok)], false));
    assert!(!server.connection.wants_input());
    server.step(Step::Confirm);
    for step in [Step::AskWrite, Step::AskRead, Step::Apply] {
        server.step(step);
    }
    let rest = vec![(2, Due::Ok), (3, Due::Ok), (4, Due::Read { written: 3 })];
    assert_eq!(server.sent(), (rest, false));
}

/// A session that expires has nothing to wait for.
#[test]
fn a_session_that_others_close_ends_at_once() {
    let mut server = Server::start();
    server.step(Step::AskWrite);
    server.step(Step::AskSync);
    server.connection.session_closed();
    assert_eq!(server.sent(), (vec![], true));
}

/// What the node had taken and nobody will answer does not stay in progress.
#[test]
fn what_stands_behind_a_close_is_given_back() {
    let mut server = Server::start();
    for step in [Step::AskClose, Step::AskWrite, Step::AskWrite, Step::AskSync] {
        server.step(step);
        server.connection.begin();
    }
    let (txn, outcome) = (Txn::CloseSession(None), znode::Outcome::SessionClosed);
    let shared = Arc::clone(&server.shared);
    let answered = server.connection.applied(1, &txn, &outcome, &shared.read_tree(), &shared, AT);
    assert_eq!(server.connection.done(answered), 1);
    assert_eq!(server.connection.session_closed(), 3);
    assert_eq!(server.connection.abandon(), 0, "nothing is left");
    assert_eq!(server.sent(), (vec![(1, Due::Ok)], true));
}

/// The transaction that closes an expired session has xid 0, which a client may use for a write.
#[test]
fn the_transaction_of_an_expiry_answers_no_write() {
    let server = Server::start();
    server.connection.push_write(0, OpCode::SetData, AT);
    let (txn, outcome) = (Txn::CloseSession(None), znode::Outcome::SessionClosed);
    let shared = &server.shared;
    assert_eq!(server.connection.applied(0, &txn, &outcome, &shared.read_tree(), shared, AT), 0);
    server.connection.session_closed();
    assert_eq!(server.sent(), (vec![], true));
}

/// Reads that wait are answered all at once when their turn comes, so not many are taken.
#[test]
fn few_reads_are_taken_behind_a_write() {
    let mut server = Server::start();
    server.step(Step::AskWrite);
    for _ in 0..100 {
        server.step(Step::AskRead);
    }
    assert_eq!(server.asked.len(), 17, "the rest stays in the socket");
    server.step(Step::Apply);
    assert_eq!(server.sent().0.len(), 17);
    server.step(Step::AskRead);
    assert_eq!(server.sent().0.len(), 1, "and comes when they are answered");
}
