//! `vivarium cli`: a shell for any ensemble that speaks ZooKeeper's protocol.

mod bytes;
mod commands;
mod editor;
mod lines;
mod link;
mod output;
mod perform;
mod quota;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::time::Duration;

use ::client::Target;
use clap::{Args, CommandFactory, Parser};
use serde_json::json;

use commands::{Command, Line};
use lines::Lines;
use link::Link;
use output::Output;
use perform::Done;

/// A shell for any ZooKeeper-protocol ensemble: one command, or many
#[derive(Args)]
#[command(after_help = AFTER_HELP, disable_help_flag = false)]
pub(crate) struct ShellArgs {
    /// The servers: host:port, joined by commas, and the node that is taken for the root
    #[arg(long, default_value = "localhost:2181", value_name = "HOSTS")]
    server: String,
    /// The session time-out to ask for, and how long to look for a server, in milliseconds
    #[arg(long, default_value_t = 30_000, value_parser = clap::value_parser!(u32).range(1..))]
    timeout: u32,
    /// A server without a quorum is good enough, and only reads
    #[arg(short, long)]
    readonly: bool,
    /// Wait for a server before the first line is read
    #[arg(long)]
    waitforconnection: bool,
    /// Show outcomes and events as JSON, one line each
    #[arg(long)]
    json: bool,
    /// A command; without one, lines are read from the terminal or the standard input
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

const AFTER_HELP: &str = "\
The options may be written as ZooKeeper's shell has them: -server, -timeout, -r, -waitforconnection.
`vivarium cli help` lists the commands; `vivarium cli help COMMAND` explains one.

  vivarium cli -server a:2181,b:2181 get -s /app/config
  echo 'create /x 1' | vivarium cli

Exit status: 0 when every command was done, 1 when one was not, 2 for a usage error.";

/// The arguments as clap knows them: of this command, those of ZooKeeper's shell have one dash.
pub(crate) fn with_two_dashes(arguments: Vec<OsString>) -> Vec<OsString> {
    if arguments.get(1).is_none_or(|command| command != "cli") {
        return arguments;
    }
    let (mut is_option, mut is_value) = (true, false);
    let with_two = |(number, argument): (usize, OsString)| {
        let text = argument.to_str().unwrap_or_default();
        if number < 2 || std::mem::take(&mut is_value) || !is_option {
            return argument;
        }
        is_option = text.starts_with('-');
        match text {
            "-server" | "-timeout" => {
                is_value = true;
                format!("-{text}").into()
            }
            "--server" | "--timeout" => {
                is_value = true;
                argument
            }
            "-waitforconnection" => format!("-{text}").into(),
            _ => argument,
        }
    };
    arguments.into_iter().enumerate().map(with_two).collect()
}

pub(crate) fn run(arguments: ShellArgs) -> u8 {
    let target: Target = match arguments.server.parse() {
        Ok(target) => target,
        Err(error) => {
            eprintln!("--server: {error}");
            return 2;
        }
    };
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                eprintln!("no threads can be started: {error}");
                return 1;
            }
        };
    // What is wrong with a command is said before anybody is asked for anything.
    let single = match &arguments.command[..] {
        [] => None,
        words => match parse(words) {
            Ok(Some(command)) => Some(command),
            Ok(None) => return 0,
            Err(why) => {
                eprintln!("{why}");
                return 2;
            }
        },
    };
    let options = ::client::Options {
        timeout: Duration::from_millis(arguments.timeout.into()),
        read_only: arguments.readonly,
        ..::client::Options::new()
    };
    let is_quiet = single.is_some();
    let link = Link::new(runtime.handle().clone(), options, arguments.json, is_quiet);
    let mut shell = Shell { link, json: arguments.json, history: Vec::new() };
    shell.link.connect(target);
    if arguments.waitforconnection
        && let Err(why) = shell.link.wait()
    {
        return shell.show(Err(why));
    }
    let status = match single {
        Some(command) => shell.perform(command),
        None if std::io::stdin().is_terminal() => editor::read_lines(&mut shell),
        None => shell.read_input(),
    };
    shell.link.close();
    status
}

/// What words ask for; `None`: they ask for help, which was given.
///
/// # Errors
/// Why they are no command.
fn parse(words: &[String]) -> Result<Option<Command>, String> {
    match Line::try_parse_from(words) {
        Ok(line) => Ok(Some(line.command)),
        Err(error) if error.exit_code() == 0 => {
            print!("{error}");
            Ok(None)
        }
        Err(error) => Err(error.to_string().trim_end().to_owned()),
    }
}

/// The names of all commands.
fn names() -> Vec<String> {
    let command = Line::command();
    command.get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

/// What a line leads to.
enum Next {
    /// Another line; whether this one was done.
    Line(bool),
    /// The end.
    End,
}

struct Shell {
    link: Link,
    json: bool,
    history: Vec<String>,
}

impl Shell {
    /// Shows an outcome; the exit status that it stands for.
    fn show(&self, done: Done) -> u8 {
        match done {
            Ok(Output { json, .. }) if self.json => output::say(&json),
            Ok(Output { text, .. }) if text.is_empty() => {}
            Ok(Output { text, .. }) => output::say(&text),
            Err(why) => {
                if self.json {
                    output::say(&json!({"error": why}));
                } else {
                    eprintln!("{why}");
                }
                return 1;
            }
        }
        0
    }

    /// Lines from the standard input: all are done, and one that is not makes the whole fail. So
    /// does one that cannot be read.
    fn read_input(&mut self) -> u8 {
        let mut status = 0;
        let mut lines = Lines::of(std::io::stdin().lock());
        loop {
            status |= match lines.next() {
                Ok(None) => return status,
                Ok(Some(Ok(line))) => match self.take(&line) {
                    Next::Line(done) => u8::from(!done),
                    Next::End => return status,
                },
                Ok(Some(Err(why))) => self.show(Err(why)),
                Err(why) => return self.show(Err(why)),
            };
        }
    }

    /// The line with this number. Two lines that ask for each other would never end.
    fn line_to_redo(&self, number: usize) -> Result<String, String> {
        // The last line is the one that asks.
        let earlier = self.history.get(number).filter(|_| number + 1 < self.history.len());
        let line = earlier.ok_or_else(|| format!("line {number} is not in the history"))?;
        let is_redo = shlex::split(line).is_some_and(|words| {
            words.first().is_some_and(|word| word.eq_ignore_ascii_case("redo"))
        });
        if is_redo {
            return Err(format!("line {number} is itself a redo: {line}"));
        }
        Ok(line.clone())
    }

    /// Does what a line asks for.
    fn take(&mut self, line: &str) -> Next {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Next::Line(true);
        }
        self.history.push(line.to_owned());
        let Some(words) = shlex::split(line) else {
            return Next::Line(self.show(Err("a quotation mark is missing".to_owned())) == 0);
        };
        match parse(&words) {
            Ok(None) => Next::Line(true),
            Ok(Some(Command::Quit)) => Next::End,
            Ok(Some(Command::Redo { number })) => match self.line_to_redo(number) {
                Ok(line) => self.take(&line),
                Err(why) => Next::Line(self.show(Err(why)) == 0),
            },
            Ok(Some(command)) => Next::Line(self.perform(command) == 0),
            Err(why) => Next::Line(self.show(Err(why)) == 0),
        }
    }

    fn perform(&mut self, command: Command) -> u8 {
        let done = match command {
            Command::Version => {
                let version = env!("CARGO_PKG_VERSION");
                Ok(Output::new(format!("vivarium cli {version}"), json!({"version": version})))
            }
            Command::History => {
                let lines = self.history.iter().enumerate();
                let text: Vec<_> =
                    lines.map(|(number, line)| format!("{number} - {line}")).collect();
                Ok(Output::new(text.join("\n"), json!({"history": self.history})))
            }
            Command::Printwatches { on_off } => {
                let on = self.link.prints(on_off.map(|word| word == "on"));
                let word = if on { "on" } else { "off" };
                Ok(Output::new(format!("printwatches is {word}"), json!({"printwatches": on})))
            }
            Command::Connect { servers } => {
                servers.unwrap_or_else(|| "localhost:2181".to_owned()).parse().map(|target| {
                    self.link.close();
                    self.link.connect(target);
                    Output::nothing()
                })
            }
            Command::Close => {
                self.link.close();
                Ok(Output::nothing())
            }
            // The shell leaves, or looks up the line, before it gets here.
            Command::Quit | Command::Redo { .. } => Ok(Output::nothing()),
            command @ (Command::Ls { .. }
            | Command::Get { .. }
            | Command::Create { .. }
            | Command::Set { .. }
            | Command::Delete { .. }
            | Command::Deleteall { .. }
            | Command::Stat { .. }
            | Command::GetAcl { .. }
            | Command::SetAcl { .. }
            | Command::Sync { .. }
            | Command::Addauth { .. }
            | Command::AddWatch { .. }
            | Command::Removewatches { .. }
            | Command::GetEphemerals { .. }
            | Command::GetAllChildrenNumber { .. }
            | Command::Whoami
            | Command::Config { .. }
            | Command::Setquota { .. }
            | Command::Listquota { .. }
            | Command::Delquota { .. }) => self.link.perform(command),
        };
        self.show(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(text: &str) -> String {
        let words = text.split(' ').map(OsString::from).collect();
        let words = with_two_dashes(words);
        words.iter().map(|word| word.to_str().expect("text")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn options_of_zookeepers_shell_are_understood_and_those_of_commands_left_alone() {
        for (given, taken) in [
            ("v cli -server a:1 ls -s /", "v cli --server a:1 ls -s /"),
            (
                "v cli -r -timeout 5 -server a get -server",
                "v cli -r --timeout 5 --server a get -server",
            ),
            ("v cli --server -server ls", "v cli --server -server ls"),
            ("v server -server", "v server -server"),
            ("v cli", "v cli"),
        ] {
            assert_eq!(arguments(given), taken);
        }
    }

    #[test]
    fn lines_are_read_as_zookeepers_shell_reads_them() {
        for line in [
            "ls -R /",
            "ls -s -w /a",
            "create -s -e /a/b- data digest:u:p=:cdrwa",
            "create /a",
            "create -t 1000 /ttl x",
            "set -v 3 /a -5",
            "get -s -b /a",
            "delete -v -1 /a",
            "deleteall /a -b 10",
            "setAcl -R /a world:anyone:r",
            "addauth digest u:p",
            "addWatch -m PERSISTENT /a",
            "removewatches /a -d",
            "setquota -n 5 -B 100 /a",
            "delquota -n /a",
            "config -c",
            "quit",
            "exit",
        ] {
            let words = shlex::split(line).expect(line);
            assert!(parse(&words).is_ok_and(|command| command.is_some()), "{line}");
        }
        for (line, why) in [
            ("create -c -e /a", "cannot be used with"),
            ("setquota /a", "required"),
            ("ls", "required"),
            ("frob /a", "unrecognized subcommand"),
            ("set /a", "required"),
        ] {
            let words = shlex::split(line).expect(line);
            assert!(parse(&words).is_err_and(|error| error.contains(why)), "{line}");
        }
    }
}
