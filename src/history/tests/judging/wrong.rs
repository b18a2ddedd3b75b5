//! Histories that are wrong in one place are refused, by the rule that they break.

use std::collections::BTreeMap;

use history::Rule;

use crate::mutate::ALL;
use crate::world::{Rng, Shape, right};

/// How many worlds the mutators are tried in.
const WORLDS: u64 = 36;

/// How many wrong histories each mutator has to make.
const EACH_MIN: usize = 15;

/// Over a thousand histories, each wrong in one place.
#[test]
fn a_history_that_is_wrong_in_one_place_is_refused_by_the_rule_it_breaks() {
    let mut missed = Vec::new();
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for seed in 0..WORLDS {
        let history = right(Shape { steps: 4000, ..Shape::of(seed) });
        assert_eq!(history.check().unwrap().violations_total, 0, "seed {seed}");
        for (index, mutator) in ALL.iter().enumerate() {
            let mut rng = Rng::new(seed * 1000 + index as u64);
            let mut wrong = history.clone();
            if !(mutator.apply)(&mut wrong.records, &mut rng) {
                continue;
            }
            let name = mutator.name;
            assert_ne!(wrong, history, "{name}, seed {seed}: nothing was changed");
            let report = wrong.check().unwrap_or_else(|error| panic!("{name} {seed}: {error}"));
            if !mutator.rules.iter().any(|rule| report.breaks(*rule)) {
                missed.push(format!("{name}, seed {seed}: {:?}\n{report}", report.verdict()));
                continue;
            }
            let (made, alone) = counts.entry(name).or_default();
            *made += 1;
            let is_its = |rule: &Rule| mutator.rules.contains(rule);
            *alone += usize::from(report.violations.iter().all(|v| is_its(&v.rule)));
        }
    }
    let shown = missed.iter().take(500).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(missed.is_empty(), "{} are not refused by their rule:\n{shown}", missed.len());
    let total: usize = counts.values().map(|(made, _)| made).sum();
    println!("{total} wrong histories; how many by which mutator, and by its rule alone:");
    for mutator in ALL {
        let (made, alone) = counts.get(mutator.name).copied().unwrap_or_default();
        println!("{made:>6} {alone:>6} {}", mutator.name);
        assert!(made >= EACH_MIN, "{} made only {made} wrong histories", mutator.name);
    }
    assert!(total >= 1000, "{total} wrong histories");
}

/// Every rule is one that a mutator breaks.
#[test]
fn every_rule_has_a_history_that_breaks_it() {
    for rule in Rule::ALL {
        assert!(ALL.iter().any(|mutator| mutator.rules.contains(&rule)), "{rule}");
    }
}
