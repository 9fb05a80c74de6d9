//! Which Consents count, and what of an answer is looked at.

use super::*;

/// What one Consent says of reading Observations.
fn check(name: &str, consent: Value, expected: &str) {
    let ruling = ruling(&[consent], Effect::Deny);
    assert_eq!(
        said(&ruling, Action::Access, "Observation"),
        expected,
        "{name}"
    );
}

#[test]
fn only_what_counts_permits() {
    let with = |pointer: &str, value: Value| {
        let mut consent = consent(json!({"type": "permit"}));
        match consent.pointer_mut(pointer) {
            Some(place) => *place = value,
            None => consent[pointer.trim_start_matches('/')] = value,
        }
        consent
    };
    let code = "/scope/coding/0/code";
    for (name, consent, expected) in [
        ("as it is", with("/status", json!("active")), ""),
        ("draft", with("/status", json!("draft")), MISSING),
        ("proposed", with("/status", json!("proposed")), MISSING),
        ("rejected", with("/status", json!("rejected")), MISSING),
        ("inactive", with("/status", json!("inactive")), MISSING),
        (
            "entered in error",
            with("/status", json!("entered-in-error")),
            MISSING,
        ),
        ("another status", with("/status", json!("Active")), DENIED),
        ("no status", with("/status", json!(null)), DENIED),
        ("research", with(code, json!("research")), MISSING),
        (
            "another system",
            with("/scope/coding/0/system", json!("urn:x")),
            DENIED,
        ),
        ("no scope", with("/scope", json!(null)), DENIED),
        (
            "scope in words",
            with("/scope", json!({"text": "privacy"})),
            DENIED,
        ),
        (
            "another's",
            with("/patient/reference", json!("Patient/p2")),
            MISSING,
        ),
        (
            "by the base",
            with(
                "/patient/reference",
                json!("https://fhir.example.org/r4/Patient/p1"),
            ),
            "",
        ),
        (
            "of another server",
            with("/patient/reference", json!("https://other/Patient/p1")),
            DENIED,
        ),
        (
            "of a group",
            with("/patient/reference", json!("Group/p1")),
            DENIED,
        ),
        (
            "by identifier",
            with("/patient", json!({"identifier": {"value": "1"}})),
            DENIED,
        ),
        ("nobody's", with("/patient", json!(null)), DENIED),
        (
            "modified",
            with("/modifierExtension", json!([{"url": "urn:x"}])),
            MISSING,
        ),
        (
            "by other rules",
            with("/implicitRules", json!("urn:x")),
            MISSING,
        ),
        (
            "a part of it",
            with("/meta", json!({"tag": [{"code": "SUBSETTED"}]})),
            MISSING,
        ),
        ("tagged", with("/meta", json!({"tag": [{"code": "x"}]})), ""),
    ] {
        check(name, consent, expected);
    }
    let mut denial = consent(json!({"type": "deny", "class": class("Condition")}));
    denial["modifierExtension"] = json!([{"url": "urn:x"}]);
    check("a denial of another type, modified", denial, MISSING);
    let mut denial = consent(json!({"type": "deny", "class": class("Observation")}));
    denial["modifierExtension"] = json!([{"url": "urn:x"}]);
    check("a denial, modified", denial, DENIED);
}

#[test]
fn what_cannot_be_told_is_decided_with_the_label() {
    let label = json!([{"system": "urn:x", "code": "PSY"}]);
    let denial = json!({"type": "deny", "securityLabel": label, "code": [{"text": "x"}]});
    let rule = json!({"type": "permit", "provision": [denial]});
    let ruling = ruling(&[consent(rule)], Effect::Deny);
    assert_eq!(said(&ruling, Action::Access, "Observation"), "");
    assert!(covers(&ruling, &json!([])));
    assert!(!covers(&ruling, &label));
    // What is written is not looked at.
    assert_eq!(said(&ruling, Action::Correct, "Observation"), DENIED);
}

#[test]
fn actors_are_known_by_identifiers_as_well() {
    let identifier = |system: &str, value: &str| Actor::Identifier {
        system: system.to_owned(),
        value: value.to_owned(),
    };
    for (system, value, expected) in [
        ("urn:x", "1", ""),
        ("urn:x", "2", MISSING),
        ("urn:x", "3", MISSING),
        ("urn:y", "1", MISSING),
    ] {
        let named = actor(json!({"identifier": {"system": system, "value": value}}));
        for (says, expected) in [
            ("permit", expected),
            // Of another system nobody can tell.
            (
                "deny",
                if expected.is_empty() || system == "urn:y" {
                    DENIED
                } else {
                    MISSING
                },
            ),
        ] {
            let mut ruling = ruling(
                &[consent(json!({"type": says, "actor": [named]}))],
                Effect::Deny,
            );
            ruling.caller = Rc::new(Caller {
                actors: vec![identifier("urn:x", "1")],
                others: vec![identifier("urn:x", "2")],
                purposes: Vec::new(),
            });
            let found = said(&ruling, Action::Access, "Observation");
            assert_eq!(found, expected, "{says} {system} {value}");
        }
    }
}

#[test]
fn an_answer_is_the_searchset_that_was_asked_for() {
    let good = bundle(&[consent(json!({"type": "permit"}))]);
    let with = |name: &str, value: Value| {
        let mut bundle = good.clone();
        bundle[name] = value;
        bundle
    };
    let answer = |text| Err(Fault::Answer(text));
    let many = |count: usize| bundle(&vec![consent(json!({"type": "permit"})); count]);
    let outcome =
        json!([{"resource": {"resourceType": "OperationOutcome"}, "search": {"mode": "outcome"}}]);
    let none = "consent: the answer is no searchset";
    let list = "consent: a part of the answer is no list";
    for (name, bundle, expected) in [
        ("as it is", good.clone(), Ok(1)),
        (
            "empty",
            json!({"resourceType": "Bundle", "type": "searchset"}),
            Ok(0),
        ),
        ("as many as are looked at", many(3), Ok(3)),
        ("one more", many(4), Err(Fault::TooMuch)),
        (
            "its own link",
            with("link", json!([{"relation": "self", "url": "x"}])),
            Ok(1),
        ),
        (
            "another page",
            with("link", json!([{"relation": "next", "url": "x"}])),
            Err(Fault::TooMuch),
        ),
        (
            "a link to nowhere",
            with("link", json!([{"url": "x"}])),
            Err(Fault::TooMuch),
        ),
        ("the right total", with("total", json!(1)), Ok(1)),
        (
            "another total",
            with("total", json!(2)),
            Err(Fault::TooMuch),
        ),
        (
            "a total in words",
            with("total", json!("1")),
            Err(Fault::TooMuch),
        ),
        (
            "another type of bundle",
            with("type", json!("collection")),
            answer(none),
        ),
        (
            "another type",
            with("resourceType", json!("Consent")),
            answer(none),
        ),
        ("no list", with("entry", json!({})), answer(list)),
        (
            "no list of links",
            with("link", json!("next")),
            answer(list),
        ),
        (
            "an outcome",
            with("entry", outcome),
            answer("consent: an entry of the answer is no Consent"),
        ),
        (
            "nothing",
            with("entry", json!([{"fullUrl": "x"}])),
            answer("consent: an entry of the answer has no resource"),
        ),
    ] {
        let found = read(&bundle).map(|consents| consents.rules.len());
        assert_eq!(found, expected, "{name}");
    }
    for not_one in [json!([]), json!("Bundle"), json!(null)] {
        let found = read(&not_one).map(|consents| consents.rules.len());
        assert_eq!(found, answer(none), "{not_one}");
    }
}

#[test]
fn what_is_kept_is_bounded() {
    let deep = |levels: usize| {
        let innermost = json!({"type": "permit"});
        (1..levels).fold(
            innermost,
            |inner, _| json!({"type": "permit", "provision": [inner]}),
        )
    };
    let read_one = |provision: Value| read(&bundle(&[consent(provision)])).map(|_| ());
    assert_eq!(read_one(deep(DEPTH)), Ok(()));
    assert_eq!(read_one(deep(DEPTH + 1)), Err(Fault::TooMuch));
    let wide = |rules: usize| json!({"provision": vec![json!({"type": "deny"}); rules]});
    // The Consent and its root rule cost as much as two more.
    let most = KEPT / 256 - 2;
    assert_eq!(read_one(wide(most)), Ok(()));
    assert_eq!(read_one(wide(most + 1)), Err(Fault::TooMuch));
    let classes = |count: usize| json!({"type": "deny", "class": vec![class("Observation")[0].clone(); count]});
    let most = (KEPT - 512) / 64;
    assert_eq!(read_one(classes(most)), Ok(()));
    assert_eq!(read_one(classes(most + 1)), Err(Fault::TooMuch));
    let label = |length: usize| json!({"type": "deny", "securityLabel": [{"system": "", "code": "x".repeat(length)}]});
    assert_eq!(read_one(label(KEPT - 512 - 64)), Ok(()));
    assert_eq!(read_one(label(KEPT - 512 - 63)), Err(Fault::TooMuch));
}
