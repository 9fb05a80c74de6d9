//! What the tests and the tour stand on.

pub mod authorization;
pub mod client;
pub mod collector;
pub mod demo;
pub mod envoy;
pub mod exactness;
pub mod fhir;
pub mod grpc;
pub mod pki;
pub mod ratelimit;
pub mod soak;
pub mod tokens;
pub mod verify;
