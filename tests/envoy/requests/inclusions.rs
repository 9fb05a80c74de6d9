//! What is sent along with matches.

use serde_json::{Value, json};

use super::ask;
use crate::table::{NOT_SUPPORTED, Table, refusal};
use crate::wire::resources;
use crate::world::{Setting, World};

const PATIENT: &str = "patient/*.rs";
const USER: &str = "user/*.s";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_along_is_screened_like_a_match_bypass_2_4() {
    let setting = Setting {
        policy: Some(Box::new(|policy| {
            policy["fhir"]["search"] = json!({
                "include": ["Observation:subject:Patient", "Observation:performer:Practitioner", "Patient:general-practitioner:Practitioner"],
                "revinclude": ["Observation:patient"],
            });
        })),
        ..Setting::default()
    };
    let world = World::shared(setting).await;
    included(&world).await;
    let mut table = Table::new(&world);
    refused(&mut table).await;
    table.finish().await;
    world.close().await;
}

async fn included(world: &World) {
    let client = world.client().reuse(true);
    for (scope, path, upstream, types) in [
        (
            USER,
            "Observation?_include=Observation:subject",
            "Observation?_include=Observation:subject:Patient",
            "Observation Patient",
        ),
        (
            PATIENT,
            "Observation?_include=Observation:subject",
            "Observation?patient=Patient/p1&_include=Observation:subject:Patient",
            "Observation Patient",
        ),
        (
            USER,
            "Patient?_id=p2&_include=Patient:general-practitioner",
            "Patient?_id=p2&_include=Patient:general-practitioner:Practitioner",
            "Patient Practitioner",
        ),
        (
            USER,
            "Patient?_id=p2&_revinclude=Observation:patient",
            "Patient?_id=p2&_revinclude=Observation:patient",
            "Patient Observation",
        ),
        (
            PATIENT,
            "Observation?patient=p1&_include=Observation:subject",
            "Observation?patient=Patient/p1&_include=Observation:subject:Patient",
            "Observation Patient",
        ),
        (
            PATIENT,
            "Patient?_id=p1&_revinclude=Observation:patient",
            "Patient?_id=p1&_revinclude=Observation:patient",
            "Patient Observation",
        ),
        // A Practitioner is in no patient's compartment.
        (
            PATIENT,
            "Patient?_id=p1&_include=Patient:general-practitioner",
            "Patient?_id=p1&_include=Patient:general-practitioner:Practitioner",
            "Patient",
        ),
        (
            "user/Patient.s user/Observation.s?category=vital-signs",
            "Patient?_id=p2&_revinclude=Observation:patient",
            "Patient?_id=p2&_revinclude=Observation:patient",
            "Patient Observation",
        ),
    ] {
        world.fhir.forget_requests();
        let answer = world
            .send(&client, ask(world, scope, "GET", &format!("/r4/{path}")))
            .await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let sent = world.fhir.requests();
        let sent: Vec<&str> = sent
            .iter()
            .map(|request| request.path_and_query.as_str())
            .collect();
        assert_eq!(sent, [format!("/fhir/{upstream}")], "{path}");
        let bundle = answer.json().expect("a bundle");
        let mut found: Vec<&str> = Vec::new();
        let resources = resources(&bundle);
        for resource in &resources {
            let of = resource["resourceType"].as_str().expect("a type");
            if !found.contains(&of) {
                found.push(of);
            }
        }
        assert_eq!(found.join(" "), types, "{path}");
        let modes = bundle["entry"].as_array().expect("entries").iter();
        let included = modes
            .filter(|entry| entry["search"]["mode"] == "include")
            .count();
        assert_eq!(included > 0, types.contains(' '), "{path}");
        // The shipped redaction holds of what is sent along, too.
        assert!(!answer.text().contains(r#""birthDate":"#), "{path}");
        if scope == PATIENT {
            let other = resources
                .iter()
                .find(|resource: &&Value| resource.to_string().contains("Patient/p2"));
            assert!(other.is_none(), "{path}: {other:?}");
        }
        if scope.contains("category") {
            assert!(!answer.text().contains("laboratory"), "{path}");
        }
    }
    // A server that sends along whatever it likes.
    for misbehaviour in ["foreign-include", "ignore-filters"] {
        world.fhir.misbehave(Some(misbehaviour));
        let path = "/r4/Observation?patient=p1&_include=Observation:subject";
        let answer = world.send(&client, ask(world, PATIENT, "GET", path)).await;
        assert!(!answer.text().contains("Patient/p2"), "{misbehaviour}");
        world.fhir.misbehave(None);
    }
}

async fn refused(table: &mut Table<'_>) {
    let world = table.world;
    let client = world.client().reuse(true);
    let rule = "request.not-supported.include";
    let lacking = refusal(
        403,
        "forbidden",
        Some(r#"Bearer realm="fhir", error="insufficient_scope", scope="user/Patient.s""#),
    );
    for (scope, path, expected, rule) in [
        (
            "user/Observation.s",
            "Observation?_include=Observation:subject",
            lacking,
            "scope",
        ),
        (
            PATIENT,
            "Observation?performer=Patient/p1,Practitioner/practitioner-1&_include=Observation:subject",
            NOT_SUPPORTED,
            "request.not-supported.parameter",
        ),
        (USER, "Observation?_include=*", NOT_SUPPORTED, rule),
        (
            USER,
            "Observation?_include=Observation:*",
            NOT_SUPPORTED,
            rule,
        ),
        (
            USER,
            "Observation?_include=Observation:encounter",
            NOT_SUPPORTED,
            rule,
        ),
        (
            USER,
            "Observation?_include=Observation:subject:Group",
            NOT_SUPPORTED,
            rule,
        ),
        (
            USER,
            "Patient?_revinclude=Condition:patient",
            NOT_SUPPORTED,
            rule,
        ),
        (USER, "Patient?_revinclude=*", NOT_SUPPORTED, rule),
        (
            USER,
            "Observation?_include:iterate=Observation:subject",
            NOT_SUPPORTED,
            rule,
        ),
        (
            USER,
            "Observation?_include:recurse=Observation:subject",
            NOT_SUPPORTED,
            "request.not-supported.parameter",
        ),
    ] {
        let request = ask(world, scope, "GET", &format!("/r4/{path}"));
        table.refused(path, &client, request, expected, rule).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_along_brings_more_only_where_configured_bypass_2_4() {
    let setting = Setting {
        policy: Some(Box::new(|policy| {
            policy["fhir"]["search"] = json!({
                "include": ["Observation:subject:Patient", "Patient:general-practitioner:Practitioner"],
                "revinclude": ["Condition:patient"],
                "iterate": 2,
            });
        })),
        ..Setting::default()
    };
    let world = World::shared(setting).await;
    let mut table = Table::new(&world);
    let client = world.client().reuse(true);
    let subject = "_include=Observation:subject:Patient";
    let doctor = "_include:iterate=Patient:general-practitioner:Practitioner";
    let problems = "_revinclude:iterate=Condition:patient";
    for (query, upstream, types) in [
        (
            vec![subject, doctor],
            vec![subject, doctor],
            "Observation Patient Practitioner",
        ),
        (
            vec!["_include:iterate=Patient:general-practitioner", subject],
            vec![subject, doctor],
            "Observation Patient Practitioner",
        ),
        (
            vec![subject, problems, doctor],
            vec![subject, problems, doctor],
            "Observation Patient Condition Practitioner",
        ),
    ] {
        world.fhir.forget_requests();
        let path = |query: &[&str]| format!("Observation?_id=o-p1-1&{}", query.join("&"));
        let (asked, upstream) = (path(&query), path(&upstream));
        let request = ask(&world, USER, "GET", &format!("/r4/{asked}"));
        let answer = table.answered(&asked, &client, request, 200).await;
        let text = answer.as_ref().map(|answer| answer.text());
        if text.is_none_or(|text| text.contains(r#""birthDate":"#)) {
            table.fault(&asked, "shows what is hidden");
        }
        let bundle = answer.and_then(|answer| answer.json().ok());
        let bundle = bundle.unwrap_or_default();
        let all = resources(&bundle);
        let mut found: Vec<&str> = Vec::new();
        for of in all.iter().filter_map(|own| own["resourceType"].as_str()) {
            if !found.contains(&of) {
                found.push(of);
            }
        }
        if found.join(" ") != types {
            table.fault(&asked, &format!("brings {found:?}"));
        }
        let sent = world.fhir.requests();
        if sent.len() != 1 || sent[0].path_and_query != format!("/fhir/{upstream}") {
            table.fault(&asked, "goes upstream as another search");
        }
    }
    let both = format!("Observation?patient=p1&{subject}&{doctor}");
    let rule = "request.not-supported.include";
    let lacking = refusal(
        403,
        "forbidden",
        Some(r#"Bearer realm="fhir", error="insufficient_scope", scope="user/Practitioner.s""#),
    );
    let costly = refusal(400, "too-costly", None);
    let deep = format!("{both}&{problems}&_include:iterate=Observation:subject");
    for (scope, path, expected, rule) in [
        (
            "user/Observation.s user/Patient.s",
            both.as_str(),
            lacking,
            "scope",
        ),
        // What is taken out of their answers would bring others along.
        (PATIENT, &both, NOT_SUPPORTED, rule),
        (
            "user/Observation.s?category=laboratory user/Patient.s user/Practitioner.s",
            &both,
            NOT_SUPPORTED,
            rule,
        ),
        (USER, &format!("Observation?{doctor}"), NOT_SUPPORTED, rule),
        (USER, &deep, costly, "request.too-costly.include"),
        (
            USER,
            &format!("Observation?{subject}&_include:iterate=*"),
            NOT_SUPPORTED,
            rule,
        ),
        (
            USER,
            &format!("Observation?{subject}&_include:recurse=Patient:general-practitioner"),
            NOT_SUPPORTED,
            "request.not-supported.parameter",
        ),
    ] {
        let request = ask(&world, scope, "GET", &format!("/r4/{path}"));
        table.refused(path, &client, request, expected, rule).await;
    }
    table.finish().await;
    world.close().await;
}
