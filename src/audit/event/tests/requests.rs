//! What stands in the events of the requests of a Bundle, of what was asked, and what R4 could not read.

use super::*;

/// The patients that events name, and of how many more they tell, in order.
fn whom(events: &[Value]) -> Vec<String> {
    let of = |event: &Value| {
        let entities = event["entity"].as_array().expect("entities").iter();
        let patient = entities
            .clone()
            .find(|entity| entity["role"]["code"] == "1")
            .and_then(|entity| entity["what"]["reference"].as_str())
            .unwrap_or("nobody");
        let mut details = entities
            .filter_map(|entity| entity["detail"].as_array())
            .flatten();
        let more = details.find(|detail| detail["type"] == "patients_more");
        match more.and_then(|detail| detail["valueString"].as_str()) {
            Some(more) => format!("{patient} and {more} more"),
            None => patient.to_owned(),
        }
    };
    events.iter().map(of).collect()
}

/// What was asked, by the entity of the query.
fn asked(event: &Value) -> String {
    let query = event["entity"][0]["query"].as_str().expect("a query");
    let query = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, query);
    String::from_utf8(query.expect("base64")).expect("text")
}

#[test]
fn requests_of_a_bundle_name_whom_they_concern() {
    for (name, interaction, patients, more, expected) in [
        (
            "a query of nobody",
            "search-type",
            vec![],
            0,
            vec!["nobody"],
        ),
        (
            "a query of one",
            "search-type",
            vec!["Patient/1"],
            0,
            vec!["Patient/1"],
        ),
        (
            "a query of two",
            "search-type",
            vec!["Patient/1", "Patient/2"],
            0,
            vec!["Patient/1", "Patient/2"],
        ),
        (
            "a query of more than it names",
            "history-type",
            vec!["Patient/1", "Patient/2"],
            3,
            vec![
                "Patient/1 and 3 more",
                "Patient/2 and 3 more",
                "nobody and 3 more",
            ],
        ),
        (
            "a read",
            "read",
            vec!["Patient/1", "Patient/2"],
            0,
            vec!["Patient/1"],
        ),
        (
            "a read that is not known",
            "read",
            vec![],
            0,
            vec!["nobody"],
        ),
    ] {
        let own = EntryRecord {
            interaction: Some(interaction),
            concerned: Concerned {
                patients: patients.into_iter().map(str::to_owned).collect(),
                more,
            },
            status: 200,
            ..EntryRecord::default()
        };
        let other = EntryRecord {
            concerned: Concerned {
                patients: vec!["Patient/other".to_owned()],
                more: 0,
            },
            ..own.clone()
        };
        let record = Record {
            entries: vec![own, other],
            ..record("batch")
        };
        let found = told(&record, Outcome::Allowed, 200);
        let expected: Vec<&str> = expected.into_iter().chain(["Patient/other"]).collect();
        assert_eq!(whom(&found), expected, "{name}");
        let ids = found.iter().filter_map(|event| event["id"].as_str());
        let ids: std::collections::BTreeSet<&str> = ids.collect();
        assert_eq!(ids.len(), found.len(), "{name}: each has an id of its own");
    }
}

#[test]
fn requests_of_a_bundle_name_so_many_and_no_more() {
    let policy = AuditPolicy {
        patients: AuditPolicy::PATIENTS,
        ..AuditPolicy::default()
    };
    let mut record = Record {
        policy: Rc::new(policy),
        entries: vec![EntryRecord::default(); 3],
        ..record("batch")
    };
    let names: Vec<String> = (0..150).map(|id| format!("Patient/{id}")).collect();
    for (place, (all, told, more)) in [(60, 60, 0), (60, 42, 18), (60, 1, 59)]
        .into_iter()
        .enumerate()
    {
        let room = record.entry_room(0);
        let entry = record.entries.get_mut(place).expect("an entry");
        entry
            .concerned
            .meet(names.get(..all).expect("names"), all, room);
        let found = (entry.concerned.patients.len(), entry.concerned.more);
        assert_eq!(found, (told, more), "{place}");
        let again = entry.concerned.clone();
        let room = record.entry_room(told);
        let entry = record.entries.get_mut(place).expect("an entry");
        entry
            .concerned
            .meet(names.get(..all).expect("names"), all, room);
        assert_eq!(entry.concerned, again, "{place}: noted twice");
    }
}

#[test]
fn what_was_asked_reads_as_it_was_meant() {
    for (name, method, interaction, query, expected) in [
        (
            "a value that reads as another parameter",
            "GET",
            "search-type",
            ("code", "x&patient=Patient/9"),
            "GET https://fhir.example.org/r4/Observation?code=x%26patient%3DPatient/9",
        ),
        (
            "what has a meaning in a URL, and what is no part of one",
            "GET",
            "search-type",
            ("code:text", "50% +#\u{e4}\n"),
            "GET https://fhir.example.org/r4/Observation?code:text=50%25%20%2B%23%C3%A4%0A",
        ),
        (
            "what has none",
            "GET",
            "search-type",
            ("date", "ge2020-01-01T00:00:00Z,Group/1"),
            "GET https://fhir.example.org/r4/Observation?date=ge2020-01-01T00:00:00Z,Group/1",
        ),
        (
            "a name",
            "GET",
            "search-type",
            ("a&b=c", "d"),
            "GET https://fhir.example.org/r4/Observation?a%26b%3Dc=d",
        ),
        (
            "a search by POST",
            "POST",
            "search-type",
            ("code", "x"),
            "POST https://fhir.example.org/r4/Observation/_search?code=x",
        ),
    ] {
        let record = Record {
            method: Some(method),
            query: vec![(query.0.to_owned(), query.1.to_owned())],
            ..record(interaction)
        };
        let found = told(&record, Outcome::Allowed, 200);
        assert_eq!(asked(&found[0]), expected, "{name}");
    }
}

#[test]
fn what_a_bundle_asks_is_no_post() {
    let record = Record {
        method: Some("POST"),
        route: None,
        entries: vec![EntryRecord {
            interaction: Some("history-instance"),
            route: Some("/List/[id]/_history".to_owned()),
            reference: Some("List/1".to_owned()),
            status: 200,
            ..EntryRecord::default()
        }],
        ..record("batch")
    };
    let found = told(&record, Outcome::Allowed, 200);
    assert_eq!(
        asked(&found[0]),
        "GET https://fhir.example.org/r4/List/1/_history"
    );
}

#[test]
fn what_r4_could_not_read_stands_in_no_event() {
    let record = Record {
        rule: String::new(),
        method: None,
        purposes: [
            "urn:x|TREAT",
            "urn:x|",
            "|TREAT",
            "two words|x",
            "urn:x|two  words",
            "x",
        ]
        .map(str::to_owned)
        .to_vec(),
        ..record("operation")
    };
    let found = told(&record, Outcome::Undecided, 0);
    let coding = |code: &str| serde_json::json!({"coding": [{"system": "urn:x", "code": code}]});
    let text = |text: &str| serde_json::json!({ "text": text });
    let expected = [
        coding("TREAT"),
        text("urn:x|"),
        text("|TREAT"),
        text("two words|x"),
        text("urn:x|two  words"),
        text("x"),
    ];
    assert_eq!(found[0]["purposeOfEvent"], serde_json::json!(expected));
    assert_eq!(found[0]["outcomeDesc"], Value::Null, "nobody decided");
    assert_eq!(
        found[0]["entity"][0]["query"],
        Value::Null,
        "nothing was asked"
    );
    let public = Record {
        interaction: Some("capabilities"),
        ..record
    };
    let found = told(&public, Outcome::Allowed, 200);
    assert_eq!(codes(&found[0]["subtype"]), "capabilities");
}
