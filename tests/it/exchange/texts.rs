//! Rules about texts, through whole exchanges.

use super::*;

/// For the desk numbers of cards are masked, and Patients with an e-mail address withheld.
fn world() -> Deployment {
    Deployment::with(|config| {
        config["issuers"][0]["claims"] = json!({"roles": ["/roles"]});
        config["fhir"]["search"] = json!({"chains": ["Observation:subject:Patient"]});
        config["fhir"]["operations"] = json!([
            {"name": "check", "level": "type", "types": ["Observation"], "answer": "outcome"},
            {"name": "look", "level": "type", "types": ["Condition"], "answer": "bundle",
                "parameters": ["_content"]},
        ]);
        config["redaction"] = json!([]);
        config["dlp"] = json!([
            {"name": "cards", "patterns": ["card"], "action": "mask", "types": ["Observation"],
                "when": "'desk' in principal.roles"},
            {"name": "mail", "patterns": ["email"], "action": "refuse", "types": ["Patient"],
                "except": ["telecom"], "when": "'desk' in principal.roles"},
            {"name": "undecided", "patterns": [{"pattern": "SECRET"}], "action": "mask",
                "when": "token.claims.unit != 'icu'"},
        ]);
    })
}

/// The token of somebody with this role, in the intensive care unit unless said.
fn token(world: &Deployment, role: &str, unit: Option<&str>) -> String {
    let claims = world.claims().scope("system/*.cruds");
    let claims = claims.claim("roles", json!([role]));
    let claims = match unit {
        Some(unit) => claims.claim("unit", json!(unit)),
        None => claims,
    };
    world.token(&claims)
}

/// The status, and what leaves, of an answer of the server.
fn answered(role: &str, unit: Option<&str>, target: &str, body: &str) -> (u16, String, Value) {
    let mut world = world();
    let token = token(&world, role, unit);
    answered_by(&mut world, &token, target, body)
}

#[test]
fn a_read_is_answered_by_what_it_says_and_who_asks() {
    let observation =
        |text: &str| format!(r#"{{"resourceType":"Observation","id":"x","valueString":"{text}"}}"#);
    let patient = |member: &str| format!(r#"{{"resourceType":"Patient","id":"x",{member}}}"#);
    let card = observation("pays 4111111111111111");
    let mail = patient(r#""name":[{"text":"jane@example.org"}]"#);
    let telecom = patient(r#""telecom":[{"value":"jane@example.org"}]"#);
    let inside = r#"{"resourceType":"Observation","id":"x","contained":[{"resourceType":"Patient","id":"c","name":[{"text":"a@b.org"}]}]}"#;
    let secret = observation("a SECRET");
    let icu = Some("icu");
    for (role, unit, target, body, left) in [
        (
            "desk",
            icu,
            "Observation",
            card.as_str(),
            Some("pays ****************"),
        ),
        (
            "ward",
            icu,
            "Observation",
            &card,
            Some("pays 4111111111111111"),
        ),
        ("desk", icu, "Patient", &mail, None),
        ("ward", icu, "Patient", &mail, Some("jane@example.org")),
        ("desk", icu, "Patient", &telecom, Some("jane@example.org")),
        ("desk", icu, "Observation", inside, None),
        ("ward", icu, "Observation", &secret, Some("a SECRET")),
        (
            "ward",
            Some("lab"),
            "Observation",
            &secret,
            Some("a ******"),
        ),
        // Whether the rule holds cannot be decided.
        ("ward", None, "Observation", &secret, Some("a ******")),
    ] {
        let target = format!("GET /r4/{target}/x");
        let (status, text, record) = answered(role, unit, &target, body);
        match left {
            Some(left) => {
                assert!(
                    status == 200 && text.contains(left),
                    "{role} {body}: {text}"
                );
                let masked = left.contains('*');
                assert_eq!(record["redacted"], u64::from(masked), "{role} {body}");
                assert_eq!(text.contains("SUBSETTED"), masked, "{text}");
            }
            None => {
                assert_eq!(status, 404, "{role} {body}");
                assert_eq!(record["rule"], "compartment", "{role} {body}");
            }
        }
    }
}

/// The rule that refuses a request before anything is sent; empty where it goes on.
fn refused(role: &str, target: &str) -> String {
    let mut world = world();
    let token = token(&world, role, Some("icu"));
    let mut exchange = Exchange::default();
    let fields = [("content-type", "application/fhir+json")];
    let fields = match target.starts_with('P') {
        true => &fields[..],
        false => &[],
    };
    let head = world.head_with(&token, target, fields);
    let step = world.ask(&mut exchange, head, !target.starts_with('P'));
    match step {
        Step::Reply(_) => world.record(&mut exchange)["rule"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        _ => String::new(),
    }
}

#[test]
fn what_would_tell_of_what_is_withheld_or_write_back_stars_is_refused() {
    for (target, expected) in [
        ("GET /r4/Patient?name=x&_summary=count", "total"),
        ("GET /r4/Patient?name=x&_total=accurate", "total"),
        ("GET /r4/Patient?name=x&_summary=true", "summary"),
        // The narrative would not be there to be looked at.
        ("GET /r4/Patient?name=x&_summary=data", "summary"),
        ("GET /r4/Observation?code=x&_summary=data", ""),
        ("GET /r4/Patient?name=x&_elements=gender", "elements"),
        ("GET /r4/Observation?subject:Patient.name=x", "parameter"),
        ("PUT /r4/Patient/x", "granular-write"),
        ("PUT /r4/Observation/x", "update-of-redacted"),
        ("GET /r4/Observation/$check", "operation"),
        ("GET /r4/Observation?code=x&_summary=count", ""),
        ("GET /r4/Observation?code=x&_elements=status", ""),
        ("GET /r4/Condition/$look?_content=x", "operation"),
        ("PUT /r4/Condition/x", ""),
        ("POST /r4/Observation", ""),
    ] {
        let expected = match expected {
            "" => String::new(),
            word => format!("request.not-supported.{word}"),
        };
        assert_eq!(refused("desk", target), expected, "{target}");
        assert_eq!(refused("ward", target), "", "{target}");
    }
}

#[test]
fn stars_are_not_written_back_in_what_is_contained() {
    for (role, contained, refused) in [
        (
            "desk",
            r#"[{"resourceType":"Observation","id":"o","code":{"text":"x"}}]"#,
            true,
        ),
        ("desk", r#"[{"resourceType":"Patient","id":"o"}]"#, false),
        (
            "ward",
            r#"[{"resourceType":"Observation","id":"o","code":{"text":"x"}}]"#,
            false,
        ),
    ] {
        let mut world = world();
        let token = token(&world, role, Some("icu"));
        let fields = [("content-type", "application/fhir+json")];
        let head = world.head_with(&token, "PUT /r4/Condition/x", &fields);
        let mut exchange = Exchange::default();
        let step = world.ask(&mut exchange, head, false);
        assert!(!matches!(step, Step::Reply(_)), "{role}: {step:?}");
        let body = format!(
            r#"{{"resourceType":"Condition","id":"x","contained":{contained},"subject":{{"reference":"Patient/p1"}}}}"#
        );
        let step = exchange.request_body(&world.guard, body.as_bytes(), true);
        assert_eq!(
            matches!(step, Step::Reply(_)),
            refused,
            "{role} {contained}: {step:?}"
        );
        let rule = &world.record(&mut exchange)["rule"];
        let expected = "request.not-supported.update-of-redacted";
        assert_eq!(rule == expected, refused, "{role} {contained}: {rule}");
    }
}

#[test]
fn what_is_contained_is_asked_for_where_it_decides() {
    let mut world = world();
    for (role, expected) in [
        ("desk", "status,id,meta,contained"),
        ("ward", "status,id,meta"),
    ] {
        let token = token(&world, role, Some("icu"));
        let target = "GET /r4/Observation?code=x&_elements=status";
        let head = world.head_with(&token, target, &[]);
        let step = world.ask(&mut Exchange::default(), head, true);
        let Step::Forward(fields) = step else {
            panic!("{role}: {step:?}")
        };
        let path = fields.iter().find(|(name, _)| name == b":path");
        let path = path.map(|(_, path)| String::from_utf8_lossy(path).replace("%2C", ","));
        let expected = format!("/base/Observation?code=x&_elements={expected}");
        assert_eq!(path, Some(expected), "{role}");
    }
}

#[test]
fn what_is_withheld_for_its_text_is_not_counted() {
    let entry = |id: &str, text: &str| {
        format!(
            r#"{{"resource":{{"resourceType":"Patient","id":"{id}","name":[{{"text":"{text}"}}]}}}}"#
        )
    };
    let body = format!(
        r#"{{"resourceType":"Bundle","type":"searchset","total":2,"entry":[{},{}]}}"#,
        entry("a", "Jane"),
        entry("b", "jane@example.org")
    );
    for (role, removed) in [("desk", 1), ("ward", 0)] {
        let target = "GET /r4/Patient?name=jane";
        let (status, text, record) = answered(role, Some("icu"), target, &body);
        assert_eq!(status, 200);
        assert_eq!(record["removed"], removed, "{role}");
        assert_eq!(text.contains(r#""id":"b""#), removed == 0, "{role}: {text}");
        assert!(!text.contains("total"), "{role}: {text}");
    }
}
