//! What a permit says of the request, and of its answer.

use std::rc::Rc;

use super::{Circumstances, Granted, Letter, Permit, Scope, granting, lacking, letter};
use crate::denial::Denial;
use crate::dlp::Texts;
use crate::fhir::ResourceType;
use crate::identity::Principal;
use crate::json::Node;
use crate::label::Cleared;
use crate::request::{Interaction, Request, Search};

impl Permit {
    /// What is permitted.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Who is calling; `None` on a public path.
    pub fn principal(&self) -> Option<&Rc<Principal>> {
        self.principal.as_ref()
    }

    /// What it was decided under; `None` on a public path.
    pub fn circumstances(&self) -> Option<Circumstances> {
        self.circumstances
    }

    /// What allowed it, for the audit record: a scope as it stands in the token, or `public`.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// The patient to whose compartment the answer is confined; `None` when it is not.
    pub fn patient(&self) -> Option<&str> {
        self.patient.as_deref()
    }

    /// The practitioner to whose compartment the answer is confined; `None` when it is not.
    pub fn practitioner(&self) -> Option<&str> {
        self.practitioner.as_deref()
    }

    /// Whether it rests on the current version of what is written: it must be read, be the own patient's
    /// and what the permit is for, and the write be pinned to it.
    pub fn rests_on_current(&self) -> bool {
        let changes = matches!(
            self.request.interaction,
            Interaction::Update { .. } | Interaction::Patch { .. } | Interaction::Delete { .. }
        );
        changes && (self.patient.is_some() || !self.granted.is_all())
    }

    /// Whether only the answer tells if the instance that is read is the own patient's, or the own practitioner's.
    pub fn rests_on_answer(&self) -> bool {
        let interaction = &self.request.interaction;
        let foreign = |found: ResourceType| match self.patient {
            Some(_) => !found.is_patient(),
            // One of many may be opened, as what is nobody's.
            None => self.practitioner.is_some(),
        };
        letter(interaction) == Some(Letter::Read)
            && interaction.resource_type().is_some_and(foreign)
    }

    /// Whether the caller may read what a write leaves behind, or some of it.
    pub fn may_read(&self) -> bool {
        self.readable.is_some()
    }

    /// Whether the caller may read every resource of the type.
    pub fn may_read_all(&self) -> bool {
        self.readable.as_ref().is_some_and(Granted::is_all)
    }

    /// Which resources of the type an answer may hold: those that the interaction is permitted for, and
    /// after a write those that the caller may read. `None`: none of them.
    pub fn visible(&self) -> Option<&Granted> {
        match letter(&self.request.interaction) {
            Some(Letter::Create | Letter::Update | Letter::Delete) => self.readable.as_ref(),
            Some(Letter::Read | Letter::Search) | None => Some(&self.granted),
        }
    }

    /// Which resources of further types an answer may hold.
    pub fn others(&self) -> &[(ResourceType, Granted)] {
        &self.others
    }

    /// Whether an answer may tell how many matches there are: it was asked for, and the caller may see each,
    /// or the server is trusted to count no others.
    pub fn shows_total(&self) -> bool {
        let interaction = &self.request.interaction;
        let search = interaction.search();
        let asks = search.is_some_and(Search::asks_for_total)
            || matches!(interaction, Interaction::Export(_));
        asks && self.may_count()
    }

    /// Whether a number tells of nothing that the caller may not see.
    pub(super) fn may_count(&self) -> bool {
        let confined = (self.patient.is_some() || self.practitioner.is_some()) && !self.counts;
        self.is_for_all() && !confined && !self.rests_on_consent()
    }

    /// Whether the interaction is permitted for all resources of its types.
    pub fn is_for_all(&self) -> bool {
        self.granted.is_all() && self.others.iter().all(|(_, granted)| granted.is_all())
    }

    /// The rules about texts that hold for what the caller reads.
    pub fn texts(&self) -> impl Iterator<Item = &Texts> {
        let own = self.readable.iter().chain([&self.granted]);
        let others = self.others.iter().map(|(_, granted)| granted);
        let texts = own.chain(others).filter_map(Granted::texts);
        texts.map(Rc::as_ref)
    }

    /// Whether the interaction is permitted for this resource of its type.
    pub fn covers(&self, resource: Node<'_>) -> bool {
        self.granted.covers(resource)
    }

    /// What the caller may see of the type by labels; `None` is everything.
    pub fn labels(&self) -> Option<&Cleared> {
        self.granted.labels().map(Rc::as_ref)
    }

    /// Whether this resource may be written: refuses one that the interaction is not permitted for.
    pub fn check_written(&self, resource: Node<'_>) -> Result<(), Denial> {
        let interaction = &self.request.interaction;
        match (self.covers(resource), interaction.resource_type()) {
            (true, _) => Ok(()),
            // Another scope would be of no use.
            (false, _) if self.granted.is_in_scope(resource) => Err(Denial::Rule("unseen".into())),
            (false, Some(own)) => Err(lacking(self.level, interaction, own)),
            (false, None) => Err(Denial::Path),
        }
    }

    /// Whether the condition of the redaction at this place does not hold.
    pub fn spares_redaction(&self, place: usize) -> bool {
        bit(self.spared.redactions, place)
    }

    /// Whether the condition of the limit at this place does not hold.
    pub fn spares_limit(&self, place: usize) -> bool {
        bit(self.spared.limits, place)
    }

    /// Whether the condition of priority under the limit at this place holds, or there is none.
    pub fn has_priority(&self, place: usize) -> bool {
        bit(self.spared.priority, place)
    }

    /// Whether the answer is to be signed, where answers are.
    pub fn signs(&self) -> bool {
        !self.spared.signature
    }

    /// Whether what leaves is to be marked, where it is.
    pub fn marks(&self) -> bool {
        !self.spared.watermark
    }

    /// Whether the condition of the guardrail at this place does not hold.
    pub fn spares_egress(&self, place: usize) -> bool {
        bit(self.spared.egress, place)
    }

    /// What rules that only report would have refused it for, as the audit record names them.
    pub fn reported(&self) -> &[String] {
        &self.reported
    }

    /// Whether an active scope of the caller includes this one, for rules that spare some callers.
    pub fn holds_scope(&self, wanted: &Scope) -> bool {
        let counting = self.principal.as_ref().and_then(|caller| granting(caller));
        counting.is_some_and(|(_, scopes)| scopes.data().any(|scope| scope.includes(wanted)))
    }
}

fn bit(bits: u64, place: usize) -> bool {
    let place = u32::try_from(place).ok();
    place
        .and_then(|place| bits.checked_shr(place))
        .unwrap_or_default()
        & 1
        == 1
}
