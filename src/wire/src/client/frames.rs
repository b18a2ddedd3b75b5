use bytes::{Buf, Bytes, BytesMut};

use crate::frame;
use crate::jute::Error;

macro_rules! words {
    ($($variant:ident = $word:literal;)*) => {
        /// The commands that a connection may begin with instead of a session, four bytes each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FourLetterWord {
            $(#[doc = concat!("`", stringify!($word), "`.")] $variant,)*
        }

        impl FourLetterWord {
            /// Every word.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its four bytes.
            pub fn bytes(self) -> &'static [u8; 4] {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            /// The word that these bytes are, if they are one.
            pub fn from_bytes(bytes: &[u8; 4]) -> Option<Self> {
                match bytes {
                    $($word => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

words! {
    Conf = b"conf";
    Cons = b"cons";
    Crst = b"crst";
    Dirs = b"dirs";
    Dump = b"dump";
    Envi = b"envi";
    Gtmk = b"gtmk";
    Hash = b"hash";
    Isro = b"isro";
    Mntr = b"mntr";
    Ruok = b"ruok";
    Srst = b"srst";
    Srvr = b"srvr";
    Stat = b"stat";
    Stmk = b"stmk";
    Wchc = b"wchc";
    Wchp = b"wchp";
    Wchs = b"wchs";
    TelnetClose = b"\xff\xf4\xff\xfd";
}

impl FourLetterWord {
    /// The word as text; `telnet close` for the one that is not letters.
    pub fn name(self) -> &'static str {
        match self {
            Self::TelnetClose => "telnet close",
            Self::Conf
            | Self::Cons
            | Self::Crst
            | Self::Dirs
            | Self::Dump
            | Self::Envi
            | Self::Gtmk
            | Self::Hash
            | Self::Isro
            | Self::Mntr
            | Self::Ruok
            | Self::Srst
            | Self::Srvr
            | Self::Stat
            | Self::Stmk
            | Self::Wchc
            | Self::Wchp
            | Self::Wchs => str::from_utf8(self.bytes()).unwrap_or_default(),
        }
    }
}

/// What a client has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A command instead of a session. Nothing more is expected, but for `stmk` eight bytes,
    /// which are left in the buffer.
    Word(FourLetterWord),
    /// A message without its length; it shares the memory of the buffer.
    Frame(Bytes),
}

/// The longest first message of a connection: a ConnectRequest has 45 bytes with a usual password.
/// Nobody has said yet who they are, so no more than this is kept of what they send.
pub const CONNECT_BYTES_MAX: usize = 1024;

/// A server's end of a connection: takes messages, or one four-letter word at the beginning, off
/// the front of the stream. Messages alone, as a client reads them, are
/// [`frame::Frames`].
#[derive(Clone, Debug)]
pub struct Frames {
    first: frame::Frames,
    later: frame::Frames,
    place: Place,
}

/// What of the stream comes next.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// A word, or the first message.
    Beginning,
    First,
    Later,
}

impl Frames {
    /// A new connection whose first message is at most [`CONNECT_BYTES_MAX`] bytes long, and whose
    /// later ones are at most `bytes_max` (`jute.maxbuffer`).
    pub fn new(bytes_max: usize) -> Self {
        let first = frame::Frames::new("first client message", 0, CONNECT_BYTES_MAX);
        Self { first, later: Self::of_client(bytes_max), place: Place::Beginning }
    }

    /// The messages that a client receives.
    pub fn of_client(bytes_max: usize) -> frame::Frames {
        frame::Frames::new("client message", 0, bytes_max)
    }

    /// What has come next, if all of it is there.
    ///
    /// # Errors
    /// [`Error::Length`] as soon as a length out of range is seen. The connection is to be closed
    /// without a reply.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Incoming>, Error> {
        let Some(head) = buffer.first_chunk() else { return Ok(None) };
        let frame = match self.place {
            Place::Beginning => {
                if let Some(word) = FourLetterWord::from_bytes(head) {
                    buffer.advance(4);
                    return Ok(Some(Incoming::Word(word)));
                }
                self.place = Place::First;
                self.first.next(buffer)?
            }
            Place::First => self.first.next(buffer)?,
            Place::Later => self.later.next(buffer)?,
        };
        if frame.is_some() {
            self.place = Place::Later;
        }
        Ok(frame.map(Incoming::Frame))
    }
}

/// No word is taken for a length, so any `jute.maxbuffer` goes with them.
const _: () = assert!(CONNECT_BYTES_MAX < 0x636f_6e66);
