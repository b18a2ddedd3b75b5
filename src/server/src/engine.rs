//! The one task that owns the core: every input passes here, and every output is carried out from
//! here.

mod apply;
mod links;
mod reaper;
mod renewals;
mod requests;
mod roles;
mod sessions;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use host::{Effect, Host, Link, Shell};
use recording::Ports;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tracing::{error, info};
use zab::{
    DiskImage, Halt, Input, Message, Notification, Outputs, Peer, Record, SessionMessage, Sid, Txn,
    WriteNo, Zxid,
};
use znode::{SessionIds, Tree};

use crate::client::{ClientBatch, FromClients, Shared};
use crate::config::Config;
use crate::disk::{Disk, Job, Report};
use crate::election_port::ElectionPort;
use crate::events::Events;
use crate::link::{Socket, Sockets};
use crate::quorum_port::QuorumPort;
use crate::recorder::Recorder;
use crate::snapshots::Snapshots;
use crate::timers::{Durations, Timers};

use sessions::{LocalSessions, Service};

/// Something that happened outside of the core.
pub(crate) enum Event {
    Notification {
        from: Sid,
        notification: Notification,
        over: Option<Ports>,
    },
    /// A connection of the election port is up: what is it to begin with?
    ElectionOpened {
        peer: Sid,
        over: Option<Ports>,
        greeting: oneshot::Sender<Vec<u8>>,
    },
    /// `dialled`: by this server, as a learner.
    LinkUp {
        link: Link,
        socket: Socket,
        dialled: bool,
        over: Option<Ports>,
    },
    LinkDown {
        link: Link,
        reason: String,
    },
    /// The leader that was to be followed is not there. The link is the one that was to be.
    Unreachable {
        link: Link,
        reason: String,
    },
    Messages {
        link: Link,
        messages: Vec<Message<Bytes>>,
    },
    /// A SNAP message, and the state that came with it.
    Snapshot {
        link: Link,
        zxid: Zxid,
        tree: Box<Tree>,
    },
    Durable {
        upto: WriteNo,
    },
    DiskFailed(store::Error),
    /// SIGINT, SIGTERM.
    Stop {
        reason: String,
    },
}

/// Events that may wait for the engine. Whoever has more waits itself, and its peer with it.
const EVENTS_MAX: usize = 1024;

/// Where everything but clients reports.
#[derive(Clone)]
pub(crate) struct EventSender(mpsc::Sender<Event>);

impl EventSender {
    pub(crate) fn channel() -> (Self, mpsc::Receiver<Event>) {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        (Self(sender), events)
    }

    /// Waits while the engine is behind. An engine that has ended hears nothing any more.
    pub(crate) async fn send(&self, event: Event) {
        let _ = self.0.send(event).await;
    }
}

impl Report for EventSender {
    fn durable(&self, upto: WriteNo) {
        let _ = self.0.blocking_send(Event::Durable { upto });
    }

    fn failed(&self, error: store::Error) {
        let _ = self.0.blocking_send(Event::DiskFailed(error));
    }
}

/// Why the engine ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum End {
    #[error("asked to stop ({0})")]
    Asked(String),
    #[error("the disk failed: {0}")]
    Disk(#[source] store::Error),
    #[error("the recording failed: {0}")]
    Recording(String),
    #[error("{0}")]
    Halt(String),
}

/// What the engine is made of.
pub(crate) struct Parts {
    pub(crate) config: Arc<Config>,
    pub(crate) host: Host<Peer<Bytes>>,
    pub(crate) recorder: Recorder,
    pub(crate) shared: Arc<Shared>,
    pub(crate) disk: Disk,
    pub(crate) election: Option<ElectionPort>,
    pub(crate) quorum: QuorumPort,
    pub(crate) snapshots: Snapshots,
    pub(crate) session_ids: SessionIds,
    pub(crate) events: Events,
}

pub(crate) struct Engine {
    config: Arc<Config>,
    host: Host<Peer<Bytes>>,
    recorder: Recorder,
    /// Empty between two events: memory that is used again.
    effects: Vec<Effect<Bytes, Box<Tree>>>,
    shared: Arc<Shared>,
    timers: Timers,
    disk: Disk,
    jobs: Vec<Job>,
    election: Option<ElectionPort>,
    quorum: QuorumPort,
    sockets: Sockets,
    /// Connections that are of no use any more, and have yet to be flushed.
    closing: Vec<Socket>,
    /// The connection of the election port that asks what it is to begin with.
    greeting: Option<oneshot::Sender<Vec<u8>>>,
    /// Answers to such questions, which have yet to leave.
    greetings: Vec<(oneshot::Sender<Vec<u8>>, Vec<u8>)>,
    /// Committed, and not yet applied to the tree.
    committed: VecDeque<Txn<Bytes>>,
    /// Requests of clients that were taken, and not yet served.
    asked: VecDeque<ClientBatch>,
    /// When the present turn should end.
    turn_ends: Instant,
    /// From learners, or the leader, for the session layer.
    messages: VecDeque<(Link, SessionMessage<Bytes>)>,
    service: Service,
    local: LocalSessions,
    snapshots: Snapshots,
    events: Events,
    reason: String,
    /// Reasons for refusals that were logged: each is logged once.
    explained: BTreeSet<&'static str>,
    started: Instant,
    /// When timers and sessions were last looked at.
    ticked: Instant,
    end: Option<End>,
}

impl Engine {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts {
            config,
            host,
            recorder,
            shared,
            disk,
            election,
            quorum,
            snapshots,
            session_ids,
            events,
        } = parts;
        let durations = Durations {
            tick: config.tick_time,
            init_limit: config.init_limit_ticks,
            sync_limit: config.sync_limit_ticks,
        };
        let local = LocalSessions::new(session_ids);
        Self {
            config,
            host,
            recorder,
            effects: Vec::new(),
            shared,
            timers: Timers::new(durations),
            disk,
            jobs: Vec::new(),
            election,
            quorum,
            sockets: Sockets::new(),
            closing: Vec::new(),
            greeting: None,
            greetings: Vec::new(),
            committed: VecDeque::new(),
            asked: VecDeque::new(),
            turn_ends: Instant::now(),
            messages: VecDeque::new(),
            service: Service::None,
            local,
            snapshots,
            events,
            reason: "started".to_owned(),
            explained: BTreeSet::new(),
            started: Instant::now(),
            ticked: Instant::now(),
            end: None,
        }
    }

    /// Runs until it is told to stop, or must.
    pub(crate) async fn run(
        mut self,
        image: DiskImage<Bytes>,
        mut events: mpsc::Receiver<Event>,
        mut clients: FromClients,
    ) -> End {
        self.happens(host::Event::Start(image));
        self.flush();
        let (mut happened, mut asked, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        self.begin_turn();
        loop {
            if let Some(end) = self.end.take() {
                // Nobody may wait for this task any more, the disk thread least of all: its end is
                // waited for.
                drop((events, clients));
                return self.finish(end);
            }
            let has_left = self.has_left();
            let wake = if has_left { Instant::now() } else { self.next_deadline() };
            let takes_requests = self.asked.is_empty() && self.takes_requests();
            tokio::select! {
                _ = events.recv_many(&mut happened, EVENTS_MAX) => {}
                _ = clients.batches.recv_many(&mut asked, BATCHES_MAX), if takes_requests => {}
                _ = clients.ended.recv_many(&mut gone, BATCHES_MAX) => {}
                () = sleep_until(wake) => {}
            }
            self.begin_turn();
            self.converse();
            for event in happened.drain(..) {
                self.handle(event);
                self.converse();
            }
            self.asked.extend(asked.drain(..));
            // Clients of this server have a time of their own: what learners forward is no reason
            // to let them wait.
            self.begin_turn();
            self.serve_clients();
            for connection in gone.drain(..) {
                self.connection_closed(&connection);
            }
            self.tick();
            self.converse();
            self.flush();
        }
    }

    /// What takes long is left to the next turn: timers, PINGs and what waits to leave come in
    /// between.
    ///
    /// While transactions of an earlier turn wait to be applied, nothing more is served: who serves
    /// faster than it applies would keep its own clients waiting for longer and longer.
    fn begin_turn(&mut self) {
        let time = if self.committed.is_empty() { TURN_MAX } else { Duration::ZERO };
        self.turn_ends = Instant::now() + time;
    }

    fn turn_is_over(&self) -> bool {
        Instant::now() >= self.turn_ends
    }

    /// The last turn has not done everything.
    fn has_left(&self) -> bool {
        !(self.asked.is_empty() && self.messages.is_empty() && self.committed.is_empty())
    }

    /// Clients' requests are taken only while what is in progress stays within the bounds
    /// (`globalOutstandingLimit`), and a learner's leader takes what it is sent. Until then the
    /// engine looks again with every event and timer.
    fn takes_requests(&self) -> bool {
        self.local.in_progress() < self.config.outstanding_limit() as usize
            && self.disk.queued() < DISK_QUEUE_MAX
            && !self.leader_is_behind()
    }

    fn leader_is_behind(&self) -> bool {
        let Service::Learner(learning) = &self.service else { return false };
        let link = self.host.link_to(learning.leader);
        link.and_then(|link| self.sockets.get(&link)).is_some_and(Socket::is_behind)
    }

    fn next_deadline(&self) -> Instant {
        let far = Instant::now() + Duration::from_secs(3600);
        let expiry = self.service.next_expiry().map(|at| self.started + Duration::from_millis(at));
        let reap = self.service.next_reap().map(|at| self.started + Duration::from_millis(at));
        [self.timers.next(), expiry, reap].into_iter().flatten().min().unwrap_or(far)
    }

    /// Milliseconds since the engine began, of the monotonic clock: sessions are measured with it.
    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn tick(&mut self) {
        let now = Instant::now();
        let absent = now - std::mem::replace(&mut self.ticked, now);
        if absent > self.config.tick_time {
            self.excuse_silence(absent);
        }
        while let Some(timer) = self.timers.expired(Instant::now()) {
            if timer == host::Timer::Core(zab::Timer::Ping) {
                self.collect_touches();
            }
            self.happens(host::Event::Timer(timer));
        }
        self.expire_sessions();
        self.reap();
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Notification { from, notification, over } => {
                self.happens_over(host::Event::Notified { from, notification }, over);
            }
            Event::ElectionOpened { peer, over, greeting } => {
                self.greeting = Some(greeting);
                self.happens_over(host::Event::ElectionOpened(peer), over);
                self.greeting = None;
            }
            Event::LinkUp { link, socket, dialled, over } => {
                self.link_up(link, socket, dialled, over);
            }
            Event::LinkDown { link, reason } => self.link_down(link, &reason),
            Event::Unreachable { link, reason } => self.unreachable(link, &reason),
            Event::Messages { link, messages } => {
                self.happens(host::Event::Received { link, messages });
            }
            Event::Snapshot { link, zxid, tree } => {
                self.happens(host::Event::State { link, zxid, state: tree });
            }
            Event::Durable { upto } => self.happens(host::Event::Durable(upto)),
            Event::DiskFailed(error) => {
                error!("the disk failed, so this server stops: {error}");
                self.end.get_or_insert(End::Disk(error));
            }
            Event::Stop { reason } => {
                info!("stopping: {reason}");
                // It takes no part in the election that follows: the others must not elect who is
                // about to be gone.
                self.election = None;
                self.reason = format!("asked to stop ({reason})");
                self.happens(host::Event::Resign);
                self.end.get_or_insert(End::Asked(reason));
            }
        }
    }

    /// Lets the host handle an event, and carries out what it asks for.
    fn happens(&mut self, event: host::Event<Bytes, Box<Tree>>) {
        self.happens_over(event, None);
    }

    /// As [`Self::happens`]; the event speaks of a connection that both ends know by these ports.
    fn happens_over(&mut self, event: host::Event<Bytes, Box<Tree>>, over: Option<Ports>) {
        let mut effects = std::mem::take(&mut self.effects);
        self.recorder.begin(&event, over);
        let mut asked = Asked { recorder: &mut self.recorder, local: &self.local };
        self.host.handle(event, &mut asked, &mut effects);
        self.recorder.end(&effects);
        self.carry_out(&mut effects);
        self.effects = effects;
    }

    /// In their order. What leaves this server waits for the next flush.
    fn carry_out(&mut self, effects: &mut Vec<Effect<Bytes, Box<Tree>>>) {
        for effect in effects.drain(..) {
            match effect {
                Effect::Halt(halt) => self.halt(halt),
                Effect::Install { zxid: _, state } => self.install(*state),
                Effect::Write(no, record) => {
                    let job = match record {
                        Record::Snapshot { zxid } => Job::Install(no, zxid, self.tree_snapshot()),
                        Record::Txn(_)
                        | Record::Truncate { .. }
                        | Record::AcceptedEpoch(_)
                        | Record::CurrentEpoch(_) => Job::Write(no, record),
                    };
                    self.jobs.push(job);
                }
                Effect::Deliver(txn) => self.committed.push_back(txn),
                Effect::Frames { link, bytes } => self.stage(link, bytes),
                Effect::SendState { link, zxid: _ } => self.stage_state(link),
                Effect::Close(link) => self.close_link(link),
                Effect::Dial(leader) => self.quorum.dial(leader),
                Effect::StopDialling(leader) => self.quorum.stop_dialling(leader),
                Effect::Notify { to, bytes, looks } => {
                    if let Some(election) = &self.election {
                        election.send(to, bytes, looks);
                    }
                }
                Effect::Greet { bytes } => {
                    self.greetings.extend(self.greeting.take().map(|greeting| (greeting, bytes)));
                }
                Effect::Arm(timer) => self.timers.arm(timer, Instant::now()),
                Effect::Disarm(timer) => self.timers.disarm(timer),
                Effect::Session(link, message) => self.messages.push_back((link, message)),
                Effect::Reported(peer, sessions) => self.touch_reported(peer, &sessions),
                Effect::Synced(body) => self.sync_confirmed(&body),
                Effect::Note(note) => self.note(note),
                Effect::Remark(remark) => self.remark(remark),
            }
        }
    }

    /// Handles what the session layer was told, which may lead to further steps.
    fn converse(&mut self) {
        while !self.turn_is_over()
            && let Some((link, message)) = self.messages.pop_front()
        {
            // What came over a connection that is gone is nobody's request any more.
            if self.host.is_link(link) {
                self.session_message(link, message);
            }
        }
    }

    /// Everything that an iteration has gathered leaves at once: one write of the recording, one
    /// batch to the disk, one wake-up per connection.
    fn flush(&mut self) {
        loop {
            self.forward_requests();
            self.confirm_renewals();
            let mut effects = std::mem::take(&mut self.effects);
            self.host.flush(&mut effects);
            self.recorder.end(&effects);
            if !self.record() {
                return;
            }
            self.turn_ends = Instant::now() + TURN_MAX;
            self.apply_some();
            if !self.jobs.is_empty() {
                self.disk.submit(std::mem::take(&mut self.jobs));
            }
            for (greeting, bytes) in self.greetings.drain(..) {
                // The connection may be gone.
                let _ = greeting.send(bytes);
            }
            self.carry_out(&mut effects);
            self.effects = effects;
            if !self.flush_links() {
                break;
            }
            self.converse();
        }
        self.local.flush();
        self.shared.stats.outstanding.store(self.local.in_progress(), Ordering::Relaxed);
    }

    /// Steps are recorded before anything that they led to leaves this server, or is seen by its
    /// clients. If they cannot be, nothing does.
    fn record(&mut self) -> bool {
        let recorded = self.recorder.flush();
        if let Err(error) = &recorded {
            self.end.get_or_insert_with(|| {
                error!("the recording failed, so this server stops: {error}");
                End::Recording(error.to_string())
            });
        }
        recorded.is_ok()
    }

    fn close_recording(&mut self) {
        self.apply_committed();
        self.flush();
        if let Err(error) = self.recorder.finish() {
            error!("the end of the recording is missing: {error}");
        }
    }

    fn halt(&mut self, halt: Halt) {
        let text = explain(halt);
        error!("this server must stop: {text}");
        self.end.get_or_insert(End::Halt(text));
    }

    fn finish(mut self, end: End) -> End {
        match end {
            End::Recording(_) => {}
            End::Asked(_) | End::Disk(_) | End::Halt(_) => self.close_recording(),
        }
        self.close_clients();
        self.disk.finish();
        let reason = end.to_string();
        self.events.emit(crate::events::Event::Stopped { sid: self.config.me, reason });
        end
    }
}

/// What the host asks while it handles an event.
struct Asked<'a> {
    recorder: &'a mut Recorder,
    local: &'a LocalSessions,
}

impl Shell<Bytes> for Asked<'_> {
    fn begins(&mut self, _: &Input<Bytes>) {}

    fn ended(&mut self, _: &Outputs<Bytes>) {}

    fn report(&mut self) -> Option<Bytes> {
        let sessions = self.local.touched();
        self.recorder.report(&sessions);
        Some(sessions)
    }
}

/// Why the core stops, and what an operator can do.
fn explain(halt: Halt) -> String {
    match halt {
        Halt::LogOutOfOrder { last, next } => {
            format!("the log is not in order: {next} stands behind {last}")
        }
        Halt::CurrentEpochAhead { accepted, current } => format!(
            "currentEpoch is {current} and acceptedEpoch is {accepted}: currentEpoch must not be the greater one"
        ),
        Halt::HistoryAhead { accepted, last } => format!(
            "the history ends at {last}, and acceptedEpoch is {accepted}: no transaction may be of a later epoch"
        ),
        Halt::EpochsExhausted { accepted } => format!(
            "acceptedEpoch is {accepted}, the largest there is, so no further leader is possible. Elections do not lead there: \
             somebody falsified it. The way out: stop all servers; find the largest currentEpoch of all of them (in version-2 of \
             dataDir); if it is smaller, write it into acceptedEpoch of every server, and start them; if it is not, restore all \
             servers from a backup that is older"
        ),
    }
}

/// How long a turn of the engine may serve requests, and how long it may apply transactions, before
/// timers and PINGs have their turn: much less than a tick.
const TURN_MAX: Duration = Duration::from_millis(10);

/// Batches of clients' requests taken at once.
const BATCHES_MAX: usize = 64;

/// Records that may wait for the disk before clients have to wait.
const DISK_QUEUE_MAX: usize = 10_000;
