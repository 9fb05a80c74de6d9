//! Writes: what comes back of them, to whom, and where it says it is.

use fhir_guard_harness::client::{End, Request, Response, Version};
use serde_json::{Value, json};

use crate::hostile::redacted;
use crate::wire::{check_head, check_refusal};
use crate::world::{BASE, Setting, World};

const FHIR: &str = "application/fhir+json";

/// What comes back of a write, and what its record says.
struct Written {
    status: u16,
    /// The path behind the base that `Location` names.
    location: Option<&'static str>,
    etag: Option<&'static str>,
    body: Body,
}

enum Body {
    Nothing,
    /// This resource.
    Resource(Value),
}

async fn send(world: &World, request: Request, scope: &str) -> Response {
    let claims = world.claims().scope(scope);
    let token = world
        .issuer
        .token(&claims.fhir_user("Practitioner/practitioner-1"));
    world.send(&world.client(), request.bearer(&token)).await
}

/// What came back, less what is redacted.
fn check(name: &str, answer: &Response, written: Written) {
    let text = answer.text();
    for word in ["1950-05-05", "Cinder"] {
        assert!(!text.contains(word), "{name}: {word} has left");
    }
    let body = match written.body {
        Body::Resource(whole) => Body::Resource(redacted(whole)),
        Body::Nothing => Body::Nothing,
    };
    check_whole(name, answer, Written { body, ..written });
}

fn check_whole(name: &str, answer: &Response, written: Written) {
    check_head_of_write(name, answer);
    assert_eq!(answer.status, written.status, "{name}: {}", answer.text());
    assert_eq!(answer.end, End::Complete, "{name}");
    let location = written.location.map(|path| format!("{BASE}/{path}"));
    assert_eq!(answer.header("location"), location, "{name}");
    assert_eq!(answer.header("etag").as_deref(), written.etag, "{name}");
    match written.body {
        Body::Nothing => assert_eq!(answer.text(), "", "{name}"),
        Body::Resource(expected) => {
            let mut came = answer.json().expect(name);
            // The server's own: when it was written.
            came["meta"]
                .as_object_mut()
                .map(|meta| meta.remove("lastUpdated"));
            assert_eq!(came, expected, "{name}");
        }
    }
    let text = answer.text();
    for word in ["127.0.0.1", "localhost"] {
        assert!(!text.contains(word), "{name}: {word} has left");
    }
}

fn check_head_of_write(name: &str, answer: &Response) {
    check_head(name, answer);
    assert!(
        answer
            .header("last-modified")
            .is_none_or(|date| date.ends_with(" GMT")),
        "{name}"
    );
}

fn patient(id: Option<&str>, version: Option<&str>) -> Value {
    let mut patient = json!({
        "resourceType": "Patient",
        "name": [{"family": "Umarov"}],
        "birthDate": "1950-05-05",
        "_birthDate": {"extension": [{"url": "http://example.org/x", "valueString": "1950-05-05T01"}]},
        "address": [{"line": ["1 Cinder Path"]}]
    });
    if let Some(id) = id {
        patient["id"] = json!(id);
    }
    if let Some(version) = version {
        patient["meta"] = json!({"versionId": version});
    }
    patient
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_answers_with_what_its_caller_may_read() {
    let world = World::shared(Setting::default()).await;
    let post = |prefer: &str| {
        let request =
            Request::new("POST", "/r4/Patient").body(FHIR, patient(None, None).to_string());
        if prefer.is_empty() {
            request
        } else {
            request.header("prefer", prefer)
        }
    };
    let created = |location, body| Written {
        status: 201,
        location: Some(location),
        etag: Some("W/\"1\""),
        body,
    };
    let whole = |id, version| Body::Resource(patient(Some(id), Some(version)));

    // Who may not read what is created sees where it is, and nothing of it.
    let answer = send(&world, post(""), "system/Patient.c").await;
    check(
        "create only",
        &answer,
        created("Patient/n1/_history/1", Body::Nothing),
    );
    let answer = send(&world, post("return=representation"), "user/Patient.c").await;
    check(
        "create only, asking for it",
        &answer,
        created("Patient/n2/_history/1", Body::Nothing),
    );
    // The upstream was asked not to answer with it in the first place.
    let asked = world.fhir.requests();
    for request in &asked {
        assert_eq!(request.header("prefer").as_deref(), Some("return=minimal"));
    }
    let answer = send(&world, post(""), "system/Patient.cr").await;
    check(
        "create and read",
        &answer,
        created("Patient/n3/_history/1", whole("n3", "1")),
    );
    let answer = send(&world, post("return=representation"), "user/Patient.cr").await;
    check(
        "user",
        &answer,
        created("Patient/n4/_history/1", whole("n4", "1")),
    );
    let answer = send(&world, post("return=minimal"), "system/Patient.cr").await;
    check(
        "minimal",
        &answer,
        created("Patient/n5/_history/1", Body::Nothing),
    );
    // The rule of the manifest spares who may read all of a Patient as a user.
    let answer = send(&world, post(""), "user/Patient.crs").await;
    let mut came = answer.json().expect("a resource");
    came["meta"]
        .as_object_mut()
        .map(|meta| meta.remove("lastUpdated"));
    assert_eq!(came, patient(Some("n6"), Some("1")), "spared");

    let put = |id: &str, tag: &str| {
        let request = Request::new("PUT", &format!("/r4/Patient/{id}"))
            .body(FHIR, patient(Some(id), None).to_string());
        if tag.is_empty() {
            request
        } else {
            request.header("if-match", tag)
        }
    };
    let updated = |etag, body| Written {
        status: 200,
        location: None,
        etag: Some(etag),
        body,
    };
    // Whoever sees a part could only write back that part.
    let answer = send(&world, put("n3", "W/\"1\""), "system/Patient.ru").await;
    check_refusal("update of a part", &answer, 400, "not-supported");
    let spared = "user/Patient.cruds";
    let answer = send(&world, put("n3", "W/\"1\""), spared).await;
    check_whole("update", &answer, updated("W/\"2\"", whole("n3", "2")));
    let answer = send(
        &world,
        put("n3", "").header("prefer", "return=minimal"),
        spared,
    )
    .await;
    check(
        "update, minimal",
        &answer,
        updated("W/\"3\"", Body::Nothing),
    );
    let answer = send(&world, put("n3", "W/\"1\""), spared).await;
    check_refusal("moved", &answer, 412, "conflict");
    let answer = send(&world, put("new", ""), spared).await;
    check_whole(
        "update that creates",
        &answer,
        created("Patient/new/_history/1", whole("new", "1")),
    );

    let patch = |operations: Value| {
        Request::new("PATCH", "/r4/Patient/n3")
            .body("application/json-patch+json", operations.to_string())
    };
    let operations = json!([{"op": "replace", "path": "/name/0/family", "value": "Umarov-Ek"}]);
    let answer = send(&world, patch(operations), spared).await;
    let mut patched = patient(Some("n3"), Some("4"));
    patched["name"][0]["family"] = json!("Umarov-Ek");
    check_whole(
        "patch",
        &answer,
        updated("W/\"4\"", Body::Resource(patched)),
    );
    let operations = json!([{"op": "replace", "path": "/nothing/9", "value": 1}]);
    let answer = send(&world, patch(operations), spared).await;
    check_refusal("patch of nothing", &answer, 422, "processing");

    let delete = |id: &str| Request::new("DELETE", &format!("/r4/Patient/{id}"));
    let gone = || Written {
        status: 204,
        location: None,
        etag: None,
        body: Body::Nothing,
    };
    let answer = send(&world, delete("n3"), "system/Patient.d").await;
    check("delete", &answer, gone());
    let answer = send(&world, delete("n3"), "system/Patient.d").await;
    check("delete again", &answer, gone());
    let answer = send(&world, delete("never"), "system/Patient.d").await;
    check_refusal("delete of nothing", &answer, 404, "not-found");
    let answer = send(&world, Request::get("/r4/Patient/n3"), "system/Patient.r").await;
    check_refusal("read of what is gone", &answer, 410, "deleted");

    let records = world.records().await;
    let count = |outcome: &str| {
        let all = records.iter();
        all.filter(|record| record["outcome"] == outcome).count()
    };
    assert_eq!(
        (count("allowed"), count("refused")),
        (records.len() - 1, 1),
        "{records:?}"
    );
    // The upstream's own refusals: permitted requests, and their answers with the words taken out.
    let refused = records
        .iter()
        .filter_map(|record| record["status"].as_u64());
    let refused: Vec<u64> = refused.filter(|status| *status >= 400).collect();
    assert_eq!(refused, [400, 412, 422, 404, 410]);
    let body = records
        .iter()
        .find(|record| record["rule"] == "scope:system/Patient.cr");
    let body = body.expect("create and read");
    assert_eq!((&body["passed"], &body["redacted"]), (&json!(1), &json!(1)));
    world.close().await;
}

/// A write was written, whatever comes back of it: saying otherwise would have it written again. So
/// the head leaves with the status, and a body that does not pass the screen does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_not_denied_for_what_the_server_says_about_it() {
    let world = World::shared(Setting::default()).await;
    for (misbehaviour, status) in [
        ("wrong-type", 201),
        ("foreign-contained", 201),
        ("wrong-id", 201),
        ("not-json", 201),
        ("truncated-json", 201),
        ("html-200", 200),
        ("gzip-unasked", 201),
        ("two-roots", 201),
        ("trailing-garbage", 201),
        ("duplicate-keys", 201),
        ("parameters", 201),
        ("nested-bundle", 201),
        ("big-20mb", 201),
        ("big-resource-9mb", 201),
        ("many-small", 201),
        ("deep", 201),
        ("leaky-links", 201),
        ("header-flood", 201),
        ("chunked", 201),
        ("slow-chunks", 201),
        ("no-content-length", 201),
    ] {
        for version in [Version::Http1, Version::Http2] {
            let name = format!("{misbehaviour} {version:?}");
            world.fhir.misbehave(Some(misbehaviour));
            let client = world.client_of(Some(&world.pki.client("clinic-a")), version, "secure");
            let observation = json!({
                "resourceType": "Observation", "status": "final", "code": {"text": "x"},
                "subject": {"reference": "Patient/p1"}
            });
            let request = Request::new("POST", "/r4/Observation")
                .body(FHIR, observation.to_string())
                .bearer(&world.token("system/Observation.cr"));
            let answer = world.send(&client, request).await;
            check_head_of_write(&name, &answer);
            assert_eq!(answer.status, status, "{name}: {}", answer.text());
            assert_eq!(answer.end, End::Complete, "{name}");
            let honest = matches!(
                misbehaviour,
                "leaky-links" | "header-flood" | "chunked" | "slow-chunks" | "no-content-length"
            );
            // With system/ a foreign patient's resource may be read: only what is not what was
            // written does not leave.
            let readable = honest || matches!(misbehaviour, "foreign-contained" | "wrong-id");
            assert_eq!(
                !answer.body.is_empty(),
                readable,
                "{name}: {}",
                answer.text()
            );
            let location = answer.header("location");
            let expected = (!matches!(misbehaviour, "leaky-links" | "html-200"))
                .then(|| format!("{BASE}/Observation/n"));
            match (location, expected) {
                (None, None) => {}
                (Some(location), Some(start)) if location.starts_with(&start) => {}
                (location, _) => panic!("{name}: {location:?}"),
            }
        }
    }
    world.fhir.misbehave(None);
    for record in world.records().await {
        assert_eq!(record["outcome"], "allowed", "{record}");
    }
    world.close().await;
}
