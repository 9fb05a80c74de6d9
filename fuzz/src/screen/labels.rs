//! Security labels: a slow model on trees says what nobody here is cleared for. A word is planted there, and
//! must not come out. The model knows few labels and takes the others for none: it says too little, never
//! too much.

use std::rc::Rc;

use fhir_guard::access::{Granted, Seen};
use fhir_guard::fhir::{Confidentiality, PolicyCode};
use fhir_guard::label::{Clearance, Cleared, CodeRule, INLINE, Kind, LabelPolicy};
use fhir_guard::response::{Cover, Expected};
use serde_json::Value;

use super::ordered;

/// The word.
const SECRET: &str = "LABELLEDCANARY";

/// A date, and the year that must not come out of it: what is no date would be masked for that.
const DATE: (&str, &str) = ("7391-07-29", "7391");

/// The code to which labels are given.
const CODED: (&str, &str) = ("http://icd", "F11.20");

/// The levels that the model knows, from the least.
const LEVELS: [&str; 6] = ["U", "L", "M", "N", "R", "V"];

/// The sensitivities that it knows; none is below another.
const KINDS: [&str; 3] = ["HIV", "SUD", "PSY"];

/// What a caller is cleared for: how far up the levels, and of what kind.
type Held = (usize, Option<&'static str>);

/// Who asks, by two bits; `None` sees everything.
const CALLERS: [Option<&[Held]>; 4] = [
    None,
    Some(&[(3, Some("HIV"))]),
    // Two halves.
    Some(&[(4, None), (3, Some("HIV"))]),
    // With labels by codes.
    Some(&[(3, None), (4, Some("SUD"))]),
];

fn held(caller: u8) -> Option<&'static [Held]> {
    CALLERS[usize::from(caller % 4)]
}

fn gives_labels(caller: u8) -> bool {
    caller % 4 == 3
}

/// What this caller is granted.
pub fn granted(caller: u8) -> Granted {
    let Some(held) = held(caller) else {
        return Granted::All;
    };
    let level = |at: usize| Confidentiality::parse(LEVELS[at]).expect("a level");
    let kind = |code: &str| Kind::Policy(PolicyCode::parse(code).expect("a code"));
    let rule = CodeRule {
        codes: [(CODED.0.to_owned(), CODED.1.to_owned())].into(),
        confidentiality: Some(Confidentiality::Restricted),
        kinds: vec![kind("SUD")],
    };
    let policy = Rc::new(LabelPolicy {
        unlabelled: Confidentiality::Normal,
        codes: gives_labels(caller).then_some(rule).into_iter().collect(),
    });
    let held = held.iter().map(|(high, own)| {
        Rc::new(Clearance {
            confidentiality: level(*high),
            kinds: own.map(kind).into_iter().collect(),
            every_kind: false,
        })
    });
    let cleared = Cleared::new(&policy, held.collect()).expect("not everything");
    let seen = Seen {
        labels: Some(cleared),
        texts: None,
    };
    Granted::Seen(None, seen)
}

/// Plants the word in what the caller is not cleared for, and screens that.
///
/// # Panics
/// Where it leaves.
pub fn check(caller: u8, cover: &Cover, body: &[u8], screen: impl Fn(&[u8]) -> Vec<u8>) {
    let Some(held) = held(caller).filter(|_| !matches!(cover.expected, Expected::Opaque)) else {
        return;
    };
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else {
        return;
    };
    let text = value.to_string();
    if text.contains(SECRET) || text.contains(DATE.1) {
        return;
    }
    let model = Model { caller };
    let before = value.clone();
    match &cover.expected {
        Expected::Bundle { .. } => {
            let mut around = held.to_vec();
            narrow(&mut around, &labels_of_meta(value.get("meta")));
            let entries = value.get_mut("entry").and_then(Value::as_array_mut);
            for entry in entries.into_iter().flatten() {
                let mut around = around.clone();
                narrow(&mut around, &inline(entry));
                if let Some(resource) = entry.get_mut("resource") {
                    model.resource(resource, around);
                }
            }
        }
        _ => model.resource(&mut value, held.to_vec()),
    }
    if value == before {
        return;
    }
    let text = ordered(value);
    let left = screen(text.as_bytes());
    let left = String::from_utf8(left).expect("UTF-8");
    for secret in [SECRET, DATE.1] {
        assert!(!left.contains(secret), "{left}\nof {text}");
    }
}

/// What a label asks for: a level, and a kind; a kind that nobody has is empty.
type Want = (usize, Option<String>);

struct Model {
    caller: u8,
}

impl Model {
    fn resource(&self, resource: &mut Value, mut held: Vec<Held>) {
        let contained = resource.get("contained").and_then(Value::as_array);
        for one in contained.into_iter().flatten().chain([&*resource]) {
            let mut wants = labels_of_meta(one.get("meta"));
            wants.extend(inline(one));
            narrow(&mut held, &wants);
        }
        if gives_labels(self.caller) && is_coded(resource) {
            narrow(&mut held, &[(4, None), (0, Some("SUD".to_owned()))]);
        }
        let fixed = ["id", "meta", "language", "implicitRules"];
        let members = resource.as_object();
        let hidden = members.into_iter().flatten().any(|(name, value)| {
            fixed.contains(&name.trim_start_matches('_')) && has_hidden(value, &held)
        });
        if held.is_empty() || hidden {
            return plant(resource, "resource");
        }
        below(resource, &held);
    }
}

/// Plants in each element that is not for these.
fn below(value: &mut Value, held: &[Held]) {
    match value {
        Value::Array(items) => {
            for item in items {
                element(item, "item", held);
            }
        }
        Value::Object(members) => {
            let names: Vec<String> = members.keys().cloned().collect();
            for name in names {
                match name.strip_prefix('_') {
                    Some(base) if has_hidden(&members[&name], held) => {
                        let list = members[&name].is_array();
                        let secret = match base {
                            "start" | "end" | "birthDate" => Value::from(DATE.0),
                            _ => Value::from(SECRET),
                        };
                        let secret = if list {
                            Value::Array(vec![secret])
                        } else {
                            secret
                        };
                        members.insert(base.to_owned(), secret);
                    }
                    Some(_) => {}
                    None if name == "meta" || name == "contained" => {}
                    None => element(&mut members[&name], &name, held),
                }
            }
        }
        _ => {}
    }
}

fn element(value: &mut Value, name: &str, held: &[Held]) {
    if let Value::Array(items) = value {
        return items.iter_mut().for_each(|item| element(item, name, held));
    }
    let mut held = held.to_vec();
    narrow(&mut held, &inline(value));
    match held.is_empty() {
        true => plant(value, name),
        false => below(value, &held),
    }
}

/// A member more, and a url where it is data.
fn plant(value: &mut Value, name: &str) {
    if let Value::Object(members) = value {
        members.insert("planted".to_owned(), SECRET.into());
        if !matches!(name, "extension" | "modifierExtension" | "resource") {
            members.insert("url".to_owned(), SECRET.into());
        }
    }
}

fn has_hidden(value: &Value, held: &[Held]) -> bool {
    let mut held = held.to_vec();
    narrow(&mut held, &inline(value));
    held.is_empty()
        || match value {
            Value::Array(items) => items.iter().any(|item| has_hidden(item, &held)),
            Value::Object(members) => members.values().any(|member| has_hidden(member, &held)),
            _ => false,
        }
}

fn narrow(held: &mut Vec<Held>, wants: &[Want]) {
    held.retain(|(high, own)| {
        wants.iter().all(|(level, kind)| {
            level <= high && kind.as_deref().is_none_or(|kind| *own == Some(kind))
        })
    });
}

fn labels_of_meta(meta: Option<&Value>) -> Vec<Want> {
    let labels = meta.and_then(|meta| meta.get("security"));
    let labels = labels.and_then(Value::as_array).into_iter().flatten();
    labels.filter_map(want).collect()
}

fn inline(element: &Value) -> Vec<Want> {
    let lists = ["extension", "modifierExtension"].into_iter();
    let extensions = lists
        .filter_map(|name| element.get(name)?.as_array())
        .flatten();
    let labels = extensions.filter(|extension| extension["url"] == INLINE);
    labels
        .filter_map(|label| want(&label["valueCoding"]))
        .collect()
}

fn level(label: &Value) -> Option<usize> {
    let code = label["code"].as_str()?;
    let known = LEVELS.iter().position(|level| *level == code);
    known.filter(|_| label["system"] == Confidentiality::SYSTEM)
}

/// What is no code with its system is for nobody here.
fn want(label: &Value) -> Option<Want> {
    let (Some(system), Some(code)) = (label["system"].as_str(), label["code"].as_str()) else {
        return Some((5, Some(String::new())));
    };
    if let Some(level) = level(label) {
        return Some((level, None));
    }
    let known = system == PolicyCode::SYSTEM && KINDS.contains(&code);
    known.then(|| (0, Some(code.to_owned())))
}

fn is_coded(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(is_coded),
        Value::Object(members) => {
            let own = value["system"] == CODED.0 && value["code"] == CODED.1;
            own || members.values().any(is_coded)
        }
        _ => false,
    }
}
