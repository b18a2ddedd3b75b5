//! A server that hears packets is as one that hears the messages themselves, over any number of
//! connections.
//!
//! Random walks of whole clusters of the core, with connections that break at any moment and disks
//! that lag. Each message that arrives is given to the core twice: as it was sent, and as the
//! packets of its connection say it. State, records, answers and deliveries have to be the same: so
//! what a receiver may conclude from the message it concludes from the packets.

#[path = "../../../zab/tests/cluster/mod.rs"]
mod cluster;

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use quickcheck::{Arbitrary, Gen, QuickCheck};
use wire::quorum::Packets;
use zab::{Decision, Input, Message, MessageKind, Outputs, SessionMessage, Sid, Timer};

use self::cluster::{Cluster, Given, Out, Setup, Stepped};
use super::{Decoder, Encoder};

/// Moves, each decided by its number.
#[derive(Clone, Debug)]
struct Walk(Vec<u32>);

impl Arbitrary for Walk {
    fn arbitrary(g: &mut Gen) -> Self {
        Self((0..400).map(|_| u32::arbitrary(g)).collect())
    }
}

const LEADER: Sid = Sid(2);
/// The last one observes.
const SIDS: [Sid; 4] = [Sid(1), LEADER, Sid(3), Sid(4)];

/// One move; an impossible one is none.
fn go(cluster: &mut Cluster, number: u32) -> Result<(), String> {
    let sid = SIDS[(number / 100 % 4) as usize];
    let body = format!("p{number}");
    match number % 100 {
        0..15 => {
            let mut sids = SIDS.to_vec();
            sids.rotate_left((number / 400 % 4) as usize);
            // Those that are left out are slow.
            sids.truncate((number / 1600 % 4 + 1) as usize);
            for _ in 0..number / 6400 % 20 {
                cluster.natural(&sids)?;
            }
            Ok(())
        }
        15..25 => cluster.disk(sid).map(drop),
        25..45 => cluster.deliver(LEADER, sid).map(drop),
        45..55 => cluster.deliver(sid, LEADER).map(drop),
        55..60 => cluster.connect(sid).map(drop),
        60..70 => cluster.propose(LEADER, body).map(drop),
        70..75 => {
            let message = SessionMessage::Revalidate(body);
            cluster.session(sid, LEADER, message).map(drop)
        }
        75..85 => cluster.cut(sid, LEADER).map(drop),
        85..87 => cluster.cut(LEADER, sid).map(drop),
        87..90 => cluster.timer(LEADER, Timer::Ping).map(drop),
        90..92 => cluster.sync(LEADER, sid, body).map(drop),
        92 => cluster.crash(sid),
        93..95 => cluster.start(sid).map(drop),
        95 => cluster.compact(sid),
        _ => {
            // Whoever looks for a leader follows again.
            let decision = if sid == LEADER { Decision::Lead } else { Decision::Follow(LEADER) };
            cluster.decree(sid, decision).map(drop)
        }
    }
}

/// The connections, as those who write packets know them: by sender and receiver.
#[derive(Default)]
struct Wire {
    encoders: BTreeMap<(Sid, Sid), Encoder>,
    /// COMMITs of what was sent over an earlier connection.
    late_commits: usize,
    kinds: std::collections::BTreeSet<MessageKind>,
}

impl Wire {
    fn look(&mut self, me: Sid, stepped: &Stepped) {
        let Stepped { before, given, out, after, .. } = stepped;
        match given {
            Given::Input(Input::Link { peer, up: true }) => {
                let encoder = Encoder::new(*peer, Bytes::from_static(b"version=0"));
                self.encoders.insert((*peer, me), encoder);
            }
            Given::Input(Input::Recv { peer, message }) => {
                let encoder = self.encoders.get_mut(&(*peer, me)).expect("the link is up");
                self.kinds.insert(message.kind());
                if let Message::Commit { zxid } = message {
                    let of_this_one = encoder.uncommitted.contains(zxid);
                    let is_new = encoder.committed < *zxid;
                    self.late_commits += usize::from(is_new && !of_this_one);
                }
                let (mut twin, mut said) = (before.clone(), Outputs::new());
                for message in translate(encoder, message) {
                    let mut more = Outputs::new();
                    let input = Input::Recv { peer: *peer, message };
                    twin.give(Given::Input(input), &mut more);
                    append(&mut said, more);
                }
                assert_eq!(twin, *after, "{message:?} from {peer}");
                assert_eq!(effects(&said), effects(out), "{message:?} from {peer}");
            }
            Given::Input(_) | Given::Decree(_) => {}
        }
    }
}

/// What a message is after its way through packets.
fn translate(encoder: &mut Encoder, message: &Message<String>) -> Vec<Message<String>> {
    let mut bytes = Vec::new();
    encoder.encode(message, &mut bytes);
    let (mut buffer, mut packets) = (BytesMut::from(&bytes[..]), Packets::new(1 << 20));
    let mut decoder = Decoder::default();
    while let Some(packet) = packets.next(&mut buffer).expect("our own packets") {
        decoder.decode(packet).expect("our own packets");
    }
    assert!(buffer.is_empty(), "every packet is whole");
    decoder.take().expect("our own packets")
}

/// What the cluster proposes; here nothing else has to read it.
impl super::Payload for String {
    fn as_bytes(&self) -> &[u8] {
        self.as_bytes()
    }

    fn from_bytes(bytes: Bytes) -> Option<Self> {
        Self::from_utf8(bytes.to_vec()).ok()
    }
}

fn append(all: &mut Out, more: Out) {
    all.writes.extend(more.writes);
    all.sends.extend(more.sends);
    all.deliver.extend(more.deliver);
    all.links.extend(more.links);
    all.session.extend(more.session);
    all.install = all.install.or(more.install);
    all.halt = all.halt.or(more.halt);
}

/// What a step leads to outside of the core, timers and notes apart.
fn effects(out: &Out) -> impl PartialEq + std::fmt::Debug {
    // SYNC carries nothing.
    let session = out.session.iter().map(|(peer, message)| match message {
        SessionMessage::Sync(_) => (*peer, SessionMessage::Sync(String::new())),
        SessionMessage::Request(_) | SessionMessage::Revalidate(_) => (*peer, message.clone()),
    });
    (
        (out.writes.clone(), out.sends.clone(), out.deliver.clone()),
        (out.links.clone(), session.collect::<Vec<_>>(), out.install, out.halt),
    )
}

/// Walks, and returns what came by.
fn walk(moves: &[u32]) -> Wire {
    let setup =
        Setup { observers: vec![SIDS[3]], decreed: true, window: 3, ..Setup::voters([1, 2, 3]) };
    let (mut cluster, mut wire) = (Cluster::new(&setup), Wire::default());
    let look = |cluster: &mut Cluster, wire: &mut Wire| {
        // Of one event at most one server has a step.
        for (&sid, server) in &mut cluster.servers {
            for stepped in server.watched.replace(Vec::new()).unwrap_or_default() {
                wire.look(sid, &stepped);
            }
        }
    };
    for sid in SIDS {
        cluster.servers.get_mut(&sid).expect("made above").watched = Some(Vec::new());
        cluster.start(sid).expect("it was down");
        let decision = if sid == LEADER { Decision::Lead } else { Decision::Follow(LEADER) };
        cluster.decree(sid, decision).expect("it looks for a leader");
    }
    for &number in moves {
        match go(&mut cluster, number) {
            Err(why) if why.starts_with('Z') => panic!("{why}"),
            Err(_) | Ok(()) => look(&mut cluster, &mut wire),
        }
    }
    wire
}

#[test]
fn whoever_hears_packets_concludes_what_the_messages_say() {
    fn law(Walk(moves): Walk) {
        walk(&moves);
    }
    QuickCheck::new().tests(1_000).quickcheck(law as fn(Walk));
}

/// The walks above are of use: they come by the situations that are not obvious.
#[test]
fn the_walks_meet_every_message_and_commits_of_what_an_earlier_connection_brought() {
    let mut g = Gen::from_size_and_seed(100, 1);
    let mut all = Wire::default();
    for _ in 0..300 {
        let wire = walk(&Walk::arbitrary(&mut g).0);
        all.late_commits += wire.late_commits;
        all.kinds.extend(wire.kinds);
    }
    assert!(all.late_commits >= 1, "{} late commits", all.late_commits);
    let kinds: Vec<_> = all.kinds.iter().collect();
    assert_eq!(kinds.len(), 15, "{kinds:?}");
}

#[test]
fn a_commit_reaches_a_learner_that_was_sent_the_proposal_over_an_earlier_connection() {
    let mut encoder = Encoder::new(LEADER, Bytes::new());
    let zxid = |counter| zab::Zxid::new(zab::Epoch(1), counter);
    let mut said = |message| translate(&mut encoder, &message);
    // The learner's log ends at 1:2, of which 1:1 is committed.
    said(Message::Diff { committed: zxid(1) });
    said(Message::NewLeader { epoch: zab::Epoch(1) });
    said(Message::UpToDate);
    let commit = Message::Commit { zxid: zxid(2) };
    assert_eq!(said(commit.clone()), std::slice::from_ref(&commit));
    assert_eq!(said(commit), [], "said once");
}
