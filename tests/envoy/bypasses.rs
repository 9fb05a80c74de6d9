//! Ways round the filter that no other scenario tries on the wire; docs/bypasses.md has all of them.

mod content;
mod formats;
mod labelled;
mod places;
mod said;

use fhir_guard_harness::client::Request;
use serde_json::{Value, json};

use crate::world::World;

const PATIENT: &str = "patient/*.rs";
const ALL: &str = "system/*.cruds";
const FHIR: &str = "application/fhir+json";

fn ask(world: &World, scope: &str, method: &str, path: &str) -> Request {
    Request::new(method, path).bearer(&world.token(scope))
}

fn reference(to: &str) -> Value {
    json!({ "reference": to })
}
