//! What the host was given, and what it asked for, into a file, for `vivarium replay`. The format
//! is the crate `recording`'s.
//!
//! The engine writes what it did in a round before anything of it leaves this server: a server that
//! is killed has recorded every step that another server, the disk or a client of this one has seen
//! an effect of. One that loses power loses what the system had not written, for nothing is synced.
//! What is recorded never has a hole: a write that fails stops the server.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use host::{Effect, Event};
use recording::{Buffer, Header, Ports, chunk, file_name, header, next_number};
use tokio::net::TcpStream;
use zab::Config;
use znode::Tree;

/// What both ends of a connection know it by. `other`: the port of the other end, which a
/// connection that was reset does not tell any more.
pub(crate) fn ports(stream: &TcpStream, other: Option<u16>) -> Option<Ports> {
    Some(Ports { own: stream.local_addr().ok()?.port(), other: other? })
}

/// Who records.
pub(crate) struct Recorded {
    /// What the core was made with.
    pub(crate) config: Config,
    /// The configuration that the host sends.
    pub(crate) config_text: Bytes,
    /// The commit of this build.
    pub(crate) commit: String,
    /// The hash of the sources of its core and host.
    pub(crate) core: String,
}

/// Without a directory it does nothing.
pub(crate) struct Recorder(Option<Recording>);

struct Recording {
    file: File,
    path: PathBuf,
    /// Steps that are not in the file yet.
    buffer: Buffer,
    /// The same as a chunk.
    chunk: Vec<u8>,
    /// The number of the next step.
    next: u64,
}

impl Recorder {
    /// Records into a new file in `directory`, which is made if it is not there.
    ///
    /// # Errors
    /// The directory or the file cannot be made, or written.
    pub(crate) fn start(directory: Option<&Path>, recorded: Recorded) -> io::Result<Self> {
        let Some(directory) = directory else {
            return Ok(Self(None));
        };
        let (mut file, path, first) = create(directory, recorded)?;
        file.write_all(&first).map_err(|error| explain(&path, error))?;
        Ok(Self(Some(Recording::new(file, path))))
    }
}

impl node::Recorder for Recorder {
    fn begin(&mut self, event: &Event<Bytes, Box<Tree>>, over: Option<Ports>) {
        if let Some(recording) = &mut self.0 {
            recording.buffer.begin(event, over);
        }
    }

    fn report(&mut self, body: &Bytes) {
        if let Some(recording) = &mut self.0 {
            recording.buffer.report(body);
        }
    }

    fn end(&mut self, effects: &[Effect<Bytes, Box<Tree>>]) {
        if let Some(recording) = &mut self.0 {
            recording.buffer.end(effects);
        }
    }

    fn flush(&mut self) -> Result<(), String> {
        match &mut self.0 {
            Some(recording) if recording.buffer.count() > 0 => recording.write(false),
            Some(_) | None => Ok(()),
        }
        .map_err(|error| error.to_string())
    }

    fn finish(&mut self) -> Result<(), String> {
        let recording = self.0.take();
        recording
            .map_or(Ok(()), |mut recording| recording.write(true))
            .map_err(|error| error.to_string())
    }
}

impl Recording {
    fn new(file: File, path: PathBuf) -> Self {
        Self { file, path, buffer: Buffer::new(), chunk: Vec::new(), next: 0 }
    }

    fn write(&mut self, last: bool) -> io::Result<()> {
        let Self { file, path, buffer, chunk: bytes, next } = self;
        chunk(*next, buffer.count(), buffer.bytes(), last, bytes);
        file.write_all(bytes).map_err(|error| explain(path, error))?;
        *next += u64::from(buffer.count());
        buffer.clear();
        bytes.clear();
        // The disk image of a start may be large, and comes once.
        bytes.shrink_to(CHUNK_BYTES_KEPT);
        Ok(())
    }
}

/// Memory for a chunk that is kept for the next one.
const CHUNK_BYTES_KEPT: usize = 1 << 20;

fn explain(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("the recording {}: {error}", path.display()))
}

/// A file that was not there before, and its header.
fn create(directory: &Path, recorded: Recorded) -> io::Result<(File, PathBuf, Vec<u8>)> {
    let Recorded { config, config_text, commit, core } = recorded;
    std::fs::create_dir_all(directory).map_err(|error| explain(directory, error))?;
    let number = next_number(directory, config.me).map_err(|error| explain(directory, error))?;
    let path = directory.join(file_name(config.me, number));
    let file = OpenOptions::new().write(true).create_new(true).open(&path);
    let file = file.map_err(|error| explain(&path, error))?;
    let header = header(&Header { commit, core, number, config, config_text: config_text.into() });
    Ok((file, path, header))
}

#[cfg(test)]
mod tests {
    use recording::{Reader, Tail};
    use zab::{Quorum, Sid};

    use node::Recorder as _;

    use super::*;

    fn started(directory: &Path) -> Recorder {
        let config = Config::new(Sid(1), Quorum::majority([Sid(1)].into_iter().collect()));
        let (commit, core) = ("0123abc".to_owned(), String::new());
        let recorded = Recorded { config, config_text: Bytes::new(), commit, core };
        Recorder::start(Some(directory), recorded).expect("started")
    }

    fn propose(recorder: &mut Recorder) {
        recorder.begin(&Event::Propose("secret".into()), None);
        recorder.end(&[]);
    }

    #[test]
    fn a_run_that_ends_in_order_is_all_there_and_no_start_overwrites_another() {
        let directory = tempfile::tempdir().expect("a directory");
        for number in 1..=3 {
            let mut recorder = started(directory.path());
            for _ in 0..1000 {
                propose(&mut recorder);
                recorder.flush().expect("written");
            }
            recorder.finish().expect("written");
            let path = directory.path().join(file_name(Sid(1), number));
            let bytes = std::fs::read(&path).expect("written");
            assert!(!bytes.windows(6).any(|window| window == b"secret"), "no data of clients");
            let mut reader = Reader::open(io::Cursor::new(bytes)).expect("sound").expect("whole");
            assert_eq!(reader.header().number, number);
            assert_eq!((steps(&mut reader), reader.tail()), (1000, Some(&Tail::Closed)));
        }
    }

    #[test]
    fn what_was_flushed_is_in_the_file_of_a_server_that_is_killed() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut recorder = started(directory.path());
        propose(&mut recorder);
        propose(&mut recorder);
        recorder.flush().expect("written");
        propose(&mut recorder);
        // As by `kill -9`: no finish, and no flush of the third.
        drop(recorder);
        let file = File::open(directory.path().join(file_name(Sid(1), 1))).expect("there");
        let mut reader = Reader::open(file).expect("sound").expect("whole");
        assert_eq!((steps(&mut reader), reader.tail()), (2, Some(&Tail::Open)));
    }

    fn steps(reader: &mut Reader<impl io::Read + io::Seek>) -> usize {
        std::iter::from_fn(|| reader.step().expect("sound")).count()
    }

    #[test]
    fn a_write_that_fails_names_the_file() {
        let path = PathBuf::from("/dev/full");
        let file = OpenOptions::new().write(true).open(&path).expect("there");
        let mut recorder = Recorder(Some(Recording::new(file, path)));
        recorder.flush().expect("nothing to write");
        propose(&mut recorder);
        let error = recorder.flush().expect_err("full");
        assert!(error.starts_with("the recording /dev/full: "), "{error}");
    }
}
