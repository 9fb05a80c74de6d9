//! Rules about codes, times and instances of data, which the resource decides.

mod codes;
mod dates;
mod instances;

use super::*;

const LOINC: &str = "http://loinc.org";

/// What a rule with this element alone says of a resource: whether one that permits lets it be seen, and
/// whether one that denies keeps it back; by itself, and as an exception at two depths.
fn check(name: &str, element: (&str, Value), resource: &Value, permits: bool, denies: bool) {
    let (key, value) = element;
    let rule = |says: &str, inner: &[Value]| {
        let mut rule = json!({"type": says});
        rule[key] = value.clone();
        if !inner.is_empty() {
            rule["provision"] = json!(inner);
        }
        rule
    };
    let around = |says: &str, inner: Value| json!({"type": says, "provision": [inner]});
    let sees = |consents: &[Value]| seen(&ruling(consents, Effect::Deny), resource);
    let all = || consent(json!({"type": "permit"}));
    for (form, consents, expected) in [
        ("permit", vec![consent(rule("permit", &[]))], permits),
        (
            "permit in deny",
            vec![consent(around("deny", rule("permit", &[])))],
            permits,
        ),
        (
            "deny beside permit",
            vec![all(), consent(rule("deny", &[]))],
            !denies,
        ),
        (
            "deny in permit",
            vec![consent(around("permit", rule("deny", &[])))],
            !denies,
        ),
        (
            "permit in deny in permit",
            vec![consent(around(
                "permit",
                around("deny", rule("permit", &[])),
            ))],
            permits,
        ),
        (
            "deny in permit in deny",
            vec![consent(around("deny", around("permit", rule("deny", &[]))))],
            !denies,
        ),
        // The exception to itself takes all of it back, where it is for it at all.
        (
            "permit, but not that",
            vec![consent(rule("permit", &[rule("deny", &[])]))],
            false,
        ),
        (
            "deny, but that",
            vec![all(), consent(rule("deny", &[rule("permit", &[])]))],
            permits || !denies,
        ),
    ] {
        assert_eq!(sees(&consents), expected, "{name}: {form}");
    }
}

/// A rule for this, not for this, and one of which that cannot be told.
const YES: (bool, bool) = (true, true);
const NO: (bool, bool) = (false, false);
const UNKNOWN: (bool, bool) = (false, true);

fn resource(type_name: &str, element: &str, value: &Value) -> Value {
    json!({"resourceType": type_name, "id": "r1", element: value})
}

fn coded(system: &str, code: &str) -> Value {
    json!({"coding": [{"system": system, "code": code}]})
}

#[test]
fn the_request_is_refused_where_no_answer_can_help() {
    let code = || json!({"type": "permit", "code": [coded(LOINC, "1")]});
    let dates = || json!({"type": "permit", "dataPeriod": {"start": "2020"}});
    let data = || {
        let reference = json!({"reference": "Observation/r1"});
        json!({"type": "permit", "data": [{"meaning": "instance", "reference": reference}]})
    };
    let but = |mut rule: Value| {
        rule["type"] = json!("deny");
        json!({"type": "permit", "provision": [rule]})
    };
    let read = (Action::Access, None);
    let create = (Action::Collect, None);
    let update = |id| (Action::Correct, Some(id));
    for (name, rule, (action, written), type_name, expected) in [
        ("code", code(), read, "Observation", ""),
        (
            "code of a type without",
            code(),
            read,
            "Immunization",
            MISSING,
        ),
        ("but a code", but(code()), read, "Observation", ""),
        (
            "but a code of a type without",
            but(code()),
            read,
            "Immunization",
            DENIED,
        ),
        ("code written", code(), create, "Observation", MISSING),
        (
            "but a code written",
            but(code()),
            create,
            "Observation",
            DENIED,
        ),
        ("time", dates(), read, "Observation", ""),
        (
            "time of a type without",
            dates(),
            read,
            "Condition",
            MISSING,
        ),
        ("but a time", but(dates()), read, "Observation", ""),
        (
            "but a time of a type without",
            but(dates()),
            read,
            "Condition",
            DENIED,
        ),
        (
            "but a time written",
            but(dates()),
            create,
            "Observation",
            DENIED,
        ),
        ("instance", data(), read, "Observation", ""),
        (
            "instance of another type",
            data(),
            read,
            "Condition",
            MISSING,
        ),
        ("but an instance", but(data()), read, "Observation", ""),
        (
            "but an instance of another type",
            but(data()),
            read,
            "Condition",
            "",
        ),
        ("created", data(), create, "Observation", MISSING),
        (
            "but an instance, created",
            but(data()),
            create,
            "Observation",
            DENIED,
        ),
        (
            "but an instance of another type, created",
            but(data()),
            create,
            "Condition",
            "",
        ),
        ("updated", data(), update("r1"), "Observation", ""),
        (
            "another updated",
            data(),
            update("r2"),
            "Observation",
            MISSING,
        ),
        (
            "but an instance, updated",
            but(data()),
            update("r1"),
            "Observation",
            DENIED,
        ),
        (
            "but an instance, another updated",
            but(data()),
            update("r2"),
            "Observation",
            "",
        ),
    ] {
        let ruling = ruling(&[consent(rule)], Effect::Deny);
        let found = ruling.check(action, &[named(type_name)], written);
        assert_eq!(found.err().unwrap_or_default(), expected, "{name}");
    }
}

#[test]
fn all_elements_of_a_rule_must_be_for_the_resource() {
    let rule = |says: &str| {
        json!({
            "type": says, "class": class("Observation"), "code": [coded(LOINC, "1")],
            "dataPeriod": {"start": "2020", "end": "2020"},
            "data": [{"meaning": "instance", "reference": {"reference": "Observation/r1"}}],
        })
    };
    let matching = json!({"resourceType": "Observation", "id": "r1",
        "code": coded(LOINC, "1"), "effectiveDateTime": "2020-06-01"});
    let permit = ruling(&[consent(rule("permit"))], Effect::Deny);
    let but = json!({"type": "permit", "provision": [rule("deny")]});
    let but = ruling(&[consent(but)], Effect::Deny);
    assert!(seen(&permit, &matching) && !seen(&but, &matching));
    for (element, value, excluded) in [
        ("id", json!("r2"), true),
        ("code", coded(LOINC, "2"), true),
        ("code", json!({"text": "x"}), false),
        ("effectiveDateTime", json!("2021-06-01"), true),
        ("effectiveDateTime", json!("x"), false),
    ] {
        let mut other = matching.clone();
        other[element] = value;
        assert!(!seen(&permit, &other), "{element}");
        // One element that is certainly for something else is enough.
        assert_eq!(seen(&but, &other), excluded, "{element}");
    }
    // What is inside has to be permitted too.
    let mut containing = matching.clone();
    containing["contained"] = json!([{"resourceType": "Observation", "code": coded(LOINC, "1")}]);
    assert!(!seen(&permit, &containing), "without a date");
    containing["contained"][0]["effectiveDateTime"] = json!("2020-01-01");
    assert!(seen(&permit, &containing));
}
