//! The facts of each part.

use std::collections::BTreeMap;

use checker::{ActionCount, PropertyKind, Record, Tier};
use model::flaws::Flaw;
use serde::{Deserialize, Serialize};

use super::Part;

/// What the model checker found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checks {
    /// The tier.
    pub tier: Tier,
    /// True if all models of the tier were to run.
    pub all: bool,
    /// The runs.
    pub models: Vec<ModelRun>,
    /// The properties in words.
    pub properties: Vec<PropertyText>,
}

/// One model, run once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelRun {
    /// What is modelled.
    pub about: String,
    /// What came of it, as `vivarium check --json` writes it.
    pub record: Record,
}

/// A property in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PropertyText {
    /// Its name.
    pub name: String,
    /// What kind of claim it makes.
    pub kind: PropertyKind,
    /// The claim.
    pub sentence: String,
    /// Where it comes from.
    pub source: String,
}

/// What `make -C proofs` said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proofs {
    /// The theorems whose assumptions were printed, each closed under the global context.
    pub theorems: Vec<String>,
    /// The sentence that counts them.
    pub closing: String,
    /// Weakened protocols, each with the lemma whose proof then fails.
    pub weakenings: Vec<String>,
    /// Example traces, each with what the extracted checker says.
    pub traces: Vec<String>,
}

/// What the tools say of the specification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Specification {
    /// Configurations of which the numbers of states are on record.
    pub counts: Vec<Count>,
    /// What `spec/check.sh` said, a line each.
    pub lines: Vec<String>,
    /// The last of them.
    pub closing: String,
    /// How long it took to count the states in Rust.
    pub rust_seconds: f64,
}

/// A configuration, and how many states it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// The configuration.
    pub name: String,
    /// Distinct states on record.
    pub states: u64,
    /// States on the longest shortest path, on record.
    pub depth: u64,
    /// Distinct states at each depth, on record.
    pub levels: Vec<u64>,
    /// What the tool that reads TLA+ found in this run; `null` if it did not look at this one.
    pub tla: Option<String>,
    /// Whether the Rust text has as many states at each depth, counted in this run; `null` where
    /// there is no Rust text.
    pub rust: Option<bool>,
}

/// What recorded runs of real servers show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conformance {
    /// The ensemble that was started for it; `null` if recordings were given.
    pub ensemble: Option<Ensemble>,
    /// How long the replay took.
    pub replay_seconds: f64,
    /// The recordings.
    pub recordings: Vec<Recording>,
    /// Steps replayed.
    pub steps: u64,
    /// Every action, of the core and then of abstract Zab (`Zab!`), those never taken included.
    pub actions: Vec<ActionCount>,
    /// Every property.
    pub properties: Vec<RunProperty>,
    /// What the trace checker that is extracted from the proof says of the run of abstract Zab.
    pub trace_checker: Part<String>,
}

/// Servers that were started, loaded and killed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ensemble {
    /// From its first start to its orderly end.
    pub seconds: f64,
    /// What the servers said of themselves (`srvr`): the core that each runs.
    pub cores: Vec<ServerCore>,
    /// What was killed, in order.
    pub kills: Vec<Kill>,
    /// The load meanwhile.
    pub load: Load,
}

/// The core of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerCore {
    /// Which server.
    pub server: u8,
    /// SHA-256 of its core's sources, as it says.
    pub core: String,
}

/// `kill -9`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kill {
    /// Seconds since the first start.
    pub at: f64,
    /// Whom.
    pub servers: Vec<u8>,
    /// What they were: `the leader`, `a follower`, `all`.
    pub who: String,
    /// Until all servers served in one epoch again.
    pub recovered_after: f64,
}

/// What clients asked for and got.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// In words.
    pub about: String,
    /// Writes acknowledged.
    pub acknowledged: u64,
    /// Requests that failed, by ZooKeeper's name of the error.
    pub errors: BTreeMap<String, u64>,
}

/// One recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// Its name.
    pub file: String,
    /// Steps replayed.
    pub steps: u64,
    /// How it ends: `closed`, `open`, `torn`, `empty`, `refused`.
    pub end: String,
    /// What is wrong with it: why it was refused, or the first step whose outputs are not the
    /// core's.
    pub wrong: Option<String>,
}

/// What the recordings say about a property.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunProperty {
    /// The property.
    pub name: String,
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
}

/// Seeded flaws.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flaws {
    /// The commit that last changed the table, and when; `null` outside a git checkout.
    pub recorded_at: Option<String>,
    /// All of them.
    pub flaws: Vec<FlawRun>,
}

/// One seeded flaw: what is on record, and what came of it here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlawRun {
    /// What is on record.
    pub recorded: Flaw,
    /// What came of it in this run; `null` if it was not run here.
    pub here: Option<FlawHere>,
}

/// What came of a flaw in this run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlawHere {
    /// Whether the property expected was the first to fail.
    pub caught: bool,
    /// What was found, in words.
    pub found: String,
    /// Length of the counterexample.
    pub depth: Option<u64>,
    /// Distinct states when it was found.
    pub states: Option<u64>,
    /// How long it took, with building.
    pub seconds: f64,
}

/// Mutants of the core.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mutants {
    /// The commit that last changed the table, and when; `null` outside a git checkout.
    pub recorded_at: Option<String>,
    /// All of them.
    pub mutants: Vec<Mutant>,
}

/// One mutant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mutant {
    /// Place and change.
    pub mutant: String,
    /// `killed`, `survived`, `equivalent`, `unviable`, `timeout`.
    pub outcome: String,
    /// What killed it.
    pub layer: String,
    /// Why it is equivalent, or anything else.
    pub note: String,
}

/// Records of long runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// All of them.
    pub entries: Vec<LedgerEntry>,
}

/// A record of a long run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// The file.
    pub file: String,
    /// The core's hash at the commit of the record; `null` if that cannot be known here.
    pub core: Option<String>,
    /// The record.
    pub record: Record,
}
