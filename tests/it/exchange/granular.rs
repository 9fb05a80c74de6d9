//! Granular scopes: what they do not match answers like what is not there, however large it is.

use fhir_guard::denial::Reply;

use super::*;

const SCOPE: &str = "user/Observation.cruds?category=a";

/// An Observation of this category, so many bytes longer than it need be.
fn observation(category: &str, padding: usize) -> String {
    let note = "x".repeat(padding);
    format!(
        r#"{{"resourceType":"Observation","id":"o1","status":"final","code":{{"text":"x"}},"note":[{{"text":"{note}"}}],"category":[{{"coding":[{{"code":"{category}"}}]}}]}}"#
    )
}

fn history(versions: &[String]) -> String {
    let entry = |resource: &String| format!(r#"{{"resource":{resource}}}"#);
    let entries: Vec<String> = versions.iter().map(entry).collect();
    let entries = entries.join(",");
    format!(r#"{{"resourceType":"Bundle","type":"history","entry":[{entries}]}}"#)
}

/// What becomes of an answer of the upstream: the reply in its place, if it is replaced.
fn replaced(name: &str, target: &str, status: &str, body: &str, announced: bool) -> Option<Reply> {
    let mut world = Deployment::new();
    let mut exchange = world.forwarded(SCOPE, target);
    let length = body.len().to_string();
    let mut head = vec![
        (":status", status),
        ("content-type", "application/fhir+json"),
    ];
    if announced {
        head.push(("content-length", &length));
    }
    // The end of the body comes in a callback of its own.
    let end: &[u8] = b"";
    let pieces: Vec<&[u8]> = body.as_bytes().chunks(200).chain([end]).collect();
    let answer = world.answer(&mut exchange, &head, &pieces, false);
    let record = world.record(&mut exchange);
    match answer.end {
        End::Reply(reply) => {
            assert!(answer.body.is_empty(), "{name}");
            assert_eq!(
                (&record["outcome"], &record["rule"]),
                (&json!("withheld"), &json!("compartment")),
                "{name}"
            );
            Some(reply)
        }
        End::Complete => {
            assert_eq!(answer.status(), 200, "{name}");
            let body = String::from_utf8(answer.body).expect("text");
            assert!(!body.contains(r#""code":"b""#), "{name}");
            assert_eq!(
                record["rule"],
                json!("scope:user/Observation.cruds?category"),
                "{name}"
            );
            None
        }
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn what_does_not_match_answers_like_what_is_not_there() {
    let instance = "GET /r4/Observation/o1";
    let absent = replaced("absent", instance, "404", "{}", true).expect("a reply");
    assert_eq!(absent.status, 404);
    let deleted = replaced("deleted", instance, "410", "{}", true);
    assert_eq!(deleted.as_ref(), Some(&absent), "deleted");
    for padding in [0, driver::HOLD / 2, 5 * driver::HOLD] {
        for announced in [true, false] {
            let (a, b) = (observation("a", padding), observation("b", padding));
            let versions = |one: &String, other: &String| history(&[one.clone(), other.clone()]);
            for (target, body, opened) in [
                (instance, a.clone(), true),
                (instance, b.clone(), false),
                ("HEAD /r4/Observation/o1", a.clone(), true),
                ("HEAD /r4/Observation/o1", b.clone(), false),
                ("GET /r4/Observation/o1/_history", versions(&a, &b), true),
                ("GET /r4/Observation/o1/_history", versions(&b, &a), true),
                ("GET /r4/Observation/o1/_history", versions(&b, &b), false),
                ("GET /r4/Observation/o1/_history", history(&[]), false),
                ("GET /r4/Observation/_history", versions(&b, &b), true),
            ] {
                let name = format!("{target}, {padding} more, announced {announced}");
                let found = replaced(&name, target, "200", &body, announced);
                let expected = (!opened).then_some(&absent);
                assert_eq!(found.as_ref(), expected, "{name}");
            }
        }
    }
}

#[test]
fn what_is_created_must_match() {
    for (category, opened) in [("a", true), ("b", false)] {
        let mut world = Deployment::new();
        let mut exchange = Exchange::default();
        let body = observation(category, 1);
        let fields = [("content-type", "application/fhir+json")];
        let head = world.head(SCOPE, "POST /r4/Observation", &fields);
        let step = world.ask(&mut exchange, head, false);
        assert!(matches!(step, Step::HoldHead(_)), "{category}: {step:?}");
        // Cut anywhere: it is decided when it is whole.
        let (one, other) = body.split_at(body.len() / 2);
        assert_eq!(
            exchange.request_body(&world.guard, one.as_bytes(), false),
            Step::Hold
        );
        let step = exchange.request_body(&world.guard, other.as_bytes(), true);
        match step {
            Step::Write(bytes) => assert!(opened && bytes == body.as_bytes(), "{category}"),
            Step::Reply(reply) => {
                assert!(!opened && reply.status == 403, "{category}");
                let challenge = reply
                    .headers
                    .iter()
                    .find(|(name, _)| *name == "www-authenticate");
                let (_, challenge) = challenge.expect("a challenge");
                assert!(
                    challenge.contains(r#"scope="user/Observation.c""#),
                    "{challenge}"
                );
                assert_eq!(world.record(&mut exchange)["rule"], "scope");
            }
            other => panic!("{category}: {other:?}"),
        }
    }
}
