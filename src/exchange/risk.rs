//! What an exchange says about its caller, and what becomes of that.

use std::net::IpAddr;

use super::toll::Passed;
use super::{Exchange, Guard};
use crate::access::Rules;
use crate::audit::{EntryRecord, Outcome};
use crate::denial::{Denial, DpopFault, TokenFault};
use crate::fhir::ResourceType;
use crate::identity::{ConnectionAttributes, PeerCertificate, Principal, QuarantineAdd, Suspect};
use crate::request::{Interaction, Parameter, RequestHead, Search};
use crate::risk::{
    self, Action, Fact, Known, Observation, RiskPolicy, Sight, Suspected, Told, Watching,
};

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
    /// What is asked for, without any value.
    shape: Option<u32>,
    /// The place, as the proxy says.
    place: Option<String>,
    /// The id of the token that holds.
    token: Option<String>,
    /// What was known of the caller before the request went on.
    passed: Option<Box<Passed>>,
}

/// An observation that is to be made as of some time.
pub struct Observed {
    caller: Observation,
    tenant: Option<Observation>,
    policy: RiskPolicy,
    /// What was read of the caller before the request went on.
    known: Option<Known>,
}

impl Observed {
    /// The work on shared data; `now` is in nanoseconds since 1970.
    pub fn at(self, now: u64) -> Watching {
        Watching::new(self.caller, self.tenant, self.policy, now).knowing(self.known)
    }
}

impl Watched {
    /// It is known who is calling.
    pub fn known(&mut self, principal: &Principal) {
        self.known = true;
        if self.policy.is_some() {
            self.token = Some(principal.token().shown(None).token_id.to_owned());
        }
    }

    /// From which place the request comes, where the proxy says so.
    pub fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }

    /// This was found about the caller before the request went on; the refusal, where that is due.
    pub fn weighed(&mut self, passed: Option<Passed>) -> Option<Denial> {
        let mut passed = passed?;
        let refused = passed.refused.take();
        self.passed = Some(Box::new(passed));
        refused
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
            self.shape = Some(shape(interaction));
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
        pairs: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)],
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
        let header = guard.policy().place_header.as_deref();
        self.watched.place = header.and_then(|name| place(name, pairs));
        Ok(())
    }

    /// Who is calling, as far as that was shown.
    pub(super) fn suspected(&self) -> Option<Suspected<'_>> {
        let record = &self.record;
        let names = record.client.as_deref().zip(record.issuer.as_deref());
        match (record.certificate.as_deref(), names, self.watched.address) {
            (Some(thumbprint), ..) => Some(Suspected::Certificate(thumbprint)),
            (None, Some((client, issuer)), _) if self.watched.known => {
                Some(Suspected::Client(client, issuer))
            }
            (.., Some(address)) => Some(Suspected::Address(address)),
            _ => None,
        }
    }

    /// What the exchange says about its caller, once, when it has ended.
    pub fn observing(&mut self) -> Option<Observed> {
        let policy = self.watched.policy.take()?;
        let suspected = self.suspected()?;
        let (record, watched) = (&self.record, &self.watched);
        let is_bundle = !record.entries.is_empty();
        let sights: Vec<Sight> = match watched.refused.is_none() && is_bundle {
            true => record.entries.iter().map(sight_of_entry).collect(),
            false => vec![self.sight()],
        };
        let is_address = matches!(suspected, Suspected::Address(_));
        let tenant = record.tenant.as_deref();
        let tenant = tenant.filter(|_| policy.isolates_tenants && watched.known);
        // What is brought on it is known once it is known what grew.
        let tenant = tenant.map(|name| Suspected::Tenant(name).scored().observation(Vec::new()));
        let caller = watched.passed.as_ref().and_then(|passed| passed.caller);
        debug_assert!(caller.is_none_or(|own| own == suspected.scored()));
        let caller = caller.unwrap_or_else(|| suspected.scored());
        let mut seen = caller.observation(sights);
        seen.token = watched.tried;
        seen.network = watched.address.map(risk::network).filter(|_| !is_address);
        if watched.known && !is_address {
            seen.asked = Some(risk::Asked {
                shapes: match is_bundle {
                    true => record.entries.iter().filter_map(shape_of_entry).collect(),
                    false => watched.shape.into_iter().collect(),
                },
                records: u32::try_from(record.passed).unwrap_or(u32::MAX),
                bytes: self.record.bytes,
            });
        }
        let known = self.watched.passed.as_mut().and_then(|passed| {
            seen.session = passed.weighed.session;
            passed.known.take()
        });
        Some(Observed {
            caller: seen,
            tenant,
            policy,
            known,
        })
    }

    /// Takes what was found; work that shuts out whom that is due for. `now` is in nanoseconds since 1970.
    pub fn found(&mut self, guard: &Guard, found: risk::Watched, now: u64) -> Vec<QuarantineAdd> {
        let Some(policy) = guard.policy().risk else {
            return Vec::new();
        };
        let passed = self.watched.passed.take().unwrap_or_default();
        let due = self.due(&policy, &found);
        let hardest = due.iter().map(|(action, ..)| *action).max();
        let acted = passed.action != Action::Report || passed.would.is_some();
        // What was done before the request went on rests on the scores of that time.
        let told = match (found.caller, found.tenant) {
            (Some(finding), _) => Some((finding.score, finding.reasons)),
            (None, _) if acted => Some((passed.weighed.score, passed.weighed.reasons)),
            (None, Some(finding)) if hardest.is_some() => Some((finding.score, finding.reasons)),
            (None, _) => None,
        };
        let (action, would) = match policy.report_only {
            true => (Action::Report, passed.would.max(hardest)),
            false => (passed.action.max(hardest.unwrap_or_default()), None),
        };
        let now_due = due.into_iter().filter(|_| !policy.report_only);
        let add = |(_, suspect, seconds)| guard.quarantine(suspect, seconds, now);
        let adds = now_due.map(add).collect();
        self.record.risk = told.map(|(score, reasons)| Told {
            score,
            reasons,
            action,
            would,
        });
        adds
    }

    /// Who is to be shut out, and for how many seconds.
    fn due(&self, policy: &RiskPolicy, found: &risk::Watched) -> Vec<(Action, Suspect<'_>, u64)> {
        let (record, watched) = (&self.record, &self.watched);
        let known = watched.known;
        let names = record.client.as_deref().zip(record.issuer.as_deref());
        let caller = match (record.certificate.as_deref(), names) {
            (Some(thumbprint), _) if policy.isolates_certificates => {
                Some(Suspect::Certificate(thumbprint))
            }
            (None, Some((client, issuer))) if known && policy.isolates_clients => {
                Some(Suspect::Client(client, issuer))
            }
            _ => None,
        };
        let finding = found.caller.as_ref();
        let caller = caller.filter(|_| finding.is_some_and(|one| one.isolates));
        let token = watched.token.as_deref().zip(record.issuer.as_deref());
        let token = token.map(|(id, issuer)| Suspect::Token(id, issuer));
        let token = token.filter(|_| known && finding.is_some_and(|one| one.quarantines));
        let tenant = record.tenant.as_deref().map(Suspect::Tenant);
        let tenant = tenant.filter(|_| found.tenant.as_ref().is_some_and(|one| one.isolates));
        let isolates = |suspect| (Action::Isolate, suspect, policy.isolate_for);
        let quarantines = |suspect| (Action::Quarantine, suspect, policy.quarantine_for);
        let isolated = caller.into_iter().chain(tenant).map(isolates);
        isolated.chain(token.map(quarantines)).collect()
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

/// What a request asks for, without any value.
fn shape(interaction: &Interaction) -> u32 {
    let code = interaction.code();
    let resource_type = interaction.resource_type().map_or("", ResourceType::name);
    let mut names: Vec<String> = Vec::new();
    if let Some(search) = interaction.search() {
        names.extend(search.parameters.iter().map(Parameter::name));
        names.extend(search.include.iter().map(|one| one.name().to_owned()));
    }
    if let Interaction::Operation(call) = interaction {
        names.push(call.operation.name.clone());
    }
    names.sort_unstable();
    names.dedup();
    risk::hash(format!("{code} {resource_type} {}", names.join("&")).as_bytes())
}

/// The same of one request of a Bundle; its parameters are not known any more.
fn shape_of_entry(entry: &EntryRecord) -> Option<u32> {
    let reference = entry.reference.as_deref().unwrap_or_default();
    let resource_type = reference.split('/').next().unwrap_or_default();
    let code = entry.interaction?;
    Some(risk::hash(
        format!("entry {code} {resource_type}").as_bytes(),
    ))
}

/// The value of the field of this name, if there is exactly one and it names a place: 2 to 64 letters, digits,
/// spaces and `-_.,:+` of ASCII.
fn place(name: &str, pairs: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)]) -> Option<String> {
    let own = |(key, _): &&(_, _)| AsRef::<[u8]>::as_ref(key) == name.as_bytes();
    let mut fields = pairs.iter().filter(own);
    let (_, value) = fields.next().filter(|_| fields.next().is_none())?;
    let value = std::str::from_utf8(value.as_ref()).ok()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b" -_.,:+".contains(&byte);
    ((2..=64).contains(&value.len()) && value.bytes().all(plain)).then(|| value.to_owned())
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
