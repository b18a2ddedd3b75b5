//! Listening: on one address, on several, or on every address of the machine.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tracing::warn;

/// Listens at `host:port`. If the host is a wildcard (`0.0.0.0` or `::`), that is every address of
/// the machine, IPv4 and IPv6, as Java's sockets do; IPv4 alone where the system has no IPv6.
pub(crate) async fn listen(address: &str, backlog: Option<u32>) -> io::Result<TcpListener> {
    listen_at(resolve(address).await?, backlog)
}

async fn resolve(address: &str) -> io::Result<SocketAddr> {
    let resolved = lookup_host(address).await?.next();
    resolved.ok_or_else(|| io::Error::other("the name has no address"))
}

fn listen_at(resolved: SocketAddr, backlog: Option<u32>) -> io::Result<TcpListener> {
    let backlog = i32::try_from(backlog.unwrap_or(BACKLOG)).unwrap_or(i32::MAX);
    if !resolved.ip().is_unspecified() {
        return bind(resolved, backlog);
    }
    match bind((Ipv6Addr::UNSPECIFIED, resolved.port()).into(), backlog) {
        Err(error) if is_without_ipv6(&error) => {
            bind((Ipv4Addr::UNSPECIFIED, resolved.port()).into(), backlog)
        }
        bound => bound,
    }
}

fn bind(address: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // A server that was killed leaves connections behind that keep the port for a while.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    TcpListener::from_std(socket.into())
}

/// True if the error says that the system has no IPv6, and not that the port cannot be had.
fn is_without_ipv6(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

/// Accepts a connection. An IPv4 peer has its IPv4 address, whatever kind of socket listens:
/// limits, ACLs and logs know only one name of it.
pub(crate) async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, address) = listener.accept().await?;
    Ok((stream, canonical(address)))
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The sockets at which one port between servers listens: one for each address of the own line, or
/// fewer, where one of them takes what comes to another.
pub(crate) struct Listeners {
    sockets: Vec<TcpListener>,
    /// How many connections were accepted: whoever is asked first takes turns.
    accepted: AtomicUsize,
}

/// How often a port between servers is tried that cannot be had: the name of this server may not be
/// known yet, or another process still has the port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tries {
    /// So often, not 0.
    Some(u32),
    Unlimited,
}

/// Between two tries. (`QuorumCnxManager.Listener`: a second.)
const TRY_PAUSE: Duration = Duration::from_secs(1);

/// Where several addresses are to be had, those that cannot be are given up after so many tries.
const TRIES_BESIDE_OTHERS: u32 = 3;

impl Listeners {
    /// Listens at each `host:port`. One that cannot be had is tried again; if others can be, the
    /// server goes on without it, with a warning.
    ///
    /// # Errors
    /// None can be had: the address that was tried first, and why.
    pub(crate) async fn at(
        port: &'static str,
        addresses: &[String],
        tries: Tries,
    ) -> Result<Self, (String, io::Error)> {
        let mut bound = BTreeMap::new();
        let mut tried = 0;
        loop {
            tried += 1;
            let failed = bind_each(addresses, &mut bound).await;
            let limit = match tries {
                _ if !bound.is_empty() => Some(TRIES_BESIDE_OTHERS),
                Tries::Some(limit) => Some(limit),
                Tries::Unlimited => None,
            };
            let is_over = limit.is_some_and(|limit| tried >= limit);
            for (address, error) in &failed {
                let goes_on = if is_over { "it goes on without" } else { "it tries again" };
                warn!("cannot listen at {address} ({port}): {error}; {goes_on}");
            }
            let first = failed.into_iter().next();
            match first {
                Some(first) if is_over && bound.is_empty() => return Err(first),
                Some(_) if !is_over => tokio::time::sleep(TRY_PAUSE).await,
                Some(_) | None => {
                    let sockets = bound.into_values().collect();
                    return Ok(Self { sockets, accepted: AtomicUsize::new(0) });
                }
            }
        }
    }

    /// As [`accept`], at whichever socket somebody comes.
    pub(crate) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let first = self.accepted.fetch_add(1, Ordering::Relaxed) % self.sockets.len().max(1);
        let (before, from) = self.sockets.split_at(first);
        let (stream, address) = std::future::poll_fn(|context| {
            let mut turns = from.iter().chain(before);
            let ready = turns.find_map(|socket| match socket.poll_accept(context) {
                Poll::Ready(accepted) => Some(accepted),
                Poll::Pending => None,
            });
            ready.map_or(Poll::Pending, Poll::Ready)
        })
        .await?;
        Ok((stream, canonical(address)))
    }
}

/// Listens wherever nobody listens yet. Answers with those addresses that cannot be had.
async fn bind_each(
    addresses: &[String],
    bound: &mut BTreeMap<SocketAddr, TcpListener>,
) -> Vec<(String, io::Error)> {
    let (mut found, mut failed) = (Vec::new(), Vec::new());
    for address in addresses {
        match resolve(address).await {
            Ok(at) => found.push((at, address)),
            Err(error) => failed.push((address.clone(), error)),
        }
    }
    // A socket for every address of the machine takes what comes to each of them.
    found.sort_by_key(|(at, _)| !at.ip().is_unspecified());
    for (at, address) in found {
        let takes = |other: &SocketAddr| {
            *other == at || (other.ip().is_unspecified() && other.port() == at.port())
        };
        if bound.keys().any(takes) {
            continue;
        }
        match listen_at(at, None) {
            Ok(listener) => drop(bound.insert(at, listener)),
            Err(error) => failed.push((address.clone(), error)),
        }
    }
    failed
}

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

    /// Connects to `ip` and answers with the address that the listener sees.
    async fn seen(listener: &TcpListener, ip: IpAddr) -> io::Result<IpAddr> {
        let port = listener.local_addr()?.port();
        let (dialled, accepted) = tokio::join!(TcpStream::connect((ip, port)), accept(listener));
        dialled?;
        Ok(accepted?.1.ip())
    }

    async fn refuses(listener: &TcpListener, ip: IpAddr) -> bool {
        let port = listener.local_addr().expect("bound").port();
        TcpStream::connect((ip, port)).await.is_err()
    }

    #[tokio::test]
    async fn a_wildcard_takes_clients_of_both_kinds_under_their_own_addresses() {
        let without_ipv6 = bind((Ipv6Addr::LOCALHOST, 0).into(), 1).is_err();
        for wildcard in ["0.0.0.0:0", "[::]:0"] {
            let listener = listen(wildcard, None).await.expect("some port is free");
            assert_eq!(seen(&listener, V4).await.expect("connects"), V4, "{wildcard}");
            if !without_ipv6 {
                assert_eq!(seen(&listener, V6).await.expect("connects"), V6, "{wildcard}");
            }
        }
    }

    #[tokio::test]
    async fn a_given_address_is_the_only_one() {
        let listener = listen("127.0.0.1:0", Some(5)).await.expect("some port is free");
        assert_eq!(seen(&listener, V4).await.expect("connects"), V4);
        assert!(refuses(&listener, V6).await);
    }

    #[tokio::test]
    async fn a_port_in_use_is_not_taken_for_a_system_without_ipv6() {
        let holder = listen("0.0.0.0:0", None).await.expect("some port is free");
        let port = holder.local_addr().expect("bound").port();
        let error = listen(&format!("0.0.0.0:{port}"), None).await.expect_err("is held");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(is_without_ipv6(&rustix::io::Errno::AFNOSUPPORT.into()));
        assert!(!is_without_ipv6(&error));
    }

    /// A port that nobody has.
    fn free() -> u16 {
        let probe = std::net::TcpListener::bind("127.0.0.1:0").expect("some port is free");
        probe.local_addr().expect("bound").port()
    }

    #[tokio::test]
    async fn a_port_listens_at_each_of_its_addresses() {
        let port = free();
        let addresses = [format!("127.0.0.1:{port}"), format!("127.0.0.2:{port}")];
        let listeners = Listeners::at("a port", &addresses, Tries::Some(1)).await;
        let listeners = listeners.expect("both are free");
        for ip in [[127, 0, 0, 1], [127, 0, 0, 2], [127, 0, 0, 1]] {
            let connect = TcpStream::connect(SocketAddr::from((ip, port)));
            let (dialled, accepted) = tokio::join!(connect, listeners.accept());
            dialled.expect("it listens");
            accepted.expect("accepted");
        }
    }

    #[tokio::test]
    async fn one_socket_is_enough_for_two_names_of_an_address() {
        for pair in [["localhost", "127.0.0.1"], ["127.0.0.1", "0.0.0.0"]] {
            let port = free();
            let addresses = pair.map(|host| format!("{host}:{port}"));
            let mut bound = BTreeMap::new();
            let failed = bind_each(&addresses, &mut bound).await;
            assert!(failed.is_empty(), "{failed:?}");
            let v4 = bound.keys().filter(|at| at.is_ipv4() || at.ip().is_unspecified()).count();
            assert_eq!(v4, 1, "{bound:?}");
        }
    }

    #[tokio::test]
    async fn an_address_that_cannot_be_had_does_not_keep_a_server_from_the_others() {
        let port = free();
        // It is of a network for documentation: no machine has such an address.
        let missing = format!("192.0.2.7:{port}");
        let mut bound = BTreeMap::new();
        let addresses = [missing.clone(), format!("127.0.0.1:{port}")];
        let failed = bind_each(&addresses, &mut bound).await;
        assert_eq!(failed.iter().map(|(address, _)| address).collect::<Vec<_>>(), [&missing]);
        assert_eq!(bound.len(), 1);
        let alone = Listeners::at("a port", std::slice::from_ref(&missing), Tries::Some(1)).await;
        let (address, error) = alone.err().expect("there is no such address");
        assert_eq!((address, error.kind()), (missing, io::ErrorKind::AddrNotAvailable));
    }
}
