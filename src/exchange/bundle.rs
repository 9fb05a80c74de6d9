//! Batch and transaction: each entry is decided on as if it were a request of its own, before anything is
//! charged or sent.
//!
//! The order differs from that of other requests: what is asked for stands in the body, so the body comes
//! before the permits. It stays in the proxy's buffer meanwhile, and what goes on is written anew.

mod consent;

use std::rc::Rc;

use super::body::{check_body, expected_body};
use super::cover::{cover, is_veiled};
use super::entry::{Asked, reference, tell};
use super::noting::asked as named;
use super::watermark::Marking;
use super::{Exchange, ExpectedBody, Field, Guard, Phase, Sent, Step, Toll};
use crate::access::Permit;
use crate::audit::{Concerned, EntryRecord, MAX_QUERIES, Outcome, Record};
use crate::denial::{Denial, Reply};
use crate::identity::Principal;
use crate::json::{Document, Limits};
use crate::request::{
    Batch, BatchEntry, BatchKind, Interaction, Search, Subscription, Targets, bundle_headers,
};
use crate::response::{Answered, BatchCover, Part};
use crate::wire::Pair;
use consent::among;

/// The most decisions on one Bundle: one for each type that an entry reaches.
const DECISIONS: usize = 1024;

/// What an entry holds until it is answered, in bytes: by itself, and for each byte of its target, which
/// is held in pieces.
const HELD: (usize, usize) = (1024, 40);

/// A Bundle of requests that is decided on.
pub(super) enum Bundle {
    /// Permitted, as far as it goes on; the limits are being charged.
    Charging(Box<Permitted>),
    /// Nothing of it is permitted: the answer is ours.
    Answered(Reply),
}

/// A Bundle of which something may go on.
pub(super) struct Permitted {
    pub charging: Box<Toll>,
    headers: Vec<Pair>,
    body: Written,
    /// `DPoP-Nonce` of the answer.
    pub nonce: Option<String>,
    sent: SentBundle,
}

/// What goes on in the place of the body.
struct Written {
    begin: String,
    /// Each permitted entry.
    entries: Vec<String>,
    /// The length of what came, in bytes.
    came: usize,
}

/// A Bundle that is on its way to the upstream.
pub(super) struct SentBundle {
    kind: BatchKind,
    /// What became of each entry.
    entries: Vec<Result<Permit, Denial>>,
    /// What this holds of the worker's memory, in bytes.
    pub held: usize,
}

impl Permitted {
    /// The head that goes upstream.
    pub fn headers(&self) -> &[Pair] {
        &self.headers
    }

    /// The permits of the entries that go on.
    pub fn permits(&self) -> impl Iterator<Item = &Permit> + Clone {
        self.sent.permits()
    }
}

impl Bundle {
    /// What is permitted of it, where it was being charged.
    pub fn charged(self) -> Option<Box<Permitted>> {
        match self {
            Bundle::Charging(permitted) => Some(permitted),
            Bundle::Answered(_) => None,
        }
    }
}

impl Written {
    fn text(&self) -> String {
        [&self.begin, self.entries.join(",").as_str(), Batch::END].concat()
    }
}

impl SentBundle {
    fn permits(&self) -> impl Iterator<Item = &Permit> + Clone {
        self.entries.iter().filter_map(|entry| entry.as_ref().ok())
    }

    /// Whether anything of it writes.
    pub fn writes(&self) -> bool {
        self.permits()
            .any(|permit| permit.request().interaction.change().is_some())
    }

    /// Whether the answer is to be signed: where that of one of its requests would be.
    pub fn signs(&self) -> bool {
        self.permits().any(Permit::signs)
    }

    /// What the answer may contain; the record says what is marked.
    pub fn cover(self, guard: &Guard, record: &mut Record) -> Result<BatchCover, Denial> {
        let policy = guard.policy();
        let marking = Marking::of(guard, self.permits(), record);
        let answered = |entry| match entry {
            Ok(permit) => Ok(Answered::Sent(part(
                guard,
                &permit,
                record.began,
                &marking,
            )?)),
            Err(denial) => Ok(Answered::Refused(denial)),
        };
        Ok(BatchCover {
            kind: self.kind,
            entries: self
                .entries
                .into_iter()
                .map(answered)
                .collect::<Result<_, _>>()?,
            fhir: policy.fhir.clone(),
            forbidden: policy.response.absent_is_forbidden,
            request_id: record.request_id.clone(),
            held: self.held,
        })
    }
}

fn part(guard: &Guard, permit: &Permit, began: u64, marking: &Marking) -> Result<Part, Denial> {
    let request = permit.request();
    Ok(Part {
        cover: Rc::new(cover(guard, permit, began, marking)?),
        resource_type: request.interaction.resource_type(),
        change: request.interaction.change(),
        may_read: permit.may_read(),
        head_only: request.head_only,
        veiled: is_veiled(permit),
    })
}

impl Exchange {
    /// The next step of a Bundle that is decided on.
    pub(super) fn bundle_step(&mut self, bundle: Box<Bundle>) -> Step {
        match *bundle {
            Bundle::Answered(mut reply) => {
                reply.headers.extend(self.traced());
                // Everything that still comes is absorbed.
                self.phase = Phase::Refused;
                Step::Reply(reply)
            }
            Bundle::Charging(_) => {
                self.phase = Phase::Bundle(bundle);
                Step::Charge
            }
        }
    }

    /// From the principal to the permits of the entries of a Bundle that is whole.
    pub(super) fn bundle(
        &mut self,
        guard: &Guard,
        principal: &Rc<Principal>,
        asked: &Asked,
        bytes: &[u8],
    ) -> Result<Phase, Denial> {
        let bundle = self.decide(guard, principal, asked, bytes)?;
        Ok(Phase::Bundle(Box::new(bundle)))
    }

    fn decide(
        &mut self,
        guard: &Guard,
        principal: &Rc<Principal>,
        asked: &Asked,
        bytes: &[u8],
    ) -> Result<Bundle, Denial> {
        // What is read, and what is written anew.
        if !self.share.hold_body(bytes.len().saturating_mul(2)) {
            return Err(Denial::Unavailable("memory"));
        }
        let malformed = |found: &'static str| Denial::Body("body", found.into());
        let document = Document::parse(bytes, &Limits::default());
        let document = document.map_err(|fault| malformed(fault.kind.text()))?;
        let batch = Batch::read(document.root(), &guard.policy().fhir)?;
        self.record.interaction = Some(batch.kind.code());
        let mut body = Written {
            begin: batch.begin(),
            entries: Vec::with_capacity(batch.entries.len()),
            came: bytes.len(),
        };
        let mut length = body.begin.len();
        let mut patients: Vec<String> = Vec::new();
        let mut sent = SentBundle {
            kind: batch.kind,
            entries: Vec::with_capacity(batch.entries.len()),
            held: 0,
        };
        let body_limit = guard.policy().fhir.body_limit;
        let mut left = DECISIONS;
        for entry in &batch.entries {
            let read = entry.as_ref().map_err(Denial::clone);
            let types = entry
                .as_ref()
                .map_or(0, |entry| reached(&entry.request.interaction));
            left = left
                .checked_sub(types)
                .ok_or(Denial::TooCostly("types".into()))?;
            let permit = read.and_then(|entry| {
                let permit = permit(guard, principal, asked, entry, &batch.targets)?;
                let permit = among(permit, &mut patients)?;
                let mut written = String::new();
                entry.write(permit.request(), &mut written);
                length = length.saturating_add(written.len() + 1);
                body.entries.push(written);
                let target = permit.request().interaction.target().len();
                let caller = permit.needs_consent().map_or(0, |need| need.caller.held());
                sent.held += HELD.0 + HELD.1 * target + caller;
                Ok(permit)
            });
            // Escaped, it may be longer than what came; what goes on is bounded alike.
            if length > body_limit {
                return Err(Denial::TooLarge);
            }
            let own = entry.as_ref().ok();
            self.note_entry(own.map(|entry| &entry.request.interaction), &permit);
            match permit {
                // What is committed cannot be taken back: all of it, or nothing.
                Err(denial) if batch.kind == BatchKind::Transaction => return Err(denial),
                permit => sent.entries.push(permit),
            }
        }
        let all = bytes.len().saturating_mul(2).saturating_add(sent.held);
        if !self.share.hold_body(all) {
            return Err(Denial::Unavailable("memory"));
        }
        self.record.rule = "entries".to_owned();
        if sent.permits().next().is_none() {
            return self.refused_all(guard, sent).map(Bundle::Answered);
        }
        self.charge_bundle(guard, principal, asked, sent, body)
    }

    /// Writes into the record what was asked, and what was decided.
    fn note_entry(&mut self, asked: Option<&Interaction>, permit: &Result<Permit, Denial>) {
        let name = |interaction: &Interaction| {
            let own = interaction.resource_type().map(|own| own.to_string());
            reference(interaction).or(own)
        };
        let before = self.record.entries.iter().map(|entry| entry.query.len());
        let room = MAX_QUERIES.saturating_sub(before.sum());
        let query = asked.map(Interaction::parameters).unwrap_or_default();
        let reference = asked.and_then(name);
        let refs: Vec<String> = reference.iter().cloned().collect();
        let most = self.record.policy.patients;
        for patient in named(&refs, &query) {
            self.record.concerned.add(patient, most);
        }
        let confined = permit.as_ref().ok().and_then(|permit| {
            self.note_confined(permit);
            Some(format!("Patient/{}", permit.patient()?))
        });
        let mut concerned = Concerned::default();
        let most = self.record.entry_room(0);
        for patient in named(&refs, &query).chain(confined.as_deref()) {
            concerned.add(patient, most);
        }
        self.record.entries.push(EntryRecord {
            interaction: asked.map(Interaction::code),
            route: asked.map(Interaction::route),
            reference,
            concerned,
            query: match query.len() <= room {
                true => query,
                false => Vec::new(),
            },
            status: 0,
            rule: match permit {
                Ok(permit) => permit.rule().to_owned(),
                Err(denial) => denial.rule(),
            },
        });
        self.note_reported(permit);
    }

    fn note_reported(&mut self, permit: &Result<Permit, Denial>) {
        for rule in permit.iter().flat_map(Permit::reported) {
            if !self.record.reported.contains(rule) {
                self.record.reported.push(rule.clone());
            }
        }
    }

    /// The answer to a batch of which nothing is permitted.
    fn refused_all(&mut self, guard: &Guard, sent: SentBundle) -> Result<Reply, Denial> {
        let cover = sent.cover(guard, &mut self.record)?;
        let own = cover.own();
        self.note_answers(&own.answers);
        self.record.outcome = Outcome::Refused;
        self.record.status = 200;
        self.share.hold(0);
        Ok(Reply {
            status: 200,
            headers: vec![
                ("content-type", "application/fhir+json".to_owned()),
                ("cache-control", "no-store, private".to_owned()),
            ],
            body: own.text.into_bytes(),
        })
    }

    fn charge_bundle(
        &mut self,
        guard: &Guard,
        principal: &Rc<Principal>,
        asked: &Asked,
        sent: SentBundle,
        body: Written,
    ) -> Result<Bundle, Denial> {
        let fhir = &guard.policy().fhir;
        let charging = self.charges(guard, principal, asked, sent.permits())?;
        let charging = Box::new(self.toll(guard, principal, asked, charging));
        let searches = |permit: &Permit| {
            matches!(
                permit.request().interaction,
                Interaction::Search { .. } | Interaction::SearchAcross { .. }
            )
        };
        let may_read =
            |permit: &Permit| permit.may_read() || permit.request().interaction.change().is_none();
        let mut headers = bundle_headers(
            &asked.head,
            body.text().len(),
            sent.permits().any(searches),
            sent.permits().all(may_read),
            fhir,
        );
        tell(guard, Some(principal), &asked.head, &mut headers)?;
        Ok(Bundle::Charging(Box::new(Permitted {
            charging,
            headers,
            body,
            nonce: asked.next_nonce.clone(),
            sent,
        })))
    }

    /// Puts what is permitted in the place of what came.
    pub(super) fn send_bundle(
        &mut self,
        guard: &Guard,
        permitted: Permitted,
        fields: Vec<Field>,
    ) -> Step {
        let body = permitted.body.text().into_bytes();
        let mut headers = permitted.headers;
        // Entries may have gone since.
        let mut named = headers.iter_mut();
        if let Some((_, length)) = named.find(|(name, _)| name == b"content-length") {
            *length = body.len().to_string().into_bytes();
        }
        let came = permitted.body.came;
        let step = Step::Rewrite {
            headers,
            came,
            body,
        };
        self.send(guard, Sent::Bundle(Box::new(permitted.sent)), fields, step)
    }
}

/// How many types are decided on for this: those that are asked for, sent along, and looked through.
fn reached(interaction: &Interaction) -> usize {
    let through = interaction.search().map(Search::looks_through);
    let further = interaction.included().len() + through.map_or(0, |types| types.len());
    interaction.types().len().saturating_add(further)
}

/// Permits one entry, or refuses it.
fn permit(
    guard: &Guard,
    principal: &Rc<Principal>,
    asked: &Asked,
    entry: &BatchEntry<'_>,
    targets: &Targets,
) -> Result<Permit, Denial> {
    let permit = guard.authorize(principal, &entry.request, asked.circumstances())?;
    let interaction = &permit.request().interaction;
    let subscribes = interaction
        .resource_type()
        .is_some_and(Subscription::is_type);
    if subscribes && interaction.change().is_some() {
        return Err(Denial::NotSupported("subscription"));
    }
    if permit.rests_on_current() {
        // It would have to be read before, and the others wait meanwhile.
        return Err(Denial::NotSupported(match permit.patient() {
            Some(_) => "patient-bundle",
            None => "granular-write",
        }));
    }
    match (expected_body(&permit.request().interaction), entry.resource) {
        (ExpectedBody::Empty, None) => {}
        (_, None) => return Err(Denial::Request("body")),
        (expected, Some(resource)) => {
            check_body(guard, &permit, expected, resource.as_bytes(), targets)?;
        }
    }
    Ok(permit)
}
