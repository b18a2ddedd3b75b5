//! The refinement check can fail: whatever part of the abstraction is distorted, some step is
//! refused.

use zab::{Epoch, Fact, Sid, Txn, Zab, Zxid};

use super::super::Cluster;
use super::super::ghost::GhostEvent;
use super::super::limits::Limits;
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

/// What steps tell, with this done to each fact.
fn facts(event: GhostEvent, distort: impl Fn(Sid, Fact<u8>) -> Option<Fact<u8>>) -> GhostEvent {
    steps(event, |step| {
        let facts = std::mem::take(&mut step.facts);
        step.facts = facts.into_iter().filter_map(|fact| distort(step.sid, fact)).collect();
    })
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
    assert!(is_refused(|event| facts(event, |_, fact| Some(match fact {
        Fact::Promised { epoch, candidate } => {
            Fact::Promised { epoch: Epoch(epoch.0 + 1), candidate }
        }
        other => other,
    }))));
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
        disks(step).for_each(|disk| drop(disk.log.pop()));
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
    assert!(is_refused(|event| facts(event, |sid, fact| Some(match fact {
        Fact::Promised { epoch, .. } => Fact::Promised { epoch, candidate: sid },
        other => other,
    }))));
}

#[test]
fn an_initial_history_that_differs_from_the_promised_one_is_refused() {
    assert!(is_refused(|event| facts(event, |_, fact| Some(match fact {
        Fact::Elected { epoch, .. } => Fact::Elected { epoch, last: Zxid::ZERO },
        other => other,
    }))));
}

#[test]
fn an_election_for_an_epoch_that_nobody_promised_is_refused() {
    assert!(is_refused(|event| facts(event, |_, fact| Some(match fact {
        Fact::Elected { epoch, last } => Fact::Elected { epoch: Epoch(epoch.0 + 1), last },
        other => other,
    }))));
}

#[test]
fn an_acknowledgement_of_what_is_not_on_the_disk_is_refused() {
    assert!(is_refused(|event| facts(event, |_, fact| Some(match fact {
        Fact::Acknowledged { zxid } => Fact::Acknowledged { zxid: next(zxid) },
        other => other,
    }))));
}

#[test]
fn an_epoch_that_is_accepted_without_a_promise_is_refused() {
    assert!(is_refused(|event| facts(event, |_, fact| Some(match fact {
        Fact::Accepted { epoch } => Fact::Accepted { epoch: Epoch(epoch.0 + 1) },
        other => other,
    }))));
}

#[test]
fn a_zxid_that_leaves_one_out_is_refused() {
    assert!(is_refused(|event| facts(event, |_, fact| Some(match fact {
        Fact::Proposed(txn) => Fact::Proposed(Txn { zxid: next(txn.zxid), ..txn }),
        other => other,
    }))));
}

#[test]
fn a_delivery_of_more_than_was_chosen_is_refused() {
    assert!(is_refused(|event| steps(event, |step| {
        if step.facts.iter().any(|fact| matches!(fact, Fact::Delivered(_))) {
            let applied = &mut step.after.applied;
            let last = applied.last().map_or(Zxid::new(Epoch(1), 0), |txn| txn.zxid);
            let more = Txn { zxid: next(last), payload: 0 };
            applied.push(more.clone());
            step.facts.push(Fact::Delivered(more));
        }
    })));
}

#[test]
fn a_proposal_before_the_leader_has_delivered_its_initial_history_is_refused() {
    assert!(is_refused(|event| facts(event, |_, fact| match fact {
        Fact::Established { .. } => None,
        other => Some(other),
    })));
}

#[test]
fn a_record_that_nobody_reports_is_refused() {
    assert!(is_refused(|event| facts(event, |_, fact| match fact {
        Fact::Appended(_) => None,
        other => Some(other),
    })));
}

#[test]
fn a_start_with_another_disk_is_refused() {
    assert!(is_refused(|event| facts(event, |_, fact| Some(match fact {
        Fact::Started { accepted, current, snapshot, last } => {
            Fact::Started { accepted: Epoch(accepted.0 + 1), current, snapshot, last }
        }
        other => other,
    }))));
}

#[test]
fn without_the_check_the_distorted_run_is_a_run() {
    let limits = Limits { refinement: false, ..LIMITS };
    let outcome = run(limits, |event| {
        facts(event, |_, fact| {
            Some(match fact {
                Fact::Promised { epoch, candidate } => {
                    Fact::Promised { epoch: Epoch(epoch.0 + 1), candidate }
                }
                other => other,
            })
        })
    });
    assert!(outcome.complete && outcome.violations.is_empty());
}
