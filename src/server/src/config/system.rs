//! Java's system properties (`-Dname=value`), in which operators of ZooKeeper give many keys.

use std::str::FromStr;

use super::properties::Property;

/// A system property, as `name=value`; a name alone has the empty value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SystemProperty {
    /// Its name, which ZooKeeper's own begin with `zookeeper.`.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl FromStr for SystemProperty {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        match name {
            "" => Err(format!("found `{text}`, allowed: name=value")),
            _ => Ok(Self { name: name.to_owned(), value: value.trim().to_owned() }),
        }
    }
}

/// The line of a key that a system property gives: lines of the file are counted from 1.
pub(super) const NO_LINE: usize = 0;

/// Where a key is given, for people.
pub(super) fn place(line: usize) -> String {
    match line {
        NO_LINE => "system property".to_owned(),
        line => format!("line {line}"),
    }
}

/// The keys that these properties give, and what the operator should know about the others.
pub(super) fn keys(system: &[SystemProperty]) -> (Vec<Property>, Vec<String>) {
    let (mut keys, mut warnings) = (Vec::new(), Vec::new());
    for SystemProperty { name, value } in system {
        match key(name) {
            Ok(key) => {
                keys.push(Property { key: key.to_owned(), value: value.clone(), line: NO_LINE });
            }
            Err(why) => {
                warnings.push(format!("{}: {name} is ignored: {why}", place(NO_LINE)));
            }
        }
    }
    (keys, warnings)
}

/// The key of the file that says the same as a property of this name.
fn key(name: &str) -> Result<&str, &'static str> {
    if let Some(key) = name.strip_prefix("zookeeper.") {
        return match key {
            _ if is_of_file(key) => Err("ZooKeeper reads this key from its file only"),
            _ if is_bare(key) => Err("ZooKeeper knows it without `zookeeper.` before it only"),
            key => Ok(key),
        };
    }
    match is_bare(name) || name.starts_with("vivarium.") {
        true => Ok(name),
        false => Err("it concerns Java, or ZooKeeper's logging"),
    }
}

/// Names that ZooKeeper's system properties have as they are.
fn is_bare(name: &str) -> bool {
    const NAMES: [&str; 4] =
        ["jute.maxbuffer", "readonlymode.enabled", JAAS_FILE, "fsync.warningthresholdms"];
    NAMES.contains(&name) || name.starts_with("znode.container.")
}

/// The property that names the file with the users of SASL.
pub(super) const JAAS_FILE: &str = "java.security.auth.login.config";

/// Keys that ZooKeeper looks for in its file, and nowhere else. (`QuorumPeerConfig`.)
fn is_of_file(key: &str) -> bool {
    const KEYS: &[&str] = &[
        "dataDir",
        "dataLogDir",
        "clientPort",
        "clientPortAddress",
        "clientPortListenBacklog",
        "secureClientPort",
        "secureClientPortAddress",
        "observerMasterPort",
        "tickTime",
        "maxClientCnxns",
        "minSessionTimeout",
        "maxSessionTimeout",
        "initLimit",
        "syncLimit",
        "electionAlg",
        "quorumListenOnAllIPs",
        "peerType",
        "syncEnabled",
        "dynamicConfigFile",
        "standaloneEnabled",
        "reconfigEnabled",
        "localSessionsEnabled",
        "localSessionsUpgradingEnabled",
        "sslQuorum",
        "portUnification",
    ];
    const BEGINNINGS: &[&str] = &["autopurge.", "server.", "group.", "weight.", "metricsProvider."];
    KEYS.contains(&key) || BEGINNINGS.iter().any(|begin| key.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_gives_the_key_that_zookeeper_would_read_from_it() {
        for (name, found) in [
            ("zookeeper.skipACL", Some("skipACL")),
            ("zookeeper.extendedTypesEnabled", Some("extendedTypesEnabled")),
            ("zookeeper.dataDir", None),
            ("zookeeper.server.1", None),
            ("jute.maxbuffer", Some("jute.maxbuffer")),
            ("zookeeper.jute.maxbuffer", None),
            ("znode.container.maxPerMinute", Some("znode.container.maxPerMinute")),
            (JAAS_FILE, Some(JAAS_FILE)),
            ("vivarium.record", Some("vivarium.record")),
            ("file.encoding", None),
            ("skipACL", None),
        ] {
            assert_eq!(key(name).ok(), found, "{name}");
        }
    }

    #[test]
    fn a_property_is_a_name_and_a_value() {
        let read = |text: &str| text.parse().map(|found: SystemProperty| (found.name, found.value));
        assert_eq!(read("a.b=c=d"), Ok(("a.b".to_owned(), "c=d".to_owned())));
        assert_eq!(read("a"), Ok(("a".to_owned(), String::new())));
        assert!(read("=a").is_err());
    }
}
