//! Resources from files: single resources and Bundles, Synthea's for example.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::store::text;

/// Every resource of every `*.json` file in the folder, by file name. In a Bundle, references to a
/// `fullUrl` become `Type/id`. The error names the file that could not be read.
pub fn load(folder: &Path) -> Result<Vec<Value>, String> {
    let listing =
        fs::read_dir(folder).map_err(|error| format!("folder {}: {error}", folder.display()))?;
    let mut files: Vec<PathBuf> = listing
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "json")
    });
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let bytes = fs::read(&file).map_err(|error| format!("file {}: {error}", file.display()))?;
        let value = serde_json::from_slice(&bytes)
            .map_err(|error| format!("file {}: {error}", file.display()))?;
        all.extend(resources(value));
    }
    Ok(all)
}

fn resources(mut value: Value) -> Vec<Value> {
    if value["resourceType"] != "Bundle" {
        return vec![value];
    }
    let Value::Array(entries) = value["entry"].take() else {
        return Vec::new();
    };
    let mut targets = BTreeMap::new();
    for entry in &entries {
        let resource = &entry["resource"];
        if let (Some(url), Some(kind), Some(id)) = (
            text(entry, "fullUrl"),
            text(resource, "resourceType"),
            text(resource, "id"),
        ) {
            targets.insert(url, format!("{kind}/{id}"));
        }
    }
    let mut found: Vec<Value> = entries
        .into_iter()
        .map(|mut entry| entry["resource"].take())
        .collect();
    found
        .iter_mut()
        .for_each(|resource| rewrite(resource, &targets));
    found
}

/// Replaces every `reference` that is a key of `targets`.
pub fn rewrite(value: &mut Value, targets: &BTreeMap<String, String>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| rewrite(item, targets)),
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                match member {
                    Value::String(reference) if name == "reference" => {
                        if let Some(target) = targets.get(reference) {
                            reference.clone_from(target);
                        }
                    }
                    member => rewrite(member, targets),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::resources;

    #[test]
    fn rewrites_references_within_a_bundle() {
        let found = resources(json!({"resourceType": "Bundle", "entry": [
            {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Patient", "id": "a"}},
            {"fullUrl": "urn:uuid:2", "resource": {"resourceType": "Condition", "id": "b", "subject": {"reference": "urn:uuid:1"}, "recorder": {"reference": "urn:uuid:9"}}}
        ]}));
        assert_eq!(found[1]["subject"]["reference"], "Patient/a");
        assert_eq!(found[1]["recorder"]["reference"], "urn:uuid:9");
    }
}
