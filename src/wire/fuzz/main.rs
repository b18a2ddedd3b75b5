//! Varies inputs of every decoder at random; see `README.md` beside this file.

mod targets;
mod vary;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use targets::{TARGETS, Target};
use vary::Variations;

/// Inputs per target in a plain test run: about a second for all of them.
const INPUTS_DEFAULT: u64 = 10_000;

/// Bytes a decoder may hold at once for each byte of its input. The worst is a multi of results
/// without a body: 9 bytes each, more than 100 in memory, and a vector that doubles.
const HELD_BYTES_PER_BYTE_MAX: u64 = 64;

/// Bytes a decoder may hold besides: room for a first item, a message of an error.
const HELD_BYTES_BASE: u64 = 4096;

fn corpus(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target.name)
}

/// What was found wrong with an input, if anything.
fn verdict(target: &Target, input: &[u8]) -> Result<(), String> {
    let mut outcome = Ok(());
    let held = allocation_counter::measure(|| {
        outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    });
    outcome.map_err(|_| String::from("it panicked"))?;
    let allowed = HELD_BYTES_BASE + HELD_BYTES_PER_BYTE_MAX * input.len() as u64;
    if held.bytes_max > allowed {
        return Err(format!("it held {} bytes, allowed are {allowed}", held.bytes_max));
    }
    Ok(())
}

/// Fails with the input, kept in the corpus so that each later run begins with it.
fn examine(target: &Target, input: &[u8]) {
    let Err(reason) = verdict(target, input) else { return };
    let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
    let file = corpus(target).join(format!("found-{}", &hex[..hex.len().min(32)]));
    let kept = fs::create_dir_all(corpus(target)).and_then(|()| fs::write(&file, input));
    panic!("{}: {reason}; input {hex}, kept in {} ({kept:?})", target.name, file.display());
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}: {text:?} is not a number")))
}

#[test]
fn inputs_of_the_corpus_and_the_seeds_hold() {
    for target in TARGETS {
        for seed in (target.seeds)() {
            examine(target, &seed);
        }
        let Ok(files) = fs::read_dir(corpus(target)) else { continue };
        for file in files {
            examine(target, &fs::read(file.unwrap().path()).unwrap());
        }
    }
}

#[test]
fn variations_hold() {
    let only = std::env::var("WIRE_FUZZ_TARGET").ok();
    let seed = number("WIRE_FUZZ_SEED").unwrap_or(1);
    let duration = number("WIRE_FUZZ_SECONDS").map(Duration::from_secs);
    for target in TARGETS {
        if only.as_ref().is_some_and(|only| only != target.name) {
            continue;
        }
        let mut variations = Variations::new((target.seeds)(), seed);
        let start = Instant::now();
        let mut inputs = 0_u64;
        while match duration {
            Some(duration) => start.elapsed() < duration,
            None => inputs < INPUTS_DEFAULT,
        } {
            examine(target, variations.next_input());
            inputs += 1;
        }
        println!("{}: {inputs} inputs from seed {seed} hold", target.name);
    }
}

#[test]
fn a_decoder_that_reserves_what_is_announced_is_caught() {
    let greedy = Target {
        name: "greedy",
        run: |input| {
            let announced = input.first_chunk().map_or(0, |head| u32::from_be_bytes(*head));
            std::hint::black_box(Vec::<u8>::with_capacity(announced as usize));
        },
        seeds: Vec::new,
    };
    assert_eq!(verdict(&greedy, b"\0\0\x10\0"), Ok(()));
    let refused = "it held 1048576 bytes, allowed are 4352".to_owned();
    assert_eq!(verdict(&greedy, b"\0\x10\0\0"), Err(refused));
}
