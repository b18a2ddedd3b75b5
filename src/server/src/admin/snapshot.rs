//! The command `snapshot`: the tree as a file. (ZooKeeper: `Commands.SnapshotCommand`.)

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderName};
use node::admin::Command;
use node::snapshots::{PIECE_BYTES, as_file};
use serde_json::Map;
use tokio::sync::mpsc::{Sender, channel};
use tracing::info;

use super::{AdminServer, said};
use crate::http::{self, Answer, Asked, Body};

/// When snapshots may be asked for.
pub(super) struct Snapshots {
    is_enabled: bool,
    interval: Duration,
    last: Mutex<Option<Instant>>,
    /// Held while one leaves: one at a time keeps what it shows in memory.
    leaving: Arc<tokio::sync::Mutex<()>>,
}

impl Snapshots {
    pub(super) fn new(is_enabled: bool, interval: Duration) -> Self {
        Self { is_enabled, interval, last: Mutex::default(), leaving: Arc::default() }
    }

    /// Whether enough time has passed since the last one.
    fn is_due(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| last.elapsed() < self.interval) {
            return false;
        }
        *last = Some(Instant::now());
        true
    }
}

/// Pieces that may wait to leave.
const PIECES_WAITING_MAX: usize = 4;

impl AdminServer {
    /// Who asks may do everything. With `streaming=false` only the headers are told.
    pub(super) async fn snapshot(&self, asked: &Asked) -> Answer {
        let name = Command::Snapshot.name();
        if !self.snapshots.is_enabled {
            return said(503, name, None, Map::new());
        }
        let Ok(leaving) = Arc::clone(&self.snapshots.leaving).try_lock_owned() else {
            self.shared.counts().snapshots_limited.one();
            return said(429, name, None, Map::new());
        };
        if !self.snapshots.is_due() {
            self.shared.counts().snapshots_limited.one();
            return said(429, name, None, Map::new());
        }
        let shared = Arc::clone(&self.shared);
        let measured = tokio::task::spawn_blocking(move || {
            let snapshot = node::admin::snapshot(&shared);
            let mut size = Measured(0);
            as_file(&snapshot, &mut size).map(|()| (snapshot, size.0))
        });
        let (snapshot, size) = match measured.await {
            Ok(Ok(measured)) => measured,
            Ok(Err(_)) | Err(_) => {
                self.shared.counts().snapshot_errors.one();
                return said(500, name, None, Map::new());
            }
        };
        let zxid = format!("0x{:x}", snapshot.zxid());
        info!("admin server: {} gets the snapshot at {zxid}, {size} bytes", asked.from);
        let is_streamed = !asked.query.split('&').any(|part| {
            part.strip_prefix("streaming=").is_some_and(|value| !value.eq_ignore_ascii_case("true"))
        });
        let mut answer = if is_streamed {
            let (sender, pieces) = channel(PIECES_WAITING_MAX);
            tokio::task::spawn_blocking(move || {
                let mut out = Pieces { sender, piece: Vec::new() };
                // Whoever reads it may be gone.
                let _ = as_file(&snapshot, &mut out);
                drop(leaving);
            });
            let mut answer = Response::new(Body::Pieces { pieces, size });
            http::set(&mut answer, CONTENT_TYPE, "application/octet-stream");
            answer
        } else {
            said(200, name, None, Map::new())
        };
        for (name, value) in [("last_zxid", zxid), ("snapshot_size", size.to_string())] {
            http::set(&mut answer, HeaderName::from_static(name), &value);
        }
        answer
    }
}

/// Counts what it is given.
struct Measured(u64);

impl Write for Measured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lets pieces leave, and waits for whoever reads them.
struct Pieces {
    sender: Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

impl Pieces {
    fn leave(&mut self) -> io::Result<()> {
        let piece = Bytes::from(std::mem::take(&mut self.piece));
        self.sender.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.leave()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() { Ok(()) } else { self.leave() }
    }
}
