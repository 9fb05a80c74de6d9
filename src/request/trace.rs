//! The trace that a request belongs to (W3C Trace Context, <https://www.w3.org/TR/trace-context/>).

/// Whether a trace is begun where the caller sent none.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Trace {
    /// None is: record, answer and upstream have that of the caller, or none.
    Continue,
    /// One is.
    #[default]
    Start,
}

impl Trace {
    /// `traceparent` of a request of which this [came](find), with this id; it may be one that is begun. `now` is in
    /// nanoseconds since 1970.
    pub fn of(self, came: Option<String>, request_id: &str, now: u64) -> Option<String> {
        came.or_else(|| match self {
            Trace::Continue => None,
            Trace::Start => Some(begin(request_id, now)),
        })
    }
}

/// The last `traceparent` of these fields, where it has the form of its standard.
pub fn find(pairs: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)]) -> Option<String> {
    let mut found = pairs.iter().rev();
    let (_, value) = found.find(|(name, _)| name.as_ref() == b"traceparent")?;
    read(value.as_ref())
}

/// Version, trace, parent and flags.
fn read(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    let parts: Vec<&str> = text.splitn(5, '-').collect();
    let [version, trace, parent, flags] = parts.as_slice() else {
        return None;
    };
    let hex = |part: &str, length| {
        let digits = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        part.len() == length && part.bytes().all(digits)
    };
    let id = |part: &str, length| hex(part, length) && part.bytes().any(|byte| byte != b'0');
    let known = hex(version, 2) && *version != "ff" && hex(flags, 2);
    (known && id(trace, 32) && id(parent, 16)).then(|| text.to_owned())
}

/// The beginning of a trace. Its id has the digits of the request id, which is a random UUID wherever the proxy made
/// it, so that either leads to the other; of any other request id it is a hash, with the time in nanoseconds since
/// 1970. It says that it is sampled, as one begun by a client would: a server behind that decides by itself does so
/// only where no trace comes.
fn begin(request_id: &str, now: u64) -> String {
    let mut hash = blake3::Hasher::new();
    hash.update(b"fhir-guard traceparent v1");
    hash.update(&now.to_le_bytes());
    hash.update(request_id.as_bytes());
    let hash = hash.finalize().to_hex();
    let (own, rest) = hash.split_at_checked(32).unwrap_or_default();
    let parent = rest.get(..16).unwrap_or_default();
    let digits: String = request_id.split('-').collect();
    let trace = format!("00-{digits}-{parent}-01");
    read(trace.as_bytes()).unwrap_or_else(|| format!("00-{own}-{parent}-01"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_that_is_begun_has_the_form_of_its_standard() {
        let now = 1_770_000_000_000_000_000;
        for (name, request_id, expected) in [
            (
                "of the proxy",
                "76d148b6-586d-4eec-bf63-0242ac130002",
                Some("76d148b6586d4eecbf630242ac130002"),
            ),
            ("in capitals", "76D148B6-586D-4EEC-BF63-0242AC130002", None),
            ("a word", "r-1", None),
            ("zeros", "00000000-0000-0000-0000-000000000000", None),
            ("none", "", None),
        ] {
            let begun = begin(request_id, now);
            assert_eq!(read(begun.as_bytes()).as_ref(), Some(&begun), "{name}");
            let own = begun.split('-').nth(1).expect("a trace");
            assert_eq!(
                expected.is_some_and(|digits| digits == own),
                expected.is_some(),
                "{name}"
            );
            assert!(begun.ends_with("-01"), "{name}");
            assert_eq!(begin(request_id, now), begun, "{name}");
            assert_ne!(begin(request_id, now + 1), begun, "{name}");
        }
    }
}
