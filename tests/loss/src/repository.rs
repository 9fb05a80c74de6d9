//! A repository that keeps what it takes in a file, before it says so; and that stalls, refuses and dies as it is told.

use std::fs::File;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What it does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Keeps it, and says so.
    Takes,
    /// Keeps every second one, and says nothing until it is in another mood; then it closes.
    Stalls,
    /// Says 503.
    Refuses,
}

pub(crate) struct Repository {
    port: u16,
    shared: Arc<Shared>,
    task: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    mood: watch::Sender<Mood>,
    file: Mutex<File>,
    asked: AtomicU64,
    lines: AtomicU64,
}

impl Repository {
    /// One that is not started. Appends to this file.
    pub(crate) fn new(port: u16, path: &Path) -> Result<Repository, String> {
        let file = File::options().create(true).append(true).open(path);
        let file = file.map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        Ok(Repository {
            port,
            shared: Arc::new(Shared {
                mood: watch::Sender::new(Mood::Takes),
                file: Mutex::new(file),
                asked: AtomicU64::new(0),
                lines: AtomicU64::new(0),
            }),
            task: Mutex::default(),
        })
    }

    pub(crate) async fn start(&self) -> Result<(), String> {
        let address = (Ipv4Addr::LOCALHOST, self.port);
        let listener = TcpListener::bind(address).await;
        let listener = listener
            .map_err(|error| format!("the repository has no port {}: {error}", self.port))?;
        let shared = Arc::clone(&self.shared);
        let task = tokio::spawn(async move {
            // Connections that are open end with the server.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&shared)));
                while connections.try_join_next().is_some() {}
            }
        });
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        Ok(())
    }

    /// It is gone, with every connection, and whatever it was about to say.
    pub(crate) async fn kill(&self) {
        let task = self
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(task) = task {
            task.abort();
            // Until the port is free.
            let _ = task.await;
        }
    }

    pub(crate) fn turn(&self, mood: Mood) {
        self.shared.mood.send_replace(mood);
    }

    /// Lines that it has kept.
    pub(crate) fn lines(&self) -> u64 {
        self.shared.lines.load(Ordering::Relaxed)
    }
}

/// One connection, one request after the other.
async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let mut bytes = Vec::new();
    while let Some(body) = read(&mut stream, &mut bytes).await {
        let asked = shared.asked.fetch_add(1, Ordering::Relaxed);
        let mut mood = shared.mood.subscribe();
        let own = *mood.borrow_and_update();
        let kept = match own {
            Mood::Takes => true,
            Mood::Stalls => asked.is_multiple_of(2),
            Mood::Refuses => false,
        };
        if kept && shared.keep(&body).is_err() {
            return;
        }
        let status = match own {
            Mood::Takes => "201 Created",
            Mood::Refuses => "503 Service Unavailable",
            Mood::Stalls => {
                let _ = mood.changed().await;
                return;
            }
        };
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        if stream.write_all(head.as_bytes()).await.is_err() {
            return;
        }
    }
}

impl Shared {
    /// All of it, or an error: nothing waits in between.
    fn keep(&self, body: &[u8]) -> std::io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = body.to_vec();
        if !text.ends_with(b"\n") {
            text.push(b'\n');
        }
        file.write_all(&text)?;
        let lines = text.split(|byte| *byte == b'\n');
        let lines = lines.filter(|line| !line.is_empty()).count() as u64;
        self.lines.fetch_add(lines, Ordering::Relaxed);
        Ok(())
    }
}

/// The body of the next request; nothing where there is none, or not all of it.
async fn read(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 64 << 10];
    let mut whole = None;
    loop {
        if whole.is_none() {
            whole = bytes
                .windows(4)
                .position(|found| found == b"\r\n\r\n")
                .and_then(|end| {
                    let head = String::from_utf8_lossy(bytes.get(..end)?).to_ascii_lowercase();
                    let length = head
                        .lines()
                        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
                    Some((end + 4, end + 4 + length.unwrap_or(0)))
                });
        }
        if let Some((begin, end)) = whole.filter(|(_, end)| bytes.len() >= *end) {
            let body = bytes.get(begin..end)?.to_vec();
            bytes.drain(..end);
            return Some(body);
        }
        match stream.read(&mut buffer).await {
            Ok(size) if size > 0 => bytes.extend_from_slice(buffer.get(..size)?),
            _ => return None,
        }
    }
}
