//! The stores `ec-*` hold the same key for each curve; `testdata/make.sh` says how they were made.

use rustls::pki_types::{PrivateKeyDer, PrivateSec1KeyDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::asn1_rs::FromDer;

use super::*;
use crate::tls::stores::tests::store;
use crate::tls::stores::{self, Identity};

fn loads(key: PrivateKeyDer<'static>) -> Option<Vec<u8>> {
    let provider = rustls::crypto::ring::default_provider();
    let key = provider.key_provider.load_private_key(key).ok()?;
    Some(key.public_key()?.as_ref().to_vec())
}

fn public(identity: &Identity) -> Vec<u8> {
    let (_, own) = X509Certificate::from_der(&identity.chain[0]).expect("a certificate");
    own.public_key().raw.to_vec()
}

#[test]
fn a_key_without_its_public_part_gets_it_from_the_certificate() {
    for curve in ["p256", "p384"] {
        for form in [".p12", ".jks", "-pkcs8.pem", "-sec1.pem", "-whole.pem"] {
            let name = format!("ec-{curve}{form}");
            let identity = stores::identity(&store(&name, "password")).expect(&name);
            let public = public(&identity);
            let has_it = form == "-whole.pem";
            assert_eq!(loads(identity.key.clone_key()).is_some(), has_it, "{name}: ring's view");
            let whole = completed(&identity.key, &public).expect(&name);
            assert_eq!(loads(whole), Some(public), "{name}");
        }
    }
}

#[test]
fn a_key_of_another_certificate_is_not_taken_for_the_one_of_this() {
    let of = |name| stores::identity(&store(name, "password")).expect(name);
    let (p256, p384, rsa) = (of("ec-p256.p12"), of("ec-p384.p12"), of("keytool.p12"));
    assert!(completed(&p256.key, &public(&p384)).is_none(), "another curve");
    assert!(completed(&rsa.key, &public(&p256)).is_none(), "no EC key");
    assert!(completed(&p256.key, &public(&rsa)).is_none(), "no certificate of an EC key");
    let other = stores::identity(&store("kind-p256-sha512.pem", "")).expect("PEM");
    let whole = completed(&p256.key, &public(&other)).expect("the same curve");
    assert!(loads(whole).is_none(), "ring compares the two");
}

#[test]
fn a_number_may_be_shorter_or_longer_than_its_curve_by_zeros() {
    let identity = stores::identity(&store("ec-p256-sec1.pem", "")).expect("PEM");
    let public = public(&identity);
    let PrivateKeyDer::Sec1(key) = &identity.key else { panic!("it is SEC1") };
    let key = EcPrivateKey::try_from(key.secret_sec1_der()).expect("a key");
    let mut longer = vec![0, 0];
    longer.extend_from_slice(key.private_key);
    let longer = EcPrivateKey { private_key: &longer, ..key.clone() }.to_der().expect("DER");
    let key = PrivateKeyDer::from(PrivateSec1KeyDer::from(longer));
    let whole = completed(&key, &public).expect("it is the same");
    assert_eq!(loads(whole), Some(public.clone()));

    assert_eq!(padded(&[7], 3), Some(vec![0, 0, 7]));
    assert_eq!(padded(&[1, 2, 3, 4], 3), None);
    for bytes in [&b""[..], &[0x30], &[0x30, 0x80, 0, 0]] {
        let key = PrivateKeyDer::from(PrivateSec1KeyDer::from(bytes.to_vec()));
        assert!(completed(&key, &public).is_none(), "{bytes:?}");
    }
}
