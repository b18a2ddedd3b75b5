//! Lines: the way from one server to another on the election port.

use zab::Notification;

/// The connection over which one server tells another its votes: one message on the wire, and one
/// behind it that a newer one replaces (`QuorumCnxManager.SEND_CAPACITY = 1`).
///
/// A TCP connection has two ends that learn of its beginning and its end at different moments, so
/// each direction is a line of its own.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Line {
    /// The sender has a connection. Without one, what it says goes nowhere; the next connection
    /// begins with what its host remembers.
    pub up: bool,
    /// Will arrive next.
    pub wire: Option<Notification>,
    /// Will be sent after it, unless replaced.
    pub next: Option<Notification>,
}

/// What happens to a line.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum LineOp {
    /// A connection is up at the sender.
    Opens,
    /// It breaks: whatever is under way is lost.
    Breaks,
    /// Sends; a duplicate of the latest message changes nothing.
    Send(Notification),
    /// The receiver reads.
    Read,
    /// The sender crashed: what is not on the wire is gone. It dials anew before it speaks.
    SenderCrashed,
    /// The receiver crashed, and there is a new connection at once: what was under way is gone.
    ReceiverCrashed,
}

impl Line {
    /// A line whose sender has a connection, over which nothing was said.
    pub const QUIET: Self = Self { up: true, wire: None, next: None };

    /// The line afterwards.
    #[must_use]
    pub fn after(&self, op: &LineOp) -> Self {
        match op {
            LineOp::Opens => Self { up: true, ..self.clone() },
            LineOp::Breaks => Self::default(),
            LineOp::ReceiverCrashed => Self::QUIET,
            LineOp::Send(_) if !self.up => self.clone(),
            LineOp::Send(notification) => match (&self.wire, &self.next) {
                (None, _) => Self { wire: Some(*notification), ..self.clone() },
                (Some(wire), None) if wire == notification => self.clone(),
                (Some(_), _) => Self { next: Some(*notification), ..self.clone() },
            },
            LineOp::Read => Self { wire: self.next, next: None, ..self.clone() },
            LineOp::SenderCrashed => Self { up: true, next: None, ..self.clone() },
        }
    }
}

#[cfg(test)]
mod tests {
    use zab::ServerState;

    use super::*;

    fn word(round: u64) -> Notification {
        Notification { state: ServerState::Looking, vote: None, round }
    }

    #[test]
    fn a_newer_message_takes_the_place_of_one_that_has_not_left() {
        let says = |line: &Line, round| line.after(&LineOp::Send(word(round)));
        let line = says(&says(&says(&Line::QUIET, 1), 2), 3);
        assert_eq!((line.wire, line.next), (Some(word(1)), Some(word(3))));
        assert_eq!(line.after(&LineOp::Read).wire, Some(word(3)));
        assert_eq!(says(&says(&Line::QUIET, 1), 1).next, None);
        assert_eq!(line.after(&LineOp::SenderCrashed), says(&Line::QUIET, 1));
    }

    #[test]
    fn without_a_connection_nothing_is_under_way() {
        let broken = Line::QUIET.after(&LineOp::Send(word(1))).after(&LineOp::Breaks);
        assert_eq!(broken.after(&LineOp::Send(word(2))), Line::default());
        assert_eq!(broken.after(&LineOp::Opens), Line::QUIET);
    }
}
