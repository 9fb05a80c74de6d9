//! An upstream that is away, late, or breaks off, written by hand to the byte.

use std::net::SocketAddr;
use std::time::Duration;

use fhir_guard_harness::client::{End, Request, Version};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::wire::{check, check_refusal};
use crate::world::{Setting, World, is_cut};

/// What a caller gets; the token is for all of `system/`, so that only the form decides.
#[derive(Clone, Copy, Debug)]
enum Expected {
    /// 200 with a whole body.
    Whole,
    /// The filter's own 502.
    Withheld,
    /// Envoy's own answer.
    Proxy(u16),
    /// Envoy's own answer while the filter held the upstream's.
    Instead(u16),
    /// 200, a part of the body, the end of the stream.
    Cut,
}

/// The paths of the upstream: what it sends to a request for this id, how it goes on, what must come
/// out. `silent` keeps the connection open, else it is closed.
fn script() -> Vec<(&'static str, Vec<u8>, bool, Expected)> {
    let head = |fields: &str| {
        format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/fhir+json\r\n{fields}\r\n"
        )
    };
    let resource =
        |id: &str| format!(r#"{{"resourceType":"Observation","id":"{id}","status":"final"}}"#);
    let length = |id: &str| head(&format!("content-length: {}\r\n", resource(id).len()));
    let large = format!("{}{}", head("content-length: 9000000\r\n"), large_bundle());
    let row = |id, bytes: String, silent, expected| (id, bytes.into_bytes(), silent, expected);
    let with = |id: &'static str, before: &str, expected| {
        row(
            id,
            format!("{before}{}{}", length(id), resource(id)),
            false,
            expected,
        )
    };
    let mut bytes = vec![
        with("honest", "", Expected::Whole),
        row(
            "until-close",
            format!("{}{}", head(""), resource("until-close")),
            false,
            Expected::Whole,
        ),
        row(
            "until-close-cut",
            format!("{}{{\"resourceType\":\"Obs", head("")),
            false,
            Expected::Withheld,
        ),
        with(
            "hints",
            "HTTP/1.1 103 Early Hints\r\nlink: </Patient/p2>\r\n\r\n",
            Expected::Whole,
        ),
        with("continue", "HTTP/1.1 100 Continue\r\n\r\n", Expected::Whole),
        with(
            "switching",
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
            Expected::Withheld,
        ),
        row("nothing", String::new(), false, Expected::Proxy(503)),
        row(
            "garbage",
            "Patient/p2 is well\r\n\r\n".to_owned(),
            false,
            Expected::Proxy(502),
        ),
        row("late", String::new(), true, Expected::Proxy(504)),
        row(
            "half-a-head",
            "HTTP/1.1 200 OK\r\nx-patient: Patient/p2".to_owned(),
            true,
            Expected::Proxy(504),
        ),
        row(
            "held-cut",
            format!("{}{{\"resourceType\":\"Obs", length("held-cut")),
            false,
            Expected::Instead(502),
        ),
        row(
            "held-late",
            format!("{}{{\"resourceType\":\"Obs", length("held-late")),
            true,
            Expected::Instead(504),
        ),
        row("streaming-cut", large.clone(), false, Expected::Cut),
        row("streaming-late", large, true, Expected::Cut),
        row(
            "two-lengths",
            head("content-length: 5\r\ncontent-length: 70\r\n") + &resource("two-lengths"),
            false,
            Expected::Proxy(502),
        ),
        row(
            "length-and-chunks",
            head("content-length: 5\r\ntransfer-encoding: chunked\r\n") + "0\r\n\r\n",
            false,
            Expected::Proxy(502),
        ),
        row(
            "bad-chunk",
            head("transfer-encoding: chunked\r\n") + "zz\r\nPatient/p2\r\n",
            false,
            Expected::Instead(502),
        ),
        row(
            "many-fields",
            head(&"x-flood: Patient/p2\r\n".repeat(300)),
            false,
            Expected::Proxy(502),
        ),
        row(
            "huge-field",
            head(&format!("x-flood: {}\r\n", "Patient/p2".repeat(20_000))),
            false,
            Expected::Proxy(502),
        ),
    ];
    // Bytes that are no text, where a field matters and where it does not.
    let mut raw = length("raw-fields").into_bytes();
    raw.truncate(raw.len() - 2);
    raw.extend(b"etag: W/\"\xff\xfe\"\r\nlast-modified: \xff\r\nlocation: \xff\r\nx-\xc3\xa4: \xff\r\n\r\n");
    raw.extend(resource("raw-fields").as_bytes());
    bytes.push(("raw-fields", raw, false, Expected::Proxy(502)));
    let mut raw = length("raw-values").into_bytes();
    raw.truncate(raw.len() - 2);
    raw.extend(
        b"etag: W/\"\xff\xfe\"\r\nlast-modified: \xff\r\nlocation: \xff\r\nx-a: \xff\r\n\r\n",
    );
    raw.extend(resource("raw-values").as_bytes());
    bytes.push(("raw-values", raw, false, Expected::Whole));
    let raw = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/fhir+json\xff\r\ncontent-length: 2\r\n\r\n{}";
    bytes.push(("raw-type", raw.to_vec(), false, Expected::Withheld));
    bytes
}

/// The first 700 kB of a searchset: more than is ever held.
fn large_bundle() -> String {
    let mut text = String::from(r#"{"resourceType":"Bundle","type":"searchset","entry":["#);
    for index in 0..1000 {
        let comma = if index == 0 { "" } else { "," };
        text.push_str(&format!(
            r#"{comma}{{"resource":{{"resourceType":"Observation","id":"e{index}","status":"final","valueString":"{}"}}}}"#,
            "z".repeat(600)
        ));
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_breaks_off_or_stalls_is_answered_for() {
    let world = World::shared(Setting {
        upstream: Some(scripted().await),
        envoy: Some(Box::new(short_timeout)),
        ..Setting::default()
    })
    .await;
    let token = world.token("system/*.rs");
    let mut outcomes = Vec::new();
    for (id, _, _, expected) in script() {
        for version in [Version::Http1, Version::Http2] {
            let name = format!("{id} {version:?}");
            let client = world.client_of(Some(&world.pki.client("clinic-a")), version, "secure");
            let path = match expected {
                Expected::Cut => format!("/r4/Observation?_id={id}"),
                _ => format!("/r4/Observation/{id}"),
            };
            let answer = world
                .send(&client, Request::get(&path).bearer(&token))
                .await;
            check(&name, &answer);
            let outcome = match expected {
                Expected::Whole => {
                    assert_eq!(answer.status, 200, "{name}: {}", answer.text());
                    assert_eq!(answer.end, End::Complete, "{name}");
                    assert_eq!(answer.json().expect(&name)["id"], id, "{name}");
                    for field in ["etag", "last-modified", "location"] {
                        assert_eq!(answer.header(field), None, "{name}");
                    }
                    "allowed"
                }
                Expected::Withheld => {
                    check_refusal(&name, &answer, 502, "exception");
                    "withheld"
                }
                Expected::Proxy(status) => {
                    check_refusal(&name, &answer, status, "transient");
                    "proxy"
                }
                Expected::Instead(status) => {
                    check_refusal(&name, &answer, status, "transient");
                    "cut"
                }
                Expected::Cut => {
                    assert_eq!(answer.status, 200, "{name}");
                    assert!(is_cut(&answer, version, false), "{name}");
                    let text = answer.text();
                    // What was decided before it broke off has left, entry by entry.
                    assert!(text.contains(r#""id":"e0""#), "{name}");
                    "cut"
                }
            };
            outcomes.push((name, outcome, answer.status));
        }
    }
    // What comes before the answer passes no filter: Envoy itself must keep it back.
    for (id, status) in [("hints", "103"), ("continue", "100")] {
        world.expect_records(1);
        let request = format!(
            "GET /r4/Observation/{id} HTTP/1.1\r\nhost: fhir.example.org\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n"
        );
        let answer = world.client().raw(request.as_bytes()).await;
        let answer = answer.expect("an answer");
        let text = String::from_utf8_lossy(&answer);
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{status}: {text}");
        assert!(!text.contains("Patient/p2"), "{status}: {text}");
        outcomes.push((format!("raw {id}"), "allowed", 200));
    }
    for (record, (name, outcome, status)) in world.records().await.iter().zip(outcomes) {
        assert_eq!(record["outcome"], outcome, "{name}: {record}");
        assert_eq!(record["status"], status, "{name}: {record}");
    }
    // `World::close` reads a Patient until both workers have served one: this upstream knows none.
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_away_is_answered_for() {
    // A port that was free a moment ago.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let nobody = listener.local_addr().expect("its address");
    drop(listener);
    let world = World::shared(Setting {
        upstream: Some(nobody),
        ..Setting::default()
    })
    .await;
    let body = json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"}})
        .to_string();
    for version in [Version::Http1, Version::Http2] {
        for request in [
            Request::get("/r4/Patient/p1"),
            Request::new("HEAD", "/r4/Patient/p1"),
            Request::get("/r4/metadata"),
            Request::new("POST", "/r4/Observation").body("application/fhir+json", body.clone()),
        ] {
            let name = format!("{} {} {version:?}", request.method, request.path);
            let head = request.method == "HEAD";
            let client = world.client_of(Some(&world.pki.client("clinic-a")), version, "secure");
            let request = request.bearer(&world.token("system/*.cruds"));
            let answer = world.send(&client, request).await;
            if head {
                check(&name, &answer);
                assert_eq!((answer.status, answer.body.len()), (503, 0), "{name}");
            } else {
                check_refusal(&name, &answer, 503, "transient");
            }
        }
    }
    for record in world.records().await {
        assert_eq!(record["outcome"], "proxy", "{record}");
        assert_eq!(record["status"], 503, "{record}");
    }
    world.close().await;
}

fn short_timeout(config: &mut Value) {
    for listener in config["static_resources"]["listeners"]
        .as_array_mut()
        .expect("listeners")
    {
        let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
        let routes = &mut manager["route_config"]["virtual_hosts"][0]["routes"];
        routes[0]["route"]["timeout"] = json!("1s");
    }
}

/// Serves [`script`], one request a connection, until the test ends.
async fn scripted() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

async fn serve(mut stream: TcpStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if !matches!(stream.read_buf(&mut request).await, Ok(1..)) {
            return;
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let target = request.split(' ').nth(1).unwrap_or_default();
    let id = target.rsplit(['/', '=']).next().unwrap_or_default();
    let script = script();
    let found = script.iter().find(|(known, ..)| *known == id);
    let Some((_, bytes, silent, _)) = found else {
        return;
    };
    let _ = stream.write_all(bytes).await;
    let _ = stream.flush().await;
    if *silent {
        tokio::time::sleep(Duration::from_secs(20)).await;
    } else {
        // What was written reaches the other side before the end of the connection does.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
