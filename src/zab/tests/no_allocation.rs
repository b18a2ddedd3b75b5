//! The steps of broadcast take no memory from the allocator, once everything has grown to its size.

mod steady;

use zab::Input;

use steady::{Payload, Server};

/// How many allocations the steps make together.
fn allocations(server: &mut Server, inputs: Vec<Input<Payload>>) -> u64 {
    let mut inputs = inputs.into_iter();
    let count = allocation_counter::measure(|| {
        for input in inputs.by_ref() {
            server.step(input);
        }
    });
    count.count_total
}

#[test]
fn the_counter_counts() {
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(vec![1_u8; 100])));
    assert_eq!(counted.count_total, 1);
}

#[test]
fn steps_of_broadcast_allocate_nothing() {
    let (mut leader, mut follower) = steady::ensemble();
    for (round, count) in [(0, 4_000), (1, 100), (2, 1), (3, 2_000)] {
        let proposes = leader.proposes(count);
        let propose = allocations(&mut leader, proposes);
        let written = vec![leader.durable()];
        let durable = allocations(&mut leader, written);
        let acks = leader.acks(0, count);
        let ack = allocations(&mut leader, acks);
        assert_eq!((leader.delivered(), leader.sent()), (1, 2), "each of these commits");
        let acks = leader.acks(1, count);
        let late = allocations(&mut leader, acks);

        let proposals = follower.proposals(count);
        let proposal = allocations(&mut follower, proposals);
        let written = vec![follower.durable()];
        let durable_there = allocations(&mut follower, written);
        let commits = follower.commits(count);
        let commit = allocations(&mut follower, commits);
        assert_eq!(follower.delivered(), 1, "each of these delivers");

        let all = [propose, durable, ack, late, proposal, durable_there, commit];
        // In the first round everything grows: more is in flight than ever after.
        assert!(round == 0 || all == [0; 7], "round {round}: {all:?}");
    }
}
