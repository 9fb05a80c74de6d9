//! Writes of what a search finds: two rights, and whose it is.

use super::*;
use crate::fhir::Searched;
use crate::request::Change;

/// All of them are taken.
fn taking() -> FhirPolicy {
    FhirPolicy {
        writes: WritePolicy {
            conditional: vec![
                Change::Create,
                Change::Update,
                Change::Patch,
                Change::Delete,
            ],
            if_match: true,
            ..WritePolicy::default()
        },
        ..fhir()
    }
}

/// A target, and for a create what must not be there yet.
fn conditional(target: &str) -> Request {
    let (target, search) = match target.split_once(" unless ") {
        Some((target, search)) => (target, Some(search)),
        None => (target, None),
    };
    let (method, path) = target.split_once(' ').expect("a method and a path");
    let content_type = match method {
        "PATCH" => "application/json-patch+json",
        _ => "application/fhir+json",
    };
    let path = format!("/r4{path}");
    let own = [
        (":method", method),
        (":path", &path),
        ("content-type", content_type),
    ];
    let all = own
        .into_iter()
        .chain(search.map(|search| ("if-none-exist", search)));
    let pairs: Vec<_> = all.collect();
    let head = RequestHead::parse(&pairs).1.expect(target);
    Request::parse(&head, &taking()).expect(target)
}

fn check(scope: &str, target: &str, expected: Result<(), Denial>) {
    let policy = taking();
    let hidden = |_: &Permit, _: ResourceType, searched: Searched| {
        searched.to_string().starts_with("note") || searched.to_string().starts_with("method")
    };
    let terms = Terms {
        fhir: &policy,
        hidden: &hidden,
        ..terms()
    };
    let found = authorize(&principal(scope, &[]), &conditional(target), &terms);
    assert_eq!(found.map(|_| ()), expected, "{scope}: {target}");
}

const TARGETS: [(&str, char); 4] = [
    ("POST /Observation unless code=x", 'c'),
    ("PUT /Observation?code=x", 'u'),
    ("PATCH /Observation?code=x", 'u'),
    ("DELETE /Observation?code=x", 'd'),
];

#[test]
fn it_needs_the_right_to_search_too_bypass_46() {
    for (target, letter) in TARGETS {
        for level in ["user", "system"] {
            let scope = |letters: &str| format!("{level}/Observation.{letters}");
            let lacking = Err(Denial::Scope(scope(&format!("{letter}s"))));
            check(&scope(&format!("{letter}s")), target, Ok(()));
            check(&scope("cruds"), target, Ok(()));
            check(&scope(&letter.to_string()), target, lacking.clone());
            check(&scope("rs"), target, lacking.clone());
            let other = format!("{} {level}/Condition.s", scope(&letter.to_string()));
            check(&other, target, lacking);
            // All of the type, for both.
            let granular = Err(Denial::NotSupported("granular-write"));
            let only = format!("{} {}", scope(&letter.to_string()), scope("s?category=a"));
            check(&only, target, granular.clone());
            let only = format!("{} {}", scope(&format!("{letter}?category=a")), scope("s"));
            check(&only, target, granular);
        }
    }
}

#[test]
fn what_is_hidden_is_not_searched_by() {
    for target in [
        "POST /Observation unless method=x",
        "PUT /Observation?method=x",
        "PATCH /Observation?code=x&method=y",
        "DELETE /Observation?method=x",
    ] {
        check(
            "user/*.cruds",
            target,
            Err(Denial::NotSupported("parameter")),
        );
    }
    check(
        "user/*.cruds",
        "POST /Bundle unless _id=x",
        Err(Denial::NotSupported("type")),
    );
    check(
        "user/*.cruds",
        "DELETE /Subscription?_id=x",
        Err(Denial::NotSupported("type")),
    );
}

#[test]
fn a_patient_creates_unless_own_resources_match_bypass_46() {
    let all = "patient/*.cruds";
    let unpinned = || Err(Denial::NotSupported("patient-conditional"));
    let absent = || Err(Denial::Absent { forbidden: false });
    let unconfined = || Err(Denial::NotSupported("parameter"));
    let other_type = || Err(Denial::NotSupported("patient-write-type"));
    for (target, expected) in [
        ("POST /Observation unless patient=p1&code=x", Ok(())),
        ("POST /Observation unless subject=Patient/p1", Ok(())),
        ("POST /Observation unless patient=p2", absent()),
        ("POST /Observation unless patient=p1,p2", absent()),
        ("POST /Observation unless code=x", unconfined()),
        ("POST /Observation unless identifier=7", unconfined()),
        ("POST /Patient unless _id=p1", other_type()),
        ("POST /ServiceRequest unless patient=p1", other_type()),
        ("PUT /Observation?patient=p1&code=x", unpinned()),
        ("PATCH /Observation?patient=p1&code=x", unpinned()),
        ("DELETE /Observation?patient=p1&code=x", unpinned()),
        ("PUT /Patient?_id=p1", unpinned()),
    ] {
        check(all, target, expected);
    }
    let lacking = Err(Denial::Scope("patient/Observation.cs".to_owned()));
    check(
        "patient/Observation.cr",
        "POST /Observation unless patient=p1",
        lacking,
    );
}
