//! Chains and `_has`: only where configured, and only by what the caller may see.

use serde_json::{Value, json};

use super::ask;
use crate::table::{NOT_SUPPORTED, Table, refusal};
use crate::wire::resources;
use crate::world::{Setting, World};

const PATIENT: &str = "patient/*.rs";
const USER: &str = "user/*.s";

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_has_the_hops_of_the_list_bypass_1_2_3() {
    let setting = Setting {
        policy: Some(Box::new(|policy| {
            policy["fhir"]["search"] = json!({
                "chains": ["Observation:subject:Patient", "Patient:general-practitioner:Practitioner"],
                "has": ["Observation:patient", "Patient:general-practitioner", "AuditEvent:entity"],
            });
        })),
        ..Setting::default()
    };
    let world = World::shared(setting).await;
    let mut table = Table::new(&world);
    forwarded(&mut table).await;
    found(&mut table).await;
    refused(&mut table).await;
    table.finish().await;
    world.close().await;
}

/// The test server knows no chains but `_has`: what is looked at is what goes upstream.
async fn forwarded(table: &mut Table<'_>) {
    let world = table.world;
    let client = world.client().reuse(true);
    for (scope, path, upstream, status) in [
        (
            USER,
            "Observation?subject.family=a",
            "Observation?subject:Patient.family=a",
            200,
        ),
        (
            "user/Observation.s user/Patient.s",
            "Observation?subject:Patient.family=a",
            "Observation?subject:Patient.family=a",
            200,
        ),
        (
            USER,
            "Observation?subject.general-practitioner.family=a",
            "Observation?subject:Patient.general-practitioner:Practitioner.family=a",
            200,
        ),
        (
            USER,
            "Patient?_has:Observation:patient:code=718-7",
            "Patient?_has:Observation:patient:code=718-7",
            200,
        ),
    ] {
        world.fhir.forget_requests();
        let request = ask(world, scope, "GET", &format!("/r4/{path}"));
        table.answered(path, &client, request, status).await;
        let sent = world.fhir.requests();
        let sent: Vec<&str> = sent
            .iter()
            .map(|request| request.path_and_query.as_str())
            .collect();
        if sent != [format!("/fhir/{upstream}")] {
            table.fault(path, &format!("{sent:?} went upstream"));
        }
    }
}

/// What a `_has` finds, which may stand in another.
async fn found(table: &mut Table<'_>) {
    let world = table.world;
    let client = world.client().reuse(true);
    let event = json!({
        "resourceType": "AuditEvent", "id": "seen", "recorded": "2024-01-01T00:00:00Z",
        "type": {"code": "rest"}, "source": {"observer": {"display": "x"}},
        "agent": [{"name": "eve", "requestor": true}],
        "entity": [{"what": {"reference": "Observation/o-p1-1"}}],
    });
    world.put(&event).await;
    let own = world.direct("/Patient/p1").await;
    let own: Value = serde_json::from_slice(&own).expect("a resource");
    let doctor = own["generalPractitioner"][0]["reference"].as_str();
    let doctor = doctor.expect("a reference").replace("Practitioner/", "");
    for (path, expected) in [
        ("Patient?_has:Observation:patient:_id=o-p1-1", "p1"),
        (
            "Patient?_has:Observation:patient:_has:AuditEvent:entity:agent-name=eve",
            "p1",
        ),
        (
            "Patient?_has:Observation:patient:_has:AuditEvent:entity:agent-name=bob",
            "",
        ),
        (
            "Practitioner?_has:Patient:general-practitioner:_has:Observation:patient:_has:AuditEvent:entity:agent-name=eve",
            doctor.as_str(),
        ),
    ] {
        world.fhir.forget_requests();
        let request = ask(world, USER, "GET", &format!("/r4/{path}"));
        let answer = table.answered(path, &client, request, 200).await;
        let bundle = answer.and_then(|answer| answer.json().ok());
        let bundle = bundle.unwrap_or_default();
        let ids = resources(&bundle);
        let ids: Vec<&str> = ids.iter().filter_map(|own| own["id"].as_str()).collect();
        if ids.join(" ") != expected {
            table.fault(path, &format!("finds {ids:?}"));
        }
        let sent = world.fhir.requests();
        if sent
            .iter()
            .any(|sent| sent.path_and_query != format!("/fhir/{path}"))
        {
            table.fault(path, "goes upstream as another search");
        }
    }
    let scope = "user/Patient.s user/Observation.s";
    let path = "Patient?_has:Observation:patient:_has:AuditEvent:entity:agent-name=eve";
    let request = ask(world, scope, "GET", &format!("/r4/{path}"));
    let challenge = r#"Bearer realm="fhir", error="insufficient_scope", scope="user/AuditEvent.s""#;
    let lacking = refusal(403, "forbidden", Some(challenge));
    table
        .refused(path, &client, request, lacking, "scope")
        .await;
}

async fn refused(table: &mut Table<'_>) {
    let world = table.world;
    let client = world.client().reuse(true);
    let parameter = "request.not-supported.parameter";
    let lacking = refusal(
        403,
        "forbidden",
        Some(r#"Bearer realm="fhir", error="insufficient_scope", scope="user/Patient.s""#),
    );
    for (scope, path, expected, rule) in [
        (
            "user/Observation.s",
            "Observation?subject.family=a",
            lacking,
            "scope",
        ),
        (
            "user/Observation.s user/Patient.s?gender=male",
            "Observation?subject.family=a",
            NOT_SUPPORTED,
            parameter,
        ),
        // The shipped rule hides it of a Patient, and so it is searched by from nowhere.
        (
            USER,
            "Observation?subject.birthdate=1980",
            NOT_SUPPORTED,
            parameter,
        ),
        (
            PATIENT,
            "Observation?patient=p1&subject.family=a",
            NOT_SUPPORTED,
            parameter,
        ),
        (
            PATIENT,
            "Patient?_id=p1&_has:Observation:patient:code=718-7",
            NOT_SUPPORTED,
            parameter,
        ),
        (
            USER,
            "Observation?patient.family=a",
            NOT_SUPPORTED,
            parameter,
        ),
        (
            USER,
            "Observation?subject:Group.name=a",
            NOT_SUPPORTED,
            parameter,
        ),
        (
            USER,
            "Patient?_has:Condition:patient:code=a",
            NOT_SUPPORTED,
            parameter,
        ),
        (
            USER,
            "Patient?_has:Observation:patient:_has:Provenance:target:recorded=2020",
            NOT_SUPPORTED,
            parameter,
        ),
        (
            PATIENT,
            "Patient?_id=p1&_has:Observation:patient:_has:AuditEvent:entity:agent-name=eve",
            NOT_SUPPORTED,
            parameter,
        ),
        (
            "user/Patient.s user/AuditEvent.s user/Observation.s?category=laboratory",
            "Patient?_has:Observation:patient:_has:AuditEvent:entity:agent-name=eve",
            NOT_SUPPORTED,
            parameter,
        ),
    ] {
        let request = ask(world, scope, "GET", &format!("/r4/{path}"));
        table.refused(path, &client, request, expected, rule).await;
    }
}
