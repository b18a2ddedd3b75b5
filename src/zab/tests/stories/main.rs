//! The protocol as stories: each file in `testdata` is a scenario in words, with what the servers
//! do about it.
//!
//! A line that begins with `#` is the plot, one that begins with `>` is a command (see `script.rs`
//! for all of them), and the indented lines below a command are what happened. Only the indented
//! lines are written by the machine:
//!
//! ```text
//! UPDATE_STORIES=1 cargo test -p zab --test stories
//! ```
//!
//! A story never comes out wrong, whatever its lines say: after each event the cluster is compared
//! with everything that was ever promised or shown to clients, and an impossible command, or a
//! broken promise, fails with file and line.

#[path = "../cluster/mod.rs"]
mod cluster;
mod diff;
mod jiras;
mod script;
mod text;

use std::fs;
use std::path::{Path, PathBuf};

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

/// Names and texts of all stories, in order.
fn stories() -> Vec<(String, String)> {
    let mut stories: Vec<_> = fs::read_dir(testdata())
        .expect("testdata can be read")
        .map(|entry| entry.expect("testdata can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .map(|path| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            (name.unwrap_or_default(), fs::read_to_string(&path).expect("a story can be read"))
        })
        .collect();
    stories.sort();
    stories
}

#[test]
fn every_story_comes_out_as_written() {
    let update = std::env::var_os("UPDATE_STORIES").is_some();
    let mut failures = String::new();
    for (name, text) in stories() {
        match script::play(&name, &text) {
            Ok(played) if played == text => {}
            Ok(played) if update => {
                fs::write(testdata().join(&name), played).expect("a story can be written");
            }
            Ok(played) => failures += &diff::between(&name, &text, &played),
            Err(why) => failures += &format!("{why}\n"),
        }
    }
    assert!(
        failures.is_empty(),
        "\n{failures}\nIf this is right, and you can say why: UPDATE_STORIES=1 cargo test -p zab --test stories"
    );
}

#[test]
fn a_mistake_in_a_story_is_told_with_its_place() {
    let cases = [
        ("> servers 1\n> frobnicate 1\n", "s.txt:2: frobnicate 1: there is no such command"),
        ("# x\n> start 1\n", "s.txt:2: start 1: the cluster has no servers yet"),
        ("> servers 1 2 3\n> start 9\n", "s.txt:2: start 9: there is no server 9"),
        ("> servers 1\n> start 1\n> start 1\n", "s.txt:3: start 1: server 1 is up"),
        ("> servers 1 2\n> crash 1\n", "s.txt:2: crash 1: server 1 is down"),
        ("> servers 1 2\n> deliver 1->2\n", "s.txt:2: deliver 1->2: server 2 is down"),
        ("> servers 1 2\n> start 1\n> disk 1\n", "s.txt:3: disk 1: nothing is on its way"),
        (
            "> servers 1\n> start 1\n> timer 1 Ping\n",
            "s.txt:3: timer 1 Ping: timer Ping does not run",
        ),
        (
            "> servers 1\n> start 1\n> lead 1\n",
            "s.txt:3: lead 1: these servers elect by themselves",
        ),
        ("> servers 1\n> start x\n", "s.txt:2: start x: x is too much"),
        ("> servers 1\n> crash x\n", "s.txt:2: crash x: x is no number of a server"),
        ("> servers 1\n> disk 1 2 3\n", "s.txt:2: disk 1 2 3: "),
        ("> servers 1\n> vainly start 1\n", "s.txt:2: vainly start 1: this is possible"),
        ("> servers 1\nstart 1\n", "s.txt:2: start 1: a line is a comment, a command or a result"),
    ];
    for (story, expected) in cases {
        let got = script::play("s.txt", story).expect_err(story);
        assert!(got.starts_with(expected), "{got}\n  is not\n{expected}");
    }
}

#[test]
fn every_bug_of_the_catalogue_has_a_story() {
    let told: Vec<u32> =
        stories().iter().flat_map(|(_, text)| jiras::of_first_line(text)).collect();
    let missing: Vec<u32> = jiras::CATALOGUE
        .iter()
        .flat_map(|row| row.iter().copied())
        .filter(|jira| !told.contains(jira))
        .collect();
    assert!(missing.is_empty(), "no story's first line names ZOOKEEPER-{missing:?}");
    let all: Vec<u32> = jiras::CATALOGUE.concat();
    let unknown: Vec<&u32> = told.iter().filter(|jira| !all.contains(jira)).collect();
    assert!(unknown.is_empty(), "the catalogue does not list ZOOKEEPER-{unknown:?}");
}

#[test]
fn every_story_says_first_what_it_is_about_and_in_which_cluster() {
    let counts = ["One server", "Two servers", "Three servers", "Four servers", "Five servers"];
    for (name, text) in stories() {
        let title: String =
            text.lines().take_while(|line| line.starts_with('#')).collect::<Vec<_>>().join(" ");
        assert!(counts.iter().any(|count| title.contains(count)), "{name} names no cluster");
        assert!(text.lines().any(|line| line == "> state"), "{name} does not show the state");
    }
}
