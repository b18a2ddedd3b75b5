//! Counts, levels, paths, limits.

use super::super::{Options, explore};
use super::spaces::Grid;

#[test]
fn a_grid_has_its_closed_form_counts() {
    for threads in [1, 2, 3] {
        let grid = Grid::new(4, 9);
        let outcome = explore(&grid, &Options { threads, ..Options::default() }, &mut |_| {});
        assert!(outcome.complete);
        assert_eq!(outcome.distinct, grid.states());
        assert_eq!(outcome.generated, grid.edges() + 1);
        assert_eq!(outcome.levels, grid.levels());
        assert_eq!(outcome.depth, 36);
    }
}
