//! FHIR AuditEvents: what exchanges of ours leave, by the published profiles of IHE BALP and the schema of R4.
//!
//! A row is an event. To be accepted: the published examples, every event of ours, and ours beside the published
//! example of the same exchange, from which it differs in identities alone. To be refused: every event of ours
//! with something taken away or changed that its profiles ask for, and ours beside the examples of other exchanges.

mod profiles;
mod world;

use fhir_guard::audit::{AuditPolicy, Concerned, Outcome, Record, event};
use serde_json::{Value, json};

use crate::account::{Account, Decision, Suite};
use crate::tokens::NOW;
use crate::vectors::{Vectors, text};
use profiles::{Profiles, items};
use world::{Ask, World};

const SAML: &str = "it is of a SAML token, which the filter does not take";

const LIST: &str = r#"{"resourceType":"List","id":"ex-list","meta":{"versionId":"1"},"status":"current","mode":"working","subject":{"reference":"Patient/ex-patient"}}"#;
const PATIENT: &str = r#"{"resourceType":"Patient","id":"ex-patient"}"#;
const FOUND: &str = r#"{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"Observation","id":"1","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/ex-patient"}},"search":{"mode":"match"}},{"resource":{"resourceType":"Observation","id":"2","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/other"}},"search":{"mode":"match"}}]}"#;
const NOTHING: &str = r#"{"resourceType":"Bundle","type":"searchset"}"#;
const HISTORY: &str = r#"{"resourceType":"Bundle","type":"history"}"#;
const DONE: &str = r#"{"resourceType":"Bundle","type":"batch-response","entry":[{"resource":{"resourceType":"Patient","id":"ex-patient"},"response":{"status":"200"}},{"response":{"status":"204"}}]}"#;

pub fn events(vectors: &Vectors) {
    let mut account = Account::new(Suite {
        title: "IHE BALP, AuditEvents",
        rules: &[(SAML, 4)],
        corrections: &[],
        accepted: 144,
        refused: 1647,
    });
    let profiles = Profiles::read(vectors);
    let examples = Profiles::examples(vectors);
    for example in &examples {
        let claimed = items(&example["meta"]["profile"]);
        if claimed.iter().any(|url| url.to_string().contains("SAML")) {
            account.leave(SAML);
        } else {
            judge(
                &profiles,
                &mut account,
                text(example, "id"),
                example,
                Decision::Accept,
            );
        }
    }
    for (name, event) in ours(vectors) {
        judge(&profiles, &mut account, &name, &event, Decision::Accept);
        for (what, mutant) in mutants(&event) {
            let id = format!("{name}, {what}");
            judge(&profiles, &mut account, &id, &mutant, Decision::Refuse);
        }
    }
    rebuilt(vectors, &examples, &mut account);
    account.close();
}

fn judge(profiles: &Profiles, account: &mut Account, id: &str, event: &Value, expected: Decision) {
    let faults = profiles.faults(event);
    let found = Decision::accept_if(faults.is_empty());
    let id = match (expected, found) {
        (Decision::Accept, Decision::Refuse) => format!("{id}: {faults:?} in {event}"),
        _ => id.to_owned(),
    };
    account.judge(&id, expected, found);
}

/// How records tell of whom, in each of the worlds.
fn tellings() -> [(&'static str, Value); 4] {
    [
        ("by default", json!({})),
        ("plain", json!({"query": "plain", "token_id": "plain"})),
        (
            "hashed",
            json!({"address": "hashed", "references": "hashed"}),
        ),
        (
            "nothing",
            json!({"address": "none", "query": "names", "references": "none", "token_id": "none"}),
        ),
    ]
}

/// Every event of ours, by a name.
fn ours(vectors: &Vectors) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (telling, audit) in tellings() {
        let mut world = told(vectors, &audit);
        for ask in asks() {
            let events = world.events(&ask);
            let outcome = FAILED.iter().find(|(name, _)| *name == ask.name);
            let outcome = outcome.map_or("0", |(_, outcome)| outcome);
            let first = events.first().map(|event| &event["outcome"]);
            assert_eq!(first, Some(&json!(outcome)), "{}", ask.name);
            for (place, event) in events.into_iter().enumerate() {
                found.push((format!("{}, {telling}, {place}", ask.name), event));
            }
        }
    }
    for (place, event) in disclosed().into_iter().enumerate() {
        found.push((format!("a file of an export, {place}"), event));
    }
    found
}

fn told(vectors: &Vectors, audit: &Value) -> World {
    World::new(vectors, |config| {
        let members = config["audit"].as_object_mut().expect("an object");
        members.extend(audit.as_object().expect("an object").clone());
    })
}

/// The events of a file of an export.
fn disclosed() -> Vec<Value> {
    let policy = AuditPolicy {
        observer: "fhir.example.org".to_owned(),
        base: "https://fhir.example.org/r4".to_owned(),
        ..AuditPolicy::default()
    };
    let record = Record {
        policy: policy.into(),
        began: NOW * 1_000_000_000,
        request_id: "r".to_owned(),
        client: Some("app".to_owned()),
        subject: Some("app".to_owned()),
        interaction: Some("export-file"),
        concerned: Concerned {
            patients: vec!["Patient/1".to_owned(), "Patient/2".to_owned()],
            more: 3,
        },
        ..Record::default()
    };
    let events = event::events(&record, Outcome::Allowed, 200, NOW * 1_000_000_000);
    events.iter().map(|event| world::read(event)).collect()
}

/// Those that do not succeed, and how.
const FAILED: [(&str, &str); 7] = [
    ("no scope", "8"),
    ("an old token", "4"),
    ("another login is needed", "4"),
    ("no such type", "8"),
    ("not there", "8"),
    ("the server fails", "12"),
    ("another resource", "12"),
];

/// One exchange of every kind.
fn asks() -> Vec<Ask> {
    let ask = |name, method, path, status, answer| Ask {
        name,
        claims: json!({"scope": "user/*.cruds", "fhirUser": "Practitioner/7"}),
        method,
        path,
        body: None,
        status,
        answer,
    };
    let with_body = |name, method, path, body: Value, status, answer| Ask {
        body: Some(body),
        ..ask(name, method, path, status, answer)
    };
    let list = || json!({"resourceType": "List", "id": "ex-list", "status": "current", "mode": "working", "subject": {"reference": "Patient/ex-patient"}});
    let mut new = list();
    new.as_object_mut().expect("an object").remove("id");
    let of_user = json!({
        "scope": "user/*.cruds",
        "fhirUser": "Practitioner/7",
        "roles": [{"system": "urn:roles", "code": "nurse"}, "ward 3"],
        "purpose": "http://terminology.hl7.org/CodeSystem/v3-ActReason|BTG",
    });
    let entry = |method: &str, url: &str| json!({"request": {"method": method, "url": url}});
    let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [
        entry("GET", "Patient/ex-patient"), entry("DELETE", "List/ex-list"), entry("GET", "Nonsense/1")]});
    vec![
        ask("read", "GET", "/List/ex-list", 200, LIST),
        ask("vread", "GET", "/List/ex-list/_history/1", 200, LIST),
        ask("search", "GET", "/Observation?code=x", 200, FOUND),
        ask(
            "search that finds nothing",
            "GET",
            "/Observation?code=x",
            200,
            NOTHING,
        ),
        ask(
            "search in a compartment",
            "GET",
            "/Patient/ex-patient/Observation",
            200,
            NOTHING,
        ),
        ask(
            "search of several types",
            "GET",
            "?_type=Observation,Procedure&patient=ex-patient",
            200,
            NOTHING,
        ),
        ask("history", "GET", "/List/ex-list/_history", 200, HISTORY),
        ask("history of a type", "GET", "/List/_history", 200, HISTORY),
        ask(
            "operation",
            "GET",
            "/Patient/ex-patient/$everything",
            200,
            NOTHING,
        ),
        with_body("create", "POST", "/List", new, 201, ""),
        with_body("update", "PUT", "/List/ex-list", list(), 200, LIST),
        with_body(
            "patch",
            "PATCH",
            "/List/ex-list",
            json!([{"op": "replace", "path": "/title", "value": "x"}]),
            200,
            LIST,
        ),
        ask("delete", "DELETE", "/Patient/ex-patient", 204, ""),
        with_body("batch", "POST", "", batch, 200, DONE),
        Ask {
            claims: of_user,
            ..ask("break glass", "GET", "/List/ex-list", 200, LIST)
        },
        Ask {
            claims: json!({"scope": "system/*.cruds", "sub": "app"}),
            ..ask("read by a machine", "GET", "/List/ex-list", 200, LIST)
        },
        Ask {
            claims: json!({"scope": "system/*.cruds", "sub": "app"}),
            ..with_body(
                "update by a machine",
                "PUT",
                "/List/ex-list",
                list(),
                200,
                LIST,
            )
        },
        Ask {
            claims: json!({"scope": "patient/*.rs", "patient": "ex-patient"}),
            ..ask(
                "read by a patient",
                "GET",
                "/Patient/ex-patient",
                200,
                PATIENT,
            )
        },
        Ask {
            claims: json!({"scope": "user/Patient.rs", "fhirUser": "Practitioner/7"}),
            ..ask("no scope", "GET", "/List/ex-list", 200, LIST)
        },
        Ask {
            claims: json!({"scope": "user/*.rs", "fhirUser": "Practitioner/7", "exp": 1}),
            ..ask("an old token", "GET", "/List/ex-list", 200, LIST)
        },
        ask("another login is needed", "GET", "/Condition/1", 200, ""),
        ask("no such type", "GET", "/Nonsense/1", 200, ""),
        ask("not there", "GET", "/List/ex-list", 404, ""),
        ask("the server fails", "GET", "/List/ex-list", 500, ""),
        ask("another resource", "GET", "/List/ex-list", 200, PATIENT),
    ]
}

/// The event with something taken away, or changed, that must not be.
fn mutants(event: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    let mut add = |what: &str, edit: &dyn Fn(&mut Value)| {
        let mut mutant = event.clone();
        edit(&mut mutant);
        assert_ne!(&mutant, event, "{what}");
        found.push((what.to_owned(), mutant));
    };
    for name in ["type", "recorded", "agent", "source"] {
        add(&format!("without {name}"), &|event| {
            event.as_object_mut().expect("an object").remove(name);
        });
    }
    add("with another outcome", &|event| {
        event["outcome"] = json!("5")
    });
    add("with another element", &|event| {
        event["result"] = json!("0")
    });
    add("with an entity that has name and query", &|event| {
        event["entity"][0]["name"] = json!("x");
        event["entity"][0]["query"] = json!("eA==");
    });
    let profiles = event["meta"]["profile"].to_string();
    if profiles == "null" {
        return found;
    }
    if !profiles.contains("PrivacyDisclosure") && profiles.contains("IHE.BasicAudit.Patient")
        || ["Read", "Query", "Create", "Update", "Delete"]
            .iter()
            .any(|name| profiles.contains(&format!("BasicAudit.{name}\"")))
    {
        add("as if it had failed", &|event| {
            event["outcome"] = json!("8")
        });
        add("with another action", &|event| {
            let other = if event["action"] == "C" { "D" } else { "C" };
            event["action"] = json!(other);
        });
        add("with another interaction", &|event| {
            event["subtype"][0]["code"] = json!("capabilities")
        });
        add("with another type", &|event| {
            event["type"]["code"] = json!("110100")
        });
        for (place, name) in ["the client", "the server"].into_iter().enumerate() {
            add(&format!("without {name}"), &|event| {
                event["agent"].as_array_mut().expect("agents").remove(place);
            });
            add(&format!("without the place of {name}"), &|event| {
                let agent = event["agent"][place].as_object_mut().expect("an agent");
                agent.remove("network");
            });
            add(&format!("with another type of {name}"), &|event| {
                event["agent"][place]["type"]["coding"] = json!([{"system": "urn:x", "code": "x"}]);
            });
        }
        add("without what was asked for", &|event| {
            event["entity"].as_array_mut().expect("entities").remove(0);
        });
    }
    if profiles.contains("BasicAudit.Patient") || profiles.contains("PrivacyDisclosure") {
        add("without the patient", &|event| {
            let entities = event["entity"].as_array_mut().expect("entities");
            entities.retain(|entity| entity["role"]["code"] != "1");
        });
    }
    if profiles.contains("OAUTH") {
        add("without the user", &|event| {
            event["agent"].as_array_mut().expect("agents").pop();
        });
        add("without the token", &|event| {
            event["agent"][2]
                .as_object_mut()
                .expect("an agent")
                .remove("policy");
        });
    }
    if profiles.contains("PrivacyDisclosure") {
        add("with another source", &|event| {
            event["source"]["observer"] = json!({"display": "x"});
        });
    }
    found
}

/// Our exchanges, and the published examples of the same.
const SAME: [(&str, &str); 6] = [
    ("read", "ex-auditBasicReadClient"),
    ("search", "ex-auditBasicQueryPost"),
    ("create", "ex-auditBasicCreateNoPatient"),
    ("patch", "ex-auditBasicPatch"),
    ("delete", "ex-auditBasicDelete2"),
    ("update by a machine", "ex-auditBasicUpdateNoUser"),
];

fn rebuilt(vectors: &Vectors, examples: &[Value], account: &mut Account) {
    let mut world = told(vectors, &json!({"token_id": "none"}));
    for (name, id) in SAME {
        let ask = asks().into_iter().find(|ask| ask.name == name).expect(name);
        let own = world.events(&ask).swap_remove(0);
        for (_, other) in SAME {
            let example = examples.iter().find(|example| example["id"] == other);
            let example = example.expect(other);
            let (ours, theirs) = (skeleton(&own), skeleton(example));
            let row = match id == other && ours != theirs {
                true => format!("{name} beside {other}: {ours}, theirs {theirs}"),
                false => format!("{name} beside {other}"),
            };
            account.judge(
                &row,
                Decision::accept_if(id == other),
                Decision::accept_if(ours == theirs),
            );
        }
    }
}

/// An event without what tells one exchange from another of its kind: who, when, where and what. The entity with
/// our decision, and that of X-Request-Id, which not every example has, are left out, and who recorded it.
fn skeleton(event: &Value) -> Value {
    let codes = |codings: &Value| -> Vec<Value> {
        let mut codes: Vec<Value> = items(codings)
            .iter()
            .map(|coding| json!([coding["system"], coding["code"]]))
            .collect();
        codes.sort_by_key(Value::to_string);
        codes
    };
    let mut agents: Vec<Value> = items(&event["agent"])
        .iter()
        .map(|agent| {
            let user = agent["requestor"] == true && agent["network"].is_null();
            json!([
                codes(&agent["type"]["coding"]),
                user,
                agent["network"]["type"],
                agent["policy"]
            ])
        })
        .collect();
    agents.sort_by_key(Value::to_string);
    let known =
        |entity: &&Value| entity["type"]["code"] != "XrequestId" && entity["name"] != "exchange";
    let mut entities: Vec<Value> = items(&event["entity"])
        .into_iter()
        .filter(known)
        .map(|entity| {
            json!([
                codes(&entity["type"]),
                codes(&entity["role"]),
                entity["query"].is_string(),
                entity["what"].is_object()
            ])
        })
        .collect();
    entities.sort_by_key(Value::to_string);
    json!({
        "profile": event["meta"]["profile"],
        "type": codes(&event["type"]),
        "subtype": codes(&event["subtype"]),
        "action": event["action"],
        "outcome": event["outcome"],
        "agent": agents,
        "entity": entities,
    })
}
