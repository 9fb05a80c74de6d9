//! A server of calls of gRPC with one message each way, HTTP/2 without TLS.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use http_body_util::BodyExt as _;
use http_body_util::channel::Channel;
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A server on a loopback port of its own; it ends with this value, and its connections too.
pub struct GrpcServer {
    address: SocketAddr,
    task: JoinHandle<()>,
}

/// What a call comes to: the body of the answer, and the status of gRPC in its trailers.
pub type Told = (Vec<u8>, u32);

/// Answers a call of this path, whose message has these bytes; none where it is no message.
pub type Answering =
    Arc<dyn Fn(String, Option<Bytes>) -> Pin<Box<dyn Future<Output = Told> + Send>> + Send + Sync>;

impl GrpcServer {
    /// A server that answers so, on this port; 0 is any that is free.
    pub async fn start_on(port: u16, answering: Answering) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&answering)));
            }
        });
        GrpcServer { address, task }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for GrpcServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The message, as it stands in a body.
pub fn framed(message: &impl Message) -> Vec<u8> {
    let text = message.encode_to_vec();
    let length = u32::try_from(text.len()).expect("a short answer");
    [&[0][..], &length.to_be_bytes(), &text].concat()
}

async fn serve(stream: TcpStream, answering: Answering) {
    let service = hyper::service::service_fn(move |request| call(request, Arc::clone(&answering)));
    let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    // An error is the other side's end.
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}

async fn call(
    request: Request<Incoming>,
    answering: Answering,
) -> Result<Response<Channel<Bytes, Infallible>>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await;
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    let message = (body.len() >= 5).then(|| body.slice(5..));
    let (body, status) = answering(path, message).await;
    let (mut sender, channel) = Channel::new(2);
    tokio::spawn(async move {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from(status));
        // Who does not listen any more needs nothing.
        let _ = sender.send_data(body.into()).await;
        let _ = sender.send_trailers(trailers).await;
    });
    let mut response = Response::new(channel);
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", grpc);
    Ok(response)
}
