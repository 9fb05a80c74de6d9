//! What the header may say.

use super::*;

#[test]
fn what_the_header_says_is_checked_as_bodies_are() {
    let malformed = || refused("invalid", "request.malformed.provenance");
    let padded = |length: usize| {
        let text = said().to_string();
        let spaces = " ".repeat(length - text.len());
        text.replacen('{', &format!("{{{spaces}"), 1)
    };
    let agents = |agents: Value| with(said(), "agent", agents).to_string();
    let contained = |resource: Value| with(said(), "contained", json!([resource])).to_string();
    let mut world = keeping(|_| ());
    for (name, text, expected) in [
        ("as large as may be", padded(8192), None),
        ("one more", padded(8193), Some(malformed())),
        ("empty", String::new(), Some(malformed())),
        ("no JSON", "{".to_owned(), Some(malformed())),
        (
            "two values",
            format!("{}{}", said(), said()),
            Some(malformed()),
        ),
        ("a list", json!([said()]).to_string(), Some(malformed())),
        (
            "a key twice",
            said().to_string().replacen('{', r#"{"agent":[],"#, 1),
            Some(malformed()),
        ),
        (
            "a tab",
            said().to_string().replacen('{', "{\t", 1),
            Some(malformed()),
        ),
        (
            "not ASCII",
            with(said(), "language", json!("dé")).to_string(),
            Some(malformed()),
        ),
        (
            "escaped",
            said()
                .to_string()
                .replacen("Practitioner", "\\u0050ractitioner", 1),
            None,
        ),
        (
            "another type",
            with(said(), "resourceType", json!("Observation")).to_string(),
            Some(malformed()),
        ),
        (
            "no type",
            json!({"agent": []}).to_string(),
            Some(malformed()),
        ),
        (
            "a target of its own",
            with(
                said(),
                "target",
                json!([{"reference": "Observation/other"}]),
            )
            .to_string(),
            Some(malformed()),
        ),
        (
            "an empty target",
            with(said(), "target", json!([])).to_string(),
            Some(malformed()),
        ),
        (
            "an escaped target",
            said()
                .to_string()
                .replacen('{', r#"{"t\u0061rget":[{"reference":"Patient/p2"}],"#, 1),
            Some(malformed()),
        ),
        (
            "an id of its own",
            with(said(), "id", json!("x")).to_string(),
            Some(malformed()),
        ),
        (
            "no agent",
            json!({"resourceType": "Provenance"}).to_string(),
            Some(malformed()),
        ),
        ("no agents", agents(json!([])), Some(malformed())),
        (
            "nobody",
            agents(json!([{"role": [{"text": "x"}]}])),
            Some(malformed()),
        ),
        (
            "nobody named",
            agents(json!([{"who": {"type": "Practitioner"}}])),
            Some(malformed()),
        ),
        (
            "by identifier",
            agents(json!([{"who": {"identifier": {"value": "7"}}}])),
            None,
        ),
        (
            "by name",
            agents(json!([{"who": {"display": "Dr X"}}])),
            None,
        ),
        (
            "an agent that is no list",
            agents(json!({"who": {"display": "x"}})),
            Some(malformed()),
        ),
        (
            "an unknown element",
            with(said(), "x", json!(1)).to_string(),
            Some(malformed()),
        ),
        (
            "a wrong value",
            with(said(), "recorded", json!(1)).to_string(),
            Some(malformed()),
        ),
        (
            "a target that a contained one lacks",
            contained(json!({"resourceType": "Provenance", "agent": said()["agent"]})),
            Some(malformed()),
        ),
        (
            "a contained resource",
            contained(json!({"resourceType": "Device", "id": "d"})),
            None,
        ),
        (
            "a resource elsewhere",
            with(said(), "signature", json!([{"resourceType": "Device"}])).to_string(),
            Some(malformed()),
        ),
        (
            "a search",
            agents(json!([{"who": {"reference": "Practitioner?identifier=7"}}])),
            Some(refused(
                "not-supported",
                "request.not-supported.conditional-reference",
            )),
        ),
        (
            "a label",
            with(said(), "meta", json!({"security": [{"code": "N"}]})).to_string(),
            Some(refused("not-supported", "request.not-supported.label")),
        ),
        (
            "a contained label",
            contained(json!({"resourceType": "Device", "meta": {"tag": []}})),
            Some(malformed()),
        ),
        (
            "a part of one",
            with(said(), "meta", json!({"tag": [{"code": "SUBSETTED"}]})).to_string(),
            Some(malformed()),
        ),
    ] {
        let expected = expected.unwrap_or_else(|| Ok(Some(text.clone().into_bytes())));
        for target in WRITES {
            let found = sent(&mut world, ALL, target, &[text.as_bytes()]);
            assert_eq!(found, expected, "{name}: {target}");
        }
    }
    let text = said().to_string();
    let twice = sent(
        &mut world,
        ALL,
        WRITES[0],
        &[text.as_bytes(), text.as_bytes()],
    );
    assert_eq!(twice, malformed());
    // What bodies are spared, it is spared as well; but not its agent, and not its target.
    let mut careless = keeping(|config| {
        config["fhir"]["body_check"] = json!("none");
        config["fhir"]["client_labels"] = json!("kept");
    });
    for (text, expected) in [
        (with(said(), "x", json!(1)).to_string(), None),
        (
            with(said(), "meta", json!({"security": []})).to_string(),
            None,
        ),
        (agents(json!([])), Some(malformed())),
        (agents(json!([{"who": {}}])), Some(malformed())),
        (
            with(said(), "target", json!(null)).to_string(),
            Some(malformed()),
        ),
    ] {
        let expected = expected.unwrap_or_else(|| Ok(Some(text.clone().into_bytes())));
        assert_eq!(
            sent(&mut careless, ALL, WRITES[0], &[text.as_bytes()]),
            expected,
            "{text}"
        );
    }
}

#[test]
fn a_patient_names_no_other_patient_in_it() {
    let mut world = keeping(|_| ());
    let who = |who: Value| with(said(), "agent", json!([{"who": who}])).to_string();
    let foreign = || refused("forbidden", "compartment.body");
    for (name, text, expected) in [
        ("a practitioner", said().to_string(), None),
        ("himself", who(json!({"reference": "Patient/p1"})), None),
        (
            "another",
            who(json!({"reference": "Patient/p2"})),
            Some(foreign()),
        ),
        (
            "another, escaped",
            who(json!({"reference": "Patient/p2"})).replacen("Patient", "P\\u0061tient", 1),
            Some(foreign()),
        ),
        (
            "elsewhere",
            who(json!({"reference": "https://other.example/Patient/p1"})),
            Some(foreign()),
        ),
        (
            "nobody known",
            who(json!({"reference": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"})),
            Some(foreign()),
        ),
        (
            "by identifier",
            who(json!({"type": "Patient", "identifier": {"value": "7"}})),
            Some(foreign()),
        ),
        (
            "another as a source",
            with(
                said(),
                "entity",
                json!([{"role": "source", "what": {"reference": "Patient/p2"}}]),
            )
            .to_string(),
            Some(foreign()),
        ),
        (
            "another, contained",
            with(
                said(),
                "contained",
                json!([{"resourceType": "Patient", "id": "p"}]),
            )
            .to_string(),
            Some(foreign()),
        ),
        (
            "what is another's, contained",
            with(
                said(),
                "contained",
                json!([{"resourceType": "Observation", "id": "o",
                "code": {"text": "x"}, "subject": {"reference": "Patient/p2"}}]),
            )
            .to_string(),
            Some(foreign()),
        ),
    ] {
        let kept = Ok(Some(text.clone().into_bytes()));
        let found = sent(&mut world, "patient/*.cruds", WRITES[0], &[text.as_bytes()]);
        assert_eq!(found, expected.unwrap_or_else(|| kept.clone()), "{name}");
        // To others their scopes open every patient.
        assert_eq!(
            sent(&mut world, ALL, WRITES[0], &[text.as_bytes()]),
            kept,
            "{name}"
        );
    }
}
