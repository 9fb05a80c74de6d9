//! An OpenTelemetry collector, as far as it takes spans (OTLP over gRPC), and remembers them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use prost::Message;

use crate::grpc::{Answering, GrpcServer, framed};

/// A collector on a loopback port of its own.
pub struct Collector {
    server: GrpcServer,
    exports: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// A span, as it came.
#[derive(Clone, PartialEq, Message)]
pub struct Span {
    /// The trace.
    #[prost(bytes = "vec", tag = "1")]
    pub trace_id: Vec<u8>,
    /// Its own id.
    #[prost(bytes = "vec", tag = "2")]
    pub span_id: Vec<u8>,
    /// `tracestate`.
    #[prost(string, tag = "3")]
    pub trace_state: String,
    /// The span of whoever asked.
    #[prost(bytes = "vec", tag = "4")]
    pub parent_span_id: Vec<u8>,
    /// Its name.
    #[prost(string, tag = "5")]
    pub name: String,
    /// Its tags.
    #[prost(message, repeated, tag = "9")]
    pub attributes: Vec<Attribute>,
}

/// A tag.
#[derive(Clone, PartialEq, Message)]
pub struct Attribute {
    /// Its name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// What it says.
    #[prost(message, optional, tag = "2")]
    pub value: Option<Text>,
}

/// A value that is a text.
#[derive(Clone, PartialEq, Message)]
pub struct Text {
    /// The text.
    #[prost(string, tag = "1")]
    pub text: String,
}

impl Collector {
    /// One that takes everything.
    pub async fn start() -> Self {
        let exports = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let kept = Arc::clone(&exports);
        let answering: Answering = Arc::new(move |_, message| {
            let message = message.unwrap_or_default().to_vec();
            kept.lock().expect("nobody panics").push(message);
            // The empty message: all of it was taken.
            Box::pin(async { (framed(&()), 0) })
        });
        let server = GrpcServer::start_on(0, answering).await;
        Collector { server, exports }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// What came so far, byte for byte.
    pub fn exports(&self) -> Vec<Vec<u8>> {
        self.exports.lock().expect("nobody panics").clone()
    }

    /// The spans so far.
    ///
    /// # Panics
    /// Where something else came.
    pub fn spans(&self) -> Vec<Span> {
        let exports = self.exports();
        let read = |bytes: &Vec<u8>| Export::decode(bytes.as_slice()).expect("spans");
        let resources = exports.iter().map(read).flat_map(|export| export.resources);
        let scopes = resources.flat_map(|resource| resource.scopes);
        scopes.flat_map(|scope| scope.spans).collect()
    }
}

impl Span {
    /// What this tag says.
    pub fn tag(&self, key: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|tag| tag.key == key)?;
        found.value.as_ref().map(|value| value.text.as_str())
    }

    /// Trace and span, as `traceparent` has them.
    pub fn ids(&self) -> String {
        let hex = |bytes: &[u8]| -> String { bytes.iter().map(|b| format!("{b:02x}")).collect() };
        format!("{}-{}", hex(&self.trace_id), hex(&self.span_id))
    }
}

#[derive(Clone, PartialEq, Message)]
struct Export {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<Resource>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<Scope>,
}

#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Span>,
}
