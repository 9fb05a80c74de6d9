//! Requests that a server of several proxies judges as well, once the limits here have admitted them.
//!
//! The order is that of cost: permitted, charged here, and only what passes is asked about, once for all limits. What
//! was charged here is given back where the server refuses. The body stays in the proxy's buffer meanwhile.

use super::bundle::Permitted;
use super::consent::{Held, HeldRequest};
use super::waiting::{Body, Seat};
use super::{CallAnswer, Exchange, Field, Guard, Phase, Step, Toll};
use crate::audit::GlobalRecord;
use crate::denial::Denial;
use crate::limit::{Breaker, Found, GlobalLimits, Owed, Question, Unjudged, Verdict};
use crate::remote::{Call, SLACK};

/// What is permitted and charged here, and is to be judged by the server.
pub(super) struct Asking {
    held: Held,
    /// What the limits here say.
    verdict: Verdict,
    question: Question,
    /// What is given back where it is refused.
    refunds: Vec<Owed>,
    breaker: Breaker,
    stage: Stage,
}

enum Stage {
    /// It is being looked whether the server is asked at all.
    Looking,
    /// The server is asked.
    Waiting(Waiting),
    /// What came of it is being noted.
    Noting(Result<(), Unjudged>),
}

struct Waiting {
    /// Taken for as long as it waits.
    _seat: Seat,
    /// The call is under way.
    called: bool,
    /// It has failed lately: an answer is to be noted.
    failing: bool,
    /// When somebody first looked at the clock, in nanoseconds since 1970.
    since: Option<u64>,
}

impl Asking {
    /// The call that is to be made, where nobody makes it.
    pub fn call(&mut self, guard: &Guard) -> Option<Call> {
        let Stage::Waiting(waiting) = &mut self.stage else {
            return None;
        };
        let service = guard.policy().global_limits.as_ref()?;
        let called = std::mem::replace(&mut waiting.called, true);
        (!called).then(|| self.question.call(service))
    }

    /// Nobody will hear the answer: it is asked again, and may be counted twice.
    pub fn orphaned(&mut self) {
        if let Stage::Waiting(waiting) = &mut self.stage {
            waiting.called = false;
        }
    }

    /// The body of what is kept back is whole.
    pub fn set_body(&mut self, body: Body) {
        if let Held::Request(request) = &mut self.held {
            request.body = body;
        }
    }
}

/// What the charge leaves to be done elsewhere.
struct Beyond {
    question: Question,
    refunds: Vec<Owed>,
}

impl Exchange {
    /// The limits have been charged, or refused.
    pub fn charged(&mut self, guard: &Guard, verdict: &Verdict) -> Step {
        let paid = self.charging().map(Toll::paid).unwrap_or_default();
        (self.owed, self.record.crowded) = (paid.owed, paid.crowded);
        if let Some(denial) = self.watched.weighed(paid.weighed) {
            return self.refuse(&denial);
        }
        if verdict.allowed {
            self.record.priority = paid.borrowed;
        }
        let (question, refunds) = (paid.question, paid.refunds);
        let own = |nonce: Option<String>| -> Vec<Field> {
            nonce
                .map(|nonce| ("dpop-nonce", nonce))
                .into_iter()
                .collect()
        };
        let held = match std::mem::take(&mut self.phase) {
            Phase::Charging {
                permit,
                headers,
                nonce,
                body,
                ..
            } => Held::Request(Box::new(HeldRequest {
                permit,
                headers,
                fields: own(nonce),
                body,
            })),
            Phase::Bundle(bundle) => match bundle.charged() {
                Some(mut permitted) => {
                    let fields = own(permitted.nonce.take());
                    Held::Bundle(permitted, fields)
                }
                None => return self.host_failed(),
            },
            // A verdict that nobody asked for; a part of an answer may have left already.
            other => {
                self.phase = other;
                return self.host_failed();
            }
        };
        match &guard.policy().global_limits {
            Some(service) if verdict.allowed && !question.is_empty() => {
                let beyond = Beyond { question, refunds };
                self.ask_globally(service, held, verdict.clone(), beyond)
            }
            _ => self.judged(guard, held, verdict),
        }
    }

    /// Asks, where the server is asked at all.
    fn ask_globally(
        &mut self,
        service: &GlobalLimits,
        held: Held,
        verdict: Verdict,
        beyond: Beyond,
    ) -> Step {
        self.record.global = Some(GlobalRecord {
            limits: beyond.question.limits(),
            ended: "waiting",
        });
        self.phase = Phase::Global(Box::new(Asking {
            held,
            verdict,
            question: beyond.question,
            refunds: beyond.refunds,
            breaker: Breaker::look(service),
            stage: Stage::Looking,
        }));
        Step::Consult
    }

    /// The work on shared data that is under way, while the step is [`Step::Consult`]; `now` is in nanoseconds since
    /// 1970.
    pub fn consulting(&mut self, now: u64) -> Option<&mut Breaker> {
        match &mut self.phase {
            Phase::Global(asking) => Some(asking.breaker.at(now)),
            _ => None,
        }
    }

    /// What came of that work.
    pub fn consulted(&mut self, guard: &Guard, found: Found) -> Step {
        let mut asking = match std::mem::take(&mut self.phase) {
            Phase::Global(asking) => asking,
            // A part of an answer may have left already.
            other => {
                self.phase = other;
                return self.host_failed();
            }
        };
        let most = guard.policy().waiting.requests;
        match asking.stage {
            Stage::Looking if !found.asks => self.ended(guard, *asking, Err(Unjudged::Paused)),
            Stage::Looking => match Seat::take(guard.asking(), most) {
                Ok(seat) => {
                    asking.stage = Stage::Waiting(Waiting {
                        _seat: seat,
                        called: false,
                        failing: found.failing,
                        since: None,
                    });
                    self.phase = Phase::Global(asking);
                    Step::Wait
                }
                Err(_) => self.ended(guard, *asking, Err(Unjudged::Crowded)),
            },
            Stage::Noting(ended) => self.ended(guard, *asking, ended),
            Stage::Waiting(_) => {
                self.phase = Phase::Global(asking);
                Step::Wait
            }
        }
    }

    /// The server's answer, or none in time.
    pub(super) fn globally_answered(
        &mut self,
        guard: &Guard,
        mut asking: Box<Asking>,
        answer: Option<CallAnswer<'_>>,
    ) -> Step {
        let failing = match &asking.stage {
            Stage::Waiting(waiting) => waiting.failing,
            // Nobody asked, or not any more.
            Stage::Looking | Stage::Noting(_) => {
                self.phase = Phase::Global(asking);
                return Step::Wait;
            }
        };
        let ended = asking.question.judged(answer, &mut asking.verdict);
        match &guard.policy().global_limits {
            Some(service) if failing || ended.is_err() => {
                asking.breaker = Breaker::note(service, ended.is_ok());
                asking.stage = Stage::Noting(ended);
                self.phase = Phase::Global(asking);
                Step::Consult
            }
            _ => self.ended(guard, *asking, ended),
        }
    }

    /// Looks at the clock; `now` in nanoseconds since 1970. The call has a time of its own: this ends what was never
    /// answered.
    pub(super) fn wait_for_limits(
        &mut self,
        guard: &Guard,
        mut asking: Box<Asking>,
        now: u64,
    ) -> Step {
        let service = guard.policy().global_limits.as_ref();
        let time = service
            .map_or(0, |service| service.timeout)
            .saturating_add(SLACK);
        let over = match &mut asking.stage {
            Stage::Waiting(waiting) => {
                let since = *waiting.since.get_or_insert(now);
                now >= since.saturating_add(time) || now.saturating_add(SLACK) < since
            }
            Stage::Looking | Stage::Noting(_) => false,
        };
        if over {
            return self.globally_answered(guard, asking, None);
        }
        self.phase = Phase::Global(asking);
        Step::Wait
    }

    /// It is judged, or it never will be.
    fn ended(&mut self, guard: &Guard, asking: Asking, ended: Result<(), Unjudged>) -> Step {
        let Asking {
            held,
            verdict,
            refunds,
            ..
        } = asking;
        let service = guard.policy().global_limits.as_ref();
        let required = service.is_none_or(|service| service.required);
        if let Some(record) = &mut self.record.global {
            record.ended = match ended {
                Ok(()) if verdict.allowed => "ok",
                Ok(()) => "over-limit",
                Err(unjudged) => unjudged.name(),
            };
        }
        let unjudged = ended.is_err() && required;
        if unjudged || !verdict.allowed {
            self.owed.extend(refunds);
        }
        match unjudged {
            true => self.refuse(&Denial::Unavailable("limit-service")),
            false => self.judged(guard, held, &verdict),
        }
    }

    /// All limits have admitted it, or one has refused.
    fn judged(&mut self, guard: &Guard, held: Held, verdict: &Verdict) -> Step {
        let mut fields = match self.verdict(verdict) {
            Ok(fields) => fields,
            Err(denial) => return self.refuse(&denial),
        };
        match held {
            Held::Request(mut request) => {
                fields.append(&mut request.fields);
                if request.permit.needs_consent().is_some() {
                    request.fields = fields;
                    return self.consent(guard, Held::Request(request));
                }
                let HeldRequest {
                    permit,
                    headers,
                    body,
                    ..
                } = *request;
                self.proceed(guard, permit, headers, fields, body)
            }
            Held::Bundle(permitted, mut own) => {
                fields.append(&mut own);
                self.judged_bundle(guard, permitted, fields)
            }
        }
    }

    fn judged_bundle(
        &mut self,
        guard: &Guard,
        permitted: Box<Permitted>,
        fields: Vec<Field>,
    ) -> Step {
        let needs = permitted.permits().any(|one| one.needs_consent().is_some());
        match needs {
            true => self.consent(guard, Held::Bundle(permitted, fields)),
            false => self.send_bundle(guard, *permitted, fields),
        }
    }
}
