//! What reaches beyond one type: chains, inclusions, parts of resources, and operations.

use super::*;

/// A Consent that permits all but this.
fn but(element: &str, value: Value) -> Value {
    let mut denial = json!({"type": "deny"});
    denial[element] = value;
    bundle(&[consent(json!({"type": "permit", "provision": [denial]}))])
}

fn type_of(name: &str) -> Value {
    json!([{"system": "http://hl7.org/fhir/resource-types", "code": name}])
}

fn label() -> Value {
    json!([{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "PSY"}])
}

#[test]
fn what_else_a_search_looks_at_is_not_consented_to() {
    let mut world = requiring(|config| {
        config["fhir"]["search"] = json!({
            "chains": ["Observation:subject:Patient"], "has": ["Observation:patient"],
            "include": ["Observation:subject:Patient"],
        });
    });
    // A match would tell of what nobody decides on.
    for target in [
        "GET /r4/Observation?patient=p1&subject:Patient.birthdate=1970-01-01",
        "GET /r4/Patient?_id=p1&_has:Observation:patient:code=x",
    ] {
        let (exchange, step) = ask(&mut world, USER, target, T);
        let found = passed(&world, exchange, step).err();
        assert_eq!(found, refused(403, "consent.c"), "{target}");
    }
    // What is sent along is in the answer, and taken out there.
    let include = "GET /r4/Observation?patient=p1&_include=Observation:subject:Patient";
    permitted(&mut world, USER, include, &but("class", type_of("Patient")));
}

#[test]
fn codes_times_and_instances_are_looked_for_in_the_answer() {
    let coded = |code: &str| json!({"coding": [{"system": "http://loinc.org", "code": code}]});
    let observation = |id: &str, code: &str, at: &str| {
        json!({"resourceType": "Observation", "id": id, "code": coded(code),
            "effectiveDateTime": at, "subject": {"reference": "Patient/p1"}})
    };
    let mut words = observation("o5", "1", "2024-06-01");
    words["code"] = json!({"text": "x"});
    words["effectiveDateTime"] = json!("June");
    let all = bundle(&[
        observation("o1", "1", "2024-06-01"),
        observation("o2", "2", "2024-06-01"),
        observation("o3", "1", "2023-06-01"),
        observation("o4", "2", "2023"),
        words,
    ]);
    let reference = json!({"reference": "Observation/o1/_history/3"});
    let instance = json!([{"meaning": "instance", "reference": reference}]);
    for (element, value, permitted, denied) in [
        (
            "code",
            json!([coded("1")]),
            &["o1", "o3"][..],
            &["o2", "o4"][..],
        ),
        (
            "dataPeriod",
            json!({"start": "2024"}),
            &["o1", "o2"],
            &["o3", "o4"],
        ),
        ("data", instance, &["o1"], &["o2", "o3", "o4", "o5"]),
    ] {
        let mut only = json!({"type": "permit"});
        only[element] = value.clone();
        for (consents, expected) in [
            (bundle(&[consent(only)]), permitted),
            (but(element, value), denied),
        ] {
            let found = left(USER, SEARCH, &consents, &all).expect(element);
            assert_eq!(ids(&found), expected, "{element}");
        }
    }
    // The instance that is read answers as if it were absent.
    let o1 = observation("o1", "1", "2024-06-01");
    let consents = but("code", json!([coded("1")]));
    let read = "GET /r4/Observation/o1";
    assert_eq!(left("patient/*.rs", read, &consents, &o1), Err(404));
    let consents = but("code", json!([coded("2")]));
    assert!(left("patient/*.rs", read, &consents, &o1).is_ok());
}

#[test]
fn an_answer_in_part_has_what_it_is_decided_on() {
    let forwarded = |target: &str| {
        let mut world = deployment();
        let mut exchange = waits(&mut world, USER, target);
        call(&world, &mut exchange);
        match answered(&world, &mut exchange, &permit()) {
            Step::Forward(fields) => {
                let path = fields
                    .iter()
                    .find(|(name, _)| name == b":path")
                    .expect("a path");
                String::from_utf8(path.1.clone()).expect("text")
            }
            step => panic!("{target}: {step:?}"),
        }
    };
    let path = forwarded("GET /r4/Observation?patient=p1&_elements=status");
    let (_, elements) = path.split_once("_elements=").expect(&path);
    let elements: Vec<&str> = elements.split(['&', ',']).collect();
    for needed in [
        "status",
        "id",
        "meta",
        "subject",
        "performer",
        "contained",
        "code",
        "effective",
    ] {
        assert!(elements.contains(&needed), "{needed}: {path}");
    }
    let path = forwarded("GET /r4/MedicationRequest?patient=p1&_elements=status");
    for needed in ["medication", "dosageInstruction"] {
        assert!(path.contains(needed), "{needed}: {path}");
    }
    // A number tells of what may not be seen, and a summary may lack the labels.
    for (more, rule) in [
        ("_total=accurate", "request.not-supported.total"),
        ("_summary=count", "request.not-supported.total"),
        ("_summary=true", "request.not-supported.summary"),
    ] {
        let mut world = deployment();
        let (exchange, step) = ask(&mut world, USER, &format!("{SEARCH}&{more}"), T);
        assert_eq!(
            passed(&world, exchange, step).err(),
            refused(400, rule),
            "{more}"
        );
        // Also to the patient, whatever the server is trusted with.
        let mut world = requiring(|config| config["fhir"]["upstream"]["trust"] = json!(["total"]));
        let (exchange, step) = ask(&mut world, "patient/*.rs", &format!("{SEARCH}&{more}"), T);
        assert_eq!(
            passed(&world, exchange, step).err(),
            refused(400, rule),
            "{more}: to the patient"
        );
        let mut world = requiring(|config| config["rules"][0]["report"] = json!(true));
        let answer = &permit();
        let found = outcome(&mut world, USER, &format!("{SEARCH}&{more}"), answer).err();
        assert_eq!(found, None, "{more}: only reported");
    }
}

#[test]
fn operations_take_consent_where_their_answer_is_looked_at() {
    let listing = || {
        requiring(|config| {
            let of = |name: &str, level: &str, of: &str, answer: &str| {
                json!({"name": name, "level": level, "types": [of], "methods": ["GET", "POST"],
                    "answer": answer})
            };
            config["fhir"]["operations"] = json!([
                of("everything", "instance", "Patient", "bundle"),
                of("lastn", "type", "Observation", "bundle"),
                of("facts", "instance", "Patient", "parameters"),
                of("words", "instance", "Patient", "outcome"),
            ]);
        })
    };
    let everything = "GET /r4/Patient/p1/$everything";
    let mut world = listing();
    let found = outcome(&mut world, "user/*.rs", everything, &deny()).err();
    assert_eq!(found, refused(403, "consent.c"));
    for target in [
        "POST /r4/Patient/p1/$everything",
        "GET /r4/Observation/$lastn",
        "GET /r4/Patient/p1/$facts",
        "GET /r4/Patient/p1/$words",
    ] {
        let mut world = listing();
        let claims = world
            .claims()
            .scope("user/*.rs")
            .fhir_user("Practitioner/7");
        let token = world.token(&claims);
        let json = [("content-type", "application/fhir+json")];
        let head = world.head_with(&token, target, &json);
        let mut exchange = Exchange::default();
        let step = world.ask(&mut exchange, head, target.starts_with("GET"));
        let found = passed(&world, exchange, step).err();
        assert_eq!(found, refused(403, "consent.c"), "{target}");
    }
    // Each resource of the answer is decided on.
    let of = |name: &str, id: &str, security: Value| {
        let mut found =
            json!({"resourceType": name, "id": id, "subject": {"reference": "Patient/p1"}});
        found["meta"] = json!({ "security": security });
        found
    };
    let entries = bundle(&[
        json!({"resourceType": "Patient", "id": "p1"}),
        of("Observation", "o1", json!([])),
        of("Observation", "o2", label()),
        json!({"resourceType": "Patient", "id": "p2"}),
    ]);
    let mut world = listing();
    let consents = but("securityLabel", label());
    let mut exchange = permitted(&mut world, "user/*.rs", everything, &consents);
    let head = [
        (":status", "200"),
        ("content-type", "application/fhir+json"),
    ];
    let text = format!(
        r#"{{"resourceType":"Bundle","type":"searchset","entry":{}}}"#,
        entries["entry"]
    );
    let answer = world.answer(&mut exchange, &head, &[text.as_bytes(), b""], false);
    let found = String::from_utf8(answer.body).expect("text");
    for (id, expected) in [
        ("\"p1\"", true),
        ("\"o1\"", true),
        ("\"o2\"", false),
        ("\"p2\"", false),
    ] {
        assert_eq!(found.contains(id), expected, "{id}: {found}");
    }
}
