//! How many at once, across the workers: leases that are given back however a request ends.

use std::time::Duration;

use fhir_guard_harness::client::{Client, Request, Response, Version};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::reload::Reload;
use crate::table::{THROTTLED, faults};
use crate::world::{Setting, World};

/// A world where each client may have so many under way.
async fn world(most: u32) -> World {
    World::with(Setting {
        policy: Some(Box::new(move |policy| {
            policy["limits"] = json!([
                { "name": "at-once", "key": ["client"], "concurrent": most, "lease": "30s" },
                { "name": "rate", "key": ["client"], "rate": "1/h", "burst": 200 },
            ]);
        })),
        ..Setting::default()
    })
    .await
}

fn read(token: &str) -> Request {
    Request::get("/r4/Patient/p1").bearer(token)
}

/// Requests that are on their way, each on a connection of its own.
fn begin(
    world: &World,
    token: &str,
    count: usize,
    timeout: Duration,
) -> JoinSet<Result<Response, String>> {
    let mut under_way = JoinSet::new();
    world.expect_records(count);
    for number in 0..count {
        let version = [Version::Http1, Version::Http2][number % 2];
        let certificate = world.pki.client("clinic-a");
        let client = world.client_of(Some(&certificate), version, "secure");
        let (client, request) = (client.timeout(timeout), read(token));
        under_way.spawn(async move { client.send(request).await });
    }
    under_way
}

async fn statuses(under_way: JoinSet<Result<Response, String>>) -> Vec<u16> {
    let answers = under_way.join_all().await;
    let mut statuses: Vec<u16> = answers
        .into_iter()
        .map(|answer| answer.map_or(0, |answer| answer.status))
        .collect();
    statuses.sort_unstable();
    statuses
}

fn client(world: &World) -> Client {
    world.client()
}

const LONG: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn no_more_at_once_than_the_cap_however_requests_end() {
    let world = world(3).await;
    let token = world.token("patient/*.rs");
    world.fhir.misbehave(Some("slow-chunks"));
    // Of many at once no more than three, over both workers.
    let found = statuses(begin(&world, &token, 12, LONG)).await;
    assert_eq!(found, [vec![200; 3], vec![429; 9]].concat());

    let under_way = begin(&world, &token, 3, LONG);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let refused = world.send(&client(&world), read(&token)).await;
    let wrong = faults(&refused, THROTTLED, true);
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(refused.header("retry-after").as_deref(), Some("1"));
    assert_eq!(
        refused.header("ratelimit").as_deref(),
        Some("\"at-once\";r=0")
    );
    let policy = refused.header("ratelimit-policy").unwrap_or_default();
    assert!(
        policy.starts_with("\"at-once\";q=3;qu=\"concurrent-requests\", \"rate\";q=200;"),
        "{policy}"
    );
    assert_eq!(statuses(under_way).await, [200; 3]);

    // Clients that go away give theirs back.
    let gone = begin(&world, &token, 3, Duration::from_millis(300));
    assert_eq!(statuses(gone).await, [0; 3]);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(statuses(begin(&world, &token, 3, LONG)).await, [200; 3]);

    // So do answers that are cut, refused, or the proxy's own.
    for (wrong, status) in [("cut", 0), ("not-json", 502), ("status-500", 502)] {
        world.fhir.misbehave(Some(wrong));
        for _ in 0..5 {
            world.expect_records(1);
            let answer = client(&world).send(read(&token)).await;
            let found = answer.map_or(0, |answer| answer.status);
            assert!(found == status || found >= 500, "{wrong}: {found}");
        }
    }
    world.fhir.misbehave(None);
    // Refused for the body, behind the charge.
    let writer = world.token("system/*.cruds");
    for _ in 0..5 {
        let request = Request::new("POST", "/r4/Observation").bearer(&writer);
        let request = request.body("application/fhir+json", "{");
        assert_eq!(world.send(&client(&world), request).await.status, 400);
    }
    // What the cap refused charged no rate.
    let answer = world.send(&client(&world), read(&token)).await;
    assert_eq!(answer.status, 200);
    let records = world.records().await;
    let last = records.last().expect("a record");
    assert_eq!(last["limits"]["at-once"], 2, "{last}");
    assert_eq!(
        last["limits"]["rate"],
        200 - 3 - 3 - 3 - 3 - 15 - 5 - 1,
        "{last}"
    );
    let refused = records
        .iter()
        .filter(|record| record["rule"] == "limit.at-once");
    assert_eq!(refused.count(), 9 + 1);
    world.close().await;
}

/// Whoever has the whole answer finds the lease given back, one request after the other.
#[tokio::test(flavor = "multi_thread")]
async fn one_after_the_other_is_one_at_a_time() {
    let world = world(1).await;
    for version in [Version::Http1, Version::Http2] {
        let certificate = world.pki.client("clinic-a");
        let client = world.client_of(Some(&certificate), version, "secure");
        let client = client.reuse(true);
        let token = world.token("user/*.cruds patient/*.rs");
        for number in 0..30 {
            let (request, status) = match number % 3 {
                0 => (read(&token), 200),
                1 => (Request::get("/r4/Patient/absent").bearer(&token), 404),
                _ => {
                    let resource: Value = json!({"resourceType": "Patient", "id": "lease"});
                    let request = Request::new("PUT", "/r4/Patient/lease").bearer(&token);
                    (
                        request.body("application/fhir+json", resource.to_string()),
                        200,
                    )
                }
            };
            let answer = world.send(&client, request).await;
            let found = answer.status;
            assert_ne!(found, 429, "{version:?} {number}");
            assert!(
                found == status || matches!(found, 201 | 403),
                "{version:?} {number}: {found}"
            );
        }
    }
    world.close().await;
}

/// A listener that is replaced while requests are under way: theirs are counted, and given back.
#[tokio::test(flavor = "multi_thread")]
async fn leases_outlive_a_changed_configuration() {
    // In a container there is no such file.
    let Some(reload) = Reload::new("leases") else {
        return;
    };
    let world = World::with(Setting {
        policy: Some(Box::new(|policy| {
            policy["limits"] =
                json!([{ "name": "at-once", "key": ["client"], "concurrent": 3, "lease": "30s" }]);
        })),
        envoy: Some(reload.edit(|_| ())),
        ..Setting::default()
    })
    .await;
    let token = world.token("patient/*.rs");
    let send = || {
        let (client, request) = (reload.client(&world, Version::Http2), read(&token));
        async move { client.send(request).await.expect("an answer").status }
    };
    world.fhir.misbehave(Some("slow-chunks"));
    let mut under_way = JoinSet::new();
    for _ in 0..2 {
        under_way.spawn(send());
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    reload.replace(&world).await;
    assert!(under_way.try_join_next().is_none(), "they are under way");
    let mut new = JoinSet::new();
    for _ in 0..3 {
        new.spawn(send());
    }
    let mut of_new = new.join_all().await;
    of_new.sort_unstable();
    assert_eq!(of_new, [200, 429, 429], "those of the old listener count");
    assert_eq!(under_way.join_all().await, [200; 2]);
    // All are given back.
    let mut all = JoinSet::new();
    for _ in 0..3 {
        all.spawn(send());
    }
    assert_eq!(all.join_all().await, [200; 3]);
    let log = world.envoy.log();
    assert!(!log.contains("panicked"), "the module panicked");
}
