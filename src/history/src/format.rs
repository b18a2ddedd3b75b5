//! Histories as text: one JSON object a line, each a [`Record`]. Empty lines are skipped.
//!
//! The records of a session stand in the order in which its client saw them; an operation stands
//! where its answer came. Records of different sessions may stand in any order, and so may be read
//! from several files, one behind the other. The log's transactions stand in the log's order.
//!
//! ```text
//! {"session":{"session":1,"at":10,"change":{"begun":{"client":7}}}}
//! {"operation":{"session":1,"xid":1,"invoked":12,
//!               "asked":{"write":{"create":{"path":"/a","data":"x"}}},
//!               "answered":{"at":15,"zxid":4294967298,"ok":{"created":{"path":"/a"}}}}}
//! {"operation":{"session":1,"xid":2,"invoked":16,
//!               "asked":{"read":{"kind":"exists","path":"/b","watch":true}},
//!               "answered":{"at":17,"zxid":4294967298,"error":-101}}}
//! {"operation":{"session":1,"xid":3,"invoked":18,
//!               "asked":{"multi":[{"delete":{"path":"/a"}},{"check":{"path":"/b"}}]}}}
//! {"event":{"session":1,"at":20,"kind":"created","path":"/b","zxid":4294967299}}
//! {"session":{"session":1,"at":22,"change":"lost"}}
//! {"transaction":{"zxid":4294967298,"session":1,"xid":1,"txn":{"create":{"path":"/a","data":"x"}}}}
//! {"tree":{"zxid":4294967299,"nodes":[{"path":"/","stat":{"cversion":1}}]}}
//! ```
//!
//! (Each object is one line; the longer ones are broken here to be read.) Every field is that of
//! the type with its name; a field that has a default may be absent, and numbers are decimal. An
//! operation without `answered` has an unknown outcome. Data is text, or `hex:` with digits, see
//! [`Data`].

use std::io::{self, BufRead, Write};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::History;
use crate::operation::Data;
use crate::record::Record;

/// The longest line that is read.
pub const LINE_BYTES_MAX: u64 = 1 << 28;

/// Why a text is not a history.
#[derive(Debug, Error)]
pub enum FormatError {
    /// It cannot be read.
    #[error("line {line}: {error}")]
    Io {
        /// The line, from 1.
        line: usize,
        /// Why.
        error: io::Error,
    },
    /// A line is not a record.
    #[error("line {line} is not a record of a history: {error}")]
    NotARecord {
        /// The line, from 1.
        line: usize,
        /// Why.
        error: serde_json::Error,
    },
    /// A line is too long.
    #[error("line {line} is longer than {LINE_BYTES_MAX} bytes")]
    TooLong {
        /// The line, from 1.
        line: usize,
    },
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_text(&text).map_err(D::Error::custom)
    }
}

impl History {
    /// Appends what a text holds.
    ///
    /// # Errors
    ///
    /// If a line cannot be read or is not a record; what stands before it has been appended.
    pub fn read(&mut self, mut text: impl BufRead) -> Result<(), FormatError> {
        let mut bytes = Vec::new();
        for line in 1.. {
            bytes.clear();
            let mut limited = io::Read::take(&mut text, LINE_BYTES_MAX + 1);
            let read = limited.read_until(b'\n', &mut bytes);
            if read.map_err(|error| FormatError::Io { line, error })? == 0 {
                break;
            }
            if bytes.len() as u64 > LINE_BYTES_MAX {
                return Err(FormatError::TooLong { line });
            }
            if !bytes.trim_ascii().is_empty() {
                let record: Record = serde_json::from_slice(&bytes)
                    .map_err(|error| FormatError::NotARecord { line, error })?;
                self.records.push(record);
            }
        }
        Ok(())
    }

    /// Writes the history as text.
    ///
    /// # Errors
    ///
    /// If `out` cannot be written.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        for record in &self.records {
            serde_json::to_writer(&mut out, record)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use quickcheck::quickcheck;

    use super::*;

    quickcheck! {
        fn data_is_the_same_when_it_has_been_text(bytes: Vec<u8>) -> bool {
            let data = Data::from(bytes.as_slice());
            let text = serde_json::to_string(&data).unwrap();
            serde_json::from_str::<Data>(&text).unwrap() == data
        }
    }

    #[test]
    fn data_that_looks_like_digits_is_written_as_digits() {
        for (bytes, text) in [
            (&b"plain"[..], "plain"),
            (b"\xff\x00", "hex:ff00"),
            (b"hex:", "hex:6865783a"),
            (b"", ""),
        ] {
            assert_eq!(Data::from(bytes).to_text(), text);
        }
        for text in ["hex:f", "hex:+1", "hex:xy"] {
            assert!(Data::from_text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_line_that_is_no_record_is_named() {
        let mut history = History::new();
        let text = "\n{\"session\":{\"session\":1,\"at\":1,\"change\":\"lost\"}}\n{\n";
        let error = history.read(text.as_bytes()).unwrap_err();
        assert!(error.to_string().starts_with("line 3 is not a record of a history: "), "{error}");
        assert_eq!(history.records.len(), 1, "what stands before it is kept");
    }
}
