//! Documents of other servers: fetched by one worker, seen by all of them.
//!
//! A [`Replica`] is one worker's view of one document. It asks shared data whether another worker has
//! a newer one, and for the right to fetch it ([`Look`]); what was fetched, and found good, it hands to
//! the others ([`Store`]). Nothing here calls anybody: a [`Call`] is what the shell is to send.
//!
//! # Bounds
//!
//! Two keys of shared data for each document, `fhir-guard.remote.v1.<32 hex digits>.state` (20 bytes)
//! and `.document` (at most [`Source::limit`] and 12 bytes). Their names come from cluster, URI and reading
//! alone: their number grows with the configurations that were loaded, and with nothing that a caller sends.
//! One look costs at most two reads and one write, one store at most 16 reads and 16 writes.
//!
//! # What is promised
//!
//! - Of all workers one fetches at a time, and none again before [`Source::pause`] is over: the time of
//!   the last attempt is written by compare-and-swap before the call is made.
//! - A document counts as fetched when its call was sent, not when the answer came: what it says was true
//!   then at the earliest.
//! - Values are untrusted in form: of another version, length or time they count as absent. Their
//!   content is believed, as is everything in a `vm_id` of our own.

mod replica;
mod source;
mod state;
#[cfg(test)]
mod tests;

pub use replica::{Look, Looked, Replica, Store};
pub use source::{Call, Source};
pub use state::SLACK;
