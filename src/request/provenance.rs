//! Where a write comes from, as its writer says: the header `X-Provenance`
//! (<https://hl7.org/fhir/R4/provenance.html#header>), or a Provenance in the same transaction.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::body::{BodyFault, check_provenance, names_agent};
use super::labels::has_labels;
use super::{BatchEntry, ClientLabels, FhirPolicy, Interaction, RequestHead};
use crate::denial::Denial;
use crate::fhir::ResourceType;
use crate::json::Node;

/// The largest `X-Provenance` that is looked at, in bytes.
pub const MAX_PROVENANCE: usize = 8 * 1024;

/// What becomes of the header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClientProvenance {
    /// It stays behind.
    Dropped,
    /// It is checked and goes on.
    Kept,
    /// The write is refused.
    Refused,
}

/// Where a write comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Provenance {
    /// The header says it: these bytes, which were checked and go on.
    Header(Rc<str>),
    /// A Provenance says it that the same transaction creates or updates.
    Entry,
}

impl Provenance {
    /// Reads what the head of this request says of where it comes from.
    ///
    /// # Errors
    /// The header is not taken, or is no Provenance of what is written.
    pub(super) fn of(
        head: &RequestHead,
        interaction: &Interaction,
        policy: &FhirPolicy,
    ) -> Result<Option<Self>, Denial> {
        let writes = match interaction {
            Interaction::Operation(call) => call.post,
            other => other.change().is_some(),
        };
        // On a read it says nothing.
        let Some(header) = head.provenance.as_ref().filter(|_| writes) else {
            return Ok(None);
        };
        match policy.writes.provenance {
            ClientProvenance::Dropped => Ok(None),
            ClientProvenance::Kept if interaction.change().is_some() => {
                let text = header.as_ref().map_err(|found| malformed(found))?;
                check(text, policy)?;
                Ok(Some(Provenance::Header(text.as_str().into())))
            }
            // What an operation writes, if anything, is not known here.
            ClientProvenance::Kept | ClientProvenance::Refused => {
                Err(Denial::NotSupported("provenance"))
            }
        }
    }

    /// Refuses the header on a Bundle of requests, where it is not said of which entry it speaks.
    pub(super) fn none(head: &RequestHead, policy: &FhirPolicy) -> Result<(), Denial> {
        let dropped = policy.writes.provenance == ClientProvenance::Dropped;
        match head.provenance.is_none() || dropped {
            true => Ok(()),
            false => Err(Denial::NotSupported("provenance")),
        }
    }

    /// Whether this is the type of what says where others come from.
    pub fn is_type(resource_type: ResourceType) -> bool {
        resource_type.name() == "Provenance"
    }

    /// Notes which entries of a transaction another entry says where they come from: a Provenance with an
    /// agent that is created or updated without a condition, by a target that is the entry's own
    /// `urn:uuid:` or instance. `nodes` are the entries as they were written.
    pub(super) fn note<'d>(
        entries: &mut [Result<BatchEntry<'d>, Denial>],
        nodes: impl Iterator<Item = Node<'d>>,
        policy: &FhirPolicy,
    ) {
        let mut told = BTreeSet::new();
        for (entry, node) in entries.iter().zip(nodes) {
            let makes = entry.as_ref().is_ok_and(|entry| {
                matches!(entry.request.interaction,
                    Interaction::Create { resource_type } | Interaction::Update { resource_type, .. }
                        if Provenance::is_type(resource_type))
            });
            let resource = node.get("resource").filter(|_| makes);
            let Some(resource) = resource.filter(|resource| names_agent(*resource)) else {
                continue;
            };
            let targets = resource.get("target").into_iter().flat_map(Node::items);
            told.extend(targets.filter_map(|target| target.get("reference")?.str()));
        }
        for entry in entries.iter_mut().flatten() {
            let interaction = &entry.request.interaction;
            let instance = interaction.resource_type().zip(interaction.id());
            let local = instance.map(|(name, id)| format!("{name}/{id}"));
            let whole = local
                .as_ref()
                .map(|local| format!("{}/{local}", policy.base.as_str()));
            let mut names = [entry.urn.as_deref(), local.as_deref(), whole.as_deref()]
                .into_iter()
                .flatten();
            if interaction.change().is_some() && names.any(|name| told.contains(name)) {
                entry.request.provenance = Some(Provenance::Entry);
            }
        }
    }
}

/// Reads the value of the field; what is wrong with it matters on a write only.
pub(super) fn read(doubled: bool, value: &[u8]) -> Result<String, &'static str> {
    if doubled {
        return Err("it is there twice");
    }
    if value.len() > MAX_PROVENANCE {
        return Err("it is longer than 8192 bytes");
    }
    match value.iter().all(|byte| (0x20..0x7f).contains(byte)) {
        true => Ok(String::from_utf8_lossy(value).into_owned()),
        false => Err("it has other characters than those of printable ascii"),
    }
}

fn check(text: &str, policy: &FhirPolicy) -> Result<(), Denial> {
    let document = check_provenance(text.as_bytes(), policy.body_check);
    let document = document.map_err(|fault| match fault {
        BodyFault::Conditional => Denial::NotSupported("conditional-reference"),
        BodyFault::Structure(found) => Denial::Body("provenance", found),
        BodyFault::Malformed(found) | BodyFault::Mismatch(found) => malformed(found),
        BodyFault::Reads | BodyFault::Redacted => malformed("it is marked as a part of a resource"),
    })?;
    if policy.writes.labels == ClientLabels::Refused && has_labels(document.root()) {
        return Err(Denial::NotSupported("label"));
    }
    Ok(())
}

fn malformed(found: &'static str) -> Denial {
    Denial::Body("provenance", found.into())
}
