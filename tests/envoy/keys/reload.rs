//! A listener that is replaced while requests wait.

use fhir_guard_harness::client::{Client, Version};

use super::*;
use crate::reload::Reload;

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_wait_outlive_a_reload_and_the_new_listener_has_the_keys() {
    // In a container there is no such file.
    let Some(reload) = Reload::new("keys") else {
        return;
    };
    let server = AuthorizationServer::start().await;
    let port = server.address().port();
    let into_file = reload.edit(|_| ());
    let setting = Setting {
        policy: Some(Box::new(move |policy| {
            policy["issuers"][0]["keys"] = json!({
                "uri": format!("http://127.0.0.1:{port}{JWKS}"),
                "cluster": "authorization_server", "timeout": "4s",
            });
            policy["limits"] = json!([]);
        })),
        envoy: Some(Box::new(move |config| {
            authorization_server(config, "authorization_server", port);
            into_file(config);
        })),
        ..Setting::default()
    };
    let jwks = Box::new(Answer::Json(issuer().jwks()));
    server.answer(JWKS, Answer::After(Duration::from_millis(2500), jwks));
    let world = World::with(setting).await;
    let client = |version| reload.client(&world, version);
    let token = world.token("patient/*.rs");
    let request = || Request::get("/r4/Patient/p1").bearer(&token);
    let clients: Vec<Client> = (0..8)
        .map(|number| client([Version::Http1, Version::Http2][number % 2]))
        .collect();
    let mut waiting = tokio::task::JoinSet::new();
    for client in clients {
        let request = request();
        waiting.spawn(async move { client.send(request).await });
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    reload.replace(&world).await;
    assert_eq!(waiting.len(), 8);
    assert!(waiting.try_join_next().is_none(), "they wait");
    let mut answered = 0;
    for _ in 0..8 {
        let answer = client(Version::Http1)
            .send(request())
            .await
            .expect("an answer");
        assert_eq!(answer.status, 200, "of the new listener: {}", answer.text());
        answered += 1;
    }
    while let Some(answer) = waiting.join_next().await {
        let answer = answer.expect("no panic").expect("an answer");
        assert_eq!(answer.status, 200, "of the old listener: {}", answer.text());
        answered += 1;
    }
    assert_eq!(answered, 16);
    assert!(
        server.asked(JWKS).len() <= 2,
        "the new one has its keys from the old one"
    );
    let log = world.envoy.log();
    assert!(!log.contains("panicked"), "the module panicked");
    for (name, value) in world.envoy.stats().await.expect("statistics") {
        assert!(
            !(name.contains("vm_reload") && value > 0),
            "{name} is {value}"
        );
    }
}
