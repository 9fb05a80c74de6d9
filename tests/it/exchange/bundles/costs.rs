//! What a Bundle costs, and that its time comes after others' keys.

use super::super::waiting::{cold_with, fetch, token};
use super::*;

/// A deployment whose limit admits so many at once.
fn limited(burst: u32) -> Deployment {
    taking(|config| {
        config["limits"] = json!([
            {"name": "all", "key": ["client"], "rate": "1/h", "burst": burst},
            {"name": "writes", "key": ["client"], "rate": "1/h", "burst": 1,
                "when": "fhir.interaction == 'create'"},
        ]);
    })
}

#[test]
fn every_entry_is_charged_and_all_of_them_together() {
    let mut world = limited(5);
    let of = |count| bundle("batch", &vec![get("Patient/p1"); count]);
    let mut charged = |bundle: &Value| {
        let (mut exchange, step) = post(&mut world, "patient/*.crs", bundle);
        let record = world.record(&mut exchange);
        let status = match step {
            Step::Rewrite { .. } => 0,
            Step::Reply(reply) => reply.status,
            step => panic!("{step:?}"),
        };
        (
            status,
            record["limits"].clone(),
            slug(&record["rule"]).to_owned(),
        )
    };
    let entries = || "entries".to_owned();
    assert_eq!(charged(&of(2)), (0, json!({"all": 3}), entries()));
    // What is refused is not charged.
    let mixed = bundle(
        "batch",
        &[get("Patient/p2"), get("Patient/p1"), get("Patient/p2")],
    );
    assert_eq!(charged(&mixed), (0, json!({"all": 2}), entries()));
    let (status, left, rule) = charged(&of(3));
    assert_eq!(
        (status, rule.as_str()),
        (429, "limit.all"),
        "all of them or none"
    );
    assert_eq!(left, json!({"all": 2}), "nothing was charged");
    // Each limit counts what its condition is for.
    let created = create(&observation("Patient/p1"));
    let both = bundle("transaction", &[created.clone(), get("Patient/p1")]);
    assert_eq!(
        charged(&both),
        (0, json!({"all": 0, "writes": 0}), entries())
    );

    let mut world = limited(5);
    let (mut exchange, step) = post(
        &mut world,
        "patient/*.crs",
        &bundle("batch", &[created.clone(), created]),
    );
    let Step::Reply(reply) = step else {
        panic!("{step:?}")
    };
    assert_eq!(reply.status, 400, "never admitted at once");
    let record = world.record(&mut exchange);
    assert_eq!(record["rule"], "request.too-costly.writes");
    let mut world = limited(4);
    let (mut exchange, _) = post(&mut world, "patient/*.rs", &of(5));
    let record = world.record(&mut exchange);
    assert_eq!(record["rule"], "request.too-costly.all");
    let (_, step) = post(&mut world, "patient/*.rs", &of(4));
    assert!(matches!(step, Step::Rewrite { .. }), "{step:?}");
}

#[test]
fn entries_are_counted_by_what_each_asks_for() {
    let of = |key: Value, burst: u32| {
        taking(move |config| {
            config["fhir"]["bundles"]["entries"] = json!(200);
            config["fhir"]["body_limit"] = json!("64KiB");
            let limit =
                |name: &str| json!({"name": name, "key": key, "rate": "1/h", "burst": burst});
            config["limits"] = (0..8).map(|number| limit(&format!("l{number}"))).collect();
        })
    };
    let kinds = |count: usize| {
        let types = fhir_guard::fhir::ResourceType::all().filter(|own| !own.is_container());
        let all: Vec<Value> = types
            .take(count)
            .map(|own| get(&format!("{own}/x")))
            .collect();
        assert_eq!(all.len(), count);
        all
    };
    let mut entries = vec![get("Observation/o1"); 3];
    entries.push(get("Condition/c1"));
    for (name, key, burst, entries, expected) in [
        (
            "one bucket",
            json!(["client"]),
            4,
            entries.clone(),
            "entries",
        ),
        (
            "one too many",
            json!(["client"]),
            3,
            entries.clone(),
            "request.too-costly.l0",
        ),
        ("by type", json!(["type"]), 3, entries.clone(), "entries"),
        (
            "one too many of a type",
            json!(["type", "client"]),
            2,
            entries,
            "request.too-costly.l0",
        ),
        ("64 buckets", json!(["type"]), 1, kinds(8), "entries"),
        (
            "72 buckets",
            json!(["type"]),
            1,
            kinds(9),
            "request.too-costly.limits",
        ),
        (
            "one bucket of many types",
            json!(["interaction"]),
            9,
            kinds(9),
            "entries",
        ),
    ] {
        let mut world = of(key, burst);
        let (mut exchange, _) = post(&mut world, "system/*.rs", &bundle("batch", &entries));
        let record = world.record(&mut exchange);
        assert_eq!(slug(&record["rule"]), expected, "{name}");
        if expected == "entries" {
            // Of several buckets the nearest is told.
            assert_eq!(record["limits"]["l0"], 0, "{name}");
        }
    }
}

#[test]
fn a_bundle_that_waited_for_keys_is_written_anew_as_well() {
    let mut world = cold_taking();
    let token = token(&world);
    let text = bundle("batch", &[get("Patient/p1"), get("Patient/p2")]).to_string();
    let fields = [("content-type", "application/fhir+json")];
    let now = NOW * 1_000_000_000;
    for whole in [true, false] {
        let mut exchange = Exchange::default();
        let head = world.head_with(&token, "POST /r4", &fields);
        let mut step = world.ask_at(&mut exchange, head, false, now);
        assert_eq!(step, Step::Wait);
        if whole {
            assert!(exchange.is_waiting());
            step = world.body(&mut exchange, text.as_bytes(), true);
            assert_eq!(step, Step::Wait);
            fetch(&mut world, now);
            step = world.wake(&mut exchange, now);
        } else {
            assert!(!exchange.is_waiting(), "they are there");
            step = world.body(&mut exchange, text.as_bytes(), true);
        }
        assert_eq!(rewritten(&step, text.len()), [get("Patient/p1")]);
    }
}

/// The same without keys yet.
fn cold_taking() -> Deployment {
    cold_with(|config| {
        config["fhir"]["body_limit"] = json!("8KiB");
        config["fhir"]["bundles"] = json!({"types": ["batch"]});
    })
}

#[test]
fn a_bundle_is_bounded_in_what_goes_on_and_in_decisions_bypass_98() {
    let search = |values: usize| get(&format!("Observation?_tag={}", "!".repeat(values)));
    let everywhere = |count: usize| vec![get("?_lastUpdated=gt2024"); count];
    for (name, kind, entries, expected) in [
        // Escaped, each is three times as long.
        (
            "as long as a body may be",
            "batch",
            vec![search(500); 4],
            None,
        ),
        (
            "longer",
            "batch",
            vec![search(700); 5],
            Some("request.too-large"),
        ),
        // One decision for each of all types.
        ("many decisions", "batch", everywhere(5), None),
        (
            "too many",
            "batch",
            everywhere(8),
            Some("request.too-costly.types"),
        ),
        (
            "too many, and a refusal",
            "transaction",
            everywhere(8),
            Some("request.too-costly.types"),
        ),
    ] {
        let mut world = taking(|config| config["fhir"]["bundles"]["entries"] = json!(10));
        let (mut exchange, step) = post(&mut world, "system/*.cruds", &bundle(kind, &entries));
        let found = match &step {
            Step::Reply(_) => Some(slug(&world.record(&mut exchange)["rule"]).to_owned()),
            _ => None,
        };
        assert_eq!(found.as_deref(), expected, "{name}: {step:?}");
    }
}

#[test]
fn every_type_that_an_entry_reaches_is_a_decision_bypass_98() {
    // Each takes seven decisions, or ten.
    let along = "Observation?_include=Observation:performer";
    let through = "Observation?_include=Observation:performer\
        &_has:Provenance:target:_has:AuditEvent:entity:date=2024";
    let too_costly = Some("request.too-costly.types");
    for (name, url, count, expected) in [
        ("sent along", along, 146, None),
        ("one more", along, 147, too_costly),
        ("looked through besides", through, 102, None),
        ("one more of those", through, 103, too_costly),
    ] {
        let mut world = taking(|config| {
            config["fhir"]["bundles"]["entries"] = json!(200);
            config["fhir"]["body_limit"] = json!("64KiB");
            config["fhir"]["search"] = json!({
                "include": ["Observation:performer"],
                "has": ["Provenance:target", "AuditEvent:entity"],
            });
            config["redaction"] = json!([]);
        });
        let entries = vec![get(url); count];
        let (mut exchange, step) = post(&mut world, "system/*.cruds", &bundle("batch", &entries));
        let found = match &step {
            Step::Reply(_) => Some(slug(&world.record(&mut exchange)["rule"]).to_owned()),
            _ => None,
        };
        assert_eq!(found.as_deref(), expected, "{name}: {step:?}");
    }
}
