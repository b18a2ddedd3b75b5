//! The state of abstract Zab, whole, as `spec/Zab.tla` has it.

use std::collections::{BTreeMap, BTreeSet};

use zab::{Epoch, Quorum, Sid, SidSet, Txn, Zxid};

use abstract_zab::action::{Action, Promise, Refused, View, allowed};
use abstract_zab::histories::{Histories, History};

/// What transactions carry here: nothing. A zxid stands for its transaction.
type Nothing = ();

/// A server's variables.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Server {
    /// `p`: the last epoch promised.
    pub p: Epoch,
    /// `a`: the last epoch accepted.
    pub a: Epoch,
    /// `log`: the durable history.
    pub log: History,
    /// `D`: every sequence ever delivered.
    pub delivered: BTreeSet<History>,
}

/// The variables of an epoch that is led.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Led {
    /// `lead`.
    pub leader: Sid,
    /// `I`: the initial history.
    pub initial: History,
    /// `H`: everything ever proposed, behind `initial`.
    pub history: History,
    /// `act`: the leader has not crashed since.
    pub active: bool,
}

/// A state. Nothing is forgotten, and what was said is a set that grows.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct State {
    /// Per server.
    pub servers: BTreeMap<Sid, Server>,
    /// Per epoch; `lead e = None` is an absence.
    pub epochs: BTreeMap<Epoch, Led>,
    /// `prom`: promises ever made.
    pub promises: BTreeSet<Promise>,
    /// `ack`: `(f, e, n)`, the first `n` of `H e` were durable at `f` in epoch `e`.
    pub acks: BTreeSet<(Sid, Epoch, u32)>,
}

/// How far to look: guards of actions, so that a finished run is complete within them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Bounds {
    /// `MaxEpoch`: the largest epoch that is promised.
    pub epochs: u32,
    /// `MaxTxns`: transactions proposed, over all epochs.
    pub txns: u32,
    /// `MaxDelivered`: different sequences delivered at one server.
    pub delivered: u32,
}

/// A state with what its guards need beside it.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    state: &'a State,
    histories: &'a Histories<Nothing>,
    quorum: &'a Quorum,
}

impl View for Seen<'_> {
    type Payload = Nothing;

    fn histories(&self) -> &Histories<Nothing> {
        self.histories
    }

    fn p(&self, f: Sid) -> Epoch {
        self.state.servers[&f].p
    }

    fn a(&self, f: Sid) -> Epoch {
        self.state.servers[&f].a
    }

    fn log(&self, f: Sid) -> History {
        self.state.servers[&f].log
    }

    fn is_led(&self, e: Epoch) -> bool {
        self.state.epochs.contains_key(&e)
    }

    fn initial(&self, e: Epoch) -> History {
        self.state.epochs.get(&e).map_or(History::EMPTY, |led| led.initial)
    }

    fn history(&self, e: Epoch) -> History {
        self.state.epochs.get(&e).map_or(History::EMPTY, |led| led.history)
    }

    fn is_active(&self, e: Epoch) -> bool {
        self.state.epochs.get(&e).is_some_and(|led| led.active)
    }

    fn promises(&self, e: Epoch, c: Sid) -> Vec<Promise> {
        let promises = self.state.promises.iter();
        promises.filter(|r| r.epoch == e && r.candidate == c).copied().collect()
    }

    fn ackers(&self, e: Epoch, n: u32) -> SidSet {
        let acks = self.state.acks.iter().filter(|(_, epoch, m)| *epoch == e && n <= *m);
        acks.map(|(f, ..)| *f).collect()
    }

    fn leader_delivered(&self, e: Epoch, h: History) -> bool {
        self.state.epochs.get(&e).is_some_and(|led| {
            let delivered = &self.state.servers[&led.leader].delivered;
            delivered.iter().any(|d| self.histories.begins(h, *d))
        })
    }

    fn is_quorum(&self, members: &SidSet) -> bool {
        self.quorum.is_quorum(members)
    }
}

impl State {
    /// Nobody has done anything.
    pub fn initial(servers: impl Iterator<Item = Sid>) -> Self {
        Self {
            servers: servers.map(|sid| (sid, Server::default())).collect(),
            epochs: BTreeMap::new(),
            promises: BTreeSet::new(),
            acks: BTreeSet::new(),
        }
    }

    /// The state as guards see it.
    pub fn seen<'a>(&'a self, histories: &'a Histories<Nothing>, quorum: &'a Quorum) -> Seen<'a> {
        Seen { state: self, histories, quorum }
    }

    fn server(&mut self, f: Sid) -> &mut Server {
        self.servers.entry(f).or_default()
    }

    /// The state after an action.
    ///
    /// # Errors
    /// A guard does not hold.
    pub fn after(
        &self,
        action: &Action<Nothing>,
        histories: &Histories<Nothing>,
        quorum: &Quorum,
    ) -> Result<Self, Refused> {
        allowed(&self.seen(histories, quorum), action)?;
        let mut next = self.clone();
        match *action {
            Action::Promise { f, e, c } => {
                // update: p := upd (p s) f e
                next.server(f).p = e;
                // update: prom := Promised f e c (a s f) (log s f) :: prom s
                let Server { a, log, .. } = self.servers[&f];
                next.promises.insert(Promise { node: f, epoch: e, candidate: c, accepted: a, log });
            }
            Action::Elect { e, c, rc } => {
                // update: lead := upde (lead s) e (Some c)
                // update: I := upde (I s) e (r_log rc)
                // update: H := upde (H s) e (r_log rc)
                // update: act := upde (act s) e true
                let (initial, history) = (rc.log, rc.log);
                next.epochs.insert(e, Led { leader: c, initial, history, active: true });
            }
            Action::Sync { f, e: _, l } => {
                // update: log := upd (log s) f l
                next.server(f).log = l;
            }
            Action::SetEpoch { f, e } => {
                // update: a := upd (a s) f e
                next.server(f).a = e;
                // update: ack := (f, e, length (I s e)) :: ack s
                let initial = self.seen(histories, quorum).initial(e);
                next.acks.insert((f, e, histories.length(initial)));
            }
            Action::Append { f, e: _, l } => {
                // update: log := upd (log s) f l
                next.server(f).log = l;
            }
            Action::Ack { f, e, n } => {
                // update: ack := (f, e, n) :: ack s
                next.acks.insert((f, e, n));
            }
            Action::Propose { e, ref x } => {
                // update: H := upde (H s) e (H s e ++ [x])
                if let Some(led) = next.epochs.get_mut(&e) {
                    led.history = histories.push(led.history, x.clone());
                }
            }
            Action::Deliver { f, e, n } => {
                // update: D := upd (D s) f (firstn n (H s e) :: D s f)
                let history = self.seen(histories, quorum).history(e);
                next.server(f).delivered.insert(histories.prefix(history, n));
            }
            Action::Crash { f } => {
                // update: act := deposed s f
                for led in next.epochs.values_mut().filter(|led| led.leader == f) {
                    led.active = false;
                }
            }
        }
        Ok(next)
    }

    /// Every action that is allowed within the bounds, with the state after it. Those that change
    /// nothing are among them.
    pub fn next(
        &self,
        bounds: Bounds,
        histories: &Histories<Nothing>,
        quorum: &Quorum,
    ) -> Vec<(Action<Nothing>, Self)> {
        let candidates = self.candidates(bounds, histories, quorum).into_iter();
        let taken = candidates.map(|action| {
            let after = self.after(&action, histories, quorum);
            after.map(|after| (action, after))
        });
        taken.filter_map(Result::ok).collect()
    }

    /// Actions within the bounds, allowed or not; all that could be allowed are among them.
    pub fn candidates(
        &self,
        bounds: Bounds,
        histories: &Histories<Nothing>,
        quorum: &Quorum,
    ) -> Vec<Action<Nothing>> {
        let seen = self.seen(histories, quorum);
        let servers = || self.servers.keys().copied();
        let epochs = || (1..=bounds.epochs).map(Epoch);
        let mut all = Vec::new();
        for f in servers() {
            for e in epochs() {
                all.extend(servers().map(|c| Action::Promise { f, e, c }));
                for l in histories.prefixes(seen.history(e)) {
                    all.push(Action::Sync { f, e, l });
                    all.push(Action::Append { f, e, l });
                }
                all.push(Action::SetEpoch { f, e });
                let (least, most) =
                    (histories.length(seen.initial(e)), histories.length(seen.log(f)));
                all.extend((least..=most).map(|n| Action::Ack { f, e, n }));
                let delivered = &self.servers[&f].delivered;
                let history = seen.history(e);
                for n in 0..=histories.length(history) {
                    let known = delivered.contains(&histories.prefix(history, n));
                    if known || (delivered.len() as u64) < u64::from(bounds.delivered) {
                        all.push(Action::Deliver { f, e, n });
                    }
                }
            }
            all.push(Action::Crash { f });
        }
        all.extend(self.promises.iter().map(|&rc| Action::Elect { e: rc.epoch, c: rc.node, rc }));
        let proposed = |led: &Led| histories.length(led.history) - histories.length(led.initial);
        if self.epochs.values().map(proposed).sum::<u32>() < bounds.txns {
            all.extend(epochs().map(|e| Action::Propose {
                e,
                x: Txn { zxid: Zxid::new(e, seen.next_zxid(e).counter()), payload: () },
            }));
        }
        all
    }
}
