//! `vivarium evidence`: the report, and that it speaks of the very core that the servers run.
#![cfg(all(unix, feature = "checker"))]

use crate::ensemble::{Ensemble, ports};
use crate::{refused, vivarium};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

fn report(place: &Path) -> Value {
    let text = std::fs::read_to_string(place.join("report.json")).expect("written");
    serde_json::from_str(&text).expect("JSON")
}

/// What a server says it runs: the hash behind `core ` in the first line of `srvr`.
fn core_of(address: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it serves");
    stream.write_all(b"srvr").expect("sent");
    let mut said = String::new();
    stream.read_to_string(&mut said).expect("answered");
    let first = said.lines().next().expect("a line");
    first.split_once(", core ").expect("the core is named").1.to_owned()
}

#[test]
fn the_core_of_the_report_is_the_one_that_a_server_runs() {
    let place = tempfile::tempdir().expect("a directory");
    let port = ports(15_000..15_300);
    let data = place.path().join("data");
    let mut server = Ensemble::start(&data, &["--servers", "1", "--client-port", &port]);
    let serving = server.line_with("serving in epoch");
    let address = serving.split("connect to ").nth(1).expect("an address").to_owned();

    let out = place.path().join("report");
    let path = out.to_str().expect("UTF-8");
    let output =
        vivarium(&["evidence", "--only", "checks", "--model", "broadcast-0", "--out", path]);
    let (said, progress) = (output.stdout, output.stderr);
    let (said, progress) =
        (String::from_utf8_lossy(&said), String::from_utf8_lossy(&progress).into_owned());
    assert_eq!(output.status.code(), Some(0), "{said}{progress}");
    assert!(progress.contains("  broadcast-0: ok, complete within its bounds: "), "{progress}");
    assert!(said.starts_with(&format!("{path}/report.html: nothing failed; 7 links: ")), "{said}");

    let report = report(&out);
    assert_eq!(report["identity"]["core"], core_of(&address).as_str());
    assert_eq!(report["identity"]["core_of_tree"], report["identity"]["core"]);
    assert_eq!(report["format"], "vivarium-evidence");
    let models = report["checks"]["facts"]["models"].as_array().expect("models");
    assert_eq!(models.len(), 1);
    assert_eq!(models[0]["record"]["name"], "broadcast-0");
    assert_eq!(models[0]["record"]["complete"], true);
    let statuses = report["chain"].as_array().expect("links").iter().map(|link| &link["status"]);
    let statuses: Vec<&str> = statuses.map(|status| status.as_str().expect("a word")).collect();
    assert!(!statuses.contains(&"proved"), "the proof was not rebuilt: {statuses:?}");
    assert!(statuses.contains(&"checked within bounds"), "{statuses:?}");
    let page = std::fs::read_to_string(out.join("report.html")).expect("written");
    let first = &page[..page.find("id=\"chain\"").expect("the chain")];
    assert!(first.contains("left out by --only") && first.contains("only broadcast-0 was run"));
    let files = std::fs::read_dir(&out).expect("is there").count();
    assert_eq!(files, 2, "nothing but the report is left");
}

#[test]
fn what_is_recorded_is_gathered_and_never_called_run() {
    let place = tempfile::tempdir().expect("a directory");
    let out = place.path().to_str().expect("UTF-8");
    let only = ["evidence", "--only", "flaws,ledger,mutants", "--flaws", "none", "--out", out];
    let output = vivarium(&only);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report = report(place.path());
    assert_eq!(report["flaws"]["outcome"], "recorded");
    assert_eq!(report["ledger"]["outcome"], "recorded");
    assert!(report["ledger"]["facts"]["entries"].as_array().is_some_and(|all| !all.is_empty()));
    let links = report["chain"].as_array().expect("links");
    assert!(links.iter().all(|link| link["status"] == "not run here"), "{links:?}");
}

#[test]
fn what_cannot_be_understood_is_refused_with_what_is_allowed() {
    for (arguments, say) in [
        (&["evidence", "--skip", "proof"][..], "[possible values: checks, proofs, specification, "),
        (&["evidence", "--only", "ledger", "--skip", "flaws"], "cannot be used with"),
        (&["evidence", "--flaws", "some"], "found `some`, allowed: a number, `all` or `none`"),
        (&["evidence", "--model", "Q99"], "unknown model `Q99`"),
        (&["evidence", "--tier", "slow"], "[possible values: quick, standard, deep]"),
        (&["evidence", "--runs", "/nowhere"], "--runs: found `/nowhere`, allowed: a directory"),
        (&["evidence", "--repo", "/"], "--repo: found `/`, allowed: a clone of Vivarium"),
    ] {
        let error = refused(2, arguments);
        assert!(error.contains(say), "{arguments:?}: {error}");
    }
}

#[test]
fn outside_of_a_clone_it_says_what_it_needs() {
    let place = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_vivarium"));
    let output = command.arg("evidence").current_dir(place.path()).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        error.contains("run this inside a clone of Vivarium, or name it with --repo"),
        "{error}"
    );
    assert_eq!(std::fs::read_dir(place.path()).expect("is there").count(), 0);
}
