//! One HTTP stream: each callback reads what the exchange needs, and carries out what it answers.

mod calls;

use std::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use super::ending::end;
use super::owed::{renew, settle};
use super::trail::Trail;
use super::worker::{Asker, Worker};
use crate::exchange::{Exchange, Guard, Step};
use crate::host::{self, Buffer, Map};
use crate::identity::ConnectionAttributes;
use crate::limit::KeyPart;
use crate::wire::{self, Pair};

/// The context of one HTTP stream.
pub(super) struct StreamContext {
    id: u32,
    stream: Rc<RefCell<Stream>>,
    worker: Worker,
    /// The calls that were sent in the name of this stream: their answers come to it alone.
    sent: Vec<u32>,
}

impl StreamContext {
    /// A stream before its first callback.
    pub fn new(id: u32, worker: Worker) -> Self {
        let guard = worker.guard();
        let known = guard.as_ref().and_then(|guard| guard.try_borrow().ok());
        let exchange = known.map(|guard| Exchange::of(&guard)).unwrap_or_default();
        let stream = Stream {
            guard,
            trail: worker.trail.clone(),
            ticket: None,
            orphaned: false,
            exchange,
            over: Over::No,
        };
        StreamContext {
            id,
            stream: Rc::new(RefCell::new(stream)),
            worker,
            sent: Vec::new(),
        }
    }

    /// Nothing else has the stream while a callback runs; should it be otherwise, nothing goes on.
    fn with<T>(&self, otherwise: T, callback: impl FnOnce(&mut Stream) -> T) -> T {
        match self.stream.try_borrow_mut() {
            Ok(mut stream) => callback(&mut stream),
            Err(_) => otherwise,
        }
    }

    /// A callback of the request, which may wait from now on, and ask what it waits for.
    fn request(&mut self, callback: impl FnOnce(&mut Stream) -> Action) -> Action {
        let (action, begins) = self.with((Action::Pause, false), |stream| {
            let before = stream.exchange.is_waiting();
            let action = callback(stream);
            (action, !before && stream.exchange.is_waiting())
        });
        if begins {
            self.worker.wait(self.id, &self.stream);
            self.sent.extend(self.worker.ask(Asker::Stream));
        }
        action
    }
}

impl Context for StreamContext {
    fn on_http_call_response(&mut self, call: u32, _headers: usize, size: usize, trailers: usize) {
        self.sent.retain(|sent| *sent != call);
        // What is said of one intent is nothing new for others.
        if self.worker.answered(call, size, trailers) {
            self.sent.extend(self.worker.wake(Asker::Stream));
        }
    }
}

/// What was asked in the name of a stream that is gone is asked again in another's.
impl Drop for StreamContext {
    fn drop(&mut self) {
        self.worker.orphaned(&self.sent);
    }
}

impl HttpContext for StreamContext {
    fn on_http_request_headers(&mut self, _count: usize, ended: bool) -> Action {
        self.request(|stream| stream.request_headers(ended))
    }

    fn on_http_request_body(&mut self, size: usize, ended: bool) -> Action {
        self.request(|stream| stream.request_body(size, ended))
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        self.with(Action::Pause, Stream::request_trailers)
    }

    fn on_http_response_headers(&mut self, _count: usize, ended: bool) -> Action {
        self.with(Action::Pause, |stream| stream.response_headers(ended))
    }

    fn on_http_response_body(&mut self, size: usize, ended: bool) -> Action {
        self.with(Action::Pause, |stream| stream.response_body(size, ended))
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        self.with(Action::Pause, Stream::response_trailers)
    }

    fn on_log(&mut self) {
        self.with((), Stream::log);
    }
}

/// One HTTP stream.
pub(super) struct Stream {
    guard: Option<Rc<RefCell<Guard>>>,
    trail: Trail,
    /// What its early copy and its record have in common, once it has gone on.
    ticket: Option<u64>,
    /// What it wanted to know was asked in the name of a stream that is gone.
    orphaned: bool,
    exchange: Exchange,
    over: Over,
}

/// Whether the filter has ended the stream: no further answer may be tried then.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Over {
    No,
    /// A local reply is under way; it comes back through the callbacks of the answer.
    Replied,
    /// Cut. Should the host not have done it, nothing goes on all the same.
    Reset,
}

impl Stream {
    fn request_headers(&mut self, ended: bool) -> Action {
        if self.over != Over::No {
            return Action::Pause;
        }
        let Some(guard) = self.guard.clone() else {
            return self.reset();
        };
        let map = host::header_map(Map::Request).unwrap_or_default();
        let pairs = wire::view(&map).unwrap_or_default();
        let needs_address = guard.borrow().needs_address();
        let counts_routes = guard.borrow().counts_by(KeyPart::Route);
        let digest = host::property("connection\0sha256_peer_certificate_digest");
        let asks = guard.borrow().asks(digest.as_deref());
        let attributes = ConnectionAttributes {
            // Worth a call only where there is no certificate to be seen.
            mtls: digest
                .as_ref()
                .is_none_or(Vec::is_empty)
                .then(|| host::property("connection\0mtls"))
                .flatten(),
            subject: asks
                .subject
                .then(|| host::property("connection\0subject_peer_certificate"))
                .flatten(),
            leaf: asks
                .leaf
                .then(|| host::property("connection\0peer_certificate"))
                .flatten(),
            digest,
            validated: host::property("connection\0peer_certificate_valid"),
            source: needs_address
                .then(|| host::property("source\0address"))
                .flatten(),
            route: counts_routes
                .then(|| host::property("xds\0route_name"))
                .flatten(),
        };
        let step = self.exchange.request_headers(
            &mut guard.borrow_mut(),
            &pairs,
            &attributes,
            host::now(),
            ended,
        );
        self.request_step(&guard, step, 0)
    }

    fn request_body(&mut self, size: usize, ended: bool) -> Action {
        let Some(guard) = self.guard.clone().filter(|_| self.over == Over::No) else {
            return Action::Pause;
        };
        renew(&mut self.exchange);
        let step = if self.exchange.leaves_body() && !ended {
            self.exchange.body_grows(&guard.borrow(), size)
        } else {
            match host::buffer(Buffer::Request, size) {
                Some(piece) => self.exchange.request_body(&guard.borrow(), &piece, ended),
                None => self.exchange.host_failed(),
            }
        };
        self.request_step(&guard, step, size)
    }

    fn request_trailers(&mut self) -> Action {
        let Some(guard) = self.guard.clone().filter(|_| self.over == Over::No) else {
            return Action::Pause;
        };
        let step = self.exchange.request_trailers();
        self.request_step(&guard, step, 0)
    }

    fn response_headers(&mut self, ended: bool) -> Action {
        // Our own reply comes back through here; request fields must not even be asked for then.
        if self.over != Over::No {
            return self.after_end();
        }
        let Some(guard) = self.guard.clone() else {
            return Action::Continue;
        };
        let map = host::header_map(Map::Response).unwrap_or_default();
        let pairs = wire::view(&map).unwrap_or_default();
        let details = host::property("response\0code_details");
        let step =
            self.exchange
                .response_headers(&guard.borrow(), &pairs, details.as_deref(), ended);
        self.response_step(step, 0)
    }

    fn response_body(&mut self, size: usize, ended: bool) -> Action {
        if self.over != Over::No {
            return self.after_end();
        }
        let Some(guard) = self.guard.clone().filter(|_| self.exchange.screens()) else {
            return Action::Continue;
        };
        let step = match host::buffer(Buffer::Response, size) {
            Some(piece) => self.exchange.response_body(&guard.borrow(), &piece, ended),
            None => self.exchange.host_failed(),
        };
        self.response_step(step, size)
    }

    fn response_trailers(&mut self) -> Action {
        if self.over != Over::No {
            return self.after_end();
        }
        let step = self.exchange.response_trailers();
        self.response_step(step, 0)
    }

    fn log(&mut self) {
        let guard = self.guard.as_deref();
        end(&mut self.exchange, guard, &self.trail, self.ticket.take());
    }

    /// Carries out a step outside of a callback of the request.
    fn go_on(&mut self, guard: &RefCell<Guard>, step: Step) {
        // Whatever of the body is in the proxy's buffer makes way for what is written.
        let all = u32::MAX as usize;
        if self.request_step(guard, step, all) == Action::Continue && !host::continue_request() {
            let step = self.exchange.host_failed();
            self.stop(step);
        }
    }

    /// Carries out a step on the way in; `size` is that of the piece at hand.
    fn request_step(&mut self, guard: &RefCell<Guard>, step: Step, size: usize) -> Action {
        let Some(step) = self.asked(guard, step) else {
            return self.reset();
        };
        let action = match &step {
            Step::Continue => return Action::Continue,
            Step::Forward(headers) => {
                host::set_header_map(Map::Request, headers).then_some(Action::Continue)
            }
            Step::Rewrite {
                headers,
                came,
                body,
            } => {
                let written = host::set_header_map(Map::Request, headers)
                    && host::set_buffer(Buffer::Request, *came, body);
                written.then_some(Action::Continue)
            }
            Step::HoldHead(headers) => {
                host::set_header_map(Map::Request, headers).then_some(Action::Pause)
            }
            // What comes of the body meanwhile stays in the proxy's buffer.
            Step::Wait => return Action::Pause,
            Step::Hold => host::set_buffer(Buffer::Request, size, &[]).then_some(Action::Pause),
            Step::Write(bytes) => {
                host::set_buffer(Buffer::Request, size, bytes).then_some(Action::Continue)
            }
            Step::Reply(_)
            | Step::Reset
            | Step::Verify
            | Step::Note
            | Step::ShutOut
            | Step::Charge
            | Step::Consult
            | Step::Release(_)
            | Step::Finish { .. }
            | Step::DropTrailers => {
                return self.stop(step);
            }
        };
        match action {
            Some(action) => {
                if action == Action::Continue {
                    // Kept early as well: should this worker die, the access log still tells.
                    // Not worth a look at the clock: it says `forwarded`, and nothing of durations.
                    self.trail
                        .early(self.exchange.record(0, None), &mut self.ticket);
                }
                action
            }
            None => {
                let step = self.exchange.host_failed();
                self.stop(step)
            }
        }
    }

    /// Asks the host what the exchange wants to know, until it wants something else. Absent where the
    /// exchange does not know what it wanted.
    fn asked(&mut self, guard: &RefCell<Guard>, mut step: Step) -> Option<Step> {
        loop {
            step = match step {
                Step::Verify => {
                    let answer = host::verify_signature(self.exchange.verifying()?);
                    self.exchange.verified(&mut guard.borrow_mut(), answer)
                }
                Step::Note => {
                    let outcome = host::share(self.exchange.noting()?);
                    self.exchange.noted(&guard.borrow(), outcome)
                }
                Step::ShutOut => {
                    let found = host::share(self.exchange.shutting_out()?);
                    self.exchange.shut_out(&mut guard.borrow_mut(), found)
                }
                Step::Charge => {
                    let verdict = host::share(self.exchange.charging()?);
                    self.exchange.charged(&guard.borrow(), &verdict)
                }
                Step::Consult => {
                    let found = host::share(self.exchange.consulting(host::now())?);
                    self.exchange.consulted(&guard.borrow(), found)
                }
                step => return Some(step),
            };
        }
    }

    /// Carries out a step on the way out; `size` is that of the piece at hand.
    fn response_step(&mut self, step: Step, size: usize) -> Action {
        settle(&mut self.exchange);
        renew(&mut self.exchange);
        let replace = |headers: &[Pair]| host::set_header_map(Map::Response, headers);
        let action = match &step {
            Step::Continue => return Action::Continue,
            Step::Release(headers) => replace(headers).then_some(Action::Continue),
            Step::HoldHead(headers) => replace(headers).then_some(Action::Pause),
            Step::Hold => host::set_buffer(Buffer::Response, size, &[]).then_some(Action::Pause),
            Step::Write(bytes) => {
                host::set_buffer(Buffer::Response, size, bytes).then_some(Action::Continue)
            }
            Step::Finish { headers, body } => {
                let written = replace(headers) && host::set_buffer(Buffer::Response, size, body);
                written.then_some(Action::Continue)
            }
            Step::DropTrailers => {
                host::set_header_map(Map::ResponseTrailers, &[]).then_some(Action::Continue)
            }
            Step::Reply(_)
            | Step::Reset
            | Step::Verify
            | Step::Note
            | Step::ShutOut
            | Step::Wait
            | Step::Charge
            | Step::Consult
            | Step::Forward(_)
            | Step::Rewrite { .. } => {
                return self.stop(step);
            }
        };
        action.unwrap_or_else(|| {
            let step = self.exchange.host_failed();
            self.stop(step)
        })
    }

    /// Ends the stream: by an answer of our own where one is still possible, otherwise by a reset.
    fn stop(&mut self, step: Step) -> Action {
        settle(&mut self.exchange);
        match step {
            Step::Reply(reply) if self.over == Over::No && host::reply(&reply) => {
                self.over = Over::Replied;
                Action::Pause
            }
            _ => self.reset(),
        }
    }

    fn reset(&mut self) -> Action {
        self.over = Over::Reset;
        host::reset_response();
        Action::Pause
    }

    /// A callback of the answer after the filter has ended the stream.
    fn after_end(&mut self) -> Action {
        match self.over {
            Over::No | Over::Replied => Action::Continue,
            // It was to be cut, and is still there.
            Over::Reset => self.reset(),
        }
    }
}
