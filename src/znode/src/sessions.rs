//! The leader's view of the sessions: who is alive, until when, and who speaks for it.
//!
//! Time is an argument: milliseconds of a monotonic clock that starts anywhere. (ZooKeeper:
//! `SessionTrackerImpl`, `ExpiryQueue`.)

use std::collections::{BTreeMap, BTreeSet, HashMap};

use thiserror::Error;

/// A session's id: in the first byte the id of the server that made it, the rest distinguishes.
pub type SessionId = i64;

/// Who forwards the requests of a session to the leader: a learner's connection, or the leader
/// itself. The shell gives the numbers; a link that is established anew gets a new one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Owner(pub u64);

/// Why a session may not do anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum SessionError {
    /// It is unknown, or being closed.
    #[error("the session has expired")]
    Expired,
    /// Another server has taken it over since.
    #[error("the session has moved to another server")]
    Moved,
}

/// All sessions a leader keeps alive, in buckets of one tick: the sessions of a bucket expire
/// together.
#[derive(Clone, Debug)]
pub struct Sessions {
    tick_ms: u64,
    sessions: HashMap<SessionId, Session>,
    /// When a bucket expires, and the sessions in it. A session is in exactly the bucket its
    /// `expires` names, unless it is closing: then it is in none.
    buckets: BTreeMap<u64, BTreeSet<SessionId>>,
}

#[derive(Clone, Debug)]
struct Session {
    timeout_ms: u64,
    expires: u64,
    owner: Option<Owner>,
    closing: bool,
    /// In which round it got its timeout again without a sign of life, since the last one.
    excused: Option<u64>,
}

impl Sessions {
    /// No sessions; `tick_ms` is the width of a bucket, at least 1.
    pub fn new(tick_ms: u64) -> Self {
        Self { tick_ms: tick_ms.max(1), sessions: HashMap::new(), buckets: BTreeMap::new() }
    }

    /// Begins to track `id`, or touches it if that is done already, with a new timeout. A session
    /// that is closing stays so. A timeout below zero counts as zero.
    pub fn track(&mut self, id: SessionId, timeout_ms: i32, now_ms: u64) {
        let timeout_ms = u64::try_from(timeout_ms).unwrap_or(0);
        let expires = self.bucket(now_ms, timeout_ms);
        match self.sessions.get_mut(&id) {
            None => {
                let session =
                    Session { timeout_ms, expires, owner: None, closing: false, excused: None };
                self.sessions.insert(id, session);
                self.buckets.entry(expires).or_default().insert(id);
            }
            Some(session) => {
                session.timeout_ms = timeout_ms;
                self.touch(id, now_ms);
            }
        }
    }

    /// A sign of life: the session has its whole timeout again. False, and nothing happens, if it
    /// is unknown or closing.
    pub fn touch(&mut self, id: SessionId, now_ms: u64) -> bool {
        let Some(session) = self.sessions.get_mut(&id).filter(|session| !session.closing) else {
            return false;
        };
        session.excused = None;
        self.begin_timeout(id, now_ms);
        true
    }

    fn begin_timeout(&mut self, id: SessionId, now_ms: u64) {
        let tick_ms = self.tick_ms;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let expires = bucket(tick_ms, now_ms, session.timeout_ms);
        if expires != session.expires {
            let old = std::mem::replace(&mut session.expires, expires);
            self.leave_bucket(old, id);
            self.buckets.entry(expires).or_default().insert(id);
        }
    }

    /// As [`Sessions::touch`] with the timeout that a learner reports.
    pub fn touch_with_timeout(&mut self, id: SessionId, timeout_ms: i32, now_ms: u64) -> bool {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.timeout_ms = u64::try_from(timeout_ms).unwrap_or(0);
        }
        self.touch(id, now_ms)
    }

    /// Whether `owner` may act for the session. The first to ask becomes its owner.
    ///
    /// # Errors
    /// The session is unknown or closing, or has another owner.
    pub fn check(&mut self, id: SessionId, owner: Owner) -> Result<(), SessionError> {
        match self.sessions.get_mut(&id) {
            Some(session) if !session.closing => {
                if *session.owner.get_or_insert(owner) == owner {
                    Ok(())
                } else {
                    Err(SessionError::Moved)
                }
            }
            Some(_) | None => Err(SessionError::Expired),
        }
    }

    /// Gives the session to `owner`, whoever had it before: it was renewed there. Returns the other
    /// server that had it before, which has to be told.
    ///
    /// # Errors
    /// The session is unknown or closing.
    pub fn set_owner(
        &mut self,
        id: SessionId,
        owner: Owner,
    ) -> Result<Option<Owner>, SessionError> {
        match self.sessions.get_mut(&id) {
            Some(session) if !session.closing => {
                Ok(session.owner.replace(owner).filter(|&before| before != owner))
            }
            Some(_) | None => Err(SessionError::Expired),
        }
    }

    /// A sign of life of a session that `owner` has taken over, with the timeout that it reports.
    /// Returns as [`Sessions::set_owner`] does.
    ///
    /// # Errors
    /// The session is unknown or closing.
    pub fn renew(
        &mut self,
        id: SessionId,
        owner: Owner,
        timeout_ms: i32,
        now_ms: u64,
    ) -> Result<Option<Owner>, SessionError> {
        if !self.touch_with_timeout(id, timeout_ms, now_ms) {
            return Err(SessionError::Expired);
        }
        self.set_owner(id, owner)
    }

    /// Every session that is alive has its whole timeout again: nobody could be heard of for a
    /// while. Until it is heard of, that is so in one `round` only, so that a server that is often
    /// busy keeps no dead session alive. A round lasts until everybody could be heard of.
    pub fn excuse_all(&mut self, now_ms: u64, round: u64) {
        let alive: Vec<SessionId> = self.buckets.values().flatten().copied().collect();
        for id in alive {
            if let Some(session) = self.sessions.get_mut(&id)
                && *session.excused.get_or_insert(round) == round
            {
                self.begin_timeout(id, now_ms);
            }
        }
    }

    /// The session accepts nothing more and will not expire again; it is known until
    /// [`Sessions::remove`]. False, and nothing happens, if it is unknown or closing.
    pub fn set_closing(&mut self, id: SessionId) -> bool {
        let Some(session) = self.sessions.get_mut(&id).filter(|session| !session.closing) else {
            return false;
        };
        session.closing = true;
        let expires = session.expires;
        self.leave_bucket(expires, id);
        true
    }

    /// Forgets the session: its closeSession is applied.
    pub fn remove(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.remove(&id)
            && !session.closing
        {
            self.leave_bucket(session.expires, id);
        }
    }

    /// Names all sessions whose time is over, in order of expiry, each once. For each a
    /// closeSession is due.
    pub fn expired(&mut self, now_ms: u64) -> Vec<SessionId> {
        let mut expired = Vec::new();
        while let Some(bucket) = self.buckets.first_entry()
            && *bucket.key() <= now_ms
        {
            expired.extend(bucket.remove());
        }
        expired
    }

    /// When [`Sessions::expired`] must be called next; `None` if there is nothing to wait for.
    pub fn next_expiry(&self) -> Option<u64> {
        self.buckets.first_key_value().map(|(&expires, _)| expires)
    }

    /// Whether the session is tracked, closing or not.
    pub fn contains(&self, id: SessionId) -> bool {
        self.sessions.contains_key(&id)
    }

    /// How many sessions are tracked, those that are closing included.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether none is tracked.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// The buckets that wait: when each expires, and its sessions, both ascending.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, &BTreeSet<SessionId>)> {
        self.buckets.iter().map(|(&expires, ids)| (expires, ids))
    }

    fn bucket(&self, now_ms: u64, timeout_ms: u64) -> u64 {
        bucket(self.tick_ms, now_ms, timeout_ms)
    }

    fn leave_bucket(&mut self, expires: u64, id: SessionId) {
        if let Some(ids) = self.buckets.get_mut(&expires) {
            ids.remove(&id);
            if ids.is_empty() {
                self.buckets.remove(&expires);
            }
        }
    }
}

/// The end of the timeout, rounded up to the next tick (one that falls on a tick gets the one after
/// it).
fn bucket(tick_ms: u64, now_ms: u64, timeout_ms: u64) -> u64 {
    (now_ms.saturating_add(timeout_ms) / tick_ms).saturating_add(1).saturating_mul(tick_ms)
}

/// Gives out the session ids of one server: the server's byte, and upwards from a random number. An
/// id must not come twice, even if its session has ended: whoever had it before would be taken for
/// its owner. A clock, from which ZooKeeper makes the number, may stand still or be set back
/// between two starts; and what a server remembers when it starts are not all the ids that it has
/// given out.
#[derive(Clone, Debug)]
pub struct SessionIds {
    next: SessionId,
}

impl SessionIds {
    /// All but the server's byte.
    const COUNTED: SessionId = 0x00ff_ffff_ffff_ffff;

    /// `random`: a number that no other start of the server has had.
    pub fn new(random: u64, server_id: u8) -> Self {
        let server = i64::from(server_id) << 56;
        Self { next: server | random.cast_signed() & Self::COUNTED }
    }

    /// An id of this server that is not taken, as far as `taken` knows. Never 0, which means no
    /// session, and never the mark of a container. There are 2^56 of them, of which not all can be
    /// taken.
    pub fn next(&mut self, taken: impl Fn(SessionId) -> bool) -> SessionId {
        loop {
            let id = self.next;
            self.next = Self::after(id);
            if id != 0 && id != i64::MIN && !taken(id) {
                return id;
            }
        }
    }

    /// One more, within the ids of the same server.
    fn after(id: SessionId) -> SessionId {
        id & !Self::COUNTED | id.wrapping_add(1) & Self::COUNTED
    }
}

#[cfg(test)]
mod tests {
    use quickcheck::quickcheck;

    use super::*;

    const HERE: Owner = Owner(1);
    const THERE: Owner = Owner(2);

    #[test]
    fn expiry_is_rounded_up_to_the_next_tick() {
        for (now, timeout, expires) in [
            (0, 4000, 6000),
            (1, 4000, 6000),
            (1999, 4000, 6000),
            (2000, 4000, 8000),
            (0, 3999, 4000),
        ] {
            let mut sessions = Sessions::new(2000);
            sessions.track(7, timeout, now);
            assert_eq!(sessions.next_expiry(), Some(expires), "{timeout} ms from {now}");
        }
    }

    #[test]
    fn a_session_that_is_touched_lives_and_one_that_is_not_expires_once() {
        let mut sessions = Sessions::new(1000);
        sessions.track(1, 3000, 0);
        sessions.track(2, 3000, 0);
        assert!(sessions.touch(1, 2500));
        assert_eq!(sessions.expired(3999), []);
        assert_eq!(sessions.expired(4000), [2]);
        assert_eq!(sessions.expired(4000), [], "it is named once");
        assert!(sessions.set_closing(2));
        assert!(!sessions.set_closing(2), "and closed once, whoever asks for it");
        assert_eq!(sessions.check(2, HERE), Err(SessionError::Expired));
        assert!(!sessions.touch(2, 4000), "what is closing is not brought back");
        assert_eq!(sessions.next_expiry(), Some(6000));
        assert_eq!(sessions.expired(10_000), [1]);
        assert_eq!((sessions.len(), sessions.next_expiry()), (2, None));
        sessions.remove(1);
        sessions.remove(2);
        assert!(sessions.is_empty());
    }

    #[test]
    fn the_first_to_speak_for_a_session_owns_it_until_it_is_renewed_elsewhere() {
        let mut sessions = Sessions::new(1000);
        sessions.track(1, 3000, 0);
        assert_eq!(sessions.check(1, HERE), Ok(()));
        assert_eq!(sessions.check(1, THERE), Err(SessionError::Moved));
        assert_eq!(sessions.set_owner(1, HERE), Ok(None), "nobody has lost it");
        assert_eq!(sessions.renew(1, THERE, 3000, 0), Ok(Some(HERE)), "who had it has to be told");
        assert_eq!(sessions.renew(1, THERE, 3000, 0), Ok(None));
        assert_eq!(sessions.check(1, HERE), Err(SessionError::Moved));
        assert_eq!(sessions.check(1, THERE), Ok(()));
        sessions.set_closing(1);
        assert_eq!(sessions.check(1, THERE), Err(SessionError::Expired));
        assert_eq!(sessions.set_owner(1, HERE), Err(SessionError::Expired));
        assert_eq!(sessions.renew(1, HERE, 3000, 0), Err(SessionError::Expired));
        assert_eq!(sessions.renew(9, HERE, 3000, 0), Err(SessionError::Expired), "unknown");
        assert_eq!(sessions.expired(u64::MAX), [], "closing sessions do not expire again");
    }

    #[test]
    fn after_a_silence_that_is_excused_every_session_has_its_time_out_again() {
        let mut sessions = Sessions::new(1000);
        sessions.track(1, 3000, 0);
        sessions.track(2, 8000, 0);
        sessions.track(3, 3000, 0);
        sessions.set_closing(3);
        sessions.excuse_all(50_000, 1);
        assert_eq!(sessions.expired(53_999), [], "the silence counts for nobody");
        assert_eq!(sessions.expired(54_000), [1]);
        assert_eq!(sessions.next_expiry(), Some(59_000));
        assert_eq!(sessions.expired(u64::MAX), [2], "what is closing stays so");
    }

    #[test]
    fn whoever_is_not_heard_of_in_a_round_is_not_excused_in_the_next_one() {
        let mut sessions = Sessions::new(1000);
        for id in [1, 2] {
            sessions.track(id, 3000, 0);
        }
        sessions.excuse_all(2000, 1);
        sessions.touch(2, 2500);
        sessions.excuse_all(5000, 2);
        assert_eq!(sessions.expired(6000), [1], "it is gone, however busy the server is");
        assert_eq!(sessions.expired(8999), []);
        assert_eq!(sessions.expired(9000), [2]);
        sessions.track(3, 3000, 9000);
        sessions.excuse_all(20_000, 3);
        sessions.excuse_all(30_000, 3);
        assert_eq!(sessions.expired(33_999), [], "it could not be heard of in between");
        assert_eq!(sessions.expired(34_000), [3]);
    }

    #[test]
    fn a_learner_may_report_another_timeout() {
        let mut sessions = Sessions::new(1000);
        sessions.track(1, 3000, 0);
        assert!(sessions.touch_with_timeout(1, 10_000, 0));
        assert_eq!(sessions.next_expiry(), Some(11_000));
        assert!(!sessions.touch_with_timeout(9, 10_000, 0));
    }

    fn free(_: SessionId) -> bool {
        false
    }

    #[test]
    fn ids_hold_the_server_and_a_count_from_a_random_number_on() {
        let mut ids = SessionIds::new(0x0000_0123_4567_89ab, 3);
        assert_eq!(
            [ids.next(free), ids.next(free)],
            [0x0300_0123_4567_89ab, 0x0300_0123_4567_89ac]
        );
    }

    #[test]
    fn no_id_is_zero_or_the_mark_of_a_container() {
        assert_eq!(SessionIds::new(0, 0).next(free), 1);
        assert_eq!(SessionIds::new(0, 0x80).next(free), i64::MIN + 1);
    }

    #[test]
    fn another_start_gives_out_other_ids_whatever_the_clock_says() {
        let [mut before, mut after] = [7, 7 << 40].map(|random| SessionIds::new(random, 3));
        let (before, after) = (before.next(free), after.next(free));
        assert_eq!((before, after), (0x0300_0000_0000_0007, 0x0300_0700_0000_0000));
        assert_eq!(SessionIds::new(u64::MAX, 3).next(free), 0x03ff_ffff_ffff_ffff);
    }

    #[test]
    fn an_id_that_is_taken_is_passed_over() {
        let mut ids = SessionIds::new(5000, 3);
        let first = ids.clone().next(free);
        assert_eq!(ids.next(|id| id < first + 3), first + 3);
        assert_eq!(ids.next(free), first + 4);
    }

    #[test]
    fn the_last_id_of_a_server_is_followed_by_its_own_first_and_not_by_another_servers() {
        for (server, last, first) in [
            (3, 0x03ff_ffff_ffff_ffff, 0x0300_0000_0000_0000),
            (0, 0x00ff_ffff_ffff_ffff, 1),
            (0x7f, i64::MAX, 0x7f00_0000_0000_0000),
            (0x80, 0x80ff_ffff_ffff_ffff_u64.cast_signed(), i64::MIN + 1),
            (0xff, -1, 0xff00_0000_0000_0000_u64.cast_signed()),
        ] {
            let mut ids = SessionIds::new(last.cast_unsigned(), server);
            assert_eq!(ids.next(free), last);
            assert_eq!(ids.next(free), first, "server {server}");
        }
    }

    quickcheck! {
        /// A session lives at least its timeout, and at most one tick longer, after the last sign
        /// of life.
        fn lives_its_timeout_and_at_most_a_tick_longer(tick: u16, timeout: u16, touches: Vec<u16>) -> bool {
            let tick = u64::from(tick) + 1;
            let mut sessions = Sessions::new(tick);
            let mut now = 0;
            sessions.track(1, i32::from(timeout), now);
            for pause in touches {
                now += u64::from(pause.min(timeout));
                if !sessions.expired(now).is_empty() || !sessions.touch(1, now) {
                    return false;
                }
            }
            let expires = sessions.next_expiry().unwrap();
            let end = now + u64::from(timeout);
            end < expires && expires <= end + tick && sessions.expired(expires) == [1]
        }
    }
}
