//! What is counted, and by what.

use fhir_guard::identity::ConnectionAttributes;

use super::driver::NOW;
use super::*;

/// What the first request of these leaves in each bucket, and what the second is answered.
#[track_caller]
fn check(key: &[&str], first: (&str, &str), second: (&str, &str), shared: bool) {
    let mut world = Deployment::with(|config| {
        config["limits"] = json!([{"name": "l", "key": key, "rate": "1/h", "burst": 1}]);
        config["fhir"]["operations"] = json!([
            {"name": "everything", "level": "instance", "types": ["Patient"], "methods": ["GET"], "answer": "bundle"},
            {"name": "lastn", "level": "type", "types": ["Observation"], "methods": ["GET"], "answer": "bundle"},
        ]);
    });
    let mut ask = |(route, target): (&str, &str)| {
        let head = world.head("system/*.cruds", target, &[]);
        let attributes = ConnectionAttributes {
            route: Some(route.as_bytes().to_vec()),
            ..world.attributes()
        };
        let mut exchange = Exchange::default();
        let now = NOW * 1_000_000_000;
        let step = exchange.request_headers(&mut world.guard, &head, &attributes, now, true);
        world.decided(&mut exchange, step)
    };
    let step = ask(first);
    assert!(matches!(step, Step::Forward(_)), "{first:?}: {step:?}");
    let step = ask(second);
    match shared {
        true => assert!(
            matches!(&step, Step::Reply(reply) if reply.status == 429),
            "{step:?}"
        ),
        false => assert!(matches!(step, Step::Forward(_)), "{second:?}: {step:?}"),
    }
}

#[test]
fn what_is_asked_for_has_buckets_of_its_own() {
    let read = ("", "GET /r4/Patient/p1");
    let other = ("", "GET /r4/Patient/p2");
    let search = ("", "GET /r4/Patient?name=x");
    let everything = ("", "GET /r4/Patient/p1/$everything");
    let lastn = ("", "GET /r4/Observation/$lastn");
    let across = ("", "GET /r4?_type=Patient,Observation");
    let history = ("", "GET /r4/_history");
    check(&["client"], read, search, true);
    check(&["interaction"], read, other, true);
    check(&["interaction"], read, search, false);
    check(&["type"], read, search, true);
    check(&["type"], read, everything, true);
    check(&["type"], read, ("", "GET /r4/Observation/o1"), false);
    check(&["type"], read, ("", "GET /r4?_type=Patient"), true);
    // Several types are none, and not any.
    check(&["type"], read, across, false);
    check(&["type"], across, history, true);
    check(&["type", "interaction"], across, history, false);
    check(&["operation"], everything, lastn, false);
    check(&["operation"], read, everything, false);
    check(&["operation"], read, search, true);
    // A route without a name is one of its own.
    check(&["route"], ("a", read.1), ("a", search.1), true);
    check(&["route"], ("a", read.1), ("b", read.1), false);
    check(&["route"], ("", read.1), ("a", read.1), false);
    check(&["route"], ("", read.1), ("", search.1), true);
    // Each head has a token of its own.
    check(&["token"], read, read, false);
}
