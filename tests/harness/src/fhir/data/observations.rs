//! Observations: laboratory and vital signs.

use serde_json::{Value, json};

use super::concept;
use super::people::Person;

const LOINC: &str = "http://loinc.org";
const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
const UCUM: &str = "http://unitsofmeasure.org";

/// LOINC code, display, unit, value in tenths of the unit.
const LABORATORY: [(&str, &str, &str, usize); 6] = [
    ("4548-4", "Hemoglobin A1c", "%", 62),
    ("2339-0", "Glucose", "mg/dL", 980),
    ("2093-3", "Total Cholesterol", "mg/dL", 1890),
    ("718-7", "Hemoglobin", "g/dL", 138),
    ("2160-0", "Creatinine", "mg/dL", 11),
    ("75622-1", "HIV 1 and 2 tests", "{index}", 4),
];
const VITAL_SIGNS: [(&str, &str, &str, usize); 6] = [
    ("85354-9", "Blood pressure panel", "mm[Hg]", 1200),
    ("8867-4", "Heart rate", "/min", 720),
    ("8310-5", "Body temperature", "Cel", 368),
    ("29463-7", "Body weight", "kg", 715),
    ("8302-2", "Body height", "cm", 1720),
    ("9279-1", "Respiratory rate", "/min", 160),
];

/// The observations of one patient: twelve of `p1`, four of everybody else.
pub fn of(person: &Person) -> Vec<Value> {
    let each = if person.number == 1 {
        LABORATORY.len()
    } else {
        2
    };
    let laboratory = LABORATORY
        .iter()
        .take(each)
        .map(|row| ("laboratory", "Laboratory", row));
    let vital_signs = VITAL_SIGNS
        .iter()
        .take(each)
        .map(|row| ("vital-signs", "Vital Signs", row));
    laboratory
        .chain(vital_signs)
        .enumerate()
        .map(|(index, row)| observation(person, index + 1, row))
        .collect()
}

/// `o-mixed`: the subject is one patient, a performer is another, so that it lies in both compartments.
pub fn mixed(subject: &Person, performer: &Person) -> Value {
    let mut mixed = observation(subject, 1, ("vital-signs", "Vital Signs", &VITAL_SIGNS[1]));
    mixed["id"] = json!("o-mixed");
    mixed["performer"] =
        json!([{"reference": "Practitioner/practitioner-1"}, performer.reference()]);
    mixed
}

/// The second version of the patient's first observation.
pub fn corrected(person: &Person) -> Value {
    let mut corrected = observation(person, 1, ("laboratory", "Laboratory", &LABORATORY[0]));
    corrected["status"] = json!("corrected");
    corrected["valueQuantity"]["value"] = json!(6.5);
    corrected["meta"] = json!({"lastUpdated": "2025-12-20T08:00:00.000Z"});
    corrected
}

fn observation(
    person: &Person,
    index: usize,
    row: (&str, &str, &(&str, &str, &str, usize)),
) -> Value {
    let (category, category_display, (code, display, unit, tenths)) = row;
    let mut observation = json!({
        "resourceType": "Observation",
        "id": format!("o-{}-{index}", person.id),
        "text": person.narrative(display),
        "status": "final",
        "category": [concept(CATEGORY, category, category_display)],
        "code": concept(LOINC, code, display),
        "subject": person.reference(),
        "encounter": {"reference": format!("Encounter/e-{}-1", person.id)},
        "effectiveDateTime": format!("2024-{:02}-{:02}T09:30:00Z", 1 + (index + person.number) % 12, 1 + person.number % 28),
        "issued": "2024-12-31T12:00:00.000Z"
    });
    if index % 2 == 1 {
        observation["performer"] = json!([
            {"reference": format!("Practitioner/practitioner-{}", 1 + index % 4), "display": "Attending"}
        ]);
    }
    if *code == "85354-9" {
        observation["component"] = json!([
            component(
                "8480-6",
                "Systolic blood pressure",
                1180 + person.number * 10
            ),
            component("8462-4", "Diastolic blood pressure", 760 + person.number)
        ]);
    } else {
        observation["valueQuantity"] = quantity(tenths + person.number, unit);
    }
    if *code == "4548-4" {
        observation["note"] =
            json!([{"text": format!("Discussed with {} by phone.", person.name())}]);
    }
    if *code == "75622-1" {
        observation["meta"] = json!({"security": [
            {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R", "display": "restricted"},
            {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "HIV", "display": "HIV/AIDS information sensitivity"}
        ]});
    }
    observation
}

fn component(code: &str, display: &str, tenths: usize) -> Value {
    json!({"code": concept(LOINC, code, display), "valueQuantity": quantity(tenths, "mm[Hg]")})
}

fn quantity(tenths: usize, unit: &str) -> Value {
    let value = tenths as f64 / 10.0;
    json!({"value": value, "unit": unit, "system": UCUM, "code": unit})
}
