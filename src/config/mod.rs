//! The operator's configuration, to a policy.
//!
//! A configuration arrives as a serialised `google.protobuf.Struct` (YAML inside Envoy's own) or
//! as JSON text (what Istio sends). It is read whole: every mistake is reported at once, each with
//! the JSON pointer of its place, what was expected there and what was found; nothing of it is
//! ever repeated but keys and keywords. A configuration with a mistake gives no policy.

mod document;
mod mistakes;
mod reader;
mod structure;
mod units;

pub use document::{DEPTH, SIZE};
pub use mistakes::{KEPT, Mistake, Mistakes, SHOWN};
