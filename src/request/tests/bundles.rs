//! Bundles of requests, as clients and attackers write them.

mod links;

use serde_json::{Value, json};

use super::*;
use crate::json::{Document, Limits};

const UUID: &str = "urn:uuid:c757873d-ec9a-4326-a141-556f43239520";
const OTHER: &str = "urn:uuid:0f0f0f0f-ec9a-4326-a141-556f43239520";

/// Both types are taken, and every write of what a search finds.
fn taking(entries: usize) -> FhirPolicy {
    let mut policy = policy();
    policy.writes.conditional = vec![
        Change::Create,
        Change::Update,
        Change::Patch,
        Change::Delete,
    ];
    policy.bundles = BundlePolicy {
        kinds: vec![BatchKind::Batch, BatchKind::Transaction],
        entries,
    };
    policy
}

/// What goes upstream, where all of its entries are permitted as they are; or the rules that refuse it,
/// or its entries.
fn sent(bundle: &str, policy: &FhirPolicy) -> Result<String, Vec<String>> {
    let sent = written(bundle, policy);
    if let Ok(text) = &sent {
        assert_eq!(written(text, policy).as_ref(), Ok(text), "written so again");
    }
    sent
}

fn written(bundle: &str, policy: &FhirPolicy) -> Result<String, Vec<String>> {
    let document = Document::parse(bundle.as_bytes(), &Limits::default()).expect(bundle);
    let batch = Batch::read(document.root(), policy).map_err(|denial| vec![denial.rule()])?;
    let mut out = batch.begin();
    let mut refused = Vec::new();
    for (index, entry) in batch.entries.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        match entry {
            Ok(entry) => entry.write(&entry.request, &mut out),
            Err(denial) => refused.push(denial.rule()),
        }
    }
    out.push_str(Batch::END);
    match refused.is_empty() {
        true => Ok(out),
        false => Err(refused),
    }
}

fn bundle(kind: &str, entries: &Value) -> String {
    json!({"resourceType": "Bundle", "type": kind, "entry": entries}).to_string()
}

/// The one entry of a transaction, and what becomes of it.
fn check(entry: &Value, expected: Result<Value, &str>) {
    let found = sent(&bundle("transaction", &json!([entry])), &taking(1));
    let found =
        found.map(|text| serde_json::from_str::<Value>(&text).expect("JSON")["entry"].take());
    let expected = expected
        .map(|entry| json!([entry]))
        .map_err(|rule| vec![rule.to_owned()]);
    assert_eq!(found, expected, "{entry}");
}

fn get(url: &str) -> Value {
    json!({"request": {"method": "GET", "url": url}})
}

#[test]
fn each_request_has_one_form() {
    let write = |method: &str, url: &str| json!({"request": {"method": method, "url": url}, "resource": {"resourceType": "Patient"}});
    for (entry, expected) in [
        (get("Patient/p1"), get("Patient/p1")),
        (get("Patient/p1/_history/2"), get("Patient/p1/_history/2")),
        (get("Patient/p1?_format=json"), get("Patient/p1")),
        (get("?_type=Patient"), get("?_type=Patient")),
        (get("_history?_type=Patient"), get("_history?_type=Patient")),
        (get("Patient/p1/Observation"), get("Patient/p1/Observation")),
        (
            get("Observation?patient=p1&code=a|b&_count=5000"),
            get("Observation?patient=Patient/p1&code=a%7Cb&_count=1000"),
        ),
        (
            json!({"request": {"method": "HEAD", "url": "Patient/p1"}}),
            get("Patient/p1"),
        ),
        (write("POST", "Patient"), write("POST", "Patient")),
        (write("PUT", "Patient/p1"), write("PUT", "Patient/p1")),
        (
            write("PUT", "Patient?identifier=a|b"),
            write("PUT", "Patient?identifier=a%7Cb"),
        ),
        (
            json!({"request": {"method": "DELETE", "url": "Patient/p1", "ifMatch": "W/\"3\""}}),
            json!({"request": {"method": "DELETE", "url": "Patient/p1", "ifMatch": "W/\"3\""}}),
        ),
        // Of a read it would tell which version is there.
        (
            json!({"request": {"method": "GET", "url": "Patient/p1", "ifMatch": "W/\"3\""}}),
            get("Patient/p1"),
        ),
        (
            json!({"fullUrl": UUID, "resource": {"resourceType": "Patient"},
                "request": {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=a|b"}}),
            json!({"fullUrl": UUID, "resource": {"resourceType": "Patient"},
                "request": {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=a%7Cb"}}),
        ),
        (
            json!({"fullUrl": "https://fhir.example.org/r4/Patient/p1", "request": {"method": "GET", "url": "Patient/p1"}}),
            get("Patient/p1"),
        ),
    ] {
        check(&entry, Ok(expected));
    }
}

#[test]
fn resources_keep_their_bytes_and_nothing_else_goes_on() {
    let resource = r#"{ "resourceType" : "Patient", "x":1.50, "y":"\u00e9" }"#;
    let text = format!(
        r#"{{"type":"batch","id":"b","total":7,"meta":{{"profile":["x"]}},"link":[],"resourceType":"Bundle",
        "entry":[{{"request":{{"url":"Patient","method":"POST"}},"resource":{resource}}}]}}"#
    );
    let expected = format!(
        r#"{{"resourceType":"Bundle","type":"batch","entry":[{{"request":{{"method":"POST","url":"Patient"}},"resource":{resource}}}]}}"#
    );
    assert_eq!(sent(&text, &taking(1)), Ok(expected));
}

#[test]
fn an_entry_is_read_by_the_parser_of_requests_bypass_50() {
    let path = "request.malformed.path";
    let entry = "request.malformed.bundle-entry: ";
    let asked = |method: &str, url: &str| json!({"request": {"method": method, "url": url}});
    for (row, rule) in [
        (get("https://fhir.example.org/r4/Patient/p1"), path),
        (get("https://elsewhere.example/Patient/p1"), path),
        (get("//elsewhere.example/Patient/p1"), path),
        (get("/Patient/p1"), path),
        (get("../admin"), path),
        (get("Patient/../Observation/o1"), path),
        (get("Patient/p1/"), path),
        (get("Patient/%70%31"), path),
        (get("Patient\\p1"), path),
        (get("Patient/p1#x"), path),
        (get("Patient/p 1"), path),
        (get("Patient/é"), path),
        (get(""), path),
        (asked("POST", ""), path),
        (get("patient/p1"), "request.path"),
        (get("Unknown/p1"), "request.path"),
        (get("$everything"), "request.path"),
        (get("Patient/p1/Observation/x"), "request.path"),
        (asked("POST", "_search"), "request.method"),
        (asked("POST", "Patient/_search"), "request.method"),
        (asked("POST", "?_type=Patient"), "request.method"),
        (
            get("Patient?_has:Observation:patient:code=x"),
            "request.not-supported.parameter",
        ),
        (
            get("Observation?subject.name=x"),
            "request.not-supported.parameter",
        ),
        (get("Patient?access_token=x"), "credentials.malformed"),
        (
            asked("POST", "Patient?_method=PUT"),
            "request.malformed.method-override",
        ),
        (asked("get", "Patient/p1"), "request.method"),
        (asked("Get", "Patient/p1"), "request.method"),
        (asked("OPTIONS", "Patient/p1"), "request.method"),
        (asked("", "Patient/p1"), "request.method"),
        (asked("POST", "Patient/p1"), "request.method"),
        (asked("DELETE", "Patient"), "request.method"),
        // Row 44: no patch comes as JSON Patch here.
        (asked("PATCH", "Patient/p1"), "request.media-type"),
        (asked("PATCH", "Patient?identifier=x"), "request.media-type"),
        (
            json!({"request": {"method": "PUT", "url": "Patient/p1", "ifMatch": "*"}}),
            "request.malformed.if-match",
        ),
        (
            json!({"request": {"method": "POST", "url": "Patient", "ifMatch": "W/\"1\""}}),
            "request.not-supported.condition",
        ),
        (
            json!({"request": {"method": "PUT", "url": "Patient/p1", "ifNoneExist": "_id=x"}}),
            "request.not-supported.condition",
        ),
        (
            json!({"request": {"method": "POST", "url": "Patient", "ifNoneExist": "_id=x&_sort=name"}}),
            "request.not-supported.sort",
        ),
        (
            json!({"request": {"method": "GET", "url": "Patient/p1", "ifNoneMatch": "W/\"1\""}}),
            "request.not-supported.condition",
        ),
        (
            json!({"request": {"method": "GET", "url": "Patient/p1", "ifModifiedSince": "2026"}}),
            "request.not-supported.condition",
        ),
    ] {
        check(&row, Err(rule));
    }
    let element = "an entry has an element that no request needs";
    let request = "an entry's request is no method with a url";
    for (row, found) in [
        (
            json!({"resource": {"resourceType": "Patient"}}),
            "an entry has no request",
        ),
        (json!({"request": []}), "an entry has no request"),
        (json!([]), "an entry has no request"),
        (json!("GET"), "an entry has no request"),
        (json!({"request": {"method": "GET"}}), request),
        (json!({"request": {"url": "Patient"}}), request),
        (
            json!({"request": {"method": "GET", "url": ["Patient"]}}),
            request,
        ),
        (
            json!({"request": {"method": "GET", "url": "Patient", "ifMatch": 1}}),
            request,
        ),
        (
            json!({"request": {"method": "GET", "url": "Patient", "Method": "PUT"}}),
            element,
        ),
        (
            json!({"request": {"method": "GET", "url": "Patient", "extension": []}}),
            element,
        ),
        (
            json!({"request": {"method": "GET", "url": "Patient"}, "response": {}}),
            element,
        ),
        (
            json!({"request": {"method": "GET", "url": "Patient"}, "search": {}}),
            element,
        ),
    ] {
        check(&row, Err(&format!("{entry}{found}")));
    }
}

#[test]
fn what_is_no_bundle_of_requests_is_refused_bypass_51() {
    let entry = || json!([get("Patient/p1")]);
    let kind = "request.not-supported.bundle-type";
    let refused = |text: &str, policy: &FhirPolicy, rule: &str| {
        let found = sent(text, policy);
        assert_eq!(found, Err(vec![rule.to_owned()]), "{text}");
    };
    for other in [
        "document",
        "message",
        "collection",
        "searchset",
        "history",
        "batch-response",
        "transaction-response",
        "Batch",
        "",
    ] {
        refused(&bundle(other, &entry()), &taking(1), kind);
    }
    for (own, other) in [
        (BatchKind::Batch, "transaction"),
        (BatchKind::Transaction, "batch"),
    ] {
        let mut policy = taking(1);
        policy.bundles.kinds = vec![own];
        refused(&bundle(other, &entry()), &policy, kind);
        assert!(sent(&bundle(own.code(), &entry()), &policy).is_ok());
    }
    let wrong = |found: &str| format!("request.malformed.bundle: {found}");
    let none = wrong("it has no entries");
    for (text, rule) in [
        (
            json!({"type": "batch", "entry": entry()}),
            wrong("the body is no Bundle"),
        ),
        (
            json!({"resourceType": "Parameters", "type": "batch"}),
            wrong("the body is no Bundle"),
        ),
        (json!([]), wrong("the body is no Bundle")),
        (
            json!({"resourceType": "Bundle", "entry": entry()}),
            kind.to_owned(),
        ),
        (
            json!({"resourceType": "Bundle", "type": ["batch"]}),
            kind.to_owned(),
        ),
        (
            json!({"resourceType": "Bundle", "type": "batch"}),
            none.clone(),
        ),
        (
            json!({"resourceType": "Bundle", "type": "batch", "entry": []}),
            none.clone(),
        ),
        (
            json!({"resourceType": "Bundle", "type": "batch", "entry": get("Patient")}),
            none,
        ),
        (
            json!({"resourceType": "Bundle", "type": "batch", "entry": entry(), "signature": {}}),
            wrong("it has an element that no Bundle of requests needs"),
        ),
        (
            json!({"resourceType": "Bundle", "type": "batch", "entry": entry(), "Entry": []}),
            wrong("it has an element that no Bundle of requests needs"),
        ),
        (
            json!({"resourceType": "Bundle", "type": "batch", "entry": entry(), "meta": {"security": []}}),
            "request.not-supported.label".to_owned(),
        ),
    ] {
        refused(&text.to_string(), &taking(1), &rule);
    }
}

#[test]
fn as_many_entries_are_taken_as_are_configured() {
    for most in [1, 3, 100, BundlePolicy::MOST] {
        let of = |count| bundle("batch", &json!(vec![get("Patient/p1"); count]));
        assert!(sent(&of(most), &taking(most)).is_ok(), "{most}");
        let found = sent(&of(most + 1), &taking(most));
        let rule = "request.malformed.bundle: it has more entries than are taken";
        assert_eq!(found, Err(vec![rule.to_owned()]), "{most} and one more");
    }
}
