//! What a patient reads by its id: what may not be seen answers, byte for byte, like what is not there.

use serde_json::{Value, json};

use super::ask;
use crate::wire::{check_head, without_ids};
use crate::world::{Setting, World};

const SCOPE: &str = "patient/*.rs";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_anothers_answers_like_what_is_not_there_bypass_29_30_70() {
    for (absent_as, status) in [("not-found", 404), ("forbidden", 403)] {
        let world = World::shared(Setting {
            policy: Some(Box::new(move |policy: &mut Value| {
                policy["response"]["absent"] = json!(absent_as);
                policy["fhir"]["universal_types"] = json!(["Organization", "Practitioner"]);
                policy["fhir"]["patient_membership"] = json!(["Task.patient"]);
            })),
            ..Setting::default()
        })
        .await;
        fill(&world).await;
        let client = world.client().reuse(true);
        for version in ["", "/_history", "/_history/1"] {
            for method in ["GET", "HEAD"] {
                let absent = format!("/r4/Observation/nothing{version}");
                let absent = world
                    .send(&client, ask(&world, SCOPE, method, &absent))
                    .await;
                let absent = without_ids(&absent);
                assert_eq!(absent.0, status, "{method} nothing{version}");
                for (instance, opened) in [
                    ("Observation/o-p1-1", true),
                    ("Observation/large-own", true),
                    ("Task/own", true),
                    ("Organization/organization-1", true),
                    ("Practitioner/practitioner-1", true),
                    ("Patient/p1", true),
                    ("Observation/o-p2-1", false),
                    ("Observation/large-other", false),
                    ("Observation/of-two", false),
                    ("Observation/gone", false),
                    ("Task/other", false),
                    ("Location/location-1", false),
                    ("Patient/p2", false),
                    ("Patient/nothing", false),
                ] {
                    let path = format!("/r4/{instance}{version}");
                    let name = format!("{absent_as} {method} {path}");
                    let request = ask(&world, SCOPE, method, &path);
                    let answer = world.send(&client, request).await;
                    if opened {
                        check_head(&name, &answer);
                        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
                        assert!(!answer.text().contains("Patient/p2"), "{name}");
                    } else {
                        assert_eq!(without_ids(&answer), absent, "{name}");
                    }
                }
            }
        }
        world.close().await;
    }
}

/// What the data set lacks: large ones, one of two patients, tasks, and one that was deleted.
async fn fill(world: &World) {
    let observation = |id: &str, patient: &str, padding: usize| {
        json!({
            "resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"},
            "subject": {"reference": format!("Patient/{patient}")}, "note": [{"text": "x".repeat(padding)}],
        })
    };
    let task = |id: &str, patient: &str| {
        json!({
            "resourceType": "Task", "id": id, "status": "draft", "intent": "order",
            "for": {"reference": format!("Patient/{patient}")},
        })
    };
    let mut of_two = observation("of-two", "p1", 1);
    of_two["performer"] = json!([{"reference": "Patient/p2"}]);
    for resource in [
        observation("large-own", "p1", 300 << 10),
        observation("large-other", "p2", 3 << 20),
        of_two,
        task("own", "p1"),
        task("other", "p2"),
        observation("gone", "p2", 1),
    ] {
        world.put(&resource).await;
    }
    let client = world.client();
    let request = ask(world, "system/*.cruds", "DELETE", "/r4/Observation/gone");
    assert_eq!(world.send(&client, request).await.status, 204);
}
