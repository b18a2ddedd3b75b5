//! The refinement check can fail: whatever part of the abstraction is distorted, some step is
//! refused.

use zab::{Epoch, Fact, Sid, Txn, Zab, Zxid};

use super::super::Cluster;
use super::super::ghost::GhostEvent;
use super::super::limits::{ClientLimits, Limits};
use super::super::payload::Origin;
use super::super::property::Property;
use super::{OnDisk, Step};
use crate::cluster::mark::Mark;
use abstract_zab::action::Kind;
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
    damage: false,
    exact_disks: false,
    refinement: true,
    locked_out: false,
    clients: ClientLimits::NONE,
    counter_max: 1000,
    epoch_max: 15,
};

fn run(limits: Limits, distortion: fn(GhostEvent) -> GhostEvent) -> Outcome {
    let mut cluster = Cluster::<Zab<Origin>>::new(limits);
    cluster.tables.distortion = distortion;
    let cluster = cluster.up_to_symmetry();
    explore(&cluster, &Options { threads: 2, ..Options::default() }, &mut |_| {})
}

fn is_refused(distortion: fn(GhostEvent) -> GhostEvent) -> bool {
    let violations = run(LIMITS, distortion).violations;
    violations.iter().any(|violation| 1 << violation.property == Property::Refines.bit())
}

/// What steps tell, with this done to each fact.
fn facts(event: GhostEvent, distort: impl Fn(Sid, &mut Fact<Origin>)) -> GhostEvent {
    steps(event, |step| step.facts.iter_mut().for_each(|fact| distort(step.sid, fact)))
}

/// What steps tell, without such facts.
fn without(event: GhostEvent, missing: impl Fn(&Fact<Origin>) -> bool) -> GhostEvent {
    steps(event, |step| step.facts.retain(|fact| !missing(fact)))
}

fn steps(mut event: GhostEvent, distort: impl Fn(&mut Step)) -> GhostEvent {
    if let GhostEvent::Step(step) = &mut event {
        distort(step);
    }
    event
}

/// What is on the disk after a step, and after each of its records.
fn disks(step: &mut Step) -> impl Iterator<Item = &mut OnDisk> {
    step.disks.iter_mut().chain([&mut step.after.disk])
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
fn a_promise_that_is_not_the_one_on_disk_is_refused() {
    assert!(is_refused(promises_one_too_high));
}

fn promises_one_too_high(event: GhostEvent) -> GhostEvent {
    facts(event, |_, fact| {
        if let Fact::Promised { epoch, .. } = fact {
            epoch.0 += 1;
        }
    })
}

#[test]
fn an_accepted_epoch_that_is_taken_from_the_promise_is_refused() {
    assert!(is_refused(|event| steps(event, |step| {
        disks(step).for_each(|disk| disk.accepted = disk.promised);
    })));
}

#[test]
fn a_log_that_misses_its_end_is_refused() {
    assert!(is_refused(|event| steps(event, |step| {
        step.before.disk.log.pop();
        for disk in disks(step) {
            disk.log.pop();
        }
    })));
}

/// The report and the disk agree: only abstract Zab refuses that.
#[test]
fn a_log_that_holds_what_nobody_proposed_is_refused() {
    assert!(is_refused(|event| steps(event, |step| {
        let mut appended = false;
        for fact in &mut step.facts {
            if let Fact::Appended(txn) = fact {
                txn.zxid = next(txn.zxid);
                appended = true;
            }
        }
        for disk in disks(step).filter(|_| appended) {
            if let Some(last) = disk.log.last_mut() {
                last.zxid = next(last.zxid);
            }
        }
    })));
}

#[test]
fn promises_to_the_wrong_candidate_elect_nobody() {
    assert!(is_refused(|event| facts(event, |sid, fact| {
        if let Fact::Promised { candidate, .. } = fact {
            *candidate = sid;
        }
    })));
}

#[test]
fn an_initial_history_that_differs_from_the_promised_one_is_refused() {
    assert!(is_refused(|event| facts(event, |_, fact| {
        if let Fact::Elected { last, .. } = fact {
            *last = Zxid::ZERO;
        }
    })));
}

#[test]
fn an_election_for_an_epoch_that_nobody_promised_is_refused() {
    assert!(is_refused(|event| facts(event, |_, fact| {
        if let Fact::Elected { epoch, .. } = fact {
            epoch.0 += 1;
        }
    })));
}

#[test]
fn an_acknowledgement_of_what_is_not_on_the_disk_is_refused() {
    assert!(is_refused(|event| facts(event, |_, fact| {
        if let Fact::Acknowledged { zxid } = fact {
            *zxid = next(*zxid);
        }
    })));
}

#[test]
fn an_epoch_that_is_accepted_without_a_promise_is_refused() {
    assert!(is_refused(|event| facts(event, |_, fact| {
        if let Fact::Accepted { epoch } = fact {
            epoch.0 += 1;
        }
    })));
}

#[test]
fn a_zxid_that_leaves_one_out_is_refused() {
    assert!(is_refused(|event| facts(event, |_, fact| {
        if let Fact::Proposed(txn) = fact {
            txn.zxid = next(txn.zxid);
        }
    })));
}

#[test]
fn a_delivery_of_more_than_was_chosen_is_refused() {
    assert!(is_refused(|event| steps(event, |step| {
        if step.facts.iter().any(|fact| matches!(fact, Fact::Delivered(_))) {
            let applied = &mut step.after.applied;
            let last = applied.last().map_or(Zxid::new(Epoch(1), 0), |txn| txn.zxid);
            let more = Txn { zxid: next(last), payload: Origin(0) };
            applied.push(more.clone());
            step.facts.push(Fact::Delivered(more));
        }
    })));
}

#[test]
fn a_proposal_before_the_leader_has_delivered_its_initial_history_is_refused() {
    assert!(is_refused(|event| without(event, |fact| matches!(fact, Fact::Established { .. }))));
}

#[test]
fn a_record_that_nobody_reports_is_refused() {
    assert!(is_refused(|event| without(event, |fact| matches!(fact, Fact::Appended(_)))));
}

#[test]
fn a_start_with_another_disk_is_refused() {
    assert!(is_refused(|event| facts(event, |_, fact| {
        if let Fact::Started { accepted, .. } = fact {
            accepted.0 += 1;
        }
    })));
}

#[test]
fn without_the_check_the_distorted_run_is_a_run() {
    let limits = Limits { refinement: false, ..LIMITS };
    let outcome = run(limits, promises_one_too_high);
    assert!(outcome.complete && outcome.violations.is_empty());
}
