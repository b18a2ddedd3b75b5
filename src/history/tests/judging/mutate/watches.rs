//! What is announced is wrong.

use super::places::*;
use super::*;

/// The places of events of changes that are followed, on their connection, by something newer.
fn followed_events(records: &[Record]) -> Vec<(usize, usize)> {
    let mut places = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let Some(zxid) = event(record).and_then(|event| event.zxid) else { continue };
        let behind = rest_of_connection(records, index);
        let newer = behind.into_iter().find(|at| {
            told(&records[*at])
                .is_some_and(|(op, told)| told.zxid >= zxid && op.asked != Request::Close)
        });
        places.extend(newer.map(|newer| (index, newer)));
    }
    places
}

pub(super) fn event_twice(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let Some(index) = place(records, rng, |record| event(record).is_some_and(|e| e.zxid.is_some()))
    else {
        return false;
    };
    records.insert(index + 1, records[index].clone());
    true
}

pub(super) fn event_missing(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let Some((index, _)) = one(&followed_events(records), rng) else { return false };
    records.remove(index);
    true
}

pub(super) fn announced_event_missing(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let mut places = Vec::new();
    for (index, record) in records.iter().enumerate() {
        if event(record).is_some_and(|event| event.zxid.is_none()) {
            let behind = rest_of_connection(records, index);
            let twin = |at: &usize| {
                event(&records[*at]).map(|e| (e.kind, &e.path))
                    == event(record).map(|e| (e.kind, &e.path))
            };
            let own = session_of(record);
            let before = records[..index].iter().rev().filter(|other| session_of(other) == own);
            let before = before.take_while(|other| !matches!(other, Record::Session(_)));
            let is_first = !before.into_iter().any(|other| {
                event(other).map(|e| (e.kind, &e.path)) == event(record).map(|e| (e.kind, &e.path))
            });
            let renews = |at: &usize| {
                told(&records[*at])
                    .is_some_and(|(op, _)| matches!(op.asked, Request::SetWatches(_)))
            };
            if behind.iter().any(renews) && !behind.iter().any(twin) && is_first {
                places.push(index);
            }
        }
    }
    let Some(index) = one(&places, rng) else { return false };
    records.remove(index);
    true
}

pub(super) fn event_after_newer_data(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let mut places = followed_events(records);
    // (Behind another event it would break another rule as well.)
    places.retain(|(index, newer)| {
        let between = &records[index + 1..*newer];
        let own = session_of(&records[*index]);
        !between.iter().any(|other| event(other).is_some() && session_of(other) == own)
    });
    let Some((index, newer)) = one(&places, rng) else { return false };
    let event = records.remove(index);
    records.insert(newer, event);
    true
}

pub(super) fn events_swapped(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let mut places = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let behind = rest_of_connection(records, index);
        if let Some(next) = behind.first()
            && let (Some(one), Some(other)) = (event(record), event(&records[*next]))
            && let (Some(first), Some(second)) = (one.zxid, other.zxid)
            && first < second
        {
            places.push((index, *next));
        }
    }
    let Some((first, second)) = one(&places, rng) else { return false };
    records.swap(first, second);
    true
}

pub(super) fn event_without_watch(records: &mut Vec<Record>, rng: &mut Rng) -> bool {
    let Some(index) = place(records, rng, |record| told(record).is_some()) else { return false };
    let (operation, told) = told(&records[index]).unwrap();
    let (session, at) = (operation.session, told.at);
    let (kind, path) = (history::record::EventKind::DataChanged, "/unwatched".to_owned());
    records.insert(index + 1, Record::Event(Event { session, at, kind, path, zxid: None }));
    true
}
