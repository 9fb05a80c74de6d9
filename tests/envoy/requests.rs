//! What may be asked for, and what of it goes upstream.

mod across;
mod canonical;
mod chains;
mod framing;
mod granular;
mod hostile;
mod hygiene;
mod inclusions;
mod instances;
mod narrowed;
mod paths;
mod practitioners;
mod scopes;
mod searches;
mod unsupported;
mod writes;

use fhir_guard_harness::client::{Request, Response};

use crate::world::World;

/// A request with a token of this scope.
fn ask(world: &World, scope: &str, method: &str, path: &str) -> Request {
    Request::new(method, path).bearer(&world.token(scope))
}

/// A refusal without what differs from one exchange to the next.
fn without_ids(answer: &Response) -> (u16, Vec<(String, Vec<u8>)>, String) {
    let id = answer.header("x-request-id").unwrap_or_default();
    let varies = |name: &str| matches!(name, "x-request-id" | "date" | "ratelimit");
    let mut headers = answer.headers.clone();
    headers.retain(|(name, _)| !varies(name));
    (answer.status, headers, answer.text().replace(&id, "ID"))
}
