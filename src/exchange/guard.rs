//! What all exchanges of one worker share.

use std::cell::Cell;
use std::rc::Rc;

use crate::access::{self, Permit, Scope};
use crate::config::Policy;
use crate::denial::{Denial, TokenFault};
use crate::fhir::ResourceType;
use crate::identity::{
    self, AccessToken, HostAlgorithms, HostCheck, PeerCertificate, Principal, TokenCache,
    Unverified, Verification,
};
use crate::limit::KeyPart;
use crate::request::{Credentials, Interaction, Request};
use crate::response::Redaction;

/// The policy of one worker, and the tokens it has verified under that policy.
pub struct Guard {
    policy: Rc<Policy>,
    host: HostAlgorithms,
    tokens: TokenCache,
    /// Bytes that the exchanges of this worker hold for inspection, all together.
    held: Rc<Cell<usize>>,
}

/// The most bytes that the exchanges of one worker may hold for inspection, all together. Beyond it
/// requests are refused rather than the worker's memory filled: a worker that runs out of memory
/// takes all its streams with it.
pub const MEMORY: usize = 256 << 20;

/// The part of [`MEMORY`] that request bodies may take: callers who send slowly must not keep others
/// from their answers.
const BODIES: usize = MEMORY / 2;

/// What one exchange holds of the worker's memory; given back when the exchange is gone.
#[derive(Default)]
pub(super) struct Share {
    all: Rc<Cell<usize>>,
    own: usize,
}

impl Share {
    /// Holds this many bytes of a request from now on; see [`Share::hold`].
    pub fn hold_body(&mut self, bytes: usize) -> bool {
        self.hold_below(bytes, BODIES)
    }

    /// Holds this many bytes from now on; `false`, and nothing more than before, when that is more
    /// than the worker has.
    pub fn hold(&mut self, bytes: usize) -> bool {
        self.hold_below(bytes, MEMORY)
    }

    fn hold_below(&mut self, bytes: usize, most: usize) -> bool {
        let others = self.all.get().saturating_sub(self.own);
        let all = others.saturating_add(bytes);
        if bytes > self.own && all > most {
            return false;
        }
        self.all.set(all);
        self.own = bytes;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.hold(0);
    }
}

/// What came of [`Guard::authenticate`].
pub(super) enum Caller {
    /// It is known who is calling.
    Known(Rc<Principal>),
    /// The host is to be asked about the signature of the token.
    Unproven(Box<Unproven>),
}

/// A caller of whom everything is known but whether the token's signature holds.
pub(super) struct Unproven {
    /// Under which the token is remembered when it does.
    key: [u8; 32],
    token: Unverified,
    certificate: Option<PeerCertificate>,
}

impl Unproven {
    /// What the host is asked.
    pub fn check(&self) -> &HostCheck {
        self.token.check()
    }
}

impl Guard {
    /// A guard without memories. Signatures of the algorithms in `host` are left to the host.
    pub fn new(policy: Policy, host: HostAlgorithms) -> Self {
        Guard {
            policy: Rc::new(policy),
            host,
            tokens: TokenCache::default(),
            held: Rc::default(),
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

    /// The part of the worker's memory that a new exchange may hold: nothing yet.
    pub(super) fn share(&self) -> Share {
        Share {
            all: Rc::clone(&self.held),
            own: 0,
        }
    }

    /// Establishes who is calling, or refuses; `now` is in nanoseconds since 1970.
    pub(super) fn authenticate(
        &mut self,
        credentials: &Credentials,
        certificate: Result<Option<PeerCertificate>, Denial>,
        now: u64,
    ) -> Result<Caller, Denial> {
        let Credentials::Bearer(text) = credentials else {
            return Err(Denial::CredentialsMissing);
        };
        let certificate = certificate?;
        // Before the signature, which costs: whoever shows no certificate gets no work done.
        if self.policy.certificate.required && certificate.is_none() {
            return Err(Denial::Token(TokenFault::Certificate));
        }
        let now = now / 1_000_000_000;
        let key = TokenCache::key(text);
        if let Some(token) = self.tokens.get(&key) {
            if let Err(denial) = token.check_time(now) {
                self.tokens.remove(&key);
                return Err(denial);
            }
            return self.establish(token, certificate).map(Caller::Known);
        }
        let policy = &self.policy;
        let verified = identity::verify(text, &policy.issuers, &policy.fhir.base, now, &self.host)?;
        match verified {
            Verification::Verified(token) => {
                self.remember(key, token, certificate).map(Caller::Known)
            }
            Verification::Unverified(token) => Ok(Caller::Unproven(Box::new(Unproven {
                key,
                token,
                certificate,
            }))),
        }
    }

    /// Establishes who is calling with the host's answer about the signature, `None` where there is
    /// none; or refuses.
    pub(super) fn proven(
        &mut self,
        caller: Unproven,
        answer: Option<bool>,
    ) -> Result<Rc<Principal>, Denial> {
        let token = caller.token.answered(answer)?;
        self.remember(caller.key, token, caller.certificate)
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

    fn remember(
        &mut self,
        key: [u8; 32],
        token: AccessToken,
        certificate: Option<PeerCertificate>,
    ) -> Result<Rc<Principal>, Denial> {
        let token = Rc::new(token);
        self.tokens.insert(key, Rc::clone(&token));
        self.establish(token, certificate)
    }

    fn establish(
        &self,
        token: Rc<AccessToken>,
        certificate: Option<PeerCertificate>,
    ) -> Result<Rc<Principal>, Denial> {
        Principal::establish(token, certificate, self.policy.certificate).map(Rc::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exchanges_share_one_memory_and_give_it_back() {
        let all: Rc<Cell<usize>> = Rc::default();
        let share = || Share {
            all: Rc::clone(&all),
            own: 0,
        };
        let (mut one, mut other) = (share(), share());
        assert!(one.hold_body(BODIES));
        assert!(!other.hold_body(1), "bodies have their part");
        assert!(other.hold(1), "answers have room");
        assert!(other.hold(0));
        assert!(one.hold(MEMORY - 10));
        assert!(other.hold(10), "up to the bound");
        assert!(!other.hold(11), "one more");
        assert_eq!(all.get(), MEMORY, "a refusal holds no more than before");
        assert!(one.hold(5), "less is always possible");
        assert!(other.hold(11));
        drop(one);
        assert_eq!(all.get(), 11);
        drop(other);
        assert_eq!(all.get(), 0);
    }
}
