//! Who may do what: the tables of other servers and gateways, each row through a whole exchange.
//!
//! A suite's token is restated as the filter wants one, and never as more than it is:
//!
//! - Scopes of several levels in one token are shown one level after the other, for the filter takes one
//!   level a token. What any of them opens, the token opens.
//! - A server that keeps a patient's search of the system within the compartment is asked for a search of
//!   the compartment.
//! - An answer has the id and the version that were asked for, where a suite's stand-in for a server did
//!   not care.

pub mod aws;
pub mod fhir_gateway;
pub mod hapi;
pub mod linux_for_health;
pub mod microsoft;
mod world;

use fhir_guard::fhir::{Compartment, ResourceType};
use serde_json::{Value, json};

use crate::account::{Account, Decision};
use world::{Answered, Ask, Caller, World};

/// What the filter does not offer, whatever the scope. Whoever builds one of these takes it off this list;
/// its rows apply then. While it stands here the filter must refuse it: one that is permitted fails its
/// suite.
const NOT_OFFERED: [&str; 6] = [
    BINARY,
    BUNDLE_CHANGES,
    COMPARTMENT_SEARCH,
    CONDITIONAL_WRITE,
    HISTORY_FOR_PATIENTS,
    INCLUDES,
];

const BINARY: &str = "any interaction with Binary";
const BUNDLE_CHANGES: &str = "update, patch and delete in a Bundle, by a patient";
const COMPARTMENT_SEARCH: &str =
    "search in the compartment of another than a Patient or a Practitioner";
const CONDITIONAL_WRITE: &str = "conditional update, patch and delete, by a patient";
const HISTORY_FOR_PATIENTS: &str = "history of a type or of several, by a patient";
const INCLUDES: &str = "_include and _revinclude of whatever there is (`*`)";

/// Why a search that several suites refuse is permitted.
const NARROWED: &str = "a patient scope is for what is about the patient in context (SMART App Launch 2.2, \
                        scopes for requesting FHIR resources): a search that names no patient is one for \
                        that, and the filter adds the patient to it";

/// Rules that several suites share.
const OFFERED: &str = "the interaction is on the list of those that the filter does not offer";
const PATIENT_PATIENT: &str =
    "a patient creates or deletes a Patient, which the filter lets no patient do";
const PATIENT_USER: &str = "it has user/ scopes for a user who is a Patient, whose rights the filter does \
                            not take from the user: they grant nothing";
const UNIVERSAL: &str = "a patient asks for a type outside the patient compartment, which the filter opens \
                         to no patient";

/// What the filter does not offer of this request, where it is on the list.
fn not_offered(caller: &Caller, ask: &Ask) -> Option<&'static str> {
    let (path, query) = ask.path.split_once('?').unwrap_or((&ask.path, ""));
    let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    // Without a patient in context such scopes mean nothing.
    let patient = caller.scope.contains("patient/") && caller.patient.is_some();
    let reads = ask.method == "GET";
    let included = query.contains("include=*");
    let missing = match segments.as_slice() {
        ["Binary", ..] => BINARY,
        [] | ["_history"] if query.contains("_type=Binary") => BINARY,
        [] if patient && changes(ask.body.as_ref()) => BUNDLE_CHANGES,
        ["_history"] | [_, "_history"] if patient => HISTORY_FOR_PATIENTS,
        [_] if reads && included => INCLUDES,
        [_] if patient && matches!(ask.method.as_str(), "PUT" | "PATCH" | "DELETE") => {
            CONDITIONAL_WRITE
        }
        ["Patient" | "Practitioner", _, third, ..] if !third.starts_with(['_', '$']) => {
            return None;
        }
        [_, _, third, ..] if !third.starts_with(['_', '$']) => COMPARTMENT_SEARCH,
        _ => return None,
    };
    NOT_OFFERED.contains(&missing).then_some(missing)
}

/// Whether a Bundle of requests changes what is there.
fn changes(bundle: Option<&Value>) -> bool {
    let entries = bundle.and_then(|bundle| bundle["entry"].as_array());
    let mut methods = entries
        .into_iter()
        .flatten()
        .map(|entry| &entry["request"]["method"]);
    methods.any(|method| matches!(method.as_str(), Some("PUT" | "PATCH" | "DELETE")))
}

/// Judges a row, or leaves it out by a rule; what is not offered is left out whatever other rules say.
fn judge(
    account: &mut Account,
    id: &str,
    rule: Option<&'static str>,
    expected: Decision,
    (missing, found): (Option<&'static str>, Decision),
) {
    match (missing, rule) {
        (Some(missing), _) if found == Decision::Accept => {
            account.disagree(id, &format!("the filter offers it now: {missing}"));
        }
        (Some(_), _) => account.leave_row(id, OFFERED, expected, found),
        (None, Some(rule)) => account.leave_row(id, rule, expected, found),
        (None, None) => account.judge(id, expected, found),
    }
}

/// The caller's token as one token for each level of its scopes.
fn levels(caller: &Caller) -> Vec<Caller> {
    let of = |level: &str| {
        let scopes = caller
            .scope
            .split(' ')
            .filter(|scope| scope.starts_with(level));
        let scopes: Vec<&str> = scopes.collect();
        (!scopes.is_empty()).then(|| Caller {
            scope: scopes.join(" "),
            ..caller.clone()
        })
    };
    let each = ["patient/", "user/", "system/"].into_iter().filter_map(of);
    let each: Vec<Caller> = each.collect();
    match each.is_empty() {
        true => vec![caller.clone()],
        false => each,
    }
}

/// What comes of a request with one of the tokens that a caller's is.
struct Asked {
    missing: Option<&'static str>,
    ask: Ask,
    answered: Answered,
}

/// What comes of a request with each of the tokens that a caller's is.
fn ask_as(world: &mut World, caller: &Caller, ask: &Ask) -> Vec<Asked> {
    let each = levels(caller).into_iter();
    each.map(|caller| {
        let ask = confined(&caller, ask);
        Asked {
            missing: not_offered(&caller, &ask),
            answered: world.ask(&caller, &ask),
            ask,
        }
    })
    .collect()
}

/// What is not offered, where the decision lacks it; and whether any of the tokens opened it.
fn verdict(asked: &[Asked]) -> (Option<&'static str>, Decision) {
    let accepts = |one: &&Asked| one.answered.decision(&one.ask) == Decision::Accept;
    match asked.iter().find(accepts) {
        Some(one) => (one.missing, Decision::Accept),
        None => (asked.iter().find_map(|one| one.missing), Decision::Refuse),
    }
}

/// A search of the system by a patient, which the server that was asked keeps within the compartment, as one
/// of the own compartment.
fn confined(caller: &Caller, ask: &Ask) -> Ask {
    let (path, _) = ask.path.split_once('?').unwrap_or((&ask.path, ""));
    let reads = caller.scope.starts_with("patient/") && ask.method == "GET";
    match &caller.patient {
        Some(patient) if reads && path.is_empty() && ask.confines => {
            let own = patient.rsplit('/').next().unwrap_or_default();
            Ask {
                path: format!("/Patient/{own}/*{}", ask.path),
                ..ask.clone()
            }
        }
        _ => ask.clone(),
    }
}

/// Whether a type that is asked for, in the path or by `_type`, is outside the patient compartment.
fn is_universal(path: &str) -> bool {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let first = path.split('/').find(|part| !part.is_empty());
    let listed = query
        .split('&')
        .filter_map(|part| part.strip_prefix("_type="));
    let mut names = first
        .into_iter()
        .chain(listed.flat_map(|list| list.split(',')));
    names.any(|name| {
        let of_patient = |found| Compartment::Patient.holds(found);
        ResourceType::parse(name).is_some_and(|found| !of_patient(found))
    })
}

/// The answer of a read with the id, and of a vread with the version, that were asked for.
fn completed(path: &str, mut answer: Value) -> Value {
    let path = path.split('?').next().unwrap_or_default();
    let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match segments.as_slice() {
        [_, id] => answer["id"] = json!(id),
        [_, id, "_history", version] => {
            answer["id"] = json!(id);
            answer["meta"]["versionId"] = json!(version);
        }
        _ => {}
    }
    answer
}

/// The types that stand in the entries of an answer.
fn entry_types(answer: &Value) -> Vec<&str> {
    let entries = answer["entry"].as_array();
    let entries = entries.map(Vec::as_slice).unwrap_or_default();
    let types = entries.iter().filter_map(|entry| {
        let own = entry["resource"]["resourceType"].as_str();
        own.or_else(|| entry["fullUrl"].as_str()?.split('/').next())
    });
    types.collect()
}
