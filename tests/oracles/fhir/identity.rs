//! Where no rule applies, not a byte changes.

use std::collections::BTreeMap;

use fhir_guard::json::Document;
use fhir_guard::response::{Action, Cover};
use serde_json::Value;
use std::rc::Rc;

use super::examples::{Example, published, synthetic};
use super::{LIMITS, cuts, read, rule, screened, searchset};
use crate::account::{Account, Decision, Suite};
use crate::vectors::{Vectors, list};

/// Rows of each resource: it is read; asked for under another id; broken off before its last byte.
/// To be refused, too: a resource that holds another outside `contained`, and one without an id.
/// Rows of each Bundle: it is searched for one of its types; entries of the others leave no byte.
pub fn unchanged(vectors: &Vectors) {
    let mut account = Account::new(Suite {
        title: "FHIR, answers that no rule is for",
        rules: &[],
        corrections: &[],
        accepted: 840,
        refused: 1697,
    });
    let published = published(vectors);
    let synthetic = synthetic(vectors);
    for example in published.iter().chain(synthetic.iter().flatten()) {
        resource(&mut account, example);
    }
    for example in &published {
        if example.resource_type() == "Bundle" && example.value["type"] == "searchset" {
            bundle(&mut account, &example.name, &example.text);
        }
    }
    for (index, patient) in synthetic.iter().enumerate() {
        bundle(
            &mut account,
            &format!("Synthea's patient {index}"),
            &search(patient),
        );
    }
    account.close();
}

fn resource(account: &mut Account, example: &Example) {
    let (name, id) = (&example.name, example.id());
    let whole = id.is_some() && !nests(&example.value, true);
    // A rule for a type that is not here changes nothing, no more than no rule.
    let foreign = ["SupplyRequest", "VisionPrescription"]
        .into_iter()
        .find(|other| !example.text.contains(other))
        .expect("a type that is not here");
    let rules = [rule(foreign, &["identifier", "status"], Action::Remove)];
    let same = [
        read(example.resource_type(), id, &[]),
        read(example.resource_type(), id, &rules),
    ]
    .iter()
    .all(|cover| same(cover, &example.text));
    account.judge(name, Decision::accept_if(whole), Decision::accept_if(same));
    let other = read(example.resource_type(), Some("another-id"), &[]);
    let found = screened(&other, &example.text, &[]).is_ok();
    let id_of_other = format!("{name}, asked for under another id");
    account.judge(&id_of_other, Decision::Refuse, Decision::accept_if(found));
    let mut short = example.text.clone();
    short.pop();
    let found = screened(&read(example.resource_type(), id, &[]), &short, &[]).is_ok();
    let broken = format!("{name}, broken off");
    account.judge(&broken, Decision::Refuse, Decision::accept_if(found));
}

/// Whether a body leaves as it came: whole, in arbitrary pieces and, where it is short, in single
/// bytes.
fn same(cover: &Rc<Cover>, text: &str) -> bool {
    let singly: Vec<usize> = if text.len() < 2000 {
        (1..text.len()).collect()
    } else {
        Vec::new()
    };
    [Vec::new(), cuts(1, text.len()), cuts(2, text.len()), singly]
        .iter()
        .all(|cuts| screened(cover, text, cuts).is_ok_and(|out| out == text))
}

fn bundle(account: &mut Account, name: &str, text: &str) {
    let value: Value = serde_json::from_str(text).expect("JSON");
    let mut types: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for entry in list(&value, "entry") {
        let resource = &entry["resource"];
        let resource_type = resource["resourceType"].as_str().expect("a type");
        types.entry(resource_type).or_default().push(resource);
    }
    for (seed, (resource_type, resources)) in types.iter().enumerate() {
        let cover = searchset(resource_type, &[]);
        let cuts = [Vec::new(), cuts(seed as u64, text.len())];
        let found = cuts.iter().all(|cuts| {
            let out = screened(&cover, text, cuts);
            out.is_ok_and(|out| leaves(&out, text, resources))
        });
        let id = format!("{name}, {resource_type}");
        account.judge(&id, Decision::Accept, Decision::accept_if(found));
        let read = super::read(resource_type, None, &[]);
        let found = screened(&read, text, &[]).is_ok();
        account.judge(
            &format!("{id}, read"),
            Decision::Refuse,
            Decision::accept_if(found),
        );
    }
}

/// Whether exactly these resources leave, each of them as bytes of the body that came.
fn leaves(out: &str, body: &str, resources: &[&Value]) -> bool {
    let document = Document::parse(out.as_bytes(), &LIMITS.json).expect("JSON");
    let entries: Vec<&str> = document
        .root()
        .get("entry")
        .into_iter()
        .flat_map(|entries| entries.items().collect::<Vec<_>>())
        .filter_map(|entry| entry.get("resource"))
        .map(|resource| resource.raw())
        .collect();
    let value: Value = serde_json::from_str(out).expect("JSON");
    let values: Vec<&Value> = list(&value, "entry")
        .iter()
        .map(|entry| &entry["resource"])
        .collect();
    values == *resources && entries.iter().all(|raw| body.contains(raw))
}

/// A searchset with these resources, written with white space of all kinds.
fn search(resources: &[Example]) -> String {
    let entries: Vec<String> = resources
        .iter()
        .map(|example| format!("{{ \"resource\"\t:\n{}\r\n}}", example.text))
        .collect();
    let entries = entries.join(" ,\n");
    format!(
        "{{\"resourceType\":\"Bundle\", \"type\" : \"searchset\",\"total\":{},\"entry\" : [\n{entries} ]\t}}",
        resources.len()
    )
}

/// Whether it holds a resource outside `contained`.
pub fn nests(value: &Value, root: bool) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| nests(item, false)),
        Value::Object(members) => {
            (!root && members.contains_key("resourceType"))
                || members.iter().any(|(name, value)| {
                    match value.as_array().filter(|_| root && name == "contained") {
                        Some(contained) => contained.iter().any(|item| {
                            let members = item.as_object().expect("a resource");
                            members.contains_key("contained")
                                || members.values().any(|value| nests(value, false))
                        }),
                        None => nests(value, false),
                    }
                })
        }
        _ => false,
    }
}
