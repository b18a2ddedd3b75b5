//! The election port: one TCP connection per pair of servers, dialled by the larger id, and of the messages for a peer
//! only the latest. (ZooKeeper: `QuorumCnxManager`.)

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tracing::{debug, warn};
use wire::election::{Address, InitialMessage, MESSAGE_BYTES_MAX};
use zab::{Notification, Sid};

use crate::engine::{Event, EventSender};
use crate::greetings::Greetings;
use crate::packets;

/// What the port needs to know.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) me: Sid,
    /// This server's election port, as it tells others.
    pub(crate) address: Address,
    /// `host:port` of the others.
    pub(crate) peers: BTreeMap<Sid, String>,
    pub(crate) connect_timeout: Duration,
    pub(crate) handshake_timeout: Duration,
    /// The committed configuration, sent with every notification.
    pub(crate) config_text: Bytes,
}

/// The engine's end: where notifications are left for the peers.
pub(crate) struct ElectionPort {
    slots: BTreeMap<Sid, Arc<Slot>>,
    /// Dropped with the port, which ends its tasks.
    _tasks: JoinSet<()>,
}

/// The queue of capacity one.
#[derive(Default)]
struct Slot {
    latest: Mutex<Latest>,
    news: Notify,
}

#[derive(Default)]
struct Latest {
    message: Option<Notification>,
    is_sent: bool,
}

impl ElectionPort {
    pub(crate) fn start(settings: Settings, listener: TcpListener, events: EventSender) -> Self {
        let settings = Arc::new(settings);
        let (mut slots, mut inboxes, mut tasks) =
            (BTreeMap::new(), BTreeMap::new(), JoinSet::new());
        for (&sid, address) in &settings.peers {
            let slot = Arc::new(Slot::default());
            let (sender, inbox) = mpsc::channel(16);
            inboxes.insert(sid, sender);
            let peer = Peer {
                sid,
                address: address.clone(),
                settings: Arc::clone(&settings),
                slot: Arc::clone(&slot),
                events: events.clone(),
                connection: None,
            };
            tasks.spawn(peer.correspond(inbox));
            slots.insert(sid, slot);
        }
        tasks.spawn(accept(listener, settings, inboxes));
        Self { slots, _tasks: tasks }
    }

    /// Leaves a message for a peer; an older one that has not left yet is forgotten.
    pub(crate) fn send(&self, to: Sid, message: Notification) {
        if let Some(slot) = self.slots.get(&to) {
            *slot.lock() = Latest { message: Some(message), is_sent: false };
            slot.news.notify_one();
        }
    }
}

impl Slot {
    fn lock(&self) -> std::sync::MutexGuard<'_, Latest> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the task of a peer what the listener saw.
enum Accepted {
    /// The peer, which has the larger id, dialled: this is the connection of the pair.
    Keep(TcpStream),
    /// The peer, which has the smaller id, knocked: it has to be dialled.
    DialBack,
}

async fn accept(
    listener: TcpListener,
    settings: Arc<Settings>,
    inboxes: BTreeMap<Sid, mpsc::Sender<Accepted>>,
) {
    let inboxes = Arc::new(inboxes);
    let mut greetings = Greetings::at("election port");
    loop {
        let stream = match crate::listen::accept(&listener).await {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!("election port: accepting a connection failed: {error}");
                tokio::time::sleep(crate::ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (settings, inboxes) = (Arc::clone(&settings), Arc::clone(&inboxes));
        greetings.spawn(async move {
            if let Err(reason) = greet(stream, &settings, &inboxes).await {
                debug!("election port: connection refused: {reason}");
            }
        });
    }
}

async fn greet(
    mut stream: TcpStream,
    settings: &Settings,
    inboxes: &BTreeMap<Sid, mpsc::Sender<Accepted>>,
) -> Result<(), String> {
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
    let accepted = if sid > settings.me {
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        Accepted::Keep(stream)
    } else {
        drop(stream);
        Accepted::DialBack
    };
    // The task of the peer ends only with the port.
    let _ = inbox.send(accepted).await;
    Ok(())
}

async fn read_initial_message(stream: &mut TcpStream) -> Result<InitialMessage, String> {
    let mut bytes = BytesMut::new();
    loop {
        let message = InitialMessage::decode(&mut bytes).map_err(|error| error.to_string())?;
        if let Some(message) = message {
            return Ok(message);
        }
        // Byte by byte: the notifications right behind it must stay in the socket.
        let byte = stream.read_u8().await.map_err(|error| error.to_string())?;
        bytes.extend_from_slice(&[byte]);
    }
}

/// One peer, and the connection to it.
struct Peer {
    sid: Sid,
    address: String,
    settings: Arc<Settings>,
    slot: Arc<Slot>,
    events: EventSender,
    connection: Option<Connection>,
}

struct Connection {
    writer: OwnedWriteHalf,
    reader: AbortHandle,
    is_broken: Arc<Notify>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

type Dialling = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

impl Peer {
    async fn correspond(mut self, mut inbox: mpsc::Receiver<Accepted>) {
        let slot = Arc::clone(&self.slot);
        let mut dialling: Option<Dialling> = None;
        loop {
            let broken =
                self.connection.as_ref().map(|connection| Arc::clone(&connection.is_broken));
            tokio::select! {
                accepted = inbox.recv() => match accepted {
                    None => return,
                    Some(Accepted::Keep(stream)) => {
                        dialling = None;
                        self.adopt(stream);
                    }
                    Some(Accepted::DialBack) => {
                        self.connection = None;
                        dialling = Some(self.dial());
                    }
                },
                () = slot.news.notified() => {}
                () = notified(broken) => self.connection = None,
                stream = dialled(&mut dialling) => {
                    dialling = None;
                    match stream {
                        // The peer has the larger id: it heard the knock and dials back.
                        Ok(stream) if self.sid > self.settings.me => {
                            drop(stream);
                            continue;
                        }
                        Ok(stream) => self.adopt(stream),
                        Err(error) => {
                            debug!("election port: {} at {}: {error}", self.sid, self.address);
                            // The election repeats itself: the next message dials again.
                            continue;
                        }
                    }
                }
            }
            if self.connection.is_none() && dialling.is_none() && self.has_message() {
                dialling = Some(self.dial());
            }
            self.transmit().await;
        }
    }

    fn has_message(&self) -> bool {
        let latest = self.slot.lock();
        latest.message.is_some() && !latest.is_sent
    }

    fn dial(&self) -> Dialling {
        let (address, settings) = (self.address.clone(), Arc::clone(&self.settings));
        Box::pin(async move {
            let connecting = async {
                let mut stream = TcpStream::connect(&address).await?;
                stream.set_nodelay(true)?;
                let mut hello = Vec::new();
                let sid = i64::from(settings.me.0);
                InitialMessage::V1 { sid, address: settings.address.clone() }.encode(&mut hello);
                // In one write: ZooKeeper takes a short read for a broken message.
                stream.write_all(&hello).await?;
                Ok(stream)
            };
            timeout(settings.connect_timeout, connecting).await?
        })
    }

    /// From now on this is the connection of the pair. The last message is said again on it.
    fn adopt(&mut self, stream: TcpStream) {
        let (reading, writer) = stream.into_split();
        let is_broken = Arc::new(Notify::new());
        let (sid, events, broken) = (self.sid, self.events.clone(), Arc::clone(&is_broken));
        let reader = tokio::spawn(async move {
            if let Err(reason) = read(sid, reading, &events).await {
                debug!("election port: connection to {sid} ended: {reason}");
            }
            broken.notify_one();
        });
        self.connection = Some(Connection { writer, reader: reader.abort_handle(), is_broken });
        self.slot.lock().is_sent = false;
    }

    async fn transmit(&mut self) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let message = match &mut *self.slot.lock() {
            Latest { message: Some(message), is_sent: is_sent @ false } => {
                *is_sent = true;
                *message
            }
            Latest { message: None, .. } | Latest { is_sent: true, .. } => return,
        };
        let mut bytes = Vec::new();
        packets::encode_notification(&message, &self.settings.config_text, &mut bytes);
        let written = timeout(self.settings.connect_timeout, connection.writer.write_all(&bytes));
        if !matches!(written.await, Ok(Ok(()))) {
            self.connection = None;
            self.slot.lock().is_sent = false;
        }
    }
}

async fn notified(broken: Option<Arc<Notify>>) {
    match broken {
        Some(broken) => broken.notified().await,
        None => std::future::pending().await,
    }
}

async fn dialled(dialling: &mut Option<Dialling>) -> io::Result<TcpStream> {
    match dialling {
        Some(dialling) => dialling.await,
        None => std::future::pending().await,
    }
}

async fn read(sid: Sid, mut reading: OwnedReadHalf, events: &EventSender) -> Result<(), String> {
    loop {
        let length = reading.read_i32().await.map_err(|error| error.to_string())?;
        let length = usize::try_from(length)
            .ok()
            .filter(|length| (1..=MESSAGE_BYTES_MAX).contains(length))
            .ok_or_else(|| format!("length {length} is not in 1..={MESSAGE_BYTES_MAX}"))?;
        let mut payload = Vec::new();
        let arrived = (&mut reading).take(length as u64).read_to_end(&mut payload).await;
        if arrived.map_err(|error| error.to_string())? < length {
            return Err("it ended within a message".to_owned());
        }
        match packets::decode_notification(&Bytes::from(payload)) {
            Ok(notification) => {
                events.send(Event::Notification { from: sid, notification }).await;
            }
            Err(reason) => debug!("election port: message of {sid} ignored: {reason}"),
        }
    }
}
