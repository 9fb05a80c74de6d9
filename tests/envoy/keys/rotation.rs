//! Keys that change while requests come.

use fhir_guard_harness::tokens::Algorithm;

use super::*;

/// The least time between two fetches that tokens bring about: the time of an answer and a second.
const PAUSE: Duration = Duration::from_millis(1500);

fn set(keys: &[Value]) -> Answer {
    Answer::Json(json!({ "keys": keys }))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_valid_token_is_refused_and_no_retired_key_outlives_the_refresh() {
    let times = json!({"refresh": "10s", "cooldown": "1s", "timeout": "500ms"});
    let (old, new) = (issuer(), issuer().rotated());
    let (old_key, new_key) = (old.jwk(Algorithm::Es256), new.jwk(Algorithm::Es256));
    let (world, server) = world(times, set(std::slice::from_ref(&old_key))).await;
    let claims = || world.claims().scope("patient/*.rs");
    let (old_token, new_token) = (old.token(&claims()), new.token(&claims()));
    assert_eq!(read(&world, &old_token).await.status, 200, "cold");
    assert_eq!(read(&world, &old.token(&claims())).await.status, 200);

    // The new key is published beside the old one, and used at once.
    server.answer(JWKS, set(&[old_key, new_key.clone()]));
    let mut reads = 0;
    for round in 0..40 {
        let fresh = new.token(&claims().jti(&format!("n{round}")));
        let all = [&old_token, &new_token, &fresh];
        let answers = all.map(|token| read(&world, token));
        let [one, two, three] = answers;
        let (one, two, three) = tokio::join!(one, two, three);
        for answer in [one, two, three] {
            assert_eq!(answer.status, 200, "round {round}: {}", answer.text());
            reads += 1;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let asked = server.asked(JWKS).len();
    assert!(asked <= 4, "{asked} fetches for {reads} requests");

    // The old one is withdrawn. Nobody tells the filter.
    server.answer(JWKS, set(&[new_key]));
    let withdrawn = Instant::now();
    let refused = loop {
        let (old, new) = tokio::join!(read(&world, &old_token), read(&world, &new_token));
        assert_eq!(new.status, 200, "{}", new.text());
        if old.status != 200 {
            break old;
        }
        assert!(
            withdrawn.elapsed() < Duration::from_secs(12),
            "it is used for ever"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(refused.status, 401, "{}", refused.text());
    // And on every worker, for good.
    for _ in 0..12 {
        let (old, new) = tokio::join!(read(&world, &old_token), read(&world, &new_token));
        assert_eq!((old.status, new.status), (401, 200));
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tokens_of_an_unknown_key_bring_about_one_fetch() {
    let times = json!({"refresh": "5m", "cooldown": "1s", "timeout": "500ms"});
    let (world, server) = world(times, Answer::Json(issuer().jwks())).await;
    let good = world.token("patient/*.rs");
    assert_eq!(read(&world, &good).await.status, 200);
    tokio::time::sleep(PAUSE).await;
    let before = server.asked(JWKS).len();
    let began = Instant::now();
    let tokens: Vec<String> = (0..24)
        .map(|number| {
            let claims = world
                .claims()
                .header("kid", json!(format!("nobody-{number}")));
            world.issuer.token(&claims)
        })
        .collect();
    let reads = tokens.iter().map(|token| read(&world, token));
    for answer in futures_all(reads).await {
        assert_eq!(answer.status, 401, "{}", answer.text());
    }
    let elapsed = began.elapsed();
    let asked = server.asked(JWKS).len() - before;
    let most = 1 + elapsed.as_millis() / PAUSE.as_millis();
    assert!(
        asked >= 1 && asked as u128 <= most,
        "{asked} fetches in {elapsed:?}"
    );
    // One that was absent is refused at once where it was, and traffic goes on.
    for _ in 0..6 {
        assert_eq!(read(&world, &good).await.status, 200);
        assert_eq!(read(&world, &tokens[0]).await.status, 401);
    }
    for record in world.records().await {
        let rule = record["rule"].as_str().unwrap_or_default();
        let refused = record["status"] == 401;
        assert_eq!(refused, rule.starts_with("token.key"), "{record}");
    }
    world.close().await;
}

/// All of them at once.
async fn futures_all<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = all.iter().map(|_| None).collect();
    std::future::poll_fn(move |context| {
        let mut waits = false;
        for (future, done) in all.iter_mut().zip(&mut done) {
            if done.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *done = Some(value),
                    std::task::Poll::Pending => waits = true,
                }
            }
        }
        match waits {
            true => std::task::Poll::Pending,
            false => std::task::Poll::Ready(done.iter_mut().filter_map(Option::take).collect()),
        }
    })
    .await
}
