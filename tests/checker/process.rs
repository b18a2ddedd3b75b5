//! The process itself: the binary, and a signal.

use crate::harness::{directory, records, vivarium};
use checker::Answer;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

fn binary(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vivarium"));
    command.args(arguments).output().expect("the binary runs")
}

#[test]
fn the_binary_answers() {
    let help = binary(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    let text = String::from_utf8(help.stdout).expect("UTF-8");
    for word in ["check", "explore", "replay", "Exit status: 0 only when"] {
        assert!(text.contains(word), "{word} is not in {text}");
    }
    for command in ["check", "explore", "replay"] {
        let help = binary(&[command, "--help"]);
        let text = String::from_utf8(help.stdout).expect("UTF-8");
        assert!(text.contains("Examples:\n  vivarium "), "{command}: {text}");
        assert!(text.contains("Exit status:\n"), "{command}: {text}");
    }
    assert_eq!(binary(&[]).status.code(), Some(2));
    assert_eq!(binary(&["check", "--tier", "slow"]).status.code(), Some(2));
    assert_eq!(binary(&["check", "Ring", "--servers", "-1"]).status.code(), Some(2));
    assert_eq!(binary(&["server"]).status.code(), Some(2));
    let unknown = binary(&["check", "no-such-model"]);
    assert_eq!(unknown.status.code(), Some(2));
    let text = String::from_utf8(unknown.stderr).expect("UTF-8");
    assert!(text.starts_with("error: unknown model `no-such-model`"), "{text}");
    let version = String::from_utf8(binary(&["--version"]).stdout).expect("UTF-8");
    assert!(version.starts_with("vivarium 0.1.0 (commit "), "{version}");
}

#[test]
fn runs_of_models_are_written_for_the_proved_trace_checker() {
    let place = directory("abstract-runs");
    let path = place.to_str().expect("UTF-8");
    let wanted = [
        "check",
        "broadcast-0",
        "--txns",
        "1",
        "--crashes",
        "1",
        "--abstract-runs",
        path,
        "--runs",
        "3",
    ];
    let written = binary(&wanted);
    let text = String::from_utf8(written.stdout).expect("UTF-8");
    assert!(text.contains("\nbroadcast-0: 3 runs, "), "{text}");
    assert!(
        text.contains(&format!(" commands, written to {path}/broadcast-0-N.trace\n")),
        "{text}"
    );
    for number in 1..=3 {
        let run = std::fs::read_to_string(place.join(format!("broadcast-0-{number}.trace")))
            .expect("is there");
        assert!(run.starts_with("ensemble 1 2\n") && run.lines().count() > 3, "{run}");
    }
    assert_eq!(std::fs::read_dir(&place).expect("is there").count(), 3);
    assert_eq!(binary(&["check", "broadcast-0", "--runs", "3"]).status.code(), Some(2));
    let file = place.join("broadcast-0-1.trace/runs");
    let (status, text, error) =
        vivarium(&["check", "Ring", "--abstract-runs", file.to_str().expect("UTF-8")]);
    assert_eq!((status, text.as_str()), (2, ""), "before the search");
    assert!(error.starts_with("error: cannot make "), "{error}");
    let (status, text, _) = vivarium(&["check", "Ring", "--abstract-runs", path]);
    assert_eq!(status, 0);
    assert!(text.contains("Ring: not compared with abstract Zab, so no runs of it\n"), "{text}");
}

#[test]
fn what_never_had_anything_to_say_is_vacuous_and_not_counted() {
    let json = directory("vacuous").join("q0.json");
    let path = json.to_str().expect("UTF-8");
    let small =
        ["check", "broadcast-0", "--txns", "1", "--crashes", "0", "--syncs", "0", "--json", path];
    let output = binary(&small);
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{out}");
    let line = out.lines().find(|line| line.contains("sync-is-linearizable")).expect("listed");
    assert!(line.trim_start().starts_with("vacuous "), "no sync was asked for: {line}");
    assert!(line.ends_with("its precondition never occurred"), "{line}");
    let record = &records(&json)[0];
    let of = |answer| record.with(answer).len();
    let (shown, vacuous) = (of(Answer::Holds) + of(Answer::Reached), of(Answer::Vacuous));
    assert!(record.with(Answer::Vacuous).contains(&"sync-is-linearizable"));
    let says = format!("bounds: {shown} properties as required, {vacuous} vacuous, ");
    assert!(out.contains(&says), "{says}\n{out}");
    let text = std::fs::read_to_string(&json).expect("written");
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let all = value[0]["properties"].as_array().expect("all");
    let c4 = all.iter().find(|one| one["name"] == "sync-is-linearizable").expect("there");
    assert_eq!((&c4["holds"], &c4["vacuous"]), (&serde_json::Value::Null, &true.into()));
}

#[test]
fn seeded_flaws_need_a_source_tree() {
    let place = directory("no-tree");
    // The directory of this test is inside of one.
    let outside = std::env::temp_dir();
    let mut command = Command::new(env!("CARGO_BIN_EXE_vivarium"));
    command.args(["check", "--flaws", "ack-before-durable", "--out"]).arg(&place);
    let output = command.current_dir(&outside).output().expect("the binary runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    let says = "is not in one: run this inside a clone of Vivarium, or name it with --repo\n";
    assert!(error.starts_with("error: seeded flaws are built from a source tree, "), "{error}");
    assert!(error.ends_with(says) && output.stdout.is_empty(), "{error}");
}

const CHILD: &str = "VIVARIUM_TEST_CHILD";

/// A run that takes minutes. Started by the test below, in a process of its own.
#[test]
fn interrupted_child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let slow = ["check", "Ring", "--servers", "5", "--bound", "laps=3", "--bound", "delay-ms=500"];
    let (status, out, err) = vivarium(&slow);
    print!("{out}");
    eprint!("{err}");
    std::process::exit(i32::from(status));
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_says_what_it_covered() {
    let this = std::env::current_exe().expect("a path");
    let mut command = Command::new(this);
    command.args(["--exact", "process::interrupted_child", "--nocapture"]).env(CHILD, "1");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    std::thread::sleep(Duration::from_secs(3));
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(kill.expect("kill runs").success());
    let output = child.wait_with_output().expect("ends");
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(3), "{out}{err}");
    assert!(out.contains("\nRing: INCOMPLETE: interrupted; "), "{out}");
    assert!(!out.contains("FAILED"), "{out}");
    assert!(err.contains("Ring  0:02  "), "plain progress lines: {err}");
}
