use super::*;
use crate::risk::{Detector, Told};

const NOW: u64 = 1_800_000_000 * SECOND;

fn record() -> Record {
    Record {
        rule: "scope".to_owned(),
        interaction: Some("read"),
        ..Record::default()
    }
}

/// What is told after an exchange, without what is told at the start, one `name value` a line.
fn check(name: &str, record: &Record, outcome: Outcome, expected: &[&str]) {
    let mut meters = Meters::new();
    meters.take();
    meters.ended(record, outcome, 7_900_000);
    let mut told = lines(&mut meters);
    assert_eq!(
        told.pop().as_deref(),
        Some("fhir_guard_exchange_milliseconds 7"),
        "{name}"
    );
    assert_eq!(told, expected, "{name}");
    assert_eq!(
        lines(&mut meters),
        Vec::<String>::new(),
        "{name}: told once"
    );
}

fn lines(meters: &mut Meters) -> Vec<String> {
    let line = |change: Change| format!("{} {}", change.name, change.value);
    meters.take().into_iter().map(line).collect()
}

#[test]
fn an_exchange_is_counted() {
    let of = |change: fn(&mut Record)| {
        let mut record = record();
        change(&mut record);
        record
    };
    check(
        "allowed",
        &of(|record| (record.passed, record.removed) = (3, 2)),
        Outcome::Allowed,
        &[
            "outcome=.=allowed;.;fhir_guard_exchanges_total 1",
            "interaction=.=read;.;fhir_guard_interactions_total 1",
            "decision=.=passed;.;fhir_guard_resources_total 3",
            "decision=.=removed;.;fhir_guard_resources_total 2",
        ],
    );
    check(
        "refused, by a rule of the operator",
        &of(|record| record.rule = "night shift; DROP".to_owned()),
        Outcome::Refused,
        &[
            "outcome=.=refused;.;fhir_guard_exchanges_total 1",
            "rule=.=night_shift__DROP;.;fhir_guard_refusals_total 1",
            "interaction=.=read;.;fhir_guard_interactions_total 1",
        ],
    );
    check(
        "withheld: what was found is no label",
        &of(|record| record.rule = "answer.body: no id Smith".to_owned()),
        Outcome::Withheld,
        &[
            "outcome=.=withheld;.;fhir_guard_exchanges_total 1",
            "rule=.=answer.body;.;fhir_guard_refusals_total 1",
            "interaction=.=read;.;fhir_guard_interactions_total 1",
        ],
    );
    check(
        "announced",
        &of(|record| record.announced = Some(3_999)),
        Outcome::Allowed,
        &[
            "outcome=.=allowed;.;fhir_guard_exchanges_total 1",
            "interaction=.=read;.;fhir_guard_interactions_total 1",
            "fhir_guard_announced_milliseconds 3",
        ],
    );
    check(
        "everything else",
        &of(|record| {
            record.interaction = None;
            record.redacted = 1;
            record.reported = vec!["consent".to_owned(), "consent: twice".to_owned()];
            record.priority = vec!["burst".to_owned()];
            record.risk = Some(Told {
                reasons: vec![Detector::Theft],
                ..Told::default()
            });
        }),
        Outcome::Cut,
        &[
            "outcome=.=cut;.;fhir_guard_exchanges_total 1",
            "decision=.=redacted;.;fhir_guard_resources_total 1",
            "rule=.=consent;.;fhir_guard_reported_total 2",
            "limit=.=burst;.;fhir_guard_priority_total 1",
            "detector=.=theft;.;fhir_guard_detections_total 1",
            "response=.=report;.;fhir_guard_actions_total 1",
        ],
    );
}

#[test]
fn what_is_known_begins_at_nothing() {
    let mut meters = Meters::new();
    meters.configured(NOW);
    let told = lines(&mut meters);
    assert!(told.contains(&"outcome=.=refused;.;fhir_guard_exchanges_total 0".to_owned()));
    assert!(told.contains(&"fhir_guard_configured_seconds 1800000000".to_owned()));
    assert!(told.contains(&"fhir_guard_audit_lost_total 0".to_owned()));
    assert_eq!(told.len(), 11);
}

#[test]
fn calls_documents_and_held_bytes_are_told() {
    let mut meters = Meters::new();
    meters.take();
    meters.called("keys", true);
    meters.called("keys", false);
    meters.fetched("https://a.example/x", 5 * SECOND + 1);
    meters.held(0);
    meters.held(9);
    meters.queued(0, 0);
    meters.queued(7, 2);
    meters.queued(5, 1);
    assert_eq!(
        lines(&mut meters),
        [
            "purpose=.=keys;.;fhir_guard_calls_total 2",
            "purpose=.=keys;.;fhir_guard_failed_calls_total 1",
            "fhir_guard_audit_queued_bytes 5",
            "fhir_guard_audit_lost_total 3",
            "document=.=https___a.example_x;.;fhir_guard_fetched_seconds 5",
            "fhir_guard_held_bytes 9",
        ]
    );
}

#[test]
fn labels_and_durations_are_bounded() {
    let mut meters = Meters::new();
    let known = meters.labels;
    for number in 0..LABELS + 10 {
        // Two spellings of one label are one.
        for end in ["!", "?"] {
            let rule = format!("rule{number}{end}");
            let record = Record {
                rule,
                ..Record::default()
            };
            meters.ended(&record, Outcome::Refused, 0);
        }
        assert_eq!(meters.is_full(), 2 * (number + 1) >= DURATIONS, "{number}");
    }
    assert_eq!((meters.labels, meters.durations.len()), (LABELS, DURATIONS));
    let told = meters.take();
    let value = |name: Cow<'_, str>| {
        let mut of = told.iter().filter(|change| change.name == name);
        of.next().map(|change| change.value)
    };
    let last = LABELS - known - 1;
    let rule = |rule: &str| value(Metric::Refusals.stat(rule));
    assert_eq!(rule(&format!("rule{last}_")), Some(2));
    assert_eq!(rule(&format!("rule{}_", last + 1)), None);
    assert_eq!(rule("other"), Some(2 * (10 + known as u64)));
    assert!(!meters.is_full() && meters.take().is_empty());
    let long = "a".repeat(LABEL + 1);
    meters.called(&long, true);
    // There is no room for it.
    assert!(
        lines(&mut meters)
            .iter()
            .all(|line| line.starts_with("purpose=.=other;"))
    );
    assert_eq!(safe(&long).len(), LABEL);
}

#[test]
fn the_page_says_what_each_means() {
    let page = std::fs::read_to_string("docs/metrics.md").expect("docs/metrics.md");
    for metric in Metric::ALL {
        let kind = match metric.kind() {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let label = metric
            .label()
            .map_or("-".to_owned(), |label| format!("`{label}`"));
        let row = format!("| `{}` | {kind} | {label} |", metric.name());
        assert!(
            page.contains(&row),
            "docs/metrics.md has no row that begins with {row}"
        );
    }
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| `fhir_guard_"));
    assert_eq!(rows.count(), Metric::ALL.len());
}

/// Every name of ours that stands in a text, without what Prometheus adds to a histogram's.
fn names(text: &str) -> Vec<&str> {
    let found = text.match_indices("fhir_guard_").filter_map(|(at, _)| {
        let rest = text.get(at..)?;
        let end = rest.find(|it: char| !it.is_ascii_lowercase() && it != '_');
        rest.get(..end.unwrap_or(rest.len()))
    });
    found.collect()
}

#[test]
fn what_is_shipped_asks_for_metrics_that_there_are() {
    let mut shown = Vec::new();
    for path in [
        "envoy/grafana/fhir-guard.json",
        "envoy/prometheus/fhir-guard.rules.yaml",
    ] {
        let text = std::fs::read_to_string(path).expect(path);
        for name in names(&text) {
            let metric = Metric::ALL.into_iter().find(|metric| match metric.kind() {
                Kind::Histogram => name.strip_suffix("_bucket") == Some(metric.name()),
                Kind::Counter | Kind::Gauge => name == metric.name(),
            });
            shown.push(metric.unwrap_or_else(|| panic!("{path}: {name} is no metric")));
        }
    }
    for metric in Metric::ALL {
        assert!(
            shown.contains(&metric),
            "{} is shown nowhere",
            metric.name()
        );
    }
    let manifest = std::fs::read_to_string("envoy/envoy.yaml").expect("envoy.yaml");
    let labels: Vec<&str> = Metric::ALL.into_iter().filter_map(Metric::label).collect();
    for label in &labels {
        // Envoy looks for a label anywhere: one that ends another would be found in it.
        let within = labels
            .iter()
            .find(|other| *other != label && other.ends_with(label));
        assert_eq!(within, None, "{label}");
    }
    for label in Metric::ALL.into_iter().filter_map(Metric::label) {
        let tag = format!(r"{{ tag_name: {label}, regex: '({label}=\.=(.*?);\.;)' }}");
        assert!(manifest.contains(&tag), "envoy.yaml does not know {label}");
    }
    let dashboard = std::fs::read("envoy/grafana/fhir-guard.json").expect("the dashboard");
    let dashboard: serde_json::Value = serde_json::from_slice(&dashboard).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    assert!(
        panels
            .iter()
            .all(|panel| panel["targets"][0]["expr"].is_string())
    );
}
