//! A whole exchange under a host that calls in any order, with anything, until it is cut.

mod model;
mod stage;

use fhir_guard::exchange::{Exchange, Guard, Step};
use fhir_guard::limit::{Answer, Step as Charge, Verdict};
use fhir_guard::wire::{self, Pair};

use crate::input::Input;
use crate::token::{NOW, attributes};
use model::Model;
pub use stage::{ANSWERS, DETAILS, SCOPES, STATUSES, TARGETS};

/// The time of every exchange, in nanoseconds since 1970.
const NANOSECONDS: u64 = NOW * 1_000_000_000;

/// The most callbacks of one run.
const CALLS: usize = 64;

thread_local! {
    /// One worker, which remembers the tokens it has verified.
    static GUARD: std::cell::RefCell<Guard> = std::cell::RefCell::new(stage::guard());
}

/// A program: for each callback a byte that says which, and what it is called with; says whether a
/// request was forwarded.
///
/// # Panics
/// Where something happens for which there was no decision, or after which it must not.
pub fn check(bytes: &[u8]) -> bool {
    GUARD.with_borrow_mut(|guard| {
        let mut run = Run {
            exchange: Exchange::default(),
            model: Model::default(),
        };
        let mut input = Input(bytes);
        for _ in 0..CALLS {
            // After a reset the shell calls no more.
            if input.is_empty() || run.model.reset {
                break;
            }
            run.call(guard, &mut input);
        }
        run.finish();
        run.model.forwarded
    })
}

struct Run {
    exchange: Exchange,
    model: Model,
}

impl Run {
    fn call(&mut self, guard: &mut Guard, input: &mut Input<'_>) {
        let call = input.byte();
        match call % 10 {
            0 => self.request_head(guard, input),
            1 => self.charge(guard, stage::shared),
            2 => {
                let mut answers = Input(input.chunk());
                self.charge(guard, |step| stage::lie(step, &mut answers));
            }
            3 => {
                let ended = input.byte() & 1 == 1;
                let step = self.exchange.request_body(guard, input.chunk(), ended);
                self.model.request_body(&step);
            }
            4 => {
                let step = self.exchange.request_trailers();
                self.model.trailers_of_request(&step);
            }
            5 => self.answer_head(guard, input),
            6 => {
                let ended = input.byte() & 1 == 1;
                let piece = input.chunk();
                self.model.pure = false;
                self.answer_body(guard, piece, ended);
            }
            7 => {
                let step = self.exchange.response_trailers();
                self.model.trailers(&step);
            }
            // Nobody asks the host about a signature here, so that its answer is out of turn.
            8 if call >= 0x80 => {
                let answer = [Some(true), Some(false), None][usize::from(call) % 3];
                let step = self.exchange.verified(guard, answer);
                self.model.failed(&step);
            }
            8 => {
                let step = self.exchange.host_failed();
                self.model.failed(&step);
            }
            _ => self.whole_answer(guard, input),
        }
    }

    fn request_head(&mut self, guard: &mut Guard, input: &mut Input<'_>) {
        let (scope, target, flags) = (input.byte(), input.byte(), input.byte());
        let mut connection = attributes();
        let mut head = stage::head(scope, target);
        if flags & 2 != 0 {
            head.extend(wire::decode(input.chunk()).unwrap_or_default());
        }
        if flags & 4 != 0 {
            connection.digest = Some(input.chunk().to_vec());
            connection.source = Some(input.chunk().to_vec());
        }
        let ended = flags & 1 == 1;
        let now = NANOSECONDS;
        let step = (self.exchange).request_headers(guard, head, &connection, now, ended);
        if step == Step::Charge {
            self.model.confined = stage::is_confined(scope);
            // What is public passes as it is.
            self.model.pure &= !stage::is_public(target);
        }
        self.model.request_head(&step);
    }

    fn charge(&mut self, guard: &Guard, mut host: impl FnMut(&Charge<'_>) -> Answer) {
        let mut verdict = None;
        if let Some(charging) = self.exchange.charging() {
            for _ in 0..64 {
                let answer = match charging.step() {
                    Charge::Done(done) => {
                        verdict = Some(done);
                        break;
                    }
                    step => host(&step),
                };
                charging.answer(answer);
            }
            assert!(verdict.is_some(), "charging does not end");
        }
        // Told out of turn, a verdict is nobody's.
        let charging = verdict.is_some();
        let verdict = verdict.unwrap_or(Verdict {
            allowed: true,
            refused_by: None,
            retry_after_seconds: 0,
            remaining: Vec::new(),
            contended: false,
        });
        let step = self.exchange.charged(guard, &verdict);
        self.model.charged(&step, charging && verdict.allowed);
    }

    fn answer_head(&mut self, guard: &Guard, input: &mut Input<'_>) {
        let (status, details, flags) = (input.byte(), input.byte(), input.byte());
        let mut head: Vec<Pair> = stage::answer_head(status);
        if flags & 2 != 0 {
            head.extend(wire::decode(input.chunk()).unwrap_or_default());
        }
        let details = DETAILS[usize::from(details) % DETAILS.len()].map(str::as_bytes);
        let ended = flags & 1 == 1;
        let step = self.exchange.response_headers(guard, &head, details, ended);
        self.model.answer_head(&step, details);
    }

    fn answer_body(&mut self, guard: &Guard, piece: &[u8], ended: bool) {
        let screens = self.exchange.screens();
        let step = self.exchange.response_body(guard, piece, ended);
        self.model.answer_body(&step, screens);
    }

    /// One of our answers, in pieces of a size, to its end.
    fn whole_answer(&mut self, guard: &Guard, input: &mut Input<'_>) {
        let (which, size) = (input.byte(), input.byte());
        let body = ANSWERS[usize::from(which) % ANSWERS.len()];
        let size = usize::from(size).max(1) * 8;
        let pieces = body.len().div_ceil(size);
        for (index, piece) in body.as_bytes().chunks(size).enumerate() {
            self.answer_body(guard, piece, index + 1 == pieces);
        }
        self.model.answers += 1;
    }

    fn finish(&mut self) {
        self.exchange.end();
        for status in [None, Some(0), Some(200), Some(u16::MAX)] {
            let line = self.exchange.record(NANOSECONDS + 5_000, status);
            self.model.record(&line);
        }
        self.model.finish();
    }
}

/// Whether a step gives anything of an answer to the client.
fn gives(step: &Step) -> bool {
    match step {
        Step::Release(_) => true,
        Step::Write(bytes) => !bytes.is_empty(),
        _ => false,
    }
}
