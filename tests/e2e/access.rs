//! Who a client is, what it may do, and what it may read of the service itself.

use std::time::Duration;

use bytes::Bytes;
use wire::client::{
    AuthPacket, ClientInfo, CreateMode, CreateRequest, PathRequest, Request, Response,
    SetAclRequest, xid,
};
use wire::{Acl, ErrorCode, Id, perms};

use crate::client::{Answer, Client, Failure};
use crate::cluster::{Cluster, Server, wait_until};

const TIMEOUT: Duration = Duration::from_secs(30);

fn packet(scheme: &str, auth: &'static [u8]) -> Vec<u8> {
    let mut body = Vec::new();
    let auth = Some(Bytes::from_static(auth));
    Request::Auth(AuthPacket { kind: 0, scheme: scheme.to_owned(), auth }).encode(&mut body);
    body
}

/// The error that answers an auth packet.
pub(crate) fn authenticate(client: &mut Client, scheme: &str, auth: &'static [u8]) -> i32 {
    let (header, body) = client.ask(xid::AUTH, 100, &packet(scheme, auth)).expect("an answer");
    assert_eq!((header.xid, header.zxid, body.len()), (xid::AUTH, 0, 0));
    header.err
}

fn create_with(client: &mut Client, path: &str, acl: Vec<Acl>) -> Answer<()> {
    let data = Some(Bytes::from_static(b"mine"));
    let request = CreateRequest { path: path.to_owned(), data, acl, flags: 0 };
    client.call(&Request::Create(request)).map(|_| ())
}

pub(crate) fn own() -> Vec<Acl> {
    vec![Acl::new(perms::ALL, Id::new("auth", ""))]
}

fn error<T: std::fmt::Debug>(answer: Answer<T>) -> ErrorCode {
    match answer {
        Err(Failure::Refused(error)) => error,
        other => panic!("an error was expected, not {other:?}"),
    }
}

#[test]
fn a_node_is_its_creators_on_every_server() {
    let cluster = Cluster::start(3);
    let at = |index: usize| Client::connect(&[cluster.servers[index].address()], TIMEOUT);
    for (home, elsewhere) in [(0, 1), (1, 2), (2, 0)] {
        let path = format!("/of{home}");
        let mut anne = at(home);
        assert_eq!(error(create_with(&mut anne, &path, own())), ErrorCode::InvalidACL);
        assert_eq!(authenticate(&mut anne, "digest", b"anne:secret"), 0);
        create_with(&mut anne, &path, own()).expect("created");
        anne.set(&path, b"still mine", -1).expect("set");

        let mut other = at(elsewhere);
        other.sync().expect("synced");
        assert_eq!(error(other.get(&path, false)), ErrorCode::NoAuth);
        assert_eq!(error(other.set(&path, b"", -1)), ErrorCode::NoAuth);
        assert_eq!(authenticate(&mut other, "digest", b"anne:wrong"), 0, "any password is one");
        assert_eq!(error(other.get(&path, false)), ErrorCode::NoAuth);
        assert_eq!(authenticate(&mut other, "digest", b"anne:secret"), 0);
        assert_eq!(other.get(&path, false).expect("read").0, &b"still mine"[..]);
        other.set(&path, b"ours", -1).expect("set");
        // What was proved is of the connection, not of the session.
        other.drop_connection();
        other.reconnect().expect("the session lives");
        assert_eq!(error(other.get(&path, false)), ErrorCode::NoAuth);
    }
}

#[test]
fn a_client_is_told_who_it_is_and_nobody_sees_a_hash() {
    let cluster = Cluster::start(1);
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    let who = |client: &mut Client| {
        let answer = client.call(&Request::WhoAmI).expect("answered");
        let Response::WhoAmI(who) = answer else { panic!("{answer:?}") };
        who
    };
    let id = |scheme: &str, user: &str| ClientInfo {
        auth_scheme: scheme.to_owned(),
        user: user.to_owned(),
    };
    assert_eq!(who(&mut client), [id("ip", "127.0.0.1")]);
    assert_eq!(authenticate(&mut client, "ip", b""), 0);
    assert_eq!(authenticate(&mut client, "digest", b"anne:secret"), 0);
    assert_eq!(authenticate(&mut client, "digest", b"anne:secret"), 0);
    assert_eq!(who(&mut client), [id("ip", "127.0.0.1"), id("digest", "anne")]);

    let entry = Acl::new(perms::READ, Id::new("digest", "anne:g7jzvLYgYzPVIvKZkoRvVSNIJPo="));
    create_with(&mut client, "/a", vec![entry]).expect("created");
    let mut stranger = Client::connect(&cluster.addresses(), TIMEOUT);
    let get = Request::GetAcl(PathRequest { path: "/a".to_owned() });
    assert_eq!(error(stranger.call(&get)), ErrorCode::NoAuth);
}

#[test]
fn who_cannot_be_authenticated_is_told_and_does_nothing_more() {
    let cluster = Cluster::start(3);
    let leader = cluster.leader();
    for scheme in ["x509", "sasl", "world", "super", "nosuchscheme"] {
        for server in [leader, (leader + 1) % 3] {
            let server = &cluster.servers[server];
            for _ in 0..3 {
                let mut client = Client::connect(&[server.address()], TIMEOUT);
                // The client does not wait: what it asks for behind the packet must not be done.
                let create = CreateRequest {
                    path: "/done".to_owned(),
                    data: None,
                    acl: Acl::open_unsafe(),
                    flags: CreateMode::Persistent.flags(),
                };
                let mut bytes = Vec::new();
                wire::frame::frame(&mut bytes, |out| {
                    out.extend([0xff, 0xff, 0xff, 0xfc, 0, 0, 0, 100]);
                    out.extend(packet(scheme, b"x"));
                });
                wire::client::encode_request(&mut bytes, 1, &Request::Create(create));
                client.send_raw(&bytes).expect("sent");
                let (header, _) = client.answer().expect("an answer");
                assert_eq!(header.xid, xid::AUTH, "{scheme}");
                assert_eq!(header.err, ErrorCode::AuthFailed.code(), "{scheme}");
                client.expect_end();
            }
            let said = format!("cannot be authenticated by scheme {scheme:?}");
            assert_eq!(server.log().matches(&said).count(), 1, "{said}");
        }
    }
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    client.sync().expect("synced");
    assert!(client.exists("/done", false).expect("it serves").is_none());
}

#[test]
fn a_token_of_sasl_is_refused_as_a_failed_exchange() {
    let cluster = Cluster::start(1);
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    let (header, body) = client.ask(3, 102, &[0, 0, 0, 0]).expect("an answer");
    assert_eq!((header.xid, header.zxid, header.err), (3, 0, ErrorCode::AuthFailed.code()));
    assert_eq!(&body[..], [0xff; 4], "no token");
    client.expect_end();
}

#[test]
fn the_super_user_may_do_everything_and_what_is_required_comes_first() {
    let cluster = Cluster::start_with(
        3,
        "DigestAuthenticationProvider.superDigest=super:D/InIHSb7yEEbrWz8b9l71RjZJU=\n\
         enforce.auth.enabled=true\nenforce.auth.schemes=digest\n",
    );
    let at = |index: usize| Client::connect(&[cluster.servers[index].address()], TIMEOUT);
    let mut nobody = at(0);
    let refused = error(nobody.call(&Request::WhoAmI));
    assert_eq!(refused, ErrorCode::SessionClosedRequireSaslAuth);
    nobody.expect_end();
    for (home, elsewhere) in [(0, 1), (1, 2), (2, 0)] {
        let path = format!("/of{home}");
        let mut anne = at(home);
        assert_eq!(authenticate(&mut anne, "digest", b"anne:secret"), 0);
        create_with(&mut anne, &path, own()).expect("created");
        let mut root = at(elsewhere);
        assert_eq!(authenticate(&mut root, "digest", b"super:test"), 0);
        root.sync().expect("synced");
        root.get(&path, false).expect("read");
        root.set(&path, b"taken", -1).expect("set");
        root.delete(&path, -1).expect("deleted");
    }
}

#[test]
fn a_quota_is_counted_by_every_server_and_after_a_restart() {
    let mut cluster = Cluster::start_with(3, "enforceQuota=true\nsnapCount=5\n");
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    let mut create = |path: &str, data: &[u8]| client.create(path, data, CreateMode::Persistent);
    create("/q", b"").expect("created");
    create("/zookeeper/quota/q", b"").expect("created");
    create("/zookeeper/quota/q/zookeeper_limits", b"count=-1,bytes=-1=;countHardLimit=11")
        .expect("created");
    create("/zookeeper/quota/q/zookeeper_stats", b"").expect("created");
    for number in 0..10 {
        create(&format!("/q/{number}"), b"four").expect("within the limit");
    }
    assert_eq!(error(create("/q/more", b"")), ErrorCode::QuotaExceeded);
    let counted = |server: &Server| {
        let mut client = Client::connect(&[server.address()], TIMEOUT);
        client.sync().expect("synced");
        client.get("/zookeeper/quota/q/zookeeper_stats", false).expect("read").0
    };
    for server in &cluster.servers {
        assert_eq!(counted(server), &b"count=11,bytes=40"[..]);
    }
    for server in &mut cluster.servers {
        server.kill();
    }
    let cluster = cluster.started();
    for server in &cluster.servers {
        assert_eq!(counted(server), &b"count=11,bytes=40"[..]);
    }
}

fn configuration(server: &Server) -> (Bytes, wire::Stat) {
    let mut client = Client::connect(&[server.address()], TIMEOUT);
    client.get("/zookeeper/config", true).expect("anyone may read it")
}

#[test]
fn the_members_are_in_the_configuration_node_of_every_server() {
    let mut cluster = Cluster::start_with(3, "commitLogCount=1\nsnapCount=2\n");
    let text: String = cluster
        .member_lines()
        .lines()
        .map(|line| format!("{line}:participant\n"))
        .chain(["version=0".to_owned()])
        .collect();
    let first = configuration(&cluster.servers[0]);
    assert_eq!(first.0, text.as_bytes());
    assert_eq!((first.1.version, first.1.mzxid), (-1, 0));
    for server in &cluster.servers {
        assert_eq!(configuration(server), first);
    }

    // One of them gets the whole state from the leader, then all start from their disks.
    let behind = cluster.follower();
    cluster.servers[behind].kill();
    let others: Vec<_> =
        cluster.servers.iter().filter(|server| server.runs()).map(Server::address).collect();
    let mut client = Client::connect(&others, TIMEOUT);
    for number in 0..50 {
        client.create(&format!("/n{number}"), b"", CreateMode::Persistent).expect("created");
    }
    cluster.servers[behind].start();
    cluster.wait_until_all_serve();
    assert!(cluster.servers.iter().any(|server| server.log().contains(" gets a SNAP")));
    for server in &cluster.servers {
        assert_eq!(configuration(server), first);
    }
    for server in &mut cluster.servers {
        server.kill();
    }
    let cluster = cluster.started();
    for server in &cluster.servers {
        assert_eq!(configuration(server), first);
    }
}

#[test]
fn nobody_writes_the_configuration_node() {
    let cluster = Cluster::start(3);
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    assert_eq!(error(client.set("/zookeeper/config", b"x", -1)), ErrorCode::NoAuth);
    assert_eq!(error(client.delete("/zookeeper/config", -1)), ErrorCode::BadArguments);
    let below = client.create("/zookeeper/config/x", b"", CreateMode::Persistent);
    assert_eq!(error(below), ErrorCode::NoAuth);
    let (path, acl) = ("/zookeeper/config".to_owned(), Acl::open_unsafe());
    let set_acl = Request::SetAcl(SetAclRequest { path, acl, version: -1 });
    assert_eq!(error(client.call(&set_acl)), ErrorCode::NoAuth);

    client.ping().expect("the connection goes on");
}

#[test]
fn a_server_alone_has_no_members() {
    let cluster = Cluster::start(1);
    assert_eq!(configuration(&cluster.servers[0]).0, &b""[..]);

    // Nor has one that goes on in the directory of a member.
    let mut cluster = Cluster::start(3);
    assert_ne!(configuration(&cluster.servers[0]).0, &b""[..]);
    for server in &mut cluster.servers {
        server.kill();
    }
    let server = &mut cluster.servers[0];
    let file = crate::cluster::configuration(&server.directory);
    let text = std::fs::read_to_string(&file).expect("it is there");
    let alone = text.lines().filter(|line| !line.starts_with("server."));
    let alone: String = alone.map(|line| format!("{line}\n")).collect();
    std::fs::write(&file, alone).expect("written");
    server.start();
    wait_until("it serves alone", || server.mode().as_deref() == Some("standalone"));
    assert_eq!(configuration(server).0, &b""[..]);
}
