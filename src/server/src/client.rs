//! The client port: sockets of clients.

mod handshakes;
mod port;
mod task;

pub(crate) use port::{ClientPort, listen};
