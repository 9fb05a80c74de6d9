//! A whole exchange under a host that calls in any order, with anything, until it is cut.

mod model;
mod stage;

use fhir_guard::exchange::{Exchange, Guard, Step};
use fhir_guard::limit::Verdict;
use fhir_guard::shared::{Answer, Step as Charge, Work as _};
use fhir_guard::wire::{self, Pair};

use crate::input::Input;
use crate::token::{NOW, attributes};
use model::Model;
pub use stage::{ANSWERS, DETAILS, SCOPES, STATUSES, TARGETS, cold_policy};

/// The time of every exchange, in nanoseconds since 1970.
const NANOSECONDS: u64 = NOW * 1_000_000_000;

/// The most callbacks of one run.
const CALLS: usize = 64;

thread_local! {
    /// One worker, which remembers the tokens it has verified.
    static GUARD: std::cell::RefCell<Guard> = std::cell::RefCell::new(stage::guard());
}

/// A program that begins with this byte has a worker of its own, whose keys are yet to be fetched.
pub const COLD: u8 = 0xff;

/// A program: for each callback a byte that says which, and what it is called with; says whether a
/// request was forwarded.
///
/// # Panics
/// Where something happens for which there was no decision, or after which it must not.
pub fn check(bytes: &[u8]) -> bool {
    match bytes.split_first() {
        Some((&COLD, program)) => run(&mut stage::cold(), program, true),
        _ => GUARD.with_borrow_mut(|guard| run(guard, bytes, false)),
    }
}

fn run(guard: &mut Guard, program: &[u8], cold: bool) -> bool {
    let mut run = Run {
        exchange: Exchange::default(),
        model: Model::default(),
        now: NANOSECONDS,
    };
    run.model.cold = cold;
    let mut input = Input(program);
    for _ in 0..CALLS {
        // After a reset the shell calls no more.
        if input.is_empty() || run.model.reset {
            break;
        }
        run.call(guard, &mut input);
    }
    run.finish();
    run.model.forwarded
}

struct Run {
    exchange: Exchange,
    model: Model,
    /// Nanoseconds since 1970.
    now: u64,
}

impl Run {
    fn call(&mut self, guard: &mut Guard, input: &mut Input<'_>) {
        let call = input.byte();
        match call % 14 {
            0 => self.request_head(guard, input),
            1 => self.charge(guard, stage::shared),
            2 => {
                let mut answers = Input(input.chunk());
                self.charge(guard, |step| stage::lie(step, &mut answers));
            }
            3 => {
                let ended = input.byte() & 1 == 1;
                let waits = self.exchange.leaves_body();
                let step = self.exchange.request_body(guard, input.chunk(), ended);
                self.model.request_body(&step, waits);
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
            9 => self.whole_answer(guard, input),
            10 => self.fetch(guard, input),
            11 => self.wake(guard, input),
            12 => self.read(guard, input),
            _ => self.exchange.orphaned(),
        }
    }

    /// The upstream says what is there, asked or not.
    fn read(&mut self, guard: &Guard, input: &mut Input<'_>) {
        let asked = self.exchange.call(guard);
        assert!(asked.is_none() || self.exchange.is_waiting());
        let (answer, good) = stage::current(input.byte());
        let waits = self.exchange.is_waiting();
        let answer = answer.as_ref().map(|(head, body)| (head.as_slice(), *body));
        let step = self.exchange.answered(guard, answer);
        self.model.read(&step, waits && good);
    }

    /// A look, and the answer to the call if one is due.
    fn fetch(&mut self, guard: &mut Guard, input: &mut Input<'_>) {
        let answer = stage::key_answer(input.byte());
        let Some(mut look) = guard.look(0, self.now) else {
            return;
        };
        let looked = loop {
            let answer = match look.step() {
                Charge::Done(looked) => break looked,
                step => stage::shared(&step),
            };
            look.answer(answer);
        };
        drop(look);
        let (call, _) = guard.looked(0, &looked, self.now);
        if call.is_some() {
            let answer = answer
                .as_ref()
                .map(|(status, body)| (*status, body.as_slice()));
            self.model.keys |= guard.answered(0, answer).is_ok();
        }
    }

    /// Wakes the request after some tenths of a second.
    fn wake(&mut self, guard: &mut Guard, input: &mut Input<'_>) {
        self.now += u64::from(input.byte()) * 100_000_000;
        let waits = self.exchange.is_waiting();
        let step = self.exchange.wake(guard, self.now);
        self.model.woken(&step, waits);
        assert_eq!(self.exchange.is_waiting(), waits && step == Step::Wait);
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
        let now = self.now;
        let step = (self.exchange).request_headers(guard, &head, &connection, now, ended);
        if matches!(step, Step::Charge | Step::Wait) {
            self.model.changes = stage::is_confined(scope) && stage::changes(target);
        }
        if step == Step::Charge {
            self.model.confined = stage::is_confined(scope);
            // What is public passes as it is.
            self.model.pure &= !stage::is_public(target);
        }
        self.model.request_head(&step);
    }

    fn charge(&mut self, guard: &Guard, mut host: impl FnMut(&Charge<'_, Verdict>) -> Answer) {
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
        Step::Finish { .. } => true,
        _ => false,
    }
}
