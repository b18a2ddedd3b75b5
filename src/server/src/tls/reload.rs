//! Stores are read again when their files change, on threads that nobody waits for without end: a
//! file system that hangs keeps neither the other tasks nor the end of the server.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::{info, warn};

use super::setup::{Endpoint, Loaded, load};
use crate::config::{Password, TlsKeys};

impl Endpoint {
    /// Reads the stores again whenever their files change, if the file says so. Connections that
    /// are up go on; what a new one resumes from an old one is forgotten with the old stores.
    /// Stores that cannot be used change nothing.
    pub(crate) async fn reload(self: Arc<Self>) {
        if !self.keys.reloads {
            return;
        }
        let (what, threads) = (self.what, Apart::default());
        let (mut before, mut hangs) = (self.looked.clone(), false);
        loop {
            tokio::time::sleep(LOOK_PAUSE).await;
            let (keys, seen) = (self.keys.clone(), before.clone());
            match threads.run(PATIENCE, move || changed(&keys, &seen)).await {
                Err(_) if hangs => {}
                Err(error) => {
                    warn!(
                        "TLS {what}: the stores before stay in use, and are tried again: {error}"
                    );
                    hangs = true;
                }
                Ok(found) => {
                    if hangs {
                        info!("TLS {what}: the stores can be read again");
                        hangs = false;
                    }
                    let Some((now, read)) = found else { continue };
                    before = now;
                    match read {
                        Ok(loaded) => {
                            self.exchange(loaded);
                            info!("TLS {what}: the changed stores are in use");
                        }
                        Err(reason) => {
                            warn!("TLS {what}: the stores before stay in use: {reason}");
                        }
                    }
                }
            }
        }
    }
}

/// How often the files are looked at.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// A file is read within this time, or what reads it is left alone.
const PATIENCE: Duration = Duration::from_secs(10);

/// As [`PATIENCE`], before a server has started: then it gives up.
pub(crate) const START_PATIENCE: Duration = Duration::from_secs(60);

/// So many threads may hang at a time.
const HANGING_MAX: usize = 4;

/// Threads for what may hang. The runtime waits for those of `spawn_blocking` before it ends; for
/// these nobody does.
#[derive(Default)]
pub(crate) struct Apart {
    /// One more for each thread.
    running: Arc<()>,
}

impl Apart {
    /// Does this on a thread of its own.
    ///
    /// # Errors
    /// It has not come to an end in this time, or not by itself; or too many before it have not,
    /// and it was not begun.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        patience: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        if Arc::strong_count(&self.running) > HANGING_MAX {
            return Err(hangs(patience));
        }
        let running = Arc::clone(&self.running);
        let (sender, receiver) = oneshot::channel();
        std::thread::Builder::new().name("tls-stores".to_owned()).spawn(move || {
            let done = work();
            drop(running);
            // Nobody waits any more: what was found is old.
            drop(sender.send(done));
        })?;
        let done = timeout(patience, receiver).await.map_err(|_| hangs(patience))?;
        done.map_err(|_| io::Error::other("the thread that reads them has ended"))
    }
}

fn hangs(patience: Duration) -> io::Error {
    let text = format!("reading them has not ended in {patience:?}: a file system seems to hang");
    io::Error::new(io::ErrorKind::TimedOut, text)
}

/// What tells that a file was changed.
pub(super) type Look = (SystemTime, u64, u64);

/// How the files of stores look now, and what is in them.
type Changed = (Vec<Option<Look>>, Result<Loaded, String>);

/// The stores, if their files are not as they were seen; and how they are now. The files are looked
/// at before they are read, so that what is written in between is seen the next time.
fn changed(keys: &TlsKeys, seen: &[Option<Look>]) -> Option<Changed> {
    let now = look(keys);
    (now != seen).then(|| (now, load(keys)))
}

pub(super) fn look(keys: &TlsKeys) -> Vec<Option<Look>> {
    files(keys).map(look_at).collect()
}

fn look_at(path: &Path) -> Option<Look> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}

fn files(keys: &TlsKeys) -> impl Iterator<Item = &Path> {
    [Some(&keys.key_store), keys.trust_store.as_ref()].into_iter().flatten().flat_map(|store| {
        let password = match &store.password {
            Password::Is(_) => None,
            Password::InFile(path) => Some(path.as_path()),
        };
        [Some(store.path.as_path()), password].into_iter().flatten()
    })
}

#[cfg(test)]
mod tests;
