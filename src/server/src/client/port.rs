//! Accepting clients.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, warn};

use node::{Admission, Connection, Shared};

use super::handshakes::Handshakes;
use super::task::{self, Bells};
use super::turns::InTurn;
use crate::clock::Clock;
use crate::engine::EngineSender;
use crate::greetings::Refusals;
use crate::tls::{Accepts, Stream};

/// What the tasks of all clients share, whichever port they come to.
pub(crate) struct ClientPort {
    pub(crate) shared: Arc<Shared>,
    pub(crate) engine: EngineSender,
    pub(crate) clock: Clock,
    /// Held by whoever answers a read that takes long.
    pub(super) costly: InTurn,
    /// Held by whoever answers a four-letter word that takes long.
    pub(super) words: InTurn,
    /// `None`: as many as come.
    handshakes: Option<Handshakes>,
    /// Of handshakes, and of TLS where none is spoken.
    refusals: Refusals,
    /// Of connections for which there is no room.
    crowd: Refusals,
}

impl ClientPort {
    pub(crate) fn new(
        shared: Arc<Shared>,
        engine: EngineSender,
        clock: Clock,
        handshakes_max: Option<u32>,
    ) -> Arc<Self> {
        let (costly, words) = Default::default();
        let handshakes = handshakes_max.map(|max| Handshakes::at_most(max as usize));
        let refusals = Refusals::at("client port");
        let crowd = Refusals::at("client port");
        Arc::new(Self { shared, engine, clock, costly, words, handshakes, refusals, crowd })
    }

    /// Says why a client cannot be served, but not of each of thousands.
    pub(super) fn refuse(&self, connection: &Connection, reason: &str) {
        self.refusals.tell(&format!("{}: {reason}", connection.address()));
    }

    /// What the client speaks, and who it is by its certificate.
    ///
    /// # Errors
    /// The connection has to be closed.
    pub(super) async fn secure(
        &self,
        stream: TcpStream,
        connection: &Connection,
        accepts: &Accepts,
    ) -> Result<Stream, String> {
        let begun = accepts.begun(&stream).await;
        let Some(endpoint) = begun.inspect_err(|_| drop(self.shared.handshake_begins()))? else {
            return Ok(Stream::Plain(stream));
        };
        // Those that say nothing hold no place: they cost no more than other connections.
        let place = self.handshakes.as_ref().map(|all| all.begin(Instant::now()));
        if matches!(place, Some(None)) {
            self.shared.handshake_exceeded();
            let reason = "too many TLS handshakes are under way (outstandingHandshake.limit)";
            return Err(reason.to_owned());
        }
        let mut place = place.flatten();
        let is_lost = async {
            match &mut place {
                Some(place) => place.lost().await,
                None => std::future::pending().await,
            }
        };
        let handshake = self.shared.handshake_begins();
        let stream = tokio::select! {
            biased;
            stream = endpoint.shake_hands(stream) => stream?,
            () = is_lost => {
                let reason = "its TLS handshake is slow, and its place was needed for another \
                              (outstandingHandshake.limit)";
                return Err(reason.to_owned());
            }
        };
        connection.speaks_tls(true);
        if let Some(name) = accepts.client_name(&stream, connection.address().ip())? {
            connection.certified(name, &self.shared)?;
        }
        handshake.succeeded();
        Ok(stream)
    }
}

/// Accepts clients until it is dropped.
pub(crate) async fn listen(listener: TcpListener, accepts: Accepts, port: Arc<ClientPort>) {
    let mut tasks = JoinSet::new();
    loop {
        while tasks.try_join_next().is_some() {}
        let (stream, address) = match crate::listen::accept(&listener).await {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!("client port: accepting a connection failed: {error}");
                tokio::time::sleep(crate::ACCEPT_PAUSE).await;
                continue;
            }
        };
        let bells = Bells::default();
        let (news, stirred) = (bells.news.clone(), bells.stirred.clone());
        let connection = Connection::new(address, &port.shared, port.clock.now(), news, stirred);
        if !admitted(&connection, &port.shared).await {
            port.shared.counts().connections_rejected.one();
            port.crowd.tell(&format!("{address}: too many connections (maxClientCnxns, maxCnxns)"));
            continue;
        }
        debug!("client port: {address} is connected");
        tasks.spawn(task::serve(stream, accepts.clone(), connection, bells, Arc::clone(&port)));
    }
}

/// Makes room for a newcomer if there is none: a connection that has not said which session it
/// wants is closed for it, the oldest first, so that those that stay silent cannot keep clients
/// out, however many they are. False if there is none.
async fn admitted(connection: &Arc<Connection>, shared: &Shared) -> bool {
    for _ in 0..ROOM_ATTEMPTS {
        match shared.admit(connection) {
            Admission::Admitted => return true,
            Admission::Full => return false,
            Admission::RoomIsMade => tokio::time::sleep(ROOM_PAUSE).await,
        }
    }
    shared.admit(connection) == Admission::Admitted
}

/// A connection that is closed for a newcomer is gone as soon as its task has run.
const ROOM_PAUSE: Duration = Duration::from_millis(1);

/// Longer than that nobody waits for one newcomer.
const ROOM_ATTEMPTS: u32 = 50;
