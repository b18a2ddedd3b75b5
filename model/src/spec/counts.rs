//! The Rust text and the TLA+ text have the same states: as many at each depth, within all bounds
//! of `spec/counts.tsv`.

use super::space::Abstract;
use super::state::Bounds;
use search::{Options, explore};

/// Counted by tools that read TLA+: `spec/check.sh`.
const COUNTS: &str = include_str!("../../../spec/counts.tsv");

#[test]
fn at_each_depth_there_are_as_many_states_as_in_tla() {
    let mut compared = 0;
    for line in COUNTS.lines().filter(|line| line.starts_with("Zab-")) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [name, servers, epochs, txns, delivered, states, depth, levels] = columns[..] else {
            panic!("{line}: eight columns are due");
        };
        let number = |text: &str| -> u32 {
            text.parse().unwrap_or_else(|_| panic!("{name}: {text} is no number"))
        };
        let bounds =
            Bounds { epochs: number(epochs), txns: number(txns), delivered: number(delivered) };
        let servers = u8::try_from(number(servers)).expect("few servers");
        assert_eq!(
            name,
            format!("Zab-{servers}n-{epochs}e-{txns}t-{delivered}d"),
            "named by its bounds"
        );

        let space = Abstract::new(servers, bounds);
        let options = Options { threads: 1, ..Options::default() };
        let outcome = explore(&space, &options, &mut |_| {});
        assert!(outcome.complete && outcome.violations.is_empty(), "{name}");
        let expected: Vec<u64> = levels.split(' ').map(|count| number(count).into()).collect();
        assert_eq!(outcome.levels, expected, "{name}");
        assert_eq!(outcome.distinct, u64::from(number(states)), "{name}");
        // TLA+ tools count the states on the longest shortest path, not its steps.
        assert_eq!(outcome.depth + 1, number(depth), "{name}");
        compared += 1;
    }
    assert!(compared >= 17, "{compared} lines compared");
}
