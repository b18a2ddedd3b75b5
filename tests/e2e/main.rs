//! End to end: real server processes, real clients, real faults.
//!
//! Everything here waits for conditions, never for time to pass. Clients that are not part of this
//! repository (kazoo, ZooKeeper's Java and C command lines) are skipped where they are not
//! installed, with a sentence that says so; `VIVARIUM_CLIENTS=required` makes that an error.
//!
//! Longer runs, each with its numbers printed:
//!
//! ```text
//! cargo test --release --test e2e -- --ignored --nocapture two_hundred_kills
//! cargo test --release --test e2e -- --ignored --nocapture failover_time
//! ```

mod access;
mod admin;
mod answers;
mod apache;
mod audit;
mod authority;
mod client;
mod client_strangers;
mod clients;
mod cluster;
mod containers;
mod crashes;
mod damage;
mod data;
mod failover;
mod forged;
mod histories;
mod hostile;
mod http;
mod load;
mod membership;
mod metrics;
mod network;
mod partitions;
mod program;
mod sasl;
mod secure;
mod sessions;
mod shell;
mod sizes;
mod stopping;
mod strangers;
mod surface;
mod systemd;
mod tls;
mod tls_clients;
mod tls_quorum;
mod wild;
mod words;
