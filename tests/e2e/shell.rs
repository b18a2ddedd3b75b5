//! `vivarium cli` against an ensemble: what ZooKeeper's shell does, it does.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use wire::Acl;
use wire::client::{CreateMode, CreateRequest, MultiOp, Request};

use crate::client::Client;
use crate::cluster::Cluster;
use crate::program::Program;

fn shell(cluster: &Cluster, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vivarium"));
    command.args(["cli", "-server", &cluster.connect_string()]).args(words);
    command.stdin(Stdio::null());
    command
}

/// Status, standard output, standard error.
fn once(cluster: &Cluster, words: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = shell(cluster, words).output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text").trim_end().to_owned();
    (status.code(), text(stdout), text(stderr))
}

fn done(cluster: &Cluster, words: &[&str]) -> String {
    let (status, said, why) = once(cluster, words);
    assert_eq!(status, Some(0), "{words:?}: {said} {why}");
    said
}

#[test]
fn single_commands_are_done_and_say_so_by_their_status() {
    let cluster = Cluster::start(1);
    assert_eq!(done(&cluster, &["create", "/a", "one"]), "Created /a");
    assert_eq!(done(&cluster, &["create", "-s", "/a/n-", "x"]), "Created /a/n-0000000000");
    assert_eq!(done(&cluster, &["set", "/a", "two"]), "");
    assert_eq!(done(&cluster, &["get", "/a"]), "two");
    assert_eq!(done(&cluster, &["get", "-b", "/a"]), "dHdv");
    assert_eq!(done(&cluster, &["ls", "/a"]), "[n-0000000000]");
    assert_eq!(done(&cluster, &["getAcl", "/a"]), "'world,'anyone\n: cdrwa");
    let stat = done(&cluster, &["stat", "/a"]);
    assert!(stat.contains("\ndataVersion = 1\n") && stat.ends_with("numChildren = 1"), "{stat}");
    for (words, why) in [
        (&["get", "/none"][..], "Node does not exist: /none"),
        (&["create", "/a"], "Node already exists: /a"),
        (&["delete", "/a"], "Node not empty: /a"),
        (&["set", "-v", "7", "/a", "x"], "version No is not valid : /a"),
    ] {
        assert_eq!(once(&cluster, words), (Some(1), String::new(), why.to_owned()));
    }
    let (status, _, why) = once(&cluster, &["frob"]);
    assert!(status == Some(2) && why.contains("unrecognized subcommand 'frob'"), "{why}");
    let json = done(&cluster, &["--json", "get", "-s", "/a"]);
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&json["data"], &json["stat"]["version"]), (&"two".into(), &1.into()));
    done(&cluster, &["deleteall", "/a"]);
    assert_eq!(done(&cluster, &["ls", "/"]), "[zookeeper]");
}

/// What becomes of a script: as [`once`].
fn script(cluster: &Cluster, lines: &[u8]) -> (Option<i32>, String, String) {
    let mut command = shell(cluster, &[]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    child.stdin.take().expect("piped").write_all(lines).expect("it reads");
    let Output { status, stdout, stderr } = child.wait_with_output().expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text").trim_end().to_owned();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn a_script_fails_by_a_line_that_is_no_text_and_goes_on_behind_it() {
    let cluster = Cluster::start(1);
    let (status, said, why) =
        script(&cluster, b"create /u1 x\r\ncreate /u2 \xff\ncreate /u3 x\nget /a\0b\nls /");
    assert_eq!(status, Some(1), "{said} {why}");
    assert!(why.contains("line 2 is not UTF-8, from its byte 12 on"), "{why}");
    assert!(said.ends_with("[u1, u3, zookeeper]"), "{said}");
    assert_eq!(script(&cluster, b"get /u1\nquit\n\xff").0, Some(0), "it is not read so far");
}

#[test]
fn deleteall_deletes_all_that_can_be_deleted_in_requests_that_servers_take() {
    let cluster = Cluster::start(1);
    let mut client = Client::connect(&cluster.addresses(), Duration::from_secs(30));
    done(&cluster, &["create", "/wide"]);
    let name = "n".repeat(1200);
    for hundred in 0..10 {
        let create = |number| {
            MultiOp::Create(CreateRequest {
                path: format!("/wide/{name}{}", 100 * hundred + number),
                data: None,
                acl: Acl::open_unsafe(),
                flags: CreateMode::Persistent.flags(),
            })
        };
        client.call(&Request::Multi((0..100).map(create).collect())).expect("created");
    }
    assert_eq!(done(&cluster, &["deleteall", "/wide"]), "");

    // What may not be deleted, and what is above it, keeps nothing else.
    for path in ["/part", "/part/a", "/part/b", "/part/b/held", "/part/c"] {
        done(&cluster, &["create", path]);
    }
    done(&cluster, &["setAcl", "/part/b", "world:anyone:r"]);
    let (status, _, why) = once(&cluster, &["deleteall", "/part"]);
    let rest = "3 of 5 nodes are not deleted; the first: Insufficient permission : /part/b/held";
    assert_eq!((status, &*why), (Some(1), rest));
    assert_eq!(
        done(&cluster, &["ls", "-R", "/"]).lines().skip(1).take(3).collect::<Vec<_>>(),
        ["/part", "/part/b", "/part/b/held"]
    );
}

#[test]
fn what_is_asked_for_is_done_also_if_nobody_listens_to_the_answer() {
    let cluster = Cluster::start(1);
    let mut command = shell(&cluster, &["create", "/done", "x"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("it runs");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert_eq!(done(&cluster, &["get", "/done"]), "x");
}

#[test]
fn a_shell_goes_on_with_its_session_and_its_watches_while_servers_come_and_go() {
    let mut cluster = Cluster::start(3);
    let mut command = shell(&cluster, &[]);
    command.stdin(Stdio::piped());
    let mut shell = Program::start(command);
    let begin = shell.mark();
    shell.say("create -e /lock mine");
    shell.expect(begin, "Created /lock");
    shell.say("addWatch -m PERSISTENT /lock");
    shell.ask("sync /", "Sync is OK");
    let leader = cluster.leader();
    cluster.servers[leader].kill();
    cluster.servers[leader].start();
    cluster.wait_until_all_serve();
    let before = shell.mark();
    shell.ask("getEphemerals", "[/lock]");
    shell.say("set /lock yours");
    shell.expect(before, "type:NodeDataChanged path:/lock");
    shell.say("quit");
    crate::cluster::wait_until("its session is over", || {
        done(&cluster, &["ls", "/"]) == "[zookeeper]"
    });
}
