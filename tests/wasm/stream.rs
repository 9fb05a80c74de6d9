//! One exchange, as a test drives it.

use std::cell::RefMut;

use crate::exchange::{Action, Exchange, LocalReply, Sent, Side};
use crate::memory::{Bytes, Headers};
use crate::vm::Vm;

/// One exchange on one virtual machine. The test is client, upstream and proxy configuration; it
/// calls what would happen, in the order it would happen.
pub struct Stream {
    vm: Vm,
    id: u32,
}

/// What one callback did, as the host saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The action; `None` if the guest was not called, because the stream was answered or reset
    /// before, its machine was lost, or the callback waits behind paused headers.
    pub action: Option<Action>,
    /// The local reply the filter sent in this callback.
    pub reply: Option<LocalReply>,
    /// The header map that left in this callback, in its direction.
    pub forwarded: Option<Headers>,
    /// Body bytes that left in this callback, in its direction.
    pub left: Bytes,
    /// The direction's end of stream has left, now or before.
    pub ended: bool,
    /// Why the stream is reset, if it is.
    pub reset: Option<String>,
}

/// Header lines from text.
pub fn lines(pairs: &[(&str, &str)]) -> Headers {
    let line = |(name, value): &(&str, &str)| (name.as_bytes().into(), value.as_bytes().into());
    pairs.iter().map(line).collect()
}

impl Stream {
    /// The exchange with this context.
    pub fn new(vm: Vm, id: u32) -> Self {
        Self { vm, id }
    }

    /// Sets an attribute of this exchange, such as `["connection", "mtls"]`, in its wire form:
    /// text raw, numbers and timestamps 8 bytes little-endian, booleans 1 byte.
    pub fn attribute(&self, path: &[&str], value: &[u8]) {
        let path = path.join("\0").into_bytes();
        self.exchange().attributes.insert(path, value.to_vec());
    }

    /// The client's request headers come.
    pub fn on_request_headers(&self, headers: Headers, end: bool) -> Outcome {
        self.vm.worker().create(self.id);
        self.headers(Side::Request, headers, end)
    }

    /// A part of the request body comes.
    pub fn on_request_body(&self, chunk: &[u8], end: bool) -> Outcome {
        self.body(Side::Request, chunk, end)
    }

    /// The request's trailers come, and end it; no body part ended it then.
    pub fn on_request_trailers(&self, trailers: Headers) -> Outcome {
        self.trailers(Side::Request, trailers)
    }

    /// The upstream's response headers come. Panics if no request went upstream: the test is wrong.
    pub fn on_response_headers(&self, headers: Headers, end: bool) -> Outcome {
        let exchange = self.exchange();
        let answered = exchange.request.closed;
        let asked = exchange.request.sent.headers.is_some();
        drop(exchange);
        assert!(
            asked || answered,
            "an upstream cannot answer a request that is still held"
        );
        self.headers(Side::Response, headers, end)
    }

    /// A part of the response body comes.
    pub fn on_response_body(&self, chunk: &[u8], end: bool) -> Outcome {
        self.body(Side::Response, chunk, end)
    }

    /// The response's trailers come, and end it.
    pub fn on_response_trailers(&self, trailers: Headers) -> Outcome {
        self.trailers(Side::Response, trailers)
    }

    /// Another filter or the router answers: its reply passes through our response callbacks.
    /// Before the request headers came here, the guest does not see it at all.
    pub fn on_foreign_reply(&self, reply: LocalReply) -> Outcome {
        self.observe(Side::Response, |stream| {
            stream.vm.worker().reply(stream.id, reply);
            None
        })
    }

    /// The client, or the upstream, goes away in the middle.
    pub fn on_reset(&self) {
        self.exchange().reset("the peer went away");
    }

    /// The log callback.
    pub fn on_log(&self) {
        self.vm.worker().log(self.id);
    }

    /// Done and delete: the end of the context. The exchange can still be looked at.
    pub fn on_done(&self) {
        self.vm.worker().destroy(self.id);
    }

    /// The end of every exchange: log, done, delete.
    pub fn finish(&self) {
        self.on_log();
        self.on_done();
    }

    /// What went upstream so far.
    pub fn upstream(&self) -> Sent {
        self.exchange().request.sent.clone()
    }

    /// What the client got so far.
    pub fn downstream(&self) -> Sent {
        self.exchange().response.sent.clone()
    }

    /// The filter's local reply.
    pub fn reply(&self) -> Option<LocalReply> {
        self.exchange().replies.first().cloned()
    }

    /// Why the stream was reset, if it was.
    pub fn reset(&self) -> Option<String> {
        self.exchange().reset.clone()
    }

    /// The filter state of this name (one segment: more than one prints nothing in an access log).
    pub fn filter_state(&self, name: &str) -> Option<Bytes> {
        self.exchange().filter_state.get(name.as_bytes()).cloned()
    }

    /// Every name of filter state that was set.
    pub fn filter_state_names(&self) -> Vec<Bytes> {
        self.exchange().filter_state.keys().cloned().collect()
    }

    /// The context's number.
    pub fn context(&self) -> u32 {
        self.id
    }

    fn headers(&self, side: Side, headers: Headers, end: bool) -> Outcome {
        self.observe(side, |stream| {
            stream.vm.worker().headers(stream.id, side, headers, end)
        })
    }

    fn body(&self, side: Side, chunk: &[u8], end: bool) -> Outcome {
        self.in_order(side);
        self.observe(side, |stream| {
            stream
                .vm
                .worker()
                .body(stream.id, side, chunk.to_vec(), end)
        })
    }

    fn trailers(&self, side: Side, trailers: Headers) -> Outcome {
        self.in_order(side);
        self.observe(side, |stream| {
            stream.vm.worker().trailers(stream.id, side, trailers)
        })
    }

    fn in_order(&self, side: Side) {
        let mut exchange = self.exchange();
        let way = exchange.way(side);
        assert!(
            way.closed || way.started && !way.ended,
            "the test sends a body or trailers before the headers, or after the end"
        );
    }

    fn observe(&self, side: Side, act: impl FnOnce(&Self) -> Option<Action>) -> Outcome {
        let before = {
            let mut exchange = self.exchange();
            let replied = !exchange.replies.is_empty();
            let sent = &exchange.way(side).sent;
            (sent.headers.is_some(), sent.body.len(), replied)
        };
        let action = act(self);
        let mut exchange = self.exchange();
        let reply = exchange.replies.first().filter(|_| !before.2).cloned();
        let reset = exchange.reset.clone();
        let sent = &exchange.way(side).sent;
        Outcome {
            action,
            reply,
            forwarded: sent.headers.clone().filter(|_| !before.0),
            left: sent.body[before.1..].to_vec(),
            ended: sent.ended,
            reset,
        }
    }

    fn exchange(&self) -> RefMut<'_, Exchange> {
        RefMut::map(self.vm.worker(), |worker| {
            let state = worker.store.data_mut();
            match state.finished.get_mut(&self.id) {
                Some(exchange) => exchange,
                None => state
                    .exchanges
                    .get_mut(&self.id)
                    .expect("an exchange lives as long as its stream"),
            }
        })
    }
}

impl Drop for Stream {
    /// A test that ends an exchange in the middle leaves its context to the machine.
    fn drop(&mut self) {
        // A panic inside the machine holds the borrow; there is nothing to clean up then.
        if !std::thread::panicking() {
            let mut worker = self.vm.worker();
            worker.store.data_mut().finished.remove(&self.id);
        }
    }
}
