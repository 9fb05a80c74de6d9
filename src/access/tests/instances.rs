//! What a patient may read by its id, and search without saying whose.

use super::*;
use crate::fhir::{PatientCompartment, search_parameter};

#[test]
fn a_patient_reads_what_the_answer_can_be_decided_on() {
    let named = |name: &str| ResourceType::parse(name).expect("a type of R4");
    let task = search_parameter(named("Task"), "patient").expect("a parameter of R4");
    let more = FhirPolicy {
        compartment: Rc::new(PatientCompartment {
            added: vec![(named("Task"), task)],
            universal: vec![named("Organization")],
        }),
        ..fhir()
    };
    let plain = fhir();
    let caller = principal("patient/*.rs", &[]);
    let absent = || Err(Denial::Absent { forbidden: false });
    let unconfined = || Err(Denial::NotSupported("parameter"));
    for (target, by_default, configured) in [
        ("GET /Observation/o1", Ok(()), Ok(())),
        ("GET /Observation/o1/_history/2", Ok(()), Ok(())),
        ("GET /Observation/o1/_history", Ok(()), Ok(())),
        ("GET /Patient/p1", Ok(()), Ok(())),
        ("GET /Patient/p2", absent(), absent()),
        ("GET /Patient/p2/_history/1", absent(), absent()),
        ("GET /Organization/o1", absent(), Ok(())),
        ("GET /Location/l1", absent(), absent()),
        ("GET /Task/t1", absent(), Ok(())),
        ("GET /Device/d1", absent(), absent()),
        ("GET /Organization?name=x", unconfined(), Ok(())),
        ("GET /Location?name=x", unconfined(), unconfined()),
        ("GET /Task?status=draft", unconfined(), Ok(())),
        ("GET /Task?patient=p1", unconfined(), Ok(())),
        ("GET /Task?subject=Patient/p1", unconfined(), Ok(())),
        ("GET /Task?patient=p2", absent(), absent()),
        (
            "GET /Task?patient=p1&subject=Patient/p2",
            absent(),
            absent(),
        ),
        ("GET /Observation?code=x", Ok(()), Ok(())),
    ] {
        for (policy, expected) in [(&plain, by_default), (&more, configured)] {
            let terms = Terms {
                fhir: policy,
                ..terms()
            };
            let found = authorize(&caller, &request(target), &terms).map(|permit| {
                assert_eq!(permit.patient(), Some("p1"), "{target}");
            });
            assert_eq!(found, expected, "{target}");
        }
    }
}
