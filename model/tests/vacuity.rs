//! A property whose precondition never occurred is reported as vacuous, and not as one that holds.

use checker::{
    Answer, Bounds, BuildInfo, CheckOptions, Completion, Engine, PropertyKind, Record, find_model,
};
use model::registry;

/// A run of these bounds, and the properties that have nothing to say in it.
fn vacuous(name: &str, changes: &[(&str, u64)]) -> Vec<String> {
    let registry = registry();
    let model = find_model(&registry, name).expect("a registered model");
    let info = model.info();
    let mut bounds: Bounds = info.cheapest().bounds.clone();
    for &(bound, value) in changes {
        bounds.set(bound, value);
    }
    let opts = CheckOptions {
        threads: 2,
        max_states: None,
        engine: Engine::Own,
        stop: Default::default(),
    };
    let verdict = model.check(&bounds, &opts, &|_| {});
    assert_eq!(verdict.completion, Completion::Complete, "{name}");
    let unknown = || "unknown".to_owned();
    let build = BuildInfo { commit: unknown(), rustc: unknown(), version: unknown() };
    let record = Record::new(&info, None, &bounds, Engine::Own, &verdict, &build);
    let claims = record.properties.iter().filter(|p| p.kind != PropertyKind::Sometimes);
    let (vacuous, met): (Vec<_>, Vec<_>) =
        claims.partition(|property| property.occurrences == Some(0));
    for property in met {
        assert_eq!(property.answer(), Answer::Holds, "{name}: {}", property.name);
    }
    for property in &vacuous {
        assert_eq!(property.answer(), Answer::Vacuous, "{name}: {}", property.name);
        assert_eq!(property.holds, None, "{name}: {}", property.name);
    }
    vacuous.iter().map(|property| property.name.clone()).collect()
}

const QUIET: [(&str, u64); 4] = [("txns", 0), ("leaderships", 1), ("crashes", 0), ("timeouts", 0)];

#[test]
fn without_a_transaction_nothing_is_said_of_transactions() {
    let of_txns = ["one-txn-per-zxid", "prefix-consistency", "primary-order", "primary-integrity"];
    for name in ["broadcast-0", "sync-reads-1", "whole-0"] {
        let vacuous = vacuous(name, &QUIET);
        let missing: Vec<_> =
            of_txns.iter().filter(|due| !vacuous.iter().any(|found| found == *due)).collect();
        assert!(missing.is_empty(), "{name}: {vacuous:?} without {missing:?}");
    }
}

#[test]
fn a_model_without_syncs_says_nothing_of_syncs() {
    assert!(vacuous("broadcast-0", &QUIET).contains(&"sync-is-linearizable".to_owned()));
    let asked = vacuous("sync-reads-1", &[("servers", 2), ("crashes", 0), ("timeouts", 0)]);
    assert!(!asked.contains(&"sync-is-linearizable".to_owned()));
}

#[test]
fn clients_that_may_do_everything_leave_no_promise_to_them_vacuous() {
    let vacuous = vacuous("sync-reads-2", &[]);
    let of_clients = [
        "writes-and-synced-reads-linearizable",
        "history-is-linearizable",
        "session-never-goes-back",
        "own-writes-are-read",
        "event-before-answer",
        "answer-is-of-its-request",
        "answers-in-order",
        "acknowledged-is-seen",
    ];
    assert!(of_clients.iter().all(|due| !vacuous.iter().any(|found| found == due)), "{vacuous:?}");
}

#[test]
fn abstract_zab_without_a_transaction_says_nothing_of_proposals() {
    assert_eq!(vacuous("abstract-4", &[]), ["histories-ascend", "primary-integrity"]);
    assert!(vacuous("abstract-3", &[]).is_empty());
}

#[test]
fn where_nobody_may_begin_to_lead_nothing_is_said_of_leaders() {
    let vacuous = vacuous("broadcast-0", &[("leaderships", 0)]);
    for due in ["one-leader-per-epoch", "chosen-in-later-initial-history", "ack-implies-durable"] {
        assert!(vacuous.iter().any(|found| found == due), "{due} is not among {vacuous:?}");
    }
}

#[test]
fn elections_and_single_servers_always_have_something_to_say() {
    let election = [("crashes", 0), ("timeouts", 0), ("faults", 0)];
    assert!(vacuous("election-4", &election).is_empty());
    let server = [("epochs", 1), ("lag", 1), ("crashes", 0), ("disks", 1)];
    assert!(vacuous("one-server-1", &server).is_empty());
}
