use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::channel::Channel;
use hyper::body::{Bytes, Frame};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::*;

/// A TLS server whose every connection is handled by `serve`, and how many there were.
async fn server<F, Served>(pki: &Pki, alpn: &[u8], serve: F) -> (SocketAddr, Arc<AtomicUsize>)
where
    F: Fn(TlsStream<TcpStream>) -> Served + Send + 'static,
    Served: Future<Output = ()> + Send + 'static,
{
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(pki.server().key_der.clone()));
    let chain = vec![CertificateDer::from(pki.server().der.clone())];
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![alpn.to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            if let Ok(stream) = acceptor.accept(stream).await {
                tokio::spawn(serve(stream));
            }
        }
    });
    (address, count)
}

/// Answers every request on a connection with these bytes; `close` ends it properly after one,
/// `drop` without TLS's goodbye, anything else keeps it open.
async fn scripted(
    pki: &Pki,
    answer: &'static [u8],
    then: &'static str,
) -> (SocketAddr, Arc<AtomicUsize>) {
    server(pki, b"http/1.1", move |mut stream| async move {
        let mut chunk = [0; 4096];
        while stream.read(&mut chunk).await.is_ok_and(|length| length > 0) {
            stream.write_all(answer).await.unwrap();
            stream.flush().await.unwrap();
            match then {
                "close" => return stream.shutdown().await.unwrap(),
                "drop" => return,
                _ => (),
            }
        }
    })
    .await
}

#[tokio::test]
async fn how_an_answer_ended_is_seen() {
    let pki = Pki::new();
    for (name, answer, then, body, cut) in [
        (
            "content-length",
            &b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab"[..],
            "stay",
            "ab",
            None,
        ),
        (
            "chunked",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
            "stay",
            "ab",
            None,
        ),
        (
            "until close",
            b"HTTP/1.1 200 OK\r\n\r\nab",
            "close",
            "ab",
            None,
        ),
        (
            "until close without goodbye",
            b"HTTP/1.1 200 OK\r\n\r\nab",
            "drop",
            "ab",
            Some("close_notify"),
        ),
        (
            "too short",
            b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab",
            "close",
            "ab",
            Some("end of file"),
        ),
        (
            "no last chunk",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n",
            "close",
            "ab",
            Some(""),
        ),
        (
            "silence",
            b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab",
            "stay",
            "ab",
            Some("time ran out after 2 bytes"),
        ),
    ] {
        let (address, _) = scripted(&pki, answer, then).await;
        let client =
            Client::new(&pki, None, Version::Http1, address).timeout(Duration::from_millis(500));
        let response = client.send(Request::get("/")).await.unwrap();
        assert_eq!(
            (response.status, response.text().as_str()),
            (200, body),
            "{name}"
        );
        match (&response.end, cut) {
            (End::Complete, None) => (),
            (End::Cut(reason), Some(part)) => assert!(reason.contains(part), "{name}: {reason}"),
            (end, _) => panic!("{name}: {end:?}"),
        }
    }
}

#[tokio::test]
async fn no_answer_is_an_error_with_its_reason() {
    let pki = Pki::new();
    for (name, answer, then, part) in [
        ("closed", &b""[..], "close", "no response came"),
        ("silent", b"", "stay", "sent nothing in 300ms"),
        ("not HTTP", b"SMTP\r\n\r\n", "close", "no response came"),
    ] {
        let (address, _) = scripted(&pki, answer, then).await;
        let client =
            Client::new(&pki, None, Version::Http1, address).timeout(Duration::from_millis(300));
        let error = client.send(Request::get("/")).await.unwrap_err();
        assert!(error.contains(part), "{name}: {error}");
        let raw = client.raw(b"x").await;
        match then {
            "close" => assert_eq!(raw, Ok(answer.to_vec()), "{name}"),
            _ => assert_eq!(raw.is_err(), answer.is_empty(), "{name}: {raw:?}"),
        }
    }
    let other = Pki::new();
    let (address, _) = scripted(&other, b"", "stay").await;
    let error = Client::new(&pki, None, Version::Http1, address)
        .send(Request::get("/"))
        .await
        .unwrap_err();
    assert!(error.contains("TLS handshake"), "{error}");
    let error = Client::new(&other, None, Version::Http2, address)
        .send(Request::get("/"))
        .await
        .unwrap_err();
    assert!(
        error.contains("TLS handshake") || error.contains("ALPN"),
        "{error}"
    );
    let request = Request::get("/a b");
    let error = Client::new(&pki, None, Version::Http1, address)
        .send(request)
        .await
        .unwrap_err();
    assert!(error.contains("use raw bytes"), "{error}");
}

#[tokio::test]
async fn http2_shows_trailers_resets_and_goes_away() {
    let pki = Pki::new();
    let (address, connections) = server(&pki, b"h2", |stream| async {
        let service = service_fn(
            |request: hyper::Request<hyper::body::Incoming>| async move {
                let data = || Ok(Frame::data(Bytes::from_static(b"ab")));
                let mut trailers = hyper::HeaderMap::new();
                trailers.insert("x-trailer", "t".parse().unwrap());
                let frames = match request.uri().path() {
                    "/reset" => vec![data(), Err("broken")],
                    "/trailers" => vec![data(), Ok(Frame::trailers(trailers))],
                    _ => vec![data(), data(), data()],
                };
                Ok::<_, Infallible>(hyper::Response::new(slowly(frames)))
            },
        );
        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service)
            .await;
    })
    .await;
    let client = Client::new(&pki, None, Version::Http2, address);
    let trailers = client.send(Request::get("/trailers")).await.unwrap();
    assert_eq!(trailers.trailers, [("x-trailer".to_owned(), b"t".to_vec())]);
    assert_eq!(
        (trailers.text().as_str(), &trailers.end),
        ("ab", &End::Complete)
    );

    let reset = client.send(Request::get("/reset")).await.unwrap();
    assert_eq!(reset.text(), "ab");
    assert!(
        matches!(&reset.end, End::Cut(reason) if reason.contains("stream error")),
        "{:?}",
        reset.end
    );

    let gone = client.send_and_abandon(Request::get("/"), 1).await.unwrap();
    assert!(
        gone.body.len() >= 2 && gone.end != End::Complete,
        "{gone:?}"
    );
    assert_eq!(
        connections.load(Ordering::Relaxed),
        3,
        "one connection each"
    );

    let client = client.reuse(true);
    for path in ["/", "/reset", "/trailers", "/"] {
        client.send(Request::get(path)).await.unwrap();
    }
    client.send_and_abandon(Request::get("/"), 0).await.unwrap();
    assert_eq!(
        client.send(Request::get("/")).await.unwrap().text(),
        "ababab"
    );
    assert_eq!(
        connections.load(Ordering::Relaxed),
        4,
        "one connection for all"
    );
}

/// A frame at a time, or a reset would overtake the data before it.
fn slowly(frames: Vec<Result<Frame<Bytes>, &'static str>>) -> Channel<Bytes, &'static str> {
    let (mut sender, body) = Channel::new(1);
    tokio::spawn(async move {
        for frame in frames {
            tokio::time::sleep(Duration::from_millis(20)).await;
            match frame {
                Err(error) => return sender.abort(error),
                Ok(frame) => sender.send(frame).await.unwrap_or_default(),
            }
        }
    });
    body
}

#[tokio::test]
async fn http1_reuses_a_connection_when_asked() {
    let pki = Pki::new();
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab";
    for (reuse, then, expected) in [(true, "stay", 1), (false, "stay", 3), (true, "close", 3)] {
        let (address, connections) = scripted(&pki, answer, then).await;
        let client = Client::new(&pki, None, Version::Http1, address).reuse(reuse);
        for _ in 0..3 {
            assert_eq!(
                client.send(Request::get("/")).await.unwrap().end,
                End::Complete
            );
            // The server's close needs a moment to arrive.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(
            connections.load(Ordering::Relaxed),
            expected,
            "{reuse} {then}"
        );
    }
}

#[tokio::test]
async fn bytes_arrive_as_they_were_given() {
    let pki = Pki::new();
    let (address, _) = server(&pki, b"http/1.1", |mut stream| async move {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") && !request.ends_with(b"end") {
            let mut chunk = [0; 4096];
            let length = stream.read(&mut chunk).await.unwrap();
            request.extend_from_slice(&chunk[..length]);
        }
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
            request.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&request).await.unwrap();
        stream.shutdown().await.unwrap();
    })
    .await;
    let client = Client::new(&pki, None, Version::Http1, address);
    let hostile = b"GET / HTTP/1.0\r\nX: \xff\xfe\r\nx: 2\r\n\r\n";
    let answer = client.raw(hostile).await.unwrap();
    assert!(
        answer.ends_with(hostile),
        "{}",
        String::from_utf8_lossy(&answer)
    );

    let request = Request::new("PROPFIND", "/a?b=%2F")
        .header("x-value", b"\xff")
        .header("x-value", "2")
        .bearer("t")
        .body("text/plain", "end");
    let seen = client.send(request).await.unwrap().body;
    for part in [
        &b"PROPFIND /a?b=%2F HTTP/1.1\r\n"[..],
        b"x-value: \xff\r\nx-value: 2\r\n",
        b"authorization: Bearer t\r\n",
        b"content-length: 3\r\n",
        b"host: localhost:",
        b"\r\n\r\nend",
    ] {
        assert!(
            seen.windows(part.len()).any(|window| window == part),
            "{} is not in {}",
            String::from_utf8_lossy(part),
            String::from_utf8_lossy(&seen)
        );
    }
}
