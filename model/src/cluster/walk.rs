//! Runs of a cluster that nobody chose, as runs of abstract Zab: what the search compares step by
//! step, written down for the trace checker that is extracted from the proof.

use super::Cluster;
use super::action::Act;
use super::machine::Machine;
use super::payload::Origin;
use super::refinement::{self, OnDisk};
use abstract_zab::action::Action;
use abstract_zab::run::AbstractRun;
use abstract_zab::summary::Summary;

/// Longer runs are cut here. Only those of an oracle that keeps electing without a crash or a
/// time-out are so long.
const STEPS_MAX: usize = 2_000;
/// One step of so many is a fault, where other steps are possible.
const FAULT_ONE_IN: u64 = 12;

/// A run and how long it was.
#[derive(Debug)]
pub struct Walk {
    /// Steps of the cluster.
    pub steps: usize,
    /// The same in abstract Zab.
    pub run: AbstractRun,
}

/// Numbers that look random, the same for the same seed (xorshift64*).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self((seed ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xd134_2543_de82_ef95) | 1)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }
}

impl<M: Machine> Cluster<M> {
    /// A run from the first initial state until nothing is possible, with actions drawn from
    /// `seed`; faults seldom, so that they meet something. It ends with what is on the disks.
    ///
    /// # Errors
    /// A step is none of abstract Zab, in words; or the bounds leave the comparison out.
    pub fn walk(&self, seed: u64) -> Result<Walk, String> {
        if !self.limits().refinement {
            return Err("refinement=0: these bounds compare nothing with abstract Zab".to_owned());
        }
        let mut random = Random::new(seed);
        let mut cache = self.tables().small_cache();
        let mut words = self.starts().swap_remove(0).0;
        let (mut summary, mut run) = (Summary::default(), AbstractRun::default());
        let histories = &self.tables().histories;
        let mut steps = 0;
        while steps < STEPS_MAX {
            let possible = self.possible(&mut cache, &words);
            let (faults, others): (Vec<_>, Vec<_>) = possible.into_iter().partition(is_fault);
            let fault = others.is_empty() || random.below(FAULT_ONE_IN) == 0 && !faults.is_empty();
            let among = if fault { faults } else { others };
            if among.is_empty() {
                break;
            }
            let act = among[random.below(among.len() as u64) as usize];
            cache.heard = Some(Vec::new());
            let taken = self.after(&mut cache, &words, act).ok_or("what was possible is not")?;
            for event in cache.heard.take().into_iter().flatten() {
                let mut add = |action: &Action<Origin>| {
                    run.add(action, histories, |payload| u64::from(payload.0));
                };
                refinement::follow(&mut summary, &event, histories, &self.quorum, &mut add)?;
            }
            words = taken.words;
            steps += 1;
        }
        for (i, config) in self.servers().iter().enumerate() {
            let (local, _) = OnDisk::of(&self.node(&words, i).disk).own(histories);
            run.expect(config.me, &local, histories);
        }
        Ok(Walk { steps, run })
    }
}

fn is_fault(act: &Act) -> bool {
    match act {
        Act::Crash(_)
        | Act::Damage(_)
        | Act::LearnerTimeout(_)
        | Act::LeaderTimeout(..)
        | Act::LeaderInitLimit(_)
        | Act::QuorumLoss(_)
        | Act::LearnerSeesBreak(..)
        | Act::LeaderSeesBreak(..)
        | Act::Unanswered(..)
        | Act::ClaimExpires(..) => true,
        Act::Lead(_)
        | Act::Follow(..)
        | Act::Connect(..)
        | Act::Accept(..)
        | Act::LearnerReads(..)
        | Act::LearnerReadsRun(..)
        | Act::LeaderReadsRun(..)
        | Act::LeaderReads(..)
        | Act::Disk(_)
        | Act::Disks(_)
        | Act::Propose(_)
        | Act::Sync(_)
        | Act::Compact(_)
        | Act::ReadNotification(..)
        | Act::Resend(_)
        | Act::Finalize(_)
        | Act::Apply(_)
        | Act::Attach(..)
        | Act::Ask(..) => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::registry;
    use checker::{CheckableModel, Tier};
    use std::collections::BTreeSet;

    fn model(name: &str) -> Box<dyn CheckableModel> {
        registry().into_iter().find(|model| model.info().name == name).expect("exists")
    }

    fn text(name: &str, seed: u64) -> String {
        let model = model(name);
        let info = model.info();
        let bounds = info.tier(Tier::Quick).expect("is in the quick tier");
        let run = model.abstract_run(bounds, seed).expect("is compared").expect("is a run");
        String::from_utf8(run.text).expect("text")
    }

    #[test]
    fn runs_are_drawn_from_their_seed_and_take_every_action() {
        for (name, ensemble) in [("broadcast-2", "ensemble 1 2 3\n"), ("whole-0", "ensemble 1 2\n")]
        {
            let runs: Vec<_> = (1..=40).map(|seed| text(name, seed)).collect();
            assert!(runs.iter().all(|run| run.starts_with(ensemble)));
            assert_eq!(runs[6], text(name, 7));
            // Short ones may be the same.
            let distinct = runs.iter().collect::<BTreeSet<_>>().len();
            assert!(distinct > 20, "{name}: {distinct}");
            let commands: BTreeSet<_> = runs
                .iter()
                .flat_map(|run| run.lines().skip(1))
                .filter_map(|line| line.split(' ').next())
                .collect();
            let all = "ack append crash deliver elect expect last promise propose setepoch sync";
            assert_eq!(commands.into_iter().collect::<Vec<_>>().join(" "), all, "{name}");
        }
    }

    #[test]
    fn models_that_are_not_compared_with_abstract_zab_have_no_such_runs() {
        let election = model("election-1");
        let info = election.info();
        let bounds = info.tier(Tier::Quick).expect("is in the quick tier");
        assert!(election.abstract_run(bounds, 1).is_none());
    }
}
