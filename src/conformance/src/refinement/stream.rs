//! One server's recordings as happenings of abstract Zab, in its own order, read as they are
//! needed.

use std::collections::VecDeque;
use std::io::{Read, Seek};

use recording::{Digest, Reader, Tail};
use zab::{Action, After, Epoch, Input, Message, Note, Outputs, Record, Sid, Txn, WriteNo, Zxid};

use crate::replay::{Keeps, Replay};
use crate::verdict::Fact;

/// A recording to read: its name, number, and bytes.
#[derive(Debug)]
pub struct Source<R> {
    /// The name of its file.
    pub name: String,
    /// Which server recorded.
    pub server: Sid,
    /// Which start of that server.
    pub number: u64,
    /// The recording.
    pub bytes: R,
}

/// What a disk is known by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Triple {
    pub(super) accepted: Epoch,
    pub(super) current: Epoch,
    pub(super) last: Zxid,
}

/// A record on its way to the disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Written {
    /// A promise, and to whom.
    Accepted(Epoch, Sid),
    Current(Epoch),
    Txn(Txn<Digest>),
    Truncate(Zxid),
    Snapshot(Zxid),
}

/// What a start found on disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Found {
    pub(super) disk: Triple,
    pub(super) snapshot: Zxid,
    pub(super) log: Vec<Txn<Digest>>,
}

impl Found {
    /// A server that never ran.
    pub(super) fn is_empty(&self) -> bool {
        self.disk == Triple::default() && self.log.is_empty()
    }
}

/// What a server did, as far as abstract Zab has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Happening {
    /// The first start that was recorded.
    First(Found),
    /// A later start.
    Started(Found),
    /// One more record is durable.
    Durable(Written),
    /// The initial history of the epoch was acknowledged.
    AckedInitial(Epoch),
    /// A transaction was acknowledged.
    Acked(Zxid),
    /// Elected, with a history that ends there.
    Elected(Epoch, Zxid),
    /// Established as the leader.
    Established(Epoch),
    Proposed(Txn<Digest>),
    /// The state machine was replaced by one that holds the history up to there.
    Installed(Zxid),
    Delivered(Vec<Txn<Digest>>),
    /// A leadership has ended.
    Ended,
}

/// The recordings of one server.
pub(super) struct Stream<R> {
    pub(super) server: Sid,
    files: VecDeque<(usize, Source<R>)>,
    reader: Option<(usize, Reader<R>, Replay)>,
    queue: VecDeque<(Happening, Fact)>,
    /// Records that were issued and are not known to be durable, with their numbers.
    pending: VecDeque<(u64, Written)>,
    /// Acknowledgements that wait for the record with this number.
    held: Vec<(u64, Happening)>,
    upto: u64,
    issued: Triple,
    durable: Triple,
    elected: bool,
    started: bool,
    /// Recordings that may lack steps: their names.
    pub(super) open: Vec<String>,
    name: String,
    /// The number of the last recording.
    number: u64,
    /// The last step that was read.
    at: Fact,
}

impl<R: Read + Seek> Stream<R> {
    /// The recordings of one server, in the order of their numbers, each with its place among all
    /// files.
    pub(super) fn new(server: Sid, files: Vec<(usize, Source<R>)>) -> Self {
        Self {
            server,
            files: files.into(),
            reader: None,
            queue: VecDeque::new(),
            pending: VecDeque::new(),
            held: Vec::new(),
            upto: 0,
            issued: Triple::default(),
            durable: Triple::default(),
            elected: false,
            started: false,
            open: Vec::new(),
            name: String::new(),
            number: 0,
            at: Fact::new(0, 0),
        }
    }

    /// What happens next here; it stays there until [`Stream::pop`].
    ///
    /// # Errors
    /// A recording cannot be read on.
    pub(super) fn peek(&mut self) -> Result<Option<(&Happening, Fact)>, String> {
        while self.queue.is_empty() {
            if !self.read()? {
                return Ok(None);
            }
        }
        Ok(self.queue.front().map(|(happening, at)| (happening, *at)))
    }

    /// The first happening was placed.
    pub(super) fn pop(&mut self) {
        self.queue.pop_front();
    }

    /// Reads one more step; false if there is none.
    fn read(&mut self) -> Result<bool, String> {
        let Some((file, reader, replay)) = &mut self.reader else {
            let Some((file, source)) = self.files.pop_front() else { return Ok(false) };
            let Source { name, number, bytes, .. } = source;
            let reader = Reader::open(bytes).map_err(|refused| format!("{name}: {refused}"))?;
            if self.started && number != self.number + 1 {
                self.open.push(format!("those before {name}"));
            }
            self.number = number;
            self.name = name;
            match reader {
                Some(reader) => {
                    let replay = Replay::new(reader.header(), Keeps::Steps);
                    self.reader = Some((file, reader, replay));
                }
                None => self.open.push(self.name.clone()),
            }
            return Ok(true);
        };
        let file = *file;
        let read = reader.step().map_err(|refused| refused.to_string())?;
        let Some(step) = read else {
            let closed = reader.tail() == Some(&Tail::Closed);
            self.reader = None;
            if !closed {
                self.open.push(self.name.clone());
            }
            if std::mem::take(&mut self.elected) {
                self.tell(Happening::Ended, self.at);
            }
            return Ok(true);
        };
        let at = Fact::new(file, step.number);
        self.at = at;
        let did = replay.step(&step).map_err(|said| format!("the host panics: {said}"))?;
        for (input, outputs) in did.steps {
            self.step(&input, outputs, at);
        }
        Ok(true)
    }

    fn tell(&mut self, happening: Happening, at: Fact) {
        self.queue.push_back((happening, at));
    }

    fn step(&mut self, input: &Input<Digest>, out: Outputs<Digest>, at: Fact) {
        match input {
            Input::Start(image) => {
                let disk =
                    Triple { accepted: image.accepted, current: image.current, last: image.last() };
                let found = Found { disk, snapshot: image.snapshot, log: image.log.clone() };
                self.start(found, at);
            }
            Input::Durable { upto } => self.durable(*upto, at),
            Input::Notify { .. }
            | Input::Link { .. }
            | Input::Recv { .. }
            | Input::Timer(_)
            | Input::Propose(_)
            | Input::Sync { .. }
            | Input::Session { .. }
            | Input::Resign => {}
        }
        let candidate = out.sends.iter().find_map(|send| match send.message {
            Message::AckEpoch { .. } => Some(send.to),
            Message::LearnerInfo { .. }
            | Message::LeaderInfo { .. }
            | Message::Diff { .. }
            | Message::Trunc { .. }
            | Message::Snap { .. }
            | Message::NewLeader { .. }
            | Message::AckNewLeader { .. }
            | Message::UpToDate
            | Message::Proposal(_)
            | Message::Ack { .. }
            | Message::Commit { .. }
            | Message::Inform(_)
            | Message::Ping { .. }
            | Message::Session(_) => None,
        });
        for (no, record) in out.writes {
            let written = match record {
                Record::Txn(txn) => {
                    if let Input::Propose(_) = input {
                        self.tell(Happening::Proposed(txn.clone()), at);
                    }
                    Written::Txn(txn)
                }
                Record::Truncate { to } => Written::Truncate(to),
                Record::Snapshot { zxid } => Written::Snapshot(zxid),
                // A candidate promises to itself.
                Record::AcceptedEpoch(epoch) => {
                    Written::Accepted(epoch, candidate.unwrap_or(self.server))
                }
                Record::CurrentEpoch(epoch) => Written::Current(epoch),
            };
            apply(&mut self.issued, &written);
            self.pending.push_back((no.0, written));
        }
        for send in &out.sends {
            let happening = match send.message {
                Message::AckNewLeader { epoch } => Happening::AckedInitial(epoch),
                Message::Ack { zxid } => Happening::Acked(zxid),
                Message::LearnerInfo { .. }
                | Message::LeaderInfo { .. }
                | Message::AckEpoch { .. }
                | Message::Diff { .. }
                | Message::Trunc { .. }
                | Message::Snap { .. }
                | Message::NewLeader { .. }
                | Message::UpToDate
                | Message::Proposal(_)
                | Message::Commit { .. }
                | Message::Inform(_)
                | Message::Ping { .. }
                | Message::Session(_) => continue,
            };
            match send.after {
                After::Durable(WriteNo(no)) if no > self.upto => self.held.push((no, happening)),
                After::Now | After::Durable(_) => self.tell(happening, at),
            }
        }
        for note in out.notes {
            match note {
                Note::Action(Action::LeaderElected) => {
                    self.elected = true;
                    self.tell(Happening::Elected(self.issued.accepted, self.issued.last), at);
                }
                Note::Established(epoch) if self.elected => {
                    self.tell(Happening::Established(epoch), at);
                }
                Note::Role(..) if self.elected => {
                    self.elected = false;
                    self.tell(Happening::Ended, at);
                }
                Note::Action(_)
                | Note::Established(_)
                | Note::Role(..)
                | Note::Refused(..)
                | Note::Ignored(_) => {}
            }
        }
        if let Some(zxid) = out.install {
            self.tell(Happening::Installed(zxid), at);
        }
        if !out.deliver.is_empty() {
            self.tell(Happening::Delivered(out.deliver), at);
        }
    }

    fn durable(&mut self, upto: WriteNo, at: Fact) {
        while self.pending.front().is_some_and(|(no, _)| *no <= upto.0) {
            let Some((no, written)) = self.pending.pop_front() else { return };
            self.upto = no;
            apply(&mut self.durable, &written);
            self.tell(Happening::Durable(written), at);
            let held = std::mem::take(&mut self.held);
            for (due, happening) in held {
                if due <= no {
                    self.tell(happening, at);
                } else {
                    self.held.push((due, happening));
                }
            }
        }
    }

    /// A crash leaves the disk with a prefix of the records that were on their way.
    fn start(&mut self, found: Found, at: Fact) {
        let pending = std::mem::take(&mut self.pending);
        self.held.clear();
        self.elected = false;
        let first = !std::mem::replace(&mut self.started, true);
        let mut disk = self.durable;
        let mut prefix = Vec::new();
        let mut pending = pending.into_iter();
        let reached = loop {
            if disk == found.disk {
                break true;
            }
            let Some((_, written)) = pending.next() else { break false };
            apply(&mut disk, &written);
            prefix.push(written);
        };
        self.upto = 0;
        self.issued = found.disk;
        self.durable = found.disk;
        if first {
            self.tell(Happening::First(found), at);
            return;
        }
        if reached {
            for written in prefix {
                self.tell(Happening::Durable(written), at);
            }
        }
        self.tell(Happening::Started(found), at);
    }
}

fn apply(disk: &mut Triple, written: &Written) {
    match written {
        Written::Accepted(epoch, _) => disk.accepted = *epoch,
        Written::Current(epoch) => disk.current = *epoch,
        Written::Txn(txn) => disk.last = txn.zxid,
        Written::Truncate(to) => disk.last = *to,
        Written::Snapshot(zxid) => disk.last = *zxid,
    }
}
