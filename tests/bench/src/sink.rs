//! The repository of audit records behind the variants that have one: it acknowledges everything at once, and counts.
//! Like the upstream it shares the generator's core, and its CPU time is nobody's.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::time::sleep;

/// Its cluster in Envoy.
pub const CLUSTER: &str = "audit_repository";
/// What is posted to it.
pub const URI: &str = "http://audit.internal/fhir";

/// The running repository.
pub struct Sink {
    address: SocketAddr,
    taken: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    announced: AtomicUsize,
    permitted: AtomicUsize,
}

/// What came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Taken {
    /// Intents.
    pub announced: usize,
    /// Records or events of what was permitted and has left.
    pub permitted: usize,
}

impl Sink {
    /// Serves until the process ends.
    pub async fn start() -> Result<Sink, String> {
        let failed = |error| format!("no port for the repository: {error}");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let taken = Arc::new(Counts::default());
        tokio::spawn(serve(listener, Arc::clone(&taken)));
        Ok(Sink { address, taken })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until this has come since it was cleared. One Envoy after the other is asked, so nothing else may come.
    pub async fn wait(&self, expected: Taken) -> Result<(), String> {
        for _ in 0..100 {
            if self.taken.all() == expected {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        let found = self.taken.all();
        if found != expected {
            return Err(format!(
                "the repository has {found:?}, expected {expected:?}"
            ));
        }
        Ok(())
    }

    /// Begins anew.
    pub fn clear(&self) {
        self.taken.announced.store(0, Ordering::Relaxed);
        self.taken.permitted.store(0, Ordering::Relaxed);
    }
}

impl Counts {
    fn all(&self) -> Taken {
        Taken {
            announced: self.announced.load(Ordering::Relaxed),
            permitted: self.permitted.load(Ordering::Relaxed),
        }
    }
}

async fn serve(listener: TcpListener, taken: Arc<Counts>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        // Where it fails, an answer comes later, nothing else.
        let _ = stream.set_nodelay(true);
        let taken = Arc::clone(&taken);
        let service = service_fn(move |request| {
            let taken = Arc::clone(&taken);
            async move { Ok::<_, Infallible>(acknowledged(request, &taken).await) }
        });
        tokio::spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service),
        );
    }
}

async fn acknowledged(request: Request<Incoming>, taken: &Counts) -> Response<Full<Bytes>> {
    let body = request.into_body().collect().await;
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    let body = std::str::from_utf8(&body).unwrap_or_default();
    let count = |text: &str| body.matches(text).count();
    taken
        .announced
        .fetch_add(count(r#""outcome":"announced","#), Ordering::Relaxed);
    taken
        .permitted
        .fetch_add(count(r#""outcome":"allowed","#), Ordering::Relaxed);
    let events = count(r#""outcome":"0","#);
    taken.permitted.fetch_add(events, Ordering::Relaxed);
    let answer = match events {
        0 => String::new(),
        events => {
            let entries = vec![r#"{"response":{"status":"201"}}"#; events].join(",");
            format!(
                r#"{{"resourceType":"Bundle","type":"transaction-response","entry":[{entries}]}}"#
            )
        }
    };
    Response::new(Full::new(Bytes::from(answer)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_permitted_and_announced_is_counted() {
        let sink = Sink::start().await.unwrap();
        let stream = tokio::net::TcpStream::connect(sink.address())
            .await
            .unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let mut post = async |body: &'static str| {
            let body = Full::new(Bytes::from_static(body.as_bytes()));
            let request = Request::post("/fhir").header("host", "audit").body(body);
            let answer = sender.send_request(request.unwrap()).await.unwrap();
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            String::from_utf8(body.to_vec()).unwrap()
        };
        let event = r#"{"outcome":"0","agent":[]}{"outcome":"8","agent":[]}"#;
        assert_eq!(post(event).await.matches("201").count(), 1);
        let records = "{\"outcome\":\"announced\",}\n{\"outcome\":\"allowed\",}\n{\"outcome\":\"refused\",}\n";
        assert_eq!(post(records).await, "");
        let taken = |announced, permitted| Taken {
            announced,
            permitted,
        };
        assert_eq!(sink.taken.all(), taken(1, 2));
        assert_eq!(sink.wait(taken(1, 2)).await, Ok(()));
        sink.clear();
        assert_eq!(sink.taken.all(), taken(0, 0));
    }
}
