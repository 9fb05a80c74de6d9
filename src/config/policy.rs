//! The document to a [`Policy`].

use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;

use super::audit;
use super::certificates;
use super::conditions::{self, Conditions};
use super::consent::{self, ConsentPolicy};
use super::detectors;
use super::discovery::{self, Discovery};
use super::dlp;
use super::dpop;
use super::egress;
use super::export;
use super::fhir;
use super::issuers;
use super::labels;
use super::limits;
use super::minimum;
use super::mistakes::Mistakes;
use super::reader::{Node, or};
use super::revocation;
use super::rules::{self, RedactionRule};
use super::secrets::{self, Environment, Outside, Secrets};
use super::signing;
use super::step_up;
use super::watermark;
use crate::access::{Fact, Rules, StepUp};
use crate::audit::AuditPolicy;
use crate::identity::{
    CertificatePolicy, CertificateRules, DpopPolicy, IssuerPolicy, KnownAnswer, MacKey, Told,
    known_answers,
};
use crate::limit::{Limit, Measure};
use crate::remote::Source;
use crate::request::{ClientProvenance, FhirPolicy};
use crate::response::{Egress, Signer, Watermarking};
use crate::risk::RiskPolicy;

/// What an operator decided: everything that a request is judged by. Made by [`super::read`] alone.
#[derive(Clone, Debug)]
pub struct Policy {
    /// `fhir`: where the API is, outside and inside.
    pub fhir: FhirPolicy,
    /// `fhir.upstream.identity`: what the upstream is told about the caller.
    pub told: Told,
    /// `client_certificate`: how the connection's certificate is judged.
    pub certificate: CertificatePolicy,
    /// `client_certificate`: where a caller's certificate is read, and whose it must be.
    pub certificate_rules: CertificateRules,
    /// `issuers`: whose tokens are taken; at least one, no two of the same `issuer`.
    pub issuers: Vec<IssuerPolicy>,
    /// `dpop`: how DPoP proofs are judged, where an issuer's tokens are taken with them.
    pub dpop: DpopPolicy,
    /// `signatures.host`: whether the host verifies the signatures that it can.
    pub host_signatures: bool,
    /// `secrets.page_key`: the key of links to further pages; without it, links in a form of the server's
    /// own cannot be followed.
    pub page_key: Option<MacKey>,
    /// `revocation`: where lists of what was taken back are fetched.
    pub revocations: Vec<Source>,
    /// `waiting`: how many requests wait for another server, and how long.
    pub waiting: WaitingPolicy,
    /// `limits`: how often a caller may ask; no two of the same name.
    pub limits: Rc<[Limit]>,
    /// `detectors`: what looks wrong about callers; `None` where nobody looks.
    pub risk: Option<RiskPolicy>,
    /// `step_up`: where more is asked of the login; no two of the same name.
    pub step_up: Vec<StepUp>,
    /// `rules`, the conditions of `redaction`, `limits` and `egress`, `labels`, `dlp`, and what is known of consent
    /// without asking.
    pub rules: Rules,
    /// `consent`: where Consents are read.
    pub consent: ConsentPolicy,
    /// `redaction` and behind it `minimum`: what is hidden, and from whom; no two of either of the same name.
    pub redactions: Vec<RedactionRule>,
    /// `egress`: how much may leave in one answer; no two of the same name.
    pub egress: Vec<Rc<Egress>>,
    /// `signing`: what answers are signed with.
    pub signer: Option<Rc<Signer>>,
    /// `watermark`: how what leaves is marked.
    pub watermarking: Option<Watermarking>,
    /// `response`: what inspecting an answer may cost.
    pub response: ResponsePolicy,
    /// `discovery`: what clients are told about this resource; `None` where they are told nothing.
    pub discovery: Option<Discovery>,
    /// `audit`: how an exchange is remembered.
    pub audit: AuditPolicy,
    /// What is no mistake, and should be known all the same: a line each, for the log.
    pub warnings: Vec<String>,
}

/// How many requests wait for what another server says, and how long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WaitingPolicy {
    /// Requests of one worker at a time.
    pub requests: usize,
    /// How long one waits, in nanoseconds.
    pub time: u64,
}

/// What inspecting an answer may cost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ResponsePolicy {
    /// Bytes of an answer that are held while it can still become a refusal. Must be below the
    /// listener's `per_connection_buffer_limit_bytes`; nothing here can see whether it is.
    pub hold_limit: usize,
    /// Bytes of one resource that are held to decide on it; at least `hold_limit`.
    pub resource_limit: usize,
    /// Answer 403 instead of 404, for absent instances and for those outside the caller's
    /// compartment alike. For servers where a `PUT` to an absent id creates it: there a 404 would
    /// tell that the id is free.
    pub absent_is_forbidden: bool,
}

impl Policy {
    /// What to ask the host before it is trusted with signatures; nothing where it is not to verify
    /// any.
    pub fn questions(&self) -> Vec<KnownAnswer> {
        match self.host_signatures {
            true => known_answers(),
            false => Vec::new(),
        }
    }
}

/// Bytes of a URL.
pub(super) const URL: usize = 2048;

/// Bytes of a name: tenant, observer, redaction.
pub(super) const NAME: usize = 64;

const WAITING: WaitingPolicy = WaitingPolicy {
    requests: 256,
    time: 5_000_000_000,
};

pub(super) const KIB: usize = 1 << 10;
pub(super) const MIB: usize = 1 << 20;

/// Reads a whole document.
pub(super) fn read(document: &Value, environment: Environment<'_>) -> Result<Policy, Mistakes> {
    let mut mistakes = Mistakes::default();
    let policy = policy(&Node::root(document), environment, &mut mistakes);
    match policy {
        Some(policy) if mistakes.is_empty() => Ok(policy),
        _ => Err(mistakes),
    }
}

fn policy(document: &Node<'_>, environment: Environment<'_>, m: &mut Mistakes) -> Option<Policy> {
    let mut object = document.object("an object", m)?;
    let fhir = object.required("fhir", "an object with base and upstream", m);
    let fhir = fhir.and_then(|node| fhir::read(&node, m));
    let certificate = object.optional("client_certificate");
    let certificate = or(certificate, certificates::default(), |node| {
        certificates::read(node, m)
    });
    let issuers = object.required("issuers", "a list of issuers whose tokens are taken", m);
    let mut outside = Outside {
        environment,
        warnings: Vec::new(),
    };
    let issuers = issuers.and_then(|node| issuers::read(&node, &mut outside, m));
    let secrets = or(object.optional("secrets"), Secrets::default(), |node| {
        secrets::read(node, &mut outside, m)
    });
    let dpop = dpop::read(&mut object, secrets.as_ref(), m);
    let host_signatures = or(object.optional("signatures"), true, |node| {
        host_signatures(node, m)
    });
    let revocations = or(object.optional("revocation"), Vec::new(), |node| {
        revocation::read(node, m)
    });
    let waiting = or(object.optional("waiting"), WAITING, |node| waiting(node, m));
    let zones = or(object.optional("time_zones"), Vec::new(), |node| {
        conditions::time_zones(node, m)
    });
    let conditions = Conditions::new(zones);
    let limits_read = or(object.optional("limits"), Vec::new(), |node| {
        limits::read(node, &conditions, m)
    });
    let risk = or(object.optional("detectors"), None, |node| {
        detectors::read(node, issuers.as_deref(), m).map(Some)
    });
    let step_up = or(object.optional("step_up"), Vec::new(), |node| {
        step_up::read(node, m)
    });
    let with_conditions = or(object.optional("rules"), Vec::new(), |node| {
        // What is wrong with `fhir` is said there.
        let kept = fhir
            .as_ref()
            .is_none_or(|(fhir, _)| fhir.writes.provenance == ClientProvenance::Kept);
        conditions::rules(node, &conditions, kept, m)
    });
    let consent = consent::read(&mut object, &conditions, m);
    let labels = or(object.optional("labels"), None, |node| {
        labels::read(node, &conditions, m).map(Some)
    });
    let dlp = or(object.optional("dlp"), Vec::new(), |node| {
        dlp::read(node, &conditions, m)
    });
    let redactions = or(object.optional("redaction"), Vec::new(), |node| {
        // What is wrong with `labels` is said there.
        let known = labels.as_ref().and_then(Option::as_ref);
        rules::redactions(node, &conditions, known, m)
    });
    let minimum = or(object.optional("minimum"), Vec::new(), |node| {
        minimum::read(node, &conditions, m)
    });
    let egress = or(object.optional("egress"), Vec::new(), |node| {
        egress::read(node, &conditions, m)
    });
    let response = ResponsePolicy {
        hold_limit: 512 * KIB,
        resource_limit: 8 * MIB,
        absent_is_forbidden: false,
    };
    let response = or(object.optional("response"), response, |node| {
        response_policy(node, response, m)
    });
    let signing = signing::read(&mut object, secrets.as_ref(), &conditions, m);
    let marking = watermark::read(&mut object, secrets.as_ref(), &conditions, m);
    let known = issuers.as_deref();
    let discovery = or(
        object.optional("discovery"),
        discovery::Wish::default(),
        |node| discovery::read(node, known, m),
    );
    let audit = audit::read(&mut object, secrets.as_ref(), m);
    object.finish(m);
    let (fhir, told) = fhir?;
    let (certificate, mut certificate_rules) = certificate?;
    let mut issuers = issuers?;
    let dpop = dpop?;
    let names: Vec<&str> = issuers.iter().map(|known| known.issuer.as_str()).collect();
    certificates::check_issuers(&certificate_rules, &names, m);
    let discovery = discovery::metadata(discovery?, &fhir.base, &issuers, &dpop);
    let (mut limits, mut limits_when, mut priority) = (Vec::new(), Vec::new(), Vec::new());
    for (limit, when, first) in limits_read? {
        limits.push(limit);
        limits_when.push(when);
        priority.push(first);
    }
    let (redactions, redactions_when): (Vec<_>, Vec<_>) =
        minimum::behind(redactions?, minimum?, m)?
            .into_iter()
            .unzip();
    let limit_names = limits.iter().map(|limit| limit.name.clone());
    let redaction_names = redactions.iter().map(|rule| rule.redaction.name.clone());
    let (mut egress, egress_when): (Vec<_>, Vec<_>) = egress?.into_iter().unzip();
    if limits
        .iter()
        .any(|limit| matches!(limit.measure, Measure::Patients(_)))
    {
        egress.push(Rc::new(Egress::telling()));
    }
    let egress_names = egress.iter().map(|rule: &Rc<Egress>| rule.name.to_string());
    let (consent, consent_terms) = consent?;
    let (signer, signature) = signing?;
    let (watermarking, watermark) = marking?;
    let rules = Rules {
        rules: with_conditions?,
        consent: consent_terms,
        labels: labels?,
        signature,
        watermark,
        dlp: dlp?,
        limits: limit_names.zip(limits_when).collect(),
        priority,
        redactions: redaction_names.zip(redactions_when).collect(),
        egress: egress_names.zip(egress_when).collect(),
    };
    // Tokens are not made larger, and certificates not asked for, where nobody looks at them.
    certificate_rules.conditions = rules.certificate_needs();
    for issuer in &mut issuers {
        issuer.claims.kept = rules.uses(Fact::TokenClaims) || rules.consent.claim.is_some();
    }
    let consent = consent.at(&fhir.upstream);
    let page_key = secrets?.page_key;
    export::check(fhir.export.as_ref(), page_key.as_ref(), m);
    Some(Policy {
        fhir,
        told,
        certificate,
        certificate_rules,
        issuers,
        dpop,
        host_signatures: host_signatures?,
        page_key,
        revocations: revocations?,
        waiting: waiting?,
        limits: limits.into(),
        risk: risk?,
        step_up: step_up?,
        rules,
        consent,
        redactions,
        egress,
        signer,
        watermarking,
        response: response?,
        discovery,
        audit: audit?,
        warnings: outside.warnings,
    })
}

fn host_signatures(node: &Node<'_>, m: &mut Mistakes) -> Option<bool> {
    let mut object = node.object("an object with host", m)?;
    let host = or(object.optional("host"), true, |node| node.bool(m));
    object.finish(m);
    host
}

fn waiting(node: &Node<'_>, m: &mut Mistakes) -> Option<WaitingPolicy> {
    let mut object = node.object("an object with requests and time", m)?;
    let requests = or(object.optional("requests"), WAITING.requests, |node| {
        usize::try_from(node.integer(1..=4096, m)?).ok()
    });
    let time = or(object.optional("time"), WAITING.time, |node| {
        let longest = Duration::from_secs(30);
        let time = node.duration(Duration::from_millis(100)..=longest, m)?;
        u64::try_from(time.as_nanos()).ok()
    });
    object.finish(m);
    Some(WaitingPolicy {
        requests: requests?,
        time: time?,
    })
}

fn response_policy(
    node: &Node<'_>,
    default: ResponsePolicy,
    m: &mut Mistakes,
) -> Option<ResponsePolicy> {
    let mut object = node.object("an object", m)?;
    let hold = or(object.optional("hold_limit"), default.hold_limit, |node| {
        node.size(KIB..=16 * MIB, m)
    });
    let resource = object.optional("resource_limit");
    let place = object.pointer_of("resource_limit");
    let resource = or(resource, default.resource_limit, |node| {
        node.size(KIB..=64 * MIB, m)
    });
    let absent = or(
        object.optional("absent"),
        default.absent_is_forbidden,
        |node| node.keyword(&[("not-found", false), ("forbidden", true)], m),
    );
    object.finish(m);
    let (hold_limit, resource_limit) = (hold?, resource?);
    if resource_limit < hold_limit {
        m.add(&place, "expected at least hold_limit, found less");
        return None;
    }
    Some(ResponsePolicy {
        hold_limit,
        resource_limit,
        absent_is_forbidden: absent?,
    })
}

/// A name that is printed as it is, in headers and in the audit record.
pub(super) fn name(node: &Node<'_>, m: &mut Mistakes) -> Option<String> {
    let name = node.text("a name", 1..=NAME, m)?;
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    node.check(
        name.bytes().all(letter),
        "a name of the characters A-Z a-z 0-9 - . _",
        m,
    )?;
    Some(name.to_owned())
}
