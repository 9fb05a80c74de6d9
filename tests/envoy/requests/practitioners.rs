//! Practitioners who are confined to their own compartment: what is outside answers like what is not there.

use fhir_guard_harness::client::{Request, Response};
use serde_json::{Value, json};

use crate::wire::{check_head, resources, without_ids};
use crate::world::{Setting, World};

const OWN: &str = "Practitioner/practitioner-1";

#[tokio::test(flavor = "multi_thread")]
async fn a_practitioner_may_be_confined_to_the_own_compartment() {
    let world = World::shared(Setting {
        policy: Some(Box::new(|policy: &mut Value| {
            policy["fhir"]["user_access"] = json!("compartment");
            policy["fhir"]["universal_types"] = json!(["Organization"]);
            policy["fhir"]["bundles"] = json!({"types": ["batch"]});
        })),
        ..Setting::default()
    })
    .await;
    let observation = |id: &str, performers: &[&str]| {
        let reference = |name: &&str| json!({"reference": name});
        let performers: Vec<Value> = performers.iter().map(reference).collect();
        json!({"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"},
            "subject": {"reference": "Patient/p2"}, "performer": performers})
    };
    let other = "Practitioner/practitioner-2";
    world.put(&observation("own", &[OWN])).await;
    world.put(&observation("shared", &[other, OWN])).await;
    world.put(&observation("foreign", &[other])).await;
    world.put(&observation("nobodys", &[])).await;
    reads(&world).await;
    searches(&world).await;
    refused(&world).await;
    world.close().await;
}

fn by(world: &World, user: &str, method: &str, path: &str) -> Request {
    let claims = world.claims().scope("user/*.cruds").fhir_user(user);
    Request::new(method, path).bearer(&world.issuer.token(&claims))
}

fn ids(answer: &Response) -> Vec<String> {
    let bundle = answer.json().expect("a bundle");
    let id = |resource: &Value| resource["id"].as_str().expect("an id").to_owned();
    let mut ids: Vec<String> = resources(&bundle).iter().map(id).collect();
    ids.sort();
    ids
}

async fn reads(world: &World) {
    let client = world.client().reuse(true);
    for version in ["", "/_history", "/_history/1"] {
        for method in ["GET", "HEAD"] {
            let absent = by(
                world,
                OWN,
                method,
                &format!("/r4/Observation/nothing{version}"),
            );
            let absent = without_ids(&world.send(&client, absent).await);
            assert_eq!(absent.0, 404);
            for (instance, opened) in [
                ("Observation/own", true),
                ("Observation/shared", true),
                ("Practitioner/practitioner-1", true),
                ("Organization/organization-1", true),
                ("Observation/foreign", false),
                ("Observation/nobodys", false),
                ("Practitioner/practitioner-2", false),
                ("Location/location-1", false),
            ] {
                let path = format!("/r4/{instance}{version}");
                let name = format!("{method} {path}");
                let answer = world.send(&client, by(world, OWN, method, &path)).await;
                match opened {
                    true => {
                        check_head(&name, &answer);
                        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
                    }
                    false => assert_eq!(without_ids(&answer), absent, "{name}"),
                }
            }
        }
    }
}

async fn searches(world: &World) {
    let client = world.client().reuse(true);
    for (path, upstream) in [
        (
            "Observation?status=final&_count=1000",
            "Observation?status=final&performer=Practitioner/practitioner-1&_count=1000",
        ),
        (
            "Observation?patient=p2",
            "Observation?patient=Patient/p2&performer=Practitioner/practitioner-1",
        ),
        (
            "Practitioner/practitioner-1/Observation?_count=1000",
            "Practitioner/practitioner-1/Observation?_count=1000",
        ),
        ("Practitioner", "Practitioner?_id=practitioner-1"),
        (
            "Patient",
            "Patient?general-practitioner=Practitioner/practitioner-1",
        ),
    ] {
        for lie in [None, Some("ignore-filters")] {
            world.fhir.forget_requests();
            world.fhir.misbehave(lie);
            let request = by(world, OWN, "GET", &format!("/r4/{path}"));
            let answer = world.send(&client, request).await;
            world.fhir.misbehave(None);
            let name = format!("{path} {lie:?}");
            assert_eq!(answer.status, 200, "{name}: {}", answer.text());
            let sent = world.fhir.requests();
            let sent: Vec<&str> = sent.iter().map(|one| one.path_and_query.as_str()).collect();
            assert_eq!(sent, [format!("/fhir/{upstream}")], "{name}");
            let found = ids(&answer);
            let has = |id: &str| found.iter().any(|found| found == id);
            // Of all that there is, one page may hold none of them.
            let paged = lie.is_some() && !path.contains("_count");
            if path.contains("Observation") && !paged {
                assert!(has("own") && has("shared"), "{name}: {found:?}");
            }
            for foreign in ["foreign", "nobodys", "practitioner-2"] {
                assert!(!has(foreign), "{name}: {found:?}");
            }
            let text = answer.text();
            assert!(
                !found.is_empty() && text.contains("practitioner-1"),
                "{name}"
            );
        }
    }
    // An entry of a Bundle is a request of its own.
    let get = |url: &str| json!({"request": {"method": "GET", "url": url}});
    let entries = [get("Observation/own"), get("Observation/foreign")];
    let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": entries});
    let request = by(world, OWN, "POST", "/r4").body("application/fhir+json", bundle.to_string());
    let answer = world.send(&client, request).await.json().expect("a bundle");
    let statuses: Vec<&Value> = (0..2)
        .map(|place| &answer["entry"][place]["response"]["status"])
        .collect();
    assert_eq!(statuses, ["200", "404"], "{answer}");
}

async fn refused(world: &World) {
    let client = world.client().reuse(true);
    let body = json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"},
        "performer": [{"reference": OWN}]});
    world.fhir.forget_requests();
    for (user, method, path, status) in [
        (OWN, "POST", "Observation", 400),
        (OWN, "DELETE", "Observation/own", 400),
        (
            OWN,
            "GET",
            "Observation?performer=Practitioner/practitioner-2",
            400,
        ),
        (OWN, "GET", "Location", 400),
        (OWN, "GET", "Observation/_history", 400),
        (
            "PractitionerRole/practitioner-1",
            "GET",
            "Observation/own",
            403,
        ),
    ] {
        let mut request = by(world, user, method, &format!("/r4/{path}"));
        if method == "POST" {
            request = request.body("application/fhir+json", body.to_string());
        }
        let answer = world.send(&client, request).await;
        assert_eq!(
            answer.status,
            status,
            "{user} {method} {path}: {}",
            answer.text()
        );
    }
    assert!(world.fhir.requests().is_empty(), "nothing went upstream");
}
