//! Handshakes without a network, between two ends that are told what a configuration says.

use std::fs;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConnection, ServerConnection};

use super::super::stores::tests::{certificate, file, store};
use super::*;

fn keys(identity: &str, trusted: &str) -> TlsKeys {
    TlsKeys {
        key_store: store(identity, ""),
        trust_store: Some(store(trusted, "")),
        versions: TlsVersions { v1_2: true, v1_3: true },
        cipher_suites: Vec::new(),
        client_auth: ClientAuth::Need,
        verifies_server: true,
        verifies_client: true,
        detection_timeout: Duration::from_secs(5),
        reloads: false,
    }
}

/// The two ends once all is said, or what the one that refuses says.
fn shake_hands(
    client: &TlsKeys,
    server: &TlsKeys,
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let client = load(client).expect("a client").configs.client.expect("it trusts somebody");
    let server = load(server).expect("a server").configs.server;
    let name = ServerName::try_from("zoo1.example.com").expect("a name");
    let mut client = ClientConnection::new(client, name).expect("a client");
    let mut server = ServerConnection::new(server).expect("a server");
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).expect("into memory");
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            server.read_tls(&mut rest).expect("from memory");
            server.process_new_packets()?;
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).expect("into memory");
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).expect("from memory");
            client.process_new_packets()?;
        }
    }
    Ok((client, server))
}

#[test]
fn both_ends_prove_who_they_are_in_either_version_with_certificates_of_either_kind() {
    for versions in [(true, false), (false, true)] {
        for (own, other) in
            [("v1-store.pem", "server-store.pem"), ("server-store.pem", "v1-store.pem")]
        {
            let (v1_2, v1_3) = versions;
            let with = |keys| TlsKeys { versions: TlsVersions { v1_2, v1_3 }, ..keys };
            let (client, server) =
                shake_hands(&with(keys(own, "ca.pem")), &with(keys(other, "ca.pem")))
                    .unwrap_or_else(|error| panic!("{versions:?} {own}: {error}"));
            let expected = if v1_3 { &version::TLS13 } else { &version::TLS12 };
            assert_eq!(server.protocol_version(), Some(expected.version));
            let shown = |certificates: Option<&[CertificateDer<'static>]>| {
                certificates.map(|shown| shown[0].clone())
            };
            assert_eq!(shown(server.peer_certificates()), Some(certificate(own)));
            assert_eq!(shown(client.peer_certificates()), Some(certificate(other)));
        }
    }
}

#[test]
fn a_server_shows_the_ec_certificate_of_any_store_in_either_version() {
    for name in ["ec-p256.p12", "ec-p384.jks", "ec-p256-pkcs8.pem", "ec-p384-sec1.pem"] {
        for (v1_2, v1_3) in [(true, false), (false, true)] {
            let with = |keys| TlsKeys { versions: TlsVersions { v1_2, v1_3 }, ..keys };
            let own = TlsKeys {
                key_store: store(name, "password"),
                client_auth: ClientAuth::None,
                ..keys("server-store.pem", "ca.pem")
            };
            let trusted = format!("{}-pkcs8.pem", &name[..7]);
            let client = keys("server-store.pem", &trusted);
            shake_hands(&with(client), &with(own))
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("mixed.pem");
    let read = |name| fs::read_to_string(file(name)).expect("it is there");
    let (own, other) = (read("ec-p256-sec1.pem"), read("kind-p256-sha512.pem"));
    let (own, other) = (own.split_once("-----BEGIN CERT"), other.split_once("-----BEGIN CERT"));
    let mixed = format!("{}-----BEGIN CERT{}", own.expect("a key").0, other.expect("one").1);
    fs::write(&path, mixed).expect("written");
    let mut mixed = keys("server-store.pem", "ca.pem");
    mixed.key_store.path = path;
    let error = load(&mixed).map(drop).expect_err("they do not belong together");
    assert!(error.contains("its private key is not the one of its (first) certificate"), "{error}");
}

#[test]
fn what_ring_cannot_do_is_an_error_for_the_own_key_and_a_warning_for_a_trusted_one() {
    let loaded = load(&keys("server-store.pem", "ca.pem")).expect("they are good");
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    for (name, kind) in [("kind-p521.pem", "EC on P-521"), ("kind-rsa1024.pem", "RSA of 1024 bits")]
    {
        let error = load(&keys(name, "ca.pem")).map(drop).expect_err(name);
        assert!(error.contains(&format!("{name}: its key, {kind}, cannot be used")), "{error}");
        let loaded = load(&keys("server-store.pem", name)).expect("it may be of no use");
        let [warning] = &loaded.warnings[..] else { panic!("{:?}", loaded.warnings) };
        assert!(warning.contains(&format!("{name}: the trusted certificate CN=")), "{warning}");
        assert!(warning.contains(kind), "{warning}");
    }
    // It is of use for the others, who may verify what is not verified here.
    let loaded = load(&keys("kind-p256-sha512.pem", "kind-p256-sha512.pem")).expect("a key");
    assert_eq!(loaded.warnings.len(), 2, "{:?}", loaded.warnings);
    assert!(loaded.warnings.iter().all(|it| it.contains("SHA-512 and ECDSA")));
}

#[test]
fn many_certificates_that_are_of_no_use_take_few_lines() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("many.pem");
    let useless = fs::read_to_string(file("kind-p521.pem")).expect("it is there");
    fs::write(&path, useless.repeat(100)).expect("written");
    let mut keys = keys("server-store.pem", "ca.pem");
    keys.trust_store.as_mut().expect("there is one").path = path;
    let loaded = load(&keys).expect("they are read");
    assert_eq!(loaded.warnings.len(), NAMED_MAX + 1);
    assert!(loaded.warnings[NAMED_MAX].contains("90 more of such"), "{:?}", loaded.warnings);
}

#[test]
fn whoever_is_not_trusted_is_refused_at_both_ends_in_either_version() {
    for (v1_2, v1_3) in [(true, false), (false, true)] {
        let with = |keys| TlsKeys { versions: TlsVersions { v1_2, v1_3 }, ..keys };
        let (good, distrusting) =
            (with(keys("server-store.pem", "ca.pem")), with(keys("v1-store.pem", "other-ca.pem")));
        for (client, server) in [(&good, &distrusting), (&distrusting, &good)] {
            let error = shake_hands(client, server).expect_err("not trusted");
            assert!(matches!(error, rustls::Error::InvalidCertificate(_)), "{error}");
        }
    }
}

#[test]
fn only_the_named_suites_and_versions_are_offered() {
    let suite = "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384";
    let named =
        TlsKeys { cipher_suites: vec![suite.to_owned()], ..keys("server-store.pem", "ca.pem") };
    let all = keys("v1-store.pem", "ca.pem");
    let (client, _) = shake_hands(&all, &named).expect("they have one");
    let negotiated = client.negotiated_cipher_suite().expect("one").suite();
    assert_eq!(java_name(negotiated), suite);
    let other = TlsKeys { versions: TlsVersions { v1_2: false, v1_3: true }, ..all };
    assert!(shake_hands(&other, &named).is_err(), "they have no version in common");
}

#[test]
fn suites_are_called_as_in_java() {
    let names = cipher_suite_names();
    for name in [
        "TLS_AES_128_GCM_SHA256",
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    ] {
        assert!(names.iter().any(|known| known == name), "{name}: {names:?}");
    }
}
