//! `processor EDIT`: an external processor (Envoy's `ext_proc`) that makes the edit which the bench's filter
//! makes inside the proxy, with the same code. It says its address on the first line, and ends when its standard
//! input does, so that it never outlives the bench.

#[path = "../../filter/src/edit.rs"]
mod edit;
mod exchange;
mod message;

use std::convert::Infallible;
use std::pin::Pin;
use std::process::ExitCode;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use edit::Edit;
use exchange::Exchange;
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::task::LocalSet;

/// Room for several answers of 1 MB on their way.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 64 << 20;
const FRAME: u32 = 1 << 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let text = std::env::args().nth(1).unwrap_or_default();
    let Some(edit) = Edit::parse(text.as_bytes()) else {
        eprintln!("processor: found {text:?}, expected an edit as JSON");
        return ExitCode::FAILURE;
    };
    let listener = match TcpListener::bind(("127.0.0.1", 0)).await {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("processor: no port: {error}");
            return ExitCode::FAILURE;
        }
    };
    if let Ok(address) = listener.local_addr() {
        println!("{address}");
    }
    let serve = LocalSet::new();
    let server = serve.run_until(serve_all(listener, Rc::new(edit)));
    let ended = async { tokio::io::stdin().read(&mut [0]).await };
    tokio::select! {
        () = server => ExitCode::FAILURE,
        _ = ended => ExitCode::SUCCESS,
    }
}

async fn serve_all(listener: TcpListener, edit: Rc<Edit>) {
    while let Ok((stream, _)) = listener.accept().await {
        // Where it fails, an answer comes later, nothing else.
        let _ = stream.set_nodelay(true);
        let edit = Rc::clone(&edit);
        let service = service_fn(move |request| {
            let answer = answer(request, Rc::clone(&edit));
            async { Ok::<_, Infallible>(answer) }
        });
        let connection = http2::Builder::new(Local)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME)
            .max_send_buf_size(STREAM_WINDOW as usize)
            .serve_connection(TokioIo::new(stream), service);
        tokio::task::spawn_local(connection);
    }
}

/// Runs what a connection needs on this thread.
#[derive(Clone, Copy)]
struct Local;

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// One call of `Process`: a message comes in, a message goes out.
fn answer(request: Request<Incoming>, edit: Rc<Edit>) -> Response<Process> {
    let mut response = Response::new(Process {
        incoming: request.into_body(),
        exchange: Exchange::new(edit),
        ended: false,
    });
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

struct Process {
    incoming: Incoming,
    exchange: Exchange,
    ended: bool,
}

impl Body for Process {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        loop {
            if let Some(answer) = self.exchange.answer() {
                return Poll::Ready(Some(answer.map(Frame::data).map_err(Into::into)));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            match ready!(Pin::new(&mut self.incoming).poll_frame(context)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.exchange.take(&data);
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => {
                    self.ended = true;
                    let status = (
                        HeaderName::from_static("grpc-status"),
                        HeaderValue::from_static("0"),
                    );
                    let trailers = HeaderMap::from_iter([status]);
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
            }
        }
    }
}
