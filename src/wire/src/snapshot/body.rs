use bytes::{Buf, BytesMut};

use super::{AclEntry, Item, Node, Session};
use crate::data::{Acl, StatPersisted};
use crate::jute::{Error, Reader, Record, length};

/// What [`BodyDecoder::step`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The next item.
    Item(Item),
    /// The body has ended; what follows in the buffer does not belong to it.
    End,
    /// More bytes are needed.
    Need {
        /// The field they are for.
        field: &'static str,
        /// How many at least, and never 0: all of them belong to the body.
        bytes: usize,
    },
}

/// Takes the items of a snapshot's body off the front of a stream, whatever the pieces it arrives
/// in, and holds no more of it than the item at hand.
///
/// Counts are believed only as far as items follow. Whether a node's parent came before it and
/// whether its ACL is known is not checked here.
#[derive(Clone, Debug)]
pub struct BodyDecoder {
    limit_bytes: usize,
    part: Part,
}

/// What comes next.
#[derive(Clone, Debug)]
enum Part {
    SessionCount,
    Sessions(u32),
    AclCount,
    /// So many ACLs.
    Acls(u32),
    /// So many more entries of this ACL, then so many ACLs.
    Entries(AclEntry, u32, u32),
    Nodes,
    Ended,
}

/// Why there is no step to a next part.
enum Stop {
    Need { field: &'static str, bytes: usize },
    Refused(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl BodyDecoder {
    /// A decoder at the beginning of a body; no single buffer or string in it may be longer than
    /// `limit_bytes`.
    pub fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes, part: Part::SessionCount }
    }

    /// The next item, taken off `buffer`; or how many bytes it takes to get further. After
    /// [`Step::End`] it stays at that.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Null`]: the snapshot is damaged and cannot be read on.
    pub fn step(&mut self, buffer: &mut BytesMut) -> Result<Step, Error> {
        match self.advance(buffer) {
            Ok(step) => Ok(step),
            Err(Stop::Need { field, bytes }) => Ok(Step::Need { field, bytes }),
            Err(Stop::Refused(error)) => Err(error),
        }
    }

    fn advance(&mut self, buffer: &mut BytesMut) -> Result<Step, Stop> {
        loop {
            match &mut self.part {
                Part::SessionCount => {
                    self.part = Part::Sessions(count("Sessions.count", buffer)?.unwrap_or(0));
                }
                Part::Sessions(0) => self.part = Part::AclCount,
                Part::Sessions(left) => {
                    arrived(buffer, "Session", 12)?;
                    *left -= 1;
                    let session: Session = take(buffer, 12, self.limit_bytes)?;
                    return Ok(Step::Item(Item::Session(session)));
                }
                Part::AclCount => {
                    self.part = Part::Acls(count("Acls.count", buffer)?.unwrap_or(0));
                }
                Part::Acls(0) => self.part = Part::Nodes,
                Part::Acls(left) => {
                    arrived(buffer, "AclEntry", 12)?;
                    let entry = AclEntry { id: buffer.get_i64(), acl: Vec::new() };
                    let field = "AclEntry.acl";
                    let entries = count(field, buffer)?.ok_or(Error::Null { field })?;
                    self.part = Part::Entries(entry, entries, *left);
                }
                Part::Entries(entry, 0, acls_left) => {
                    let entry = AclEntry { id: entry.id, acl: std::mem::take(&mut entry.acl) };
                    self.part = Part::Acls(*acls_left - 1);
                    return Ok(Step::Item(Item::Acl(entry)));
                }
                Part::Entries(entry, entries_left, _) => {
                    let length = acl_length(buffer, self.limit_bytes)?;
                    let acl: Acl = take(buffer, length, self.limit_bytes)?;
                    entry.acl.push(acl);
                    *entries_left -= 1;
                }
                Part::Nodes => match node_length(buffer, self.limit_bytes)? {
                    Some(length) => {
                        let node: Node = take(buffer, length, self.limit_bytes)?;
                        return Ok(Step::Item(Item::Node(node)));
                    }
                    None => {
                        buffer.advance(super::END_MARK.len());
                        self.part = Part::Ended;
                    }
                },
                Part::Ended => return Ok(Step::End),
            }
        }
    }
}

/// A count; -1 is `None`, and any other negative one is 0.
fn count(field: &'static str, buffer: &mut BytesMut) -> Result<Option<u32>, Stop> {
    arrived(buffer, field, 4)?;
    let found = buffer.get_i32();
    Ok(if found == -1 { None } else { Some(u32::try_from(found).unwrap_or(0)) })
}

/// A record of that many bytes, all of which have arrived; it shares nothing with the buffer.
fn take<T: Record>(buffer: &mut BytesMut, length: usize, limit_bytes: usize) -> Result<T, Error> {
    let record = T::decode(&mut Reader::copying(&buffer[..length], limit_bytes))?;
    buffer.advance(length);
    Ok(record)
}

/// The length of the [`Acl`] at the front.
fn acl_length(bytes: &[u8], limit_bytes: usize) -> Result<usize, Stop> {
    let scheme = length_at(bytes, 4, "Id.scheme", limit_bytes)?;
    let id = length_at(bytes, 8 + scheme, "Id.id", limit_bytes)?;
    arrived(bytes, "Id.id", 12 + scheme + id)?;
    Ok(12 + scheme + id)
}

/// The length of the [`Node`] at the front, or `None` if it is the mark of the end.
fn node_length(bytes: &[u8], limit_bytes: usize) -> Result<Option<usize>, Stop> {
    let path = length_at(bytes, 0, "Node.path", limit_bytes)?;
    if path == 1 {
        arrived(bytes, "Node.path", 5)?;
        if bytes.starts_with(super::END_MARK) {
            return Ok(None);
        }
    }
    let data = length_at(bytes, 4 + path, "Node.data", limit_bytes)?;
    let length = 4 + path + 4 + data + 8 + StatPersisted::BYTES;
    arrived(bytes, "Node.data", length)?;
    Ok(Some(length))
}

/// The length of the buffer or string that begins at `at`; 0 for null.
fn length_at(
    bytes: &[u8],
    at: usize,
    field: &'static str,
    limit_bytes: usize,
) -> Result<usize, Stop> {
    arrived(bytes, field, at + 4)?;
    let found = bytes[at..].first_chunk().map_or(0, |head| i32::from_be_bytes(*head));
    Ok(length(field, found, limit_bytes)?.unwrap_or(0))
}

/// Stops unless that many bytes have arrived.
fn arrived(bytes: &[u8], field: &'static str, needed: usize) -> Result<(), Stop> {
    match needed.checked_sub(bytes.len()) {
        None | Some(0) => Ok(()),
        Some(bytes) => Err(Stop::Need { field, bytes }),
    }
}
