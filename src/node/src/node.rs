//! The owner of the core: every input passes here, and every output is carried out from here.

mod apply;
mod audit;
mod links;
mod listening;
mod read_only;
mod reaper;
mod renewals;
mod requests;
mod roles;
mod seen;
mod sessions;
mod without_vote;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use host::{Host, Link, Shell};
use order::OnceApplied;
use recording::Ports;
use tracing::{error, info};
use zab::{DiskImage, Halt, Input, Outputs, Peer, Record, SessionMessage, Txn, Zxid};
use znode::{SessionIds, Tree};

use crate::client::{ClientBatch, Shared};
use crate::disk::Job;
use crate::io::{Effect, End, Event, Load, Now, Recorder, Turn};
use crate::settings::Settings;
use crate::snapshots::Snapshots;
use crate::timers::{Durations, Timers};

use apply::Due;
pub use audit::Audit;
use audit::Auditing;
use listening::Listening;
use seen::Seen;
use sessions::{LocalSessions, Service};
use without_vote::WithoutVote;

/// What a node is made of.
pub struct Parts {
    /// The core, and what carries out its outputs.
    pub host: Host<Peer<Bytes>>,
    /// Where steps are recorded.
    pub recorder: Box<dyn Recorder>,
    /// When a turn is over.
    pub turn: Box<dyn Turn>,
    /// What connections share with it.
    pub shared: Arc<Shared>,
    /// Ids for the sessions of this server's clients.
    pub session_ids: SessionIds,
    /// Makes servers of an ensemble differ in when they take snapshots.
    pub seed: u64,
}

/// A whole server without its sockets, threads and clocks: what happens to it comes in as
/// [`Event`]s, what it asks for comes out as [`Effect`]s. Nothing that an event led to is seen by
/// anybody before [`Node::flush`] has handed out the effects.
pub struct Node {
    settings: Arc<Settings>,
    host: Host<Peer<Bytes>>,
    recorder: Box<dyn Recorder>,
    turn: Box<dyn Turn>,
    /// Empty between two events: memory that is used again.
    effects: Vec<host::Effect<Bytes, Box<Tree>>>,
    /// What is asked for since the last flush, work for the disk apart.
    out: Vec<Effect>,
    jobs: Vec<Job>,
    shared: Arc<Shared>,
    timers: Timers,
    /// The connection of the election port that asks what it is to begin with.
    greeting: Option<u64>,
    /// Committed, and not yet applied to the tree.
    committed: VecDeque<Txn<Bytes>>,
    /// What happens once the transactions up to this one are applied, ascending.
    due: OnceApplied<Zxid, Due>,
    /// Requests of clients that were taken, and not yet served.
    asked: VecDeque<ClientBatch>,
    /// From learners, or the leader, for the session layer.
    messages: VecDeque<(Link, SessionMessage<Bytes>)>,
    service: Service,
    local: LocalSessions,
    snapshots: Snapshots,
    reason: String,
    /// Since when it has looked for a leader, if it is to serve reads without one.
    looking_since: Option<Duration>,
    /// When it was logged that a quota is exceeded.
    quota_told: Option<Duration>,
    /// Reasons for refusals that were logged: each is logged once.
    explained: BTreeSet<&'static str>,
    /// Members that have lost their histories.
    without_vote: WithoutVote,
    now: Now,
    /// When timers and sessions were last looked at.
    ticked: Duration,
    /// When they were to be looked at next.
    wakes: Duration,
    listening: Listening,
    seen: Seen,
    /// `None`: nobody wants to know who changes what.
    auditing: Option<Auditing>,
    end: Option<End>,
}

impl Node {
    /// A node that has yet to be started.
    pub fn new(parts: Parts) -> Self {
        let Parts { host, recorder, turn, shared, session_ids, seed } = parts;
        let settings = Arc::clone(&shared.settings);
        let durations = Durations {
            tick: settings.tick_time,
            init_limit: settings.init_limit,
            sync_limit: settings.sync_limit,
        };
        Self {
            host,
            recorder,
            turn,
            effects: Vec::new(),
            out: Vec::new(),
            jobs: Vec::new(),
            shared,
            timers: Timers::new(durations),
            greeting: None,
            committed: VecDeque::new(),
            due: OnceApplied::default(),
            asked: VecDeque::new(),
            messages: VecDeque::new(),
            service: Service::None,
            local: LocalSessions::new(session_ids),
            snapshots: Snapshots::new(settings.snap_count, seed),
            reason: "started".to_owned(),
            looking_since: None,
            quota_told: None,
            explained: BTreeSet::new(),
            without_vote: WithoutVote::default(),
            now: Now::default(),
            ticked: Duration::ZERO,
            wakes: Duration::ZERO,
            listening: Listening::default(),
            seen: Seen::default(),
            auditing: None,
            end: None,
            settings,
        }
    }

    /// Starts it with what is on its disk.
    pub fn start(&mut self, now: Now, image: DiskImage<Bytes>) {
        self.now = now;
        self.ticked = now.at;
        self.turn.begin(TURN_MAX);
        self.happens(host::Event::Start(image));
        self.tell_what_is_lost();
    }

    /// Begins a turn: events, then [`Self::work`], then [`Self::flush`].
    ///
    /// What takes long is left to the next turn: timers, PINGs and what waits to leave come in
    /// between. While transactions of an earlier turn wait to be applied, nothing more is served:
    /// who serves faster than it applies would keep its own clients waiting for longer and longer.
    pub fn begin_turn(&mut self, now: Now) {
        self.now = now;
        self.allow_turn();
        self.converse();
    }

    fn allow_turn(&mut self) {
        let limit = if self.committed.is_empty() { TURN_MAX } else { Duration::ZERO };
        self.turn.begin(limit);
    }

    /// Handles an event.
    pub fn handle(&mut self, now: Now, event: Event) {
        self.now = now;
        match event {
            Event::Notification { from, notification, over } => {
                self.hear_of_votes(from, &notification);
                self.happens_over(host::Event::Notified { from, notification }, over);
            }
            Event::ElectionOpened { peer, over, number } => {
                self.greeting = Some(number);
                self.happens_over(host::Event::ElectionOpened(peer), over);
                self.greeting = None;
            }
            Event::LinkUp { link, dialled, over } => {
                self.happens_over(host::Event::Opened { link, dialled }, over);
            }
            Event::LinkDown { link, reason } => self.link_down(link, &reason),
            Event::Unreachable { leader, reason } => self.unreachable(leader, &reason),
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
            Event::Asked(batch) => self.asked.push_back(batch),
            Event::Gone(connection) => self.connection_closed(&connection),
            Event::Listened(round) => self.listening.heard_own(round),
            Event::Stop { reason } => {
                info!("stopping: {reason}");
                self.reason = format!("asked to stop ({reason})");
                self.happens(host::Event::Resign);
                self.end.get_or_insert(End::Asked(reason));
            }
        }
        self.converse();
    }

    /// Serves what clients ask for, as far as there is time for in a turn. Clients of this server
    /// have a time of their own: what learners forward is no reason to let them wait.
    pub fn work(&mut self, now: Now) {
        self.now = now;
        self.allow_turn();
        self.serve_clients();
    }

    /// Looks at timers and sessions.
    pub fn tick(&mut self, now: Now) {
        self.now = now;
        let ticked = std::mem::replace(&mut self.ticked, now.at);
        // A leader has its PINGs to send, twice a tick. Who has only sessions to look after may
        // sleep until the first of them expires, and was not absent before.
        let since = if self.service.is_read_only() { ticked.max(self.wakes) } else { ticked };
        let absent = now.at.saturating_sub(since);
        if absent > self.settings.tick_time + ABSENCE_MIN {
            self.excuse_silence(absent);
        }
        while let Some(timer) = self.timers.expired(self.now.at) {
            if timer == host::Timer::Core(zab::Timer::Ping) {
                self.collect_touches();
                self.show_learners();
            }
            self.happens(host::Event::Timer(timer));
        }
        self.begin_read_only();
        self.expire_sessions();
        self.reap();
        self.converse();
        self.wakes = self.next_deadline().unwrap_or(now.at);
    }

    /// The last turn has not done everything: the next one should begin at once.
    pub fn has_left(&self) -> bool {
        !(self.asked.is_empty() && self.messages.is_empty() && self.committed.is_empty())
    }

    /// Whether clients' requests should be handed over: only while what is in progress stays within
    /// the bounds (`globalOutstandingLimit`), and a learner's leader takes what it is sent. Until
    /// then it is to be asked again with every event and timer.
    pub fn takes_requests(&self, load: Load) -> bool {
        self.asked.is_empty()
            && self.local.in_progress() < self.settings.outstanding_limit as usize
            && load.disk_records < DISK_QUEUE_MAX
            && !load.leader_is_behind
    }

    /// The connection to the leader that this server forwards requests to.
    pub fn leader_link(&self) -> Option<Link> {
        let Service::Learner(learning) = &self.service else { return None };
        self.host.link_to(learning.leader)
    }

    /// When to look at timers and sessions again, as [`Now::at`]; `None`: there is nothing to wait
    /// for.
    pub fn next_deadline(&self) -> Option<Duration> {
        let expiry = self.service.next_expiry().map(Duration::from_millis);
        let reap = self.service.next_reap().map(Duration::from_millis);
        [self.timers.next(), expiry, reap, self.read_only_from()].into_iter().flatten().min()
    }

    /// Whether it must stop: [`Self::finish`] is to be called.
    pub fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    /// What it is built on, to be looked at.
    pub fn host(&self) -> &Host<Peer<Bytes>> {
        &self.host
    }

    /// What connections share with it.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Lets the host handle an event, and carries out what it asks for.
    fn happens(&mut self, event: host::Event<Bytes, Box<Tree>>) {
        self.happens_over(event, None);
    }

    /// As [`Self::happens`]; the event speaks of a connection that both ends know by these ports.
    fn happens_over(&mut self, event: host::Event<Bytes, Box<Tree>>, over: Option<Ports>) {
        let mut effects = std::mem::take(&mut self.effects);
        self.recorder.begin(&event, over);
        let mut asked =
            Asked { recorder: &mut *self.recorder, local: &mut self.local, shared: &self.shared };
        self.host.handle(event, &mut asked, &mut effects);
        self.recorder.end(&effects);
        self.carry_out(&mut effects);
        self.effects = effects;
    }

    /// In their order. What leaves this server waits for the next flush.
    fn carry_out(&mut self, effects: &mut Vec<host::Effect<Bytes, Box<Tree>>>) {
        for effect in effects.drain(..) {
            match effect {
                host::Effect::Halt(halt) => self.halt(halt),
                host::Effect::Install { zxid: _, state } => self.install(*state),
                host::Effect::Write(no, record) => {
                    let job = match record {
                        Record::Snapshot { zxid } => Job::Install(no, zxid, self.tree_snapshot()),
                        Record::Txn(txn) => {
                            self.seen.logged(&txn, self.now, self.shared.counts());
                            Job::Write(no, Record::Txn(txn))
                        }
                        Record::Truncate { .. }
                        | Record::AcceptedEpoch(_)
                        | Record::CurrentEpoch(_) => Job::Write(no, record),
                    };
                    self.jobs.push(job);
                }
                host::Effect::Deliver(txn) => {
                    self.seen.committed(&txn, self.now, self.shared.counts());
                    self.committed.push_back(txn);
                }
                host::Effect::Frames { link, bytes } => {
                    self.out.push(Effect::Frames { link, bytes });
                }
                host::Effect::SendState { link, zxid: _ } => self.send_state(link),
                host::Effect::Close(link) => self.out.push(Effect::Close(link)),
                host::Effect::Dial(leader) => self.out.push(Effect::Dial(leader)),
                host::Effect::StopDialling(leader) => self.out.push(Effect::StopDialling(leader)),
                host::Effect::Notify { to, bytes, looks } => {
                    self.out.push(Effect::Notify { to, bytes, looks });
                }
                host::Effect::Greet { bytes } => {
                    if let Some(number) = self.greeting.take() {
                        self.out.push(Effect::Greet { number, bytes });
                    }
                }
                host::Effect::Arm(timer) => self.timers.arm(timer, self.now.at),
                host::Effect::Disarm(timer) => self.timers.disarm(timer),
                host::Effect::Session(link, message) => self.messages.push_back((link, message)),
                host::Effect::Reported(peer, sessions) => self.touch_reported(peer, &sessions),
                host::Effect::Synced(body) => self.sync_confirmed(&body),
                host::Effect::Note(note) => self.note(note),
                host::Effect::Remark(remark) => self.remark(remark),
            }
        }
    }

    /// Handles what the session layer was told, which may lead to further steps.
    fn converse(&mut self) {
        while !self.turn.is_over()
            && !self.service.is_catching_up()
            && let Some((link, message)) = self.messages.pop_front()
        {
            // What came over a connection that is gone is nobody's request any more.
            if self.host.is_link(link) {
                self.session_message(link, message);
            }
        }
    }

    /// Hands out everything that a turn has gathered, in the order in which it is to be carried
    /// out: one write of the recording comes before all of it, the work for the disk is first, and
    /// clients are woken last. Nothing, if the node had to stop because its steps cannot be
    /// recorded.
    pub fn flush(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.now = now;
        self.forward_requests();
        self.confirm_renewals();
        let mut last = std::mem::take(&mut self.effects);
        self.host.flush(&mut last);
        self.recorder.end(&last);
        if !self.record() {
            self.out.clear();
            return;
        }
        self.turn.begin(TURN_MAX);
        self.apply_some();
        self.carry_out(&mut last);
        self.effects = last;
        self.hand_over_jobs(effects);
        effects.append(&mut self.out);
        effects.extend(self.local.told().map(Effect::Wake));
        self.shared.stats.outstanding.store(self.local.in_progress(), Ordering::Relaxed);
    }

    fn hand_over_jobs(&mut self, effects: &mut Vec<Effect>) {
        if !self.jobs.is_empty() {
            effects.push(Effect::Disk(std::mem::take(&mut self.jobs)));
        }
    }

    /// Steps are recorded before anything that they led to leaves this server, or is seen by its
    /// clients. If they cannot be, nothing does.
    fn record(&mut self) -> bool {
        let recorded = self.recorder.flush();
        if let Err(error) = &recorded {
            self.end.get_or_insert_with(|| {
                error!("the recording failed, so this server stops: {error}");
                End::Recording(error.clone())
            });
        }
        recorded.is_ok()
    }

    fn close_recording(&mut self, effects: &mut Vec<Effect>) {
        self.flush(self.now, effects);
        if let Err(error) = self.recorder.finish() {
            error!("the end of the recording is missing: {error}");
        }
    }

    fn halt(&mut self, halt: Halt) {
        let text = explain(halt);
        error!("this server must stop: {text}");
        self.end.get_or_insert(End::Halt(text));
    }

    /// Ends it, once it [has](Self::has_ended): what it asks for last is to be carried out before
    /// the disk is closed.
    pub fn finish(&mut self, now: Now, effects: &mut Vec<Effect>) -> End {
        self.now = now;
        let end = self.end.take().unwrap_or_else(|| End::Asked("without a reason".to_owned()));
        match end {
            End::Recording(_) => {}
            End::Asked(_) | End::Disk(_) | End::Halt(_) => self.close_recording(effects),
        }
        self.close_clients();
        end
    }
}

/// What the host asks while it handles an event.
struct Asked<'a> {
    recorder: &'a mut dyn Recorder,
    local: &'a mut LocalSessions,
    shared: &'a Shared,
}

impl Shell<Bytes> for Asked<'_> {
    fn begins(&mut self, _: &Input<Bytes>) {}

    fn ended(&mut self, _: &Outputs<Bytes>) {}

    fn report(&mut self) -> Option<Bytes> {
        self.local.hear_who_waits(self.shared);
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
             dataDir); if it is smaller, write it into acceptedEpoch of every server, remove the copy of that \
             (vivarium.acceptedEpoch in version-2 of dataLogDir), and start them; if it is not, restore all servers from a \
             backup that is older"
        ),
    }
}

/// How long a turn of the node may serve requests, and how long it may apply transactions, before
/// timers and PINGs have their turn: much less than a tick.
const TURN_MAX: Duration = Duration::from_millis(10);

/// A server that was not there for less than that, beyond a tick, has missed nothing: where a tick
/// is a few milliseconds its turns are further apart than that.
const ABSENCE_MIN: Duration = Duration::from_millis(100);

/// Records that may wait for the disk before clients have to wait.
const DISK_QUEUE_MAX: usize = 10_000;

#[cfg(test)]
mod tests;
