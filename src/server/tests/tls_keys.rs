//! The keys of TLS: what they mean, and what is said of those that cannot be meant.

use server::{ClientAddress, ClientAuth, Config, Password, StoreKind, TlsKeys, TlsVersions};
use std::path::Path;

const ENSEMBLE: &str = "\
dataDir=/data
initLimit=5
syncLimit=2
clientPort=2181
server.1=zoo1:2888:3888
server.2=zoo2:2888:3888
server.3=zoo3:2888:3888
";

const SECURE: &str = "\
secureClientPort=2281
ssl.keyStore.location=/keys.jks
ssl.trustStore.location=/trusted.p12
";

const QUORUM: &str = "\
sslQuorum=true
ssl.quorum.keyStore.location=/keys.pem
ssl.quorum.trustStore.location=/trusted.pem
";

fn read(lines: &str) -> Result<Config, String> {
    let text = format!("{ENSEMBLE}{lines}");
    Config::from_bytes(text.as_bytes(), |_| Ok(b"1\n".to_vec())).map_err(|error| error.to_string())
}

fn config(lines: &str) -> Config {
    read(lines).unwrap_or_else(|error| panic!("{lines}: {error}"))
}

fn client(lines: &str) -> TlsKeys {
    config(&format!("{SECURE}{lines}")).tls.client.expect("there is a secure port")
}

fn quorum(lines: &str) -> TlsKeys {
    config(&format!("{QUORUM}{lines}")).tls.quorum.expect("servers speak it")
}

#[test]
fn without_these_keys_nobody_speaks_tls() {
    let tls = config("").tls;
    assert_eq!((tls.client, tls.quorum, tls.secure_client), (None, None, None));
    assert!(!tls.client_port_unification && !tls.quorum_dials && !tls.quorum_port_unification);
    let tls = config("secureClientPort=0\nsslQuorum=false\nclient.portUnification=false\n").tls;
    assert_eq!((tls.client, tls.quorum, tls.secure_client), (None, None, None));
}

#[test]
fn what_is_not_set_has_the_default_of_zookeeper_and_either_version_is_spoken() {
    for (keys, verifies_client) in [(client(""), false), (quorum(""), true)] {
        assert_eq!(keys.client_auth, ClientAuth::Need);
        assert_eq!(keys.versions, TlsVersions { v1_2: true, v1_3: true });
        assert!(keys.cipher_suites.is_empty() && keys.verifies_server && !keys.reloads);
        assert_eq!(keys.verifies_client, verifies_client);
        assert_eq!(keys.detection_timeout.as_millis(), 5_000);
    }
    let host = ClientAddress::ANY.to_owned();
    let tls = config(SECURE).tls;
    assert_eq!(tls.secure_client, Some(ClientAddress { host, port: 2281 }));
    assert_eq!((tls.outstanding_handshakes_max, tls.super_user), (None, None));
}

#[test]
fn every_key_is_taken() {
    let config = config(&format!(
        "{SECURE}secureClientPortAddress=[::1]\nssl.keyStore.type=pkcs12\nssl.keyStore.password=a\n\
         ssl.keyStore.passwordPath=/secret\nssl.trustStore.type=PEM\nssl.trustStore.password=b\n\
         ssl.protocol=TLSv1.2\nssl.ciphersuites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\n\
         ssl.clientAuth=WANT\nssl.hostnameVerification=true\nssl.clientHostnameVerification=true\n\
         ssl.handshakeDetectionTimeoutMillis=7\nclient.certReload=true\nssl.authProvider=x509\n\
         X509AuthenticationProvider.superUser=CN=root\noutstandingHandshake.limit=9\n\
         serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory\n\
         {QUORUM}portUnification=true\nsslQuorumReloadCertFiles=true\n\
         ssl.quorum.enabledProtocols=TLSv1.3\nssl.quorum.hostnameVerification=false\n"
    ));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let tls = config.tls;
    assert_eq!(tls.secure_client.map(|it| it.host).as_deref(), Some("::1"));
    assert_eq!(tls.outstanding_handshakes_max, Some(9));
    assert_eq!(tls.super_user.as_deref(), Some("CN=root"));
    assert!(tls.quorum_dials && tls.quorum_port_unification);
    let keys = tls.client.expect("there is a secure port");
    assert_eq!(keys.key_store.path, Path::new("/keys.jks"));
    assert_eq!(keys.key_store.kind, StoreKind::Java);
    assert_eq!(keys.key_store.password, Password::InFile("/secret".into()));
    let trust = keys.trust_store.expect("it is set");
    assert_eq!((trust.path.as_path(), trust.kind), (Path::new("/trusted.p12"), StoreKind::Pem));
    assert_eq!(keys.versions, TlsVersions { v1_2: true, v1_3: false });
    assert_eq!(keys.cipher_suites, ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]);
    assert_eq!(keys.client_auth, ClientAuth::Want);
    assert!(keys.verifies_client && keys.reloads);
    assert_eq!(keys.detection_timeout.as_millis(), 7);
    let keys = tls.quorum.expect("servers speak it");
    assert_eq!(keys.versions, TlsVersions { v1_2: false, v1_3: true });
    // Where names are not verified, those of clients are not either.
    assert!(!keys.verifies_server && !keys.verifies_client && keys.reloads);
}

#[test]
fn a_file_that_names_a_version_is_served_no_other() {
    for (lines, v1_2, v1_3) in [
        ("", true, true),
        ("protocol=TLS", true, true),
        ("protocol=TLSv1.2", true, false),
        ("protocol=TLSv1.3", false, true),
        // Where both are given, the list counts, as in ZooKeeper.
        ("protocol=TLSv1.3 enabledProtocols=TLSv1.2", true, false),
        ("protocol=TLSv1.2 enabledProtocols=TLSv1.2,TLSv1.3", true, true),
        ("enabledProtocols=TLSv1.3", false, true),
    ] {
        let of = |prefix: &str| -> String {
            lines.split_whitespace().map(|line| format!("{prefix}{line}\n")).collect()
        };
        let expected = TlsVersions { v1_2, v1_3 };
        assert_eq!(client(&of("ssl.")).versions, expected, "{lines}");
        assert_eq!(quorum(&of("ssl.quorum.")).versions, expected, "{lines}");
    }
}

#[test]
fn a_password_is_never_printed() {
    let config = config(&format!("{SECURE}ssl.keyStore.password=hunter2\n"));
    assert!(!format!("{config:?}").contains("hunter2"));
    let error = read(&format!("{SECURE}ssl.keyStore.password=hunter2\nssl.keyStore.type=BCFKS\n"));
    assert!(!error.expect_err("not read here").contains("hunter2"));
}

#[test]
fn what_cannot_be_meant_is_refused_by_name() {
    let without = |key: &str| {
        let lines = SECURE.lines().chain(QUORUM.lines());
        lines.filter(|line| !line.starts_with(key)).map(|line| format!("{line}\n")).collect()
    };
    let with = |line: &str| format!("{SECURE}{QUORUM}{line}\n");
    let cases: [(String, &str); 14] = [
        (without("ssl.keyStore"), "ssl.keyStore.location is not set, and secureClientPort or "),
        (without("ssl.trustStore"), "ssl.trustStore.location is not set, and secureClientPort or "),
        (without("ssl.quorum.keyStore"), "ssl.quorum.keyStore.location is not set, and sslQuorum"),
        (without("ssl.quorum.trustStore"), "ssl.quorum.trustStore.location is not set"),
        (with("ssl.keyStore.location=/keys"), "allowed: a file that ends in .jks, .p12 or .pem"),
        (with("ssl.keyStore.location=/keys.bcfks"), "BCFKS is not read here"),
        (with("ssl.keyStore.type=BCFKS"), "ssl.keyStore.type: found `BCFKS`, allowed: JKS, "),
        (with("ssl.clientAuth=maybe"), "ssl.clientAuth: found `maybe`, allowed: none or want"),
        (with("ssl.protocol=TLSv1.1"), "ssl.protocol: found `TLSv1.1`, allowed: TLSv1.2 or "),
        (with("ssl.enabledProtocols=TLSv1.1"), "ssl.enabledProtocols: found `TLSv1.1`, allowed"),
        (
            with("ssl.ciphersuites=TLS_RSA_WITH_AES_128_CBC_SHA"),
            "allowed: some of TLS_AES_256_GCM_SHA384, ",
        ),
        (with("ssl.authProvider=own"), "ssl.authProvider: found `own`, allowed: x509"),
        (with("ssl.crl=true"), "ssl.crl=true is not supported: "),
        ("secureClientPortAddress=::1".to_owned(), "only together with secureClientPort"),
    ];
    for (lines, say) in cases {
        let error = read(&lines).expect_err(say);
        assert!(error.contains(say), "{lines}: {error}");
    }
    // Who is not asked for a certificate need not be trusted.
    let lines = without("ssl.trustStore") + "ssl.clientAuth=none\n";
    assert_eq!(config(&lines).tls.client.expect("there is a secure port").trust_store, None);
}

#[test]
fn what_is_weaker_than_what_is_offered_is_left_out_with_a_warning() {
    let config = config(&format!(
        "{SECURE}ssl.enabledProtocols=TLSv1.1, TLSv1.2\n\
         ssl.ciphersuites=TLS_RSA_WITH_AES_128_CBC_SHA,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384\n"
    ));
    assert_eq!(
        config.warnings,
        [
            "ssl.enabledProtocols: TLSv1.1 is not spoken here",
            "ssl.ciphersuites: TLS_RSA_WITH_AES_128_CBC_SHA not offered here",
        ]
    );
    let keys = config.tls.client.expect("there is a secure port");
    assert_eq!(keys.versions, TlsVersions { v1_2: true, v1_3: false });
    assert_eq!(keys.cipher_suites, ["TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"]);
}

#[test]
fn keys_of_ports_that_are_not_there_are_ignored_as_by_zookeeper_with_a_word() {
    let config = config("ssl.keyStore.location=/k.pem\nssl.quorum.keyStore.location=/k.pem\n");
    assert_eq!(
        config.warnings,
        [
            "line 8: ssl.keyStore.location=/k.pem is ignored: nothing here asks for it",
            "line 9: ssl.quorum.keyStore.location=/k.pem is ignored: nothing here asks for it",
        ]
    );
    assert_eq!((config.tls.client, config.tls.quorum), (None, None));
}

#[test]
fn conf_tells_the_secure_port() {
    let text = config(SECURE).conf_text(server::DirSizes::default());
    assert!(text.starts_with("clientPort=2181\nsecureClientPort=2281\n"), "{text}");
}
