//! The election port: a TCP connection per pair of servers, dialled by the larger id, and of the
//! messages for a peer only the latest. (ZooKeeper: `QuorumCnxManager`.)

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use recording::Ports;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, timeout};
use tracing::{debug, warn};
use wire::election::{InitialMessage, MESSAGE_BYTES_MAX};
use zab::Sid;

use crate::engine::{EventSender, Happened};
use crate::greetings::Greetings;
use crate::listen::Listeners;
use crate::peers::{Peers, Place};
use crate::recorder;
use crate::tls::{Reading, Stream, TLS_AT_PLAIN_PORT, Writing, is_tls};

/// What the port needs to know.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) me: Sid,
    /// How this server begins what it says to others.
    pub(crate) hello: InitialMessage,
    /// The others, at their election ports.
    pub(crate) peers: Peers,
    pub(crate) connect_timeout: Duration,
    pub(crate) handshake_timeout: Duration,
}

/// The engine's end: where notifications are left for the peers.
pub(crate) struct ElectionPort {
    slots: BTreeMap<Sid, Slot>,
    /// Dropped with the port, which ends its tasks.
    _tasks: JoinSet<()>,
}

/// The queue of capacity one: every connection to the peer says what is in it.
type Slot = watch::Sender<Word>;

/// An election message, as it leaves.
#[derive(Clone, Default)]
struct Word {
    bytes: Bytes,
    /// Whoever is alive answers it.
    looks: bool,
}

impl ElectionPort {
    pub(crate) fn start(settings: Settings, listeners: Listeners, events: EventSender) -> Self {
        let settings = Arc::new(settings);
        let (mut slots, mut inboxes, mut tasks) =
            (BTreeMap::new(), BTreeMap::new(), JoinSet::new());
        for (sid, place) in settings.peers.all() {
            let slot = Slot::new(Word::default());
            let (sender, inbox) = mpsc::channel(16);
            inboxes.insert(sid, sender);
            let (ended, ends) = mpsc::channel(CONNECTIONS_MAX);
            let peer = Peer {
                sid,
                place: place.clone(),
                settings: Arc::clone(&settings),
                latest: slot.subscribe(),
                events: events.clone(),
                connections: Vec::new(),
                numbers: 0,
                ended,
                unanswered: Arc::default(),
                dialled: None,
            };
            tasks.spawn(peer.correspond(inbox, ends));
            slots.insert(sid, slot);
        }
        tasks.spawn(accept(listeners, settings, inboxes));
        Self { slots, _tasks: tasks }
    }

    /// Leaves a message for a peer; an older one that has not left yet is forgotten.
    pub(crate) fn send(&self, to: Sid, bytes: Vec<u8>, looks: bool) {
        if let Some(slot) = self.slots.get(&to) {
            slot.send_replace(Word { bytes: bytes.into(), looks });
        }
    }
}

/// Tells the task of a peer what the listener saw.
enum Accepted {
    /// The peer, which has the larger id, dialled: this is a connection of the pair.
    Keep(Stream, Option<Ports>),
    /// The peer, which has the smaller id, knocked: it has to be dialled.
    DialBack,
}

async fn accept(
    listeners: Listeners,
    settings: Arc<Settings>,
    inboxes: BTreeMap<Sid, mpsc::Sender<Accepted>>,
) {
    let inboxes = Arc::new(inboxes);
    let mut greetings = Greetings::at("election port");
    loop {
        let (stream, from) = match listeners.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!("election port: accepting a connection failed: {error}");
                tokio::time::sleep(crate::ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (settings, inboxes) = (Arc::clone(&settings), Arc::clone(&inboxes));
        let refusals = greetings.refusals();
        let greeting = async move {
            if let Err(reason) = greet(stream, from, &settings, &inboxes).await {
                refusals.tell(&reason);
            }
        };
        greetings.spawn(greeting).await;
    }
}

async fn greet(
    stream: TcpStream,
    from: SocketAddr,
    settings: &Settings,
    inboxes: &BTreeMap<Sid, mpsc::Sender<Accepted>>,
) -> Result<(), String> {
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let over = recorder::ports(&stream, Some(from.port()));
    let mut stream = settings.peers.accept(stream, from.ip(), settings.handshake_timeout).await?;
    let hello = timeout(settings.handshake_timeout, read_initial_message(&mut stream))
        .await
        .map_err(|_| "no initial message in time".to_owned())??;
    let sid = u8::try_from(hello.sid())
        .map(Sid)
        .map_err(|_| format!("server id {} is not in 0..=255", hello.sid()))?;
    if sid == settings.me {
        return Err(format!("it claims to be this server, {sid}: is an id used twice?"));
    }
    let inbox = inboxes.get(&sid).ok_or_else(|| format!("{sid} is not a member"))?;
    settings.peers.check(sid, &stream, from.ip()).await?;
    let accepted = if sid > settings.me {
        Accepted::Keep(stream, over)
    } else {
        drop(stream);
        Accepted::DialBack
    };
    // The task of the peer ends only with the port.
    let _ = inbox.send(accepted).await;
    Ok(())
}

async fn read_initial_message(stream: &mut Stream) -> Result<InitialMessage, String> {
    let mut bytes = BytesMut::new();
    loop {
        let message = InitialMessage::decode(&mut bytes).map_err(|error| error.to_string())?;
        if let Some(message) = message {
            return Ok(message);
        }
        // Byte by byte: the notifications right behind it must stay in the socket.
        let byte = stream.read_u8().await.map_err(|error| error.to_string())?;
        bytes.extend_from_slice(&[byte]);
        if !stream.is_tls() && is_tls(&bytes) {
            return Err(TLS_AT_PLAIN_PORT.to_owned());
        }
    }
}

/// Connections that one peer may have. One is enough for it; but nothing proves who the others are,
/// and whoever the peer is must not lose its connection to them. What is said leaves over all of
/// them, and is heard over all.
const CONNECTIONS_MAX: usize = 4;

/// A peer that knocks is not dialled more often than this.
const DIAL_BACK_PAUSE: Duration = Duration::from_millis(100);

/// So many messages in a row without a word from the peer, and it is dialled although there is a
/// connection: it may be that of a machine that is gone, or of somebody else.
const UNANSWERED_MAX: u32 = 4;

/// One peer, and the connections to it: one that this server dialled, if it has the larger id, or
/// else those that were accepted.
struct Peer {
    sid: Sid,
    place: Place,
    settings: Arc<Settings>,
    latest: watch::Receiver<Word>,
    events: EventSender,
    /// Oldest first.
    connections: Vec<Connection>,
    /// The number of connections until now.
    numbers: u64,
    ended: mpsc::Sender<Ended>,
    /// Messages said since the peer was last heard.
    unanswered: Arc<AtomicU32>,
    /// When the peer was last dialled.
    dialled: Option<Instant>,
}

struct Connection {
    number: u64,
    task: AbortHandle,
    /// Something was heard over it.
    has_spoken: Arc<AtomicBool>,
}

/// A connection is over.
struct Ended {
    number: u64,
    /// It could not say what was to be said.
    is_unsaid: bool,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Dialling = Pin<Box<dyn Future<Output = io::Result<(Stream, Option<Ports>)>> + Send>>;

impl Peer {
    async fn correspond(
        mut self,
        mut inbox: mpsc::Receiver<Accepted>,
        mut ends: mpsc::Receiver<Ended>,
    ) {
        let mut dialling: Option<Dialling> = None;
        loop {
            let dials = tokio::select! {
                accepted = inbox.recv() => match accepted {
                    None => return,
                    Some(Accepted::Keep(stream, over)) => {
                        dialling = None;
                        self.adopt(stream, over);
                        false
                    }
                    Some(Accepted::DialBack) => self.may_dial_back(),
                },
                changed = self.latest.changed() => match changed {
                    Err(_) => return,
                    Ok(()) => self.connections.is_empty() || self.is_unanswered(),
                },
                // This peer holds a sender, so there is an end.
                Some(Ended { number, is_unsaid }) = ends.recv() => {
                    self.connections.retain(|connection| connection.number != number);
                    self.connections.is_empty() && is_unsaid
                }
                stream = dialled(&mut dialling) => {
                    dialling = None;
                    match stream {
                        // The peer has the larger id: it heard the knock and dials back.
                        Ok(knocked) if self.sid > self.settings.me => drop(knocked),
                        Ok((stream, over)) => {
                            // It was reached where its line says it is: no other connection is
                            // better.
                            self.connections.clear();
                            self.adopt(stream, over);
                        }
                        // The election repeats itself: the next message dials again.
                        Err(error) => {
                            debug!("election port: {} at {}: {error}", self.sid, self.place);
                        }
                    }
                    false
                }
            };
            if dials && dialling.is_none() {
                self.dialled = Some(Instant::now());
                dialling = Some(self.dial());
            }
        }
    }

    fn may_dial_back(&self) -> bool {
        self.dialled.is_none_or(|at| at.elapsed() >= DIAL_BACK_PAUSE)
    }

    /// A message is to be said. True if the peer has not been heard for many of them; only a server
    /// that looks expects answers.
    fn is_unanswered(&self) -> bool {
        let looks = self.latest.borrow().looks;
        let before = self.unanswered.fetch_add(1, Ordering::Relaxed);
        let is_due = looks && before >= UNANSWERED_MAX;
        if is_due {
            self.unanswered.store(0, Ordering::Relaxed);
        }
        is_due
    }

    fn dial(&self) -> Dialling {
        let (place, settings) = (self.place.clone(), Arc::clone(&self.settings));
        Box::pin(async move {
            let connecting = async {
                let (mut stream, over) = settings.peers.dial(&place).await?;
                let mut hello = Vec::new();
                settings.hello.encode(&mut hello);
                // In one write: ZooKeeper takes a short read for a broken message.
                stream.write_all(&hello).await?;
                stream.flush().await?;
                Ok((stream, over))
            };
            timeout(settings.connect_timeout, connecting).await?
        })
    }

    /// One more connection to the peer. The engine says what it begins with.
    ///
    /// ZooKeeper (`QuorumCnxManager.receiveConnection`) closes the connection before it then, so
    /// that anybody can cut a server off from another. Here the one that the peer has given up ends
    /// when the peer closes it.
    fn adopt(&mut self, stream: Stream, over: Option<Ports>) {
        let spoke: Vec<bool> =
            self.connections.iter().map(|c| c.has_spoken.load(Ordering::Relaxed)).collect();
        if let Some(index) = superfluous(&spoke) {
            self.connections.remove(index);
        }
        self.numbers += 1;
        let (number, has_spoken) = (self.numbers, Arc::<AtomicBool>::default());
        let (reading, writing) = stream.into_split();
        let (greeting, first) = oneshot::channel();
        let opened = Happened::ElectionOpened { peer: self.sid, over, greeting };
        let writer = write(writing, self.latest.clone(), first, self.settings.connect_timeout);
        let heard = Heard {
            sid: self.sid,
            over,
            events: self.events.clone(),
            has_spoken: Arc::clone(&has_spoken),
            unanswered: Arc::clone(&self.unanswered),
        };
        let ended = self.ended.clone();
        let task = tokio::spawn(async move {
            let sid = heard.sid;
            heard.events.send(opened).await;
            let (reason, is_unsaid) = tokio::select! {
                reason = read(reading, heard) => (reason, false),
                reason = writer => (reason, true),
            };
            debug!("election port: a connection to {sid} ended: {reason}");
            let _ = ended.send(Ended { number, is_unsaid }).await;
        });
        self.connections.push(Connection { number, task: task.abort_handle(), has_spoken });
    }
}

/// Which of so many connections, oldest first, has to go for a further one: the oldest over which
/// nothing was ever heard. A peer speaks as soon as it is connected, so that silence makes room for
/// silence.
fn superfluous(spoke: &[bool]) -> Option<usize> {
    let is_full = spoke.len() >= CONNECTIONS_MAX;
    is_full.then(|| spoke.iter().position(|spoke| !spoke).unwrap_or(0))
}

/// Says what is to be said, until that fails: then it answers why.
async fn write(
    mut writing: Writing,
    mut latest: watch::Receiver<Word>,
    first: oneshot::Receiver<Vec<u8>>,
    patience: Duration,
) -> String {
    // None if nothing was ever said to this peer.
    let mut next = first.await.ok().map(Bytes::from);
    loop {
        let bytes = match next.take() {
            Some(bytes) => bytes,
            None if latest.changed().await.is_err() => return "the port is closed".to_owned(),
            None => latest.borrow_and_update().bytes.clone(),
        };
        let written = async {
            writing.write_all(&bytes).await?;
            writing.flush().await
        };
        match timeout(patience, written).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error.to_string(),
            Err(_) => return format!("it has not read anything for {patience:?}"),
        }
    }
}

async fn dialled(dialling: &mut Option<Dialling>) -> io::Result<(Stream, Option<Ports>)> {
    match dialling {
        Some(dialling) => dialling.await,
        None => std::future::pending().await,
    }
}

/// Who hears what arrives over a connection.
struct Heard {
    sid: Sid,
    /// Names the connection.
    over: Option<Ports>,
    events: EventSender,
    has_spoken: Arc<AtomicBool>,
    unanswered: Arc<AtomicU32>,
}

/// Reads until the connection ends, and answers why it did.
async fn read(mut reading: Reading, heard: Heard) -> String {
    loop {
        let payload = match read_message(&mut reading).await {
            Ok(payload) => payload,
            Err(reason) => return reason,
        };
        match host::decode_notification(&payload) {
            Ok(notification) => {
                heard.has_spoken.store(true, Ordering::Relaxed);
                heard.unanswered.store(0, Ordering::Relaxed);
                let (from, over) = (heard.sid, heard.over);
                let event = node::Event::Notification { from, notification, over };
                heard.events.send(Happened::Plain(event)).await;
            }
            Err(reason) => debug!("election port: message of {} ignored: {reason}", heard.sid),
        }
    }
}

async fn read_message(reading: &mut Reading) -> Result<Bytes, String> {
    let length = reading.read_i32().await.map_err(|error| error.to_string())?;
    let length = usize::try_from(length)
        .ok()
        .filter(|length| (1..=MESSAGE_BYTES_MAX).contains(length))
        .ok_or_else(|| format!("length {length} is not in 1..={MESSAGE_BYTES_MAX}"))?;
    let mut payload = Vec::new();
    let arrived = reading.take(length as u64).read_to_end(&mut payload).await;
    if arrived.map_err(|error| error.to_string())? < length {
        return Err("it ended within a message".to_owned());
    }
    Ok(payload.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_speaks_outlives_those_that_do_not() {
        assert_eq!(superfluous(&[]), None);
        assert_eq!(superfluous(&[true, false, false]), None);
        assert_eq!(superfluous(&[true, false, false, true]), Some(1));
        assert_eq!(superfluous(&[false; 4]), Some(0));
        assert_eq!(superfluous(&[true; 4]), Some(0));
    }
}
