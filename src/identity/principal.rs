//! Who is calling.

use std::rc::Rc;

use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use super::{AccessToken, CertificatePolicy, Login, PeerCertificate, Proof, ProvenKey, Scopes};
use crate::denial::{Denial, TokenFault};

/// What a token can be bound to: a certificate (RFC 8705), a key (RFC 9449).
pub const BINDINGS: [&str; 2] = ["certificate", "dpop"];

/// A caller whose token is verified and, unless the operator wrote otherwise, bound to the
/// certificate of this connection, or to a key of which the caller has just shown a proof.
#[derive(Clone, Debug)]
pub struct Principal {
    token: Rc<AccessToken>,
    certificate: Option<PeerCertificate>,
}

impl Principal {
    /// Establishes who is calling, or refuses: no `cnf`, no entry (RFC 8705 section 3). Every
    /// confirmation that the token has must be satisfied, and one of them be a proof that its issuer's
    /// tokens are taken with. `key` is there where the caller came with the scheme DPoP, and only then.
    pub fn establish(
        token: Rc<AccessToken>,
        certificate: Option<PeerCertificate>,
        key: Option<&ProvenKey>,
        policy: CertificatePolicy,
    ) -> Result<Self, Denial> {
        if policy.required && certificate.is_none() {
            return Err(Denial::Token(TokenFault::Certificate));
        }
        let confirmation = &token.confirmation;
        let by_certificate = token.admits(certificate.as_ref());
        let by_key = match (&confirmation.key, key) {
            (Some(expected), Some(found)) => bool::from(expected.ct_eq(found.thumbprint())),
            // A token of one scheme under the other (RFC 9449 sections 7.1 and 7.2).
            (expected, found) => expected.is_none() && found.is_none(),
        };
        let proven = match token.proof {
            Proof::None => true,
            proof => {
                (proof.accepts_certificate() && confirmation.certificate.is_some())
                    || (proof.accepts_dpop() && confirmation.key.is_some())
            }
        };
        if by_certificate && by_key && proven {
            Ok(Principal { token, certificate })
        } else {
            Err(Denial::Token(TokenFault::Binding))
        }
    }

    /// The token.
    pub fn token(&self) -> &AccessToken {
        &self.token
    }

    /// The issuer of the token.
    pub fn issuer(&self) -> &str {
        &self.token.issuer
    }

    /// The operator's name for whom the issuer serves.
    pub fn tenant(&self) -> Option<&str> {
        self.token.tenant()
    }

    /// `sub`.
    pub fn subject(&self) -> &str {
        &self.token.subject
    }

    /// The OAuth client.
    pub fn client(&self) -> &str {
        &self.token.client
    }

    /// The id of the patient in context.
    pub fn patient(&self) -> Option<&str> {
        self.token.patient.as_deref()
    }

    /// The id of the encounter in context.
    pub fn encounter(&self) -> Option<&str> {
        self.token.encounter.as_deref()
    }

    /// The user as `Type/id`.
    pub fn user(&self) -> Option<&str> {
        self.token.user()
    }

    /// The scopes.
    pub fn scopes(&self) -> &Scopes {
        &self.token.scopes
    }

    /// The caller's roles.
    pub fn roles(&self) -> &[String] {
        self.token.roles()
    }

    /// Why the data is asked for.
    pub fn purposes(&self) -> &[String] {
        self.token.purposes()
    }

    /// When and how the user logged in.
    pub fn login(&self) -> &Login {
        &self.token.login
    }

    /// What the token is bound to, of [`BINDINGS`].
    pub fn bindings(&self) -> &'static [&'static str] {
        let confirmation = &self.token.confirmation;
        match (confirmation.certificate, confirmation.key) {
            (Some(_), Some(_)) => &BINDINGS,
            (Some(_), None) => &["certificate"],
            (None, Some(_)) => &["dpop"],
            (None, None) => &[],
        }
    }

    /// All claims, where the issuer's policy says that they are kept.
    pub fn claims(&self) -> Option<&Map<String, Value>> {
        self.token.claims.as_deref()
    }

    /// The certificate that the connection was made with.
    pub fn certificate(&self) -> Option<&PeerCertificate> {
        self.certificate.as_ref()
    }
}
