//! How large things may be: what a client may send, what may become of it, and what others take.
//!
//! A transaction is accepted once, on the leader. After that every follower has to take it, every
//! server has to read it again when it starts, and the state that it leads to has to fit into a
//! snapshot. So each bound is larger than the one before it, and none depends on what a single
//! member is configured to.

use crate::jute::MAX_BUFFER_BYTES_DEFAULT;

/// The largest `jute.maxbuffer` that can be configured: the longest request of a client, and the
/// largest data of a node.
pub const CLIENT_MESSAGE_BYTES_MAX: usize = 128 << 20;

/// The longest transaction that a leader proposes, header and digest included. It may be longer
/// than the request that it is made of: paths grow by their sequence numbers, and `auth` in an ACL
/// stands for everybody that the client has proved to be.
pub const TXN_BYTES_MAX: usize = 192 << 20;

/// What `auth` in the ACLs of a request stands for may take so many bytes, whatever the request.
pub const OWN_IDS_BYTES_MIN: usize = 1 << 20;

/// And so many for each byte of the request. A client may have proved to be many, each with a long
/// name, and each entry of a few bytes stands for all of them.
pub const OWN_IDS_BYTES_PER_BYTE: usize = 8;

/// The longest packet of the quorum port: a PROPOSAL holds a transaction, a REQUEST a client's
/// message and who the client is.
pub const PACKET_BYTES_MAX: usize = 256 << 20;

/// The longest string or buffer of a snapshot: a path or data, which came in a transaction.
pub const SNAPSHOT_FIELD_BYTES_MAX: usize = PACKET_BYTES_MAX;

/// The longest list of paths in the transaction that ends a session; of longer ones nothing is
/// listed, and whatever the session owns is deleted. Such a transaction is read by every server of
/// ZooKeeper, however small its `jute.maxbuffer`.
pub const CLOSED_PATHS_BYTES_MAX: usize = 512 << 10;

/// The most sessions of a PING, twelve bytes each: those that a learner has heard from beyond that
/// are reported with the next one.
pub const PING_SESSIONS_MAX: usize = PACKET_BYTES_MAX / 24;

/// What a packet has around its data and its identities.
const PACKET_FRAME_BYTES: usize = 1024;

const _: () = assert!(MAX_BUFFER_BYTES_DEFAULT < CLIENT_MESSAGE_BYTES_MAX);
const _: () = assert!(CLIENT_MESSAGE_BYTES_MAX < TXN_BYTES_MAX);
const _: () = assert!(TXN_BYTES_MAX + PACKET_FRAME_BYTES < PACKET_BYTES_MAX);
const _: () = assert!(TXN_BYTES_MAX < SNAPSHOT_FIELD_BYTES_MAX);
const _: () = assert!(PACKET_BYTES_MAX < i32::MAX as usize);
const _: () = assert!(CLOSED_PATHS_BYTES_MAX < MAX_BUFFER_BYTES_DEFAULT);
const _: () = assert!(12 * PING_SESSIONS_MAX + PACKET_FRAME_BYTES < PACKET_BYTES_MAX);
