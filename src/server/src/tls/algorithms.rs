//! What ring signs and verifies with, and the names of what it does not.
//!
//! A key store whose key cannot be used is an error. Of a trust store some certificates may be of
//! use and others not, so those are named in warnings.

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::asn1_rs::{Any, FromDer, Tag};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::names;

/// The kind of a public key.
#[derive(PartialEq, Eq, Debug)]
enum Kind {
    Rsa {
        bits: usize,
        /// `None`: it is beyond any that is in use.
        exponent: Option<u64>,
    },
    /// On P-256 or P-384, by both coordinates.
    Ec(&'static str),
    Ed25519,
    /// Nothing that ring knows, by its name.
    Other(String),
}

/// # Errors
/// No handshake is possible with the key of this certificate: the sentence names its kind.
pub(super) fn own_key(own: &X509Certificate<'_>) -> Result<(), String> {
    let kind = Kind::of(own.public_key());
    let is_usable = match &kind {
        Kind::Rsa { bits, exponent } => {
            OWN_RSA_BITS.contains(bits) && exponent.is_some_and(|it| it >= OWN_RSA_EXPONENT_MIN)
        }
        Kind::Ec(_) | Kind::Ed25519 => true,
        Kind::Other(_) => false,
    };
    if is_usable {
        return Ok(());
    }
    Err(format!(
        "its key, {}, cannot be used here: what works is RSA of 2048, 3072 or 4096 bits with an \
         exponent of 65537 or more, EC on P-256 or P-384, and Ed25519",
        kind.name()
    ))
}

/// What an operator has to know of the certificate that is shown.
pub(super) fn own_signature(
    own: &CertificateDer<'_>,
    known: &WebPkiSupportedAlgorithms,
) -> Option<String> {
    let algorithm = signature_algorithm(own)?;
    if known.all.iter().any(|it| it.signature_alg_id().as_ref() == algorithm) {
        return None;
    }
    Some(format!(
        "its certificate is signed with {}: others may accept it, servers like this one do so only \
         if it is in their trust store itself ({SIGNATURES})",
        signature_name(algorithm)
    ))
}

/// What an operator has to know of a trusted certificate: whom it cannot let in.
pub(super) fn trusted(
    der: &CertificateDer<'_>,
    known: &WebPkiSupportedAlgorithms,
) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let subject = || names::subject(der).unwrap_or_else(|_| "of an unreadable name".to_owned());
    let kind = Kind::of(certificate.public_key());
    let is_usable = match &kind {
        Kind::Rsa { bits, .. } => (VERIFIED_RSA_BITS_MIN..=VERIFIED_RSA_BITS_MAX).contains(bits),
        Kind::Ec(_) | Kind::Ed25519 => true,
        Kind::Other(_) => false,
    };
    if !is_usable {
        return Some(format!(
            "the trusted certificate {}: its key, {}, cannot be used here: nobody whom it signed \
             can come in, nor who shows it (what works is RSA of {VERIFIED_RSA_BITS_MIN} to \
             {VERIFIED_RSA_BITS_MAX} bits, EC on P-256 or P-384, and Ed25519)",
            subject(),
            kind.name(),
        ));
    }
    // Its own signature is not asked for, but one that signs itself will sign others alike.
    let signs_itself = certificate.subject().as_raw() == certificate.issuer().as_raw();
    let algorithm = signature_algorithm(der).filter(|_| signs_itself)?;
    let key = key_algorithm(certificate.public_key().raw)?;
    let is_known = known.all.iter().any(|it| {
        it.signature_alg_id().as_ref() == algorithm && it.public_key_alg_id().as_ref() == key
    });
    if is_known {
        return None;
    }
    Some(format!(
        "the trusted certificate {} has signed itself with {}, by its key, {}: nobody whom it \
         signed so can come in ({SIGNATURES})",
        subject(),
        signature_name(algorithm),
        kind.name(),
    ))
}

impl Kind {
    fn of(key: &SubjectPublicKeyInfo<'_>) -> Self {
        let algorithm = key.algorithm.algorithm.to_id_string();
        match (algorithm.as_str(), key.parsed()) {
            (RSA, Ok(PublicKey::RSA(key))) => {
                let start = key.modulus.iter().take_while(|byte| **byte == 0).count();
                let number = &key.modulus[start..];
                let unused = number.first().map_or(0, |byte| byte.leading_zeros() as usize);
                let bits = number.len() * 8 - unused;
                Self::Rsa { bits, exponent: key.try_exponent().ok() }
            }
            (EC, _) => {
                let curve = key.algorithm.parameters.as_ref().and_then(|it| it.as_oid().ok());
                let is_whole = key.subject_public_key.data.first() == Some(&UNCOMPRESSED);
                match curve.map(|curve| curve.to_id_string()).as_deref() {
                    Some(P256) if is_whole => Self::Ec("P-256"),
                    Some(P384) if is_whole => Self::Ec("P-384"),
                    Some(P256 | P384) => {
                        Self::Other("EC with a point that is written by one coordinate".to_owned())
                    }
                    Some(other) => Self::Other(format!("EC on {}", named(CURVES, other))),
                    None => Self::Other("EC on a curve without a name".to_owned()),
                }
            }
            (ED25519, _) => Self::Ed25519,
            (other, _) => Self::Other(named(KEYS, other).to_owned()),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Rsa { bits, exponent: Some(exponent) } if *exponent < OWN_RSA_EXPONENT_MIN => {
                format!("RSA of {bits} bits with the exponent {exponent}")
            }
            Self::Rsa { bits, .. } => format!("RSA of {bits} bits"),
            Self::Ec(curve) => format!("EC on {curve}"),
            Self::Ed25519 => "Ed25519".to_owned(),
            Self::Other(name) => name.clone(),
        }
    }
}

fn signature_name(algorithm: &[u8]) -> String {
    match Any::from_der(algorithm).map(|(_, any)| any.oid()) {
        Ok(Ok(oid)) => named(SIGNATURE_NAMES, &oid.to_id_string()).to_owned(),
        Ok(Err(_)) | Err(_) => "an algorithm without a name".to_owned(),
    }
}

fn named<'a>(names: &[(&str, &'static str)], oid: &'a str) -> &'a str {
    names.iter().find(|(known, _)| *known == oid).map_or(oid, |(_, name)| name)
}

/// The content of the sequence that names with what a certificate is signed.
pub(super) fn signature_algorithm<'a>(certificate: &'a CertificateDer<'_>) -> Option<&'a [u8]> {
    let (rest, _to_be_signed) = Any::from_der(sequence(certificate)?).ok()?;
    sequence(rest)
}

/// The content of the sequence that names what kind of key this is.
pub(super) fn key_algorithm(info: &[u8]) -> Option<&[u8]> {
    sequence(sequence(info)?)
}

fn sequence(der: &[u8]) -> Option<&[u8]> {
    let (_, sequence) = Any::from_der(der).ok()?;
    (sequence.tag() == Tag::Sequence).then_some(sequence.data)
}

/// ring signs with primes whose sizes are multiples of 512 bits.
const OWN_RSA_BITS: [usize; 3] = [2048, 3072, 4096];
const OWN_RSA_EXPONENT_MIN: u64 = 65537;
const VERIFIED_RSA_BITS_MIN: usize = 2048;
const VERIFIED_RSA_BITS_MAX: usize = 8192;

const SIGNATURES: &str = "what is verified here is RSA with SHA-256, SHA-384 or SHA-512, ECDSA on \
                          P-256 or P-384 with SHA-256 or SHA-384, and Ed25519";

/// SEC 1, 2.3.3: what a point by both coordinates begins with.
const UNCOMPRESSED: u8 = 4;

const RSA: &str = "1.2.840.113549.1.1.1";
const EC: &str = "1.2.840.10045.2.1";
const ED25519: &str = "1.3.101.112";
const P256: &str = "1.2.840.10045.3.1.7";
const P384: &str = "1.3.132.0.34";

const KEYS: &[(&str, &str)] = &[
    (RSA, "RSA that cannot be read"),
    ("1.2.840.113549.1.1.10", "RSA for RSASSA-PSS only"),
    ("1.2.840.10040.4.1", "DSA"),
    ("1.3.101.113", "Ed448"),
];

const CURVES: &[(&str, &str)] = &[
    ("1.2.840.10045.3.1.1", "P-192"),
    ("1.3.132.0.33", "P-224"),
    ("1.3.132.0.35", "P-521"),
    ("1.3.132.0.10", "secp256k1"),
];

const SIGNATURE_NAMES: &[(&str, &str)] = &[
    ("1.2.840.113549.1.1.2", "MD2 and RSA"),
    ("1.2.840.113549.1.1.4", "MD5 and RSA"),
    ("1.2.840.113549.1.1.5", "SHA-1 and RSA"),
    ("1.2.840.113549.1.1.10", "RSASSA-PSS with other parameters than usual"),
    ("1.2.840.113549.1.1.11", "SHA-256 and RSA"),
    ("1.2.840.113549.1.1.12", "SHA-384 and RSA"),
    ("1.2.840.113549.1.1.13", "SHA-512 and RSA"),
    ("1.2.840.113549.1.1.14", "SHA-224 and RSA"),
    ("1.2.840.10040.4.3", "SHA-1 and DSA"),
    ("2.16.840.1.101.3.4.3.1", "SHA-224 and DSA"),
    ("2.16.840.1.101.3.4.3.2", "SHA-256 and DSA"),
    ("1.2.840.10045.4.1", "SHA-1 and ECDSA"),
    ("1.2.840.10045.4.3.1", "SHA-224 and ECDSA"),
    ("1.2.840.10045.4.3.2", "SHA-256 and ECDSA"),
    ("1.2.840.10045.4.3.3", "SHA-384 and ECDSA"),
    ("1.2.840.10045.4.3.4", "SHA-512 and ECDSA"),
    ("1.3.101.113", "Ed448"),
];

#[cfg(test)]
mod tests;
