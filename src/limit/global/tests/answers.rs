//! What is made of answers.

use super::*;

fn verdict(names: &[&str]) -> Verdict {
    let remaining = |name: &&str| Remaining {
        name: (*name).to_owned(),
        remaining: 7,
        reset_seconds: 3,
        burst: 100,
        window_seconds: 2,
        concurrent: false,
        patients: false,
    };
    Verdict {
        allowed: true,
        refused_by: None,
        retry_after_seconds: 0,
        remaining: names.iter().map(remaining).collect(),
        contended: false,
    }
}

/// A framed message.
fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [&[0][..], &length.to_be_bytes(), message].concat()
}

fn head(status: &str, grpc: Option<&str>) -> Vec<Pair> {
    let grpc = grpc.map(|grpc| ("grpc-status", grpc));
    let fields = [(":status", status)].into_iter().chain(grpc);
    fields
        .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .collect()
}

/// Two limits are asked about: what comes of this message.
fn judge(message: &[u8]) -> (Result<(), Unjudged>, Verdict) {
    let (one, other) = (limit("one", &[]), limit("other", &[]));
    let question = question(vec![charge(&one, 1, false), charge(&other, 1, false)]);
    let mut verdict = verdict(&["one", "other"]);
    let body = framed(message);
    let head = head("200", Some("0"));
    let found = question.judged(Some((&head, &body)), &mut verdict);
    (found, verdict)
}

/// `statuses` of one descriptor: code, requests_per_unit 60 in a minute where there is a rule, what remains, and
/// seconds until it begins anew.
fn status(code: u8, rule: bool, remaining: u8, reset: Option<u8>) -> Vec<u8> {
    let mut own = vec![0x08, code];
    if rule {
        own.extend([0x12, 4, 0x08, 60, 0x10, 2]);
    }
    own.extend([0x18, remaining]);
    if let Some(reset) = reset {
        own.extend([0x22, 4, 0x08, reset, 0x10, 1]);
    }
    [&[0x12, u8::try_from(own.len()).unwrap()], own.as_slice()].concat()
}

#[test]
fn an_answer_is_joined_with_what_is_known_here() {
    let own = (7, 3);
    type Row<'a> = (
        &'a str,
        Vec<u8>,
        Result<(), Unjudged>,
        Option<(usize, u64)>,
        [(u32, u64); 2],
    );
    let unasked = || status(1, false, 0, None);
    let rows: Vec<Row<'_>> = vec![
        ("no statuses", vec![8, 1], Ok(()), None, [own, own]),
        (
            "the nearer is told",
            [
                vec![8, 1],
                status(1, true, 2, Some(20)),
                status(1, true, 9, Some(20)),
            ]
            .concat(),
            Ok(()),
            None,
            [(2, 21), own],
        ),
        (
            "without a rule nothing is near",
            [vec![8, 1], unasked(), unasked()].concat(),
            Ok(()),
            None,
            [own, own],
        ),
        (
            "statuses of another number say nothing",
            [vec![8, 1], status(1, true, 2, Some(20))].concat(),
            Ok(()),
            None,
            [own, own],
        ),
        (
            "one refuses",
            [
                vec![8, 2],
                status(1, true, 2, Some(20)),
                status(2, true, 0, Some(40)),
            ]
            .concat(),
            Ok(()),
            Some((1, 41)),
            [own, (0, 41)],
        ),
        (
            "of two the longer",
            [
                vec![8, 2],
                status(2, true, 0, Some(40)),
                status(2, true, 0, Some(20)),
            ]
            .concat(),
            Ok(()),
            Some((0, 41)),
            [(0, 41), own],
        ),
        (
            "without a time that of the unit",
            [vec![8, 2], status(2, true, 0, None), unasked()].concat(),
            Ok(()),
            Some((0, 60)),
            [(0, 60), own],
        ),
        (
            "it does not say which",
            vec![8, 2],
            Ok(()),
            Some((0, 1)),
            [(0, 1), own],
        ),
        (
            "unknown",
            vec![8, 0],
            Err(Unjudged::BadAnswer),
            None,
            [own, own],
        ),
        (
            "another code",
            vec![8, 3],
            Err(Unjudged::BadAnswer),
            None,
            [own, own],
        ),
        (
            "nothing",
            vec![],
            Err(Unjudged::BadAnswer),
            None,
            [own, own],
        ),
        ("cut", vec![8], Err(Unjudged::BadAnswer), None, [own, own]),
        (
            "of another type",
            vec![0x0a, 0],
            Err(Unjudged::BadAnswer),
            None,
            [own, own],
        ),
        // response_headers_to_add, raw_body and a field that nobody knows.
        (
            "what is passed by",
            vec![8, 1, 0x1a, 1, 0, 0x2a, 1, b'x', 0x7a, 1, 0],
            Ok(()),
            None,
            [own, own],
        ),
    ];
    for (name, message, expected, refused, remaining) in rows {
        let (found, verdict) = judge(&message);
        assert_eq!(found, expected, "{name}");
        assert_eq!(verdict.allowed, refused.is_none(), "{name}");
        let by = verdict.refused_by.zip(Some(verdict.retry_after_seconds));
        assert_eq!(by, refused, "{name}");
        let left: Vec<_> = verdict
            .remaining
            .iter()
            .map(|own| (own.remaining, own.reset_seconds))
            .collect();
        assert_eq!(left, remaining, "{name}");
    }
}

#[test]
fn a_call_that_did_not_go_well_is_no_judgement() {
    let one = limit("one", &[]);
    let question = question(vec![charge(&one, 1, false)]);
    let good = framed(&[8, 1]);
    let of = |length: usize| {
        // A field that nobody knows, as long as may be.
        let mut message = vec![8, 1, 0x7a];
        let mut left = length - 5 - 6;
        for last in [false, false, true] {
            message.push((left & 0x7f) as u8 | if last { 0 } else { 0x80 });
            left >>= 7;
        }
        message.resize(length - 5, 0);
        framed(&message)
    };
    let (bad, away) = (Err(Unjudged::BadAnswer), Err(Unjudged::NoAnswer));
    type Row = (&'static str, Vec<Pair>, Vec<u8>, Result<(), Unjudged>);
    let rows: Vec<Row> = vec![
        ("good", head("200", Some("0")), good.clone(), Ok(())),
        (
            "a status of HTTP",
            head("503", Some("0")),
            good.clone(),
            away,
        ),
        (
            "a status of gRPC",
            head("200", Some("14")),
            good.clone(),
            away,
        ),
        ("no status of gRPC", head("200", None), good.clone(), bad),
        ("no head", vec![], good.clone(), away),
        ("no body", head("200", Some("0")), vec![], bad),
        (
            "compressed",
            head("200", Some("0")),
            [&[1], &good[1..]].concat(),
            bad,
        ),
        ("two messages", head("200", Some("0")), good.repeat(2), bad),
        (
            "a page",
            head("200", Some("0")),
            b"<html>no</html>".to_vec(),
            bad,
        ),
        (
            "as long as may be",
            head("200", Some("0")),
            of(64 << 10),
            Ok(()),
        ),
        (
            "a byte longer",
            head("200", Some("0")),
            of((64 << 10) + 1),
            bad,
        ),
    ];
    for (name, head, body, expected) in rows {
        let mut verdict = verdict(&["one"]);
        let found = question.judged(Some((&head, &body)), &mut verdict);
        assert_eq!(found, expected, "{name}");
    }
    let found = question.judged(None, &mut verdict(&["one"]));
    assert_eq!(found, Err(Unjudged::NoAnswer));
}

#[test]
fn no_bytes_panic() {
    let whole = [
        vec![8, 2],
        status(2, true, 0, Some(40)),
        status(1, true, 2, None),
    ]
    .concat();
    for at in 0..whole.len() {
        let _ = judge(&whole[..at]);
        for byte in 0..=255 {
            let mut changed = whole.clone();
            changed[at] = byte;
            let _ = judge(&changed);
        }
    }
    // Negative and huge times.
    for reset in [i64::MIN, -1, i64::MAX] {
        let status = message::Status {
            code: 2,
            current_limit: None,
            limit_remaining: 0,
            duration_until_reset: Some(message::Duration {
                seconds: reset,
                nanos: i32::MAX,
            }),
        };
        assert!(status.seconds() <= LONGEST);
    }
}
