//! Writes with `patient/` scopes, as far as the head decides.

use super::*;

#[test]
fn a_patient_writes_chosen_types_and_what_is_read_first() {
    let types = ["Observation", "Patient"].map(|name| ResourceType::parse(name).expect("a type"));
    let trusting = FhirPolicy {
        writes: WritePolicy {
            patient_types: types.to_vec(),
            if_match: true,
            ..WritePolicy::default()
        },
        ..fhir()
    };
    let terms = Terms {
        fhir: &trusting,
        ..terms()
    };
    let absent = Some(Denial::Absent { forbidden: false });
    let other_type = Some(Denial::NotSupported("patient-write-type"));
    for (target, expected, rests) in [
        ("POST /Observation", None, false),
        ("PUT /Observation/o1", None, true),
        ("PATCH /Observation/o1", None, true),
        ("DELETE /Observation/o1", None, true),
        ("PUT /Patient/p1", None, true),
        ("PATCH /Patient/p1", None, true),
        ("PUT /Patient/p2", absent.clone(), false),
        ("PATCH /Patient/p2", absent, false),
        ("POST /Patient", other_type.clone(), false),
        ("DELETE /Patient/p1", other_type.clone(), false),
        ("POST /Condition", other_type, false),
        ("GET /Patient/p1", None, false),
    ] {
        let found = authorize(&principal("patient/*.cruds", &[]), &request(target), &terms);
        let rests_on_current = found.as_ref().is_ok_and(Permit::rests_on_current);
        assert_eq!(
            (found.err(), rests_on_current),
            (expected, rests),
            "{target}"
        );
        let system = authorize(&principal("system/*.cruds", &[]), &request(target), &terms);
        assert!(
            system.is_ok_and(|permit| !permit.rests_on_current()),
            "{target}"
        );
    }
}
