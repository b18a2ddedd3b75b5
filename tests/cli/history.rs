//! `vivarium history`: reports and exit statuses.

use std::fs;
use std::path::Path;

use crate::{refused, vivarium};

/// A client creates a node and another reads it behind a sync.
const RIGHT: &str = r#"
{"session":{"session":1,"at":1,"change":{"begun":{"client":1}}}}
{"session":{"session":2,"at":1,"change":{"begun":{"client":2}}}}
{"operation":{"session":1,"xid":1,"invoked":2,"asked":{"write":{"create":{"path":"/a","data":"x"}}},"answered":{"at":3,"zxid":1,"ok":{"created":{"path":"/a"}}}}}
{"operation":{"session":2,"xid":1,"invoked":4,"asked":{"sync":{"path":"/a"}},"answered":{"at":5,"zxid":1,"ok":"done"}}}
"#;

/// The read, as of a server that has the node.
const READ: &str = r#"
{"operation":{"session":2,"xid":2,"invoked":6,"asked":{"read":{"kind":"get_data","path":"/a"}},"answered":{"at":7,"zxid":1,"ok":{"data":{"data":"x","stat":{"czxid":1,"mzxid":1,"pzxid":1,"length":1}}}}}}
"#;

/// The read, as of a server that has not heard of it.
const STALE: &str = r#"
{"operation":{"session":2,"xid":2,"invoked":6,"asked":{"read":{"kind":"get_data","path":"/a"}},"answered":{"at":7,"zxid":0,"error":-101}}}
"#;

/// A request of unknown outcome before the read.
const UNKNOWN: &str = r#"
{"operation":{"session":1,"xid":2,"invoked":4,"asked":{"write":{"delete":{"path":"/a"}}}}}
"#;

fn status_and_text(place: &Path, parts: &[&str]) -> (Option<i32>, String) {
    let mut arguments = vec!["history".to_owned()];
    for (index, part) in parts.iter().enumerate() {
        let file = place.join(format!("{index}.jsonl"));
        fs::write(&file, part).expect("written");
        arguments.push(file.to_str().expect("UTF-8").to_owned());
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = vivarium(&arguments);
    (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
}

#[test]
fn the_exit_status_says_right_wrong_or_undecided() {
    let place = tempfile::tempdir().expect("a directory");
    let (status, text) = status_and_text(place.path(), &[RIGHT, READ]);
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("           1 reads after sync\n"), "{text}");
    assert!(text.ends_with("the history keeps every rule\n"), "{text}");

    let (status, text) = status_and_text(place.path(), &[RIGHT, STALE]);
    assert_eq!(status, Some(1), "{text}");
    let sentence = "sync-is-fresh: getData /a (0x2#2) is at 0x0, older than 0x1 of the sync 0x2#1";
    assert!(text.starts_with(sentence), "{text}");

    let (status, text) = status_and_text(place.path(), &[RIGHT, UNKNOWN, STALE]);
    assert_eq!(status, Some(1), "what is wrong goes before what is undecided: {text}");

    let late = READ.replace("\"zxid\":1", "\"zxid\":2");
    let (status, text) = status_and_text(place.path(), &[RIGHT, UNKNOWN, &late]);
    assert_eq!(status, Some(3), "{text}");
    assert!(text.contains("           1 undecided\n"), "{text}");
}

#[test]
fn the_report_is_written_as_json() {
    let place = tempfile::tempdir().expect("a directory");
    let (file, json) = (place.path().join("run.jsonl"), place.path().join("report.json"));
    fs::write(&file, [RIGHT, STALE].concat()).expect("written");
    let [file, path] = [&file, &json].map(|path| path.to_str().expect("UTF-8"));
    assert_eq!(vivarium(&["history", file, "--json", path]).status.code(), Some(1));
    let text = fs::read_to_string(&json).expect("written");
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value["verdict"], "violated");
    assert_eq!(value["report"]["violations"][0]["rule"], "sync-is-fresh");
}

#[test]
fn what_is_no_history_is_a_usage_error_that_names_the_line() {
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("run.jsonl");
    let path = file.to_str().expect("UTF-8");
    for (text, say) in [
        ("\n{\"seen\":1}\n", "line 2 is not a record of a history: unknown variant `seen`"),
        (READ, "the session 0x2 has records before one that says it has begun"),
        (&[RIGHT, READ, READ].concat(), "two requests are numbered 0x2#2"),
    ] {
        fs::write(&file, text).expect("written");
        let error = refused(2, &["history", path]);
        assert!(error.contains(say), "{error}");
    }
    assert!(refused(2, &["history", "no-such-file"]).contains("no-such-file: "));
}
