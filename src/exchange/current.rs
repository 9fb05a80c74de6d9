//! Writes that rest on the current version of what is written: it is read from the upstream first, whose
//! it is and whose it will be is decided, and the write is pinned to it by `If-Match`.
//!
//! The order is that of cost: permitted, charged, the body whole and good, and only then the upstream is
//! asked. The body stays in the proxy's buffer meanwhile.

mod version;

use std::time::Duration;

use super::body::{ExpectedBody, check_body, expected_body};
use super::waiting::{Body, Seat};
use super::{Exchange, Field, Guard, Phase, Sent, Step};
use crate::access::Permit;
use crate::denial::Denial;
use crate::remote::{Call, SLACK};
use crate::request::{Interaction, Targets};
use crate::wire::Pair;

/// The most bytes of a current version, and less where `response.resource_limit` is less: it is read in
/// one piece, and a patch is applied to it.
const LIMIT: usize = 1 << 20;

/// A permitted write whose current version is to be read.
pub(super) struct Current {
    permit: Permit,
    /// The head that goes upstream, still without `If-Match`, except the client's.
    headers: Vec<Pair>,
    fields: Vec<Field>,
    stage: Stage,
}

enum Stage {
    /// The body comes; all of it is still the proxy's to hand over.
    Body,
    /// The body is whole and good, and in the proxy's buffer; the upstream is asked.
    Reading(Reading),
}

struct Reading {
    /// Taken for as long as the upstream is asked.
    _seat: Seat,
    /// The patch that is to be applied.
    patch: Option<Vec<u8>>,
    /// The call is under way.
    asked: bool,
    /// When somebody first looked at the clock, in nanoseconds since 1970.
    since: Option<u64>,
}

/// The head and the body of an answer.
pub type CallAnswer<'a> = (&'a [Pair], &'a [u8]);

impl Exchange {
    /// The current version is read as soon as the body is whole.
    pub(super) fn pin(
        &mut self,
        guard: &Guard,
        permit: Permit,
        headers: Vec<Pair>,
        fields: Vec<Field>,
        body: Body,
    ) -> Step {
        let current = Box::new(Current {
            permit,
            headers,
            fields,
            stage: Stage::Body,
        });
        match body {
            Body::Coming => {
                self.phase = Phase::Current(current);
                Step::Wait
            }
            Body::None => match expected_body(&current.permit.request().interaction) {
                ExpectedBody::Empty => self.read_current(guard, current, &[]),
                _ => self.refuse(&Denial::Request("body")),
            },
            Body::Whole(bytes) => self.read_current(guard, current, &bytes),
        }
    }

    /// A piece of the body: all that came of it so far, because the proxy keeps it.
    pub(super) fn body_of_current(&mut self, guard: &Guard, sofar: &[u8], ended: bool) -> Step {
        let step = self.body_grows(guard, sofar.len());
        if step != Step::Wait || !ended {
            return step;
        }
        match std::mem::take(&mut self.phase) {
            Phase::Current(current) if matches!(current.stage, Stage::Body) => {
                self.read_current(guard, current, sofar)
            }
            other => {
                self.phase = other;
                self.absorb_request()
            }
        }
    }

    /// Whether the current version is being read.
    pub(super) fn reads_current(&self) -> bool {
        matches!(&self.phase, Phase::Current(current) if matches!(current.stage, Stage::Reading(_)))
    }

    fn read_current(&mut self, guard: &Guard, mut current: Box<Current>, body: &[u8]) -> Step {
        match self.reading(guard, &current.permit, body) {
            Ok(reading) => {
                current.stage = Stage::Reading(reading);
                self.phase = Phase::Current(current);
                Step::Wait
            }
            Err(denial) => self.refuse(&denial),
        }
    }

    fn reading(&mut self, guard: &Guard, permit: &Permit, body: &[u8]) -> Result<Reading, Denial> {
        let interaction = &permit.request().interaction;
        let expected = expected_body(interaction);
        check_body(guard, permit, expected, body, &Targets::default())?;
        // The body of an update is decided on, and is the proxy's to keep.
        let patch = matches!(interaction, Interaction::Patch { .. }).then(|| body.to_vec());
        if !self.share.hold_body(patch.as_ref().map_or(0, Vec::len)) {
            return Err(Denial::Unavailable("memory"));
        }
        Ok(Reading {
            _seat: Seat::take(guard.reading(), guard.policy().waiting.requests)?,
            patch,
            asked: false,
            since: None,
        })
    }

    /// The question for the upstream, where there is one to be sent. Its answer goes to
    /// [`Exchange::answered`]; where nobody will hear it, [`Exchange::orphaned`] is to be called.
    pub fn call(&mut self, guard: &Guard) -> Option<Call> {
        let current = match &mut self.phase {
            Phase::Global(asking) => return asking.call(guard),
            Phase::Consenting(consenting) => return consenting.call(guard),
            Phase::Current(current) => current,
            _ => return None,
        };
        let Stage::Reading(reading) = &mut current.stage else {
            return None;
        };
        if std::mem::replace(&mut reading.asked, true) {
            return None;
        }
        Some(question(guard, &current.headers))
    }

    /// Nobody will hear the answer: the upstream is asked again.
    pub fn orphaned(&mut self) {
        match &mut self.phase {
            Phase::Global(asking) => asking.orphaned(),
            Phase::Consenting(consenting) => consenting.orphaned(),
            Phase::Announcing(announcing) => announcing.orphaned(),
            Phase::Current(current) => {
                if let Stage::Reading(reading) = &mut current.stage {
                    reading.asked = false;
                }
            }
            _ => {}
        }
    }

    /// The most bytes of an answer that are looked at.
    pub fn answer_limit(guard: &Guard) -> usize {
        guard.policy().response.resource_limit.min(LIMIT)
    }

    /// Takes the answer to [`Exchange::call`], the fields of its trailers behind those of its head; `None` where
    /// there was none in time.
    pub fn answered(&mut self, guard: &Guard, answer: Option<CallAnswer<'_>>) -> Step {
        let current = match std::mem::take(&mut self.phase) {
            Phase::Current(current) if matches!(current.stage, Stage::Reading(_)) => current,
            Phase::Global(asking) => return self.globally_answered(guard, asking, answer),
            Phase::Consenting(consenting) => {
                return self.consents_answered(guard, consenting, answer);
            }
            // Nobody asked, or not any more.
            other => {
                self.phase = other;
                return Step::Wait;
            }
        };
        let Current {
            permit,
            mut headers,
            fields,
            stage,
        } = *current;
        let patch = match stage {
            Stage::Reading(reading) => reading.patch,
            Stage::Body => None,
        };
        let wanted = client_tag(&headers);
        let found = version::decide(guard, &permit, patch.as_deref(), answer);
        let tag = found.and_then(|tag| {
            self.record.current = Some(tag.clone());
            match wanted {
                // Only to whom it belongs is told that it is another one.
                Some(wanted) if wanted != tag.as_bytes() => Err(Denial::Conflict),
                _ => Ok(tag),
            }
        });
        let tag = match tag {
            Ok(tag) => tag,
            Err(denial) => return self.refuse(&denial),
        };
        headers.retain(|(name, _)| name != IF_MATCH);
        headers.push((IF_MATCH.to_vec(), tag.into_bytes()));
        let sent = Sent::One(Box::new(permit));
        self.send(guard, sent, fields, Step::Forward(headers))
    }

    /// Looks at the clock; `now` in nanoseconds since 1970. The call has a time of its own: this ends what
    /// was never answered.
    pub(super) fn wait_for_current(&mut self, guard: &Guard, now: u64) -> Step {
        if let Phase::Current(current) = &mut self.phase
            && let Stage::Reading(reading) = &mut current.stage
        {
            let since = *reading.since.get_or_insert(now);
            let time = guard.policy().waiting.time.saturating_add(SLACK);
            if now >= since.saturating_add(time) || now.saturating_add(SLACK) < since {
                return self.refuse(&Denial::Unavailable("current-version"));
            }
        }
        Step::Wait
    }
}

const IF_MATCH: &[u8] = b"if-match";

/// The tag that the client asked for.
fn client_tag(headers: &[Pair]) -> Option<Vec<u8>> {
    let tag = headers.iter().find(|(name, _)| name == IF_MATCH);
    tag.map(|(_, value)| value.clone())
}

/// A read of what this head would write, as the upstream gets it otherwise: for the same caller, under the
/// same request id.
fn question(guard: &Guard, headers: &[Pair]) -> Call {
    let policy = guard.policy();
    let own = headers.iter().filter_map(|(name, value)| {
        let name = std::str::from_utf8(name).ok()?;
        let value = match name {
            ":method" => "GET",
            // Of the write and its body; the proxy writes the scheme.
            "prefer" | "if-match" | "content-length" | "content-type" | "x-provenance"
            | ":scheme" => return None,
            _ => std::str::from_utf8(value).ok()?,
        };
        Some((name.to_owned().into(), value.to_owned()))
    });
    Call {
        cluster: policy.fhir.upstream.cluster.clone(),
        headers: own.collect(),
        body: Vec::new(),
        timeout: Duration::from_nanos(policy.waiting.time),
    }
}
