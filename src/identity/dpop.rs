//! DPoP (RFC 9449): a request's own proof that its caller holds the key that the token is bound to.
//!
//! A [`DpopProof`] exists only after its claims and its signature were verified. It is worth something
//! only once it is noted as never used before, by [`super::Noting`]: that gives a [`ProvenKey`].

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::nonce::Age;
use super::{
    Algorithm, HostAlgorithms, HostCheck, KeySet, NonceKey, Undecided, Verdict, jose, uri,
};
use crate::denial::{Denial, DpopFault, TokenFault};
use crate::request::{BaseUrl, MAX_PROOF};

/// How proofs are judged.
#[derive(Clone, Debug)]
pub struct DpopPolicy {
    /// The algorithms allowed. Never empty.
    pub algorithms: Vec<Algorithm>,
    /// How old a proof may be, in seconds.
    pub window: u64,
    /// How far a client's clock may be off, in seconds: a proof may be that much older, and come that
    /// much too early.
    pub clock_skew: u64,
    /// The key of the nonces that proofs must have; `None` where none is asked for.
    pub nonces: Option<NonceKey>,
    /// For how long a token is shut out of which a proof comes a second time, in seconds; `None`: not at
    /// all.
    pub quarantine: Option<u64>,
}

/// What a proof must be about.
pub struct Presented<'a> {
    /// The method, as it came.
    pub method: &'a str,
    /// The base that clients use.
    pub base: &'a BaseUrl,
    /// `:path`, as it came.
    pub path: &'a str,
    /// The access token.
    pub token: &'a str,
    /// The thumbprint of the key that the token is bound to: `cnf.jkt`.
    pub key: &'a [u8; 32],
}

/// A proof that holds for one request, and of which it is not known whether it was used before.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DpopProof {
    pub(super) key: [u8; 32],
    pub(super) id: String,
    /// `iat`, in seconds since 1970.
    pub(super) issued: u64,
    pub(super) next_nonce: Option<String>,
}

/// What came of [`DpopProof::verify`].
#[derive(Debug)]
pub enum ProofVerification {
    /// The proof holds.
    Verified(DpopProof),
    /// Everything holds but the signature, about which the host is to be asked.
    Unverified(UnverifiedProof),
}

/// A proof whose claims hold, and whose signature the host has not been asked about yet.
#[derive(Debug)]
pub struct UnverifiedProof {
    claims: Unsigned,
    signature: Undecided,
}

/// A proof whose claims hold, and of whose signature nothing is known.
#[derive(Debug)]
struct Unsigned(DpopProof);

/// A key that the caller holds: a proof of it was made for this request, and never used before.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProvenKey {
    thumbprint: [u8; 32],
    next_nonce: Option<String>,
}

impl DpopPolicy {
    /// The names of the algorithms, for a challenge (RFC 9449 section 7.1).
    pub fn algorithm_names(&self) -> String {
        let names: Vec<&str> = self.algorithms.iter().map(|one| one.name()).collect();
        names.join(" ")
    }

    /// For how long after its `iat` a proof is taken, in seconds.
    pub(super) fn lifetime(&self) -> u64 {
        self.window.saturating_add(self.clock_skew)
    }
}

impl DpopProof {
    /// Verifies a proof (RFC 9449 section 4.3, checks 2 to 12); the cheap checks come first. `now` is
    /// in seconds since 1970; signatures of the algorithms in `host` are left to the host.
    pub fn verify(
        text: &str,
        presented: &Presented<'_>,
        policy: &DpopPolicy,
        now: u64,
        host: &HostAlgorithms,
    ) -> Result<ProofVerification, Denial> {
        if text.len() > MAX_PROOF {
            return fault(DpopFault::Size);
        }
        let malformed = Denial::Dpop(DpopFault::Malformed);
        let [signed, header, payload, signature] = jose::parts(text).ok_or(malformed.clone())?;
        let header = jose::object(header).ok_or(malformed.clone())?;
        let claims = jose::object(payload).ok_or(malformed.clone())?;
        let algorithm = check_header(&header, policy)?;
        let jwk = header.get("jwk").unwrap_or(&Value::Null);
        // One public key, for this algorithm and no other.
        let keys = KeySet::read(&json!({ "keys": [jwk] }), &[algorithm])
            .map_err(|_| Denial::Dpop(DpopFault::Key))?;
        let key = thumbprint(jwk).ok_or(Denial::Dpop(DpopFault::Key))?;
        let id = check_claims(&claims, presented, policy, now)?;
        let next_nonce = check_nonce(&claims, policy, now)?;
        if !bool::from(key.ct_eq(presented.key)) {
            // The proof may be a good one, of whoever holds a stolen token.
            return Err(Denial::Token(TokenFault::Binding));
        }
        let issued = claims.get("iat").and_then(jose::time);
        let proof = Unsigned(DpopProof {
            key,
            id,
            issued: issued.ok_or(Denial::Dpop(DpopFault::Time))?,
            next_nonce,
        });
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed)?;
        match keys.verify(algorithm, None, signed.as_bytes(), &signature, host) {
            Verdict::Holds(_) => Ok(ProofVerification::Verified(proof.0)),
            Verdict::Undecided(signature) => Ok(ProofVerification::Unverified(UnverifiedProof {
                claims: proof,
                signature,
            })),
            Verdict::Wrong => fault(DpopFault::Signature),
            Verdict::NoKey | Verdict::WrongAlgorithm => fault(DpopFault::Key),
        }
    }
}

impl ProofVerification {
    /// The proof without a host that could be asked: see [`UnverifiedProof::answered`].
    pub fn unaided(self) -> Result<DpopProof, Denial> {
        match self {
            ProofVerification::Verified(proof) => Ok(proof),
            ProofVerification::Unverified(proof) => proof.answered(None),
        }
    }
}

impl UnverifiedProof {
    /// What the host is asked.
    pub fn check(&self) -> &HostCheck {
        self.signature.check()
    }

    /// The proof, if the host says that its signature holds. Without an answer (`None`) our own code
    /// decides.
    pub fn answered(self, answer: Option<bool>) -> Result<DpopProof, Denial> {
        match self.signature.answered(answer) {
            true => Ok(self.claims.0),
            false => fault(DpopFault::Signature),
        }
    }
}

impl ProvenKey {
    /// Of a proof that was found to be fresh: for [`super::Noting`] alone.
    pub(super) fn of(proof: &DpopProof) -> Self {
        ProvenKey {
            thumbprint: proof.key,
            next_nonce: proof.next_nonce.clone(),
        }
    }

    /// The thumbprint of the key (RFC 7638), SHA-256.
    pub fn thumbprint(&self) -> &[u8; 32] {
        &self.thumbprint
    }

    /// The nonce that the caller should use from now on, where the one it used is about to go
    /// (RFC 9449 section 8.2).
    pub fn next_nonce(&self) -> Option<&str> {
        self.next_nonce.as_deref()
    }
}

/// Header members that would choose another key, or that change what is signed (RFC 7515 section 4.1,
/// RFC 7797). `kid` is not among them: it chooses nothing where `jwk` is the key, and some libraries
/// write it.
const FORBIDDEN_HEADER: [&str; 10] = [
    "b64", "crit", "cty", "enc", "jku", "x5c", "x5t", "x5t#S256", "x5u", "zip",
];

/// Bytes of a `jti`.
const ID: std::ops::RangeInclusive<usize> = 1..=256;

fn fault<T>(fault: DpopFault) -> Result<T, Denial> {
    Err(Denial::Dpop(fault))
}

fn check_header(header: &Map<String, Value>, policy: &DpopPolicy) -> Result<Algorithm, Denial> {
    let text = |name: &str| header.get(name).and_then(Value::as_str);
    if text("typ") != Some("dpop+jwt") {
        return fault(DpopFault::Type);
    }
    let forbidden = |name: &&str| header.contains_key(*name);
    if FORBIDDEN_HEADER.iter().any(forbidden)
        || header.get("kid").is_some_and(|value| !value.is_string())
    {
        return fault(DpopFault::Header);
    }
    text("alg")
        .and_then(Algorithm::parse)
        .filter(|algorithm| policy.algorithms.contains(algorithm))
        .ok_or(Denial::Dpop(DpopFault::Algorithm))
}

/// All claims but the nonce; gives `jti`.
fn check_claims(
    claims: &Map<String, Value>,
    presented: &Presented<'_>,
    policy: &DpopPolicy,
    now: u64,
) -> Result<String, Denial> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let Some(id) = text("jti").filter(|id| ID.contains(&id.len())) else {
        return fault(DpopFault::Id);
    };
    if text("htm") != Some(presented.method) {
        return fault(DpopFault::Method);
    }
    let named = text("htu").and_then(uri::canonical);
    if named.is_none() || named != requested(presented) {
        return fault(DpopFault::Uri);
    }
    check_times(claims, policy, now)?;
    let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(presented.token));
    let same = |text: &str| bool::from(text.as_bytes().ct_eq(hash.as_bytes()));
    if !text("ath").is_some_and(same) {
        return fault(DpopFault::AccessToken);
    }
    Ok(id.to_owned())
}

/// Where the request goes, as its caller sees it. `Host` has no part in it: whoever replays a proof
/// writes what they like there.
fn requested(presented: &Presented<'_>) -> Option<String> {
    let base = presented.base;
    uri::canonical(&format!(
        "{}://{}{}",
        base.scheme(),
        base.authority(),
        presented.path
    ))
}

/// `iat` within the window; `exp` and `nbf` (RFC 7519 section 4.1), which a proof need not have, where
/// they are.
fn check_times(claims: &Map<String, Value>, policy: &DpopPolicy, now: u64) -> Result<(), Denial> {
    let wrong = Denial::Dpop(DpopFault::Time);
    let time = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => jose::time(value).map(Some).ok_or(wrong.clone()),
    };
    let issued = time("iat")?.ok_or(wrong.clone())?;
    let earliest = issued.max(time("nbf")?.unwrap_or(0));
    let last = issued.saturating_add(policy.lifetime());
    let expired = time("exp")?.is_some_and(|exp| now >= exp.saturating_add(policy.clock_skew));
    if now.saturating_add(policy.clock_skew) < earliest || now > last || expired {
        return Err(wrong);
    }
    Ok(())
}

/// Whether the proof has a nonce of ours, where one is asked for; gives the one to use from now on,
/// where that is another.
fn check_nonce(
    claims: &Map<String, Value>,
    policy: &DpopPolicy,
    now: u64,
) -> Result<Option<String>, Denial> {
    let Some(key) = &policy.nonces else {
        return Ok(None);
    };
    let nonce = claims.get("nonce").and_then(Value::as_str);
    match nonce.map_or(Age::Unknown, |nonce| key.age(nonce, now)) {
        Age::Current => Ok(None),
        Age::Previous => Ok(Some(key.current(now))),
        Age::Unknown => Err(Denial::DpopNonce(key.current(now))),
    }
}

/// The thumbprint of a public key (RFC 7638 section 3, RFC 8037 section 2): of its required members
/// alone, sorted, without spaces. `None` where one of them is missing, or of another type of key.
pub fn thumbprint(jwk: &Value) -> Option<[u8; 32]> {
    let names: &[&str] = match jwk.get("kty")?.as_str()? {
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        "RSA" => &["e", "kty", "n"],
        _ => return None,
    };
    let member = |name: &&str| {
        let value = jwk.get(*name).filter(|value| value.is_string())?;
        Some(format!("{name:?}:{value}"))
    };
    let members: Option<Vec<String>> = names.iter().map(member).collect();
    let text = format!("{{{}}}", members?.join(","));
    Some(Sha256::digest(text.as_bytes()).into())
}
