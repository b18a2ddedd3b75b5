//! The bytes of shapes.

use zab::{Halt, Notification, Sid, Zxid};

/// In the place of the number of a shape: here it comes itself.
pub(crate) const NEW_SHAPE: u8 = 255;

/// How a number relates to the one that it is told relative to; how a digest relates to the last
/// one.
pub(crate) const SAME: u8 = 0;
/// One more.
pub(crate) const NEXT: u8 = 1;
/// A value.
pub(crate) const OTHER: u8 = 2;
/// In the place of a relation: a message that waits for no record.
pub(crate) const NOW: u8 = 3;

/// Any input, message, record or note: a value, as postcard.
pub(crate) const ANY: u8 = 0;

/// Kinds of inputs and messages.
pub(crate) const PROPOSAL: u8 = 1;
pub(crate) const INFORM: u8 = 2;
pub(crate) const ACK: u8 = 3;
pub(crate) const COMMIT: u8 = 4;
/// A message of the session layer that came.
pub(crate) const FROM_PEER: u8 = 5;
/// A message of the session layer that goes, or is to go.
pub(crate) const TO_PEER: u8 = 6;
pub(crate) const PROPOSE: u8 = 7;
pub(crate) const DURABLE: u8 = 8;

/// Kinds of messages of the session layer.
pub(crate) const REQUEST: u8 = 0;
pub(crate) const REVALIDATE: u8 = 1;
pub(crate) const SYNC: u8 = 2;

/// A record, or a note, of the usual kind.
pub(crate) const TXN: u8 = 1;
pub(crate) const ACTION: u8 = 1;

/// Transactions that are delivered: only such as were due, or others behind them.
pub(crate) const DUE: u8 = 1;
pub(crate) const OTHERS: u8 = 2;

/// Added to the kind of a timer.
pub(crate) const DISARM: u8 = 8;

/// The length of a list that has this many items, or more, is a value.
pub(crate) const MANY: u8 = 255;

/// Notifications, install, links, synced, halt: what few steps have.
pub(crate) type Rest<N, L, D> = (N, Option<Zxid>, L, D, Option<Halt>);

/// An election message, and to whom.
pub(crate) type Notified = (Sid, Notification);
