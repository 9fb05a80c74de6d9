//! The server seen from outside, over sockets.

mod hostile;
mod reads;
mod running;
mod searches;
mod writes;

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{FhirServer, Options};

/// An answer as its bytes say, framing undone.
#[derive(Debug)]
struct Got {
    status: u16,
    head: String,
    body: Vec<u8>,
    /// Whether the body was as long as its framing said.
    complete: bool,
}

impl Got {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self
            .head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        lines
            .find(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

async fn start(options: Options) -> FhirServer {
    FhirServer::start(options).await
}

/// One request over one HTTP/1.1 connection; `headers` are whole lines.
async fn send(to: SocketAddr, method: &str, path: &str, headers: &[&str], body: &str) -> Got {
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nhost: fhir.example.org\r\nconnection: close\r\n");
    for header in headers {
        request.push_str(&format!("{header}\r\n"));
    }
    request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    // A reset after the bytes is an end like any other here.
    let _ = timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes))
        .await
        .expect("an answer in time");
    parse(&bytes, method == "HEAD")
}

async fn get(to: SocketAddr, path: &str) -> Got {
    send(to, "GET", path, &[], "").await
}

fn parse(bytes: &[u8], no_body: bool) -> Got {
    let end = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .expect("a whole head")
        + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut got = Got {
        status,
        head,
        body: bytes[end..].to_vec(),
        complete: true,
    };
    if got.header("transfer-encoding") == Some("chunked") {
        (got.body, got.complete) = dechunk(&got.body);
    } else if let (Some(length), false) = (got.header("content-length"), no_body) {
        got.complete = length.parse::<usize>().unwrap() == got.body.len();
    }
    got
}

fn dechunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Ok(httparse::Status::Complete((line, size))) = httparse::parse_chunk_size(rest) {
        let size = size as usize;
        if size == 0 {
            return (body, true);
        }
        let Some(chunk) = rest.get(line..line + size) else {
            break;
        };
        body.extend_from_slice(chunk);
        rest = rest.get(line + size + 2..).unwrap_or(&[]);
    }
    (body, false)
}

const JSON: &str = "content-type: application/fhir+json";
const FORM: &str = "content-type: application/x-www-form-urlencoded";
const PATCH: &str = "content-type: application/json-patch+json";

type Row<'a> = (
    &'a str,
    &'a str,
    &'a [&'a str],
    &'a str,
    u16,
    fn(&Got) -> bool,
);

async fn check(server: &FhirServer, rows: &[Row<'_>]) {
    for (method, path, headers, body, status, holds) in rows {
        let got = send(server.address(), method, path, headers, body).await;
        assert_eq!(got.status, *status, "{method} {path}: {}", got.text());
        assert!(got.complete, "{method} {path}");
        assert!(
            holds(&got),
            "{method} {path} {headers:?} {body}: {}{}",
            got.head,
            got.text()
        );
    }
}

fn total(got: &Got) -> u64 {
    got.json()["total"].as_u64().unwrap()
}

fn ids(got: &Got, mode: &str) -> Vec<String> {
    let bundle = got.json();
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let of_mode = entries
        .iter()
        .filter(|entry| entry["search"]["mode"] == mode);
    of_mode
        .map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned())
        .collect()
}

fn link(got: &Got, relation: &str) -> Option<String> {
    let bundle = got.json();
    let links = bundle["link"].as_array()?;
    let found = links.iter().find(|link| link["relation"] == relation)?;
    Some(found["url"].as_str()?.to_owned())
}

fn is_outcome(got: &Got) -> bool {
    got.json()["resourceType"] == "OperationOutcome"
        && got.json()["issue"][0]["diagnostics"].is_string()
}
