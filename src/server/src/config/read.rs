//! From the text of a configuration file to a [`Config`].

use super::keys::{self, Keys, integer, port, wrong};
use super::membership::{self, Membership};
use super::{
    ANSWER_BYTES_DEFAULT, ANSWER_BYTES_LIMIT, ANSWER_BYTES_PER_BYTE_MAX, Admin, ClientAddress,
    Config, ConfigError, FourLetterWords, Member, SnapshotCompression, SystemProperty, Tls,
    WATCH_LIMITS_DEFAULT, access, admin, properties, system,
};
use crate::compat;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use wire::client::FourLetterWord;
use wire::limits::CLIENT_MESSAGE_BYTES_MAX;
use zab::{LearnerKind, Sid};
use znode::{NeverUsed, ReapLimits, WatchLimits};

impl Config {
    /// Reads the content of a configuration file. `read` is asked for the content of `dataDir/myid`
    /// if there are `server.N` lines, and of other files that the configuration names.
    ///
    /// # Errors
    ///
    /// As [`from_file`](Self::from_file).
    pub fn from_bytes(
        text: &[u8],
        read: impl Fn(&Path) -> io::Result<Vec<u8>>,
    ) -> Result<Self, ConfigError> {
        Self::from_bytes_with(text, &[], read)
    }

    /// As [`from_bytes`](Self::from_bytes), with system properties.
    ///
    /// # Errors
    ///
    /// As [`from_file`](Self::from_file).
    pub fn from_bytes_with(
        text: &[u8],
        system: &[SystemProperty],
        read: impl Fn(&Path) -> io::Result<Vec<u8>>,
    ) -> Result<Self, ConfigError> {
        Self::read(text, system, None, read)
    }

    /// `file` is where the text is from.
    pub(super) fn read(
        text: &[u8],
        system: &[SystemProperty],
        file: Option<&Path>,
        read: impl Fn(&Path) -> io::Result<Vec<u8>>,
    ) -> Result<Self, ConfigError> {
        let (given, mut warnings) = system::keys(system);
        let lines = properties::parse(text)?;
        let initial = keys::shown_lines(&lines);
        let mut keys = Keys::new(given.into_iter().chain(lines).collect());
        keys.warnings.append(&mut warnings);
        keys.refuse()?;
        let multi_address = keys.boolean("multiAddress.enabled", false)?;
        let Membership { members, hierarchy, version } =
            membership::take(&mut keys, multi_address, file, &read)?;
        let data_dir = directory(&mut keys, "dataDir")?.ok_or(ConfigError::Missing {
            key: "dataDir",
            why: "snapshots, epochs and myid are there",
        })?;
        let data_log_dir = directory(&mut keys, "dataLogDir")?.unwrap_or_else(|| data_dir.clone());
        let standalone = is_standalone(&mut keys, &members)?;
        let me = if members.is_empty() || standalone {
            Sid(1)
        } else {
            my_id(&data_dir.join("myid"), &read)?
        };
        let own_line = if standalone { members.values().next() } else { members.get(&me) };
        if !standalone && own_line.is_none() {
            let known: Vec<String> =
                members.keys().map(|sid| format!("server.{}", sid.0)).collect();
            return Err(ConfigError::MyId {
                path: data_dir.join("myid"),
                found: me.0.to_string(),
                allowed: format!(
                    "the id of a server line, of which there are {}",
                    known.join(", ")
                ),
            });
        }
        let client = client_address(&mut keys, own_line)?;
        let kind = kind(&mut keys, own_line)?;
        let tick_ms = keys.number("tickTime", 1..=3_600_000, " (milliseconds)")?.unwrap_or(3_000);
        let tick_time = Duration::from_millis(tick_ms);
        let (init_limit_ticks, sync_limit_ticks) = limits(&mut keys, standalone)?;
        let (session_timeout_min, session_timeout_max) = session_timeouts(&mut keys, tick_time)?;
        if session_timeout_min < tick_time / 3 {
            let warning = format!(
                "minSessionTimeout={} is less than a third of tickTime: a leader hears of the sessions of other servers' \
                 clients twice a tick, so such a session may expire although its client is heard of in time",
                session_timeout_min.as_millis()
            );
            keys.warnings.push(warning);
        }
        let purge_retain = retained(&mut keys)?;
        if purge_retain < 3 {
            let warning = format!(
                "autopurge.snapRetainCount={purge_retain} is less than 3: 3 snapshots are kept"
            );
            keys.warnings.push(warning);
        }
        let purge_hours =
            keys.positive("autopurge.purgeInterval", 1_000_000, " (hours)", "never")?;
        let jute_max_buffer = jute_max_buffer(&mut keys)?;
        no_other_election(&mut keys)?;
        force_sync(&mut keys)?;
        let tls = Tls::take(&mut keys)?;
        let (access, acl_schemes) = access::read(&mut keys, &read, tls.client.is_some())?;
        let config = Self {
            me,
            standalone,
            kind,
            client,
            client_backlog: backlog(&mut keys)?,
            quorum_listen_on_all_ips: keys.boolean("quorumListenOnAllIPs", false)?,
            multi_address,
            bind_tries: bind_tries(&mut keys)?,
            tick_time,
            init_limit_ticks,
            sync_limit_ticks,
            connect_timeout: keys
                .number("cnxTimeout", 1..=3_600_000, " (milliseconds)")?
                .map_or(Duration::from_secs(5), Duration::from_millis),
            session_timeout_min,
            session_timeout_max,
            snap_count: or_default(&mut keys, "snapCount", 2, " (transactions)", 100_000)?,
            pre_alloc_bytes: 1024
                * keys.number_or_default("preAllocSize", 1..=4_194_304, " (KiB)", 65_536)?,
            snapshot_compression: match keys
                .word("snapshot.compression.method", &["", "gz", "snappy"])?
            {
                Some(1) => SnapshotCompression::Gzip,
                Some(2) => SnapshotCompression::Snappy,
                Some(_) | None => SnapshotCompression::Plain,
            },
            purge_retain: purge_retain.max(3),
            purge_interval: purge_hours.map(|hours| Duration::from_secs(3_600 * hours)),
            commit_log_count: or_default(&mut keys, "commitLogCount", 1, " (transactions)", 500)?,
            client_connections_per_address_max: match keys.peek("maxClientCnxns") {
                Some(_) => limit(&mut keys, "maxClientCnxns")?,
                None => Some(60),
            },
            client_connections_max: limit(&mut keys, "maxCnxns")?,
            global_outstanding_limit: or_default(
                &mut keys,
                "globalOutstandingLimit",
                1,
                " (requests)",
                1_000,
            )?,
            jute_max_buffer,
            answer_bytes_max: answer_bytes_max(&mut keys, jute_max_buffer)?,
            watch_limits: watch_limits(&mut keys)?,
            digest_enabled: keys.boolean("digest.enabled", true)?,
            extended_types: extended_types(&mut keys, me)?,
            reap: reap_limits(&mut keys)?,
            four_letter_words: four_letter_words(&mut keys),
            access,
            acl_schemes,
            skip_acl: skip_acl(&mut keys)?,
            enforce_quota: keys.boolean("enforceQuota", false)?,
            reads_without_leader: keys.boolean("readonlymode.enabled", false)?,
            peer_address_check: keys.boolean("vivarium.peerAddressCheck", true)?,
            record: directory(&mut keys, "vivarium.record")?,
            tls,
            admin: Admin::take(&mut keys)?,
            prometheus: admin::prometheus(&mut keys)?,
            audit: admin::audit(&mut keys)?,
            initial,
            members,
            hierarchy,
            version,
            data_dir,
            data_log_dir,
            warnings: Vec::new(),
        };
        let mut warnings = keys.finish()?;
        let voters = config.quorum().voters().len();
        if !config.standalone && voters <= 2 {
            warnings.push(format!(
                "{voters} participants: no failure is tolerated, 3 are needed for that"
            ));
        } else if !config.standalone && voters.is_multiple_of(2) {
            warnings.push(format!(
                "{voters} participants tolerate no more failures than {}",
                voters - 1
            ));
        }
        Ok(Self { warnings, ..config })
    }
}

/// `QuorumPeerConfig.parseDynamicConfig`: who is alone, and which ensembles cannot be.
fn is_standalone(keys: &mut Keys, members: &BTreeMap<Sid, Member>) -> Result<bool, ConfigError> {
    let enabled = keys.boolean("standaloneEnabled", true)?;
    let voters = members.values().filter(|member| member.kind == LearnerKind::Follower).count();
    let observers = members.len() - voters;
    if voters == 0 && observers > 0 {
        return Err(ConfigError::Conflict(format!(
            "{observers} server lines, all of observers: at least one participant is needed"
        )));
    }
    if voters == 0 && !enabled {
        return Err(ConfigError::Conflict(
            "standaloneEnabled=false without server lines: at least one participant is needed"
                .into(),
        ));
    }
    if voters == 1 && enabled {
        if observers > 0 {
            return Err(ConfigError::Conflict(
                "one participant with observers: set standaloneEnabled=false, or add participants"
                    .into(),
            ));
        }
        keys.warnings
            .push("one server line: this server runs standalone, the line is not used".into());
    }
    Ok(voters <= 1 && enabled)
}

/// The first line of `myid` is a decimal number and nothing else (`Long.parseLong` of the whole
/// line).
fn my_id(path: &Path, read: impl Fn(&Path) -> io::Result<Vec<u8>>) -> Result<Sid, ConfigError> {
    let text = read(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    let line = text.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    let line = properties::latin_1(line);
    let id = integer(&line).and_then(|id| u8::try_from(id).ok());
    id.map(Sid).ok_or_else(|| ConfigError::MyId {
        path: path.to_owned(),
        found: line.chars().take(FOUND_MAX).collect(),
        allowed: "a first line with a number from 0 to 255 and nothing else".into(),
    })
}

/// So much of a wrong `myid` is told.
const FOUND_MAX: usize = 40;

/// `clientPort` and `clientPortAddress`, and what the own line says; if both say something they
/// must agree (`QuorumPeerConfig.setupClientPort`).
fn client_address(
    keys: &mut Keys,
    own_line: Option<&Member>,
) -> Result<Option<ClientAddress>, ConfigError> {
    let host = keys.take("clientPortAddress");
    let from_keys = match keys.take("clientPort") {
        // As in ZooKeeper, 0 is "not set".
        Some(entry) if integer(&entry.value) == Some(0) => None,
        Some(entry) => {
            let port = port(&entry.value)
                .ok_or_else(|| wrong("clientPort", &entry, "a port from 1 to 65535"))?;
            let host = host.as_ref().map_or(ClientAddress::ANY, |entry| entry.value.as_str());
            Some(ClientAddress { host: unbracketed(host).to_owned(), port })
        }
        None => None,
    };
    if let (Some(entry), None) = (&host, &from_keys) {
        return Err(wrong("clientPortAddress", entry, "only together with clientPort"));
    }
    match (from_keys, own_line.and_then(|member| member.client.clone())) {
        (Some(keys), Some(line)) => {
            let agree = keys.port == line.port
                && (keys.host == ClientAddress::ANY || keys.host == line.host);
            if agree {
                Ok(Some(line))
            } else {
                Err(ConfigError::Conflict(format!(
                    "the client address is {keys} by clientPort, and {line} by the server line"
                )))
            }
        }
        (keys, line) => Ok(keys.or(line)),
    }
}

/// What `peerType` says must be a word it knows; the server line decides
/// (`QuorumPeerConfig.setupPeerType`).
fn kind(keys: &mut Keys, own_line: Option<&Member>) -> Result<LearnerKind, ConfigError> {
    let observer = keys.word("peerType", &["participant", "observer"])?.map(|index| index == 1);
    let kind = own_line.map_or(LearnerKind::Follower, |member| member.kind);
    if observer.is_some_and(|observer| observer != (kind == LearnerKind::Observer)) {
        let line = match kind {
            LearnerKind::Follower => "participant",
            LearnerKind::Observer => "observer",
        };
        keys.warnings.push(format!("peerType is not what the server line says: {line} it is"));
    }
    Ok(kind)
}

/// `initLimit` and `syncLimit`, which ensembles must set. A server alone never waits for another.
fn limits(keys: &mut Keys, standalone: bool) -> Result<(u32, u32), ConfigError> {
    let init = small(keys, "initLimit", 1, " (ticks)")?;
    let sync = small(keys, "syncLimit", 1, " (ticks)")?;
    let why = "ensembles need it, in ticks";
    let missing = |key| Err(ConfigError::Missing { key, why });
    match (init, sync) {
        (None, _) if !standalone => missing("initLimit"),
        (_, None) if !standalone => missing("syncLimit"),
        (init, sync) => Ok((init.unwrap_or(10), sync.unwrap_or(5))),
    }
}

fn session_timeouts(keys: &mut Keys, tick: Duration) -> Result<(Duration, Duration), ConfigError> {
    let mut timeout = |key, ticks| -> Result<Duration, ConfigError> {
        // As in ZooKeeper, -1 is "not set".
        if keys.peek(key).and_then(integer) == Some(-1) {
            keys.take(key);
        }
        let given = keys.number(key, 1..=i32_max(), " (milliseconds), or -1 for the default")?;
        Ok(given.map_or(tick * ticks, Duration::from_millis))
    };
    let (min, max) = (timeout("minSessionTimeout", 2)?, timeout("maxSessionTimeout", 20)?);
    if min > max {
        return Err(ConfigError::Conflict(format!(
            "minSessionTimeout is {} ms, maxSessionTimeout is {} ms: the first must not be larger",
            min.as_millis(),
            max.as_millis()
        )));
    }
    Ok((min, max))
}

/// `ServerSocket.bind`: less than 1 is the system's default.
fn backlog(keys: &mut Keys) -> Result<Option<u32>, ConfigError> {
    let none = "the system's default";
    let given = keys.positive("clientPortListenBacklog", i32_max(), " (connections)", none)?;
    Ok(given.and_then(|number| u32::try_from(number).ok()))
}

/// `electionPortBindRetry`: 0 is without end, and less than that is the default.
/// (`QuorumCnxManager.Listener`.)
fn bind_tries(keys: &mut Keys) -> Result<Option<u32>, ConfigError> {
    const KEY: &str = "electionPortBindRetry";
    if keys.peek(KEY).and_then(integer).is_some_and(|tries| tries < 0) {
        keys.take(KEY);
    }
    let given = small(keys, KEY, 0, " (tries; 0: without end)")?.unwrap_or(3);
    Ok((given > 0).then_some(given))
}

/// A limit of connections: less than 1 is none, as in ZooKeeper's connection factories.
fn limit(keys: &mut Keys, key: &str) -> Result<Option<u32>, ConfigError> {
    let given = keys.positive(key, i32_max(), " (connections)", "no limit")?;
    Ok(given.and_then(|number| u32::try_from(number).ok()))
}

/// `autopurge.snapRetainCount`; less than 0 is as good as 0.
fn retained(keys: &mut Keys) -> Result<u32, ConfigError> {
    const KEY: &str = "autopurge.snapRetainCount";
    if keys.peek(KEY).is_none() {
        return Ok(3);
    }
    let given = keys.positive(KEY, i32_max(), " (snapshots)", "as few as may be")?;
    Ok(given.and_then(|number| u32::try_from(number).ok()).unwrap_or(0))
}

/// What every other member takes as well, whatever its own `jute.maxbuffer`.
fn jute_max_buffer(keys: &mut Keys) -> Result<u32, ConfigError> {
    let range = 1_024..=CLIENT_MESSAGE_BYTES_MAX as u64;
    let given = keys.number("jute.maxbuffer", range, " (bytes)")?;
    Ok(given.and_then(|bytes| u32::try_from(bytes).ok()).unwrap_or(0xf_ffff))
}

/// Large enough for the answers that cannot be refused.
fn answer_bytes_max(keys: &mut Keys, jute_max_buffer: u32) -> Result<u32, ConfigError> {
    let least = jute_max_buffer.saturating_mul(ANSWER_BYTES_PER_BYTE_MAX);
    let range = u64::from(least)..=u64::from(ANSWER_BYTES_LIMIT);
    let unit = format!(" (bytes; at least {ANSWER_BYTES_PER_BYTE_MAX} times jute.maxbuffer)");
    let given = keys.number("vivarium.maxAnswerBytes", range, &unit)?;
    let given = given.and_then(|bytes| u32::try_from(bytes).ok());
    Ok(given.unwrap_or(ANSWER_BYTES_DEFAULT.max(least)))
}

/// Fast leader election, number 3, is the only one that there is.
fn no_other_election(keys: &mut Keys) -> Result<(), ConfigError> {
    match keys.take("electionAlg") {
        Some(entry) if integer(&entry.value) != Some(3) => Err(wrong("electionAlg", &entry, "3")),
        Some(_) | None => Ok(()),
    }
}

/// `forceSync=no` asks for less than is done. It is no error: whoever sets it gets a slower server,
/// not a wrong one.
fn force_sync(keys: &mut Keys) -> Result<(), ConfigError> {
    if keys.word("forceSync", &["yes", "no"])? == Some(1) {
        let warning = "forceSync=no has no effect: nothing is acknowledged that is not on disk";
        keys.warnings.push(warning.into());
    }
    Ok(())
}

/// A session id begins with the server's id, and a first byte 255 marks the nodes with a time to
/// live.
fn extended_types(keys: &mut Keys, me: Sid) -> Result<bool, ConfigError> {
    let enabled = keys.boolean("extendedTypesEnabled", false)?;
    if enabled && me == Sid(255) {
        return Err(ConfigError::Conflict(
            "extendedTypesEnabled=true, and the id of this server is 255: it must be at most 254"
                .into(),
        ));
    }
    Ok(enabled)
}

/// As ZooKeeper's: `yes`, and nothing else.
fn skip_acl(keys: &mut Keys) -> Result<bool, ConfigError> {
    let skips = keys.word("skipACL", &["no", "yes"])? == Some(1);
    if skips {
        keys.warnings.push("skipACL=yes: every client may do everything".to_owned());
    }
    Ok(skips)
}

fn reap_limits(keys: &mut Keys) -> Result<ReapLimits, ConfigError> {
    let unit = " (milliseconds)";
    let interval = keys.number("znode.container.checkIntervalMs", 1..=i32_max(), unit)?;
    let rate = small(keys, "znode.container.maxPerMinute", 1, " (nodes)")?;
    let unit = " (milliseconds; 0: such containers stay)";
    let unused = keys.number("znode.container.maxNeverUsedIntervalMs", 0..=i64_max(), unit)?;
    Ok(ReapLimits {
        interval_ms: interval.unwrap_or(60_000),
        per_minute: rate.unwrap_or(10_000),
        never_used: match unused.and_then(|ms| i64::try_from(ms).ok()) {
            None | Some(0) => NeverUsed::Stays,
            Some(ms) => NeverUsed::GoesAfter(ms),
        },
    })
}

fn four_letter_words(keys: &mut Keys) -> FourLetterWords {
    let Some(entry) = keys.take("4lw.commands.whitelist") else {
        return FourLetterWords::Only(Vec::new());
    };
    let words: Vec<&str> =
        entry.value.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
    if words.contains(&"*") {
        return FourLetterWords::All;
    }
    for word in &words {
        let why = match FourLetterWord::ALL.iter().find(|known| known.name() == *word) {
            None => "is no four-letter word",
            Some(known) if !compat::is_answered(*known) => "is not answered by this server",
            Some(_) => continue,
        };
        keys.warnings.push(format!("4lw.commands.whitelist: {word} {why}"));
    }
    FourLetterWords::Only(words.into_iter().map(str::to_owned).collect())
}

pub(super) fn directory(
    keys: &mut Keys,
    key: &'static str,
) -> Result<Option<PathBuf>, ConfigError> {
    match keys.take(key) {
        Some(entry) if entry.value.is_empty() => Err(wrong(key, &entry, "a directory")),
        entry => Ok(entry.map(|entry| PathBuf::from(entry.value))),
    }
}

fn watch_limits(keys: &mut Keys) -> Result<WatchLimits, ConfigError> {
    let mut bytes = |key, default| -> Result<usize, ConfigError> {
        let found = keys.number(key, 65_536..=i64_max(), " (bytes)")?;
        Ok(found.map_or(default, |found| usize::try_from(found).unwrap_or(usize::MAX)))
    };
    Ok(WatchLimits {
        of_connection: bytes("vivarium.maxWatchBytes", WATCH_LIMITS_DEFAULT.of_connection)?,
        of_all: bytes("vivarium.maxTotalWatchBytes", WATCH_LIMITS_DEFAULT.of_all)?,
    })
}

/// A number from `low` to the largest that Java's int holds.
fn small(keys: &mut Keys, key: &str, low: u64, unit: &str) -> Result<Option<u32>, ConfigError> {
    let number = keys.number(key, low..=i32_max(), unit)?;
    Ok(number.and_then(|number| u32::try_from(number).ok()))
}

/// As [`small`], of a key whose value ZooKeeper overlooks if it is no number.
fn or_default(
    keys: &mut Keys,
    key: &str,
    low: u64,
    unit: &str,
    default: u32,
) -> Result<u32, ConfigError> {
    let number = keys.number_or_default(key, low..=i32_max(), unit, default.into())?;
    Ok(u32::try_from(number).unwrap_or(default))
}

fn i64_max() -> u64 {
    i64::MAX.unsigned_abs()
}

/// The host of `[host]`, as IPv6 addresses are written.
pub(super) fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

pub(super) fn i32_max() -> u64 {
    u64::from(i32::MAX.unsigned_abs())
}
