//! Who goes first under limits, across the workers: whatever others have used up, and on the record.

use fhir_guard_harness::client::{Client, Request, Version};
use serde_json::{Value, json};

use crate::world::{Setting, World};

/// A hospital whose break-glass purpose has ten of each limit to itself; a monitor, known by its
/// certificate and its own client id, is never refused.
async fn hospital() -> World {
    World::with(Setting {
        policy: Some(Box::new(|policy| {
            policy["issuers"][0]["claims"] = json!({"purpose": ["/purpose"]});
            let emergency = json!({"when": "'BTG' in principal.purposes", "reserve": 10});
            let monitor = json!({"when": "principal.client == 'monitor' && size(certificate.thumbprint) == 64",
                "bypass": true});
            policy["limits"] = json!([
                { "name": "rate", "key": ["issuer"], "rate": "1/h", "burst": 30, "priority": emergency,
                  "when": "fhir.interaction == 'read'" },
                { "name": "all", "key": ["issuer"], "rate": "1/h", "burst": 40, "priority": monitor },
            ]);
        })),
        ..Setting::default()
    })
    .await
}

const READ: &str = "/r4/Patient/p1";
const SEARCH: &str = "/r4/Observation?patient=p1";

struct Caller {
    clients: [Client; 2],
    token: String,
}

impl Caller {
    fn new(world: &World, name: &str, purpose: Option<&str>) -> Caller {
        let certificate = world.pki.client(name);
        let mut claims = world.claims().bound_to(&certificate).client_id(name);
        if let Some(purpose) = purpose {
            claims = claims.claim("purpose", json!([purpose]));
        }
        Caller {
            clients: [Version::Http1, Version::Http2]
                .map(|version| world.client_of(Some(&certificate), version, "secure")),
            token: world.issuer.token(&claims),
        }
    }

    /// Asks so often, each on a connection of its own: how many were answered 200 and 429.
    async fn ask(&self, world: &World, path: &str, count: usize) -> (usize, usize) {
        let mut found = (0, 0);
        for client in self.clients.iter().cycle().take(count) {
            let request = Request::get(path).bearer(&self.token);
            match world.send(client, request).await.status {
                200 => found.0 += 1,
                429 => found.1 += 1,
                status => panic!("{status}"),
            }
        }
        found
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emergency_gets_through_where_others_have_used_all_up() {
    let world = hospital().await;
    let clinic = Caller::new(&world, "clinic-a", Some("TREAT"));
    let emergency = Caller::new(&world, "clinic-b", Some("BTG"));
    let monitor = Caller::new(&world, "monitor", None);
    assert_eq!(
        clinic.ask(&world, READ, 25).await,
        (20, 5),
        "but what is kept"
    );
    assert_eq!(
        emergency.ask(&world, READ, 12).await,
        (10, 2),
        "what is kept"
    );
    assert_eq!(clinic.ask(&world, READ, 3).await, (0, 3));
    // Priority under one limit is none under another.
    assert_eq!(monitor.ask(&world, READ, 2).await, (0, 2));
    // Ten are left of the other limit; then nobody but the monitor is let through.
    assert_eq!(clinic.ask(&world, SEARCH, 12).await, (10, 2));
    assert_eq!(monitor.ask(&world, SEARCH, 5).await, (5, 0));
    assert_eq!(emergency.ask(&world, SEARCH, 1).await, (0, 1));
    let records = world.records().await;
    for (limit, client, count) in [("rate", "clinic-b", 10), ("all", "monitor", 5)] {
        let used = |record: &&Value| record.get("priority") == Some(&json!([limit]));
        let used: Vec<&Value> = records.iter().filter(used).collect();
        assert_eq!(used.len(), count, "{limit}: {used:?}");
        for record in used {
            assert_eq!(
                (&record["client"], &record["outcome"]),
                (&json!(client), &json!("allowed"))
            );
        }
    }
    let all = records
        .iter()
        .filter(|record| record.get("priority").is_some());
    assert_eq!(all.count(), 15, "nobody else");
    world.close().await;
}
