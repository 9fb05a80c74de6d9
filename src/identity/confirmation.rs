//! What a token says its holder must hold (RFC 7800).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::Proof;
use crate::denial::{Denial, TokenFault};

/// `cnf` (RFC 7800): what the caller must hold.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Confirmation {
    /// `x5t#S256` (RFC 8705 section 3.1).
    pub certificate: Option<[u8; 32]>,
    /// `jkt` (RFC 9449 section 6.1).
    pub key: Option<[u8; 32]>,
}

impl Confirmation {
    /// Reads the claim. Every method that is named must be satisfied; one that is not understood here
    /// refuses the token, and so does one that nobody can satisfy, because the issuer's proofs do not have
    /// it.
    pub fn read(claim: Option<&Value>, proof: Proof) -> Result<Confirmation, Denial> {
        let binding = Denial::Token(TokenFault::Binding);
        let mut confirmation = Confirmation::default();
        let Some(claim) = claim else {
            return Ok(confirmation);
        };
        let members = claim.as_object().ok_or(binding.clone())?;
        for (name, value) in members {
            let thumbprint = Some(thumbprint(value).ok_or(binding.clone())?);
            match name.as_str() {
                "x5t#S256" => confirmation.certificate = thumbprint,
                "jkt" if proof.accepts_dpop() => confirmation.key = thumbprint,
                _ => return Err(binding),
            }
        }
        match members.is_empty() {
            true => Err(binding),
            false => Ok(confirmation),
        }
    }
}

/// A SHA-256 in base64url.
fn thumbprint(value: &Value) -> Option<[u8; 32]> {
    let bytes = URL_SAFE_NO_PAD.decode(value.as_str()?).ok()?;
    <[u8; 32]>::try_from(bytes).ok()
}
