//! The first seed of so many whose run is wrong: `first_wrong 200`. Builds without the rest of the
//! project, for the seeded flaws (`flaws/run.sh`).

use sim::{Options, run};

fn main() {
    let seeds = std::env::args().nth(1).and_then(|seeds| seeds.parse().ok()).unwrap_or(100);
    let wrong = (1..=seeds).find_map(|seed| {
        let failure = run(&Options::new(seed), false).failure?;
        Some((seed, failure))
    });
    match wrong {
        Some((seed, failure)) => println!("seed {seed}: {failure}"),
        None => println!("none of {seeds}"),
    }
}
