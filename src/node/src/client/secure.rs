//! What TLS means for a client's connection: how many handshakes there are, and who the client is
//! by its certificate. (ZooKeeper: `NettyServerCnxnFactory.CertificateVerifier`,
//! `X509AuthenticationProvider`.)

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use wire::Id;

use super::connection::Connection;
use super::shared::Shared;

/// Counters of handshakes.
#[derive(Default)]
pub(crate) struct Handshakes {
    /// Under way.
    pub(crate) outstanding: AtomicUsize,
    /// Ended without a client.
    pub(crate) failed: AtomicU64,
    /// Not begun, because too many were under way.
    pub(crate) exceeded: AtomicU64,
}

/// A handshake of a client: one that is dropped has failed.
pub struct Handshake<'a> {
    counters: &'a Handshakes,
    has_succeeded: bool,
}

impl Handshake<'_> {
    /// The client is there.
    pub fn succeeded(mut self) {
        self.has_succeeded = true;
    }
}

impl Drop for Handshake<'_> {
    fn drop(&mut self) {
        self.counters.outstanding.fetch_sub(1, Ordering::Relaxed);
        if !self.has_succeeded {
            self.counters.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Shared {
    /// A client begins a handshake.
    pub fn handshake_begins(&self) -> Handshake<'_> {
        let counters = &self.stats.handshakes;
        counters.outstanding.fetch_add(1, Ordering::Relaxed);
        Handshake { counters, has_succeeded: false }
    }

    /// A client was turned away, because too many handshakes are under way.
    pub fn handshake_exceeded(&self) {
        self.stats.handshakes.exceeded.fetch_add(1, Ordering::Relaxed);
    }
}

impl Connection {
    /// The client has shown a certificate with this name, and is so of scheme `x509`. One name may
    /// be the super user's.
    ///
    /// # Errors
    /// The name is too long: the connection has to be closed.
    pub fn certified(&self, name: String, shared: &Shared) -> Result<(), String> {
        let is_super = shared.settings.x509_super_user.as_ref() == Some(&name);
        let ids = [Some(Id::new("x509", name.clone())), is_super.then(|| Id::new("super", name))];
        if self.add_ids(ids.into_iter().flatten().collect()) {
            return Ok(());
        }
        Err("the name in its certificate is too long".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use zab::Sid;
    use znode::{Options, Tree};

    use super::*;
    use crate::io::Now;
    use crate::settings::{Build, NoMachine, Settings};

    struct Silent;

    impl crate::io::Bell for Silent {
        fn ring(&self) {}
    }

    fn shared(super_user: Option<&str>) -> Shared {
        let x509_super_user = super_user.map(str::to_owned);
        let settings = Settings { x509_super_user, ..Settings::alone(Sid(1)) };
        Shared::new(Arc::new(settings), Build::default(), NoMachine, Tree::new(Options::default()))
    }

    fn ids(super_user: Option<&str>, name: &str) -> Vec<Id> {
        let (shared, from) = (shared(super_user), SocketAddr::from(([127, 0, 0, 1], 9)));
        let connection = Connection::new(from, &shared, Now::default(), Silent, Silent);
        connection.certified(name.to_owned(), &shared).expect("it is short");
        connection.auth_ids()[1..].to_vec()
    }

    #[test]
    fn the_name_in_a_certificate_is_an_id_and_one_may_do_everything() {
        let anne = Id::new("x509", "CN=anne");
        let both = [anne, Id::new("super", "CN=anne")];
        assert_eq!(ids(None, "CN=anne"), both[..1]);
        assert_eq!(ids(Some("CN=bob"), "CN=anne"), both[..1]);
        assert_eq!(ids(Some("CN=anne"), "CN=anne"), both);
    }

    #[test]
    fn a_name_longer_than_ids_may_be_is_refused() {
        let (shared, from) = (shared(None), SocketAddr::from(([127, 0, 0, 1], 9)));
        let connection = Connection::new(from, &shared, Now::default(), Silent, Silent);
        let long = format!("CN={}", "a".repeat(1 << 16));
        assert!(connection.certified(long, &shared).is_err());
        assert_eq!(connection.auth_ids().len(), 1, "its address");
    }

    #[test]
    fn a_handshake_that_is_given_up_has_failed() {
        let shared = shared(None);
        let counters = &shared.stats.handshakes;
        let (first, second) = (shared.handshake_begins(), shared.handshake_begins());
        assert_eq!(counters.outstanding.load(Ordering::Relaxed), 2);
        first.succeeded();
        assert_eq!(counters.failed.load(Ordering::Relaxed), 0);
        drop(second);
        assert_eq!(counters.failed.load(Ordering::Relaxed), 1);
        assert_eq!(counters.outstanding.load(Ordering::Relaxed), 0);
    }
}
