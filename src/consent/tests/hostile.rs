//! Consents with something else in the place of each of their parts.

use super::*;

/// Every place in a value, as a JSON pointer.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                places(member, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// A rule about reading Observations with all that is understood.
fn full(says: &str) -> Value {
    json!({
        "type": says,
        "period": {"start": "2026-01-01", "end": "2028-01-01T00:00:00Z"},
        "actor": [actor(json!({"reference": "Practitioner/d1"}))],
        "action": deed("access"),
        "purpose": [{"system": REASONS, "code": "TREAT"}],
        "class": class("Observation"),
    })
}

#[test]
fn whatever_stands_in_the_place_of_a_part_fails_closed() {
    let junk = [
        json!(null),
        json!(true),
        json!(7),
        json!(""),
        json!("junk"),
        json!([]),
        json!({}),
        json!([[]]),
        json!([{}]),
        json!({"junk": "junk"}),
    ];
    let all = || consent(json!({"type": "permit"}));
    let exception =
        |outer: &str, inner: Value| consent(json!({"type": outer, "provision": [inner]}));
    let mut seen = 0;
    for (name, consents, expected) in [
        ("denied", vec![all(), consent(full("deny"))], DENIED),
        (
            "denied inside",
            vec![exception("permit", full("deny"))],
            DENIED,
        ),
        ("permitted", vec![consent(full("permit"))], ""),
        (
            "permitted inside",
            vec![exception("deny", full("permit"))],
            "",
        ),
    ] {
        let as_it_is = ruling(&consents, Effect::Deny);
        assert_eq!(
            said(&as_it_is, Action::Access, "Observation"),
            expected,
            "{name}"
        );
        let last = consents.len() - 1;
        let mut found = Vec::new();
        places(&consents[last]["provision"], "/provision", &mut found);
        for place in &found {
            for junk in &junk {
                let mut consents = consents.clone();
                let part = consents[last].pointer_mut(place).expect("a place");
                *part = junk.clone();
                let Ok(read) = read(&bundle(&consents)) else {
                    continue;
                };
                let ruling = Ruling {
                    consents: Rc::new(read),
                    ..as_it_is.clone()
                };
                let found = said(&ruling, Action::Access, "Observation");
                assert!(!found.is_empty(), "{name}: {junk} at {place}");
                seen += 1;
            }
        }
    }
    assert!(seen > 500, "only {seen} were looked at");
}
