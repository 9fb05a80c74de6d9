//! Security labels, through whole exchanges.

use super::*;

const R: &str =
    r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}"#;
const HIV: &str = r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"HIV"}"#;

/// Everybody sees what is normal, whoever has the role what is about HIV, and whoever has the purpose
/// everything.
fn world() -> Deployment {
    Deployment::with(|config| {
        config["issuers"][0]["claims"] = json!({"roles": ["/roles"], "purpose": ["/purpose"]});
        config["fhir"]["search"] = json!({"chains": ["Observation:subject:Patient"]});
        config["fhir"]["conditional"] = json!(["create"]);
        config["fhir"]["bundles"] = json!({"types": ["batch"], "entries": 5});
        config["fhir"]["operations"] = json!([
            {"name": "check", "level": "type", "types": ["Observation"], "answer": "outcome"},
            {"name": "state", "level": "system", "scopes": ["system/*.cruds"], "answer": "parameters"},
            {"name": "lastn", "level": "type", "types": ["Observation"], "answer": "bundle"},
        ]);
        config["redaction"] = json!([]);
        config["labels"] = json!({
            "unlabelled": "normal",
            "clearances": [
                {"confidentiality": "normal"},
                {"when": "'infectiology' in principal.roles", "confidentiality": "restricted", "sensitivities": ["HIV"]},
                {"when": "'BTG' in principal.purposes", "confidentiality": "very-restricted", "sensitivities": ["*"]},
                {"when": "token.claims.unit == 'icu'", "confidentiality": "very-restricted", "sensitivities": ["*"]},
            ],
            "codes": [{"codes": ["http://icd|B20"], "confidentiality": "restricted", "sensitivities": ["HIV"]}],
        });
    })
}

/// Who is asking.
#[derive(Clone, Copy, Debug)]
enum Caller {
    Anybody,
    Infectiology,
    Emergency,
    Patient,
}

impl Caller {
    fn token(self, world: &Deployment) -> String {
        let claims = world.claims();
        let claims = match self {
            Caller::Anybody => claims.scope("system/*.cruds"),
            Caller::Infectiology => {
                let claims = claims.scope("system/*.cruds");
                claims.claim("roles", json!(["infectiology"]))
            }
            Caller::Emergency => {
                let claims = claims.scope("system/*.cruds");
                claims.claim("purpose", json!(["BTG"]))
            }
            Caller::Patient => claims.scope("patient/*.rs").claim("patient", json!("p1")),
        };
        world.token(&claims)
    }
}

fn observation(id: &str, labels: &str, code: &str) -> String {
    format!(
        r#"{{"resourceType":"Observation","id":"{id}","meta":{{"security":[{labels}]}},"status":"final","code":{{"coding":[{{"system":"http://icd","code":"{code}"}}]}},"subject":{{"reference":"Patient/p1"}}}}"#
    )
}

/// The status, and the ids that leave, of an answer of the server to this caller.
fn answered(caller: Caller, target: &str, body: &str) -> (u16, String, Value) {
    let mut world = world();
    let token = caller.token(&world);
    answered_by(&mut world, &token, target, body)
}

#[test]
fn a_read_is_answered_by_clearance() {
    let plain = observation("o1", "", "x");
    let restricted = observation("o1", R, "x");
    let hiv = observation("o1", &format!("{R},{HIV}"), "x");
    let coded = observation("o1", "", "B20");
    let unknown = observation("o1", r#"{"system":"http://x","code":"y"}"#, "x");
    let target = "GET /r4/Observation/o1";
    for (caller, body, expected) in [
        (Caller::Anybody, &plain, 200),
        (Caller::Anybody, &restricted, 404),
        (Caller::Anybody, &hiv, 404),
        (Caller::Anybody, &coded, 404),
        (Caller::Anybody, &unknown, 404),
        (Caller::Infectiology, &plain, 200),
        (Caller::Infectiology, &restricted, 200),
        (Caller::Infectiology, &hiv, 200),
        (Caller::Infectiology, &coded, 200),
        (Caller::Infectiology, &unknown, 404),
        (Caller::Emergency, &hiv, 200),
        (Caller::Emergency, &unknown, 200),
        (Caller::Patient, &plain, 200),
        (Caller::Patient, &hiv, 404),
    ] {
        let (status, text, record) = answered(caller, target, body);
        assert_eq!(status, expected, "{caller:?} {body}");
        match expected {
            200 => assert_eq!(&text, body, "{caller:?}"),
            _ => assert_eq!(record["rule"], "compartment", "{caller:?} {body}"),
        }
    }
}

#[test]
fn what_is_withheld_answers_like_what_is_not_there() {
    let reply = |status: &str, body: &str| {
        let mut world = world();
        let token = Caller::Anybody.token(&world);
        let mut exchange = Exchange::default();
        let head = world.head_with(&token, "GET /r4/Observation/o1", &[]);
        world.ask(&mut exchange, head, true);
        let head = [
            (":status", status),
            ("content-type", "application/fhir+json"),
        ];
        match world
            .answer(&mut exchange, &head, &[body.as_bytes()], false)
            .end
        {
            End::Reply(reply) => reply,
            other => panic!("{status}: {other:?}"),
        }
    };
    let absent = reply("404", "{}");
    assert_eq!(reply("410", "{}"), absent);
    assert_eq!(reply("200", &observation("o1", R, "x")), absent);
    let long = observation("o1", R, &"x".repeat(5 * driver::HOLD));
    assert_eq!(reply("200", &long), absent);
    // Whose labels cannot be read.
    assert_eq!(reply("200", "{\"resourceType\":"), absent);
}

#[test]
fn of_a_search_only_what_the_caller_is_cleared_for_leaves() {
    let all = [("a", ""), ("b", R), ("c", HIV), ("d", "")];
    let entries: Vec<String> = all
        .iter()
        .map(|(id, labels)| format!(r#"{{"resource":{}}}"#, observation(id, labels, "x")))
        .collect();
    let body = format!(
        r#"{{"resourceType":"Bundle","type":"searchset","total":4,"entry":[{}]}}"#,
        entries.join(",")
    );
    for (caller, expected) in [
        (Caller::Anybody, "ad"),
        (Caller::Infectiology, "abcd"),
        (Caller::Emergency, "abcd"),
    ] {
        for target in [
            "GET /r4/Observation?code=x",
            "GET /r4/Observation/$lastn",
            "GET /r4?_type=Observation,Condition&_lastUpdated=2026",
        ] {
            let (status, text, record) = answered(caller, target, &body);
            assert_eq!(status, 200, "{caller:?} {target}");
            let left: String = all
                .iter()
                .map(|(id, _)| *id)
                .filter(|id| text.contains(&format!(r#""id":"{id}""#)))
                .collect();
            assert_eq!(left, expected, "{caller:?} {target}: {text}");
            let removed = all.len() - expected.len();
            assert_eq!(record["removed"], removed, "{caller:?} {target}");
        }
    }
}

/// The rule that refuses a request before anything is sent; empty where it goes on.
fn refused(caller: Caller, target: &str, fields: &[(&str, &str)]) -> String {
    let mut world = world();
    let token = caller.token(&world);
    let mut exchange = Exchange::default();
    let head = world.head_with(&token, target, fields);
    let ended = !target.starts_with('P');
    let step = world.ask(&mut exchange, head, ended);
    match step {
        Step::Reply(_) => world.record(&mut exchange)["rule"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        _ => String::new(),
    }
}

#[test]
fn what_would_tell_of_what_is_withheld_is_for_whoever_may_see_everything() {
    let json = [("content-type", "application/fhir+json")];
    let patch = [("content-type", "application/json-patch+json")];
    let if_none_exist = [
        ("content-type", "application/fhir+json"),
        ("if-none-exist", "code=x"),
    ];
    let no = "request.not-supported";
    for (target, fields, expected) in [
        (
            "GET /r4/Observation?code=x&_summary=count",
            &[][..],
            format!("{no}.total"),
        ),
        (
            "GET /r4/Observation?code=x&_total=accurate",
            &[],
            format!("{no}.total"),
        ),
        (
            "GET /r4/Observation?code=x&_summary=text",
            &[],
            format!("{no}.summary"),
        ),
        (
            "GET /r4/Observation?code=x&_elements=status",
            &[],
            format!("{no}.elements"),
        ),
        (
            "GET /r4/Observation?subject:Patient.name=x",
            &[],
            format!("{no}.parameter"),
        ),
        ("GET /r4/Observation/$check", &[], format!("{no}.operation")),
        ("GET /r4/$state", &[], format!("{no}.operation")),
        (
            "PUT /r4/Observation/o1",
            &json,
            format!("{no}.granular-write"),
        ),
        (
            "PATCH /r4/Observation/o1",
            &patch,
            format!("{no}.granular-write"),
        ),
        (
            "DELETE /r4/Observation/o1",
            &[],
            format!("{no}.granular-write"),
        ),
        (
            "POST /r4/Observation",
            &if_none_exist,
            format!("{no}.granular-write"),
        ),
        ("POST /r4/Observation", &json, String::new()),
        (
            "GET /r4/Observation?code=x&_summary=data",
            &[],
            String::new(),
        ),
    ] {
        let found = refused(Caller::Anybody, target, fields);
        assert_eq!(found, expected, "{target}");
        let found = refused(Caller::Emergency, target, fields);
        assert_eq!(found, "", "{target}, cleared for everything");
    }
}

#[test]
fn what_is_created_must_be_what_the_caller_may_see() {
    for (caller, code, expected) in [
        (Caller::Anybody, "x", true),
        (Caller::Anybody, "B20", false),
        (Caller::Infectiology, "B20", true),
    ] {
        let mut world = world();
        let token = caller.token(&world);
        let mut exchange = Exchange::default();
        let fields = [("content-type", "application/fhir+json")];
        let head = world.head_with(&token, "POST /r4/Observation", &fields);
        world.ask(&mut exchange, head, false);
        let body = format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"coding":[{{"system":"http://icd","code":"{code}"}}]}}}}"#
        );
        let step = world.body(&mut exchange, body.as_bytes(), true);
        match step {
            Step::Reply(reply) => {
                assert!(!expected && reply.status == 403, "{caller:?} {code}");
                assert_eq!(world.record(&mut exchange)["rule"], "unseen", "{caller:?}");
            }
            _ => assert!(expected, "{caller:?} {code}: {step:?}"),
        }
    }
}

#[test]
fn who_is_cleared_for_one_type_calls_nothing_that_may_tell_of_others() {
    for (cleared, target, expected) in [
        (
            "Observation",
            "GET /r4/Observation/$check",
            "request.not-supported.operation",
        ),
        ("Observation", "GET /r4/Observation/$lastn", ""),
    ] {
        let mut world = Deployment::with(|config| {
            let of = |name: &str, answer: &str| json!({"name": name, "level": "type", "types": ["Observation"], "answer": answer});
            config["fhir"]["operations"] = json!([of("check", "outcome"), of("lastn", "bundle")]);
            config["redaction"] = json!([]);
            config["labels"] = json!({
                "unlabelled": "normal",
                "clearances": [
                    {"confidentiality": "normal"},
                    {
                        "when": format!("fhir.type == '{cleared}'"),
                        "confidentiality": "very-restricted",
                        "sensitivities": ["*"],
                    },
                ],
            });
        });
        let token = Caller::Anybody.token(&world);
        let mut exchange = Exchange::default();
        let head = world.head_with(&token, target, &[]);
        let found = match world.ask(&mut exchange, head, true) {
            Step::Reply(_) => world.record(&mut exchange)["rule"].clone(),
            _ => json!(""),
        };
        assert_eq!(found, expected, "{target}");
    }
}

#[test]
fn the_labels_of_an_answer_to_a_batch_hold_for_what_is_in_it() {
    let inline = |label: &str| {
        format!(
            r#""extension":[{{"url":"http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label","valueCoding":{label}}}],"#
        )
    };
    let meta = |label: &str| format!(r#""meta":{{"security":[{label}]}},"#);
    for (name, caller, bundle, entry, resource, expected) in [
        (
            "none",
            Caller::Anybody,
            String::new(),
            String::new(),
            "",
            200,
        ),
        (
            "of the resource",
            Caller::Anybody,
            String::new(),
            String::new(),
            HIV,
            404,
        ),
        (
            "of the entry",
            Caller::Anybody,
            String::new(),
            inline(HIV),
            "",
            404,
        ),
        (
            "of the bundle",
            Caller::Anybody,
            meta(R),
            String::new(),
            "",
            404,
        ),
        (
            "cleared",
            Caller::Infectiology,
            meta(R),
            inline(HIV),
            HIV,
            200,
        ),
    ] {
        let mut world = world();
        let token = caller.token(&world);
        let fields = [
            ("content-type", "application/fhir+json"),
            ("content-length", "1"),
        ];
        let head = world.head_with(&token, "POST /r4", &fields);
        let mut exchange = Exchange::default();
        assert_eq!(world.ask(&mut exchange, head, false), Step::Wait, "{name}");
        let asked = super::bundles::bundle("batch", &[super::bundles::get("Observation/o1")]);
        world.body(&mut exchange, asked.to_string().as_bytes(), true);
        let resource = observation("o1", resource, "x");
        let body = format!(
            r#"{{"resourceType":"Bundle",{bundle}"type":"batch-response","entry":[{{{entry}"resource":{resource},"response":{{"status":"200"}}}}]}}"#
        );
        let head = [
            (":status", "200"),
            ("content-type", "application/fhir+json"),
        ];
        let answer = world.answer(&mut exchange, &head, &[body.as_bytes()], false);
        let text = String::from_utf8(answer.body.clone()).expect("text");
        let told: Value = serde_json::from_str(&text).expect(name);
        let status = &told["entry"][0]["response"]["status"];
        assert_eq!(*status, expected.to_string(), "{name}: {text}");
        assert_eq!(text.contains(&resource), expected == 200, "{name}: {text}");
    }
}
