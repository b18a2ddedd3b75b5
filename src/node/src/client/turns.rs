//! Who is next, where one after the other does what takes long.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};

/// Turns, of which one at a time is taken. Addresses come round: of one that asks for many, one is
/// done, and then one of each other address that waits. So whoever asks waits for at most one turn
/// of every other address, and for its own.
#[derive(Default, Debug)]
pub struct Turns {
    current: Option<Ticket>,
    /// Those who wait, in the order in which they are served, each once.
    round: VecDeque<IpAddr>,
    /// The numbers of the tickets with which they wait; none is empty.
    waiting: HashMap<IpAddr, BTreeSet<u64>>,
    /// The last number given out.
    last: u64,
}

/// A place among those who wait.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ticket {
    address: IpAddr,
    number: u64,
}

impl Turns {
    /// A ticket for whoever comes from this address. It is its [turn](Self::current) at once if
    /// nobody else's is.
    pub fn ask(&mut self, address: IpAddr) -> Ticket {
        let address = network(address);
        self.last += 1;
        let ticket = Ticket { address, number: self.last };
        if self.current.is_none() {
            self.current = Some(ticket);
        } else {
            if !self.waiting.contains_key(&address) {
                self.round.push_back(address);
            }
            self.waiting.entry(address).or_default().insert(ticket.number);
        }
        ticket
    }

    /// Whose turn it is.
    pub fn current(&self) -> Option<Ticket> {
        self.current
    }

    /// Whoever has this ticket has had its turn, or waits for it no more.
    pub fn leave(&mut self, ticket: Ticket) {
        if self.current == Some(ticket) {
            self.current = self.next();
            return;
        }
        let Some(numbers) = self.waiting.get_mut(&ticket.address) else { return };
        numbers.remove(&ticket.number);
        if numbers.is_empty() {
            self.waiting.remove(&ticket.address);
            self.round.retain(|address| *address != ticket.address);
        }
    }

    /// Takes the first ticket of the address that is next. If it has more it comes round again.
    fn next(&mut self) -> Option<Ticket> {
        let address = self.round.pop_front()?;
        let numbers = self.waiting.get_mut(&address)?;
        let number = numbers.pop_first()?;
        if numbers.is_empty() {
            self.waiting.remove(&address);
        } else {
            self.round.push_back(address);
        }
        Some(Ticket { address, number })
    }
}

/// What counts as one address: of IPv6, all that a host may give itself, which is the lower half.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    /// The tickets in the order in which they have their turns.
    fn served(turns: &mut Turns) -> Vec<Ticket> {
        std::iter::from_fn(|| {
            let current = turns.current()?;
            turns.leave(current);
            Some(current)
        })
        .collect()
    }

    #[test]
    fn one_that_asks_for_many_keeps_others_waiting_for_one_of_them() {
        let mut turns = Turns::default();
        let mut ask = |from: &str| turns.ask(address(from));
        let many: Vec<_> = (0..4).map(|_| ask("10.0.0.1")).collect();
        let other = ask("10.0.0.2");
        let (third, and_again) = (ask("10.0.0.3"), ask("10.0.0.3"));
        assert_eq!(turns.current(), Some(many[0]));
        // 10.0.0.1 had asked for its second one before anybody else was there.
        let expected = [many[0], many[1], other, third, many[2], and_again, many[3]];
        assert_eq!(served(&mut turns), expected);
        assert!(turns.round.is_empty() && turns.waiting.is_empty());
        let late = turns.ask(address("10.0.0.1"));
        assert_eq!(turns.current(), Some(late), "nobody else waits");
    }

    #[test]
    fn whoever_gives_up_is_not_waited_for() {
        let mut turns = Turns::default();
        let mut ask = |from: &str| turns.ask(address(from));
        let [a, b, c, d] = ["10.0.0.1", "10.0.0.2", "10.0.0.2", "10.0.0.3"].map(&mut ask);
        turns.leave(b);
        turns.leave(d);
        turns.leave(d);
        assert_eq!(turns.round, [address("10.0.0.2")]);
        assert_eq!(served(&mut turns), [a, c]);
        assert!(turns.waiting.is_empty());
    }

    #[test]
    fn a_host_of_ipv6_has_one_turn_whatever_addresses_it_gives_itself() {
        let mut turns = Turns::default();
        let mut ask = |from: &str| turns.ask(address(from));
        let first = ask("10.0.0.1");
        let own = ["2001:db8::1", "2001:db8::2", "2001:db8::2:1"].map(&mut ask);
        let other = ask("2001:db8:0:1::1");
        let mapped = ask("::ffff:10.0.0.1");
        assert_eq!(mapped.address, first.address);
        assert_eq!(served(&mut turns), [first, own[0], other, mapped, own[1], own[2]]);
    }
}
