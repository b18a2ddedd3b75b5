//! Disks that are full, data directories that are damaged, configurations that are wrong: the
//! server says what is the matter and ends; it overwrites nothing, and the others go on.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use wire::client::CreateMode;

use crate::client::Client;
use crate::cluster::{Cluster, Server, VIVARIUM, configuration, wait_until};
use crate::load::{Load, check_everything};

const TIMEOUT: Duration = Duration::from_secs(30);

/// Every file below a directory, with its bytes; without the lock, which says only who was here
/// last.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all.extend(files(&path));
        } else if path.file_name().is_some_and(|name| name != "vivarium.lock") {
            all.insert(path.clone(), fs::read(&path).expect("a file"));
        }
    }
    all
}

/// The paths of all files below a directory. It may be that of a server that runs.
fn paths(directory: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        all.extend(if path.is_dir() { paths(&path) } else { vec![path] });
    }
    all.sort();
    all
}

fn file(server: &Server, prefix: &str) -> PathBuf {
    let mut found = paths(&server.data());
    let named = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(prefix))
    };
    found.retain(named);
    found.pop().unwrap_or_else(|| panic!("no {prefix}"))
}

/// Starts it; it ends with this status, and its last line has these words.
fn ends_with(server: &mut Server, status: i32, words: &[&str]) {
    server.start();
    assert_eq!(server.ended().code(), Some(status), "{}", server.log());
    let log = server.log();
    let last = log.lines().last().expect("it says why");
    assert!(last.starts_with("error: "), "{last}");
    assert!(words.iter().all(|word| last.contains(word)), "{words:?} are not in: {last}");
}

#[test]
fn a_damaged_data_directory_is_named_and_left_alone() {
    let mut cluster = Cluster::start(1);
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    for value in 0..20 {
        client
            .create(&format!("/n{value}"), &[b'x'; 100], CreateMode::Persistent)
            .expect("created");
    }
    let server = &mut cluster.servers[0];
    assert!(server.stop().success());
    let (log, snapshot) = (file(server, "log."), file(server, "snapshot."));

    type Damage = fn(&mut Vec<u8>);
    let cases: [(&PathBuf, Damage, &[&str]); 4] = [
        // Good records stand behind it.
        (
            &log,
            |bytes| bytes[1000] ^= 1,
            &["offset", "nothing is cut", "fetch its data from the ensemble"],
        ),
        (&log, |bytes| bytes[1] ^= 1, &["log.1", "offset 0"]),
        (&snapshot, |bytes| bytes[2] ^= 1, &["snapshot"]),
        (&snapshot, Vec::clear, &["snapshot"]),
    ];
    for (path, damage, words) in cases {
        let good = fs::read(path).expect("it is there");
        let mut bad = good.clone();
        damage(&mut bad);
        fs::write(path, bad).expect("damaged");
        let before = files(&server.data());
        ends_with(server, 1, words);
        assert!(files(&server.data()) == before, "{}: nothing may be overwritten", path.display());
        fs::write(path, good).expect("restored");
    }
    server.start();
    cluster.wait_until_all_serve();
    client.reconnect().expect("the session lives");
    assert_eq!(client.children("/", false).expect("it serves").0.len(), 21);
}

/// Which file, and what becomes of it.
type Case = (&'static str, &'static str, fn(&mut Vec<u8>));

#[test]
fn whatever_is_damaged_on_the_disk_of_a_member_the_others_repair_it_and_nobody_has_to_help() {
    let mut cluster = Cluster::start_recorded(3, "snapCount=100");
    let load = Load::start(&cluster.addresses(), 2);
    load.wait_for_progress(500);
    let cases: [Case; 8] = [
        ("a bit of a record", "log.", |bytes| bytes[1000] ^= 1),
        ("the header of a log", "log.", |bytes| bytes[..16].fill(0)),
        ("a block of zeros in a log", "log.", |bytes| bytes[40..552].fill(0)),
        ("a bit of a snapshot", "snapshot.", |bytes| bytes[60] ^= 1),
        ("half a snapshot", "snapshot.", |bytes| bytes.truncate(bytes.len() / 2)),
        ("currentEpoch is text", "currentEpoch", |bytes| *bytes = b"many".to_vec()),
        ("acceptedEpoch is another number", "acceptedEpoch", |bytes| bytes[0] ^= 2),
        ("all of a log", "log.", |bytes| bytes.fill(0xff)),
    ];
    for (round, (what, name, damage)) in cases.into_iter().enumerate() {
        // Leaders and followers in turn.
        let victim = &mut cluster.servers[round % 3];
        victim.kill();
        let path = file(victim, name);
        let mut bytes = fs::read(&path).expect("it is there");
        damage(&mut bytes);
        fs::write(&path, bytes).expect("damaged");
        victim.start();
        cluster.wait_until_all_serve();
        load.wait_for_progress(50);
        let victim = &cluster.servers[round % 3];
        let left =
            paths(&victim.data()).into_iter().any(|path| path.ends_with("vivarium.history-lost"));
        assert!(!left, "{what}: it has a history again");
    }
    let all = cluster.servers.iter().flat_map(|server| paths(&server.data()));
    let set_aside = all.filter(|path| path.to_string_lossy().contains("vivarium.aside."));
    assert!(set_aside.count() >= 6, "what was damaged is kept");
    check_everything(&cluster.addresses(), load.stop());
    for server in &mut cluster.servers {
        assert!(server.stop().success(), "{}", server.log());
    }
    // What they did is steps of the abstract protocol, which knows no lost history.
    #[cfg(feature = "checker")]
    cluster.replay("damaged");
}

/// Where the zeros begin that the file ends with.
fn end_of_data(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

/// Waits until its log has these words.
fn says(server: &Server, words: &str) {
    wait_until(words, || server.log().contains(words));
}

/// How long nobody may serve who cannot: an election takes 0.3 s.
const IN_VAIN: Duration = Duration::from_secs(2);

#[test]
fn a_server_whose_last_record_has_a_flipped_bit_has_no_vote_until_the_write_is_given_back_to_it() {
    let (damaged, good, away) = (0, 1, 2);
    for which in 0..3 {
        let mut cluster = Cluster::start(3);
        cluster.servers[away].kill();
        // Two of three have it, so it is acknowledged.
        let addresses = [cluster.servers[damaged].address(), cluster.servers[good].address()];
        let mut client = Client::connect(&addresses, TIMEOUT);
        client.create("/acknowledged", b"precious", CreateMode::Persistent).expect("created");
        cluster.servers[damaged].kill();
        cluster.servers[good].kill();

        let path = file(&cluster.servers[damaged], "log.");
        let mut bytes = fs::read(&path).expect("it is there");
        // Anywhere in the last record: in its data, in its digest, in the byte that ends it.
        let data = bytes.windows(8).rposition(|bytes| bytes == b"precious").expect("it was logged");
        let end = end_of_data(&bytes);
        bytes[[data, end - 4, end - 1][which]] ^= 1;
        fs::write(&path, &bytes).expect("damaged");

        // The two that are up lack the write, so they must not be a quorum.
        cluster.servers[away].start();
        cluster.servers[damaged].start();
        says(&cluster.servers[away], "server.1 has lost its history");
        let began = Instant::now();
        while began.elapsed() < IN_VAIN {
            for server in [damaged, away] {
                assert_eq!(cluster.servers[server].mode(), None, "{}", cluster.logs());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let log = cluster.servers[damaged].log();
        for words in ["files were set aside as vivarium.aside.1.", "waits for a leader"] {
            assert!(log.contains(words), "{words:?} is not in {log}");
        }
        let aside = path.with_file_name(format!(
            "vivarium.aside.1.{}",
            path.file_name().and_then(|name| name.to_str()).expect("a name")
        ));
        assert!(fs::read(&aside).expect("set aside") == bytes, "as it was");

        cluster.servers[good].start();
        cluster.wait_until_all_serve();
        for server in &cluster.servers {
            let mut client = Client::connect(&[server.address()], TIMEOUT);
            let (data, _) = client.get("/acknowledged", false).expect("it is there");
            assert_eq!(&data[..], b"precious");
        }
        // It votes again: with either of the others alone.
        cluster.servers[good].kill();
        let addresses = [cluster.servers[damaged].address(), cluster.servers[away].address()];
        let mut client = Client::connect(&addresses, TIMEOUT);
        client.set("/acknowledged", b"still", -1).expect("there is a quorum");
    }
}

/// Three members that hold a write, two of which have a damaged log: the files, and what was in
/// them.
fn two_damaged_of_three() -> (Cluster, Vec<(PathBuf, Vec<u8>)>) {
    let mut cluster = Cluster::start(3);
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    client.create("/acknowledged", b"precious", CreateMode::Persistent).expect("created");
    let all_have_it = |server: &Server| {
        let mut client = Client::connect(&[server.address()], TIMEOUT);
        client.sync().is_ok() && client.exists("/acknowledged", false).is_ok()
    };
    assert!(cluster.servers.iter().all(all_have_it));
    cluster.servers.iter_mut().for_each(Server::kill);
    let mut whole = Vec::new();
    for server in &cluster.servers[..2] {
        let path = file(server, "log.");
        let good = fs::read(&path).expect("it is there");
        let mut bytes = good.clone();
        let end = end_of_data(&bytes);
        bytes[end - 1] ^= 1;
        fs::write(&path, bytes).expect("damaged");
        whole.push((path, good));
    }
    cluster.servers.iter_mut().for_each(Server::start);
    (cluster, whole)
}

fn all_have_it_again(cluster: &Cluster) {
    cluster.wait_until_all_serve();
    for server in &cluster.servers {
        let mut client = Client::connect(&[server.address()], TIMEOUT);
        assert_eq!(&client.get("/acknowledged", false).expect("there").0[..], b"precious");
    }
}

#[test]
fn two_damaged_members_of_three_serve_nobody_and_each_says_what_it_has() {
    let (mut cluster, whole) = two_damaged_of_three();
    for (server, has) in [(0, "zxid 0x0"), (1, "zxid 0x0"), (2, "zxid 0x1000000")] {
        let server = &cluster.servers[server];
        says(server, "nobody can lead");
        let log = server.log();
        let line = log.lines().find(|line| line.contains("nobody can lead")).expect("it says so");
        for words in ["server.1 and server.2 have lost", has, "move both its version-2"] {
            assert!(line.contains(words), "{words:?} is not in: {line}");
        }
    }
    // One of them gets its file back: with the one that is whole it is a quorum, and repairs the
    // other.
    let server = &mut cluster.servers[0];
    server.kill();
    let (path, good) = &whole[0];
    let version = path.parent().expect("a directory");
    for name in ["snapshot.0", "currentEpoch"] {
        let aside = version.join(format!("vivarium.aside.1.{name}"));
        fs::rename(aside, version.join(name)).expect("given its name again");
    }
    fs::write(path, good).expect("restored from a copy");
    fs::remove_file(version.join("vivarium.history-lost")).expect("removed");
    server.start();
    all_have_it_again(&cluster);
}

/// The other way out that they name.
#[test]
fn one_of_two_damaged_members_may_begin_with_nothing_if_the_operator_says_so() {
    let (mut cluster, _) = two_damaged_of_three();
    let server = &mut cluster.servers[1];
    says(server, "nobody can lead");
    server.kill();
    fs::rename(server.data().join("version-2"), server.directory.join("damaged")).expect("moved");
    server.start();
    all_have_it_again(&cluster);
}

fn adler32(bytes: &[u8]) -> u32 {
    let (mut low, mut high) = (1_u32, 0_u32);
    for byte in bytes {
        low = (low + u32::from(*byte)) % 65_521;
        high = (high + low) % 65_521;
    }
    high << 16 | low
}

/// Gives a snapshot the seals of its bytes: behind the nodes, the digest, and the last zxid.
fn seal(bytes: &mut [u8]) {
    const SEAL_BYTES: usize = 13;
    let last = bytes.len() - SEAL_BYTES;
    let digest = last - 8 - SEAL_BYTES;
    for at in [digest - 20 - SEAL_BYTES, digest, last] {
        let sum = u64::from(adler32(&bytes[..at])).to_be_bytes();
        bytes[at..at + 8].copy_from_slice(&sum);
    }
}

#[test]
fn a_snapshot_whose_tree_is_not_the_one_of_its_digest_is_refused_and_an_older_one_taken() {
    let mut cluster = Cluster::start_with(1, "snapCount=10");
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    client.create("/acknowledged", b"precious", CreateMode::Persistent).expect("created");
    let mut written = 0;
    let path = loop {
        client.set("/", b"", -1).expect("set");
        written += 1;
        let path = file(&cluster.servers[0], "snapshot.");
        if !path.ends_with("snapshot.0") {
            break path;
        }
        assert!(written < 10_000, "there is no snapshot");
    };
    // A record behind the snapshot, whose digest differs too.
    client.set("/", b"", -1).expect("set");
    let server = &mut cluster.servers[0];
    assert!(server.stop().success());

    // Every byte is as it was written, but that is not what was in the tree.
    let mut bytes = fs::read(&path).expect("it is there");
    let good = bytes.clone();
    seal(&mut bytes);
    assert!(bytes == good, "these are its seals");
    let data = bytes.windows(8).position(|bytes| bytes == b"precious").expect("it is in it");
    bytes[data] ^= 1;
    seal(&mut bytes);
    fs::write(&path, &bytes).expect("written");
    let before = files(&server.data());
    let name = path.display().to_string();
    let words = [&*name, "its tree has digest 0x", "had 0x", "move this file away"];
    ends_with(server, 1, &words);
    assert!(files(&server.data()) == before, "nothing may be overwritten");

    fs::remove_file(&path).expect("moved away");
    server.start();
    cluster.wait_until_all_serve();
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    assert_eq!(&client.get("/acknowledged", false).expect("it is there").0[..], b"precious");
}

/// The records of a log: where each begins, and how long its transaction is.
fn records(log: &[u8]) -> Vec<(usize, usize)> {
    let (mut at, mut found) = (16, Vec::new());
    loop {
        let length = u32::from_be_bytes(log[at + 8..at + 12].try_into().expect("four bytes"));
        if length == 0 {
            return found;
        }
        found.push((at, length as usize));
        at += 12 + length as usize + 1;
    }
}

/// Lets a record say that the leader's tree had another digest; it is whole all the same.
fn falsify_digest(log: &mut [u8], (at, length): (usize, usize)) {
    let end = at + 12 + length;
    log[end - 1] ^= 1;
    let sum = u64::from(adler32(&log[at + 12..end])).to_be_bytes();
    log[at..at + 8].copy_from_slice(&sum);
}

#[test]
fn nothing_behind_a_transaction_that_stops_the_server_is_kept_in_a_snapshot() {
    let mut cluster = Cluster::start(1);
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    for value in 0..50 {
        client.create(&format!("/n{value}"), b"", CreateMode::Persistent).expect("created");
    }
    let server = &mut cluster.servers[0];
    server.kill();
    let path = file(server, "log.");
    let mut bytes = fs::read(&path).expect("it is there");
    let all = records(&bytes);
    falsify_digest(&mut bytes, all[all.len() - 40]);
    fs::write(&path, &bytes).expect("written");
    let started = server.log().len();
    // A snapshot is due after a few transactions.
    let settings = configuration(&server.directory);
    let text = fs::read_to_string(&settings).expect("zoo.cfg") + "\nsnapCount=20\n";
    fs::write(&settings, text).expect("written");
    ends_with(server, 1, &["after transaction 0x", "its leader's had 0x"]);
    let is_snapshot = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|it| it.contains("snapshot"))
    };
    let snapshots: Vec<_> = paths(&server.data()).into_iter().filter(is_snapshot).collect();
    assert!(matches!(&snapshots[..], [one] if one.ends_with("snapshot.0")), "{snapshots:?}");
    assert!(!server.log()[started..].contains("clients are served"), "{}", server.log());
}

#[test]
fn a_server_whose_tree_is_not_the_leaders_stops_unless_digests_are_switched_off() {
    let mut cluster = Cluster::start(1);
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    for value in 0..5 {
        client.create(&format!("/n{value}"), b"", CreateMode::Persistent).expect("created");
    }
    let server = &mut cluster.servers[0];
    server.kill();
    let path = file(server, "log.");
    let mut bytes = fs::read(&path).expect("it is there");
    let last = *records(&bytes).last().expect("there is one");
    falsify_digest(&mut bytes, last);
    fs::write(&path, &bytes).expect("written");
    let words = [
        "after transaction 0x",
        "the tree has digest 0x",
        "its leader's had 0x",
        "move both version-2 directories away",
        "digest.enabled=false",
    ];
    ends_with(server, 1, &words);

    let settings = configuration(&server.directory);
    let text = fs::read_to_string(&settings).expect("zoo.cfg") + "\ndigest.enabled=false\n";
    fs::write(&settings, text).expect("written");
    server.start();
    cluster.wait_until_all_serve();
    client.reconnect().expect("the session lives");
    assert!(client.exists("/n4", false).expect("it serves").is_some());
}

#[test]
fn a_directory_belongs_to_one_server() {
    let mut cluster = Cluster::start(1);
    let twin = cluster.servers[0].directory.join("twin.cfg");
    let text = fs::read_to_string(configuration(&cluster.servers[0].directory)).expect("zoo.cfg");
    fs::write(&twin, text).expect("written");
    let output = Command::new(VIVARIUM).arg("server").arg(&twin).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("another one holds it"), "{said}");
    assert!(cluster.servers[0].stop().success(), "the one that holds it is undisturbed");
}

#[test]
fn a_server_whose_disk_is_full_says_so_and_stops_and_the_others_go_on() {
    let mut cluster = Cluster::new(3, "preAllocSize=64");
    let full = 1;
    for (index, server) in cluster.servers.iter_mut().enumerate() {
        if index == full {
            // Files of at most 1024 blocks of 512 bytes; to write more is an error, not a signal.
            let mut limited = Command::new("sh");
            limited.args(["-c", "trap '' XFSZ; ulimit -f 1024; exec \"$0\" \"$@\"", VIVARIUM]);
            server.start_by(limited);
        } else {
            server.start();
        }
    }
    cluster.wait_until_all_serve();
    let mut addresses = cluster.addresses();
    addresses.remove(full);
    let load = Load::start(&addresses, 2);
    let mut client = Client::connect(&addresses, TIMEOUT);
    client.create("/large", b"", CreateMode::Persistent).expect("created");
    for _ in 0..20 {
        if client.set("/large", &[1; 64 << 10], -1).is_err() {
            client.reconnect().expect("the session lives");
        }
    }
    let server = &mut cluster.servers[full];
    assert_eq!(server.ended().code(), Some(1));
    let log = server.log();
    let last = log.lines().last().expect("it says why");
    for words in ["error: ", "version-2/log.", "File too large"] {
        assert!(last.contains(words), "{words} is not in: {last}");
    }
    load.wait_for_progress(100);
    // There is room again.
    server.start();
    cluster.wait_until_all_serve();
    check_everything(&cluster.addresses(), load.stop());
}

#[test]
fn a_wrong_configuration_is_answered_with_key_value_and_what_is_allowed() {
    for (settings, words) in [
        ("tickTime=soon", ["tickTime", "soon", "milliseconds"]),
        ("tickTime=0", ["tickTime", "0", "1"]),
        ("clientPort=99999", ["clientPort", "99999", "65535"]),
        ("server.1=127.0.0.1", ["server.1", "127.0.0.1", "quorumPort"]),
        ("secureClientPort=2281", ["secureClientPort", "ssl.trustStore.location", "not set"]),
        ("forceSync=maybe", ["forceSync", "maybe", "yes"]),
    ] {
        let mut cluster = Cluster::new(1, settings);
        ends_with(&mut cluster.servers[0], 2, &words);
        assert!(!cluster.servers[0].data().join("version-2").exists(), "nothing was begun");
    }
    let mut cluster = Cluster::new(3, "");
    let server = &mut cluster.servers[0];
    fs::write(server.data().join("myid"), "first\n").expect("written");
    ends_with(server, 2, &["myid", "first"]);
    fs::write(server.data().join("myid"), "9\n").expect("written");
    ends_with(server, 2, &["myid", "9"]);
}
