//! What is charged: which limits, in whose buckets, and how much.

use super::entry::Asked;
use super::{Exchange, Field, Guard, Phase, Step};
use crate::access::{Permit, Rules};
use crate::denial::Denial;
use crate::fhir::ResourceType;
use crate::identity::Principal;
use crate::limit::{
    self, Asking, Caller, Charge, Charging, Owed, Priority, Remaining, Returned, Settling, Shown,
    Verdict,
};
use crate::request::{FhirPolicy, Interaction, Summary};
use crate::response::Screen;

/// The most buckets that one exchange is charged in: each costs a read and a write of shared data. Only
/// the requests of a Bundle can differ in what they ask for.
const BUCKETS: usize = 64;

impl Exchange {
    /// The charge for all that these permits are for, together.
    ///
    /// # Errors
    /// It takes more than [`BUCKETS`], or more than a limit ever admits at once.
    pub(super) fn charges<'p>(
        &self,
        guard: &Guard,
        principal: &Principal,
        asked: &Asked,
        permits: impl Iterator<Item = &'p Permit> + Clone,
    ) -> Result<Charging, Denial> {
        let own = self.caller(principal, asked);
        let mut charges: Vec<Charge<'_>> = Vec::new();
        for (place, limit) in guard.policy().limits.iter().enumerate() {
            let first = charges.len();
            for permit in permits.clone().filter(|permit| !permit.spares_limit(place)) {
                let interaction = &permit.request().interaction;
                let caller = asking(own, interaction);
                let count = limit
                    .measure
                    .cost_of(size(interaction, &guard.policy().fhir));
                let on_route = |own: &Priority| own.is_on(caller.route);
                let priority =
                    limit.priority.as_ref().is_some_and(on_route) && permit.has_priority(place);
                let same = |charge: &&mut Charge<'_>| limit.is_asked_alike(&charge.caller, &caller);
                let buckets = charges.len();
                match charges.iter_mut().skip(first).find(same) {
                    Some(charge) => {
                        charge.count = charge.count.saturating_add(count);
                        // Several requests have it only where each has.
                        charge.priority &= priority;
                    }
                    None if buckets >= BUCKETS => {
                        return Err(Denial::TooCostly("limits".into()));
                    }
                    None => charges.push(Charge {
                        limit,
                        caller,
                        count,
                        priority,
                    }),
                }
            }
        }
        let never = |charge: &&Charge<'_>| charge.limit.never_admits(charge.count, charge.priority);
        if let Some(charge) = charges.iter().find(never) {
            return Err(Denial::TooCostly(charge.limit.name.clone().into()));
        }
        let service = guard.policy().global_limits.as_ref();
        let key = service.and_then(|service| service.key.as_ref());
        Ok(Charging::with_key(charges, asked.now, key))
    }

    /// What the answer costs, and the leases to be given back, where it has ended; at `now`, in
    /// nanoseconds since 1970.
    pub fn settling(&mut self, now: u64) -> Option<Settling> {
        if !self.owes() {
            return None;
        }
        let returned = Returned {
            resources: match self.lists_files {
                true => 0,
                false => self.record.passed,
            },
            bytes: self.record.bytes,
        };
        let settling = Settling::new(std::mem::take(&mut self.owed), returned, now);
        if self.shown.is_empty() {
            return Some(settling);
        }
        let shown = Shown {
            patients: std::mem::take(&mut self.shown),
            // The proxy draws the one, and the other is known to a nanosecond only here.
            salt: salt(&self.record.request_id, now),
        };
        Some(settling.with_shown(shown))
    }

    /// Keeps in mind whom it was about what has left.
    pub(super) fn note_shown(&mut self, screen: &Screen) {
        if self.owed.iter().any(Owed::counts_patients) {
            self.shown = screen.shown();
        }
        self.note_concerned(screen);
    }

    /// Whether [`Exchange::settling`] has something to do: worth a look at the clock.
    pub fn owes(&self) -> bool {
        let over = matches!(
            self.phase,
            Phase::Done | Phase::Discarding | Phase::Refused | Phase::Foreign
        );
        !self.owed.is_empty() && (over || self.ended)
    }

    /// The leases to be renewed, because the exchange is still under way; to be asked whenever something
    /// of it comes. [`Exchange::renewed`] takes the outcome.
    pub fn renewing(&mut self, now: u64) -> Option<Settling> {
        let old = self.owed.iter().any(|owed| owed.is_old(now));
        old.then(|| Settling::renewing(std::mem::take(&mut self.owed), now))
    }

    /// The leases have been renewed.
    pub fn renewed(&mut self, owed: Vec<Owed>) {
        self.owed = owed;
    }

    /// Whether there are leases: worth a look at the clock.
    pub fn holds_leases(&self) -> bool {
        self.owed.iter().any(Owed::is_lease)
    }

    /// Notes what leaves with this step.
    pub(super) fn weigh(&mut self, step: Step) -> Step {
        if let Step::Write(body) | Step::Finish { body, .. } = &step {
            self.record.bytes = self.record.bytes.saturating_add(body.len() as u64);
        }
        step
    }

    /// What callers are told of their limits; or the refusal.
    pub(super) fn verdict(&mut self, verdict: &Verdict) -> Result<Vec<Field>, Denial> {
        let fields = limit::headers(verdict);
        let mut known: Vec<(String, u32)> = Vec::new();
        let told = verdict.remaining.iter().filter(|_| !verdict.contended);
        for Remaining {
            name, remaining, ..
        } in told
        {
            // Of several buckets of one limit the nearest.
            match known.iter_mut().find(|(known, _)| known == name) {
                Some((_, least)) => *least = (*least).min(*remaining),
                None => known.push((name.clone(), *remaining)),
            }
        }
        self.record.limits = known;
        if verdict.allowed {
            return Ok(fields);
        }
        let refused_by = verdict.refused_by.filter(|_| !verdict.contended);
        let refused_by = refused_by.and_then(|index| verdict.remaining.get(index));
        let limit = refused_by.map_or_else(|| "contended".to_owned(), |limit| limit.name.clone());
        Err(Denial::Throttled {
            headers: fields,
            limit,
        })
    }

    /// Who is charged.
    fn caller<'a>(&'a self, principal: &'a Principal, asked: &'a Asked) -> Caller<'a> {
        Caller {
            address: Rules::address(&asked.address),
            certificate: self.record.certificate.as_deref(),
            client: Some(principal.client()),
            issuer: Some(principal.issuer()),
            patient: principal.patient(),
            route: asked.route.as_deref(),
            subject: Some(principal.subject()),
            tenant: principal.tenant(),
            token: asked.token.as_ref().map(|hash| hash.as_slice()),
            ..Caller::default()
        }
    }
}

/// Begins a new count of patients.
fn salt(request_id: &str, now: u64) -> u64 {
    let text = [request_id.as_bytes(), &now.to_be_bytes()].concat();
    let digest: [u8; 32] = blake3::hash(&text).into();
    digest.first_chunk().copied().map_or(0, u64::from_be_bytes)
}

/// The caller who asks for this.
fn asking<'a>(caller: Caller<'a>, interaction: &'a Interaction) -> Caller<'a> {
    Caller {
        interaction: Some(interaction.code()),
        operation: match interaction {
            Interaction::Operation(call) => Some(call.operation.name.as_str()),
            _ => None,
        },
        resource_type: interaction.resource_type().map(ResourceType::name),
        ..caller
    }
}

/// How much this asks for. A page of a size that is left to the server may be as large as any.
fn size(interaction: &Interaction, fhir: &FhirPolicy) -> Asking {
    let listed = !matches!(interaction, Interaction::Conditional(_));
    let search = interaction.search().filter(|_| listed);
    let resources = search.map_or(0, |search| match search.summary {
        Some(Summary::Count) => 0,
        _ => search.count.unwrap_or(fhir.search.max_count),
    });
    let inclusions = search.map_or(0, |search| search.include.len());
    Asking {
        interaction: interaction.code(),
        resources,
        inclusions: u32::try_from(inclusions).unwrap_or(u32::MAX),
    }
}
