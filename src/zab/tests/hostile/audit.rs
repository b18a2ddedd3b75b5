//! What is true of each step of one server, whoever says what.

use std::collections::{BTreeMap, BTreeSet};

use zab::{
    After, Decision, DiskImage, Epoch, Fact, Input, LinkCmd, Message, Note, Outputs, Role, Send,
    Sid, Timer, TimerCmd, WriteNo, Zab, Zxid,
};

use crate::cluster::{Given, Machine, Out, P, Stepped};
use crate::walk::Walked;

/// What the outputs of one server add up to.
#[derive(Clone, Debug)]
pub(crate) struct Books {
    /// Links that are up, as the server has been told and has not refused.
    linked: BTreeSet<Sid>,
    armed: BTreeSet<Timer>,
    /// The fold of the records issued.
    image: DiskImage<P>,
}

type Verdict = Result<(), String>;

fn demand(holds: bool, what: &str, stepped: &Stepped) -> Verdict {
    if holds {
        return Ok(());
    }
    let Stepped { before, given, out, .. } = stepped;
    Err(format!("{what}\ngiven {given:?}\nat {before:?}\nwith {out:?}"))
}

/// The invariants of a step.
pub(crate) fn step(walked: &mut Walked, stepped: &Stepped) -> Verdict {
    let Stepped { before, given, out, after, issued } = stepped;
    let demand = |holds, what| demand(holds, what, stepped);
    let (was, is) = (before.zab(), after.zab());
    let me = is.me();
    demand(was.me() == me, "a server keeps its name")?;

    // Starts.
    if let (Given::Input(Input::Start(image)), Role::Down) = (given, was.role()) {
        let mut found = image.clone();
        if found.history_lost {
            // Of which epoch the history was is lost with it.
            found.current = Epoch(0);
        }
        let books = Books { linked: BTreeSet::new(), armed: BTreeSet::new(), image: found };
        walked.books.insert(me, books);
        let sound = image_is_sound(image);
        demand(out.halt.is_none() == sound, "a server starts if, and only if, its disk is sound")?;
    }
    let Some(books) = walked.books.get_mut(&me) else {
        return demand(was.role() == Role::Down, "a server that never started is down");
    };

    // Epochs.
    let (p, a) = (is.accepted_epoch(), is.current_epoch());
    demand(a <= p, "currentEpoch is not above acceptedEpoch")?;
    demand(is.last().map(Zxid::epoch) <= p, "no transaction is above acceptedEpoch")?;
    if is.role() != Role::Down {
        demand(was.accepted_epoch() <= p, "acceptedEpoch does not decrease")?;
        demand(was.current_epoch() <= a, "currentEpoch does not decrease")?;
        demand(was.delivered() <= is.delivered(), "what was delivered stays")?;
        demand(is.delivered() <= is.last(), "what is delivered is in the history")?;
    }

    // Records.
    for (index, (no, record)) in out.writes.iter().enumerate() {
        demand(*no == WriteNo(issued.0 + 1 + index as u64), "records are numbered without a gap")?;
        books.image.apply(record);
        demand(restarts(is, &books.image), "each prefix of the records starts")?;
    }
    let all = WriteNo(issued.0 + out.writes.len() as u64);
    if is.role() != Role::Down {
        let image = &books.image;
        let as_issued = (Some(image.accepted), Some(image.current), Some(image.last()));
        demand(as_issued == (p, a, is.last()), "memory is what the disk will hold")?;
    }

    // Deliveries.
    let mut last = out.install.or(was.delivered()).unwrap_or_default();
    for txn in &out.deliver {
        demand(follows(last, txn.zxid), "deliveries are in order, without a hole")?;
        last = txn.zxid;
    }
    if is.role() != Role::Down && was.role() != Role::Down {
        demand(is.delivered() == Some(last), "what is delivered is told")?;
    }

    // Links.
    if let Given::Input(Input::Link { peer, up }) = given {
        let ignored = out.notes.iter().any(|note| matches!(note, Note::Ignored(_)));
        match (*up, ignored) {
            (true, false) => _ = books.linked.insert(*peer),
            (false, _) => _ = books.linked.remove(peer),
            (true, true) => {}
        }
    }
    for send in &out.sends {
        demand(books.linked.contains(&send.to), "messages go over links that are up")?;
        match send.after {
            After::Now => {}
            After::Durable(no) => {
                demand(no.0 >= 1 && no <= all, "messages wait for records that were issued")?;
            }
        }
    }
    for cmd in &out.links {
        match cmd {
            LinkCmd::Connect(peer) => {
                demand(!books.linked.contains(peer), "who is linked is not dialled")?;
            }
            LinkCmd::Close(peer) => _ = books.linked.remove(peer),
        }
    }
    for (to, _) in &out.notifications {
        demand(*to != me, "nobody votes to itself")?;
    }

    // Timers.
    if let Given::Input(Input::Timer(timer)) = given {
        books.armed.remove(timer);
    }
    for cmd in &out.timers {
        match cmd {
            TimerCmd::Arm(timer) => books.armed.insert(*timer),
            TimerCmd::Disarm(timer) => books.armed.remove(timer),
        };
    }

    // Roles.
    let told = out.notes.iter().rev().find_map(|note| match note {
        Note::Role(role, _) => Some(*role),
        Note::Action(_) | Note::Established(_) | Note::Refused(..) | Note::Ignored(_) => None,
    });
    match told {
        Some(role) => demand(role == is.role(), "the role that is told is the one it has")?,
        None => demand(was.role() == is.role(), "a new role is told")?,
    }
    let legal = |timer: &Timer| match (timer, is.role()) {
        (Timer::Resend | Timer::Finalize, role) => role == Role::Looking,
        (Timer::InitLimit | Timer::SyncLimit, Role::Following(_) | Role::Observing(_)) => true,
        (Timer::InitLimit | Timer::QuorumLoss | Timer::Ping, Role::Leading) => true,
        (Timer::LearnerInitLimit(peer) | Timer::LearnerSyncLimit(peer), Role::Leading) => {
            books.linked.contains(peer)
        }
        (
            Timer::InitLimit
            | Timer::SyncLimit
            | Timer::LearnerInitLimit(_)
            | Timer::LearnerSyncLimit(_)
            | Timer::QuorumLoss
            | Timer::Ping,
            Role::Down | Role::Looking | Role::Leading | Role::Following(_) | Role::Observing(_),
        ) => false,
    };
    match is.role() {
        Role::Down => demand(out.halt.is_some() || was.role() == Role::Down, "who stops says why")?,
        Role::Looking => demand(books.linked.is_empty(), "who looks has no links")?,
        Role::Following(_) | Role::Observing(_) | Role::Leading => {}
    }
    let armed_rightly = is.role() == Role::Down || books.armed.iter().all(legal);
    demand(armed_rightly, "timers run for the role that a server has")
}

fn follows(last: Zxid, next: Zxid) -> bool {
    let same =
        next.epoch() == last.epoch() && last.counter().checked_add(1) == Some(next.counter());
    same || (next.epoch() > last.epoch() && next.counter() == 1)
}

fn image_is_sound(image: &DiskImage<P>) -> bool {
    let mut last = image.snapshot;
    for txn in &image.log {
        if !follows(last, txn.zxid) {
            return false;
        }
        last = txn.zxid;
    }
    (image.history_lost || image.current <= image.accepted) && last.epoch() <= image.accepted
}

/// Whether the same server starts from this disk.
fn restarts(zab: &Zab<P>, image: &DiskImage<P>) -> bool {
    let voters = [Sid(1), Sid(2), Sid(3)].into_iter().collect();
    let config = zab::Config::new(zab.me(), zab::Quorum::majority(voters));
    let mut out = Outputs::new();
    Zab::new(config).step(Input::Start(image.clone()), &mut out);
    out.halt.is_none()
}

/// Renumbering the writes commutes with the step.
pub(crate) fn renumbered(stepped: &Stepped) -> Verdict {
    let Stepped { before, given, out, after, .. } = stepped;
    let mut machine = before.clone();
    let shift = machine.renumber();
    let given = match given.clone() {
        Given::Input(Input::Durable { upto }) => {
            Given::Input(Input::Durable { upto: WriteNo(upto.0.saturating_sub(shift.0)) })
        }
        given @ (Given::Input(_) | Given::Decree(_)) => given,
    };
    let mut from_zero = Out::new();
    machine.give(given, &mut from_zero);
    for (no, _) in &mut from_zero.writes {
        no.0 += shift.0;
    }
    for send in &mut from_zero.sends {
        if let After::Durable(no) = &mut send.after {
            no.0 += shift.0;
        }
    }
    demand(from_zero == *out, "the outputs are the same but for the numbers", stepped)?;
    let mut other = after.clone();
    let (_, _) = (machine.renumber(), other.renumber());
    demand(machine == other, "the states are the same but for the numbers", stepped)
}

/// An ACK, or a COMMIT, says everything that an earlier one said: a server that reads several at
/// once may leave out all but the last.
pub(crate) fn superseded(stepped: &Stepped) -> Verdict {
    let Stepped { before, given, out, after, .. } = stepped;
    let Given::Input(Input::Recv { peer, message }) = given else { return Ok(()) };
    let earlier = |zxid: Zxid| Zxid::new(zxid.epoch(), zxid.counter().saturating_sub(1));
    let first = if let Message::Ack { zxid } = *message {
        Message::Ack { zxid: earlier(zxid) }
    } else if let Message::Commit { zxid } = *message {
        Message::Commit { zxid: earlier(zxid) }
    } else {
        return Ok(());
    };
    let is_refused = |note: &Note| matches!(note, Note::Refused(..));
    let (mut machine, mut both) = (before.clone(), Out::new());
    machine.give(Given::Input(Input::Recv { peer: *peer, message: first }), &mut both);
    // One that is refused breaks the link: what came before it need not have been read.
    if both.notes.iter().chain(&out.notes).any(is_refused) {
        return Ok(());
    }
    machine.give(given.clone(), &mut both);
    demand(machine == *after, "both lead to the state of the later one", stepped)?;
    demand(
        without_commits(&both) == without_commits(out),
        "both do what the later one does",
        stepped,
    )?;
    demand(last_commits(&both) == last_commits(out), "both commit up to the same", stepped)
}

/// What a step does, but for what it commits at followers.
fn without_commits(out: &Out) -> Out {
    let mut out = out.clone();
    out.sends.retain(|send| !matches!(send.message, Message::Commit { .. }));
    // To start a timer twice is to start it.
    out.timers.dedup();
    out.notes.clear();
    out
}

fn last_commits(out: &Out) -> BTreeMap<Sid, Zxid> {
    let commit = |send: &Send<P>| {
        if let Message::Commit { zxid } = send.message { Some((send.to, zxid)) } else { None }
    };
    out.sends.iter().filter_map(commit).collect()
}

/// Outputs that are cleared hold nothing of the step before.
pub(crate) fn cleared(stepped: &Stepped) -> Verdict {
    let mut out = stepped.out.clone();
    out.clear();
    demand(out == Out::new(), "cleared outputs are as new ones", stepped)
}

/// Renaming the servers commutes with the step of Zab proper.
pub(crate) fn renamed(stepped: &Stepped) -> Verdict {
    let Stepped { before, given, .. } = stepped;
    if let (Machine::Whole(_), Given::Input(Input::Notify { .. })) = (before, given) {
        return Ok(());
    }
    let (mut plain, mut other) = (before.zab().clone(), before.zab().renamed(name));
    let (mut out, mut out_other) = (Out::new(), Out::new());
    give(&mut plain, given.clone(), &mut out);
    give(&mut other, rename_given(given.clone()), &mut out_other);
    demand(plain.renamed(name) == other, "the states are the same but for the names", stepped)?;
    let mut out = rename_outputs(out);
    sort(&mut out);
    sort(&mut out_other);
    demand(out == out_other, "the outputs are the same but for the names", stepped)
}

/// Any names will do: these are a permutation of all that there are, in another order, and voters
/// have such as were not voters'.
fn name(sid: Sid) -> Sid {
    Sid(sid.0.wrapping_mul(91).wrapping_add(37))
}

fn give(zab: &mut Zab<P>, given: Given, out: &mut Out) {
    match given {
        Given::Input(input) => zab.step(input, out),
        Given::Decree(decision) => zab.elected(decision, out),
    }
}

fn rename_timer(timer: Timer) -> Timer {
    match timer {
        Timer::LearnerInitLimit(sid) => Timer::LearnerInitLimit(name(sid)),
        Timer::LearnerSyncLimit(sid) => Timer::LearnerSyncLimit(name(sid)),
        Timer::Resend
        | Timer::Finalize
        | Timer::InitLimit
        | Timer::SyncLimit
        | Timer::QuorumLoss
        | Timer::Ping => timer,
    }
}

fn rename_given(given: Given) -> Given {
    let input = match given {
        Given::Decree(Decision::Lead) => return Given::Decree(Decision::Lead),
        Given::Decree(Decision::Follow(leader)) => {
            return Given::Decree(Decision::Follow(name(leader)));
        }
        Given::Input(input) => input,
    };
    Given::Input(match input {
        Input::Link { peer, up } => Input::Link { peer: name(peer), up },
        Input::Recv { peer, message } => Input::Recv { peer: name(peer), message },
        Input::Timer(timer) => Input::Timer(rename_timer(timer)),
        Input::Sync { origin, body } => Input::Sync { origin: name(origin), body },
        Input::Session { peer, message } => Input::Session { peer: name(peer), message },
        input @ (Input::Start(_)
        | Input::Notify { .. }
        | Input::Durable { .. }
        | Input::Propose(_)
        | Input::Resign) => input,
    })
}

fn rename_outputs(mut out: Out) -> Out {
    for send in &mut out.sends {
        send.to = name(send.to);
    }
    for (peer, _) in &mut out.session {
        *peer = name(*peer);
    }
    for cmd in &mut out.links {
        *cmd = match *cmd {
            LinkCmd::Connect(peer) => LinkCmd::Connect(name(peer)),
            LinkCmd::Close(peer) => LinkCmd::Close(name(peer)),
        };
    }
    for cmd in &mut out.timers {
        *cmd = match *cmd {
            TimerCmd::Arm(timer) => TimerCmd::Arm(rename_timer(timer)),
            TimerCmd::Disarm(timer) => TimerCmd::Disarm(rename_timer(timer)),
        };
    }
    for fact in &mut out.facts {
        if let Fact::Promised { candidate, .. } = fact {
            *candidate = name(*candidate);
        }
    }
    for note in &mut out.notes {
        *note = match *note {
            Note::Role(Role::Following(leader), epoch) => {
                Note::Role(Role::Following(name(leader)), epoch)
            }
            Note::Role(Role::Observing(leader), epoch) => {
                Note::Role(Role::Observing(name(leader)), epoch)
            }
            Note::Refused(peer, why) => Note::Refused(name(peer), why),
            other @ (Note::Role(Role::Down | Role::Looking | Role::Leading, _)
            | Note::Action(_)
            | Note::Established(_)
            | Note::Ignored(_)) => other,
        };
    }
    out
}

/// Servers are gone through in the order of their names: only the order for each of them means
/// something.
fn sort(out: &mut Out) {
    out.sends.sort_by_key(|send| send.to);
    out.links.sort();
    out.timers.sort();
    out.notes.sort();
}
