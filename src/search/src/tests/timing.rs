//! Measurements of the engine alone; ignored by default. Run with
//! `cargo test --release -p search tests::timing -- --ignored --nocapture --test-threads 1`.

use std::hint::black_box;
use std::time::Instant;

use super::super::fair::fair;
use super::super::intern::Interner;
use super::super::memo::{Memo, MemoCache};
use super::super::{Options, explore};
use super::spaces::Grid;

fn threads() -> usize {
    std::env::var("SEARCH_THREADS").map_or(1, |threads| threads.parse().expect("a number"))
}

fn measure(name: &str, grid: &Grid, options: &Options<'_>) {
    let outcome = explore(grid, options, &mut |progress| {
        if std::env::var_os("SEARCH_PROGRESS").is_some() {
            println!("{progress:?}");
        }
    });
    assert_eq!(outcome.distinct, grid.states());
    assert_eq!(outcome.generated, grid.edges() + 1);
    println!(
        "{name}: {} states, {} edges, {} threads: {:.2} s, {:.0} states/s, {:.0} ns an edge and thread, {:.2} bytes a \
         state, frontier {} MiB",
        outcome.distinct,
        outcome.generated,
        options.threads,
        outcome.seconds,
        outcome.states_per_second(),
        outcome.seconds * 1e9 / outcome.generated as f64 * options.threads as f64,
        outcome.bytes_per_state(),
        outcome.frontier_bytes_peak >> 20,
    );
}

#[test]
#[ignore = "a measurement"]
fn grids() {
    let options = Options { threads: threads(), ..Options::default() };
    measure("16.8M, 6 words", &Grid::new(6, 15), &options);
    measure("16.8M, 15 words", &Grid { padding: 9, ..Grid::new(6, 15) }, &options);
}

#[test]
#[ignore = "a measurement"]
fn large_grid() {
    let options = Options { threads: threads(), ..Options::default() };
    measure("85.8M, 15 words", &Grid { padding: 9, ..Grid::new(6, 20) }, &options);
}

#[test]
#[ignore = "a measurement: ten minutes, 10 GiB"]
fn huge_grid() {
    let options = Options { threads: threads(), ..Options::default() };
    measure("410M, 15 words", &Grid { padding: 8, ..Grid::new(7, 16) }, &options);
}

/// Nanoseconds a call, best of five.
fn nanoseconds(calls: u64, mut run: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let started = Instant::now();
        run();
        best = best.min(started.elapsed().as_secs_f64());
    }
    best * 1e9 / calls as f64
}

#[test]
#[ignore = "a measurement"]
fn tables() {
    const CALLS: u64 = 10_000_000;
    for keys in [1u64 << 10, 1 << 14, 1 << 20] {
        let memo = Memo::<u64, u32>::new();
        let mut cache = MemoCache::new(16);
        let key = |turn: u64| {
            let turn = turn.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20 & (keys - 1);
            turn << 32 | turn >> 3
        };
        let nanos = nanoseconds(CALLS, || {
            for turn in 0..CALLS {
                black_box(cache.get_or(&memo, key(turn), || turn as u32));
            }
        });
        let direct = nanoseconds(CALLS, || {
            for turn in 0..CALLS {
                black_box(memo.get(key(turn)));
            }
        });
        println!(
            "{keys} keys: {nanos:.1} ns a look-up through a cache of 2^16 slots, {direct:.1} ns without"
        );
    }
    let interner = Interner::new();
    let values: Vec<Vec<u32>> = (0..1 << 14).map(|value| (value..value + 12).collect()).collect();
    for value in &values {
        interner.intern_ref(value);
    }
    let get = nanoseconds(CALLS, || {
        for turn in 0..CALLS {
            black_box(interner.get((turn.wrapping_mul(0x9e37_79b9) & 0x3fff) as u32));
        }
    });
    let find = nanoseconds(CALLS, || {
        for turn in 0..CALLS as usize {
            black_box(interner.find(&values[turn.wrapping_mul(0x9e37_79b9) & 0x3fff]));
        }
    });
    println!(
        "interner of 2^14 vectors of 12 words: {get:.1} ns to get, {find:.1} ns to find again"
    );
}

#[test]
#[ignore = "a measurement"]
fn liveness() {
    let grid = Grid { padding: 9, ..Grid::new(6, 9) };
    let outcome = fair(&grid, &|label| label as u8, &|_, state| state[..6] == [9; 6]);
    println!(
        "liveness: {} states, {} edges: {:.2} s, {:.0} ns an edge, {} bytes a state",
        outcome.states,
        outcome.edges,
        outcome.seconds,
        outcome.seconds * 1e9 / outcome.edges as f64,
        outcome.bytes / outcome.states,
    );
    assert!(outcome.holds());
}
