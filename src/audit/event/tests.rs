mod requests;
mod texts;

use std::rc::Rc;

use serde_json::Value;

use super::*;
use crate::audit::{Concerned, Telling};
use crate::identity::MacKey;

fn record(interaction: &'static str) -> Record {
    let text = |text: &str| Some(text.to_owned());
    Record {
        policy: Rc::new(AuditPolicy {
            observer: "fhir.example.org".to_owned(),
            base: "https://fhir.example.org/r4".to_owned(),
            token_id: Telling::Plain,
            query: Telling::Plain,
            ..AuditPolicy::default()
        }),
        began: 1_800_000_000_000_000_000,
        request_id: "r-1".to_owned(),
        trace: text("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        rule: "scope:user/*.rs".to_owned(),
        issuer: text("https://as.example.org"),
        client: text("app"),
        subject: text("user-42"),
        address: text("192.0.2.7"),
        token_id: text("t/1 \u{e4}"),
        method: Some("GET"),
        route: text("/Observation"),
        interaction: Some(interaction),
        resource_type: Some("Observation"),
        refs: vec!["Observation/1".to_owned()],
        query: vec![("code".to_owned(), "x".to_owned())],
        concerned: Concerned {
            patients: vec!["Patient/1".to_owned(), "Patient/2".to_owned()],
            more: 0,
        },
        ..Record::default()
    }
}

fn told(record: &Record, outcome: Outcome, status: u16) -> Vec<Value> {
    told_at(record, outcome, status, record.began + 5_000_000)
}

fn told_at(record: &Record, outcome: Outcome, status: u16, now: u64) -> Vec<Value> {
    let events = events(record, outcome, status, now);
    let read = |event: &String| serde_json::from_str(event).expect("JSON");
    events.iter().map(read).collect()
}

fn codes(value: &Value) -> String {
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let codes: Vec<&str> = list.iter().filter_map(|own| own["code"].as_str()).collect();
    codes.join(" ")
}

#[test]
fn each_interaction_has_its_pattern() {
    for (interaction, events, profile, action, subtype, client, server, user) in [
        (
            "read",
            1,
            "PatientRead",
            "R",
            "read",
            "110152 110150",
            "110153",
            "IRCP UserOauthAgent",
        ),
        (
            "vread",
            1,
            "PatientRead",
            "R",
            "vread",
            "110152 110150",
            "110153",
            "IRCP UserOauthAgent",
        ),
        (
            "search-type",
            2,
            "PatientQuery",
            "E",
            "search-type",
            "110153 110150",
            "110152",
            "IRCP UserOauthAgent",
        ),
        (
            "search-system",
            2,
            "PatientQuery",
            "E",
            "search-system",
            "110153 110150",
            "110152",
            "IRCP UserOauthAgent",
        ),
        (
            "search-compartment",
            2,
            "PatientQuery",
            "E",
            "search",
            "110153 110150",
            "110152",
            "IRCP UserOauthAgent",
        ),
        (
            "create",
            1,
            "PatientCreate",
            "C",
            "create",
            "110153 110150",
            "110152",
            "AUT IRCP UserOauthAgent",
        ),
        (
            "update",
            1,
            "PatientUpdate",
            "U",
            "update",
            "110153 110150",
            "110152",
            "AUT IRCP UserOauthAgent",
        ),
        (
            "patch",
            1,
            "PatientUpdate",
            "U",
            "patch",
            "110153 110150",
            "110152",
            "AUT IRCP UserOauthAgent",
        ),
        (
            "delete",
            1,
            "PatientDelete",
            "D",
            "delete",
            "110150",
            "custodian",
            "CST IRCP UserOauthAgent",
        ),
        (
            "history-instance",
            2,
            "",
            "E",
            "history-instance",
            "110153 110150",
            "110152",
            "IRCP UserOauthAgent",
        ),
        (
            "operation",
            2,
            "",
            "E",
            "operation",
            "110153 110150",
            "110152",
            "IRCP UserOauthAgent",
        ),
        (
            "export",
            2,
            "",
            "E",
            "operation",
            "110153 110150",
            "110152",
            "IRCP UserOauthAgent",
        ),
        (
            "export-file",
            2,
            "PrivacyDisclosure.Source",
            "R",
            "disclose operation",
            "110152 110150",
            "110153",
            "IRCP UserOauthAgent",
        ),
    ] {
        let found = told(&record(interaction), Outcome::Allowed, 200);
        assert_eq!(found.len(), events, "{interaction}");
        let [event, ..] = found.as_slice() else {
            panic!("{interaction}: no event");
        };
        let mut profiles = vec![
            "OAUTHaccessTokenUse.Minimal",
            "OAUTHaccessTokenUse.Comprehensive",
        ];
        if !profile.is_empty() {
            profiles.insert(0, profile);
        }
        let urls: Vec<String> = profiles
            .iter()
            .map(|name| format!("{PROFILES}{name}"))
            .collect();
        assert_eq!(
            event["meta"]["profile"],
            serde_json::json!(urls),
            "{interaction}"
        );
        assert_eq!(event["action"], action, "{interaction}");
        assert_eq!(codes(&event["subtype"]), subtype, "{interaction}");
        for (place, expected) in [client, server, user].into_iter().enumerate() {
            let found = codes(&event["agent"][place]["type"]["coding"]);
            assert_eq!(found, expected, "{interaction}: agent {place}");
        }
        let policy = &event["agent"][2]["policy"][0];
        assert_eq!(
            policy, "urn:ietf:params:oauth:jti:t/1%20%C3%A4",
            "{interaction}"
        );
    }
}

#[test]
fn what_did_not_succeed_says_so_and_claims_no_profile() {
    for (name, outcome, status, rule, code) in [
        ("a bad token", Outcome::Refused, 401, "token.expired", "4"),
        ("another login", Outcome::Refused, 401, "step-up.mfa", "4"),
        ("a limit", Outcome::Refused, 429, "limit.per-client", "4"),
        (
            "a malformed request",
            Outcome::Refused,
            400,
            "request.malformed.query",
            "4",
        ),
        ("no scope", Outcome::Refused, 403, "scope", "8"),
        (
            "another's compartment",
            Outcome::Refused,
            404,
            "compartment",
            "8",
        ),
        ("withheld", Outcome::Withheld, 403, "egress.day", "8"),
        ("a server that is away", Outcome::Proxy, 503, "proxy", "12"),
        (
            "an answer that cannot be inspected",
            Outcome::Withheld,
            502,
            "answer.body",
            "12",
        ),
        ("broken off", Outcome::Cut, 200, "answer.truncated", "4"),
        ("a worker that died", Outcome::Forwarded, 0, "scope:x", "12"),
        (
            "the server's own refusal",
            Outcome::Allowed,
            404,
            "scope:x",
            "8",
        ),
        (
            "the server's own failure",
            Outcome::Allowed,
            412,
            "scope:x",
            "4",
        ),
    ] {
        let record = Record {
            rule: rule.to_owned(),
            ..record("read")
        };
        let found = told(&record, outcome, status);
        for event in &found {
            assert_eq!(event["outcome"], code, "{name}");
            assert_eq!(event["outcomeDesc"], rule, "{name}");
            assert_eq!(event["meta"], Value::Null, "{name}");
        }
        assert_eq!(found.len(), 1, "{name}");
    }
}

#[test]
fn a_refusal_for_want_of_consent_is_a_security_alert() {
    let record = Record {
        rule: "consent.research: none permits it".to_owned(),
        ..record("read")
    };
    let found = told(&record, Outcome::Refused, 404);
    assert_eq!(found[0]["type"]["code"], "110113");
    assert_eq!(codes(&found[0]["subtype"]), "AuthZ-Consent read");
}

#[test]
fn an_emergency_is_marked_and_its_reason_told() {
    for (purpose, expected) in [
        ("BTG", "read 110127"),
        (
            "http://terminology.hl7.org/CodeSystem/v3-ActReason|ETREAT",
            "read 110127",
        ),
        (
            "http://terminology.hl7.org/CodeSystem/v3-ActReason|TREAT",
            "read",
        ),
        ("urn:other|BTG", "read"),
    ] {
        let record = Record {
            purposes: vec![purpose.to_owned()],
            ..record("read")
        };
        let found = told(&record, Outcome::Allowed, 200);
        assert_eq!(codes(&found[0]["subtype"]), expected, "{purpose}");
        assert_eq!(
            found[0]["purposeOfEvent"],
            found[0]["agent"][2]["purposeOfUse"]
        );
    }
}

#[test]
fn each_request_of_a_bundle_is_an_event() {
    let entry = |interaction, reference: &str, status, rule: &str| EntryRecord {
        interaction,
        reference: Some(reference.to_owned()),
        status,
        rule: rule.to_owned(),
        ..EntryRecord::default()
    };
    let record = Record {
        entries: vec![
            entry(Some("read"), "Patient/1", 200, "scope:x"),
            entry(Some("delete"), "List/2", 403, "scope"),
            entry(None, "Nonsense", 400, "request.path"),
        ],
        ..record("batch")
    };
    let found = told(&record, Outcome::Allowed, 200);
    let outcomes: Vec<&Value> = found.iter().map(|event| &event["outcome"]).collect();
    assert_eq!(outcomes, ["0", "8", "4"]);
    let ids: std::collections::BTreeSet<&str> = found
        .iter()
        .filter_map(|event| event["id"].as_str())
        .collect();
    assert_eq!(ids.len(), 3, "each has an id of its own");
    // Refused as a whole, none of them was answered.
    let found = told(
        &Record {
            status: 403,
            ..record
        },
        Outcome::Refused,
        403,
    );
    assert_eq!(found.len(), 3);
}

#[test]
fn the_same_event_has_the_same_id_and_no_other_has() {
    let id = |record: &Record| told(record, Outcome::Allowed, 200)[0]["id"].clone();
    let own = record("read");
    assert_eq!(id(&own), id(&own));
    let later = Record {
        began: own.began + 1,
        ..own.clone()
    };
    let other = Record {
        request_id: "r-2".to_owned(),
        ..own.clone()
    };
    assert_ne!(id(&own), id(&later));
    // Of an exchange without a head neither beginning nor request is known.
    let headless = Record {
        began: 0,
        request_id: String::new(),
        ..own.clone()
    };
    let at = |now| told_at(&headless, Outcome::Proxy, 400, now)[0]["id"].clone();
    assert_eq!(at(1), at(1));
    assert_ne!(at(1), at(2));
    assert_ne!(id(&own), id(&other));
}

#[test]
fn nothing_that_is_hashed_stands_in_an_event() {
    let key = MacKey::read(&"5a".repeat(32)).map(Rc::new).expect("a key");
    let hashed = Telling::Hashed(key);
    for (name, telling) in [("hashed", hashed), ("nothing", Telling::Nothing)] {
        for interaction in ["read", "search-type", "create", "operation", "export-file"] {
            let own = record(interaction);
            let policy = AuditPolicy {
                references: telling.clone(),
                address: telling.clone(),
                token_id: telling.clone(),
                query: telling.clone(),
                ..(*own.policy).clone()
            };
            let record = Record {
                policy: Rc::new(policy),
                refs: vec!["Observation/canary".to_owned()],
                created: Some("Observation/canary".to_owned()),
                user: Some("Practitioner/canary".to_owned()),
                token_id: Some("canary".to_owned()),
                address: Some("canary".to_owned()),
                patient: Some("canary".to_owned()),
                query: vec![("code".to_owned(), "canary".to_owned())],
                route: Some("/Observation/[id]".to_owned()),
                concerned: Concerned {
                    patients: vec!["Patient/canary".to_owned()],
                    more: 0,
                },
                entries: vec![],
                ..own
            };
            let mut texts: Vec<String> = Vec::new();
            for event in told(&record, Outcome::Allowed, 200) {
                let query = event["entity"][0]["query"].as_str().unwrap_or_default();
                let query =
                    base64::Engine::decode(&base64::engine::general_purpose::STANDARD, query);
                texts.push(String::from_utf8(query.expect("base64")).expect("text"));
                texts.push(event.to_string());
            }
            texts.push(record.line(record.began));
            for text in texts {
                assert!(!text.contains("canary"), "{name}, {interaction}: {text}");
            }
        }
    }
}
