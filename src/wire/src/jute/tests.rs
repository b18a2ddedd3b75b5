use std::borrow::Cow;

use bytes::Bytes;
use quickcheck::quickcheck;

use super::{Error, Field, LIMIT_BYTES_DEFAULT, Reader, Writer, text};

fn reader(bytes: &[u8]) -> Reader<'_> {
    Reader::copying(bytes, LIMIT_BYTES_DEFAULT)
}

#[test]
fn null_and_empty_are_different_buffers() {
    let mut out = Vec::new();
    out.buffer(None);
    out.buffer(Some(&[]));
    assert_eq!(out, [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    let mut reader = reader(&out);
    assert_eq!(reader.buffer("data"), Ok(None));
    assert_eq!(reader.buffer("data"), Ok(Some(Bytes::new())));
}

#[test]
fn a_buffer_shares_the_input_unless_asked_to_copy() {
    let input = Bytes::from_static(b"\0\0\0\x02ab");
    let shared = Reader::new(&input).buffer("data").unwrap().unwrap();
    assert_eq!(shared.as_ptr(), input[4..].as_ptr());
    let copied = reader(&input).buffer("data").unwrap().unwrap();
    assert_ne!(copied.as_ptr(), input[4..].as_ptr());
    assert_eq!(shared, copied);
}

#[test]
fn a_length_is_between_null_and_the_limit() {
    let mut reader = Reader::copying(b"\0\0\0\x05abcde", 4);
    let error = reader.buffer("SetDataRequest.data").unwrap_err();
    assert_eq!(
        error.to_string(),
        "SetDataRequest.data: unreasonable length 5, allowed are -1 to 4"
    );
    let mut reader = Reader::copying(b"\xff\xff\xff\xfeabcde", 4);
    let error = reader.str("path").unwrap_err();
    assert_eq!(error, Error::Length { field: "path", found: -2, min: -1, max: 4 });
}

#[test]
fn a_string_that_must_be_there_is_not_null() {
    assert_eq!(reader(&[0xff; 4]).string("path"), Err(Error::Null { field: "path" }));
    assert_eq!(reader(&[0xff; 4]).nullable_string("joining"), Ok(None));
}

#[test]
fn any_byte_but_zero_is_true() {
    let mut reader = reader(&[0, 1, 2, 0xff]);
    let read: Vec<bool> = (0..4).map(|_| reader.bool("watch").unwrap()).collect();
    assert_eq!(read, [false, true, true, true]);
    assert_eq!(reader.bool("watch"), Err(Error::Short { field: "watch", needed: 1, left: 0 }));
}

#[test]
fn a_vector_cannot_announce_more_than_the_input_can_hold() {
    let error = <Vec<i64> as Field>::read(&mut reader(b"\x7f\xff\xff\xff12345678"), "v");
    assert_eq!(error, Err(Error::Items { field: "v", found: 0x7fff_ffff, left: 8, max: 1 }));
}

#[test]
fn a_negative_count_other_than_null_is_an_empty_vector() {
    let read = |bytes| <Option<Vec<i32>> as Field>::read(&mut reader(bytes), "v").unwrap();
    assert_eq!(read(b"\xff\xff\xff\xff"), None);
    assert_eq!(read(b"\xff\xff\xff\xfe"), Some(vec![]));
}

#[test]
fn a_reader_of_a_buffer_ends_where_the_buffer_ends() {
    let input = Bytes::from_static(b"\0\0\0\x05\0\0\0\x01xTAIL");
    let mut outer = Reader::new(&input);
    let mut inner = outer.sub("Txn.data").unwrap();
    assert_eq!(inner.buffer("data"), Ok(Some(Bytes::from_static(b"x"))));
    assert_eq!((inner.remaining(), inner.rest()), (0, Bytes::new()));
    assert_eq!(outer.rest(), Bytes::from_static(b"TAIL"));
}

#[test]
fn characters_beyond_the_basic_plane_are_written_as_java_writes_them() {
    // U+1F981, a lion face: UTF-16 d83e dd81.
    let cesu: &[u8] = b"a\xed\xa0\xbe\xed\xb6\x81\xc3\xa9";
    let mut out = Vec::new();
    text::encode("a\u{1f981}\u{e9}", &mut out);
    assert_eq!(out, cesu);
    assert_eq!(text::decode(cesu), "a\u{1f981}\u{e9}");
    assert_eq!(text::decode("a\u{1f981}".as_bytes()), "a\u{1f981}", "four bytes are read, too");
}

#[test]
fn malformed_text_is_replaced_as_java_replaces_it() {
    let cases: [(&[u8], &str); 6] = [
        (b"a\xffb", "a\u{fffd}b"),
        (b"\xc0\x80", "\u{fffd}\u{fffd}"),
        (b"\xe2\x82", "\u{fffd}"),
        (b"\xed\xa0\xbeX", "\u{fffd}X"),
        (b"\xed\xb6\x81\xed\xa0\xbe", "\u{fffd}\u{fffd}"),
        (b"\xed\xa0", "\u{fffd}\u{fffd}"),
    ];
    for (bytes, expected) in cases {
        assert_eq!(text::decode(bytes), expected, "{bytes:x?}");
    }
    assert!(matches!(text::decode(b"/zookeeper"), Cow::Borrowed("/zookeeper")));
}

quickcheck! {
    fn text_survives(before: String) -> bool {
        let mut bytes = Vec::new();
        text::encode(&before, &mut bytes);
        text::decode(&bytes) == before
    }

    fn text_within_the_basic_plane_is_utf8(text: String) -> bool {
        let basic: String = text.chars().filter(|c| (*c as u32) < 0x1_0000).collect();
        let mut bytes = Vec::new();
        text::encode(&basic, &mut bytes);
        bytes == basic.as_bytes()
    }
}
