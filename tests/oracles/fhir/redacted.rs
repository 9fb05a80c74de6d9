//! What a redaction must leave, computed on values by itself.

use std::sync::OnceLock;

use fhir_guard::response::Action;
use serde_json::{Map, Value, json};

use super::told::untell;
use crate::vectors::Vectors;

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
pub fn redacted(resource: &Value, resource_type: &str, path: &str, action: &Action) -> Value {
    let steps = Step::path(path);
    let mut out = resource.clone();
    each_of_type(&mut out, resource_type, |resource| {
        hide(resource, &steps, action, false, resource_type);
    });
    untell(&mut out, resource_type, path);
    without_narratives(&mut out);
    tag(&mut out, *action != Action::Remove);
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

/// The published JSON Schema.
static SCHEMA: OnceLock<Value> = OnceLock::new();

/// Reads what the standard requires.
pub fn learn(vectors: &Vectors) {
    SCHEMA.get_or_init(|| vectors.json("fhir-r4/definitions/fhir.schema.json"));
}

fn definition(own: &str) -> &'static Value {
    &SCHEMA.get().expect("the schema")["definitions"][own]
}

/// Whether objects of this type must have a member of this name.
pub(super) fn is_required(own: &str, name: &str) -> bool {
    let required = definition(own)["required"].as_array();
    required.is_some_and(|required| required.iter().any(|required| required == name))
}

/// The type of what stands under this name, or of its items.
pub(super) fn type_of(own: &str, name: &str) -> String {
    let property = &definition(own)["properties"][name];
    let reference = property["$ref"].as_str();
    let reference = reference.or_else(|| property["items"]["$ref"].as_str());
    let reference = reference.unwrap_or_default();
    reference.trim_start_matches("#/definitions/").to_owned()
}

/// What became of a value.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Fate {
    Same,
    Changed,
    /// Nothing is left of it by that: nothing, an id alone, or an extension without a value.
    Gone,
}

/// Hides what the path leads to.
fn hide(value: &mut Value, path: &[Step<'_>], action: &Action, extension: bool, own: &str) -> Fate {
    match value {
        Value::Array(items) => keep(items, |item| hide(item, path, action, extension, own)),
        Value::Object(members) => {
            let Some((step, rest)) = path.split_first() else {
                return Fate::Same;
            };
            let names: Vec<String> = members
                .keys()
                .filter(|name| step.leads_to(name))
                .cloned()
                .collect();
            let mut changed = false;
            for name in names {
                let before = members.get(&name).cloned();
                let fate = match (members.get_mut(&name), step.url) {
                    (None, _) => Fate::Same,
                    (Some(value), Some(url)) => {
                        hide_extensions(value, url, rest, action, &type_of(own, &name))
                    }
                    (Some(_), None) if rest.is_empty() && *action == Action::Mask => {
                        mask(members, name.trim_start_matches('_'), own);
                        Fate::Changed
                    }
                    (Some(_), None) if rest.is_empty() => Fate::Gone,
                    (Some(value), None) => {
                        let inside = name == "extension" || name == "modifierExtension";
                        hide(value, rest, action, inside, &type_of(own, &name))
                    }
                };
                changed |= fate != Fate::Same;
                if fate == Fate::Gone && is_required(own, &name) {
                    members.extend(before.map(|value| (name.clone(), value)));
                    mask(members, &name, own);
                } else if fate == Fate::Gone {
                    members.remove(&name);
                }
            }
            fate(changed, is_bare(members, extension))
        }
        _ => Fate::Same,
    }
}

fn hide_extensions(
    value: &mut Value,
    url: &str,
    rest: &[Step<'_>],
    action: &Action,
    own: &str,
) -> Fate {
    let items = value.as_array_mut().expect("a list of extensions");
    keep(items, |item| {
        if item["url"] != url {
            return Fate::Same;
        }
        match (rest, action) {
            ([], Action::Remove) => Fate::Gone,
            ([], Action::Mask) => {
                *item = json!({"url": url, "extension": absent("Extension")["extension"]});
                Fate::Changed
            }
            (rest, action) => hide(item, rest, action, true, own),
        }
    })
}

/// Takes out the items that are gone.
pub(super) fn keep(items: &mut Vec<Value>, mut each: impl FnMut(&mut Value) -> Fate) -> Fate {
    let mut changed = false;
    items.retain_mut(|item| {
        let fate = each(item);
        changed |= fate != Fate::Same;
        fate != Fate::Gone
    });
    fate(changed, items.is_empty())
}

pub(super) fn fate(changed: bool, bare: bool) -> Fate {
    match (changed, bare) {
        (true, true) => Fate::Gone,
        (true, false) => Fate::Changed,
        (false, _) => Fate::Same,
    }
}

/// A primitive is masked in its sibling, anything else in its own place; several values become one.
pub(super) fn mask(members: &mut Map<String, Value>, name: &str, own_type: &str) {
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
    let absent = absent(&type_of(own_type, name));
    let masked = if value.is_array() {
        json!([absent])
    } else {
        absent
    };
    if !complex {
        members.insert(sibling, masked);
    } else if !matches!(name, "extension" | "modifierExtension" | "contained") {
        members.insert(name.to_owned(), masked);
    }
}

/// With what a value of this type cannot be without.
fn absent(own: &str) -> Value {
    let mut masked = json!({"extension": [{
        "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
        "valueCode": "masked",
    }]});
    let required = definition(own)["required"].as_array();
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        let inner = absent(&type_of(own, name));
        masked[name] = match definition(own)["properties"][name]["type"] == "array" {
            true => json!([inner]),
            false => inner,
        };
    }
    masked
}

pub(super) fn is_bare(members: &Map<String, Value>, extension: bool) -> bool {
    members
        .keys()
        .all(|name| name == "id" || (extension && name == "url"))
}

/// Takes out every narrative: a `text` that is an object, wherever it stands.
fn without_narratives(value: &mut Value) -> Fate {
    match value {
        Value::Array(items) => keep(items, without_narratives),
        Value::Object(members) => {
            let mut changed = false;
            members.retain(|name, value| {
                let narrative = name == "text" && value.is_object();
                let fate = if narrative {
                    Fate::Gone
                } else {
                    without_narratives(value)
                };
                changed |= fate != Fate::Same;
                fate != Fate::Gone
            });
            fate(changed, is_bare(members, false))
        }
        _ => Fate::Same,
    }
}

/// Says that a part is missing, and whether something may stand in its place.
fn tag(resource: &mut Value, masked: bool) {
    let members = resource.as_object_mut().expect("a resource");
    let meta = members.entry("meta").or_insert(json!({}));
    let mut add = |list: &str, code: &str| {
        let coding = json!({
            "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
            "code": code,
        });
        let list = meta.as_object_mut().expect("meta").entry(list);
        let list = list.or_insert(json!([])).as_array_mut().expect("a list");
        let known =
            |own: &Value| own["system"] == coding["system"] && own["code"] == coding["code"];
        if !list.iter().any(known) {
            list.push(coding);
        }
    };
    add("security", "REDACTED");
    if masked {
        add("security", "MASKED");
    }
    add("tag", "SUBSETTED");
}
