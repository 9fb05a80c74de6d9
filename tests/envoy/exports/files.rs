//! Files of servers that are not to be trusted, and of any size.

use std::net::SocketAddr;
use std::sync::Arc;

use fhir_guard_harness::client::{End, Request, Version};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{ALL, Caller, exporting, files};
use crate::world::{Setting, World, is_cut};

/// A file of a server that is not to be trusted.
#[derive(Clone)]
pub struct Told {
    pub head: &'static str,
    /// Repeated so many times.
    pub line: String,
    pub times: usize,
    pub behind: String,
}

/// A server with an export of these files; it ends its answers by closing.
async fn server(files: Vec<Told>) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let files = Arc::new(files);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let files = Arc::clone(&files);
            tokio::spawn(async move {
                // Whoever goes away is no news.
                let _ = serve(stream, &files).await;
            });
        }
    });
    address
}

async fn serve(mut stream: TcpStream, files: &[Told]) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default();
    let close = "connection: close\r\n\r\n";
    if path.contains("$export") {
        let answer = format!(
            "HTTP/1.1 202 Accepted\r\ncontent-location: http://fhir/fhir/job\r\ncontent-length: 0\r\n{close}"
        );
        return stream.write_all(answer.as_bytes()).await;
    }
    if path.ends_with("/job") {
        let output = (0..files.len())
            .map(|at| json!({"type": "Observation", "url": format!("http://fhir/files/{at}")}));
        let manifest = json!({"transactionTime": "2026-01-01T00:00:00Z", "output": output.collect::<Vec<_>>()});
        let answer =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{close}{manifest}");
        return stream.write_all(answer.as_bytes()).await;
    }
    let file = path
        .rsplit('/')
        .next()
        .and_then(|at| files.get(at.parse::<usize>().ok()?));
    let Some(file) = file else {
        return Ok(());
    };
    let head = format!("HTTP/1.1 200 OK\r\n{}\r\n{close}", file.head);
    stream.write_all(head.as_bytes()).await?;
    let block = file.line.repeat(100);
    for _ in 0..file.times / 100 {
        stream.write_all(block.as_bytes()).await?;
    }
    stream.write_all(file.behind.as_bytes()).await?;
    stream.shutdown().await
}

pub const LINES: &str = "content-type: application/fhir+ndjson";

/// A line of about so many bytes.
pub fn line(id: &str, length: usize) -> String {
    let text = "x".repeat(length);
    format!(
        r#"{{"resourceType":"Observation","id":"{id}","status":"final","code":{{"text":"{text}"}}}}"#
    ) + "\n"
}

/// A world behind which is such a server, and our links to its files.
pub async fn serving(told: Vec<Told>) -> (World, Vec<String>) {
    let world = World::with(Setting {
        policy: Some(Box::new(exporting)),
        envoy: Some(Box::new(|config| {
            // A file takes its time.
            let routes = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts/0/routes";
            let routes = config.pointer_mut(routes).and_then(Value::as_array_mut).expect("routes");
            let file = json!({"match": {"prefix": "/r4/_export/file/"}, "route": {"cluster": "fhir_server", "timeout": "0s"}});
            routes.insert(0, file);
        })),
        upstream: Some(server(told).await),
        ..Setting::default()
    })
    .await;
    let links = {
        let caller = Caller::new(&world, Version::Http2, ALL);
        let job = caller.start("/r4/$export?_type=Observation").await;
        let answer = caller.ask("GET", &job, &[]).await;
        files(&answer.json().expect("a manifest"), "output")
    };
    (world, links.into_iter().map(|(_, link)| link).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_read_does_not_pass_bypass_34() {
    let (good, canary) = (line("o", 20), line("CANARY", 20));
    let open = canary.trim_end().trim_end_matches('}').to_owned();
    let patient = r#"{"resourceType":"Patient","id":"CANARY"}"#.to_owned();
    let mut rows = Vec::new();
    for (name, head, behind) in [
        ("another type on a line", LINES, patient),
        ("no JSON", LINES, "CANARY".to_owned()),
        ("one on two lines", LINES, canary.replace(",", ",\n")),
        ("two on one line", LINES, canary.trim_end().repeat(2)),
        ("cut", LINES, open),
        (
            "JSON by its name",
            "content-type: application/fhir+json",
            canary.clone(),
        ),
        (
            "bytes by its name",
            "content-type: application/octet-stream",
            canary.clone(),
        ),
        (
            "packed by its name",
            "content-type: application/fhir+ndjson\r\ncontent-encoding: gzip",
            canary.clone(),
        ),
    ] {
        for times in [0, 100_000] {
            let line = good.clone();
            let behind = behind.clone();
            rows.push((
                name,
                Told {
                    head,
                    line,
                    times,
                    behind,
                },
            ));
        }
    }
    let (world, links) = serving(rows.iter().map(|(_, told)| told.clone()).collect()).await;
    for ((name, told), link) in rows.iter().zip(&links) {
        for version in [Version::Http1, Version::Http2] {
            let answer = Caller::new(&world, version, ALL).file(link).await;
            let times = told.times;
            let name = format!("{name} behind {times} lines");
            assert!(
                !answer.text().contains("CANARY"),
                "{name}: {}",
                answer.text()
            );
            match told.head == LINES && times > 0 {
                // What was good has left before.
                true => {
                    assert_eq!(answer.status, 200, "{name}");
                    assert!(is_cut(&answer, version, false), "{name}: {:?}", answer.end);
                    assert!(answer.body.len() > times, "{name}");
                    assert!(!answer.text().ends_with('\n'), "{name}: it looks whole");
                }
                false => {
                    assert_eq!(
                        (answer.status, &answer.end),
                        (502, &End::Complete),
                        "{name}"
                    );
                }
            }
        }
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_is_no_news() {
    let told = Told {
        head: LINES,
        line: line("o", 1000),
        times: 50_000,
        behind: String::new(),
    };
    let (world, links) = serving(vec![told]).await;
    for version in [Version::Http1, Version::Http2] {
        let caller = Caller::new(&world, version, ALL);
        let request = Request::get(&links[0]).bearer(&caller.token);
        world.expect_records(1);
        let answer = caller.client.send_and_abandon(request, 1 << 20).await;
        assert_eq!(answer.expect("its begin").status, 200);
    }
    let records = world.records().await;
    let cut = records.iter().filter(|record| record["outcome"] == "cut");
    assert_eq!(cut.count(), 2, "{records:?}");
    world.close().await;
}
