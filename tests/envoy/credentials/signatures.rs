//! Signatures, verified by Envoy's own library and by the filter's own code: the same tokens open.

use fhir_guard_harness::tokens::{Algorithm, Forgery};
use serde_json::json;

use super::tokens::Tokens;
use crate::table::Table;
use crate::world::{Setting, World};

/// Tokens of these algorithms, with Envoy's library or without; the log says which path it is.
async fn scenario(algorithms: Vec<Algorithm>, host: bool, said: &str) {
    let names: Vec<_> = algorithms
        .iter()
        .map(|algorithm| algorithm.name())
        .collect();
    let allowed = names.clone();
    let world = World::with(Setting {
        policy: Some(Box::new(move |policy| {
            policy["signatures"] = json!({ "host": host });
            policy["issuers"][0]["algorithms"] = json!(allowed);
            let keys = policy["issuers"][0]["keys"]["inline"]["keys"].as_array_mut();
            let keys = keys.expect("keys");
            keys.retain(|key| allowed.iter().any(|name| key["alg"] == *name));
        })),
        ..Setting::default()
    })
    .await;
    let line = format!("configured; signatures verified by Envoy: {said}\n");
    let log = world.envoy.log_with(&line).await;
    log.unwrap_or_else(|error| panic!("{error}"));
    let mut tokens = Tokens {
        table: Table::new(&world),
        client: world.client().reuse(true),
    };
    for algorithm in algorithms {
        let name = algorithm.name();
        for number in 0..8 {
            // Another signature each time: r and s of ECDSA differ in length in DER.
            let claims = tokens.claims().algorithm(algorithm);
            let claims = claims.jti(&format!("{name}-{number}"));
            tokens.good(name, claims.clone()).await;
            for forgery in [
                Forgery::FlippedBit(number),
                Forgery::FlippedBit(usize::MAX - number),
                Forgery::Truncated(number),
                Forgery::Bytes(vec![0; 64 + number]),
            ] {
                let name = format!("{name} {forgery:?}");
                tokens
                    .bad(&name, claims.clone().forged(forgery), "signature")
                    .await;
            }
        }
        let claims = tokens.claims().algorithm(algorithm);
        let impostor = world.issuer.impostor().token(&claims);
        let name = format!("{name} of an impostor");
        tokens.bad_text(&name, &impostor, "signature").await;
    }
    tokens.table.finish().await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_verifies_what_it_can() {
    let said = "RS256 RS384 RS512 ES256 ES384 ES512";
    scenario(Algorithm::ALL.to_vec(), true, said).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_code_verifies_everything() {
    scenario(Algorithm::ALL.to_vec(), false, "none").await;
}
