//! What is necessary, through whole exchanges: no more is asked for, and no more leaves.

use super::*;

const OK: [(&str, &str); 2] = [
    (":status", "200"),
    ("content-type", "application/fhir+json"),
];

/// Whoever has no role sees little of Observations, and of two lists what both have.
fn world() -> Deployment {
    Deployment::with(|config| {
        config["issuers"][0]["claims"] = json!({"roles": ["/roles"]});
        config["redaction"] = json!([]);
        config["minimum"] = json!([
            {"name": "least", "resource": "Observation", "elements": ["status", "code", "value", "subject"],
                "when": "!('physician' in principal.roles)"},
            {"name": "less", "resource": "Observation", "elements": ["subject", "value", "status"],
                "when": "!('physician' in principal.roles) && !('nurse' in principal.roles)"},
        ]);
    })
}

/// The step of a request of somebody with this role.
fn asked(world: &mut Deployment, scope: &str, role: &str, target: &str) -> (Exchange, Step) {
    let claims = world.claims().scope(scope).claim("roles", json!([role]));
    let claims = match scope.starts_with("patient/") {
        true => claims.claim("patient", json!("p1")),
        false => claims,
    };
    let head = world.head_with(&world.token(&claims), target, &[]);
    let mut exchange = Exchange::default();
    let ended = target.starts_with("GET");
    let step = world.ask(&mut exchange, head, ended);
    (exchange, step)
}

fn path(step: &Step) -> String {
    let Step::Forward(fields) = step else {
        panic!("{step:?}")
    };
    let path = fields.iter().find(|(name, _)| name == b":path");
    let path = path.map(|(_, path)| String::from_utf8_lossy(path).replace("%2C", ","));
    path.expect("a path")
}

#[test]
fn no_more_is_asked_for_than_is_necessary() {
    let mut world = world();
    let all = "system/*.rs";
    let least = "status,code,value,subject";
    for (scope, role, target, expected) in [
        (
            all,
            "physician",
            "Observation?code=x",
            "Observation?code=x".to_owned(),
        ),
        (
            all,
            "nurse",
            "Observation?code=x",
            format!("Observation?code=x&_elements={least},id,meta"),
        ),
        (
            all,
            "nurse",
            "Observation?code=x&_elements=issued,code",
            "Observation?code=x&_elements=code,id,meta".into(),
        ),
        (
            all,
            "nurse",
            "Observation?code=x&_elements=issued",
            "Observation?code=x&_elements=id,meta".into(),
        ),
        (
            all,
            "nurse",
            "Observation?code=x&_summary=true",
            "Observation?code=x&_summary=true".into(),
        ),
        (
            all,
            "porter",
            "Observation?value-string=x",
            "Observation?value-string=x&_elements=status,value,subject,id,meta".into(),
        ),
        (all, "nurse", "Condition?code=x", "Condition?code=x".into()),
        (all, "nurse", "Observation/o1", "Observation/o1".into()),
        (
            all,
            "nurse",
            "Observation/o1/_history",
            "Observation/o1/_history".into(),
        ),
        // With what the decision rests on.
        (
            "patient/*.rs",
            "nurse",
            "Observation?patient=p1",
            format!("Observation?patient=Patient/p1&_elements={least},id,meta,performer,contained"),
        ),
        (
            "system/Observation.rs?category=laboratory",
            "nurse",
            "Observation?code=x",
            format!("Observation?code=x&_elements={least},id,meta,category"),
        ),
    ] {
        let (_, step) = asked(&mut world, scope, role, &format!("GET /r4/{target}"));
        let found = path(&step).replace("%2F", "/");
        assert_eq!(found, format!("/base/{expected}"), "{role}: {target}");
    }
}

#[test]
fn what_is_not_necessary_does_not_leave_and_is_not_asked_about() {
    let mut world = world();
    let observation = json!({"resourceType": "Observation", "id": "o1", "status": "final", "code": {"text": "c"},
        "issued": "CANARY", "note": [{"text": "CANARY"}], "valueString": "v", "subject": {"reference": "Patient/p1"},
        "unknown": "CANARY", "text": {"status": "generated", "div": "CANARY"}});
    for (role, code) in [("physician", true), ("nurse", true), ("porter", false)] {
        let (mut exchange, _) = asked(&mut world, "system/*.rs", role, "GET /r4/Observation/o1");
        let answer = world.answer(
            &mut exchange,
            &OK,
            &[observation.to_string().as_bytes()],
            false,
        );
        let text = String::from_utf8(answer.body).expect("text");
        let body: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(
            text.contains("CANARY"),
            role == "physician",
            "{role}: {text}"
        );
        assert_eq!(
            text.contains("SUBSETTED"),
            role != "physician",
            "{role}: {text}"
        );
        assert_eq!(body["code"]["text"] == "c", code, "{role}: {text}");
        assert_eq!(
            (&body["status"], &body["valueString"]),
            (&json!("final"), &json!("v")),
            "{role}"
        );
    }
    for (role, target, passes) in [
        ("physician", "GET /r4/Observation?date=2020", true),
        ("nurse", "GET /r4/Observation?date=2020", false),
        ("nurse", "GET /r4/Observation?_sort=date", false),
        ("nurse", "GET /r4/Observation?code=x", true),
        ("nurse", "GET /r4/Observation?_lastUpdated=ge2020", true),
        ("porter", "GET /r4/Observation?code=x", false),
        ("physician", "PUT /r4/Observation/o1", true),
        ("nurse", "PUT /r4/Observation/o1", false),
        ("nurse", "PATCH /r4/Observation/o1", false),
        ("nurse", "POST /r4/Observation", true),
        ("nurse", "PUT /r4/Condition/c1", true),
    ] {
        let claims = world
            .claims()
            .scope("system/*.cruds")
            .claim("roles", json!([role]));
        let kind = match target.starts_with("PATCH") {
            true => "application/json-patch+json",
            false => "application/fhir+json",
        };
        let fields: &[(&str, &str)] = match target.starts_with("GET") {
            true => &[],
            false => &[("content-type", kind), ("content-length", "1")],
        };
        let head = world.head_with(&world.token(&claims), target, fields);
        let mut exchange = Exchange::default();
        let step = world.ask(&mut exchange, head, target.starts_with("GET"));
        assert_eq!(
            !matches!(step, Step::Reply(_)),
            passes,
            "{role}: {target}: {step:?}"
        );
    }
}

#[test]
fn a_patient_searches_only_where_it_is_listed_whose_a_resource_is() {
    let mut world = Deployment::with(|config| {
        config["redaction"] = json!([]);
        config["minimum"] = json!([
            {"name": "codes", "resource": "Observation", "elements": ["code"]},
            {"name": "who", "resource": "Condition", "elements": ["code", "subject"]},
            {"name": "self", "resource": "Patient", "elements": ["gender"]},
        ]);
    });
    for (target, passes) in [
        ("Observation?code=x", false),
        ("Observation?patient=p1", false),
        ("Observation/o1", true),
        ("Condition?code=x", true),
        ("Condition?patient=p1", true),
        ("Condition?onset-date=2020", false),
        ("Patient?_id=p1", true),
        ("Patient?family=x", false),
        ("Patient/p1", true),
    ] {
        let (_, step) = asked(&mut world, "patient/*.rs", "", &format!("GET /r4/{target}"));
        let found = matches!(step, Step::Forward(_));
        assert_eq!(found, passes, "{target}: {step:?}");
    }
}

#[test]
fn further_pages_ask_for_no_more_either() {
    let mut world = world();
    let all = "Observation?code=x&_elements=status,code,value,subject,id,meta";
    let target = "GET /r4/Observation?code=x";
    let (mut exchange, step) = asked(&mut world, "system/*.rs", "nurse", target);
    assert_eq!(path(&step), format!("/base/{all}"));
    let next = format!("http://fhir/base/{all}&_offset=4");
    let wider = "http://fhir/base/Observation?code=x&_offset=4";
    for (url, kept) in [(next.as_str(), true), (wider, false)] {
        let body = json!({"resourceType": "Bundle", "type": "searchset", "link": [{"relation": "next", "url": url}]});
        let body = body.to_string().replace(
            r#"{"link":"#,
            r#"{"resourceType":"Bundle","type":"searchset","link":"#,
        );
        let body = body.replace(r#","resourceType":"Bundle","type":"searchset"}"#, "}");
        let answer = world.answer(&mut exchange, &OK, &[body.as_bytes()], false);
        let text = String::from_utf8(answer.body).expect("text");
        assert_eq!(text.contains("_offset=4"), kept, "{url}: {text}");
        exchange = asked(&mut world, "system/*.rs", "nurse", target).0;
    }
    let (_, step) = asked(
        &mut world,
        "system/*.rs",
        "nurse",
        &format!("GET /r4/{all}&_offset=4"),
    );
    assert_eq!(path(&step), format!("/base/{all}&_offset=4"));
}

#[test]
fn a_part_is_not_written_back_in_what_is_contained() {
    for (role, contained, refused) in [
        (
            "nurse",
            r#"[{"resourceType":"Observation","id":"o","code":{"text":"x"}}]"#,
            true,
        ),
        ("nurse", r#"[{"resourceType":"Device","id":"o"}]"#, false),
        (
            "physician",
            r#"[{"resourceType":"Observation","id":"o","code":{"text":"x"}}]"#,
            false,
        ),
    ] {
        let mut world = world();
        let claims = world.claims().scope("system/*.cruds");
        let token = world.token(&claims.claim("roles", json!([role])));
        let fields = [("content-type", "application/fhir+json")];
        let head = world.head_with(&token, "PUT /r4/Condition/x", &fields);
        let mut exchange = Exchange::default();
        world.ask(&mut exchange, head, false);
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
