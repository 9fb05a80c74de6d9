//! The messages of the protocol, as far as they are used, and gRPC's frame around them.
//!
//! Field numbers are those of `envoy/service/ratelimit/v3/rls.proto` and
//! `envoy/extensions/common/ratelimit/v3/ratelimit.proto`. Fields that are not named here are passed by, among them
//! the header fields and the body that a server may want to have added: an answer is ours.

use prost::Message;

use super::Unjudged;
use super::descriptor::Descriptor;
use crate::wire::Pair;

/// `Code` of an answer: admitted.
pub(super) const OK: i32 = 1;

/// `Code` of an answer: refused.
pub(super) const OVER_LIMIT: i32 = 2;

/// The most bytes of an answer that are read.
const LIMIT: usize = 64 << 10;

/// `RateLimitResponse`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Response {
    #[prost(int32, tag = "1")]
    pub overall_code: i32,
    #[prost(message, repeated, tag = "2")]
    pub statuses: Vec<Status>,
}

/// `RateLimitResponse.DescriptorStatus`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Status {
    #[prost(int32, tag = "1")]
    pub code: i32,
    #[prost(message, optional, tag = "2")]
    pub current_limit: Option<Limit>,
    #[prost(uint32, tag = "3")]
    pub limit_remaining: u32,
    #[prost(message, optional, tag = "4")]
    pub duration_until_reset: Option<Duration>,
}

/// `RateLimitResponse.RateLimit`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Limit {
    #[prost(uint32, tag = "1")]
    pub requests_per_unit: u32,
    #[prost(int32, tag = "2")]
    pub unit: i32,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Duration {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

impl Limit {
    /// The length of `RateLimit.Unit` in seconds; 0 where it is not known.
    pub fn seconds(&self) -> u64 {
        match self.unit {
            1 => 1,
            2 => 60,
            3 => 3600,
            4 => 86_400,
            5 => 31 * 86_400,
            6 => 366 * 86_400,
            7 => 7 * 86_400,
            _ => 0,
        }
    }
}

/// `RateLimitRequest`.
#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(message, repeated, tag = "2")]
    descriptors: Vec<Described>,
    #[prost(uint32, tag = "3")]
    hits_addend: u32,
}

/// `RateLimitDescriptor`.
#[derive(Clone, PartialEq, Message)]
struct Described {
    #[prost(message, repeated, tag = "1")]
    entries: Vec<Entry>,
    #[prost(message, optional, tag = "3")]
    hits_addend: Option<Hits>,
}

/// `RateLimitDescriptor.Entry`.
#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// `google.protobuf.UInt64Value`.
#[derive(Clone, PartialEq, Message)]
struct Hits {
    #[prost(uint64, tag = "1")]
    value: u64,
}

/// The framed request. Where the costs differ each descriptor has its own, and all of them have the highest, for
/// servers that do not know the one of a descriptor: too much, never too little.
pub(super) fn request<'a>(
    domain: &str,
    descriptors: impl Iterator<Item = &'a Descriptor> + Clone,
) -> Vec<u8> {
    let most = descriptors.clone().map(|one| one.hits).max().unwrap_or(1);
    let differ = descriptors.clone().any(|one| one.hits != most);
    let described = descriptors.map(|one| Described {
        entries: one
            .entries
            .iter()
            .map(|(key, value)| Entry {
                key: (*key).to_owned(),
                value: value.clone(),
            })
            .collect(),
        hits_addend: differ.then(|| Hits {
            value: one.hits.into(),
        }),
    });
    let request = Request {
        domain: domain.to_owned(),
        descriptors: described.collect(),
        hits_addend: most,
    };
    let text = request.encode_to_vec();
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let mut out = Vec::with_capacity(text.len().saturating_add(5));
    // Not compressed.
    out.push(0);
    out.extend(length.to_be_bytes());
    out.extend(text);
    out
}

/// The message of a unary call that went well: status 200, `grpc-status` 0, and exactly one frame, not compressed.
///
/// # Errors
/// [`Unjudged::NoAnswer`] where the call failed, by the word of the server or of a proxy between: a server that answers
/// says 200, also where it fails. [`Unjudged::BadAnswer`] where what came is no such message.
pub(super) fn response(head: &[Pair], body: &[u8]) -> Result<Response, Unjudged> {
    let field = |name: &[u8]| {
        let mut own = head.iter().filter(|(own, _)| own == name);
        own.next_back().map(|(_, value)| value.as_slice())
    };
    if field(b":status") != Some(b"200") {
        return Err(Unjudged::NoAnswer);
    }
    match field(b"grpc-status") {
        Some(b"0") => message(body).ok_or(Unjudged::BadAnswer),
        Some(_) => Err(Unjudged::NoAnswer),
        None => Err(Unjudged::BadAnswer),
    }
}

fn message(body: &[u8]) -> Option<Response> {
    let (prefix, rest) = body.split_first_chunk::<5>()?;
    let [flags, length @ ..] = *prefix;
    let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
    if flags != 0 || length != rest.len() || body.len() > LIMIT {
        return None;
    }
    Response::decode(rest).ok()
}
