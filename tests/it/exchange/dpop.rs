//! DPoP through an exchange: the schemes, the proof, its first and its second use, nonces.

use fhir_guard::denial::Reply;
use fhir_guard_harness::tokens::{Algorithm, Claims, DpopClient, DpopProof};

use super::driver::NOW;
use super::*;

const URI: &str = "https://fhir.example.org/r4/Patient/p1";

const MISSING: &str = r#"Bearer realm="fhir", DPoP algs="ES256 EdDSA""#;

const FORGED: &str = r#"Bearer realm="fhir", error="invalid_token""#;

const DPOP_FORGED: &str = r#"DPoP error="invalid_token", algs="ES256 EdDSA""#;

const BAD_PROOF: &str = r#"DPoP error="invalid_dpop_proof", algs="ES256 EdDSA""#;

const NONCE: &str = r#"DPoP error="use_dpop_nonce", algs="ES256 EdDSA""#;

/// A deployment that takes these proofs.
fn world(proof: &[&str], nonce: &str) -> Deployment {
    Deployment::with(|config| {
        config["issuers"][0]["proof"] = json!(proof);
        config["client_certificate"] = json!({ "required": false });
        config["dpop"] = json!({ "algorithms": ["ES256", "EdDSA"], "nonce": nonce });
        config["secrets"] = json!({ "nonce_key": { "env": "KEY" } });
    })
}

fn client() -> DpopClient {
    DpopClient::new("client", Algorithm::Es256)
}

fn token(world: &Deployment, confirmation: Value) -> String {
    let claims = Claims::new(NOW)
        .scope("patient/*.rs")
        .claim("cnf", confirmation);
    world.issuer().token(&claims)
}

fn proof(token: &str) -> DpopProof {
    DpopProof::new("GET", URI, token, NOW)
}

/// What comes of a read with these credentials: the answer's status, or the refusal with its challenge
/// and rule.
fn ask(
    world: &mut Deployment,
    authorization: &str,
    proofs: &[&str],
) -> Result<Exchange, (Reply, String)> {
    let proofs: Vec<(&str, &str)> = proofs.iter().map(|proof| ("dpop", *proof)).collect();
    let head = world.head_as(authorization, "GET /r4/Patient/p1", &proofs);
    let mut exchange = Exchange::default();
    match world.ask(&mut exchange, head, true) {
        Step::Forward(headers) => {
            let names = headers.iter().map(|(name, _)| name.as_slice());
            assert!(
                !names.into_iter().any(|name| name == b"dpop"),
                "the proof goes on"
            );
            Ok(exchange)
        }
        Step::Reply(reply) => {
            let rule = world.record(&mut exchange)["rule"].clone();
            Err((reply, rule.as_str().expect("a rule").to_owned()))
        }
        step => panic!("{step:?}"),
    }
}

/// The challenge, without the place of the metadata, which is in every 401.
fn challenge_of(reply: &Reply) -> String {
    const METADATA: &str =
        r#", resource_metadata="https://fhir.example.org/.well-known/oauth-protected-resource/r4""#;
    let challenge = field(reply, "www-authenticate").unwrap_or_default();
    assert_eq!(challenge.matches(METADATA).count(), 1, "{challenge}");
    challenge.replace(METADATA, "")
}

fn field<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    let found = reply.headers.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| value.as_str())
}

fn check(
    name: &str,
    world: &mut Deployment,
    authorization: &str,
    proofs: &[&str],
    expected: Result<(), (&str, &str)>,
) {
    let found = ask(world, authorization, proofs);
    match (found, expected) {
        (Ok(_), Ok(())) => {}
        (Err((reply, rule)), Err((challenge, expected))) => {
            assert_eq!(reply.status, 401, "{name}");
            assert_eq!(challenge_of(&reply), challenge, "{name}");
            assert_eq!(rule, expected, "{name}");
        }
        (found, expected) => {
            let found = found.map(|_| ()).map_err(|(_, rule)| rule);
            panic!("{name}: {found:?}, expected {expected:?}");
        }
    }
}

#[test]
fn a_proof_opens_once_and_for_its_own_scheme() {
    let world = &mut world(&["dpop"], "none");
    let token = token(world, client().confirmation());
    let (dpop, bearer) = (format!("DPoP {token}"), format!("Bearer {token}"));
    let one = client().sign(&proof(&token));
    check("good", world, &dpop, &[&one], Ok(()));
    check(
        "again",
        world,
        &dpop,
        &[&one],
        Err((BAD_PROOF, "dpop.replay")),
    );
    let next = client().sign(&proof(&token));
    check("the next", world, &dpop, &[&next], Ok(()));
    check("none", world, &dpop, &[], Err((BAD_PROOF, "dpop.missing")));
    let (a, b) = (client().sign(&proof(&token)), client().sign(&proof(&token)));
    check(
        "two",
        world,
        &dpop,
        &[&a, &b],
        Err((BAD_PROOF, "dpop.doubled")),
    );
    let joined = format!("{a},{b}");
    check(
        "joined",
        world,
        &dpop,
        &[&joined],
        Err((BAD_PROOF, "dpop.doubled")),
    );
    check("neither was used up", world, &dpop, &[&a], Ok(()));
    check(
        "under Bearer",
        world,
        &bearer,
        &[],
        Err((FORGED, "token.binding")),
    );
    check(
        "under Bearer, with proof",
        world,
        &bearer,
        &[&b],
        Err((FORGED, "token.binding")),
    );
    let other = DpopClient::new("other", Algorithm::Es256).sign(&proof(&token));
    check(
        "another key",
        world,
        &dpop,
        &[&other],
        Err((DPOP_FORGED, "token.binding")),
    );
    check(
        "another scheme",
        world,
        "Basic abc",
        &[&b],
        Err((MISSING, "credentials.missing")),
    );
    let forged = format!("DPoP {}x", token);
    check(
        "another token",
        world,
        &forged,
        &[&b],
        Err((DPOP_FORGED, "token.signature")),
    );
    let wrong = client().sign(&proof(&token).flipped_bit(9));
    for name in ["a wrong signature", "again"] {
        check(
            name,
            world,
            &dpop,
            &[&wrong],
            Err((BAD_PROOF, "dpop.signature")),
        );
    }
    check("the token is remembered", world, &dpop, &[&b], Ok(()));
}

#[test]
fn what_a_wrong_signature_brought_is_not_remembered() {
    let world = &mut world(&["dpop"], "none");
    let token = token(world, client().confirmation());
    let dpop = format!("DPoP {token}");
    let made = proof(&token);
    let wrong = client().sign(&made.clone().flipped_bit(9));
    check(
        "wrong",
        world,
        &dpop,
        &[&wrong],
        Err((BAD_PROOF, "dpop.signature")),
    );
    check("right", world, &dpop, &[&client().sign(&made)], Ok(()));
}

#[test]
fn the_scheme_is_that_of_the_issuer_and_of_the_token() {
    let thumbprint = |world: &Deployment| world.certificate().thumbprint_sha256_base64url.clone();
    for proofs in [
        &["certificate"][..],
        &["dpop"],
        &["certificate", "dpop"],
        &["none"],
    ] {
        let world = &mut world(proofs, "none");
        let takes = |what: &str| proofs.contains(&what);
        let both = json!({ "x5t#S256": thumbprint(world), "jkt": client().thumbprint() });
        let rows = [
            (
                "certificate",
                json!({ "x5t#S256": thumbprint(world) }),
                takes("certificate") || takes("none"),
                false,
            ),
            ("key", client().confirmation(), false, takes("dpop")),
            ("both", both, false, takes("dpop")),
        ];
        for (name, confirmation, by_bearer, by_dpop) in rows {
            let name = format!("{name}, {proofs:?}");
            let token = token(world, confirmation);
            let proof = client().sign(&proof(&token));
            let expected = by_bearer.then_some(()).ok_or((FORGED, "token.binding"));
            check(&name, world, &format!("Bearer {token}"), &[], expected);
            let refusal = match takes("dpop") {
                true => (DPOP_FORGED, "token.binding"),
                false => (r#"Bearer realm="fhir""#, "credentials.missing"),
            };
            let expected = by_dpop.then_some(()).ok_or(refusal);
            check(&name, world, &format!("DPoP {token}"), &[&proof], expected);
        }
    }
}

#[test]
fn a_nonce_is_handed_out_and_renewed() {
    let world = &mut world(&["dpop"], "required");
    let token = token(world, client().confirmation());
    let dpop = format!("DPoP {token}");
    let bare = client().sign(&proof(&token));
    let Err((reply, rule)) = ask(world, &dpop, &[&bare]) else {
        panic!("without a nonce");
    };
    assert_eq!((reply.status, rule.as_str()), (401, "dpop.nonce"));
    assert_eq!(challenge_of(&reply), NONCE);
    let nonce = field(&reply, "dpop-nonce").expect("a nonce").to_owned();
    let with = |nonce: &str| client().sign(&proof(&token).claim("nonce", json!(nonce)));
    let stranger = with("AAAAAAAAAAAAAAAAAAAAAA");
    check(
        "a stranger's nonce",
        world,
        &dpop,
        &[&stranger],
        Err((NONCE, "dpop.nonce")),
    );
    let Ok(mut exchange) = ask(world, &dpop, &[&with(&nonce)]) else {
        panic!("with it");
    };
    assert_eq!(answered(world, &mut exchange), None, "it is the newest");
    // The same again in the next step of time: NOW is the first second of one.
    assert_eq!(NOW % 300, 0);
    let later = NOW + 300;
    let proof = DpopProof::new("GET", URI, &token, later).claim("nonce", json!(nonce));
    let head = world.head_as(
        &dpop,
        "GET /r4/Patient/p1",
        &[("dpop", &client().sign(&proof))],
    );
    let mut exchange = Exchange::default();
    let step = world.ask_at(&mut exchange, head, true, later * 1_000_000_000);
    assert!(matches!(step, Step::Forward(_)), "{step:?}");
    let next = answered(world, &mut exchange).expect("a new nonce");
    assert_ne!(next, nonce);
    assert_eq!(next.len(), nonce.len());
}

/// The nonce in the answer.
fn answered(world: &Deployment, exchange: &mut Exchange) -> Option<String> {
    let head = [
        (":status", "200"),
        ("content-type", "application/fhir+json"),
    ];
    let body = patient("p1", 0).to_string();
    let answer = world.answer(exchange, &head, &[body.as_bytes()], false);
    let fields = answer.head.expect("a head");
    let found = fields.iter().find(|(name, _)| name == b"dpop-nonce");
    found.map(|(_, value)| String::from_utf8(value.clone()).expect("text"))
}

#[test]
fn an_answer_out_of_turn_opens_nothing() {
    let world = &mut world(&["dpop"], "none");
    let token = token(world, client().confirmation());
    let head = world.head_as(&format!("DPoP {token}"), "GET /r4/Patient/p1", &[]);
    let mut exchange = Exchange::default();
    let step = exchange.noted(&world.guard, Err(fhir_guard::denial::DpopFault::Replay));
    assert!(matches!(step, Step::Reply(_)), "{step:?}");
    assert!(exchange.noting().is_none());
    let step = world.ask(&mut exchange, head, true);
    assert!(!matches!(step, Step::Forward(_)), "{step:?}");
}

#[test]
fn no_server_is_asked_about_a_token_under_a_wrong_scheme_or_without_its_proof() {
    const OPAQUE: &str = "2YotnFZFEjr1zCsicMWpAA";
    let introspection =
        |tokens: Value| json!({"uri": "http://as/introspect", "cluster": "as", "tokens": tokens});
    let other = client().sign(&proof(OPAQUE));
    let (dpop, bearer) = (format!("DPoP {OPAQUE}"), format!("Bearer {OPAQUE}"));
    for (name, accepted, authorization, proofs, rule) in [
        ("without", "dpop", &dpop, vec![], Some("dpop.missing")),
        (
            "two",
            "dpop",
            &dpop,
            vec![other.as_str(); 2],
            Some("dpop.doubled"),
        ),
        ("one", "dpop", &dpop, vec![other.as_str()], None),
        (
            "a scheme of another issuer",
            "certificate",
            &dpop,
            vec![other.as_str()],
            Some("credentials.missing"),
        ),
        ("a bearer", "certificate", &bearer, vec![], None),
    ] {
        let mut world = Deployment::with(|config| {
            let mut second = config["issuers"][0].clone();
            second["issuer"] = json!("https://two.example.org");
            second["proof"] = json!(["dpop"]);
            config["issuers"][0]["proof"] = json!([accepted]);
            config["issuers"][0]["introspection"] = introspection(json!(["opaque"]));
            config["issuers"]
                .as_array_mut()
                .expect("a list")
                .push(second);
        });
        let fields: Vec<(&str, &str)> = proofs.into_iter().map(|proof| ("dpop", proof)).collect();
        let head = world.head_as(authorization, "GET /r4/Patient/p1", &fields);
        let mut exchange = Exchange::default();
        let step = world.ask(&mut exchange, head, true);
        assert_eq!(step == Step::Wait, rule.is_none(), "{name}");
        assert_eq!(world.guard.question().is_some(), rule.is_none(), "{name}");
        if let Some(rule) = rule {
            let record = exchange.record(NOW * 1_000_000_000, None);
            let record: Value = serde_json::from_str(&record).expect("a record");
            assert_eq!(record["rule"], rule, "{name}");
        }
    }
}

#[test]
fn a_server_is_asked_again_where_the_clock_has_stepped_back() {
    const SECOND: u64 = 1_000_000_000;
    const T: u64 = NOW * SECOND;
    let uri =
        json!({"uri": "http://as/introspect", "cluster": "as", "tokens": ["jwt"], "cache": "30s"});
    for (name, before, asked) in [
        ("not at all", 0, false),
        ("by a second", SECOND, false),
        ("by more", SECOND + 1, true),
        ("by an hour", 3600 * SECOND, true),
    ] {
        let mut world = Deployment::with(|config| {
            config["issuers"][0]["introspection"] = uri.clone();
            config["issuers"][0]["clock_skew"] = json!("5m");
        });
        let claims = world
            .claims()
            .claim("iat", json!(NOW - 7200))
            .claim("nbf", json!(NOW - 7200))
            .expires_at(NOW + 3600);
        let token = world.token(&claims);
        let ask = |world: &mut Deployment, now| {
            let mut exchange = Exchange::default();
            let head = world.head_with(&token, "GET /r4/Patient/p1", &[]);
            let step = world.ask_at(&mut exchange, head, true, now);
            (exchange, step)
        };
        // A question lives as long as somebody waits for its answer.
        let (_waiting, step) = ask(&mut world, T);
        assert_eq!(step, Step::Wait, "{name}");
        let (question, _) = world.guard.question().expect("a question");
        let active = Some((200, &b"{\"active\":true}"[..]));
        assert_eq!(world.guard.answer(&question, active, T), Ok(()), "{name}");
        let (_, step) = ask(&mut world, T - before);
        assert_eq!(step == Step::Wait, asked, "{name}: {step:?}");
    }
}
