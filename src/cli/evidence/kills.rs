//! Three servers on loopback, under load, and killed.

use super::part::{Run, rounded};
use crate::cli::bench;
use crate::cli::ensemble::children::{News, Running};
use crate::cli::ensemble::layout::{Layout, LayoutError, Wish};
use evidence::{Ensemble, Kill, Load, ServerCore};
use server::Event;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use zab::{Epoch, ServerState};

const SERVERS: u8 = 3;
/// How often servers are killed; every fourth time all of them at once.
const KILLS: usize = 12;
/// Under load before each kill, and, every second time, before what was killed is started again.
const PAUSE: Duration = Duration::from_millis(500);
const CONNECTIONS: usize = 4;
/// Of each connection, between its writes. The trace checker takes time and memory with the square
/// of what was written.
const PACE: Duration = Duration::from_millis(10);
/// How long servers may take until all of them serve in one epoch, or have stopped.
const PATIENCE: Duration = Duration::from_secs(30);
/// The load ends by itself after this.
const LOAD_LIMIT: Duration = Duration::from_secs(600);
/// Small, so that snapshots are taken, and learners are brought up to date by them.
const SETTINGS: &str = "snapCount=500\ncommitLogCount=100\n";
const TICK: Duration = Duration::from_millis(5);

/// Starts the servers below `work`, recording into `record`, kills them under load, and stops them
/// in good order.
pub(super) fn kill_under_load(
    work: &Path,
    record: &Path,
    run: &mut Run<'_>,
) -> Result<Ensemble, String> {
    let begin = Instant::now();
    let layout = layout(work)?;
    let addresses: Vec<SocketAddr> = layout
        .servers
        .iter()
        .map(|server| SocketAddr::from((Ipv4Addr::LOCALHOST, server.client_port)))
        .collect();
    let stop = Arc::clone(&run.stop);
    let mut servers = Servers::start(layout, record.to_owned(), stop)?;
    servers.wait_until_all_serve()?;
    let cores = servers.cores()?;
    let load = Loading::start(addresses)?;
    let mut kills = Vec::new();
    for number in 0..KILLS {
        servers.pause()?;
        let at = rounded(begin.elapsed());
        let (who, indices) = match number % 4 {
            0 | 2 => ("the leader", vec![servers.leader()?]),
            1 => ("a follower", vec![servers.follower()?]),
            _ => ("all", (0..usize::from(SERVERS)).collect()),
        };
        let killed = Instant::now();
        for index in &indices {
            servers.kill(*index)?;
        }
        if matches!(number % 4, 1 | 2) {
            servers.pause()?;
        }
        for index in &indices {
            servers.restart(*index)?;
        }
        servers.wait_until_all_serve()?;
        let recovered_after = rounded(killed.elapsed());
        let servers = indices.iter().map(|index| servers.number(*index)).collect();
        run.say(&format!("  killed {who} ({}/{KILLS})", number + 1));
        kills.push(Kill { at, servers, who: who.to_owned(), recovered_after });
    }
    servers.pause()?;
    let load = load.end()?;
    servers.stop()?;
    Ok(Ensemble { seconds: rounded(begin.elapsed()), cores, kills, load })
}

/// A new ensemble on ports that are free.
fn layout(work: &Path) -> Result<Layout, String> {
    const FIRST: u16 = 21_000;
    const ATTEMPTS: u16 = 300;
    // Runs beside this one begin elsewhere.
    let offset = u16::try_from(std::process::id() % 256).unwrap_or(0) * 12;
    let mut last = String::new();
    for attempt in 0..ATTEMPTS {
        let client_port = FIRST + offset + attempt * u16::from(SERVERS);
        let wish = Wish { servers: Some(SERVERS), client_port: Some(client_port), tick_ms: None };
        match Layout::open(&work.join(attempt.to_string()), wish) {
            Ok(layout) => {
                for server in &layout.servers {
                    let file = server.directory.join("zoo.cfg");
                    std::fs::OpenOptions::new()
                        .append(true)
                        .open(&file)
                        .and_then(|mut file| file.write_all(SETTINGS.as_bytes()))
                        .map_err(|error| format!("{}: {error}", file.display()))?;
                }
                return Ok(layout);
            }
            Err(LayoutError::Usage(error)) => return Err(error),
            Err(LayoutError::Trouble(error)) => last = error,
        }
    }
    Err(format!("no ports for {SERVERS} servers: {last}"))
}

/// The servers. Those that still run are killed with it.
struct Servers {
    layout: Layout,
    record: PathBuf,
    running: Vec<Option<Server>>,
    stop: Arc<AtomicBool>,
}

/// A server process. Each start has a channel of its own, so that nothing is heard of an earlier
/// one.
struct Server {
    process: Running,
    news: Receiver<News>,
    role: ServerState,
    serving: Option<Epoch>,
}

impl Servers {
    fn start(layout: Layout, record: PathBuf, stop: Arc<AtomicBool>) -> Result<Self, String> {
        let running = layout.servers.iter().map(|_| None).collect();
        let mut servers = Self { layout, record, running, stop };
        for index in 0..servers.running.len() {
            servers.restart(index)?;
        }
        Ok(servers)
    }

    fn restart(&mut self, index: usize) -> Result<(), String> {
        let (sender, news) = channel();
        let process = Running::start(&self.layout, index, Some(&self.record), sender)?;
        let server = Server { process, news, role: ServerState::Looking, serving: None };
        self.running[index] = Some(server);
        Ok(())
    }

    fn number(&self, index: usize) -> u8 {
        self.layout.servers[index].sid.0
    }

    /// `kill -9`.
    fn kill(&mut self, index: usize) -> Result<(), String> {
        let number = self.number(index);
        let server = self.running[index].take();
        let mut server = server.ok_or_else(|| format!("server {number} does not run"))?;
        server.process.kill().map_err(|error| format!("server {number}: {error}"))
    }

    /// Takes what the servers have said. A server that has ended of itself is an error.
    fn listen(&mut self) -> Result<(), String> {
        if self.stop.load(Ordering::Relaxed) {
            return Err("interrupted".to_owned());
        }
        for (index, slot) in self.running.iter_mut().enumerate() {
            let Some(server) = slot else { continue };
            while let Ok(news) = server.news.try_recv() {
                match news {
                    News::Event(Event::RoleChange { role, .. }) => {
                        (server.role, server.serving) = (role, None);
                    }
                    News::Event(Event::Serving { epoch, .. }) => server.serving = Some(epoch),
                    News::Event(Event::Stopped { .. }) => server.serving = None,
                    News::Gone(_) => {
                        let number = self.layout.servers[index].sid.0;
                        let words = server.process.cause().unwrap_or_default();
                        return Err(format!("server {number} has ended by itself: {words}"));
                    }
                }
            }
        }
        Ok(())
    }

    fn wait_until_all_serve(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.listen()?;
            let epoch = |slot: &Option<Server>| slot.as_ref().and_then(|server| server.serving);
            let first = self.running.first().and_then(epoch);
            if first.is_some() && self.running.iter().all(|slot| epoch(slot) == first) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let seconds = PATIENCE.as_secs();
                return Err(format!("the servers do not all serve in one epoch after {seconds} s"));
            }
            std::thread::sleep(TICK);
        }
    }

    /// Lets the servers work.
    fn pause(&mut self) -> Result<(), String> {
        let end = Instant::now() + PAUSE;
        while Instant::now() < end {
            self.listen()?;
            std::thread::sleep(TICK);
        }
        Ok(())
    }

    fn leader(&self) -> Result<usize, String> {
        self.with_role(ServerState::Leading).ok_or_else(|| "no server leads".to_owned())
    }

    fn follower(&self) -> Result<usize, String> {
        self.with_role(ServerState::Following).ok_or_else(|| "no server follows".to_owned())
    }

    fn with_role(&self, role: ServerState) -> Option<usize> {
        let mut slots = self.running.iter();
        slots.position(|slot| slot.as_ref().is_some_and(|server| server.role == role))
    }

    /// The core that each server says it runs.
    fn cores(&self) -> Result<Vec<ServerCore>, String> {
        let core = |server: &crate::cli::ensemble::layout::Server| {
            let number = server.sid.0;
            let said = srvr(server.client_port)
                .map_err(|error| format!("server {number}: srvr: {error}"))?;
            let core = core_of(&said)
                .ok_or_else(|| format!("server {number}: srvr names no core: {said}"))?;
            Ok(ServerCore { server: number, core: core.to_owned() })
        };
        self.layout.servers.iter().map(core).collect()
    }

    /// In good order: the last steps are recorded.
    fn stop(mut self) -> Result<(), String> {
        for server in self.running.iter_mut().flatten() {
            server.process.ask_to_stop();
        }
        let deadline = Instant::now() + PATIENCE;
        for (index, slot) in self.running.iter_mut().enumerate() {
            let Some(mut server) = slot.take() else { continue };
            let status = server.process.wait_until(deadline);
            if !status.is_some_and(|status| status.success()) {
                let number = self.layout.servers[index].sid.0;
                return Err(format!("server {number} did not stop in good order"));
            }
        }
        Ok(())
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for server in self.running.iter_mut().flatten() {
            let _ = server.process.kill();
        }
    }
}

fn srvr(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"srvr")?;
    let mut said = String::new();
    stream.take(64 << 10).read_to_string(&mut said)?;
    Ok(said)
}

/// The hash behind `, core ` of the first line.
fn core_of(said: &str) -> Option<&str> {
    let (_, rest) = said.lines().next()?.split_once(", core ")?;
    Some(rest.split([',', ' ']).next().unwrap_or(rest))
}

/// Writers in a thread of their own. They end with this value.
struct Loading {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<Result<Load, String>>>,
}

impl Loading {
    /// All connections are there when this returns.
    fn start(servers: Vec<SocketAddr>) -> Result<Self, String> {
        let stop = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&stop);
        let (sender, begun) = channel();
        let thread = std::thread::spawn(move || {
            let report =
                bench::write_until(servers, (CONNECTIONS, PACE), &shared, LOAD_LIMIT, &|| {
                    let _ = sender.send(());
                })?;
            Ok(Load {
                about: format!(
                    "setData of 100 bytes over {CONNECTIONS} connections, each at most once in {} ms",
                    PACE.as_millis()
                ),
                acknowledged: report.operations,
                errors: report.errors,
            })
        });
        let loading = Self { stop, thread: Some(thread) };
        match begun.recv_timeout(PATIENCE) {
            Ok(()) => Ok(loading),
            // It says why, or has been waiting for as long.
            Err(_) => Err(loading.end().err().unwrap_or_else(|| "no load".to_owned())),
        }
    }

    fn end(mut self) -> Result<Load, String> {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(std::thread::JoinHandle::join);
        ended.and_then(Result::ok).ok_or("the load generator panicked")?
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::core_of;

    #[test]
    fn the_core_is_named_in_the_first_line() {
        let said = "Zookeeper version: 3.9.5-vivarium-0.1.0, built on 2026-01-01 00:00 UTC, commit 12ab-dirty, core 34cd\nLatency min/avg/max: 0/0.0/0\n";
        assert_eq!(core_of(said), Some("34cd"));
        assert_eq!(core_of("Zookeeper version: 3.8.0\ncore 1, core 2"), None);
    }
}
