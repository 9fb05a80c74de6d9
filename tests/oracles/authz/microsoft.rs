//! Microsoft's FHIR server: what searches show under SMART scopes.
//!
//! The server finds what a search asks for; scopes and compartments are the filter's part. So the stand-in
//! for it looks at the client's conditions only, and shows everybody's.

use std::collections::BTreeSet;

use fhir_guard::identity::Scopes;
use serde_json::{Value, json};

use super::{Ask, Caller, OFFERED, UNIVERSAL, World, confined, is_universal, judge, not_offered};
use crate::account::{Account, Decision, Suite};
use crate::vectors::{Vectors, list, text};

const PARAMETERS: &str = "a scope has a parameter that is no token parameter of the filter's table, or is for \
                          all types: it grants nothing, and is not taken for less than it says";
const PRACTITIONER: &str = "its server confines a practitioner to the own compartment, which the standard \
                            leaves to the server: the filter leaves user/ scopes unconfined";
const USERS: &str = "user/ scopes are for what a user can access, and what that is the server says (SMART App \
                     Launch 2.2, \"User-level scopes\": \"this isn't just data about the user; it's data \
                     available to that user\"): the practitioner compartment is one server's answer";
const TYPE: &str = "`_type` in a search of one type: the standard has it for searches of all types";
const SOME: &str = "a search of several types, or with others sent along, with scopes for some: the server shows \
                    those, the filter wants a scope for each";
const CONTEXT: &str = "patient/ scopes without a patient in context, which its server leaves unconfined: to \
                       the filter they mean nothing";

pub fn searches(vectors: &Vectors) {
    let mut account = Account::new(Suite {
        title: "Microsoft FHIR server, searches under scopes",
        rules: &[
            (OFFERED, 15),
            (PARAMETERS, 57),
            (PRACTITIONER, 5),
            (CONTEXT, 1),
            (UNIVERSAL, 12),
            (TYPE, 2),
            (SOME, 4),
        ],
        corrections: &[
            (
                "GivenFhirUserClaimPractitioner_WhenAllResourcesRequested_ResourcesInTheSame\
                 ComparementAndUniversalResourcesAlsoReturned, step 0, smart-patient-C",
                USERS,
            ),
            (
                "GivenPractitionerAccessControlContext_WhenSearchingPatientNotInTheirCompartment_\
                 ThenNoResourcesReturned, step 0",
                USERS,
            ),
        ],
        accepted: 16,
        refused: 6,
    });
    let files = ["Common", "PatientA", "PatientB", "PatientC", "PatientD"];
    let bundles = files.map(|name| vectors.json(&format!("fhir-authz/ms-smart/Smart{name}.json")));
    let entries = bundles.iter().flat_map(|bundle| list(bundle, "entry"));
    let stored: Vec<&Value> = entries.map(|entry| &entry["resource"]).collect();
    let mut world = World::new(vectors, "https://fhir.example.org/r4", |_| ());
    let table = vectors.json("fhir-authz/ms-smart/ms_smart_search.json");
    for test in list(&table, "tests") {
        for (place, step) in list(test, "steps").iter().enumerate() {
            let id = format!("{}, step {place}", text(test, "test"));
            let caller = caller(step);
            let ask = confined(&caller, &ask(step, &stored));
            let missing = not_offered(&caller, &ask);
            let rule = inapplicable(&caller, &ask, &step["expected"]);
            let left: Vec<String> = world.ask(&caller, &ask).entries();
            let expected = &step["expected"];
            let (wanted, found) = compared(expected, &left);
            judge(&mut account, &id, rule, wanted, (missing, found));
            for forbidden in ["must_not_contain_ids", "must_not_contain_types"] {
                for name in expected[forbidden].as_array().into_iter().flatten() {
                    let name = name.as_str().expect("a name");
                    let is = |one: &String| one.split('/').any(|part| part == name);
                    let found = Decision::accept_if(left.iter().any(is));
                    let id = format!("{id}, {name}");
                    judge(&mut account, &id, rule, Decision::Refuse, (missing, found));
                }
            }
        }
    }
    account.close();
}

/// Why a step does not apply.
fn inapplicable(caller: &Caller, ask: &Ask, expected: &Value) -> Option<&'static str> {
    let scopes: Vec<String> = caller.scope.split(' ').map(str::to_owned).collect();
    let granted = Scopes::read(scopes.clone()).data().count();
    let patient = caller.scope.contains("patient/");
    let wanted = expected["must_contain_types"]
        .as_array()
        .into_iter()
        .flatten();
    let wanted = wanted.filter_map(Value::as_str);
    let beyond = wanted.clone().any(is_universal);
    if granted < scopes.len() {
        Some(PARAMETERS)
    } else if caller.user.is_some() {
        Some(PRACTITIONER)
    } else if patient && caller.patient.is_none() {
        Some(CONTEXT)
    } else if !ask.path.contains("/*") && ask.path.contains("_type=") {
        Some(TYPE)
    } else if patient && (beyond || is_universal(&ask.path)) {
        Some(UNIVERSAL)
    } else if !caller.scope.contains("/*.") && reaches_more(caller, ask) {
        Some(SOME)
    } else {
        None
    }
}

/// Whether a search reaches types for which there is no scope: all, or those that are sent along.
fn reaches_more(caller: &Caller, ask: &Ask) -> bool {
    let covered = |of: &str| caller.scope.contains(&format!("/{of}."));
    let (path, query) = ask.path.split_once('?').unwrap_or((&ask.path, ""));
    let mut along = query.split('&').filter_map(|part| {
        let source = part.strip_prefix("_revinclude=");
        let source = source.and_then(|source| source.split(':').next());
        source.or(part.starts_with("_include=").then_some("Patient"))
    });
    path.ends_with("/*") || along.any(|of| !covered(of))
}

/// What a step expects, and what was found: a step that expects something is satisfied by exactly that.
fn compared(expected: &Value, left: &[String]) -> (Decision, Decision) {
    let names = |name: &str| {
        let names = expected[name]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        names
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<&str>>()
    };
    let part = |place: usize| {
        let parts = left.iter().filter_map(|one| one.split('/').nth(place));
        let mut parts: Vec<&str> = parts.collect();
        parts.sort_unstable();
        parts
    };
    let (types, ids) = (part(0), part(1));
    let some = expected["non_empty"] == true
        || !names("exact_ids").is_empty()
        || !names("must_contain_ids").is_empty()
        || !names("exact_types").is_empty()
        || !names("must_contain_types").is_empty()
        || expected["count"].as_u64().is_some_and(|count| count > 0);
    if !some {
        return (Decision::Refuse, Decision::accept_if(!left.is_empty()));
    }
    let sorted = |name: &str| names(name).into_iter().collect::<BTreeSet<&str>>();
    let mut exact_types = names("exact_types");
    exact_types.sort_unstable();
    let count = expected["count"].as_u64().map(|count| count as usize);
    let exact_ids = sorted("exact_ids");
    let satisfied = !left.is_empty()
        && count.is_none_or(|count| count == left.len())
        && (exact_types.is_empty() || exact_types == types)
        && (exact_ids.is_empty() || exact_ids == ids.iter().copied().collect())
        && names("must_contain_ids").iter().all(|id| ids.contains(id))
        && names("must_contain_types")
            .iter()
            .all(|name| types.contains(name));
    (Decision::Accept, Decision::accept_if(satisfied))
}

fn caller(step: &Value) -> Caller {
    let compartment = step["compartment"].as_str().unwrap_or_default();
    let practitioner = compartment.starts_with("Practitioner/");
    Caller {
        scope: text(step, "scope_string").to_owned(),
        patient: compartment.strip_prefix("Patient/").map(str::to_owned),
        user: practitioner.then(|| compartment.to_owned()),
    }
}

fn ask(step: &Value, stored: &[&Value]) -> Ask {
    let request = &step["request"];
    let query = list(request, "query");
    let pairs = query.iter().map(|pair| {
        let part = |index: usize| pair[index].as_str().expect("a text");
        format!("{}={}", part(0), part(1))
    });
    let pairs: Vec<String> = pairs.collect();
    let of = request["type"].as_str();
    let path = match (text(request, "op"), of) {
        ("compartment-search", of) => {
            format!("/{}/{}", text(request, "compartment"), of.unwrap_or("*"))
        }
        (_, Some(of)) => format!("/{of}"),
        (_, None) => String::new(),
    };
    // More than was asked for is what a search that includes may show.
    let includes = pairs
        .iter()
        .any(|pair| pair.starts_with("_include") || pair.starts_with("_revinclude"));
    let entry = |resource: &&&Value| {
        let asked = of.is_none_or(|of| resource["resourceType"] == of);
        let mode = if asked { "match" } else { "include" };
        // A Patient is in the compartment of another by a link, and in the own one by no parameter.
        let linked = text(request, "op") != "compartment-search"
            || resource["resourceType"] != "Patient"
            || !resource["link"].is_null();
        let matches = linked && (!asked || query.iter().all(|pair| matches(resource, pair)));
        (matches && (asked || includes))
            .then(|| json!({"resource": resource, "search": {"mode": mode}}))
    };
    let entries: Vec<Value> = stored
        .iter()
        .filter_map(|resource| entry(&resource))
        .collect();
    Ask {
        method: "GET".to_owned(),
        path: match pairs.is_empty() {
            true => path,
            false => format!("{path}?{}", pairs.join("&")),
        },
        confines: true,
        answer: Some(json!({"resourceType": "Bundle", "type": "searchset", "entry": entries})),
        ..Ask::default()
    }
}

/// Whether a resource matches a condition of the client; one that is not known here lets all through.
fn matches(resource: &Value, pair: &Value) -> bool {
    let (name, value) = (
        pair[0].as_str().unwrap_or_default(),
        pair[1].as_str().unwrap_or_default(),
    );
    match name {
        "_id" => resource["id"] == value,
        "_type" => value.split(',').any(|of| resource["resourceType"] == of),
        "gender" => resource["gender"] == value,
        "name" => {
            let starts = |text: &str| text.to_lowercase().starts_with(&value.to_lowercase());
            let names = resource["name"].as_array().into_iter().flatten();
            names.clone().any(|name| {
                let given = name["given"].as_array().into_iter().flatten();
                let mut parts = given.chain([&name["family"]]).filter_map(Value::as_str);
                parts.any(starts)
            })
        }
        "code" => {
            let (system, code) = value.split_once('|').unwrap_or(("", value));
            let mut codings = resource["code"]["coding"].as_array().into_iter().flatten();
            codings.any(|coding| coding["code"] == code && coding["system"] == system)
        }
        _ => true,
    }
}
