//! Access tokens: compact JWS with JSON claims (RFC 7519, RFC 9068, RFC 8725).

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use super::confirmation::Confirmation;
use super::{
    About, Algorithm, HostAlgorithms, HostCheck, IssuerPolicy, KeyMark, KeyRing, MalformedScopes,
    PeerCertificate, Proof, Scopes, Shown, Undecided, Verdict, claims, jose,
};
use crate::denial::{Denial, TokenFault};
use crate::request::BaseUrl;

/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN: usize = 8 * 1024;

/// Values of the claims of one token, where they are kept for conditions.
const MAX_KEPT: usize = 1024;

/// A token whose signature and claims hold. Whether its caller may use it is another question: see
/// [`super::Principal`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AccessToken {
    /// The issuer's place in the policy.
    pub(super) issuer_index: usize,
    /// The key that it was signed with.
    pub(super) key: KeyMark,
    pub(super) issuer: String,
    pub(super) tenant: Option<String>,
    pub(super) proof: Proof,
    pub(super) subject: String,
    pub(super) client: String,
    pub(super) token_id: String,
    pub(super) patient: Option<String>,
    pub(super) encounter: Option<String>,
    pub(super) user: Option<String>,
    pub(super) scopes: Scopes,
    pub(super) roles: Vec<String>,
    pub(super) purposes: Vec<String>,
    pub(super) login: claims::Login,
    pub(super) confirmation: Confirmation,
    /// All claims, where conditions are about them.
    pub(super) claims: Option<Rc<Map<String, Value>>>,
    /// `iat`.
    pub(super) issued: u64,
    valid_from: u64,
    valid_until: u64,
}

impl AccessToken {
    /// Whether the issuer's tokens are taken with the scheme DPoP.
    pub fn accepts_dpop(&self) -> bool {
        self.proof.accepts_dpop()
    }

    /// The thumbprint of the key that the token is bound to: `cnf.jkt` (RFC 9449 section 6.1).
    pub fn bound_key(&self) -> Option<&[u8; 32]> {
        self.confirmation.key.as_ref()
    }

    /// Whether the token is bound to no certificate, or to this one (RFC 8705 section 3), compared in
    /// constant time.
    pub fn admits(&self, certificate: Option<&PeerCertificate>) -> bool {
        match (&self.confirmation.certificate, certificate) {
            (Some(expected), Some(found)) => bool::from(expected.ct_eq(found.thumbprint())),
            (expected, _) => expected.is_none(),
        }
    }

    /// The operator's name for whom the issuer serves.
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// The user as `Type/id`.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The caller's roles.
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// Why the data is asked for.
    pub fn purposes(&self) -> &[String] {
        &self.purposes
    }

    /// The issuer's place in the policy.
    pub fn issuer_index(&self) -> usize {
        self.issuer_index
    }

    /// What of this token, and of the certificate that comes with it, can be taken back. The certificate
    /// by its thumbprint in hexadecimal.
    pub fn shown<'a>(&'a self, certificate: Option<&'a str>) -> Shown<'a> {
        Shown {
            issuer: &self.issuer,
            token_id: &self.token_id,
            subject: &self.subject,
            client: &self.client,
            certificate,
            issued: self.issued,
        }
    }

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
    /// Everything holds but the signature, for which there is no key at hand.
    Keyless(MissingKey),
}

/// The key that a token would need, of an issuer whose keys are fetched.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MissingKey {
    /// The issuer's place in the policy.
    pub issuer: usize,
    /// The key's id; `None` where no key of the issuer may be used at all.
    pub id: Option<String>,
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

impl Unsigned {
    fn signed_by(self, key: KeyMark) -> AccessToken {
        AccessToken { key, ..self.0 }
    }
}

impl Verification {
    /// The token without anybody who could be asked: see [`Unverified::answered`].
    pub fn unaided(self) -> Result<AccessToken, Denial> {
        match self {
            Verification::Verified(token) => Ok(token),
            Verification::Unverified(token) => token.answered(None),
            Verification::Keyless(_) => fault(TokenFault::Key),
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
        let key = self.signature.key();
        match self.signature.answered(answer) {
            true => Ok(self.claims.signed_by(key)),
            false => fault(TokenFault::Signature),
        }
    }
}

/// Verifies a token that was never seen before. Cheap checks come first: a token that cannot hold
/// costs no signature. `ring` has the keys of these issuers; `now` is in seconds since 1970; signatures of
/// the algorithms in `host` are left to the host.
pub fn verify(
    token: &str,
    issuers: &[IssuerPolicy],
    ring: &KeyRing,
    base: &BaseUrl,
    now: u64,
    host: &HostAlgorithms,
) -> Result<Verification, Denial> {
    if token.len() > MAX_TOKEN {
        return fault(TokenFault::Size);
    }
    let malformed = Denial::Token(TokenFault::Malformed);
    let [signed, header, payload, signature] = jose::parts(token).ok_or(malformed.clone())?;
    let header = jose::object(header).ok_or(malformed.clone())?;
    let claims = jose::object(payload).ok_or(malformed)?;
    let (index, issuer) = issuer(&claims, issuers)?;
    let algorithm = check_header(&header, issuer)?;
    let claims = read_claims(claims, index, issuer, base, None)?;
    claims.0.check_time(now)?;
    let key_id = header.get("kid").and_then(Value::as_str);
    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_| Denial::Token(TokenFault::Signature))?;
    let missing = |id: Option<&str>| {
        Ok(Verification::Keyless(MissingKey {
            issuer: index,
            id: id.map(str::to_owned),
        }))
    };
    let Some(keys) = ring.keys(index, now) else {
        return missing(None);
    };
    match keys.verify(algorithm, key_id, signed.as_bytes(), &signature, host) {
        Verdict::Holds(key) => Ok(Verification::Verified(claims.signed_by(key))),
        Verdict::Undecided(signature) => {
            Ok(Verification::Unverified(Unverified { claims, signature }))
        }
        // The issuer may have a new one; one without an id cannot be asked for.
        Verdict::NoKey if issuer.keys.is_fetched() && key_id.is_some() => missing(key_id),
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

fn fault<T>(fault: TokenFault) -> Result<T, Denial> {
    Err(Denial::Token(fault))
}

fn issuer<'a>(
    claims: &Map<String, Value>,
    issuers: &'a [IssuerPolicy],
) -> Result<(usize, &'a IssuerPolicy), Denial> {
    let name = claims
        .get("iss")
        .and_then(Value::as_str)
        .ok_or(Denial::Token(TokenFault::Issuer))?;
    issuers
        .iter()
        .enumerate()
        .find(|(_, issuer)| issuer.issuer == name)
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

/// What is known of a token for which the server vouches.
struct Vouched<'a> {
    /// Whether the answer must name one of the issuer's audiences.
    audience: bool,
    /// Stands in for an id.
    name: &'a String,
}

/// A token that says nothing by itself, from what the issuer's server says of it (RFC 7662 section 2.2):
/// see [`super::Introspection::read`].
pub(super) fn vouched(
    claims: Map<String, Value>,
    about: &About<'_>,
    audience: bool,
    issuer: &IssuerPolicy,
    base: &BaseUrl,
    now: u64,
) -> Result<AccessToken, Denial> {
    let own = |name: &Value| name.as_str() == Some(issuer.issuer.as_str());
    if !claims.get("iss").is_none_or(own) {
        return fault(TokenFault::Issuer);
    }
    let name = blake3::Hash::from_bytes(*about.name).to_hex().to_string();
    let vouched = Vouched {
        audience,
        name: &name,
    };
    let token = read_claims(claims, about.issuer, issuer, base, Some(&vouched))?.0;
    token.check_time(now)?;
    Ok(token)
}

fn read_claims(
    claims: Map<String, Value>,
    issuer_index: usize,
    issuer: &IssuerPolicy,
    base: &BaseUrl,
    vouched: Option<&Vouched<'_>>,
) -> Result<Unsigned, Denial> {
    if ID_TOKEN_CLAIMS
        .iter()
        .any(|name| claims.contains_key(*name))
    {
        return fault(TokenFault::Type);
    }
    let audience = claims.get("aud");
    // A server that knows for whom a token is need not say it.
    if audience.is_some() || vouched.is_none_or(|vouched| vouched.audience) {
        check_audience(audience, issuer)?;
    }
    let issued = time(&claims, "iat")?.or(vouched.map(|_| 0));
    let issued = issued.ok_or(Denial::Token(TokenFault::Claims))?;
    let expires = time(&claims, "exp")?.ok_or(Denial::Token(TokenFault::Claims))?;
    let not_before = time(&claims, "nbf")?.unwrap_or(0);
    // Of another shape it is as if it were missing: no rule is satisfied by it.
    let authenticated = time(&claims, "auth_time").unwrap_or_default();
    let confirmation = Confirmation::read(claims.get("cnf"), issuer.proof)?;
    let claims = Value::Object(claims);
    let missing = Denial::Token(TokenFault::Claims);
    let pointers = &issuer.claims;
    let required = |value: Option<String>| value.ok_or(missing.clone());
    let client = required(claims::text(&claims, &pointers.client)?)?;
    let clients = issuer.clients.as_ref();
    if clients.is_some_and(|clients| !clients.contains(&client)) {
        return fault(TokenFault::Client);
    }
    // RFC 7662 section 2.2 leaves both out where the client is the subject, and the token its own id.
    let subject = claims::subject(&claims)?;
    let subject = subject.or(vouched.map(|_| client.clone()));
    let scopes = claims::scopes(&claims, pointers)?.ok_or(missing.clone())?;
    let scopes = Scopes::read(scopes);
    if scopes.malformed() && pointers.malformed_scopes == MalformedScopes::Refuse {
        return fault(TokenFault::Scope);
    }
    let token_id = claims::text(&claims, &pointers.token_id)?;
    let token_id = token_id.or(vouched.map(|vouched| vouched.name.clone()));
    Ok(Unsigned(AccessToken {
        issuer_index,
        key: KeyMark::NONE,
        issuer: issuer.issuer.clone(),
        tenant: issuer.tenant.clone(),
        proof: issuer.proof,
        subject: required(subject)?,
        client,
        token_id: required(token_id)?,
        patient: claims::patient(&claims, pointers, base)?,
        encounter: claims::encounter(&claims, pointers, base)?,
        user: claims::user(&claims, pointers, base)?,
        scopes,
        roles: claims::words(&claims, &pointers.roles)?,
        purposes: claims::words(&claims, &pointers.purpose)?,
        login: claims::Login::read(&claims, authenticated, issuer.clock_skew),
        confirmation,
        claims: kept(claims, pointers.kept)?,
        issued,
        valid_from: issued.max(not_before).saturating_sub(issuer.clock_skew),
        valid_until: expires.saturating_add(issuer.clock_skew),
    }))
}

/// All claims, where conditions are about them. They are remembered as long as the token is, and a value
/// takes many times its bytes.
fn kept(claims: Value, wanted: bool) -> Result<Option<Rc<Map<String, Value>>>, Denial> {
    match claims {
        _ if !wanted => Ok(None),
        claims if values(&claims) > MAX_KEPT => fault(TokenFault::Claims),
        Value::Object(claims) => Ok(Some(Rc::new(claims))),
        _ => Ok(None),
    }
}

/// How many values there are, those inside others included; their reader bounds the depth.
fn values(value: &Value) -> usize {
    let inside: usize = match value {
        Value::Array(items) => items.iter().map(values).sum(),
        Value::Object(members) => members.values().map(values).sum(),
        _ => 0,
    };
    inside.saturating_add(1)
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

/// A time, where it is.
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<u64>, Denial> {
    let time = |value| jose::time(value).ok_or(Denial::Token(TokenFault::Claims));
    claims.get(name).map(time).transpose()
}
