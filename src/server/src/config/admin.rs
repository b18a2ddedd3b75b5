//! The keys of administration: `admin.*`, `metricsProvider.*`, `audit.*`. (ZooKeeper:
//! `JettyAdminServer`, `Commands`, `PrometheusMetricsProvider`, `ZKAuditProvider`.)

use std::path::PathBuf;
use std::time::Duration;

use super::keys::{Keys, port, wrong};
use super::read::{i32_max, unbracketed};
use super::{ClientAddress, ConfigError};

/// The admin server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Admin {
    /// Where it listens (`admin.serverAddress`, `admin.serverPort`). Without an address this
    /// machine alone reaches it; with ZooKeeper all do.
    pub address: ClientAddress,
    /// The path in front of the commands (`admin.commandURL`): it begins with `/` and does not end
    /// so.
    pub command_url: String,
    /// A connection on which nothing moves for so long is closed (`admin.idleTimeout`).
    pub idle_timeout: Duration,
    /// `admin.snapshot.enabled`: whoever has all permissions of the root node gets the tree.
    pub snapshot_enabled: bool,
    /// The time between two snapshots (`admin.rateLimiterIntervalInMS`).
    pub snapshot_interval: Duration,
}

/// The audit log (`audit.enable`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Audit {
    /// Where its lines are appended (`vivarium.auditFile`); `None`: they go with the log.
    pub file: Option<PathBuf>,
}

impl Admin {
    /// Takes the keys. Those of an admin server that is not there are left: they get a warning.
    pub(super) fn take(keys: &mut Keys) -> Result<Option<Self>, ConfigError> {
        if !keys.boolean("admin.enableServer", false)? {
            return Ok(None);
        }
        let host = keys.take("admin.serverAddress").map_or("127.0.0.1".into(), |it| it.value);
        let port = port_of(keys, "admin.serverPort")?.unwrap_or(8080);
        let idle = keys.number("admin.idleTimeout", 1..=i32_max(), " (milliseconds)")?;
        let unit = " (milliseconds; 0: no limit)";
        let interval = keys.number("admin.rateLimiterIntervalInMS", 0..=i32_max(), unit)?;
        Ok(Some(Self {
            address: ClientAddress { host: unbracketed(&host).to_owned(), port },
            command_url: command_url(keys)?,
            idle_timeout: Duration::from_millis(idle.unwrap_or(30_000)),
            snapshot_enabled: keys.boolean("admin.snapshot.enabled", true)?,
            snapshot_interval: Duration::from_millis(interval.unwrap_or(300_000)),
        }))
    }
}

fn command_url(keys: &mut Keys) -> Result<String, ConfigError> {
    const KEY: &str = "admin.commandURL";
    let Some(entry) = keys.take(KEY) else { return Ok("/commands".to_owned()) };
    let is_path = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let own = ["/ensemble", "/ready", "/live"];
    match entry.value.as_str() {
        path if path.starts_with('/')
            && !path.ends_with('/')
            && path.bytes().all(is_path)
            && !own.contains(&path) =>
        {
            Ok(path.to_owned())
        }
        _ => Err(wrong(
            KEY,
            &entry,
            "a path as /commands, of letters, digits and `-._~`, other than /ensemble, /ready and /live",
        )),
    }
}

const PROVIDERS: [&str; 3] = [
    "org.apache.zookeeper.metrics.impl.DefaultMetricsProvider",
    "org.apache.zookeeper.metrics.impl.NullMetricsProvider",
    "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider",
];

/// Where Prometheus reads the metrics; `None`: nowhere. `mntr` shows them whatever this says.
pub(super) fn prometheus(keys: &mut Keys) -> Result<Option<ClientAddress>, ConfigError> {
    if keys.word("metricsProvider.className", &PROVIDERS)? != Some(2) {
        return Ok(None);
    }
    let host = keys.take("metricsProvider.httpHost");
    let host = host.map_or(ClientAddress::ANY.to_owned(), |entry| entry.value);
    let port = port_of(keys, "metricsProvider.httpPort")?.unwrap_or(7000);
    Ok(Some(ClientAddress { host: unbracketed(&host).to_owned(), port }))
}

const LOGGERS: [&str; 2] =
    ["org.apache.zookeeper.audit.Slf4jAuditLogger", "org.apache.zookeeper.audit.Log4jAuditLogger"];

/// Whether there is an audit log, and where.
pub(super) fn audit(keys: &mut Keys) -> Result<Option<Audit>, ConfigError> {
    const FILE: &str = "vivarium.auditFile";
    if !keys.boolean("audit.enable", false)? {
        return match keys.take(FILE) {
            None => Ok(None),
            Some(entry) => Err(wrong(FILE, &entry, "only together with audit.enable=true")),
        };
    }
    keys.word("audit.impl.class", &LOGGERS)?;
    let file = match keys.take(FILE) {
        Some(entry) if entry.value.is_empty() => return Err(wrong(FILE, &entry, "a file")),
        entry => entry.map(|entry| PathBuf::from(entry.value)),
    };
    Ok(Some(Audit { file }))
}

fn port_of(keys: &mut Keys, key: &str) -> Result<Option<u16>, ConfigError> {
    let Some(entry) = keys.take(key) else { return Ok(None) };
    let number = port(&entry.value).ok_or_else(|| wrong(key, &entry, "a port from 1 to 65535"))?;
    Ok(Some(number))
}
