//! The nodes of a run: made before it, removed after it.

use super::session::{self, ConnectError, Identity, Session};
use super::{OpArg, Plan};
use std::time::{Duration, Instant};
use wire::ErrorCode;

/// Names of nodes.
pub(super) struct Subtree {
    root: String,
    nodes: Vec<String>,
    /// Nodes below which connections create theirs, one each; only where creates are measured.
    parents: Vec<String>,
}

/// How long an ensemble may take to serve the first client.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

impl Subtree {
    /// The nodes that `plan` needs, below `root`.
    pub(super) fn new(root: String, plan: &Plan) -> Self {
        let (nodes, parents) = match plan.op {
            OpArg::Create => (0, plan.connections),
            OpArg::Get | OpArg::Set | OpArg::Mix => (plan.keys, 0),
        };
        let names = |letter: char, count: usize| {
            (0..count).map(|number| format!("{root}/{letter}{number}")).collect()
        };
        Self { nodes: names('k', nodes), parents: names('c', parents), root }
    }

    /// Nodes that are read and written.
    pub(super) fn nodes(&self) -> &[String] {
        &self.nodes
    }

    /// The path of the node that a connection creates as its `number`th.
    pub(super) fn created(&self, connection: usize, number: u64) -> String {
        format!("{}/n{number}", self.parents[connection])
    }

    /// Makes the nodes.
    pub(super) async fn make(&self, plan: &Plan) -> Result<(), String> {
        let mut session = first_session(plan).await?;
        let make = async |session: &mut Session, paths: &[String], data: &[u8]| {
            let append =
                |at: usize, out: &mut Vec<u8>, xid| session::create(out, xid, &paths[at], data);
            pipeline(session, paths.len(), append, &[])
                .await
                .map_err(|error| format!("cannot create nodes below {}: {error}", self.root))
        };
        make(&mut session, std::slice::from_ref(&self.root), b"").await?;
        make(&mut session, &self.nodes, &plan.data).await?;
        make(&mut session, &self.parents, b"").await?;
        session.close().await;
        Ok(())
    }

    /// Removes the nodes, and those that connections have asked to create: `created[connection]` of
    /// them.
    pub(super) async fn remove(&self, plan: &Plan, created: &[u64]) -> Result<(), String> {
        let mut session = first_session(plan).await?;
        // Whether a create happened whose connection broke is not known.
        let gone = [ErrorCode::NoNode.code()];
        let mut remove = async |path: &dyn Fn(usize) -> String, count| {
            let append = |at: usize, out: &mut Vec<u8>, xid| session::delete(out, xid, &path(at));
            pipeline(&mut session, count, append, &gone)
                .await
                .map_err(|error| format!("cannot remove all nodes below {}: {error}", self.root))
        };
        for (connection, count) in created.iter().enumerate().filter(|_| !self.parents.is_empty()) {
            let path = |at: usize| self.created(connection, at as u64);
            remove(&path, usize::try_from(*count).unwrap_or(usize::MAX)).await?;
        }
        remove(&|at| self.parents[at].clone(), self.parents.len()).await?;
        remove(&|at| self.nodes[at].clone(), self.nodes.len()).await?;
        remove(&|_| self.root.clone(), 1).await?;
        session.close().await;
        Ok(())
    }
}

/// A session with the first server that serves.
async fn first_session(plan: &Plan) -> Result<Session, String> {
    let begin = Instant::now();
    let identity = Identity::new(plan.session_timeout);
    for server in plan.servers.iter().cycle() {
        match Session::connect(*server, &identity).await {
            Ok(session) => return Ok(session),
            Err(error) if begin.elapsed() > PATIENCE => {
                let error = match error {
                    ConnectError::Lost(error) => error.to_string(),
                    ConnectError::Expired => "it refuses a new session".to_owned(),
                };
                let seconds = PATIENCE.as_secs();
                return Err(format!(
                    "no server serves for {seconds} s; the last, {server}: {error}"
                ));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    Err("the connect string names no server".to_owned())
}

/// In flight at once while nodes are made and removed.
const WINDOW: usize = 128;

/// Sends `count` requests, a window of them at a time, and demands that each succeeds or fails with
/// an error in `accepted`.
async fn pipeline(
    session: &mut Session,
    count: usize,
    append: impl Fn(usize, &mut Vec<u8>, i32),
    accepted: &[i32],
) -> Result<(), String> {
    let (mut asked, mut answered) = (0, 0);
    while answered < count {
        while asked < count && asked - answered < WINDOW {
            append(asked, session.output(), 1);
            asked += 1;
        }
        session.exchange().await.map_err(|error| format!("the connection broke: {error}"))?;
        while let Some(reply) = session.reply().map_err(|error| error.to_string())? {
            if reply.error != 0 && !accepted.contains(&reply.error) {
                return Err(error_name(reply.error));
            }
            answered += 1;
        }
    }
    Ok(())
}

/// ZooKeeper's name of an error code.
pub(super) fn error_name(code: i32) -> String {
    ErrorCode::from_code(code).map_or_else(|| code.to_string(), |known| known.name().to_owned())
}
