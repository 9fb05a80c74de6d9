//! FHIR JSON in the order people write it, and in the orders they should not.

use serde_json::{Map, Value};

/// How a resource is written.
#[derive(Clone, Debug, Default)]
pub struct Style {
    /// `entry` of a Bundle before everything else.
    pub entry_first: bool,
    /// No `resourceType` anywhere.
    pub no_resource_type: bool,
    /// Member names that carry references or ids begin with a `\u` escape.
    pub escaped_keys: bool,
    /// A second value for `subject`, `patient`, `beneficiary` (the reference) and a Patient's `id`
    /// (the bare id): the id of another patient.
    pub second_subject: Option<String>,
}

/// Members that come first, in this order; the others follow by name.
const FIRST: [&str; 12] = [
    "resourceType",
    "id",
    "meta",
    "text",
    "contained",
    "extension",
    "type",
    "total",
    "link",
    "fullUrl",
    "status",
    "url",
];
/// Members with the authority over whose a resource is.
const SUBJECTS: [&str; 3] = ["subject", "patient", "beneficiary"];

/// The value as JSON text.
pub fn write(value: &Value, style: &Style) -> Vec<u8> {
    let mut out = String::new();
    write_value(value, style, &mut out);
    out.into_bytes()
}

fn write_value(value: &Value, style: &Style, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(item, style, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            let start = out.len();
            for (name, member) in ordered(members, style) {
                if out.len() > start {
                    out.push(',');
                }
                write_member(members, name, member, style, out);
            }
            out.push('}');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

fn write_member(
    members: &Map<String, Value>,
    name: &str,
    member: &Value,
    style: &Style,
    out: &mut String,
) {
    write_name(name, style, out);
    write_value(member, style, out);
    let Some(other) = &style.second_subject else {
        return;
    };
    let is_patient = members
        .get("resourceType")
        .is_some_and(|kind| kind == "Patient");
    if SUBJECTS.contains(&name) && member.is_object() {
        out.push(',');
        write_name(name, style, out);
        out.push_str(&format!("{{\"reference\":\"Patient/{other}\"}}"));
    } else if is_patient && name == "id" {
        out.push_str(&format!(",\"id\":\"{other}\""));
    }
}

fn write_name(name: &str, style: &Style, out: &mut String) {
    let escaped = style.escaped_keys
        && (SUBJECTS.contains(&name)
            || ["reference", "id", "resourceType", "performer"].contains(&name));
    match name.chars().next() {
        Some(first) if escaped => {
            out.push_str(&format!(
                "\"\\u{:04x}{}\":",
                u32::from(first),
                name.trim_start_matches(first)
            ));
        }
        _ => {
            out.push_str(&Value::from(name).to_string());
            out.push(':');
        }
    }
}

fn ordered<'a>(members: &'a Map<String, Value>, style: &Style) -> Vec<(&'a str, &'a Value)> {
    let mut all: Vec<(&str, &Value)> = members
        .iter()
        .map(|(name, value)| (name.as_str(), value))
        .collect();
    all.retain(|(name, _)| !(style.no_resource_type && *name == "resourceType"));
    let rank = |name: &str| match FIRST.iter().position(|first| *first == name) {
        _ if style.entry_first && name == "entry" => 0,
        Some(position) => position + 1,
        None => FIRST.len() + 1,
    };
    all.sort_by_key(|(name, _)| rank(name));
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Style, write};

    #[test]
    fn styles() {
        let value = json!({"entry": [{"resource": {"resourceType": "Condition", "subject": {"reference": "Patient/p1"}, "id": "c"}}], "resourceType": "Bundle", "type": "searchset"});
        let rows = [
            (
                "plain",
                Style::default(),
                r#"{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/p1"}}}]}"#,
            ),
            (
                "entry first",
                Style {
                    entry_first: true,
                    ..Style::default()
                },
                r#"{"entry":[{"resource":{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/p1"}}}],"resourceType":"Bundle","type":"searchset"}"#,
            ),
            (
                "no resource type",
                Style {
                    no_resource_type: true,
                    ..Style::default()
                },
                r#"{"type":"searchset","entry":[{"resource":{"id":"c","subject":{"reference":"Patient/p1"}}}]}"#,
            ),
            (
                "escaped",
                Style {
                    escaped_keys: true,
                    ..Style::default()
                },
                r#"{"\u0072esourceType":"Bundle","type":"searchset","entry":[{"resource":{"\u0072esourceType":"Condition","\u0069d":"c","\u0073ubject":{"\u0072eference":"Patient/p1"}}}]}"#,
            ),
            (
                "twice",
                Style {
                    second_subject: Some("p2".into()),
                    ..Style::default()
                },
                r#"{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/p1"},"subject":{"reference":"Patient/p2"}}}]}"#,
            ),
        ];
        for (name, style, expected) in rows {
            assert_eq!(
                String::from_utf8(write(&value, &style)).unwrap(),
                expected,
                "{name}"
            );
        }
    }
}
