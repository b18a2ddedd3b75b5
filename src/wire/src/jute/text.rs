//! Strings, as ZooKeeper's Java code reads and writes them.
//!
//! Java writes each UTF-16 code unit by itself (`BinaryOutputArchive.stringToByteBuffer`), so a
//! character beyond the Basic Multilingual Plane goes out as two surrogates of three bytes each
//! (CESU-8), not as the four bytes of UTF-8. It reads standard UTF-8 and puts U+FFFD for what is
//! malformed, which includes the surrogates it wrote itself.
//!
//! [`encode`] writes byte for byte what ZooKeeper writes. [`decode`] takes UTF-8 and, beyond what
//! ZooKeeper does, joins a pair of surrogates to the character they stand for, so that what
//! we wrote is what we read. Other clients send four-byte UTF-8, which both read alike. Paths
//! cannot contain such characters at all; names of users and servers could.

use std::borrow::Cow;

const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// The text of a string field. Borrowed if the bytes are valid UTF-8; otherwise pairs of
/// three-byte surrogates are joined, and each malformed sequence becomes one U+FFFD (a lone
/// surrogate of three bytes counts as one sequence, as in Java).
pub fn decode(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::new();
    for chunk in SurrogateSplit(bytes) {
        match chunk {
            Chunk::Plain(bytes) => text.push_str(&String::from_utf8_lossy(bytes)),
            Chunk::Character(character) => text.push(character),
        }
    }
    Cow::Owned(text)
}

/// Appends the bytes of a string field, without its length: UTF-8 within the Basic Multilingual
/// Plane, surrogate pairs of two times three bytes beyond it.
pub fn encode(text: &str, out: &mut Vec<u8>) {
    // Characters beyond the plane are those of four bytes in UTF-8, whose first is 0xf0 or more.
    if text.as_bytes().iter().all(|byte| *byte < 0xf0) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    for character in text.chars() {
        if character.len_utf8() < 4 {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let [high, low] = unit.to_be_bytes();
            out.extend_from_slice(&[
                0xe0 | high >> 4,
                0x80 | (high & 0x0f) << 2 | low >> 6,
                0x80 | low & 0x3f,
            ]);
        }
    }
}

/// How many bytes [`encode`] appends.
pub fn encoded_len(text: &str) -> usize {
    // Four bytes of UTF-8 become two surrogates of three bytes each.
    text.len() + 2 * text.bytes().filter(|byte| *byte >= 0xf0).count()
}

/// Cuts bytes into runs without three-byte surrogates, and the characters these stand for.
struct SurrogateSplit<'a>(&'a [u8]);

enum Chunk<'a> {
    Plain(&'a [u8]),
    Character(char),
}

impl<'a> Iterator for SurrogateSplit<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Chunk<'a>> {
        if self.0.is_empty() {
            return None;
        }
        if let Some(first) = surrogate(self.0) {
            let second = surrogate(&self.0[3..]);
            let pair = second
                .and_then(|second| char::decode_utf16([first, second]).next().and_then(Result::ok));
            self.0 = &self.0[if pair.is_some() { 6 } else { 3 }..];
            return Some(Chunk::Character(pair.unwrap_or(REPLACEMENT)));
        }
        // 0xed is never a continuation byte, so cutting before it cuts no valid character.
        let end = (1..self.0.len()).find(|at| surrogate(&self.0[*at..]).is_some());
        let (plain, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest;
        Some(Chunk::Plain(plain))
    }
}

/// The UTF-16 surrogate that the first three bytes encode, if they do.
fn surrogate(bytes: &[u8]) -> Option<u16> {
    match bytes {
        [0xed, b @ 0xa0..=0xbf, c @ 0x80..=0xbf, ..] => {
            Some(0xd000 | u16::from(b & 0x3f) << 6 | u16::from(c & 0x3f))
        }
        _ => None,
    }
}
