//! What references repeat of what a rule hides, computed on values by itself.

use serde_json::Value;

use super::redacted::{Fate, fate, is_bare, is_required, keep, mask, type_of};

/// Elements that say what something is; the `display` of a reference repeats them.
const SAID: [&str; 8] = [
    "code",
    "description",
    "deviceName",
    "medication",
    "name",
    "title",
    "type",
    "vaccineCode",
];

/// Of which type something is hidden, and what of it references repeat.
struct Told<'a> {
    resource_type: &'a str,
    member: &'static str,
    /// The resource, whose contained ones are led to.
    whole: &'a Value,
}

/// Takes out of the references to this type what the path hides of it.
pub fn untell(resource: &mut Value, resource_type: &str, path: &str) {
    let root = path.split(['.', '(']).next().unwrap_or_default();
    let root = root.trim_end_matches("[x]");
    let member = match root {
        "identifier" => "identifier",
        // What was contained is gone, and so is what leads there.
        "contained" if resource["resourceType"] == resource_type => "contained",
        root if SAID.contains(&root) => "display",
        _ => return,
    };
    let whole = resource.clone();
    let own = resource["resourceType"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let told = Told {
        resource_type,
        member,
        whole: &whole,
    };
    told.hide(resource, &own, false);
}

impl Told<'_> {
    fn hide(&self, value: &mut Value, own: &str, extension: bool) -> Fate {
        match value {
            Value::Array(items) => keep(items, |item| self.hide(item, own, extension)),
            Value::Object(_) => {
                if own == "Reference" && self.member == "contained" {
                    let target = value["reference"].as_str().unwrap_or_default();
                    return match target.len() > 1 && target.starts_with('#') {
                        true => Fate::Gone,
                        false => Fate::Same,
                    };
                }
                let hides = own == "Reference" && self.is_meant(value);
                let Some(members) = value.as_object_mut() else {
                    return Fate::Same;
                };
                let resource = members.get("resourceType").and_then(Value::as_str);
                let own = resource.unwrap_or(own).to_owned();
                let mut changed = false;
                if hides {
                    for name in [self.member.to_owned(), format!("_{}", self.member)] {
                        changed |= members.remove(&name).is_some();
                    }
                }
                let names: Vec<String> = members.keys().cloned().collect();
                for name in names {
                    let Some(inner) = members.get_mut(&name) else {
                        continue;
                    };
                    let before = inner.clone();
                    let inside = name == "extension" || name == "modifierExtension";
                    let found = self.hide(inner, &type_of(&own, &name), inside);
                    changed |= found != Fate::Same;
                    if found == Fate::Gone && is_required(&own, &name) {
                        members.insert(name.clone(), before);
                        mask(members, &name, &own);
                    } else if found == Fate::Gone {
                        members.remove(&name);
                    }
                }
                fate(changed, is_bare(members, extension))
            }
            _ => Fate::Same,
        }
    }

    /// Whether a reference may lead to the type: whoever is told by no type may be a patient.
    fn is_meant(&self, reference: &Value) -> bool {
        let said = reference["type"].as_str().map(str::to_owned);
        let target = reference["reference"]
            .as_str()
            .and_then(|to| match to.strip_prefix('#') {
                Some("") => self.whole["resourceType"].as_str().map(str::to_owned),
                Some(id) => {
                    let contained = self.whole["contained"].as_array();
                    let mut contained = contained.into_iter().flatten();
                    let found = contained.find(|one| one["id"] == id)?;
                    found["resourceType"].as_str().map(str::to_owned)
                }
                None => {
                    let path = to.split("/_history/").next().unwrap_or_default();
                    let mut parts = path.rsplit('/');
                    let (id, of) = (parts.next()?, parts.next()?);
                    let capital = of.starts_with(|c: char| c.is_ascii_uppercase());
                    (capital && !id.is_empty()).then(|| of.to_owned())
                }
            });
        match (said, target) {
            (None, None) => self.resource_type == "Patient",
            (said, target) => {
                let mut types = said.into_iter().chain(target);
                types.any(|own| own == self.resource_type)
            }
        }
    }
}
