//! Writes of callers who may not see everything by its labels.

use super::*;

const SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
const INLINE: &str =
    "http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label";

fn restricting() -> Deployment {
    trusting_with(|config| {
        config["redaction"] = json!([]);
        config["labels"] = json!({
            "unlabelled": "normal",
            "clearances": [{"confidentiality": "normal"}],
        });
    })
}

/// What an element carries with this label.
fn carrying(code: &str) -> Value {
    json!([{"url": INLINE, "valueCoding": {"system": SYSTEM, "code": code}}])
}

/// A version with this element.
fn with(element: &str, value: Value) -> Value {
    let mut version = stored("Patient/p2");
    version[element] = value;
    version
}

#[test]
fn what_is_masked_by_its_label_is_neither_lost_nor_brought_to_light() {
    let mut world = restricting();
    let redacted = || refused(400, "request.not-supported.update-of-redacted");
    let absent = || refused(404, "compartment");
    let plain = stored("Patient/p2");
    let note = |code| with("note", json!([{"text": "x", "extension": carrying(code)}]));
    let (masked, seen) = (note("R"), note("N"));
    let primitive = with("_status", json!({"extension": carrying("R")}));
    let whole = with(
        "meta",
        json!({"security": [{"system": SYSTEM, "code": "R"}]}),
    );
    let fixed = with("_language", json!({"extension": carrying("R")}));
    let bare = json!([{"op": "remove", "path": "/note/0/extension"}]);
    let other = json!([{"op": "replace", "path": "/status", "value": "amended"}]);
    for (name, method, body, current, expected) in [
        (
            "a label is taken away",
            "PATCH",
            Some(&bare),
            &masked,
            redacted(),
        ),
        ("elsewhere", "PATCH", Some(&other), &masked, redacted()),
        ("written over", "PUT", Some(&plain), &masked, redacted()),
        ("a primitive", "PUT", Some(&plain), &primitive, redacted()),
        ("one that is seen", "PATCH", Some(&bare), &seen, pinned()),
        (
            "one that is seen is written over",
            "PUT",
            Some(&plain),
            &seen,
            pinned(),
        ),
        ("deleted", "DELETE", None, &masked, pinned()),
        ("no label", "PUT", Some(&plain), &plain, pinned()),
        ("the whole", "PATCH", Some(&other), &whole, absent()),
        (
            "the whole is written over",
            "PUT",
            Some(&plain),
            &whole,
            absent(),
        ),
        ("the whole is deleted", "DELETE", None, &whole, absent()),
        (
            "what is withheld for an element",
            "PATCH",
            Some(&other),
            &fixed,
            absent(),
        ),
        ("the same is deleted", "DELETE", None, &fixed, absent()),
    ] {
        let scope = "user/Observation.crud";
        let target = format!("{method} /r4/Observation/o1");
        let mut exchange = waits_as(&mut world, scope, &target, body, &[]);
        call(&world, &mut exchange);
        let current = current.to_string();
        let head = head_of("200", ETAG);
        let step = exchange.answered(&world.guard, Some((&head, current.as_bytes())));
        let found = outcome((step, world.record(&mut exchange)));
        assert_eq!(found, expected, "{name}");
    }
}
