//! The wall clock. It may stand still, jump, or be set back: what it says goes into `ctime` and
//! `mtime`, and makes ids and random numbers differ from those of other starts, mostly. Nothing
//! that lasts some time is measured with it; for that there is [`std::time::Instant`].

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970; 0 for a clock that stands before that.
pub(crate) fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
