//! Ways to make a right history wrong in one place.

use std::collections::{BTreeMap, HashMap, HashSet};

use history::Rule;
use history::answer::{Answer, Answered, Outcome, Stat};
use history::operation::{
    ClientId, Data, ErrorCode, Mode, ReadKind, Request, SessionId, Time, Write, Zxid,
};
use history::record::{
    Event, Operation, Record, SessionChange, SessionRecord, Transaction, TreeRecord, Txn,
};

mod places;
mod reads;
mod sessions;
mod watches;
mod writes;

use reads::*;
use sessions::*;
use watches::*;
use writes::*;

use crate::world::Rng;

/// A way to make a history wrong.
pub(crate) struct Mutator {
    pub(crate) name: &'static str,
    /// The rules of which one has to be found broken.
    pub(crate) rules: &'static [Rule],
    /// Makes the records wrong in one place; says if there was such a place.
    pub(crate) apply: fn(&mut Vec<Record>, &mut Rng) -> bool,
}

macro_rules! mutators {
    ($($name:ident => $($rule:ident)|+;)+) => {
        pub(crate) const ALL: &[Mutator] = &[$(
            Mutator { name: stringify!($name), rules: &[$(Rule::$rule),+], apply: $name },
        )+];
    };
}

mutators! {
    stale_read_after_sync => SyncIsFresh;
    stale_sync => SyncIsFresh;
    read_goes_back => ReadsNeverGoBack;
    own_write_not_read => ReadYourWrites;
    wrong_version_read => ReadIsTheTree;
    older_data_read => ReadIsTheTree;
    wrong_child_read => ReadIsTheTree | EphemeralsLiveAsTheirSession;
    invented_value => NothingInvented;
    node_denied => ReadIsTheTree | EphemeralsLiveAsTheirSession;
    header_of_nothing => AcknowledgedIsThere;
    lost_write => AcknowledgedIsThere;
    failed_write_acknowledged => AcknowledgedIsThere;
    done_write_refused => WriteResult;
    wrong_error => WriteResult;
    wrong_version_written => WriteResult;
    other_data_in_log => LogIsWhatWasAsked;
    answered_elsewhere => LogIsWhatWasAsked;
    number_twice => SequentialNumber;
    number_twice_in_log => SequentialNumber;
    half_a_multi => MultiIsAtomic;
    multi_out_of_order => MultiIsAtomic;
    failed_multi_done_in_part => MultiIsAtomic;
    zxid_twice => OneTransactionAZxid;
    zxid_goes_back => ZxidsGrow;
    done_twice => NothingUnasked;
    write_from_the_past => WritesFollowRealTime;
    answers_swapped => SessionOrder;
    requests_swapped => SessionOrder;
    event_twice => WatchFiresOnce;
    event_missing => WatchFires;
    announced_event_missing => WatchFires;
    event_after_newer_data => WatchBeforeNewerData;
    events_swapped => EventsInOrder;
    event_without_watch => EventHasCause;
    ephemeral_outlives_session => EphemeralsLiveAsTheirSession;
    ephemeral_left_by_close => EphemeralsLiveAsTheirSession;
    ephemeral_deleted_by_server => EphemeralsLiveAsTheirSession;
    session_ends_twice => SessionEndsOnce;
    expired_client_goes_on => SessionEndsOnce;
    committed_after_the_end => NothingAfterTheEnd;
    session_given_twice => SessionIsOneClients;
    session_created_twice => SessionIsOneClients;
    node_lost_in_a_tree => TreeIsTheLogs;
    node_made_up_in_a_tree => TreeIsTheLogs;
    tree_with_other_data => TreeIsTheLogs;
}
