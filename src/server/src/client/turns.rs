//! Waiting for one's turn to do what takes long.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use node::{Ticket, Turns};
use tokio::sync::Notify;

/// A lock that addresses take [in turns](Turns). Clones are of the same.
#[derive(Clone, Default)]
pub(super) struct InTurn(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    turns: Turns,
    /// Wakes whoever has the ticket.
    calls: HashMap<Ticket, Arc<Notify>>,
}

/// Held by whoever's turn it is, or waits for it. Its end is the next one's turn.
#[must_use]
pub(super) struct Turn {
    lock: InTurn,
    ticket: Ticket,
}

impl InTurn {
    /// Waits until it is the turn of whoever comes from this address. Dropping the future gives up.
    pub(super) async fn wait(&self, address: IpAddr) -> Turn {
        let (turn, call) = self.ask(address);
        call.notified().await;
        turn
    }

    fn ask(&self, address: IpAddr) -> (Turn, Arc<Notify>) {
        let mut waiting = self.waiting();
        let ticket = waiting.turns.ask(address);
        let call = Arc::clone(waiting.calls.entry(ticket).or_default());
        waiting.call();
        (Turn { lock: self.clone(), ticket }, call)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Tells whoever's turn it is. It may be told twice: it waits once.
    fn call(&self) {
        if let Some(call) = self.turns.current().and_then(|ticket| self.calls.get(&ticket)) {
            call.notify_one();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut waiting = self.lock.waiting();
        waiting.turns.leave(self.ticket);
        waiting.calls.remove(&self.ticket);
        waiting.call();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::task::JoinSet;
    use tokio::time::timeout;

    use super::*;

    const CROWD: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    #[tokio::test]
    async fn a_crowd_of_one_address_is_before_another_one_once() {
        let (lock, order) = (InTurn::default(), Arc::new(Mutex::new(Vec::new())));
        let first = lock.wait(CROWD).await;
        let mut tasks = JoinSet::new();
        // Tasks of this runtime begin in the order in which they are made.
        for address in [[CROWD; 50].as_slice(), &[OTHER]].concat() {
            let (lock, order) = (lock.clone(), Arc::clone(&order));
            tasks.spawn(async move {
                let _turn = lock.wait(address).await;
                order.lock().expect("no panic").push(address);
                tokio::task::yield_now().await;
            });
        }
        while lock.waiting().calls.len() < 52 {
            tokio::task::yield_now().await;
        }
        drop(first);
        tasks.join_all().await;
        let order = order.lock().expect("no panic");
        assert_eq!(order.iter().position(|address| *address == OTHER), Some(1));
        assert_eq!(order.len(), 51);
        assert!(lock.waiting().calls.is_empty());
    }

    #[tokio::test]
    async fn one_that_gives_up_stands_in_nobodys_way() {
        let lock = InTurn::default();
        let first = lock.wait(CROWD).await;
        assert!(timeout(Duration::ZERO, lock.wait(OTHER)).await.is_err());
        assert_eq!(lock.waiting().calls.len(), 1);
        // It is called, and gives up before it hears of it.
        let (called, _) = lock.ask(OTHER);
        drop(first);
        drop(called);
        let _turn = lock.wait(CROWD).await;
    }
}
