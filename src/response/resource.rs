//! One resource: may it leave, and what of it.

use std::borrow::Cow;
use std::ops::Range;

use super::edit::Edits;
use super::labels::{self, Labelled};
use super::marks::Marks;
use super::prune::prune;
use super::{Cover, Fault, references};
use crate::access::{Granted, Membership, is_of_practitioner};
use crate::fhir::{Owner, ResourceType, is_id};
use crate::json::{Kind, Node, quote};
use crate::request::body::Shape;

const SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";

/// The tag with what stands before and behind it.
macro_rules! tag {
    ($before:literal, $behind:literal) => {
        concat!(
            $before,
            r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}"#,
            $behind
        )
    };
}

/// A resource that may leave.
pub(super) struct Screened<'d> {
    /// Whether something was removed or masked.
    pub redacted: bool,
    source: &'d str,
    root: Node<'d>,
    edits: Edits,
}

impl Screened<'_> {
    /// Writes what of it may leave: the upstream's bytes where nothing was hidden.
    pub fn write(self, out: &mut String) {
        self.edits.apply(self.source, self.root.span(), out);
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
    let active = redact(root, &shape, cover, &mut marks);
    let told = references::mark(root, &shape, cover, membership.as_ref(), &mut marks);
    if told {
        remove_narratives(root, &shape, &mut marks);
    }
    let active = active || told;
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
    // Also where a rule found nothing: else the tag would tell that there was something.
    if redacted || active {
        tag(root, &mut edits)?;
    }
    Ok(Some(Screened {
        redacted,
        source,
        root,
        edits,
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

/// Marks what the rules hide; says whether any rule is for a resource that is here.
fn redact(root: Node<'_>, shape: &Shape<'_>, cover: &Cover, marks: &mut Marks) -> bool {
    let own = (shape.resource_type, root);
    let resources = || std::iter::once(own).chain(shape.contained.iter().copied());
    let mut active = false;
    for (resource_type, resource) in resources() {
        let rules = cover
            .redactions
            .iter()
            .filter(|rule| rule.resource_type == resource_type);
        for rule in rules {
            active = true;
            rule.mark(resource, marks);
        }
    }
    // Also when no element matched: else the presence of a narrative would tell that there was
    // nothing to hide. That of a container describes what it contains, and the reverse.
    if active {
        remove_narratives(root, shape, marks);
    }
    active
}

fn remove_narratives(root: Node<'_>, shape: &Shape<'_>, marks: &mut Marks) {
    let contained = shape.contained.iter().map(|(_, resource)| *resource);
    for resource in std::iter::once(root).chain(contained) {
        marks.remove_narratives(resource);
    }
}

/// Says in `meta.tag` that the resource is not whole, where everything else keeps its bytes.
fn tag(root: Node<'_>, edits: &mut Edits) -> Result<(), Fault> {
    let Some(meta) = root.get("meta") else {
        let before = root.get("id").or_else(|| root.get("resourceType"));
        let at = before.map_or(root.span().start + 1, |node| node.span().end);
        edits.insert(at, tag!(r#","meta":{"tag":["#, "]}"));
        return Ok(());
    };
    // It would go as a narrative, and perhaps take the tag with it.
    if meta
        .all_named("text")
        .any(|text| text.kind() == Kind::Object)
    {
        return Err(Fault::Uninspectable("an object named text stands in meta"));
    }
    let Some(tags) = meta.get("tag") else {
        let last = meta.members().last();
        let at = last.map_or(meta.span().start + 1, |member| member.value.span().end);
        edits.insert(
            at,
            match last {
                None => tag!(r#""tag":["#, "]"),
                Some(_) => tag!(r#","tag":["#, "]"),
            },
        );
        return Ok(());
    };
    if tags.kind() != Kind::Array {
        return Err(Fault::Uninspectable("meta.tag is no array"));
    }
    let is = |coding: Node<'_>, name: &str, text: &str| {
        coding.get(name).is_some_and(|value| value.is_str(text))
    };
    let tagged = |coding: Node<'_>| is(coding, "system", SYSTEM) && is(coding, "code", "SUBSETTED");
    if !tags.items().any(tagged) {
        let last = tags.items().last();
        let at = last.map_or(tags.span().start + 1, |item| item.span().end);
        edits.insert(
            at,
            match last {
                None => tag!("", ""),
                Some(_) => tag!(",", ""),
            },
        );
    }
    Ok(())
}
