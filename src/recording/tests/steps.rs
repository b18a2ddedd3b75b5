//! Whatever a host may be given and ask for is read again as it was written.

use std::io::Cursor;

use bytes::Bytes;
use host::{Generation, Link, Remark, Timer, Turned};
use quickcheck::{Arbitrary, Gen, quickcheck};
use recording::{
    Buffer, Digest, Effect, Event, Header, Other, Packet, Ports, Reader, Said, Step, chunk, header,
};
use wire::quorum::PacketType;
use zab::{
    Action, Config, DiskImage, Epoch, Halt, Ignored, Note, Notification, Quorum, Record, Role,
    ServerState, Sid, Txn, WriteNo, Zxid,
};

type Told = (Event, Vec<Digest>, Vec<Effect>);

/// Steps of every kind, with numbers that often follow each other, as those of a run do.
#[derive(Clone, Debug)]
struct Steps(Vec<Told>);

struct Random<'a>(&'a mut Gen);

impl Random<'_> {
    fn below(&mut self, bound: u64) -> u64 {
        u64::arbitrary(self.0) % bound
    }

    fn sid(&mut self) -> Sid {
        Sid(self.below(4) as u8)
    }

    fn number(&mut self) -> u64 {
        match self.below(8) {
            0 => u64::arbitrary(self.0),
            _ => self.below(4),
        }
    }

    fn digest(&mut self) -> Digest {
        Digest::of(&[self.below(3) as u8])
    }

    fn txn(&mut self) -> Txn<Digest> {
        Txn { zxid: Zxid(self.number()), payload: self.digest() }
    }

    fn link(&mut self) -> Link {
        Link { peer: self.sid(), generation: Generation(self.number()) }
    }

    fn list<T>(&mut self, item: impl Fn(&mut Self) -> T) -> Vec<T> {
        let length = match self.below(300) {
            0 => 254 + self.below(3),
            1..150 => 0,
            other => other % 4,
        };
        (0..length).map(|_| item(self)).collect()
    }

    fn over(&mut self) -> Option<Ports> {
        bool::arbitrary(self.0).then(|| Ports { own: 2888, other: self.below(9) as u16 })
    }

    fn packet(&mut self) -> Packet {
        let zxid = Zxid(self.number());
        let bare = |kind| Packet::bare(kind, Zxid::ZERO);
        let number = |number: u64| Some(Digest(number.to_be_bytes()));
        match self.below(12) {
            0 => Packet::bare(PacketType::FollowerInfo, zxid),
            1 => Packet { content: number(u64::MAX), ..Packet::bare(PacketType::AckEpoch, zxid) },
            2 => Packet { content: number(7), ..Packet::bare(PacketType::Trunc, zxid) },
            3 => bare(PacketType::UpToDate),
            4 => Packet { content: Some(self.digest()), ..bare(PacketType::Ping) },
            5 => bare(PacketType::Ping),
            6 => Packet { content: Some(self.digest()), ..bare(PacketType::Request) },
            7 => Packet { content: Some(self.digest()), ..Packet::bare(PacketType::Inform, zxid) },
            8 => Packet::bare(PacketType::Ack, zxid),
            9 => Packet::bare(PacketType::Commit, zxid),
            _ => {
                Packet { content: Some(self.digest()), ..Packet::bare(PacketType::Proposal, zxid) }
            }
        }
    }

    fn session(&mut self) -> Vec<Packet> {
        let packet = |kind, content| Packet { content, ..Packet::bare(kind, Zxid::ZERO) };
        let digest = Some(self.digest());
        match self.below(3) {
            0 => vec![packet(PacketType::Request, digest); self.below(3) as usize],
            1 => vec![packet(PacketType::Revalidate, digest)],
            _ => vec![packet(PacketType::Sync, None)],
        }
    }

    fn timer(&mut self) -> Timer {
        match self.below(4) {
            0 => Timer::Core(zab::Timer::Ping),
            1 => Timer::Core(zab::Timer::LearnerSyncLimit(self.sid())),
            2 => Timer::Answer(self.sid()),
            _ => Timer::Claim(self.link()),
        }
    }

    fn notification(&mut self) -> Notification {
        Notification { state: ServerState::Looking, vote: None, round: self.number() }
    }

    fn event(&mut self) -> Event {
        let (link, peer) = (self.link(), self.sid());
        match self.below(18) {
            0 => Event::Start(DiskImage { log: self.list(Self::txn), ..DiskImage::empty() }),
            1 => Event::Opened { link, dialled: bool::arbitrary(self.0), over: self.over() },
            2 => Event::Closed(link),
            3 => Event::Unreachable(peer),
            4 => Event::State { link, zxid: Zxid(self.number()) },
            5 => {
                Event::Notified { from: peer, notification: self.notification(), over: self.over() }
            }
            6 => Event::ElectionOpened { peer, over: self.over() },
            7 => Event::Timer(self.timer()),
            8 => Event::Sync(self.digest()),
            9 => Event::SyncFor(link),
            10 => Event::Session { peer, packets: self.session() },
            11 => Event::Resign,
            12 => Event::Flush,
            13 | 14 => Event::Durable(WriteNo(self.number())),
            15 => Event::Propose(self.digest()),
            _ => Event::Received { link, packets: self.list(Self::packet) },
        }
    }

    fn note(&mut self) -> Note {
        match self.below(6) {
            0 => Note::Role(Role::Following(self.sid()), Epoch(3)),
            1 => Note::Established(Epoch(9)),
            2 => Note::Ignored(Ignored::Duplicate),
            _ => Note::Action(Action::ALL[self.below(Action::ALL.len() as u64) as usize]),
        }
    }

    fn record(&mut self) -> Record<Digest> {
        match self.below(6) {
            0 => Record::Truncate { to: Zxid(self.number()) },
            1 => Record::CurrentEpoch(Epoch(2)),
            _ => Record::Txn(self.txn()),
        }
    }

    fn other(&mut self) -> Other {
        let (link, sid) = (self.link(), self.sid());
        let said = Said { notification: Some(self.notification()), bytes: self.digest() };
        match self.below(11) {
            0 => Other::Install(Zxid(self.number())),
            1 => Other::SendState { link, zxid: Zxid(self.number()) },
            2 => Other::Close(link),
            3 => Other::Dial(sid),
            4 => Other::StopDialling(sid),
            5 => Other::Notify { to: sid, looks: bool::arbitrary(self.0), said },
            6 => Other::Greet(said),
            7 => Other::Reported(sid, self.digest()),
            8 => Other::Synced(self.digest()),
            9 => Other::Halt(Halt::EpochsExhausted { accepted: Epoch::MAX }),
            _ => Other::Remark(Remark::TurnedAway(sid, Turned::MadeRoom)),
        }
    }

    fn effect(&mut self) -> Effect {
        match self.below(16) {
            0 => Effect::Frames { link: self.link(), packets: self.list(Self::packet) },
            1 => Effect::Session { link: self.link(), packets: self.session() },
            2 => Effect::Arm(self.timer()),
            3 => Effect::Disarm(self.timer()),
            4 => Effect::Other(self.other()),
            5..8 => Effect::Note(self.note()),
            8..12 => Effect::Deliver(self.txn()),
            _ => Effect::Write(WriteNo(self.number()), self.record()),
        }
    }
}

impl Arbitrary for Steps {
    fn arbitrary(g: &mut Gen) -> Self {
        let mut random = Random(g);
        let count = random.below(400);
        let mut step = || {
            let reports = if random.below(9) == 0 { random.list(Random::digest) } else { vec![] };
            (random.event(), reports, random.list(Random::effect))
        };
        Self((0..count).map(|_| step()).collect())
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        let (half, less) = (self.0.len() / 2, self.0.len().saturating_sub(1));
        let parts = [self.0[half..].to_vec(), self.0[..half].to_vec(), self.0[..less].to_vec()];
        let len = self.0.len();
        Box::new(parts.into_iter().filter(move |part| part.len() < len).map(Self))
    }
}

fn first() -> Vec<u8> {
    let config = Config::new(Sid(1), Quorum::majority([Sid(1)].into_iter().collect()));
    let (commit, core, config_text) = (String::new(), String::new(), Vec::new());
    header(&Header { commit, core, number: 1, config, config_text })
}

/// In chunks of `each` steps.
fn written(steps: &[Told], each: usize) -> Vec<u8> {
    let (mut buffer, mut bytes) = (Buffer::new(), first());
    for (index, steps) in steps.chunks(each).enumerate() {
        for (event, reports, effects) in steps {
            buffer.push(event, reports, effects);
        }
        chunk((index * each) as u64, buffer.count(), buffer.bytes(), false, &mut bytes);
        buffer.clear();
    }
    bytes
}

fn read(bytes: &[u8]) -> Vec<Step> {
    let mut reader = Reader::open(Cursor::new(bytes)).expect("sound").expect("whole");
    std::iter::from_fn(|| reader.step().expect("a step")).collect()
}

fn is(step: &Step, (event, reports, effects): &Told) -> bool {
    (&step.event, &step.reports, &step.effects) == (event, reports, effects)
}

quickcheck! {
    fn steps_are_read_as_they_were_written(steps: Steps, each: usize) -> bool {
        let read = read(&written(&steps.0, each % 16 + 1));
        read.len() == steps.0.len()
            && read.iter().zip(&steps.0).enumerate().all(|(number, (step, told))| {
                step.number == number as u64 && is(step, told)
            })
    }

    /// With the right checksum, so that only the steps themselves can tell.
    fn changed_bytes_are_other_steps_or_none(steps: Steps, place: usize, by: u8) -> bool {
        let mut buffer = Buffer::new();
        for (event, reports, effects) in &steps.0 {
            buffer.push(event, reports, effects);
        }
        let mut encoded = buffer.bytes().to_vec();
        let Some(place) = place.checked_rem(encoded.len()) else { return true };
        encoded[place] ^= by.max(1);
        let mut bytes = first();
        chunk(0, buffer.count(), &encoded, false, &mut bytes);
        let mut reader = Reader::open(Cursor::new(&bytes)).expect("sound").expect("whole");
        let mut same = true;
        for told in &steps.0 {
            match reader.step() {
                Ok(Some(step)) => same &= is(&step, told),
                Ok(None) | Err(_) => return true,
            }
        }
        !same
    }
}

/// A learner gets a transaction, acknowledges it, and delivers it.
#[test]
fn what_a_set_costs_stays_what_it_is() {
    let (mut buffer, mut sizes) = (Buffer::new(), Vec::new());
    let link = Link { peer: Sid(3), generation: Generation(1) };
    let sync_limit = Timer::Core(zab::Timer::SyncLimit);
    for counter in 1..=3 {
        let payload = Bytes::from(vec![counter as u8; 100]);
        let zxid = Zxid::new(Epoch(1), counter);
        let no = WriteNo(counter.into());
        let txn = || Txn { zxid, payload: payload.clone() };
        let note = |action| host::Effect::<_, ()>::Note(Note::Action(action));
        let received = |message| host::Event::<_, ()>::Received { link, messages: vec![message] };
        let mut ack = Vec::new();
        for number in [3, 1_u32] {
            // ACK, and the epoch.
            ack.extend(number.to_be_bytes());
        }
        ack.extend(counter.to_be_bytes());
        // Neither data nor identities.
        ack.extend([255; 8]);
        let steps = [
            (
                Some(received(zab::Message::Proposal(txn()))),
                vec![
                    host::Effect::Write(no, Record::Txn(txn())),
                    host::Effect::Arm(sync_limit),
                    note(Action::LearnerProcessProposal),
                ],
            ),
            (Some(host::Event::Durable(no)), vec![]),
            (None, vec![host::Effect::Frames { link, bytes: ack }]),
            (
                Some(received(zab::Message::Commit { zxid })),
                vec![
                    host::Effect::Deliver(txn()),
                    host::Effect::Arm(sync_limit),
                    note(Action::LearnerProcessCommit),
                ],
            ),
        ];
        for (event, effects) in steps {
            let before = buffer.bytes().len();
            if let Some(event) = event {
                buffer.begin(&event, None);
            }
            buffer.end(&effects);
            sizes.push(buffer.bytes().len() - before);
        }
    }
    // The first two are told relative to what was before: nothing, and another epoch.
    assert_eq!(sizes[8..], [21, 3, 2, 14]);
}
