//! Conditional create, update, patch and delete, from the head to what comes back.

use fhir_guard_harness::tokens::Claims;

use super::writes::{observation, outcome};
use super::*;
use driver::NOW;

/// A deployment that takes all of them.
fn taking() -> Deployment {
    Deployment::with(|config| {
        config["fhir"]["conditional"] = json!(["create", "update", "patch", "delete-single"]);
    })
}

/// A write by a practitioner, or with `patient/` scopes by patient p1, that is on its way.
fn sent(world: &mut Deployment, scope: &str, target: &str, body: Option<&Value>) -> Exchange {
    let (target, search) = match target.split_once(" unless ") {
        Some((target, search)) => (target, Some(search)),
        None => (target, None),
    };
    let content_type = match target.starts_with("PATCH") {
        true => "application/json-patch+json",
        false => "application/fhir+json",
    };
    let own = [("content-type", content_type)];
    let all: Vec<_> = own
        .into_iter()
        .chain(search.map(|search| ("if-none-exist", search)))
        .collect();
    let claims = Claims::new(NOW).bound_to(&world.certificate).scope(scope);
    let token = world.token(&claims.fhir_user("Practitioner/7"));
    let head = world.head_with(&token, target, &all);
    let mut exchange = Exchange::default();
    let step = world.ask(&mut exchange, head, body.is_none());
    if let Some(body) = body {
        assert!(matches!(step, Step::HoldHead(_)), "{target}: {step:?}");
        let step = exchange.request_body(&world.guard, body.to_string().as_bytes(), true);
        assert!(matches!(step, Step::Write(_)), "{target}: {step:?}");
    } else {
        assert!(matches!(step, Step::Forward(_)), "{target}: {step:?}");
    }
    exchange
}

#[test]
fn what_it_comes_to_is_told_as_far_as_its_caller_may_see() {
    let mut world = taking();
    let body = observation("Patient/p1");
    let stored = |id: &str, subject: &str| {
        let mut stored = observation(subject);
        stored["id"] = json!(id);
        stored.to_string()
    };
    let create = "POST /r4/Observation unless code=x";
    let own = "POST /r4/Observation unless patient=p1&code=x";
    let location = ("location", "http://fhir/base/Observation/o1/_history/1");
    let json = ("content-type", "application/fhir+json");
    // Scope, target, status and resource of the server; status, location and body that leave.
    for (scope, target, status, resource, expected) in [
        (
            "user/*.cs",
            create,
            "201",
            Some(("o1", "Patient/p1")),
            (201, true, false),
        ),
        (
            "user/*.crs",
            create,
            "201",
            Some(("o1", "Patient/p1")),
            (201, true, true),
        ),
        (
            "user/*.crs",
            create,
            "200",
            Some(("o1", "Patient/p1")),
            (200, false, true),
        ),
        (
            "user/*.cs",
            create,
            "200",
            Some(("o1", "Patient/p1")),
            (200, false, false),
        ),
        ("user/*.crs", create, "200", None, (200, false, false)),
        (
            "user/*.crs",
            create,
            "412",
            Some(("o1", "Patient/p1")),
            (412, false, false),
        ),
        (
            "user/*.rus",
            "PUT /r4/Observation?code=x",
            "200",
            Some(("o1", "Patient/p1")),
            (200, false, true),
        ),
        (
            "user/*.rus",
            "PUT /r4/Observation?code=x",
            "201",
            Some(("o1", "Patient/p1")),
            (201, true, true),
        ),
        (
            "user/*.us",
            "PUT /r4/Observation?code=x",
            "412",
            None,
            (412, false, false),
        ),
        (
            "user/*.rus",
            "PATCH /r4/Observation?code=x",
            "200",
            Some(("o1", "Patient/p1")),
            (200, false, true),
        ),
        (
            "user/*.us",
            "PATCH /r4/Observation?code=x",
            "404",
            None,
            (404, false, false),
        ),
        (
            "user/*.rds",
            "DELETE /r4/Observation?code=x",
            "200",
            Some(("o1", "Patient/p1")),
            (200, false, false),
        ),
        (
            "user/*.ds",
            "DELETE /r4/Observation?code=x",
            "204",
            None,
            (204, false, false),
        ),
        (
            "user/*.ds",
            "DELETE /r4/Observation?code=x",
            "412",
            None,
            (412, false, false),
        ),
        (
            "patient/*.crs",
            own,
            "201",
            Some(("o1", "Patient/p1")),
            (201, true, true),
        ),
        (
            "patient/*.crs",
            own,
            "200",
            Some(("o1", "Patient/p1")),
            (200, false, true),
        ),
        // A server that did not search as it was asked to.
        (
            "patient/*.crs",
            own,
            "200",
            Some(("o2", "Patient/p2")),
            (200, false, false),
        ),
    ] {
        let patch = json!([{"op": "replace", "path": "/status", "value": "amended"}]);
        let written = match target {
            target if target.starts_with("DELETE") => None,
            target if target.starts_with("PATCH") => Some(&patch),
            _ => Some(&body),
        };
        let mut exchange = sent(&mut world, scope, target, written);
        let resource = resource.map(|(id, subject)| stored(id, subject));
        let pieces: Vec<&[u8]> = resource.iter().map(|text| text.as_bytes()).collect();
        let head = [(":status", status), json, location, ("x-secret", "o9")];
        let answer = world.answer(&mut exchange, &head, &pieces, false);
        let fields = answer.head.clone().unwrap_or_default();
        let told = fields.iter().find(|(name, _)| name == b"location");
        let there = told.map(|(_, value)| String::from_utf8_lossy(value).into_owned());
        let name = format!("{scope} {target} {status}");
        let found = (answer.status(), there.is_some(), !answer.body.is_empty());
        assert_eq!(found, expected, "{name}: {answer:?}");
        if let Some(there) = there {
            let expected = "https://fhir.example.org/r4/Observation/o1/_history/1";
            assert_eq!(there, expected, "{name}");
        }
        let code = target.split(' ').next().map(|method| match method {
            "POST" => "create",
            "PUT" => "update",
            "PATCH" => "patch",
            _ => "delete",
        });
        let record = world.record(&mut exchange);
        assert_eq!(record["interaction"], json!(code), "{name}: {record}");
    }
}

#[test]
fn bodies_are_checked_as_those_of_other_writes() {
    let mut world = taking();
    let search = [("if-none-exist", "patient=p1")];
    let mut check = |scope: &str, target: &str, body: Value, rule: &str| {
        let fields: &[(&str, &str)] = match target.starts_with("POST") {
            true => &search,
            false => &[],
        };
        let found = outcome(&mut world, scope, target, fields, Some(&body));
        let found = found.map(|(_, rule)| rule);
        assert_eq!(found.as_deref(), Some(rule), "{scope} {target}");
    };
    let other = || observation("Patient/p2");
    check(
        "patient/*.cs",
        "POST /r4/Observation",
        other(),
        "compartment.body",
    );
    for target in ["POST /r4/Observation", "PUT /r4/Observation?code=x"] {
        let all = "user/*.cruds";
        check(
            all,
            target,
            json!({"resourceType": "Condition"}),
            "request.malformed.body-mismatch",
        );
        check(
            all,
            target,
            json!({"resourceType": "Observation", "x": 1}),
            "request.malformed.body-structure",
        );
        check(
            all,
            target,
            observation("Patient?name=x"),
            "request.not-supported.conditional-reference",
        );
        let mut labelled = other();
        labelled["meta"] = json!({"tag": [{"code": "x"}]});
        check(all, target, labelled, "request.not-supported.label");
    }
    // A part of a Patient is hidden from everybody here.
    let named = json!({"resourceType": "Patient", "gender": "female"});
    let redacted = "request.not-supported.update-of-redacted";
    check(
        "user/*.cruds",
        "PUT /r4/Patient?_id=p1",
        named.clone(),
        redacted,
    );
    let hidden = "request.not-supported.parameter";
    check(
        "user/*.cruds",
        "PUT /r4/Patient?birthdate=1970-01-01",
        named,
        hidden,
    );
    let patch = json!([{"op": "test", "path": "/status", "value": "final"}]);
    let reads = "request.not-supported.patch-operation";
    check("user/*.us", "PATCH /r4/Observation?code=x", patch, reads);
}
