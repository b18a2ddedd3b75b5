//! What is told at once, because it is like the step before, has the bytes that it has when it is
//! told word by word.
//!
//! Steps whose payloads are digests are always told word by word, for a digest has no place in
//! memory.

use std::io::Cursor;

use quickcheck::quickcheck;
use recording::{Buffer, Digest, Header, Payload, Reader, chunk, header};
use zab::{
    Action, After, Config, Epoch, Input, LinkCmd, Message, Note, Outputs, Quorum, Record, Send,
    SessionMessage, Sid, Timer, TimerCmd, Txn, WriteNo, Zxid,
};

/// Payloads of other places in memory, some of them with the same bytes.
static PAYLOADS: [[u8; 3]; 256] = {
    let mut payloads = [[0; 3]; 256];
    let mut index = 0;
    while index < 256 {
        payloads[index] = [index as u8 % 200, 1, 2];
        index += 1;
    }
    payloads
};

fn bytes(index: u8) -> &'static [u8] {
    &PAYLOADS[usize::from(index)]
}

fn digest(index: u8) -> Digest {
    Digest::of(bytes(index))
}

struct Run<P> {
    payload: fn(u8) -> P,
    zxid: u64,
    write: u64,
    buffer: Buffer,
    lengths: Vec<usize>,
    steps: Vec<(Input<P>, Outputs<P>)>,
}

impl<P: Payload + Clone> Run<P> {
    fn new(payload: fn(u8) -> P) -> Self {
        let zxid = Zxid::new(Epoch(1), 0).0;
        let (lengths, steps) = (Vec::new(), Vec::new());
        Self { payload, zxid, write: 0, buffer: Buffer::new(), lengths, steps }
    }

    fn record(&mut self, input: Input<P>, outputs: Outputs<P>) {
        let before = self.buffer.bytes().len();
        self.buffer.begin(&input);
        self.buffer.end(&outputs);
        self.lengths.push(self.buffer.bytes().len() - before);
        self.steps.push((input, outputs));
    }

    /// A transaction that comes, is written, and is passed on by a leader or acknowledged by a
    /// follower; in one respect it may not be so.
    fn transaction(&mut self, index: u8, leads: bool, odd: u8) {
        self.zxid += if odd == 1 { 2 } else { 1 };
        self.write += if odd == 2 { 2 } else { 1 };
        let (zxid, no) = (Zxid(self.zxid), WriteNo(self.write));
        let txn = Txn { zxid, payload: (self.payload)(index) };
        let other = Txn { zxid, payload: (self.payload)(index.wrapping_add(1)) };
        let before = Txn { zxid: Zxid(self.zxid - 1), payload: txn.payload.clone() };
        let peer = Sid(if odd == 3 { 9 } else { 2 });
        let input = match (leads, odd) {
            (true, _) => Input::Propose(txn.payload.clone()),
            (false, 4) => Input::Recv { peer, message: Message::Proposal(before.clone()) },
            (false, 5) => Input::Recv { peer, message: Message::Inform(txn.clone()) },
            (false, _) => Input::Recv { peer, message: Message::Proposal(txn.clone()) },
        };
        let send = |to, message, after| Send { to, message, after };
        let (said, after) = if leads {
            (Message::Proposal(txn.clone()), After::Now)
        } else {
            (Message::Ack { zxid }, After::Durable(no))
        };
        let mut outputs = Outputs {
            writes: vec![(no, Record::Txn(txn.clone()))],
            sends: vec![send(peer, said.clone(), after)],
            notes: vec![Note::Action(Action::LeaderPropose)],
            ..Outputs::new()
        };
        if leads {
            outputs.sends.push(send(Sid(3), said.clone(), after));
        } else {
            outputs.timers.push(TimerCmd::Arm(Timer::SyncLimit));
        }
        let session = || SessionMessage::Request((self.payload)(index));
        match odd {
            6 => outputs.writes.clear(),
            7 => outputs.writes[0].1 = Record::Txn(other),
            8 => outputs.writes[0].1 = Record::Txn(before),
            9 => outputs.writes[0].1 = Record::Truncate { to: zxid },
            10 => outputs.writes.push((no, Record::AcceptedEpoch(Epoch(1)))),
            11 => outputs.sends.clear(),
            12 => outputs.sends[0].after = After::Durable(WriteNo(self.write - 1)),
            13 => outputs.sends[0].after = After::Now,
            14 => outputs.sends[0].message = Message::Proposal(other),
            15 => outputs.sends[0].message = Message::Proposal(before),
            16 => outputs.sends[0].message = Message::Ack { zxid: before.zxid },
            17 => outputs.sends[0].message = Message::Ping { body: None },
            18 => outputs.sends[0].to = Sid(7),
            19 => outputs.sends.reverse(),
            20 => outputs.timers.push(TimerCmd::Disarm(Timer::LearnerSyncLimit(Sid(index)))),
            21 => outputs.timers.clear(),
            22 => outputs.notes.push(Note::Established(Epoch(1))),
            23 => outputs.notes.clear(),
            24 => outputs.deliver.push(txn),
            25 => outputs.session.push((peer, session())),
            26 => outputs.links.push(LinkCmd::Close(peer)),
            27 => outputs.install = Some(zxid),
            28 => outputs.synced.push(txn.payload),
            29 => outputs.notes.extend([Note::Action(Action::Start); 40]),
            // A shape that hardly another has: enough of them, and all are forgotten.
            30 => outputs.sends[0].to = Sid(index),
            _ => {}
        }
        self.record(input, outputs);
    }

    fn run(mut self, steps: &[(u8, bool, u8)]) -> Self {
        for &(index, leads, odd) in steps {
            self.transaction(index, leads, odd);
            if odd == 31 {
                let deliver = Txn { zxid: Zxid(self.zxid), payload: (self.payload)(index) };
                let outputs = Outputs { deliver: vec![deliver], ..Outputs::new() };
                self.record(Input::Resign, outputs);
            }
        }
        self
    }
}

/// Are the steps of such a run told with the same bytes whether or not their payloads have a place,
/// and read as they were?
fn is_told_well(steps: &[(u8, bool, u8)]) -> bool {
    let at_once = Run::new(bytes).run(steps);
    let by_word = Run::new(digest).run(steps);
    let config = Config::new(Sid(1), Quorum::majority([Sid(1)].into_iter().collect()));
    let mut file = header(&Header { commit: String::new(), number: 1, config });
    chunk(0, at_once.buffer.count(), at_once.buffer.bytes(), false, &mut file);
    let mut reader = Reader::open(Cursor::new(file)).expect("sound").expect("whole");
    let read = std::iter::from_fn(|| reader.step().expect("a step"));
    at_once.buffer.bytes() == by_word.buffer.bytes()
        && read.map(|step| (step.input, step.outputs)).eq(by_word.steps)
}

quickcheck! {
    fn steps_told_at_once_have_the_bytes_of_steps_told_word_by_word(
        rows: Vec<(Vec<u8>, bool, u8)>
    ) -> bool {
        // Rows of steps that are alike, and in each, sometimes, one that is not.
        let steps: Vec<_> = rows
            .into_iter()
            .flat_map(|(payloads, leads, odd)| {
                let place = usize::from(odd).checked_rem(payloads.len());
                payloads.into_iter().enumerate().map(move |(index, payload)| {
                    (payload, leads, if Some(index) == place { odd % 40 } else { 99 })
                })
            })
            .collect();
        is_told_well(&steps)
    }
}

#[test]
fn every_way_to_be_unlike_is_told_between_steps_that_are_alike() {
    for leads in [false, true] {
        for odd in 0..=31 {
            let steps: Vec<_> = (0..5)
                .map(|index| (index, leads, 99))
                .chain([(5, leads, odd)])
                .chain((6..10).map(|index| (index, leads, 99)))
                .collect();
            assert!(is_told_well(&steps), "leads: {leads}, odd: {odd}");
            let lengths = Run::new(bytes).run(&steps).lengths;
            assert_eq!(lengths[3..5], [9, 9], "told like the ones before");
        }
    }
}

#[test]
fn shapes_that_are_forgotten_are_told_again() {
    let odd = (0..=255).map(|index| (index, false, 30));
    let alike = |first: u8| (first..first + 5).map(|index| (index, false, 99));
    let steps: Vec<_> = alike(0).chain(odd).chain(alike(10)).chain(alike(20)).collect();
    assert!(is_told_well(&steps));
}
