//! An answer ready to be written: headers, pieces of the body, and how it ends.

use std::time::Duration;

use hyper::body::Bytes;

use super::hostile;
use super::json::{self, Style};
use super::message::{Ask, Content, Reply};

/// What `content-length` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// The truth.
    Length,
    /// Nothing: the body is chunked.
    Chunked,
    /// This number, whatever follows.
    Claimed(u64),
}

/// One answer.
#[derive(Clone, Debug)]
pub struct Wire {
    /// HTTP status.
    pub status: u16,
    /// Lower-case names, in order, without framing headers.
    pub headers: Vec<(String, String)>,
    /// The body in the pieces to send.
    pub pieces: Vec<Bytes>,
    /// Time between pieces.
    pub pause: Duration,
    /// Trailers, for chunked answers.
    pub trailers: Vec<(String, String)>,
    /// What the length says.
    pub framing: Framing,
}

impl Wire {
    /// An answer sent whole.
    pub fn new(status: u16, headers: Vec<(String, String)>, body: Vec<u8>) -> Self {
        let pieces = if body.is_empty() {
            Vec::new()
        } else {
            vec![Bytes::from(body)]
        };
        Self {
            status,
            headers,
            pieces,
            pause: Duration::ZERO,
            trailers: Vec::new(),
            framing: Framing::Length,
        }
    }

    /// The honest answer: JSON as people write it, gzip when asked for.
    pub fn honest(reply: Reply, ask: &Ask) -> Self {
        let mut reply = reply;
        let mut body = match &reply.content {
            Content::Empty => Vec::new(),
            Content::Resource(resource) => json::write(resource, &Style::default()),
            Content::Raw(bytes) => bytes.clone(),
        };
        let asked = ask
            .header("accept-encoding")
            .is_some_and(|value| value.contains("gzip"));
        if asked && !body.is_empty() {
            body = hostile::gzip(&body);
            reply.set("content-encoding", "gzip");
        }
        Self::new(reply.status, reply.headers, body)
    }

    /// Whether the length it claims is more than it sends, so that the connection must close.
    pub fn breaks_off(&self) -> bool {
        matches!(self.framing, Framing::Claimed(claimed) if claimed > self.length())
    }

    /// Bytes of body.
    pub fn length(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.len() as u64).sum()
    }

    /// Sends the body chunked, in pieces of at most `size` bytes.
    pub fn chop(&mut self, size: usize) {
        let whole: Vec<Bytes> = std::mem::take(&mut self.pieces);
        for piece in whole {
            let cuts = (0..piece.len()).step_by(size);
            self.pieces
                .extend(cuts.map(|from| piece.slice(from..piece.len().min(from + size))));
        }
        self.framing = Framing::Chunked;
    }

    /// Sends only the first `length` bytes.
    pub fn cut(&mut self, length: usize) {
        let mut left = length;
        for piece in &mut self.pieces {
            *piece = piece.slice(..piece.len().min(left));
            left -= piece.len();
        }
    }

    /// What every answer carries that must not reach a client.
    pub fn dress(&mut self) {
        for (name, value) in [
            ("server", "fhir-guard-test-server/0.1 (db-1.internal)"),
            ("x-powered-by", "Rust 1.95, hyper 1"),
            ("set-cookie", "JSESSIONID=0123456789ABCDEF; Path=/fhir"),
        ] {
            self.headers.push((name.into(), value.into()));
        }
    }

    /// The answer to HEAD: the same headers, no body.
    pub fn without_body(&mut self) {
        if self.framing == Framing::Length {
            self.framing = Framing::Claimed(self.length());
        }
        self.pieces.clear();
        self.trailers.clear();
    }
}
