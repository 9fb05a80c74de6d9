//! Reports, documents, plans, goals, coverage and binaries.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::concept;
use super::people::Person;

const LOINC: &str = "http://loinc.org";

/// The documents of one patient; `p1` to `p3` also have a Binary.
pub fn of(person: &Person) -> Vec<Value> {
    let mut all = vec![
        diagnostic_report(person),
        document_reference(person),
        care_plan(person),
        goal(person),
        coverage(person),
    ];
    if person.number <= 3 {
        all.push(binary(person));
    }
    all
}

fn diagnostic_report(person: &Person) -> Value {
    json!({
        "resourceType": "DiagnosticReport",
        "id": format!("dr-{}-1", person.id),
        "text": person.narrative("Laboratory report"),
        "status": "final",
        "category": [concept("http://terminology.hl7.org/CodeSystem/v2-0074", "LAB", "Laboratory")],
        "code": concept(LOINC, "58410-2", "Complete blood count panel"),
        "subject": person.reference(),
        "encounter": {"reference": format!("Encounter/e-{}-1", person.id)},
        "effectiveDateTime": "2024-03-01T07:15:00Z",
        "issued": "2024-03-01T15:00:00.000Z",
        "performer": [{"reference": "Organization/organization-1"}],
        "result": [
            {"reference": format!("Observation/o-{}-1", person.id)},
            {"reference": format!("Observation/o-{}-2", person.id)}
        ],
        "conclusion": format!("Values of {} within the expected range.", person.name()),
        "presentedForm": [{
            "contentType": "text/plain",
            "data": letter(person, "Laboratory report"),
            "title": format!("Report for {}", person.name())
        }]
    })
}

fn document_reference(person: &Person) -> Value {
    let attachment = if person.number <= 3 {
        json!({"contentType": "text/plain", "url": format!("Binary/b-{}-1", person.id), "title": "Discharge letter"})
    } else {
        json!({"contentType": "text/plain", "data": letter(person, "Discharge letter"), "title": "Discharge letter"})
    };
    json!({
        "resourceType": "DocumentReference",
        "id": format!("d-{}-1", person.id),
        "identifier": [{"system": "http://hospital.example.org/documents", "value": format!("DOC-{}", 500 + person.number)}],
        "status": "current",
        "type": concept(LOINC, "18842-5", "Discharge summary"),
        "category": [concept("http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category", "clinical-note", "Clinical Note")],
        "subject": person.reference(),
        "date": "2024-02-22T16:20:00.000Z",
        "author": [{"reference": "Practitioner/practitioner-1"}],
        "content": [{"attachment": attachment}],
        "context": {"encounter": [{"reference": format!("Encounter/e-{}-2", person.id)}]}
    })
}

/// The Goal stays inside as a contained resource with a subject of its own.
fn care_plan(person: &Person) -> Value {
    json!({
        "resourceType": "CarePlan",
        "id": format!("cp-{}-1", person.id),
        "text": person.narrative("Care plan"),
        "contained": [{
            "resourceType": "Goal",
            "id": "walk",
            "lifecycleStatus": "active",
            "description": {"text": "Walk 30 minutes a day"},
            "subject": person.reference()
        }],
        "status": "active",
        "intent": "plan",
        "category": [concept("http://hl7.org/fhir/us/core/CodeSystem/careplan-category", "assess-plan", "Assessment and Plan of Treatment")],
        "title": "Diabetes self management",
        "subject": person.reference(),
        "period": {"start": "2024-01-01", "end": "2024-12-31"},
        "author": {"reference": "Practitioner/practitioner-2"},
        "goal": [{"reference": "#walk"}, {"reference": format!("Goal/g-{}-1", person.id)}]
    })
}

fn goal(person: &Person) -> Value {
    json!({
        "resourceType": "Goal",
        "id": format!("g-{}-1", person.id),
        "lifecycleStatus": "active",
        "category": [concept("http://terminology.hl7.org/CodeSystem/goal-category", "dietary", "Dietary")],
        "description": {"text": "Haemoglobin A1c below 7 %"},
        "subject": person.reference(),
        "startDate": "2024-01-15",
        "target": [{"dueDate": "2024-12-15"}]
    })
}

fn coverage(person: &Person) -> Value {
    json!({
        "resourceType": "Coverage",
        "id": format!("cov-{}-1", person.id),
        "identifier": [{"system": "http://insurer.example.org/members", "value": format!("MEM-{}", 9000 + person.number)}],
        "status": "active",
        "type": concept("http://terminology.hl7.org/CodeSystem/v3-ActCode", "HIP", "health insurance plan policy"),
        "subscriberId": format!("SUB-{}", 9000 + person.number),
        "beneficiary": person.reference(),
        "relationship": concept("http://terminology.hl7.org/CodeSystem/subscriber-relationship", "self", "Self"),
        "period": {"start": "2023-01-01", "end": "2025-12-31"},
        "payor": [{"reference": "Organization/organization-2"}]
    })
}

fn binary(person: &Person) -> Value {
    json!({
        "resourceType": "Binary",
        "id": format!("b-{}-1", person.id),
        "contentType": "text/plain",
        "securityContext": {"reference": format!("Patient/{}", person.id)},
        "data": letter(person, "Discharge letter")
    })
}

fn letter(person: &Person, title: &str) -> String {
    STANDARD.encode(format!(
        "{title}\n\n{}, born {}, {}\n",
        person.name(),
        person.birth_date,
        person.mrn()
    ))
}
