//! Random walks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use quickcheck::{Arbitrary, Gen};
use zab::{Action, Decision, Role, Sid, Timer};

use crate::audit::Books;
use crate::cluster::{Cluster, Setup, Stepped};
use crate::lies::{self, Dice};

/// Where a walk begins, and its moves.
#[derive(Clone, Debug)]
pub(crate) struct Walk {
    /// The election is decreed, at random.
    decreed: bool,
    /// A leader is established before the first move.
    settled: bool,
    /// One of a hundred moves is a lie, for each of these.
    lies: u8,
    moves: Vec<u64>,
}

impl Arbitrary for Walk {
    fn arbitrary(g: &mut Gen) -> Self {
        Self {
            decreed: bool::arbitrary(g),
            settled: bool::arbitrary(g),
            lies: *g.choose(&[0, 2, 5, 20]).unwrap_or(&0),
            moves: Vec::arbitrary(g),
        }
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        // The numbers are dice: smaller ones are not simpler.
        let walk = self.clone();
        let len = walk.moves.len();
        let halves = (0..32).rev().map(|power| 1_usize << power).filter(move |&size| size <= len);
        let cuts: Vec<Vec<u64>> = halves
            .flat_map(|size| {
                let moves = walk.moves.clone();
                (0..=moves.len() - size).step_by(size).map(move |from| {
                    let mut moves = moves.clone();
                    moves.drain(from..from + size);
                    moves
                })
            })
            .collect();
        let walk = self.clone();
        Box::new(cuts.into_iter().map(move |moves| Self { moves, ..walk.clone() }))
    }
}

/// What a walk has come to.
pub(crate) struct Walked {
    pub(crate) text: String,
    pub(crate) actions: BTreeSet<Action>,
    pub(crate) books: BTreeMap<Sid, Books>,
}

impl Walked {
    /// Writes down all of a step.
    pub(crate) fn write(&mut self, stepped: &Stepped) -> Result<(), String> {
        let Stepped { given, out, after, .. } = stepped;
        writeln!(self.text, "{given:?}\n{out:?}\n{after:?}").map_err(|why| why.to_string())
    }
}

impl Walk {
    /// Walks, and shows each step to somebody.
    ///
    /// # Errors
    /// What that one says.
    pub(crate) fn run(
        &self,
        mut look: impl FnMut(&mut Walked, &Stepped) -> Result<(), String>,
    ) -> Result<Walked, String> {
        let setup = Setup {
            observers: vec![Sid(4)],
            decreed: self.decreed,
            window: 2,
            counter_max: 6,
            epoch_max: 200,
            ..Setup::voters([1, 2, 3])
        };
        let mut cluster = Cluster::new(&setup);
        if self.lies > 0 {
            // Nothing can be promised to anybody.
            cluster.ghost = None;
        }
        for server in cluster.servers.values_mut() {
            server.watched = Some(Vec::new());
        }
        let (text, actions, books) = (String::new(), BTreeSet::new(), BTreeMap::new());
        let mut walked = Walked { text, actions, books };
        if self.settled {
            settle(&mut cluster)?;
        }
        show(&mut cluster, &mut walked, &mut look)?;
        for &number in &self.moves {
            let outcome = self.go(&mut cluster, &mut Dice(number));
            match outcome {
                Err(why) if why.starts_with('Z') => return Err(why),
                // That move was impossible, so it was none.
                Err(_) | Ok(()) => {}
            }
            show(&mut cluster, &mut walked, &mut look)?;
        }
        Ok(walked)
    }

    /// The same walk without a lie.
    pub(crate) fn honest(&self) -> Self {
        Self { lies: 0, ..self.clone() }
    }

    /// One move.
    fn go(&self, cluster: &mut Cluster, dice: &mut Dice) -> Result<(), String> {
        if dice.below(100) < u64::from(self.lies) {
            lies::tell(cluster, dice);
            return Ok(());
        }
        let sids: Vec<Sid> = cluster.servers.keys().copied().collect();
        let sid = dice.of(&sids);
        let other = dice.of(&sids);
        let leader = cluster.servers.values().find(|s| s.machine.zab().established().is_some());
        let leader = leader.map_or(sid, |server| match server.machine.role() {
            Role::Following(leader) | Role::Observing(leader) => leader,
            Role::Down | Role::Looking | Role::Leading => server.config.me,
        });
        let body = format!("p{}", dice.below(1000));
        match dice.below(100) {
            0..60 => progress(cluster, dice),
            60..72 => cluster.propose(leader, body).map(drop),
            72..75 => cluster.sync(leader, dice.of(&[leader, other]), body).map(drop),
            75..77 => {
                let message = lies::session(dice);
                cluster
                    .session(sid, if dice.below(2) == 0 { leader } else { other }, message)
                    .map(drop)
            }
            77..80 => cluster.crash(sid),
            80..84 => cluster.start(sid).map(drop),
            84..86 => cluster.cut(sid, other).map(drop),
            86..88 => cluster.compact(sid),
            88 => cluster.resign(sid).map(drop),
            89..92 => cluster.timer(leader, Timer::Ping).map(drop),
            92..94 => cluster.decree(sid, Decision::Lead).map(drop),
            94..97 => cluster.decree(sid, Decision::Follow(other)).map(drop),
            _ => {
                let armed: Vec<Timer> = cluster.servers[&sid].armed.iter().copied().collect();
                if armed.is_empty() {
                    return Ok(());
                }
                cluster.timer(sid, dice.of(&armed)).map(drop)
            }
        }
    }
}

/// Something that happens by itself, at random.
fn progress(cluster: &mut Cluster, dice: &mut Dice) -> Result<(), String> {
    let mut sids: Vec<Sid> = cluster.servers.keys().copied().collect();
    let turn = dice.below(4) as usize;
    sids.rotate_left(turn);
    for _ in 0..=dice.below(4) {
        if dice.below(8) == 0 {
            sids.truncate(3);
        }
        cluster.natural(&sids)?;
    }
    Ok(())
}

fn settle(cluster: &mut Cluster) -> Result<(), String> {
    let sids: Vec<Sid> = cluster.servers.keys().copied().collect();
    for &sid in &sids {
        cluster.start(sid)?;
    }
    for &sid in &sids {
        let decision = if sid == Sid(2) { Decision::Lead } else { Decision::Follow(Sid(2)) };
        let _ = cluster.decree(sid, decision);
    }
    cluster.stabilize(&sids).map(drop)
}

fn show(
    cluster: &mut Cluster,
    walked: &mut Walked,
    look: &mut impl FnMut(&mut Walked, &Stepped) -> Result<(), String>,
) -> Result<(), String> {
    for server in cluster.servers.values_mut() {
        for stepped in server.watched.replace(Vec::new()).unwrap_or_default() {
            look(walked, &stepped)?;
        }
    }
    Ok(())
}
