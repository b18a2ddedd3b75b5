//! The members of an ensemble: `server.N` lines.

use super::keys::{Entry, integer, port};
use super::{ClientAddress, ConfigError};
use std::fmt;
use zab::{LearnerKind, Sid};

/// A member of the ensemble, as its `server.N` line says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Name or address, IPv6 without brackets. Names are looked up when a connection is made.
    pub host: String,
    /// Where it listens for learners while it leads.
    pub quorum_port: u16,
    /// Where it listens for election messages.
    pub election_port: u16,
    /// `Follower` for a participant (it has a vote), `Observer` for an observer.
    pub kind: LearnerKind,
    /// Where it listens for clients, if its line says so.
    pub client: Option<ClientAddress>,
}

const FORM: &str = "host:quorumPort:electionPort[:participant|:observer][;[clientHost:]clientPort], as in \
     zk1.example.com:2888:3888;2181 (IPv6 addresses in brackets)";

/// The id in the key of a `server.N` line.
pub(super) fn sid(key: &str, entry: &Entry) -> Result<Sid, ConfigError> {
    let digits = key.strip_prefix("server.").unwrap_or(key);
    let number = integer(digits).and_then(|number| u8::try_from(number).ok());
    number.map(Sid).ok_or_else(|| ConfigError::Value {
        key: key.to_owned(),
        line: entry.line,
        found: digits.to_owned(),
        allowed:
            "server.N with N from 0 to 255 (ZooKeeper allows larger ids; session ids carry only \
                  one byte of them)"
                .to_owned(),
    })
}

impl Member {
    /// Reads the value of a `server.N` line.
    pub(super) fn parse(key: &str, entry: &Entry) -> Result<Self, ConfigError> {
        let wrong = |allowed: &str| ConfigError::Value {
            key: key.to_owned(),
            line: entry.line,
            found: entry.value.clone(),
            allowed: allowed.to_owned(),
        };
        if entry.value.contains('|') {
            return Err(wrong("one address per server: several, joined by `|`, are not supported"));
        }
        let mut parts = entry.value.split(';').map(str::trim);
        let server = parts.next().unwrap_or_default();
        let client = parts.next();
        if parts.next().is_some() {
            return Err(wrong("at most one `;`: secure client addresses are not supported"));
        }
        let (host, rest) = split_host(server).ok_or_else(|| wrong(FORM))?;
        let mut ports = rest.split(':');
        let mut next_port = || ports.next().and_then(port).ok_or_else(|| wrong(FORM));
        let (quorum_port, election_port) = (next_port()?, next_port()?);
        let kind = match ports.next().map(str::to_ascii_lowercase).as_deref() {
            None | Some("participant") => LearnerKind::Follower,
            Some("observer") => LearnerKind::Observer,
            Some(_) => return Err(wrong("participant or observer, after the two ports")),
        };
        if ports.next().is_some() {
            return Err(wrong(FORM));
        }
        if quorum_port == election_port {
            return Err(wrong(
                "two different ports, the first for the quorum, the second for the election",
            ));
        }
        let client = match client {
            None => None,
            Some(text) => Some(client_address(text).ok_or_else(|| {
                wrong("after the `;`, a client port or host:port, as in ;2181 or ;127.0.0.1:2181")
            })?),
        };
        Ok(Self { host, quorum_port, election_port, kind, client })
    }
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

/// The line as servers write it (`QuorumServer.toString`): the type always named, IPv6 in brackets.
impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            LearnerKind::Follower => "participant",
            LearnerKind::Observer => "observer",
        };
        let Self { host, quorum_port, election_port, .. } = self;
        write!(f, "{}:{quorum_port}:{election_port}:{kind}", Bracketed(host))?;
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
