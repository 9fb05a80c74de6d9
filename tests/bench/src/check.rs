//! Whether answers and records are what they should be: a bench of refusals would be fast.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use crate::case::{Case, Document, HIDDEN, Rules};
use crate::load::{Answer, Expected};
use crate::sink::Taken;
use crate::variant::Variant;

/// What a record has where everything is switched on; and it has no `risk`.
const EVERYTHING: [&str; 5] = [
    "\"patients\":[\"Patient/p1\"]",
    "\"answers\":",
    "\"network\":",
    "\"chain\":{",
    "\"ticket\":",
];

/// Looks at a whole answer; what every further answer must be.
pub fn answer(
    variant: Variant,
    case: &Case,
    document: &[u8],
    answer: &Answer,
) -> Result<Expected, String> {
    if answer.status != 200 {
        return Err(format!("the answer is a {}, expected 200", answer.status));
    }
    if variant.guards() && !answer.headers.contains_key("ratelimit") {
        return Err("the answer does not say what remains of the limit".to_owned());
    }
    if variant.guards() || variant.edits(case) {
        redacted(case, document, answer)?;
    } else if answer.body != document {
        return Err("the answer is not what the upstream sent".to_owned());
    }
    Ok(Expected {
        status: answer.status,
        length: answer.body.len(),
    })
}

/// Waits until the access log of an Envoy has this many records, looks at each, and empties it.
pub async fn records(
    variant: Variant,
    case: &Case,
    log: &Path,
    expected: usize,
) -> Result<(), String> {
    let failed = |error| format!("{}: {error}", log.display());
    let mut bytes = Vec::new();
    let mut found = 0;
    for _ in 0..100 {
        bytes = fs::read(log).map_err(failed)?;
        found = bytes.iter().filter(|byte| **byte == b'\n').count();
        if found >= expected {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    if found != expected {
        return Err(format!(
            "the access log has {found} records, expected {expected}"
        ));
    }
    // Envoy appends, so the file may be cut behind its back.
    File::create(log).map_err(failed)?;
    let text = String::from_utf8_lossy(&bytes);
    for line in text.lines() {
        if let Some(missing) = missing(variant, case, line) {
            return Err(format!("a record lacks {missing}: {line}"));
        }
    }
    Ok(())
}

/// What the repository must have of this many requests.
pub fn reported(variant: Variant, requests: usize) -> Taken {
    Taken {
        announced: if variant == Variant::Strict {
            requests
        } else {
            0
        },
        permitted: if variant.reports() { requests } else { 0 },
    }
}

/// The last record of an answer other than a 200, to say more about one.
pub async fn odd_record(log: &Path) -> String {
    // Envoy writes records some 50 ms late.
    sleep(Duration::from_millis(200)).await;
    let text = fs::read_to_string(log).unwrap_or_default();
    let odd = text.lines().rfind(|line| !line.contains("\"status\":200"));
    odd.unwrap_or("nothing but 200").to_owned()
}

fn missing(variant: Variant, case: &Case, line: &str) -> Option<&'static str> {
    let mut parts = match variant {
        Variant::Calls => return (line.len() != 700).then_some("its 700 bytes"),
        _ if variant.guards() => vec!["\"outcome\":\"allowed\"", "\"limits\":{\"per-client\":"],
        _ => vec!["\"status\":200"],
    };
    if matches!(
        variant,
        Variant::Native | Variant::NativeCached | Variant::External
    ) {
        parts.push("\"client\":\"clinic-");
    }
    match variant {
        Variant::Everything => parts.extend(EVERYTHING),
        Variant::Recorded => parts.extend(["\"chain\":{", "\"ticket\":"]),
        Variant::Strict => parts.extend(["\"announced\":", "\"chain\":{", "\"intent\":"]),
        _ => {}
    }
    if variant.guards() {
        let redacted = !line.contains("\"redacted\":0,");
        if redacted != (case.rules == Rules::Typical) {
            return Some("what was redacted");
        }
    }
    parts.into_iter().find(|part| !line.contains(part))
}

/// Whether an answer was screened and redacted.
fn redacted(case: &Case, document: &[u8], answer: &Answer) -> Result<(), String> {
    let read = |bytes: &[u8]| {
        serde_json::from_slice::<Value>(bytes).map_err(|error| format!("the answer: {error}"))
    };
    let (sent, came) = (read(document)?, read(&answer.body)?);
    let pairs: Vec<(&Value, &Value)> = match case.document {
        Document::Patient => vec![(&sent, &came)],
        Document::Observations(_) => resources(&sent).zip(resources(&came)).collect(),
    };
    if pairs.is_empty() || resources(&sent).count() != resources(&came).count() {
        return Err("resources were taken out of the answer".to_owned());
    }
    let hidden: &[&str] = match case.document {
        Document::Patient => &["birthDate"],
        Document::Observations(_) => &HIDDEN,
    };
    let right = |(sent, came): &(&Value, &Value)| match case.rules {
        Rules::Untouched => sent == came,
        Rules::Typical => {
            hidden
                .iter()
                .all(|name| sent.get(name).is_some() && came.get(name).is_none())
                && came["id"] == sent["id"]
                && came["meta"]["tag"].to_string().contains("SUBSETTED")
                && came["meta"]["security"].to_string().contains("REDACTED")
        }
    };
    match pairs.iter().all(right) {
        true => Ok(()),
        false => Err(format!(
            "a resource was not redacted as {:?} says",
            case.rules
        )),
    }
}

fn resources(bundle: &Value) -> impl Iterator<Item = &Value> {
    let entries = bundle["entry"].as_array().into_iter().flatten();
    entries.map(|entry| &entry["resource"])
}
