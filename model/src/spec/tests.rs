//! The summary against the whole state, and guards that none of the others makes superfluous.

use std::collections::{BTreeMap, BTreeSet};

use zab::Sid;

use super::space::Abstract;
use super::state::{Bounds, State};
use abstract_zab::action::{Action, Kind, allowed};
use abstract_zab::histories::{Histories, History};
use abstract_zab::summary::{Local, Reign, Seen, Summary};
use search::{Options, Space, explore};

/// Every state of abstract Zab within bounds.
fn each_state(space: &Abstract, mut f: impl FnMut(&State)) -> u64 {
    let outcome = explore(space, &Options { threads: 1, ..Options::default() }, &mut |_| {});
    assert!(outcome.complete && outcome.violations.is_empty());
    for word in 0..u32::try_from(outcome.distinct).expect("few") {
        f(space.state(word));
    }
    outcome.distinct
}

fn space(servers: u8, epochs: u32, txns: u32, delivered: u32) -> Abstract {
    Abstract::new(servers, Bounds { epochs, txns, delivered })
}

/// The summary of a state, by its definition.
fn summary_of(space: &Abstract, state: &State) -> Summary {
    let histories = &space.histories;
    let acks = |e| -> BTreeMap<Sid, u32> {
        let mut most = BTreeMap::new();
        for (f, _, n) in state.acks.iter().filter(|(_, epoch, _)| *epoch == e) {
            let known = most.entry(*f).or_insert(*n);
            *known = (*known).max(*n);
        }
        most
    };
    let reign = |e, led: &super::state::Led| {
        let mut acks: BTreeMap<Sid, u32> = acks(e);
        let by_quorum = |n: &u32| {
            let have = acks.iter().filter(|(_, m)| *n <= **m).map(|(f, _)| *f).collect();
            space.quorum.is_quorum(&have)
        };
        let chosen = acks.values().copied().filter(by_quorum).max();
        acks.retain(|_, n| chosen.is_none_or(|chosen| *n > chosen));
        let super::state::Led { leader, initial, history, active } = *led;
        Reign { leader, initial, history, active, chosen, acks }
    };
    let longest = |delivered: &BTreeSet<History>| {
        delivered.iter().copied().max_by_key(|d| histories.length(*d))
    };
    Summary {
        led: state.epochs.keys().copied().collect(),
        reigns: state.epochs.iter().map(|(e, led)| (*e, reign(*e, led))).collect(),
        settled: Default::default(),
        promises: state
            .promises
            .iter()
            .filter(|promise| !state.epochs.contains_key(&promise.epoch))
            .map(|promise| ((promise.epoch, promise.node), *promise))
            .collect(),
        delivered: state
            .servers
            .iter()
            .filter_map(|(f, server)| Some((*f, longest(&server.delivered)?)))
            .collect(),
    }
}

fn actor(action: &Action<()>) -> Option<Sid> {
    match action {
        Action::Promise { f, .. }
        | Action::Sync { f, .. }
        | Action::SetEpoch { f, .. }
        | Action::Append { f, .. }
        | Action::Ack { f, .. }
        | Action::Deliver { f, .. }
        | Action::Crash { f } => Some(*f),
        Action::Elect { c, .. } => Some(*c),
        Action::Propose { .. } => None,
    }
}

fn local(state: &State, f: Option<Sid>) -> Local {
    let server = f.map(|f| state.servers[&f].clone()).unwrap_or_default();
    Local { p: server.p, a: server.a, log: server.log }
}

#[test]
fn a_summary_allows_what_the_state_allows_and_follows_it() {
    for (space, expected) in
        [(space(2, 2, 1, 1), 4_245), (space(3, 1, 1, 1), 13_438), (space(1, 2, 1, 1), 115)]
    {
        let (histories, quorum) = (&space.histories, &space.quorum);
        let mut taken = BTreeSet::new();
        let states = each_state(&space, |state| {
            let summary = summary_of(&space, state);
            for action in state.candidates(space.bounds, histories, quorum) {
                let f = actor(&action);
                let mut now = local(state, f);
                let whole = state.after(&action, histories, quorum);
                let seen = Seen { summary: &summary, local: &now, histories, quorum };
                assert_eq!(
                    allowed(&seen, &action).err(),
                    whole.as_ref().err().cloned(),
                    "{action:?} in {state:?}"
                );
                let mut folded = summary.clone();
                if let Ok(after) = whole {
                    folded.take(&mut now, &action, histories, quorum).expect("it is allowed");
                    assert_eq!(folded, summary_of(&space, &after), "{action:?} in {state:?}");
                    assert_eq!(now, local(&after, f), "{action:?} in {state:?}");
                    taken.insert(action.kind());
                }
            }
        });
        assert_eq!(states, expected);
        assert!(taken.len() >= 8, "{taken:?}");
    }
}

#[test]
fn every_guard_refuses_something_that_the_guards_before_it_allow() {
    let mut refused: BTreeMap<Kind, BTreeSet<&'static str>> = BTreeMap::new();
    for space in [space(2, 2, 1, 1), space(2, 2, 1, 2)] {
        let (histories, quorum) = (&space.histories, &space.quorum);
        each_state(&space, |state| {
            for action in state.candidates(space.bounds, histories, quorum) {
                if let Err(refusal) = state.after(&action, histories, quorum) {
                    refused.entry(refusal.action).or_default().insert(refusal.guard);
                }
            }
        });
    }
    let expected: [(Kind, &[&str]); 8] = [
        (Kind::Promise, &["p[f] < e"]),
        (Kind::Elect, &["Electable(e, c, rc)", "lead[e] = NONE"]),
        (Kind::Sync, &["Common(log[f], I[e]) ⊑ l", "a[f] < e", "lead[e] /= NONE", "p[f] = e"]),
        (Kind::SetEpoch, &["I[e] ⊑ log[f]", "a[f] < e", "lead[e] /= NONE", "p[f] = e"]),
        (Kind::Append, &["a[f] = e", "log[f] ⊑ l", "p[f] = e"]),
        (Kind::Ack, &["a[f] = e", "p[f] = e"]),
        (Kind::Propose, &["Chosen(e, Len(I[e]))", "act[e]", "the leader has delivered I[e]"]),
        (Kind::Deliver, &["Chosen(e, n)"]),
    ];
    for (kind, guards) in expected {
        let guards: BTreeSet<_> = guards.iter().copied().collect();
        // Candidates are made so that the others hold: l ⊑ H[e], 0 < e, the range of n, the next
        // zxid.
        assert!(guards.is_subset(&refused[&kind]), "{kind:?}: {:?}", refused[&kind]);
    }
}

#[test]
fn histories_are_sequences() {
    let histories = Histories::new();
    let txn = |n: u64| zab::Txn { zxid: zab::Zxid(n), payload: () };
    let of = |ns: &[u64]| histories.of(&ns.iter().map(|n| txn(*n)).collect::<Vec<_>>());
    let all: Vec<Vec<u64>> = vec![vec![], vec![1], vec![1, 2], vec![1, 3], vec![1, 2, 3], vec![2]];
    for a in &all {
        assert_eq!(histories.txns(of(a)).iter().map(|t| t.zxid.0).collect::<Vec<_>>(), *a);
        assert_eq!(histories.length(of(a)) as usize, a.len());
        for n in 0..4 {
            let first: Vec<_> = a.iter().copied().take(n).collect();
            assert_eq!(histories.prefix(of(a), n as u32), of(&first));
        }
        for b in &all {
            assert_eq!(of(a) == of(b), a == b);
            assert_eq!(histories.begins(of(a), of(b)), b.starts_with(a));
            let same = a.iter().zip(b).take_while(|(x, y)| x == y).count();
            assert_eq!(histories.common(of(a), of(b)), of(&a[..same]));
        }
    }
}

#[test]
fn one_more_thread_finds_the_same_states() {
    let run = |threads| {
        let space = space(2, 2, 1, 1);
        let options = Options { threads, ..Options::default() };
        let outcome = explore(&space, &options, &mut |_| {});
        (outcome.distinct, outcome.generated, outcome.levels, space.words())
    };
    assert_eq!(run(1), run(2));
}
