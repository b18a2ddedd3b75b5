//! Counts, levels, marks, paths, and limits that are told.

use std::sync::atomic::AtomicBool;

use super::super::{Incomplete, Options, Outcome, Space, Trace, explore, replay};
use super::spaces::{Drawn, Grid};

fn run<S: Space>(space: &S, options: &Options<'_>) -> Outcome {
    explore(space, options, &mut |_| {})
}

fn on(threads: usize) -> Options<'static> {
    Options { threads, ..Options::default() }
}

#[test]
fn a_grid_has_its_closed_form_counts() {
    for threads in [1, 2, 3] {
        let grid = Grid { marks: 1 << 127, ..Grid::new(4, 19) };
        let outcome = run(&grid, &on(threads));
        assert!(outcome.complete);
        assert_eq!(outcome.incomplete, None);
        assert_eq!(outcome.distinct, grid.states());
        assert_eq!(outcome.generated, grid.edges() + 1);
        assert_eq!(outcome.levels, grid.levels());
        assert_eq!(outcome.depth, 76);
        assert_eq!(outcome.marks[127], grid.edges());
        assert_eq!(outcome.marks[..4], [grid.edges() / 4; 4]);
        assert_eq!(outcome.marks[4..127], [0; 123]);
        assert!(outcome.bytes_per_state() < 30.0, "{}", outcome.bytes_per_state());
    }
}

#[test]
fn another_seed_counts_the_same() {
    let grid = Grid::new(3, 19);
    let outcome = run(&grid, &Options { seed: 77, ..Options::default() });
    assert_eq!(outcome.distinct, 8000);
    assert_eq!(outcome.collision_bound(), "9.4e-32 (n^2/2^129 for n = 8000 states)");
}

#[test]
fn with_one_thread_the_reported_path_is_always_the_same() {
    // Fingerprints, and so the order within the tables, differ; the first edge to a state stays the
    // first.
    let grid = Grid { violated_from: 30, ..Grid::new(5, 9) };
    let traces = [0, 1, 2].map(|seed| {
        let outcome = run(&grid, &Options { seed, ..on(1) });
        outcome.violations[0].trace.clone()
    });
    assert_eq!(traces[0], traces[1]);
    assert_eq!(traces[0], traces[2]);
    // Counter 0 goes first as far as it can, then counter 1, and so on.
    assert_eq!(traces[0].labels[1..10], [0; 9]);
    assert_eq!(traces[0].labels[28..], [3; 3]);
}

#[test]
fn the_first_violation_ends_the_search_after_its_level_and_its_path_replays() {
    for threads in [1, 2, 3] {
        let grid = Grid { violated_from: 17, ..Grid::new(5, 9) };
        let outcome = run(&grid, &on(threads));
        let until_17 = &grid.levels()[..18];
        assert!(!outcome.complete);
        assert_eq!(outcome.incomplete, Some(Incomplete::Violation));
        assert_eq!(outcome.levels, until_17);
        assert_eq!(outcome.distinct, until_17.iter().sum::<u64>());
        let [violation] = &outcome.violations[..] else { panic!("one property is violated") };
        assert_eq!((violation.property, violation.occurrences), (0, until_17[17]));
        assert_eq!(violation.trace.depth(), 17);
        let steps = replay(&grid, &violation.trace.ordinals).expect("the path exists");
        assert_eq!(steps[17].words.iter().sum::<u32>(), 17);
        assert_eq!(steps.iter().map(|step| step.label).collect::<Vec<_>>(), violation.trace.labels);
        assert_eq!(outcome.reached[0].property, 5);
        assert_eq!(outcome.reached[0].states, until_17[17]);
    }
}

#[test]
fn a_search_that_collects_goes_on_and_keeps_the_first_of_each_property() {
    let grid = Grid { violated_from: 17, ..Grid::new(5, 9) };
    for threads in [1, 2] {
        let outcome = run(&grid, &Options { stop_at_first_violation: false, ..on(threads) });
        assert!(outcome.complete);
        assert_eq!(outcome.distinct, grid.states());
        let beyond: u64 = grid.levels()[17..].iter().sum();
        assert_eq!(outcome.violations[0].occurrences, beyond);
        assert_eq!(outcome.violations[0].trace.depth(), 17);
        assert_eq!(outcome.reached[0].states, beyond);
        assert_eq!(outcome.reached[0].trace.depth(), 17);
    }
}

#[test]
fn of_several_violations_in_a_level_the_smallest_property_comes_first() {
    let mut drawn = Drawn::new(&[(0, 1, 1), (0, 2, 2), (1, 3, 3), (2, 4, 0)]);
    drawn.bad_states = vec![(3, 1 << 9)];
    // A step property, violated by an edge to a state that is known already.
    drawn.bad_edges = vec![(3, 1 << 4 | 1 << 63)];
    let outcome = run(&drawn, &on(1));
    let found: Vec<_> =
        outcome.violations.iter().map(|found| (found.property, found.occurrences)).collect();
    assert_eq!(found, [(4, 1), (9, 1), (63, 1)]);
    assert_eq!(
        outcome.violations[0].trace,
        Trace { ordinals: vec![0, 1, 0], labels: vec![1000, 2, 4] }
    );
    assert_eq!(
        outcome.violations[1].trace,
        Trace { ordinals: vec![0, 0, 0], labels: vec![1000, 1, 3] }
    );
}

#[test]
fn initial_states_are_judged_and_may_repeat() {
    let mut drawn = Drawn::new(&[(7, 1, 5)]);
    drawn.initial = vec![5, 7, 5, 9];
    drawn.bad_states = vec![(9, 1)];
    let outcome = run(&drawn, &on(2));
    assert_eq!((outcome.distinct, outcome.generated, outcome.depth), (3, 4, 0));
    assert_eq!(outcome.violations[0].trace, Trace { ordinals: vec![3], labels: vec![1009] });
    assert_eq!(outcome.marks[127], 4);

    let outcome = run(&drawn, &Options { stop_at_first_violation: false, ..on(2) });
    assert!(outcome.complete);
    assert_eq!((outcome.distinct, outcome.generated, outcome.depth), (3, 5, 0));
}

#[test]
fn a_space_without_states_is_complete() {
    let mut drawn = Drawn::new(&[]);
    drawn.initial.clear();
    let outcome = run(&drawn, &on(2));
    assert!(outcome.complete);
    assert_eq!((outcome.distinct, outcome.generated, outcome.depth), (0, 0, 0));
}

#[test]
fn a_limit_of_states_is_told_and_one_that_suffices_is_not() {
    let grid = Grid::new(4, 19);
    for threads in [1, 2] {
        let cut = run(&grid, &Options { states_max: Some(50_000), ..on(threads) });
        assert!(!cut.complete);
        assert_eq!(cut.incomplete, Some(Incomplete::States { max: 50_000 }));
        assert!(cut.distinct > 50_000 && cut.distinct < grid.states());
        assert_eq!(cut.distinct, cut.levels.iter().sum::<u64>());

        let whole = run(&grid, &Options { states_max: Some(grid.states()), ..on(threads) });
        assert!(whole.complete);
    }
}

#[test]
fn a_limit_of_depth_is_told_and_one_that_suffices_is_not() {
    let grid = Grid::new(2, 9);
    let cut = run(&grid, &Options { depth_max: Some(17), ..on(1) });
    assert_eq!((cut.complete, cut.incomplete), (false, Some(Incomplete::Depth { max: 17 })));
    assert_eq!(cut.levels, grid.levels()[..18]);
    // Only an expansion of level 18 could show that nothing lies behind it.
    assert!(!run(&grid, &Options { depth_max: Some(18), ..on(1) }).complete);
    assert!(run(&grid, &Options { depth_max: Some(19), ..on(1) }).complete);
}

#[test]
fn a_limit_of_memory_is_told() {
    let outcome = run(&Grid::new(4, 19), &Options { memory_bytes_max: Some(3 << 20), ..on(2) });
    assert_eq!(outcome.incomplete, Some(Incomplete::Memory { max: 3 << 20 }));
    assert!(outcome.distinct < 160_000);
}

#[test]
fn the_stop_flag_ends_the_search() {
    let stop = AtomicBool::new(true);
    let outcome = run(&Grid::new(4, 19), &Options { stop: Some(&stop), ..on(2) });
    assert_eq!(outcome.incomplete, Some(Incomplete::Stopped));
    assert_eq!((outcome.distinct, outcome.complete), (1, false));
}

#[test]
fn a_frontier_that_spills_to_files_changes_nothing() {
    let grid = Grid { padding: 20, violated_from: 60, ..Grid::new(4, 29) };
    for threads in [1, 2] {
        let collect = Options { stop_at_first_violation: false, ..on(threads) };
        let outcome = run(&grid, &Options { frontier_bytes_max: Some(500_000), ..collect.clone() });
        assert!(outcome.complete);
        assert!(outcome.spilled_bytes > 1 << 20);
        assert!(outcome.frontier_bytes_peak <= 500_000 + 300_000 * threads as u64);
        assert_eq!(outcome.levels, grid.levels());
        let ordinals = &outcome.violations[0].trace.ordinals;
        assert_eq!(replay(&grid, ordinals).expect("exists")[60].words.iter().sum::<u32>(), 60);
        assert_eq!(run(&grid, &collect).spilled_bytes, 0);
    }
}

#[test]
fn a_spill_that_fails_is_told() {
    let grid = Grid { padding: 20, ..Grid::new(4, 19) };
    let nowhere = Some("/nonexistent/directory".into());
    let options = Options { frontier_bytes_max: Some(0), spill_directory: nowhere, ..on(1) };
    let outcome = run(&grid, &options);
    assert!(!outcome.complete);
    assert!(
        matches!(outcome.incomplete, Some(Incomplete::Spill { .. })),
        "{:?}",
        outcome.incomplete
    );
}

#[test]
fn the_observer_sees_the_end() {
    let grid = Grid::new(3, 29);
    let mut last = None;
    let outcome = explore(&grid, &on(2), &mut |progress| last = Some(*progress));
    let last = last.expect("called at least once");
    assert_eq!(
        (last.distinct, last.generated, last.frontier),
        (outcome.distinct, outcome.generated, 0)
    );
    assert!(last.bytes >= outcome.visited_bytes_peak);
}

#[test]
fn a_path_that_does_not_exist_is_refused() {
    let grid = Grid::new(2, 1);
    let error = replay(&grid, &[0, 1, 1]).expect_err("one counter is left");
    assert_eq!(error.to_string(), "entry 2 of the path takes edge 1, where there are only 1");
    assert!(replay(&grid, &[]).expect("nowhere").is_empty());
}

#[test]
#[should_panic(expected = "the model says so")]
fn a_panic_of_the_space_reaches_the_caller() {
    struct Broken(Grid);
    impl Space for Broken {
        type Worker = Vec<u32>;
        fn worker(&self) -> Vec<u32> {
            self.0.worker()
        }
        fn words(&self) -> usize {
            self.0.words()
        }
        fn initial(&self, worker: &mut Vec<u32>, out: &mut super::super::Successors) {
            self.0.initial(worker, out);
        }
        fn expand(&self, worker: &mut Vec<u32>, state: &[u32], out: &mut super::super::Successors) {
            assert!(state != [9, 9, 9, 9], "the model says so");
            self.0.expand(worker, state, out);
        }
        fn digest(&self, _: usize, word: u32) -> u128 {
            u128::from(word)
        }

        fn judge(&self, worker: &mut Vec<u32>, state: &[u32]) -> super::super::Judgement {
            self.0.judge(worker, state)
        }
    }
    run(&Broken(Grid::new(4, 19)), &on(2));
}
