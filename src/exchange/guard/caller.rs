//! Who is calling: from a token and its proof to a principal.

use std::rc::Rc;

use super::super::introspection::{Active, Interest, Name, Verdict};
use super::{Guard, Refusal};
use crate::denial::{Denial, DpopFault, TokenFault};
use crate::identity::{
    self, AccessToken, DpopProof, HostCheck, Noting, PeerCertificate, Presented, Principal,
    ProofVerification, ProvenKey, Standing, Suspect, TokenCache, Unverified, UnverifiedProof,
    Verification, is_opaque,
};
use crate::request::{Credentials, RequestHead};

const SECOND: u64 = 1_000_000_000;

/// What is known of a caller.
pub(in crate::exchange) enum Caller {
    /// It is known who is calling.
    Known(Rc<Principal>),
    /// The host is to be asked about a signature: of the token, or of the proof.
    Unproven(Box<Unproven>),
    /// The proof is to be noted as used.
    Unnoted(Box<Unnoted>),
}

/// What is to be known before it can be said who is calling.
pub(in crate::exchange) enum Authentication {
    /// Enough is known to go on.
    Caller(Caller),
    /// Another server is to be asked first; the certificate that the caller came with.
    Waits(Need, Option<PeerCertificate>),
}

/// What a request waits for.
#[derive(Clone, Debug)]
pub(in crate::exchange) enum Need {
    /// A document; there is something new where the epoch is another than this.
    Document(u64),
    /// What the issuer says of a token.
    Introspection(Interest),
}

/// What is known of what the issuer's server says.
enum Introspected {
    Said(Active),
    Waits(Need),
}

/// A caller of whom a signature is not verified yet.
pub(in crate::exchange) struct Unproven {
    question: Question,
    certificate: Option<PeerCertificate>,
}

/// Whose signature.
enum Question {
    Token {
        /// Under which the token is remembered when it holds.
        key: [u8; 32],
        token: Box<Unverified>,
    },
    Proof {
        token: Rc<AccessToken>,
        proof: Box<UnverifiedProof>,
    },
}

/// A caller of whom everything is known but whether the proof was used before.
pub(in crate::exchange) struct Unnoted {
    token: Rc<AccessToken>,
    certificate: Option<PeerCertificate>,
    noting: Noting,
}

impl Unproven {
    /// What the host is asked.
    pub(in crate::exchange) fn check(&self) -> &HostCheck {
        match &self.question {
            Question::Token { token, .. } => token.check(),
            Question::Proof { proof, .. } => proof.check(),
        }
    }
}

impl Unnoted {
    /// The work on shared data.
    pub(in crate::exchange) fn noting(&mut self) -> &mut Noting {
        &mut self.noting
    }
}

impl Guard {
    /// The token, where there is one of a scheme that is accepted.
    ///
    /// # Errors
    /// There is none.
    pub(in crate::exchange) fn token<'a>(
        &self,
        credentials: &'a Credentials,
    ) -> Result<&'a str, Denial> {
        match credentials {
            Credentials::Bearer(text) => Ok(text),
            Credentials::Dpop { token, .. } if self.dpop_algorithms.is_some() => Ok(token),
            Credentials::Dpop { .. } | Credentials::Missing => Err(Denial::CredentialsMissing),
        }
    }

    /// Establishes who is calling, or refuses; `came` is when the request came and `now` the time, in
    /// nanoseconds since 1970.
    pub(in crate::exchange) fn authenticate(
        &mut self,
        head: &RequestHead,
        certificate: Option<PeerCertificate>,
        came: u64,
        now: u64,
    ) -> Result<Authentication, Refusal> {
        let text = self.token(&head.credentials)?;
        // Before the signature, which costs: whoever shows no certificate gets no work done.
        if self.policy.certificate.required && certificate.is_none() {
            return Err(Denial::Token(TokenFault::Certificate).into());
        }
        let seconds = now / SECOND;
        let key = TokenCache::key(text);
        if is_opaque(text)
            && let Some(issuer) = self.opaque
        {
            self.check_scheme(issuer, head)?;
            return match self.introspect(issuer, key, text, now)? {
                Introspected::Waits(need) => Ok(Authentication::Waits(need, certificate)),
                Introspected::Said(Some(token)) => {
                    token.check_time(seconds)?;
                    let found = self.admit(&token, certificate, head, now);
                    found.map_err(|denial| Refusal::of(&token, denial))
                }
                Introspected::Said(None) => Err(Denial::Token(TokenFault::Inactive).into()),
            };
        }
        if let Some(token) = self.tokens.get(&key) {
            if let Err(denial) = token.check_time(seconds) {
                self.tokens.remove(&key);
                return Err(denial.into());
            }
            match self.documents.keys().standing(&token, seconds) {
                Standing::Good => return self.confirm(&token, key, certificate, head, now),
                Standing::Retired => self.tokens.remove(&key),
                Standing::NoKeys => {}
            }
        }
        let (policy, keys) = (&self.policy, self.documents.keys());
        let (issuers, base) = (&policy.issuers, &policy.fhir.base);
        match identity::verify(text, issuers, keys, base, seconds, &self.host)? {
            Verification::Keyless(missing) => {
                let until = came.saturating_add(self.policy.waiting.time);
                self.documents.need(&missing, came, until, now)?;
                Ok(self.waits_for_document(certificate))
            }
            Verification::Verified(token) => {
                let token = self.remember(key, token);
                self.confirm(&token, key, certificate, head, now)
            }
            Verification::Unverified(token) => {
                let question = Question::Token {
                    key,
                    token: Box::new(token),
                };
                let caller = Caller::Unproven(Box::new(Unproven {
                    question,
                    certificate,
                }));
                Ok(Authentication::Caller(caller))
            }
        }
    }

    /// Goes on with the host's answer about the signature, `None` where there is none; or refuses.
    pub(in crate::exchange) fn proven(
        &mut self,
        caller: Unproven,
        answer: Option<bool>,
        head: &RequestHead,
        now: u64,
    ) -> Result<Authentication, Refusal> {
        let certificate = caller.certificate;
        match caller.question {
            Question::Token { key, token } => {
                let token = self.remember(key, token.answered(answer)?);
                self.confirm(&token, key, certificate, head, now)
            }
            Question::Proof { token, proof } => {
                let caller = proof
                    .answered(answer)
                    .and_then(|proof| self.unnoted(&token, certificate, proof, now / SECOND))
                    .map_err(|denial| Refusal::of(&token, denial))?;
                Ok(Authentication::Caller(caller))
            }
        }
    }

    /// Establishes who is calling, once it is known whether the proof is fresh, and gives the nonce to
    /// use from now on; or refuses. `now` is in nanoseconds since 1970.
    pub(in crate::exchange) fn noted(
        &self,
        caller: Unnoted,
        outcome: Result<ProvenKey, DpopFault>,
        now: u64,
    ) -> Result<(Rc<Principal>, Option<String>), Refusal> {
        let token = caller.token;
        let key = outcome.map_err(|fault| self.refuse_proof(&token, fault, now))?;
        let principal = self
            .establish(Rc::clone(&token), caller.certificate, Some(&key))
            .map_err(|denial| Refusal::of(&token, denial))?;
        Ok((principal, key.next_nonce().map(str::to_owned)))
    }

    /// The refusal of a proof that is not known to be fresh. One that was used before tells that token and
    /// proof are in two hands, or that a client repeats itself: where the operator wrote so, the token is
    /// shut out. Nobody gets here without the token, a proof of its key for this very request, and the
    /// certificate that both need.
    fn refuse_proof(&self, token: &Rc<AccessToken>, fault: DpopFault, now: u64) -> Refusal {
        let mut refusal = Refusal::of(token, Denial::Dpop(fault));
        if fault == DpopFault::Replay
            && let Some(seconds) = self.policy.dpop.quarantine
        {
            let shown = token.shown(None);
            let suspect = Suspect::Token(shown.token_id, shown.issuer);
            refusal.quarantine = Some(Box::new(self.quarantine(suspect, seconds, now)));
        }
        refusal
    }

    fn remember(&mut self, key: [u8; 32], token: AccessToken) -> Rc<AccessToken> {
        let token = Rc::new(token);
        self.tokens.insert(key, Rc::clone(&token));
        token
    }

    fn waits_for_document(&self, certificate: Option<PeerCertificate>) -> Authentication {
        Authentication::Waits(Need::Document(self.epoch()), certificate)
    }

    /// What the issuer's server says of a token, or that it is being asked. `now` in nanoseconds since 1970.
    fn introspect(
        &mut self,
        issuer: usize,
        name: Name,
        token: &str,
        now: u64,
    ) -> Result<Introspected, Denial> {
        match self.introspections.judge(&name, now) {
            Some(Verdict::Active(token)) => Ok(Introspected::Said(token)),
            Some(Verdict::Inactive(denial)) => Err(denial),
            Some(Verdict::Failed) => Err(Denial::Unavailable("introspection")),
            None => {
                let policy = &self.policy;
                let interest = self.introspections.ask(policy, issuer, name, token, now)?;
                Ok(Introspected::Waits(Need::Introspection(interest)))
            }
        }
    }

    /// Goes on with a verified token. From here on a refusal says whose it was.
    fn confirm(
        &mut self,
        token: &Rc<AccessToken>,
        name: Name,
        certificate: Option<PeerCertificate>,
        head: &RequestHead,
        now: u64,
    ) -> Result<Authentication, Refusal> {
        let found = self.confirm_active(token, name, certificate, head, now);
        found.map_err(|denial| Refusal::of(token, denial))
    }

    /// Goes on once the issuer says that the token is still active, where that is asked.
    fn confirm_active(
        &mut self,
        token: &Rc<AccessToken>,
        name: Name,
        certificate: Option<PeerCertificate>,
        head: &RequestHead,
        now: u64,
    ) -> Result<Authentication, Denial> {
        let issuer = token.issuer_index();
        let introspection = self.policy.issuers.get(issuer);
        let introspection = introspection.and_then(|issuer| issuer.introspection.as_ref());
        if introspection.is_some_and(|introspection| introspection.jwt) {
            self.check_scheme(issuer, head)?;
            let text = self.token(&head.credentials)?;
            if let Introspected::Waits(need) = self.introspect(issuer, name, text, now)? {
                return Ok(Authentication::Waits(need, certificate));
            }
        }
        self.admit(token, certificate, head, now)
    }

    /// Nobody is asked about a token that comes under a scheme which its issuer does not have, or without
    /// the proof that the scheme takes.
    fn check_scheme(&self, issuer: usize, head: &RequestHead) -> Result<(), Denial> {
        let Credentials::Dpop { proof, .. } = &head.credentials else {
            return Ok(());
        };
        let policy = self.policy.issuers.get(issuer);
        if !policy.is_some_and(|policy| policy.proof.accepts_dpop()) {
            return Err(Denial::CredentialsMissing);
        }
        match proof {
            Ok(_) => Ok(()),
            Err(fault) => Err(Denial::Dpop(*fault)),
        }
    }

    /// Goes on with a token that holds, once it can be known whether it was taken back. Only now: tokens
    /// that do not hold must not wait for that.
    fn admit(
        &mut self,
        token: &Rc<AccessToken>,
        certificate: Option<PeerCertificate>,
        head: &RequestHead,
        now: u64,
    ) -> Result<Authentication, Denial> {
        if !self.documents.lists(now)? {
            return Ok(self.waits_for_document(certificate));
        }
        let caller = self.prove(token, certificate, head, now / SECOND)?;
        Ok(Authentication::Caller(caller))
    }

    /// From a verified token to who is calling, or to what must be known before: with the scheme DPoP
    /// whether the proof holds. `now` is in seconds since 1970.
    fn prove(
        &self,
        token: &Rc<AccessToken>,
        certificate: Option<PeerCertificate>,
        head: &RequestHead,
        now: u64,
    ) -> Result<Caller, Denial> {
        if self.documents.revokes(token, certificate.as_ref(), now) {
            return Err(Denial::Token(TokenFault::Revoked));
        }
        if self.shuts_out(token, certificate.as_ref(), now) {
            return Err(Denial::Token(TokenFault::Quarantined));
        }
        let Credentials::Dpop { token: text, proof } = &head.credentials else {
            let principal = self.establish(Rc::clone(token), certificate, None)?;
            return Ok(Caller::Known(principal));
        };
        if !token.accepts_dpop() {
            return Err(Denial::CredentialsMissing);
        }
        let key = token
            .bound_key()
            .ok_or(Denial::Token(TokenFault::Binding))?;
        let proof = proof.as_ref().map_err(|fault| Denial::Dpop(*fault))?;
        let presented = Presented {
            method: head.method.name(),
            base: &self.policy.fhir.base,
            path: &head.path,
            token: text,
            key,
        };
        match DpopProof::verify(proof, &presented, &self.policy.dpop, now, &self.host)? {
            ProofVerification::Verified(proof) => self.unnoted(token, certificate, proof, now),
            ProofVerification::Unverified(proof) => Ok(Caller::Unproven(Box::new(Unproven {
                question: Question::Proof {
                    token: Rc::clone(token),
                    proof: Box::new(proof),
                },
                certificate,
            }))),
        }
    }

    /// Nobody uses up a proof who could not come in with it.
    fn unnoted(
        &self,
        token: &Rc<AccessToken>,
        certificate: Option<PeerCertificate>,
        proof: DpopProof,
        now: u64,
    ) -> Result<Caller, Denial> {
        if !token.admits(certificate.as_ref()) {
            return Err(Denial::Token(TokenFault::Binding));
        }
        let shown = token.shown(None);
        let rules = &self.policy.certificate_rules;
        rules.permit(shown.issuer, shown.client, certificate.as_ref())?;
        Ok(Caller::Unnoted(Box::new(Unnoted {
            token: Rc::clone(token),
            certificate,
            noting: Noting::new(proof, &self.policy.dpop, now),
        })))
    }

    fn establish(
        &self,
        token: Rc<AccessToken>,
        certificate: Option<PeerCertificate>,
        key: Option<&ProvenKey>,
    ) -> Result<Rc<Principal>, Denial> {
        let policy = &self.policy;
        let principal = Principal::establish(token, certificate, key, policy.certificate)?;
        policy.certificate_rules.permit(
            principal.issuer(),
            principal.client(),
            principal.certificate(),
        )?;
        Ok(Rc::new(principal))
    }
}
