//! In Bundles of requests.

use super::super::bundles::{bundle, create, delete, get, post, put, taking};
use super::*;

const URN: &str = "urn:uuid:c757873d-ec9a-4326-a141-556f43239520";

/// A Provenance of these.
fn of(targets: &[&str]) -> Value {
    let targets: Vec<_> = targets
        .iter()
        .map(|target| json!({"reference": target}))
        .collect();
    with(said(), "target", json!(targets))
}

#[test]
fn in_a_transaction_another_entry_says_it() {
    let all = ["create", "update", "patch", "delete"];
    let mut world = taking(|config| {
        config["fhir"]["provenance"] = json!("kept");
        let mut rule = rule(&all);
        rule["types"] = json!(["Observation", "Provenance"]);
        config["rules"] = json!([rule]);
        config["fhir"]["conditional"] = json!(["create"]);
    });
    let made = || with(create(&observation("Patient/p1")), "fullUrl", json!(URN));
    let changed = || {
        put(
            "Observation/o1",
            &with(observation("Patient/p1"), "id", json!("o1")),
        )
    };
    let own = |id: &str| {
        put(
            &format!("Provenance/{id}"),
            &with(of(&["Observation/o1"]), "id", json!(id)),
        )
    };
    let conditional = |target: &str| {
        let mut entry = create(&of(&[target]));
        entry["request"]["ifNoneExist"] = json!("_id=x");
        entry
    };
    let missing = Some("provenance.traced");
    let url = "https://fhir.example.org/r4/Observation/o1";
    for (name, entries, expected) in [
        ("nothing", vec![made()], missing),
        ("its entry", vec![made(), create(&of(&[URN]))], None),
        ("before it", vec![create(&of(&[URN])), made()], None),
        (
            "its instance",
            vec![changed(), create(&of(&["Observation/o1"]))],
            None,
        ),
        ("by its URL", vec![changed(), create(&of(&[url]))], None),
        (
            "what is deleted",
            vec![delete("Observation/o1"), create(&of(&["Observation/o1"]))],
            None,
        ),
        ("an updated one", vec![changed(), own("v1")], None),
        (
            "both",
            vec![made(), changed(), create(&of(&[URN, "Observation/o1"]))],
            None,
        ),
        (
            "one of two",
            vec![made(), changed(), create(&of(&[URN]))],
            missing,
        ),
        (
            "another instance",
            vec![changed(), create(&of(&["Observation/o2"]))],
            missing,
        ),
        (
            "another type",
            vec![changed(), create(&of(&["Condition/o1"]))],
            missing,
        ),
        (
            "a version",
            vec![changed(), create(&of(&["Observation/o1/_history/1"]))],
            missing,
        ),
        (
            "another server",
            vec![
                changed(),
                create(&of(&["https://x.example/r4/Observation/o1"])),
            ],
            missing,
        ),
        (
            "one that may not come to be",
            vec![changed(), conditional("Observation/o1")],
            missing,
        ),
        (
            "one of nobody",
            vec![
                changed(),
                create(&with(of(&["Observation/o1"]), "agent", json!([]))),
            ],
            missing,
        ),
        (
            "a resource that only looks like it",
            vec![
                changed(),
                create(&with(
                    of(&["Observation/o1"]),
                    "resourceType",
                    json!("Basic"),
                )),
            ],
            missing,
        ),
        ("its deletion", vec![delete("Provenance/v1")], missing),
        ("reads", vec![get("Observation/o1")], None),
    ] {
        let transaction = bundle("transaction", &entries);
        let (mut exchange, step) = post(&mut world, ALL, &transaction);
        let rule = match step {
            Step::Charge | Step::Rewrite { .. } => None,
            Step::Reply(reply) => {
                assert_eq!(reply.status, 400, "{name}");
                let record = world.record(&mut exchange);
                Some(slug(&record["rule"]).to_owned())
            }
            step => panic!("{name}: {step:?}"),
        };
        assert_eq!(rule.as_deref(), expected, "{name}");
    }
    // The entries of a batch know nothing of each other.
    let (mut exchange, _) = post(
        &mut world,
        ALL,
        &bundle("batch", &[changed(), create(&of(&["Observation/o1"]))]),
    );
    let record = world.record(&mut exchange);
    assert_eq!(
        record["entries"][0]["rule"], "provenance.traced",
        "{record}"
    );
    assert_eq!(
        record["entries"][1]["rule"], "scope:user/*.cruds",
        "{record}"
    );
}

#[test]
fn on_a_bundle_it_is_not_said_of_what_it_speaks() {
    let text = said().to_string();
    for (setting, expected) in [
        ("kept", Some("request.not-supported.provenance")),
        ("refused", Some("request.not-supported.provenance")),
        ("dropped", None),
    ] {
        let mut world = taking(|config| config["fhir"]["provenance"] = json!(setting));
        let fields = [
            ("content-type", "application/fhir+json"),
            ("x-provenance", text.as_str()),
        ];
        let head = world.head(ALL, "POST /r4", &fields);
        let mut exchange = Exchange::default();
        let rule = match world.ask(&mut exchange, head, false) {
            Step::Wait => None,
            step => {
                assert!(matches!(step, Step::Reply(_)), "{setting}: {step:?}");
                Some(slug(&world.record(&mut exchange)["rule"]).to_owned())
            }
        };
        assert_eq!(rule.as_deref(), expected, "{setting}");
    }
}
