//! The server's own data set: invented people, fixed dates, the same in every run.

mod clinical;
mod documents;
mod observations;
mod people;

use serde_json::{Value, json};

use people::Person;

/// How many patients there are: `p1` to `p36`.
pub const PATIENTS: usize = 36;

/// Every resource of the data set, in the order of loading; a second resource with the same type and
/// id is a second version of it.
pub fn own() -> Vec<Value> {
    let mut all = people::staff();
    for number in 1..=PATIENTS {
        let person = Person::new(number);
        all.push(person.patient());
        all.extend(observations::of(&person));
        all.extend(clinical::of(&person));
        all.extend(documents::of(&person));
    }
    all.push(observations::mixed(&Person::new(1), &Person::new(2)));
    all.push(observations::corrected(&Person::new(1)));
    for (index, resource) in all.iter_mut().enumerate() {
        stamp(resource, index);
    }
    all
}

/// A CodeableConcept with one coding.
fn concept(system: &str, code: &str, display: &str) -> Value {
    json!({"coding": [{"system": system, "code": code, "display": display}], "text": display})
}

/// Gives `meta.lastUpdated` where the generator set none; spread over 2025 so that `_lastUpdated` divides.
fn stamp(resource: &mut Value, index: usize) {
    let instant = format!(
        "2025-{:02}-{:02}T{:02}:{:02}:00.000Z",
        1 + index % 12,
        1 + index % 28,
        index % 24,
        index % 60
    );
    if let Some(object) = resource.as_object_mut() {
        let meta = object.entry("meta").or_insert_with(|| json!({}));
        if let Some(meta) = meta.as_object_mut() {
            meta.entry("lastUpdated").or_insert_with(|| json!(instant));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::own;

    /// Every `reference` at any depth.
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("reference") {
                    found.push(reference.clone());
                }
                members
                    .values()
                    .for_each(|member| references(member, found));
            }
            _ => {}
        }
    }

    fn key(resource: &Value) -> String {
        format!(
            "{}/{}",
            resource["resourceType"].as_str().unwrap(),
            resource["id"].as_str().unwrap()
        )
    }

    #[test]
    fn is_the_same_every_time_and_hangs_together() {
        let all = own();
        assert_eq!(all, own());
        let keys: BTreeSet<String> = all.iter().map(key).collect();
        assert!(all.len() > 600, "{} resources", all.len());
        for resource in &all {
            assert!(
                resource["meta"]["lastUpdated"].is_string(),
                "{}",
                key(resource)
            );
            let mut found = Vec::new();
            references(resource, &mut found);
            for reference in found.iter().filter(|reference| !reference.starts_with('#')) {
                assert!(
                    keys.contains(reference),
                    "{} refers to {reference}, which does not exist",
                    key(resource)
                );
            }
        }
    }

    #[test]
    fn holds_what_the_tests_count_on() {
        let all = own();
        let count = |kind: &str, patient: &str| {
            let subject = format!("Patient/{patient}");
            let of = |resource: &&Value| {
                resource["resourceType"] == kind
                    && ["subject", "patient", "beneficiary"]
                        .iter()
                        .any(|name| resource[*name]["reference"] == subject.as_str())
            };
            all.iter()
                .filter(of)
                .map(key)
                .collect::<BTreeSet<String>>()
                .len()
        };
        let rows = [
            ("Observation", "p1", 13),
            ("Observation", "p2", 4),
            ("Condition", "p1", 2),
            ("Encounter", "p36", 2),
            ("MedicationRequest", "p1", 2),
            ("AllergyIntolerance", "p1", 1),
            ("Immunization", "p1", 2),
            ("Procedure", "p1", 1),
            ("DiagnosticReport", "p2", 1),
            ("DocumentReference", "p1", 1),
            ("CarePlan", "p1", 1),
            ("Coverage", "p1", 1),
            ("Goal", "p1", 1),
        ];
        for (kind, patient, expected) in rows {
            assert_eq!(count(kind, patient), expected, "{kind} of {patient}");
        }
    }
}
