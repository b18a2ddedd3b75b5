//! What systemd is told of a server that it has started with `Type=notify`: that it serves, that it
//! stops, and, with `WatchdogSec`, that it is not stuck. (`sd_notify(3)`.)

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use node::Shared;
use tracing::warn;

use crate::admin::is_alive;
use crate::engine::EventSender;

/// Where systemd listens.
pub(crate) struct Systemd {
    socket: UnixDatagram,
    address: SocketAddr,
    /// How often it has to hear of a server at least.
    watchdog: Option<Duration>,
}

/// How often it is looked whether clients are served already.
const LOOK: Duration = Duration::from_millis(100);

/// While they are not, systemd is asked for that much more time, so often. A server waits for the
/// others however long they take.
const EXTENSION: Duration = Duration::from_secs(60);
const EXTEND_EVERY: Duration = Duration::from_secs(10);

impl Systemd {
    /// `None` if nobody listens (`NOTIFY_SOCKET`).
    pub(crate) fn listening() -> Option<Self> {
        let address = std::env::var_os("NOTIFY_SOCKET")?;
        let watchdog = std::env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse().ok());
        let is_ours =
            std::env::var("WATCHDOG_PID").map_or(true, |pid| pid == std::process::id().to_string());
        let watchdog = watchdog.filter(|usec| *usec > 0 && is_ours).map(Duration::from_micros);
        match Self::at(&address, watchdog) {
            Ok(systemd) => Some(systemd),
            Err(error) => {
                warn!("systemd is not told anything: NOTIFY_SOCKET is {address:?}: {error}");
                None
            }
        }
    }

    fn at(address: &std::ffi::OsStr, watchdog: Option<Duration>) -> io::Result<Self> {
        let bytes = address.as_encoded_bytes();
        let address = match bytes.strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(address)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, address, watchdog })
    }

    /// Nobody can do anything about it if it does not arrive.
    fn tell(&self, text: &str) {
        let _ = self.socket.send_to_addr(text.as_bytes(), &self.address);
    }

    /// The server stops.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=stopping\n");
    }

    /// Tells of the server until it is dropped.
    pub(crate) async fn watch(self: Arc<Self>, shared: Arc<Shared>, events: EventSender) {
        let until_ready = async {
            let begun = std::time::Instant::now();
            let mut extensions = 0;
            while shared.status().serving.is_none() {
                let due = begun.elapsed().as_secs() / EXTEND_EVERY.as_secs() + 1;
                if extensions < due {
                    extensions = due;
                    let usec = EXTENSION.as_micros();
                    self.tell(&format!(
                        "EXTEND_TIMEOUT_USEC={usec}\nSTATUS=waiting for a quorum\n"
                    ));
                }
                tokio::time::sleep(LOOK).await;
            }
            self.tell("READY=1\nSTATUS=serving clients\n");
        };
        let alive = async {
            let Some(period) = self.watchdog else { return };
            loop {
                // A server that is stuck is not spoken for.
                if is_alive(&events, period / 2).await {
                    self.tell("WATCHDOG=1\n");
                    tokio::time::sleep(period / 2).await;
                } else {
                    tokio::time::sleep(LOOK).await;
                }
            }
        };
        tokio::join!(until_ready, alive);
    }
}
