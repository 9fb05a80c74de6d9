//! What the tests and the tour stand on.

pub mod fhir;
