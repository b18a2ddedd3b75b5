//! One connection under load: as many requests in flight as asked for, until the time is over.

use super::session::{self, ConnectError, Identity, Session};
use super::stats::Stats;
use super::subtree::Subtree;
use super::{OpArg, Plan};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Poll, ready};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, sleep_until};
use wire::ErrorCode;
use wire::client::xid;

/// What all connections of a run share. Times are nanoseconds since `base`.
pub(super) struct Shared {
    pub(super) plan: Plan,
    pub(super) subtree: Subtree,
    base: Instant,
    /// Set when the user wants an end.
    stop: Arc<AtomicBool>,
    /// Set when the run will not begin.
    abandoned: AtomicBool,
    /// When a write was last acknowledged.
    last_write: AtomicU64,
}

/// When to measure: begin and end. Everybody starts when it is announced.
pub(super) type Window = (u64, u64);

/// After a server refused, the next one is tried this much later.
const PAUSE: Duration = Duration::from_millis(20);
/// Replies that come later than this after the end are not waited for.
const DRAIN_NS: u64 = 5_000_000_000;

impl Shared {
    pub(super) fn new(plan: Plan, subtree: Subtree, stop: Arc<AtomicBool>) -> Self {
        let (abandoned, last_write) = (AtomicBool::new(false), AtomicU64::new(0));
        Self { plan, subtree, base: Instant::now(), stop, abandoned, last_write }
    }

    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.base.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    pub(super) fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.abandoned.load(Ordering::Relaxed)
    }

    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }

    /// Notes that a write was acknowledged at `now`; answers when one was before.
    pub(super) fn write_acknowledged(&self, now: u64) -> u64 {
        self.last_write.fetch_max(now, Ordering::Relaxed)
    }
}

/// One connection with what it has in flight.
pub(super) struct Worker {
    shared: Arc<Shared>,
    stats: Arc<OnceLock<Mutex<Stats>>>,
    /// Its number among all connections.
    index: usize,
    /// Which server is tried next.
    server: usize,
    identity: Identity,
    /// Requests not yet answered, oldest first.
    in_flight: VecDeque<Flight>,
    xid: i32,
    created: u64,
    random: u64,
}

struct Flight {
    xid: i32,
    sent: u64,
    write: bool,
}

impl Worker {
    pub(super) fn new(
        shared: Arc<Shared>,
        stats: Arc<OnceLock<Mutex<Stats>>>,
        index: usize,
    ) -> Self {
        let identity = Identity::new(shared.plan.session_timeout);
        let in_flight = VecDeque::with_capacity(shared.plan.depth);
        // Any seed will do; the index makes connections differ and runs alike.
        let random = index as u64;
        Self {
            shared,
            stats,
            index,
            server: index,
            identity,
            in_flight,
            xid: 0,
            created: 0,
            random,
        }
    }

    /// Connects, says so, waits for the start, and runs to the end. Answers how many creates it has
    /// asked for.
    pub(super) async fn run(
        mut self,
        connected: mpsc::UnboundedSender<()>,
        mut start: watch::Receiver<Option<Window>>,
    ) -> u64 {
        let Some(mut session) = self.connect(u64::MAX).await else { return 0 };
        let _ = connected.send(());
        let window = start.wait_for(Option::is_some).await.ok().and_then(|window| *window);
        let Some(window) = window else {
            session.close().await;
            return 0;
        };
        self.stats.get_or_init(|| Mutex::new(Stats::new(window)));
        loop {
            if !self.shared.plan.pace.is_zero() {
                sleep(self.shared.plan.pace).await;
            }
            self.fill(&mut session, window.1);
            if self.in_flight.is_empty() {
                session.close().await;
                return self.created;
            }
            let done = match self.exchange(&mut session).await {
                Ok(()) => self.take_replies(&mut session),
                Err(error) => Err(error),
            };
            let now = self.shared.now();
            if done.is_err() {
                self.fail(ErrorCode::ConnectionLoss, now);
                self.identity = session.identity().clone();
                match self.connect(window.1).await {
                    Some(again) => session = again,
                    None => return self.created,
                }
                let now = self.shared.now();
                self.with_stats(|stats| stats.reconnect(now));
            } else if now > window.1.saturating_add(DRAIN_NS) {
                self.fail(ErrorCode::OperationTimeout, now);
            }
        }
    }

    /// Tries one server after the other until one serves, or it is `end`.
    async fn connect(&mut self, end: u64) -> Option<Session> {
        while self.shared.now() < end && !self.shared.stopping() {
            let servers = &self.shared.plan.servers;
            let server = servers[self.server % servers.len()];
            self.server += 1;
            match Session::connect(server, &self.identity).await {
                Ok(session) => return Some(session),
                Err(ConnectError::Expired) => {
                    let now = self.shared.now();
                    self.with_stats(|stats| {
                        stats.failure(ErrorCode::SessionExpired.code(), 1, now)
                    });
                    self.identity = Identity::new(self.shared.plan.session_timeout);
                }
                Err(ConnectError::Lost(_)) => sleep(PAUSE).await,
            }
        }
        None
    }

    /// Appends requests until as many are in flight as asked for.
    fn fill(&mut self, session: &mut Session, end: u64) {
        let now = self.shared.now();
        if now >= end || self.shared.stopping() {
            return;
        }
        while self.in_flight.len() < self.shared.plan.depth {
            // Positive and never 0 again.
            self.xid = if self.xid == i32::MAX { 1 } else { self.xid + 1 };
            let write = self.request(session.output());
            self.in_flight.push_back(Flight { xid: self.xid, sent: now, write });
        }
    }

    /// Appends the next request; true if it is a write.
    fn request(&mut self, out: &mut Vec<u8>) -> bool {
        let shared = Arc::clone(&self.shared);
        let (plan, subtree) = (&shared.plan, &shared.subtree);
        let write = match plan.op {
            OpArg::Get => false,
            OpArg::Set | OpArg::Create => true,
            OpArg::Mix => self.draw() % 100 >= u64::from(plan.reads),
        };
        match plan.op {
            OpArg::Create => {
                let path = subtree.created(self.index, self.created);
                session::create(out, self.xid, &path, &plan.data);
                self.created += 1;
            }
            OpArg::Get | OpArg::Set | OpArg::Mix => {
                let count = subtree.nodes().len() as u64;
                // Less than the number of nodes, which is a usize.
                let path = &subtree.nodes()[(self.draw() % count) as usize];
                if write {
                    session::set(out, self.xid, path, &plan.data);
                } else {
                    session::get(out, self.xid, path);
                }
            }
        }
        write
    }

    /// splitmix64.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Sends and receives. A server that is silent is pinged, and given up after two thirds of the
    /// session timeout, which leaves a third to find another (`ClientCnxn`).
    async fn exchange(&self, session: &mut Session) -> io::Result<()> {
        let timeout = session.identity().timeout;
        let begin = tokio::time::Instant::now();
        let mut wake = pin!(None);
        let mut pings = 0;
        poll_fn(|cx| {
            loop {
                if let Poll::Ready(done) = session.poll_exchange(cx) {
                    return Poll::Ready(done);
                }
                // The timer is made only when there is nothing to read, which is rare under load.
                if wake.is_none() {
                    wake.set(Some(sleep_until(begin + timeout / 3 * (pings + 1))));
                }
                let Some(timer) = wake.as_mut().as_pin_mut() else { return Poll::Pending };
                ready!(timer.poll(cx));
                wake.set(None);
                pings += 1;
                if pings == 2 {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                session::ping(session.output());
            }
        })
        .await
    }

    /// Takes all replies that have arrived.
    fn take_replies(&mut self, session: &mut Session) -> io::Result<()> {
        let now = self.shared.now();
        let stats = Arc::clone(&self.stats);
        let Some(stats) = stats.get() else { return Ok(()) };
        let mut stats = stats.lock().unwrap_or_else(PoisonError::into_inner);
        let mut acknowledged = false;
        let get_body = session::get_body(self.shared.plan.data.len());
        while let Some(reply) = session.reply()? {
            if reply.xid == xid::PING {
                continue;
            }
            let flight = self.in_flight.pop_front().filter(|flight| flight.xid == reply.xid);
            let Some(flight) = flight else {
                let what = format!("a reply to request {} out of order", reply.xid);
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            };
            if reply.error == 0 && !flight.write && reply.body != get_body {
                // An answer that cannot hold the data is none, however fast it is.
                stats.failure(ErrorCode::DataInconsistency.code(), 1, now);
            } else if reply.error == 0 {
                stats.success(flight.sent, now);
                acknowledged |= flight.write;
            } else {
                stats.failure(reply.error, 1, now);
            }
        }
        if acknowledged {
            let before = self.shared.write_acknowledged(now);
            stats.write_acknowledged(before, now);
        }
        Ok(())
    }

    /// Everything in flight has failed.
    fn fail(&mut self, code: ErrorCode, now: u64) {
        let count = self.in_flight.len() as u64;
        self.in_flight.clear();
        self.with_stats(|stats| stats.failure(code.code(), count, now));
    }

    /// Before the start nothing is counted.
    fn with_stats(&self, count: impl FnOnce(&mut Stats)) {
        if let Some(stats) = self.stats.get() {
            count(&mut stats.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}
