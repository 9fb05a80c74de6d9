//! RFC 9449: a token is worth something only with a proof of its own key, for this request, used once.

use fhir_guard_harness::client::{Client, Request, Version};
use fhir_guard_harness::tokens::{Algorithm, DpopClient, DpopProof};
use serde_json::{Value, json};

use crate::table::{FORGED, Refusal, Table};
use crate::world::{BASE, Setting, World, now};

const METADATA: &str =
    r#"resource_metadata="https://fhir.example.org/.well-known/oauth-protected-resource/r4""#;
const ALGS: &str = r#"algs="RS256 RS384 RS512 ES256 ES384 ES512 PS256 PS384 PS512 EdDSA""#;

/// Enough new connections that both workers have had some: the kernel spreads them.
const BOTH_WORKERS: usize = 24;

const fn refusal(challenge: &'static str) -> Refusal {
    Refusal {
        status: 401,
        code: "login",
        challenge: Some(challenge),
    }
}

const NO_CREDENTIALS: Refusal = refusal(
    r#"Bearer realm="fhir", resource_metadata="https://fhir.example.org/.well-known/oauth-protected-resource/r4", DPoP algs="RS256 RS384 RS512 ES256 ES384 ES512 PS256 PS384 PS512 EdDSA""#,
);
const BAD_PROOF: Refusal = refusal(
    r#"DPoP error="invalid_dpop_proof", algs="RS256 RS384 RS512 ES256 ES384 ES512 PS256 PS384 PS512 EdDSA", resource_metadata="https://fhir.example.org/.well-known/oauth-protected-resource/r4""#,
);
const BAD_TOKEN: Refusal = refusal(
    r#"DPoP error="invalid_token", algs="RS256 RS384 RS512 ES256 ES384 ES512 PS256 PS384 PS512 EdDSA", resource_metadata="https://fhir.example.org/.well-known/oauth-protected-resource/r4""#,
);

/// A client with its key, and a token for it.
struct Caller {
    key: DpopClient,
    token: String,
}

impl Caller {
    fn new(world: &World, algorithm: Algorithm) -> Caller {
        let key = DpopClient::new("dpop client", algorithm);
        let confirmation = key.confirmation();
        Caller::confirmed(world, key, confirmation)
    }

    fn confirmed(world: &World, key: DpopClient, confirmation: Value) -> Caller {
        let claims = world.claims().scope("patient/*.rs");
        let token = world.issuer.token(&claims.claim("cnf", confirmation));
        Caller { key, token }
    }

    fn proof(&self) -> DpopProof {
        let uri = format!("{BASE}/Patient/p1");
        DpopProof::new("GET", &uri, &self.token, now())
    }

    fn request(&self, proof: &DpopProof) -> Request {
        self.bare().header("dpop", self.key.sign(proof))
    }

    fn bare(&self) -> Request {
        let credentials = format!("DPoP {}", self.token);
        Request::get("/r4/Patient/p1").header("authorization", credentials)
    }
}

/// A deployment that takes DPoP and certificates, where a certificate is required or not.
async fn world(required: bool, nonce: bool) -> World {
    World::with(Setting {
        policy: Some(Box::new(move |policy| {
            policy["issuers"][0]["proof"] = json!(["certificate", "dpop"]);
            policy["client_certificate"]["required"] = json!(required);
            if nonce {
                policy["dpop"] = json!({ "nonce": "required" });
                policy["secrets"] = json!({ "nonce_key": { "env": "FHIR_GUARD_NONCE_KEY" } });
            }
        })),
        envoy: Some(Box::new(|config| {
            let variables = json!({ "key_values": { "FHIR_GUARD_NONCE_KEY": "5a".repeat(32) } });
            set_environment(config, &variables);
        })),
        ..Setting::default()
    })
    .await
}

/// The environment of every virtual machine.
fn set_environment(config: &mut Value, variables: &Value) {
    match config {
        Value::Object(members) => {
            if let Some(vm) = members.get_mut("vm_config") {
                vm["environment_variables"] = variables.clone();
            }
            for member in members.values_mut() {
                set_environment(member, variables);
            }
        }
        Value::Array(items) => {
            for item in items {
                set_environment(item, variables);
            }
        }
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_for_one_request_and_one_use() {
    let world = world(false, false).await;
    let mut table = Table::new(&world);
    let client = world.client_of(None, Version::Http2, "open").reuse(true);
    for algorithm in Algorithm::ALL {
        let caller = Caller::new(&world, algorithm);
        let name = algorithm.name();
        let request = caller.request(&caller.proof());
        table.answered(name, &client, request.clone(), 200).await;
        let name = format!("{name} again");
        table
            .refused(&name, &client, request, BAD_PROOF, "dpop.replay")
            .await;
        let wrong = caller.request(&caller.proof().flipped_bit(77));
        let name = format!("{name}, altered");
        table
            .refused(&name, &client, wrong, BAD_PROOF, "dpop.signature")
            .await;
    }
    faults(&mut table, &client).await;
    schemes(&mut table, &client).await;
    replays(&mut table).await;
    table.finish().await;
    world.close().await;
}

/// What a proof says that is not so.
async fn faults(table: &mut Table<'_>, client: &Client) {
    let caller = Caller::new(table.world, Algorithm::Es256);
    let good = || caller.proof();
    let hash = DpopProof::new("GET", BASE, "another token", now()).claims()["ath"].clone();
    let other_place = "https://evil.example.org/r4/Patient/p1";
    for (name, proof, rule) in [
        ("another method", good().claim("htm", json!("POST")), "htm"),
        ("no method", good().without("htm"), "htm"),
        (
            "another host",
            good().claim("htu", json!(other_place)),
            "htu",
        ),
        (
            "another path",
            good().claim("htu", json!(format!("{BASE}/Patient/p2"))),
            "htu",
        ),
        ("no place", good().without("htu"), "htu"),
        ("old", good().claim("iat", json!(now() - 75)), "iat"),
        ("early", good().claim("iat", json!(now() + 15)), "iat"),
        ("no time", good().without("iat"), "iat"),
        ("another token's", good().claim("ath", hash), "ath"),
        ("no token", good().without("ath"), "ath"),
        ("no id", good().without("jti"), "jti"),
        (
            "a long id",
            good().claim("jti", json!("x".repeat(257))),
            "jti",
        ),
        ("another type", good().header("typ", json!("jwt")), "type"),
        (
            "no algorithm",
            good().header("alg", json!("none")),
            "algorithm",
        ),
        ("no key", good().without("jwk"), "key"),
        (
            "a secret key",
            good().header("jwk", secret(&caller.key)),
            "key",
        ),
        ("critical", good().header("crit", json!(["exp"])), "header"),
        ("no JSON", good().raw_claims(b"x"), "malformed"),
        ("long", good().claim("pad", json!("x".repeat(4096))), "size"),
    ] {
        let rule = format!("dpop.{rule}");
        let request = caller.request(&proof);
        table.refused(name, client, request, BAD_PROOF, &rule).await;
    }
    table
        .refused("none", client, caller.bare(), BAD_PROOF, "dpop.missing")
        .await;
    let (one, two) = (caller.key.sign(&good()), caller.key.sign(&good()));
    let both = caller
        .bare()
        .header("dpop", one.clone())
        .header("dpop", two.clone());
    table
        .refused("two", client, both, BAD_PROOF, "dpop.doubled")
        .await;
    let joined = caller.bare().header("dpop", format!("{one}, {two}"));
    table
        .refused("joined", client, joined, BAD_PROOF, "dpop.doubled")
        .await;
    let request = caller.bare().header("dpop", one);
    table.answered("one of them", client, request, 200).await;
    // The same place in another form, and the query does not matter.
    let uri = "HTTPS://FHIR.EXAMPLE.ORG:443/r4/./x/../%50atient/p1?_format=json#x";
    let request = caller.request(&good().claim("htu", json!(uri)));
    table.answered("another form", client, request, 200).await;
    // Where the request says that it goes is not asked.
    let evil = table
        .world
        .client_of(None, Version::Http1, "open")
        .authority("evil.example.org");
    let request = caller.request(&good());
    table
        .answered("another host named", &evil, request, 200)
        .await;
    let request = caller.request(&good().claim("htu", json!(other_place)));
    table
        .refused("and proven", &evil, request, BAD_PROOF, "dpop.htu")
        .await;
    let mut head = caller.request(&DpopProof::new(
        "HEAD",
        &format!("{BASE}/Patient/p1"),
        &caller.token,
        now(),
    ));
    head.method = "HEAD".to_owned();
    table.answered("HEAD", client, head, 200).await;
}

/// A token under the wrong scheme, and of two confirmations.
async fn schemes(table: &mut Table<'_>, client: &Client) {
    let world = table.world;
    let caller = Caller::new(world, Algorithm::EdDsa);
    let request = Request::get("/r4/Patient/p1").bearer(&caller.token);
    let proof = caller.key.sign(&caller.proof());
    table
        .refused("Bearer", client, request.clone(), FORGED, "token.binding")
        .await;
    let request = request.header("dpop", proof.clone());
    table
        .refused(
            "Bearer with proof",
            client,
            request,
            FORGED,
            "token.binding",
        )
        .await;
    let request = Request::get("/r4/Patient/p1").header("dpop", proof);
    table
        .refused(
            "no token",
            client,
            request,
            NO_CREDENTIALS,
            "credentials.missing",
        )
        .await;
    let other = DpopClient::new("somebody else", Algorithm::EdDsa);
    let request = caller.bare().header("dpop", other.sign(&caller.proof()));
    table
        .refused("another key", client, request, BAD_TOKEN, "token.binding")
        .await;
    // Bound to a certificate alone, and to both.
    let (own, stranger) = (world.pki.client("clinic-a"), world.pki.client("clinic-b"));
    let by_certificate = json!({ "x5t#S256": own.thumbprint_sha256_base64url });
    let by_both = json!({
        "x5t#S256": own.thumbprint_sha256_base64url,
        "jkt": caller.key.thumbprint(),
    });
    let certificate = Caller::confirmed(world, caller.key.clone(), by_certificate);
    let both = Caller::confirmed(world, caller.key.clone(), by_both);
    for (name, shown) in [
        ("own", Some(&own)),
        ("none", None),
        ("another", Some(&stranger)),
    ] {
        let connection = world.client_of(shown, Version::Http2, "open");
        let row = |what: &str| format!("{what}, certificate: {name}");
        let request = certificate.request(&certificate.proof());
        table
            .refused(
                &row("certificate, DPoP"),
                &connection,
                request,
                BAD_TOKEN,
                "token.binding",
            )
            .await;
        let request = both.request(&both.proof());
        let bearer = Request::get("/r4/Patient/p1").bearer(&both.token);
        if name == "own" {
            table
                .answered(&row("both"), &connection, request, 200)
                .await;
            let request = Request::get("/r4/Patient/p1").bearer(&certificate.token);
            table
                .answered(&row("certificate"), &connection, request, 200)
                .await;
        } else {
            table
                .refused(
                    &row("both"),
                    &connection,
                    request,
                    BAD_TOKEN,
                    "token.binding",
                )
                .await;
        }
        table
            .refused(
                &row("both, Bearer"),
                &connection,
                bearer,
                FORGED,
                "token.binding",
            )
            .await;
    }
}

/// A proof that was seen, on other connections and so on the other worker.
async fn replays(table: &mut Table<'_>) {
    let world = table.world;
    let caller = Caller::new(world, Algorithm::Es256);
    let request = caller.request(&caller.proof());
    let client = world.client_of(None, Version::Http2, "open");
    table.answered("first", &client, request.clone(), 200).await;
    for number in 0..BOTH_WORKERS {
        let version = [Version::Http1, Version::Http2][number % 2];
        let client = world.client_of(None, version, "open");
        let name = format!("stolen, connection {number}");
        table
            .refused(&name, &client, request.clone(), BAD_PROOF, "dpop.replay")
            .await;
    }
    // All at once, on as many connections: one of them, whichever, is in.
    for round in 0..8 {
        let request = caller.request(&caller.proof());
        let tries = (0..8).map(|_| {
            let client = world.client_of(None, Version::Http2, "open");
            let request = request.clone();
            async move { client.send(request).await }
        });
        world.expect_records(8);
        let mut statuses = Vec::new();
        for answer in join(tries).await {
            statuses.push(answer.map_or(0, |answer| answer.status));
        }
        statuses.sort_unstable();
        assert_eq!(
            statuses,
            [200, 401, 401, 401, 401, 401, 401, 401],
            "round {round}"
        );
    }
}

/// All of these at the same time.
async fn join<F>(futures: impl Iterator<Item = F>) -> Vec<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let tasks: Vec<_> = futures.map(tokio::spawn).collect();
    let mut outputs = Vec::new();
    for task in tasks {
        outputs.push(task.await.expect("no panic"));
    }
    outputs
}

/// The key with a secret member.
fn secret(key: &DpopClient) -> Value {
    let mut jwk = key.jwk();
    jwk["d"] = json!("AQAB");
    jwk
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_is_fetched_and_used() {
    let world = world(true, true).await;
    let mut table = Table::new(&world);
    let caller = Caller::new(&world, Algorithm::Es256);
    let client = world.client().reuse(true);
    let needed = format!(r#"DPoP error="use_dpop_nonce", {ALGS}, {METADATA}"#);
    for (name, proof) in [
        ("none", caller.proof()),
        ("a stranger's", caller.proof().claim("nonce", json!("x"))),
    ] {
        world.expect_records(1);
        let answer = client
            .send(caller.request(&proof))
            .await
            .expect("an answer");
        assert_eq!(answer.status, 401, "{name}");
        assert_eq!(
            answer.header("www-authenticate"),
            Some(needed.clone()),
            "{name}"
        );
        let nonce = answer.header("dpop-nonce").expect("a nonce");
        let proof = caller.proof().claim("nonce", json!(nonce));
        // Both workers take it: it is known to neither.
        for number in 0..BOTH_WORKERS {
            let client = world.client();
            let name = format!("{name}, connection {number}");
            let proof = proof.clone().claim("jti", json!(name));
            table
                .answered(&name, &client, caller.request(&proof), 200)
                .await;
        }
    }
    // A certificate is asked for all the same.
    let bare = world.client_of(None, Version::Http2, "open");
    table
        .refused(
            "no certificate",
            &bare,
            caller.bare(),
            BAD_TOKEN,
            "token.certificate",
        )
        .await;
    table.finish().await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_for_nonces_that_is_not_there_is_a_mistake() {
    let error = World::refuses(Setting {
        policy: Some(Box::new(|policy| {
            policy["issuers"][0]["proof"] = json!(["dpop"]);
            policy["dpop"] = json!({ "nonce": "required" });
            policy["secrets"] = json!({ "nonce_key": { "env": "FHIR_GUARD_NONCE_KEY" } });
        })),
        ..Setting::default()
    })
    .await;
    let mistake = "/secrets/nonce_key/env: expected a variable of vm_config.environment_variables";
    assert!(error.contains(mistake), "{error}");
}
