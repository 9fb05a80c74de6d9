//! What a patient says of where a write comes from.

use super::Membership;
use crate::denial::Denial;
use crate::identity::Principal;
use crate::json::{Document, Limits};
use crate::request::body::Shape;
use crate::request::{FhirPolicy, Provenance, Request};

/// Refuses a header that names another patient, or somebody who cannot be told from one. Whose the
/// Provenance is says its target: what is written.
pub(super) fn confine(
    principal: &Principal,
    request: &Request,
    fhir: &FhirPolicy,
) -> Result<(), Denial> {
    let (Some(Provenance::Header(text)), Some(patient)) =
        (&request.provenance, principal.patient())
    else {
        return Ok(());
    };
    let names_no_other = || {
        let document = Document::parse(text.as_bytes(), &Limits::default()).ok()?;
        let root = document.root();
        let shape = Shape::of(root).ok()?;
        let base = fhir.base.as_str();
        let membership = Membership::new(&fhir.compartment, patient, base, root, &shape);
        membership.check_others().ok()
    };
    names_no_other().ok_or(Denial::Compartment(
        "x-provenance names another patient, or nobody known",
    ))
}
