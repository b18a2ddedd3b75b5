//! `vivarium ensemble`: real processes, real sockets, real disks.
#![cfg(unix)]

use crate::vivarium;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long anything may take. Only a failing test takes so long.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Ensemble {
    process: Child,
    lines: Receiver<String>,
    /// What was printed so far.
    seen: String,
}

impl Ensemble {
    pub(crate) fn start(data: &Path, more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vivarium"));
        command.arg("ensemble").arg("--data").arg(data).args(more).stdout(Stdio::piped());
        let mut process = command.spawn().expect("the binary runs");
        let stdout = process.stdout.take().expect("piped");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            // The test may be over before the ensemble is.
            lines.for_each(|line| drop(sender.send(line)));
        });
        Self { process, lines, seen: String::new() }
    }

    /// The next line that contains `words`.
    pub(crate) fn line_with(&mut self, words: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|error| {
                panic!("no line with `{words}` ({error}) after:\n{}", self.seen)
            });
            self.seen += &format!("{line}\n");
            if line.contains(words) {
                return line;
            }
        }
    }

    /// The process ids of the servers, as printed.
    fn pids(&mut self, count: usize) -> Vec<String> {
        let pid = |line: String| {
            let digits = line.split("pid ").nth(1).and_then(|rest| rest.split(',').next());
            digits.expect("a process id").to_owned()
        };
        (0..count).map(|_| pid(self.line_with("client port"))).collect()
    }

    fn ended(&mut self) -> ExitStatus {
        let status = until(|| self.process.try_wait().expect("a child"));
        status.unwrap_or_else(|| panic!("still running after:\n{}", self.seen))
    }
}

/// Nothing outlives a test that fails: with the ensemble its servers stop.
impl Drop for Ensemble {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn until<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(found) = look() {
            return Some(found);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    None
}

fn signal(signal: &str, pid: &str) -> bool {
    let status = Command::new("kill").args([signal, pid]).stderr(Stdio::null()).status();
    status.expect("kill runs").success()
}

/// The first of three ports that are free now, in a range of this test's own.
pub(crate) fn ports(range: std::ops::Range<u16>) -> String {
    let free =
        |port: &u16| (*port..*port + 3).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
    range.step_by(3).find(free).expect("some ports are free").to_string()
}

fn epoch(line: &str) -> u32 {
    let digits = line.split("epoch ").nth(1).and_then(|rest| rest.split([',', ' ']).next());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("no epoch in {line}"))
}

#[test]
fn a_stopped_ensemble_goes_on_from_its_data() {
    let place = tempfile::tempdir().expect("a directory");
    let port = ports(14_000..14_300);
    let mut first = Ensemble::start(place.path(), &["--client-port", &port]);
    let serving = first.line_with("serving in epoch");
    let connect = serving.split("connect to ").nth(1).expect("a connect string");
    assert_eq!(connect.split(',').count(), 3);
    let load =
        ["bench", connect, "--seconds", "1", "--warmup", "0", "--connections", "3", "--keys", "9"];
    let output = vivarium(&[&load[..], &["--keep", "--path", "/kept"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(signal("-INT", &first.process.id().to_string()));
    first.line_with("stopped; the data is in");
    assert_eq!(first.ended().code(), Some(0), "{}", first.seen);

    let mut second = Ensemble::start(place.path(), &[]);
    let again = second.line_with("serving in epoch");
    assert!(epoch(&again) > epoch(&serving), "{serving}, then {again}");
    assert!(again.ends_with(connect), "the same ports: {again}");
    let output = vivarium(&["bench", connect, "--path", "/kept"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(text, "error: cannot create nodes below /kept: NodeExists\n");
    assert!(signal("-TERM", &second.process.id().to_string()));
    assert_eq!(second.ended().code(), Some(0), "{}", second.seen);
}

#[test]
fn a_server_that_dies_is_reported_and_the_others_go_on() {
    let place = tempfile::tempdir().expect("a directory");
    let port = ports(14_300..14_600);
    let mut ensemble = Ensemble::start(place.path(), &["--client-port", &port]);
    let pids = ensemble.pids(3);
    let before = ensemble.line_with("serving in epoch");
    // The last one to lead; an election may take two attempts.
    let leading = ensemble.seen.lines().rfind(|line| line.contains("leading")).expect("a leader");
    let leader = (1..=3).find(|sid| leading.contains(&format!("server {sid} ")));
    let leader = leader.expect("a server");
    assert!(signal("-KILL", &pids[leader - 1]));
    let died = ensemble.line_with("died");
    assert!(died.contains(&format!("server {leader} ")), "{died}");
    assert!(died.ends_with(&format!("pid {}, signal: 9 (SIGKILL)", pids[leader - 1])), "{died}");
    let after = ensemble.line_with("serving in epoch");
    assert!(epoch(&after) > epoch(&before), "{before}, then {after}");
    // Without a quorum nothing is served, but what is left still stops in good order.
    let follower = if leader == 1 { 2 } else { 1 };
    assert!(signal("-KILL", &pids[follower - 1]));
    ensemble.line_with("died");
    assert!(signal("-INT", &ensemble.process.id().to_string()));
    assert_eq!(ensemble.ended().code(), Some(0), "{}", ensemble.seen);
}

/// A server that was started with the command that the ensemble printed.
struct ByHand(Child);

impl ByHand {
    fn start(line: &str) -> Self {
        let command = line.split("to start it again: ").nth(1).expect("a command");
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec {command}")]).stdout(Stdio::null()).stderr(Stdio::null());
        Self(shell.spawn().expect("a shell"))
    }

    fn kill(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("a child");
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn servers_that_are_started_again_by_hand_are_shown_and_count() {
    let place = tempfile::tempdir().expect("a directory");
    let port = ports(15_390..15_480);
    let mut ensemble = Ensemble::start(&place.path().join("my data"), &["--client-port", &port]);
    let pids = ensemble.pids(3);
    ensemble.line_with("serving in epoch");
    let mut by_hand = Vec::new();
    for server in [1, 2] {
        assert!(signal("-KILL", &pids[server - 1]));
        let again = ensemble.line_with(&format!("server {server}  to start it again: "));
        by_hand.push(ByHand::start(&again));
        // Whatever it is at first.
        while !ensemble.line_with("started by hand").contains(&format!("server {server}  ")) {}
    }
    assert!(signal("-KILL", &pids[2]));
    ensemble.line_with("server 3  died");
    // Nothing of its own is left, but those still run.
    by_hand[0].kill();
    ensemble.line_with("server 1  gone ");
    assert!(!ensemble.seen.contains("no server is left"), "{}", ensemble.seen);
    by_hand[1].kill();
    ensemble.line_with("no server is left");
    assert_eq!(ensemble.ended().code(), Some(1), "{}", ensemble.seen);
}

/// Recordings of servers that stopped in good order decide everything; what is missing is no
/// failure, unless everything has to be decided.
#[test]
#[cfg(feature = "checker")]
fn a_strict_replay_is_undecided_where_recordings_are_missing_or_cut() {
    let place = tempfile::tempdir().expect("a directory");
    let port = ports(15_480..15_570);
    let record = place.path().join("runs");
    let record = record.to_str().expect("UTF-8");
    let given = ["--client-port", &port, "--record", record];
    let mut ensemble = Ensemble::start(&place.path().join("data"), &given);
    ensemble.line_with("serving in epoch");
    assert!(signal("-INT", &ensemble.process.id().to_string()));
    assert_eq!(ensemble.ended().code(), Some(0), "{}", ensemble.seen);

    let replay = |strict: bool| {
        let all = ["replay", record, "--strict"];
        let output = vivarium(&all[..if strict { 3 } else { 2 }]);
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        (output.status.code(), text)
    };
    let (status, text) = replay(true);
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("sync-is-linearizable             not checked"), "{text}");
    let file = |name: &str| Path::new(record).join(name);
    let whole = std::fs::read(file("s2-000001.vtrace")).expect("recorded");
    let cut = &whole[..whole.len() * 2 / 3];
    for (what, says) in [
        (Some(cut), "may be missing: the last steps of "),
        (Some(&[][..]), "may be missing: the last steps of "),
        (None, "may be missing: every recording of s2, which is a voter"),
    ] {
        match what {
            Some(bytes) => std::fs::write(file("s2-000001.vtrace"), bytes).expect("written"),
            None => std::fs::remove_file(file("s2-000001.vtrace")).expect("removed"),
        }
        let (status, text) = replay(false);
        assert_eq!(status, Some(0), "{text}");
        assert!(text.contains(says), "{says}: {text}");
        let (status, text) = replay(true);
        assert_eq!(status, Some(3), "{text}");
        assert!(text.ends_with("UNDECIDED: --strict, and not everything is decided\n"), "{text}");
    }
    std::fs::write(file("s2-000002.vtrace"), &whole).expect("written");
    assert_eq!(
        replay(true).0,
        Some(1),
        "a recording under a false name is refused, which is worse"
    );
}

#[test]
fn servers_end_with_the_process_that_started_them() {
    let place = tempfile::tempdir().expect("a directory");
    let port = ports(14_600..14_900);
    let mut ensemble = Ensemble::start(place.path(), &["--client-port", &port]);
    ensemble.line_with("serving in epoch");
    let first: u16 = port.parse().expect("a port");
    let all_free = || (first..first + 3).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
    assert!(!all_free());
    ensemble.process.kill().expect("SIGKILL");
    until(|| all_free().then_some(())).expect("their ports are free again");
}

#[test]
fn the_ensemble_ends_when_no_server_is_left() {
    let place = tempfile::tempdir().expect("a directory");
    let port = ports(14_900..15_000);
    let mut ensemble = Ensemble::start(place.path(), &["--servers", "1", "--client-port", &port]);
    let pids = ensemble.pids(1);
    ensemble.line_with("serving in epoch");
    assert!(signal("-KILL", &pids[0]));
    ensemble.line_with("no server is left");
    assert_eq!(ensemble.ended().code(), Some(1), "{}", ensemble.seen);
}
