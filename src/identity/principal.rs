//! Who is calling.

use std::rc::Rc;

use subtle::ConstantTimeEq as _;

use super::{AccessToken, CertificatePolicy, PeerCertificate, Proof};
use crate::denial::{Denial, TokenFault};

/// A caller whose token is verified and, unless the operator wrote otherwise, bound to the
/// certificate of this connection.
#[derive(Clone, Debug)]
pub struct Principal {
    token: Rc<AccessToken>,
    certificate: Option<PeerCertificate>,
}

impl Principal {
    /// Establishes who is calling, or refuses: no `cnf`, no entry (RFC 8705 section 3).
    pub fn establish(
        token: Rc<AccessToken>,
        certificate: Option<PeerCertificate>,
        policy: CertificatePolicy,
    ) -> Result<Self, Denial> {
        if policy.required && certificate.is_none() {
            return Err(Denial::Token(TokenFault::Certificate));
        }
        let bound = match (&token.confirmation, &certificate) {
            (Some(expected), Some(certificate)) => {
                bool::from(expected.ct_eq(certificate.thumbprint()))
            }
            (Some(_), None) => false,
            (None, _) => token.proof == Proof::None,
        };
        if bound {
            Ok(Principal { token, certificate })
        } else {
            Err(Denial::Token(TokenFault::Binding))
        }
    }

    /// The issuer of the token.
    pub fn issuer(&self) -> &str {
        &self.token.issuer
    }

    /// The operator's name for whom the issuer serves.
    pub fn tenant(&self) -> Option<&str> {
        self.token.tenant.as_deref()
    }

    /// `sub`.
    pub fn subject(&self) -> &str {
        &self.token.subject
    }

    /// The OAuth client.
    pub fn client(&self) -> &str {
        &self.token.client
    }

    /// The id of the token.
    pub fn token_id(&self) -> &str {
        &self.token.token_id
    }

    /// The id of the patient in context.
    pub fn patient(&self) -> Option<&str> {
        self.token.patient.as_deref()
    }

    /// The user as `Type/id`.
    pub fn user(&self) -> Option<&str> {
        self.token.user.as_deref()
    }

    /// The scopes as they stand in the token.
    pub fn scopes(&self) -> &[String] {
        &self.token.scopes
    }

    /// The certificate that the connection was made with.
    pub fn certificate(&self) -> Option<&PeerCertificate> {
        self.certificate.as_ref()
    }
}
