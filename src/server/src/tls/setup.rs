//! From keys of the configuration and stores to what rustls is told.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ServerConfig, SupportedProtocolVersion, version};
use tracing::warn;
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::asn1_rs::FromDer;

use super::reload::{self, Look};
use super::stores::{self, Identity};
use super::verify::Trust;
use super::{algorithms, ec};
use crate::config::{ClientAuth, StoreFile, TlsKeys, TlsVersions};

/// What one kind of ports has to know: how others are accepted, and how they are dialled.
#[derive(Clone)]
pub(super) struct Configs {
    pub(super) server: Arc<ServerConfig>,
    /// `None`: nobody is trusted, so nobody is dialled.
    pub(super) client: Option<Arc<ClientConfig>>,
}

/// TLS of one kind of ports.
pub(crate) struct Endpoint {
    pub(super) keys: TlsKeys,
    /// What the keys are for, in logs.
    pub(super) what: &'static str,
    current: RwLock<Configs>,
    /// The files before they were read.
    pub(super) looked: Vec<Option<Look>>,
}

impl Endpoint {
    /// # Errors
    /// A store cannot be used: the sentence names it.
    pub(crate) fn open(what: &'static str, keys: &TlsKeys) -> Result<Arc<Self>, String> {
        let looked = reload::look(keys);
        let loaded = load(keys).map_err(|reason| format!("TLS {what}: {reason}"))?;
        loaded.warn(what);
        let current = RwLock::new(loaded.configs);
        Ok(Arc::new(Self { keys: keys.clone(), what, current, looked }))
    }

    pub(super) fn current(&self) -> Configs {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What those get who connect from now on.
    pub(super) fn exchange(&self, loaded: Loaded) {
        loaded.warn(self.what);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = loaded.configs;
    }
}

/// What the stores of a configuration come to.
pub(super) struct Loaded {
    configs: Configs,
    /// What works less than the operator may think.
    warnings: Vec<String>,
}

impl Loaded {
    fn warn(&self, what: &str) {
        for warning in &self.warnings {
            warn!("TLS {what}: {warning}");
        }
    }
}

/// So many certificates of a trust store are named in warnings.
const NAMED_MAX: usize = 10;

pub(super) fn load(keys: &TlsKeys) -> Result<Loaded, String> {
    let provider = Arc::new(provider(&keys.cipher_suites));
    let of_store = |store: &StoreFile, reason: &dyn std::fmt::Display| {
        format!("{}: {reason}", store.path.display())
    };
    let identity =
        stores::identity(&keys.key_store).map_err(|error| of_store(&keys.key_store, &error))?;
    let known = provider.signature_verification_algorithms;
    let own = identity.chain.first().and_then(|own| algorithms::own_signature(own, &known));
    let mut warnings: Vec<String> =
        own.into_iter().map(|warning| of_store(&keys.key_store, &warning)).collect();
    let identity =
        certified(identity, &provider).map_err(|reason| of_store(&keys.key_store, &reason))?;
    let identity = Arc::new(SingleCertAndKey::from(identity));
    let trust = match &keys.trust_store {
        None => None,
        Some(store) => {
            let trusted = stores::trusted(store).map_err(|error| of_store(store, &error))?;
            let useless = useless(&trusted, &known);
            warnings.extend(useless.iter().map(|warning| of_store(store, warning)));
            let trust = Trust::new(trusted, &provider, keys.client_auth);
            Some(Arc::new(trust.map_err(|reason| of_store(store, &reason))?))
        }
    };
    let versions = versions(keys.versions);
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(|error| error.to_string())?;
    let server = match (keys.client_auth, &trust) {
        (ClientAuth::Want | ClientAuth::Need, Some(trust)) => {
            server.with_client_cert_verifier(Arc::clone(trust) as _)
        }
        (ClientAuth::Want | ClientAuth::Need, None) => {
            return Err("there is no trust store for those who connect".to_owned());
        }
        (ClientAuth::None, _) => server.with_no_client_auth(),
    };
    let mut server = server.with_cert_resolver(Arc::clone(&identity) as _);
    // Nothing has to arrive behind the handshake at an end that only sends and closes.
    server.send_tls13_tickets = 0;
    let client = match trust {
        None => None,
        Some(trust) => {
            let client = ClientConfig::builder_with_provider(provider)
                .with_protocol_versions(&versions)
                .map_err(|error| error.to_string())?
                .dangerous()
                .with_custom_certificate_verifier(trust)
                .with_client_cert_resolver(identity);
            Some(Arc::new(client))
        }
    };
    Ok(Loaded { configs: Configs { server: Arc::new(server), client }, warnings })
}

/// The certificates of a trust store that let in less than they say, in few sentences.
fn useless(trusted: &[CertificateDer<'_>], known: &WebPkiSupportedAlgorithms) -> Vec<String> {
    let mut all = trusted.iter().filter_map(|it| algorithms::trusted(it, known));
    let mut named: Vec<String> = all.by_ref().take(NAMED_MAX).collect();
    let more = all.count();
    if more > 0 {
        named.push(format!("{more} more of such trusted certificates"));
    }
    named
}

/// The certificate with its key, if they belong together.
fn certified(
    Identity { chain, key }: Identity,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, String> {
    let own = chain.first().ok_or("its key has no certificate")?;
    let (_, own) = X509Certificate::from_der(own)
        .map_err(|error| format!("its certificate cannot be read: {error}"))?;
    algorithms::own_key(&own)?;
    let public = own.public_key().raw;
    let completed = ec::completed(&key, public);
    let is_completed = completed.is_some();
    let key =
        provider.key_provider.load_private_key(completed.unwrap_or(key)).map_err(|error| {
            // It has the form of a key of this curve, so what is wrong is its number.
            if is_completed { OF_ANOTHER.to_owned() } else { format!("{UNUSABLE}: {error}") }
        })?;
    if key.public_key().is_some_and(|key| key.as_ref() != public) {
        return Err(OF_ANOTHER.to_owned());
    }
    Ok(CertifiedKey::new(chain, key))
}

const OF_ANOTHER: &str = "its private key is not the one of its (first) certificate";

const UNUSABLE: &str =
    "its private key cannot be used, as it is broken or of another kind than its certificate";

/// With these suites; with all if none is named.
fn provider(suites: &[String]) -> CryptoProvider {
    let mut provider = ring::default_provider();
    if !suites.is_empty() {
        let is_named = |name: &str| suites.iter().any(|suite| suite == name);
        provider.cipher_suites.retain(|suite| is_named(&java_name(suite.suite())));
    }
    provider
}

fn versions(versions: TlsVersions) -> Vec<&'static SupportedProtocolVersion> {
    let all = [(versions.v1_3, &version::TLS13), (versions.v1_2, &version::TLS12)];
    all.into_iter().filter_map(|(is_spoken, version)| is_spoken.then_some(version)).collect()
}

/// The suites that are offered, as Java calls them.
pub(crate) fn cipher_suite_names() -> Vec<String> {
    ring::ALL_CIPHER_SUITES.iter().map(|suite| java_name(suite.suite())).collect()
}

/// rustls calls those of TLS 1.3 `TLS13_…`.
fn java_name(suite: rustls::CipherSuite) -> String {
    let name = format!("{suite:?}");
    name.strip_prefix("TLS13_").map_or(name.clone(), |rest| format!("TLS_{rest}"))
}

#[cfg(test)]
mod tests;
