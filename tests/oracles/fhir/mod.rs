//! The published examples of FHIR R4 and US Core, and patients made by Synthea, through the screen.
//!
//! What is expected is computed on values that serde_json has read; the filter's own reader has no
//! part in it.

pub mod anonymizer;
pub mod canaries;
mod examples;
pub mod identity;
pub mod labels;
pub mod marked;
mod planted;
mod redacted;
pub mod structure;
pub mod tables;
mod told;

use std::rc::Rc;

use fhir_guard::access::Granted;
use fhir_guard::fhir::ResourceType;
use fhir_guard::response::{Action, BundleKind, Cover, Expected, Fault, Limits, Redaction, Screen};

/// The external base of every answer here.
const BASE: &str = "https://fhir.example.org/r4";

/// Larger than the largest example.
const LIMITS: Limits = Limits {
    resource: 8 << 20,
    entries: 100_000,
    json: fhir_guard::json::Limits {
        depth: 64,
        values: 1_000_000,
    },
};

fn kind(name: &str) -> ResourceType {
    ResourceType::parse(name).expect("a type of R4")
}

/// A rule that hides elements of a type.
fn rule(resource_type: &str, elements: &[&str], action: Action) -> Rc<Redaction> {
    let elements: Vec<String> = elements.iter().map(|&element| element.into()).collect();
    let rule = Redaction::new("rule".into(), kind(resource_type), &elements, action);
    Rc::new(rule.unwrap_or_else(|mistakes| panic!("{elements:?}: {mistakes:?}")))
}

fn read(resource_type: &str, id: Option<&str>, redactions: &[Rc<Redaction>]) -> Rc<Cover> {
    cover(
        Expected::Resource {
            resource_type: kind(resource_type),
            id: id.map(str::to_owned),
            version: None,
        },
        redactions,
    )
}

fn searchset(resource_type: &str, redactions: &[Rc<Redaction>]) -> Rc<Cover> {
    cover(
        Expected::Bundle {
            kind: BundleKind::Searchset,
            resource_type: kind(resource_type),
            id: None,
        },
        redactions,
    )
}

fn cover(expected: Expected, redactions: &[Rc<Redaction>]) -> Rc<Cover> {
    Rc::new(Cover {
        expected,
        patient: None,
        practitioner: None,
        consent: None,
        compartment: Default::default(),
        granted: Granted::All,
        others: Vec::new(),
        total: false,
        base: BASE.to_owned(),
        redactions: redactions.to_vec(),
        egress: Vec::new(),
        watermark: None,
        self_link: format!("{BASE}/Patient?_count=10"),
        links: Rc::new(|_| None),
    })
}

/// What leaves of a body that arrives in pieces cut at these offsets.
fn screened(cover: &Rc<Cover>, body: &str, cuts: &[usize]) -> Result<String, Fault> {
    let body = body.as_bytes();
    let mut screen = Screen::new(Rc::clone(cover), LIMITS);
    let mut out = Vec::new();
    let mut from = 0;
    for &cut in cuts.iter().chain([&body.len()]) {
        screen.push(&body[from..cut])?;
        out.extend(screen.take());
        from = cut;
    }
    screen.finish()?;
    out.extend(screen.take());
    Ok(String::from_utf8(out).expect("UTF-8"))
}

/// Offsets that look arbitrary and are the same in every run: none to eight of them.
fn cuts(seed: u64, length: usize) -> Vec<usize> {
    let mut state = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    let count = next() % 9;
    let mut cuts: Vec<usize> = (0..count).map(|_| next() % (length + 1)).collect();
    cuts.sort_unstable();
    cuts
}
