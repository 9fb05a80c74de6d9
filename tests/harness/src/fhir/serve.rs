//! The port hyper serves: HTTP/1.1 and HTTP/2 with prior knowledge.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::header::{HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep};

use super::wire::{Framing, Wire};
use super::{LONGEST_BODY, Recorded, Shared};

/// A broken-off body waits this long before it fails, so that what was sent before reaches the wire.
const BEFORE_BREAKING_OFF: Duration = Duration::from_millis(50);

/// Accepts connections until it is dropped, which drops the connections too.
pub async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    accept_with(listener, shared, connection).await;
}

/// The same for either way of speaking on a connection.
pub(super) async fn accept_with<F>(
    listener: TcpListener,
    shared: Arc<Shared>,
    connection: fn(TcpStream, Arc<Shared>) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, Arc::clone(&shared)));
            }
            // Out of descriptors, most likely: wait for some to come back.
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    // One byte per chunk means one byte per segment, as soon as it is there.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(serve(request, &shared).await) }
    });
    // Callers that hang up and answers that break off end here; neither is news.
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn serve(request: Request<Incoming>, shared: &Shared) -> Response<Outgoing> {
    let (head, body) = request.into_parts();
    let mut headers: Vec<(String, Vec<u8>)> = head
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect();
    // HTTP/2 carries the authority outside the headers; the rest of the server looks for host.
    if let (Some(authority), false) = (head.uri.authority(), head.headers.contains_key("host")) {
        headers.push(("host".into(), authority.as_str().as_bytes().to_vec()));
    }
    let path_and_query = head
        .uri
        .path_and_query()
        .map_or_else(|| "/".into(), |path| path.as_str().to_owned());
    let wire = match Limited::new(body, LONGEST_BODY).collect().await {
        Ok(body) => shared.respond(Recorded {
            method: head.method.as_str().to_owned(),
            path_and_query,
            headers,
            body: body.to_bytes(),
        }),
        Err(_) => Wire::new(413, Vec::new(), Vec::new()),
    };
    response(wire)
}

fn response(wire: Wire) -> Response<Outgoing> {
    let breaks_off = wire.breaks_off() && !wire.pieces.is_empty();
    let mut response = Response::new(Outgoing {
        frames: wire
            .pieces
            .iter()
            .cloned()
            .map(Frame::data)
            .chain(trailers(&wire))
            .collect(),
        pause: wire.pause,
        breaks_off,
        waiting: None,
    });
    *response.status_mut() =
        StatusCode::from_u16(wire.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let length = match wire.framing {
        Framing::Length if wire.status == 204 || wire.status == 304 => None,
        Framing::Length => Some(wire.length()),
        Framing::Claimed(length) => Some(length),
        Framing::Chunked => None,
    };
    let headers = response.headers_mut();
    extend(headers, &wire.headers);
    if let Some(length) = length {
        headers.insert("content-length", HeaderValue::from(length));
    }
    response
}

fn trailers(wire: &Wire) -> Option<Frame<Bytes>> {
    let mut map = HeaderMap::new();
    extend(&mut map, &wire.trailers);
    (!map.is_empty()).then(|| Frame::trailers(map))
}

fn extend(map: &mut HeaderMap, headers: &[(String, String)]) {
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            map.append(name, value);
        }
    }
}

/// A body of prepared frames, with pauses between them, that may fail at its end.
struct Outgoing {
    frames: VecDeque<Frame<Bytes>>,
    pause: Duration,
    breaks_off: bool,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(waiting) = &mut self.waiting {
            std::task::ready!(waiting.as_mut().poll(context));
            self.waiting = None;
        }
        if let Some(frame) = self.frames.pop_front() {
            let last = self.frames.is_empty() && self.breaks_off;
            let pause = if last {
                BEFORE_BREAKING_OFF
            } else {
                self.pause
            };
            if !pause.is_zero() {
                self.waiting = Some(Box::pin(sleep(pause)));
            }
            return Poll::Ready(Some(Ok(frame)));
        }
        if self.breaks_off {
            self.breaks_off = false;
            return Poll::Ready(Some(Err(io::Error::other(
                "the body breaks off, as it was told to",
            ))));
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty() && !self.breaks_off
    }
}
