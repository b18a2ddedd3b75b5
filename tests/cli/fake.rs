//! A server that speaks the client protocol and behaves as a test wants.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use wire::client::{ConnectRequest, ConnectResponse, OpCode};
use wire::jute::{Reader, Record, Writer};

/// What the server does with a request.
pub(crate) enum Answer {
    /// Carries it out.
    Ok,
    /// Refuses it with this error.
    Error(i32),
    /// Says that it is done, and nothing else: a getData without data.
    Empty,
    /// Closes the connection.
    Close,
}

/// What was asked of the server.
#[derive(Default)]
pub(crate) struct Seen {
    /// What was created and not deleted, with its data.
    pub(crate) nodes: BTreeMap<String, Bytes>,
    /// Session ids that clients connected with; 0 for a new one.
    pub(crate) sessions: Vec<i64>,
    /// Requests carried out or refused, of all clients.
    pub(crate) requests: u64,
}

/// A server; it runs until the test ends.
pub(crate) struct Fake {
    pub(crate) address: String,
    pub(crate) seen: Arc<Mutex<Seen>>,
}

impl Fake {
    /// Starts a server. `answer` is asked for each request, with the number of requests before it;
    /// `renew` whether a session goes on that a client wants to move here.
    pub(crate) fn start(answer: fn(OpCode, u64) -> Answer, renew: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let seen = Arc::<Mutex<Seen>>::default();
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let seen = Arc::clone(&shared);
                // A client that goes away ends its thread, not the test.
                std::thread::spawn(move || serve(&stream, &seen, answer, renew));
            }
        });
        Self { address, seen }
    }
}

fn serve(
    stream: &TcpStream,
    seen: &Mutex<Seen>,
    answer: fn(OpCode, u64) -> Answer,
    renew: bool,
) -> io::Result<()> {
    let mut input = BufReader::new(stream);
    let mut output = stream;
    let hello = frame(&mut input)?;
    let hello = ConnectRequest::decode(&mut Reader::new(&hello)).expect("a valid ConnectRequest");
    let id = {
        let mut seen = seen.lock().expect("no panic");
        seen.sessions.push(hello.session_id);
        let fresh = seen.sessions.len() as i64;
        if hello.session_id == 0 { fresh } else { hello.session_id }
    };
    let expired = hello.session_id != 0 && !renew;
    let answer_to_hello = if expired {
        ConnectResponse::expired(hello.read_only)
    } else {
        ConnectResponse::established(id, hello.timeout_ms, hello.read_only)
    };
    let mut out = Vec::new();
    out.nested(|out| answer_to_hello.encode(out));
    output.write_all(&out)?;
    if expired {
        return Ok(());
    }
    loop {
        let request = frame(&mut input)?;
        let mut reader = Reader::new(&request);
        let (xid, code) = (reader.i32("xid").expect("xid"), reader.i32("type").expect("type"));
        let op = OpCode::from_code(code).expect("a known operation");
        let path = |reader: &mut Reader<'_>| reader.string("path").expect("a path");
        let mut body = Vec::new();
        let error = {
            let mut seen = seen.lock().expect("no panic");
            let before = seen.requests;
            seen.requests += 1;
            match answer(op, before) {
                Answer::Close => return Ok(()),
                Answer::Error(code) => code,
                Answer::Ok if op == OpCode::Create => {
                    let path = path(&mut reader);
                    let data = reader.buffer("data").expect("data").unwrap_or_default();
                    if seen.nodes.insert(path, data).is_none() { 0 } else { -110 }
                }
                Answer::Ok if op == OpCode::Delete => {
                    if seen.nodes.remove(&path(&mut reader)).is_some() { 0 } else { -101 }
                }
                Answer::Ok if op == OpCode::GetData => {
                    body.buffer(Some(&seen.nodes[&path(&mut reader)]));
                    wire::Stat::default().encode(&mut body);
                    0
                }
                Answer::Ok | Answer::Empty => 0,
            }
        };
        let mut out = Vec::new();
        out.nested(|out| {
            out.i32(xid);
            out.i64(7);
            out.i32(error);
            out.extend(body);
        });
        output.write_all(&out)?;
        if op == OpCode::CloseSession {
            return Ok(());
        }
    }
}

fn frame(input: &mut impl Read) -> io::Result<Bytes> {
    let mut length = [0; 4];
    input.read_exact(&mut length)?;
    let mut body = vec![0; usize::try_from(i32::from_be_bytes(length)).expect("a length")];
    input.read_exact(&mut body)?;
    Ok(body.into())
}
