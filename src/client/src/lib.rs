//! A client of any ensemble that speaks ZooKeeper's protocol.
//!
//! [`Protocol`] is the client without I/O: bytes in, bytes and answers out. It keeps who the client
//! is, which answers it waits for, and which watches it has, so that a session goes on over another
//! connection with everything that it had. [`Client`] drives one over TCP: it looks for a server
//! that serves, sends PINGs, and looks for another one when a connection is lost.

mod paths;
mod protocol;
mod session;
mod target;
mod watches;

pub use protocol::{Broken, Heard, Options, Protocol};
pub use session::{Client, Failure, Notice};
pub use target::Target;
