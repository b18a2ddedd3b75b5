//! The members of an ensemble: `server.N` lines.

use super::keys::{Entry, integer, port, wrong};
use super::{ClientAddress, ConfigError};
use std::fmt;
use wire::election::ADDRESSES_BYTES_MAX;
use zab::{LearnerKind, Sid};

/// A member of the ensemble, as its `server.N` line says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Where other servers reach it: one address, or several with `multiAddress.enabled=true`.
    /// Never empty, and in the order of the line.
    pub addresses: Vec<MemberAddress>,
    /// `Follower` for a participant (it has a vote), `Observer` for an observer.
    pub kind: LearnerKind,
    /// Where it listens for clients, if its line says so.
    pub client: Option<ClientAddress>,
}

/// One address of a member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberAddress {
    /// Name or address, IPv6 without brackets. Names are looked up when a connection is made.
    pub host: String,
    /// Where it listens for learners while it leads.
    pub quorum_port: u16,
    /// Where it listens for election messages.
    pub election_port: u16,
}

const FORM: &str = "host:quorumPort:electionPort[:participant|:observer][;[clientHost:]clientPort], as in \
     zk1.example.com:2888:3888;2181 (IPv6 addresses in brackets)";

/// The id in the key of a line about a server: behind `server.`, for example.
pub(super) fn sid_in(key: &str, begin: &str, entry: &Entry) -> Result<Sid, ConfigError> {
    let digits = key.strip_prefix(begin).unwrap_or(key);
    let number = integer(digits).and_then(|number| u8::try_from(number).ok());
    number.map(Sid).ok_or_else(|| ConfigError::Value {
        key: key.to_owned(),
        line: entry.line,
        found: digits.to_owned(),
        allowed: format!(
            "{begin}N with N from 0 to 255 (ZooKeeper allows larger ids; session ids carry only \
             one byte of them)"
        ),
    })
}

impl Member {
    /// Reads the value of a `server.N` line. `may_be_several`: with `multiAddress.enabled` it may
    /// have several addresses, with `|` between them.
    pub(super) fn parse(
        key: &str,
        entry: &Entry,
        may_be_several: bool,
    ) -> Result<Self, ConfigError> {
        let wrong = |allowed: &str| wrong(key, entry, allowed);
        let mut parts = entry.value.split(';').map(str::trim);
        let servers = parts.next().unwrap_or_default();
        let client = parts.next();
        if parts.next().is_some() {
            return Err(wrong("at most one `;`: secure client addresses are not supported"));
        }
        let (mut addresses, mut kind) = (Vec::new(), None);
        for server in servers.split('|').map(str::trim) {
            let (address, own) = address(server).map_err(wrong)?;
            if own.is_some() && kind.is_some() && own != kind {
                return Err(wrong("participant or observer, the same for all addresses"));
            }
            kind = kind.or(own);
            addresses.push(address);
        }
        if addresses.len() > 1 && !may_be_several {
            return Err(wrong(
                "one address, or with multiAddress.enabled=true several, with `|` between them",
            ));
        }
        if servers.len() > ADDRESSES_BYTES_MAX {
            return Err(wrong("addresses of at most 2048 bytes together"));
        }
        let client = match client {
            None => None,
            Some(text) => Some(client_address(text).ok_or_else(|| {
                wrong("after the `;`, a client port or host:port, as in ;2181 or ;127.0.0.1:2181")
            })?),
        };
        Ok(Self { addresses, kind: kind.unwrap_or(LearnerKind::Follower), client })
    }

    /// The ports of its addresses, each once: those of the quorum, and those of the election.
    pub(super) fn ports(&self) -> (Vec<u16>, Vec<u16>) {
        let distinct = |port: fn(&MemberAddress) -> u16| {
            let mut ports = Vec::new();
            for port in self.addresses.iter().map(port) {
                if !ports.contains(&port) {
                    ports.push(port);
                }
            }
            ports
        };
        (distinct(|address| address.quorum_port), distinct(|address| address.election_port))
    }
}

/// `host:quorumPort:electionPort[:kind]`; otherwise what is allowed.
fn address(text: &str) -> Result<(MemberAddress, Option<LearnerKind>), &'static str> {
    let (host, rest) = split_host(text).ok_or(FORM)?;
    let mut ports = rest.split(':');
    let mut next_port = || ports.next().and_then(port).ok_or(FORM);
    let (quorum_port, election_port) = (next_port()?, next_port()?);
    let kind = match ports.next().map(str::to_ascii_lowercase).as_deref() {
        None => None,
        Some("participant") => Some(LearnerKind::Follower),
        Some("observer") => Some(LearnerKind::Observer),
        Some(_) => return Err("participant or observer, after the two ports"),
    };
    if ports.next().is_some() {
        return Err(FORM);
    }
    if quorum_port == election_port {
        return Err("two different ports, the first for the quorum, the second for the election");
    }
    Ok((MemberAddress { host, quorum_port, election_port }, kind))
}

/// `[host:]port`; without a host, every address of the machine.
fn client_address(text: &str) -> Option<ClientAddress> {
    if let Some(port) = port(text) {
        return Some(ClientAddress { host: ClientAddress::ANY.to_owned(), port });
    }
    let (host, rest) = split_host(text)?;
    Some(ClientAddress { host, port: port(rest)? })
}

/// The host before the first colon, without the brackets of an IPv6 address, and what is behind the
/// colon.
fn split_host(text: &str) -> Option<(String, &str)> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']')?;
            (host, rest.strip_prefix(':')?)
        }
        None => text.split_once(':')?,
    };
    let plausible =
        !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c.is_control());
    plausible.then(|| (host.to_owned(), rest))
}

/// The line as servers write it (`QuorumServer.toString`): addresses in the order of their hosts,
/// the type always named, IPv6 in brackets.
impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            LearnerKind::Follower => "participant",
            LearnerKind::Observer => "observer",
        };
        let mut addresses: Vec<_> = self.addresses.iter().collect();
        addresses.sort_by_key(|address| &address.host);
        for (index, MemberAddress { host, quorum_port, election_port }) in
            addresses.into_iter().enumerate()
        {
            let between = if index > 0 { "|" } else { "" };
            write!(f, "{between}{}:{quorum_port}:{election_port}", Bracketed(host))?;
        }
        write!(f, ":{kind}")?;
        match &self.client {
            Some(client) => write!(f, ";{client}"),
            None => Ok(()),
        }
    }
}

/// A host, in brackets if it is an IPv6 address.
pub(super) struct Bracketed<'a>(pub(super) &'a str);

impl fmt::Display for Bracketed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains(':') { write!(f, "[{}]", self.0) } else { f.write_str(self.0) }
    }
}
