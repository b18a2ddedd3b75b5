//! Accepting clients.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::{ClientBatch, Connection, Shared, task};

/// Accepts clients until it is dropped.
pub(crate) async fn listen(
    listener: TcpListener,
    shared: Arc<Shared>,
    engine: mpsc::Sender<ClientBatch>,
) {
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
        let connection = Connection::new(shared.next_connection_id(), address);
        if !shared.admit(&connection) {
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
