//! Searches of a patient that say not whose they are: the filter adds it to what goes upstream.

use fhir_guard_harness::client::{Request, Response, Version};
use serde_json::{Value, json};

use super::ask;
use crate::wire::{check, check_head, resources};
use crate::world::{BASE, Setting, World};

const PATIENT: &str = "patient/*.rs";
const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_names_no_patient_finds_what_is_the_own_one_s_bypass_12() {
    let world = World::shared(Setting {
        policy: Some(Box::new(|policy| {
            policy["fhir"]["bundles"] = json!({"types": ["batch"]});
            policy["fhir"]["patient_membership"] = json!(["Task.patient"]);
        })),
        ..Setting::default()
    })
    .await;
    for version in [Version::Http1, Version::Http2] {
        searches(&world, version).await;
    }
    batch(&world).await;
    lies(&world).await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patient_is_told_how_many_there_are_by_a_server_that_is_trusted_bypass_20() {
    let world = World::shared(Setting {
        policy: Some(Box::new(|policy| {
            policy["fhir"]["upstream"]["trust"] = json!(["total"]);
        })),
        ..Setting::default()
    })
    .await;
    let client = world.client().reuse(true);
    for (scope, path, total) in [
        (PATIENT, "Observation?_summary=count", Some(13)),
        (PATIENT, "Observation?_total=accurate&_count=2", Some(13)),
        // With the one that names another patient, too, and does not leave.
        (PATIENT, "Observation?code=8867-4&_total=accurate", Some(2)),
        (PATIENT, "Patient?_summary=count", Some(1)),
        // Not asked for.
        (PATIENT, "Observation", None),
    ] {
        let request = ask(&world, scope, "GET", &format!("/r4/{path}"));
        let answer = world.send(&client, request).await;
        check(path, &answer);
        let bundle = answer.json().expect("a bundle");
        assert_eq!(bundle["total"].as_u64(), total, "{path}: {bundle}");
    }
    let granular = "patient/Observation.s?category=laboratory";
    for (scope, path) in [
        (granular, "Observation?_summary=count"),
        (PATIENT, "?_type=Observation,Condition&_total=accurate"),
        (PATIENT, "Patient/p1/Observation?_summary=count"),
    ] {
        let path = match path.starts_with('?') {
            true => format!("/r4{path}"),
            false => format!("/r4/{path}"),
        };
        let answer = world.send(&client, ask(&world, scope, "GET", &path)).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
    }
    world.close().await;
}

/// The one request upstream: its path, and its body.
fn sent(world: &World, name: &str) -> (String, String) {
    let requests = world.fhir.requests();
    let [request] = requests.as_slice() else {
        panic!("{name}: {requests:?}");
    };
    let body = String::from_utf8(request.body.to_vec()).expect("text");
    (request.path_and_query.clone(), body)
}

/// The ids of what a search found; nobody else's is among it.
fn found(name: &str, answer: &Response) -> Vec<String> {
    assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    assert!(!answer.text().contains("Patient/p2"), "{name}");
    let bundle = answer.json().expect("a bundle");
    let id = |resource: &Value| resource["id"].as_str().expect("an id").to_owned();
    resources(&bundle).iter().map(id).collect()
}

async fn searches(world: &World, version: Version) {
    let certificate = world.pki.client("clinic-a");
    let client = world
        .client_of(Some(&certificate), version, "secure")
        .reuse(true);
    for (path, upstream, has) in [
        ("Observation", "Observation?patient=Patient/p1", "o-p1-1"),
        ("Observation?", "Observation?patient=Patient/p1", "o-p1-1"),
        (
            "Observation?code=8867-4&_count=5",
            "Observation?code=8867-4&patient=Patient/p1&_count=5",
            "o-p1-8",
        ),
        (
            "Observation?_id=o-p1-1",
            "Observation?_id=o-p1-1&patient=Patient/p1",
            "o-p1-1",
        ),
        // Another's is not there.
        (
            "Observation?_id=o-p2-1",
            "Observation?_id=o-p2-1&patient=Patient/p1",
            "",
        ),
        (
            "Observation?performer=Practitioner/practitioner-1&_count=1000",
            "Observation?performer=Practitioner/practitioner-1&patient=Patient/p1&_count=1000",
            "",
        ),
        (
            "Observation?subject=Group/p1",
            "Observation?subject=Group/p1&patient=Patient/p1",
            "",
        ),
        ("Patient", "Patient?_id=p1", "p1"),
        ("Patient?gender=x", "Patient?gender=x&_id=p1", ""),
        ("Task", "Task?patient=Patient/p1", ""),
        (
            "?_type=Observation,Condition&_lastUpdated=ge2000&_count=1000",
            "?_type=Observation,Condition&_lastUpdated=ge2000&patient=Patient/p1&_count=1000",
            "o-p1-1",
        ),
    ] {
        for method in ["GET", "HEAD"] {
            world.fhir.forget_requests();
            let target = match path.starts_with('?') {
                true => format!("/r4{path}"),
                false => format!("/r4/{path}"),
            };
            let name = format!("{method} {path}");
            let answer = world
                .send(&client, ask(world, PATIENT, method, &target))
                .await;
            let (gone, _) = sent(world, &name);
            let upstream = upstream.trim_start_matches('/');
            let expected = match upstream.starts_with('?') {
                true => format!("/fhir{upstream}"),
                false => format!("/fhir/{upstream}"),
            };
            assert_eq!(gone, expected, "{name}");
            if path.starts_with("Task") {
                // The server has no such type.
                continue;
            }
            if method == "HEAD" {
                assert_eq!((answer.status, answer.body.len()), (200, 0), "{name}");
                continue;
            }
            // The link to itself says what was asked for.
            if path.contains("p2") {
                check_head(&name, &answer);
            } else {
                check(&name, &answer);
            }
            let ids = found(&name, &answer);
            let is_there = ids.iter().any(|id| id == has);
            assert!(is_there || has.is_empty(), "{name}: {ids:?}");
            assert!(!ids.iter().any(|id| id == "o-p2-1" || id == "p2"), "{name}");
            // What was asked for is told, and is the same search when it comes again.
            let own = answer.json().expect("a bundle")["link"][0]["url"].take();
            let own = own.as_str().and_then(|url| url.strip_prefix(BASE));
            let own = format!("/r4{}", own.expect("below the base"));
            let again = world.send(&client, ask(world, PATIENT, "GET", &own)).await;
            assert_eq!(found(&name, &again), ids, "{name}");
        }
    }
    world.fhir.forget_requests();
    let form = Request::new("POST", "/r4/Observation/_search")
        .bearer(&world.token(PATIENT))
        .body(FORM, "code=8867-4");
    let answer = world.send(&client, form).await;
    let ids = found("by POST", &answer);
    assert!(ids.iter().any(|id| id == "o-p1-8"), "{ids:?}");
    let expected = (
        "/fhir/Observation/_search",
        "code=8867-4&patient=Patient/p1",
    );
    assert_eq!(
        sent(world, "by POST"),
        (expected.0.to_owned(), expected.1.to_owned())
    );
}

/// An entry of a Bundle is decided on as a request of its own.
async fn batch(world: &World) {
    let get = |url: &str| json!({"request": {"method": "GET", "url": url}});
    let entries = [
        get("Observation?code=8867-4"),
        get("Patient"),
        get("Device"),
    ];
    let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": entries});
    world.fhir.forget_requests();
    let request = Request::new("POST", "/r4")
        .bearer(&world.token(PATIENT))
        .body("application/fhir+json", bundle.to_string());
    let answer = world.send(&world.client(), request).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let (_, body) = sent(world, "batch");
    let body: Value = serde_json::from_str(&body).expect("JSON");
    let urls: Vec<&str> = body["entry"]
        .as_array()
        .expect("entries")
        .iter()
        .filter_map(|entry| entry["request"]["url"].as_str())
        .collect();
    let expected = [
        "Observation?code=8867-4&patient=Patient/p1",
        "Patient?_id=p1",
    ];
    assert_eq!(urls, expected);
    let answered = answer.json().expect("a bundle");
    assert_eq!(answered["entry"][2]["response"]["status"], "400");
    assert!(!answer.text().contains("Patient/p2"));
}

/// A server that drops the condition, and one that says it kept it.
async fn lies(world: &World) {
    let client = world.client().reuse(true);
    for lie in ["ignore-filters", "lie-self"] {
        world.fhir.misbehave(Some(lie));
        let request = ask(world, PATIENT, "GET", "/r4/Observation?_count=1000");
        let answer = world.send(&client, request).await;
        world.fhir.misbehave(None);
        check_head(lie, &answer);
        let ids = found(lie, &answer);
        assert!(ids.contains(&"o-p1-1".to_owned()), "{lie}");
        assert!(!ids.iter().any(|id| id.starts_with("o-p2")), "{lie}");
    }
}
