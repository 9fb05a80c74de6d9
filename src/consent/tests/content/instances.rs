//! Rules about single resources.

use super::*;

#[test]
fn instances_are_known_by_type_and_id() {
    let data =
        |reference: &str| json!([{"meaning": "instance", "reference": {"reference": reference}}]);
    let own = json!({"resourceType": "Observation", "id": "r1"});
    let nameless = json!({"resourceType": "Observation"});
    let containing = json!({"resourceType": "Observation", "id": "r1",
        "contained": [{"resourceType": "Medication", "id": "m1"}]});
    let local = json!({"resourceType": "MedicationRequest", "id": "r2",
        "contained": [{"resourceType": "Observation", "id": "r1"}]});
    let (r1, base) = (|| data("Observation/r1"), "https://fhir.example.org/r4");
    for (name, data, resource, (permits, denies)) in [
        ("the same", r1(), &own, YES),
        (
            "absolute",
            data(&format!("{base}/Observation/r1")),
            &own,
            YES,
        ),
        ("a version", data("Observation/r1/_history/2"), &own, YES),
        (
            "an absolute version",
            data(&format!("{base}/Observation/r1/_history/2")),
            &own,
            YES,
        ),
        ("another", data("Observation/r2"), &own, NO),
        ("another case", data("Observation/R1"), &own, NO),
        ("another type", data("Condition/r1"), &own, NO),
        ("no id", r1(), &nameless, UNKNOWN),
        ("no id, another type", data("Condition/r1"), &nameless, NO),
        ("with what it contains", r1(), &containing, YES),
        ("what is contained has another's id", r1(), &local, NO),
        (
            "one of two",
            json!([data("Observation/r2")[0], r1()[0]]),
            &own,
            YES,
        ),
        (
            "of another server",
            data("https://other/Observation/r1"),
            &own,
            UNKNOWN,
        ),
        ("contained", data("#r1"), &own, UNKNOWN),
        (
            "a urn",
            data("urn:uuid:c757873d-ec9a-4326-a141-556f43239520"),
            &own,
            UNKNOWN,
        ),
        (
            "no version",
            data("Observation/r1/_history/"),
            &own,
            UNKNOWN,
        ),
        ("a part", data("Observation/r1/x"), &own, UNKNOWN),
        (
            "conditional",
            data("Observation?identifier=1"),
            &own,
            UNKNOWN,
        ),
        ("no type of R4", data("Observations/r1"), &own, UNKNOWN),
        (
            "by identifier",
            json!([{"meaning": "instance", "reference": {"identifier": {"value": "1"}}}]),
            &own,
            UNKNOWN,
        ),
        (
            "no reference",
            json!([{"meaning": "instance"}]),
            &own,
            UNKNOWN,
        ),
        (
            "no meaning",
            json!([{"reference": {"reference": "Observation/r2"}}]),
            &own,
            UNKNOWN,
        ),
        (
            "related",
            json!([{"meaning": "related", "reference": {"reference": "Observation/r2"}}]),
            &own,
            UNKNOWN,
        ),
        (
            "dependents",
            json!([{"meaning": "dependents", "reference": {"reference": "Observation/r2"}}]),
            &own,
            UNKNOWN,
        ),
        (
            "authored by",
            json!([{"meaning": "authoredby", "reference": {"reference": "Practitioner/d1"}}]),
            &own,
            UNKNOWN,
        ),
        (
            "modified",
            json!([{"meaning": "instance", "_meaning": {}, "reference": {"reference": "Observation/r2"}}]),
            &own,
            UNKNOWN,
        ),
        ("no list", r1()[0].clone(), &own, UNKNOWN),
        ("empty", json!([]), &own, UNKNOWN),
    ] {
        check(name, ("data", data), resource, permits, denies);
    }
}
