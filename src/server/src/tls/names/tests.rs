use super::*;

/// Names in DER, and what `X500Principal.getName()` of Java 17 makes of them.
const OF_JAVA: &str = include_str!("../testdata/names.txt");

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.map(|pair| byte(pair).expect("hexadecimal")).collect()
}

#[test]
fn names_are_written_as_java_writes_them() {
    for line in OF_JAVA.lines() {
        let (der, expected) = line.split_once('\t').expect("two fields");
        let der = bytes(der);
        let (_, name) = X509Name::from_der(&der).unwrap_or_else(|e| panic!("{expected}: {e}"));
        assert_eq!(text(&name), expected);
    }
}

#[test]
fn the_subject_of_a_certificate_is_its_name() {
    let certificate = super::super::stores::tests::certificate("server-store.pem");
    assert_eq!(subject(&certificate).as_deref(), Ok("CN=server,OU=a\\+b,O=Example\\, Inc.,C=DE"));
    assert!(subject(&CertificateDer::from(vec![0x30, 0])).is_err());
}
