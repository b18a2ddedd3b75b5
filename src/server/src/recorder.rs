//! Every step of the core into a file, for `vivarium replay`. The format is the crate `recording`'s.
//!
//! The engine encodes, a thread gathers what comes within some milliseconds ([`GATHERING`]) and writes it at once. So a server that
//! is killed loses the steps of its last milliseconds; one that loses power loses what the system had not written, for nothing
//! is synced.
//! What is recorded never has a hole: an engine that is too far ahead of the thread waits, and a write that fails stops
//! the server.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use recording::{Buffer, Header, Payload, chunk, file_name, header, next_number};
use zab::{Config, Input, Outputs};

/// Bytes of steps that may wait for the thread before the engine does.
const QUEUE_BYTES_MAX: usize = 16 << 20;

/// How long the thread gathers steps before it writes them: what a killed server may lose. With 20 ms the recordings of servers that
/// were killed twenty times could be followed in abstract Zab for a tenth of their run only. A wake-up of the thread for
/// every round of the engine would cost more than the encoding.
const GATHERING: Duration = Duration::from_millis(5);

/// So many bytes are written at once, without waiting for more.
const CHUNK_BYTES: usize = 1 << 20;

/// The engine's end. Without a directory it does nothing.
pub(crate) struct Recorder(Option<Recording>);

struct Recording {
    buffer: Buffer,
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    /// There is work, or the end has come.
    work: Condvar,
    /// The thread has taken what waited, or has failed.
    room: Condvar,
}

#[derive(Default)]
struct State {
    steps: Vec<u8>,
    count: u32,
    idle: bool,
    ended: bool,
    failed: bool,
}

impl Recorder {
    /// Records into a new file in `directory`, which is made if it is not there. `failed` is called, once, on the writing
    /// thread if a write fails.
    ///
    /// # Errors
    /// The directory or the file cannot be made, or written.
    pub(crate) fn start(
        directory: Option<&Path>,
        config: Config,
        commit: &str,
        failed: impl FnOnce(String) + Send + 'static,
    ) -> io::Result<Self> {
        let Some(directory) = directory else {
            return Ok(Self(None));
        };
        let (file, path, first) = create(directory, config, commit)?;
        let queue = Arc::new(Queue::default());
        let mut writer = Writer { file, path, queue: Arc::clone(&queue), next: 0 };
        let thread = std::thread::Builder::new().name("recorder".into()).spawn(move || {
            if let Err(error) = writer.run(&first) {
                writer.queue.lock().failed = true;
                writer.queue.room.notify_one();
                failed(format!("{}: {error}", writer.path.display()));
            }
        })?;
        Ok(Self(Some(Recording { buffer: Buffer::new(), queue, thread: Some(thread) })))
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

    /// Hands the steps over to the thread. Called before anything that they led to leaves this server.
    pub(crate) fn flush(&mut self) {
        if let Some(recording) = &mut self.0 {
            recording.flush();
        }
    }

    /// Writes what there is, and says in the file that nothing is missing.
    pub(crate) fn finish(&mut self) {
        if let Some(mut recording) = self.0.take() {
            recording.flush();
            recording.queue.lock().ended = true;
            recording.queue.work.notify_one();
            if let Some(thread) = recording.thread.take() {
                // A panic of the thread was printed by it.
                let _ = thread.join();
            }
        }
    }
}

impl Recording {
    fn flush(&mut self) {
        if self.buffer.count() == 0 {
            return;
        }
        let mut state = self.queue.lock();
        while state.steps.len() > QUEUE_BYTES_MAX && !state.failed {
            state = self.queue.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if !state.failed {
            let before = state.steps.len();
            state.steps.extend_from_slice(self.buffer.bytes());
            state.count += self.buffer.count();
            let full = (before..state.steps.len()).contains(&CHUNK_BYTES);
            if state.idle || full {
                self.queue.work.notify_one();
            }
        }
        self.buffer.clear();
    }
}

impl Queue {
    /// Nobody panics while holding it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Writer {
    file: File,
    path: PathBuf,
    queue: Arc<Queue>,
    /// The number of the next step.
    next: u64,
}

impl Writer {
    fn run(&mut self, header: &[u8]) -> io::Result<()> {
        self.file.write_all(header)?;
        let (mut steps, mut bytes) = (Vec::new(), Vec::new());
        loop {
            steps.clear();
            let (count, last) = self.take(&mut steps);
            bytes.clear();
            chunk(self.next, count, &steps, last, &mut bytes);
            self.file.write_all(&bytes)?;
            self.next += u64::from(count);
            if last {
                return Ok(());
            }
            release(&mut steps);
            release(&mut bytes);
        }
    }

    /// Waits for steps, or for the end.
    fn take(&self, steps: &mut Vec<u8>) -> (u32, bool) {
        let mut state = self.queue.lock();
        while state.count == 0 && !state.ended {
            state.idle = true;
            state = self.queue.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle = false;
        }
        let deadline = Instant::now() + GATHERING;
        while !state.ended && state.steps.len() < CHUNK_BYTES {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let woken = self.queue.work.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        std::mem::swap(&mut state.steps, steps);
        let count = std::mem::take(&mut state.count);
        self.queue.room.notify_one();
        (count, state.ended)
    }
}

/// The disk image of a start may be large, and comes once.
fn release(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.shrink_to(QUEUE_BYTES_MAX);
}

/// A file that was not there before, and its header.
fn create(directory: &Path, config: Config, commit: &str) -> io::Result<(File, PathBuf, Vec<u8>)> {
    let explain = |path: &Path, error: io::Error| {
        io::Error::new(error.kind(), format!("the recording {}: {error}", path.display()))
    };
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

    #[test]
    fn a_run_that_ends_in_order_is_all_there_and_no_start_overwrites_another() {
        let directory = tempfile::tempdir().expect("a directory");
        for number in 1..=3 {
            let mut recorder =
                Recorder::start(Some(directory.path()), config(), "0123abc", |error| {
                    panic!("{error}")
                })
                .expect("started");
            for _ in 0..1000 {
                recorder.begin(&Input::Propose(b"secret"));
                recorder.end(&Outputs::<Vec<u8>>::new());
                recorder.flush();
            }
            recorder.finish();
            let path = directory.path().join(file_name(Sid(1), number));
            let bytes = std::fs::read(&path).expect("written");
            assert!(!bytes.windows(6).any(|window| window == b"secret"), "no data of clients");
            let mut reader = Reader::open(io::Cursor::new(bytes)).expect("sound").expect("whole");
            assert_eq!(reader.header().number, number);
            let mut steps = 0;
            while reader.step().expect("sound").is_some() {
                steps += 1;
            }
            assert_eq!((steps, reader.tail()), (1000, Some(&Tail::Closed)));
        }
    }

    #[test]
    fn a_failing_write_is_reported_and_does_not_hold_up_the_engine() {
        let (sender, failed) = std::sync::mpsc::channel();
        let queue = Arc::new(Queue::default());
        // Opened for reading only: every write fails, as on a full disk.
        let path = PathBuf::from("/dev/null");
        let file = File::open(&path).expect("there");
        let mut writer = Writer { file, path, queue: Arc::clone(&queue), next: 0 };
        let thread = std::thread::spawn(move || {
            let error = writer.run(b"header").expect_err("read-only");
            writer.queue.lock().failed = true;
            writer.queue.room.notify_one();
            sender.send(error.to_string()).expect("received");
        });
        thread.join().expect("no panic");
        assert!(!failed.recv().expect("reported").is_empty());
        let mut recording = Recording { buffer: Buffer::new(), queue, thread: None };
        for _ in 0..(2 * QUEUE_BYTES_MAX / 100_000) {
            recording.buffer.begin(&Input::Propose(b""));
            recording.buffer.end(&Outputs::<Vec<u8>>::new());
            recording.flush();
        }
    }
}
