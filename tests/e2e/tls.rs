//! TLS at the client port: who is let in, as whom, and what ends there.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use wire::client::{CreateMode, CreateRequest, PathWatchRequest, Request, Response};
use wire::{Acl, perms};

use crate::authority::{Authority, Identity};
use crate::cluster::{Cluster, configuration, free_port, wait_until};
use crate::secure::Secure;

/// A server with a plain and a secure port.
struct Alone {
    cluster: Cluster,
    port: u16,
    authority: Authority,
}

impl Alone {
    fn start(settings: &str) -> Self {
        Self::trusting(Authority::new(), settings)
    }

    fn trusting(authority: Authority, settings: &str) -> Self {
        let port = free_port();
        let own = authority.issue("server", &["127.0.0.1"]);
        let keys = authority.keys("ssl.", &own);
        let settings = format!("secureClientPort={port}\n{keys}{settings}");
        Self { cluster: Cluster::start_with(1, &settings), port, authority }
    }

    fn connect(&self, identity: Option<&Identity>) -> std::io::Result<Secure> {
        Secure::connect(self.port, &self.authority, identity)
    }

    /// Whether it answers a client with this certificate.
    fn serves(&self, identity: Option<&Identity>) -> bool {
        let answer = self.connect(identity).and_then(|client| client.word("srvr"));
        answer.is_ok_and(|answer| answer.contains("Mode: standalone"))
    }

    fn says(&self, words: &str) {
        wait_until(&format!("it says {words:?}"), || self.cluster.servers[0].log().contains(words));
    }

    fn counts(&self, name: &str) -> u64 {
        let answer = self.cluster.servers[0].word("mntr").expect("it serves");
        let line = answer.lines().find_map(|line| line.strip_prefix(&format!("zk_{name}\t")));
        line.unwrap_or_else(|| panic!("no {name}: {answer}")).parse().expect("a number")
    }
}

#[test]
fn who_is_served_is_who_may_be_by_client_auth() {
    let stranger = Authority::new();
    for (setting, trusted, without, foreign) in [
        ("", true, false, false),
        ("ssl.clientAuth=need", true, false, false),
        ("ssl.clientAuth=want", true, true, false),
        ("ssl.clientAuth=none", true, true, true),
    ] {
        let alone = Alone::start(setting);
        let anne = alone.authority.issue("anne", &[]);
        let eve = stranger.issue("anne", &[]);
        let before = alone.counts("unsuccessful_handshake");
        assert_eq!(alone.serves(Some(&anne)), trusted, "{setting}: trusted");
        assert_eq!(alone.serves(None), without, "{setting}: without");
        assert_eq!(alone.serves(Some(&eve)), foreign, "{setting}: foreign");
        let refused = [trusted, without, foreign].into_iter().filter(|served| !served).count();
        assert_eq!(alone.counts("unsuccessful_handshake") - before, refused as u64, "{setting}");
        assert_eq!(alone.counts("outstanding_tls_handshake"), 0, "{setting}");
        if refused > 0 {
            alone.says("client port: connection refused: 127.0.0.1:");
        }
    }
}

#[test]
fn a_client_has_a_certificate_of_its_address_where_that_is_verified() {
    let alone = Alone::start("ssl.clientHostnameVerification=true\n");
    let here = alone.authority.issue("here", &["127.0.0.1"]);
    let elsewhere = alone.authority.issue("elsewhere", &["192.0.2.7", "localhost"]);
    assert!(alone.serves(Some(&here)) && !alone.serves(Some(&elsewhere)));
    alone.says("its certificate is one of localhost, 192.0.2.7, not of 127.0.0.1");
}

#[test]
fn a_client_is_known_by_the_name_in_its_certificate() {
    let alone = Alone::start("X509AuthenticationProvider.superUser=CN=root\n");
    let ids = |name: &str| {
        let identity = alone.authority.issue(name, &[]);
        let mut client = alone.connect(Some(&identity)).expect("trusted");
        client.begin().expect("a session");
        client.who_am_i().expect("an answer")
    };
    let id = |scheme: &str, name: &str| (scheme.to_owned(), name.to_owned());
    let address = id("ip", "127.0.0.1");
    assert_eq!(ids("anne"), [address.clone(), id("x509", "CN=anne")]);
    assert!(ids("root").contains(&id("x509", "CN=root")));
    assert!(ids("root").iter().any(|(scheme, _)| scheme == "super"), "{:?}", ids("root"));
}

#[test]
fn the_super_user_of_a_certificate_may_do_what_nobody_else_may() {
    let alone = Alone::start("X509AuthenticationProvider.superUser=CN=root\n");
    let mut clients = ["anne", "root"].map(|name| {
        let identity = alone.authority.issue(name, &[]);
        let mut client = alone.connect(Some(&identity)).expect("trusted");
        client.begin().expect("a session");
        client
    });
    let nobody = wire::Id::new("digest", "nobody:knows");
    let create = Request::Create(CreateRequest {
        path: "/locked".to_owned(),
        data: Some(Bytes::from_static(b"x")),
        acl: vec![Acl::new(perms::ALL, nobody)],
        flags: CreateMode::Persistent.flags(),
    });
    clients[0].call(&create).expect("created");
    let get = Request::GetData(PathWatchRequest { path: "/locked".to_owned(), watch: false });
    assert!(clients[0].refused(&get), "the node is not its own");
    let Response::GetData(found) = clients[1].call(&get).expect("read") else {
        panic!("this is no answer to getData");
    };
    assert_eq!(found.data.as_deref(), Some(&b"x"[..]));
}

#[test]
fn a_client_whose_own_certificate_is_trusted_cannot_sign_itself_another() {
    let authority = Authority::new();
    let (anne, own) = Authority::without_right("anne", &[]);
    authority.trust(&anne);
    let alone = Alone::trusting(authority, "X509AuthenticationProvider.superUser=CN=root\n");
    let mut client = alone.connect(Some(&own)).expect("trusted");
    client.begin().expect("a session");
    let ids = client.who_am_i().expect("an answer");
    assert_eq!(ids[1], ("x509".to_owned(), "CN=anne".to_owned()));
    assert!(!alone.serves(Some(&anne.issue("root", &[]))));
    alone.says(
        "its issuer CN=anne is in the trust store, but may not issue certificates: its \
         BasicConstraints do not make it a CA",
    );
    assert!(alone.serves(Some(&alone.authority.issue("root", &[]))));
}

#[test]
fn requests_and_answers_of_megabytes_pass_through_tls() {
    let alone = Alone::start("jute.maxbuffer=8388608\n");
    let anne = alone.authority.issue("anne", &[]);
    let mut client = alone.connect(Some(&anne)).expect("trusted");
    client.begin().expect("a session");
    let data: Vec<u8> = (0..6_000_000_u32).map(|n| n.to_le_bytes()[0] ^ 0x5a).collect();
    let create = Request::Create(CreateRequest {
        path: "/large".to_owned(),
        data: Some(data.clone().into()),
        acl: Acl::open_unsafe(),
        flags: CreateMode::Persistent.flags(),
    });
    client.call(&create).expect("created");
    let get = Request::GetData(PathWatchRequest { path: "/large".to_owned(), watch: false });
    for _ in 0..3 {
        let Response::GetData(found) = client.call(&get).expect("read") else {
            panic!("this is no answer to getData");
        };
        assert!(found.data.as_deref() == Some(&data[..]));
    }
}

#[test]
fn what_does_not_speak_as_the_port_does_is_ended_with_a_word_to_the_operator() {
    let alone = Alone::start("ssl.handshakeDetectionTimeoutMillis=300\n");
    // Plain text at the secure port.
    let mut plain = TcpStream::connect(("127.0.0.1", alone.port)).expect("it listens");
    plain.write_all(b"ruok").expect("written");
    assert_eq!(plain.read(&mut [0; 9]).unwrap_or(0), 0, "no answer");
    alone.says("it does not speak TLS, and this port speaks nothing else");
    // TLS at the plain port.
    let port = alone.cluster.servers[0].client_port;
    assert!(Secure::connect(port, &alone.authority, None).is_err());
    alone.says("it speaks TLS, and this port does not");
    // Nothing.
    let mut silent = TcpStream::connect(("127.0.0.1", alone.port)).expect("it listens");
    assert_eq!(silent.read(&mut [0; 9]).unwrap_or(0), 0, "it is closed");
    alone.says("it has said nothing for 300ms");
    // A handshake that is none.
    let mut broken = TcpStream::connect(("127.0.0.1", alone.port)).expect("it listens");
    broken.write_all(&[&[0x16, 3, 1, 0xff, 0xff][..], &[0xff; 4096]].concat()).expect("written");
    let mut answer = Vec::new();
    let _ = broken.read_to_end(&mut answer);
    alone.says("the TLS handshake failed");
    assert!(alone.serves(Some(&alone.authority.issue("anne", &[]))), "others are served");
}

#[test]
fn the_plain_port_takes_both_if_it_is_told_so() {
    let authority = Authority::new();
    let own = authority.issue("server", &["127.0.0.1"]);
    let keys = authority.keys("ssl.", &own);
    let cluster = Cluster::start_with(1, &format!("client.portUnification=true\n{keys}"));
    let port = cluster.servers[0].client_port;
    let anne = authority.issue("anne", &[]);
    let secure = Secure::connect(port, &authority, Some(&anne)).expect("trusted");
    assert!(secure.word("srvr").expect("an answer").contains("Mode: standalone"));
    assert!(cluster.servers[0].word("srvr").expect("an answer").contains("Mode: standalone"));
    assert!(Secure::connect(port, &authority, None).and_then(|it| it.word("srvr")).is_err());
}

#[test]
fn handshakes_that_do_not_end_are_bounded_and_make_room() {
    let alone = Alone::start("outstandingHandshake.limit=2\nmaxClientCnxns=100\n");
    // They begin a handshake and stop.
    let begin = [0x16, 3, 1, 1, 0, 1];
    let _held: Vec<_> = (0..20)
        .map(|_| {
            let mut one = TcpStream::connect(("127.0.0.1", alone.port)).expect("it listens");
            one.write_all(&begin).expect("written");
            one
        })
        .collect();
    wait_until("some are turned away", || alone.counts("tls_handshake_exceeded") > 0);
    assert!(alone.counts("outstanding_tls_handshake") <= 2);
    alone.says("too many TLS handshakes are under way (outstandingHandshake.limit)");
    // The oldest is given up.
    let anne = alone.authority.issue("anne", &[]);
    wait_until("there is room", || alone.serves(Some(&anne)));
}

#[test]
fn strangers_who_say_nothing_keep_no_client_out() {
    let alone = Alone::start("outstandingHandshake.limit=2\nmaxClientCnxns=100\n");
    let before = alone.counts("num_alive_connections");
    let _silent: Vec<_> = (0..10)
        .map(|_| TcpStream::connect(("127.0.0.1", alone.port)).expect("it listens"))
        .collect();
    wait_until("all are there", || alone.counts("num_alive_connections") >= before + 10);
    let anne = alone.authority.issue("anne", &[]);
    assert!(alone.serves(Some(&anne)));
    assert_eq!(alone.counts("tls_handshake_exceeded"), 0);
}

#[test]
fn changed_stores_are_used_for_new_connections_and_no_session_ends() {
    let alone = Alone::start("client.certReload=true\n");
    let anne = alone.authority.issue("anne", &[]);
    let mut client = alone.connect(Some(&anne)).expect("trusted");
    client.begin().expect("a session");
    let before = client.certificate();

    // A broken file changes nothing.
    let store = alone.authority.issue("server", &["127.0.0.1"]).store;
    let new = fs::read(&store).expect("it is there");
    fs::write(&store, "nothing").expect("written");
    alone.says("the stores before stay in use");
    assert!(alone.serves(Some(&anne)));

    fs::write(&store, new).expect("written");
    wait_until("the new certificate is shown", || {
        alone.connect(Some(&anne)).is_ok_and(|client| client.certificate() != before)
    });
    client.who_am_i().expect("the session goes on");

    // Another authority is trusted: who was let in stays, and does not get in again.
    let other = Authority::new();
    let bob = other.issue("bob", &[]);
    let trusted = alone.authority.trust_store();
    let certificate = fs::read(&trusted).expect("it is there");
    fs::copy(other.trust_store(), &trusted).expect("written");
    let connect = |identity| {
        let kept = alone.cluster.servers[0].directory.join("trusted.pem");
        fs::write(&kept, &certificate).expect("written");
        Secure::connect_to("127.0.0.1", alone.port, &kept, Some(identity))
    };
    wait_until("another is trusted", || {
        connect(&bob).and_then(|client| client.word("srvr")).is_ok()
    });
    assert!(connect(&anne).and_then(|client| client.word("srvr")).is_err());
    client.who_am_i().expect("the session goes on");
}

#[test]
fn a_store_that_becomes_a_fifo_is_refused_and_the_next_file_is_used() {
    let mut alone = Alone::start("client.certReload=true\n");
    let anne = alone.authority.issue("anne", &[]);
    let trusted = alone.authority.trust_store();
    let ours = fs::read(&trusted).expect("it is there");
    let become_fifo = || {
        fs::remove_file(&trusted).expect("it was there");
        let made = Command::new("mkfifo").arg(&trusted).status().expect("it runs");
        assert!(made.success());
    };
    become_fifo();
    alone.says("the stores before stay in use: ");
    alone.says("it is a FIFO, and has to be a file");

    let other = Authority::new();
    let bob = other.issue("bob", &[]);
    fs::remove_file(&trusted).expect("it was there");
    fs::copy(other.trust_store(), &trusted).expect("written");
    let kept = alone.cluster.servers[0].directory.join("trusted.pem");
    fs::write(&kept, ours).expect("written");
    let serves = |identity| {
        let client = Secure::connect_to("127.0.0.1", alone.port, &kept, Some(identity));
        client.and_then(|client| client.word("srvr")).is_ok()
    };
    wait_until("another is trusted", || serves(&bob));
    assert!(!serves(&anne));

    become_fifo();
    wait_until("it is refused again", || {
        alone.cluster.servers[0].log().matches("it is a FIFO").count() == 2
    });
    assert!(alone.cluster.servers[0].stop().success());
}

#[test]
fn a_server_shows_the_certificate_of_a_store_in_any_form_of_java() {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/server/src/tls/testdata");
    let port = free_port();
    for name in ["server.jks", "keytool.p12", "openssl.p12", "legacy.p12"] {
        let store = testdata.join(name).display().to_string();
        let trust = testdata.join("trusted.jks").display().to_string();
        let cluster = Cluster::start_with(
            1,
            &format!(
                "secureClientPort={port}\nssl.clientAuth=want\nssl.keyStore.location={store}\n\
                 ssl.keyStore.password=password\nssl.trustStore.location={trust}\n\
                 ssl.trustStore.password=password\n"
            ),
        );
        let trusted = testdata.join("ca.pem");
        let client = Secure::connect_to("zoo1.example.com", port, &trusted, None);
        let answer = client.and_then(|client| client.word("srvr"));
        assert!(answer.expect(name).contains("Mode: standalone"), "{name}");
        drop(cluster);
    }
}

#[test]
fn stores_that_cannot_be_used_stop_the_start_and_no_password_is_told() {
    let authority = Authority::new();
    let own = authority.issue("server", &["127.0.0.1"]);
    let port = free_port();
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/server/src/tls/testdata");
    let jks = testdata.join("server.jks").display().to_string();
    let none = own.store.with_file_name("none.pem").display().to_string();
    let mixed = own.store.with_file_name("mixed.pem");
    let other = authority.issue("other", &[]);
    let text = |path| fs::read_to_string(path).expect("it is there");
    fs::write(&mixed, text(&own.key) + &text(&other.certificate)).expect("written");
    for (line, say) in [
        (format!("ssl.keyStore.location={none}"), "none.pem: it cannot be read: "),
        (
            format!("ssl.keyStore.location={jks}\nssl.keyStore.password=hunter2"),
            "server.jks: its password is wrong",
        ),
        (
            format!("ssl.keyStore.location={}", mixed.display()),
            "mixed.pem: its private key is not the one of its (first) certificate",
        ),
        (
            format!("ssl.trustStore.location={}", own.key.display()),
            "it holds no trusted certificate",
        ),
    ] {
        let keys = authority.keys("ssl.", &own);
        let settings = format!("secureClientPort={port}\n{keys}{line}\n");
        let mut cluster = Cluster::new(1, &settings);
        let server = &mut cluster.servers[0];
        assert!(fs::read_to_string(configuration(&server.directory)).is_ok());
        server.start();
        assert_eq!(server.ended().code(), Some(1), "{line}");
        let log = server.log();
        assert!(log.contains("TLS for clients (ssl.*): ") && log.contains(say), "{line}: {log}");
        assert!(!log.contains("hunter2"), "{log}");
    }
}
