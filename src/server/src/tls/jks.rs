//! JKS, the key store of Java before its version 9. (JDK: `sun.security.provider.JavaKeyStore`,
//! `KeyProtector`.)
//!
//! ```text
//! magic 0xfeedfeed | version, 1 or 2 | number of entries | entries | SHA-1 (20 bytes)
//! key:         1 | alias | time (8) | protected key: length (4), bytes | certificates (4), each as below
//! certificate: 2 | alias | time (8) | type (if version 2) | length (4), bytes
//! ```
//!
//! Numbers are big endian and take 4 bytes; a text has a length of 2 bytes before it. The SHA-1 is
//! over the password in UTF-16, the words `Mighty Aphrodite`, and all that is before it.

use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use sha1::{Digest, Sha1};
use x509_parser::der_parser::asn1_rs::{FromDer, OctetString, Sequence};

use super::stores::{Contents, Identity, StoreError};

const MAGIC: u32 = 0xfeed_feed;

const DIGEST_BYTES: usize = 20;

pub(super) fn is_jks(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC.to_be_bytes())
}

pub(super) fn contents(bytes: &[u8], password: &str) -> Result<Contents, StoreError> {
    let password: Vec<u8> = password.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let at = bytes.len().checked_sub(DIGEST_BYTES).ok_or_else(|| broken("its end"))?;
    let (body, digest) = bytes.split_at(at);
    let sum = Sha1::new().chain_update(&password).chain_update("Mighty Aphrodite");
    if sum.chain_update(body).finalize().as_slice() != digest {
        return Err(StoreError::Digest);
    }
    let mut reader = Reader(body);
    let (_, version, count) = (reader.number()?, reader.number()?, reader.number()?);
    if !matches!(version, 1 | 2) {
        return Err(broken("its version"));
    }
    let mut contents = Contents::default();
    // Each entry takes bytes, so a count that is too large ends with them.
    for _ in 0..count {
        match reader.number()? {
            1 => {
                let alias = reader.entry()?;
                let protected = reader.bytes()?;
                let key =
                    unprotected(protected, &password).ok_or(StoreError::KeyPassword { alias })?;
                let mut chain = Vec::new();
                for _ in 0..reader.number()? {
                    chain.push(reader.certificate(version)?);
                }
                if !chain.is_empty() {
                    let key = PrivatePkcs8KeyDer::from(key).into();
                    contents.identities.push(Identity { chain, key });
                }
            }
            2 => {
                reader.entry()?;
                contents.trusted.push(reader.certificate(version)?);
            }
            _ => return Err(broken("the kind of an entry")),
        }
    }
    if reader.0.is_empty() { Ok(contents) } else { Err(broken("what is behind its entries")) }
}

fn broken(what: &str) -> StoreError {
    StoreError::Broken(format!("as JKS, {what} is broken"))
}

/// What has not been read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], StoreError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(|| broken("a length"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, StoreError> {
        let bytes = self.take(4)?;
        Ok(bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    fn bytes(&mut self) -> Result<&'a [u8], StoreError> {
        let length = self.number()?;
        self.take(usize::try_from(length).map_err(|_| broken("a length"))?)
    }

    fn text(&mut self) -> Result<String, StoreError> {
        let length = self.take(2)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte));
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    /// The beginning of an entry behind its kind: the alias.
    fn entry(&mut self) -> Result<String, StoreError> {
        let alias = self.text()?;
        self.take(8)?;
        Ok(alias)
    }

    fn certificate(&mut self, version: u32) -> Result<CertificateDer<'static>, StoreError> {
        if version == 2 && self.text()? != "X.509" {
            return Err(broken("the type of a certificate"));
        }
        Ok(self.bytes()?.to_vec().into())
    }
}

/// The key in PKCS8; `None`: the password is wrong, or it is nothing that the JDK protects so.
///
/// `SEQUENCE { SEQUENCE { 1.3.6.1.4.1.42.2.17.1.1, … }, OCTET STRING }`, and in the string a salt,
/// the key exclusive-or a chain of SHA-1 over password and salt, and the SHA-1 over password and
/// key.
fn unprotected(protected: &[u8], password: &[u8]) -> Option<Vec<u8>> {
    let (_, outer) = Sequence::from_der(protected).ok()?;
    let (rest, algorithm) = Sequence::from_der(&outer.content).ok()?;
    if !algorithm.content.starts_with(KEY_PROTECTOR) {
        return None;
    }
    let (_, string) = OctetString::from_der(rest).ok()?;
    let (salt, rest) = string.as_ref().split_at_checked(DIGEST_BYTES)?;
    let (hidden, check) = rest.split_at_checked(rest.len().checked_sub(DIGEST_BYTES)?)?;
    let mut block = Sha1::new().chain_update(password).chain_update(salt).finalize();
    let mut key = Vec::with_capacity(hidden.len());
    for part in hidden.chunks(DIGEST_BYTES) {
        key.extend(part.iter().zip(block).map(|(hidden, mask)| hidden ^ mask));
        block = Sha1::new().chain_update(password).chain_update(block).finalize();
    }
    let sum = Sha1::new().chain_update(password).chain_update(&key).finalize();
    (sum.as_slice() == check).then_some(key)
}

/// The object identifier 1.3.6.1.4.1.42.2.17.1.1 in DER.
const KEY_PROTECTOR: &[u8] =
    &[0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x2a, 0x02, 0x11, 0x01, 0x01];
