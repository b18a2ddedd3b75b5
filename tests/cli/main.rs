//! The operator's commands as a user meets them: the binary, its messages and exit statuses.

mod bench;
mod ensemble;
mod evidence;
mod fake;
#[cfg(feature = "checker")]
mod history;

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Output};

const COMMANDS: &[&str] = match cfg!(feature = "checker") {
    true => &["server", "ensemble", "bench", "evidence", "history"],
    false => &["server", "ensemble", "bench"],
};

fn vivarium(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vivarium"));
    command.args(arguments).output().expect("the binary runs")
}

/// Runs a command line that must fail with this status; answers its standard error.
fn refused(status: i32, arguments: &[&str]) -> String {
    let output = vivarium(arguments);
    let text = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {text}");
    assert!(output.stdout.is_empty(), "{arguments:?}: errors go to standard error");
    text
}

#[test]
fn every_command_explains_itself_with_examples_and_exit_statuses() {
    for command in COMMANDS {
        let help = vivarium(&[command, "--help"]);
        assert_eq!(help.status.code(), Some(0));
        let text = String::from_utf8(help.stdout).expect("UTF-8");
        assert!(text.contains(&format!("Examples:\n  vivarium {command} ")), "{text}");
        assert!(text.contains("Exit status:\n  0    "), "{text}");
        assert!(!text.contains("--stop-with-stdin"), "what programs use is not shown to people");
    }
}

#[test]
fn values_out_of_range_are_usage_errors_that_name_the_range() {
    for (arguments, say) in [
        (&["server"][..], "<CONFIG>"),
        (
            &["server", "zoo.cfg", "--log", "loud"],
            "[possible values: error, warn, info, debug, trace]",
        ),
        (&["ensemble", "--servers", "0"], "0 is not in 1..=25"),
        (&["ensemble", "--servers", "many"], "invalid digit"),
        (&["ensemble", "--client-port", "65536"], "65536 is not in 1..=65535"),
        (&["ensemble", "--client-port", "0"], "0 is not in 1..=65535"),
        (&["ensemble", "--tick-time", "0"], "0 is not in 1..=3600000"),
        (&["ensemble", "--data", "a\nb"], "without control characters"),
        (&["bench"], "<CONNECT_STRING>"),
        (
            &["bench", "localhost:port"],
            "CONNECT_STRING: found `localhost:port`, allowed: host, host:port",
        ),
        (&["bench", "localhost", "--op", "del"], "[possible values: set, get, mix, create]"),
        (&["bench", "localhost", "--reads", "101"], "101 is not in 0..=100"),
        (&["bench", "localhost", "--path", "x/"], "--path: found `x/`, allowed: an absolute path"),
        (&["bench", "localhost", "--seconds", "0"], "0 is not in 1..=1000000"),
    ] {
        let text = refused(2, arguments);
        assert!(text.contains(say), "{arguments:?}: {text}");
    }
}

#[test]
fn a_configuration_that_cannot_be_used_says_file_line_key_and_rule() {
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("zoo.cfg");
    let path = file.to_str().expect("UTF-8");
    for (text, say) in [
        ("tickTime=2000\n", "dataDir is not set: "),
        (
            "dataDir=/d\n\n# ticks\ntickTime=2s\n",
            "line 4: tickTime: found `2s`, allowed: a whole number ",
        ),
        (
            "dataDir=/d\nssl.crl=true\n",
            "line 2: ssl.crl=true is not supported: no list of revoked certificates ",
        ),
        (
            "dataDir=/d\nserver.1=localhost\n",
            "line 2: server.1: found `localhost`, allowed: host:quorumPort:",
        ),
    ] {
        fs::write(&file, text).expect("writes");
        let error = refused(2, &["server", path]);
        assert!(error.starts_with(&format!("error: {path}: {say}")), "{text}: {error}");
    }
    let missing = place.path().join("none.cfg");
    let missing = missing.to_str().expect("UTF-8");
    assert!(refused(2, &["server", missing]).starts_with(&format!("error: {missing}: ")));
}

#[test]
fn a_warning_about_the_configuration_is_printed_once() {
    let place = tempfile::tempdir().expect("a directory");
    let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (file, port) = (place.path().join("zoo.cfg"), holder.local_addr().expect("bound").port());
    let data = place.path().join("data");
    let text = format!(
        "dataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\njmx.log4j.disable=true\n",
        data.display()
    );
    fs::write(&file, text).expect("writes");
    // It gets as far as its client port, which somebody has.
    let said = refused(1, &["server", file.to_str().expect("UTF-8")]);
    let warning = "line 4: jmx.log4j.disable=true is ignored: ";
    assert_eq!(said.matches(warning).count(), 1, "{said}");
    assert!(said.contains(&format!("cannot listen at 127.0.0.1:{port} (clientPort): ")), "{said}");
}

#[test]
fn the_myid_of_a_member_that_is_not_in_the_file_is_refused() {
    let place = tempfile::tempdir().expect("a directory");
    let (file, data) = (place.path().join("zoo.cfg"), place.path().display());
    let lines = "initLimit=5\nsyncLimit=2\nserver.1=a:2888:3888\nserver.2=b:2888:3888\n";
    fs::write(&file, format!("dataDir={data}\n{lines}")).expect("writes");
    let path = file.to_str().expect("UTF-8");
    let error = refused(2, &["server", path]);
    assert!(error.starts_with(&format!("error: {data}/myid: ")), "{error}");
    fs::write(place.path().join("myid"), "3\n").expect("writes");
    let error = refused(2, &["server", path]);
    assert!(
        error.contains(
            "found `3`, allowed: the id of a server line, of which there are server.1, server.2"
        ),
        "{error}"
    );
}

#[test]
fn an_ensemble_names_the_port_that_is_in_use() {
    let place = tempfile::tempdir().expect("a directory");
    let data = place.path().join("data");
    let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = holder.local_addr().expect("bound").port().to_string();
    let arguments = ["ensemble", "--servers", "1", "--client-port", &port, "--data"];
    let arguments: Vec<&str> = arguments.into_iter().chain(data.to_str()).collect();
    let error = refused(1, &arguments);
    assert!(
        error.starts_with(&format!("error: server 1 cannot have client port {port}: ")),
        "{error}"
    );
    assert!(!data.exists(), "nothing is written for an ensemble that does not start");
}
