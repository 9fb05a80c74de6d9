//! The same edit as anybody writes it first: the whole document as a tree, the tree changed, the tree written.
//!
//! Numbers come out as `f64` says and members in the order of their names, which the filter never does
//! to an answer; here it is let pass, because this is the quickest way that the library offers.

use serde_json::{Map, Value, json};

const TAGS: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";

/// What is taken out of which resources.
pub struct Edit {
    remove: Map<String, Value>,
    year: Map<String, Value>,
}

impl Edit {
    /// Reads `{"remove": {"Patient": ["name", "address.line"]}, "year": {"Patient": ["birthDate"]}}`.
    pub fn parse(text: &[u8]) -> Option<Edit> {
        let mut value: Value = serde_json::from_slice(text).ok()?;
        let mut take = |name: &str| match value.get_mut(name).map(Value::take) {
            Some(Value::Object(members)) => Some(members),
            Some(_) => None,
            None => Some(Map::new()),
        };
        Some(Edit {
            remove: take("remove")?,
            year: take("year")?,
        })
    }

    /// The document without what is taken out; a resource, or a Bundle of them.
    pub fn apply(&self, document: &[u8]) -> Option<Vec<u8>> {
        let mut value: Value = serde_json::from_slice(document).ok()?;
        match value.get_mut("entry").and_then(Value::as_array_mut) {
            Some(entries) => {
                let resources = entries.iter_mut();
                resources
                    .filter_map(|entry| entry.get_mut("resource"))
                    .for_each(|resource| self.resource(resource));
            }
            None => self.resource(&mut value),
        }
        serde_json::to_vec(&value).ok()
    }

    fn resource(&self, resource: &mut Value) {
        let Some(own) = resource.get("resourceType").and_then(Value::as_str) else {
            return;
        };
        let paths = |all: &Map<String, Value>| -> Vec<String> {
            let listed = all.get(own).and_then(Value::as_array).into_iter().flatten();
            listed
                .filter_map(|path| path.as_str().map(str::to_owned))
                .collect()
        };
        let (remove, year) = (paths(&self.remove), paths(&self.year));
        if remove.is_empty() && year.is_empty() {
            return;
        }
        for path in &remove {
            visit(resource, path, &|parent, name| {
                parent.remove(name);
            });
        }
        for path in &year {
            visit(resource, path, &|parent, name| {
                if let Some(Value::String(date)) = parent.get_mut(name) {
                    date.truncate(4);
                }
            });
        }
        let Value::Object(members) = resource else {
            return;
        };
        members.remove("text");
        let meta = members.entry("meta").or_insert_with(|| json!({}));
        let labels: &[&str] = match year.is_empty() {
            true => &["REDACTED"],
            false => &["REDACTED", "MASKED"],
        };
        for (list, codes) in [("security", labels), ("tag", &["SUBSETTED"])] {
            let own = meta
                .as_object_mut()
                .map(|meta| meta.entry(list).or_insert_with(|| json!([])));
            if let Some(own) = own.and_then(Value::as_array_mut) {
                own.extend(
                    codes
                        .iter()
                        .map(|code| json!({"system": TAGS, "code": code})),
                );
            }
        }
    }
}

/// Does this to the last step of the path, in every array on the way.
fn visit(value: &mut Value, path: &str, change: &dyn Fn(&mut Map<String, Value>, &str)) {
    match value {
        Value::Array(items) => {
            for item in items {
                visit(item, path, change);
            }
        }
        Value::Object(members) => match path.split_once('.') {
            None => change(members, path),
            Some((first, rest)) => {
                if let Some(value) = members.get_mut(first) {
                    visit(value, rest, change);
                }
            }
        },
        _ => {}
    }
}
