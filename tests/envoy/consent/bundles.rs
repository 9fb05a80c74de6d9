//! Bundles of requests that patients must have consented to: the Consents of all of them are read first.

use super::*;

fn post(world: &World, kind: &str, urls: &[&str]) -> Request {
    let entry = |url: &&str| json!({"request": {"method": "GET", "url": url}});
    let entries: Vec<Value> = urls.iter().map(entry).collect();
    let bundle = json!({"resourceType": "Bundle", "type": kind, "entry": entries});
    ask(world, "POST", "/r4").body(FHIR, bundle.to_string())
}

fn statuses(answer: &Response) -> Vec<String> {
    let body = answer.json().expect("a bundle");
    let entries = body["entry"].as_array().cloned().unwrap_or_default();
    let status = |entry: &Value| entry["response"]["status"].as_str().map(str::to_owned);
    entries.iter().filter_map(status).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_entry_is_held_to_the_consent_of_its_patient() {
    let world = world(json!({"cache": "0s"})).await;
    let label = json!([{"system": "urn:x", "code": "PSY"}]);
    let denial = json!({"type": "deny", "securityLabel": label});
    put(
        &world,
        "p1",
        "",
        "active",
        json!({"type": "permit", "provision": [denial]}),
    )
    .await;
    put(&world, "p2", "", "active", json!({"type": "permit"})).await;
    put(&world, "p3", "", "active", json!({"type": "deny"})).await;
    for (id, security) in [("b-plain", json!([])), ("b-labelled", label)] {
        let mut resource = observation(id);
        resource["meta"] = json!({ "security": security });
        world.put(&resource).await;
    }
    for version in [Version::Http1, Version::Http2] {
        let certificate = world.pki.client("clinic-a");
        let client = world.client_of(Some(&certificate), version, "secure");
        let search = "Observation?patient=p1&_count=100";
        let urls = [
            "Patient/p2",
            search,
            "Patient/p3",
            "Observation/b-plain",
            "Patient/p1",
        ];
        world.fhir.forget_requests();
        let answer = world.send(&client, post(&world, "batch", &urls)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(statuses(&answer), ["200", "200", "403", "403", "200"]);
        assert_eq!(asked(&world), (3, 1), "each patient once, then the Bundle");
        let requests = world.fhir.requests();
        let sent = requests.last().expect("the Bundle");
        let length = sent.header("content-length").expect("a length");
        assert_eq!(length, sent.body.len().to_string());
        let sent: Value = serde_json::from_slice(&sent.body).expect("JSON");
        assert_eq!(sent["entry"].as_array().map(Vec::len), Some(3));
        assert!(answer.text().contains("b-plain") && !answer.text().contains("b-labelled"));

        // All of a transaction, or nothing.
        let answer = world
            .send(&client, post(&world, "transaction", &urls[..2]))
            .await;
        assert_eq!(
            (answer.status, statuses(&answer)),
            (200, vec!["200".to_owned(); 2])
        );
        world.fhir.forget_requests();
        let refused = post(&world, "transaction", &urls[..3]);
        check_refused(&world, &client, refused, DENIED).await;
        assert_eq!(asked(&world), (3, 0));

        // More patients than are asked for.
        let many: Vec<String> = (6..15).map(|number| format!("Patient/p{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        world.fhir.forget_requests();
        check_refused(&world, &client, post(&world, "transaction", &many), DENIED).await;
        assert_eq!(asked(&world), (0, 0));
    }
    // The server of Consents fails.
    let misbehaving = post(&world, "transaction", &["Patient/p4", "Patient/p5"]);
    world.fhir.misbehave(Some("status-500"));
    check_refused(&world, &world.client(), misbehaving, AWAY).await;
    world.fhir.misbehave(None);
    world.close().await;
}
