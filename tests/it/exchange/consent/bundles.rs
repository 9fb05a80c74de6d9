//! Bundles of requests that patients must have consented to.

use super::*;
use crate::exchange::bundles::{bundle as requests, create, get, post, rewritten};
use crate::exchange::writes::observation;

/// A deployment that takes Bundles, and consent for all of their entries.
fn taking(edit: impl FnOnce(&mut Value)) -> Deployment {
    requiring(|config| {
        config["fhir"]["bundles"] = json!({"types": ["batch", "transaction"], "entries": 12});
        edit(config);
    })
}

/// The Consents of a patient: one with this rule.
fn of(patient: &str, rule: Value) -> Value {
    let mut consent = consent(rule);
    consent["patient"]["reference"] = json!(format!("Patient/{patient}"));
    bundle(&[consent])
}

/// Asks for the Consents of one patient after the other, as long as it waits; says of whom.
fn ask_all(
    world: &Deployment,
    exchange: &mut Exchange,
    mut step: Step,
    answer: impl Fn(&str) -> Option<Value>,
) -> (Vec<String>, Step) {
    let mut asked = Vec::new();
    while step == Step::Wait {
        assert!(exchange.is_waiting() && exchange.leaves_body());
        let call = call(world, exchange);
        let path = call.headers.iter().find(|(name, _)| name == ":path");
        let path = &path.expect("a path").1;
        let (_, rest) = path.split_once("patient=Patient/").expect(path);
        let patient = rest.split('&').next().expect(path).to_owned();
        step = match answer(&patient) {
            Some(consents) => answered(world, exchange, &consents),
            None => exchange.answered(&world.guard, None),
        };
        asked.push(patient);
    }
    (asked, step)
}

fn permitting(patient: &str) -> Option<Value> {
    Some(of(patient, json!({"type": "permit"})))
}

fn rules(record: &Value) -> Vec<String> {
    let entries = record["entries"].as_array().expect("entries");
    let rule = |entry: &Value| slug(&entry["rule"]).to_owned();
    entries.iter().map(rule).collect()
}

#[test]
fn each_entry_goes_on_with_the_consent_of_its_patient() {
    let entries = [
        get("Patient/p1"),
        get("Observation?patient=Patient/p2"),
        get("Condition?patient=Patient/p1"),
        get("Observation/o1"),
        get("Patient/p3"),
    ];
    let said = |patient: &str| match patient {
        "p1" => {
            let class =
                json!([{"system": "http://hl7.org/fhir/resource-types", "code": "Condition"}]);
            let denial = json!({"type": "deny", "class": class});
            Some(of("p1", json!({"type": "permit", "provision": [denial]})))
        }
        "p2" => Some(of("p2", json!({"type": "permit"}))),
        _ => None,
    };
    let mut world = taking(|_| ());
    let asked = requests("batch", &entries);
    let (mut exchange, step) = post(&mut world, "user/*.rs", &asked);
    let (patients, step) = ask_all(&world, &mut exchange, step, said);
    assert_eq!(patients, ["p1", "p2", "p3"], "each once");
    let sent = rewritten(&step, asked.to_string().len());
    assert_eq!(sent, [&entries[0], &entries[1]].map(Value::clone));
    let record = world.record(&mut exchange);
    let expected = [
        "scope:user/*.rs",
        "scope:user/*.rs",
        "consent.c",
        "consent.c",
        "unavailable.consent",
    ];
    assert_eq!(rules(&record), expected, "{record}");

    // A transaction is refused whole, by the first that is.
    for (entries, status, rule) in [
        (&entries[..1], 0, ""),
        (&entries[..3], 403, "consent.c"),
        (&entries[4..], 503, "unavailable.consent"),
        (&entries[3..], 403, "consent.c"),
    ] {
        let mut world = taking(|_| ());
        let asked = requests("transaction", entries);
        let (mut exchange, step) = post(&mut world, "user/*.rs", &asked);
        let (_, step) = ask_all(&world, &mut exchange, step, said);
        match step {
            Step::Rewrite { .. } => assert_eq!(status, 0, "{entries:?}"),
            Step::Reply(reply) => assert_eq!(reply.status, status, "{entries:?}"),
            step => panic!("{step:?}"),
        }
        if status != 0 {
            let record = world.record(&mut exchange);
            assert_eq!(slug(&record["rule"]), rule, "{entries:?}");
        }
    }
}

#[test]
fn a_patient_is_asked_once_and_what_is_known_not_at_all() {
    let entries = [
        get("Observation?patient=p1"),
        create(&observation("Patient/p1")),
    ];
    let mut world = taking(|_| ());
    let asked = requests("transaction", &entries);
    let (mut exchange, step) = post(&mut world, "patient/*.crs", &asked);
    assert_eq!(step, Step::Wait, "{}", world.record(&mut exchange));
    let (patients, step) = ask_all(&world, &mut exchange, step, permitting);
    assert_eq!(patients, ["p1"]);
    assert_eq!(rewritten(&step, asked.to_string().len()).len(), 2);
    let (_, step) = post(&mut world, "patient/*.crs", &asked);
    assert!(matches!(step, Step::Rewrite { .. }), "{step:?}");
    // What one Bundle waits for serves another, which asks for the rest.
    let mut world = taking(|_| ());
    let two = requests("batch", &[get("Patient/p1"), get("Patient/p2")]);
    let (mut first, step) = post(&mut world, "user/*.rs", &two);
    assert_eq!(step, Step::Wait);
    call(&world, &mut first);
    let (mut second, step) = post(&mut world, "user/*.rs", &two);
    assert_eq!(step, Step::Wait);
    call(&world, &mut second);
    assert_eq!(
        answered(&world, &mut first, &of("p1", json!({"type": "permit"}))),
        Step::Wait
    );
    assert_eq!(first.call(&world.guard), None, "the other asks for p2");
    let step = answered(&world, &mut second, &of("p2", json!({"type": "permit"})));
    assert!(matches!(step, Step::Rewrite { .. }), "{step:?}");
    let step = world.wake(&mut first, T);
    assert!(matches!(step, Step::Rewrite { .. }), "{step:?}");
    // Whoever asked for it is gone: the other asks again.
    let mut world = taking(|_| ());
    let (mut first, _) = post(&mut world, "user/*.rs", &two);
    let (mut second, _) = post(&mut world, "user/*.rs", &two);
    call(&world, &mut first);
    call(&world, &mut second);
    drop(first);
    answered(&world, &mut second, &of("p2", json!({"type": "permit"})));
    let (patients, step) = ask_all(&world, &mut second, Step::Wait, permitting);
    assert_eq!(patients, ["p1"]);
    assert!(matches!(step, Step::Rewrite { .. }), "{step:?}");
}

#[test]
fn so_many_patients_and_no_more() {
    let of_patients = |count: usize| -> Vec<Value> {
        (0..count)
            .map(|number| get(&format!("Patient/n{number}")))
            .collect()
    };
    for (count, kind, sent) in [
        (8, "batch", Some(8)),
        (9, "batch", Some(8)),
        (8, "transaction", Some(8)),
        (9, "transaction", None),
    ] {
        let mut world = taking(|_| ());
        let asked = requests(kind, &of_patients(count));
        let (mut exchange, step) = post(&mut world, "user/*.rs", &asked);
        let (_, step) = ask_all(&world, &mut exchange, step, permitting);
        let found = match &step {
            Step::Rewrite { .. } => Some(rewritten(&step, asked.to_string().len()).len()),
            Step::Reply(reply) => {
                assert_eq!(reply.status, 403);
                None
            }
            step => panic!("{step:?}"),
        };
        assert_eq!(found, sent, "{count} {kind}");
        let record = world.record(&mut exchange);
        let refused = rules(&record);
        let refused = refused.iter().filter(|rule| *rule == "consent.c");
        assert_eq!(refused.count(), count - 8, "{count} {kind}");
    }
}

#[test]
fn nothing_goes_on_where_nobody_consents_or_answers() {
    let two = requests("batch", &[get("Patient/p1"), get("Observation?patient=p2")]);
    let mut world = taking(|config| {
        config["limits"] = json!([{"name": "l", "key": ["client"], "rate": "1/h", "burst": 10}]);
    });
    let (mut exchange, step) = post(&mut world, "user/*.rs", &two);
    let denying = |patient: &str| Some(of(patient, json!({"type": "deny"})));
    let (_, step) = ask_all(&world, &mut exchange, step, denying);
    let Step::Reply(reply) = step else {
        panic!("{step:?}")
    };
    assert_eq!(reply.status, 200);
    let answer: Value = serde_json::from_slice(&reply.body).expect("JSON");
    for entry in answer["entry"].as_array().expect("entries") {
        assert_eq!(entry["response"]["status"], "403");
    }
    let names: Vec<&str> = reply.headers.iter().map(|(name, _)| *name).collect();
    assert!(names.contains(&"ratelimit"), "it was charged: {names:?}");
    let record = world.record(&mut exchange);
    assert_eq!(
        (&record["outcome"], rules(&record).len()),
        (&json!("refused"), 2)
    );
    // In time, all together.
    let mut world = taking(|_| ());
    let (mut exchange, step) = post(&mut world, "user/*.rs", &two);
    assert_eq!(step, Step::Wait);
    call(&world, &mut exchange);
    assert_eq!(world.wake(&mut exchange, T), Step::Wait);
    answered(&world, &mut exchange, &of("p1", json!({"type": "permit"})));
    assert_eq!(world.wake(&mut exchange, T + 5 * SECOND), Step::Wait);
    let step = world.wake(&mut exchange, T + 7 * SECOND);
    let sent = rewritten(&step, two.to_string().len());
    assert_eq!(sent, [get("Patient/p1")], "what is known goes on");
    let record = world.record(&mut exchange);
    assert_eq!(rules(&record)[1], "unavailable.consent");
    // A rule that reports withholds nothing.
    let mut world = taking(|config| config["rules"][0]["report"] = json!(true));
    let three = requests(
        "transaction",
        &[get("Patient/p1"), get("Observation/o1"), get("Patient/p2")],
    );
    let (mut exchange, step) = post(&mut world, "user/*.rs", &three);
    let (_, step) = ask_all(&world, &mut exchange, step, denying);
    assert_eq!(rewritten(&step, three.to_string().len()).len(), 3);
    let record = world.record(&mut exchange);
    assert_eq!(
        record["reported"].as_array().map(Vec::len),
        Some(2),
        "{record}"
    );
}

#[test]
fn each_part_of_the_answer_is_held_to_the_consent_of_its_patient() {
    let label = json!([{"system": "urn:x", "code": "PSY"}]);
    let said = |patient: &str| {
        let denial = json!({"type": "deny", "securityLabel": label});
        Some(match patient {
            "p1" => of("p1", json!({"type": "permit", "provision": [denial]})),
            _ => of(patient, json!({"type": "permit"})),
        })
    };
    let observation = |id: &str, patient: &str| {
        json!({"resource": {"resourceType": "Observation", "id": id, "meta": {"security": label},
            "subject": {"reference": format!("Patient/{patient}")}}})
    };
    // The type of a Bundle stands before its entries.
    let found = |entries: Value| {
        format!(
            r#"{{"response":{{"status":"200"}},"resource":{{"resourceType":"Bundle","type":"searchset","entry":{entries}}}}}"#
        )
    };
    let mut world = taking(|_| ());
    let asked = requests(
        "batch",
        &[
            get("Observation?patient=p1"),
            get("Observation?patient=p2"),
            get("Patient/p1"),
        ],
    );
    let (mut exchange, step) = post(&mut world, "user/*.rs", &asked);
    let (_, step) = ask_all(&world, &mut exchange, step, said);
    assert!(matches!(step, Step::Rewrite { .. }), "{step:?}");
    let both = json!([observation("o1", "p1"), observation("o2", "p2")]);
    let patient = json!({"response": {"status": "200"},
        "resource": {"resourceType": "Patient", "id": "p1", "meta": {"security": label}}});
    let text = format!(
        r#"{{"resourceType":"Bundle","type":"batch-response","entry":[{},{},{patient}]}}"#,
        found(both.clone()),
        found(both)
    );
    let head = [
        (":status", "200"),
        ("content-type", "application/fhir+json"),
    ];
    let answer = world.answer(&mut exchange, &head, &[text.as_bytes(), b""], false);
    let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(ids(&body["entry"][0]["resource"]), Vec::<String>::new());
    assert_eq!(ids(&body["entry"][1]["resource"]), ["o2"]);
    assert_eq!(body["entry"][2]["response"]["status"], "404");
}
