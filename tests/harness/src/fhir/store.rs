//! Resources in memory, every version of them.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::date;
use super::export::Job;

/// Most logical ids the store takes; creations beyond are refused.
const RESOURCES: usize = 200_000;
/// Most versions kept of one resource; the oldest go first.
const VERSIONS: usize = 100;

/// One version of one resource.
#[derive(Clone, Debug)]
pub struct Version {
    /// `meta.versionId`, from 1.
    pub number: u32,
    /// How it came about: `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: &'static str,
    /// An instant.
    pub last_updated: String,
    /// None when this version is the deletion.
    pub resource: Option<Value>,
}

/// All resources by type and id.
#[derive(Clone, Debug, Default)]
pub struct Store {
    types: BTreeMap<String, BTreeMap<String, Vec<Version>>>,
    count: usize,
    tick: u64,
    next_id: u64,
    /// Exports that were started, by their numbers, and how many there were.
    pub jobs: VecDeque<(u64, Job)>,
    pub exported: u64,
}

impl Store {
    /// A store of these resources, in order; a repeated type and id is a further version. Values
    /// without `resourceType` or `id` are left out.
    pub fn load(resources: Vec<Value>) -> Self {
        let mut store = Self::default();
        for resource in resources {
            let (Some(kind), Some(id)) = (text(&resource, "resourceType"), text(&resource, "id"))
            else {
                continue;
            };
            let known = resource
                .pointer("/meta/lastUpdated")
                .and_then(Value::as_str)
                .map(str::to_owned);
            let method = if store.versions(&kind, &id).is_empty() {
                "POST"
            } else {
                "PUT"
            };
            store.push(&kind, &id, Some(resource), method, known);
        }
        store
    }

    /// An id for a resource created by a client: `n1`, `n2`, ...
    pub fn new_id(&mut self) -> String {
        self.next_id += 1;
        format!("n{}", self.next_id)
    }

    /// Whether one more logical id fits.
    pub fn has_room(&self) -> bool {
        self.count < RESOURCES
    }

    /// Stores a new version (None deletes) and returns it.
    pub fn put(
        &mut self,
        kind: &str,
        id: &str,
        resource: Option<Value>,
        method: &'static str,
    ) -> Version {
        self.push(kind, id, resource, method, None)
    }

    /// All versions, oldest first; empty when there never was such a resource.
    pub fn versions(&self, kind: &str, id: &str) -> &[Version] {
        self.types
            .get(kind)
            .and_then(|ids| ids.get(id))
            .map_or(&[], Vec::as_slice)
    }

    /// The newest version, which may be a deletion.
    pub fn current(&self, kind: &str, id: &str) -> Option<&Version> {
        self.versions(kind, id).last()
    }

    /// The resource as it is now.
    pub fn resource(&self, kind: &str, id: &str) -> Option<&Value> {
        self.current(kind, id)?.resource.as_ref()
    }

    /// The living resource a relative (`Type/id`) or absolute reference leads to.
    pub fn resolve(&self, reference: &str) -> Option<&Value> {
        let (kind, id) = split_reference(reference)?;
        self.resource(kind, id)
    }

    /// Every living resource of a type, by id.
    pub fn of_type(&self, kind: &str) -> impl Iterator<Item = &Value> {
        let versions = self.types.get(kind).into_iter().flat_map(BTreeMap::values);
        versions.filter_map(|versions| versions.last()?.resource.as_ref())
    }

    /// The types that ever had a resource.
    pub fn types(&self) -> impl Iterator<Item = &str> {
        self.types.keys().map(String::as_str)
    }

    /// Every id of a type with its versions.
    pub fn ids(&self, kind: &str) -> impl Iterator<Item = (&str, &[Version])> {
        let ids = self.types.get(kind).into_iter().flatten();
        ids.map(|(id, versions)| (id.as_str(), versions.as_slice()))
    }

    /// The living resources about a patient, the Patient itself apart.
    pub fn of_patient(&self, patient: &str) -> Vec<&Value> {
        let about = |resource: &&Value| patient_of(resource).is_some_and(|id| id == patient);
        self.types()
            .flat_map(|kind| self.of_type(kind))
            .filter(about)
            .collect()
    }

    /// A patient other than the given one: `p2` where there is one, else the first.
    pub fn other_patient(&self, than: &str) -> Option<String> {
        if than != "p2" && self.resource("Patient", "p2").is_some() {
            return Some("p2".into());
        }
        self.of_type("Patient")
            .filter_map(|patient| text(patient, "id"))
            .find(|id| id != than)
    }

    fn push(
        &mut self,
        kind: &str,
        id: &str,
        mut resource: Option<Value>,
        method: &'static str,
        last_updated: Option<String>,
    ) -> Version {
        let last_updated = last_updated.unwrap_or_else(|| {
            self.tick += 1;
            date::instant(self.tick)
        });
        let versions = self
            .types
            .entry(kind.to_owned())
            .or_default()
            .entry(id.to_owned())
            .or_default();
        if versions.is_empty() {
            self.count += 1;
        }
        let number = versions.last().map_or(1, |version| version.number + 1);
        if let Some(resource) = &mut resource {
            resource["id"] = json!(id);
            if !resource["meta"].is_object() {
                resource["meta"] = json!({});
            }
            resource["meta"]["versionId"] = json!(number.to_string());
            resource["meta"]["lastUpdated"] = json!(last_updated);
        }
        let version = Version {
            number,
            method,
            last_updated,
            resource,
        };
        versions.push(version.clone());
        if versions.len() > VERSIONS {
            versions.remove(0);
        }
        version
    }
}

/// The patient a resource is about, by `subject`, `patient` or `beneficiary`; a Patient is about itself.
pub fn patient_of(resource: &Value) -> Option<String> {
    if resource["resourceType"] == "Patient" {
        return text(resource, "id");
    }
    ["subject", "patient", "beneficiary"]
        .iter()
        .find_map(|name| {
            let reference = resource[*name]["reference"].as_str()?;
            let (kind, id) = split_reference(reference)?;
            (kind == "Patient").then(|| id.to_owned())
        })
}

/// Type and id at the end of a reference, history left out.
pub fn split_reference(reference: &str) -> Option<(&str, &str)> {
    let unversioned = reference.split("/_history/").next().unwrap_or(reference);
    let mut parts = unversioned.rsplit('/');
    let id = parts.next()?;
    let kind = parts.next()?;
    Some((kind, id))
}

/// A member that is a string.
pub fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}
