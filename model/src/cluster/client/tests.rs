use zab::Epoch;

use super::super::payload::Origin;
use super::*;

const LIMITS: ClientLimits = ClientLimits {
    clients: 2,
    ops: 3,
    moves: 1,
    depth: 2,
    watches: true,
    slow: false,
    histories: true,
};
const HERE: Sid = Sid(1);
const THERE: Sid = Sid(2);

fn at(counter: u32) -> Zxid {
    Zxid::new(Epoch(1), counter)
}

/// Both clients are connected.
fn connected() -> Clients {
    let mut clients = Clients::new(&LIMITS).expect("there are some");
    for client in 0..2 {
        clients = clients.attach(client, HERE, Zxid::ZERO).expect("a server that serves").0;
        clients.hear(clients.over(client), Said::Begins);
    }
    clients
}

/// A client asks; the number of the request.
fn asks(clients: &mut Clients, client: u8, asking: Asking) -> u8 {
    let (after, xid, _) = clients.ask(client, asking, &LIMITS).expect("it may ask");
    *clients = after;
    xid
}

/// The properties that an answer violates.
fn answer(clients: &mut Clients, client: u8, xid: u8, zxid: Zxid, answer: Answer) -> u64 {
    let over = clients.over(client);
    clients.hear(over, Said::Answer(xid, zxid, answer)).1
}

fn wrote(clients: &mut Clients, client: u8, counter: u32) -> u64 {
    let xid = asks(clients, client, Asking::Write);
    let write = ClientWrite { client, xid, number: 0 };
    answer(clients, client, xid, at(counter), Answer::Written(write))
}

fn read(own: u8) -> Answer {
    Answer::Read(Origin::default(), own)
}

#[test]
fn a_read_has_to_see_what_its_session_wrote_before_it() {
    for (own, violated) in [(1, 0), (0, Property::OwnWrites.bit())] {
        let mut clients = connected();
        assert_eq!(wrote(&mut clients, 0, 1), 0);
        let xid = asks(&mut clients, 0, Asking::Read);
        assert_eq!(answer(&mut clients, 0, xid, at(1), read(own)), violated);
    }
}

#[test]
fn a_synced_read_has_to_show_what_any_client_was_told_before_the_sync() {
    let mut clients = connected();
    assert_eq!(wrote(&mut clients, 0, 2), 0);
    let sync = asks(&mut clients, 1, Asking::Sync);
    let linearizable = Property::Linearizable.bit();
    assert_eq!(answer(&mut clients, 1, sync, at(1), Answer::Synced), linearizable);
    let xid = asks(&mut clients, 1, Asking::Read);
    let both = linearizable | Property::Serializes.bit();
    assert_eq!(answer(&mut clients, 1, xid, at(1), read(0)), both);
}

#[test]
fn a_write_comes_behind_everything_that_was_told_before_it_was_asked() {
    let mut clients = connected();
    assert_eq!(wrote(&mut clients, 0, 2), 0);
    assert_eq!(wrote(&mut clients, 1, 2), Property::Linearizable.bit());
}

#[test]
fn no_answer_shows_an_older_state_and_none_overtakes_another() {
    let mut clients = connected();
    let first = asks(&mut clients, 0, Asking::Read);
    let second = asks(&mut clients, 0, Asking::Read);
    assert_eq!(answer(&mut clients, 0, second, at(2), read(0)), Property::InOrder.bit());
    assert_eq!(answer(&mut clients, 0, first, at(1), read(0)), Property::NeverBack.bit());
}

#[test]
fn an_event_comes_before_the_answer_that_shows_its_change() {
    for (told, violated) in [(true, 0), (false, Property::EventFirst.bit())] {
        let mut clients = connected();
        let xid = asks(&mut clients, 0, Asking::Watch);
        assert_eq!(answer(&mut clients, 0, xid, at(1), read(0)), 0);
        if told {
            clients.hear(clients.over(0), Said::Event);
        }
        let xid = asks(&mut clients, 0, Asking::Read);
        assert_eq!(answer(&mut clients, 0, xid, at(2), read(0)), violated);
    }
}

#[test]
fn an_outcome_is_that_of_the_request() {
    let mut clients = connected();
    let xid = asks(&mut clients, 0, Asking::Write);
    let other = ClientWrite { client: 0, xid, number: 1 };
    let violated = answer(&mut clients, 0, xid, at(1), Answer::Written(other));
    assert_eq!(violated, Property::OwnOutcome.bit());
}

#[test]
fn a_client_goes_to_no_server_that_is_behind_it_and_hears_nothing_from_the_one_it_left() {
    let mut clients = connected();
    assert_eq!(wrote(&mut clients, 0, 2), 0);
    let xid = asks(&mut clients, 0, Asking::Write);
    assert!(clients.attach(0, THERE, at(1)).is_none());
    let left = clients.over(0);
    let (mut moved, marks) = clients.attach(0, THERE, at(2)).expect("it shows as much");
    assert_eq!(marks, Mark::MovedWithWrite.bit());
    let write = ClientWrite { client: 0, xid, number: 1 };
    let before = moved.clone();
    let late = Said::Answer(xid, at(3), Answer::Written(write));
    assert_eq!(moved.hear(left, late), (0, 0));
    assert_eq!(moved, before);
    assert!(moved.attach(0, HERE, at(3)).is_none(), "it has moved as often as it may");
}

#[test]
fn a_client_that_has_asked_everything_leaves() {
    let mut clients = connected();
    for _ in 0..LIMITS.ops {
        assert_eq!(clients.leaver(), None);
        let xid = asks(&mut clients, 0, Asking::Read);
        assert_eq!(answer(&mut clients, 0, xid, at(1), read(0)), 0);
    }
    assert_eq!(clients.leaver(), Some(0));
    assert_eq!(clients.leave(0).each[0], Client::default());
    assert_eq!(clients.told, at(1), "what it was told counts for the others");
}
