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
        let mut params = named("issuer", &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self::of(params, KeyPair::generate().expect("a key"))
    }

    /// One who has signed its own certificate, for these hosts, which does not say that it may
    /// sign others; with that certificate.
    pub(crate) fn without_right(name: &str, hosts: &[&str]) -> (Self, Identity) {
        let mut params = named(name, hosts);
        params.is_ca = IsCa::ExplicitNoCa;
        let key = KeyPair::generate().expect("a key");
        let text = key.serialize_pem();
        let this = Self::of(params, key);
        let identity = this.write(name, &text, &this.certificate);
        (this, identity)
    }

    fn of(params: CertificateParams, key: KeyPair) -> Self {
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
        self.write(name, &key.serialize_pem(), &certificate.pem())
    }

    fn write(&self, name: &str, key: &str, certificate: &str) -> Identity {
        let file = |kind: &str| self.path(&format!("{name}-{kind}.pem"));
        let identity =
            Identity { key: file("key"), certificate: file("certificate"), store: file("store") };
        fs::write(&identity.key, key).expect("written");
        fs::write(&identity.certificate, certificate).expect("written");
        fs::write(&identity.store, key.to_owned() + certificate).expect("written");
        identity
    }

    /// Adds the certificate of another to the file with those that are trusted.
    pub(crate) fn trust(&self, other: &Self) {
        let trusted = fs::read_to_string(self.trust_store()).expect("it is there");
        fs::write(self.trust_store(), trusted + &other.certificate).expect("written");
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
