//! The way in: bodies, refusals, limits.

use super::*;

const FHIR: &[(&str, &str)] = &[("content-type", "application/fhir+json")];

/// The rule that decided, without what was found.
fn rule(world: &Deployment, exchange: &mut Exchange) -> String {
    let record = world.record(exchange);
    let rule = record["rule"].as_str().expect("a rule");
    rule.split(": ").next().unwrap_or_default().to_owned()
}

fn status(step: &Step) -> u16 {
    match step {
        Step::Reply(reply) => reply.status,
        other => panic!("{other:?} is no reply"),
    }
}

/// A write whose body comes in these pieces: forwarded whole, or refused by this rule.
fn check(name: &str, target: &str, pieces: &[&[u8]], expected: Result<(), (u16, &str)>) {
    let mut world = Deployment::new();
    let mut exchange = Exchange::default();
    let patch = &[("content-type", "application/json-patch+json")][..];
    let fields = if target.starts_with("PATCH") {
        patch
    } else {
        FHIR
    };
    let head = world.head("system/*.cruds", target, fields);
    let mut step = world.ask(&mut exchange, head, false);
    assert!(matches!(step, Step::HoldHead(_)), "{name}: {step:?}");
    for (index, piece) in pieces.iter().enumerate() {
        step = exchange.request_body(&world.guard, piece, index + 1 == pieces.len());
        if step != Step::Hold {
            break;
        }
    }
    match expected {
        Ok(()) => assert_eq!(step, Step::Write(pieces.concat()), "{name}"),
        Err((expected, by)) => {
            assert_eq!(status(&step), expected, "{name}");
            assert_eq!(
                driver::slug(&rule(&world, &mut exchange).into()),
                by,
                "{name}"
            );
        }
    }
}

#[test]
fn a_body_is_what_its_interaction_says() {
    let put = "PUT /r4/Observation/o1";
    let good = br#"{"resourceType":"Observation","id":"o1","code":{"text":"x"}}"#;
    let malformed = Err((400, "request.malformed.body"));
    let mismatch = Err((400, "request.malformed.body-mismatch"));
    for at in 0..=good.len() {
        let (one, two) = good.split_at(at);
        check("cut", put, &[one, two], Ok(()));
    }
    check("an empty end", put, &[good, b""], Ok(()));
    check(
        "another id",
        put,
        &[br#"{"resourceType":"Observation","id":"o2"}"#],
        mismatch,
    );
    check(
        "no id",
        put,
        &[br#"{"resourceType":"Observation"}"#],
        mismatch,
    );
    check(
        "another type",
        put,
        &[br#"{"resourceType":"Group","id":"o1"}"#],
        mismatch,
    );
    check(
        "a key twice",
        put,
        &[br#"{"resourceType":"Observation","id":"o2","id":"o1"}"#],
        malformed,
    );
    check("cut short", put, &[&good[..9]], malformed);
    check("empty", put, &[b""], malformed);
    check("two", put, &[good, good], malformed);
    check("not UTF-8", put, &[b"{\"a\":\"\xff\"}"], malformed);
    let part = Err((400, "request.malformed.body-redacted"));
    let marked = br#"{"resourceType":"Observation","id":"o1","meta":{"tag":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]}}"#;
    check("what was redacted", put, &[marked], part);
    let post = "POST /r4/Observation";
    check(
        "a create",
        post,
        &[br#"{"resourceType":"Observation","code":{"text":"x"}}"#],
        Ok(()),
    );
    let structure = Err((400, "request.malformed.body-structure"));
    check(
        "without what must be there",
        post,
        &[br#"{"resourceType":"Observation"}"#],
        structure,
    );
    check(
        "an element of another type",
        post,
        &[br#"{"resourceType":"Observation","code":{"text":"x"},"birthDate":"2000"}"#],
        structure,
    );
    let patch = "PATCH /r4/Observation/o1";
    check(
        "a patch",
        patch,
        &[br#"[{"op":"replace","path":"/active","value":true}]"#],
        Ok(()),
    );
    check("a patch that is none", patch, &[good], malformed);
    let read = "GET /r4/Observation/o1";
    check("a read with a body", read, &[b"{}"], malformed);
    check(
        "a deletion with a body",
        "DELETE /r4/Observation/o1",
        &[b"{}"],
        malformed,
    );
    check("a read whose body is empty", read, &[b"", b""], Ok(()));
}

#[test]
fn the_body_limit_is_kept_to_the_byte() {
    let padded = |length: usize| {
        let body = br#"{"resourceType":"Observation","id":"o1","code":{"text":"x"}}"#;
        let mut body = body.to_vec();
        body.resize(length, b' ');
        body
    };
    let large = Err((413, "request.too-large"));
    let (most, more) = (padded(1024), padded(1025));
    let put = "PUT /r4/Observation/o1";
    check("the most", put, &[&most], Ok(()));
    check("one more", put, &[&more], large);
    check("one more, at last", put, &[&most, b" "], large);
    check(
        "in pieces",
        put,
        &more.chunks(100).collect::<Vec<_>>(),
        large,
    );
}

#[test]
fn a_write_without_a_body_and_a_request_with_trailers_are_refused() {
    let mut world = Deployment::new();
    let mut exchange = Exchange::default();
    let head = world.head("system/*.cruds", "POST /r4/Patient", FHIR);
    let step = world.ask(&mut exchange, head, true);
    assert_eq!(status(&step), 400);
    assert_eq!(rule(&world, &mut exchange), "request.malformed.body");
    let mut exchange = Exchange::default();
    let head = world.head("system/*.cruds", "POST /r4/Patient", FHIR);
    world.ask(&mut exchange, head, false);
    assert_eq!(status(&exchange.request_trailers()), 400);
    assert_eq!(rule(&world, &mut exchange), "request.malformed.trailers");
}

#[test]
fn refusals_come_in_the_order_of_what_is_asked_first() {
    let mut world = Deployment::new();
    let bad_token = ("authorization", "Bearer a.b.c");
    for (name, scope, target, doubled, expected, by) in [
        (
            "a path before a credential",
            "",
            "GET /r4/nothing",
            false,
            404,
            "request.path",
        ),
        (
            "two credentials before a path",
            "",
            "GET /r4/nothing",
            true,
            400,
            "credentials.malformed",
        ),
        (
            "a scope after a token",
            "patient/Observation.rs",
            "GET /r4/Patient/p1",
            false,
            403,
            "scope",
        ),
        (
            "a compartment after a scope",
            "patient/*.rs",
            "GET /r4/Patient/p2",
            false,
            404,
            "compartment",
        ),
    ] {
        let mut exchange = Exchange::default();
        let fields = if doubled { &[bad_token][..] } else { &[] };
        let head = world.head(scope, target, fields);
        assert_eq!(
            status(&world.ask(&mut exchange, head, true)),
            expected,
            "{name}"
        );
        assert_eq!(
            driver::slug(&rule(&world, &mut exchange).into()),
            by,
            "{name}"
        );
    }
}

#[test]
fn who_sees_a_part_does_not_write_the_whole() {
    let mut world = Deployment::with(|config| {
        config["redaction"][0]["unless"] = json!({"scope": "user/Patient.rs"});
    });
    for (scope, refused) in [
        ("system/*.cruds", true),
        ("user/Patient.cud", true),
        ("user/*.cruds", false),
    ] {
        let mut exchange = Exchange::default();
        let head = world.head(scope, "PUT /r4/Patient/p1", FHIR);
        let step = world.ask(&mut exchange, head, false);
        assert_eq!(matches!(step, Step::Reply(_)), refused, "{scope}: {step:?}");
        if refused {
            let found = rule(&world, &mut exchange);
            assert_eq!(found, "request.not-supported.update-of-redacted", "{scope}");
        }
    }
}

#[test]
fn a_limit_is_charged_for_what_is_permitted_only() {
    let mut world = Deployment::with(|config| {
        config["limits"] =
            json!([{"name": "per-client", "key": ["client"], "rate": "1/m", "burst": 2}]);
    });
    let mut ask = |target: &str| {
        let mut exchange = Exchange::default();
        let head = world.head("patient/*.rs", target, &[]);
        let step = world.ask(&mut exchange, head, true);
        (step, world.record(&mut exchange))
    };
    for _ in 0..5 {
        let (step, record) = ask("GET /r4/Patient/p2");
        assert_eq!(status(&step), 404, "refused before it is charged");
        assert!(record.get("limits").is_none(), "{record}");
    }
    for remaining in [1, 0] {
        let (step, record) = ask("GET /r4/Patient/p1");
        assert!(matches!(step, Step::Forward(_)), "{step:?}");
        assert_eq!(record["limits"]["per-client"], remaining, "{record}");
    }
    let (step, record) = ask("GET /r4/Patient/p1");
    assert_eq!(status(&step), 429);
    assert_eq!(
        (&record["rule"], &record["outcome"]),
        (&json!("limit.per-client"), &json!("refused"))
    );
    let Step::Reply(reply) = step else {
        panic!("a reply")
    };
    let names: Vec<_> = reply.headers.iter().map(|(name, _)| *name).collect();
    for name in ["retry-after", "ratelimit", "ratelimit-policy"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    let (step, _) = ask("GET /r4/metadata");
    assert!(
        matches!(step, Step::Forward(_)),
        "a public path is not charged: {step:?}"
    );
}

#[test]
fn the_record_says_who_asked_for_what() {
    let mut world = Deployment::with(|config| config["issuers"][0]["tenant"] = json!("clinic"));
    let mut exchange = Exchange::default();
    let head = world.head("patient/*.rs", "GET /r4/Patient/p1", &[]);
    world.ask(&mut exchange, head, true);
    let record = world.record(&mut exchange);
    let digest = world.attributes().digest.expect("a certificate");
    for (key, expected) in [
        ("tenant", json!("clinic")),
        ("issuer", json!("https://as.example.org")),
        ("client", json!("clinic-a")),
        ("subject", json!("practitioner-1")),
        ("certificate", json!(String::from_utf8_lossy(&digest))),
        ("interaction", json!("read")),
        ("type", json!("Patient")),
        ("refs", json!(["Patient/p1"])),
        ("request_id", json!("r-1")),
    ] {
        assert_eq!(record[key], expected, "{key}: {record}");
    }
}
