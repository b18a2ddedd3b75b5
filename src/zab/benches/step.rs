//! How long the steps of broadcast take, in steady state: three servers, payloads of 100 shared
//! bytes, a full window.
//!
//! Each is to stay below 200 ns: `cargo bench -p zab`.

#[path = "../tests/steady/mod.rs"]
mod steady;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use zab::Input;

use steady::{Payload, Server};

/// Transactions in flight: what is timed in one go, so that the clock costs nothing.
const BATCH: u32 = 64;

/// Fills the window, and everything grows to its size.
const WARM_UP: u32 = 2_000;

fn take(server: &mut Server, inputs: Vec<Input<Payload>>) {
    for input in inputs {
        server.step(input);
    }
}

fn time(server: &mut Server, inputs: Vec<Input<Payload>>) -> Duration {
    let mut inputs = inputs.into_iter();
    let start = Instant::now();
    for input in inputs.by_ref() {
        server.step(black_box(input));
    }
    start.elapsed()
}

/// The steps of a batch of transactions at the leader: Propose, Durable, the ACKs that commit, and
/// those that come late.
struct AtLeader {
    propose: Duration,
    ack: Duration,
    late_ack: Duration,
}

fn at_leader(leader: &mut Server, count: u32) -> AtLeader {
    let inputs = leader.proposes(count);
    let propose = time(leader, inputs);
    leader.step(leader.durable());
    let ack = time(leader, leader.acks(0, count));
    assert_eq!((leader.delivered(), leader.sent()), (1, 2), "each of these commits");
    let late_ack = time(leader, leader.acks(1, count));
    AtLeader { propose, ack, late_ack }
}

/// Those at a follower: PROPOSAL, Durable, COMMIT.
struct AtFollower {
    proposal: Duration,
    commit: Duration,
}

fn at_follower(follower: &mut Server, count: u32) -> AtFollower {
    let inputs = follower.proposals(count);
    let proposal = time(follower, inputs);
    assert_eq!(follower.sent(), 1, "each of these is acknowledged");
    follower.step(follower.durable());
    let commit = time(follower, follower.commits(count));
    assert_eq!(follower.delivered(), 1, "each of these delivers");
    AtFollower { proposal, commit }
}

/// The time of `iters` steps, in batches.
fn batches(iters: u64, mut batch: impl FnMut(u32) -> Duration) -> Duration {
    let mut left = iters;
    let mut total = Duration::ZERO;
    while left > 0 {
        let count = u32::try_from(left).unwrap_or(BATCH).min(BATCH);
        total += batch(count);
        left -= u64::from(count);
    }
    total
}

fn steps(c: &mut Criterion) {
    let (mut leader, mut follower) = steady::ensemble();
    let warm_up = leader.proposes(WARM_UP);
    take(&mut leader, warm_up);
    leader.step(leader.durable());
    let acks = leader.acks(0, WARM_UP);
    take(&mut leader, acks);
    let warm_up = follower.proposals(WARM_UP);
    take(&mut follower, warm_up);
    follower.step(follower.durable());
    let commits = follower.commits(WARM_UP);
    take(&mut follower, commits);

    let mut group = c.benchmark_group("step");
    group.bench_function("leader Propose", |b| {
        b.iter_custom(|iters| batches(iters, |count| at_leader(&mut leader, count).propose));
    });
    group.bench_function("leader ACK that commits", |b| {
        b.iter_custom(|iters| batches(iters, |count| at_leader(&mut leader, count).ack));
    });
    group.bench_function("leader ACK that comes late", |b| {
        b.iter_custom(|iters| batches(iters, |count| at_leader(&mut leader, count).late_ack));
    });
    group.bench_function("follower PROPOSAL", |b| {
        b.iter_custom(|iters| batches(iters, |count| at_follower(&mut follower, count).proposal));
    });
    group.bench_function("follower COMMIT", |b| {
        b.iter_custom(|iters| batches(iters, |count| at_follower(&mut follower, count).commit));
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1));
    targets = steps
}
criterion_main!(benches);
