//! Members in a file of their own (`dynamicConfigFile`), with several addresses, in groups and with
//! weights.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use server::{Config, ConfigError, DirSizes};
use zab::{LearnerKind, Sid};

const LIMITS: &str = "dataDir=/data\ninitLimit=5\nsyncLimit=2\n";

const MEMBERS: &str = "\
server.1=zoo1:2888:3888:participant;2181
server.2=zoo2:2888:3888:participant;2181
server.3=zoo3:2888:3888:participant;2181
";

/// The configuration file names `zoo.cfg.dynamic`, or the first of these files.
fn with(more: &str, files: &[(&str, &str)]) -> Result<Config, String> {
    let dynamic = files.first().map_or("zoo.cfg.dynamic", |(name, _)| name);
    let text = format!("{LIMITS}dynamicConfigFile={dynamic}\n{more}");
    let files: BTreeMap<&Path, &str> =
        files.iter().map(|(name, text)| (Path::new(*name), *text)).collect();
    let read = |path: &Path| match files.get(path) {
        Some(text) => Ok(text.as_bytes().to_vec()),
        None if path.ends_with("myid") => Ok(b"2\n".to_vec()),
        None => Err(io::ErrorKind::NotFound.into()),
    };
    Config::from_bytes(text.as_bytes(), read).map_err(|error| error.to_string())
}

#[test]
fn members_come_from_their_file_and_the_client_port_from_the_own_line() {
    let config = with("", &[("zoo.cfg.dynamic", MEMBERS)]).expect("read");
    assert_eq!((config.me, config.members.len(), config.version), (Sid(2), 3, 0));
    assert_eq!(config.client.as_ref().map(ToString::to_string), Some("0.0.0.0:2181".to_owned()));
    assert_eq!(config.warnings, [""; 0]);
    assert!(config.config_text().starts_with("server.1=zoo1:2888:3888:participant;0.0.0.0:2181\n"));
}

#[test]
fn the_version_is_the_end_of_the_name() {
    for (name, version) in [
        ("zoo.cfg.dynamic.100000000", 0x1_0000_0000),
        ("/etc/zoo.cfg.dynamic.1a", 0x1a),
        ("zoo.cfg.dynamic", 0),
        ("members", 0),
        ("zoo.cfg.dynamic.-1", 0),
    ] {
        let config = with("", &[(name, MEMBERS)]).expect("read");
        assert_eq!(config.version, version, "{name}");
        let says = format!("\nversion={version:x}");
        assert!(config.config_text().ends_with(&says), "{name}: {}", config.config_text());
        assert_eq!(config.settings().members_version, version);
    }
}

#[test]
fn what_is_in_the_wrong_file_is_refused_by_name() {
    let in_members = |lines: &str| {
        let text = format!("{lines}{MEMBERS}");
        with("", &[("zoo.cfg.dynamic", &text)]).expect_err(lines)
    };
    for (error, says) in [
        (
            with("server.1=a:1:2", &[("zoo.cfg.dynamic", MEMBERS)]).expect_err("twice"),
            "line 5: server.1: found `a:1:2`, allowed: nothing: it belongs into zoo.cfg.dynamic",
        ),
        (
            with("weight.1=1", &[("zoo.cfg.dynamic", MEMBERS)]).expect_err("twice"),
            "line 5: weight.1: found `1`, allowed: nothing: it belongs into zoo.cfg.dynamic",
        ),
        (
            in_members("version=100000000\n"),
            "zoo.cfg.dynamic: line 1: version: found `100000000`, allowed: nothing: the version is",
        ),
        (
            in_members("tickTime=1\n"),
            "zoo.cfg.dynamic: line 1: tickTime: found `1`, allowed: server.N, group.N and weight.N",
        ),
        (
            in_members("server.4=a\n"),
            "zoo.cfg.dynamic: line 1: server.4: found `a`, allowed: host:",
        ),
        (with("", &[]).expect_err("no file"), "zoo.cfg.dynamic: "),
    ] {
        assert!(error.starts_with(says), "{error}");
    }
}

#[test]
fn a_reconfiguration_that_has_begun_has_to_be_settled() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = |name: &str| directory.path().join(name);
    let write = |name: &str, text: &str| std::fs::write(place(name), text).expect("written");
    let (data, members) = (place("data"), place("zoo.cfg.dynamic.10"));
    std::fs::create_dir(&data).expect("created");
    write("data/myid", "2\n");
    write("zoo.cfg.dynamic.10", MEMBERS);
    let lines = format!(
        "initLimit=5\nsyncLimit=2\ndataDir={}\ndynamicConfigFile={}\n",
        data.display(),
        members.display()
    );
    write("zoo.cfg", &lines);
    let config = |next: &str| {
        write("zoo.cfg.dynamic.next", next);
        Config::from_file(&place("zoo.cfg"))
    };
    let fourth = "server.4=zoo4:2888:3888:participant;2181\n";
    let newer = config(&format!("{MEMBERS}{fourth}version=11\n"));
    let Err(ConfigError::Conflict(why)) = newer else { panic!("other members, newer") };
    assert!(why.contains("zoo.cfg.dynamic.next has other members, of version 11, and "), "{why}");
    for (what, next) in [
        ("other members, older", format!("{MEMBERS}{fourth}version=f\n")),
        ("the same members, newer", format!("{MEMBERS}version=11\n")),
    ] {
        let config = config(&next).expect(what);
        assert_eq!((config.members.len(), config.version), (3, 0x10), "{what}");
        let [warning] = &config.warnings[..] else { panic!("{what}: one warning") };
        assert!(warning.contains("zoo.cfg.dynamic.next is ignored"), "{warning}");
    }
}

fn grouped(voters: u8, lines: &str) -> Result<Config, String> {
    let members: String = (1..=voters).map(|sid| format!("server.{sid}=zoo{sid}:1:2\n")).collect();
    let text = format!("{LIMITS}{members}server.20=watcher:1:2:observer\n{lines}");
    let config = Config::from_bytes(text.as_bytes(), |_| Ok(b"1\n".to_vec()));
    config.map_err(|error| error.to_string())
}

#[test]
fn groups_and_weights_that_make_majorities_are_taken() {
    for (voters, lines) in [
        (3, "group.1=1:2:3\nweight.1=1\nweight.2=1\nweight.3=1"),
        (3, "group.1=3:1:2"),
        (4, "group.7=1:2:3:4\nweight.1=5\nweight.2=5\nweight.3=5\nweight.4=5"),
        (3, "group.1=1\ngroup.2=2\ngroup.3=3"),
        (3, "group.1=1:2:3\nweight.1=2\nweight.2=2\nweight.3=3"),
        (15, "group.1=1:2:3:4:5:6:7:8:9:10:11:12:13:14:15"),
    ] {
        let config = grouped(voters, lines).expect(lines);
        assert!(config.hierarchy.is_some(), "{lines}");
        assert_eq!(config.quorum().voters().len(), u32::from(voters), "{lines}");
    }
    let text = grouped(3, "group.1=3:1:2\nweight.2=1").expect("majorities").config_text();
    assert!(
        text.ends_with("observer\ngroup.1=3:1:2\nweight.1=1\nweight.2=1\nweight.3=1\nversion=0"),
        "{text}"
    );
}

#[test]
fn groups_and_weights_that_make_other_quorums_are_refused() {
    for (voters, lines, says) in [
        (3, "group.1=1:2:3\nweight.1=0", "line 8: group.1=1:2:3 is not supported: majorities are"),
        (3, "group.1=1:2:3\nweight.1=3", "other sets of servers would be quorums"),
        (9, "group.1=1:2:3\ngroup.2=4:5:6\ngroup.3=7:8:9", "line 14: group.1=1:2:3 is not supp"),
        (3, "group.1=1:2", "server 3 is in no group"),
        (3, "weight.1=1", "server 1 is in no group"),
        (3, "group.1=1:2:3\ngroup.2=3", "group.2: found `3`, allowed: server 3 in one group only"),
        (3, "group.1=1:2:3:20", "allowed: ids of participants"),
        (3, "group.1=1:2:3\nweight.9=1", "allowed: the weight of a participant"),
        (3, "group.1=1:2:3\nweight.1=-1", "weight.1: found `-1`, allowed: a whole number from 0"),
        (3, "group.x=1:2:3", "allowed: group.N with a number N"),
    ] {
        let error = grouped(voters, lines).expect_err(lines);
        assert!(error.contains(says), "{lines}: {error}");
    }
}

/// Server 2 of three, with further lines.
fn ensemble(lines: &str) -> Config {
    let members = "server.1=zoo1:1:2\nserver.3=zoo3:1:2\n";
    let text = format!("{LIMITS}{members}{lines}");
    let config = Config::from_bytes(text.as_bytes(), |_| Ok(b"2\n".to_vec()));
    config.unwrap_or_else(|error| panic!("{lines}: {error}"))
}

#[test]
fn a_server_may_have_several_addresses_if_the_file_says_so() {
    for (line, kind) in [
        ("b:1:2|[::1]:3:2", LearnerKind::Follower),
        ("b:1:2:observer | [::1]:3:2:observer;2181", LearnerKind::Observer),
        ("b:1:2|[::1]:3:2:observer", LearnerKind::Observer),
    ] {
        let config = ensemble(&format!("multiAddress.enabled=true\nserver.2={line}"));
        let member = &config.members[&Sid(2)];
        let hosts: Vec<_> = member.addresses.iter().map(|at| at.host.as_str()).collect();
        assert_eq!((hosts, member.kind, config.kind), (vec!["b", "::1"], kind, kind), "{line}");
        assert!(config.multi_address);
        // In the order of the hosts, as `QuorumServer` writes them.
        assert!(config.config_text().contains("server.2=[::1]:3:2|b:1:2:"), "{line}");
        let conf = config.conf_text(DirSizes { data: 0, data_log: 0 });
        assert!(conf.contains("\nelectionPort=2\nquorumPort=1|3\n"), "{conf}");
    }
}

#[test]
fn ports_between_servers_are_tried_as_often_as_the_file_says() {
    let tries = |line: &str| ensemble(&format!("server.2=b:1:2\n{line}")).bind_tries;
    assert_eq!([tries(""), tries("electionPortBindRetry=-1")], [Some(3), Some(3)]);
    assert_eq!(tries("electionPortBindRetry=7"), Some(7));
    assert_eq!(tries("electionPortBindRetry=0"), None);
}
