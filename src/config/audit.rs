//! `audit`: how an exchange is remembered.

use std::rc::Rc;

use super::mistakes::Mistakes;
use super::policy::name;
use super::reader::{Node, Object, each, or};
use super::secrets::Secrets;
use crate::audit::{AuditPolicy, Telling};

/// Patients that a record names unless the operator says otherwise.
const PATIENTS: usize = 20;

/// Reads the section; `secrets` is `None` where there is a mistake in them already.
pub(super) fn read(
    node: &Node<'_>,
    secrets: Option<&Secrets>,
    m: &mut Mistakes,
) -> Option<AuditPolicy> {
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
    let patients = or(object.optional("patients"), PATIENTS, |node| {
        let most = u32::try_from(AuditPolicy::PATIENTS).ok()?;
        usize::try_from(node.integer(0..=most, m)?).ok()
    });
    let query = keys.read(&mut object, "query", "names", hashed.clone(), m);
    let references = keys.read(&mut object, "references", "none", Telling::Plain, m);
    let token_id = keys.read(&mut object, "token_id", "none", hashed, m);
    let sinks = or(object.optional("sinks"), Vec::new(), |node| {
        let sinks = node.list("sinks", 1..=1, m)?;
        each(&sinks, |sink| audit_sink(sink, m))
    });
    object.finish(m);
    sinks?;
    Some(AuditPolicy {
        observer: observer?,
        base: String::new(),
        references: references?,
        address: address?,
        token_id: token_id?,
        query: query?,
        patients: patients?,
    })
}

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
