//! Four-letter words. (ZooKeeper: `org.apache.zookeeper.server.command`.)

mod connections;
mod date;
mod server;

pub use date::date;
pub(crate) use server::described;

use std::fmt::{Display, Write};

use wire::client::FourLetterWord;

use super::SessionSets;
use super::shared::Shared;
use crate::compat;
use crate::io::Now;

const NOT_SERVING: &str = "This ZooKeeper instance is not currently serving requests\n";

/// Bytes of an answer. Few words ask for a list of everything there is.
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// Whether a word does anything.
pub fn is_executed(word: FourLetterWord, shared: &Shared) -> bool {
    compat::is_answered(word) && shared.settings.four_letter_words.allow(word.name())
}

/// Whether a word takes long to answer: it lists what there is, or looks at the disk.
pub fn is_costly(word: FourLetterWord) -> bool {
    match word {
        FourLetterWord::Conf
        | FourLetterWord::Cons
        | FourLetterWord::Crst
        | FourLetterWord::Dirs
        | FourLetterWord::Dump
        | FourLetterWord::Stat
        | FourLetterWord::Wchc
        | FourLetterWord::Wchp => true,
        FourLetterWord::Envi
        | FourLetterWord::Gtmk
        | FourLetterWord::Hash
        | FourLetterWord::Isro
        | FourLetterWord::Mntr
        | FourLetterWord::Ruok
        | FourLetterWord::Srst
        | FourLetterWord::Srvr
        | FourLetterWord::Stmk
        | FourLetterWord::TelnetClose
        | FourLetterWord::Wchs => false,
    }
}

/// The text that answers a word. `sets`: the sessions of a leader, for `dump`.
pub fn answer(
    word: FourLetterWord,
    sets: Option<SessionSets>,
    shared: &Shared,
    now: Now,
) -> String {
    if !is_executed(word, shared) {
        let name = word.name();
        return format!("{name} is not executed because it is not in the whitelist.\n");
    }
    let status = shared.status();
    if status.serving.is_none() && !status.is_read_only {
        return not_serving(word, shared);
    }
    let mut text = Text::default();
    match word {
        FourLetterWord::Isro => text.line(if status.is_read_only { "ro" } else { "rw" }),
        FourLetterWord::Srvr => {
            server::version(shared, &mut text);
            server::mode_note(shared, &mut text);
            server::state(shared, &mut text);
        }
        FourLetterWord::Stat => {
            server::version(shared, &mut text);
            server::mode_note(shared, &mut text);
            text.line("Clients:\n");
            connections::list(shared, false, &mut text);
            server::state(shared, &mut text);
        }
        FourLetterWord::Mntr => server::monitor(shared, now, &mut text),
        FourLetterWord::Conf => {
            text.line(shared.machine.conf());
        }
        FourLetterWord::Cons => connections::list(shared, true, &mut text),
        FourLetterWord::Crst => {
            shared.connections().iter().for_each(|connection| connection.stats.reset());
            text.line("Connection stats reset.\n");
        }
        FourLetterWord::Dirs => {
            let sizes = shared.machine.dir_sizes();
            text.line(format_args!(
                "datadir_size: {}\nlogdir_size: {}\n",
                sizes.data, sizes.data_log
            ));
        }
        FourLetterWord::Dump => connections::dump(shared, sets, now, &mut text),
        FourLetterWord::Hash => server::hashes(shared, &mut text),
        FourLetterWord::Srst => {
            shared.reset_counts();
            text.line("Server stats reset.\n");
        }
        FourLetterWord::Wchc => connections::watches_by_connection(shared, &mut text),
        FourLetterWord::Wchs => connections::watch_counts(shared, &mut text),
        FourLetterWord::Wchp => connections::watches_by_path(shared, &mut text),
        FourLetterWord::Ruok | FourLetterWord::Envi => return always(word, shared),
        FourLetterWord::Gtmk | FourLetterWord::Stmk | FourLetterWord::TelnetClose => {}
    }
    text.0
}

/// The answer to a word that does not need a leader.
fn always(word: FourLetterWord, shared: &Shared) -> String {
    let mut text = Text::default();
    if word == FourLetterWord::Ruok {
        text.line("imok");
    } else {
        server::environment(shared, &mut text);
    }
    text.0
}

fn not_serving(word: FourLetterWord, shared: &Shared) -> String {
    match word {
        FourLetterWord::Ruok | FourLetterWord::Envi => always(word, shared),
        FourLetterWord::Isro => "null".to_owned(),
        FourLetterWord::Hash => NOT_SERVING.trim_end().to_owned(),
        FourLetterWord::Conf
        | FourLetterWord::Cons
        | FourLetterWord::Crst
        | FourLetterWord::Dirs
        | FourLetterWord::Dump
        | FourLetterWord::Gtmk
        | FourLetterWord::Stmk
        | FourLetterWord::Mntr
        | FourLetterWord::Srst
        | FourLetterWord::Srvr
        | FourLetterWord::Stat
        | FourLetterWord::Wchc
        | FourLetterWord::Wchp
        | FourLetterWord::Wchs
        | FourLetterWord::TelnetClose => NOT_SERVING.to_owned(),
    }
}

/// An answer in the making, which does not outgrow [`ANSWER_BYTES_MAX`] by more than a line.
#[derive(Default)]
struct Text(String);

impl Text {
    /// Appends what has its own line end; nothing once the answer is long enough, but for a last
    /// line that says so.
    fn line(&mut self, line: impl Display) {
        if self.is_full() {
            return;
        }
        // Writing to a String does not fail.
        let _ = write!(self.0, "{line}");
        if self.is_full() {
            self.left_out();
        }
    }

    /// The rest of a list is not shown.
    fn left_out(&mut self) {
        self.0.push_str("... and more, which is left out\n");
    }

    fn is_full(&self) -> bool {
        self.0.len() >= ANSWER_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_as_long_as_it_may_be_and_says_so() {
        let mut text = Text::default();
        for number in 0..2 * ANSWER_BYTES_MAX / 10 {
            text.line(format_args!("{number:09}\n"));
        }
        assert!(text.0.len() < ANSWER_BYTES_MAX + 100, "{}", text.0.len());
        assert!(text.0.ends_with("\n... and more, which is left out\n"));
    }
}
