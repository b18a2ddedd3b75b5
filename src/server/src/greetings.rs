//! Connections that have not said yet who they are.

use std::collections::VecDeque;

use tokio::task::{AbortHandle, JoinSet};
use tracing::debug;

/// Connections of one port between servers that may be in the middle of their first message.
pub(crate) const GREETINGS_MAX: usize = 64;

/// The tasks of such connections. One more than [`GREETINGS_MAX`] ends the oldest: a peer says who it is at once, so those
/// that stay silent cannot keep it out, however many they are.
pub(crate) struct Greetings {
    port: &'static str,
    tasks: JoinSet<()>,
    oldest_first: VecDeque<AbortHandle>,
}

impl Greetings {
    pub(crate) fn at(port: &'static str) -> Self {
        Self { port, tasks: JoinSet::new(), oldest_first: VecDeque::new() }
    }

    /// Dropping these ends all of them.
    pub(crate) fn spawn(&mut self, greeting: impl Future<Output = ()> + Send + 'static) {
        while self.tasks.try_join_next().is_some() {}
        self.oldest_first.retain(|task| !task.is_finished());
        if self.oldest_first.len() >= GREETINGS_MAX
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            debug!(
                "{}: {GREETINGS_MAX} connections have not said who they are; the oldest is closed",
                self.port
            );
            oldest.abort();
        }
        self.oldest_first.push_back(self.tasks.spawn(greeting));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn the_silent_make_room_for_newcomers_oldest_first() {
        let mut greetings = Greetings::at("a port");
        let silent: Vec<_> = (0..GREETINGS_MAX).map(|_| Arc::new(())).collect();
        for one in &silent {
            let held = Arc::clone(one);
            greetings.spawn(async move {
                std::future::pending::<()>().await;
                drop(held);
            });
        }
        let (done, is_done) = tokio::sync::oneshot::channel();
        greetings.spawn(async move {
            let _ = done.send(());
        });
        is_done.await.expect("a newcomer is heard");
        let alive: Vec<_> = silent.iter().map(|one| Arc::strong_count(one) == 2).collect();
        assert!(!alive[0] && alive[1..].iter().all(|alive| *alive));
    }
}
