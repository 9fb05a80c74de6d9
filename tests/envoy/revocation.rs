//! Lists of what an operator took back, on both workers.

use std::time::Duration;

use fhir_guard_harness::authorization::{Answer, AuthorizationServer};
use fhir_guard_harness::client::{Request, Response, Version};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::keys::authorization_server;
use crate::world::{Setting, World};

const PATH: &str = "/revoked";

/// A world with a list of a server of the test, fetched as often as may be.
async fn world(first: Answer) -> (World, AuthorizationServer) {
    let server = AuthorizationServer::start().await;
    server.answer(PATH, first);
    let port = server.address().port();
    let setting = Setting {
        policy: Some(Box::new(move |policy| {
            policy["revocation"] = json!([{
                "uri": format!("http://127.0.0.1:{port}{PATH}"), "cluster": "authorization_server",
                "refresh": "10s", "max_age": "5m", "timeout": "500ms",
            }]);
            policy["limits"] = json!([]);
        })),
        envoy: Some(Box::new(move |config| {
            authorization_server(config, "authorization_server", port);
        })),
        ..Setting::default()
    };
    (World::with(setting).await, server)
}

fn list(entries: Value) -> Answer {
    Answer::Json(json!({ "revoked": entries }))
}

async fn read(world: &World, name: &str, token: &str) -> Response {
    let certificate = world.pki.client(name);
    let client = world.client_of(Some(&certificate), Version::Http2, "secure");
    world
        .send(&client, Request::get("/r4/Patient/p1").bearer(token))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_back_stops_on_both_workers_within_the_refresh() {
    let (world, server) = world(list(json!([]))).await;
    let claims = || world.claims().scope("patient/*.rs");
    let stolen = world.issuer.token(&claims().jti("stolen"));
    let fine = world.issuer.token(&claims().jti("fine"));
    let clinic = world.pki.client("clinic-b");
    let other = world.issuer.token(&claims().jti("other").bound_to(&clinic));
    let all = [
        ("clinic-a", &stolen),
        ("clinic-a", &fine),
        ("clinic-b", &other),
    ];
    for _ in 0..12 {
        for (name, token) in all {
            let answer = read(&world, name, token).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    }
    server.answer(
        PATH,
        list(json!([
            {"issuer": world.issuer.name(), "jti": "stolen"},
            {"certificate": clinic.thumbprint_hex},
        ])),
    );
    let taken_back = Instant::now();
    while read(&world, "clinic-a", &stolen).await.status != 401 {
        assert_eq!(read(&world, "clinic-a", &fine).await.status, 200);
        assert!(
            taken_back.elapsed() < Duration::from_secs(12),
            "it works on for ever"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // The other worker sees it by its next tick. From then on for good, whatever state the list is in.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let states = [
        Answer::Status(500),
        Answer::Close,
        Answer::Bytes(b"{\"revoked\":[{}]}".to_vec()),
        Answer::Bytes(vec![b' '; 20_000_000]),
    ];
    for bad in states {
        server.answer(PATH, bad);
        for _ in 0..12 {
            let statuses = [
                read(&world, "clinic-a", &stolen).await.status,
                read(&world, "clinic-a", &fine).await.status,
                read(&world, "clinic-b", &other).await.status,
            ];
            assert_eq!(statuses, [401, 200, 401]);
        }
    }
    for record in world.records().await {
        let rule = record["rule"].as_str().unwrap_or_default();
        assert_eq!(
            record["status"] == 401,
            rule.starts_with("token.revoked"),
            "{record}"
        );
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_comes_in_before_there_is_a_list() {
    let (world, server) = world(Answer::Status(500)).await;
    let token = world.token("patient/*.rs");
    for _ in 0..6 {
        let began = Instant::now();
        let answer = read(&world, "clinic-a", &token).await;
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert_eq!(answer.header("retry-after").as_deref(), Some("1"));
        assert!(
            began.elapsed() < Duration::from_secs(3),
            "{:?}",
            began.elapsed()
        );
    }
    for record in world.records().await {
        assert_eq!(record["rule"], "unavailable.revocation", "{record}");
    }
    server.answer(PATH, list(json!([])));
    let well = Instant::now();
    while read(&world, "clinic-a", &token).await.status != 200 {
        assert!(
            well.elapsed() < Duration::from_secs(8),
            "it does not recover"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    world.close().await;
}
