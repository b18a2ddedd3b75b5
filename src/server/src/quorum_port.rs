//! The quorum port: learners dial their leader; packets of ZooKeeper's protocol both ways.
//! (ZooKeeper: `Learner`, `LearnerHandler`, `LearnerCnxAcceptor`.)

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use host::{Generation, Link};
use node::{Chunk, Inlet, Next};
use recording::Ports;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, timeout};
use tracing::{debug, warn};
use wire::quorum::{Packet, Packets};
use zab::Sid;

use crate::bell::Bell;
use crate::engine::{EventSender, Happened};
use crate::greetings::Greetings;
use crate::link::{LINK_OUTBOX_LIMIT, LinkOutbox, Socket};
use crate::listen::Listeners;
use crate::peers::{Peers, Place};
use crate::recorder;
use crate::tls::{Reading, Stream, TLS_AT_PLAIN_PORT, Writing, is_tls};

/// What the port needs to know.
#[derive(Clone)]
pub(crate) struct Settings {
    /// The others, at their quorum ports.
    pub(crate) peers: Peers,
    pub(crate) connect_timeout: Duration,
    /// How long a learner may take to say who it is.
    pub(crate) hello_timeout: Duration,
    /// The largest packet, in bytes.
    pub(crate) packet_bytes_max: usize,
    /// What a tree that arrives as a snapshot has to know.
    pub(crate) tree: znode::Options,
}

/// The engine's end.
pub(crate) struct QuorumPort {
    settings: Arc<Settings>,
    events: EventSender,
    generations: Arc<AtomicU64>,
    dialling: BTreeMap<Sid, (Generation, AbortHandle)>,
    /// Of leaders that were dialled, and have not brought this server up to date since.
    paces: BTreeMap<Sid, Pace>,
    _tasks: JoinSet<()>,
}

/// How often a leader is dialled that turns this server away: each attempt is an election, and a
/// message in two logs.
#[derive(Default)]
struct Pace {
    pause: Duration,
}

impl Pace {
    /// How long the next attempt has to wait. The first one does not.
    fn next(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).clamp(DIAL_PAUSE, TURNED_AWAY_PAUSE_MAX);
        pause
    }
}

/// The longest pause between two attempts to follow a leader that turns this server away.
const TURNED_AWAY_PAUSE_MAX: Duration = Duration::from_secs(1);

impl QuorumPort {
    /// `listeners` are absent in a standalone server.
    pub(crate) fn start(
        settings: Settings,
        listeners: Option<Listeners>,
        events: EventSender,
    ) -> Self {
        let (settings, generations) = (Arc::new(settings), Arc::new(AtomicU64::new(1)));
        let mut tasks = JoinSet::new();
        if let Some(listeners) = listeners {
            let port = Acceptor {
                settings: Arc::clone(&settings),
                events: events.clone(),
                generations: Arc::clone(&generations),
            };
            tasks.spawn(port.accept(listeners));
        }
        let (dialling, paces) = (BTreeMap::new(), BTreeMap::new());
        Self { settings, events, generations, dialling, paces, _tasks: tasks }
    }

    /// Dials a leader until it answers, [`Self::stop_dialling`] is called, or [`DIAL_PATIENCE`] is
    /// over: then [`Happened::Unreachable`] is the answer.
    pub(crate) fn dial(&mut self, leader: Sid) {
        self.stop_dialling(leader);
        let Some(place) = self.settings.peers.place(leader).cloned() else {
            return;
        };
        let (settings, events) = (Arc::clone(&self.settings), self.events.clone());
        let generation = self.next_generation();
        let link = Link { peer: leader, generation };
        let pause = self.paces.entry(leader).or_default().next();
        let task = tokio::spawn(async move {
            // A sleep of nothing would still take a millisecond.
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            let connected = connect(&place, &settings).await;
            match connected {
                Ok((stream, over)) => {
                    let new = New { link, side: Side::Learner, over, stream };
                    connection(new, BytesMut::new(), None, &settings, &events).await;
                }
                Err(reason) => {
                    let reason = format!("{place}: {reason}");
                    events.send(Happened::Unreachable { link, reason }).await;
                }
            }
        });
        self.dialling.insert(leader, (generation, task.abort_handle()));
    }

    /// This server is up to date with the leader.
    pub(crate) fn follows(&mut self, leader: Sid) {
        self.paces.remove(&leader);
    }

    /// Stops dialling; a link that is up already is not touched.
    pub(crate) fn stop_dialling(&mut self, leader: Sid) {
        if let Some((_, task)) = self.dialling.remove(&leader) {
            task.abort();
        }
    }

    /// Whether it was the latest attempt to reach this leader that was given up, and nobody has
    /// stopped it since.
    pub(crate) fn gave_up(&mut self, link: Link) -> bool {
        let latest = self.dialling.get(&link.peer);
        let is_latest = latest.is_some_and(|(latest, _)| *latest == link.generation);
        if is_latest {
            self.dialling.remove(&link.peer);
        }
        is_latest
    }

    fn next_generation(&self) -> Generation {
        Generation(self.generations.fetch_add(1, Ordering::Relaxed))
    }
}

/// Tries again while the leader refuses: it may only just be starting.
async fn connect(place: &Place, settings: &Settings) -> Result<(Stream, Option<Ports>), String> {
    let (begin, connect_timeout) = (Instant::now(), settings.connect_timeout);
    loop {
        let reason = match timeout(connect_timeout, settings.peers.dial(place)).await {
            Ok(Ok(connected)) => return Ok(connected),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {connect_timeout:?}"),
        };
        if begin.elapsed() >= DIAL_PATIENCE {
            return Err(reason);
        }
        tokio::time::sleep(DIAL_PAUSE).await;
    }
}

/// `Learner.leaderConnectDelayDuringRetryMs` is 100 ms; a leader that was just elected is there
/// much sooner.
const DIAL_PAUSE: Duration = Duration::from_millis(20);

/// A leader that died right behind its vote is elected although it is gone; waiting for it until
/// `initLimit` would leave the ensemble without one for that long. ZooKeeper
/// (`Learner.connectToLeader`) gives up after five attempts, 100 ms apart: its leader listens only
/// from its election on, and has to be given that time.
const DIAL_PATIENCE: Duration = Duration::from_millis(500);

struct Acceptor {
    settings: Arc<Settings>,
    events: EventSender,
    generations: Arc<AtomicU64>,
}

impl Acceptor {
    async fn accept(self, listeners: Listeners) {
        let mut greetings = Greetings::at("quorum port");
        let this = Arc::new(self);
        loop {
            let (stream, from) = match listeners.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!("quorum port: accepting a connection failed: {error}");
                    tokio::time::sleep(crate::ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let (this, refusals) = (Arc::clone(&this), greetings.refusals());
            let greeting = async move {
                if let Err(reason) = this.greet(stream, from).await {
                    refusals.tell(&reason);
                }
            };
            greetings.spawn(greeting).await;
        }
    }

    /// The first packet says who the learner is.
    async fn greet(&self, stream: TcpStream, from: SocketAddr) -> Result<(), String> {
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let over = recorder::ports(&stream, Some(from.port()));
        let (peers, patience) = (&self.settings.peers, self.settings.hello_timeout);
        let mut stream = peers.accept(stream, from.ip(), patience).await?;
        let (mut buffer, mut packets) = (BytesMut::new(), Packets::new(HELLO_BYTES_MAX));
        let first = timeout(patience, async {
            loop {
                if !stream.is_tls() && is_tls(&buffer) {
                    return Err(TLS_AT_PLAIN_PORT.to_owned());
                }
                let packet = packets.next(&mut buffer);
                if let Some(packet) = packet.map_err(|error| error.to_string())? {
                    return Ok::<_, String>(packet);
                }
                let arrived = stream.read_buf(&mut buffer).await;
                if arrived.map_err(|error| error.to_string())? == 0 {
                    return Err("it ended before FOLLOWERINFO or OBSERVERINFO".to_owned());
                }
            }
        });
        let packet = first.await.map_err(|_| "it did not say who it is in time".to_owned())??;
        let sid = host::learner_of(&packet)?;
        peers.check(sid, &stream, from.ip()).await?;
        let generation = Generation(self.generations.fetch_add(1, Ordering::Relaxed));
        let link = Link { peer: sid, generation };
        let (settings, events) = (&self.settings, &self.events);
        let new = New { link, side: Side::Leader, over, stream };
        connection(new, buffer, Some(packet), settings, events).await;
        Ok(())
    }
}

/// The first packet carries 20 bytes of data.
const HELLO_BYTES_MAX: usize = 1024;

/// Which end of a link this server is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Leader,
    Learner,
}

/// A connection whose other end is known.
struct New {
    link: Link,
    side: Side,
    /// What both ends know it by.
    over: Option<Ports>,
    stream: Stream,
}

/// Tells the engine of a connection, and moves its bytes in tasks of their own.
async fn connection(
    New { link, side, over, stream }: New,
    buffer: BytesMut,
    first: Option<Packet>,
    settings: &Arc<Settings>,
    events: &EventSender,
) {
    let (reading, writing) = stream.into_split();
    let bell = Bell::default();
    let outbox = Arc::new(LinkOutbox::new(LINK_OUTBOX_LIMIT, bell.clone()));
    let writer = tokio::spawn(write(writing, Arc::clone(&outbox), bell));
    let inlet = Inlet::new(link, side == Side::Learner, settings.packet_bytes_max, settings.tree);
    let reader = Reader { reading, buffer, inlet, events: events.clone() };
    let (start, started) = tokio::sync::oneshot::channel::<()>();
    let (down, ended) = (events.clone(), Arc::clone(&outbox));
    let reader = tokio::spawn(async move {
        if started.await.is_err() {
            return;
        }
        let Err(reason) = reader.run(first).await;
        ended.abort();
        down.send(Happened::Plain(node::Event::LinkDown { link, reason })).await;
    });
    // The writing task ends by itself, when the outbox does.
    drop(writer);
    let socket = Socket::new(outbox, reader.abort_handle());
    let dialled = side == Side::Learner;
    events.send(Happened::LinkUp { link, socket, dialled, over }).await;
    let _ = start.send(());
}

async fn write(mut writing: Writing, outbox: Arc<LinkOutbox>, bell: Bell) {
    let written = async {
        loop {
            match outbox.next() {
                None => bell.rung().await,
                Some(Next::Write(Chunk::Bytes(bytes))) => {
                    writing.write_all(&bytes).await?;
                    writing.flush().await?;
                }
                Some(Next::Write(Chunk::Large(snapshot))) => {
                    crate::snapshots::stream(snapshot, &mut writing).await?;
                    writing.flush().await?;
                }
                Some(Next::End) => return writing.shutdown().await,
            }
        }
    };
    if let Err(error) = written.await {
        debug!("quorum port: writing failed: {error}");
    }
    // The reading half notices the end of the connection.
    outbox.abort();
}

struct Reader {
    reading: Reading,
    buffer: BytesMut,
    inlet: Inlet,
    events: EventSender,
}

/// How much is read at once.
const READ_BYTES: usize = 64 << 10;

impl Reader {
    async fn run(mut self, first: Option<Packet>) -> Result<std::convert::Infallible, String> {
        if let Some(packet) = first {
            self.inlet.begin(packet)?;
        }
        loop {
            match self.inlet.next(&mut self.buffer)? {
                Some(event) => self.events.send(Happened::Plain(event)).await,
                None => self.read().await?,
            }
        }
    }

    async fn read(&mut self) -> Result<(), String> {
        self.buffer.reserve(READ_BYTES);
        match self.reading.read_buf(&mut self.buffer).await {
            Ok(1..) => Ok(()),
            Ok(0) => Err("the other end closed it".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::peer_address::PeerAddresses;
    use crate::peers::Address;
    use crate::tls::{Accepts, Dials};

    #[test]
    fn a_leader_that_turns_a_server_away_is_dialled_less_and_less_often() {
        let mut pace = Pace::default();
        let pauses: Vec<_> = (0..9).map(|_| pace.next().as_millis()).collect();
        assert_eq!(pauses, [0, 20, 40, 80, 160, 320, 640, 1000, 1000]);
    }

    #[tokio::test]
    async fn a_leader_that_is_not_there_is_given_up_once() {
        let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = nobody.local_addr().expect("bound");
        drop(nobody);
        let leader = Sid(3);
        let settings = Settings {
            peers: Peers {
                places: [(
                    leader,
                    Place::at([Address { host: "127.0.0.1".into(), port: address.port() }]),
                )]
                .into(),
                sources: Arc::new(PeerAddresses::unchecked()),
                accepts: Accepts::Plain,
                dials: Dials::Plain,
            },
            connect_timeout: Duration::from_secs(5),
            hello_timeout: Duration::from_secs(20),
            packet_bytes_max: 1 << 20,
            tree: znode::Options::default(),
        };
        let (sender, mut events) = EventSender::channel();
        let mut port = QuorumPort::start(settings, None, sender);
        port.dial(leader);
        port.dial(leader);
        let Some(Happened::Unreachable { link, .. }) = events.recv().await else {
            panic!("the first event is that nobody is there");
        };
        assert_eq!(link.peer, leader);
        assert!(port.gave_up(link), "the second attempt, which replaced the first");
        assert!(!port.gave_up(link), "told once");
    }
}
