//! A client that speaks TLS, and as much of ZooKeeper's protocol as the tests of TLS need.

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use wire::client::{
    ClientInfo, ConnectRequest, ConnectResponse, ReplyHeader, Request, Response, encode_request,
};
use wire::frame::{Frames, frame};
use wire::jute::{Reader, Record};

use crate::authority::{Authority, Identity};

/// A connection over TLS.
pub(crate) struct Secure {
    stream: StreamOwned<ClientConnection, TcpStream>,
    arrived: BytesMut,
}

impl Secure {
    /// Shakes hands with a server of this machine whose certificate the authority has issued.
    ///
    /// # Errors
    /// The handshake fails. Of TLS 1.3 a client may think that it has not, although the server has
    /// turned it away: what it asks fails then.
    pub(crate) fn connect(
        port: u16,
        trusted: &Authority,
        identity: Option<&Identity>,
    ) -> io::Result<Self> {
        Self::connect_to("127.0.0.1", port, &trusted.trust_store(), identity)
    }

    /// As [`Self::connect`], with the name of the server, and the file with who is trusted.
    pub(crate) fn connect_to(
        name: &str,
        port: u16,
        trusted: &Path,
        identity: Option<&Identity>,
    ) -> io::Result<Self> {
        let pem = fs::read(trusted).expect("the file is there");
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&pem).expect("PEM")).expect("a certificate");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("there are some")
            .with_root_certificates(roots);
        let config = match identity {
            None => config.with_no_client_auth(),
            Some(Identity { key, certificate, .. }) => {
                let chain = CertificateDer::from_pem_file(certificate).expect("a certificate");
                let key = PrivateKeyDer::from_pem_file(key).expect("a key");
                config.with_client_auth_cert(vec![chain], key).expect("they belong together")
            }
        };
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self { stream, arrived: BytesMut::new() })
    }

    /// The certificate that the server has shown.
    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.stream.conn.peer_certificates().expect("it has shown one")[0].clone()
    }

    /// The answer to a four-letter word.
    pub(crate) fn word(mut self, word: &str) -> io::Result<String> {
        self.stream.write_all(word.as_bytes())?;
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    pub(crate) fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Whether the server says something before it closes the connection.
    pub(crate) fn is_answered(&mut self) -> bool {
        matches!(self.stream.read(&mut [0; 4096]), Ok(1..))
    }

    /// Begins a session.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: 0,
            timeout_ms: 30_000,
            session_id: 0,
            passwd: Some(Bytes::from_static(&[0; 16])),
            read_only: Some(false),
        };
        let mut bytes = Vec::new();
        frame(&mut bytes, |out| request.encode(out));
        self.say(&bytes)?;
        let answer = self.frame()?;
        let response = ConnectResponse::from_bytes(&answer).expect("a response");
        assert_ne!(response.session_id, 0, "a session is begun");
        Ok(())
    }

    /// The answer to a request.
    ///
    /// # Errors
    /// The connection ends, or the server refuses the request: then it is
    /// [`io::ErrorKind::PermissionDenied`].
    pub(crate) fn call(&mut self, request: &Request) -> io::Result<Response> {
        let mut bytes = Vec::new();
        encode_request(&mut bytes, 1, request);
        self.say(&bytes)?;
        let answer = self.frame()?;
        let mut reader = Reader::with_limit(&answer, answer.len());
        let header = ReplyHeader::decode(&mut reader).expect("a header");
        assert_eq!(header.xid, 1, "{request:?}");
        if header.err != 0 {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(Response::decode(request.op(), &mut reader).expect("its answer"))
    }

    /// Whether the server refuses the request.
    pub(crate) fn refused(&mut self, request: &Request) -> bool {
        let answer = self.call(request);
        answer.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    }

    /// Who the server takes this client for.
    pub(crate) fn who_am_i(&mut self) -> io::Result<Vec<(String, String)>> {
        let Response::WhoAmI(clients) = self.call(&Request::WhoAmI)? else {
            panic!("this is no answer to whoAmI");
        };
        let both = |ClientInfo { auth_scheme, user }: ClientInfo| (auth_scheme, user);
        Ok(clients.into_iter().map(both).collect())
    }

    fn frame(&mut self) -> io::Result<Bytes> {
        let frames = Frames::new("reply", 0, 1 << 24);
        loop {
            if let Some(frame) = frames.next(&mut self.arrived).expect("a frame") {
                return Ok(frame);
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.arrived.extend_from_slice(&bytes[..count]),
            }
        }
    }
}
