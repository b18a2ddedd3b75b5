//! A host that is run again from a recording.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use host::{Host, Shell};
use recording::{Digest, Effect, Header, Payloads, Step, Translator};
use zab::{After, Input, Message, Outputs, Peer, Sid, Zxid};

use crate::core_steps::{digest_input, digest_outputs};

/// A step of the core.
pub(crate) type CoreStep = (Input<Digest>, Outputs<Digest>);

/// What is kept of the core's steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Keeps {
    /// COMMITs that it says.
    Commits,
    /// Everything.
    Steps,
}

/// The host of this build, which is given recorded events.
pub(crate) struct Replay {
    host: Host<Peer<Bytes>>,
    translator: Translator,
    effects: Vec<host::Effect<Bytes, ()>>,
    again: Again,
}

/// What the host is told, and what its core does.
struct Again {
    keeps: Keeps,
    /// The next of the recorded reports.
    reports: std::vec::IntoIter<Digest>,
    /// It asked for more.
    unreported: bool,
    input: Option<Input<Digest>>,
    steps: Vec<CoreStep>,
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
    pub(crate) steps: Vec<CoreStep>,
}

impl Replay {
    pub(crate) fn new(header: &Header, keeps: Keeps) -> Self {
        let text = Bytes::copy_from_slice(&header.config_text);
        Self {
            host: Host::new(Peer::new(header.config), text),
            translator: Translator::new(Payloads::StandIns),
            effects: Vec::new(),
            again: Again {
                keeps,
                reports: Vec::new().into_iter(),
                unreported: false,
                input: None,
                steps: Vec::new(),
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
        let Self { host, translator, effects, again } = self;
        effects.clear();
        again.reports = step.reports.clone().into_iter();
        let outcome = catch_unwind(AssertUnwindSafe(|| match step.event.again() {
            Some(event) => {
                translator.event(&event, None);
                host.handle(event, again, effects);
            }
            None => host.flush(effects),
        }));
        if let Err(panic) = outcome {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            return Err(text.unwrap_or_default());
        }
        let mut did = Did {
            commits: std::mem::take(&mut again.commits),
            steps: std::mem::take(&mut again.steps),
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
}

impl Shell<Bytes> for Again {
    fn begins(&mut self, input: &Input<Bytes>) {
        match self.keeps {
            Keeps::Steps => self.input = Some(digest_input(input)),
            Keeps::Commits => {}
        }
    }

    fn ended(&mut self, out: &Outputs<Bytes>) {
        match self.keeps {
            Keeps::Steps => {
                let input = self.input.take();
                self.steps.extend(input.map(|input| (input, digest_outputs(out))));
            }
            Keeps::Commits => {
                for send in &out.sends {
                    if let (Message::Commit { zxid }, After::Now) = (&send.message, send.after) {
                        self.commits.push((send.to, *zxid));
                    }
                }
            }
        }
    }

    fn report(&mut self) -> Option<Bytes> {
        let report = self.reports.next();
        self.unreported |= report.is_none();
        Some(report.map_or_else(Bytes::new, Digest::stand_in))
    }
}
