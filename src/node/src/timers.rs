//! How long the host's timers last, and which of them run. Moments are [`crate::Now::at`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use host::Timer;

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
    /// A timer that runs out later than this, and a quarter of a tick, was not looked at in time.
    const LATE_MIN: Duration = Duration::from_millis(50);
    /// `FastLeaderElection.finalizeWait`, where it is 200 ms. A better vote that comes later than
    /// this costs time, never safety.
    const FINALIZE_MAX: Duration = Duration::from_millis(200);

    fn finalize(&self) -> Duration {
        (self.tick / 40).min(Self::FINALIZE_MAX)
    }

    fn late(&self) -> Duration {
        (self.tick / 4).max(Self::LATE_MIN)
    }
}

/// The timers that run. Arming is cheap, because most are armed again by every message.
///
/// A timer that judges a peer by its silence does not run out as soon as somebody looks, if nobody
/// did when it was due: this server was paused, or had much to do, and what the peer has said
/// meanwhile lies unread. It gets half a tick more, once.
pub(crate) struct Timers {
    durations: Durations,
    armed: BTreeMap<Timer, Duration>,
    /// Those of them that got more time.
    excused: BTreeSet<Timer>,
    resend: Duration,
}

impl Timers {
    pub(crate) fn new(durations: Durations) -> Self {
        Self {
            durations,
            armed: BTreeMap::new(),
            excused: BTreeSet::new(),
            resend: Durations::RESEND_MIN,
        }
    }

    /// Starts a timer, or starts it again from the beginning.
    pub(crate) fn arm(&mut self, timer: Timer, now: Duration) {
        // Armed again although it has not run out: there is news.
        if timer == RESEND && self.armed.contains_key(&timer) {
            self.resend = Durations::RESEND_MIN;
        }
        let after = self.duration(timer);
        self.armed.insert(timer, now + after);
        self.excused.remove(&timer);
    }

    pub(crate) fn disarm(&mut self, timer: Timer) {
        self.armed.remove(&timer);
        self.excused.remove(&timer);
        // The election is over: the next one begins quickly again.
        if timer == RESEND {
            self.resend = Durations::RESEND_MIN;
        }
    }

    /// When the next timer runs out.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.armed.values().min().copied()
    }

    /// A timer that has run out; it runs no longer.
    pub(crate) fn expired(&mut self, now: Duration) -> Option<Timer> {
        loop {
            let (&timer, &at) = self.armed.iter().find(|(_, at)| **at <= now)?;
            let is_late = now - at > self.durations.late();
            if is_late && judges_silence(timer) && self.excused.insert(timer) {
                self.armed.insert(timer, now + self.durations.tick / 2);
                continue;
            }
            self.armed.remove(&timer);
            self.excused.remove(&timer);
            return Some(timer);
        }
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

/// Whether the timer runs out because somebody was not heard.
fn judges_silence(timer: Timer) -> bool {
    match timer {
        Timer::Core(timer) => match timer {
            zab::Timer::InitLimit
            | zab::Timer::SyncLimit
            | zab::Timer::LearnerInitLimit(_)
            | zab::Timer::LearnerSyncLimit(_)
            | zab::Timer::QuorumLoss => true,
            zab::Timer::Resend | zab::Timer::Finalize | zab::Timer::Ping => false,
        },
        Timer::Answer(_) => true,
        Timer::Claim(_) => false,
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
        let (mut timers, start) = (timers(), Duration::from_secs(1000));
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
    fn a_peer_is_not_judged_by_the_silence_of_a_time_in_which_nobody_listened() {
        let (mut timers, start) = (timers(), Duration::from_secs(1000));
        let ping = Timer::Core(zab::Timer::Ping);
        timers.arm(SYNC_LIMIT, start);
        timers.arm(ping, start);
        // It was due after 5 ticks, and nobody looked.
        let resumed = start + 8 * TICK;
        assert_eq!(timers.expired(resumed), Some(ping), "it is about nobody else");
        assert_eq!(timers.expired(resumed), None, "what lies unread is read first");
        assert_eq!(timers.next(), Some(resumed + TICK / 2));
        // Nothing was there. Whoever is late again gets no more time.
        assert_eq!(timers.expired(resumed + 2 * TICK), Some(SYNC_LIMIT));
        // Something was there.
        timers.arm(SYNC_LIMIT, start);
        assert_eq!(timers.expired(resumed), None);
        timers.arm(SYNC_LIMIT, resumed);
        assert_eq!(timers.next(), Some(resumed + 5 * TICK));
        assert_eq!(timers.expired(resumed + 8 * TICK), None, "it gets time anew");
    }

    #[test]
    fn resends_become_rarer_until_there_is_news_or_another_election() {
        let (mut timers, mut now) = (timers(), Duration::from_secs(1000));
        let wait = |timers: &mut Timers, now: Duration| {
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
