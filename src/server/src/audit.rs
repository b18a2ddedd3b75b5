//! Where the audit log goes: into a file, on a thread of its own, or with the log. (ZooKeeper:
//! `Slf4jAuditLogger`.)

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use tracing::{error, info};

use crate::config::Audit;

/// Lines that may wait for the disk. The engine waits while there are more: a line that is missing
/// would be a change that nobody has made.
const LINES_WAITING_MAX: usize = 16 << 10;

/// The audit log. Clones write to the same.
#[derive(Clone)]
pub(crate) struct AuditLog {
    user: String,
    lines: Option<SyncSender<String>>,
}

/// What has to be waited for at the end.
pub(crate) struct Writing(Option<JoinHandle<()>>);

impl AuditLog {
    /// # Errors
    /// The file cannot be written to.
    pub(crate) fn open(keys: &Audit) -> io::Result<(Self, Writing)> {
        let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
        let user = user.unwrap_or_else(|_| "unknown".to_owned());
        let Some(path) = &keys.file else {
            return Ok((Self { user, lines: None }, Writing(None)));
        };
        let file = File::options().append(true).create(true).open(path).map_err(|error| {
            let text = format!("the audit log {}: {error}", path.display());
            io::Error::new(error.kind(), text)
        })?;
        let (lines, waiting) = sync_channel(LINES_WAITING_MAX);
        let path = path.clone();
        let thread = std::thread::Builder::new()
            .name("audit".into())
            .spawn(move || write(&path, file, &waiting))?;
        Ok((Self { user, lines: Some(lines) }, Writing(Some(thread))))
    }

    /// `serverStart`, `serverStop`.
    pub(crate) fn server(&mut self, operation: &str, result: &str) {
        let user: String = self.user.chars().filter(|letter| !letter.is_control()).collect();
        node::Audit::log(self, &format!("user={user}\toperation={operation}\tresult={result}"));
    }
}

impl node::Audit for AuditLog {
    fn log(&mut self, line: &str) {
        match &self.lines {
            // The thread ends only when nobody logs any more.
            Some(lines) => drop(lines.send(line.to_owned())),
            None => info!(target: "audit", "{line}"),
        }
    }

    fn user(&self) -> &str {
        &self.user
    }
}

impl Writing {
    /// Waits until everything is written. All clones of the log have to be gone.
    pub(crate) fn finish(self) {
        if let Some(thread) = self.0 {
            // A panic of the thread was printed by it.
            let _ = thread.join();
        }
    }
}

/// Writes what has gathered at once. A disk that takes no more is told of, once until it does
/// again: the server goes on, as ZooKeeper does.
fn write(path: &Path, mut file: File, waiting: &Receiver<String>) {
    let mut is_told = false;
    let mut text = String::new();
    while let Ok(line) = waiting.recv() {
        text.clear();
        for line in std::iter::once(line).chain(waiting.try_iter().take(LINES_WAITING_MAX)) {
            text.push_str(&line);
            text.push('\n');
        }
        match file.write_all(text.as_bytes()) {
            Ok(()) => is_told = false,
            Err(cause) if !is_told => {
                is_told = true;
                error!(
                    "lines of the audit log are lost, {} cannot be written: {cause}",
                    path.display()
                );
            }
            Err(_) => {}
        }
    }
}
