//! Who goes first under limits: by condition and by route, on the record.

use fhir_guard::identity::ConnectionAttributes;

use super::bundles::{bundle, get, post};
use super::driver::NOW;
use super::*;

/// A world with this limit: three a day, and this priority.
fn world(priority: &Value) -> Deployment {
    Deployment::with(|config| {
        config["issuers"][0]["claims"] = json!({"purpose": ["/purpose"]});
        config["fhir"]["bundles"] = json!({"types": ["batch"], "entries": 5});
        config["limits"] = json!([{"name": "l", "key": ["client"], "rate": "1/d", "burst": 3,
            "priority": priority}]);
    })
}

/// Asks on this route for this purpose: the status, what is left, and whether priority is on the record.
fn ask(world: &mut Deployment, route: &str, purpose: Option<&str>) -> (u16, u64, bool) {
    let mut claims = world.claims().scope("system/*.rs");
    if let Some(purpose) = purpose {
        claims = claims.claim("purpose", json!([purpose]));
    }
    let token = world.token(&claims);
    let head = world.head_with(&token, "GET /r4/Patient/p1", &[]);
    let attributes = ConnectionAttributes {
        route: Some(route.as_bytes().to_vec()),
        ..world.attributes()
    };
    let mut exchange = Exchange::default();
    let now = NOW * 1_000_000_000;
    let step = exchange.request_headers(&mut world.guard, &head, &attributes, now, true);
    let status = match world.decided(&mut exchange, step) {
        Step::Forward(_) => 200,
        Step::Reply(reply) => reply.status,
        step => panic!("{step:?}"),
    };
    let record = world.record(&mut exchange);
    let used = match record.get("priority") {
        None => false,
        Some(names) if *names == json!(["l"]) => true,
        Some(names) => panic!("{names}"),
    };
    (
        status,
        record["limits"]["l"].as_u64().expect("a number"),
        used,
    )
}

#[test]
fn who_goes_first_has_what_is_kept_or_is_never_refused() {
    const BTG: Option<&str> = Some("BTG");
    let by =
        |right: &str, value: Value| json!({"when": "'BTG' in principal.purposes", right: value});
    type Row = (&'static str, Option<&'static str>, (u16, u64, bool));
    let check = |name: &str, priority: Value, rows: &[Row]| {
        let mut world = world(&priority);
        for (at, (route, purpose, expected)) in rows.iter().enumerate() {
            assert_eq!(ask(&mut world, route, *purpose), *expected, "{name}, {at}");
        }
    };
    check(
        "a reserve",
        by("reserve", json!(1)),
        &[
            ("", None, (200, 1, false)),
            ("", BTG, (200, 1, false)),
            ("", None, (429, 0, false)),
            ("", Some("TREAT"), (429, 0, false)),
            ("", BTG, (200, 0, true)),
            ("", BTG, (429, 0, false)),
        ],
    );
    check(
        "no bounds",
        by("bypass", json!(true)),
        &[
            ("", BTG, (200, 2, false)),
            ("", None, (200, 1, false)),
            ("", BTG, (200, 0, false)),
            ("", None, (429, 0, false)),
            ("", BTG, (200, 0, true)),
            ("", BTG, (200, 0, true)),
            ("", Some("TREAT"), (429, 0, false)),
        ],
    );
    check(
        "a route",
        json!({"routes": ["emergency", "ward"], "bypass": true}),
        &[
            ("x", BTG, (200, 2, false)),
            ("x", BTG, (200, 1, false)),
            ("x", BTG, (200, 0, false)),
            ("x", BTG, (429, 0, false)),
            ("", BTG, (429, 0, false)),
            ("ward", None, (200, 0, true)),
        ],
    );
    let mut both = by("reserve", json!(2));
    both["routes"] = json!(["emergency"]);
    check(
        "a route and a purpose",
        both,
        &[
            ("emergency", None, (200, 0, false)),
            ("emergency", None, (429, 0, false)),
            ("", BTG, (429, 0, false)),
            ("emergency", BTG, (200, 1, true)),
        ],
    );
    // What cannot be decided gives nothing, and refuses nothing.
    check(
        "undecided",
        json!({"when": "token.claims.x == 1", "bypass": true}),
        &[
            ("", BTG, (200, 2, false)),
            ("", BTG, (200, 1, false)),
            ("", BTG, (200, 0, false)),
            ("", BTG, (429, 0, false)),
        ],
    );
}

#[test]
fn a_bundle_goes_first_where_each_of_its_requests_does() {
    let priority = json!({"when": "fhir.type == 'Observation'", "bypass": true});
    for (targets, status, used) in [
        (
            &[
                "Observation/o1",
                "Observation/o2",
                "Observation/o3",
                "Observation/o4",
            ][..],
            0,
            true,
        ),
        (
            &[
                "Observation/o1",
                "Observation/o2",
                "Observation/o3",
                "Patient/p1",
            ],
            400,
            false,
        ),
        (&["Observation/o1", "Patient/p1"], 0, false),
    ] {
        let mut world = world(&priority);
        let entries: Vec<Value> = targets.iter().map(|url| get(url)).collect();
        let (mut exchange, step) = post(&mut world, "system/*.rs", &bundle("batch", &entries));
        let found = match step {
            Step::Reply(reply) => reply.status,
            _ => 0,
        };
        assert_eq!(found, status, "{targets:?}");
        let record = world.record(&mut exchange);
        assert_eq!(
            record.get("priority").is_some(),
            used,
            "{targets:?}: {record}"
        );
    }
}
