//! Who a client has proved to be. (ZooKeeper: `DigestAuthenticationProvider`,
//! `IPAuthenticationProvider`.)

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use sha1::{Digest, Sha1};
use wire::Id;
use wire::client::ClientInfo;

/// Identities of one connection. Each request that is forwarded carries them.
pub(super) const IDS_MAX: usize = 32;

/// And the bytes of all of them.
pub(super) const IDS_BYTES_MAX: usize = 4096;

/// The identity of the address that a client comes from, which every connection has.
pub(super) fn of_address(address: IpAddr) -> Id {
    Id::new("ip", address.to_canonical().to_string())
}

/// The identity that an auth packet proves; `None`: the scheme is none of this server's, or proves
/// nothing so.
pub(super) fn proved(scheme: &str, auth: Option<&[u8]>, address: IpAddr) -> Option<Id> {
    match scheme {
        "digest" => auth.map(digest),
        "ip" => Some(of_address(address)),
        _ => None,
    }
}

/// Adds an identity, once. False: there are as many as a connection may have.
pub(super) fn add(ids: &mut Arc<[Id]>, id: Id) -> bool {
    if ids.contains(&id) {
        return true;
    }
    let bytes = |id: &Id| id.scheme.len() + id.id.len();
    let sum: usize = ids.iter().map(bytes).sum();
    let fits = ids.len() < IDS_MAX && sum + bytes(&id) <= IDS_BYTES_MAX;
    if fits {
        *ids = ids.iter().cloned().chain([id]).collect();
    }
    fits
}

/// `user:` and the hash of `user:password`.
fn digest(user_and_password: &[u8]) -> Id {
    // As Java's String makes it: bytes that are no UTF-8 are replaced before they are hashed.
    let text = String::from_utf8_lossy(user_and_password);
    let user = text.split(':').next().unwrap_or_default();
    Id::new("digest", format!("{user}:{}", base64(&Sha1::digest(text.as_bytes()))))
}

/// The identity as whoAmI shows it: of a digest the user's name only.
pub(super) fn shown(id: &Id) -> ClientInfo {
    let user = match &*id.scheme {
        "digest" => id.id.split(':').next().unwrap_or_default(),
        _ => &id.id,
    };
    ClientInfo { auth_scheme: id.scheme.clone(), user: user.to_owned() }
}

/// The standard alphabet, with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |index| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let value = (bits >> (18 - 6 * digit) & 63) as usize;
            text.push(if digit <= group.len() { char::from(ALPHABET[value]) } else { '=' });
        }
    }
    text
}

/// Failed attempts that were logged: each scheme and client once.
#[derive(Default)]
pub(super) struct Failures(HashSet<(IpAddr, String)>);

/// Attempts that are remembered; then all are forgotten, and logged again.
const FAILURES_MAX: usize = 1000;

/// How much of a scheme's name is logged, in characters.
const SCHEME_CHARS_MAX: usize = 32;

impl Failures {
    /// The scheme as it is to be logged; `None` if this attempt was logged before.
    pub(super) fn is_new(&mut self, address: IpAddr, scheme: &str) -> Option<String> {
        if self.0.len() >= FAILURES_MAX {
            self.0.clear();
        }
        let scheme: String = scheme.chars().take(SCHEME_CHARS_MAX).collect();
        self.0.insert((address, scheme.clone())).then_some(scheme)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn a_digest_is_that_of_zookeeper() {
        for (auth, id) in [
            // From ZooKeeper's administrator's guide.
            ("super:test", "super:D/InIHSb7yEEbrWz8b9l71RjZJU="),
            ("super:admin", "super:xQJmxLMiHGwaqBvst5y6rkB6HQs="),
            ("user", "user:Et6pb+wgWTVmq3VpLJlJWWgzrck="),
        ] {
            assert_eq!(proved("digest", Some(auth.as_bytes()), HERE), Some(Id::new("digest", id)));
        }
        let anne = digest(b"anne:pass:word");
        assert!(anne.id.starts_with("anne:") && anne.id.ends_with('='), "{}", anne.id);
        assert_eq!(digest(b"a:\xff"), digest("a:\u{fffd}".as_bytes()));
    }

    #[test]
    fn only_the_schemes_of_this_server_prove_anything() {
        assert_eq!(proved("ip", None, HERE), Some(Id::new("ip", "127.0.0.1")));
        for scheme in ["world", "auth", "super", "sasl", "x509", "Digest", ""] {
            assert_eq!(proved(scheme, Some(b"a:b"), HERE), None, "{scheme}");
        }
        assert_eq!(proved("digest", None, HERE), None, "null is no password");
    }

    #[test]
    fn groups_of_three_bytes_become_four_letters() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"foobar", "Zm9vYmFy"),
            (b"\xfb\xff\xfe", "+//+"),
        ] {
            assert_eq!(base64(bytes), text);
        }
    }

    #[test]
    fn a_connection_has_a_bounded_number_of_identities() {
        let mut ids: Arc<[Id]> = [of_address(HERE)].into();
        assert!(add(&mut ids, of_address(HERE)));
        assert_eq!(ids.len(), 1, "it is a set");
        assert!(!add(&mut ids, Id::new("digest", "a".repeat(IDS_BYTES_MAX))));
        let added = (0..100).filter(|number| add(&mut ids, Id::new("digest", number.to_string())));
        assert_eq!((added.count(), ids.len()), (IDS_MAX - 1, IDS_MAX));
    }

    #[test]
    fn a_failure_is_logged_once_and_what_is_remembered_is_bounded() {
        let mut failures = Failures::default();
        assert_eq!(failures.is_new(HERE, "x509").as_deref(), Some("x509"));
        assert_eq!(failures.is_new(HERE, "x509"), None);
        let long = "s".repeat(1 << 20);
        assert_eq!(failures.is_new(HERE, &long).map(|text| text.len()), Some(SCHEME_CHARS_MAX));
        for number in 0..3 * FAILURES_MAX {
            failures.is_new(HERE, &number.to_string());
            assert!(failures.0.len() <= FAILURES_MAX);
        }
    }

    #[test]
    fn no_hash_is_shown() {
        assert_eq!(shown(&digest(b"anne:secret")).user, "anne");
        assert_eq!(shown(&of_address(HERE)).user, "127.0.0.1");
    }
}
