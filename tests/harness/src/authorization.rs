//! The HTTP side of an authorization server: each path answers as the test says, and every request is
//! remembered.

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A server on a loopback port of its own; it ends with this value.
pub struct AuthorizationServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

/// A request, as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What comes back.
#[derive(Clone, Debug)]
pub enum Answer {
    /// 200 with this JSON.
    Json(Value),
    /// 200 with these bytes.
    Bytes(Vec<u8>),
    /// This status, and nothing else.
    Status(u16),
    /// The other answer, after a while.
    After(Duration, Box<Answer>),
    /// The connection is closed without a word.
    Close,
}

type Handler = Arc<dyn Fn(&Asked) -> Answer + Send + Sync>;

#[derive(Default)]
struct State {
    handlers: HashMap<String, Handler>,
    asked: Vec<Asked>,
}

impl AuthorizationServer {
    /// A server that knows no path yet: 404.
    pub async fn start() -> Self {
        Self::start_on(0).await
    }

    /// The same on this port; 0 is any that is free.
    pub async fn start_on(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            // Connections that are open end with the server.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        AuthorizationServer {
            address,
            state,
            task,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on this path (without the query) answers so.
    pub fn answer(&self, path: &str, answer: Answer) {
        self.answer_with(path, move |_| answer.clone());
    }

    /// From now on this path (without the query) answers what the function says.
    pub fn answer_with(
        &self,
        path: &str,
        handler: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) {
        let mut state = self.state.lock().expect("no handler panics");
        state.handlers.insert(path.to_owned(), Arc::new(handler));
    }

    /// The requests for this path (without the query) so far.
    pub fn asked(&self, path: &str) -> Vec<Asked> {
        let state = self.state.lock().expect("no handler panics");
        let here = |asked: &&Asked| bare(&asked.path) == path;
        state.asked.iter().filter(here).cloned().collect()
    }
}

impl Drop for AuthorizationServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn bare(path: &str) -> &str {
    path.split('?').next().unwrap_or_default()
}

/// One connection, one request after the other.
async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut bytes = Vec::new();
    while let Some(asked) = read(&mut stream, &mut bytes).await {
        let handler = {
            let mut state = state.lock().expect("no handler panics");
            state.asked.push(asked.clone());
            state.handlers.get(bare(&asked.path)).cloned()
        };
        let answer = handler.map_or(Answer::Status(404), |handler| handler(&asked));
        if !write(&mut stream, answer).await {
            return;
        }
    }
}

async fn read(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<Asked> {
    let mut buffer = [0; 16 << 10];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|found| found == b"\r\n\r\n") {
            break end;
        }
        match stream.read(&mut buffer).await {
            Ok(size) if size > 0 => bytes.extend_from_slice(&buffer[..size]),
            _ => return None,
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let field = |name: &str| headers.iter().find(|(found, _)| found == name);
    let length: usize = field("content-length").map_or(0, |(_, value)| value.parse().unwrap_or(0));
    while bytes.len() < end + 4 + length {
        match stream.read(&mut buffer).await {
            Ok(size) if size > 0 => bytes.extend_from_slice(&buffer[..size]),
            _ => return None,
        }
    }
    let body = bytes[end + 4..end + 4 + length].to_vec();
    bytes.drain(..end + 4 + length);
    Some(Asked {
        method,
        path,
        headers,
        body,
    })
}

/// Whether the connection goes on.
fn write(
    stream: &mut TcpStream,
    answer: Answer,
) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
    Box::pin(async move {
        let (status, body) = match answer {
            Answer::Json(value) => (200, value.to_string().into_bytes()),
            Answer::Bytes(bytes) => (200, bytes),
            Answer::Status(status) => (status, Vec::new()),
            Answer::After(time, then) => {
                tokio::time::sleep(time).await;
                return write(stream, *then).await;
            }
            Answer::Close => return false,
        };
        let head = format!(
            "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.is_ok() && stream.write_all(&body).await.is_ok()
    })
}
