//! Whether a certificate is one of this host. (ZooKeeper: `ZKHostnameVerifier`.)

use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::asn1_rs::FromDer;
use x509_parser::extensions::GeneralName;

/// Whether a certificate is one of any of these hosts, each a name or an address.
///
/// Its alternative names decide. Only a certificate that has none, neither of a host nor of an
/// address, is one of the host that its common name says.
///
/// # Errors
/// It is not; the sentence says whose it is.
pub(super) fn check(certificate: &CertificateDer<'_>, hosts: &[&str]) -> Result<(), String> {
    let names = Names::of(certificate)?;
    if hosts.iter().any(|host| names.are_of(host)) {
        return Ok(());
    }
    Err(format!("its certificate is one of {}, not of {}", names.listed(), hosts.join(" or ")))
}

/// Whether a certificate has no alternative name of a host, so that its common name counts.
pub(super) fn is_in_subject(certificate: &CertificateDer<'_>) -> bool {
    Names::of(certificate).is_ok_and(|names| names.hosts.is_empty() && names.addresses.is_empty())
}

#[derive(Default)]
struct Names {
    hosts: Vec<String>,
    addresses: Vec<IpAddr>,
    /// Only where there is nothing else.
    common: Option<String>,
}

impl Names {
    fn of(certificate: &CertificateDer<'_>) -> Result<Self, String> {
        let broken =
            |error: &dyn std::fmt::Display| format!("its certificate cannot be read: {error}");
        let (_, certificate) =
            X509Certificate::from_der(certificate).map_err(|error| broken(&error))?;
        let mut names = Self::default();
        let alternative = certificate.subject_alternative_name().map_err(|error| broken(&error))?;
        for name in alternative.iter().flat_map(|extension| &extension.value.general_names) {
            match name {
                GeneralName::DNSName(name) => names.hosts.push((*name).to_owned()),
                GeneralName::IPAddress(bytes) => names.addresses.extend(address(bytes)),
                GeneralName::OtherName(..)
                | GeneralName::RFC822Name(_)
                | GeneralName::X400Address(_)
                | GeneralName::DirectoryName(_)
                | GeneralName::EDIPartyName(_)
                | GeneralName::URI(_)
                | GeneralName::RegisteredID(_)
                | GeneralName::Invalid(..) => {}
            }
        }
        if names.hosts.is_empty() && names.addresses.is_empty() {
            // The last one is the most specific.
            let common = certificate.subject().iter_common_name().last();
            names.common = common.and_then(|name| name.as_str().ok()).map(str::to_owned);
        }
        Ok(names)
    }

    fn are_of(&self, host: &str) -> bool {
        match host.parse::<IpAddr>() {
            Ok(address) => {
                let address = address.to_canonical();
                self.addresses.contains(&address)
                    || self.common.as_ref().is_some_and(|common| {
                        common.parse::<IpAddr>().is_ok_and(|it| it.to_canonical() == address)
                    })
            }
            Err(_) => self.hosts.iter().chain(&self.common).any(|name| matches(name, host)),
        }
    }

    fn listed(&self) -> String {
        let addresses = self.addresses.iter().map(ToString::to_string);
        let all: Vec<String> =
            self.hosts.iter().chain(&self.common).cloned().chain(addresses).collect();
        if all.is_empty() { "no host".to_owned() } else { all.join(", ") }
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok().map(|it| it.to_canonical())
}

/// Without case. A `*` stands for one whole label, the first, of three at least.
fn matches(pattern: &str, host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let Some(rest) = pattern.strip_prefix("*.") else {
        return !host.is_empty() && pattern.eq_ignore_ascii_case(host);
    };
    let Some((label, parent)) = host.split_once('.') else { return false };
    !label.is_empty() && rest.contains('.') && rest.eq_ignore_ascii_case(parent)
}

#[cfg(test)]
mod tests;
