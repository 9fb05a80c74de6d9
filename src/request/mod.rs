//! From the head of a request to an interaction that cannot be misread.
//!
//! Nothing here needs trust: a request that is ambiguous, malformed or not understood is refused
//! before anything is asked about who sent it. What is understood has exactly one canonical form,
//! and that form is what goes upstream.

mod base;
pub mod body;
mod bundle;
mod chain;
mod conditional;
mod credentials;
mod export;
mod form;
mod head;
mod include;
mod interaction;
pub mod labels;
mod modifiers;
mod operation;
mod page_link;
mod pages;
mod place;
mod policy;
mod provenance;
mod query;
mod reach;
mod search;
mod subscription;
mod target;
#[cfg(test)]
mod tests;
mod trace;
mod upstream;
mod values;
mod writes;
mod written;

use std::rc::Rc;

use crate::fhir::PatientCompartment;
pub use base::BaseUrl;
pub use bundle::{Batch, BatchEntry, BatchKind, BundlePolicy, Targets};
pub use conditional::Conditional;
pub use credentials::{Credentials, MAX_PROOF};
pub use export::{
    Export, ExportAt, ExportLink, ExportOf, ExportPolicy, ExportStep, JobLink, MAX_FILTERS,
};
pub use form::Form;
pub use head::{AnswerForm, Method, Preference, RequestHead, weak_tag};
pub use include::Inclusion;
pub use interaction::Interaction;
pub use operation::{Call, Operation, OperationAnswer, OperationLevel};
pub use page_link::{MAX_TOKEN, Page, PageLink};
pub use pages::page_of;
pub use policy::{DateRange, SearchPolicy};
pub use provenance::{ClientProvenance, MAX_PROVENANCE, Provenance};
pub use reach::{Reach, Types};
pub use search::{Direction, MAX_COUNT, Modifier, Parameter, Search, Summary, escape};
pub use subscription::{MAX_SUBSCRIBED, Subscription};
pub use target::Request;
pub use trace::{Trace, find as find_trace};
pub use upstream::{bundle_headers, upstream_headers};
pub use writes::{Change, ClientLabels, WritePolicy};

/// Where the FHIR API is, outside and inside.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FhirPolicy {
    /// The base that clients use; links and references are written with it.
    pub base: BaseUrl,
    /// Paths below the base that need no credentials, matched exactly, for `GET` and `HEAD`.
    pub public: Vec<String>,
    /// The server behind the proxy.
    pub upstream: Upstream,
    /// The largest request body that is held for inspection, in bytes.
    pub body_limit: usize,
    /// How much of the structure of a resource in a request body is checked.
    pub body_check: body::BodyCheck,
    /// Which writes are taken.
    pub writes: WritePolicy,
    /// Which Bundles of requests are taken.
    pub bundles: BundlePolicy,
    /// Whose a resource is.
    pub compartment: Rc<PatientCompartment>,
    /// What `user/` scopes open.
    pub user_access: UserAccess,
    /// How searches may be asked.
    pub search: SearchPolicy,
    /// The operations that may be called; no two of the same name on the same.
    pub operations: Vec<Rc<Operation>>,
    /// What may be exported; `None` is nothing.
    pub export: Option<ExportPolicy>,
}

impl FhirPolicy {
    /// What follows either base's path in a URL of the upstream: the empty string, or something
    /// that begins with `/` or `?`. The authority is not compared: a server behind proxies calls
    /// itself by many names, and whatever is taken from the URL is written with the external base.
    pub fn relative<'a>(&self, url: &'a str) -> Option<&'a str> {
        let after_scheme = ["https://", "http://"]
            .iter()
            .find_map(|scheme| url.strip_prefix(scheme));
        let path = match after_scheme {
            Some(rest) => rest.get(rest.find('/')?..)?,
            None => url,
        };
        // Of two bases that both fit, the longer is meant: one may have no path at all.
        let mut bases = [self.upstream.base.path(), self.base.path()];
        bases.sort_by_key(|path| std::cmp::Reverse(path.len()));
        bases.into_iter().find_map(|base| {
            let rest = path.strip_prefix(base)?;
            (rest.is_empty() || rest.starts_with(['/', '?'])).then_some(rest)
        })
    }
}

/// What `user/` scopes open of the types that they name.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum UserAccess {
    /// Every resource.
    #[default]
    All,
    /// What is in the compartment of the Practitioner who calls, and what is nobody's: to read, and nothing
    /// to write.
    Compartment,
}

/// The server behind the proxy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Upstream {
    /// The Envoy cluster of the server.
    pub cluster: String,
    /// Its base; the path takes the place of the external base's path, the authority that of the
    /// request's.
    pub base: BaseUrl,
    /// What becomes of the client's `Authorization`.
    pub authorization: Authorization,
    /// Whether a trace is begun where none came.
    pub trace: Trace,
}

/// What becomes of the client's `Authorization`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Authorization {
    /// It goes on to the upstream.
    Keep,
    /// It is taken out: the upstream trusts the proxy, and a stolen log there holds no token.
    Strip,
}
