//! Who gives an answer: the upstream, or the proxy itself.

/// `response.code_details` of an answer that the upstream gave (Envoy, `response_code_details`);
/// every other value means that the proxy answers itself.
const VIA_UPSTREAM: &[u8] = b"via_upstream";

/// Who gives an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Origin {
    /// The upstream.
    Upstream,
    /// The proxy, which refuses with this status.
    Refusal(u16),
    /// The proxy, in words of its own that are no refusal.
    Reply,
    /// Nobody says. An answer is the proxy's own only where the proxy says so in words: silence, or a cache
    /// behind this filter, may hide what the upstream said.
    Unknown,
}

impl Origin {
    /// Of an answer with this head; `details` is `response.code_details`.
    pub fn of(details: Option<&[u8]>, pairs: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)]) -> Self {
        match (details, status(pairs)) {
            (Some(VIA_UPSTREAM), _) => Origin::Upstream,
            (Some(details), status) if is_detail(details) && status >= 400 => {
                Origin::Refusal(status)
            }
            (Some(details), _) if is_detail(details) => Origin::Reply,
            _ => Origin::Unknown,
        }
    }
}

/// `:status`; 0 where it is no number.
fn status(pairs: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)]) -> u16 {
    let found = pairs.iter().find(|(name, _)| name.as_ref() == b":status");
    let text = found.and_then(|(_, value)| std::str::from_utf8(value.as_ref()).ok());
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Whether these are `response.code_details` as Envoy writes them: visible ASCII, one word. What
/// comes out of a cache is the upstream's word, refusals too.
fn is_detail(details: &[u8]) -> bool {
    !details.is_empty()
        && details.iter().all(u8::is_ascii_graphic)
        && !details.starts_with(b"cache")
}
