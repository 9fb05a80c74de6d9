//! The phases of an exchange: what the proxy's filter manager does around each callback.

use crate::exchange::{Action, Deferred, Exchange, LocalReply, Sent, Side};
use crate::memory::{Bytes, Headers, values};
use crate::vm::Worker;

impl Worker {
    /// An exchange by its context.
    pub fn exchange(&mut self, id: u32) -> &mut Exchange {
        let state = self.store.data_mut();
        state
            .exchanges
            .get_mut(&id)
            .unwrap_or_else(|| panic!("the exchange {id} is finished"))
    }

    /// Creates the exchange's context in the guest, once.
    pub fn create(&mut self, id: u32) {
        if !std::mem::replace(&mut self.exchange(id).created, true) {
            let root = self.store.data().root;
            self.enter("proxy_on_context_create", &[id, root]);
            self.settle();
        }
    }

    /// Headers come; gives the action, `None` where the guest is not asked.
    pub fn headers(&mut self, id: u32, side: Side, headers: Headers, end: bool) -> Option<Action> {
        let exchange = self.exchange(id);
        if exchange.way(side).closed {
            return None;
        }
        if side == Side::Request {
            exchange.head = values(&headers, ":method") == [b"HEAD"];
        } else {
            let code = values(&headers, ":status").concat();
            let code = String::from_utf8_lossy(&code).parse::<i64>().unwrap_or(0);
            let code = code.to_le_bytes().to_vec();
            exchange.facts.insert(b"response\0code".to_vec(), code);
            let details = exchange.facts.entry(b"response\0code_details".to_vec());
            details.or_insert_with(|| b"via_upstream".to_vec());
        }
        let count = headers.len() as u32;
        exchange.way(side).begin_headers(headers, end);
        let name = match side {
            Side::Request => "proxy_on_request_headers",
            Side::Response => "proxy_on_response_headers",
        };
        let action = self.ask(id, name, &[count, u32::from(end)]);
        let way = self.exchange(id).way(side);
        way.after_headers(action.unwrap_or(Action::Continue));
        self.check(id);
        action
    }

    /// A part of a body comes.
    pub fn body(&mut self, id: u32, side: Side, chunk: Bytes, end: bool) -> Option<Action> {
        let (limit, calls_while_held) = {
            let world = self.world();
            (world.buffer_limit, world.allow_on_headers_stop_iteration)
        };
        let way = self.exchange(id).way(side);
        if way.closed {
            return None;
        }
        if way.headers_held && !calls_while_held {
            let waiting = way.waiting.get_or_insert_default();
            waiting.0.extend(chunk);
            waiting.1 = end;
            return None;
        }
        let size = way.begin_body(chunk, end) as u32;
        if self.too_large(id, side, limit) {
            return None;
        }
        let name = match side {
            Side::Request => "proxy_on_request_body",
            Side::Response => "proxy_on_response_body",
        };
        let action = self.ask(id, name, &[size, u32::from(end)]);
        let effective = action.unwrap_or(Action::Continue);
        self.exchange(id).way(side).after_body(effective);
        if !self.too_large(id, side, limit) && effective == Action::Continue {
            self.exchange(id).way(side).release();
        }
        self.check(id);
        action
    }

    /// Trailers come; they end the stream.
    pub fn trailers(&mut self, id: u32, side: Side, trailers: Headers) -> Option<Action> {
        let calls_while_held = self.world().allow_on_headers_stop_iteration;
        let way = self.exchange(id).way(side);
        if way.closed {
            return None;
        }
        if way.headers_held && !calls_while_held {
            way.waiting_trailers = Some(trailers);
            return None;
        }
        let count = trailers.len() as u32;
        way.begin_trailers(trailers);
        let name = match side {
            Side::Request => "proxy_on_request_trailers",
            Side::Response => "proxy_on_response_trailers",
        };
        let action = self.ask(id, name, &[count]);
        let way = self.exchange(id).way(side);
        way.after_trailers(action.unwrap_or(Action::Continue));
        self.check(id);
        action
    }

    /// The log callback. A context the guest never saw is created for it.
    pub fn log(&mut self, id: u32) {
        if self.store.data().failed.is_some() {
            return;
        }
        self.create(id);
        self.exchange(id).logging = true;
        self.enter("proxy_on_log", &[id]);
        self.exchange(id).logging = false;
        self.settle();
    }

    /// Done and delete; the exchange can only be looked at afterwards.
    pub fn destroy(&mut self, id: u32) {
        if self.exchange(id).created {
            self.enter("proxy_on_done", &[id]);
            self.enter("proxy_on_delete", &[id]);
        }
        let state = self.store.data_mut();
        if let Some(exchange) = state.exchanges.remove(&id) {
            state.finished.insert(id, exchange);
        }
    }

    /// An answer by the proxy: by this filter (at most one), by another one, or by the router.
    pub fn reply(&mut self, id: u32, reply: LocalReply) {
        let exchange = self.exchange(id);
        if exchange.reset.is_some() {
            return;
        }
        exchange.request.close();
        let code = i64::from(reply.status).to_le_bytes().to_vec();
        exchange.facts.insert(b"response\0code".to_vec(), code);
        let details = reply.details.clone();
        let path = b"response\0code_details".to_vec();
        exchange.facts.insert(path, details);
        let (headers, head) = (reply.wire(), exchange.head);
        let end = reply.body.is_empty() || head;
        if !exchange.response.started {
            // Through the encoder filters, ourselves included.
            self.headers(id, Side::Response, headers, end);
            if !end {
                self.body(id, Side::Response, reply.body, true);
            }
        } else {
            self.reply_past_filters(id, &reply);
        }
    }

    /// Does what the last callback asked for.
    pub fn settle(&mut self) {
        loop {
            let exchanges = &mut self.store.data_mut().exchanges;
            let asking = exchanges
                .iter_mut()
                .find(|(_, one)| !one.deferred.is_empty());
            let Some((id, exchange)) = asking else {
                return;
            };
            let (id, deferred) = (*id, exchange.deferred.remove(0));
            match deferred {
                Deferred::Reply(reply) => {
                    exchange.replies.push(reply.clone());
                    assert!(
                        exchange.replies.len() == 1,
                        "the filter sent a second local reply on one stream: {:?}",
                        exchange.replies
                    );
                    self.reply(id, reply);
                }
                Deferred::Continue(side) => self.go_on(id, side),
                Deferred::Close => exchange.reset("wasm_close_stream"),
            }
            self.check(id);
        }
    }

    /// The answer of a stream whose machine is lost.
    pub fn fail_stream(&mut self, id: u32) {
        let reply = LocalReply {
            status: 503,
            headers: Headers::new(),
            body: Bytes::new(),
            details: b"wasm_fail_stream".to_vec(),
        };
        self.exchange(id).request.close();
        self.reply_past_filters(id, &reply);
    }

    /// Calls the guest about an exchange and does what it asked for. `None` if it is not asked: its
    /// context does not exist, or its machine is lost.
    fn ask(&mut self, id: u32, name: &'static str, arguments: &[u32]) -> Option<Action> {
        if !self.exchange(id).created {
            return None;
        }
        let arguments: Vec<u32> = std::iter::once(id)
            .chain(arguments.iter().copied())
            .collect();
        let Some(result) = self.enter(name, &arguments) else {
            self.fail_stream(id);
            return None;
        };
        let deferred = &self.exchange(id).deferred;
        let replied = deferred.iter().any(|one| matches!(one, Deferred::Reply(_)));
        self.settle();
        match result {
            _ if replied => Some(Action::Pause),
            0 => Some(Action::Continue),
            1 => Some(Action::Pause),
            other => panic!("{name} returned {other}, which is no action"),
        }
    }

    /// Past the filters if no header has left yet; otherwise all that can be done is a reset.
    fn reply_past_filters(&mut self, id: u32, reply: &LocalReply) {
        let exchange = self.exchange(id);
        if exchange.response.sent.headers.is_some() {
            exchange.reset("local reply after the response headers had left");
            return;
        }
        exchange.response.close();
        exchange.response.sent = Sent {
            headers: Some(reply.wire()),
            body: if exchange.head {
                Bytes::new()
            } else {
                reply.body.clone()
            },
            trailers: None,
            ended: true,
        };
    }

    /// `continue_stream`: what is held goes on, and what has waited behind it is delivered. While
    /// nothing is held it does nothing, even if the running callback then pauses.
    fn go_on(&mut self, id: u32, side: Side) {
        let way = self.exchange(id).way(side);
        if way.closed || !way.paused() {
            return;
        }
        way.release();
        let (waiting, trailers) = (way.waiting.take(), way.waiting_trailers.take());
        if let Some((bytes, end)) = waiting {
            self.body(id, side, bytes, end);
        }
        if let Some(trailers) = trailers {
            self.trailers(id, side, trailers);
        }
    }

    /// A paused direction over the buffer limit. A request is answered 413. A response is a
    /// failure of the test: 500 or a reset instead of an answer, and if the guest wrote the bytes
    /// itself, the end of the proxy.
    fn too_large(&mut self, id: u32, side: Side, limit: usize) -> bool {
        let way = self.exchange(id).way(side);
        let Some(kept) = way.excess(limit) else {
            return false;
        };
        assert!(
            side == Side::Request,
            "envoy would have died, or answered 500 response_payload_too_large: {kept} bytes in the \
             paused response buffer, its limit is {limit}"
        );
        if !way.closed {
            let reply = LocalReply {
                status: 413,
                headers: Headers::new(),
                body: b"Payload Too Large".to_vec(),
                details: b"request_payload_too_large".to_vec(),
            };
            self.reply(id, reply);
        }
        true
    }

    fn check(&mut self, id: u32) {
        if let Some(fault) = self.exchange(id).fault_on_the_wire() {
            panic!("{fault}");
        }
    }
}
