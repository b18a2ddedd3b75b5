//! The entries of an ACL, and who may do what by them, found without a look at each.
//!
//! A list may have tens of thousands of entries, and a request of a few bytes asks for a check of
//! it.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::OnceLock;

use wire::{Acl, Id};

use super::is_anyone;
use super::network::{Family, Network, address_bits, prefix};

/// A list of entries. Lists with the same entries in the same order are equal.
pub(super) struct Entries {
    list: Box<[Acl]>,
    /// Made when it is asked for: most lists are only stored.
    rights: OnceLock<Rights>,
}

/// What each of the ids in a list may do.
#[derive(Default)]
struct Rights {
    anyone: i32,
    /// By id, where the scheme is not `ip`.
    ids: HashMap<Id, i32>,
    /// What any of the ids of scheme `sasl` may do.
    sasl: i32,
    /// By network, for each length of a prefix that occurs.
    networks: HashMap<(Family, u32), HashMap<u128, i32>>,
}

impl Entries {
    pub(super) fn new(list: Box<[Acl]>) -> Self {
        Self { list, rights: OnceLock::new() }
    }

    pub(super) fn as_slice(&self) -> &[Acl] {
        &self.list
    }

    /// Whether an entry gives one of the `wanted` permissions to one of these ids.
    pub(super) fn permit(&self, wanted: i32, ids: &[Id]) -> bool {
        let rights = self.rights.get_or_init(|| Rights::of(&self.list));
        rights.anyone & wanted != 0 || ids.iter().any(|id| rights.of_id(id) & wanted != 0)
    }
}

impl Rights {
    fn of(list: &[Acl]) -> Self {
        let mut rights = Self::default();
        for Acl { perms, id } in list {
            if is_anyone(id) {
                rights.anyone |= perms;
            } else if id.scheme != "ip" {
                if id.scheme == "sasl" {
                    rights.sasl |= perms;
                }
                *rights.ids.entry(id.clone()).or_default() |= perms;
            } else if let Some(Network { family, bits, prefix }) = Network::parse(&id.id) {
                let networks = rights.networks.entry((family, bits)).or_default();
                *networks.entry(prefix).or_default() |= perms;
            }
        }
        rights
    }

    /// What the id may do, beside what anyone may.
    fn of_id(&self, id: &Id) -> i32 {
        // The user `super` of SASL is whoever else may prove to be somebody by SASL.
        // (`SASLAuthenticationProvider.matches`.)
        if id.scheme == "sasl" && id.id == "super" {
            return self.sasl;
        }
        if id.scheme != "ip" {
            return self.ids.get(id).copied().unwrap_or(0);
        }
        let Ok(address) = id.id.parse() else { return 0 };
        let (family, whole) = address_bits(address);
        let of = |(&(of, bits), networks): (&(Family, u32), &HashMap<u128, i32>)| {
            let found = networks.get(&prefix(family, whole, bits)).filter(|_| of == family);
            found.copied().unwrap_or(0)
        };
        self.networks.iter().map(of).fold(0, |all, perms| all | perms)
    }
}

impl PartialEq for Entries {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}

impl Eq for Entries {}

impl Hash for Entries {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.list.hash(state);
    }
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.list.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_a_long_list_is_found() {
        let network = |n: u32| format!("10.{}.{}.{}/32", n >> 16, n >> 8 & 255, n & 255);
        let list: Vec<_> = (0..20_000).map(|n| Acl::new(1, Id::new("ip", network(n)))).collect();
        let entries = Entries::new(list.into());
        assert!(entries.permit(1, &[Id::new("ip", "10.0.78.31")]));
        assert!(!entries.permit(2, &[Id::new("ip", "10.0.78.31")]));
        assert!(!entries.permit(1, &[Id::new("ip", "10.0.78.32")]));
    }

    #[test]
    fn the_super_user_of_sasl_is_everybody_of_that_scheme() {
        let list = [(1, "sasl", "bob"), (2, "sasl", "eve"), (4, "digest", "super")];
        let list = list.map(|(perms, scheme, id)| Acl::new(perms, Id::new(scheme, id)));
        let entries = Entries::new(list.into());
        let may = |id: &str| [1, 2, 4].map(|perms| entries.permit(perms, &[Id::new("sasl", id)]));
        assert_eq!(may("bob"), [true, false, false]);
        assert_eq!(may("super"), [true, true, false]);
        assert_eq!(may("zoe"), [false; 3]);
    }

    #[test]
    fn networks_of_every_length_and_both_families_are_told_apart() {
        let net = |perms, text: &str| Acl::new(perms, Id::new("ip", text));
        let entries = Entries::new(
            [net(1, "0.0.0.0/0"), net(2, "10.0.0.0/8"), net(4, "::/0"), net(8, "0.0.0.7")].into(),
        );
        let may = |text: &str| {
            let id = [Id::new("ip", text)];
            [1, 2, 4, 8].map(|perms| entries.permit(perms, &id))
        };
        assert_eq!(may("10.1.2.3"), [true, true, false, false]);
        assert_eq!(may("0.0.0.7"), [true, false, false, true]);
        assert_eq!(may("::7"), [false, false, true, false]);
        assert_eq!(may("no address"), [false; 4]);
    }
}
