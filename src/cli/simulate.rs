//! `vivarium simulate`.

mod page;

use super::context::Context;
use super::stop::stop_flag;
use clap::Args;
use serde::Serialize;
use sim::{Fault, Options, Outcome};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Examples:
  vivarium simulate --seeds 20000               seeds 1 to 20000
  vivarium simulate --seed 17                   one of them, and what happened in it
  vivarium simulate --seed 17 --clients 1 --without pause,kill

A run is whole servers (the deployed node with the deployed store) on simulated disks, a simulated
network, a clock for each, and clients with sessions that move, pipelines, watches, ephemeral and
sequential nodes and multis, in one thread: all of it follows from the seed. It is wild for a while;
then nothing goes wrong any more, and every server has to serve, every client to get its answers, all
servers to hold the same, and the history of what clients saw to be one that ZooKeeper may have.

A run that fails is made smaller, and named by the line that repeats it.

Exit status:
  0    every run was right (and reached every situation, with --all-marks)
  1    something was wrong, or a run repeated was another one
  2    usage error
  3    interrupted, or a situation was not reached";

/// Run whole servers in a simulated world, from seeds
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SimulateArgs {
    /// Run this seed, and tell what happened
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// How many seeds
    #[arg(long, default_value_t = 100, value_name = "N")]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    from: u64,
    /// How many runs at once [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    threads: Option<u8>,
    /// How many servers [default: the seed chooses]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=9))]
    servers: Option<u8>,
    /// How many servers without a vote [default: the seed chooses]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=9))]
    observers: Option<u8>,
    /// How many clients [default: the seed chooses]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=100))]
    clients: Option<u8>,
    /// For how many seconds things go wrong [default: the seed chooses]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(1..=3600))]
    wild: Option<u16>,
    /// Kinds of faults that do not happen: kill, power-loss, pause, partition, break, slow-disk,
    /// slow-processor, clock-jump, restart, vanish, disk-error, damage, drift, stranger
    #[arg(long, value_name = "FAULTS", value_delimiter = ',', value_parser = fault)]
    without: Vec<Fault>,
    /// Run so many of the seeds twice: the same has to happen
    #[arg(long, default_value_t = 2, value_name = "N")]
    twice: u64,
    /// Every situation that matters has to be reached
    #[arg(long)]
    all_marks: bool,
    /// Write the page of a run that fails into this directory: a sequence diagram of how it ended
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write what was covered as JSON, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn fault(name: &str) -> Result<Fault, String> {
    Fault::from_name(name).ok_or_else(|| {
        let names: Vec<_> = Fault::ALL.into_iter().map(Fault::name).collect();
        format!("found `{name}`, allowed: {}", names.join(", "))
    })
}

/// What all runs came to.
#[derive(Default, Serialize)]
struct Covered {
    commit: String,
    first_seed: u64,
    seeds: u64,
    simulated_seconds: f64,
    seconds: f64,
    events: u64,
    answers: u64,
    transactions: usize,
    /// Situations, and in how many runs each was reached.
    marks: BTreeMap<&'static str, u64>,
    repeated: u64,
    /// The lines that repeat what was wrong.
    wrong: Vec<String>,
}

/// Runs `simulate`.
pub(crate) fn run(arguments: &SimulateArgs, context: Context<'_>) -> u8 {
    match arguments.seed {
        Some(seed) => tell(arguments, seed, context),
        None => cover(arguments, context),
    }
}

impl SimulateArgs {
    fn options(&self, seed: u64) -> Options {
        Options {
            seed,
            servers: self.servers,
            observers: self.observers,
            clients: self.clients.map(usize::from),
            without: self.without.clone(),
            wild: self.wild.map(|seconds| Duration::from_secs(seconds.into())),
        }
    }
}

impl SimulateArgs {
    /// Writes the page of a run that fails, if that is asked for; what to say of it.
    fn page(&self, options: &Options, outcome: &Outcome, commit: &str) -> Option<String> {
        let directory = self.out.as_ref()?;
        let path = directory.join(format!("seed-{}.html", options.seed));
        let html = checker::html_page(&page::story(outcome, &line(options)), commit);
        let written = std::fs::create_dir_all(directory).and_then(|()| std::fs::write(&path, html));
        Some(match written {
            Ok(()) => format!("how it ended: {}", path.display()),
            Err(error) => format!("cannot write {}: {error}", path.display()),
        })
    }
}

/// The line that repeats a run.
fn line(options: &Options) -> String {
    let Options { seed, servers, observers, clients, without, wild } = options;
    let mut line = format!("vivarium simulate --seed {seed}");
    // Writing to a String does not fail.
    if let Some(servers) = servers {
        let _ = write!(line, " --servers {servers}");
    }
    if let Some(observers) = observers {
        let _ = write!(line, " --observers {observers}");
    }
    if let Some(clients) = clients {
        let _ = write!(line, " --clients {clients}");
    }
    if let Some(wild) = wild {
        let _ = write!(line, " --wild {}", wild.as_secs());
    }
    if !without.is_empty() {
        let names: Vec<_> = without.iter().map(|fault| fault.name()).collect();
        let _ = write!(line, " --without {}", names.join(","));
    }
    line
}

/// One seed, with its story.
fn tell(arguments: &SimulateArgs, seed: u64, context: Context<'_>) -> u8 {
    let options = arguments.options(seed);
    let outcome = sim::run(&options, true);
    let out = &mut *context.console.out;
    for line in outcome.story.iter().filter(|line| !line.kind.is_message()) {
        let _ = writeln!(out, "{line}");
    }
    let Outcome { plan, digest, simulated, events, answers, transactions, failure, .. } = &outcome;
    let _ = writeln!(
        out,
        "seed {seed} ({plan}): {:.1} s, {events} events, {answers} answers, {transactions} \
         transactions, digest {digest:016x}",
        simulated.as_secs_f64()
    );
    let is_same = sim::run(&options, false).digest == *digest;
    if !is_same {
        let _ = writeln!(out, "WRONG: another run of the same seed was not the same");
    }
    match failure {
        Some(failure) => {
            let _ = writeln!(out, "WRONG: {failure}");
            if let Some(page) = arguments.page(&options, &outcome, &context.build.commit) {
                let _ = writeln!(out, "{page}");
            }
            1
        }
        None => u8::from(!is_same),
    }
}

/// Many seeds.
fn cover(arguments: &SimulateArgs, context: Context<'_>) -> u8 {
    let began = Instant::now();
    let covered = Mutex::new(Covered {
        commit: context.build.commit.to_string(),
        first_seed: arguments.from,
        ..Covered::default()
    });
    let (next, stop) = (AtomicU64::new(0), stop_flag());
    let is_wrong = AtomicBool::new(false);
    let commit = context.build.commit.clone();
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = arguments.threads.map_or(processors, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let is_over = stop.load(Ordering::Relaxed) || is_wrong.load(Ordering::Relaxed);
                    if number >= arguments.seeds || is_over {
                        return;
                    }
                    let options = arguments.options(arguments.from.wrapping_add(number));
                    let outcome = sim::run(&options, false);
                    let repeats = number < arguments.twice;
                    let is_same = !repeats || sim::run(&options, false).digest == outcome.digest;
                    let wrong = if is_same {
                        what_is_wrong(arguments, &options, &outcome, &commit)
                    } else {
                        Some(format!("another run was not the same: {}", line(&options)))
                    };
                    is_wrong.fetch_or(wrong.is_some(), Ordering::Relaxed);
                    if let Ok(mut covered) = covered.lock() {
                        covered.add(&outcome, repeats, wrong);
                    }
                }
            });
        }
    });
    let mut covered = covered.into_inner().unwrap_or_default();
    covered.seconds = began.elapsed().as_secs_f64();
    report(arguments, &covered, context)
}

/// What was wrong with a run, made smaller, and the line that repeats it.
fn what_is_wrong(
    arguments: &SimulateArgs,
    options: &Options,
    outcome: &Outcome,
    commit: &str,
) -> Option<String> {
    let failure = outcome.failure.as_ref()?;
    let (smaller_options, last) = sim::shrink(options, outcome.clone());
    let first = format!("{failure}\n  {} ({})", line(options), outcome.plan);
    let smaller = match &last.failure {
        Some(failure) if line(&smaller_options) != line(options) => {
            format!("\n  smaller: {}\n  there: {failure}", line(&smaller_options))
        }
        Some(_) | None => String::new(),
    };
    let page = arguments.page(&smaller_options, &sim::run(&smaller_options, true), commit);
    Some(first + &smaller + &page.map_or_else(String::new, |page| format!("\n  {page}")))
}

impl Covered {
    fn add(&mut self, outcome: &Outcome, repeats: bool, wrong: Option<String>) {
        self.seeds += 1;
        self.simulated_seconds += outcome.simulated.as_secs_f64();
        self.events += outcome.events;
        self.answers += outcome.answers;
        self.transactions += outcome.transactions;
        self.repeated += u64::from(repeats);
        for mark in &outcome.marks {
            *self.marks.entry(mark).or_default() += 1;
        }
        self.wrong.extend(wrong);
    }
}

fn report(arguments: &SimulateArgs, covered: &Covered, context: Context<'_>) -> u8 {
    let out = &mut *context.console.out;
    let times = covered.simulated_seconds / covered.seconds.max(0.001);
    let _ = writeln!(
        out,
        "{} seeds from {}: {:.0} s simulated in {:.1} s ({times:.0} times real time), {} events, \
         {} answers, {} transactions; {} runs repeated",
        covered.seeds,
        covered.first_seed,
        covered.simulated_seconds,
        covered.seconds,
        covered.events,
        covered.answers,
        covered.transactions,
        covered.repeated,
    );
    let missing: Vec<_> =
        sim::marks::ALL.into_iter().filter(|mark| !covered.marks.contains_key(mark)).collect();
    for (mark, runs) in &covered.marks {
        let _ = writeln!(out, "  {runs:>8} {mark}");
    }
    for mark in &missing {
        let _ = writeln!(out, "     never {mark}");
    }
    for wrong in &covered.wrong {
        let _ = writeln!(out, "WRONG: {wrong}");
    }
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(covered).unwrap_or_default() + "\n";
        if let Err(error) = std::fs::write(path, text) {
            let _ =
                writeln!(context.console.err, "error: cannot write {}: {error}", path.display());
            return 2;
        }
    }
    let is_incomplete = covered.seeds < arguments.seeds;
    match (covered.wrong.is_empty(), is_incomplete || arguments.all_marks && !missing.is_empty()) {
        (false, _) => 1,
        (true, true) => 3,
        (true, false) => 0,
    }
}
