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

use fhir_guard_harness::client::Request;

use crate::world::World;

/// A request with a token of this scope.
fn ask(world: &World, scope: &str, method: &str, path: &str) -> Request {
    Request::new(method, path).bearer(&world.token(scope))
}
