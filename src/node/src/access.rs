//! What the configuration says about who clients are.

use std::collections::BTreeMap;
use std::fmt;

/// How clients prove who they are, and what they get for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Access {
    /// The hash of a user's name and password (`DigestAuthenticationProvider.digestAlg`); `None`:
    /// nobody proves anything by scheme `digest` (`DigestAuthenticationProvider.enabled=false`).
    pub digest: Option<DigestAlgorithm>,
    /// Who may do everything, as `user:hash` (`DigestAuthenticationProvider.superDigest`).
    pub super_digest: Option<Secret>,
    /// The users of SASL with their passwords; `None`: SASL is not offered.
    pub sasl: Option<BTreeMap<String, Secret>>,
    /// Users of SASL who may do everything (`superUser`, `superUser.N`).
    pub super_users: Vec<String>,
    /// A client whose exchange of SASL has failed stays, and has proved nothing
    /// (`allowSaslFailedClients`).
    pub keeps_failed_sasl: bool,
    /// A client must have proved to be somebody by one of these schemes before it may ask for
    /// anything else (`enforce.auth.schemes`, `sessionRequireClientSASLAuth`). Empty: it need not.
    pub required_schemes: Vec<String>,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            digest: Some(DigestAlgorithm::Sha1),
            super_digest: None,
            sasl: None,
            super_users: Vec::new(),
            keeps_failed_sasl: false,
            required_schemes: Vec::new(),
        }
    }
}

/// The hash in the ids of scheme `digest`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DigestAlgorithm {
    /// `SHA1`, ZooKeeper's default.
    Sha1,
    /// `SHA-256`
    Sha256,
    /// `SHA-384`
    Sha384,
    /// `SHA-512`
    Sha512,
}

/// A password, or what stands for one: it is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(
    /// The text itself.
    pub String,
);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}
