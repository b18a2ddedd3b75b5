//! Reading: a stream of steps, and what may be wrong with it.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use xxhash_rust::xxh3::xxh3_64;

use crate::decode::Decoder;
use crate::encode::Encoder;
use crate::write::chunk_sum;
use crate::{CHUNK_HEAD, CHUNK_MAGIC, Header, MAGIC, SUM, Step, VERSION};

/// Why a recording is not accepted. Offsets count bytes from the begin of the file.
#[derive(thiserror::Error, Debug)]
pub enum Refused {
    /// The file.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// Another file, or another version.
    #[error("offset {offset}: {field} is {found}, allowed: {allowed}")]
    Field {
        /// Where.
        offset: u64,
        /// What stands there.
        field: &'static str,
        /// As found.
        found: String,
        /// What it may be.
        allowed: String,
    },
    /// A chunk that is not sound, with a sound one behind it: not what a crash leaves.
    #[error(
        "offset {offset}: this chunk is damaged ({rule}), and at offset {sound} stands a sound one: only the last chunk may be torn"
    )]
    Damaged {
        /// Where.
        offset: u64,
        /// The rule that it breaks.
        rule: String,
        /// The next sound chunk.
        sound: u64,
    },
    /// The checksum is right and the content is none: written so.
    #[error("offset {offset}, step {step}: {rule}")]
    Content {
        /// Where its chunk begins.
        offset: u64,
        /// Its number.
        step: u64,
        /// The rule that it breaks.
        rule: String,
    },
}

/// How a recording ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tail {
    /// With an orderly stop: nothing is missing.
    Closed,
    /// After a sound chunk. The server was killed, or still runs, or lost power: then steps behind
    /// it may be missing.
    Open,
    /// With a part of a chunk, which is left out. Steps are missing.
    Torn {
        /// Where it begins.
        offset: u64,
        /// How long it is.
        bytes: u64,
        /// What is wrong with it.
        rule: String,
    },
}

/// A recording, read step by step: only one chunk is in memory.
#[derive(Debug)]
pub struct Reader<R> {
    source: BufReader<R>,
    end: u64,
    header: Header,
    /// Where the next chunk begins.
    offset: u64,
    chunk: Vec<u8>,
    chunk_offset: u64,
    /// Within `chunk`.
    at: usize,
    left: u32,
    step: u64,
    decoder: Decoder,
    /// Writes every step again.
    again: Encoder,
    tail: Option<Tail>,
    last: bool,
}

/// A chunk as it stands in the file, or why it is none.
enum Found {
    Sound { last: bool, first: u64, count: u32 },
    Not(String),
    End,
}

impl<R: Read + Seek> Reader<R> {
    /// Reads the header; `None` if the file ends within it: the server was killed before its first
    /// step.
    ///
    /// # Errors
    /// The file is no recording, or of another version.
    pub fn open(mut source: R) -> Result<Option<Self>, Refused> {
        let end = source.seek(SeekFrom::End(0))?;
        source.rewind()?;
        let mut source = BufReader::with_capacity(1 << 16, source);
        let Some(bytes) = read_header(&mut source, end)? else {
            return Ok(None);
        };
        let header = postcard::from_bytes(&bytes[16..bytes.len() - SUM]).map_err(|error| {
            let (field, allowed) = ("the header", "a header of this version".to_owned());
            Refused::Field { offset: 16, field, found: error.to_string(), allowed }
        })?;
        Ok(Some(Self {
            source,
            end,
            header,
            offset: bytes.len() as u64,
            chunk: Vec::new(),
            chunk_offset: 0,
            at: 0,
            left: 0,
            step: 0,
            decoder: Decoder::new(),
            again: Encoder::new(),
            tail: None,
            last: false,
        }))
    }

    /// Who recorded.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// How the recording ends: known once [`Self::step`] has answered `None`.
    pub fn tail(&self) -> Option<&Tail> {
        self.tail.as_ref()
    }

    /// The next step; `None` at the end. There is one way only to write a step: what is read is
    /// what would be written, byte for byte.
    ///
    /// # Errors
    /// The recording is damaged.
    pub fn step(&mut self) -> Result<Option<Step>, Refused> {
        while self.left == 0 {
            if !self.next_chunk()? {
                return Ok(None);
            }
        }
        let bytes = self.chunk.get(self.at..).unwrap_or_default();
        let ((event, reports, effects), rest) = match self.decoder.step(bytes) {
            Ok(read) => read,
            Err(fault) => return Err(self.content(fault.to_string())),
        };
        self.again.clear();
        self.again.push(&event, &reports, &effects);
        if self.again.bytes != bytes[..bytes.len() - rest.len()] {
            return Err(self.content("it is not written as this version writes it".to_owned()));
        }
        self.left -= 1;
        if self.left == 0 && !rest.is_empty() {
            let rule = format!("{} bytes stand behind it, allowed: none", rest.len());
            return Err(self.content(rule));
        }
        self.at = self.chunk.len() - rest.len();
        let number = self.step;
        self.step += 1;
        Ok(Some(Step { number, event, reports, effects }))
    }

    fn content(&self, rule: String) -> Refused {
        Refused::Content { offset: self.chunk_offset, step: self.step, rule }
    }

    fn next_chunk(&mut self) -> Result<bool, Refused> {
        if self.tail.is_some() {
            return Ok(false);
        }
        let offset = self.offset;
        match self.read_chunk()? {
            Found::Sound { .. } if self.last => {
                let (found, allowed) = ("another chunk".to_owned(), "the end".to_owned());
                Err(Refused::Field { offset, field: "behind the last chunk", found, allowed })
            }
            Found::Sound { first, .. } if first != self.step => Err(Refused::Field {
                offset,
                field: "the number of the chunk's first step",
                found: first.to_string(),
                allowed: format!("{}, for chunks follow each other", self.step),
            }),
            Found::Sound { last, count, .. } => {
                self.last = last;
                self.left = count;
                self.at = 0;
                self.chunk_offset = offset;
                if count == 0 && !self.chunk.is_empty() {
                    return Err(self.content("a chunk without steps is not empty".to_owned()));
                }
                Ok(true)
            }
            Found::End => {
                self.tail = Some(if self.last { Tail::Closed } else { Tail::Open });
                Ok(false)
            }
            Found::Not(rule) => {
                if let Some(sound) = self.find_sound(offset + 1)? {
                    return Err(Refused::Damaged { offset, rule, sound });
                }
                self.tail = Some(Tail::Torn { offset, bytes: self.end - offset, rule });
                Ok(false)
            }
        }
    }

    /// Reads the chunk at `offset` into memory. Nothing is reserved that is not in the file.
    fn read_chunk(&mut self) -> Result<Found, Refused> {
        let left = self.end - self.offset;
        let mut head = [0; CHUNK_HEAD + SUM];
        if left == 0 {
            return Ok(Found::End);
        }
        if left < head.len() as u64 {
            return Ok(Found::Not("it ends within its head".to_owned()));
        }
        self.source.read_exact(&mut head)?;
        let (magic, number) = (&head[..4], |at: usize| u32_at(&head, at));
        let (kind, count, length) = (number(4), number(16), number(20));
        if magic != CHUNK_MAGIC {
            return Ok(Found::Not(format!("it begins with {magic:02x?} instead of \"VCHK\"")));
        }
        if u64::from(length) > left - head.len() as u64 {
            return Ok(Found::Not(format!(
                "its length is {length}, and the file ends before that"
            )));
        }
        self.chunk.clear();
        let read = self.source.by_ref().take(length.into()).read_to_end(&mut self.chunk)?;
        let sum = u64_at(&head, CHUNK_HEAD);
        if read != length as usize || chunk_sum(&head[..CHUNK_HEAD], &self.chunk) != sum {
            return Ok(Found::Not("its checksum is wrong".to_owned()));
        }
        self.offset += (head.len() + read) as u64;
        if kind > 1 {
            let (field, allowed) = ("the kind of the chunk", "0 or 1".to_owned());
            let offset = self.offset - (head.len() + read) as u64;
            return Err(Refused::Field { offset, field, found: kind.to_string(), allowed });
        }
        Ok(Found::Sound { last: kind == 1, first: u64_at(&head, 8), count })
    }

    /// The first sound chunk at or behind `from` that is not earlier in the run than what was read.
    fn find_sound(&mut self, from: u64) -> Result<Option<u64>, Refused> {
        let (mut at, mut window) = (from, Vec::new());
        while at < self.end {
            window.clear();
            self.source.seek(SeekFrom::Start(at))?;
            self.source.by_ref().take(WINDOW).read_to_end(&mut window)?;
            for found in magics(&window) {
                self.offset = at + found as u64;
                self.source.seek(SeekFrom::Start(self.offset))?;
                let candidate = self.offset;
                match self.read_chunk() {
                    Ok(Found::Sound { .. }) | Err(Refused::Field { .. }) => {
                        return Ok(Some(candidate));
                    }
                    Ok(Found::Not(_) | Found::End) => {}
                    Err(error) => return Err(error),
                }
            }
            if window.len() < WINDOW as usize {
                break;
            }
            // A magic may lie across the border.
            at += WINDOW - 3;
        }
        Ok(None)
    }
}

/// How much is searched for a magic at once.
const WINDOW: u64 = 1 << 20;

fn magics(window: &[u8]) -> impl Iterator<Item = usize> {
    window.windows(4).enumerate().filter(|(_, bytes)| bytes == CHUNK_MAGIC).map(|(at, _)| at)
}

/// Magic, version, length, header, checksum; `None` if the file ends before.
fn read_header(source: &mut impl Read, end: u64) -> Result<Option<Vec<u8>>, Refused> {
    let mut bytes = Vec::new();
    source.by_ref().take(16).read_to_end(&mut bytes)?;
    let wrong = |offset, field, found, allowed: &str| Refused::Field {
        offset,
        field,
        found,
        allowed: allowed.to_owned(),
    };
    if !MAGIC.starts_with(&bytes[..bytes.len().min(8)]) {
        let found = format!("{:02x?}", &bytes[..bytes.len().min(8)]);
        return Err(wrong(0, "the magic", found, "\"VIVTRACE\""));
    }
    if bytes.len() < 16 {
        return Ok(None);
    }
    let (version, length) = (u32_at(&bytes, 8), u32_at(&bytes, 12));
    if version != VERSION {
        let allowed = VERSION.to_string();
        return Err(wrong(8, "the version", version.to_string(), &allowed));
    }
    let rest = u64::from(length) + SUM as u64;
    if end - 16 < rest {
        return Ok(None);
    }
    source.by_ref().take(rest).read_to_end(&mut bytes)?;
    let (body, sum) = bytes.split_at(bytes.len() - SUM);
    if xxh3_64(body) != u64_at(sum, 0) {
        let at = body.len() as u64;
        return Err(wrong(at, "the checksum of the header", format!("{sum:02x?}"), "its XXH3-64"));
    }
    Ok(Some(bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().copied().map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().copied().map_or(0, u64::from_le_bytes)
}
