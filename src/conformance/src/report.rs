//! What is said of a set of recordings, for people and as a record.

use std::fmt::{self, Write};

use abstract_zab::action::Kind;
use serde::Serialize;
use wire::quorum::PacketType;
use zab::{Action, Sid};

use crate::checker::Checker;
use crate::difference::Difference;
use crate::property::Property;
use crate::verdict::Witness;
use crate::wire::Wire;

/// How a recording ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// With an orderly stop: no step is missing.
    Closed,
    /// The server was killed, or still runs: its last steps may be missing.
    Open,
    /// As open, and with a part of a chunk, which is left out.
    Torn,
    /// Within its header: no step was recorded.
    Empty,
    /// It is damaged, or not what it should be: what is behind that is not checked.
    Refused,
}

/// One recording.
#[derive(Clone, Debug, Serialize)]
pub struct FileReport {
    /// Its name.
    pub file: String,
    /// Who recorded.
    #[serde(serialize_with = "number_of")]
    pub server: Sid,
    /// Which start of that server.
    pub number: u64,
    /// The commit of the build that recorded.
    pub commit: String,
    /// The hash of the sources of that build's core and host.
    pub core: String,
    /// How many steps were replayed.
    pub steps: u64,
    /// How it ends.
    pub end: End,
    /// What is peculiar about the end.
    pub remark: Option<String>,
    /// Why it was refused.
    pub refusal: Option<String>,
    /// The first step whose effects are not the host's.
    pub difference: Option<Difference>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn number_of<S: serde::Serializer>(sid: &Sid, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(sid.0)
}

impl FileReport {
    pub(crate) fn new(name: &str, server: Sid, number: u64) -> Self {
        Self {
            file: name.to_owned(),
            server,
            number,
            commit: String::new(),
            core: String::new(),
            steps: 0,
            end: End::Open,
            remark: None,
            refusal: None,
            difference: None,
        }
    }

    pub(crate) fn missing(&self) -> Option<String> {
        match self.end {
            End::Closed => None,
            End::Open | End::Torn | End::Empty => Some(format!("the last steps of {}", self.file)),
            End::Refused => Some(format!("the rest of {}", self.file)),
        }
    }

    fn fails(&self) -> bool {
        self.refusal.is_some() || self.difference.is_some()
    }
}

/// What the recordings say about a property.
#[derive(Clone, Debug, Serialize)]
pub struct PropertyReport {
    /// The property.
    pub name: &'static str,
    /// `always`, as the model's.
    pub kind: &'static str,
    /// `null` if it is vacuous, or the recordings do not decide it.
    pub holds: Option<bool>,
    /// True if nothing that it speaks of was recorded.
    pub vacuous: bool,
    /// How often it was looked at and held.
    pub occurrences: u64,
    /// How often it was violated.
    pub violations: u64,
    /// How often it could not be decided.
    pub undecided: u64,
    /// Why it is not decided, or not always.
    pub reason: Option<String>,
    /// The facts that contradict each other, of the first violation: file, step, and what is so
    /// there.
    pub facts: Vec<FactReport>,
}

/// One recorded fact.
#[derive(Clone, Debug, Serialize)]
pub struct FactReport {
    /// The recording.
    pub file: String,
    /// The step in it, from 0.
    pub step: u64,
    /// What is so there.
    pub fact: String,
}

/// How often the servers took an action of the protocol.
#[derive(Clone, Debug, Serialize)]
pub struct ActionReport {
    /// The action.
    pub name: String,
    /// How often.
    pub count: u64,
}

/// How often packets of a kind crossed connections.
#[derive(Clone, Debug, Serialize)]
pub struct PacketReport {
    /// ZooKeeper's name of it; `NOTIFICATION` is a message of the election port.
    pub name: &'static str,
    /// How many servers that recorded let leave.
    pub sent: u64,
    /// How many they were given.
    pub received: u64,
}

/// Everything.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Of this kind of record.
    pub name: &'static str,
    /// Servers that recorded.
    pub servers: usize,
    /// Steps replayed.
    pub steps: u64,
    /// The recordings, by server and number.
    pub recordings: Vec<FileReport>,
    /// What is not there of the recordings that there should be: whole ones, and the ends of
    /// others.
    pub missing: Vec<String>,
    /// Every property.
    pub properties: Vec<PropertyReport>,
    /// Every action, of the core and then of abstract Zab (`Zab!`), those never taken included.
    pub actions: Vec<ActionReport>,
    /// Every kind of packet, those that never occurred included.
    pub packets: Vec<PacketReport>,
}

impl Report {
    pub(crate) fn new(checker: Checker) -> Self {
        let missing = checker.absent();
        let Checker { files, merged, servers, actions, abstract_actions, .. } = checker;
        let fact = |Witness(at, fact): &Witness| FactReport {
            file: files.get(at.file()).map(|file| file.file.clone()).unwrap_or_default(),
            step: at.step(),
            fact: fact.clone(),
        };
        let property = |property: Property| {
            let tally = merged.tallies.of(property);
            let holds = match (tally.violated, tally.held) {
                (0, 0) => None,
                (0, _) => Some(true),
                _ => Some(false),
            };
            let vacuous =
                holds.is_none() && tally.undecided == 0 && property.not_checkable().is_none();
            let reason = match (property.not_checkable(), &tally.missing) {
                (Some(why), _) => Some(why.to_owned()),
                (None, Some(missing)) => Some(missing.clone()),
                (None, None) if vacuous => {
                    Some("nothing that it speaks of was recorded".to_owned())
                }
                (None, None) => None,
            };
            PropertyReport {
                name: property.name(),
                kind: "always",
                holds,
                vacuous,
                occurrences: tally.held,
                violations: tally.violated,
                undecided: tally.undecided,
                reason,
                facts: tally.first.iter().map(fact).collect(),
            }
        };
        let properties = Property::ALL.map(property).to_vec();
        let action = |action: Action| ActionReport {
            name: format!("{action:?}"),
            count: actions.get(&action).copied().unwrap_or(0),
        };
        let abstract_action = |kind: Kind| ActionReport {
            name: kind.qualified().to_owned(),
            count: abstract_actions.get(&kind).copied().unwrap_or(0),
        };
        Self {
            name: "recordings",
            servers: servers.len(),
            steps: files.iter().map(|file| file.steps).sum(),
            missing,
            properties,
            actions: Action::ALL
                .map(action)
                .into_iter()
                .chain(Kind::ALL.map(abstract_action))
                .collect(),
            packets: packets(&merged.wire),
            recordings: files,
        }
    }

    /// True if every recording is the host's, and no property is violated. What is not decided does
    /// not count.
    pub fn passes(&self) -> bool {
        !self.recordings.iter().any(FileReport::fails)
            && self.properties.iter().all(|property| property.violations == 0)
    }

    /// True if nothing is missing, and every property that recordings can show is decided wherever
    /// it was looked at. What is vacuous is: nothing that it speaks of happened.
    pub fn decides_everything(&self) -> bool {
        self.missing.is_empty() && self.properties.iter().all(|property| property.undecided == 0)
    }

    /// The property of this name, for tests.
    pub fn property(&self, name: &str) -> Option<&PropertyReport> {
        self.properties.iter().find(|property| property.name == name)
    }
}

fn packets(wire: &Wire) -> Vec<PacketReport> {
    let mut packets: Vec<_> = PacketType::ALL
        .iter()
        .map(|kind| {
            let (sent, received) = wire.kinds.get(kind).copied().unwrap_or_default();
            PacketReport { name: kind.name(), sent, received }
        })
        .collect();
    let (sent, received) = wire.notifications;
    packets.push(PacketReport { name: "NOTIFICATION", sent, received });
    packets
}

/// The names of things that never occurred.
fn never<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: usize, word: &str| {
            format!("{count} {word}{}", if count == 1 { "" } else { "s" })
        };
        writeln!(
            f,
            "{} of {}, {} steps",
            plural(self.recordings.len(), "recording"),
            plural(self.servers, "server"),
            self.steps
        )?;
        let width = self.recordings.iter().map(|file| file.file.len()).max().unwrap_or(0);
        for file in &self.recordings {
            writeln!(f, "  {:width$}  {}", file.file, Line(file))?;
            if let Some(Difference { step, event, field, recorded, replayed }) = &file.difference {
                writeln!(f, "      step {step}, {event}")?;
                writeln!(f, "      {field} as recorded:  {recorded}")?;
                writeln!(f, "      {field} by the host:  {replayed}")?;
            }
        }
        for missing in &self.missing {
            writeln!(f, "  may be missing: {missing}")?;
        }
        writeln!(f, "properties")?;
        let width = self.properties.iter().map(|property| property.name.len()).max().unwrap_or(0);
        for property in &self.properties {
            writeln!(f, "  {:width$}  {}", property.name, Said(property))?;
            for FactReport { file, step, fact } in &property.facts {
                writeln!(f, "      {file} step {step}: {fact}")?;
            }
        }
        writeln!(f, "packets")?;
        for PacketReport { name, sent, received } in &self.packets {
            if sent + received > 0 {
                writeln!(f, "  {name:17}  {sent} sent, {received} received")?;
            }
        }
        let missing = self.packets.iter().filter(|packet| packet.sent + packet.received == 0);
        writeln!(f, "  never: {}", never(missing.map(|packet| packet.name)))?;
        let missing = self.actions.iter().filter(|action| action.count == 0);
        let missing = never(missing.map(|action| action.name.as_str()));
        writeln!(f, "actions that were never taken: {missing}")
    }
}

struct Line<'a>(&'a FileReport);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FileReport { steps, end, remark, refusal, difference, .. } = self.0;
        let end = match end {
            End::Closed => "whole",
            End::Open => "open: the server was killed, or still runs",
            End::Torn => "torn: the server was killed",
            End::Empty => "without a step: the server was killed before",
            End::Refused => "REFUSED",
        };
        write!(f, "{steps:>9} steps, {end}")?;
        for said in [remark, refusal].into_iter().flatten() {
            write!(f, " ({said})")?;
        }
        match difference {
            Some(difference) => write!(f, ", DIFFERS from the host at step {}", difference.step),
            None if *steps > 0 => f.write_str(", every effect is the host's"),
            None => Ok(()),
        }
    }
}

struct Said<'a>(&'a PropertyReport);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PropertyReport { holds, vacuous, occurrences, violations, undecided, reason, .. } =
            self.0;
        let mut text = String::new();
        match holds {
            Some(true) => write!(text, "holds, {occurrences} times")?,
            Some(false) => write!(text, "VIOLATED, {violations} times")?,
            None if *undecided > 0 => text.push_str("not decidable"),
            None if *vacuous => text.push_str("vacuous"),
            None => text.push_str("not checked"),
        }
        if holds.is_some() && *undecided > 0 {
            write!(text, "; {undecided} times not decidable")?;
        }
        f.write_str(&text)?;
        match reason {
            Some(reason) => write!(f, " ({reason})"),
            None => Ok(()),
        }
    }
}
