//! The generator: many connections, many tokens, a closed loop and an open one. Every
//! answer is held to its status and length; the first that differs ends the run.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use fhir_guard_harness::pki::{ClientCertificate, Pki};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::header::{AUTHORIZATION, HeaderValue};
use hyper::{HeaderMap, Request, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use crate::case::IN_FLIGHT;

/// How long any one answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// An answer as it came.
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its header fields.
    pub headers: HeaderMap,
    /// Its whole body.
    pub body: Bytes,
}

/// What every answer of a measurement must be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Expected {
    /// The status.
    pub status: u16,
    /// The length of the body in bytes.
    pub length: usize,
}

/// Clients with their connections, and what they ask for.
#[derive(Clone)]
pub struct Load {
    clients: Rc<Vec<Client>>,
    uri: Uri,
}

struct Client {
    sender: SendRequest<Empty<Bytes>>,
    tokens: Vec<HeaderValue>,
    /// Requests so far.
    sent: Cell<usize>,
}

impl Load {
    /// Connects each of the certificates, and gives it its tokens: one for all its requests, or
    /// enough for every one to have its own.
    pub async fn connect(
        pki: &Pki,
        address: SocketAddr,
        uri: &Uri,
        callers: &[(ClientCertificate, Vec<HeaderValue>)],
    ) -> Result<Load, String> {
        let mut clients = Vec::with_capacity(callers.len());
        for (certificate, tokens) in callers {
            clients.push(Client {
                sender: open(pki, certificate, address).await?,
                tokens: tokens.clone(),
                sent: Cell::new(0),
            });
        }
        Ok(Load {
            clients: Rc::new(clients),
            uri: uri.clone(),
        })
    }

    /// One request of the first client, with its whole answer.
    pub async fn probe(&self) -> Result<Answer, String> {
        let response = self.ask(0).await?;
        let (head, body) = response.into_parts();
        let body = timeout(PATIENCE, body.collect()).await;
        let body = body.map_err(|_| late())?.map_err(|error| broken(&error))?;
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.to_bytes(),
        })
    }

    /// As many requests as fast as they are answered, a fixed number of them under way; how long
    /// it took.
    pub async fn closed(&self, requests: usize, expected: Expected) -> Result<Duration, String> {
        let began = Instant::now();
        let left = Rc::new(Cell::new(requests));
        let lane = |number: usize| {
            let (load, left) = (self.clone(), Rc::clone(&left));
            async move {
                while let Some(rest) = left.get().checked_sub(1) {
                    left.set(rest);
                    load.exchange(number % load.clients.len(), expected).await?;
                }
                Ok(())
            }
        };
        let lanes: Vec<_> = (0..IN_FLIGHT).map(lane).collect();
        all(lanes).await?;
        Ok(began.elapsed())
    }

    /// Requests at a fixed rate, whether the ones before are answered or not. The latencies, each
    /// from the moment at which the request was due: what waited behind a slow one counts too.
    pub async fn open(
        &self,
        requests: usize,
        rate: u32,
        expected: Expected,
    ) -> Result<Vec<Duration>, String> {
        let between = Duration::from_secs(1) / rate;
        let local = LocalSet::new();
        let mut under_way = JoinSet::new();
        let paced = async {
            let mut due = Instant::now();
            for number in 0..requests {
                due += between;
                // The runtime's timers count milliseconds, which is too coarse.
                while Instant::now() < due {
                    tokio::task::yield_now().await;
                }
                let load = self.clone();
                let client = number % load.clients.len();
                under_way.spawn_local(async move {
                    load.exchange(client, expected).await?;
                    Ok::<_, String>(due.elapsed())
                });
            }
            let mut latencies = Vec::with_capacity(requests);
            while let Some(joined) = under_way.join_next().await {
                latencies.push(joined.map_err(|error| error.to_string())??);
            }
            Ok(latencies)
        };
        local.run_until(paced).await
    }

    async fn exchange(&self, client: usize, expected: Expected) -> Result<(), String> {
        let response = self.ask(client).await?;
        let status = response.status().as_u16();
        let mut body = response.into_body();
        let read = async {
            let mut length = 0;
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| broken(&error))?;
                length += frame.data_ref().map_or(0, Bytes::len);
            }
            Ok::<_, String>(length)
        };
        let length = timeout(PATIENCE, read).await.map_err(|_| late())??;
        let found = Expected { status, length };
        match found == expected {
            true => Ok(()),
            false => Err(format!("an answer was {found:?}, expected {expected:?}")),
        }
    }

    async fn ask(&self, client: usize) -> Result<hyper::Response<hyper::body::Incoming>, String> {
        let client = self.clients.get(client).ok_or("no such client")?;
        let sent = client.sent.replace(client.sent.get() + 1);
        let token = match client.tokens.as_slice() {
            [one] => one,
            many => many.get(sent).ok_or("a client has run out of new tokens")?,
        };
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.uri.clone();
        request.headers_mut().insert(AUTHORIZATION, token.clone());
        let mut sender = client.sender.clone();
        let answer = async {
            sender.ready().await?;
            sender.send_request(request).await
        };
        let answer = timeout(PATIENCE, answer).await;
        answer.map_err(|_| late())?.map_err(|error| broken(&error))
    }
}

/// Runs these futures side by side on this thread.
async fn all(
    futures: Vec<impl Future<Output = Result<(), String>> + 'static>,
) -> Result<(), String> {
    let mut tasks = JoinSet::new();
    let run = async {
        for future in futures {
            tasks.spawn_local(future);
        }
        while let Some(joined) = tasks.join_next().await {
            joined.map_err(|error| error.to_string())??;
        }
        Ok(())
    };
    LocalSet::new().run_until(run).await
}

async fn open(
    pki: &Pki,
    certificate: &ClientCertificate,
    address: SocketAddr,
) -> Result<SendRequest<Empty<Bytes>>, String> {
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        format!(
            "cannot connect {} to {address}: {what}: {error}",
            certificate.name
        )
    };
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| failed("TCP", &error))?;
    stream
        .set_nodelay(true)
        .map_err(|error| failed("TCP", &error))?;
    let tls = tls(pki, certificate).map_err(|error| failed("certificates", &error))?;
    let name = ServerName::try_from("localhost").map_err(|error| failed("TLS", &error))?;
    let stream = TlsConnector::from(Arc::new(tls))
        .connect(name, stream)
        .await
        .map_err(|error| failed("TLS", &error))?;
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failed("HTTP/2", &error))?;
    // The exchanges on it report its errors.
    tokio::spawn(connection);
    Ok(sender)
}

fn tls(pki: &Pki, certificate: &ClientCertificate) -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(pki.authority_der().to_vec()))?;
    let chain = vec![CertificateDer::from(certificate.der.clone())];
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(certificate.key_der.clone()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn late() -> String {
    format!("no answer within {PATIENCE:?}")
}

fn broken(error: &hyper::Error) -> String {
    format!("an exchange broke off: {error}")
}
