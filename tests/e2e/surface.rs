//! Everything that a client may ask for, sent to real servers: it is done, or refused as the table
//! says.

use std::time::Duration;

use bytes::Bytes;
use server::compat::{self, Operation};
use wire::client::{
    AddWatchRequest, AuthPacket, CheckVersionRequest, CreateMode, CreateRequest, CreateTtlRequest,
    DeleteRequest, MultiOp, MultiReadOp, MultiResult, OpCode, PathAndTypeRequest, PathRequest,
    PathWatchRequest, ReconfigRequest, Request, Response, SetAclRequest, SetDataRequest,
    SetWatches, SetWatches2, WatcherType,
};
use wire::jute::Reader;
use wire::{Acl, ErrorCode};

use crate::client::Client;
use crate::cluster::Cluster;

const TIMEOUT: Duration = Duration::from_secs(30);

fn create(path: &str, flags: i32) -> CreateRequest {
    CreateRequest { path: path.to_owned(), data: None, acl: Acl::open_unsafe(), flags }
}

fn create_ttl(path: &str, flags: i32, ttl: i64) -> CreateTtlRequest {
    let CreateRequest { path, data, acl, flags } = create(path, flags);
    CreateTtlRequest { path, data, acl, flags, ttl }
}

fn path(path: &str) -> PathRequest {
    PathRequest { path: path.to_owned() }
}

fn read(path: &str) -> PathWatchRequest {
    PathWatchRequest { path: path.to_owned(), watch: true }
}

fn watches(path: &str, kind: i32) -> PathAndTypeRequest {
    PathAndTypeRequest { path: path.to_owned(), kind }
}

fn set(path: &str) -> SetDataRequest {
    SetDataRequest { path: path.to_owned(), data: Some(Bytes::from_static(b"x")), version: -1 }
}

/// A request that is right, for a server where `/a` exists and was used for nothing; and the error
/// that answers it if it is done. `unique` is a path that does not exist.
fn sample(op: OpCode, unique: &str) -> (Option<Request>, ErrorCode) {
    let any = WatcherType::Any.code();
    let ok = |request| (Some(request), ErrorCode::Ok);
    match op {
        OpCode::Notification | OpCode::Error => (None, ErrorCode::Ok),
        OpCode::Create => ok(Request::Create(create(unique, 0))),
        OpCode::Create2 => ok(Request::Create2(create(unique, 0))),
        OpCode::CreateContainer => {
            ok(Request::CreateContainer(create(unique, CreateMode::Container.flags())))
        }
        // Without extendedTypesEnabled.
        OpCode::CreateTtl => {
            (Some(Request::CreateTtl(create_ttl(unique, 5, 1000))), ErrorCode::Unimplemented)
        }
        OpCode::Delete => {
            let delete = DeleteRequest { path: unique.to_owned(), version: -1 };
            (Some(Request::Delete(delete)), ErrorCode::NoNode)
        }
        OpCode::Exists => ok(Request::Exists(read("/a"))),
        OpCode::GetData => ok(Request::GetData(read("/a"))),
        OpCode::SetData => ok(Request::SetData(set("/a"))),
        OpCode::GetAcl => ok(Request::GetAcl(path("/a"))),
        OpCode::SetAcl => {
            let (path, acl) = ("/a".to_owned(), Acl::open_unsafe());
            ok(Request::SetAcl(SetAclRequest { path, acl, version: -1 }))
        }
        OpCode::GetChildren => ok(Request::GetChildren(read("/a"))),
        OpCode::Sync => ok(Request::Sync(path("/a"))),
        OpCode::Ping => ok(Request::Ping),
        OpCode::GetChildren2 => ok(Request::GetChildren2(read("/a"))),
        OpCode::Check => {
            ok(Request::Check(CheckVersionRequest { path: "/a".to_owned(), version: -1 }))
        }
        OpCode::Multi => ok(Request::Multi(vec![MultiOp::SetData(set("/a"))])),
        OpCode::Reconfig => ok(Request::Reconfig(ReconfigRequest {
            joining: None,
            leaving: Some("3".to_owned()),
            new_members: None,
            cur_config_id: -1,
        })),
        OpCode::CheckWatches => {
            (Some(Request::CheckWatches(watches(unique, any))), ErrorCode::NoWatcher)
        }
        OpCode::RemoveWatches => {
            (Some(Request::RemoveWatches(watches(unique, any))), ErrorCode::NoWatcher)
        }
        OpCode::DeleteContainer => ok(Request::DeleteContainer(path("/a"))),
        OpCode::MultiRead => ok(Request::MultiRead(vec![MultiReadOp::GetData(read("/a"))])),
        OpCode::Auth => {
            let auth = Some(Bytes::from_static(b"anne:secret"));
            ok(Request::Auth(AuthPacket { kind: 0, scheme: "digest".to_owned(), auth }))
        }
        OpCode::SetWatches => ok(Request::SetWatches(SetWatches {
            data_watches: vec!["/a".to_owned()],
            relative_zxid: i64::MAX,
            ..SetWatches::default()
        })),
        OpCode::Sasl => ok(Request::Sasl(Some(Bytes::new()))),
        OpCode::GetEphemerals => ok(Request::GetEphemerals(path("/"))),
        OpCode::GetAllChildrenNumber => ok(Request::GetAllChildrenNumber(path("/"))),
        OpCode::SetWatches2 => ok(Request::SetWatches2(SetWatches2 {
            persistent_recursive_watches: vec![unique.to_owned()],
            ..SetWatches2::default()
        })),
        OpCode::AddWatch => {
            ok(Request::AddWatch(AddWatchRequest { path: unique.to_owned(), mode: 0 }))
        }
        OpCode::WhoAmI => ok(Request::WhoAmI),
        OpCode::CreateSession => ok(Request::CreateSession { timeout_ms: 4000 }),
        OpCode::CloseSession => ok(Request::CloseSession),
    }
}

#[test]
fn every_operation_is_done_or_refused_as_the_table_says() {
    let (_directory, users) = crate::sasl::users();
    let cluster = Cluster::start_with(3, &users);
    let leader = cluster.leader();
    let mut other = Client::connect(&cluster.addresses(), TIMEOUT);
    other.create("/a", b"", CreateMode::Persistent).expect("created");
    for server in [leader, (leader + 1) % 3] {
        let server = cluster.servers[server].address();
        for &op in OpCode::ALL {
            let mut client = Client::connect(&[server], TIMEOUT);
            client.sync().expect("synced");
            let unique = format!("/{op}-{}", server.port());
            let (request, error) = sample(op, &unique);
            let mut body = Vec::new();
            request.iter().for_each(|request| request.encode(&mut body));
            let (header, rest) = client.ask(7, op.code(), &body).expect("an answer");
            let found = ErrorCode::from_code(header.err).expect("a code that clients know");
            assert_eq!(header.xid, 7, "{op}");
            let expected = compat::operation(op);
            match expected {
                Operation::Read | Operation::Write | Operation::Sync | Operation::Auth => {
                    assert_eq!(found, error, "{op}");
                    let answer = Response::decode(op, &mut Reader::new(&rest));
                    assert!(found != ErrorCode::Ok || answer.is_ok(), "{op}: {answer:?}");
                }
                Operation::Refused(error) | Operation::Closes(error) => {
                    assert_eq!(found, error, "{op}");
                }
            }
            if matches!(expected, Operation::Closes(_)) || op == OpCode::CloseSession {
                client.expect_end();
            } else {
                client.ping().unwrap_or_else(|error| panic!("{op}: it goes on: {error:?}"));
            }
        }
        for number in [10, 23, 99, 108, -2, -9, -12, i32::MAX, i32::MIN] {
            let mut client = Client::connect(&[server], TIMEOUT);
            let (header, _) = client.ask(7, number, &[0; 16]).expect("an answer");
            let expected = (7, -1, ErrorCode::Unimplemented.code());
            assert_eq!((header.xid, header.zxid, header.err), expected, "{number}");
            client.expect_end();
        }
    }
    assert!(other.exists("/a", false).expect("it serves").is_some(), "no request deleted it");
}

fn error_of(client: &mut Client, request: &Request) -> ErrorCode {
    let mut body = Vec::new();
    request.encode(&mut body);
    let (header, _) = client.ask(9, request.op().code(), &body).expect("an answer");
    ErrorCode::from_code(header.err).expect("a code that clients know")
}

#[test]
fn every_mode_and_type_is_done_or_refused_with_an_error_that_clients_know() {
    use ErrorCode::{BadArguments, MarshallingError, NoWatcher, Ok, Unimplemented};
    for extended in [false, true] {
        let cluster = Cluster::start_with(1, &format!("extendedTypesEnabled={extended}\n"));
        let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
        let ttl_modes = if extended { BadArguments } else { Unimplemented };
        for (flags, expected) in [
            (0, Ok),
            (1, Ok),
            (2, Ok),
            (3, Ok),
            (4, Ok),
            (5, ttl_modes),
            (6, ttl_modes),
            (7, BadArguments),
            (-1, BadArguments),
            (i32::MAX, BadArguments),
        ] {
            for (op, request) in [
                ("create", Request::Create(create(&format!("/1{flags}"), flags))),
                ("create2", Request::Create2(create(&format!("/2{flags}"), flags))),
                ("container", Request::CreateContainer(create(&format!("/3{flags}"), flags))),
            ] {
                assert_eq!(error_of(&mut client, &request), expected, "{op} {flags} {extended}");
            }
        }
        let done = if extended { Ok } else { Unimplemented };
        for (flags, ttl, expected) in [
            (5, 1, done),
            (6, 0xff_ffff_ffff, done),
            (5, 0, ttl_modes),
            (5, 0x100_0000_0000, ttl_modes),
            (5, -1, ttl_modes),
            (0, 1, BadArguments),
            (0, -1, BadArguments),
            (7, 1, BadArguments),
        ] {
            let request = Request::CreateTtl(create_ttl(&format!("/t{flags}x{ttl}"), flags, ttl));
            assert_eq!(error_of(&mut client, &request), expected, "TTL {flags} {ttl} {extended}");
        }
        for (mode, expected) in [(0, Ok), (1, Ok), (2, MarshallingError), (-1, MarshallingError)] {
            let request = Request::AddWatch(AddWatchRequest { path: "/w".to_owned(), mode });
            assert_eq!(error_of(&mut client, &request), expected, "addWatch {mode}");
        }
        // There are a persistent and a recursive one.
        for (kind, expected) in [
            (0, MarshallingError),
            (6, MarshallingError),
            (1, NoWatcher),
            (2, NoWatcher),
            (3, Ok),
            (4, Ok),
            (5, Ok),
        ] {
            let check = Request::CheckWatches(watches("/w", kind));
            assert_eq!(error_of(&mut client, &check), expected, "checkWatches {kind}");
        }
        for (kind, expected) in
            [(0, MarshallingError), (6, MarshallingError), (5, Ok), (4, Ok), (3, NoWatcher)]
        {
            let remove = Request::RemoveWatches(watches("/w", kind));
            assert_eq!(error_of(&mut client, &remove), expected, "removeWatches {kind}");
        }
        client.ping().expect("none of these ends the connection");
    }
}

#[test]
fn a_multi_holds_the_operations_of_zookeeper_and_nothing_else() {
    let cluster = Cluster::start_with(1, "extendedTypesEnabled=true\n");
    let mut client = Client::connect(&cluster.addresses(), TIMEOUT);
    client.create("/a", b"", CreateMode::Persistent).expect("created");
    let all = Request::Multi(vec![
        MultiOp::Create(create("/b", 1)),
        MultiOp::Create2(create("/c", 0)),
        MultiOp::CreateContainer(create("/d", 4)),
        MultiOp::CreateTtl(create_ttl("/e", 5, 1000)),
        MultiOp::SetData(set("/a")),
        MultiOp::Check(CheckVersionRequest { path: "/a".to_owned(), version: 1 }),
        MultiOp::Delete(DeleteRequest { path: "/a".to_owned(), version: 1 }),
    ]);
    let Response::Multi(results) = client.call(&all).expect("done") else { panic!("a multi") };
    assert!(results.iter().all(|result| !matches!(result, MultiResult::Error(_))), "{results:?}");

    for &op in OpCode::ALL {
        let may = matches!(
            op,
            OpCode::Create
                | OpCode::Create2
                | OpCode::CreateContainer
                | OpCode::CreateTtl
                | OpCode::Delete
                | OpCode::SetData
                | OpCode::Check
        );
        if may {
            continue;
        }
        // A header of an operation, an empty body for it, the header of the end.
        let mut body = op.code().to_be_bytes().to_vec();
        body.extend([0, 0xff, 0xff, 0xff, 0xff]);
        body.extend([0; 64]);
        body.extend([0xff, 0xff, 0xff, 0xff, 1, 0xff, 0xff, 0xff, 0xff]);
        for container in [OpCode::Multi, OpCode::MultiRead] {
            let reads = container == OpCode::MultiRead
                && matches!(op, OpCode::GetData | OpCode::GetChildren);
            if reads {
                continue;
            }
            let (header, _) = client.ask(9, container.code(), &body).expect("an answer");
            let expected = ErrorCode::MarshallingError.code();
            assert_eq!(header.err, expected, "{op} within {container}");
        }
    }
    client.ping().expect("none of these ends the connection");
}
