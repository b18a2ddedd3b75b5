//! Runs of many seeds, one after the other: `runs 1000 [first]`. What was wrong, and what it
//! took; of one seed the story, too.
//! Builds without the rest of the project.

use std::collections::BTreeMap;
use std::time::Instant;

use sim::{Options, run};

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|number| number.parse().ok());
    let (seeds, first) = (numbers.next().unwrap_or(100_u64), numbers.next().unwrap_or(1));
    let (began, mut simulated, mut events, mut wrong) = (Instant::now(), 0.0, 0, 0);
    let mut slowest = (0, 0);
    let mut marks = BTreeMap::new();
    for seed in first..first + seeds {
        let outcome = run(&Options::new(seed), seeds == 1);
        for line in outcome.story.iter().filter(|line| !line.kind.is_message()) {
            println!("{line}");
        }
        if let Some(failure) = &outcome.failure {
            wrong += 1;
            println!("seed {seed}: {failure} ({})", outcome.plan);
        }
        slowest = slowest.max((outcome.recovery_ticks, seed));
        simulated += outcome.simulated.as_secs_f64();
        events += outcome.events;
        for mark in outcome.marks {
            *marks.entry(mark).or_insert(0_u64) += 1;
        }
    }
    for (mark, count) in marks {
        println!("{count:>8} {mark}");
    }
    println!("recovered after at most {} ticks, seed {}", slowest.0, slowest.1);
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{seeds} seeds, {wrong} wrong, {simulated:.0} s simulated in {seconds:.1} s, {events} events"
    );
}
