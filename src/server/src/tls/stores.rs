//! Key stores and trust stores, in any of the forms that ZooKeeper reads but BCFKS.

use std::fs;
use std::io;
use std::path::Path;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

use super::{jks, pem, pkcs12};
use crate::config::{Password, StoreFile, StoreKind};

/// What a server proves with who it is.
#[derive(Debug)]
pub(super) struct Identity {
    /// The server's certificate, and then those of its issuers.
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

/// What a store holds.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// In the order of the store.
    pub(super) identities: Vec<Identity>,
    pub(super) trusted: Vec<CertificateDer<'static>>,
}

/// Why a store cannot be used.
#[derive(Error, Debug)]
pub(super) enum StoreError {
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error("it has {found} bytes, at most {STORE_BYTES_MAX} are read")]
    TooLong { found: u64 },
    #[error("the file of its password, {path}: {source}")]
    Password { path: String, source: io::Error },
    #[error("{0}")]
    Broken(String),
    #[error("its password is wrong, or it was changed: the digest over its content does not match")]
    Digest,
    #[error("the key {alias:?} is protected by another password than the store")]
    KeyPassword { alias: String },
    #[error("it holds no private key with a certificate")]
    NoKey,
    #[error("it holds no trusted certificate{0}")]
    NothingTrusted(&'static str),
}

/// No store is larger: a certificate has a few KiB.
pub(super) const STORE_BYTES_MAX: u64 = 16 << 20;

/// The first key of a store, with its certificates.
pub(super) fn identity(store: &StoreFile) -> Result<Identity, StoreError> {
    contents(store)?.identities.into_iter().next().ok_or(StoreError::NoKey)
}

/// The certificates of a store that are trusted.
pub(super) fn trusted(store: &StoreFile) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    let trusted = contents(store)?.trusted;
    if !trusted.is_empty() {
        return Ok(trusted);
    }
    Err(StoreError::NothingTrusted(match store.kind {
        StoreKind::Pem => "",
        StoreKind::Java => {
            " (in PKCS12, Java's keytool marks trusted certificates, and openssl does so with -jdktrust)"
        }
    }))
}

fn contents(store: &StoreFile) -> Result<Contents, StoreError> {
    let (bytes, password) = (read(&store.path)?, password(&store.password)?);
    match store.kind {
        StoreKind::Pem => pem::contents(&bytes, &password),
        // As Java reads both kinds under either name, their first bytes decide.
        StoreKind::Java if jks::is_jks(&bytes) => jks::contents(&bytes, &password),
        StoreKind::Java => pkcs12::contents(&bytes, &password),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, StoreError> {
    let found = fs::metadata(path)?.len();
    if found > STORE_BYTES_MAX {
        return Err(StoreError::TooLong { found });
    }
    Ok(fs::read(path)?)
}

/// A file with a password may end in a line end. (ZooKeeper: `SecretUtils.readSecret`.)
fn password(password: &Password) -> Result<String, StoreError> {
    match password {
        Password::Is(secret) => Ok(secret.reveal().to_owned()),
        Password::InFile(path) => {
            let text = fs::read_to_string(path);
            let text = text.map_err(|source| StoreError::Password {
                path: path.display().to_string(),
                source,
            })?;
            Ok(text.trim_end_matches(['\r', '\n']).to_owned())
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
