//! A test client over TLS, with or without a client certificate, that says how an answer ended.

mod connection;
mod exchange;

use std::net::SocketAddr;
use std::time::Duration;

use rustls::ClientConfig;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::pki::{ClientCertificate, Pki};
use connection::{Connection, connect, tls_config};
pub(crate) use exchange::get_plain;

/// How long one operation may take unless [`Client::timeout`] says otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The most bytes of one response body that are kept; more is a [`End::Cut`].
pub const MAXIMUM_BODY_BYTES: usize = 256 << 20;

/// The HTTP version a client offers by ALPN, the only one it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `http/1.1`.
    Http1,
    /// `h2`.
    Http2,
}

/// One machine that calls one address.
///
/// Every operation has its own new TCP connection unless [`Client::reuse`] was asked, and is bounded
/// by [`Client::timeout`]. Dropping the future of an operation closes its connection (or, reused and
/// HTTP/2, resets its stream): that is how a client goes away before the answer.
pub struct Client {
    address: SocketAddr,
    authority: String,
    tls: ClientConfig,
    version: Version,
    timeout: Duration,
    quiet: Option<Duration>,
    reuse: bool,
    kept: Mutex<Option<Connection>>,
}

/// A request. Header names and values are bytes, so that values which are not UTF-8 can be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method, any token.
    pub method: String,
    /// Path and query, starting with a slash. What a URI parser refuses needs [`Client::raw`].
    pub path: String,
    /// Header lines; hyper sends equal names together. With HTTP/1.1 `host` is added unless it is
    /// here; with HTTP/2 `:authority` is always [`Client::authority`] and a `host` here goes beside it.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// The body; when not empty its content-length is added.
    pub body: Vec<u8>,
}

/// An answer as far as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header lines in order, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Trailer lines in order, names in lower case.
    pub trailers: Vec<(String, Vec<u8>)>,
    /// The bytes of the body that arrived.
    pub body: Vec<u8>,
    /// Whether that is all of it.
    pub end: End,
}

/// How an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The whole answer came.
    Complete,
    /// The stream was reset, the connection closed too early, or time ran out: the reason.
    Cut(String),
}

impl Client {
    /// A client of `address` that trusts this PKI's authority, shows `certificate` when the server
    /// asks for one, and names the server `localhost`.
    ///
    /// # Panics
    /// When the PKI's own certificates are not accepted by the TLS library.
    #[must_use]
    pub fn new(
        pki: &Pki,
        certificate: Option<&ClientCertificate>,
        version: Version,
        address: SocketAddr,
    ) -> Client {
        Client {
            address,
            authority: format!("localhost:{}", address.port()),
            tls: tls_config(pki, certificate, version),
            version,
            timeout: DEFAULT_TIMEOUT,
            quiet: None,
            reuse: false,
            kept: Mutex::new(None),
        }
    }

    /// Bounds every operation by this time.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Client {
        self.timeout = timeout;
        self
    }

    /// Lets [`Client::raw`] return when nothing came for this long after the first byte. Envoy holds
    /// a connection that it wants closed for another second (`delayed_close_timeout`), and one that
    /// it keeps alive for an hour.
    #[must_use]
    pub fn quiet(mut self, quiet: Duration) -> Client {
        self.quiet = Some(quiet);
        self
    }

    /// Keeps one connection for all requests (true) or makes a new one for each (false, default).
    #[must_use]
    pub fn reuse(mut self, reuse: bool) -> Client {
        self.reuse = reuse;
        self
    }

    /// The value of `host` and `:authority`, instead of `localhost:PORT`.
    #[must_use]
    pub fn authority(mut self, authority: &str) -> Client {
        self.authority = authority.to_owned();
        self
    }

    /// Sends a request and reads the answer to its end.
    ///
    /// # Errors
    /// When no response headers came: the connection or the TLS handshake failed (with TLS 1.3 a
    /// refused client certificate shows itself here), the stream was reset, or time ran out.
    pub async fn send(&self, request: Request) -> Result<Response, String> {
        self.exchange(request, None, None).await
    }

    /// Sends a request, reads until at least `bytes` of the answer's body came (0: until its
    /// headers came), and goes away: the connection is closed, or the stream reset when reused.
    ///
    /// The answer is [`End::Cut`], or [`End::Complete`] when it ended before that.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn send_and_abandon(
        &self,
        request: Request,
        bytes: usize,
    ) -> Result<Response, String> {
        self.exchange(request, Some(bytes), None).await
    }

    /// Sends a request and hands each piece of the answer's body over instead of keeping it: however long
    /// the answer is, up to the client's time.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn send_through(
        &self,
        request: Request,
        each: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<Response, String> {
        self.exchange(request, None, Some(each)).await
    }

    /// Writes these bytes to a new HTTP/1.1 connection, whatever the client's version, and returns
    /// everything that comes until the server closes or time runs out: say `connection: close`, or
    /// set [`Client::quiet`] or a short [`Client::timeout`]. Nothing at all means that the server closed in good order.
    ///
    /// # Errors
    /// When the connection or the handshake failed, or broke or stayed silent before the first byte.
    pub async fn raw(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut tls = self.tls.clone();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut answer = Vec::new();
        let read = async {
            let mut stream = connect(self.address, tls).await?;
            let written = async {
                stream.write_all(bytes).await?;
                stream.flush().await
            };
            // A server may answer and close before it has read everything: read all the same.
            let written = written.await;
            let mut chunk = vec![0; 16 << 10];
            loop {
                let read = stream.read(&mut chunk);
                let read = match self.quiet.filter(|_| !answer.is_empty()) {
                    None => read.await,
                    // Silence ends the answer as a close does.
                    Some(quiet) => timeout(quiet, read).await.unwrap_or(Ok(0)),
                };
                match read {
                    Ok(0) => return Ok(()),
                    Ok(length) if answer.len() + length <= MAXIMUM_BODY_BYTES => {
                        answer.extend_from_slice(&chunk[..length]);
                    }
                    Ok(_) => return Err(format!("more than {MAXIMUM_BODY_BYTES} bytes came")),
                    Err(error) => {
                        let error = written.err().unwrap_or(error);
                        return Err(format!("{} closed: {error}", self.address));
                    }
                }
            }
        };
        match timeout(self.timeout, read).await {
            Ok(Err(error)) if answer.is_empty() => Err(error),
            Err(_) if answer.is_empty() => Err(self.too_late("the first byte of an answer")),
            _ => Ok(answer),
        }
    }

    async fn exchange(
        &self,
        request: Request,
        abandon_after: Option<usize>,
        each: Option<exchange::Each<'_>>,
    ) -> Result<Response, String> {
        let deadline = tokio::time::Instant::now() + self.timeout;
        let request = exchange::request(request, self.version, &self.authority)?;
        let begin = async {
            let mut connection = self.connection().await?;
            let response = connection.send(request).await?;
            Ok::<_, String>((connection, response))
        };
        let (connection, response) = tokio::time::timeout_at(deadline, begin)
            .await
            .map_err(|_| self.too_late("response headers"))??;
        let response = exchange::read(response, abandon_after, each, deadline).await;
        if self.reuse && (response.end == End::Complete || self.version == Version::Http2) {
            *self.kept.lock().await = Some(connection);
        }
        Ok(response)
    }

    /// The kept connection when it is still good, else a new one.
    ///
    /// HTTP/2 shares the kept connection between concurrent requests; with HTTP/1.1 the second of
    /// two concurrent requests has its own.
    async fn connection(&self) -> Result<Connection, String> {
        let open = || Connection::open(self.address, self.tls.clone(), self.version);
        if !self.reuse {
            return open().await;
        }
        let mut kept = self.kept.lock().await;
        let still_open = match kept.take() {
            Some(mut connection) => connection.ready().await.is_ok().then_some(connection),
            None => None,
        };
        let connection = match still_open {
            Some(connection) => connection,
            None => open().await?,
        };
        *kept = connection.share();
        Ok(connection)
    }

    fn too_late(&self, expected: &str) -> String {
        let Client {
            address, timeout, ..
        } = self;
        format!("{address} sent nothing in {timeout:?}: expected {expected}")
    }
}

impl Request {
    /// A GET of this path.
    #[must_use]
    pub fn get(path: &str) -> Request {
        Request::new("GET", path)
    }

    /// A request without headers and body.
    #[must_use]
    pub fn new(method: &str, path: &str) -> Request {
        Request {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Adds a header line.
    #[must_use]
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Request {
        let line = (name.as_ref().to_vec(), value.as_ref().to_vec());
        self.headers.push(line);
        self
    }

    /// Adds `authorization: Bearer TOKEN`.
    #[must_use]
    pub fn bearer(self, token: &str) -> Request {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Sets the body and its media type.
    #[must_use]
    pub fn body(mut self, media_type: &str, body: impl Into<Vec<u8>>) -> Request {
        self.body = body.into();
        self.header("content-type", media_type)
    }
}

impl Response {
    /// The first header of this name (in lower case) as text; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let line = self.headers.iter().find(|(other, _)| other == name);
        line.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    }

    /// The body as text; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// Where the body stops being JSON.
    pub fn json(&self) -> Result<Value, String> {
        serde_json::from_slice(&self.body)
            .map_err(|error| format!("the body of this {} is not JSON: {error}", self.status))
    }
}

#[cfg(test)]
mod tests;
