//! The session of the shell, and what happens to it while lines are read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::client::{Client, Notice, Options, Target};
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use super::commands::Command;
use super::output;
use super::perform::{Asker, Done};

/// Whether a server serves this session.
#[derive(Clone, PartialEq, Eq, Debug)]
enum State {
    /// It looks for one; why the last one does not.
    Seeking(Option<String>),
    Connected,
    AuthFailed,
}

#[derive(Clone)]
pub(super) struct Link {
    runtime: Handle,
    options: Options,
    shows: Shows,
    session: Option<Session>,
}

/// What is shown while lines are read.
#[derive(Clone)]
struct Shows {
    json: bool,
    /// Nothing is said about connections.
    is_quiet: bool,
    watches: Arc<AtomicBool>,
}

#[derive(Clone)]
struct Session {
    client: Arc<Client>,
    state: watch::Receiver<State>,
}

impl Link {
    pub(super) fn new(runtime: Handle, options: Options, json: bool, is_quiet: bool) -> Self {
        let watches = Arc::new(AtomicBool::new(true));
        Self { runtime, options, shows: Shows { json, is_quiet, watches }, session: None }
    }

    /// Begins a session, beside what else goes on.
    pub(super) fn connect(&mut self, target: Target) {
        let _inside = self.runtime.enter();
        let (client, notices) = Client::start(target, self.options.clone());
        let (states, state) = watch::channel(State::Seeking(None));
        self.runtime.spawn(follow(notices, states, self.shows.clone()));
        self.session = Some(Session { client: Arc::new(client), state });
    }

    /// Ends the session, if there is one.
    pub(super) fn close(&mut self) {
        let Some(Session { client, state }) = self.session.take() else { return };
        if *state.borrow() == State::Connected {
            self.runtime.block_on(client.close());
        }
    }

    /// Whether events are shown; sets it, if that is wanted.
    pub(super) fn prints(&self, on: Option<bool>) -> bool {
        if let Some(on) = on {
            self.shows.watches.store(on, Ordering::Relaxed);
        }
        self.shows.watches.load(Ordering::Relaxed)
    }

    /// Waits until a server serves.
    ///
    /// # Errors
    /// None does for as long as the session may be silent.
    pub(super) fn wait(&self) -> Done<()> {
        let Some(session) = &self.session else {
            return Err("there is no session: connect HOSTS begins one".to_owned());
        };
        let (mut state, timeout) = (session.state.clone(), self.options.timeout);
        self.runtime.block_on(async move {
            let found = state.wait_for(|state| !matches!(state, State::Seeking(_)));
            let found = tokio::time::timeout(timeout, found).await;
            match found.map(|state| state.map(|state| state.clone())) {
                Ok(Ok(State::Connected)) => Ok(()),
                Ok(Ok(State::AuthFailed)) => Err("authentication failed".to_owned()),
                Ok(Ok(State::Seeking(_)) | Err(_)) | Err(_) => Err(seeks(&state.borrow(), timeout)),
            }
        })
    }

    /// Asks the ensemble for what a command says.
    pub(super) fn perform(&self, command: Command) -> Done {
        self.wait()?;
        let Some(session) = &self.session else { return Err("there is no session".to_owned()) };
        self.runtime.block_on(Asker(&session.client).perform(command))
    }

    /// The children of a node, if they are there soon.
    pub(super) fn children(&self, path: &str) -> Vec<String> {
        let Some(session) = self.session.as_ref() else { return Vec::new() };
        if *session.state.borrow() != State::Connected {
            return Vec::new();
        }
        let asker = Asker(&session.client);
        let soon = Duration::from_secs(1);
        let found = self
            .runtime
            .block_on(async { tokio::time::timeout(soon, asker.children(path, false)).await });
        found.ok().and_then(Result::ok).map_or_else(Vec::new, |(children, _)| children)
    }

    /// The state in a word, for the prompt.
    pub(super) fn word(&self) -> &'static str {
        match self.session.as_ref().map(|session| session.state.borrow().clone()) {
            None => "CLOSED",
            Some(State::Seeking(_)) => "CONNECTING",
            Some(State::Connected) => "CONNECTED",
            Some(State::AuthFailed) => "AUTH_FAILED",
        }
    }
}

fn seeks(state: &State, timeout: Duration) -> String {
    let last = match state {
        State::Seeking(Some(reason)) => format!("; the last: {reason}"),
        State::Seeking(None) | State::Connected | State::AuthFailed => String::new(),
    };
    format!("no server serves within {timeout:?}{last}")
}

/// Keeps the state of a session, and shows what happens to it.
async fn follow(
    mut notices: mpsc::UnboundedReceiver<Notice>,
    states: watch::Sender<State>,
    shows: Shows,
) {
    while let Some(notice) = notices.recv().await {
        let said = match notice {
            Notice::Connected { server, session, timeout, read_only } => {
                states.send_replace(State::Connected);
                let kind = if read_only { " (read-only)" } else { "" };
                Some(format!(
                    "connected to {server}{kind}: session 0x{session:x}, time-out {timeout:?}"
                ))
            }
            Notice::Lost { server, reason } => {
                let reason = format!("{server}: {reason}");
                let was_connected = *states.borrow() == State::Connected;
                states.send_replace(State::Seeking(Some(reason.clone())));
                was_connected.then(|| format!("the connection is lost: {reason}"))
            }
            Notice::AuthFailed => {
                states.send_replace(State::AuthFailed);
                Some("authentication failed".to_owned())
            }
            Notice::Expired => Some("the session has expired: another one begins".to_owned()),
            Notice::Event(event) => {
                let (text, json) = output::event(&event);
                if shows.watches.load(Ordering::Relaxed) {
                    if shows.json { output::say(&json) } else { output::say(&format!("\n{text}")) }
                }
                None
            }
        };
        match said.filter(|_| !shows.is_quiet) {
            Some(said) if shows.json => output::say(&json!({"state": said})),
            Some(said) => eprintln!("{said}"),
            None => {}
        }
    }
}
