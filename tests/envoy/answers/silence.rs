//! What the proxy itself says of patients: nothing.

use super::*;

/// Nothing that Envoy shows or writes about itself holds a token, or a word of a patient.
#[tokio::test(flavor = "multi_thread")]
async fn envoy_knows_no_patient() {
    let world = World::start().await;
    let token = world.token("patient/*.rs");
    let search = "/r4/Observation?patient=p1&_count=3&_lastUpdated=ge2001-02-03";
    let paths = [
        "/r4/Patient/p1",
        search,
        "/r4/Patient/p2",
        "/r4/Patient?name=Lindqvist",
    ];
    for path in paths {
        for misbehaviour in [None, Some("status-500"), Some("wrong-id"), Some("cut")] {
            world.fhir.misbehave(misbehaviour);
            let request = Request::get(path).bearer(&token);
            world.send(&world.client(), request).await;
        }
    }
    world.fhir.misbehave(None);
    let signature = token.rsplit('.').next().expect("a signature");
    let claims = token.split('.').nth(1).expect("claims");
    let mut shown = vec![("log", world.envoy.log())];
    for page in [
        "/config_dump",
        "/stats",
        "/stats/prometheus",
        "/clusters",
        "/listeners",
        "/contention",
        "/server_info",
    ] {
        shown.push((page, world.envoy.admin(page).await.unwrap_or_default()));
    }
    let records = world.records().await;
    shown.push(("records", records.iter().map(Value::to_string).collect()));
    for (place, text) in shown {
        for word in [
            "Lindqvist",
            "Okonkwo",
            "MRN-1",
            "2001-02-03",
            "1945-",
            signature,
            claims,
        ] {
            assert!(!text.contains(word), "{place} holds {word}");
        }
        if place != "records" {
            assert!(!text.contains("Patient/p"), "{place} names a patient");
        }
    }
    world.close().await;
}
