//! The properties that can be decided only once every recording was read.

use std::ops::Bound::{Excluded, Unbounded};

use zab::{Epoch, Sid, SidSet, Zxid};

use crate::checker::Checker;
use crate::merged::{At, Merged};
use crate::property::Property;
use crate::report::{End, FileReport};
use crate::verdict::{Place, Witness};

/// What a quorum had on disk under one epoch.
struct Chosen {
    epoch: Epoch,
    last: Zxid,
    /// Who, and where that was recorded.
    by: Vec<(Sid, At)>,
}

impl Chosen {
    fn witnesses(&self) -> Vec<Witness> {
        let Self { epoch, last, by } = self;
        let says = |(sid, (zxid, at)): &(Sid, At)| {
            Witness(
                *at,
                format!(
                    "{sid} has the history to {zxid:?} on disk in epoch {epoch}, so {last:?} is chosen"
                ),
            )
        };
        by.iter().map(says).collect()
    }
}

impl Checker {
    pub(crate) fn conclude(&mut self) {
        let chosen = self.chosen();
        self.initial_histories(&chosen);
        self.restarts(&chosen);
        self.deliveries(&chosen);
        self.one_sequence();
        self.broadcasts();
        self.proposals();
        self.acknowledgements();
        self.messages();
        self.connections();
    }

    /// What is missing of the recordings of voters, in words; empty if nothing is.
    fn missing(&self) -> String {
        let mut missing: Vec<String> = Vec::new();
        if let Some((quorum, _)) = self.quorum {
            let unseen = quorum.voters();
            let unseen = unseen.iter().filter(|sid| !self.servers.contains_key(sid));
            missing.extend(unseen.map(|sid| format!("every recording of {sid}")));
        }
        let voters = self.servers.values();
        missing.extend(voters.flat_map(|server| server.missing.iter().cloned()));
        let more = missing.len().saturating_sub(2);
        missing.truncate(2);
        let mut text = missing.join(", ");
        if more > 0 {
            text.push_str(&format!(" and {more} more"));
        }
        text
    }

    fn missing_of(&self, sid: Sid) -> Option<String> {
        match self.servers.get(&sid) {
            Some(server) => server.missing.first().cloned(),
            None => Some(format!("every recording of {sid}")),
        }
    }

    fn older_than_recordings(&self) -> Zxid {
        self.servers.values().filter_map(|server| server.before).max().unwrap_or_default()
    }

    /// Of each epoch the longest history that is known to have been on the disks of a quorum,
    /// oldest epoch first.
    fn chosen(&self) -> Vec<Chosen> {
        let Some((quorum, _)) = self.quorum else { return Vec::new() };
        let mut epochs: std::collections::BTreeMap<Epoch, Vec<(Sid, At)>> = Default::default();
        for (&(sid, epoch), &at) in &self.merged.durable {
            epochs.entry(epoch).or_default().push((sid, at));
        }
        let of_epoch = |(epoch, mut by): (Epoch, Vec<(Sid, At)>)| {
            by.retain(|(sid, _)| quorum.is_voter(*sid));
            // The longest first: the first prefix of this list that is a quorum has it up to its
            // last member's.
            by.sort_by_key(|(_, (last, _))| std::cmp::Reverse(*last));
            let size = (1..=by.len()).find(|&size| {
                quorum.is_quorum(&by[..size].iter().map(|(sid, _)| *sid).collect::<SidSet>())
            })?;
            by.truncate(size);
            Some(Chosen { epoch, last: by[size - 1].1.0, by })
        };
        epochs.into_iter().filter_map(of_epoch).collect()
    }

    fn undecided_before(&mut self, property: Property) {
        self.merged
            .tallies
            .undecided(property, || "it reaches back to before the recordings".to_owned());
    }

    /// Z4.
    fn initial_histories(&mut self, chosen: &[Chosen]) {
        let merged = &mut self.merged;
        let mut outcomes = Vec::new();
        for (&epoch, elected) in &merged.elected {
            for older in chosen.iter().take_while(|chosen| chosen.epoch < epoch) {
                let contains = merged.contains(elected.last, older.last);
                outcomes.push((contains, epoch, elected.at, elected.last, older));
            }
        }
        for (contains, epoch, at, last, older) in outcomes {
            match contains {
                Some(holds) => self.merged.tallies.check(Property::Z4, holds, || {
                    let mut witnesses = older.witnesses();
                    let text = format!("the initial history of epoch {epoch} ends at {last:?}");
                    witnesses.push(Witness(at, text));
                    witnesses
                }),
                None => self.undecided_before(Property::Z4),
            }
        }
    }

    /// R2, and the second half of Z5.
    fn restarts(&mut self, chosen: &[Chosen]) {
        for restart in std::mem::take(&mut self.merged.restarts) {
            let (found, at) = restart.at;
            let (kept, kept_at) = restart.kept;
            match self.merged.contains(found, kept) {
                Some(holds) => self.merged.tallies.check(Property::R2, holds, || {
                    vec![
                        Witness(kept_at, format!("{kept:?} is on disk, and delivered")),
                        Witness(at, format!("the history that is found ends at {found:?}")),
                    ]
                }),
                None => self.undecided_before(Property::R2),
            }
            for (epoch, (had, had_at)) in restart.had {
                let Ok(index) = chosen.binary_search_by_key(&epoch, |chosen| chosen.epoch) else {
                    continue;
                };
                let due = had.min(chosen[index].last);
                match self.merged.contains(found, due) {
                    Some(holds) => self.merged.tallies.check(Property::Z5, holds, || {
                        let mut witnesses = chosen[index].witnesses();
                        witnesses.push(Witness(had_at, format!("{had:?} is on this disk")));
                        let text = format!("the history that is found there ends at {found:?}");
                        witnesses.push(Witness(at, text));
                        witnesses
                    }),
                    None => self.undecided_before(Property::Z5),
                }
            }
        }
    }

    /// The first half of Z5: of what a server delivered the last is chosen, and so is all before
    /// it.
    fn deliveries(&mut self, chosen: &[Chosen]) {
        let (older, missing) = (self.older_than_recordings(), self.missing());
        for (last, at) in std::mem::take(&mut self.merged.ends) {
            if last <= older {
                continue;
            }
            let holds =
                chosen.iter().any(|chosen| self.merged.contains(chosen.last, last) == Some(true));
            if !holds && !missing.is_empty() {
                self.merged.tallies.undecided(Property::Z5, || format!("missing: {missing}"));
                continue;
            }
            self.merged.tallies.check(Property::Z5, holds, || {
                let delivers =
                    format!("delivers {last:?}, which was never on the disks of a quorum");
                let known = chosen.last().map_or_else(Vec::new, Chosen::witnesses);
                [Witness(at, delivers)].into_iter().chain(known).collect()
            });
        }
    }

    /// Z3, what single transactions do not show: nobody delivers, or installs, in between what is
    /// adjacent to others.
    fn one_sequence(&mut self) {
        let merged = &mut self.merged;
        let adjacent = |at: Place, before: Zxid, zxid: Zxid| {
            Witness(at, format!("{zxid:?} is delivered directly behind {before:?}"))
        };
        for (&zxid, &(before, at)) in &merged.delivered {
            let mut between = merged.table.between(before, zxid);
            let between = between.find_map(|(zxid, entry)| Some((zxid, entry.delivered?)));
            merged.tallies.check(Property::Z3, between.is_none(), || {
                let between =
                    between.map(|(zxid, at)| Witness(at, format!("{zxid:?} is delivered")));
                between.into_iter().chain([adjacent(at, before, zxid)]).collect()
            });
        }
        for &(base, at) in &merged.bases {
            let Some((&zxid, &(before, next))) =
                merged.delivered.range((Excluded(base), Unbounded)).next()
            else {
                continue;
            };
            merged.tallies.check(Property::Z3, base <= before || base == Zxid::ZERO, || {
                let installed = Witness(at, format!("the state machine is one at {base:?}"));
                vec![installed, adjacent(next, before, zxid)]
            });
        }
    }

    /// Z10.
    fn broadcasts(&mut self) {
        let merged = &mut self.merged;
        for &(epoch, delivered, at) in &merged.broadcasts {
            let mut missed = merged.table.between(delivered, Zxid::new(epoch, 0));
            let missed = missed.find_map(|(zxid, entry)| Some((zxid, entry.delivered?)));
            merged.tallies.check(Property::Z10, missed.is_none(), || {
                let missed = missed.map(|(zxid, at)| Witness(at, format!("{zxid:?} is delivered")));
                let text = format!(
                    "the leader of epoch {epoch} has delivered up to {delivered:?}, and proposes"
                );
                missed.into_iter().chain([Witness(at, text)]).collect()
            });
        }
    }

    /// R1.
    fn proposals(&mut self) {
        let (older, missing) = (self.older_than_recordings(), self.missing());
        let Self { merged, files, .. } = self;
        for (zxid, entry) in merged.table.all() {
            let Some(delivered) = entry.delivered else { continue };
            if entry.proposed.is_some() {
                merged.tallies.held(Property::R1);
                continue;
            }
            if zxid <= older {
                continue;
            }
            let elected = merged.elected.get(&zxid.epoch());
            let whole = match elected {
                Some(elected) => elected.ended || files[elected.at.file()].end == End::Closed,
                None => missing.is_empty(),
            };
            if !whole {
                merged.tallies.undecided(Property::R1, || match elected {
                    Some(elected) => {
                        format!("missing: the last steps of {}", files[elected.at.file()].file)
                    }
                    None => format!("missing: {missing}"),
                });
                continue;
            }
            merged.tallies.check(Property::R1, false, || {
                let text = "the leader of its epoch is elected here, and does not propose it";
                let leader = elected.map(|elected| Witness(elected.at, text.to_owned()));
                let witness = Witness(delivered, format!("{zxid:?} is delivered"));
                [witness].into_iter().chain(leader).collect()
            });
        }
    }

    /// Z6 from the receiver's end.
    fn acknowledgements(&mut self) {
        for (&(from, epoch), &(zxid, at)) in &self.merged.acknowledged.clone() {
            let durable = self.merged.durable.get(&(from, epoch)).copied();
            let holds = durable.is_some_and(|(last, _)| last >= zxid);
            if !holds && let Some(missing) = self.missing_of(from) {
                self.merged.tallies.undecided(Property::Z6, || format!("missing: {missing}"));
                continue;
            }
            self.merged.tallies.check(Property::Z6, holds, || {
                let mut witnesses =
                    vec![Witness(at, format!("an ACK of {zxid:?} comes from {from}"))];
                let most = |(last, at)| {
                    Witness(
                        at,
                        format!(
                            "the most that {from} has on disk in epoch {epoch} is up to {last:?}"
                        ),
                    )
                };
                witnesses.extend(durable.map(most));
                witnesses
            });
        }
    }

    /// R3.
    fn messages(&mut self) {
        let mut passed: Vec<_> = std::mem::take(&mut self.merged.messages).into_iter().collect();
        passed.sort_by_key(|(_, (_, _, at))| at.map(|at| (at.file(), at.step())));
        for ((from, to, message), (sent, received, at)) in passed {
            let Some(at) = at else { continue };
            let holds = received <= sent;
            if !holds && let Some(missing) = self.missing_of(from) {
                self.merged.tallies.undecided(Property::R3, || format!("missing: {missing}"));
                continue;
            }
            self.merged.tallies.check(Property::R3, holds, || {
                vec![Witness(at, format!("{to} receives {message:?} from {from}, {received} in all, and {from} sends it {sent} times"))]
            });
        }
    }

    /// R4 and R5.
    fn connections(&mut self) {
        let Merged { wire, mut tallies, .. } = std::mem::take(&mut self.merged);
        let missing = |sid, file: Option<usize>| match file {
            Some(file) => self.files.get(file).and_then(FileReport::missing),
            None => self.missing_of(sid),
        };
        wire.conclude(&mut tallies, &missing);
        (self.merged.tallies, self.merged.wire) = (tallies, wire);
    }
}
