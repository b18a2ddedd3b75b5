//! Server processes on loopback: started from configuration files, watched from outside, killed.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The program under test.
pub(crate) const VIVARIUM: &str = env!("CARGO_BIN_EXE_vivarium");

/// A condition that does not come true within this time fails the test. Long, because machines may
/// be loaded.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `attempt` answers. `what` is what the test was waiting for.
///
/// # Panics
/// After [`PATIENCE`].
pub(crate) fn wait_for<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// As [`wait_for`], for conditions.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    wait_for(what, || holds().then_some(()));
}

/// A port of 127.0.0.1 that nobody listens at: below those that the system gives to outgoing
/// connections, so that a server that was killed finds its port free.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 10_000 + u16::try_from(std::process::id() % 200).expect("below 200") * 100;
    for _ in 0..20_000 {
        let offset = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 10_000 + (first - 10_000 + offset) % 20_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}

/// A server: its directory and ports, and its process while it runs.
pub(crate) struct Server {
    pub(crate) sid: u8,
    pub(crate) client_port: u16,
    pub(crate) quorum_port: u16,
    pub(crate) election_port: u16,
    /// Holds `zoo.cfg`, `data` and `server.log`.
    pub(crate) directory: PathBuf,
    /// Where the steps of its core are recorded, if they are.
    record: Option<PathBuf>,
    process: Option<Process>,
}

struct Process {
    child: Child,
    /// The server stops when this is closed, so it does not outlive this process.
    stdin: Option<ChildStdin>,
}

impl Server {
    pub(crate) fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.client_port).into()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// Adds lines to its configuration; keys that are there are replaced.
    pub(crate) fn configure(&self, lines: &str) {
        let path = configuration(&self.directory);
        let before = fs::read_to_string(&path).expect("zoo.cfg");
        fs::write(path, last_values(&format!("{before}{lines}"))).expect("zoo.cfg");
    }

    /// Starts the process; its log is appended to.
    pub(crate) fn start(&mut self) {
        self.start_by(Command::new(VIVARIUM));
    }

    /// Starts the process by a command that ends by running `vivarium` with the arguments that are
    /// added here.
    pub(crate) fn start_by(&mut self, mut command: Command) {
        assert!(self.process.is_none(), "server {} runs already", self.sid);
        let log = File::options().create(true).append(true).open(self.log_path()).expect("a log");
        command.arg("server").arg(self.directory.join("zoo.cfg"));
        command.args(["--stop-with-stdin", "--log", "debug"]);
        if let Some(record) = &self.record {
            command.arg("--record").arg(record);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log);
        let mut child = command.spawn().expect("the binary starts");
        let stdin = child.stdin.take();
        self.process = Some(Process { child, stdin });
    }

    pub(crate) fn runs(&self) -> bool {
        self.process.is_some()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().expect("it runs").child.id()
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.child.kill().expect("it can be killed");
        process.child.wait().expect("it has ended");
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let status = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status();
        assert!(status.expect("sh runs").success(), "kill -{name} {pid}");
    }

    /// Waits until the process ends by itself.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("it runs");
        let what = format!("server {} ends; its log:\n{}", self.sid, self.log());
        wait_for(&what, || process.child.try_wait().expect("it is a child"))
    }

    /// SIGTERM, and waits for the end.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended()
    }

    fn log_path(&self) -> PathBuf {
        self.directory.join("server.log")
    }

    /// Everything that the server has logged, over all its starts.
    pub(crate) fn log(&self) -> String {
        let bytes = fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The answer to a four-letter word; `None` if nobody answers.
    pub(crate) fn word(&self, word: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.address()).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        stream.write_all(word.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// `Mode` of `srvr`: leader, follower, standalone; `None` while it does not serve.
    pub(crate) fn mode(&self) -> Option<String> {
        let answer = self.word("srvr")?;
        answer.lines().find_map(|line| line.strip_prefix("Mode: ")).map(str::to_owned)
    }
}

/// Resident memory of a process in KiB.
pub(crate) fn rss_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs, on Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.stdin = None;
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }
}

/// An ensemble, or one server alone. Its directory is removed with it, unless the test failed.
pub(crate) struct Cluster {
    pub(crate) servers: Vec<Server>,
    directory: Option<TempDir>,
}

impl Cluster {
    /// An ensemble of `count` servers with ZooKeeper's defaults, which all serve; one server stands
    /// alone.
    pub(crate) fn start(count: u8) -> Self {
        Self::start_with(count, "")
    }

    /// As [`Self::start`], with further lines in every configuration file.
    pub(crate) fn start_with(count: u8, settings: &str) -> Self {
        Self::new(count, settings).started()
    }

    /// As [`Self::start_with`], and every start of every server is recorded.
    pub(crate) fn start_recorded(count: u8, settings: &str) -> Self {
        let mut cluster = Self::new(count, settings);
        cluster.record_starts();
        cluster.started()
    }

    /// From now on every start of every server is recorded.
    pub(crate) fn record_starts(&mut self) {
        let record = self.record();
        for server in &mut self.servers {
            server.record = Some(record.clone());
        }
    }

    /// Starts all servers, and waits until they serve.
    pub(crate) fn started(mut self) -> Self {
        for server in &mut self.servers {
            server.start();
        }
        self.wait_until_all_serve();
        self
    }

    fn record(&self) -> PathBuf {
        self.directory.as_ref().expect("it is there").path().join("record")
    }

    /// What `vivarium replay` says of what was recorded.
    #[cfg(feature = "checker")]
    pub(crate) fn replayed(&self) -> (Option<i32>, String) {
        let output = Command::new(VIVARIUM).arg("replay").arg(self.record()).output();
        let output = output.expect("the binary starts");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Replays what was recorded: every server did what the host does, and together they kept the
    /// properties. A server that was killed has recorded whatever had an effect, so there is
    /// nothing that could not be decided. The run of abstract Zab that it was is left in
    /// `target/tmp/NAME.trace`, for the proved trace checker.
    #[cfg(feature = "checker")]
    pub(crate) fn replay(&self, name: &str) {
        let mut command = Command::new(VIVARIUM);
        let run = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.trace"));
        command.arg("replay").arg(self.record()).arg("--abstract-run").arg(run);
        let output = command.output().expect("the binary starts");
        let text = String::from_utf8_lossy(&output.stdout);
        println!(
            "{}",
            text.split_once("properties\n").map_or(&*text, |(_, properties)| properties)
        );
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(!text.contains("not decidable"), "{text}");
    }

    /// Configuration files and directories; nothing runs.
    pub(crate) fn new(count: u8, settings: &str) -> Self {
        let directory = TempDir::with_prefix("vivarium-e2e-").expect("a directory");
        let servers: Vec<_> = (1..=count)
            .map(|sid| Server {
                sid,
                client_port: free_port(),
                quorum_port: free_port(),
                election_port: free_port(),
                directory: directory.path().join(sid.to_string()),
                record: None,
                process: None,
            })
            .collect();
        let cluster = Self { servers, directory: Some(directory) };
        let members = if count > 1 { cluster.member_lines() } else { String::new() };
        for server in &cluster.servers {
            write_configuration(server, settings, &members);
        }
        cluster
    }

    /// The `server.N` lines.
    pub(crate) fn member_lines(&self) -> String {
        let line = |server: &Server| {
            let Server { sid, quorum_port, election_port, .. } = server;
            format!("server.{sid}=127.0.0.1:{quorum_port}:{election_port}\n")
        };
        self.servers.iter().map(line).collect()
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(Server::address).collect()
    }

    /// `host:port,...`
    pub(crate) fn connect_string(&self) -> String {
        let addresses: Vec<_> = self.addresses().iter().map(ToString::to_string).collect();
        addresses.join(",")
    }

    /// Waits until every server that runs serves clients, under one leader.
    pub(crate) fn wait_until_all_serve(&self) {
        let logs = || self.logs();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let running = self.servers.iter().filter(|server| server.runs());
            let modes: Vec<_> = running.map(Server::mode).collect();
            let leaders = modes.iter().flatten().filter(|mode| *mode != "follower").count();
            if leaders == 1 && modes.iter().all(Option::is_some) {
                return;
            }
            assert!(Instant::now() < deadline, "{modes:?}\n{}", logs());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The last lines of every log.
    pub(crate) fn logs(&self) -> String {
        let tail = |server: &Server| {
            let log = server.log();
            let lines: Vec<_> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(15)..].join("\n");
            format!("-- server {}\n{last}\n", server.sid)
        };
        self.servers.iter().map(tail).collect()
    }

    /// The index of the established leader.
    pub(crate) fn leader(&self) -> usize {
        wait_for("there is a leader", || {
            let leads =
                |server: &Server| server.runs() && server.mode().as_deref() == Some("leader");
            self.servers.iter().position(leads)
        })
    }

    /// The index of some server that follows.
    pub(crate) fn follower(&self) -> usize {
        wait_for("there is a follower", || {
            let follows =
                |server: &Server| server.runs() && server.mode().as_deref() == Some("follower");
            self.servers.iter().position(follows)
        })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.servers.clear();
        if (std::thread::panicking() || std::env::var_os("VIVARIUM_KEEP").is_some())
            && let Some(directory) = self.directory.take()
        {
            eprintln!("the servers' logs and data are kept in {}", directory.keep().display());
        }
    }
}

fn write_configuration(server: &Server, settings: &str, members: &str) {
    let data = server.data();
    fs::create_dir_all(&data).expect("a directory");
    if !members.is_empty() {
        fs::write(data.join("myid"), format!("{}\n", server.sid)).expect("myid");
    }
    let text = format!(
        "tickTime=2000\ninitLimit=10\nsyncLimit=5\ndataDir={}\nclientPort={}\n\
         clientPortAddress=127.0.0.1\nmaxClientCnxns=0\n4lw.commands.whitelist=*\n{settings}\n{members}",
        data.display(),
        server.client_port,
    );
    fs::write(configuration(&server.directory), last_values(&text)).expect("zoo.cfg");
}

/// A later line would be a second value of a key: what a test sets replaces the default.
fn last_values(text: &str) -> String {
    let mut lines: Vec<(&str, &str)> = Vec::new();
    for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
        lines.retain(|(other, _)| *other != key);
        lines.push((key, value));
    }
    lines.iter().map(|(key, value)| format!("{key}={value}\n")).collect()
}

pub(crate) fn configuration(directory: &Path) -> PathBuf {
    directory.join("zoo.cfg")
}
