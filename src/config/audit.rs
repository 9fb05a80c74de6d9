//! `audit`: where records go, and how they are chained.

use std::rc::Rc;
use std::time::Duration;

use super::mistakes::Mistakes;
use super::policy::name;
use super::reader::{Node, Object, each, or};
use super::secrets::Secrets;
use crate::audit::{AuditPolicy, ChainPolicy};
use crate::response::Signer;

/// Records from one checkpoint to the next.
const RECORDS: u32 = 100_000;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads the section.
pub(super) fn read(
    document: &mut Object<'_>,
    secrets: Option<&Secrets>,
    m: &mut Mistakes,
) -> Option<AuditPolicy> {
    let node = document.required("audit", "an object with observer", m)?;
    let mut object = node.object("an object with observer", m)?;
    let observer = object.required("observer", "the name under which this filter reports", m);
    let observer = observer.and_then(|node| name(&node, m));
    let sinks = or(object.optional("sinks"), Vec::new(), |node| {
        let sinks = node.list("sinks", 1..=1, m)?;
        each(&sinks, |sink| audit_sink(sink, m))
    });
    let chain = or(object.optional("chain"), None, |node| {
        chain(node, secrets, m).map(Some)
    });
    object.finish(m);
    sinks?;
    Some(AuditPolicy {
        observer: observer?,
        chain: chain?,
    })
}

fn chain(node: &Node<'_>, secrets: Option<&Secrets>, m: &mut Mistakes) -> Option<ChainPolicy> {
    let mut object = node.object("an object with key_id, records or time", m)?;
    let key = or(object.optional("key_id"), None, |node| {
        Some(Some((name(node, m)?, node.clone())))
    });
    let records = or(object.optional("records"), 1000, |node| {
        node.integer(1..=RECORDS, m)
    });
    let time = or(object.optional("time"), 60_000_000_000, |node| {
        let time = node.duration(Duration::from_secs(1)..=DAY, m)?;
        u64::try_from(time.as_nanos()).ok()
    });
    object.finish(m);
    let (key, records, time) = (key?, records?, time?);
    let signer = match key {
        Some((id, place)) => Some(signer(id, &place, secrets, m)?),
        None => None,
    };
    Some(ChainPolicy {
        signer,
        records,
        time,
    })
}

fn signer(
    id: String,
    place: &Node<'_>,
    secrets: Option<&Secrets>,
    m: &mut Mistakes,
) -> Option<Rc<Signer>> {
    // What is wrong with the secrets is said there.
    let Some(der) = &secrets?.audit_key else {
        return place.refuse("secrets.audit_key beside it", "no such key", m);
    };
    let expected = "secrets.audit_key to be a private key on P-256, or of Ed25519, in DER";
    let signer = Signer::read(der, id).map(Rc::new);
    signer.or_else(|| place.refuse(expected, "another key", m))
}

/// The only sink there is.
fn audit_sink(node: &Node<'_>, m: &mut Mistakes) -> Option<()> {
    const SINK: &str = "access_log";
    match node.value().as_str() {
        Some(word @ ("http" | "opentelemetry")) => node.unavailable(word, "\"access_log\"", m),
        _ => node.keyword(&[(SINK, ())], m),
    }
}
