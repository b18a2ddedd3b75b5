//! The quick tier, whole: every model complete, every property as required, and the numbers as they
//! were.
//!
//! A number that changes means that the model or the core behaves differently. When that is meant,
//! the new number belongs in the commit that changes it, with the reason.

use checker::{CheckOptions, Completion, Engine, Tier, Verdict};
use model::registry;

/// Model, distinct states, generated states, depth.
const PINNED: &[(&str, u64, u64, u64)] = &[
    ("broadcast-0", 113_320, 516_869, 51),
    ("broadcast-1", 539_042, 2_278_269, 62),
    ("broadcast-2", 1_588_075, 7_328_378, 65),
    ("broadcast-4", 452_516, 1_990_224, 60),
    ("broadcast-5", 9_336, 51_529, 48),
    ("broadcast-6", 43_752, 200_957, 50),
    ("broadcast-7", 116_380, 508_622, 58),
    ("sync-reads-1", 53_159, 173_480, 42),
    ("sync-reads-2", 361_236, 1_028_114, 46),
    ("sync-reads-3", 87_914, 296_276, 41),
    ("whole-0", 59_276, 144_824, 53),
    ("whole-1", 1_567_095, 6_420_553, 53),
    ("whole-3", 12_408, 20_458, 37),
    ("recovery", 408_036, 1_815_940, 60),
    ("recovery-2", 447_652, 1_926_782, 60),
    ("recovery-3", 642_459, 2_094_170, 54),
    ("election-1", 1_157_700, 5_038_978, 28),
    ("election-2", 292_624, 1_160_608, 17),
    ("election-3", 184_135, 661_098, 24),
    ("election-4", 84_029, 276_208, 27),
    ("election-5", 410_916, 2_045_462, 20),
    ("liveness-1", 239_478, 1_038_019, 24),
    ("liveness-2", 184_135, 661_098, 24),
    ("liveness-3", 7_452, 14_756, 44),
    ("liveness-4", 479_619, 1_511_213, 52),
    ("liveness-5", 2_325_779, 7_652_645, 55),
    ("liveness-6", 642_459, 2_094_170, 54),
    ("abstract-1", 115, 194, 11),
    ("abstract-2", 113, 239, 13),
    ("abstract-3", 1_117, 3_985, 18),
    ("abstract-4", 1_019, 2_471, 14),
    ("abstract-5", 4_245, 11_293, 19),
    ("abstract-6", 1_276, 3_790, 11),
    ("abstract-7", 13_438, 56_335, 18),
    ("one-server-1", 20_234, 2_057_329, 33),
    ("one-server-2", 22_578, 2_016_645, 27),
    ("one-server-3", 24_511, 3_277_379, 34),
    ("one-server-4", 8_086, 941_188, 22),
    ("one-server-5", 31_041, 3_823_642, 28),
    ("one-server-8", 23_597, 1_548_689, 25),
    ("one-server-6", 19_673, 5_390_787, 7),
    ("one-server-7", 11_219, 2_675_964, 8),
];

/// Models below this many generated states are tried first, and by themselves: most of what is
/// wrong with the core shows there, and a mutant of it (`model/mutants/README.md`) is built once
/// and tried once.
const SMALL: u64 = 210_000;

#[test]
fn the_small_models_of_the_quick_tier_hold_with_the_pinned_numbers() {
    check(|generated| generated < SMALL);
}

#[test]
fn the_large_models_of_the_quick_tier_hold_with_the_pinned_numbers() {
    check(|generated| generated >= SMALL);
}

#[test]
fn the_numbers_of_every_model_of_the_quick_tier_are_pinned() {
    let models = registry().into_iter().map(|model| model.info());
    let names = models.filter(|info| info.tier(Tier::Quick).is_some()).map(|info| info.name);
    assert!(names.eq(PINNED.iter().map(|pinned| pinned.0)));
}

/// The model with the fewest states first. The first property or step that is wrong ends it; other
/// numbers than those pinned do when no model shows more, for they do not say what is wrong.
fn check(chosen: impl Fn(u64) -> bool) {
    let mut pinned: Vec<_> = PINNED.iter().filter(|pinned| chosen(pinned.2)).collect();
    pinned.sort_by_key(|pinned| pinned.1);
    let miscounts: Vec<_> = pinned.into_iter().filter_map(miscount).collect();
    assert!(miscounts.is_empty(), "count: {}", miscounts.join("; "));
}

/// How the numbers of this model differ from those pinned, of which all properties hold.
fn miscount((name, distinct, generated, depth): &(&str, u64, u64, u64)) -> Option<String> {
    let model = registry().into_iter().find(|model| model.info().name == *name);
    let model = model.unwrap_or_else(|| panic!("there is a model {name}"));
    let info = model.info();
    let bounds = info.tier(Tier::Quick).expect("is in the quick tier");
    let opts = CheckOptions {
        threads: 2,
        // A core that behaves differently may have no end of states. (Liveness visits each state
        // many times.)
        max_states: Some(distinct * 8 + 10_000),
        engine: Engine::Own,
        stop: Default::default(),
    };
    let verdict = model.check(bounds, &opts, &|_| {});
    for property in &verdict.properties {
        assert_ne!(property.holds, Some(false), "property: {name}: {}", property.name);
    }
    if verdict.completion != Completion::Complete || verdict.pruned != 0 {
        return Some(format!("{name}: {:?}, {} pruned", verdict.completion, verdict.pruned));
    }
    let mut properties = verdict.properties.iter();
    let undecided = properties.find(|property| property.holds.is_none() && !property.vacuous);
    assert_eq!(undecided, None, "property: {name}");
    assert_refinement(&verdict, name);
    let numbers = (verdict.distinct, verdict.generated, verdict.depth);
    let due = (*distinct, *generated, *depth);
    (numbers != due).then(|| format!("{name}: {numbers:?} and not {due:?}"))
}

/// These families are compared with abstract Zab, step by step, and broadcast-1 takes all nine
/// actions.
fn assert_refinement(verdict: &Verdict, name: &str) {
    let taken: Vec<_> =
        verdict.actions.iter().filter(|action| action.name.starts_with("Zab!")).collect();
    let refines = ["broadcast", "sync-reads", "whole", "recovery-"]
        .iter()
        .any(|family| name.starts_with(family));
    assert_eq!(taken.len(), if refines { 9 } else { 0 }, "refinement: {name}");
    let checked = verdict.properties.iter().any(|p| p.name == "every-step-is-abstract");
    assert_eq!(checked, refines, "refinement: {name}");
    if name == "broadcast-1" {
        assert!(taken.iter().all(|action| action.count > 0), "refinement: {taken:?}");
    }
}
