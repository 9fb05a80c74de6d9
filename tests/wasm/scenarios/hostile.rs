//! Header fields with every byte in them, from the client and from the upstream.

use crate::deployment::{Deployment, End, Script, without_limits};
use crate::memory::Headers;
use crate::vm::Vm;

/// A field that the filter does not know.
const UNKNOWN: &str = "x-unknown";

/// Fields that the filter reads, and one that it does not know.
const REQUEST_FIELDS: [&str; 19] = [
    ":authority",
    ":method",
    ":path",
    ":scheme",
    "accept",
    "authorization",
    "content-encoding",
    "content-length",
    "content-type",
    "if-match",
    "if-none-exist",
    "prefer",
    "traceparent",
    "tracestate",
    "user-agent",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-request-id",
    UNKNOWN,
];

/// The same of an answer.
const RESPONSE_FIELDS: [&str; 9] = [
    ":status",
    "content-encoding",
    "content-length",
    "content-type",
    "etag",
    "last-modified",
    "location",
    UNKNOWN,
    "x-request-id",
];

/// What a test does with a byte and a field.
type Change = fn(&mut Headers, &str, u8);

/// The field's value is this byte.
fn alone(headers: &mut Headers, field: &str, byte: u8) {
    headers.retain(|(name, _)| name != field.as_bytes());
    headers.push((field.into(), vec![byte]));
}

/// The byte stands at the end of a value that is good without it.
fn appended(headers: &mut Headers, field: &str, byte: u8) {
    let found = headers
        .iter_mut()
        .find(|(name, _)| name == field.as_bytes());
    match found {
        Some((_, value)) => value.push(byte),
        None => headers.push((field.into(), vec![b'a', byte])),
    }
}

/// The byte stands in the name.
fn named(headers: &mut Headers, field: &str, byte: u8) {
    let name = [field.as_bytes(), &[byte]].concat();
    headers.push((name, b"value".to_vec()));
}

/// The field comes a second time.
fn doubled(headers: &mut Headers, field: &str, byte: u8) {
    headers.push((field.into(), vec![byte]));
}

/// The changes, and which of the 256 bytes of each are tried: all, or every so many.
const CHANGES: [(&str, Change, usize); 4] = [
    ("alone", alone, 1),
    ("appended", appended, 1),
    ("in the name", named, 15),
    ("doubled", doubled, 15),
];

/// An answer of one kind or another, whose fields can be sent.
fn check(name: &str, script: &Script, vm: &Vm, decided: &End) {
    let end = script.drive(vm);
    assert_eq!(end.reset, None, "{name}");
    end.check_closed(name, decided);
    for headers in [&end.upstream.headers, &end.downstream.headers]
        .into_iter()
        .flatten()
    {
        for (field, value) in headers {
            let sendable = value.iter().all(|byte| (0x20..0x7f).contains(byte));
            assert!(sendable, "{name}: {field:?} {value:?}");
        }
    }
    if end.upstream.headers.is_some() {
        assert!(end.record()["outcome"] != "refused", "{name}: {end:?}");
    }
}

/// The good exchange, as ever.
fn check_next(name: &str, good: &Script, vm: &Vm, decided: &End) {
    let next = good.drive(vm);
    let same = without_limits(&next.downstream) == without_limits(&decided.downstream);
    assert!(same, "after {name}: {next:?}");
}

fn every(fields: &[&str], change: impl Fn(&mut Script, &dyn Fn(&mut Headers))) {
    let deployment = Deployment::new();
    let vm = deployment.vm();
    let good = deployment.read();
    let decided = good.drive(&vm);
    for field in fields {
        for (how, by, step) in CHANGES {
            // One unknown name is as good as another: all bytes of one will do.
            let step = if *field == UNKNOWN { 1 } else { step };
            for byte in (0..=u8::MAX).step_by(step) {
                let mut script = good.clone();
                change(&mut script, &|headers| by(headers, field, byte));
                let name = format!("{field} with {byte:#04x} {how}");
                check(&name, &script, &vm, &decided);
                deployment.rest();
                if byte % 8 == 7 {
                    check_next(&name, &good, &vm, &decided);
                }
            }
        }
    }
}

#[test]
fn every_byte_in_every_request_field_gets_an_answer() {
    every(&REQUEST_FIELDS, |script, change| {
        change(&mut script.request)
    });
}

#[test]
fn every_byte_in_every_response_field_gets_an_answer() {
    every(&RESPONSE_FIELDS, |script, change| {
        change(&mut script.response)
    });
}

#[test]
fn heads_of_any_size_get_an_answer() {
    let deployment = Deployment::new();
    let vm = deployment.vm();
    let good = deployment.read();
    let decided = good.drive(&vm);
    let check = |name: &str, headers: Headers| {
        let mut script = good.clone();
        script.request.extend(headers.clone());
        check(&format!("request with {name}"), &script, &vm, &decided);
        check_next(name, &good, &vm, &decided);
        deployment.rest();
        let mut script = good.clone();
        script.response.extend(headers);
        check(&format!("response with {name}"), &script, &vm, &decided);
        check_next(name, &good, &vm, &decided);
        deployment.rest();
        let script = Script {
            request: Vec::new(),
            ..good.clone()
        };
        assert_eq!(script.drive(&vm).status(), 400, "no head at all");
    };
    let many = |count: usize| vec![(b"x-many".to_vec(), b"v".to_vec()); count];
    let large = |field: &str, length: usize| vec![(field.as_bytes().to_vec(), vec![b'v'; length])];
    check("100 fields", many(100));
    check("1000 fields", many(1000));
    check("1100 fields", many(1100));
    check("100000 fields", many(100_000));
    check("a large value", large("x-large", 1 << 20));
    check("a large agent", large("user-agent", 1 << 20));
    check("a large name", vec![(vec![b'n'; 1 << 20], b"v".to_vec())]);
    check("nothing in it", vec![(Vec::new(), Vec::new())]);
}
