//! Encounters, conditions, medication, allergies, immunizations and procedures.

use serde_json::{Value, json};

use super::concept;
use super::people::Person;

const SNOMED: &str = "http://snomed.info/sct";
const RXNORM: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";
const CVX: &str = "http://hl7.org/fhir/sid/cvx";
const CONDITIONS: [(&str, &str); 4] = [
    ("44054006", "Type 2 diabetes mellitus"),
    ("38341003", "Hypertensive disorder"),
    ("195967001", "Asthma"),
    ("396275006", "Osteoarthritis"),
];
const MEDICATIONS: [(&str, &str); 4] = [
    ("860975", "Metformin 500 MG"),
    ("314076", "Lisinopril 10 MG"),
    ("745679", "Albuterol inhaler"),
    ("197805", "Ibuprofen 400 MG"),
];
const SUBSTANCES: [(&str, &str); 3] = [
    ("91936005", "Penicillin"),
    ("91935009", "Peanut"),
    ("300916003", "Latex"),
];
const VACCINES: [(&str, &str); 2] = [("140", "Influenza, seasonal"), ("208", "COVID-19, mRNA")];
const PROCEDURES: [(&str, &str); 3] = [
    ("80146002", "Appendectomy"),
    ("73761001", "Colonoscopy"),
    ("174041007", "Laparoscopic cholecystectomy"),
];

/// The clinical record of one patient, observations apart.
pub fn of(person: &Person) -> Vec<Value> {
    let mut all = Vec::new();
    for index in 1..=2 {
        all.push(encounter(person, index));
        all.push(condition(person, index));
        all.push(medication_request(person, index));
        all.push(immunization(person, index));
    }
    all.push(allergy(person));
    all.push(procedure(person));
    all
}

fn encounter(person: &Person, index: usize) -> Value {
    let (code, display) = if index == 1 {
        ("AMB", "ambulatory")
    } else {
        ("IMP", "inpatient encounter")
    };
    let day = 1 + (person.number + index) % 28;
    json!({
        "resourceType": "Encounter",
        "id": format!("e-{}-{index}", person.id),
        "text": person.narrative("Encounter"),
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": code, "display": display},
        "type": [concept(SNOMED, "185345009", "Encounter for symptom")],
        "subject": person.reference(),
        "participant": [{"individual": {"reference": format!("Practitioner/practitioner-{}", 1 + person.number % 4)}}],
        "period": {"start": format!("2024-0{index}-{day:02}T09:00:00Z"), "end": format!("2024-0{index}-{day:02}T09:45:00Z")},
        "location": [{"location": {"reference": format!("Location/location-{}", 1 + person.number % 2)}}],
        "serviceProvider": {"reference": format!("Organization/organization-{}", 1 + person.number % 2)}
    })
}

fn condition(person: &Person, index: usize) -> Value {
    let (code, display) = CONDITIONS[(person.number + index) % CONDITIONS.len()];
    let mut condition = json!({
        "resourceType": "Condition",
        "id": format!("c-{}-{index}", person.id),
        "text": person.narrative(display),
        "clinicalStatus": concept("http://terminology.hl7.org/CodeSystem/condition-clinical", "active", "Active"),
        "verificationStatus": concept("http://terminology.hl7.org/CodeSystem/condition-ver-status", "confirmed", "Confirmed"),
        "category": [concept("http://terminology.hl7.org/CodeSystem/condition-category", "problem-list-item", "Problem List Item")],
        "code": concept(SNOMED, code, display),
        "subject": person.reference(),
        "encounter": {"reference": format!("Encounter/e-{}-{index}", person.id)},
        "onsetDateTime": format!("20{:02}-03-04", 10 + person.number % 12),
        "recordedDate": "2024-02-10",
        "recorder": {"reference": "Practitioner/practitioner-2"}
    });
    if person.number % 4 == 1 && index == 2 {
        condition["code"] = concept(SNOMED, "35489007", "Depressive disorder");
        condition["meta"] = json!({"security": [
            {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R", "display": "restricted"},
            {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "PSY", "display": "psychiatry disorder information sensitivity"}
        ]});
    }
    condition
}

/// The second one carries its Medication and the prescriber's role as contained resources.
fn medication_request(person: &Person, index: usize) -> Value {
    let (code, display) = MEDICATIONS[(person.number + index) % MEDICATIONS.len()];
    let medication = concept(RXNORM, code, display);
    let mut request = json!({
        "resourceType": "MedicationRequest",
        "id": format!("m-{}-{index}", person.id),
        "status": if index == 1 { "active" } else { "completed" },
        "intent": "order",
        "subject": person.reference(),
        "encounter": {"reference": format!("Encounter/e-{}-{index}", person.id)},
        "authoredOn": format!("2024-0{}-15", 2 + index),
        "requester": {"reference": format!("Practitioner/practitioner-{}", 1 + person.number % 4)},
        "dosageInstruction": [{"text": "1 tablet twice a day"}]
    });
    if index == 1 {
        request["medicationCodeableConcept"] = medication;
    } else {
        request["contained"] = json!([{"resourceType": "Medication", "id": "medication", "code": medication, "status": "active"}]);
        request["medicationReference"] = json!({"reference": "#medication", "display": display});
    }
    request
}

fn immunization(person: &Person, index: usize) -> Value {
    let (code, display) = VACCINES[index % VACCINES.len()];
    json!({
        "resourceType": "Immunization",
        "id": format!("i-{}-{index}", person.id),
        "status": "completed",
        "vaccineCode": concept(CVX, code, display),
        "patient": person.reference(),
        "encounter": {"reference": format!("Encounter/e-{}-1", person.id)},
        "occurrenceDateTime": format!("2023-{:02}-{:02}", 9 + index, 1 + person.number % 28),
        "primarySource": true,
        "lotNumber": format!("LOT-{}", 7000 + person.number),
        "performer": [{"actor": {"reference": "Practitioner/practitioner-3"}}]
    })
}

fn allergy(person: &Person) -> Value {
    let (code, display) = SUBSTANCES[person.number % SUBSTANCES.len()];
    json!({
        "resourceType": "AllergyIntolerance",
        "id": format!("a-{}-1", person.id),
        "text": person.narrative("Allergy"),
        "clinicalStatus": concept("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "active", "Active"),
        "verificationStatus": concept("http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "confirmed", "Confirmed"),
        "type": "allergy",
        "category": [if code == "91936005" { "medication" } else { "environment" }],
        "criticality": "high",
        "code": concept(SNOMED, code, display),
        "patient": person.reference(),
        "recordedDate": "2021-07-19",
        "reaction": [{"manifestation": [concept(SNOMED, "271807003", "Rash")], "severity": "mild"}]
    })
}

fn procedure(person: &Person) -> Value {
    let (code, display) = PROCEDURES[person.number % PROCEDURES.len()];
    json!({
        "resourceType": "Procedure",
        "id": format!("pr-{}-1", person.id),
        "status": "completed",
        "category": concept(SNOMED, "387713003", "Surgical procedure"),
        "code": concept(SNOMED, code, display),
        "subject": person.reference(),
        "encounter": {"reference": format!("Encounter/e-{}-2", person.id)},
        "performedPeriod": {"start": "2024-02-20T08:00:00Z", "end": "2024-02-20T10:30:00Z"},
        "performer": [{"actor": {"reference": "Practitioner/practitioner-4"}}]
    })
}
