//! Tokens about which the authorization server is asked (RFC 7662), by both workers, whatever state the
//! server is in.

use std::time::Duration;

use fhir_guard_harness::authorization::{Answer, Asked, AuthorizationServer};
use fhir_guard_harness::client::{Request, Response, Version};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::keys::authorization_server;
use crate::world::{BASE, Setting, World, now};

const PATH: &str = "/introspect";

/// A world whose issuer is asked about tokens at a server of the test. These keys of its introspection are
/// set besides.
async fn world(more: Value) -> (World, AuthorizationServer) {
    let server = AuthorizationServer::start().await;
    let port = server.address().port();
    let setting = Setting {
        policy: Some(Box::new(move |policy| {
            let mut asked = json!({
                "uri": format!("http://127.0.0.1:{port}{PATH}"), "cluster": "authorization_server",
                "client": {"id": "fhir:guard", "secret": {"inline": "a secret"}},
            });
            let members = more.as_object().expect("an object").clone();
            asked.as_object_mut().expect("an object").extend(members);
            policy["issuers"][0]["introspection"] = asked;
            policy["limits"] = json!([]);
        })),
        envoy: Some(Box::new(move |config| {
            authorization_server(config, "authorization_server", port);
        })),
        ..Setting::default()
    };
    (World::with(setting).await, server)
}

/// What the server says of a good token of `clinic-a`.
fn good(world: &World) -> Value {
    let thumbprint = &world.pki.client("clinic-a").thumbprint_sha256_base64url;
    json!({"active": true, "client_id": "app", "scope": "patient/*.rs", "patient": "p1",
        "exp": now() + 600, "aud": BASE, "cnf": {"x5t#S256": thumbprint}})
}

/// The token of a question.
fn token_of(asked: &Asked) -> String {
    let form = String::from_utf8_lossy(&asked.body);
    let token = form.strip_prefix("token=").unwrap_or_default();
    token.split('&').next().unwrap_or_default().to_owned()
}

/// Reads the patient with this token, on a connection of its own.
async fn read(world: &World, token: &str) -> Response {
    let request = Request::get("/r4/Patient/p1").bearer(token);
    world.send(&world.client(), request).await
}

fn check_unavailable(name: &str, answer: &Response) {
    assert_eq!(answer.status, 503, "{name}: {}", answer.text());
    assert_eq!(answer.header("retry-after").as_deref(), Some("1"), "{name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opaque_token_is_asked_about_once_by_each_worker() {
    let (world, server) = world(json!({})).await;
    let good = good(&world);
    server.answer_with(PATH, move |asked| {
        let mut answer = good.clone();
        match token_of(asked).as_str() {
            "inactive" => answer = json!({"active": false}),
            "unbound" => drop(answer.as_object_mut().expect("an object").remove("cnf")),
            "elsewhere" => answer["aud"] = json!("https://other.example.org"),
            "past" => answer["exp"] = json!(now() - 60),
            "refresh" => answer["token_type"] = json!("refresh_token"),
            _ => {}
        }
        Answer::After(Duration::from_millis(400), Box::new(Answer::Json(answer)))
    });
    let mut all = JoinSet::new();
    for number in 0..50 {
        let version = [Version::Http1, Version::Http2][number % 2];
        let certificate = world.pki.client("clinic-a");
        let client = world.client_of(Some(&certificate), version, "secure");
        let request = Request::get("/r4/Patient/p1").bearer("opaque-1");
        all.spawn(async move { client.send(request).await });
    }
    world.expect_records(50);
    while let Some(answer) = all.join_next().await {
        let answer = answer.expect("no panic").expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let asked = server.asked(PATH);
    assert!((1..=2).contains(&asked.len()), "{} questions", asked.len());
    for one in &asked {
        assert_eq!(
            (one.method.as_str(), token_of(one).as_str()),
            ("POST", "opaque-1")
        );
        let authorization = one.headers.iter().find(|(name, _)| name == "authorization");
        // fhir%3Aguard:a%20secret
        let expected = "Basic ZmhpciUzQWd1YXJkOmElMjBzZWNyZXQ=";
        assert_eq!(
            authorization.map(|(_, value)| value.as_str()),
            Some(expected)
        );
    }
    // Stolen: with the certificate of somebody else.
    for _ in 0..4 {
        let thief = world.client_of(
            Some(&world.pki.client("clinic-b")),
            Version::Http2,
            "secure",
        );
        let request = Request::get("/r4/Patient/p1").bearer("opaque-1");
        let answer = world.send(&thief, request).await;
        assert_eq!(answer.status, 401, "{}", answer.text());
    }
    for token in ["inactive", "unbound", "elsewhere", "past", "refresh"] {
        for _ in 0..2 {
            let answer = read(&world, token).await;
            assert_eq!(answer.status, 401, "{token}: {}", answer.text());
            let challenge = answer.header("www-authenticate").unwrap_or_default();
            assert!(challenge.contains("invalid_token"), "{token}: {challenge}");
        }
    }
    // A JWT of the same issuer is verified as ever, and nobody is asked.
    let before = server.asked(PATH).len();
    assert_eq!(
        world.get("patient/*.rs", "/r4/Patient/p1").await.status,
        200
    );
    assert_eq!(server.asked(PATH).len(), before);
    let text = format!("{:?}", world.records().await) + &world.envoy.log();
    for secret in ["opaque-1", "unbound", "a secret"] {
        assert!(
            !text.contains(secret),
            "{secret} is in a record or in the log"
        );
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_in_every_bad_state_closes_its_tokens_and_no_others() {
    let (world, server) = world(json!({"timeout": "1s", "cache": "5m"})).await;
    let answer = good(&world);
    let well = answer.clone();
    server.answer_with(PATH, move |asked| {
        let good = Box::new(Answer::Json(answer.clone()));
        match token_of(asked).as_str() {
            "slow" => Answer::After(Duration::from_secs(8), good),
            "closing" => Answer::Close,
            "garbage" => Answer::Bytes(b"<html>\xff".to_vec()),
            "twice" => Answer::Bytes(b"{\"active\":false,\"active\":true}".to_vec()),
            "error" => Answer::Status(500),
            "unauthorized" => Answer::Status(401),
            "large" => Answer::Bytes(vec![b' '; 20_000_000]),
            _ => *good,
        }
    });
    // On both workers: what is known is used on while others fail.
    let jwt = world.token("patient/*.rs");
    for _ in 0..12 {
        let (one, two) = tokio::join!(read(&world, "known"), read(&world, &jwt));
        assert_eq!((one.status, two.status), (200, 200));
    }
    let known = server.asked(PATH).len();
    assert!((1..=2).contains(&known), "{known} questions");
    let states = [
        "slow",
        "closing",
        "garbage",
        "twice",
        "error",
        "unauthorized",
        "large",
    ];
    let load = async {
        let mut reads = 0;
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(5) {
            let (one, two) = tokio::join!(read(&world, "known"), read(&world, &jwt));
            assert_eq!((one.status, two.status), (200, 200));
            reads += 2;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        reads
    };
    let faults = async {
        for name in states {
            for _ in 0..3 {
                let began = Instant::now();
                check_unavailable(name, &read(&world, name).await);
                let elapsed = began.elapsed();
                assert!(elapsed < Duration::from_millis(2500), "{name}: {elapsed:?}");
            }
        }
    };
    let (reads, ()) = tokio::join!(load, faults);
    assert!(reads > 20, "{reads} reads beside the faults");
    let log = world.envoy.log();
    assert!(
        log.contains("introspection for https://as.example.org at cluster"),
        "it is said"
    );

    // Gone altogether, and back on the same port.
    let port = server.address().port();
    drop(server);
    tokio::time::sleep(Duration::from_millis(100)).await;
    check_unavailable("gone", &read(&world, "new").await);
    assert_eq!(read(&world, &jwt).await.status, 200);
    let server = AuthorizationServer::start_on(port).await;
    server.answer(PATH, Answer::Json(well));
    let back = Instant::now();
    for token in states.iter().chain(&["new"]) {
        while read(&world, token).await.status != 200 {
            assert!(
                back.elapsed() < Duration::from_secs(8),
                "{token}: it does not recover"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    for record in world.records().await {
        let rule = record["rule"].as_str().unwrap_or_default();
        let failed = rule == "unavailable.introspection";
        assert_eq!(record["status"] == 503, failed, "{record}");
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asked_may_go_away_and_the_others_have_their_answer() {
    let (world, server) = world(json!({"timeout": "3s"})).await;
    let slow = Box::new(Answer::Json(good(&world)));
    server.answer(PATH, Answer::After(Duration::from_millis(800), slow));
    for round in 0..3 {
        let token = format!("shared-{round}");
        let request = || Request::get("/r4/Patient/p1").bearer(&token);
        // Several, so that whoever has asked is among those who go.
        let certificate = world.pki.client("clinic-a");
        let client = || world.client_of(Some(&certificate), Version::Http1, "secure");
        let mut gone = JoinSet::new();
        for _ in 0..6 {
            let (client, request) = (client(), request());
            gone.spawn(async move {
                let short = client.timeout(Duration::from_millis(400));
                short.send(request).await
            });
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
        let mut stay = JoinSet::new();
        for _ in 0..6 {
            let (client, request) = (client(), request());
            stay.spawn(async move { client.send(request).await });
        }
        world.expect_records(12);
        while let Some(answer) = gone.join_next().await {
            let answer = answer.expect("no panic");
            assert!(answer.is_err(), "{answer:?}");
        }
        while let Some(answer) = stay.join_next().await {
            let answer = answer.expect("no panic").expect("an answer");
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jwt_stops_working_when_its_issuer_takes_it_back() {
    let (world, server) = world(json!({"tokens": ["jwt"], "cache": "1s"})).await;
    server.answer(PATH, Answer::Json(json!({"active": true})));
    let token = world.token("patient/*.rs");
    for _ in 0..12 {
        assert_eq!(read(&world, &token).await.status, 200);
    }
    server.answer(PATH, Answer::Json(json!({"active": false})));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    for _ in 0..12 {
        let answer = read(&world, &token).await;
        assert_eq!(answer.status, 401, "{}", answer.text());
    }
    // The server's word is no signature.
    server.answer(PATH, Answer::Json(json!({"active": true})));
    let before = server.asked(PATH).len();
    let forged = world
        .issuer
        .impostor()
        .token(&world.claims().scope("patient/*.rs"));
    for token in [forged.as_str(), "opaque"] {
        let answer = read(&world, token).await;
        assert_eq!(answer.status, 401, "{}", answer.text());
    }
    assert_eq!(server.asked(PATH).len(), before);
    world.close().await;
}
