//! The other members, as a port between servers reaches and knows them.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use recording::Ports;
use tokio::net::TcpStream;
use tokio::time::timeout;
use zab::Sid;

use crate::peer_address::PeerAddresses;
use crate::recorder;
use crate::tls::{Accepts, Dials, Stream};

/// Where a port of a member is. Displays as `host:port`, IPv6 in brackets.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    /// As its `server.N` line says, IPv6 without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// The other members.
#[derive(Clone)]
pub(crate) struct Peers {
    pub(crate) addresses: BTreeMap<Sid, Address>,
    /// Where they may come from.
    pub(crate) sources: Arc<PeerAddresses>,
    pub(crate) accepts: Accepts,
    pub(crate) dials: Dials,
}

impl Peers {
    pub(crate) fn address(&self, sid: Sid) -> Option<&Address> {
        self.addresses.get(&sid)
    }

    /// All of them, in the order of their ids.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Sid, &Address)> {
        self.addresses.iter().map(|(sid, address)| (*sid, address))
    }

    /// Connects, and what both ends know the connection by.
    ///
    /// # Errors
    /// Nobody is there, or it is not the member.
    pub(crate) async fn dial(&self, address: &Address) -> io::Result<(Stream, Option<Ports>)> {
        let stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
        stream.set_nodelay(true)?;
        let over = recorder::ports(&stream, Some(address.port));
        Ok((self.dials.dial(stream, &address.host).await?, over))
    }

    /// See [`Accepts::accept`]. A handshake takes the time of both ends, so only who comes from the
    /// address of a member may begin one.
    ///
    /// # Errors
    /// It fails, or takes longer than `patience`.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
        from: IpAddr,
        patience: Duration,
    ) -> Result<Stream, String> {
        let accepting = async {
            if !matches!(self.accepts, Accepts::Plain) && !self.is_of_a_member(from).await {
                return Err(format!(
                    "it comes from {from}, which is the address of no other member \
                     (vivarium.peerAddressCheck=false lets it in)"
                ));
            }
            self.accepts.accept(stream).await
        };
        let accepted = timeout(patience, accepting).await;
        accepted.unwrap_or_else(|_| Err(format!("it has not begun within {patience:?}")))
    }

    async fn is_of_a_member(&self, from: IpAddr) -> bool {
        for sid in self.addresses.keys() {
            if self.sources.check(*sid, from).await.is_ok() {
                return true;
            }
        }
        false
    }

    /// Whether a connection from an address may be this member's.
    ///
    /// # Errors
    /// It may not; the sentence is for the operator.
    pub(crate) async fn check(
        &self,
        sid: Sid,
        stream: &Stream,
        from: IpAddr,
    ) -> Result<(), String> {
        let address = self.address(sid).ok_or_else(|| format!("{sid} is not another member"))?;
        self.sources.check(sid, from).await?;
        let checked = self.accepts.check_member(stream, &address.host, from);
        checked.map_err(|reason| format!("it claims to be {sid}, and {reason}"))
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::{ClientAuth, Password, Secret, StoreFile, StoreKind, TlsKeys, TlsVersions};
    use crate::tls::Endpoint;

    fn keys() -> TlsKeys {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tls/testdata/");
        let store = |name: &str| StoreFile {
            path: format!("{directory}{name}").into(),
            kind: StoreKind::Pem,
            password: Password::Is(Secret::new("")),
        };
        TlsKeys {
            key_store: store("server-store.pem"),
            trust_store: Some(store("ca.pem")),
            versions: TlsVersions { v1_2: true, v1_3: true },
            cipher_suites: Vec::new(),
            client_auth: ClientAuth::Need,
            verifies_server: true,
            verifies_client: true,
            detection_timeout: Duration::from_secs(5),
            reloads: false,
        }
    }

    #[tokio::test]
    async fn only_who_has_the_address_of_a_member_may_begin_a_handshake() {
        let endpoint = Endpoint::open("in a test", &keys()).expect("stores");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        // It is of a network for documentation: no machine has such an address.
        let host = "192.0.2.7";
        let peers = Peers {
            addresses: [(Sid(2), Address { host: host.to_owned(), port: 1 })].into(),
            sources: Arc::new(PeerAddresses::of([(Sid(2), host.to_owned())].into())),
            accepts: Accepts::Tls(endpoint),
            dials: Dials::Plain,
        };
        for (from, says) in [
            ("127.0.0.1", "it comes from 127.0.0.1, which is the address of no other member"),
            ("192.0.2.8", "it comes from 192.0.2.8, which is the address of no other member"),
            (host, "it ended before it had said anything"),
        ] {
            drop(TcpStream::connect(("127.0.0.1", port)).await.expect("it listens"));
            let (stream, _) = listener.accept().await.expect("one has connected");
            let from = from.parse().expect("an address");
            let accepted = peers.accept(stream, from, Duration::from_secs(60)).await;
            let reason = accepted.err().expect("it says nothing");
            assert!(reason.starts_with(says), "{from}: {reason}");
        }
    }
}
