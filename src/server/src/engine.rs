//! The one task that drives the node: whatever happens is told it here, and whatever it asks for is
//! carried out here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use host::Link;
use node::{Chunk, ClientBatch, Connection, Effect, End, Load, Node, Told};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, sleep_until};
use zab::{DiskImage, Sid, WriteNo};

use crate::clock::Clock;
use crate::disk::{Disk, Report};
use crate::election_port::ElectionPort;
use crate::events::Events;
use crate::link::{LinkChunk, Socket, Sockets};
use crate::quorum_port::QuorumPort;

/// Something that happened, and what the engine needs to answer it.
pub(crate) enum Happened {
    /// It is the node's business alone.
    Plain(node::Event),
    /// A connection of the election port is up: what is it to begin with?
    ElectionOpened { peer: Sid, over: Option<recording::Ports>, greeting: oneshot::Sender<Vec<u8>> },
    /// A connection of the quorum port is up.
    LinkUp { link: Link, socket: Socket, dialled: bool, over: Option<recording::Ports> },
    /// The leader that was to be followed is not there. The link is the one that was to be.
    Unreachable { link: Link, reason: String },
    /// Somebody asks whether the engine takes its turns.
    IsAlive(oneshot::Sender<()>),
    /// SIGINT, SIGTERM.
    Stop { reason: String },
}

/// Events that may wait for the engine. Whoever has more waits itself, and its peer with it.
const EVENTS_MAX: usize = 1024;

/// Where everything but clients reports.
#[derive(Clone)]
pub(crate) struct EventSender(mpsc::Sender<Happened>);

impl EventSender {
    pub(crate) fn channel() -> (Self, mpsc::Receiver<Happened>) {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        (Self(sender), events)
    }

    /// Waits while the engine is behind. An engine that has ended hears nothing any more.
    pub(crate) async fn send(&self, event: Happened) {
        let _ = self.0.send(event).await;
    }
}

impl Report for EventSender {
    fn durable(&self, upto: WriteNo) {
        let _ = self.0.blocking_send(Happened::Plain(node::Event::Durable { upto }));
    }

    fn failed(&self, error: store::Error) {
        let _ = self.0.blocking_send(Happened::Plain(node::Event::DiskFailed(error)));
    }
}

/// The engine, as the tasks of clients' connections reach it.
#[derive(Clone)]
pub(crate) struct EngineSender {
    pub(crate) batches: mpsc::Sender<ClientBatch>,
    /// Connections that are gone. Each comes once; the engine always takes them, because what they
    /// had asked for is what keeps it from taking more.
    pub(crate) ended: mpsc::UnboundedSender<Arc<Connection>>,
}

/// The engine's end of [`EngineSender`].
pub(crate) struct FromClients {
    batches: mpsc::Receiver<ClientBatch>,
    ended: mpsc::UnboundedReceiver<Arc<Connection>>,
}

impl EngineSender {
    pub(crate) fn channel() -> (Self, FromClients) {
        let (batches, asked) = mpsc::channel(BATCHES_WAITING_MAX);
        let (ended, gone) = mpsc::unbounded_channel();
        (Self { batches, ended }, FromClients { batches: asked, ended: gone })
    }
}

/// Batches that may wait for the engine. Whoever has more waits itself, and its client with it.
const BATCHES_WAITING_MAX: usize = 1024;

/// How long the tasks of clients' connections need to read what has arrived: sockets are polled
/// before the time that has passed is noticed.
const LISTENS: Duration = Duration::from_millis(20);

/// Batches of clients' requests taken at once.
const BATCHES_MAX: usize = 64;

/// The node, and what it drives.
pub(crate) struct Engine {
    pub(crate) me: Sid,
    pub(crate) node: Node,
    pub(crate) clock: Clock,
    pub(crate) disk: Disk,
    pub(crate) election: Option<ElectionPort>,
    pub(crate) quorum: QuorumPort,
    pub(crate) events: Events,
    pub(crate) links: Links,
    pub(crate) sender: EventSender,
}

/// What is up between this server and others.
#[derive(Default)]
pub(crate) struct Links {
    sockets: Sockets,
    /// Connections that are of no use any more, and have yet to be flushed.
    closing: Vec<Socket>,
    /// Connections of the election port that ask what they are to begin with, until the next flush.
    greetings: BTreeMap<u64, oneshot::Sender<Vec<u8>>>,
    /// How many asked.
    greeted: u64,
}

impl Engine {
    /// Runs until it is told to stop, or must.
    pub(crate) async fn run(
        mut self,
        image: DiskImage<Bytes>,
        mut events: mpsc::Receiver<Happened>,
        mut clients: FromClients,
    ) -> End {
        self.node.start(self.clock.now(), image);
        self.flush();
        let (mut happened, mut asked, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        while !self.node.has_ended() {
            let wake = if self.node.has_left() { Instant::now() } else { self.next_deadline() };
            let takes_requests = self.node.takes_requests(self.load());
            tokio::select! {
                _ = events.recv_many(&mut happened, EVENTS_MAX) => {}
                _ = clients.batches.recv_many(&mut asked, BATCHES_MAX), if takes_requests => {}
                _ = clients.ended.recv_many(&mut gone, BATCHES_MAX) => {}
                () = sleep_until(wake.into()) => {}
            }
            self.node.begin_turn(self.clock.now());
            for event in happened.drain(..) {
                self.handle(event);
            }
            for batch in asked.drain(..) {
                self.node.handle(self.clock.now(), node::Event::Asked(batch));
            }
            self.node.work(self.clock.now());
            for connection in gone.drain(..) {
                self.node.handle(self.clock.now(), node::Event::Gone(connection));
            }
            self.node.tick(self.clock.now());
            self.flush();
        }
        // Nobody may wait for this task any more, the disk thread least of all: its end is waited
        // for.
        drop((events, clients));
        self.finish()
    }

    fn load(&self) -> Load {
        let leader = self.node.leader_link().and_then(|link| self.links.sockets.get(&link));
        Load {
            disk_records: self.disk.queued(),
            leader_is_behind: leader.is_some_and(Socket::is_behind),
        }
    }

    fn next_deadline(&self) -> Instant {
        let far = Duration::from_secs(3600);
        self.node.next_deadline().map_or_else(|| Instant::now() + far, |at| self.clock.instant(at))
    }

    fn handle(&mut self, event: Happened) {
        let now = self.clock.now();
        let event = match event {
            Happened::Plain(event) => {
                if let node::Event::LinkDown { link, .. } = &event {
                    self.links.sockets.remove(link);
                }
                event
            }
            Happened::ElectionOpened { peer, over, greeting } => {
                self.links.greeted += 1;
                let number = self.links.greeted;
                self.links.greetings.insert(number, greeting);
                node::Event::ElectionOpened { peer, over, number }
            }
            Happened::LinkUp { link, socket, dialled, over } => {
                self.links.sockets.insert(link, socket);
                node::Event::LinkUp { link, dialled, over }
            }
            Happened::Unreachable { link, reason } => {
                if !self.quorum.gave_up(link) {
                    return;
                }
                node::Event::Unreachable { leader: link.peer, reason }
            }
            Happened::IsAlive(answer) => {
                // Whoever asked may be gone.
                let _ = answer.send(());
                return;
            }
            Happened::Stop { reason } => {
                // It takes no part in the election that follows: the others must not elect who is
                // about to be gone.
                self.election = None;
                node::Event::Stop { reason }
            }
        };
        self.node.handle(now, event);
    }

    /// Lets leave what a turn has led to. A peer that does not read what it is sent loses its
    /// connection, which may lead to more.
    fn flush(&mut self) {
        let mut effects = Vec::new();
        loop {
            self.node.flush(self.clock.now(), &mut effects);
            self.carry_out(&mut effects);
            let broken = self.links.flush();
            if broken.is_empty() {
                return;
            }
            for link in broken {
                let reason = "writing failed, or it does not read what it is sent".to_owned();
                self.handle(Happened::Plain(node::Event::LinkDown { link, reason }));
            }
        }
    }

    fn carry_out(&mut self, effects: &mut Vec<Effect>) {
        for effect in effects.drain(..) {
            match effect {
                Effect::Disk(jobs) => self.disk.submit(jobs),
                Effect::Greet { number, bytes } => {
                    if let Some(greeting) = self.links.greetings.remove(&number) {
                        // The connection may be gone.
                        let _ = greeting.send(bytes);
                    }
                }
                Effect::Frames { link, bytes } => {
                    self.links.stage(link, Chunk::Bytes(bytes));
                }
                Effect::State { link, snapshot } => {
                    self.links.stage(link, Chunk::Large(snapshot));
                }
                Effect::Close(link) => self.links.close(link),
                Effect::Dial(leader) => self.quorum.dial(leader),
                Effect::StopDialling(leader) => self.quorum.stop_dialling(leader),
                Effect::Follows(leader) => self.quorum.follows(leader),
                Effect::Notify { to, bytes, looks } => {
                    if let Some(election) = &self.election {
                        election.send(to, bytes, looks);
                    }
                }
                Effect::Wake(connection) => connection.outbox().wake(),
                Effect::Listen(round) => {
                    let sender = self.sender.clone();
                    tokio::spawn(async move {
                        sleep(LISTENS).await;
                        let listened = node::Event::Listened(round);
                        sender.send(Happened::Plain(listened)).await;
                    });
                }
                Effect::Tell(told) => self.events.emit(&told),
            }
        }
        // Nothing was ever said to the others.
        self.links.greetings.clear();
    }

    fn finish(mut self) -> End {
        let (now, mut effects) = (self.clock.now(), Vec::new());
        let end = self.node.finish(now, &mut effects);
        self.carry_out(&mut effects);
        self.links.flush();
        self.disk.finish();
        self.events.emit(&Told::Stopped { sid: self.me, reason: end.to_string() });
        end
    }
}

impl Links {
    /// It leaves with the next flush; over a connection that is gone it does not.
    fn stage(&mut self, link: Link, chunk: LinkChunk) {
        if let Some(socket) = self.sockets.get_mut(&link) {
            socket.stage(chunk);
        }
    }

    /// What was said over it leaves with the next flush, and then it is closed.
    fn close(&mut self, link: Link) {
        self.closing.extend(self.sockets.remove(&link));
    }

    /// Lets leave what was said. The connections that broke.
    fn flush(&mut self) -> Vec<Link> {
        for mut socket in self.closing.drain(..) {
            socket.flush();
        }
        let mut broken = Vec::new();
        for (&link, socket) in &mut self.sockets {
            socket.flush();
            if socket.is_closed() {
                broken.push(link);
            }
        }
        broken
    }
}
