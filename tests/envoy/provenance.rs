//! `X-Provenance`: what a client says of where a write comes from, to the server and no further.

use fhir_guard_harness::client::{Client, Request, Version};
use serde_json::{Value, json};

use crate::table::{MALFORMED, NOT_SUPPORTED, Refusal, Table, refusal};
use crate::world::{Setting, World};

const FHIR: &str = "application/fhir+json";
const REQUIRED: Refusal = refusal(400, "required", None);
const FORBIDDEN: Refusal = refusal(403, "forbidden", None);

async fn world(setting: &'static str, rules: Value) -> World {
    World::shared(Setting {
        policy: Some(Box::new(move |policy| {
            policy["fhir"]["provenance"] = json!(setting);
            policy["fhir"]["bundles"] = json!({"types": ["batch", "transaction"]});
            policy["rules"] = rules.clone();
        })),
        ..Setting::default()
    })
    .await
}

fn observation() -> Value {
    json!({"resourceType": "Observation", "status": "final", "code": {"text": "pulse"},
        "subject": {"reference": "Patient/p1"}})
}

/// A Provenance by somebody, with as many spaces in it as make it so long, or none.
fn said(who: &str, length: usize) -> String {
    let text = json!({"resourceType": "Provenance", "recorded": "2026-01-01T00:00:00Z",
        "agent": [{"who": {"reference": who}}]})
    .to_string();
    let spaces = " ".repeat(length.saturating_sub(text.len()));
    text.replacen('{', &format!("{{{spaces}"), 1)
}

fn create(world: &World, scope: &str) -> Request {
    let claims = world.claims().scope(scope);
    let token = claims.fhir_user("Practitioner/practitioner-1");
    let request = Request::new("POST", "/r4/Observation").bearer(&world.issuer.token(&token));
    request.body(FHIR, observation().to_string())
}

/// What the server got under this name, of the one request.
fn got(world: &World) -> Option<String> {
    let requests = world.fhir.requests();
    world.fhir.forget_requests();
    assert_eq!(requests.len(), 1, "one request upstream");
    requests[0].header("x-provenance")
}

const ALL: &str = "user/*.cruds";

#[tokio::test(flavor = "multi_thread")]
async fn a_write_says_where_it_comes_from() {
    let rules = json!([{"name": "traced", "effect": "require", "types": ["Observation"],
        "require": {"provenance": true}}]);
    let world = world("kept", rules).await;
    let mut table = Table::new(&world);
    let certificate = world.pki.client("clinic-a");
    for version in [Version::Http1, Version::Http2] {
        let client = world.client_of(Some(&certificate), version, "secure");
        one_by_one(&mut table, &client).await;
    }
    together(&mut table).await;
    table.finish().await;
    world.close().await;
}

async fn one_by_one(table: &mut Table<'_>, client: &Client) {
    let world = table.world;
    let foreign = said("Patient/p2", 0);
    let targeted =
        said("Practitioner/7", 0).replacen('{', r#"{"target":[{"reference":"Patient/p2"}],"#, 1);
    for (name, scope, text, refused) in [
        ("a practitioner's", ALL, said("Practitioner/7", 0), None),
        (
            "as large as may be",
            ALL,
            said("Practitioner/7", 8192),
            None,
        ),
        (
            "a patient's",
            "patient/*.cruds",
            said("Patient/p1", 0),
            None,
        ),
        (
            "no JSON",
            ALL,
            "{".to_owned(),
            Some((MALFORMED, "request.malformed.provenance")),
        ),
        (
            "one byte more",
            ALL,
            said("Practitioner/7", 8193),
            Some((MALFORMED, "request.malformed.provenance")),
        ),
        (
            "with a target",
            ALL,
            targeted,
            Some((MALFORMED, "request.malformed.provenance")),
        ),
        (
            "another patient's",
            "patient/*.cruds",
            foreign,
            Some((FORBIDDEN, "compartment.body")),
        ),
    ] {
        world.fhir.forget_requests();
        let request = create(world, scope).header("x-provenance", &text);
        match refused {
            None => {
                table.answered(name, client, request, 201).await;
                let got = got(world);
                if got.as_ref() != Some(&text) {
                    table.fault(name, &format!("{got:?} went upstream"));
                }
            }
            Some((refusal, rule)) => table.refused(name, client, request, refusal, rule).await,
        }
    }
    let request = create(world, ALL);
    let rule = "provenance.traced";
    table.refused("none", client, request, REQUIRED, rule).await;
    let said = said("Practitioner/7", 0);
    let twice = create(world, ALL).header("x-provenance", &said);
    let twice = twice.header("x-provenance", &said);
    let rule = "request.malformed.provenance";
    table.refused("two", client, twice, MALFORMED, rule).await;
}

async fn together(table: &mut Table<'_>) {
    let world = table.world;
    let client = world.client();
    let urn = "urn:uuid:c757873d-ec9a-4326-a141-556f43239520";
    let of = |target: &str| {
        let mut provenance: Value = serde_json::from_str(&said("Practitioner/7", 0)).expect("JSON");
        provenance["target"] = json!([{"reference": target}]);
        json!({"request": {"method": "POST", "url": "Provenance"}, "resource": provenance})
    };
    let made = json!({"fullUrl": urn, "resource": observation(),
        "request": {"method": "POST", "url": "Observation"}});
    let post = |entries: Value| {
        let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
        Request {
            path: "/r4".to_owned(),
            body: bundle.to_string().into_bytes(),
            ..create(world, ALL)
        }
    };
    let rule = "provenance.traced";
    let request = post(json!([made]));
    table
        .refused("a transaction without", &client, request, REQUIRED, rule)
        .await;
    let request = post(json!([made, of("Observation/o1")]));
    table
        .refused(
            "a transaction with another's",
            &client,
            request,
            REQUIRED,
            rule,
        )
        .await;
    let request = post(json!([made, of(urn)]));
    table
        .answered("a transaction with its own", &client, request, 200)
        .await;
    let request = post(json!([made, of(urn)])).header("x-provenance", "{}");
    let rule = "request.not-supported.provenance";
    table
        .refused("on a Bundle", &client, request, NOT_SUPPORTED, rule)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_is_not_taken_it_is_refused_or_stays_behind() {
    let text = said("Practitioner/7", 0);
    let refusing = world("refused", json!([])).await;
    let mut table = Table::new(&refusing);
    let client = refusing.client();
    let request = create(&refusing, ALL).header("x-provenance", &text);
    let rule = "request.not-supported.provenance";
    table
        .refused("refused", &client, request, NOT_SUPPORTED, rule)
        .await;
    table.finish().await;
    refusing.close().await;
    let dropping = world("dropped", json!([])).await;
    let client = dropping.client();
    for text in [text.as_str(), "{"] {
        dropping.fhir.forget_requests();
        let request = create(&dropping, ALL).header("x-provenance", text);
        assert_eq!(dropping.send(&client, request).await.status, 201);
        assert_eq!(got(&dropping), None);
    }
    dropping.close().await;
}
