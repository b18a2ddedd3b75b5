//! A run of the command, and the parts that it consists of.

use super::tree::Tree;
use evidence::{Outcome, Part};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What every part works with.
pub(super) struct Run<'a> {
    /// The source tree.
    pub(super) tree: Tree,
    /// Where the report goes, absolute.
    pub(super) out: PathBuf,
    /// Set by Ctrl-C.
    pub(super) stop: Arc<AtomicBool>,
    pub(super) begin: Instant,
    pub(super) threads: usize,
    /// Progress.
    pub(super) err: &'a mut dyn Write,
}

/// How a part ended.
pub(super) struct Done<T> {
    outcome: Outcome,
    reason: Option<String>,
    facts: Option<T>,
}

impl<T> Done<T> {
    pub(super) fn holds(facts: T) -> Self {
        Self { outcome: Outcome::Holds, reason: None, facts: Some(facts) }
    }

    pub(super) fn failed(reason: impl Into<String>, facts: Option<T>) -> Self {
        Self { outcome: Outcome::Failed, reason: Some(reason.into()), facts }
    }

    /// It was begun, and neither holds nor fails as far as it came.
    pub(super) fn undecided(reason: impl Into<String>, facts: T) -> Self {
        Self { outcome: Outcome::NotRun, reason: Some(reason.into()), facts: Some(facts) }
    }

    /// Nothing was run.
    pub(super) fn recorded(facts: T) -> Self {
        Self { outcome: Outcome::Recorded, reason: None, facts: Some(facts) }
    }

    pub(super) fn not_run(reason: impl Into<String>) -> Self {
        Self { outcome: Outcome::NotRun, reason: Some(reason.into()), facts: None }
    }

    pub(super) fn into_part(self, command: &str, took: Duration) -> Part<T> {
        let Self { outcome, reason, facts } = self;
        Part { outcome, reason, command: command.to_owned(), seconds: rounded(took), facts }
    }
}

impl Run<'_> {
    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// A line of progress. A closed output must not end the run.
    pub(super) fn say(&mut self, text: &str) {
        let _ = writeln!(self.err, "{:7.1} s  {text}", self.begin.elapsed().as_secs_f64());
    }

    /// Does a part, unless it is not wanted, or nobody wants anything any more.
    pub(super) fn part<T>(
        &mut self,
        wanted: Result<(), &str>,
        command: &str,
        body: impl FnOnce(&mut Self) -> Done<T>,
    ) -> Part<T> {
        if let Err(reason) = wanted {
            return Part::not_run(command, reason);
        }
        if self.stopped() {
            return Part::not_run(command, "interrupted");
        }
        self.say(command);
        let begin = Instant::now();
        let mut done = body(self);
        if self.stopped() && done.outcome == Outcome::Failed {
            done =
                Done { outcome: Outcome::NotRun, reason: Some("interrupted".to_owned()), ..done };
        }
        let part = done.into_part(command, begin.elapsed());
        let word = match part.outcome {
            Outcome::Holds => "holds",
            Outcome::Failed => "FAILED: ",
            Outcome::NotRun => "not run: ",
            Outcome::Recorded => "recorded",
        };
        self.say(&format!("  {word}{} ({:.1} s)", part.why(), part.seconds));
        part
    }
}

/// Seconds, to milliseconds.
pub(super) fn rounded(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

/// Now, UTC, as in RFC 3339.
pub(super) fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    rfc3339(since.as_secs())
}

/// Days are turned into a date as in Howard Hinnant's `civil_from_days`: years begin in March, eras
/// have 400 of them.
fn rfc3339(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn dates() {
        for (seconds, date) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_735_689_600, "2025-01-01T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds), date);
        }
    }
}
