//! What ZooKeeper promises its clients, checked of a history of what they saw.
//!
//! A [`History`] says who asked what, when, and what came back, which events watches brought, how
//! sessions began, moved and ended, and, if it can be had, the log of what was committed.
//! [`History::check`] finds every place where that breaks a [`Rule`]. Nothing here knows how a
//! server works: the same rules judge simulated runs, real ensembles, and Apache ZooKeeper's.
//!
//! There is no search for an order that explains the history. The zxids that servers tell are the
//! order, and what is checked is that everything agrees with them: real time, the results of
//! writes, what was read, the events, and the log. Checking takes about as long as sorting.
//!
//! *With a log* every outcome that a client does not know is known, and everything is decided.
//! *Without one* the writes that were acknowledged, ordered by zxid, stand for it; then nobody else
//! may write below the paths that are used, and what a write of unknown outcome may have changed
//! is counted as undecided instead of being judged.
//!
//! Not checked: ACLs, quotas, ctime and mtime of a node beyond that they are always the same, and
//! nodes below `/zookeeper`.
//!
//! | module | what it does |
//! |---|---|
//! | [`operation`], [`answer`], [`record`] | what a history consists of |
//! | [`format`](mod@format) | histories as text |
//! | [`recorder`] | how a driver makes one |
//! | [`report`] | rules, violations, counts |
//! | `tree`, `tree/write` | ZooKeeper's tree, small, with undo |
//! | `watch` | which changes a watch is about |
//! | `check/` | the checks: `index` (sessions), `order` (real time), `sweep` (writes and reads, by zxid), `stream` (each session, in its order), `taint` (what cannot be decided) |

pub mod answer;
mod check;
pub mod format;
pub mod operation;
pub mod record;
pub mod recorder;
pub mod report;
mod tree;
mod watch;

pub use check::Malformed;
pub use recorder::Recorder;
pub use report::{Report, Rule, Verdict, Violation};

use record::Record;

/// What clients of one ensemble saw.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct History {
    /// The records; see [`format`](mod@format) for their order.
    pub records: Vec<Record>,
}

impl History {
    /// A history without records.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the records of other sessions.
    pub fn append(&mut self, mut other: Self) {
        self.records.append(&mut other.records);
    }

    /// Compares the history with every rule.
    ///
    /// # Errors
    ///
    /// If the records contradict each other in a way that no server is to blame for: an answer
    /// before its request, two requests with one number, a session that never began.
    pub fn check(&self) -> Result<Report, Malformed> {
        check::check(self)
    }
}
