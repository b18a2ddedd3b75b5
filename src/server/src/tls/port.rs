//! Connections on their way in and out: with TLS, without, or as the other end begins.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::setup::Endpoint;
use super::stream::Stream;
use super::{hostname, names, usage};

/// A handshake that has begun ends within this time, or is given up.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The first byte of a TLS connection: the type of a record with a handshake. No message of
/// ZooKeeper's protocols begins with it: it would be the length of one of 352 MiB, or the type of a
/// packet that there is not, or the id of a server above all.
const HANDSHAKE_RECORD: u8 = 0x16;

/// Whether what arrived first is TLS, at a port that speaks none.
pub(crate) fn is_tls(arrived: &[u8]) -> bool {
    arrived.first() == Some(&HANDSHAKE_RECORD)
}

/// What is said of such a connection.
pub(crate) const TLS_AT_PLAIN_PORT: &str = "it speaks TLS, and this port does not";

/// How connections of one port are accepted.
#[derive(Clone)]
pub(crate) enum Accepts {
    Plain,
    Tls(Arc<Endpoint>),
    /// The first byte decides.
    Both(Arc<Endpoint>),
}

impl Accepts {
    /// What those who connect to this port speak. Waits for the first byte unless nobody may speak
    /// TLS, and for the end of the handshake.
    ///
    /// # Errors
    /// The connection has to be closed; the sentence says why.
    pub(crate) async fn accept(&self, stream: TcpStream) -> Result<Stream, String> {
        match self.begun(&stream).await? {
            None => Ok(Stream::Plain(stream)),
            Some(endpoint) => endpoint.shake_hands(stream).await,
        }
    }

    /// The end of a handshake that somebody who has connected has begun; `None` if it speaks
    /// without TLS. Waits for the first byte unless nobody may speak TLS.
    ///
    /// # Errors
    /// The connection has to be closed; the sentence says why.
    pub(crate) async fn begun(&self, stream: &TcpStream) -> Result<Option<&Endpoint>, String> {
        let (endpoint, may_be_plain) = match self {
            Self::Plain => return Ok(None),
            Self::Tls(endpoint) => (endpoint, false),
            Self::Both(endpoint) => (endpoint, true),
        };
        let patience = endpoint.keys.detection_timeout;
        let mut first = [0];
        let arrived = timeout(patience, stream.peek(&mut first))
            .await
            .map_err(|_| format!("it has said nothing for {patience:?}"))?
            .map_err(text)?;
        if is_tls(&first[..arrived]) {
            return Ok(Some(endpoint));
        }
        if may_be_plain {
            return Ok(None);
        }
        Err(match arrived {
            0 => "it ended before it had said anything".to_owned(),
            _ => "it does not speak TLS, and this port speaks nothing else".to_owned(),
        })
    }

    /// The name in the certificate of a client, if it has shown one; where the configuration says
    /// so, the certificate is one of the client's address.
    ///
    /// # Errors
    /// It is not, or it cannot be read.
    pub(crate) fn client_name(
        &self,
        stream: &Stream,
        from: IpAddr,
    ) -> Result<Option<String>, String> {
        let (Self::Tls(endpoint) | Self::Both(endpoint)) = self else { return Ok(None) };
        let Some(certificate) = stream.certificate() else { return Ok(None) };
        if endpoint.keys.verifies_client {
            hostname::check(certificate, &[&from.to_canonical().to_string()])?;
        }
        names::subject(certificate).map(Some)
    }

    /// The certificate of a member that has connected is one of a host of its line, or of the
    /// address that it comes from; unless the configuration says that names are not verified.
    ///
    /// # Errors
    /// It is not.
    pub(crate) fn check_member(
        &self,
        stream: &Stream,
        hosts: &[&str],
        from: IpAddr,
    ) -> Result<(), String> {
        let (Self::Tls(endpoint) | Self::Both(endpoint)) = self else { return Ok(()) };
        let Some(certificate) = stream.certificate() else { return Ok(()) };
        if !endpoint.keys.verifies_client {
            return Ok(());
        }
        let from = from.to_canonical().to_string();
        let hosts: Vec<&str> = hosts.iter().copied().chain([from.as_str()]).collect();
        hostname::check(certificate, &hosts)
    }
}

impl Endpoint {
    /// The handshake with somebody who has begun one.
    ///
    /// # Errors
    /// The connection has to be closed; the sentence says why.
    pub(crate) async fn shake_hands(&self, stream: TcpStream) -> Result<Stream, String> {
        let handshake = TlsAcceptor::from(self.current().server).accept(stream);
        let stream = timeout(HANDSHAKE_TIMEOUT, handshake).await;
        let stream = stream.map_err(|_| TOO_LONG.to_owned())?.map_err(|error| failed(&error))?;
        Ok(Stream::Tls(Box::new(stream.into())))
    }
}

/// How other servers are dialled.
#[derive(Clone)]
pub(crate) enum Dials {
    Plain,
    Tls(Arc<Endpoint>),
}

impl Dials {
    /// Makes a connection that is up one to this host.
    ///
    /// # Errors
    /// The handshake fails, or the certificate is that of another host.
    pub(crate) async fn dial(&self, stream: TcpStream, host: &str) -> io::Result<Stream> {
        let endpoint = match self {
            Self::Plain => return Ok(Stream::Plain(stream)),
            Self::Tls(endpoint) => endpoint,
        };
        let address = stream.peer_addr()?.ip().to_canonical();
        let client = endpoint.current().client;
        let client = client.ok_or_else(|| io::Error::other("there is no trust store"))?;
        // Only said to the other end; a name that cannot be said is not.
        let name = ServerName::try_from(host.to_owned()).unwrap_or_else(|_| address.into());
        let handshake = TlsConnector::from(client).connect(name, stream);
        let stream = timeout(HANDSHAKE_TIMEOUT, handshake)
            .await
            .map_err(|_| io::Error::other(TOO_LONG))?
            .map_err(|error| io::Error::other(failed(&error)))?;
        let stream = Stream::Tls(Box::new(stream.into()));
        if endpoint.keys.verifies_server {
            let certificate = stream.certificate();
            let certificate =
                certificate.ok_or_else(|| io::Error::other("it has shown no certificate"))?;
            hostname::check(certificate, &[host, &address.to_string()])
                .map_err(io::Error::other)?;
        }
        Ok(stream)
    }
}

const TOO_LONG: &str = "the TLS handshake takes too long";

fn failed(error: &io::Error) -> String {
    let of_rustls = error.get_ref().and_then(|error| error.downcast_ref());
    let text = of_rustls.map_or_else(|| error.to_string(), usage::text);
    format!("the TLS handshake failed: {text}")
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
