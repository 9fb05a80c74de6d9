//! A key server in every bad state, at the beginning and later.

use fhir_guard_harness::envoy::free_port;

use super::*;

/// A name, and what the server of that issuer does while it is bad.
type State = (&'static str, fn() -> Answer);

const STATES: [State; 6] = [
    ("slow", || {
        Answer::After(Duration::from_secs(20), Box::new(Answer::Status(200)))
    }),
    ("closing", || Answer::Close),
    ("garbage", || Answer::Bytes(b"<html>\xff".to_vec())),
    ("status 500", || Answer::Status(500)),
    ("20 MB", || Answer::Bytes(vec![b' '; 20_000_000])),
    ("no keys", || Answer::Json(json!({"keys": []}))),
];

fn issuer_of(name: &str) -> String {
    format!("https://{}.example.org", name.replace(' ', "-"))
}

fn path_of(name: &str) -> String {
    format!("/{}", name.replace(' ', "-"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_key_server_closes_and_recovers_by_itself() {
    let server = AuthorizationServer::start().await;
    let port = server.address().port();
    let dead = free_port().expect("a free port");
    let setting = Setting {
        policy: Some(Box::new(move |policy| {
            let model = policy["issuers"][0].clone();
            let issuer = |name: &str, cluster: &str, port: u16| {
                let mut issuer = model.clone();
                issuer["issuer"] = json!(issuer_of(name));
                issuer["tenant"] = json!(name.replace(' ', "-"));
                issuer["keys"] = json!({
                    "uri": format!("http://127.0.0.1:{port}{}", path_of(name)),
                    "cluster": cluster, "refresh": "10s", "timeout": "1s",
                });
                issuer
            };
            let mut issuers: Vec<Value> = STATES
                .iter()
                .map(|(name, _)| issuer(name, "authorization_server", port))
                .collect();
            issuers.push(issuer("dead", "dead_server", dead));
            policy["issuers"] = json!(issuers);
            policy["limits"] = json!([]);
        })),
        envoy: Some(Box::new(move |config| {
            authorization_server(config, "authorization_server", port);
            authorization_server(config, "dead_server", dead);
        })),
        ..Setting::default()
    };
    for (name, bad) in STATES {
        server.answer(&path_of(name), bad());
    }
    let world = World::with(setting).await;
    let names: Vec<&str> = STATES
        .iter()
        .map(|(name, _)| *name)
        .chain(["dead"])
        .collect();
    let token = |name: &str| {
        let claims = world.claims().scope("patient/*.rs");
        world
            .issuer
            .token(&claims.claim("iss", json!(issuer_of(name))))
    };

    // Cold: a clear no, within the time that a request waits.
    for name in &names {
        for _ in 0..2 {
            let began = Instant::now();
            let answer = read(&world, &token(name)).await;
            check_unavailable(name, &answer);
            assert!(
                began.elapsed() < Duration::from_secs(5),
                "{name}: {:?}",
                began.elapsed()
            );
        }
    }
    for record in world.records().await {
        assert_eq!(record["rule"], "unavailable.keys", "{record}");
    }

    // It is well again: nobody has to do anything.
    for (name, _) in STATES {
        server.answer(&path_of(name), Answer::Json(world.issuer.jwks()));
    }
    let revived = AuthorizationServer::start_on(dead).await;
    revived.answer(&path_of("dead"), Answer::Json(world.issuer.jwks()));
    let well = Instant::now();
    for name in &names {
        while read(&world, &token(name)).await.status != 200 {
            assert!(
                well.elapsed() < Duration::from_secs(8),
                "{name}: it does not recover"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    // And bad again: keys that are fresh are used on, over a refresh that fails.
    for (name, bad) in STATES {
        server.answer(&path_of(name), bad());
    }
    drop(revived);
    let before: Vec<usize> = STATES
        .iter()
        .map(|(name, _)| server.asked(&path_of(name)).len())
        .collect();
    let bad = Instant::now();
    while bad.elapsed() < Duration::from_secs(12) {
        for name in &names {
            let answer = read(&world, &token(name)).await;
            assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for ((name, _), before) in STATES.iter().zip(before) {
        let asked = server.asked(&path_of(name)).len() - before;
        // Closed without a word, Envoy may ask once more by itself.
        assert!((1..=4).contains(&asked), "{name}: {asked} times");
    }
    let log = world.envoy.log();
    for said in [
        "found status 504, expected 200",
        "found text that is not one well-formed JSON object",
        "found status 500, expected 200",
        "found more than 262144 bytes",
        "found something else than a JWK set with a public key",
        "found status 503, expected 200",
    ] {
        assert!(log.contains(said), "the log says: {said}");
    }
    assert!(!log.contains("eyJ"), "no token in the log");
    world.close().await;
}
