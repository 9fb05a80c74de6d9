//! What an answer holds beside what was asked for: canaries in every place that repeats what is hidden.

use fhir_guard_harness::client::{Request, Response, Version};
use serde_json::{Value, json};

use super::{PATIENT, ask, reference};
use crate::table::{ABSENT, NOT_SUPPORTED, Table, faults};
use crate::wire::{check_head, resources};
use crate::world::{Setting, World};

/// Stands in what must not leave.
const CANARY: &str = "CANARY";
/// Stands beside it, and leaves.
const KEPT: &str = "stays";

/// Every word of an answer: its body, its fields, its trailers.
fn words(answer: &Response) -> String {
    let mut all = answer.text();
    for (field, value) in answer.headers.iter().chain(&answer.trailers) {
        all.push_str(&format!("\n{field}: {}", String::from_utf8_lossy(value)));
    }
    all
}

fn narrative() -> Value {
    json!({"status": "generated", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{CANARY}</div>")})
}

fn extension(url: &str, value: Value) -> Value {
    let mut extension = json!({ "url": url });
    let members = value.as_object().expect("an object").clone();
    extension.as_object_mut().expect("one").extend(members);
    extension
}

/// The rules of the world, by type.
fn rules() -> Value {
    let rule = |of_type: &str, action: &str, elements: &[&str]| json!({"name": of_type.to_lowercase(), "resource": of_type, "action": action, "elements": elements});
    json!([
        rule(
            "Patient",
            "remove",
            &["name", "identifier", "birthDate", "extension", "photo"]
        ),
        rule("Condition", "mask", &["code", "note"]),
        rule(
            "Observation",
            "remove",
            &[
                "note.text",
                "extension(http://a.example/race)",
                "component.code",
                "contained"
            ]
        ),
        rule(
            "DocumentReference",
            "remove",
            &["content.attachment", "description"]
        ),
        rule(
            "DiagnosticReport",
            "remove",
            &["conclusion", "conclusionCode", "presentedForm"]
        ),
        rule("Composition", "remove", &["section", "title"]),
        rule("Communication", "remove", &["payload", "note"]),
        rule("QuestionnaireResponse", "remove", &["item"]),
    ])
}

/// The patient of the scenario, and what is about it, with canaries in all that is hidden.
fn world_of_canaries() -> Vec<Value> {
    let subject =
        json!({"reference": "Patient/hid", "display": CANARY, "identifier": {"value": CANARY}});
    let nested = extension(
        "http://a.example/race",
        json!({"extension": [
            extension("text", json!({"valueString": CANARY})),
            extension("who", json!({"valueReference": {"reference": "Patient/p2", "display": CANARY}})),
        ]}),
    );
    let concept = json!({"text": CANARY, "coding": [
        {"system": "http://snomed.info/sct", "code": CANARY, "display": CANARY},
        {"system": "http://hl7.org/fhir/sid/icd-10", "code": CANARY}, {"display": CANARY}]});
    let attachment = json!({"contentType": KEPT, "data": "Q0FOQVJZ", "url": format!("https://bucket.example/x?sig={CANARY}"),
        "title": CANARY, "hash": "Q0FOQVJZ", "size": 7});
    vec![
        json!({"resourceType": "Patient", "id": "hid", "gender": "other", "text": narrative(),
            "name": [{"text": CANARY, "given": [CANARY, null, CANARY],
                "_given": [null, {"extension": [extension("http://a.example/x", json!({"valueString": CANARY}))]}, {"id": CANARY}]}],
            "identifier": [{"system": "http://a.example", "value": CANARY, "assigner": {"display": CANARY}}],
            "birthDate": "1970-01-01",
            "_birthDate": {"extension": [extension("http://hl7.org/fhir/StructureDefinition/patient-birthTime", json!({"valueDateTime": CANARY}))]},
            "extension": [nested, extension("http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName", json!({"valueString": CANARY}))],
            "photo": [attachment], "language": KEPT}),
        json!({"resourceType": "Condition", "id": "hid", "subject": subject, "text": narrative(), "code": concept,
            "note": [{"text": CANARY, "authorReference": subject}], "language": KEPT}),
        json!({"resourceType": "Observation", "id": "hid", "status": "final", "subject": subject, "text": narrative(),
            "code": {"text": KEPT}, "extension": [nested], "note": [{"text": CANARY, "_text": {"id": CANARY}}],
            "component": [{"code": concept, "valueString": KEPT}],
            "contained": [{"resourceType": "Practitioner", "id": "c", "name": [{"text": CANARY}]}],
            "performer": [{"reference": "#c", "display": CANARY}, {"reference": "Practitioner/practitioner-1"}],
            "focus": [{"type": "Condition", "reference": "Condition/hid", "display": CANARY}], "language": KEPT}),
        json!({"resourceType": "DocumentReference", "id": "hid", "status": "current", "subject": subject, "text": narrative(),
            "description": CANARY, "content": [{"attachment": attachment}], "language": KEPT}),
        json!({"resourceType": "DiagnosticReport", "id": "hid", "status": "final", "subject": subject, "text": narrative(), "code": {"text": KEPT},
            "conclusion": CANARY, "_conclusion": {"id": CANARY}, "conclusionCode": [concept], "presentedForm": [attachment], "language": KEPT}),
        json!({"resourceType": "Composition", "id": "hid", "status": "final", "subject": subject, "title": CANARY, "date": "2026",
            "type": {"text": KEPT}, "author": [{"reference": "Practitioner/practitioner-1"}],
            "section": [{"title": CANARY, "text": narrative(), "entry": [{"reference": "Condition/hid", "display": CANARY}]}], "language": KEPT}),
        json!({"resourceType": "Communication", "id": "hid", "status": "completed", "subject": subject, "text": narrative(),
            "payload": [{"contentString": CANARY}, {"contentAttachment": attachment}], "note": [{"text": CANARY}], "language": KEPT}),
        json!({"resourceType": "QuestionnaireResponse", "id": "hid", "status": "completed", "subject": subject, "text": narrative(),
            "item": [{"linkId": "1", "text": CANARY, "answer": [{"valueString": CANARY, "item": [{"linkId": "2", "answer": [{"valueAttachment": attachment}]}]}]}], "language": KEPT}),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_hidden_is_said_nowhere_else_bypass_55_to_62() {
    let world = World::shared(Setting {
        policy: Some(Box::new(|policy| {
            policy["limits"] = json!([]);
            policy["redaction"] = rules();
        })),
        ..Setting::default()
    })
    .await;
    let all = world_of_canaries();
    for resource in &all {
        world.put(resource).await;
    }
    for version in [Version::Http1, Version::Http2] {
        let certificate = world.pki.client("clinic-a");
        let client = world
            .client_of(Some(&certificate), version, "secure")
            .reuse(true);
        for (level, claims) in [
            (
                "user",
                world
                    .claims()
                    .scope("user/*.rs")
                    .fhir_user("Practitioner/7"),
            ),
            ("system", world.claims().scope("system/*.rs")),
            (
                "patient",
                world.claims().scope("patient/*.rs").patient("hid"),
            ),
        ] {
            let token = world.issuer.token(&claims);
            for resource in &all {
                let of_type = resource["resourceType"].as_str().expect("a type");
                for path in [
                    format!("{of_type}/hid"),
                    format!("{of_type}/hid/_history"),
                    format!("{of_type}/hid/_history/1"),
                    format!("{of_type}?_id=hid"),
                ] {
                    let name = format!("{level} {path} {version:?}");
                    let request = Request::get(&format!("/r4/{path}")).bearer(&token);
                    let answer = world.send(&client, request).await;
                    assert_eq!(answer.status, 200, "{name}: {}", answer.text());
                    check_head(&name, &answer);
                    let words = words(&answer);
                    // What is encoded, too.
                    for canary in [CANARY, "Q0FOQVJZ", "1970-01-01"] {
                        assert!(!words.contains(canary), "{name}: {words}");
                    }
                    assert!(
                        words.contains(KEPT) && words.contains("SUBSETTED"),
                        "{name}: {words}"
                    );
                    assert!(
                        !words.contains("\"#c\""),
                        "{name}: what it contained is gone: {words}"
                    );
                }
            }
        }
    }
    // Nor does a search tell what does not leave.
    let mut table = Table::new(&world);
    let client = world.client();
    let rule = "request.not-supported.parameter";
    for path in [
        "Condition?code=x",
        "Observation?component-code=x",
        "DiagnosticReport?conclusion=x",
        "DocumentReference?description=x",
        "Composition?title=x",
        "Patient?identifier=x",
        "Patient?name=x",
    ] {
        let request = ask(&world, "system/*.rs", "GET", &format!("/r4/{path}"));
        table
            .refused(path, &client, request, NOT_SUPPORTED, rule)
            .await;
    }
    table.finish().await;
    world.close().await;
}

/// What belongs to p1 and names others, or seems to.
fn shared() -> Vec<(Value, bool)> {
    let own = reference("Patient/p1");
    let other = json!({"reference": "Patient/p2", "display": CANARY});
    let binary = |whose: Value| {
        json!({"resourceType": "DocumentReference", "id": "x", "status": "current", "subject": own, "content": [{"attachment": {"url": "#b"}}],
            "contained": [{"resourceType": "Binary", "id": "b", "contentType": "text/plain", "data": "Q0FOQVJZ", "securityContext": whose}]})
    };
    vec![
        (
            json!({"resourceType": "List", "id": "x", "status": "current", "mode": "working", "subject": own, "text": narrative(),
            "entry": [{"item": other}, {"item": reference("Condition/c1")}], "title": KEPT}),
            true,
        ),
        (
            json!({"resourceType": "Communication", "id": "x", "status": "completed", "subject": own, "about": [other], "language": KEPT}),
            true,
        ),
        (
            json!({"resourceType": "MeasureReport", "id": "x", "status": "complete", "type": "individual", "subject": own, "measure": "http://a.example/m",
            "period": {}, "evaluatedResource": [other, reference("Observation/o-p1-1")], "language": KEPT}),
            true,
        ),
        (
            json!({"resourceType": "Observation", "id": "x", "status": "final", "code": {"text": KEPT}, "subject": own, "focus": [other],
            "_status": {"extension": [extension("http://a.example/x", json!({"valueReference": other}))]},
            "note": [{"authorReference": {"type": "Patient", "identifier": {"value": CANARY}}, "text": KEPT}]}),
            true,
        ),
        (
            json!({"resourceType": "Group", "id": "x", "type": "person", "actual": true, "member": [{"entity": own}, {"entity": other}]}),
            false,
        ),
        (
            json!({"resourceType": "Appointment", "id": "x", "status": "booked", "participant": [{"actor": own, "status": "accepted"}, {"actor": other, "status": "accepted"}]}),
            false,
        ),
        (
            json!({"resourceType": "Encounter", "id": "x", "status": "finished", "class": {}, "subject": own,
            "contained": [{"resourceType": "Patient", "id": "p", "name": [{"text": CANARY}]}]}),
            false,
        ),
        (
            json!({"resourceType": "Procedure", "id": "x", "status": "completed", "subject": own,
            "contained": [{"resourceType": "Condition", "id": "c", "subject": other}]}),
            false,
        ),
        (
            json!({"resourceType": "Immunization", "id": "x", "status": "completed", "vaccineCode": {"text": CANARY}, "patient": reference("#gone")}),
            false,
        ),
        (binary(other.clone()), false),
        (
            json!({"resourceType": "Provenance", "id": "x", "target": [own, other], "recorded": "2026-01-01T00:00:00Z", "agent": [{"who": own}]}),
            false,
        ),
        (
            json!({"resourceType": "AuditEvent", "id": "x", "type": {}, "recorded": "2026-01-01T00:00:00Z", "source": {"observer": own},
            "agent": [{"who": own, "requestor": true}], "entity": [{"what": other, "description": CANARY}]}),
            false,
        ),
        (
            json!({"resourceType": "Task", "id": "x", "status": "ready", "intent": "order", "for": own, "input": [{"type": {}, "valueReference": other}], "language": KEPT}),
            true,
        ),
        (
            json!({"resourceType": "Task", "id": "y", "status": "ready", "intent": "order", "for": other, "owner": own}),
            false,
        ),
        (
            json!({"resourceType": "Subscription", "id": "x", "status": "active", "reason": CANARY, "criteria": "Observation?patient=p1",
            "channel": {"type": "rest-hook", "endpoint": "https://a.example/CANARY"}}),
            false,
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_of_several_patients_tells_of_one_bypass_60_63_76_77() {
    let world = World::shared(Setting {
        policy: Some(Box::new(|policy| {
            policy["limits"] = json!([]);
            policy["fhir"]["patient_membership"] = json!(["Task.patient"]);
        })),
        ..Setting::default()
    })
    .await;
    let client = world.client().reuse(true);
    for (resource, leaves) in shared() {
        world.put(&resource).await;
        let (of_type, id) = (resource["resourceType"].as_str(), resource["id"].as_str());
        let path = format!("/r4/{}/{}", of_type.expect("a type"), id.expect("an id"));
        for path in [path.clone(), format!("{path}/_history/1")] {
            let answer = world
                .send(&client, ask(&world, PATIENT, "GET", &path))
                .await;
            let words = words(&answer);
            for canary in [CANARY, "Q0FOQVJZ", "Patient/p2"] {
                assert!(!words.contains(canary), "{path}: {words}");
            }
            if leaves {
                assert_eq!(answer.status, 200, "{path}: {words}");
                assert!(
                    words.contains(KEPT) && words.contains("Patient/p1"),
                    "{path}: {words}"
                );
                assert!(words.contains("SUBSETTED"), "{path}: {words}");
            } else {
                let faults = faults(&answer, ABSENT, true);
                assert!(faults.is_empty(), "{path}: {faults:?}");
            }
        }
    }
    // In a list of many, the same.
    let path = "/r4/Observation?patient=p1&_count=1000";
    let answer = world.send(&client, ask(&world, PATIENT, "GET", path)).await;
    let found = resources(&answer.json().expect("a bundle"));
    let one = found
        .iter()
        .find(|one| one["id"] == "x")
        .expect("it is there");
    assert_eq!(one.get("focus"), None, "{one}");
    assert!(!words(&answer).contains(CANARY));
    // Whoever may see all sees who they are.
    let answer = world
        .send(&client, ask(&world, "system/*.rs", "GET", "/r4/List/x"))
        .await;
    assert!(answer.text().contains("Patient/p2"), "{}", answer.text());
    // What of another does not leave is not asked for either.
    let mut table = Table::new(&world);
    for path in [
        "List?subject=p1&item=Patient/p2",
        "Observation?patient=p1&focus=Patient/p2",
        "Communication?patient=p1&recipient=Patient/p2",
    ] {
        let request = ask(&world, PATIENT, "GET", &format!("/r4/{path}"));
        table
            .refused(path, &client, request, ABSENT, "compartment")
            .await;
    }
    table.finish().await;
    world.close().await;
}
