//! Questions to an authorization server, and whatever it may answer.

use serde_json::{Map, json};

use super::*;
use crate::identity::{About, Introspection};

const NAME: [u8; 32] = [7; 32];

fn server() -> Introspection {
    Introspection {
        cluster: "as".to_owned(),
        authority: "as.example.org".to_owned(),
        path: "/introspect?v=1".to_owned(),
        timeout: 2_000_000_000,
        authorization: None,
        opaque: true,
        jwt: false,
        audience: true,
        cache: 30_000_000_000,
        negative_cache: 5_000_000_000,
    }
}

fn opaque_policy() -> IssuerPolicy {
    let mut policy = policy(&issuer().jwks());
    policy.introspection = Some(server());
    policy
}

/// A good answer about an opaque token.
fn answer() -> Map<String, Value> {
    let answer = json!({"active": true, "client_id": "app", "scope": "patient/*.rs", "exp": NOW + 600,
        "aud": "https://fhir.example.org"});
    answer.as_object().expect("an object").clone()
}

fn changed(changes: Value) -> String {
    let mut answer = answer();
    for (name, value) in changes.as_object().expect("an object") {
        match value == "(removed)" {
            true => drop(answer.remove(name)),
            false => drop(answer.insert(name.clone(), value.clone())),
        }
    }
    Value::Object(answer).to_string()
}

type Found = Result<Result<Option<AccessToken>, Denial>, String>;

fn read_with(server: &Introspection, text: &[u8], opaque: bool, policy: &IssuerPolicy) -> Found {
    let base = BaseUrl::parse("https://fhir.example.org/r4").expect("a base");
    let about = About {
        issuer: 3,
        opaque,
        name: &NAME,
    };
    server.read(text, &about, policy, &base, NOW)
}

/// What the answer means for an opaque token; panics where it is none.
fn meaning(text: &str) -> Result<AccessToken, TokenFault> {
    match read_with(&server(), text.as_bytes(), true, &opaque_policy()) {
        Ok(Ok(token)) => Ok(token.expect("what it means")),
        Ok(Err(Denial::Token(fault))) => Err(fault),
        other => panic!("{text}: {other:?}"),
    }
}

fn header<'a>(call: &'a crate::remote::Call, name: &str) -> Option<&'a str> {
    let mut headers = call.headers.iter();
    headers.find_map(|(found, value)| (*found == name).then_some(value.as_str()))
}

#[test]
fn a_question_is_a_form_that_no_token_breaks() {
    let check = |token: &str, form: &str| {
        let call = server().call(token);
        let expected = format!("token={form}&token_type_hint=access_token");
        assert_eq!(String::from_utf8(call.body), Ok(expected), "{token}");
    };
    check("abc-._XYZ09", "abc-._XYZ09");
    check("a b+c/d~e=", "a%20b%2Bc%2Fd%7Ee%3D");
    check("x&token=y", "x%26token%3Dy");
    check("%41\r\n\0", "%2541%0D%0A%00");
    check("ü€😀", "%C3%BC%E2%82%AC%F0%9F%98%80");
    let call = server().call("t");
    assert_eq!(call.cluster, "as");
    assert_eq!(call.timeout.as_secs(), 2);
    assert_eq!(header(&call, ":method"), Some("POST"));
    assert_eq!(header(&call, ":path"), Some("/introspect?v=1"));
    assert_eq!(header(&call, ":authority"), Some("as.example.org"));
    let form = "application/x-www-form-urlencoded";
    assert_eq!(header(&call, "content-type"), Some(form));
    assert_eq!(header(&call, "accept"), Some("application/json"));
    assert_eq!(header(&call, "authorization"), None);
}

#[test]
fn who_asks_is_encoded_before_it_is_joined() {
    // RFC 6749 section 2.3.1: both are form-encoded first, so that a colon parts them and nothing else.
    let check = |id: &str, secret: &str, pair: &str| {
        let found = Introspection::basic(id, secret);
        let expected = format!("Basic {}", base64_of(pair));
        assert_eq!(found, expected, "{id} {secret}");
    };
    check("guard", "secret", "guard:secret");
    check("a:b", "c:d", "a%3Ab:c%3Ad");
    check("a", "p w+%&=*~", "a:p%20w%2B%25%26%3D%2A%7E");
    check("https://app", "ü\n", "https%3A%2F%2Fapp:%C3%BC%0A");
    let mut server = server();
    server.authorization = Some(Introspection::basic("guard", "hush"));
    assert_eq!(
        header(&server.call("t"), "authorization"),
        Some(format!("Basic {}", base64_of("guard:hush")).as_str())
    );
    let shown = format!("{server:?}");
    assert!(
        !shown.contains("Basic") && !shown.contains("hush"),
        "{shown}"
    );
}

fn base64_of(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn an_opaque_token_is_one_without_the_parts_of_a_jwt() {
    let check = |token: &str, expected: bool| {
        assert_eq!(is_opaque(token), expected, "{} bytes", token.len());
    };
    check("", true);
    check("a", true);
    check(".", true);
    check("a.b", true);
    check("..", false);
    check("a.b.c", false);
    check("a.b.c.d", true);
    // A JWE (RFC 7516) says nothing that we could read.
    check("a.b.c.d.e", true);
    check(&"a".repeat(MAX_TOKEN), true);
    check(&"a".repeat(MAX_TOKEN + 1), false);
}

#[test]
fn what_is_no_answer_is_said_without_repeating_it() {
    let whole = |padding: usize| {
        let text = Value::Object(answer()).to_string();
        text.clone() + &" ".repeat(padding - text.len())
    };
    let check = |name: &str, text: &[u8], said: &str| {
        for opaque in [true, false] {
            let found = read_with(&server(), text, opaque, &opaque_policy());
            assert_eq!(found, Err(said.to_owned()), "{name}");
        }
    };
    let json = "text that is not one well-formed JSON object";
    let active = "no `active` that is true or false";
    for text in [
        "",
        "rubbish",
        "[]",
        "null",
        "true",
        "[{\"active\":true}]",
        "{\"active\":true}{}",
        "{\"active\":true,}",
        "{\"active\":true",
        "\u{feff}{\"active\":true}",
        "{\"active\":true,\"active\":true}",
        "{\"active\":false,\"active\":true}",
        "{\"active\":true,\"\\u0061ctive\":false}",
        "{\"active\":true,\"cnf\":{\"jkt\":\"a\",\"jkt\":\"b\"}}",
        "<html>",
    ] {
        check(text, text.as_bytes(), json);
    }
    check("no UTF-8", b"{\"active\":\"\xff\"}", json);
    check("deep", "[".repeat(60_000).as_bytes(), json);
    for text in [
        "{}",
        "{\"Active\":true}",
        "{\"active\":null}",
        "{\"active\":1}",
        "{\"active\":\"true\"}",
        "{\"active\":[true]}",
        "{\"active\":{}}",
    ] {
        check(text, text.as_bytes(), active);
    }
    let most = whole(Introspection::LIMIT);
    assert!(meaning(&most).is_ok(), "the most");
    let more = whole(Introspection::LIMIT + 1);
    check("one more", more.as_bytes(), "more than 65536 bytes");
}

#[test]
fn an_inactive_token_needs_no_more_words() {
    for text in [
        "{\"active\":false}",
        "{\"active\":false,\"exp\":\"x\",\"cnf\":7}",
    ] {
        assert_eq!(meaning(text), Err(TokenFault::Inactive), "{text}");
        let found = read_with(&server(), text.as_bytes(), false, &opaque_policy());
        assert_eq!(
            found,
            Ok(Err(Denial::Token(TokenFault::Inactive))),
            "{text}"
        );
    }
    // Of a JWT nothing else is asked: it says the rest itself.
    for text in [
        "{\"active\":true}",
        "{\"active\":true,\"aud\":\"other\",\"exp\":1}",
    ] {
        let found = read_with(&server(), text.as_bytes(), false, &opaque_policy());
        assert_eq!(found, Ok(Ok(None)), "{text}");
    }
}

#[test]
fn what_an_opaque_token_means_must_be_said() {
    use TokenFault as F;
    let check = |name: &str, changes: Value, expected: Option<TokenFault>| {
        let found = meaning(&changed(changes)).err();
        assert_eq!(found, expected, "{name}");
    };
    let gone = "(removed)";
    check("a good one", json!({}), None);
    for name in ["client_id", "scope", "exp"] {
        check(name, json!({ name: gone }), Some(F::Claims));
        for value in [json!(null), json!(true), json!({}), json!([[]])] {
            check(name, json!({ name: value }), Some(F::Claims));
        }
    }
    check(
        "a client of a number",
        json!({"client_id": 7}),
        Some(F::Claims),
    );
    check("an empty client", json!({"client_id": ""}), Some(F::Claims));
    check(
        "two clients",
        json!({"client_id": "app", "azp": "other"}),
        Some(F::Claims),
    );
    check("azp alone", json!({"client_id": gone, "azp": "app"}), None);
    check("exp as text", json!({"exp": "1800000600"}), Some(F::Claims));
    check("exp below zero", json!({"exp": -1}), Some(F::Claims));
    check("past", json!({"exp": NOW - SKEW}), Some(F::Expired));
    check("barely", json!({"exp": NOW - SKEW + 1}), None);
    check("nbf", json!({"nbf": NOW + SKEW + 1}), Some(F::NotYet));
    check("iat", json!({"iat": NOW + SKEW + 1}), Some(F::NotYet));
    check("iat as text", json!({"iat": "1"}), Some(F::Claims));
    check("the issuer", json!({"iss": "https://as.example.org"}), None);
    for iss in [
        json!("https://as.example.org/"),
        json!("https://other"),
        json!(["https://as.example.org"]),
        json!(null),
        json!(""),
    ] {
        check("another issuer", json!({ "iss": iss }), Some(F::Issuer));
    }
    check("no audience", json!({"aud": gone}), Some(F::Audience));
    check(
        "ours among others",
        json!({"aud": ["x", "https://fhir.example.org"]}),
        None,
    );
    for aud in [
        json!("x"),
        json!([]),
        json!(null),
        json!(["https://fhir.example.org", 1]),
    ] {
        check("not ours", json!({ "aud": aud }), Some(F::Audience));
    }
    check("an ID token", json!({"nonce": "n"}), Some(F::Type));
    check("a subject of a number", json!({"sub": 7}), Some(F::Claims));
}

#[test]
fn only_an_access_token_is_one() {
    // RFC 7662 section 2.1: the hint binds nobody, and a server may know refresh tokens as well.
    let check = |changes: Value, expected: Option<TokenFault>| {
        let found = meaning(&changed(changes.clone())).err();
        assert_eq!(found, expected, "{changes}");
    };
    for kind in ["Bearer", "bearer", "BEARER", "access_token", "DPoP"] {
        check(json!({ "token_type": kind }), None);
    }
    for kind in [
        json!("refresh_token"),
        json!("Refresh"),
        json!("N_A"),
        json!("mac"),
        json!(""),
        json!(null),
        json!(["Bearer"]),
    ] {
        check(json!({ "token_type": kind }), Some(TokenFault::Type));
    }
    check(json!({"token_use": "access_token"}), None);
    check(json!({"token_use": "access"}), None);
    for used in [json!("refresh_token"), json!("id"), json!(1)] {
        check(json!({ "token_use": used }), Some(TokenFault::Type));
    }
}

#[test]
fn a_server_may_be_trusted_to_know_for_whom_a_token_is() {
    let mut trusting = server();
    trusting.audience = false;
    let check = |name: &str, aud: Value, good: bool| {
        let text = changed(json!({ "aud": aud }));
        let found = read_with(&trusting, text.as_bytes(), true, &opaque_policy());
        assert_eq!(matches!(found, Ok(Ok(Some(_)))), good, "{name}");
    };
    check("it says nothing", json!("(removed)"), true);
    check("ours", json!("https://fhir.example.org"), true);
    check("it says another", json!("https://x"), false);
    check("it says null", json!(null), false);
}

#[test]
fn an_answer_binds_as_a_token_does() {
    let print = "A".repeat(43);
    let check = |proof: Proof, cnf: Value, expected: Option<(bool, bool)>| {
        let mut policy = opaque_policy();
        policy.proof = proof;
        let text = changed(json!({ "cnf": cnf }));
        let found = read_with(&server(), text.as_bytes(), true, &policy);
        let found = found.expect("an answer").ok().flatten();
        let bound = found.map(|token| {
            let confirmation = token.confirmation;
            (
                confirmation.certificate.is_some(),
                confirmation.key.is_some(),
            )
        });
        assert_eq!(bound, expected, "{cnf}");
    };
    let (certificate, key) = (json!({"x5t#S256": print}), json!({"jkt": print}));
    let both = json!({"x5t#S256": print, "jkt": print});
    check(Proof::Certificate, certificate.clone(), Some((true, false)));
    check(Proof::Dpop, key.clone(), Some((false, true)));
    check(Proof::Either, both.clone(), Some((true, true)));
    check(Proof::None, certificate, Some((true, false)));
    // What nobody can satisfy, or nobody understands, refuses.
    check(Proof::Certificate, key, None);
    check(Proof::Certificate, both, None);
    for cnf in [
        json!({}),
        json!(null),
        json!("x"),
        json!({"jkt": ""}),
        json!({"x5t#S256": print, "kid": "k"}),
        json!({"x5t#S256": "A".repeat(42)}),
        json!({"x5t#S256": 7}),
    ] {
        check(Proof::Either, cnf, None);
    }
}

#[test]
fn what_stands_in_an_answer_is_read_like_claims() {
    let text = changed(
        json!({"sub": "s1", "jti": "t1", "patient": "p1", "encounter": "Encounter/e1",
        "fhirUser": "https://fhir.example.org/r4/Practitioner/d1", "iat": NOW - 10, "acr": "loa3"}),
    );
    let token = meaning(&text).expect("good");
    let shown = token.shown(None);
    assert_eq!(
        (shown.issuer, shown.client),
        ("https://as.example.org", "app")
    );
    assert_eq!((shown.subject, shown.token_id), ("s1", "t1"));
    assert_eq!(shown.issued, NOW - 10);
    assert_eq!(token.issuer_index(), 3);
    assert_eq!(token.patient.as_deref(), Some("p1"));
    assert_eq!(token.encounter.as_deref(), Some("e1"));
    assert_eq!(token.scopes.texts(), ["patient/*.rs"]);
    // The client is the subject where there is no other, and the token its own id.
    let token = meaning(&changed(json!({}))).expect("good");
    assert_eq!((token.subject.as_str(), token.issued), ("app", 0));
    assert_eq!(token.token_id, "07".repeat(32));
    for patient in [
        json!(["p1", "p2"]),
        json!("urn:uuid:1"),
        json!({}),
        json!("a b"),
    ] {
        let found = meaning(&changed(json!({ "patient": patient })));
        assert_eq!(found.err(), Some(TokenFault::Claims), "{patient}");
    }
    // A context for the application is none of ours (SMART App Launch, launch context).
    let launch = json!({"need_patient_banner": true, "smart_style_url": "https://x", "fhirContext": [],
        "tenant": "other", "intent": "x"});
    let token = meaning(&changed(launch)).expect("good");
    assert_eq!(token.tenant.as_deref(), Some("clinic"));
}

#[test]
fn only_the_clients_of_the_issuer_come_in() {
    let mut policy = opaque_policy();
    policy.clients = Some(vec!["portal".to_owned()]);
    let check = |client: &str, good: bool| {
        let text = changed(json!({ "client_id": client }));
        let found = read_with(&server(), text.as_bytes(), true, &policy);
        assert_eq!(matches!(found, Ok(Ok(Some(_)))), good, "{client}");
    };
    check("portal", true);
    check("app", false);
}
