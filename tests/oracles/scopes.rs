//! SMART scopes: the parsers of other servers. The scopes of a row are those of one token; what is
//! granted must be exactly what the row expects, with every parameter, and nothing where it expects
//! nothing or a refusal.

use fhir_guard::access::{Letter, Level, Scope};
use fhir_guard::fhir::{ResourceType, SearchKind, search_parameter};
use fhir_guard::identity::{ScopeSeparator, Scopes};
use serde_json::Value;

use crate::account::{Account, Decision, Suite};
use crate::vectors::{Vectors, list, text};

const NOTE: &str = "it expects nothing: it is a note";
const VERSIONS: &str =
    "it refuses a token for scopes of both versions, each of them good: a server's policy";
const WORDS: &str = "it has `all` for `*` behind a slash: one server's own words";
const UNKNOWN: &str = "it has a parameter that is no token parameter of the filter's table: it grants nothing (asserted)";

pub fn parsing(vectors: &Vectors) {
    let mut account = Account::new(Suite {
        title: "SMART scopes",
        rules: &[(NOTE, 1), (VERSIONS, 11), (WORDS, 1), (UNKNOWN, 3)],
        corrections: &[],
        accepted: 46,
        refused: 34,
    });
    let table = vectors.json("smart-scopes/scope_parse_cases.json");
    for row in list(&table, "rows") {
        let found = granted(text(row, "scope"));
        if let Some(rule) = inapplicable(row) {
            if rule == UNKNOWN {
                let unknown = |grant: &&Value| !is_known(grant);
                let unknown = list(row, "expected").iter().filter(unknown).map(printed);
                for grant in unknown {
                    let bare = grant.split(' ').next().expect("a scope");
                    let widened = found.iter().any(|found| found.starts_with(bare));
                    assert!(!widened, "{grant}: parameters must not be dropped");
                }
            }
            account.leave(rule);
            continue;
        }
        let (id, expected) = (format!("{}, {}", row["id"], row["scope"]), expected(row));
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
    let note = row["note"].as_str().unwrap_or_default();
    if row["expected"].is_null() {
        Some(NOTE)
    } else if row["expected"] == "reject" && note.starts_with("v1 and v2 syntax mixed") {
        Some(VERSIONS)
    } else if text(row, "scope").contains("/all.") {
        Some(WORDS)
    } else if !grants(row).iter().all(is_known) {
        Some(UNKNOWN)
    } else {
        None
    }
}

/// Whether the filter's table has the parameters of a grant as token parameters.
fn is_known(grant: &Value) -> bool {
    let resource_type = ResourceType::parse(text(grant, "resource_type"));
    list(grant, "params").iter().all(|parameter| {
        let name = parameter[0].as_str().expect("a name");
        let known = resource_type.and_then(|resource_type| search_parameter(resource_type, name));
        known.is_some_and(|known| known.kind() == SearchKind::Token)
    })
}

fn grants(row: &Value) -> Vec<Value> {
    row["expected"].as_array().cloned().unwrap_or_default()
}

fn expected(row: &Value) -> Vec<String> {
    grants(row).iter().map(printed).collect()
}

/// A grant as `level/Type.letters name=value ...`.
fn printed(grant: &Value) -> String {
    let (context, resource_type) = (text(grant, "context"), text(grant, "resource_type"));
    let mut out = format!("{context}/{resource_type}.{}", text(grant, "cruds"));
    for parameter in list(grant, "params") {
        let part = |index: usize| parameter[index].as_str().expect("a text");
        out += &format!(" {}={}", part(0), part(1));
    }
    out
}

/// What the filter makes of the scopes of a token whose issuer is configured for its separator, in the
/// form of the table; found out by what each covers.
fn granted(scopes: &str) -> Vec<String> {
    let separator = separator(scopes);
    let texts = scopes.split(' ').filter(|text| !text.is_empty());
    let read = Scopes::read(texts.map(|text| separator.read(text)).collect());
    read.data().map(|scope| grant(scope)).collect()
}

fn separator(scopes: &str) -> ScopeSeparator {
    let separators = [
        (".", ScopeSeparator::Dot),
        ("$", ScopeSeparator::Dollar),
        ("%2f", ScopeSeparator::Encoded),
    ];
    let separates = |scope: &str, separator: &str| {
        let levels = ["patient", "system", "user"];
        let mut behind = levels.iter().filter_map(|level| scope.strip_prefix(level));
        behind.any(|rest| rest.starts_with(separator))
    };
    let found = separators.into_iter().find(|(text, _)| {
        let mut scopes = scopes.split(' ');
        scopes.any(|scope| separates(scope, text))
    });
    found.map_or(ScopeSeparator::Slash, |(_, separator)| separator)
}

fn grant(scope: &Scope) -> String {
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
    let mut out = format!("{level}/{type_name}.{letters}");
    for parameter in &scope.parameters {
        let values: Vec<String> = parameter.values.iter().map(ToString::to_string).collect();
        out += &format!(" {}={}", parameter.definition.name(), values.join(","));
    }
    out
}
