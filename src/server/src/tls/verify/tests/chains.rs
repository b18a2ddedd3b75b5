//! Who may issue certificates, and what they may be used for: a table of chains, compared with
//! Java's trust manager (OpenJDK 17) by hand.

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName as Name, DnType,
    ExtendedKeyUsagePurpose as Extended, GeneralSubtree, IsCa, Issuer, KeyPair,
    KeyUsagePurpose as Usage, NameConstraints, SanType, date_time_ymd,
};

use super::*;

/// A certificate with its key.
struct Made {
    params: CertificateParams,
    key: KeyPair,
    der: CertificateDer<'static>,
}

impl Made {
    fn root(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let (params, key) = (changed(name, change), KeyPair::generate().expect("a key"));
        let der = params.self_signed(&key).expect("a certificate").der().clone();
        Self { params, key, der }
    }

    fn issues(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let (params, key) = (changed(name, change), KeyPair::generate().expect("a key"));
        let issuer = Issuer::from_params(&self.params, &self.key);
        let der = params.signed_by(&key, &issuer).expect("a certificate").der().clone();
        Self { params, key, der }
    }

    fn end(&self) -> CertificateDer<'static> {
        self.issues("admin", plain).der
    }
}

fn changed(name: &str, change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = Name::new();
    params.distinguished_name.push(DnType::CommonName, name);
    change(&mut params);
    params
}

fn plain(_: &mut CertificateParams) {}

fn no_ca(params: &mut CertificateParams) {
    params.is_ca = IsCa::ExplicitNoCa;
}

fn ca(params: &mut CertificateParams) {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
}

fn for_(usage: Usage) -> impl Fn(&mut CertificateParams) {
    move |params| params.key_usages = vec![usage]
}

fn ca_for(usage: Usage) -> impl Fn(&mut CertificateParams) {
    move |params| {
        ca(params);
        params.key_usages = vec![usage];
    }
}

fn ca_for_name(name: &str) -> impl Fn(&mut CertificateParams) {
    let subtree = GeneralSubtree::DirectoryName(changed(name, plain).distinguished_name);
    move |params| {
        ca(params);
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![subtree.clone()],
            excluded_subtrees: vec![],
        });
    }
}

fn extended(usage: Extended) -> impl Fn(&mut CertificateParams) {
    move |params| params.extended_key_usages = vec![usage.clone()]
}

fn custom(oid: &'static [u64], content: &'static [u8], critical: bool) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, content.to_vec());
    extension.set_criticality(critical);
    extension
}

const NETSCAPE_TYPE: &[u64] = &[2, 16, 840, 1, 113_730, 1, 1];
const KEY_USAGE: &[u64] = &[2, 5, 29, 15];

fn with(extension: CustomExtension) -> impl Fn(&mut CertificateParams) {
    move |params| params.custom_extensions = vec![extension.clone()]
}

fn trusting(certificates: &[&CertificateDer<'static>]) -> Trust {
    let certificates = certificates.iter().map(|der| (*der).clone()).collect();
    Trust::new(certificates, &Arc::new(ring::default_provider()), ClientAuth::Need).expect("trust")
}

/// Whether a chain is trusted of a client, and of a server.
fn trusted(trust: &Trust, chain: &[CertificateDer<'static>]) -> [bool; 2] {
    [Role::Client, Role::Server].map(|role| trust.verify(role, &chain[0], &chain[1..], NOW).is_ok())
}

const YES: [bool; 2] = [true, true];
const NO: [bool; 2] = [false, false];

#[test]
fn a_trusted_certificate_that_is_no_ca_counts_for_itself_and_nobody_else() {
    let authority = Made::root("ca", ca);
    for (change, what) in [
        (&no_ca as &dyn Fn(&mut CertificateParams), "CA:false"),
        (&plain, "no BasicConstraints"),
        (&for_(Usage::KeyCertSign), "no BasicConstraints, with keyCertSign"),
        (&for_(Usage::KeyEncipherment), "no BasicConstraints, with another KeyUsage"),
        (&ca_for(Usage::DigitalSignature), "CA:true without keyCertSign"),
    ] {
        let alone = Made::root("alice", change);
        let issued = authority.issues("alice", change);
        for alice in [alone, issued] {
            // Together with a CA, and alone.
            for trust in [trusting(&[&authority.der, &alice.der]), trusting(&[&alice.der])] {
                assert_eq!(
                    trusted(&trust, std::slice::from_ref(&alice.der)),
                    YES,
                    "{what}: itself"
                );
                let by_her = alice.end();
                assert_eq!(trusted(&trust, std::slice::from_ref(&by_her)), NO, "{what}");
                assert_eq!(trusted(&trust, &[by_her, alice.der.clone()]), NO, "{what}: chain");
                let between = alice.issues("between", ca);
                let chain = [between.end(), between.der];
                assert_eq!(trusted(&trust, &chain), NO, "{what}: over a CA");
                // She says of herself that she is one.
                let key = KeyPair::from_pem(&alice.key.serialize_pem()).expect("a key");
                let params = changed("alice", ca);
                let der = params.self_signed(&key).expect("a certificate").der().clone();
                let promoted = Made { params, key, der };
                assert_eq!(
                    trusted(&trust, std::slice::from_ref(&promoted.der)),
                    NO,
                    "{what}: promoted"
                );
                let chain = [promoted.end(), promoted.der];
                assert_eq!(trusted(&trust, &chain), NO, "{what}: by the promoted");
            }
        }
    }
}

#[test]
fn clients_are_told_the_names_of_all_that_are_trusted() {
    let (authority, alice) = (Made::root("ca", ca), Made::root("alice", no_ca));
    // As rustls tells them of its CAs.
    let mut roots = RootCertStore::empty();
    let all = [&authority.der, &alice.der];
    for der in all {
        roots.add(der.clone()).expect("a certificate");
    }
    let bytes = |names: &[DistinguishedName]| {
        names.iter().map(|name| name.as_ref().to_vec()).collect::<Vec<_>>()
    };
    let hints = |trust: &Trust| bytes(ClientCertVerifier::root_hint_subjects(trust));
    let expected = bytes(&roots.subjects());
    assert_eq!(hints(&trusting(&all)), expected);
    assert_eq!(hints(&trusting(&all[1..])), expected[1..]);
}

/// Java says the same of all of these.
#[test]
fn extensions_of_issuers_and_of_what_they_issue_say_what_is_trusted() {
    let root = Made::root("root", ca);
    let trust = trusting(&[&root.der]);
    let over = |change: &dyn Fn(&mut CertificateParams)| {
        let between = root.issues("between", change);
        vec![between.end(), between.der]
    };
    let end = |change: &dyn Fn(&mut CertificateParams)| vec![root.issues("admin", change).der];
    let two = |max: Option<u8>| {
        let first = root.issues("first", |params| {
            params.is_ca = IsCa::Ca(match max {
                Some(max) => BasicConstraints::Constrained(max),
                None => BasicConstraints::Unconstrained,
            });
        });
        let second = first.issues("second", ca);
        vec![second.end(), first.der, second.der]
    };
    let unknown = |critical| with(custom(&[1, 2, 3, 4, 5], &[5, 0], critical));
    let netscape = |bits: &'static [u8; 4]| with(custom(NETSCAPE_TYPE, bits, false));
    let years = |from, to| {
        move |params: &mut CertificateParams| {
            params.not_before = date_time_ymd(from, 1, 1);
            params.not_after = date_time_ymd(to, 1, 1);
        }
    };
    let ca_in = |from, to| {
        move |params: &mut CertificateParams| {
            ca(params);
            years(from, to)(params);
        }
    };
    let for_host = |name: Option<&str>| {
        let between = root.issues("between", |params| {
            ca(params);
            params.name_constraints = Some(NameConstraints {
                permitted_subtrees: vec![GeneralSubtree::DnsName("example.com".to_owned())],
                excluded_subtrees: vec![],
            });
        });
        let end = between.issues("admin", |params| {
            let san = |name: &str| SanType::DnsName(name.try_into().expect("ASCII"));
            params.subject_alt_names = name.map(san).into_iter().collect();
        });
        vec![end.der, between.der]
    };
    let table = [
        ("over a CA for this host", for_host(Some("zoo1.example.com")), YES),
        ("over a CA for other hosts", for_host(Some("zoo1.example.org")), NO),
        ("over a CA for other hosts, in its subject", for_host(None), NO),
        ("by a trusted CA", end(&plain), YES),
        ("over a CA", over(&ca), YES),
        ("over a CA with keyCertSign", over(&ca_for(Usage::KeyCertSign)), YES),
        ("over CA:false", over(&no_ca), NO),
        ("over one without BasicConstraints", over(&plain), NO),
        ("over one with nothing but keyCertSign", over(&for_(Usage::KeyCertSign)), NO),
        ("over a CA without keyCertSign", over(&ca_for(Usage::DigitalSignature)), NO),
        ("over a CA that is over", over(&ca_in(2000, 2020)), NO),
        ("over a CA that is to come", over(&ca_in(3000, 3020)), NO),
        ("over a CA with room for one, two", two(Some(0)), NO),
        ("over a CA with room for two, two", two(Some(1)), YES),
        ("over two CAs, in any order", two(None), YES),
        ("over a CA for other names", over(&ca_for_name("bob")), NO),
        ("digitalSignature", end(&for_(Usage::DigitalSignature)), YES),
        ("keyEncipherment", end(&for_(Usage::KeyEncipherment)), NO),
        ("keyAgreement", end(&for_(Usage::KeyAgreement)), NO),
        ("keyCertSign", end(&for_(Usage::KeyCertSign)), NO),
        ("clientAuth", end(&extended(Extended::ClientAuth)), [true, false]),
        ("serverAuth", end(&extended(Extended::ServerAuth)), [false, true]),
        ("codeSigning", end(&extended(Extended::CodeSigning)), NO),
        ("an SSL client of Netscape", end(&netscape(&[3, 2, 7, 0x80])), [true, false]),
        ("an SSL server of Netscape", end(&netscape(&[3, 2, 6, 0x40])), [false, true]),
        ("both", end(&netscape(&[3, 2, 6, 0xc0])), YES),
        ("an SSL CA of Netscape", end(&netscape(&[3, 2, 2, 0x04])), NO),
        ("unknown", end(&unknown(false)), YES),
        ("unknown and critical", end(&unknown(true)), NO),
        ("over", end(&years(2000, 2020)), NO),
        ("to come", end(&years(3000, 3020)), NO),
        ("a KeyUsage that is none", end(&with(custom(KEY_USAGE, &[5, 0], false))), NO),
    ];
    for (what, chain, expected) in table {
        assert_eq!(trusted(&trust, &chain), expected, "{what}");
    }
}

/// Of a CA of the trust store, name and key count, and that it is one; as in Java.
#[test]
fn a_trusted_ca_is_not_asked_when_it_is_in_force() {
    for (from, to) in [(2000, 2020), (3000, 3020)] {
        let root = Made::root("root", |params| {
            ca(params);
            params.not_before = date_time_ymd(from, 1, 1);
            params.not_after = date_time_ymd(to, 1, 1);
            params.extended_key_usages = vec![Extended::CodeSigning];
        });
        assert_eq!(trusted(&trusting(&[&root.der]), &[root.end()]), YES);
    }
    // Nor how many may be between: the operator trusts it, not the issuer of it.
    let root =
        Made::root("root", |params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    let between = root.issues("between", ca);
    assert_eq!(trusted(&trusting(&[&root.der]), &[between.end(), between.der]), YES);
}

/// Java trusts all of these. rustls does not, and nobody becomes somebody else by that.
#[test]
fn where_java_trusts_more() {
    let root = Made::root("root", ca);
    let trust = trusting(&[&root.der]);
    let for_code = root.issues("between", |params| {
        ca(params);
        params.extended_key_usages = vec![Extended::CodeSigning];
    });
    let for_name = root.issues("between", ca_for_name("admin"));
    let mut long = vec![root.issues("0", ca)];
    for index in 1..7 {
        let next = long[index - 1].issues(&index.to_string(), ca);
        long.push(next);
    }
    let long: Vec<_> = std::iter::once(long[6].end())
        .chain(long.iter().rev().map(|made| made.der.clone()))
        .collect();
    for (what, chain) in [
        ("a CA as an end", vec![root.issues("admin", ca).der]),
        ("any ExtendedKeyUsage", vec![root.issues("admin", extended(Extended::Any)).der]),
        ("over a CA for something else", vec![for_code.end(), for_code.der]),
        ("over a CA for this name", vec![for_name.end(), for_name.der]),
        ("over seven CAs", long),
    ] {
        assert_eq!(trusted(&trust, &chain), NO, "{what}");
    }
}

/// As in Java: it has no extension that could say that it is none.
#[test]
fn a_trusted_certificate_of_version_1_is_a_ca() {
    let old = certificate("v1-store.pem");
    let pem = include_str!("../../testdata/v1-store.pem");
    let key = KeyPair::from_pem(pem).expect("a key");
    let made = Made { params: changed("client", plain), key, der: old.clone() };
    assert_eq!(trusted(&trusting(&[&old]), &[made.end()]), YES);
    // One that is sent is none.
    let root = certificate("ca.pem");
    assert_eq!(trusted(&trusting(&[&root]), std::slice::from_ref(&old)), YES);
    assert_eq!(trusted(&trusting(&[&root]), &[made.end(), old]), NO);
}

/// What has no extensions needs an issuer that may be one, too.
#[test]
fn what_is_of_version_1_is_trusted_by_a_ca_only() {
    for (name, expected) in [("no-ca.pem", NO), ("no-cert-sign.pem", NO), ("ca-of-v1.pem", YES)] {
        let (issuer, issued) = (certificate(name), certificate(&format!("v1-by-{name}")));
        assert_eq!(trusted(&trusting(&[&issuer]), &[issued]), expected, "{name}");
    }
}

#[test]
fn the_operator_is_told_why_a_chain_is_not_trusted() {
    let (root, alice) = (Made::root("root", ca), Made::root("alice", no_ca));
    let trust = trusting(&[&root.der, &alice.der]);
    let why = |chain: &[CertificateDer<'_>]| {
        let refused = trust.verify(Role::Client, &chain[0], &chain[1..], NOW);
        usage::text(&refused.expect_err("it is not trusted"))
    };
    let words = "invalid peer certificate: its issuer CN=alice is in the trust store, but may not \
                 issue certificates: its BasicConstraints do not make it a CA";
    assert_eq!(why(&[alice.end()]), words);
    assert_eq!(why(&[alice.end(), alice.der.clone()]), words);
    let between = alice.issues("between", ca);
    assert_eq!(why(&[between.end(), between.der]), words);
    let sent = root.issues("between", ca_for(Usage::DigitalSignature));
    assert_eq!(
        why(&[sent.end(), sent.der]),
        "invalid peer certificate: a certificate sent with it may not be an issuer of it: its \
         KeyUsage has no keyCertSign"
    );
    let end = root.issues("admin", for_(Usage::KeyAgreement)).der;
    let words = "invalid peer certificate: its KeyUsage has no digitalSignature";
    assert_eq!(why(&[end]), words);
    let stranger = Made::root("nobody", ca).end();
    assert_eq!(why(&[stranger]), "invalid peer certificate: UnknownIssuer");
}
