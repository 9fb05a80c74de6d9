//! What Envoy's statistics say of exchanges.

use std::collections::BTreeMap;
use std::time::Duration;

use fhir_guard_harness::client::Request;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::world::{Setting, World};

/// How long statistics may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Our own samples at `/stats/prometheus`: name and labels, and the value.
async fn samples(world: &World) -> BTreeMap<String, f64> {
    let text = world.envoy.admin("/stats/prometheus").await.unwrap();
    let own = text.lines().filter(|line| line.starts_with("fhir_guard_"));
    let read = |line: &str| {
        let (name, value) = line.rsplit_once(' ').expect(line);
        (name.to_owned(), value.parse().expect(line))
    };
    own.map(read).collect()
}

/// Waits until all exchanges are counted; workers tell once a second.
async fn counted(world: &World, exchanges: usize) -> BTreeMap<String, f64> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let samples = samples(world).await;
        let all = samples
            .iter()
            .filter(|(name, _)| name.starts_with("fhir_guard_exchanges_total"));
        let all: f64 = all.map(|(_, count)| count).sum();
        assert!(all <= exchanges as f64, "{samples:?}");
        if all == exchanges as f64 {
            return samples;
        }
        assert!(Instant::now() < deadline, "{samples:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// How many of the records say this, by what it is.
fn tally(records: &[Value], of: impl Fn(&Value) -> Option<String>) -> BTreeMap<String, f64> {
    let mut tally = BTreeMap::new();
    for word in records.iter().filter_map(of) {
        *tally.entry(word).or_insert(0.0) += 1.0;
    }
    tally
}

/// What the samples of a metric say, by label; those at nothing are left out.
fn by_label(samples: &BTreeMap<String, f64>, metric: &str, label: &str) -> BTreeMap<String, f64> {
    let start = format!("{metric}{{{label}=\"");
    let of = samples.iter().filter_map(|(name, count)| {
        let value = name.strip_prefix(&start)?.strip_suffix("\"}")?;
        (*count > 0.0).then(|| (value.to_owned(), *count))
    });
    of.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_say_what_the_records_say() {
    let world = World::with(Setting {
        policy: Some(Box::new(|policy| {
            policy["rules"] = json!([
                { "name": "no-group", "types": ["Group"], "effect": "deny" },
            ]);
        })),
        ..Setting::default()
    })
    .await;
    let before = samples(&world).await;
    assert_eq!(
        before.get("fhir_guard_exchanges_total{outcome=\"refused\"}"),
        Some(&0.0),
        "{before:?}"
    );
    assert!(
        before["fhir_guard_configured_seconds{}"] > 1.7e9,
        "{before:?}"
    );
    for path in [
        "/r4/Patient/p1",
        "/r4/Observation?patient=p1",
        "/r4/Group/1",
        "/r4/Patient/p2",
        "/no",
    ] {
        for _ in 0..3 {
            world.get("patient/*.rs", path).await;
        }
    }
    world.get("", "/r4/Patient/p1").await;
    world.fhir.misbehave(Some("wrong-id"));
    world.get("patient/*.rs", "/r4/Patient/p1").await;
    world.fhir.misbehave(None);
    let nobody = Request::get("/r4/Patient/p1");
    world.send(&world.client(), nobody).await;
    let records = world.records().await;
    let samples = counted(&world, records.len()).await;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    assert_eq!(
        by_label(&samples, "fhir_guard_exchanges_total", "outcome"),
        tally(&records, |record| text(&record["outcome"]))
    );
    assert_eq!(
        by_label(&samples, "fhir_guard_interactions_total", "interaction"),
        tally(&records, |record| text(&record["interaction"]))
    );
    let refusals = by_label(&samples, "fhir_guard_refusals_total", "rule");
    assert_eq!(
        refusals,
        tally(&records, |record| {
            let ended = matches!(record["outcome"].as_str(), Some("refused" | "withheld"));
            let rule = text(&record["rule"]).filter(|_| ended)?;
            Some(rule.split(':').next().unwrap_or_default().to_owned())
        })
    );
    assert!(refusals.len() > 3, "{refusals:?}");
    let resources = by_label(&samples, "fhir_guard_resources_total", "decision");
    let passed: f64 = records
        .iter()
        .filter_map(|record| record["passed"].as_f64())
        .sum();
    assert!(
        passed > 3.0 && resources["passed"] == passed,
        "{resources:?}"
    );
    // Envoy shows histograms when it has merged those of its threads, every five seconds.
    let deadline = Instant::now() + 3 * PATIENCE;
    let durations =
        async || self::samples(&world).await["fhir_guard_exchange_milliseconds_count{}"];
    while durations().await != records.len() as f64 {
        assert!(Instant::now() < deadline, "{}", durations().await);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    world.close().await;
}

/// What callers write stands in no name: none is added by trying.
#[tokio::test(flavor = "multi_thread")]
async fn callers_add_no_names() {
    let world = World::start().await;
    let client = world.client();
    let token = world.token("patient/*.rs");
    let ask = async |word: &str| {
        for path in [
            format!("/r4/{word}/1"),
            format!("/r4/Patient?{word}=1"),
            format!("/r4/Patient/p1/${word}"),
            format!("/{word}"),
        ] {
            let own = Request::get(&path).bearer(&token);
            world.send(&client, own).await;
            let none = Request::get(&path).bearer(word);
            world.send(&client, none).await;
        }
    };
    ask("first").await;
    let count = world.records().await.len();
    let names = |samples: BTreeMap<String, f64>| samples.into_keys().collect::<Vec<_>>();
    let first = names(counted(&world, count).await);
    for word in ["second", "third", "canary-fourth", "a.b.c"] {
        ask(word).await;
    }
    let count = world.records().await.len();
    let then = names(counted(&world, count).await);
    assert!(then.iter().all(|name| !name.contains("canary")), "{then:?}");
    let new: Vec<_> = then.iter().filter(|name| !first.contains(name)).collect();
    // A word with dots is no token, another one is a malformed one.
    assert!(new.len() <= 1, "{new:?}");
    world.close().await;
}
