//! Listening: on one address, or on every address of the machine.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream, lookup_host};

/// Listens at `host:port`. If the host is a wildcard (`0.0.0.0` or `::`), that is every address of
/// the machine, IPv4 and IPv6, as Java's sockets do; IPv4 alone where the system has no IPv6.
pub(crate) async fn listen(address: &str, backlog: Option<u32>) -> io::Result<TcpListener> {
    let resolved = lookup_host(address).await?.next();
    let resolved = resolved.ok_or_else(|| io::Error::other("the name has no address"))?;
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
    Ok((stream, SocketAddr::new(address.ip().to_canonical(), address.port())))
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
}
