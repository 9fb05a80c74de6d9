//! Every misbehaviour does what its name says.

use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::{Got, get, send, start};
use crate::fhir::{FhirServer, Hostile, Misbehaviour, Options};

const SEARCH: &str = "/fhir/Observation?patient=p1";
const READ: &str = "/fhir/Observation/o-p1-2";
const NAME: &str = "Chidi Okonkwo";
const MB: usize = 1024 * 1024;

fn foreign(got: &Got) -> bool {
    got.text().contains("Patient/p2") || got.text().contains("\"id\":\"p2\"")
}

fn not_json(got: &Got) -> bool {
    serde_json::from_slice::<serde_json::Value>(&got.body).is_err()
}

#[tokio::test]
async fn each() {
    type Row = (&'static str, &'static str, u16, fn(&Got) -> bool);
    let rows: &[Row] = &[
        ("ignore-filters", SEARCH, 200, |got| {
            got.json()["total"].as_u64() > Some(100) && !got.text().contains("patient=p1")
        }),
        ("ignore-filters", "/fhir/Patient/p1/Condition", 200, |got| {
            got.json()["total"] == 72
        }),
        ("lie-self", SEARCH, 200, |got| {
            got.json()["total"].as_u64() > Some(100)
                && got.json()["link"][0]["url"]
                    .as_str()
                    .unwrap()
                    .contains("patient=p1")
        }),
        ("foreign-include", SEARCH, 200, |got| {
            foreign(got) && got.json()["entry"].as_array().unwrap().len() == 16
        }),
        ("foreign-contained", READ, 200, |got| {
            foreign(got) && got.json()["contained"][0]["resourceType"] == "Patient"
        }),
        ("foreign-contained", SEARCH, 200, |got| {
            got.json()["entry"][0]["resource"]["contained"].is_array()
        }),
        ("wrong-id", READ, 200, |got| {
            got.json()["subject"]["reference"] == "Patient/p2"
        }),
        ("wrong-id", "/fhir/Patient/p1", 200, |got| {
            got.json()["id"] == "p2"
        }),
        ("wrong-type", READ, 200, |got| {
            got.json()["resourceType"] == "Patient"
        }),
        ("wrong-type", "/fhir/Patient/p1", 200, |got| {
            got.json()["resourceType"] == "Observation"
        }),
        ("not-json", READ, 200, |got| {
            not_json(got) && got.text().contains(NAME)
        }),
        ("truncated-json", READ, 200, not_json),
        ("deep", READ, 200, |got| {
            got.text().matches("[{").count() == 2500
        }),
        ("deep", SEARCH, 200, |got| {
            got.text().matches("[{").count() == 2501
        }),
        ("duplicate-keys", READ, 200, |got| {
            got.text().matches("\"subject\":").count() == 2 && foreign(got)
        }),
        ("duplicate-keys", "/fhir/Patient/p1", 200, |got| {
            got.text().contains("\"id\":\"p1\",\"id\":\"p2\"")
        }),
        ("bad-utf8", READ, 200, |got| {
            std::str::from_utf8(&got.body).is_err()
        }),
        ("bom", READ, 200, |got| {
            got.body.starts_with(b"\xef\xbb\xbf{")
        }),
        ("gzip-unasked", READ, 200, |got| {
            got.body.starts_with(b"\x1f\x8b") && got.header("content-encoding") == Some("gzip")
        }),
        ("html-200", READ, 200, |got| {
            got.text().contains(NAME)
                && got.header("content-type") == Some("text/html; charset=utf-8")
        }),
        ("empty-200", READ, 200, |got| got.body.is_empty()),
        ("chunked", READ, 200, |got| {
            got.json()["id"] == "o-p1-2" && got.header("transfer-encoding") == Some("chunked")
        }),
        ("no-content-length", READ, 200, |got| {
            got.json()["id"] == "o-p1-2" && got.header("content-length").is_none()
        }),
        ("slow-chunks", READ, 200, |got| got.json()["id"] == "o-p1-2"),
        ("trailers", READ, 200, |got| {
            got.json()["id"] == "o-p1-2" && got.header("trailer") == Some("x-trailer")
        }),
        ("content-length-too-long", READ, 200, |got| {
            !got.complete && got.json()["id"] == "o-p1-2"
        }),
        ("cut", READ, 200, |got| {
            !got.complete && !got.body.is_empty() && not_json(got)
        }),
        ("big-20mb", SEARCH, 200, |got| {
            got.body.len() > 20 * MB
                && got.json()["entry"][9]["resource"]["subject"]["reference"] == "Patient/p1"
        }),
        ("big-resource-9mb", READ, 200, |got| {
            got.body.len() > 9 * MB && got.json()["id"] == "o-p1-2"
        }),
        ("many-small", SEARCH, 200, |got| {
            got.json()["entry"].as_array().unwrap().len() == 20_000
        }),
        ("escaped-keys", READ, 200, |got| {
            got.text().contains("\"\\u0073ubject\"")
                && got.json()["subject"]["reference"] == "Patient/p1"
        }),
        ("nested-bundle", SEARCH, 200, |got| {
            got.json()["entry"][13]["resource"]["resourceType"] == "Bundle" && foreign(got)
        }),
        ("nested-bundle", READ, 200, |got| {
            got.json()["entry"][1]["resource"]["resourceType"] == "Bundle"
        }),
        ("parameters", READ, 200, |got| {
            got.json()["parameter"][1]["part"][0]["resource"]["id"] == "p2"
        }),
        ("xml", READ, 200, |got| {
            got.text().starts_with("<Patient")
                && got.header("content-type") == Some("application/fhir+xml;charset=utf-8")
        }),
        ("status-500", READ, 500, |got| {
            got.json()["issue"][0]["diagnostics"]
                .as_str()
                .unwrap()
                .contains(NAME)
        }),
        ("redirect-302", READ, 302, |got| {
            got.header("location").unwrap().contains("internal.example")
        }),
        ("status-206", READ, 206, |got| {
            got.header("content-range").is_some()
        }),
        ("status-304", READ, 304, |got| got.body.is_empty()),
        ("status-204", READ, 204, |got| got.body.is_empty()),
        ("header-flood", READ, 200, |got| {
            got.head.matches("x-flood-").count() == 80
        }),
        ("leaky-links", SEARCH, 200, |got| {
            got.text().contains("patient=p2") && got.header("link").is_some()
        }),
        (
            "opaque-pages",
            "/fhir/Observation?patient=p1&_count=3",
            200,
            |got| got.text().contains("?_getpages="),
        ),
        ("entry-first", SEARCH, 200, |got| {
            got.body.starts_with(b"{\"entry\":")
        }),
        ("no-resourcetype", SEARCH, 200, |got| {
            !got.text().contains("resourceType")
        }),
        ("ndjson", SEARCH, 200, |got| {
            got.text().lines().count() == 14 && foreign(got)
        }),
        ("two-roots", READ, 200, |got| {
            not_json(got)
                && got
                    .text()
                    .contains("}{\"resourceType\":\"Patient\",\"id\":\"p2\"")
        }),
        ("trailing-garbage", READ, 200, |got| {
            not_json(got) && got.text().ends_with("--")
        }),
    ];
    for name in Misbehaviour::ALL {
        assert!(
            rows.iter().any(|row| row.0 == name.name()),
            "no row for {name}"
        );
    }
    let server = start(Options {
        hostile: Some(Hostile::OnRequest),
        ..Options::default()
    })
    .await;
    for (name, path, status, holds) in rows {
        let header = format!("x-hostile: {name}");
        for address in [server.address(), server.raw_address()] {
            let got = send(address, "GET", path, &[&header], "").await;
            let beginning: String = got.text().chars().take(2000).collect();
            assert_eq!(got.status, *status, "{name} {path}: {beginning}");
            assert!(
                got.complete || ["cut", "content-length-too-long"].contains(name),
                "{name} {path}"
            );
            assert!(holds(&got), "{name} {path}: {}{beginning}", got.head);
        }
    }
}

#[tokio::test]
async fn is_selected() {
    let status = async |server: &FhirServer, path: &str| get(server.address(), path).await.status;
    let honest = start(Options::default()).await;
    assert_eq!(
        status(&honest, "/fhir/Patient/p1?x-hostile=status-204").await,
        200,
        "an honest server"
    );
    honest.misbehave(Some("status-204"));
    assert_eq!(
        status(&honest, "/fhir/Patient/p1").await,
        204,
        "set by a test"
    );
    honest.misbehave(None);
    assert_eq!(status(&honest, "/fhir/Patient/p1").await, 200, "unset");
    let on_request = start(Options {
        hostile: Some(Hostile::OnRequest),
        ..Options::default()
    })
    .await;
    assert_eq!(
        status(&on_request, "/fhir/Patient/p1").await,
        200,
        "not asked"
    );
    assert_eq!(
        status(&on_request, "/fhir/Patient/p1?x-hostile=status-204").await,
        204,
        "by query"
    );
    let always = start(Options {
        hostile: Some(Hostile::Always(Misbehaviour::Status500)),
        ..Options::default()
    })
    .await;
    assert_eq!(status(&always, "/fhir/Patient/p1").await, 500, "by option");
    assert_eq!(
        status(&always, "/fhir/Patient/p1?x-hostile=status-204").await,
        204,
        "query before option"
    );
    assert!("nonsense".parse::<Misbehaviour>().is_err());
}

#[tokio::test]
async fn spoils_http2_too() {
    let server = start(Options {
        hostile: Some(Hostile::OnRequest),
        ..Options::default()
    })
    .await;
    // Name, whether the body arrives whole, whether there are trailers.
    for (name, whole, trailers) in [
        ("trailers", true, true),
        ("cut", false, false),
        ("content-length-too-long", false, false),
        ("chunked", true, false),
    ] {
        let stream = TcpStream::connect(server.address()).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        let request = Request::get(format!("{}/Patient/p1", server.base()))
            .header("x-hostile", name)
            .body(Empty::<Bytes>::new())
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        let body = response.into_body().collect().await;
        assert_eq!(body.is_ok(), whole, "{name}");
        assert_eq!(
            body.is_ok_and(|body| body.trailers().is_some()),
            trailers,
            "{name}"
        );
    }
}

#[tokio::test]
async fn sends_trailers_nobody_asked_for_on_the_raw_port() {
    let server = start(Options {
        hostile: Some(Hostile::Always(Misbehaviour::Trailers)),
        ..Options::default()
    })
    .await;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = TcpStream::connect(server.raw_address()).await.unwrap();
    stream
        .write_all(b"GET /fhir/Patient/p1 HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(
        text.ends_with("\r\n0\r\nx-trailer: Patient/p2\r\n\r\n"),
        "{text}"
    );
}
