//! How many TLS handshakes of clients are under way. (ZooKeeper: `outstandingHandshake.limit`.)

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

/// Places for handshakes under way.
///
/// The limit is there for herds: of many clients that come at once, some get through at a time,
/// and none is given up that is nearly done. So a newcomer is turned away when no place is free.
/// Those that begin a handshake and stop cannot keep it out for long: one that was not done within
/// [`KEPT`] loses its place to a newcomer, the oldest first.
pub(super) struct Handshakes {
    max: usize,
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    next: u64,
    /// Oldest first.
    taken: BTreeMap<u64, Taken>,
}

struct Taken {
    since: Instant,
    /// Dropped when the place is lost.
    _holder: oneshot::Sender<()>,
}

/// The place of one handshake, free again when it is dropped.
pub(super) struct Place<'a> {
    all: &'a Handshakes,
    number: u64,
    lost: oneshot::Receiver<()>,
}

/// So long a handshake keeps its place, whoever comes: a client that takes part answers within a
/// round trip, or a few when packets are lost.
const KEPT: Duration = Duration::from_secs(1);

impl Handshakes {
    pub(super) fn at_most(max: usize) -> Self {
        Self { max, places: Mutex::default() }
    }

    /// A place for one more, which begins now; `None` if there is none.
    pub(super) fn begin(&self, now: Instant) -> Option<Place<'_>> {
        let mut places = self.places();
        if places.taken.len() >= self.max {
            let oldest = places.taken.first_entry()?;
            if now.saturating_duration_since(oldest.get().since) < KEPT {
                return None;
            }
            oldest.remove();
        }
        let (holder, lost) = oneshot::channel();
        let number = places.next;
        places.next += 1;
        places.taken.insert(number, Taken { since: now, _holder: holder });
        Some(Place { all: self, number, lost })
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// Ends when another has got the place.
    pub(super) async fn lost(&mut self) {
        let _ = (&mut self.lost).await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.all.places().taken.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_is_slow_loses_the_place_to_a_newcomer_oldest_first() {
        let (handshakes, start) = (Handshakes::at_most(2), Instant::now());
        let mut first = handshakes.begin(start).expect("a place");
        let mut second = handshakes.begin(start + KEPT / 2).expect("a place");
        assert!(handshakes.begin(start + KEPT * 99 / 100).is_none(), "nobody is slow yet");
        let third = handshakes.begin(start + KEPT).expect("that of the first");
        first.lost().await;
        assert!(second.lost.try_recv().is_err_and(|it| it == oneshot::error::TryRecvError::Empty));
        assert!(handshakes.begin(start + KEPT).is_none(), "the second has half of its time left");
        let fourth = handshakes.begin(start + 2 * KEPT).expect("that of the second");
        second.lost().await;
        // What has lost its place has none to give back.
        drop((first, second));
        assert!(handshakes.begin(start + KEPT * 19 / 10).is_none());
        drop((third, fourth));
        assert_eq!(handshakes.places().taken.len(), 0);
    }
}
