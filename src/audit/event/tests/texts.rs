//! What others write stands in events as text, whatever it is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::json::{Document, Limits};
use crate::request::escape;

/// Where a text stands in a record.
type Place = fn(&mut Record, String);

/// Every text of a record that a caller, an issuer, a server or a configuration chooses.
const PLACES: [(&str, Place); 17] = [
    ("request_id", |own, text| own.request_id = text),
    ("trace", |own, text| own.trace = Some(text)),
    ("rule", |own, text| own.rule = text),
    ("tenant", |own, text| own.tenant = Some(text)),
    ("issuer", |own, text| own.issuer = Some(text)),
    ("client", |own, text| own.client = Some(text)),
    ("subject", |own, text| own.subject = Some(text)),
    ("user", |own, text| {
        own.user = Some(format!("Patient/{text}"))
    }),
    ("roles", |own, text| own.roles = vec![text]),
    ("purposes", |own, text| own.purposes = vec![text]),
    ("code", |own, text| own.roles.push(format!("urn:x|{text}"))),
    ("system", |own, text| {
        own.purposes.push(format!("{text}|TREAT"))
    }),
    ("watermark", |own, text| own.watermark = Some(text)),
    ("version", |own, text| own.version = Some(text)),
    ("refs", |own, text| {
        own.refs = vec![format!("Observation/{text}")]
    }),
    ("patients", |own, text| {
        own.concerned.patients = vec![format!("Patient/{text}"), "Patient/2".to_owned()];
    }),
    ("query", |own, text| own.query = vec![(text.clone(), text)]),
];

/// No more than these: a white space, `|` and `/` mean something to what reads purposes, roles and references.
const CHARACTERS: [&str; 24] = [
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "'",
    "<",
    "&",
    "%",
    "\0",
    "\u{1}",
    "\u{1b}",
    "\u{7f}",
    "\u{ad}",
    "\u{e4}",
    "\u{200b}",
    "\u{feff}",
    "\u{ffff}",
    "\u{1f600}",
    "\\u0022",
    "\"}],\"id\":\"x",
];

/// As many as there are places, from a seed.
fn texts(seed: u64) -> Vec<String> {
    let mut state = seed;
    let mut next = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % below
    };
    let mut text = |_: &(&str, Place)| -> String {
        let length = 1 + next(12);
        (0..length)
            .map(|_| CHARACTERS[next(CHARACTERS.len())])
            .collect()
    };
    PLACES.iter().map(&mut text).collect()
}

fn of(interaction: &'static str, texts: &[String]) -> Record {
    let mut record = record(interaction);
    (record.token_id, record.roles, record.purposes) = (None, vec![], vec![]);
    for ((_, place), text) in PLACES.iter().zip(texts) {
        place(&mut record, text.clone());
    }
    record
}

/// An event with what stands for texts replaced by them.
fn filled(value: &Value, marks: &[String], texts: &[String]) -> Value {
    let fill = |text: &str, form: &dyn Fn(&str) -> String| {
        let each = marks.iter().zip(texts);
        each.fold(text.to_owned(), |text, (mark, own)| {
            text.replace(mark, &form(own))
        })
    };
    match value {
        Value::String(text) => fill(text, &str::to_owned).into(),
        Value::Array(items) => items
            .iter()
            .map(|item| filled(item, marks, texts))
            .collect(),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| match (name.as_str(), value.as_str()) {
                // A hash of texts.
                ("id", Some(_)) => (name.clone(), "id".into()),
                ("query", Some(asked)) => {
                    let asked = STANDARD.decode(asked).expect("base64");
                    let asked = String::from_utf8(asked).expect("text");
                    let escaped = |own: &str| {
                        let mut out = String::new();
                        escape(own, &mut out);
                        out
                    };
                    (name.clone(), fill(&asked, &escaped).into())
                }
                _ => (name.clone(), filled(value, marks, texts)),
            };
            members.iter().map(member).collect()
        }
        other => other.clone(),
    }
}

#[test]
fn no_text_breaks_out_of_its_place() {
    let marks: Vec<String> = (0..PLACES.len()).map(|n| format!("mark-{n:02}-")).collect();
    let mut stands = String::new();
    for interaction in ["read", "search-type", "vread", "create", "batch"] {
        for outcome in [Outcome::Allowed, Outcome::Refused, Outcome::Announced] {
            let plain = told(&of(interaction, &marks), outcome, 200);
            stands.push_str(&filled(&plain.clone().into(), &[], &[]).to_string());
            for seed in 0..40 {
                let texts = texts(seed);
                let record = of(interaction, &texts);
                let now = record.began + 5_000_000;
                let found = events(&record, outcome, 200, now);
                assert_eq!(found.len(), plain.len(), "{seed}: {texts:?}");
                for (event, plain) in found.iter().zip(&plain) {
                    let ascii = event.bytes().all(|byte| (b' '..=b'~').contains(&byte));
                    assert!(ascii, "one line, whoever reads it: {event:?}");
                    // Strictly, and no key twice.
                    let strict = Document::parse(event.as_bytes(), &Limits::default());
                    assert!(strict.is_ok(), "{event}");
                    let event: Value = serde_json::from_str(event).expect("JSON");
                    let id = event["id"].as_str().expect("an id");
                    assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()));
                    let expected = filled(plain, &marks, &texts);
                    assert_eq!(filled(&event, &[], &[]), expected, "{seed}: {texts:?}");
                }
            }
        }
    }
    for (mark, (name, _)) in marks.iter().zip(PLACES) {
        assert!(stands.contains(mark), "{name} stands nowhere");
    }
}
