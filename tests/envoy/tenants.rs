//! Two issuers beside each other, with the same client, subject and `kid`.

use fhir_guard_harness::client::{Request, Version};
use fhir_guard_harness::tokens::{Algorithm, Claims, Issuer};
use serde_json::json;

use crate::table::{ABSENT, FORGED, THROTTLED, Table};
use crate::world::{BASE, Setting, World};

const THEIRS: &str = "https://theirs.example.org";
const THEIR_AUDIENCE: &str = "https://fhir.example.org/theirs";

async fn world() -> World {
    World::with(Setting {
        policy: Some(Box::new(|policy| {
            let mut second = policy["issuers"][0].clone();
            let jwk = Issuer::new(THEIRS).jwk(Algorithm::Es256);
            second["issuer"] = json!(THEIRS);
            second["tenant"] = json!("theirs");
            second["audiences"] = json!([THEIR_AUDIENCE]);
            second["clients"] = json!(["clinic-a"]);
            second["algorithms"] = json!(["ES256"]);
            second["keys"] = json!({"inline": {"keys": [jwk]}});
            second["claims"] = json!({"patient": ["/launch/patient"]});
            policy["issuers"][0]["tenant"] = json!("ours");
            policy["issuers"]
                .as_array_mut()
                .expect("a list")
                .push(second);
            policy["limits"] = json!([
                {"name": "few", "key": ["client"], "rate": "1/d", "burst": 4},
            ]);
        })),
        ..Setting::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_one_issuer_reaches_another() {
    let world = world().await;
    let theirs = Issuer::new(THEIRS);
    let kid = |issuer: &Issuer| issuer.kid(Algorithm::Es256);
    assert_eq!(kid(&theirs), kid(&world.issuer), "the same kid");
    let our = world.claims();
    let their = world
        .claims()
        .audience(THEIR_AUDIENCE)
        .claim("launch", json!({"patient": "p1"}));
    let read = |token: &str| Request::get("/r4/Patient/p1").bearer(token);
    let client = world.client_of(
        Some(&world.pki.client("clinic-a")),
        Version::Http2,
        "secure",
    );
    let mut table = Table::new(&world);
    let signed = |issuer: &Issuer, claims: &Claims| issuer.token(claims);
    for (name, token, rule) in [
        (
            "their key, our name",
            signed(
                &theirs,
                &our.clone().claim("iss", json!(world.issuer.name())),
            ),
            "token.signature",
        ),
        (
            "our key, their name",
            signed(&world.issuer, &their.clone().claim("iss", json!(THEIRS))),
            "token.signature",
        ),
        (
            "theirs, for our audience",
            signed(&theirs, &their.clone().audience(BASE)),
            "token.audience",
        ),
        (
            "ours, for their audience",
            signed(&world.issuer, &our.clone().audience(THEIR_AUDIENCE)),
            "token.audience",
        ),
        (
            "theirs, of a client that only we have",
            signed(&theirs, &their.clone().client_id("clinic-b")),
            "token.client",
        ),
        (
            "theirs, by an algorithm of ours",
            signed(&theirs, &their.clone().algorithm(Algorithm::Es384)),
            "token.algorithm",
        ),
    ] {
        table
            .refused(name, &client, read(&token), FORGED, rule)
            .await;
    }
    let (our_token, their_token) = (signed(&world.issuer, &our), signed(&theirs, &their));
    let elsewhere = signed(&theirs, &their.clone().patient("p2"));
    let other = Request::get("/r4/Patient/p2").bearer(&elsewhere);
    table
        .refused(
            "theirs, for the patient of our place",
            &client,
            other,
            ABSENT,
            "compartment",
        )
        .await;
    for (name, token) in [("ours", &our_token), ("theirs", &their_token)] {
        for turn in 1..=4 {
            let name = format!("{name}, {turn}");
            table.answered(&name, &client, read(token), 200).await;
        }
        table
            .refused(name, &client, read(token), THROTTLED, "limit.few")
            .await;
    }
    table.finish().await;
    let records = world.records().await;
    for (tenant, issuer) in [("ours", world.issuer.name()), ("theirs", THEIRS)] {
        let of_tenant = records.iter().filter(|record| record["tenant"] == tenant);
        let issuers: Vec<_> = of_tenant.map(|record| record["issuer"].clone()).collect();
        assert!(issuers.len() >= 5, "{tenant}: {issuers:?}");
        assert!(issuers.iter().all(|found| found == issuer), "{tenant}");
    }
    world.close().await;
}
