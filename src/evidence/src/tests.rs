//! The page and the JSON form, of a report made by hand.

use std::collections::BTreeMap;

use checker::{
    ActionCount, Bounds, Engine, Machine, PropertyKind, PropertyRecord, Record, Tier, Versions,
};
use model::flaws::{Case, Flaw, Measured};

use crate::schema::*;
use crate::{chain, gaps, limits, page};

fn part<T>(facts: T) -> Part<T> {
    Part {
        outcome: Outcome::Holds,
        reason: None,
        command: "a command".to_owned(),
        seconds: 1.5,
        facts: Some(facts),
    }
}

fn property(name: &str, occurrences: u64) -> PropertyRecord {
    PropertyRecord {
        name: name.to_owned(),
        kind: PropertyKind::Always,
        holds: Some(true),
        vacuous: false,
        occurrences: Some(occurrences),
        out_of_reach: false,
        counterexample: None,
    }
}

fn action(name: &str, count: u64) -> ActionCount {
    ActionCount { name: name.to_owned(), count }
}

fn record() -> Record {
    Record {
        name: "broadcast-1".to_owned(),
        tier: Some(Tier::Quick),
        bounds: Bounds::new([("servers", 3), ("txns", 1)]),
        commit: "c0ffee".to_owned(),
        complete: true,
        incomplete: None,
        distinct: 1_234,
        digest: None,
        distinct_without_symmetry: Some(7_000),
        reductions: vec!["a reduction".to_owned()],
        generated: 5_678,
        depth: 3,
        seconds: 0.5,
        properties: vec![
            property("one-leader-per-epoch", 99),
            property("every-step-is-abstract", 5_678),
        ],
        actions: vec![action("Start", 4), action("Zab!Promise", 3), action("Zab!Crash", 2)],
        counterexample: None,
        levels: vec![1, 10, 1_000, 223],
        engine: Engine::Own,
        threads: 2,
        bytes_per_state: None,
        peak_memory_bytes: None,
        collision_bound: "1e-30".to_owned(),
        pruned: 0,
        machine: Machine { cores: 2, memory_gib: Some(4.0) },
        versions: Versions { rustc: "rustc 1".to_owned(), package: "0".to_owned() },
    }
}

fn conformance() -> Conformance {
    Conformance {
        ensemble: Some(Ensemble {
            seconds: 20.0,
            cores: vec![ServerCore { server: 1, core: "abc".to_owned() }],
            kills: vec![Kill {
                at: 1.0,
                servers: vec![1],
                who: "the leader".to_owned(),
                recovered_after: 0.4,
            }],
            load: Load { about: "setData".to_owned(), acknowledged: 10, errors: BTreeMap::new() },
        }),
        replay_seconds: 1.0,
        recordings: vec![Recording {
            file: "s1-000001.vtrace".to_owned(),
            steps: 77,
            end: "closed".to_owned(),
            wrong: None,
        }],
        steps: 77,
        actions: vec![action("Start", 1), action("Zab!Promise", 1)],
        properties: vec![RunProperty {
            name: "one-leader-per-epoch".to_owned(),
            holds: Some(true),
            vacuous: false,
            occurrences: 5,
            violations: 0,
            undecided: 0,
            reason: None,
        }],
        trace_checker: part("accepted, 12 commands".to_owned()),
    }
}

fn flaw() -> Flaw {
    Flaw {
        name: "ack-before-durable".to_owned(),
        origin: "a hazard".to_owned(),
        wrong: "An ACK leaves too early.".to_owned(),
        case: Case::Expressed {
            expected: "ack-implies-durable".to_owned(),
            model: "broadcast-1".to_owned(),
            bounds: Bounds::new([("servers", 3)]),
            measured: Some(Measured {
                property: "ack-implies-durable".to_owned(),
                depth: 7,
                states: 18,
            }),
        },
    }
}

/// Everything was run, and holds.
fn report() -> Report {
    let mut report = Report {
        format: FORMAT.to_owned(),
        version: VERSION,
        command: "vivarium evidence".to_owned(),
        started: "2025-01-01T00:00:00Z".to_owned(),
        seconds: 61.0,
        interrupted: false,
        not_covered: NotCovered::default(),
        chain: Vec::new(),
        identity: Identity {
            built_from: "c0ffee".to_owned(),
            commit: Some("c0ffee".to_owned()),
            changed: Vec::new(),
            core: "abc".to_owned(),
            core_of_tree: "abc".to_owned(),
            tools: vec![Tool {
                name: "coqc".to_owned(),
                used_for: "proofs".to_owned(),
                version: None,
            }],
            machine: Machine { cores: 2, memory_gib: None },
            cpu: None,
            system: None,
            load: Some(0.25),
        },
        checks: part(Checks {
            tier: Tier::Deep,
            all: true,
            models: vec![ModelRun { about: "Three servers.".to_owned(), record: record() }],
            properties: vec![PropertyText {
                name: "one-leader-per-epoch".to_owned(),
                kind: PropertyKind::Always,
                sentence: "One.".to_owned(),
                source: "a paper".to_owned(),
            }],
        }),
        proofs: part(Proofs {
            theorems: vec!["Key.Key".to_owned()],
            closing: "1 theorems, all closed under the global context".to_owned(),
            weakenings: Vec::new(),
            traces: Vec::new(),
        }),
        specification: part(Specification {
            counts: vec![Count {
                name: "Zab-1n".to_owned(),
                states: 46,
                depth: 13,
                levels: vec![1, 45],
                tla: Some("46 states, depth 13".to_owned()),
                rust: Some(true),
            }],
            lines: vec!["ok".to_owned()],
            closing: "1 passed, 0 failed".to_owned(),
            rust_seconds: 0.1,
        }),
        conformance: part(conformance()),
        flaws: part(Flaws {
            recorded_at: None,
            flaws: vec![FlawRun {
                recorded: flaw(),
                here: Some(FlawHere {
                    caught: true,
                    found: "ack-implies-durable at depth 7".to_owned(),
                    depth: Some(7),
                    states: Some(18),
                    seconds: 9.0,
                }),
            }],
        }),
        mutants: Part::not_run("a table", "no record"),
        ledger: part(Ledger {
            entries: vec![LedgerEntry { file: "Q1.json".to_owned(), core: None, record: record() }],
        }),
    };
    conclude(&mut report);
    report
}

/// As the command does after the last part.
fn conclude(report: &mut Report) {
    report.chain = chain(report);
    report.not_covered = NotCovered { this_run: gaps(report), any_run: limits() };
}

fn status(report: &Report, upper: &str, lower: &str) -> Status {
    let mut links = report.chain.iter();
    let link = links.find(|link| link.upper.starts_with(upper) && link.lower.starts_with(lower));
    link.unwrap_or_else(|| panic!("{upper} <- {lower}")).status
}

/// The page up to the second section.
fn first_section(page: &str) -> &str {
    let begin = page.find("id=\"not-covered\"").expect("the first section");
    let end = page.find("id=\"chain\"").expect("the second one");
    assert!(begin < end);
    &page[begin..end]
}

#[test]
fn only_the_proof_is_called_proved() {
    let report = report();
    let statuses: Vec<Status> = report.chain.iter().map(|link| link.status).collect();
    assert_eq!(
        statuses,
        [
            Status::Proved,
            Status::Checked,
            Status::Checked,
            Status::Checked,
            Status::Tested,
            Status::Tested,
            Status::Tested
        ]
    );
    assert!(!report.fails());
    assert_eq!(
        report.closing(),
        "nothing failed; 7 links: 1 proved, 3 checked within bounds, 3 tested; 61 s"
    );
    for link in report.chain.iter().filter(|link| link.status != Status::Proved) {
        let said = format!("{} {}", link.result, link.within);
        assert!(!said.contains("proved") && !said.contains("any number"), "{said}");
        assert!(!link.within.is_empty(), "bounds are said: {link:?}");
    }
}

#[test]
fn json_comes_back_as_it_was() {
    let report = report();
    let text = serde_json::to_string_pretty(&report).expect("it can be written");
    let back: Report = serde_json::from_str(&text).expect("it can be read");
    assert_eq!(back, report);
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value["format"], "vivarium-evidence");
    assert_eq!(value["version"], 1);
    assert_eq!(value["chain"][0]["status"], "proved");
    assert_eq!(value["chain"][1]["status"], "checked within bounds");
}

#[test]
fn the_page_needs_nothing_and_begins_with_what_is_not_covered() {
    let page = page(&report());
    for fetched in ["http:", "https:", "src=", "<script", "url(", "@import", "href=\"/"] {
        assert!(!page.contains(fetched), "{fetched}");
    }
    assert!(page.contains("default-src 'none'"));
    let first = page.find("<h2>").expect("sections");
    assert!(page[first..].starts_with("<h2>1. What is not covered</h2>"));
    let section = first_section(&page);
    for (name, _) in crate::LIMITS {
        assert!(section.contains(name), "{name}");
    }
    assert!(section.contains("no record"), "mutants were not run, and it says so");
}

#[test]
fn what_comes_from_outside_is_escaped() {
    let mut report = report();
    report.identity.cpu = Some("<script>alert(1)</script> & \"co\"".to_owned());
    report.command = "vivarium evidence --out <b>".to_owned();
    let page = page(&report);
    assert!(!page.contains("<script>") && !page.contains("<b>\""));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;co&quot;"));
}

#[test]
fn a_link_that_fails_is_said_first() {
    let mut report = report();
    report.proofs.outcome = Outcome::Failed;
    report.proofs.reason = Some("File Key.v, line 7: no".to_owned());
    conclude(&mut report);
    assert!(report.fails());
    assert_eq!(status(&report, "AtomicBroadcast", "abstract Zab: nine"), Status::Failed);
    assert_eq!(report.not_covered.this_run[0].kind, GapKind::Failed);
    let page = page(&report);
    let section = first_section(&page);
    let failed = section.find("File Key.v, line 7: no").expect("said in the first section");
    let others = section.find("not run here").expect("mutants");
    assert!(failed < others);
    assert!(report.closing().starts_with("1 FAILURE; 7 links: 1 failed, "), "{}", report.closing());
}

#[test]
fn what_is_left_out_is_no_failure_and_is_said_first() {
    let mut report = report();
    report.proofs = Part::not_run("make", "coqc is not installed: the proof was not rebuilt here");
    report.conformance = Part::not_run("vivarium replay", "left out by --skip");
    conclude(&mut report);
    assert!(!report.fails());
    assert_eq!(status(&report, "AtomicBroadcast", "abstract Zab: nine"), Status::NotRun);
    assert_eq!(status(&report, "the code", "real servers"), Status::NotRun);
    assert_eq!(status(&report, "abstract Zab", "real servers"), Status::NotRun);
    let page = page(&report);
    assert!(first_section(&page).contains("coqc is not installed: the proof was not rebuilt here"));
    assert!(!report.chain.iter().any(|link| link.status == Status::Proved));
}

#[test]
fn another_core_is_a_failure_whoever_runs_it() {
    let mut report = report();
    report.identity.core_of_tree = "def".to_owned();
    conclude(&mut report);
    assert!(report.fails());
    let mut report = self::report();
    if let Some(ensemble) = report.conformance.facts.as_mut().and_then(|f| f.ensemble.as_mut()) {
        ensemble.cores[0].core = "def".to_owned();
    }
    conclude(&mut report);
    assert!(report.fails());
    assert!(report.chain.iter().any(|link| link.result == "another core is run by server 1"));
}

#[test]
fn an_action_of_abstract_zab_that_the_code_never_takes_is_a_failure_of_all_models_together() {
    let mut report = report();
    if let Some(checks) = &mut report.checks.facts {
        checks.models[0].record.actions[2].count = 0;
    }
    conclude(&mut report);
    assert!(report.fails());
    let first = &report.not_covered.this_run[0];
    assert_eq!(first.text, "actions of abstract Zab that the code never took: Zab!Crash");
}

#[test]
fn a_trace_that_is_refused_is_a_failure() {
    let mut report = report();
    if let Some(conformance) = &mut report.conformance.facts {
        conformance.trace_checker.outcome = Outcome::Failed;
        conformance.trace_checker.reason = Some("refused, line 19".to_owned());
    }
    conclude(&mut report);
    assert!(report.fails());
    assert_eq!(status(&report, "abstract Zab: nine", "real servers"), Status::Failed);
    assert_eq!(status(&report, "the code", "real servers"), Status::Tested);
}

#[test]
fn what_was_interrupted_says_so() {
    let mut report = report();
    report.interrupted = true;
    conclude(&mut report);
    assert!(report.closing().starts_with("interrupted; "));
    assert!(first_section(&page(&report)).contains("it was interrupted before its end"));
}

#[test]
fn a_ledger_of_another_core_is_said_to_be_one() {
    let mut report = report();
    if let Some(ledger) = &mut report.ledger.facts {
        ledger.entries[0].core = Some("0123456789abcdef".to_owned());
    }
    conclude(&mut report);
    let page = page(&report);
    assert!(
        first_section(&page).contains("of another core (0123456789ab, today&#39;s is abc)")
            || first_section(&page).contains("of another core (0123456789ab, today's is abc)")
    );
}
