//! What the table says is what happens.

use super::{GROUPS, Group, Handling, Key, known};
use crate::config::{Config, ConfigError};

/// An ensemble in which every key that is done has something to say.
const ENSEMBLE: [&str; 8] = [
    "dataDir=/var/lib/zookeeper",
    "clientPort=2181",
    "initLimit=5",
    "syncLimit=2",
    "server.1=zoo1:2888:3888",
    "server.2=zoo2:2888:3888",
    "server.3=zoo3:2888:3888",
    "tickTime=2000",
];

/// The ensemble with `line` in the place of its own line for that key.
fn with(line: &str) -> Result<Config, ConfigError> {
    let key = |line: &str| line.split('=').next().map(str::to_owned);
    let elsewhere = |own: &str| line.starts_with("dynamicConfigFile") && is_member(own);
    let others = ENSEMBLE.into_iter().filter(|own| key(own) != key(line) && !elsewhere(own));
    let text = others.chain([line]).collect::<Vec<_>>().join("\n");
    let members = ENSEMBLE.into_iter().filter(|own| is_member(own)).collect::<Vec<_>>().join("\n");
    Config::from_bytes(text.as_bytes(), |path| {
        let name = path.file_name().and_then(|name| name.to_str());
        Ok(match name {
            Some("jaas.conf") => b"Server {};".to_vec(),
            Some("zoo.cfg.dynamic") => members.clone().into_bytes(),
            Some(_) | None => b"1\n".to_vec(),
        })
    })
}

fn is_member(line: &str) -> bool {
    line.starts_with("server.")
}

fn warnings(line: &str) -> Vec<String> {
    with(line).unwrap_or_else(|error| panic!("{line}: {error}")).warnings
}

fn each(handling: Handling, mut look: impl FnMut(&Group, &Key)) {
    let groups = GROUPS.iter().filter(|group| group.handling == handling);
    groups.for_each(|group| group.keys.iter().for_each(|key| look(group, key)));
}

/// The lines that ask for nothing more than what happens anyway.
fn harmless(Key(_, same, line): &Key) -> Vec<String> {
    let key = line.split('=').next().unwrap_or_default();
    same.split('|').filter(|v| !v.is_empty()).map(|value| format!("{key}={value}")).collect()
}

#[test]
fn what_is_done_is_taken_without_a_word() {
    each(Handling::Done, |_, Key(_, _, line)| {
        assert_eq!(warnings(line), Vec::<String>::new(), "{line}");
    });
}

#[test]
fn what_is_ignored_gives_one_warning_that_names_key_and_reason() {
    each(Handling::Ignored, |group, key| {
        let Key(_, _, line) = key;
        let name = line.split('=').next().unwrap_or_default();
        let [warning] = &warnings(line)[..] else { panic!("{line}: not one warning") };
        assert!(warning.contains(name) && warning.ends_with(group.why), "{warning}");
        for line in harmless(key) {
            assert_eq!(warnings(&line), Vec::<String>::new(), "{line}");
        }
    });
}

#[test]
fn what_would_leave_the_server_less_protected_is_an_error_that_names_key_and_reason() {
    each(Handling::Refused, |group, key| {
        let Key(_, _, line) = key;
        let name = line.split('=').next().unwrap_or_default();
        let error = with(line).expect_err(line).to_string();
        assert!(error.contains(&format!("{name}=")) && error.contains(group.why), "{error}");
        for line in harmless(key) {
            assert_eq!(warnings(&line), Vec::<String>::new(), "{line}");
        }
    });
}

#[test]
fn no_key_stands_in_the_table_twice_and_no_beginning_hides_another() {
    let all: Vec<&Key> = GROUPS.iter().flat_map(|group| group.keys).collect();
    for (at, Key(name, _, line)) in all.iter().enumerate() {
        assert!(!all[..at].iter().any(|Key(other, ..)| other == name), "{name} twice");
        let key = line.split('=').next().unwrap_or_default();
        let why = GROUPS.iter().find(|group| group.keys.iter().any(|Key(n, ..)| n == name));
        let found = known(key).unwrap_or_else(|| panic!("{key} is not found"));
        assert_eq!(found.why, why.expect("it is from there").why, "{key}");
    }
}

/// The keys of the administrator's guide of ZooKeeper 3.10, and the system properties
/// `zookeeper.KEY` that its server reads.
const OF_ZOOKEEPER: &str = include_str!("of_zookeeper.txt");

#[test]
fn the_table_has_every_key_of_zookeeper() {
    let unknown: Vec<&str> =
        OF_ZOOKEEPER.split_whitespace().filter(|key| known(key).is_none()).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
