//! Where members may come from: a connection to a port between servers says which member it is, and
//! its source address has to be one of those of that member's `server.N` line.
//!
//! This is no proof of identity: who can send from a member's address, or is on its machine,
//! passes. It keeps everybody else out.

use std::collections::BTreeMap;
use std::net::{IpAddr, UdpSocket};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::{Instant, timeout};
use zab::Sid;

/// The addresses of the members.
pub(crate) struct PeerAddresses {
    /// The hosts of the other members' lines; `None` if addresses are not checked.
    hosts: Option<BTreeMap<Sid, Vec<String>>>,
    /// By name.
    found: Mutex<BTreeMap<String, Found>>,
}

/// What a name was last resolved to.
#[derive(Clone)]
struct Found {
    at: Instant,
    addresses: Vec<IpAddr>,
}

/// A name is not looked up more often than this, whatever arrives. A member whose address has
/// changed waits so long.
const LOOKUP_PAUSE: Duration = Duration::from_secs(1);

/// What a name was resolved to lets a connection in for so long. After that it is looked up again
/// first.
const KEPT: Duration = Duration::from_secs(60);

/// Looking up a name is given up after this.
const LOOKUP_PATIENCE: Duration = Duration::from_secs(5);

impl PeerAddresses {
    /// Checks addresses against these hosts.
    pub(crate) fn of(hosts: BTreeMap<Sid, Vec<String>>) -> Self {
        Self { hosts: Some(hosts), found: Mutex::default() }
    }

    /// Lets every address pass (`vivarium.peerAddressCheck=false`).
    pub(crate) fn unchecked() -> Self {
        Self { hosts: None, found: Mutex::default() }
    }

    /// Whether a connection from an address may be this member's.
    ///
    /// A name is looked up when a connection comes, and what was found is kept for a while. If that
    /// fails, what it was resolved to before counts; if it never was, nobody is let in under this
    /// id.
    ///
    /// # Errors
    /// It may not; the sentence is for the operator.
    pub(crate) async fn check(&self, sid: Sid, from: IpAddr) -> Result<(), String> {
        let Some(hosts) = &self.hosts else { return Ok(()) };
        let hosts = hosts.get(&sid).ok_or_else(|| format!("{sid} is not another member"))?;
        // A name that takes its time does not keep a member waiting that comes from an address.
        let (names, addresses): (Vec<_>, Vec<_>) =
            hosts.iter().partition(|host| host.parse::<IpAddr>().is_err());
        let mut refused = Vec::new();
        for host in addresses.into_iter().chain(names) {
            match self.check_host(host, from).await {
                Ok(()) => return Ok(()),
                Err(found) => refused.push(format!("{host}{found}")),
            }
        }
        Err(format!(
            "it claims to be {sid} and comes from {from}, but the line of {sid} says {} \
             (vivarium.peerAddressCheck=false lets it in)",
            refused.join(", and ")
        ))
    }

    /// Whether an address is one of a host; otherwise, what the host was found to be.
    async fn check_host(&self, host: &str, from: IpAddr) -> Result<(), String> {
        if let Ok(address) = host.parse() {
            return is_of(from, &[address]).then_some(()).ok_or_else(String::new);
        }
        let before = self.lock().get(host).cloned();
        if before.as_ref().is_some_and(|it| it.at.elapsed() < KEPT && is_of(from, &it.addresses)) {
            return Ok(());
        }
        if before.as_ref().is_none_or(|found| found.at.elapsed() >= LOOKUP_PAUSE) {
            let resolved = resolve(host).await;
            let addresses = match (resolved, before) {
                (Ok(addresses), _) => addresses,
                (Err(_), Some(before)) => before.addresses,
                (Err(error), None) => return Err(format!(", which has no address: {error}")),
            };
            let passes = is_of(from, &addresses);
            self.lock().insert(host.to_owned(), Found { at: Instant::now(), addresses });
            if passes {
                return Ok(());
            }
        }
        let found = self.lock().get(host).map(|found| listed(&found.addresses));
        Err(format!(", which is {}", found.unwrap_or_default()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Found>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn resolve(host: &str) -> Result<Vec<IpAddr>, String> {
    let looked_up = timeout(LOOKUP_PATIENCE, lookup_host((host, 0))).await;
    let found = looked_up.map_err(|_| format!("no answer within {LOOKUP_PATIENCE:?}"))?;
    Ok(found.map_err(|error| error.to_string())?.map(|address| address.ip()).collect())
}

fn listed(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Whether a source address is one of these. An unspecified address (`0.0.0.0`, `::`) is
/// everybody's. All addresses of this machine are the same, for it may choose any of them to reach
/// itself.
fn is_of(from: IpAddr, addresses: &[IpAddr]) -> bool {
    let from = from.to_canonical();
    addresses.iter().map(IpAddr::to_canonical).any(|address| {
        address == from || address.is_unspecified() || (is_local(from) && is_local(address))
    })
}

/// Whether an address is one of this machine.
fn is_local(address: IpAddr) -> bool {
    address.is_loopback() || UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMBER: Sid = Sid(2);

    /// `host` is one, or several with `|` between them.
    async fn check(host: &str, from: &str) -> Result<(), String> {
        let hosts = host.split('|').map(str::to_owned).collect();
        let addresses = PeerAddresses::of([(MEMBER, hosts)].into());
        addresses.check(MEMBER, from.parse().expect("an address")).await
    }

    #[tokio::test]
    async fn a_member_comes_from_the_address_of_its_line() {
        // 192.0.2.0/24 and 2001:db8::/32 are for documentation: no machine has such an address.
        for (host, from, passes) in [
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "::ffff:192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("192.0.2.7", "127.0.0.1", false),
            ("127.0.0.1", "192.0.2.7", false),
            ("2001:db8::1", "2001:db8::1", true),
            ("2001:db8::1", "2001:db8::2", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.1.1", "127.0.0.1", true),
            ("0.0.0.0", "192.0.2.7", true),
            ("localhost", "127.0.0.1", true),
            ("localhost", "192.0.2.7", false),
            ("192.0.2.7|192.0.2.9", "192.0.2.9", true),
            ("192.0.2.7|192.0.2.9", "192.0.2.8", false),
            ("no.such.host.invalid|192.0.2.9", "192.0.2.9", true),
            ("192.0.2.7|localhost", "127.0.0.1", true),
        ] {
            assert_eq!(check(host, from).await.is_ok(), passes, "{host} {from}");
        }
    }

    #[tokio::test]
    async fn a_refusal_names_the_line_the_address_and_the_key() {
        let refusal = check("192.0.2.7", "192.0.2.8").await.expect_err("another address");
        assert_eq!(
            refusal,
            "it claims to be s2 and comes from 192.0.2.8, but the line of s2 says 192.0.2.7 \
             (vivarium.peerAddressCheck=false lets it in)"
        );
        let refusal = check("192.0.2.7|192.0.2.9", "192.0.2.8").await.expect_err("another");
        assert!(refusal.contains("the line of s2 says 192.0.2.7, and 192.0.2.9 (viv"), "{refusal}");
        let refusal = check("no.such.host.invalid", "192.0.2.8").await.expect_err("no address");
        assert!(refusal.contains("says no.such.host.invalid, which has no address: "), "{refusal}");
        let refusal = check("localhost", "192.0.2.8").await.expect_err("another address");
        assert!(refusal.contains("says localhost, which is ") && refusal.contains("127.0.0.1"));
    }

    #[tokio::test]
    async fn a_name_that_cannot_be_looked_up_any_more_keeps_its_addresses() {
        const NAME: &str = "no.such.host.invalid";
        let addresses = PeerAddresses::of([(MEMBER, vec![NAME.to_owned()])].into());
        let from: IpAddr = "192.0.2.7".parse().expect("an address");
        let at = Instant::now() - KEPT;
        addresses.lock().insert(NAME.to_owned(), Found { at, addresses: vec![from] });
        assert_eq!(addresses.check(MEMBER, from).await, Ok(()));
        let other: IpAddr = "192.0.2.8".parse().expect("an address");
        assert!(addresses.check(MEMBER, other).await.is_err(), "it is looked up, in vain");
        assert_eq!(addresses.check(MEMBER, from).await, Ok(()), "as before");
    }

    #[tokio::test]
    async fn what_is_not_checked_passes() {
        let from = "192.0.2.8".parse().expect("an address");
        assert_eq!(PeerAddresses::unchecked().check(MEMBER, from).await, Ok(()));
    }
}
