//! How long the host's timers last, and which of them run.

use std::collections::BTreeMap;
use std::time::Duration;

use host::Timer;
use tokio::time::Instant;

/// The durations behind the kinds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Durations {
    pub(crate) tick: Duration,
    /// Ticks.
    pub(crate) init_limit: u32,
    /// Ticks.
    pub(crate) sync_limit: u32,
}

impl Durations {
    /// `FastLeaderElection`'s notification interval, which is 200 ms there: it doubles from here
    /// while nobody says anything new. Short, because a peer that learns of its leader's death a
    /// moment after this server takes the first message for old news, and all wait for the second.
    const RESEND_MIN: Duration = Duration::from_millis(50);
    /// ZooKeeper backs off to a minute; a partition that heals should not be noticed so late.
    const RESEND_MAX: Duration = Duration::from_secs(5);
    /// `FastLeaderElection.finalizeWait`, where it is 200 ms. A better vote that comes later than
    /// this costs time, never safety.
    const FINALIZE_MAX: Duration = Duration::from_millis(200);

    fn finalize(&self) -> Duration {
        (self.tick / 40).min(Self::FINALIZE_MAX)
    }
}

/// The timers that run. Arming is cheap, because most are armed again by every message.
pub(crate) struct Timers {
    durations: Durations,
    armed: BTreeMap<Timer, Instant>,
    resend: Duration,
}

impl Timers {
    pub(crate) fn new(durations: Durations) -> Self {
        Self { durations, armed: BTreeMap::new(), resend: Durations::RESEND_MIN }
    }

    /// Starts a timer, or starts it again from the beginning.
    pub(crate) fn arm(&mut self, timer: Timer, now: Instant) {
        // Armed again although it has not run out: there is news.
        if timer == RESEND && self.armed.contains_key(&timer) {
            self.resend = Durations::RESEND_MIN;
        }
        let after = self.duration(timer);
        self.armed.insert(timer, now + after);
    }

    pub(crate) fn disarm(&mut self, timer: Timer) {
        self.armed.remove(&timer);
        // The election is over: the next one begins quickly again.
        if timer == RESEND {
            self.resend = Durations::RESEND_MIN;
        }
    }

    /// When the next timer runs out.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.armed.values().min().copied()
    }

    /// A timer that has run out; it runs no longer.
    pub(crate) fn expired(&mut self, now: Instant) -> Option<Timer> {
        let timer = *self.armed.iter().find(|(_, at)| **at <= now)?.0;
        self.armed.remove(&timer);
        Some(timer)
    }

    fn duration(&mut self, timer: Timer) -> Duration {
        let Durations { tick, init_limit, sync_limit } = self.durations;
        match timer {
            RESEND => {
                let this = self.resend;
                self.resend = (this * 2).min(Durations::RESEND_MAX);
                this
            }
            Timer::Core(timer) => match timer {
                zab::Timer::Resend => self.resend,
                zab::Timer::Finalize => self.durations.finalize(),
                zab::Timer::InitLimit | zab::Timer::LearnerInitLimit(_) => tick * init_limit,
                zab::Timer::SyncLimit | zab::Timer::LearnerSyncLimit(_) => tick * sync_limit,
                zab::Timer::QuorumLoss => tick,
                zab::Timer::Ping => tick / 2,
            },
            Timer::Answer(_) => tick,
            Timer::Claim(_) => tick * init_limit,
        }
    }
}

const RESEND: Timer = Timer::Core(zab::Timer::Resend);

#[cfg(test)]
mod tests {
    use super::*;
    use zab::Sid;

    const TICK: Duration = Duration::from_millis(2000);
    const SYNC_LIMIT: Timer = Timer::Core(zab::Timer::SyncLimit);
    const LEARNER: Timer = Timer::Core(zab::Timer::LearnerSyncLimit(Sid(2)));

    fn timers() -> Timers {
        Timers::new(Durations { tick: TICK, init_limit: 10, sync_limit: 5 })
    }

    #[test]
    fn a_timer_runs_out_once_and_arming_it_again_starts_it_anew() {
        let (mut timers, start) = (timers(), Instant::now());
        timers.arm(SYNC_LIMIT, start);
        timers.arm(SYNC_LIMIT, start + TICK);
        timers.arm(LEARNER, start + 2 * TICK);
        assert_eq!(timers.next(), Some(start + 6 * TICK));
        assert_eq!(timers.expired(start + 5 * TICK), None);
        assert_eq!(timers.expired(start + 6 * TICK), Some(SYNC_LIMIT));
        assert_eq!(timers.expired(start + 6 * TICK), None);
        timers.disarm(LEARNER);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn resends_become_rarer_until_there_is_news_or_another_election() {
        let (mut timers, mut now) = (timers(), Instant::now());
        let wait = |timers: &mut Timers, now: Instant| {
            timers.arm(RESEND, now);
            timers.next().map(|at| (at - now).as_millis())
        };
        let mut waits = Vec::new();
        for _ in 0..9 {
            waits.push(wait(&mut timers, now));
            now += Durations::RESEND_MAX;
            assert_eq!(timers.expired(now), Some(RESEND));
        }
        assert_eq!(waits, [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000].map(Some));
        assert_eq!(wait(&mut timers, now), Some(5000));
        assert_eq!(wait(&mut timers, now), Some(50), "it was armed: there is news");
        now += Durations::RESEND_MAX;
        assert_eq!(timers.expired(now), Some(RESEND));
        assert_eq!(wait(&mut timers, now), Some(100));
        timers.disarm(RESEND);
        assert_eq!(wait(&mut timers, now), Some(50), "another election");
    }
}
