use bytes::Bytes;

use super::{CreateTxn, Txn, TxnBlob, TxnDigest, TxnHeader, TxnType};
use crate::jute::{Error, LIMIT_BYTES_DEFAULT, Reader, Record};
use crate::sample::Sample;
use crate::{Acl, ErrorCode};
use quickcheck::Gen;

/// The body of the log entry that ZooKeeper 3.9 writes for `create /a "x"` on an empty tree.
const CREATE_A: &[u8] = b"\
    \x01\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01\
    \x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x03\xe8\x00\x00\x00\x01\
    \x00\x00\x00\x02/a\x00\x00\x00\x01x\x00\x00\x00\x01\x00\x00\x00\x1f\
    \x00\x00\x00\x05world\x00\x00\x00\x06anyone\x00\x00\x00\x00\x01\
    \x00\x00\x00\x02\x00\x00\x00\x00\x9c\x56\x06\x32";

fn create_a() -> TxnBlob {
    TxnBlob::new(
        TxnHeader { client_id: 0x0100_0000_0000_0001, cxid: 1, zxid: 2, time: 1000, kind: 0 },
        Txn::Create(CreateTxn {
            path: "/a".into(),
            data: Some(Bytes::from_static(b"x")),
            acl: Acl::open_unsafe(),
            ephemeral: false,
            parent_cversion: 1,
        }),
        Some(TxnDigest { version: TxnDigest::VERSION, tree_digest: 0x9c56_0632 }),
    )
}

#[test]
fn a_log_entry_of_zookeeper_is_read_and_written_to_the_byte() {
    let bytes = Bytes::from_static(CREATE_A);
    assert_eq!(CREATE_A.len(), 0x57);
    assert_eq!(TxnBlob::from_bytes(&bytes), Ok(create_a()));
    assert_eq!(create_a().to_vec(), CREATE_A);
}

#[test]
fn a_create_of_before_3_4_lacks_the_version_of_the_parent_and_the_digest() {
    let bytes = Bytes::from_static(CREATE_A).slice(..CREATE_A.len() - 16);
    let blob = TxnBlob::from_bytes(&bytes).unwrap();
    assert_eq!(blob.digest, None);
    let Txn::Create(create) = blob.txn else { panic!("not a create: {:?}", blob.txn) };
    assert_eq!((create.path.as_str(), create.parent_cversion), ("/a", -1));
}

#[test]
fn a_create_that_ends_earlier_is_refused_by_the_field_it_ends_in() {
    let cut = |end| TxnBlob::from_bytes(&Bytes::from_static(CREATE_A).slice(..end)).unwrap_err();
    assert_eq!(cut(31), Error::Short { field: "TxnHeader.kind", needed: 4, left: 3 });
    assert_eq!(cut(37), Error::Short { field: "CreateTxn.path", needed: 2, left: 1 });
    assert_eq!(cut(42), Error::Short { field: "CreateTxn.data", needed: 1, left: 0 });
    assert_eq!(
        cut(47),
        Error::Items { field: "CreateTxn.acl", found: 1, left: 0, max: 0 },
        "an entry is announced and no byte of it is there"
    );
    assert_eq!(cut(70), Error::Short { field: "CreateTxn.ephemeral", needed: 1, left: 0 });
}

#[test]
fn a_digest_that_is_cut_off_is_none() {
    for cut in 1..=12 {
        let bytes = Bytes::from_static(CREATE_A).slice(..CREATE_A.len() - cut);
        assert_eq!(TxnBlob::from_bytes(&bytes).unwrap(), TxnBlob { digest: None, ..create_a() });
    }
}

#[test]
fn the_end_of_a_session_may_lack_its_paths_with_or_without_a_digest() {
    for digest in [None, Some(TxnDigest { version: TxnDigest::VERSION, tree_digest: -1 })] {
        let blob = TxnBlob::new(TxnHeader::default(), Txn::CloseSession(None), digest);
        let bytes = Bytes::from(blob.to_vec());
        assert_eq!(TxnBlob::from_bytes(&bytes), Ok(blob));
    }
}

#[test]
fn the_end_of_a_session_names_no_empty_path() {
    let mut bytes = TxnHeader { kind: -11, ..TxnHeader::default() }.to_vec();
    bytes.extend_from_slice(b"\0\0\0\x02\0\0\0\0\0\0\0\0\x05");
    let error = TxnBlob::from_bytes(&bytes.into()).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"CloseSessionTxn.paths2Delete: "" found, allowed: paths, which are not empty"#
    );
}

#[test]
fn types_that_zookeeper_does_not_know_are_refused() {
    for kind in [22, 0, 3, 13] {
        let header = TxnHeader { kind, ..TxnHeader::default() };
        let error = TxnBlob::from_bytes(&header.to_vec().into()).unwrap_err();
        let allowed = "-11, -10, -1, 1, 2, 5, 7, 13 (in a multi), 14, 15, 16, 19, 20, 21";
        let expected = format!("TxnHeader.type: {kind} found, allowed: {allowed}");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn a_multi_within_a_multi_is_refused() {
    let inner = Txn::Multi(vec![Txn::Error { err: ErrorCode::NoNode.code() }]);
    let mut bytes = Vec::new();
    Txn::Multi(vec![inner]).encode(&mut bytes);
    let error = Txn::decode(14, &mut Reader::copying(&bytes, LIMIT_BYTES_DEFAULT)).unwrap_err();
    assert!(matches!(error, Error::Value { field: "Txn.type", found: 14, .. }), "{error}");
}

#[test]
fn a_failed_multi_has_the_layout_of_zookeeper() {
    let multi = Txn::Multi(vec![
        Txn::Error { err: ErrorCode::Ok.code() },
        Txn::Error { err: ErrorCode::NoNode.code() },
    ]);
    let mut bytes = Vec::new();
    multi.encode(&mut bytes);
    let expected = b"\0\0\0\x02\
        \xff\xff\xff\xff\0\0\0\x04\0\0\0\0\
        \xff\xff\xff\xff\0\0\0\x04\xff\xff\xff\x9b";
    assert_eq!(bytes, expected);
}

impl Sample for Txn {
    fn sample(g: &mut Gen) -> Self {
        let multi = |g: &mut Gen| {
            Vec::<u8>::sample(g).into_iter().map(|pick| sample(1 + pick % 10, g)).collect()
        };
        match u8::sample(g) % 14 {
            0 => Self::Multi(multi(g)),
            pick => sample(pick, g),
        }
    }
}

/// A transaction of any type but multi; those from 1 to 10 may be in a multi.
fn sample(pick: u8, g: &mut Gen) -> Txn {
    match pick {
        1 => Txn::Error { err: i32::sample(g) },
        2 => Txn::Create(Sample::sample(g)),
        3 => Txn::Delete(Sample::sample(g)),
        4 => Txn::SetData(Sample::sample(g)),
        5 => Txn::SetAcl(Sample::sample(g)),
        6 => Txn::Check(Sample::sample(g)),
        7 => Txn::Create2(Sample::sample(g)),
        8 => Txn::CreateContainer(Sample::sample(g)),
        9 => Txn::DeleteContainer(Sample::sample(g)),
        10 => Txn::CreateTtl(Sample::sample(g)),
        11 => Txn::Reconfig(Sample::sample(g)),
        12 => Txn::CreateSession { timeout_ms: i32::sample(g) },
        _ => Txn::CloseSession(
            // Paths are never empty.
            Option::<Vec<String>>::sample(g)
                .map(|paths| paths.into_iter().map(|path| format!("/{path}")).collect()),
        ),
    }
}

impl Sample for TxnBlob {
    fn sample(g: &mut Gen) -> Self {
        let digest =
            bool::sample(g).then(|| TxnDigest { version: TxnDigest::VERSION, ..Sample::sample(g) });
        let mut txn = Txn::sample(g);
        if txn.kind() == TxnType::Check {
            // Nowhere but in a multi.
            txn = Txn::Multi(vec![txn]);
        }
        Self::new(Sample::sample(g), txn, digest)
    }
}
