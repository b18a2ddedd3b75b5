//! `vivarium bench` against servers that behave well, and badly.

use crate::fake::{Answer, Fake};
use crate::vivarium;
use bytes::Bytes;
use serde_json::Value;
use wire::client::OpCode;

/// Exit status and record of a second of load.
fn bench(fake: &Fake, op: &str) -> (Option<i32>, Value) {
    let arguments =
        ["bench", &fake.address, "--op", op, "--seconds", "1", "--warmup", "0", "--json", "-"];
    let small = ["--connections", "4", "--depth", "2", "--keys", "10", "--bytes", "5"];
    let output = vivarium(&[&arguments[..], &small].concat());
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    (output.status.code(), serde_json::from_str(&text).expect("a record"))
}

fn nodes_left(fake: &Fake) -> usize {
    fake.seen.lock().expect("no panic").nodes.len()
}

#[test]
fn every_kind_of_load_runs_and_leaves_nothing_behind() {
    for op in ["set", "get", "mix", "create"] {
        let fake = Fake::start(|_, _| Answer::Ok, true);
        let (status, record) = bench(&fake, op);
        assert_eq!(status, Some(0), "{record}");
        assert_eq!((&record["op"], &record["errors"]), (&Value::from(op), &serde_json::json!({})));
        let operations = record["operations"].as_u64().expect("a number");
        assert!(operations > 0, "{record}");
        let seconds = record["per_second"].as_array().expect("an array");
        assert_eq!(seconds.iter().filter_map(Value::as_u64).sum::<u64>(), operations);
        assert_eq!(record.get("write_gap").is_some(), op != "get");
        assert_eq!(record.get("reads_percent").is_some(), op == "mix");
        assert_eq!(nodes_left(&fake), 0, "{op}");
    }
}

#[test]
fn nodes_are_kept_when_asked_for() {
    let fake = Fake::start(|_, _| Answer::Ok, true);
    let arguments = ["bench", &fake.address, "--seconds", "1", "--warmup", "0", "--keep"];
    let path = ["--connections", "1", "--keys", "3", "--path", "/kept"];
    assert_eq!(vivarium(&[&arguments[..], &path].concat()).status.code(), Some(0));
    let nodes = &fake.seen.lock().expect("no panic").nodes;
    let nodes: Vec<&str> = nodes.keys().map(String::as_str).collect();
    assert_eq!(nodes, ["/kept", "/kept/k0", "/kept/k1", "/kept/k2"]);
}

#[test]
fn a_node_that_exists_already_is_not_touched() {
    let fake = Fake::start(|_, _| Answer::Ok, true);
    fake.seen.lock().expect("no panic").nodes.insert("/mine".into(), Bytes::new());
    let output = vivarium(&["bench", &fake.address, "--path", "/mine"]);
    let text = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text, "error: cannot create nodes below /mine: NodeExists\n");
    assert_eq!(nodes_left(&fake), 1);
}

#[test]
fn operations_that_fail_are_counted_by_name_and_not_as_operations() {
    let every_third = |op, before: u64| {
        if op == OpCode::SetData && before.is_multiple_of(3) {
            Answer::Error(-102)
        } else {
            Answer::Ok
        }
    };
    let fake = Fake::start(every_third, true);
    let (status, record) = bench(&fake, "set");
    assert_eq!(status, Some(1));
    let failed = record["errors"]["NoAuth"].as_u64().expect("a number");
    let operations = record["operations"].as_u64().expect("a number");
    assert!(failed > 0 && operations > failed, "{record}");
    assert_eq!(record["errors"].as_object().expect("an object").len(), 1);
}

#[test]
fn a_get_that_is_answered_without_the_data_is_no_success() {
    let fake =
        Fake::start(|op, _| if op == OpCode::GetData { Answer::Empty } else { Answer::Ok }, true);
    let (status, record) = bench(&fake, "get");
    assert_eq!((status, &record["operations"]), (Some(1), &Value::from(0)));
    assert!(
        record["errors"]["DataInconsistency"].as_u64().is_some_and(|count| count > 0),
        "{record}"
    );
}

#[test]
fn a_session_outlives_its_connection() {
    let fake = Fake::start(
        |op, before| {
            if op == OpCode::SetData && before % 100 == 50 { Answer::Close } else { Answer::Ok }
        },
        true,
    );
    let (status, record) = bench(&fake, "set");
    assert_eq!(status, Some(1), "what was in flight is counted as lost");
    let lost = record["errors"]["ConnectionLoss"].as_u64().expect("a number");
    let reconnects = record["reconnects"].as_u64().expect("a number");
    assert!(reconnects > 0 && lost >= reconnects && lost <= 2 * (reconnects + 4), "{record}");
    let seen = fake.seen.lock().expect("no panic");
    let renewed = seen.sessions.iter().filter(|id| **id != 0).count() as u64;
    assert!(renewed >= reconnects, "{renewed} of {record}");
    // One that makes the nodes, four, one that removes them.
    assert_eq!(seen.sessions.len() as u64 - renewed, 6);
}

#[test]
fn an_expired_session_is_counted_and_a_new_one_begun() {
    let fake = Fake::start(
        |op, before| {
            if op == OpCode::SetData && before == 100 { Answer::Close } else { Answer::Ok }
        },
        false,
    );
    let (status, record) = bench(&fake, "set");
    assert_eq!(
        (status, &record["errors"]["SessionExpired"]),
        (Some(1), &Value::from(1)),
        "{record}"
    );
    assert_eq!(record["reconnects"], 1);
}
