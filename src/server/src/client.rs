//! The client port: sockets of clients.

mod port;
mod task;
mod turns;

pub(crate) use port::{ClientPort, listen};
