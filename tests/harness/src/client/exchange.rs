//! A request on its way out, and its answer frame by frame.

use std::net::SocketAddr;

use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::connection::chain;
use super::{DEFAULT_TIMEOUT, End, MAXIMUM_BODY_BYTES, Request, Response, Version};

/// Takes the pieces of a body.
pub(super) type Each<'e> = &'e mut (dyn FnMut(&[u8]) + Send);

pub(super) fn request(
    request: Request,
    version: Version,
    authority: &str,
) -> Result<hyper::Request<Full<Bytes>>, String> {
    let path = &request.path;
    let refused = |what: &str, error: &dyn std::fmt::Display| {
        format!("{what} cannot be sent by this client, use raw bytes: {error}")
    };
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let name =
            HeaderName::from_bytes(name).map_err(|error| refused("a header name", &error))?;
        let value =
            HeaderValue::from_bytes(value).map_err(|error| refused("a header value", &error))?;
        headers.append(name, value);
    }
    let uri = match version {
        Version::Http1 => {
            if !headers.contains_key(HOST) {
                let host = HeaderValue::from_str(authority)
                    .map_err(|error| refused("the authority", &error))?;
                headers.insert(HOST, host);
            }
            path.parse::<Uri>()
        }
        Version::Http2 => format!("https://{authority}{path}").parse(),
    };
    let method = Method::from_bytes(request.method.as_bytes())
        .map_err(|error| refused("the method", &error))?;
    let mut message = hyper::Request::new(Full::new(Bytes::from(request.body)));
    *message.method_mut() = method;
    *message.uri_mut() = uri.map_err(|error| refused("the path", &error))?;
    *message.headers_mut() = headers;
    Ok(message)
}

/// Reads a body to its end, to the byte it is abandoned at, or to the deadline; hands its pieces over where they
/// are wanted, and keeps them where not.
pub(super) async fn read(
    response: hyper::Response<Incoming>,
    abandon_after: Option<usize>,
    mut each: Option<Each<'_>>,
    deadline: Instant,
) -> Response {
    let (head, mut body) = response.into_parts();
    let mut response = Response {
        status: head.status.as_u16(),
        headers: lines(&head.headers),
        trailers: Vec::new(),
        body: Vec::new(),
        end: End::Complete,
    };
    loop {
        let length = response.body.len();
        if abandon_after.is_some_and(|bytes| length >= bytes) {
            response.end = End::Cut(format!("abandoned by the client after {length} bytes"));
            return response;
        }
        let frame = match timeout_at(deadline, body.frame()).await {
            Ok(None) => return response,
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) => {
                response.end = End::Cut(chain(&error));
                return response;
            }
            Err(_) => {
                response.end = End::Cut(format!("time ran out after {length} bytes"));
                return response;
            }
        };
        if let (Some(data), Some(each)) = (frame.data_ref(), &mut each) {
            each(data);
        } else if let Some(data) = frame.data_ref() {
            if length + data.len() > MAXIMUM_BODY_BYTES {
                response.end = End::Cut(format!("more than {MAXIMUM_BODY_BYTES} bytes came"));
                return response;
            }
            response.body.extend_from_slice(data);
        } else if let Some(trailers) = frame.trailers_ref() {
            response.trailers.extend(lines(trailers));
        }
    }
}

/// A request without TLS and without a body, for Envoy's admin interface.
pub(crate) async fn get_plain(
    address: SocketAddr,
    method: &str,
    path: &str,
) -> Result<Response, String> {
    let deadline = Instant::now() + DEFAULT_TIMEOUT;
    let begin = async {
        let stream = TcpStream::connect(address)
            .await
            .map_err(|error| format!("cannot connect to {address}: {error}"))?;
        let failed = |error: hyper::Error| format!("no answer from {address}: {}", chain(&error));
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(failed)?;
        // Ends by itself when the sender and the body are gone.
        tokio::spawn(async {
            let _ = connection.await;
        });
        let request = hyper::Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, address.to_string())
            .body(Empty::<Bytes>::new())
            .map_err(|error| format!("cannot ask for {path:?}: {error}"))?;
        sender.send_request(request).await.map_err(failed)
    };
    let response = timeout_at(deadline, begin)
        .await
        .map_err(|_| format!("{address} sent nothing in {DEFAULT_TIMEOUT:?}"))??;
    Ok(read(response, None, None, deadline).await)
}

fn lines(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect()
}
