//! `vivarium data`: the files of servers, looked at, checked and copied.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use wire::client::CreateMode;

use crate::client::Client;
use crate::cluster::{Cluster, VIVARIUM};

const TIMEOUT: Duration = Duration::from_secs(30);

fn data(arguments: &[&str]) -> Output {
    Command::new(VIVARIUM).arg("data").args(arguments).output().expect("the binary starts")
}

/// What it says; it ends with this status.
fn says(status: i32, arguments: &[&str]) -> String {
    let output = data(arguments);
    let said =
        [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    let said = said.concat();
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
    said
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// The files of a directory whose names begin so, in the order of their names.
fn files(directory: &Path, begin: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory.join("version-2")).expect("it is there");
    let paths = entries.map(|entry| entry.expect("listed").path());
    let begins = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(begin))
    };
    let mut found: Vec<_> = paths.filter(begins).collect();
    found.sort();
    found
}

/// Every file with its bytes.
fn content(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let all = files(directory, "").into_iter();
    all.map(|path| (path.clone(), fs::read(path).expect("read"))).collect()
}

#[test]
fn the_files_of_a_server_can_be_read_checked_and_copied() {
    let mut cluster = Cluster::start(1);
    let directory = cluster.servers[0].data();
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    client.create("/kept", b"a word", CreateMode::Persistent).expect("created");
    let mark = client.zxid;
    client.create("/later", b"another", CreateMode::Persistent).expect("created");

    // A server is at work: its files can be read and copied, and not be checked.
    let [log] = &files(&directory, "log.")[..] else { panic!("one log") };
    let dumped = says(0, &["dump", text(log)]);
    assert!(dumped.contains("  create  path /kept  session 0x"), "{dumped}");
    assert!(dumped.contains("  acl world:anyone:31  data 6 bytes \"a word\"  "), "{dumped}");
    let locked = says(1, &["check", text(&directory)]);
    assert!(locked.contains("another one holds it"), "{locked}");
    let copies = cluster.servers[0].directory.clone();
    let backup = copies.join("backup");
    let said = says(0, &["backup", text(&directory), "--to", text(&backup)]);
    assert!(said.contains("in order\n") && said.contains("copied up to 0x"), "{said}");
    says(2, &["backup", text(&directory), "--to", text(&backup)]);

    assert!(cluster.servers[0].stop().success());
    let before = content(&directory);
    let checked = says(0, &["check", text(&directory)]);
    assert!(checked.ends_with("in order\n"), "{checked}");
    let configuration = cluster.servers[0].directory.join("zoo.cfg");
    assert_eq!(checked, says(0, &["check", text(&configuration)]), "the same by zoo.cfg");
    assert_eq!(before, content(&directory), "nothing has changed");

    // A line of JSON for each transaction.
    let dumped = data(&["dump", "--json", text(log)]);
    let lines = String::from_utf8(dumped.stdout).expect("text");
    let created = lines.lines().find(|line| line.contains("\"/later\"")).expect("it is logged");
    assert!(
        created.contains("\"type\":\"create\"") && created.contains("YW5vdGhlcg=="),
        "{created}"
    );

    // The state at an earlier transaction.
    let earlier = copies.join("earlier");
    let zxid = format!("{mark:x}");
    let restore = ["restore", text(&backup), "--to", text(&earlier), "--to-zxid", &zxid];
    let said = says(0, &restore);
    assert!(said.contains(&format!("restored up to 0x{zxid}\n")), "{said}");
    cluster.servers[0].configure(&format!("dataDir={}\n", earlier.display()));
    cluster.servers[0].start();
    cluster.wait_until_all_serve();
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    assert_eq!(client.get("/kept", false).expect("it is there").0, &b"a word"[..]);
    assert_eq!(client.exists("/later", false).expect("it serves"), None);
}

#[test]
fn snapshots_are_compared_and_damage_is_told() {
    let mut cluster = Cluster::start_with(1, "snapCount=4\n");
    let directory = cluster.servers[0].data();
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    for number in 0..20 {
        client.create(&format!("/n{number}"), b"x", CreateMode::Persistent).expect("created");
    }
    assert!(cluster.servers[0].stop().success());
    let snapshots = files(&directory, "snapshot.");
    let [first, .., last] = &snapshots[..] else { panic!("several snapshots") };
    let said = says(1, &["compare", "--details", text(first), text(last)]);
    assert!(said.contains("+ /n0 (1 bytes, version 0)"), "{said}");
    let same = says(0, &["compare", text(last), text(last)]);
    assert!(same.ends_with(": 0 added, 0 gone, 0 changed\n"), "{same}");
    let dumped = says(0, &["dump", text(last)]);
    assert!(dumped.contains("node") && dumped.contains("path /n0"), "{dumped}");
    let log = files(&directory, "log.").remove(0);
    let wrong = says(2, &["compare", text(last), text(&log)]);
    assert!(wrong.contains("it is a log, and no snapshot"), "{wrong}");

    // A bit of the first log's first record.
    let mut bytes = fs::read(&log).expect("read");
    bytes[40] ^= 1;
    fs::write(&log, bytes).expect("written");
    let damaged = says(1, &["dump", text(&log)]);
    assert!(damaged.contains("offset 16: the checksum is the Adler-32 of the record"), "{damaged}");
}
