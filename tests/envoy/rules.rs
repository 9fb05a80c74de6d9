//! Rules with conditions, in a real Envoy: what the proxy tells about the connection reaches them.

use fhir_guard_harness::client::Request;
use serde_json::json;

use crate::table::{Refusal, Table, refusal};
use crate::world::{Setting, World};

const FORBIDDEN: Refusal = refusal(403, "forbidden", None);

#[tokio::test(flavor = "multi_thread")]
async fn rules_decide_by_purpose_role_and_network() {
    let world = World::shared(Setting {
        policy: Some(Box::new(|policy| {
            policy["time_zones"] = json!({"Europe/Berlin": "CET-1CEST,M3.5.0,M10.5.0/3"});
            policy["rules"] = json!([
                {"name": "research", "effect": "deny", "types": ["Observation"],
                    "when": "has(token.claims.purpose) && 'HRESCH' in token.claims.purpose"},
                {"name": "clock", "effect": "deny",
                    "when": "request.time.getFullYear('Europe/Berlin') < 2020"},
                {"name": "network", "effect": "allow",
                    "when": "cidr('127.0.0.0/8').containsIP(source.address) || source.address == ip('::1')"},
                {"name": "elsewhere", "effect": "deny", "interactions": ["search-type"],
                    "when": "cidr('192.0.2.0/24').containsIP(source.address)"},
                {"name": "role", "effect": "allow", "types": ["Observation"],
                    "when": "token.claims.unit == 'icu'"},
                {"name": "certificate", "effect": "deny",
                    "when": "size(certificate.thumbprint) != 64 || !('certificate' in token.bindings)"},
                {"name": "wish", "effect": "deny", "types": ["Patient"], "report": true},
            ]);
        })),
        ..Setting::default()
    })
    .await;
    let client = world.client();
    let mut table = Table::new(&world);
    let (read, search) = ("/r4/Patient/p1", "/r4/Observation?patient=p1");
    let claims = world.claims().claim("unit", json!("icu"));
    for (name, path, claims, expected) in [
        ("a read", read, claims.clone(), None),
        ("a search", search, claims.clone(), None),
        (
            "for research",
            search,
            claims.clone().claim("purpose", json!(["HRESCH"])),
            Some("deny.research"),
        ),
        (
            "for research, of another type",
            read,
            claims.clone().claim("purpose", json!(["HRESCH"])),
            None,
        ),
        (
            "without the claim",
            search,
            world.claims(),
            Some("error.rule.role.absent"),
        ),
    ] {
        let token = world.issuer.token(&claims);
        // Twice: the second time the token is remembered, and its claims with it.
        for turn in ["new", "again"] {
            let name = format!("{name}, {turn}");
            let request = Request::get(path).bearer(&token);
            match expected {
                None => drop(table.answered(&name, &client, request, 200).await),
                Some(rule) => {
                    table
                        .refused(&name, &client, request, FORBIDDEN, rule)
                        .await
                }
            }
        }
    }
    table.finish().await;
    let reported = world.records().await;
    let reported = reported
        .iter()
        .filter(|record| record["reported"] == json!(["deny.wish"]));
    assert_eq!(reported.count(), 4, "two reads, twice");
    world.close().await;
}
