//! The keys of a configuration file: taking those that are known, judging those that are left.

use super::ConfigError;
use super::properties::Property;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// A value and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    pub(super) value: String,
    pub(super) line: usize,
}

/// What is left of a configuration file while its keys are taken out.
pub(super) struct Keys {
    entries: BTreeMap<String, Entry>,
    pub(super) warnings: Vec<String>,
}

impl Keys {
    /// All keys; of a repeated one the last value counts, as in Java, with a warning.
    pub(super) fn new(properties: Vec<Property>) -> Self {
        let mut keys = Self { entries: BTreeMap::new(), warnings: Vec::new() };
        for Property { key, value, line } in properties {
            if let Some(first) = keys.entries.get(&key) {
                let warning = format!(
                    "{key} is given in line {} and again in line {line}: the last one counts",
                    first.line
                );
                keys.warnings.push(warning);
            }
            keys.entries.insert(key, Entry { value, line });
        }
        keys
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Entry> {
        self.entries.remove(key)
    }

    pub(super) fn peek(&self, key: &str) -> Option<&str> {
        self.entries.get(key).map(|entry| entry.value.as_str())
    }

    /// The keys with this prefix, in the order of their text.
    pub(super) fn take_prefixed(&mut self, prefix: &str) -> Vec<(String, Entry)> {
        self.entries.extract_if(prefix.to_owned().., |key, _| key.starts_with(prefix)).collect()
    }

    /// A whole number within `range`; `unit` ends the sentence that says what is allowed.
    pub(super) fn number(
        &mut self,
        key: &str,
        range: RangeInclusive<u64>,
        unit: &str,
    ) -> Result<Option<u64>, ConfigError> {
        let Some(entry) = self.take(key) else { return Ok(None) };
        let digits = !entry.value.is_empty() && entry.value.bytes().all(|b| b.is_ascii_digit());
        let number = entry.value.parse().ok().filter(|n| digits && range.contains(n));
        number.map(Some).ok_or_else(|| {
            let (low, high) = (range.start(), range.end());
            wrong(key, &entry, format!("a whole number from {low} to {high}{unit}"))
        })
    }

    /// One of `words`, compared without case; answers its index.
    pub(super) fn word(&mut self, key: &str, words: &[&str]) -> Result<Option<usize>, ConfigError> {
        let Some(entry) = self.take(key) else { return Ok(None) };
        let found = words.iter().position(|word| word.eq_ignore_ascii_case(&entry.value));
        found.map(Some).ok_or_else(|| {
            let words: Vec<&str> =
                words.iter().map(|word| if word.is_empty() { "nothing" } else { word }).collect();
            wrong(key, &entry, words.join(" or "))
        })
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, key: &str, default: bool) -> Result<bool, ConfigError> {
        Ok(self.word(key, &["false", "true"])?.map_or(default, |index| index == 1))
    }

    /// Judges what nobody took: an error for what would be unsafe to leave out, a warning for the rest.
    pub(super) fn finish(self) -> Result<Vec<String>, ConfigError> {
        let mut warnings = self.warnings;
        for (key, entry) in self.entries {
            let line = entry.line;
            if let Some((_, why)) = ESSENTIAL.iter().find(|(name, _)| matches(name, &key)) {
                if entry.value.eq_ignore_ascii_case("false") {
                    continue;
                }
                let found = entry.value;
                return Err(ConfigError::Refused { key, line, found, why: (*why).to_owned() });
            }
            if let Some((_, default)) = UNSUPPORTED.iter().find(|(name, _)| matches(name, &key)) {
                if !default.eq_ignore_ascii_case(&entry.value) {
                    let value = &entry.value;
                    warnings.push(format!(
                        "line {line}: known to ZooKeeper, not supported: {key}={value}"
                    ));
                }
                continue;
            }
            if matches("vivarium.*", &key) {
                let allowed = format!("one of {}", OWN.join(", "));
                return Err(ConfigError::Value { key, line, found: entry.value, allowed });
            }
            let close = |name: &&&str| strsim::damerau_levenshtein(name, &key) <= 2;
            let hint = match SUPPORTED.iter().find(close) {
                Some(name) => format!(" (is {name} meant?)"),
                None => String::new(),
            };
            warnings.push(format!("line {line}: unknown key {key}: ignored{hint}"));
        }
        Ok(warnings)
    }
}

/// An error about the value of a key.
pub(super) fn wrong(key: &str, entry: &Entry, allowed: impl Into<String>) -> ConfigError {
    ConfigError::Value {
        key: key.to_owned(),
        line: entry.line,
        found: entry.value.clone(),
        allowed: allowed.into(),
    }
}

/// A TCP port that can be named, so not 0.
pub(super) fn port(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

/// A pattern ending in `*` stands for everything with that beginning.
fn matches(pattern: &str, key: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => key.starts_with(prefix),
        None => pattern == key,
    }
}

/// Our own keys.
const OWN: [&str; 2] = ["vivarium.maxAnswerBytes", "vivarium.record"];

/// The keys that are taken, to say which one an unknown key may have been meant to be.
const SUPPORTED: [&str; 27] = [
    "tickTime",
    "initLimit",
    "syncLimit",
    "dataDir",
    "dataLogDir",
    "clientPort",
    "clientPortAddress",
    "clientPortListenBacklog",
    "snapCount",
    "autopurge.snapRetainCount",
    "autopurge.purgeInterval",
    "maxClientCnxns",
    "maxCnxns",
    "minSessionTimeout",
    "maxSessionTimeout",
    "4lw.commands.whitelist",
    "globalOutstandingLimit",
    "preAllocSize",
    "jute.maxbuffer",
    "snapshot.compression.method",
    "peerType",
    "forceSync",
    "standaloneEnabled",
    "quorumListenOnAllIPs",
    "commitLogCount",
    "cnxTimeout",
    "electionAlg",
];

/// Keys that change what is safe or who is a member: leaving them out silently would weaken what the operator
/// asked for, so a file that sets them to anything but `false` is refused.
const ESSENTIAL: [(&str, &str); 13] = [
    ("dynamicConfigFile", "the members are read from this file only: put the server.N lines here"),
    ("group.*", "hierarchical quorums are not supported, and majorities would be other quorums"),
    ("weight.*", "hierarchical quorums are not supported, and majorities would be other quorums"),
    ("sslQuorum", "the quorum ports have no TLS yet, and would be open"),
    ("secureClientPort", "the client port has no TLS yet"),
    ("secureClientPortAddress", "the client port has no TLS yet"),
    ("client.portUnification", "the client port has no TLS yet"),
    ("portUnification", "the quorum ports have no TLS yet, and would be open"),
    ("quorum.auth.*", "the quorum ports do not authenticate yet, and would be open"),
    ("enforce.auth.*", "SASL is not supported yet, and clients would not be asked for it"),
    (
        "sessionRequireClientSASLAuth",
        "SASL is not supported yet, and clients would not be asked for it",
    ),
    ("requireClientAuthScheme", "SASL is not supported yet, and clients would not be asked for it"),
    ("ensembleAuthName", "clients would not be asked which ensemble they mean"),
];

/// Keys that ZooKeeper knows and this server does not act upon, with the value that asks for nothing else than what it
/// does (empty: there is none).
const UNSUPPORTED: [(&str, &str); 68] = [
    ("DigestAuthenticationProvider.*", ""),
    ("X509AuthenticationProvider.*", ""),
    ("admin.enableServer", "false"),
    ("admin.*", ""),
    ("audit.enable", "false"),
    ("audit.*", ""),
    ("authProvider.*", ""),
    ("client.*", ""),
    ("clientTcpKeepAlive", "false"),
    ("closeSessionTxn.enabled", "true"),
    ("commitProcessor.*", ""),
    ("connectToLearnerMasterLimit", "0"),
    ("connection_throttle_*", ""),
    ("datadir.autocreate", "true"),
    ("db.autocreate", "true"),
    ("digest.enabled", "true"),
    ("electionPortBindRetry", "3"),
    ("enforceQuota", "false"),
    ("extendedTypesEnabled", "false"),
    ("fastleader.*", ""),
    ("flushDelay", "0"),
    ("follower.nodelay", "true"),
    ("fsync.warningthresholdms", "1000"),
    ("intBufferStartingSizeBytes", ""),
    ("jute.maxbuffer.extrasize", ""),
    ("largeRequestMaxBytes", ""),
    ("largeRequestThreshold", "-1"),
    ("leader.*", ""),
    ("leaderConnectDelayDuringRetryMs", ""),
    ("leaderServes", "yes"),
    ("learner.*", ""),
    ("localSessionsEnabled", "false"),
    ("localSessionsUpgradingEnabled", "false"),
    ("maxBatchSize", "1000"),
    ("maxGetChildrenResponseCacheSize", ""),
    ("maxResponseCacheSize", ""),
    ("maxWriteQueuePollTime", ""),
    ("metricsProvider.*", ""),
    ("multiAddress.enabled", "false"),
    ("multiAddress.*", ""),
    ("netty.*", ""),
    ("nio.*", ""),
    ("observer.*", ""),
    ("observerMasterPort", "0"),
    ("oraclePath", ""),
    ("quorumCnxnTimeoutMs", "-1"),
    ("readonlymode.enabled", "false"),
    ("readonlymode.*", ""),
    ("reconfigEnabled", "false"),
    ("request_throttle_*", ""),
    ("sasl.*", ""),
    ("serializeLastProcessedZxid.enabled", "true"),
    ("serverCnxnFactory", "org.apache.zookeeper.server.NIOServerCnxnFactory"),
    ("sessionlessCnxnTimeout", ""),
    ("shutdownTimeout", ""),
    ("skipACL", "no"),
    ("snapSizeLimitInKb", ""),
    ("snapshot.trust.empty", "false"),
    ("snapshotSizeFactor", ""),
    ("ssl.*", ""),
    ("superUser", ""),
    ("syncEnabled", "true"),
    ("tcpKeepAlive", "false"),
    ("throttled_op_wait_time", "0"),
    ("txnLogSizeLimitInKb", "-1"),
    ("watchManagerName", "WatchManager"),
    ("watcherCleanThreadsNum", ""),
    ("znode.container.*", ""),
];
