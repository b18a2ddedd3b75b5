//! EC keys as ring wants them.
//!
//! The `ECPrivateKey` of RFC 5915 may hold the public key or not. Java's keytool leaves it out, as
//! `openssl ec -no_public` does, and ring refuses a key without it. It is in the certificate, so it
//! is taken from there; ring verifies that the two belong together.

use pkcs8::der::asn1::OctetStringRef;
use pkcs8::der::{Decode, Encode};
use pkcs8::{ObjectIdentifier, PrivateKeyInfoRef, SubjectPublicKeyInfoRef};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use sec1::EcPrivateKey;

/// The key with the public key of its certificate in it, in the one form of PKCS8 that ring reads;
/// `None`: it is no EC key, or not one of the certificate's curve.
///
/// `public` is the `SubjectPublicKeyInfo` of the certificate.
pub(super) fn completed(key: &PrivateKeyDer<'_>, public: &[u8]) -> Option<PrivateKeyDer<'static>> {
    let public = SubjectPublicKeyInfoRef::from_der(public).ok()?;
    let curve = public.algorithm.parameters_oid().ok()?;
    if public.algorithm.oid != EC_PUBLIC_KEY {
        return None;
    }
    let inner = match key {
        PrivateKeyDer::Pkcs8(key) => {
            let key = PrivateKeyInfoRef::from_der(key.secret_pkcs8_der()).ok()?;
            if key.algorithm != public.algorithm {
                return None;
            }
            key.private_key.as_bytes()
        }
        PrivateKeyDer::Sec1(key) => key.secret_sec1_der(),
        PrivateKeyDer::Pkcs1(_) | _ => return None,
    };
    let key = EcPrivateKey::try_from(inner).ok()?;
    if key.parameters.and_then(|parameters| parameters.named_curve()).is_some_and(|it| it != curve)
    {
        return None;
    }
    let secret = padded(key.private_key, size(curve)?)?;
    let whole = EcPrivateKey {
        private_key: &secret,
        parameters: None,
        public_key: Some(public.subject_public_key.as_bytes()?),
    };
    let whole = whole.to_der().ok()?;
    let whole = PrivateKeyInfoRef::new(public.algorithm, OctetStringRef::new(&whole).ok()?);
    Some(PrivatePkcs8KeyDer::from(whole.to_der().ok()?).into())
}

/// How many bytes a private key has; `None`: a curve that ring does not know.
fn size(curve: ObjectIdentifier) -> Option<usize> {
    match curve {
        P256 => Some(32),
        P384 => Some(48),
        _ => None,
    }
}

/// Java before its version 9 leaves out the zeros that a number begins with.
fn padded(number: &[u8], size: usize) -> Option<Vec<u8>> {
    let start = number.iter().take_while(|byte| **byte == 0).count();
    let number = &number[start..];
    let mut padded = vec![0; size.checked_sub(number.len())?];
    padded.extend_from_slice(number);
    Some(padded)
}

pub(super) const EC_PUBLIC_KEY: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// secp256r1.
pub(super) const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// secp384r1.
pub(super) const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

#[cfg(test)]
mod tests;
