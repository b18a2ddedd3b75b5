//! Messages that say all of those before them.

use zab::Message;

/// Of acknowledgements that arrive together the last one says all, and so it is with commits: the
/// core is given that one only. (That it comes to the same is a law of the core, tested with it.)
pub(crate) fn says_all_of<P>(later: &Message<P>, earlier: &Message<P>) -> bool {
    match (later, earlier) {
        (Message::Ack { zxid: later }, Message::Ack { zxid: earlier })
        | (Message::Commit { zxid: later }, Message::Commit { zxid: earlier }) => {
            earlier < later && earlier.epoch() == later.epoch()
        }
        (
            Message::LearnerInfo { .. }
            | Message::LeaderInfo { .. }
            | Message::AckEpoch { .. }
            | Message::Diff { .. }
            | Message::Trunc { .. }
            | Message::Snap { .. }
            | Message::NewLeader { .. }
            | Message::AckNewLeader { .. }
            | Message::UpToDate
            | Message::Proposal(_)
            | Message::Ack { .. }
            | Message::Commit { .. }
            | Message::Inform(_)
            | Message::Ping { .. }
            | Message::Session(_),
            _,
        ) => false,
    }
}
