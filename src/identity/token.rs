//! Access tokens: compact JWS with JSON claims (RFC 7519, RFC 9068, RFC 8725).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::{
    Algorithm, HostAlgorithms, HostCheck, IssuerPolicy, Proof, Undecided, Verdict, claims,
};
use crate::denial::{Denial, TokenFault};
use crate::json;
use crate::request::BaseUrl;

/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN: usize = 8 * 1024;

/// A token whose signature and claims hold. Whether its caller may use it is another question: see
/// [`super::Principal`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AccessToken {
    pub(super) issuer: String,
    pub(super) tenant: Option<String>,
    pub(super) proof: Proof,
    pub(super) subject: String,
    pub(super) client: String,
    pub(super) token_id: String,
    pub(super) patient: Option<String>,
    pub(super) user: Option<String>,
    pub(super) scopes: Vec<String>,
    /// `cnf.x5t#S256`.
    pub(super) confirmation: Option<[u8; 32]>,
    valid_from: u64,
    valid_until: u64,
}

impl AccessToken {
    /// Whether the token's time has come and not gone; `now` in seconds since 1970. The issuer's
    /// clock skew is in the bounds already.
    pub fn check_time(&self, now: u64) -> Result<(), Denial> {
        if now < self.valid_from {
            return fault(TokenFault::NotYet);
        }
        if now >= self.valid_until {
            return fault(TokenFault::Expired);
        }
        Ok(())
    }
}

/// What came of [`verify`].
#[derive(Debug)]
pub enum Verification {
    /// The token holds.
    Verified(AccessToken),
    /// Everything holds but the signature, about which the host is to be asked.
    Unverified(Unverified),
}

/// A token whose claims hold, and whose signature the host has not been asked about yet.
#[derive(Debug)]
pub struct Unverified {
    claims: Unsigned,
    signature: Undecided,
}

/// A token whose claims hold, and of whose signature nothing is known.
#[derive(Debug)]
struct Unsigned(AccessToken);

impl Verification {
    /// The token without a host that could be asked: see [`Unverified::answered`].
    pub fn unaided(self) -> Result<AccessToken, Denial> {
        match self {
            Verification::Verified(token) => Ok(token),
            Verification::Unverified(token) => token.answered(None),
        }
    }
}

impl Unverified {
    /// What the host is asked.
    pub fn check(&self) -> &HostCheck {
        self.signature.check()
    }

    /// The token, if the host says that its signature holds. Without an answer (`None`) our own code
    /// decides.
    pub fn answered(self, answer: Option<bool>) -> Result<AccessToken, Denial> {
        match self.signature.answered(answer) {
            true => Ok(self.claims.0),
            false => fault(TokenFault::Signature),
        }
    }
}

/// Verifies a token that was never seen before. Cheap checks come first: a token that cannot hold
/// costs no signature. `now` is in seconds since 1970; signatures of the algorithms in `host` are left
/// to the host.
pub fn verify(
    token: &str,
    issuers: &[IssuerPolicy],
    base: &BaseUrl,
    now: u64,
    host: &HostAlgorithms,
) -> Result<Verification, Denial> {
    if token.len() > MAX_TOKEN {
        return fault(TokenFault::Size);
    }
    let malformed = Denial::Token(TokenFault::Malformed);
    let (signed, signature) = token.rsplit_once('.').ok_or(malformed.clone())?;
    // A dot more would be in the payload, where base64url has none.
    let (header, payload) = signed.split_once('.').ok_or(malformed)?;
    let header = object(header)?;
    let claims = object(payload)?;
    let issuer = issuer(&claims, issuers)?;
    let algorithm = check_header(&header, issuer)?;
    let claims = read_claims(claims, issuer, base)?;
    claims.0.check_time(now)?;
    let key_id = header.get("kid").and_then(Value::as_str);
    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_| Denial::Token(TokenFault::Signature))?;
    let keys = &issuer.keys;
    match keys.verify(algorithm, key_id, signed.as_bytes(), &signature, host) {
        Verdict::Holds => Ok(Verification::Verified(claims.0)),
        Verdict::Undecided(signature) => {
            Ok(Verification::Unverified(Unverified { claims, signature }))
        }
        Verdict::Wrong => fault(TokenFault::Signature),
        Verdict::NoKey => fault(TokenFault::Key),
        Verdict::WrongAlgorithm => fault(TokenFault::Algorithm),
    }
}

/// Header members that would let the token choose its own key, or that change what is signed
/// (RFC 7515 section 4.1, RFC 7797): a token that has one is refused, whatever it says.
const FORBIDDEN_HEADER: [&str; 9] = [
    "b64", "crit", "enc", "jku", "jwk", "salt", "x5c", "x5u", "zip",
];

/// Header members that are text, where they are (RFC 7515 section 4.1).
const TEXT_HEADER: [&str; 4] = ["cty", "kid", "x5t", "x5t#S256"];

/// Claims of ID tokens (OpenID Connect Core 1.0): an ID token is not for an API.
const ID_TOKEN_CLAIMS: [&str; 3] = ["at_hash", "c_hash", "nonce"];

/// Times beyond this (the year 2106) are rubbish.
const MAX_TIME: f64 = 4_294_967_295.0;

fn fault<T>(fault: TokenFault) -> Result<T, Denial> {
    Err(Denial::Token(fault))
}

/// One part of the token: strict base64url without padding or stray bits, holding one JSON object
/// without doubled names.
fn object(part: &str) -> Result<Map<String, Value>, Denial> {
    let malformed = Denial::Token(TokenFault::Malformed);
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| malformed.clone())?;
    json::Document::parse(&bytes, &json::Limits::default()).map_err(|_| malformed.clone())?;
    serde_json::from_slice(&bytes).map_err(|_| malformed)
}

fn issuer<'a>(
    claims: &Map<String, Value>,
    issuers: &'a [IssuerPolicy],
) -> Result<&'a IssuerPolicy, Denial> {
    let name = claims
        .get("iss")
        .and_then(Value::as_str)
        .ok_or(Denial::Token(TokenFault::Issuer))?;
    issuers
        .iter()
        .find(|issuer| issuer.issuer == name)
        .ok_or(Denial::Token(TokenFault::Issuer))
}

fn check_header(header: &Map<String, Value>, issuer: &IssuerPolicy) -> Result<Algorithm, Denial> {
    let no_text = |name: &&str| header.get(*name).is_some_and(|value| !value.is_string());
    if FORBIDDEN_HEADER
        .iter()
        .any(|name| header.contains_key(*name))
        || TEXT_HEADER.iter().any(no_text)
    {
        return fault(TokenFault::Header);
    }
    let algorithm = header
        .get("alg")
        .and_then(Value::as_str)
        .and_then(Algorithm::parse)
        .filter(|algorithm| issuer.algorithms.contains(algorithm))
        .ok_or(Denial::Token(TokenFault::Algorithm))?;
    let media_type = header
        .get("typ")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_ascii_lowercase();
    let media_type = media_type
        .strip_prefix("application/")
        .unwrap_or(&media_type);
    if issuer.types.iter().any(|allowed| allowed == media_type) {
        Ok(algorithm)
    } else {
        fault(TokenFault::Type)
    }
}

fn read_claims(
    claims: Map<String, Value>,
    issuer: &IssuerPolicy,
    base: &BaseUrl,
) -> Result<Unsigned, Denial> {
    if ID_TOKEN_CLAIMS
        .iter()
        .any(|name| claims.contains_key(*name))
    {
        return fault(TokenFault::Type);
    }
    check_audience(claims.get("aud"), issuer)?;
    let issued = time(&claims, "iat")?.ok_or(Denial::Token(TokenFault::Claims))?;
    let expires = time(&claims, "exp")?.ok_or(Denial::Token(TokenFault::Claims))?;
    let not_before = time(&claims, "nbf")?.unwrap_or(0);
    let confirmation = confirmation(claims.get("cnf"))?;
    let claims = Value::Object(claims);
    let missing = Denial::Token(TokenFault::Claims);
    let pointers = &issuer.claims;
    let required = |value: Option<String>| value.ok_or(missing.clone());
    Ok(Unsigned(AccessToken {
        issuer: issuer.issuer.clone(),
        tenant: issuer.tenant.clone(),
        proof: issuer.proof,
        subject: required(claims::text(&claims, &[claims::subject()])?)?,
        client: required(claims::text(&claims, &pointers.client)?)?,
        token_id: required(claims::text(&claims, &pointers.token_id)?)?,
        patient: claims::text(&claims, &pointers.patient)?
            .map(|text| claims::patient(&text, base))
            .transpose()?,
        user: claims::text(&claims, &pointers.user)?
            .map(|text| claims::user(&text, base))
            .transpose()?,
        scopes: claims::scopes(&claims, &pointers.scope)?.ok_or(missing.clone())?,
        confirmation,
        valid_from: issued.max(not_before).saturating_sub(issuer.clock_skew),
        valid_until: expires.saturating_add(issuer.clock_skew),
    }))
}

/// RFC 7519 section 4.1.3: a string or a list of strings, one of which means us.
fn check_audience(claim: Option<&Value>, issuer: &IssuerPolicy) -> Result<(), Denial> {
    let ours = |name: &str| issuer.audiences.iter().any(|audience| audience == name);
    let holds = match claim {
        Some(Value::String(name)) => ours(name),
        Some(Value::Array(names)) => {
            names.iter().all(Value::is_string) && names.iter().filter_map(Value::as_str).any(ours)
        }
        _ => false,
    };
    if holds {
        Ok(())
    } else {
        fault(TokenFault::Audience)
    }
}

/// A NumericDate in whole seconds, rounded down.
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<u64>, Denial> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    match value.as_f64() {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the range is checked right here"
        )]
        Some(seconds) if (0.0..=MAX_TIME).contains(&seconds) => Ok(Some(seconds as u64)),
        _ => fault(TokenFault::Claims),
    }
}

/// The confirmation (RFC 7800). Every method that is named must be satisfied; the thumbprint is the
/// only one understood here, so any other refuses the token.
fn confirmation(claim: Option<&Value>) -> Result<Option<[u8; 32]>, Denial> {
    let Some(claim) = claim else { return Ok(None) };
    let members = claim
        .as_object()
        .ok_or(Denial::Token(TokenFault::Binding))?;
    if members.keys().any(|name| name != "x5t#S256") {
        return fault(TokenFault::Binding);
    }
    let Some(text) = members.get("x5t#S256") else {
        return fault(TokenFault::Binding);
    };
    let bytes = text
        .as_str()
        .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let thumbprint = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    thumbprint
        .map(Some)
        .ok_or(Denial::Token(TokenFault::Binding))
}
