//! Third-party test material, read where it lies (`FHIR_GUARD_VECTORS`).
//!
//! Scopes: the parsers of other servers, row by row. A row applies only when all of these hold:
//!
//! 1. It has an expectation: rows without one are notes.
//! 2. It is of the standard's own syntax, by the table's own mark: `.` or `%2f` for `/` and words
//!    like `all` belong to one server.
//! 3. It is about parsing, not about one server's policy for a whole token: a row that refuses a
//!    token of several scopes each of which is good says nothing about any of them.
//! 4. It has no parameters: a scope with parameters grants nothing yet, which is asserted apart.
//!
//! Agreement: each scope of the row is parsed for itself, and what is granted must be exactly what
//! the row expects; for a row that expects nothing, or a refusal, nothing must be granted.

use std::collections::BTreeMap;
use std::path::PathBuf;

use fhir_guard::access::{Letter, Level, Scope};
use fhir_guard::fhir::ResourceType;
use serde_json::Value;

/// Rows on which peers and the specification (SMART App Launch 2.2, "Scopes for requesting FHIR
/// resources") disagree, and why the specification is followed. By id, with the reason.
const DISAGREEMENTS: [(u64, &str); 0] = [];

#[test]
fn scopes_are_read_as_the_specification_says() {
    let Some(root) = vectors() else { return };
    let path = root.join("smart-scopes/scope_parse_cases.json");
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
    let table: Value = serde_json::from_str(&text).expect("JSON");
    let rows = table["rows"].as_array().expect("rows");
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut disagreements = Vec::new();
    for row in rows {
        let rule = inapplicable(row);
        *counts.entry(rule.unwrap_or("applicable")).or_default() += 1;
        let scope = row["scope"].as_str().expect("a scope");
        let granted: Vec<String> = scope.split(' ').filter_map(granted).collect();
        match rule {
            Some("has parameters") => {
                let bare = scope.split(' ').filter(|scope| !scope.contains('?'));
                let bare: Vec<String> = bare.filter_map(self::granted).collect();
                assert_eq!(granted, bare, "{scope}: parameters must not be dropped");
            }
            Some(_) => {}
            None => {
                let expected = expected(row);
                let outcome = match (expected.is_empty(), granted.is_empty()) {
                    (false, false) if granted == expected => "granted as expected",
                    (true, true) => "refused as expected",
                    _ => "disagreed",
                };
                *counts.entry(outcome).or_default() += 1;
                if outcome == "disagreed" {
                    disagreements.push((
                        row["id"].as_u64().expect("an id"),
                        format!("{scope}: {granted:?}, not {expected:?}"),
                    ));
                }
            }
        }
    }
    println!("smart-scopes: {counts:?} of {}", rows.len());
    let listed: Vec<u64> = DISAGREEMENTS.iter().map(|(id, _)| *id).collect();
    let found: Vec<u64> = disagreements.iter().map(|(id, _)| *id).collect();
    assert_eq!(found, listed, "{disagreements:?}");
    for outcome in [
        "granted as expected",
        "refused as expected",
        "has parameters",
    ] {
        assert!(
            counts.get(outcome).is_some_and(|count| *count > 5),
            "{outcome}: {counts:?}"
        );
    }
}

/// Why a row does not apply, by the rules above.
fn inapplicable(row: &Value) -> Option<&'static str> {
    let scope = row["scope"].as_str().expect("a scope");
    let several = scope.trim().contains(' ');
    let refused = row["expected"] == "reject";
    if row["expected"].is_null() {
        Some("has no expectation")
    } else if scope.contains('?') {
        Some("has parameters")
    } else if refused && several {
        Some("is a policy for whole tokens")
    } else if row["standard_syntax"] != true {
        Some("is not of the standard's syntax")
    } else {
        None
    }
}

fn expected(row: &Value) -> Vec<String> {
    let grants = row["expected"].as_array().cloned().unwrap_or_default();
    let text = |grant: &Value, name: &str| grant[name].as_str().expect(name).to_owned();
    grants
        .iter()
        .map(|grant| {
            let (context, resource_type) = (text(grant, "context"), text(grant, "resource_type"));
            format!("{context}/{resource_type}.{}", text(grant, "cruds"))
        })
        .collect()
}

/// What we make of one scope, in the form of the table; found out by what it covers.
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

/// Where the vectors are; `None`, said aloud, where there are none and nobody promised any.
fn vectors() -> Option<PathBuf> {
    let root = std::env::var_os("FHIR_GUARD_VECTORS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors"),
        PathBuf::from,
    );
    if root.is_dir() {
        return Some(root);
    }
    let missing = format!("no vectors at {}: set FHIR_GUARD_VECTORS", root.display());
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
    println!("SKIPPED: {missing}");
    None
}
