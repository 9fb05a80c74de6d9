//! Budgets of patients, across the workers: whoever reads one after the other is stopped.

use fhir_guard_harness::client::{Request, Version};
use serde_json::json;

use crate::table::{THROTTLED, faults};
use crate::world::{Setting, World};

#[tokio::test(flavor = "multi_thread")]
async fn no_more_patients_than_the_budget_over_reads_and_pages() {
    let world = World::shared(Setting {
        policy: Some(Box::new(|policy| {
            policy["redaction"] = json!([]);
            policy["fhir"]["bundles"] = json!({"types": ["batch"]});
            policy["limits"] = json!([{"name": "people", "key": ["client", "subject"], "patients": 12, "window": "744h"}]);
        })),
        ..Setting::default()
    })
    .await;
    for at in 0..30 {
        let patient = json!({"resourceType": "Patient", "id": format!("budget-{at}")});
        world.put(&patient).await;
        let resource = json!({
            "resourceType": "Observation", "id": format!("budget-{at}"), "status": "final",
            "code": {"coding": [{"system": "http://budget", "code": "x"}], "text": "x".repeat(20_000)},
            "subject": {"reference": format!("Patient/budget-{at}")},
        });
        world.put(&resource).await;
    }
    for version in [Version::Http2, Version::Http1] {
        let name = format!("{version:?}").to_lowercase();
        let certificate = world.pki.client(&name);
        let claims = world.claims().bound_to(&certificate).client_id(&name);
        let claims = claims.scope("user/*.rs").fhir_user("Practitioner/7");
        let token = world.issuer.token(&claims);
        // Each on a connection of its own: both workers have some.
        let client = world.client_of(Some(&certificate), version, "secure");
        let read = |id: String| Request::get(&format!("/r4/Patient/{id}")).bearer(&token);
        for (at, left) in [(0, 12), (1, 11), (0, 10), (1, 10), (2, 10), (3, 9)] {
            let answer = world.send(&client, read(format!("budget-{at}"))).await;
            let field = answer.header("ratelimit").unwrap_or_default();
            assert_eq!(answer.status, 200, "{field}");
            assert!(
                field.starts_with(&format!("\"people\";r={left};")),
                "{at}: {field}"
            );
        }
        // A Bundle of reads, of which one is known.
        let get =
            |at: u32| json!({"request": {"method": "GET", "url": format!("Patient/budget-{at}")}});
        let batch =
            json!({"resourceType": "Bundle", "type": "batch", "entry": [get(3), get(4), get(5)]});
        let request = Request::new("POST", "/r4").bearer(&token);
        let request = request.body("application/fhir+json", batch.to_string());
        assert_eq!(world.send(&client, request).await.status, 200);
        // A page with ten more, that is streamed: it goes beyond what is left, and is the last.
        let search = "/r4/Observation?code=http://budget%7Cx&_count=30";
        let answer = world
            .send(&client, Request::get(search).bearer(&token))
            .await;
        let field = answer.header("ratelimit").unwrap_or_default();
        assert_eq!(answer.status, 200, "{field}");
        assert!(field.starts_with("\"people\";r=6;"), "{field}");
        for path in ["/r4/Patient/budget-0", search, "/r4/Organization/any"] {
            let answer = world.send(&client, Request::get(path).bearer(&token)).await;
            let faults = faults(&answer, THROTTLED, true);
            assert!(faults.is_empty(), "{path}: {faults:?}");
            let after = answer
                .header("retry-after")
                .and_then(|after| after.parse().ok());
            let window = 744 * 3600;
            let until = window - crate::world::now() % window;
            let after: u64 = after.expect("seconds to wait");
            assert!(until.abs_diff(after) <= 5, "{after}, expected {until}");
            let policy = answer.header("ratelimit-policy");
            assert_eq!(
                policy.as_deref(),
                Some("\"people\";q=12;qu=\"patients\";w=2678400")
            );
        }
    }
    world.close().await;
}
