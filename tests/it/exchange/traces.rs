//! The trace of a request: who begins it, and where it is told.

use fhir_guard::wire::Pair;

use super::bundles::{bundle, get, taking};
use super::driver::{NOW, pairs};
use super::*;

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
const REQUEST: &str = "76d148b6-586d-4eec-bf63-0242ac130002";
const BEGUN: &str = "00-76d148b6586d4eecbf630242ac130002-";

/// Both settings, with what callers send: what is told of the trace.
const ROWS: [(&str, Option<&str>, Option<&str>); 8] = [
    ("start", None, Some(BEGUN)),
    ("start", Some(CALLER), Some(CALLER)),
    ("start", Some("diabetes"), Some(BEGUN)),
    ("start", Some(""), Some(BEGUN)),
    ("continue", None, None),
    ("continue", Some(CALLER), Some(CALLER)),
    ("continue", Some("diabetes"), None),
    ("continue", Some(""), None),
];

/// Several entries that are decided on, with `start` where nothing is said.
fn world(setting: &str) -> Deployment {
    taking(|config| {
        if setting == "continue" {
            config["fhir"]["upstream"]["trace"] = json!(setting);
        }
        config["discovery"] = json!({});
    })
}

/// The one field of this name.
fn field<N: AsRef<[u8]>, V: AsRef<[u8]>>(fields: &[(N, V)], name: &str) -> Option<String> {
    let mut found = fields
        .iter()
        .filter(|(other, _)| other.as_ref() == name.as_bytes());
    let (_, value) = found.next()?;
    assert!(found.next().is_none(), "{name} twice");
    Some(String::from_utf8_lossy(value.as_ref()).into_owned())
}

/// What came back: the fields of the answer, those that went upstream, and the record.
fn told(world: &mut Deployment, head: Vec<Pair>, body: Option<&[u8]>) -> [Option<String>; 3] {
    let mut exchange = Exchange::default();
    let mut step = world.ask(&mut exchange, head, body.is_none());
    if let (Step::Wait, Some(body)) = (&step, body) {
        step = world.body(&mut exchange, body, true);
    }
    let (answered, sent) = match step {
        Step::Reply(reply) => (field(&reply.headers, "traceparent"), None),
        Step::Forward(headers) | Step::Rewrite { headers, .. } => {
            let head = [
                (":status", "200"),
                ("content-type", "application/fhir+json"),
                ("traceparent", "of the server"),
            ];
            let answer = match body {
                None => patient("p1", 0),
                Some(_) => json!({
                    "resourceType": "Bundle", "type": "batch-response",
                    "entry": [{"resource": patient("p1", 0), "response": {"status": "200"}}],
                }),
            };
            let text = answer.to_string();
            let answer = world.answer(&mut exchange, &head, &[text.as_bytes()], false);
            assert_eq!(answer.end, End::Complete);
            let left = answer.head.expect("a head");
            (field(&left, "traceparent"), field(&headers, "traceparent"))
        }
        other => panic!("{other:?}"),
    };
    let record = world.record(&mut exchange);
    let trace = record.get("trace").map(|trace| trace.as_str());
    let trace = trace.map(|trace| trace.expect("a text").to_owned());
    [answered, sent, trace]
}

/// One request under both settings, with each trace. `goes` says whether it goes upstream.
fn check(name: &str, target: &str, scope: &str, body: Option<&Value>, goes: bool) {
    for (setting, came, expected) in ROWS {
        let mut world = world(setting);
        let body = body.map(Value::to_string);
        let mut more = vec![("content-type", "application/fhir+json")];
        more.extend(came.map(|came| ("traceparent", came)));
        let mut head = world.head(scope, target, &more);
        for (name, value) in &mut head {
            if name == b"x-request-id" {
                *value = REQUEST.into();
            }
        }
        let [answered, sent, trace] = told(&mut world, head, body.as_ref().map(String::as_bytes));
        let name = format!("{name}, {setting}, {came:?}: {answered:?}");
        assert_eq!(
            answered.as_deref().map(|own| own.starts_with(BEGUN)),
            expected.map(|own| own == BEGUN),
            "{name}"
        );
        if expected != Some(BEGUN) {
            assert_eq!(answered.as_deref(), expected, "{name}");
        }
        assert_eq!(trace, answered, "{name}: the record");
        let upstream = answered.filter(|_| goes);
        assert_eq!(sent, upstream, "{name}: upstream");
    }
}

#[test]
fn an_answer_tells_the_trace_of_its_record() {
    let read = "GET /r4/Patient/p1";
    check("allowed", read, "patient/*.rs", None, true);
    check("refused", read, "patient/Observation.rs", None, false);
    check("malformed", "GET /r4//Patient", "patient/*.rs", None, false);
    check(
        "no method",
        "TRACE /r4/Patient/p1",
        "patient/*.rs",
        None,
        false,
    );
    let metadata = "GET /.well-known/oauth-protected-resource/r4";
    check("discovery", metadata, "patient/*.rs", None, false);
    let entries = [get("Patient/p1"), get("Practitioner/p1")];
    let [one, other] = entries;
    let post = |name, entries: &[Value], goes| {
        let batch = bundle("batch", entries);
        check(name, "POST /r4", "patient/Patient.rs", Some(&batch), goes);
    };
    post("Bundle", &[one, other.clone()], true);
    post("Bundle of which nothing goes on", &[other], false);
}

#[test]
fn a_trace_begun_for_no_uuid_is_another_each_time() {
    let mut world = Deployment::new();
    let mut begun = Vec::new();
    for later in [0, 1, 2] {
        let own = [
            (":method", "GET"),
            (":path", "/r4/Patient/p1"),
            ("x-request-id", "r-1"),
        ];
        let mut exchange = Exchange::default();
        let now = NOW * 1_000_000_000 + later;
        let step = world.ask_at(&mut exchange, pairs(own.iter()), true, now);
        let Step::Reply(reply) = step else {
            panic!("{step:?}")
        };
        assert_eq!(reply.status, 401);
        let trace = field(&reply.headers, "traceparent").expect("a trace");
        assert_eq!(trace.len(), CALLER.len(), "{trace}");
        assert!(!begun.contains(&trace), "{trace}");
        begun.push(trace);
    }
}
