//! One exchange as the proxy keeps it: two directions, each with its held headers and its buffer.
//!
//! The rules are those of Envoy's filter manager and of its Wasm context: which map and which
//! buffer can be reached in which callback, what a Pause holds back, and what a release lets go.

use std::collections::BTreeMap;

use crate::memory::{Bytes, Headers, values};

/// What a callback answers, after what the host makes of it: a local reply forces a Pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// 0: what has come goes on.
    Continue,
    /// 1: headers are held; a body is kept in the proxy's buffer.
    Pause,
}

/// A direction of the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// From the client to the upstream; stream type 0.
    Request,
    /// From the upstream to the client; stream type 1.
    Response,
}

/// What left the proxy in one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// The header map; `None` while it is held.
    pub headers: Option<Headers>,
    /// All body bytes so far.
    pub body: Bytes,
    /// The trailers.
    pub trailers: Option<Headers>,
    /// Whether the receiver has seen the end of the stream.
    pub ended: bool,
}

/// An answer made by the proxy itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalReply {
    /// The status code.
    pub status: u32,
    /// The headers given with it, without those the proxy adds.
    pub headers: Headers,
    /// The body.
    pub body: Bytes,
    /// What becomes of `%RESPONSE_CODE_DETAILS%`.
    pub details: Bytes,
}

/// What a callback asked for and the proxy does after it.
pub enum Deferred {
    /// `proxy_send_local_response`.
    Reply(LocalReply),
    /// `proxy_continue_stream`.
    Continue(Side),
    /// `proxy_close_stream`.
    Close,
}

/// One direction.
#[derive(Default)]
pub struct Way {
    /// The header map, as the guest has left it.
    pub headers: Headers,
    /// The trailers, likewise.
    pub trailers: Headers,
    /// The headers have come.
    pub started: bool,
    /// The guest can reach the header map. Envoy takes it away when the header callback continues.
    pub headers_open: bool,
    /// The guest can reach the trailers.
    pub trailers_open: bool,
    /// The trailers have come.
    pub trailers_came: bool,
    /// The sender has ended the stream.
    pub ended: bool,
    /// No callback comes any more: answered locally, or reset.
    pub closed: bool,
    /// Body that came while headers were paused and body callbacks do not come; with end of stream.
    pub waiting: Option<(Bytes, bool)>,
    /// Trailers that came likewise.
    pub waiting_trailers: Option<Headers>,
    /// The header callback paused, and nothing has gone on since.
    pub headers_held: bool,
    /// What left.
    pub sent: Sent,
    trailers_held: bool,
    buffering: bool,
    buffered: Bytes,
    chunk: Option<Bytes>,
}

impl Way {
    /// The headers come.
    pub fn begin_headers(&mut self, headers: Headers, end: bool) {
        self.headers = headers;
        self.started = true;
        self.headers_open = true;
        self.ended = end;
    }

    /// The header callback is over.
    pub fn after_headers(&mut self, action: Action) {
        self.headers_held = action == Action::Pause;
        if action == Action::Continue {
            self.headers_open = false;
            self.release();
        }
    }

    /// A part of the body comes; gives the size that the callback is told: the part, or after a
    /// Pause everything kept so far.
    pub fn begin_body(&mut self, chunk: Bytes, end: bool) -> usize {
        self.ended = end;
        if self.buffering {
            self.buffered.extend(chunk);
            self.chunk = Some(Bytes::new());
            self.buffered.len()
        } else {
            let size = chunk.len();
            self.chunk = Some(chunk);
            size
        }
    }

    /// The body callback is over.
    pub fn after_body(&mut self, action: Action) {
        if self.closed {
            return;
        }
        let chunk = self.chunk.take().unwrap_or_default();
        self.buffered.extend(chunk);
        self.buffering = action == Action::Pause;
    }

    /// The trailers come.
    pub fn begin_trailers(&mut self, trailers: Headers) {
        self.trailers = trailers;
        self.trailers_open = true;
        self.trailers_came = true;
        self.ended = true;
    }

    /// The trailer callback is over.
    pub fn after_trailers(&mut self, action: Action) {
        self.trailers_held = action == Action::Pause;
        if action == Action::Continue {
            self.trailers_open = false;
            self.release();
        }
    }

    /// Everything held goes on.
    pub fn release(&mut self) {
        if self.closed || !self.started {
            return;
        }
        self.headers_held = false;
        self.trailers_held = false;
        if self.sent.headers.is_none() {
            self.sent.headers = Some(self.headers.clone());
        }
        self.sent.body.append(&mut self.buffered);
        if self.trailers_came && self.sent.trailers.is_none() {
            self.sent.trailers = Some(self.trailers.clone());
        }
        self.sent.ended = self.ended;
    }

    /// Nothing held ever goes on, and no callback comes.
    pub fn close(&mut self) {
        self.closed = true;
        self.buffered.clear();
        self.chunk = None;
        self.waiting = None;
        self.waiting_trailers = None;
    }

    /// Whether anything is held back by an earlier callback.
    pub fn paused(&self) -> bool {
        self.headers_held || self.buffering || self.trailers_held
    }

    /// Bytes in the proxy's buffer beyond `limit`, while something holds them there.
    pub fn excess(&self, limit: usize) -> Option<usize> {
        let kept = self.buffered.len();
        ((self.headers_held || self.buffering) && kept > limit).then_some(kept)
    }

    /// The body as the guest can read it.
    pub fn body(&self) -> &[u8] {
        match &self.chunk {
            Some(chunk) if !self.buffering => chunk,
            _ if self.buffering => &self.buffered,
            _ => &[],
        }
    }

    /// Writes to the body as Envoy's `Buffer::copyFrom` does: at 0, `length` bytes go and `data`
    /// comes before the rest; at or behind the end, `data` is appended; in between there is no
    /// edit. `None` is that refusal.
    pub fn write(&mut self, start: usize, length: usize, data: &[u8]) -> Option<()> {
        // Measured on Envoy 1.40: what is written in the trailer callback never leaves.
        if self.trailers_open {
            return Some(());
        }
        let buffer = match &mut self.chunk {
            Some(chunk) if !self.buffering => chunk,
            _ if self.buffering => &mut self.buffered,
            // No body at hand: the real host writes to a temporary, and says Ok.
            _ => return Some(()),
        };
        if start == 0 {
            buffer.splice(..length.min(buffer.len()), data.iter().copied());
        } else if start >= buffer.len() {
            buffer.extend(data);
        } else {
            return None;
        }
        Some(())
    }
}

/// One exchange.
#[derive(Default)]
pub struct Exchange {
    /// Client to upstream.
    pub request: Way,
    /// Upstream, or the proxy itself, to client.
    pub response: Way,
    /// Attributes of this exchange, path segments joined with NUL.
    pub attributes: BTreeMap<Bytes, Bytes>,
    /// What the proxy itself says of this exchange; an attribute of the test goes before.
    pub facts: BTreeMap<Bytes, Bytes>,
    /// Filter state, as `proxy_set_property` wrote it.
    pub filter_state: BTreeMap<Bytes, Bytes>,
    /// What is to be done after the callback.
    pub deferred: Vec<Deferred>,
    /// Every local reply, in order; more than one is a bug of the filter.
    pub replies: Vec<LocalReply>,
    /// Why the stream was reset.
    pub reset: Option<String>,
    /// The context exists in the guest.
    pub created: bool,
    /// The log callback runs.
    pub logging: bool,
    /// The client sent HEAD, whatever the guest made of it.
    pub head: bool,
}

impl Exchange {
    /// A direction.
    pub fn way(&mut self, side: Side) -> &mut Way {
        match side {
            Side::Request => &mut self.request,
            Side::Response => &mut self.response,
        }
    }

    /// A map the guest may read now: 0 and 1 request headers and trailers, 2 and 3 those of the
    /// response. The log callback sees all but the request trailers.
    pub fn map(&self, kind: u32) -> Option<&Headers> {
        let (request, response) = (&self.request, &self.response);
        match kind {
            0 if self.logging => request.started.then_some(&request.headers),
            2 if self.logging => match &response.sent.headers {
                Some(headers) => Some(headers),
                None => response.started.then_some(&response.headers),
            },
            3 if self.logging => response.trailers_came.then_some(&response.trailers),
            0 => request.headers_open.then_some(&request.headers),
            1 => request.trailers_open.then_some(&request.trailers),
            2 => response.headers_open.then_some(&response.headers),
            3 => response.trailers_open.then_some(&response.trailers),
            _ => None,
        }
    }

    /// A map the guest may change now.
    pub fn map_mut(&mut self, kind: u32) -> Option<&mut Headers> {
        let (request, response) = (&mut self.request, &mut self.response);
        match kind {
            0 => request.headers_open.then_some(&mut request.headers),
            1 => request.trailers_open.then_some(&mut request.trailers),
            2 => response.headers_open.then_some(&mut response.headers),
            3 => response.trailers_open.then_some(&mut response.trailers),
            _ => None,
        }
    }

    /// The stream ends here for both sides.
    pub fn reset(&mut self, why: &str) {
        self.reset.get_or_insert_with(|| why.to_owned());
        self.request.close();
        self.response.close();
        self.deferred.clear();
    }

    /// What no correct filter lets happen on the wire; checked when something left.
    pub fn fault_on_the_wire(&self) -> Option<String> {
        if let Some(headers) = &self.request.sent.headers {
            for name in [":method", ":path", ":authority"] {
                if values(headers, name).len() != 1 {
                    return Some(format!("the request went upstream without one {name}"));
                }
            }
        }
        if let Some(headers) = &self.response.sent.headers
            && values(headers, ":status").len() != 1
        {
            return Some("the response went downstream without one :status".into());
        }
        let sides = [("request", &self.request), ("response", &self.response)];
        for (name, way) in sides {
            let Some(headers) = way.sent.headers.as_ref() else {
                continue;
            };
            let said = values(headers, "content-length");
            let length = way.sent.body.len();
            let bodiless = self.head && name == "response" && length == 0;
            let not_modified = values(headers, ":status") == [b"304"] && length == 0;
            if way.sent.ended
                && !bodiless
                && !not_modified
                && said
                    .iter()
                    .any(|said| *said != length.to_string().as_bytes())
            {
                return Some(format!(
                    "the {name} said content-length {:?}, and {length} bytes left",
                    said.iter()
                        .map(|said| String::from_utf8_lossy(said))
                        .collect::<Vec<_>>()
                ));
            }
        }
        None
    }
}

impl LocalReply {
    /// The header map as Envoy sends it: the status first, a content type and length exactly if
    /// there is a body.
    pub fn wire(&self) -> Headers {
        let mut headers = vec![(b":status".to_vec(), self.status.to_string().into_bytes())];
        headers.extend(self.headers.iter().cloned());
        headers.retain(|(name, _)| name != b"content-length");
        if self.body.is_empty() {
            headers.retain(|(name, _)| name != b"content-type");
        } else {
            let length = self.body.len().to_string().into_bytes();
            headers.push((b"content-length".to_vec(), length));
            if values(&headers, "content-type").is_empty() {
                headers.push((b"content-type".to_vec(), b"text/plain".to_vec()));
            }
        }
        headers
    }
}
