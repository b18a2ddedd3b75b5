//! The facts of a report. Its JSON form is what `report.json` holds: the names below, in this
//! order.
//!
//! Times are wall-clock seconds. A hash is in hexadecimal. `null` is said where something is not
//! known, never where it is zero.

mod facts;

use checker::Machine;
use serde::{Deserialize, Serialize};

pub use facts::*;

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
    /// The commit that this program was built from, with `-dirty` if its sources differed; or
    /// `unknown`.
    pub built_from: String,
    /// The commit of the source tree; `null` outside a git checkout.
    pub commit: Option<String>,
    /// Paths of sources, models, specification, proofs and tests that differ from that commit, as
    /// git names them.
    pub changed: Vec<String>,
    /// SHA-256 of the core's sources, as compiled into this program; `srvr`, `mntr` and `--version`
    /// name it too.
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
