//! Four-letter words: each is answered as ZooKeeper does, or refused as one that is not in the
//! whitelist.

use std::time::Duration;

use server::compat;
use wire::client::{CreateMode, FourLetterWord};

use crate::client::Client;
use crate::cluster::{Cluster, Server};

const TIMEOUT: Duration = Duration::from_secs(30);

fn ask(server: &Server, word: &str) -> String {
    server.word(word).unwrap_or_else(|| panic!("{word} is answered"))
}

fn refusal(word: &str) -> String {
    format!("{word} is not executed because it is not in the whitelist.\n")
}

/// What answers a word, whole or at its beginning.
fn beginning(word: FourLetterWord) -> &'static str {
    match word {
        FourLetterWord::Conf => "clientPort=",
        FourLetterWord::Cons => " /127.0.0.1:",
        FourLetterWord::Crst => "Connection stats reset.\n",
        FourLetterWord::Dirs => "datadir_size: ",
        FourLetterWord::Dump => "SessionTracker dump:\n",
        FourLetterWord::Envi => "Environment:\nzookeeper.version=3.9.5-vivarium-",
        FourLetterWord::Hash => "",
        FourLetterWord::Isro => "rw",
        FourLetterWord::Mntr => "zk_version\t",
        FourLetterWord::Ruok => "imok",
        FourLetterWord::Srst => "Server stats reset.\n",
        FourLetterWord::Srvr | FourLetterWord::Stat => "Zookeeper version: 3.9.5-vivarium-",
        FourLetterWord::Wchc => "0x",
        FourLetterWord::Wchs => "1 connections watching 1 paths\nTotal watches:1\n",
        FourLetterWord::Wchp => "/w\n\t0x",
        FourLetterWord::Gtmk | FourLetterWord::Stmk | FourLetterWord::TelnetClose => {
            panic!("{} is not answered", word.name())
        }
    }
}

fn letters() -> impl Iterator<Item = FourLetterWord> {
    FourLetterWord::ALL.iter().copied().filter(|word| *word != FourLetterWord::TelnetClose)
}

#[test]
fn every_word_is_answered_or_refused_as_the_table_says() {
    let cluster = Cluster::start(3);
    let leader = cluster.leader();
    for server in [leader, (leader + 1) % 3] {
        let server = &cluster.servers[server];
        let mut client = Client::connect(&[server.address()], TIMEOUT);
        client.exists("/w", true).expect("it serves");
        for word in letters() {
            let answer = ask(server, word.name());
            if compat::is_answered(word) {
                assert!(answer.starts_with(beginning(word)), "{}: {answer}", word.name());
                assert!(!answer.contains("not executed"), "{}: {answer}", word.name());
            } else {
                assert_eq!(answer, refusal(word.name()));
            }
        }
        client.close().expect("closed");
    }
}

#[test]
fn a_word_that_the_whitelist_has_not_is_refused_also_in_a_server_that_does_not_serve() {
    let mut cluster = Cluster::new(3, "4lw.commands.whitelist=ruok, dump\n");
    cluster.servers[0].start();
    let server = &cluster.servers[0];
    crate::cluster::wait_until("it listens", || server.word("ruok").is_some());
    for word in letters() {
        let expected = match word.name() {
            "ruok" => "imok".to_owned(),
            "srvr" | "dump" => {
                "This ZooKeeper instance is not currently serving requests\n".to_owned()
            }
            other => refusal(other),
        };
        assert_eq!(ask(server, word.name()), expected);
    }
}

/// The value behind a name in `mntr`, or behind a line's beginning in another answer.
fn value(text: &str, name: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("{name} is in {text}")).trim().to_owned()
}

#[test]
fn there_is_one_number_of_nodes() {
    let cluster = Cluster::start(3);
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    for expected in ["5", "6", "7"] {
        for server in &cluster.servers {
            let mut client = Client::connect(&[server.address()], TIMEOUT);
            client.sync().expect("synced");
            assert_eq!(value(&ask(server, "srvr"), "Node count: "), expected);
            assert_eq!(value(&ask(server, "stat"), "Node count: "), expected);
            assert_eq!(value(&ask(server, "mntr"), "zk_znode_count\t"), expected);
        }
        client.create(&format!("/n{expected}"), b"", CreateMode::Persistent).expect("created");
    }
}

#[test]
fn connections_sessions_and_watches_are_listed_and_counters_reset() {
    let cluster = Cluster::start(3);
    let leader = cluster.leader();
    for (index, server) in cluster.servers.iter().enumerate() {
        let mut client = Client::connect(&[server.address()], TIMEOUT);
        let session = format!("0x{:x}", client.session);
        let mine = format!("/mine{index}");
        client.create(&mine, b"", CreateMode::Ephemeral).expect("created");
        client.get("/", true).expect("it serves");

        let cons = ask(server, "cons");
        let line = cons.lines().find(|line| line.contains(&session)).expect("the session's line");
        for part in [
            "[1](queued=0,recved=2,sent=2,sid=0x",
            ",lop=GETD,est=",
            ",to=30000,lcxid=0x2,lzxid=0x1",
        ] {
            assert!(line.contains(part), "{part} is in {line}");
        }
        assert!(line.contains(",lresp=") && line.contains(",maxlat="), "{line}");
        ask(server, "crst");
        let cons = ask(server, "cons");
        let line = cons.lines().find(|line| line.contains(&session)).expect("the session's line");
        assert!(line.contains("(queued=0,recved=0,sent=0,sid="), "{line}");
        assert!(line.contains(",lop=NA,") && !line.contains("lcxid"), "{line}");

        let dump = ask(server, "dump");
        let sessions = if index == leader { "\nSession Sets (" } else { "\nGlobal Sessions(" };
        let shown = if index == leader {
            format!("\t{session}\n")
        } else {
            format!("{session}\t30000ms\n")
        };
        for part in [
            sessions,
            &shown,
            "\nephemeral nodes dump:\nSessions with Ephemerals (1):\n",
            &format!("{session}:\n\t{mine}\n"),
            "\nConnections dump:\nConnections Sets (",
            &format!(" sessionId: {session}\n"),
        ] {
            assert!(dump.contains(part), "{part:?} is in {dump}");
        }

        assert_eq!(ask(server, "wchc"), format!("{session}\n\t/\n\n"));
        assert_eq!(ask(server, "wchp"), format!("/\n\t{session}\n\n"));
        assert_ne!(value(&ask(server, "srvr"), "Sent: "), "0");
        ask(server, "srst");
        let srvr = ask(server, "srvr");
        assert_eq!(value(&srvr, "Sent: "), "0");
        assert_eq!(srvr.contains("\nProposal sizes last/min/max: -1/-1/-1\n"), index == leader);
        client.close().expect("closed");
    }
}

#[test]
fn servers_show_the_same_digests() {
    let cluster = Cluster::start(3);
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    for number in 0..300 {
        client.create(&format!("/n{number}"), b"", CreateMode::Persistent).expect("created");
    }
    let hashes = cluster.servers.iter().map(|server| {
        let mut client = Client::connect(&[server.address()], TIMEOUT);
        client.sync().expect("synced");
        ask(server, "hash")
    });
    let hashes: Vec<_> = hashes.collect();
    let zxids: Vec<_> = hashes[0].lines().filter_map(|line| line.split_once(": ")).collect();
    let counters: Vec<_> = zxids.iter().map(|(zxid, _)| &zxid[zxid.len() - 8..]).collect();
    assert_eq!(counters, ["00000080", "00000100"]);
    assert_ne!(zxids[0].1, zxids[1].1);
    assert!(hashes.iter().all(|other| *other == hashes[0]), "{hashes:?}");
}

#[test]
fn exporters_find_what_they_have_always_read() {
    let cluster = Cluster::start(1);
    let mntr = ask(&cluster.servers[0], "mntr");
    for name in [
        "version",
        "server_state",
        "avg_latency",
        "max_latency",
        "min_latency",
        "packets_received",
        "packets_sent",
        "num_alive_connections",
        "outstanding_requests",
        "znode_count",
        "watch_count",
        "ephemerals_count",
        "approximate_data_size",
        "open_file_descriptor_count",
        "max_file_descriptor_count",
        "auth_failed_count",
        "uptime",
        "global_sessions",
    ] {
        value(&mntr, &format!("zk_{name}\t"));
    }
    let open: u64 = value(&mntr, "zk_open_file_descriptor_count\t").parse().expect("a number");
    assert!(open > 3, "{open}");
}
