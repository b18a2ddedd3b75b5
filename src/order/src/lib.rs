//! The rules that keep the order of a session: what is answered when, and what is told before it.
//!
//! [`Pending`] holds the requests of one connection that have no answer yet. [`Renewals`] holds the
//! sessions that come back, until they may begin again. [`OnceApplied`] holds what must not be said
//! before what is committed is applied. [`events_first`] says what is told before what.
//!
//! The rules know nothing of what a request asks or an answer says: that is a type parameter. So a
//! server and a model of it call the same code.

mod once_applied;
mod pending;
mod renewals;

pub use once_applied::OnceApplied;
pub use pending::{Completed, Pending, Ready};
pub use renewals::Renewals;

/// Tells of a transaction that is part of the tree now: first the clients that watch what it has
/// changed, then the one that asked for it, and those whose reads see it. So no answer shows a
/// change to a client that was not told the event of its watch.
pub fn events_first<T>(to: &mut T, events: impl FnOnce(&mut T), answers: impl FnOnce(&mut T)) {
    events(to);
    answers(to);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_told_before_an_answer() {
        let mut told = Vec::new();
        events_first(&mut told, |told| told.push("event"), |told| told.push("answer"));
        assert_eq!(told, ["event", "answer"]);
    }
}
