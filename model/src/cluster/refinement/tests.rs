//! The refinement check can fail: whatever part of the abstraction is distorted, some step is
//! refused.

use zab::{Epoch, Txn, Zab, Zxid};

use super::super::Cluster;
use super::super::ghost::GhostEvent;
use super::super::limits::Limits;
use super::super::property::Property;
use crate::cluster::mark::Mark;
use crate::spec::action::Kind;
use search::{Options, Outcome, explore};

/// Small, and large enough for every abstract action.
const LIMITS: Limits = Limits {
    servers: 3,
    observers: 0,
    txns: 1,
    leaderships: 2,
    crashes: 1,
    timeouts: 1,
    snapshots: 1,
    syncs: 0,
    elections: 0,
    resends: 0,
    connections: 1,
    early: false,
    window: 15,
    stale_votes: false,
    exact_disks: false,
    refinement: true,
    locked_out: false,
    counter_max: 1000,
    epoch_max: 15,
};

fn run(limits: Limits, distortion: fn(GhostEvent) -> GhostEvent) -> Outcome {
    let mut cluster = Cluster::<Zab<u8>>::new(limits);
    cluster.tables.distortion = distortion;
    let cluster = cluster.up_to_symmetry();
    explore(&cluster, &Options { threads: 2, ..Options::default() }, &mut |_| {})
}

fn is_refused(distortion: fn(GhostEvent) -> GhostEvent) -> bool {
    let violations = run(LIMITS, distortion).violations;
    violations.iter().any(|violation| 1 << violation.property == Property::Refines.bit())
}

fn next(zxid: Zxid) -> Zxid {
    Zxid(zxid.0 + 1)
}

#[test]
fn every_abstract_action_is_taken_and_nothing_else() {
    let outcome = run(LIMITS, |event| event);
    assert!(outcome.complete && outcome.violations.is_empty());
    for kind in Kind::ALL {
        assert!(outcome.marks[Mark::at(kind)] > 0, "{kind:?}");
    }
}

#[test]
fn a_promise_that_is_read_from_the_disk_one_too_high_is_refused() {
    assert!(is_refused(|mut event| {
        if let GhostEvent::Disk { after, .. } = &mut event {
            after.promised = Epoch(after.promised.0 + 1);
        }
        event
    }));
}

#[test]
fn an_accepted_epoch_that_is_taken_from_the_promise_is_refused() {
    assert!(is_refused(|mut event| {
        if let GhostEvent::Disk { after, .. } = &mut event {
            after.accepted = after.promised;
        }
        event
    }));
}

#[test]
fn a_log_that_misses_its_end_is_refused() {
    assert!(is_refused(|mut event| {
        if let GhostEvent::Disk { before, after, .. } = &mut event {
            before.log.pop();
            after.log.pop();
        }
        event
    }));
}

#[test]
fn a_log_that_holds_what_nobody_proposed_is_refused() {
    assert!(is_refused(|mut event| {
        if let GhostEvent::Disk { after, .. } = &mut event
            && let Some(last) = after.log.last_mut()
        {
            last.zxid = next(last.zxid);
        }
        event
    }));
}

#[test]
fn promises_to_the_wrong_candidate_elect_nobody() {
    assert!(is_refused(|mut event| {
        if let GhostEvent::Disk { sid, candidate, .. } = &mut event {
            *candidate = *sid;
        }
        event
    }));
}

#[test]
fn an_initial_history_that_differs_from_the_promised_one_is_refused() {
    assert!(is_refused(|mut event| {
        if let GhostEvent::Elected { initial, .. } = &mut event {
            initial.pop();
        }
        event
    }));
}

#[test]
fn an_election_for_an_epoch_that_nobody_promised_is_refused() {
    assert!(is_refused(|mut event| {
        if let GhostEvent::Elected { epoch, .. } = &mut event {
            *epoch = Epoch(epoch.0 + 1);
        }
        event
    }));
}

#[test]
fn an_acknowledgement_of_what_is_not_on_the_disk_is_refused() {
    assert!(is_refused(|mut event| {
        if let GhostEvent::Acked { zxid, .. } = &mut event {
            *zxid = next(*zxid);
        }
        event
    }));
}

#[test]
fn an_acknowledgement_under_a_newer_promise_is_refused() {
    assert!(is_refused(|mut event| {
        if let GhostEvent::AckedInitial { disk, .. } = &mut event {
            disk.promised = Epoch(disk.promised.0 + 1);
        }
        event
    }));
}

#[test]
fn a_zxid_that_leaves_one_out_is_refused() {
    assert!(is_refused(|mut event| {
        if let GhostEvent::Proposed { txn, .. } = &mut event {
            txn.zxid = next(txn.zxid);
        }
        event
    }));
}

#[test]
fn a_delivery_of_more_than_was_chosen_is_refused() {
    assert!(is_refused(|mut event| {
        if let GhostEvent::Delivered(_, applied) = &mut event {
            let last = applied.last().map_or(Zxid::new(Epoch(1), 0), |txn| txn.zxid);
            applied.push(Txn { zxid: next(last), payload: 0 });
        }
        event
    }));
}

#[test]
fn a_proposal_before_the_leader_has_delivered_its_initial_history_is_refused() {
    assert!(is_refused(|event| match event {
        GhostEvent::Established { leader, .. } => GhostEvent::SyncAsked(leader),
        GhostEvent::Elected { .. }
        | GhostEvent::Proposed { .. }
        | GhostEvent::AckedInitial { .. }
        | GhostEvent::Acked { .. }
        | GhostEvent::Disk { .. }
        | GhostEvent::Delivered(..)
        | GhostEvent::SyncAsked(_)
        | GhostEvent::Synced(..)
        | GhostEvent::LeadershipEnded(_)
        | GhostEvent::Crashed { .. } => event,
    }));
}

#[test]
fn without_the_check_the_distorted_run_is_a_run() {
    let limits = Limits { refinement: false, ..LIMITS };
    let outcome = run(limits, |mut event| {
        if let GhostEvent::Disk { after, .. } = &mut event {
            after.promised = Epoch(after.promised.0 + 1);
        }
        event
    });
    assert!(outcome.complete && outcome.violations.is_empty());
}
