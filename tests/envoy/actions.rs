//! What a score brings about, over both workers: tighter limits, another login, tokens and tenants shut out.

use std::time::Duration;

use fhir_guard_harness::client::{Client, Request, Response, Version};
use fhir_guard_harness::tokens::Claims;
use serde_json::{Value, json};

use crate::world::{BASE, EditEnvoy, Setting, World, now};

const OWN: &str = "/r4/Patient/p1";

async fn world(detectors: Value, envoy: Option<EditEnvoy>) -> World {
    World::with(Setting {
        policy: Some(Box::new(move |policy| {
            policy["issuers"][0]["proof"] = json!(["none"]);
            policy["issuers"][0]["tenant"] = json!("ours");
            policy["client_certificate"]["required"] = json!(false);
            policy["limits"] =
                json!([{"name": "own", "key": ["certificate"], "rate": "20/s", "burst": 40}]);
            policy["detectors"] = detectors.clone();
        })),
        envoy,
        ..Setting::default()
    })
    .await
}

/// Somebody with a certificate.
fn caller(world: &World, name: &str) -> Client {
    world.client_of(Some(&world.pki.client(name)), Version::Http2, "open")
}

/// A token that is bound to nobody.
fn claims(name: &str) -> Claims {
    let claims = Claims::new(now()).audience(BASE).client_id("clinic-a");
    claims.subject(name).jti(name).scope("system/*.rs")
}

async fn ask(world: &World, client: &Client, token: &str, path: &str) -> Response {
    world.send(client, Request::get(path).bearer(token)).await
}

/// Asks for what is not there.
async fn scan(world: &World, client: &Client, token: &str, count: u32) {
    for number in 0..count {
        let path = format!("/r4/Patient/{}", 9000 + 7 * number);
        assert_eq!(ask(world, client, token, &path).await.status, 404);
    }
}

/// What the records that say so tell of risks: actions, would-be actions, reasons.
async fn risks(world: &World) -> Vec<Value> {
    let records = world.records().await.into_iter();
    let risks = records.map(|one| one["risk"].clone());
    risks.filter(|risk| !risk.is_null()).collect()
}

fn last<'a>(risks: &'a [Value], key: &str) -> &'a Value {
    risks.last().map_or(&Value::Null, |risk| &risk[key])
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_tighten_while_a_score_is_high_and_relax_by_themselves() {
    let detectors = json!({
        "report_at": 30, "clamp_at": 30, "clamp_by": 4, "half_life": "10s", "weights": {"networks": 0},
    });
    let world = world(detectors, None).await;
    let (scanner, clinic) = (caller(&world, "clinic-b"), caller(&world, "clinic-a"));
    let token = world.issuer.token(&claims("b"));
    let policy = |answer: &Response| answer.header("ratelimit-policy");
    let plain = Some("\"own\";q=40;w=2".to_owned());
    assert_eq!(policy(&ask(&world, &scanner, &token, OWN).await), plain);
    scan(&world, &scanner, &token, 14).await;
    let answer = ask(&world, &scanner, &token, OWN).await;
    assert_eq!(answer.status, 200, "one request is always left");
    let tight = Some("\"own\";q=10;w=2".to_owned());
    assert_eq!(policy(&answer), tight);
    assert_eq!(last(&risks(&world).await, "action"), "clamp");
    // As many at once as he had before.
    let mut refused = 0;
    for _ in 0..30 {
        let answer = ask(&world, &scanner, &token, OWN).await;
        assert_eq!(policy(&answer), tight);
        refused += usize::from(answer.status == 429);
    }
    assert!(refused >= 5, "{refused}");
    // Nobody else.
    let other = world.issuer.token(&claims("a"));
    for _ in 0..12 {
        let answer = ask(&world, &clinic, &other, OWN).await;
        assert_eq!((answer.status, policy(&answer)), (200, plain.clone()));
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    let answer = ask(&world, &scanner, &token, OWN).await;
    assert_eq!((answer.status, policy(&answer)), (200, plain));
    let risks = risks(&world).await;
    let clamps = risks.iter().filter(|risk| risk["action"] == "clamp");
    assert!(clamps.count() >= 31, "each of them is told");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_over_the_threshold_logs_in_anew() {
    let detectors = json!({
        "report_at": 30, "step_up_at": 30, "step_up": {"max_age": "5m"}, "half_life": "10m",
    });
    let world = world(detectors, None).await;
    let (scanner, clinic) = (caller(&world, "clinic-b"), caller(&world, "clinic-a"));
    let token = world.issuer.token(&claims("b"));
    scan(&world, &scanner, &token, 8).await;
    let answer = ask(&world, &scanner, &token, OWN).await;
    assert_eq!(answer.status, 401);
    let challenge = answer.header("www-authenticate").expect("a challenge");
    assert!(
        challenge.contains("insufficient_user_authentication"),
        "{challenge}"
    );
    assert!(challenge.contains("max_age=\"300\""), "{challenge}");
    let records = world.records().await;
    let record = records.last().expect("a record");
    assert_eq!(record["rule"], "step-up.risk", "{record}");
    assert_eq!(record["risk"]["action"], "step-up", "{record}");
    assert_eq!(record["risk"]["reasons"], json!(["absent"]), "{record}");
    let other = world.issuer.token(&claims("a"));
    let fresh = claims("b").claim("auth_time", json!(now()));
    let fresh = world.issuer.token(&fresh.jti("fresh"));
    let stale = claims("b").claim("auth_time", json!(now() - 400));
    let stale = world.issuer.token(&stale.jti("stale"));
    // Each that is answered takes a little back.
    for _ in 0..4 {
        assert_eq!(ask(&world, &scanner, &fresh, OWN).await.status, 200);
        assert_eq!(ask(&world, &scanner, &stale, OWN).await.status, 401);
        assert_eq!(ask(&world, &clinic, &other, OWN).await.status, 200);
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_from_two_certificates_is_shut_out() {
    let detectors = json!({ "quarantine_at": 60, "quarantine_for": "1m" });
    let world = world(detectors, None).await;
    let (one, other) = (caller(&world, "clinic-a"), caller(&world, "clinic-b"));
    let token = world.issuer.token(&claims("shared"));
    let own = world.issuer.token(&claims("own"));
    // The holder, the thief and the holder: that is twice.
    for (client, expected) in [(&one, 200), (&other, 200), (&one, 200)] {
        assert_eq!(ask(&world, client, &token, OWN).await.status, expected);
        assert_eq!(ask(&world, &one, &own, OWN).await.status, 200);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    for _ in 0..8 {
        assert_eq!(ask(&world, &one, &token, OWN).await.status, 401);
        assert_eq!(ask(&world, &other, &token, OWN).await.status, 401);
        assert_eq!(ask(&world, &one, &own, OWN).await.status, 200);
    }
    let risks = risks(&world).await;
    assert_eq!(risks.len(), 1, "{risks:?}");
    assert_eq!(risks[0]["action"], "quarantine");
    assert_eq!(risks[0]["reasons"], json!(["certificates"]));
    let records = world.records().await;
    assert!(records.iter().any(|one| one["rule"] == "token.quarantined"));
    world.close().await;
}

/// Envoy writes the place itself, over whatever came.
fn placed(config: &mut Value) {
    for listener in config["static_resources"]["listeners"]
        .as_array_mut()
        .expect("listeners")
    {
        let filters =
            &mut listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"];
        let mutation = json!({
            "append": {
                "header": {"key": "x-geo-country", "value": "NO"},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
        });
        let own = json!({
            "name": "place",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
                "mutations": {"request_mutations": [mutation]},
            },
        });
        let filters = filters.as_array_mut().expect("filters");
        filters.insert(0, own);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_is_what_the_proxy_says() {
    let detectors = |header: &str| json!({ "places": {"header": header}, "report_at": 50 });
    let check = async |detectors: Value, envoy: Option<EditEnvoy>, found: bool| {
        let world = world(detectors, envoy).await;
        let client = caller(&world, "clinic-a");
        let token = world.issuer.token(&claims("user"));
        for place in ["NO", "SE", "NO", "SE", "NO"] {
            let request = Request::get(OWN).bearer(&token);
            let answer = world
                .send(&client, request.header("x-geo-country", place))
                .await;
            assert_eq!(answer.status, 200);
        }
        let risks = risks(&world).await;
        assert_eq!(!risks.is_empty(), found, "{risks:?}");
        for risk in &risks {
            assert_eq!(risk["reasons"], json!(["places"]), "{risk}");
        }
        world.close().await;
    };
    check(detectors("x-geo-country"), None, true).await;
    check(detectors("x-geo-country"), Some(Box::new(placed)), false).await;
    check(detectors("x-geo-city"), None, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_never_asked_for_and_never_took_is_noticed() {
    let detectors = json!({
        "learn": "10s", "half_life": "10m", "weights": {"shapes": 20, "volume": 20},
        "volume": {"ratio": 2, "records": 50, "bytes": "100MiB"},
    });
    let world = world(detectors, None).await;
    let (client, other) = (caller(&world, "clinic-a"), caller(&world, "clinic-b"));
    let token = world.issuer.token(&claims("user"));
    let second = world.issuer.token(&claims("other"));
    for _ in 0..12 {
        for _ in 0..6 {
            assert_eq!(ask(&world, &client, &token, OWN).await.status, 200);
            assert_eq!(ask(&world, &other, &second, OWN).await.status, 200);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(last(&risks(&world).await, "reasons"), &Value::Null);
    let search = "/r4/Observation?patient=p1";
    for more in ["", "&code=x", "&status=final", "&category=x"] {
        let path = format!("{search}{more}");
        assert_eq!(ask(&world, &client, &token, &path).await.status, 200);
    }
    let found = risks(&world).await;
    assert_eq!(last(&found, "reasons"), &json!(["shapes"]), "{found:?}");
    assert_eq!(last(&found, "action"), "report");
    // As ever, and far more of it.
    for _ in 0..130 {
        assert_eq!(ask(&world, &other, &second, OWN).await.status, 200);
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    let found = risks(&world).await;
    assert_eq!(last(&found, "reasons"), &json!(["volume"]), "{found:?}");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_done_where_it_is_only_to_be_told() {
    let all = |more: Value| {
        let mut detectors = json!({
            "report_at": 30, "clamp_at": 30, "isolate": ["certificate"], "isolate_at": 40, "quarantine_at": 40,
            "half_life": "10m",
        });
        for (key, value) in more.as_object().expect("an object") {
            detectors[key] = value.clone();
        }
        detectors
    };
    for (more, would) in [
        (json!({"report_only": true}), json!("isolate")),
        (json!({"watch_only": ["absent"]}), Value::Null),
    ] {
        let world = world(all(more), None).await;
        let scanner = caller(&world, "clinic-b");
        let token = world.issuer.token(&claims("b"));
        scan(&world, &scanner, &token, 14).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        for _ in 0..8 {
            let answer = ask(&world, &scanner, &token, OWN).await;
            assert_eq!(answer.status, 200);
            let policy = answer.header("ratelimit-policy");
            assert_eq!(policy.as_deref(), Some("\"own\";q=40;w=2"));
        }
        let risks = risks(&world).await;
        assert!(risks.len() > 10, "{risks:?}");
        assert!(
            risks.iter().all(|risk| risk["action"] == "report"),
            "{risks:?}"
        );
        assert!(risks.iter().any(|risk| risk["would"] == would), "{risks:?}");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_isolated_for_what_all_its_callers_do() {
    let world = World::with(Setting {
        policy: Some(Box::new(|policy| {
            policy["issuers"][0]["tenant"] = json!("ours");
            policy["limits"] = json!([]);
            policy["detectors"] = json!({
                "isolate": ["tenant"], "tenant_at": 60, "isolate_for": "10s", "half_life": "10m",
            });
        })),
        ..Setting::default()
    })
    .await;
    let token = |name: &str| {
        let claims = Claims::new(now()).audience(BASE).client_id(name);
        let claims = claims.bound_to(&world.pki.client(name)).jti(name);
        world.issuer.token(&claims.scope("system/*.rs"))
    };
    // None of them is found by itself.
    for (name, count) in [("clinic-a", 9), ("clinic-b", 6)] {
        scan(&world, &caller(&world, name), &token(name), count).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    for name in ["clinic-a", "clinic-b"] {
        for _ in 0..4 {
            let answer = ask(&world, &caller(&world, name), &token(name), OWN).await;
            assert_eq!(answer.status, 401, "{name}");
        }
    }
    let found = risks(&world).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["action"], "isolate");
    assert_eq!(found[0]["reasons"], json!(["absent"]));
    tokio::time::sleep(Duration::from_secs(11)).await;
    let answer = ask(&world, &caller(&world, "clinic-a"), &token("clinic-a"), OWN).await;
    assert_eq!(answer.status, 200);
    world.close().await;
}
