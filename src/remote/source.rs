//! Where a document is.

use std::borrow::Cow;
use std::time::Duration;

/// Where a document is fetched from, and how long it is good. Times are in nanoseconds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Source {
    /// The Envoy cluster that leads there.
    pub cluster: String,
    /// `:authority`.
    pub authority: String,
    /// `:path`, with the query.
    pub path: String,
    /// Fetched again after this, or up to a tenth earlier.
    pub refresh: u64,
    /// Not used any more this long after it was fetched.
    pub max_age: u64,
    /// Not fetched again within this, however much it is asked for.
    pub cooldown: u64,
    /// How long an answer may take.
    pub timeout: u64,
    /// Bytes of an answer.
    pub limit: usize,
}

/// A request to another server, by way of a cluster.
#[derive(Clone, Eq, PartialEq)]
pub struct Call {
    /// The Envoy cluster.
    pub cluster: String,
    /// Header fields, `:method`, `:path` and `:authority` first; all of them printable ASCII.
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
    /// How long the answer may take.
    pub timeout: Duration,
}

/// Header fields and body may hold credentials: they are not shown.
impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("cluster", &self.cluster)
            .finish_non_exhaustive()
    }
}

/// After an attempt that failed, the next one waits this long.
const RETRY: u64 = 5_000_000_000;

/// Added to the time an answer may take: a call that was never answered is over by then.
const MARGIN: u64 = 1_000_000_000;

impl Source {
    /// Authority and path of an absolute URL, `None` where it is none of `http` and `https`, has user
    /// information, a fragment, or anything but printable ASCII.
    pub fn locate(uri: &str) -> Option<(String, String)> {
        let rest = uri
            .strip_prefix("https://")
            .or_else(|| uri.strip_prefix("http://"))?;
        let printable = rest.bytes().all(|byte| byte.is_ascii_graphic());
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end)?;
        let plain = authority
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte));
        if authority.is_empty() || !plain || !printable || path.contains('#') {
            return None;
        }
        let path = match path.starts_with('/') {
            true => path.to_owned(),
            false => format!("/{path}"),
        };
        Some((authority.to_owned(), path))
    }

    /// The request for the document.
    pub fn call(&self) -> Call {
        Call {
            cluster: self.cluster.clone(),
            headers: vec![
                (":method".into(), "GET".to_owned()),
                (":path".into(), self.path.clone()),
                (":authority".into(), self.authority.clone()),
                ("accept".into(), "application/json".to_owned()),
            ],
            body: Vec::new(),
            timeout: Duration::from_nanos(self.timeout),
        }
    }

    /// The least time between two attempts: the one before is over by then. Longer where the document was
    /// asked for by what callers sent.
    pub fn pause(&self, asked: bool) -> u64 {
        let over = self.timeout.saturating_add(MARGIN);
        match asked {
            true => self.cooldown.max(over),
            false => RETRY.min(self.refresh).max(over),
        }
    }
}
