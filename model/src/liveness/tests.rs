//! The liveness of small clusters holds, and is missed when something is taken away from them.

use zab::Peer;

use super::models;
use crate::cluster::Cluster;
use crate::cluster::action::Act;
use crate::cluster::limits::{ClientLimits, Limits};
use crate::cluster::payload::Origin;
use checker::{Entry, walk};
use checker::{Mark, Tier, TraceFile, html_page, story_text};
use search::calm::{Calms, Found, find};
use search::{Judgement, Options, Space, Successors};

/// A model whose calm runs lack some steps.
pub(crate) struct Without<S, F>(pub(crate) S, pub(crate) F);

impl<S: Space, F: Fn(u32) -> bool + Sync> Space for Without<S, F> {
    type Worker = S::Worker;

    fn worker(&self) -> Self::Worker {
        self.0.worker()
    }

    fn words(&self) -> usize {
        self.0.words()
    }

    fn initial(&self, worker: &mut Self::Worker, out: &mut Successors) {
        self.0.initial(worker, out);
    }

    fn expand(&self, worker: &mut Self::Worker, state: &[u32], out: &mut Successors) {
        self.0.expand(worker, state, out);
    }

    fn judge(&self, worker: &mut Self::Worker, state: &[u32]) -> Judgement {
        self.0.judge(worker, state)
    }

    fn digest(&self, place: usize, word: u32) -> u128 {
        self.0.digest(place, word)
    }
}

impl<S: Calms, F: Fn(u32) -> bool + Sync> Calms for Without<S, F> {
    fn calmed(&self, state: &mut [u32]) {
        self.0.calmed(state);
    }

    fn calm_steps(&self, worker: &mut Self::Worker, state: &[u32], out: &mut Successors) {
        let mut all = Successors::new(self.0.words());
        self.0.calm_steps(worker, state, &mut all);
        for edge in all.iter() {
            if !(self.1)(edge.label) {
                out.push(edge.label, edge.marks, edge.violated, edge.words);
            }
        }
    }

    fn is_goal(&self, worker: &mut Self::Worker, state: &[u32]) -> bool {
        self.0.is_goal(worker, state)
    }

    fn class(&self, label: u32) -> u8 {
        self.0.class(label)
    }
}

const TWO: Limits = Limits {
    servers: 2,
    observers: 0,
    txns: 1,
    leaderships: 1,
    crashes: 1,
    timeouts: 1,
    connections: 1,
    early: false,
    window: 15,
    snapshots: 0,
    syncs: 0,
    elections: 2,
    resends: 0,
    stale_votes: true,
    damage: false,
    exact_disks: false,
    refinement: false,
    locked_out: false,
    clients: ClientLimits::NONE,
    counter_max: 1000,
    epoch_max: 15,
};

fn live<S: Calms>(space: &S) -> Found {
    let found = find(space, &Options::default(), &mut |_, _| {});
    assert!(found.outcome.complete && found.outcome.violations.is_empty());
    found
}

#[test]
fn small_clusters_come_to_serve_clients() {
    let limits = [
        TWO,
        Limits { stale_votes: false, ..TWO },
        Limits { servers: 1, observers: 1, ..TWO },
        Limits { servers: 3, crashes: 0, timeouts: 0, elections: 0, stale_votes: false, ..TWO },
        Limits { window: 0, txns: 2, ..TWO },
    ];
    let distinct = limits.map(|limits| {
        let found = live(&Cluster::<Peer<Origin>>::new(limits));
        let fair = found.fair.expect("both halves ran");
        assert!(fair.holds(), "{limits:?}");
        found.outcome.distinct
    });
    assert_eq!(distinct, [3_768, 1_949, 16_735, 15_264, 9_043]);
}

/// As in ZooKeeper: one server promises epoch 2 in a discovery that comes to nothing, the others
/// establish epoch 1, and nobody can bring it in before the next election.
#[test]
fn who_promised_a_higher_epoch_is_locked_out_until_the_next_election() {
    let three =
        Limits { servers: 3, txns: 0, leaderships: 2, elections: 1, stale_votes: false, ..TWO };
    assert!(live(&Cluster::<Peer<Origin>>::new(three)).lasso.is_some());
    let forgiving = Limits { locked_out: true, ..three };
    assert!(live(&Cluster::<Peer<Origin>>::new(forgiving)).fair.expect("both halves ran").holds());
}

/// What is taken away.
type Missing = (&'static str, fn(Act) -> bool);

#[test]
fn what_a_cluster_needs_to_get_going_is_missed_if_it_is_not_there() {
    let missing: [Missing; 10] = [
        ("Resend", |act| matches!(act, Act::Resend(_))),
        ("Finalize", |act| matches!(act, Act::Finalize(_))),
        ("Connect", |act| matches!(act, Act::Connect(..))),
        ("Accept", |act| matches!(act, Act::Accept(..))),
        ("LearnerTimeout", |act| matches!(act, Act::LearnerTimeout(_))),
        ("LearnerSeesBreak", |act| matches!(act, Act::LearnerSeesBreak(..))),
        ("QuorumLoss and LeaderSeesBreak", |act| {
            matches!(act, Act::QuorumLoss(_) | Act::LeaderSeesBreak(..))
        }),
        ("Disk", |act| matches!(act, Act::Disk(_))),
        ("answers of learners", |act| matches!(act, Act::LeaderReads(..))),
        ("Propose", |act| matches!(act, Act::Propose(_))),
    ];
    for (what, is_missing) in missing {
        let cluster = Cluster::<Peer<Origin>>::new(TWO);
        let space = Without(cluster, |label| Act::from_label(label).is_some_and(is_missing));
        let found = live(&space);
        assert!(!found.fair.expect("both halves ran").holds(), "without {what}");
        let entries = Entry::lasso(&found.lasso.expect("a run that shows it"), Act::from_label);
        assert!(walk(&space, &entries, Act::label).expect("it can be walked").never_ends);
        let whole = walk(&Cluster::<Peer<Origin>>::new(TWO), &entries, Act::label);
        assert!(!whole.expect("it can be walked").never_ends, "{what}");
    }
}

#[test]
fn a_run_is_told_with_the_moment_at_which_faults_stop() {
    let cluster = Cluster::<Peer<Origin>>::new(TWO);
    let space =
        Without(cluster, |label| matches!(Act::from_label(label), Some(Act::QuorumLoss(_))));
    let found = live(&space);
    let Some(lasso) = found.lasso else { panic!("nobody gives up a leadership without a quorum") };
    let entries = Entry::lasso(&lasso, Act::from_label);
    let models = models();
    let info = models[0].info();
    let mut bounds = info.tier(Tier::Quick).expect("there is one").clone();
    bounds.set("leaderships", 1);
    let mut trace = TraceFile::new(info.name, bounds, Entry::values(&entries));
    trace.property = Some(super::Z15.to_owned());
    let outcome = models[0].replay(&trace).expect("the deployed machine can do all that");
    assert!(outcome.violated.is_empty(), "and does not stop there");
    let story = outcome.story.expect("told");
    assert_eq!(story.steps.len(), outcome.steps);
    let (before, calm) = (lasso.before.len(), lasso.before.len() + lasso.calm.len());
    assert_eq!((story.faults_stop_after, story.loop_after), (Some(before), Some(calm)));
    assert!(calm < story.steps.len(), "there is something to repeat");
    let (text, page) = (story_text(&story), html_page(&story, "c"));
    for mark in [Mark::FaultsStop, Mark::LoopBegins, Mark::LoopEnds] {
        let says = story.mark_text(mark);
        assert_eq!(text.matches(&format!("==== {says} ====")).count(), 1, "{says}: {text}");
        assert_eq!(page.matches(&says).count(), 2, "{says}: in the diagram and in the table");
    }
    let stop = text.find("==== faults stop here").expect("marked");
    let step = |number: usize| text.find(&format!("\n{number:>4}  "));
    assert!(
        step(before).is_none_or(|at| at < stop) && step(before + 1).is_some_and(|at| stop < at)
    );
    let json = serde_json::to_value(&story).expect("plain data");
    assert_eq!((&json["faults_stop_after"], &json["loop_after"]), (&before.into(), &calm.into()));
    trace.actions.swap(0, 1);
    assert!(models[0].replay(&trace).expect_err("no beginning").starts_with("step 0"));
}
