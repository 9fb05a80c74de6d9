//! Token buckets across the workers: exact, whoever races whom.

use std::time::Duration;

use fhir_guard_harness::client::{Client, Request, Response, Version};
use serde_json::{Value, json};

use crate::table::{THROTTLED, faults};
use crate::world::{Setting, World};

/// A world whose one limit is this.
async fn world(rate: &str, burst: u32) -> World {
    let limit = json!({ "name": "per-client", "key": ["client"], "rate": rate, "burst": burst });
    world_with(json!([limit])).await
}

async fn world_with(limits: Value) -> World {
    World::with(Setting {
        policy: Some(Box::new(move |policy| policy["limits"] = limits.clone())),
        ..Setting::default()
    })
    .await
}

/// A caller with its own certificate, and a token that says it is this client.
struct Caller {
    client: Client,
    token: String,
}

impl Caller {
    fn new(world: &World, name: &str, version: Version) -> Caller {
        let certificate = world.pki.client(name);
        let claims = world.claims().bound_to(&certificate).client_id(name);
        Caller {
            client: world.client_of(Some(&certificate), version, "secure"),
            token: world.issuer.token(&claims),
        }
    }

    async fn ask(&self, world: &World) -> Response {
        let request = Request::get("/r4/Patient/p1").bearer(&self.token);
        world.send(&self.client, request).await
    }
}

/// The value of a parameter of the one item of a structured list, such as `r` in `"a";r=1;t=2`.
fn parameter(answer: &Response, field: &str, name: &str) -> Option<u64> {
    let field = answer.header(field)?;
    let mut parts = field.split(';');
    assert_eq!(parts.next(), Some("\"per-client\""), "{field}");
    parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
}

/// Sends this many at once, and gives the answers back.
async fn race(world: &World, callers: &[Caller], each: usize) -> Vec<Response> {
    let mut futures: Vec<std::pin::Pin<Box<dyn Future<Output = Response> + '_>>> = Vec::new();
    for caller in callers {
        for _ in 0..each {
            futures.push(Box::pin(caller.ask(world)));
        }
    }
    let mut answers = Vec::new();
    let mut left = futures;
    std::future::poll_fn(|context| {
        left.retain_mut(|future| match future.as_mut().poll(context) {
            std::task::Poll::Ready(answer) => {
                answers.push(answer);
                false
            }
            std::task::Poll::Pending => true,
        });
        if left.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    answers
}

fn check_race(name: &str, answers: &[Response], burst: u64) {
    let allowed: Vec<&Response> = answers
        .iter()
        .filter(|answer| answer.status == 200)
        .collect();
    assert_eq!(allowed.len() as u64, burst, "{name}");
    // Each was told what was left when it was charged: every number once, or one less where the
    // instant of the charge lies before that of another that was written first.
    let mut left: Vec<_> = allowed
        .iter()
        .map(|answer| parameter(answer, "ratelimit", "r"))
        .collect();
    left.sort_unstable();
    for (left, expected) in left.iter().zip(0..burst) {
        let left = left.expect(name);
        assert!(
            (expected.saturating_sub(1)..=expected).contains(&left),
            "{name}: {left}"
        );
    }
    for answer in answers {
        assert_eq!(
            parameter(answer, "ratelimit-policy", "q"),
            Some(burst),
            "{name}"
        );
        if answer.status == 200 {
            assert_eq!(answer.header("retry-after"), None, "{name}");
            continue;
        }
        let faults = faults(answer, THROTTLED, true);
        assert!(faults.is_empty(), "{name}: {faults:?}");
        let retry = answer
            .header("retry-after")
            .and_then(|after| after.parse().ok());
        let reset = parameter(answer, "ratelimit", "t");
        assert!(
            matches!(retry, Some(1..=60_u64)) && retry == reset,
            "{name}: {retry:?} {reset:?}"
        );
        assert_eq!(parameter(answer, "ratelimit", "r"), Some(0), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_exact_across_workers() {
    // One a minute: none comes back while this runs.
    let world = world("1/m", 20).await;
    let started = crate::world::now();
    let callers = |name: &str, version, count| -> Vec<Caller> {
        (0..count)
            .map(|_| Caller::new(&world, name, version))
            .collect()
    };
    // Each exchange on a connection of its own, so that both workers have some.
    let answers = race(&world, &callers("clinic-a", Version::Http2, 20), 3).await;
    check_race("connections", &answers, 20);

    // The other client has a bucket of its own, and HTTP/1.1 is charged like HTTP/2.
    let answers = race(&world, &callers("clinic-b", Version::Http1, 20), 2).await;
    check_race("the other client", &answers, 20);

    // Streams of one connection, all on one worker.
    let mut single = Caller::new(&world, "clinic-c", Version::Http2);
    single.client = single.client.reuse(true);
    let answers = race(&world, &[single], 40).await;
    check_race("streams", &answers, 20);
    let took = crate::world::now() - started;
    assert!(took < 60, "the machine is too slow for this test: {took} s");

    // What was refused left its record, with the limit that refused.
    let records = world.records().await;
    let throttled = records
        .iter()
        .filter(|record| record["rule"] == "limit.per-client");
    assert_eq!(throttled.count(), 40 + 20 + 20);
    world.close().await;
}

/// Limits by one key lie in one slot: one write charges all of them, or, for whoever is refused, none.
#[tokio::test(flavor = "multi_thread")]
async fn limits_by_one_key_are_charged_together_across_workers() {
    let world = world_with(json!([
        { "name": "per-client", "key": ["client"], "rate": "1/m", "burst": 20 },
        { "name": "a-day", "key": ["client"], "rate": "30/d", "burst": 30 },
        { "name": "at-once", "key": ["client"], "concurrent": 1000 },
    ]))
    .await;
    let callers: Vec<Caller> = (0..20)
        .map(|_| Caller::new(&world, "clinic-a", Version::Http2))
        .collect();
    let answers = race(&world, &callers, 3).await;
    check_race("one key", &answers, 20);
    assert_eq!(callers[0].ask(&world).await.status, 429);
    let records = world.records().await;
    let left = |name: &str, outcome: &str| {
        let own = records.iter().filter(|record| record["outcome"] == outcome);
        let left = own.filter_map(|record| record["limits"][name].as_u64());
        left.collect::<std::collections::BTreeSet<u64>>()
    };
    // Each of the admitted took one of both buckets, whoever raced whom; the refused took nothing.
    assert_eq!(left("a-day", "allowed"), (10..30).collect());
    assert!(left("a-day", "refused").iter().all(|left| *left >= 10));
    assert_eq!(
        left("at-once", "refused").last(),
        Some(&1000),
        "all given back"
    );
    world.close().await;
}

/// Nothing that is refused for another reason is charged, and least of all to somebody else.
#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_permitted_is_charged() {
    let world = world("1/m", 5).await;
    let own = Caller::new(&world, "clinic-a", Version::Http2);
    let thief = Caller {
        token: own.token.clone(),
        ..Caller::new(&world, "clinic-b", Version::Http2)
    };
    let first = own.ask(&world).await;
    assert_eq!(parameter(&first, "ratelimit", "r"), Some(4));
    assert_eq!(parameter(&first, "ratelimit-policy", "w"), Some(300));
    let good = &own.token;
    let forged = world.issuer.impostor().token(&world.claims());
    let no_scope = world.token("patient/Observation.rs");
    for (name, client, token, path, status) in [
        ("stolen", &thief.client, good, "/r4/Patient/p1", 401),
        ("forged", &own.client, &forged, "/r4/Patient/p1", 401),
        ("no scope", &own.client, &no_scope, "/r4/Patient/p1", 403),
        ("another patient", &own.client, good, "/r4/Patient/p2", 404),
        ("no path", &own.client, good, "/r4/Nothing", 404),
        ("malformed", &own.client, good, "/r4/Patient/p1;x", 400),
        (
            "not supported",
            &own.client,
            good,
            "/r4/Observation?patient=p1&_include=*",
            400,
        ),
        // Public, and so nobody's.
        ("public", &own.client, good, "/r4/metadata", 200),
    ] {
        for _ in 0..10 {
            let answer = world.send(client, Request::get(path).bearer(token)).await;
            assert_eq!(answer.status, status, "{name}");
            assert_eq!(answer.header("ratelimit"), None, "{name}");
        }
    }
    for left in [3, 2, 1, 0] {
        let answer = own.ask(&world).await;
        assert_eq!(parameter(&answer, "ratelimit", "r"), Some(left));
    }
    // Refused before its body is read.
    let request = Request::new("PUT", "/r4/Condition/x")
        .bearer(&world.token("system/*.cruds"))
        .body("application/fhir+json", vec![b' '; 3 << 20]);
    let answer = world.send(&own.client, request).await;
    let faults = faults(&answer, THROTTLED, true);
    assert!(faults.is_empty(), "{faults:?}");
    // A refusal costs nothing: the time to wait does not grow.
    let mut waits = Vec::new();
    for _ in 0..20 {
        let answer = own.ask(&world).await;
        assert_eq!(answer.status, 429);
        waits.push(parameter(&answer, "ratelimit", "t"));
    }
    waits.reverse();
    assert!(waits.is_sorted(), "{waits:?}");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_is_admitted_again_when_it_was_told() {
    let world = world("20/m", 3).await;
    let caller = Caller::new(&world, "clinic-a", Version::Http2);
    for _ in 0..2 {
        let mut answer = caller.ask(&world).await;
        while answer.status == 200 {
            answer = caller.ask(&world).await;
        }
        assert_eq!(answer.status, 429);
        let after: u64 = answer
            .header("retry-after")
            .and_then(|after| after.parse().ok())
            .expect("seconds to wait");
        assert!((1..=3).contains(&after), "{after}");
        tokio::time::sleep(Duration::from_secs(after)).await;
        assert_eq!(caller.ask(&world).await.status, 200);
    }
    world.close().await;
}

/// Several limits: all must admit, and the nearest is told.
#[tokio::test(flavor = "multi_thread")]
async fn every_limit_counts() {
    let world = World::with(Setting {
        policy: Some(Box::new(|policy| {
            policy["limits"] = json!([
                { "name": "per-client", "key": ["client"], "rate": "1/m", "burst": 6 },
                { "name": "per-patient", "key": ["patient", "certificate"], "rate": "1/h", "burst": 4 },
                { "name": "all", "key": ["tenant", "issuer", "address", "subject"], "rate": "1/d", "burst": 8 },
            ]);
        })),
        ..Setting::default()
    })
    .await;
    let client = world.client();
    let ask = |patient: &str| {
        let claims = world.claims().patient(patient);
        Request::get(&format!("/r4/Patient/{patient}")).bearer(&world.issuer.token(&claims))
    };
    for (patient, status, told) in [
        ("p1", 200, r#""per-patient";r=3;"#),
        ("p1", 200, r#""per-patient";r=2;"#),
        ("p1", 200, r#""per-patient";r=1;"#),
        ("p1", 200, r#""per-patient";r=0;"#),
        ("p1", 429, r#""per-patient";r=0;"#),
        ("p1", 429, r#""per-patient";r=0;"#),
        // Four were charged to the client, not six: what one limit refuses no other charges.
        ("p2", 200, r#""per-client";r=1;"#),
        ("p2", 200, r#""per-client";r=0;"#),
        ("p3", 429, r#""per-client";r=0;"#),
    ] {
        let answer = world.send(&client, ask(patient)).await;
        let field = answer.header("ratelimit").unwrap_or_default();
        assert_eq!(answer.status, status, "{patient}: {field}");
        assert!(
            field.starts_with(told),
            "{patient}: {field}, expected {told}"
        );
    }
    world.close().await;
}

/// Names the routes of every listener: those below `/r4/Patient`, and the rest.
fn name_routes(config: &mut Value) {
    let listeners = config["static_resources"]["listeners"].as_array_mut();
    for listener in listeners.expect("listeners") {
        let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
        let routes = &mut manager["route_config"]["virtual_hosts"][0]["routes"];
        let mut patients = routes[0].clone();
        patients["match"] = json!({"prefix": "/r4/Patient"});
        patients["name"] = json!("patients");
        let rest = routes.as_array_mut().expect("routes");
        rest.insert(0, patients);
    }
}

/// What is asked for, the route, the token and the network are parts of keys as callers are.
#[tokio::test(flavor = "multi_thread")]
async fn every_part_counts_apart() {
    let world = World::with(Setting {
        policy: Some(Box::new(|policy| {
            policy["limits"] = json!([
                { "name": "asked", "key": ["interaction", "type", "operation"], "rate": "1/d", "burst": 3 },
                { "name": "routes", "key": ["route"], "rate": "1/d", "burst": 7 },
                { "name": "tokens", "key": ["token"], "rate": "1/d", "burst": 7 },
                { "name": "network", "key": ["address"], "address_prefix": {"ipv4": 8, "ipv6": 0},
                  "rate": "1/d", "burst": 30 },
            ]);
        })),
        envoy: Some(Box::new(name_routes)),
        ..Setting::default()
    })
    .await;
    let client = world.client();
    let (one, other) = (
        world.token("patient/*.rs"),
        world.token("patient/*.s patient/*.r"),
    );
    for (token, path, status, told) in [
        (&one, "/r4/Patient/p1", 200, r#""asked";r=2;"#),
        (&one, "/r4/Patient/p1", 200, r#""asked";r=1;"#),
        (&one, "/r4/Patient/p1", 200, r#""asked";r=0;"#),
        (&one, "/r4/Patient/p1", 429, r#""asked";r=0;"#),
        // Another interaction, on the same route; then another type, on that without a name.
        (&one, "/r4/Patient?_id=p1", 200, r#""asked";r=2;"#),
        (&one, "/r4/Patient?_id=p1", 200, r#""asked";r=1;"#),
        (&one, "/r4/Observation?patient=p1", 200, r#""tokens";r=1;"#),
        (&other, "/r4/Patient?_id=p1", 200, r#""asked";r=0;"#),
        (&other, "/r4/Patient/p1/_history", 200, r#""routes";r=0;"#),
        (&other, "/r4/Patient/p1/_history", 429, r#""routes";r=0;"#),
        (&one, "/r4/Condition?patient=p1", 200, r#""tokens";r=0;"#),
        (&one, "/r4/Encounter?patient=p1", 429, r#""tokens";r=0;"#),
        (&other, "/r4/Encounter?patient=p1", 200, r#""asked";r=2;"#),
    ] {
        let answer = world.send(&client, Request::get(path).bearer(token)).await;
        let field = answer.header("ratelimit").unwrap_or_default();
        assert_eq!(answer.status, status, "{path}: {field} {}", answer.text());
        assert!(field.starts_with(told), "{path}: {field}, expected {told}");
    }
    // All came from one network.
    let records = world.records().await;
    let last = records.last().expect("a record");
    assert_eq!(last["limits"]["network"], 30 - 10, "{last}");
    world.close().await;
}

/// What an answer holds is charged when it has ended: the next request finds it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_and_returned_costs() {
    let world = World::with(Setting {
        policy: Some(Box::new(|policy| {
            policy["limits"] = json!([{ "name": "work", "key": ["client"], "rate": "2/s", "burst": 40,
                "cost": { "interactions": { "search-type": 5 }, "resources_asked": 10, "resources_returned": 1, "debt": 4 } }]);
        })),
        ..Setting::default()
    })
    .await;
    for at in 0..30 {
        let resource = json!({
            "resourceType": "Observation", "id": format!("cost-{at}"), "status": "final",
            "code": {"coding": [{"system": "http://cost", "code": "x"}]},
            "subject": {"reference": "Patient/p1"},
        });
        world.put(&resource).await;
    }
    for version in [Version::Http2, Version::Http1] {
        let name = format!("{version:?}").to_lowercase();
        let certificate = world.pki.client(&name);
        let claims = world.claims().bound_to(&certificate).client_id(&name);
        let claims = claims.scope("user/*.rs").fhir_user("Practitioner/7");
        let token = world.issuer.token(&claims);
        let client = world.client_of(Some(&certificate), version, "secure");
        let client = client.reuse(true);
        let get = |path: &str| Request::get(path).bearer(&token);
        let search = "/r4/Observation?code=http://cost%7Cx&_count=20";
        let left = |answer: &Response| {
            let field = answer.header("ratelimit").unwrap_or_default();
            let left = field
                .strip_prefix("\"work\";r=")
                .and_then(|rest| rest.split(';').next());
            left.and_then(|left| left.parse::<u64>().ok())
                .expect("a number")
        };
        // 5 for a search, 2 for twenty asked for; then 20 for twenty that came.
        let answer = world.send(&client, get(search)).await;
        assert_eq!(
            (answer.status, left(&answer)),
            (200, 33),
            "{}",
            answer.text()
        );
        let answer = world.send(&client, get("/r4/Patient/p1")).await;
        let found = left(&answer);
        assert_eq!(answer.status, 200);
        assert!((12..=14).contains(&found), "{version:?}: {found}");
        // Twenty more: into debt, and no deeper than it may be.
        let answer = world.send(&client, get(search)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = world.send(&client, get("/r4/Patient/p1")).await;
        assert_eq!((answer.status, left(&answer)), (429, 0));
        let faults = faults(&answer, THROTTLED, true);
        assert!(faults.is_empty(), "{faults:?}");
        let after = answer
            .header("retry-after")
            .and_then(|after| after.parse().ok());
        let after: u64 = after.expect("seconds to wait");
        assert!((1..=3).contains(&after), "{after}");
        tokio::time::sleep(Duration::from_secs(after)).await;
        assert_eq!(world.send(&client, get("/r4/Patient/p1")).await.status, 200);
    }
    world.close().await;
}
