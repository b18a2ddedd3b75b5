//! What transactions and session messages carry in a cluster: a number that stands for it.
//!
//! The host and the core never look inside, and components of states stay small. Where a packet has
//! to hold more, as REQUEST does, the number stands for those bytes.

use std::sync::LazyLock;

use bytes::Bytes;
use wire::client::OpCode;
use wire::quorum::ForwardedRequest;

/// A payload.
///
/// | numbers | what they stand for |
/// |---|---|
/// | 0 | nothing |
/// | 1 to 15 | a transaction of nobody |
/// | 16 to 21 | what REVALIDATE says of a client's session |
/// | 32 to 47 | a connection of a client, as the leader's own syncs carry it |
/// | 64 to 127 | a transaction: a [`ClientWrite`] |
/// | 128 to 191 | the packet of the request for it |
/// | 192 to 193 | the packet of the request for a sync |
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Origin(pub u8);

/// A client's write, as its request and its transaction say it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClientWrite {
    /// Whose.
    pub client: u8,
    /// The number of the request on its connection.
    pub xid: u8,
    /// The number of the write among all of the client: what is written.
    pub number: u8,
}

/// One connection of a client.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Over {
    /// Whose.
    pub client: u8,
    /// The number of the connection among all of the client.
    pub connection: u8,
}

/// What REVALIDATE says of a session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SessionWord {
    /// A learner asks for it.
    Asked,
    /// The leader has granted it.
    Granted,
    /// Another server has the session now.
    Moved,
}

/// The most clients, connections of a client, requests of a connection, and writes of a client.
pub const CLIENTS_MAX: u8 = 2;
/// See [`CLIENTS_MAX`].
pub const ATTACHMENTS_MAX: u8 = 8;
/// See [`CLIENTS_MAX`]. Requests are counted from 1.
pub const REQUESTS_MAX: u8 = 7;
/// See [`CLIENTS_MAX`].
pub const WRITES_MAX: u8 = 4;

const RENEWALS: u8 = 16;
const CONNECTIONS: u8 = 32;
const WRITES: u8 = 64;
const REQUESTS: u8 = 128;
const SYNCS: u8 = 192;

impl ClientWrite {
    fn bits(self) -> u8 {
        self.client << 5 | self.xid << 2 | self.number
    }

    fn of_bits(bits: u8) -> Self {
        Self { client: bits >> 5 & 1, xid: bits >> 2 & 7, number: bits & 3 }
    }
}

impl Origin {
    /// The transaction of a write.
    pub fn of_write(write: ClientWrite) -> Self {
        Self(WRITES | write.bits())
    }

    /// The write that made this transaction, if a client did.
    pub fn write(self) -> Option<ClientWrite> {
        (WRITES..REQUESTS).contains(&self.0).then(|| ClientWrite::of_bits(self.0))
    }

    /// The request for a write.
    pub fn request(write: ClientWrite) -> Self {
        Self(REQUESTS | write.bits())
    }

    /// The request of a client for a sync.
    pub fn sync_request(client: u8) -> Self {
        Self(SYNCS | client)
    }

    /// What REVALIDATE says of a client's session.
    pub fn of_renewal(client: u8, renewal: SessionWord) -> Self {
        Self(RENEWALS + 2 * renewal as u8 + client)
    }

    /// The client of whose session REVALIDATE says so.
    pub fn renewal(self) -> Option<(u8, SessionWord)> {
        let (client, renewal) = (self.0 % 2, self.0.checked_sub(RENEWALS)? / 2);
        let all = [SessionWord::Asked, SessionWord::Granted, SessionWord::Moved];
        all.get(usize::from(renewal)).map(|&renewal| (client, renewal))
    }

    /// A connection of a client.
    pub fn of_connection(over: Over) -> Self {
        Self(CONNECTIONS | over.client << 3 | over.connection)
    }

    /// The connection that this stands for.
    pub fn connection(self) -> Over {
        Over { client: self.0 >> 3 & 1, connection: self.0 & 7 }
    }
}

impl host::Payload for Origin {
    fn as_bytes(&self) -> &[u8] {
        match self.0.checked_sub(REQUESTS) {
            Some(request) => &PACKETS[usize::from(request)],
            None => std::slice::from_ref(&self.0),
        }
    }

    fn from_bytes(bytes: Bytes) -> Option<Self> {
        match bytes[..] {
            [] => Some(Self::default()),
            [number] => Some(Self(number)),
            _ => {
                let request = PACKETS.iter().position(|packet| *packet == bytes)?;
                u8::try_from(request).ok().map(|request| Self(REQUESTS + request))
            }
        }
    }
}

/// The packets of all requests.
static PACKETS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let writes = (0..SYNCS - REQUESTS).map(|bits| {
        let ClientWrite { client, xid, number } = ClientWrite::of_bits(bits);
        packet(client, i32::from(xid), OpCode::SetData, Bytes::copy_from_slice(&[number]))
    });
    let syncs = (0..CLIENTS_MAX).map(|client| packet(client, 0, OpCode::Sync, Bytes::new()));
    writes.chain(syncs).collect()
});

fn packet(client: u8, cxid: i32, op: OpCode, body: Bytes) -> Vec<u8> {
    let request = ForwardedRequest { session_id: session(client), cxid, op: op.code(), body };
    let mut packets = Vec::new();
    host::encode_request(&request, Vec::new(), &mut packets);
    packets
}

/// The session of a client.
fn session(client: u8) -> i64 {
    i64::from(client) + 1
}

/// A request that a learner has forwarded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Forwarded {
    /// A write.
    Write(ClientWrite),
    /// A sync, of whichever client: the learner knows the order.
    Sync,
}

/// The requests in the packets of a REQUEST message, as the leader's session layer reads them.
///
/// # Panics
/// If it is none of a model.
pub fn forwarded(packets: Origin) -> Vec<Forwarded> {
    let packets = Bytes::copy_from_slice(host::Payload::as_bytes(&packets));
    let read = host::requests(&packets).map(|request| {
        let (request, _) = request.expect("a request of a model");
        if request.op == OpCode::Sync.code() {
            return Forwarded::Sync;
        }
        let small = |number: i64| u8::try_from(number).expect("a request of a model");
        let (client, xid) = (small(request.session_id - 1), small(request.cxid.into()));
        Forwarded::Write(ClientWrite { client, xid, number: request.body[0] })
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use host::Payload;

    #[test]
    fn every_number_comes_back_from_its_bytes() {
        let requests = REQUESTS..SYNCS + CLIENTS_MAX;
        for number in (0..REQUESTS).chain(requests).map(Origin) {
            let bytes = Bytes::copy_from_slice(number.as_bytes());
            assert_eq!(Origin::from_bytes(bytes), Some(number));
        }
        assert_eq!(Origin::from_bytes(Bytes::from_static(b"no packet")), None);
    }

    #[test]
    fn a_request_says_what_its_client_asks() {
        let write = ClientWrite { client: 1, xid: 7, number: 3 };
        assert_eq!(forwarded(Origin::request(write)), [Forwarded::Write(write)]);
        assert_eq!(Origin::of_write(write).write(), Some(write));
        for client in 0..CLIENTS_MAX {
            assert_eq!(forwarded(Origin::sync_request(client)), [Forwarded::Sync]);
            for renewal in [SessionWord::Asked, SessionWord::Granted, SessionWord::Moved] {
                let word = Origin::of_renewal(client, renewal);
                assert_eq!(word.renewal(), Some((client, renewal)));
                assert_eq!(word.write(), None);
            }
        }
        assert_eq!(Origin(9).write(), None);
        assert_eq!(Origin(9).renewal(), None);
        let over = Over { client: 1, connection: 7 };
        assert_eq!(Origin::of_connection(over).connection(), over);
    }
}
