//! Resources that others have labelled, for callers with and without what each label asks for.

use std::collections::BTreeSet;
use std::rc::Rc;

use fhir_guard::access::{Granted, Seen};
use fhir_guard::fhir::{Confidentiality, PolicyCode};
use fhir_guard::label::{Clearance, Cleared, Kind, LabelPolicy};
use fhir_guard::response::{Cover, Expected};
use serde_json::Value;

use super::{BASE, kind, screened};
use crate::account::{Account, Decision, Suite};
use crate::vectors::Vectors;

const LEVELS: [&str; 6] = ["U", "L", "M", "N", "R", "V"];
const INTEGRITY: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";

/// Rows of each resource: whoever is cleared for all of its labels reads it, byte for byte; whoever lacks one
/// of them does not, one row for each; and neither does whoever is cleared for one level less.
pub fn withheld(vectors: &Vectors) {
    let mut account = Account::new(Suite {
        title: "FHIR, security labels of resources",
        rules: &[],
        corrections: &[],
        accepted: 100,
        refused: 150,
    });
    let mut seen = BTreeSet::new();
    for folder in ["security-labels/shift/resources", "security-labels/ds4p"] {
        for path in vectors.list(folder, ".json") {
            let value = vectors.json(&path);
            for resource in resources(&value) {
                if seen.insert(resource.to_string()) {
                    rows(&mut account, &path, resource);
                }
            }
        }
    }
    account.close();
}

/// A resource, or those of a Bundle.
fn resources(value: &Value) -> Vec<&Value> {
    match value["resourceType"].as_str() {
        Some("Bundle") => {
            let entries = value["entry"].as_array().into_iter().flatten();
            entries.map(|entry| &entry["resource"]).collect()
        }
        _ => vec![value],
    }
}

fn rows(account: &mut Account, path: &str, resource: &Value) {
    let name = resource["resourceType"].as_str().expect("a type");
    let id = resource["id"].as_str().unwrap_or("none");
    let row = |what: &str| format!("{path}, {name}/{id}, {what}");
    let mut level = "N";
    let mut kinds = Vec::new();
    for label in resource["meta"]["security"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let (system, code) = (&label["system"], label["code"].as_str().expect("a code"));
        match system.as_str().expect("a system") {
            Confidentiality::SYSTEM => level = code,
            INTEGRITY => {}
            PolicyCode::SYSTEM if code == "PROCESSINLINELABEL" => {}
            system => kinds.push((system.to_owned(), code.to_owned())),
        }
    }
    let text = resource.to_string();
    let judge = |account: &mut Account, what: &str, level, kinds: &[_], expected| {
        let out = screened(&cover(name, id, level, kinds), &text, &[]);
        let same = out.is_ok_and(|out| out == text);
        account.judge(&row(what), expected, Decision::accept_if(same));
    };
    judge(account, "cleared", level, &kinds, Decision::Accept);
    let lower = LEVELS.iter().position(|known| *known == level);
    let lower = LEVELS[lower.expect("a level") - 1];
    judge(account, "one level less", lower, &kinds, Decision::Refuse);
    for lacking in &kinds {
        let rest: Vec<_> = kinds
            .iter()
            .filter(|kind| *kind != lacking)
            .cloned()
            .collect();
        // What stands above it is enough.
        let wider = rest.iter().any(|(system, code)| {
            let codes = [code, &lacking.1].map(|code| PolicyCode::parse(code));
            let [Some(wide), Some(narrow)] = codes else {
                return false;
            };
            *system == lacking.0 && narrow.is_within(wide)
        });
        let what = format!("without {}", lacking.1);
        let expected = Decision::accept_if(wider);
        judge(account, &what, level, &rest, expected);
    }
}

/// A read of this resource by a caller with this clearance.
fn cover(name: &str, id: &str, level: &str, kinds: &[(String, String)]) -> Rc<Cover> {
    let policy = Rc::new(LabelPolicy {
        unlabelled: Confidentiality::Normal,
        codes: Vec::new(),
    });
    let kinds = kinds.iter().map(|(system, code)| Kind::of(system, code));
    let clearance = Clearance {
        confidentiality: Confidentiality::parse(level).expect("a level"),
        kinds: kinds.collect(),
        every_kind: false,
    };
    let cleared = Cleared::new(&policy, vec![Rc::new(clearance)]).expect("not everything");
    Rc::new(Cover {
        expected: Expected::Resource {
            resource_type: kind(name),
            id: Some(id.to_owned()),
            version: None,
        },
        patient: None,
        practitioner: None,
        consent: None,
        compartment: Default::default(),
        granted: Granted::Seen(
            None,
            Seen {
                labels: Some(cleared),
                texts: None,
            },
        ),
        others: Vec::new(),
        total: false,
        base: BASE.to_owned(),
        redactions: Vec::new(),
        egress: Vec::new(),
        watermark: None,
        self_link: String::new(),
        links: Rc::new(|_| None),
    })
}
