//! Stores as openssl and Java's keytool write them. All hold one RSA key, its certificate and that
//! of its issuer; the files in `testdata` end in a hundred years.

use std::path::PathBuf;

use super::*;
use crate::config::Secret;

pub(in crate::tls) fn file(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/tls/testdata")).join(name)
}

pub(in crate::tls) fn store(name: &str, password: &str) -> StoreFile {
    let kind = if name.ends_with(".pem") { StoreKind::Pem } else { StoreKind::Java };
    StoreFile { path: file(name), kind, password: Password::Is(Secret::new(password)) }
}

pub(in crate::tls) fn certificate(name: &str) -> CertificateDer<'static> {
    let mut found = pem::contents(&fs::read(file(name)).expect("it is there"), "").expect("PEM");
    found.trusted.remove(0)
}

#[test]
fn every_form_of_a_key_store_has_the_same_key_and_chain() {
    let expected = identity(&store("server-store.pem", "")).expect("PEM");
    assert_eq!(expected.chain.len(), 2);
    for name in
        ["encrypted.pem", "pkcs1.pem", "openssl.p12", "legacy.p12", "keytool.p12", "server.jks"]
    {
        let found = identity(&store(name, "password")).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(found.chain[0], expected.chain[0], "{name}");
        let of_issuer = usize::from(!name.ends_with(".pem"));
        assert_eq!(found.chain.len(), 1 + of_issuer, "{name}");
        let spki = |identity: Identity| {
            let provider = rustls::crypto::ring::default_provider();
            let key = provider.key_provider.load_private_key(identity.key).expect("a key");
            key.public_key().expect("known").as_ref().to_vec()
        };
        let own = identity(&store("server-store.pem", "")).expect("PEM");
        assert_eq!(spki(found), spki(own), "{name}");
    }
}

#[test]
fn every_form_of_a_trust_store_has_the_same_certificate() {
    for name in ["ca.pem", "trusted.p12", "trusted.jks"] {
        let found = trusted(&store(name, "password")).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(found, [certificate("ca.pem")], "{name}");
    }
}

#[test]
fn a_store_that_cannot_be_used_is_refused_with_the_reason() {
    let no_key = |name| identity(&store(name, "password")).map(drop);
    let nobody = |name| trusted(&store(name, "password")).map(drop);
    for (found, say) in [
        (identity(&store("server.jks", "guess")).map(drop), "its password is wrong"),
        (identity(&store("keytool.p12", "guess")).map(drop), "as PKCS12, with this password"),
        (identity(&store("encrypted.pem", "guess")).map(drop), "cannot be decrypted"),
        (no_key("old-encrypted.pem"), "`openssl pkcs8 -topk8`"),
        (no_key("otherkey.jks"), "the key \"other\" is protected by another password"),
        (no_key("trusted.jks"), "it holds no private key"),
        (no_key("ca.pem"), "it holds no private key"),
        (no_key("none.pem"), "it cannot be read"),
        (nobody("untrusted.p12"), "-jdktrust"),
        (nobody("keytool.p12"), "it holds no trusted certificate"),
    ] {
        let error = found.expect_err(say).to_string();
        assert!(error.contains(say), "{say}: {error}");
    }
}

#[test]
fn whatever_a_jks_says_is_read_within_its_bytes() {
    let bytes = fs::read(file("server.jks")).expect("it is there");
    let sealed = |mut body: Vec<u8>| {
        use sha1::{Digest, Sha1};
        let password: Vec<u8> = "password".encode_utf16().flat_map(u16::to_be_bytes).collect();
        let sum = Sha1::new().chain_update(password).chain_update("Mighty Aphrodite");
        let sum = sum.chain_update(&body).finalize();
        body.extend_from_slice(&sum);
        body
    };
    let body = &bytes[..bytes.len() - 20];
    assert_eq!(sealed(body.to_vec()), bytes, "the digest is Java's");
    for index in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[index] ^= 1;
        assert!(jks::contents(&flipped, "password").is_err(), "byte {index}");
        assert!(jks::contents(&bytes[..index], "password").is_err(), "{index} bytes");
    }
    // Whoever knows the password may seal anything: it is an error, or something, and ends.
    for index in 0..body.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut changed = body.to_vec();
            changed[index] = value;
            let _ = jks::contents(&sealed(changed), "password");
        }
        assert!(jks::contents(&sealed(body[..index].to_vec()), "password").is_err());
    }
}

#[test]
fn what_is_no_file_is_refused_by_what_it_is_and_does_not_keep_the_reader() {
    let directory = tempfile::tempdir().expect("a directory");
    let fifo = directory.path().join("fifo.pem");
    let socket = directory.path().join("socket.pem");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).expect("made");
    let _socket = std::os::unix::net::UnixListener::bind(&socket).expect("made");
    for (path, kind) in [
        (directory.path(), "a directory"),
        (Path::new("/dev/zero"), "a device"),
        (&socket, "a socket"),
        (&fifo, "a FIFO"),
    ] {
        let at = StoreFile { path: path.to_owned(), ..store("ca.pem", "") };
        let error = trusted(&at).expect_err(kind).to_string();
        assert_eq!(error, format!("it is {kind}, and has to be a file"));
        let at = StoreFile { password: Password::InFile(path.to_owned()), ..store("ca.pem", "") };
        let error = trusted(&at).expect_err(kind).to_string();
        let of = format!("the file of its password, {}: it is {kind}, ", path.display());
        assert!(error.starts_with(&of), "{error}");
    }
}

#[test]
fn a_file_is_read_up_to_its_bound() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("password");
    fs::write(&path, vec![b'a'; PASSWORD_BYTES_MAX as usize + 1]).expect("written");
    let long = Password::InFile(path.clone());
    let error = trusted(&StoreFile { password: long, ..store("ca.pem", "") }).expect_err("long");
    assert!(error.to_string().ends_with("it has more than 65536 bytes"), "{error}");
    fs::File::create(&path).expect("made").set_len(STORE_BYTES_MAX + 1).expect("it has holes");
    let error = trusted(&StoreFile { path, ..store("ca.pem", "") }).expect_err("long");
    assert_eq!(error.to_string(), "it has more than 16777216 bytes");
}

#[test]
fn a_password_in_a_file_may_end_in_a_line_end() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("password");
    for (text, opens) in [("password", true), ("password\r\n", true), ("password ", false)] {
        fs::write(&path, text).expect("written");
        let store =
            StoreFile { password: Password::InFile(path.clone()), ..store("server.jks", "") };
        assert_eq!(identity(&store).is_ok(), opens, "{text:?}");
    }
    let missing = Password::InFile(directory.path().join("none"));
    let error = identity(&StoreFile { password: missing, ..store("server.jks", "") });
    let error = error.expect_err("there is none").to_string();
    assert!(error.starts_with("the file of its password, "), "{error}");
}
