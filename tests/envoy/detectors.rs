//! What looks wrong about callers is found over both workers, and acted upon where configured.

use std::time::Duration;

use fhir_guard_harness::client::{Client, Request, Response, Version};
use fhir_guard_harness::pki::ClientCertificate;
use fhir_guard_harness::tokens::{Algorithm, DpopClient, DpopProof};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::table::{THROTTLED, faults};
use crate::world::{BASE, Setting, World, now};

/// For how long.
const TIME: Duration = Duration::from_secs(12);

/// Enough new connections that both workers have had some: the kernel spreads them.
const BOTH_WORKERS: usize = 16;

async fn world(detectors: Value) -> World {
    let mut detectors = Some(detectors);
    World::with(Setting {
        policy: Some(Box::new(move |policy| {
            policy["issuers"][0]["proof"] = json!(["certificate", "dpop"]);
            policy["client_certificate"]["required"] = json!(false);
            policy["limits"] = json!([]);
            if let Some(detectors) = &mut detectors {
                policy["detectors"] = detectors.clone();
            }
        })),
        ..Setting::default()
    })
    .await
}

fn isolating() -> Value {
    json!({ "isolate": ["certificate", "client"], "isolate_for": format!("{}s", TIME.as_secs()) })
}

/// Somebody with a certificate of their own.
struct Caller {
    certificate: ClientCertificate,
    token: String,
}

impl Caller {
    fn new(world: &World, name: &str) -> Caller {
        let certificate = world.pki.client(name);
        let claims = world.claims().bound_to(&certificate).client_id(name);
        Caller {
            token: world.issuer.token(&claims.scope("system/*.rs")),
            certificate,
        }
    }

    /// A connection of its own, for one of the workers.
    fn connection(&self, world: &World) -> Client {
        world.client_of(Some(&self.certificate), Version::Http2, "open")
    }

    async fn ask(&self, world: &World, path: &str) -> Response {
        self.show(world, path, &self.token).await
    }

    async fn show(&self, world: &World, path: &str, token: &str) -> Response {
        let request = Request::get(path).bearer(token);
        world.send(&self.connection(world), request).await
    }
}

/// The records of the caller with this certificate that say what looks wrong.
async fn findings(world: &World, caller: &Caller) -> Vec<Value> {
    let records = world.records().await.into_iter();
    let own = records.filter(|one| one["certificate"] == caller.certificate.thumbprint_hex);
    own.filter(|one| !one["risk"].is_null()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scanner_is_reported_and_a_burst_of_a_clinic_is_not_bypass_99() {
    let world = world(json!({})).await;
    let (clinic, scanner) = (
        Caller::new(&world, "clinic-a"),
        Caller::new(&world, "clinic-b"),
    );
    for number in 0..40 {
        let path = format!("/r4/Patient/{}", 9000 + number);
        assert_eq!(
            scanner.ask(&world, &path).await.status,
            404,
            "only reported"
        );
        let status = clinic.ask(&world, "/r4/Patient/p1").await.status;
        assert_eq!(status, 200, "{number}");
    }
    let connection = clinic.connection(&world);
    for number in 0..300 {
        let path = match number % 50 {
            7 => "/r4/Patient/not-there",
            _ => "/r4/Patient/p1",
        };
        world
            .send(&connection, Request::get(path).bearer(&clinic.token))
            .await;
    }
    let found = findings(&world, &scanner).await;
    assert!(found.len() >= 25, "{}", found.len());
    for record in &found {
        assert_eq!(record["risk"]["action"], "report", "{record}");
        assert!(record["risk"]["score"].as_u64() >= Some(50), "{record}");
        let reasons = &record["risk"]["reasons"];
        assert_eq!(*reasons, json!(["absent", "sequence"]), "{record}");
    }
    assert_eq!(findings(&world, &clinic).await, Vec::<Value>::new());
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_holder_of_stolen_tokens_is_isolated_on_both_workers_for_a_time() {
    let world = world(isolating()).await;
    let (clinic, thief) = (
        Caller::new(&world, "clinic-a"),
        Caller::new(&world, "clinic-b"),
    );
    let own = "/r4/Patient/p1";
    assert_eq!(thief.ask(&world, own).await.status, 200);
    let mut began = Instant::now();
    for user in 0..3 {
        let claims = world
            .claims()
            .scope("system/*.rs")
            .subject(&user.to_string());
        let stolen = world.issuer.token(&claims);
        assert_eq!(thief.show(&world, own, &stolen).await.status, 401, "{user}");
        began = Instant::now();
    }
    // The worker that has not seen it looks within about a second.
    tokio::time::sleep(Duration::from_secs(2)).await;
    for place in 0..BOTH_WORKERS {
        let path = [
            "/r4/Patient/p1",
            "/r4/metadata",
            "/r4/Patient?no=1",
            "/elsewhere",
        ][place % 4];
        let answer = thief.ask(&world, path).await;
        if began.elapsed() < TIME - Duration::from_secs(2) {
            let faults = faults(&answer, THROTTLED, true);
            assert!(faults.is_empty(), "{place} {path}: {faults:?}");
            let after = answer.header("retry-after");
            let after: Option<u64> = after.and_then(|after| after.parse().ok());
            assert!(matches!(after, Some(1..=12)), "{after:?}");
        }
        assert_eq!(clinic.ask(&world, own).await.status, 200, "{place}");
    }
    tokio::time::sleep_until(began + TIME + Duration::from_secs(2)).await;
    for _ in 0..BOTH_WORKERS {
        assert_eq!(thief.ask(&world, own).await.status, 200);
    }
    let found = findings(&world, &thief).await;
    let actions: Vec<_> = found
        .iter()
        .map(|one| one["risk"]["action"].clone())
        .collect();
    assert_eq!(actions[..2], ["report", "isolate"]);
    assert_eq!(found[1]["risk"]["reasons"][0], "theft");
    assert_eq!(findings(&world, &clinic).await, Vec::<Value>::new());
    let records = world.records().await;
    let isolated = records.iter().filter(|one| one["rule"] == "risk.isolated");
    for record in isolated {
        let own = &thief.certificate.thumbprint_hex;
        assert_eq!(record["certificate"], own.as_str(), "{record}");
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guesser_of_tokens_is_isolated_before_the_twentieth() {
    let world = world(isolating()).await;
    let guesser = Caller::new(&world, "clinic-b");
    let impostor = world.issuer.impostor();
    let mut statuses = Vec::new();
    for guess in 0..20 {
        let claims = world.claims().bound_to(&guesser.certificate);
        let token = impostor.token(&claims.jti(&guess.to_string()));
        statuses.push(guesser.show(&world, "/r4/Patient/p1", &token).await.status);
        // Both workers look about every second.
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    assert_eq!(statuses[..10], [401; 10]);
    assert_eq!(statuses[18..], [429; 2]);
    let found = findings(&world, &guesser).await;
    let isolates = |one: &&Value| one["risk"]["action"] == "isolate";
    let first = found.iter().find(isolates).expect("isolated");
    assert_eq!(first["risk"]["reasons"], json!(["tokens", "credentials"]));
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_isolated_for_its_own_proofs_and_never_for_those_of_others() {
    let world = world(isolating()).await;
    let clinic = Caller::new(&world, "clinic-a");
    let key = |name: &str| DpopClient::new(name, Algorithm::Es256);
    let (own, other) = (key("own"), key("other"));
    let token = |id: &str| {
        let claims = world.claims().client_id("clinic-a").jti(id);
        let claims = claims.scope("system/Patient.rs");
        let claims = claims.claim("cnf", own.confirmation());
        world.issuer.token(&claims)
    };
    let mine = token("mine");
    let ask = async |key: &DpopClient, token: &str, path: &str| {
        let proof = DpopProof::new("GET", &format!("{BASE}/{path}"), token, now());
        let request = Request::get(&format!("/r4/{path}"))
            .header("authorization", format!("DPoP {token}"))
            .header("dpop", key.sign(&proof));
        let client = world.client_of(None, Version::Http2, "open");
        world.send(&client, request).await.status
    };
    // Whoever has the client's tokens and not its key, and whoever makes some up.
    for number in 0..40 {
        let stolen = token(&number.to_string());
        assert_eq!(ask(&other, &stolen, "Patient/p1").await, 401, "{number}");
        let nobody = world.client_of(None, Version::Http2, "open");
        let forged = Request::get("/r4/Patient/p1").bearer(&format!("{mine}x"));
        assert_eq!(world.send(&nobody, forged).await.status, 401, "{number}");
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    for _ in 0..BOTH_WORKERS {
        assert_eq!(ask(&own, &mine, "Patient/p1").await, 200);
        assert_eq!(clinic.ask(&world, "/r4/Patient/p1").await.status, 200);
    }
    // And now itself.
    for number in 0..40 {
        ask(&own, &mine, &format!("Patient/{}", 9000 + number)).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    for _ in 0..BOTH_WORKERS {
        assert_eq!(ask(&own, &mine, "Patient/p1").await, 401);
    }
    // Of the same name, and not without a certificate.
    let records = world.records().await;
    let risks = records.iter().filter(|one| !one["risk"].is_null());
    let mut isolating = risks.filter(|one| one["risk"]["action"] == "isolate");
    let record = isolating.next().expect("isolated");
    assert_eq!(record["risk"]["reasons"], json!(["absent", "sequence"]));
    assert!(records.iter().any(|one| one["rule"] == "token.quarantined"));
    world.close().await;
}
