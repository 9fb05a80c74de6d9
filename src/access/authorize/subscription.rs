//! Writes of Subscriptions, which make the server send data by itself.

use super::Permit;
use crate::access::{Circumstances, Granted, Level};
use crate::denial::Denial;
use crate::fhir::ResourceType;
use crate::request::{FhirPolicy, Interaction, Subscription};

impl Permit {
    /// What it was decided under; `None` on a public path.
    pub fn circumstances(&self) -> Option<Circumstances> {
        self.circumstances
    }
}

/// Refuses a write of what steers the server, but for what an operator may allow: whole Subscriptions of
/// callers who are confined to nothing.
pub(super) fn check_steering(
    resource_type: ResourceType,
    interaction: &Interaction,
    (level, granted): (Level, &Granted),
    fhir: &FhirPolicy,
) -> Result<(), Denial> {
    if interaction.change().is_none() || !resource_type.steers_server() {
        return Ok(());
    }
    let whole = !matches!(
        interaction,
        Interaction::Patch { .. } | Interaction::Conditional(_)
    );
    let allowed =
        Subscription::is_type(resource_type) && !fhir.writes.subscriptions.is_empty() && whole;
    match allowed && level != Level::Patient && granted.is_all() {
        true => Ok(()),
        false => Err(Denial::NotSupported("type")),
    }
}
