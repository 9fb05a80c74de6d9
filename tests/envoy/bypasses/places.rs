//! Another name, another type, another operation for what may not be had.

use serde_json::{Value, json};

use super::{ALL, FHIR, PATIENT, ask, reference};
use crate::table::{ABSENT, MALFORMED, NOT_SUPPORTED, Table};
use crate::world::{Setting, World};

const PARAMETER: &str = "request.not-supported.parameter";

#[tokio::test(flavor = "multi_thread")]
async fn whom_a_patient_is_linked_with_is_another_bypass_5() {
    let world = World::shared(Setting::default()).await;
    let linked = |kind: &str| json!([{"other": reference("Patient/p2"), "type": kind}]);
    for resource in [
        json!({"resourceType": "Patient", "id": "p1", "link": linked("seealso")}),
        json!({"resourceType": "Person", "id": "both",
            "link": [{"target": reference("Patient/p1")}, {"target": reference("Patient/p2")}]}),
        json!({"resourceType": "RelatedPerson", "id": "of-p2", "patient": reference("Patient/p2"),
            "identifier": [{"value": "Patient/p1"}]}),
        json!({"resourceType": "Group", "id": "both", "type": "person", "actual": true,
            "member": [{"entity": reference("Patient/p1")}, {"entity": reference("Patient/p2")}]}),
        json!({"resourceType": "Observation", "id": "of-both", "status": "final",
            "code": {"text": "x"}, "subject": reference("Group/both")}),
        json!({"resourceType": "Observation", "id": "about-p1", "status": "final",
            "code": {"text": "x"}, "subject": reference("Patient/p2"),
            "focus": [reference("Patient/p1")]}),
    ] {
        world.put(&resource).await;
    }
    let client = world.client().reuse(true);
    for path in [
        "Patient/p2",
        "Observation/o-p2-1",
        "Person/both",
        "Group/both",
        "RelatedPerson/of-p2",
        "Observation/of-both",
        "Observation/about-p1",
    ] {
        let answer = world
            .send(&client, ask(&world, PATIENT, "GET", &format!("/r4/{path}")))
            .await;
        let faults = crate::table::faults(&answer, ABSENT, true);
        assert!(faults.is_empty(), "{path}: {faults:?}");
    }
    // What names no patient is narrowed to the own one, and brings nothing of another.
    for path in [
        "Patient?link=Patient/p1",
        "Observation?subject=Group/both",
        "Observation?focus=Patient/p1",
    ] {
        let request = ask(&world, PATIENT, "GET", &format!("/r4/{path}"));
        let answer = world.send(&client, request).await.text();
        assert!(!answer.contains("\"resource\":"), "{path}: {answer}");
    }
    let mut table = Table::new(&world);
    for (path, expected, rule) in [
        ("Observation?patient=p2", ABSENT, "compartment"),
        ("Patient?_id=p1&link=Patient/p2", ABSENT, "compartment"),
        (
            "Patient?_id=p1&link=RelatedPerson/of-p2",
            NOT_SUPPORTED,
            PARAMETER,
        ),
    ] {
        let request = ask(&world, PATIENT, "GET", &format!("/r4/{path}"));
        table.refused(path, &client, request, expected, rule).await;
    }
    let own = ask(&world, PATIENT, "GET", "/r4/Patient/p1");
    let own = table.answered("the own", &client, own, 200).await;
    // Who else it is about is not told either.
    let text = own.map(|answer| answer.text()).unwrap_or_default();
    assert!(!text.contains("p2"), "{text}");
    table.finish().await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_compared_to_its_end_and_by_case_bypass_2_13_15() {
    let world = World::shared(Setting::default()).await;
    let client = world.client().reuse(true);
    let mut table = Table::new(&world);
    for parameter in [
        "_has=Observation:patient:code",
        "_has:=x",
        "_has:Observation=x",
        "_has:Observation:patient:_has:AuditEvent:entity:agent=x",
        "_include:R4=Observation:patient",
        "_include:=Observation:patient",
        "_include.x=Observation:patient",
        "_revinclude:recurse=Provenance:target",
        "_revinclude:iterate=Provenance:target",
        "_revinclude:R4=Provenance:target",
        "_Include=Observation:patient",
        "_HAS:Observation:patient:code=x",
        "_Count=5",
        "_ID=o-p1-1",
        "Code=x",
        "patient:patient=p1",
        "Subject=p2",
        "patient.=p1",
        "patient:=p1",
        ":patient=p1",
    ] {
        for scope in [PATIENT, ALL] {
            let name = format!("{scope} {parameter}");
            let path = format!("/r4/Observation?subject=p1&{parameter}");
            let before = world.fhir.requests().len();
            let answer = world.send(&client, ask(&world, scope, "GET", &path)).await;
            let code = answer
                .json()
                .map(|outcome| outcome["issue"][0]["code"].clone());
            let refused = code == Ok(json!("not-supported")) || code == Ok(json!("invalid"));
            if answer.status != 400 || !refused || world.fhir.requests().len() != before {
                table.fault(&name, &format!("{} {}", answer.status, answer.text()));
            }
        }
    }
    for value in [
        "%23p1",
        "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
        "Patient/p1/",
        "/Patient/p1",
    ] {
        let path = format!("/r4/Observation?patient={value}");
        let request = ask(&world, PATIENT, "GET", &path);
        let rule = "request.malformed.reference";
        table
            .refused(value, &client, request, MALFORMED, rule)
            .await;
    }
    table.finish().await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_listed_is_not_there_bypass_11_34_to_40() {
    let world = World::shared(Setting::default()).await;
    let client = world.client().reuse(true);
    let mut table = Table::new(&world);
    let parameters = json!({"resourceType": "Parameters",
        "parameter": [{"name": "resource", "resource": {"resourceType": "Patient", "id": "p2"}}]})
    .to_string();
    for target in [
        // A bulk export, and what comes after it.
        "GET /r4/$export?_type=Patient",
        "POST /r4/$export",
        "GET /r4/Patient/$export?_typeFilter=Patient%3Fgender%3Dmale",
        "GET /r4/Group/g/$export",
        "GET /r4/$export-poll-status?_jobId=1",
        "DELETE /r4/$export-poll-status?_jobId=1",
        "GET /r4/bulkstatus/1",
        "GET /r4/_operations/export/1",
        "GET /r4/export/1/Patient.ndjson",
        "GET /r4/$import",
        // Another language for the same data.
        "GET /r4/$graphql?query=%7BPatient%7Bname%7D%7D",
        "POST /r4/$graphql",
        "GET /r4/Patient/p1/$graphql?query=x",
        // Patients by what they look like, and two made one.
        "POST /r4/Patient/$match",
        "POST /r4/Patient/$merge",
        "POST /r4/Patient/p1/$merge",
        "POST /r4/Patient/$purge",
        "DELETE /r4/Patient/p1/$purge",
        "GET /r4/CodeSystem/$lookup?code=x",
        "GET /r4/ConceptMap/$translate?code=x",
        "GET /r4/ValueSet/$expand?url=x",
        // Labels.
        "GET /r4/Patient/p1/$meta",
        "GET /r4/$meta",
        "POST /r4/Patient/p1/$meta-add",
        "POST /r4/Patient/p1/$meta-delete",
        "POST /r4/Observation/o-p1-1/_history/1/$meta-delete",
        "POST /r4/Observation/$validate",
        "POST /r4/$process-message",
        "GET /r4/PlanDefinition/x/$apply?subject=p2",
        "POST /r4/Questionnaire/x/$populate",
        "GET /r4/Patient/p1/$summary",
        "GET /r4/DocumentReference/$docref?patient=p2",
        "GET /r4/Observation/$lastn?patient=p1",
        "GET /r4/Observation/$stats?subject=p1",
        "GET /r4/List/$find?patient=p1",
        "GET /r4/Measure/x/$evaluate-measure",
        "POST /r4/$reindex",
        "POST /r4/$convert",
        "POST /r4/Group/$bulk-delete",
        // Nothing of it is FHIR.
        "GET /actuator/health",
        "GET /r4/actuator/env",
        "GET /r4/swagger-ui/",
        "GET /r4/api-docs",
        "GET /r4/admin",
        "GET /r4/.well-known/jwks.json",
        "GET /metadata/../admin",
    ] {
        let (method, path) = target.split_once(' ').expect("a method and a path");
        for scope in [ALL, PATIENT] {
            let name = format!("{scope} {target}");
            let mut request = ask(&world, scope, method, path);
            if method == "POST" {
                request = request.body(FHIR, parameters.clone());
            }
            let before = world.fhir.requests().len();
            let answer = world.send(&client, request).await;
            // A slash at the end makes a path malformed before it is unknown.
            let expected = if path.ends_with('/') {
                MALFORMED
            } else {
                ABSENT
            };
            for fault in crate::table::faults(&answer, expected, true) {
                table.fault(&name, &fault);
            }
            if world.fhir.requests().len() != before {
                table.fault(&name, "something went upstream");
            }
        }
    }
    for parameter in [
        "_list=42",
        "_list=$current-problems",
        "_query=current-high-risk",
    ] {
        let path = format!("/r4/Observation?patient=p1&{parameter}");
        for scope in [ALL, PATIENT] {
            let request = ask(&world, scope, "GET", &path);
            table
                .refused(parameter, &client, request, NOT_SUPPORTED, PARAMETER)
                .await;
        }
    }
    table.finish().await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_type_is_no_way_round_bypass_8_100() {
    let world = World::shared(Setting::default()).await;
    let of_other = json!({"resourceType": "Encounter", "id": "of-p2", "status": "finished",
        "class": {"code": "AMB"}, "subject": reference("Patient/p2")});
    let about = |resource_type: &str, members: Value| {
        let mut resource = members;
        resource["resourceType"] = json!(resource_type);
        resource["id"] = json!("round");
        resource
    };
    let recorded = json!("2026-01-01T00:00:00Z");
    for resource in [
        of_other,
        about(
            "Provenance",
            json!({"target": [reference("Encounter/of-p2")], "recorded": recorded,
            "agent": [{"who": reference("Practitioner/practitioner-1")}]}),
        ),
        about(
            "Communication",
            json!({"status": "completed", "encounter": reference("Encounter/of-p2"),
            "subject": reference("Patient/p2")}),
        ),
        about(
            "AuditEvent",
            json!({"type": {"code": "rest"}, "recorded": recorded,
            "agent": [{"requestor": true, "who": reference("Patient/p2")}],
            "source": {"observer": {"display": "x"}}}),
        ),
        about(
            "Task",
            json!({"status": "completed", "intent": "order", "for": reference("Patient/p1")}),
        ),
        about(
            "Linkage",
            json!({"item": [{"type": "source", "resource": reference("Patient/p1")}]}),
        ),
        about(
            "List",
            json!({"status": "current", "mode": "working", "subject": reference("Patient/p2"),
            "entry": [{"item": reference("Patient/p1")}]}),
        ),
    ] {
        world.put(&resource).await;
    }
    let client = world.client().reuse(true);
    for resource_type in [
        "Encounter",
        "Provenance",
        "Communication",
        "AuditEvent",
        "Task",
        "Linkage",
        "List",
    ] {
        let id = if resource_type == "Encounter" {
            "of-p2"
        } else {
            "round"
        };
        for id in [id, "nobody"] {
            let path = format!("/r4/{resource_type}/{id}");
            let answer = world
                .send(&client, ask(&world, PATIENT, "GET", &path))
                .await;
            let faults = crate::table::faults(&answer, ABSENT, true);
            assert!(faults.is_empty(), "{path}: {faults:?}");
        }
    }
    // What names no patient is narrowed to the own one, and brings nothing of another.
    for path in [
        "Provenance?target=Encounter/of-p2",
        "AuditEvent?entity=Encounter/of-p2",
        "Communication?encounter=Encounter/of-p2",
        "Coverage?subscriber-id=1",
        "Encounter?_id=of-p2",
        "List?item=Patient/p1",
    ] {
        let request = ask(&world, PATIENT, "GET", &format!("/r4/{path}"));
        let answer = world.send(&client, request).await.text();
        assert!(!answer.contains("\"resource\":"), "{path}: {answer}");
    }
    let mut table = Table::new(&world);
    for (path, expected, rule) in [
        ("Provenance?target=Patient/p2", ABSENT, "compartment"),
        ("Provenance?patient=p2", ABSENT, "compartment"),
        (
            "AuditEvent?entity=Patient/p2&patient=p1",
            ABSENT,
            "compartment",
        ),
        (
            "Communication?subject=p1&recipient=Patient/p2",
            ABSENT,
            "compartment",
        ),
        ("Claim?patient=p1&payee=Patient/p2", ABSENT, "compartment"),
        (
            "Coverage?beneficiary=p1&policy-holder=Patient/p2",
            ABSENT,
            "compartment",
        ),
        ("Task?focus=Patient/p1", NOT_SUPPORTED, PARAMETER),
    ] {
        let request = ask(&world, PATIENT, "GET", &format!("/r4/{path}"));
        table.refused(path, &client, request, expected, rule).await;
    }
    table.finish().await;
    world.close().await;
}
