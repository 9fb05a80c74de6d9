//! What is alarming, and how grave it is.

use sha2::{Digest as _, Sha256};

use super::super::{Outcome, Record};
use super::repeats::Edge;
use crate::risk::{Action, Detector};

/// What is alarming about an exchange.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Alarm {
    /// The caller, or all of its tenant, is shut out for a time.
    Isolate,
    /// A token is shut out for a time, for the score of its caller.
    Quarantine,
    /// A token of another certificate or key.
    Binding,
    /// A certificate that the client may not use.
    Pin,
    /// A proof of possession that was used before.
    Replay,
    /// Another login was asked for, for the score of the caller.
    StepUp,
    /// The limits of the caller are tightened, for its score.
    Clamp,
    /// Something was permitted to somebody who says that it is an emergency.
    BreakGlass,
    /// More was to leave in one answer than a guardrail allows.
    Egress,
    /// The score of the caller is high enough to be told.
    Report,
}

/// How grave an alert is, by the numbers of OCSF.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// To be looked at when there is time.
    Low = 2,
    /// To be looked at today.
    Medium = 3,
    /// To be looked at now.
    High = 4,
    /// Something is shut out: to be looked at now, whether it is an attack or not.
    Critical = 5,
}

impl Severity {
    /// All, the least first.
    pub const ALL: [Severity; 4] = [
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
    ];

    /// The name in OCSF; in the statistics it has no capital.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Low => "Low",
            Severity::Medium => "Medium",
            Severity::High => "High",
            Severity::Critical => "Critical",
        }
    }
}

impl Alarm {
    /// All, the gravest first.
    pub const ALL: [Alarm; 10] = [
        Alarm::Isolate,
        Alarm::Quarantine,
        Alarm::Binding,
        Alarm::Pin,
        Alarm::Replay,
        Alarm::StepUp,
        Alarm::Clamp,
        Alarm::BreakGlass,
        Alarm::Egress,
        Alarm::Report,
    ];

    /// The name: `event.action` of ECS, `metadata.event_code` of OCSF.
    pub const fn name(self) -> &'static str {
        match self {
            Alarm::Isolate => "isolate",
            Alarm::Quarantine => "quarantine",
            Alarm::Binding => "token-binding",
            Alarm::Pin => "token-pin",
            Alarm::Replay => "dpop-replay",
            Alarm::StepUp => "step-up",
            Alarm::Clamp => "clamp",
            Alarm::BreakGlass => "break-glass",
            Alarm::Egress => "egress",
            Alarm::Report => "report",
        }
    }

    /// How grave it is.
    pub const fn severity(self) -> Severity {
        match self {
            Alarm::Isolate => Severity::Critical,
            Alarm::Quarantine | Alarm::Binding | Alarm::Pin | Alarm::Replay => Severity::High,
            Alarm::StepUp | Alarm::Clamp | Alarm::BreakGlass | Alarm::Egress => Severity::Medium,
            Alarm::Report => Severity::Low,
        }
    }

    /// The same in a few words.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Alarm::Isolate => "Caller or tenant isolated",
            Alarm::Quarantine => "Token quarantined",
            Alarm::Binding => "Token of another holder",
            Alarm::Pin => "Certificate not of this client",
            Alarm::Replay => "Proof of possession used again",
            Alarm::StepUp => "Another login demanded",
            Alarm::Clamp => "Limits tightened",
            Alarm::BreakGlass => "Break-glass access",
            Alarm::Egress => "Export guardrail reached",
            Alarm::Report => "Suspicious caller",
        }
    }

    /// Whether it rests on what detectors have found.
    pub(super) const fn is_by_score(self) -> bool {
        matches!(
            self,
            Alarm::Isolate | Alarm::Quarantine | Alarm::StepUp | Alarm::Clamp | Alarm::Report
        )
    }

    /// Why, where no detector says it.
    pub(super) const fn explanation(self) -> &'static str {
        match self {
            Alarm::Binding => "a token was shown that is bound to another certificate or key",
            Alarm::Pin => "the client's token came with a certificate that is not pinned to it",
            Alarm::Replay => "a DPoP proof came a second time",
            Alarm::BreakGlass => "the token says that it is an emergency",
            Alarm::Egress => "more was to leave in one answer than a guardrail allows",
            _ => "a score reached its threshold",
        }
    }

    /// Whether it is about a person, or the token of one, rather than about whoever holds the certificate.
    const fn is_personal(self) -> bool {
        matches!(
            self,
            Alarm::Quarantine | Alarm::StepUp | Alarm::BreakGlass | Alarm::Egress
        )
    }
}

/// What a detector has found, for people.
pub(super) const fn explanation(detector: Detector) -> &'static str {
    match detector {
        Detector::Absent => "asks for what is not there, or not there for this caller",
        Detector::Certificates => "one token from two certificates",
        Detector::Credentials => "shows credentials that do not hold",
        Detector::Networks => "comes from networks that are new",
        Detector::Patients => "reads more patients than is usual",
        Detector::Places => "one token from two places, too soon",
        Detector::Proofs => "proofs of possession are missing or do not hold",
        Detector::Refused => "is refused by scopes, rules or compartments",
        Detector::Sequence => "tries ids one after the other",
        Detector::Shapes => "asks for what it has never asked for",
        Detector::Theft => "shows tokens of other holders",
        Detector::Tokens => "tries many tokens that do not hold",
        Detector::Travel => "one token from networks far from each other, too soon",
        Detector::Volume => "gets more than it usually does",
    }
}

impl Record {
    /// Whether this is alarming about the exchange, which ended so.
    pub(super) fn raises(&self, alarm: Alarm, outcome: Outcome) -> bool {
        let acted = |action| self.risk.as_ref().is_some_and(|told| told.action == action);
        let refused = |rule| outcome == Outcome::Refused && self.rule == rule;
        match alarm {
            Alarm::Isolate => acted(Action::Isolate),
            Alarm::Quarantine => acted(Action::Quarantine),
            Alarm::Binding => refused("token.binding"),
            Alarm::Pin => refused("token.pin"),
            Alarm::Replay => refused("dpop.replay"),
            Alarm::StepUp => acted(Action::StepUp),
            Alarm::Clamp => acted(Action::Clamp),
            Alarm::BreakGlass => {
                let permitted = matches!(
                    outcome,
                    Outcome::Allowed | Outcome::Cut | Outcome::Forwarded | Outcome::Withheld
                );
                permitted && self.breaks_glass()
            }
            Alarm::Egress => {
                let held_back = matches!(outcome, Outcome::Cut | Outcome::Withheld);
                held_back && self.rule.starts_with("egress.")
            }
            Alarm::Report => acted(Action::Report),
        }
    }

    /// What of which kind about whom: the certificate where there is one, else the client, else the address.
    pub(super) fn edge(&self, alarm: Alarm) -> Edge {
        let client = self.client.as_deref().zip(self.issuer.as_deref());
        // A token that belongs to somebody else says nothing of who shows it.
        let client = client.filter(|_| !matches!(alarm, Alarm::Binding | Alarm::Pin));
        let (kind, who, issuer) = match (self.certificate.as_deref(), client) {
            (Some(certificate), _) => ("certificate", certificate, ""),
            (None, Some((client, issuer))) => ("client", client, issuer),
            (None, None) => ("address", self.address.as_deref().unwrap_or_default(), ""),
        };
        let person = self.subject.as_deref().filter(|_| alarm.is_personal());
        let mut hash = Sha256::new();
        for part in [alarm.name(), kind, who, issuer, person.unwrap_or_default()] {
            // Two lists of texts are never the same bytes.
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(part.as_bytes());
        }
        let digest: [u8; 32] = hash.finalize().into();
        digest.first_chunk().copied().unwrap_or_default()
    }
}
