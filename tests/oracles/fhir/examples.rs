//! The material: resources, each as one text.

use serde_json::Value;

use super::planted::sings;
use crate::vectors::{Vectors, list};

/// One resource.
pub struct Example {
    pub name: String,
    pub text: String,
    pub value: Value,
}

impl Example {
    fn new(name: String, text: String) -> Self {
        assert!(!sings(&text), "{name} holds what is to be planted");
        let value = serde_json::from_str(&text).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        Example { name, text, value }
    }

    pub fn resource_type(&self) -> &str {
        self.value["resourceType"].as_str().expect("a type")
    }

    pub fn id(&self) -> Option<&str> {
        self.value["id"].as_str()
    }
}

/// The examples of HL7 and of US Core, as they were published.
pub fn published(vectors: &Vectors) -> Vec<Example> {
    ["fhir-r4/hl7-examples", "fhir-r4/us-core"]
        .into_iter()
        .flat_map(|folder| vectors.list(folder, ".json"))
        .map(|path| {
            let text = String::from_utf8(vectors.bytes(&path)).expect("UTF-8");
            let name = path.trim_start_matches("fhir-r4/").to_owned();
            Example::new(name, text.trim().to_owned())
        })
        .collect()
}

/// The resources of each of Synthea's patients.
pub fn synthetic(vectors: &Vectors) -> Vec<Vec<Example>> {
    vectors
        .list("fhir-r4/synthea", ".json")
        .into_iter()
        .map(|path| {
            let bundle = vectors.json(&path);
            let entries = list(&bundle, "entry").iter().enumerate();
            entries
                .map(|(index, entry)| {
                    let name = path.trim_start_matches("fhir-r4/");
                    let name = name.split('_').next().unwrap_or(name);
                    let resource = &entry["resource"];
                    let text = serde_json::to_string_pretty(resource).expect("memory");
                    Example::new(format!("{name} {index}"), text)
                })
                .collect()
        })
        .collect()
}
