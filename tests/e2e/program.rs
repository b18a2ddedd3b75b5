//! A client program that is talked to over its standard input and output, as a person at a terminal
//! would.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::cluster::PATIENCE;

pub(crate) struct Program {
    child: Child,
    stdin: ChildStdin,
    /// Lines of both outputs, in the order of their arrival.
    said: Arc<Mutex<Vec<String>>>,
}

/// A point in what a program has said.
#[derive(Clone, Copy)]
pub(crate) struct Mark(usize);

/// After so long without the answer that is due, a command is repeated: it may have met a
/// connection that broke.
const REPEAT: Duration = Duration::from_secs(2);

impl Program {
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdin = child.stdin.take().expect("piped");
        let said = Arc::<Mutex<Vec<String>>>::default();
        listen(child.stdout.take().expect("piped"), &said);
        listen(child.stderr.take().expect("piped"), &said);
        Self { child, stdin, said }
    }

    /// The end of what was said until now.
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.said.lock().expect("no panic").len())
    }

    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").expect("it runs");
    }

    /// Waits until it says a line that contains `words`, after the mark.
    ///
    /// # Panics
    /// If it does not; the message has all that it said.
    pub(crate) fn expect(&self, since: Mark, words: &str) {
        if !self.says_within(PATIENCE, since, words) {
            panic!("it does not say {words:?}:\n{}", self.text());
        }
    }

    /// Says `line` until it is answered by a line that contains `words`.
    pub(crate) fn ask(&mut self, line: &str, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        let since = self.mark();
        loop {
            self.say(line);
            if self.says_within(REPEAT, since, words) {
                return;
            }
            let text = self.text();
            assert!(Instant::now() < deadline, "{line:?} is not answered by {words:?}:\n{text}");
        }
    }

    fn says_within(&self, patience: Duration, since: Mark, words: &str) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            if self.said.lock().expect("no panic")[since.0..]
                .iter()
                .any(|line| line.contains(words))
            {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn text(&self) -> String {
        self.said.lock().expect("no panic").join("\n")
    }
}

fn listen(output: impl Read + Send + 'static, said: &Arc<Mutex<Vec<String>>>) {
    let said = Arc::clone(said);
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            said.lock().expect("no panic").push(line);
        }
    });
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
