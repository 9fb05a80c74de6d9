//! One HTTP request with its response: the phases, and one method for each callback of the proxy.
//!
//! An [`Exchange`] is told what the proxy handed over and answers with a [`Step`]: what the shell
//! is to do. It walks through its phases in one direction; a refusal absorbs everything after it.
//! The order on the way in is: parse, authenticate, prove possession, authorise, charge, ask a
//! server of several proxies, ask for consent, inspect the body, announce where that is asked for, forward. What stands in the body, the parameters of a form or the requests of
//! a Bundle, comes before it is authorised.

mod answer;
mod body;
mod bundle;
mod charges;
mod consent;
mod cover;
mod current;
mod discovery;
mod documents;
mod entry;
mod export;
mod global;
mod guard;
mod intent;
mod introspection;
mod measure;
mod noting;
mod origin;
mod pages;
mod possession;
mod risk;
mod signing;
mod step;
mod subscription;
mod toll;
mod waiting;
mod watermark;

use std::rc::Rc;

use crate::access::Permit;
use crate::audit::{Caller, Outcome, Record, event};
use crate::denial::{Challenge, Denial};
use crate::identity::ConnectionAttributes;
use crate::limit::Owed;
use crate::request::{RequestHead, Targets};
use crate::response::{Counts, Screen};
use crate::wire::Pair;
use body::{ExpectedBody, check_body, expected_body};
use bundle::{Bundle, SentBundle};
use consent::Consenting;
pub use current::CallAnswer;
use current::Current;
use entry::{Asked, Searcher};
use global::Asking;
pub use guard::{Batch, Guard, MEMORY, Question};
use guard::{Share, Unnoted, Unproven};
use intent::Announcing;
use possession::ShuttingOut;
pub use risk::Observed;
use risk::Watched;
use signing::Signing;
pub use step::Step;
pub use toll::Toll;
use waiting::{Body, Waiting};

/// The state of one exchange.
#[derive(Default)]
pub struct Exchange {
    phase: Phase,
    record: Record,
    share: Share,
    challenge: Challenge,
    /// What is charged when the answer has ended.
    owed: Vec<Owed>,
    /// Whom it was about, where that is charged.
    shown: Vec<u64>,
    /// The answer tells of files, and no resource is in it.
    lists_files: bool,
    /// Nothing more comes.
    ended: bool,
    /// What is remembered of it where callers are watched.
    watched: Watched,
}

/// What is known of an answer while its head is kept back.
struct Kept {
    on_fault: OnFault,
    head_only: bool,
    signing: Option<Box<Signing>>,
}

/// Where an exchange is. Each phase holds only what is valid in it.
#[derive(Default)]
enum Phase {
    /// The head of the request has not come.
    #[default]
    Start,
    /// The token, or its proof, is good if its signature is; the host is being asked.
    Verifying {
        caller: Box<Unproven>,
        asked: Box<Asked>,
    },
    /// The proof is good if it is fresh; it is being noted as used.
    Noting {
        caller: Box<Unnoted>,
        asked: Box<Asked>,
    },
    /// Refused, and whoever is to be shut out is being written down first.
    ShuttingOut(ShuttingOut),
    /// Something that another server says is needed first.
    Waiting(Box<Waiting>),
    /// It is known who is calling; what is asked for stands in a body that comes.
    ReadingForm(Box<Searcher>),
    /// Permitted; the limits are being charged.
    Charging {
        permit: Permit,
        headers: Vec<Pair>,
        charging: Box<Toll>,
        /// `DPoP-Nonce` of the answer.
        nonce: Option<String>,
        body: Body,
    },
    /// Permitted and charged; a server of several proxies is asked as well.
    Global(Box<Asking>),
    /// Permitted and charged; it rests on what the patient consents to.
    Consenting(Box<Consenting>),
    /// Permitted and charged; the body is held until it is whole.
    ReadingBody {
        permit: Permit,
        fields: Vec<Field>,
        expected: ExpectedBody,
        bytes: Vec<u8>,
    },
    /// Permitted and charged; the current version of what is written decides.
    Current(Box<Current>),
    /// Decided in every way, and forwarded as soon as its intent is acknowledged.
    Announcing(Box<Announcing>),
    /// A Bundle of requests, decided on.
    Bundle(Box<Bundle>),
    /// What was permitted is on its way.
    Forwarded { sent: Sent, fields: Vec<Field> },
    /// The head of the answer is kept back, its body goes into the screen.
    Holding { screen: Screen, kept: Kept },
    /// The head of the answer has left; the screen decides resource by resource.
    Streaming { screen: Screen, on_fault: OnFault },
    /// The answer is decided and what may leave has left; nothing may follow.
    Done,
    /// The head has left, and none of the body will.
    Discarding,
    /// Refused or withheld, or answered by ourselves: everything that still comes is absorbed.
    Refused,
    /// The proxy itself answers; that is not ours to judge.
    Foreign,
}

/// Why a request is refused whose record would have no place.
const NO_PLACE: &str = "audit";

/// What is on its way to the upstream.
enum Sent {
    One(Box<Permit>),
    Bundle(Box<SentBundle>),
}

/// A field of our own for the answer.
type Field = (&'static str, String);

/// What becomes of an answer that does not pass the screen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum OnFault {
    /// The head goes, the body does not: what was written is written, and saying otherwise would
    /// make the client write it again.
    DropBody,
    /// The answer is replaced.
    Refuse,
}

impl Exchange {
    /// The head of the request. `now` is in nanoseconds since 1970; `ended` says that no body
    /// follows.
    pub fn request_headers(
        &mut self,
        guard: &mut Guard,
        pairs: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)],
        attributes: &ConnectionAttributes,
        now: u64,
        ended: bool,
    ) -> Step {
        // An exchange is about one request: what was decided on, or has left, stays so.
        if !matches!(self.phase, Phase::Start) {
            return self.absorb_request();
        }
        let (request_id, mut head) = RequestHead::parse(pairs);
        self.share = guard.share();
        self.record.began = now;
        self.record.policy = Rc::clone(&guard.policy().audit);
        self.record.address = Some(attributes.address()).filter(|own| !own.is_empty());
        self.record.request_id = request_id;
        let scheme = head.as_ref().map(|head| head.credentials.scheme());
        self.challenge = guard.challenge(scheme.unwrap_or_default());
        self.note_trace(guard, pairs, head.as_mut().ok());
        let head = match head {
            Ok(head) => head,
            Err(denial) => return self.refuse(&denial),
        };
        if let Err(denial) = guard.check_place(Caller::Known) {
            return self.refuse(&denial);
        }
        if let Err(denial) = self.watch(guard, &head, pairs, attributes, now) {
            return self.refuse(&denial);
        }
        if let Some(step) = self.discover(guard, &head) {
            return step;
        }
        let phase = self.enter(guard, head, attributes, now, ended);
        self.go_on(phase)
    }

    /// One of which nothing has come: its record is told as all others are, whoever answers it.
    pub fn of(guard: &Guard) -> Exchange {
        let mut exchange = Exchange::default();
        exchange.record.policy = Rc::clone(&guard.policy().audit);
        exchange
    }

    /// The charge that is under way, while the step is [`Step::Charge`].
    pub fn charging(&mut self) -> Option<&mut Toll> {
        match &mut self.phase {
            Phase::Charging { charging, .. } => Some(charging),
            Phase::Bundle(bundle) => match bundle.as_mut() {
                Bundle::Charging(permitted) => Some(permitted.charging.as_mut()),
                Bundle::Answered(_) => None,
            },
            _ => None,
        }
    }

    /// From the permit with all that it needs, to the upstream, or to what must be known before.
    fn proceed(
        &mut self,
        guard: &Guard,
        permit: Permit,
        headers: Vec<Pair>,
        fields: Vec<Field>,
        body: Body,
    ) -> Step {
        if permit.rests_on_current() {
            return self.pin(guard, permit, headers, fields, body);
        }
        let expected = expected_body(&permit.request().interaction);
        if let (Some(form), Body::Whole(came)) = (permit.request().body(), &body) {
            let step = Step::Rewrite {
                headers,
                came: came.len(),
                body: form.into_bytes(),
            };
            return self.send(guard, Sent::One(Box::new(permit)), fields, step);
        }
        let checked = match body {
            Body::Coming => {
                self.phase = Phase::ReadingBody {
                    permit,
                    fields,
                    expected,
                    bytes: Vec::new(),
                };
                return Step::HoldHead(headers);
            }
            Body::None if expected == ExpectedBody::Empty => Ok(()),
            Body::None => Err(Denial::Request("body")),
            Body::Whole(bytes) => check_body(guard, &permit, expected, &bytes, &Targets::default()),
        };
        if let Err(denial) = checked {
            return self.refuse(&denial);
        }
        let sent = Sent::One(Box::new(permit));
        self.send(guard, sent, fields, Step::Forward(headers))
    }

    /// The host did not do what it was told: what was decided cannot be carried out, so nothing
    /// goes on.
    pub fn host_failed(&mut self) -> Step {
        match &self.phase {
            Phase::Streaming { screen, .. } => {
                let counts = screen.counts();
                self.count(counts);
                self.cut(&Denial::Unavailable("host"))
            }
            Phase::Discarding | Phase::Done => self.cut(&Denial::Unavailable("host")),
            Phase::Refused | Phase::Foreign => Step::Reset,
            Phase::Forwarded { .. } => {
                // Decided, but it has not gone anywhere.
                self.record.outcome = Outcome::Undecided;
                self.refuse(&Denial::Unavailable("host"))
            }
            _ => self.refuse(&Denial::Unavailable("host")),
        }
    }

    /// Whether the status that the client got is known without asking the proxy; to be asked after
    /// [`Exchange::end`].
    pub fn knows_status(&self) -> bool {
        // The head that is held has not left, and another may have.
        !matches!(self.phase, Phase::Holding { .. }) && self.record.status != 0
    }

    /// Whether pieces of the answer's body are of interest.
    pub fn screens(&self) -> bool {
        !matches!(self.phase, Phase::Foreign | Phase::Refused)
    }

    /// The record of the exchange, as one line; `status` is what the proxy says it answered with,
    /// where it knows.
    pub fn record(&self, now: u64, status: Option<u16>) -> String {
        let (outcome, status) = self.ended_with(status);
        self.record.line_of(outcome, status, now)
    }

    /// What the exchange was, as FHIR AuditEvents, each of which is one line of JSON and has an id of its own;
    /// as [`record`](Self::record).
    pub fn events(&self, now: u64, status: Option<u16>) -> Vec<String> {
        let (outcome, status) = self.ended_with(status);
        event::events(&self.record, outcome, status, now)
    }

    /// Whether it was refused because its record would have no place.
    fn lacks_place(&self) -> bool {
        self.record.rule == Denial::Unavailable(NO_PLACE).rule()
    }

    /// Of whom its record is.
    fn recorded_of(&self) -> Caller {
        let record = &self.record;
        let went_on = matches!(record.outcome, Outcome::Allowed | Outcome::Withheld);
        match record.client {
            // Whoever shows a token that is not his, or not any more, is not the one whom it names.
            Some(_) if record.outcome != Outcome::Refused || record.status != 401 => Caller::Known,
            None if went_on || record.announced.is_some() => Caller::Public,
            _ => Caller::Unknown,
        }
    }

    fn ended_with(&self, status: Option<u16>) -> (Outcome, u16) {
        let own = self.record.status;
        let status = match (&self.phase, own, status) {
            // The head that is held has not left. Where the upstream broke off the proxy has
            // answered past us, and only it knows with what; else nobody got anything.
            (Phase::Holding { .. }, _, told) => told.filter(|told| *told != own).unwrap_or(0),
            (_, 0, Some(told)) => told,
            _ => own,
        };
        (self.outcome(), status)
    }

    /// The exchange is over; what was under way was cut short.
    pub fn end(&mut self) {
        self.ended = true;
        match std::mem::take(&mut self.phase) {
            Phase::Streaming { screen, on_fault } => {
                self.count(screen.counts());
                self.note_shown(&screen);
                self.phase = Phase::Streaming { screen, on_fault };
            }
            other => self.phase = other,
        }
        match &self.phase {
            Phase::Forwarded { .. }
            | Phase::ReadingBody { .. }
            | Phase::ReadingForm(_)
            | Phase::Charging { .. }
            | Phase::Bundle(_)
            | Phase::Verifying { .. }
            | Phase::Noting { .. }
            | Phase::ShuttingOut(_) => {
                self.record.outcome = Outcome::Cut;
            }
            Phase::Waiting(_)
            | Phase::Global(_)
            | Phase::Consenting(_)
            | Phase::Current(_)
            | Phase::Announcing(_) => {
                self.leave();
            }
            _ => {}
        }
    }

    fn forward(&mut self, sent: Sent, mut fields: Vec<Field>) {
        fields.extend(self.traced());
        // Less than before: that is always possible.
        self.share.hold(match &sent {
            Sent::One(_) => 0,
            Sent::Bundle(bundle) => bundle.held,
        });
        self.record.outcome = Outcome::Forwarded;
        self.record.write_asked_once();
        self.phase = Phase::Forwarded { sent, fields };
    }

    /// Refuses, whatever came before; a part of an answer must not have left yet.
    fn refuse(&mut self, denial: &Denial) -> Step {
        self.watched.refused(denial);
        let mut reply = denial.reply(&self.record.request_id, &self.challenge);
        reply.headers.extend(self.traced());
        let told =
            matches!(denial, Denial::Upstream(status) if *status == reply.status && *status < 500);
        self.record.outcome = match self.record.outcome {
            // The upstream's own answer to a permitted request, with its words taken out.
            Outcome::Forwarded if told => Outcome::Allowed,
            Outcome::Forwarded => Outcome::Withheld,
            _ => Outcome::Refused,
        };
        self.count(Counts::default());
        if self.record.outcome != Outcome::Allowed {
            self.record.rule = denial.rule();
        }
        self.record.status = reply.status;
        self.share.hold(0);
        self.phase = Phase::Refused;
        Step::Reply(reply)
    }

    /// A callback of the request that does not belong to the phase: nothing of it goes on.
    fn absorb_request(&mut self) -> Step {
        match self.phase {
            Phase::Refused | Phase::Foreign => Step::Hold,
            _ => Step::Reset,
        }
    }

    /// A callback that does not belong to the phase: after a refusal it is nothing new, anything
    /// else is cut.
    fn absorb(&mut self) -> Step {
        match self.phase {
            Phase::Refused | Phase::Foreign => Step::Continue,
            _ => Step::Reset,
        }
    }
}
