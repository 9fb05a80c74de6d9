//! FHIR AuditEvents: what exchanges of ours leave, by the published profiles of IHE BALP and the schema of R4.
//!
//! A row is an event. To be accepted: the published examples, every event of ours, and ours beside the published
//! example of the same exchange, from which it differs in identities alone. To be refused: every event of ours
//! with something taken away or changed that its profiles ask for, and ours beside the examples of other exchanges,
//! and beside its own with anything changed that is no identity.

mod asks;
mod masked;
mod profiles;
mod rebuilt;
mod world;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::account::{Account, Decision, Suite};
use crate::vectors::{Vectors, text};
use asks::{FAILED, asks};
use profiles::{Profiles, items};
use world::{Ask, Done, World, is_on_the_page};

const SAML: &str = "it is of a SAML token, which the filter does not take";

/// What of a record tells kinds of exchanges apart, and all that it can be. What was only forwarded, or never decided,
/// ended with its worker; what others answered has no head.
const KINDS: [(&str, &str); 2] = [
    (
        "interaction",
        "batch bundle capabilities create delete export export-cancel export-file export-status history-instance history-system \
         history-type operation patch read search-compartment search-system search-type transaction update vread",
    ),
    ("outcome", "allowed cut refused withheld"),
];

pub fn events(vectors: &Vectors) {
    let mut account = Account::new(Suite {
        title: "IHE BALP, AuditEvents",
        rules: &[
            (SAML, 4),
            (rebuilt::PART, 1),
            (rebuilt::IMPORT, 1),
            (rebuilt::ORGANISATION, 1),
        ],
        corrections: &rebuilt::CORRECTIONS,
        accepted: 791,
        refused: 5659,
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
    bundled(vectors, &mut account);
    rebuilt::rebuild(vectors, &examples, &mut account);
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
        let mut add = |name: &str, events: Vec<Value>| {
            if (name, telling) == ("search", "by default") {
                is_on_the_page(&events[0]);
            }
            let outcome = FAILED.iter().find(|(failed, _)| *failed == name);
            let outcome = outcome.map_or("0", |(_, outcome)| outcome);
            let first = events.first().map(|event| &event["outcome"]);
            assert_eq!(
                first,
                Some(&json!(outcome)),
                "{name}, {telling}: {events:?}"
            );
            for (place, event) in events.into_iter().enumerate() {
                found.push((format!("{name}, {telling}, {place}"), event));
            }
        };
        let of = |ask: Ask| (ask.name, world.ask(&ask));
        let mut done: Vec<(&str, Done)> = asks().into_iter().map(of).collect();
        done.extend(asks::export(&mut world));
        for (name, codes) in KINDS {
            let known = done.iter().map(|(_, done)| &done.record[name]);
            let known: BTreeSet<&str> = known.filter_map(Value::as_str).collect();
            let expected: BTreeSet<&str> = codes.split(' ').collect();
            assert_eq!(known, expected, "every {name} has an exchange");
        }
        for (name, done) in done {
            add(name, done.events);
        }
        add("without a head", world.headless());
    }
    found.extend(announced(vectors));
    found
}

/// The intents of exchanges that wait for their repository: each is one event that says nothing of an outcome, and is
/// not the one that follows.
fn announced(vectors: &Vectors) -> Vec<(String, Value)> {
    let mut world = told(
        vectors,
        &json!({"repository": {
            "cluster": "audit", "uri": "https://audit/fhir", "format": "audit-events", "strict": true,
        }}),
    );
    let mut found = Vec::new();
    for ask in asks() {
        let done = world.ask(&ask);
        let ids = |events: &[Value]| -> Vec<Value> {
            events.iter().map(|event| event["id"].clone()).collect()
        };
        let later = ids(&done.events);
        for (place, intent) in done.intents.into_iter().enumerate() {
            assert!(
                intent["outcome"].is_null() && intent["meta"].is_null(),
                "{intent}"
            );
            assert_eq!(intent["outcomeDesc"], "announced");
            assert!(!later.contains(&intent["id"]), "{}", ask.name);
            found.push((format!("the intent of {}, {place}", ask.name), intent));
        }
    }
    found
}

/// A request of a Bundle leaves the events that it leaves alone, but for their ids and what we say of the exchange.
fn bundled(vectors: &Vectors, account: &mut Account) {
    let mut world = told(vectors, &json!({}));
    let mut events = |name: &str| {
        let ask = asks().into_iter().find(|ask| ask.name == name);
        let mut events = world.events(&ask.expect(name));
        for event in &mut events {
            event["id"].take();
            let entities = event["entity"].as_array_mut().expect("entities");
            entities.retain(|entity| entity["name"] != "exchange");
        }
        events
    };
    let alone = [("search", events("search")), ("read", events("read"))];
    let batch = events("batch");
    // Behind a read, a delete and what is none.
    let parts = [("search", batch.get(3..5)), ("read", batch.get(5..))];
    for (name, own) in &alone {
        for (other, part) in parts {
            let id = format!("{name} beside {other} of a batch");
            let found = part == Some(own.as_slice());
            account.judge(
                &id,
                Decision::accept_if(*name == other),
                Decision::accept_if(found),
            );
        }
    }
}

fn told(vectors: &Vectors, audit: &Value) -> World {
    World::new(vectors, |config| {
        let members = config["audit"].as_object_mut().expect("an object");
        members.extend(audit.as_object().expect("an object").clone());
    })
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
    add("recorded at no time", &|event| {
        event["recorded"] = json!("now")
    });
    add("with an empty text", &|event| {
        event["source"]["site"] = json!("")
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
