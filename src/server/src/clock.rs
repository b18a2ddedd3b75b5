//! The clocks of the machine, as a node is told them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use node::Now;

/// When the server began; [`Now::at`] is counted from here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    began: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { began: Instant::now() }
    }

    pub(crate) fn now(&self) -> Now {
        Now { at: self.at(), wall_ms: wall_ms() }
    }

    /// [`Now::at`].
    pub(crate) fn at(&self) -> Duration {
        self.began.elapsed()
    }

    /// The moment that [`Now::at`] stands for.
    pub(crate) fn instant(&self, at: Duration) -> Instant {
        self.began + at
    }
}

/// Milliseconds since 1970; 0 for a clock that stands before that.
pub(crate) fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A number that no other start of a server has had: the system's randomness is in every hasher's
/// keys.
pub(crate) fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_i64(wall_ms());
    hasher.write_u32(std::process::id());
    hasher.finish()
}

/// Bytes that nobody else knows, and that no other start of a server has had.
pub(crate) fn secret() -> [u8; 32] {
    let mut secret = [0; 32];
    for chunk in secret.chunks_exact_mut(8) {
        chunk.copy_from_slice(&random().to_be_bytes());
    }
    secret
}

/// A turn of the node, by the clock.
pub(crate) struct Turn {
    ends: Instant,
}

impl Turn {
    pub(crate) fn new() -> Self {
        Self { ends: Instant::now() }
    }
}

impl node::Turn for Turn {
    fn begin(&mut self, limit: Duration) {
        self.ends = Instant::now() + limit;
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.ends
    }
}
