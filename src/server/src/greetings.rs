//! Connections that have not said yet who they are.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use tracing::{debug, warn};

/// Connections of one port between servers that may be in the middle of their first message.
pub(crate) const GREETINGS_MAX: usize = 64;

/// The tasks of such connections. One more than [`GREETINGS_MAX`] ends the oldest: a peer says who
/// it is at once, so those that stay silent cannot keep it out, however many they are.
pub(crate) struct Greetings {
    port: &'static str,
    refusals: Refusals,
    tasks: JoinSet<()>,
    oldest_first: VecDeque<AbortHandle>,
}

impl Greetings {
    pub(crate) fn at(port: &'static str) -> Self {
        Self {
            port,
            refusals: Refusals::at(port),
            tasks: JoinSet::new(),
            oldest_first: VecDeque::new(),
        }
    }

    /// Where refused connections are told.
    pub(crate) fn refusals(&self) -> Refusals {
        self.refusals.clone()
    }

    /// Waits until the one that is ended for this has closed its connection: else those that come
    /// at once would hold more descriptors than are set aside for them. Dropping these ends all of
    /// them.
    pub(crate) async fn spawn(&mut self, greeting: impl Future<Output = ()> + Send + 'static) {
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
        while self.tasks.len() >= GREETINGS_MAX {
            let _ = self.tasks.join_next().await;
        }
        self.oldest_first.push_back(self.tasks.spawn(greeting));
    }
}

/// Tells the operator why something is refused, connections as a rule, but not of each of
/// thousands: in [`Refusals::PAUSE`] of one. Clones tell together.
#[derive(Clone)]
pub(crate) struct Refusals {
    port: &'static str,
    /// Begins the line.
    what: &'static str,
    told: Arc<Mutex<Told>>,
}

#[derive(Default)]
struct Told {
    last: Option<Instant>,
    /// Refusals since then.
    silent: u64,
}

impl Refusals {
    const PAUSE: Duration = Duration::from_secs(1);

    pub(crate) fn at(port: &'static str) -> Self {
        Self::of(port, "connection refused")
    }

    /// As [`Self::at`], of something else that is refused.
    pub(crate) fn of(port: &'static str, what: &'static str) -> Self {
        Self { port, what, told: Arc::default() }
    }

    pub(crate) fn tell(&self, reason: &str) {
        let (port, what) = (self.port, self.what);
        let untold =
            self.told.lock().unwrap_or_else(PoisonError::into_inner).untold(Instant::now());
        match untold {
            Some(0) => warn!("{port}: {what}: {reason}"),
            Some(others) => warn!("{port}: {what}, as were {others} before: {reason}"),
            None => debug!("{port}: {what}: {reason}"),
        }
    }
}

impl Told {
    /// One more refusal. If it is to be told, the number of those before that were not.
    fn untold(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now < last + Refusals::PAUSE) {
            self.silent += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.silent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_told_once_a_second() {
        let (mut told, start) = (Told::default(), Instant::now());
        assert_eq!(told.untold(start), Some(0));
        assert_eq!(told.untold(start), None);
        assert_eq!(told.untold(start + Refusals::PAUSE / 2), None);
        assert_eq!(told.untold(start + Refusals::PAUSE), Some(2));
        assert_eq!(told.untold(start + 3 * Refusals::PAUSE), Some(0));
    }

    #[tokio::test]
    async fn the_silent_make_room_for_newcomers_oldest_first() {
        let mut greetings = Greetings::at("a port");
        let silent: Vec<_> = (0..GREETINGS_MAX).map(|_| Arc::new(())).collect();
        for one in &silent {
            let held = Arc::clone(one);
            let waits = greetings.spawn(async move {
                std::future::pending::<()>().await;
                drop(held);
            });
            waits.await;
        }
        let (done, is_done) = tokio::sync::oneshot::channel();
        let newcomer = greetings.spawn(async move {
            let _ = done.send(());
        });
        newcomer.await;
        assert_eq!(Arc::strong_count(&silent[0]), 1, "what the oldest held is free already");
        is_done.await.expect("a newcomer is heard");
        let alive: Vec<_> = silent.iter().map(|one| Arc::strong_count(one) == 2).collect();
        assert!(!alive[0] && alive[1..].iter().all(|alive| *alive));
    }
}
