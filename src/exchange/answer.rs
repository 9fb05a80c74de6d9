//! The way out: the callbacks of the answer.

use std::rc::Rc;

use super::{Exchange, Field, Guard, OnFault, Phase, Step, pages};
use crate::access::{Granted, Permit};
use crate::audit::Outcome;
use crate::denial::Denial;
use crate::request::{Change, Interaction, page_of};
use crate::response::{AnswerHead, BundleKind, Counts, Cover, Expected, Fault, Limits, Screen};
use crate::wire::Pair;

/// `response.code_details` of an answer that the upstream gave (Envoy, `response_code_details`);
/// every other value means that the proxy answers itself.
const VIA_UPSTREAM: &[u8] = b"via_upstream";

impl Exchange {
    /// The head of the answer. `details` is `response.code_details`; `ended` says that no body
    /// follows.
    pub fn response_headers(
        &mut self,
        guard: &Guard,
        pairs: &[Pair],
        details: Option<&[u8]>,
        ended: bool,
    ) -> Step {
        let by_upstream = details == Some(VIA_UPSTREAM);
        // An answer is the proxy's own only where the proxy says so in words, and refuses: silence,
        // or a cache behind this filter, may hide what the upstream said.
        let by_proxy = !by_upstream && details.is_some_and(is_detail) && status(pairs) >= 400;
        let (permit, fields) = match std::mem::take(&mut self.phase) {
            Phase::Forwarded { permit, fields } if by_upstream => (permit, fields),
            Phase::Refused => {
                self.phase = Phase::Refused;
                return Step::Continue;
            }
            // A head has left already: what comes now was not decided on.
            Phase::Streaming { .. } | Phase::Discarding | Phase::Done => {
                return self.cut(&Denial::Uninspectable("origin"));
            }
            _ if by_proxy => return self.foreign(pairs),
            // A local reply that is no refusal: a second one on the same stream would corrupt it
            // (envoy issue 28826).
            _ if !by_upstream && details.is_some_and(is_detail) => {
                return self.cut(&Denial::Uninspectable("origin"));
            }
            _ => return self.refuse(&Denial::Uninspectable("origin")),
        };
        match self.answer(guard, permit, fields, pairs, ended) {
            Ok(step) => step,
            Err(denial) => self.refuse(&denial),
        }
    }

    /// A piece of the answer's body. Every piece is taken out of the proxy's buffer: what leaves is
    /// only what a step writes.
    pub fn response_body(&mut self, guard: &Guard, piece: &[u8], ended: bool) -> Step {
        match std::mem::take(&mut self.phase) {
            Phase::Holding {
                screen,
                on_fault,
                head_only,
            } => self.hold(guard, screen, on_fault, head_only, piece, ended),
            Phase::Streaming { screen } => self.stream(screen, piece, ended),
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
        }
    }

    /// The answer has trailers: the body is over, and no body callback said so. They never go on.
    pub fn response_trailers(&mut self) -> Step {
        match std::mem::take(&mut self.phase) {
            Phase::Holding {
                on_fault: OnFault::DropBody,
                ..
            } => {
                self.done(Counts::default());
                Step::DropTrailers
            }
            Phase::Holding { .. } => self.refuse(&Denial::Uninspectable("truncated")),
            Phase::Streaming { screen } => {
                self.count(screen.counts());
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
    fn foreign(&mut self, pairs: &[Pair]) -> Step {
        self.share.hold(0);
        self.phase = Phase::Foreign;
        self.record.outcome = Outcome::Proxy;
        self.record.rule = "proxy".to_owned();
        self.record.status = status(pairs);
        Step::Continue
    }

    fn answer(
        &mut self,
        guard: &Guard,
        permit: Permit,
        fields: Vec<Field>,
        pairs: &[Pair],
        ended: bool,
    ) -> Result<Step, Denial> {
        let policy = guard.policy();
        let head = AnswerHead::read(pairs)?;
        let interaction = &permit.request().interaction;
        let change = interaction.change();
        let writes = change.is_some();
        let forbidden = policy.response.absent_is_forbidden;
        if !(head.status == 200 || (writes && matches!(head.status, 201 | 204))) {
            // That an instance was deleted tells that it was there, perhaps of a kind not granted.
            let withheld = permit.rests_on_answer() || permit.ruling().is_some();
            let alike = forbidden || !permit.is_for_all() || withheld;
            return Err(match head.status {
                404 | 410 if alike => Denial::Absent { forbidden },
                status => Denial::Upstream(status),
            });
        }
        let leaving = head.leaving(
            &policy.fhir,
            interaction.resource_type(),
            &self.record.request_id,
            fields,
        );
        self.record.status = head.status;
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
        let limits = Limits {
            resource: policy.response.resource_limit,
            ..Limits::default()
        };
        let screen = Screen::new(Rc::new(cover(guard, &permit, self.record.began)?), limits);
        head.check_body().map_err(|denial| match denial {
            Denial::Uninspectable(found) if screen.may_withhold() => unread(found, forbidden),
            denial => denial,
        })?;
        let head_only = permit.request().head_only;
        let on_fault = if writes {
            OnFault::DropBody
        } else {
            OnFault::Refuse
        };
        // Half: what is masked or tagged makes an answer longer than was announced.
        let known_large = head
            .content_length
            .is_some_and(|length| length > policy.response.hold_limit / 2);
        if known_large && !head_only && on_fault == OnFault::Refuse && !screen.may_withhold() {
            self.phase = Phase::Streaming { screen };
            return Ok(Step::Release(leaving));
        }
        self.phase = Phase::Holding {
            screen,
            on_fault,
            head_only,
        };
        Ok(Step::HoldHead(leaving))
    }

    /// The head is kept back. What is written now goes into a buffer that Envoy measures: beyond
    /// its limit the whole proxy would die, so no more than the hold limit is ever written here.
    fn hold(
        &mut self,
        guard: &Guard,
        mut screen: Screen,
        on_fault: OnFault,
        head_only: bool,
        piece: &[u8],
        ended: bool,
    ) -> Step {
        let hold_limit = guard.policy().response.hold_limit;
        let mut screened = screen.push(piece);
        if ended && screened.is_ok() {
            screened = screen.finish();
        }
        match screened {
            Err(_) if on_fault == OnFault::DropBody => return self.discard(),
            Err(fault) => {
                let forbidden = guard.policy().response.absent_is_forbidden;
                return self.refuse(&match fault {
                    Fault::Uninspectable(found) if screen.may_withhold() => {
                        unread(found, forbidden)
                    }
                    Fault::TooLarge if screen.may_withhold() => {
                        unread("it is larger than what is read", forbidden)
                    }
                    fault => denial(fault, forbidden),
                });
            }
            Ok(()) => {}
        }
        if !self.share.hold(screen.held()) {
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
                self.done(screen.counts());
                return Step::Write(screen.take());
            }
            return match on_fault {
                OnFault::DropBody => {
                    self.done(Counts::default());
                    Step::Write(Vec::new())
                }
                // The end of the body comes in a callback of its own (over HTTP/1.1 always), and
                // what is written there, when the head has left, is not measured.
                OnFault::Refuse if !ended => {
                    self.phase = Phase::Streaming { screen };
                    Step::Write(Vec::new())
                }
                OnFault::Refuse => self.refuse(&Denial::Uninspectable("larger-than-hold-limit")),
            };
        }
        if head_only {
            // Nothing of the body leaves, so there is nothing to make room for.
            screen.take();
        } else if screen.held() > hold_limit / 2
            && on_fault == OnFault::Refuse
            && !screen.may_withhold()
        {
            // Half, because one more piece must fit in what can still be written at once; the
            // shipped manifest keeps pieces that small. What is screened already waits for the next
            // piece: now the head is not out yet.
            self.phase = Phase::Streaming { screen };
            return Step::Write(Vec::new());
        }
        self.phase = Phase::Holding {
            screen,
            on_fault,
            head_only,
        };
        Step::Hold
    }

    fn stream(&mut self, mut screen: Screen, piece: &[u8], ended: bool) -> Step {
        let mut screened = screen.push(piece);
        if ended && screened.is_ok() {
            screened = screen.finish();
        }
        let counts = screen.counts();
        if let Err(fault) = screened {
            self.count(counts);
            return self.cut(&denial(fault, false));
        }
        let bytes = screen.take();
        if !self.share.hold(screen.held()) {
            self.count(counts);
            return self.cut(&Denial::Unavailable("memory"));
        }
        if screen.closed() {
            self.done(counts);
        } else {
            self.phase = Phase::Streaming { screen };
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

    fn done(&mut self, counts: Counts) {
        self.share.hold(0);
        self.count(counts);
        self.record.outcome = Outcome::Allowed;
        self.phase = Phase::Done;
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

/// `:status`; 0 where it is no number.
fn status(pairs: &[Pair]) -> u16 {
    let found = pairs.iter().find(|(name, _)| name == b":status");
    let text = found.and_then(|(_, value)| std::str::from_utf8(value).ok());
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Whether these are `response.code_details` as Envoy writes them: visible ASCII, one word. What
/// comes out of a cache is the upstream's word, refusals too.
fn is_detail(details: &[u8]) -> bool {
    !details.is_empty()
        && details.iter().all(u8::is_ascii_graphic)
        && !details.starts_with(b"cache")
}

fn denial(fault: Fault, forbidden: bool) -> Denial {
    match fault {
        Fault::Withheld => Denial::Absent { forbidden },
        Fault::Uninspectable(found) => Denial::Answer(found),
        Fault::TooLarge => Denial::Uninspectable("too-large"),
    }
}

/// An instance of which it is not known whether the caller may see it: that it cannot be read must not tell
/// that it is there.
fn unread(found: &'static str, forbidden: bool) -> Denial {
    Denial::Undecided {
        what: "instance",
        absent: Some(forbidden),
        found,
    }
}

/// The part of a permit that the screen enforces; `began` is when the exchange did, in nanoseconds since
/// 1970.
fn cover(guard: &Guard, permit: &Permit, began: u64) -> Result<Cover, Denial> {
    let policy = guard.policy();
    let interaction = permit.request().interaction.clone();
    let (own, caller) = (Rc::clone(policy), permit.principal().cloned());
    let expected = expected(&interaction).ok_or(Denial::Path)?;
    let self_link = format!("{}{}", policy.fhir.base.as_str(), permit.request().target());
    Ok(Cover {
        expected,
        patient: permit.confined_to().map(str::to_owned),
        consent: permit.ruling().map(Rc::clone),
        compartment: Rc::clone(&policy.fhir.compartment),
        granted: permit.visible().cloned().unwrap_or(Granted::NOTHING),
        others: permit.others().to_vec(),
        base: policy.fhir.base.as_str().to_owned(),
        redactions: guard.active(permit).cloned().collect(),
        self_link,
        links: Rc::new(move |url| {
            page_of(url, &interaction, &own.fhir).or_else(|| {
                let (key, caller) = (own.page_key.as_ref()?, caller.as_ref()?);
                pages::seal(
                    key,
                    caller,
                    &interaction,
                    &own.fhir,
                    url,
                    began / 1_000_000_000,
                )
            })
        }),
    })
}

/// `None` for a search over no type at all, which nothing permits.
fn expected(interaction: &Interaction) -> Option<Expected> {
    let resource =
        |resource_type, id: Option<&String>, version: Option<&String>| Expected::Resource {
            resource_type,
            id: id.cloned(),
            version: version.cloned(),
        };
    let bundle = |kind, resource_type, id: Option<&String>| Expected::Bundle {
        kind,
        resource_type,
        id: id.cloned(),
    };
    Some(match interaction {
        Interaction::Public(_) => Expected::Opaque,
        Interaction::Read { resource_type, id }
        | Interaction::Update { resource_type, id }
        | Interaction::Patch { resource_type, id }
        | Interaction::Delete { resource_type, id } => resource(*resource_type, Some(id), None),
        Interaction::Vread {
            resource_type,
            id,
            version,
        } => resource(*resource_type, Some(id), Some(version)),
        Interaction::Create { resource_type } => resource(*resource_type, None, None),
        // The upstream finds it, or chooses its id.
        Interaction::Conditional(conditional) => resource(conditional.resource_type, None, None),
        Interaction::HistoryInstance {
            resource_type, id, ..
        } => bundle(BundleKind::History, *resource_type, Some(id)),
        Interaction::HistoryType { resource_type, .. } => {
            bundle(BundleKind::History, *resource_type, None)
        }
        Interaction::Search { resource_type, .. } => {
            bundle(BundleKind::Searchset, *resource_type, None)
        }
        Interaction::HistorySystem { .. } | Interaction::SearchAcross { .. } => {
            let kind = match interaction {
                Interaction::HistorySystem { .. } => BundleKind::History,
                _ => BundleKind::Searchset,
            };
            bundle(kind, *interaction.types().first()?, None)
        }
    })
}
