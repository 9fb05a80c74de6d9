//! What of a search the operator bounds, and what keeps its answer decidable.

use serde_json::{Value, json};

use super::ask;
use crate::table::{NOT_SUPPORTED, Table, refusal};
use crate::wire::resources;
use crate::world::{Setting, World};

const PATIENT: &str = "patient/*.rs";
const USER: &str = "user/*.s";

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_bounded_and_stays_decidable_bypass_12_19_20_26_27() {
    let setting = Setting {
        policy: Some(Box::new(|policy| {
            policy["fhir"]["search"] = json!({
                "default_count": 5, "max_count": 8, "max_values": 4, "contains": true,
                "date_ranges": [{"resource": "Condition", "parameters": ["onset-date", "recorded-date"], "days": 366}],
            });
        })),
        ..Setting::default()
    };
    let world = World::shared(setting).await;
    forwarded(&world).await;
    let mut table = Table::new(&world);
    refused(&mut table).await;
    table.finish().await;
    world.close().await;
}

async fn forwarded(world: &World) {
    let client = world.client().reuse(true);
    for (scope, path, upstream) in [
        (USER, "Observation", "Observation?_count=5"),
        (USER, "Observation?_count=1000", "Observation?_count=8"),
        (
            USER,
            "Observation/_history",
            "Observation/_history?_count=5",
        ),
        (
            PATIENT,
            "Observation?patient:Patient=p1&_count=3",
            "Observation?patient=Patient/p1&_count=3",
        ),
        (
            PATIENT,
            "Observation?patient=p1&code:not=718-7",
            "Observation?patient=Patient/p1&code:not=718-7&_count=5",
        ),
        (
            USER,
            "Patient?family:exact=Sato",
            "Patient?family:exact=Sato&_count=5",
        ),
        (
            USER,
            "Patient?family:contains=a",
            "Patient?family:contains=a&_count=5",
        ),
        (
            USER,
            "Observation?encounter:missing=true",
            "Observation?encounter:missing=true&_count=5",
        ),
        (
            PATIENT,
            "Observation?patient=p1&_elements=code",
            "Observation?patient=Patient/p1&_elements=code,id,meta,performer,subject,contained&_count=5",
        ),
        (
            USER,
            "Patient?_elements=gender,birthDate",
            "Patient?_elements=gender,birthDate,id,meta&_count=5",
        ),
        (
            USER,
            "Observation?_summary=count",
            "Observation?_summary=count&_count=5",
        ),
        (
            USER,
            "Observation?_total=accurate",
            "Observation?_total=accurate&_count=5",
        ),
        (
            USER,
            "Condition?onset-date=ge2020-01-01&onset-date=lt2020-06-01",
            "Condition?onset-date=ge2020-01-01&onset-date=lt2020-06-01&_count=5",
        ),
        (USER, "Condition?_id=a,b", "Condition?_id=a,b&_count=5"),
    ] {
        world.fhir.forget_requests();
        let answer = world
            .send(&client, ask(world, scope, "GET", &format!("/r4/{path}")))
            .await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let sent = world.fhir.requests();
        let sent: Vec<&str> = sent
            .iter()
            .map(|request| request.path_and_query.as_str())
            .collect();
        assert_eq!(sent, [format!("/fhir/{upstream}")], "{path}");
        let bundle = answer.json().expect("a bundle");
        let told = path.contains("_summary=count") || path.contains("_total");
        let total = bundle.get("total").and_then(Value::as_u64);
        assert_eq!(
            total.is_some_and(|total| total > 100),
            told,
            "{path}: {total:?}"
        );
        assert!(!answer.text().contains(r#""birthDate":"#), "{path}");
        if path.contains("_elements=code") {
            // Nothing is lost by asking for less, and nothing won.
            let whole = ask(world, scope, "GET", "/r4/Observation?patient=p1");
            let whole = world.send(&client, whole).await.json().expect("a bundle");
            let ids = |bundle: &Value| {
                let id = |resource: &Value| resource["id"].clone();
                resources(bundle).iter().map(id).collect::<Vec<_>>()
            };
            assert_eq!(ids(&bundle), ids(&whole), "{path}");
            assert!(ids(&bundle).len() >= 4, "{path}");
        }
    }
}

async fn refused(table: &mut Table<'_>) {
    let world = table.world;
    let client = world.client().reuse(true);
    let costly = refusal(400, "too-costly", None);
    for (scope, path, expected, rule) in [
        (
            USER,
            "Observation?code=a,b,c,d,e",
            costly,
            "request.too-costly.values",
        ),
        (
            USER,
            "Observation?code=a,b,c&status=d,e",
            costly,
            "request.too-costly.values",
        ),
        (
            USER,
            "Condition?code=a",
            costly,
            "request.too-costly.date-range",
        ),
        (
            USER,
            "Condition?onset-date=ge2020",
            costly,
            "request.too-costly.date-range",
        ),
        (
            USER,
            "Condition?onset-date=ge2000&onset-date=lt2020",
            costly,
            "request.too-costly.date-range",
        ),
        (
            PATIENT,
            "Patient/p1/*",
            costly,
            "request.too-costly.date-range",
        ),
        (
            PATIENT,
            "Observation?patient=p1&_summary=count",
            NOT_SUPPORTED,
            "request.not-supported.total",
        ),
        (
            PATIENT,
            "Observation?patient=p1&_total=accurate",
            NOT_SUPPORTED,
            "request.not-supported.total",
        ),
        (
            PATIENT,
            "Observation?patient=p1&_summary=text",
            NOT_SUPPORTED,
            "request.not-supported.summary",
        ),
        (
            "user/Observation.s?category=laboratory",
            "Observation?_summary=count",
            NOT_SUPPORTED,
            "request.not-supported.total",
        ),
        (
            PATIENT,
            "Observation?patient:missing=true",
            NOT_SUPPORTED,
            "request.not-supported.parameter",
        ),
        (
            USER,
            "Observation?_elements=birthDate",
            NOT_SUPPORTED,
            "request.not-supported.elements",
        ),
        (
            USER,
            "Patient?birthdate:missing=true",
            NOT_SUPPORTED,
            "request.not-supported.parameter",
        ),
    ] {
        let request = ask(world, scope, "GET", &format!("/r4/{path}"));
        table.refused(path, &client, request, expected, rule).await;
    }
}
