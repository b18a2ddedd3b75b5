//! A small ensemble in memory, every step of which is recorded: real hosts, disks that keep what is
//! durable, connections that keep order. It runs by itself until nothing is left to do.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::Cursor;

use bytes::{Bytes, BytesMut};
use conformance::{Checker, Report, Source};
use host::{Decoder, Generation, Host, Link, Shell, Timer};
use recording::{
    Buffer, Digest, Effect, Event, Header, Payloads, Ports, Translator, chunk, file_name, header,
};
use wire::jute::Record as _;
use wire::quorum::{PacketType, Packets};
use wire::txn::{SetDataTxn, Txn, TxnBlob, TxnHeader};
use zab::{Config, DiskImage, Input, Outputs, Peer, Quorum, Record, Role, Sid, WriteNo, Zxid};

/// A step that can still be changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Step {
    pub(crate) event: Event,
    pub(crate) reports: Vec<Digest>,
    pub(crate) effects: Vec<Effect>,
}

/// A recording that can still be changed.
pub(crate) struct Tape {
    config: Config,
    pub(crate) number: u64,
    pub(crate) steps: Vec<Step>,
    pub(crate) closed: bool,
}

impl Tape {
    pub(crate) fn sid(&self) -> Sid {
        self.config.me
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.chunks().concat()
    }

    /// The header, and a chunk for each step.
    pub(crate) fn chunks(&self) -> Vec<Vec<u8>> {
        let mut chunks = vec![header(&Header {
            commit: "0123abc".to_owned(),
            core: "beef".to_owned(),
            number: self.number,
            config: self.config,
            config_text: CONFIG.to_vec(),
        })];
        let mut buffer = Buffer::new();
        for (number, Step { event, reports, effects }) in self.steps.iter().enumerate() {
            buffer.clear();
            buffer.push(event, reports, effects);
            let mut bytes = Vec::new();
            chunk(number as u64, 1, buffer.bytes(), false, &mut bytes);
            chunks.push(bytes);
        }
        if self.closed {
            let mut bytes = Vec::new();
            chunk(self.steps.len() as u64, 0, &[], true, &mut bytes);
            chunks.push(bytes);
        }
        chunks
    }
}

const CONFIG: &[u8] = b"version=0";

/// Checks recordings together.
pub(crate) fn check(tapes: &[Tape]) -> Report {
    check_files(tapes.iter().map(|tape| (tape, tape.bytes())))
}

/// Checks files together that are said to be these recordings.
pub(crate) fn check_files<'a>(files: impl Iterator<Item = (&'a Tape, Vec<u8>)>) -> Report {
    let mut checker = Checker::new();
    let mut sources = Vec::new();
    for (tape, bytes) in files {
        let (name, server, number) = (file_name(tape.sid(), tape.number), tape.sid(), tape.number);
        checker.add(&name, server, number, Cursor::new(bytes.clone()));
        sources.push(Source { name, server, number, bytes: Cursor::new(bytes) });
    }
    checker.follow(sources, None).expect("nothing is written");
    checker.finish()
}

/// Where COMMITs of a transaction get lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Loss {
    /// Behind the host, on the way.
    OnTheWay,
    /// In the host: it does not ask for them to leave.
    InTheHost,
}

struct Server {
    host: Host<Peer<Bytes>>,
    translator: Translator,
    tape: Tape,
    written: VecDeque<(WriteNo, Record<Bytes>)>,
    dials: Option<Sid>,
    finalize: bool,
}

/// Reports that no session was heard of.
#[derive(Default)]
struct Reports(Vec<Digest>);

impl Shell<Bytes> for Reports {
    fn begins(&mut self, _: &Input<Bytes>) {}

    fn ended(&mut self, _: &Outputs<Bytes>) {}

    fn report(&mut self) -> Option<Bytes> {
        self.0.push(Digest::of(&[]));
        Some(Bytes::new())
    }
}

pub(crate) struct World {
    quorum: Quorum,
    up: BTreeMap<Sid, Server>,
    disks: BTreeMap<Sid, DiskImage<Bytes>>,
    /// Election messages on their way: from, to, and the port of the one that dialled.
    votes: VecDeque<(Sid, Sid, Bytes)>,
    wire: VecDeque<(Sid, Sid, Generation, Vec<u8>)>,
    /// Connections: who dialled, and whom.
    links: BTreeMap<Generation, (Sid, Sid)>,
    /// The connection of the election port of two servers, by the port of the one that dialled.
    calls: BTreeMap<(Sid, Sid), u16>,
    made: u64,
    mute: Option<Sid>,
    loses: Option<Loss>,
    pub(crate) tapes: Vec<Tape>,
}

type Happens = host::Event<Bytes, ()>;

impl World {
    pub(crate) fn new(voters: u8) -> Self {
        let voters = (1..=voters).map(Sid).collect();
        Self {
            quorum: Quorum::majority(voters),
            up: BTreeMap::new(),
            disks: BTreeMap::new(),
            votes: VecDeque::new(),
            wire: VecDeque::new(),
            links: BTreeMap::new(),
            calls: BTreeMap::new(),
            made: 0,
            mute: None,
            loses: None,
            tapes: Vec::new(),
        }
    }

    /// Starts servers, and lets them elect, synchronise and whatever else they want.
    pub(crate) fn start(&mut self, sids: &[u8]) {
        for &sid in sids {
            let (me, config) = (Sid(sid), Config::new(Sid(sid), self.quorum));
            let number = 1 + self.tapes.iter().filter(|tape| tape.sid() == me).count() as u64;
            let server = Server {
                host: Host::new(Peer::new(config), CONFIG.into()),
                translator: Translator::new(Payloads::Real),
                tape: Tape { config, number, steps: Vec::new(), closed: false },
                written: VecDeque::new(),
                dials: None,
                finalize: false,
            };
            let others: Vec<_> = self.up.keys().copied().collect();
            self.up.insert(me, server);
            let image = self.disks.entry(me).or_insert_with(DiskImage::empty).clone();
            self.step(me, host::Event::Start(image), None);
            for other in others {
                self.made += 1;
                let (one, two) = (me.max(other), me.min(other));
                self.calls.insert((one, two), 40_000 + self.made as u16);
                for (me, peer) in [(one, two), (two, one)] {
                    let over = self.call(me, peer);
                    self.step(me, host::Event::ElectionOpened(peer), over);
                }
            }
        }
        self.run();
    }

    /// The connection of the election port between two servers, as `me` names it.
    fn call(&self, me: Sid, peer: Sid) -> Option<Ports> {
        let dialler = *self.calls.get(&(me.max(peer), me.min(peer)))?;
        let ports = Ports { own: dialler, other: 3888 };
        Some(if me > peer { ports } else { ports.turned() })
    }

    /// The server is killed, and what was not durable is lost.
    pub(crate) fn kill(&mut self, sid: u8) {
        self.end(Sid(sid), false);
    }

    /// Every server stops in good order.
    pub(crate) fn stop(&mut self) {
        for sid in self.up.keys().copied().collect::<Vec<_>>() {
            self.end(sid, true);
        }
        self.tapes.sort_by_key(|tape| (tape.sid(), tape.number));
    }

    fn end(&mut self, sid: Sid, closed: bool) {
        let Some(mut server) = self.up.remove(&sid) else { panic!("{sid} is not up") };
        server.tape.closed = closed;
        self.mute = None;
        self.tapes.push(server.tape);
        self.calls.retain(|(one, other), _| *one != sid && *other != sid);
        self.votes.retain(|(from, to, _)| *from != sid && *to != sid);
        let broken: Vec<_> = self.links.iter().map(|(&link, &ends)| (link, ends)).collect();
        for (generation, (one, other)) in broken {
            if one == sid || other == sid {
                self.cut(generation, sid);
            }
        }
        if !closed {
            self.run();
        }
    }

    fn leader(&self) -> Sid {
        let leads = |(&sid, server): (&Sid, &Server)| {
            (server.host.core().role() == Role::Leading).then_some(sid)
        };
        self.up.iter().find_map(leads).expect("somebody leads")
    }

    /// The leader proposes that the root has this data.
    pub(crate) fn propose(&mut self, data: &str) {
        let leader = self.leader();
        let core = self.up[&leader].host.core();
        let (epoch, last) = (core.established().expect("it leads"), core.last());
        let counter = last.filter(|last| last.epoch() == epoch).map_or(0, Zxid::counter) + 1;
        let payload = transaction(Zxid::new(epoch, counter), data);
        self.step(leader, host::Event::Propose(payload), None);
        self.run();
    }

    /// The leader sends PINGs.
    pub(crate) fn ping(&mut self) {
        let timer = Timer::Core(zab::Timer::Ping);
        self.step(self.leader(), host::Event::Timer(timer), None);
        self.run();
    }

    /// Nothing that this server sends arrives any more.
    pub(crate) fn mute(&mut self, sid: u8) {
        self.mute = Some(Sid(sid));
    }

    /// The next COMMIT that leaves gets lost.
    pub(crate) fn lose_a_commit(&mut self, how: Loss) {
        self.loses = Some(how);
    }

    /// The connection ends; the other end than `by` notices.
    fn cut(&mut self, generation: Generation, by: Sid) {
        self.wire.retain(|(_, _, other, _)| *other != generation);
        if let Some((one, other)) = self.links.remove(&generation) {
            let notices = if one == by { other } else { one };
            let link = Link { peer: by, generation };
            self.step(notices, host::Event::Closed(link), None);
        }
    }

    fn run(&mut self) {
        while self.one() {}
    }

    /// One more event; false if there is none.
    fn one(&mut self) -> bool {
        if let Some((from, to, bytes)) = self.votes.pop_front() {
            let notification = host::decode_notification(&bytes).expect("a host said it");
            let over = self.call(to, from);
            self.step(to, host::Event::Notified { from, notification }, over);
            return true;
        }
        if let Some((from, to, generation, bytes)) = self.wire.pop_front() {
            let link = Link { peer: from, generation };
            self.step(to, host::Event::Received { link, messages: decoded(&bytes) }, None);
            return true;
        }
        for me in self.up.keys().copied().collect::<Vec<_>>() {
            let server = self.up.get_mut(&me).expect("it is up");
            if let Some((no, record)) = server.written.pop_front() {
                self.disks.get_mut(&me).expect("it has one").apply(&record);
                self.step(me, host::Event::Durable(no), None);
                return true;
            }
            let leads = |server: &Server| server.host.core().role() == Role::Leading;
            if let Some(leader) = server.dials
                && self.up.get(&leader).is_some_and(leads)
            {
                self.up.get_mut(&me).expect("it is up").dials = None;
                self.made += 1;
                let generation = Generation(self.made);
                self.links.insert(generation, (me, leader));
                let over = Ports { own: 50_000 + self.made as u16, other: 2888 };
                let opened = |peer, dialled| {
                    let link = Link { peer, generation };
                    host::Event::Opened { link, dialled }
                };
                self.step(leader, opened(me, false), Some(over.turned()));
                self.step(me, opened(leader, true), Some(over));
                return true;
            }
        }
        let due = self.up.iter().find_map(|(&sid, server)| server.finalize.then_some(sid));
        if let Some(sid) = due {
            self.step(sid, host::Event::Timer(FINALIZE), None);
            return true;
        }
        let linked: BTreeSet<_> = self.links.values().flat_map(|&(one, two)| [one, two]).collect();
        let lost = self.up.iter().find_map(|(&sid, server)| {
            let core = server.host.core();
            let leads = core.role() == Role::Leading && core.established().is_some();
            (!linked.contains(&sid) && leads && self.up.len() > 1).then_some(sid)
        });
        if let Some(sid) = lost {
            self.step(sid, host::Event::Timer(Timer::Core(zab::Timer::QuorumLoss)), None);
        }
        lost.is_some()
    }

    fn step(&mut self, me: Sid, event: Happens, over: Option<Ports>) {
        let Some(server) = self.up.get_mut(&me) else { return };
        if event == host::Event::Timer(FINALIZE) {
            server.finalize = false;
        }
        let talks_to =
            if let host::Event::ElectionOpened(peer) = event { Some(peer) } else { None };
        let told = server.translator.event(&event, over);
        let (mut effects, mut reports) = (Vec::new(), Reports::default());
        server.host.handle(event, &mut reports, &mut effects);
        let handled = effects.len();
        server.host.flush(&mut effects);
        if self.loses == Some(Loss::InTheHost) && lose_commit(&mut effects) {
            self.loses = None;
        }
        let recorded = |translator: &mut Translator, effects: &[host::Effect<Bytes, ()>]| {
            let mut recorded = Vec::new();
            effects.iter().for_each(|effect| translator.effect(effect, &mut recorded));
            recorded
        };
        let asked = recorded(&mut server.translator, &effects[..handled]);
        let steps = &mut server.tape.steps;
        steps.push(Step { event: told, reports: reports.0, effects: asked });
        if effects.len() > handled {
            let left = recorded(&mut server.translator, &effects[handled..]);
            steps.push(Step { event: Event::Flush, reports: vec![], effects: left });
        }
        if self.loses == Some(Loss::OnTheWay) && lose_commit(&mut effects) {
            self.loses = None;
        }
        effects.into_iter().for_each(|effect| self.carry_out(me, talks_to, effect));
    }

    fn carry_out(&mut self, me: Sid, talks_to: Option<Sid>, effect: host::Effect<Bytes, ()>) {
        let Some(server) = self.up.get_mut(&me) else { return };
        match effect {
            host::Effect::Write(no, record) => server.written.push_back((no, record)),
            host::Effect::Frames { link, bytes } => {
                let is_up = self.links.contains_key(&link.generation);
                if is_up && self.mute != Some(me) && !bytes.is_empty() {
                    self.wire.push_back((me, link.peer, link.generation, bytes));
                }
            }
            host::Effect::Notify { to, bytes, looks: _ } => self.vote(me, to, bytes),
            host::Effect::Greet { bytes } => {
                self.vote(me, talks_to.expect("a connection asked"), bytes);
            }
            host::Effect::Arm(FINALIZE) => server.finalize = true,
            host::Effect::Disarm(FINALIZE) => server.finalize = false,
            host::Effect::Dial(leader) => server.dials = Some(leader),
            host::Effect::StopDialling(_) => server.dials = None,
            host::Effect::Close(link) => self.cut(link.generation, me),
            host::Effect::SendState { .. } | host::Effect::Install { .. } => {
                panic!("no learner lacks so much in these stories")
            }
            host::Effect::Deliver(_)
            | host::Effect::Arm(_)
            | host::Effect::Disarm(_)
            | host::Effect::Session(..)
            | host::Effect::Reported(..)
            | host::Effect::Synced(_)
            | host::Effect::Halt(_)
            | host::Effect::Note(_)
            | host::Effect::Remark(_) => {}
        }
    }

    /// Over the connection of the election port, if there is one.
    fn vote(&mut self, me: Sid, to: Sid, bytes: Vec<u8>) {
        if self.call(me, to).is_some() {
            self.votes.push_back((me, to, Bytes::from(bytes).slice(4..)));
        }
    }
}

const FINALIZE: Timer = Timer::Core(zab::Timer::Finalize);

fn decoded(bytes: &[u8]) -> Vec<zab::Message<Bytes>> {
    let (mut buffer, mut packets) = (BytesMut::from(bytes), Packets::new(1 << 20));
    let mut decoder = Decoder::default();
    while let Some(packet) = packets.next(&mut buffer).expect("a host said it") {
        decoder.decode(packet).expect("a host said it");
    }
    decoder.take().expect("a host said it")
}

/// Takes the first COMMIT out of what leaves; false if there is none. A packet without data has 20
/// bytes.
fn lose_commit(effects: &mut [host::Effect<Bytes, ()>]) -> bool {
    let commit = PacketType::Commit.code().to_be_bytes();
    for effect in effects {
        if let host::Effect::Frames { bytes, .. } = effect
            && bytes.starts_with(&commit)
        {
            bytes.drain(..20);
            return true;
        }
    }
    false
}

/// The transaction that sets the data of the root.
fn transaction(zxid: Zxid, data: &str) -> Bytes {
    let header = TxnHeader { client_id: 7, cxid: 1, zxid: zxid.0.cast_signed(), time: 0, kind: 0 };
    let data = Some(Bytes::copy_from_slice(data.as_bytes()));
    let txn = Txn::SetData(SetDataTxn { path: "/".into(), data, version: 1 });
    let mut blob = Vec::new();
    TxnBlob::new(header, txn, None).encode(&mut blob);
    blob.into()
}
