//! What a condition can be about: the caller, the certificate, the address and the request.

use std::cell::OnceCell;
use std::net::IpAddr;

use crate::cel::{Facts as Values, Timestamp, Type, Value, Variable};
use crate::fhir::ResourceType;
use crate::identity::{BINDINGS, CertificateNeeds, Principal};
use crate::request::Interaction;

/// A variable of conditions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names are those that conditions use")]
pub enum Fact {
    CertificateDns,
    CertificateIssuer,
    CertificateSubject,
    CertificateThumbprint,
    CertificateUris,
    FhirId,
    FhirInteraction,
    FhirType,
    PrincipalClient,
    PrincipalEncounter,
    PrincipalIssuer,
    PrincipalPatient,
    PrincipalPurposes,
    PrincipalRoles,
    PrincipalScopes,
    PrincipalSubject,
    PrincipalTenant,
    PrincipalUser,
    RequestTime,
    SourceAddress,
    TokenBindings,
    TokenClaims,
}

/// What of a request's circumstances no token tells.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circumstances {
    /// The peer's address, an IPv4 address never in the form of an IPv6 address; `None` where it is
    /// not known, or no condition is about it.
    pub address: Option<IpAddr>,
    /// In nanoseconds since 1970.
    pub time: u64,
}

impl Fact {
    /// Every variable, with its name and its type, in the order of the names.
    pub const ALL: [(Fact, &'static str, Type); 22] = [
        (Fact::CertificateDns, "certificate.dns", Type::Strings),
        (Fact::CertificateIssuer, "certificate.issuer", Type::String),
        (
            Fact::CertificateSubject,
            "certificate.subject",
            Type::String,
        ),
        (
            Fact::CertificateThumbprint,
            "certificate.thumbprint",
            Type::String,
        ),
        (Fact::CertificateUris, "certificate.uris", Type::Strings),
        (Fact::FhirId, "fhir.id", Type::String),
        (Fact::FhirInteraction, "fhir.interaction", Type::String),
        (Fact::FhirType, "fhir.type", Type::String),
        (Fact::PrincipalClient, "principal.client", Type::String),
        (
            Fact::PrincipalEncounter,
            "principal.encounter",
            Type::String,
        ),
        (Fact::PrincipalIssuer, "principal.issuer", Type::String),
        (Fact::PrincipalPatient, "principal.patient", Type::String),
        (Fact::PrincipalPurposes, "principal.purposes", Type::Strings),
        (Fact::PrincipalRoles, "principal.roles", Type::Strings),
        (Fact::PrincipalScopes, "principal.scopes", Type::Strings),
        (Fact::PrincipalSubject, "principal.subject", Type::String),
        (Fact::PrincipalTenant, "principal.tenant", Type::String),
        (Fact::PrincipalUser, "principal.user", Type::String),
        (Fact::RequestTime, "request.time", Type::Timestamp),
        (Fact::SourceAddress, "source.address", Type::Ip),
        (Fact::TokenBindings, "token.bindings", Type::Strings),
        (Fact::TokenClaims, "token.claims", Type::Map),
    ];

    /// The variables as the reader of conditions takes them.
    pub fn variables() -> Vec<Variable> {
        let variable = |(fact, name, kind): (Fact, &'static str, Type)| Variable {
            name,
            kind,
            words: match fact {
                Fact::FhirInteraction => Interaction::CODES.to_vec(),
                Fact::FhirType => ResourceType::all().map(ResourceType::name).collect(),
                Fact::TokenBindings => BINDINGS.to_vec(),
                _ => Vec::new(),
            },
        };
        Fact::ALL.map(variable).into()
    }

    /// Its place among the variables.
    pub fn place(self) -> usize {
        self as usize
    }

    /// What has to be known of a certificate for it.
    pub fn needs(self) -> CertificateNeeds {
        CertificateNeeds {
            leaf: matches!(
                self,
                Fact::CertificateDns | Fact::CertificateIssuer | Fact::CertificateUris
            ),
            subject: self == Fact::CertificateSubject,
        }
    }
}

/// The values for one request.
pub(super) struct Facts<'a> {
    principal: &'a Principal,
    /// What is asked for.
    pub interaction: &'a Interaction,
    /// The type that is decided on; of several types each is decided on.
    pub resource_type: ResourceType,
    circumstances: Circumstances,
    thumbprint: OnceCell<String>,
}

impl<'a> Facts<'a> {
    pub fn new(
        principal: &'a Principal,
        interaction: &'a Interaction,
        resource_type: ResourceType,
        circumstances: Circumstances,
    ) -> Self {
        Facts {
            principal,
            interaction,
            resource_type,
            circumstances,
            thumbprint: OnceCell::new(),
        }
    }
}

impl Values for Facts<'_> {
    fn value(&self, variable: usize) -> Option<Value<'_>> {
        let (principal, interaction) = (self.principal, self.interaction);
        let certificate = principal.certificate();
        let (fact, ..) = Fact::ALL.get(variable)?;
        Some(match fact {
            Fact::CertificateDns => Value::Strings(certificate?.dns()),
            Fact::CertificateIssuer => Value::String(certificate?.issuer()?),
            Fact::CertificateSubject => Value::String(certificate?.subject()?),
            Fact::CertificateThumbprint => {
                let certificate = certificate?;
                let text = || certificate.thumbprint_hex();
                Value::String(self.thumbprint.get_or_init(text))
            }
            Fact::CertificateUris => Value::Strings(certificate?.uris()),
            Fact::FhirId => Value::String(interaction.id()?),
            Fact::FhirInteraction => Value::String(interaction.code()),
            Fact::FhirType => Value::String(self.resource_type.name()),
            Fact::PrincipalClient => Value::String(principal.client()),
            Fact::PrincipalEncounter => Value::String(principal.encounter()?),
            Fact::PrincipalIssuer => Value::String(principal.issuer()),
            Fact::PrincipalPatient => Value::String(principal.patient()?),
            Fact::PrincipalPurposes => Value::Strings(principal.purposes()),
            Fact::PrincipalRoles => Value::Strings(principal.roles()),
            Fact::PrincipalScopes => Value::Strings(principal.scopes().texts()),
            Fact::PrincipalSubject => Value::String(principal.subject()),
            Fact::PrincipalTenant => Value::String(principal.tenant()?),
            Fact::PrincipalUser => Value::String(principal.user()?),
            Fact::RequestTime => {
                let time = i128::from(self.circumstances.time);
                Value::Timestamp(Timestamp::from_nanoseconds(time)?)
            }
            Fact::SourceAddress => Value::Ip(self.circumstances.address?),
            Fact::TokenBindings => Value::Words(principal.bindings()),
            Fact::TokenClaims => Value::Map(principal.claims()?),
        })
    }
}
