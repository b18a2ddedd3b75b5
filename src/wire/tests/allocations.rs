//! The way of a read and of a write through the server allocates no more than it must.

use bytes::{Bytes, BytesMut};
use wire::client::{
    self, Frames, GetDataResponse, Incoming, OpCode, PathWatchRequest, Request, RequestHeader,
    SetDataRequest,
};
use wire::jute::{MAX_BUFFER_BYTES_DEFAULT, Reader, Record};
use wire::quorum::{Packet, PacketType};
use wire::{Stat, txn};

fn allocations(run: impl FnOnce()) -> u64 {
    allocation_counter::measure(run).count_total
}

/// Decodes the one request in `message`, as a server does once the message is taken off the
/// stream; yields how often that allocated.
fn decode(request: &Request) -> u64 {
    let mut message = Vec::new();
    client::encode_request(&mut message, 1, request);
    let mut buffer = BytesMut::from(&message[..]);
    let mut frames = Frames::new(MAX_BUFFER_BYTES_DEFAULT);
    let Ok(Some(Incoming::Frame(frame))) = frames.next(&mut buffer) else {
        panic!("a request is a message")
    };
    allocations(|| {
        let mut reader = Reader::new(&frame);
        let header = RequestHeader::decode(&mut reader).unwrap();
        let op = OpCode::try_from(header.op).unwrap();
        assert_eq!(Request::decode(op, &mut reader).as_ref(), Ok(request));
    })
}

#[test]
fn decoding_a_get_data_or_a_set_data_allocates_the_path_only() {
    let path = String::from("/a/b");
    let data = Some(Bytes::from(vec![7; 100]));
    assert_eq!(decode(&Request::GetData(PathWatchRequest { path: path.clone(), watch: false })), 1);
    assert_eq!(decode(&Request::SetData(SetDataRequest { path, data, version: -1 })), 1);
}

#[test]
fn replies_and_packets_are_written_into_the_buffer_they_leave_from() {
    let mut out = Vec::with_capacity(1024);
    let data = GetDataResponse { data: Some(Bytes::from(vec![7; 100])), stat: Stat::default() };
    let blob = txn::TxnBlob::new(
        txn::TxnHeader::default(),
        txn::Txn::Delete(txn::DeleteTxn { path: "/a".into() }),
        None,
    );
    let ack = Packet::new(PacketType::Ack, 1);
    let written = allocations(|| {
        client::encode_reply(&mut out, 1, 2, |out| data.encode(out));
        blob.encode(&mut out);
        ack.encode(&mut out);
    });
    assert_eq!(written, 0);
    assert_eq!(out.len(), 20 + 104 + 68 + 32 + 6 + 20);
}
