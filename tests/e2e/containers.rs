//! Containers and nodes with a time to live: they go when they are due, whoever leads, and nothing
//! else goes.

use std::time::Duration;

use wire::client::{CreateMode, CreateRequest, CreateTtlRequest, EventType, Request};
use wire::{Acl, ErrorCode};

use crate::client::{Answer, Client, Failure};
use crate::cluster::{Cluster, wait_until};

const TIMEOUT: Duration = Duration::from_secs(30);

fn container(client: &mut Client, path: &str) -> Answer<()> {
    let (path, acl, flags) = (path.to_owned(), Acl::open_unsafe(), CreateMode::Container.flags());
    let request = CreateRequest { path, data: None, acl, flags };
    client.call(&Request::CreateContainer(request)).map(|_| ())
}

fn with_ttl(client: &mut Client, path: &str, ttl: i64) -> Answer<()> {
    let (path, acl, flags) =
        (path.to_owned(), Acl::open_unsafe(), CreateMode::PersistentWithTtl.flags());
    let request = CreateTtlRequest { path, data: None, acl, flags, ttl };
    client.call(&Request::CreateTtl(request)).map(|_| ())
}

/// A container that has had a child, and so is due.
fn used(client: &mut Client, path: &str) {
    container(client, path).expect("created");
    client.create(&format!("{path}/child"), b"", CreateMode::Persistent).expect("created");
    client.delete(&format!("{path}/child"), -1).expect("deleted");
}

fn exists(client: &mut Client, path: &str) -> bool {
    client.exists(path, false).expect("it serves").is_some()
}

#[test]
fn what_is_due_goes_with_an_event_and_everything_else_stays() {
    what_is_due_goes(3);
}

#[test]
fn a_server_alone_deletes_what_is_due_too() {
    what_is_due_goes(1);
}

fn what_is_due_goes(servers: u8) {
    let settings = "extendedTypesEnabled=true\nznode.container.checkIntervalMs=20\n";
    let cluster = Cluster::start_with(servers, settings);
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    let child = |client: &mut Client, path: &str| {
        client.create(path, b"", CreateMode::Persistent).expect("created");
    };
    container(&mut client, "/in-use").expect("created");
    child(&mut client, "/in-use/child");
    container(&mut client, "/unused").expect("created");
    with_ttl(&mut client, "/late", 3_600_000).expect("created");
    with_ttl(&mut client, "/parent", 5_000).expect("created");
    child(&mut client, "/parent/child");
    child(&mut client, "/plain");
    with_ttl(&mut client, "/soon", 6_000).expect("created");
    client.exists("/soon", true).expect("it serves").expect("its time is not over");
    client.exists("/in-use", true).expect("it serves").expect("it has a child");

    let event = client.event();
    assert_eq!((event.kind, &*event.path), (EventType::NodeDeleted.code(), "/soon"));
    assert!(exists(&mut client, "/in-use"));
    client.delete("/in-use/child", -1).expect("deleted");
    let event = client.event();
    assert_eq!((event.kind, &*event.path), (EventType::NodeDeleted.code(), "/in-use"));

    // At least one whole pass later.
    for round in 0..2 {
        let path = format!("/round{round}");
        used(&mut client, &path);
        wait_until("it is deleted", || !exists(&mut client, &path));
    }
    for path in ["/unused", "/late", "/parent", "/plain"] {
        assert!(exists(&mut client, path), "{path} stays");
    }
}

#[test]
fn a_container_that_gets_a_child_in_the_last_moment_stays() {
    let cluster = Cluster::start_with(3, "znode.container.checkIntervalMs=1\n");
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    let (mut late, mut early) = (0, 0);
    for number in 0..400 {
        let path = format!("/c{number}");
        let child = format!("{path}/child");
        container(&mut client, &path).expect("created");
        client.create(&child, b"", CreateMode::Persistent).expect("created");
        client.delete(&child, -1).expect("deleted");
        match client.create(&child, b"", CreateMode::Persistent) {
            Ok(_) => {
                early += 1;
                assert!(exists(&mut client, &path) && exists(&mut client, &child), "{path}");
            }
            Err(Failure::Refused(ErrorCode::NoNode)) => {
                late += 1;
                assert!(!exists(&mut client, &path), "{path} was deleted before");
            }
            Err(other) => panic!("{path}: {other:?}"),
        }
    }
    println!("{early} containers got a child before they were deleted, {late} did not");
    // Whoever has a child is still there after passes that have deleted others.
    used(&mut client, "/last");
    wait_until("it is deleted", || !exists(&mut client, "/last"));
    let (names, _) = client.children("/", false).expect("it serves");
    assert_eq!(names.iter().filter(|name| name.starts_with('c')).count(), early);
}

#[test]
fn the_next_leader_goes_on_where_a_killed_one_was() {
    // Twenty a second: the leader dies in the middle of it.
    let mut cluster = Cluster::start_with(
        3,
        "znode.container.checkIntervalMs=50\nznode.container.maxPerMinute=1200\n",
    );
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    let count = 200;
    client.create("/all", b"", CreateMode::Persistent).expect("created");
    for number in 0..count {
        let path = format!("/all/{number:03}");
        container(&mut client, &path).expect("created");
        client.create(&format!("{path}/child"), b"", CreateMode::Persistent).expect("created");
    }
    for number in (0..count).filter(|number| number % 4 != 0) {
        client.delete(&format!("/all/{number:03}/child"), -1).expect("deleted");
    }
    let left = |client: &mut Client| loop {
        match client.children("/all", false) {
            Ok((names, stat)) => return (names, stat),
            Err(_) => client.reconnect().expect("the session lives"),
        }
    };
    wait_until("some are deleted", || left(&mut client).0.len() < count - 10);
    let leader = cluster.leader();
    assert!(left(&mut client).0.len() > count / 4, "it is in the middle of it");
    cluster.servers[leader].kill();
    wait_until("the next leader deletes the rest", || left(&mut client).0.len() == count / 4);
    cluster.servers[leader].start();
    cluster.wait_until_all_serve();
    let mut seen = Vec::new();
    for server in cluster.addresses() {
        let mut client = Client::connect(&[server], TIMEOUT);
        client.sync().expect("synced");
        seen.push(left(&mut client));
    }
    assert!(seen.iter().all(|other| *other == seen[0]), "{seen:?}");
    let kept: Vec<_> = (0..count).step_by(4).map(|number| format!("{number:03}")).collect();
    assert_eq!(seen[0].0, kept);
}
