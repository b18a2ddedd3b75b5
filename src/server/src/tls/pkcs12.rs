//! PKCS12, as Java's keytool and openssl write it.

use p12_keystore::{KeyStore, KeyStoreEntry, Pkcs12ImportPolicy};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::stores::{Contents, Identity, StoreError};

/// Trusted is what Java takes for trusted: a certificate with the attribute that its keytool gives
/// it.
pub(super) fn contents(bytes: &[u8], password: &str) -> Result<Contents, StoreError> {
    // SEQUENCE.
    if bytes.first() != Some(&0x30) {
        return Err(StoreError::Broken("it is neither JKS nor PKCS12".to_owned()));
    }
    let store = KeyStore::from_pkcs12(bytes, password, Pkcs12ImportPolicy::Strict)
        .map_err(|error| StoreError::Broken(format!("as PKCS12, with this password: {error}")))?;
    let mut contents = Contents::default();
    let der = |certificate: &p12_keystore::Certificate| {
        CertificateDer::from(certificate.as_der().to_vec())
    };
    for (_, entry) in store.entries() {
        match entry {
            KeyStoreEntry::PrivateKeyChain(chain) => contents.identities.push(Identity {
                chain: chain.certs().iter().map(der).collect(),
                key: PrivatePkcs8KeyDer::from(chain.key().as_der().to_vec()).into(),
            }),
            KeyStoreEntry::Certificate(certificate) => contents.trusted.push(der(certificate)),
            KeyStoreEntry::Secret(_) => {}
        }
    }
    Ok(contents)
}
