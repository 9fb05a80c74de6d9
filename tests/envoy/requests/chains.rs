//! Chains and `_has`: only where configured, and only by what the caller may see.

use serde_json::json;

use super::ask;
use crate::table::{NOT_SUPPORTED, Table, refusal};
use crate::world::{Setting, World};

const PATIENT: &str = "patient/*.rs";
const USER: &str = "user/*.s";

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_has_the_hops_of_the_list_bypass_1_2_3() {
    let setting = Setting {
        policy: Some(Box::new(|policy| {
            policy["fhir"]["search"] = json!({
                "chains": ["Observation:subject:Patient", "Patient:general-practitioner:Practitioner"],
                "has": ["Observation:patient"],
            });
        })),
        ..Setting::default()
    };
    let world = World::with(setting).await;
    let mut table = Table::new(&world);
    forwarded(&mut table).await;
    refused(&mut table).await;
    table.finish().await;
    world.close().await;
}

/// The test server knows no chains: what is looked at is what goes upstream.
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
            400,
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
            "Patient?_has:Observation:patient:_has:AuditEvent:entity:agent=a",
            NOT_SUPPORTED,
            parameter,
        ),
    ] {
        let request = ask(world, scope, "GET", &format!("/r4/{path}"));
        table.refused(path, &client, request, expected, rule).await;
    }
}
