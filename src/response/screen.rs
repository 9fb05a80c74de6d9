//! The streaming screen: pieces of a body in, screened bytes out.

use std::fmt;
use std::rc::Rc;

use super::Redaction;
use crate::fhir::ResourceType;
use crate::json;

/// A paging link of the upstream to the canonical external URL, when the same permit covers it.
pub type Links = Rc<dyn Fn(&str) -> Option<String>>;

/// What an answer may contain: the part of a permit that the screen enforces.
pub struct Cover {
    /// The shape of the answer.
    pub expected: Expected,
    /// The logical id of the one patient whose resources may leave; every resource must name this
    /// patient in a membership element, and no other. `None`: no compartment restricts the answer.
    pub patient: Option<String>,
    /// External base URL of the FHIR API, without a trailing slash.
    pub base: String,
    /// The redactions that are active for this caller.
    pub redactions: Vec<Rc<Redaction>>,
    /// Canonical external URL of the request that was decided on; becomes the `self` link.
    pub self_link: String,
    /// Rewrites paging links.
    pub links: Links,
}

/// The shape of an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Expected {
    /// One resource: read, vread, or the answer to a create or update.
    Resource {
        /// The one type that is accepted.
        resource_type: ResourceType,
        /// The logical id; `None` for a create, where the upstream chooses it.
        id: Option<String>,
        /// The version (`meta.versionId`) that was asked for.
        version: Option<String>,
    },
    /// A Bundle, screened entry by entry.
    Bundle {
        /// `searchset` or `history`.
        kind: BundleKind,
        /// The type that was searched; entries of any other are removed.
        resource_type: ResourceType,
        /// The logical id, for the history of one instance.
        id: Option<String>,
    },
    /// A public document such as the CapabilityStatement: any one strict JSON object, passed as it
    /// is, bounded by [`Limits::resource`].
    Opaque,
}

/// The types of Bundle that can be screened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BundleKind {
    /// The answer to a search.
    Searchset,
    /// The answer to a history interaction.
    History,
}

/// What screening one answer may cost. All bounds are inclusive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// The largest resource, Bundle entry or other top-level value of a Bundle, in bytes.
    pub resource: usize,
    /// How many entries a Bundle may have.
    pub entries: usize,
    /// Depth and number of values within one resource or entry.
    pub json: json::Limits,
}

impl Default for Limits {
    /// 8 MiB a resource, 100 000 entries a Bundle.
    fn default() -> Self {
        Limits {
            resource: 8 << 20,
            entries: 100_000,
            json: json::Limits::default(),
        }
    }
}

/// Why an answer, or the rest of it, must not leave.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The resource is not covered: the caller is told what it would be told if it were absent.
    Withheld,
    /// The answer cannot be inspected; the text says what was found, without data.
    Uninspectable(&'static str),
    /// The answer is larger than the limits allow.
    TooLarge,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Withheld => "the resource is outside what the permit covers",
            Fault::Uninspectable(what) => what,
            Fault::TooLarge => "the answer is larger than may be inspected",
        })
    }
}

impl std::error::Error for Fault {}

/// What was done, for the audit record.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Resources and entries that were let through, redacted ones included.
    pub passed: u64,
    /// Bundle entries that were removed whole.
    pub removed: u64,
    /// Resources and entries from which something was removed or masked.
    pub redacted: u64,
}

/// Screens one answer. A fault is final: every later call returns the same one.
pub struct Screen {
    cover: Rc<Cover>,
    limits: Limits,
}

impl Screen {
    /// A screen at the start of a body.
    pub fn new(cover: Rc<Cover>, limits: Limits) -> Screen {
        Screen { cover, limits }
    }

    /// Takes the next piece of the body; pieces may be cut anywhere.
    ///
    /// # Errors
    /// The answer must not leave; what [`take`](Self::take) has not given out yet is gone.
    pub fn push(&mut self, _chunk: &[u8]) -> Result<(), Fault> {
        Err(Fault::Uninspectable("the screen is not built yet"))
    }

    /// Says that the body has ended.
    ///
    /// # Errors
    /// As for [`push`](Self::push); also when the root has not closed.
    pub fn finish(&mut self) -> Result<(), Fault> {
        Err(Fault::Uninspectable("the screen is not built yet"))
    }

    /// The screened bytes that are ready to leave; each is given out once. Nothing comes out before
    /// [`shape_known`](Self::shape_known) or [`closed`](Self::closed), and nothing after a fault.
    pub fn take(&mut self) -> Vec<u8> {
        Vec::new()
    }

    /// How many bytes are held, screened or not.
    pub fn held(&self) -> usize {
        0
    }

    /// Whether the root value has closed, so that everything is in [`take`](Self::take).
    pub fn closed(&self) -> bool {
        false
    }

    /// Whether a Bundle of the expected type was recognised, so that parts may leave before the end.
    pub fn shape_known(&self) -> bool {
        let _ = (&self.cover, self.limits);
        false
    }

    /// What was done so far.
    pub fn counts(&self) -> Counts {
        Counts::default()
    }
}
