//! Names of certificates' subjects: the ids of scheme `x509`.
//!
//! ZooKeeper takes what Java's `X500Principal` can read, and so do these rules: RFC 2253, and of
//! RFC 1779 quoted values and semicolons. An id that is no name belongs to nobody, so a node with
//! it would be closed for good. Java takes a separator behind two backslashes, which are one, for a
//! part of the value; here it separates. (JDK: `sun.security.x509.X500Name`, `RDN`, `AVA`,
//! `AVAKeyword`.)

/// The types of attributes that have a name; any other has to be a number.
const TYPES: [&str; 21] = [
    "CN",
    "C",
    "L",
    "S",
    "ST",
    "O",
    "OU",
    "T",
    "IP",
    "STREET",
    "DC",
    "DNQUALIFIER",
    "DNQ",
    "SURNAME",
    "GIVENNAME",
    "INITIALS",
    "GENERATION",
    "EMAIL",
    "EMAILADDRESS",
    "UID",
    "SERIALNUMBER",
];

/// Whether the text is a name: `TYPE=value`, many with commas, semicolons or `+` between them. The
/// empty one is one.
pub(super) fn is_subject(text: &str) -> bool {
    text.is_empty() || attributes(text).all(is_attribute)
}

/// The attributes of a name: what stands between separators that are neither escaped nor within
/// quotation marks.
fn attributes(text: &str) -> impl Iterator<Item = &str> {
    let (mut is_escaped, mut is_quoted) = (false, false);
    text.split(move |c: char| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match c {
            _ if was_escaped => false,
            '\\' => {
                is_escaped = true;
                false
            }
            '"' => {
                is_quoted = !is_quoted;
                false
            }
            ',' | ';' | '+' => !is_quoted,
            _ => false,
        }
    })
}

fn is_attribute(text: &str) -> bool {
    let Some((kind, value)) = text.split_once('=') else { return false };
    let value = value.trim_start_matches([' ', '\n']);
    is_type(kind)
        && match value.chars().next() {
            None => true,
            Some('#') => hex(&value[1..]).is_some_and(|bytes| is_der(&bytes)),
            Some('"') => is_quoted(&value[1..]),
            Some(_) => is_plain(value),
        }
}

/// One of the [`TYPES`], or a number that may have `OID.` before it.
fn is_type(text: &str) -> bool {
    let name = text.trim_matches(|c| c <= ' ').to_uppercase();
    TYPES.contains(&&*name) || is_oid(name.strip_prefix("OID.").unwrap_or(&name))
}

/// A number of ISO: of its parts, the first two are small.
fn is_oid(text: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    // A part that is too long to be read is large.
    let value = |part: &str| part.parse().unwrap_or(u64::MAX);
    let mut parts = text.split('.');
    match (parts.next(), parts.next()) {
        (Some(first), Some(second)) if is_number(first) && is_number(second) => {
            let is_known = value(first) < 2 && value(second) < 40 || value(first) == 2;
            is_known && parts.all(is_number)
        }
        (_, _) => false,
    }
}

/// A value without quotation marks.
fn is_plain(text: &str) -> bool {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let is_right = match c {
            '\\' => is_escape(&mut chars),
            ',' | '+' | '<' | '>' | ';' | '"' => false,
            _ => true,
        };
        if !is_right {
            return false;
        }
    }
    true
}

/// What follows the quotation mark that begins a value: up to another, with blanks behind that.
fn is_quoted(text: &str) -> bool {
    let mut chars = text.chars();
    loop {
        match chars.next() {
            None => return false,
            Some('"') => return chars.all(|c| matches!(c, ' ' | '\n')),
            Some('\\') if !is_escape(&mut chars) => return false,
            Some(_) => {}
        }
    }
}

/// What follows a backslash: a character that means something else without it, or two hexadecimal
/// digits.
fn is_escape(chars: &mut std::str::Chars<'_>) -> bool {
    match chars.next() {
        Some(',' | '=' | '\n' | '+' | '<' | '>' | '#' | ';' | '\\' | '"' | ' ') => true,
        Some(c) if c.is_ascii_hexdigit() => chars.next().is_some_and(|c| c.is_ascii_hexdigit()),
        Some(_) | None => false,
    }
}

/// The bytes of pairs of hexadecimal digits; at least one.
fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| match *pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    text.as_bytes()
        .chunks(2)
        .map(pair)
        .collect::<Option<Vec<_>>>()
        .filter(|bytes| !bytes.is_empty())
}

/// Whether the bytes are one value of DER: a tag of one byte, a length, and so many bytes.
fn is_der(bytes: &[u8]) -> bool {
    const LONG_TAG: u8 = 0x1f;
    const LONG_LENGTH: u8 = 0x80;
    let [tag, length, rest @ ..] = bytes else { return false };
    if tag & LONG_TAG == LONG_TAG {
        return false;
    }
    if length & LONG_LENGTH == 0 {
        return usize::from(*length) == rest.len();
    }
    let count = usize::from(length & !LONG_LENGTH);
    let Some((length, content)) = rest.split_at_checked(count).filter(|_| count <= 4) else {
        return false;
    };
    let value = length.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    let is_shortest = length.first().is_some_and(|byte| *byte != 0) && value >= 0x80;
    is_shortest && usize::try_from(value) == Ok(content.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asked of `X500Principal` of JDK 17.
    #[test]
    fn names_are_those_that_java_can_read() {
        for name in [
            "",
            "CN=a",
            " cn = a ",
            "CN\t=\ta",
            "CN=a,O=b;OU=c+L=d",
            "CN=a , O=b",
            "CN=",
            "CN=,O=",
            "CN==a=b",
            "CN=a b  c",
            "CN=a/O=b#",
            "CN=a\nb",
            "CN=é",
            "C=Germany",
            "UID=x,DC=x,S=x,T=x,IP=x,DNQ=x,Email=x,SerialNumber=x",
            "1.2=x,2.999.1=x,1.2.03=x,oid.1.2.99999999999999999999=x",
            r#"CN="a,b;c+d""#,
            r#"CN="" "#,
            r#"CN="a\"b\\"+O="\41""#,
            r"CN=\,\;\+\<\>\#\ \=\\",
            r"CN=\\,O=b",
            r"CN=\41\c3\a9\ff",
            "CN= #0c0161,1.2.3=#0500",
        ] {
            assert!(is_subject(name), "{name:?}");
        }
        let long = |length: usize| format!("CN=#0c81{length:02x}{}", "61".repeat(length));
        assert!(is_subject(&long(0x80)) && !is_subject(&long(0x7f)));
    }

    /// Asked of `X500Principal` of JDK 17.
    #[test]
    fn what_java_cannot_read_is_no_name() {
        for text in [
            " ",
            ";",
            "+",
            "a",
            "=a",
            "CN=a,",
            "CN=a;",
            "CN=a+",
            ",CN=a",
            "CN=a,,O=b",
            "CN=a++O=b",
            "CN=a,+O=b",
            "CN=a;b",
            "CN=a,O",
            "X=1",
            "E=a",
            "SN=a",
            "title=x",
            "#=a",
            "OID=x",
            "OID.=x",
            "1=x",
            "3.2=x",
            "0.40.1=x",
            "1.2.=x",
            "1..2=x",
            ".1.2=x",
            "1.2.a=x",
            "-1.2=x",
            "C N=a",
            r"CN\=a=b",
            r"CN=a,\ O=b",
            "CN=a\\",
            r"CN=\4",
            r"CN=\4x",
            r"CN=\zz",
            r"CN=\é",
            r#"CN="a"#,
            r#"CN="a\"#,
            r#"CN="a"b"#,
            r#"CN="a\z""#,
            r#"CN=a"b"#,
            "CN=<a>",
            "CN=#",
            "CN=#x",
            "CN=#040",
            "CN=#é",
            "CN=#0401",
            "CN=#05",
            "CN=#0c0161 ",
            "CN=#0c0161ff",
            "CN=#ffff",
            "CN=#0c80",
            "CN=#0c850000000001",
        ] {
            assert!(!is_subject(text), "{text:?}");
        }
    }
}
