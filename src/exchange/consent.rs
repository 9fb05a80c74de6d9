//! Requests that a patient must have consented to: the patient's Consents are read from their server,
//! once for all requests that ask for them in the same words, and remembered for a while.
//!
//! The order is that of cost: permitted, charged, and only then the server is asked. The body stays in the
//! proxy's buffer meanwhile.

mod question;

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};

use super::bundle::Permitted;
use super::waiting::{Body, Seat};
use super::{CallAnswer, Exchange, Field, Guard, Phase, Step};
use crate::access::Permit;
use crate::consent::{Consents, Ruling};
use crate::denial::Denial;
use crate::identity::{Generations, Principal};
use crate::remote::{Call, SLACK};
use crate::wire::Pair;
use question::{Question, question, read};

/// The most answers remembered; an eviction costs a question, never an answer.
const KNOWN: usize = 512;

/// A failure is not asked about again for this long, unless it took longer itself.
const FAILED: u64 = 1_000_000_000;

/// What is permitted and charged, and rests on the Consents of patients that are to be read.
pub(super) struct Consenting {
    /// Taken for as long as it waits.
    _seat: Seat,
    pub held: Held,
    /// One for each patient.
    reads: Vec<Read>,
    /// When somebody first looked at the clock, in nanoseconds since 1970.
    since: Option<u64>,
}

/// The Consents of one patient.
struct Read {
    patient: String,
    question: Question,
    answer: Rc<OnceCell<Said>>,
    /// This exchange is the one that asks.
    asks: Option<Rc<()>>,
}

/// What is kept back.
pub(super) enum Held {
    /// A request.
    Request(Box<HeldRequest>),
    /// The requests of a Bundle, with our own fields for the answer. The body is whole.
    Bundle(Box<Permitted>, Vec<Field>),
}

/// A request that is kept back.
pub(super) struct HeldRequest {
    pub permit: Permit,
    pub headers: Vec<Pair>,
    pub fields: Vec<Field>,
    /// What is there of its body.
    pub body: Body,
}

impl Held {
    /// The head that goes upstream.
    fn headers(&self) -> &[Pair] {
        match self {
            Held::Request(request) => &request.headers,
            Held::Bundle(permitted, _) => permitted.headers(),
        }
    }

    /// Who is calling.
    fn caller(&self) -> Option<&Principal> {
        self.permits().find_map(Permit::principal).map(Rc::as_ref)
    }

    /// Whose consent is needed, each once.
    fn patients(&self) -> Vec<String> {
        let mut patients: Vec<String> = Vec::new();
        for need in self.permits().filter_map(Permit::needs_consent) {
            if !patients.contains(&need.patient) {
                patients.push(need.patient.clone());
            }
        }
        patients
    }

    fn permits(&self) -> Box<dyn Iterator<Item = &Permit> + '_> {
        match self {
            Held::Request(request) => Box::new(std::iter::once(&request.permit)),
            Held::Bundle(permitted, _) => Box::new(permitted.permits()),
        }
    }
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
    /// Reads the Consents that the permits need, or goes on where they are known.
    pub(super) fn consent(&mut self, guard: &Guard, held: Held) -> Step {
        let reads = guard.consent_reads();
        let mut needed = Vec::new();
        for patient in held.patients() {
            match question(guard, &held, &patient, &self.record.request_id) {
                Ok(question) => {
                    let known = reads.known(&question.name, self.record.began);
                    needed.push((patient, question, known));
                }
                Err(denial) => return self.refuse(&denial),
            }
        }
        if needed.iter().all(|(_, _, known)| known.is_some()) {
            let said = needed.into_iter();
            let said = said.filter_map(|(patient, _, known)| Some((patient, known?)));
            return self.rule_on(guard, held, &said.collect::<Vec<_>>());
        }
        let most = guard.policy().waiting.requests;
        let join = |(patient, question, known): (String, Question, Option<Said>)| {
            let answer = match known {
                Some(said) => Rc::new(OnceCell::from(said)),
                None => reads.join(question.name, most)?,
            };
            Ok(Read {
                patient,
                question,
                answer,
                asks: None,
            })
        };
        let joined = Seat::take(guard.consenting(), most).and_then(|seat| {
            let reads: Result<Vec<Read>, Denial> = needed.into_iter().map(join).collect();
            Ok((seat, reads?))
        });
        let (seat, reads) = match joined {
            Ok(joined) => joined,
            Err(denial) => return self.refuse(&denial),
        };
        self.phase = Phase::Consenting(Box::new(Consenting {
            _seat: seat,
            held,
            reads,
            since: None,
        }));
        Step::Wait
    }

    /// The answer to the question that this exchange asked.
    pub(super) fn consents_answered(
        &mut self,
        guard: &Guard,
        mut consenting: Box<Consenting>,
        answer: Option<CallAnswer<'_>>,
    ) -> Step {
        if let Some(asked) = consenting.reads.iter_mut().find(|read| read.is_asked()) {
            let said = read(guard, &asked.patient, answer);
            let time = match said {
                Said::Failed(_) => FAILED,
                Said::Consents(_) | Said::TooMuch => guard.policy().consent.cache,
            };
            // From when the request came: the answer is not older.
            let since = self.record.began;
            let (reads, name) = (guard.consent_reads(), asked.question.name);
            reads.learn(name, &said, since, since.saturating_add(time));
            // Those that wait with it see it when they are woken.
            let _ = asked.answer.set(said);
            asked.asks = None;
        }
        self.settle(guard, consenting)
    }

    /// Goes on where the Consents are there; `now` in nanoseconds since 1970.
    pub(super) fn wait_for_consent(
        &mut self,
        guard: &Guard,
        mut consenting: Box<Consenting>,
        now: u64,
    ) -> Step {
        let since = *consenting.since.get_or_insert(now);
        let time = guard.policy().waiting.time.saturating_add(SLACK);
        if now >= since.saturating_add(time) || now.saturating_add(SLACK) < since {
            return self.give_up(guard, *consenting);
        }
        self.settle(guard, consenting)
    }

    fn settle(&mut self, guard: &Guard, consenting: Box<Consenting>) -> Step {
        if consenting
            .reads
            .iter()
            .any(|read| read.answer.get().is_none())
        {
            self.phase = Phase::Consenting(consenting);
            return Step::Wait;
        }
        self.give_up(guard, *consenting)
    }

    /// Goes on with what is there.
    fn give_up(&mut self, guard: &Guard, consenting: Consenting) -> Step {
        let said = consenting.reads.into_iter().map(|read| {
            let said = read.answer.get().cloned();
            (read.patient, said.unwrap_or(Said::Failed(SILENT)))
        });
        self.rule_on(guard, consenting.held, &said.collect::<Vec<_>>())
    }

    fn rule_on(&mut self, guard: &Guard, held: Held, said: &[(String, Said)]) -> Step {
        let request = match held {
            Held::Request(request) => *request,
            Held::Bundle(permitted, fields) => {
                return self.rule_on_bundle(guard, *permitted, fields, said);
            }
        };
        match self.ruled(guard, request.permit, said) {
            Ok(permit) => {
                self.record.reported = permit.reported().to_vec();
                let HeldRequest {
                    headers,
                    fields,
                    body,
                    ..
                } = request;
                self.proceed(guard, permit, headers, fields, body)
            }
            Err(denial) => self.refuse(&denial),
        }
    }

    /// The permit with the consent that it needs, by what the server said of each patient.
    pub(super) fn ruled(
        &self,
        guard: &Guard,
        permit: Permit,
        said: &[(String, Said)],
    ) -> Result<Permit, Denial> {
        let Some(need) = permit.needs_consent().map(Rc::clone) else {
            return Ok(permit);
        };
        let of_patient = said.iter().find(|(patient, _)| *patient == need.patient);
        match of_patient.map(|(_, said)| said) {
            Some(Said::Consents(consents)) => permit.consented(Ruling {
                consents: Rc::clone(consents),
                caller: Rc::clone(&need.caller),
                default: guard.policy().consent.default,
                now: self.record.began,
            }),
            Some(Said::TooMuch) => {
                permit.unconsented(need.denial("there is more than is looked at"))
            }
            Some(Said::Failed(found)) => permit.unconsented(Denial::Unavailable(found)),
            None => permit.unconsented(Denial::Unavailable(SILENT)),
        }
    }
}

impl Consenting {
    /// The call that is to be made, where nobody makes it: one after the other.
    pub fn call(&mut self, guard: &Guard) -> Option<Call> {
        if self.reads.iter().any(Read::is_asked) {
            return None;
        }
        let mut open = self
            .reads
            .iter_mut()
            .filter(|read| read.answer.get().is_none());
        open.find_map(|read| {
            read.asks = Some(guard.consent_reads().lead(&read.question.name)?);
            Some(read.question.call.clone())
        })
    }

    /// Nobody will hear the answer: somebody asks again.
    pub fn orphaned(&mut self) {
        for read in &mut self.reads {
            read.asks = None;
        }
    }

    /// The body of what is kept back is whole.
    pub fn set_body(&mut self, body: Body) {
        if let Held::Request(request) = &mut self.held {
            request.body = body;
        }
    }
}

impl Read {
    /// Whether this exchange has asked, and has no answer.
    fn is_asked(&self) -> bool {
        self.asks.is_some() && self.answer.get().is_none()
    }
}

const SILENT: &str = "consent: no answer in time";
