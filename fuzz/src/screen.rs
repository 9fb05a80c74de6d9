//! The response screen: however a body is cut the same leaves, within bounds, and nothing hidden.

mod canary;
mod guardrails;
mod labels;
mod lines;

use std::rc::Rc;

use fhir_guard::fhir::ResourceType;
use fhir_guard::identity::MacKey;
use fhir_guard::json::{Document, Node};
use fhir_guard::response::{
    Action, BundleKind, Counts, Cover, Expected, Fault, Limits, Link, Precision, Recipient,
    Redaction, Screen, Watermark, Watermarking,
};
use serde_json::Value;

use crate::input::{Input, Numbers};

const BASE: &str = "https://fhir.example.org/r4";

/// The system of the marks of recipients.
const MARKS: &str = "urn:mark";

/// What of a type is hidden by the rules here.
pub(crate) const HIDDEN: [(&str, &[&str]); 2] = [
    (
        "Patient",
        &["birthDate", "name", "address.line", "deceased[x]"],
    ),
    ("Observation", &["value[x]", "note", "component.value[x]"]),
];

/// What of a type is rewritten.
pub(crate) const REWRITTEN: [(&str, To, &[&str]); 6] = [
    ("Patient", To::Year, &["birthDate", "name.period"]),
    ("Patient", To::Area, &["address.postalCode"]),
    ("Patient", To::Text, &["name.family", "name.given"]),
    ("Patient", To::Age, &["extension(u).valueAge"]),
    (
        "Observation",
        To::Year,
        &["effectiveDateTime", "effectivePeriod"],
    ),
    ("Observation", To::Text, &["valueString", "note.text"]),
];

/// What is left of a value.
#[derive(Clone, Copy)]
pub(crate) enum To {
    Year,
    Area,
    Age,
    Text,
}

/// What leaves of a body, or why it does not.
type Screened = Result<(Vec<u8>, Counts), Fault>;

/// Three bytes of choices, and a body; says whether the body may leave. The third says how it is cut, and under
/// which guardrails.
///
/// # Panics
/// Where a cut changes what leaves, memory grows beyond the limits, what is not redacted is changed,
/// what is hidden leaves, more leaves than guardrails allow, or a resource leaves without the mark of its
/// recipient, or with another.
pub fn check(bytes: &[u8]) -> bool {
    let mut input = Input(bytes);
    let (shape, rules, cuts) = (input.byte(), input.byte(), input.byte());
    if lines::is_asked(shape) {
        return lines::check(shape, rules, cuts, input.0);
    }
    let cover = Rc::new(cover(shape, rules));
    let limits = limits(shape);
    let body = input.0;
    let whole = screened(&cover, limits, &[body]).1;
    cut(&cover, limits, body, &whole, cuts);
    labels::check(rules >> 4, &cover, body, |body| {
        let (left, whole) = screened(&cover, limits, &[body]);
        whole.map_or(left, |(left, _)| left)
    });
    let guarded = guardrails::guarded(&cover, cuts);
    let within = screened(&guarded, limits, &[body]).1;
    cut(&guarded, limits, body, &within, cuts);
    // Tiny limits are for what is written, too, which is longer where it says that it was cut.
    if limits == Limits::default() {
        guardrails::check(&guarded, &whole, &within);
    }
    let Ok((left, counts)) = whole else {
        return false;
    };
    let document = Document::parse(&left, &limits.json).expect("strict JSON leaves");
    if let Some(watermark) = &cover.watermark {
        marked(&cover, watermark, &document);
    } else if counts.redacted == 0 {
        untouched(&cover, body, &document);
    }
    again(&cover, limits, &left, counts);
    if !cover.redactions.is_empty() {
        canary::check(&cover, (shape, rules), body, |body| {
            screened(&cover, limits, &[body]).1.map(|(left, _)| left)
        });
    }
    true
}

/// Every resource has one mark, and it is the recipient's.
fn marked(cover: &Cover, watermark: &Watermark, left: &Document<'_>) {
    let mark = watermark.mark.as_ref().expect("a mark");
    let check = |resource: Node<'_>| {
        let tags = resource.get("meta").and_then(|meta| meta.get("tag"));
        let tags = tags.into_iter().flat_map(Node::items);
        let is = |tag: &Node<'_>, name: &str, text: &str| {
            tag.get(name).is_some_and(|value| value.is_str(text))
        };
        let marks: Vec<Node<'_>> = tags.filter(|tag| is(tag, "system", MARKS)).collect();
        let own = |tag: &Node<'_>| is(tag, "code", &mark.code);
        assert!(
            marks.len() == 1 && marks.iter().all(own),
            "{}",
            resource.raw()
        );
    };
    match cover.expected {
        Expected::Bundle { .. } => resources(left.root()).for_each(check),
        Expected::Resource { .. } => check(left.root()),
        Expected::Plain(_) | Expected::Manifest | Expected::Lines(_) | Expected::Opaque => {}
    }
}

/// How resources are marked, where the fourth bit of the first byte says so.
fn watermark(shape: u8) -> Option<Watermark> {
    let watermarking = Watermarking {
        system: MARKS.into(),
        key: MacKey::read(&"ab".repeat(32)).expect("a key"),
        above: 0,
    };
    let mark = watermarking.mark(&Recipient {
        issuer: "https://as.example.org",
        tenant: None,
        client: "app",
        subject: "alice",
        patient: None,
        request_id: "1",
    });
    (shape & 8 != 0).then(|| Watermark {
        system: MARKS.into(),
        mark: Some(mark),
    })
}

/// What the first byte expects, by whom it is asked for, whether it is marked, and by its fifth bit whether rules are
/// for what is labelled. Of the second, rules are two bits, the fourth
/// rewrites, and the next two say who is cleared for what.
fn cover(shape: u8, rules: u8) -> Cover {
    let kind = |name: &str| ResourceType::parse(name).expect("a type of r4");
    let read = |name: &str, id: Option<&str>| Expected::Resource {
        resource_type: kind(name),
        id: id.map(str::to_owned),
        version: None,
    };
    let bundle = |of, name: &str| Expected::Bundle {
        kind: of,
        resource_type: kind(name),
        id: None,
    };
    let expected = match shape % 8 {
        0 => read("Patient", None),
        1 => read("Observation", None),
        2 => bundle(BundleKind::Searchset, "Observation"),
        3 => bundle(BundleKind::Searchset, "Patient"),
        4 => bundle(BundleKind::History, "Patient"),
        5 => read("Patient", Some("1")),
        6 => bundle(BundleKind::History, "Observation"),
        _ => Expected::Opaque,
    };
    let action = match rules % 4 {
        0 | 1 => None,
        2 => Some(Action::Remove),
        _ => Some(Action::Mask),
    };
    let labelled = canary::labelled(shape);
    let made = |rule: Result<Redaction, ()>| {
        let mut rule: Redaction = rule.expect("elements that can be used");
        rule.labelled.clone_from(&labelled);
        Rc::new(rule)
    };
    let rule = |(name, elements): (&str, &[&str])| {
        let elements: Vec<String> = elements.iter().map(|&text| text.to_owned()).collect();
        let rule = Redaction::new("hidden".into(), kind(name), &elements, action.clone()?);
        Some(made(rule.map_err(|_| ())))
    };
    let rewriting = |(name, to, elements): (&str, To, &[&str])| {
        let elements: Vec<String> = elements.iter().map(|&text| text.to_owned()).collect();
        let action = match to {
            To::Year => Action::Generalize(Precision::Year),
            To::Area => Action::Generalize(Precision::Area),
            To::Age => Action::Generalize(Precision::Age),
            To::Text => Action::Replace("***".into()),
        };
        let rule = Redaction::new("rewritten".into(), kind(name), &elements, action);
        made(rule.map_err(|_| ()))
    };
    let hidden = HIDDEN.into_iter().filter_map(rule);
    let rewritten = REWRITTEN.into_iter().map(rewriting);
    Cover {
        expected,
        patient: (rules & 4 != 0).then(|| "1".to_owned()),
        practitioner: None,
        consent: None,
        compartment: Default::default(),
        granted: labels::granted(rules >> 4),
        others: Vec::new(),
        total: false,
        base: BASE.to_owned(),
        redactions: match rules & 8 {
            0 => hidden.collect(),
            _ => hidden.chain(rewritten).collect(),
        },
        egress: Vec::new(),
        watermark: watermark(shape),
        self_link: format!("{BASE}/Observation?code=1"),
        links: Rc::new(|link| {
            let Link::Page(url) = link else {
                return None;
            };
            let query = url.strip_prefix("http://fhir/r4/")?;
            query.is_ascii().then(|| format!("{BASE}/{query}"))
        }),
    }
}

fn limits(shape: u8) -> Limits {
    match shape & 0xc0 {
        0xc0 => Limits {
            resource: 256,
            entries: 3,
            ..Limits::default()
        },
        _ => Limits::default(),
    }
}

/// What leaves of these pieces before the end, and in the end.
fn screened(cover: &Rc<Cover>, limits: Limits, pieces: &[&[u8]]) -> (Vec<u8>, Screened) {
    let mut screen = Screen::new(Rc::clone(cover), limits);
    let mut left = Vec::new();
    for piece in pieces {
        if let Err(fault) = screen.push(piece) {
            assert_eq!(screen.held(), 0, "a fault lets go");
            assert!(screen.take().is_empty(), "something leaves after a fault");
            assert_eq!(screen.push(b"{}"), Err(fault), "a fault is final");
            return (left, Err(fault));
        }
        left.extend(screen.take());
        // The unfinished piece, and what waits for the shape.
        assert!(screen.held() <= 2 * limits.resource, "{}", screen.held());
    }
    match screen.finish() {
        Ok(()) => {
            assert!(screen.closed() && screen.held() == 0);
            let counts = screen.counts();
            (left.clone(), Ok((left, counts)))
        }
        Err(fault) => (left, Err(fault)),
    }
}

/// The whole body at once, byte by byte, and cut at random: one verdict, and one text of which only
/// beginnings leave before a fault.
fn cut(cover: &Rc<Cover>, limits: Limits, body: &[u8], whole: &Screened, seed: u8) {
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
        assert_eq!(&found, whole, "cut into {:?}", lengths(&pieces));
        let (short, long) = match left.len() < longest.len() {
            true => (left, longest),
            false => (longest, left),
        };
        assert!(long.starts_with(&short), "another beginning leaves");
        longest = long;
    }
}

fn lengths(pieces: &[&[u8]]) -> Vec<usize> {
    pieces.iter().map(|piece| piece.len()).collect()
}

/// Without a rule resources keep their bytes. (In one patient's answers the links to other patients
/// go.)
fn untouched(cover: &Cover, body: &[u8], left: &Document<'_>) {
    if !cover.redactions.is_empty() || cover.patient.is_some() {
        return;
    }
    let Expected::Bundle { .. } = cover.expected else {
        let space: &[char] = &[' ', '\t', '\r', '\n'];
        let text = std::str::from_utf8(body).expect("it was accepted");
        assert_eq!(left.text(), text.trim_matches(space));
        return;
    };
    let before = Document::parse_syntax(body, &Limits::default().json);
    let Ok(before) = before else {
        // Members that are dropped are read one by one, so that depth and number bind each alone.
        return;
    };
    let mut upstream = resources(before.root());
    for resource in resources(left.root()) {
        assert!(
            upstream.any(|other| other.raw() == resource.raw()),
            "not of the upstream: {}",
            resource.raw()
        );
    }
}

fn resources(bundle: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    let entries = bundle.get("entry").into_iter().flat_map(Node::items);
    entries.filter_map(|entry| entry.get("resource"))
}

/// What leaves could leave again.
fn again(cover: &Rc<Cover>, limits: Limits, left: &[u8], counts: Counts) {
    if limits != Limits::default() {
        // What is tagged or linked is longer than it came, and tiny limits say so.
        return;
    }
    let (_, second) = screened(cover, limits, &[left]);
    let (_, second) = second.unwrap_or_else(|fault| {
        panic!("{fault}: {}", String::from_utf8_lossy(left));
    });
    assert_eq!((second.passed, second.removed), (counts.passed, 0));
}

/// As text: in a Bundle the type has to stand first, and the labels before the entries.
fn ordered(mut value: Value) -> String {
    let Some(members) = value.as_object_mut() else {
        return value.to_string();
    };
    let mut parts = Vec::new();
    for name in ["resourceType", "type", "meta"] {
        if let Some(value) = members.remove(name) {
            parts.push(format!("\"{name}\":{value}"));
        }
    }
    let rest = value.to_string();
    let rest = &rest[1..rest.len() - 1];
    if !rest.is_empty() {
        parts.push(rest.to_owned());
    }
    format!("{{{}}}", parts.join(","))
}
