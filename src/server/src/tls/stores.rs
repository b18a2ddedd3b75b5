//! Key stores and trust stores, in any of the forms that ZooKeeper reads but BCFKS.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
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
    #[error("it is {0}, and has to be a file")]
    NoFile(&'static str),
    #[error("it has more than {0} bytes")]
    TooLong(u64),
    #[error("the file of its password, {path}: {source}")]
    Password { path: String, source: Box<StoreError> },
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

/// No password is longer.
const PASSWORD_BYTES_MAX: u64 = 64 << 10;

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
    let (bytes, password) = (read(&store.path, STORE_BYTES_MAX)?, password(&store.password)?);
    match store.kind {
        StoreKind::Pem => pem::contents(&bytes, &password),
        // As Java reads both kinds under either name, their first bytes decide.
        StoreKind::Java if jks::is_jks(&bytes) => jks::contents(&bytes, &password),
        StoreKind::Java => pkcs12::contents(&bytes, &password),
    }
}

/// Reads a file, and nothing that looks like one and may never end, or never begin.
fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, StoreError> {
    // Before it is opened, which a device may notice; and of what was opened, if it was exchanged.
    is_file(&fs::metadata(path)?)?;
    // It does not wait for whoever writes a FIFO.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).map_err(io::Error::other)?;
    let file = fs::File::options().read(true).custom_flags(flags).open(path)?;
    is_file(&file.metadata()?)?;
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(StoreError::TooLong(bytes_max));
    }
    Ok(bytes)
}

fn is_file(found: &fs::Metadata) -> Result<(), StoreError> {
    let kind = found.file_type();
    if kind.is_file() {
        return Ok(());
    }
    Err(StoreError::NoFile(if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }))
}

/// A file with a password may end in a line end. (ZooKeeper: `SecretUtils.readSecret`.)
fn password(password: &Password) -> Result<String, StoreError> {
    match password {
        Password::Is(secret) => Ok(secret.reveal().to_owned()),
        Password::InFile(path) => {
            let text = read(path, PASSWORD_BYTES_MAX).and_then(|bytes| {
                String::from_utf8(bytes).map_err(|_| StoreError::Broken("it is no UTF-8".into()))
            });
            let text = text.map_err(|source| StoreError::Password {
                path: path.display().to_string(),
                source: Box::new(source),
            })?;
            Ok(text.trim_end_matches(['\r', '\n']).to_owned())
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
