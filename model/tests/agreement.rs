//! Independent ways to count the same states have to agree: the own search and stateright's, one
//! thread and two, with symmetry and without, with reductions and without.

use checker::{
    Bounds, BuildInfo, CheckOptions, CheckRequest, CheckableModel, Completion, Console, Engine,
    Exit, ProgressMode, PropertyVerdict, Verdict, check,
};
use model::registry;

fn named(name: &str) -> Box<dyn CheckableModel> {
    registry().into_iter().find(|model| model.info().name == name).expect("a registered model")
}

fn run(name: &str, changes: &[(&str, u64)], engine: Engine, threads: usize) -> Verdict {
    let model = named(name);
    let mut bounds: Bounds = model.info().cheapest().bounds.clone();
    for &(bound, value) in changes {
        bounds.set(bound, value);
    }
    model.admits(&bounds).expect("admissible bounds");
    let opts = CheckOptions { threads, max_states: None, engine, stop: Default::default() };
    let verdict = model.check(&bounds, &opts, &|_| {});
    assert_eq!(verdict.completion, Completion::Complete, "{name} {changes:?}");
    assert!(verdict.violations.is_empty(), "{name} {changes:?}");
    verdict
}

const SMALL: [(&str, u64); 5] =
    [("servers", 2), ("txns", 1), ("leaderships", 2), ("crashes", 1), ("timeouts", 1)];
const THREE: [(&str, u64); 5] =
    [("servers", 3), ("txns", 1), ("leaderships", 1), ("crashes", 1), ("timeouts", 1)];

fn with(bounds: &[(&'static str, u64)], more: &[(&'static str, u64)]) -> Vec<(&'static str, u64)> {
    bounds.iter().chain(more).copied().collect()
}

#[test]
fn stateright_counts_the_states_of_q_with_and_without_symmetry() {
    for bounds in [
        with(&SMALL, &[("symmetry", 0)]),
        with(&SMALL, &[]),
        with(&THREE, &[("txns", 0), ("timeouts", 0)]),
    ] {
        let own = run("broadcast-1", &bounds, Engine::Own, 1);
        let reference = run("broadcast-1", &bounds, Engine::Stateright, 1);
        assert_eq!(own.distinct, reference.distinct, "{bounds:?}");
        assert_eq!(own.depth, reference.depth, "{bounds:?}");
    }
}

#[test]
fn stateright_counts_the_states_of_x() {
    let bounds = with(&SMALL, &[("leaderships", 1), ("timeouts", 0), ("elections", 2)]);
    let own = run("whole-1", &bounds, Engine::Own, 1);
    let reference = run("whole-1", &bounds, Engine::Stateright, 1);
    assert_eq!(own.distinct, reference.distinct);
}

#[test]
fn stateright_counts_the_states_of_clients_with_and_without_symmetry() {
    let few = [("ops", 2), ("moves", 0), ("watches", 0)];
    for more in [&[("slow", 1)][..], &[("symmetry", 0)], &[("clients", 2), ("ops", 1)]] {
        let bounds = with(&few, more);
        let own = run("sync-reads-2", &bounds, Engine::Own, 2);
        let reference = run("sync-reads-2", &bounds, Engine::Stateright, 1);
        assert_eq!(own.distinct, reference.distinct, "{bounds:?}");
        assert_eq!(own.depth, reference.depth, "{bounds:?}");
    }
    let own = run("whole-3", &few, Engine::Own, 2);
    let reference = run("whole-3", &few, Engine::Stateright, 1);
    assert_eq!(own.distinct, reference.distinct);
}

#[test]
fn what_clients_say_to_servers_is_the_same_whatever_the_servers_are_called() {
    let bounds = [("ops", 2), ("moves", 1), ("watches", 0)];
    let reduced = run("sync-reads-2", &bounds, Engine::Own, 2);
    let full = run("sync-reads-2", &with(&bounds, &[("symmetry", 0)]), Engine::Own, 2);
    assert_eq!(reduced.distinct_without_symmetry, Some(full.distinct));
    assert!(reduced.distinct < full.distinct);
}

#[test]
fn threads_do_not_change_the_numbers() {
    let one = run("broadcast-1", &THREE, Engine::Own, 1);
    let two = run("broadcast-1", &THREE, Engine::Own, 2);
    assert_eq!((one.distinct, one.generated, one.depth), (two.distinct, two.generated, two.depth));
    assert_eq!((one.levels, one.actions), (two.levels, two.actions));
    assert!(one.digest.is_some());
    assert_eq!(one.digest, two.digest);
}

#[test]
fn the_orbits_of_a_symmetric_run_add_up_to_the_run_without_symmetry() {
    for more in [&[][..], &[("observers", 1), ("timeouts", 0), ("crashes", 0)], &[("syncs", 1)]] {
        let reduced = run("broadcast-1", &with(&THREE, more), Engine::Own, 2);
        let full =
            run("broadcast-1", &with(&THREE, &with(more, &[("symmetry", 0)])), Engine::Own, 2);
        assert_eq!(reduced.distinct_without_symmetry, Some(full.distinct), "{more:?}");
        assert!(reduced.distinct < full.distinct);
    }
}

#[test]
fn disks_that_go_on_lagging_without_crashes_change_no_verdict() {
    let properties = |verdict: &Verdict| -> Vec<_> {
        verdict.properties.iter().map(|p| (p.name.clone(), p.holds)).collect()
    };
    let prompt = run("broadcast-1", &THREE, Engine::Own, 2);
    let exact = run("broadcast-1", &with(&THREE, &[("exact-disks", 1)]), Engine::Own, 2);
    assert_eq!(properties(&prompt), properties(&exact));
    assert!(prompt.distinct < exact.distinct);
}

#[test]
fn comparing_with_abstract_zab_changes_no_verdict() {
    let plain = run("broadcast-1", &with(&THREE, &[("refinement", 0)]), Engine::Own, 2);
    let compared = run("broadcast-1", &THREE, Engine::Own, 2);
    let refines = |p: &&PropertyVerdict| p.name == "every-step-is-abstract";
    let properties = |verdict: &Verdict| -> Vec<_> {
        let others = verdict.properties.iter().filter(|p| !refines(p));
        others.map(|p| (p.name.clone(), p.holds)).collect()
    };
    assert_eq!(properties(&plain), properties(&compared));
    assert_eq!(plain.properties.iter().filter(refines).count(), 0);
    assert_eq!(compared.properties.iter().find(refines).and_then(|p| p.holds), Some(true));
    assert!(plain.distinct <= compared.distinct);
}

#[test]
fn a_run_that_leaves_the_comparison_out_is_in_order_by_both_engines() {
    let directory = tempfile::tempdir().expect("a directory");
    for engine in [Engine::Own, Engine::Stateright] {
        let mut bounds = with(&THREE, &[("refinement", 0), ("txns", 0), ("timeouts", 0)]);
        // Too small for anything interesting to be reached.
        bounds.extend([("crashes", 0), ("exact-disks", 0)]);
        let verdict = run("broadcast-1", &bounds, engine, 1);
        let left_out = "every-step-is-abstract";
        assert!(verdict.out_of_reach.contains(&left_out), "{engine}");
        assert!(verdict.properties.iter().all(|property| property.name != left_out), "{engine}");
    }
    let overrides = with(&SMALL, &[("refinement", 0)]);
    let request = CheckRequest {
        model: "broadcast-0".to_owned(),
        tier: None,
        overrides: overrides.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
        json: None,
        out: directory.path().to_owned(),
        abstract_runs: None,
        options: CheckOptions {
            threads: 1,
            max_states: None,
            engine: Engine::Own,
            stop: Default::default(),
        },
    };
    let unknown = || "unknown".to_owned();
    let build = BuildInfo { commit: unknown(), rustc: unknown(), version: unknown() };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut console = Console { out: &mut out, err: &mut err, progress: ProgressMode::Silent };
    let exit = check(&registry(), &request, &build, &mut console);
    assert_eq!(exit, Exit::Holds, "{}", String::from_utf8_lossy(&out));
}

#[test]
fn stateright_counts_the_states_of_abstract_zab() {
    for name in ["abstract-1", "abstract-2", "abstract-3", "abstract-4", "abstract-5", "abstract-6"]
    {
        let own = run(name, &[], Engine::Own, 2);
        let reference = run(name, &[], Engine::Stateright, 1);
        assert_eq!((own.distinct, own.depth), (reference.distinct, reference.depth), "{name}");
    }
}

#[test]
fn stateright_counts_the_states_of_servers_whose_peers_say_anything() {
    let small = [("epochs", 1), ("lag", 1), ("crashes", 0), ("disks", 1)];
    let one = ["one-server-1", "one-server-2", "one-server-3", "one-server-4"];
    for (name, connections) in one.map(|name| (name, 1)).into_iter().chain([("one-server-8", 2)]) {
        let small = with(&small, &[("connections", connections)]);
        let own = run(name, &small, Engine::Own, 2);
        let reference = run(name, &small, Engine::Stateright, 1);
        assert_eq!((own.distinct, own.depth), (reference.distinct, reference.depth), "{name}");
        assert_eq!(own.generated, reference.generated, "{name}");
    }
}

#[test]
fn stateright_counts_the_states_of_elections_whose_peers_say_anything() {
    let small = [("votes", 3), ("rounds", 1), ("high", 1), ("owns", 1)];
    for name in ["one-server-6", "one-server-7"] {
        let own = run(name, &small, Engine::Own, 2);
        let reference = run(name, &small, Engine::Stateright, 1);
        assert_eq!((own.distinct, own.depth), (reference.distinct, reference.depth), "{name}");
        assert_eq!(own.generated, reference.generated, "{name}");
    }
}
