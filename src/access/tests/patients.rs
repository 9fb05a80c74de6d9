//! What `patient/` scopes open.

use super::*;

#[test]
fn a_patient_scope_opens_the_own_patient_only() {
    let all = "patient/*.cruds";
    let open = Ok("scope:patient/*.cruds");
    let absent = Err("compartment");
    let parameter = Err("request.not-supported.parameter");
    let write = Err("request.not-supported.patient-write");
    let other_type = Err("request.not-supported.patient-write-type");
    for (target, expected) in [
        ("GET /Patient/p1", open),
        ("GET /Patient/p1/_history", open),
        ("GET /Patient/p1/_history/2", open),
        ("GET /Patient/p2", absent),
        ("GET /Patient/P1", absent),
        ("GET /Patient/p", absent),
        ("GET /Patient/p12", absent),
        ("GET /Patient/p2/_history", absent),
        ("GET /Patient/p2/_history/1", absent),
        // Whose these are is decided when the answer is there.
        ("GET /Observation/o1", open),
        ("GET /Observation/o1/_history/1", open),
        ("GET /Organization/o1", absent),
        ("GET /Task/t1", absent),
        ("GET /Patient?_id=p1", open),
        ("GET /Patient?_id=p2", absent),
        ("GET /Patient?_id=p1,p2", absent),
        ("GET /Patient?_id=p1,p1", open),
        (
            "GET /Patient?_id=p1&link=RelatedPerson/r",
            Err("request.not-supported.parameter"),
        ),
        ("GET /Patient?_id=p1&link=Patient/p2", absent),
        // Who links to a patient is another one: the own one is asked for as well.
        ("GET /Patient?link=Patient/p1", open),
        ("GET /Patient", open),
        ("GET /Patient?name=x", open),
        ("GET /Patient?identifier=x", open),
        ("GET /Observation?patient=p1", open),
        ("GET /Observation?patient=Patient/p1&code=x", open),
        ("GET /Observation?subject=p1&_sort=-date", open),
        ("GET /Observation?patient=p2", absent),
        ("GET /Observation?patient=p1,p2", absent),
        ("GET /Observation?patient=p1,p1", open),
        ("GET /Observation?patient=p1,p12", absent),
        // Every parameter that looks at a membership element counts, not the first one.
        ("GET /Observation?patient=p1&subject=p1", open),
        ("GET /Observation?patient=p1&subject=p2", absent),
        ("GET /Observation?subject=p2&patient=p1", absent),
        ("GET /Observation?patient=p1&performer=Patient/p2", absent),
        ("GET /Observation?performer=Patient/p2&patient=p1", absent),
        ("GET /Observation?performer=Patient/p1", open),
        ("GET /Observation?performer=Patient/p2", absent),
        // What is no patient narrows, but confines nothing, and the own one among others does neither.
        ("GET /Observation?performer=Practitioner/a", open),
        ("GET /Observation?subject=Group/p1", open),
        ("GET /Observation?subject=Patient/p1,Group/g", parameter),
        ("GET /Observation?performer=Practitioner/a&patient=p1", open),
        ("GET /Observation?subject=Group/g&patient=p1", open),
        (
            "GET /Observation?performer=Practitioner/a,Patient/p1&patient=p1",
            open,
        ),
        (
            "GET /Observation?performer=Practitioner/a,Patient/p2&patient=p1",
            absent,
        ),
        // No membership element: what it names of another patient does not leave, and is not asked for.
        ("GET /Observation?focus=Patient/p2&patient=p1", absent),
        (
            "GET /Observation?focus=Patient/p1,Patient/p2&patient=p1",
            absent,
        ),
        ("GET /Observation?focus=Condition/p2&patient=p1", open),
        ("GET /List?subject=p1&item=Patient/p2", absent),
        ("GET /Observation?focus=Patient/p1", open),
        ("GET /AuditEvent?patient=p1", open),
        ("GET /AuditEvent?agent=Patient/p1", open),
        ("GET /AuditEvent?entity=Patient/p2&patient=p1", absent),
        ("GET /Appointment?actor=Patient/p1", open),
        ("GET /Coverage?payor=Patient/p2&beneficiary=p1", absent),
        ("GET /SupplyRequest?subject=p1", open),
        // Not in the compartment, whoever is named.
        ("GET /Task?patient=p1", parameter),
        ("GET /Device?patient=p1", parameter),
        ("GET /Observation", open),
        ("GET /Observation?code=x", open),
        ("GET /Observation?_id=p1", open),
        ("GET /Coverage?patient=p1", open),
        ("GET /Organization?name=x", parameter),
        ("GET /Practitioner?_id=p1", parameter),
        (
            "GET /Patient/_history",
            Err("request.not-supported.interaction"),
        ),
        ("POST /Observation", open),
        ("PUT /Observation/o1", write),
        ("PATCH /Observation/o1", write),
        ("DELETE /Observation/o1", write),
        ("POST /Patient", other_type),
        ("PUT /Patient/p1", other_type),
        ("PATCH /Patient/p1", other_type),
        ("DELETE /Patient/p1", other_type),
        ("POST /Organization", other_type),
        ("PUT /Consent/c1", other_type),
    ] {
        check(target, all, &[], target, expected);
    }
    let permit = decided(
        &principal("patient/Observation.s", &[]),
        "GET /Observation?patient=p1",
    );
    let permit = permit.expect("a permit");
    assert_eq!(permit.patient(), Some("p1"), "the answer is confined");
    assert!(!permit.may_read());
    check(
        "searching is not reading",
        "patient/Patient.s",
        &[],
        "GET /Patient/p1",
        Err("lacks patient/Patient.r"),
    );
    check(
        "reading is not searching",
        "patient/Patient.r",
        &[],
        "GET /Patient?_id=p1",
        Err("lacks patient/Patient.s"),
    );
    let terms = Terms {
        forbidden: true,
        ..terms()
    };
    let forbidden = authorize(&principal(all, &[]), &request("GET /Patient/p2"), &terms);
    assert_eq!(forbidden.err(), Some(Denial::Absent { forbidden: true }));
}
