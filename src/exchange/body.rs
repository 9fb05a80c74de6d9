//! The body of a request, against the permit.

use super::{Exchange, Guard, Phase, Sent, Step, subscription};
use crate::access::{Membership, Permit};
use crate::denial::Denial;
use crate::fhir::ResourceType;
use crate::json::{Document, Limits, Node};
use crate::request::body::Shape;
use crate::request::labels::{has_labels, has_tag_of, patch_has_labels, patch_has_system};
use crate::request::{
    Change, ClientLabels, Interaction, Provenance, Request, Subscription, Targets, body,
};

/// What the body of a request must be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ExpectedBody {
    /// Nothing at all.
    Empty,
    /// A JSON Patch.
    Patch,
    /// The parameters of an operation.
    Parameters,
    /// The resource that the interaction names.
    Resource,
}

impl Exchange {
    /// A piece of the request's body.
    pub fn request_body(&mut self, guard: &Guard, piece: &[u8], ended: bool) -> Step {
        match self.phase {
            Phase::Waiting(_) | Phase::Global(_) | Phase::Consenting(_) => {
                return self.body_of_waiting(guard, piece, ended);
            }
            Phase::ReadingForm(_) => return self.body_of_form(guard, piece, ended),
            Phase::Current(_) => return self.body_of_current(guard, piece, ended),
            _ => {}
        }
        let Phase::ReadingBody {
            expected, bytes, ..
        } = &mut self.phase
        else {
            return self.absorb_request();
        };
        if *expected == ExpectedBody::Empty && !piece.is_empty() {
            return self.refuse(&Denial::Request("body"));
        }
        if bytes.len().saturating_add(piece.len()) > guard.policy().fhir.body_limit {
            return self.refuse(&Denial::TooLarge);
        }
        bytes.extend_from_slice(piece);
        if !self.share.hold_body(bytes.capacity()) {
            return self.refuse(&Denial::Unavailable("memory"));
        }
        if !ended {
            return Step::Hold;
        }
        let Phase::ReadingBody {
            permit,
            fields,
            expected,
            bytes,
        } = std::mem::take(&mut self.phase)
        else {
            return self.absorb_request();
        };
        let none = Targets::default();
        if let Err(denial) = check_body(guard, &permit, expected, &bytes, &none) {
            return self.refuse(&denial);
        }
        let sent = Sent::One(Box::new(permit));
        self.send(guard, sent, fields, Step::Write(bytes))
    }

    /// The request has trailers. FHIR knows none; and where they come the body never ends in a body
    /// callback, and nothing can be written any more.
    pub fn request_trailers(&mut self) -> Step {
        match self.phase {
            Phase::ReadingBody { .. }
            | Phase::Waiting(_)
            | Phase::Global(_)
            | Phase::Consenting(_)
            | Phase::ReadingForm(_)
            | Phase::Current(_) => self.refuse(&Denial::Request("trailers")),
            _ => self.absorb_request(),
        }
    }
}

/// What the body of this interaction must be.
pub(super) fn expected_body(interaction: &Interaction) -> ExpectedBody {
    match interaction.change() {
        Some(Change::Create | Change::Update) => ExpectedBody::Resource,
        Some(Change::Patch) => ExpectedBody::Patch,
        Some(Change::Delete) => ExpectedBody::Empty,
        None => match interaction {
            Interaction::Operation(call) if call.post => ExpectedBody::Parameters,
            _ => ExpectedBody::Empty,
        },
    }
}

/// Checks a body that is whole; `targets` are those of the Bundle that it stands in.
pub(super) fn check_body(
    guard: &Guard,
    permit: &Permit,
    expected: ExpectedBody,
    bytes: &[u8],
    targets: &Targets,
) -> Result<(), Denial> {
    let interaction = &permit.request().interaction;
    let checked = match expected {
        ExpectedBody::Empty if bytes.is_empty() => return Ok(()),
        ExpectedBody::Empty => return Err(Denial::Request("body")),
        ExpectedBody::Patch => {
            body::check_patch(bytes, permit.may_read_all(), !guard.hides_from(permit))
        }
        ExpectedBody::Parameters => return check_call(guard, permit, bytes),
        ExpectedBody::Resource => match interaction.resource_type() {
            Some(resource_type) => {
                let check = guard.policy().fhir.body_check;
                body::check_body(bytes, resource_type, interaction.id(), check)
            }
            None => return Err(Denial::Request("body")),
        },
    };
    let document = checked.map_err(denial)?;
    let root = document.root();
    if let Some(watermarking) = &guard.policy().watermarking {
        let system = &watermarking.system;
        let marked = match expected {
            ExpectedBody::Patch => patch_has_system(root, system),
            _ => has_tag_of(root, system),
        };
        // It would say of whoever reads it that another did.
        if marked {
            return Err(Denial::Request("body-watermarked"));
        }
    }
    let labels = match expected {
        ExpectedBody::Patch => patch_has_labels(root),
        _ => has_labels(root),
    };
    if labels && guard.policy().fhir.writes.labels == ClientLabels::Refused {
        return Err(Denial::NotSupported("label"));
    }
    match expected {
        // What it makes of the resource is decided when the current version is there.
        ExpectedBody::Patch => Ok(()),
        _ => {
            permit.check_written(root)?;
            check_contained(guard, permit, root)?;
            if interaction
                .resource_type()
                .is_some_and(Subscription::is_type)
            {
                subscription::check(guard, permit, root)?;
            }
            check_own(guard, permit, root, targets)
        }
    }
}

/// Checks what the head says of where a write comes from: like a body it brings in no mark of a recipient.
pub(super) fn check_provenance(guard: &Guard, request: &Request) -> Result<(), Denial> {
    let (Some(watermarking), Some(Provenance::Header(text))) =
        (&guard.policy().watermarking, &request.provenance)
    else {
        return Ok(());
    };
    let document = Document::parse(text.as_bytes(), &Limits::default());
    let document = document.map_err(|_| Denial::Request("provenance"))?;
    match has_tag_of(document.root(), &watermarking.system) {
        true => Err(Denial::Request("body-watermarked")),
        false => Ok(()),
    }
}

/// An update does not write back what is contained and was seen in part: the rest would be gone.
fn check_contained(guard: &Guard, permit: &Permit, root: Node<'_>) -> Result<(), Denial> {
    let updates = permit.request().interaction.change() == Some(Change::Update);
    if !updates || !guard.hides_from(permit) {
        return Ok(());
    }
    let malformed = |found: &'static str| Denial::Body("body", found.into());
    let shape = Shape::of(root).map_err(malformed)?;
    let in_part = |of: ResourceType| {
        let mut active = guard.active(permit);
        active.any(|rule| rule.resource_type == of) || permit.texts().any(|own| own.masks_in(of))
    };
    match shape.contained.iter().any(|(of, _)| in_part(*of)) {
        true => Err(Denial::NotSupported("update-of-redacted")),
        false => Ok(()),
    }
}

/// The parameters of an operation. What a patient hands over must be the own patient's.
fn check_call(guard: &Guard, permit: &Permit, bytes: &[u8]) -> Result<(), Denial> {
    let Interaction::Operation(call) = &permit.request().interaction else {
        return Err(Denial::Request("body"));
    };
    let check = guard.policy().fhir.body_check;
    let document = body::check_parameters(bytes, &call.operation, check).map_err(denial)?;
    let marked = guard.policy().watermarking.as_ref();
    if marked.is_some_and(|own| has_tag_of(document.root(), &own.system)) {
        return Err(Denial::Request("body-watermarked"));
    }
    let mut resources = body::resources_of(document.root());
    resources.try_for_each(|resource| check_own(guard, permit, resource, &Targets::default()))
}

/// The refusal of a body, or of what a patch makes.
pub(super) fn denial(fault: body::BodyFault) -> Denial {
    match fault {
        body::BodyFault::Conditional => Denial::NotSupported("conditional-reference"),
        body::BodyFault::Malformed(found) => Denial::Body("body", found.into()),
        body::BodyFault::Mismatch(found) => Denial::Body("body-mismatch", found.into()),
        body::BodyFault::Structure(found) => Denial::Body("body-structure", found),
        body::BodyFault::Reads => Denial::NotSupported("patch-operation"),
        body::BodyFault::Redacted => Denial::Request("body-redacted"),
    }
}

/// A resource that a patient writes is the own patient's, and names no other.
pub(super) fn check_own(
    guard: &Guard,
    permit: &Permit,
    root: Node<'_>,
    targets: &Targets,
) -> Result<(), Denial> {
    let Some(patient) = permit.patient() else {
        return Ok(());
    };
    let malformed = |found: &'static str| Denial::Body("body", found.into());
    let shape = Shape::of(root).map_err(malformed)?;
    let fhir = &guard.policy().fhir;
    let membership = Membership::new(&fhir.compartment, patient, fhir.base.as_str(), root, &shape);
    let membership = membership.among(targets);
    membership.check_written().map_err(Denial::Compartment)
}
