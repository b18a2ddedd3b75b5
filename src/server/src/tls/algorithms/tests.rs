//! The stores `kind-*` hold a key and a certificate that it has signed; `testdata/make.sh` says how
//! they were made.

use super::*;
use crate::tls::stores::tests::certificate;

fn known() -> WebPkiSupportedAlgorithms {
    rustls::crypto::ring::default_provider().signature_verification_algorithms
}

fn own(name: &str) -> Result<(), String> {
    let der = certificate(name);
    let (_, certificate) = X509Certificate::from_der(&der).expect("a certificate");
    own_key(&certificate)
}

#[test]
fn a_key_that_ring_cannot_sign_with_is_named() {
    for (name, kind) in [
        ("kind-p521.pem", "EC on P-521"),
        ("kind-secp256k1.pem", "EC on secp256k1"),
        ("kind-ed448.pem", "Ed448"),
        ("kind-dsa.pem", "DSA"),
        ("kind-pss.pem", "RSA for RSASSA-PSS only"),
        ("kind-rsa1024.pem", "RSA of 1024 bits"),
        ("kind-rsa2304.pem", "RSA of 2304 bits"),
        ("kind-rsa8192.pem", "RSA of 8192 bits"),
        ("kind-exponent3.pem", "RSA of 2048 bits with the exponent 3"),
    ] {
        let error = own(name).expect_err(name);
        assert!(error.starts_with(&format!("its key, {kind}, cannot be used here: ")), "{error}");
    }
    for name in ["server-store.pem", "ec-p256-whole.pem", "ec-p384-whole.pem"] {
        assert_eq!(own(name), Ok(()), "{name}");
    }
}

#[test]
fn a_trusted_certificate_by_which_nobody_can_come_in_is_named() {
    for (name, kind) in [
        ("kind-p521.pem", "EC on P-521"),
        ("kind-secp256k1.pem", "EC on secp256k1"),
        ("kind-ed448.pem", "Ed448"),
        ("kind-dsa.pem", "DSA"),
        ("kind-pss.pem", "RSA for RSASSA-PSS only"),
        ("kind-rsa1024.pem", "RSA of 1024 bits"),
        ("kind-rsa8200.pem", "RSA of 8200 bits"),
    ] {
        let warning = trusted(&certificate(name), &known()).expect(name);
        let subject = name.trim_start_matches("kind-").trim_end_matches(".pem");
        let expected = format!("the trusted certificate CN={subject}: its key, {kind}, cannot be ");
        assert!(warning.starts_with(&expected), "{warning}");
        assert!(warning.contains("nobody whom it signed can come in"), "{warning}");
    }
    for (name, algorithm) in [
        ("kind-p256-sha512.pem", "SHA-512 and ECDSA, by its key, EC on P-256"),
        ("kind-rsa-sha1.pem", "SHA-1 and RSA, by its key, RSA of 2048 bits"),
    ] {
        let warning = trusted(&certificate(name), &known()).expect(name);
        assert!(warning.contains(&format!("has signed itself with {algorithm}: ")), "{warning}");
        let warning = own_signature(&certificate(name), &known()).expect(name);
        assert!(warning.contains("servers like this one do so only if"), "{warning}");
    }
    for name in ["kind-rsa2304.pem", "kind-rsa8192.pem", "kind-exponent3.pem", "ca.pem"] {
        assert_eq!(trusted(&certificate(name), &known()), None, "{name}");
    }
}
