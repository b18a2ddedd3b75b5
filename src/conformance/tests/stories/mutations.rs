//! Negative controls: recordings with one thing changed at random are refused.

use std::collections::BTreeMap;

use recording::Digest;
use zab::{Input, Message, Outputs};

use super::world::{Tape, check, check_files};
use super::{calm, continued, stormy};

/// Numbers that are the same in every run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// What was done to a recording, and whether it can still be read.
struct Change {
    at: usize,
    what: String,
    readable: bool,
}

fn drop_one(tape: &mut Tape, random: &mut Random) -> Change {
    let at = random.below(tape.steps.len());
    let (input, _) = tape.steps.remove(at);
    Change { at, what: format!("step {at} is left out: {input:?}"), readable: true }
}

/// Two steps that follow each other change places; steps that are the same are none to swap.
fn swap_two(tape: &mut Tape, random: &mut Random) -> Option<Change> {
    let at = random.below(tape.steps.len() - 1);
    if tape.steps[at] == tape.steps[at + 1] {
        return None;
    }
    tape.steps.swap(at, at + 1);
    let (first, then) = (&tape.steps[at].0, &tape.steps[at + 1].0);
    Some(Change {
        at,
        what: format!("{first:?} comes before {then:?} at step {at}"),
        readable: true,
    })
}

/// One byte of a step becomes another: a kind, a number, a part of a digest, a length.
fn alter_one(tape: &mut Tape, random: &mut Random) -> Option<Change> {
    let at = random.below(tape.steps.len());
    let mut bytes = postcard::to_stdvec(&tape.steps[at]).expect("plain data");
    let place = random.below(bytes.len());
    bytes[place] ^= 1 + random.below(255) as u8;
    let read = postcard::from_bytes::<(Input<Digest>, Outputs<Digest>)>(&bytes);
    let what = format!("byte {place} of step {at} is {}: {:?}", bytes[place], tape.steps[at].0);
    match read {
        // A longer way to write the same number.
        Ok(step) if step == tape.steps[at] => None,
        Ok(step) => {
            tape.steps[at] = step;
            Some(Change { at, what, readable: true })
        }
        Err(_) => Some(Change { at, what, readable: false }),
    }
}

/// Why a changed recording is one of a run all the same; `None` if it is not.
fn explanation(change: &Change, input: &Input<Digest>) -> Option<&'static str> {
    if change.what.contains(" comes before ") {
        return Some(
            "two inputs that commute: the core answers each the same in either order, and no clock orders them",
        );
    }
    if !change.what.contains(" is left out") {
        return None;
    }
    match input {
        Input::Notify { .. } => Some("an election message that was lost, as such messages may be"),
        Input::Durable { .. } => Some(
            "the disk confirms several records at once, or the server was killed before it did",
        ),
        Input::Recv { message: Message::Commit { .. }, .. } => {
            Some("a COMMIT that is said again by the next one, or was lost with its link")
        }
        Input::Recv { message: Message::Ack { .. }, .. } => Some(
            "an ACK that is said again by the next one, or was lost with its link, or was one more than a quorum",
        ),
        Input::Recv {
            message: Message::AckNewLeader { .. } | Message::LearnerInfo { .. }, ..
        } => Some("a message of one more than a quorum that was lost with its link"),
        Input::Link { up: false, .. } | Input::Timer(_) => {
            Some("what a server noticed of time and links is its own affair")
        }
        Input::Start(_)
        | Input::Link { .. }
        | Input::Recv { .. }
        | Input::Propose(_)
        | Input::Sync { .. }
        | Input::Session { .. }
        | Input::Resign => None,
    }
}

#[test]
fn changed_steps_are_refused_or_are_another_run() {
    let mut random = Random(20_111_204);
    let (mut tried, mut unreadable, mut by_abstract_zab) = (0, 0, 0);
    let mut accepted: BTreeMap<&str, u32> = BTreeMap::new();
    while tried < 1000 {
        let mut tapes = [calm, stormy, continued][random.below(3)]();
        let which = random.below(tapes.len());
        let before = tapes[which].steps.clone();
        let change = match random.below(3) {
            0 => Some(drop_one(&mut tapes[which], &mut random)),
            1 => swap_two(&mut tapes[which], &mut random),
            _ => alter_one(&mut tapes[which], &mut random),
        };
        let Some(change) = change else { continue };
        tried += 1;
        if !change.readable {
            unreadable += 1;
            continue;
        }
        let report = check(&tapes);
        let zab = report.property("every-step-is-abstract").expect("a property");
        by_abstract_zab += u32::from(zab.holds == Some(false));
        if report.passes() {
            let last_of_killed = !tapes[which].closed && change.at + 1 == before.len();
            let explained = match last_of_killed {
                true => Some("a killed server did not get to record its last step"),
                false => explanation(&change, &before[change.at].0),
            };
            let explained =
                explained.unwrap_or_else(|| panic!("accepted: {}\n{report}", change.what));
            *accepted.entry(explained).or_default() += 1;
        }
    }
    let runs: u32 = accepted.values().sum();
    println!(
        "{tried} changed steps: {unreadable} are none, {runs} make another run, all others are refused; abstract Zab alone refuses {by_abstract_zab}\n{accepted:#?}"
    );
    assert!(by_abstract_zab > 0 && runs < tried / 4);
}

#[test]
fn a_thousand_changed_files_are_refused() {
    let mut random = Random(19_700_101);
    let mut refused = 0;
    for _ in 0..1000 {
        let tapes = [calm, stormy, continued][random.below(3)]();
        let which = random.below(tapes.len());
        let mut chunks = tapes[which].chunks();
        // Behind the header; the last chunk of a killed server may be torn, or missing.
        let last = chunks.len() - usize::from(!tapes[which].closed) - 1;
        let at = 1 + random.below(last - 1);
        match random.below(3) {
            0 => drop(chunks.remove(at)),
            1 => chunks.swap(at, at + 1),
            _ => {
                let place = random.below(chunks[at].len());
                chunks[at][place] ^= 1 + random.below(255) as u8;
            }
        }
        let report = check_files(tapes.iter().enumerate().map(|(index, tape)| {
            (tape, if index == which { chunks.concat() } else { tape.bytes() })
        }));
        refused += u32::from(!report.passes());
    }
    assert_eq!(refused, 1000);
}
