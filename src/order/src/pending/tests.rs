use super::*;

type Requests = Pending<char, char, char, char, char>;

/// What can be answered now, in order.
fn answered(pending: &mut Requests) -> Vec<Ready<char, char, char, char>> {
    std::iter::from_fn(|| pending.pop_ready()).collect()
}

fn read(xid: i32, asked: char) -> Ready<char, char, char, char> {
    Ready::Read { xid, asked, is_costly: false }
}

#[test]
fn a_read_waits_for_the_writes_in_front_of_it_and_for_no_other() {
    let mut pending = Requests::default();
    assert!(pending.answers_at_once(false));
    assert!(!pending.answers_at_once(true), "that is for the task of the connection");
    pending.push_write(1, 'w');
    assert!(!pending.answers_at_once(false));
    pending.push_read(2, 'r', false);
    pending.push_write(3, 'v');
    assert_eq!(answered(&mut pending), []);
    assert!(pending.complete_write(3, |_| true).is_none(), "it is not the oldest");
    assert!(pending.complete_write(1, |asked| *asked != 'w').is_none(), "it is something else");
    let completed = pending.complete_write(1, |asked| *asked == 'w').expect("the oldest");
    assert!(pending.is_due(&completed));
    pending.pop_due();
    assert_eq!(answered(&mut pending), [read(2, 'r')]);
    assert!(pending.awaits(3));
    assert_eq!(pending.len(), 1);
}

#[test]
fn an_answer_that_is_known_early_waits_for_those_in_front_of_it() {
    let mut pending = Requests::default();
    pending.push_write(1, 'w');
    pending.push_sync(2, 's');
    pending.push_sync(3, 't');
    let first = pending.complete_sync().expect("the oldest sync");
    assert!(!pending.is_due(&first));
    pending.keep_sync(first);
    assert_eq!(answered(&mut pending), []);
    let write = pending.complete_write(1, |_| true).expect("the write");
    pending.answer(&write, 'a', false);
    let answers =
        [Ready::Answered { answer: 'a', ends: false }, Ready::Synced { xid: 2, asked: 's' }];
    assert_eq!(answered(&mut pending), answers);
    let second = pending.complete_sync().expect("the other sync");
    assert!(pending.is_due(&second));
}

#[test]
fn behind_a_sync_only_another_one_is_taken_and_behind_a_long_read_nothing() {
    let mut pending = Requests::default();
    pending.push_sync(1, 's');
    assert!(pending.takes_more(true) && !pending.takes_more(false));
    pending.clear();
    pending.push_read(2, 'r', true);
    assert!(pending.next_is_costly());
    assert!(!pending.takes_more(true) && !pending.takes_more(false));
    pending.clear();
    for xid in 0..16 {
        assert!(pending.takes_more(false));
        pending.push_read(xid, 'r', false);
    }
    assert!(!pending.takes_more(false), "they are answered all at once");
}

#[test]
fn behind_the_last_answer_nothing_is_said() {
    let mut pending = Requests::default();
    pending.push_write(1, 'c');
    pending.push_read(2, 'r', false);
    pending.push_write(3, 'w');
    pending.push_sync(4, 's');
    let closed = pending.complete_write(1, |_| true).expect("the oldest");
    pending.answer(&closed, 'a', true);
    assert!(pending.ends() && pending.is_ready());
    assert!(!pending.takes_more(false));
    assert_eq!(answered(&mut pending), [Ready::Answered { answer: 'a', ends: true }]);
    assert!(pending.is_empty() && pending.complete_sync().is_none());
}

#[test]
fn what_is_counted_from_the_oldest_request_goes_on_as_before() {
    let mut pending = Requests::default();
    pending.push_refused(1, 'e');
    assert_eq!(answered(&mut pending), [Ready::Refused { xid: 1, error: 'e' }]);
    pending.push_write(2, 'w');
    pending.push_sync(3, 's');
    pending.renumber();
    let mut fresh = Requests::default();
    fresh.push_write(2, 'w');
    fresh.push_sync(3, 's');
    assert_eq!(pending, fresh);
    let write = pending.complete_write(2, |_| true).expect("the write");
    assert!(pending.is_due(&write));
    pending.pop_due();
    assert!(pending.complete_sync().is_some_and(|sync| pending.is_due(&sync)));
}
