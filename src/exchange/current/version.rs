//! The current version: whose it is, whether the caller may write it, and what it would become.

use serde_json::Value;

use super::{CallAnswer, Exchange};
use crate::access::{Membership, Permit};
use crate::denial::Denial;
use crate::exchange::{Guard, body};
use crate::json::{self, Document, Limits, Node, patch};
use crate::request::body::{Shape, check_content};
use crate::request::labels::LABELS;
use crate::request::{ClientLabels, Interaction, Targets};
use crate::response::{AnswerHead, Labelled};

/// Decides on a write by what the upstream says is there now, and gives the tag to which the write is
/// pinned. What is not there, is another's, is what no scope is for, or cannot be told from that is
/// answered alike.
pub(super) fn decide(
    guard: &Guard,
    permit: &Permit,
    patch: Option<&[u8]>,
    answer: Option<CallAnswer<'_>>,
) -> Result<String, Denial> {
    let forbidden = guard.policy().response.absent_is_forbidden;
    let unknown = |found| Denial::Undecided {
        what: "current-version",
        absent: Some(forbidden),
        found,
    };
    let away = Denial::Unavailable("current-version");
    let (head, body) = answer.ok_or(away.clone())?;
    let head = AnswerHead::read(head).map_err(|_| away.clone())?;
    match head.status {
        200 => {}
        404 | 410 => return Err(Denial::Absent { forbidden }),
        429 | 500.. => return Err(away),
        _ => return Err(unknown("its status is none of 200, 404, 410, 429 and 5xx")),
    }
    if body.len() > Exchange::answer_limit(guard) {
        return Err(unknown("it is larger than what is read"));
    }
    if head.check_body().is_err() {
        return Err(unknown(
            "its content type or encoding is not that of plain json",
        ));
    }
    let document = Document::parse(body, &Limits::default());
    let document = document.map_err(|fault| unknown(fault.kind.text()))?;
    let root = document.root();
    let shape = Shape::of(root).map_err(unknown)?;
    let interaction = &permit.request().interaction;
    let id = root.get("id").and_then(Node::str);
    if Some(shape.resource_type) != interaction.resource_type() || id.as_deref() != interaction.id()
    {
        return Err(unknown("it is another resource"));
    }
    let fhir = &guard.policy().fhir;
    let membership = permit.patient().map(|patient| {
        Membership::new(&fhir.compartment, patient, fhir.base.as_str(), root, &shape)
    });
    let own = membership.as_ref().is_none_or(Membership::covers);
    if !own || !permit.covers(root) {
        return Err(Denial::Absent { forbidden });
    }
    let labelled = permit.labels();
    let labelled = labelled.map_or(Labelled::Seen, |cleared| Labelled::of(root, cleared));
    if labelled == Labelled::Withheld {
        return Err(Denial::Absent { forbidden });
    }
    // From here on it is one that the caller may write such of, and may be said to be there.
    if membership.is_some_and(|membership| !membership.subject_is_own()) {
        return Err(Denial::Compartment(
            "the current version says that it is somebody else's",
        ));
    }
    let own = |found| Denial::Undecided {
        what: "current-version",
        absent: None,
        found,
    };
    let tag = head.etag().ok_or(own("it has no etag of fhir's form"))?;
    let said = root.get("meta").and_then(|meta| meta.get("versionId"));
    let version = tag.trim_start_matches("W/\"").trim_end_matches('"');
    if said.is_some_and(|said| !said.is_str(version)) {
        return Err(own("its etag and its meta.versionId differ"));
    }
    let changes = !matches!(interaction, Interaction::Delete { .. });
    // The rest would be gone, or lose the label; who deletes it sees nothing of it.
    if changes && labelled == Labelled::Masked {
        return Err(Denial::NotSupported("update-of-redacted"));
    }
    check_loss(guard, permit, root, shape.resource_type.is_patient())?;
    if let Some(patch) = patch {
        check_patched(guard, permit, root, patch)?;
    }
    Ok(tag.to_owned())
}

/// An update puts all of a resource in its place: what the writer cannot have seen, or may not set, would
/// be gone.
fn check_loss(
    guard: &Guard,
    permit: &Permit,
    root: Node<'_>,
    is_patient: bool,
) -> Result<(), Denial> {
    // Taken out of every answer to a patient; a patch could carry it to where it shows.
    if is_patient && permit.patient().is_some() && root.get("link").is_some() {
        return Err(Denial::NotSupported("update-of-redacted"));
    }
    let labelled = root
        .get("meta")
        .is_some_and(|meta| meta.get("security").is_some());
    let refused = guard.policy().fhir.writes.labels == ClientLabels::Refused;
    match permit.request().interaction {
        Interaction::Update { .. } if labelled && refused => Err(Denial::NotSupported("label")),
        _ => Ok(()),
    }
}

/// What the patch makes of the current version is a resource that could be written as a body.
fn check_patched(
    guard: &Guard,
    permit: &Permit,
    root: Node<'_>,
    patch: &[u8],
) -> Result<(), Denial> {
    let values = |root| json::value(root).ok_or(Denial::Patch("a number in it is out of range"));
    let document = Document::parse(patch, &Limits::default());
    let document = document.map_err(|fault| Denial::Patch(fault.kind.text()))?;
    let (before, operations) = (values(root)?, values(document.root())?);
    let after = patch::apply(&before, &operations).map_err(|fault| Denial::Patch(fault.text()))?;
    let kept = |name: &str| before.get(name) == after.get(name);
    if !kept("resourceType") || !kept("id") {
        return Err(Denial::Body(
            "body-mismatch",
            "the patch changes the type or the id of the resource".into(),
        ));
    }
    let of =
        |version: &Value, name: &str| version.get("meta").and_then(|meta| meta.get(name)).cloned();
    let relabelled = LABELS
        .iter()
        .any(|name| of(&before, name) != of(&after, name));
    if relabelled && guard.policy().fhir.writes.labels == ClientLabels::Refused {
        return Err(Denial::NotSupported("label"));
    }
    let text = after.to_string();
    let document = Document::parse(text.as_bytes(), &Limits::default());
    let document = document.map_err(|fault| Denial::Patch(fault.kind.text()))?;
    let made = document.root();
    check_content(made, guard.policy().fhir.body_check, None).map_err(body::denial)?;
    permit.check_written(made)?;
    body::check_own(guard, permit, made, &Targets::default())
}
