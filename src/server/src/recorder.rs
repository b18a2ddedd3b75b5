//! Every step of the core into a file, for `vivarium replay`. The format is the crate
//! `recording`'s.
//!
//! The engine writes what it did in a round before anything of it leaves this server: a server that
//! is killed has recorded every step that another server, the disk or a client of this one has seen
//! an effect of. One that loses power loses what the system had not written, for nothing is synced.
//! What is recorded never has a hole: a write that fails stops the server.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use recording::{Buffer, Header, Payload, chunk, file_name, header, next_number};
use zab::{Config, Input, Outputs};

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
    pub(crate) fn start(
        directory: Option<&Path>,
        config: Config,
        commit: &str,
    ) -> io::Result<Self> {
        let Some(directory) = directory else {
            return Ok(Self(None));
        };
        let (mut file, path, first) = create(directory, config, commit)?;
        file.write_all(&first).map_err(|error| explain(&path, error))?;
        Ok(Self(Some(Recording::new(file, path))))
    }

    /// Before a step.
    pub(crate) fn begin<P: Payload>(&mut self, input: &Input<P>) {
        if let Some(recording) = &mut self.0 {
            recording.buffer.begin(input);
        }
    }

    /// After it.
    pub(crate) fn end<P: Payload>(&mut self, outputs: &Outputs<P>) {
        if let Some(recording) = &mut self.0 {
            recording.buffer.end(outputs);
        }
    }

    /// Writes the steps since the last time.
    ///
    /// # Errors
    /// They cannot be written. The end of the file is then not known: nothing more may be recorded.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Some(recording) if recording.buffer.count() > 0 => recording.write(false),
            Some(_) | None => Ok(()),
        }
    }

    /// Writes what there is, and says in the file that nothing is missing.
    ///
    /// # Errors
    /// As of [`Self::flush`].
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.0.take().map_or(Ok(()), |mut recording| recording.write(true))
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
fn create(directory: &Path, config: Config, commit: &str) -> io::Result<(File, PathBuf, Vec<u8>)> {
    std::fs::create_dir_all(directory).map_err(|error| explain(directory, error))?;
    let number = next_number(directory, config.me).map_err(|error| explain(directory, error))?;
    let path = directory.join(file_name(config.me, number));
    let file = OpenOptions::new().write(true).create_new(true).open(&path);
    let file = file.map_err(|error| explain(&path, error))?;
    Ok((file, path, header(&Header { commit: commit.to_owned(), number, config })))
}

#[cfg(test)]
mod tests {
    use recording::{Reader, Tail};
    use zab::{Quorum, Sid};

    use super::*;

    fn config() -> Config {
        Config::new(Sid(1), Quorum::majority([Sid(1)].into_iter().collect()))
    }

    fn propose(recorder: &mut Recorder) {
        recorder.begin(&Input::Propose(b"secret"));
        recorder.end(&Outputs::<Vec<u8>>::new());
    }

    #[test]
    fn a_run_that_ends_in_order_is_all_there_and_no_start_overwrites_another() {
        let directory = tempfile::tempdir().expect("a directory");
        for number in 1..=3 {
            let mut recorder =
                Recorder::start(Some(directory.path()), config(), "0123abc").expect("started");
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
        let mut recorder =
            Recorder::start(Some(directory.path()), config(), "0123abc").expect("started");
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
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(error.to_string().starts_with("the recording /dev/full: "), "{error}");
    }
}
