//! What stands in the place of a payload.

use std::fmt;
use std::num::NonZeroUsize;

use rapidhash::v3::rapidhash_v3;
use serde::{Deserialize, Serialize};
use zab::{DiskImage, Input, Message, Record, SessionMessage, Txn};

use crate::payload::{Content, Payload};

/// The rapidhash (V3, without a seed) of a payload, big-endian: a payload that is not the one that
/// it should be goes unseen with a probability of 2^-64, unless somebody constructs it. It is not a
/// cryptographic digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digest(pub [u8; 8]);

impl Digest {
    /// The digest of these bytes.
    pub fn of(payload: &[u8]) -> Self {
        Self(rapidhash_v3(payload).to_be_bytes())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:016x}", u64::from_be_bytes(self.0))
    }
}

/// Where a payload lies in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    address: NonZeroUsize,
    length: u32,
}

impl Place {
    #[inline]
    fn of(bytes: &[u8]) -> Option<Self> {
        let address = NonZeroUsize::new(bytes.as_ptr().addr())?;
        Some(Self { address, length: u32::try_from(bytes.len()).ok()? })
    }
}

/// Where it lies, if it is more than its digest. (Of one that is larger than 4 GiB it is not said.)
#[inline]
pub(crate) fn place<P: Payload>(payload: &P) -> Option<Place> {
    match payload.content() {
        Content::Bytes(bytes) => Place::of(bytes),
        Content::Digest(_) => None,
    }
}

/// The payload whose digest was made last, by its place in memory: most steps name one payload
/// several times.
///
/// Within a step only: a payload that the step has let go may leave its place to another one, but
/// the core makes no payloads, so none can come into a place while it runs. (Payloads are behind
/// pointers: shared bytes, slices.)
#[derive(Debug, Default)]
pub(crate) struct Known(Option<(Place, Digest)>);

impl Known {
    /// Before a step.
    pub(crate) fn forget(&mut self) {
        self.0 = None;
    }

    pub(crate) fn digest<P: Payload>(&mut self, payload: &P) -> Digest {
        let bytes = match payload.content() {
            Content::Bytes(bytes) => bytes,
            Content::Digest(digest) => return digest,
        };
        let place = Place::of(bytes);
        match self.0 {
            Some((last, digest)) if Some(last) == place => digest,
            Some(_) | None => {
                let digest = Digest::of(bytes);
                self.0 = place.map(|place| (place, digest));
                digest
            }
        }
    }
}

/// The input with digests in place of payloads.
pub(crate) fn digest_input<P: Payload>(input: &Input<P>, known: &mut Known) -> Input<Digest> {
    match input {
        Input::Start(image) => Input::Start(DiskImage {
            accepted: image.accepted,
            current: image.current,
            snapshot: image.snapshot,
            log: image.log.iter().map(|one| txn(one, known)).collect(),
        }),
        Input::Notify { from, notification } => {
            Input::Notify { from: *from, notification: *notification }
        }
        Input::Link { peer, up } => Input::Link { peer: *peer, up: *up },
        Input::Recv { peer, message: said } => {
            Input::Recv { peer: *peer, message: digest_message(said, known) }
        }
        Input::Timer(timer) => Input::Timer(*timer),
        Input::Durable { upto } => Input::Durable { upto: *upto },
        Input::Propose(payload) => Input::Propose(known.digest(payload)),
        Input::Sync { origin, body } => Input::Sync { origin: *origin, body: known.digest(body) },
        Input::Session { peer, message } => {
            Input::Session { peer: *peer, message: session(message, known) }
        }
        Input::Resign => Input::Resign,
    }
}

fn txn<P: Payload>(txn: &Txn<P>, known: &mut Known) -> Txn<Digest> {
    Txn { zxid: txn.zxid, payload: known.digest(&txn.payload) }
}

#[cold]
pub(crate) fn digest_record<P: Payload>(record: &Record<P>, known: &mut Known) -> Record<Digest> {
    match record {
        Record::Txn(written) => Record::Txn(txn(written, known)),
        Record::Truncate { to } => Record::Truncate { to: *to },
        Record::Snapshot { zxid } => Record::Snapshot { zxid: *zxid },
        Record::AcceptedEpoch(epoch) => Record::AcceptedEpoch(*epoch),
        Record::CurrentEpoch(epoch) => Record::CurrentEpoch(*epoch),
    }
}

fn session<P: Payload>(message: &SessionMessage<P>, known: &mut Known) -> SessionMessage<Digest> {
    match message {
        SessionMessage::Request(body) => SessionMessage::Request(known.digest(body)),
        SessionMessage::Revalidate(body) => SessionMessage::Revalidate(known.digest(body)),
        SessionMessage::Sync(body) => SessionMessage::Sync(known.digest(body)),
    }
}

#[cold]
pub(crate) fn digest_message<P: Payload>(
    message: &Message<P>,
    known: &mut Known,
) -> Message<Digest> {
    match message {
        Message::LearnerInfo { kind, accepted } => {
            Message::LearnerInfo { kind: *kind, accepted: *accepted }
        }
        Message::LeaderInfo { epoch } => Message::LeaderInfo { epoch: *epoch },
        Message::AckEpoch { current, last } => Message::AckEpoch { current: *current, last: *last },
        Message::Diff { committed } => Message::Diff { committed: *committed },
        Message::Trunc { to, committed } => Message::Trunc { to: *to, committed: *committed },
        Message::Snap { zxid } => Message::Snap { zxid: *zxid },
        Message::NewLeader { epoch } => Message::NewLeader { epoch: *epoch },
        Message::AckNewLeader { epoch } => Message::AckNewLeader { epoch: *epoch },
        Message::UpToDate => Message::UpToDate,
        Message::Proposal(proposed) => Message::Proposal(txn(proposed, known)),
        Message::Ack { zxid } => Message::Ack { zxid: *zxid },
        Message::Commit { zxid } => Message::Commit { zxid: *zxid },
        Message::Inform(committed) => Message::Inform(txn(committed, known)),
        Message::Ping { body } => {
            Message::Ping { body: body.as_ref().map(|body| known.digest(body)) }
        }
        Message::Session(said) => Message::Session(session(said, known)),
    }
}
