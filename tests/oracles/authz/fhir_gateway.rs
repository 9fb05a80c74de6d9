//! Google's FHIR gateway: what its access checkers let a patient's app do, and which ids it takes.

use serde_json::{Value, json};

use super::{Ask, Caller, NARROWED, OFFERED, World, ask_as, judge, not_offered, verdict};
use crate::account::{Account, Decision, Suite};
use crate::vectors::{Vectors, list, text};

const ALLOWED_QUERIES: &str =
    "its list of allowed paths and parameters is a configuration language without a counterpart";

const OTHERS: &str = "the Observation's subject is another patient: the own one is among those who performed \
                      it (https://hl7.org/fhir/R4/observation-definitions.html#Observation.subject)";

pub fn checkers(vectors: &Vectors) {
    let mut account = Account::new(Suite {
        title: "FHIR gateway, access checkers and ids",
        rules: &[(OFFERED, 11), (ALLOWED_QUERIES, 7)],
        corrections: &[
            (
                "PatientAccessCheckerTest canAccessPostObservationWithPerformer",
                OTHERS,
            ),
            (
                "PatientAccessCheckerTest canAccessSearchQueryNotAuthorized",
                NARROWED,
            ),
            (
                "PatientAccessCheckerTest canAccessBundleGetNullPatientUnauthorized",
                NARROWED,
            ),
        ],
        accepted: 8,
        refused: 15,
    });
    let mut world = World::new(vectors, "https://fhir.example.org/r4", |config| {
        config["fhir"]["patient_writes"] = json!(["Observation", "Patient"]);
    });
    let table = vectors.json("fhir-authz/fhir_gateway_cases.json");
    for (checker, rows) in table["checkers"].as_object().expect("checkers") {
        for row in rows.as_array().expect("rows") {
            let (caller, ask) = match checker.as_str() {
                "PatientAccessCheckerTest" => of_patient(row),
                "SmartScopeCheckerTest" => of_scope(row),
                _ => of_query(row),
            };
            let rule = (checker == "AllowedQueriesCheckerTest").then_some(ALLOWED_QUERIES);
            let id = format!("{checker} {}", text(row, "test"));
            let accepted = matches!(row["expected"].as_str(), Some("allow" | "no_error"));
            // A search that lacks the own patient is what the checker is about.
            let found = match checker.as_str() {
                "SmartScopeCheckerTest" => verdict(&ask_as(&mut world, &caller, &ask)),
                _ => (
                    not_offered(&caller, &ask),
                    world.ask(&caller, &ask).decision(&ask),
                ),
            };
            judge(
                &mut account,
                &id,
                rule,
                Decision::accept_if(accepted),
                found,
            );
        }
    }
    for (place, row) in list(&table, "fhir_id_validity").iter().enumerate() {
        let ask = Ask {
            method: "GET".to_owned(),
            path: format!("/Patient/{}", text(row, "id")),
            ..Ask::default()
        };
        let expected = Decision::accept_if(row["valid"] == true);
        let found = world.ask(&reader(), &ask).decision(&ask);
        account.judge(&format!("id {place}"), expected, found);
    }
    account.close();
}

fn reader() -> Caller {
    Caller {
        scope: "system/*.r".to_owned(),
        ..Caller::default()
    }
}

/// An id as the value of a parameter stands for a Patient; what the checker's stand-in for a request does
/// not have is the own Patient.
fn of_patient(row: &Value) -> (Caller, Ask) {
    let patient = text(&row["token"], "patient_id");
    let caller = Caller {
        scope: text(&row["token"], "scope").to_owned(),
        patient: Some(patient.to_owned()),
        user: None,
    };
    let method = text(row, "method");
    let own = || json!({"resourceType": "Patient", "id": row["id"]});
    let body = match &row["body"] {
        Value::Null if method == "PUT" => Some(own()),
        Value::Null => None,
        body => Some(body.clone()),
    };
    let ask = Ask {
        method: method.to_owned(),
        path: match text(row, "path") {
            "/" => String::new(),
            path => path.replace("subject=", "subject=Patient/"),
        },
        body,
        current: Some(own()),
        answer: None,
        ..Ask::default()
    };
    (caller, ask)
}

fn of_scope(row: &Value) -> (Caller, Ask) {
    let of = text(row, "resource_type");
    let own = json!({"resourceType": of, "subject": {"reference": "Patient/p1"}});
    let caller = Caller {
        scope: text(row, "scope").to_owned(),
        patient: Some("p1".to_owned()),
        user: Some("Patient/p1".to_owned()),
    };
    let creates = row["permission"] == "create";
    let ask = Ask {
        method: if creates { "POST" } else { "GET" }.to_owned(),
        path: if creates {
            format!("/{of}")
        } else {
            format!("/{of}/1")
        },
        body: creates.then_some(own),
        ..Ask::default()
    };
    (caller, ask)
}

/// Its configuration has no counterpart: only what it refuses is asked.
fn of_query(row: &Value) -> (Caller, Ask) {
    let parameters = row["params"].as_object().into_iter().flatten();
    let query = parameters
        .map(|(name, values)| format!("{name}={}", values[0].as_str().unwrap_or_default()));
    let query: Vec<String> = query.collect();
    let path = format!("/{}", text(row, "path").trim_start_matches('/'));
    let ask = Ask {
        method: row["method"].as_str().unwrap_or("GET").to_owned(),
        path: match query.is_empty() {
            true => path,
            false => format!("{path}?{}", query.join("&")),
        },
        ..Ask::default()
    };
    (
        Caller {
            scope: "openid".to_owned(),
            ..Caller::default()
        },
        ask,
    )
}
