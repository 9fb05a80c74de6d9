//! What an exchange says about its caller, and what becomes of that.

use std::net::IpAddr;

use super::{Exchange, Guard};
use crate::access::Rules;
use crate::audit::{EntryRecord, Outcome};
use crate::denial::{Denial, DpopFault, TokenFault};
use crate::identity::{ConnectionAttributes, PeerCertificate, QuarantineAdd, Suspect};
use crate::request::{Interaction, RequestHead, Search};
use crate::risk::{self, Fact, Finding, Observation, Observing, RiskPolicy, Sight, Suspected};

/// What is remembered of an exchange for what it says about its caller.
#[derive(Default)]
pub(super) struct Watched {
    /// By what callers are judged; `None` where nobody looks at them.
    policy: Option<RiskPolicy>,
    address: Option<IpAddr>,
    /// Token and proof hold: the names in the token are the caller's.
    known: bool,
    /// Why it was refused.
    refused: Option<Fact>,
    /// The token that does not hold.
    tried: Option<u32>,
    /// The instance that is asked for by a search.
    sought: Option<String>,
}

/// An observation that is to be made as of some time.
pub struct Observed(Observation, RiskPolicy);

impl Observed {
    /// The work on shared data; `now` is in nanoseconds since 1970.
    pub fn at(self, now: u64) -> Observing {
        Observing::new(self.0, self.1, now)
    }
}

impl Watched {
    /// It is known who is calling.
    pub fn known(&mut self) {
        self.known = true;
    }

    /// This token did not hold.
    pub fn tried(&mut self, token: Option<u32>) {
        self.tried = token;
    }

    /// The exchange is refused.
    pub fn refused(&mut self, denial: &Denial) {
        if self.policy.is_some() {
            self.refused.get_or_insert(fact(denial));
        }
    }

    /// This is asked for.
    pub fn asked(&mut self, interaction: &Interaction) {
        if self.policy.is_some() {
            self.sought = interaction.search().and_then(sought);
        }
    }
}

impl Guard {
    /// What stands for the token of this request, where callers are watched.
    pub(super) fn tried(&self, head: &RequestHead) -> Option<u32> {
        self.policy().risk?;
        let token = self.token(&head.credentials).ok()?;
        Some(risk::hash(token.as_bytes()))
    }
}

impl Exchange {
    /// Begins to watch the caller, where callers are watched.
    ///
    /// # Errors
    /// The holder of the certificate is isolated: that is said before anything else is looked at.
    pub(super) fn watch(
        &mut self,
        guard: &mut Guard,
        head: &RequestHead,
        attributes: &ConnectionAttributes,
        now: u64,
    ) -> Result<(), Denial> {
        let Some(policy) = guard.policy().risk else {
            return Ok(());
        };
        if guard.isolates() {
            let certificate = guard.certificate(attributes, &head.forwarded_certificates, now);
            if let Ok(Some(certificate)) = certificate
                && let Some(more) = guard.isolated(&certificate, now / 1_000_000_000)
            {
                self.record.certificate = Some(PeerCertificate::thumbprint_hex(&certificate));
                return Err(Denial::Isolated(more));
            }
        }
        self.watched.policy = Some(policy);
        self.watched.address = Rules::address(&attributes.address());
        Ok(())
    }

    /// What the exchange says about its caller, once, when it has ended.
    pub fn observing(&mut self) -> Option<Observed> {
        let policy = self.watched.policy.take()?;
        let record = &self.record;
        let known = self.watched.known;
        let names = record.client.as_deref().zip(record.issuer.as_deref());
        let suspected = match (record.certificate.as_deref(), names, self.watched.address) {
            (Some(thumbprint), ..) => Suspected::Certificate(thumbprint),
            (None, Some((client, issuer)), _) if known => Suspected::Client(client, issuer),
            (.., Some(address)) => Suspected::Address(address),
            _ => return None,
        };
        let own = self.sight();
        let entries = record.entries.iter().map(sight_of_entry);
        let sights: Vec<Sight> = match self.watched.refused.is_none() {
            true if !record.entries.is_empty() => entries.collect(),
            _ => vec![own],
        };
        let mut seen = Observation::new(suspected, sights);
        seen.token = self.watched.tried;
        let network = self.watched.address.map(risk::network);
        seen.network = network.filter(|_| !matches!(suspected, Suspected::Address(_)));
        Some(Observed(seen, policy))
    }

    /// Takes what was found; work that isolates the caller, where that is due. `now` is in nanoseconds since
    /// 1970.
    pub fn found(
        &mut self,
        guard: &Guard,
        finding: Option<Finding>,
        now: u64,
    ) -> Option<QuarantineAdd> {
        let mut finding = finding?;
        let policy = guard.policy().risk?;
        let record = &self.record;
        let known = self.watched.known;
        let names = record.client.as_deref().zip(record.issuer.as_deref());
        let suspect = match (record.certificate.as_deref(), names) {
            (Some(thumbprint), _) if policy.isolates_certificates => {
                Some(Suspect::Certificate(thumbprint))
            }
            (None, Some((client, issuer))) if known && policy.isolates_clients => {
                Some(Suspect::Client(client, issuer))
            }
            _ => None,
        };
        let suspect = suspect.filter(|_| finding.isolates);
        let add = suspect.map(|suspect| guard.quarantine(suspect, policy.isolate_for, now));
        finding.isolates = add.is_some();
        self.record.risk = Some(finding);
        add
    }

    /// What came of the request itself.
    fn sight(&self) -> Sight {
        let record = &self.record;
        let passed = record.outcome == Outcome::Allowed && (200..300).contains(&record.status);
        let fact = match self.watched.refused {
            Some(fact) => fact,
            // Nobody is known better by asking for what is public.
            None if !passed || !self.watched.known => Fact::Other,
            None => Fact::Passed,
        };
        // A search for patients that finds none is a guess at one.
        let is_guess = record.resource_type == Some("Patient")
            && record
                .interaction
                .is_some_and(|code| code.starts_with("search"));
        let fact = match fact {
            Fact::Passed if is_guess && record.passed == 0 => Fact::Absent,
            other => other,
        };
        let sought = self.watched.sought.as_deref();
        Sight::of(fact, sought.or(record.refs.first().map(String::as_str)))
    }
}

/// What came of one request of a Bundle.
fn sight_of_entry(entry: &EntryRecord) -> Sight {
    let fact = match (entry.status, entry.rule.as_str()) {
        (404 | 410, _) | (403, "compartment") => Fact::Absent,
        (403, _) => Fact::Refused,
        (200..300, _) => Fact::Passed,
        _ => Fact::Other,
    };
    Sight::of(fact, entry.reference.as_deref())
}

/// The one patient in whose data is searched.
fn sought(search: &Search) -> Option<String> {
    let mut parameters = search.parameters.iter();
    let parameter = parameters.find(|one| {
        one.path.is_empty() && matches!(one.definition.name(), "patient" | "subject")
    })?;
    match parameter.values.as_slice() {
        [value] if value.starts_with("Patient/") => Some(value.clone()),
        _ => None,
    }
}

/// What a refusal says about the caller. What others bring about says nothing: an issuer whose keys or claims are
/// wrong, a server that fails, a token that has expired.
fn fact(denial: &Denial) -> Fact {
    match denial {
        Denial::Absent { .. }
        | Denial::Undecided {
            absent: Some(_), ..
        }
        | Denial::Upstream(404 | 410) => Fact::Absent,
        Denial::Compartment(_) | Denial::Rule(_) | Denial::Scope(_) => Fact::Refused,
        Denial::Dpop(fault) => match fault {
            DpopFault::Time | DpopFault::ReplayTable => Fact::Other,
            _ => Fact::Proof,
        },
        Denial::Token(fault) => match fault {
            TokenFault::Binding | TokenFault::Pin => Fact::Theft,
            TokenFault::Algorithm
            | TokenFault::Header
            | TokenFault::Inactive
            | TokenFault::Malformed
            | TokenFault::Signature
            | TokenFault::Size => Fact::Credentials,
            _ => Fact::Other,
        },
        _ => Fact::Other,
    }
}
