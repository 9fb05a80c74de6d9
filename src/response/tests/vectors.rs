//! The published examples of FHIR R4.

use super::*;
use crate::json::{Document, Kind, Node};
use serde_json::Value;
use std::path::PathBuf;

/// Names and texts of the examples; empty where there are none.
fn examples() -> Vec<(String, String)> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vectors");
    let folder =
        std::env::var_os("FHIR_GUARD_VECTORS").map_or_else(|| beside.into(), PathBuf::from);
    let folder = folder.join("fhir-r4/hl7-examples");
    if !folder.is_dir() {
        assert!(
            std::env::var_os("CI").is_none(),
            "no vectors in {}",
            folder.display()
        );
        eprintln!("skipped: no vectors in {}", folder.display());
        return Vec::new();
    }
    let mut examples: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).unwrap())
        })
        .collect();
    examples.sort();
    examples
}

fn limits() -> Limits {
    Limits {
        resource: 64 << 20,
        ..Limits::default()
    }
}

/// Resources that hold others outside `contained`, or a contained list within a contained one.
fn nests(node: Node<'_>, at: usize, in_contained: bool) -> bool {
    let resource = node.get("resourceType").is_some();
    let allowed = at == 0 || in_contained;
    (resource && !allowed)
        || node.members().any(|member| {
            let contained = at == 0 && member.key.is_str("contained");
            if contained {
                member.value.items().any(|item| nests(item, at + 1, true))
            } else {
                nests(member.value, at + 1, false)
            }
        })
        || node.items().any(|item| nests(item, at + 1, false))
}

#[test]
fn examples_pass_unchanged() {
    let (mut same, mut nested) = (0, 0);
    let examples = examples();
    let count = examples.len();
    for (name, text) in examples {
        let document =
            Document::parse(text.as_bytes(), &crate::json::Limits::default()).expect(&name);
        let root = document.root();
        let resource_type = root.get("resourceType").unwrap().str().unwrap();
        let id = root.get("id").and_then(|id| id.str());
        let cover = Rc::new(read(&resource_type, id.as_deref()));
        let cuts: Vec<usize> = (0..text.len()).step_by(1009).collect();
        let found = run(&cover, limits(), text.as_bytes(), &cuts);
        if nests(root, 0, false) {
            assert!(
                matches!(found, Err(Fault::Uninspectable(_))),
                "{name}: {found:?}"
            );
            nested += 1;
        } else {
            assert_eq!(
                found.unwrap_or_else(|fault| panic!("{name}: {fault:?}")).0,
                text.trim(),
                "{name}"
            );
            same += 1;
        }
    }
    println!("{same} examples the same, {nested} with nested resources refused");
    assert!(count == 0 || same > nested, "{same} {nested}");
}

/// Every root element of every example, and every element one and two levels below, is removed once
/// by a rule; what is left must be what a plain removal from the parsed value leaves.
#[test]
fn removals_agree_with_those_from_parsed_values() {
    let mut rows = 0;
    for (name, text) in examples() {
        let document =
            Document::parse(text.as_bytes(), &crate::json::Limits::default()).expect(&name);
        let root = document.root();
        if nests(root, 0, false) || text.len() > 40_000 {
            continue;
        }
        let resource_type = root
            .get("resourceType")
            .unwrap()
            .str()
            .unwrap()
            .into_owned();
        for path in paths(root) {
            let segments: Vec<&str> = path.split('.').collect();
            let elements = [path.as_str()];
            let cover = hiding(
                read(&resource_type, None),
                &resource_type,
                Action::Remove,
                &elements,
            );
            let Ok((found, _)) = run(&Rc::new(cover), limits(), text.as_bytes(), &[]) else {
                continue; // No id: no answer to a read.
            };
            let mut found: Value = serde_json::from_str(&found).expect(&path);
            let mut expected: Value = serde_json::from_str(&text).unwrap();
            remove(&mut expected, &segments);
            if let Some(contained) = expected.get_mut("contained").and_then(Value::as_array_mut) {
                for inner in contained {
                    if inner["resourceType"] == resource_type.as_str() {
                        remove(inner, &segments);
                    }
                    inner.as_object_mut().unwrap().remove("text");
                }
            }
            expected.as_object_mut().unwrap().remove("text");
            drop_narratives(&mut expected);
            for value in [&mut found, &mut expected] {
                value.as_object_mut().unwrap().remove("meta");
            }
            assert_eq!(found, expected, "{name}: {path}");
            rows += 1;
        }
    }
    println!("{rows} removals agree");
}

/// Dotted paths of up to three names, without those that a rule cannot name.
fn paths(root: Node<'_>) -> Vec<String> {
    fn walk(node: Node<'_>, prefix: &str, depth: usize, out: &mut Vec<String>) {
        for member in node.members() {
            let name = member.name();
            let forbidden = depth == 0
                && matches!(
                    name.as_ref(),
                    "resourceType" | "id" | "meta" | "contained" | "text"
                );
            if forbidden || name.starts_with('_') {
                continue;
            }
            let path = if prefix.is_empty() {
                name.into_owned()
            } else {
                format!("{prefix}.{name}")
            };
            if depth < 2 {
                walk(member.value, &path, depth + 1, out);
            }
            out.push(path);
        }
        if node.kind() == Kind::Array {
            node.items().for_each(|item| walk(item, prefix, depth, out));
        }
    }
    let mut out = Vec::new();
    walk(root, "", 0, &mut out);
    out.sort();
    out.dedup();
    // Names of choices somewhere, and plain elements beside a longer name elsewhere: these hide
    // both, which a plain removal does not.
    let both = ["instantiates", "payment", "reason", "source"];
    out.retain(|path| !path.split('.').any(|name| both.contains(&name)));
    out
}

/// Removes the path; what becomes empty, or keeps nothing but an id (or an extension's url), goes.
fn remove(value: &mut Value, path: &[&str]) -> bool {
    match value {
        Value::Array(items) => {
            let before = items.clone();
            items.retain_mut(|item| !remove(item, path));
            items.is_empty() && !before.is_empty()
        }
        Value::Object(members) => {
            let Some((first, rest)) = path.split_first() else {
                return false;
            };
            let before = members.clone();
            for name in [(*first).to_owned(), format!("_{first}")] {
                let Some(member) = members.get_mut(&name) else {
                    continue;
                };
                if rest.is_empty() || remove(member, rest) {
                    members.remove(&name);
                }
            }
            let url = before.contains_key("url")
                && before.keys().all(|key| {
                    key == "url"
                        || key == "id"
                        || key == "extension"
                        || key.starts_with("value")
                        || key.starts_with("_value")
                });
            *members != before
                && members
                    .keys()
                    .all(|key| key == "id" || (url && key == "url"))
        }
        _ => false,
    }
}

fn drop_narratives(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(drop_narratives),
        Value::Object(members) => {
            if members.get("text").is_some_and(Value::is_object) {
                members.remove("text");
            }
            members.values_mut().for_each(drop_narratives);
        }
        _ => {}
    }
}
