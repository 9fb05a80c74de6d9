//! From a principal and an interaction to a permit.

mod authorize;
mod scope;

pub use authorize::{Permit, authorize, permit_public};
pub use scope::{Letter, Level, Scope};
