//! What a Subscription looks for.

use super::*;

#[test]
fn criteria_are_a_search_that_its_writer_may_do() {
    let narrow = "user/Subscription.cruds user/Observation.rs";
    let long = |length: usize| {
        let start = format!("Observation?code={}&code=", "a".repeat(1020));
        format!("{start}{}", "b".repeat(length - start.len()))
    };
    let parameter = Some("request.not-supported.parameter");
    let mut world = allowing(|_| ());
    for (name, scope, criteria, expected) in [
        ("granted", narrow, "Observation?code=x", None),
        (
            "of a patient",
            narrow,
            "Observation?subject=Patient/p1&date=ge2020",
            None,
        ),
        ("as long as may be", narrow, &long(2048), None),
        ("one more", narrow, &long(2049), WRONG),
        ("another type", narrow, "Patient?name=x", Some("scope")),
        (
            "read only",
            "user/Subscription.c user/Observation.r",
            "Observation?code=x",
            Some("scope"),
        ),
        (
            "search only",
            "user/Subscription.c user/Observation.s",
            "Observation?code=x",
            Some("request.not-supported.subscription"),
        ),
        (
            "some of them",
            "user/Subscription.c user/Observation.rs?status=final",
            "Observation?status=final",
            Some("request.not-supported.subscription"),
        ),
        ("everything", narrow, "Observation?", parameter),
        ("the type only", narrow, "Observation", WRONG),
        ("no type", narrow, "?code=x", WRONG),
        ("all types", narrow, "*?code=x", WRONG),
        ("a path", narrow, "Patient/p1/Observation?code=x", WRONG),
        (
            "a URL",
            narrow,
            "https://fhir.example.org/r4/Observation?code=x",
            WRONG,
        ),
        ("a slash", narrow, "/Observation?code=x", WRONG),
        ("escaped", narrow, "Observation?code=%78", WRONG),
        ("a space", narrow, "Observation?code=x y", WRONG),
        ("a plus", narrow, "Observation?code=x+y", WRONG),
        ("a fragment", narrow, "Observation?code=x#y", WRONG),
        (
            "sent along",
            narrow,
            "Observation?code=x&_include=Observation:subject",
            Some("request.not-supported.include"),
        ),
        ("a chain", narrow, "Observation?subject.name=x", parameter),
        (
            "has",
            narrow,
            "Observation?_has:Provenance:target:agent=x",
            parameter,
        ),
        (
            "a format",
            narrow,
            "Observation?code=x&_format=json",
            parameter,
        ),
        ("a page", narrow, "Observation?code=x&_count=1", parameter),
        ("not understood", narrow, "Observation?x=y", parameter),
        ("a topic", narrow, "http://example.org/topic", WRONG),
    ] {
        let body = with("/criteria", json!(criteria));
        let found = rule(&mut world, scope, CREATE, Some(&body));
        assert_eq!(found.as_deref(), expected, "{name}");
    }
    // The search is under rules, too; and nothing that is hidden is sent, or found by.
    let deny = json!([{"name": "no", "effect": "deny", "types": ["Observation"], "interactions": ["search-type"]}]);
    let hide = |elements: Value| json!([{"name": "h", "resource": "Observation", "elements": elements, "action": "remove"}]);
    let bare = |mut body: Value| {
        body["channel"]
            .as_object_mut()
            .expect("an object")
            .remove("payload");
        body
    };
    let sending = with("/criteria", json!("Observation?code=x"));
    for (name, key, value, body, expected) in [
        ("a rule", "rules", deny, sending.clone(), Some("deny.no")),
        (
            "what is hidden is sent",
            "redaction",
            hide(json!(["note"])),
            sending.clone(),
            Some("request.not-supported.subscription"),
        ),
        (
            "it is not",
            "redaction",
            hide(json!(["note"])),
            bare(sending.clone()),
            None,
        ),
        (
            "it is searched by",
            "redaction",
            hide(json!(["code"])),
            bare(sending.clone()),
            parameter,
        ),
    ] {
        let mut world = allowing(|config| config[key] = value);
        let found = rule(&mut world, ALL, CREATE, Some(&body));
        assert_eq!(found.as_deref(), expected, "{name}");
    }
}
