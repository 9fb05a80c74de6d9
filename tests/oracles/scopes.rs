//! SMART scopes: the parsers of other servers. Each scope of a row is parsed for itself; what is
//! granted must be exactly what the row expects, and nothing where it expects nothing or a refusal.

use fhir_guard::access::{Letter, Level, Scope};
use fhir_guard::fhir::ResourceType;
use serde_json::Value;

use crate::account::{Account, Decision, Suite};
use crate::vectors::{Vectors, list, text};

const NOTE: &str = "it expects nothing: it is a note";
const PARAMETERS: &str = "it has parameters, which grant nothing yet (asserted apart)";
const POLICY: &str =
    "it refuses a token of several scopes, each of them good: a server's policy for whole tokens";
const OWN_SYNTAX: &str =
    "it is marked as not of the standard's syntax: `.` for `/`, words like `all`";

pub fn parsing(vectors: &Vectors) {
    let mut account = Account::new(Suite {
        title: "SMART scopes",
        rules: &[(NOTE, 1), (PARAMETERS, 31), (POLICY, 13), (OWN_SYNTAX, 12)],
        corrections: &[],
        accepted: 27,
        refused: 12,
    });
    let table = vectors.json("smart-scopes/scope_parse_cases.json");
    for row in list(&table, "rows") {
        let scope = text(row, "scope");
        let found: Vec<String> = scope.split(' ').filter_map(granted).collect();
        if scope.contains('?') {
            let bare = scope.split(' ').filter(|scope| !scope.contains('?'));
            let bare: Vec<String> = bare.filter_map(granted).collect();
            assert_eq!(found, bare, "{scope}: parameters must not be dropped");
        }
        if let Some(rule) = inapplicable(row) {
            account.leave(rule);
            continue;
        }
        let (id, expected) = (format!("{}, {scope}", row["id"]), expected(row));
        if !found.is_empty() && !expected.is_empty() && found != expected {
            account.disagree(&id, &format!("found {found:?}, expected {expected:?}"));
        } else {
            let decision = |grants: &[String]| Decision::accept_if(!grants.is_empty());
            account.judge(&id, decision(&expected), decision(&found));
        }
    }
    account.close();
}

/// Why a row does not apply.
fn inapplicable(row: &Value) -> Option<&'static str> {
    let scope = text(row, "scope");
    let several = scope.trim().contains(' ');
    if row["expected"].is_null() {
        Some(NOTE)
    } else if scope.contains('?') {
        Some(PARAMETERS)
    } else if row["expected"] == "reject" && several {
        Some(POLICY)
    } else if row["standard_syntax"] != true {
        Some(OWN_SYNTAX)
    } else {
        None
    }
}

fn expected(row: &Value) -> Vec<String> {
    let grants = row["expected"].as_array().cloned().unwrap_or_default();
    grants
        .iter()
        .map(|grant| {
            let (context, resource_type) = (text(grant, "context"), text(grant, "resource_type"));
            format!("{context}/{resource_type}.{}", text(grant, "cruds"))
        })
        .collect()
}

/// What the filter makes of one scope, in the form of the table; found out by what it covers.
fn granted(text: &str) -> Option<String> {
    let scope = Scope::parse(text)?;
    let level = match scope.level {
        Level::Patient => "patient",
        Level::System => "system",
        Level::User => "user",
    };
    let sample = scope
        .resource_type
        .or(ResourceType::parse("Patient"))
        .expect("a type");
    let letters = [
        Letter::Create,
        Letter::Read,
        Letter::Update,
        Letter::Delete,
        Letter::Search,
    ];
    let letters: String = letters
        .into_iter()
        .filter(|letter| scope.covers(sample, *letter))
        .map(Letter::symbol)
        .collect();
    let type_name = scope.resource_type.map_or("*", ResourceType::name);
    Some(format!("{level}/{type_name}.{letters}"))
}
