//! What all exchanges of one worker share.

mod audit;
mod caller;
mod handover;
mod quarantine;
mod refusal;
mod share;

use std::cell::Cell;
use std::rc::Rc;

use super::consent::ConsentReads;
use super::cover::{paged, reduced};
use super::documents::Documents;
use super::introspection::{Introspections, Name};
use crate::access::{self, Circumstances, Fact, Permit, Scope, Terms};
use crate::audit::{Queue, Repeats, Telling};
use crate::config::Policy;
use crate::denial::{Challenge, Denial, Scheme};
use crate::fhir::{ResourceType, Searched};
use crate::identity::{
    CertificateCache, CertificateNeeds, ConnectionAttributes, HostAlgorithms, Introspection,
    PeerCertificate, Principal, TokenCache,
};
use crate::limit::KeyPart;
use crate::metrics::Meters;
use crate::remote::{Call, Look, Looked, Store};
use crate::request::{Change, Interaction, OperationAnswer, Request};
use crate::response::Redaction;
pub use audit::Batch;
pub(super) use caller::{Authentication, Caller, Need, Unnoted, Unproven};
use handover::Legacy;
use quarantine::Watch;
pub(super) use refusal::Refusal;
pub use share::MEMORY;
pub(super) use share::Share;

/// The policy of one worker, and the tokens it has verified under that policy.
pub struct Guard {
    policy: Rc<Policy>,
    host: HostAlgorithms,
    pub(super) documents: Documents,
    introspections: Introspections,
    /// Records on their way to a repository.
    records: Option<Queue>,
    /// Those that an earlier configuration has left.
    legacy: Legacy,
    /// The alerts that were made of late.
    pub(super) alerts: Repeats,
    /// Whom this filter shuts out itself.
    quarantine: Watch,
    /// Whose opaque tokens are, if anybody's.
    opaque: Option<usize>,
    tokens: TokenCache,
    /// The algorithms of DPoP proofs, for challenges; `None` where no issuer takes any.
    dpop_algorithms: Option<Rc<str>>,
    certificates: CertificateCache,
    /// What the policy's rules need to know of the connection's certificate.
    certificate_needs: CertificateNeeds,
    /// Whether anything depends on the caller's address.
    needs_address: bool,
    /// How many requests wait for what another server says.
    waiting: Rc<Cell<usize>>,
    /// How many writes wait for the current version of what they write.
    reading: Rc<Cell<usize>>,
    /// How many requests wait for what a patient consents to, and what is known of that.
    consenting: Rc<Cell<usize>>,
    consent_reads: ConsentReads,
    /// How many requests wait for the server of global limits.
    asking: Rc<Cell<usize>>,
    /// How many searches by `POST`, and Bundles of requests, have a body that is not whole yet.
    forms: Rc<Cell<usize>>,
    /// Bytes that the exchanges of this worker hold for inspection, all together.
    pub(super) held: Rc<Cell<usize>>,
    pub(super) meters: Meters,
}

/// A question for an authorization server.
#[derive(Clone, Copy, Debug)]
pub struct Question(Name);

impl Question {
    /// The most bytes of an answer.
    pub const LIMIT: usize = Introspection::LIMIT;
}

impl Guard {
    /// A guard without memories. Signatures of the algorithms in `host` are left to the host.
    pub fn new(policy: Policy, host: HostAlgorithms) -> Self {
        let mut issuers = policy.issuers.iter();
        let dpop = issuers.any(|issuer| issuer.proof.accepts_dpop());
        let mut limits = policy.limits.iter();
        let by_address = limits.any(|limit| limit.counts_by(KeyPart::Address));
        Guard {
            certificate_needs: policy.certificate_rules.needs(),
            documents: Documents::new(&policy),
            introspections: Introspections::default(),
            records: Guard::queue(&policy),
            legacy: Legacy::default(),
            alerts: Repeats::default(),
            quarantine: Watch::default(),
            opaque: policy.issuers.iter().position(|issuer| {
                let introspection = issuer.introspection.as_ref();
                introspection.is_some_and(|introspection| introspection.opaque)
            }),
            dpop_algorithms: dpop.then(|| policy.dpop.algorithm_names().into()),
            needs_address: by_address
                || !matches!(policy.audit.address, Telling::Nothing)
                || policy.risk.is_some()
                // Also where nobody is told it: alerts about callers whom nothing else tells apart.
                || policy.audit.alerts.is_some()
                || policy.rules.uses(Fact::SourceAddress),
            waiting: Rc::default(),
            reading: Rc::default(),
            consenting: Rc::default(),
            consent_reads: ConsentReads::default(),
            asking: Rc::default(),
            forms: Rc::default(),
            policy: Rc::new(policy),
            host,
            tokens: TokenCache::default(),
            certificates: CertificateCache::default(),
            held: Rc::default(),
            meters: Meters::default(),
        }
    }

    /// The operator's policy.
    pub fn policy(&self) -> &Rc<Policy> {
        &self.policy
    }

    /// Whether any limit counts by the caller's address, or any condition is about it: otherwise
    /// nobody needs to ask for it.
    pub fn needs_address(&self) -> bool {
        self.needs_address
    }

    /// Whether any limit counts by this part of a key.
    pub fn counts_by(&self, part: KeyPart) -> bool {
        let mut limits = self.policy.limits.iter();
        limits.any(|limit| limit.counts_by(part))
    }

    /// What else has to be asked about the connection's certificate, if this is its digest.
    pub fn asks(&self, digest: Option<&[u8]>) -> CertificateNeeds {
        self.certificates.asks(digest, self.certificate_needs)
    }

    /// The caller's certificate, of the connection or from `x-forwarded-client-cert`, as the policy
    /// says; `now` is in nanoseconds since 1970.
    pub(super) fn certificate(
        &mut self,
        attributes: &ConnectionAttributes,
        forwarded: &[Vec<u8>],
        now: u64,
    ) -> Result<Option<PeerCertificate>, Denial> {
        let now = now / 1_000_000_000;
        let (policy, needs) = (self.policy.certificate, self.certificate_needs);
        let own = self.certificates.read(attributes, policy, needs, now)?;
        self.policy.certificate_rules.choose(own, forwarded, now)
    }

    /// How many documents of other servers there are.
    pub fn documents(&self) -> usize {
        self.documents.len()
    }

    /// Work that looks whether another worker has a newer document, and whether this one is to fetch it;
    /// to be done a few times a second for each document. Times are in nanoseconds since 1970.
    pub fn look(&self, document: usize, now: u64) -> Option<Look<'_>> {
        self.documents.look(document, now)
    }

    /// What came of it: what is to be fetched now, if anything is, and what was wrong with what the other
    /// worker stored, for the log.
    pub fn looked(
        &mut self,
        document: usize,
        looked: &Looked,
        now: u64,
    ) -> (Option<Call>, Result<(), String>) {
        self.documents.looked(&self.policy, document, looked, now)
    }

    /// The most bytes that an answer for a document may have.
    pub fn limit(&self, document: usize) -> usize {
        self.documents.limit(document)
    }

    /// Takes the answer for a document, status and body; `None` where there was none in time.
    ///
    /// # Errors
    /// What was wrong with it, for the log.
    pub fn answered(
        &mut self,
        document: usize,
        answer: Option<(u16, &[u8])>,
    ) -> Result<(), String> {
        self.documents.answered(&self.policy, document, answer)
    }

    /// Work that hands a good answer to the other workers.
    pub fn store(&self, document: usize, body: &[u8], now: u64) -> Option<Store<'_>> {
        self.documents.store(document, body, now)
    }

    /// The next question for an authorization server: its number, and the call. To be sent when a request
    /// waits, and at every tick.
    pub fn question(&mut self) -> Option<(Question, Call)> {
        let (name, call) = self.introspections.next(&self.policy)?;
        Some((Question(name), call))
    }

    /// Takes the answer to a question, status and body; `None` where there was none in time. `now` is in
    /// nanoseconds since 1970.
    ///
    /// # Errors
    /// What was wrong with it, for the log.
    pub fn answer(
        &mut self,
        question: &Question,
        answer: Option<(u16, &[u8])>,
        now: u64,
    ) -> Result<(), String> {
        self.introspections
            .answered(&self.policy, &question.0, answer, now)
    }

    /// Nobody will hear the answer to this question: it is asked again.
    pub fn orphaned(&mut self, question: &Question) {
        self.introspections.orphaned(question.0);
    }

    /// Gives up on questions that were not answered in time; to be done at every tick.
    pub fn expire(&mut self, now: u64) {
        self.introspections.expire(&self.policy, now);
    }

    /// How often there must be ticks, in milliseconds: more often where servers are asked anything.
    /// `None`: nothing depends on them but statistics.
    pub fn tick_period(&self) -> Option<u32> {
        let mut issuers = self.policy.issuers.iter();
        let asks = self.documents() > 0
            || self.records.is_some()
            || self.policy.fhir.writes.if_match
            || self.policy.rules.require_consent()
            || self.policy.global_limits.is_some()
            || issuers.any(|issuer| issuer.introspection.is_some());
        match asks {
            true => Some(100),
            false => self.shuts_anybody_out().then_some(1000),
        }
    }

    /// Whether it is worth looking again at a request that waits for this.
    pub(super) fn is_settled(&self, need: &Need) -> bool {
        match need {
            Need::Document(epoch) => *epoch != self.epoch(),
            Need::Introspection(interest) => !self.introspections.is_asking(&interest.name),
        }
    }

    /// Grows whenever there is something new for requests that wait.
    pub(super) fn epoch(&self) -> u64 {
        self.documents.epoch()
    }

    /// How many requests wait.
    pub(super) fn waiting(&self) -> &Rc<Cell<usize>> {
        &self.waiting
    }

    /// How many writes wait for the current version of what they write.
    pub(super) fn reading(&self) -> &Rc<Cell<usize>> {
        &self.reading
    }

    /// How many requests wait for what a patient consents to.
    pub(super) fn consenting(&self) -> &Rc<Cell<usize>> {
        &self.consenting
    }

    /// How many requests wait for the server of global limits.
    pub(super) fn asking(&self) -> &Rc<Cell<usize>> {
        &self.asking
    }

    /// What is known of Consents.
    pub(super) fn consent_reads(&self) -> &ConsentReads {
        &self.consent_reads
    }

    /// How many searches by `POST`, and Bundles of requests, have a body that is not whole yet.
    pub(super) fn forms(&self) -> &Rc<Cell<usize>> {
        &self.forms
    }

    /// The part of the worker's memory that a new exchange may hold: nothing yet.
    pub(super) fn share(&self) -> Share {
        Share::of(&self.held)
    }

    /// What a challenge to a caller with this scheme depends on.
    pub(super) fn challenge(&self, scheme: Scheme) -> Challenge {
        let discovery = self.policy.discovery.as_ref();
        Challenge {
            scheme,
            dpop_algorithms: self.dpop_algorithms.clone(),
            metadata: discovery.map(|discovery| Rc::clone(&discovery.url)),
        }
    }

    /// Permits a request, or refuses it.
    pub(super) fn authorize(
        &self,
        principal: &Rc<Principal>,
        request: &Request,
        circumstances: Circumstances,
    ) -> Result<Permit, Denial> {
        let hidden = |permit: &Permit, resource_type: ResourceType, searched: Searched| {
            let name = searched.to_string();
            let own = |rule: &Redaction| rule.resource_type == resource_type && rule.reveals(&name);
            // Whom a rule spares is the dearer question.
            let mut all = self.policy.redactions.iter();
            all.any(|rule| own(&rule.redaction)) && self.active(permit).any(|rule| own(rule))
        };
        let terms = Terms {
            fhir: &self.policy.fhir,
            forbidden: self.policy.response.absent_is_forbidden,
            hidden: &hidden,
            step_up: &self.policy.step_up,
            rules: &self.policy.rules,
            circumstances,
        };
        let permit = access::authorize(principal, request, &terms)?;
        let interaction = &request.interaction;
        if let (Some(Change::Update | Change::Patch), Some(resource_type)) =
            (interaction.change(), interaction.resource_type())
        {
            // Whoever sees a part can only write back that part, and the rest would be gone; and a
            // patch can move what is hidden to where it shows.
            let mut active = self.active(&permit);
            if active.any(|rule| rule.resource_type == resource_type)
                || permit.texts().any(|texts| texts.masks())
            {
                return Err(Denial::NotSupported("update-of-redacted"));
            }
        }
        if let Interaction::Operation(call) = &request.interaction {
            // Nothing can be hidden in what passes as it is.
            let answer = call.operation.answer;
            let plain = matches!(
                answer,
                OperationAnswer::Parameters | OperationAnswer::Outcome
            );
            if (plain || call.looks_anywhere()) && self.hides_from(&permit) {
                return Err(Denial::NotSupported("operation"));
            }
        }
        let permit = reduced(self, permit, &terms);
        Ok(paged(&self.policy, permit))
    }

    /// The redactions that this caller is not spared.
    pub(super) fn active<'a>(
        &'a self,
        permit: &'a Permit,
    ) -> impl Iterator<Item = &'a Rc<Redaction>> {
        let spared = |scope: &Scope| permit.holds_scope(scope);
        let rules = self.policy.redactions.iter().enumerate();
        rules
            .filter(|(place, _)| !permit.spares_redaction(*place))
            .filter(move |(_, rule)| !rule.unless.as_ref().is_some_and(spared))
            .map(|(_, rule)| &rule.redaction)
    }

    /// Whether any redaction applies to what this caller reads, or any rule about texts. Which one, and to
    /// which of the types that a resource may contain, is known only where a resource is at hand.
    pub(super) fn hides_from(&self, permit: &Permit) -> bool {
        self.active(permit).next().is_some() || permit.texts().next().is_some()
    }
}
