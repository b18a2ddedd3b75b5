//! A server that is alone, turn by turn.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use host::Host;
use wire::client::OpCode;
use wire::jute::Record;
use wire::txn::{SetDataTxn, Txn, TxnBlob, TxnHeader};
use zab::{DiskImage, Epoch, Peer, Quorum, Sid, Zxid};
use znode::{Options, SessionError, SessionIds, Tree};

use super::{Node, Parts};
use crate::client::{ClientBatch, ClientRequest, Connection, Shared};
use crate::disk::Job;
use crate::io::{Effect, Event, Now, Recorder, Told, Turn};
use crate::settings::{Build, NoMachine, Settings};

/// A turn in which there is time for one thing.
struct Short;

impl Turn for Short {
    fn begin(&mut self, _: Duration) {}

    fn is_over(&self) -> bool {
        true
    }
}

/// Nothing is recorded.
pub(super) struct Unrecorded;

impl Recorder for Unrecorded {
    fn begin(&mut self, _: &host::Event<Bytes, Box<Tree>>, _: Option<recording::Ports>) {}

    fn report(&mut self, _: &Bytes) {}

    fn end(&mut self, _: &[host::Effect<Bytes, Box<Tree>>]) {}

    fn flush(&mut self) -> Result<(), String> {
        Ok(())
    }

    fn finish(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// A server alone that leads epoch 1, and has nothing to do.
fn serving() -> Node {
    let sid = Sid(1);
    let settings = Arc::new(Settings::alone(sid));
    let shared = Shared::new(settings, Build::default(), NoMachine, Tree::new(Options::default()));
    let config = zab::Config::new(sid, Quorum::majority([sid].into_iter().collect()));
    let mut node = Node::new(Parts {
        host: Host::new(Peer::new(config), Bytes::new()),
        recorder: Box::new(Unrecorded),
        turn: Box::new(Short),
        shared: Arc::new(shared),
        session_ids: SessionIds::new(1, 1),
        seed: 1,
    });
    let nothing = DiskImage::empty();
    node.start(Now::default(), nothing);
    let serves = (0..100).any(|_| {
        let effects = turn(&mut node);
        if effects.is_empty() {
            let at = node.next_deadline().unwrap_or_default();
            node.tick(Now { at, wall_ms: 0 });
        }
        effects.iter().any(is_serving)
    });
    assert!(serves, "a server that is alone serves as soon as its disk has its epochs");
    node
}

/// A turn in which nothing happens but that the disk is done.
fn turn(node: &mut Node) -> Vec<Effect> {
    let (now, mut effects) = (node.now, Vec::new());
    node.flush(now, &mut effects);
    for effect in &effects {
        let Effect::Disk(jobs) = effect else { continue };
        let records = jobs.iter().filter_map(|job| match job {
            Job::Write(no, _) | Job::Install(no, _, _) => Some(*no),
            Job::TakeSnapshot(..) => None,
        });
        if let Some(upto) = records.max() {
            node.handle(now, Event::Durable { upto });
        }
    }
    effects
}

fn is_serving(effect: &Effect) -> bool {
    matches!(effect, Effect::Tell(Told::Serving { .. }))
}

/// So many writes of the root, from this number on, are committed.
fn commit(node: &mut Node, counters: std::ops::RangeInclusive<u32>) {
    for counter in counters {
        let zxid = Zxid::new(Epoch(1), counter);
        let header =
            TxnHeader { client_id: 7, cxid: 1, zxid: zxid.0.cast_signed(), time: 0, kind: 0 };
        let txn = Txn::SetData(SetDataTxn { path: "/".into(), data: None, version: 1 });
        let mut payload = Vec::new();
        TxnBlob::new(header, txn, None).encode(&mut payload);
        node.committed.push_back(zab::Txn { zxid, payload: payload.into() });
    }
}

fn applied(node: &Node) -> u32 {
    Zxid(node.shared().read_tree().last_zxid().cast_unsigned()).counter()
}

fn connection(node: &Node) -> Arc<Connection> {
    Connection::new(([127, 0, 0, 1], 1).into(), node.shared(), Now::default(), (), ())
}

#[test]
fn a_server_that_catches_up_does_so_in_many_turns_and_serves_nobody_before() {
    let mut node = serving();
    node.stop_serving();
    commit(&mut node, 1..=50);
    node.established(Epoch(1));
    // What is committed later is no reason to wait longer.
    commit(&mut node, 51..=60);
    for done in 1..50 {
        assert!(!turn(&mut node).iter().any(is_serving), "{done} of 50 are applied");
        assert_eq!(applied(&node), done);
        assert!(node.has_left() && node.service.is_catching_up());
    }
    assert!(turn(&mut node).iter().any(is_serving));
    assert_eq!(applied(&node), 50);
    assert!(!node.service.is_catching_up());
}

#[test]
fn a_leader_that_is_deposed_while_it_catches_up_serves_nobody() {
    let mut node = serving();
    node.stop_serving();
    commit(&mut node, 1..=3);
    node.established(Epoch(1));
    turn(&mut node);
    node.stop_serving();
    while node.has_left() {
        assert!(!turn(&mut node).iter().any(is_serving));
    }
    assert_eq!(applied(&node), 3, "what is committed is applied all the same");
}

#[test]
fn a_sync_and_a_renewal_wait_for_what_was_committed_before_and_for_nothing_else() {
    let mut node = serving();
    let (synced, renewed) = (connection(&node), connection(&node));
    synced.push_sync(1, "/".into(), Duration::ZERO);
    commit(&mut node, 1..=2);
    node.once_applied(super::Due::Synced(Arc::clone(&synced)));
    commit(&mut node, 3..=4);
    let due = super::Due::Renewed { connection: Arc::clone(&renewed), session: 9, alive: true };
    node.once_applied(due);
    commit(&mut node, 5..=6);
    let mut seen = Vec::new();
    for _ in 0..6 {
        turn(&mut node);
        seen.push((applied(&node), synced.pending() == 0, renewed.session() == 9));
    }
    let expected = [
        (1, false, false),
        (2, true, false),
        (3, true, false),
        (4, true, true),
        (5, true, true),
        (6, true, true),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn of_two_connections_that_wait_for_one_session_the_older_one_is_never_established() {
    let mut node = serving();
    let session = 9;
    let (older, newer) = (connection(&node), connection(&node));
    commit(&mut node, 1..=1);
    for connection in [&older, &newer] {
        node.renew_session(connection, session, 10_000);
        let due = super::Due::Renewed { connection: Arc::clone(connection), session, alive: true };
        node.once_applied(due);
    }
    while node.has_left() {
        turn(&mut node);
    }
    assert!(older.is_cut() && older.session() == 0);
    assert_eq!(newer.session(), session);
}

#[test]
fn a_connection_to_a_learner_begins_with_the_answer_to_its_own_question() {
    let mut node = serving();
    node.service = super::Service::learner(Sid(2));
    let session = 9;
    let connections = [connection(&node), connection(&node), connection(&node)];
    for connection in &connections {
        node.renew_session(connection, session, 10_000);
    }
    node.connection_closed(&connections[1]);
    let begun = |node: &mut Node| {
        turn(node);
        connections.iter().map(|connection| connection.session() == session).collect::<Vec<_>>()
    };
    assert_eq!(begun(&mut node), [false; 3]);
    for answers in 1..=2 {
        node.revalidated(session, true);
        assert_eq!(begun(&mut node), [false; 3], "{answers} of 3 questions are answered");
    }
    node.revalidated(session, true);
    assert_eq!(begun(&mut node), [false, false, true]);
}

#[test]
fn a_leader_answers_in_the_order_in_which_it_is_asked_also_with_a_refusal() {
    let mut node = serving();
    let (granted, refused) = (connection(&node), connection(&node));
    commit(&mut node, 1..=1);
    let super::Service::Leader(leading) = &mut node.service else { panic!("it leads") };
    leading.sessions.track(9, 10_000, 0);
    for (connection, session) in [(&granted, 9), (&refused, 10)] {
        node.renew_session(connection, session, 10_000);
    }
    let super::Service::Leader(leading) = &node.service else { panic!("it leads") };
    assert_eq!(leading.renewals.granted().count(), 2, "nobody is answered before the flush");
    assert!(!refused.outbox().is_closed());
    while node.has_left() {
        turn(&mut node);
    }
    assert_eq!(granted.session(), 9);
    assert!(refused.session() == 0 && refused.outbox().is_closed());
}

/// How many transactions are proposed for a write that comes when its connection has ended;
/// `comes_back`: another connection of its session has asked for it before.
fn proposed_late(comes_back: bool) -> u32 {
    let mut node = serving();
    let session = 9;
    let (gone, newer) = (connection(&node), connection(&node));
    let super::Service::Leader(leading) = &mut node.service else { panic!("it leads") };
    leading.sessions.track(session, 10_000, 0);
    gone.establish(session);
    node.local.insert(session, Arc::clone(&gone));
    let now = node.now;
    node.handle(now, Event::Gone(Arc::clone(&gone)));
    if comes_back {
        ask(&mut node, &newer, ClientRequest::RenewSession { session, timeout_ms: 10_000 });
    }
    let (op, auth) = (OpCode::SetData, Arc::default());
    let before = node.host.core().last();
    ask(&mut node, &gone, ClientRequest::Write { xid: 1, op, body: Bytes::new(), auth });
    let counter = |zxid: Option<Zxid>| zxid.map_or(0, Zxid::counter);
    counter(node.host.core().last()) - counter(before)
}

fn ask(node: &mut Node, connection: &Arc<Connection>, request: ClientRequest) {
    let batch = ClientBatch { connection: Arc::clone(connection), requests: vec![request] };
    node.serve(batch);
}

#[test]
fn a_write_of_a_client_that_is_gone_is_done_but_not_behind_its_sessions_next_connection() {
    assert_eq!(proposed_late(false), 1);
    assert_eq!(proposed_late(true), 0);
}

#[test]
fn a_session_does_not_expire_while_its_client_waits_to_go_on_with_it() {
    let mut node = serving();
    let session = 9;
    let waiting = connection(&node);
    let begins = node.now.at;
    let super::Service::Leader(leading) = &mut node.service else { panic!("it leads") };
    leading.sessions.track(session, 4_000, node.now.ms());
    node.shared.waits_for(&waiting, session, 4_000);
    let lives = |node: &mut Node, seconds: i64| {
        for tenth in 0..10 * seconds {
            let at = node.now.at.max(begins) + Duration::from_millis(100);
            node.tick(Now { at, wall_ms: tenth });
            turn(node);
        }
        let super::Service::Leader(leading) = &mut node.service else { panic!("it leads") };
        leading.sessions.check(session, super::sessions::LOCAL) != Err(SessionError::Expired)
    };
    assert!(lives(&mut node, 20));
    node.shared.remove(&waiting);
    assert!(lives(&mut node, 2), "its client was there a moment ago");
    assert!(!lives(&mut node, 18));
}

#[test]
fn a_connection_whose_session_moves_away_before_it_begins_never_begins() {
    let mut node = serving();
    let (moved, session) = (connection(&node), 9);
    commit(&mut node, 1..=2);
    let due = super::Due::Renewed { connection: Arc::clone(&moved), session, alive: true };
    node.once_applied(due);
    node.moved_away(session);
    while node.has_left() {
        turn(&mut node);
    }
    assert!(moved.is_cut() && moved.session() == 0);
}

/// Which of two sessions lives on while a leader is absent again and again, for longer than a tick
/// and with no time between: one whose client is heard of each time, and one whose client is gone.
/// `listens`: what has arrived is read in between.
fn outlive(listens: bool) -> (bool, bool) {
    let mut node = serving();
    let (alive, gone, client) = (9, 10, connection(&node));
    let timeout_ms = 4_000;
    let super::Service::Leader(leading) = &mut node.service else { panic!("it leads") };
    for session in [alive, gone] {
        leading.sessions.track(session, timeout_ms, node.now.ms());
    }
    client.establish(alive);
    node.local.insert(alive, Arc::clone(&client));
    let absence = node.settings.tick_time * 2;
    for _ in 0..20 {
        client.touch(node.now.at);
        let at = node.now.at + absence;
        node.tick(Now { at, wall_ms: 0 });
        for effect in turn(&mut node) {
            if let Effect::Listen(round) = effect
                && listens
            {
                node.handle(Now { at, wall_ms: 0 }, Event::Listened(round));
            }
        }
    }
    let super::Service::Leader(leading) = &mut node.service else { panic!("it leads") };
    let mut lives = |session| leading.sessions.check(session, super::sessions::LOCAL).is_ok();
    (lives(alive), lives(gone))
}

#[test]
fn however_often_a_leader_is_absent_a_session_expires_that_is_known_to_be_silent() {
    assert_eq!(outlive(true), (true, false));
    assert_eq!(outlive(false), (true, true), "nobody has been able to say anything");
}

#[test]
fn a_session_that_is_being_created_is_heard_of_until_its_client_is_told_or_gone() {
    let mut node = serving();
    let (told, gone) = (connection(&node), connection(&node));
    let heard = |node: &mut Node| {
        node.local.hear_who_waits(&node.shared);
        wire::quorum::decode_touched(&node.local.touched()).expect("its own").len()
    };
    for client in [&told, &gone] {
        node.create_session(client, 4_000);
    }
    assert_eq!(heard(&mut node), 2);
    node.shared.remove(&gone);
    node.connection_closed(&gone);
    assert_eq!(heard(&mut node), 1);
    for _ in 0..100 {
        turn(&mut node);
    }
    assert_ne!(told.session(), 0);
    assert_eq!(heard(&mut node), 0);
    // Its request was taken, and is served when it is gone already.
    node.create_session(&gone, 4_000);
    assert_eq!(heard(&mut node), 0);
}
