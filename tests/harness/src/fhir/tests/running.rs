//! Recording, stopping, protocols, data from a folder.

use std::io::Read as _;

use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::{FORM, get, send, start, total};
use crate::fhir::{DataSource, FhirServer, Options};

#[tokio::test]
async fn records_what_arrives_and_stops() {
    let server = start(Options::default()).await;
    let (address, raw) = (server.address(), server.raw_address());
    send(
        address,
        "POST",
        "/fhir/Observation/_search?a=%20b",
        &[FORM, "x-own: \u{e9}"],
        "patient=p1",
    )
    .await;
    get(raw, "/fhir/Patient/p1").await;
    let chunked = send(
        raw,
        "POST",
        "/fhir/Goal/_search",
        &["transfer-encoding: chunked"],
        "3\r\npat\r\n7\r\nient=p2\r\n0\r\n\r\n",
    )
    .await;
    assert_eq!(total(&chunked), 1);
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[0].method, "POST");
    assert_eq!(
        requests[0].path_and_query,
        "/fhir/Observation/_search?a=%20b"
    );
    assert_eq!(requests[0].body, "patient=p1");
    assert!(
        requests[0]
            .headers
            .contains(&("x-own".into(), "\u{e9}".as_bytes().to_vec()))
    );
    assert_eq!(
        requests[1].header("host").as_deref(),
        Some("fhir.example.org")
    );
    assert_eq!(requests[2].body, "patient=p2");
    server.forget_requests();
    assert!(server.requests().is_empty());
    server.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
    assert!(TcpStream::connect(raw).await.is_err());
}

#[tokio::test]
async fn speaks_http2_and_gzip_when_asked() {
    let server = start(Options::default()).await;
    let stream = TcpStream::connect(server.address()).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let request = Request::get(format!("{}/Patient/p1", server.base()))
        .header("accept-encoding", "gzip")
        .body(Full::<Bytes>::default())
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&body[..])
        .read_to_string(&mut text)
        .unwrap();
    assert!(text.contains("Lindqvist"));
    assert_eq!(
        server.requests()[0].header("host").as_deref(),
        Some(server.address().to_string().as_str())
    );
}

#[tokio::test]
async fn serves_a_folder() {
    let folder = std::env::temp_dir().join(format!("fhir-guard-folder-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(
        folder.join("a.json"),
        r#"{"resourceType":"Patient","id":"one"}"#,
    )
    .unwrap();
    std::fs::write(folder.join("notes.txt"), "not for the server").unwrap();
    let server = start(Options {
        data: DataSource::Folder(folder.clone()),
        ..Options::default()
    })
    .await;
    assert_eq!(get(server.address(), "/fhir/Patient/one").await.status, 200);
    std::fs::write(folder.join("b.json"), "{").unwrap();
    let error = FhirServer::try_start(Options {
        data: DataSource::Folder(folder.clone()),
        ..Options::default()
    })
    .await
    .unwrap_err();
    assert!(error.contains("b.json"), "{error}");
    std::fs::remove_dir_all(&folder).unwrap();
}
