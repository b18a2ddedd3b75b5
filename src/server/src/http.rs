//! HTTP for people and tools that look after a server. Whoever reaches the port cannot make it hold
//! much: heads and connections are bounded, bodies are not read, each connection has one request,
//! and one on which nothing moves is closed.

mod body;
mod idle;

pub(crate) use body::Body;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::greetings::Greetings;
use idle::Idle;

/// How long the head of a request may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// However slowly the other end reads.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(3600);

/// The head of a request.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Lines of the head of a request.
const HEADERS_MAX: usize = 64;

/// A request, as far as anybody here looks at it.
pub(crate) struct Asked {
    pub(crate) method: hyper::Method,
    pub(crate) path: String,
    /// Behind the `?`.
    pub(crate) query: String,
    pub(crate) authorization: Option<String>,
    /// Who asks.
    pub(crate) from: IpAddr,
    /// A page of somebody else makes a browser ask.
    pub(crate) is_cross_site: bool,
}

/// What is answered.
pub(crate) type Answer = Response<Body>;

type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Who answers.
pub(crate) trait Answers: Send + Sync + 'static {
    fn answer(self: Arc<Self>, asked: Asked) -> Answering;
}

/// A whole answer.
pub(crate) fn answer(status: u16, kind: &'static str, body: impl Into<bytes::Bytes>) -> Answer {
    let mut answer = Response::new(Body::whole(body.into()));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    set(&mut answer, CONTENT_TYPE, kind);
    answer
}

/// Sets a header; a value that cannot be one is left out.
pub(crate) fn set(answer: &mut Answer, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

/// Serves until it is dropped. `name`: of the port, for the log.
pub(crate) async fn listen(
    name: &'static str,
    listener: TcpListener,
    idle_timeout: Duration,
    answers: Arc<impl Answers>,
) {
    let mut connections = Greetings::at(name);
    loop {
        match crate::listen::accept(&listener).await {
            Ok((stream, address)) => {
                let connection = serve(name, stream, address, idle_timeout, Arc::clone(&answers));
                connections.spawn(connection).await;
            }
            Err(error) => {
                warn!("{name}: accepting a connection failed: {error}");
                tokio::time::sleep(crate::ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(
    name: &'static str,
    stream: TcpStream,
    address: SocketAddr,
    idle_timeout: Duration,
    answers: Arc<impl Answers>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answers = Arc::clone(&answers);
        async move {
            let answer = answers.answer(asked(&request, address.ip())).await;
            Ok::<_, Infallible>(with_rules(answer))
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(Idle::new(stream, idle_timeout)), service);
    match timeout(CONNECTION_TIMEOUT, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!("{name}: {address}: {error}"),
        Err(_) => debug!("{name}: {address}: it takes too long"),
    }
}

fn asked(request: &Request<Incoming>, from: IpAddr) -> Asked {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    Asked {
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        authorization: header("authorization").map(str::to_owned),
        from,
        is_cross_site: header("sec-fetch-site") == Some("cross-site"),
    }
}

/// What browsers are told of every answer: nothing of it is kept, and a page loads nothing from
/// elsewhere.
fn with_rules(mut answer: Answer) -> Answer {
    set(&mut answer, CACHE_CONTROL, "no-store");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        (
            "content-security-policy",
            "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
             connect-src 'self'; img-src data:; frame-ancestors 'none'",
        ),
    ] {
        set(&mut answer, HeaderName::from_static(name), value);
    }
    answer
}
