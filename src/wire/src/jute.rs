//! Jute, ZooKeeper's binary encoding (`BinaryInputArchive`, `BinaryOutputArchive`).
//!
//! | type | encoding | null |
//! |---|---|---|
//! | `bool` | one byte; 0 or 1 written, any non-zero byte read as true | |
//! | `i32`, `i64` | big-endian two's complement | |
//! | buffer | `i32` length, bytes | length -1 |
//! | string | `i32` length in bytes, text (see [`text`]) | length -1 |
//! | vector | `i32` count, items back to back | count -1 |
//! | record | its fields in order: no tag, no length, no padding | |
//!
//! Null and empty are different for buffers (`Option<Bytes>`) and for those strings that may be
//! null (`Option<String>`). A null vector is read as an empty one, because ZooKeeper treats the
//! two alike wherever it reads one, with the exception of `authinfo` on the quorum port, which is
//! therefore an `Option<Vec<_>>`.

mod read;
pub mod text;
mod write;

pub use read::Reader;
pub(crate) use read::length;
pub use write::Writer;

use bytes::Bytes;

/// ZooKeeper's default of `jute.maxbuffer`: the longest message a server takes from a client.
pub const MAX_BUFFER_BYTES_DEFAULT: usize = 0xf_ffff;

/// The longest single buffer or string that is read by default: `jute.maxbuffer` and
/// `zookeeper.jute.maxbuffer.extrasize`, whose default is `jute.maxbuffer` again.
pub const LIMIT_BYTES_DEFAULT: usize = 2 * MAX_BUFFER_BYTES_DEFAULT;

/// Why bytes were refused. Each variant names the field as `Record.field`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The input ends inside a field.
    #[error("{field}: {needed} bytes are needed, {left} are left")]
    Short {
        /// The field that was being read.
        field: &'static str,
        /// Bytes the field needs, as far as is known.
        needed: usize,
        /// Bytes that were left.
        left: usize,
    },
    /// A buffer, string or message announces a length outside its range.
    #[error("{field}: unreasonable length {found}, allowed are {min} to {max}")]
    Length {
        /// The field or kind of message.
        field: &'static str,
        /// The length announced.
        found: i64,
        /// The smallest length allowed; -1 stands for null.
        min: i64,
        /// The largest length allowed.
        max: i64,
    },
    /// A null where a value is required.
    #[error("{field}: null (length -1), but a value is required")]
    Null {
        /// The field that was null.
        field: &'static str,
    },
    /// A vector announces more items than the rest of the input can hold.
    #[error("{field}: {found} items announced, the {left} bytes left hold at most {max}")]
    Items {
        /// The vector.
        field: &'static str,
        /// The count announced.
        found: usize,
        /// Bytes that were left.
        left: usize,
        /// Most items that fit into them.
        max: usize,
    },
    /// A number that stands for something stands for nothing we know.
    #[error("{field}: {found} found, allowed: {allowed}")]
    Value {
        /// The field.
        field: &'static str,
        /// The number found.
        found: i64,
        /// What is allowed, in words.
        allowed: &'static str,
    },
    /// Text that does not have the form its field requires.
    #[error("{field}: {found:?} found, allowed: {allowed}")]
    Text {
        /// The field.
        field: &'static str,
        /// The text found, cut after 64 characters.
        found: String,
        /// What is allowed, in words.
        allowed: &'static str,
    },
}

impl Error {
    /// The field that was refused, as `Record.field`.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Short { field, .. }
            | Self::Length { field, .. }
            | Self::Null { field }
            | Self::Items { field, .. }
            | Self::Value { field, .. }
            | Self::Text { field, .. } => field,
        }
    }

    /// An [`Error::Text`] whose excerpt is at most 64 characters long.
    pub(crate) fn text(field: &'static str, found: &str, allowed: &'static str) -> Self {
        Self::Text { field, found: found.chars().take(64).collect(), allowed }
    }
}

/// A record: fields in order. Decoding leaves the reader behind the last field; bytes that follow
/// are not an error (ZooKeeper ignores them, and adds fields there).
pub trait Record: Sized {
    /// Reads the record's fields in order.
    ///
    /// # Errors
    /// The first field that is short, too long, null where it must not be, or of unknown meaning.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Error>;

    /// Appends the record to `out`.
    fn encode(&self, out: &mut Vec<u8>);

    /// How many bytes [`Record::encode`] appends.
    fn encoded_len(&self) -> usize {
        self.to_vec().len()
    }

    /// Reads the record from the front of `bytes`; buffers in it share `bytes`.
    ///
    /// # Errors
    /// As [`Record::decode`], with the default limit of [`LIMIT_BYTES_DEFAULT`].
    fn from_bytes(bytes: &Bytes) -> Result<Self, Error> {
        Self::decode(&mut Reader::new(bytes))
    }

    /// The record alone, as bytes.
    fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }
}

/// A type that can be a field of a record.
pub trait Field: Sized {
    /// The fewest bytes a value takes: what bounds the count a vector may announce.
    const BYTES_MIN: usize;

    /// Reads a value; errors name `field` unless the value is a record, which names its own.
    ///
    /// # Errors
    /// As [`Record::decode`].
    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, Error>;

    /// Appends the value to `out`.
    fn write(&self, out: &mut Vec<u8>);

    /// How many bytes [`Field::write`] appends, without appending them.
    fn written_len(&self) -> usize;
}

/// Fields whose reading and writing is one method each of [`Reader`] and [`Writer`].
macro_rules! primitive {
    ($type:ty, $bytes:expr, $read:ident, |$self:ident, $out:ident| $write:expr, $more:expr) => {
        impl Field for $type {
            const BYTES_MIN: usize = $bytes;

            fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, Error> {
                reader.$read(field)
            }

            fn write(&$self, $out: &mut Vec<u8>) {
                $write
            }

            fn written_len(&$self) -> usize {
                $bytes + $more
            }
        }
    };
}

primitive!(bool, 1, bool, |self, out| out.bool(*self), 0);
primitive!(i32, 4, i32, |self, out| out.i32(*self), 0);
primitive!(i64, 8, i64, |self, out| out.i64(*self), 0);
primitive!(String, 4, string, |self, out| out.str(self), text::encoded_len(self));
primitive!(
    Option<String>,
    4,
    nullable_string,
    |self, out| out.nullable_str(self.as_deref()),
    self.as_deref().map_or(0, text::encoded_len)
);
primitive!(
    Option<Bytes>,
    4,
    buffer,
    |self, out| out.buffer(self.as_deref()),
    self.as_deref().map_or(0, <[u8]>::len)
);

impl<T: Field> Field for Vec<T> {
    const BYTES_MIN: usize = 4;

    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, Error> {
        Ok(Option::read(reader, field)?.unwrap_or_default())
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.count(self.len());
        for item in self {
            item.write(out);
        }
    }

    fn written_len(&self) -> usize {
        4 + self.iter().map(Field::written_len).sum::<usize>()
    }
}

impl<T: Field> Field for Option<Vec<T>> {
    const BYTES_MIN: usize = 4;

    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, Error> {
        let Some(count) = reader.count(field, T::BYTES_MIN)? else { return Ok(None) };
        // One item is the usual case; more memory only as items arrive.
        let mut items = Vec::with_capacity(count.min(1));
        for _ in 0..count {
            items.push(T::read(reader, field)?);
        }
        Ok(Some(items))
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Some(items) => items.write(out),
            None => out.i32(-1),
        }
    }

    fn written_len(&self) -> usize {
        self.as_ref().map_or(4, Field::written_len)
    }
}

/// Declares a record: a struct with public fields, each a [`Field`], and its encoding.
macro_rules! record {
    ($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)*
    }) => {
        $(#[$meta])*
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl $crate::jute::Record for $name {
            fn decode(reader: &mut $crate::jute::Reader<'_>) -> Result<Self, $crate::jute::Error> {
                Ok(Self {$(
                    $field: $crate::jute::Field::read(
                        reader,
                        concat!(stringify!($name), ".", stringify!($field)),
                    )?,
                )*})
            }

            fn encode(&self, out: &mut Vec<u8>) {
                $($crate::jute::Field::write(&self.$field, out);)*
            }

            fn encoded_len(&self) -> usize {
                0 $(+ $crate::jute::Field::written_len(&self.$field))*
            }
        }

        impl $crate::jute::Field for $name {
            const BYTES_MIN: usize = 0 $(+ <$type as $crate::jute::Field>::BYTES_MIN)*;

            fn read(
                reader: &mut $crate::jute::Reader<'_>,
                _field: &'static str,
            ) -> Result<Self, $crate::jute::Error> {
                $crate::jute::Record::decode(reader)
            }

            fn write(&self, out: &mut Vec<u8>) {
                $crate::jute::Record::encode(self, out);
            }

            fn written_len(&self) -> usize {
                $crate::jute::Record::encoded_len(self)
            }
        }

        #[cfg(test)]
        impl $crate::sample::Sample for $name {
            fn sample(g: &mut quickcheck::Gen) -> Self {
                Self { $($field: $crate::sample::Sample::sample(g),)* }
            }
        }
    };
}

pub(crate) use record;

#[cfg(test)]
mod tests;
