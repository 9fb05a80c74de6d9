//! Answers made to break the screen.

use super::*;

const TRUNCATED: &str = "the json ends early, expected the rest of the value";

fn searched() -> Cover {
    bundle(BundleKind::Searchset, "Patient", None)
}

fn searchset(count: usize, entry: &str) -> String {
    let list = vec![entry; count].join(",");
    format!(r#"{{"resourceType":"Bundle","type":"searchset","entry":[{list}]}}"#)
}

fn one(cover: Cover, limits: Limits, body: &[u8]) -> Result<(String, Counts), Fault> {
    run(&Rc::new(cover), limits, body, &[])
}

#[test]
fn every_truncation_is_a_fault() {
    let bundle = r#"{"resourceType":"Bundle","type":"searchset","total":12,"link":[{"relation":"self","url":"x"}],"entry":[{"resource":{"resourceType":"Patient","id":"1","name":[{"family":"\u00e9\"é"}]}}]}"#;
    let patient = r#"{"resourceType":"Patient","id":"1","name":[{"family":"\u00e9\"é"}],"multipleBirthInteger":2}"#;
    for (body, cover) in [
        (bundle, searched as fn() -> Cover),
        (patient, || read("Patient", Some("1"))),
    ] {
        for length in 0..body.len() {
            let found = one(cover(), Limits::default(), &body.as_bytes()[..length]);
            assert_eq!(found, Err(Fault::Uninspectable(TRUNCATED)), "{length}");
        }
        assert!(one(cover(), Limits::default(), body.as_bytes()).is_ok());
    }
}

#[test]
fn every_changed_byte_is_decided_without_a_panic() {
    let body = r#"{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"Patient","id":"1","birthDate":"CANARY","_birthDate":{"id":"CANARY"}}}]}"#;
    let start = body.find("birthDate").unwrap();
    for at in 0..body.len() {
        for byte in [
            0, b' ', b'"', b'\\', b'{', b'}', b'[', b']', b',', b':', b'0', 0x80, 0xff,
        ] {
            let mut bytes = body.as_bytes().to_vec();
            bytes[at] = byte;
            let cover = hiding(searched(), "Patient", Action::Remove, &["birthDate"]);
            let found = one(cover, Limits::default(), &bytes);
            // A change ahead of the hidden names never brings out what is behind them.
            if let (true, Ok((text, _))) = (at + 1 < start, found) {
                assert!(!text.contains(CANARY), "{byte} at {at}: {text}");
            }
        }
    }
}

#[test]
fn what_is_no_json_is_uninspectable() {
    for (name, body) in [
        ("nothing", &b""[..]),
        ("space", b"  \n"),
        (
            "byte order mark",
            b"\xef\xbb\xbf{\"resourceType\":\"Bundle\",\"type\":\"searchset\"}",
        ),
        (
            "bad utf-8",
            b"{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"x\":\"\xff\"}",
        ),
        (
            "bad utf-8 in a key",
            b"{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"\xff\":1}",
        ),
        (
            "lone surrogate",
            b"{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"x\":\"\\ud800\"}",
        ),
        (
            "nul",
            b"{\"resourceType\":\"Bundle\",\"type\":\"searchset\"}\0",
        ),
        ("xml", b"<Bundle/>"),
        ("gzip", b"\x1f\x8b\x08\0\0\0\0\0"),
        ("quoted", b"\"Bundle\""),
    ] {
        for cover in [searched(), read("Patient", None), cover(Expected::Opaque)] {
            let found = one(cover, Limits::default(), body);
            assert!(
                matches!(found, Err(Fault::Uninspectable(_))),
                "{name}: {found:?}"
            );
        }
    }
}

#[test]
fn a_fault_is_final() {
    let mut screen = Screen::new(Rc::new(searched()), Limits::default());
    screen
        .push(br#"{"resourceType":"Bundle","type":"searchset","#)
        .unwrap();
    let fault = screen.push(b"}").unwrap_err();
    assert_eq!(screen.push(br#""total":1}"#), Err(fault));
    assert_eq!(screen.finish(), Err(fault));
    assert!(screen.take().is_empty() && screen.held() == 0);
    assert!(!screen.closed() && !screen.shape_known());
}

#[test]
fn limits_hold_on_both_sides() {
    let entry = r#"{"resource":{"resourceType":"Patient","id":"1"}}"#;
    let limits = |resource: usize, entries: usize| Limits {
        resource,
        entries,
        ..Limits::default()
    };
    let size = entry.len();
    assert!(one(searched(), limits(size, 3), searchset(3, entry).as_bytes()).is_ok());
    assert_eq!(
        one(
            searched(),
            limits(size - 1, 3),
            searchset(3, entry).as_bytes()
        ),
        Err(Fault::TooLarge)
    );
    assert_eq!(
        one(searched(), limits(size, 2), searchset(3, entry).as_bytes()),
        Err(Fault::TooLarge)
    );
    let patient = r#"{"resourceType":"Patient","id":"1"}"#;
    assert!(
        one(
            read("Patient", None),
            limits(patient.len(), 0),
            patient.as_bytes()
        )
        .is_ok()
    );
    assert_eq!(
        one(
            read("Patient", None),
            limits(patient.len() - 1, 0),
            patient.as_bytes()
        ),
        Err(Fault::TooLarge)
    );
    // What waits for the type of the Bundle is bounded as well.
    let late = searchset(20, entry).replace(r#""type":"searchset","#, "");
    let late = late.replace("]}", r#"],"type":"searchset"}"#);
    assert!(one(searched(), limits(4096, 20), late.as_bytes()).is_ok());
    assert_eq!(
        one(searched(), limits(1000, 20), late.as_bytes()),
        Err(Fault::TooLarge)
    );
    let members: Vec<String> = (0..100).map(|at| format!("\"m{at}\":0")).collect();
    let wide = format!("{{{}}}", members.join(","));
    assert!(matches!(
        one(searched(), Limits::default(), wide.as_bytes()),
        Err(Fault::Uninspectable(_))
    ));
    let key = format!("{{\"{}\":0}}", "k".repeat(1000));
    assert_eq!(
        one(searched(), Limits::default(), key.as_bytes()),
        Err(Fault::TooLarge)
    );
}

#[test]
fn depth_is_bounded_everywhere() {
    let deep = |open: &str, count: usize| open.repeat(count);
    for open in ["[", "{\"a\":"] {
        let body = format!(
            r#"{{"resourceType":"Patient","id":"1","x":{}"#,
            deep(open, 1_000_000)
        );
        let closed = format!(
            "{body}{}",
            if open == "[" { "]" } else { "1}" }.repeat(1_000_000)
        );
        for body in [body, closed] {
            let limits = Limits {
                resource: 64 << 20,
                ..Limits::default()
            };
            let found = one(read("Patient", None), limits, body.as_bytes());
            assert!(matches!(found, Err(Fault::Uninspectable(_))), "{open}");
        }
    }
    // Doubling at every level would never end: siblings of arrays of siblings of arrays.
    let mut nest = String::from(r#"{"text":{"div":"x"}}"#);
    for _ in 0..28 {
        nest = format!(r#"{{"a":[null],"_a":[{nest}]}}"#);
    }
    let body = format!(r#"{{"resourceType":"Patient","id":"1","x":{nest}}}"#);
    let cover = hiding(
        read("Patient", None),
        "Patient",
        Action::Remove,
        &["birthDate"],
    );
    let (text, _) = one(cover, Limits::default(), body.as_bytes()).unwrap();
    assert!(!text.contains("div") && !text.contains('x'), "{text}");
}

#[test]
fn many_entries_stream_in_bounded_memory() {
    let entry = r#"{"resource":{"resourceType":"Patient","id":"1","birthDate":"CANARY"}}"#;
    let body = searchset(20_000, entry);
    let cover = hiding(searched(), "Patient", Action::Remove, &["birthDate"]);
    let mut screen = Screen::new(Rc::new(cover), Limits::default());
    let mut out = Vec::new();
    let mut most = 0;
    for chunk in body.as_bytes().chunks(997) {
        screen.push(chunk).unwrap();
        most = most.max(screen.held());
        out.extend(screen.take());
    }
    screen.finish().unwrap();
    out.extend(screen.take());
    assert!(most < 16_384, "{most}");
    assert_eq!(
        screen.counts(),
        Counts {
            passed: 20_000,
            removed: 0,
            redacted: 20_000
        }
    );
    assert!(!String::from_utf8(out).unwrap().contains(CANARY));
}

/// None of these ends in a test's time if a step grows with the square of what it is given.
#[test]
fn wide_resources_cost_no_more_than_reading_them() {
    let many =
        |count: usize, row: fn(usize) -> String| (0..count).map(row).collect::<Vec<_>>().join(",");
    let members = many(60_000, |at| {
        format!(r#""_valueA{at}":[{{"text":{{}}}}],"valueA{at}":[null]"#)
    });
    let body = format!(r#"{{"resourceType":"Observation","id":"1",{members}}}"#);
    for action in [Action::Remove, Action::Mask] {
        for element in ["value[x]", "note"] {
            let cover = hiding(
                read("Observation", None),
                "Observation",
                action.clone(),
                &[element],
            );
            assert!(one(cover, Limits::default(), body.as_bytes()).is_ok());
        }
    }
    let contained = many(60_000, |at| {
        format!(r#"{{"resourceType":"Group","id":"g{at}"}}"#)
    });
    let references = many(60_000, |at| format!(r##"{{"reference":"#g{at}"}}"##));
    let body = format!(
        r#"{{"resourceType":"Observation","id":"1","subject":{{"reference":"Patient/1"}},"contained":[{contained}],"performer":[{references}]}}"#
    );
    let cover = for_patient(read("Observation", None), "1");
    assert!(one(cover, Limits::default(), body.as_bytes()).is_ok());
}

/// The tag that says that a part is missing has its place, or nothing leaves.
#[test]
fn a_meta_that_cannot_keep_the_tag_is_refused() {
    let text = "an object named text stands in meta";
    for (meta, fault) in [
        (r#"{"tag":{}}"#, "meta.tag is no array"),
        (r#"{"tag":null}"#, "meta.tag is no array"),
        (r#"{"security":{}}"#, "meta.security is no array"),
        (r#"{"security":null}"#, "meta.security is no array"),
        (r#"{"security":[{"text":{}}]}"#, text),
        ("null", "meta is no object"),
        (r#"{"text":{"a":1}}"#, text),
        (r#"{"tag":[{"text":{}}]}"#, text),
    ] {
        let cover = hiding(
            read("Patient", None),
            "Patient",
            Action::Remove,
            &["birthDate"],
        );
        let body =
            format!(r#"{{"resourceType":"Patient","id":"1","birthDate":"1","meta":{meta}}}"#);
        assert_eq!(
            outcome(cover, &body),
            Err(Fault::Uninspectable(fault)),
            "{meta}"
        );
    }
}
