//! Whatever the core may be asked and answer is read again as it was written.

use std::io::Cursor;

use quickcheck::{Arbitrary, Gen, quickcheck};
use recording::{Buffer, Digest, Header, Reader, Step, chunk, header};
use zab::{
    Action, After, Config, DiskImage, Epoch, Halt, Ignored, Input, LearnerKind, LinkCmd, Message,
    Note, Outputs, Quorum, Record, Role, Send, SessionMessage, Sid, Timer, TimerCmd, Txn, WriteNo,
    Zxid,
};

type Told = (Input<Digest>, Outputs<Digest>);

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

    fn list<T>(&mut self, item: impl Fn(&mut Self) -> T) -> Vec<T> {
        let length = match self.below(300) {
            0 => 254 + self.below(3),
            1..150 => 0,
            other => other % 4,
        };
        (0..length).map(|_| item(self)).collect()
    }

    fn session(&mut self) -> SessionMessage<Digest> {
        let body = self.digest();
        match self.below(3) {
            0 => SessionMessage::Request(body),
            1 => SessionMessage::Revalidate(body),
            _ => SessionMessage::Sync(body),
        }
    }

    fn message(&mut self) -> Message<Digest> {
        match self.below(12) {
            0 => Message::LearnerInfo { kind: LearnerKind::Observer, accepted: Epoch(7) },
            1 => Message::AckEpoch { current: None, last: Zxid(self.number()) },
            2 => Message::Ping { body: Some(self.digest()) },
            3 => Message::UpToDate,
            4 => Message::Inform(self.txn()),
            5 | 6 => Message::Proposal(self.txn()),
            7 | 8 => Message::Ack { zxid: Zxid(self.number()) },
            9 | 10 => Message::Commit { zxid: Zxid(self.number()) },
            _ => Message::Session(self.session()),
        }
    }

    fn timer(&mut self) -> Timer {
        let sid = self.sid();
        let timers = [
            Timer::Resend,
            Timer::Finalize,
            Timer::InitLimit,
            Timer::SyncLimit,
            Timer::LearnerInitLimit(sid),
            Timer::LearnerSyncLimit(sid),
            Timer::QuorumLoss,
            Timer::Ping,
        ];
        timers[self.below(8) as usize]
    }

    fn input(&mut self) -> Input<Digest> {
        let (peer, payload) = (self.sid(), self.digest());
        match self.below(12) {
            0 => Input::Start(DiskImage { log: self.list(Self::txn), ..DiskImage::empty() }),
            1 => Input::Link { peer, up: bool::arbitrary(self.0) },
            2 => Input::Timer(self.timer()),
            3 => Input::Sync { origin: peer, body: payload },
            4 => Input::Resign,
            5 => Input::Session { peer, message: self.session() },
            6 | 7 => Input::Durable { upto: WriteNo(self.number()) },
            8 => Input::Propose(payload),
            _ => Input::Recv { peer, message: self.message() },
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

    fn outputs(&mut self) -> Outputs<Digest> {
        let rare = self.below(8) == 0;
        Outputs {
            writes: self.list(|random| (WriteNo(random.number()), random.record())),
            sends: self.list(|random| {
                let after = match random.below(2) {
                    0 => After::Now,
                    _ => After::Durable(WriteNo(random.number())),
                };
                Send { to: random.sid(), message: random.message(), after }
            }),
            notifications: Vec::new(),
            deliver: self.list(Self::txn),
            install: rare.then(|| Zxid(self.number())),
            links: if rare { self.list(|random| LinkCmd::Connect(random.sid())) } else { vec![] },
            timers: self.list(|random| match random.below(2) {
                0 => TimerCmd::Arm(random.timer()),
                _ => TimerCmd::Disarm(random.timer()),
            }),
            session: self.list(|random| (random.sid(), random.session())),
            synced: if rare { self.list(Self::digest) } else { vec![] },
            halt: rare.then_some(Halt::EpochsExhausted { accepted: Epoch::MAX }),
            notes: self.list(Self::note),
        }
    }
}

impl Arbitrary for Steps {
    fn arbitrary(g: &mut Gen) -> Self {
        let mut random = Random(g);
        let count = random.below(400);
        Self((0..count).map(|_| (random.input(), random.outputs())).collect())
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
    header(&Header { commit: String::new(), number: 1, config })
}

/// In chunks of `each` steps.
fn written(steps: &[Told], each: usize) -> Vec<u8> {
    let (mut buffer, mut bytes) = (Buffer::new(), first());
    for (index, steps) in steps.chunks(each).enumerate() {
        for (input, outputs) in steps {
            buffer.begin(input);
            buffer.end(outputs);
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

quickcheck! {
    fn steps_are_read_as_they_were_written(steps: Steps, each: usize) -> bool {
        let read = read(&written(&steps.0, each % 16 + 1));
        read.len() == steps.0.len()
            && read.iter().zip(&steps.0).enumerate().all(|(number, (step, (input, outputs)))| {
                step.number == number as u64 && (&step.input, &step.outputs) == (input, outputs)
            })
    }

    /// With the right checksum, so that only the steps themselves can tell.
    fn changed_bytes_are_other_steps_or_none(steps: Steps, place: usize, by: u8) -> bool {
        let mut buffer = Buffer::new();
        for (input, outputs) in &steps.0 {
            buffer.begin(input);
            buffer.end(outputs);
        }
        let mut encoded = buffer.bytes().to_vec();
        let Some(place) = place.checked_rem(encoded.len()) else { return true };
        encoded[place] ^= by.max(1);
        let mut bytes = first();
        chunk(0, buffer.count(), &encoded, false, &mut bytes);
        let mut reader = Reader::open(Cursor::new(&bytes)).expect("sound").expect("whole");
        let mut same = true;
        for (input, outputs) in &steps.0 {
            match reader.step() {
                Ok(Some(step)) => same &= (&step.input, &step.outputs) == (input, outputs),
                Ok(None) | Err(_) => return true,
            }
        }
        !same
    }
}

#[test]
fn what_a_set_costs_stays_what_it_is() {
    let (mut buffer, mut sizes) = (Buffer::new(), Vec::new());
    for counter in 1..=3 {
        let payload = [counter as u8; 100];
        let zxid = Zxid::new(Epoch(1), counter);
        let no = WriteNo(counter.into());
        let txn = || Txn { zxid, payload: &payload[..] };
        let recv = |message| Input::Recv { peer: Sid(3), message };
        let proposed = Outputs {
            writes: vec![(no, Record::Txn(txn()))],
            sends: vec![Send {
                to: Sid(3),
                message: Message::Ack { zxid },
                after: After::Durable(no),
            }],
            timers: vec![TimerCmd::Arm(Timer::SyncLimit)],
            notes: vec![Note::Action(Action::LearnerProcessProposal)],
            ..Outputs::new()
        };
        let committed = Outputs {
            deliver: vec![txn()],
            timers: vec![TimerCmd::Arm(Timer::SyncLimit)],
            notes: vec![Note::Action(Action::LearnerProcessCommit)],
            ..Outputs::new()
        };
        for (input, outputs) in [
            (recv(Message::Proposal(txn())), proposed),
            (recv(Message::Commit { zxid }), committed),
            (Input::Durable { upto: no }, Outputs::new()),
        ] {
            let before = buffer.bytes().len();
            buffer.begin(&input);
            buffer.end(&outputs);
            sizes.push(buffer.bytes().len() - before);
        }
    }
    // The first two are told relative to what was before: nothing, and another epoch.
    assert_eq!(sizes[6..], [9, 3, 2]);
}
