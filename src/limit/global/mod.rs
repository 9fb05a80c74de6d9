//! Limits that many proxies share: one question to a server of the Envoy rate limit protocol
//! (`envoy.service.ratelimit.v3.RateLimitService`), after the buckets here have admitted.
//!
//! Nothing here calls anybody: a [`Question`] becomes a [`Call`], a unary gRPC call as the HTTP/2 request that it is
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>), and what comes back is judged from any bytes.
//!
//! # Bounds
//!
//! A question has at most as many descriptors as an exchange has charges, each of at most 14 entries, whose values have
//! at most 256 bytes. Of an answer at most 64 KiB are read. The [`Breaker`] costs one read of shared data for each
//! question, one write more where something fails or has failed, with up to 8 tries of both; it has one key of 16 bytes
//! of value for each pair of cluster and domain that was ever configured.

mod breaker;
mod descriptor;
mod message;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use breaker::{Breaker, BreakerPolicy, Found};
pub(super) use descriptor::Descriptor;

use super::charging::Verdict;
use super::key::KeyPart;
use crate::identity::MacKey;
use crate::remote::Call;
use crate::wire::Pair;
use message::Response;

/// The server, and what holds where it does not answer.
#[derive(Clone, Debug)]
pub struct GlobalLimits {
    /// The Envoy cluster, of HTTP/2.
    pub cluster: String,
    /// `:authority`, printable ASCII.
    pub authority: String,
    /// `domain`: whose rules are meant.
    pub domain: String,
    /// How long an answer may take, in nanoseconds.
    pub timeout: u64,
    /// Whether a request is refused that the server does not judge. Otherwise the limits of this proxy are enough.
    pub required: bool,
    /// When it is not asked for a while.
    pub breaker: BreakerPolicy,
    /// What hashes the parts of keys that say who somebody is; there where any limit counts by one.
    pub key: Option<MacKey>,
}

/// What one exchange asks: all of its charges of global limits at once.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// Each with the place of its charge in [`Verdict::remaining`].
    descriptors: Vec<(usize, Descriptor)>,
}

/// Why a question was not judged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unjudged {
    /// It was not asked, because it had failed too often.
    Paused,
    /// Too many requests wait already.
    Crowded,
    /// No answer in time, or none at all: the server, or the cluster, is away; or the call failed.
    NoAnswer,
    /// What came is no message of the protocol, or one that does not judge.
    BadAnswer,
}

impl Unjudged {
    /// The word of the record.
    pub fn name(self) -> &'static str {
        match self {
            Unjudged::Paused => "paused",
            Unjudged::Crowded => "crowded",
            Unjudged::NoAnswer => "no-answer",
            Unjudged::BadAnswer => "bad-answer",
        }
    }
}

impl KeyPart {
    /// Whether the part says who somebody is: it leaves as a hash alone.
    pub fn is_personal(self) -> bool {
        matches!(
            self,
            KeyPart::Address | KeyPart::Patient | KeyPart::Subject | KeyPart::Token
        )
    }
}

impl Question {
    pub(super) fn new(descriptors: Vec<(usize, Descriptor)>) -> Question {
        Question { descriptors }
    }

    /// Whether there is nothing to be asked.
    pub fn is_empty(&self) -> bool {
        self.descriptors.is_empty()
    }

    /// The names of the limits that are asked about, each once, in their order.
    pub fn limits(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for (_, descriptor) in &self.descriptors {
            if !names.iter().any(|name| name == descriptor.limit()) {
                names.push(descriptor.limit().to_owned());
            }
        }
        names
    }

    /// The call of `ShouldRateLimit`.
    pub fn call(&self, service: &GlobalLimits) -> Call {
        Call {
            cluster: service.cluster.clone(),
            headers: vec![
                (":method".into(), "POST".to_owned()),
                (":path".into(), METHOD.to_owned()),
                (":authority".into(), service.authority.clone()),
                ("content-type".into(), "application/grpc".to_owned()),
                ("te".into(), "trailers".to_owned()),
            ],
            body: message::request(&service.domain, self.own()),
            timeout: Duration::from_nanos(service.timeout),
        }
    }

    /// What the server judged; `None` is no answer. The head has the fields of the trailers behind its own.
    /// `verdict`, which allows, is made to say what both say: the nearest limit, and the refusal where it is one.
    ///
    /// # Errors
    /// What came is no judgement; the verdict is as it was.
    pub fn judged(
        &self,
        answer: Option<(&[Pair], &[u8])>,
        verdict: &mut Verdict,
    ) -> Result<(), Unjudged> {
        let (head, body) = answer.ok_or(Unjudged::NoAnswer)?;
        let response = message::response(head, body)?;
        match response.overall_code {
            message::OK => self.tell(&response, verdict),
            message::OVER_LIMIT => self.refuse(&response, verdict),
            _ => return Err(Unjudged::BadAnswer),
        }
        Ok(())
    }

    fn own(&self) -> impl Iterator<Item = &Descriptor> + Clone {
        self.descriptors.iter().map(|(_, descriptor)| descriptor)
    }

    /// What it says of each, with the places; nothing where it says nothing, or not of each.
    fn statuses<'a>(
        &'a self,
        response: &'a Response,
    ) -> impl Iterator<Item = (usize, &'a message::Status)> {
        let whole = response.statuses.len() == self.descriptors.len();
        let places = self.descriptors.iter().map(|(place, _)| *place);
        places.zip(&response.statuses).filter(move |_| whole)
    }

    /// Callers are told of the nearer of both limits.
    fn tell(&self, response: &Response, verdict: &mut Verdict) {
        for (place, status) in self.statuses(response) {
            // Without a limit there is no rule for it, and what remains is of nothing.
            if let (Some(_), Some(own)) = (&status.current_limit, verdict.remaining.get_mut(place))
                && status.code == message::OK
                && status.limit_remaining < own.remaining
            {
                own.remaining = status.limit_remaining;
                own.reset_seconds = status.seconds();
            }
        }
    }

    fn refuse(&self, response: &Response, verdict: &mut Verdict) {
        let over = self.statuses(response);
        let over = over.filter(|(_, status)| status.code == message::OVER_LIMIT);
        let over = over.map(|(place, status)| (place, status.seconds().max(1)));
        // Where it does not say which, it may be any.
        let any = || Some((self.descriptors.first()?.0, 1));
        let longest = over.max_by_key(|(_, seconds)| *seconds).or_else(any);
        let (place, seconds) = longest.unwrap_or((0, 1));
        verdict.allowed = false;
        verdict.refused_by = Some(place);
        verdict.retry_after_seconds = seconds;
        if let Some(own) = verdict.remaining.get_mut(place) {
            own.remaining = 0;
            own.reset_seconds = seconds;
        }
    }
}

const METHOD: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";

/// The longest time, in seconds, that callers are told to wait: a year, the longest unit of the protocol.
const LONGEST: u64 = 366 * 86_400;

impl message::Status {
    /// Seconds until its limit begins anew, rounded up; 0 where it does not say.
    fn seconds(&self) -> u64 {
        let told = self.duration_until_reset.as_ref().map(|left| {
            let whole = u64::try_from(left.seconds).unwrap_or(0);
            whole.saturating_add(u64::from(left.nanos > 0))
        });
        let unit = || self.current_limit.as_ref().map(message::Limit::seconds);
        told.or_else(unit).unwrap_or(0).min(LONGEST)
    }
}
