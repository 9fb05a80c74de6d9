//! What of the answer of an operation leaves.

use super::*;

/// What leaves of the answer of an operation: the names of its entries, or the body; and the rule.
fn left(world: &mut Deployment, scope: &str, target: &str, answer: &str) -> (Value, String) {
    let (mut exchange, step) = call(world, scope, target, None);
    assert!(matches!(step, Step::Forward(_)), "{target}: {step:?}");
    let length = answer.len().to_string();
    let head = [
        (":status", "200"),
        ("content-type", "application/fhir+json"),
        ("content-length", &length),
    ];
    let answer = world.answer(&mut exchange, &head, &[answer.as_bytes()], false);
    let record = world.record(&mut exchange);
    let body = match answer.end {
        End::Complete => serde_json::from_slice(&answer.body).expect("JSON"),
        _ => Value::Null,
    };
    (body, slug(&record["rule"]).to_owned())
}

fn bundle(kind: &str, resources: &[Value]) -> String {
    let entry = |resource: &Value| {
        let (own, rest) = (&resource["resourceType"], &resource["id"]);
        let subject = &resource["subject"];
        format!(
            r#"{{"resource":{{"resourceType":{own},"id":{rest},"subject":{subject}}},"search":{{"mode":"match"}}}}"#
        )
    };
    let entries: Vec<String> = resources.iter().map(entry).collect();
    let entries = entries.join(",");
    format!(
        r#"{{"resourceType":"Bundle","type":"{kind}","link":[{{"relation":"next","url":"http://fhir/base?_getpages=x"}}],"entry":[{entries}]}}"#
    )
}

fn about(name: &str, id: &str, patient: &str) -> Value {
    json!({"resourceType": name, "id": id, "subject": {"reference": format!("Patient/{patient}")}})
}

fn names(bundle: &Value) -> Vec<String> {
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let name = |entry: &Value| entry["fullUrl"].as_str().expect("a URL").to_owned();
    entries.iter().map(name).collect()
}

#[test]
fn of_everything_a_patient_sees_what_is_his_and_opened_bypass_33() {
    let all = [
        about("Patient", "p1", "p1"),
        about("Observation", "o1", "p1"),
        about("Observation", "o2", "p2"),
        about("Condition", "c1", "p1"),
        about("Patient", "p2", "p2"),
        about("Practitioner", "d1", "p1"),
        about("Device", "x1", "p1"),
        about("Bundle", "b1", "p1"),
    ];
    let answer = bundle("searchset", &all);
    let base = "https://fhir.example.org/r4";
    for (scope, expected) in [
        (
            "patient/*.rs",
            &["Patient/p1", "Observation/o1", "Condition/c1"][..],
        ),
        (
            "patient/Patient.rs patient/Observation.rs",
            &["Patient/p1", "Observation/o1"][..],
        ),
        (
            "patient/Patient.rs patient/Observation.r",
            &["Patient/p1"][..],
        ),
        (
            "user/*.rs",
            &[
                "Patient/p1",
                "Observation/o1",
                "Observation/o2",
                "Condition/c1",
                "Patient/p2",
                "Practitioner/d1",
                "Device/x1",
            ][..],
        ),
    ] {
        let (body, rule) = left(&mut listing(), scope, EVERYTHING, &answer);
        let expected: Vec<String> = expected
            .iter()
            .map(|name| format!("{base}/{name}"))
            .collect();
        assert_eq!(names(&body), expected, "{scope}: {body}");
        assert_eq!(rule, "operation:everything", "{scope}");
        // A page that the upstream names by itself is not followed by anybody.
        let links = body["link"].as_array().expect("links");
        let own = json!({"relation": "self", "url": format!("{base}/Patient/p1/$everything")});
        assert_eq!(links[0], own);
        assert_eq!(
            links[1]["url"],
            json!(format!("{base}/Patient?_page=unavailable"))
        );
    }
    let narrowed = "GET /r4/Patient/p1/$everything?_type=Condition";
    let (body, _) = left(&mut listing(), "patient/*.rs", narrowed, &answer);
    assert_eq!(names(&body), [format!("{base}/Condition/c1")]);
    let (body, rule) = left(
        &mut listing(),
        "patient/*.rs",
        EVERYTHING,
        &bundle("collection", &all),
    );
    assert_eq!(
        (body, rule.as_str()),
        (Value::Null, "answer.body"),
        "another Bundle"
    );
}

#[test]
fn granular_scopes_and_rules_hold_in_the_answer_of_an_operation() {
    let coded = |id: &str, category: &str| {
        format!(
            r#"{{"resource":{{"resourceType":"Observation","id":"{id}","category":[{{"coding":[{{"code":"{category}"}}]}}],"subject":{{"reference":"Patient/p1"}}}}}}"#
        )
    };
    let entries = [coded("o1", "a"), coded("o2", "b")].join(",");
    let answer = format!(r#"{{"resourceType":"Bundle","type":"searchset","entry":[{entries}]}}"#);
    let base = "https://fhir.example.org/r4/Observation";
    for (scope, expected) in [
        (
            "patient/Patient.rs patient/Observation.rs?category=a",
            &["o1"][..],
        ),
        (
            "patient/Patient.rs patient/Observation.r patient/Observation.s?category=b",
            &["o2"][..],
        ),
        (
            "patient/Patient.rs patient/Observation.r?category=a patient/Observation.s?category=b",
            &[][..],
        ),
    ] {
        let (body, _) = left(&mut listing(), scope, EVERYTHING, &answer);
        let expected: Vec<String> = expected.iter().map(|id| format!("{base}/{id}")).collect();
        assert_eq!(names(&body), expected, "{scope}");
    }
    let denying = |types: Value| {
        listing_with(|config| {
            config["rules"] = json!([{"name": "none", "effect": "deny", "types": types}]);
        })
    };
    let (body, _) = left(
        &mut denying(json!(["Observation"])),
        "patient/*.rs",
        EVERYTHING,
        &answer,
    );
    assert_eq!(
        names(&body),
        Vec::<String>::new(),
        "a denied type is not in the answer"
    );
    check_all(
        &mut denying(json!(["Observation"])),
        &[(
            "patient/*.rs",
            "GET /r4/Patient/p1/$everything?_type=Observation",
            Err("deny.none"),
        )],
    );
    check_all(
        &mut denying(json!(["Patient"])),
        &[("patient/*.rs", EVERYTHING, Err("deny.none"))],
    );
    let mut world = listing_with(|config| {
        config["rules"] =
            json!([{"name": "none", "effect": "deny", "interactions": ["operation"]}]);
    });
    check_all(
        &mut world,
        &[("patient/*.rs", EVERYTHING, Err("deny.none"))],
    );
}

#[test]
fn other_answers_hold_one_resource_and_no_other_bypass_36_38() {
    let outcome =
        r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invalid"}]}"#;
    let with = |inner: &str| {
        format!(r#"{{"resourceType":"Parameters","parameter":[{{"name":"display",{inner}}}]}}"#)
    };
    let value = with(r#""valueString":"x""#);
    let resource = with(r#""resource":{"resourceType":"Patient","id":"p2"}"#);
    let own = r#"{"resourceType":"Composition","id":"c1","subject":{"reference":"Patient/p1"}}"#;
    let other = r#"{"resourceType":"Composition","id":"c1","subject":{"reference":"Patient/p2"}}"#;
    let (lookup, validate) = (
        "GET /r4/CodeSystem/$lookup",
        "GET /r4/Observation/$validate",
    );
    let summary = "GET /r4/Patient/p1/$summary";
    for (scope, target, answer, rule) in [
        ("user/*.rs", lookup, value.as_str(), "operation:lookup"),
        ("user/*.rs", lookup, &resource, "answer.body"),
        ("user/*.rs", lookup, outcome, "answer.body"),
        ("user/*.rs", validate, outcome, "operation:validate"),
        ("user/*.rs", validate, &value, "answer.body"),
        ("user/*.rs", validate, own, "answer.body"),
        ("patient/*.rs", summary, own, "operation:summary"),
        ("patient/*.rs", summary, other, "compartment"),
        ("patient/*.rs", summary, outcome, "answer.instance"),
        ("user/*.rs", summary, other, "operation:summary"),
    ] {
        let (body, found) = left(&mut listing(), scope, target, answer);
        assert_eq!(found, rule, "{target}: {answer}");
        assert_eq!(
            body.is_null(),
            !rule.starts_with("operation:"),
            "{target}: {answer}"
        );
    }
}

#[test]
fn what_is_hidden_is_hidden_in_operations_too() {
    let redacting = || {
        listing_with(|config| {
            config["redaction"] = json!([{"name": "demographics", "resource": "Patient",
                "elements": ["birthDate"], "action": "remove",
                "unless": {"scope": "system/*.cruds"}}]);
        })
    };
    let answer = r#"{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"Patient","id":"p1","birthDate":"1970-01-01"}}]}"#;
    let (body, _) = left(&mut redacting(), "patient/*.rs", EVERYTHING, answer);
    assert_eq!(names(&body).len(), 1);
    assert!(
        body["entry"][0]["resource"]["birthDate"].is_null(),
        "{body}"
    );
    check_all(
        &mut redacting(),
        &[
            // Nothing can be taken out of these.
            ("user/*.rs", "GET /r4/CodeSystem/$lookup", OPERATION),
            ("user/*.rs", "GET /r4/Observation/$validate", OPERATION),
            (
                "system/*.cruds",
                "GET /r4/CodeSystem/$lookup",
                Ok("/base/CodeSystem/$lookup"),
            ),
            // A parameter of the hidden element, of a type that the answer may hold.
            (
                "user/*.rs",
                "GET /r4/Observation/$lastn?birthdate=1970",
                PARAMETER,
            ),
            (
                "user/Observation.rs",
                "GET /r4/Observation/$lastn?birthdate=1970",
                Ok("/base/Observation/$lastn?birthdate=1970"),
            ),
        ],
    );
}

#[test]
fn further_pages_of_an_operation_are_its_own_bypass_22_33() {
    let mut world = listing_with(|config| {
        config["secrets"] = json!({"page_key": {"inline": "01".repeat(32)}});
        let everything = ["_type", "_count", "_offset"];
        config["fhir"]["operations"][0]["parameters"] = json!(everything);
    });
    let own = "http://fhir/base/Patient/p1/$everything";
    for (name, url, expected) in [
        (
            "the server's own form",
            "http://fhir/base?_getpages=x".to_owned(),
            Ok("/base?_getpages=x"),
        ),
        (
            "a cursor",
            format!("{own}?ct=x"),
            Ok("/base/Patient/p1/$everything?ct=x"),
        ),
        (
            "understood",
            format!("{own}?_count=5&_offset=5"),
            Ok("/base/Patient/p1/$everything?_count=5&_offset=5"),
        ),
        (
            "another patient's",
            "http://fhir/base/Patient/p2/$everything?_offset=5".to_owned(),
            Err("request.malformed.page"),
        ),
        (
            "another selection",
            format!("{own}?_type=Observation&_offset=5"),
            Err("request.malformed.page"),
        ),
    ] {
        let answer = format!(
            r#"{{"resourceType":"Bundle","type":"searchset","link":[{{"relation":"next","url":"{url}"}}]}}"#
        );
        let (body, _) = left(&mut world, "patient/*.rs", EVERYTHING, &answer);
        let next = body["link"][1]["url"].as_str().expect("a link");
        let next = next.strip_prefix("https://fhir.example.org").expect("ours");
        let next = format!("GET {next}");
        let found = outcome(&mut world, "patient/*.rs", &next, None);
        let found = found.as_deref().map_err(|(_, rule)| rule.as_str());
        assert_eq!(found, expected, "{name}");
        let found = outcome(&mut world, "patient/Patient.rs", &next, None);
        assert_eq!(found.is_ok(), name == "understood", "{name}: another token");
    }
    // Of a page, too, leaves what the caller may see.
    let opaque = r#"{"resourceType":"Bundle","type":"searchset","link":[{"relation":"next","url":"http://fhir/base?_getpages=x"}]}"#;
    let (body, _) = left(&mut world, "patient/*.rs", EVERYTHING, opaque);
    let next = body["link"][1]["url"].as_str().expect("a link");
    let next = format!(
        "GET {}",
        next.trim_start_matches("https://fhir.example.org")
    );
    let all = [
        about("Observation", "o1", "p1"),
        about("Observation", "o2", "p2"),
    ];
    let (body, rule) = left(
        &mut world,
        "patient/*.rs",
        &next,
        &bundle("searchset", &all),
    );
    assert_eq!(names(&body), ["https://fhir.example.org/r4/Observation/o1"]);
    assert_eq!(rule, "operation:everything");
}
