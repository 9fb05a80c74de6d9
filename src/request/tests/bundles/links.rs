//! Names of entries, references to them, and the head of the whole.

use super::*;

#[test]
fn an_entry_has_a_name_of_its_own_bypass_50() {
    let post = |url: &str| {
        json!({"fullUrl": url, "request": {"method": "POST", "url": "Patient"},
            "resource": {"resourceType": "Patient"}})
    };
    let twice = Err(vec![
        "request.malformed.bundle: two entries have the same fullUrl".to_owned(),
    ]);
    for (one, other) in [(UUID, UUID.to_owned()), (UUID, UUID.to_uppercase())] {
        let found = sent(
            &bundle("batch", &json!([post(one), post(&other)])),
            &taking(2),
        );
        assert_eq!(found, twice, "{one} {other}");
    }
    assert!(
        sent(
            &bundle("batch", &json!([post(UUID), post(OTHER)])),
            &taking(2)
        )
        .is_ok()
    );
    let wrong = || Err("request.malformed.full-url");
    for url in [
        "",
        "Patient/p1",
        "urn:uuid:1",
        "urn:oid:1.2.3",
        "urn:uuid:c757873d-ec9a-4326-a141-556f4323952/",
        "https://fhir.example.org/r4/Patient/p1",
        "https://elsewhere.example/Patient/p1",
    ] {
        check(&post(url), wrong());
    }
    check(
        &json!({"fullUrl": 1, "request": {"method": "GET", "url": "Patient/p1"}}),
        wrong(),
    );
    for url in [
        "https://fhir.example.org/r4/Patient/p2",
        "http://fhir/base/Patient/p1",
    ] {
        check(
            &json!({"fullUrl": url, "request": {"method": "GET", "url": "Patient/p1"}}),
            wrong(),
        );
    }
}

#[test]
fn references_lead_to_entries_of_the_same_transaction_bypass_50() {
    let patient = json!({"fullUrl": UUID, "request": {"method": "POST", "url": "Patient"},
        "resource": {"resourceType": "Patient"}});
    let read = json!({"fullUrl": UUID, "request": {"method": "GET", "url": "Patient/p1"}});
    let about = |reference: Value| {
        json!({"request": {"method": "POST", "url": "Observation"},
            "resource": {"resourceType": "Observation", "focus": [{"reference": reference}]}})
    };
    let lost = "request.malformed.bundle-entry: a reference is to no entry of the transaction";
    for (kind, first, reference, refused) in [
        ("transaction", &patient, json!(UUID), false),
        ("transaction", &patient, json!([UUID]), false),
        ("transaction", &patient, json!("Patient/p1"), false),
        ("transaction", &patient, json!(OTHER), true),
        ("transaction", &patient, json!([OTHER]), true),
        ("transaction", &patient, json!(UUID.to_uppercase()), true),
        (
            "transaction",
            &patient,
            json!(UUID.replacen("urn", "URN", 1)),
            true,
        ),
        ("transaction", &patient, json!("urn:oid:1.2.3"), true),
        (
            "transaction",
            &patient,
            json!(format!("{UUID}/_history/1")),
            true,
        ),
        // What is only read leaves nothing behind under this name.
        ("transaction", &read, json!(UUID), true),
        // The entries of a batch know nothing of each other.
        ("batch", &patient, json!(UUID), true),
    ] {
        let found = sent(
            &bundle(kind, &json!([first, about(reference.clone())])),
            &taking(2),
        );
        let expected = refused.then(|| vec![lost.to_owned()]);
        assert_eq!(found.err(), expected, "{kind} {reference}");
    }
}

#[test]
fn only_a_post_to_the_base_asks_for_one() {
    const JSON: (&str, &str) = ("content-type", "application/fhir+json");
    let condition = Err("request.not-supported.condition");
    for (method, path, fields, expected) in [
        ("POST", "/r4", vec![JSON], Ok(true)),
        (
            "POST",
            "/r4",
            vec![("content-type", "application/json")],
            Ok(true),
        ),
        ("POST", "/r4?_format=json", vec![JSON], Ok(true)),
        ("GET", "/r4", vec![], Ok(false)),
        ("PUT", "/r4", vec![JSON], Ok(false)),
        ("POST", "/r4/", vec![JSON], Ok(false)),
        ("POST", "/r4x", vec![JSON], Ok(false)),
        ("POST", "/", vec![JSON], Ok(false)),
        ("POST", "/r4/Bundle", vec![JSON], Ok(false)),
        (
            "POST",
            "/r4?_id=x",
            vec![JSON],
            Err("request.not-supported.parameter"),
        ),
        ("POST", "/r4", vec![], Err("request.media-type")),
        (
            "POST",
            "/r4",
            vec![("content-type", "application/fhir+xml")],
            Err("request.media-type"),
        ),
        (
            "POST",
            "/r4",
            vec![JSON, ("if-match", "W/\"1\"")],
            condition,
        ),
        (
            "POST",
            "/r4",
            vec![JSON, ("if-none-exist", "_id=x")],
            condition,
        ),
        ("POST", "/r4", vec![JSON, ("if-none-match", "*")], condition),
    ] {
        let head = head(method, path, &fields).expect(path);
        let found = Batch::is_asked(&head, &taking(1)).map_err(|denial| denial.rule());
        assert_eq!(
            found,
            expected.map_err(str::to_owned),
            "{method} {path} {fields:?}"
        );
        let off = Batch::is_asked(&head, &policy());
        assert_eq!(off, Ok(false), "{method} {path}: not configured");
    }
    let mut at_root = taking(1);
    at_root.base = BaseUrl::parse("https://fhir.example.org").expect("a base");
    let asked = head("POST", "/", &[JSON]).expect("a head");
    assert_eq!(Batch::is_asked(&asked, &at_root), Ok(true));
    // Not within itself.
    let nested = bundle(
        "batch",
        &json!([{"request": {"method": "POST", "url": ""}}]),
    );
    assert_eq!(
        sent(&nested, &at_root),
        Err(vec!["request.method".to_owned()])
    );
}

#[test]
fn the_head_is_that_of_what_goes_on() {
    let policy = taking(1);
    let fields = [
        ("content-type", "application/json"),
        ("content-length", "999"),
        ("prefer", "return=representation"),
        ("cookie", "x"),
    ];
    let head = head("POST", "/r4", &fields).expect("a head");
    for (searches, may_read, prefer) in [
        (false, true, "return=representation"),
        (false, false, "return=minimal"),
        (true, true, "handling=strict, return=representation"),
        (true, false, "handling=strict, return=minimal"),
    ] {
        let sent = bundle_headers(&head, 17, searches, may_read, &policy);
        let all = |wanted: &str| {
            let found = sent.iter().filter(|(name, _)| name == wanted.as_bytes());
            let values: Vec<_> = found
                .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
                .collect();
            values
        };
        assert_eq!(all(":path"), ["/base"]);
        assert_eq!(all(":method"), ["POST"]);
        assert_eq!(all("content-length"), ["17"]);
        assert_eq!(all("content-type"), ["application/json"]);
        assert_eq!(all("prefer"), [prefer]);
        assert!(all("cookie").is_empty());
    }
}
