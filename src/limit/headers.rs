//! What a caller is told about its limits.

use super::charging::{Remaining, Verdict};
use super::key::is_name_byte;

/// The fields of an answer: `RateLimit-Policy` and `RateLimit`
/// (draft-ietf-httpapi-ratelimit-headers) and, on a refusal only, `Retry-After`
/// (RFC 9110, section 10.2.3).
///
/// `RateLimit-Policy` names every limit, with its burst and the seconds in which that comes back.
/// `RateLimit` names one: the limit that refused, or else the one with the fewest requests left.
/// Where shared data rather than a quota is why (`contended`), there is no `RateLimit`. Without
/// limits there are no fields. Names are in lower case, as HTTP/2 writes them.
pub fn headers(verdict: &Verdict) -> Vec<(&'static str, String)> {
    let mut headers = Vec::with_capacity(3);
    let mut policies = String::with_capacity(48 * verdict.remaining.len());
    for (index, limit) in verdict.remaining.iter().enumerate() {
        // A Bundle of requests may be charged for in several buckets of one limit.
        let mut before = verdict.remaining.iter().take(index);
        if before.any(|other| other.name == limit.name) {
            continue;
        }
        if !policies.is_empty() {
            policies.push_str(", ");
        }
        let window = (!limit.concurrent).then_some(limit.window_seconds);
        quote(&limit.name, &mut policies);
        parameter(";q=", limit.burst.into(), &mut policies);
        match (limit.concurrent, limit.patients) {
            (true, _) => policies.push_str(";qu=\"concurrent-requests\""),
            (false, true) => policies.push_str(";qu=\"patients\""),
            (false, false) => {}
        }
        if let Some(window) = window {
            parameter(";w=", window, &mut policies);
        }
    }
    if !policies.is_empty() {
        headers.push(("ratelimit-policy", policies));
    }
    if let Some(told) = told(verdict) {
        headers.push(("ratelimit", state(told)));
    }
    if !verdict.allowed {
        headers.push((
            "retry-after",
            verdict.retry_after_seconds.max(1).to_string(),
        ));
    }
    headers
}

/// The limit to tell about.
fn told(verdict: &Verdict) -> Option<&Remaining> {
    if verdict.contended {
        return None;
    }
    match verdict.refused_by {
        Some(index) => verdict.remaining.get(index),
        None => {
            let nearest = |limit: &&Remaining| (limit.remaining, u64::MAX - limit.reset_seconds);
            verdict.remaining.iter().min_by_key(nearest)
        }
    }
}

fn state(limit: &Remaining) -> String {
    let mut state = String::with_capacity(64);
    quote(&limit.name, &mut state);
    parameter(";r=", limit.remaining.into(), &mut state);
    // Of what is under way nobody knows when it ends.
    if !limit.concurrent {
        parameter(";t=", limit.reset_seconds, &mut state);
    }
    state
}

/// A number and what stands before it; on every exchange, and faster than the formatter.
fn parameter(name: &str, number: u64, out: &mut String) {
    out.push_str(name);
    let mut rest = number;
    let mut digits = [b'0'; 20];
    let mut length = 0;
    for digit in digits.iter_mut().rev() {
        *digit += u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
        length += 1;
        if rest == 0 {
            break;
        }
    }
    let (_, written) = digits.split_at(digits.len().saturating_sub(length));
    out.push_str(str::from_utf8(written).unwrap_or_default());
}

/// A structured string (RFC 9651). A name is checked when its limit is made; what could end the
/// string early is left out here as well, because the name is a public field.
fn quote(name: &str, out: &mut String) {
    out.push('"');
    match name.bytes().all(is_name_byte) {
        true => out.push_str(name),
        false => {
            let checked = name.bytes().filter(|byte| is_name_byte(*byte));
            out.extend(checked.map(char::from));
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::super::{Period, Quota};
    use super::*;

    #[test]
    fn callers_are_told_the_nearest_limit() {
        let second = Quota::new(50, Period::Second, 100).unwrap();
        let minute = Quota::new(10, Period::Minute, 20).unwrap();
        let quotas = [second, minute];
        let remaining = |index: usize, remaining, reset_seconds| Remaining {
            name: ["per-client", "failures"][index].to_owned(),
            remaining,
            reset_seconds,
            burst: quotas[index].burst(),
            window_seconds: quotas[index].window_seconds(),
            concurrent: false,
            patients: false,
        };
        let check = |name: &str, verdict: Verdict, expected: [Option<&str>; 3]| {
            let found = headers(&verdict);
            let names = ["ratelimit-policy", "ratelimit", "retry-after"];
            let expected: Vec<(&str, String)> = names
                .into_iter()
                .zip(expected)
                .filter_map(|(name, value)| Some((name, value?.to_owned())))
                .collect();
            assert_eq!(found, expected, "{name}");
        };
        let policy = Some("\"per-client\";q=100;w=2, \"failures\";q=20;w=120");
        let allowed = |remaining| Verdict {
            allowed: true,
            refused_by: None,
            retry_after_seconds: 0,
            remaining,
            contended: false,
        };
        let refused = |index, seconds, contended, remaining| Verdict {
            allowed: false,
            refused_by: Some(index),
            retry_after_seconds: seconds,
            remaining,
            contended,
        };
        check("no limits", allowed(vec![]), [None, None, None]);
        check(
            "fewest left",
            allowed(vec![remaining(0, 50, 1), remaining(1, 19, 6)]),
            [policy, Some("\"failures\";r=19;t=6"), None],
        );
        check(
            "equally few, longest first",
            allowed(vec![remaining(0, 3, 2), remaining(1, 3, 102)]),
            [policy, Some("\"failures\";r=3;t=102"), None],
        );
        check(
            "equally few, one of them full again",
            allowed(vec![remaining(0, 3, 0), remaining(1, 3, 6)]),
            [policy, Some("\"failures\";r=3;t=6"), None],
        );
        check(
            "refused",
            refused(1, 6, false, vec![remaining(0, 0, 1), remaining(1, 0, 6)]),
            [policy, Some("\"failures\";r=0;t=6"), Some("6")],
        );
        check(
            "contended",
            refused(0, 1, true, vec![remaining(0, 100, 0), remaining(1, 20, 0)]),
            [policy, None, Some("1")],
        );
        check(
            "several buckets of one limit",
            allowed(vec![
                remaining(0, 9, 1),
                remaining(0, 7, 1),
                remaining(1, 8, 6),
            ]),
            [policy, Some("\"per-client\";r=7;t=1"), None],
        );
        let cap = |remaining, burst| Remaining {
            name: "at-once".to_owned(),
            remaining,
            reset_seconds: 1,
            burst,
            window_seconds: 0,
            concurrent: true,
            patients: false,
        };
        check(
            "how many at once",
            allowed(vec![cap(2, 3), remaining(0, 7, 1)]),
            [
                Some("\"at-once\";q=3;qu=\"concurrent-requests\", \"per-client\";q=100;w=2"),
                Some("\"at-once\";r=2"),
                None,
            ],
        );
        check(
            "too many at once",
            refused(0, 1, false, vec![cap(0, 3)]),
            [
                Some("\"at-once\";q=3;qu=\"concurrent-requests\""),
                Some("\"at-once\";r=0"),
                Some("1"),
            ],
        );
        let budget = Remaining {
            patients: true,
            ..remaining(0, 3, 7)
        };
        check(
            "different patients",
            allowed(vec![budget]),
            [
                Some("\"per-client\";q=100;qu=\"patients\";w=2"),
                Some("\"per-client\";r=3;t=7"),
                None,
            ],
        );
        let most = Remaining {
            remaining: u32::MAX,
            reset_seconds: u64::MAX,
            ..remaining(0, 0, 0)
        };
        check(
            "the largest numbers",
            allowed(vec![most]),
            [
                Some("\"per-client\";q=100;w=2"),
                Some("\"per-client\";r=4294967295;t=18446744073709551615"),
                None,
            ],
        );
        let odd = Remaining {
            name: "a\";q=1\r\nX".to_owned(),
            ..remaining(0, 3, 1)
        };
        check(
            "a name that was never checked",
            allowed(vec![odd]),
            [Some("\"aq1\";q=100;w=2"), Some("\"aq1\";r=3;t=1"), None],
        );
    }
}
