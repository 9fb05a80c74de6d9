//! DPoP proofs: as text that anybody may send, as claims that are signed here with a real key, and
//! what the table of used proofs makes of bytes that nobody here wrote.

use fhir_guard::denial::{Denial, DpopFault};
use fhir_guard::identity::{
    Algorithm, DpopPolicy, DpopProof, HostAlgorithms, MacKey, NonceKey, Noting, Presented,
    ProofVerification, ProvenKey, thumbprint,
};
use fhir_guard::request::{BaseUrl, MAX_PROOF};
use fhir_guard::shared::{Answer, Step, Work as _};
use serde_json::{Value, json};

use crate::input::Input;
use crate::token::{NOW, damaged, keys, part, token};

/// Where the request goes.
pub const URI: &str = "https://fhir.example.org/r4/Patient/p1";

/// The access token.
const TOKEN: &str = "a.b.c";

/// Its SHA-256 (RFC 9449 section 4.1: `ath`).
const HASH: &str = "hF4wRIgJ4ryJWOsCW_x5UjXROwd6U9DDq70jhRcNybg";

/// One byte of choices; then a proof's text, or header and claims with a NUL between them, which are
/// signed. With the fourth choice, what stands in shared data, and what the host answers. Says whether
/// the proof holds.
///
/// # Panics
/// Where a proof holds that must not, or is taken twice.
pub fn check(bytes: &[u8]) -> bool {
    let mut input = Input(bytes);
    let choice = input.byte();
    let text = match choice % 4 {
        0 => String::from_utf8_lossy(input.0).into_owned(),
        3 => return noted(&mut input),
        signer => {
            let header = input.until(0);
            token(header, input.0, signer == 1)
        }
    };
    let elliptic = choice & 0x40 == 0;
    let request = Request {
        method: "GET",
        path: "/r4/Patient/p1?x=1",
        token: TOKEN,
        key: thumbprint(&jwk(elliptic)).expect("a key"),
        nonce: choice & 0x80 != 0,
    };
    let found = request.judged(&text, NOW);
    assert_eq!(
        request.judged(&text, NOW),
        found,
        "judged differently again"
    );
    let Ok(proof) = found else { return false };
    form(&text, &request);
    damaged(&text, &|text| request.judged(text, NOW).is_ok());
    others(&text, &request);
    used(proof);
    true
}

/// The public key of either kind, without what a set says of it.
pub fn jwk(elliptic: bool) -> Value {
    let mut jwk = keys()["keys"][usize::from(!elliptic)].clone();
    for name in ["kid", "alg", "use"] {
        jwk.as_object_mut().expect("a key").remove(name);
    }
    jwk
}

/// The header of a proof with either key.
pub fn header(elliptic: bool) -> Value {
    let alg = if elliptic { "ES256" } else { "EdDSA" };
    json!({"typ": "dpop+jwt", "alg": alg, "jwk": jwk(elliptic)})
}

/// Claims that hold.
pub fn claims() -> Value {
    json!({"jti": "j", "htm": "GET", "htu": URI, "iat": NOW,
        "ath": HASH})
}

/// What a proof is judged by.
#[derive(Clone)]
struct Request {
    method: &'static str,
    path: &'static str,
    token: &'static str,
    key: [u8; 32],
    nonce: bool,
}

impl Request {
    fn judged(&self, text: &str, now: u64) -> Result<DpopProof, Denial> {
        let base = BaseUrl::parse("https://fhir.example.org/r4").expect("a base");
        let presented = Presented {
            method: self.method,
            base: &base,
            path: self.path,
            token: self.token,
            key: &self.key,
        };
        let host = HostAlgorithms::default();
        let proof = DpopProof::verify(text, &presented, &policy(self.nonce), now, &host);
        proof.and_then(ProofVerification::unaided)
    }
}

fn policy(nonce: bool) -> DpopPolicy {
    DpopPolicy {
        algorithms: vec![Algorithm::Es256, Algorithm::EdDsa],
        window: 60,
        clock_skew: 5,
        nonces: nonce.then(|| NonceKey::new(MacKey::read(&"01".repeat(32)).expect("a key"))),
        quarantine: None,
    }
}

/// What RFC 9449 section 4.3 demands of every proof that is taken, read by another reader.
fn form(text: &str, request: &Request) {
    assert!(text.len() <= MAX_PROOF && text.split('.').count() == 3);
    let (header, claims) = (part(text, 0), part(text, 1));
    assert_eq!(header["typ"], "dpop+jwt");
    assert!(header["alg"] == "ES256" || header["alg"] == "EdDSA");
    for name in ["b64", "crit", "jku", "x5c", "x5u", "zip"] {
        assert!(header.get(name).is_none(), "{name}");
    }
    for name in ["d", "k", "p", "q"] {
        assert!(header["jwk"].get(name).is_none(), "{name}");
    }
    assert_eq!(thumbprint(&header["jwk"]), Some(request.key));
    let id = claims["jti"].as_str().expect("jti");
    assert!((1..=256).contains(&id.len()));
    assert_eq!(claims["htm"], "GET");
    assert_eq!(claims["ath"], HASH);
    let issued = claims["iat"].as_f64().expect("iat");
    assert!((NOW as f64 - 65.0..NOW as f64 + 6.0).contains(&issued));
    let uri = claims["htu"].as_str().expect("htu");
    let place = uri.split(['?', '#']).next().expect("a place");
    let place = place.to_ascii_lowercase();
    let rest = place
        .strip_prefix("https://fhir.example.org")
        .expect("the host");
    assert!(rest.starts_with(['/', ':']), "{uri}");
    assert!(!request.nonce || claims["nonce"].is_string());
}

/// Neither another request, another caller nor another moment.
fn others(text: &str, request: &Request) {
    let refused = |what: &str, edit: &dyn Fn(&mut Request)| {
        let mut other = request.clone();
        edit(&mut other);
        assert!(other.judged(text, NOW).is_err(), "{what}");
    };
    refused("another method", &|request| request.method = "PUT");
    refused("another path", &|request| request.path = "/r4/Patient/p2");
    refused("another token", &|request| request.token = "a.b.d");
    refused("another key", &|request| request.key[0] ^= 1);
    let issued = part(text, 1)["iat"].as_f64().expect("iat") as u64;
    assert!(request.judged(text, issued + 66).is_err(), "late");
    assert!(
        request.judged(text, issued.saturating_sub(6)).is_err(),
        "early"
    );
}

/// A proof that holds is taken once.
fn used(proof: DpopProof) {
    let mut slot = None;
    let first = note(&proof, &mut slot, NOW);
    assert!(first.is_ok(), "{first:?}");
    for later in [0, 1, 64, 65] {
        let again = note(&proof, &mut slot, NOW + later);
        assert_eq!(again.err(), Some(DpopFault::Replay), "{later} s later");
    }
}

/// What is in shared data, and time that goes by or back; says whether a proof was taken.
fn noted(input: &mut Input<'_>) -> bool {
    let Ok(proof) = (Request {
        method: "GET",
        path: "/r4/Patient/p1",
        token: TOKEN,
        key: thumbprint(&jwk(false)).expect("a key"),
        nonce: false,
    })
    .judged(&good(), NOW) else {
        panic!("a good proof");
    };
    let steps: [u8; 4] = std::array::from_fn(|_| input.byte());
    let mut slot = match input.byte() % 4 {
        0 => None,
        _ => Some(input.0.to_vec()),
    };
    let mut taken = 0;
    for step in steps {
        // Within the time of the proof, and outside of it.
        let now = NOW + u64::from(step) - 64;
        taken += usize::from(note(&proof, &mut slot, now).is_ok());
    }
    assert!(taken <= 1, "taken {taken} times");
    taken == 1
}

fn good() -> String {
    let text = |value: Value| value.to_string().into_bytes();
    token(&text(header(false)), &text(claims()), false)
}

/// Notes a proof in a map of one slot.
fn note(proof: &DpopProof, slot: &mut Option<Vec<u8>>, now: u64) -> Result<ProvenKey, DpopFault> {
    let mut noting = Noting::new(proof.clone(), &policy(false), now);
    for _ in 0..16 {
        let answer = match noting.step() {
            Step::Done(outcome) => return outcome,
            Step::Read { .. } => Answer::Value {
                bytes: slot.clone(),
                version: slot.is_some().then_some(1),
            },
            Step::Write { value, .. } => {
                assert!(value.len() <= 1032, "{} bytes", value.len());
                *slot = Some(value.to_vec());
                Answer::Written
            }
        };
        noting.answer(answer);
    }
    panic!("noting does not end");
}
