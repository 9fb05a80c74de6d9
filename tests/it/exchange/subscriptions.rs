//! Subscriptions: what may be written, and what its writer must be permitted to see.

mod criteria;

use super::bundles::{bundle, create, post, put, taking};
use super::writes::outcome;
use super::*;
use driver::slug;

fn allow(config: &mut Value) {
    config["fhir"]["subscriptions"] = json!({"endpoints": [
        "https://hooks.example.org/fhir", "https://other.example.org:8443"]});
    config["redaction"] = json!([]);
    config["fhir"]["body_limit"] = json!("8KiB");
}

/// A deployment that takes them, to two endpoints, and hides nothing.
fn allowing(edit: impl FnOnce(&mut Value)) -> Deployment {
    Deployment::with(|config| {
        allow(config);
        edit(config);
    })
}

fn subscription() -> Value {
    json!({"resourceType": "Subscription", "status": "requested", "reason": "x",
        "criteria": "Observation?code=http://loinc.org|1975-2",
        "channel": {"type": "rest-hook", "endpoint": "https://hooks.example.org/fhir/a",
            "payload": "application/fhir+json"}})
}

fn with(pointer: &str, value: Value) -> Value {
    let mut resource = subscription();
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    resource.pointer_mut(parent).expect("a parent")[name] = value;
    resource
}

const CREATE: &str = "POST /r4/Subscription";
const ALL: &str = "user/*.cruds";

/// The rule that refuses, or nothing.
fn rule(world: &mut Deployment, scope: &str, target: &str, body: Option<&Value>) -> Option<String> {
    outcome(world, scope, target, &[], body).map(|(_, rule)| rule)
}

const WRONG: Option<&str> = Some("request.malformed.subscription");

#[test]
fn a_subscription_sends_what_is_understood_to_where_it_may() {
    let mut world = allowing(|_| ());
    let endpoint = |url: &str| with("/channel/endpoint", json!(url));
    let long = |length: usize| {
        let start = "https://hooks.example.org/fhir/";
        endpoint(&format!("{start}{}", "a".repeat(length - start.len())))
    };
    for (name, body, expected) in [
        ("as configured", subscription(), None),
        ("off", with("/status", json!("off")), None),
        ("active", with("/status", json!("active")), WRONG),
        ("an error", with("/status", json!("error")), WRONG),
        (
            "the endpoint itself",
            endpoint("https://hooks.example.org/fhir"),
            None,
        ),
        (
            "with a slash",
            endpoint("https://hooks.example.org/fhir/"),
            None,
        ),
        (
            "its port",
            endpoint("https://hooks.example.org:443/fhir"),
            None,
        ),
        (
            "upper case",
            endpoint("https://HOOKS.example.org/fhir"),
            None,
        ),
        (
            "the other",
            endpoint("https://other.example.org:8443/x"),
            None,
        ),
        ("as long as may be", long(2048), None),
        ("one more", long(2049), WRONG),
        ("no TLS", endpoint("http://hooks.example.org/fhir"), WRONG),
        ("another scheme", endpoint("mailto:a@example.org"), WRONG),
        (
            "another host",
            endpoint("https://evil.example.org/fhir"),
            WRONG,
        ),
        (
            "a longer host",
            endpoint("https://hooks.example.org.evil.org/fhir"),
            WRONG,
        ),
        (
            "a host that ends alike",
            endpoint("https://evilhooks.example.org/fhir"),
            WRONG,
        ),
        (
            "a dot behind",
            endpoint("https://hooks.example.org./fhir"),
            WRONG,
        ),
        (
            "a user",
            endpoint("https://hooks.example.org@evil.org/fhir"),
            WRONG,
        ),
        (
            "a user of the right host",
            endpoint("https://u:p@hooks.example.org/fhir"),
            WRONG,
        ),
        (
            "another port",
            endpoint("https://hooks.example.org:8443/fhir"),
            WRONG,
        ),
        (
            "no port",
            endpoint("https://hooks.example.org:/fhir"),
            WRONG,
        ),
        (
            "no number",
            endpoint("https://hooks.example.org:x/fhir"),
            WRONG,
        ),
        (
            "the other without its port",
            endpoint("https://other.example.org/x"),
            WRONG,
        ),
        (
            "another path",
            endpoint("https://hooks.example.org/other"),
            WRONG,
        ),
        (
            "half a segment",
            endpoint("https://hooks.example.org/fhirx"),
            WRONG,
        ),
        (
            "another case",
            endpoint("https://hooks.example.org/FHIR"),
            WRONG,
        ),
        (
            "above",
            endpoint("https://hooks.example.org/fhir/../x"),
            WRONG,
        ),
        (
            "above, escaped",
            endpoint("https://hooks.example.org/fhir/%2e%2e/x"),
            WRONG,
        ),
        (
            "an empty segment",
            endpoint("https://hooks.example.org//fhir"),
            WRONG,
        ),
        (
            "a backslash",
            endpoint("https://hooks.example.org\\fhir"),
            WRONG,
        ),
        (
            "a fragment",
            endpoint("https://hooks.example.org/fhir#x"),
            WRONG,
        ),
        (
            "a query",
            endpoint("https://hooks.example.org/fhir?x=y"),
            WRONG,
        ),
        (
            "a space in front",
            endpoint(" https://hooks.example.org/fhir"),
            WRONG,
        ),
        (
            "another channel",
            with("/channel/type", json!("websocket")),
            WRONG,
        ),
        ("mail", with("/channel/type", json!("email")), WRONG),
        (
            "another payload",
            with("/channel/payload", json!("application/fhir+xml")),
            WRONG,
        ),
        (
            "headers",
            with("/channel/header", json!(["Authorization: x"])),
            WRONG,
        ),
        (
            "an extension of the channel",
            with(
                "/channel/extension",
                json!([{"url": "x", "valueCode": "y"}]),
            ),
            WRONG,
        ),
        (
            "an extension",
            with("/extension", json!([{"url": "x", "valueCode": "y"}])),
            WRONG,
        ),
        (
            "another criterion beside",
            with(
                "/_criteria",
                json!({"extension": [{"url": "x", "valueString": "Patient?"}]}),
            ),
            WRONG,
        ),
        (
            "another endpoint beside",
            with("/channel/_endpoint", json!({"id": "x"})),
            WRONG,
        ),
        (
            "contained",
            with("/contained", json!([{"resourceType": "Device", "id": "d"}])),
            WRONG,
        ),
        (
            "a label",
            with("/meta", json!({"security": []})),
            Some("request.malformed.body-structure"),
        ),
        (
            "no payload",
            {
                let mut body = subscription();
                body["channel"]
                    .as_object_mut()
                    .expect("an object")
                    .remove("payload");
                body
            },
            None,
        ),
        (
            "no channel",
            json!({"resourceType": "Subscription", "status": "off", "criteria": "Patient?name=x"}),
            Some("request.malformed.body-structure"),
        ),
    ] {
        let found = rule(&mut world, ALL, CREATE, Some(&body));
        assert_eq!(found.as_deref(), expected, "{name}");
    }
    // However little else is looked at.
    let mut careless = allowing(|config| config["fhir"]["body_check"] = json!("none"));
    for body in [
        json!({"resourceType": "Subscription"}),
        with("/Criteria", json!("Patient?name=x")),
        with("/channel/Endpoint", json!("https://evil.example.org")),
        with("/channel", json!([subscription()["channel"]])),
        with("/criteria", json!(["Patient?name=x"])),
    ] {
        let found = rule(&mut careless, ALL, CREATE, Some(&body));
        assert_eq!(found.as_deref(), WRONG, "{body}");
    }
}

#[test]
fn only_who_may_write_subscriptions_does_and_one_by_one() {
    let own = with("/id", json!("s1"));
    let patch = json!([{"op": "replace", "path": "/criteria", "value": "Patient?name=x"}]);
    let kind = Some("request.not-supported.type");
    let (update, delete) = ("PUT /r4/Subscription/s1", "DELETE /r4/Subscription/s1");
    let mut world = allowing(|config| {
        config["fhir"]["conditional"] = json!(["create", "update", "patch", "delete-single"]);
        config["fhir"]["upstream"]["trust"] = json!(["if_match"]);
    });
    for (name, scope, target, body, expected) in [
        ("an update", ALL, update, Some(&own), None),
        ("a deletion", ALL, delete, None, None),
        (
            "a patch",
            ALL,
            "PATCH /r4/Subscription/s1",
            Some(&patch),
            kind,
        ),
        (
            "an update of a search",
            ALL,
            "PUT /r4/Subscription?_id=s1",
            Some(&own),
            kind,
        ),
        (
            "a deletion of a search",
            ALL,
            "DELETE /r4/Subscription?_id=s1",
            None,
            kind,
        ),
        (
            "without a scope",
            "user/Observation.cruds",
            CREATE,
            Some(&own),
            Some("scope"),
        ),
        (
            "for a deletion",
            "user/Subscription.cu user/Observation.rs",
            delete,
            None,
            Some("scope"),
        ),
        (
            "some of them",
            "user/Subscription.c?status=off user/Observation.rs",
            CREATE,
            Some(&own),
            kind,
        ),
        ("a patient", "patient/*.cruds", CREATE, Some(&own), kind),
        (
            "a patient's update",
            "patient/*.cruds",
            update,
            Some(&own),
            kind,
        ),
        (
            "a patient's deletion",
            "patient/*.cruds",
            delete,
            None,
            kind,
        ),
        (
            "what else steers",
            ALL,
            "DELETE /r4/SearchParameter/s1",
            None,
            kind,
        ),
    ] {
        assert_eq!(
            rule(&mut world, scope, target, body).as_deref(),
            expected,
            "{name}"
        );
    }
    let fields = [("if-none-exist", "_id=x")];
    let found = outcome(&mut world, ALL, CREATE, &fields, Some(&own));
    assert_eq!(found.map(|(_, rule)| rule).as_deref(), kind);
    let mut closed = Deployment::new();
    for (target, body) in [(CREATE, Some(&own)), (update, Some(&own)), (delete, None)] {
        assert_eq!(
            rule(&mut closed, ALL, target, body).as_deref(),
            kind,
            "{target}"
        );
    }
    let mut bundles = taking(allow);
    for entry in [create(&subscription()), put("Subscription/s1", &own)] {
        for kind in ["batch", "transaction"] {
            let (mut exchange, step) = post(
                &mut bundles,
                ALL,
                &bundle(kind, std::slice::from_ref(&entry)),
            );
            assert!(matches!(step, Step::Reply(_)), "{kind}: {step:?}");
            let record = bundles.record(&mut exchange);
            let rule = slug(&record["entries"][0]["rule"]).to_owned();
            assert_eq!(rule, "request.not-supported.subscription", "{kind}");
        }
    }
}

#[test]
fn what_a_patient_must_consent_to_is_not_sent_by_itself() {
    for (interactions, expected) in [
        (json!(["search-type"]), Some("consent.sharing")),
        (json!(["read"]), None),
    ] {
        let sharing = json!({"name": "sharing", "effect": "require", "interactions": interactions, "require": {"consent": true}});
        let mut world = allowing(|config| config["rules"] = json!([sharing]));
        let found = rule(&mut world, ALL, CREATE, Some(&subscription()));
        assert_eq!(found.as_deref(), expected, "{interactions}");
    }
}
