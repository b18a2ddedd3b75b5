//! Clients that others wrote, unmodified: kazoo, and ZooKeeper's command lines in Java and in C.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use wire::client::CreateMode;

use crate::client::Client;
use crate::cluster::{Cluster, wait_until};
use crate::program::Program;

const TIMEOUT: Duration = Duration::from_secs(30);

/// Something of which a test needs what is not part of this repository.
pub(crate) enum Needs {
    /// kazoo, in the Python that `VIVARIUM_PYTHON` names, or `python3`.
    Kazoo,
    /// Apache ZooKeeper's Java classes, and a Java.
    Java,
    /// Its command line in C.
    C,
    /// Prometheus's tool that reads metrics.
    Promtool,
}

impl Needs {
    /// True if it is here. If not, the test says so and is over; with `VIVARIUM_CLIENTS=required`
    /// it fails.
    pub(crate) fn is_met(&self) -> bool {
        let Some(reason) = self.missing() else {
            return true;
        };
        let required = std::env::var("VIVARIUM_CLIENTS").is_ok_and(|value| value == "required");
        assert!(!required, "VIVARIUM_CLIENTS=required, and {reason}");
        println!("skipped: {reason}");
        false
    }

    fn missing(&self) -> Option<String> {
        match self {
            Self::Kazoo => {
                let here = succeeds(python().args(["-c", "import kazoo"]));
                (!here).then(|| {
                    format!("{:?} has no kazoo (pip install kazoo)", python().get_program())
                })
            }
            Self::Java => [ZK_CLI, ZK_JAR]
                .into_iter()
                .find(|path| !Path::new(path).exists())
                .map(|path| format!("{path} is absent (Debian's package zookeeper has it)"))
                .or_else(|| {
                    let here = succeeds(Command::new("java").arg("-version"));
                    (!here).then(|| "there is no java".to_owned())
                }),
            Self::Promtool => {
                let here = succeeds(Command::new("promtool").arg("--version"));
                (!here).then(|| "there is no promtool (Debian's package prometheus)".to_owned())
            }
            Self::C => c_clients().is_empty().then(|| {
                format!("{C_CLIENTS:?} are absent (Debian's package zookeeper-bin has cli_mt)")
            }),
        }
    }
}

pub(crate) const ZK_JAR: &str = "/usr/share/java/zookeeper.jar";
pub(crate) const ZK_CLI: &str = "/usr/share/zookeeper/bin/zkCli.sh";
const C_CLIENTS: [&str; 2] = ["/usr/lib/zookeeper/bin/cli_mt", "/usr/lib/zookeeper/bin/cli_st"];

/// The C client with threads, and the one without, as far as they are here.
fn c_clients() -> Vec<&'static str> {
    C_CLIENTS.into_iter().filter(|path| Path::new(path).exists()).collect()
}

pub(crate) fn python() -> Command {
    Command::new(std::env::var_os("VIVARIUM_PYTHON").unwrap_or_else(|| "python3".into()))
}

fn succeeds(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// How a program is asked, and what it answers. A command is a line; of the answer, a part of a
/// line that no other answer has.
struct Tongue {
    connected: &'static str,
    /// path
    ephemeral: fn(&str) -> [String; 2],
    /// path, the value that is there: a read that leaves a watch
    watch: fn(&str, &str) -> [String; 2],
    /// path: what is said when the value changes
    event: fn(&str) -> String,
    /// path, the value that is there
    get: fn(&str, &str) -> [String; 2],
    /// path, value; of the node version 1
    set: fn(&str, &str) -> [String; 2],
}

/// Creates, reads, watches, writes; and goes on so while each of the servers dies in turn, with its
/// session.
fn goes_on_through_the_death_of_any_server(tongue: &Tongue, program: impl Fn(&str) -> Command) {
    let mut cluster = Cluster::start(3);
    let mut client = Program::start(program(&cluster.connect_string()));
    let start = client.mark();
    client.expect(start, tongue.connected);
    let [command, answer] = (tongue.ephemeral)("/mine");
    client.say(&command);
    client.expect(start, &answer);

    let mut own = Client::connect(&cluster.addresses(), TIMEOUT);
    own.sync().expect("synced");
    let mine = own.exists("/mine", false).expect("it serves").expect("it was created");
    assert_ne!(mine.ephemeral_owner, 0);

    // One of them is the one that it is connected to, and one leads.
    for victim in 0..3 {
        let (path, value) = (format!("/watched{victim}"), format!("before{victim}"));
        own.create(&path, value.as_bytes(), CreateMode::Persistent).expect("created");
        let [command, answer] = (tongue.watch)(&path, &value);
        client.ask(&command, &answer);

        let since = client.mark();
        cluster.servers[victim].kill();
        let value = format!("after{victim}");
        while own.set(&path, value.as_bytes(), 0).is_err() {
            own.reconnect().expect("the session lives");
            if own.get(&path, false).is_ok_and(|(data, _)| data == value.as_bytes()) {
                break;
            }
        }
        client.expect(since, &(tongue.event)(&path));
        let [command, answer] = (tongue.get)(&path, &value);
        client.ask(&command, &answer);
        let value = format!("theirs{victim}");
        let [command, answer] = (tongue.set)(&path, &value);
        client.ask(&command, &answer);
        wait_until("its write is there", || {
            own.sync().expect("synced");
            own.get(&path, false).expect("it serves").0 == value.as_bytes()
        });
        let still = own.exists("/mine", false).expect("it serves").expect("its session lives");
        assert_eq!(still.ephemeral_owner, mine.ephemeral_owner);

        cluster.servers[victim].start();
        cluster.wait_until_all_serve();
    }
}

#[test]
fn kazoo_goes_on_through_the_death_of_any_server() {
    if !Needs::Kazoo.is_met() {
        return;
    }
    let tongue = Tongue {
        connected: "connected",
        ephemeral: |path| [format!("ephemeral {path} x"), format!("created {path}")],
        watch: |path, value| [format!("watch {path}"), format!("watching {path} {value}")],
        event: |path| format!("changed {path}"),
        get: |path, value| [format!("get {path}"), format!("value {value}")],
        set: |path, value| [format!("set {path} {value}"), "version".to_owned()],
    };
    goes_on_through_the_death_of_any_server(&tongue, |servers| {
        let mut command = python();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/kazoo_commands.py");
        command.args([script, servers]);
        command
    });
}

#[test]
fn zookeepers_java_command_line_goes_on_through_the_death_of_any_server() {
    if !Needs::Java.is_met() {
        return;
    }
    let tongue = Tongue {
        connected: "state:SyncConnected type:None",
        ephemeral: |path| [format!("create -e {path} x"), format!("Created {path}")],
        watch: |path, value| [format!("get -w {path}"), value.to_owned()],
        event: |path| format!("type:NodeDataChanged path:{path}"),
        get: |path, value| [format!("get {path}"), value.to_owned()],
        set: |path, value| [format!("set -s {path} {value}"), "dataVersion = ".to_owned()],
    };
    goes_on_through_the_death_of_any_server(&tongue, |servers| {
        let mut command = Command::new(ZK_CLI);
        command.args(["-server", servers]);
        command
    });
}

#[test]
fn zookeepers_c_command_line_goes_on_through_the_death_of_any_server() {
    if !Needs::C.is_met() {
        return;
    }
    let tongue = Tongue {
        connected: "CONNECTED_STATE",
        ephemeral: |path| [format!("create +e {path}"), format!("name = {path}")],
        // Its plain `get` leaves a watch.
        watch: |path, value| [format!("get {path}"), value.to_owned()],
        event: |path| format!("CHANGED_EVENT state = CONNECTED_STATE for path {path}"),
        get: |path, value| [format!("get {path}"), value.to_owned()],
        set: |path, value| [format!("set {path} {value}"), format!("{path}: rc = 0")],
    };
    for client in c_clients() {
        println!("{client}");
        goes_on_through_the_death_of_any_server(&tongue, |servers| {
            // Into a pipe it would speak in blocks.
            let mut command = Command::new("stdbuf");
            command.args(["-oL", client, servers]);
            command
        });
    }
}

/// The Python lines of the README's first session.
fn first_session() -> String {
    let readme = include_str!("../../README.md");
    let begin = readme.find("    from kazoo.client import").expect("the README has it");
    let lines = readme[begin..].lines().take_while(|line| line.starts_with("    "));
    lines.map(|line| format!("{}\n", &line[4..])).collect()
}

#[test]
fn kazoo_does_the_readmes_first_session() {
    if !Needs::Kazoo.is_met() {
        return;
    }
    let cluster = Cluster::start(3);
    let there = "127.0.0.1:2181,127.0.0.1:2182,127.0.0.1:2183";
    let session = first_session();
    assert!(session.contains(there) && session.contains("zk.stop()"), "{session}");
    let session = session.replace(there, &cluster.connect_string());
    let output = python().args(["-c", &session]).output().expect("python runs");
    let (said, complaints) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{session}\n{said}\n{complaints}");
    assert!(
        said.contains("type='CHANGED'") && said.contains("path='/lamp'"),
        "{said}\n{complaints}"
    );
    let mut own = Client::connect(&cluster.addresses(), TIMEOUT);
    own.sync().expect("synced");
    assert!(own.exists("/lamp", false).expect("it serves").is_none());
}
