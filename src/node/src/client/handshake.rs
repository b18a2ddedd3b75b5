//! The beginning of a session: ConnectRequest, and what may be answered at once. (ZooKeeper:
//! `ZooKeeperServer.processConnectRequest`.)

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use wire::client::{ConnectRequest, FourLetterWord};
use wire::jute::{Reader, Record};

use super::ClientRequest;
use super::connection::Connection;
use super::shared::Shared;

/// What a connection begins with.
pub enum Hello {
    /// A four-letter word.
    Word(FourLetterWord),
    /// The session that it asks for.
    Session(ClientRequest),
}

/// # Errors
/// The connection has to be closed without an answer, so that the client tries another server.
pub(super) fn connect(
    frame: &Bytes,
    connection: &Arc<Connection>,
    shared: &Shared,
) -> Result<Hello, String> {
    let request =
        ConnectRequest::decode(&mut Reader::new(frame)).map_err(|error| error.to_string())?;
    let counts = shared.counts();
    counts.connection_requests.one();
    count_uncertified(connection, shared);
    let status = shared.status();
    let reads_only = status.is_read_only && request.read_only == Some(true);
    if status.serving.is_none() && !reads_only {
        return Err("there is no leader".to_owned());
    }
    let (seen, ours) = (request.last_zxid_seen, shared.read_tree().last_zxid());
    if seen > ours {
        counts.connections_rejected.one();
        return Err(format!("it has seen 0x{seen:x}, and this server is at 0x{ours:x}"));
    }
    let asked = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let granted = shared.settings.session_timeout(asked).as_millis();
    let timeout_ms = i32::try_from(granted).unwrap_or(i32::MAX);
    connection.asked(request.read_only, timeout_ms);
    let session = request.session_id;
    if session == 0 {
        return Ok(Hello::Session(ClientRequest::NewSession { timeout_ms }));
    }
    if request.passwd.as_deref() != Some(&wire::password(session)) {
        connection.refuse_session();
        connection.outbox.wake();
        // Nothing is asked of the node: the outbox ends the connection once the client is told.
        return Ok(Hello::Session(ClientRequest::Refused));
    }
    counts.connections_renewed.one();
    shared.waits_for(connection, session, timeout_ms);
    Ok(Hello::Session(ClientRequest::RenewSession { session, timeout_ms }))
}

/// (ZooKeeper: `ServerStats.incrementNonMTLSLocalConnCount`.)
fn count_uncertified(connection: &Connection, shared: &Shared) {
    if connection.auth_ids().iter().any(|id| id.scheme == "x509") {
        return;
    }
    let is_local = connection.address().ip().to_canonical().is_loopback();
    let stats = &shared.stats;
    let counter = if is_local { &stats.uncertified_local } else { &stats.uncertified_remote };
    counter.fetch_add(1, Ordering::Relaxed);
}
