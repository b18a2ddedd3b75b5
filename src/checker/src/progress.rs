//! Live progress: one line redrawn on a terminal, plain lines elsewhere.

use super::number::{clock, memory, short};
use super::resident_bytes;
use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::Write;
use std::time::{Duration, Instant};

/// Time between two drawings of the live line.
const REDRAW: Duration = Duration::from_millis(250);
/// Time before the first plain line, and between it and the second.
const LINE_FIRST: Duration = Duration::from_secs(2);
/// Longest time between two plain lines. The interval grows by half each time, so that a long run
/// leaves a log of some dozens of lines an hour.
const LINE_MAX: Duration = Duration::from_secs(120);
/// The rate shown is the average over about this time.
const RATE_WINDOW: Duration = Duration::from_secs(3);
/// Widest live line: a wrapped line could not be redrawn.
const LINE_WIDTH_MAX: usize = 79;

/// What a search is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Visiting states.
    #[default]
    Exploring,
    /// Looking for fair runs that never get there.
    Liveness,
    /// Rebuilding the path to a violation.
    Counterexample,
}

/// How far a search has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing.
    pub phase: Phase,
    /// Distinct states so far.
    pub distinct: u64,
    /// Generated states so far.
    pub generated: u64,
    /// Depth being worked on.
    pub depth: u64,
    /// States found and not yet expanded.
    pub frontier: u64,
    /// Memory in bytes if the search knows better than the operating system.
    pub memory_bytes: Option<u64>,
}

/// Where progress goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgressMode {
    /// One line, redrawn about four times a second.
    Live,
    /// A line now and then, at growing intervals.
    Lines,
    /// Nowhere.
    Silent,
}

/// Turns the calls of a search into lines. Serves one run of one model.
pub struct Reporter<'a> {
    model: &'a str,
    mode: ProgressMode,
    inner: RefCell<Inner<'a>>,
}

struct Inner<'a> {
    out: &'a mut dyn Write,
    started: Instant,
    due: Instant,
    interval: Duration,
    /// Start of the rate window: when, and how many states there were.
    window: (Instant, u64),
    rate: Option<u64>,
    peak: Option<u64>,
    drawn: bool,
}

impl<'a> Reporter<'a> {
    /// A reporter that writes to `out`.
    pub fn new(model: &'a str, mode: ProgressMode, out: &'a mut dyn Write) -> Self {
        let now = Instant::now();
        let (due, interval) = match mode {
            ProgressMode::Live | ProgressMode::Silent => (now, REDRAW),
            ProgressMode::Lines => (now + LINE_FIRST, LINE_FIRST),
        };
        let inner = Inner {
            out,
            started: now,
            due,
            interval,
            window: (now, 0),
            rate: None,
            peak: resident_bytes(),
            drawn: false,
        };
        Self { model, mode, inner: RefCell::new(inner) }
    }

    /// Takes a report from the search. Cheap unless a line is due; a failing output is ignored, for
    /// a closed pipe must not end a run of hours.
    pub fn report(&self, progress: &Progress) {
        let mut inner = self.inner.borrow_mut();
        let now = Instant::now();
        if now < inner.due {
            return;
        }
        let resident = progress.memory_bytes.or_else(resident_bytes);
        inner.peak = inner.peak.max(resident);
        let since = now - inner.window.0;
        if since >= RATE_WINDOW || inner.rate.is_none() {
            let new = progress.distinct.saturating_sub(inner.window.1);
            inner.rate = (since > Duration::ZERO).then(|| super::number::rate(new, since));
            inner.window = (now, progress.distinct);
        }
        let line = line(self.model, progress, inner.rate, resident, now - inner.started);
        match self.mode {
            ProgressMode::Live => {
                inner.due = now + REDRAW;
                let _ = write!(inner.out, "\r{line}\x1b[K");
                inner.drawn = true;
            }
            ProgressMode::Lines => {
                inner.interval = (inner.interval * 3 / 2).min(LINE_MAX);
                inner.due = now + inner.interval;
                let _ = writeln!(inner.out, "{line}");
            }
            ProgressMode::Silent => inner.due = now + REDRAW,
        }
        let _ = inner.out.flush();
    }

    /// Removes the live line, so that what follows starts on a clean one. Answers the largest
    /// resident memory seen.
    pub fn finish(self) -> Option<u64> {
        let inner = self.inner.into_inner();
        if inner.drawn {
            let _ = write!(inner.out, "\r\x1b[K");
            let _ = inner.out.flush();
        }
        inner.peak.max(resident_bytes())
    }
}

fn line(
    model: &str,
    progress: &Progress,
    rate: Option<u64>,
    resident: Option<u64>,
    elapsed: Duration,
) -> String {
    let mut line = format!("{model}  {}", clock(elapsed));
    let _ = write!(line, "  {} states", short(progress.distinct));
    match progress.phase {
        Phase::Exploring => {
            if let Some(rate) = rate {
                let _ = write!(line, "  {}/s", short(rate));
            }
            let (depth, frontier) = (progress.depth, short(progress.frontier));
            let _ = write!(line, "  depth {depth}  frontier {frontier}");
        }
        Phase::Liveness => line.push_str("  liveness: searching fair runs"),
        Phase::Counterexample => line.push_str("  rebuilding the counterexample"),
    }
    if let Some(resident) = resident {
        let _ = write!(line, "  {}", memory(resident));
    }
    match line.char_indices().nth(LINE_WIDTH_MAX) {
        Some((end, _)) => line[..end].to_owned(),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some_progress() -> Progress {
        Progress {
            phase: Phase::Exploring,
            distinct: 245_600_000,
            generated: 1_000_000_000,
            depth: 47,
            frontier: 12_345_678,
            memory_bytes: Some(3 << 29),
        }
    }

    #[test]
    fn the_line_has_everything_and_fits() {
        let elapsed = Duration::from_secs(3723);
        let text = line("Q2", &some_progress(), Some(312_000), Some(3 << 29), elapsed);
        assert_eq!(text, "Q2  1:02:03  246 M states  312 k/s  depth 47  frontier 12.3 M  1.5 GiB");
        let long = "a-model-with-a-name-that-is-much-too-long-for-a-line-of-a-terminal-eh";
        let text = line(long, &some_progress(), None, None, elapsed);
        assert_eq!(text.chars().count(), LINE_WIDTH_MAX);
    }

    #[test]
    fn a_terminal_gets_one_line_redrawn_and_removed() {
        let mut out = Vec::new();
        let reporter = Reporter::new("Q2", ProgressMode::Live, &mut out);
        reporter.report(&some_progress());
        reporter.report(&some_progress());
        assert!(reporter.finish() >= Some(3 << 29));
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches("246 M states").count(), 1, "throttled: {text:?}");
        assert!(text.starts_with("\rQ2  0:00"));
        assert!(text.ends_with("\r\x1b[K"));
    }

    #[test]
    fn elsewhere_a_short_run_writes_nothing() {
        let mut out = Vec::new();
        let reporter = Reporter::new("Q2", ProgressMode::Lines, &mut out);
        reporter.report(&some_progress());
        reporter.finish();
        assert!(out.is_empty());
    }
}
