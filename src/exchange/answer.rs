//! The way out: the callbacks of the answer.

use std::rc::Rc;

use super::cover::{cover, is_veiled};
use super::origin::Origin;
use super::signing::signing;
use super::watermark::Marking;
use super::{Exchange, Field, Guard, Kept, OnFault, Phase, Sent, SentBundle, Step};
use crate::access::Permit;
use crate::audit::Outcome;
use crate::denial::Denial;
use crate::request::{Change, Interaction};
use crate::response::{AnswerHead, Counts, Expected, Fault, Leaving, Limits, Screen, check_status};
use crate::wire::Pair;

impl Exchange {
    /// The head of the answer. `details` is `response.code_details`; `ended` says that no body
    /// follows.
    pub fn response_headers(
        &mut self,
        guard: &Guard,
        pairs: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)],
        details: Option<&[u8]>,
        ended: bool,
    ) -> Step {
        let origin = Origin::of(details, pairs);
        let (sent, fields) = match (std::mem::take(&mut self.phase), origin) {
            (Phase::Forwarded { sent, fields }, Origin::Upstream) => (sent, fields),
            (Phase::Refused, _) => {
                self.phase = Phase::Refused;
                return Step::Continue;
            }
            // A head has left already: what comes now was not decided on. And a second local reply on the
            // same stream would corrupt it (envoy issue 28826).
            (Phase::Streaming { screen, .. }, _) => {
                self.count(screen.counts());
                return self.cut(&Denial::Uninspectable("origin"));
            }
            (Phase::Discarding | Phase::Done, _) | (_, Origin::Reply) => {
                return self.cut(&Denial::Uninspectable("origin"));
            }
            (_, Origin::Refusal(status)) => return self.foreign(status),
            (_, Origin::Upstream | Origin::Unknown) => {
                return self.refuse(&Denial::Uninspectable("origin"));
            }
        };
        let answered = match sent {
            Sent::One(permit) => self.answer(guard, &permit, fields, pairs, ended),
            Sent::Bundle(bundle) => self.answer_bundle(guard, *bundle, fields, pairs, ended),
        };
        match answered {
            Ok(step) => step,
            Err(denial) => self.refuse(&denial),
        }
    }

    /// A piece of the answer's body. Every piece is taken out of the proxy's buffer: what leaves is
    /// only what a step writes.
    pub fn response_body(&mut self, guard: &Guard, piece: &[u8], ended: bool) -> Step {
        let step = match std::mem::take(&mut self.phase) {
            Phase::Holding { screen, kept } => self.hold(guard, screen, kept, piece, ended),
            Phase::Streaming { screen, on_fault } => self.stream(screen, on_fault, piece, ended),
            Phase::Discarding => {
                self.phase = Phase::Discarding;
                Step::Write(Vec::new())
            }
            Phase::Done if piece.iter().all(u8::is_ascii_whitespace) => {
                self.phase = Phase::Done;
                Step::Write(Vec::new())
            }
            Phase::Done => self.cut(&Denial::Answer("something follows the end of the document")),
            other => {
                self.phase = other;
                self.absorb()
            }
        };
        self.weigh(step)
    }

    /// The answer has trailers: the body is over, and no body callback said so. They never go on.
    pub fn response_trailers(&mut self) -> Step {
        match std::mem::take(&mut self.phase) {
            Phase::Holding {
                kept:
                    Kept {
                        on_fault: OnFault::DropBody,
                        ..
                    },
                ..
            }
            | Phase::Streaming {
                on_fault: OnFault::DropBody,
                ..
            } => {
                self.done(Counts::default());
                Step::DropTrailers
            }
            Phase::Holding { .. } => self.refuse(&Denial::Uninspectable("truncated")),
            Phase::Streaming { screen, .. } => {
                self.count(screen.counts());
                self.note_shown(&screen);
                self.cut(&Denial::Uninspectable("truncated"))
            }
            phase @ (Phase::Done | Phase::Discarding) => {
                self.phase = phase;
                Step::DropTrailers
            }
            other => {
                self.phase = other;
                self.absorb()
            }
        }
    }

    /// The proxy answers itself: no route, the upstream is away, or another filter refused.
    fn foreign(&mut self, status: u16) -> Step {
        self.share.hold(0);
        self.phase = Phase::Foreign;
        self.record.outcome = Outcome::Proxy;
        self.record.rule = "proxy".to_owned();
        self.record.status = status;
        Step::Continue
    }

    fn answer(
        &mut self,
        guard: &Guard,
        permit: &Permit,
        fields: Vec<Field>,
        pairs: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)],
        ended: bool,
    ) -> Result<Step, Denial> {
        let policy = guard.policy();
        let head = AnswerHead::read(pairs)?;
        let interaction = &permit.request().interaction;
        if let Interaction::Export(export) = interaction {
            let head = head.without_version();
            return self.answer_export(guard, permit, export, &head, fields, ended);
        }
        let change = interaction.change();
        let writes = change.is_some();
        let forbidden = policy.response.absent_is_forbidden;
        check_status(head.status, change, is_veiled(permit), forbidden)?;
        let leaving = head.leaving(
            &policy.fhir,
            match head.status {
                204 => Leaving::Nothing,
                _ => Leaving::Json,
            },
            interaction.resource_type(),
            &self.record.request_id,
            fields,
        );
        self.record.status = head.status;
        self.note_created(&leaving, policy.fhir.base.as_str());
        if ended || head.status == 204 {
            if !writes {
                return Err(Denial::Uninspectable("empty"));
            }
            self.done(Counts::default());
            return Ok(Step::Release(leaving));
        }
        let deletes = change == Some(Change::Delete);
        if writes && (deletes || !permit.may_read() || head.check_body().is_err()) {
            self.record.outcome = Outcome::Allowed;
            self.phase = Phase::Discarding;
            return Ok(Step::Release(leaving));
        }
        self.screened(guard, permit, &head, leaving, OnFault::of(writes))
    }

    /// The body of an answer goes into the screen; this is the head that leaves.
    pub(super) fn screened(
        &mut self,
        guard: &Guard,
        permit: &Permit,
        head: &AnswerHead,
        leaving: Vec<Pair>,
        on_fault: OnFault,
    ) -> Result<Step, Denial> {
        let policy = guard.policy();
        let forbidden = policy.response.absent_is_forbidden;
        let marking = Marking::of(guard, std::iter::once(permit), &mut self.record);
        let cover = cover(guard, permit, self.record.began, &marking)?;
        let checked = match cover.expected {
            Expected::Lines(_) => head.check_lines(),
            _ => head.check_body(),
        };
        let screen = Screen::new(Rc::new(cover), limits(guard));
        checked.map_err(|denial| match denial {
            Denial::Uninspectable(found) if screen.may_withhold() => {
                screen.refusal(Fault::Uninspectable(found), forbidden)
            }
            denial => denial,
        })?;
        let head_only = permit.request().head_only;
        // Half: what is masked or tagged makes an answer longer than was announced.
        let known_large = head
            .content_length
            .is_some_and(|length| length > policy.response.hold_limit / 2);
        if known_large && !head_only && !screen.may_withhold() {
            self.phase = Phase::Streaming { screen, on_fault };
            return Ok(Step::Release(leaving));
        }
        let signing = signing(guard, !head_only && permit.signs(), &leaving);
        let kept = Kept {
            on_fault,
            head_only,
            signing,
        };
        self.phase = Phase::Holding { screen, kept };
        Ok(Step::HoldHead(leaving))
    }

    /// The head of the answer to a Bundle of requests, whose entries are decided when all of it is there.
    fn answer_bundle(
        &mut self,
        guard: &Guard,
        bundle: SentBundle,
        fields: Vec<Field>,
        pairs: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)],
        ended: bool,
    ) -> Result<Step, Denial> {
        let mut head = AnswerHead::read(pairs)?;
        let on_fault = OnFault::of(bundle.writes());
        // What was written is written, in whatever words that is said.
        let said = std::mem::replace(&mut head.status, 200);
        let done = on_fault == OnFault::DropBody && (200..300).contains(&said);
        if said != 200 && !done {
            return Err(Denial::Upstream(said));
        }
        let request_id = &self.record.request_id;
        let leaving = head.leaving(
            &guard.policy().fhir,
            Leaving::Json,
            None,
            request_id,
            fields,
        );
        self.record.status = head.status;
        let inspectable = match ended || said != 200 {
            true => Err(Denial::Uninspectable("empty")),
            false => head.check_body(),
        };
        if let Err(denial) = inspectable {
            return match on_fault {
                OnFault::Refuse => Err(denial),
                OnFault::DropBody => {
                    self.discard();
                    Ok(Step::Release(leaving))
                }
            };
        }
        let signing = signing(guard, bundle.signs(), &leaving);
        let cover = bundle.cover(guard, &mut self.record)?;
        let kept = Kept {
            on_fault,
            head_only: false,
            signing,
        };
        self.phase = Phase::Holding {
            screen: Screen::of_batch(Rc::new(cover), limits(guard)),
            kept,
        };
        Ok(Step::HoldHead(leaving))
    }

    /// The head is kept back. What is written now goes into a buffer that Envoy measures: beyond
    /// its limit the whole proxy would die, so no more than the hold limit is ever written here.
    fn hold(
        &mut self,
        guard: &Guard,
        mut screen: Screen,
        kept: Kept,
        piece: &[u8],
        ended: bool,
    ) -> Step {
        let Kept {
            on_fault,
            head_only,
            signing,
        } = kept;
        let hold_limit = guard.policy().response.hold_limit;
        let mut screened = screen.push(piece);
        if ended && screened.is_ok() {
            screened = screen.finish();
        }
        match screened {
            Err(_) if on_fault == OnFault::DropBody => {
                let step = self.discard();
                self.note_broken(&screen);
                return step;
            }
            Err(fault) => {
                let forbidden = guard.policy().response.absent_is_forbidden;
                return self.refuse(&screen.refusal(fault, forbidden));
            }
            Ok(()) => {}
        }
        if !self.share.hold(screen.memory()) {
            return match on_fault {
                OnFault::DropBody => self.discard(),
                OnFault::Refuse => self.refuse(&Denial::Unavailable("memory")),
            };
        }
        if screen.closed() {
            if head_only {
                self.done(Counts::default());
                return Step::Write(Vec::new());
            }
            if screen.held() <= hold_limit {
                self.note_answers(screen.answers());
                self.done(screen.counts());
                self.note_shown(&screen);
                self.note_broken(&screen);
                let body = screen.take();
                return match signing {
                    None => Step::Write(body),
                    Some(signing) => signing.finish(body, self.record.began),
                };
            }
            if !ended {
                // The end of the body comes in a callback of its own (over HTTP/1.1 always), and
                // what is written there, when the head has left, is not measured.
                self.phase = Phase::Streaming { screen, on_fault };
                return Step::Write(Vec::new());
            }
            return match on_fault {
                OnFault::DropBody => {
                    self.done(Counts::default());
                    Step::Write(Vec::new())
                }
                OnFault::Refuse => self.refuse(&Denial::Uninspectable("larger-than-hold-limit")),
            };
        }
        if head_only {
            // Nothing of the body leaves, so there is nothing to make room for.
            screen.take();
        } else if screen.held() > hold_limit / 2 && !screen.may_withhold() {
            // Half, because one more piece must fit in what can still be written at once; the
            // shipped manifest keeps pieces that small. What is screened already waits for the next
            // piece: now the head is not out yet.
            self.phase = Phase::Streaming { screen, on_fault };
            return Step::Write(Vec::new());
        }
        let kept = Kept {
            on_fault,
            head_only,
            signing,
        };
        self.phase = Phase::Holding { screen, kept };
        Step::Hold
    }

    fn stream(&mut self, mut screen: Screen, on_fault: OnFault, piece: &[u8], ended: bool) -> Step {
        let mut screened = screen.push(piece);
        if ended && screened.is_ok() {
            screened = screen.finish();
        }
        let counts = screen.counts();
        let bytes = screen.take();
        let held = self.share.hold(screen.memory());
        let screened = screened.map_err(|fault| screen.refusal(fault, false));
        let memory = held.then_some(()).ok_or(Denial::Unavailable("memory"));
        if let Err(denial) = screened.and(memory) {
            return match on_fault {
                // Of such an answer nothing leaves before it is whole.
                OnFault::DropBody => {
                    let step = self.discard();
                    self.note_broken(&screen);
                    step
                }
                OnFault::Refuse => {
                    self.count(counts);
                    self.note_shown(&screen);
                    self.cut(&denial)
                }
            };
        }
        if screen.closed() {
            self.note_answers(screen.answers());
            self.done(counts);
            self.note_shown(&screen);
            self.note_broken(&screen);
        } else {
            self.phase = Phase::Streaming { screen, on_fault };
        }
        Step::Write(bytes)
    }

    pub(super) fn count(&mut self, counts: Counts) {
        self.record.passed = counts.passed;
        self.record.removed = counts.removed;
        self.record.redacted = counts.redacted;
    }

    /// The head leaves, and none of the body does.
    fn discard(&mut self) -> Step {
        self.share.hold(0);
        self.record.outcome = Outcome::Allowed;
        self.phase = Phase::Discarding;
        Step::Write(Vec::new())
    }

    pub(super) fn done(&mut self, counts: Counts) {
        self.share.hold(0);
        self.count(counts);
        self.record.outcome = Outcome::Allowed;
        self.phase = Phase::Done;
    }

    /// A guardrail holds back a part of what is permitted.
    fn note_broken(&mut self, screen: &Screen) {
        if let Some(broken) = screen.broken() {
            self.record.outcome = Outcome::Cut;
            self.record.rule = Denial::Egress(broken.name.to_string()).rule();
        }
    }

    /// A part has left; the rest must not.
    pub(super) fn cut(&mut self, denial: &Denial) -> Step {
        self.share.hold(0);
        self.record.outcome = Outcome::Cut;
        self.record.rule = denial.rule();
        self.phase = Phase::Refused;
        Step::Reset
    }
}

impl OnFault {
    fn of(writes: bool) -> Self {
        match writes {
            true => OnFault::DropBody,
            false => OnFault::Refuse,
        }
    }
}

fn limits(guard: &Guard) -> Limits {
    Limits {
        resource: guard.policy().response.resource_limit,
        ..Limits::default()
    }
}
