//! Files and manifests of exports. A slow model takes a file apart line by line, and screens each line as a resource
//! that is read; a manifest it writes anew from a tree. What leaves is what the model says, and nothing else.

use std::rc::Rc;

use fhir_guard::access::Granted;
use fhir_guard::fhir::ResourceType;
use fhir_guard::json::Document;
use fhir_guard::response::{Cover, Expected, Fault, Limits, Link, Screen};
use serde_json::{Value, json};

use crate::input::Numbers;

use super::{canary, labels};

/// Where files are that pass.
const FILES: &str = "http://fhir/files/";

/// Our links.
const OURS: &str = "https://fhir.example.org/r4/_export/file/";

/// The types of the files of which a manifest may tell.
const TOLD: [&str; 2] = ["Observation", "Patient"];

/// Whether this shape is one of a file or a manifest.
pub fn is_asked(shape: u8) -> bool {
    shape & 0x38 == 0x38
}

/// A body as a file of one of three types, or as a manifest; says whether it may leave.
///
/// # Panics
/// Where the model says otherwise, a cut changes what leaves, or a file that is cut off looks whole.
pub fn check(shape: u8, rules: u8, cuts: u8, body: &[u8]) -> bool {
    let name = ["Observation", "Patient", "OperationOutcome"].get(usize::from(shape % 4));
    let mut cover = super::cover(0, rules);
    let limits = super::limits(shape);
    let Some(name) = name else {
        return manifest(cover, rules, limits, cuts, body);
    };
    let of = kind(name);
    cover.expected = Expected::Lines(of);
    let cover = Rc::new(cover);
    let (_, whole) = screened(&cover, limits, &[body]);
    cut(&cover, limits, cuts, body, &whole);
    let expected = lines(&cover, of, limits, body);
    match (&whole, expected) {
        (Ok(left), Some(expected)) => assert_eq!(text(left), text(&expected)),
        (Err(_), None) => {}
        (found, expected) => panic!("{found:?} where the model says {expected:?}"),
    }
    if let (true, [line]) = (whole.is_ok(), &*parts(body)) {
        let screen = |body: &[u8]| screened(&cover, limits, &[body]).1;
        labels::check(rules >> 4, &cover, line, |body| {
            screen(body).unwrap_or_default()
        });
        if !cover.redactions.is_empty() {
            canary::check(&cover, (0, rules), line, screen);
        }
    }
    whole.is_ok()
}

/// What leaves of a file before its end, and in all.
fn screened(
    cover: &Rc<Cover>,
    limits: Limits,
    pieces: &[&[u8]],
) -> (Vec<u8>, Result<Vec<u8>, Fault>) {
    let mut screen = Screen::new(Rc::clone(cover), limits);
    let mut left = Vec::new();
    for piece in pieces {
        if let Err(fault) = screen.push(piece) {
            assert!(screen.take().is_empty(), "something leaves after a fault");
            return (left, Err(fault));
        }
        left.extend(screen.take());
        assert!(screen.held() <= limits.resource + 2, "{}", screen.held());
        assert!(!left.ends_with(b"\n"), "it looks whole before its end");
    }
    if let Err(fault) = screen.finish() {
        assert!(screen.take().is_empty(), "something leaves after a fault");
        return (left, Err(fault));
    }
    assert!(screen.closed());
    left.extend(screen.take());
    assert_eq!(screen.held(), 0);
    let all = left.split(|byte| *byte == b'\n').count() - 1;
    assert_eq!(screen.counts().passed, all as u64);
    assert!(left.is_empty() || left.ends_with(b"\n"));
    (left.clone(), Ok(left))
}

/// Byte by byte, and cut at random: one verdict, and one text.
fn cut(cover: &Rc<Cover>, limits: Limits, seed: u8, body: &[u8], whole: &Result<Vec<u8>, Fault>) {
    let mut numbers = Numbers(seed.into());
    let mut longest: Vec<u8> = Vec::new();
    for round in 0..3 {
        let mut pieces = Vec::new();
        let mut rest = body;
        while !rest.is_empty() {
            let most = if round == 0 { 1 } else { rest.len().min(64) };
            let (piece, after) = rest.split_at(1 + numbers.below(most));
            pieces.push(piece);
            rest = after;
        }
        let (left, found) = screened(cover, limits, &pieces);
        assert_eq!(&found, whole, "in {} pieces", pieces.len());
        let (short, long) = match left.len() < longest.len() {
            true => (left, longest),
            false => (longest, left),
        };
        assert!(long.starts_with(&short), "another beginning leaves");
        longest = long;
    }
}

/// The lines of a file on which there is something.
fn parts(body: &[u8]) -> Vec<&[u8]> {
    let space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r');
    let trimmed = |mut line: &'_ [u8]| -> (usize, usize) {
        let before = line.iter().take_while(|byte| space(byte)).count();
        line = &line[before..];
        let behind = line.iter().rev().take_while(|byte| space(byte)).count();
        (before, before + line.len() - behind)
    };
    let lines = body.split(|byte| *byte == b'\n').map(|line| {
        let (from, to) = trimmed(line);
        &line[from..to]
    });
    lines.filter(|line| !line.is_empty()).collect()
}

/// The model of a file: each line as a resource by itself; `None` where one is none.
fn lines(cover: &Cover, of: ResourceType, limits: Limits, body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let single = Rc::new(Cover {
        expected: Expected::Resource {
            resource_type: of,
            id: None,
            version: None,
        },
        ..again(cover)
    });
    for line in parts(body) {
        // A resource that is withheld is not looked behind.
        if line.contains(&b'\r') || Document::parse(line, &limits.json).is_err() {
            return None;
        }
        match of.name() {
            "OperationOutcome" => out.extend(outcome(limits, line)?),
            _ => match super::screened(&single, limits, &[line]).1 {
                Ok((text, _)) => out.extend(text),
                Err(Fault::Withheld) => continue,
                Err(_) => return None,
            },
        }
        out.push(b'\n');
    }
    Some(out)
}

/// The same cover once more.
fn again(cover: &Cover) -> Cover {
    Cover {
        expected: Expected::Opaque,
        patient: cover.patient.clone(),
        practitioner: None,
        consent: None,
        compartment: Rc::clone(&cover.compartment),
        granted: cover.granted.clone(),
        others: Vec::new(),
        total: false,
        base: cover.base.clone(),
        redactions: cover.redactions.clone(),
        egress: Vec::new(),
        self_link: cover.self_link.clone(),
        links: Rc::new(|_| None),
        watermark: cover.watermark.clone(),
    }
}

/// The model of a line about what went wrong: words of code systems, and nothing that anybody wrote.
fn outcome(limits: Limits, line: &[u8]) -> Option<Vec<u8>> {
    let opaque = Rc::new(super::cover(7, 0));
    super::screened(&opaque, limits, &[line]).1.ok()?;
    let Ok(value) = serde_json::from_slice::<Value>(line) else {
        // A number beyond a double: the codes are read as bytes then.
        let text = String::from_utf8_lossy(line);
        panic!("not read by the second reader: {text}");
    };
    (value["resourceType"] == "OperationOutcome").then_some(())?;
    let none = Vec::new();
    let issues = value["issue"].as_array().unwrap_or(&none);
    let mut told: Vec<String> = issues.iter().map(issue).collect();
    if told.is_empty() {
        told.push(issue(&Value::Null));
    }
    let issues = told.join(",");
    Some(format!(r#"{{"resourceType":"OperationOutcome","issue":[{issues}]}}"#).into_bytes())
}

fn issue(issue: &Value) -> String {
    let severities = "fatal error warning information";
    let codes = "business-rule code-invalid conflict deleted duplicate exception expired extension forbidden \
        incomplete informational invalid invariant lock-error login multiple-matches no-store not-found not-supported \
        processing required security structure suppressed throttled timeout too-costly too-long transient unknown value";
    let known = |name: &str, all: &str, other: &str| {
        let own = issue[name].as_str().unwrap_or_default().to_owned();
        let found = all.split(' ').any(|code| code == own && !own.is_empty());
        if found { own } else { other.to_owned() }
    };
    let (severity, code) = (
        known("severity", severities, "error"),
        known("code", codes, "processing"),
    );
    format!(r#"{{"severity":"{severity}","code":"{code}"}}"#)
}

fn manifest(mut cover: Cover, rules: u8, limits: Limits, cuts: u8, body: &[u8]) -> bool {
    cover.expected = Expected::Manifest;
    cover.total = rules & 1 != 0;
    cover.others = TOLD.map(|name| (kind(name), Granted::All)).to_vec();
    cover.links = Rc::new(|link| match link {
        Link::File(of, url) => linked(of.name(), url),
        Link::Page(_) => None,
    });
    let cover = Rc::new(cover);
    let (_, whole) = super::screened(&cover, limits, &[body]);
    super::cut(&cover, limits, body, &whole, cuts);
    let value = serde_json::from_slice::<Value>(body).ok();
    match (whole, value.map(|value| told(&cover, &value))) {
        (Ok((left, _)), Some(expected)) => {
            let mut left: Value = serde_json::from_slice(&left).expect("JSON leaves");
            let mut expected = expected.expect("the model refuses it");
            for part in ["output", "error"] {
                counts(&mut left[part], &mut expected[part]);
            }
            assert_eq!(left, expected);
            true
        }
        // A number beyond a double is for our reader only; what the model takes, ours refuses by its bounds.
        (Ok(_), None) => true,
        (Err(Fault::Uninspectable(what)), Some(Some(_))) => {
            assert!(
                what.ends_with("no transactionTime")
                    || !what.contains("manifest") && !what.contains("place"),
                "{what}"
            );
            false
        }
        (Err(_), _) => false,
    }
}

/// The model of a manifest; `None` where it may not leave.
fn told(cover: &Cover, value: &Value) -> Option<Value> {
    let output = value["output"].as_array()?;
    let none = Vec::new();
    let error = value["error"].as_array().unwrap_or(&none);
    let further = value["link"]
        .as_array()
        .is_some_and(|link| !link.is_empty());
    let time = value["transactionTime"].as_str()?;
    if further {
        return None;
    }
    Some(json!({
        "transactionTime": time, "request": cover.self_link, "requiresAccessToken": true,
        "output": files(output, &TOLD)?, "error": files(error, &["OperationOutcome"])?,
    }))
}

fn files(files: &[Value], known: &[&str]) -> Option<Value> {
    let mut out = Vec::new();
    for file in files {
        let Some(of) = file["type"].as_str().filter(|of| known.contains(of)) else {
            continue;
        };
        let url = linked(of, file["url"].as_str()?)?;
        out.push(json!({"type": of, "url": url, "count": file["count"]}));
    }
    Some(out.into())
}

/// A number that leaves is the one that came.
fn counts(left: &mut Value, expected: &mut Value) {
    let own = left.as_array_mut().into_iter().flatten();
    let expected = expected.as_array_mut().into_iter().flatten();
    for (own, expected) in own.zip(expected) {
        let came = expected
            .as_object_mut()
            .and_then(|file| file.remove("count"));
        let left = own.as_object_mut().and_then(|file| file.remove("count"));
        assert!(left.is_none() || left == came, "{left:?} of {came:?}");
    }
}

fn linked(of: &str, url: &str) -> Option<String> {
    let name = url.strip_prefix(FILES)?;
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    plain.then(|| format!("{OURS}{of}{name}"))
}

fn kind(name: &str) -> ResourceType {
    ResourceType::parse(name).expect("a type of r4")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// Of each kind some leave, with something in them, and some do not: else the search is blind.
#[cfg(test)]
mod tests {
    #[test]
    fn files_and_manifests_leave_and_do_not() {
        let seeds = crate::seeds::screen();
        for kind in 0x38..=0x3b {
            let of_kind = seeds.iter().filter(|seed| seed[0] & 0x3f == kind);
            let found: Vec<bool> = of_kind
                .filter(|seed| seed.len() > 40)
                .map(|seed| super::super::check(seed))
                .collect();
            let left = found.iter().filter(|left| **left).count();
            assert!(left >= 3, "{kind}: {left} of {}", found.len());
            assert!(kind == 0x3a || left < found.len(), "{kind}: {left}");
        }
    }
}
