//! Resources that Microsoft's anonymizer has made less telling: what it takes away must not leave here either,
//! and what it keeps must.
//!
//! Its rules are written in FHIRPath; ours for the same are below. Where it shifts a date by some days, or
//! hashes a reference, another value stands in its place there; here the year stays, or nothing. In both the
//! value that came is gone.

use std::collections::BTreeMap;
use std::rc::Rc;

use fhir_guard::response::{Action, Precision, Redaction};
use serde_json::{Map, Value};

use super::{read, rule, screened};
use crate::account::{Account, Decision, Suite};
use crate::vectors::Vectors;

const ERROR: &str = "a rule of theirs fails, which empties the resource";
const ID: &str = "an id, which they hash and the filter keeps";
const CHOSEN: &str = "kept by a condition on another element, which no rule here can have";
const SIBLING: &str = "beside a date that is made less exact, which here goes with the date";
const NARRATIVE: &str = "a narrative, which they keep and the filter takes from what a rule is for, and from what refers to such";
const ASSIGNER: &str =
    "what a reference says that tells no type: it may lead to whom a rule is for";

/// Values of a resource, by the names that lead to them, and how often each stands there.
type Leaves = BTreeMap<(String, String), usize>;

/// Rows are the values of each resource, at a path: to be accepted where theirs keeps all of them, to be
/// refused where it keeps none.
pub fn kept_and_taken(vectors: &Vectors) {
    let mut account = Account::new(Suite {
        title: "FHIR, Microsoft's anonymizer",
        rules: &[
            (ERROR, 6),
            (ID, 3),
            (CHOSEN, 18),
            (SIBLING, 2),
            (NARRATIVE, 10),
            (ASSIGNER, 2),
        ],
        corrections: &[],
        accepted: 182,
        refused: 133,
    });
    let material = vectors.json("redaction/anonymizer_golden.json");
    for test in material["tests"].as_array().expect("tests") {
        let (inputs, outputs) = (resources(&test["input"]), resources(&test["expected"]));
        assert_eq!(inputs.len(), outputs.len());
        for (input, output) in inputs.into_iter().zip(outputs) {
            rows(&mut account, test, input, output);
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

fn rows(account: &mut Account, test: &Value, input: &Value, output: &Value) {
    let config = test["config_file"].as_str().expect("a name");
    let name = input["resourceType"].as_str().expect("a type");
    let methods = test["methods"].as_array().expect("methods");
    let has = |method: &str| methods.iter().any(|own| own == method);
    let rules = rules(config);
    let is_ruled = rules.iter().any(|rule| rule.resource_type.name() == name);
    let refers = input["subject"]["reference"].is_string();
    let chosen = test["config"]
        .to_string()
        .contains("where(city='KeepTest')");
    let leave = |path: &str| {
        if config == "configuration-skip-processing-error.json" {
            Some(ERROR)
        } else if path == "id" && has("cryptoHash") {
            Some(ID)
        } else if path.starts_with("_birthDate.") && has("dateShift") {
            Some(SIBLING)
        } else if path.starts_with("text.") && !has("redact") && (is_ruled || refers) {
            Some(NARRATIVE)
        } else if path == "identifier.assigner.display" && has("substitute") {
            Some(ASSIGNER)
        } else {
            None
        }
    };
    let (mut input, mut output) = (input.clone(), output.clone());
    if chosen {
        let items = without_chosen(&mut input);
        without_chosen(&mut output);
        for _ in leaves(&Value::from(items)).into_keys() {
            account.leave(CHOSEN);
        }
    }
    let (came, theirs) = (leaves(&input), leaves(&output));
    let members = input.as_object_mut().expect("an object");
    let id = members.entry("id").or_insert_with(|| "added".into());
    let cover = read(name, id.as_str(), &rules);
    let ours = screened(&cover, &input.to_string(), &[]).unwrap_or_else(|_| "{}".to_owned());
    let ours = leaves(&serde_json::from_str(&ours).expect("JSON"));
    for (leaf, count) in came {
        let (path, value) = &leaf;
        if let Some(rule) = leave(path) {
            account.leave(rule);
            continue;
        }
        let of = |leaves: &Leaves| leaves.get(&leaf).copied().unwrap_or_default();
        let row = format!("{}, {name}, {path} {value}", test["input_file"]);
        let decision = |kept: usize| match kept {
            0 => Some(Decision::Refuse),
            kept if kept == count => Some(Decision::Accept),
            _ => None,
        };
        match (decision(of(&theirs)), decision(of(&ours))) {
            (Some(expected), Some(found)) => account.judge(&row, expected, found),
            _ => account.disagree(&row, "kept in one place, and not in another"),
        }
    }
}

/// Takes out the addresses that theirs keeps for their city.
fn without_chosen(resource: &mut Value) -> Vec<Value> {
    let addresses = resource.get_mut("address").and_then(Value::as_array_mut);
    let Some(addresses) = addresses else {
        return Vec::new();
    };
    let all = std::mem::take(addresses);
    let (chosen, rest) = all
        .into_iter()
        .partition(|address| address["city"] == "KeepTest");
    *addresses = rest;
    chosen
}

fn leaves(value: &Value) -> Leaves {
    let mut found = Leaves::new();
    collect(value, "", &mut found);
    found
}

fn collect(value: &Value, path: &str, found: &mut Leaves) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, path, found)),
        Value::Object(members) => below(members, path, found),
        leaf => {
            let leaf = (path.to_owned(), leaf.to_string());
            *found.entry(leaf).or_default() += 1;
        }
    }
}

fn below(members: &Map<String, Value>, path: &str, found: &mut Leaves) {
    for (name, value) in members {
        let dot = if path.is_empty() { "" } else { "." };
        collect(value, &format!("{path}{dot}{name}"), found);
    }
}

/// What their configuration says, for the types of their resources.
fn rules(config: &str) -> Vec<Rc<Redaction>> {
    let year = || Action::Generalize(Precision::Year);
    let area = || Action::Generalize(Precision::Area);
    let with = |text: &str| Action::Replace(text.into());
    let names = ["family", "given", "text", "prefix", "suffix"];
    let name = |base: &str| names.map(|element| format!("{base}.{element}"));
    let place = ["use", "type", "text", "line", "city", "district"];
    let address = |base: &str| place.map(|element| format!("{base}.{element}"));
    let patient = |action: Action, elements: &[String]| {
        let elements: Vec<&str> = elements.iter().map(String::as_str).collect();
        rule("Patient", &elements, action)
    };
    let every = |elements: &[&str], action: Action| rule("Patient", elements, action);
    // What both of the common ones take from names and addresses.
    let common = || {
        vec![
            patient(Action::Remove, &name("name")),
            patient(Action::Remove, &name("contact.name")),
            patient(Action::Remove, &address("address")),
            patient(Action::Remove, &address("contact.address")),
            every(
                &["generalPractitioner", "link.other", "photo"],
                Action::Remove,
            ),
            rule("Practitioner", &["name"], Action::Remove),
        ]
    };
    let renamed = || {
        vec![
            every(&["name.family"], with("example")),
            every(&["name.given"], with("test")),
            every(
                &["name.use", "name.text", "name.prefix", "name.suffix"],
                Action::Remove,
            ),
        ]
    };
    let mut rules = Vec::new();
    match config {
        "common-config.json" => {
            rules.extend(common());
            rules.push(every(
                &[
                    "identifier.use",
                    "identifier.type",
                    "identifier.system",
                    "identifier.value",
                    "identifier.assigner",
                    "telecom.system",
                    "telecom.value",
                    "telecom.use",
                    "telecom.rank",
                    "contact.telecom",
                ],
                Action::Remove,
            ));
            rules.push(every(
                &[
                    "birthDate",
                    "name.period",
                    "telecom.period",
                    "address.period",
                    "identifier.period",
                    "contact.period",
                    "contact.address.period",
                ],
                year(),
            ));
            rules.push(every(
                &["address.postalCode", "contact.address.postalCode"],
                area(),
            ));
        }
        "common-no-partial-config.json" => {
            rules.extend(common());
            rules.push(every(
                &[
                    "identifier",
                    "telecom",
                    "contact.telecom",
                    "birthDate",
                    "name.period",
                    "address.period",
                    "address.postalCode",
                    "contact.period",
                    "contact.address.period",
                    "contact.address.postalCode",
                ],
                Action::Remove,
            ));
        }
        "substitute-primitive.json" => rules.push(every(&["name.family"], with("example"))),
        "substitute-complex.json" | "substitute-multiple.json" => {
            rules.extend(renamed());
            rules.push(every(&["name.period"], Action::Remove));
        }
        "r4-configuration-sample.json" => {
            rules.push(rule(
                "Claim",
                &[
                    "identifier.value",
                    "type.coding.code",
                    "type.coding.display",
                    "priority.coding.code",
                    "payee.type.coding.code",
                    "diagnosis.diagnosisCodeableConcept.coding.code",
                    "insurance.identifier.value",
                    "item.productOrService.coding.code",
                    "patient.reference",
                    "insurer.reference",
                    "provider.reference",
                    "careTeam.provider.reference",
                    "insurance.coverage.reference",
                ],
                Action::Remove,
            ));
            rules.push(rule("Claim", &["created", "item.servicedDate"], year()));
        }
        "configuration-skip-processing-error.json" => {}
        other => panic!("an unknown configuration: {other}"),
    }
    rules
}
