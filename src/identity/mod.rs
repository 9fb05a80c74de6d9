//! From a certificate and a token to a principal.
//!
//! An [`AccessToken`] exists only after its signature and claims were verified; a [`Principal`]
//! exists only after the token was found bound to the certificate of this very connection. Where the
//! host verifies signatures, an [`Unverified`] token waits for its answer in between.

mod cache;
mod certificate;
mod claims;
mod keys;
mod known_answers;
mod principal;
mod signature;
#[cfg(test)]
mod tests;
mod token;

use std::rc::Rc;

pub use cache::TokenCache;
pub use certificate::{CertificatePolicy, ConnectionAttributes, PeerCertificate, ValidatedBy};
pub use claims::{ClaimPointers, Pointer};
pub use keys::{Algorithm, KeyMistake, KeySet, Undecided, Verdict};
pub use known_answers::{HostAlgorithms, KnownAnswer, known_answers};
pub use principal::Principal;
pub use signature::HostCheck;
pub use token::{AccessToken, MAX_TOKEN, Unverified, Verification, verify};

/// How tokens of one issuer are judged.
#[derive(Clone, Debug)]
pub struct IssuerPolicy {
    /// `iss`, compared exactly.
    pub issuer: String,
    /// The operator's name for whom this issuer serves.
    pub tenant: Option<String>,
    /// `aud` must name one of these. Never empty.
    pub audiences: Vec<String>,
    /// The algorithms allowed. Never empty.
    pub algorithms: Vec<Algorithm>,
    /// The issuer's public keys.
    pub keys: Rc<KeySet>,
    /// The `typ` values of an access token, lower case, without `application/` (RFC 9068: `at+jwt`).
    pub types: Vec<String>,
    /// What ties a token to its caller.
    pub proof: Proof,
    /// How far the issuer's clock may be off, in seconds.
    pub clock_skew: u64,
    /// Where the claims are.
    pub claims: ClaimPointers,
}

/// What ties a token to its caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Proof {
    /// RFC 8705: `cnf.x5t#S256` is the thumbprint of the connection's client certificate.
    Certificate,
    /// Nothing: whoever holds the token is taken for its owner. Only where an operator wrote it out.
    /// A token that does carry a confirmation is held to it all the same.
    None,
}
