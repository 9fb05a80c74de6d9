//! What a redaction must leave, computed on values by itself.

use serde_json::{Map, Value, json};

use fhir_guard::response::Action;

/// One step of a path as the operator writes it: `name`, `value[x]` or `extension(URL)`.
#[derive(Clone, Copy)]
pub struct Step<'a> {
    /// The name, or its beginning where it is a choice.
    name: &'a str,
    choice: bool,
    /// Of extensions: those with this URL only.
    pub url: Option<&'a str>,
}

impl<'a> Step<'a> {
    pub fn path(path: &'a str) -> Vec<Step<'a>> {
        let (before, url) = match path.split_once("extension(") {
            Some((before, url)) => (before, Some(url.trim_end_matches(')'))),
            None => (path, None),
        };
        let mut steps: Vec<Step<'a>> = before
            .split('.')
            .filter(|name| !name.is_empty())
            .map(|name| Step {
                name: name.trim_end_matches("[x]"),
                choice: name.ends_with("[x]"),
                url: None,
            })
            .collect();
        steps.extend(url.map(|url| Step {
            name: "extension",
            choice: false,
            url: Some(url),
        }));
        steps
    }

    /// Whether it leads to the member of this name, or to the sibling of one that it leads to.
    pub fn leads_to(self, member: &str) -> bool {
        let rest = member.trim_start_matches('_').strip_prefix(self.name);
        rest.is_some_and(|rest| {
            rest.is_empty() || (self.choice && rest.starts_with(|c: char| c.is_ascii_uppercase()))
        })
    }
}

/// What is left of a resource, or of one that it contains, under a rule for a type.
pub fn redacted(resource: &Value, resource_type: &str, path: &str, action: Action) -> Value {
    let steps = Step::path(path);
    let mut out = resource.clone();
    each_of_type(&mut out, resource_type, |resource| {
        hide(resource, &steps, action, false);
    });
    without_narratives(&mut out);
    tag(&mut out);
    out
}

/// Those that the resource contains, and the resource itself, where they are of this type.
pub fn each_of_type(resource: &mut Value, resource_type: &str, mut act: impl FnMut(&mut Value)) {
    let contained = resource.get_mut("contained").and_then(Value::as_array_mut);
    for inner in contained.into_iter().flatten() {
        if inner["resourceType"] == resource_type {
            act(inner);
        }
    }
    if resource["resourceType"] == resource_type {
        act(resource);
    }
}

/// Hides what the path leads to; says whether nothing is left of the value by that: nothing, an id
/// alone, or an extension without a value.
fn hide(value: &mut Value, path: &[Step<'_>], action: Action, extension: bool) -> bool {
    match value {
        Value::Array(items) => {
            let before = items.len();
            items.retain_mut(|item| !hide(item, path, action, extension));
            items.is_empty() && before > 0
        }
        Value::Object(members) => {
            let Some((step, rest)) = path.split_first() else {
                return false;
            };
            let before = members.clone();
            let names: Vec<String> = members
                .keys()
                .filter(|name| step.leads_to(name))
                .cloned()
                .collect();
            for name in names {
                let gone = match (members.get_mut(&name), step.url) {
                    (None, _) => false,
                    (Some(value), Some(url)) => hide_extensions(value, url, rest, action),
                    (Some(_), None) if rest.is_empty() && action == Action::Mask => {
                        mask(members, name.trim_start_matches('_'));
                        false
                    }
                    (Some(value), None) => {
                        let inside = name == "extension" || name == "modifierExtension";
                        rest.is_empty() || hide(value, rest, action, inside)
                    }
                };
                if gone {
                    members.remove(&name);
                }
            }
            *members != before && is_bare(members, extension)
        }
        _ => false,
    }
}

fn hide_extensions(value: &mut Value, url: &str, rest: &[Step<'_>], action: Action) -> bool {
    let items = value.as_array_mut().expect("a list of extensions");
    items.retain_mut(|item| {
        if item["url"] != url {
            return true;
        }
        if rest.is_empty() {
            *item = json!({"url": url, "extension": absent()["extension"]});
            return action == Action::Mask;
        }
        !hide(item, rest, action, true)
    });
    items.is_empty()
}

/// A primitive is masked in its sibling, anything else in its own place; several values become one.
fn mask(members: &mut Map<String, Value>, name: &str) {
    let sibling = format!("_{name}");
    let other = members.remove(&sibling);
    let own = members.remove(name);
    let Some(value) = own.as_ref().or(other.as_ref()) else {
        return;
    };
    let one = value
        .as_array()
        .and_then(|items| items.iter().find(|item| item.is_object()));
    let complex = own.is_some() && (value.is_object() || one.is_some());
    let masked = if value.is_array() {
        json!([absent()])
    } else {
        absent()
    };
    if !complex {
        members.insert(sibling, masked);
    } else if !matches!(name, "extension" | "modifierExtension" | "contained") {
        members.insert(name.to_owned(), masked);
    }
}

fn absent() -> Value {
    json!({"extension": [{
        "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
        "valueCode": "masked",
    }]})
}

fn is_bare(members: &Map<String, Value>, extension: bool) -> bool {
    members
        .keys()
        .all(|name| name == "id" || (extension && name == "url"))
}

/// Takes out every narrative: a `text` that is an object, wherever it stands.
fn without_narratives(value: &mut Value) -> bool {
    match value {
        Value::Array(items) => {
            let before = items.len();
            items.retain_mut(|item| !without_narratives(item));
            items.is_empty() && before > 0
        }
        Value::Object(members) => {
            let before = members.clone();
            members.retain(|name, value| {
                let narrative = name == "text" && value.is_object();
                !narrative && !without_narratives(value)
            });
            *members != before && is_bare(members, false)
        }
        _ => false,
    }
}

/// Says that a part is missing.
fn tag(resource: &mut Value) {
    let tag = json!({
        "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
        "code": "SUBSETTED",
    });
    let members = resource.as_object_mut().expect("a resource");
    let meta = members.entry("meta").or_insert(json!({}));
    let tags = meta.as_object_mut().expect("meta").entry("tag");
    let tags = tags.or_insert(json!([])).as_array_mut().expect("tags");
    let known = |own: &Value| own["system"] == tag["system"] && own["code"] == tag["code"];
    if !tags.iter().any(known) {
        tags.push(tag);
    }
}
