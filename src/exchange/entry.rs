//! The head of a request: who asks for what, up to the permit.

use std::borrow::Cow;
use std::rc::Rc;

use super::body::check_provenance;
use super::guard::{Authentication, Caller as Authenticated, Guard};
use super::waiting::{Body, Seat, Waiting};
use super::{Exchange, Phase, Step, Toll, export, pages};
use crate::access::{self, Circumstances, Permit, Rules};
use crate::audit::Caller;
use crate::denial::{Denial, TokenFault};
use crate::identity::{ConnectionAttributes, PeerCertificate, Principal, TokenCache};
use crate::limit::{Charging, KeyPart};
use crate::request::{
    AnswerForm, Batch, ExportLink, Form, Interaction, PageLink, Request, RequestHead,
    upstream_headers,
};
use crate::wire::Pair;

/// What a caller asks for, until it is known who that is.
pub(super) struct Asked {
    pub head: RequestHead,
    pub request: Wanted,
    /// The peer's address; empty when unknown, or when nobody counts by it.
    pub address: String,
    /// The proxy's name of the route; absent as the address is.
    pub route: Option<String>,
    /// A hash of the token; absent where nobody counts by it.
    pub token: Option<[u8; 32]>,
    /// When the head came, in nanoseconds since 1970.
    pub came: u64,
    /// The time of the callback that is under way.
    pub now: u64,
    /// What is there of the body.
    pub body: Body,
    /// The nonce that the caller is told to use from now on.
    pub next_nonce: Option<String>,
}

impl Asked {
    /// What of it no token tells.
    pub fn circumstances(&self) -> Circumstances {
        Circumstances {
            address: Rules::address(&self.address),
            time: self.now,
        }
    }
}

/// What is wanted.
pub(super) enum Wanted {
    /// All of it is known.
    Known(Box<Request>),
    /// A search whose parameters come in the body.
    Form(Form),
    /// A further page, which a link of ours tells.
    Page(PageLink),
    /// What became of an export, or a file of it, which a link of ours tells.
    Export(ExportLink),
    /// The requests of the Bundle that is the body.
    Bundle,
}

impl Wanted {
    /// The form in which it is answered.
    fn answer(&self) -> AnswerForm {
        match self {
            Wanted::Known(request) => match &request.interaction {
                Interaction::Export(_) => AnswerForm::Later,
                _ => AnswerForm::Json,
            },
            Wanted::Export(link) if link.file => AnswerForm::Lines,
            _ => AnswerForm::Json,
        }
    }
}

/// A caller is known, and what is searched for, or asked for by a Bundle, is not: the body comes.
pub(super) struct Searcher {
    /// Taken for as long as it waits.
    _seat: Seat,
    principal: Rc<Principal>,
    asked: Asked,
}

impl Exchange {
    /// From the head to the permit, or to what must be known before.
    pub(super) fn enter(
        &mut self,
        guard: &mut Guard,
        head: RequestHead,
        attributes: &ConnectionAttributes,
        now: u64,
        ended: bool,
    ) -> Result<Phase, Denial> {
        self.record.method = Some(head.method.name());
        if ended && head.content_length.is_some_and(|length| length > 0) {
            return Err(Denial::Request("content-length"));
        }
        let fhir = &guard.policy().fhir;
        let request = if Batch::is_asked(&head, fhir)? {
            // Of which type it is, its body says.
            self.record.interaction = Some("bundle");
            Wanted::Bundle
        } else if let Some(link) = PageLink::parse(&head, fhir)? {
            Wanted::Page(link)
        } else if let Some(link) = ExportLink::parse(&head, fhir)? {
            self.record.interaction = Some("export");
            Wanted::Export(link)
        } else if let Some(form) = Form::parse(&head, fhir)? {
            Wanted::Form(form)
        } else {
            Wanted::Known(Box::new(Request::parse(&head, fhir)?))
        };
        if let Wanted::Known(request) = &request {
            self.note_interaction(&request.interaction);
        }
        head.check_answer(request.answer())?;
        let counted = guard.counts_by(KeyPart::Token);
        let token = guard.token(&head.credentials).ok();
        let asked = Asked {
            token: token.filter(|_| counted).map(TokenCache::key),
            head,
            request,
            address: attributes.address(),
            route: attributes.route(),
            came: now,
            now,
            body: match ended {
                true => Body::None,
                false => Body::Coming,
            },
            next_nonce: None,
        };
        if let Wanted::Known(request) = &asked.request
            && let Some(permit) = access::permit_public(request)
        {
            guard.check_place(Caller::Public)?;
            let charging = Toll::free(Charging::new([], now));
            return self.charge(guard, permit, charging, asked);
        }
        let certificate = guard.certificate(attributes, &asked.head.forwarded_certificates, now);
        // Known even where the token is refused: it tells who holds a stolen one.
        let shown = certificate.as_ref().ok().and_then(Option::as_ref);
        self.record.certificate = shown.map(PeerCertificate::thumbprint_hex);
        // Whether there is a token at all is said first.
        guard.token(&asked.head.credentials)?;
        match guard.authenticate(&asked.head, certificate?, now, now) {
            Ok(found) => self.follow(guard, found, Box::new(asked)),
            Err(refusal) => self.turn_away(refusal, guard.tried(&asked.head), now),
        }
    }

    /// From what is known of the caller to the next phase.
    pub(super) fn follow(
        &mut self,
        guard: &Guard,
        found: Authentication,
        asked: Box<Asked>,
    ) -> Result<Phase, Denial> {
        match found {
            Authentication::Caller(caller) => self.admit(guard, caller, asked),
            Authentication::Waits(need, certificate) => {
                let waiting = Waiting::enter(guard, asked, certificate, need)?;
                Ok(Phase::Waiting(Box::new(waiting)))
            }
        }
    }

    /// From what is known of the caller to the permit, or to what must be asked before.
    pub(super) fn admit(
        &mut self,
        guard: &Guard,
        caller: Authenticated,
        asked: Box<Asked>,
    ) -> Result<Phase, Denial> {
        match caller {
            Authenticated::Known(principal) => self.permit(guard, &principal, *asked),
            Authenticated::Unproven(caller) => Ok(Phase::Verifying { caller, asked }),
            Authenticated::Unnoted(caller) => Ok(Phase::Noting { caller, asked }),
        }
    }

    /// From the principal to the permit.
    pub(super) fn permit(
        &mut self,
        guard: &Guard,
        principal: &Rc<Principal>,
        asked: Asked,
    ) -> Result<Phase, Denial> {
        self.note(principal.token());
        self.watched.known(principal);
        let request = match (&asked.request, &asked.body) {
            (Wanted::Known(request), _) => Cow::Borrowed(request.as_ref()),
            (Wanted::Page(link), _) => {
                let policy = guard.policy();
                let (key, now) = (policy.page_key.as_ref(), asked.now / 1_000_000_000);
                let request =
                    pages::open(key, principal, &policy.fhir, link, asked.head.method, now)?;
                self.note_interaction(&request.interaction);
                Cow::Owned(request)
            }
            (Wanted::Export(link), _) => {
                let policy = guard.policy();
                let (key, now) = (policy.page_key.as_ref(), asked.now / 1_000_000_000);
                let request =
                    export::open(key, principal, &policy.fhir, link, asked.head.method, now)?;
                self.note_interaction(&request.interaction);
                Cow::Owned(request)
            }
            (Wanted::Form(_) | Wanted::Bundle, Body::None) => return Err(Denial::Request("body")),
            (Wanted::Form(_) | Wanted::Bundle, Body::Coming) => {
                let searcher = Searcher {
                    _seat: Seat::take(guard.forms(), guard.policy().waiting.requests)?,
                    principal: Rc::clone(principal),
                    asked,
                };
                return Ok(Phase::ReadingForm(Box::new(searcher)));
            }
            (Wanted::Bundle, Body::Whole(bytes)) => {
                return self.bundle(guard, principal, &asked, bytes);
            }
            (Wanted::Form(form), Body::Whole(bytes)) => {
                let request = form.complete(bytes, &guard.policy().fhir)?;
                self.note_interaction(&request.interaction);
                Cow::Owned(request)
            }
        };
        let permit = guard.authorize(principal, &request, asked.circumstances())?;
        check_provenance(guard, permit.request())?;
        let charging = self.charges(guard, principal, &asked, std::iter::once(&permit))?;
        let charging = self.toll(guard, principal, &asked, charging);
        self.charge(guard, permit, charging, asked)
    }

    /// A piece of the form, or of the Bundle: all that came of it so far, because the proxy keeps it.
    pub(super) fn body_of_form(&mut self, guard: &Guard, sofar: &[u8], ended: bool) -> Step {
        let step = self.body_grows(guard, sofar.len());
        if step != Step::Wait || !ended {
            return step;
        }
        if !self.share.hold_body(sofar.len()) {
            return self.refuse(&Denial::Unavailable("memory"));
        }
        let phase = match std::mem::take(&mut self.phase) {
            Phase::ReadingForm(searcher) => {
                let Searcher {
                    principal,
                    mut asked,
                    ..
                } = *searcher;
                asked.body = Body::Whole(sofar.to_vec());
                self.permit(guard, &principal, asked)
            }
            other => {
                self.phase = other;
                return self.absorb_request();
            }
        };
        self.go_on(phase)
    }

    /// The next step from where the head has led.
    pub(super) fn go_on(&mut self, phase: Result<Phase, Denial>) -> Step {
        match phase {
            Ok(phase) => {
                let step = match phase {
                    Phase::Verifying { .. } => Step::Verify,
                    Phase::Noting { .. } => Step::Note,
                    Phase::ShuttingOut(_) => Step::ShutOut,
                    Phase::ReadingForm(_) | Phase::Waiting(_) => Step::Wait,
                    Phase::Charging { .. } => Step::Charge,
                    Phase::Bundle(bundle) => return self.bundle_step(bundle),
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
        charging: Toll,
        asked: Asked,
    ) -> Result<Phase, Denial> {
        let fhir = &guard.policy().fhir;
        // Escaped, a form may be longer than what came.
        if permit
            .request()
            .body()
            .is_some_and(|form| form.len() > fhir.body_limit)
        {
            return Err(Denial::TooLarge);
        }
        let caller = permit.principal().map(Rc::as_ref);
        let mut headers = upstream_headers(&asked.head, permit.request(), fhir, permit.may_read());
        tell(guard, caller, &asked.head, &mut headers)?;
        self.note_confined(&permit);
        self.record.rule = permit.rule().to_owned();
        self.record.reported = permit.reported().to_vec();
        Ok(Phase::Charging {
            permit,
            headers,
            charging: Box::new(charging),
            nonce: asked.next_nonce,
            body: asked.body,
        })
    }
}

/// The instance that is asked for, or the one in whose compartment is searched.
pub(super) fn reference(interaction: &Interaction) -> Option<String> {
    let instance = interaction.resource_type().zip(interaction.id());
    let instance = instance.map(|(resource_type, id)| format!("{resource_type}/{id}"));
    let owner = interaction.compartment();
    let owner = owner.map(|(compartment, id)| format!("{}/{id}", compartment.name()));
    instance.or(owner)
}

/// Adds what the server is told of the caller.
pub(super) fn tell(
    guard: &Guard,
    caller: Option<&Principal>,
    head: &RequestHead,
    headers: &mut Vec<Pair>,
) -> Result<(), Denial> {
    let policy = guard.policy();
    let told = policy.told.fields(caller, &head.request_id);
    let told = told.ok_or(Denial::Token(TokenFault::Claims))?;
    let bytes = |(name, value): (String, String)| (name.into_bytes(), value.into_bytes());
    headers.extend(told.into_iter().map(bytes));
    let certificate = caller.and_then(Principal::certificate);
    let rules = &policy.certificate_rules;
    if let Some(told) = certificate.and_then(|certificate| rules.forwarded(certificate)) {
        headers.push((b"x-forwarded-client-cert".to_vec(), told.into_bytes()));
    }
    Ok(())
}
