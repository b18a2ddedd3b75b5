//! The bytes that say what follows.

/// Kinds of events.
pub(crate) const START: u8 = 0;
pub(crate) const OPENED: u8 = 1;
pub(crate) const CLOSED: u8 = 2;
pub(crate) const UNREACHABLE: u8 = 3;
pub(crate) const RECEIVED: u8 = 4;
pub(crate) const STATE: u8 = 5;
pub(crate) const NOTIFIED: u8 = 6;
pub(crate) const ELECTION_OPENED: u8 = 7;
pub(crate) const DURABLE: u8 = 8;
pub(crate) const TIMER: u8 = 9;
pub(crate) const PROPOSE: u8 = 10;
pub(crate) const SYNC: u8 = 11;
pub(crate) const SYNC_FOR: u8 = 12;
pub(crate) const SESSION: u8 = 13;
pub(crate) const RESIGN: u8 = 14;
pub(crate) const FLUSH: u8 = 15;
/// Added to the kind of an event: reports follow.
pub(crate) const REPORTS: u8 = 0x80;

/// Kinds of effects.
pub(crate) const END: u8 = 0;
/// The next record, with the next transaction.
pub(crate) const WRITE_NEXT: u8 = 1;
/// The next record, with another transaction.
pub(crate) const WRITE_TXN: u8 = 2;
pub(crate) const WRITE: u8 = 3;
/// So many of the next transactions, whose contents are known.
pub(crate) const DELIVER_NEXT: u8 = 4;
pub(crate) const DELIVER: u8 = 5;
pub(crate) const FRAMES: u8 = 6;
pub(crate) const TO_SESSION: u8 = 7;
pub(crate) const ACTION: u8 = 8;
pub(crate) const NOTE: u8 = 9;
pub(crate) const ARM: u8 = 10;
pub(crate) const DISARM: u8 = 11;
pub(crate) const OTHER: u8 = 12;
/// In the place of all effects: they are told as those of the last event of its kind.
pub(crate) const LIKE: u8 = 255;

/// How a packet is told, in the upper bits of the byte whose lower bits are its kind.
///
/// So many packets with the expected zxid and content.
pub(crate) const AS_EXPECTED: u8 = 0 << 5;
/// So many with the expected zxid, and their contents.
pub(crate) const CONTENT: u8 = 1 << 5;
/// One with another zxid, and the expected content.
pub(crate) const ZXID: u8 = 2 << 5;
/// One with another zxid, and its content.
pub(crate) const BOTH: u8 = 3 << 5;
pub(crate) const KIND: u8 = 0x1f;
/// No more packets: no kind has the number 0.
pub(crate) const NO_PACKET: u8 = 0;
