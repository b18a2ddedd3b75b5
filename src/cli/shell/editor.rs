//! Lines of a terminal, with a history and with completion of commands and paths.

use std::path::PathBuf;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{Config, Context, Editor, Helper};

use super::{Next, Shell, names};

/// Reads lines until the end, or `quit`. The exit status.
pub(super) fn read_lines(shell: &mut Shell) -> u8 {
    let config = Config::builder().max_history_size(1000).map(|config| config.build());
    let editor = config.and_then(Editor::<Words, FileHistory>::with_config);
    let mut editor = match editor {
        Ok(editor) => editor,
        Err(error) => {
            eprintln!("the terminal cannot be used: {error}");
            return 1;
        }
    };
    let file =
        std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".vivarium_cli_history"));
    if let Some(file) = &file {
        // There is none at first.
        let _ = editor.load_history(file);
    }
    let status = loop {
        editor.set_helper(Some(Words::of(shell)));
        let prompt = format!("[vivarium: {}] {} ", shell.link.word(), shell.history.len());
        match editor.readline(&prompt) {
            Ok(line) => {
                let _ = editor.add_history_entry(&line);
                if let Next::End = shell.take(&line) {
                    break 0;
                }
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break 0,
            Err(error) => {
                eprintln!("the terminal cannot be read: {error}");
                break 1;
            }
        }
    };
    if let Some(file) = &file {
        let _ = editor.save_history(file);
    }
    status
}

/// Tells the names of the children of a node.
type Children = dyn Fn(&str) -> Vec<String>;

/// What a line may go on with.
struct Words {
    commands: Vec<String>,
    children: Box<Children>,
}

impl Words {
    fn of(shell: &Shell) -> Self {
        let link = shell.link.clone();
        Self { commands: names(), children: Box::new(move |path| link.children(path)) }
    }

    /// Where the word at the end of the line begins, and what it may be.
    fn complete(&self, line: &str) -> (usize, Vec<String>) {
        let start = line.rfind(' ').map_or(0, |at| at + 1);
        let word = &line[start..];
        if start == 0 {
            let known = self.commands.iter().filter(|command| command.starts_with(word));
            return (0, known.cloned().collect());
        }
        let Some(slash) = word.rfind('/') else { return (start, Vec::new()) };
        let (parent, name) = (&word[..slash], &word[slash + 1..]);
        let children = (self.children)(if parent.is_empty() { "/" } else { parent });
        let known = children.into_iter().filter(|child| child.starts_with(name));
        (start, known.map(|child| format!("{parent}/{child}")).collect())
    }
}

impl Completer for Words {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(self.complete(&line[..at]))
    }
}

impl Hinter for Words {
    type Hint = String;
}

impl Highlighter for Words {}
impl Validator for Words {}
impl Helper for Words {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_paths_are_completed() {
        let children = |path: &str| match path {
            "/" => vec!["app".to_owned(), "apple".to_owned(), "zookeeper".to_owned()],
            "/app" => vec!["one".to_owned()],
            _ => Vec::new(),
        };
        let words = Words { commands: names(), children: Box::new(children) };
        assert_eq!(words.complete("getAl"), (0, vec!["getAllChildrenNumber".to_owned()]));
        assert_eq!(words.complete("ls /ap"), (3, vec!["/app".to_owned(), "/apple".to_owned()]));
        assert_eq!(words.complete("get -s /app/"), (7, vec!["/app/one".to_owned()]));
        assert_eq!(words.complete("get -").1, Vec::<String>::new());
    }
}
