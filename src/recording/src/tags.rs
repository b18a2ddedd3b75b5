//! The bytes of shapes.

use zab::{Halt, Sid, Zxid};

/// In the place of the number of a shape: here it comes itself.
pub(crate) const NEW_SHAPE: u8 = 255;

/// How a number relates to the one that it is told relative to; how a digest relates to the last one.
pub(crate) const SAME: u8 = 0;
/// One more.
pub(crate) const NEXT: u8 = 1;
/// Told apart from the shape.
pub(crate) const OTHER: u8 = 2;
/// In the place of a relation: a message that waits for no record.
pub(crate) const NOW: u8 = 3;

/// Any input, message, record or note: as postcard, apart from the shape.
pub(crate) const INPUT: u8 = 0;
pub(crate) const MESSAGE: u8 = 0;
pub(crate) const RECORD: u8 = 0;
pub(crate) const NOTE: u8 = 255;

pub(crate) const PROPOSAL: u8 = 1;
pub(crate) const INFORM: u8 = 2;
pub(crate) const ACK: u8 = 3;
pub(crate) const COMMIT: u8 = 4;
pub(crate) const FROM_PEER: u8 = 5;
pub(crate) const TO_PEER: u8 = 6;
pub(crate) const PROPOSE: u8 = 7;
pub(crate) const DURABLE: u8 = 8;

pub(crate) const REQUEST: u8 = 0;
pub(crate) const REVALIDATE: u8 = 1;
pub(crate) const SYNC: u8 = 2;

/// Which fields of the outputs are not empty, in the order in which they are told.
pub(crate) const WRITES: u8 = 1;
pub(crate) const DELIVER: u8 = 2;
pub(crate) const SENDS: u8 = 4;
pub(crate) const SESSION: u8 = 8;
pub(crate) const TIMERS: u8 = 16;
pub(crate) const NOTES: u8 = 32;
pub(crate) const REST: u8 = 64;

/// In deliveries: the end of them, some that were due, one transaction. Of records: a transaction.
pub(crate) const END: u8 = 0;
pub(crate) const DUE: u8 = 2;
pub(crate) const TXN: u8 = 1;

/// What is done with a timer.
pub(crate) const ARM: u8 = 0;
pub(crate) const DISARM: u8 = 8;

/// Notifications, install, links, synced, halt: what few steps have.
pub(crate) type Rest<N, L, D> = (N, Option<Zxid>, L, D, Option<Halt>);

/// An election message, and to whom.
pub(crate) type Notified = (Sid, zab::Notification);
