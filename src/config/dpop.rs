//! `dpop`: how proofs are judged.

use std::time::Duration;

use super::issuers::{algorithm_words, distinct};
use super::mistakes::Mistakes;
use super::reader::{Node, Object, or};
use super::secrets::Secrets;
use crate::identity::{Algorithm, DpopPolicy, MAX_PROOF_SKEW, NonceKey};

/// The shortest and the longest time for which a proof is taken.
const WINDOW: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(300);

/// The shortest and the longest time for which a token is shut out.
const QUARANTINE: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(10)..=Duration::from_secs(24 * 60 * 60);

/// The most that a client's clock may be off.
const SKEW: Duration = Duration::from_secs(MAX_PROOF_SKEW);

/// What the operator wrote into `dpop`, before it is known which key there is.
struct Section {
    algorithms: Vec<Algorithm>,
    window: u64,
    clock_skew: u64,
    /// Whether a nonce is required.
    nonce: bool,
    quarantine: Option<u64>,
}

/// Reads `dpop`; `secrets` is `None` where there is a mistake in them already.
pub(super) fn read(
    object: &mut Object<'_>,
    secrets: Option<&Secrets>,
    m: &mut Mistakes,
) -> Option<DpopPolicy> {
    let default = Section {
        algorithms: Algorithm::ALL.to_vec(),
        window: 60,
        clock_skew: 5,
        nonce: false,
        quarantine: None,
    };
    let place = format!("{}/nonce", object.pointer_of("dpop"));
    let section = or(object.optional("dpop"), default, |node| section(node, m))?;
    let key = secrets?.nonce_key.clone().map(NonceKey::new);
    if section.nonce && key.is_none() {
        m.add(
            &place,
            "expected a key for nonces, {env: NAME} at /secrets/nonce_key, found nothing",
        );
        return None;
    }
    Some(DpopPolicy {
        algorithms: section.algorithms,
        window: section.window,
        clock_skew: section.clock_skew,
        nonces: key.filter(|_| section.nonce),
        quarantine: section.quarantine,
    })
}

fn section(node: &Node<'_>, m: &mut Mistakes) -> Option<Section> {
    let mut object = node.object("an object", m)?;
    let algorithms = or(
        object.optional("algorithms"),
        Algorithm::ALL.to_vec(),
        |node| distinct(node, "algorithms", &algorithm_words(), m),
    );
    let seconds = |node: &Node<'_>, range, m: &mut Mistakes| {
        let found = node.duration(range, m)?;
        node.check(found.subsec_nanos() == 0, "a duration of whole seconds", m)?;
        Some(found.as_secs())
    };
    let window = or(object.optional("window"), 60, |node| {
        seconds(node, WINDOW, m)
    });
    let clock_skew = or(object.optional("clock_skew"), 5, |node| {
        seconds(node, Duration::ZERO..=SKEW, m)
    });
    let nonce = or(object.optional("nonce"), false, |node| {
        node.keyword(&[("required", true), ("none", false)], m)
    });
    let quarantine = or(object.optional("quarantine"), None, |node| {
        seconds(node, QUARANTINE, m).map(Some)
    });
    object.finish(m);
    Some(Section {
        algorithms: algorithms?,
        window: window?,
        clock_skew: clock_skew?,
        nonce: nonce?,
        quarantine: quarantine?,
    })
}
