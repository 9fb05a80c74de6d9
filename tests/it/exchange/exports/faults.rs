//! Answers about exports that are not what they should be.

use super::*;

#[test]
fn what_does_not_fit_does_not_leave_bypass_34() {
    let mut world = deployment();
    let job = started(&mut world, ALL, "GET /r4/$export?_type=Patient");
    let file = path(&files(&mut world, ALL, &job, &[("Patient", "http://fhir/files/p")])[0]);
    let (start, job, file) = (
        "GET /r4/$export".to_owned(),
        format!("GET {job}"),
        format!("GET {file}"),
    );
    let json = ("content-type", "application/json");
    let lines = ("content-type", "application/fhir+ndjson");
    let line = r#"{"resourceType":"Patient","id":"a"}"#;
    let elsewhere = manifest(&[("Patient", "https://bucket.example.org/a")]);
    let manifest = manifest(&[]);
    for (name, target, head, body, rule) in [
        (
            "no link",
            &start,
            vec![(":status", "202")],
            "",
            "answer.content-location",
        ),
        (
            "a link elsewhere",
            &start,
            vec![
                (":status", "202"),
                ("content-location", "https://bucket.example.org/x"),
            ],
            "",
            "answer.content-location",
        ),
        (
            "all at once",
            &start,
            vec![(":status", "200"), json],
            line,
            "answer.status",
        ),
        (
            "an error",
            &start,
            vec![(":status", "500"), json],
            line,
            "upstream.",
        ),
        (
            "too busy",
            &job,
            vec![(":status", "429"), json],
            line,
            "limit.upstream 429",
        ),
        (
            "a job that is gone",
            &job,
            vec![(":status", "404"), json],
            line,
            "export 404",
        ),
        (
            "elsewhere",
            &job,
            vec![(":status", "303"), json],
            line,
            "upstream.",
        ),
        (
            "nothing",
            &job,
            vec![(":status", "204")],
            "",
            "answer.status",
        ),
        (
            "an empty manifest",
            &job,
            vec![(":status", "200"), json],
            "",
            "answer.empty",
        ),
        (
            "a manifest in words",
            &job,
            vec![(":status", "200"), ("content-type", "text/html")],
            "x",
            "answer.content-type",
        ),
        (
            "a manifest that is none",
            &job,
            vec![(":status", "200"), json],
            line,
            "answer",
        ),
        (
            "a file elsewhere",
            &job,
            vec![(":status", "200"), json],
            elsewhere.as_str(),
            "answer",
        ),
        (
            "lines in the place of a manifest",
            &job,
            vec![(":status", "200"), lines],
            manifest.as_str(),
            "answer.content-type",
        ),
        (
            "later",
            &file,
            vec![(":status", "202")],
            "",
            "answer.status",
        ),
        (
            "a file of another kind",
            &file,
            vec![(":status", "200"), json],
            line,
            "answer.content-type",
        ),
        (
            "a file that is packed",
            &file,
            vec![(":status", "200"), lines, ("content-encoding", "gzip")],
            line,
            "answer.content-encoding",
        ),
        (
            "a file that is no JSON",
            &file,
            vec![(":status", "200"), lines],
            "<x/>",
            "answer",
        ),
        (
            "a file that breaks off",
            &file,
            vec![(":status", "200"), lines],
            "{\"resourceType\":",
            "answer",
        ),
    ] {
        let asked = ask(&mut world, ALL, target);
        let (answer, record) = answered(&mut world, asked, &head, body);
        let End::Reply(reply) = &answer.end else {
            panic!("{name}: {answer:?}");
        };
        assert!(reply.status >= 400, "{name}");
        assert_eq!(answer.body, b"", "{name}");
        let found = format!("{} {}", slug(&record["rule"]), reply.status);
        assert!(found.contains(rule), "{name}: {found}");
    }
    // Where a part has left, the rest is cut off.
    let long = format!("{}\nCANARY", format!("{}\n", patient("a", 100)).repeat(30));
    let asked = ask(&mut world, ALL, &file);
    let (answer, record) = answered(&mut world, asked, &LINES, &long);
    assert_eq!(
        (answer.end, &record["outcome"]),
        (End::Reset, &json!("cut"))
    );
    assert!(!String::from_utf8_lossy(&answer.body).contains("CANARY"));
}
