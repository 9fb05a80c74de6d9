//! The metadata of the protected resource, answered by the filter itself.

use fhir_guard_harness::client::{Request, Version};
use serde_json::{Value, json};

use crate::table::{METHOD, NO_CREDENTIALS, Table};
use crate::world::{Setting, World};

const PATHS: [&str; 2] = [
    "/.well-known/oauth-protected-resource/r4",
    "/r4/.well-known/oauth-protected-resource",
];

#[tokio::test(flavor = "multi_thread")]
async fn everybody_is_told_what_is_asked_for() {
    let world = World::shared(Setting::default()).await;
    let mut table = Table::new(&world);
    for version in [Version::Http1, Version::Http2] {
        let nobody = world.client_of(None, version, "open");
        for path in PATHS {
            let name = format!("GET {path} {version:?}");
            let answer = table
                .answered(&name, &nobody, Request::get(path), 200)
                .await;
            let answer = answer.expect("an answer");
            let field = |name: &str| answer.header(name);
            assert_eq!(field("content-type").as_deref(), Some("application/json"));
            assert_eq!(field("cache-control").as_deref(), Some("max-age=300"));
            assert_eq!(field("server"), None);
            assert!(field("traceparent").is_some(), "{name}");
            let expected = json!({
                "resource": "https://fhir.example.org/r4",
                "authorization_servers": ["https://as.example.org"],
                "bearer_methods_supported": ["header"],
                "tls_client_certificate_bound_access_tokens": true,
            });
            assert_eq!(answer.json().expect("JSON"), expected, "{name}");
            let name = format!("HEAD {path} {version:?}");
            let head = Request::new("HEAD", path);
            let answer = table.answered(&name, &nobody, head, 200).await;
            assert!(answer.expect("an answer").body.is_empty(), "{name}");
            let body = Request::new("POST", path).body("application/json", b"{}");
            table
                .refused(
                    &format!("POST {path} {version:?}"),
                    &nobody,
                    body,
                    METHOD,
                    "request.method",
                )
                .await;
        }
        // Where a caller is sent from here, the metadata stands.
        table
            .refused(
                "a challenge names it",
                &nobody,
                Request::get("/r4/Patient/p1"),
                NO_CREDENTIALS,
                "credentials.missing",
            )
            .await;
    }
    assert!(world.fhir.requests().is_empty(), "the server is not asked");
    table.finish().await;
    let records = world.records().await;
    let public: Vec<&Value> = records
        .iter()
        .filter(|record| record["rule"] == "public")
        .collect();
    assert_eq!(public.len(), 8, "each answer is recorded");
    world.close().await;
}
