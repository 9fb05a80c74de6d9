//! What the record says of a request, and of whom it concerns.

use super::entry::reference;
use super::{Exchange, Field, Guard, Screen};
use crate::access::Permit;
use crate::fhir::{ResourceType, is_id};
use crate::identity::AccessToken;
use crate::request::{Interaction, RequestHead, find_trace};
use crate::response::Answer;
use crate::wire::Pair;

impl Exchange {
    /// Writes into the record to which trace the request belongs; one is begun where the configuration says so.
    pub(super) fn note_trace(
        &mut self,
        guard: &Guard,
        pairs: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)],
        head: Option<&mut RequestHead>,
    ) {
        let record = &mut self.record;
        let setting = guard.policy().fhir.upstream.trace;
        let of = |came| setting.of(came, &record.request_id, record.began);
        record.trace = match head {
            Some(head) => {
                head.traceparent = of(head.traceparent.take());
                head.traceparent.clone()
            }
            // Its head could not be read, but this much of it.
            None => of(find_trace(pairs)),
        };
    }

    /// The field of the answer that tells of the trace.
    pub(super) fn traced(&self) -> Option<Field> {
        let trace = self.record.trace.as_ref()?;
        Some(("traceparent", trace.clone()))
    }

    /// Writes into the record what is asked for.
    pub(super) fn note_interaction(&mut self, interaction: &Interaction) {
        let record = &mut self.record;
        record.interaction = Some(match interaction {
            Interaction::Export(export) => export.code(),
            other => other.code(),
        });
        record.resource_type = interaction.resource_type().map(ResourceType::name);
        record.route = Some(interaction.route());
        record.version = interaction.version().map(str::to_owned);
        record.query = interaction.parameters();
        record.refs = reference(interaction).into_iter().collect();
        let most = record.policy.patients;
        for patient in asked(&record.refs, &record.query) {
            record.concerned.add(patient, most);
        }
        self.watched.asked(interaction);
    }

    /// Writes into the record whose token it is.
    pub(super) fn note(&mut self, token: &AccessToken) {
        let text = |text: &str| Some(text.to_owned());
        let shown = token.shown(None);
        self.record.tenant = token.tenant().and_then(text);
        self.record.issuer = text(shown.issuer);
        self.record.client = text(shown.client);
        self.record.subject = text(shown.subject);
        self.record.token_id = text(shown.token_id).filter(|id| !id.is_empty());
        self.record.user = token.user().and_then(text);
        self.record.roles = token.roles().to_vec();
        self.record.purposes = token.purposes().to_vec();
    }

    /// Writes into the record to whom the caller is confined.
    pub(super) fn note_confined(&mut self, permit: &Permit) {
        let most = self.record.policy.patients;
        if let Some(patient) = permit.patient() {
            let patient = format!("Patient/{patient}");
            self.record.concerned.add(&patient, most);
        }
    }

    /// Writes into the record whom what has left is about.
    pub(super) fn note_concerned(&mut self, screen: &Screen) {
        let (named, all) = screen.named();
        let most = self.record.policy.patients;
        self.record.concerned.meet(named, all, most);
    }

    /// Writes into the record how the requests of a Bundle were answered, and whom what has left of each is
    /// about.
    pub(super) fn note_answers(&mut self, answers: &[Answer]) {
        for (place, answer) in answers.iter().enumerate() {
            let entry = self.record.entries.get(place);
            let most = entry.map_or(0, |own| {
                self.record.entry_room(own.concerned.patients.len())
            });
            if let Some(entry) = self.record.entries.get_mut(place) {
                entry.status = answer.status;
                entry.concerned.meet(&answer.patients, answer.all, most);
            }
        }
    }

    /// Writes into the record what was created, by the head that leaves.
    pub(super) fn note_created(&mut self, leaving: &[Pair], base: &str) {
        let location = leaving.iter().find(|(name, _)| name == b"location");
        let location = location.and_then(|(_, value)| std::str::from_utf8(value).ok());
        let below = location.and_then(|url| url.strip_prefix(base)?.strip_prefix('/'));
        let mut segments = below.unwrap_or_default().split('/');
        if let (Some(resource_type), Some(id)) = (segments.next(), segments.next())
            && ResourceType::parse(resource_type).is_some()
            && is_id(id)
        {
            let created = format!("{resource_type}/{id}");
            if resource_type == "Patient" {
                let most = self.record.policy.patients;
                self.record.concerned.add(&created, most);
            }
            self.record.created = Some(created);
        }
    }
}

/// The patients that a request names.
pub(super) fn asked<'a>(
    refs: &'a [String],
    query: &'a [(String, String)],
) -> impl Iterator<Item = &'a str> {
    let values = query.iter().flat_map(|(_, value)| value.split(','));
    let named = refs.iter().map(String::as_str).chain(values);
    named.filter(|text| text.strip_prefix("Patient/").is_some_and(is_id))
}
