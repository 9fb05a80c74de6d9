//! What the operator says of writes.

use super::{BaseUrl, ClientProvenance};
use crate::fhir::{Compartment, ResourceType};

/// Which writes are taken, beyond what scopes say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WritePolicy {
    /// What becomes of a body, or a patch, that sets security labels or tags.
    pub labels: ClientLabels,
    /// What becomes of `X-Provenance`.
    pub provenance: ClientProvenance,
    /// The types that `patient/` scopes may write; [`may_be_written`](Self::may_be_written) of each holds.
    pub patient_types: Vec<ResourceType>,
    /// Which writes may be of what a search finds. With [`Change::Delete`] the server deletes one match
    /// only, and refuses where there are more.
    pub conditional: Vec<Change>,
    /// Where Subscriptions may send to, or below: `https` URLs. Where there are none, none are written.
    pub subscriptions: Vec<BaseUrl>,
    /// Whether the server refuses a write whose `If-Match` is not the current version, with no gap
    /// between looking and writing. Only then can what is there be read before it is written.
    pub if_match: bool,
}

/// What a write does to a resource.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the standard")]
pub enum Change {
    Create,
    Update,
    Patch,
    Delete,
}

impl Change {
    /// The standard's code (<https://hl7.org/fhir/R4/valueset-type-restful-interaction.html>).
    pub fn code(self) -> &'static str {
        match self {
            Change::Create => "create",
            Change::Update => "update",
            Change::Patch => "patch",
            Change::Delete => "delete",
        }
    }
}

/// What becomes of security labels and tags (`meta.security`, `meta.tag`) that a client sets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClientLabels {
    /// They go on: the client is trusted to label, also with less than there was.
    Kept,
    /// The write is refused.
    Refused,
}

/// What patients say of themselves. Not what others order, bill, plan or sign.
const PATIENT_TYPES: [&str; 11] = [
    "AllergyIntolerance",
    "Communication",
    "Condition",
    "DeviceUseStatement",
    "DocumentReference",
    "FamilyMemberHistory",
    "Goal",
    "Media",
    "MedicationStatement",
    "Observation",
    "QuestionnaireResponse",
];

impl Default for WritePolicy {
    /// The careful one: no labels and no provenance of clients, what patients say of themselves, no searches, and no trust.
    fn default() -> Self {
        let types = PATIENT_TYPES.into_iter().filter_map(ResourceType::parse);
        WritePolicy {
            labels: ClientLabels::Refused,
            provenance: ClientProvenance::Refused,
            patient_types: types.collect(),
            conditional: Vec::new(),
            subscriptions: Vec::new(),
            if_match: false,
        }
    }
}

impl WritePolicy {
    /// Whether an operator may let `patient/` scopes write this type: it is in the patient compartment,
    /// so that it can be told whose it is, and does not say who may see what, who somebody is, or what
    /// was done.
    pub fn may_be_written(resource_type: ResourceType) -> bool {
        let name = resource_type.name();
        let own = Compartment::Patient
            .elements(resource_type)
            .next()
            .is_some();
        own && !matches!(
            name,
            "AuditEvent" | "Consent" | "Group" | "Person" | "RelatedPerson"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_holds_what_an_operator_may_choose() {
        let policy = WritePolicy::default();
        assert_eq!(policy.patient_types.len(), PATIENT_TYPES.len());
        for resource_type in policy.patient_types {
            assert!(
                WritePolicy::may_be_written(resource_type),
                "{resource_type}"
            );
        }
        for (name, expected) in [
            ("Appointment", true),
            ("Patient", true),
            ("Coverage", true),
            ("AuditEvent", false),
            ("Consent", false),
            ("Group", false),
            ("Person", false),
            ("RelatedPerson", false),
            ("Organization", false),
            ("Practitioner", false),
            ("Task", false),
            ("Bundle", false),
            ("Subscription", false),
        ] {
            let resource_type = ResourceType::parse(name).expect(name);
            assert_eq!(
                WritePolicy::may_be_written(resource_type),
                expected,
                "{name}"
            );
        }
    }
}
