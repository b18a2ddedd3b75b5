//! The audit log: who changed what, in ZooKeeper's format.

use std::time::Duration;

use wire::client::{CreateMode, CreateRequest, DeleteRequest, MultiOp, Request};
use wire::{Acl, Id, perms};

use crate::client::Client;
use crate::cluster::{Cluster, wait_for, wait_until};

const TIMEOUT: Duration = Duration::from_secs(30);

#[test]
fn each_change_is_a_line_that_says_who_did_what_and_what_came_of_it() {
    let cluster = Cluster::new(1, "audit.enable=true\n");
    let file = cluster.servers[0].directory.join("audit.log");
    cluster.servers[0].configure(&format!("vivarium.auditFile={}\n", file.display()));
    let mut cluster = cluster.started();
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    let session = format!("session=0x{:x}\tuser=127.0.0.1\tip=127.0.0.1", client.session);
    client.create("/a", b"", CreateMode::Persistent).expect("created");
    client.create("/a/n", b"", CreateMode::PersistentSequential).expect("created");
    client.create("/mine", b"", CreateMode::Ephemeral).expect("created");
    client.create("/a", b"", CreateMode::Persistent).expect_err("it is there");
    client.set("/a", b"more", -1).expect("set");
    client.get("/a", false).expect("read");
    client.delete("/a/n0000000000", -1).expect("deleted");
    let create = |path: &str| {
        MultiOp::Create(CreateRequest {
            path: path.to_owned(),
            data: None,
            acl: vec![Acl { perms: perms::ALL, id: Id::new("world", "anyone") }],
            flags: 0,
        })
    };
    let delete = |path: &str| MultiOp::Delete(DeleteRequest { path: path.to_owned(), version: -1 });
    client.call(&Request::Multi(vec![create("/b"), delete("/a")])).expect("done");
    client.call(&Request::Multi(vec![create("/c"), delete("/none")])).expect("answered");
    let id = client.session;
    client.close().expect("closed");
    assert!(cluster.servers[0].stop().success());
    let text = std::fs::read_to_string(&file).expect("the audit log");
    let mut lines: Vec<&str> = text.lines().collect();
    let last = lines.pop().expect("lines");
    assert!(last.ends_with("\toperation=serverStop\tresult=invoked"), "{last}");
    assert!(lines[0].ends_with("\toperation=serverStart\tresult=success"), "{}", lines[0]);
    let ends = lines.pop().expect("lines");
    let beginning = format!("session=0x{id:x}\tuser=");
    let end =
        "\toperation=ephemeralZNodeDeletionOnSessionCloseOrExpire\tznode=/mine\tresult=success";
    assert!(ends.starts_with(&beginning) && ends.ends_with(end), "{ends}");
    let expected = [
        "operation=create\tznode=/a\tznode_type=persistent\tresult=success",
        "operation=create\tznode=/a/n0000000000\tznode_type=persistent_sequential\tresult=success",
        "operation=create\tznode=/mine\tznode_type=ephemeral\tresult=success",
        "operation=create\tznode=/a\tznode_type=persistent\tresult=failure",
        "operation=setData\tznode=/a\tresult=success",
        "operation=delete\tznode=/a/n0000000000\tresult=success",
        "operation=create\tznode=/b\tznode_type=persistent\tresult=success",
        "operation=delete\tznode=/a\tresult=success",
        "operation=multiOperation\tresult=failure",
    ]
    .map(|line| format!("{session}\t{line}"));
    assert_eq!(lines[1..], expected);
}

#[test]
fn the_server_that_a_client_uses_tells_of_it_with_its_log_unless_there_is_a_file() {
    let cluster = Cluster::start_with(3, "audit.enable=true\n");
    let follower = cluster.follower();
    let mut client = Client::connect(&[cluster.servers[follower].address()], TIMEOUT);
    client.create("/a", b"", CreateMode::Persistent).expect("created");
    let line = "operation=create\tznode=/a\tznode_type=persistent\tresult=success";
    wait_until("it is told", || cluster.servers[follower].log().contains(line));
    for server in
        cluster.servers.iter().filter(|server| server.sid != cluster.servers[follower].sid)
    {
        let mut other = Client::connect(&[server.address()], TIMEOUT);
        other.sync().expect("synced");
        assert!(!server.log().contains(line), "another server");
        other.close().expect("closed");
    }
    client.close().expect("closed");
}

#[test]
fn a_file_that_cannot_be_written_keeps_the_server_from_starting() {
    let mut cluster = Cluster::new(1, "audit.enable=true\nvivarium.auditFile=/nowhere/audit.log\n");
    cluster.servers[0].start();
    assert!(!cluster.servers[0].ended().success());
    wait_for("it says why", || {
        cluster.servers[0].log().contains("/nowhere/audit.log").then_some(())
    });
}
