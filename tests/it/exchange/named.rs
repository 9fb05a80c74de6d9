//! Whose token it was, in the record of a refusal: of every token whose signature and claims hold, and of
//! no other.

use fhir_guard::wire::Pair;
use fhir_guard_harness::pki::Pki;
use fhir_guard_harness::tokens::{Algorithm, Claims, DpopClient, DpopProof};

use super::driver::NOW;
use super::waiting::{SECOND, T};
use super::*;

const AS: &str = "https://as.example.org";

const READ: &str = "GET /r4/Patient/p1";

fn client() -> DpopClient {
    DpopClient::new("client", Algorithm::Es256)
}

fn world() -> Deployment {
    world_with(|_| ())
}

/// A deployment that can refuse for every reason there is.
fn world_with(edit: impl FnOnce(&mut Value)) -> Deployment {
    let mut world = Deployment::with(|config| {
        config["issuers"][0]["tenant"] = json!("north");
        config["issuers"][0]["proof"] = json!(["certificate", "dpop"]);
        config["client_certificate"] = json!({
            "required": false,
            "clients": [{"client_id": "pinned", "certificates": [{"thumbprint": "0".repeat(64)}]}],
        });
        config["dpop"] = json!({ "quarantine": "1m" });
        config["revocation"] = json!([{"uri": "http://as/revoked", "cluster": "as"}]);
        config["step_up"] = json!([{"name": "fresh", "types": ["Encounter"], "max_age": "2m"}]);
        edit(config);
    });
    assert!(world.tick(T), "the list is to be fetched");
    let list = json!({"revoked": [{"issuer": AS, "jti": "revoked"}]}).to_string();
    assert_eq!(world.fetched(Some((200, list.as_bytes())), T), Ok(()));
    world
}

/// The claims of a good token.
fn good(world: &Deployment) -> Claims {
    world.claims().jti("t1").expires_at(NOW + 3600)
}

/// The same for the client with the key.
fn keyed(world: &Deployment) -> Claims {
    good(world).claim("cnf", client().confirmation())
}

fn bearer(world: &Deployment, claims: &Claims) -> Vec<Pair> {
    world.head_with(&world.token(claims), READ, &[])
}

/// A request with the scheme `DPoP` and this proof.
fn proven(world: &Deployment, claims: &Claims, proof: impl Fn(DpopProof) -> String) -> Vec<Pair> {
    let token = world.token(claims);
    let made = DpopProof::new("GET", "https://fhir.example.org/r4/Patient/p1", &token, NOW);
    world.head_as(&format!("DPoP {token}"), READ, &[("dpop", &proof(made))])
}

/// What becomes of this request.
fn record(world: &mut Deployment, head: Vec<Pair>) -> Value {
    let mut exchange = Exchange::default();
    let step = world.ask_at(&mut exchange, head, true, T);
    assert!(!matches!(step, Step::Wait), "{step:?}");
    world.record(&mut exchange)
}

fn check_record(name: &str, record: &Value, rule: &str, client: Option<&str>) {
    let found = record["rule"].as_str().unwrap_or_default();
    assert!(found.starts_with(rule), "{name}: {record}");
    assert_eq!(record["outcome"], "refused", "{name}");
    let expected = match client {
        Some(client) => json!(["north", AS, client, "practitioner-1"]),
        None => json!([null, null, null, null]),
    };
    let keys = ["tenant", "issuer", "client", "subject"];
    let found: Vec<&Value> = keys.iter().map(|key| &record[*key]).collect();
    assert_eq!(json!(found), expected, "{name}: {record}");
    assert!(!record.to_string().contains("eyJ"), "{name}: {record}");
}

/// A request is refused, and so is the same again, when the token may be remembered; the token is named
/// with this client.
fn check(name: &str, head: impl Fn(&Deployment) -> Vec<Pair>, rule: &str, client: Option<&str>) {
    let mut world = world();
    let head = head(&world);
    for name in [name, &format!("{name}, again")] {
        let record = record(&mut world, head.clone());
        check_record(name, &record, rule, client);
        let shown = &world.certificate.thumbprint_hex;
        assert_eq!(record["certificate"], *shown, "{name}");
    }
}

const OWN: Option<&str> = Some("clinic-a");

#[test]
fn a_token_that_holds_is_named_and_no_other_is() {
    let with = |edit: &'static dyn Fn(Claims) -> Claims| {
        move |world: &Deployment| bearer(world, &edit(good(world)))
    };
    let thief =
        |world: &Deployment| bearer(world, &good(world).bound_to(&Pki::new().client("clinic-b")));
    check("another certificate", thief, "token.binding", OWN);
    check(
        "no binding",
        with(&|good| good.without("cnf")),
        "token.binding",
        OWN,
    );
    let other_scheme = |world: &Deployment| bearer(world, &keyed(world));
    check("another scheme", other_scheme, "token.binding", OWN);
    let pinned = with(&|good| good.client_id("pinned"));
    check("another client's pin", pinned, "token.pin", Some("pinned"));
    check(
        "revoked",
        with(&|good| good.jti("revoked")),
        "token.revoked",
        OWN,
    );
    check("no scope", with(&|good| good.scope("openid")), "scope", OWN);
    let login = |world: &Deployment| {
        let token = world.token(&good(world).scope("system/*.rs"));
        world.head_with(&token, "GET /r4/Encounter/e1", &[])
    };
    check("a login", login, "step-up.fresh", OWN);
    // Nobody knows whose these are.
    let forged = |world: &Deployment| {
        let token = world.token(&good(world));
        let (signed, _) = token.rsplit_once('.').expect("three parts");
        world.head_with(&format!("{signed}.{}", "A".repeat(86)), READ, &[])
    };
    check("a wrong signature", forged, "token.signature", None);
    let impostor = |world: &Deployment| {
        world.head_with(&world.issuer.impostor().token(&good(world)), READ, &[])
    };
    check("an impostor", impostor, "token.", None);
    let elsewhere = with(&|good| good.audience("https://x.example.org"));
    check("for somebody else", elsewhere, "token.audience", None);
    check(
        "expired",
        with(&|good| good.expires_at(NOW - 60)),
        "token.expired",
        None,
    );
    check(
        "early",
        with(&|good| good.claim("nbf", json!(NOW + 60))),
        "token.not-yet",
        None,
    );
    check(
        "a claim too few",
        with(&|good| good.without("scope")),
        "token.claims",
        None,
    );
    let rubbish = |world: &Deployment| world.head_with("a.b.c", READ, &[]);
    check("rubbish", rubbish, "token.malformed", None);
    let none = |world: &Deployment| world.head_as("Basic abc", READ, &[]);
    check("no token", none, "credentials.missing", None);
}

#[test]
fn a_token_whose_proof_does_not_hold_is_named() {
    let missing = |world: &Deployment| {
        let token = world.token(&keyed(world));
        world.head_as(&format!("DPoP {token}"), READ, &[])
    };
    check("no proof", missing, "dpop.missing", OWN);
    let with = |edit: &'static dyn Fn(DpopProof) -> String| {
        move |world: &Deployment| proven(world, &keyed(world), edit)
    };
    let altered = with(&|made| client().sign(&made.flipped_bit(9)));
    check("an altered proof", altered, "dpop.signature", OWN);
    let other = with(&|made| DpopClient::new("thief", Algorithm::Es256).sign(&made));
    check("another key", other, "token.binding", OWN);
    let elsewhere = with(&|made| client().sign(&made.claim("htu", json!("https://x/"))));
    check("for something else", elsewhere, "dpop.htu", OWN);
    let by_certificate =
        |world: &Deployment| proven(world, &good(world), |made| client().sign(&made));
    check("of another scheme", by_certificate, "token.binding", OWN);
    // Used, used again, and shut out.
    let mut world = world();
    let own = |made: DpopProof| client().sign(&made);
    let head = proven(&world, &keyed(&world), own);
    let found = record(&mut world, head.clone());
    assert_eq!(found["rule"], "scope:patient/*.rs");
    check_record(
        "used",
        &record(&mut world, head.clone()),
        "dpop.replay",
        OWN,
    );
    check_record("out", &record(&mut world, head), "token.quarantined", OWN);
    let mut world = self::world();
    let head = proven(&world, &keyed(&world), own);
    let found = record(&mut world, head.clone());
    assert_eq!(found["rule"], "scope:patient/*.rs");
    world.damage("fhir-guard.proof.v1.");
    let found = record(&mut world, head);
    check_record("not known", &found, "dpop.replay-table", OWN);
    let mut world = world_with(|config| {
        config["dpop"] = json!({ "nonce": "required" });
        config["secrets"] = json!({ "nonce_key": { "env": "KEY" } });
    });
    let head = proven(&world, &keyed(&world), own);
    check_record("no nonce", &record(&mut world, head), "dpop.nonce", OWN);
}

#[test]
fn a_token_that_its_issuer_takes_back_is_named_where_it_says_whose_it_is() {
    for (kind, token, client) in [("jwt", None, OWN), ("opaque", Some("2YotnFZFEjr1"), None)] {
        for (answer, rule) in [
            (Some((200, &b"{\"active\":false}"[..])), "token.inactive"),
            (None, "unavailable.introspection"),
        ] {
            let mut world = world_with(|config| {
                config["issuers"][0]["introspection"] =
                    json!({"uri": "http://as/introspect", "cluster": "as", "tokens": [kind]});
            });
            let own = world.token(&good(&world));
            let mut exchange = Exchange::default();
            let head = world.head_with(token.unwrap_or(&own), READ, &[]);
            assert_eq!(world.ask_at(&mut exchange, head, true, T), Step::Wait);
            let (question, _) = world.guard.question().expect("a question");
            let _ = world.guard.answer(&question, answer, T + SECOND / 2);
            let step = world.wake(&mut exchange, T + SECOND / 2);
            assert!(matches!(step, Step::Reply(_)), "{kind}: {step:?}");
            check_record(kind, &world.record(&mut exchange), rule, client);
        }
    }
    // An opaque token that is active, and another's.
    let mut world = world_with(|config| {
        config["issuers"][0]["introspection"] = json!({"uri": "http://as/i", "cluster": "as"});
    });
    let mut exchange = Exchange::default();
    let head = world.head_with("2YotnFZFEjr1", READ, &[]);
    assert_eq!(world.ask_at(&mut exchange, head, true, T), Step::Wait);
    let (question, _) = world.guard.question().expect("a question");
    let said = json!({"active": true, "client_id": "clinic-a", "sub": "practitioner-1",
        "scope": "patient/*.rs", "patient": "p1", "exp": NOW + 600,
        "aud": "https://fhir.example.org", "cnf": {"x5t#S256": "A".repeat(43)}});
    let answer = Some((200, said.to_string().into_bytes()));
    let answer = answer
        .as_ref()
        .map(|(status, body)| (*status, body.as_slice()));
    assert_eq!(world.guard.answer(&question, answer, T), Ok(()));
    let step = world.wake(&mut exchange, T);
    assert!(matches!(step, Step::Reply(_)), "{step:?}");
    check_record("opaque", &world.record(&mut exchange), "token.binding", OWN);
}

#[test]
fn a_remembered_token_is_not_named_any_more_when_it_has_expired() {
    let mut world = world();
    let head = bearer(&world, &good(&world).expires_at(NOW + 60));
    assert_eq!(record(&mut world, head.clone())["client"], "clinic-a");
    let mut exchange = Exchange::default();
    let step = world.ask_at(&mut exchange, head, true, T + 91 * SECOND);
    assert!(matches!(step, Step::Reply(_)), "{step:?}");
    check_record(
        "expired",
        &world.record(&mut exchange),
        "token.expired",
        None,
    );
}
