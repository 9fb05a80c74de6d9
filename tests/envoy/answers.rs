//! Honest answers: what of them leaves, how one pages through them, and what stays behind.

mod silence;

use std::time::Duration;

use fhir_guard_harness::client::{End, Request, Response, Version};
use serde_json::{Value, json};

use crate::hostile::redacted;
use crate::wire::{check, check_head, check_refusal, is_sealed, resources};
use crate::world::{BASE, Setting, World};

/// The fields of an answer with a resource, all of them.
const FIELDS: [&str; 12] = [
    "cache-control",
    "content-type",
    "date",
    "etag",
    "last-modified",
    "ratelimit",
    "ratelimit-policy",
    "strict-transport-security",
    "traceparent",
    "vary",
    "x-content-type-options",
    "x-request-id",
];

async fn get(world: &World, scope: &str, path: &str) -> Response {
    let claims = world.claims().scope(scope);
    let claims = claims.fhir_user("Practitioner/practitioner-1");
    let request = Request::get(path).bearer(&world.issuer.token(&claims));
    world.send(&world.client(), request).await
}

async fn direct(world: &World, path: &str) -> Value {
    serde_json::from_slice(&world.direct(path).await).expect("the server's own JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_hidden_does_not_leave() {
    let world = World::shared(Setting {
        policy: Some(Box::new(|policy: &mut Value| {
            let rule = json!({
                "name": "notes", "resource": "Observation", "elements": ["note.text"],
                "action": "mask", "unless": {"scope": "system/Observation.cruds"}
            });
            policy["redaction"]
                .as_array_mut()
                .expect("rules")
                .push(rule);
        })),
        ..Setting::default()
    })
    .await;
    let own = direct(&world, "/Patient/p1").await;
    for hidden in ["address", "telecom", "birthDate", "_birthDate", "contact"] {
        assert!(own.get(hidden).is_some(), "the data set has no {hidden}");
    }
    // Every level is redacted, but the one scope that the rule spares.
    for (scope, spared) in [
        ("patient/Patient.rs", false),
        ("system/Patient.cruds", false),
        ("user/Patient.r", false),
        ("user/Patient.rs", true),
        ("user/*.cruds", true),
        ("user/Observation.rs user/Patient.r", false),
    ] {
        for path in ["/r4/Patient/p1", "/r4/Patient/p1/_history/1"] {
            let answer = get(&world, scope, path).await;
            let name = format!("{path} {scope}");
            check(&name, &answer);
            let expected = if spared {
                own.clone()
            } else {
                redacted(own.clone())
            };
            assert_eq!(answer.json().expect(&name), expected, "{name}");
            assert_eq!(answer.header("etag").as_deref(), Some("W/\"1\""), "{name}");
            let mut fields: Vec<&str> = answer
                .headers
                .iter()
                .map(|(name, _)| name.as_str())
                .collect();
            fields.sort_unstable();
            assert_eq!(fields, FIELDS, "{name}");
        }
    }

    // A hidden type inside another one, and the narrative that would repeat it.
    let observation = json!({
        "resourceType": "Observation", "id": "holder", "status": "final",
        "text": {"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">born 1950-05-05</div>"},
        "contained": [{"resourceType": "Patient", "id": "c", "birthDate": "1950-05-05",
            "_birthDate": {"id": "1950-05-05"}, "name": [{"family": "Umarov"}]}],
        "code": {"text": "x"}, "subject": {"reference": "#c"},
        "note": [{"text": "secret one", "time": "2026-01-01"}, {"text": "secret two"}]
    });
    world.put(&observation).await;
    let answer = get(&world, "system/Observation.cruds", "/r4/Observation/holder").await;
    let mut expected = direct(&world, "/Observation/holder").await;
    let contained = json!({"resourceType": "Patient", "id": "c", "name": [{"family": "Umarov"}]});
    expected["contained"][0] = contained;
    expected
        .as_object_mut()
        .map(|members| members.remove("text"));
    for codes in ["security", "tag"] {
        expected["meta"][codes] = redacted(own.clone())["meta"][codes].clone();
    }
    check("contained", &answer);
    assert_eq!(answer.json().expect("a resource"), expected, "contained");
    // Masked, and nowhere else spelled out. A caller confined to a patient gets none of it.
    let answer = get(&world, "system/Observation.r", "/r4/Observation/holder").await;
    let text = answer.text();
    assert!(
        !text.contains("secret") && text.contains("masked"),
        "{text}"
    );
    let search = "/r4/Observation?patient=p1&_count=1000";
    let answer = get(&world, "patient/*.rs", search).await;
    check("confined", &answer);
    assert!(!answer.text().contains("holder"));

    // Counts: every resource that left, was taken out, was redacted.
    let records = world.records().await;
    let [.., record] = records.as_slice() else {
        panic!("no record")
    };
    let all = resources(&direct(&world, "/Observation?patient=p1&_count=1000").await);
    let own = all.iter().filter(|one| one["id"] != "o-mixed").count();
    assert_eq!(record["passed"], own, "{record}");
    assert_eq!(record["removed"], 1, "{record}");
    assert_eq!(record["redacted"], own, "every narrative goes: {record}");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_lead_through_everything_and_nowhere_else() {
    let world = World::shared(Setting {
        policy: Some(Box::new(|policy: &mut Value| {
            policy["secrets"] = json!({"page_key": {"inline": "01".repeat(32)}});
        })),
        ..Setting::default()
    })
    .await;
    // Three versions of the own Patient, for its history.
    for _ in 0..2 {
        let patient = direct(&world, "/Patient/p1").await;
        world.put(&patient).await;
    }
    walk(&world, false).await;
    world.fhir.misbehave(Some("opaque-pages"));
    walk(&world, true).await;
    // A link is of no use to another.
    let first = "/r4/Observation?patient=p1&_count=3";
    let answer = get(&world, "patient/*.rs", first).await;
    let bundle = answer.json().expect("a bundle");
    let link = text(&bundle["link"][1]["url"]).replace("https://fhir.example.org", "");
    let answer = get(&world, "patient/*.rs", &link).await;
    check("one's own page", &answer);
    let answer = get(&world, "patient/Observation.rs", &link).await;
    check_refusal("another's page", &answer, 400, "invalid");
    // A page that would be somebody else's is said to be missing, and cannot be had.
    world.fhir.misbehave(Some("leaky-links"));
    let answer = get(&world, "patient/*.rs", first).await;
    world.fhir.misbehave(None);
    check("leaky links", &answer);
    let links = answer.json().expect("a bundle")["link"].take();
    let expected = json!([
        {"relation": "self", "url": format!("{BASE}/Observation?patient=Patient/p1&_count=3")},
        {"relation": "next", "url": format!("{BASE}/Observation?_page=unavailable")}
    ]);
    assert_eq!(links, expected);
    let answer = get(&world, "patient/*.rs", "/r4/Observation?_page=unavailable").await;
    check_refusal("the missing page", &answer, 400, "invalid");
    world.close().await;
}

/// Follows the links from the first page to the last; `opaque` where they tell nothing.
async fn walk(world: &World, opaque: bool) {
    for (path, all) in [
        (
            "/Observation?patient=Patient/p1&_count=3",
            "/Observation?patient=p1&_count=1000",
        ),
        (
            "/Observation?subject=p1&status=final&_count=7",
            "/Observation?subject=p1&status=final&_count=1000",
        ),
        // Whose it is is added, to every page.
        (
            "/Observation?status=final&_count=7",
            "/Observation?patient=p1&status=final&_count=1000",
        ),
        ("/Patient/p1/_history?_count=1", "/Patient/p1/_history"),
    ] {
        let mut expected: Vec<Value> = resources(&direct(world, all).await)
            .into_iter()
            .filter(|resource| resource["id"] != "o-mixed")
            .map(redacted)
            .collect();
        let mut next = Some(format!("/r4{path}"));
        let mut came = Vec::new();
        let mut pages = 0;
        while let Some(path) = next.take() {
            let answer = get(world, "patient/*.rs", &path).await;
            check(&path, &answer);
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            let page = answer.json().expect("a bundle");
            assert!(page.get("total").is_none(), "{path}: total");
            for entry in page["entry"].as_array().into_iter().flatten() {
                let resource = &entry["resource"];
                let instance = format!(
                    "{BASE}/{}/{}",
                    text(&resource["resourceType"]),
                    text(&resource["id"])
                );
                assert_eq!(entry["fullUrl"], instance, "{path}");
            }
            came.extend(resources(&page));
            for link in page["link"].as_array().expect("links") {
                let url = text(&link["url"]);
                let relative = url
                    .strip_prefix("https://fhir.example.org")
                    .expect("the external base");
                if link["relation"] == "next" {
                    next = Some(relative.to_owned());
                }
            }
            pages += 1;
            let sealed = next.as_deref().map(is_sealed);
            assert!(sealed.is_none_or(|sealed| sealed == opaque), "{next:?}");
            assert!(pages < 100, "{path} leads in a circle");
        }
        assert!(pages > 1, "{path}: {pages}");
        let key =
            |resource: &Value| format!("{} {}", resource["id"], resource["meta"]["versionId"]);
        came.sort_by_key(key);
        expected.sort_by_key(key);
        assert_eq!(came.len(), expected.len(), "{path}");
        for (came, expected) in came.iter().zip(&expected) {
            assert_eq!(came, expected, "{path}");
        }
    }
}

/// A HEAD tells what a GET tells, less the body: it is decided on the body too.
#[tokio::test(flavor = "multi_thread")]
async fn head_is_get_without_a_body() {
    let world = World::shared(Setting::default()).await;
    let large = json!({
        "resourceType": "Observation", "id": "large", "status": "final", "code": {"text": "x"},
        "note": [{"text": "x".repeat(3 << 20)}]
    });
    world.put(&large).await;
    for (scope, path, misbehaviour, status) in [
        ("patient/*.rs", "/r4/Patient/p1", None, 200),
        ("patient/*.rs", "/r4/Patient/p1/_history/1", None, 200),
        ("patient/*.rs", "/r4/Patient/p1/_history/9", None, 404),
        ("patient/*.rs", "/r4/Patient/p1/_history", None, 200),
        ("patient/*.rs", "/r4/Observation?patient=p1", None, 200),
        ("patient/*.rs", "/r4/Patient/p2", None, 404),
        ("patient/*.rs", "/r4/Patient/absent", None, 404),
        ("patient/*.rs", "/r4/Observation/o-p1-1", None, 200),
        ("patient/*.rs", "/r4/Observation/o-p2-1", None, 404),
        ("patient/*.rs", "/r4/Patient/p1", Some("wrong-id"), 502),
        (
            "patient/*.rs",
            "/r4/Patient/p1",
            Some("foreign-contained"),
            404,
        ),
        ("patient/*.rs", "/r4/Patient/p1", Some("two-roots"), 502),
        (
            "patient/*.rs",
            "/r4/Patient/p1",
            Some("truncated-json"),
            502,
        ),
        ("patient/*.rs", "/r4/Patient/p1", Some("status-500"), 502),
        (
            "patient/*.rs",
            "/r4/Patient/p1",
            Some("no-content-length"),
            200,
        ),
        ("patient/*.rs", "/r4/Patient/p1", Some("trailers"), 200),
        ("system/*.rs", "/r4/Observation/large", None, 200),
        (
            "system/*.rs",
            "/r4/Observation/large",
            Some("no-content-length"),
            200,
        ),
        ("system/*.rs", "/r4/Patient/absent", None, 404),
        ("system/*.rs", "/r4/Practitioner/practitioner-1", None, 200),
        ("system/*.r", "/r4/Observation?patient=p1", None, 403),
        ("", "/r4/metadata", None, 200),
    ] {
        for version in [Version::Http1, Version::Http2] {
            let name = format!("{path} {misbehaviour:?} {version:?}");
            let client = world.client_of(Some(&world.pki.client("clinic-a")), version, "secure");
            world.fhir.misbehave(misbehaviour);
            let mut answers = Vec::new();
            for method in ["GET", "HEAD"] {
                let mut request = Request::new(method, path);
                if !scope.is_empty() {
                    request = request.bearer(&world.token(scope));
                }
                answers.push(world.send(&client, request).await);
            }
            world.fhir.misbehave(None);
            for answer in &answers {
                check_head(&name, answer);
                assert_eq!(answer.status, status, "{name}: {}", answer.status);
                assert_eq!(answer.end, End::Complete, "{name}");
            }
            assert!(answers[1].body.is_empty(), "{name}");
            let fields = |answer: &Response| {
                let own = [
                    "content-length",
                    "transfer-encoding",
                    "date",
                    "traceparent",
                    "x-request-id",
                ];
                let mut fields = answer.headers.clone();
                // What is left of a limit is told, and is one less each time.
                fields.retain(|(name, _)| {
                    !own.contains(&name.as_str()) && !name.starts_with("ratelimit")
                });
                fields.sort();
                fields
            };
            assert_eq!(fields(&answers[0]), fields(&answers[1]), "{name}");
        }
    }
    world.close().await;
}

/// A client that goes away leaves one record, and the worker to the others.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_is_recorded() {
    let world = World::shared(Setting::default()).await;
    for index in 0..30 {
        world
            .put(&json!({
                "resourceType": "Observation", "id": format!("wide-{index}"), "status": "final",
                "code": {"text": "x"}, "subject": {"reference": "Patient/p9"},
                "note": [{"text": "y".repeat(100_000)}]
            }))
            .await;
    }
    world.fhir.misbehave(Some("slow-chunks"));
    let token = world.token("system/*.rs");
    for version in [Version::Http1, Version::Http2] {
        for reuse in [false, true] {
            let name = format!("{version:?} reuse: {reuse}");
            let certificate = world.pki.client("clinic-a");
            let client = || {
                world
                    .client_of(Some(&certificate), version, "secure")
                    .reuse(reuse)
            };
            // While the head is held.
            let request = Request::get("/r4/Patient/p1").bearer(&token);
            world.expect_records(1);
            let impatient = client().timeout(Duration::from_millis(400));
            let answer = impatient.send(request).await;
            assert!(answer.is_err(), "{name}: {answer:?}");
            // While the body streams: 3 MB come in eight pieces.
            let request = Request::get("/r4/Observation?patient=p9&_count=1000").bearer(&token);
            world.expect_records(1);
            let leaving = client();
            let answer = leaving.send_and_abandon(request, 300_000).await;
            let answer = answer.expect("a part of an answer");
            assert_eq!(answer.status, 200, "{name}");
            assert!((300_000..2_900_000).contains(&answer.body.len()), "{name}");
        }
    }
    for record in world.records().await {
        assert_eq!(record["outcome"], "cut", "{record}");
        if record["interaction"] == "search-type" {
            assert_eq!(record["status"], 200, "{record}");
            assert!(
                record["passed"].as_u64().is_some_and(|passed| passed > 0),
                "{record}"
            );
        } else {
            assert_eq!(record["passed"], 0, "{record}");
            assert_ne!(record["status"], 200, "nothing has left: {record}");
        }
    }
    world.fhir.misbehave(None);
    world.close().await;
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}
