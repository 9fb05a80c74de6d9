//! The contexts of proxy-wasm: each callback reads what the exchange needs, and carries out what it
//! answers.

use std::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};

use crate::config;
use crate::exchange::{Exchange, Guard, Step};
use crate::host::{self, Buffer, Map};
use crate::identity::{ConnectionAttributes, HostAlgorithms};
use crate::wire::Pair;

/// Registers the root context.
pub fn register() {
    proxy_wasm::set_root_context(|_| Box::new(Root { guard: None }));
}

/// One configuration on one worker.
struct Root {
    guard: Option<Rc<RefCell<Guard>>>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let configuration = host::buffer(Buffer::Configuration, size).unwrap_or_default();
        let fitting = config::read(&configuration).and_then(|policy| {
            config::fits(&policy, host::envoy_version())?;
            let algorithms = HostAlgorithms::asking(policy.questions(), host::verify_signature);
            Ok((policy, algorithms))
        });
        match fitting {
            Ok((policy, algorithms)) => {
                let names = match algorithms.names().as_slice() {
                    [] => "none".to_owned(),
                    names => names.join(" "),
                };
                self.guard = Some(Rc::new(RefCell::new(Guard::new(policy, algorithms))));
                log::info!(
                    "fhir-guard {} configured; signatures verified by Envoy: {names}",
                    env!("CARGO_PKG_VERSION")
                );
                true
            }
            Err(mistakes) => {
                log::error!("fhir-guard: the configuration is refused:\n{mistakes}");
                false
            }
        }
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        let guard = self.guard.clone();
        Some(Box::new(Stream {
            guard,
            exchange: Exchange::default(),
            over: Over::No,
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// One HTTP stream.
struct Stream {
    guard: Option<Rc<RefCell<Guard>>>,
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

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, ended: bool) -> Action {
        if self.over != Over::No {
            return Action::Pause;
        }
        let Some(guard) = self.guard.clone() else {
            return self.reset();
        };
        let pairs = host::header_map(Map::Request).unwrap_or_default();
        let counts_addresses = guard.borrow().counts_addresses();
        let attributes = ConnectionAttributes {
            mtls: host::property("connection\0mtls"),
            digest: host::property("connection\0sha256_peer_certificate_digest"),
            validated: host::property("connection\0peer_certificate_valid"),
            source: counts_addresses
                .then(|| host::property("source\0address"))
                .flatten(),
        };
        let step = self.exchange.request_headers(
            &mut guard.borrow_mut(),
            pairs,
            &attributes,
            host::now(),
            ended,
        );
        self.request_step(&guard, step, 0)
    }

    fn on_http_request_body(&mut self, size: usize, ended: bool) -> Action {
        let Some(guard) = self.guard.clone().filter(|_| self.over == Over::No) else {
            return Action::Pause;
        };
        let step = match host::buffer(Buffer::Request, size) {
            Some(piece) => self.exchange.request_body(&guard.borrow(), &piece, ended),
            None => self.exchange.host_failed(),
        };
        self.request_step(&guard, step, size)
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        let Some(guard) = self.guard.clone().filter(|_| self.over == Over::No) else {
            return Action::Pause;
        };
        let step = self.exchange.request_trailers();
        self.request_step(&guard, step, 0)
    }

    fn on_http_response_headers(&mut self, _count: usize, ended: bool) -> Action {
        // Our own reply comes back through here; request fields must not even be asked for then.
        if self.over != Over::No {
            return self.after_end();
        }
        let Some(guard) = self.guard.clone() else {
            return Action::Continue;
        };
        let pairs = host::header_map(Map::Response).unwrap_or_default();
        let details = host::property("response\0code_details");
        let step =
            self.exchange
                .response_headers(&guard.borrow(), &pairs, details.as_deref(), ended);
        self.response_step(step, 0)
    }

    fn on_http_response_body(&mut self, size: usize, ended: bool) -> Action {
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

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        if self.over != Over::No {
            return self.after_end();
        }
        let step = self.exchange.response_trailers();
        self.response_step(step, 0)
    }

    fn on_log(&mut self) {
        self.exchange.end();
        let status = (!self.exchange.knows_status())
            .then(|| host::property("response\0code"))
            .flatten()
            .and_then(|bytes| <[u8; 8]>::try_from(bytes).ok())
            .and_then(|bytes| u16::try_from(u64::from_le_bytes(bytes)).ok());
        host::set_audit(&self.exchange.record(host::now(), status));
    }
}

impl Stream {
    /// Carries out a step on the way in; `size` is that of the piece at hand.
    fn request_step(&mut self, guard: &RefCell<Guard>, step: Step, size: usize) -> Action {
        let mut step = step;
        if step == Step::Verify {
            let Some(check) = self.exchange.verifying() else {
                return self.reset();
            };
            let answer = host::verify_signature(check);
            step = self.exchange.verified(&mut guard.borrow_mut(), answer);
        }
        if step == Step::Charge {
            let Some(charging) = self.exchange.charging() else {
                return self.reset();
            };
            let verdict = host::charge(charging);
            step = self.exchange.charged(&guard.borrow(), &verdict);
        }
        let action = match &step {
            Step::Continue => return Action::Continue,
            Step::Forward(headers) => {
                host::set_header_map(Map::Request, headers).then_some(Action::Continue)
            }
            Step::HoldHead(headers) => {
                host::set_header_map(Map::Request, headers).then_some(Action::Pause)
            }
            Step::Hold => host::set_buffer(Buffer::Request, size, &[]).then_some(Action::Pause),
            Step::Write(bytes) => {
                host::set_buffer(Buffer::Request, size, bytes).then_some(Action::Continue)
            }
            Step::Reply(_)
            | Step::Reset
            | Step::Verify
            | Step::Charge
            | Step::Release(_)
            | Step::DropTrailers => {
                return self.stop(step);
            }
        };
        match action {
            Some(action) => {
                if action == Action::Continue {
                    // Kept early as well: should this worker die, the access log still tells.
                    // Not worth a look at the clock: it says `forwarded`, and nothing of durations.
                    host::set_audit(&self.exchange.record(0, None));
                }
                action
            }
            None => {
                let step = self.exchange.host_failed();
                self.stop(step)
            }
        }
    }

    /// Carries out a step on the way out; `size` is that of the piece at hand.
    fn response_step(&mut self, step: Step, size: usize) -> Action {
        let replace = |headers: &[Pair]| host::set_header_map(Map::Response, headers);
        let action = match &step {
            Step::Continue => return Action::Continue,
            Step::Release(headers) => replace(headers).then_some(Action::Continue),
            Step::HoldHead(headers) => replace(headers).then_some(Action::Pause),
            Step::Hold => host::set_buffer(Buffer::Response, size, &[]).then_some(Action::Pause),
            Step::Write(bytes) => {
                host::set_buffer(Buffer::Response, size, bytes).then_some(Action::Continue)
            }
            Step::DropTrailers => {
                host::set_header_map(Map::ResponseTrailers, &[]).then_some(Action::Continue)
            }
            Step::Reply(_) | Step::Reset | Step::Verify | Step::Charge | Step::Forward(_) => {
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
