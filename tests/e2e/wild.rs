//! Configuration files as images, operators, playbooks and tutorials write them, each given to a
//! real server: `src/server/tests/wild`. A server alone serves; a member of three starts, listens
//! and waits for the others.

use std::fs;
use std::net::TcpStream;
use std::path::Path;

use crate::cluster::{Cluster, Server, configuration, free_port, wait_until};

const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/server/tests/wild");

const STORES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/server/src/tls/testdata");

/// One server's directory with a file of the wild in it.
struct Wild {
    cluster: Cluster,
    /// What the refusal has to say; `None`: the server starts.
    refusal: Option<String>,
    /// Where clients connect: with TLS alone, if the file says so.
    port: u16,
    is_secure: bool,
}

impl Wild {
    fn new(path: &Path) -> Self {
        let cluster = Cluster::new(1, "");
        let server = &cluster.servers[0];
        let text = fs::read_to_string(path).expect("text");
        let expected = text.lines().find_map(|line| line.strip_prefix("# expected: "));
        let expected = expected.unwrap_or_else(|| panic!("{path:?}: nothing is expected"));
        let refusal = expected.strip_prefix("refused: ").map(str::to_owned);
        let secure = free_port();
        let dynamic = server.directory.join("zoo.cfg.dynamic");
        let member = |sid: usize| {
            let ports = if sid == 1 { (server.quorum_port, server.election_port) } else { ends() };
            format!("127.0.0.1:{}:{}", ports.0, ports.1)
        };
        let members = [member(1), member(2), member(3)];
        let line = |sid: usize| {
            format!("server.{sid}={}:participant;{}\n", members[sid - 1], server.client_port)
        };
        fs::write(&dynamic, (1..=3).map(line).collect::<String>()).expect("written");
        fs::write(server.data().join("myid"), "1\n").expect("written");
        let filled = [
            ("{data}", server.data().display().to_string()),
            ("{client}", server.client_port.to_string()),
            ("{secure}", secure.to_string()),
            ("{admin}", free_port().to_string()),
            ("{metrics}", free_port().to_string()),
            ("{stores}", STORES.to_owned()),
            ("{dynamic}", dynamic.display().to_string()),
            ("{member.1}", members[0].clone()),
            ("{member.2}", members[1].clone()),
            ("{member.3}", members[2].clone()),
        ];
        let filled = filled.iter().fold(text, |text, (name, value)| text.replace(name, value));
        let is_secure = !filled.contains("\nclientPort=") && filled.contains("secureClientPort=");
        let is_secure = is_secure && !filled.contains("dynamicConfigFile=");
        let port = if is_secure { secure } else { server.client_port };
        fs::write(configuration(&server.directory), filled).expect("written");
        Self { cluster, refusal, port, is_secure }
    }

    fn server(&mut self) -> &mut Server {
        &mut self.cluster.servers[0]
    }

    /// Whether clients are heard.
    fn answers(&self) -> bool {
        let server = &self.cluster.servers[0];
        match self.is_secure {
            true => TcpStream::connect(("127.0.0.1", self.port)).is_ok(),
            false => server.word("srvr").is_some_and(|answer| {
                answer.contains("Mode: standalone") || answer.contains("not currently serving")
            }),
        }
    }
}

/// Two ports of a member that is not there.
fn ends() -> (u16, u16) {
    (free_port(), free_port())
}

#[test]
fn files_of_the_wild_start_or_are_refused_for_the_reason_that_holds() {
    let files = fs::read_dir(FILES).expect("they are there");
    let mut paths: Vec<_> = files.map(|file| file.expect("it is read").path()).collect();
    paths.sort();
    let (mut started, mut refused) = (0, 0);
    for path in paths {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let mut wild = Wild::new(&path);
        wild.server().start();
        if let Some(why) = wild.refusal.clone() {
            let status = wild.server().ended();
            let log = wild.server().log();
            assert_eq!(status.code(), Some(2), "{name}: {log}");
            assert!(log.contains(&why), "{name}: {log}");
            refused += 1;
            continue;
        }
        let log = wild.cluster.servers[0].log();
        wait_until(&format!("{name} answers; its log:\n{log}"), || wild.answers());
        assert!(wild.server().stop().success(), "{name}: {}", wild.server().log());
        started += 1;
    }
    println!("{started} start, {refused} are refused");
    assert!(started >= 21, "{started} start");
}
