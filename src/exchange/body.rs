//! The body of a request, against the permit.

use super::Guard;
use crate::access::Permit;
use crate::denial::Denial;
use crate::request::{Interaction, body};

/// What the body of a request must be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ExpectedBody {
    /// Nothing at all.
    Empty,
    /// A JSON Patch.
    Patch,
    /// The resource that the interaction names.
    Resource,
}

/// What the body of this interaction must be.
pub(super) fn expected_body(interaction: &Interaction) -> ExpectedBody {
    match interaction {
        Interaction::Create { .. } | Interaction::Update { .. } => ExpectedBody::Resource,
        Interaction::Patch { .. } => ExpectedBody::Patch,
        _ => ExpectedBody::Empty,
    }
}

/// Checks a body that is whole.
pub(super) fn check_body(
    guard: &Guard,
    permit: &Permit,
    expected: ExpectedBody,
    bytes: &[u8],
) -> Result<(), Denial> {
    let interaction = &permit.request().interaction;
    let checked = match expected {
        ExpectedBody::Empty => Ok(()),
        ExpectedBody::Patch => {
            body::check_patch(bytes, permit.may_read(), !guard.hides_from(permit))
        }
        ExpectedBody::Resource => match interaction.resource_type() {
            Some(resource_type) => body::check_body(bytes, resource_type, interaction.id()),
            None => return Err(Denial::Request("body")),
        },
    };
    checked.map_err(|fault| match fault {
        body::BodyFault::Conditional => Denial::NotSupported("conditional-reference"),
        body::BodyFault::Malformed(found) => Denial::Body("body", found),
        body::BodyFault::Mismatch(found) => Denial::Body("body-mismatch", found),
        body::BodyFault::Reads => Denial::NotSupported("patch-operation"),
        body::BodyFault::Redacted => Denial::Request("body-redacted"),
    })
}
