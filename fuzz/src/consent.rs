//! What a server says of Consents: whatever the bytes, they are read within bounds or not at all, and what
//! the rules say agrees with a second, slower reader of the same rules.

mod model;

use std::rc::Rc;

use fhir_guard::consent::{
    Action, Actor, Asked, Caller, Consents, DEPTH, Effect, Fault, KEPT, Ruling,
};
use fhir_guard::fhir::ResourceType;
use fhir_guard::json::{Document, Limits};
use fhir_guard::request::BaseUrl;
use serde_json::{Value, json};

use crate::input::{Input, Numbers};
use model::{Case, Rule, verdict};

/// 2027-01-15T08:00:00Z
const NOW: u64 = 1_800_000_000_000_000_000;

/// How many Consents are looked at.
const MOST: usize = 20;

const ACTIONS: [Action; 3] = [Action::Access, Action::Collect, Action::Correct];

/// A choice, and either a resource, a line feed and an answer of a server, or choices of rules and of the
/// resource that they are about. Says whether the answer was read, or the resource may be seen.
///
/// # Panics
/// Where a bound does not hold, the two readers disagree, more rules that deny open something, or something
/// that permits nothing does.
pub fn check(bytes: &[u8]) -> bool {
    let mut input = Input(bytes);
    match input.byte() & 1 {
        0 => {
            let resource = input.until(b'\n');
            any_bytes(resource, input.0)
        }
        _ => made(&mut input),
    }
}

/// Bytes of a server.
fn any_bytes(resource: &[u8], answer: &[u8]) -> bool {
    let Some(consents) = read(answer).and_then(Result::ok) else {
        return false;
    };
    let value: Value = serde_json::from_slice(answer).expect("two readers of JSON agree");
    let entries = value["entry"].as_array().map_or(&[][..], Vec::as_slice);
    assert!(entries.len() <= MOST && entries.len() * 256 <= KEPT);
    let rules = entries.iter().map(|entry| &entry["resource"]);
    let rules: Vec<&Value> = rules
        .filter(|consent| consent["status"] == "active")
        .collect();
    assert!(
        rules
            .iter()
            .all(|consent| depth(consent) <= DEPTH || !counts(consent))
    );

    let ruling = ruling(consents);
    let text = String::from_utf8_lossy(resource);
    let document = Document::parse(text.as_bytes(), &Limits::default()).ok();
    let denied = with(&value, consent(json!({"type": "deny"})));
    let denied = read(denied.to_string().as_bytes())
        .and_then(Result::ok)
        .map(self::ruling);
    for name in ["Observation", "Procedure", "Encounter", "MedicationRequest"] {
        let resource_type = kind(name);
        for action in ACTIONS {
            let found = ruling.check(action, &[resource_type], Some("a"));
            assert_eq!(found, ruling.check(action, &[resource_type], Some("a")));
            assert!(
                found.is_err() || says_permit(&value),
                "nobody permits {name}"
            );
            let open = denied
                .as_ref()
                .map(|all| all.check(action, &[resource_type], None));
            assert!(!matches!(open, Some(Ok(()))), "denied {name}");
        }
        let Some(document) = &document else {
            continue;
        };
        if ruling.covers(resource_type, document.root(), &[]) {
            let asked = ruling.check(Action::Access, &[resource_type], None);
            assert_eq!(asked, Ok(()), "{name}: what may be seen may be asked for");
        }
    }
    true
}

/// Rules that are made here, of which a model says what they say.
fn made(input: &mut Input<'_>) -> bool {
    let case = Case::take(input);
    let resource = case.resource().to_string();
    let document = Document::parse(resource.as_bytes(), &Limits::default()).expect("JSON");
    // `None` where they say more than is kept: nothing is permitted then.
    let sees = |rules: &[Rule]| {
        let answer = answer(rules).to_string();
        match read(answer.as_bytes()).expect("JSON") {
            Ok(consents) => {
                let ruling = ruling(consents);
                Some(ruling.covers(kind(case.resource_type), document.root(), &[]))
            }
            Err(Fault::TooMuch) => {
                assert!(answer.len() > KEPT / 8, "{} bytes", answer.len());
                None
            }
            Err(fault) => panic!("{fault:?}: {answer}"),
        }
    };
    let count = 1 + usize::from(input.byte() % 3);
    let mut rules: Vec<Rule> = (0..count).map(|_| Rule::take(input, &case, 0)).collect();
    let told = || format!("{resource} {}", answer(&rules));
    let Some(seen) = sees(&rules) else {
        return false;
    };
    assert_eq!(seen, verdict(&rules) == Some(Effect::Permit), "{}", told());
    // A permit that is over, or to come, changes nothing.
    let mut more = rules.clone();
    more.push(Rule::permit_outside(input.byte()));
    assert!(sees(&more).is_none_or(|more| more == seen), "{}", told());
    // One more that denies opens nothing.
    rules.push(Rule::denial(input, &case));
    let still = sees(&rules).unwrap_or_default();
    assert!(seen || !still, "{}", told_of(&resource, &rules));
    seen
}

fn told_of(resource: &str, rules: &[Rule]) -> String {
    format!("{resource} {}", answer(rules))
}

/// `None` where it is no JSON.
fn read(answer: &[u8]) -> Option<Result<Consents, Fault>> {
    let document = Document::parse(answer, &Limits::default()).ok()?;
    let base = BaseUrl::parse("https://fhir.example.org/r4").expect("a base");
    let asked = Asked {
        patient: "p1",
        bases: &[&base],
        most: MOST,
    };
    Some(Consents::read(document.root(), &asked))
}

fn ruling(consents: Consents) -> Ruling {
    let actor = |text| Actor::parse(text).expect("a reference");
    Ruling {
        consents: Rc::new(consents),
        caller: Rc::new(Caller {
            actors: vec![actor("Practitioner/d1"), actor("Organization/h1")],
            others: vec![actor("Organization/h2")],
            purposes: vec!["TREAT".to_owned()],
        }),
        default: Effect::Deny,
        now: NOW,
    }
}

fn kind(name: &str) -> ResourceType {
    ResourceType::parse(name).expect("a type of R4")
}

/// The answer of a server that has a Consent for each of these rules.
fn answer(rules: &[Rule]) -> Value {
    let empty = json!({"resourceType": "Bundle", "type": "searchset"});
    let mut consents = rules.iter().map(|rule| consent(rule.json()));
    consents
        .try_fold(empty, |answer, consent| Some(with(&answer, consent)))
        .expect("an answer")
}

/// The same answer with one more Consent.
fn with(answer: &Value, consent: Value) -> Value {
    let mut answer = answer.clone();
    if let Some(members) = answer.as_object_mut() {
        members.remove("total");
        let entries = members.entry("entry").or_insert_with(|| json!([]));
        if let Some(entries) = entries.as_array_mut() {
            entries.push(json!({"resource": consent}));
        }
    }
    answer
}

/// A Consent that counts.
fn consent(rule: Value) -> Value {
    let scope = "http://terminology.hl7.org/CodeSystem/consentscope";
    json!({
        "resourceType": "Consent", "status": "active", "patient": {"reference": "Patient/p1"},
        "scope": {"coding": [{"system": scope, "code": "patient-privacy"}]},
        "provision": rule,
    })
}

/// Whether it may be one of the patient's; what is of another is not looked into.
fn counts(consent: &Value) -> bool {
    let patient = consent["patient"]["reference"].as_str();
    let privacy = |code: &Value| code["code"] == "patient-privacy";
    let codings = consent["scope"]["coding"].as_array();
    patient == Some("Patient/p1") && codings.is_some_and(|codings| codings.iter().all(privacy))
}

/// Rules inside each other.
fn depth(rule: &Value) -> usize {
    let inner = match &rule["provision"] {
        Value::Array(rules) => rules.iter().map(depth).max().unwrap_or_default(),
        rule @ Value::Object(_) => depth(rule),
        _ => return 1,
    };
    // The Consent itself is no rule.
    inner + usize::from(rule.get("resourceType").is_none())
}

/// Whether any rule could permit.
fn says_permit(value: &Value) -> bool {
    match value {
        Value::String(text) => text == "permit",
        Value::Array(items) => items.iter().any(says_permit),
        Value::Object(members) => members.values().any(says_permit),
        _ => false,
    }
}

/// Choices, and what they make as the bytes of a server.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![
        b"\0\n{}".to_vec(),
        b"\0{}\n[]".to_vec(),
        b"\0{}\n{\"resourceType\":\"Bundle\",\"type\":\"searchset\"}".to_vec(),
    ];
    let mut numbers = Numbers(1);
    for _ in 0..150 {
        let choices: Vec<u8> = (0..120).map(|_| numbers.below(256) as u8).collect();
        let mut input = Input(&choices);
        let case = Case::take(&mut input);
        let rules: Vec<Rule> = (0..2).map(|_| Rule::take(&mut input, &case, 0)).collect();
        let text = format!("\0{}\n{}", case.resource(), answer(&rules));
        seeds.push(
            text.replacen("Patient/p1", "Patient/p2", numbers.below(2))
                .into_bytes(),
        );
        seeds.push([&[1], choices.as_slice()].concat());
    }
    seeds
}
