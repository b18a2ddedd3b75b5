//! What the steps before have left behind, for the next ones to be told relative to it: the same
//! while writing and reading.

use host::{Generation, Link};
use wire::quorum::PacketType;
use zab::{Sid, Txn, Zxid};

use crate::{Digest, Packet};

/// Which way a packet goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    Out,
    In,
}

/// Numbers that the next ones are near to, and contents that are known by their zxids.
#[derive(Debug)]
pub(crate) struct Context {
    /// Of the last transaction that was written.
    pub(crate) zxid: u64,
    /// Of the last record that was told.
    pub(crate) write: u64,
    /// The last report of the disk.
    pub(crate) durable: u64,
    /// Of the last delivery.
    pub(crate) delivered: u64,
    /// Of the last proposal, or the last transaction that was written.
    pub(crate) digest: Digest,
    peers: Vec<Peer>,
    known: Vec<(u64, Digest)>,
    /// By kind of event: the effects that the last one had, as bytes.
    like: [Vec<u8>; KINDS],
}

/// The connections to a peer.
#[derive(Clone, Debug)]
struct Peer {
    /// Of the connection told last.
    generation: u64,
    /// The zxids of the last packets, by way and kind.
    last: [[u64; PACKETS]; 2],
}

/// More than there are kinds of events.
pub(crate) const KINDS: usize = 32;

/// More than the numbers of packet types.
const PACKETS: usize = 20;

/// A content is known as long as no transaction so many behind it is told. A power of two.
const KNOWN: usize = 1 << 13;

/// Effects of more bytes are not kept.
const LIKE_BYTES_MAX: usize = 64;

impl Context {
    pub(crate) fn new() -> Self {
        Self {
            zxid: 0,
            write: 0,
            durable: 0,
            delivered: 0,
            digest: Digest([0; 8]),
            peers: Vec::new(),
            known: vec![(0, Digest([0; 8])); KNOWN],
            like: Default::default(),
        }
    }

    /// The content of a transaction that was told.
    #[inline]
    pub(crate) fn known(&self, zxid: u64) -> Option<Digest> {
        let (known, digest) = self.known[zxid as usize % KNOWN];
        (known == zxid && zxid != 0).then_some(digest)
    }

    #[inline]
    pub(crate) fn know(&mut self, zxid: u64, digest: Digest) {
        self.known[zxid as usize % KNOWN] = (zxid, digest);
    }

    /// The transaction that is written next if writing goes on as until now.
    #[inline]
    pub(crate) fn next_written(&self) -> Txn<Digest> {
        let zxid = self.zxid.wrapping_add(1);
        Txn { zxid: Zxid(zxid), payload: self.known(zxid).unwrap_or(self.digest) }
    }

    #[inline]
    pub(crate) fn written(&mut self, txn: &Txn<Digest>) {
        self.zxid = txn.zxid.0;
        self.digest = txn.payload;
        self.know(txn.zxid.0, txn.payload);
    }

    /// The transaction that is delivered next, if it is known.
    #[inline]
    pub(crate) fn next_delivered(&self) -> Option<Txn<Digest>> {
        let zxid = self.delivered.wrapping_add(1);
        self.known(zxid).map(|payload| Txn { zxid: Zxid(zxid), payload })
    }

    fn peer(&mut self, sid: Sid) -> &mut Peer {
        let index = usize::from(sid.0);
        if self.peers.len() <= index {
            self.peers.resize(index + 1, Peer { generation: 0, last: [[0; PACKETS]; 2] });
        }
        &mut self.peers[index]
    }

    /// The generation told last of connections to the peer; from now on it is this one.
    pub(crate) fn generation(&mut self, link: Link) -> u64 {
        std::mem::replace(&mut self.peer(link.peer).generation, link.generation.0)
    }

    pub(crate) fn last_generation(&mut self, peer: Sid) -> Generation {
        Generation(self.peer(peer).generation)
    }

    /// The zxid of the last packet of this kind.
    #[inline]
    pub(crate) fn last(&mut self, peer: Sid, way: Way, kind: PacketType) -> u64 {
        self.peer(peer).last[way as usize][kind.code() as usize % PACKETS]
    }

    /// A packet was told.
    #[inline]
    pub(crate) fn passed(&mut self, peer: Sid, way: Way, packet: &Packet) {
        let Packet { kind, zxid, content } = *packet;
        self.peer(peer).last[way as usize][kind.code() as usize % PACKETS] = zxid.0;
        if let (PacketType::Proposal | PacketType::Inform, Some(content)) = (kind, content) {
            self.know(zxid.0, content);
        }
    }

    /// The effects that the last event of this kind had.
    #[inline]
    pub(crate) fn like(&self, kind: u8) -> &[u8] {
        &self.like[usize::from(kind) % KINDS]
    }

    #[inline]
    pub(crate) fn keep_like(&mut self, kind: u8, effects: &[u8]) {
        if effects.len() <= LIKE_BYTES_MAX {
            let like = &mut self.like[usize::from(kind) % KINDS];
            like.clear();
            like.extend_from_slice(effects);
        }
    }
}
