//! What is said of what is alarming.

mod kinds;

use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::{Value, json};

use super::super::{AuditPolicy, Telling};
use super::*;
use crate::identity::MacKey;
use crate::risk::{Action, Told};

const NOW: u64 = 1_800_000_000_250_000_000;

fn policy(alerts: Option<AlertFormat>) -> AuditPolicy {
    AuditPolicy {
        observer: "fhir.example.org".to_owned(),
        alerts,
        ..AuditPolicy::default()
    }
}

/// What an exchange was about which nothing is alarming.
fn record(format: AlertFormat) -> Record {
    let text = |text: &str| Some(text.to_owned());
    Record {
        policy: Rc::new(policy(Some(format))),
        began: NOW - 250_000_000,
        request_id: "6a1c0f4e-3a52-4c0e-9d3c-2f6f0f4f8d11".to_owned(),
        trace: text("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        rule: "user/*.rs".to_owned(),
        tenant: text("north"),
        issuer: text("https://as.example.org"),
        client: text("ward-app"),
        subject: text("u-4711"),
        certificate: text("5bf0fe1c83a4fd7c9fdbd5f6e0f7bfc9e2b4a6d8e0c2a4b6d8f0e2c4a6b8d0f2"),
        address: text("203.0.113.7"),
        user: text("Practitioner/7"),
        token_id: text("jti-1"),
        method: Some("GET"),
        route: text("Patient/[id]"),
        interaction: Some("read"),
        resource_type: Some("Patient"),
        refs: vec!["Patient/p1".to_owned()],
        query: vec![("name".to_owned(), "Muster".to_owned())],
        ..Record::default()
    }
}

fn told(action: Action, reasons: &[Detector]) -> Option<Told> {
    Some(Told {
        score: 112,
        reasons: reasons.to_vec(),
        action,
        would: None,
    })
}

/// The alert of a record, where nothing was told before, as it is written.
fn line(record: &Record, outcome: Outcome, status: u16) -> Option<String> {
    let alert = record.alert(outcome, status, NOW, &mut Repeats::default())?;
    Some(alert.line)
}

/// The same, read.
fn alert(record: &Record, outcome: Outcome, status: u16) -> Option<Value> {
    let line = line(record, outcome, status)?;
    assert!(
        line.bytes().all(|byte| (0x20..0x7f).contains(&byte)),
        "{line}"
    );
    Some(serde_json::from_str(&line).expect("JSON"))
}

fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    path.split('.').fold(value, |value, key| &value[key])
}

/// An exchange about which everything is alarming.
fn worst(format: AlertFormat) -> Record {
    Record {
        purposes: vec!["BTG".to_owned()],
        rule: "egress.page".to_owned(),
        risk: told(Action::Quarantine, &[Detector::Travel, Detector::Volume]),
        ..record(format)
    }
}

#[test]
fn nothing_breaks_out_and_nothing_secret_goes_in() {
    let hostile = "a\"b\n\u{2028}\u{1f600},\"x\":1}";
    for format in [AlertFormat::Ecs, AlertFormat::Ocsf] {
        let mut record = worst(format);
        let own = || Some(hostile.to_owned());
        record.request_id = hostile.to_owned();
        (record.client, record.subject, record.address) = (own(), own(), own());
        (record.tenant, record.issuer, record.trace) = (own(), own(), own());
        record.purposes.push(hostile.to_owned());
        record.rule = format!("egress.page: {hostile}");
        let found = alert(&record, Outcome::Cut, 200).expect("an alert");
        let subject = match format {
            AlertFormat::Ecs => &found["user"]["id"],
            AlertFormat::Ocsf => &found["evidences"][0]["actor"]["user"]["uid"],
        };
        assert_eq!(*subject, hostile);
        let rest = match format {
            AlertFormat::Ecs => &found["labels"],
            AlertFormat::Ocsf => &found["unmapped"],
        };
        assert_eq!(rest["rule"], "egress.page", "without what was found");
        let text = found.to_string();
        for secret in ["Muster", "Patient/p1", "jti-1"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
}

#[test]
fn a_rule_and_a_trace_are_told_by_their_names() {
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    for (rule, told_rule, traced) in [
        ("public", "public", Some(trace)),
        ("answer.type: text", "answer.type", None),
        (
            "scope:user/Observation.rs?patient=Patient/p1",
            "scope:user/Observation.rs",
            Some(trace),
        ),
        ("rule: found?", "rule", None),
    ] {
        for format in [AlertFormat::Ecs, AlertFormat::Ocsf] {
            let mut record = worst(format);
            record.rule = rule.to_owned();
            record.trace = traced.map(|id| format!("00-{id}-00f067aa0ba902b7-01"));
            let found = alert(&record, Outcome::Cut, 200).expect("an alert");
            let (rule, id) = match format {
                AlertFormat::Ecs => ("labels.rule", "trace.id"),
                AlertFormat::Ocsf => ("unmapped.rule", "unmapped.trace"),
            };
            assert_eq!(at(&found, rule), told_rule, "{format:?}");
            assert_eq!(at(&found, id).as_str(), traced, "{rule}");
        }
    }
}

#[test]
fn who_is_told_as_in_the_record() {
    let key = Rc::new(MacKey::read(&"ab".repeat(32)).expect("a key"));
    for (name, telling) in [
        ("hashed", Telling::Hashed(key)),
        ("nothing", Telling::Nothing),
    ] {
        let references = telling.reference("Practitioner/7").map(Cow::into_owned);
        let address = telling.address("203.0.113.7").map(Cow::into_owned);
        for format in [AlertFormat::Ecs, AlertFormat::Ocsf] {
            let mut record = worst(format);
            record.policy = Rc::new(AuditPolicy {
                references: telling.clone(),
                address: telling.clone(),
                ..policy(Some(format))
            });
            let found = alert(&record, Outcome::Cut, 200).expect("an alert");
            let text = found.to_string();
            assert!(!text.contains("Practitioner/7"), "{name}: {text}");
            assert!(!text.contains("203.0.113.7"), "{name}: {text}");
            let (user, endpoint) = match format {
                AlertFormat::Ecs => (&found["labels"]["user"], &found["source"]["address"]),
                AlertFormat::Ocsf => {
                    let evidence = &found["evidences"][0];
                    let user = &evidence["actor"]["user"]["uid_alt"];
                    (user, &evidence["src_endpoint"]["uid"])
                }
            };
            assert_eq!(user.as_str(), references.as_deref(), "{name}");
            assert_eq!(endpoint.as_str(), address.as_deref(), "{name}");
        }
    }
}

/// The types that the published schemas give to what we write: `docs/alerts.md` has them as well.
#[test]
fn each_form_has_the_members_of_its_schema() {
    let paths = |value: &Value| {
        let mut found = Vec::new();
        let mut values = vec![(String::new(), value.clone())];
        while let Some((path, value)) = values.pop() {
            let kind = match value {
                Value::Object(members) => {
                    let inside = |(key, value): (String, Value)| (format!("{path}.{key}"), value);
                    values.extend(members.into_iter().map(inside));
                    continue;
                }
                Value::Array(items) if items.iter().all(Value::is_object) => {
                    values.extend(items.into_iter().map(|item| (path.clone(), item)));
                    continue;
                }
                Value::Array(items) => {
                    assert!(items.iter().all(Value::is_string), "{path}");
                    "texts"
                }
                Value::Bool(_) => "boolean",
                Value::Number(_) => "number",
                Value::String(_) => "text",
                Value::Null => "null",
            };
            found.push(format!("{} {kind}", path.trim_start_matches('.')));
        }
        found.sort();
        found
    };
    for (format, schema) in [
        (AlertFormat::Ecs, include_str!("tests/ecs.txt")),
        (AlertFormat::Ocsf, include_str!("tests/ocsf.txt")),
    ] {
        let own = alert(&worst(format), Outcome::Cut, 200).expect("an alert");
        let written = line(&worst(format), Outcome::Cut, 200).expect("an alert");
        assert_eq!(own.to_string().len(), written.len(), "no key comes twice");
        let known: BTreeSet<&str> = schema
            .lines()
            .filter(|line| !line.starts_with('#'))
            .collect();
        for path in paths(&own) {
            let own = path.starts_with("labels.") || path.starts_with("unmapped.");
            assert!(own || known.contains(path.as_str()), "{format:?}: {path}");
        }
        let required = schema
            .lines()
            .filter_map(|line| line.strip_prefix("# required: "));
        for path in required {
            assert!(!at(&own, path).is_null(), "{format:?} without {path}");
        }
        // Where next to nothing is known.
        let bare = Record {
            policy: Rc::new(policy(Some(format))),
            risk: told(Action::Report, &[]),
            ..Record::default()
        };
        let own = alert(&bare, Outcome::Undecided, 0).expect("an alert");
        for path in schema
            .lines()
            .filter_map(|line| line.strip_prefix("# required: "))
        {
            assert!(!at(&own, path).is_null(), "{format:?} without {path}");
        }
    }
}

#[test]
fn the_page_shows_what_is_written() {
    let page = std::fs::read_to_string("docs/alerts.md").expect("docs/alerts.md");
    for (format, head) in [
        (AlertFormat::Ecs, "### An alert in ECS"),
        (AlertFormat::Ocsf, "### The same in OCSF"),
    ] {
        let mut record = record(format);
        record.risk = told(Action::Quarantine, &[Detector::Travel, Detector::Volume]);
        let own = alert(&record, Outcome::Allowed, 200).expect("an alert");
        let (_, after) = page.split_once(head).expect(head);
        let (_, example) = after.split_once("```json\n").expect("an example");
        let (example, _) = example.split_once("```").expect("its end");
        let shown: Value = serde_json::from_str(example).unwrap_or_default();
        let written = line(&record, Outcome::Allowed, 200).expect("an alert");
        assert_eq!(shown, own, "{head} should show:\n{written}");
    }
    for alarm in Alarm::ALL {
        let row = format!("| `{}` | {} |", alarm.name(), alarm.severity() as u8);
        assert!(
            page.contains(&row),
            "docs/alerts.md has no row that begins with {row}"
        );
    }
    for detector in Detector::ALL {
        let row = format!(
            "| `{}` | {} |",
            detector.name(),
            kind::explanation(detector)
        );
        assert!(
            page.contains(&row),
            "docs/alerts.md has no row that begins with {row}"
        );
    }
    let most = format!("{} of them", Repeats::MOST);
    assert!(page.contains(&most), "docs/alerts.md does not say: {most}");
}
