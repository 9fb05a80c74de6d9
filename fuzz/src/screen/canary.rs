//! Canaries: what a rule hides is overwritten with a word, and the word must not come out.

use std::rc::Rc;

use fhir_guard::fhir::{Confidentiality, PolicyCode};
use fhir_guard::label::{Carried, INLINE, Kind, LabelPolicy};
use fhir_guard::response::{Cover, Expected, Fault};
use serde_json::{Value, json};

use super::{HIDDEN, REWRITTEN, To, ordered};

/// The word.
const CANARY: &str = "CANARY";

/// A date, and what of it must not come out where the year may.
const DATE: (&str, &str) = ("1931-07-29", "-07-29");

/// An age that must not come out.
const AGE: f64 = 97.53125;

const TYPE: &str = "resourceType";

/// For what rules are, where the first byte of choices says that they are for what is labelled.
pub fn labelled(shape: u8) -> Option<Carried> {
    let policy = LabelPolicy {
        unlabelled: Confidentiality::Unrestricted,
        codes: Vec::new(),
    };
    (shape & 16 != 0).then(|| Carried {
        policy: Rc::new(policy),
        confidentiality: None,
        kinds: vec![Kind::Policy(PolicyCode::parse("SUD").expect("a code"))],
    })
}

/// Says somewhere that all of this is about addiction: where, tells the number.
fn label(value: &mut Value, bundle: bool, place: usize) {
    let label = json!({"system": PolicyCode::SYSTEM, "code": "SUD"});
    if bundle && place.is_multiple_of(4) {
        security(value, label);
        return;
    }
    let mut resources: Vec<&mut Value> = match bundle {
        false => vec![value],
        true => {
            let entries = value.get_mut("entry").and_then(Value::as_array_mut);
            let entries = entries.into_iter().flatten();
            entries
                .filter_map(|entry| entry.get_mut("resource"))
                .collect()
        }
    };
    for resource in &mut resources {
        let contained = resource.get("contained").and_then(Value::as_array);
        let contains = contained.is_some_and(|inner| inner.iter().any(Value::is_object));
        match place % 4 {
            1 if contains => {
                let inner = resource["contained"].as_array_mut().into_iter().flatten();
                let inner = inner.filter(|inner| inner.is_object()).last();
                inner
                    .into_iter()
                    .for_each(|inner| security(inner, label.clone()));
            }
            2 if resource.get("extension").is_none_or(Value::is_array) => {
                let inline = json!({"url": INLINE, "valueCoding": label});
                match resource.get_mut("extension").and_then(Value::as_array_mut) {
                    Some(extensions) => extensions.push(inline),
                    None => resource["extension"] = json!([inline]),
                }
            }
            _ => security(resource, label.clone()),
        }
    }
}

/// Labels a resource, or a Bundle, in its `meta`.
fn security(resource: &mut Value, label: Value) {
    let Some(resource) = resource.as_object_mut() else {
        return;
    };
    let meta = resource.entry("meta").or_insert_with(|| json!({}));
    if !meta.is_object() {
        return;
    }
    match meta.get_mut("security").and_then(Value::as_array_mut) {
        Some(labels) => labels.push(label),
        None => meta["security"] = json!([label]),
    }
}

/// Plants canaries in a body that may leave, and screens that.
///
/// # Panics
/// Where one leaves, or where planting them changes whether the body may leave.
pub fn check(
    cover: &Cover,
    (shape, rules): (u8, u8),
    body: &[u8],
    screen: impl Fn(&[u8]) -> Result<Vec<u8>, Fault>,
) {
    if matches!(cover.expected, Expected::Opaque) {
        return;
    }
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else {
        // A number beyond a double passes the screen as it is.
        return;
    };
    let hidden = [CANARY.to_owned(), DATE.1.to_owned(), AGE.to_string()];
    let text = value.to_string();
    if hidden.iter().any(|word| text.contains(word)) {
        return;
    }
    let plant_all = |resource: &mut Value| plant_all(resource, rules);
    match &cover.expected {
        Expected::Bundle { .. } => {
            let entries = value.get_mut("entry").and_then(Value::as_array_mut);
            for entry in entries.into_iter().flatten() {
                entry.get_mut("resource").map(&plant_all);
            }
        }
        _ => plant_all(&mut value),
    }
    let labelled = labelled(shape).is_some();
    if labelled {
        let bundle = matches!(cover.expected, Expected::Bundle { .. });
        label(&mut value, bundle, body.len());
    }
    let text = ordered(value);
    let left = screen(text.as_bytes());
    // Not everybody is cleared for what is labelled.
    if labelled && left == Err(Fault::Withheld) {
        return;
    }
    if left == Err(Fault::TooLarge) {
        // What is planted may be longer than what came.
        return;
    }
    let left = left.unwrap_or_else(|fault| panic!("{fault} where canaries are: {text}"));
    let left = String::from_utf8(left).expect("UTF-8");
    for word in hidden {
        assert!(!left.contains(&word), "{word}: {left}");
    }
}

/// In a resource and what it contains.
fn plant_all(resource: &mut Value, rules: u8) {
    plant(resource, rules);
    let contained = resource.get_mut("contained").and_then(Value::as_array_mut);
    for inner in contained.into_iter().flatten() {
        plant(inner, rules);
    }
}

fn plant(resource: &mut Value, rules: u8) {
    let kind = resource[TYPE].as_str().map(str::to_owned);
    let of = |name: &str| Some(name) == kind.as_deref();
    if let Some(narrative) = resource.get_mut("text").filter(|text| text.is_object())
        && HIDDEN.iter().any(|(name, _)| of(name))
    {
        overwrite(narrative);
    }
    if rules & 8 != 0 {
        for (_, to, paths) in REWRITTEN.iter().filter(|(name, _, _)| of(name)) {
            let rewrite = |value: &mut Value| rewrite(value, *to);
            for path in *paths {
                let steps: Vec<&str> = path.split('.').collect();
                match path.strip_prefix("extension(u).") {
                    None => below(resource, &steps, &rewrite),
                    Some(_) => {
                        let list = resource.get_mut("extension").and_then(Value::as_array_mut);
                        let own = list.into_iter().flatten();
                        for extension in own.filter(|extension| extension["url"] == "u") {
                            below(extension, &steps[1..], &rewrite);
                        }
                    }
                }
            }
        }
    }
    // What is hidden is so whatever else is said of it.
    if rules & 2 != 0 {
        for (_, paths) in HIDDEN.iter().filter(|(name, _)| of(name)) {
            for path in *paths {
                below(resource, &path.split('.').collect::<Vec<_>>(), &overwrite);
            }
        }
    }
}

fn rewrite(value: &mut Value, to: To) {
    match (to, value) {
        (To::Year, Value::Object(period)) => {
            period.insert("start".into(), DATE.0.into());
            period.insert("planted".into(), CANARY.into());
        }
        (To::Year, value @ Value::String(_)) => *value = DATE.0.into(),
        (To::Age, Value::Object(age)) => {
            age.insert("value".into(), AGE.into());
            age.insert("code".into(), "a".into());
            age.insert("planted".into(), CANARY.into());
        }
        (_, value) => overwrite(value),
    }
}

fn below(value: &mut Value, steps: &[&str], plant: &dyn Fn(&mut Value)) {
    let Some((step, rest)) = steps.split_first() else {
        return plant(value);
    };
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| below(item, steps, plant)),
        Value::Object(members) => {
            for (name, value) in members {
                // The sibling of a primitive goes with it.
                if is(name.strip_prefix('_').unwrap_or(name), step) {
                    below(value, rest, plant);
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
