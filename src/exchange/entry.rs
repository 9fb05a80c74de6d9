//! The head of a request: who asks for what, up to the permit.

use std::rc::Rc;

use super::guard::{Caller as Authenticated, Guard};
use super::{Exchange, Phase, Step};
use crate::access::{self, Permit};
use crate::denial::Denial;
use crate::identity::{ConnectionAttributes, PeerCertificate, Principal};
use crate::limit::{Caller, Charging};
use crate::request::{Request, RequestHead, upstream_headers};

/// What a caller asks for, until it is known who that is.
pub(super) struct Asked {
    head: RequestHead,
    request: Request,
    /// The peer's address; empty when unknown, or when nobody counts by it.
    address: String,
    /// Nanoseconds since 1970.
    now: u64,
    /// No body follows.
    ended: bool,
}

impl Exchange {
    /// From the head to the permit, or to the question whether the token's signature holds.
    pub(super) fn enter(
        &mut self,
        guard: &mut Guard,
        head: RequestHead,
        attributes: &ConnectionAttributes,
        now: u64,
        ended: bool,
    ) -> Result<Phase, Denial> {
        self.record.trace.clone_from(&head.traceparent);
        if ended && head.content_length.is_some_and(|length| length > 0) {
            return Err(Denial::Request("content-length"));
        }
        let request = Request::parse(&head, &guard.policy().fhir)?;
        let interaction = &request.interaction;
        self.record.interaction = Some(interaction.code());
        self.record.resource_type = interaction
            .resource_type()
            .map(crate::fhir::ResourceType::name);
        let instance = interaction.resource_type().zip(interaction.id());
        self.record.refs = instance
            .map(|(resource_type, id)| format!("{resource_type}/{id}"))
            .into_iter()
            .collect();
        let asked = Asked {
            head,
            request,
            address: attributes.address(),
            now,
            ended,
        };
        if let Some(permit) = access::permit_public(&asked.request) {
            let charging = Charging::new(&[], &Caller::default(), now);
            return Ok(self.charge(guard, permit, charging, &asked));
        }
        let certificate = PeerCertificate::read(attributes, guard.policy().certificate);
        // Known even where the token is refused: it tells who holds a stolen one.
        let shown = certificate.as_ref().ok().and_then(Option::as_ref);
        self.record.certificate = shown.map(PeerCertificate::thumbprint_hex);
        match guard.authenticate(&asked.head.credentials, certificate, now)? {
            Authenticated::Known(principal) => self.permit(guard, &principal, &asked),
            Authenticated::Unproven(caller) => Ok(Phase::Verifying {
                caller,
                asked: Box::new(asked),
            }),
        }
    }

    /// From the principal to the permit.
    pub(super) fn permit(
        &mut self,
        guard: &Guard,
        principal: &Rc<Principal>,
        asked: &Asked,
    ) -> Result<Phase, Denial> {
        self.note(principal);
        let permit = guard.authorize(principal, &asked.request)?;
        let caller = Caller {
            address: Some(asked.address.as_str()).filter(|address| !address.is_empty()),
            certificate: self.record.certificate.as_deref(),
            client: Some(principal.client()),
            issuer: Some(principal.issuer()),
            patient: principal.patient(),
            subject: Some(principal.subject()),
            tenant: principal.tenant(),
        };
        let charging = Charging::new(&guard.policy().limits, &caller, asked.now);
        Ok(self.charge(guard, permit, charging, asked))
    }

    /// The next step from where the head has led.
    pub(super) fn go_on(&mut self, phase: Result<Phase, Denial>) -> Step {
        match phase {
            Ok(phase) => {
                let step = match phase {
                    Phase::Verifying { .. } => Step::Verify,
                    Phase::Charging { .. } => Step::Charge,
                    _ => return self.host_failed(),
                };
                self.phase = phase;
                step
            }
            Err(denial) => self.refuse(&denial),
        }
    }

    fn charge(
        &mut self,
        guard: &Guard,
        permit: Permit,
        charging: Charging,
        asked: &Asked,
    ) -> Phase {
        self.record.rule = permit.rule().to_owned();
        let fhir = &guard.policy().fhir;
        let headers = upstream_headers(&asked.head, &asked.request, fhir, permit.may_read());
        Phase::Charging {
            permit,
            headers,
            charging,
            ended: asked.ended,
        }
    }

    fn note(&mut self, principal: &Principal) {
        let text = |text: &str| Some(text.to_owned());
        self.record.tenant = principal.tenant().and_then(text);
        self.record.issuer = text(principal.issuer());
        self.record.client = text(principal.client());
        self.record.subject = text(principal.subject());
    }
}
