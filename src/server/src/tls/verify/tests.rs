use super::super::stores::tests::certificate;
use super::*;
use rustls::crypto::ring;

/// Within the certificates of `testdata`.
const NOW: UnixTime = UnixTime::since_unix_epoch(std::time::Duration::from_secs(2_000_000_000));

fn trust(names: &[&str]) -> Trust {
    let certificates = names.iter().map(|name| certificate(name)).collect();
    Trust::new(certificates, &Arc::new(ring::default_provider()), ClientAuth::Need).expect("trust")
}

fn verified(trust: &Trust, name: &str, now: UnixTime) -> [Result<(), Error>; 2] {
    let certificate = certificate(name);
    [Role::Client, Role::Server].map(|role| trust.verify(role, &certificate, &[], now))
}

#[test]
fn what_is_signed_by_a_trusted_certificate_is_trusted_whatever_its_version() {
    let trust = trust(&["ca.pem"]);
    for name in ["server-store.pem", "v1-store.pem"] {
        assert_eq!(verified(&trust, name, NOW), [Ok(()), Ok(())], "{name}");
        let late = UnixTime::since_unix_epoch(std::time::Duration::from_secs(9_000_000_000));
        let early = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1));
        for now in [late, early] {
            assert!(verified(&trust, name, now).iter().all(Result::is_err), "{name}");
        }
    }
}

#[test]
fn what_stands_in_the_trust_store_is_trusted_itself() {
    for name in ["v1-store.pem", "server-store.pem", "ca.pem"] {
        assert_eq!(verified(&trust(&[name]), name, NOW), [Ok(()), Ok(())], "{name}");
    }
}

#[test]
fn what_others_have_signed_is_not_trusted() {
    // Of these, neither has signed the other.
    let trust = trust(&["server-store.pem"]);
    for result in verified(&trust, "v1-store.pem", NOW) {
        assert_eq!(result, Err(CertificateError::UnknownIssuer.into()));
    }
    // Signed by a certificate of the same name with another key.
    let same_name = self::trust(&["other-ca.pem"]);
    for name in ["v1-store.pem", "server-store.pem"] {
        assert!(verified(&same_name, name, NOW).iter().all(Result::is_err), "{name}");
    }
}

#[test]
fn a_certificate_of_version_1_with_a_changed_byte_is_not_trusted() {
    let (trust, certificate) = (trust(&["ca.pem"]), certificate("v1-store.pem"));
    for index in 0..certificate.len() {
        let mut changed = certificate.to_vec();
        changed[index] ^= 1;
        let changed = CertificateDer::from(changed);
        assert!(trust.verify(Role::Client, &changed, &[], NOW).is_err(), "byte {index}");
    }
}

mod chains;
