//! Tables for the screen.

mod bundles;
mod egress;
mod exports;
mod granular;
mod hostile;
mod labelled;
mod labels;
mod meta;
mod minimum;
mod redactions;
mod resources;
mod rewritings;
mod texts;
mod told;
mod types;
mod watermark;

use super::*;
use crate::access::Granted;
use crate::fhir::ResourceType;
use std::rc::Rc;

const BASE: &str = "https://fhir.example.org/r4";
/// Planted where something must be hidden; the prefix alone would be a leak.
const CANARY: &str = "CANARY";
/// What a resource that is not whole says of itself, where nothing stands in the place of what is hidden.
const REMOVED: &str = r#""meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"REDACTED"}],"tag":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]}"#;
/// The same where something may.
const MASKED: &str = r#""meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"REDACTED"},{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"MASKED"}],"tag":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]}"#;

fn kind(name: &str) -> ResourceType {
    ResourceType::parse(name).expect("a type of r4")
}

fn cover(expected: Expected) -> Cover {
    Cover {
        expected,
        patient: None,
        practitioner: None,
        consent: None,
        compartment: Default::default(),
        granted: Granted::All,
        others: Vec::new(),
        total: false,
        base: BASE.into(),
        redactions: Vec::new(),
        egress: Vec::new(),
        watermark: None,
        self_link: format!("{BASE}/Observation?code=1"),
        links: Rc::new(|link| {
            let url = match link {
                Link::Page(url) => url,
                Link::File(of, url) => {
                    let file = url.strip_prefix("http://fhir/r4/files/")?;
                    return Some(format!("{BASE}/{of}/{file}"));
                }
            };
            let query = url.strip_prefix("http://fhir/r4/")?;
            query
                .starts_with("Observation?")
                .then(|| format!("{BASE}/{query}"))
        }),
    }
}

fn read(resource_type: &str, id: Option<&str>) -> Cover {
    cover(Expected::Resource {
        resource_type: kind(resource_type),
        id: id.map(String::from),
        version: None,
    })
}

fn bundle(kind_of_bundle: BundleKind, resource_type: &str, id: Option<&str>) -> Cover {
    cover(Expected::Bundle {
        kind: kind_of_bundle,
        resource_type: kind(resource_type),
        id: id.map(String::from),
    })
}

fn for_patient(mut cover: Cover, id: &str) -> Cover {
    cover.patient = Some(id.into());
    cover
}

fn hiding(mut cover: Cover, resource_type: &str, action: Action, elements: &[&str]) -> Cover {
    let elements: Vec<String> = elements.iter().map(|&element| element.into()).collect();
    let rule = Redaction::new("rule".into(), kind(resource_type), &elements, action);
    cover
        .redactions
        .push(Rc::new(rule.expect("elements that can be used")));
    cover
}

/// What a body becomes, in pieces cut at the given offsets.
fn run(
    cover: &Rc<Cover>,
    limits: Limits,
    body: &[u8],
    cuts: &[usize],
) -> Result<(String, Counts), Fault> {
    let mut screen = Screen::new(Rc::clone(cover), limits);
    let mut out = Vec::new();
    let mut from = 0;
    for &cut in cuts.iter().chain([&body.len()]) {
        screen.push(&body[from..cut])?;
        out.extend(screen.take());
        from = cut;
    }
    screen.finish()?;
    assert!(screen.closed());
    out.extend(screen.take());
    assert_eq!(screen.held(), 0);
    Ok((String::from_utf8(out).unwrap(), screen.counts()))
}

/// Runs a body whole, cut once at every byte, byte by byte, and cut at 200 random sets of offsets;
/// all must agree.
fn outcome(cover: Cover, body: &str) -> Result<(String, Counts), Fault> {
    let cover = Rc::new(cover);
    let body = body.as_bytes();
    let limits = Limits::default();
    let whole = run(&cover, limits, body, &[]);
    for cut in 0..=body.len() {
        assert_eq!(run(&cover, limits, body, &[cut]), whole, "cut at {cut}");
    }
    let every: Vec<usize> = (0..=body.len()).collect();
    assert_eq!(run(&cover, limits, body, &every), whole, "cut everywhere");
    let mut seed = 1_u64;
    let mut random = |below: usize| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for _ in 0..200 {
        let count = random(8);
        let mut cuts: Vec<usize> = (0..count).map(|_| random(body.len() + 1)).collect();
        cuts.sort_unstable();
        assert_eq!(run(&cover, limits, body, &cuts), whole, "cut at {cuts:?}");
    }
    whole
}

/// The text that leaves.
fn passed(name: &str, cover: Cover, body: &str) -> String {
    match outcome(cover, body) {
        Ok((text, _)) => text,
        Err(fault) => panic!("{name}: {fault:?}"),
    }
}
