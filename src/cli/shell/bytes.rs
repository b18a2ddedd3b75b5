//! Data that is no text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub(super) fn to_base64(data: &[u8]) -> String {
    STANDARD.encode(data)
}

/// # Errors
/// It is no base64.
pub(super) fn from_base64(text: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|error| format!("found `{text}`, allowed: base64 ({error})"))
}

/// A table of hexadecimal numbers, sixteen bytes a line, with the text beside it.
pub(super) fn hex_dump(data: &[u8]) -> String {
    let line = |(number, bytes): (usize, &[u8])| {
        let hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let shown =
            |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { *byte as char } else { '.' };
        let text: String = bytes.iter().map(shown).collect();
        format!("{:08x}  {:<47}  |{text}|", number * 16, hex.join(" "))
    };
    data.chunks(16).enumerate().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_as_they_are() {
        assert_eq!(hex_dump(b"ab\x00"), format!("00000000  {:<47}  |ab.|", "61 62 00"));
        assert_eq!(hex_dump(&[7; 17]).lines().count(), 2);
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(from_base64(&to_base64(&all)).as_deref(), Ok(&all[..]));
        assert!(from_base64("?").is_err_and(|why| why.contains("base64")));
    }
}
