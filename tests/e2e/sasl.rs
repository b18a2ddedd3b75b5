//! Clients that prove who they are by SASL, with the login configurations of ZooKeeper.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use wire::ErrorCode;
use wire::client::Request;

use crate::client::{Client, Failure};
use crate::clients::{Needs, ZK_CLI};
use crate::cluster::Cluster;

const USERS: &str = r#"
Server {
    org.apache.zookeeper.server.auth.DigestLoginModule required
    user_bob="secret" user_root="toor";
};
"#;

/// A directory with a login configuration, and the line by which a server takes it.
pub(crate) fn users() -> (TempDir, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = write(directory.path(), "server.jaas", USERS);
    let line = format!("java.security.auth.login.config={}\n", file.display());
    (directory, line)
}

/// What ZooKeeper's command line in Java says to one command of this user's.
fn say(directory: &Path, servers: &str, user: &str, password: &str, command: &[&str]) -> String {
    let file = write(
        directory,
        "client.jaas",
        &format!(
            "Client {{\n    org.apache.zookeeper.server.auth.DigestLoginModule required\n    \
             username=\"{user}\" password=\"{password}\";\n}};\n"
        ),
    );
    let output = Command::new(ZK_CLI)
        .env("JVMFLAGS", format!("-Djava.security.auth.login.config={}", file.display()))
        .args(["-server", servers])
        .args(command)
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
    let file = directory.join(name);
    std::fs::write(&file, text).expect("written");
    file
}

#[test]
fn javas_client_is_who_its_login_configuration_says_and_nobody_else_is_anybody() {
    if !Needs::Java.is_met() {
        return;
    }
    let (directory, users) = users();
    let cluster = Cluster::start_with(
        3,
        &format!("{users}superUser=root\nsessionRequireClientSASLAuth=true\n"),
    );
    let servers = cluster.connect_string();
    let say = |user: &str, password: &str, command: &[&str]| {
        say(directory.path(), &servers, user, password, command)
    };
    let who = say("bob", "secret", &["whoami"]);
    assert!(who.contains("state:SaslAuthenticated") && who.contains("sasl: bob"), "{who}");
    let created = say("bob", "secret", &["create", "/b", "x", "sasl:bob:cdrwa"]);
    assert!(created.contains("Created /b"), "{created}");
    let taken = say("root", "toor", &["setAcl", "/b", "sasl:root:cdrwa"]);
    assert!(taken.contains("state:SaslAuthenticated"), "{taken}");
    let lost = say("bob", "secret", &["get", "/b"]);
    assert!(lost.contains("Insufficient permission") || lost.contains("NoAuth"), "{lost}");

    let failed = say("bob", "wrong", &["whoami"]);
    assert!(failed.contains("state:AuthFailed") && !failed.contains("sasl: bob"), "{failed}");
    let mut silent = Client::connect(&cluster.addresses(), std::time::Duration::from_secs(30));
    match silent.call(&Request::WhoAmI) {
        Err(Failure::Refused(error)) => {
            assert_eq!(error, ErrorCode::SessionClosedRequireSaslAuth);
        }
        other => panic!("an error was expected, not {other:?}"),
    }
    silent.expect_end();
}
