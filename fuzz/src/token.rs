//! Tokens: as text that anybody may send, and as claims that are signed here with a real key, so
//! that everything behind the signature is reached.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fhir_guard::access::{Circumstances, Letter, Level, Rules, Scope, Terms, authorize};
use fhir_guard::denial::Denial;
use fhir_guard::fhir::ResourceType;
use fhir_guard::identity::{
    AccessToken, Algorithm, CertificatePolicy, ClaimPointers, ConnectionAttributes, HostAlgorithms,
    IssuerPolicy, KeyRing, KeySet, KeySource, MAX_TOKEN, PeerCertificate, Principal, Proof,
    ValidatedBy, Verification, verify,
};
use fhir_guard::request::{BaseUrl, Interaction, Request};
use p256::ecdsa::signature::Signer as _;
use serde_json::{Value, json};

use crate::input::Input;

/// The time of every check, in seconds since 1970.
pub const NOW: u64 = 1_800_000_000;

/// `iss` of the one issuer.
pub const ISSUER: &str = "https://as.example.org";

/// The thumbprint of the caller's certificate, in hexadecimal.
pub const THUMBPRINT: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// One byte of choices; then a token's text, or header and claims with a NUL between them, which
/// are signed. Says whether the token holds.
///
/// # Panics
/// Where a token holds that must not, or allows what its claims do not say.
pub fn check(bytes: &[u8]) -> bool {
    let mut input = Input(bytes);
    let choice = input.byte();
    let text = match choice % 3 {
        0 => String::from_utf8_lossy(input.0).into_owned(),
        signer => {
            let header = input.until(0);
            token(header, input.0, signer == 1)
        }
    };
    let policy = policy(if choice & 0x80 == 0 {
        Proof::Certificate
    } else {
        Proof::None
    });
    let base = BaseUrl::parse("https://fhir.example.org/r4").expect("a base");
    let judged = |text: &str, now| judged(text, std::slice::from_ref(&policy), &base, now);
    let found = judged(&text, NOW);
    assert_eq!(judged(&text, NOW), found, "judged differently again");
    let Ok(found) = found else { return false };
    let unknown = self::judged(&text, &[], &base, NOW);
    assert!(unknown.is_err(), "an issuer unknown");
    form(&text);
    damaged(&text, &|text| judged(text, NOW).is_ok());
    times(&text, &|now| judged(&text, now).is_ok(), &found);
    bound(found, &policy, &text);
    true
}

/// A token before our own code, without a host that verifies signatures.
fn judged(
    text: &str,
    issuers: &[IssuerPolicy],
    base: &BaseUrl,
    now: u64,
) -> Result<AccessToken, Denial> {
    let keys = KeyRing::new(issuers);
    let verified = verify(text, issuers, &keys, base, now, &HostAlgorithms::default());
    verified.and_then(Verification::unaided)
}

/// A compact JWS of these bytes, signed with the issuer's key.
pub fn token(header: &[u8], claims: &[u8], elliptic: bool) -> String {
    let (header, claims) = (
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims),
    );
    let message = format!("{header}.{claims}");
    let signature = if elliptic {
        let signature: p256::ecdsa::Signature = es256().sign(message.as_bytes());
        URL_SAFE_NO_PAD.encode(signature.to_bytes())
    } else {
        let signature = ed25519().sk.sign(message.as_bytes(), None);
        URL_SAFE_NO_PAD.encode(signature.as_ref())
    };
    format!("{message}.{signature}")
}

/// The public keys of the issuer, as a JWK set.
pub fn keys() -> Value {
    let point = es256().verifying_key().to_sec1_point(false);
    let (x, y) = point.as_bytes()[1..].split_at(32);
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    json!({"keys": [
        {"kty": "EC", "crv": "P-256", "kid": "one", "alg": "ES256", "use": "sig",
            "x": text(x), "y": text(y)},
        {"kty": "OKP", "crv": "Ed25519", "kid": "two", "alg": "EdDSA", "use": "sig",
            "x": text(ed25519().pk.as_ref())},
    ]})
}

/// Claims that hold, of this scope, bound to the certificate of [`attributes`].
pub fn claims(scope: &str) -> Value {
    let thumbprint: Vec<u8> = (0..64)
        .step_by(2)
        .map(|at| u8::from_str_radix(&THUMBPRINT[at..at + 2], 16).expect("digits"))
        .collect();
    json!({"iss": ISSUER, "aud": "https://fhir.example.org", "sub": "s", "client_id": "c",
        "jti": "j", "iat": NOW - 10, "exp": NOW + 600, "scope": scope, "patient": "p1",
        "cnf": {"x5t#S256": URL_SAFE_NO_PAD.encode(thumbprint)}})
}

/// The header of a token for either key.
pub fn header(elliptic: bool) -> Value {
    match elliptic {
        true => json!({"alg": "ES256", "typ": "at+jwt", "kid": "one"}),
        false => json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "two"}),
    }
}

/// A connection of the caller's.
pub fn attributes() -> ConnectionAttributes {
    ConnectionAttributes {
        mtls: Some(vec![1]),
        digest: Some(THUMBPRINT.into()),
        validated: Some(vec![1]),
        source: Some(b"192.0.2.1:4711".to_vec()),
        ..ConnectionAttributes::default()
    }
}

fn es256() -> p256::ecdsa::SigningKey {
    p256::ecdsa::SigningKey::from_slice(&[7; 32]).expect("a scalar")
}

fn ed25519() -> ed25519_compact::KeyPair {
    ed25519_compact::KeyPair::from_seed(ed25519_compact::Seed::new([7; 32]))
}

/// A policy with the issuer's keys, and a clock skew of 30 s.
pub fn policy(proof: Proof) -> IssuerPolicy {
    let algorithms = vec![Algorithm::Es256, Algorithm::EdDsa];
    IssuerPolicy {
        issuer: ISSUER.to_owned(),
        tenant: None,
        audiences: vec!["https://fhir.example.org".to_owned()],
        keys: KeySource::Inline(Rc::new(
            KeySet::read(&keys(), &algorithms).expect("good keys"),
        )),
        clients: None,
        algorithms,
        types: vec!["at+jwt".to_owned()],
        proof,
        clock_skew: 30,
        claims: ClaimPointers::default(),
        introspection: None,
    }
}

/// One part of a token, by another reader.
pub fn part(text: &str, index: usize) -> Value {
    let part = text.split('.').nth(index).expect("three parts");
    let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// What the standards demand of every token that is taken, read by another reader.
fn form(text: &str) {
    assert!(text.len() <= MAX_TOKEN && text.split('.').count() == 3);
    let (header, claims) = (part(text, 0), part(text, 1));
    assert!(header["alg"] == "ES256" || header["alg"] == "EdDSA");
    for name in ["b64", "crit", "jku", "jwk", "x5c", "x5u", "zip"] {
        assert!(header.get(name).is_none(), "{name}");
    }
    assert_eq!(claims["iss"], ISSUER);
    let ours = |audience: &Value| audience == "https://fhir.example.org";
    let listed = |audiences: &Vec<Value>| audiences.iter().any(ours);
    assert!(ours(&claims["aud"]) || claims["aud"].as_array().is_some_and(listed));
    assert!(claims["exp"].as_f64().expect("exp") + 30.0 >= NOW as f64);
    assert!(claims["iat"].as_f64().expect("iat") - 30.0 <= NOW as f64 + 1.0);
}

/// A token of which any part is changed does not hold.
pub fn damaged(text: &str, holds: &dyn Fn(&str) -> bool) {
    let [header, claims, signature] = text.split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts");
    };
    let mut other = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    let place = usize::from(other[0]) % other.len();
    other[place] ^= 1;
    let other = URL_SAFE_NO_PAD.encode(other);
    assert!(!holds(&format!("{header}.{claims}.{other}")));
    assert!(!holds(&format!("{header}.{claims}.")));
    assert!(!holds(&format!("{header}.{claims}.{signature}.")));
    assert!(!holds(&format!("{header}.{claims}.{signature}=")));
    assert!(!holds(&format!("{claims}.{header}.{signature}")));
}

fn times(text: &str, holds: &dyn Fn(u64) -> bool, token: &AccessToken) {
    let claims = part(text, 1);
    let until = claims["exp"].as_f64().expect("exp") as u64 + 30;
    assert!(holds(until - 1) && !holds(until), "{until}");
    assert!(token.check_time(until - 1).is_ok() && token.check_time(until).is_err());
    let begin = |name| claims.get(name).and_then(Value::as_f64).unwrap_or(0.0) as u64;
    let from = begin("iat").max(begin("nbf")).saturating_sub(30);
    assert!(holds(from) && (from == 0 || !holds(from - 1)), "{from}");
}

/// Possession, and what the scopes allow.
fn bound(token: AccessToken, policy: &IssuerPolicy, text: &str) {
    let required = |required| CertificatePolicy {
        required,
        validated_by: ValidatedBy::Attribute,
    };
    let token = Rc::new(token);
    let establish = |attributes: &ConnectionAttributes, must: bool| {
        let certificate = PeerCertificate::read(attributes, required(must)).expect("readable");
        Principal::establish(Rc::clone(&token), certificate, None, required(must))
    };
    let claims = part(text, 1);
    let own = claims.get("cnf").map(|cnf| cnf["x5t#S256"].clone());
    let mine = self::claims("")["cnf"]["x5t#S256"].clone();
    let expected = match own {
        Some(own) => own == mine,
        None => policy.proof == Proof::None,
    };
    let principal = establish(&attributes(), true);
    assert_eq!(principal.is_ok(), expected);
    let mut stranger = attributes();
    stranger.digest = Some("ff".repeat(32).into_bytes());
    let free = claims.get("cnf").is_none() && policy.proof == Proof::None;
    assert_eq!(establish(&stranger, true).is_ok(), free, "stolen");
    let bare = ConnectionAttributes::default();
    assert_eq!(establish(&bare, false).is_ok(), free);
    assert!(establish(&bare, true).is_err(), "without a certificate");
    if let Ok(principal) = principal {
        permits(&Rc::new(principal));
    }
}

fn permits(principal: &Rc<Principal>) {
    for name in ["Patient", "Observation", "Bundle"] {
        let resource_type = ResourceType::parse(name).expect("a type of r4");
        let id = || "p1".to_owned();
        let rows = [
            (
                Letter::Read,
                Interaction::Read {
                    resource_type,
                    id: id(),
                },
            ),
            (
                Letter::Update,
                Interaction::Update {
                    resource_type,
                    id: id(),
                },
            ),
            (Letter::Create, Interaction::Create { resource_type }),
            (
                Letter::Delete,
                Interaction::Delete {
                    resource_type,
                    id: id(),
                },
            ),
        ];
        for (letter, interaction) in rows {
            permitted(principal, resource_type, letter, interaction);
        }
    }
}

/// A permit needs a scope that covers it; one that is for a patient only is confined to the patient
/// of the token.
fn permitted(
    principal: &Rc<Principal>,
    resource_type: ResourceType,
    letter: Letter,
    interaction: Interaction,
) {
    let request = Request {
        interaction,
        head_only: false,
        form: false,
        page: None,
        provenance: None,
    };
    let texts = principal.scopes().texts().iter();
    let scopes: Vec<Scope> = texts.filter_map(|text| Scope::parse(text)).collect();
    let covers = |scope: &&Scope| scope.covers(resource_type, letter);
    match authorize(
        principal,
        &request,
        &Terms {
            fhir: &crate::request::policy(),
            forbidden: false,
            hidden: &|_, _, _| false,
            step_up: &[],
            rules: &Rules::default(),
            circumstances: Circumstances::default(),
        },
    ) {
        Ok(permit) => {
            let by: Vec<&Scope> = scopes.iter().filter(covers).collect();
            assert!(!by.is_empty(), "{letter:?} {resource_type} without a scope");
            if by.iter().all(|scope| scope.level == Level::Patient) {
                assert!(permit.patient().is_some(), "not confined");
            }
            if let Some(patient) = permit.patient() {
                assert_eq!(Some(patient), principal.patient());
            }
            let granular = by.iter().all(|scope| scope.is_granular());
            assert_eq!(permit.is_for_all(), !granular, "parameters were dropped");
        }
        Err(Denial::Scope(_)) => {}
        Err(_) => assert!(scopes.iter().any(|scope| covers(&scope)), "another reason"),
    }
}
