//! Who is trusted: the verifiers that rustls asks. (ZooKeeper: `X509Util.createTrustManager`, which
//! is Java's PKIX.)
//!
//! Beside what webpki trusts, which is a chain of certificates up to a CA of the trust store, there
//! are two cases that Java trusts and that are common with ZooKeeper: a certificate that stands in
//! the trust store itself, and one of X.509 version 1, which many scripts make, signed by a CA of
//! the trust store.
//!
//! A certificate of the trust store that is no CA counts for itself and for nothing that it has
//! signed: else whoever is let in with a certificate of his own could be anybody.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::asn1_rs::FromDer;
use x509_parser::time::ASN1Time;
use x509_parser::x509::X509Version;

use super::algorithms::{key_algorithm, signature_algorithm};
use super::hostname;
use super::names;
use super::usage::{self, Distrust, Misuse, Role};
use crate::config::ClientAuth;

/// Who is trusted by a trust store.
#[derive(Debug)]
pub(super) struct Trust {
    /// Each is trusted when it is shown.
    certificates: Vec<CertificateDer<'static>>,
    /// Those of them that may issue others.
    authorities: Vec<CertificateDer<'static>>,
    /// The same, for webpki.
    roots: Arc<RootCertStore>,
    /// Those that may not.
    others: Vec<Unfit>,
    /// What webpki says of clients; `None` without authorities.
    clients: Option<Arc<dyn ClientCertVerifier>>,
    /// The subjects of all: a client of Java shows a certificate only if its issuer, or itself, is
    /// among them.
    subjects: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
    auth: ClientAuth,
}

/// A certificate of the trust store that may not issue others.
#[derive(Debug)]
struct Unfit {
    subject: DistinguishedName,
    certificate: CertificateDer<'static>,
    misuse: Misuse,
}

impl Trust {
    /// # Errors
    /// A certificate of the trust store cannot be read.
    pub(super) fn new(
        certificates: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
        auth: ClientAuth,
    ) -> Result<Self, String> {
        let unreadable = |error: &dyn std::fmt::Display| {
            format!("a trusted certificate cannot be read: {error}")
        };
        let (mut roots, mut authorities) = (RootCertStore::empty(), Vec::new());
        let (mut others, mut subjects) = (Vec::new(), Vec::new());
        for certificate in &certificates {
            let parsed = parsed(certificate).map_err(|error| unreadable(&error))?;
            let subject = DistinguishedName::from(parsed.subject().as_raw().to_vec());
            subjects.push(subject.clone());
            match usage::may_issue(&parsed) {
                Ok(()) => {
                    roots.add(certificate.clone()).map_err(|error| unreadable(&error))?;
                    authorities.push(certificate.clone());
                }
                Err(misuse) => {
                    others.push(Unfit { subject, certificate: certificate.clone(), misuse });
                }
            }
        }
        let roots = Arc::new(roots);
        let clients = if roots.is_empty() {
            None
        } else {
            let (roots, provider) = (Arc::clone(&roots), Arc::clone(provider));
            let clients = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            Some(clients.map_err(|error| error.to_string())?)
        };
        Ok(Self {
            certificates,
            authorities,
            roots,
            others,
            clients,
            subjects,
            algorithms: provider.signature_verification_algorithms,
            auth,
        })
    }

    fn verify(
        &self,
        role: Role,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let shown = parsed(certificate)?;
        if self.certificates.contains(certificate) {
            return holds(&shown, role, now);
        }
        // One that is not looked at further issues nothing.
        let mut issuers = Vec::new();
        let mut misuse = None;
        let is_host_in_subject = hostname::is_in_subject(certificate);
        let may_issue = |issuer: &X509Certificate<'_>| {
            usage::may_issue(issuer)?;
            if is_host_in_subject {
                usage::may_issue_without_host(issuer)?;
            }
            Ok(())
        };
        for der in others {
            match parsed(der).map(|other| may_issue(&other)) {
                Ok(Ok(())) => issuers.push(CertificateDer::from(der.as_ref())),
                Ok(Err(found)) => misuse = misuse.or(Some(found)),
                Err(_) => {}
            }
        }
        if let Err(error) = self.is_issued(role, certificate, &shown, &issuers, now) {
            let is_unknown = error == CertificateError::UnknownIssuer.into();
            let distrust = if is_unknown { self.distrust(&shown, others, misuse) } else { None };
            return Err(distrust.map_or(error, Error::from));
        }
        usage::may_be_shown(&shown, role).map_err(|misuse| Distrust::Shown(misuse).into())
    }

    /// Whether a certificate leads to an authority, over any of these, and is in force.
    fn is_issued(
        &self,
        role: Role,
        certificate: &CertificateDer<'_>,
        parsed: &X509Certificate<'_>,
        issuers: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        if usage::is_old(parsed) {
            holds(parsed, role, now)?;
            return self.is_signed(certificate, parsed);
        }
        match role {
            Role::Client => {
                let clients = self.clients.as_ref().ok_or(CertificateError::UnknownIssuer)?;
                clients.verify_client_cert(certificate, issuers, now).map(|_| ())
            }
            Role::Server => verify_server_cert_signed_by_trust_anchor(
                &ParsedCertificate::try_from(certificate)?,
                &self.roots,
                issuers,
                now,
                self.algorithms.all,
            ),
        }
    }

    /// Why no issuer was found, if one is there that may not be one.
    fn distrust(
        &self,
        shown: &X509Certificate<'_>,
        others: &[CertificateDer<'_>],
        misuse: Option<Misuse>,
    ) -> Option<Distrust> {
        let of = |certificate: &X509Certificate<'_>| {
            let issuer = certificate.issuer().as_raw();
            self.others.iter().position(|unfit| unfit.subject.as_ref() == issuer)
        };
        let of_others = || others.iter().find_map(|other| of(&parsed(other).ok()?));
        match of(shown).or_else(of_others).map(|index| &self.others[index]) {
            Some(Unfit { certificate, misuse, .. }) => {
                let issuer = names::subject(certificate).ok()?;
                Some(Distrust::OfTrusted { issuer, misuse: *misuse })
            }
            None => misuse.map(Distrust::OfSent),
        }
    }

    /// Whether a certificate without extensions is signed by an authority, without others between.
    fn is_signed(
        &self,
        der: &CertificateDer<'_>,
        parsed: &X509Certificate<'_>,
    ) -> Result<(), Error> {
        let signed_by = signature_algorithm(der).ok_or(CertificateError::BadEncoding)?;
        for root in &self.authorities {
            let Ok((_, issuer)) = X509Certificate::from_der(root) else { continue };
            let is_issuer = issuer.subject().as_raw() == parsed.issuer().as_raw();
            let is_free = matches!(issuer.name_constraints(), Ok(None));
            if !(is_issuer && is_free) {
                continue;
            }
            let Some(key_algorithm) = key_algorithm(issuer.public_key().raw) else { continue };
            let key = &issuer.public_key().subject_public_key.data;
            let verifies = self.algorithms.all.iter().any(|algorithm| {
                algorithm.signature_alg_id().as_ref() == signed_by
                    && algorithm.public_key_alg_id().as_ref() == key_algorithm
                    && algorithm
                        .verify_signature(
                            key,
                            parsed.tbs_certificate.as_ref(),
                            &parsed.signature_value.data,
                        )
                        .is_ok()
            });
            if verifies {
                return Ok(());
            }
        }
        Err(CertificateError::UnknownIssuer.into())
    }

    /// As [`verify_tls12_signature`], for certificates of any version.
    fn signature_1_2(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let parsed = parsed(certificate)?;
        if parsed.version() == X509Version::V3 {
            return verify_tls12_signature(message, certificate, signed, &self.algorithms);
        }
        let key = &parsed.public_key().subject_public_key.data;
        let id = key_algorithm(parsed.public_key().raw).ok_or(CertificateError::BadEncoding)?;
        let mapping = self.algorithms.mapping.iter().filter(|(scheme, _)| *scheme == signed.scheme);
        let verifies = mapping.flat_map(|(_, algorithms)| *algorithms).any(|algorithm| {
            algorithm.public_key_alg_id().as_ref() == id
                && algorithm.verify_signature(key, message, signed.signature()).is_ok()
        });
        if verifies {
            return Ok(HandshakeSignatureValid::assertion());
        }
        Err(CertificateError::BadSignature.into())
    }

    fn signature_1_3(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let parsed = parsed(certificate)?;
        let key = SubjectPublicKeyInfoDer::from(parsed.public_key().raw);
        verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)
    }
}

fn parsed<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Error> {
    match X509Certificate::from_der(certificate) {
        Ok(([], parsed)) => Ok(parsed),
        Ok(_) | Err(_) => Err(CertificateError::BadEncoding.into()),
    }
}

/// What is asked of a certificate whose issuer is trusted: it is in force, and may be shown at this
/// end.
fn holds(certificate: &X509Certificate<'_>, role: Role, now: UnixTime) -> Result<(), Error> {
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let now = ASN1Time::from_timestamp(seconds).map_err(|_| CertificateError::BadEncoding)?;
    let validity = certificate.validity();
    if now < validity.not_before {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after {
        return Err(CertificateError::Expired.into());
    }
    let usage = certificate.extended_key_usage().map_err(|_| CertificateError::BadEncoding)?;
    let fits = usage.is_none_or(|usage| {
        usage.value.any
            || match role {
                Role::Client => usage.value.client_auth,
                Role::Server => usage.value.server_auth,
            }
    });
    if fits { Ok(()) } else { Err(CertificateError::InvalidPurpose.into()) }
}

impl ClientCertVerifier for Trust {
    fn client_auth_mandatory(&self) -> bool {
        self.auth == ClientAuth::Need
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.subjects
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.verify(Role::Client, end_entity, intermediates, now)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature_1_2(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature_1_3(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The chain is verified here. The name is verified behind the handshake, where the address of the
/// other end is known, too.
impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify(Role::Server, end_entity, intermediates, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature_1_2(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature_1_3(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
