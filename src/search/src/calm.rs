//! Calm runs: once faults stop, every fair run gets to a goal, from every state that was reached
//! before.
//!
//! The check has two halves. The first explores a model as for safety and keeps every state. The
//! second starts from all of them at once, with what the model may do when no more faults happen
//! ([`Calms`]), and looks for a fair run that never reaches the goal ([`crate::fair`]).
//!
//! *Calm* means partial synchrony after some moment. Messages, disks and the noticing of what is
//! broken are always possible. Timers run out only when nothing else can happen: they are longer
//! than everything else takes. A message that is possible stays possible, so weak fairness says
//! that it is taken at last; a timer is due only at quiet moments, and what is due again and again
//! must run out at last, which is strong fairness.

mod pass;

pub use pass::{Found, Half, Lasso, find};

use crate::{Space, Successors};

/// A model, and what it does once faults stop.
pub trait Calms: Space {
    /// Makes of a reached state the one in which the faults have just stopped: no budget is left,
    /// or counts.
    fn calmed(&self, state: &mut [u32]);

    /// Pushes the calm steps of a state: all that are possible but timers, or else the timers that
    /// are due.
    fn calm_steps(&self, worker: &mut Self::Worker, state: &[u32], out: &mut Successors);

    /// Whether this is where every calm run has to get.
    fn is_goal(&self, worker: &mut Self::Worker, state: &[u32]) -> bool;

    /// The fairness class of a step: below [`STRONG_FROM`] if it stays possible until it is taken,
    /// from there on if it is a timer.
    fn class(&self, label: u32) -> u8;
}

/// The first class of timers.
pub const STRONG_FROM: u8 = 128;
