//! Requests that a patient must have consented to: the patient's Consents are read from their server,
//! once for all requests that ask for them in the same words, and remembered for a while.
//!
//! The order is that of cost: permitted, charged, and only then the server is asked. The body stays in the
//! proxy's buffer meanwhile.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::waiting::{Body, Seat};
use super::{CallAnswer, Exchange, Field, Guard, Phase, Step};
use crate::access::{ConsentNeed, Permit};
use crate::consent::{Asked, Consents, Fault, Ruling};
use crate::denial::{Denial, TokenFault};
use crate::identity::Generations;
use crate::json::{Document, Limits};
use crate::remote::{Call, SLACK};
use crate::request::Authorization;
use crate::response::AnswerHead;
use crate::wire::Pair;

/// The most answers remembered; an eviction costs a question, never an answer.
const KNOWN: usize = 512;

/// A failure is not asked about again for this long, unless it took longer itself.
const FAILED: u64 = 1_000_000_000;

/// A permitted and charged request whose patient's Consents are to be read.
pub(super) struct Consenting {
    /// Taken for as long as it waits.
    _seat: Seat,
    pub held: Held,
    question: Question,
    answer: Rc<OnceCell<Said>>,
    /// This request is the one that asks.
    asks: Option<Rc<()>>,
    /// When somebody first looked at the clock, in nanoseconds since 1970.
    since: Option<u64>,
}

/// A request that is kept back.
pub(super) struct Held {
    pub permit: Permit,
    pub need: Rc<ConsentNeed>,
    pub headers: Vec<Pair>,
    pub fields: Vec<Field>,
    /// What is there of its body.
    pub body: Body,
}

/// What the server said.
#[derive(Clone, Debug)]
pub(super) enum Said {
    Consents(Rc<Consents>),
    /// More than is looked at.
    TooMuch,
    /// It could not be asked; what was found.
    Failed(&'static str),
}

/// A question for the server. Its name is a hash of all that the answer may depend on.
#[derive(Clone)]
struct Question {
    name: [u8; 32],
    call: Call,
}

/// What one worker knows of Consents, and who is asking for them.
#[derive(Default)]
pub(super) struct ConsentReads {
    known: RefCell<Generations<Known, KNOWN>>,
    asks: RefCell<HashMap<[u8; 32], Ask>>,
}

#[derive(Clone)]
struct Known {
    said: Said,
    since: u64,
    until: u64,
}

/// A question that requests wait for.
#[derive(Default)]
struct Ask {
    /// Held by the one that asks.
    asks: Weak<()>,
    /// Held by all that wait.
    answer: Weak<OnceCell<Said>>,
}

impl ConsentReads {
    /// What is known at `now`, in nanoseconds since 1970.
    fn known(&self, name: &[u8; 32], now: u64) -> Option<Said> {
        let found = self.known.try_borrow_mut().ok()?.get(name)?;
        // Where the clock has stepped back nobody knows how old an answer is.
        let come = found.since <= now.saturating_add(SLACK);
        (come && now < found.until).then_some(found.said)
    }

    fn learn(&self, name: [u8; 32], said: &Said, since: u64, until: u64) {
        if let Ok(mut known) = self.known.try_borrow_mut() {
            let said = said.clone();
            known.insert(name, Known { said, since, until });
        }
    }

    /// Where the answer to this question will be; at most `most` questions are open.
    fn join(&self, name: [u8; 32], most: usize) -> Result<Rc<OnceCell<Said>>, Denial> {
        let full = Denial::Unavailable("waiting");
        let mut asks = self.asks.try_borrow_mut().map_err(|_| full.clone())?;
        let open = asks.get(&name).and_then(|ask| ask.answer.upgrade());
        if let Some(open) = open.filter(|answer| answer.get().is_none()) {
            return Ok(open);
        }
        if asks.len() >= most {
            asks.retain(|_, ask| ask.answer.strong_count() > 0);
        }
        if asks.len() >= most {
            return Err(full);
        }
        let answer = Rc::default();
        let ask = Ask {
            asks: Weak::new(),
            answer: Rc::downgrade(&answer),
        };
        asks.insert(name, ask);
        Ok(answer)
    }

    /// The right to ask, where nobody has it.
    fn lead(&self, name: &[u8; 32]) -> Option<Rc<()>> {
        let mut asks = self.asks.try_borrow_mut().ok()?;
        let ask = asks.entry(*name).or_default();
        if ask.asks.strong_count() > 0 {
            return None;
        }
        let right = Rc::default();
        ask.asks = Rc::downgrade(&right);
        Some(right)
    }
}

impl Exchange {
    /// Reads the Consents that the permit needs, or goes on where they are known.
    pub(super) fn consent(&mut self, guard: &Guard, held: Held) -> Step {
        let question = match question(guard, &held, &self.record.request_id) {
            Ok(question) => question,
            Err(denial) => return self.refuse(&denial),
        };
        let reads = guard.consent_reads();
        if let Some(said) = reads.known(&question.name, self.record.began) {
            return self.rule_on(guard, held, said);
        }
        let most = guard.policy().waiting.requests;
        let joined = Seat::take(guard.consenting(), most)
            .and_then(|seat| Ok((seat, reads.join(question.name, most)?)));
        let (seat, answer) = match joined {
            Ok(joined) => joined,
            Err(denial) => return self.refuse(&denial),
        };
        self.phase = Phase::Consenting(Box::new(Consenting {
            _seat: seat,
            held,
            question,
            answer,
            asks: None,
            since: None,
        }));
        Step::Wait
    }

    /// The answer to the question that this exchange asked.
    pub(super) fn consents_answered(
        &mut self,
        guard: &Guard,
        consenting: Box<Consenting>,
        answer: Option<CallAnswer<'_>>,
    ) -> Step {
        let said = read(guard, &consenting.held.need.patient, answer);
        let policy = &guard.policy().consent;
        let time = match said {
            Said::Failed(_) => FAILED,
            Said::Consents(_) | Said::TooMuch => policy.cache,
        };
        // From when the request came: the answer is not older.
        let since = self.record.began;
        let (reads, name) = (guard.consent_reads(), consenting.question.name);
        reads.learn(name, &said, since, since.saturating_add(time));
        // Those that wait with it see it when they are woken.
        let _ = consenting.answer.set(said);
        self.settle(guard, consenting)
    }

    /// Goes on where the Consents are there; `now` in nanoseconds since 1970.
    pub(super) fn wait_for_consent(
        &mut self,
        guard: &Guard,
        mut consenting: Box<Consenting>,
        now: u64,
    ) -> Step {
        if consenting.answer.get().is_some() {
            return self.settle(guard, consenting);
        }
        let since = *consenting.since.get_or_insert(now);
        let time = guard.policy().waiting.time.saturating_add(SLACK);
        if now >= since.saturating_add(time) || now.saturating_add(SLACK) < since {
            return self.settle(guard, consenting);
        }
        self.phase = Phase::Consenting(consenting);
        Step::Wait
    }

    fn settle(&mut self, guard: &Guard, consenting: Box<Consenting>) -> Step {
        let said = consenting.answer.get().cloned();
        self.rule_on(guard, consenting.held, said.unwrap_or(Said::Failed(SILENT)))
    }

    fn rule_on(&mut self, guard: &Guard, held: Held, said: Said) -> Step {
        let Held {
            permit,
            need,
            headers,
            fields,
            body,
        } = held;
        let permit = match said {
            Said::Consents(consents) => permit.consented(Ruling {
                consents,
                caller: need.caller.clone(),
                default: guard.policy().consent.default,
                now: self.record.began,
            }),
            Said::TooMuch => permit.unconsented(need.denial("there is more than is looked at")),
            Said::Failed(found) => permit.unconsented(Denial::Unavailable(found)),
        };
        match permit {
            Ok(permit) => {
                self.record.reported = permit.reported().to_vec();
                self.proceed(guard, permit, headers, fields, body)
            }
            Err(denial) => self.refuse(&denial),
        }
    }
}

impl Consenting {
    /// The call that is to be made, where nobody makes it.
    pub fn call(&mut self, guard: &Guard) -> Option<Call> {
        if self.asks.is_some() || self.answer.get().is_some() {
            return None;
        }
        self.asks = Some(guard.consent_reads().lead(&self.question.name)?);
        Some(self.question.call.clone())
    }

    /// Nobody will hear the answer: somebody asks again.
    pub fn orphaned(&mut self) {
        self.asks = None;
    }
}

const SILENT: &str = "consent: no answer in time";

/// The search for the Consents of a patient, as the server gets everything else: in the name of the same
/// caller. The client's token goes to the upstream only.
fn question(guard: &Guard, held: &Held, request_id: &str) -> Result<Question, Denial> {
    let policy = guard.policy();
    let (consent, upstream) = (&policy.consent, &policy.fhir.upstream);
    let path = format!(
        "{}/Consent?patient=Patient/{}&status=active&_count={}",
        consent.base.path(),
        held.need.patient,
        consent.count.saturating_add(1)
    );
    let mut fields: Vec<(Cow<'static, str>, String)> = vec![
        (":method".into(), "GET".to_owned()),
        (":path".into(), path),
        (":authority".into(), consent.base.authority().to_owned()),
        ("accept".into(), "application/fhir+json".to_owned()),
        ("accept-encoding".into(), "identity".to_owned()),
        ("prefer".into(), "handling=strict".to_owned()),
    ];
    let same = consent.cluster == upstream.cluster && consent.base == upstream.base;
    if same && upstream.authorization == Authorization::Keep {
        let token = held
            .headers
            .iter()
            .find(|(name, _)| name == b"authorization");
        let token = token.and_then(|(_, value)| std::str::from_utf8(value).ok());
        fields.extend(token.map(|token| ("authorization".into(), token.to_owned())));
    }
    // Without the request's own id: the answer is for others, too.
    let caller = held.permit.principal().map(Rc::as_ref);
    let told = policy.told.fields(caller, "");
    let told = told.ok_or(Denial::Token(TokenFault::Claims))?;
    fields.extend(told.into_iter().map(|(name, value)| (name.into(), value)));
    let mut name = blake3::Hasher::new();
    for (field, value) in &fields {
        for part in [field.as_bytes(), value.as_bytes()] {
            name.update(&part.len().to_le_bytes());
            name.update(part);
        }
    }
    if !request_id.is_empty() {
        fields.push(("x-request-id".into(), request_id.to_owned()));
    }
    let call = Call {
        cluster: consent.cluster.clone(),
        headers: fields,
        body: Vec::new(),
        timeout: Duration::from_nanos(policy.waiting.time),
    };
    let name = *name.finalize().as_bytes();
    Ok(Question { name, call })
}

/// What an answer says.
fn read(guard: &Guard, patient: &str, answer: Option<CallAnswer<'_>>) -> Said {
    let Some((head, body)) = answer else {
        return Said::Failed(SILENT);
    };
    match AnswerHead::read(head) {
        Ok(head) if head.status == 200 && head.check_body().is_ok() => {}
        Ok(head) if head.status == 200 => {
            return Said::Failed(
                "consent: the answer's content type or encoding is not that of plain json",
            );
        }
        _ => return Said::Failed("consent: the answer's status is not 200"),
    }
    if body.len() > Exchange::answer_limit(guard) {
        return Said::TooMuch;
    }
    let Ok(document) = Document::parse(body, &Limits::default()) else {
        return Said::Failed("consent: the answer is no well-formed json");
    };
    let policy = guard.policy();
    let asked = Asked {
        patient,
        bases: &[
            &policy.fhir.base,
            &policy.fhir.upstream.base,
            &policy.consent.base,
        ],
        most: policy.consent.count,
    };
    match Consents::read(document.root(), &asked) {
        Ok(consents) => Said::Consents(Rc::new(consents)),
        Err(Fault::TooMuch) => Said::TooMuch,
        Err(Fault::Answer(found)) => Said::Failed(found),
    }
}
