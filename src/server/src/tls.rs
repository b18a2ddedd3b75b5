//! TLS on the client port and on the ports between servers: key stores, who is trusted, and the
//! connections themselves. (ZooKeeper: `X509Util`, `ZKTrustManager`, `UnifiedServerSocket`.)

mod algorithms;
mod ec;
mod hostname;
mod jks;
mod names;
mod pem;
mod pkcs12;
mod port;
mod reload;
mod setup;
mod stores;
mod stream;
mod usage;
mod verify;

pub(crate) use port::{Accepts, Dials, TLS_AT_PLAIN_PORT, is_tls};
pub(crate) use reload::{Apart, START_PATIENCE};
pub(crate) use setup::{Endpoint, cipher_suite_names};
pub(crate) use stream::{Reading, Stream, Writing};
