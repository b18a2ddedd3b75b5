//! Lines of commands from the standard input, whatever bytes are in them.

use std::io::{self, BufRead, Read};

/// The longest line that is taken, in bytes: as much as an answer may have.
const LINE_BYTES_MAX: usize = 64 << 20;

/// The lines of an input, numbered from 1 on.
pub(super) struct Lines<R> {
    input: R,
    number: usize,
}

/// A line, or why it is not one that commands can be read of. The lines behind it can be read.
pub(super) type Line = Result<String, String>;

impl<R: BufRead> Lines<R> {
    pub(super) fn of(input: R) -> Self {
        Self { input, number: 0 }
    }

    /// The next line, without its end; `None` at the end of the input.
    ///
    /// # Errors
    /// Nothing more can be read; the sentence says why.
    pub(super) fn next(&mut self) -> Result<Option<Line>, String> {
        self.next_of(LINE_BYTES_MAX)
    }

    fn next_of(&mut self, bytes_max: usize) -> Result<Option<Line>, String> {
        self.number += 1;
        let number = self.number;
        let read = self.bytes(bytes_max);
        let bytes = read.map_err(|error| format!("line {number} cannot be read: {error}"))?;
        Ok(bytes.map(|bytes| {
            if bytes.len() > bytes_max {
                return Err(format!("line {number} is longer than {bytes_max} bytes"));
            }
            String::from_utf8(bytes).map_err(|error| {
                let at = error.utf8_error().valid_up_to() + 1;
                format!("line {number} is not UTF-8, from its byte {at} on")
            })
        }))
    }

    /// The bytes of the next line; of one that is too long, one more than it may have.
    fn bytes(&mut self, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
        self.input.by_ref().take(limit).read_until(b'\n', &mut bytes)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        } else if bytes.len() > bytes_max {
            self.skip()?;
        }
        Ok(Some(bytes))
    }

    /// Reads what is left of a line, and keeps nothing of it.
    fn skip(&mut self) -> io::Result<()> {
        loop {
            let room = match self.input.fill_buf() {
                Ok(room) => room,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let end = room.iter().position(|byte| *byte == b'\n');
            let (read, is_over) = (end.map_or(room.len(), |at| at + 1), room.is_empty());
            self.input.consume(read);
            if end.is_some() || is_over {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    /// All that is read of the input, where a line may have four bytes.
    fn read(input: &[u8]) -> Vec<Line> {
        // A small buffer, so that lines are longer than it.
        let mut lines = Lines::of(BufReader::with_capacity(3, input));
        std::iter::from_fn(|| lines.next_of(4).expect("it can be read")).collect()
    }

    #[test]
    fn a_line_that_cannot_be_taken_does_not_hide_those_behind_it() {
        let fine = |text: &str| Ok(text.to_owned());
        assert_eq!(read(b"ls /\n\nquit"), [fine("ls /"), fine(""), fine("quit")]);
        assert_eq!(read(b""), []);
        assert_eq!(read(b"a\0b\n"), [fine("a\0b")]);
        let no_text = Err("line 2 is not UTF-8, from its byte 3 on".to_owned());
        assert_eq!(read(b"one\nab\xff\ntwo\n"), [fine("one"), no_text, fine("two")]);
        let long = |number| Err(format!("line {number} is longer than 4 bytes"));
        assert_eq!(
            read(b"12345\nfour\n123456789012\nend\n12345"),
            [long(1), fine("four"), long(3), fine("end"), long(5)]
        );
    }

    #[test]
    fn an_input_that_cannot_be_read_is_not_one_that_is_over() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("a bad disk"))
            }
        }
        let mut lines = Lines::of(BufReader::new((&b"one\ntw"[..]).chain(Broken)));
        assert_eq!(lines.next(), Ok(Some(Ok("one".to_owned()))));
        assert_eq!(lines.next(), Err("line 2 cannot be read: a bad disk".to_owned()));
    }
}
