//! The keys of TLS: `ssl.*` for clients, `ssl.quorum.*` for other servers. (ZooKeeper: `X509Util`,
//! `ClientX509Util`, `QuorumX509Util`.)

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::keys::{Entry, Keys, port, wrong};
use super::read::i32_max;
use super::{ClientAddress, ConfigError};

/// What the file says of TLS.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tls {
    /// Where clients are served over TLS only (`secureClientPort`, `secureClientPortAddress`).
    pub secure_client: Option<ClientAddress>,
    /// `client.portUnification`: at the client port, too, if they begin with it.
    pub client_port_unification: bool,
    /// How; present if one of the two is.
    pub client: Option<TlsKeys>,
    /// `outstandingHandshake.limit`: handshakes of clients at a time; `None`: no limit.
    pub outstanding_handshakes_max: Option<u32>,
    /// `X509AuthenticationProvider.superUser`: who may do everything, by the name in its
    /// certificate.
    pub super_user: Option<String>,
    /// `sslQuorum`: other servers are dialled over TLS, and accepted over TLS.
    pub quorum_dials: bool,
    /// `portUnification`: the others are accepted with and without.
    pub quorum_port_unification: bool,
    /// How; present if one of the two is true.
    pub quorum: Option<TlsKeys>,
}

/// The keys of one kind of ports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsKeys {
    /// `keyStore.*`
    pub key_store: StoreFile,
    /// `trustStore.*`; present unless nobody is to be trusted by it.
    pub trust_store: Option<StoreFile>,
    /// `protocol`, `enabledProtocols`.
    pub versions: TlsVersions,
    /// `ciphersuites` that are offered here, as they are written in Java; empty: all.
    pub cipher_suites: Vec<String>,
    /// `clientAuth`
    pub client_auth: ClientAuth,
    /// `hostnameVerification`: whoever is dialled has a certificate of that name.
    pub verifies_server: bool,
    /// `clientHostnameVerification`, where names are verified at all: so has whoever connects.
    pub verifies_client: bool,
    /// `handshakeDetectionTimeoutMillis`: how long the first byte may take.
    pub detection_timeout: Duration,
    /// `client.certReload`, `sslQuorumReloadCertFiles`: stores that change are read again.
    pub reloads: bool,
}

/// Whether those who connect must show a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientAuth {
    /// They are not asked.
    None,
    /// They are asked. What they show has to be trusted.
    Want,
    /// They must.
    Need,
}

/// The versions of TLS that are spoken; one at least.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TlsVersions {
    /// TLSv1.2
    pub v1_2: bool,
    /// TLSv1.3
    pub v1_3: bool,
}

/// A file with keys or certificates.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoreFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub kind: StoreKind,
    /// With what it opens.
    pub password: Password,
}

/// What kind of store a file is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreKind {
    /// PEM.
    Pem,
    /// JKS or PKCS12: under either name Java reads both.
    Java,
}

/// A password, or where it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Password {
    /// It stands in the configuration; empty if none does.
    Is(Secret),
    /// A file has it.
    InFile(PathBuf),
}

/// Not to be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

/// `ssl.handshakeDetectionTimeoutMillis` unless given.
const DETECTION_TIMEOUT_MS: u64 = 5_000;

impl Tls {
    /// Takes the keys. Those of ports that are not there are left: they get a warning.
    pub(super) fn take(keys: &mut Keys) -> Result<Self, ConfigError> {
        let secure_client = secure_client(keys)?;
        let client_port_unification = keys.boolean("client.portUnification", false)?;
        let quorum_dials = keys.boolean("sslQuorum", false)?;
        let quorum_port_unification = keys.boolean("portUnification", false)?;
        let mut this = Self {
            secure_client,
            client_port_unification,
            quorum_dials,
            quorum_port_unification,
            ..Self::default()
        };
        if this.secure_client.is_some() || client_port_unification {
            this.client = Some(TlsKeys::take(keys, &CLIENT)?);
            this.outstanding_handshakes_max = handshakes_max(keys)?;
            this.super_user = keys.take("X509AuthenticationProvider.superUser").map(|it| it.value);
            keys.word("ssl.authProvider", &["x509"])?;
        }
        if quorum_dials || quorum_port_unification {
            this.quorum = Some(TlsKeys::take(keys, &QUORUM)?);
        }
        Ok(this)
    }
}

/// Where one kind of ports differs from the other.
struct Kind {
    prefix: &'static str,
    /// What asks for these keys.
    asked_by: &'static str,
    reload: &'static str,
    /// `clientHostnameVerification` unless given.
    verifies_client: bool,
    /// Others are dialled, too, so somebody has to be trusted.
    dials: bool,
}

const CLIENT: Kind = Kind {
    prefix: "ssl.",
    asked_by: "secureClientPort or client.portUnification",
    reload: "client.certReload",
    verifies_client: false,
    dials: false,
};

const QUORUM: Kind = Kind {
    prefix: "ssl.quorum.",
    asked_by: "sslQuorum or portUnification",
    reload: "sslQuorumReloadCertFiles",
    verifies_client: true,
    dials: true,
};

impl TlsKeys {
    fn take(keys: &mut Keys, kind: &Kind) -> Result<Self, ConfigError> {
        let key = |name: &str| format!("{}{name}", kind.prefix);
        let client_auth = match keys.word(&key("clientAuth"), &["none", "want", "need"])? {
            Some(0) => ClientAuth::None,
            Some(1) => ClientAuth::Want,
            Some(_) | None => ClientAuth::Need,
        };
        let missing = |name: &str, why: &str| {
            let (key, asked_by) = (key(name), kind.asked_by);
            ConfigError::Conflict(format!("{key} is not set, and {asked_by} asks for TLS: {why}"))
        };
        let key_store = store(keys, &key("keyStore."))?;
        let trust_store = store(keys, &key("trustStore."))?;
        if trust_store.is_none() && (kind.dials || client_auth != ClientAuth::None) {
            let why = "it says which certificates are trusted";
            return Err(missing("trustStore.location", why));
        }
        let verifies = keys.boolean(&key("hostnameVerification"), true)?;
        let of_client = keys.boolean(&key("clientHostnameVerification"), kind.verifies_client)?;
        let (versions, cipher_suites) = (versions(keys, &key)?, cipher_suites(keys, &key)?);
        let timeout =
            keys.number(&key("handshakeDetectionTimeoutMillis"), 1..=i32_max(), " (milliseconds)")?;
        Ok(Self {
            key_store: key_store.ok_or_else(|| {
                missing("keyStore.location", "the server's key and certificate are there")
            })?,
            trust_store,
            versions,
            cipher_suites,
            client_auth,
            verifies_server: verifies,
            verifies_client: verifies && of_client,
            detection_timeout: Duration::from_millis(timeout.unwrap_or(DETECTION_TIMEOUT_MS)),
            reloads: keys.boolean(kind.reload, false)?,
        })
    }
}

/// `secureClientPort` and `secureClientPortAddress` (`QuorumPeerConfig.parseProperties`).
fn secure_client(keys: &mut Keys) -> Result<Option<ClientAddress>, ConfigError> {
    let host = keys.take("secureClientPortAddress");
    let number = keys.take("secureClientPort").filter(|entry| entry.value != "0");
    let Some(entry) = number else {
        return match host {
            Some(entry) => {
                let allowed = "only together with secureClientPort";
                Err(wrong("secureClientPortAddress", &entry, allowed))
            }
            None => Ok(None),
        };
    };
    let port = port(&entry.value)
        .ok_or_else(|| wrong("secureClientPort", &entry, "a port from 1 to 65535"))?;
    let host = host.as_ref().map_or(ClientAddress::ANY, |entry| entry.value.as_str());
    Ok(Some(ClientAddress { host: super::read::unbracketed(host).to_owned(), port }))
}

/// Under either of its names.
fn handshakes_max(keys: &mut Keys) -> Result<Option<u32>, ConfigError> {
    let mut limit = |key: &str| {
        let given = keys.positive(key, i32_max(), " (handshakes)", "no limit")?;
        Ok(given.and_then(|number| u32::try_from(number).ok()))
    };
    let (long, short): (Option<u32>, Option<u32>) =
        (limit("netty.server.outstandingHandshake.limit")?, limit("outstandingHandshake.limit")?);
    Ok(long.or(short))
}

/// `location`, `type`, `password`, `passwordPath`.
fn store(keys: &mut Keys, prefix: &str) -> Result<Option<StoreFile>, ConfigError> {
    let mut take = |name: &str| {
        let key = format!("{prefix}{name}");
        keys.take(&key).filter(|entry| !entry.value.is_empty()).map(|entry| (key, entry))
    };
    let (location, kind) = (take("location"), take("type"));
    let (password, file) = (take("password"), take("passwordPath"));
    let Some((key, location)) = location else { return Ok(None) };
    let kind = match kind {
        Some((key, entry)) => kind_by_name(&key, &entry)?,
        None => kind_by_ending(&key, &location)?,
    };
    // The file goes before.
    let password = match (file, password) {
        (Some((_, file)), _) => Password::InFile(file.value.into()),
        (None, Some((_, entry))) => Password::Is(Secret::new(entry.value)),
        (None, None) => Password::Is(Secret::new("")),
    };
    Ok(Some(StoreFile { path: location.value.into(), kind, password }))
}

fn kind_by_name(key: &str, entry: &Entry) -> Result<StoreKind, ConfigError> {
    match entry.value.to_ascii_uppercase().as_str() {
        "PEM" => Ok(StoreKind::Pem),
        "JKS" | "PKCS12" => Ok(StoreKind::Java),
        _ => Err(wrong(key, entry, "JKS, PKCS12 or PEM (BCFKS is not read here)")),
    }
}

/// (ZooKeeper: `KeyStoreFileType.fromFilename`.)
fn kind_by_ending(key: &str, entry: &Entry) -> Result<StoreKind, ConfigError> {
    let ends = |ending: &str| entry.value.ends_with(ending);
    if ends(".pem") {
        Ok(StoreKind::Pem)
    } else if ends(".jks") || ends(".p12") {
        Ok(StoreKind::Java)
    } else {
        let kind = format!("{}type", key.trim_end_matches("location"));
        let allowed = format!(
            "a file that ends in .jks, .p12 or .pem, or any other together with {kind}=JKS, \
             PKCS12 or PEM (BCFKS is not read here)"
        );
        Err(wrong(key, entry, allowed))
    }
}

/// What the file names is spoken and nothing else; both, if it names nothing or leaves it to `TLS`.
/// Versions before 1.2 are left out; if nothing is left, the file cannot be meant.
///
/// (ZooKeeper: `X509Util.getDefaultTlsProtocol`, `SSLContextAndOptions.getEnabledProtocols`. There
/// nothing means TLS 1.3 alone, in 3.8 and on old Java TLS 1.2 alone, and with `TLS` no handshake
/// succeeds.)
fn versions(keys: &mut Keys, key: &impl Fn(&str) -> String) -> Result<TlsVersions, ConfigError> {
    const ALL: TlsVersions = TlsVersions { v1_2: true, v1_3: true };
    let allowed = "TLSv1.2 or TLSv1.3 (older versions are not spoken here)";
    let protocol = key("protocol");
    let by_protocol = match keys.take(&protocol) {
        None => ALL,
        Some(entry) => match entry.value.as_str() {
            "TLS" => ALL,
            "TLSv1.2" => TlsVersions { v1_2: true, v1_3: false },
            "TLSv1.3" => TlsVersions { v1_2: false, v1_3: true },
            _ => return Err(wrong(&protocol, &entry, allowed)),
        },
    };
    let enabled = key("enabledProtocols");
    let Some(entry) = keys.take(&enabled) else { return Ok(by_protocol) };
    let mut versions = TlsVersions { v1_2: false, v1_3: false };
    for name in listed(&entry) {
        match name {
            "TLSv1.2" => versions.v1_2 = true,
            "TLSv1.3" => versions.v1_3 = true,
            "TLSv1.1" | "TLSv1" | "SSLv3" | "SSLv2Hello" => {
                keys.warnings.push(format!("{enabled}: {name} is not spoken here"));
            }
            _ => return Err(wrong(&enabled, &entry, allowed)),
        }
    }
    if versions.v1_2 || versions.v1_3 {
        Ok(versions)
    } else {
        Err(wrong(&enabled, &entry, allowed))
    }
}

/// Suites that are not offered here, all of them weaker, are left out with a warning.
fn cipher_suites(
    keys: &mut Keys,
    key: &impl Fn(&str) -> String,
) -> Result<Vec<String>, ConfigError> {
    let (name, other) = (key("ciphersuites"), key("cipherSuites"));
    let Some((name, entry)) = keys
        .take(&name)
        .map(|entry| (name, entry))
        .or_else(|| keys.take(&other).map(|entry| (other, entry)))
    else {
        return Ok(Vec::new());
    };
    let offered = crate::tls::cipher_suite_names();
    let (known, unknown): (Vec<&str>, Vec<&str>) =
        listed(&entry).partition(|name| offered.iter().any(|offered| offered == name));
    if known.is_empty() {
        return Err(wrong(&name, &entry, format!("some of {}", offered.join(", "))));
    }
    if !unknown.is_empty() {
        let warning = format!("{name}: {} not offered here", unknown.join(", "));
        keys.warnings.push(warning);
    }
    Ok(known.into_iter().map(str::to_owned).collect())
}

fn listed(entry: &Entry) -> impl Iterator<Item = &str> {
    entry.value.split(',').map(str::trim).filter(|name| !name.is_empty())
}
