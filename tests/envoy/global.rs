//! Limits that a server of the Envoy rate limit protocol judges as well, whatever state that server is in.

mod beside;

use std::time::Duration;

use fhir_guard_harness::client::{Request, Response, Version};
use fhir_guard_harness::ratelimit::{Judgement, RateLimitServer, Status};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::table::{THROTTLED, faults};
use crate::world::{Setting, World};

const PORT_OF_NOBODY: u16 = 1;

/// A world whose one limit is global, at a server on this port; these keys are set besides.
async fn world_at(port: u16, more: Value) -> World {
    let setting = Setting {
        policy: Some(Box::new(move |policy| {
            let mut service = json!({"cluster": "ratelimit", "domain": "fhir", "timeout": "1s", "failures": 1000});
            let members = more.as_object().expect("an object").clone();
            service.as_object_mut().expect("an object").extend(members);
            policy["global_limits"] = service;
            policy["secrets"] = json!({"limit_key": {"inline": "ab".repeat(32)}});
            policy["limits"] = json!([{"name": "all", "key": ["client", "patient"], "rate": "1/m", "burst": 40, "global": true}]);
        })),
        envoy: Some(Box::new(move |config| cluster(config, port))),
        ..Setting::default()
    };
    World::with(setting).await
}

async fn world(more: Value) -> (World, RateLimitServer) {
    let server = RateLimitServer::start().await;
    (world_at(server.address().port(), more).await, server)
}

/// Adds the cluster of the server, as the page has it, but for where it is.
fn cluster(config: &mut Value, port: u16) {
    let mut cluster = beside::block("cluster");
    cluster["type"] = json!("STATIC");
    let endpoint = &mut cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"];
    endpoint["address"]["socket_address"] = json!({"address": "127.0.0.1", "port_value": port});
    let clusters = config["static_resources"]["clusters"].as_array_mut();
    clusters.expect("clusters").push(cluster);
}

/// Reads the patient, on a connection of its own.
async fn read(world: &World, version: Version) -> Response {
    let certificate = world.pki.client("clinic-a");
    let client = world.client_of(Some(&certificate), version, "secure");
    let request = Request::get("/r4/Patient/p1").bearer(&world.token("patient/*.rs"));
    world.send(&client, request).await
}

/// How the last question ended, and what is left of the limit here.
async fn last(world: &World) -> (String, u64) {
    let records = world.records().await;
    let record = records.last().expect("a record");
    assert_eq!(record["global"]["limits"], json!(["all"]), "{record}");
    let ended = record["global"]["ended"].as_str().unwrap_or_default();
    let left = record["limits"]["all"].as_u64();
    (ended.to_owned(), left.unwrap_or(u64::MAX))
}

fn over(reset: i64) -> Judgement {
    let status = Status {
        code: 2,
        remaining: 0,
        reset,
    };
    Judgement::Code(2, vec![status])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_server_admits_and_refuses_what_passes_here() {
    let (world, server) = world(json!({})).await;
    for version in [Version::Http1, Version::Http2] {
        let near = Status {
            code: 1,
            remaining: 3,
            reset: 17,
        };
        server.judge(Judgement::Code(1, vec![near]));
        let answer = read(&world, version).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let told = answer.header("ratelimit");
        assert_eq!(told.as_deref(), Some("\"all\";r=3;t=17"));
        server.judge(over(40));
        for _ in 0..30 {
            let answer = read(&world, version).await;
            let faults = faults(&answer, THROTTLED, true);
            assert!(faults.is_empty(), "{faults:?}");
            assert_eq!(answer.header("retry-after").as_deref(), Some("40"));
        }
        assert_eq!(last(&world).await.0, "over-limit");
    }
    let asked = server.asked();
    assert_eq!(asked.len(), 62, "each is asked about once");
    let [entries] = asked[0].descriptors.as_slice() else {
        panic!("{:?}", asked[0])
    };
    let keys: Vec<&str> = entries.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["limit", "issuer", "client", "patient"]);
    assert_eq!(
        (entries[0].1.as_str(), asked[0].domain.as_str()),
        ("all", "fhir")
    );
    assert!(!entries[3].1.contains("p1"), "{entries:?}");
    assert_eq!((asked[0].hits, &asked[0].own_hits), (1, &vec![None]));
    // What was refused is not charged: of forty here two are used, and not sixty-two.
    server.judge(Judgement::Code(1, Vec::new()));
    read(&world, Version::Http2).await;
    assert_eq!(last(&world).await, ("ok".to_owned(), 37));
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_kept_until_the_shared_server_has_answered() {
    let (world, server) = world(json!({})).await;
    let resource = json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"},
        "subject": {"reference": "Patient/p1"}, "note": [{"text": "n".repeat(100_000)}]});
    let token = world
        .claims()
        .scope("user/*.cruds")
        .fhir_user("Practitioner/d1");
    let token = world.issuer.token(&token);
    let quick = Judgement::Code(1, Vec::new());
    let slow = Judgement::After(Duration::from_millis(150), Box::new(quick.clone()));
    for version in [Version::Http1, Version::Http2] {
        for judgement in [quick.clone(), slow.clone()] {
            server.judge(judgement);
            let request = Request::new("POST", "/r4/Observation")
                .bearer(&token)
                .body("application/fhir+json", resource.to_string());
            let certificate = world.pki.client("clinic-a");
            let client = world.client_of(Some(&certificate), version, "secure");
            let answer = world.send(&client, request).await;
            assert_eq!(answer.status, 201, "{}", answer.text());
        }
    }
    let sent = world.fhir.requests();
    let whole = sent.iter().filter(|request| request.body.len() > 100_000);
    assert_eq!(whole.count(), 4);
    server.judge(over(5));
    let request = Request::new("POST", "/r4/Observation")
        .bearer(&token)
        .body("application/fhir+json", resource.to_string());
    let answer = world.send(&world.client(), request).await;
    assert_eq!(answer.status, 429, "{}", answer.text());
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_judgement_the_limits_here_hold_or_the_request_is_refused() {
    for (unanswered, status) in [("local", 200), ("refuse", 503)] {
        let more = json!({"unanswered": unanswered});
        let (world, server) = world(more.clone()).await;
        let late = Box::new(Judgement::Code(1, Vec::new()));
        for (name, judgement, word) in [
            (
                "slow",
                Judgement::After(Duration::from_secs(3), late),
                "no-answer",
            ),
            ("unknown", Judgement::Code(0, Vec::new()), "bad-answer"),
            (
                "rubbish",
                Judgement::Bytes(b"<html>".to_vec()),
                "bad-answer",
            ),
            ("nothing", Judgement::Bytes(Vec::new()), "bad-answer"),
            ("failed", Judgement::Failed(14), "no-answer"),
            ("huge", Judgement::Bytes(vec![0; 1 << 20]), "bad-answer"),
        ] {
            server.judge(judgement);
            let began = Instant::now();
            let answer = read(&world, Version::Http2).await;
            let took = began.elapsed();
            assert_eq!(answer.status, status, "{name}: {}", answer.text());
            assert_eq!(last(&world).await.0, word, "{name}");
            assert!(took < Duration::from_millis(2500), "{name}: {took:?}");
        }
        drop(server);
        let answer = read(&world, Version::Http1).await;
        assert_eq!(answer.status, status, "away: {}", answer.text());
        world.close().await;

        let none = world_at(PORT_OF_NOBODY, more.clone()).await;
        assert_eq!(
            read(&none, Version::Http2).await.status,
            status,
            "nobody there"
        );
        none.close().await;
        let mut unknown = more;
        unknown["cluster"] = json!("nowhere");
        let unknown = world_at(PORT_OF_NOBODY, unknown).await;
        for version in [Version::Http1, Version::Http2] {
            let answer = read(&unknown, version).await;
            assert_eq!(answer.status, status, "no such cluster: {}", answer.text());
            assert_eq!(last(&unknown).await.0, "no-answer");
        }
        unknown.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_server_costs_its_time_a_few_times_and_comes_back() {
    let (world, server) = world(json!({"failures": 3, "pause": "2s"})).await;
    let late = Box::new(Judgement::Code(1, Vec::new()));
    server.judge(Judgement::After(Duration::from_secs(9), late));
    for _ in 0..3 {
        assert_eq!(read(&world, Version::Http2).await.status, 200);
    }
    let began = Instant::now();
    for _ in 0..20 {
        assert_eq!(read(&world, Version::Http2).await.status, 200);
    }
    if began.elapsed() < Duration::from_secs(2) {
        assert_eq!(server.asked().len(), 3, "nobody asks during the pause");
        assert_eq!(last(&world).await.0, "paused");
    }
    server.judge(Judgement::Code(1, Vec::new()));
    tokio::time::sleep(Duration::from_secs(2)).await;
    for _ in 0..3 {
        assert_eq!(read(&world, Version::Http1).await.status, 200);
    }
    assert_eq!(last(&world).await.0, "ok");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_go_while_they_wait_leave_nothing_behind() {
    let (world, server) = world(json!({"timeout": "2s"})).await;
    let late = Box::new(Judgement::Code(1, Vec::new()));
    server.judge(Judgement::After(Duration::from_millis(900), late));
    let mut all = JoinSet::new();
    for number in 0..10 {
        let version = [Version::Http1, Version::Http2][number % 2];
        let certificate = world.pki.client("clinic-a");
        let client = world.client_of(Some(&certificate), version, "secure");
        let client = client.timeout(Duration::from_millis(300));
        let request = Request::get("/r4/Patient/p1").bearer(&world.token("patient/*.rs"));
        all.spawn(async move { client.send(request).await });
    }
    world.expect_records(10);
    while let Some(answer) = all.join_next().await {
        assert!(answer.expect("no panic").is_err(), "nobody waits so long");
    }
    for record in world.records().await {
        assert_eq!(record["outcome"], "cut", "{record}");
        assert_eq!(record["global"]["ended"], "waiting", "{record}");
    }
    assert_eq!(world.fhir.requests().len(), 0, "nothing was forwarded");
    server.judge(Judgement::Code(1, Vec::new()));
    assert_eq!(read(&world, Version::Http2).await.status, 200);
    drop(server);
    world.close().await;
    // A server that takes the connection and says nothing.
    let deaf = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = deaf.local_addr().expect("an address").port();
    let world = world_at(port, json!({})).await;
    assert_eq!(read(&world, Version::Http2).await.status, 200, "deaf");
    assert_eq!(last(&world).await.0, "no-answer");
    world.close().await;
}
