//! The keys about who clients are.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use node::{Access, DigestAlgorithm, Secret};
use znode::AclSchemes;

use super::ConfigError;
use super::jaas::{self, Module};
use super::keys::{Keys, wrong};
use super::system::JAAS_FILE;

/// How clients prove who they are, and which schemes may stand in ACLs. `has_certificates`: clients
/// may come over TLS.
pub(super) fn read(
    keys: &mut Keys,
    read: impl Fn(&Path) -> io::Result<Vec<u8>>,
    has_certificates: bool,
) -> Result<(Access, AclSchemes), ConfigError> {
    let digest = digest(keys)?;
    let super_digest = secret(keys, "DigestAuthenticationProvider.superDigest");
    let sasl = users(keys, read)?;
    let providers = providers(keys)?;
    let schemes = AclSchemes {
        digest: digest.is_some(),
        sasl: sasl.is_some() || providers.sasl,
        x509: has_certificates || providers.x509,
    };
    let super_users = keys.take_prefixed("superUser").into_iter();
    let access = Access {
        digest,
        super_digest,
        sasl,
        super_users: super_users.map(|(_, entry)| entry.value).collect(),
        keeps_failed_sasl: keys.boolean("allowSaslFailedClients", false)?,
        required_schemes: required(keys, schemes)?,
    };
    Ok((access, schemes))
}

fn digest(keys: &mut Keys) -> Result<Option<DigestAlgorithm>, ConfigError> {
    const WORDS: [&str; 5] = ["SHA1", "SHA-1", "SHA-256", "SHA-384", "SHA-512"];
    let algorithm = match keys.word("DigestAuthenticationProvider.digestAlg", &WORDS)? {
        Some(2) => DigestAlgorithm::Sha256,
        Some(3) => DigestAlgorithm::Sha384,
        Some(4) => DigestAlgorithm::Sha512,
        Some(_) | None => DigestAlgorithm::Sha1,
    };
    let is_enabled = keys.boolean("DigestAuthenticationProvider.enabled", true)?;
    Ok(is_enabled.then_some(algorithm))
}

fn secret(keys: &mut Keys, key: &str) -> Option<Secret> {
    keys.take(key).map(|entry| Secret(entry.value)).filter(|secret| !secret.0.is_empty())
}

/// The users of SASL, from the section of a JAAS file that the server is told to take.
fn users(
    keys: &mut Keys,
    read: impl Fn(&Path) -> io::Result<Vec<u8>>,
) -> Result<Option<BTreeMap<String, Secret>>, ConfigError> {
    let section = keys.take("sasl.serverconfig").map(|entry| entry.value);
    let super_password = secret(keys, "SASLAuthenticationProvider.superPassword");
    let Some(file) = keys.take(JAAS_FILE).map(|entry| PathBuf::from(entry.value)) else {
        return match section {
            None => Ok(None),
            Some(section) => Err(ConfigError::Conflict(format!(
                "sasl.serverconfig={section}, and {JAAS_FILE} does not say in which file it is"
            ))),
        };
    };
    let source = |source| ConfigError::Read { path: file.clone(), source };
    let text = read(&file).map_err(source)?;
    let sections = jaas::parse(&String::from_utf8_lossy(&text))
        .map_err(|error| ConfigError::Conflict(format!("{}: {error}", file.display())))?;
    let name = section.as_deref().unwrap_or("Server");
    let Some(modules) = sections.get(name) else {
        // Whoever names a section wants it; ZooKeeper's scripts name a file for clients, too.
        if section.is_some() {
            return Err(ConfigError::Conflict(format!("{}: no section {name}", file.display())));
        }
        let warning = format!("{}: no section {name}, so SASL is not offered", file.display());
        keys.warnings.push(warning);
        return Ok(None);
    };
    let mut users = BTreeMap::new();
    for Module { class, options } in modules {
        if class != "org.apache.zookeeper.server.auth.DigestLoginModule" {
            return Err(ConfigError::Conflict(format!(
                "{}: section {name}: {class} is not supported: clients prove who they are by \
                 DIGEST-MD5 only, with org.apache.zookeeper.server.auth.DigestLoginModule",
                file.display()
            )));
        }
        for (option, password) in options {
            let Some(user) = option.strip_prefix("user_") else { continue };
            if user.contains('@') {
                return Err(ConfigError::Conflict(format!(
                    "{}: section {name}: found `{user}`, allowed: a name without a realm",
                    file.display()
                )));
            }
            let password = match &super_password {
                Some(password) if user == "super" => password.clone(),
                Some(_) | None => Secret(password.clone()),
            };
            users.insert(user.to_owned(), password);
        }
    }
    Ok(Some(users))
}

/// What `authProvider.*` asks for beside what there is anyway.
struct Providers {
    sasl: bool,
    x509: bool,
}

fn providers(keys: &mut Keys) -> Result<Providers, ConfigError> {
    const PACKAGE: &str = "org.apache.zookeeper.server.auth.";
    let mut providers = Providers { sasl: false, x509: false };
    for (key, entry) in keys.take_prefixed("authProvider") {
        match entry.value.strip_prefix(PACKAGE) {
            Some("SASLAuthenticationProvider") => providers.sasl = true,
            Some("X509AuthenticationProvider") => providers.x509 = true,
            Some("DigestAuthenticationProvider" | "IPAuthenticationProvider") => {}
            Some(_) | None => {
                let allowed = format!(
                    "SASLAuthenticationProvider, X509AuthenticationProvider, \
                     DigestAuthenticationProvider or IPAuthenticationProvider of {PACKAGE}"
                );
                return Err(wrong(&key, &entry, allowed));
            }
        }
    }
    Ok(providers)
}

/// The schemes of which a client must have proved one. (`AuthenticationHelper`.)
fn required(keys: &mut Keys, schemes: AclSchemes) -> Result<Vec<String>, ConfigError> {
    let needs_sasl = keys.boolean("sessionRequireClientSASLAuth", false)?;
    let is_enforced = keys.boolean("enforce.auth.enabled", false)?;
    let listed = keys.take("enforce.auth.schemes").map_or_else(String::new, |entry| entry.value);
    let listed: Vec<String> =
        listed.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect();
    let required = match (needs_sasl, is_enforced) {
        (true, _) => vec!["sasl".to_owned()],
        (false, true) => listed,
        (false, false) => return Ok(Vec::new()),
    };
    if required.is_empty() {
        return Err(ConfigError::Missing {
            key: "enforce.auth.schemes",
            why: "enforce.auth.enabled=true",
        });
    }
    for scheme in &required {
        let is_known = match scheme.as_str() {
            "ip" => true,
            "digest" => schemes.digest,
            "sasl" => schemes.sasl,
            "x509" => schemes.x509,
            _ => false,
        };
        if !is_known {
            return Err(ConfigError::Conflict(format!(
                "clients must prove who they are by scheme {scheme}, which is not offered"
            )));
        }
    }
    Ok(required)
}
