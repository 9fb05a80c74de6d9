//! What an authorization server says of a token, lists of what was taken back, and the question that any
//! token makes.

use fhir_guard::denial::{Denial, TokenFault};
use fhir_guard::identity::{
    About, AccessToken, Introspection, IssuerPolicy, MAX_TOKEN, Proof, Revocations, Shown,
    is_opaque,
};
use fhir_guard::request::BaseUrl;
use serde_json::{Value, json};

use crate::input::Input;
use crate::sources::literals;
use crate::token::{ISSUER, NOW, THUMBPRINT, policy};

/// The thumbprint of [`THUMBPRINT`] in base64url.
const PRINT: &str = "ABEiM0RVZneImaq7zN3u_wARIjNEVWZ3iJmqu8zd7v8";

/// The clock skew of the policy.
const SKEW: u64 = 30;

/// One byte of choices; then an answer, a list, or a token. Says whether an opaque token is taken, a list
/// read, or a token opaque.
///
/// # Panics
/// Where an answer gives more than it says, a list takes back anything else than it says, or a token breaks
/// out of its question.
pub fn check(bytes: &[u8]) -> bool {
    let mut input = Input(bytes);
    let choice = input.byte();
    match choice % 4 {
        0 | 1 => answer(input.0, choice & 0x80 != 0),
        2 => list(input.0),
        _ => question(&String::from_utf8_lossy(input.0)),
    }
}

fn server(audience: bool) -> Introspection {
    Introspection {
        cluster: "as".to_owned(),
        authority: "as.example.org".to_owned(),
        path: "/introspect".to_owned(),
        timeout: 1,
        authorization: None,
        opaque: true,
        jwt: true,
        audience,
        cache: 1,
        negative_cache: 1,
    }
}

type Found = Result<Result<Option<AccessToken>, Denial>, String>;

fn read(text: &[u8], opaque: bool, audience: bool, issuer: &IssuerPolicy, now: u64) -> Found {
    let base = BaseUrl::parse("https://fhir.example.org/r4").expect("a base");
    let about = About {
        issuer: 0,
        opaque,
        name: &[7; 32],
    };
    server(audience).read(text, &about, issuer, &base, now)
}

fn answer(text: &[u8], audience: bool) -> bool {
    let policy = policy(Proof::Either);
    let found = read(text, true, audience, &policy, NOW);
    assert_eq!(read(text, true, audience, &policy, NOW), found, "again");
    let plain = read(text, false, audience, &policy, NOW);
    match &found {
        Err(said) => {
            assert!(said.len() < 100, "{said}");
            assert_eq!(plain, found, "no answer is none for a JWT");
            return false;
        }
        Ok(Err(Denial::Token(TokenFault::Inactive))) => {
            assert_eq!(plain, found);
            return false;
        }
        // Of a refresh token, or an ID token.
        Ok(Err(Denial::Token(TokenFault::Type))) => return false,
        Ok(_) => assert_eq!(plain, Ok(Ok(None)), "active"),
    }
    let Ok(Ok(Some(token))) = found else {
        return false;
    };
    let said: Value = serde_json::from_slice(text).expect("JSON by another reader");
    assert_eq!(said["active"], true);
    assert!(said.get("iss").is_none_or(|iss| iss == ISSUER));
    let exp = said["exp"].as_f64().expect("exp");
    assert!(exp + SKEW as f64 > NOW as f64 - 1.0);
    // Good now, and not for ever: `exp` decides, whoever remembers the answer.
    assert_eq!(token.check_time(NOW), Ok(()));
    let end = exp as u64;
    assert!(token.check_time(end.saturating_add(SKEW + 1)).is_err() || end > u64::MAX - 64);
    audiences(&said, audience);
    let shown = token.shown(None);
    assert_eq!(shown.issuer, ISSUER);
    let client = said.get("client_id").or(said.get("azp"));
    assert_eq!(client, Some(&json!(shown.client)));
    assert_eq!(
        said.get("sub").unwrap_or(&json!(shown.client)),
        shown.subject
    );
    assert!(said.get("scope").is_some());
    for name in ["nonce", "at_hash", "c_hash"] {
        assert!(said.get(name).is_none(), "{name}");
    }
    let kind = said
        .get("token_type")
        .map(|kind| kind.as_str().expect("text").to_lowercase());
    assert!(kind.is_none_or(|kind| ["bearer", "dpop", "access_token"].contains(&kind.as_str())));
    confirmation(&said, &token);
    // Cut, it is no answer; of another issuer it says nothing.
    let end = text.trim_ascii_end();
    let cut = &end[..end.len() - 1];
    assert!(read(cut, true, audience, &policy, NOW).is_err(), "cut");
    let mut other = policy;
    other.issuer = "https://other.example.org".to_owned();
    let elsewhere = read(text, true, audience, &other, NOW);
    assert_eq!(matches!(elsewhere, Ok(Ok(_))), said.get("iss").is_none());
    true
}

fn audiences(said: &Value, required: bool) {
    let ours = |name: &Value| name == "https://fhir.example.org";
    let holds = match said.get("aud") {
        None => !required,
        Some(Value::Array(names)) => names.iter().any(ours),
        Some(name) => ours(name),
    };
    assert!(holds, "the audience");
}

/// Whatever is named must be satisfied: nothing of it is lost.
fn confirmation(said: &Value, token: &AccessToken) {
    let Some(cnf) = said.get("cnf") else {
        assert_eq!(token.bound_key(), None);
        return;
    };
    let members = cnf.as_object().expect("an object");
    assert!(!members.is_empty());
    let known = |name: &String| name == "x5t#S256" || name == "jkt";
    assert!(members.keys().all(known));
    assert_eq!(members.contains_key("jkt"), token.bound_key().is_some());
}

/// Compared with a reader that looks at one entry after the other.
fn list(text: &[u8]) -> bool {
    let Ok(found) = Revocations::read(text) else {
        return false;
    };
    let list: Value = serde_json::from_slice(text).expect("JSON by another reader");
    let entries = list["revoked"].as_array().expect("a list");
    assert_eq!(found.len(), entries.len());
    assert_eq!(found.is_empty(), entries.is_empty());
    let names = ["issuer", "jti", "sub", "client_id", "certificate"];
    let texts = entries
        .iter()
        .flat_map(|entry| names.map(|name| entry[name].as_str()));
    let mut values: Vec<&str> = texts.flatten().take(12).collect();
    values.push("nobody");
    for (number, value) in values.iter().enumerate() {
        let other = |step: usize| values[(number + step) % values.len()];
        let shown = Shown {
            issuer: if number % 2 == 0 { ISSUER } else { other(1) },
            token_id: value,
            subject: other(2),
            client: other(3),
            certificate: (number % 3 > 0).then_some(if number % 3 == 1 {
                THUMBPRINT
            } else {
                value
            }),
            issued: NOW - 10,
        };
        for now in [0, NOW, u64::MAX] {
            let expected = entries.iter().any(|entry| takes_back(entry, &shown, now));
            assert_eq!(found.revokes(&shown, now), expected, "{shown:?} at {now}");
        }
    }
    true
}

fn takes_back(entry: &Value, shown: &Shown<'_>, now: u64) -> bool {
    let same = |name: &str, value: &str| entry.get(name).is_none_or(|text| text == value);
    let certificate = entry.get("certificate").is_none_or(|text| {
        // A list may have it in capitals.
        let listed = text.as_str().map(str::to_ascii_lowercase);
        shown.certificate.is_some() && listed.as_deref() == shown.certificate
    });
    let before = |name: &str, time: u64| {
        entry
            .get(name)
            .is_none_or(|bound| time < bound.as_u64().expect("a time"))
    };
    same("issuer", shown.issuer)
        && same("jti", shown.token_id)
        && same("sub", shown.subject)
        && same("client_id", shown.client)
        && certificate
        && before("issued_before", shown.issued)
        && (before("until", now) && now < u64::MAX)
}

fn question(token: &str) -> bool {
    let call = server(true).call(token);
    let form = String::from_utf8(call.body).expect("text");
    let middle = form.strip_prefix("token=");
    let middle = middle.and_then(|form| form.strip_suffix("&token_type_hint=access_token"));
    let middle = middle.expect("a form");
    assert!(!middle.contains(['&', '=', '+']) && middle.is_ascii());
    let mut decoded = Vec::new();
    let mut rest = Input(middle.as_bytes());
    while !rest.is_empty() {
        decoded.push(match rest.byte() {
            b'%' => {
                let digits = std::str::from_utf8(rest.take(2)).expect("digits");
                u8::from_str_radix(digits, 16).expect("digits")
            }
            byte => byte,
        });
    }
    assert_eq!(decoded, token.as_bytes());
    let opaque = is_opaque(token);
    assert_eq!(
        opaque,
        token.split('.').count() != 3 && token.len() <= MAX_TOKEN
    );
    opaque
}

/// Answers and lists with one member changed to every odd value, and the texts of the product's tables.
pub fn seeds() -> Vec<Vec<u8>> {
    let good = json!({"active": true, "client_id": "app", "scope": "patient/*.rs", "exp": NOW + 600,
        "aud": "https://fhir.example.org", "iss": ISSUER, "sub": "s1", "jti": "t1", "patient": "p1",
        "iat": NOW - 10, "token_type": "Bearer", "cnf": {"x5t#S256": PRINT}});
    let entry = json!({"issuer": ISSUER, "jti": "t1", "sub": "s1", "client_id": "app",
        "certificate": THUMBPRINT, "issued_before": NOW, "until": NOW + 1});
    let odd = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(""),
        json!("DPoP"),
        json!([]),
        json!({}),
        json!({"jkt": PRINT}),
        json!({"jkt": PRINT, "x5t#S256": PRINT}),
        json!(NOW + 5),
        json!(["https://fhir.example.org", "x"]),
    ];
    let mut answers = vec![good.clone()];
    let mut lists = vec![json!({"revoked": []}), json!({"revoked": [entry.clone()]})];
    for name in good.as_object().expect("an object").keys() {
        for value in &odd {
            let mut answer = good.clone();
            answer[name] = value.clone();
            answers.push(answer);
        }
        let mut answer = good.clone();
        answer.as_object_mut().expect("an object").remove(name);
        answers.push(answer);
    }
    for name in entry.as_object().expect("an object").keys() {
        for value in &odd {
            let mut changed = entry.clone();
            changed[name] = value.clone();
            lists.push(json!({"revoked": [changed]}));
        }
        let mut less = entry.clone();
        less.as_object_mut().expect("an object").remove(name);
        lists.push(json!({"revoked": [less, {"certificate": THUMBPRINT}]}));
        let mut alone = json!({"issuer": ISSUER});
        alone[name] = entry[name].clone();
        lists.push(json!({"revoked": [alone]}));
    }
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for answer in answers {
        for choice in [0, 0x80] {
            seeds.push([&[choice], answer.to_string().as_bytes()].concat());
        }
    }
    for list in lists {
        seeds.push([&[2], list.to_string().as_bytes()].concat());
    }
    for text in literals(&[
        "src/identity/tests/introspection.rs",
        "src/identity/tests/revocation.rs",
    ]) {
        for choice in [0, 2, 3] {
            seeds.push([&[choice], text.as_bytes()].concat());
        }
    }
    seeds.retain(|seed| seed.len() <= 4096);
    seeds
}
