//! Instances that a patient reads by their id: whose they are shows in the answer, and what may not be
//! seen answers like what is not there.

use fhir_guard::denial::Reply;

use super::*;

const SCOPE: &str = "patient/*.rs";

/// The compartment of R4, with tasks; organisations are about nobody.
fn deployment() -> Deployment {
    Deployment::with(|config| {
        config["fhir"]["patient_membership"] = json!(["Task.patient"]);
        config["fhir"]["universal_types"] = json!(["Organization"]);
    })
}

/// What becomes of an answer of the upstream: the reply in its place, if it is replaced, and the rule of
/// the record.
fn replaced(
    name: &str,
    target: &str,
    fields: &[(&str, &str)],
    body: &str,
) -> (Option<Reply>, String) {
    let mut world = deployment();
    let mut exchange = world.forwarded(SCOPE, target);
    let end: &[u8] = b"";
    let pieces: Vec<&[u8]> = body.as_bytes().chunks(300).chain([end]).collect();
    let answer = world.answer(&mut exchange, fields, &pieces, false);
    let record = world.record(&mut exchange);
    let rule = record["rule"].as_str().unwrap_or_default().to_owned();
    match answer.end {
        End::Reply(reply) => {
            assert!(answer.body.is_empty(), "{name}");
            assert_eq!(record["outcome"], "withheld", "{name}");
            (Some(reply), rule)
        }
        End::Complete => {
            assert_eq!(answer.body, body.as_bytes(), "{name}");
            (None, rule)
        }
        other => panic!("{name}: {other:?}"),
    }
}

fn of(resource_type: &str, element: &str, reference: &str, padding: usize) -> String {
    json!({
        "resourceType": resource_type, "id": "x1", element: {"reference": reference},
        "language": "x".repeat(padding),
    })
    .to_string()
}

fn organisation(contained: &Value) -> String {
    json!({"resourceType": "Organization", "id": "x1", "name": "Clinic", "contained": [contained]})
        .to_string()
}

const OK: [(&str, &str); 2] = [
    (":status", "200"),
    ("content-type", "application/fhir+json"),
];

#[test]
fn what_is_anothers_answers_like_what_is_not_there_bypass_29_30_70() {
    let target = |body: &str| {
        let resource: Value = serde_json::from_str(body).unwrap_or_default();
        let name = resource["resourceType"].as_str().unwrap_or("Observation");
        format!("GET /r4/{name}/x1")
    };
    let gone = |status| [(":status", status), ("content-type", "text/plain")];
    let read = "GET /r4/Observation/x1";
    let (absent, _) = replaced("absent", read, &gone("404"), "");
    let absent = absent.expect("a reply");
    assert_eq!(absent.status, 404);
    assert_eq!(
        replaced("gone", read, &gone("410"), "").0,
        Some(absent.clone())
    );
    let of_tasks = |reference| of("Task", "for", reference, 0);
    let two = r#"{"resourceType":"Observation","id":"x1","subject":{"reference":"Patient/p1"},"performer":[{"reference":"Patient/p2"}]}"#;
    for (name, body, expected) in [
        ("own", of("Observation", "subject", "Patient/p1", 0), None),
        (
            "own, large",
            of("Observation", "subject", "Patient/p1", 5 * driver::HOLD),
            None,
        ),
        (
            "another's",
            of("Observation", "subject", "Patient/p2", 0),
            Some("compartment"),
        ),
        (
            "another's, large",
            of("Observation", "subject", "Patient/p2", 5 * driver::HOLD),
            Some("compartment"),
        ),
        ("of two", two.to_owned(), Some("compartment")),
        (
            "of nobody",
            of("Observation", "focus", "Patient/p1", 0),
            Some("compartment"),
        ),
        ("own task", of_tasks("Patient/p1"), None),
        (
            "another's task",
            of_tasks("Patient/p2"),
            Some("compartment"),
        ),
        ("a group's task", of_tasks("Group/g1"), Some("compartment")),
        (
            "an organisation",
            organisation(&json!({"resourceType": "Endpoint", "id": "e"})),
            None,
        ),
        (
            "an organisation with a patient inside",
            organisation(&json!({"resourceType": "Patient", "id": "e"})),
            Some("compartment"),
        ),
        (
            "an organisation with another's person inside",
            organisation(
                &json!({"resourceType": "RelatedPerson", "id": "e", "patient": {"reference": "Patient/p2"}}),
            ),
            Some("compartment"),
        ),
        (
            "an organisation that names another patient",
            r#"{"resourceType":"Organization","id":"x1","extension":[{"url":"urn:x","valueReference":{"reference":"Patient/p2"}}]}"#.to_owned(),
            Some("compartment"),
        ),
        (
            "no json",
            "{\"resourceType\":\"Observation\",".to_owned(),
            Some("answer.instance"),
        ),
        (
            "larger than what is read",
            of("Observation", "subject", "Patient/p2", 64 << 10),
            Some("answer.instance"),
        ),
        (
            "another id",
            r#"{"resourceType":"Observation","id":"x2"}"#.to_owned(),
            Some("answer.instance"),
        ),
    ] {
        for method in ["GET", "HEAD"] {
            // What a HEAD leaves out is no business of this row.
            if method == "HEAD" && expected.is_none() {
                continue;
            }
            let target = target(&body).replace("GET", method);
            let (found, rule) = replaced(name, &target, &OK, &body);
            assert_eq!(found.as_ref(), expected.map(|_| &absent), "{method} {name}");
            match expected {
                Some(expected) => assert!(rule.starts_with(expected), "{method} {name}: {rule}"),
                None => assert_eq!(rule, "scope:patient/*.rs", "{method} {name}"),
            }
        }
    }
    let other_form = [(":status", "200"), ("content-type", "application/fhir+xml")];
    let (found, rule) = replaced("another form", read, &other_form, "<Observation/>");
    assert_eq!(found.as_ref(), Some(&absent), "another form");
    assert!(rule.starts_with("answer.instance"), "{rule}");
}

#[test]
fn every_version_is_decided_on_its_own_bypass_30() {
    let history = |references: &[&str]| {
        let entry = |reference: &&str| {
            let resource = of("Observation", "subject", reference, 0);
            format!(r#"{{"resource":{resource}}}"#)
        };
        let entries: Vec<String> = references.iter().map(entry).collect();
        let entries = entries.join(",");
        format!(r#"{{"resourceType":"Bundle","type":"history","entry":[{entries}]}}"#)
    };
    let target = "GET /r4/Observation/x1/_history";
    for (references, passed) in [
        (&["Patient/p1", "Patient/p1"][..], 2),
        (&["Patient/p1", "Patient/p2"], 1),
        (&["Patient/p2", "Patient/p1"], 1),
        (&["Patient/p2", "Patient/p2"], 0),
        (&[], 0),
    ] {
        let mut world = deployment();
        let mut exchange = world.forwarded(SCOPE, target);
        let body = history(references);
        let answer = world.answer(&mut exchange, &OK, &[body.as_bytes()], true);
        match (answer.end, passed) {
            (End::Complete, 1..) => {
                let text = String::from_utf8(answer.body).expect("text");
                assert!(!text.contains("Patient/p2"), "{references:?}");
                assert_eq!(text.matches("Patient/p1").count(), passed, "{references:?}");
            }
            (End::Reply(reply), 0) => assert_eq!(reply.status, 404, "{references:?}"),
            (other, _) => panic!("{references:?}: {other:?}"),
        }
    }
}
