//! From a principal and an interaction to a permit, and whose a resource is.

mod authorize;
mod confine;
mod facts;
mod granted;
mod hidden;
mod membership;
mod provenance;
mod rules;
mod step_up;
#[cfg(test)]
mod tests;

pub use crate::identity::{Letter, Level, Scope};
pub use authorize::{ConsentNeed, Permit, Terms, authorize, permit_public};
pub use facts::{Circumstances, Fact};
pub use granted::{Granted, MAX_LOOKED_AT, Seen};
pub(crate) use membership::{Membership, instance, is_of_practitioner, last_instance};
pub use rules::{ConsentTerms, Effect, LabelTerms, Named, Rule, Rules};
pub use step_up::{Requirement, StepUp};
