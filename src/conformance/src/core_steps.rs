//! Steps of a core that was given stand-ins, with the digests that these stand for.

use bytes::Bytes;
use recording::Digest;
use zab::{DiskImage, Fact, Input, Message, Outputs, Record, Send, SessionMessage, Txn};

fn digest(payload: &Bytes) -> Digest {
    Digest::of_stand_in(payload)
}

fn txn(txn: &Txn<Bytes>) -> Txn<Digest> {
    Txn { zxid: txn.zxid, payload: digest(&txn.payload) }
}

fn session(message: &SessionMessage<Bytes>) -> SessionMessage<Digest> {
    match message {
        SessionMessage::Request(body) => SessionMessage::Request(digest(body)),
        SessionMessage::Revalidate(body) => SessionMessage::Revalidate(digest(body)),
        SessionMessage::Sync(body) => SessionMessage::Sync(digest(body)),
    }
}

pub(crate) fn digest_input(input: &Input<Bytes>) -> Input<Digest> {
    match input {
        Input::Start(image) => Input::Start(DiskImage {
            accepted: image.accepted,
            current: image.current,
            snapshot: image.snapshot,
            log: image.log.iter().map(txn).collect(),
        }),
        Input::Notify { from, notification } => {
            Input::Notify { from: *from, notification: *notification }
        }
        Input::Link { peer, up } => Input::Link { peer: *peer, up: *up },
        Input::Recv { peer, message } => {
            Input::Recv { peer: *peer, message: digest_message(message) }
        }
        Input::Timer(timer) => Input::Timer(*timer),
        Input::Durable { upto } => Input::Durable { upto: *upto },
        Input::Propose(payload) => Input::Propose(digest(payload)),
        Input::Sync { origin, body } => Input::Sync { origin: *origin, body: digest(body) },
        Input::Session { peer, message } => {
            Input::Session { peer: *peer, message: session(message) }
        }
        Input::Resign => Input::Resign,
    }
}

fn digest_message(message: &Message<Bytes>) -> Message<Digest> {
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
        Message::Proposal(proposed) => Message::Proposal(txn(proposed)),
        Message::Ack { zxid } => Message::Ack { zxid: *zxid },
        Message::Commit { zxid } => Message::Commit { zxid: *zxid },
        Message::Inform(committed) => Message::Inform(txn(committed)),
        Message::Ping { body } => Message::Ping { body: body.as_ref().map(digest) },
        Message::Session(message) => Message::Session(session(message)),
    }
}

fn digest_record(record: &Record<Bytes>) -> Record<Digest> {
    match record {
        Record::Txn(written) => Record::Txn(txn(written)),
        Record::Truncate { to } => Record::Truncate { to: *to },
        Record::Snapshot { zxid } => Record::Snapshot { zxid: *zxid },
        Record::AcceptedEpoch(epoch) => Record::AcceptedEpoch(*epoch),
        Record::CurrentEpoch(epoch) => Record::CurrentEpoch(*epoch),
    }
}

pub(crate) fn digest_outputs(outputs: &Outputs<Bytes>) -> Outputs<Digest> {
    let Outputs {
        writes,
        sends,
        notifications,
        deliver,
        install,
        links,
        timers,
        session: said,
        synced,
        halt,
        notes,
        facts,
    } = outputs;
    let send = |send: &Send<Bytes>| Send {
        to: send.to,
        message: digest_message(&send.message),
        after: send.after,
    };
    Outputs {
        writes: writes.iter().map(|(no, record)| (*no, digest_record(record))).collect(),
        sends: sends.iter().map(send).collect(),
        notifications: notifications.clone(),
        deliver: deliver.iter().map(txn).collect(),
        install: *install,
        links: links.clone(),
        timers: timers.clone(),
        session: said.iter().map(|(peer, message)| (*peer, session(message))).collect(),
        synced: synced.iter().map(digest).collect(),
        halt: *halt,
        notes: notes.clone(),
        facts: facts.iter().map(digest_fact).collect(),
    }
}

fn digest_fact(fact: &Fact<Bytes>) -> Fact<Digest> {
    match fact {
        Fact::Started { accepted, current, snapshot, last } => Fact::Started {
            accepted: *accepted,
            current: *current,
            snapshot: *snapshot,
            last: *last,
        },
        Fact::Promised { epoch, candidate } => {
            Fact::Promised { epoch: *epoch, candidate: *candidate }
        }
        Fact::Elected { epoch, last } => Fact::Elected { epoch: *epoch, last: *last },
        Fact::Accepted { epoch } => Fact::Accepted { epoch: *epoch },
        Fact::Appended(written) => Fact::Appended(txn(written)),
        Fact::Truncated { to } => Fact::Truncated { to: *to },
        Fact::Replaced { zxid } => Fact::Replaced { zxid: *zxid },
        Fact::Acknowledged { zxid } => Fact::Acknowledged { zxid: *zxid },
        Fact::Established { epoch } => Fact::Established { epoch: *epoch },
        Fact::Proposed(proposed) => Fact::Proposed(txn(proposed)),
        Fact::Installed { zxid } => Fact::Installed { zxid: *zxid },
        Fact::Delivered(delivered) => Fact::Delivered(txn(delivered)),
        Fact::LeadershipEnded => Fact::LeadershipEnded,
    }
}
