//! Answers that neither the upstream nor a refusal of the proxy gave.

use fhir_guard_harness::client::{End, Request, Version};
use serde_json::json;

use crate::world::{Setting, World};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_route_answers_by_itself_is_not_passed() {
    let setting = Setting {
        envoy: Some(Box::new(|config| {
            let listeners = config["static_resources"]["listeners"]
                .as_array_mut()
                .expect("listeners");
            for listener in listeners {
                let manager =
                    &mut listener["filter_chains"][0]["filters"][0]["typed_config"]["route_config"];
                let routes = manager["virtual_hosts"][0]["routes"]
                    .as_array_mut()
                    .expect("routes");
                // Routes see the path that goes upstream.
                let own = json!({
                    "match": {"path": "/fhir/Patient/p1"},
                    "direct_response": {"status": 200, "body": {"inline_string": "{\"resourceType\":\"Patient\",\"id\":\"p1\"}"}},
                });
                routes.insert(0, own);
            }
        })),
        ..Setting::default()
    };
    let world = World::shared(setting).await;
    let certificate = world.pki.client("clinic-a");
    let token = world.token("patient/*.rs");
    for version in [Version::Http1, Version::Http2] {
        let client = world.client_of(Some(&certificate), version, "secure");
        world.expect_records(1);
        let answer = client
            .send(Request::get("/r4/Patient/p1").bearer(&token))
            .await;
        // Cut before its head, or behind it: nothing of the body in either case.
        if let Ok(answer) = answer {
            assert!(
                answer.body.is_empty() && answer.end != End::Complete,
                "{version:?}: {} {}",
                answer.status,
                answer.text()
            );
        }
    }
    let records = world.records().await;
    for record in &records {
        assert_eq!(record["outcome"], "cut", "{record}");
        assert_eq!(record["rule"], "answer.origin", "{record}");
    }
    world.close().await;
}
