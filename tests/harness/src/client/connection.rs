//! One TLS connection that speaks one version of HTTP.

use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Version;
use crate::pki::{ClientCertificate, Pki};

/// Far above what the filter lets through, so that the client is never the one that refuses.
const MAXIMUM_HEADER_LINES: usize = 4096;
const MAXIMUM_HEADER_LIST_BYTES: u32 = 4 << 20;

/// A connection; the last of its clones closes it.
pub(super) struct Connection {
    sender: Sender,
    task: Arc<Task>,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// The task that drives a connection, ended with it: what is abandoned must be closed at once.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connection {
    pub(super) async fn open(
        address: SocketAddr,
        tls: ClientConfig,
        version: Version,
    ) -> Result<Connection, String> {
        let expected = tls.alpn_protocols.clone();
        let stream = connect(address, tls).await?;
        let agreed = stream.get_ref().1.alpn_protocol();
        if version == Version::Http2 && agreed.is_none_or(|agreed| agreed != expected[0]) {
            return Err(format!("{address} did not agree to HTTP/2 by ALPN"));
        }
        let io = TokioIo::new(stream);
        let failed = |error| format!("{address} did not begin HTTP: {error}");
        let (sender, task) = match version {
            Version::Http1 => {
                let mut builder = http1::Builder::new();
                builder.max_headers(MAXIMUM_HEADER_LINES);
                let (sender, connection) = builder.handshake(io).await.map_err(failed)?;
                let task = tokio::spawn(async {
                    // The exchange on it reports the same error.
                    let _ = connection.await;
                });
                (Sender::Http1(sender), task)
            }
            Version::Http2 => {
                let mut builder = http2::Builder::new(TokioExecutor::new());
                builder.max_header_list_size(MAXIMUM_HEADER_LIST_BYTES);
                let (sender, connection) = builder.handshake(io).await.map_err(failed)?;
                let task = tokio::spawn(async {
                    // As above.
                    let _ = connection.await;
                });
                (Sender::Http2(sender), task)
            }
        };
        let task = Arc::new(Task(task));
        Ok(Connection { sender, task })
    }

    /// Sends a request and waits for the response's headers.
    pub(super) async fn send(
        &mut self,
        request: hyper::Request<Full<Bytes>>,
    ) -> Result<hyper::Response<Incoming>, String> {
        self.ready().await?;
        let answer = match &mut self.sender {
            Sender::Http1(sender) => sender.send_request(request).await,
            Sender::Http2(sender) => sender.send_request(request).await,
        };
        answer.map_err(|error| format!("no response came: {}", chain(&error)))
    }

    /// Waits until the connection takes a request.
    ///
    /// # Errors
    /// When it is closed.
    pub(super) async fn ready(&mut self) -> Result<(), String> {
        let ready = match &mut self.sender {
            Sender::Http1(sender) => sender.ready().await,
            Sender::Http2(sender) => sender.ready().await,
        };
        ready.map_err(|error| format!("the connection is gone: {}", chain(&error)))
    }

    /// Another handle of this connection where its version can carry two exchanges at once.
    pub(super) fn share(&self) -> Option<Connection> {
        match &self.sender {
            Sender::Http1(_) => None,
            Sender::Http2(sender) => Some(Connection {
                sender: Sender::Http2(sender.clone()),
                task: Arc::clone(&self.task),
            }),
        }
    }
}

/// An error with its causes, which hyper leaves out of its own text.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

pub(super) async fn connect(
    address: SocketAddr,
    tls: ClientConfig,
) -> Result<TlsStream<TcpStream>, String> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| format!("cannot connect to {address}: {error}"))?;
    stream
        .set_nodelay(true)
        .map_err(|error| format!("cannot set up the connection to {address}: {error}"))?;
    let name = ServerName::try_from("localhost").expect("localhost is a DNS name");
    TlsConnector::from(Arc::new(tls))
        .connect(name, stream)
        .await
        .map_err(|error| format!("the TLS handshake with {address} failed: {error}"))
}

pub(super) fn tls_config(
    pki: &Pki,
    certificate: Option<&ClientCertificate>,
    version: Version,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from(pki.authority_der().to_vec()))
        .expect("the test authority is a certificate");
    // The provider by name: two of them in one tree have no default.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has TLS 1.2 and 1.3")
        .with_root_certificates(roots);
    let mut config = match certificate {
        None => builder.with_no_client_auth(),
        Some(certificate) => {
            let chain = vec![CertificateDer::from(certificate.der.clone())];
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(certificate.key_der.clone()));
            builder
                .with_client_auth_cert(chain, key)
                .expect("a client's key belongs to its certificate")
        }
    };
    // A resumed session would carry an earlier connection's certificate into this one.
    config.resumption = rustls::client::Resumption::disabled();
    config.alpn_protocols = match version {
        Version::Http1 => vec![b"http/1.1".to_vec()],
        Version::Http2 => vec![b"h2".to_vec()],
    };
    config
}
