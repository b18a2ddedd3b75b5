//! The client port: sockets of clients.

mod handshakes;
mod port;
mod task;
mod turns;

pub(crate) use port::{ClientPort, listen};
