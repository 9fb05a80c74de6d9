//! Redactions of what carries a label, through whole exchanges.

use super::*;

const OK: [(&str, &str); 2] = [
    (":status", "200"),
    ("content-type", "application/fhir+json"),
];

fn world() -> Deployment {
    Deployment::with(|config| {
        config["redaction"] = json!([
            {"name": "notes", "resource": "Observation", "elements": ["note", "status"], "action": "remove",
                "labelled": {"confidentiality": "restricted", "sensitivities": ["SUD"]}},
        ]);
    })
}

fn asked(world: &mut Deployment, target: &str) -> (Exchange, Step) {
    let claims = world.claims().scope("system/*.cruds");
    let fields: &[(&str, &str)] = match target.starts_with("GET") {
        true => &[],
        false => &[
            ("content-type", "application/fhir+json"),
            ("content-length", "1"),
        ],
    };
    let head = world.head_with(&world.token(&claims), target, fields);
    let mut exchange = Exchange::default();
    let step = world.ask(&mut exchange, head, target.starts_with("GET"));
    (exchange, step)
}

#[test]
fn what_carries_the_label_or_may_is_redacted() {
    let mut world = world();
    let label = |code: &str| {
        let system = match code {
            "R" | "N" => "v3-Confidentiality",
            _ => "v3-ActCode",
        };
        json!([{"system": format!("http://terminology.hl7.org/CodeSystem/{system}"), "code": code}])
    };
    for (target, labels, hidden) in [
        ("Observation/o1", json!([]), false),
        ("Observation/o1", label("N"), false),
        ("Observation/o1", label("R"), true),
        ("Observation/o1", label("OPIOIDUD"), true),
        ("Observation?code=x", label("HIV"), false),
        ("Observation?code=x", label("SUD"), true),
        ("Observation?code=x&_summary=data", json!([]), false),
        // What carried the label may not be asked for.
        ("Observation?code=x&_elements=note", json!([]), true),
        ("Observation?code=x&_summary=true", json!([]), true),
        ("Observation?code=x&_summary=text", json!([]), true),
    ] {
        let mut resource =
            json!({"resourceType": "Observation", "id": "o1", "note": [{"text": "CANARY"}]});
        if labels != json!([]) {
            resource["meta"] = json!({"security": labels});
        }
        let body = match target.contains('?') {
            true => format!(
                r#"{{"resourceType":"Bundle","type":"searchset","entry":[{{"resource":{resource}}}]}}"#
            ),
            false => resource.to_string(),
        };
        let (mut exchange, _) = asked(&mut world, &format!("GET /r4/{target}"));
        let answer = world.answer(&mut exchange, &OK, &[body.as_bytes()], false);
        let text = String::from_utf8(answer.body).expect("text");
        assert!(text.contains("\"o1\""), "{target} {labels}: {text}");
        assert_eq!(
            text.contains("CANARY"),
            !hidden,
            "{target} {labels}: {text}"
        );
        assert_eq!(
            text.contains("REDACTED"),
            hidden,
            "{target} {labels}: {text}"
        );
    }
}

#[test]
fn what_is_hidden_in_some_is_neither_searched_by_nor_written() {
    let mut world = world();
    for (target, passes) in [
        ("GET /r4/Observation?code=x", true),
        ("GET /r4/Observation?status=final", false),
        ("GET /r4/Observation?_sort=date", true),
        ("PUT /r4/Observation/o1", false),
        ("POST /r4/Observation", true),
        ("PUT /r4/Condition/c1", true),
    ] {
        let (_, step) = asked(&mut world, target);
        let refused = matches!(step, Step::Reply(_));
        assert_eq!(!refused, passes, "{target}: {step:?}");
    }
}
