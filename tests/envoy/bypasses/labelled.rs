//! Labels in every place and shape, and what they tell by themselves.

use std::net::SocketAddr;

use fhir_guard_harness::client::{Request, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::reference;
use crate::table::{ABSENT, faults};
use crate::wire::{check_head, resources};
use crate::world::{EditPolicy, Setting, World};

const LEVELS: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
const POLICIES: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const INLINE: &str =
    "http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label";
/// Words of labels, and of what they mark.
const WORDS: [&str; 6] = ["HIV", "SUD", "CANARY", "\"R\"", "sensitive", "ETH"];

fn policy() -> EditPolicy {
    Box::new(|policy| {
        policy["issuers"][0]["claims"] = json!({"roles": ["/roles"]});
        policy["redaction"] = json!([]);
        policy["limits"] = json!([]);
        policy["labels"] = json!({"unlabelled": "normal", "clearances": [
            {"when": "'ward' in principal.roles", "confidentiality": "normal"},
            {"when": "'clinic' in principal.roles", "confidentiality": "restricted", "sensitivities": ["HIV"]},
            {"when": "'all' in principal.roles", "confidentiality": "very-restricted", "sensitivities": ["*"]},
        ]});
    })
}

async fn get(world: &World, role: &str, path: &str) -> Response {
    let claims = world
        .claims()
        .scope("user/*.rs")
        .fhir_user("Practitioner/7");
    let token = world.issuer.token(&claims.claim("roles", json!([role])));
    world
        .send(
            &world.client().reuse(true),
            Request::get(path).bearer(&token),
        )
        .await
}

fn observation(id: &str, security: &Value) -> Value {
    json!({"resourceType": "Observation", "id": id, "status": "final", "meta": {"security": security},
        "code": {"text": "CANARY"}, "subject": reference("Patient/p1")})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_tells_only_who_is_cleared_bypass_72_73_74() {
    let world = World::shared(Setting {
        policy: Some(policy()),
        ..Setting::default()
    })
    .await;
    let code = |system: &str, code: &str| json!([{"system": system, "code": code, "display": "sensitive"}]);
    let rows = [
        // Who sees it: those of the ward, of the clinic.
        ("normal", code(LEVELS, "N"), true, true),
        ("restricted", code(LEVELS, "R"), false, true),
        ("very", code(LEVELS, "V"), false, false),
        ("legacy", code(LEVELS, "ETH"), false, false),
        ("unknown-level", code(LEVELS, "ZZ"), false, false),
        ("case", code(LEVELS, "n"), false, false),
        ("kind", code(POLICIES, "HIV"), false, true),
        (
            "above",
            code(POLICIES, "ActInformationSensitivityPolicy"),
            false,
            false,
        ),
        ("other-kind", code(POLICIES, "SUD"), false, false),
        ("unknown-kind", code(POLICIES, "HIVX"), false, false),
        (
            "wrong-system",
            code("http://hl7.org/fhir/v3/ActCode", "HIV"),
            false,
            false,
        ),
        ("slash", code(&format!("{POLICIES}/"), "HIV"), false, false),
        ("level-as-kind", code(POLICIES, "N"), false, false),
        ("display", json!([{"display": "HIV"}]), false, false),
        ("no-system", json!([{"code": "N"}]), false, false),
        (
            "both",
            json!([{"system": LEVELS, "code": "N"}, {"system": POLICIES, "code": "SUD"}]),
            false,
            false,
        ),
        (
            "low-and-high",
            json!([{"system": LEVELS, "code": "U"}, {"system": LEVELS, "code": "R"}]),
            false,
            true,
        ),
    ];
    for (id, security, ..) in &rows {
        world.put(&observation(id, security)).await;
    }
    let mut plain = observation("plain", &json!(null));
    plain["meta"] = json!({});
    world.put(&plain).await;
    let absent = get(&world, "ward", "/r4/Observation/nothing").await;
    assert!(faults(&absent, ABSENT, true).is_empty());
    for (id, _, ward, clinic) in &rows {
        for (role, sees) in [
            ("ward", *ward),
            ("clinic", *clinic),
            ("all", true),
            ("nobody", false),
        ] {
            let name = format!("{id} {role}");
            let answer = get(&world, role, &format!("/r4/Observation/{id}")).await;
            if sees {
                check_head(&name, &answer);
                assert_eq!(answer.status, 200, "{name}: {}", answer.text());
            } else {
                let faults = faults(&answer, ABSENT, true);
                assert!(faults.is_empty(), "{name}: {faults:?}");
                let text = answer.text();
                assert!(
                    !WORDS.iter().any(|word| text.contains(word)),
                    "{name}: {text}"
                );
                assert_eq!(answer.body.len(), absent.body.len(), "{name}");
            }
        }
    }
    // What says nothing is what the operator says.
    for (role, status) in [("ward", 200), ("clinic", 200), ("nobody", 404)] {
        let answer = get(&world, role, "/r4/Observation/plain").await;
        assert_eq!(answer.status, status, "{role}");
    }
    let answer = get(&world, "ward", "/r4/Observation?patient=p1&_count=1000").await;
    let found = resources(&answer.json().expect("a bundle"));
    let labelled = found
        .iter()
        .filter(|one| one["meta"].get("security").is_some());
    let ids: Vec<&str> = labelled.filter_map(|one| one["id"].as_str()).collect();
    assert_eq!(ids, ["normal"]);
    // Nor is it asked for by a label.
    let answer = get(
        &world,
        "ward",
        &format!("/r4/Observation?patient=p1&_security={POLICIES}|HIV"),
    )
    .await;
    assert!(
        !answer.text().contains("\"resource\":"),
        "{}",
        answer.text()
    );
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_highest_label_around_holds_bypass_75() {
    let high = json!([{"system": POLICIES, "code": "SUD"}]);
    let label = json!([{"url": INLINE, "valueCoding": {"system": POLICIES, "code": "SUD"}}]);
    let plain = |id: &str| json!({"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "kept"}, "subject": reference("Patient/p1")});
    let with = |mut one: Value, member: &str, value: &Value| {
        one[member] = value.clone();
        one
    };
    // In the order in which it can be read as it comes.
    let bundle = |meta: Value, entries: Vec<Value>| {
        let entries = json!(entries);
        format!(r#"{{"resourceType":"Bundle","meta":{meta},"type":"searchset","entry":{entries}}}"#)
    };
    let around = bundle(
        json!({"security": high, "lastUpdated": "2026-01-01T00:00:00Z"}),
        vec![json!({"resource": plain("in")})],
    );
    let contained = with(
        plain("held"),
        "contained",
        &json!([with(plain("c"), "meta", &json!({"security": high}))]),
    );
    let element = with(
        with(plain("element"), "valueString", &json!("CANARY")),
        "_valueString",
        &json!({"extension": label}),
    );
    let inside = bundle(
        json!({}),
        vec![
            json!({"resource": plain("seen")}),
            json!({"resource": with(plain("entry"), "code", &json!({"text": "CANARY"})), "extension": label}),
            json!({"resource": with(contained, "code", &json!({"text": "CANARY"}))}),
            json!({"resource": element}),
            json!({"resource": with(with(plain("itself"), "extension", &label), "code", &json!({"text": "CANARY"}))}),
        ],
    );
    let upstream = serve(vec![("code=around", around), ("code=inside", inside)]).await;
    let world = World::shared(Setting {
        policy: Some(policy()),
        upstream: Some(upstream),
        ..Setting::default()
    })
    .await;
    let ids = |answer: &Response| -> Vec<String> {
        let found = resources(&answer.json().expect("a bundle"));
        found
            .iter()
            .filter_map(|one| Some(one["id"].as_str()?.to_owned()))
            .collect()
    };
    for (path, role, expected) in [
        ("around", "ward", &[][..]),
        ("around", "clinic", &[]),
        ("around", "all", &["in"]),
        ("inside", "ward", &["seen", "element"]),
        (
            "inside",
            "all",
            &["seen", "entry", "held", "element", "itself"],
        ),
    ] {
        let name = format!("{path} {role}");
        let answer = get(&world, role, &format!("/r4/Observation?code={path}")).await;
        check_head(&name, &answer);
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        assert_eq!(ids(&answer), expected, "{name}: {}", answer.text());
        let text = answer.text();
        let told = WORDS.iter().find(|word| text.contains(*word));
        assert!(role == "all" || told.is_none(), "{name}: {text}");
        assert!(
            answer.json().expect("json")["meta"]
                .get("security")
                .is_none(),
            "{name}"
        );
    }
    world.close().await;
}

/// A server that answers what asks for one of these words with its resource, and all else with a document of no
/// meaning.
async fn serve(answers: Vec<(&'static str, String)>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                if !matches!(stream.read_buf(&mut request).await, Ok(1..)) {
                    break;
                }
            }
            let request = String::from_utf8_lossy(&request).into_owned();
            let found = answers.iter().find(|(word, _)| request.contains(word));
            let body = found.map_or_else(|| "{}".to_owned(), |(_, body)| body.clone());
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/fhir+json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}
