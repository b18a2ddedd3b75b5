//! A host that is run again from a recording.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use host::{Host, Shell};
use recording::{Digest, Effect, Header, Payloads, Step, Translator};
use zab::{After, Fact, Input, Message, Outputs, Peer, Sid, Txn, WriteNo, Zxid};

/// What is kept of the core's steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Keeps {
    /// COMMITs that it says.
    Commits,
    /// What it reports.
    Facts,
}

/// The host of this build, which is given recorded events.
pub(crate) struct Replay {
    host: Host<Peer<Bytes>>,
    translator: Translator,
    effects: Vec<host::Effect<Bytes, ()>>,
    /// The last record that was issued.
    issued: WriteNo,
    /// The last record that is known to be durable.
    durable: WriteNo,
    again: Again,
}

/// What the host is told, and what its core does.
struct Again {
    keeps: Keeps,
    /// The next of the recorded reports.
    reports: std::vec::IntoIter<Digest>,
    /// It asked for more.
    unreported: bool,
    facts: Vec<Fact<Digest>>,
    commits: Vec<(Sid, Zxid)>,
}

/// What the host did with an event.
#[derive(Debug, Default)]
pub(crate) struct Did {
    pub(crate) effects: Vec<Effect>,
    /// How many of the reports it did not ask for, or that it asked for one too many.
    pub(crate) reports: Option<String>,
    /// COMMITs that its core said, and to whom.
    pub(crate) commits: Vec<(Sid, Zxid)>,
    /// What its core reported.
    pub(crate) facts: Vec<Fact<Digest>>,
}

impl Replay {
    pub(crate) fn new(header: &Header, keeps: Keeps) -> Self {
        let text = Bytes::copy_from_slice(&header.config_text);
        Self {
            host: Host::new(Peer::new(header.config), text),
            translator: Translator::new(Payloads::StandIns),
            effects: Vec::new(),
            issued: WriteNo(0),
            durable: WriteNo(0),
            again: Again {
                keeps,
                reports: Vec::new().into_iter(),
                unreported: false,
                facts: Vec::new(),
                commits: Vec::new(),
            },
        }
    }

    pub(crate) fn host(&self) -> &Host<Peer<Bytes>> {
        &self.host
    }

    /// Gives the host the event of a step.
    ///
    /// # Errors
    /// It panics: what it said.
    pub(crate) fn step(&mut self, step: &Step) -> Result<Did, String> {
        self.again.reports = step.reports.clone().into_iter();
        let event = step.event.again();
        if let Some(event) = &event {
            self.translator.event(event, None);
        }
        self.handle(event)?;
        let Self { translator, effects, again, .. } = self;
        let mut did = Did {
            commits: std::mem::take(&mut again.commits),
            facts: std::mem::take(&mut again.facts),
            ..Did::default()
        };
        effects.iter().for_each(|effect| translator.effect(effect, &mut did.effects));
        let left = again.reports.len();
        did.reports = match (std::mem::take(&mut again.unreported), left) {
            (true, _) => Some("one more is asked for".to_owned()),
            (false, 0) => None,
            (false, left) => Some(format!("{left} of them are not asked for")),
        };
        Ok(did)
    }

    /// What the core reports of one more record that is durable, though nobody has said so; `None`
    /// if none is on its way.
    ///
    /// # Errors
    /// The host panics: what it said.
    pub(crate) fn one_more_record(&mut self) -> Result<Option<Vec<Fact<Digest>>>, String> {
        if self.durable >= self.issued {
            return Ok(None);
        }
        self.handle(Some(host::Event::Durable(WriteNo(self.durable.0 + 1))))?;
        let facts = std::mem::take(&mut self.again.facts);
        let of_the_disk = |fact: &Fact<Digest>| {
            fact.is_of_a_record() || matches!(fact, Fact::Acknowledged { .. })
        };
        Ok(Some(facts.into_iter().filter(of_the_disk).collect()))
    }

    /// Lets the host handle an event, or flush.
    fn handle(&mut self, event: Option<host::Event<Bytes, ()>>) -> Result<(), String> {
        let Self { host, effects, again, .. } = self;
        effects.clear();
        if let Some(host::Event::Durable(upto)) = event {
            self.durable = upto;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| match event {
            Some(event) => host.handle(event, again, effects),
            None => host.flush(effects),
        }));
        if let Err(panic) = outcome {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            return Err(text.unwrap_or_default());
        }
        let writes = self.effects.iter().rev().find_map(|effect| {
            if let host::Effect::Write(no, _) = effect { Some(*no) } else { None }
        });
        self.issued = writes.unwrap_or(self.issued);
        Ok(())
    }
}

impl Shell<Bytes> for Again {
    fn begins(&mut self, _: &Input<Bytes>) {}

    fn ended(&mut self, out: &Outputs<Bytes>) {
        match self.keeps {
            Keeps::Facts => {}
            Keeps::Commits => {
                for send in &out.sends {
                    if let (Message::Commit { zxid }, After::Now) = (&send.message, send.after) {
                        self.commits.push((send.to, *zxid));
                    }
                }
            }
        }
    }

    fn fact(&mut self, fact: Fact<Bytes>) {
        match self.keeps {
            Keeps::Facts => self.facts.push(with_digests(fact)),
            Keeps::Commits => {}
        }
    }

    fn report(&mut self) -> Option<Bytes> {
        let report = self.reports.next();
        self.unreported |= report.is_none();
        Some(report.map_or_else(Bytes::new, Digest::stand_in))
    }
}

/// A fact of a core that was given stand-ins, with the digests that these stand for.
fn with_digests(fact: Fact<Bytes>) -> Fact<Digest> {
    let txn = |txn: Txn<Bytes>| Txn { zxid: txn.zxid, payload: Digest::of_stand_in(&txn.payload) };
    match fact {
        Fact::Started { accepted, current, snapshot, last, history_lost } => {
            Fact::Started { accepted, current, snapshot, last, history_lost }
        }
        Fact::Promised { epoch, candidate } => Fact::Promised { epoch, candidate },
        Fact::Elected { epoch, last } => Fact::Elected { epoch, last },
        Fact::Accepted { epoch } => Fact::Accepted { epoch },
        Fact::Appended(appended) => Fact::Appended(txn(appended)),
        Fact::Truncated { to } => Fact::Truncated { to },
        Fact::Replaced { zxid } => Fact::Replaced { zxid },
        Fact::Acknowledged { zxid } => Fact::Acknowledged { zxid },
        Fact::Established { epoch } => Fact::Established { epoch },
        Fact::Proposed(proposed) => Fact::Proposed(txn(proposed)),
        Fact::Installed { zxid } => Fact::Installed { zxid },
        Fact::Delivered(delivered) => Fact::Delivered(txn(delivered)),
        Fact::LeadershipEnded => Fact::LeadershipEnded,
    }
}
