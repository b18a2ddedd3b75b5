//! Sessions and watches over the deaths of servers, by our own client.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use wire::ErrorCode;
use wire::client::{CreateMode, EventType, SetWatches};

use crate::client::{Client, Failure};
use crate::cluster::{Cluster, VIVARIUM};

const TIMEOUT: Duration = Duration::from_secs(30);

fn refused<T: std::fmt::Debug>(answer: Result<T, Failure>) -> ErrorCode {
    match answer {
        Err(Failure::Refused(error)) => error,
        other => panic!("refused was expected, not {other:?}"),
    }
}

#[test]
fn nodes_are_created_read_set_and_deleted_by_version() {
    let cluster = Cluster::start(3);
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    client.create("/a", b"one", CreateMode::Persistent).expect("created");
    assert_eq!(refused(client.create("/a", b"", CreateMode::Persistent)), ErrorCode::NodeExists);
    assert_eq!(client.set("/a", b"two", 0).expect("version 0").version, 1);
    assert_eq!(refused(client.set("/a", b"three", 0)), ErrorCode::BadVersion);
    let (data, stat) = client.get("/a", false).expect("it is there");
    assert_eq!((&data[..], stat.version, stat.data_length), (&b"two"[..], 1, 3));

    let first = client.create("/a/n-", b"", CreateMode::PersistentSequential).expect("created");
    let second = client.create("/a/n-", b"", CreateMode::EphemeralSequential).expect("created");
    assert_eq!((first.as_str(), second.as_str()), ("/a/n-0000000000", "/a/n-0000000001"));
    let (names, stat) = client.children("/a", false).expect("it is there");
    assert_eq!(names, ["n-0000000000", "n-0000000001"]);
    assert_eq!((stat.num_children, stat.cversion), (2, 2));
    assert_eq!(refused(client.delete("/a", -1)), ErrorCode::NotEmpty);
    let below = client.create(&format!("{second}/x"), b"", CreateMode::Persistent);
    assert_eq!(refused(below), ErrorCode::NoChildrenForEphemerals);
    client.delete(&first, 0).expect("version 0");
    client.delete(&second, -1).expect("any version");
    assert_eq!(refused(client.delete("/a", 7)), ErrorCode::BadVersion);
    client.delete("/a", 1).expect("version 1");
    assert_eq!(refused(client.get("/a", false)), ErrorCode::NoNode);
    client.close().expect("closed");
}

#[test]
fn every_server_shows_a_write_after_sync() {
    let cluster = Cluster::start(3);
    let mut writer = Client::connect(&cluster.addresses(), TIMEOUT);
    writer.create("/n", b"", CreateMode::Persistent).expect("created");
    let addresses = cluster.addresses();
    let mut readers: Vec<_> =
        addresses.iter().map(|address| Client::connect(&[*address], TIMEOUT)).collect();
    for round in 0..50 {
        let value = round.to_string();
        writer.set("/n", value.as_bytes(), -1).expect("set");
        for reader in &mut readers {
            reader.sync().expect("synced");
            assert_eq!(reader.get("/n", false).expect("it is there").0, value.as_bytes());
        }
    }
}

#[test]
fn a_session_moves_with_its_watches_and_ephemeral_nodes_when_its_server_dies() {
    let mut cluster = Cluster::start(3);
    // Once each: where the leader is does not matter then.
    for victim in 0..3 {
        let mut addresses = cluster.addresses();
        addresses.rotate_left(victim);
        let mut client = Client::connect(&addresses, TIMEOUT);
        assert_eq!(client.server(), cluster.servers[victim].address());
        let session = client.session;
        for (path, mode) in [
            ("/mine", CreateMode::Ephemeral),
            ("/changed", CreateMode::Persistent),
            ("/quiet", CreateMode::Persistent),
        ] {
            client.create(path, b"", mode).expect("created");
        }
        client.get("/changed", true).expect("watched");
        client.get("/quiet", true).expect("watched");
        client.exists("/comes", true).expect("watched");
        let seen = client.zxid;

        cluster.servers[victim].kill();
        // While the session has no connection, one watched node changes.
        let mut other = Client::connect(&addresses[1..], TIMEOUT);
        other.set("/changed", b"changed", 0).expect("set");

        client.reconnect().expect("the session lives");
        assert_eq!(client.session, session);
        client
            .set_watches(SetWatches {
                relative_zxid: seen,
                data_watches: vec!["/changed".into(), "/quiet".into()],
                exist_watches: vec!["/comes".into()],
                child_watches: vec![],
            })
            .expect("set");
        let event = client.event();
        assert_eq!((event.kind, &*event.path), (EventType::NodeDataChanged.code(), "/changed"));
        other.create("/comes", b"", CreateMode::Persistent).expect("created");
        let event = client.event();
        assert_eq!((event.kind, &*event.path), (EventType::NodeCreated.code(), "/comes"));
        other.delete("/quiet", -1).expect("deleted");
        let event = client.event();
        assert_eq!((event.kind, &*event.path), (EventType::NodeDeleted.code(), "/quiet"));
        let mine = client.exists("/mine", false).expect("it serves").expect("it lives");
        assert_eq!(mine.ephemeral_owner, session);

        client.close().expect("closed");
        other.sync().expect("synced");
        assert!(
            other.exists("/mine", false).expect("it serves").is_none(),
            "its session is closed"
        );
        other.delete("/changed", -1).expect("deleted");
        other.delete("/comes", -1).expect("deleted");
        other.close().expect("closed");
        cluster.servers[victim].start();
        cluster.wait_until_all_serve();
    }
}

#[test]
fn a_session_with_the_wrong_password_or_unknown_is_none() {
    let cluster = Cluster::start(3);
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    client.create("/mine", b"", CreateMode::Ephemeral).expect("created");

    let mut thief = Client::connect(&cluster.addresses(), TIMEOUT);
    thief.take_over(client.session, [7; 16]);
    for server in 0..3 {
        assert!(matches!(thief.reconnect_to(server), Err(Failure::Expired)));
    }
    let nobody = 0x0123_4567_89ab_cdef;
    thief.take_over(nobody, wire::password(nobody));
    for server in 0..3 {
        assert!(matches!(thief.reconnect_to(server), Err(Failure::Expired)));
    }
    assert!(client.exists("/mine", false).expect("undisturbed").is_some());
    client.ping().expect("undisturbed");
}

/// Debian's `libfaketime`; `None` if it is not installed.
fn faketime() -> Option<&'static str> {
    const PATHS: [&str; 2] = [
        "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
        "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    ];
    PATHS.into_iter().find(|path| Path::new(path).exists())
}

#[test]
fn a_server_that_starts_twice_under_a_frozen_clock_gives_nobody_anothers_session() {
    let Some(library) = faketime() else {
        println!("skipped: libfaketime is absent (Debian's package libfaketime)");
        return;
    };
    let mut cluster = Cluster::new(1, "");
    let frozen = |time: &str| {
        let mut command = Command::new(VIVARIUM);
        command.env("LD_PRELOAD", library).env("FAKETIME", time);
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1");
        command
    };
    let (noon, morning) = ("2026-01-01 12:00:00", "2026-01-01 09:00:00");
    cluster.servers[0].start_by(frozen(noon));
    cluster.wait_until_all_serve();
    let mut anne = Client::connect(&cluster.addresses(), TIMEOUT);
    anne.create("/annes", b"", CreateMode::Ephemeral).expect("created");
    anne.create("/later", b"", CreateMode::Persistent).expect("created");
    let ctimes = ["/annes", "/later"].map(|path| anne.get(path, false).expect("there").1.ctime);
    assert_eq!(ctimes[0], ctimes[1], "the clock is really frozen");
    let mut given = vec![anne.session];
    // Started again, in the same millisecond and hours before it, after a kill and after a stop.
    for (time, stopped) in [(noon, false), (noon, true), (morning, false)] {
        if stopped {
            assert!(cluster.servers[0].stop().success());
        } else {
            cluster.servers[0].kill();
        }
        cluster.servers[0].start_by(frozen(time));
        cluster.wait_until_all_serve();
        let bob = Client::connect(&cluster.addresses(), TIMEOUT);
        assert!(!given.contains(&bob.session), "0x{:x} of {given:x?}", bob.session);
        given.push(bob.session);
        bob.close().expect("closed");
        anne.reconnect().expect("the session lives");
        let (_, stat) = anne.get("/annes", false).expect("it lives as long as Anne's session");
        assert_eq!(stat.ephemeral_owner, anne.session);
    }
}
