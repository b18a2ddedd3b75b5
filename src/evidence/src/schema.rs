//! The facts of a report. Its JSON form is what `report.json` holds: the names below, in this order.
//!
//! Times are wall-clock seconds. A hash is in hexadecimal. `null` is said where something is not known, never where it is zero.

use std::collections::BTreeMap;

use model::flaws::Flaw;
use model::report::{ActionCount, Machine, PropertyKind, Record, Tier};
use serde::{Deserialize, Serialize};

/// What [`Report::format`] says.
pub const FORMAT: &str = "vivarium-evidence";
/// Version of the JSON form: a larger one may have other fields.
pub const VERSION: u32 = 1;

/// Everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// The command line that made it.
    pub command: String,
    /// When it began, UTC, as in RFC 3339.
    pub started: String,
    /// How long all of it took.
    pub seconds: f64,
    /// True if somebody stopped it before its end.
    pub interrupted: bool,
    /// What is not covered.
    pub not_covered: NotCovered,
    /// From what clients rely on down to recorded runs of real servers.
    pub chain: Vec<Link>,
    /// Of what this speaks, and where it ran.
    pub identity: Identity,
    /// Model checking.
    pub checks: Part<Checks>,
    /// The proofs.
    pub proofs: Part<Proofs>,
    /// The specification.
    pub specification: Part<Specification>,
    /// Recorded runs of real servers.
    pub conformance: Part<Conformance>,
    /// Seeded flaws.
    pub flaws: Part<Flaws>,
    /// Mutants of the core.
    pub mutants: Part<Mutants>,
    /// Records of long runs.
    pub ledger: Part<Ledger>,
}

/// What is not covered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotCovered {
    /// By this run, though there is a way to.
    pub this_run: Vec<Gap>,
    /// By any.
    pub any_run: Vec<Limit>,
}

/// Something that this run leaves open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// What kind of gap.
    pub kind: GapKind,
    /// Where.
    pub place: String,
    /// What is so, and why.
    pub text: String,
}

/// How something is left open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GapKind {
    /// It was tried, and does not hold.
    Failed,
    /// It was not tried.
    NotRun,
    /// Less was tried than could be.
    Partly,
}

/// Something that no run covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// What.
    pub name: String,
    /// What is so.
    pub text: String,
}

/// The strongest thing that may be said of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// For all sizes, by a proof that a machine has checked in this run.
    #[serde(rename = "proved")]
    Proved,
    /// In every case within the bounds that are said.
    #[serde(rename = "checked within bounds")]
    Checked,
    /// In the cases that came up.
    #[serde(rename = "tested")]
    Tested,
    /// Nothing was done in this run.
    #[serde(rename = "not run here")]
    NotRun,
    /// It was tried, and does not hold.
    #[serde(rename = "failed")]
    Failed,
}

impl Status {
    /// As it is written everywhere.
    pub fn word(self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Checked => "checked within bounds",
            Self::Tested => "tested",
            Self::NotRun => "not run here",
            Self::Failed => "failed",
        }
    }
}

/// One link of the chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// What is relied upon.
    pub upper: String,
    /// What has to keep to it.
    pub lower: String,
    /// What the link says.
    pub claim: String,
    /// What may be said of it.
    pub status: Status,
    /// How to do it by hand.
    pub command: String,
    /// Within which bounds, and under which assumptions.
    pub within: String,
    /// How long it took; `null` if nothing was done, or it was done together with something else.
    pub seconds: Option<f64>,
    /// What came of it.
    pub result: String,
}

/// Something that was to be done, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part<T> {
    /// How it ended.
    pub outcome: Outcome,
    /// Why it was not done, or has failed.
    pub reason: Option<String>,
    /// How to do it by hand.
    pub command: String,
    /// How long it took.
    pub seconds: f64,
    /// What is known of it; also of one that failed.
    pub facts: Option<T>,
}

/// How a part ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was done, and what it asks for holds.
    Holds,
    /// It was done, and does not hold.
    Failed,
    /// It was not done.
    NotRun,
    /// It was gathered from what is on record: nothing was run.
    Recorded,
}

/// Of what the report speaks, and where it was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// The commit that this program was built from, with `-dirty` if its sources differed; or `unknown`.
    pub built_from: String,
    /// The commit of the source tree; `null` outside a git checkout.
    pub commit: Option<String>,
    /// Paths that differ from that commit, as git names them.
    pub changed: Vec<String>,
    /// SHA-256 of the core's sources, as compiled into this program; `srvr`, `mntr` and `--version` name it too.
    pub core: String,
    /// The same, of the source tree as it is now.
    pub core_of_tree: String,
    /// Tools and what they say of their version; `null` for one that is not here.
    pub tools: Vec<Tool>,
    /// Cores and memory.
    pub machine: Machine,
    /// The model of the processor.
    pub cpu: Option<String>,
    /// Kernel and operating system.
    pub system: Option<String>,
    /// Load average over a minute when the run began: others may have used the machine too.
    pub load: Option<f64>,
}

/// A tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub used_for: String,
    /// Its version.
    pub version: Option<String>,
}

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
    /// Whether the Rust text has as many states at each depth, counted in this run; `null` where there is no Rust text.
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
    /// Actions of abstract Zab that no recording holds and that follow from what is recorded.
    pub inferred: u64,
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
    /// What is wrong with it: why it was refused, or the first step whose outputs are not the core's.
    pub wrong: Option<String>,
}

/// What the recordings say about a property.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunProperty {
    /// The property.
    pub name: String,
    /// `null` if the recordings do not decide it.
    pub holds: Option<bool>,
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

impl Report {
    /// True if something that was tried does not hold.
    pub fn fails(&self) -> bool {
        self.not_covered.this_run.iter().any(|gap| gap.kind == GapKind::Failed)
    }

    /// The result in one line.
    pub fn closing(&self) -> String {
        let mut parts = Vec::new();
        for status in
            [Status::Failed, Status::Proved, Status::Checked, Status::Tested, Status::NotRun]
        {
            let count = self.chain.iter().filter(|link| link.status == status).count();
            if count > 0 {
                parts.push(format!("{count} {}", status.word()));
            }
        }
        let failed =
            self.not_covered.this_run.iter().filter(|gap| gap.kind == GapKind::Failed).count();
        let verdict = match (self.interrupted, failed) {
            (true, _) => "interrupted".to_owned(),
            (false, 0) => "nothing failed".to_owned(),
            (false, 1) => "1 FAILURE".to_owned(),
            (false, failed) => format!("{failed} FAILURES"),
        };
        let links = self.chain.len();
        format!("{verdict}; {links} links: {}; {:.0} s", parts.join(", "), self.seconds)
    }
}

impl<T> Part<T> {
    /// One that was not done.
    pub fn not_run(command: &str, reason: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::NotRun,
            reason: Some(reason.into()),
            command: command.to_owned(),
            seconds: 0.0,
            facts: None,
        }
    }

    /// The facts, if it was done and holds.
    pub fn held(&self) -> Option<&T> {
        self.facts.as_ref().filter(|_| self.outcome == Outcome::Holds)
    }

    /// The reason, or the empty text.
    pub fn why(&self) -> &str {
        self.reason.as_deref().unwrap_or_default()
    }
}
