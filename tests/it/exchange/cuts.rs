//! However an answer is cut into pieces, the client gets the same bytes.

use super::*;

const OK: &[(&str, &str)] = &[
    (":status", "200"),
    ("content-type", "application/fhir+json"),
];

/// The whole answer at once, then every single cut, every byte alone, and an empty last piece.
fn check(name: &str, scope: &str, target: &str, body: &str, passed: u64) {
    let mut world = Deployment::new();
    let bytes = body.as_bytes();
    let length = bytes.len().to_string();
    let known = [OK, &[("content-length", length.as_str())]].concat();
    let mut whole: Option<Vec<u8>> = None;
    let mut run = |what: String, head: &[(&str, &str)], pieces: &[&[u8]]| {
        let mut exchange = world.forwarded(scope, target);
        let answer = world.answer(&mut exchange, head, pieces, false);
        assert_eq!(answer.end, End::Complete, "{name}, {what}");
        assert_eq!(answer.status(), 200, "{name}, {what}");
        let whole = whole.get_or_insert_with(|| answer.body.clone());
        assert_eq!(*whole, answer.body, "{name}, {what}");
        let record = world.record(&mut exchange);
        assert_eq!(record["outcome"], "allowed", "{name}, {what}");
        assert_eq!(record["passed"], passed, "{name}, {what}");
    };
    // Announced, an answer above the hold limit streams from its head on.
    run("whole".to_owned(), &known, &[bytes]);
    for at in 0..=bytes.len() {
        let (one, two) = bytes.split_at(at);
        run(format!("cut at {at}, announced"), &known, &[one, two]);
        if bytes.len() <= driver::HOLD {
            run(format!("cut at {at}"), OK, &[one, two]);
        }
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    run("byte by byte".to_owned(), OK, &single);
    let empty: Vec<&[u8]> = bytes.chunks(100).chain([&b""[..]]).collect();
    run("an empty end".to_owned(), OK, &empty);
    let spaces = bytes.chunks(100).chain([&b" \n"[..], b"\t "]);
    run(
        "spaces at the end".to_owned(),
        OK,
        &spaces.collect::<Vec<_>>(),
    );
    let whole = whole.expect("an answer");
    let text = String::from_utf8(whole).expect("UTF-8");
    let value: Value = serde_json::from_str(&text).expect("JSON");
    assert!(!text.contains("1970-01-01"), "{name}: {text}");
    assert!(!text.contains("p2"), "{name}: {value}");
}

#[test]
fn every_cut_gives_the_same_bytes() {
    let own = patient("p1", 5).to_string();
    check("a resource", "patient/*.rs", "GET /r4/Patient/p1", &own, 1);
    let search = "GET /r4/Observation?patient=p1";
    check(
        "a held bundle",
        "patient/*.rs",
        search,
        &bundle(&["p1", "p2"]),
        1,
    );
    let many = ["p1", "p2", "p1"].repeat(3);
    check(
        "a streamed bundle",
        "patient/*.rs",
        search,
        &bundle(&many),
        6,
    );
}

/// A search's answer with one Observation of each of these patients, as servers write it.
fn bundle(patients: &[&str]) -> String {
    let entry = |(number, patient): (usize, &&str)| {
        format!(
            r#"{{"resource":{{"resourceType":"Observation","id":"o{number}","status":"final","subject":{{"reference":"Patient/{patient}","display":"\"Zoë\u00e9\ud83d\ude00"}}}}}}"#
        )
    };
    let entries: Vec<String> = patients.iter().enumerate().map(entry).collect();
    format!(
        r#"{{"resourceType":"Bundle","type":"searchset","total":{},"link":[{{"relation":"self","url":"http://fhir/base/Observation?patient=p1"}}],"entry":[{}]}}"#,
        entries.len(),
        entries.join(",")
    )
}
