//! Bulk exports, in a real Envoy: from the start to the files, of which leaves what the caller may see.

pub mod files;
mod hidden;

use fhir_guard_harness::client::{Client, End, Request, Response, Version};
use serde_json::{Value, json};

use crate::wire::check_head;
use crate::world::{BASE, Setting, World};

const KEY: &str = "0101010101010101010101010101010101010101010101010101010101010101";
const ALL: &str = "system/*.rs";

fn exporting(policy: &mut Value) {
    policy["secrets"] = json!({"page_key": {"inline": KEY}});
    policy["fhir"]["export"] =
        json!({"levels": ["system", "patient", "group"], "files": ["/files/"]});
}

async fn world() -> World {
    World::with(Setting {
        policy: Some(Box::new(exporting)),
        ..Setting::default()
    })
    .await
}

/// A caller of one scope.
struct Caller<'w> {
    world: &'w World,
    client: Client,
    token: String,
}

impl<'w> Caller<'w> {
    fn new(world: &'w World, version: Version, scope: &str) -> Caller<'w> {
        let certificate = world.pki.client("clinic-a");
        Caller {
            world,
            client: world
                .client_of(Some(&certificate), version, "secure")
                .reuse(true),
            token: world.token(scope),
        }
    }

    async fn ask(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Response {
        let request = Request::new(method, path).bearer(&self.token);
        let request = fields.iter().fold(request, |request, (name, value)| {
            request.header(name, value)
        });
        let answer = self.world.send(&self.client, request).await;
        check_head(path, &answer);
        answer
    }

    /// Our link to a job.
    async fn start(&self, path: &str) -> String {
        let asked = [
            ("prefer", "respond-async"),
            ("accept", "application/fhir+json"),
        ];
        let answer = self.ask("GET", path, &asked).await;
        assert_eq!((answer.status, answer.text().as_str()), (202, ""), "{path}");
        below(&answer.header("content-location").expect("a link"))
    }

    /// The manifest of a job that is asked for until it is done.
    async fn manifest(&self, job: &str) -> Value {
        let answer = self.ask("GET", job, &[]).await;
        assert_eq!((answer.status, answer.text().as_str()), (202, ""));
        assert_eq!(answer.header("retry-after").as_deref(), Some("1"));
        assert_eq!(answer.header("x-progress").as_deref(), Some("50%"));
        let answer = self.ask("GET", job, &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json().expect("a manifest")
    }

    async fn file(&self, link: &str) -> Response {
        self.ask("GET", link, &[("accept", "application/fhir+ndjson")])
            .await
    }
}

fn below(url: &str) -> String {
    let path = url
        .strip_prefix(BASE)
        .unwrap_or_else(|| panic!("{url} is not below our base"));
    format!("/r4{path}")
}

fn files(manifest: &Value, part: &str) -> Vec<(String, String)> {
    let text = |file: &Value, name: &str| file[name].as_str().expect("text").to_owned();
    let files = manifest[part].as_array().expect("files").iter();
    files
        .map(|file| (text(file, "type"), below(&text(file, "url"))))
        .collect()
}

fn lines(answer: &Response) -> Vec<Value> {
    let text = answer.text();
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().expect("each line is JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_goes_from_its_start_to_its_files_bypass_34() {
    let world = world().await;
    for version in [Version::Http1, Version::Http2] {
        let caller = Caller::new(&world, version, ALL);
        let job = caller
            .start("/r4/$export?_type=Patient,Observation,Condition")
            .await;
        let sent = world.fhir.requests().pop().expect("a request");
        assert_eq!(
            sent.path_and_query,
            "/fhir/$export?_type=Patient,Observation,Condition"
        );
        assert_eq!(sent.header("prefer").as_deref(), Some("respond-async"));
        let manifest = caller.manifest(&job).await;
        let request = format!("{BASE}/$export?_type=Patient,Observation,Condition");
        assert_eq!(manifest["request"], request);
        for (of, link) in files(&manifest, "output") {
            let answer = caller.file(&link).await;
            assert_eq!((answer.status, &answer.end), (200, &End::Complete), "{of}");
            assert_eq!(
                answer.header("content-type").as_deref(),
                Some("application/fhir+ndjson")
            );
            let sent = world.fhir.requests().pop().expect("a request");
            assert_eq!(
                sent.header("accept").as_deref(),
                Some("application/fhir+ndjson")
            );
            let all = world
                .direct(&sent.path_and_query.replacen("/fhir", "", 1))
                .await;
            let all = String::from_utf8(all).expect("text");
            assert!(all.lines().count() > 3, "{of}");
            match of.as_str() {
                // The shipped rule hides what identifies a patient.
                "Patient" => {
                    let left = lines(&answer);
                    assert_eq!(left.len(), all.lines().count());
                    assert!(left.iter().all(|patient| patient["birthDate"].is_null()));
                    assert!(all.contains("birthDate"));
                }
                _ => assert_eq!(
                    answer.text(),
                    all,
                    "{of}: nothing is hidden, so nothing is changed"
                ),
            }
        }
        let errors = files(&manifest, "error");
        let answer = caller.file(&errors[0].1).await;
        let issue = json!([{"severity": "warning", "code": "incomplete"}]);
        assert_eq!(
            lines(&answer),
            [json!({"resourceType": "OperationOutcome", "issue": issue})]
        );
        // It is not wanted any more, and gone.
        let answer = caller.ask("DELETE", &job, &[]).await;
        assert_eq!((answer.status, answer.text().as_str()), (202, ""));
        let answer = caller.ask("GET", &job, &[]).await;
        assert_eq!(answer.status, 404);
    }
    let records = world.records().await;
    let of = |code: &str| {
        let records = records.iter();
        records
            .filter(|record| record["interaction"] == code)
            .count()
    };
    assert_eq!(
        [
            of("export"),
            of("export-status"),
            of("export-file"),
            of("export-cancel")
        ],
        [2, 6, 8, 2]
    );
    let patients = records
        .iter()
        .find(|record| record["interaction"] == "export-file" && record["type"] == "Patient");
    let patients = patients.expect("a record of the file");
    assert!(patients["redacted"].as_u64() > Some(3), "{patients}");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_file_leaves_what_the_caller_may_see_bypass_34() {
    let world = world().await;
    for at in 0..20 {
        let category = ["laboratory", "vital-signs"][at % 2];
        world
            .put(&json!({
                "resourceType": "Observation", "id": format!("export-{at}"), "status": "final",
                "code": {"text": format!("told-{at}")}, "subject": {"reference": "Patient/p1"},
                "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": category}]}],
            }))
            .await;
    }
    let caller = Caller::new(
        &world,
        Version::Http2,
        "system/Observation.rs?category=laboratory",
    );
    let job = caller.start("/r4/$export").await;
    let sent = world.fhir.requests().pop().expect("a request");
    assert_eq!(sent.path_and_query, "/fhir/$export?_type=Observation");
    assert_eq!(
        sent.header("prefer").as_deref(),
        Some("respond-async, handling=lenient")
    );
    let manifest = caller.manifest(&job).await;
    assert!(
        manifest["output"][0]["count"].is_null(),
        "it would tell how many are hidden"
    );
    let (_, link) = files(&manifest, "output").remove(0);
    let answer = caller.file(&link).await;
    let own: Vec<Value> = lines(&answer);
    let kept = own.iter().filter(|line| {
        line["id"]
            .as_str()
            .is_some_and(|id| id.starts_with("export-"))
    });
    assert_eq!(kept.count(), 10);
    assert!(
        own.iter()
            .all(|line| line["category"][0]["coding"][0]["code"] == "laboratory")
    );
    // Whoever else asks finds nothing, with a token for everything as well.
    let other = world.pki.client("clinic-b");
    let claims = world
        .claims()
        .bound_to(&other)
        .client_id("clinic-b")
        .scope(ALL);
    let token = world.issuer.token(&claims);
    let client = world.client_of(Some(&other), Version::Http2, "secure");
    for (method, link) in [("GET", &job), ("DELETE", &job), ("GET", &link)] {
        let before = world.fhir.requests().len();
        let request = Request::new(method, link).bearer(&token);
        let answer = world.send(&client, request).await;
        assert_eq!(answer.status, 404, "{method}");
        assert_eq!(world.fhir.requests().len(), before, "nothing went upstream");
    }
    // The caller is not confined to a patient, and a patient is not a caller.
    for scope in ["patient/*.rs", "user/*.rs"] {
        let caller = Caller::new(&world, Version::Http2, scope);
        for path in ["/r4/$export", "/r4/Patient/$export", link.as_str()] {
            let answer = caller.ask("GET", path, &[]).await;
            // The same client is told what it lacks.
            assert_eq!(answer.status, 403, "{scope}: {path}");
        }
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_retrieval_is_charged_bypass_34() {
    let world = World::with(Setting {
        policy: Some(Box::new(|policy| {
            exporting(policy);
            policy["limits"] = json!([{"name": "per-client", "key": ["client"], "rate": "1/h", "burst": 5,
                "when": "fhir.interaction == 'export'"}]);
        })),
        ..Setting::default()
    })
    .await;
    let caller = Caller::new(&world, Version::Http2, ALL);
    let job = caller.start("/r4/Patient/$export?_type=Patient").await;
    let manifest = caller.manifest(&job).await;
    let (_, link) = files(&manifest, "output").remove(0);
    for status in [200, 200, 429] {
        let answer = caller.file(&link).await;
        assert_eq!(answer.status, status);
    }
    let answer = caller.ask("GET", "/r4/Patient/p1", &[]).await;
    assert_eq!(answer.status, 200, "others are not charged for it");
    world.close().await;
}
