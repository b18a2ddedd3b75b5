//! The other members, as a port between servers reaches and knows them.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use recording::Ports;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;
use zab::Sid;

use crate::peer_address::PeerAddresses;
use crate::recorder;
use crate::tls::{Accepts, Dials, Stream};

/// One address of a port of a member. Displays as `host:port`, IPv6 in brackets.
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

/// Where a port of a member is: at one address, or at several (`multiAddress.enabled`). Displays
/// all of them, with `|` between them.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// In the order of its line.
    addresses: Arc<[Address]>,
    /// Which one was reached last. It is dialled first.
    reached: Arc<AtomicUsize>,
}

impl Place {
    pub(crate) fn at(addresses: impl IntoIterator<Item = Address>) -> Self {
        Self { addresses: addresses.into_iter().collect(), reached: Arc::default() }
    }

    /// All addresses with their indices, the one that was reached last before the others.
    fn in_turn(&self) -> impl Iterator<Item = (usize, &Address)> {
        let reached = self.reached.load(Ordering::Relaxed);
        let all = || self.addresses.iter().enumerate();
        let first = all().filter(move |(index, _)| *index == reached);
        first.chain(all().filter(move |(index, _)| *index != reached))
    }

    fn hosts(&self) -> Vec<&str> {
        self.addresses.iter().map(|address| address.host.as_str()).collect()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, address) in self.addresses.iter().enumerate() {
            let between = if index > 0 { "|" } else { "" };
            write!(f, "{between}{address}")?;
        }
        Ok(())
    }
}

/// The other members.
#[derive(Clone)]
pub(crate) struct Peers {
    pub(crate) places: BTreeMap<Sid, Place>,
    /// Where they may come from.
    pub(crate) sources: Arc<PeerAddresses>,
    pub(crate) accepts: Accepts,
    pub(crate) dials: Dials,
}

impl Peers {
    pub(crate) fn place(&self, sid: Sid) -> Option<&Place> {
        self.places.get(&sid)
    }

    /// All of them, in the order of their ids.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Sid, &Place)> {
        self.places.iter().map(|(sid, place)| (*sid, place))
    }

    /// Connects, and what both ends know the connection by. Names are looked up each time. What
    /// does not answer at once does not keep the next address waiting: see [`first_of`].
    ///
    /// # Errors
    /// Nobody is there, or it is not the member: why the address that was dialled first failed.
    pub(crate) async fn dial(&self, place: &Place) -> io::Result<(Stream, Option<Ports>)> {
        let attempts = place.in_turn().map(|(index, address)| {
            let (address, dials) = (address.clone(), self.dials.clone());
            async move { Ok((index, dial_address(address, dials).await?)) }
        });
        let (index, connected) = first_of(attempts).await?;
        place.reached.store(index, Ordering::Relaxed);
        Ok(connected)
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
        for sid in self.places.keys() {
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
        let place = self.place(sid).ok_or_else(|| format!("{sid} is not another member"))?;
        self.sources.check(sid, from).await?;
        let checked = self.accepts.check_member(stream, &place.hosts(), from);
        checked.map_err(|reason| format!("it claims to be {sid}, and {reason}"))
    }
}

/// Connects to one address: to whatever its name is resolved to now.
async fn dial_address(address: Address, dials: Dials) -> io::Result<(Stream, Option<Ports>)> {
    let found = lookup_host((address.host.as_str(), address.port)).await?;
    let attempts = found.take(RESOLVED_MAX).map(|at| {
        let (host, dials) = (address.host.clone(), dials.clone());
        async move {
            let stream = TcpStream::connect(at).await?;
            stream.set_nodelay(true)?;
            let over = recorder::ports(&stream, Some(at.port()));
            Ok((dials.dial(stream, &host).await?, over))
        }
    });
    first_of(attempts).await
}

/// So many addresses of one name are dialled at most.
const RESOLVED_MAX: usize = 16;

/// An attempt that has not come to an end in this time gets company: the next address is dialled
/// beside it. (The connection attempt delay of RFC 8305.)
const ATTEMPT_PAUSE: Duration = Duration::from_millis(250);

/// The first attempt that succeeds. They begin in their order: one when the one before it has
/// failed, or has taken [`ATTEMPT_PAUSE`]; those that are under way when one succeeds are dropped.
///
/// # Errors
/// All have failed: the error of the one that began first. There are none.
async fn first_of<T, F>(attempts: impl Iterator<Item = F>) -> io::Result<T>
where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    let mut left: VecDeque<F> = attempts.collect();
    if left.len() == 1
        && let Some(only) = left.pop_front()
    {
        return only.await;
    }
    let (mut under_way, mut failed) = (JoinSet::new(), BTreeMap::new());
    let mut begun = 0_usize;
    loop {
        if let Some(next) = left.pop_front() {
            let index = begun;
            under_way.spawn(async move { (index, next.await) });
            begun += 1;
        }
        let ended = match left.is_empty() {
            true => under_way.join_next().await,
            false => match timeout(ATTEMPT_PAUSE, under_way.join_next()).await {
                Ok(ended) => ended,
                Err(_) => continue,
            },
        };
        match ended {
            Some(Ok((_, Ok(connected)))) => return Ok(connected),
            Some(Ok((index, Err(error)))) => drop(failed.insert(index, error)),
            Some(Err(error)) => drop(failed.insert(begun, io::Error::other(error))),
            None => {
                let first = failed.into_values().next();
                return Err(first.unwrap_or_else(|| io::Error::other("there is no address")));
            }
        }
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
            places: [(Sid(2), Place::at([Address { host: host.to_owned(), port: 1 }]))].into(),
            sources: Arc::new(PeerAddresses::of([(Sid(2), vec![host.to_owned()])].into())),
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

    /// A port where somebody listens, and one where nobody does.
    async fn ports() -> (TcpListener, Address, Address) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = |listener: &TcpListener| Address {
            host: "127.0.0.1".to_owned(),
            port: listener.local_addr().expect("bound").port(),
        };
        let (alive, dead) = (address(&listener), address(&nobody));
        (listener, alive, dead)
    }

    fn plain() -> Peers {
        Peers {
            places: BTreeMap::new(),
            sources: Arc::new(PeerAddresses::unchecked()),
            accepts: Accepts::Plain,
            dials: Dials::Plain,
        }
    }

    #[tokio::test]
    async fn the_address_that_answers_is_dialled_first_the_next_time() {
        let (_listener, alive, dead) = ports().await;
        let unknown = Address { host: "no.such.host.invalid".to_owned(), port: 1 };
        let place = Place::at([unknown, dead, alive]);
        let first = || place.in_turn().map(|(index, _)| index).collect::<Vec<_>>();
        assert_eq!(first(), [0, 1, 2]);
        plain().dial(&place).await.expect("the third address answers");
        assert_eq!(first(), [2, 0, 1]);
    }

    #[tokio::test]
    async fn a_member_that_is_nowhere_fails_for_the_reason_of_its_first_address() {
        let (_listener, _, dead) = ports().await;
        let unknown = Address { host: "no.such.host.invalid".to_owned(), port: 1 };
        let refused = plain().dial(&Place::at([dead, unknown])).await;
        let error = refused.err().expect("nobody is there");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused, "{error}");
    }

    #[tokio::test]
    async fn an_attempt_that_hangs_keeps_no_other_from_its_turn() {
        let hangs: std::pin::Pin<Box<dyn Future<Output = io::Result<u8>> + Send>> =
            Box::pin(std::future::pending());
        assert_eq!(first_of([hangs, Box::pin(async { Ok(2) })].into_iter()).await.ok(), Some(2));
    }

    #[test]
    fn a_place_is_shown_with_all_its_addresses() {
        let address = |host: &str, port| Address { host: host.to_owned(), port };
        let place = Place::at([address("::1", 2888), address("zoo1", 2889)]);
        assert_eq!(place.to_string(), "[::1]:2888|zoo1:2889");
    }
}
