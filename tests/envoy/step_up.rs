//! Requests that ask for a stronger or a fresher login.

use fhir_guard_harness::client::Request;
use serde_json::json;

use crate::table::{FORGED, Refusal, Table, refusal};
use crate::world::{Setting, World, now};

const WEAK: Refusal = refusal(
    401,
    "login",
    Some(
        r#"Bearer realm="fhir", error="insufficient_user_authentication", acr_values="urn:loa:3 urn:loa:2", resource_metadata="https://fhir.example.org/.well-known/oauth-protected-resource/r4""#,
    ),
);
const STALE: Refusal = refusal(
    401,
    "login",
    Some(
        r#"Bearer realm="fhir", error="insufficient_user_authentication", max_age="300", resource_metadata="https://fhir.example.org/.well-known/oauth-protected-resource/r4""#,
    ),
);

#[tokio::test(flavor = "multi_thread")]
async fn a_login_must_be_strong_and_fresh_enough() {
    let world = World::shared(Setting {
        policy: Some(Box::new(|policy| {
            policy["step_up"] = json!([
                {"name": "strong", "interactions": ["search-type"], "types": ["Observation"],
                    "acr": ["urn:loa:3", "urn:loa:2"], "amr": ["otp"]},
                {"name": "fresh", "types": ["Patient"], "max_age": "5m"},
            ]);
        })),
        ..Setting::default()
    })
    .await;
    let client = world.client();
    let mut table = Table::new(&world);
    let (read, search) = ("/r4/Patient/p1", "/r4/Observation?patient=p1");
    let fresh = world.claims().claim("auth_time", json!(now()));
    let strong = fresh
        .clone()
        .claim("acr", json!("urn:loa:2"))
        .claim("amr", json!(["pwd", "otp"]));
    for (name, path, claims, expected) in [
        ("strong", search, strong.clone(), None),
        (
            "weak",
            search,
            strong.clone().claim("acr", json!("urn:loa:1")),
            Some((WEAK, "step-up.strong")),
        ),
        (
            "one factor",
            search,
            strong.clone().claim("amr", json!(["pwd"])),
            Some((WEAK, "step-up.strong")),
        ),
        (
            "nothing said",
            search,
            world.claims(),
            Some((WEAK, "step-up.strong")),
        ),
        ("fresh, and not strong", read, fresh.clone(), None),
        (
            "stale",
            read,
            strong.clone().claim("auth_time", json!(now() - 340)),
            Some((STALE, "step-up.fresh")),
        ),
        (
            "in an hour",
            read,
            strong.clone().claim("auth_time", json!(now() + 3600)),
            Some((STALE, "step-up.fresh")),
        ),
        (
            "no time",
            read,
            world.claims(),
            Some((STALE, "step-up.fresh")),
        ),
        (
            "a forged login",
            read,
            fresh.claim("iss", json!("https://evil.example")),
            Some((FORGED, "token.issuer")),
        ),
    ] {
        let token = world.issuer.token(&claims);
        // Twice: the second time the token is remembered.
        for turn in ["new", "again"] {
            let name = format!("{name}, {turn}");
            let request = Request::get(path).bearer(&token);
            match expected {
                None => drop(table.answered(&name, &client, request, 200).await),
                Some((refusal, rule)) => {
                    table.refused(&name, &client, request, refusal, rule).await;
                }
            }
        }
    }
    table.finish().await;
    world.close().await;
}
