//! The server processes of a local ensemble.

use super::layout::{Layout, Server};
use server::Event;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// What a server process lets know.
pub(in crate::cli) enum News {
    /// It said so.
    Event(Event),
    /// It has ended, or is about to: its standard output is closed. The index is that of the
    /// server.
    Gone(usize),
}

/// A server process that has not been seen to end.
pub(in crate::cli) struct Running {
    process: Child,
    /// While this is open the server runs. The kernel closes it when this process dies, however it
    /// dies.
    stdin: Option<ChildStdin>,
    log: PathBuf,
    /// How long the log was when this process began to write to it.
    log_begins: u64,
}

impl Running {
    /// Starts a server. `index` is its place among the servers of `layout`; news go to `news`.
    pub(in crate::cli) fn start(
        layout: &Layout,
        index: usize,
        record: Option<&Path>,
        news: Sender<News>,
    ) -> Result<Self, String> {
        let Server { sid, directory, .. } = &layout.servers[index];
        let log = directory.join("server.log");
        let failed = |what: &Path, error| format!("server {}: {}: {error}", sid.0, what.display());
        let append = File::options().create(true).append(true).open(&log);
        let append = append.map_err(|error| failed(&log, error))?;
        let log_begins = append.metadata().map_err(|error| failed(&log, error))?.len();
        let binary = std::env::current_exe()
            .map_err(|error| format!("this program cannot find itself: {error}"))?;
        let mut command = Command::new(&binary);
        command.arg("server").arg(directory.join("zoo.cfg"));
        command.args(["--events", "--stop-with-stdin"]);
        if let Some(record) = record {
            command.arg("--record").arg(record);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(append);
        // A Ctrl-C in a terminal goes to a whole process group: it shall reach this process only,
        // which then stops the servers in good order.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut process = command.spawn().map_err(|error| failed(&binary, error))?;
        let stdin = process.stdin.take();
        if let Some(stdout) = process.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if let Some(event) = Event::from_line(&line) {
                        let _ = news.send(News::Event(event));
                    }
                }
                let _ = news.send(News::Gone(index));
            });
        }
        Ok(Self { process, stdin, log, log_begins })
    }

    pub(in crate::cli) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Asks the server to stop, without waiting.
    pub(in crate::cli) fn ask_to_stop(&mut self) {
        self.stdin = None;
    }

    /// `kill -9`, and waits until the process has ended.
    #[cfg(feature = "checker")]
    pub(in crate::cli) fn kill(&mut self) -> std::io::Result<()> {
        self.process.kill()?;
        self.process.wait().map(drop)
    }

    /// Waits until the process has ended, and ends it by force at `deadline`; then `None`.
    pub(in crate::cli) fn wait_until(&mut self, deadline: Instant) -> Option<ExitStatus> {
        loop {
            match self.process.try_wait() {
                // Also behind the deadline: others may have used up the time.
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Ok(None) | Err(_) => break,
            }
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
        None
    }

    /// Why the process ended, as it said itself before it did. One that was killed had no time to
    /// say anything.
    pub(in crate::cli) fn cause(&self) -> Option<String> {
        let mut log = File::open(&self.log).ok()?;
        let length = log.metadata().ok()?.len();
        let from = length.saturating_sub(TAIL_BYTES).max(self.log_begins);
        log.seek(SeekFrom::Start(from)).ok()?;
        let mut tail = Vec::new();
        log.take(TAIL_BYTES).read_to_end(&mut tail).ok()?;
        cause(&String::from_utf8_lossy(&tail))
    }
}

/// So much of the end of a log is looked at.
const TAIL_BYTES: u64 = 16_384;

/// The last line with which a server gives a reason for its end: an error that it could not go on
/// with, or a panic.
fn cause(log: &str) -> Option<String> {
    let mut lines = log.lines().rev();
    let panic = |line: &str| line.starts_with("thread '") && line.contains(" panicked at ");
    let found = lines.find(|line| line.starts_with("error: ") || panic(line));
    found.map(|line| line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::cause;

    #[test]
    fn the_cause_of_an_end_is_a_line_that_says_so() {
        let usual = "INFO server 1 starts\nWARN client port: too many connections\n";
        assert_eq!(cause(usual), None, "the last thing that happened is no cause");
        let disk = format!("{usual}error: /d/log.1: No space left on device\n\n");
        assert_eq!(cause(&disk).as_deref(), Some("error: /d/log.1: No space left on device"));
        let panic = "thread 'disk' (7) panicked at src/disk.rs:1:1:\nstop\nnote: run with\n";
        assert_eq!(cause(panic).as_deref(), Some("thread 'disk' (7) panicked at src/disk.rs:1:1:"));
    }
}
