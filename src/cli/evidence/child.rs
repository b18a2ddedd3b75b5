//! Commands that are run for the report: each with a time limit, and none of them outlives it.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// What a command that has ended said.
pub(super) struct Said {
    pub(super) status: ExitStatus,
    pub(super) stdout: Vec<String>,
    pub(super) stderr: Vec<String>,
}

impl Said {
    /// Its last words, and how it ended.
    pub(super) fn last_words(&self) -> String {
        let lines = self.stderr.iter().rev().chain(self.stdout.iter().rev());
        let words = lines.map(|line| line.trim()).find(|line| !line.is_empty());
        words.map_or_else(|| self.status.to_string(), |words| format!("{words} ({})", self.status))
    }
}

/// Why there is nothing that it said.
pub(super) enum Trouble {
    /// It could not be started.
    Absent(String),
    /// It took longer than it may.
    TimedOut(String),
    /// Ctrl-C.
    Interrupted,
}

/// Where a program is, if it is.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|place| place.join(program)).find(|file| file.is_file())
}

/// The first line that a program says, of its version.
pub(super) fn version(program: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments);
    let said = run(&mut command, Duration::from_secs(20), &AtomicBool::new(false), &mut |_| ());
    let said = said.ok().filter(|said| said.status.success())?;
    let lines = said.stdout.into_iter().chain(said.stderr);
    lines.map(|line| line.trim().to_owned()).find(|line| !line.is_empty())
}

/// How often it is asked whether a command has ended.
const TICK: Duration = Duration::from_millis(20);
/// How long a command may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(3);

/// Runs a command to its end; `line` is called for each line of its standard output. When it has
/// taken longer than `limit`, or `stop` is set, it is ended with everything that it has started.
pub(super) fn run(
    command: &mut Command,
    limit: Duration,
    stop: &AtomicBool,
    line: &mut dyn FnMut(&str),
) -> Result<Said, Trouble> {
    let program = command.get_program().to_string_lossy().into_owned();
    let begin = Instant::now();
    let mut group = Group::spawn(command)
        .map_err(|error| Trouble::Absent(format!("{program} cannot be run: {error}")))?;
    let (sender, lines) = channel();
    read(group.child.stdout.take(), true, sender.clone());
    read(group.child.stderr.take(), false, sender);
    let (mut stdout, mut stderr, mut ended) = (Vec::new(), Vec::new(), None);
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(Trouble::Interrupted);
        }
        if begin.elapsed() > limit {
            let seconds = limit.as_secs();
            return Err(Trouble::TimedOut(format!("no answer after {seconds} s, so it was ended")));
        }
        let closed = match lines.recv_timeout(TICK) {
            Ok((true, text)) => {
                line(&text);
                stdout.push(text);
                continue;
            }
            Ok((false, text)) => {
                stderr.push(text);
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => true,
            Err(RecvTimeoutError::Timeout) => false,
        };
        if ended.is_none() {
            ended = group.ended().map(|status| (status, Instant::now()));
        }
        if let Some((status, since)) = ended
            // Something that it has left behind may hold its outputs open.
            && (closed || since.elapsed() > GRACE)
        {
            return Ok(Said { status, stdout, stderr });
        }
        if closed && ended.is_none() {
            std::thread::sleep(TICK);
        }
    }
}

fn read(stream: Option<impl Read + Send + 'static>, stdout: bool, lines: Sender<(bool, String)>) {
    let Some(stream) = stream else { return };
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            if lines.send((stdout, String::from_utf8_lossy(&line).into_owned())).is_err() {
                return;
            }
        }
    });
}

/// A process and everything that it has started. All of it ends with this value.
struct Group {
    child: Child,
    over: bool,
}

impl Group {
    fn spawn(command: &mut Command) -> std::io::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A Ctrl-C in a terminal reaches this process only, which then ends the group.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(command, 0);
        command.spawn().map(|child| Self { child, over: false })
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().ok().flatten();
        self.over |= status.is_some();
        status
    }

    #[cfg(unix)]
    fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // Nobody is left if it fails.
            let _ = rustix::process::kill_process_group(pid, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        #[cfg(unix)]
        {
            use rustix::process::Signal;
            // Asked first, so that scripts remove what they have put somewhere.
            self.signal(Signal::TERM);
            let deadline = Instant::now() + GRACE;
            while !self.over && self.ended().is_none() && Instant::now() < deadline {
                std::thread::sleep(TICK);
            }
            self.signal(Signal::KILL);
        }
        if !self.over {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration, stop: bool) -> Result<Said, Trouble> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        run(&mut command, limit, &AtomicBool::new(stop), &mut |_| ())
    }

    #[test]
    fn a_command_says_lines_and_ends() {
        let said = shell("echo one; echo two >&2; exit 3", Duration::from_secs(30), false);
        let said = said.ok().expect("it runs");
        assert_eq!((said.stdout, said.stderr), (vec!["one".into()], vec!["two".to_owned()]));
        assert_eq!(said.status.code(), Some(3));
    }

    #[test]
    fn one_that_takes_too_long_is_ended_with_all_that_it_has_started() {
        // On a busy machine the shell may not have come to its first line when a short time is
        // over.
        let started = [1, 10, 100].into_iter().find_map(|seconds| {
            let mut started = None;
            let mut command = Command::new("sh");
            command.args(["-c", "sleep 1000 & echo $!; wait"]);
            let limit = Duration::from_secs(seconds);
            let ended = run(&mut command, limit, &AtomicBool::new(false), &mut |line| {
                started = Some(line.to_owned());
            });
            let say = format!("no answer after {seconds} s, so it was ended");
            assert!(matches!(ended, Err(Trouble::TimedOut(text)) if text == say));
            started
        });
        let pid = started.expect("it says what it has started");
        // A signal takes its time, and whoever adopted the process may not have waited for it yet:
        // a zombie has ended.
        let deadline = Instant::now() + Duration::from_secs(60);
        let runs = || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
            stat.is_ok_and(|stat| !stat.contains(") Z "))
        };
        while runs() {
            assert!(Instant::now() < deadline, "{pid} still runs");
            std::thread::sleep(TICK);
        }
    }

    #[test]
    fn ctrl_c_ends_it() {
        let trouble = shell("sleep 1000", Duration::from_secs(1000), true).err();
        assert!(matches!(trouble, Some(Trouble::Interrupted)));
    }

    #[test]
    fn what_is_not_there_is_absent() {
        let mut command = Command::new("/nowhere/at/all");
        let limit = Duration::from_secs(1);
        let trouble = run(&mut command, limit, &AtomicBool::new(false), &mut |_| ()).err();
        assert!(
            matches!(trouble, Some(Trouble::Absent(text)) if text.starts_with("/nowhere/at/all cannot be run: "))
        );
        assert!(find("no-such-program-anywhere").is_none() && find("sh").is_some());
    }
}
