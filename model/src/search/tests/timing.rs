//! Measurements of the engine alone; ignored by default. Run with
//! `cargo test --release -p model search::tests::timing -- --ignored --nocapture --test-threads 1`.

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
