//! The command line of the checker: exit statuses, messages, records and files.
//!
//! Most tests call the command line inside this process with a model made for them; those about the
//! process itself run the binary, or this test again as a child.
#![cfg(feature = "checker")]

#[path = "../../src/cli/mod.rs"]
#[allow(dead_code)]
mod cli;
mod flaws;
mod harness;
mod process;
#[path = "../../src/checker/tests/ring/mod.rs"]
mod ring;

use checker::TraceFile;
use harness::{directory, records, vivarium, vivarium_twice};
use std::path::Path;

#[test]
fn a_model_that_holds() {
    let (status, out, err) = vivarium(&["check", "ring"]);
    assert_eq!(status, 0, "{out}{err}");
    for line in [
        "Ring: a token on a ring of servers\n",
        "  bounds     servers=3 laps=1 timeouts=0 crashes=0 delay-ms=0  (tier quick)\n",
        "  states     11 distinct, 11 generated, depth 10 (widest level 0: 1)\n",
        "  pruned     0 states\n",
        "    holds      one-token   always     precondition met in 11 states\n",
        "    reached    last-holds  sometimes  reached in 2 states\n",
        "    Pass     5\n",
        "  actions never taken: Timeout, Crash, Restart\n",
        "\nRing: ok, complete within its bounds: 4 properties as required, 11 distinct states in ",
    ] {
        assert!(out.contains(line), "{line:?} is not in\n{out}");
    }
    assert_eq!(err, "", "a short run shows no progress");
}

#[test]
fn the_record_has_the_fixed_names() {
    let json = directory("record").join("ring.json");
    let path = json.to_str().expect("UTF-8");
    let (status, ..) =
        vivarium(&["check", "Ring", "--tier", "deep", "--threads", "2", "--json", path]);
    assert_eq!(status, 0);
    let text = std::fs::read_to_string(&json).expect("written");
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let record = &value.as_array().expect("an array")[0];
    let names: Vec<&str> = record.as_object().expect("object").keys().map(String::as_str).collect();
    let mut expected = vec![
        "name",
        "tier",
        "bounds",
        "commit",
        "complete",
        "incomplete",
        "distinct",
        "generated",
        "depth",
        "seconds",
        "properties",
        "actions",
        "counterexample",
        "levels",
        "engine",
        "threads",
        "bytes_per_state",
        "peak_memory_bytes",
        "collision_bound",
        "pruned",
        "machine",
        "versions",
    ];
    expected.sort_unstable();
    assert_eq!(names, expected);
    assert_eq!(record["name"], "Ring");
    assert_eq!(record["tier"], "deep");
    assert_eq!(record["bounds"]["servers"], 5);
    assert_eq!(record["commit"], "0123abc-dirty");
    assert_eq!(record["complete"], true);
    assert_eq!(record["distinct"], 19);
    assert_eq!(record["threads"], 2);
    assert_eq!(record["levels"].as_array().expect("array").len(), 19);
    assert_eq!(record["pruned"], 0);
    assert_eq!(record["counterexample"], serde_json::Value::Null);
    assert_eq!(
        record["properties"][0],
        serde_json::json!({"name": "one-token", "kind": "always", "holds": true, "occurrences": 19})
    );
    assert_eq!(record["properties"][2]["kind"], "sometimes");
    assert_eq!(record["actions"][2], serde_json::json!({"name": "Timeout", "count": 0}));
    assert_eq!(record["versions"]["crate"], "0.1.0");
    assert!(record["machine"]["cores"].as_u64() > Some(0));
}

#[test]
fn a_violation_is_told_written_and_replayed() {
    let dir = directory("violation");
    let (json, out_dir) = (dir.join("ring.json"), dir.join("stories"));
    let out_dir = out_dir.to_str().expect("UTF-8");
    let (status, out, _) = vivarium(&[
        "check",
        "Ring",
        "--timeouts",
        "1",
        "--json",
        json.to_str().expect("UTF-8"),
        "--out",
        out_dir,
    ]);
    assert_eq!(status, 1);
    assert!(
        out.contains("Counterexample to one-token in Ring (servers=3 laps=1 timeouts=1"),
        "{out}"
    );
    assert!(out.contains("Property one-token: There is never more than one token.\n"));
    assert!(out.contains("Source: Le Lann, 1977, section 3\n"));
    assert!(out.contains("  1. tokens held: s1, s2\n  2. tokens on their way: 0\n"));
    assert!(out.contains("    VIOLATED   one-token"));
    assert!(out.contains("(given by hand)"));
    assert!(out.contains("\nRing: FAILED, VIOLATED: one-token, "));

    let record = &records(&json)[0];
    let path = record.counterexample.clone().expect("a path");
    assert_eq!(record.properties[0].counterexample.as_ref(), Some(&path));
    assert_eq!((record.properties[0].holds, record.tier), (Some(false), None));
    let page = std::fs::read_to_string(Path::new(&path).with_extension("html")).expect("a page");
    assert!(page.contains("one-token is violated in Ring"));
    let text = std::fs::read_to_string(Path::new(&path).with_extension("txt")).expect("a text");
    assert!(out.contains(&text), "printed as written");

    let (status, out, _) = vivarium(&["replay", &path]);
    assert_eq!(status, 1);
    assert!(
        out.ends_with("Ring-one-token.json: VIOLATED, as recorded: one-token at step 1\n"),
        "{out}"
    );
}

#[test]
fn replays_accept_and_refuse() {
    let dir = directory("replay");
    let file = |name: &str, edit: &dyn Fn(&mut TraceFile)| {
        let bounds =
            [("servers", 3), ("laps", 1), ("timeouts", 1), ("crashes", 0), ("delay-ms", 0)];
        let actions = vec![serde_json::json!(["Pass", 0]), serde_json::json!(["Receive", 1])];
        let mut trace = TraceFile::new("Ring", checker::Bounds::new(bounds), actions);
        edit(&mut trace);
        let path = dir.join(name);
        trace.write(&path).expect("writable");
        path.to_str().expect("UTF-8").to_owned()
    };
    let good = file("good.json", &|_| {});
    let (status, out, _) = vivarium(&["replay", &good]);
    assert_eq!(
        (status, out),
        (0, format!("{good}: ok, 2 steps accepted, no property is violated\n"))
    );

    let cured = file("cured.json", &|trace| trace.property = Some("one-token".into()));
    let (status, out, _) = vivarium(&["replay", &cured]);
    assert_eq!(status, 0);
    assert!(out.contains("the violation of one-token that the trace records does not occur"));

    type Edit<'a> = &'a dyn Fn(&mut TraceFile);
    let refusals: [(&str, Edit<'_>, &str); 5] = [
        ("a.json", &|t| t.actions.reverse(), "REFUSED: step 1: Receive(1) is not possible here"),
        (
            "b.json",
            &|t| t.model = "Rang".into(),
            "REFUSED: unknown model `Rang`, did you mean `Ring`?",
        ),
        (
            "c.json",
            &|t| t.bounds.set("servers", 9),
            "REFUSED: model Ring: bound `servers` = 9 is outside",
        ),
        ("d.json", &|t| t.property = Some("Z1".into()), "REFUSED: model Ring has no property `Z1`"),
        ("e.json", &|t| t.version = 2, "REFUSED: `version` must be 1, found 2"),
    ];
    for (name, edit, message) in refusals {
        let (status, out, _) = vivarium(&["replay", &good, &file(name, edit)]);
        assert_eq!(status, 1, "{message}");
        assert!(out.contains(message), "{message} is not in {out}");
    }
    let (status, _, err) = vivarium(&["replay", "no-such-file.json"]);
    assert_eq!(status, 2);
    assert!(err.starts_with("error: cannot read no-such-file.json: "));
}

#[test]
fn unreached_incomplete_and_live() {
    let dir = directory("other");
    let out_dir = dir.to_str().expect("UTF-8");
    let (status, out, _) = vivarium(&["check", "Ring", "--bound", "laps=0"]);
    assert_eq!(status, 1);
    assert!(out.contains("    UNREACHED  second-lap  sometimes  reached in 0 states\n"), "{out}");
    assert!(out.contains("FAILED, never reached: second-lap, 5 distinct states"), "{out}");

    let (status, out, _) = vivarium(&["check", "Ring", "--max-states", "3"]);
    assert_eq!(status, 3);
    assert!(out.contains("Ring: INCOMPLETE: state limit reached; 4 properties undecided"), "{out}");

    let (status, out, _) = vivarium(&["check", "Ring", "--crashes", "1", "--out", out_dir]);
    assert_eq!(status, 1);
    assert!(out.contains("    VIOLATED   never-lost  live"), "{out}");
    assert!(dir.join("Ring-never-lost.json").exists());
}

#[test]
fn usage_errors_say_what_is_allowed() {
    let cases: [(&[&str], &str); 8] = [
        (&["check", "Rink"], "error: unknown model `Rink`, did you mean `Ring`? models: Ring\n"),
        (&["check", "Q1"], "error: unknown model `Q1`; models: Ring\n"),
        (
            &["check", "Ring", "--servers", "9"],
            "error: model Ring: bound `servers` = 9 is outside the allowed range 2..=5\n",
        ),
        (
            &["check", "--txns", "2"],
            "error: model Ring has no bound `txns` (given: 2); its bounds are: servers, laps, timeouts, \
             crashes, delay-ms\n",
        ),
        (
            &["check", "Ring", "--servers", "2", "--timeouts", "2"],
            "error: model Ring: bounds servers=2 laps=1 timeouts=2 crashes=0 delay-ms=0: `timeouts` must \
             be below `servers`\n",
        ),
        (
            &["check", "Ring", "--tier", "standard"],
            "error: model Ring does not run in tier standard; its tiers are: quick, deep\n",
        ),
        (&["check", "--tier", "standard"], "error: no model runs in tier standard\n"),
        (&["explore", "Rung"], "error: unknown model `Rung`, did you mean `Ring`? models: Ring\n"),
    ];
    for (arguments, message) in cases {
        assert_eq!(vivarium(arguments), (2, String::new(), message.to_owned()));
    }
    let (status, _, err) = vivarium(&["check", "--json", "/no/such/directory/x.json"]);
    assert_eq!(status, 2);
    assert!(err.starts_with("error: cannot write /no/such/directory/x.json: "));
}

#[test]
fn several_models_end_with_one_line_each_and_one_for_all() {
    let json = directory("several").join("all.json");
    let path = json.to_str().expect("UTF-8");
    let (status, out, _) = vivarium_twice(&["check", "all", "--max-states", "3", "--json", path]);
    assert_eq!(status, 3);
    let last: Vec<&str> = out.lines().rev().take(3).collect();
    assert!(last[0].starts_with("all: 0 of 2 models ok, 6 distinct states in 0:00"), "{out}");
    assert!(last[1].starts_with("Ring: INCOMPLETE: state limit reached"), "{out}");
    assert_eq!(records(&json).len(), 2);
    assert_eq!(vivarium_twice(&["check"]).0, 0);
}

#[test]
fn all_models_list_and_explorer() {
    let (status, out, _) = vivarium(&["check"]);
    assert_eq!(status, 0);
    assert!(out.contains("\nRing: ok, complete within its bounds"), "{out}");

    let (status, out, _) = vivarium(&["check", "--list"]);
    assert_eq!(status, 0);
    for line in [
        "Ring, or O (family T): a token on a ring of servers\n",
        "    servers   servers on the ring           2..=5\n",
        "    quick     servers=3 laps=1",
        "    one-token   always     There is never more than one token.\n",
        "source: Le Lann, 1977, section 3\n",
    ] {
        assert!(out.contains(line), "{line:?} is not in\n{out}");
    }

    let (status, out, err) =
        vivarium(&["explore", "Ring", "--servers", "4", "--listen", "127.0.0.1:1"]);
    assert_eq!(status, 1);
    assert!(out.starts_with("Ring (servers=4 laps=1"));
    assert_eq!(err, "error: cannot listen on 127.0.0.1:1: address in use\n");
}
