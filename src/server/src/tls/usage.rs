//! What a certificate may be used for, by its extensions. rustls looks at ExtendedKeyUsage, and of
//! those that were sent at BasicConstraints; the rest is here. (JDK: `PKIXValidator`'s
//! `verifyTrustAnchor`, `KeyChecker`, `EndEntityChecker`.)

use std::sync::Arc;

use rustls::{CertificateError, Error, OtherError};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::OID_X509_EXT_CERT_TYPE;
use x509_parser::x509::X509Version;

/// At which end somebody is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    Client,
    Server,
}

/// Why a certificate may not be used so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Misuse {
    #[error("its BasicConstraints do not make it a CA")]
    NoAuthority,
    #[error("its KeyUsage has no keyCertSign")]
    NoCertSign,
    #[error("its NameConstraints are about hosts, and there is no SubjectAlternativeName of one")]
    NoHost,
    #[error("its KeyUsage has no digitalSignature")]
    NoDigitalSignature,
    #[error("its Netscape certificate type has no SSL client")]
    NoClient,
    #[error("its Netscape certificate type has no SSL server")]
    NoServer,
    #[error("one of its extensions cannot be read, or is there twice")]
    Unreadable,
}

/// Whether a certificate is of a version before 3, and so without extensions.
pub(super) fn is_old(certificate: &X509Certificate<'_>) -> bool {
    certificate.version().0 < X509Version::V3.0
}

/// Whether a certificate may issue others: one that is trusted, and one that was sent and leads to
/// one that is trusted.
///
/// Versions before 3 have no extension that could say so, and may. (Of those that are sent, rustls
/// takes none of version 1; Java neither.)
pub(super) fn may_issue(certificate: &X509Certificate<'_>) -> Result<(), Misuse> {
    if is_old(certificate) {
        return Ok(());
    }
    let constraints = certificate.basic_constraints().map_err(|_| Misuse::Unreadable)?;
    if !constraints.is_some_and(|constraints| constraints.value.ca) {
        return Err(Misuse::NoAuthority);
    }
    let usage = certificate.key_usage().map_err(|_| Misuse::Unreadable)?;
    if usage.is_some_and(|usage| !usage.value.key_cert_sign()) {
        return Err(Misuse::NoCertSign);
    }
    Ok(())
}

/// Whether a certificate that was sent may be among the issuers of one that names its host in its
/// subject, if it names one. rustls compares NameConstraints with alternative names only; Java with
/// the subject, too.
pub(super) fn may_issue_without_host(certificate: &X509Certificate<'_>) -> Result<(), Misuse> {
    let constraints = certificate.name_constraints().map_err(|_| Misuse::Unreadable)?;
    let Some(constraints) = constraints.map(|found| found.value) else { return Ok(()) };
    let all = [&constraints.permitted_subtrees, &constraints.excluded_subtrees];
    let of_host = |base: &GeneralName<'_>| {
        matches!(base, GeneralName::DNSName(_) | GeneralName::IPAddress(_))
    };
    if all.into_iter().flatten().flatten().any(|subtree| of_host(&subtree.base)) {
        return Err(Misuse::NoHost);
    }
    Ok(())
}

/// Whether a certificate that is trusted for its issuer may be shown at this end. Whoever shows it
/// signs the handshake with its key: no key is exchanged in another way.
pub(super) fn may_be_shown(certificate: &X509Certificate<'_>, role: Role) -> Result<(), Misuse> {
    let usage = certificate.key_usage().map_err(|_| Misuse::Unreadable)?;
    if usage.is_some_and(|usage| !usage.value.digital_signature()) {
        return Err(Misuse::NoDigitalSignature);
    }
    let found = certificate.get_extension_unique(&OID_X509_EXT_CERT_TYPE);
    let Some(found) = found.map_err(|_| Misuse::Unreadable)? else { return Ok(()) };
    let ParsedExtension::NSCertType(kind) = found.parsed_extension() else {
        return Err(Misuse::Unreadable);
    };
    match role {
        Role::Client if !kind.ssl_client() => Err(Misuse::NoClient),
        Role::Server if !kind.ssl_server() => Err(Misuse::NoServer),
        Role::Client | Role::Server => Ok(()),
    }
}

/// Why a certificate is not trusted, where rustls has no word for it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Distrust {
    #[error("{0}")]
    Shown(Misuse),
    /// Only names of the operator's own files are told.
    #[error("its issuer {issuer} is in the trust store, but may not issue certificates: {misuse}")]
    OfTrusted { issuer: String, misuse: Misuse },
    #[error("a certificate sent with it may not be an issuer of it: {0}")]
    OfSent(Misuse),
}

impl From<Distrust> for Error {
    fn from(distrust: Distrust) -> Self {
        CertificateError::Other(OtherError(Arc::new(distrust))).into()
    }
}

/// An error of rustls in words.
pub(super) fn text(error: &Error) -> String {
    if let Error::InvalidCertificate(CertificateError::Other(distrust)) = error {
        format!("invalid peer certificate: {}", distrust.0)
    } else {
        error.to_string()
    }
}
