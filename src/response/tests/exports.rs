//! What becomes of an export, and the files of one.

use super::*;
use crate::json::FaultKind;

/// A file of Observations.
fn lines() -> Cover {
    cover(Expected::Lines(kind("Observation")))
}

fn observation(id: &str, rest: &str) -> String {
    format!(r#"{{"resourceType":"Observation","id":"{id}"{rest}}}"#)
}

fn of_patient(id: &str, patient: &str) -> String {
    observation(
        id,
        &format!(r#","subject":{{"reference":"Patient/{patient}"}}"#),
    )
}

/// What a file becomes, with how many lines passed, were removed and redacted, at every cut.
fn check(name: &str, cover: Cover, body: &str, expected: Result<(&str, [u64; 3]), Fault>) {
    let found = outcome(cover, body);
    let found = found.map(|(text, counts)| {
        let counts = [counts.passed, counts.removed, counts.redacted];
        (text, counts)
    });
    let expected = expected.map(|(text, counts)| (text.to_owned(), counts));
    assert_eq!(found, expected, "{name}");
}

#[test]
fn each_line_is_decided_by_itself_bypass_34() {
    let (own, foreign) = (of_patient("o1", "1"), of_patient("o2", "2"));
    let confined = || for_patient(lines(), "1");
    check("no line", lines(), "", Ok(("", [0, 0, 0])));
    check(
        "no line but breaks",
        lines(),
        "\n\r\n \n",
        Ok(("", [0, 0, 0])),
    );
    check(
        "the last line without an end",
        lines(),
        &format!("{own}\n{foreign}"),
        Ok((&format!("{own}\n{foreign}\n"), [2, 0, 0])),
    );
    check(
        "breaks of Windows, and empty lines",
        lines(),
        &format!("{own}\r\n\r\n{foreign} \n"),
        Ok((&format!("{own}\n{foreign}\n"), [2, 0, 0])),
    );
    check(
        "another's line is gone",
        confined(),
        &format!("{own}\n{foreign}\n{own}\n"),
        Ok((&format!("{own}\n{own}\n"), [2, 1, 0])),
    );
    check(
        "nothing is the own",
        confined(),
        &foreign,
        Ok(("", [0, 1, 0])),
    );
    let escaped = observation("o3", r#","language":"a\nb""#);
    check(
        "an escaped break",
        lines(),
        &escaped,
        Ok((&format!("{escaped}\n"), [1, 0, 0])),
    );
    let hidden = hiding(lines(), "Observation", Action::Remove, &["language"]);
    let (text, counts) = outcome(hidden, &format!("{escaped}\n{own}\n")).expect("a file");
    assert_eq!((counts.passed, counts.redacted), (2, 1));
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(!text.contains("language"), "{text}");
}

#[test]
fn what_is_no_line_of_the_file_is_a_fault_bypass_34() {
    let own = observation("o1", "");
    let fault = |what| Err(Fault::Uninspectable(what));
    let open = own.trim_end_matches('}');
    for (name, body, expected) in [
        (
            "two on one line",
            format!("{own}{own}"),
            fault("something follows a resource on its line"),
        ),
        (
            "a comma between",
            format!("{own},\n{own}"),
            fault("something follows a resource on its line"),
        ),
        (
            "one on two lines",
            own.replace(",", ",\n"),
            fault("a resource is not on one line"),
        ),
        (
            "one on two lines, of old",
            own.replace(",", ",\r"),
            fault("a resource is not on one line"),
        ),
        (
            "another type",
            r#"{"resourceType":"Patient","id":"1"}"#.to_owned(),
            fault("a line holds another type than the file"),
        ),
        (
            "no type",
            r#"{"id":"1"}"#.to_owned(),
            fault("a line holds another type than the file"),
        ),
        (
            "no id",
            r#"{"resourceType":"Observation"}"#.to_owned(),
            fault("a line holds a resource without id"),
        ),
        (
            "a list",
            format!("[{own}]"),
            fault("the body is no json object"),
        ),
        (
            "a Bundle",
            format!(r#"{{"resourceType":"Bundle","entry":[{{"resource":{own}}}]}}"#),
            fault("a line holds another type than the file"),
        ),
        (
            "cut",
            format!("{own}\n{open}"),
            fault(FaultKind::Truncated.text()),
        ),
    ] {
        check(name, lines(), &body, expected);
    }
    // The same key twice is read in two ways.
    let doubled = observation("o1", r#","id":"o2""#);
    assert!(outcome(lines(), &doubled).is_err());
}

#[test]
fn a_line_is_bounded_and_a_file_is_not() {
    let line = observation("o1", "");
    let limits = |resource| Limits {
        resource,
        ..Limits::default()
    };
    let cover = Rc::new(lines());
    let body = format!("{line}\n").repeat(50);
    let found = run(&cover, limits(line.len()), body.as_bytes(), &[7, 1000]);
    assert_eq!(found.map(|(text, _)| text), Ok(body.clone()));
    let found = run(&cover, limits(line.len() - 1), body.as_bytes(), &[7, 1000]);
    assert_eq!(found, Err(Fault::TooLarge));
    // What is read leaves at once.
    let mut screen = Screen::new(Rc::clone(&cover), Limits::default());
    // But for the end of the last line: what is cut off there is no line.
    let ends = body.strip_suffix("}\n").expect("a line");
    let again = format!("}}\n{ends}");
    for round in 0..1000 {
        screen.push(body.as_bytes()).expect("lines");
        let expected = if round == 0 { ends } else { again.as_str() };
        assert_eq!(screen.take(), expected.as_bytes());
        assert_eq!((screen.held(), screen.closed()), (2, false));
    }
    let mut cut = Screen::new(Rc::clone(&cover), Limits::default());
    cut.push(body.as_bytes()).expect("lines");
    assert_eq!(cut.take(), ends.as_bytes());
    assert!(cut.push(b"x").is_err());
    assert_eq!(cut.take(), b"");
    screen.finish().expect("the end");
    assert_eq!(screen.take(), b"}\n");
    assert!(screen.closed());
    assert_eq!(screen.counts().passed, 50_000);
}

#[test]
fn guardrails_cut_a_file_off() {
    let guarded = |over| {
        let mut cover = lines();
        cover.egress.push(Rc::new(Egress {
            name: "rule".into(),
            types: None,
            records: Some(2),
            bytes: None,
            patients: None,
            over,
        }));
        cover
    };
    let line = observation("o1", "");
    for over in [Over::Refuse, Over::Cut] {
        let two = format!("{line}\n{line}\n");
        check("as many", guarded(over), &two, Ok((&two, [2, 0, 0])));
        let three = format!("{two}{line}\n");
        check("one more", guarded(over), &three, Err(Fault::Egress));
    }
}

#[test]
fn of_what_went_wrong_the_codes_leave() {
    let cover = || cover(Expected::Lines(kind("OperationOutcome")));
    let issue = |severity: &str, code: &str| {
        format!(
            r#"{{"resourceType":"OperationOutcome","issue":[{{"severity":"{severity}","code":"{code}"}}]}}"#
        )
    };
    let said = |rest: &str| {
        format!(
            r#"{{"resourceType":"OperationOutcome","id":"{CANARY}","issue":[{{{rest}"diagnostics":"{CANARY}","details":{{"text":"{CANARY}"}}}}],"text":{{"div":"{CANARY}"}}}}"#
        )
    };
    for (body, expected) in [
        (
            said(r#""severity":"warning","code":"not-found","#),
            issue("warning", "not-found"),
        ),
        (
            said(r#""severity":"CANARY","code":"CANARY","#),
            issue("error", "processing"),
        ),
        (said(""), issue("error", "processing")),
        (
            format!(r#"{{"resourceType":"OperationOutcome","issue":"{CANARY}"}}"#),
            issue("error", "processing"),
        ),
        (
            r#"{"resourceType":"OperationOutcome"}"#.to_owned(),
            issue("error", "processing"),
        ),
    ] {
        check(
            &body,
            cover(),
            &body,
            Ok((&format!("{expected}\n"), [1, 0, 0])),
        );
    }
}

/// What an export became: files of Observations and of Conditions.
fn manifest() -> Cover {
    let mut cover = cover(Expected::Manifest);
    cover.others = vec![
        (kind("Observation"), Granted::All),
        (kind("Condition"), Granted::All),
    ];
    cover.self_link = format!("{BASE}/$export");
    cover
}

const TIME: &str = "2026-11-22T10:00:00Z";

fn left(output: &str, error: &str) -> String {
    format!(
        r#"{{"transactionTime":"{TIME}","request":"{BASE}/$export","requiresAccessToken":true,"output":[{output}],"error":[{error}]}}"#
    )
}

fn told(output: &str, rest: &str) -> String {
    format!(
        r#"{{"transactionTime":"{TIME}","request":"http://{CANARY}/","requiresAccessToken":false,"output":[{output}],"extension":{{"x":"{CANARY}"}}{rest}}}"#
    )
}

fn file(of: &str, name: &str, rest: &str) -> String {
    format!(r#"{{"type":"{of}","url":"http://fhir/r4/files/{name}"{rest}}}"#)
}

fn own(of: &str, name: &str, rest: &str) -> String {
    format!(r#"{{"type":"{of}","url":"{BASE}/{of}/{name}"{rest}}}"#)
}

#[test]
fn a_manifest_tells_of_files_that_the_caller_may_see_bypass_34() {
    let counting = || Cover {
        total: true,
        ..manifest()
    };
    for (name, cover, body, expected, counts) in [
        ("no file", manifest(), told("", ""), left("", ""), [0, 0, 0]),
        (
            "two of a type, and another",
            manifest(),
            told(
                &[
                    file("Observation", "a", r#","count":7"#),
                    file(
                        "Observation",
                        "b",
                        &format!(r#","extension":{{"x":"{CANARY}"}}"#),
                    ),
                    file("Condition", "c", ""),
                ]
                .join(","),
                r#","error":[]"#,
            ),
            left(
                &[
                    own("Observation", "a", ""),
                    own("Observation", "b", ""),
                    own("Condition", "c", ""),
                ]
                .join(","),
                "",
            ),
            [3, 0, 0],
        ),
        (
            "types that are not for the caller, or not known",
            manifest(),
            told(
                &[
                    file("Patient", CANARY, ""),
                    file(CANARY, "a", ""),
                    "7".to_owned(),
                    file("Condition", "c", ""),
                ]
                .join(","),
                &format!(r#","deleted":[{}]"#, file("Bundle", CANARY, "")),
            ),
            left(&own("Condition", "c", ""), ""),
            [1, 3, 0],
        ),
        (
            "numbers, where nothing is held back",
            counting(),
            told(
                &[
                    file("Condition", "c", r#","count":7"#),
                    file("Condition", "d", &format!(r#","count":"{CANARY}""#)),
                ]
                .join(","),
                "",
            ),
            left(
                &[
                    own("Condition", "c", r#","count":7"#),
                    own("Condition", "d", ""),
                ]
                .join(","),
                "",
            ),
            [2, 0, 0],
        ),
        (
            "what went wrong",
            manifest(),
            told(
                "",
                &format!(
                    r#","error":[{},{}]"#,
                    file("OperationOutcome", "e", ""),
                    file("Observation", CANARY, "")
                ),
            ),
            left("", &own("OperationOutcome", "e", "")),
            [1, 1, 0],
        ),
    ] {
        check(name, cover, &body, Ok((&expected, counts)));
    }
}

#[test]
fn what_is_no_manifest_is_a_fault_bypass_34() {
    let elsewhere = r#"{"type":"Condition","url":"https://bucket.example.org/a"}"#;
    for (name, body, expected) in [
        (
            "a file at another place",
            told(elsewhere, ""),
            "a file of the export is at a place that does not pass here",
        ),
        (
            "a file without a place",
            told(r#"{"type":"Condition"}"#, ""),
            "a file of the export is at a place that does not pass here",
        ),
        (
            "further pages",
            told("", r#","link":[{"relation":"next","url":"x"}]"#),
            "the manifest of the export has further pages",
        ),
        (
            "no time",
            r#"{"output":[]}"#.to_owned(),
            "the manifest of the export has no transactionTime",
        ),
        (
            "a time that is none",
            r#"{"transactionTime":"CANARY","output":[]}"#.to_owned(),
            "the manifest of the export has no transactionTime",
        ),
        (
            "no output",
            format!(r#"{{"transactionTime":"{TIME}"}}"#),
            "the manifest of the export has no output",
        ),
        (
            "output that is no list",
            format!(r#"{{"transactionTime":"{TIME}","output":{{}}}}"#),
            "the manifest of the export has no output",
        ),
    ] {
        check(name, manifest(), &body, Err(Fault::Uninspectable(expected)));
    }
    let many = |count: usize| {
        let files = vec![file("Condition", "c", ""); count].join(",");
        let body = told(&files, "");
        run(
            &Rc::new(manifest()),
            Limits::default(),
            body.as_bytes(),
            &[],
        )
    };
    assert_eq!(many(10_000).map(|(_, counts)| counts.passed), Ok(10_000));
    assert_eq!(many(10_001), Err(Fault::TooLarge));
    // What leaves is bounded as what comes is: our links are longer.
    let linked = |length: usize| {
        let cover = Cover {
            links: Rc::new(move |_| Some("x".repeat(length))),
            ..manifest()
        };
        let limits = Limits {
            resource: 1000,
            ..Limits::default()
        };
        let body = told(&file("Condition", "c", ""), "");
        run(&Rc::new(cover), limits, body.as_bytes(), &[]).map(|_| ())
    };
    let around = r#"[{"type":"Condition","url":""}"#.len();
    assert_eq!(linked(1000 - around), Ok(()));
    assert_eq!(linked(1001 - around), Err(Fault::TooLarge));
}
