//! A run of abstract Zab as text, for the trace checker that is extracted from the proof
//! (`proofs/build/check_trace`).

use std::hash::Hash;
use std::io::{self, Write};

use zab::{Epoch, Quorum, Sid, Zxid};

use super::action::Action;
use super::histories::Histories;
use super::summary::Local;

/// One line.
#[derive(Clone, Copy, Debug)]
enum Command {
    Promise(Sid, Epoch, Sid),
    Elect(Epoch, Sid),
    Sync(Sid, Epoch, u32),
    SetEpoch(Sid, Epoch),
    Append(Sid, Epoch, u32),
    Ack(Sid, Epoch, u32),
    /// With a number in the place of the payload.
    Propose(Epoch, u64),
    Deliver(Sid, Epoch, u32),
    Crash(Sid),
    /// Epochs, length of the history and last zxid, as a start found them.
    Expect(Sid, Epoch, Epoch, u32, Zxid),
}

/// Actions in their order.
#[derive(Debug, Default)]
pub struct AbstractRun(Vec<Command>);

impl AbstractRun {
    /// Number of commands.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if nothing happened.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds an action. `number` is what stands for a payload: of at most 62 bits, which is what the
    /// checker's integers have.
    pub fn add<P: Clone + Eq + Hash>(
        &mut self,
        action: &Action<P>,
        histories: &Histories<P>,
        number: impl Fn(&P) -> u64,
    ) {
        self.0.push(match action {
            Action::Promise { f, e, c } => Command::Promise(*f, *e, *c),
            Action::Elect { e, c, .. } => Command::Elect(*e, *c),
            Action::Sync { f, e, l } => Command::Sync(*f, *e, histories.length(*l)),
            Action::SetEpoch { f, e } => Command::SetEpoch(*f, *e),
            Action::Append { f, e, l } => Command::Append(*f, *e, histories.length(*l)),
            Action::Ack { f, e, n } => Command::Ack(*f, *e, *n),
            Action::Propose { e, x } => Command::Propose(*e, number(&x.payload)),
            Action::Deliver { f, e, n } => Command::Deliver(*f, *e, *n),
            Action::Crash { f } => Command::Crash(*f),
        });
    }

    /// Asserts what is on a server's disk: what its start found there, or what is there in the end.
    pub fn expect<P: Clone + Eq + Hash>(
        &mut self,
        f: Sid,
        local: &Local,
        histories: &Histories<P>,
    ) {
        let (length, last) = (histories.length(local.log), histories.last_zxid(local.log));
        self.0.push(Command::Expect(f, local.p, local.a, length, last));
    }

    /// Writes the run as text.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, quorum: &Quorum, out: &mut dyn Write) -> io::Result<()> {
        let voters: Vec<_> = quorum.voters().iter().map(|sid| sid.0.to_string()).collect();
        writeln!(out, "ensemble {}", voters.join(" "))?;
        for command in &self.0 {
            match *command {
                Command::Promise(f, e, c) => writeln!(out, "promise {} {} {}", f.0, e.0, c.0)?,
                Command::Elect(e, c) => writeln!(out, "elect {} {}", e.0, c.0)?,
                Command::Sync(f, e, k) => writeln!(out, "sync {} {} {k}", f.0, e.0)?,
                Command::SetEpoch(f, e) => writeln!(out, "setepoch {} {}", f.0, e.0)?,
                Command::Append(f, e, k) => writeln!(out, "append {} {} {k}", f.0, e.0)?,
                Command::Ack(f, e, n) => writeln!(out, "ack {} {} {n}", f.0, e.0)?,
                Command::Propose(e, v) => writeln!(out, "propose {} {v}", e.0)?,
                Command::Deliver(f, e, n) => writeln!(out, "deliver {} {} {n}", f.0, e.0)?,
                Command::Crash(f) => writeln!(out, "crash {}", f.0)?,
                Command::Expect(f, p, a, k, last) => {
                    writeln!(out, "expect {} {} {} {k}", f.0, p.0, a.0)?;
                    if last != Zxid::ZERO {
                        writeln!(out, "last {} {} {}", f.0, last.epoch().0, last.counter())?;
                    }
                }
            }
        }
        Ok(())
    }
}
