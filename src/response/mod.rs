//! What may leave.
//!
//! The resource is the unit of decision. A [`Screen`] takes the body of an answer in pieces, holds
//! each resource until it is whole, decides on it, hides what the active [`Redaction`]s name, and
//! gives back bytes that may leave; memory is bounded by the largest resource allowed, never by
//! the body. What cannot be understood never leaves.

mod batch;
mod bundle;
mod cover;
mod edit;
mod egress;
mod fault;
mod headers;
mod labels;
mod marks;
mod meta;
mod mistake;
mod path;
mod prune;
mod redaction;
mod references;
mod resource;
mod rewrite;
mod screen;
mod signature;
mod splitter;
#[cfg(test)]
mod tests;
mod watermark;

pub use batch::{Answer, Answered, BatchCover, Part, Screened, check_status};
pub use cover::{BundleKind, Cover, Expected, Limits, Link};
pub use egress::{Broken, Egress, Over};
pub use fault::Fault;
pub use headers::{AnswerHead, Leaving};
pub use labels::Labelled;
pub use mistake::ElementMistake;
pub use redaction::{Action, Redaction};
pub use rewrite::Precision;
pub use screen::{Counts, Screen};
pub use signature::Signer;
pub use watermark::{Mark, Recipient, Watermark, Watermarking};
