//! The quick tier, whole: every model complete, every property as required, and the numbers as they were.
//!
//! A number that changes means that the model or the core behaves differently. When that is meant, the new number
//! belongs in the commit that changes it, with the reason.

use model::registry;
use model::report::{CheckOptions, Completion, Engine, Tier, Verdict};

/// Model, distinct states, generated states, depth.
const PINNED: &[(&str, u64, u64, u64)] = &[
    ("Q0", 102_127, 397_084, 48),
    ("Q1", 155_353, 577_957, 55),
    ("Q2", 1_007_890, 4_032_603, 62),
    ("Q4", 262_233, 997_699, 55),
    ("Q5", 5_663, 28_197, 44),
    ("Q6", 28_467, 118_548, 47),
    ("Q7", 79_661, 301_197, 54),
    ("K1", 512_337, 2_090_126, 56),
    ("X0", 24_490, 47_251, 51),
    ("X1", 160_964, 598_493, 47),
    ("R", 262_233, 997_699, 55),
    ("F1", 1_157_700, 5_038_978, 28),
    ("F2", 292_624, 1_160_608, 17),
    ("F3", 184_135, 661_098, 24),
    ("F4", 84_029, 276_208, 27),
    ("L1", 239_478, 1_038_019, 24),
    ("L2", 184_135, 661_098, 24),
    ("L3", 6_759, 13_290, 42),
    ("L4", 160_964, 598_493, 47),
    ("L5", 573_833, 2_144_365, 52),
];

#[test]
fn every_model_of_the_quick_tier_holds_with_the_pinned_numbers() {
    let mut numbers = Vec::new();
    for model in registry() {
        let info = model.info();
        let Some(bounds) = info.tier(Tier::Quick) else { continue };
        let opts = CheckOptions {
            threads: 2,
            max_states: None,
            engine: Engine::Own,
            stop: Default::default(),
        };
        let verdict = model.check(bounds, &opts, &|_| {});
        assert_eq!(verdict.completion, Completion::Complete, "{}", info.name);
        assert_eq!(verdict.pruned, 0, "{}", info.name);
        assert_refinement(&verdict, info.name);
        for property in &verdict.properties {
            assert_eq!(property.holds, Some(true), "{}: {}", info.name, property.name);
        }
        numbers.push((info.name, verdict.distinct, verdict.generated, verdict.depth));
    }
    assert_eq!(numbers, PINNED);
}

/// Families Q and X are compared with abstract Zab, step by step, and Q1 takes all nine actions.
fn assert_refinement(verdict: &Verdict, name: &str) {
    let taken: Vec<_> =
        verdict.actions.iter().filter(|action| action.name.starts_with("Zab!")).collect();
    let refines = ["Q", "K", "X"].iter().any(|family| name.starts_with(family));
    assert_eq!(taken.len(), if refines { 9 } else { 0 }, "{name}");
    let checked = verdict.properties.iter().any(|p| p.name == "Zab every-step-is-abstract");
    assert_eq!(checked, refines, "{name}");
    if name == "Q1" {
        assert!(taken.iter().all(|action| action.count > 0), "{taken:?}");
    }
}
