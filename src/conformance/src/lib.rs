//! Recorded runs of real servers against the core and the properties of the protocol.
//!
//! Each recording is fed through [`zab::Peer::step`], and what the core answers is compared byte
//! for byte with what was recorded: a server that did anything else than the checked code shows
//! here. Then the facts of all recordings are put together, and the properties of the model are
//! looked for in them: [`Property`] says what each one means without a common clock.
//!
//! *What is taken for facts* are the inputs and outputs as recorded, not the state of the replayed
//! core; so a property is checked behind a difference too. The one exception is Z11, which compares
//! that state with what they add up to.
//!
//! Last, all steps are put into one order as steps of abstract Zab, the protocol of `spec/Zab.tla`
//! that the model is compared with too and that is proved safe ([`Property::Zab`]).
//!
//! *What may be missing.* A server that is killed has recorded whatever had an effect. But a
//! recording that was not closed may lack its last steps after a loss of power, although what they
//! sent was received, and the two cannot be told apart. A property is called violated only by facts
//! that contradict each other whatever is missing; what would need a missing step is counted as not
//! decidable, with the recording that it would be in.

mod checker;
mod conclude;
mod difference;
mod files;
mod merged;
mod property;
mod refinement;
mod report;
mod shadow;
mod table;
mod verdict;

pub use checker::Checker;
pub use difference::Difference;
pub use files::{Misuse, check, is_recording};
pub use property::Property;
pub use refinement::Source;
pub use report::{ActionReport, End, FactReport, FileReport, PropertyReport, Report};
