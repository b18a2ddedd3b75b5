//! The admin server: ZooKeeper's commands as JSON, health, and a page about the ensemble.
//! (ZooKeeper: `JettyAdminServer`.)

mod ensemble;
mod here;
mod snapshot;

use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use node::admin::{Command, Denied, authorize};
use node::{ClientBatch, ClientRequest, Connection, SessionSets, Shared};
use serde_json::{Map, Value, json};
use tokio::sync::{Mutex, oneshot};
use tokio::time::timeout;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::config::{Admin, Config};
use crate::engine::{EngineSender, EventSender, Happened};
use crate::greetings::Refusals;
use crate::http::{self, Answer, Answers, Asked};
use snapshot::Snapshots;

/// What answers requests.
pub(crate) struct AdminServer {
    keys: Admin,
    config: Arc<Config>,
    shared: Arc<Shared>,
    clients: EngineSender,
    events: EventSender,
    clock: Clock,
    /// Held by whoever runs a command: whoever asks for many waits for itself.
    command: Mutex<()>,
    snapshots: Snapshots,
    denials: Refusals,
}

/// What the admin server reaches of the server that it belongs to.
pub(crate) struct Reach {
    pub(crate) config: Arc<Config>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) clients: EngineSender,
    pub(crate) events: EventSender,
    pub(crate) clock: Clock,
}

/// How long the engine may take for an answer before it counts as stuck.
const ENGINE_TIMEOUT: Duration = Duration::from_secs(5);

const JSON: &str = "application/json;charset=utf-8";
const HTML: &str = "text/html;charset=utf-8";
const TEXT: &str = "text/plain;charset=utf-8";

/// Serves until it is dropped, if the file asks for it. A port that cannot be had is a warning: the
/// server goes on without it, as ZooKeeper does.
pub(crate) async fn start(reach: Reach) {
    let Some(keys) = reach.config.admin.clone() else { return };
    let address = keys.address.to_string();
    let listener = match crate::listen::listen(&address, None).await {
        Ok(listener) => listener,
        Err(error) => {
            warn!(
                "the admin server cannot listen at {address} (admin.serverPort), so there is none: \
                 {error}"
            );
            return;
        }
    };
    info!("admin server at http://{address}{}", keys.command_url);
    let Reach { config, shared, clients, events, clock } = reach;
    let idle_timeout = keys.idle_timeout;
    let snapshots = Snapshots::new(keys.snapshot_enabled, keys.snapshot_interval);
    let command = Mutex::new(());
    let denials = Refusals::of("admin server", "command denied");
    let server =
        AdminServer { keys, config, shared, clients, events, clock, command, snapshots, denials };
    http::listen("admin server", listener, idle_timeout, Arc::new(server)).await;
}

impl Answers for AdminServer {
    fn answer(
        self: Arc<Self>,
        asked: Asked,
    ) -> std::pin::Pin<Box<dyn Future<Output = Answer> + Send>> {
        Box::pin(async move { self.route(asked).await })
    }
}

impl AdminServer {
    async fn route(&self, asked: Asked) -> Answer {
        self.shared.counts().insecure_admin.one();
        if asked.is_cross_site {
            return http::answer(403, TEXT, "This is not for pages of others.\n");
        }
        let is_get = asked.method == Method::GET || asked.method == Method::HEAD;
        if !is_get && asked.method != Method::POST {
            return http::answer(405, TEXT, "GET and POST are understood.\n");
        }
        match asked.path.as_str() {
            "/" if is_get => http::answer(200, HTML, include_str!("admin/page.html")),
            "/ensemble" if is_get => self.ensemble().await,
            "/ready" if is_get => self.ready(),
            "/live" if is_get => self.live().await,
            path => match path.strip_prefix(self.keys.command_url.as_str()) {
                Some("" | "/") => http::answer(200, HTML, self.links()),
                Some(name) if name.starts_with('/') => self.command(&name[1..], &asked).await,
                Some(_) | None => http::answer(404, TEXT, "There is nothing here.\n"),
            },
        }
    }

    /// The commands, a link each.
    fn links(&self) -> String {
        let link = |name: &str| {
            format!("<a href=\"{}/{name}\">{name}</a>\n<br/>\n", self.keys.command_url)
        };
        Command::all().into_iter().map(link).collect()
    }

    /// Whether clients are served, so with a quorum.
    fn ready(&self) -> Answer {
        match self.shared.status().serving {
            Some(_) => http::answer(200, TEXT, "ready\n"),
            None => http::answer(503, TEXT, "no leader with a quorum\n"),
        }
    }

    /// Whether the engine answers.
    async fn live(&self) -> Answer {
        if is_alive(&self.events, ENGINE_TIMEOUT).await {
            http::answer(200, TEXT, "live\n")
        } else {
            http::answer(503, TEXT, "the engine does not answer\n")
        }
    }

    async fn command(&self, name: &str, asked: &Asked) -> Answer {
        let Some(command) = Command::named(name) else {
            let shown: String = name.chars().take(NAME_CHARS_MAX).collect();
            return said(200, &shown, Some(&format!("Unknown command: {shown}")), Map::new());
        };
        if command.is_post() != (asked.method == Method::POST) {
            return http::answer(405, TEXT, "This command is for the other method.\n");
        }
        let status = self.shared.status();
        let serves = status.serving.is_some() || status.is_read_only;
        if !serves && !command.is_always_answered() {
            let error = "This ZooKeeper instance is not currently serving requests";
            return said(200, name, Some(error), Map::new());
        }
        if command.needs_authorization()
            && let Err(denied) = authorize(asked.authorization.as_deref(), asked.from, &self.shared)
        {
            return self.deny(command, asked, denied);
        }
        if command == Command::Snapshot {
            self.snapshot(asked).await
        } else if command == Command::Restore {
            said(503, command.name(), Some(NOT_RESTORED), Map::new())
        } else {
            self.run(command, asked).await
        }
    }

    fn deny(&self, command: Command, asked: &Asked, denied: Denied) -> Answer {
        let (status, error) = denied.answer();
        self.denials.tell(&format!("{} for {}: {error}", command.name(), asked.from));
        said(status, command.name(), Some(error), Map::new())
    }

    async fn run(&self, command: Command, asked: &Asked) -> Answer {
        if command == Command::SetTraceMask && !asked.query.contains("traceMask=") {
            let error = "setTraceMask requires long traceMask argument";
            return said(200, command.name(), Some(error), Map::new());
        }
        let _turn = self.command.lock().await;
        let is_dump = command == Command::Dump;
        let sets = if is_dump { self.session_sets().await } else { None };
        let (config, shared, clock) =
            (Arc::clone(&self.config), Arc::clone(&self.shared), self.clock);
        let run = move || {
            let here = here::of(&config);
            node::admin::answer(command, sets, &here, &shared, clock.now())
        };
        match tokio::task::spawn_blocking(run).await {
            Ok(Ok(fields)) => said(200, command.name(), None, fields),
            Ok(Err(error)) => said(200, command.name(), Some(error), Map::new()),
            Err(error) => said(500, command.name(), Some(&error.to_string()), Map::new()),
        }
    }

    /// Which sessions expire when; `None` of a server that does not lead.
    async fn session_sets(&self) -> Option<SessionSets> {
        let address = ([127, 0, 0, 1], 0).into();
        let connection = Connection::new(address, &self.shared, self.clock.now(), (), ());
        let (sender, sets) = oneshot::channel();
        // Whoever asked may be gone.
        let tell = Box::new(|sets| drop(sender.send(sets)));
        let requests = vec![ClientRequest::SessionSets(tell)];
        let asking = async {
            self.clients.batches.send(ClientBatch { connection, requests }).await.ok()?;
            sets.await.ok()
        };
        timeout(ENGINE_TIMEOUT, asking).await.ok().flatten()
    }
}

/// Whether the engine takes its turns.
pub(crate) async fn is_alive(events: &EventSender, within: Duration) -> bool {
    let (sender, answer) = oneshot::channel();
    let asking = async {
        events.send(Happened::IsAlive(sender)).await;
        answer.await.is_ok()
    };
    timeout(within, asking).await.unwrap_or(false)
}

/// So much of an unknown name is told.
const NAME_CHARS_MAX: usize = 100;

const NOT_RESTORED: &str =
    "a server that runs is not restored here: its tree is what a quorum has agreed on";

/// An answer of a command. (ZooKeeper: `CommandResponse.toMap`, `JsonOutputter`.)
fn said(status: u16, command: &str, error: Option<&str>, mut fields: Map<String, Value>) -> Answer {
    fields.insert("command".to_owned(), command.into());
    fields.insert("error".to_owned(), json!(error));
    let text = serde_json::to_string_pretty(&fields).unwrap_or_default();
    http::answer(status, JSON, text)
}
