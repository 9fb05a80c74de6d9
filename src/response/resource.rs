//! One resource: may it leave, and what of it.

use std::borrow::Cow;
use std::ops::Range;

use super::edit::Edits;
use super::labels::{self, Labelled};
use super::marks::Marks;
use super::meta::{self, Coding, MASKED, REDACTED, SUBSETTED};
use super::prune::prune;
use super::{Action, Cover, Fault, Watermark, references};
use crate::access::{Granted, Membership, is_of_practitioner};
use crate::fhir::{Owner, ResourceType, is_id};
use crate::json::{Document, Kind, Limits, Node, quote};
use crate::request::body::Shape;

/// A resource that may leave.
pub(super) struct Screened<'d> {
    /// Whether something was removed or masked.
    pub redacted: bool,
    left: Left<'d>,
}

/// What is left of a resource.
enum Left<'d> {
    /// The upstream's bytes with these changes.
    Edited(&'d str, Node<'d>, Edits),
    /// Another text.
    Text(String),
}

impl Screened<'_> {
    /// Writes what of it may leave: the upstream's bytes where nothing was hidden.
    pub fn write(self, out: &mut String) {
        match self.left {
            Left::Edited(source, root, edits) => edits.apply(source, root.span(), out),
            Left::Text(text) => out.push_str(&text),
        }
    }
}

/// Screens a resource of the document `source`, an object that says that it is of this type, of which
/// this is granted.
/// `None`: outside the patient's compartment, or of a kind that no scope is for, or that the patient does not
/// consent to.
pub(super) fn screen<'d>(
    source: &'d str,
    root: Node<'d>,
    resource_type: ResourceType,
    granted: &Granted,
    cover: &Cover,
) -> Result<Option<Screened<'d>>, Fault> {
    let marked = cover.watermark.as_ref();
    let Some(watermark) = marked.filter(|watermark| watermark.is_on(root)) else {
        return decide(source, root, resource_type, granted, cover);
    };
    // It was copied back from somewhere: what leaves must not lead to another recipient.
    let text = watermark.without(source, root)?;
    let document = Document::parse(text.as_bytes(), &Limits::default())
        .map_err(|fault| Fault::Uninspectable(fault.kind.text()))?;
    let screened = decide(
        document.text(),
        document.root(),
        resource_type,
        granted,
        cover,
    )?;
    Ok(screened.map(|screened| {
        let redacted = screened.redacted;
        let mut text = String::new();
        screened.write(&mut text);
        Screened {
            redacted,
            left: Left::Text(text),
        }
    }))
}

#[inline]
fn decide<'d>(
    source: &'d str,
    root: Node<'d>,
    resource_type: ResourceType,
    granted: &Granted,
    cover: &Cover,
) -> Result<Option<Screened<'d>>, Fault> {
    let shape = Shape::of_type(root, resource_type).map_err(Fault::Uninspectable)?;
    let meta = root.get("meta");
    if meta.is_some_and(|meta| meta.kind() != Kind::Object) {
        return Err(Fault::Uninspectable("meta is no object"));
    }
    if !granted.covers(root) {
        return Ok(None);
    }
    let consent = cover.consent.as_ref();
    if consent.is_some_and(|ruling| !ruling.covers(resource_type, root, &shape.contained)) {
        return Ok(None);
    }
    let mut marks = Marks::default();
    let membership = cover
        .patient
        .as_ref()
        .map(|patient| Membership::new(&cover.compartment, patient, &cover.base, root, &shape));
    if let Some(membership) = &membership {
        if !membership.covers() {
            return Ok(None);
        }
        if shape.resource_type.is_patient() {
            // Links name other patients; a patient's permit says nothing about those, and the
            // narrative may repeat them.
            if root.get("link").is_some() {
                marks.remove_narratives(root);
            }
            marks.remove_element(root, "link");
        }
    }
    if let Some(practitioner) = &cover.practitioner {
        let owner = Owner::practitioner(practitioner, &cover.compartment);
        if !is_of_practitioner(&owner, &cover.base, root, &shape) {
            return Ok(None);
        }
    }
    let labelled = match granted.labels() {
        None => Labelled::Seen,
        Some(cleared) => labels::mask(root, cleared, &mut marks),
    };
    if labelled == Labelled::Withheld {
        return Ok(None);
    }
    if labelled == Labelled::Masked {
        remove_narratives(root, &shape, &mut marks);
    }
    let hidden = redact(root, &shape, cover, &mut marks);
    let told = references::mark(root, &shape, cover, membership.as_ref(), &mut marks);
    if told {
        remove_narratives(root, &shape, &mut marks);
    }
    let hidden = hidden.max(told.then_some(Hidden::Removed));
    let mut texts: Vec<(Range<usize>, String)> = Vec::new();
    if let Some(rules) = granted.texts() {
        rules.mask(root, |text, masked| {
            texts.push((text.span(), quote(&masked)))
        });
    }
    if !texts.is_empty() {
        // What is left of a value that is generalised may be such a text.
        marks.coarsen();
    }
    let mut edits = Edits::default();
    prune(root, marks, &mut edits);
    for (place, masked) in texts {
        edits.replace(place, masked);
    }
    let redacted = !edits.is_empty();
    let (mut labels, mut tag): (&[Coding<'_>], _) = (&[], None);
    // Also where a rule found nothing: else the tag would tell that there was something.
    if redacted || hidden.is_some() {
        // By what holds for the caller: else the label would tell what stood where nothing is left. Of what is
        // contained, rules about texts may be for other types.
        let texts = granted.texts();
        let masks = hidden == Some(Hidden::Masked)
            || granted.labels().is_some()
            || texts.is_some_and(|rules| rules.masks() || !shape.contained.is_empty());
        labels = match masks {
            true => &[REDACTED, MASKED],
            false => &[REDACTED],
        };
        tag = Some(SUBSETTED);
    }
    // Behind every reason to withhold it.
    match (tag, cover.watermark.as_ref().and_then(Watermark::next)) {
        (None, None) => {}
        (Some(tag), None) | (None, Some(tag)) => meta::add(root, labels, &[tag], &mut edits)?,
        (Some(tag), Some(mark)) => meta::add(root, labels, &[tag, mark], &mut edits)?,
    }
    Ok(Some(Screened {
        redacted,
        left: Left::Edited(source, root, edits),
    }))
}

/// Whether this is a resource of this type that holds no other.
pub(super) fn check_plain(root: Node<'_>, resource_type: ResourceType) -> Result<(), Fault> {
    let shape = Shape::of(root).map_err(Fault::Uninspectable)?;
    if shape.resource_type != resource_type || !shape.contained.is_empty() {
        return Err(Fault::Uninspectable(
            "the resource is not of the type that the operation answers, or holds another",
        ));
    }
    Ok(())
}

/// The resource's id: a string of the standard's grammar.
pub(super) fn id_of(root: Node<'_>) -> Result<Option<Cow<'_, str>>, Fault> {
    let Some(id) = root.get("id") else {
        return Ok(None);
    };
    match id.str().filter(|id| is_id(id)) {
        Some(id) => Ok(Some(id)),
        None => Err(Fault::Uninspectable("id is not an id of fhir")),
    }
}

/// What the rules that are for a resource do to it, whether they find anything or not.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Hidden {
    /// They only remove.
    Removed,
    /// Something stands in the place of what they hide.
    Masked,
}

/// Marks what the rules hide; `None` where no rule is for a resource that is here.
fn redact(root: Node<'_>, shape: &Shape<'_>, cover: &Cover, marks: &mut Marks) -> Option<Hidden> {
    let own = (shape.resource_type, root);
    let resources = || std::iter::once(own).chain(shape.contained.iter().copied());
    let mut hidden = None;
    for rule in &cover.redactions {
        let of_type = |(own, _): &(ResourceType, Node<'_>)| *own == rule.resource_type;
        let mut resources = resources().filter(of_type).peekable();
        // The labels of one are those of all.
        if resources.peek().is_none() || !rule.is_for(root) {
            continue;
        }
        hidden = hidden.max(Some(match rule.action {
            Action::Remove => Hidden::Removed,
            Action::Mask | Action::Replace(_) | Action::Generalize(_) => Hidden::Masked,
        }));
        for (_, resource) in resources {
            rule.mark(resource, marks);
        }
    }
    // Also when no element matched: else the presence of a narrative would tell that there was
    // nothing to hide. That of a container describes what it contains, and the reverse.
    if hidden.is_some() {
        remove_narratives(root, shape, marks);
    }
    hidden
}

fn remove_narratives(root: Node<'_>, shape: &Shape<'_>, marks: &mut Marks) {
    let contained = shape.contained.iter().map(|(_, resource)| *resource);
    for resource in std::iter::once(root).chain(contained) {
        marks.remove_narratives(resource);
    }
}
