//! Accepting clients.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::shared::Admission;
use super::{Connection, EngineSender, Shared, task};

/// Accepts clients until it is dropped.
pub(crate) async fn listen(listener: TcpListener, shared: Arc<Shared>, engine: EngineSender) {
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
        let connection = Connection::new(address, &shared);
        if !admitted(&connection, &shared).await {
            warn!(
                "client port: too many connections, so the one from {address} is closed (maxClientCnxns, maxCnxns)"
            );
            continue;
        }
        debug!("client port: {address} is connected");
        let (shared, engine) = (Arc::clone(&shared), engine.clone());
        tasks.spawn(task::serve(stream, connection, shared, engine));
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
