//! Recorded runs of real servers against the host, the core and the properties of the protocol.
//!
//! The events of each recording are given to a [`host::Host`] with its core, and what it asks for
//! is compared, effect by effect and packet by packet, with what was recorded: a server that did
//! anything else than the checked code shows here. Then the facts of all recordings are put
//! together, and the properties of the model are looked for in them: [`Property`] says what each
//! one means without a common clock. Among them is what crossed each connection (`wire.rs`).
//!
//! *What is taken for facts* are the events and effects as recorded, not the state of the replayed
//! host; so a property is checked behind a difference too. The exceptions are Z11, which compares
//! that state with what they add up to; R6, which compares what the replayed core says with what
//! left; and `Zab`, for which see below.
//!
//! Last, the steps of the cores, in hosts that are given the recorded events, are put into one
//! order as steps of abstract Zab, the protocol of `spec/Zab.tla` that the model is compared with
//! too and that is proved safe ([`Property::Zab`]).
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
mod replay;
mod report;
mod shadow;
mod table;
mod verdict;
mod wire;

pub use checker::Checker;
pub use difference::Difference;
pub use files::{Misuse, check, is_recording};
pub use property::Property;
pub use refinement::Source;
pub use report::{ActionReport, End, FactReport, FileReport, PacketReport, PropertyReport, Report};
