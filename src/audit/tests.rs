//! What stands in a line.

use crate::risk::{self, Action, Detector};
use serde_json::Value;

use super::*;
use crate::identity::MacKey;

#[test]
fn times_are_civil() {
    for (seconds, expected) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_399, "2000-02-28T23:59:59.000Z"),
        (951_782_400, "2000-02-29T00:00:00.000Z"),
        (951_868_800, "2000-03-01T00:00:00.000Z"),
        (1_798_761_599, "2026-12-31T23:59:59.000Z"),
        (4_107_542_400, "2100-03-01T00:00:00.000Z"),
    ] {
        assert_eq!(rfc3339(seconds * 1_000_000_000), expected);
    }
    assert!(rfc3339(u64::MAX).ends_with('Z'));
}

#[test]
fn a_record_is_one_line_whatever_is_in_it() {
    let record = Record {
        subject: Some("a\"b\n\u{2028}\u{85}\u{1f600}\u{7f}".to_owned()),
        rule: "x\r\n{\"outcome\":\"allowed\"}".to_owned(),
        ..Record::default()
    };
    let line = record.line(5);
    assert!(
        line.bytes().all(|byte| (0x20..0x7f).contains(&byte)),
        "{line}"
    );
    let value: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(value["subject"], "a\"b\n\u{2028}\u{85}\u{1f600}\u{7f}");
    assert_eq!(value["outcome"], "undecided");
}

/// A record that has everything.
fn whole() -> Record {
    let some = || Some("x".to_owned());
    Record {
        request_id: "r".to_owned(),
        trace: some(),
        status: 200,
        rule: "scope".to_owned(),
        tenant: some(),
        issuer: some(),
        client: some(),
        subject: some(),
        certificate: some(),
        address: some(),
        user: some(),
        roles: vec!["nurse".to_owned()],
        purposes: vec!["TREAT".to_owned()],
        token_id: some(),
        method: Some("GET"),
        route: some(),
        version: some(),
        query: vec![("code".to_owned(), "x".to_owned())],
        created: some(),
        concerned: Concerned {
            patients: vec!["Patient/1".to_owned()],
            more: 1,
        },
        interaction: Some("read"),
        resource_type: Some("Patient"),
        refs: vec!["Patient/1".to_owned()],
        entries: vec![EntryRecord::default()],
        current: some(),
        watermark: some(),
        patient: some(),
        limits: vec![("per-client".to_owned(), 3)],
        global: Some(GlobalRecord {
            limits: vec!["per-client".to_owned()],
            ended: "ok",
        }),
        priority: vec!["per-client".to_owned()],
        crowded: vec!["per-client".to_owned()],
        reported: vec!["deny.night".to_owned()],
        risk: Some(risk::Told {
            score: 60,
            reasons: vec![Detector::Absent],
            action: Action::Report,
            would: Some(Action::Isolate),
        }),
        announced: Some(5),
        ..Record::default()
    }
}

#[test]
fn keys_are_the_closed_list_in_order() {
    let record = whole();
    let line = record.line(2_000);
    let listed = [
        "v",
        "time",
        "request_id",
        "trace",
        "outcome",
        "status",
        "rule",
        "tenant",
        "issuer",
        "client",
        "subject",
        "certificate",
        "address",
        "user",
        "roles",
        "purposes",
        "jti",
        "method",
        "route",
        "interaction",
        "type",
        "refs",
        "version",
        "query",
        "entries",
        "created",
        "patients",
        "patients_more",
        "current",
        "passed",
        "removed",
        "redacted",
        "bytes",
        "watermark",
        "patient",
        "limits",
        "global",
        "priority",
        "crowded",
        "reported",
        "risk",
        "announced",
        "us",
    ];
    let mut at = 0;
    for key in listed {
        let found = line
            .get(at..)
            .and_then(|rest| rest.find(&format!("\"{key}\":")));
        at += found.unwrap_or_else(|| panic!("{key} is not where it belongs in {line}"));
    }
    let value: Value = serde_json::from_str(&line).expect("JSON");
    let keys = value.as_object().expect("an object").keys();
    let unlisted: Vec<&String> = keys.filter(|key| !listed.contains(&key.as_str())).collect();
    assert_eq!(unlisted, Vec::<&String>::new());
}

/// Numbers of no pattern, the same in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A text of what breaks lines, logs and JSON, among other characters.
    fn text(&mut self) -> String {
        const HOSTILE: [char; 16] = [
            '"',
            '\\',
            '\n',
            '\r',
            '\t',
            '\0',
            '\u{1b}',
            '\u{7f}',
            '\u{85}',
            '\u{2028}',
            '\u{2029}',
            '\u{202e}',
            '{',
            '}',
            ',',
            '\u{10ffff}',
        ];
        let length = self.next() % 24;
        (0..length)
            .map(|_| match self.next() {
                number if number.is_multiple_of(3) => {
                    let place = usize::try_from(number / 3 % 16).expect("small");
                    HOSTILE[place]
                }
                number => {
                    char::from_u32(u32::try_from(number % 0x11_0000).expect("small")).unwrap_or('"')
                }
            })
            .collect()
    }

    fn texts(&mut self) -> Vec<String> {
        (0..self.next() % 4).map(|_| self.text()).collect()
    }

    fn pairs(&mut self) -> Vec<(String, String)> {
        (0..self.next() % 4)
            .map(|_| (self.text(), self.text()))
            .collect()
    }

    fn telling(&mut self) -> Telling {
        match self.next() % 3 {
            0 => Telling::Plain,
            1 => Telling::Nothing,
            _ => Telling::Hashed(MacKey::read(&"5a".repeat(32)).map(Rc::new).expect("a key")),
        }
    }
}

#[test]
fn no_text_breaks_out_of_a_record_or_an_event() {
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    for round in 0..2_000 {
        let mut some = || Some(noise.text());
        let (subject, client, issuer) = (some(), some(), some());
        let (address, user, token_id, trace) = (some(), some(), some(), some());
        let (route, version, created, current) = (some(), some(), some(), some());
        let record = Record {
            policy: Rc::new(AuditPolicy {
                observer: noise.text(),
                base: noise.text(),
                references: noise.telling(),
                address: noise.telling(),
                token_id: noise.telling(),
                query: noise.telling(),
                patients: 20,
                ..AuditPolicy::default()
            }),
            began: noise.next(),
            request_id: noise.text(),
            rule: noise.text(),
            roles: noise.texts(),
            purposes: noise.texts(),
            refs: noise.texts(),
            query: noise.pairs(),
            concerned: Concerned {
                patients: noise.texts(),
                more: noise.next(),
            },
            entries: (0..noise.next() % 3)
                .map(|_| EntryRecord {
                    reference: Some(noise.text()),
                    query: noise.pairs(),
                    rule: noise.text(),
                    ..EntryRecord::default()
                })
                .collect(),
            reported: noise.texts(),
            interaction: [Some("read"), Some("search-type"), None][round % 3],
            subject,
            client,
            issuer,
            address,
            user,
            token_id,
            trace,
            route,
            version,
            created,
            current,
            ..Record::default()
        };
        let now = noise.next();
        let line = record.line(now);
        assert!(
            line.bytes().all(|byte| (0x20..0x7f).contains(&byte)),
            "{line}"
        );
        let value: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(value["rule"].as_str().unwrap_or_default(), record.rule);
        assert_eq!(value["outcome"], "undecided");
        // The half that is written once is as if it were written each time.
        let events = |record: &Record| event::events(record, Outcome::Allowed, 200, now);
        let mut forwarded = record.clone();
        forwarded.write_asked_once();
        assert_eq!(forwarded.line(now), line);
        assert_eq!(events(&forwarded), events(&record));
        for text in events(&record) {
            assert!(!text.contains(['\n', '\r']), "{text}");
            let event: Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(event["resourceType"], "AuditEvent");
        }
    }
}

/// Every member of the line, of whatever outcome, has its meaning in the README and its form on docs/audit.md.
#[test]
fn every_key_is_documented() {
    let page = |path: &str, from: &str, to: &str| {
        let text = std::fs::read_to_string(path).expect(path);
        let (_, rest) = text.split_once(from).expect(from);
        rest.split(to).next().unwrap_or_default().to_owned()
    };
    let pages = [
        page("README.md", "## The audit record", "The reasons."),
        page("docs/audit.md", "## The line", "## The chain"),
    ];
    // Those of the chain are in the specification of that.
    for outcome in [
        Outcome::Allowed,
        Outcome::Announced,
        Outcome::Cut,
        Outcome::Forwarded,
        Outcome::Proxy,
        Outcome::Refused,
        Outcome::Undecided,
        Outcome::Withheld,
    ] {
        let record = whole();
        let line = record.line_of(outcome, 200, 5);
        let value: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(value["outcome"], outcome.name());
        let keys = value.as_object().expect("an object").keys();
        for key in keys.map(String::as_str).chain(["chain"]) {
            for page in &pages {
                let row = |line: &str| {
                    let cell = line.split(" | ").next().unwrap_or_default();
                    line.starts_with("| `") && cell.contains(&format!("`{key}`"))
                };
                assert!(page.lines().any(row), "{key} is in no row");
            }
        }
        let told = page("README.md", "## The audit record", "The reasons.");
        assert!(
            told.contains(&format!("`{}`", outcome.name())),
            "{outcome:?}"
        );
    }
}
