//! What a person sees of the checker: bounds, progress, summaries, JSON records and counterexamples
//! told as stories (text, JSON, HTML).
//!
//! A model joins in by implementing [`CheckableModel`] and being listed in a registry of models.
//! A [`Family`] says what its models are; how they are searched, replayed and told follows from
//! that. Nothing here knows what a particular model contains: a search answers with a [`Verdict`],
//! and everything shown is computed from that.

mod arrows;
mod bounds;
mod build_info;
mod checkable;
mod diagram;
mod engine;
mod entry;
mod family;
mod flaws;
mod html;
mod info;
mod list;
mod machine;
mod number;
mod progress;
mod record;
mod replay;
mod run;
mod select;
mod story;
mod summary;
mod text;
mod trace;
mod walk;

pub use bounds::{BoundInfo, Bounds, BoundsError};
pub use build_info::BuildInfo;
pub use checkable::{
    AbstractRun, ActionCount, CheckOptions, CheckableModel, Completion, Engine, PropertyVerdict,
    ReplayOutcome, Verdict, Violated, Violation,
};
pub use entry::Entry;
pub use family::{Claim, Condition, EVERY_CLAIM, Family, Marked, Replayed, Row, Seen};
pub use flaws::{FlawFound, FlawInfo, FlawRequest, FlawRow, FlawRunner, flaw_table, run_flaws};
pub use html::html_page;
pub use info::{ModelInfo, PropertyInfo, PropertyKind, Tier, TierBounds};
pub use list::list_text;
pub use machine::{Machine, resident_bytes};
pub use number::grouped;
pub use progress::{Phase, Progress, ProgressMode, Reporter};
pub use record::{Answer, PropertyRecord, Record, Versions, write_records};
pub use replay::replay;
pub use run::{AbstractRuns, CheckRequest, Console, Exit, check};
pub use select::{UsageError, find_model, select};
pub use story::{Arrow, Fate, Flight, Mark, Step, StepKind, Story};
pub use summary::{closing_line, summary_text};
pub use text::story_text;
pub use trace::{TRACE_FORMAT, TRACE_VERSION, TraceFile};
pub use walk::{Stride, Walk, walk};
