//! What the upstream may say instead of a good current version.

use super::*;

#[test]
fn what_is_absent_and_what_is_anothers_answer_alike_bypass_49() {
    for absent in ["not-found", "forbidden"] {
        let mut world = trusting_with(|config| config["response"]["absent"] = json!(absent));
        let own = stored("Patient/p1");
        let patch = json!([{"op": "add", "path": "/status", "value": "final"}]);
        let other = stored("Patient/p2").to_string();
        let another = json!({"resourceType": "Observation", "id": "o2"}).to_string();
        let (missing, large) = (b"{}".to_vec(), vec![b' '; 2 << 20]);
        for (method, body) in [
            ("PUT", Some(&own)),
            ("PATCH", Some(&patch)),
            ("DELETE", None),
        ] {
            let mut replies = Vec::new();
            for (head, current) in [
                (head_of("404", None), missing.as_slice()),
                (head_of("410", None), &[]),
                (head_of("200", ETAG), other.as_bytes()),
                (head_of("200", None), other.as_bytes()),
                // Nobody knows whose these are.
                (head_of("200", ETAG), another.as_bytes()),
                (head_of("200", ETAG), b"rubbish"),
                (head_of("200", ETAG), &large),
                (head_of("403", None), &missing),
                (head_of("301", None), &missing),
                (head_of("204", ETAG), &[]),
            ] {
                let (step, record) = answered(
                    &mut world,
                    method,
                    body,
                    &[("if-match", "W/\"1\"")],
                    &head,
                    current,
                );
                let Step::Reply(reply) = step else {
                    panic!("{method}: {step:?}")
                };
                assert_eq!(record["outcome"], "refused");
                assert!(record.get("current").is_none(), "{record}");
                replies.push(reply);
            }
            assert!(
                replies.windows(2).all(|two| two[0] == two[1]),
                "{method}: {replies:?}"
            );
            let status = if absent == "forbidden" { 403 } else { 404 };
            assert_eq!(replies[0].status, status);
        }
    }
}

#[test]
fn a_server_that_does_not_answer_refuses() {
    let mut world = trusting();
    let own = stored("Patient/p1");
    let away = refused(503, "unavailable.current-version");
    for status in ["500", "502", "503", "504", "429"] {
        let found = answered(
            &mut world,
            "PUT",
            Some(&own),
            &[],
            &head_of(status, ETAG),
            b"{}",
        );
        assert_eq!(outcome(found), away, "{status}");
    }
    let mut exchange = waits(&mut world, "PUT", Some(&own), &[]);
    call(&world, &mut exchange);
    let step = exchange.answered(&world.guard, None);
    let Step::Reply(reply) = &step else {
        panic!("{step:?}")
    };
    assert!(reply.headers.contains(&("retry-after", "1".to_owned())));
    assert_eq!(outcome((step, world.record(&mut exchange))), away);
    assert_eq!(
        exchange.answered(&world.guard, None),
        Step::Wait,
        "nobody asked"
    );
    for garbage in [&[][..], &pairs([(":status", "x")].iter())] {
        let found = answered(&mut world, "PUT", Some(&own), &[], garbage, b"{}");
        assert_eq!(outcome(found), away);
    }
}

#[test]
fn what_is_the_callers_own_says_what_is_wrong_with_it() {
    let mut world = trusting_with(|config| config["redaction"] = json!([]));
    let own = stored("Patient/p1");
    let mut check =
        |name: &str, etag: Option<&str>, meta: Value, expected: Result<String, (u16, String)>| {
            let mut current = own.clone();
            current["meta"] = meta;
            let current = current.to_string();
            let found = answered(
                &mut world,
                "PUT",
                Some(&own),
                &[],
                &head_of("200", etag),
                current.as_bytes(),
            );
            assert_eq!(outcome(found), expected, "{name}");
        };
    let undecided = || refused(502, "answer.current-version");
    check("no tag", None, json!({"versionId": "7"}), undecided());
    check(
        "a strong tag",
        Some("\"7\""),
        json!({"versionId": "7"}),
        undecided(),
    );
    check("rubbish", Some("W/\"a b\""), json!({}), undecided());
    check(
        "of another version",
        ETAG,
        json!({"versionId": "8"}),
        undecided(),
    );
    check("of no version", ETAG, json!({"versionId": 7}), undecided());
    check("the same", ETAG, json!({"versionId": "7"}), pinned());
    check("not told", ETAG, json!({}), pinned());
    check(
        "labels would be gone, row 52",
        ETAG,
        json!({"security": [{"code": "R"}]}),
        refused(400, "request.not-supported.label"),
    );
    let mut linked = trusting_with(|config| {
        config["redaction"] = json!([]);
        config["fhir"]["patient_writes"] = json!(["Patient"]);
    });
    let body = patient("p1", 0);
    for (link, expected) in [
        (false, pinned()),
        (
            true,
            refused(400, "request.not-supported.update-of-redacted"),
        ),
    ] {
        let mut current = body.clone();
        if link {
            current["link"] = json!([{"other": {"reference": "Patient/p2"}, "type": "seealso"}]);
        }
        let mut exchange = waits_for(&mut linked, "PUT /r4/Patient/p1", Some(&body), &[]);
        call(&linked, &mut exchange);
        let head = head_of("200", ETAG);
        let step = exchange.answered(&linked.guard, Some((&head, current.to_string().as_bytes())));
        assert_eq!(
            outcome((step, linked.record(&mut exchange))),
            expected,
            "{link}"
        );
    }
}

#[test]
fn a_version_that_the_client_names_is_the_current_one() {
    let mut world = trusting();
    let own = stored("Patient/p1");
    let current = own.to_string();
    for (tag, expected) in [
        ("W/\"7\"", pinned()),
        ("W/\"6\"", refused(412, "request.if-match")),
    ] {
        let found = answered(
            &mut world,
            "PUT",
            Some(&own),
            &[("if-match", tag)],
            &head_of("200", ETAG),
            current.as_bytes(),
        );
        assert_eq!(outcome(found), expected, "{tag}");
    }
}

#[test]
fn a_conflict_at_the_server_is_told() {
    let mut world = trusting();
    let own = stored("Patient/p1");
    for (status, expected) in [("412", 412), ("409", 409), ("404", 404), ("200", 200)] {
        let mut exchange = waits(&mut world, "PUT", Some(&own), &[]);
        call(&world, &mut exchange);
        let head = head_of("200", ETAG);
        let step = exchange.answered(&world.guard, Some((&head, own.to_string().as_bytes())));
        assert!(matches!(step, Step::Forward(_)), "{step:?}");
        let answer = [
            (":status", status),
            ("content-type", "application/fhir+json"),
        ];
        let answer = world.answer(&mut exchange, &answer, &[own.to_string().as_bytes()], false);
        assert_eq!(answer.status(), expected);
        let record = world.record(&mut exchange);
        assert_eq!(
            (&record["outcome"], &record["current"]),
            (&json!("allowed"), &json!("W/\"7\""))
        );
    }
}
