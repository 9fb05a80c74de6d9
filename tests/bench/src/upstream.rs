//! The server behind every Envoy: HTTP/1.1, and every answer made before the run. It shares the
//! generator's core, and its CPU time is nobody's.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, ETAG, LAST_MODIFIED};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::data::Documents;

/// Binds the port; the base of the server goes into its documents, so they come later.
pub async fn bind() -> Result<(TcpListener, SocketAddr), String> {
    let failed = |error| format!("no port for the upstream: {error}");
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Serves these documents until the process ends.
pub fn serve(listener: TcpListener, documents: &Documents) {
    let answers: HashMap<String, Bytes> = documents
        .iter()
        .map(|(document, bytes)| (asked(&document.path()).to_owned(), bytes.clone()))
        .collect();
    let answers = Arc::new(answers);
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // A connection that is gone before it was taken is not the end of the server.
                tokio::task::yield_now().await;
                continue;
            };
            // Where it fails, an answer comes later, nothing else.
            let _ = stream.set_nodelay(true);
            let answers = Arc::clone(&answers);
            let service = service_fn(move |request| {
                let answer = answer(&answers, &request);
                async { Ok::<_, Infallible>(answer) }
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
}

fn answer(answers: &HashMap<String, Bytes>, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path_and_query();
    let found = answers.get(asked(path.map_or("", |path| path.as_str())));
    let mut response = Response::new(Full::new(found.cloned().unwrap_or_default()));
    if found.is_none() {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, "application/fhir+json;charset=utf-8"),
        (ETAG, "W/\"1\""),
        (LAST_MODIFIED, "Fri, 21 Nov 2025 08:00:00 GMT"),
    ] {
        headers.insert(name, hyper::header::HeaderValue::from_static(value));
    }
    response
}

/// What tells the documents apart, however a variant writes the path: the base and the order of
/// parameters are its own.
fn asked(path: &str) -> &str {
    match path
        .split(['?', '&'])
        .find(|part| part.starts_with("_count="))
    {
        Some(count) => count,
        None => path.rsplit('/').next().unwrap_or(path),
    }
}
