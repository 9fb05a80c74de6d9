//! Rules and their exceptions.

use super::*;

/// What one Consent with this root rule says of reading Observations.
fn check(name: &str, provision: Value, expected: &str) {
    let ruling = ruling(&[consent(provision)], Effect::Deny);
    assert_eq!(
        said(&ruling, Action::Access, "Observation"),
        expected,
        "{name}"
    );
}

/// A rule that permits, and one that denies, with this element: what each says alone.
fn both(name: &str, element: &str, value: &Value, permits: bool, denies: bool) {
    let rule = |says: &str| {
        let mut rule = json!({"type": says});
        rule[element] = value.clone();
        rule
    };
    check(name, rule("permit"), if permits { "" } else { MISSING });
    let expected = if denies { DENIED } else { MISSING };
    check(name, rule("deny"), expected);
    // As the exception to its opposite.
    let expected = if permits { "" } else { DENIED };
    let permit = json!({"type": "deny", "provision": [rule("permit")]});
    check(name, permit, expected);
    let expected = if denies { DENIED } else { "" };
    check(
        name,
        json!({"type": "permit", "provision": [rule("deny")]}),
        expected,
    );
}

#[test]
fn each_element_of_a_rule_is_matched_or_fails_closed() {
    let organization = |id: &str| actor(json!({"reference": format!("Organization/{id}")}));
    let doctor = |id: &str| actor(json!({"reference": format!("Practitioner/{id}")}));
    let absolute = json!({"reference": "https://fhir.example.org/r4/Practitioner/d1"});
    let mut custodian = doctor("d1");
    custodian["role"]["coding"][0]["code"] = json!("CST");
    let purpose = |code: &str| json!([{"system": REASONS, "code": code}]);
    let (yes, no, unknown) = ((true, true), (false, false), (false, true));
    for (name, element, value, (permits, denies)) in [
        (
            "period",
            "period",
            json!({"start": "2026", "end": "2027-12"}),
            yes,
        ),
        ("period over", "period", json!({"end": "2026-12-31"}), no),
        ("period to come", "period", json!({"start": "2027-02"}), no),
        (
            "first day",
            "period",
            json!({"start": "2027-01-15"}),
            unknown,
        ),
        (
            "period of words",
            "period",
            json!({"end": "next year"}),
            unknown,
        ),
        ("own doctor", "actor", json!([doctor("d1")]), yes),
        ("own, absolute", "actor", json!([actor(absolute)]), yes),
        ("another doctor", "actor", json!([doctor("d2")]), no),
        (
            "one of two",
            "actor",
            json!([doctor("d2"), organization("h1")]),
            yes,
        ),
        (
            "another organization",
            "actor",
            json!([organization("h2")]),
            no,
        ),
        (
            "one of which nobody knows",
            "actor",
            json!([organization("h3")]),
            no,
        ),
        (
            "a group",
            "actor",
            json!([actor(json!({"reference": "Group/g1"}))]),
            unknown,
        ),
        (
            "a version",
            "actor",
            json!([actor(json!({"reference": "Practitioner/d1/_history/1"}))]),
            unknown,
        ),
        (
            "contained",
            "actor",
            json!([actor(json!({"reference": "#d1"}))]),
            unknown,
        ),
        (
            "by name",
            "actor",
            json!([actor(json!({"display": "Dr Who"}))]),
            unknown,
        ),
        (
            "by identifier",
            "actor",
            json!([actor(
                json!({"identifier": {"system": "urn:x", "value": "1"}})
            )]),
            unknown,
        ),
        ("custodian", "actor", json!([custodian]), unknown),
        (
            "no role",
            "actor",
            json!([{"reference": {"reference": "Practitioner/d1"}}]),
            unknown,
        ),
        ("no list", "actor", doctor("d1"), unknown),
        ("empty", "actor", json!([]), unknown),
        ("null", "actor", json!(null), unknown),
        ("access", "action", deed("access"), yes),
        ("collect", "action", deed("collect"), no),
        ("correct", "action", deed("correct"), no),
        ("use", "action", deed("use"), unknown),
        ("disclose", "action", deed("disclose"), unknown),
        ("another action", "action", deed("sell"), unknown),
        (
            "action in words",
            "action",
            json!([{"text": "access"}]),
            unknown,
        ),
        ("purpose", "purpose", purpose("TREAT"), yes),
        ("another purpose", "purpose", purpose("HRESCH"), no),
        ("a narrower purpose", "purpose", purpose("ETREAT"), unknown),
        (
            "purpose of another system",
            "purpose",
            json!([{"system": "urn:x", "code": "TREAT"}]),
            unknown,
        ),
        ("class", "class", class("Observation"), yes),
        ("another class", "class", class("Condition"), no),
        ("no class of R4", "class", class("Observations"), unknown),
        (
            "a document type",
            "class",
            json!([{"system": "urn:ietf:rfc:3986", "code": "x"}]),
            unknown,
        ),
        ("code", "code", json!([{"text": "HIV"}]), unknown),
        (
            "data period",
            "dataPeriod",
            json!({"start": "June"}),
            unknown,
        ),
        (
            "data",
            "data",
            json!([{"meaning": "related", "reference": {"reference": "Observation/1"}}]),
            unknown,
        ),
        (
            "modifier extension",
            "modifierExtension",
            json!([{"url": "urn:x", "valueBoolean": true}]),
            unknown,
        ),
        ("sibling", "_type", json!({"extension": []}), unknown),
        ("unknown element", "colour", json!("red"), unknown),
        ("extension", "extension", json!([{"url": "urn:x"}]), yes),
    ] {
        both(name, element, &value, permits, denies);
    }
}

#[test]
fn exceptions_stand_before_the_rule_they_are_in() {
    let rule = |says: &str, inner: Value| match inner == json!([]) {
        true => json!({ "type": says }),
        false => json!({"type": says, "provision": inner}),
    };
    let permit = |inner: Value| rule("permit", inner);
    let deny = |inner: Value| rule("deny", inner);
    let with = |mut rule: Value, element: &str, value: Value| {
        rule[element] = value;
        rule
    };
    let of = |rule: Value, name: &str| with(rule, "class", class(name));
    for (name, provision, expected) in [
        ("permit all", json!({"type": "permit"}), ""),
        ("deny all", json!({"type": "deny"}), DENIED),
        (
            "permit, but for another type",
            permit(json!([of(deny(json!([])), "Condition")])),
            "",
        ),
        (
            "deny, but for this type",
            deny(json!([of(permit(json!([])), "Observation")])),
            "",
        ),
        (
            "three levels: deny",
            permit(json!([
                of(deny(json!([])), "Condition"),
                of(
                    permit(json!([of(deny(json!([])), "Observation")])),
                    "Observation"
                )
            ])),
            DENIED,
        ),
        (
            "three levels: permit",
            permit(json!([of(
                deny(json!([with(permit(json!([])), "action", deed("access"))])),
                "Observation"
            )])),
            "",
        ),
        (
            "three levels: the last is for another",
            permit(json!([of(
                deny(json!([with(permit(json!([])), "action", deed("collect"))])),
                "Observation"
            )])),
            DENIED,
        ),
        (
            "an exception to what does not match",
            with(permit(json!([deny(json!([]))])), "action", deed("collect")),
            MISSING,
        ),
        (
            "exceptions that contradict each other",
            deny(json!([permit(json!([])), deny(json!([]))])),
            DENIED,
        ),
        (
            "an exception of no type",
            permit(json!([{"class": class("Observation")}])),
            DENIED,
        ),
        (
            "an exception of no type, for another",
            permit(json!([{"class": class("Condition")}])),
            "",
        ),
        (
            "of another type of rule",
            permit(json!([{"type": "maybe"}])),
            DENIED,
        ),
        (
            "within what cannot be told",
            permit(json!([{"type": "maybe", "provision": [{"type": "permit"}]}])),
            DENIED,
        ),
        (
            "a denial within a permission that cannot be told",
            permit(json!([with(
                permit(json!([deny(json!([]))])),
                "code",
                json!([])
            )])),
            DENIED,
        ),
        (
            "exceptions that are no list",
            with(
                json!({"type": "permit"}),
                "provision",
                json!({"type": "deny"}),
            ),
            MISSING,
        ),
        (
            "a root of another type of rule",
            json!({"type": "maybe"}),
            DENIED,
        ),
        ("no object", json!("permit"), DENIED),
        ("nothing said", json!({}), DENIED),
        (
            "nothing said, with an exception",
            json!({"provision": [{"type": "permit"}]}),
            "",
        ),
    ] {
        check(name, provision, expected);
    }
    for (default, expected) in [(Effect::Permit, ""), (Effect::Deny, DENIED)] {
        let mut without = consent(json!({}));
        without
            .as_object_mut()
            .expect("an object")
            .remove("provision");
        for silent in [without, consent(json!({}))] {
            let ruling = ruling(&[silent], default);
            assert_eq!(said(&ruling, Action::Access, "Observation"), expected);
        }
    }
}

#[test]
fn writes_are_actions_of_their_own() {
    for (code, access, collect, correct) in [
        ("access", "", MISSING, MISSING),
        ("collect", MISSING, "", MISSING),
        ("correct", MISSING, MISSING, ""),
        ("use", MISSING, MISSING, MISSING),
    ] {
        let ruling = ruling(
            &[consent(json!({"type": "permit", "action": deed(code)}))],
            Effect::Deny,
        );
        assert_eq!(
            said(&ruling, Action::Access, "Observation"),
            access,
            "{code}"
        );
        assert_eq!(
            said(&ruling, Action::Collect, "Observation"),
            collect,
            "{code}"
        );
        assert_eq!(
            said(&ruling, Action::Correct, "Observation"),
            correct,
            "{code}"
        );
    }
    // What is written is not looked at: a label may be there.
    let label = json!([{"system": CONFIDENTIALITY, "code": "R"}]);
    let rule = json!({"type": "permit", "provision": [{"type": "deny", "securityLabel": label}]});
    let ruling = ruling(&[consent(rule)], Effect::Deny);
    assert_eq!(said(&ruling, Action::Access, "Observation"), "");
    assert_eq!(said(&ruling, Action::Correct, "Observation"), DENIED);
}

#[test]
fn labels_are_looked_for_in_the_answer() {
    let label = |system: &str, code: &str| json!([{"system": system, "code": code}]);
    let level = |code: &str| label(CONFIDENTIALITY, code);
    let acts = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
    let (psy, hiv) = (label(acts, "PSY"), label(acts, "HIV"));
    let without = json!([{"code": "PSY"}]);
    let two = json!([{"system": acts, "code": "HIV"}, {"system": acts, "code": "PSY"}]);
    let many = Value::Array(vec![hiv[0].clone(); 1001]);
    for (name, wanted, labels, permits, denies) in [
        ("none", &psy, json!([]), false, false),
        ("the same", &psy, psy.clone(), true, true),
        ("another", &psy, hiv.clone(), false, false),
        ("two", &psy, two, true, true),
        ("without a system", &psy, without, false, true),
        ("no list", &psy, json!({}), false, true),
        (
            "no text",
            &psy,
            json!([{"system": acts, "code": 1}]),
            false,
            true,
        ),
        ("no code", &psy, json!([{"system": acts}]), false, true),
        ("too many", &psy, many, false, true),
        (
            "restricted, restricted",
            &level("R"),
            level("R"),
            true,
            true,
        ),
        ("restricted, very", &level("R"), level("V"), false, true),
        ("restricted, normal", &level("R"), level("N"), true, false),
        ("restricted, none", &level("R"), json!([]), false, false),
        ("restricted, unknown", &level("R"), level("X"), false, true),
        ("unknown, unknown", &level("X"), level("X"), true, true),
    ] {
        let permit = consent(json!({"type": "permit", "securityLabel": wanted}));
        let deny =
            json!({"type": "permit", "provision": [{"type": "deny", "securityLabel": wanted}]});
        let but =
            json!({"type": "deny", "provision": [{"type": "permit", "securityLabel": wanted}]});
        let permit = ruling(&[permit], Effect::Deny);
        let deny = ruling(&[consent(deny)], Effect::Deny);
        let but = ruling(&[consent(but)], Effect::Deny);
        for ruling in [&permit, &deny, &but] {
            assert_eq!(said(ruling, Action::Access, "Observation"), "", "{name}");
        }
        assert_eq!(covers(&permit, &labels), permits, "{name}: permit");
        assert_eq!(covers(&but, &labels), permits, "{name}: exception");
        assert_eq!(covers(&deny, &labels), !denies, "{name}: deny");
    }
}

#[test]
fn several_consents_deny_together() {
    let permit = || consent(json!({"type": "permit"}));
    let deny = || consent(json!({"type": "deny"}));
    let of = |says: &str, name: &str| consent(json!({"type": says, "class": class(name)}));
    for (name, consents, expected) in [
        ("none", vec![], MISSING),
        ("permit, deny", vec![permit(), deny()], DENIED),
        ("deny, permit", vec![deny(), permit()], DENIED),
        (
            "permit all, deny another type",
            vec![permit(), of("deny", "Condition")],
            "",
        ),
        (
            "permit another type",
            vec![of("permit", "Condition")],
            MISSING,
        ),
        (
            "permit two types",
            vec![of("permit", "Condition"), of("permit", "Observation")],
            "",
        ),
    ] {
        let ruling = ruling(&consents, Effect::Deny);
        assert_eq!(
            said(&ruling, Action::Access, "Observation"),
            expected,
            "{name}"
        );
    }
    let ruling = ruling(&[permit(), of("deny", "Condition")], Effect::Deny);
    let types = ["Observation", "Condition"].map(named);
    assert_eq!(
        ruling.check(Action::Access, &types, None),
        Err(DENIED),
        "one of two types"
    );
}
