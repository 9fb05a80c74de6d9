//! From a principal and an interaction to a permit.

mod authorize;
mod scope;
#[cfg(test)]
mod tests;

pub use authorize::{Permit, authorize, permit_public};
pub use scope::{Letter, Level, Scope};
