//! One server's recordings as the facts that its core reports, in its own order, read as they are
//! needed.

use std::collections::VecDeque;
use std::io::{Read, Seek};

use recording::{Digest, Event, Reader, Tail};
use zab::{Epoch, Fact, Sid, Zxid};

use crate::replay::{Keeps, Replay};
use crate::verdict::Place;

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

/// What a disk is known by: both epochs, and the end of the history.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Disk {
    accepted: Epoch,
    current: Epoch,
    last: Zxid,
}

impl Disk {
    /// Adds what one more durable record has changed.
    fn take(&mut self, fact: &Fact<Digest>) {
        match fact {
            Fact::Started { accepted, current, snapshot: _, last, history_lost: _ } => {
                *self = Self { accepted: *accepted, current: *current, last: *last };
            }
            Fact::Promised { epoch, candidate: _ } => self.accepted = *epoch,
            Fact::Accepted { epoch } => self.current = *epoch,
            Fact::Appended(txn) => self.last = txn.zxid,
            Fact::Truncated { to: last } | Fact::Replaced { zxid: last } => self.last = *last,
            Fact::Elected { .. }
            | Fact::Acknowledged { .. }
            | Fact::Established { .. }
            | Fact::Proposed(_)
            | Fact::Installed { .. }
            | Fact::Delivered(_)
            | Fact::LeadershipEnded => {}
        }
    }
}

/// The recordings of one server.
pub(super) struct Stream<R> {
    pub(super) server: Sid,
    files: VecDeque<(usize, Source<R>)>,
    reader: Option<(usize, Reader<R>)>,
    /// The host of this recording, or of the last one.
    replay: Option<Replay>,
    queue: VecDeque<(Fact<Digest>, Place)>,
    durable: Disk,
    started: bool,
    /// Recordings that may lack steps: their names.
    pub(super) open: Vec<String>,
    name: String,
    /// The number of the last recording.
    number: u64,
}

impl<R: Read + Seek> Stream<R> {
    /// The recordings of one server, in the order of their numbers, each with its place among all
    /// files.
    pub(super) fn new(server: Sid, files: Vec<(usize, Source<R>)>) -> Self {
        Self {
            server,
            files: files.into(),
            reader: None,
            replay: None,
            queue: VecDeque::new(),
            durable: Disk::default(),
            started: false,
            open: Vec::new(),
            name: String::new(),
            number: 0,
        }
    }

    /// What happens next here; it stays there until [`Stream::pop`].
    ///
    /// # Errors
    /// A recording cannot be read on.
    pub(super) fn peek(&mut self) -> Result<Option<(&Fact<Digest>, Place)>, String> {
        while self.queue.is_empty() {
            if !self.read()? {
                return Ok(None);
            }
        }
        Ok(self.queue.front().map(|(fact, at)| (fact, *at)))
    }

    /// The first fact was placed.
    pub(super) fn pop(&mut self) {
        self.queue.pop_front();
    }

    /// Reads one more step, or opens a recording; false if there is none.
    fn read(&mut self) -> Result<bool, String> {
        let Some((file, reader)) = &mut self.reader else { return self.open_next() };
        let file = *file;
        let read = reader.step().map_err(|refused| refused.to_string())?;
        let Some(step) = read else {
            if reader.tail() != Some(&Tail::Closed) {
                self.open.push(self.name.clone());
            }
            self.reader = None;
            return Ok(true);
        };
        let at = Place::new(file, step.number);
        let mut replay = match (&step.event, self.replay.take()) {
            (Event::Start(image), before) => {
                let found =
                    Disk { accepted: image.accepted, current: image.current, last: image.last() };
                let replay = Replay::new(reader.header(), Keeps::Facts);
                if let Some(before) = before {
                    if image.history_lost {
                        self.damaged(before, found.accepted, at)?;
                    } else {
                        self.crashed(before, found, at)?;
                    }
                }
                replay
            }
            (_, Some(replay)) => replay,
            (_, None) => return Err(format!("{}: it does not begin with a start", self.name)),
        };
        for fact in replay.step(&step).map_err(panics)?.facts {
            self.tell(fact, at);
        }
        self.started = true;
        self.replay = Some(replay);
        Ok(true)
    }

    fn open_next(&mut self) -> Result<bool, String> {
        let Some((file, source)) = self.files.pop_front() else { return Ok(false) };
        let Source { name, number, bytes, .. } = source;
        let reader = Reader::open(bytes).map_err(|refused| format!("{name}: {refused}"))?;
        if self.started && number != self.number + 1 {
            self.open.push(format!("those before {name}"));
        }
        self.number = number;
        self.name = name;
        match reader {
            Some(reader) => self.reader = Some((file, reader)),
            None => self.open.push(self.name.clone()),
        }
        Ok(true)
    }

    /// A crash leaves the disk with a prefix of the records that were on their way: the shortest
    /// that makes it what the next start has found. What was durable, though the host never heard
    /// it, it is told now, and what its core says about its disk counts.
    fn crashed(&mut self, mut before: Replay, found: Disk, at: Place) -> Result<(), String> {
        let (mut disk, mut facts) = (self.durable, Vec::new());
        while disk != found {
            let Some(more) = before.one_more_record().map_err(panics)? else {
                return Ok(());
            };
            more.iter().for_each(|fact| disk.take(fact));
            facts.extend(more);
        }
        facts.into_iter().for_each(|fact| self.tell(fact, at));
        Ok(())
    }

    /// Of a disk whose history was set aside only the promise is known: what was durable before it
    /// is told, and what came behind it on a disk that nobody can read was heard of by nobody.
    fn damaged(&mut self, mut before: Replay, accepted: Epoch, at: Place) -> Result<(), String> {
        while self.durable.accepted < accepted {
            let Some(more) = before.one_more_record().map_err(panics)? else {
                return Ok(());
            };
            more.into_iter().for_each(|fact| self.tell(fact, at));
        }
        Ok(())
    }

    fn tell(&mut self, fact: Fact<Digest>, at: Place) {
        self.durable.take(&fact);
        self.queue.push_back((fact, at));
    }
}

fn panics(said: String) -> String {
    format!("the host panics: {said}")
}
