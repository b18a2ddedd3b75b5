//! Apache ZooKeeper and this crate start from each other's directories.

mod common;

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Dir, create, empty_tree, open, snapshot};
use store::{Compression, Os, Recovered};
use wire::snapshot::Item;

const JAR: &str = "/usr/share/java/zookeeper.jar";

fn golden() -> Dir {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/apache-3.8.0/version-2");
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::create_dir(dir.path().join("version-2")).expect("created");
    for file in fs::read_dir(from).expect("checked in") {
        let file = file.expect("checked in");
        fs::copy(file.path(), dir.path().join("version-2").join(file.file_name())).expect("copied");
    }
    Dir(dir)
}

/// Paths in a snapshot, the root as "".
fn paths(recovered: &Recovered<Os>) -> Vec<String> {
    let mut paths = Vec::new();
    for item in recovered.snapshot.as_ref().expect("there is one").items().expect("read once") {
        match item.expect("read once") {
            Item::Node(node) => paths.push(node.path),
            Item::Session(_) | Item::Acl(_) => {}
        }
    }
    paths.sort();
    paths
}

#[test]
fn every_snapshot_that_apache_wrote_is_read_and_its_log_leads_to_the_end() {
    let dir = golden();
    let built_in = ["", "/zookeeper", "/zookeeper/config", "/zookeeper/quota"];
    let first = ["/a", "/a/b", "/a/s-0000000001", "/acl"];
    // Newest first: plain, snappy, gzip, and the one of the empty tree.
    for (name, zxid, own) in [
        ("snapshot.11", 0x11, [&first[..], &["/second", "/third"]].concat()),
        ("snapshot.e.snappy", 0xe, [&first[..], &["/second"]].concat()),
        ("snapshot.a.gz", 0xa, first.to_vec()),
        ("snapshot.0", 0, vec![]),
    ] {
        let (_, recovered) = dir.open().unwrap_or_else(|error| panic!("{name}: {error}"));
        let found = recovered.snapshot.as_ref().expect("there is one");
        assert_eq!((found.path(), found.zxid()), (&*dir.path(name), zxid));
        let digest = found.tail().digest.expect("3.8 writes digests");
        assert_eq!((digest.zxid, digest.version), (zxid, 2));
        assert_eq!(found.tail().last_zxid, None, "3.8 does not write it");
        let mut wanted: Vec<_> = built_in.iter().copied().chain(own).collect();
        wanted.sort_unstable();
        assert_eq!(paths(&recovered), wanted, "{name}");
        assert_eq!(recovered.last(), 0x13, "{name}");
        let zxids: Vec<_> = recovered.log.iter().map(|entry| entry.zxid).collect();
        assert_eq!(zxids, (zxid + 1..=0x13).collect::<Vec<_>>(), "{name}");
        assert_eq!((recovered.accepted, recovered.current), (0, 0), "standalone has no epochs");
        assert_eq!(recovered.repairs, []);
        fs::remove_file(dir.path(name)).expect("removed");
    }
}

#[test]
fn a_damaged_snapshot_of_apaches_leads_to_the_one_before() {
    for (name, used) in [("snapshot.11", 0xe), ("snapshot.e.snappy", 0x11)] {
        let dir = golden();
        let mut bytes = dir.read(name);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        dir.write(name, &bytes);
        let (_, recovered) = dir.open().expect("there is another");
        assert_eq!(
            recovered.snapshot.as_ref().map(store::SnapshotFile::zxid),
            Some(used),
            "{name}"
        );
        assert_eq!(recovered.last(), 0x13);
    }
}

#[test]
fn the_log_goes_on_where_apache_stopped() {
    let dir = golden();
    let (mut store, recovered) = dir.open().expect("Apache's directory");
    assert_eq!(store.last(), recovered.last());
    store
        .append(0x14, &create(0x14, "/fourth", "4"))
        .and_then(|()| store.sync())
        .expect("appended");
    assert!(dir.has("log.14"));
    drop(store);
    assert_eq!(dir.open().expect("our directory").1.last(), 0x14);
}

#[test]
fn apache_starts_from_our_directory_and_we_from_the_one_it_leaves() {
    let Some(reason) = missing() else {
        for compression in [Compression::None, Compression::Gzip, Compression::Snappy] {
            there_and_back(compression);
        }
        return;
    };
    let required = std::env::var("VIVARIUM_CLIENTS").is_ok_and(|value| value == "required");
    assert!(!required, "VIVARIUM_CLIENTS=required, and {reason}");
    println!("skipped: {reason}");
}

/// Why this test cannot run here.
fn missing() -> Option<String> {
    if !Path::new(JAR).exists() {
        return Some(format!("{JAR} is absent; Debian's package zookeeper has it"));
    }
    let java = Command::new("java").arg("-version").stderr(Stdio::null()).status();
    (!java.is_ok_and(|status| status.success())).then(|| "there is no java".to_owned())
}

fn there_and_back(compression: Compression) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (mut store, _) = open(dir.path(), compression).expect("a fresh directory");
    snapshot(&store, 0, &empty_tree());
    for zxid in 1..=3 {
        store.append(zxid, &create(zxid, &format!("/ours{zxid}"), "x")).expect("appended");
    }
    store.roll().expect("rolled");
    for zxid in 4..=5 {
        store.append(zxid, &create(zxid, &format!("/ours{zxid}"), "x")).expect("appended");
    }
    store.truncate(4).expect("cut");
    drop(store);
    let apache = Apache::start(dir.path());
    let srvr = apache.ask("srvr").expect("it runs");
    assert!(srvr.contains("Zxid: 0x4\n"), "{compression:?}: {srvr}");
    // Four of ours, /zookeeper, config, quota, and the root twice.
    assert!(srvr.contains("Node count: 9\n"), "{compression:?}: {srvr}");
    let theirs = apache.create("/theirs");
    drop(apache);
    let (mut store, recovered) = open(dir.path(), compression).expect("Apache's directory");
    assert_eq!(recovered.last(), theirs);
    // It takes a snapshot when it starts.
    assert_eq!(recovered.snapshot.as_ref().map(store::SnapshotFile::zxid), Some(4));
    assert!(paths(&recovered).contains(&"/ours4".to_owned()));
    assert_eq!(recovered.repairs, []);
    let again = theirs + 1;
    store
        .append(again, &create(again, "/again", ""))
        .and_then(|()| store.sync())
        .expect("appended");
    drop(store);
    let srvr = Apache::start(dir.path()).ask("srvr").expect("it runs");
    assert!(srvr.contains(&format!("Zxid: 0x{again:x}\n")), "{compression:?}: {srvr}");
}

/// A running Apache ZooKeeper, standalone, killed on drop.
struct Apache {
    child: Child,
    address: SocketAddr,
    _conf: PathBuf,
}

impl Apache {
    fn start(data: &Path) -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr());
        let address = port.expect("a free port");
        let conf = data.join("zoo.cfg");
        let text = format!(
            "tickTime=2000\ndataDir={}\nclientPort={}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n\
             4lw.commands.whitelist=*\n",
            data.display(),
            address.port()
        );
        fs::write(&conf, text).expect("written");
        let child = Command::new("java")
            .args(["-Xmx128m", "-Dzookeeper.preAllocSize=64", "-cp", JAR])
            .arg("org.apache.zookeeper.server.ZooKeeperServerMain")
            .arg(&conf)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("java starts");
        let apache = Self { child, address, _conf: conf };
        apache.until(|apache| {
            apache.ask("srvr").is_ok_and(|answer| answer.contains("Mode: standalone")).then_some(())
        });
        apache
    }

    /// Tries until it works. It is another process: there is nothing to wait for but time.
    fn until<T>(&self, mut attempt: impl FnMut(&Self) -> Option<T>) -> T {
        let patience = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(answer) = attempt(self) {
                return answer;
            }
            assert!(
                Instant::now() < patience,
                "Apache ZooKeeper does not start, or does not answer"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        Ok(stream)
    }

    fn ask(&self, word: &str) -> io::Result<String> {
        let mut stream = self.connect()?;
        stream.write_all(word.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// Creates a node in a session of its own, and answers with the zxid. ZooKeeper 3.8 forgets a
    /// connect request that comes while it starts, so the session is asked for until there is one.
    fn create(&self, path: &str) -> u64 {
        let connect =
            [&[0; 12][..], &30_000_i32.to_be_bytes(), &[0; 8], &16_i32.to_be_bytes(), &[0; 17]]
                .concat();
        let mut stream = self.until(|apache| {
            let mut stream = apache.connect().ok()?;
            frame(&mut stream, &connect).ok().map(|_| stream)
        });
        let mut request = [1_i32.to_be_bytes(), 1_i32.to_be_bytes()].concat();
        request.extend_from_slice(&(path.len() as u32).to_be_bytes());
        request.extend_from_slice(path.as_bytes());
        request.extend_from_slice(
            b"\0\0\0\x01x\0\0\0\x01\0\0\0\x1f\0\0\0\x05world\0\0\0\x06anyone\0\0\0\0",
        );
        let reply = frame(&mut stream, &request).expect("an answer");
        assert_eq!(reply[12..16], [0; 4], "the error of the reply");
        u64::from_be_bytes(reply[4..12].try_into().expect("eight bytes"))
    }
}

/// Sends a frame and reads the answer's.
fn frame(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(&[&(bytes.len() as u32).to_be_bytes(), bytes].concat())?;
    let mut len = [0; 4];
    stream.read_exact(&mut len)?;
    let mut answer = vec![0; u32::from_be_bytes(len) as usize];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

impl Drop for Apache {
    fn drop(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it was killed");
    }
}
