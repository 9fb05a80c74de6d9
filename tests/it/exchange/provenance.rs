//! `X-Provenance`: what is taken, what is required, and what goes on.

mod bundles;
mod content;

use fhir_guard_harness::tokens::Claims;

use super::writes::observation;
use super::*;
use driver::{NOW, pairs, slug};

/// A deployment that takes the header.
fn keeping(edit: impl FnOnce(&mut Value)) -> Deployment {
    Deployment::with(|config| {
        config["fhir"]["provenance"] = json!("kept");
        edit(config);
    })
}

/// A rule that requires it of some writes of Observations.
fn rule(interactions: &[&str]) -> Value {
    json!({"name": "traced", "effect": "require", "types": ["Observation"],
        "interactions": interactions, "require": {"provenance": true}})
}

/// A Provenance by a practitioner.
fn said() -> Value {
    json!({"resourceType": "Provenance", "recorded": "2026-01-01T00:00:00Z",
        "agent": [{"who": {"reference": "Practitioner/7"}}]})
}

fn with(mut resource: Value, name: &str, value: Value) -> Value {
    resource[name] = value;
    resource
}

/// What came of a write with these headers: what went upstream of them, or status, code and rule of the
/// refusal.
fn sent(
    world: &mut Deployment,
    scope: &str,
    target: &str,
    headers: &[&[u8]],
) -> Result<Option<Vec<u8>>, (u16, String, String)> {
    let patch = json!([{"op": "add", "path": "/issued", "value": "2026-01-01T00:00:00Z"}]);
    let observation = observation("Patient/p1");
    let (content_type, body) = match target.split(' ').next() {
        Some("POST") => ("application/fhir+json", Some(observation)),
        Some("PUT") => {
            let own = with(observation, "id", json!("o1"));
            ("application/fhir+json", Some(own))
        }
        Some("PATCH") => ("application/json-patch+json", Some(patch)),
        _ => ("application/fhir+json", None),
    };
    let claims = Claims::new(NOW).bound_to(&world.certificate).scope(scope);
    let token = world.token(&claims.fhir_user("Practitioner/7"));
    let mut head = world.head_with(&token, target, &[("content-type", content_type)]);
    let fields = headers
        .iter()
        .map(|value| (b"x-provenance".to_vec(), value.to_vec()));
    head.extend(fields);
    let mut exchange = Exchange::default();
    let mut step = world.ask(&mut exchange, head, body.is_none());
    let mut gone = Vec::new();
    if let (Some(body), Step::HoldHead(fields)) = (body, &step) {
        gone.clone_from(fields);
        step = exchange.request_body(&world.guard, body.to_string().as_bytes(), true);
    }
    match step {
        Step::Forward(fields) => gone = fields,
        Step::Write(_) => {}
        Step::Reply(reply) => {
            let outcome: Value = serde_json::from_slice(&reply.body).expect("JSON");
            let code = outcome["issue"][0]["code"].as_str().expect("a code");
            let rule = slug(&world.record(&mut exchange)["rule"]).to_owned();
            return Err((reply.status, code.to_owned(), rule));
        }
        step => panic!("{target}: {step:?}"),
    }
    let mut fields = gone.into_iter().filter(|(name, _)| name == b"x-provenance");
    let field = fields.next().map(|(_, value)| value);
    assert_eq!(fields.next(), None, "{target}: once");
    Ok(field)
}

fn refused(code: &str, rule: &str) -> Result<Option<Vec<u8>>, (u16, String, String)> {
    let status = if code == "forbidden" { 403 } else { 400 };
    Err((status, code.to_owned(), rule.to_owned()))
}

const ALL: &str = "user/*.cruds";

const WRITES: [&str; 4] = [
    "POST /r4/Observation",
    "PUT /r4/Observation/o1",
    "PATCH /r4/Observation/o1",
    "DELETE /r4/Observation/o1",
];

#[test]
fn the_header_goes_on_is_refused_or_stays_behind() {
    let text = said().to_string();
    // The same bytes, not the same JSON.
    let spaced = text
        .replacen(':', " : ", 1)
        .replacen("Pract", "\\u0050ract", 1);
    for (setting, expected) in [
        (
            None,
            refused("not-supported", "request.not-supported.provenance"),
        ),
        (
            Some("refused"),
            refused("not-supported", "request.not-supported.provenance"),
        ),
        (Some("dropped"), Ok(None)),
        (Some("kept"), Ok(Some(spaced.clone().into_bytes()))),
    ] {
        let mut world = Deployment::with(|config| {
            if let Some(setting) = setting {
                config["fhir"]["provenance"] = json!(setting);
            }
        });
        for target in WRITES {
            let found = sent(&mut world, ALL, target, &[spaced.as_bytes()]);
            assert_eq!(found, expected, "{setting:?}: {target}");
            let found = sent(&mut world, ALL, target, &[]);
            assert_eq!(found, Ok(None), "{setting:?}: {target}, without");
        }
        // On a read it says nothing, whatever it is.
        for value in [text.as_bytes(), b"{", b"\xff"] {
            let found = sent(&mut world, ALL, "GET /r4/Observation/o1", &[value, value]);
            assert_eq!(found, Ok(None), "{setting:?}");
        }
    }
    let mut world = Deployment::with(|config| config["fhir"]["provenance"] = json!("dropped"));
    assert_eq!(sent(&mut world, ALL, WRITES[0], &[b"{", b"\xff"]), Ok(None));
}

#[test]
fn a_rule_requires_it_of_writes() {
    let text = said().to_string();
    let missing = || refused("required", "provenance.traced");
    let all = ["create", "update", "patch", "delete", "read"];
    let mut world = keeping(|config| config["rules"] = json!([rule(&all)]));
    for target in WRITES {
        assert_eq!(sent(&mut world, ALL, target, &[]), missing(), "{target}");
        let found = sent(&mut world, ALL, target, &[text.as_bytes()]);
        assert_eq!(found, Ok(Some(text.clone().into_bytes())), "{target}");
        let scope = refused("forbidden", "scope");
        assert_eq!(
            sent(&mut world, "user/Patient.cruds", target, &[]),
            scope,
            "{target}"
        );
    }
    for target in ["GET /r4/Observation/o1", "DELETE /r4/Condition/c1"] {
        assert_eq!(sent(&mut world, ALL, target, &[]), Ok(None), "{target}");
    }
    // Beside another demand, under a condition, of some interactions, and where it only reports.
    let of = |edit: &dyn Fn(&mut Value)| {
        let mut rule = rule(&["create", "delete"]);
        edit(&mut rule);
        keeping(|config| config["rules"] = json!([rule]))
    };
    for (name, mut world, expected) in [
        (
            "another demand",
            of(&|rule| rule["require"]["bound"] = json!(["certificate"])),
            missing(),
        ),
        (
            "another demand that is not met",
            of(&|rule| rule["require"]["bound"] = json!(["dpop"])),
            refused("forbidden", "require.traced"),
        ),
        (
            "a condition",
            of(&|rule| rule["when"] = json!("fhir.id == 'o1'")),
            missing(),
        ),
        (
            "one that does not hold",
            of(&|rule| rule["when"] = json!("fhir.id == 'o2'")),
            Ok(None),
        ),
        (
            "a report",
            of(&|rule| rule["report"] = json!(true)),
            Ok(None),
        ),
    ] {
        assert_eq!(sent(&mut world, ALL, WRITES[3], &[]), expected, "{name}");
        assert_eq!(
            sent(&mut world, ALL, WRITES[1], &[]),
            Ok(None),
            "{name}: update"
        );
    }
    let mut world = of(&|rule| rule["report"] = json!(true));
    let head = world.head(ALL, WRITES[3], &[]);
    let mut exchange = Exchange::default();
    world.ask(&mut exchange, head, true);
    assert_eq!(
        world.record(&mut exchange)["reported"],
        json!(["provenance.traced"])
    );
}

#[test]
fn the_current_version_is_read_without_it() {
    let mut world = keeping(|config| config["fhir"]["upstream"]["trust"] = json!(["if_match"]));
    let text = said().to_string();
    let head = world.head("patient/*.cruds", WRITES[3], &[("x-provenance", &text)]);
    let mut exchange = Exchange::default();
    assert_eq!(world.ask(&mut exchange, head, true), Step::Wait);
    let call = exchange.call(&world.guard).expect("a call");
    let mut names = call.headers.iter().map(|(name, _)| name.as_ref());
    assert!(!names.any(|name| name == "x-provenance"), "{call:?}");
    let mut current = observation("Patient/p1");
    current["id"] = json!("o1");
    let fields = [
        (":status", "200"),
        ("content-type", "application/fhir+json"),
        ("etag", "W/\"1\""),
    ];
    let answer = (&pairs(fields.iter())[..], current.to_string().into_bytes());
    let step = exchange.answered(&world.guard, Some((answer.0, &answer.1)));
    let Step::Forward(sent) = step else {
        panic!("{step:?}")
    };
    let sent = sent.iter().find(|(name, _)| name == b"x-provenance");
    assert_eq!(
        sent.map(|(_, value)| value.as_slice()),
        Some(text.as_bytes())
    );
}
