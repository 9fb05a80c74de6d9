//! What the published profiles ask of an AuditEvent: how often elements are there, what stands in them, and
//! which slice an item belongs to.

use std::collections::HashMap;

use regex_lite::Regex;
use serde_json::Value;

use crate::vectors::{Vectors, list, text};

const FOLDER: &str = "auditevent/balp";

/// The profiles with their terminology, and the schema of R4.
pub struct Profiles {
    /// By URL.
    profiles: HashMap<String, Value>,
    /// Value sets and code systems by URL.
    sets: HashMap<String, Value>,
    schema: Value,
    /// What primitive types look like, by their names.
    patterns: HashMap<String, Regex>,
}

/// What is wrong, each with its place.
type Faults = Vec<String>;

impl Profiles {
    pub fn read(vectors: &Vectors) -> Profiles {
        let by_url = |folder: &str| -> HashMap<String, Value> {
            let paths = vectors.list(&format!("{FOLDER}/{folder}"), ".json");
            let documents = paths.iter().map(|path| vectors.json(path));
            documents
                .map(|document| (text(&document, "url").to_owned(), document))
                .collect()
        };
        let schema = vectors.json("fhir-r4/definitions/fhir.schema.json");
        let definitions = schema["definitions"].as_object().expect("definitions");
        let pattern = |(name, definition): (&String, &Value)| {
            let pattern = Regex::new(definition["pattern"].as_str()?);
            Some((name.clone(), pattern.expect(name)))
        };
        Profiles {
            profiles: by_url("profiles"),
            sets: by_url("terminology"),
            patterns: definitions.iter().filter_map(pattern).collect(),
            schema,
        }
    }

    /// The published examples.
    pub fn examples(vectors: &Vectors) -> Vec<Value> {
        let paths = vectors.list(&format!("{FOLDER}/examples"), ".json");
        paths.iter().map(|path| vectors.json(path)).collect()
    }

    /// What is wrong with an event: by R4, and by every profile that it claims.
    pub fn faults(&self, event: &Value) -> Faults {
        let mut faults = Faults::new();
        self.check_schema("AuditEvent", event, "AuditEvent", &mut faults);
        for (place, name) in [
            ("", "type"),
            ("", "recorded"),
            ("", "agent"),
            ("", "source"),
            ("source", "observer"),
        ] {
            let parent = if place.is_empty() {
                event
            } else {
                &event[place]
            };
            if parent[name].is_null() {
                faults.push(format!("{place}.{name} is missing"));
            }
        }
        for (index, agent) in items(&event["agent"]).iter().enumerate() {
            if agent["requestor"].is_null() {
                faults.push(format!("agent {index} lacks requestor"));
            }
        }
        for entity in items(&event["entity"]) {
            // sev-1 of the base definition.
            if !entity["name"].is_null() && !entity["query"].is_null() {
                faults.push("an entity has a name and a query".to_owned());
            }
        }
        for url in items(&event["meta"]["profile"]) {
            match url.as_str().filter(|url| self.profiles.contains_key(*url)) {
                Some(url) => self.check_profile(url, event, &mut faults),
                None => faults.push(format!("{url} is no profile")),
            }
        }
        faults
    }

    fn check_profile(&self, url: &str, event: &Value, faults: &mut Faults) {
        let mut elements: Vec<&Value> = Vec::new();
        let mut next = Some(url);
        while let Some(profile) = next.and_then(|url| self.profiles.get(url)) {
            elements.extend(list(&profile["differential"], "element"));
            next = profile["baseDefinition"].as_str();
        }
        self.check_below("AuditEvent", event, &elements, event, faults);
    }

    /// Checks what the elements below this one say, of this value of it.
    fn check_below(
        &self,
        own: &str,
        value: &Value,
        elements: &[&Value],
        event: &Value,
        faults: &mut Faults,
    ) {
        for element in elements {
            let id = text(element, "id");
            let below = id.strip_prefix(own).and_then(|rest| rest.strip_prefix('.'));
            let Some(path) = below.filter(|path| !path.contains(':')) else {
                continue;
            };
            let (parents, name) = match path.rsplit_once('.') {
                Some((parents, name)) => (reached(value, parents), name),
                None => (vec![value], path),
            };
            for parent in parents {
                let found = items(&parent[name]);
                check_count(id, element, found.len(), faults);
                for item in &found {
                    if !self.fits(element, item) {
                        faults.push(format!("{id}: {item}"));
                    }
                }
                if element["slicing"].is_object() {
                    self.check_slices(id, element, &found, elements, event, faults);
                }
            }
        }
    }

    fn check_slices(
        &self,
        id: &str,
        sliced: &Value,
        found: &[&Value],
        elements: &[&Value],
        event: &Value,
        faults: &mut Faults,
    ) {
        let discriminator = text(&sliced["slicing"]["discriminator"][0], "path");
        let mut matched = vec![false; found.len()];
        for slice in elements {
            let own = text(slice, "id");
            let name = own.strip_prefix(id).and_then(|rest| rest.strip_prefix(':'));
            if name.is_none_or(|name| name.contains(['.', ':'])) {
                continue;
            }
            let place = format!("{own}.{discriminator}");
            let of = elements
                .iter()
                .find(|element| element["id"] == place.as_str());
            let belongs = |item: &Value| match (discriminator, of) {
                ("$this", _) => self.fits(slice, item),
                (_, Some(element)) => {
                    !item[discriminator].is_null() && self.fits(element, &item[discriminator])
                }
                (_, None) => false,
            };
            let mut count = 0;
            for (item, matched) in found.iter().zip(&mut matched) {
                if !belongs(item) {
                    continue;
                }
                *matched = true;
                count += 1;
                self.check_below(own, item, elements, event, faults);
                for constraint in items(&slice["constraint"]) {
                    assert_eq!(constraint["key"], "val-audit-source", "{constraint}");
                    if item["who"] != event["source"]["observer"] {
                        faults.push(format!("{own}: it is not the observer"));
                    }
                }
            }
            check_count(own, slice, count, faults);
        }
        if sliced["slicing"]["rules"] == "closed" && matched.contains(&false) {
            faults.push(format!("{id}: an item is of no slice"));
        }
    }

    /// Whether a value has the pattern, is of the value set and of the type that an element asks for.
    fn fits(&self, element: &Value, value: &Value) -> bool {
        let members = element.as_object().expect("an element");
        let mut patterns = members
            .iter()
            .filter(|(name, _)| name.starts_with("pattern") || name.starts_with("fixed"));
        let required = element["binding"]["strength"] == "required";
        let targets = items(&element["type"][0]["targetProfile"]);
        patterns.all(|(_, pattern)| contains(value, pattern))
            && (!required || self.is_in(text(&element["binding"], "valueSet"), value))
            && (targets.is_empty() || targets.iter().any(|target| is_reference_to(value, target)))
    }

    /// Whether a coding, or one of those of a concept, is in a value set.
    fn is_in(&self, set: &str, value: &Value) -> bool {
        let set = self.sets.get(set).unwrap_or_else(|| panic!("no {set}"));
        let codings = match value["coding"].is_array() {
            true => items(&value["coding"]),
            false => vec![value],
        };
        let includes = list(&set["compose"], "include");
        includes.iter().any(|include| {
            let own = items(&include["concept"]);
            let system = text(include, "system");
            let all = self
                .sets
                .get(system)
                .map(|system| items(&system["concept"]));
            let concepts = if own.is_empty() {
                all.expect(system)
            } else {
                own
            };
            codings.iter().any(|coding| {
                let known = |concept: &&Value| concept["code"] == coding["code"];
                coding["system"] == system && concepts.iter().any(known)
            })
        })
    }

    /// The names, kinds and codes of R4's published schema.
    fn check_schema(&self, definition: &str, value: &Value, place: &str, faults: &mut Faults) {
        let pattern = self.patterns.get(definition);
        let definition = &self.schema["definitions"][definition];
        let Some(properties) = definition["properties"].as_object() else {
            let kinds = match definition["type"].as_str() {
                Some("number") => value.is_number(),
                Some("boolean") => value.is_boolean(),
                _ => value.is_string(),
            };
            let fits = |text: &str| {
                !text.is_empty() && pattern.is_none_or(|pattern| pattern.is_match(text))
            };
            if !kinds || !value.as_str().is_none_or(fits) {
                faults.push(format!("{place}: {value}"));
            }
            return;
        };
        let Some(members) = value.as_object() else {
            faults.push(format!("{place}: {value} is no object"));
            return;
        };
        for (name, value) in members {
            let place = format!("{place}.{name}");
            let Some(property) = properties.get(name) else {
                faults.push(format!("{place} is no element"));
                continue;
            };
            let list = property["type"] == "array";
            if list != value.is_array() || items(value).is_empty() {
                faults.push(format!("{place}: a list is expected, or none"));
            }
            let codes = items(&property["enum"]);
            for item in items(value) {
                let of = if list { &property["items"] } else { property };
                match of["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
                    Some("ResourceList") | None => {}
                    Some(of) => self.check_schema(of, item, &place, faults),
                }
                if !codes.is_empty() && !codes.contains(&item) {
                    faults.push(format!("{place}: {item} is none of the codes"));
                }
            }
        }
    }
}

fn check_count(id: &str, element: &Value, found: usize, faults: &mut Faults) {
    let least = element["min"].as_u64().unwrap_or(0);
    let most = element["max"].as_str().and_then(|most| most.parse().ok());
    let found = u64::try_from(found).expect("a count");
    if found < least || most.is_some_and(|most: u64| found > most) {
        faults.push(format!("{id}: {found} times"));
    }
}

/// What stands below a value at a path, item by item.
fn reached<'v>(value: &'v Value, path: &str) -> Vec<&'v Value> {
    let names = path.split('.');
    names.fold(vec![value], |values, name| {
        values
            .into_iter()
            .flat_map(|value| items(&value[name]))
            .collect()
    })
}

/// The items of a list, or the value alone, or nothing.
pub fn items(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().collect(),
        value => vec![value],
    }
}

/// Whether a value has all that a pattern has.
fn contains(value: &Value, pattern: &Value) -> bool {
    match (value, pattern) {
        (Value::Object(value), Value::Object(pattern)) => pattern.iter().all(|(name, pattern)| {
            let own = value.get(name);
            own.is_some_and(|value| contains(value, pattern))
        }),
        (Value::Array(values), Value::Array(patterns)) => patterns
            .iter()
            .all(|pattern| values.iter().any(|value| contains(value, pattern))),
        (value, pattern) => value == pattern,
    }
}

fn is_reference_to(value: &Value, target: &Value) -> bool {
    let target = target.as_str().and_then(|url| url.rsplit('/').next());
    let target = target.expect("a type");
    let reference = value["reference"].as_str().unwrap_or_default();
    let below = reference.strip_prefix(target);
    below.is_some_and(|rest| rest.starts_with('/'))
        || (reference.is_empty() && value["type"] == target && value["identifier"].is_object())
}
