//! Who may come in: every fault of a token, every form of `Authorization`, and the tie between a
//! token and the certificate of its connection.

mod binding;
mod certificates;
mod claims;
mod dpop;
mod forwarded;
mod gateways;
mod header;
mod quarantine;
mod signatures;
mod tokens;

use fhir_guard_harness::client::Request;

/// The one request of these tables: allowed for a good token of p1.
fn read(token: &str) -> Request {
    Request::get("/r4/Patient/p1").bearer(token)
}
