//! Abstract Zab in Rust has the states of `spec/Zab.tla`: as many, and as many at each depth.
//!
//! `spec/counts.tsv` holds what explorers of TLA+ have counted; `spec/check.sh` counts them anew.

use model::registry;
use model::report::{Bounds, CheckOptions, Completion, Engine};

const COUNTS: &str = include_str!("../../spec/counts.tsv");

/// More than that takes too long for a test; `vivarium check A8 --bound …` does it.
const STATES_MAX: u64 = 200_000;

/// Configuration, bounds, distinct states, and states at each depth.
fn rows() -> impl Iterator<Item = (&'static str, [u64; 4], u64, Vec<u64>)> {
    let rows = COUNTS.lines().filter(|line| line.starts_with("Zab-"));
    rows.map(|line| {
        let fields: Vec<_> = line.split('\t').collect();
        let &[name, servers, epochs, txns, delivered, states, _, levels] = &fields[..] else {
            panic!("eight columns: {line}");
        };
        let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("{name}: {text}"));
        let levels = levels.split(' ').map(number).collect();
        (name, [servers, epochs, txns, delivered].map(number), number(states), levels)
    })
}

#[test]
fn counts_and_histograms_are_those_of_the_tla_module() {
    let model = registry().into_iter().find(|model| model.info().name == "A1").expect("family A");
    let mut compared = 0;
    for (name, values, states, levels) in rows().filter(|(_, _, states, _)| *states <= STATES_MAX) {
        let names = ["servers", "epochs", "txns", "delivered"];
        let bounds = Bounds::new(names.into_iter().zip(values));
        let opts = CheckOptions {
            threads: 2,
            max_states: None,
            engine: Engine::Own,
            stop: Default::default(),
        };
        let verdict = model.check(&bounds, &opts, &|_| {});
        assert_eq!(verdict.completion, Completion::Complete, "{name}");
        assert_eq!((verdict.distinct, verdict.levels), (states, levels), "{name}");
        compared += 1;
    }
    assert!(compared >= 8, "only {compared} configurations of Zab in spec/counts.tsv");
}
