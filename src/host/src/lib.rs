//! The host of the core: the one place that carries out what the core asks for.
//!
//! The core ([`zab::Peer`]) says what to write, to send and to deliver, as data. The host turns
//! that into effects in one order, which whoever drives it carries out one after the other: a
//! server with sockets and a disk, or a model. It owns everything between the core and bytes:
//! messages that wait for the disk, connections and which of them counts, connections that come
//! early, the packets of each message, the election message that a peer was told last.
//!
//! No clock, no thread, no socket, no file: [`Host::handle`] is a function of the host and the
//! event.

mod claims;
mod connection;
mod election;
#[allow(clippy::module_inception, reason = "the crate is its one type")]
mod host;
mod io;
mod machine;
mod packets;

pub use claims::{CLAIMS_MAX, Turned};
pub use election::{decode_notification, encode_notification};
pub use host::Host;
pub use io::{Effect, Event, Generation, Link, Remark, Shell, Silent, Timer};
pub use machine::{Alone, Core, Elected, Electing};
pub use packets::{Decoder, Payload, Requests, encode_request, learner_of, requests, take, zxid};
