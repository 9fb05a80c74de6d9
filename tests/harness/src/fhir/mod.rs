//! A small FHIR R4 server in memory, for the tests and the tour: honest, or hostile on demand.
//!
//! It has no clock and no randomness: the same requests get the same answers.

mod batch;
mod beyond;
mod capability;
mod conditional;
mod data;
mod date;
mod export;
mod folder;
mod hostile;
mod json;
mod message;
mod parameter;
mod patch;
mod raw;
mod route;
mod search;
mod serve;
mod store;
#[cfg(test)]
mod tests;
mod wire;
mod write;

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::body::Bytes;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use hostile::{Hostile, Misbehaviour};
use message::Ask;
use store::Store;
use wire::Wire;

/// Most requests remembered.
const REQUESTS: usize = 10_000;
/// Most bytes of body remembered over all requests.
const REMEMBERED: usize = 256 * 1024 * 1024;
/// Longest request body in bytes; longer ones get 413 (raw port: a closed connection).
const LONGEST_BODY: usize = 64 * 1024 * 1024;

/// How a server starts.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens: 127.0.0.1, unless it is in a network namespace of its own.
    pub address: IpAddr,
    /// TCP port there; 0 lets the system choose.
    pub port: u16,
    /// When it misbehaves; None: never, unless [`FhirServer::misbehave`] says so.
    pub hostile: Option<Hostile>,
    /// What it serves.
    pub data: DataSource,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            address: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            hostile: None,
            data: DataSource::default(),
        }
    }
}

/// Where the resources come from.
#[derive(Clone, Debug, Default)]
pub enum DataSource {
    /// The server's own data set: patients `p1` to `p36`.
    #[default]
    Own,
    /// Every `*.json` file in a folder: Bundles (their entries) and single resources.
    Folder(PathBuf),
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Method, as sent.
    pub method: String,
    /// Path and query, as sent.
    pub path_and_query: String,
    /// Lower-case names, values as bytes, in order; HTTP/2's authority as `host`, last.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Whole body.
    pub body: Bytes,
}

impl Recorded {
    /// The first value of a header (lower-case name); bytes outside UTF-8 are replaced.
    pub fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.iter().find(|(header, _)| header == name)?;
        Some(String::from_utf8_lossy(value).into_owned())
    }
}

/// A running server; stops when dropped.
#[derive(Debug)]
pub struct FhirServer {
    address: SocketAddr,
    raw_address: SocketAddr,
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

impl FhirServer {
    /// Starts a server.
    ///
    /// # Panics
    /// When [`FhirServer::try_start`] fails: a test has nothing to do without its server.
    pub async fn start(options: Options) -> Self {
        match Self::try_start(options).await {
            Ok(server) => server,
            Err(error) => panic!("fhir server: {error}"),
        }
    }

    /// Starts a server. The error says which port could not be bound or which file not be read.
    pub async fn try_start(options: Options) -> Result<Self, String> {
        let resources = match &options.data {
            DataSource::Own => data::own(),
            DataSource::Folder(folder) => folder::load(folder)?,
        };
        let (listener, address) = bind(options.address, options.port).await?;
        let (raw_listener, raw_address) = bind(options.address, 0).await?;
        let shared = Arc::new(Shared {
            store: Mutex::new(Store::load(resources)),
            requests: Mutex::default(),
            hostile: options.hostile,
            misbehaviour: Mutex::default(),
        });
        let tasks = vec![
            tokio::spawn(serve::accept(listener, Arc::clone(&shared))),
            tokio::spawn(raw::accept(raw_listener, Arc::clone(&shared))),
        ];
        Ok(Self {
            address,
            raw_address,
            shared,
            tasks,
        })
    }

    /// Where hyper serves HTTP/1.1 and HTTP/2.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the same server speaks HTTP/1.1 by hand, one request per connection: trailers nobody
    /// asked for, lengths that lie.
    pub fn raw_address(&self) -> SocketAddr {
        self.raw_address
    }

    /// Base URL: `http://127.0.0.1:PORT/fhir`.
    pub fn base(&self) -> String {
        format!("http://{}{}", self.address, route::BASE)
    }

    /// The last requests of both ports, oldest first: at most 10 000, and at most 256 MB of bodies.
    pub fn requests(&self) -> Vec<Recorded> {
        lock(&self.shared.requests).ring.iter().cloned().collect()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        *lock(&self.shared.requests) = Requests::default();
    }

    /// Misbehaves in every answer from now on, whatever requests and options say; None ends it.
    ///
    /// # Panics
    /// When there is no misbehaviour of that name.
    pub fn misbehave(&self, name: Option<&str>) {
        let misbehaviour = name.map(|name| match name.parse() {
            Ok(misbehaviour) => misbehaviour,
            Err(error) => panic!("{error}"),
        });
        *lock(&self.shared.misbehaviour) = misbehaviour;
    }

    /// Stops listening and drops every connection; both ports are closed when this returns.
    pub async fn stop(mut self) {
        for task in std::mem::take(&mut self.tasks) {
            task.abort();
            // The error is the cancellation that was just asked for.
            let _ = task.await;
        }
    }
}

impl Drop for FhirServer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// What both ports share.
#[derive(Debug)]
struct Shared {
    store: Mutex<Store>,
    requests: Mutex<Requests>,
    hostile: Option<Hostile>,
    misbehaviour: Mutex<Option<Misbehaviour>>,
}

impl Shared {
    /// Records the request, carries it out, and spoils the answer where that is wanted.
    fn respond(&self, request: Recorded) -> Wire {
        let ask = Ask::of(&request);
        lock(&self.requests).push(request);
        let misbehaviour = hostile::choose(*lock(&self.misbehaviour), self.hostile, &ask);
        let mut store = lock(&self.store);
        let honest = route::answer(&mut store, &ask);
        let mut wire = match misbehaviour {
            Some(misbehaviour) => hostile::apply(misbehaviour, &mut store, &ask, honest),
            None => Wire::honest(honest, &ask),
        };
        drop(store);
        wire.dress();
        if ask.method == "HEAD" {
            wire.without_body();
        }
        wire
    }
}

/// The ring of requests.
#[derive(Debug, Default)]
struct Requests {
    ring: VecDeque<Recorded>,
    bytes: usize,
}

impl Requests {
    fn push(&mut self, request: Recorded) {
        self.bytes += request.body.len();
        self.ring.push_back(request);
        while self.ring.len() > REQUESTS || self.bytes > REMEMBERED {
            let Some(oldest) = self.ring.pop_front() else {
                break;
            };
            self.bytes -= oldest.body.len();
        }
    }
}

async fn bind(address: IpAddr, port: u16) -> Result<(TcpListener, SocketAddr), String> {
    let wanted = SocketAddr::from((address, port));
    let listener = TcpListener::bind(wanted)
        .await
        .map_err(|error| format!("listening on {wanted}: {error}"))?;
    let address = listener
        .local_addr()
        .map_err(|error| format!("listening on {wanted}: {error}"))?;
    Ok((listener, address))
}

/// A thread that panicked while holding the lock spoils one test, not all of them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
