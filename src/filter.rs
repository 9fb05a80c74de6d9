//! The contexts of proxy-wasm: each callback reads what the exchange needs, and carries out what it
//! answers.

use std::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};

use crate::config;
use crate::exchange::{Exchange, Guard, Step};
use crate::host::{self, Buffer, Map};
use crate::identity::ConnectionAttributes;
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
        match config::read(&configuration) {
            Ok(policy) => {
                self.guard = Some(Rc::new(RefCell::new(Guard::new(policy))));
                log::info!("fhir-guard {} configured", env!("CARGO_PKG_VERSION"));
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
            replied: false,
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
    /// A local reply or a reset is under way: no further call may touch the stream.
    replied: bool,
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, ended: bool) -> Action {
        let Some(guard) = self.guard.clone() else {
            return self.reset();
        };
        let pairs = host::header_map(Map::Request).unwrap_or_default();
        let attributes = ConnectionAttributes {
            mtls: host::property(&["connection", "mtls"]),
            digest: host::property(&["connection", "sha256_peer_certificate_digest"]),
            validated: host::property(&["connection", "peer_certificate_valid"]),
            source: host::property(&["source", "address"]),
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
        let Some(guard) = self.guard.clone().filter(|_| !self.replied) else {
            return Action::Pause;
        };
        let step = match host::buffer(Buffer::Request, size) {
            Some(piece) => self.exchange.request_body(&guard.borrow(), &piece, ended),
            None => self.exchange.host_failed(),
        };
        self.request_step(&guard, step, size)
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        let Some(guard) = self.guard.clone().filter(|_| !self.replied) else {
            return Action::Pause;
        };
        let step = self.exchange.request_trailers();
        self.request_step(&guard, step, 0)
    }

    fn on_http_response_headers(&mut self, _count: usize, ended: bool) -> Action {
        // Our own reply comes back through here; request fields must not even be asked for then.
        let Some(guard) = self.guard.clone().filter(|_| !self.replied) else {
            return Action::Continue;
        };
        let pairs = host::header_map(Map::Response).unwrap_or_default();
        let details = host::property(&["response", "code_details"]);
        let step =
            self.exchange
                .response_headers(&guard.borrow(), &pairs, details.as_deref(), ended);
        self.response_step(step, 0)
    }

    fn on_http_response_body(&mut self, size: usize, ended: bool) -> Action {
        let guard = self
            .guard
            .clone()
            .filter(|_| !self.replied && self.exchange.screens());
        let Some(guard) = guard else {
            return Action::Continue;
        };
        let step = match host::buffer(Buffer::Response, size) {
            Some(piece) => self.exchange.response_body(&guard.borrow(), &piece, ended),
            None => self.exchange.host_failed(),
        };
        self.response_step(step, size)
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        if self.replied {
            return Action::Continue;
        }
        let step = self.exchange.response_trailers();
        self.response_step(step, 0)
    }

    fn on_log(&mut self) {
        self.exchange.end();
        let status = host::property(&["response", "code"])
            .and_then(|bytes| <[u8; 8]>::try_from(bytes).ok())
            .and_then(|bytes| u16::try_from(u64::from_le_bytes(bytes)).ok());
        host::set_audit(&self.exchange.record(host::now(), status));
    }
}

impl Stream {
    /// Carries out a step on the way in; `size` is that of the piece at hand.
    fn request_step(&mut self, guard: &RefCell<Guard>, step: Step, size: usize) -> Action {
        let mut step = step;
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
            Step::Reply(_) | Step::Reset | Step::Charge | Step::Release(_) | Step::DropTrailers => {
                return self.stop(step);
            }
        };
        match action {
            Some(action) => {
                if action == Action::Continue {
                    // Kept early as well: should this worker die, the access log still tells.
                    host::set_audit(&self.exchange.record(host::now(), None));
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
            Step::Reply(_) | Step::Reset | Step::Charge | Step::Forward(_) => {
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
            Step::Reply(reply) if !self.replied && host::reply(&reply) => {
                self.replied = true;
                Action::Pause
            }
            _ => self.reset(),
        }
    }

    fn reset(&mut self) -> Action {
        self.replied = true;
        host::reset_response();
        Action::Pause
    }
}
