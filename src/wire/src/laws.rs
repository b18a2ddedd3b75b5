//! What holds of every record: what is encoded is decoded, and input that is cut off is refused by
//! a field that has a name.

use std::fmt::Debug;

use bytes::Bytes;

use crate::jute::{Error, LIMIT_BYTES_DEFAULT, Reader, Record};
use crate::sample::{Any, Sample, check};
use crate::{client, election, quorum, snapshot, txn};

fn survives<T: Record + PartialEq>(value: Any<T>) -> bool {
    let bytes = Bytes::from(value.0.to_vec());
    let mut reader = Reader::new(&bytes);
    let decoded = T::decode(&mut reader);
    let copied = T::decode(&mut Reader::copying(&bytes, LIMIT_BYTES_DEFAULT));
    reader.remaining() == 0 && decoded.as_ref() == Ok(&value.0) && copied == decoded
}

fn knows_its_length<T: Record>(value: Any<T>) -> bool {
    value.0.encoded_len() == value.0.to_vec().len()
}

fn refuses_each_cut<T: Record>(value: Any<T>) -> bool {
    let bytes = Bytes::from(value.0.to_vec());
    // Every cut of short records; of long ones 200, evenly spread.
    (0..bytes.len())
        .step_by(1 + bytes.len() / 200)
        .all(|end| names_field(T::from_bytes(&bytes.slice(..end)).err()))
}

fn names_field(error: Option<Error>) -> bool {
    match error {
        Some(error @ (Error::Short { .. } | Error::Items { .. })) => {
            error.field().contains('.') && error.to_string().starts_with(error.field())
        }
        Some(
            Error::Length { .. } | Error::Null { .. } | Error::Value { .. } | Error::Text { .. },
        )
        | None => false,
    }
}

fn laws_of<T: Record + Sample + Clone + Debug + PartialEq + 'static>() {
    check::<T>(survives);
    check::<T>(knows_its_length);
    check::<T>(refuses_each_cut);
}

#[test]
fn shared_records() {
    laws_of::<crate::Id>();
    laws_of::<crate::Acl>();
    laws_of::<crate::Stat>();
    laws_of::<crate::StatPersisted>();
}

#[test]
fn transactions() {
    laws_of::<txn::TxnHeader>();
    laws_of::<txn::TxnDigest>();
    laws_of::<txn::CreateTxn>();
    laws_of::<txn::CreateContainerTxn>();
    laws_of::<txn::CreateTtlTxn>();
    laws_of::<txn::DeleteTxn>();
    laws_of::<txn::SetDataTxn>();
    laws_of::<txn::SetAclTxn>();
    laws_of::<txn::CheckVersionTxn>();
    // Its tails are optional: it has cuts that are no errors.
    check::<txn::TxnBlob>(survives);
}

#[test]
fn client_headers_and_events() {
    laws_of::<client::RequestHeader>();
    laws_of::<client::ReplyHeader>();
    laws_of::<client::MultiHeader>();
    laws_of::<client::WatcherEvent>();
    // readOnly is optional.
    check::<client::ConnectRequest>(survives);
    check::<client::ConnectResponse>(survives);
}

#[test]
fn client_requests() {
    check::<client::Request>(|request| {
        let mut bytes = Vec::new();
        request.0.encode(&mut bytes);
        let op = request.0.op();
        let decode = |bytes: &[u8]| {
            client::Request::decode(op, &mut Reader::new(&Bytes::copy_from_slice(bytes)))
        };
        let cuts = (0..bytes.len()).step_by(1 + bytes.len() / 200);
        decode(&bytes) == Ok(request.0.clone())
            && cuts.into_iter().all(|end| names_field(decode(&bytes[..end]).err()))
    });
}

#[test]
fn client_responses() {
    check::<(client::OpCode, client::Response)>(|response| {
        let (op, response) = response.0;
        let mut bytes = Vec::new();
        response.encode(&mut bytes);
        let decode = |bytes: &[u8]| {
            client::Response::decode(op, &mut Reader::new(&Bytes::copy_from_slice(bytes)))
        };
        let cuts = (0..bytes.len()).step_by(1 + bytes.len() / 200);
        decode(&bytes) == Ok(response)
            && cuts.into_iter().all(|end| names_field(decode(&bytes[..end]).err()))
    });
}

#[test]
fn quorum_packets_and_what_is_in_them() {
    laws_of::<quorum::Packet>();
    laws_of::<quorum::Revalidate>();
    laws_of::<quorum::TouchedSession>();
    laws_of::<quorum::QuorumAuthPacket>();
    // The first two have optional tails, the third ends with whatever is left.
    check::<quorum::LearnerInfo>(survives);
    check::<quorum::Revalidated>(survives);
    check::<quorum::ForwardedRequest>(survives);
    check::<quorum::ProposalWithLeader>(survives);
}

#[test]
fn snapshot_records() {
    laws_of::<snapshot::FileHeader>();
    laws_of::<snapshot::Session>();
    laws_of::<snapshot::AclEntry>();
    laws_of::<snapshot::Node>();
    laws_of::<snapshot::Seal>();
    laws_of::<snapshot::ZxidDigest>();
}

#[test]
fn notifications() {
    check::<election::Notification>(|notification| {
        let mut bytes = Vec::new();
        notification.0.encode(&mut bytes);
        let bytes = Bytes::from(bytes);
        let decode = |end| election::Notification::decode(&bytes.slice(..end));
        // Two cuts are older formats.
        let cuts = (0..bytes.len()).filter(|end| ![28, 40].contains(end));
        decode(bytes.len()) == Ok(notification.0)
            && cuts.into_iter().all(|end| names_field(decode(end).err()))
    });
}
