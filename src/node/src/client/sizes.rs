//! How long answers are, before they are made.

use bytes::Bytes;
use wire::ErrorCode;

/// The header of a reply.
pub(super) const REPLY_BYTES: usize = 16;

/// The head of a result in a multi.
pub(super) const MULTI_HEADER_BYTES: usize = 9;

/// A result in a multi that is an error: its head, and the code.
pub(super) const ERROR_RESULT_BYTES: usize = MULTI_HEADER_BYTES + 4;

/// A name in a list: its length, and one character.
pub(super) const NAME_BYTES_MIN: usize = 5;

/// What is larger gets exactly the memory that it needs. Buffers for what is smaller grow as they
/// like.
const LARGE_BYTES: usize = 64 << 10;

/// # Errors
/// MarshallingError: it would be longer than `max`.
pub(super) fn within(bytes: usize, max: usize) -> Result<(), ErrorCode> {
    if bytes <= max { Ok(()) } else { Err(ErrorCode::MarshallingError) }
}

/// The length of a node's data, as it is encoded.
pub(super) fn data(data: &Option<Bytes>) -> usize {
    4 + data.as_ref().map_or(0, Bytes::len)
}

/// How many names there are, and the length of their list. Looks at no more of them than it must.
///
/// # Errors
/// As [`within`].
pub(super) fn names<'a>(
    names: impl Iterator<Item = &'a str>,
    max: usize,
) -> Result<(usize, usize), ErrorCode> {
    let (mut count, mut bytes) = (0, 4);
    for name in names {
        count += 1;
        bytes += 4 + wire::jute::text::encoded_len(name);
        within(bytes, max)?;
    }
    within(bytes, max)?;
    Ok((count, bytes))
}

/// Makes room for a body of `bytes`, and what stands in front of it.
pub(super) fn make_room(out: &mut Vec<u8>, bytes: usize) {
    if bytes > LARGE_BYTES {
        out.reserve_exact(bytes + 4 + REPLY_BYTES);
    }
}

#[cfg(test)]
mod tests {
    use wire::client::{MultiHeader, ReplyHeader};
    use wire::jute::{Field, Record};

    use super::*;

    #[test]
    fn heads_are_as_long_as_they_are_encoded() {
        assert_eq!(ReplyHeader { xid: 0, zxid: 0, err: 0 }.encoded_len(), REPLY_BYTES);
        assert_eq!(MultiHeader::END.encoded_len(), MULTI_HEADER_BYTES);
    }

    #[test]
    fn a_list_is_measured_up_to_the_bound() {
        let list = ["a".to_owned(), "\u{1f600}".to_owned(), String::new()];
        let texts = || list.iter().map(String::as_str);
        let bytes = list.to_vec().written_len();
        assert_eq!(names(texts(), bytes), Ok((3, bytes)));
        assert_eq!(names(texts(), bytes - 1), Err(ErrorCode::MarshallingError));
        assert_eq!(names(std::iter::empty(), 4), Ok((0, 4)));
        let endless = std::iter::repeat("name");
        assert_eq!(names(endless, 1 << 20), Err(ErrorCode::MarshallingError));
    }
}
