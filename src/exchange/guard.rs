//! What all exchanges of one worker share.

use std::rc::Rc;

use crate::access::{self, Permit, Scope};
use crate::config::Policy;
use crate::denial::Denial;
use crate::fhir::ResourceType;
use crate::identity::{self, AccessToken, PeerCertificate, Principal, TokenCache};
use crate::limit::KeyPart;
use crate::request::{Credentials, Interaction, Request};
use crate::response::Redaction;

/// The policy of one worker, and the tokens it has verified under that policy.
pub struct Guard {
    policy: Rc<Policy>,
    tokens: TokenCache,
}

impl Guard {
    /// A guard without memories.
    pub fn new(policy: Policy) -> Self {
        Guard {
            policy: Rc::new(policy),
            tokens: TokenCache::default(),
        }
    }

    /// The operator's policy.
    pub fn policy(&self) -> &Rc<Policy> {
        &self.policy
    }

    /// Whether any limit counts by the caller's address: otherwise nobody needs to ask for it.
    pub fn counts_addresses(&self) -> bool {
        let keys = self.policy.limits.iter().flat_map(|limit| &limit.key);
        keys.into_iter().any(|part| *part == KeyPart::Address)
    }

    /// Establishes who is calling, or refuses; `now` is in nanoseconds since 1970.
    pub(super) fn authenticate(
        &mut self,
        credentials: &Credentials,
        certificate: Result<Option<PeerCertificate>, Denial>,
        now: u64,
    ) -> Result<Rc<Principal>, Denial> {
        let Credentials::Bearer(text) = credentials else {
            return Err(Denial::CredentialsMissing);
        };
        let certificate = certificate?;
        let token = self.token(text, now / 1_000_000_000)?;
        Principal::establish(token, certificate, self.policy.certificate).map(Rc::new)
    }

    /// Permits a request, or refuses it.
    pub(super) fn authorize(
        &self,
        principal: &Rc<Principal>,
        request: &Request,
    ) -> Result<Permit, Denial> {
        let hidden = |permit: &Permit, resource_type: ResourceType, element: &str| {
            self.active(permit)
                .any(|rule| rule.resource_type == resource_type && rule.reveals(element))
        };
        let forbidden = self.policy.response.absent_is_forbidden;
        let permit = access::authorize(principal, request, forbidden, &hidden)?;
        if let Interaction::Update { resource_type, .. }
        | Interaction::Patch { resource_type, .. } = &request.interaction
        {
            // Whoever sees a part can only write back that part, and the rest would be gone; and a
            // patch can move what is hidden to where it shows.
            if self
                .active(&permit)
                .any(|rule| rule.resource_type == *resource_type)
            {
                return Err(Denial::NotSupported("update-of-redacted"));
            }
        }
        Ok(permit)
    }

    /// The redactions that this caller is not spared.
    pub(super) fn active<'a>(
        &'a self,
        permit: &'a Permit,
    ) -> impl Iterator<Item = &'a Rc<Redaction>> {
        let spared = |scope: &Scope| permit.holds_scope(scope);
        self.policy
            .redactions
            .iter()
            .filter(move |rule| !rule.unless.as_ref().is_some_and(spared))
            .map(|rule| &rule.redaction)
    }

    /// Whether any redaction applies to what this caller reads. Which one, and to which of the
    /// types that a resource may contain, is known only where a resource is at hand.
    pub(super) fn hides_from(&self, permit: &Permit) -> bool {
        self.active(permit).next().is_some()
    }

    fn token(&mut self, text: &str, now: u64) -> Result<Rc<AccessToken>, Denial> {
        let key = TokenCache::key(text);
        if let Some(token) = self.tokens.get(&key) {
            if let Err(denial) = token.check_time(now) {
                self.tokens.remove(&key);
                return Err(denial);
            }
            return Ok(token);
        }
        let token = Rc::new(identity::verify(
            text,
            &self.policy.issuers,
            &self.policy.fhir.base,
            now,
        )?);
        self.tokens.insert(key, Rc::clone(&token));
        Ok(token)
    }
}
