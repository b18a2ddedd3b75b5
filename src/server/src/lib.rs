//! The shell around the core: sockets, timers, the disk thread, sessions.
