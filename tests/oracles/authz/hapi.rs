//! HAPI FHIR: chains of rules, and which requests and answers they let through.

use serde_json::{Value, json};

use super::{
    Ask, Asked, Caller, NARROWED, OFFERED, PATIENT_PATIENT, World, completed, judge, not_offered,
    verdict,
};
use crate::account::{Account, Decision, Suite};
use crate::vectors::{Vectors, list, text};

const CHAIN: &str = "its rules have no counterpart: GraphQL, $validate without a rule, tenants in \
                     the path, testers in Java, denials of a compartment, conditions that only HAPI looks up";
const UNTOLD: &str =
    "the table has not all of it: the body of a batch, or the page of an earlier answer";
const VERSION: &str = "an operation on a version, which the filter has for none";
const UNDECIDED: &str = "it is about an instance that is not there: neither permitted nor refused";
const LOOSE: &str = "its check before the server is turned off, and nothing comes back";

const IDS: &str = "`_id` is the logical id alone (FHIR R4, search, section 3.1.1.3)";

pub fn chains(vectors: &Vectors) {
    let mut account = Account::new(Suite {
        title: "HAPI FHIR, chains of rules",
        rules: &[
            (OFFERED, 2),
            (CHAIN, 21),
            (UNTOLD, 4),
            (VERSION, 1),
            (UNDECIDED, 3),
            (LOOSE, 3),
            (PATIENT_PATIENT, 5),
        ],
        corrections: &[("107", IDS), ("122", NARROWED)],
        accepted: 23,
        refused: 21,
    });
    let table = vectors.json("fhir-authz/hapi_authz_cases.json");
    for row in list(&table, "cases") {
        let id = row["id"].to_string();
        let test = text(row, "test");
        let page = test.starts_with("testReadPage") && row["upstream_called"] == false;
        if page || test.starts_with("testBatch") {
            account.leave(UNTOLD);
            continue;
        }
        if row["expected"] == "other" {
            account.leave(UNDECIDED);
            continue;
        }
        let ask = ask(row);
        let restated = restated(row);
        let rule = inapplicable(row, &ask, restated.is_some());
        let (callers, rules) = restated.unwrap_or_default();
        let mut world = World::new(vectors, "http://localhost", |config| {
            config["fhir"]["public"] = json!([]);
            config["fhir"]["patient_writes"] = json!(["Observation", "Patient"]);
            for (name, value) in rules.as_object().into_iter().flatten() {
                match name.as_str() {
                    "public" | "operations" => config["fhir"][name] = value.clone(),
                    _ => config[name] = value.clone(),
                }
            }
        });
        let asked = callers.iter().map(|caller| Asked {
            missing: not_offered(caller, &ask),
            answered: world.ask(caller, &ask),
            ask: ask.clone(),
        });
        let found = verdict(&asked.collect::<Vec<_>>());
        let expected = Decision::accept_if(row["expected"] == "allow");
        judge(&mut account, &id, rule, expected, found);
    }
    account.close();
}

/// Why a row does not apply.
fn inapplicable(row: &Value, ask: &Ask, restated: bool) -> Option<&'static str> {
    let test = text(row, "test");
    if ask.path.contains("/_history/2/$") {
        Some(VERSION)
    } else if !restated {
        Some(CHAIN)
    } else if test.contains("ProactiveBlockDisabled") {
        Some(LOOSE)
    } else if ask.path.starts_with("/Patient") && matches!(ask.method.as_str(), "POST" | "DELETE") {
        Some(PATIENT_PATIENT)
    } else {
        None
    }
}

fn ask(row: &Value) -> Ask {
    let path = text(row, "path").to_owned();
    let bare = path.split('?').next().unwrap_or_default();
    let of_instance = bare.split('/').count() > 2 && !bare.contains('$');
    let returned = list_or_empty(&row["upstream_return"]);
    let answer = match (text(row, "method"), returned) {
        ("GET", [first]) if of_instance => Some(completed(&path, first.clone())),
        ("GET", []) if of_instance => None,
        ("GET", all) => {
            let entries: Vec<Value> = all.iter().map(|one| json!({"resource": one})).collect();
            Some(json!({"resourceType": "Bundle", "type": "searchset", "entry": entries}))
        }
        _ => None,
    };
    let body = match &row["body"] {
        Value::String(text) => serde_json::from_str(text).ok(),
        Value::Null => None,
        body => Some(body.clone()),
    };
    Ask {
        method: text(row, "method").to_owned(),
        current: returned.first().cloned(),
        path,
        body,
        answer,
        ..Ask::default()
    }
}

fn list_or_empty(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Callers, any of whom may do what the chain allows, and what the operator configures; `None` where the
/// chain has no counterpart.
fn restated(row: &Value) -> Option<(Vec<Caller>, Value)> {
    let caller = |scope: &str, patient: Option<&str>| Caller {
        scope: scope.to_owned(),
        patient: patient.map(str::to_owned),
        user: patient.is_none().then(|| "Practitioner/d1".to_owned()),
    };
    if let Some(smart) = row["smart"].as_object() {
        let scope = smart["scope"].as_str().expect("a scope");
        return Some((vec![caller(scope, smart["patient"].as_str())], json!({})));
    }
    let called = text(row, "path").contains('$');
    let mut callers = Vec::new();
    let mut operations = Vec::new();
    let mut rules = Vec::new();
    let mut public = Vec::new();
    for rule in list(row, "rules") {
        let steps: Vec<Vec<&str>> = list_or_empty(rule).iter().map(step).collect();
        let steps: Vec<&[&str]> = steps.iter().map(Vec::as_slice).collect();
        let name = format!("rule-{}", rules.len());
        match steps.as_slice() {
            [["deny", ..], ["metadata"]] | [["allow", ..], ["patch"], ["allRequests"]] => {}
            [["allow", ..], ["metadata"]] => public.push("metadata"),
            [["allowAll", ..]] if !called => callers.push(caller("system/*.cruds", None)),
            [
                ["deny", ..],
                ["read"],
                ["resourcesOfType", of],
                ["withAnyId"],
            ] => {
                rules.push(json!({"name": name, "effect": "deny", "types": [of],
                    "interactions": READS}));
            }
            [
                ["allow", ..],
                ["operation"],
                ["named", name],
                place @ ..,
                ["andRequireExplicitResponseAuthorization"],
            ] => {
                callers.push(caller("user/*.rs", None));
                operations.extend(listed(name, place)?);
            }
            [
                ["allow", ..],
                [what @ ("read" | "write")],
                ["instance", instance],
            ] => {
                let (scope, interactions) = match *what {
                    "read" => ("system/*.rs", READS),
                    _ => ("system/*.cu", WRITES),
                };
                let when = match instance.split_once('/') {
                    Some((of, id)) => format!("fhir.type == \"{of}\" && fhir.id == \"{id}\""),
                    None => format!("fhir.id == \"{instance}\""),
                };
                callers.push(caller(scope, None));
                rules.push(json!({"name": name, "effect": "allow", "when": when,
                    "interactions": interactions}));
            }
            [
                ["allow", ..],
                ["write"],
                ["resourcesOfType", of],
                ["inCompartment", "Patient", patient],
            ] => {
                let id = patient.strip_prefix("Patient/");
                callers.push(caller(&format!("patient/{of}.cu"), id));
            }
            _ => return None,
        }
    }
    // Whoever holds no scope is somebody all the same.
    callers.push(caller("openid", None));
    Some((
        callers,
        json!({"rules": rules, "public": public, "operations": operations}),
    ))
}

/// An operation of this name as an operator would list it for where it may be called.
fn listed(name: &str, place: &[&[&str]]) -> Option<Vec<Value>> {
    let types = ["Encounter", "Observation", "Patient"];
    let at = |level: &str, types: &[&str]| {
        let mut listed = json!({"name": name, "level": level, "answer": "bundle"});
        if level != "system" {
            listed["types"] = json!(types);
        }
        listed
    };
    match place {
        [["atAnyLevel"]] => Some(
            ["system", "type", "instance"]
                .map(|level| at(level, &types))
                .into(),
        ),
        [["onAnyInstance"]] => Some(vec![at("instance", &types)]),
        [["onInstancesOfType", of]] => Some(vec![at("instance", &[of])]),
        _ => None,
    }
}

const READS: [&str; 4] = ["read", "vread", "history-instance", "search-type"];
const WRITES: [&str; 4] = ["create", "update", "patch", "delete"];

fn step(step: &Value) -> Vec<&str> {
    list_or_empty(step)
        .iter()
        .filter_map(Value::as_str)
        .collect()
}
