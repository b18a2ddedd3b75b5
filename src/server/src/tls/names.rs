//! The name of a certificate's subject, as Java's `X500Principal.getName()` writes it: RFC 2253.
//! ACLs of scheme `x509` compare these texts.

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::asn1_rs::{FromDer, ToDer};
use x509_parser::x509::{AttributeTypeAndValue, RelativeDistinguishedName, X509Name};

/// The subject of a certificate.
///
/// # Errors
/// It is no certificate.
pub(super) fn subject(certificate: &CertificateDer<'_>) -> Result<String, String> {
    let (_, certificate) = X509Certificate::from_der(certificate)
        .map_err(|error| format!("its certificate cannot be read: {error}"))?;
    Ok(text(certificate.subject()))
}

fn text(name: &X509Name<'_>) -> String {
    let part = |part: &RelativeDistinguishedName<'_>| {
        part.iter().map(attribute).collect::<Vec<_>>().join("+")
    };
    // The last part comes first.
    let mut parts: Vec<String> = name.iter().map(part).collect();
    parts.reverse();
    parts.join(",")
}

/// The attributes that RFC 2253 names; any other stands with its number.
const NAMED: [(&str, &str); 9] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
];

/// (JDK: `AVA.toRFC2253String`.)
fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let number = attribute.attr_type().to_id_string();
    let value = attribute.attr_value();
    match NAMED.iter().find(|(named, _)| *named == number) {
        Some((_, name)) if is_text(value.header.tag().0) => {
            format!("{name}={}", escaped(&String::from_utf8_lossy(value.data)))
        }
        named => {
            let name = named.map_or(number.as_str(), |(_, name)| name);
            let der = value.to_der_vec().unwrap_or_default();
            let digits: String = der.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{name}=#{digits}")
        }
    }
}

/// UTF8String, PrintableString, T61String, IA5String, GeneralString, UniversalString, BMPString.
/// Java takes all of them for UTF-8.
fn is_text(tag: u32) -> bool {
    matches!(tag, 12 | 19 | 20 | 22 | 27 | 28 | 30)
}

fn escaped(text: &str) -> String {
    let is_space = |c: char| matches!(c, ' ' | '\r');
    let mut parts: Vec<String> = Vec::new();
    for c in text.chars() {
        parts.push(match c {
            ',' | '=' | '+' | '<' | '>' | '#' | ';' | '"' | '\\' => format!("\\{c}"),
            '\0' => "\\00".to_owned(),
            c => c.to_string(),
        });
    }
    let blank = |part: &String| part.chars().all(is_space);
    let first = parts.iter().position(|part| !blank(part)).unwrap_or(parts.len());
    let last = parts.iter().rposition(|part| !blank(part));
    for (index, part) in parts.iter_mut().enumerate() {
        if index < first || last.is_none_or(|last| index > last) {
            part.insert(0, '\\');
        }
    }
    parts.concat()
}

#[cfg(test)]
mod tests;
