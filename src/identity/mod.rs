//! From a certificate and a token to a principal.
//!
//! An [`AccessToken`] exists only after its signature and claims were verified; a [`Principal`]
//! exists only after the token was found bound to the caller's certificate (that of this very
//! connection, or the one that a trusted hop at its other end tells of), or to the key of a
//! [`DpopProof`] for this very request that was never used before. Where the host verifies
//! signatures, an [`Unverified`] token or an [`UnverifiedProof`] waits for its answer in between.

mod cache;
mod certificate;
mod claims;
mod confirmation;
mod dpop;
mod generations;
mod introspection;
mod jose;
mod keys;
mod known_answers;
mod mac;
mod nonce;
mod principal;
mod quarantine;
mod replay;
mod revocation;
mod ring;
mod scope;
mod seal;
mod signature;
#[cfg(test)]
mod tests;
mod token;
mod told;
mod uri;

use std::rc::Rc;

pub use cache::TokenCache;
pub use certificate::{
    CertificateCache, CertificateMatch, CertificateNeeds, CertificatePolicy, CertificateRules,
    CertificateSource, ClientCertificates, ConnectionAttributes, Element, ForwardedPart,
    MAX_CERTIFICATE, MAX_FORWARDED, PeerCertificate, UnlistedClients, ValidatedBy, elements,
    is_distinguished_name, san_dns, san_uri,
};
pub use claims::{ClaimPointers, Login, MalformedScopes, Pointer, ScopePrefix, ScopeSeparator};
pub use dpop::{
    DpopPolicy, DpopProof, Presented, ProofVerification, ProvenKey, UnverifiedProof, thumbprint,
};
pub use generations::Generations;
pub use introspection::{About, Active, Introspection, is_opaque};
pub use keys::{Algorithm, KeyMark, KeyMistake, KeySet, Undecided, Verdict};
pub use known_answers::{HostAlgorithms, KnownAnswer, known_answers};
pub use mac::MacKey;
pub use nonce::NonceKey;
pub use principal::{BINDINGS, Principal};
pub use quarantine::{QUARANTINED, Quarantine, QuarantineAdd, QuarantineLook, Suspect};
pub use replay::{MAX_SKEW as MAX_PROOF_SKEW, Noting};
pub use revocation::{Revocations, SIZE as REVOCATIONS, Shown};
pub use ring::{KeyRing, Standing};
pub use scope::{
    Letter, Level, MAX_SCOPE_VALUES, MAX_SCOPES, Scope, ScopeParameter, Scopes, TokenValue,
};
pub use seal::Sealed;
pub use signature::HostCheck;
pub use token::{AccessToken, MAX_TOKEN, MissingKey, Unverified, Verification, verify};
pub use told::{Fact, MAX_TOLD, Told};

use crate::remote::Source;

/// How tokens of one issuer are judged.
#[derive(Clone, Debug)]
pub struct IssuerPolicy {
    /// `iss`, compared exactly.
    pub issuer: String,
    /// The operator's name for whom this issuer serves.
    pub tenant: Option<String>,
    /// `aud` must name one of these. Never empty.
    pub audiences: Vec<String>,
    /// The clients whose tokens are taken; `None` where the operator named none, so that every client
    /// of this issuer is.
    pub clients: Option<Vec<String>>,
    /// The algorithms allowed. Never empty.
    pub algorithms: Vec<Algorithm>,
    /// Where the issuer's public keys come from.
    pub keys: KeySource,
    /// The `typ` values of an access token, lower case, without `application/` (RFC 9068: `at+jwt`).
    pub types: Vec<String>,
    /// What ties a token to its caller.
    pub proof: Proof,
    /// How far the issuer's clock may be off, in seconds.
    pub clock_skew: u64,
    /// Where the claims are.
    pub claims: ClaimPointers,
    /// Where the issuer is asked about its tokens; `None` where it is not.
    pub introspection: Option<Introspection>,
}

/// Where an issuer's public keys come from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// The configuration.
    Inline(Rc<KeySet>),
    /// Another server.
    Fetched(Source),
}

impl KeySource {
    /// Whether the keys come from another server.
    pub fn is_fetched(&self) -> bool {
        matches!(self, KeySource::Fetched(_))
    }
}

/// What ties a token to its caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Proof {
    /// RFC 8705: `cnf.x5t#S256` is the thumbprint of the connection's client certificate.
    Certificate,
    /// RFC 9449: `cnf.jkt` is the thumbprint of the key that has signed the request's proof.
    Dpop,
    /// Either of the two. As always, a token that has both confirmations must satisfy both.
    Either,
    /// Nothing: whoever holds the token is taken for its owner. Only where an operator wrote it out.
    /// A token that does carry a confirmation is held to it all the same.
    None,
}

impl Proof {
    /// Whether DPoP is one of the proofs.
    pub fn accepts_dpop(self) -> bool {
        matches!(self, Proof::Dpop | Proof::Either)
    }

    /// Whether the certificate is one of the proofs.
    pub fn accepts_certificate(self) -> bool {
        matches!(self, Proof::Certificate | Proof::Either)
    }
}
