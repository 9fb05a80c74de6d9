//! FHIR Works on AWS: combinations of scopes, callers, interactions and resources.
//!
//! Its tokens have scopes of version 1 of SMART, and the deployment of its tests gives them less than the
//! standard does (`scope_rule`): they are restated as the scopes of version 2 that mean exactly that.

use serde_json::{Value, json};

use super::world::name_of;
use super::{Ask, Caller, OFFERED, PATIENT_PATIENT, PATIENT_USER, World, ask_as, judge, verdict};
use crate::account::{Account, Decision, Suite};
use crate::vectors::{Vectors, list, text};

const EXPORT: &str = "it is about $export, which the filter has no interaction for";
const ENGINE: &str = "it is no decision, but what the library hands to its own search engine";
const NOTHING: &str = "it names no type, and so no request";
const FOREIGN: &str = "the caller is of another server than the API, and the resource has the same URL: to \
                       the library that is the caller, to the filter nobody of this server";
const SYSTEM: &str = "a search shows what only a system/ scope covers, to which its own scope_rule gives \
                      no search";

const READS: &str = "`system/Patient.read` is usable, by the suite itself, and a read of a Patient is what it \
                     is for (SMART App Launch 2.2, \"Scopes for requesting FHIR Resources\": \"v1 `.read` ⇒ \
                     v2 `.rs`\", and \"`r` for `read`\" is \"Instance level read\")";

const HISTORY: &str = "its scope_rule gives system/ a read and no history of an instance: `r` is both (SMART \
                       App Launch 2.2, \"Scopes for requesting FHIR Resources\": \"`r` for `read`\" is \
                       \"Instance level read\", \"Instance level vread\" and \"Instance level history\")";

const CROSSED: &str = "a scope of one level, for a caller who is established for another only: to the library the \
                       user is good for patient/ scopes too, and the patient for user/ scopes";

const SEVERAL: &str = "a Bundle whose entries may be opened by scopes of different levels, of which the filter takes \
                       one a token";

const HOST: &str = "https://fhir.server.com/dev";

pub fn decisions(vectors: &Vectors) {
    let mut account = Account::new(Suite {
        title: "FHIR Works on AWS, decisions",
        rules: &[
            (OFFERED, 64),
            (NOTHING, 14),
            (EXPORT, 50),
            (ENGINE, 37),
            (PATIENT_PATIENT, 7),
            (PATIENT_USER, 33),
            (FOREIGN, 2),
            (SYSTEM, 69),
            (CROSSED, 9),
            (SEVERAL, 33),
        ],
        corrections: &[
            ("authorizeAndFilterReadResponse Combo Test Row 57", READS),
            ("authorizeAndFilterReadResponse Combo Test Row 104", READS),
            ("verifyAccessToken Combo Test Row 107", HISTORY),
        ],
        accepted: 339,
        refused: 215,
    });
    tokens(vectors, &mut account);
    writes(vectors, &mut account);
    reads(vectors, &mut account);
    types(vectors, &mut account);
    bundles(vectors, &mut account);
    for (name, rule) in [
        ("verifyAccessToken-BulkDataAuth", EXPORT),
        ("getSearchFilterBasedOnIdentity", ENGINE),
    ] {
        let table = vectors.json(&format!("fhir-authz/fwoa/{name}.json"));
        list(&table, "cases")
            .iter()
            .for_each(|_| account.leave(rule));
    }
    account.close();
}

/// Whether a token's scopes are for an interaction with a type, on whatever resource: here on the own one.
fn tokens(vectors: &Vectors, account: &mut Account) {
    let table = vectors.json("fhir-authz/fwoa/verifyAccessToken.json");
    let mut world = World::new(vectors, HOST, |_| ());
    for row in list(&table, "cases") {
        let token = &row["decodedAccessToken"];
        let string = |value: &Value| value.as_str().map(str::to_owned);
        let caller = Caller {
            scope: translated(list(token, "scp")),
            patient: string(&token["ext"]["launch_response_patient"]),
            user: string(&token["fhirUser"]),
        };
        let of = row["request"]["resourceType"].as_str().unwrap_or_default();
        let ask = own(text(&row["request"], "operation"), of);
        let found = verdict(&ask_as(&mut world, &caller, &ask));
        let expected = Decision::accept_if(row["expected"]["decision"] == "allow");
        let rule = if of.is_empty() {
            Some(NOTHING)
        } else {
            patient_as_user(&caller, of)
        };
        let id = format!("verifyAccessToken {}", text(row, "testName"));
        judge(account, &id, rule, expected, found);
    }
}

/// Whether a resource may be written, by its content.
fn writes(vectors: &Vectors, account: &mut Account) {
    let table = vectors.json("fhir-authz/fwoa/isWriteRequestAuthorized.json");
    for row in list(&table, "cases") {
        let request = &row["request"];
        let mut world = World::new(vectors, text(request, "fhirServiceBaseUrl"), |_| ());
        let caller = identity(request, "scopes");
        let resource = &request["resourceBody"];
        let of = text(resource, "resourceType");
        let ask = written(text(request, "operation"), resource);
        let found = verdict(&ask_as(&mut world, &caller, &ask));
        let expected = Decision::accept_if(row["expected"]["decision"] == "allow");
        let foreign = !text(request, "fhirServiceBaseUrl").starts_with(HOST);
        let by_patient =
            caller.scope.contains(&format!("patient/{of}")) && caller.patient.is_some();
        let rule = if by_patient && of == "Patient" && ask.method != "PUT" && ask.method != "PATCH"
        {
            Some(PATIENT_PATIENT)
        } else if foreign && names(resource, &caller) {
            Some(FOREIGN)
        } else {
            patient_as_user(&caller, of)
        };
        let id = format!("isWriteRequestAuthorized {}", text(row, "testName"));
        judge(account, &id, rule, expected, found);
    }
}

/// What leaves of an answer. A read is judged as it is, and a search, which is one of Patients, entry by
/// entry.
fn reads(vectors: &Vectors, account: &mut Account) {
    let table = vectors.json("fhir-authz/fwoa/authorizeAndFilterReadResponse.json");
    for row in list(&table, "cases") {
        let request = &row["request"];
        let base = text(request, "fhirServiceBaseUrl");
        let mut world = World::new(vectors, base, |_| ());
        let answer = &request["readResponse"];
        let id = format!("authorizeAndFilterReadResponse {}", text(row, "testName"));
        if request["operation"] == "read" {
            // An earlier step of the library has said which scopes are for this.
            let caller = identity(request, "usableScopes");
            let resource = &answer["resource"];
            let ask = Ask {
                method: "GET".to_owned(),
                path: format!("/{}", name_of(resource)),
                answer: Some(resource.clone()),
                ..Ask::default()
            };
            let found = verdict(&ask_as(&mut world, &caller, &ask));
            let expected = Decision::accept_if(row["expected"]["decision"] == "allow");
            let rule = patient_as_user(&caller, text(resource, "resourceType"));
            judge(account, &id, rule, expected, found);
            continue;
        }
        let caller = identity(request, "scopes");
        let ask = Ask {
            method: "GET".to_owned(),
            path: "/Patient".to_owned(),
            answer: Some(json!({"resourceType": "Bundle", "type": "searchset",
                "entry": answer["entry"]})),
            ..Ask::default()
        };
        // What is not a Patient was sent along: each type is asked for by itself.
        let mut left = |of: &str| {
            let with = match of {
                "Patient" => String::new(),
                of => format!("?_revinclude={of}:subject"),
            };
            let ask = Ask {
                path: format!("/Patient{with}"),
                ..ask.clone()
            };
            let asked = ask_as(&mut world, &caller, &ask);
            let left = asked.iter().flat_map(|one| one.answered.entries());
            left.collect::<Vec<String>>()
        };
        let names = |answer: &Value| {
            let entries = answer["entry"].as_array().cloned().unwrap_or_default();
            let names = entries.iter().map(|entry| name_of(&entry["resource"]));
            names.collect::<Vec<String>>()
        };
        let kept = names(&row["expected"]["result"]);
        for name in names(answer) {
            let of = name.split('/').next().unwrap_or_default();
            let covers = |level: &str| caller.scope.contains(&format!("{level}/{of}."));
            let own = caller.patient.as_deref() == Some(&format!("{base}/{name}"));
            let user = caller.user.as_deref().unwrap_or_default();
            let others = (covers("patient") && own) || (covers("user") && user.starts_with(base));
            let crossed = (covers("patient") && caller.patient.is_none() && caller.user.is_some())
                || (covers("user") && caller.user.is_none() && caller.patient.is_some());
            let rule = if covers("system") && !others {
                Some(SYSTEM)
            } else if crossed && !others {
                Some(CROSSED)
            } else {
                patient_as_user(&caller, of)
            };
            let expected = Decision::accept_if(kept.contains(&name));
            let found = Decision::accept_if(left(of).contains(&name));
            judge(
                account,
                &format!("{id}, {name}"),
                rule,
                expected,
                (None, found),
            );
        }
    }
}

/// Types that scopes open for an interaction, whoever the caller is: here somebody of each kind.
fn types(vectors: &Vectors, account: &mut Account) {
    let table = vectors.json("fhir-authz/fwoa/getAllowedResourceTypesForOperation.json");
    let mut world = World::new(vectors, HOST, |_| ());
    for row in list(&table, "cases") {
        let request = &row["request"];
        let caller = Caller {
            scope: translated(list(&request["userIdentity"], "scopes")),
            patient: Some(format!("{HOST}/Patient/id")),
            user: Some(format!("{HOST}/Practitioner/id")),
        };
        let allowed = list(&row["expected"], "result");
        for of in ["Condition", "MedicationRequest", "Observation", "Patient"] {
            let ask = own(text(request, "operation"), of);
            let found = verdict(&ask_as(&mut world, &caller, &ask));
            let expected = Decision::accept_if(allowed.contains(&json!(of)));
            let name = text(row, "testName");
            let id = format!("getAllowedResourceTypesForOperation {name}, {of}");
            judge(account, &id, None, expected, found);
        }
    }
}

/// A transaction, entry by entry.
fn bundles(vectors: &Vectors, account: &mut Account) {
    let table = vectors.json("fhir-authz/fwoa/isBundleRequestAuthorized.json");
    for row in list(&table, "cases") {
        let request = &row["request"];
        let mut world = World::new(vectors, text(request, "fhirServiceBaseUrl"), |_| ());
        let caller = identity(request, "scopes");
        let entries: Vec<Value> = list(request, "requests").iter().map(entry).collect();
        let ask = Ask {
            method: "POST".to_owned(),
            body: Some(json!({"resourceType": "Bundle", "type": "transaction", "entry": entries})),
            ..Ask::default()
        };
        let found = verdict(&ask_as(&mut world, &caller, &ask));
        let expected = Decision::accept_if(row["expected"]["decision"] == "allow");
        let established = [
            caller.scope.contains("patient/") && caller.patient.is_some(),
            caller.scope.contains("user/") && caller.user.is_some(),
            caller.scope.contains("system/"),
        ];
        let several = established.iter().filter(|level| **level).count() > 1;
        let rule = several.then_some(SEVERAL);
        let id = format!("isBundleRequestAuthorized {}", text(row, "testName"));
        judge(account, &id, rule, expected, found);
    }
}

fn entry(request: &Value) -> Value {
    let (of, id) = (text(request, "resourceType"), text(request, "id"));
    let (method, url) = match text(request, "operation") {
        "create" => ("POST", of.to_owned()),
        "read" => ("GET", format!("{of}/{id}")),
        "update" => ("PUT", format!("{of}/{id}")),
        other => panic!("an entry that does {other}"),
    };
    let mut entry = json!({"request": {"method": method, "url": url}});
    if method != "GET" {
        entry["resource"] = request["resource"].clone();
    }
    entry
}

/// Whether a resource names the caller by a URL.
fn names(resource: &Value, caller: &Caller) -> bool {
    let resource = resource.to_string();
    let mut own = [&caller.patient, &caller.user].into_iter().flatten();
    own.any(|own| resource.contains(&format!("\"{own}\"")))
}

/// `user/` scopes for a type, of a user who is a Patient.
fn patient_as_user(caller: &Caller, of: &str) -> Option<&'static str> {
    let user = caller.user.as_deref().unwrap_or_default();
    let covers = |scope: &str| {
        let rest = scope.strip_prefix("user/");
        rest.is_some_and(|rest| rest.starts_with(&format!("{of}.")) || rest.starts_with("*."))
    };
    let patient = user.contains("/Patient/") && caller.scope.split(' ').any(covers);
    patient.then_some(PATIENT_USER)
}

/// Who asks, with the scopes of this member.
fn identity(request: &Value, scopes: &str) -> Caller {
    let identity = &request["userIdentity"];
    let reference = |name: &str| {
        let object = identity[name].as_object()?;
        let part = |name: &str| object[name].as_str().unwrap_or_default();
        Some(format!(
            "{}/{}/{}",
            part("hostname"),
            part("resourceType"),
            part("id")
        ))
    };
    Caller {
        scope: translated(list(identity, scopes)),
        patient: reference("patientLaunchContext"),
        user: reference("fhirUserObject"),
    }
}

/// Scopes of version 1 under the deployment's `scope_rule`, as those of version 2.
fn translated(scopes: &[Value]) -> String {
    let translate = |scope: &Value| {
        let scope = scope.as_str()?;
        let (of, access) = scope.split_once('.')?;
        let (read, write) = match of.split('/').next()? {
            "patient" => ("rs", "c"),
            "user" => ("rs", "cud"),
            _ => ("r", ""),
        };
        let letters = match access {
            "read" => read.to_owned(),
            "write" => write.to_owned(),
            _ => "cruds"
                .chars()
                .filter(|letter| read.contains(*letter) || write.contains(*letter))
                .collect(),
        };
        (!letters.is_empty()).then(|| format!("{of}.{letters}"))
    };
    let scopes: Vec<String> = scopes.iter().filter_map(translate).collect();
    match scopes.is_empty() {
        true => "openid".to_owned(),
        false => scopes.join(" "),
    }
}

/// An interaction with the own Patient, or with a resource of this type that is the own patient's.
fn own(operation: &str, of: &str) -> Ask {
    let id = if of == "Patient" { "id" } else { "1" };
    let resource = json!({"resourceType": of, "id": id, "meta": {"versionId": "1"},
        "subject": {"reference": "Patient/id"}});
    let bundle = |kind: &str| {
        json!({"resourceType": "Bundle", "type": kind,
            "entry": [{"resource": resource, "request": {"method": "PUT", "url": "x"}}]})
    };
    let get = |path: String, answer: Value| Ask {
        method: "GET".to_owned(),
        path,
        confines: true,
        answer: Some(answer),
        ..Ask::default()
    };
    match operation {
        "read" => get(format!("/{of}/{id}"), resource),
        "vread" => get(format!("/{of}/{id}/_history/1"), resource),
        "history-instance" => get(format!("/{of}/{id}/_history"), bundle("history")),
        "history-type" => get(format!("/{of}/_history"), bundle("history")),
        "search-type" => get(format!("/{of}"), bundle("searchset")),
        "history-system" => get(format!("/_history?_type={of}"), bundle("history")),
        "search-system" => get(format!("?_type={of}"), bundle("searchset")),
        "batch" | "transaction" => Ask {
            method: "POST".to_owned(),
            body: Some(json!({"resourceType": "Bundle", "type": operation,
                "entry": [{"resource": resource, "request": {"method": "POST", "url": of}}]})),
            ..Ask::default()
        },
        operation => written(operation, &resource),
    }
}

/// A write of this resource.
fn written(operation: &str, resource: &Value) -> Ask {
    let of = text(resource, "resourceType");
    let method = match operation {
        "create" => "POST",
        "update" => "PUT",
        "patch" => "PATCH",
        "delete" => "DELETE",
        other => panic!("an interaction {other}"),
    };
    Ask {
        method: method.to_owned(),
        path: match method {
            "POST" => format!("/{of}"),
            _ => format!("/{}", name_of(resource)),
        },
        body: match method {
            "PATCH" => Some(json!([{"op": "add", "path": "/language", "value": "en"}])),
            "DELETE" => None,
            _ => Some(resource.clone()),
        },
        current: Some(resource.clone()),
        answer: None,
        ..Ask::default()
    }
}
