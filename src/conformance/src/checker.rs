//! Recordings one by one through the host, and what they show.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, Write};

use abstract_zab::action::Kind;
use recording::{Effect, Event, Header, Other, Reader, Refused, Step, Tail};
use zab::{Action, Note, Quorum, Sid, Zxid};

use crate::difference::Difference;
use crate::merged::{Merged, Restart};
use crate::property::Property;
use crate::refinement::{self, Source};
use crate::replay::{Keeps, Replay};
use crate::report::{End, FileReport, Report};
use crate::shadow::{Disk, Shadow};
use crate::verdict::{Place, Witness};

/// Takes recordings, and then says what they show together.
#[derive(Debug, Default)]
pub struct Checker {
    pub(crate) files: Vec<FileReport>,
    pub(crate) merged: Merged,
    pub(crate) servers: BTreeMap<Sid, Server>,
    pub(crate) quorum: Option<(Quorum, usize)>,
    pub(crate) actions: BTreeMap<Action, u64>,
    pub(crate) abstract_actions: BTreeMap<Kind, u64>,
}

/// A server over all of its recordings so far.
#[derive(Debug)]
pub(crate) struct Server {
    /// The end of the first history that was recorded: what is up to there is older than the
    /// recordings.
    pub(crate) before: Option<Zxid>,
    /// The number of the first recording, and of the last so far.
    first: u64,
    number: u64,
    /// The last recording.
    end: Option<Left>,
    /// What is missing of its recordings, in words.
    pub(crate) missing: Vec<String>,
}

/// What a recording leaves to the next start.
#[derive(Debug)]
struct Left {
    at: Place,
    /// No step is missing, so these are all the disks that a crash can leave.
    disks: Option<Vec<Disk>>,
    durable: Disk,
    kept: Zxid,
}

impl Checker {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replays a recording. Those of one server must come in the order of their numbers; of
    /// servers, in any order. `server` and `number` are those in the name of the file.
    pub fn add<R: Read + Seek>(&mut self, name: &str, server: Sid, number: u64, source: R) {
        let file = self.files.len();
        let mut report = FileReport::new(name, server, number);
        let end = match Reader::open(source) {
            Ok(Some(mut reader)) => self.replay(file, &mut report, &mut reader),
            Ok(None) => {
                report.end = End::Empty;
                None
            }
            Err(refused) => {
                report.refuse(&refused);
                None
            }
        };
        self.files.push(report);
        let report = &self.files[file];
        let entry = self.servers.entry(server).or_insert_with(|| Server {
            before: None,
            first: number,
            number: number.saturating_sub(1),
            end: None,
            missing: Vec::new(),
        });
        if entry.number + 1 < number {
            let missing = format!("the recordings of {server} before number {number}");
            entry.missing.push(missing);
        }
        entry.number = number;
        // Without a step nothing is known, but what was durable before still is.
        if let Some(end) = end {
            entry.end = Some(end);
        } else if let Some(left) = &mut entry.end {
            left.disks = None;
        }
        if let Some(missing) = report.missing() {
            entry.missing.push(missing);
        }
    }

    fn replay<R: Read + Seek>(
        &mut self,
        file: usize,
        report: &mut FileReport,
        reader: &mut Reader<R>,
    ) -> Option<Left> {
        let header = reader.header().clone();
        report.commit.clone_from(&header.commit);
        report.core.clone_from(&header.core);
        if let Err(why) = self.admit(file, &header, report) {
            report.refusal = Some(why);
            report.end = End::Refused;
            return None;
        }
        self.merged.wire.begin();
        let replay = Some(Replay::new(&header, Keeps::Commits));
        let mut run = Run { report, replay, shadow: None };
        let outcome = loop {
            match reader.step() {
                Ok(Some(step)) => {
                    let at = Place::new(file, step.number);
                    if step.number == 0
                        && let Err(why) = self.start(&step.event, &mut run, at)
                    {
                        run.report.refusal = Some(why);
                        run.report.end = End::Refused;
                        return None;
                    }
                    run.report.steps += 1;
                    self.step(&mut run, at, &step);
                }
                Ok(None) => break Ok(()),
                Err(refused) => break Err(refused),
            }
        };
        let Run { report, shadow, .. } = run;
        let closed = match outcome {
            Ok(()) => report.ended(reader.tail()),
            Err(refused) => {
                report.refuse(&refused);
                false
            }
        };
        let shadow = shadow?;
        let at = Place::new(file, report.steps.saturating_sub(1));
        if closed {
            let Merged { wire, tallies, .. } = &mut self.merged;
            wire.flushed(tallies, at);
        }
        self.merged.ends.push((shadow.delivered(), at));
        Some(Left {
            at,
            disks: closed.then(|| shadow.possible_disks()),
            durable: shadow.durable(),
            kept: shadow.kept(),
        })
    }

    /// One ensemble, and the server that the name of the file says.
    fn admit(&mut self, file: usize, header: &Header, report: &FileReport) -> Result<(), String> {
        let Header { number, config, .. } = header;
        if (config.me, *number) != (report.server, report.number) {
            return Err(format!(
                "the header says that it is number {number} of {}, the name of the file number {} of {}",
                config.me, report.number, report.server
            ));
        }
        let (quorum, first) = *self.quorum.get_or_insert((config.quorum, file));
        if quorum != config.quorum {
            let first = self.files.get(first).map_or("another", |file| &file.file);
            return Err(format!(
                "its voters are {:?}, and those of {first} {:?}: recordings of one ensemble are checked together",
                config.quorum.voters(),
                quorum.voters()
            ));
        }
        Ok(())
    }

    /// The first step, and what the recordings before it demand of it.
    fn start(&mut self, event: &Event, run: &mut Run<'_>, at: Place) -> Result<(), String> {
        let Event::Start(image) = event else {
            return Err(format!("it begins with {event:?}, allowed: Start"));
        };
        let (me, number) = (run.report.server, run.report.number);
        let found = Disk::of(image);
        let merged = &mut self.merged;
        let before = self.servers.get(&me);
        if let Some(left) = before.and_then(|server| server.end.as_ref()) {
            let Disk { accepted, current, last } = left.durable;
            let says = || {
                vec![
                    Witness(
                        left.at,
                        format!(
                            "on disk: acceptedEpoch {accepted}, currentEpoch {current}, history to {last:?}"
                        ),
                    ),
                    Witness(
                        at,
                        format!(
                            "found: acceptedEpoch {}, currentEpoch {}, history to {:?}",
                            found.accepted, found.current, found.last
                        ),
                    ),
                ]
            };
            // Whoever says that its history is lost has to have its promise.
            let lost = image.history_lost;
            let monotone = found.accepted >= accepted && (lost || found.current >= current);
            merged.tallies.check(Property::Z8, monotone, says);
            let complete = before.is_some_and(|server| server.number + 1 == number);
            if let (Some(disks), true) = (&left.disks, complete) {
                let left = |disk: &Disk| {
                    if lost { disk.accepted == found.accepted } else { *disk == found }
                };
                merged.tallies.check(Property::R2, disks.iter().any(left), says);
            }
            let had = merged.durable.range((me, zab::Epoch(0))..=(me, zab::Epoch(u32::MAX)));
            let had = had.map(|(&(_, epoch), &at)| (epoch, at)).collect();
            if !lost {
                let (at, kept) = ((found.last, at), (left.kept, left.at));
                merged.restarts.push(Restart { at, kept, had });
            }
        }
        let server = self.servers.entry(me).or_insert_with(|| Server {
            before: None,
            first: number,
            number: number.saturating_sub(1),
            end: None,
            missing: Vec::new(),
        });
        server.before.get_or_insert(found.last);
        run.shadow = Some(Shadow::start(me, image, merged, at));
        Ok(())
    }

    fn step(&mut self, run: &mut Run<'_>, at: Place, step: &Step) {
        let Merged { tallies, wire, .. } = &mut self.merged;
        let (event, effects) = (&step.event, &step.effects);
        if let Some(replay) = &mut run.replay {
            let did = replay.step(step);
            tallies.check(Property::Z13, did.is_ok(), || {
                let said = did.as_ref().err().cloned().unwrap_or_default();
                vec![Witness(at, format!("the host panics: {said}"))]
            });
            run.report.difference = match did {
                Ok(did) => {
                    wire.said(&did, replay.host());
                    Difference::find(step, &did)
                }
                Err(said) => Some(Difference::panicked(step, said)),
            };
            if run.report.difference.is_some() {
                // From here on the host is somewhere else.
                run.replay = None;
            }
        }
        for effect in effects {
            if let Effect::Note(Note::Action(action)) = effect {
                *self.actions.entry(*action).or_default() += 1;
            }
        }
        wire.step(run.report.server, event, effects, tallies, at);
        let Some(shadow) = &mut run.shadow else { return };
        shadow.step(event, effects, &mut self.merged, at);
        if let Some(replay) = &run.replay {
            shadow.compare(replay.host().core(), &mut self.merged, at);
        }
        if let Event::Start(_) = event
            && at.step() == 0
        {
            let is_halt = |effect: &&Effect| matches!(effect, Effect::Other(Other::Halt(_)));
            let halt = effects.iter().find(is_halt);
            self.merged.tallies.check(Property::Z12, halt.is_none(), || {
                vec![Witness(at, format!("the core refuses to start: {halt:?}"))]
            });
        }
    }

    /// Follows the same recordings, in the same order, as a run of abstract Zab. That run is
    /// written to `out` as far as it goes, in the language of the proved trace checker.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn follow<R: Read + Seek>(
        &mut self,
        sources: Vec<Source<R>>,
        out: Option<&mut dyn Write>,
    ) -> io::Result<()> {
        let tallies = &mut self.merged.tallies;
        let refused = self.files.iter().find(|file| file.refusal.is_some());
        let (Some((quorum, _)), None) = (self.quorum, refused) else {
            tallies.undecided(Property::Zab, || {
                format!("of {}", refused.map_or("any server", |file| &file.file))
            });
            return Ok(());
        };
        let (followed, run) = refinement::follow(quorum, sources, out.is_some());
        tallies.held_times(Property::Zab, followed.actions());
        if !followed.refused.is_empty() {
            tallies.check(Property::Zab, false, || followed.refused);
        }
        if let Some(missing) = followed.undecided {
            tallies.undecided(Property::Zab, || missing);
        }
        self.abstract_actions = followed.taken;
        match (run, out) {
            (Some(run), Some(out)) => run.write(&quorum, out),
            (None, _) | (_, None) => Ok(()),
        }
    }

    /// What is missing of the recordings of a whole run, in words: of voters that recorded nothing,
    /// recordings before the first and between others, and the ends of those that were not closed.
    pub(crate) fn absent(&self) -> Vec<String> {
        let voters = self.quorum.iter().flat_map(|(quorum, _)| quorum.voters().iter());
        let silent = voters.filter(|sid| !self.servers.contains_key(sid));
        let silent = silent.map(|sid| format!("every recording of {sid}, which is a voter"));
        let known = self.servers.iter().flat_map(|(sid, server)| {
            let before = (server.first > 1)
                .then(|| format!("the recordings of {sid} before number {}", server.first));
            before.into_iter().chain(server.missing.iter().cloned())
        });
        silent.chain(known).collect()
    }

    /// What all of them show together.
    pub fn finish(mut self) -> Report {
        self.conclude();
        Report::new(self)
    }
}

/// A recording that is being replayed.
struct Run<'a> {
    report: &'a mut FileReport,
    /// `None` behind the first difference.
    replay: Option<Replay>,
    shadow: Option<Shadow>,
}

impl FileReport {
    /// True if nothing is missing.
    fn ended(&mut self, tail: Option<&Tail>) -> bool {
        self.end = match tail {
            Some(Tail::Closed) => End::Closed,
            Some(Tail::Open) | None => End::Open,
            Some(Tail::Torn { offset, bytes, rule }) => {
                self.remark =
                    Some(format!("{bytes} bytes at offset {offset} are left out: {rule}"));
                End::Torn
            }
        };
        self.end == End::Closed
    }

    fn refuse(&mut self, refused: &Refused) {
        self.refusal = Some(refused.to_string());
        self.end = End::Refused;
    }
}
