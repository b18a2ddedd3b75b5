use std::borrow::Cow;

use bytes::Bytes;

use super::{Error, LIMIT_BYTES_DEFAULT, text};

/// Reads jute values from the front of some bytes.
///
/// Each method takes the name of the field it reads, for its errors. After an error the position
/// is unspecified: the reader is to be dropped.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    /// The owner of `bytes`, when buffers may share it.
    shared: Option<&'a Bytes>,
    at: usize,
    limit_bytes: usize,
}

impl<'a> Reader<'a> {
    /// A reader whose buffers share `bytes` (no copy), with a limit of [`LIMIT_BYTES_DEFAULT`].
    ///
    /// A buffer that shares keeps all of `bytes` alive: copy what is kept for long.
    pub fn new(bytes: &'a Bytes) -> Self {
        Self::with_limit(bytes, LIMIT_BYTES_DEFAULT)
    }

    /// As [`Reader::new`]; no single buffer or string may be longer than `limit_bytes`
    /// (`jute.maxbuffer` and its extra size, together).
    pub fn with_limit(bytes: &'a Bytes, limit_bytes: usize) -> Self {
        Self { bytes, shared: Some(bytes), at: 0, limit_bytes }
    }

    /// A reader whose buffers are copies: nothing read from it keeps `bytes` alive.
    pub fn copying(bytes: &'a [u8], limit_bytes: usize) -> Self {
        Self { bytes, shared: None, at: 0, limit_bytes }
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Bytes read so far.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The longest buffer or string this reader takes.
    pub fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    /// One byte; any non-zero byte is true.
    ///
    /// # Errors
    /// [`Error::Short`].
    pub fn bool(&mut self, field: &'static str) -> Result<bool, Error> {
        Ok(self.array::<1>(field)? != [0])
    }

    /// Four bytes, big-endian.
    ///
    /// # Errors
    /// [`Error::Short`].
    pub fn i32(&mut self, field: &'static str) -> Result<i32, Error> {
        self.array(field).map(i32::from_be_bytes)
    }

    /// Eight bytes, big-endian.
    ///
    /// # Errors
    /// [`Error::Short`].
    pub fn i64(&mut self, field: &'static str) -> Result<i64, Error> {
        self.array(field).map(i64::from_be_bytes)
    }

    /// A buffer; `None` is null. Shares the input if the reader was made to.
    ///
    /// # Errors
    /// [`Error::Short`], [`Error::Length`].
    pub fn buffer(&mut self, field: &'static str) -> Result<Option<Bytes>, Error> {
        let Some(len) = self.length(field)? else { return Ok(None) };
        self.bytes(field, len).map(Some)
    }

    /// The bytes of a buffer or string without a copy; `None` is null.
    ///
    /// # Errors
    /// [`Error::Short`], [`Error::Length`].
    pub fn slice(&mut self, field: &'static str) -> Result<Option<&'a [u8]>, Error> {
        let Some(len) = self.length(field)? else { return Ok(None) };
        self.take(field, len).map(Some)
    }

    /// All that is left, as a buffer without a length of its own.
    pub fn rest(&mut self) -> Bytes {
        let rest = match self.shared {
            Some(shared) => shared.slice(self.at..self.bytes.len()),
            None => Bytes::copy_from_slice(&self.bytes[self.at..]),
        };
        self.at = self.bytes.len();
        rest
    }

    /// A string that may be null; borrowed from the input unless it had to be repaired
    /// ([`text::decode`]).
    ///
    /// # Errors
    /// [`Error::Short`], [`Error::Length`].
    pub fn nullable_str(&mut self, field: &'static str) -> Result<Option<Cow<'a, str>>, Error> {
        Ok(self.slice(field)?.map(text::decode))
    }

    /// A string; null is refused. Borrowed as [`Reader::nullable_str`].
    ///
    /// # Errors
    /// [`Error::Short`], [`Error::Length`], [`Error::Null`].
    pub fn str(&mut self, field: &'static str) -> Result<Cow<'a, str>, Error> {
        self.nullable_str(field)?.ok_or(Error::Null { field })
    }

    /// An owned string that may be null.
    ///
    /// # Errors
    /// As [`Reader::nullable_str`].
    pub fn nullable_string(&mut self, field: &'static str) -> Result<Option<String>, Error> {
        Ok(self.nullable_str(field)?.map(Cow::into_owned))
    }

    /// An owned string; null is refused.
    ///
    /// # Errors
    /// As [`Reader::str`].
    pub fn string(&mut self, field: &'static str) -> Result<String, Error> {
        self.str(field).map(Cow::into_owned)
    }

    /// The count of a vector whose items take at least `item_bytes_min` bytes each; `None` is
    /// null. As in ZooKeeper, a negative count other than -1 is an empty vector.
    ///
    /// # Errors
    /// [`Error::Short`]; [`Error::Items`] if the bytes left cannot hold so many.
    pub fn count(
        &mut self,
        field: &'static str,
        item_bytes_min: usize,
    ) -> Result<Option<usize>, Error> {
        let found = self.i32(field)?;
        if found == -1 {
            return Ok(None);
        }
        let found = usize::try_from(found).unwrap_or(0);
        let left = self.remaining();
        let max = left / item_bytes_min.max(1);
        if found > max {
            return Err(Error::Items { field, found, left, max });
        }
        Ok(Some(found))
    }

    /// `N` bytes as they are.
    ///
    /// # Errors
    /// [`Error::Short`].
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Error> {
        let rest = &self.bytes[self.at..];
        let Some(array) = rest.first_chunk() else {
            return Err(Error::Short { field, needed: N, left: rest.len() });
        };
        self.at += N;
        Ok(*array)
    }

    /// A reader over the bytes of a buffer, with the same limit and the same owner; null is
    /// refused. This reader goes on behind the buffer.
    ///
    /// # Errors
    /// [`Error::Short`], [`Error::Length`], [`Error::Null`].
    pub fn sub(&mut self, field: &'static str) -> Result<Self, Error> {
        let len = self.length(field)?.ok_or(Error::Null { field })?;
        let at = self.at;
        self.take(field, len)?;
        Ok(Self { bytes: &self.bytes[..at + len], at, ..self.clone() })
    }

    fn bytes(&mut self, field: &'static str, len: usize) -> Result<Bytes, Error> {
        let start = self.at;
        let slice = self.take(field, len)?;
        Ok(match self.shared {
            Some(shared) => shared.slice(start..start + len),
            None => Bytes::copy_from_slice(slice),
        })
    }

    fn take(&mut self, field: &'static str, len: usize) -> Result<&'a [u8], Error> {
        let left = self.remaining();
        if len > left {
            return Err(Error::Short { field, needed: len, left });
        }
        let slice = &self.bytes[self.at..self.at + len];
        self.at += len;
        Ok(slice)
    }

    fn length(&mut self, field: &'static str) -> Result<Option<usize>, Error> {
        let found = self.i32(field)?;
        length(field, found, self.limit_bytes)
    }
}

/// The rule for the length of a buffer or string: -1 is null, 0 to `limit_bytes` is a length.
pub(crate) fn length(
    field: &'static str,
    found: i32,
    limit_bytes: usize,
) -> Result<Option<usize>, Error> {
    if found == -1 {
        return Ok(None);
    }
    match usize::try_from(found) {
        Ok(len) if len <= limit_bytes => Ok(Some(len)),
        Ok(_) | Err(_) => Err(Error::Length {
            field,
            found: found.into(),
            min: -1,
            max: i64::try_from(limit_bytes).unwrap_or(i64::MAX),
        }),
    }
}
