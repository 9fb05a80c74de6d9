//! Subscriptions: what goes to the server, which sends by itself from then on.

use fhir_guard_harness::client::Request;
use serde_json::{Value, json};

use crate::table::{MALFORMED, NOT_SUPPORTED, Refusal, Table, refusal};
use crate::world::{Setting, World};

const FHIR: &str = "application/fhir+json";
const SCOPE: Refusal = refusal(
    403,
    "forbidden",
    Some(r#"Bearer realm="fhir", error="insufficient_scope", scope="user/Condition.s""#),
);

fn subscription(criteria: &str, endpoint: &str) -> Value {
    json!({"resourceType": "Subscription", "id": "s1", "status": "requested", "reason": "x",
        "criteria": criteria,
        "channel": {"type": "rest-hook", "endpoint": endpoint, "payload": "application/fhir+json"}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_goes_where_it_may_and_sends_what_its_writer_may_see() {
    let world = World::shared(Setting {
        policy: Some(Box::new(|policy| {
            policy["fhir"]["subscriptions"] =
                json!({"endpoints": ["https://hooks.example.org/fhir"]});
            policy["redaction"] = json!([]);
        })),
        ..Setting::default()
    })
    .await;
    let mut table = Table::new(&world);
    let client = world.client();
    let ask = |scope: &str, method: &str, path: &str| {
        let claims = world.claims().scope(scope);
        let token = claims.fhir_user("Practitioner/practitioner-1");
        Request::new(method, path).bearer(&world.issuer.token(&token))
    };
    let (good, own) = ("https://hooks.example.org/fhir/a", "Observation?code=x");
    let scope = "user/Subscription.cud user/Observation.rs";
    for (name, scope, criteria, endpoint, refused) in [
        ("its own", scope, own, good, None),
        (
            "elsewhere",
            scope,
            own,
            "https://hooks.example.org@evil.example.org/fhir",
            Some((MALFORMED, "request.malformed.subscription")),
        ),
        (
            "another type",
            scope,
            "Condition?code=x",
            good,
            Some((SCOPE, "scope")),
        ),
        (
            "a patient's",
            "patient/*.cruds",
            own,
            good,
            Some((NOT_SUPPORTED, "request.not-supported.type")),
        ),
    ] {
        world.fhir.forget_requests();
        let body = subscription(criteria, endpoint).to_string();
        let request = ask(scope, "PUT", "/r4/Subscription/s1").body(FHIR, body.clone());
        match refused {
            None => {
                table.answered(name, &client, request, 201).await;
                let sent = world.fhir.requests();
                if sent.len() != 1 || sent[0].body != body.as_bytes() {
                    table.fault(name, "another body went upstream");
                }
            }
            Some((refusal, rule)) => table.refused(name, &client, request, refusal, rule).await,
        }
    }
    let request = ask(scope, "DELETE", "/r4/Subscription/s1");
    table.answered("its deletion", &client, request, 204).await;
    table.finish().await;
    world.close().await;
}
