//! Tokens that are shut out on both workers, because a proof of theirs came a second time.

use std::time::Duration;

use fhir_guard_harness::client::{Request, Version};
use fhir_guard_harness::tokens::{Algorithm, DpopClient, DpopProof};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::world::{BASE, Setting, World, now};

/// For how long.
const TIME: Duration = Duration::from_secs(12);

/// Enough new connections that both workers have had some: the kernel spreads them.
const BOTH_WORKERS: usize = 16;

async fn world() -> World {
    World::with(Setting {
        policy: Some(Box::new(|policy| {
            policy["issuers"][0]["proof"] = json!(["certificate", "dpop"]);
            policy["client_certificate"]["required"] = json!(false);
            policy["dpop"] = json!({ "quarantine": format!("{}s", TIME.as_secs()) });
            policy["limits"] = json!([]);
        })),
        ..Setting::default()
    })
    .await
}

fn client() -> DpopClient {
    DpopClient::new("dpop client", Algorithm::Es256)
}

/// A token of this id.
fn token(world: &World, id: &str) -> String {
    let claims = world.claims().scope("patient/*.rs").jti(id);
    world
        .issuer
        .token(&claims.claim("cnf", client().confirmation()))
}

/// A read with a new proof.
fn read(token: &str) -> Request {
    let proof = DpopProof::new("GET", &format!("{BASE}/Patient/p1"), token, now());
    Request::get("/r4/Patient/p1")
        .header("authorization", format!("DPoP {token}"))
        .header("dpop", client().sign(&proof))
}

/// The status of the answer on a connection of its own.
async fn status(world: &World, request: Request) -> u16 {
    let client = world.client_of(None, Version::Http2, "open");
    world.send(&client, request).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_proof_shuts_its_token_out_on_both_workers_for_a_time() {
    let world = world().await;
    let (stolen, fine) = (token(&world, "stolen"), token(&world, "fine"));
    // Remembered by both.
    for _ in 0..BOTH_WORKERS {
        assert_eq!(status(&world, read(&stolen)).await, 200);
        assert_eq!(status(&world, read(&fine)).await, 200);
    }
    let used = read(&stolen);
    assert_eq!(status(&world, used.clone()).await, 200);
    let began = Instant::now();
    assert_eq!(status(&world, used).await, 401);
    // The worker that has not seen it looks within about a second.
    tokio::time::sleep(Duration::from_secs(2)).await;
    for connection in 0..BOTH_WORKERS {
        let found = status(&world, read(&stolen)).await;
        let surely_out = began.elapsed() < TIME - Duration::from_secs(1);
        assert!(found == 401 || !surely_out, "connection {connection}");
        assert_eq!(status(&world, read(&fine)).await, 200, "{connection}");
    }
    tokio::time::sleep_until(began + TIME + Duration::from_secs(1)).await;
    for _ in 0..BOTH_WORKERS {
        assert_eq!(status(&world, read(&stolen)).await, 200);
        assert_eq!(status(&world, read(&fine)).await, 200);
    }
    let records = world.records().await;
    let of = |rule: &str| records.iter().filter(|one| one["rule"] == rule).count();
    assert_eq!(of("dpop.replay"), 1);
    assert!(of("token.quarantined") > 0);
    for record in &records {
        let out = ["dpop.replay", "token.quarantined"].map(Value::from);
        let refused = out.contains(&record["rule"]);
        assert_eq!(record["status"] == 401, refused, "{record}");
        // Whoever looks for the thief is told whose token it is.
        assert_eq!(record["client"], "clinic-a", "{record}");
        assert_eq!(record["subject"], "practitioner-1", "{record}");
        assert_eq!(record["issuer"], world.issuer.name(), "{record}");
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_names_the_holder_of_a_stolen_token_and_the_certificate_of_the_thief() {
    let world = world().await;
    let (own, thief) = (world.pki.client("clinic-a"), world.pki.client("clinic-b"));
    let good = world.claims().scope("patient/*.rs").subject("user-17");
    let bearer = |token: &str| Request::get("/r4/Patient/p1").bearer(token);
    let stolen = world.issuer.token(&good);
    let by_key = good.clone().claim("cnf", client().confirmation());
    let by_key = world.issuer.token(&by_key);
    let bare = Request::get("/r4/Patient/p1").header("authorization", format!("DPoP {by_key}"));
    let impostor = world.issuer.impostor().token(&good);
    let expired = world.issuer.token(&good.clone().expires_at(now() - 60));
    let no_scope = world.issuer.token(&good.clone().scope("openid"));
    let rows = [
        (&own, bearer(&stolen), "scope:patient/*.rs", true),
        (&thief, bearer(&stolen), "token.binding", true),
        (&thief, bare, "dpop.missing", true),
        (&thief, bearer(&by_key), "token.binding", true),
        (&own, bearer(&no_scope), "scope", true),
        // Nobody knows whose these are.
        (&thief, bearer(&impostor), "token.signature", false),
        (&own, bearer(&expired), "token.expired", false),
        (&own, bearer("x.y.z"), "token.malformed", false),
    ];
    for (certificate, request, ..) in &rows {
        let client = world.client_of(Some(certificate), Version::Http2, "open");
        world.send(&client, request.clone()).await;
    }
    let records = world.records().await;
    assert_eq!(records.len(), rows.len());
    for ((certificate, _, rule, named), record) in rows.iter().zip(&records) {
        assert_eq!(record["rule"], *rule, "{record}");
        assert_eq!(record["certificate"], certificate.thumbprint_hex, "{rule}");
        let expected = match named {
            true => json!([world.issuer.name(), "clinic-a", "user-17"]),
            false => json!([null, null, null]),
        };
        let found = ["issuer", "client", "subject"].map(|key| &record[key]);
        assert_eq!(json!(found), expected, "{rule}: {record}");
    }
    world.close().await;
}
