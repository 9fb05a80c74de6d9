//! The published examples, rebuilt from exchanges of ours.
//!
//! What is no identity must be the same, whatever it is: each value of an example is changed in turn, and ours must
//! differ then.

use serde_json::{Value, json};

use super::asks::{asks, export};
use super::masked::{masked, ours};
use super::told;
use crate::account::{Account, Correction, Decision};
use crate::vectors::Vectors;

pub const PART: &str = "it has a part of the token, and none leaves the filter";
pub const IMPORT: &str = "it is told by who imports what another organisation disclosed, and no write says that it is that";
pub const ORGANISATION: &str = "it names the user's organisation and the authorization server, and nothing that we add; no token tells the one";

/// Examples that no exchange of ours leaves.
const LEFT: [(&str, &str); 3] = [
    ("ex-auditBasicReadOClient", PART),
    ("ex-auditPrivacyDisclosure-recipient", IMPORT),
    ("ex-auditAuthZconsent-deny", ORGANISATION),
];

/// Our exchanges, and the published examples of the same.
const SAME: [(&str, &str); 21] = [
    ("read", "ex-auditBasicReadClient"),
    ("query about a patient", "ex-auditBasicQueryGetClient"),
    ("query about a patient", "ex-auditBasicQueryGetServer"),
    ("query about nobody", "ex-auditBasicQueryGetNoPatient"),
    ("query by POST", "ex-auditBasicQueryPost"),
    ("create that is shown", "ex-auditBasicCreate1"),
    ("create about nobody", "ex-auditBasicCreateNoPatient"),
    ("create by a machine", "ex-auditBasicCreateNoUserJob"),
    ("update", "ex-auditBasicUpdate1"),
    ("update", "ex-auditBasicUpdate2"),
    ("update that is not shown", "ex-auditBasicUpdateNoPatient"),
    ("update by a machine", "ex-auditBasicUpdateNoUser"),
    ("update of a document", "ex-auditBasicUpdateNoUserJob"),
    ("patch", "ex-auditBasicPatch"),
    ("delete by a patient", "ex-auditBasicDelete2"),
    ("delete by a patient", "ex-auditBasicDeleteServer"),
    ("delete by a machine", "ex-auditBasicDeleteNoUser"),
    ("delete of a document", "ex-auditBasicDeleteNoUserReport"),
    ("a file of an export", "ex-auditPrivacyDisclosure-source"),
    ("a file of an export", "ex-auditPrivacyDisclosure-source2"),
    (
        "a file of an export",
        "ex-auditPrivacyDisclosure-measurereport",
    ),
];

const AUTHOR: &str = "the profile takes AUT, INF and CST; whether a user has it from another, or keeps it, no request tells";
const KEEPER: &str = "ex-auditBasicDelete2 is the same event with CST; the profile takes both";
const DOMAIN: &str = "object-role: 4 is any healthcare specific resource, as in ex-auditBasicCreateNoPatient; what else it is for, no request tells";
const CLIENT: &str = "ex-auditBasicQueryGetClient and ex-auditBasicQueryGetServer are one event told by either side; ours is told by the server's";
const DETECTED: &str = "R4, AuditEvent.source: where the event was detected; the type says Application Server, and that is the other agent";
const INITIATOR: &str = "R4, AuditEvent.agent.requestor: who initiated the event; where there is no user, the client did";
const PRECISE: &str =
    "restful-interaction: search-type is the search of one type, as in ex-auditBasicQueryPost";
const DEVICE: &str = "a patient's own device discloses there, and a server here: the profile leaves the kinds of source and addresses open";
const AUTHORIZER: &str = "the profile: authorizer is 0..1; no token tells of a patient's advocate, so whoever received asked";
const FILE: &str = "a file is the answer to an operation, and is asked for by a URL; the profile leaves further entities open";

/// Each makes another value, or none, of one of an example: its id, the place and the value.
pub const CORRECTIONS: [Correction; 44] = [
    (
        r#"ex-auditBasicCreateNoUserJob /agent/0/requestor true"#,
        INITIATOR,
    ),
    (
        r#"ex-auditBasicUpdateNoPatient /agent/0/requestor true"#,
        INITIATOR,
    ),
    (
        r#"ex-auditBasicUpdateNoUser /agent/0/requestor true"#,
        INITIATOR,
    ),
    (
        r#"ex-auditBasicUpdateNoUserJob /agent/0/requestor true"#,
        INITIATOR,
    ),
    (
        r#"ex-auditBasicDeleteNoUser /agent/0/requestor true"#,
        INITIATOR,
    ),
    (
        r#"ex-auditBasicDeleteNoUserReport /agent/0/requestor true"#,
        INITIATOR,
    ),
    (
        r#"ex-auditBasicReadClient /source/observer {"reference":"Device/ex-device"}"#,
        CLIENT,
    ),
    (r#"ex-auditBasicReadClient /source/type/0/code "4""#, CLIENT),
    (
        r#"ex-auditBasicQueryGetClient /source/observer {"reference":"Device/ex-device"}"#,
        CLIENT,
    ),
    (
        r#"ex-auditBasicQueryGetClient /source/type/0/code "4""#,
        CLIENT,
    ),
    (
        r#"ex-auditBasicQueryGetClient /subtype/0/code "search-type""#,
        PRECISE,
    ),
    (
        r#"ex-auditBasicQueryGetServer /subtype/0/code "search-type""#,
        PRECISE,
    ),
    (
        r#"ex-auditBasicQueryGetNoPatient /subtype/0/code "search-type""#,
        PRECISE,
    ),
    (
        r#"ex-auditBasicCreate1 /agent/2/type/coding/0/code "AUT""#,
        AUTHOR,
    ),
    (
        r#"ex-auditBasicUpdate1 /agent/2/type/coding/0/code "AUT""#,
        AUTHOR,
    ),
    (
        r#"ex-auditBasicUpdate2 /agent/2/type/coding/0/code "AUT""#,
        AUTHOR,
    ),
    (
        r#"ex-auditBasicDeleteServer /agent/2/type/coding/0/code "CST""#,
        KEEPER,
    ),
    (
        r#"ex-auditBasicCreateNoUserJob /entity/0/role/code "4""#,
        DOMAIN,
    ),
    (
        r#"ex-auditBasicUpdateNoPatient /entity/0/role/code "4""#,
        DOMAIN,
    ),
    (
        r#"ex-auditBasicUpdateNoUserJob /entity/0/role/code "4""#,
        DOMAIN,
    ),
    (
        r#"ex-auditBasicDeleteNoUserReport /entity/0/role/code "4""#,
        DOMAIN,
    ),
    (
        r#"ex-auditBasicDeleteNoUser /source/observer {"reference":"Device/ex-device"}"#,
        DETECTED,
    ),
    (
        r#"ex-auditBasicDeleteNoUserReport /source/observer {"reference":"Device/ex-device"}"#,
        DETECTED,
    ),
    (
        r#"ex-auditPrivacyDisclosure-source /source/type/0/code "4""#,
        DEVICE,
    ),
    (
        r#"ex-auditPrivacyDisclosure-source /agent/0/network/type "5""#,
        DEVICE,
    ),
    (
        r#"ex-auditPrivacyDisclosure-source /agent/1/network/type "2""#,
        DEVICE,
    ),
    (
        r#"ex-auditPrivacyDisclosure-source /agent/1/requestor true"#,
        AUTHORIZER,
    ),
    (
        r#"ex-auditPrivacyDisclosure-source /agent/2 null"#,
        AUTHORIZER,
    ),
    (
        r#"ex-auditPrivacyDisclosure-source /subtype/1/code "operation""#,
        FILE,
    ),
    (
        r#"ex-auditPrivacyDisclosure-source /entity/1 {"type":{"system":"http://terminology.hl7.org/CodeSystem/audit-entity-type","code":"2"},"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":"24"},"query":"R0VUIGh0dHBzOi8vZmhpci5leGFtcGxlLm9yZy9yNC8kZXhwb3J0P190eXBlPU9ic2VydmF0aW9u"}"#,
        FILE,
    ),
    (
        r#"ex-auditPrivacyDisclosure-source2 /source/type/0/code "4""#,
        DEVICE,
    ),
    (
        r#"ex-auditPrivacyDisclosure-source2 /agent/0/network/type "5""#,
        DEVICE,
    ),
    (
        r#"ex-auditPrivacyDisclosure-source2 /agent/1/network/type "2""#,
        DEVICE,
    ),
    (
        r#"ex-auditPrivacyDisclosure-source2 /agent/1/requestor true"#,
        AUTHORIZER,
    ),
    (
        r#"ex-auditPrivacyDisclosure-source2 /agent/2 null"#,
        AUTHORIZER,
    ),
    (
        r#"ex-auditPrivacyDisclosure-source2 /subtype/1/code "operation""#,
        FILE,
    ),
    (
        r#"ex-auditPrivacyDisclosure-source2 /entity/1 {"type":{"system":"http://terminology.hl7.org/CodeSystem/audit-entity-type","code":"2"},"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":"24"},"query":"R0VUIGh0dHBzOi8vZmhpci5leGFtcGxlLm9yZy9yNC8kZXhwb3J0P190eXBlPU9ic2VydmF0aW9u"}"#,
        FILE,
    ),
    (
        r#"ex-auditPrivacyDisclosure-measurereport /source/type/0/code "4""#,
        DEVICE,
    ),
    (
        r#"ex-auditPrivacyDisclosure-measurereport /agent/0/network/type "5""#,
        DEVICE,
    ),
    (
        r#"ex-auditPrivacyDisclosure-measurereport /agent/1/network/type "2""#,
        DEVICE,
    ),
    (
        r#"ex-auditPrivacyDisclosure-measurereport /agent/1/requestor true"#,
        AUTHORIZER,
    ),
    (
        r#"ex-auditPrivacyDisclosure-measurereport /agent/2 null"#,
        AUTHORIZER,
    ),
    (
        r#"ex-auditPrivacyDisclosure-measurereport /subtype/1/code "operation""#,
        FILE,
    ),
    (
        r#"ex-auditPrivacyDisclosure-measurereport /entity/1 {"type":{"system":"http://terminology.hl7.org/CodeSystem/audit-entity-type","code":"2"},"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":"24"},"query":"R0VUIGh0dHBzOi8vZmhpci5leGFtcGxlLm9yZy9yNC8kZXhwb3J0P190eXBlPU9ic2VydmF0aW9u"}"#,
        FILE,
    ),
];

/// What of an example may be anything: the end of its path, without places in lists.
const IDENTITIES: [&str; 13] = [
    "/id",
    "/text/status",
    "/text/div",
    "/meta/security/system",
    "/meta/security/code",
    "/recorded",
    "/display",
    "/agent/who/reference",
    "/agent/network/address",
    "/source/site",
    "/entity/what/reference",
    "/entity/what/identifier/value",
    "/entity/description",
];

pub fn rebuild(vectors: &Vectors, examples: &[Value], account: &mut Account) {
    let example = |id: &str| {
        let found = examples.iter().find(|example| example["id"] == id);
        found.unwrap_or_else(|| panic!("no {id}"))
    };
    for (id, rule) in LEFT {
        example(id);
        account.leave(rule);
    }
    let known = LEFT.len() + SAME.len() + 4;
    assert_eq!(examples.len(), known, "every example is rebuilt, or named");
    let mut world = told(vectors, &json!({"query": "plain", "token_id": "none"}));
    let mut own: Vec<(&str, Value)> = Vec::new();
    for ask in asks() {
        if SAME.iter().any(|(name, _)| *name == ask.name) {
            own.push((ask.name, world.events(&ask).swap_remove(0)));
        }
    }
    for (name, mut done) in export(&mut world) {
        if SAME.iter().any(|(known, _)| *known == name) {
            own.push((name, done.events.swap_remove(0)));
        }
    }
    for (name, event) in &own {
        for (same, id) in SAME {
            let edits = CORRECTIONS
                .iter()
                .filter(|(edit, _)| edit.starts_with(&format!("{id} ")));
            let edits: Vec<&str> = edits.map(|(edit, _)| *edit).collect();
            let corrected = edited(example(id), edits.iter().copied());
            let (expected, found) = (same == *name, is_same(event, &corrected));
            let row = match expected && !found {
                true => format!(
                    "{name} beside {id}: {}, theirs {}",
                    ours(event, &corrected),
                    masked(&corrected)
                ),
                false => format!("{name} beside {id}"),
            };
            account.judge(
                &row,
                Decision::accept_if(expected),
                Decision::accept_if(found),
            );
            if !expected {
                continue;
            }
            // Each correction is needed.
            for edit in &edits {
                let others = edits.iter().copied().filter(|other| other != edit);
                let found = is_same(event, &edited(example(id), others));
                account.judge(edit, Decision::Accept, Decision::accept_if(found));
            }
            for (place, changed) in changed(&corrected) {
                let names: Vec<&str> = place
                    .split('/')
                    .filter(|name| name.parse::<usize>().is_err())
                    .collect();
                let names = names.join("/");
                let identity = !names.starts_with("/source/observer")
                    && IDENTITIES.iter().any(|end| names.ends_with(end));
                let expected = Decision::accept_if(identity);
                let found = Decision::accept_if(is_same(event, &changed));
                account.judge(
                    &format!("{name} beside {id} with another {place}"),
                    expected,
                    found,
                );
            }
        }
    }
}

fn is_same(own: &Value, example: &Value) -> bool {
    ours(own, example) == masked(example)
}

/// An example with these corrections.
fn edited<'e>(example: &Value, edits: impl Iterator<Item = &'e str>) -> Value {
    let mut example = example.clone();
    for edit in edits {
        let mut parts = edit.splitn(3, ' ').skip(1);
        let (place, value) = (
            parts.next().expect("a place"),
            parts.next().expect("a value"),
        );
        let value: Value = serde_json::from_str(value).expect("JSON");
        let (parent, name) = place.rsplit_once('/').expect("a pointer");
        let parent = example.pointer_mut(parent).expect(place);
        match (parent, name.parse::<usize>()) {
            (Value::Array(items), Ok(place)) if value.is_null() => drop(items.remove(place)),
            (parent, Ok(place)) => parent[place] = value,
            (parent, Err(_)) => parent[name] = value,
        }
    }
    example
}

/// An example with each of its values changed in turn, and the place of that.
fn changed(example: &Value) -> Vec<(String, Value)> {
    let mut places = Vec::new();
    leaves(example, String::new(), &mut places);
    let changed = places.into_iter().map(|place| {
        let mut changed = example.clone();
        let value = changed.pointer_mut(&place).expect("a value");
        *value = match &*value {
            Value::Bool(is) => json!(!*is),
            Value::String(text) => json!(format!("{text}x")),
            other => panic!("{other}"),
        };
        // Whoever recorded it is that agent by another name, too.
        let agent = place
            .split_once("/who/")
            .map(|(agent, _)| format!("{agent}/who"));
        if let Some(agent) = agent
            && example.pointer(&agent) == Some(&example["source"]["observer"])
        {
            changed["source"]["observer"] = changed.pointer(&agent).expect("an agent").clone();
        }
        (place, changed)
    });
    let mut changed: Vec<(String, Value)> = changed.collect();
    // Of a reference the type is no identity.
    for place in ["/entity/0/what/reference", "/entity/1/what/reference"] {
        let mut other = example.clone();
        if let Some(Value::String(reference)) = other.pointer_mut(place) {
            reference.insert(0, 'x');
            changed.push((format!("type of {place}/type"), other));
        }
    }
    changed
}

fn leaves(value: &Value, place: String, places: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                leaves(value, format!("{place}/{name}"), places);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                leaves(value, format!("{place}/{index}"), places);
            }
        }
        _ => places.push(place),
    }
}
