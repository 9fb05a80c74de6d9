//! Searches by `POST`: the form is whole before anything is decided on it.

use super::waiting::{SECOND, T, check_refused, cold, fetch};
use super::*;
use driver::{NOW, slug};

const FORM: &[(&str, &str)] = &[("content-type", "application/x-www-form-urlencoded")];
const SEARCH: &str = "POST /r4/Observation/_search";

/// A search by `POST` whose form is still to come.
fn asked(world: &mut Deployment, target: &str) -> Exchange {
    let mut exchange = Exchange::default();
    let head = world.head("patient/*.rs", target, FORM);
    assert_eq!(
        world.ask(&mut exchange, head, false),
        Step::Wait,
        "{target}"
    );
    assert!(!exchange.is_waiting() && exchange.leaves_body(), "{target}");
    exchange
}

/// The form comes whole.
fn sent(world: &mut Deployment, exchange: &mut Exchange, form: &[u8]) -> Step {
    let step = exchange.request_body(&world.guard, form, true);
    world.decided(exchange, step)
}

fn check_forwarded(step: Step, path: &str, expected: &str, length: usize) {
    let Step::Rewrite {
        headers,
        came,
        body,
    } = step
    else {
        panic!("{path}: {step:?}");
    };
    assert_eq!(
        (came, body.as_slice()),
        (length, expected.as_bytes()),
        "{path}"
    );
    let field = |wanted: &[u8]| {
        let found = headers.iter().find(|(name, _)| name == wanted);
        String::from_utf8(found.expect("a field").1.clone()).expect("text")
    };
    assert_eq!(field(b":method"), "POST");
    assert_eq!(field(b":path"), path);
    assert_eq!(field(b"content-length"), expected.len().to_string());
}

#[test]
fn what_is_decided_on_is_what_goes_up_bypass_17() {
    let mut world = Deployment::new();
    for (target, form, path, expected) in [
        (
            SEARCH,
            "patient=p1&code=x",
            "/base/Observation/_search",
            "patient=Patient/p1&code=x",
        ),
        (
            "POST /r4/Observation/_search?patient=p1",
            "code=x",
            "/base/Observation/_search",
            "patient=Patient/p1&code=x",
        ),
        (
            "POST /r4/Patient/p1/_search",
            "_tag=x",
            "/base/Patient/p1/_search",
            "_tag=x",
        ),
        (
            "POST /r4/_search",
            "_type=Observation&patient=p1",
            "/base/_search",
            "_type=Observation&patient=Patient/p1",
        ),
        // Whose it is is added where nothing says it.
        (
            SEARCH,
            "code=x",
            "/base/Observation/_search",
            "code=x&patient=Patient/p1",
        ),
        (
            "POST /r4/_search?_type=Observation,Condition",
            "_tag=x",
            "/base/_search",
            "_type=Observation,Condition&_tag=x&patient=Patient/p1",
        ),
    ] {
        let mut exchange = asked(&mut world, target);
        // The proxy keeps what comes, and says only how much there is.
        for sofar in [0, 1, form.len()] {
            assert_eq!(
                exchange.body_grows(&world.guard, sofar),
                Step::Wait,
                "{target}"
            );
        }
        let step = sent(&mut world, &mut exchange, form.as_bytes());
        check_forwarded(step, path, expected, form.len());
        let bundle = br#"{"resourceType":"Bundle","type":"searchset","link":[{"relation":"next","url":"http://fhir/base/Observation?patient=Patient/p1&code=x&_offset=5"}]}"#;
        let head = [
            (":status", "200"),
            ("content-type", "application/fhir+json"),
        ];
        let answer = world.answer(&mut exchange, &head, &[bundle], false);
        assert_eq!(answer.end, End::Complete, "{target}");
        let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
        let base = "https://fhir.example.org/r4";
        let place = path
            .strip_prefix("/base")
            .and_then(|path| path.strip_suffix("/_search"));
        let place = place
            .expect("a place")
            .replace("/Patient/p1", "/Patient/p1/*");
        let own = format!("{base}{place}?{expected}");
        assert_eq!(body["link"][0]["url"], own.as_str(), "{target}");
        if expected.ends_with("code=x") {
            // Pages come by GET.
            assert_eq!(body["link"][1]["url"], format!("{own}&_offset=5").as_str());
        }
        let record = world.record(&mut exchange);
        assert_eq!(record["outcome"], "allowed", "{record}");
        assert!(
            record["interaction"]
                .as_str()
                .expect("text")
                .starts_with("search-")
        );
        assert!(!record.to_string().contains("code=x"), "{record}");
    }
}

#[test]
fn the_merged_search_is_what_is_authorised_bypass_17() {
    let mut world = Deployment::new();
    let malformed = "request.malformed.repeated-parameter";
    for (target, form, status, rule) in [
        (SEARCH, "patient=p2", 404, "compartment"),
        (
            "POST /r4/Device/_search",
            "status=active",
            400,
            "request.not-supported.parameter",
        ),
        (
            "POST /r4/Observation/_search?patient=p1",
            "patient=p2",
            400,
            malformed,
        ),
        (
            "POST /r4/Observation/_search?patient=p1",
            "subject=p2",
            404,
            "compartment",
        ),
        (
            "POST /r4/Patient/p2/Observation/_search",
            "code=x",
            404,
            "compartment",
        ),
        (
            "POST /r4/_search",
            "_tag=x",
            400,
            "request.not-supported.parameter",
        ),
        (
            "POST /r4/Patient/_search",
            "_id=p1&birthdate=1970-01-01",
            400,
            "request.not-supported.parameter",
        ),
        (
            SEARCH,
            "_method=DELETE",
            400,
            "request.malformed.method-override",
        ),
        (SEARCH, "patient=%zz", 400, "request.malformed.query"),
    ] {
        let mut exchange = asked(&mut world, target);
        let step = sent(&mut world, &mut exchange, form.as_bytes());
        check_refused(&world, &mut exchange, &step, status, rule);
    }
}

#[test]
fn a_form_is_asked_for_only_of_who_may_be_answered() {
    let mut world = Deployment::new();
    let mut exchange = Exchange::default();
    let mut head = world.head("patient/*.rs", SEARCH, FORM);
    head.retain(|(name, _)| name != b"authorization");
    let step = world.ask(&mut exchange, head, false);
    check_refused(&world, &mut exchange, &step, 401, "credentials.missing");

    // A search without any form is none by POST.
    let mut exchange = Exchange::default();
    let head = world.head("patient/*.rs", SEARCH, FORM);
    let step = world.ask(&mut exchange, head, true);
    check_refused(&world, &mut exchange, &step, 400, "request.malformed.body");
}

#[test]
fn forms_are_bounded_in_bytes_and_number() {
    let mut world = Deployment::with(|config| config["waiting"] = json!({"requests": 2}));
    let form = format!("patient=Patient/p1{}", "&code=x".repeat(60));
    let padded = |length: usize| format!("{form}&_tag={}", "x".repeat(length - form.len() - 6));
    let mut exchange = asked(&mut world, SEARCH);
    let step = sent(&mut world, &mut exchange, padded(1024).as_bytes());
    assert!(matches!(step, Step::Rewrite { .. }), "{step:?}");
    let mut exchange = asked(&mut world, SEARCH);
    let step = sent(&mut world, &mut exchange, padded(1025).as_bytes());
    check_refused(&world, &mut exchange, &step, 413, "request.too-large");
    let mut exchange = asked(&mut world, SEARCH);
    let step = exchange.body_grows(&world.guard, 1025);
    check_refused(&world, &mut exchange, &step, 413, "request.too-large");

    // What goes on is bounded alike: escaped, it is three times as long.
    let mut exchange = asked(&mut world, SEARCH);
    let escaped = format!("patient=Patient/p1&_tag={}", "!".repeat(340));
    let step = sent(&mut world, &mut exchange, escaped.as_bytes());
    check_refused(&world, &mut exchange, &step, 413, "request.too-large");

    let waiting = [asked(&mut world, SEARCH), asked(&mut world, SEARCH)];
    let mut third = Exchange::default();
    let head = world.head("patient/*.rs", SEARCH, FORM);
    let step = world.ask(&mut third, head, false);
    check_refused(&world, &mut third, &step, 503, "unavailable.waiting");
    drop(waiting);
    let mut exchange = asked(&mut world, SEARCH);
    let step = exchange.request_trailers();
    check_refused(
        &world,
        &mut exchange,
        &step,
        400,
        "request.malformed.trailers",
    );
    let mut exchange = asked(&mut world, SEARCH);
    let record = world.record(&mut exchange);
    assert_eq!(record["outcome"], "cut", "{record}");
}

#[test]
fn a_form_that_came_while_keys_were_fetched_is_replaced_too() {
    for whole in [true, false] {
        let mut world = cold();
        let mut exchange = Exchange::default();
        let claims = world.claims().scope("patient/*.rs").expires_at(NOW + 3600);
        let token = world.token(&claims);
        let head = world.head_with(&token, SEARCH, FORM);
        assert_eq!(world.ask(&mut exchange, head, false), Step::Wait);
        assert!(exchange.is_waiting());
        let form = b"patient=p1&code=x";
        if whole {
            assert_eq!(exchange.request_body(&world.guard, form, true), Step::Wait);
        }
        fetch(&mut world, T);
        let mut step = world.wake(&mut exchange, T + SECOND);
        if !whole {
            assert_eq!(step, Step::Wait);
            step = sent(&mut world, &mut exchange, form);
        }
        check_forwarded(
            step,
            "/base/Observation/_search",
            "patient=Patient/p1&code=x",
            form.len(),
        );
    }
}

#[test]
fn a_search_over_types_is_recorded_by_its_place() {
    let mut world = Deployment::new();
    for (target, code, refs) in [
        (
            "GET /r4/Patient/p1/*",
            "search-compartment",
            json!(["Patient/p1"]),
        ),
        (
            "GET /r4?_type=Observation,Condition&patient=p1",
            "search-system",
            Value::Null,
        ),
    ] {
        let mut exchange = world.forwarded("patient/*.rs", target);
        let record = world.record(&mut exchange);
        assert_eq!(
            (&record["interaction"], &record["refs"]),
            (&json!(code), &refs),
            "{record}"
        );
        assert_eq!(slug(&record["rule"]), "scope:patient/*.rs");
    }
}
