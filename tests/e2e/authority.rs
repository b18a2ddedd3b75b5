//! Who issues certificates, and the files in which servers and clients keep them.

use std::fs;
use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use tempfile::TempDir;

/// Issues certificates; its own is trusted.
pub(crate) struct Authority {
    directory: TempDir,
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

/// A key and its certificate, in files of their own and in one file, all PEM.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) key: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) store: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = named("issuer", &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        let directory = TempDir::with_prefix("vivarium-tls-").expect("a directory");
        let this = Self { directory, issuer: Issuer::new(params, key), certificate };
        fs::write(this.trust_store(), &this.certificate).expect("written");
        this
    }

    /// A file with the certificate that is trusted.
    pub(crate) fn trust_store(&self) -> PathBuf {
        self.path("trust.pem")
    }

    /// A file of this authority.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A certificate for these hosts. Files of the same name are replaced.
    pub(crate) fn issue(&self, name: &str, hosts: &[&str]) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let certificate = named(name, hosts).signed_by(&key, &self.issuer).expect("a certificate");
        let file = |kind: &str| self.path(&format!("{name}-{kind}.pem"));
        let identity =
            Identity { key: file("key"), certificate: file("certificate"), store: file("store") };
        let (key, certificate) = (key.serialize_pem(), certificate.pem());
        fs::write(&identity.key, &key).expect("written");
        fs::write(&identity.certificate, &certificate).expect("written");
        fs::write(&identity.store, key + &certificate).expect("written");
        identity
    }

    /// The keys of a port on which this authority is trusted; `prefix` is `ssl.` or `ssl.quorum.`.
    pub(crate) fn keys(&self, prefix: &str, identity: &Identity) -> String {
        format!(
            "{prefix}keyStore.location={}\n{prefix}trustStore.location={}\n",
            identity.store.display(),
            self.trust_store().display()
        )
    }
}

fn named(name: &str, hosts: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let san = |host: &&str| match host.parse() {
        Ok(address) => SanType::IpAddress(address),
        Err(_) => SanType::DnsName((*host).try_into().expect("ASCII")),
    };
    params.subject_alt_names = hosts.iter().map(san).collect();
    params
}
