//! Canaries: what a rule hides is overwritten with a word, and the word must not come out.

use fhir_guard::response::{Cover, Expected, Fault};
use serde_json::Value;

use super::HIDDEN;

/// The word.
const CANARY: &str = "CANARY";

const TYPE: &str = "resourceType";

/// Plants canaries in a body that may leave, and screens that.
///
/// # Panics
/// Where one leaves, or where planting them changes whether the body may leave.
pub fn check(cover: &Cover, body: &[u8], screen: impl Fn(&[u8]) -> Result<Vec<u8>, Fault>) {
    if matches!(cover.expected, Expected::Opaque) {
        return;
    }
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else {
        // A number beyond a double passes the screen as it is.
        return;
    };
    if value.to_string().contains(CANARY) {
        return;
    }
    match &cover.expected {
        Expected::Bundle { .. } => {
            let entries = value.get_mut("entry").and_then(Value::as_array_mut);
            for entry in entries.into_iter().flatten() {
                entry.get_mut("resource").map(plant_all);
            }
        }
        _ => plant_all(&mut value),
    }
    // In a Bundle the type has to stand first.
    let mut text = value.to_string();
    if let Some(Value::String(_)) = value.as_object_mut().and_then(|own| own.remove(TYPE))
        && matches!(cover.expected, Expected::Bundle { .. })
    {
        let rest = value.to_string();
        text = format!(r#"{{"resourceType":"Bundle",{}"#, &rest[1..]);
    }
    let left = screen(text.as_bytes());
    let left = left.unwrap_or_else(|fault| panic!("{fault} where canaries are: {text}"));
    let left = String::from_utf8(left).expect("UTF-8");
    assert!(!left.contains(CANARY), "{left}");
}

/// In a resource and what it contains.
fn plant_all(resource: &mut Value) {
    plant(resource);
    let contained = resource.get_mut("contained").and_then(Value::as_array_mut);
    for inner in contained.into_iter().flatten() {
        plant(inner);
    }
}

fn plant(resource: &mut Value) {
    let kind = resource[TYPE].as_str();
    let Some((_, paths)) = HIDDEN.iter().find(|(name, _)| Some(*name) == kind) else {
        return;
    };
    for path in *paths {
        let steps: Vec<&str> = path.split('.').collect();
        below(resource, &steps);
    }
    if let Some(narrative) = resource.get_mut("text").filter(|text| text.is_object()) {
        overwrite(narrative);
    }
}

fn below(value: &mut Value, steps: &[&str]) {
    let Some((step, rest)) = steps.split_first() else {
        return overwrite(value);
    };
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| below(item, steps)),
        Value::Object(members) => {
            for (name, value) in members {
                // The sibling of a primitive goes with it.
                if is(name.strip_prefix('_').unwrap_or(name), step) {
                    below(value, rest);
                }
            }
        }
        _ => {}
    }
}

/// Whether a name is this step; `value[x]` is `value` and a type in upper camel case.
fn is(name: &str, step: &str) -> bool {
    match step.strip_suffix("[x]") {
        None => name == step,
        Some(stem) => name
            .strip_prefix(stem)
            .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_uppercase())),
    }
}

fn overwrite(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(overwrite),
        Value::Object(members) => members.values_mut().for_each(overwrite),
        leaf => *leaf = CANARY.into(),
    }
}
