//! `vivarium ensemble`.

mod by_hand;
pub(super) mod children;
pub(super) mod layout;

use super::stop::stop_flag;
use children::{News, Running};
use clap::Args;
use layout::{Layout, LayoutError, Wish};
use server::Event;
use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use zab::{Epoch, ServerState, Sid};

const EXAMPLES: &str = "\
Examples:
  vivarium ensemble                               three servers, for clients at 127.0.0.1:2181,2182,2183
  vivarium ensemble --servers 5 --data /tmp/five --client-port 12181
  vivarium ensemble --record runs                 then `vivarium replay runs`

Each server is a process of its own, with its configuration, log and data in DIR/N. The first start
writes the configuration files; from then on they are only read, and the ensemble goes on from its data. Clients,
quorum and election are on loopback only.

Each line after the start is a change of a server's role: seconds since the start, server, role,
epoch, reason. A server that dies is reported and not started again: kill -9 one of the printed process ids and
watch. It says how to start one again by hand; one that was is asked for its role (`srvr`) and shown like the others,
but runs on when this program ends. When this program ends, however it ends, the servers that it started stop.

Exit status:
  0    stopped by Ctrl-C or SIGTERM, and the servers that still ran have stopped in good order
  1    the ensemble cannot start (a port is in use, a file cannot be written), no server is left, or one
       did not stop
  2    usage error";

/// Start a local ensemble: server processes with real sockets and real disks
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct EnsembleArgs {
    /// How many servers, all with a vote [default: 3, or what DIR has]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=25))]
    servers: Option<u8>,
    /// Where everything is kept
    #[arg(long, value_name = "DIR", default_value = "./vivarium-data")]
    data: PathBuf,
    /// Client port of the first server; the others have the next ones
    /// [default: 2181, or what DIR has]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    client_port: Option<u16>,
    /// Length of a tick [default: 2000, or what DIR has]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u32).range(1..=3_600_000))]
    tick_time: Option<u32>,
    /// Record what each server's host is given and asks for into this directory, for `vivarium
    /// replay`
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
}

/// Runs `ensemble`.
pub(crate) fn run(arguments: &EnsembleArgs) -> u8 {
    let wish = Wish {
        servers: arguments.servers,
        client_port: arguments.client_port,
        tick_ms: arguments.tick_time,
    };
    let layout = match Layout::open(&arguments.data, wish) {
        Ok(layout) => layout,
        Err(LayoutError::Usage(error)) => return fail(2, &error),
        Err(LayoutError::Trouble(error)) => return fail(1, &error),
    };
    let stop = stop_flag();
    match Ensemble::start(layout, arguments.record.as_deref()) {
        Ok((ensemble, news)) => ensemble.watch(&news, &stop),
        Err(error) => fail(1, &error),
    }
}

/// How long servers may take to stop in good order.
const STOP_TIME: Duration = Duration::from_secs(15);
/// How often servers that ended are looked for.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// After this long without a leader, where to look is said.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running ensemble.
struct Ensemble {
    layout: Layout,
    /// By the index of the server; `None` once it has ended.
    running: Vec<Option<Running>>,
    begin: Instant,
    /// Those that serve clients, and in which epoch.
    serving: BTreeMap<Sid, Epoch>,
    /// The last epoch that was said to be served.
    announced: Option<Epoch>,
    /// What servers that ended, and that somebody started again, say they are; by index.
    by_hand: BTreeMap<usize, &'static str>,
    /// Where cores are recorded.
    record: Option<PathBuf>,
}

impl Ensemble {
    fn start(layout: Layout, record: Option<&Path>) -> Result<(Self, Receiver<News>), String> {
        let count = layout.servers.len();
        let plural = if count == 1 { "server" } else { "servers" };
        say(&format!(
            "{count} {plural}, data in {}, logs in N/server.log",
            layout.directory.display()
        ));
        let (sender, news) = channel();
        let mut running = Vec::new();
        for (index, server) in layout.servers.iter().enumerate() {
            let process = Running::start(&layout, index, record, sender.clone())?;
            let (pid, port) = (process.pid(), server.client_port);
            say(&format!("server {}: pid {pid}, client port {port}", server.sid.0));
            running.push(Some(process));
        }
        let ensemble = Self {
            layout,
            running,
            begin: Instant::now(),
            serving: BTreeMap::new(),
            announced: None,
            by_hand: BTreeMap::new(),
            record: record.map(Path::to_owned),
        };
        Ok((ensemble, news))
    }

    /// Reports what happens until the user wants an end, or no server is left.
    fn watch(mut self, news: &Receiver<News>, stop: &AtomicBool) -> u8 {
        let mut impatient = false;
        let mut asked = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            match news.recv_timeout(Duration::from_millis(50)) {
                Ok(News::Event(event)) => self.on_event(&event),
                Ok(News::Gone(index)) => self.on_gone(index),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            let none_runs = self.running.iter().all(Option::is_none);
            if none_runs || asked.elapsed() > ASK_EVERY {
                asked = Instant::now();
                self.ask_those_that_ended();
            }
            if none_runs && self.by_hand.is_empty() {
                self.line(&"no server is left");
                return fail(
                    1,
                    &format!(
                        "every server has ended; their logs are in {}/N/server.log",
                        self.place()
                    ),
                );
            }
            if !impatient && self.announced.is_none() && self.begin.elapsed() > PATIENCE {
                impatient = true;
                self.line(&format!(
                    "no leader yet; the logs in {}/N/server.log may say why",
                    self.place()
                ));
            }
        }
        self.stop(news)
    }

    fn on_event(&mut self, event: &Event) {
        match event {
            Event::RoleChange { sid, role, epoch, reason } => {
                self.serving.remove(sid);
                let role = match role {
                    ServerState::Looking => "looking",
                    ServerState::Following => "following",
                    ServerState::Leading => "leading",
                    ServerState::Observing => "observing",
                };
                self.line(&format_args!(
                    "server {}  {role:<9}  epoch {}  {reason}",
                    sid.0, epoch.0
                ));
            }
            Event::Serving { sid, epoch, .. } => {
                self.serving.insert(*sid, *epoch);
                // With a majority serving there is an established leader, and every client finds a
                // server.
                let together = self.serving.values().filter(|other| *other == epoch).count();
                let fresh = self.announced.is_none_or(|last| last < *epoch);
                if fresh && together * 2 > self.layout.servers.len() {
                    self.announced = Some(*epoch);
                    let connect = self.layout.connect_string();
                    self.line(&format_args!("serving in epoch {}, connect to {connect}", epoch.0));
                }
            }
            Event::Stopped { sid, reason } => {
                self.serving.remove(sid);
                self.line(&format_args!("server {}  stopped    {reason}", sid.0));
            }
        }
    }

    /// Looks whether somebody has started, or stopped, one of the servers that ended here.
    fn ask_those_that_ended(&mut self) {
        for index in 0..self.running.len() {
            if self.running[index].is_some() {
                continue;
            }
            let server = &self.layout.servers[index];
            let (sid, role) = (server.sid.0, by_hand::role(server.client_port));
            let before = match role {
                Some(role) => self.by_hand.insert(index, role),
                None => self.by_hand.remove(&index),
            };
            match (before, role) {
                (Some(_), None) => {
                    self.line(&format_args!("server {sid}  gone       it was started by hand"));
                }
                (before, Some(role)) if before != Some(role) => {
                    self.line(&format_args!("server {sid}  {role:<9}  started by hand"));
                }
                (None, None) | (_, Some(_)) => {}
            }
        }
    }

    /// The command that starts a server again.
    fn again(&self, index: usize) -> String {
        let program = std::env::args().next().unwrap_or_else(|| "vivarium".to_owned());
        let file = self.layout.servers[index].directory.join("zoo.cfg");
        let mut words = vec![program, "server".to_owned(), file.display().to_string()];
        if let Some(record) = &self.record {
            words.extend(["--record".to_owned(), record.display().to_string()]);
        }
        words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    }

    /// A server has ended of itself.
    fn on_gone(&mut self, index: usize) {
        let Some(mut process) = self.running[index].take() else { return };
        let sid = self.layout.servers[index].sid;
        self.serving.remove(&sid);
        // Its output is closed, so it has ended, or is about to.
        let status = process.wait_until(Instant::now() + STOP_TIME);
        let failed = status.is_some_and(|status| status.code().is_some_and(|code| code != 0));
        let cause = process.cause().filter(|_| failed);
        let (pid, said) = (process.pid(), describe(status));
        let cause = cause.map_or_else(String::new, |cause| format!("; it says: {cause}"));
        let word = match status.is_some_and(|status| status.success()) {
            true => "ended",
            false => "died ",
        };
        self.line(&format_args!("server {}  {word}      pid {pid}, {said}{cause}", sid.0));
        self.line(&format_args!("server {}  to start it again: {}", sid.0, self.again(index)));
    }

    fn stop(mut self, news: &Receiver<News>) -> u8 {
        self.line(&"stopping");
        for process in self.running.iter_mut().flatten() {
            process.ask_to_stop();
        }
        let deadline = Instant::now() + STOP_TIME;
        let mut orderly = true;
        for index in 0..self.running.len() {
            let Some(mut process) = self.running[index].take() else { continue };
            let status = process.wait_until(deadline);
            if status.is_none_or(|status| !status.success()) {
                orderly = false;
                let (sid, pid) = (self.layout.servers[index].sid.0, process.pid());
                self.line(&format_args!(
                    "server {sid}  did not stop in good order: pid {pid}, {}",
                    describe(status)
                ));
            }
        }
        while let Ok(message) = news.try_recv() {
            match message {
                News::Event(event) => self.on_event(&event),
                News::Gone(_) => {}
            }
        }
        self.ask_those_that_ended();
        for index in self.by_hand.keys() {
            let server = &self.layout.servers[*index];
            let (sid, port) = (server.sid.0, server.client_port);
            self.line(&format_args!(
                "server {sid}  runs on    started by hand, client port {port}"
            ));
        }
        say(&format!(
            "stopped; the data is in {}, and the next start goes on from it",
            self.place()
        ));
        u8::from(!orderly)
    }

    fn place(&self) -> std::path::Display<'_> {
        self.layout.directory.display()
    }

    fn line(&self, text: &dyn fmt::Display) {
        say(&format!("{:>9.3}  {text}", self.begin.elapsed().as_secs_f64()));
    }
}

fn describe(status: Option<ExitStatus>) -> String {
    match status {
        // "exit status: 1", "signal: 9 (SIGKILL)".
        Some(status) => status.to_string(),
        None => format!("ended by force after {} s", STOP_TIME.as_secs()),
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// Prints a line at once. A closed output must not end the ensemble.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

fn fail(status: u8, error: &str) -> u8 {
    eprintln!("error: {error}");
    status
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_command_can_be_pasted() {
        for (word, shown) in [
            ("/opt/vivarium-data/1/zoo.cfg", "/opt/vivarium-data/1/zoo.cfg"),
            ("my data", "'my data'"),
            ("it's", "'it'\\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), shown);
        }
    }
}
