use super::*;

#[test]
fn a_name_matches_without_case_and_a_star_is_one_label() {
    for (pattern, host, is_match) in [
        ("zoo1.example.com", "ZOO1.example.com", true),
        ("zoo1.example.com", "zoo1.example.com.", true),
        ("zoo1.example.com", "zoo2.example.com", false),
        ("*.example.com", "zoo1.example.com", true),
        ("*.example.com", "a.zoo1.example.com", false),
        ("*.example.com", "example.com", false),
        ("*.example.com", ".example.com", false),
        ("*.com", "example.com", false),
        ("*", "localhost", false),
        ("zoo*.example.com", "zoo1.example.com", false),
        ("localhost", "localhost", true),
        ("", "", false),
    ] {
        assert_eq!(matches(pattern, host), is_match, "{pattern} {host}");
    }
}

fn certificate(name: &str) -> CertificateDer<'static> {
    super::super::stores::tests::certificate(name)
}

#[test]
fn alternative_names_decide_and_the_common_name_only_without_any() {
    let of_server = certificate("server-store.pem");
    for (host, passes) in [
        ("zoo1.example.com", true),
        ("any.example.org", true),
        ("192.0.2.7", true),
        ("::ffff:192.0.2.7", true),
        ("2001:db8::7", true),
        ("192.0.2.8", false),
        ("zoo2.example.com", false),
        // Its common name.
        ("server", false),
    ] {
        assert_eq!(check(&of_server, &[host]).is_ok(), passes, "{host}");
    }
    let without = certificate("v1-store.pem");
    assert_eq!(check(&without, &["client"]), Ok(()));
    assert_eq!(check(&without, &["other", "client"]), Ok(()));
    assert_eq!(
        check(&of_server, &["server", "192.0.2.8"]).expect_err("another"),
        "its certificate is one of zoo1.example.com, *.example.org, 192.0.2.7, 2001:db8::7, not of \
         server or 192.0.2.8"
    );
    assert!(check(&CertificateDer::from(vec![0x30]), &["server"]).is_err());
}
