//! `detectors`: what looks wrong about callers, and what comes of it.

use std::time::Duration;

use super::issuers::distinct;
use super::mistakes::{Mistakes, suggestion};
use super::reader::{Node, Object, or};
use crate::identity::{IssuerPolicy, Proof};
use crate::risk::{Detector, RiskPolicy, Weights};

/// The shortest and the longest time within which scores fall to half, patients are counted, and callers stay
/// isolated.
const TIME: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(10)..=Duration::from_secs(24 * 60 * 60);

/// Points at which something comes of it.
const POINTS: std::ops::RangeInclusive<u32> = 1..=100_000;

/// The most patients that can be counted well enough.
const PATIENTS: u32 = 1000;

/// Reads `detectors`; `issuers` is `None` where there is a mistake in them already.
pub(super) fn read(
    node: &Node<'_>,
    issuers: Option<&[IssuerPolicy]>,
    m: &mut Mistakes,
) -> Option<RiskPolicy> {
    let mut object = node.object("an object", m)?;
    let default = RiskPolicy::default();
    let mut points = |key, default, m: &mut Mistakes| {
        or(object.optional(key), default, |node| {
            node.integer(POINTS, m)
        })
    };
    let report_at = points("report_at", default.report_at, m);
    let isolate_at = points("isolate_at", default.isolate_at, m);
    let half_life = seconds(&mut object, "half_life", default.half_life, m);
    let isolate_for = seconds(&mut object, "isolate_for", 300, m);
    let place = object.pointer_of("isolate");
    let isolate = or(object.optional("isolate"), Vec::new(), |node| {
        let words = [("certificate", Kind::Certificate), ("client", Kind::Client)];
        distinct(node, "kinds of callers", &words, m)
    });
    let weights = or(object.optional("weights"), default.weights, |node| {
        weights(node, m)
    });
    let most = (default.patients, default.window);
    let patients = or(object.optional("patients"), most, |node| {
        let mut object = node.object("an object with most and within", m)?;
        let most = or(object.optional("most"), default.patients, |node| {
            node.integer(1..=PATIENTS, m)
        });
        let within = seconds(&mut object, "within", default.window, m);
        object.finish(m);
        Some((most?, within?))
    });
    object.finish(m);
    let (isolate, (patients, window)) = (isolate?, patients?);
    let isolates_clients = isolate.contains(&Kind::Client);
    let mut unproven = issuers.unwrap_or_default().iter();
    if isolates_clients && unproven.any(|issuer| issuer.proof == Proof::None) {
        m.add(
            &place,
            "expected no client where an issuer has proof none: whoever has stolen a token could have its \
             client isolated; found client",
        );
        return None;
    }
    Some(RiskPolicy {
        half_life: half_life?,
        report_at: report_at?,
        isolate_at: isolate_at?,
        isolate_for: isolate_for?.into(),
        isolates_certificates: isolate.contains(&Kind::Certificate),
        isolates_clients,
        weights: weights?,
        patients,
        window,
    })
}

/// Who is isolated.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Certificate,
    Client,
}

fn seconds(
    object: &mut Object<'_>,
    key: &'static str,
    default: u32,
    m: &mut Mistakes,
) -> Option<u32> {
    or(object.optional(key), default, |node| {
        let found = node.duration(TIME, m)?;
        node.check(found.subsec_nanos() == 0, "a duration of whole seconds", m)?;
        u32::try_from(found.as_secs()).ok()
    })
}

fn weights(node: &Node<'_>, m: &mut Mistakes) -> Option<Weights> {
    let object = node.object("an object with points for each of some detectors", m)?;
    let mut weights = Weights::default();
    let mut fine = true;
    for (name, node) in object.members() {
        let known = Detector::ALL.into_iter().find(|one| one.name() == name);
        let Some(detector) = known else {
            let near = suggestion(name, Detector::ALL.map(Detector::name));
            fine &= node
                .refuse_word::<()>("the name of a detector as its key", name, &near, m)
                .is_some();
            continue;
        };
        let points = node.integer(0..=Weights::MOST, m);
        fine &= points.is_some();
        if let (Some(weight), Some(points)) = (weights.0.get_mut(detector as usize), points) {
            *weight = points;
        }
    }
    fine.then_some(weights)
}
