//! `detectors`: what looks wrong about callers, and what comes of it.

use std::time::Duration;

use super::issuers::distinct;
use super::mistakes::{Mistakes, suggestion};
use super::reader::{Node, Object, or};
use super::step_up;
use crate::access::Requirement;
use crate::identity::{IssuerPolicy, Proof};
use crate::risk::{Detector, RiskPolicy, Volume, Weights};

/// The shortest and the longest time within which scores fall to half, patients are counted, and callers stay
/// isolated.
const TIME: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(10)..=Duration::from_secs(24 * 60 * 60);

/// Points at which something comes of it.
const POINTS: std::ops::RangeInclusive<u32> = 1..=100_000;

/// The most patients that can be counted well enough.
const PATIENTS: u32 = 1000;

/// How many times a limit may be tightened.
const TIMES: std::ops::RangeInclusive<u32> = 2..=100;

/// What is usual is learned at least for this long.
const LEARN: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(10)..=Duration::from_secs(7 * 24 * 60 * 60);

/// `detectors`.
#[derive(Default)]
pub(super) struct Detectors {
    pub policy: Option<RiskPolicy>,
    pub step_up: Requirement,
    pub place_header: Option<String>,
}

/// Reads `detectors`; `issuers` is `None` where there is a mistake in them already.
pub(super) fn read(
    node: &Node<'_>,
    issuers: Option<&[IssuerPolicy]>,
    m: &mut Mistakes,
) -> Option<Detectors> {
    let mut object = node.object("an object", m)?;
    let default = RiskPolicy::default();
    let mut points = |key, default, m: &mut Mistakes| {
        or(object.optional(key), default, |node| {
            node.integer(POINTS, m)
        })
    };
    let report_at = points("report_at", default.report_at, m);
    let isolate_at = points("isolate_at", default.isolate_at, m);
    let actions = actions(&mut object, m);
    let half_life = seconds(&mut object, "half_life", default.half_life, m);
    let isolate_for = seconds(&mut object, "isolate_for", 300, m);
    let place = object.pointer_of("isolate");
    let isolate = or(object.optional("isolate"), Vec::new(), |node| {
        let words = [
            ("certificate", Kind::Certificate),
            ("client", Kind::Client),
            ("tenant", Kind::Tenant),
        ];
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
    let origins = origins(&mut object, m);
    let learn = span(&mut object, "learn", default.learn, LEARN, m);
    let volume = or(object.optional("volume"), default.volume, |node| {
        volume(node, m)
    });
    object.finish(m);
    let (isolate, (patients, window)) = (isolate?, patients?);
    let mut unproven = issuers.unwrap_or_default().iter();
    let unproven = unproven.any(|issuer| issuer.proof == Proof::None);
    let held = [(Kind::Client, "client"), (Kind::Tenant, "tenant")];
    for (_, kind) in held.iter().filter(|(kind, _)| isolate.contains(kind)) {
        if unproven {
            m.add(
                &place,
                format!(
                    "expected no {kind} where an issuer has proof none: whoever has stolen a token could have \
                     its {kind} isolated; found {kind}"
                ),
            );
            return None;
        }
    }
    let (actions, origins) = (actions?, origins?);
    let policy = RiskPolicy {
        half_life: half_life?,
        report_at: report_at?,
        isolate_at: isolate_at?,
        isolate_for: isolate_for?.into(),
        isolates_certificates: isolate.contains(&Kind::Certificate),
        isolates_clients: isolate.contains(&Kind::Client),
        isolates_tenants: isolate.contains(&Kind::Tenant),
        weights: weights?,
        patients,
        window,
        certificates_within: origins.certificates,
        places_within: origins.places,
        travel_within: origins.travel,
        learn: learn?,
        volume: volume?,
        ..actions.policy
    };
    Some(Detectors {
        policy: Some(policy),
        step_up: actions.step_up,
        place_header: origins.place_header,
    })
}

/// What is done from which score on, besides isolation.
struct Actions {
    policy: RiskPolicy,
    step_up: Requirement,
}

fn actions(object: &mut Object<'_>, m: &mut Mistakes) -> Option<Actions> {
    let default = RiskPolicy::default();
    let mut at = |key, default, m: &mut Mistakes| {
        or(object.optional(key), default, |node| {
            node.integer(POINTS, m).map(Some)
        })
    };
    let clamp_at = at("clamp_at", None, m);
    let step_up_at = at("step_up_at", None, m);
    let quarantine_at = at("quarantine_at", None, m);
    let tenant_at = at("tenant_at", Some(default.tenant_at), m);
    let clamp_by = or(object.optional("clamp_by"), default.clamp_by, |node| {
        node.integer(TIMES, m)
    });
    let quarantine_for = seconds(object, "quarantine_for", 300, m);
    let report_only = or(object.optional("report_only"), false, |node| node.bool(m));
    let watch_only = or(object.optional("watch_only"), Vec::new(), |node| {
        let words = Detector::ALL.map(|detector| (detector.name(), detector as usize));
        distinct(node, "names of detectors", &words, m)
    });
    let place = object.pointer_of("step_up");
    let wanted = object.optional("step_up");
    let asks = wanted.is_some();
    let step_up = or(wanted, Requirement::default(), |node| {
        let mut object = node.object("an object with acr, amr or max_age", m)?;
        let (asks, requirement) = step_up::login(&mut object, m);
        object.finish(m);
        node.check(asks, "acr, amr or max_age, what is asked of the login", m)?;
        requirement
    });
    let step_up_at = step_up_at?;
    if asks != step_up_at.is_some() {
        m.add(
            &place,
            "expected step_up and step_up_at together, found one of them",
        );
        return None;
    }
    let mut watched = default.watch_only;
    for place in watch_only? {
        if let Some(watched) = watched.get_mut(place) {
            *watched = true;
        }
    }
    let policy = RiskPolicy {
        report_only: report_only?,
        watch_only: watched,
        clamp_at: clamp_at?,
        clamp_by: clamp_by?,
        step_up_at,
        quarantine_at: quarantine_at?,
        quarantine_for: quarantine_for?.into(),
        tenant_at: tenant_at?.unwrap_or(default.tenant_at),
        ..default
    };
    Some(Actions {
        policy,
        step_up: step_up?,
    })
}

/// How soon a token may come from elsewhere, and who says from where.
struct Origins {
    certificates: u32,
    places: u32,
    travel: u32,
    place_header: Option<String>,
}

fn origins(object: &mut Object<'_>, m: &mut Mistakes) -> Option<Origins> {
    let default = RiskPolicy::default();
    let mut within = |key, default, m: &mut Mistakes| {
        or(object.optional(key), default, |node| {
            let mut object = node.object("an object with within", m)?;
            let within = seconds(&mut object, "within", default, m);
            object.finish(m);
            within
        })
    };
    let certificates = within("certificates", default.certificates_within, m);
    let travel = within("travel", default.travel_within, m);
    let none = (None, default.places_within);
    let places = or(object.optional("places"), none, |node| {
        let mut object = node.object("an object with header", m)?;
        let header = object.required("header", "the name of a header", m);
        let header = header.and_then(|node| {
            let name = node.text("the name of a header", 1..=64, m)?;
            let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
            node.check(
                name.bytes().all(plain) && name.starts_with("x-"),
                "a header that begins with x-, of a-z, 0-9 and -",
                m,
            )?;
            Some(name.to_owned())
        });
        let within = seconds(&mut object, "within", default.places_within, m);
        object.finish(m);
        Some((Some(header?), within?))
    });
    let (place_header, places) = places?;
    Some(Origins {
        certificates: certificates?,
        places,
        travel: travel?,
        place_header,
    })
}

/// How much is more than usual.
fn volume(node: &Node<'_>, m: &mut Mistakes) -> Option<Volume> {
    let default = RiskPolicy::default().volume;
    let mut object = node.object("an object with ratio, records and bytes", m)?;
    let ratio = or(object.optional("ratio"), default.ratio, |node| {
        node.integer(2..=1000, m)
    });
    let records = or(object.optional("records"), default.records, |node| {
        node.integer(1..=1_000_000_000, m)
    });
    let bytes = or(object.optional("bytes"), default.bytes, |node| {
        let bytes = node.size(1..=1 << 30, m)?;
        Some(bytes as u64)
    });
    object.finish(m);
    Some(Volume {
        ratio: ratio?,
        records: records?,
        bytes: bytes?,
    })
}

/// Who is isolated.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Certificate,
    Client,
    Tenant,
}

fn seconds(
    object: &mut Object<'_>,
    key: &'static str,
    default: u32,
    m: &mut Mistakes,
) -> Option<u32> {
    span(object, key, default, TIME, m)
}

fn span(
    object: &mut Object<'_>,
    key: &'static str,
    default: u32,
    range: std::ops::RangeInclusive<Duration>,
    m: &mut Mistakes,
) -> Option<u32> {
    or(object.optional(key), default, |node| {
        let found = node.duration(range, m)?;
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
