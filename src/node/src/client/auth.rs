//! Who a client has proved to be. (ZooKeeper: `DigestAuthenticationProvider`,
//! `IPAuthenticationProvider`, `AuthenticationHelper`.)

use std::net::IpAddr;
use std::sync::Arc;

use sha1::{Digest, Sha1};
use sha2::{Sha256, Sha384, Sha512};
use wire::Id;
use wire::client::ClientInfo;

use crate::access::{Access, DigestAlgorithm};

/// Identities of one connection. Each request that is forwarded carries them.
pub(super) const IDS_MAX: usize = 32;

/// And the bytes of all of them.
pub(super) const IDS_BYTES_MAX: usize = 4096;

/// The identity of the address that a client comes from, which every connection has.
pub(super) fn of_address(address: IpAddr) -> Id {
    Id::new("ip", address.to_canonical().to_string())
}

/// The identities that an auth packet proves; `None`: the scheme is none of this server's, or
/// proves nothing so.
pub(crate) fn proved(
    scheme: &str,
    auth: Option<&[u8]>,
    address: IpAddr,
    access: &Access,
) -> Option<Vec<Id>> {
    match scheme {
        "digest" => {
            let id = digest(auth?, access.digest?);
            let is_super = access.super_digest.as_ref().is_some_and(|digest| digest.0 == id.id);
            Some(is_super.then(super_user).into_iter().chain([id]).collect())
        }
        "ip" => Some(vec![of_address(address)]),
        _ => None,
    }
}

/// The identities of a user who has proved to be this one by SASL.
pub(super) fn of_sasl(user: String, access: &Access) -> Vec<Id> {
    let is_super = access.super_users.contains(&user);
    [Id::new("sasl", user)].into_iter().chain(is_super.then(super_user)).collect()
}

/// Who may do everything.
fn super_user() -> Id {
    Id::new("super", "")
}

/// Whether the identities are enough to ask for anything.
pub(super) fn suffice(ids: &[Id], access: &Access) -> bool {
    let required = &access.required_schemes;
    required.is_empty() || ids.iter().any(|id| required.contains(&id.scheme))
}

/// Whether a client must prove who it is by SASL, or may have to.
pub(super) fn is_sasl_required(access: &Access) -> bool {
    access.required_schemes.iter().any(|scheme| scheme == "sasl")
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
fn digest(user_and_password: &[u8], algorithm: DigestAlgorithm) -> Id {
    // As Java's String makes it: bytes that are no UTF-8 are replaced before they are hashed.
    let text = String::from_utf8_lossy(user_and_password);
    let user = text.split(':').next().unwrap_or_default();
    let hash = match algorithm {
        DigestAlgorithm::Sha1 => base64(&Sha1::digest(text.as_bytes())),
        DigestAlgorithm::Sha256 => base64(&Sha256::digest(text.as_bytes())),
        DigestAlgorithm::Sha384 => base64(&Sha384::digest(text.as_bytes())),
        DigestAlgorithm::Sha512 => base64(&Sha512::digest(text.as_bytes())),
    };
    Id::new("digest", format!("{user}:{hash}"))
}

/// A text that nobody can guess who does not know the secret, of the connection with this number:
/// the nonce of its exchange of SASL.
pub(super) fn nonce(secret: &[u8], connection: u64) -> String {
    base64(&Sha256::new().chain_update(secret).chain_update(connection.to_be_bytes()).finalize())
}

/// The identity as whoAmI shows it: of a digest the user's name only.
pub(crate) fn shown(id: &Id) -> ClientInfo {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Secret;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn proved(scheme: &str, auth: Option<&[u8]>) -> Option<Vec<Id>> {
        super::proved(scheme, auth, HERE, &Access::default())
    }

    fn digest(user_and_password: &[u8]) -> Id {
        super::digest(user_and_password, DigestAlgorithm::Sha1)
    }

    #[test]
    fn a_digest_is_that_of_zookeeper() {
        for (auth, id) in [
            // From ZooKeeper's administrator's guide.
            ("super:test", "super:D/InIHSb7yEEbrWz8b9l71RjZJU="),
            ("super:admin", "super:xQJmxLMiHGwaqBvst5y6rkB6HQs="),
            ("user", "user:Et6pb+wgWTVmq3VpLJlJWWgzrck="),
        ] {
            assert_eq!(proved("digest", Some(auth.as_bytes())), Some(vec![Id::new("digest", id)]));
        }
        let anne = digest(b"anne:pass:word");
        assert!(anne.id.starts_with("anne:") && anne.id.ends_with('='), "{}", anne.id);
        assert_eq!(digest(b"a:\xff"), digest("a:\u{fffd}".as_bytes()));
    }

    #[test]
    fn only_the_schemes_of_this_server_prove_anything() {
        assert_eq!(proved("ip", None), Some(vec![Id::new("ip", "127.0.0.1")]));
        for scheme in ["world", "auth", "super", "sasl", "x509", "Digest", ""] {
            assert_eq!(proved(scheme, Some(b"a:b")), None, "{scheme}");
        }
        assert_eq!(proved("digest", None), None, "null is no password");
        let disabled = Access { digest: None, ..Access::default() };
        assert_eq!(super::proved("digest", Some(b"a:b"), HERE, &disabled), None);
    }

    #[test]
    fn whoever_has_the_digest_of_the_super_user_may_do_everything() {
        let digest = Secret("super:D/InIHSb7yEEbrWz8b9l71RjZJU=".to_owned());
        let access = Access { super_digest: Some(digest), ..Access::default() };
        let schemes = |auth: &[u8]| -> Vec<String> {
            let ids = super::proved("digest", Some(auth), HERE, &access).expect("proved");
            ids.into_iter().map(|id| id.scheme).collect()
        };
        assert_eq!(schemes(b"super:test"), ["super", "digest"]);
        assert_eq!(schemes(b"super:guess"), ["digest"]);
        let access = Access { super_users: vec!["root".to_owned()], ..Access::default() };
        let ids = |user: &str| of_sasl(user.to_owned(), &access);
        assert_eq!(ids("root"), [Id::new("sasl", "root"), super_user()]);
        assert_eq!(ids("bob"), [Id::new("sasl", "bob")]);
    }

    #[test]
    fn other_hashes_give_other_ids() {
        let id = |algorithm| super::digest(b"super:test", algorithm).id;
        let sha256 = "super:wjySwxg860UATFtciuZ1lpzrCHrPeov6SPu/ZD56uig=";
        assert_eq!(id(DigestAlgorithm::Sha256), sha256);
        assert_eq!(id(DigestAlgorithm::Sha384).len(), "super:".len() + 64);
        assert_eq!(id(DigestAlgorithm::Sha512).len(), "super:".len() + 88);
    }

    #[test]
    fn the_required_schemes_are_those_of_which_one_is_enough() {
        let ids = [of_address(HERE), Id::new("sasl", "bob")];
        let requires = |schemes: &[&str]| Access {
            required_schemes: schemes.iter().map(|scheme| (*scheme).to_owned()).collect(),
            ..Access::default()
        };
        assert!(suffice(&ids[..1], &requires(&[])));
        assert!(!suffice(&ids[..1], &requires(&["sasl", "x509"])));
        assert!(suffice(&ids, &requires(&["x509", "sasl"])));
        assert!(is_sasl_required(&requires(&["x509", "sasl"])));
        assert!(!is_sasl_required(&requires(&["x509"])));
    }

    #[test]
    fn no_two_connections_have_the_same_nonce() {
        assert_ne!(nonce(&[1; 32], 1), nonce(&[1; 32], 2));
        assert_ne!(nonce(&[1; 32], 1), nonce(&[2; 32], 1));
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
    fn no_hash_is_shown() {
        assert_eq!(shown(&digest(b"anne:secret")).user, "anne");
        assert_eq!(shown(&of_address(HERE)).user, "127.0.0.1");
    }
}
