//! What four-letter words count and measure, of the server and of each connection.

use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use wire::client::OpCode;

use super::secure::Handshakes;
use crate::io::Now;
use crate::metrics::Counts;

/// Times from requests to their answers, in milliseconds.
#[derive(Default)]
pub(crate) struct Latency {
    sum: AtomicU64,
    max: AtomicU64,
    count: AtomicU64,
    min: AtomicU64,
    last: AtomicU64,
}

/// What a [`Latency`] shows.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Latencies {
    pub(crate) min: u64,
    pub(crate) mean: f64,
    pub(crate) max: u64,
    pub(crate) last: u64,
}

impl Latency {
    /// Adds what was answered together.
    fn add(&self, times: &Times) {
        if times.count == 0 {
            return;
        }
        // Most requests change neither the sum nor a bound: only what changes is written.
        if times.sum > 0 {
            self.sum.fetch_add(times.sum, Ordering::Relaxed);
        }
        if times.max > self.max.load(Ordering::Relaxed) {
            self.max.fetch_max(times.max, Ordering::Relaxed);
        }
        self.last.store(times.last, Ordering::Relaxed);
        if self.count.fetch_add(times.count, Ordering::Relaxed) == 0 {
            self.min.store(times.min, Ordering::Relaxed);
        } else if times.min < self.min.load(Ordering::Relaxed) {
            self.min.fetch_min(times.min, Ordering::Relaxed);
        }
    }

    pub(crate) fn get(&self) -> Latencies {
        let count = self.count.load(Ordering::Relaxed).max(1);
        let sum = self.sum.load(Ordering::Relaxed);
        #[allow(clippy::cast_precision_loss, reason = "a mean to be read by people")]
        let mean = sum as f64 / count as f64;
        Latencies {
            min: self.min.load(Ordering::Relaxed),
            mean,
            max: self.max.load(Ordering::Relaxed),
            last: self.last.load(Ordering::Relaxed),
        }
    }

    fn reset(&self) {
        for number in [&self.sum, &self.max, &self.count, &self.min, &self.last] {
            number.store(0, Ordering::Relaxed);
        }
    }
}

/// Times of requests that are answered together, in milliseconds.
#[derive(Default)]
struct Times {
    sum: u64,
    max: u64,
    count: u64,
    min: u64,
    last: u64,
}

impl Times {
    fn add(&mut self, ms: u64) {
        self.sum += ms;
        self.max = self.max.max(ms);
        self.min = if self.count == 0 { ms } else { self.min.min(ms) };
        self.count += 1;
        self.last = ms;
    }
}

/// What one client asks, or is told, in one go. It is added to the counters at once: all threads
/// write to them, so a pipeline costs no more than one request.
#[derive(Default)]
pub(super) struct Tally {
    received: u64,
    received_bytes: u64,
    sent: u64,
    /// Answers: how many bytes all of them, and the last, the shortest and the longest one.
    answer_bytes: u64,
    answers: Option<[usize; 3]>,
    /// Reads that are answered in the moment in which they are read.
    at_once: u64,
    times: Times,
}

/// What was asked for: times are counted for both apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    /// A read, or a sync.
    Read,
    /// What becomes a transaction.
    Update,
}

impl Tally {
    /// A message of so many bytes has come.
    pub(super) fn received(&mut self, bytes: usize) {
        self.received += 1;
        self.received_bytes += bytes as u64;
    }

    /// An answer of so many bytes is sent.
    pub(super) fn answer(&mut self, bytes: usize) {
        self.sent();
        self.answer_bytes += bytes as u64;
        let [_, min, max] = self.answers.unwrap_or([bytes; 3]);
        self.answers = Some([bytes, min.min(bytes), max.max(bytes)]);
    }

    /// A message is sent.
    pub(super) fn sent(&mut self) {
        self.sent += 1;
    }

    /// A request that came at `since` is answered at `at`.
    pub(super) fn answered(&mut self, what: Asked, since: Duration, at: Duration, of: &Counts) {
        let ms = u64::try_from(at.saturating_sub(since).as_millis()).unwrap_or(u64::MAX);
        self.times.add(ms);
        match what {
            Asked::Read => of.read_latency.add(ms),
            Asked::Update => of.update_latency.add(ms),
        }
    }

    /// A read is answered in the same moment in which it is read: no clock is asked.
    pub(super) fn answered_at_once(&mut self) {
        self.at_once += 1;
        self.times.add(0);
    }

    /// Adds it to the counters of the connection and of the server.
    pub(super) fn count(self, connection: &ConnectionStats, server: &Stats, counts: &Counts) {
        let add = |counter: &AtomicU64, messages: u64| {
            if messages > 0 {
                counter.fetch_add(messages, Ordering::Relaxed);
            }
        };
        add(&connection.received, self.received);
        add(&server.received, self.received);
        add(&connection.sent, self.sent);
        add(&server.sent, self.sent);
        connection.latency.add(&self.times);
        server.latency.add(&self.times);
        counts.bytes_received.add(self.received_bytes);
        counts.response_bytes.add(self.answer_bytes);
        counts.read_latency.add_many(0, self.at_once);
        if let Some([last, min, max]) = self.answers {
            server.responses.add_all(last, min, max);
        }
    }
}

/// Sizes of proposals or answers in bytes; -1 before the first.
pub(crate) struct Sizes {
    last: AtomicI64,
    min: AtomicI64,
    max: AtomicI64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { last: AtomicI64::new(-1), min: AtomicI64::new(-1), max: AtomicI64::new(-1) }
    }
}

impl Sizes {
    pub(crate) fn add(&self, bytes: usize) {
        self.add_all(bytes, bytes, bytes);
    }

    /// Several at once. What does not change is not written to. Two threads that count the very
    /// first together may lose the smaller minimum.
    fn add_all(&self, last: usize, min: usize, max: usize) {
        let [last, min, max] = [last, min, max].map(|size| i64::try_from(size).unwrap_or(i64::MAX));
        self.last.store(last, Ordering::Relaxed);
        let least = self.min.load(Ordering::Relaxed);
        if least < 0 {
            self.min.store(min, Ordering::Relaxed);
        } else if min < least {
            self.min.fetch_min(min, Ordering::Relaxed);
        }
        if max > self.max.load(Ordering::Relaxed) {
            self.max.fetch_max(max, Ordering::Relaxed);
        }
    }

    /// Last, least, most.
    pub(crate) fn get(&self) -> [i64; 3] {
        [&self.last, &self.min, &self.max].map(|size| size.load(Ordering::Relaxed))
    }

    fn reset(&self) {
        for size in [&self.last, &self.min, &self.max] {
            size.store(-1, Ordering::Relaxed);
        }
    }
}

/// Counters of the server.
#[derive(Default)]
pub(crate) struct Stats {
    pub(crate) received: AtomicU64,
    pub(crate) sent: AtomicU64,
    /// Writes and syncs in progress.
    pub(crate) outstanding: AtomicUsize,
    /// Clients that could not be authenticated.
    pub(crate) auth_failed: AtomicU64,
    /// Of clients that speak TLS.
    pub(crate) handshakes: Handshakes,
    pub(crate) latency: Latency,
    /// Of this server while it leads.
    pub(crate) proposals: Sizes,
    /// Answers to clients.
    pub(crate) responses: Sizes,
    /// Clients that began a session without a certificate, by where they are.
    pub(crate) uncertified_local: AtomicU64,
    pub(crate) uncertified_remote: AtomicU64,
}

impl Stats {
    /// `srst`: what is in progress stays.
    pub(super) fn reset(&self) {
        self.received.store(0, Ordering::Relaxed);
        self.sent.store(0, Ordering::Relaxed);
        self.latency.reset();
        self.proposals.reset();
        self.responses.reset();
    }
}

/// Counters of a connection.
pub(crate) struct ConnectionStats {
    /// When it was accepted.
    pub(crate) begun: Duration,
    /// The same, by the wall clock in ms.
    pub(crate) begun_ms: i64,
    /// When the client was last heard of, in ms after `begun`.
    heard_ms: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) sent: AtomicU64,
    pub(crate) latency: Latency,
    /// The number of the last operation.
    last_op: AtomicI32,
    /// The last xid of a request, those apart that are no count; -1 before there is one.
    last_cxid: AtomicI64,
    /// The zxid of the last answer; -1 before there is one.
    last_zxid: AtomicI64,
}

impl ConnectionStats {
    pub(crate) fn new(now: Now) -> Self {
        Self {
            begun: now.at,
            begun_ms: now.wall_ms,
            heard_ms: AtomicU64::new(0),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            latency: Latency::default(),
            last_op: AtomicI32::new(NO_OP),
            last_cxid: AtomicI64::new(-1),
            last_zxid: AtomicI64::new(-1),
        }
    }

    /// The client was heard of.
    pub(crate) fn heard(&self, at: Duration) {
        let ms = at.saturating_sub(self.begun).as_millis();
        let ms = u64::try_from(ms).unwrap_or(u64::MAX);
        self.heard_ms.store(ms, Ordering::Relaxed);
    }

    /// When the client was last heard of, in ms after `begun`.
    pub(crate) fn heard_ms(&self) -> u64 {
        self.heard_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn asked(&self, xid: i32, op: i32) {
        self.last_op.store(op, Ordering::Relaxed);
        if xid >= 0 {
            self.last_cxid.store(i64::from(xid), Ordering::Relaxed);
        }
    }

    pub(crate) fn answered_at(&self, zxid: i64) {
        self.last_zxid.store(zxid, Ordering::Relaxed);
    }

    /// What `cons` calls the last operation.
    pub(crate) fn last_op(&self) -> &'static str {
        OpCode::from_code(self.last_op.load(Ordering::Relaxed)).map_or("NA", short_name)
    }

    pub(crate) fn last_cxid(&self) -> Option<i64> {
        Some(self.last_cxid.load(Ordering::Relaxed)).filter(|cxid| *cxid >= 0)
    }

    pub(crate) fn last_zxid(&self) -> i64 {
        self.last_zxid.load(Ordering::Relaxed)
    }

    /// `crst`.
    pub(crate) fn reset(&self) {
        self.received.store(0, Ordering::Relaxed);
        self.sent.store(0, Ordering::Relaxed);
        self.latency.reset();
        self.last_op.store(NO_OP, Ordering::Relaxed);
        self.last_cxid.store(-1, Ordering::Relaxed);
        self.last_zxid.store(-1, Ordering::Relaxed);
    }
}

/// The number of no operation.
const NO_OP: i32 = i32::MIN;

/// ZooKeeper's abbreviations of operations (`FinalRequestProcessor`).
fn short_name(op: OpCode) -> &'static str {
    match op {
        OpCode::Ping => "PING",
        OpCode::CreateSession => "SESS",
        OpCode::Multi => "MULT",
        OpCode::MultiRead => "MLTR",
        OpCode::Create | OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => "CREA",
        OpCode::Delete | OpCode::DeleteContainer => "DELE",
        OpCode::SetData => "SETD",
        OpCode::Reconfig => "RECO",
        OpCode::SetAcl => "SETA",
        OpCode::CloseSession => "CLOS",
        OpCode::Sync => "SYNC",
        OpCode::Check => "CHEC",
        OpCode::Exists => "EXIS",
        OpCode::GetData => "GETD",
        OpCode::SetWatches => "SETW",
        OpCode::SetWatches2 => "STW2",
        OpCode::AddWatch => "ADDW",
        OpCode::GetAcl => "GETA",
        OpCode::GetChildren | OpCode::GetChildren2 => "GETC",
        OpCode::GetAllChildrenNumber => "GETACN",
        OpCode::CheckWatches => "CHKW",
        OpCode::RemoveWatches => "REMW",
        OpCode::WhoAmI => "HOMI",
        OpCode::GetEphemerals => "GETE",
        OpCode::Notification | OpCode::Auth | OpCode::Sasl | OpCode::Error => "NA",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_is_of_all_requests_those_included_that_waited_for_nothing() {
        let latency = Latency::default();
        assert_eq!(latency.get(), Latencies { min: 0, mean: 0.0, max: 0, last: 0 });
        let now = Duration::from_secs(10);
        let at = |ms| now.saturating_sub(Duration::from_millis(ms));
        let add = |tell: &dyn Fn(&mut Tally)| {
            let mut tally = Tally::default();
            tell(&mut tally);
            latency.add(&tally.times);
        };
        let counts = Counts::default();
        add(&|tally| tally.answered(Asked::Read, at(3_000), now, &counts));
        let first = latency.get();
        assert!(first.min >= 3_000 && first.mean >= 3_000.0);
        assert_eq!((first.max, first.last), (first.min, first.min));
        add(&|_| {});
        add(&Tally::answered_at_once);
        add(&Tally::answered_at_once);
        let Latencies { min, mean, max, last } = latency.get();
        assert_eq!((min, max, last), (0, first.max, 0));
        assert!((1_000.0..3_000.0).contains(&mean), "{mean}");
        latency.reset();
        assert_eq!(latency.get(), Latency::default().get());
    }

    #[test]
    fn what_is_answered_together_counts_as_what_is_answered_one_by_one() {
        let (connection, server) = (ConnectionStats::new(Now::default()), Stats::default());
        let counts = Counts::default();
        let now = Duration::from_secs(10);
        let mut tally = Tally::default();
        for ms in [5, 9, 2, 4] {
            tally.answer(10 * ms as usize);
            let since = now.saturating_sub(Duration::from_millis(ms));
            tally.answered(Asked::Update, since, now, &counts);
        }
        tally.sent();
        tally.count(&connection, &server, &counts);
        assert_eq!(server.responses.get(), [40, 20, 90]);
        assert_eq!(counts.response_bytes.get(), 200);
        let expected = Latencies { min: 2, mean: 5.0, max: 9, last: 4 };
        for (latency, sent) in
            [(&connection.latency, &connection.sent), (&server.latency, &server.sent)]
        {
            assert_eq!((latency.get(), sent.load(Ordering::Relaxed)), (expected, 5));
        }
        let mut tally = Tally::default();
        tally.answered(Asked::Update, now + Duration::from_millis(1), now, &counts);
        tally.count(&connection, &server, &counts);
        let expected = Latencies { min: 0, mean: 4.0, max: 9, last: 0 };
        assert_eq!(server.latency.get(), expected, "a request may come while others are answered");
    }

    #[test]
    fn sizes_are_of_all_proposals_since_the_last_reset() {
        let sizes = Sizes::default();
        assert_eq!(sizes.get(), [-1, -1, -1]);
        for bytes in [50, 70, 60] {
            sizes.add(bytes);
        }
        assert_eq!(sizes.get(), [60, 50, 70]);
        sizes.reset();
        sizes.add(80);
        assert_eq!(sizes.get(), [80, 80, 80]);
    }

    #[test]
    fn what_a_connection_did_last() {
        let stats = ConnectionStats::new(Now::default());
        assert_eq!((stats.last_op(), stats.last_cxid(), stats.last_zxid()), ("NA", None, -1));
        stats.asked(7, OpCode::GetChildren2.code());
        stats.asked(-2, OpCode::Ping.code());
        stats.answered_at(9);
        assert_eq!((stats.last_op(), stats.last_cxid(), stats.last_zxid()), ("PING", Some(7), 9));
        stats.reset();
        assert_eq!((stats.last_op(), stats.last_cxid(), stats.last_zxid()), ("NA", None, -1));
    }
}
