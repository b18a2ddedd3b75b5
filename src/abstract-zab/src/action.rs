//! The nine actions of abstract Zab, and their guards: once, for everybody who asks.
//!
//! Names, order and guards are those of `spec/Zab.tla` and of `proofs/theories/Protocol.v`; the
//! comments `guard:` hold the Coq text, and a check compares the three.

use std::hash::Hash;

use zab::{Epoch, Sid, SidSet, Txn, Zxid};

use super::histories::{Histories, History};

/// A promise of an epoch, made by a server to a candidate, with the epoch and the durable history
/// that it had then.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Promise {
    /// Who promised.
    pub node: Sid,
    /// What.
    pub epoch: Epoch,
    /// To whom.
    pub candidate: Sid,
    /// `currentEpoch` at that moment.
    pub accepted: Epoch,
    /// The durable history at that moment.
    pub log: History,
}

/// An action of abstract Zab.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Action<P> {
    /// `f` promises epoch `e` to candidate `c`: `acceptedEpoch` is durable.
    Promise {
        /// The server.
        f: Sid,
        /// The epoch.
        e: Epoch,
        /// The candidate.
        c: Sid,
    },
    /// Candidate `c`, whose promise is `rc`, becomes the leader of epoch `e`.
    Elect {
        /// The epoch.
        e: Epoch,
        /// The leader.
        c: Sid,
        /// Its own promise, whose history begins the epoch.
        rc: Promise,
    },
    /// The durable history of `f` is brought nearer to that of the leader of `e`: it is `l` now.
    Sync {
        /// The learner.
        f: Sid,
        /// The epoch.
        e: Epoch,
        /// Its history afterwards.
        l: History,
    },
    /// `f` accepts epoch `e`, whose initial history it holds: `currentEpoch` is durable.
    SetEpoch {
        /// The server.
        f: Sid,
        /// The epoch.
        e: Epoch,
    },
    /// Proposals of epoch `e` are durable at `f`: its history is `l` now.
    Append {
        /// The server.
        f: Sid,
        /// The epoch.
        e: Epoch,
        /// Its history afterwards.
        l: History,
    },
    /// `f` acknowledges the first `n` transactions of epoch `e`'s history.
    Ack {
        /// The server.
        f: Sid,
        /// The epoch.
        e: Epoch,
        /// How many.
        n: u32,
    },
    /// The leader of `e` broadcasts `x`.
    Propose {
        /// The epoch.
        e: Epoch,
        /// The transaction.
        x: Txn<P>,
    },
    /// `f` has delivered the first `n` transactions of epoch `e`'s history.
    Deliver {
        /// The server.
        f: Sid,
        /// The epoch.
        e: Epoch,
        /// How many.
        n: u32,
    },
    /// `f` crashes, or gives up leading.
    Crash {
        /// The server.
        f: Sid,
    },
}

/// The names of the actions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "`Action` says what each one is")]
pub enum Kind {
    Promise,
    Elect,
    Sync,
    SetEpoch,
    Append,
    Ack,
    Propose,
    Deliver,
    Crash,
}

impl Kind {
    /// All, in the order of the specification.
    pub const ALL: [Self; 9] = [
        Self::Promise,
        Self::Elect,
        Self::Sync,
        Self::SetEpoch,
        Self::Append,
        Self::Ack,
        Self::Propose,
        Self::Deliver,
        Self::Crash,
    ];

    /// Its name in the specification.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Promise => "Promise",
            Self::Elect => "Elect",
            Self::Sync => "Sync",
            Self::SetEpoch => "SetEpoch",
            Self::Append => "Append",
            Self::Ack => "Ack",
            Self::Propose => "Propose",
            Self::Deliver => "Deliver",
            Self::Crash => "Crash",
        }
    }

    /// Its name among actions of the core.
    pub const fn qualified(self) -> &'static str {
        match self {
            Self::Promise => "Zab!Promise",
            Self::Elect => "Zab!Elect",
            Self::Sync => "Zab!Sync",
            Self::SetEpoch => "Zab!SetEpoch",
            Self::Append => "Zab!Append",
            Self::Ack => "Zab!Ack",
            Self::Propose => "Zab!Propose",
            Self::Deliver => "Zab!Deliver",
            Self::Crash => "Zab!Crash",
        }
    }
}

impl<P> Action<P> {
    /// Which one it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Promise { .. } => Kind::Promise,
            Self::Elect { .. } => Kind::Elect,
            Self::Sync { .. } => Kind::Sync,
            Self::SetEpoch { .. } => Kind::SetEpoch,
            Self::Append { .. } => Kind::Append,
            Self::Ack { .. } => Kind::Ack,
            Self::Propose { .. } => Kind::Propose,
            Self::Deliver { .. } => Kind::Deliver,
            Self::Crash { .. } => Kind::Crash,
        }
    }
}

/// What guards look at. Of the servers' own variables (`p`, `a`, `log`) only those of the acting
/// server are asked for.
pub trait View {
    /// What transactions carry.
    type Payload: Clone + Eq + Hash;

    /// The histories that ids stand for.
    fn histories(&self) -> &Histories<Self::Payload>;
    /// `p f`: the last epoch promised.
    fn p(&self, f: Sid) -> Epoch;
    /// `a f`: the last epoch accepted.
    fn a(&self, f: Sid) -> Epoch;
    /// `log f`: the durable history.
    fn log(&self, f: Sid) -> History;
    /// `lead e <> None`.
    fn is_led(&self, e: Epoch) -> bool;
    /// `I e`: the initial history.
    fn initial(&self, e: Epoch) -> History;
    /// `H e`: everything ever proposed, behind `I e`.
    fn history(&self, e: Epoch) -> History;
    /// `act e`: the leader of `e` has not crashed since it was elected.
    fn is_active(&self, e: Epoch) -> bool;
    /// The promises of `e` to `c` in `prom`.
    fn promises(&self, e: Epoch, c: Sid) -> Vec<Promise>;
    /// Who has acknowledged at least the first `n` of `e`.
    fn ackers(&self, e: Epoch, n: u32) -> SidSet;
    /// `exists c d, lead e = Some c /\ In d (D c) /\ h ⊑ d`.
    fn leader_delivered(&self, e: Epoch, h: History) -> bool;
    /// `quorum members`.
    fn is_quorum(&self, members: &SidSet) -> bool;

    /// `chosen e n`: the first `n` of `e` are acknowledged by a quorum.
    fn is_chosen(&self, e: Epoch, n: u32) -> bool {
        self.is_quorum(&self.ackers(e, n))
    }

    /// `rank_le r1 r2`: `r2` is at least as recent; the accepted epoch counts first, then the last
    /// zxid.
    fn rank_le(&self, r1: &Promise, r2: &Promise) -> bool {
        let rank = |r: &Promise| (r.accepted, self.histories().last_zxid(r.log));
        rank(r1) <= rank(r2)
    }

    /// `electable e c rc`: the candidate's own promise is maximal among those of a quorum that it
    /// belongs to.
    fn is_electable(&self, e: Epoch, c: Sid, rc: &Promise) -> bool {
        let promises = self.promises(e, c);
        // Any quorum will do, so the largest set of those that are not more recent.
        let not_newer = promises.iter().filter(|r| self.rank_le(r, rc)).map(|r| r.node).collect();
        (rc.node, rc.epoch, rc.candidate) == (c, e, c)
            && promises.contains(rc)
            && self.is_quorum(&not_newer)
    }

    /// `next_zxid e`: the zxid of the next transaction of `e`; the first has the counter 1.
    fn next_zxid(&self, e: Epoch) -> Zxid {
        let (h, i) = (self.history(e), self.initial(e));
        let proposed = self.histories().length(h) - self.histories().length(i);
        Zxid::new(e, proposed + 1)
    }
}

/// A guard that does not hold.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}: the guard \"{guard}\" does not hold", action.name())]
pub struct Refused {
    /// The action.
    pub action: Kind,
    /// The guard, as in `spec/Zab.tla`.
    pub guard: &'static str,
}

impl Refused {
    /// True if the guard asks what other servers did, so that it may hold later, when they have
    /// done more.
    pub fn may_hold_later(&self) -> bool {
        [
            "lead[e] /= NONE",
            "Electable(e, c, rc)",
            "l ⊑ H[e]",
            "log[f] ⊑ H[e]",
            "Chosen(e, Len(I[e]))",
            "Chosen(e, n)",
        ]
        .contains(&self.guard)
    }
}

/// Whether the action is allowed.
///
/// # Errors
/// The first guard that does not hold.
pub fn allowed<V: View + ?Sized>(view: &V, action: &Action<V::Payload>) -> Result<(), Refused> {
    let need = |holds: bool, guard: &'static str| {
        if holds { Ok(()) } else { Err(Refused { action: action.kind(), guard }) }
    };
    let begins = |short, long| view.histories().begins(short, long);
    let length = |history| view.histories().length(history);
    match action {
        Action::Promise { f, e, c: _ } => {
            // guard: p s f < e
            need(view.p(*f) < *e, "p[f] < e")
        }
        Action::Elect { e, c, rc } => {
            // guard: lead s e = None
            need(!view.is_led(*e), "lead[e] = NONE")?;
            // guard: electable s e c rc
            need(view.is_electable(*e, *c, rc), "Electable(e, c, rc)")
        }
        Action::Sync { f, e, l } => {
            // guard: lead s e <> None
            need(view.is_led(*e), "lead[e] /= NONE")?;
            // guard: p s f = e
            need(view.p(*f) == *e, "p[f] = e")?;
            // guard: a s f < e
            need(view.a(*f) < *e, "a[f] < e")?;
            // guard: l ⊑ H s e
            need(begins(*l, view.history(*e)), "l ⊑ H[e]")?;
            // guard: keeps (log s f) (I s e) l
            let common = view.histories().common(view.log(*f), view.initial(*e));
            need(begins(common, *l), "Common(log[f], I[e]) ⊑ l")
        }
        Action::SetEpoch { f, e } => {
            // guard: lead s e <> None
            need(view.is_led(*e), "lead[e] /= NONE")?;
            // guard: p s f = e
            need(view.p(*f) == *e, "p[f] = e")?;
            // guard: a s f < e
            need(view.a(*f) < *e, "a[f] < e")?;
            // guard: I s e ⊑ log s f
            need(begins(view.initial(*e), view.log(*f)), "I[e] ⊑ log[f]")?;
            // guard: log s f ⊑ H s e
            need(begins(view.log(*f), view.history(*e)), "log[f] ⊑ H[e]")
        }
        Action::Append { f, e, l } => {
            // guard: p s f = e
            need(view.p(*f) == *e, "p[f] = e")?;
            // guard: a s f = e
            need(view.a(*f) == *e, "a[f] = e")?;
            // guard: log s f ⊑ l
            need(begins(view.log(*f), *l), "log[f] ⊑ l")?;
            // guard: l ⊑ H s e
            need(begins(*l, view.history(*e)), "l ⊑ H[e]")
        }
        Action::Ack { f, e, n } => {
            // guard: 0 < e
            need(Epoch(0) < *e, "0 < e")?;
            // guard: p s f = e
            need(view.p(*f) == *e, "p[f] = e")?;
            // guard: a s f = e
            need(view.a(*f) == *e, "a[f] = e")?;
            // guard: length (I s e) <= n
            need(length(view.initial(*e)) <= *n, "Len(I[e]) <= n")?;
            // guard: n <= length (log s f)
            need(*n <= length(view.log(*f)), "n <= Len(log[f])")
        }
        Action::Propose { e, x } => {
            // guard: act s e = true
            need(view.is_active(*e), "act[e]")?;
            // guard: chosen s e (length (I s e))
            need(view.is_chosen(*e, length(view.initial(*e))), "Chosen(e, Len(I[e]))")?;
            // guard: (exists c d, lead s e = Some c /\ In d (D s c) /\ I s e ⊑ d)
            need(view.leader_delivered(*e, view.initial(*e)), "the leader has delivered I[e]")?;
            // guard: zxid_of x = next_zxid s e
            need(x.zxid == view.next_zxid(*e), "x = NextZxid(e)")
        }
        Action::Deliver { f: _, e, n } => {
            // guard: chosen s e n
            need(view.is_chosen(*e, *n), "Chosen(e, n)")
        }
        Action::Crash { f: _ } => Ok(()),
    }
}
