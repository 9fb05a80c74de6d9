//! Guardrails: what leaves under some is what leaves without them, up to the first resource that would be too
//! much. Records and bytes are counted anew over it by a slow model on trees, which says what must have become
//! of the answer; patients as far as the model is sure of them, which may be too few, never too many.

use std::collections::BTreeSet;
use std::rc::Rc;

use fhir_guard::fhir::ResourceType;
use fhir_guard::json::{Document, Limits as JsonLimits, Node};
use fhir_guard::response::{BundleKind, Cover, Egress, Expected, Fault, Over};
use serde_json::Value;

use super::{BASE, Screened};
use crate::input::Numbers;

/// The same cover with one to three guardrails.
pub fn guarded(cover: &Cover, seed: u8) -> Rc<Cover> {
    let mut numbers = Numbers(u64::from(seed) + 1);
    let kind = |name: &str| ResourceType::parse(name).expect("a type of r4");
    let mut rules = Vec::new();
    for number in 0..1 + numbers.below(3) {
        let types = [None, Some("Patient"), Some("Observation")][numbers.below(3)];
        let bounded = 1 + numbers.below(7);
        let most = 1 + numbers.below(4);
        rules.push(Rc::new(Egress {
            name: format!("rule-{number}").into(),
            types: types.map(|name| vec![kind(name)]),
            records: (bounded & 1 != 0).then(|| u32::try_from(most).expect("few")),
            bytes: (bounded & 2 != 0).then(|| 40 + numbers.below(1200)),
            patients: (bounded & 4 != 0).then(|| 1 + numbers.below(4)),
            over: [Over::Refuse, Over::Cut][numbers.below(2)],
        }));
    }
    Rc::new(Cover {
        egress: rules,
        ..cover.clone()
    })
}

/// What left without guardrails, and with these.
///
/// # Panics
/// Where more left than a guardrail allows, or less than the model says.
pub fn check(cover: &Cover, before: &Screened, after: &Screened) {
    let (Ok((before, _)), Ok((left, _))) = (before, after) else {
        match (before, after) {
            (Ok((before, _)), Err(fault)) => {
                assert_eq!(*fault, Fault::Egress);
                let refused = allowed(cover, before).refused;
                let patients = cover.egress.iter().any(|rule| rule.patients.is_some());
                assert!(refused || patients, "refused without a reason");
            }
            (Err(fault), Err(other)) => assert!(other == fault || *other == Fault::Egress),
            // What cannot be inspected stays so.
            (Err(fault), Ok(_)) => panic!("it leaves in spite of {fault}"),
            (Ok(_), Ok(_)) => {}
        }
        return;
    };
    if matches!(cover.expected, Expected::Opaque) {
        assert_eq!(before, left);
        return;
    }
    bounded(cover, left);
    let model = allowed(cover, before);
    let (all, kept) = (parts(cover, before), parts(cover, left));
    let ends = matches!(kept.last(), Some(last) if last.resource_type.is_none());
    let passed = kept.len() - usize::from(ends);
    assert_eq!(kept[..passed], all[..passed], "something else leaves");
    assert!(ends || passed == all.len(), "it ends without saying so");
    // A patient too many may have ended it before.
    let patients = cover.egress.iter().any(|rule| rule.patients.is_some());
    match model.refused {
        true => assert!(patients && passed < model.passed, "not refused"),
        false if patients => assert!(passed <= model.passed, "{passed}, not {}", model.passed),
        false => assert_eq!(passed, model.passed),
    }
}

/// A part of what leaves: its type, which the notice of a cut has none of, and its bytes.
#[derive(Debug, Eq, PartialEq)]
struct Part {
    resource_type: Option<String>,
    text: String,
}

fn parts(cover: &Cover, left: &[u8]) -> Vec<Part> {
    let document = Document::parse_syntax(left, &JsonLimits::default()).expect("JSON leaves");
    let part = |node: Node<'_>, resource: Option<Node<'_>>| {
        let named = resource.and_then(|resource| resource.get("resourceType")?.str());
        // A deletion says where it was.
        let url = || Some(node.get("request")?.get("url")?.str()?.into_owned());
        let deleted = || Some(url()?.split('/').next()?.to_owned());
        let named = named.map(|name| name.into_owned()).or_else(deleted);
        Part {
            resource_type: named.filter(|name| name != "OperationOutcome"),
            text: node.raw().to_owned(),
        }
    };
    let root = document.root();
    match &cover.expected {
        Expected::Bundle { .. } => {
            let entries = root.get("entry").into_iter().flat_map(Node::items);
            let entries = entries.map(|entry| part(entry, entry.get("resource")));
            entries.collect()
        }
        _ => vec![part(root, Some(root))],
    }
}

/// What becomes of an answer by its records and bytes.
struct Model {
    passed: usize,
    refused: bool,
}

fn allowed(cover: &Cover, before: &[u8]) -> Model {
    let parts = parts(cover, before);
    let over = |rule: &Egress, parts: &[Part]| {
        let own = parts.iter().filter(|part| counts(rule, part));
        let bytes: usize = own.clone().map(|part| part.text.len()).sum();
        let records = own.count();
        rule.records.is_some_and(|most| records > most as usize)
            || rule.bytes.is_some_and(|most| bytes > most)
    };
    for passed in 0..parts.len() {
        let broken = || {
            cover
                .egress
                .iter()
                .filter(|rule| over(rule, &parts[..=passed]))
        };
        if broken().next().is_some() {
            let searchset = matches!(
                cover.expected,
                Expected::Bundle {
                    kind: BundleKind::Searchset,
                    ..
                }
            );
            let refused = !searchset || broken().any(|rule| rule.over == Over::Refuse);
            return Model { passed, refused };
        }
    }
    Model {
        passed: parts.len(),
        refused: false,
    }
}

fn counts(rule: &Egress, part: &Part) -> bool {
    let own = part.resource_type.as_deref();
    own.is_some_and(|own| {
        let types = rule.types.as_ref();
        types.is_none_or(|types| types.iter().any(|known| known.name() == own))
    })
}

/// Everything that left, counted anew.
fn bounded(cover: &Cover, left: &[u8]) {
    let parts = parts(cover, left);
    for rule in &cover.egress {
        let own: Vec<&Part> = parts.iter().filter(|part| counts(rule, part)).collect();
        let bytes: usize = own.iter().map(|part| part.text.len()).sum();
        let mut patients = BTreeSet::new();
        for part in &own {
            let Ok(value) = serde_json::from_str::<Value>(&part.text) else {
                // A number beyond a double passes the screen as it is.
                continue;
            };
            let resource = match cover.expected {
                Expected::Bundle { .. } => value.get("resource"),
                _ => Some(&value),
            };
            match resource {
                Some(resource) => tell(resource, true, &mut patients),
                None => {
                    let url = value["request"]["url"].as_str().unwrap_or_default();
                    patients.extend(instance(url));
                }
            }
        }
        let records = rule.records.map(|most| most as usize);
        for (most, found) in [
            (records, own.len()),
            (rule.bytes, bytes),
            (rule.patients, patients.len()),
        ] {
            assert!(most.is_none_or(|most| found <= most), "{found}: {rule:?}");
        }
    }
}

/// Whom a resource is about for sure.
fn tell(resource: &Value, root: bool, found: &mut BTreeSet<String>) {
    match (resource["resourceType"].as_str(), root) {
        (Some("Patient"), true) => {
            let id = resource["id"].as_str().unwrap_or_default();
            found.insert(format!("Patient/{id}"));
        }
        // What is said of it is all that tells it from another.
        (Some("Patient"), false) => {
            found.insert(resource.to_string());
        }
        (Some("Observation"), _) => {
            for element in ["subject", "performer"] {
                for reference in each(&resource[element]) {
                    let target = reference["reference"].as_str().unwrap_or_default();
                    let local = target.strip_prefix(&format!("{BASE}/")).unwrap_or(target);
                    found.extend(instance(local));
                }
            }
        }
        _ => {}
    }
    for contained in each(&resource["contained"]).filter(|_| root) {
        tell(contained, false, found);
    }
}

fn each(value: &Value) -> impl Iterator<Item = &Value> {
    let one = value.is_object().then_some(value);
    value.as_array().into_iter().flatten().chain(one)
}

fn instance(target: &str) -> Option<String> {
    let is_id = |id: &str| {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        (1..=64).contains(&id.len()) && id.bytes().all(letter)
    };
    let mut segments = target.strip_prefix("Patient/")?.split('/');
    let id = segments.next().filter(|id| is_id(id))?;
    let rest: Vec<&str> = segments.collect();
    let whole = match rest[..] {
        [] => true,
        ["_history", version] => is_id(version),
        _ => false,
    };
    whole.then(|| format!("Patient/{id}"))
}
