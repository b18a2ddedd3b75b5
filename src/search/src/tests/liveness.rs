//! The liveness pass on graphs small enough to judge by eye. State 9 is the goal; a label is its
//! step's class.

use super::super::fair::{Counterexample, FairOptions, FairOutcome, UNFAIR, fair, fair_within};
use super::super::{Incomplete, Trace, replay};
use super::spaces::{Drawn, Grid, Random};

const NONE: u32 = UNFAIR as u32;

fn judge(drawn: &Drawn) -> FairOutcome {
    fair(drawn, &|label| label as u8, &|_, state| state[0] == 9)
}

fn trace(ordinals: &[u32], labels: &[u32]) -> Trace {
    Trace { ordinals: ordinals.to_vec(), labels: labels.to_vec() }
}

/// The states of a lasso: of the prefix, then of the cycle, which must end where it began.
fn lasso(drawn: &Drawn, outcome: &FairOutcome) -> (Vec<u32>, Vec<u32>) {
    let Some(Counterexample::Lasso { prefix, cycle }) = &outcome.counterexample else {
        panic!("a lasso is expected: {outcome:?}")
    };
    assert!(!cycle.ordinals.is_empty());
    let whole = [&prefix.ordinals[..], &cycle.ordinals, &cycle.ordinals].concat();
    let states: Vec<_> =
        replay(drawn, &whole).expect("the lasso exists").iter().map(|step| step.words[0]).collect();
    let (once, length) = (prefix.ordinals.len(), cycle.ordinals.len());
    assert_eq!(states[once - 1], states[once + length - 1]);
    assert_eq!(states[once..once + length], states[once + length..]);
    (states[..once].to_vec(), states[once..once + length].to_vec())
}

#[test]
fn a_goal_that_cannot_be_missed() {
    let outcome = judge(&Drawn::new(&[(0, 1, 1), (0, 2, 2), (1, 1, 9), (2, 1, 9), (9, 1, 0)]));
    assert!(outcome.holds());
    assert_eq!((outcome.states, outcome.edges, outcome.goal_edges, outcome.cycles), (3, 4, 2, 0));
}

#[test]
fn a_dead_end_is_found_by_a_shortest_path() {
    let outcome = judge(&Drawn::new(&[(0, 1, 9), (0, 2, 1), (1, 1, 2), (0, 3, 3), (3, 3, 2)]));
    assert_eq!(
        outcome.counterexample,
        Some(Counterexample::DeadEnd { path: trace(&[0, 1, 0], &[1000, 2, 1]) })
    );
}

#[test]
fn an_initial_goal_needs_nothing() {
    let mut drawn = Drawn::new(&[]);
    drawn.initial = vec![9, 9];
    assert!(judge(&drawn).holds());
    drawn.initial = vec![9, 4];
    assert_eq!(
        judge(&drawn).counterexample,
        Some(Counterexample::DeadEnd { path: trace(&[1], &[1004]) })
    );
}

#[test]
fn a_cycle_that_a_continuously_possible_class_leaves_is_no_livelock() {
    // Class 2 is possible in both states of the cycle, and always leads to the goal.
    let outcome = judge(&Drawn::new(&[(0, 1, 1), (1, 1, 0), (0, 2, 9), (1, 2, 9)]));
    assert!(outcome.holds(), "{outcome:?}");
    assert_eq!((outcome.cycles, outcome.cycle_states_max), (1, 2));
}

#[test]
fn a_cycle_in_which_the_leaving_class_is_not_always_possible_is_a_livelock() {
    // As before, but state 1 disables class 2: weak fairness does not help.
    let drawn = Drawn::new(&[(0, 2, 9), (0, 1, 1), (1, 1, 0)]);
    let outcome = judge(&drawn);
    assert_eq!(lasso(&drawn, &outcome), (vec![0], vec![1, 0]));
}

#[test]
fn a_cycle_in_which_the_leaving_class_also_stays_is_a_livelock_and_the_lasso_takes_it() {
    // Class 2 is possible everywhere; in state 2 it stays inside. The cycle shown has to go there.
    let edges =
        [(7, 5, 0), (0, 1, 1), (1, 1, 0), (1, 1, 2), (2, 2, 0), (0, 2, 9), (1, 2, 9), (2, 2, 9)];
    let mut drawn = Drawn::new(&edges);
    drawn.initial = vec![7];
    let outcome = judge(&drawn);
    // Class 1 is not possible in state 2.
    assert_eq!(lasso(&drawn, &outcome), (vec![7, 0], vec![1, 2, 0]));
    let Some(Counterexample::Lasso { cycle, .. }) = outcome.counterexample else { unreachable!() };
    assert_eq!(cycle.labels, [1, 1, 2]);
}

#[test]
fn the_lasso_passes_a_state_where_each_class_that_never_stays_is_impossible() {
    // Classes 2, 3 and 4 leave; each is impossible in one other state of the ring.
    let mut edges = vec![(0, 1, 1), (1, 1, 2), (2, 1, 0), (0, 1, 0)];
    for state in 0..3 {
        edges.extend((0..3).filter(|&class| class != state).map(|class| (state, 2 + class, 9)));
    }
    let drawn = Drawn::new(&edges);
    let (prefix, cycle) = lasso(&drawn, &judge(&drawn));
    assert_eq!((prefix, cycle), (vec![0], vec![1, 2, 0]));
}

#[test]
fn an_unfair_step_may_be_refused_for_ever() {
    let drawn = Drawn::new(&[(0, 1, 0), (0, NONE, 9)]);
    assert_eq!(lasso(&drawn, &judge(&drawn)), (vec![0], vec![0]));
    // And a run may as well consist of such steps only.
    let drawn = Drawn::new(&[(0, NONE, 1), (1, NONE, 0)]);
    assert_eq!(lasso(&drawn, &judge(&drawn)), (vec![0], vec![1, 0]));
}

#[test]
fn a_cycle_of_unfair_steps_is_left_by_a_fair_one() {
    assert!(judge(&Drawn::new(&[(0, NONE, 1), (1, NONE, 0), (0, 0, 9), (1, 0, 9)])).holds());
    // Class 254 is the last that counts.
    assert!(judge(&Drawn::new(&[(0, NONE, 0), (0, 254, 9)])).holds());
}

#[test]
fn each_component_is_judged_by_itself() {
    // {0, 1} is left by class 2; {2, 3} behind it is left by nothing.
    let drawn =
        Drawn::new(&[(0, 1, 1), (1, 1, 0), (0, 2, 2), (1, 2, 2), (2, 1, 3), (3, 1, 2), (3, 3, 9)]);
    let outcome = judge(&drawn);
    assert_eq!(outcome.cycles, 2);
    assert_eq!(lasso(&drawn, &outcome), (vec![0, 2], vec![3, 2]));
}

#[test]
fn the_nearer_of_dead_end_and_livelock_is_shown() {
    let near_dead_end = Drawn::new(&[(0, 1, 1), (0, 1, 2), (2, 1, 2)]);
    assert!(matches!(judge(&near_dead_end).counterexample, Some(Counterexample::DeadEnd { .. })));
    let near_livelock = Drawn::new(&[(0, 1, 2), (0, 1, 1), (2, 1, 2)]);
    assert_eq!(lasso(&near_livelock, &judge(&near_livelock)), (vec![0, 2], vec![2]));
}

fn judge_strongly(drawn: &Drawn, from: u8) -> FairOutcome {
    let options = FairOptions { strong_from: Some(from), ..FairOptions::default() };
    fair_within(drawn, &|label| label as u8, &|_, state| state[0] == 9, &options)
}

#[test]
fn a_strongly_fair_class_that_is_possible_again_and_again_is_taken() {
    // Class 2 is possible in every other state of the cycle, and leads to the goal.
    let drawn = Drawn::new(&[(0, 2, 9), (0, 1, 1), (1, 1, 0)]);
    assert!(!judge_strongly(&drawn, 3).holds());
    let outcome = judge_strongly(&drawn, 2);
    assert!(outcome.holds(), "{outcome:?}");
    assert_eq!(outcome.cycles, 1);
}

#[test]
fn a_run_may_avoid_the_states_where_a_strong_class_is_possible() {
    // Class 2 is possible in state 1 of {0, 1, 2}; {0, 2} goes on without it, at most by class 3,
    // possible in 2.
    let edges = [(0, 1, 1), (1, 1, 0), (1, 2, 9), (0, 1, 2), (2, 1, 0)];
    let drawn = Drawn::new(&edges);
    let (prefix, cycle) = lasso(&drawn, &judge_strongly(&drawn, 2));
    assert_eq!((prefix, cycle), (vec![0], vec![2, 0]));
    let left = Drawn::new(&[&edges[..], &[(2, 3, 9)]].concat());
    assert!(judge_strongly(&left, 2).holds());
}

#[test]
fn a_strong_class_that_stays_inside_is_part_of_the_lasso() {
    let drawn = Drawn::new(&[(0, 1, 1), (1, 1, 0), (1, 2, 2), (2, 1, 0), (2, 2, 9)]);
    let (prefix, cycle) = lasso(&drawn, &judge_strongly(&drawn, 2));
    assert_eq!((prefix, cycle), (vec![0], vec![1, 2, 0]));
}

#[test]
fn a_weakly_fair_component_that_is_left_has_no_strongly_fair_part() {
    let drawn = Drawn::new(&[(0, 1, 1), (1, 1, 0), (0, 2, 9), (1, 2, 9), (0, 3, 9)]);
    assert!(judge_strongly(&drawn, 3).holds());
}

/// Whether a run confined to `states`, a set of numbers as bits, can visit all of them for ever and
/// be weakly fair.
fn stays_fairly(drawn: &Drawn, states: u32) -> bool {
    let has = |state: u32| states & 1 << state != 0;
    let inside = || drawn.edges.iter().filter(|edge| has(edge.0) && has(edge.2));
    let reach = |from: u32| {
        // States reached from one by at least one step.
        let mut reached = 0u32;
        loop {
            let known = reached;
            for edge in inside().filter(|edge| edge.0 == from || known & 1 << edge.0 != 0) {
                reached |= 1 << edge.2;
            }
            if reached == known {
                return reached;
            }
        }
    };
    let members: Vec<u32> = (0..9).filter(|&state| has(state)).collect();
    members.iter().all(|&state| reach(state) == states)
        && (0..4).all(|class| {
            let enabled = |state| drawn.edges.iter().any(|edge| edge.0 == state && edge.1 == class);
            members.iter().any(|&state| !enabled(state)) || inside().any(|edge| edge.1 == class)
        })
}

#[test]
fn verdicts_on_random_graphs_are_those_of_a_search_through_all_sets_of_states() {
    let mut verdicts = [0; 3];
    for seed in 1..3000 {
        let mut random = Random(seed);
        let edges = 8 + random.below(16);
        // Five states, class 0 to 3; state 4 becomes the goal.
        let mut drawn = random.graph(5, edges, 4);
        for edge in &mut drawn.edges {
            for end in [&mut edge.0, &mut edge.2] {
                *end = if *end == 4 { 9 } else { *end };
            }
        }
        let mut reached = 1u32;
        for _ in 0..5 {
            for edge in drawn.edges.iter().filter(|edge| edge.0 != 9 && edge.2 != 9) {
                reached |= (reached >> edge.0 & 1) << edge.2;
            }
        }
        let dead = (0..4).any(|state| {
            reached & 1 << state != 0 && drawn.edges.iter().all(|edge| edge.0 != state)
        });
        let stays =
            (1..16).any(|states| states & reached == states && stays_fairly(&drawn, states));

        let outcome = judge(&drawn);
        assert_eq!(outcome.holds(), !dead && !stays, "{:?}", drawn.edges);
        verdicts[match &outcome.counterexample {
            None => 0,
            Some(Counterexample::DeadEnd { path }) => {
                let last =
                    replay(&drawn, &path.ordinals).expect("exists").pop().expect("not empty").words
                        [0];
                assert!(drawn.edges.iter().all(|edge| edge.0 != last));
                1
            }
            Some(Counterexample::Lasso { cycle, .. }) => {
                let (_, states) = lasso(&drawn, &outcome);
                for class in 0..4 {
                    let enabled = |&state: &u32| {
                        drawn.edges.iter().any(|edge| edge.0 == state && edge.1 == class)
                    };
                    assert!(
                        cycle.labels.contains(&class) || !states.iter().all(enabled),
                        "{:?}",
                        drawn.edges
                    );
                }
                2
            }
        }] += 1;
    }
    assert!(verdicts.iter().all(|&count| count > 300), "{verdicts:?}");
}

#[test]
fn a_limit_is_told() {
    let grid = Grid::new(3, 19);
    let options = FairOptions { states_max: Some(100), ..FairOptions::default() };
    let outcome = fair_within(&grid, &|_| 0, &|_, state| *state == [19; 3], &options);
    assert_eq!(outcome.incomplete, Some(Incomplete::States { max: 100 }));
    assert!(!outcome.holds() && outcome.counterexample.is_none());

    let outcome = fair(&grid, &|_| 0, &|_, state| *state == [19; 3]);
    assert!(outcome.holds());
    assert_eq!((outcome.states, outcome.edges, outcome.goal_edges), (7999, grid.edges(), 3));
    assert!(outcome.bytes > 7999 * 12);
}

#[test]
fn a_beginning_is_no_step_and_has_no_class() {
    let drawn = Drawn::new(&[(0, 1, 1), (1, 1, 9)]);
    let class = |label: u32| {
        assert!(label < 1000, "{label} is the label of an initial state");
        label as u8
    };
    assert!(fair(&drawn, &class, &|_, state| state[0] == 9).holds());
}

/// The outcome with so many threads, but for what differs from run to run.
fn timeless(grid: &Grid, threads: usize, states_max: Option<u64>) -> FairOutcome {
    let options = FairOptions { threads, states_max, strong_from: Some(4), stop: None };
    let classes = |label: u32| label as u8;
    let outcome = fair_within(grid, &classes, &|_, state| *state == [30, 30, 29], &options);
    FairOutcome { seconds: 0.0, ..outcome }
}

#[test]
fn threads_that_expand_ahead_change_nothing() {
    let grid = Grid::new(3, 30);
    for states_max in [None, Some(20_000)] {
        let one = timeless(&grid, 1, states_max);
        assert!(one.states > 20_000, "{one:?}");
        assert_eq!(one.counterexample.is_some(), states_max.is_none(), "{one:?}");
        for threads in [2, 3, 5] {
            assert_eq!(timeless(&grid, threads, states_max), one, "{threads} threads");
        }
    }
}

#[test]
#[should_panic(expected = "state 25, 25, 25 is one too many")]
fn a_panic_of_a_thread_that_expands_ahead_is_told() {
    let options = FairOptions { threads: 2, ..FairOptions::default() };
    let goal = |_: &mut _, state: &[u32]| {
        assert!(*state != [25; 3], "state 25, 25, 25 is one too many");
        false
    };
    fair_within(&Grid::new(3, 30), &|_| 0, &goal, &options);
}
