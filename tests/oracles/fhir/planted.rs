//! Canaries: text and numbers that stand nowhere else, in every value that a rule hides.

use serde_json::{Map, Value, json};

use super::redacted::{Step, each_of_type};

/// What every planted text begins with, in a narrative too.
pub const TEXT: &str = "CANARY-";
/// What the digits of every planted number begin with.
pub const DIGITS: &str = "606117";

/// The resource with canaries wherever the rule reaches, and in its narrative.
pub fn planted(resource: &Value, resource_type: &str, path: &str) -> Value {
    let steps = Step::path(path);
    let mut out = resource.clone();
    let mut count = 0;
    each_of_type(&mut out, resource_type, |resource| {
        reach(resource, &steps, &mut count);
        let text = json!({"status": "generated", "div": format!("<div>{TEXT}narrative</div>")});
        let members = resource.as_object_mut().expect("a resource");
        members.insert("text".to_owned(), text);
    });
    out
}

/// Whether a canary is in a text.
pub fn sings(text: &str) -> bool {
    text.contains(TEXT) || text.contains(DIGITS)
}

fn reach(value: &mut Value, path: &[Step<'_>], count: &mut usize) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| reach(item, path, count)),
        Value::Object(members) => {
            let Some((step, rest)) = path.split_first() else {
                return;
            };
            let names: Vec<String> = members
                .keys()
                .filter(|name| step.leads_to(name))
                .cloned()
                .collect();
            for name in names {
                let value = members.get_mut(&name).expect("a member");
                match step.url {
                    Some(url) => {
                        let items = value.as_array_mut().expect("a list of extensions");
                        let own = items.iter_mut().filter(|item| item["url"] == url);
                        own.for_each(|item| match rest {
                            [] => fill(item, true, count),
                            rest => reach(item, rest, count),
                        });
                    }
                    None if rest.is_empty() => {
                        fill(value, false, count);
                        accompany(members, &name, count);
                    }
                    None => reach(value, rest, count),
                }
            }
        }
        _ => {}
    }
}

/// Turns every text and number into a canary; by an extension's URL it is known, and keeps it.
fn fill(value: &mut Value, extension: bool, count: &mut usize) {
    match value {
        Value::String(text) => *text = format!("{TEXT}{}", next(count)),
        Value::Number(number) => {
            let digits = format!("{DIGITS}{:06}", next(count));
            *number = digits.parse::<u64>().expect("digits").into();
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, false, count)),
        Value::Object(members) => {
            for (name, value) in members {
                if !(name == "resourceType" || (extension && name == "url")) {
                    fill(value, false, count);
                }
            }
        }
        Value::Bool(_) | Value::Null => {}
    }
}

/// Gives a primitive that has none a sibling that sings too.
fn accompany(members: &mut Map<String, Value>, name: &str, count: &mut usize) {
    let sibling = format!("_{name}");
    let primitive = |value: &Value| !value.is_object() && !value.is_array();
    let mut song = || {
        let text = format!("{TEXT}{}", next(count));
        json!({"extension": [{"url": "https://example.org/song", "valueString": text}]})
    };
    let own = match &members[name] {
        Value::Array(items) if items.iter().all(primitive) => {
            Value::Array(items.iter().map(|_| song()).collect())
        }
        value if primitive(value) => song(),
        _ => return,
    };
    if !name.starts_with('_') {
        members.entry(sibling).or_insert(own);
    }
}

fn next(count: &mut usize) -> usize {
    *count += 1;
    *count
}
