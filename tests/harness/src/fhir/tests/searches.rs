//! Searches: parameters, paging, includes, compartments.

use super::{FORM, check, ids, is_outcome, link, start, total};
use crate::fhir::Options;

#[tokio::test]
async fn searches() {
    let server = start(Options::default()).await;
    check(
        &server,
        &[
            ("GET", "/fhir/Patient", &[], "", 200, |got| total(got) == 36),
            ("GET", "/fhir/Patient?_id=p1,p2", &[], "", 200, |got| {
                ids(got, "match") == ["p1", "p2"]
            }),
            (
                "GET",
                "/fhir/Patient?family=lind&given=Ada",
                &[],
                "",
                200,
                |got| ids(got, "match") == ["p1"],
            ),
            (
                "GET",
                "/fhir/Patient?name:exact=Ada%20Lindqvist",
                &[],
                "",
                200,
                |got| ids(got, "match") == ["p1"],
            ),
            (
                "GET",
                "/fhir/Patient?identifier=http://hospital.example.org/mrn%7CMRN-100002",
                &[],
                "",
                200,
                |got| ids(got, "match") == ["p2"],
            ),
            (
                "GET",
                "/fhir/Patient?birthdate=1945-02-06",
                &[],
                "",
                200,
                |got| ids(got, "match") == ["p1"],
            ),
            (
                "GET",
                "/fhir/Patient?birthdate=lt1940",
                &[],
                "",
                200,
                |got| total(got) > 0 && total(got) < 36,
            ),
            ("GET", "/fhir/Patient?gender=female", &[], "", 200, |got| {
                total(got) == 18
            }),
            ("GET", "/fhir/Patient?patient=p1", &[], "", 200, |got| {
                total(got) == 36 && !link(got, "self").unwrap().contains("patient=")
            }),
            ("GET", "/fhir/Observation?patient=p1", &[], "", 200, |got| {
                total(got) == 13
            }),
            (
                "GET",
                "/fhir/Observation?patient=Patient/p1&category=laboratory",
                &[],
                "",
                200,
                |got| total(got) == 6,
            ),
            (
                "GET",
                "/fhir/Observation?subject:Patient=p1&code=http://loinc.org%7C8867-4",
                &[],
                "",
                200,
                |got| ids(got, "match") == ["o-mixed", "o-p1-8"],
            ),
            (
                "GET",
                "/fhir/Observation?subject=Patient/p1&status=corrected",
                &[],
                "",
                200,
                |got| ids(got, "match") == ["o-p1-1"],
            ),
            (
                "GET",
                "/fhir/Observation?performer=Patient/p2",
                &[],
                "",
                200,
                |got| ids(got, "match") == ["o-mixed"],
            ),
            (
                "GET",
                "/fhir/Observation?patient=p1&date=ge2024-06&date=lt2024-08",
                &[],
                "",
                200,
                |got| total(got) > 0 && total(got) < 13,
            ),
            (
                "GET",
                "/fhir/Observation?_lastUpdated=ge2025-12-20",
                &[],
                "",
                200,
                |got| ids(got, "match").contains(&"o-p1-1".into()),
            ),
            (
                "GET",
                "/fhir/Observation?date=tomorrow",
                &[],
                "",
                400,
                is_outcome,
            ),
            (
                "GET",
                "/fhir/Observation?code:above=1",
                &[],
                "",
                400,
                is_outcome,
            ),
            (
                "GET",
                "/fhir/Observation?_count=x",
                &[],
                "",
                400,
                is_outcome,
            ),
            (
                "GET",
                "/fhir/Observation?nonsense=1&patient=p1",
                &[],
                "",
                200,
                |got| total(got) == 13,
            ),
            (
                "GET",
                "/fhir/Observation?nonsense=1",
                &["prefer: return=minimal, handling=strict"],
                "",
                400,
                is_outcome,
            ),
            (
                "GET",
                "/fhir/Observation?patient=p1&_count=5&_offset=5",
                &[],
                "",
                200,
                |got| {
                    ids(got, "match").len() == 5
                        && total(got) == 13
                        && link(got, "next").is_some_and(|url| {
                            url.starts_with("http://fhir.example.org/fhir/Observation?")
                                && url.ends_with("_offset=10")
                        })
                        && link(got, "previous").is_some_and(|url| url.ends_with("_offset=0"))
                        && link(got, "self").is_some()
                },
            ),
            (
                "GET",
                "/fhir/Observation?patient=p1&_offset=18446744073709551615",
                &[],
                "",
                200,
                |got| total(got) == 13 && got.json().get("entry").is_none(),
            ),
            (
                "GET",
                "/fhir/Observation?patient=p1&_count=0",
                &[],
                "",
                200,
                |got| total(got) == 13 && got.json().get("entry").is_none(),
            ),
            (
                "GET",
                "/fhir/Observation?_id=o-mixed&_include=Observation:performer",
                &[],
                "",
                200,
                |got| ids(got, "include") == ["practitioner-1", "p2"],
            ),
            (
                "GET",
                "/fhir/Observation?patient=p1&_include=Observation:patient",
                &[],
                "",
                200,
                |got| ids(got, "include") == ["p1"],
            ),
            (
                "GET",
                "/fhir/Condition?_id=c-p2-1&_include=Condition:patient&_include:iterate=Patient:general-practitioner",
                &[],
                "",
                200,
                |got| {
                    let types = ["p2", "practitioner-"];
                    let found = ids(got, "include");
                    found.len() == 2 && found.iter().zip(types).all(|(id, of)| id.starts_with(of))
                },
            ),
            (
                "GET",
                "/fhir/Condition?_id=c-p2-1&_include=Condition:patient&_include=Patient:general-practitioner",
                &[],
                "",
                200,
                |got| ids(got, "include") == ["p2"],
            ),
            (
                "GET",
                "/fhir/Patient?_has:Condition:patient:_id=c-p2-1",
                &[],
                "",
                200,
                |got| ids(got, "match") == ["p2"],
            ),
            (
                "GET",
                "/fhir/Practitioner?_has:Patient:general-practitioner:_has:Condition:patient:_id=c-p2-1",
                &[],
                "",
                200,
                |got| ids(got, "match").len() == 1,
            ),
            (
                "GET",
                "/fhir/Patient?_has:Condition:nothing:_id=c-p2-1",
                &[],
                "",
                400,
                is_outcome,
            ),
            (
                "GET",
                "/fhir/Patient?_id=p2&_revinclude=Condition:patient",
                &[],
                "",
                200,
                |got| ids(got, "include") == ["c-p2-1", "c-p2-2"],
            ),
            ("GET", "/fhir/Patient/p2/Condition", &[], "", 200, |got| {
                ids(got, "match") == ["c-p2-1", "c-p2-2"]
            }),
            (
                "GET",
                "/fhir?_type=Goal,Coverage&patient=p1",
                &[],
                "",
                200,
                |got| ids(got, "match") == ["g-p1-1", "cov-p1-1"],
            ),
            (
                "POST",
                "/fhir/Observation/_search",
                &[FORM],
                "patient=p2&category=vital-signs",
                200,
                |got| total(got) == 2,
            ),
            (
                "POST",
                "/fhir/Observation/_search?patient=p2",
                &[FORM],
                "",
                200,
                |got| total(got) == 4,
            ),
            (
                "GET",
                "/fhir/AllergyIntolerance?patient=p1",
                &[],
                "",
                200,
                |got| total(got) == 1,
            ),
            ("GET", "/fhir/Coverage?patient=p1", &[], "", 200, |got| {
                total(got) == 1
            }),
            ("GET", "/fhir/Account", &[], "", 200, |got| total(got) == 0),
        ],
    )
    .await;
}
