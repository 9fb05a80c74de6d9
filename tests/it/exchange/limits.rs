//! What is counted, and by what.

use fhir_guard::identity::ConnectionAttributes;

use super::driver::{NOW, pairs};
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

/// What is left of 1000 after this request, and after its answer.
#[track_caller]
fn costs(cost: &Value, target: &str, answer: Option<&[u8]>, expected: (u64, u64)) {
    let mut world = Deployment::with(|config| {
        config["limits"] =
            json!([{"name": "l", "key": ["client"], "rate": "1/m", "burst": 1000, "cost": cost}]);
        config["fhir"]["search"] = json!({"max_count": 500, "include": ["Observation:subject"], "revinclude": ["Provenance:target"]});
        config["fhir"]["operations"] = json!([{"name": "everything", "level": "instance", "types": ["Patient"],
            "methods": ["GET"], "answer": "bundle"}]);
    });
    let mut left = |target: &str, answer: Option<&[u8]>| {
        let mut exchange = world.forwarded("system/*.rs", target);
        if let Some(answer) = answer {
            let head = [
                (":status", "200"),
                ("content-type", "application/fhir+json"),
            ];
            // Small ones are held whole, and large ones streamed.
            let pieces: Vec<&[u8]> = answer.chunks(100).collect();
            let seen = world.answer(&mut exchange, &head, &pieces, false);
            assert_eq!(
                seen.end,
                End::Complete,
                "{target}: {}",
                world.record(&mut exchange)
            );
        }
        let record = world.record(&mut exchange);
        record["limits"]["l"].as_u64().expect("a number")
    };
    assert_eq!(left(target, answer), expected.0, "{target}");
    // A read costs 1 here.
    assert_eq!(left("GET /r4/Patient/p1", None), expected.1, "{target}");
}

#[test]
fn a_request_costs_what_it_asks_for() {
    let cost = json!({"interactions": {"search-type": 10, "operation": 100}, "resources_asked": 50, "inclusion": 7});
    for (target, expected) in [
        ("GET /r4/Patient/p1", 1),
        ("GET /r4/Patient/p1/$everything", 100),
        // As many as a page may have, where nobody says how many.
        ("GET /r4/Patient?name=x", 10 + 10),
        ("GET /r4/Patient?name=x&_count=1", 10 + 1),
        ("GET /r4/Patient?name=x&_count=50", 10 + 1),
        ("GET /r4/Patient?name=x&_count=51", 10 + 2),
        ("GET /r4/Patient?name=x&_count=100000", 10 + 10),
        ("GET /r4/Patient?name=x&_summary=count", 10),
        ("GET /r4/Patient/p1/_history?_count=100", 1 + 2),
        ("GET /r4?_type=Patient,Group&_count=100", 1 + 2),
        (
            "GET /r4/Observation?code=x&_count=1&_include=Observation:subject&_revinclude=Provenance:target",
            10 + 1 + 14,
        ),
    ] {
        let left = 1000 - expected;
        costs(&cost, target, None, (left, left - 1));
    }
}

#[test]
fn an_answer_costs_what_left_of_it() {
    let bundle = |count: usize| {
        let entry = |at: usize| {
            json!({"fullUrl": format!("http://fhir/base/Group/g{at}"), "search": {"mode": "match"},
                "resource": {"resourceType": "Group", "id": format!("g{at}"), "type": "person", "actual": true}})
        };
        let entries: Vec<_> = (0..count).map(entry).collect();
        // The type stands first.
        let entries = json!(entries);
        format!(r#"{{"resourceType":"Bundle","type":"searchset","entry":{entries}}}"#)
    };
    let search = "GET /r4/Group?type=person";
    for (cost, count, expected) in [
        (json!({"resources_returned": 1}), 0, 0),
        (json!({"resources_returned": 1}), 3, 3),
        (json!({"resources_returned": 2}), 3, 2),
        (json!({"bytes_returned": "1KiB"}), 20, 4),
        (
            json!({"resources_returned": 2, "bytes_returned": "1KiB"}),
            20,
            14,
        ),
        (json!({"request": 0, "resources_returned": 2}), 3, 2),
    ] {
        let request = cost["request"].as_u64().unwrap_or(1);
        let first = 1000 - request;
        let second = first - expected - request;
        let answer = bundle(count);
        let answer = Some(answer.as_bytes());
        costs(&cost, search, answer, (first, second));
    }
    // What was cut or refused costs what left before: nothing.
    let cost = json!({"resources_returned": 1, "bytes_returned": "1KiB"});
    costs(&cost, search, None, (999, 998));
}

#[test]
fn what_is_under_way_takes_a_place_until_it_has_ended() {
    let mut world = Deployment::with(|config| {
        config["fhir"]["bundles"] = json!({"types": ["batch"]});
        config["limits"] = json!([
            {"name": "at-once", "key": ["client"], "concurrent": 1},
            {"name": "rate", "key": ["client"], "rate": "1/h", "burst": 100},
        ]);
    });
    let scope = "system/*.cruds";
    let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [
        {"request": {"method": "GET", "url": "Patient/p1"}},
        {"request": {"method": "GET", "url": "Observation/o1"}},
    ]});
    let fields = [("content-type", "application/fhir+json")];
    let answer = patient("p1", 10).to_string();
    let head = [
        (":status", "200"),
        ("content-type", "application/fhir+json"),
    ];
    // How each ends: answered, withheld, refused for its body, or cut by whoever asked.
    for (name, target, body, answer) in [
        (
            "answered",
            "GET /r4/Patient/p1",
            None,
            Some(answer.as_str()),
        ),
        ("withheld", "GET /r4/Patient/p1", None, Some("{")),
        ("cut", "GET /r4/Patient/p1", None, None),
        (
            "a bad body",
            "POST /r4/Observation",
            Some("{".to_owned()),
            None,
        ),
        ("a Bundle", "POST /r4", Some(batch.to_string()), None),
    ] {
        let mut exchange = Exchange::default();
        let first = world.head(scope, target, &fields[..usize::from(body.is_some())]);
        world.ask(&mut exchange, first, body.is_none());
        if let Some(body) = body {
            let step = exchange.request_body(&world.guard, body.as_bytes(), true);
            world.decided(&mut exchange, step);
        }
        if let Some(answer) = answer {
            world.answer(&mut exchange, &head, &[answer.as_bytes()], false);
        }
        let mut other = Exchange::default();
        let second = world.head(scope, "GET /r4/Patient/p2", &[]);
        let step = world.ask(&mut other, second, true);
        let Step::Reply(reply) = step else {
            panic!("{name}: {step:?}")
        };
        assert_eq!(reply.status, 429, "{name}");
        assert_eq!(world.record(&mut other)["rule"], "limit.at-once", "{name}");
        let record = world.record(&mut exchange);
        assert_eq!(record["limits"]["at-once"], 0, "{name}: {record}");
        // What was refused took nothing, and what has ended gave it back.
        let mut next = world.forwarded(scope, "GET /r4/Patient/p2");
        assert_eq!(world.record(&mut next)["limits"]["at-once"], 0, "{name}");
    }
}

#[test]
fn what_left_of_a_stream_is_counted_however_it_is_cut() {
    let group = |at: usize| {
        format!(
            r#"{{"resource":{{"resourceType":"Group","id":"g{at}","type":"person","actual":true}}}}"#
        )
    };
    let entries: Vec<String> = (0..20).map(group).collect();
    let begin = format!(
        r#"{{"resourceType":"Bundle","type":"searchset","entry":[{},"#,
        entries.join(",")
    );
    let head = [
        (":status", "200"),
        ("content-type", "application/fhir+json"),
        ("content-length", "9000000"),
    ];
    let head = pairs(head.iter());
    for name in ["left", "answered again", "not written"] {
        let mut world = Deployment::with(|config| {
            config["limits"] = json!([{"name": "l", "key": ["client"], "rate": "1/h", "burst": 100,
                "cost": {"resources_returned": 1}}]);
        });
        let mut exchange = world.forwarded("system/*.rs", "GET /r4/Group?type=person");
        let origin: Option<&[u8]> = Some(b"via_upstream");
        let step = exchange.response_headers(&world.guard, &head, origin, false);
        assert!(matches!(step, Step::Release(_)), "{name}: {step:?}");
        let step = exchange.response_body(&world.guard, begin.as_bytes(), false);
        assert!(matches!(step, Step::Write(_)), "{name}: {step:?}");
        match name {
            "answered again" => assert_eq!(
                exchange.response_headers(&world.guard, &head, origin, false),
                Step::Reset
            ),
            "not written" => assert_eq!(exchange.host_failed(), Step::Reset),
            _ => {}
        }
        let record = world.record(&mut exchange);
        assert_eq!(
            (&record["outcome"], &record["passed"]),
            (&json!("cut"), &json!(20)),
            "{name}: {record}"
        );
        let mut next = world.forwarded("system/*.rs", "GET /r4/Group/g1");
        assert_eq!(
            world.record(&mut next)["limits"]["l"],
            100 - 1 - 20 - 1,
            "{name}"
        );
    }
}

#[test]
fn an_export_costs_the_resources_in_its_files_and_not_the_files() {
    let mut world = Deployment::with(|config| {
        config["secrets"] = json!({"page_key": {"inline": "01".repeat(32)}});
        config["fhir"]["export"] =
            json!({"levels": ["system"], "files": ["/files/"], "lifetime": "1h"});
        config["limits"] = json!([{"name": "l", "key": ["client"], "rate": "1/m", "burst": 1000,
            "cost": {"interactions": {"export": 10}, "resources_returned": 1, "bytes_returned": "1KiB"}}]);
    });
    let mut step = |target: &str, head: &[(&str, &str)], body: &str| {
        let mut exchange = world.forwarded("system/*.rs", &format!("GET {target}"));
        let pieces: Vec<&[u8]> = body.as_bytes().chunks(1000).collect();
        let answer = world.answer(&mut exchange, head, &pieces, false);
        let record = world.record(&mut exchange);
        let left = record["limits"]["l"].as_u64().expect("a number");
        let head = answer.head.expect("a head");
        let link = head.iter().find(|(name, _)| name == b"content-location");
        let link = link.map(|(_, value)| String::from_utf8(value.clone()).expect("text"));
        (left, link, String::from_utf8(answer.body).expect("text"))
    };
    let path = |url: &str| {
        url.trim_start_matches("https://fhir.example.org")
            .to_owned()
    };
    let started = [
        (":status", "202"),
        ("content-location", "http://fhir/base/jobs/7"),
    ];
    let (left, job, _) = step("/r4/$export", &started, "");
    assert_eq!(left, 990);
    let file = |at: usize| json!({"type": "Group", "url": format!("http://fhir/base/files/{at}")});
    let manifest = json!({"transactionTime": "2026-11-22T10:00:00Z", "request": "x", "requiresAccessToken": false,
        "output": [file(1), file(2), file(3)], "error": []});
    let json = [(":status", "200"), ("content-type", "application/json")];
    let (left, _, told) = step(&path(&job.expect("a link")), &json, &manifest.to_string());
    assert_eq!(left, 980);
    let parts = u64::try_from(told.len().div_ceil(1024)).expect("few");
    let told: Value = serde_json::from_str(&told).expect("JSON");
    let url = path(told["output"][0]["url"].as_str().expect("a link"));
    let line = |at: usize| {
        format!(
            "{{\"resourceType\":\"Group\",\"id\":\"g{at}\",\"type\":\"person\",\"actual\":true}}\n"
        )
    };
    let lines: String = (0..100).map(line).collect();
    let head = [
        (":status", "200"),
        ("content-type", "application/fhir+ndjson"),
    ];
    let (left, _, file) = step(&url, &head, &lines);
    // Of the manifest nothing but its bytes.
    assert_eq!((left, file.len()), (970 - parts, lines.len()));
    let (left, ..) = step(
        "/r4/Group/g1",
        &json,
        r#"{"resourceType":"Group","id":"g1"}"#,
    );
    let parts = parts + u64::try_from(file.len().div_ceil(1024)).expect("few");
    assert_eq!(left, 970 - parts - 100 - 1);
}
