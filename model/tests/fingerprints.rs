//! A state that differs in any field has another hash: what a checker tells states apart by leaves
//! nothing out.

use std::hash::{DefaultHasher, Hash, Hasher};

use host::{Event, Generation, Host, Link, Silent, Timer};
use model::cluster::disk::{Disk, Write};
use model::cluster::ghost::{EpochGhost, Ghost};
use model::cluster::link::{Conn, ConnOp, Slot};
use model::cluster::machine::Txn;
use model::cluster::node::Node;
use model::cluster::payload::Origin;
use model::cluster::session::Layer;
use search::intern::Interner;
use zab::{
    Config, Decision, Epoch, Input, LearnerKind, Message, Notification, Outputs, Quorum, Record,
    ServerState, Sid, WriteNo, Zab, Zxid,
};

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn all_differ<T: Hash + Eq + Clone>(what: &str, base: &T, changes: &[&dyn Fn(&mut T)]) {
    let mut seen = vec![base.clone()];
    for (at, change) in changes.iter().enumerate() {
        let mut other = base.clone();
        change(&mut other);
        for known in &seen {
            assert!(*known != other, "{what}: change {at} changes nothing");
            assert_ne!(hash(known), hash(&other), "{what}: change {at} is not in the hash");
        }
        seen.push(other);
    }
}

fn config() -> Config {
    Config::new(Sid(1), Quorum::majority([Sid(1), Sid(2), Sid(3)].into_iter().collect()))
}

fn txn(counter: u32) -> Txn {
    Txn { zxid: Zxid::new(Epoch(1), counter), payload: Origin(0) }
}

fn elected(node: &mut Node<Zab<Origin>>, decision: Decision) {
    node.host.elected::<()>(decision, &mut Silent, &mut Vec::new());
}

#[test]
fn of_a_server() {
    let (node, _) = Node::<Zab<Origin>>::start(config(), Disk::empty());
    all_differ(
        "node",
        &node,
        &[
            &|n| elected(n, Decision::Lead),
            &|n| elected(n, Decision::Follow(Sid(2))),
            &|n| elected(n, Decision::Follow(Sid(3))),
            &|n| n.host = Host::new(Zab::new(config()), "".into()),
            &|n| n.disk.image.accepted = Epoch(1),
            &|n| n.disk.image.current = Epoch(1),
            &|n| n.disk.image.snapshot = txn(1).zxid,
            &|n| n.disk.image.log.push(txn(1)),
            &|n| n.disk.snapshot.push(txn(1)),
            &|n| {
                let record = Record::AcceptedEpoch(Epoch(1));
                n.disk.pending.push(Write { record, content: Vec::new() });
            },
            &|n| {
                let record = Record::AcceptedEpoch(Epoch(1));
                n.disk.pending.push(Write { record, content: vec![txn(1)] });
            },
            &|n| {
                n.armed.insert(Timer::Core(zab::Timer::InitLimit));
            },
            &|n| {
                n.armed.insert(Timer::Answer(Sid(2)));
            },
            &|n| n.applied.push(txn(1)),
            &|n| n.dialling = Some(Sid(2)),
            &|n| n.layer = Some(Box::default()),
            &|n| n.layer = Some(Box::new(Layer::new(true))),
        ],
    );
}

#[test]
fn of_a_host_and_its_connections() {
    let config_text = || "version=0".into();
    let mut host = Host::new(Zab::<Origin>::new(config()), config_text());
    let mut seen = vec![host.clone()];
    let mut happens = |host: &mut Host<_>, event| {
        let what = format!("{event:?}");
        host.handle::<()>(event, &mut Silent, &mut Vec::new());
        let is_new = |known: &Host<_>| known != host && hash(known) != hash(host);
        assert!(seen.iter().all(is_new), "{what}");
        seen.push(host.clone());
    };
    let link = |peer, generation| Link { peer: Sid(peer), generation: Generation(generation) };
    let opened = |link| Event::Opened { link, dialled: false };
    let info = |link| {
        let message = Message::LearnerInfo { kind: LearnerKind::Follower, accepted: Epoch(0) };
        Event::Received { link, messages: vec![message] }
    };
    happens(&mut host, Event::Start(zab::DiskImage::empty()));
    // They wait: nobody leads.
    happens(&mut host, opened(link(2, 0)));
    happens(&mut host, info(link(2, 0)));
    happens(&mut host, opened(link(2, 1)));
    happens(&mut host, opened(link(3, 0)));
    host.elected::<()>(Decision::Lead, &mut Silent, &mut Vec::new());
    // A question is open, and stays so for a tick.
    happens(&mut host, info(link(3, 0)));
    happens(&mut host, Event::Durable(WriteNo(1)));
    happens(&mut host, Event::Timer(Timer::Answer(Sid(3))));
    happens(&mut host, Event::Closed(link(3, 0)));
    happens(&mut host, opened(link(3, 1)));
}

#[test]
fn of_a_leader_at_every_stage() {
    // Each step of a leadership leads to a server that is told apart from all before it.
    let mut machine = Zab::<Origin>::new(config());
    let mut out = Outputs::new();
    machine.step(Input::Start(zab::DiskImage::empty()), &mut out);
    let mut seen = vec![machine.clone()];
    machine.elected(Decision::Lead, &mut out);
    let recv = |message| Input::Recv { peer: Sid(2), message };
    let steps = [
        Input::Link { peer: Sid(2), up: true },
        recv(Message::LearnerInfo { kind: LearnerKind::Follower, accepted: Epoch(0) }),
        Input::Durable { upto: WriteNo(1) },
        recv(Message::AckEpoch { current: Some(Epoch(0)), last: Zxid::ZERO }),
        recv(Message::AckNewLeader { epoch: Epoch(1) }),
        Input::Durable { upto: WriteNo(2) },
        Input::Propose(Origin(7)),
        Input::Sync { origin: Sid(1), body: Origin(1) },
        recv(Message::Ping { body: None }),
        recv(Message::Ack { zxid: txn(1).zxid }),
        Input::Durable { upto: WriteNo(3) },
    ];
    for step in steps {
        let what = format!("{step:?}");
        machine.step(step, &mut out);
        assert!(
            seen.iter().all(|known| *known != machine && hash(known) != hash(&machine)),
            "{what}"
        );
        seen.push(machine.clone());
    }
}

#[test]
fn of_links() {
    use ConnOp::*;
    let frames = Interner::new();
    let frames = |names: &[u32]| names.iter().map(|&name| frames.intern_handle(name)).collect();
    let after = |ops: &[ConnOp]| ops.iter().fold(Conn::default(), |conn, op| conn.after(op));
    all_differ(
        "conn",
        &Conn::default(),
        &[
            &|c| *c = after(&[Dial(0)]),
            &|c| *c = after(&[Dial(1)]),
            &|c| *c = after(&[Dial(0), Dial(1)]),
            &|c| *c = after(&[Dial(0), Accept(0)]),
            &|c| *c = after(&[Dial(0), Accept(0), LearnerCloses(0)]),
            &|c| *c = after(&[Dial(0), Accept(0), LeaderCloses(0)]),
            &|c| *c = after(&[Dial(0), Accept(0), ToLeader(0, frames(&[1]))]),
            &|c| *c = after(&[Dial(0), Accept(0), ToLearner(0, frames(&[1]))]),
            &|c| *c = after(&[Dial(0), Accept(0), ToLearner(0, frames(&[1, 2]))]),
            &|c| *c = after(&[Dial(0), ToLeader(0, frames(&[1]))]),
        ],
    );
    let notification = Notification { state: ServerState::Looking, vote: None, round: 1 };
    all_differ(
        "slot",
        &Slot::default(),
        &[
            &|s| s.wire = Some(notification),
            &|s| s.next = Some(notification),
            &|s| s.wire = Some(Notification { round: 2, ..notification }),
            &|s| s.wire = Some(Notification { state: ServerState::Leading, ..notification }),
        ],
    );
}

#[test]
fn of_ghosts() {
    let epoch = EpochGhost {
        leader: Sid(1),
        established: false,
        history: Vec::new(),
        initial: 0,
        acks: Default::default(),
        chosen: None,
    };
    let mut ghost = Ghost::default();
    ghost.epochs.insert(Epoch(1), epoch);
    let of = |change: fn(&mut EpochGhost)| {
        move |ghost: &mut Ghost| ghost.epochs.values_mut().for_each(change)
    };
    all_differ(
        "ghost",
        &ghost,
        &[
            &|g| {
                g.elected.insert(Epoch(1));
            },
            &|g| g.settled = Epoch(1),
            &|g| g.settled_chosen.push(txn(1)),
            &|g| g.delivered.push(txn(1)),
            &|g| {
                g.syncs.insert(Sid(1), vec![0]);
            },
            &of(|e| e.leader = Sid(2)),
            &of(|e| e.established = true),
            &of(|e| e.history.push(txn(1))),
            &of(|e| e.initial = 1),
            &of(|e| {
                e.acks.insert(Sid(1), 1);
            }),
            &of(|e| e.chosen = Some(0)),
        ],
    );
}
