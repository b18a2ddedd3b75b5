//! Who is trusted: the verifiers that rustls asks. (ZooKeeper: `X509Util.createTrustManager`, which
//! is Java's PKIX.)
//!
//! Beside what webpki trusts, which is a chain of certificates up to one of the trust store, there
//! are two cases that Java trusts and that are common with ZooKeeper: a certificate that stands in
//! the trust store itself, and one of X.509 version 1, which many scripts make, signed by one of
//! the trust store.

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
use x509_parser::der_parser::asn1_rs::{Any, FromDer, Tag};
use x509_parser::time::ASN1Time;
use x509_parser::x509::X509Version;

use crate::config::ClientAuth;

/// Who is trusted by a trust store.
#[derive(Debug)]
pub(super) struct Trust {
    certificates: Vec<CertificateDer<'static>>,
    roots: Arc<RootCertStore>,
    /// What webpki says of clients.
    clients: Arc<dyn ClientCertVerifier>,
    algorithms: WebPkiSupportedAlgorithms,
    auth: ClientAuth,
}

/// At which end somebody is.
#[derive(Clone, Copy)]
enum Role {
    Client,
    Server,
}

impl Trust {
    /// # Errors
    /// A certificate of the trust store cannot be read.
    pub(super) fn new(
        certificates: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
        auth: ClientAuth,
    ) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots
                .add(certificate.clone())
                .map_err(|error| format!("a trusted certificate cannot be read: {error}"))?;
        }
        let roots = Arc::new(roots);
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(provider));
        Ok(Self {
            certificates,
            clients: clients.build().map_err(|error| error.to_string())?,
            roots,
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
        let parsed = parsed(certificate)?;
        if self.certificates.contains(certificate) {
            return holds(&parsed, role, now);
        }
        if parsed.version() != X509Version::V3 {
            holds(&parsed, role, now)?;
            return self.is_signed(certificate, &parsed);
        }
        match role {
            Role::Client => self.clients.verify_client_cert(certificate, others, now).map(|_| ()),
            Role::Server => verify_server_cert_signed_by_trust_anchor(
                &ParsedCertificate::try_from(certificate)?,
                &self.roots,
                others,
                now,
                self.algorithms.all,
            ),
        }
    }

    /// Whether a certificate without extensions is signed by one of the trust store, without others
    /// between.
    fn is_signed(
        &self,
        der: &CertificateDer<'_>,
        parsed: &X509Certificate<'_>,
    ) -> Result<(), Error> {
        let signed_by = signature_algorithm(der).ok_or(CertificateError::BadEncoding)?;
        for root in &self.certificates {
            let Ok((_, issuer)) = X509Certificate::from_der(root) else { continue };
            let is_issuer = issuer.subject().as_raw() == parsed.issuer().as_raw();
            let may_sign = match issuer.basic_constraints() {
                Ok(Some(constraints)) => constraints.value.ca,
                Ok(None) => issuer.version() != X509Version::V3,
                Err(_) => false,
            };
            let is_free = matches!(issuer.name_constraints(), Ok(None));
            if !(is_issuer && may_sign && is_free) {
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

/// The content of the sequence that names with what a certificate is signed.
fn signature_algorithm<'a>(certificate: &'a CertificateDer<'_>) -> Option<&'a [u8]> {
    let (_, all) = Any::from_der(certificate).ok()?;
    let (rest, _to_be_signed) = Any::from_der(all.data).ok()?;
    sequence(rest)
}

/// The content of the sequence that names what kind of key this is.
fn key_algorithm(info: &[u8]) -> Option<&[u8]> {
    sequence(sequence(info)?)
}

fn sequence(der: &[u8]) -> Option<&[u8]> {
    let (_, sequence) = Any::from_der(der).ok()?;
    (sequence.tag() == Tag::Sequence).then_some(sequence.data)
}

impl ClientCertVerifier for Trust {
    fn client_auth_mandatory(&self) -> bool {
        self.auth == ClientAuth::Need
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.clients.root_hint_subjects()
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
