//! Recorded runs as runs of abstract Zab.
//!
//! The hosts run again, and what their cores report ([`stream`]) is folded into actions as the
//! models fold it ([`Fold`]). The actions of all servers are put into one order that abstract Zab
//! allows: each server's own order is kept, and an action waits until its guards hold.
//! Guards of different servers' actions only ever ask for what was said before, and that is never
//! taken back; so if there is an order at all, taking whatever is allowed finds one. If nothing
//! more is allowed and something is left, there is none.
//!
//! A recording ends with the server, and so does what it led. Nothing is put in: if a recording
//! that was not closed lacks steps that others were affected by, as it can after a loss of power,
//! the run is not decidable from there on, and that is said.
//!
//! Only the servers' variables, the epochs, and one entry for each transaction are in memory.

mod stream;

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use abstract_zab::action::{Action, Kind};
use abstract_zab::fold::{Actor, Fold, Own, Unexplained};
use abstract_zab::histories::Histories;
pub(crate) use abstract_zab::run::AbstractRun;
use abstract_zab::summary::Summary;
use recording::Digest;
use zab::{Epoch, Fact, Quorum, Sid, Zxid};

use crate::verdict::Witness;
pub use stream::Source;
use stream::Stream;

/// What a run is in abstract Zab.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    /// How often each action was taken.
    pub(crate) taken: BTreeMap<Kind, u64>,
    /// The facts that have no place in any run, if there are such.
    pub(crate) refused: Vec<Witness>,
    /// What is missing to decide, if something is.
    pub(crate) undecided: Option<String>,
}

/// A run that is being followed.
struct Follower {
    quorum: Quorum,
    histories: Histories<Digest>,
    summary: Summary,
    /// What is each server's own.
    owns: BTreeMap<Sid, Own>,
    followed: Followed,
    /// The actions in their order, if somebody wants them.
    run: Option<AbstractRun>,
}

/// Follows the recordings of an ensemble with these quorums in abstract Zab, and keeps the actions
/// if they are wanted.
pub(crate) fn follow<R: Read + Seek>(
    quorum: Quorum,
    sources: Vec<Source<R>>,
    wanted: bool,
) -> (Followed, Option<AbstractRun>) {
    let mut by_server: BTreeMap<Sid, Vec<(usize, Source<R>)>> = BTreeMap::new();
    for (file, source) in sources.into_iter().enumerate() {
        by_server.entry(source.server).or_default().push((file, source));
    }
    let mut followed = Followed::default();
    let unrecorded = quorum.voters().iter().find(|voter| !by_server.contains_key(voter));
    if let Some(voter) = unrecorded {
        followed.undecided = Some(format!("{voter} votes, and there is no recording of it"));
        return (followed, None);
    }
    let mut streams: Vec<_> =
        by_server.into_iter().map(|(server, files)| Stream::new(server, files)).collect();
    let mut follower = Follower {
        quorum,
        histories: Histories::new(),
        summary: Summary::default(),
        owns: streams.iter().map(|stream| (stream.server, Own::default())).collect(),
        followed,
        run: wanted.then(AbstractRun::default),
    };
    for stream in &mut streams {
        if let Ok(Some((Fact::Started { accepted, current, last, .. }, _))) = stream.peek()
            && (*accepted, *current, *last) != (Epoch(0), Epoch(0), Zxid::ZERO)
        {
            follower.followed.undecided = Some(format!(
                "the recordings of {} begin with something on its disk, and what is older is not known",
                stream.server
            ));
            return (follower.followed, follower.run);
        }
    }
    loop {
        let mut progress = false;
        let mut left = Vec::new();
        for stream in &mut streams {
            loop {
                let server = stream.server;
                let before = follower.followed.actions();
                match stream.peek() {
                    Ok(None) => break,
                    Ok(Some((fact, at))) => match follower.place(server, fact) {
                        Ok(()) => {
                            stream.pop();
                            progress = true;
                        }
                        Err(unexplained) => {
                            // Of several actions the first ones may have been taken.
                            progress |= follower.followed.actions() != before;
                            let why = format!("{server}: {}: {unexplained}", told(fact));
                            if !unexplained.may_hold_later() {
                                follower.followed.refused = vec![Witness(at, why)];
                                return (follower.followed, follower.run);
                            }
                            left.push(Witness(at, why));
                            break;
                        }
                    },
                    Err(refused) => {
                        follower.followed.undecided = Some(refused);
                        return (follower.followed, follower.run);
                    }
                }
            }
        }
        if left.is_empty() {
            return (follower.followed, follower.run);
        }
        if !progress {
            let open: Vec<_> = streams.iter().flat_map(|stream| stream.open.clone()).collect();
            match open.last() {
                Some(open) => {
                    let why: Vec<_> = left.iter().map(|Witness(_, why)| why.as_str()).collect();
                    let why = why.join("; ");
                    follower.followed.undecided =
                        Some(format!("the last steps of {open} would be needed for: {why}"));
                }
                None => follower.followed.refused = left,
            }
            return (follower.followed, follower.run);
        }
    }
}

fn told(fact: &Fact<Digest>) -> String {
    let mut text = format!("{fact:?}");
    if let Some((at, _)) = text.char_indices().nth(160) {
        text.truncate(at);
        text.push('…');
    }
    text
}

impl Follower {
    /// Places a fact of a server, if abstract Zab allows it now.
    fn place(&mut self, server: Sid, fact: &Fact<Digest>) -> Result<(), Unexplained> {
        let Self { quorum, histories, summary, owns, followed, run } = self;
        let own = owns.entry(server).or_default();
        let mut heard = |action: &_| {
            *followed.taken.entry(Action::kind(action)).or_default() += 1;
            if let Some(run) = run {
                run.add(action, histories, number);
            }
        };
        let mut fold = Fold { summary, histories, quorum };
        fold.take(&mut Actor { me: server, own, heard: &mut heard }, fact)?;
        if let (Fact::Started { .. }, Some(run)) = (fact, run) {
            run.expect(server, &own.local, histories);
        }
        Ok(())
    }
}

/// The first 62 bits of a payload's digest, which stand for it in a run.
fn number(payload: &Digest) -> u64 {
    u64::from_be_bytes(payload.0) >> 2
}

impl Followed {
    /// Actions taken.
    pub(crate) fn actions(&self) -> u64 {
        self.taken.values().sum()
    }
}
