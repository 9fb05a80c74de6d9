//! `audit`: how an exchange is remembered, where records go, and how they are chained.

use std::rc::Rc;
use std::time::Duration;

use super::fhir::cluster_name;
use super::mistakes::Mistakes;
use super::policy::{KIB, MIB, URL, name};
use super::reader::{Node, Object, each, or};
use super::secrets::Secrets;
use crate::audit::{AlertFormat, AuditPolicy, ChainPolicy, Format, Full, Repository, Telling};
use crate::remote::Source;
use crate::response::Signer;

/// Patients that a record names unless the operator says otherwise.
const PATIENTS: usize = 20;

/// Records from one checkpoint to the next.
const RECORDS: u32 = 100_000;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads the section; `secrets` is `None` where there is a mistake in them already.
pub(super) fn read(
    node: &Node<'_>,
    secrets: Option<&Secrets>,
    m: &mut Mistakes,
) -> Option<(AuditPolicy, Option<Repository>)> {
    let mut object = node.object("an object with observer", m)?;
    let observer = object.required("observer", "the name under which this filter reports", m);
    let observer = observer.and_then(|node| name(&node, m));
    let key = secrets.and_then(|secrets| secrets.audit_key.clone());
    let keys = Keys {
        known: secrets.is_some(),
        key: key.map(Rc::new),
    };
    let hashed = match &keys.key {
        Some(key) => Telling::Hashed(Rc::clone(key)),
        None => Telling::Nothing,
    };
    let address = keys.read(&mut object, "address", "none", Telling::Plain, m);
    let alerts = or(object.optional("alerts"), None, |node| {
        let formats = [("ecs", AlertFormat::Ecs), ("ocsf", AlertFormat::Ocsf)];
        node.keyword(&formats, m).map(Some)
    });
    let patients = or(object.optional("patients"), PATIENTS, |node| {
        let most = u32::try_from(AuditPolicy::PATIENTS).ok()?;
        usize::try_from(node.integer(0..=most, m)?).ok()
    });
    let query = keys.read(&mut object, "query", "names", hashed.clone(), m);
    let references = keys.read(&mut object, "references", "none", Telling::Plain, m);
    let repository = or(object.optional("repository"), None, |node| {
        repository(node, m).map(Some)
    });
    let token_id = keys.read(&mut object, "token_id", "none", hashed, m);
    let sinks = or(object.optional("sinks"), Vec::new(), |node| {
        let sinks = node.list("sinks", 1..=1, m)?;
        each(&sinks, |sink| audit_sink(sink, m))
    });
    let chain = or(object.optional("chain"), None, |node| {
        chain(node, secrets, m).map(Some)
    });
    object.finish(m);
    sinks?;
    let policy = AuditPolicy {
        observer: observer?,
        chain: chain?,
        alerts: alerts?,
        base: String::new(),
        references: references?,
        address: address?,
        token_id: token_id?,
        query: query?,
        patients: patients?,
    };
    Some((policy, repository?))
}

fn repository(node: &Node<'_>, m: &mut Mistakes) -> Option<Repository> {
    let mut object = node.object("an object with cluster and uri", m)?;
    let batch = or(object.optional("batch"), 100, |node| {
        usize::try_from(node.integer(Repository::BATCHES, m)?).ok()
    });
    let cluster = object.required("cluster", "an Envoy cluster", m);
    let cluster = cluster.and_then(|node| cluster_name(&node, m));
    let formats = [
        ("audit-events", Format::Events),
        ("records", Format::Records),
    ];
    let format = or(object.optional("format"), Format::Events, |node| {
        node.keyword(&formats, m)
    });
    let answers = [("refuse", Full::Refuse), ("access-log", Full::AccessLog)];
    let full = or(object.optional("full"), Full::Refuse, |node| {
        node.keyword(&answers, m)
    });
    let queue = or(object.optional("queue"), 4 * MIB, |node| {
        node.size(64 * KIB..=64 * MIB, m)
    });
    let strict = or(object.optional("strict"), false, |node| {
        let strict = node.bool(m)?;
        match strict && full == Some(Full::AccessLog) {
            true => node.refuse("full: refuse beside it", "full: access-log", m),
            false => Some(strict),
        }
    });
    let timeout = or(object.optional("timeout"), 5_000_000_000, |node| {
        let time = node.duration(Repository::TIMES, m)?;
        u64::try_from(time.as_nanos()).ok()
    });
    let uri = object.required("uri", URI, m);
    let place = uri.and_then(|node| {
        let text = node.text(URI, 1..=URL, m)?;
        Source::locate(text).or_else(|| node.refuse(URI, "other text", m))
    });
    object.finish(m);
    let (authority, path) = place?;
    Some(Repository {
        cluster: cluster?,
        authority,
        path,
        format: format?,
        batch: batch?,
        queue: queue?,
        full: full?,
        timeout: timeout?,
        strict: strict?,
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
    let Some(der) = &secrets?.checkpoint_key else {
        return place.refuse("secrets.checkpoint_key beside it", "no such key", m);
    };
    let expected = "secrets.checkpoint_key to be a private key on P-256, or of Ed25519, in DER";
    let signer = Signer::read(der, id).map(Rc::new);
    signer.or_else(|| place.refuse(expected, "another key", m))
}

const URI: &str = "the URL that batches are posted to, without user name and fragment";

/// The key of hashes, where there is one.
struct Keys {
    /// Whether the secrets have no mistake.
    known: bool,
    key: Option<Rc<crate::identity::MacKey>>,
}

impl Keys {
    /// How something is told; `nothing` is the word for not at all.
    fn read(
        &self,
        object: &mut Object<'_>,
        key: &'static str,
        nothing: &'static str,
        default: Telling,
        m: &mut Mistakes,
    ) -> Option<Telling> {
        or(object.optional(key), default, |node| {
            let words = [
                ("plain", Telling::Plain),
                ("hashed", Telling::Nothing),
                (nothing, Telling::Nothing),
            ];
            let read = node.keyword(&words, m)?;
            match (node.value().as_str(), &self.key) {
                (Some("hashed"), Some(key)) => Some(Telling::Hashed(Rc::clone(key))),
                (Some("hashed"), None) if self.known => {
                    node.refuse("secrets.audit_key beside it", "no such key", m)
                }
                // What is wrong with the secrets is said there.
                (Some("hashed"), None) => None,
                _ => Some(read),
            }
        })
    }
}

/// The only sink there is.
fn audit_sink(node: &Node<'_>, m: &mut Mistakes) -> Option<()> {
    const SINK: &str = "access_log";
    match node.value().as_str() {
        Some(word @ ("http" | "opentelemetry")) => node.unavailable(word, "\"access_log\"", m),
        _ => node.keyword(&[(SINK, ())], m),
    }
}
