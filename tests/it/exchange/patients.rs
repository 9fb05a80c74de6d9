//! Budgets of patients: whom an answer showed is counted, and nobody else.

use super::bundles::{bundle, get, post, taking};
use super::*;

const OK: [(&str, &str); 2] = [
    (":status", "200"),
    ("content-type", "application/fhir+json"),
];

/// Fifty different patients a day for each client.
fn world() -> Deployment {
    taking(|config| {
        config["redaction"] = json!([]);
        config["limits"] =
            json!([{"name": "l", "key": ["client"], "patients": 50, "window": "24h"}]);
        config["egress"] =
            json!([{"name": "conditions", "types": ["Condition"], "records": 2, "over": "refuse"}]);
    })
}

fn about(resource_type: &str, id: &str, patient: &str) -> Value {
    json!({"resourceType": resource_type, "id": id, "subject": {"reference": format!("Patient/{patient}")},
        "code": {"text": "x".repeat(300)}})
}

fn found(resources: &[Value]) -> Vec<u8> {
    let entries: Vec<_> = resources
        .iter()
        .map(|own| json!({"resource": own}))
        .collect();
    let entries = json!(entries);
    format!(r#"{{"resourceType":"Bundle","type":"searchset","entry":{entries}}}"#).into_bytes()
}

/// What is left of the budget.
fn left(world: &mut Deployment) -> u64 {
    let mut exchange = world.forwarded("system/*.rs", "GET /r4/Organization/x");
    let record = world.record(&mut exchange);
    record["limits"]["l"].as_u64().expect("a number")
}

/// What this answer takes, whole or cut behind so many pieces of 100 bytes.
#[track_caller]
fn takes(target: &str, answer: &[u8], pieces: Option<usize>, expected: u64) {
    let mut world = world();
    let mut exchange = world.forwarded("system/*.rs", target);
    let all: Vec<&[u8]> = answer.chunks(100).collect();
    let came = &all[..pieces.unwrap_or(all.len())];
    let fields = fhir_headers();
    exchange.response_headers(&world.guard, &fields, Some(b"via_upstream"), false);
    for (at, piece) in came.iter().enumerate() {
        exchange.response_body(&world.guard, piece, pieces.is_none() && at + 1 == all.len());
    }
    let record = world.record(&mut exchange);
    assert_eq!(50 - left(&mut world), expected, "{target}: {record}");
}

fn fhir_headers() -> Vec<(Vec<u8>, Vec<u8>)> {
    let pair = |(name, value): &(&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    OK.iter().map(pair).collect()
}

#[test]
fn whom_an_answer_showed_is_counted() {
    let people = |count: usize| {
        let own = |at| about("Observation", &format!("o{at}"), &format!("p{at}"));
        found(&(0..count).map(own).collect::<Vec<_>>())
    };
    let same = found(&[
        about("Observation", "a", "p1"),
        about("Observation", "b", "p1"),
    ]);
    let patient = json!({"resourceType": "Patient", "id": "p1"}).to_string();
    let nobody = json!({"resourceType": "Organization", "id": "x"}).to_string();
    let search = "GET /r4/Observation?code=1";
    takes("GET /r4/Patient/p1", patient.as_bytes(), None, 1);
    takes("HEAD /r4/Patient/p1", patient.as_bytes(), None, 0);
    takes("GET /r4/Organization/x", nobody.as_bytes(), None, 0);
    takes(search, &same, None, 1);
    takes(search, &people(3), None, 3);
    takes(search, &people(30), None, 30);
    takes(search, &people(0), None, 0);
    // What was not asked for is taken out, as what is another's: it was not shown.
    let mixed = [("Observation", "p1"), ("Condition", "p2")];
    let mixed = mixed.map(|(own, patient)| about(own, "a", patient));
    takes(search, &found(&mixed), None, 1);
    let others = ["p1", "p2", "p3"].map(|patient| about("Observation", patient, patient));
    let mut world = world();
    let mut exchange = world.forwarded("patient/*.rs", search);
    let seen = world.answer(&mut exchange, &OK, &[&found(&others)], false);
    assert_eq!(
        (
            seen.status(),
            world.record(&mut exchange)["removed"].as_u64()
        ),
        (200, Some(2))
    );
    assert_eq!(left(&mut world), 49);
    // A stream that is cut has shown what has left; an answer that is held and withheld nothing.
    takes(search, &people(8), Some(25), 5);
    takes(search, &people(2), Some(4), 0);
    let conditions = [1, 2, 3].map(|at| about("Condition", &format!("c{at}"), &format!("p{at}")));
    takes(
        "GET /r4/Condition?code=1",
        &found(&conditions[..2]),
        None,
        2,
    );
    let held = conditions.map(|mut own| {
        own["code"] = json!({});
        own
    });
    takes("GET /r4/Condition?code=1", &found(&held), None, 0);
}

#[test]
fn a_bundle_of_requests_and_a_write_show_what_they_answer() {
    let mut world = world();
    let entries = ["Patient/p1", "Patient/p2", "Patient/p3"].map(get);
    let (mut exchange, step) = post(&mut world, "system/*.rs", &bundle("batch", &entries));
    assert!(matches!(step, Step::Rewrite { .. }), "{step:?}");
    let answers = ["p1", "p2", "p1"].map(|id| {
        let resource = json!({"resourceType": "Patient", "id": id});
        json!({"resource": resource, "response": {"status": "200"}})
    });
    let answer = bundle("batch-response", &answers).to_string();
    world.answer(&mut exchange, &OK, &[answer.as_bytes()], false);
    world.record(&mut exchange);
    // The third was answered with another's, and is not there.
    assert_eq!(left(&mut world), 48);

    let written = about("Observation", "o1", "p7").to_string();
    for (scope, expected) in [("system/*.u", 48), ("system/*.ru", 47)] {
        let mut exchange = world.written(scope, "PUT /r4/Observation/o1", written.as_bytes());
        world.answer(&mut exchange, &OK, &[written.as_bytes()], false);
        world.record(&mut exchange);
        assert_eq!(left(&mut world), expected, "{scope}");
    }
}

#[test]
fn whoever_has_seen_as_many_waits_for_the_window_to_end() {
    let mut world = world();
    for at in 0..50 {
        let own = json!({"resourceType": "Patient", "id": format!("p{at}")}).to_string();
        let mut exchange = world.forwarded("system/*.rs", &format!("GET /r4/Patient/p{at}"));
        world.answer(&mut exchange, &OK, &[own.as_bytes()], false);
        world.record(&mut exchange);
    }
    let mut exchange = Exchange::default();
    let head = world.head("system/*.rs", "GET /r4/Patient/p1", &[]);
    let Step::Reply(reply) = world.ask(&mut exchange, head, true) else {
        panic!("it went on");
    };
    assert_eq!(reply.status, 429);
    let day = 86_400;
    let until = (day - super::driver::NOW % day).to_string();
    for (name, expected) in [
        ("retry-after", until.clone()),
        ("ratelimit", format!("\"l\";r=0;t={until}")),
        (
            "ratelimit-policy",
            "\"l\";q=50;qu=\"patients\";w=86400".to_owned(),
        ),
    ] {
        let field = reply.headers.iter().find(|(own, _)| *own == name);
        assert_eq!(
            field.map(|(_, value)| value.clone()),
            Some(expected),
            "{name}"
        );
    }
    assert_eq!(world.record(&mut exchange)["rule"], "limit.l");
}
