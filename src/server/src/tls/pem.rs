//! PEM: private key and certificates, one after the other in one file.

use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
};
use x509_parser::pem::Pem;

use super::stores::{Contents, Identity, StoreError};

/// Every certificate counts as trusted; together they are the chain of the key, if there is one.
pub(super) fn contents(bytes: &[u8], password: &str) -> Result<Contents, StoreError> {
    if is_encrypted(bytes) {
        return Err(StoreError::Broken(
            "its key is encrypted in the form of old OpenSSL: `openssl pkcs8 -topk8` makes one in \
             PKCS8 of it"
                .to_owned(),
        ));
    }
    let (mut key, mut certificates) = (None, Vec::new());
    for block in Pem::iter_from_buffer(bytes) {
        let block = block.map_err(|error| StoreError::Broken(format!("it is no PEM: {error}")))?;
        let found: PrivateKeyDer<'static> = match block.label.as_str() {
            "CERTIFICATE" | "X509 CERTIFICATE" | "X.509 CERTIFICATE" => {
                certificates.push(CertificateDer::from(block.contents));
                continue;
            }
            "PRIVATE KEY" => PrivatePkcs8KeyDer::from(block.contents).into(),
            "RSA PRIVATE KEY" => PrivatePkcs1KeyDer::from(block.contents).into(),
            "EC PRIVATE KEY" => PrivateSec1KeyDer::from(block.contents).into(),
            "ENCRYPTED PRIVATE KEY" => decrypted(&block.contents, password)?,
            // Such as EC PARAMETERS.
            _ => continue,
        };
        key.get_or_insert(found);
    }
    let identities = match key {
        Some(key) if !certificates.is_empty() => {
            vec![Identity { chain: certificates.clone(), key }]
        }
        Some(_) | None => Vec::new(),
    };
    Ok(Contents { identities, trusted: certificates })
}

/// The headers of RFC 1421 that OpenSSL wrote before PKCS8.
fn is_encrypted(bytes: &[u8]) -> bool {
    const HEADER: &[u8] = b"Proc-Type: 4,ENCRYPTED";
    bytes.windows(HEADER.len()).any(|window| window == HEADER)
}

fn decrypted(der: &[u8], password: &str) -> Result<PrivateKeyDer<'static>, StoreError> {
    let encrypted = EncryptedPrivateKeyInfoRef::try_from(der)
        .map_err(|error| StoreError::Broken(format!("its encrypted key: {error}")))?;
    let key = encrypted.decrypt(password).map_err(|error| {
        StoreError::Broken(format!("its key cannot be decrypted by its password: {error}"))
    })?;
    Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into())
}
