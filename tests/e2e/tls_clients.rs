//! Clients that others wrote, over TLS with certificates of their own.

use std::process::Command;
use std::time::Duration;

use wire::client::CreateMode;

use crate::authority::{Authority, Identity};
use crate::client::Client;
use crate::clients::{Needs, python};
use crate::cluster::{Cluster, free_port};
use crate::program::Program;

/// Three servers with a secure port each.
struct Secured {
    cluster: Cluster,
    ports: Vec<u16>,
    authority: Authority,
}

impl Secured {
    fn start(settings: &str) -> Self {
        let (authority, ports) = (Authority::new(), [free_port(), free_port(), free_port()]);
        let own = authority.issue("server", &["127.0.0.1", "localhost"]);
        let mut cluster = Cluster::new(3, settings);
        for (server, port) in cluster.servers.iter().zip(ports) {
            let keys = authority.keys("ssl.", &own);
            server.configure(&format!("secureClientPort={port}\n{keys}"));
        }
        for server in &mut cluster.servers {
            server.start();
        }
        cluster.wait_until_all_serve();
        Self { cluster, ports: ports.to_vec(), authority }
    }

    fn connect_string(&self) -> String {
        let ports = self.ports.iter().map(|port| format!("127.0.0.1:{port}"));
        ports.collect::<Vec<_>>().join(",")
    }

    /// A client that is told how to say things goes on while each server dies.
    fn keeps(mut self, mut client: Program, say: impl Fn(&str, &str) -> [String; 2]) {
        for victim in 0..3 {
            self.cluster.servers[victim].kill();
            let value = format!("value{victim}");
            let [command, answer] = say("/theirs", &value);
            client.ask(&command, &answer);
            let mut own = Client::connect(&self.running(), Duration::from_secs(30));
            own.sync().expect("synced");
            assert_eq!(own.get("/theirs", false).expect("it serves").0, value.as_bytes());
            self.cluster.servers[victim].start();
            self.cluster.wait_until_all_serve();
        }
    }

    fn running(&self) -> Vec<std::net::SocketAddr> {
        let running = self.cluster.servers.iter().filter(|server| server.runs());
        running.map(crate::cluster::Server::address).collect()
    }

    fn prepare(&self) {
        let mut own = Client::connect(&self.cluster.addresses(), Duration::from_secs(30));
        own.create("/theirs", b"", CreateMode::Persistent).expect("created");
    }
}

fn kazoo(secured: &Secured, identity: Option<&Identity>) -> Command {
    let mut command = python();
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/kazoo_commands.py"));
    command.arg(secured.connect_string()).arg(secured.authority.trust_store());
    if let Some(Identity { key, certificate, .. }) = identity {
        command.args([certificate, key]);
    }
    command
}

#[test]
fn kazoo_goes_on_over_tls_with_its_certificate_through_the_death_of_any_server() {
    if !Needs::Kazoo.is_met() {
        return;
    }
    let secured = Secured::start("");
    secured.prepare();
    let anne = secured.authority.issue("anne", &[]);
    let mut client = Program::start(kazoo(&secured, Some(&anne)));
    client.ask("ephemeral /mine x", "created /mine");
    secured.keeps(client, |path, value| [format!("set {path} {value}"), "version".to_owned()]);
}

#[test]
fn kazoo_without_a_certificate_is_served_where_none_is_needed() {
    if !Needs::Kazoo.is_met() {
        return;
    }
    let secured = Secured::start("ssl.clientAuth=want\n");
    secured.prepare();
    let mut client = Program::start(kazoo(&secured, None));
    client.ask("set /theirs x", "version 1");
    client.ask("get /theirs", "value x");
}

#[test]
fn zookeepers_java_client_goes_on_over_tls_through_the_death_of_any_server() {
    if !Needs::Java.is_met() {
        return;
    }
    let secured = Secured::start("");
    secured.prepare();
    let anne = secured.authority.issue("anne", &[]);
    let mut command = Command::new("java");
    let store = |kind: &str, path: &std::path::Path| {
        format!("-Dzookeeper.ssl.{kind}.location={}", path.display())
    };
    command.args([
        "-Xmx128m",
        "-Dzookeeper.client.secure=true",
        "-Dzookeeper.clientCnxnSocket=org.apache.zookeeper.ClientCnxnSocketNetty",
        &store("keyStore", &anne.store),
        &store("trustStore", &secured.authority.trust_store()),
        "-cp",
        "/usr/share/java/*",
        "org.apache.zookeeper.ZooKeeperMain",
        "-server",
        &secured.connect_string(),
    ]);
    let client = Program::start(command);
    let start = client.mark();
    client.expect(start, "SyncConnected");
    secured.keeps(client, |path, value| {
        [format!("set -s {path} {value}"), "dataVersion = ".to_owned()]
    });
}
