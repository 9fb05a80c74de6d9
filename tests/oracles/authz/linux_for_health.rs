//! LinuxForHealth FHIR: what a scope opens, and for whom.

use serde_json::Value;

use super::{
    Ask, Caller, OFFERED, PATIENT_PATIENT, UNIVERSAL, World, ask_as, completed, entry_types,
    is_universal, judge, verdict,
};
use crate::account::{Account, Decision, Suite};
use crate::vectors::{Vectors, list, text};

const MIXED: &str =
    "it decides on an answer with several types as a whole, the filter on each of its entries";
const MINIMAL: &str =
    "entries have no resource: nothing tells whose they are, and the filter takes them out";
const VERSION: &str = "a patient would write a reference to a version of the own patient, which is no \
                       reference to the patient for the filter";
const PROVENANCE: &str = "a Provenance of another target than a Patient: its server looks up whose the target \
                          is, the compartment of R4 takes Patients only";
const WRITES: &str = "an update takes `u`, which `.write` is, and not `r` (SMART App Launch 2.2, \"Scopes for \
                      requesting FHIR Resources\": \"v1 `.write` ⇒ v2 `.cud`\", and of a scope with `c` alone \
                      \"Note also that write access does not imply read access\")";

pub fn interactions(vectors: &Vectors) {
    let mut account = Account::new(Suite {
        title: "LinuxForHealth, access",
        rules: &[
            (OFFERED, 28),
            (PATIENT_PATIENT, 17),
            (UNIVERSAL, 4),
            (MIXED, 48),
            (MINIMAL, 57),
            (VERSION, 18),
            (PROVENANCE, 16),
        ],
        corrections: &[("178", WRITES), ("527", WRITES)],
        accepted: 88,
        refused: 162,
    });
    let mut world = World::new(vectors, "https://fhir.example.org/r4", |config| {
        let types = ["Condition", "Observation", "Patient"];
        config["fhir"]["patient_writes"] = serde_json::json!(types);
    });
    let table = vectors.json("fhir-authz/lfh_smart_cases.json");
    for row in list(&table, "cases") {
        let (caller, ask) = (caller(row), ask(row));
        let found = verdict(&ask_as(&mut world, &caller, &ask));
        let expected = Decision::accept_if(row["expected"] == "allow");
        let rule = inapplicable(&caller, &ask);
        judge(&mut account, &row["id"].to_string(), rule, expected, found);
    }
    account.close();
}

/// Why a row does not apply.
fn inapplicable(caller: &Caller, ask: &Ask) -> Option<&'static str> {
    let patient = caller.scope.contains("patient/");
    let of_patient = ask.path.starts_with("/Patient");
    let writes = ask.method != "GET";
    let types = ask.answer.as_ref().map(entry_types).unwrap_or_default();
    let entries = ask
        .answer
        .iter()
        .flat_map(|answer| answer["entry"].as_array());
    let body = ask.body.as_ref().map(Value::to_string).unwrap_or_default();
    if patient && of_patient && matches!(ask.method.as_str(), "POST" | "DELETE") {
        Some(PATIENT_PATIENT)
    } else if patient && is_universal(&ask.path) {
        Some(UNIVERSAL)
    } else if types.iter().any(|name| *name != types[0]) {
        Some(MIXED)
    } else if entries.flatten().any(|entry| entry["resource"].is_null()) {
        Some(MINIMAL)
    } else if patient && writes && body.contains("/_history/") {
        Some(VERSION)
    } else if patient && of_another(ask.answer.as_ref()) {
        Some(PROVENANCE)
    } else {
        None
    }
}

/// Whether this is a Provenance of anything but a Patient.
fn of_another(answer: Option<&Value>) -> bool {
    let target = answer.and_then(|answer| answer["target"][0]["reference"].as_str());
    target.is_some_and(|target| !target.starts_with("Patient/"))
}

fn caller(row: &Value) -> Caller {
    Caller {
        scope: text(row, "scope").to_owned(),
        patient: row["patient_context"][0].as_str().map(str::to_owned),
        user: Some("Practitioner/d1".to_owned()),
    }
}

fn ask(row: &Value) -> Ask {
    let request = &row["request"];
    let path = text(request, "path");
    let some = |name: &str| Some(request[name].clone()).filter(|value| !value.is_null());
    Ask {
        method: text(request, "method").to_owned(),
        path: match path.strip_prefix("/?") {
            Some(query) => format!("?{query}"),
            None => path.trim_end_matches('/').to_owned(),
        },
        body: some("body"),
        current: some("previous"),
        answer: some("response").map(|answer| completed(path, answer)),
        ..Ask::default()
    }
}
