//! Configuration files: what operators write, and what they are told.

use server::{ClientAddress, Config, ConfigError, DirSizes, FourLetterWords, SnapshotCompression};
use std::path::{Path, PathBuf};
use std::time::Duration;
use zab::{LearnerKind, Sid};
use znode::{NeverUsed, ReapLimits, WatchLimits};

const ENSEMBLE: &str = "\
# The example of ZooKeeper's administrator's guide.
tickTime=2000
dataDir=/var/lib/zookeeper/
clientPort=2181
initLimit=5
syncLimit=2
server.1=zoo1:2888:3888
server.2=zoo2:2888:3888
server.3=zoo3:2888:3888
";

fn read(text: &str, myid: &str) -> Result<Config, ConfigError> {
    Config::from_bytes(text.as_bytes(), |_| Ok(myid.as_bytes().to_owned()))
}

fn ensemble(more: &str) -> Config {
    read(&format!("{ENSEMBLE}{more}"), "2\n").unwrap_or_else(|error| panic!("{more}: {error}"))
}

fn refused(more: &str) -> String {
    match read(&format!("{ENSEMBLE}{more}"), "2") {
        Ok(_) => panic!("{more} was accepted"),
        Err(error) => error.to_string(),
    }
}

/// A server alone, from a file with nothing but these lines and `dataDir`.
fn alone(lines: &str) -> Result<Config, ConfigError> {
    Config::from_bytes(format!("dataDir=data\n{lines}").as_bytes(), |_| panic!("myid is not read"))
}

fn address(host: &str, port: u16) -> Option<ClientAddress> {
    Some(ClientAddress { host: host.into(), port })
}

#[test]
fn the_example_of_the_guide_means_what_it_says() {
    let config = ensemble("");
    assert_eq!((config.me, config.standalone, config.kind), (Sid(2), false, LearnerKind::Follower));
    assert_eq!(config.tick_time, Duration::from_secs(2));
    assert_eq!(
        (config.init_limit(), config.sync_limit()),
        (Duration::from_secs(10), Duration::from_secs(4))
    );
    assert_eq!(config.session_timeout_min, Duration::from_secs(4));
    assert_eq!(config.session_timeout_max, Duration::from_secs(40));
    assert_eq!(config.data_dir, Path::new("/var/lib/zookeeper/"));
    assert_eq!(config.data_log_dir, config.data_dir);
    assert_eq!(config.client, address(ClientAddress::ANY, 2181));
    assert_eq!(config.members.keys().copied().collect::<Vec<_>>(), [Sid(1), Sid(2), Sid(3)]);
    let first = &config.members[&Sid(1)].addresses[0];
    assert_eq!((first.host.as_str(), first.quorum_port, first.election_port), ("zoo1", 2888, 3888));
    assert_eq!(config.quorum().voters().len(), 3);
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn what_is_not_set_has_the_default_of_zookeeper() {
    let config = alone("clientPort=2181").expect("enough to run alone");
    assert!(config.standalone && config.members.is_empty());
    assert_eq!((config.me, config.quorum().voters().len()), (Sid(1), 1));
    assert_eq!(config.tick_time, Duration::from_secs(3));
    assert_eq!(config.snap_count, 100_000);
    assert_eq!(config.pre_alloc_bytes, 64 << 20);
    assert_eq!(config.snapshot_compression, SnapshotCompression::Plain);
    assert_eq!((config.purge_retain, config.purge_interval), (3, None));
    assert_eq!(config.commit_log_count, 500);
    assert_eq!(config.client_connections_per_address_max, Some(60));
    assert_eq!((config.client_connections_max, config.client_backlog), (None, None));
    assert_eq!((config.global_outstanding_limit, config.outstanding_limit()), (1_000, 1_000));
    assert_eq!(config.jute_max_buffer, 1_048_575);
    assert_eq!(config.answer_bytes_max, 16 << 20);
    let watches = WatchLimits { of_connection: 256 << 20, of_all: 4 << 30 };
    assert_eq!(config.watch_limits, watches);
    assert_eq!(config.connect_timeout, Duration::from_secs(5));
    assert_eq!((config.record, config.quorum_listen_on_all_ips), (None, false));
    assert!(!config.extended_types);
    let reap = config.reap;
    assert_eq!((reap.interval_ms, reap.per_minute), (60_000, 10_000));
    assert_eq!(reap.never_used, NeverUsed::Stays);
    assert!(config.four_letter_words.allow("srvr") && !config.four_letter_words.allow("ruok"));
}

#[test]
fn every_key_is_taken() {
    let config = ensemble(
        "dataLogDir=/log\nsnapCount=2\npreAllocSize=1\nautopurge.snapRetainCount=5\n\
         autopurge.purgeInterval=24\nmaxClientCnxns=0\nmaxCnxns=9\nminSessionTimeout=100\n\
         maxSessionTimeout=200\n4lw.commands.whitelist=ruok, mntr\nglobalOutstandingLimit=7\n\
         jute.maxbuffer=4194304\nsnapshot.compression.method=snappy\npeerType=participant\n\
         forceSync=yes\nstandaloneEnabled=false\nquorumListenOnAllIPs=true\ncommitLogCount=1\n\
         cnxTimeout=10\nelectionAlg=3\nclientPortListenBacklog=11\nclientPortAddress=[::1]\n\
         vivarium.record=/rec\nvivarium.peerAddressCheck=false\nvivarium.maxWatchBytes=65536\n\
         vivarium.maxTotalWatchBytes=65537\n\
         digest.enabled=false\nextendedTypesEnabled=true\nznode.container.checkIntervalMs=5\n\
         znode.container.maxPerMinute=6\nznode.container.maxNeverUsedIntervalMs=7\n",
    );
    let [warning] = &config.warnings[..] else { panic!("one: {:?}", config.warnings) };
    assert!(warning.starts_with("minSessionTimeout=100 is less than a third of tickTime"));
    assert_eq!(config.data_log_dir, Path::new("/log"));
    assert_eq!((config.snap_count, config.pre_alloc_bytes), (2, 1024));
    assert_eq!(
        (config.purge_retain, config.purge_interval),
        (5, Some(Duration::from_secs(86_400)))
    );
    assert_eq!(config.client_connections_per_address_max, None);
    assert_eq!((config.client_connections_max, config.client_backlog), (Some(9), Some(11)));
    assert!(config.extended_types);
    let never_used = NeverUsed::GoesAfter(7);
    assert_eq!(config.reap, ReapLimits { interval_ms: 5, per_minute: 6, never_used });
    let granted = |ms| config.settings().session_timeout(Duration::from_millis(ms)).as_millis();
    assert_eq!([granted(1), granted(150), granted(999)], [100, 150, 200]);
    let words = FourLetterWords::Only(vec!["ruok".into(), "mntr".into()]);
    assert_eq!(config.four_letter_words, words);
    // 7 / (3 voters - 1).
    assert_eq!((config.global_outstanding_limit, config.outstanding_limit()), (7, 3));
    assert_eq!(config.jute_max_buffer, 4_194_304);
    assert_eq!(config.answer_bytes_max, 8 * 4_194_304, "what a request may cause fits");
    let watches = WatchLimits { of_connection: 65_536, of_all: 65_537 };
    assert_eq!(config.watch_limits, watches);
    assert_eq!(config.snapshot_compression, SnapshotCompression::Snappy);
    assert_eq!((config.commit_log_count, config.connect_timeout.as_millis()), (1, 10));
    assert_eq!(config.client, address("::1", 2181));
    assert_eq!(
        (config.record, config.quorum_listen_on_all_ips),
        (Some(PathBuf::from("/rec")), true)
    );
    assert!(!config.peer_address_check && ensemble("").peer_address_check);
    assert!(!config.digest_enabled && ensemble("").digest_enabled);
    assert_eq!(ensemble("4lw.commands.whitelist=*").four_letter_words, FourLetterWords::All);
}

#[test]
fn server_lines_have_many_forms() {
    for (line, host, kind, client) in [
        ("a.b:1:2", "a.b", LearnerKind::Follower, None),
        ("a:1:2:participant", "a", LearnerKind::Follower, None),
        ("a:1:2:OBSERVER", "a", LearnerKind::Observer, None),
        ("a:1:2;2181", "a", LearnerKind::Follower, address("0.0.0.0", 2181)),
        ("a:1:2:observer;127.0.0.1:9", "a", LearnerKind::Observer, address("127.0.0.1", 9)),
        ("[::1]:1:2;[fe80::1]:9", "::1", LearnerKind::Follower, address("fe80::1", 9)),
    ] {
        let config = ensemble(&format!("server.9={line}"));
        let member = &config.members[&Sid(9)];
        let [at] = &member.addresses[..] else { panic!("{line}: one address") };
        assert_eq!((at.host.as_str(), member.kind), (host, kind), "{line}");
        assert_eq!((at.quorum_port, at.election_port), (1, 2), "{line}");
        assert_eq!(member.client, client, "{line}");
    }
}

#[test]
fn a_wrong_server_line_is_named_with_what_is_allowed() {
    for (line, say) in [
        ("server.9=a", "line 10: server.9: found `a`, allowed: host:quorumPort:electionPort["),
        ("server.9=a:1", "allowed: host:quorumPort:electionPort["),
        ("server.9=a:1:70000", "found `a:1:70000`, allowed: host:quorumPort"),
        ("server.9=a:0:1", "allowed: host:quorumPort"),
        ("server.9=::1:1:2", "IPv6 addresses in brackets"),
        ("server.9=a:1:2:learner", "allowed: participant or observer"),
        ("server.9=a:1:2:observer:x", "allowed: host:quorumPort"),
        ("server.9=a:1:1", "allowed: two different ports"),
        ("server.9=a:1:2;x", "after the `;`, a client port or host:port"),
        ("server.9=a:1:2|b:1:2", "one address, or with multiAddress.enabled=true several"),
        ("multiAddress.enabled=true\nserver.9=a:1:2|b:1", "allowed: host:quorumPort"),
        (
            "multiAddress.enabled=true\nserver.9=a:1:2:observer|b:1:2:participant",
            "participant or observer, the same for all addresses",
        ),
        ("server.9=a:1:2;3;4", "secure client addresses are not supported"),
        ("server.256=a:1:2", "server.256: found `256`, allowed: server.N with N from 0 to 255"),
        ("server.-1=a:1:2", "found `-1`, allowed: server.N with N from 0 to 255"),
        ("server.02=a:1:2", "allowed: one line for server 2"),
    ] {
        let error = refused(line);
        assert!(error.contains(say), "{line}: {error}");
    }
}

#[test]
fn a_server_whose_sessions_look_like_times_to_live_does_not_start() {
    let text = ENSEMBLE.replace("server.2=", "server.255=") + "\nextendedTypesEnabled=true";
    let error = read(&text, "255").expect_err("255 is too large").to_string();
    assert!(error.contains("the id of this server is 255: it must be at most 254"), "{error}");
    assert!(read(&text, "1").expect("others may").extended_types);
}

#[test]
fn a_wrong_value_says_key_line_what_was_found_and_what_is_allowed() {
    for (line, say) in [
        (
            "tickTime=2s",
            "line 10: tickTime: found `2s`, allowed: a whole number from 1 to 3600000 (milliseconds)",
        ),
        ("tickTime=", "line 10: tickTime: found ``, allowed"),
        (
            "snapCount=1",
            "snapCount: found `1`, allowed: a whole number from 2 to 2147483647 (transactions)",
        ),
        ("initLimit=0", "initLimit: found `0`, allowed: a whole number from 1"),
        ("snapshot.compression.method=zip", "found `zip`, allowed: nothing or gz or snappy"),
        ("clientPort=65536", "clientPort: found `65536`, allowed: a port from 1 to 65535"),
        ("peerType=voter", "peerType: found `voter`, allowed: participant or observer"),
        ("standaloneEnabled=1", "found `1`, allowed: false or true"),
        ("electionAlg=0", "electionAlg: found `0`, allowed: 3"),
        ("dataDir=", "dataDir: found ``, allowed: a directory"),
        (
            "vivarium.recrod=x",
            "vivarium.recrod: found `x`, allowed: one of vivarium.maxAnswerBytes, \
             vivarium.maxTotalWatchBytes, vivarium.maxWatchBytes, vivarium.peerAddressCheck, vivarium.record",
        ),
        ("znode.container.maxPerMinute=0", "found `0`, allowed: a whole number from 1"),
        (
            "jute.maxbuffer=134217729",
            "jute.maxbuffer: found `134217729`, allowed: a whole number from 1024 to 134217728 (bytes)",
        ),
        (
            "vivarium.maxAnswerBytes=8388599",
            "vivarium.maxAnswerBytes: found `8388599`, allowed: a whole number from 8388600 to 1073741824 (bytes; at least 8 times jute.maxbuffer)",
        ),
        (
            "minSessionTimeout=50000",
            "minSessionTimeout is 50000 ms, maxSessionTimeout is 40000 ms: ",
        ),
    ] {
        let error = refused(line);
        assert!(error.contains(say), "{line}: {error}");
    }
}

#[test]
fn what_would_be_unsafe_to_leave_out_is_refused_before_anything_else_is_said() {
    for (line, why) in [
        ("zookeeper.sslQuorum=true", "write it without that beginning"),
        ("ssl.quorum.crl=true", "no list of revoked certificates"),
        ("ssl.unheardOf=true", "no key of TLS that is known here"),
        ("quorum.auth.enableSasl=true", "servers do not authenticate each other"),
        ("requireKerberosConfig=true", "clients cannot authenticate by this"),
        ("oraclePath=/oracle", "majorities are the only quorums"),
    ] {
        // The other lines are wrong, too.
        let text = format!("tickTime=x\nstandaloneEnabled=false\n{line}\nserver.1=a\n");
        let error = read(&text, "1").expect_err(line).to_string();
        let says = format!("line 3: {line} is not supported: ");
        assert!(error.starts_with(&says) && error.contains(why), "{line}: {error}");
    }
    let several = "ssl.ocsp=true\nzookeeper.ssl.keyStore.password=hunter2\nkinit=x";
    assert_eq!(
        refused(several),
        "line 10: ssl.ocsp=true is not supported: no list of revoked certificates and no server of their state \
         is asked, and who has one would be let in; nor are zookeeper.ssl.keyStore.password (line 11), \
         kinit (line 12)"
    );
    let error = refused("ssl.keyPassword=hunter2");
    assert!(error.starts_with("line 10: ssl.keyPassword=(not shown) is not"), "{error}");
    assert!(ensemble("sslQuorum=false\nquorum.auth.enableSasl=false").warnings.is_empty());
}

#[test]
fn what_is_left_out_safely_is_a_warning_by_name() {
    for (line, warning) in [
        (
            "admin.serverPort=8080",
            "line 10: admin.serverPort=8080 is ignored: nothing here asks for it",
        ),
        (
            "letAnySaslUserDoX=bob",
            "line 10: letAnySaslUserDoX=bob is ignored: nobody is let in, or gets rights, by this",
        ),
        (
            "zookeeper.snapCount=9",
            "line 10: zookeeper.snapCount=9 is ignored (by ZooKeeper too, which puts `zookeeper.` before the keys of a file \
             itself): write snapCount",
        ),
        ("tick_time=2", "line 10: unknown key tick_time: ignored (is tickTime meant?)"),
        ("colour=green", "line 10: unknown key colour: ignored"),
        ("tickTime=1000", "tickTime is given in line 2 and again in line 10: the last one counts"),
        ("forceSync=no", "forceSync=no has no effect: nothing is acknowledged that is not on disk"),
        (
            "autopurge.snapRetainCount=1",
            "autopurge.snapRetainCount=1 is less than 3: 3 snapshots are kept",
        ),
        ("peerType=observer", "peerType is not what the server line says: participant it is"),
        (
            "4lw.commands.whitelist=gtmk",
            "4lw.commands.whitelist: gtmk is not answered by this server",
        ),
        ("4lw.commands.whitelist=ruko", "4lw.commands.whitelist: ruko is no four-letter word"),
        ("server.4=a:1:2", "4 participants tolerate no more failures than 3"),
    ] {
        assert_eq!(ensemble(line).warnings, [warning], "{line}");
    }
    let marked = format!("\u{feff}tickTime=1000\n{ENSEMBLE}");
    assert_eq!(
        read(&marked, "2").expect("can be read").warnings,
        [
            "line 1: the file begins with a byte-order mark, so this line is ignored (by ZooKeeper too): tickTime=1000"
        ]
    );
    // Asking for what is done anyway is nothing to warn of.
    let same = "reconfigEnabled=false\nadmin.enableServer=false\nskipACL=no\nmaxSessionTimeout=-1";
    assert!(ensemble(same).warnings.is_empty());
}

/// `Integer.parseInt`, and what ZooKeeper takes for "no limit", "never" or "the default".
#[test]
fn numbers_are_read_as_java_reads_them() {
    let config = ensemble(
        "tickTime=+900\nsnapCount=007\nmaxClientCnxns=-1\nmaxCnxns=-2\nclientPort=+2182\nelectionAlg=03\n\
         autopurge.purgeInterval=-1\nautopurge.snapRetainCount=-1\nclientPortListenBacklog=0\nminSessionTimeout=-1",
    );
    assert_eq!((config.tick_time.as_millis(), config.snap_count), (900, 7));
    assert_eq!(
        (config.client_connections_per_address_max, config.client_connections_max),
        (None, None)
    );
    assert_eq!((config.client, config.client_backlog), (address(ClientAddress::ANY, 2182), None));
    assert_eq!((config.purge_interval, config.purge_retain), (None, 3));
    assert_eq!(config.session_timeout_min.as_millis(), 1_800);
    for line in [
        "tickTime=2 000",
        "tickTime=0x10",
        "tickTime=++1",
        "tickTime=-1",
        "maxCnxns=x",
        "maxCnxns=3000000000",
    ] {
        refused(line);
    }
}

/// A file is bytes, and each is a character: a directory with other characters is written with
/// `\\u`.
#[test]
fn a_directory_is_read_as_java_reads_it() {
    let data = |text: &[u8]| {
        let config = Config::from_bytes(text, |_| panic!("myid is not read"));
        config.expect("enough to run alone").data_dir
    };
    assert_eq!(data(b"dataDir=/d\xe9\rclientPort=1"), Path::new("/dé"));
    assert_eq!(data(b"dataDir=/\\u20ac"), Path::new("/€"));
    let written = format!("dataDir={}", server::property_value("/d\\é €"));
    assert_eq!(data(written.as_bytes()), Path::new("/d\\é €"));
}

#[test]
fn ensembles_need_their_limits_and_a_data_directory() {
    let without = |key: &str| {
        let lines = ENSEMBLE.lines().filter(|line| !line.starts_with(key));
        read(&lines.collect::<Vec<_>>().join("\n"), "2").expect_err(key).to_string()
    };
    assert_eq!(without("initLimit"), "initLimit is not set: ensembles need it, in ticks");
    assert_eq!(without("syncLimit"), "syncLimit is not set: ensembles need it, in ticks");
    assert_eq!(without("dataDir"), "dataDir is not set: snapshots, epochs and myid are there");
}

#[test]
fn myid_is_one_number_on_the_first_line() {
    for fine in ["3", "3\n", "3\r\n", "3\ranything", "3\nanything é", "+03"] {
        assert_eq!(read(ENSEMBLE, fine).expect(fine).me, Sid(3));
    }
    for (wrong, found) in
        [("", ""), (" 3", " 3"), ("3 ", "3 "), ("x", "x"), ("-1", "-1"), ("256", "256")]
    {
        let error = read(ENSEMBLE, wrong).expect_err(wrong).to_string();
        let say = format!(
            "/var/lib/zookeeper/myid: found `{found}`, allowed: a first line with a number"
        );
        assert!(error.starts_with(&say), "{error}");
    }
    let error = read(ENSEMBLE, "7").expect_err("no such line").to_string();
    assert!(
        error
            .contains("found `7`, allowed: the id of a server line, of which there are server.1, "),
        "{error}"
    );
    let missing =
        Config::from_bytes(ENSEMBLE.as_bytes(), |_| Err(std::io::ErrorKind::NotFound.into()));
    let error = missing.expect_err("there is no file").to_string();
    assert!(error.starts_with("/var/lib/zookeeper/myid: "), "{error}");
}

#[test]
fn a_single_participant_runs_alone_unless_told_otherwise() {
    let line = "server.5=localhost:2888:3888;2181\ninitLimit=1\nsyncLimit=1\n";
    let config = alone(line).expect("myid is not needed");
    assert_eq!((config.standalone, config.me), (true, Sid(1)));
    assert_eq!(config.client, address("0.0.0.0", 2181));
    assert_eq!(config.config_text(), "");
    let quorum = read(&format!("dataDir=d\nstandaloneEnabled=false\n{line}"), "5")
        .expect("an ensemble of one");
    assert_eq!((quorum.standalone, quorum.me), (false, Sid(5)));
    for (lines, say) in [
        ("server.1=a:1:2:observer", "1 server lines, all of observers"),
        ("server.1=a:1:2\nserver.2=b:1:2:observer", "one participant with observers"),
        ("standaloneEnabled=false", "at least one participant is needed"),
    ] {
        let error = alone(lines).expect_err(lines).to_string();
        assert!(error.contains(say), "{lines}: {error}");
    }
}

#[test]
fn the_client_address_has_two_sources_that_must_agree() {
    let text = ENSEMBLE
        .replace("clientPort=2181\n", "")
        .replace("zoo2:2888:3888", "zoo2:2888:3888;10.0.0.2:2182");
    let with = |more: &str| read(&format!("{text}{more}"), "2").map(|config| config.client);
    assert_eq!(with("").expect("from the line"), address("10.0.0.2", 2182));
    assert_eq!(with("clientPort=2182").expect("any address"), address("10.0.0.2", 2182));
    let error = with("clientPort=2181").expect_err("another port").to_string();
    assert_eq!(
        error,
        "the client address is 0.0.0.0:2181 by clientPort, and 10.0.0.2:2182 by the server line"
    );
    assert!(with("clientPort=2182\nclientPortAddress=10.0.0.3").is_err());
    assert!(with("clientPortAddress=10.0.0.2").is_err(), "an address without a port");
    assert_eq!(alone("").expect("no clients").client, None);
    assert_eq!(alone("clientPort=0").expect("no clients").client, None);
}

#[test]
fn the_text_for_other_servers_is_that_of_zookeeper() {
    let more = "server.10=[::1]:1:2:observer;2181\nserver.04=zoo4:1:2;zoo4:2182\nserver.5=zoo5:1:2";
    assert_eq!(
        ensemble(more).config_text(),
        "server.1=zoo1:2888:3888:participant\n\
         server.2=zoo2:2888:3888:participant\n\
         server.3=zoo3:2888:3888:participant\n\
         server.4=zoo4:1:2:participant;zoo4:2182\n\
         server.5=zoo5:1:2:participant\n\
         server.10=[::1]:1:2:observer;0.0.0.0:2181\n\
         version=0"
    );
}

#[test]
fn conf_answers_as_zookeeper_does() {
    let sizes = DirSizes { data: 12, data_log: 34 };
    assert_eq!(
        ensemble("").conf_text(sizes),
        "clientPort=2181\nsecureClientPort=-1\ndataDir=/var/lib/zookeeper/version-2\ndataDirSize=12\n\
         dataLogDir=/var/lib/zookeeper/version-2\ndataLogSize=34\ntickTime=2000\nmaxClientCnxns=60\n\
         minSessionTimeout=4000\nmaxSessionTimeout=40000\nclientPortListenBacklog=-1\nserverId=2\n\
         initLimit=5\nsyncLimit=2\nelectionAlg=3\nelectionPort=3888\nquorumPort=2888\npeerType=0\n\
         membership: \nserver.1=zoo1:2888:3888:participant\nserver.2=zoo2:2888:3888:participant\n\
         server.3=zoo3:2888:3888:participant\nversion=0"
    );
    let text = alone("maxClientCnxns=0").expect("runs").conf_text(sizes);
    assert!(text.starts_with("clientPort=-1\n") && text.ends_with("serverId=0\n"), "{text}");
    assert!(text.contains("\nmaxClientCnxns=0\n"), "{text}");
}

#[test]
fn files_are_read_from_disk_and_directories_measured() {
    let directory = tempfile::tempdir().expect("a directory");
    let (file, data) = (directory.path().join("zoo.cfg"), directory.path().join("data"));
    let text = ENSEMBLE.replace("/var/lib/zookeeper/", data.to_str().expect("UTF-8"));
    std::fs::write(&file, text).expect("writes");
    assert!(
        matches!(Config::from_file(&file), Err(ConfigError::Read { path, .. }) if path == data.join("myid"))
    );
    std::fs::create_dir_all(data.join("version-2")).expect("writes");
    std::fs::write(data.join("myid"), "1\n").expect("writes");
    std::fs::write(data.join("version-2/log.1"), [0; 100]).expect("writes");
    let config = Config::from_file(&file).expect("is complete");
    assert_eq!(config.me, Sid(1));
    assert_eq!(config.dir_sizes(), DirSizes { data: 100, data_log: 100 });
    let missing = Config::from_file(&directory.path().join("none"));
    assert!(matches!(missing, Err(ConfigError::Read { .. })));
}

/// A server alone, with a JAAS file and system properties.
fn with_users(lines: &str, jaas: &str, system: &[&str]) -> Result<Config, ConfigError> {
    let system: Vec<_> = system.iter().map(|text| text.parse().expect("name=value")).collect();
    let text = format!("dataDir=data\n{lines}");
    Config::from_bytes_with(text.as_bytes(), &system, |path| {
        assert_eq!(path, Path::new("jaas.conf"));
        Ok(jaas.as_bytes().to_owned())
    })
}

const JAAS: &str = r#"
Server {
    org.apache.zookeeper.server.auth.DigestLoginModule required
    user_super="super_secret" user_bob="secret";
};
Other { com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true; };
"#;

const JAAS_FILE: &str = "java.security.auth.login.config=jaas.conf";

#[test]
fn the_users_of_sasl_are_those_of_a_section_of_a_jaas_file() {
    let users = |config: Config| -> Option<Vec<(String, String)>> {
        let users = config.access.sasl?.into_iter();
        Some(users.map(|(name, password)| (name, password.0)).collect())
    };
    let pairs = |pairs: &[(&str, &str)]| -> Option<Vec<(String, String)>> {
        Some(pairs.iter().map(|(name, word)| ((*name).to_owned(), (*word).to_owned())).collect())
    };
    let config = with_users("", JAAS, &[JAAS_FILE]).expect("read");
    assert!(config.acl_schemes.sasl && config.warnings.is_empty(), "{:?}", config.warnings);
    assert!(!format!("{config:?}").contains("secret\""), "no password is shown");
    assert_eq!(users(config), pairs(&[("bob", "secret"), ("super", "super_secret")]));
    let replaced = ["zookeeper.SASLAuthenticationProvider.superPassword=other", JAAS_FILE];
    let config = with_users("", JAAS, &replaced).expect("read");
    assert_eq!(users(config), pairs(&[("bob", "secret"), ("super", "other")]));

    let config = with_users(JAAS_FILE, "", &[]).expect("there need be no section");
    assert_eq!((config.access.sasl, config.acl_schemes.sasl), (None, false));
    let [warning] = &config.warnings[..] else { panic!("one warning") };
    assert!(warning.ends_with("no section Server, so SASL is not offered"), "{warning}");
    let named = |section: &str| {
        let refused = with_users(&format!("sasl.serverconfig={section}"), JAAS, &[JAAS_FILE]);
        refused.expect_err("refused").to_string()
    };
    assert!(named("Absent").ends_with("no section Absent"));
    assert!(named("Other").contains("DIGEST-MD5 only"));
    let without_file = with_users("sasl.serverconfig=Server", JAAS, &[]).expect_err("refused");
    assert!(without_file.to_string().contains("does not say in which file"));
}

#[test]
fn system_properties_are_keys_and_the_file_goes_before_them() {
    let config = with_users("", "", &["zookeeper.skipACL=yes", "jute.maxbuffer=2048"]);
    let config = config.expect("read");
    assert_eq!((config.skip_acl, config.jute_max_buffer), (true, 2048));
    let config = with_users("skipACL=no", "", &["zookeeper.skipACL=yes"]).expect("read");
    assert!(!config.skip_acl);
    assert_eq!(
        config.warnings,
        ["skipACL is given in system property and again in line 2: the last one counts"]
    );
    let config = with_users("", "", &["zookeeper.dataDir=x", "file.encoding=UTF-8"]).expect("read");
    assert_eq!(config.warnings.len(), 2, "{:?}", config.warnings);
    assert_eq!(config.data_dir, Path::new("data"));
    let refused = with_users("", "", &["zookeeper.kinit=x"]).expect_err("refused");
    assert!(refused.to_string().starts_with("system property: kinit=x is not"));
}

#[test]
fn clients_must_prove_what_the_file_says_and_what_is_offered() {
    let required = |lines: &str| {
        let config = with_users(lines, JAAS, &[JAAS_FILE]);
        config.map(|config| config.access.required_schemes).map_err(|error| error.to_string())
    };
    assert_eq!(required(""), Ok(vec![]));
    assert_eq!(required("sessionRequireClientSASLAuth=true"), Ok(vec!["sasl".to_owned()]));
    assert_eq!(required("enforce.auth.schemes=sasl"), Ok(vec![]), "not enabled");
    let enabled = "enforce.auth.enabled=true\nenforce.auth.schemes=";
    let both = Ok(vec!["sasl".to_owned(), "digest".to_owned()]);
    assert_eq!(required(&format!("{enabled}sasl, digest")), both);
    for (lines, why) in [
        (enabled.to_owned(), "enforce.auth.schemes is not set"),
        (format!("{enabled}kerberos"), "by scheme kerberos, which is not offered"),
        (format!("{enabled}x509"), "by scheme x509, which is not offered"),
        ("authProvider.1=org.example.Own".to_owned(), "line 2: authProvider.1: found"),
        (
            format!("{enabled}digest\nDigestAuthenticationProvider.enabled=false"),
            "by scheme digest, which is not offered",
        ),
    ] {
        let refused = required(&lines).expect_err(&lines);
        assert!(refused.contains(why), "{refused}");
    }
}

#[test]
fn schemes_of_acls_are_those_that_are_offered() {
    let schemes = |lines: &str| {
        let schemes = alone(lines).expect("read").acl_schemes;
        (schemes.digest, schemes.sasl, schemes.x509)
    };
    let provider = |name: &str| format!("authProvider.1=org.apache.zookeeper.server.auth.{name}");
    assert_eq!(schemes(""), (true, false, false));
    assert_eq!(schemes(&provider("SASLAuthenticationProvider")), (true, true, false));
    assert_eq!(schemes(&provider("X509AuthenticationProvider")), (true, false, true));
    assert_eq!(schemes("DigestAuthenticationProvider.enabled=false"), (false, false, false));
}
