//! What an export would tell by what it chooses, and one of all types but a few.

use fhir_guard_harness::client::{End, Version};
use serde_json::json;

use super::{ALL, Caller, exporting, files, lines};
use crate::world::{Setting, World};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_chooses_by_what_an_export_hides_bypass_34() {
    let world = World::with(Setting {
        policy: Some(Box::new(|policy| {
            exporting(policy);
            policy["redaction"] = json!([
                {"name": "gender", "resource": "Patient", "elements": ["gender"], "action": "remove",
                 "when": "fhir.interaction == 'export'"},
                {"name": "members", "resource": "Group", "elements": ["member"], "action": "remove"},
            ]);
        })),
        ..Setting::default()
    })
    .await;
    let caller = Caller::new(&world, Version::Http2, ALL);
    // Nobody hides it in a search.
    let answer = caller.ask("GET", "/r4/Patient?gender=female", &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    for (path, rule) in [
        (
            "/r4/$export?_type=Patient&_typeFilter=Patient?gender=female",
            "request.not-supported.parameter",
        ),
        (
            "/r4/Group/g1/$export?_type=Patient",
            "request.not-supported.group",
        ),
    ] {
        let before = world.fhir.requests().len();
        let answer = caller.ask("GET", path, &[]).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        assert_eq!(world.fhir.requests().len(), before, "no job starts");
        let record = world.records().await.pop().expect("a record");
        assert_eq!(record["rule"], rule, "{path}");
    }
    // And it does not leave.
    let job = caller.start("/r4/$export?_type=Patient").await;
    let manifest = caller.manifest(&job).await;
    let answer = caller.file(&files(&manifest, "output")[0].1).await;
    let left = lines(&answer);
    assert!(left.len() > 3 && left.iter().all(|patient| patient["gender"].is_null()));
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_nearly_all_types_has_its_files() {
    let world = World::with(Setting {
        policy: Some(Box::new(|policy| {
            exporting(policy);
            policy["rules"] = json!([{"name": "no-goals", "effect": "deny", "types": ["Goal"]}]);
        })),
        ..Setting::default()
    })
    .await;
    for version in [Version::Http1, Version::Http2] {
        let caller = Caller::new(&world, version, ALL);
        let job = caller.start("/r4/$export").await;
        assert!(
            job.len() > 2500,
            "it carries the other types: {}",
            job.len()
        );
        let manifest = caller.manifest(&job).await;
        let files = files(&manifest, "output");
        assert!(files.iter().all(|(of, _)| of != "Goal"));
        let (_, link) = files
            .iter()
            .find(|(of, _)| of == "Condition")
            .expect("a file");
        let answer = caller.file(link).await;
        assert_eq!((answer.status, &answer.end), (200, &End::Complete));
        assert!(lines(&answer).len() > 3);
    }
    world.close().await;
}
