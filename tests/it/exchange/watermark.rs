//! What leaves says to whom it went, through whole exchanges.

use super::bundles::{bundle, get, post, taking};
use super::*;

const SYSTEM: &str = "https://fhir.example.org/watermark";
const OK: [(&str, &str); 2] = [
    (":status", "200"),
    ("content-type", "application/fhir+json"),
];

fn marking(above: u32) -> Deployment {
    taking(|config| {
        config["redaction"] = json!([]);
        config["secrets"] = json!({"watermark_key": {"inline": "ab".repeat(32)}});
        config["watermark"] =
            json!({"system": SYSTEM, "above": above, "when": "fhir.type != 'Condition'"});
        config["fhir"]["operations"] = json!([
            {"name": "everything", "level": "instance", "types": ["Patient"], "answer": "bundle"},
        ]);
    })
}

fn resource(kind: &str, id: &str) -> String {
    format!(r#"{{"resourceType":"{kind}","id":"{id}"}}"#)
}

fn entries(bundle: &str, resources: &[String]) -> String {
    let entries: Vec<String> = resources
        .iter()
        .map(|resource| format!(r#"{{"resource":{resource}}}"#))
        .collect();
    let entries = entries.join(",");
    format!(r#"{{"resourceType":"Bundle","type":"{bundle}","entry":[{entries}]}}"#)
}

/// What leaves, and the record.
fn answered(world: &mut Deployment, target: &str, body: &str) -> (String, Value) {
    let mut exchange = world.forwarded("system/*.rs", &format!("GET /r4/{target}"));
    // In pieces, as it comes.
    let pieces: Vec<&[u8]> = body.as_bytes().chunks(300).collect();
    let answer = world.answer(&mut exchange, &OK, &pieces, false);
    let record = world.record(&mut exchange);
    (String::from_utf8(answer.body).expect("text"), record)
}

/// The codes of the marks in an answer.
fn codes(text: &str) -> Vec<String> {
    let begin = format!(r#"{{"system":"{SYSTEM}","code":""#);
    let marks = text.split(&begin);
    let code = |rest: &str| rest.split('"').next().unwrap_or_default().to_owned();
    marks.skip(1).map(code).collect()
}

#[test]
fn every_resource_of_an_answer_leads_to_its_record() {
    let observations = |count: usize| -> Vec<String> {
        (0..count)
            .map(|at| resource("Observation", &format!("o{at}")))
            .collect()
    };
    let history = entries(
        "history",
        &[resource("Observation", "o1"), resource("Observation", "o1")],
    );
    for (target, body, above, marked) in [
        (
            "Observation?code=x",
            entries("searchset", &observations(3)),
            0,
            3,
        ),
        (
            "Observation?code=x",
            entries("searchset", &observations(3)),
            2,
            1,
        ),
        (
            "Observation?code=x",
            entries("searchset", &observations(3)),
            3,
            0,
        ),
        // It streams.
        (
            "Observation?code=x",
            entries("searchset", &observations(200)),
            7,
            193,
        ),
        ("Observation/o1/_history", history.clone(), 0, 2),
        ("Observation/_history", history, 0, 2),
        (
            "Patient/p1/$everything",
            entries("searchset", &observations(2)),
            0,
            2,
        ),
        ("Observation/o1", resource("Observation", "o1"), 0, 0),
        (
            "Condition?code=x",
            entries("searchset", &[resource("Condition", "c")]),
            0,
            0,
        ),
    ] {
        let mut world = marking(above);
        let (text, record) = answered(&mut world, target, &body);
        assert!(text.contains("\"resourceType\""), "{target}: {record}");
        let found = codes(&text);
        assert_eq!(found.len(), marked, "{target} {above}: {text}");
        let code = record.get("watermark").and_then(Value::as_str);
        assert!(
            found.iter().all(|found| Some(found.as_str()) == code),
            "{target}: {record}"
        );
        // It may have left, as far as the record knows.
        let several = target != "Observation/o1" && !target.starts_with("Condition");
        assert_eq!(code.is_some(), several, "{target}: {record}");
    }
}

#[test]
fn no_mark_of_another_leaves() {
    let marked = format!(
        r#"{{"resourceType":"Observation","id":"o1","meta":{{"tag":[{{"system":"{SYSTEM}","code":"another"}}]}}}}"#
    );
    let mut world = marking(0);
    let (text, record) = answered(&mut world, "Observation/o1", &marked);
    assert_eq!(text, resource("Observation", "o1"));
    assert_eq!(
        (&record["redacted"], record.get("watermark")),
        (&json!(0), None)
    );
    let (text, record) = answered(
        &mut world,
        "Observation?code=x",
        &entries("searchset", &[marked]),
    );
    assert_eq!(
        codes(&text),
        [record["watermark"].as_str().expect("a code")],
        "{text}"
    );
}

#[test]
fn another_caller_and_another_exchange_have_another_code() {
    let mut world = marking(0);
    let body = entries("searchset", &[resource("Observation", "o1")]);
    let mut found = Vec::new();
    for (client, subject, request) in [
        ("a", "x", "1"),
        ("b", "x", "1"),
        ("a", "y", "1"),
        ("a", "x", "2"),
    ] {
        let claims = world
            .claims()
            .scope("system/*.rs")
            .claim("client_id", json!(client));
        let token = world.token(&claims.claim("sub", json!(subject)));
        let mut head = world.head_with(&token, "GET /r4/Observation?code=x", &[]);
        for (name, value) in &mut head {
            if name == b"x-request-id" {
                *value = request.as_bytes().to_vec();
            }
        }
        let mut exchange = Exchange::default();
        world.ask(&mut exchange, head, true);
        world.answer(&mut exchange, &OK, &[body.as_bytes()], false);
        found.push(world.record(&mut exchange)["watermark"].to_string());
    }
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 4, "{found:?}");
}

#[test]
fn searches_in_a_batch_are_marked_as_one_answer() {
    let mut world = marking(1);
    let asked = bundle(
        "batch",
        &[
            get("Observation?code=x"),
            get("Condition?code=x"),
            get("Observation?code=y"),
        ],
    );
    let (mut exchange, _) = post(&mut world, "user/*.rs", &asked);
    let found = |kind: &str, id: &str| entries("searchset", &[resource(kind, id)]);
    let answers = [
        found("Observation", "a"),
        found("Condition", "c"),
        found("Observation", "b"),
    ];
    let answers: Vec<String> = answers
        .iter()
        .map(|answer| format!(r#"{{"resource":{answer},"response":{{"status":"200"}}}}"#))
        .collect();
    let body = format!(
        r#"{{"resourceType":"Bundle","type":"batch-response","entry":[{}]}}"#,
        answers.join(",")
    );
    let answer = world.answer(&mut exchange, &OK, &[body.as_bytes()], false);
    let text = String::from_utf8(answer.body).expect("text");
    let record = world.record(&mut exchange);
    // The first leaves unmarked, and so does what the condition spares.
    assert_eq!(
        codes(&text),
        [record["watermark"].as_str().expect("a code")],
        "{text}"
    );
    let value: Value = serde_json::from_str(&text).expect("JSON");
    let tag = &value["entry"][2]["resource"]["entry"][0]["resource"]["meta"]["tag"][0];
    assert_eq!(tag["code"], record["watermark"], "{text}");
}

#[test]
fn no_mark_comes_in_with_what_says_where_a_write_comes_from() {
    let mut world = taking(|config| {
        config["fhir"]["provenance"] = json!("kept");
        config["fhir"]["client_labels"] = json!("kept");
        config["secrets"] = json!({"watermark_key": {"inline": "ab".repeat(32)}});
        config["watermark"] = json!({"system": SYSTEM});
    });
    let tag = |system: &str| json!({"tag": [{"system": system, "code": "another"}]});
    for (meta, refused) in [
        (json!({}), false),
        (tag("https://other.example.org"), false),
        (tag(SYSTEM), true),
    ] {
        let said = json!({"resourceType": "Provenance", "meta": meta.clone(),
            "recorded": "2026-01-01T00:00:00Z", "agent": [{"who": {"display": "x"}}]});
        let contains = json!({"resourceType": "Provenance", "recorded": "2026-01-01T00:00:00Z",
            "contained": [{"resourceType": "Device", "id": "d", "meta": meta}],
            "agent": [{"who": {"reference": "#d"}}]});
        for said in [said, contains] {
            let said = said.to_string().replace("\"meta\":{},", "");
            let said = said.replace(",\"meta\":{}", "");
            // Of a deletion no body comes that could be looked at.
            for target in ["DELETE /r4/Group/g1", "POST /r4/Group"] {
                let fields = [
                    ("x-provenance", said.as_str()),
                    ("content-type", "application/fhir+json"),
                ];
                let deletes = target.starts_with("DELETE");
                let head = world.head(
                    "system/*.cruds",
                    target,
                    &fields[..2 - usize::from(deletes)],
                );
                let mut exchange = Exchange::default();
                world.ask(&mut exchange, head, deletes);
                let rule = world.record(&mut exchange)["rule"].clone();
                let expected = "request.malformed.body-watermarked";
                assert_eq!(rule == expected, refused, "{target} {said}: {rule}");
                assert!(
                    refused || rule.as_str().is_some_and(|rule| rule.starts_with("scope")),
                    "{said}: {rule}"
                );
            }
        }
    }
}

#[test]
fn reads_in_a_batch_of_several_are_marked() {
    let answer = |world: &mut Deployment, asked: &[Value]| {
        let (mut exchange, _) = post(world, "user/*.rs", &bundle("batch", asked));
        let entry = |at: usize| {
            let resource = resource("Observation", &format!("o{at}"));
            format!(r#"{{"resource":{resource},"response":{{"status":"200"}}}}"#)
        };
        let entries: Vec<String> = (0..asked.len()).map(entry).collect();
        let body = format!(
            r#"{{"resourceType":"Bundle","type":"batch-response","entry":[{}]}}"#,
            entries.join(",")
        );
        let answer = world.answer(&mut exchange, &OK, &[body.as_bytes()], false);
        let text = String::from_utf8(answer.body).expect("text");
        (codes(&text), world.record(&mut exchange))
    };
    let reads: Vec<Value> = (0..4)
        .map(|at| get(&format!("Observation/o{at}")))
        .collect();
    for (above, count, marked) in [(0, 4, 4), (0, 2, 2), (2, 4, 2), (4, 4, 0), (0, 1, 0)] {
        let (found, record) = answer(&mut marking(above), &reads[..count]);
        assert_eq!(found.len(), marked, "{above} {count}: {record}");
        let code = record.get("watermark").and_then(Value::as_str);
        assert!(found.iter().all(|found| Some(found.as_str()) == code));
        // One read is one, however it is asked for.
        assert_eq!(code.is_some(), count > 1, "{above} {count}: {record}");
    }
}
