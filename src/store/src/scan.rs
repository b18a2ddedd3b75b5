//! Reading one file of the transaction log from its beginning to its end. How it ends is judged in
//! `tail`.

use std::path::Path;

use crate::disk::File;
use crate::error::{At, Error, Result};
use crate::log::{self, HEADER};
use crate::tail::{Crash, Tail, judge, judge_header};
use crate::window::{Entry, Flaw, Window, flaw};

/// What a file holds, entries aside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Scanned {
    /// The end of the last whole entry, or of the header; 0 if the header is not whole.
    pub(crate) end: u64,
    /// How many entries are whole.
    pub(crate) entries: u64,
    pub(crate) tail: Tail,
}

/// Behind which zxid a log file was begun; 0 if its header does not say so.
pub(crate) fn begun_behind<F: File>(file: &F, path: &Path) -> Result<u64> {
    let mut header = [0; HEADER.len()];
    let read = file.read_at(&mut header, 0).at(path, "read")?;
    Ok(log::begun_behind(&header[..read]))
}

/// What a visitor wants after an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    Go,
    /// Do not look further: the tail is not examined, and the answer has [`Tail::Clean`].
    Stop,
}

/// Reads a file from its beginning and shows each whole entry. Never panics, whatever the file
/// holds, and never holds more of it in memory than one entry and a window.
pub(crate) fn scan<F: File>(
    file: &F,
    path: &Path,
    crash: Crash,
    mut visit: impl FnMut(Entry) -> Result<Next>,
) -> Result<Scanned> {
    let mut window = Window::new(file, path)?;
    let Some(header) = window.get(0, HEADER.len())? else {
        let flaw = flaw("a header has 16 bytes", format!("a file of {}", window.len));
        let tail = judge_header(&mut window, flaw)?;
        return Ok(Scanned { end: 0, entries: 0, tail });
    };
    if header[..8] != HEADER[..8] {
        let found = format!("{:02x?}", &header[..8]);
        let rule = "a log begins with \"ZKLG\" and version 2 (5a 4b 4c 47 00 00 00 02)";
        // What a crash leaves of a header that was being written: some of its bytes, then zeros.
        let written = header.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        if header[..written] != HEADER[..written] {
            return Err(Error::Malformed { path: path.to_owned(), offset: 0, rule, found });
        }
        let tail = judge_header(&mut window, flaw(rule, found))?;
        return Ok(Scanned { end: 0, entries: 0, tail });
    }
    let mut scanned = Scanned { end: HEADER.len() as u64, entries: 0, tail: Tail::Clean };
    let mut last = 0;
    loop {
        match window.entry(scanned.end)? {
            Ok(entry) => {
                scanned.end = entry.end;
                scanned.entries += 1;
                last = entry.zxid.max(last);
                if visit(entry)? == Next::Stop {
                    return Ok(scanned);
                }
            }
            Err(Flaw { rule, found, written: true }) => {
                let (path, offset) = (path.to_owned(), scanned.end);
                return Err(Error::Malformed { path, offset, rule, found });
            }
            Err(flaw) => {
                scanned.tail = judge(&mut window, scanned.end, last, crash, flaw)?;
                return Ok(scanned);
            }
        }
    }
}
