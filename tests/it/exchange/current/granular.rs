//! Writes with granular scopes: what is there, and what would be, must match.

use super::*;

const SCOPE: &str = "user/Observation.cud?category=a";

/// An Observation of these categories about somebody.
fn of(categories: &[&str], subject: &str) -> Value {
    let mut observation = stored(subject);
    let categories = categories.iter();
    let categories = categories.map(|code| json!({"coding": [{"code": code}]}));
    observation["category"] = categories.collect();
    observation
}

/// What comes of a write when this is the current version; of one that is refused before, the same.
fn written(
    world: &mut Deployment,
    scope: &str,
    method: &str,
    body: Option<&Value>,
    current: &Value,
) -> Result<String, (u16, String)> {
    let target = format!("{method} /r4/Observation/o1");
    if let Some(early) = writes::outcome(world, scope, &target, &[], body) {
        return Err(early);
    }
    let mut exchange = waits_as(world, scope, &target, body, &[]);
    call(world, &mut exchange);
    let current = current.to_string();
    let head = head_of("200", ETAG);
    let step = exchange.answered(&world.guard, Some((&head, current.as_bytes())));
    outcome((step, world.record(&mut exchange)))
}

#[test]
fn both_versions_match_the_scope() {
    let mut world = trusting_with(|config| config["redaction"] = json!([]));
    let absent = || refused(404, "compartment");
    let lacking = || refused(403, "scope");
    let lab = |code: &str| of(&[code], "Patient/p1");
    let (a, b, both) = (lab("a"), lab("b"), of(&["b", "a"], "Patient/p2"));
    let none = stored("Patient/p1");
    let into =
        |code: &str| json!([{"op": "replace", "path": "/category/0/coding/0/code", "value": code}]);
    let status = json!([{"op": "replace", "path": "/status", "value": "amended"}]);
    let bare = json!([{"op": "remove", "path": "/category"}]);
    let (to_a, to_b) = (into("a"), into("b"));
    for (name, method, body, current, expected) in [
        ("a match to a match", "PUT", Some(&a), &a, pinned()),
        ("to one of two", "PUT", Some(&both), &a, pinned()),
        ("from one of two", "PUT", Some(&a), &both, pinned()),
        ("no match to a match", "PUT", Some(&a), &b, absent()),
        ("of no kind to a match", "PUT", Some(&a), &none, absent()),
        ("a match to none", "PUT", Some(&b), &a, lacking()),
        (
            "a match to one of no kind",
            "PUT",
            Some(&none),
            &a,
            lacking(),
        ),
        ("none to none", "PUT", Some(&b), &b, lacking()),
        ("a match is deleted", "DELETE", None, &a, pinned()),
        ("no match is deleted", "DELETE", None, &b, absent()),
        ("a match is patched", "PATCH", Some(&status), &a, pinned()),
        ("no match is patched", "PATCH", Some(&status), &b, absent()),
        (
            "a match is patched to none",
            "PATCH",
            Some(&to_b),
            &a,
            lacking(),
        ),
        (
            "a match is patched to no kind",
            "PATCH",
            Some(&bare),
            &a,
            lacking(),
        ),
        (
            "no match is patched to one",
            "PATCH",
            Some(&to_a),
            &b,
            absent(),
        ),
        (
            "what does not apply to a match",
            "PATCH",
            Some(&to_a),
            &none,
            absent(),
        ),
        (
            "one of two stays",
            "PATCH",
            Some(&into("c")),
            &both,
            pinned(),
        ),
    ] {
        for level in ["user", "system"] {
            let scope = SCOPE.replace("user", level);
            let found = written(&mut world, &scope, method, body, current);
            assert_eq!(found, expected, "{level}: {name}");
        }
    }
    // The letters are apart.
    let scope = "user/Observation.u?category=a user/Observation.d?category=b";
    assert_eq!(written(&mut world, scope, "PUT", Some(&a), &a), pinned());
    assert_eq!(written(&mut world, scope, "DELETE", None, &a), absent());
    assert_eq!(written(&mut world, scope, "DELETE", None, &b), pinned());
    // Each of several scopes is enough, for what is there and for what comes.
    let scope = "user/Observation.u?category=a user/Observation.u?category=b";
    assert_eq!(written(&mut world, scope, "PUT", Some(&a), &b), pinned());
}

#[test]
fn a_patient_with_granular_scopes_is_held_to_both() {
    let mut world = trusting_with(|config| config["redaction"] = json!([]));
    let scope = "patient/Observation.ud?category=a";
    let absent = || refused(404, "compartment");
    let foreign = || refused(403, "compartment.body");
    let (own, other) = (of(&["a"], "Patient/p1"), of(&["a"], "Patient/p2"));
    let unmatched = of(&["b"], "Patient/p1");
    let mut group = of(&["a"], "Group/1");
    group["performer"] = json!([{"reference": "Patient/p1"}]);
    let mut unmatched_group = group.clone();
    unmatched_group["category"] = json!([]);
    let subject = json!([{"op": "replace", "path": "/subject/reference", "value": "Patient/p2"}]);
    for (name, method, body, current, expected) in [
        ("own and a match", "PUT", Some(&own), &own, pinned()),
        ("own and no match", "PUT", Some(&own), &unmatched, absent()),
        ("another's and a match", "PUT", Some(&own), &other, absent()),
        ("to another's", "PUT", Some(&other), &own, foreign()),
        (
            "to no match",
            "PUT",
            Some(&unmatched),
            &own,
            refused(403, "scope"),
        ),
        ("own is deleted", "DELETE", None, &own, pinned()),
        (
            "own and no match is deleted",
            "DELETE",
            None,
            &unmatched,
            absent(),
        ),
        ("another's is deleted", "DELETE", None, &other, absent()),
        (
            "patched to another's",
            "PATCH",
            Some(&subject),
            &own,
            foreign(),
        ),
        ("a group's and a match", "DELETE", None, &group, foreign()),
        (
            "a group's and no match",
            "DELETE",
            None,
            &unmatched_group,
            absent(),
        ),
    ] {
        assert_eq!(
            written(&mut world, scope, method, body, current),
            expected,
            "{name}"
        );
    }
}

#[test]
fn what_does_not_match_answers_like_what_is_not_there() {
    for absent in ["not-found", "forbidden"] {
        let mut world = trusting_with(|config| config["response"]["absent"] = json!(absent));
        let (a, b) = (
            of(&["a"], "Patient/p1"),
            of(&["b"], "Patient/p1").to_string(),
        );
        let patch = json!([{"op": "add", "path": "/status", "value": "final"}]);
        for (method, body) in [("PUT", Some(&a)), ("PATCH", Some(&patch)), ("DELETE", None)] {
            let mut replies = Vec::new();
            for (head, current) in [
                (head_of("404", None), "{}"),
                (head_of("410", None), ""),
                (head_of("200", ETAG), b.as_str()),
                (head_of("200", None), b.as_str()),
                (head_of("200", ETAG), "rubbish"),
                (
                    head_of("200", ETAG),
                    r#"{"resourceType":"Observation","id":"o2"}"#,
                ),
            ] {
                let target = format!("{method} /r4/Observation/o1");
                let fields = [("if-match", "W/\"1\"")];
                let mut exchange = waits_as(&mut world, SCOPE, &target, body, &fields);
                call(&world, &mut exchange);
                let step = exchange.answered(&world.guard, Some((&head, current.as_bytes())));
                let Step::Reply(reply) = step else {
                    panic!("{method}: {step:?}")
                };
                let record = world.record(&mut exchange);
                assert!(record.get("current").is_none(), "{record}");
                replies.push(reply);
            }
            assert!(
                replies.windows(2).all(|two| two[0] == two[1]),
                "{method}: {replies:?}"
            );
        }
    }
}

#[test]
fn what_the_version_at_hand_holds_is_not_lost() {
    let mut world = trusting();
    let a = of(&["a"], "Patient/p1");
    let mut labelled = a.clone();
    labelled["meta"] = json!({"security": [{"code": "R"}]});
    let label = refused(400, "request.not-supported.label");
    assert_eq!(
        written(&mut world, SCOPE, "PUT", Some(&a), &labelled),
        label
    );
    assert_eq!(
        written(&mut world, SCOPE, "DELETE", None, &labelled),
        pinned()
    );
    // What a patch makes is built as a body.
    let mut strict = trusting_with(|config| config["fhir"]["body_check"] = json!("structure"));
    let patch = json!([{"op": "add", "path": "/x", "value": "y"}]);
    let broken = refused(400, "request.malformed.body-structure");
    assert_eq!(
        written(&mut strict, SCOPE, "PATCH", Some(&patch), &a),
        broken
    );
    // Without the right to read, nothing tells what stands there.
    let test = json!([{"op": "test", "path": "/status", "value": "final"}]);
    let reads = refused(400, "request.not-supported.patch-operation");
    assert_eq!(written(&mut world, SCOPE, "PATCH", Some(&test), &a), reads);
}

#[test]
fn links_of_a_patient_are_there_for_users() {
    let mut world = trusting_with(|config| config["redaction"] = json!([]));
    let mut current = patient("p1", 0);
    current["active"] = json!(true);
    let body = current.clone();
    current["link"] = json!([{"other": {"reference": "Patient/p2"}, "type": "seealso"}]);
    let scope = "user/Patient.u?active=true";
    let mut exchange = waits_as(&mut world, scope, "PUT /r4/Patient/p1", Some(&body), &[]);
    call(&world, &mut exchange);
    let head = head_of("200", ETAG);
    let step = exchange.answered(&world.guard, Some((&head, current.to_string().as_bytes())));
    assert_eq!(outcome((step, world.record(&mut exchange))), pinned());
}

#[test]
fn without_trust_granular_writes_are_refused() {
    let mut world = unbuilt(|_| ());
    let a = of(&["a"], "Patient/p1");
    let patch = json!([{"op": "add", "path": "/status", "value": "final"}]);
    for (method, body) in [("PUT", Some(&a)), ("PATCH", Some(&patch)), ("DELETE", None)] {
        let target = format!("{method} /r4/Observation/o1");
        let found = writes::outcome(&mut world, SCOPE, &target, &[], body);
        let rule = "request.not-supported.granular-write".to_owned();
        assert_eq!(found, Some((400, rule)), "{method}");
    }
}
