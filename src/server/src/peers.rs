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

    /// See [`Accepts::accept`].
    ///
    /// # Errors
    /// It fails, or takes longer than `patience`.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
        patience: Duration,
    ) -> Result<Stream, String> {
        let accepted = timeout(patience, self.accepts.accept(stream)).await;
        accepted.unwrap_or_else(|_| Err(format!("it has not begun within {patience:?}")))
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
